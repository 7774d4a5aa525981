"""Compare the sides of a split with each other exactly, without hashing by chance."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tuneset.near.grams import each, ordered, ragged

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from tuneset.near.grams import Bools, Floats, Ints, Pairs, Sets

PART = 128  # queries that a thread takes at a time


class Index(NamedTuple):
    """Which rows of a pool hold a gram: `places[start[gram]:start[gram + 1]]`, numbers within the pool."""

    start: list[int]
    places: NDArray[np.int32]
    sizes: Ints


def cross_pairs(found: Sets, side: Bools, threshold: float = 0.7) -> Pairs:
    """Find every pair at or above the threshold with one row on each side, without hashing by chance.

    This is a check on a split, so it shares no way of finding candidates with `pairs`: every row of the smaller side is
    compared with every row of the other through an index of its grams. Time grows with the product of both sides and
    with how common the grams are: 10,000 rows take under a second, 50,000 some ten.

    >>> import polars as pl
    >>> from tuneset.near import sets
    >>> found = cross_pairs(sets(pl.Series(["my new card", "my new cars", "my new card?"])), np.array([True, False, False]))
    >>> found.left.tolist(), found.right.tolist(), found.jaccard.tolist()
    ([0, 0], [1, 2], [0.8, 1.0])
    """
    one, other = np.flatnonzero(side), np.flatnonzero(~side)
    if len(one) > len(other):
        one, other = other, one
    index = _index(found, other)

    def near(part: Ints) -> list[tuple[Ints, Ints, Floats]]:
        hits = []
        for row, similarity in zip(part, _similarities(found, part, index), strict=True):
            at = np.flatnonzero(similarity >= threshold)
            if len(at):
                hits.append((np.full(len(at), row), other[at], similarity[at]))
        return hits

    nothing = (np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
    parts = [one[cut : cut + PART] for cut in range(0, len(one), PART)]
    return ordered(
        *map(np.concatenate, zip(nothing, *(hit for hits in each(near, parts) for hit in hits), strict=True))
    )


def nearest(found: Sets, queries: Ints, pool: Ints) -> Floats:
    """Return for each row of `queries` the highest similarity to any row of `pool` other than itself (0 without one).

    Exact: each query is compared with the whole pool.

    >>> import polars as pl
    >>> from tuneset.near import sets
    >>> nearest(sets(pl.Series(["my new card", "my new cars", "bye"])), np.array([0, 2]), np.array([0, 1])).round(1).tolist()
    [0.8, 0.0]
    """
    index = _index(found, pool)

    def highest(part: Ints) -> list[float]:
        best = []
        for row, similarity in zip(part, _similarities(found, part, index), strict=True):
            similarity[pool == row] = 0
            best.append(float(similarity.max(initial=0)))
        return best

    parts = [queries[cut : cut + PART] for cut in range(0, len(queries), PART)]
    return np.array([value for best in each(highest, parts) for value in best])


def _index(found: Sets, pool: Ints) -> Index:
    sizes = found.sizes[pool]
    grams = found.grams[ragged(found.offsets[pool], sizes)]
    order = np.argsort(grams, kind="stable")
    places = np.repeat(np.arange(len(pool), dtype=np.int32), sizes)[order]
    start = np.searchsorted(grams[order], np.arange(int(found.grams.max(initial=0)) + 2))
    return Index(start.tolist(), places, sizes)


def _similarities(found: Sets, rows: Ints, index: Index) -> Iterator[Floats]:
    """Give for each row its Jaccard similarity with every row of the pool."""
    start, places, sizes = index
    none = np.zeros(0, np.int32)
    for row in rows.tolist():
        grams = found.grams[found.offsets[row] : found.offsets[row + 1]].tolist()
        held = [places[start[gram] : start[gram + 1]] for gram in grams]
        shared = np.bincount(np.concatenate([none, *held]), minlength=len(sizes))
        yield shared / np.maximum(len(grams) + sizes - shared, 1)
