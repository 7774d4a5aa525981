"""Payment cards and bank accounts in a text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from tuneset.personal import checksums, context

Places = Iterator[tuple[int, int]]

_GROUPED = (
    r"\d{4}(?P<gap>[ .\-_/\u00b7]{1,3}|\\n)\d{4}(?P=gap)\d{4}(?P=gap)\d{1,4}(?:(?P=gap)\d{1,3})?"
    r"|\d{4}(?P<gap2>[ .-]{1,3})\d{6}(?P=gap2)\d{4,5}"
    r"|\d{4}(?P<gap3>[ .-]{1,3})\d{4}(?P=gap3)\d{4,5}"
    r"|\d{4}(?P<gap4>[ .-]{1,3})\d{5}(?P=gap4)\d{6}"
    r"|\d{6}(?P<gap5>[ .-]{1,3})\d{4}(?P=gap5)\d{4,5}"
    r"|\d{4}[ -]?\d{4}[ -]?\d{4}[ -]?\d{4}"
    r"|\d{8}[ -]\d{5,11}|\d{4}[ -]\d{12}|\d{4}[ -]\d{15}"
)
_CARD = re.compile(rf"(?<![^\W_])(?<!\d[.,+])(?:\d{{12,19}}|{_GROUPED})(?![^\W_])(?!,\d|\.(?!0(?!\d))\d)")
_FLANK = re.compile(r"(?<!\d)\d{4}[ -]$")
_SHORTER = re.compile(r"[ .\-_/\u00b7]{1,3}\d{1,4}$")
_IBAN_START = re.compile(r"(?<![^\W_])[A-Z]{2}[ -]?\d{2}(?=(?:[ .\-\u00b7]{0,2}[A-Z0-9]){10})", re.IGNORECASE)
_ALNUM = re.compile(r"[A-Z0-9]", re.IGNORECASE)


def cards(text: str) -> Places:
    """Find payment cards: an issuer's prefix, its length, Luhn's check, and digits grouped as on a card.

    >>> list(cards("card 4111 1111 1111 1111, order 4111111111111111"))
    [(5, 24)]
    """
    last = 0
    for found in _CARD.finditer(text):
        start, value = found.start(), found[0]
        is_card = checksums.card(_digits(value))
        if not is_card and (shorter := _SHORTER.sub("", value)) != value:  # the last group may be another number
            value, is_card = shorter, checksums.card(_digits(shorter))
        # four digits more to the left make it a longer number, such as a parcel's, unless they end another card
        is_tail = _FLANK.search(text, max(last, start - 6), start) is not None
        if is_card and not is_tail and not context.is_thing(text, start):
            last = start + len(value)
            yield start, start + len(value)


def _digits(value: str) -> str:
    return "".join(filter(str.isdigit, value))


def ibans(text: str) -> Places:
    """Find bank accounts by country, length and check, with or without groups.

    >>> list(ibans("to GB82 WEST 1234 5698 7654 32 please"))
    [(3, 30)]
    """
    for found in _IBAN_START.finditer(text):
        start = found.start()
        length = checksums.IBAN_LENGTHS.get(found[0][:2].upper(), 0)
        letters = list(_ALNUM.finditer(text, start, start + 3 * length + 4))[:length]
        if len(letters) < length or not length:
            continue
        end = letters[-1].end()
        is_whole = all(after.start() - before.end() <= 2 for before, after in pairwise(letters))
        is_alone = not text[end : end + 1].isalnum()
        if is_whole and is_alone and checksums.iban("".join(letter[0] for letter in letters).upper()):
            yield start, end
