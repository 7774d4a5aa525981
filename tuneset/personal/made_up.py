"""Values that look like personal data and are nobody's: the same one for the same value, and told apart at once."""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import TYPE_CHECKING

from tuneset.personal.national import is_national_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MARK = "MADEUP"  # stands in every key, token and password that is made up
_AT = re.compile(r"@|%40|\[|\(|\{|<|&|\\u| at ", re.IGNORECASE)
_CONSONANTS, _VOWELS = "bdfgklmnprstvz", "aeiou"
_DOMAINS = ("example.com", "example.org", "example.net")  # RFC 2606
_NETWORKS = ("192.0.2.", "198.51.100.", "203.0.113.")  # RFC 5737
_CHECKED = 3  # letters of an e-mail's name that tell it from an address that somebody wrote at example.com
# what a service puts before all of its keys says nothing about this one
_PREFIX = re.compile(
    r"(?:AKIA|ASIA|AIza|eyJ|AC|SK(?=[0-9a-f])|gh[pousr]_|github_pat_|glpat-|xox[a-z]-|[spr]k_(?:live|test)_|sk-(?:ant-|proj-)?"
    r"|hf_|npm_|pypi-|SG\.|whsec_|ya29\.|GOCSPX-|gsk_|xai-|dop_v1_|dapi|hv[sbr]\.|key-)"
)
_ESCAPED = re.compile(r"%[0-9a-fA-F]{2}")


def made_up(kind: str, value: str, seed: int) -> str:
    """Return what stands for a value: letters for letters, digits for digits, in the same places.

    The same value, in whatever case and with whatever separators, gives the same letters and digits.

    >>> made_up("phone", "+44 20 7946 0018", 0)[:5], made_up("iban", "GB82WEST12345698765432", 0)[:4]
    ('+00 0', 'GB00')
    >>> made_up("email", "Jane@shop.com", 0).lower() == made_up("email", "JANE@SHOP.COM", 0).lower()
    True
    """
    return _MAKERS[kind](value, draws(kind, value, seed))


def draws(kind: str, value: str, seed: int) -> Iterator[int]:
    """Draw bytes without end that depend on the seed and on the letters and digits of a value (keyed BLAKE2b)."""
    told = _same(kind, value)
    block = 0
    while True:
        key = f"{seed}\0{block}".encode()
        yield from blake2b(f"{kind}\0{told}".encode(), key=key, person=b"tuneset").digest()
        block += 1


def _same(kind: str, value: str) -> str:
    """Return what two writings of one value have in common."""
    if kind in ("email", "name", "address"):
        return " ".join(value.split()).casefold()
    if kind in ("api-key", "password", "url-token"):
        return value
    letters = "".join(filter(str.isalnum, value)).casefold()
    return letters.removeprefix("00") if kind == "phone" else letters


def _shaped(value: str, draw: Iterator[int], start: int = 0) -> str:
    """Draw a digit for each digit and a letter for each letter of its kind, from `start` on; anything else stays."""
    return value[:start] + "".join(_drawn(each, draw) for each in value[start:])


def _drawn(letter: str, draw: Iterator[int]) -> str:
    if letter.isdigit():
        return str(next(draw) % 10)
    if not letter.isalpha():
        return letter
    chosen = _VOWELS if letter.lower() in _VOWELS else _CONSONANTS
    drawn = chosen[next(draw) % len(chosen)]
    return drawn.upper() if letter.isupper() else drawn


def _email(value: str, draw: Iterator[int]) -> str:
    local = _AT.split(value, maxsplit=1)[0].strip()
    plain = re.sub(r"[^\w.+-]+|(?<=[.+-])[.+-]+", "", local).strip(".+-")
    return f"{_checked(plain, draw)}@{_DOMAINS[next(draw) % 3]}"


def _checked(word: str, draw: Iterator[int]) -> str:
    """Draw letters and digits in the shape of a word, and end with three letters that are a check of the others."""
    shape = word if len(word) >= 5 else (word + "neman")[:5]
    shaped = _shaped(shape[:-_CHECKED], draw)
    ending = _check(shaped)
    return shaped + (ending.upper() if word.isupper() and len(word) > 1 else ending)


def _check(local: str) -> str:
    drawn = blake2b(local.casefold().encode(), person=b"made up").digest()
    return "".join(
        letters[each % len(letters)]
        for letters, each in zip((_CONSONANTS, _VOWELS, _CONSONANTS), drawn[:_CHECKED], strict=True)
    )


def is_made_up_email(local: str, domain: str) -> bool:
    """Say whether we made an address up: at example.com, .org or .net, and its last letters are a check of the others.

    Other addresses there are no exception: people who test with jane@example.com want to see it found. One in a
    thousand of them passes the check.

    >>> is_made_up_email("jane.doe", "example.com")
    False
    """
    return domain.casefold() in _DOMAINS and is_made_up_word(local)


def is_made_up_word(word: str) -> bool:
    """Say whether a word's last three letters are the check of the others; one word in a thousand is so by chance."""
    return len(word) > _CHECKED and _check(word[:-_CHECKED]) == word[-_CHECKED:].casefold()


def _number(value: str, draw: Iterator[int]) -> str:
    """Start with three zeros, as no phone number and no card does; letters such as "ext." stay."""
    zeros = iter("000")
    return "".join(next(zeros, None) or str(next(draw) % 10) if each.isdigit() else each for each in value)


def _national_id(value: str, draw: Iterator[int]) -> str:
    """Start with three zeros and fail every country's check."""
    while True:
        zeros = iter("000")
        drawn = _shaped(value, draw)
        made = "".join(next(zeros, each) if each.isdigit() else each for each in drawn)
        if not is_national_id(made):
            return made


def _iban(value: str, draw: Iterator[int]) -> str:
    """Keep the country, write 00 where the check stands (a true one is 02 to 98), draw the account."""
    places = [place for place, each in enumerate(value) if each.isalnum()]
    head = value[: places[2]] + "0" + value[places[2] + 1 : places[3]] + "0"
    return head + _shaped(value[places[3] + 1 :], draw)


def _ip(value: str, draw: Iterator[int]) -> str:
    if ":" not in value:
        return f"{_NETWORKS[next(draw) % 3]}{1 + next(draw) % 254}"
    return "2001:db8:" + ":".join(f"{next(draw):x}{next(draw):02x}" for _ in range(6))


def _mac(value: str, draw: Iterator[int]) -> str:
    """Start with 02:00, which says that the address was made locally."""
    drawn = iter("0200" + "".join(f"{next(draw):02x}" for _ in range(4)))
    made = "".join(next(drawn) if each.isalnum() else each for each in value)
    return made.upper() if value.isupper() else made


def _key(value: str, draw: Iterator[int]) -> str:
    """Keep the prefix by which people know a service's keys and a block's first line, and write the mark behind it."""
    if value.startswith("-----BEGIN"):
        first, line, rest = value.partition("\n")
        return f"{first}{line}{MARK}{_shaped(rest, draw)}" if line else f"{first[:11]}{MARK} KEY-----"
    found = _PREFIX.match(value)
    prefix = found[0] if found and len(value) > len(found[0]) + 2 * len(MARK) else ""
    return prefix + _secret(value[len(prefix) :], draw)


def _secret(value: str, draw: Iterator[int]) -> str:
    return MARK + _shaped(_ESCAPED.sub("x", value), draw)[len(MARK) :]


def _name(value: str, draw: Iterator[int]) -> str:
    return " ".join(_checked(part, draw) for part in value.split())


def _address(_: str, draw: Iterator[int]) -> str:
    return f"{1 + next(draw) % 199} {_checked('Lavender', draw)}"


_MAKERS: dict[str, Callable[[str, Iterator[int]], str]] = {
    "email": _email,
    "phone": _number,
    "card": _number,
    "iban": _iban,
    "national-id": _national_id,
    "ip": _ip,
    "mac": _mac,
    "name": _name,
    "address": _address,
    "url-token": _secret,
    "api-key": _key,
    "password": _secret,
}
