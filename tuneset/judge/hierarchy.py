"""Two label columns of which one stands under the other, such as a category and its sub-categories."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tuneset.judge.view import Labels

    Bools = NDArray[np.bool_]
    Ints = NDArray[np.int64]

TIDY = 0.85  # share of rows that stand where the others of their sub-category do, from which on there is a hierarchy
CLEAR = 0.8  # share of a sub-category's rows that stand under one category, from which on the others are strays
FEW = 3  # rows under one category that it takes


class Tree(NamedTuple):
    """Which category each sub-category stands under."""

    counts: Ints  # (sub-categories, categories) rows
    above: Ints  # (sub-categories,), -1 where they are not of one mind


def tree(parent: Labels, child: Labels, learn: Bools) -> Tree | None:
    """See which category most rows of each sub-category have; None where the columns are no hierarchy.

    >>> from tuneset.testing import examples
    >>> from tuneset.judge.view import labels
    >>> said = ['{"to": "A", "what": "x"}'] * 5 + ['{"to": "B", "what": "y"}'] * 4 + ['{"to": "A", "what": "z"}'] * 5
    >>> found = tree(*labels(examples([{"labels": each} for each in said])), np.ones(14, bool))
    >>> found.above.tolist()
    [0, 1, 0]
    """
    if parent.several or child.several or len(child.names) <= len(parent.names) or len(parent.names) < 2:
        return None
    told = learn & (parent.codes >= 0) & (child.codes >= 0)
    counts = np.zeros((len(child.names), len(parent.names)), np.int64)
    np.add.at(counts, (child.codes[told], parent.codes[told]), 1)
    most, rows = counts.max(axis=1), counts.sum(axis=1)
    if most.sum() < TIDY * rows.sum() or not np.any(most >= FEW):
        return None
    clear = (most >= FEW) & (most >= CLEAR * rows)
    return Tree(counts, np.where(clear, counts.argmax(axis=1), -1))


def strays(found: Tree, parent: Labels, child: Labels) -> Ints:
    """Return the rows whose sub-category stands under another category in nearly all other rows."""
    told = np.flatnonzero((parent.codes >= 0) & (child.codes >= 0))
    home = found.above[child.codes[told]]
    astray: Ints = told[(home >= 0) & (home != parent.codes[told])]
    return astray
