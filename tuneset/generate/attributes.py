"""What rows are to be like: axes such as tone and length, and how the program draws from them, so that no model chooses."""

from __future__ import annotations

from hashlib import sha256
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl

    from tuneset.generate.asking import Cell

Axes = dict[str, list[str]]

LENGTH, SITUATION = "length", "situation"
BUCKETS = 5  # of lengths, each with as many real examples
TAIL = 0.02  # shortest and longest share of the examples that no row is to be like
UNSPACED = (
    r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"  # scripts without spaces between words
)
# Drawn equally often; what stands there several times is drawn as many times as often.
DEFAULTS: Axes = {
    "persona": [
        "new here, does not know how things are called",
        "a customer of many years",
        "writes for someone else: a parent, a friend, a colleague",
        "older, writes carefully and in whole sentences",
        "young, writes as to a friend",
        "busy, between two other things",
        "runs a small business",
        "writes in a language that is not their first, with simple words",
        "knows the subject well and says it exactly",
        "has misunderstood something, and asks from there",
    ],
    "tone": [
        "matter-of-fact",
        "matter-of-fact",
        "friendly",
        "worried",
        "annoyed",
        "impatient",
        "unsure",
        "curious",
    ],
    "channel": [
        "a live chat",
        "a live chat",
        "a form on a web page",
        "a message in an app",
        "an e-mail, its body only",
        "said aloud and written down by a machine",
    ],
    SITUATION: [
        "before doing anything: wants to know first",
        "in the middle of it, and stuck",
        "tried it once, and it did not work",
        "it has happened just now",
        "has waited for some time",
        "asked before, and was not helped",
        "compares, or checks something heard elsewhere",
        "on a journey, or otherwise not where they usually are",
    ],
    "directness": [
        "comes to the point at once",
        "comes to the point at once",
        "tells what happened, and asks at the end",
        "asks politely and formally",
        "tells what is the matter and leaves the request to be understood",
        "a statement or a demand, not a question",
        "describes the thing without its usual name",
    ],
    # Seven in ten without slips, two with one, one with several: whether real texts have more is for `typo` to say.
    "typing": [
        *["no slips"] * 7,
        *["one small slip, as of typing fast"] * 2,
        "several slips: small letters only, missing signs, a word run together",
    ],
}


def axes(texts: pl.Series, own: Mapping[str, Sequence[str]] | None = None) -> Axes:
    """Return what to vary: the defaults, the lengths of these real texts, and the user's own axes in the place of those.

    An axis of the user's without values is taken out.

    >>> import polars as pl
    >>> sorted(axes(pl.Series(["where is my card"]), {"tone": [], "product": ["card", "account"]}))
    ['channel', 'directness', 'length', 'persona', 'product', 'situation', 'typing']
    """
    merged = {LENGTH: lengths(texts)} | DEFAULTS | {name: list(values) for name, values in (own or {}).items()}
    return {name: values for name, values in merged.items() if values}


def lengths(texts: pl.Series) -> list[str]:
    """Return ranges of length that each hold as many of these texts, in words, or in letters where no spaces are set.

    Drawn equally often, they give rows the lengths that real texts have: of BANKING77 the middles of the ranges are 12.3
    words on average, the texts 11.9. The shortest and the longest 2 % are left out.
    Where many texts have one length, a range can come several times.

    >>> import polars as pl
    >>> lengths(pl.Series([" ".join(["word"] * size) for size in range(1, 101)]))
    ['3 to 22 words', '22 to 41 words', '41 to 60 words', '60 to 79 words', '79 to 98 words']
    """
    shown = texts.drop_nulls()
    shown = shown.filter(shown.str.contains(r"\S"))
    if shown.is_empty():
        return []
    unit, sizes = ("letters", shown.str.len_chars()) if unspaced(shown) else ("words", shown.str.count_matches(r"\S+"))
    edges = (
        np.quantile(sizes.to_numpy(), np.linspace(TAIL, 1 - TAIL, BUCKETS + 1), method="nearest").astype(int).tolist()
    )
    return [between(low, high, unit) for low, high in pairwise(edges)]


def unspaced(texts: pl.Series) -> bool:
    """Say whether most letters of these texts are of a script that sets no spaces between words, as Chinese and Thai."""
    return bool(2 * texts.str.count_matches(UNSPACED).sum() > texts.str.count_matches(r"\p{L}").sum())


def draw(axes: Axes, rows: int, seed: int, cell: Cell, *, start: int = 0) -> list[dict[str, str]]:
    """Draw what each of some rows of a cell is like; `start`: how many rows of the cell were drawn before.

    Within a cell every value of an axis comes equally often, up to rounding, and each axis in an order of its own (Latin
    hypercube; McKay et al. 1979; attributes: Yu et al. 2023, AttrPrompt). What was drawn for a row is the same however
    many rows follow, and however they are cut into batches. What the cell itself fixes holds for all its rows.

    >>> from tuneset.generate.asking import Cell
    >>> drawn = draw({"tone": ["friendly", "annoyed"]}, 4, 42, Cell('{"category": "Orders"}', 4, "", fixed={"channel": "chat"}))
    >>> sorted(row["tone"] for row in drawn), drawn[0]["channel"]
    (['annoyed', 'annoyed', 'friendly', 'friendly'], 'chat')
    """
    drawn: list[dict[str, str]] = [{} for _ in range(rows)]
    for name, values in axes.items():
        order = _order(len(values), start, rows, [str(seed), cell.labels, *cell.like, name])
        for row, place in zip(drawn, order, strict=True):
            row[name] = values[place]
    return [row | dict(cell.fixed) for row in drawn]


def _order(values: int, start: int, rows: int, key: list[str]) -> list[int]:
    """Return which value each row has: all values once, in a drawn order, then all again in another."""
    first, last = start // values, (start + rows - 1) // values
    turns = [int(each) for turn in range(first, last + 1) for each in random(*key, str(turn)).permutation(values)]
    return turns[start - first * values :][:rows]


def random(*key: str) -> np.random.RandomState:
    """Return random numbers that hang on a key and on nothing else; numpy keeps this generator the same for ever."""
    return np.random.RandomState(np.frombuffer(sha256("\0".join(key).encode()).digest(), np.uint32))


def between(low: int, high: int, unit: str) -> str:
    """Put a range into words.

    >>> between(1, 1, "words"), between(3, 7, "words")
    ('1 word', '3 to 7 words')
    """
    return f"{low} to {high} {unit}" if low < high else f"{low} {unit if low > 1 else unit[:-1]}"
