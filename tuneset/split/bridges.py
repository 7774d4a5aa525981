"""Find the new examples that would tie two sides together."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tuneset import near
from tuneset.split.choose import UNPLACED

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


class Bridges(NamedTuple):
    """What keeps two sides apart: rows to drop, earlier rows that stay tied, and the pairs that remain."""

    drop: IntArray
    conflicts: IntArray
    left: IntArray
    right: IntArray


def bridging(
    previous: NDArray[np.int8],
    left: IntArray,
    right: IntArray,
    pinned: BoolArray | None = None,
) -> Bridges:
    """Name the new rows that would tie rows of different sides together, and take their pairs out.

    New rows are joined to their groups one by one in row order; one that would connect two sides is a bridge, so
    without any one drop the two sides would touch. A `pinned` row counts as train. Pairs are row numbers; a number
    from `len(previous)` on stands for a lineage key, which ties its rows and is never dropped. Earlier rows that are
    tied across the sides stay, as `conflicts`, and their pairs are taken out. What remains is safe to hand to
    `near.components`; a dropped row is alone there.

    >>> bridging(np.array([0, 1, -1], np.int8), np.array([0, 1]), np.array([2, 2])).drop.tolist()
    [2]
    """
    rows = len(previous)
    nodes = max([rows, *(int(ends.max()) + 1 for ends in (left, right) if len(ends))])
    earlier = np.zeros(nodes, np.bool_)
    earlier[:rows] = previous >= 0
    marks = np.zeros(nodes, np.int64)  # a bit for every side a node is bound to
    marks[:rows] = np.where(previous >= 0, 1 << np.maximum(previous, 0), 0 if pinned is None else pinned)
    for row, key in ((left, right), (right, left)):
        known = earlier[row] & (key >= rows)
        np.bitwise_or.at(marks, key[known], marks[row[known]])
    clash = earlier[left] & (marks[left] != marks[right]) & (earlier[right] | (right >= rows))
    clash |= earlier[right] & (marks[left] != marks[right]) & (left >= rows)
    conflicts = np.unique(np.concatenate([left[clash], right[clash]]))
    component = near.components(nodes, left, right)
    sides = np.stack([np.bincount(component, marks >> bit & 1, nodes) > 0 for bit in range(3)]).sum(axis=0)
    drop = _tying(rows, earlier, marks, *(ends[(sides > 1)[component[left]]] for ends in (left, right)))
    gone = np.zeros(nodes, np.bool_)
    gone[drop] = True
    stays = ~(gone[left] | gone[right] | clash)
    return Bridges(drop, conflicts[conflicts < rows], left[stays], right[stays])


def _tying(rows: int, earlier: BoolArray, marks: IntArray, left: IntArray, right: IntArray) -> IntArray:
    """Join new rows in row order and return those that would connect two sides."""
    order = np.arange(len(marks))
    order[earlier] = order[rows:] = UNPLACED  # what is there before any new row
    owner = np.where(order[left] > order[right], left, right)
    other = left + right - owner
    new = order[owner] >= 0
    by_owner = np.lexsort((other[new], owner[new]))
    owner, other = owner[new][by_owner], other[new][by_owner]
    joiners, starts = np.unique(owner, return_index=True)
    parent: dict[int, int] = {}
    mark = marks.tolist()
    drop: set[int] = set()
    ends = [*starts[1:].tolist(), len(other)]
    for row, start, end in zip(joiners.tolist(), starts.tolist(), ends, strict=False):
        roots = {_root(parent, node) for node in other[start:end].tolist() if node not in drop}
        union = mark[row]
        for root in roots:
            union |= mark[root]
        if union & (union - 1):
            drop.add(row)
            continue
        mark[row] = union
        parent.update(dict.fromkeys(roots, row))
    return np.array(sorted(drop), np.int64)


def _root(parent: dict[int, int], node: int) -> int:
    path = []
    while (above := parent.get(node)) is not None:
        path.append(node)
        node = above
    parent.update(dict.fromkeys(path, node))
    return node
