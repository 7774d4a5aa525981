"""Which of several twins is kept: a rule of the recipe, with ties broken the same way every time."""

from __future__ import annotations

import difflib
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Protocol

import numpy as np
import polars as pl

from tuneset import near

if TYPE_CHECKING:
    from tuneset.near.grams import Bools, Ints

RULES = ("first", "longest", "newest", "source", "typical")
FORMATS = ("%d.%m.%Y", "%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S", "%Y/%m/%d", "%Y/%m/%d %H:%M", "%Y/%m/%d %H:%M:%S")
SPOKEN = ("%d %b %Y", "%d %B %Y", "%b %d %Y", "%B %d %Y")
NEVER = float("-inf")  # the date of rows whose date cannot be read: they lose


class Rule(Protocol):
    """What a step says about which twin is kept."""

    @property
    def keep(self) -> str:
        """Name the rule: first, longest, newest, source or typical."""

    @property
    def newest_by(self) -> str:
        """Name the column that holds the date."""

    @property
    def sources(self) -> tuple[str, ...]:
        """Name the sources, the best first."""


def check(rule: Rule) -> None:
    """Raise ValueError where the rule is unknown, or lacks what it needs."""
    if rule.keep not in RULES:
        near_by = difflib.get_close_matches(rule.keep, RULES, n=1)
        meant = f"; {near_by[0]!r} is one" if near_by else ""
        raise ValueError(f"keep = {rule.keep!r} is none of {', '.join(RULES)}{meant}")
    if rule.keep == "newest" and not rule.newest_by:
        raise ValueError('keep = "newest" needs newest_by, the column with the date')
    if rule.keep == "source" and not rule.sources:
        raise ValueError('keep = "source" needs sources, the names of the sources from best to worst')


def preference(examples: pl.DataFrame, rule: Rule, likeness: pl.Series | None = None) -> Ints:
    """Return each example's place in the order of preference: 0 is kept first. Ties go to the first of the input.

    `likeness` is how like its twins each example is, for `typical`; without it, as among texts that are the same, all
    are equally typical.
    """
    if rule.keep == "longest":
        worth = examples.select(pl.coalesce("messages", "text").str.len_chars().fill_null(0)).to_series()
    elif rule.keep == "newest":
        worth = dates(examples.select(pl.col("extra").str.json_path_match(_path(rule.newest_by))).to_series())
    elif rule.keep == "source":
        best_first = {name: -place for place, name in enumerate(rule.sources)}
        worth = examples["source"].replace_strict(best_first, default=-len(rule.sources), return_dtype=pl.Int64)
    elif rule.keep == "typical" and likeness is not None:
        worth = likeness
    else:
        return np.arange(examples.height)
    rank = np.empty(examples.height, np.int64)
    rank[np.argsort(-worth.to_numpy().astype(np.float64), kind="stable")] = np.arange(examples.height)
    return rank


def among_pairs(examples: pl.DataFrame, found: near.Pairs, droppable: Bools, rule: Rule) -> Ints:
    """Return each example's place in the order of preference; only those in pairs are compared.

    Typical is who is most like its twins: the sum of the similarities over its pairs that may be dropped.
    """
    place = np.arange(examples.height)
    if rule.keep == "first":
        return place
    involved = np.zeros(examples.height, np.bool_)
    involved[found.left] = involved[found.right] = True
    rows = np.flatnonzero(involved)
    weight = np.where(droppable, found.jaccard, 0.0)
    likeness = sum(np.bincount(side, weight, examples.height) for side in (found.left, found.right))
    place[rows] = rows[preference(examples[rows], rule, pl.Series(np.asarray(likeness)[rows]))]
    return place


def survivors(place: Ints, found: near.Pairs, droppable: Bools) -> Ints:
    """Go through the examples in order of preference, and drop each one that is near one kept before it.

    Returns its twin for each example that is dropped, which is kept itself, and -1 for all others.

    >>> chain = near.Pairs(np.array([0, 1]), np.array([1, 2]), np.array([0.8, 0.9]))
    >>> survivors(np.array([1, 0, 2]), chain, np.array([True, True])).tolist()
    [1, -1, 1]
    """
    one, other = place[found.left], place[found.right]
    in_order = near.Pairs(np.minimum(one, other), np.maximum(one, other), found.jaccard)
    dropped_for = near.greedy(len(place), in_order, droppable)
    row = np.empty_like(place)
    row[place] = np.arange(len(place))
    twin = dropped_for[place]
    return np.where(twin >= 0, row[twin], -1)


def dates(values: pl.Series) -> pl.Series:
    """Read dates as seconds since 1970: ISO 8601, days with dots, years with slashes, English, Unix and mail time stamps.

    A time without a zone is UTC. What cannot be read, and what could be two days (03/04/2024), is before all others.

    >>> dates(pl.Series(["2024-03-05", "5 March 2024", "05.03.2024", "13/04/2024", "03/04/2024", "soon"])).to_list()
    [1709596800.0, 1709596800.0, 1709596800.0, 1712966400.0, -inf, -inf]
    """
    known = {value: _seconds(value) for value in values.drop_nulls().unique().to_list()}
    return values.replace_strict(known, default=NEVER, return_dtype=pl.Float64)


def _seconds(value: str) -> float:
    value = value.strip()
    if value.isdigit() and len(value) in (10, 13):
        return int(value) / (1000 if len(value) == 13 else 1)
    for read in (datetime.fromisoformat, _formatted, _slashed, parsedate_to_datetime):
        try:
            found = read(value)
            return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):  # not in this form
            continue
    return NEVER


def _formatted(value: str) -> datetime:
    words = value.replace(",", " ").split()
    for text, forms in ((value, FORMATS), (" ".join(words), SPOKEN)):
        for form in forms:
            try:
                return datetime.strptime(text, form)  # noqa: DTZ007  without a zone it is UTC, said by the caller
            except ValueError:
                continue
    raise ValueError(value)


def _slashed(value: str) -> datetime:
    """Read 13/04/2024 and 04/13/2024, where only one of the two can be the month."""
    day, month, year = (int(part) for part in value.partition(" ")[0].split("/"))
    if day <= 12 and month <= 12 and day != month:
        raise ValueError(value)
    return datetime(year, min(day, month), max(day, month), tzinfo=UTC)


def _path(column: str) -> str:
    """Write a column's name as the path to its value in a JSON object."""
    quote = "'" if '"' in column else '"'
    return f"$[{quote}{column}{quote}]"
