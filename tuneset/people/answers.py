"""What people answered, as a table, and the same as numbers to count with."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from tuneset.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

ANSWERS = pl.Schema(
    {
        "item": pl.String(),
        "contributor": pl.String(),
        "value": pl.String(),  # null: no answer
        "seconds": pl.Float64(),  # optional: how long it took
        "gold": pl.String(),  # optional: what is known to be right; null where nothing is
    },
)


class Coded(NamedTuple):
    """Answers as numbers, sorted by item, then by contributor; names are sorted too, so the rows' order is forgotten."""

    items: list[str]
    people: list[str]
    labels: list[str]
    item: Ints  # (answers,), places in `items`
    person: Ints
    label: Ints


def coded(answers: pl.DataFrame) -> Coded:
    """Turn the items, contributors and labels of answers into numbers.

    A row without item, contributor or value is no answer. The same answer twice counts once. Raises InputError where
    one person answers one item in two ways: which of them holds is not for arithmetic to say.

    >>> rows = pl.DataFrame({"item": ["b", "a"], "contributor": ["eve", "ada"], "value": ["no", "yes"]})
    >>> found = coded(rows)
    >>> found.items, found.item.tolist(), found.label.tolist()
    (['a', 'b'], [0, 1], [1, 0])
    """
    rows = answers.select(pl.col("item", "contributor", "value").cast(pl.String)).drop_nulls()
    names = [rows[name].unique().sort().to_list() for name in rows.columns]
    item, person, label = (
        rows[name].cast(pl.Enum(each)).to_physical().cast(pl.Int64).to_numpy()
        for name, each in zip(rows.columns, names, strict=True)
    )
    order = np.lexsort((label, person, item))
    item, person, label = item[order], person[order], label[order]
    same = (np.diff(item, prepend=-1) == 0) & (np.diff(person, prepend=-1) == 0)
    again = same & (np.diff(label, prepend=-1) == 0)
    if (same & ~again).any():
        at = int(np.flatnonzero(same & ~again)[0])
        raise InputError(
            f"{names[1][person[at]]!r} answers {names[0][item[at]]!r} in two ways",
            "the answers",
            "keep the one that holds, the last one as a rule",
        )
    items, people, labels = names
    return Coded(items, people, labels, item[~again], person[~again], label[~again])
