# ruff: noqa: RUF001  damage is made of letters that look alike
"""Text repair and irrelevant tokens: what planted damage is restored, what planted greetings and the like are found.

Damage and parts are planted into real rows by fixed seeds. The parts of mails and pages (mail_parts.toml) are in two
halves: `seen` was looked at while the steps were written, `held` is only measured. A finding counts as right where what
it leaves is, letter by letter, the text before planting.
"""

from __future__ import annotations

import gzip
import html
import json
import os
import random
import re
import tomllib
import unicodedata
from collections import Counter
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from tuneset import model, step
from tuneset.apply import apply
from tuneset.clean import EncodingDamage, InvisibleCharacters, Markup, WhiteSpace
from tuneset.clean.furniture import PageFurniture, furniture
from tuneset.clean.links import TrackingParameters
from tuneset.clean.mail import Greeting, QuotedReply, Signature
from tuneset.clean.spans import cut
from tuneset.clean.template import TemplateLine
from tuneset.testing import examples

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DATA = Path(os.environ.get("TUNESET_DATA", Path(__file__).parents[3] / "shared" / "data"))
PARTS = Path(__file__).with_name("mail_parts.toml")
SETS = {
    "banking77": ("banking77/train.csv", "text", "category"),
    "clinc150": ("clinc150/clinc150.csv", "inquiry", "sub_category"),
    "hwu64": ("hwu64/hwu64.csv", "text_as_annotated", "sub_category"),
}
REPAIRS = (EncodingDamage(), Markup(), InvisibleCharacters(), WhiteSpace(), TrackingParameters())
SUGGESTIONS: dict[str, step.Step] = {
    made.rule: made for made in (QuotedReply(), Signature(), Greeting(), PageFurniture(), TemplateLine())
}
UNDECIDED = pl.DataFrame(schema=model.DECISIONS)
PLANTED = 1_000
Draw = random.Random


def measure(data: Path) -> dict[str, float]:
    """Measure every figure of this part."""
    clean = cleaned(data)
    return {
        **letters_changed(clean),
        **place_names_changed(),
        **restored(clean["text"].to_list()),
        **found(clean["text"].to_list()),
        **template_lines(clean["text"].to_list()),
        **false_alarms(data),
        **web_pages(data),
    }


# --- certain repairs


@cache
def cleaned(data: Path) -> pl.DataFrame:
    """Return 10,000 real rows after a first cleaning, so that a second one has nothing to do but what was planted."""
    rows = [rows_of(data, name) for name in SETS]
    traps = pl.DataFrame({"text": parts()["traps"]["rows"], "label": "trap"})
    table = pl.concat([*rows, traps]).unique("text", maintain_order=True).sample(10_000, seed=11)
    return pl.DataFrame({"text": repaired(table["text"].to_list()), "label": table["label"]})


def rows_of(data: Path, name: str) -> pl.DataFrame:
    file, text, label = SETS[name]
    return pl.read_csv(data / file, infer_schema=False).select(text=text, label=label).drop_nulls()


def repaired(texts: list[str]) -> list[str]:
    rows = examples(texts)
    for made in REPAIRS:
        rows = apply(rows, step.run(made, rows), UNDECIDED)
    done: list[str] = rows["text"].to_list()
    return done


def letters_changed(clean: pl.DataFrame) -> dict[str, float]:
    """Count the clean rows in which a repair changes anything but white space, and those that a second run changes."""
    texts = clean["text"].to_list()
    once = repaired(texts)
    changed = sum("".join(one.split()) != "".join(two.split()) for one, two in zip(texts, once, strict=True))
    again = sum(one != two for one, two in zip(once, repaired(once), strict=True))
    return {"repair.clean.letters_changed": changed, "repair.clean.changed_by_a_second_run": again}


# Real mojibake in the tables of phonenumbers 9.
DAMAGED = {"NÃ³made Telecomunicaciones", "TelefÃ³nica Uno Uno Cuatro", "Sociedad Comercial y de IngenierÃ\xada Swedcom"}


def place_names_changed() -> dict[str, float]:
    """Count the place names, of some 30 languages, that are taken for mojibake; as they are, in capitals, in quotes."""
    from phonenumbers import carrierdata, geodata

    tables = [table for data in (geodata, carrierdata) for table in vars(data).values() if isinstance(table, dict)]
    names = sorted(
        {name for table in tables for row in table.values() if isinstance(row, dict) for name in row.values()}
    )
    forms = [
        form
        for name in names
        if not name.isascii() and name not in DAMAGED
        for form in (name, name.upper(), f"„{name}”", f"{name}…")
    ]
    composed = [unicodedata.normalize("NFC", form) for form in forms]
    return {"repair.place_names.changed": step.run(EncodingDamage(), examples(composed)).height}


WORDS = ["Müller", "café", "naïve", "Zoë", "5 €", "£20", "don’t", "“now”", "Łódź", "São Paulo", "señor", "où", "Grüße", "à bientôt", "…", "–", "¿qué?", "привет", "東京", "😊", "Straße", "½", "Škoda", "Ålesund"]  # fmt: skip
MISREAD = ("latin-1", "cp1252", "cp437", "macroman", "iso-8859-2", "cp1251", "cp1250", "cp850")


def mojibake(codec: str) -> Callable[[str, Draw], tuple[str, str]]:
    def damage(text: str, draw: Draw) -> tuple[str, str]:
        for _ in range(50):
            whole = put(text, " ".join(draw.sample(WORDS, 2)), draw)
            try:
                return whole, whole.encode().decode(codec)
            except UnicodeDecodeError:
                continue
        return text, text

    return damage


def twice(text: str, draw: Draw) -> tuple[str, str]:
    whole, once = mojibake("latin-1")(text, draw)
    return whole, once.encode().decode("latin-1")


def entities(text: str, draw: Draw) -> tuple[str, str]:
    whole = put(text, draw.choice(["Smith & Sons", '"now"', "3 < 5", "café & bar", "5 €", "R&D", "Zoë's"]), draw)
    escaped = html.escape(whole)
    named = escaped.replace("é", "&eacute;").replace("€", "&euro;").replace("ë", "&#235;")
    return whole, draw.choice([escaped, named, html.escape(named), escaped.replace("&#x27;", "&#39;")])


def tags(text: str, draw: Draw) -> tuple[str, str]:
    words = text.split(" ")
    place = draw.randrange(len(words))
    marked = " ".join([*words[:place], f"<b>{words[place]}</b>", *words[place + 1 :]])
    linked = " ".join(
        [*words[:place], f'<a href="https://a.example/?a=1&amp;b=2">{words[place]}</a>', *words[place + 1 :]]
    )
    forms = [f"<p>{text}</p>", f"{text}<br/>", f'<div class="msg"><span>{text}</span></div>', marked, linked,
             f"<!-- x -->{text}", f'<p style="color:red">{marked}</p>', f"<html><body>{text}</body></html>", f"{text}<script>a()</script>"]  # fmt: skip
    return text, draw.choice(forms)


def invisible(text: str, draw: Draw) -> tuple[str, str]:
    return text, "".join(
        letter
        + (draw.choice("\u200b\ufeff\u00ad\x00\x07\u202a\u202c\u2060\u200e\x7f\u2063") if draw.random() < 0.1 else "")
        for letter in text
    ) + "\u200b"


def white_space(text: str, draw: Draw) -> tuple[str, str]:
    ends = ["", " ", "\n", "\t", "\u00a0", "\r\n"]
    between = [" ", "  ", "\t", "\u00a0", " \u2009", "\u3000", "   "]
    return text, draw.choice(ends[1:]) + "".join(
        draw.choice(between) if letter == " " else letter for letter in text
    ) + draw.choice(ends)


TRACKING = ["utm_source=newsletter", "utm_medium=email&utm_campaign=may_sale", "gclid=EAIaIQobChMI-x_Y", "fbclid=IwAR0abc-_1", "mc_eid=9f8e7d", "igshid=MzRlODBiNWFlZA==", "msclkid=1a2b3c", "_ga=2.1.123.456", "_hsenc=p2ANq-x&_hsmi=12", "mtm_campaign=x", "twclid=2abc", "mkt_tok=MTIz%2B", "UTM_TERM=red+hat", "ttclid=E.C.P", "yclid=12"]  # fmt: skip
LINKS = ["https://acme.example/hats", "http://www.acme.example/", "www.acme.example/a-b/c_d.html", "https://acme.example/s?q=red+hat&page=2", "https://acme.example:8080/x;y=1?id=%C3%A9#top", "acme.example/help?ref=faq", "https://acme.example", "https://en.wiki.example/Hat_(red)"]  # fmt: skip


def tracking(text: str, draw: Draw) -> tuple[str, str]:
    link = draw.choice(LINKS)
    page, hash_mark, fragment = link.partition("#")
    spoiled = draw.sample(TRACKING, draw.randint(1, 3))
    path, _, query = page.partition("?")
    pairs = query.split("&") if query else []
    for each in spoiled:
        pairs.insert(draw.randint(0, len(pairs)), each)
    end = draw.choice(["", ".", ",", ")", "?"])
    before = "(" if end == ")" else ""
    plain, dirty = (f"{before}{each}{hash_mark}{fragment}{end}" for each in (page, f"{path}?{'&'.join(pairs)}"))
    place = draw.random()
    return put(text, plain, Draw(place)), put(text, dirty, Draw(place))


def several(text: str, draw: Draw) -> tuple[str, str]:
    """Damage a text in the order in which it happens: typed, copied, read wrongly, put into a page."""
    whole = put(text, " ".join(draw.sample(WORDS, 2)), draw)
    typed = invisible(white_space(whole, draw)[1], draw)[1]
    return whole, f"<p>{typed.encode().decode('latin-1')}</p>"


DAMAGE: dict[str, Callable[[str, Draw], tuple[str, str]]] = {
    **{f"mojibake-{codec}": mojibake(codec) for codec in MISREAD},
    "mojibake-twice": twice,
    "entities": entities,
    "tags": tags,
    "invisible": invisible,
    "white-space": white_space,
    "tracking": tracking,
    "several": several,
}


def put(text: str, words: str, draw: Draw) -> str:
    """Put words between two words of a text."""
    own = text.split(" ")
    place = draw.randint(1, len(own))
    return " ".join([*own[:place], words, *own[place:]])


def restored(texts: list[str]) -> dict[str, float]:
    """Measure the share of damaged rows that come back letter by letter."""
    figures, right = {}, []
    for kind, damage in DAMAGE.items():
        pairs = damaged(kind, damage, texts)
        same = [one == two for (one, _), two in zip(pairs, repaired([bad for _, bad in pairs]), strict=True)]
        figures[f"repair.restored.{kind}"] = sum(same) / len(same)
        right += same
    return {**figures, "repair.restored": sum(right) / len(right)}


def damaged(kind: str, damage: Callable[[str, Draw], tuple[str, str]], texts: list[str]) -> list[tuple[str, str]]:
    draw = Draw(kind)
    pairs = (damage(text, draw) for text in draw.sample([text for text in texts if "\n" not in text], PLANTED))
    return [(whole, bad) for whole, bad in pairs if whole != bad]


# --- irrelevant tokens


@cache
def parts() -> dict[str, Any]:
    return tomllib.loads(PARTS.read_text(encoding="utf-8"))


class Halves:
    """Draws parts of one half; English bodies are real rows."""

    def __init__(self, half: int, texts: list[str]) -> None:
        self.half = half
        self.draw = Draw(17 + half)
        self.bodies = [text for text in texts if len(text.split()) > 3 and "\n" not in text]

    def one(self, values: list[str]) -> str:
        """Draw one of the half of some values."""
        return self.draw.choice(values[self.half :: 2])

    def language(self) -> dict[str, Any]:
        """Draw a language, English in three of nine."""
        language: dict[str, Any] = parts()[self.draw.choice(["en", "en", "en", "de", "fr", "es", "pt", "it", "nl"])]
        return language

    def body(self, language: dict[str, Any]) -> str:
        """Draw an inquiry."""
        said: str = self.draw.choice(language.get("bodies", self.bodies))
        return said if "bodies" in language or said[-1] in ".!?" else f"{said}."


def greeted(of: Halves) -> tuple[str, str]:
    language = of.language()
    body = of.body(language)
    opening = of.one(language["greetings"])
    if of.draw.random() < 0.25:
        opening += of.draw.choice([" ", "\n\n", "\n"]) + of.one(language["pleasantries"])
    return body, opening + of.draw.choice([" ", "\n", "\n\n"]) + body


def signed(of: Halves) -> tuple[str, str]:
    language = of.language()
    body = of.body(language)
    form = of.draw.random()
    if form < 0.5:
        role = of.draw.choice(["", "\n" + of.one(parts()["roles"])]).rstrip()
        tail = f"{of.one(language['signoffs'])}\n{of.one(parts()['names'])}{role}"
    elif form < 0.6:
        return body, f"{body} {of.one(language['signoffs']).rstrip(',.')}, {of.one(parts()['names'])}"
    elif form < 0.75:
        tail = of.one(language["devices"])
    elif form < 0.85:
        tail = f"-- \n{of.one(parts()['names'])}\n{of.one(parts()['roles'])}".rstrip()
    else:
        tail = f"{of.one(language['signoffs'])}\n{of.one(parts()['names'])}\n\n{of.one(language['footers'])}"
    return body, body + of.draw.choice(["\n", "\n\n"]) + tail


def replied(of: Halves) -> tuple[str, str]:
    language = of.language()
    body = of.body(language)
    reply = of.one(language["replies"] * 2)
    if of.draw.random() < 0.6:
        marked = "\n".join(f"> {line}".rstrip() for line in reply.split("\n"))
        quote = (
            of.one(language["attributions"]) + of.draw.choice(["\n", "\n\n"]) + of.draw.choice([marked, marked, reply])
        )
    else:
        quote = f"{of.one(language['headers'])}\n\n{reply}"
    return body, f"{body}\n\n{quote}"


def furnished(of: Halves) -> tuple[str, str]:
    body = of.body(of.language())
    page = parts()["page"]
    above, below = of.one(page["above"]), of.one(page["below"])
    form = of.draw.random()
    top = f"{above}\n\n" if form < 0.6 else ""
    return body, f"{top}{body}" + (f"\n\n{below}" if form > 0.4 else "")


PLANT: dict[str, Callable[[Halves], tuple[str, str]]] = {
    "greeting": greeted,
    "signature": signed,
    "quoted-reply": replied,
    "page-furniture": furnished,
}


def found(texts: list[str]) -> dict[str, float]:
    """Measure precision and recall of each suggestion, on its planted rows and as many rows without any."""
    figures = {}
    for rule, half, planted in plantings(texts):
        right, spoken = judged(rule, planted)
        figures[f"{rule}.{half}.recall"] = right / len(planted)
        figures[f"{rule}.{half}.precision"] = right / max(1, spoken)
    return figures


def plantings(texts: list[str]) -> Iterator[tuple[str, str, list[tuple[str, str]]]]:
    silent = {rule: set(step.run(made, examples(texts))["before"]) for rule, made in SUGGESTIONS.items()}
    for rule, plant in PLANT.items():
        for half, name in enumerate(("seen", "held")):
            of = Halves(half, [text for text in texts if text not in silent[rule]])
            yield rule, name, [plant(of) for _ in range(PLANTED)]


def judged(
    rule: str, planted: list[tuple[str, str]], wrong: Callable[[str, str | None, str], None] = lambda *_: None
) -> tuple[int, int]:
    """Count the planted rows that come back as they were, and all findings, on rows without a planted part too."""
    rows = examples([text for _, text in planted])
    traps = examples(parts()["traps"]["rows"])
    said = dict(step.run(SUGGESTIONS[rule], rows).select("before", "after").rows())
    clean = step.run(SUGGESTIONS[rule], examples(list({body for body, _ in planted})))
    astray = step.run(SUGGESTIONS[rule], traps)
    for body, text in planted:
        if said.get(text) != body:
            wrong(text, said.get(text), body)
    for before, after in pl.concat([clean, astray]).select("before", "after").rows():
        wrong(before, after, before)
    right = sum(said.get(text) == body for body, text in planted)
    return right, sum(text in said for _, text in planted) + clean.height + astray.height


TEMPLATES = [
    "This message was sent through the contact form on acme.example.", "Sent from the help centre widget, page 4711.", "--- Kundenanfrage über das Kontaktformular ---", "Customer chat transcript, session 88123 of 2024-05-03",
    "Please note that calls may be recorded for training purposes.", "Message reçu via le formulaire de contact du site.", "Form: contact | Site: acme.example", "By sending this form the customer accepted the terms of use.",
]  # fmt: skip


def template_lines(texts: list[str]) -> dict[str, float]:
    """Measure how many planted lines are found in a set of 2,000 rows, and how often another is cut."""
    figures = {}
    for half, name in enumerate(("seen", "held")):
        draw = Draw(half)
        bodies = draw.sample([text for text in texts if len(text.split()) > 3], 2_000)
        lines = TEMPLATES[half::2]
        planted = [(text, with_line(text, draw.choice(lines), draw)) for text in bodies[:400]]
        rows = examples(
            [{"text": text, "label": str(draw.randrange(4))} for _, text in planted]
            + [{"text": text, "label": str(draw.randrange(4))} for text in bodies[400:]]
        )
        said = dict(step.run(TemplateLine(), rows).select("before", "after").rows())
        right = sum(said.get(text) == body for body, text in planted)
        figures[f"template-line.{name}.recall"] = right / len(planted)
        figures[f"template-line.{name}.precision"] = right / max(1, len(said))
    return figures


def with_line(text: str, line: str, draw: Draw) -> str:
    numbered = line.replace("4711", str(draw.randrange(1000, 9999))).replace(
        "88123", str(draw.randrange(10_000, 99_999))
    )
    form = draw.random()
    if form < 0.4 and line[-1] == "." and text[-1] in ".!?":
        return draw.choice([f"{text} {numbered}", f"{numbered} {text}"])
    return draw.choice([f"{text}\n{numbered}", f"{numbered}\n\n{text}"])


def false_alarms(data: Path) -> dict[str, float]:
    """Count what each suggestion says about whole sets of real rows; greetings are there, and read by eye."""
    figures: dict[str, float] = {}
    for name in SETS:
        table = rows_of(data, name)
        rows = examples(table.select("text", "label").rows(named=True))
        for rule, made in SUGGESTIONS.items():
            figures[f"{rule}.{name}.findings"] = step.run(made, rows).height
    return figures


class Lines(HTMLParser):
    """Reads a page as plain lines, menus and all."""

    inline = frozenset({"a", "abbr", "b", "code", "em", "i", "mark", "small", "span", "strong", "sub", "sup", "u"})
    unread = frozenset({"script", "style", "noscript", "svg", "template"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.parts: list[str] = []
        self.inside = 0
        self.feed(page)
        self.text = "\n".join(line.strip() for line in "".join(self.parts).split("\n") if line.strip())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002  the parser's
        """Begin a line, unless the tag is one within a line."""
        self.inside += tag in self.unread
        self.parts.append("" if tag in self.inline else "\n")

    def handle_endtag(self, tag: str) -> None:
        """End a line, unless the tag is one within a line."""
        self.inside = max(0, self.inside - (tag in self.unread))
        self.parts.append("" if tag in self.inline else "\n")

    def handle_data(self, data: str) -> None:
        """Keep what can be read."""
        self.parts.append("" if self.inside else re.sub(r"\s+", " ", data))


def web_pages(data: Path) -> dict[str, float]:
    """Measure on whole pages which of the words around the main content are found, and how many words of it are lost."""
    around = found = lost = 0
    with gzip.open(data / "web_pages" / "ground-truth.jsonl.gz", "rt", encoding="utf-8") as truth:
        for row in map(json.loads, truth):
            with gzip.open(data / "web_pages" / "html" / f"{row['file_id']}.html.gz", "rt", errors="replace") as page:
                text = Lines(page.read()).text
            content, whole = (Counter(re.findall(r"\w+", part.lower())) for part in (row["main_content"] or "", text))
            went = whole - Counter(re.findall(r"\w+", cut(text, furniture)[0].lower()))
            around += (whole - content).total()
            found += (went & (whole - content)).total()
            lost += (went - (whole - content)).total()
    return {"page-furniture.web_pages.recall": found / around, "page-furniture.web_pages.content_words_lost": lost}


if __name__ == "__main__":
    for figure, value in measure(DATA).items():
        print(f"{figure:<46} {value:.4f}")
