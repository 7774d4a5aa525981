"""How much personal data is found, and how much else: generated rows of each kind, and the shared spans.

python bench/quality/personal.py            all figures
python bench/quality/personal.py email      the misses and false alarms of one kind, by eye
"""

from __future__ import annotations

import base64
import json
import os
import random
import string
import sys
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from tuneset.clean.personal import PersonalData, Secret
from tuneset.personal.checksums import CARDS, IBAN_LENGTHS, card, iban
from tuneset.personal.columns import Search, look, suspects
from tuneset.personal.kinds import PERSONAL, SECRET

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DATA = Path(os.environ.get("TUNESET_DATA", Path(__file__).parents[3] / "shared" / "data"))
ROWS = 500  # of each kind, and as many without it
# The kinds of the shared spans that are ours; its other kinds (names, places, dates, ages, licences) are not.
SHARED_KINDS = {
    "EMAIL_ADDRESS": "email",
    "PHONE_NUMBER": "phone",
    "CREDIT_CARD": "card",
    "IBAN_CODE": "iban",
    "IP_ADDRESS": "ip",
    "US_SSN": "national-id",
}
REGIONS = ("US", "GB", "DE", "FR", "ES", "IT", "IN", "AU", "BR", "NL", "MX", "PL")


class Row(NamedTuple):
    """A text and what is to be found in it: kind, first character, character behind the last."""

    text: str
    spans: tuple[tuple[str, int, int], ...]


class Score(NamedTuple):
    """Finds that are right, finds that are wrong, and what was not found."""

    right: int
    wrong: int
    missed: int

    @property
    def f1(self) -> float:
        """Return the harmonic mean of precision and recall."""
        return 2 * self.right / max(1, 2 * self.right + self.wrong + self.missed)


def digits(draw: random.Random, count: int) -> str:
    return "".join(draw.choice(string.digits) for _ in range(count))


def letters(draw: random.Random, count: int, alphabet: str = string.ascii_letters + string.digits) -> str:
    return "".join(draw.choice(alphabet) for _ in range(count))


NAMES = [
    "anna",
    "bob",
    "chen",
    "daria",
    "emre",
    "fatou",
    "george",
    "hanna",
    "igor",
    "josé",
    "kofi",
    "lena",
    "marc",
    "nadia",
    "omar",
    "priya",
    "quentin",
    "rosa",
    "søren",
    "tom",
    "uma",
    "viktor",
    "wen",
    "yusuf",
    "zoë",
]
SURNAMES = [
    "smith",
    "o'neil",
    "garcía",
    "müller",
    "rossi",
    "kowalski",
    "nguyen",
    "patel",
    "silva",
    "dubois",
    "jansen",
    "ivanov",
    "haddad",
    "kim",
    "sato",
    "berg",
    "lopez",
    "brown",
]
HOSTS = [
    "gmail.com",
    "yahoo.co.uk",
    "web.de",
    "orange.fr",
    "acme-corp.io",
    "mail.example.com",
    "uni-muenchen.de",
    "hotmail.com",
    "proton.me",
    "company.travel",
    "sub.domain.co.jp",
    "x.org",
]


def email(draw: random.Random) -> str:
    plain = str.maketrans("éøëüí'", "eoeui'")
    name, surname = draw.choice(NAMES), draw.choice(SURNAMES).replace("'", "")
    if draw.random() < 0.9:
        name, surname = name.translate(plain), surname.translate(plain)
    local = draw.choice(
        [
            f"{name}.{surname}", f"{name[0]}{surname}", f"{name}_{surname}{digits(draw, 2)}", f"{name}+shop", f"{name}{digits(draw, 4)}",
            f"{surname}-{name}", f"{name.title()}.{surname.title()}", name.upper(),
        ]
    )  # fmt: skip
    return f"{local}@{draw.choice(HOSTS)}"


def card_number(draw: random.Random) -> str:
    while True:
        prefixes, lengths = draw.choice(
            CARDS[:1] * 3 + CARDS[1:2] + CARDS[3:4] + CARDS[4:5] * 6 + CARDS[5:6] * 5 + CARDS[7:9]
        )
        prefix, length = draw.choice(prefixes), draw.choice([each for each in lengths if each <= 16])
        head = prefix + digits(draw, length - len(prefix) - 1)
        number = next(head + check for check in string.digits if _luhn(head + check))
        if card(number):
            break
    sizes = (4, 6, 5) if len(number) == 15 else (4, 6, 4) if len(number) == 14 else (4, 4, 4, 4)
    gap = draw.choice(["", "", " ", " ", "-", "."])
    return grouped(number, sizes, gap) if len(number) > 13 else number


def _luhn(number: str) -> bool:
    total = sum(
        int(each) if place % 2 == 0 else sum(map(int, str(2 * int(each))))
        for place, each in enumerate(reversed(number))
    )
    return total % 10 == 0


def grouped(value: str, sizes: tuple[int, ...], gap: str) -> str:
    parts, rest = [], value
    for size in sizes:
        parts.append(rest[:size])
        rest = rest[size:]
    return gap.join([part for part in [*parts, rest] if part])


def iban_number(draw: random.Random) -> str:
    country = draw.choice(sorted(IBAN_LENGTHS))
    body = digits(draw, IBAN_LENGTHS[country] - 4)
    if country in ("GB", "NL", "IE", "MT", "RO", "LV"):
        body = letters(draw, 4, string.ascii_uppercase) + body[4:]
    number = next(made for check in range(2, 99) if iban(made := f"{country}{check:02d}{body}"))
    style = draw.random()
    spaced = grouped(number, (4,) * 9, " ")
    return (
        number
        if style < 0.45
        else spaced
        if style < 0.85
        else number.lower()
        if style < 0.9
        else spaced.replace(" ", "-")
    )


def ip_address(draw: random.Random) -> str:
    if draw.random() < 0.3:
        parts = [f"{draw.randrange(1, 65536):x}" for _ in range(8)]
        parts[0] = draw.choice(["2a00", "2600", "fe80", "2003"])
        return draw.choice(
            [":".join(parts), f"{parts[0]}:{parts[1]}::{parts[2]}", f"{parts[0]}::{parts[1]}:{parts[2]}"]
        )
    return f"{draw.choice([10, 81, 172, 192, 46, 93, 185, 8])}.{draw.randrange(256)}.{draw.randrange(1, 256)}.{draw.randrange(1, 255)}"


def key(draw: random.Random) -> str:
    upper, low_hex = string.ascii_uppercase + "234567", "0123456789abcdef"
    token = base64.urlsafe_b64encode
    makers: list[Callable[[], str]] = (
        [
            lambda: "AKIA" + letters(draw, 16, upper),
            lambda: "ghp_" + letters(draw, 36),
            lambda: "github_pat_" + letters(draw, 22) + "_" + letters(draw, 59),
            lambda: "glpat-" + letters(draw, 20),
            lambda: f"xoxb-{digits(draw, 12)}-{digits(draw, 12)}-{letters(draw, 24)}",
            lambda: "sk_live_" + letters(draw, 24),
            lambda: "rk_live_" + letters(draw, 24),
            lambda: "sk-" + letters(draw, 48),
            lambda: "sk-proj-" + letters(draw, 80),
            lambda: "sk-ant-api03-" + letters(draw, 93),
            lambda: "AIza" + letters(draw, 35),
            lambda: "hf_" + letters(draw, 34),
            lambda: "npm_" + letters(draw, 36),
            lambda: "pypi-AgEIcHlwaS5vcmc" + letters(draw, 60),
            lambda: f"SG.{letters(draw, 22)}.{letters(draw, 43)}",
            lambda: "SK" + letters(draw, 32, low_hex),
            lambda: f"{digits(draw, 10)}:AA{letters(draw, 33)}",
            lambda: ".".join(
                token(part).decode().rstrip("=")
                for part in (b'{"alg":"HS256","typ":"JWT"}', json.dumps({"sub": digits(draw, 6)}).encode(), draw.randbytes(32))
            ),
            lambda: f"-----BEGIN RSA PRIVATE KEY-----\n{letters(draw, 64)}\n{letters(draw, 64)}\n-----END RSA PRIVATE KEY-----",
        ]
    )  # fmt: skip
    return draw.choice(makers)()


def given_key(draw: random.Random) -> tuple[str, str]:
    """Make a key of no known shape, and the words before it."""
    value = draw.choice(
        [letters(draw, 32), letters(draw, 40, "0123456789abcdef"), base64.b64encode(draw.randbytes(30)).decode()]
    )
    name = draw.choice(["api_key=", "API key: ", "apiKey: '", "client_secret = ", 'secret_key="', "access_token=", "Authorization: Bearer ", "aws_secret_access_key = ", "AccountKey="])  # fmt: skip
    return name, value


SENTENCES: dict[str, list[str]] = {
    "email": ["My e-mail is {}, please change it.", "write to {}", "{} can't log in", "Contact: <{}>", "mail:{};", "I sent it from {}.", "cc {}, thanks", '"{}" is what I typed', "account ({}) is locked", "mailto:{}?subject=hi"],
    "card": ["My card {} was declined", "please block card no {}", "charge {} exp 12/27 cvv 123", "card number: {}.", "I paid with {} yesterday", "{} is my visa", "cc {}", "the number on the front is {}, right?", "card={}"],
    "iban": ["My IBAN is {}", "please pay to {} by Friday", "IBAN: {}.", "refund to {}, thanks", "the account {} is closed", "send it ({})", "{} is not accepted as an account"],
    "ip": ["blocked from {}", "my IP address is {}.", "login from {} was not me", "ping {} fails", "client_ip={}", "[{}] connection refused", "server {}, port 8080", "can't reach {}:", "who is {}?"],
    "key": ["my key is {}", "here: {}", "export TOKEN={}", "I committed {} by mistake", "does {} still work?", 'key="{}"', "curl -H 'X-Key: {}'", "{}"],
    "phone": ["call me on {}", "my phone number is {}", "Tel: {}", "you can reach me at {} after 5", "{} is my mobile", "please text {} when it arrives", "They're not answering at {}", "phone={}", "my new number: {}", "I tried to call {} twice", "Contact {} for details", "{}", "WhatsApp {}, thanks", "the courier should ring {}."],
}  # fmt: skip

# Rows with what looks like personal data and is none: {d4} stands for four digits, {h8} for eight hexadecimal ones.
OTHERS = [
    "where is order {d8}?", "order #{d10} has not arrived", "tracking number {d12} does not work", "parcel 1Z{a6}{d10} is late", "invoice INV-{d4}-{d6}", "ref {d9}",
    "tracking: 9400 {d4} {d4} {d4} {d4} {d2}", "version 2.{d1}.{d2}.{d1} crashes", "v1.2.3.4 is slow", "since release {d1}.{d2}.{d1} it hangs", "on 2024-0{n}-1{d1} at 10:{m2}:{m2}",
    "it was 0{n}/1{d1}/202{d1}", "I paid ${d3}.{d2}", "it cost 1,{d3},{d3}.00 euros", "€ {n}.{d3}.{d3},{d2}", "{n} {d3} {d3} people came", "SKU {a3}-{d5}-{a2}", "sha256 {h64}",
    "commit {h40} broke it", "md5 {h32}", "request id {uuid}", "product code {a2}{d6}{a1}", "hi @john.doe and @anna_{d2}", "lat 51.{d6}, lon -0.{d6}", "pi is 3.14159{d6}",
    "room {d4}, floor 3", "the score was {d1}-{d1}", "ISBN 978-3-{d2}-{d6}-{d1}", "EAN {d13}", "IMEI 35{d13}", "model XJ-{d4}/{d3}", "ticket {d5}-{d4}", "use logo@2x.png", "see https://shop.com/item/{d8}?ref=home",
    "between 2019-2024", "10{d1} items at 3{d1} each", "call me about order {d8} please", "flight LH{d4} at 12:30", "serial number {d4}-{d4}-{d4}-{d4}", "timestamp 17{d8}", "{d2}:{m2}:{m2}.{d3}", "react@18.{d1}.{d1} fails",
    "127.0.0.1 refused", "section 1.2.3.4 says so", "ratio 16:9 or 4:3", "<b>@media</b>", "width: {d3}px; z-index: {d6}", "booking {a6} for {n} nights", "zip 9{d4}-{d4}", "account balance {d4}.{d2}", "git clone git@github.com:acme/tools.git",
    "my customer number is {d8}", "article no. {d3}.{d3}.{d2}", "{a2}{d2} {d3}{a1}", "session took 00:0{n}:{m2}", "the code is {d6}", "gift card {d4}-{a4}-{d4}", "meter reading {d6}", "I forgot my password", "the token expired", "how do I reset my api key?",
    "api_key = YOUR_API_KEY_HERE", "docker pull nginx:1.{d2}.{d1}", "rgb(1{d1},2{d1},3{d1})", "5 stars!!! 100% 24/7", "a::b and std::vector", "at 3:45 pm gate {d2}", "batch {d10} expired", "password must have 8 characters", "win $1,000,000 in 2025",
]  # fmt: skip


def _drawn(draw: random.Random, sign: str, count: str) -> str:
    if sign == "m":
        return f"{draw.randrange(60):02d}"
    if sign == "n":
        return str(draw.randrange(1, 10))
    if sign == "u":
        return str(uuid.UUID(int=draw.getrandbits(128), version=4))
    alphabet = {"d": string.digits, "a": string.ascii_uppercase, "h": "0123456789abcdef"}[sign]
    return letters(draw, int(count), alphabet)


def other(draw: random.Random) -> str:
    text = draw.choice(OTHERS)
    while "{" in text and (found := text.index("{")) >= 0:
        end = text.index("}", found)
        sign, count = text[found + 1], text[found + 2 : end]
        drawn = _drawn(draw, sign, count)
        text = text[:found] + drawn + text[end + 1 :]
    return text


def phone(draw: random.Random, region: str) -> str:
    """Make a number that the region gives out, written in one of the ways of its people."""
    import phonenumbers
    from phonenumbers import PhoneNumberFormat, PhoneNumberType

    kind = draw.choice([PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE])
    first = phonenumbers.example_number_for_type(region, kind) or phonenumbers.PhoneNumber()
    example = phonenumbers.format_number(first, PhoneNumberFormat.E164)
    while True:
        tail = draw.randrange(3, 7)
        number = phonenumbers.parse(example[:-tail] + digits(draw, tail))
        if phonenumbers.is_valid_number(number):
            break
    national = phonenumbers.format_number(number, PhoneNumberFormat.NATIONAL)
    international = phonenumbers.format_number(number, PhoneNumberFormat.INTERNATIONAL)
    return draw.choice(
        [
            national, national, national.replace(" ", "-").replace("--", "-").replace(")-", ") "), "".join(filter(str.isdigit, national)), national.replace(" ", ".").replace("-", "."),
            international, international, phonenumbers.format_number(number, PhoneNumberFormat.E164), international.replace("+", "00"),
        ]
    )  # fmt: skip


MAKERS: dict[str, Callable[[random.Random], str]] = {
    "email": email, "card": card_number, "iban": iban_number, "ip": ip_address, "key": key,
}  # fmt: skip


def rows(kind: str, make: Callable[[random.Random], str], seed: int = 7) -> Iterator[Row]:
    """Yield `ROWS` texts with a value of the kind and as many that only look like it."""
    draw = random.Random(f"{kind} {seed}")
    for _ in range(ROWS):
        before, _, after = draw.choice(SENTENCES[kind]).partition("{}")
        value = make(draw)
        if kind == "key" and draw.random() < 0.25:
            before, value = given_key(draw)
            after = ""
        if draw.random() < 0.3:
            before = other(draw) + "\n" + before
        yield Row(before + value + after, ((kind, len(before), len(before) + len(value)),))
        yield Row(other(draw), ())


def score(wanted: list[Row], kind: str, region: str = "", *, show: bool = False) -> Score:
    """Compare what is found with what is there: a find is right where it covers nine tenths of it, and little else."""
    ours = ("api-key", "password", "url-token") if kind == "key" else (kind,)
    right = wrong = missed = 0
    for row in wanted:
        found = [
            place
            for place in look(row.text, Search(tuple(PERSONAL) + tuple(SECRET), region)).found
            if place.kind in ours
        ]
        there = [(start, end) for each, start, end in row.spans if each == kind]
        hit = [span for span in there if any(_same(span, (place.start, place.end)) for place in found)]
        right, missed, wrong = right + len(hit), missed + len(there) - len(hit), wrong + len(found) - len(hit)
        if show and (len(hit) < len(there) or len(found) > len(hit)):
            print(
                [row.text[start:end] for start, end in there],
                [(each.kind, row.text[each.start : each.end]) for each in found],
                repr(row.text[:200]),
            )
    return Score(right, wrong, missed)


def _same(one: tuple[int, int], two: tuple[int, int]) -> bool:
    both = min(one[1], two[1]) - max(one[0], two[0])
    return both >= 0.9 * max(one[1] - one[0], two[1] - two[0])


def shared(data: Path, half: int | None = None) -> list[Row]:
    """Read the shared rows: all, or every second one."""
    lines = (data / "pii" / "pii.jsonl").read_text(encoding="utf-8").splitlines()
    read = [json.loads(line) for line in (lines if half is None else lines[half::2])]
    return [
        Row(
            each["text"],
            tuple(
                (SHARED_KINDS[span["entity_type"]], span["start_position"], span["end_position"])
                for span in each["spans"]
                if span["entity_type"] in SHARED_KINDS
            ),
        )
        for each in read
    ]


def clean_texts(data: Path) -> pl.Series:
    """Read the texts of BANKING77, CLINC150 and HWU64, which hold next to no personal data."""
    columns = [
        ("banking77/train.csv", "text"),
        ("clinc150/clinc150.csv", "inquiry"),
        ("hwu64/hwu64.csv", "text_as_typed"),
    ]
    return pl.concat(
        [pl.read_csv(data / file, infer_schema=False)[column].rename("text").drop_nulls() for file, column in columns]
    )


def measure(data: Path, seed: int = 7) -> dict[str, float]:
    """Return F1 by kind on generated and on shared rows, and false alarms and seconds on clean ones."""
    figures = {
        f"personal.generated.{kind}.f1": score(list(rows(kind, make, seed)), kind).f1 for kind, make in MAKERS.items()
    }
    for name, given in (("region", True), ("no-region", False)):
        parts = [score(phone_rows(region, seed), "phone", region if given else "") for region in REGIONS]
        figures[f"personal.generated.phone.{name}.f1"] = Score(*map(sum, zip(*parts, strict=True))).f1
    for kind in sorted(set(SHARED_KINDS.values())):
        figures[f"personal.shared.{kind}.f1"] = score(shared(data), kind).f1
    texts = clean_texts(data)
    for search, name in ((Search(tuple(PERSONAL)), "personal"), (Search(tuple(SECRET)), "secret")):
        found = [text for text in suspects(texts, search).to_list() if look(text, search).found]
        figures[f"{name}.clean-rows.found"] = len(found)
    million = pl.DataFrame({"text": texts.sample(1_000_000, with_replacement=True, seed=7)}).with_columns(
        id=pl.int_range(pl.len()).cast(pl.String), messages=pl.lit(None, pl.String), labels=pl.lit('{"category": "a"}')
    )
    for step in (PersonalData(), Secret()):
        started = time.perf_counter()
        step(million)
        figures[f"{step.rule}.million-rows.seconds"] = time.perf_counter() - started
    return figures


def phone_rows(region: str, seed: int = 7) -> list[Row]:
    made = rows("phone", lambda draw: phone(draw, region), seed)
    return [row for row, _ in zip(made, range(2 * ROWS // len(REGIONS)), strict=False)]


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] in MAKERS:
        print(score(list(rows(sys.argv[1], MAKERS[sys.argv[1]])), sys.argv[1], show=True))
    elif len(sys.argv) > 1 and sys.argv[1].startswith("phone"):
        for each in REGIONS:
            print(each, score(phone_rows(each), "phone", each if sys.argv[1] == "phone-region" else "", show=True))
    elif len(sys.argv) > 1 and sys.argv[1] == "shared":
        for each in sorted(set(SHARED_KINDS.values())):
            print(each, score(shared(DATA, 0), each, show=True))
    else:
        for figure, value in measure(DATA).items():
            print(f"{figure:45} {value:.3f}")
