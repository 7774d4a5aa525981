"""Follow pairs from row to row: what hangs together, and what to drop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tuneset.near.grams import Pairs, news

if TYPE_CHECKING:
    from tuneset.near.grams import Bools, Ints


def components(rows: int, left: Ints, right: Ints) -> Ints:
    """Label each row with the smallest row number that it is connected to.

    Every tree hangs itself under its smallest neighbour, then all trees are flattened (pointer jumping) and edges inside
    a tree are left out: a chain of a million rows takes as many rounds as its length has bits.

    >>> components(5, np.array([3, 1]), np.array([4, 3])).tolist()
    [0, 1, 2, 1, 1]
    """
    label = np.arange(rows)
    while len(left):
        np.minimum.at(label, np.maximum(left, right), np.minimum(left, right))
        while not np.array_equal(label, flat := label[label]):
            label = flat
        left, right = label[left], label[right]
        left, right = left[left != right], right[left != right]
    return label


def greedy(rows: int, found: Pairs, droppable: Bools) -> Ints:
    """Go through the rows in order and drop each one that is near a row kept before it; return its twin, or -1 if kept.

    Only pairs marked `droppable` count. The twin is the kept earlier row that is most similar (the first of equals).
    Unlike whole components this never drops a row that is only like a dropped one.

    >>> chain = Pairs(np.array([0, 1]), np.array([1, 2]), np.array([0.8, 0.9]))
    >>> greedy(3, chain, np.array([True, True])).tolist()
    [-1, 0, -1]
    """
    left, right, jaccard = (column[droppable] for column in found)
    dropped = np.zeros(rows, np.bool_)
    first, second = left, right
    for _ in range(50):  # most rows are settled in ten rounds; only long chains in order are left
        settled = np.ones(rows, np.bool_)
        settled[second] = False
        dropped[second[settled[first]]] = True
        open_ = ~(dropped[first] | dropped[second])
        first, second = first[open_], second[open_]
    order = np.argsort(second, kind="stable")
    for one, other in zip(first[order].tolist(), second[order].tolist(), strict=True):
        dropped[other] |= not dropped[one]
    twin = np.full(rows, -1)
    stands = ~dropped[left] & dropped[right]
    left, right, jaccard = left[stands], right[stands], jaccard[stands]
    order = np.lexsort((left, -jaccard, right))
    best = order[news(right[order])]
    twin[right[best]] = left[best]
    return twin
