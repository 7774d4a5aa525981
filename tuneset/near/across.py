"""Compare the sides of a split with each other exactly, without hashing by chance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tuneset.near.grams import by_size, jaccard, ordered, ragged, rows_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tuneset.near.grams import Bools, Floats, Ints, Pairs, Rows, Sets

BLOCK = 256  # rows of one side that are multiplied with the other in one go


def cross_pairs(found: Sets, side: Bools, threshold: float = 0.7) -> Pairs:
    """Find every pair at or above the threshold with one row on each side, without hashing by chance.

    This is a check on a split, so it shares no way of finding candidates with `pairs`: grams are folded into a few
    hundred columns, in which the dot product of two rows can only be larger than the number of grams they share; all
    rows of one side are multiplied with all rows of the other that have a size in reach, and what remains is compared
    exactly. Time grows with the product of both sides: 50,000 rows of 50 characters take seconds.

    >>> import polars as pl
    >>> from tuneset.near import sets
    >>> found = cross_pairs(sets(pl.Series(["my new card", "my new cars", "my new card?"])), np.array([True, False, False]))
    >>> found.left.tolist(), found.right.tolist(), found.jaccard.tolist()
    ([0, 0], [1, 2], [0.8, 1.0])
    """
    rows = by_size(found, np.flatnonzero(found.sizes))
    folded = _folded(rows)
    one, other = np.flatnonzero(side[rows.row]), np.flatnonzero(~side[rows.row])
    if len(one) > len(other):
        one, other = other, one
    parts = [(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))]
    for cut in range(0, len(one), BLOCK):
        part = one[cut : cut + BLOCK]
        sizes = rows.sizes[part]
        reach = other[slice(*np.searchsorted(rows.sizes[other], [sizes[0] * threshold - 1, sizes[-1] / threshold + 1]))]
        shared = folded[part] @ folded[reach].T
        needed = threshold / (1 + threshold) * (sizes[:, None] + rows.sizes[reach]).astype(np.float32) - 0.01
        at, to = np.nonzero(shared >= needed)
        similarity = jaccard(rows, part[at], reach[to])
        near = similarity >= threshold
        parts.append((rows.row[part[at[near]]], rows.row[reach[to[near]]], similarity[near]))
    return ordered(*map(np.concatenate, zip(*parts, strict=True)))


def nearest(found: Sets, queries: Ints, pool: Ints) -> Floats:
    """Return for each row of `queries` the highest similarity to any row of `pool` other than itself (0 without one).

    Exact: candidates are ranked by what the dot product of the folded sets allows (see `cross_pairs`), and compared
    until no other row of the pool can be nearer.

    >>> import polars as pl
    >>> from tuneset.near import sets
    >>> nearest(sets(pl.Series(["my new card", "my new cars", "bye"])), np.array([0, 2]), np.array([0, 1])).round(1).tolist()
    [0.8, 0.0]
    """
    rows = rows_of(found, np.arange(len(found.sizes)))
    folded = _folded(rows)
    best = np.zeros(len(queries))
    for cut in range(0, len(queries) if len(pool) else 0, 64):
        part = queries[cut : cut + 64]
        shared = np.minimum(folded[part] @ folded[pool].T, np.minimum(rows.sizes[part][:, None], rows.sizes[pool]))
        bound = shared / np.maximum(rows.sizes[part][:, None] + rows.sizes[pool] - shared, 1) + 1e-6
        bound[part[:, None] == pool] = 0
        guess = pool[bound.argmax(axis=1)]
        least = np.where(bound.max(axis=1) > 0, jaccard(rows, part, guess), 0)
        at, to = np.nonzero(bound > least[:, None])
        np.maximum.at(least, at, jaccard(rows, part[at], pool[to]))
        best[cut : cut + 64] = least
    return best


def _folded(rows: Rows) -> NDArray[np.float32]:
    """Count each row's grams by their number modulo some columns: shape (rows, columns)."""
    columns = 1 << min(11, max(6, int(8 * rows.sizes.mean()).bit_length()))
    folded = np.empty((len(rows.sizes), columns), np.float32)
    for cut in range(0, len(folded), 1024):
        sizes = rows.sizes[cut : cut + 1024]
        grams = rows.grams[ragged(rows.starts[cut : cut + 1024], sizes)] % columns
        cells = np.repeat(np.arange(len(sizes)) * columns, sizes) + grams
        folded[cut : cut + 1024] = np.bincount(cells, minlength=len(sizes) * columns).reshape(len(sizes), columns)
    return folded
