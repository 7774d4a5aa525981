"""Find all personal data and secrets in one text: in which order they are looked for, and who claims what."""

from __future__ import annotations

import re
import unicodedata
from itertools import starmap
from typing import TYPE_CHECKING, Final, NamedTuple

from tuneset.personal import accounts, keys, national, network, phones

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


class Found(NamedTuple):
    """One find: its kind, and the characters where it starts and ends."""

    kind: str
    start: int
    end: int


_DETECTORS: Final[tuple[tuple[str, Callable[[str], Iterator[tuple[int, int]]]], ...]] = (
    ("url-token", keys.url_tokens),
    ("api-key", keys.api_keys),
    ("password", keys.passwords),
    ("email", network.emails),
    ("iban", accounts.ibans),
    ("mac", network.mac_addresses),
    ("ip", network.ip_addresses),
    ("national-id", national.national_ids),
    ("card", accounts.cards),
)
_HAS_DIGITS = re.compile(r"\d(?:[^\d\n]{0,4}\d){5}")
_LONG_RUN = re.compile(r"\d{41,}")
_HIDDEN = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")


def find(text: str, region: str = "", before: str = "", names: Iterable[tuple[str, int, int]] = ()) -> list[Found]:
    """Find personal data and secrets in a text, in order; no two of them overlap.

    `before` is what is known to stand before the text, such as its name in a JSON object. Full-width and other digits
    count as digits, and characters that nobody sees do not part what they stand in. Keys come first, then what has a
    sign or a check, phone numbers last: whatever is found claims its characters.

    >>> find("mail jane@shop.com or call 020 7946 0018")
    [Found(kind='email', start=5, end=18), Found(kind='phone', start=27, end=40)]
    """
    shadow, places = _folded(before + text)
    taken = [(kind, detect(shadow)) for kind, detect in _DETECTORS]
    if _HAS_DIGITS.search(shadow):
        taken.append(("phone", phones.phones(shadow, region)))
    found = _unclaimed((Found(kind, *span) for kind, spans in taken for span in spans), len(shadow))
    if places is not None:
        found = [Found(kind, places[start], places[end - 1] + 1) for kind, start, end in found]
    known = len(before)
    there = [Found(kind, start - known, end - known) for kind, start, end in found if start >= known]
    return sorted(_unclaimed([*there, *starmap(Found, names)], len(text)), key=lambda each: each.start)


def _unclaimed(found: Iterable[Found], length: int) -> list[Found]:
    """Return what does not overlap with anything that came before it."""
    claimed, free = bytearray(length), []
    for each in found:
        if claimed.find(1, each.start, each.end) < 0:
            claimed[each.start : each.end] = b"\1" * (each.end - each.start)
            free.append(each)
    return free


def _folded(text: str) -> tuple[str, list[int] | None]:
    """Return the text as it is looked at, and where its characters stand in the original (None where they all do).

    Longer runs of digits than any kind has are blanked: they would only cost time.
    """
    text = text if len(text) <= 40 else _LONG_RUN.sub(_blanked, text)
    if text.isascii():
        return text, None
    places = None
    if _HIDDEN.search(text):
        places = [place for place, each in enumerate(text) if not _HIDDEN.match(each)]
        text = _HIDDEN.sub("", text)
    return text.translate(_FOLD), places


def _blanked(found: re.Match[str]) -> str:
    return " " * len(found[0])


class _Fold(dict[int, str]):
    """A table for `str.translate` that is made as letters come: digits, spaces, dashes and wide forms become ASCII."""

    def __missing__(self, code: int) -> str:
        letter = chr(code)
        plain = unicodedata.normalize("NFKC", letter) if code > 127 else letter
        if unicodedata.category(letter) == "Pd":
            plain = "-"
        elif letter.isspace() and letter not in "\n\r\t\x0b\x0c":
            plain = " "
        elif letter.isdecimal():
            plain = str(unicodedata.decimal(letter))
        self[code] = plain if len(plain) == 1 and plain.isascii() else letter
        return self[code]


_FOLD = _Fold({0x2212: "-"})
