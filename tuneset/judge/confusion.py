"""Which labels are taken for one another, and what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tuneset.judge.doubts import Judged
    from tuneset.judge.view import View

    Bools = NDArray[np.bool_]
    Ints = NDArray[np.int64]
    Floats = NDArray[np.float32]

PAIRS, NAMES, ROWS = 20, 30, 3  # confused pairs, labels of the matrix, examples of a pair
CONFUSED, BOTH = 0.05, 0.25  # share of two labels' rows that are confused; share that goes the rarer way


def confusion(seen: View, found: Judged) -> dict[str, Any]:
    """Return the pairs of labels that are confused, with advice, and the matrix of what each label was taken for.

    Of a row with several labels, the least likely one counts, and what was taken for likelier.
    """
    own = np.where(found.given, found.likely, np.inf)
    other = np.where(found.given, -np.inf, found.likely)
    true, sure = own.argmin(axis=1), other.max(axis=1) - own.min(axis=1)
    said = np.where(sure > 0, other.argmax(axis=1), true)
    counts = np.zeros((len(found.names), len(found.names)), np.int64)
    np.add.at(counts, (true, said), 1)
    pairs = [
        _pair(found.names, counts, one, two) | {"examples": _worst(seen, found, sure, _either(true, said, one, two))}
        for one, two in _confused(counts)
    ]
    return {"confused": pairs, "matrix": _matrix(found.names, counts)}


def _confused(counts: Ints) -> list[tuple[int, int]]:
    """Return the pairs of labels of which many rows are taken for the other, those with most such rows first."""
    both = counts + counts.T
    rows = counts.sum(axis=1)
    one, two = np.nonzero(np.triu(both, 1) >= np.maximum(ROWS, CONFUSED * (rows[:, None] + rows)))
    return sorted(zip(one.tolist(), two.tolist(), strict=True), key=lambda pair: (-both[pair], pair))[:PAIRS]


def _pair(names: Sequence[str], counts: Ints, one: int, two: int) -> dict[str, Any]:
    """Advise on two labels that are confused, the one whose rows are taken for the other's first."""
    one, two = (two, one) if counts[two, one] > counts[one, two] else (one, two)
    there, back = int(counts[one, two]), int(counts[two, one])
    rows, of = there + back, int(counts[[one, two]].sum())
    if back >= BOTH * rows:
        words = f"{rows} of their {of} rows look like the other: merge them, or define where one ends"
    else:
        of_one = int(counts[one].sum())
        words = (
            f"{there} of {of_one} rows of {names[one]} look like {names[two]}, hardly any the other way:"
            f" define what {names[one]} has that {names[two]} has not, or merge them"
        )
    return {"one": names[one], "other": names[two], "rows": rows, "share": round(rows / of, 4), "words": words}


def _either(true: Ints, said: Ints, one: int, two: int) -> Bools:
    return np.asarray(((true == one) & (said == two)) | ((true == two) & (said == one)), np.bool_)


def _worst(seen: View, found: Judged, sure: Floats, which: Bools) -> list[str]:
    """Return the ids of the rows that are confused most."""
    rows = np.flatnonzero(which)
    ids = seen.examples["id"].gather(found.rows[rows]).to_list()
    return [name for _, name in sorted(zip((-sure[rows].round(3)).tolist(), ids, strict=True))[:ROWS]]


def _matrix(names: Sequence[str], counts: Ints) -> dict[str, Any]:
    """Count what rows of each label are taken for, the labels that are confused most first."""
    astray = counts.sum(axis=0) + counts.sum(axis=1) - 2 * counts.diagonal()
    first = np.argsort(-astray, kind="stable")[:NAMES]
    return {"names": [names[at] for at in first], "rows": counts[np.ix_(first, first)].tolist()}
