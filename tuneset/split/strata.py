"""Sort examples into strata, and show how each is shared out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import orjson
import polars as pl
from numpy.typing import NDArray

from tuneset.errors import unknown

if TYPE_CHECKING:
    from collections.abc import Sequence

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

SIDES = ("train", "validation", "test")
UNEVEN = 3.0  # points from the wanted share beyond which a stratum is explained


def strata_of(examples: pl.DataFrame, by: Sequence[str] = ()) -> tuple[IntArray, list[str]]:
    """Code each example by the label columns `by` (the first one where none is named), and name the codes.

    Several columns give their combinations. Conversations have no labels: they are told apart by source,
    number of user turns (1, 2-3, 4-7, 8+), tool use, and the quarter of the lengths in characters.
    Codes follow the sorted names (as numbers where all are), the order in which scikit-learn draws.

    Raises RecipeError for a column that no example has.

    >>> rows = pl.DataFrame({"labels": ['{"a": "x", "b": "1"}', '{"a": "w", "b": "1"}']})
    >>> codes, names = strata_of(rows, ["a", "b"])
    >>> codes.tolist(), names
    ([1, 0], ['w / 1', 'x / 1'])
    """
    labelled = examples["labels"].is_not_null()
    named = _label_names(examples["labels"], by)
    if not labelled.all():
        named = named.zip_with(labelled, _conversation_names(examples))
    names = _order(named.unique().to_list())
    numbers = pl.Series(range(len(names)), dtype=pl.Int64)
    codes = named.replace_strict(pl.Series(names, dtype=pl.String), numbers)
    return codes.cast(pl.Int64).to_numpy(), names


def _label_names(labels: pl.Series, by: Sequence[str]) -> pl.Series:
    distinct = labels.drop_nulls().unique(maintain_order=True)
    values = [orjson.loads(value) for value in distinct.to_list()]
    columns = list(dict.fromkeys(column for value in values for column in value))
    for column in by:
        if column not in columns and len(labels):
            raise unknown("label column", column, columns, "--stratify")
    chosen = list(by) or columns[:1]
    named = pl.Series([" / ".join(_name(value.get(column)) for column in chosen) for value in values], dtype=pl.String)
    return labels.replace_strict(distinct, named, default=None)


def _name(value: object) -> str:
    if value is None or value == "":
        return "(none)"
    if isinstance(value, list):
        return ", ".join(map(_name, value)) or "(none)"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _conversation_names(examples: pl.DataFrame) -> pl.Series:
    def count(pattern: str) -> pl.Expr:
        # inside a JSON string a quote is escaped, so these match keys and values of the messages only
        return pl.col("messages").fill_null("").str.count_matches(pattern)

    length = pl.sum_horizontal(pl.col("text", "label").fill_null("").str.len_chars())
    turns = count(r'"role"\s*:\s*"user"').clip(1, None)
    quarter = ((length.rank("min") - 1) * 4 // pl.len() + 1).cast(pl.Int64)
    tools = count(r'"role"\s*:\s*"tool"|"tool_calls"\s*:\s*\[\s*\{') > 0
    return examples.select(
        pl.concat_str(
            pl.col("source").fill_null("(none)"),
            pl.when(turns == 1)
            .then(pl.lit("1 turn"))
            .when(turns <= 3)
            .then(pl.lit("2-3 turns"))
            .when(turns <= 7)
            .then(pl.lit("4-7 turns"))
            .otherwise(pl.lit("8+ turns")),
            pl.when(tools).then(pl.lit("tools")).otherwise(pl.lit("no tools")),
            pl.format("length {}/4", quarter),
            separator=", ",
        )
    ).to_series()


def _order(names: list[str]) -> list[str]:
    """Sort as scikit-learn does after pandas has read the column: numbers as numbers."""
    if all(re.fullmatch(r"-?\d{1,15}(\.\d+)?", name) for name in names):
        return sorted(names, key=lambda name: (float(name), name))
    return sorted(names)


def balance(  # noqa: PLR0913
    names: Sequence[str],
    codes: IntArray,
    side: NDArray[np.int8],
    groups: IntArray | None = None,
    *,
    validation: float = 0.2,
    pinned: BoolArray | None = None,
) -> pl.DataFrame:
    """Show how each stratum is shared out, and the groups to blame where it is uneven.

    One row per stratum: `name`, `rows`, `train`, `validation`, `test`, `share` (of validation, 0 to 1), `off` (points
    from the wanted share), `uneven` (more than three points off, or on one side only) and `groups`: where uneven,
    the sizes of up to five of its groups, the largest first. Rows that are not placed, and `pinned` ones
    (synthetic rows, which do not count towards the shares), are left out.

    >>> table = balance(["a"], np.zeros(5, np.int64), np.array([0, 0, 0, 0, 1], np.int8))
    >>> table.select("name", "rows", "validation", "share", "off", "uneven").row(0)
    ('a', 5, 1, 0.2, 0.0, False)
    """
    placed = side >= 0 if pinned is None else (side >= 0) & ~pinned
    tied = np.arange(len(codes)) if groups is None else groups
    counted = pl.DataFrame({"code": codes, "side": side, "group": tied}).filter(placed)
    sizes = counted.group_by("code", "group").len("size").group_by("code").agg(pl.col("size").top_k(5).cast(pl.Int64))
    share = pl.col("validation") / pl.col("rows")
    uneven = ((share - validation).abs() * 100 > UNEVEN) | (pl.max_horizontal(*SIDES) == pl.col("rows"))
    return (
        counted.group_by("code")
        .agg(
            pl.len().cast(pl.Int64).alias("rows"),
            *((pl.col("side") == number).sum().cast(pl.Int64).alias(name) for number, name in enumerate(SIDES)),
        )
        .join(sizes, on="code")
        .sort("code")
        .select(
            pl.lit(pl.Series("name", names, dtype=pl.String)).gather("code"),
            "rows",
            *SIDES,
            share=share.round(4),
            off=((share - validation) * 100).round(2),
            uneven=uneven,
            groups=pl.when(uneven).then("size").otherwise(pl.lit([], dtype=pl.List(pl.Int64))),
        )
    )
