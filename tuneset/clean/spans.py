"""Stretches of a text that may go: what is left without them, and where they stood, in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple

import orjson
import polars as pl

from tuneset.clean.say import rewritten, spoken, suggested

ROLES = frozenset({"user"})
# Where the JSON of a conversation escapes its letters, no pattern finds them in the column.
ESCAPED = pl.col("messages").str.contains("\\u", literal=True).fill_null(value=False)


class Span(NamedTuple):
    """A stretch of a text, in characters from 0, and what it is."""

    start: int
    end: int
    what: str


Find = Callable[[str], list[Span]]


class Line(NamedTuple):
    """A line of a text: where it stands, and its words without the space around them."""

    start: int
    end: int
    words: str


def lines(text: str) -> list[Line]:
    r"""Cut a text into lines.

    >>> lines("one\n two")
    [Line(start=0, end=3, words='one'), Line(start=4, end=8, words='two')]
    """
    found, start = [], 0
    for line in text.split("\n"):
        found.append(Line(start, start + len(line), line.strip()))
        start += len(line) + 1
    return found


def cut(text: str, find: Find) -> tuple[str, list[Span]]:
    r"""Take out what `find` finds until it finds no more; return what is left, and the spans that went.

    White space around a span shrinks to the wider side of it. What would leave nothing but punctuation stays.

    >>> cut("one\n\ntwo two\nthree", lambda text: [Span(at, at + 3, "two")] if (at := text.find("two")) > 0 else [])
    ('one\n\nthree', [Span(start=5, end=12, what='two')])
    """
    places: Sequence[int] = range(len(text))
    went: list[Span] = []
    while spans := find(text):
        kept = _without(text, spans)
        left = "".join([text[start:end] for start, end in kept])
        if not says_something(left):
            break
        went += [Span(places[span.start], places[span.end - 1] + 1, span.what) for span in spans]
        places = [place for start, end in kept for place in places[start:end]]
        text = left
    return text, _joined(went)


def says_something(text: str) -> bool:
    """Tell whether a text has a letter or a digit."""
    return any(map(str.isalnum, text))


def _without(text: str, spans: list[Span]) -> list[tuple[int, int]]:
    """Return the stretches of a text that stay, in order."""
    kept: list[tuple[int, int]] = []
    start = 0
    for span in _merged(text, spans):
        before = len(text[: span.start].rstrip())
        after = len(text) - len(text[span.end :].lstrip())
        at_an_end = before <= start or after == len(text)
        wider_after = text.count("\n", before, span.start) < text.count("\n", span.end, after)
        kept.append((start, before if at_an_end or wider_after else span.start))
        start = span.end if wider_after and not at_an_end else after
    return [(begin, end) for begin, end in [*kept, (start, len(text))] if begin < end]


def _merged(text: str, spans: list[Span]) -> list[Span]:
    """Make one of spans that overlap, or that only white space parts."""
    merged: list[Span] = []
    for span in sorted(spans):
        if merged and not text[merged[-1].end : span.start].strip():
            merged[-1] = merged[-1]._replace(end=max(merged[-1].end, span.end))
        else:
            merged.append(span)
    return merged


def _joined(spans: list[Span]) -> list[Span]:
    """Join spans of one kind that touch, or that only white space parted."""
    joined: list[Span] = []
    for span in sorted(spans):
        if joined and joined[-1].what == span.what and span.start <= joined[-1].end + 2:
            joined[-1] = joined[-1]._replace(end=max(span.end, joined[-1].end))
        else:
            joined.append(span)
    return joined


def where(spans: list[Span]) -> str:
    """Say where spans stand, counting characters from 1, the first three of them.

    >>> where([Span(0, 3, "greeting"), Span(40, 52, "sign-off and name")])
    'characters 1-3: greeting; 41-52: sign-off and name'
    """
    said = "; ".join(f"{span.start + 1}-{span.end}: {span.what}" for span in spans[:3])
    return f"characters {said}" + (f"; and {len(spans) - 3} more" if len(spans) > 3 else "")


def cuts(rule: str, suspects: pl.DataFrame, find: Find, *, remove: bool, roles: frozenset[str] = ROLES) -> pl.DataFrame:
    """Say of the suspects (rows of `say.words`) what may go from them; in a conversation, turn by turn of `roles`.

    The edits are suggestions unless `remove`. The score is the share of the characters that would go.
    """

    @cache
    def edit(before: str, *, is_chat: bool) -> tuple[str, str, float] | None:
        after, said, share = _cut_turns(before, find, roles) if is_chat else _cut_text(before, find)
        return (after, said, share) if said else None

    return suggested(rewritten(rule, suspects, edit), applied=remove)


def _cut_text(before: str, find: Find) -> tuple[str, str, float]:
    after, went = cut(before, find)
    return after, where(went) if went else "", 1 - len(after) / len(before)


def _cut_turns(messages: str, find: Find, roles: frozenset[str]) -> tuple[str, str, float]:
    turns, said, before, after = orjson.loads(messages), [], 0, 0
    number = {id(turn): count for count, turn in enumerate(turns, 1)}
    for place, key in spoken(turns, roles):
        left, went = cut(place[key], find)
        if went:
            turn = f"turn {number[id(place)]}, " if id(place) in number else ""
            said.append(turn + where(went))
            before, after = before + len(place[key]), after + len(left)
            place[key] = left
    return orjson.dumps(turns).decode(), "; ".join(said), 1 - after / before if before else 0.0
