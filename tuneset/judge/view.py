"""What judging looks at: examples with their side, their group, their vector and their labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import orjson
import polars as pl

from tuneset import features, near
from tuneset.generate.origin import synthetic

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bools = NDArray[np.bool_]
    Ints = NDArray[np.int64]
    Floats = NDArray[np.float32]


class View(NamedTuple):
    """The examples, in their order, as arrays."""

    examples: pl.DataFrame
    vectors: Floats  # (rows, dimensions), each of length 1 at most
    train: Bools  # real and on the train side: what models may be fitted on
    groups: Ints  # one number for all rows that the split keeps together
    written: Bools | np.bool_ = np.False_  # by a model


class Labels(NamedTuple):
    """One label column."""

    column: str
    names: list[str]  # of the labels, sorted
    codes: Ints  # (rows,), -1 where a row has none; of a row with several, the first
    several: list[Ints] | None  # for a column of lists: each row's codes


def view(examples: pl.DataFrame) -> View:
    """See examples as the stage `judge` hands them over, or fill in what they lack.

    The stage adds three columns: `side`, `group` and `vector`. Without them every row is on the train side, near-duplicates
    are grouped, and vectors are made of n-grams. Synthetic rows are no train rows here: they are judged by models that
    learned what is real, and a paraphrase of a row would vouch for its label.

    >>> from tuneset.testing import examples
    >>> view(examples(["where is it", "where is it?", "hello"])).groups.tolist()
    [0, 0, 2]
    """
    have = set(examples.columns)
    sides = examples["side"].to_numpy() if "side" in have else np.full(examples.height, "train")
    written = (
        examples.select(synthetic()).to_series().to_numpy() if "origin" in have else np.zeros(len(sides), np.bool_)
    )
    train = np.asarray((sides == "train") & ~written, np.bool_)
    if "group" in have:
        groups = examples["group"].rank("dense").cast(pl.Int64).to_numpy() - 1
    else:
        found = near.pairs(near.sets(examples["text"]))
        groups = near.components(examples.height, found.left, found.right)
    vectors = examples["vector"].to_numpy() if "vector" in have else features.vectors(examples["text"], learn=train)
    return View(examples, np.asarray(vectors, np.float32), train, groups, written)


def labels(examples: pl.DataFrame) -> list[Labels]:
    """Read the label columns, in their order; none for conversations.

    >>> from tuneset.testing import examples
    >>> rows = examples([{"text": "where is it", "label": "Orders"}, {"text": "hello", "label": "Other"}])
    >>> [(each.column, each.names, each.codes.tolist()) for each in labels(rows)]
    [('category', ['Orders', 'Other'], [0, 1])]
    """
    distinct = examples.select("labels").unique(maintain_order=True)["labels"]
    parsed = {text: orjson.loads(text) for text in distinct.drop_nulls().to_list()}
    columns = list(dict.fromkeys(column for values in parsed.values() for column in values))
    return [_column(column, parsed, examples["labels"]) for column in columns]


def _column(column: str, parsed: dict[str, dict[str, object]], rows: pl.Series) -> Labels:
    """Give each label of one column a number, once for each distinct set of labels."""
    said = {text: _listed(values.get(column)) for text, values in parsed.items()}
    names = sorted({name for listed in said.values() for name in listed})
    number = {name: place for place, name in enumerate(names)}
    numbers = {text: np.array([number[name] for name in listed], np.int64) for text, listed in said.items()}
    nothing = np.zeros(0, np.int64)
    each = [numbers.get(text, nothing) for text in rows.to_list()]
    codes = np.array([found[0] if len(found) else -1 for found in each], np.int64)
    lists = any(isinstance(values.get(column), list) for values in parsed.values())
    return Labels(column, names, codes, each if lists else None)


def _listed(value: object) -> list[str]:
    if value is None or value == "":
        return []
    values = value if isinstance(value, list) else [value]
    return [each if isinstance(each, str) else orjson.dumps(each).decode() for each in values]
