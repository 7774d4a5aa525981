"""Phone numbers in a text: by their country code, by the region they are said to be of, or by the words beside them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Any, NamedTuple

from tuneset.personal import context

Places = Iterator[tuple[int, int]]

# Without a region, a number with a leading zero counts where it is one of these countries'; the order is free.
LIKELY = ("GB", "DE", "FR", "IT", "AU", "NL", "IN", "CH", "SE", "ZA", "BE", "AT", "JP")
LONGEST = 200  # characters of one run of digits and separators that are looked at

_RUN = re.compile(
    r"(?<![^\W_])(?<!\d[.,:/])(?<![A-Z]-)(?<![$€£¥])(?:(?:\(\s?)?\+\s?)?(?:\(\s?)?\d(?:[ ().\-/+\u00b7]{0,4}\d){5,60}"
)
_STRONG = re.compile(r"\s+[-/+(]?\s{0,2}/\s*|\s{3,}|\)?\s?/\s|\s/|(?<=\d)\s*(?=\+)")
_GROUP = re.compile(r"\d+")
_EXTENSION = re.compile(
    r"[\s,;]{0,2}(?:x|ext\.?|extension|poste|durchwahl|dw\.?)\s{0,2}:?\s?\d{1,6}(?!\w)", re.IGNORECASE
)
_AMOUNT_AFTER = re.compile(
    r"\s?(?:%|€|\$|£|¥|eur\b|usd\b|gbp\b|dollars?|euros?|pounds?|points?|miles|km\b|kg\b|g\b|ms\b|mb\b|gb\b|bytes|units|people|rows|users|times|steps|views|°|followers)",
    re.IGNORECASE,
)
_ACCOUNT = re.compile(
    r"(?:accounts?|acct|a/c|cards?|iban|bic|swift|sort ?code|routing|aba|customers?|clients?|members?|users?|employee|staff|student|passport|licen[cs]e|"
    r"vat|tax|tin|ein|pin|otp|passcode|password|amount|total|price|balance|cost|sum|konto|kunden|loan|mortgage|loyalty|rewards?|gst|abn|duns|registration|plate|vin)"
    r"(?:[\s_-]*(?:number|no|nr|num|code|id|#))*[.:]?(?:\s*(?:is|was|are|=|:|#|of|\"|'|\())*\s*$",
    re.IGNORECASE,
)
_DATED = re.compile(
    r"(?:19|20)\d\d([-./ ])(?:0?[1-9]|1[0-2])\1(?:[0-2]?\d|3[01])(?:[ ]\d{1,2}(?:[ .-]?\d\d){0,2})?"
    r"|(?:[0-2]?\d|3[01])([-./ ])(?:[0-2]?\d|3[01])\2(?:19|20)\d\d(?:[ ]\d{1,2}(?:[ .-]?\d\d){0,2})?"
    r"|(?:19|20)\d\d ?[-/] ?(?:19|20)\d\d|(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:[0-2]\d|3[01])(?:[- ]?\d{4,6})?"
)
_NUMBER = re.compile(r"(?:[1-9]\d*|0)\.\d+|[1-9]\d{0,2}(?: \d{3}){2,}\.\d{1,2}|(\d)\1{6,}|\d{3}-\d{2}-\d{4}")
_THOUSANDS = re.compile(r"[1-9]\d{0,2}(?:\.\d{3})+")
_BRACKETED = re.compile(
    r"(?:\+?\d{1,3}[ .-]?)?\(0?\d{1,4}\)[ .-]{0,2}\d{2,5}(?:[ .-]{1,2}\d{2,5}){0,4}|\(0\d{2,4}\)[ .-]?\d{5,8}"
)
_AMERICAN = re.compile(r"(?:1[ .-])?[2-9]\d\d([-. ])\d{3}\1\d{4}")
_BARE_MOBILE = re.compile(r"07\d{9}|0[67]\d{8}|01[567]\d{8,9}|04\d{8}|1[2-9]\d{9}(?!\d)")
_DRAMA = re.compile(r"0?(?:7700900|1632960)\d{3}")  # numbers that Ofcom keeps for films: people use them in examples


class _Piece(NamedTuple):
    start: int
    end: int
    digits: str


def phones(text: str, region: str = "") -> Places:
    """Find phone numbers; a `region` such as "GB" tells how its people write them without a country code.

    >>> list(phones("call me on +44 20 7946 0018")), list(phones("my order is 020 7946 0018", "GB"))
    ([(11, 27)], [])
    """
    for run in _RUN.finditer(text):
        for start, end in _pieces(text, *run.span()):
            if text[start] != "+" and context.is_thing(text, start):
                continue  # a long number's last groups are no phone number either
            if found := next(filter(lambda piece: _is_phone(text, piece, region), _windows(text, start, end)), None):
                extension = _EXTENSION.match(text, found.end)
                yield found.start, extension.end() if extension else found.end


def _pieces(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Cut a run where two numbers meet: at a slash with spaces, at many spaces, before a plus."""
    last = start
    for cut in _STRONG.finditer(text, start + 1, end):
        if min(_count(text[last : cut.start()]), _count(text[cut.end() : end])) >= 7:
            yield last, cut.start()
            last = cut.end()
    yield last, end


def _count(text: str) -> int:
    return sum(map(str.isdigit, text))


def _windows(text: str, start: int, end: int) -> Iterator[_Piece]:
    """Return the piece, then the piece without its last groups, then without its first ones."""
    groups = list(_GROUP.finditer(text, start, end))[:14]
    for last in range(len(groups), 0, -1):
        yield _piece(text, start, groups[last - 1].end())
    for first in range(1, len(groups)):
        if text[groups[first - 1].end()] in " \n":
            yield _piece(text, groups[first].start(), groups[-1].end())


def _piece(text: str, start: int, end: int) -> _Piece:
    if text[start:end].count("(") > text[start:end].count(")"):
        end += text[end : end + 1] == ")"
        start += text[start] == "(" and ")" not in text[start:end]
    return _Piece(start, end, "".join(filter(str.isdigit, text[start:end])))


def _is_phone(text: str, piece: _Piece, region: str) -> bool:
    start, end, digits = piece
    written = text[start:end]
    is_cut = text[end : end + 1].isalpha() and not _EXTENSION.match(text, end)
    if is_cut or digits.startswith("000") or not 7 <= len(digits) <= 17:
        return False
    words = context.before(text, start)
    called = context.is_called(words) or context.calls_follow(text, end)
    if written.lstrip("( ").startswith("+"):
        return _is_possible("+" + digits) or (called and len(digits) > 7)
    is_other = _DATED.fullmatch(written) or _NUMBER.fullmatch(written) or _AMOUNT_AFTER.match(text, end)
    if is_other or _ACCOUNT.search(words):
        return False
    if (digits.startswith("00") and _is_valid("+" + digits[2:], "")) or (region and _is_valid(digits, region)):
        return called or digits.startswith("00") or not _is_ambiguous(written, region)
    if called:
        return len(digits) <= 13 and _is_grouped(written)
    return not _THOUSANDS.fullmatch(written) and (_is_distinctive(written, digits) or _is_extended(text, end))


def _is_extended(text: str, end: int) -> bool:
    """Say whether an extension follows, as in 463-612-6138x036."""
    return text[end : end + 1] == "x" and _EXTENSION.match(text, end) is not None


def _is_grouped(written: str) -> bool:
    """Say whether digits are grouped as in phone numbers: few groups, none of them single but the first."""
    groups = _GROUP.findall(written)
    return len(groups) <= 7 and (
        all(len(group) > 1 for group in groups[1:]) or len({len(each) for each in groups}) == 1
    )


def _is_distinctive(written: str, digits: str) -> bool:
    """Say whether a number looks like a phone number, whatever is said beside it."""
    if _BRACKETED.fullmatch(written):
        return 8 <= len(digits) <= 13
    if _AMERICAN.fullmatch(written) or _DRAMA.fullmatch(digits):
        return True
    if not digits.startswith("0"):
        return False
    if written == digits:
        return _BARE_MOBILE.fullmatch(digits) is not None
    return 9 <= len(digits) <= 12 and _is_grouped(written) and any(_is_valid(digits, region) for region in LIKELY)


def _is_ambiguous(written: str, region: str) -> bool:
    """Say whether a bare number is not written as its region writes phone numbers; a mobile's is plain enough."""
    library = _library()
    if not written.isdigit():
        return False
    parsed = library.parse(written, region)
    national = library.format_number(parsed, library.PhoneNumberFormat.NATIONAL)
    mobile = (library.PhoneNumberType.MOBILE, library.PhoneNumberType.FIXED_LINE_OR_MOBILE)
    is_whole = "".join(filter(str.isdigit, national)) == written
    return not is_whole and not (len(written) >= 10 and library.number_type(parsed) in mobile)


@lru_cache(maxsize=65_536)
def _is_valid(number: str, region: str) -> bool:
    parsed = _parsed(number, region)
    return parsed is not None and (_library().is_valid_number(parsed) or _DRAMA.fullmatch(number) is not None)


@lru_cache(maxsize=65_536)
def _is_possible(number: str, region: str = "") -> bool:
    parsed = _parsed(number, region)
    return parsed is not None and bool(_library().is_possible_number(parsed))


def _parsed(number: str, region: str) -> Any:
    library = _library()
    try:
        return library.parse(number, region or None)
    except library.NumberParseException:
        return None


@cache
def _library() -> Any:
    import phonenumbers  # noqa: PLC0415  50 ms, and 20 more for the first number of a region

    return phonenumbers


def regions() -> frozenset[str]:
    """Return the regions whose numbers are known, such as "GB"."""
    return frozenset(_library().SUPPORTED_REGIONS)
