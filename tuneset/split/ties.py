"""What must stay on one side: near-duplicates, rows of one lineage, and synthetic rows with what they were written from."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from tuneset import near
from tuneset.generate.origin import SEED, synthetic

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    IntArray = NDArray[np.int64]
    BoolArray = NDArray[np.bool_]


class Ties(NamedTuple):
    """Pairs of row numbers; a number from the number of rows on stands for a lineage key, which ties the rows that carry it."""

    left: IntArray
    right: IntArray
    seeds: int  # from this number on a key stands for an example that synthetic rows were written from


def ties(
    examples: pl.DataFrame,
    near_pairs: tuple[IntArray, IntArray],
    kinds: Sequence[str],
    gone: pl.DataFrame,
    threshold: float,
) -> Ties:
    """Say which rows must stay together.

    `near_pairs`: row numbers of near-duplicates. `kinds`: the kinds of lineage that tie, as thread; "*" is all. A synthetic row
    is always tied to the examples that its prompt showed. `gone`: `id` and `text` of those that may not be among the
    examples any more: rows nearly the same as such a text, as it has been merged into one or was mended in its source, stand
    for it. `threshold`: how alike that is, as for near-duplicates.
    """
    lineage = (
        examples.select("groups", written=synthetic(), row=pl.int_range(pl.len()))
        .explode("groups")
        .drop_nulls("groups")
        .with_columns(kind=pl.col("groups").str.split(":").list.first())
    )
    from_seed = pl.col("written") & pl.col("groups").str.starts_with(SEED)
    shared = lineage.filter(~from_seed & (pl.lit("*" in kinds) | pl.col("kind").is_in(list(kinds))))
    keys = shared["groups"].rank("dense").cast(pl.Int64).to_numpy() - 1 + examples.height
    first = examples.height + shared["groups"].n_unique()
    left, right = _seeds(examples, lineage.filter(from_seed), gone, threshold)
    return Ties(
        np.concatenate([near_pairs[0], shared["row"].to_numpy(), left]),
        np.concatenate([near_pairs[1], keys, right + first]),
        first,
    )


def _seeds(
    examples: pl.DataFrame, written: pl.DataFrame, gone: pl.DataFrame, threshold: float
) -> tuple[IntArray, IntArray]:
    """Tie synthetic rows to a number for each of their seeds, and to it the rows that are the seed or stand for it."""
    if written.is_empty():
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    seeds = (
        written.select(id=pl.col("groups").str.strip_prefix(SEED))
        .unique()
        .sort("id")
        .with_row_index("key")
        .with_columns(pl.col("key").cast(pl.Int64))
    )
    children = written.select("row", id=pl.col("groups").str.strip_prefix(SEED)).join(
        seeds, on="id", maintain_order="left"
    )
    there = examples.select("id", row=pl.int_range(pl.len())).join(seeds, on="id", maintain_order="left")
    lost = seeds.join(there, on="id", how="anti").join(gone.unique("id"), on="id", maintain_order="left")
    stand, for_seed = _like(examples["text"], lost["text"], threshold)
    return (
        np.concatenate([children["row"].to_numpy(), there["row"].to_numpy(), stand]),
        np.concatenate([children["key"].to_numpy(), there["key"].to_numpy(), lost["key"].to_numpy()[for_seed]]),
    )


def _like(texts: pl.Series, lost: pl.Series, threshold: float) -> tuple[IntArray, IntArray]:
    """Find the rows that are nearly the same as texts that are not among them; exactly, by comparing all with all."""
    if lost.is_empty():
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    side = np.arange(len(texts) + len(lost)) >= len(texts)
    found = near.cross_pairs(near.sets(pl.concat([texts, lost.alias(texts.name)])), side, threshold)
    one, other = np.minimum(found.left, found.right), np.maximum(found.left, found.right)
    return one, other - len(texts)


def pinned(examples: pl.DataFrame) -> BoolArray:
    """Mark generated rows, those of a user's own column `seed` as well: they, and what is tied to them, stay in train."""
    named = pl.col("groups").list.eval(pl.element().str.starts_with(SEED)).list.any().fill_null(value=False)
    marked: BoolArray = examples.select(synthetic() | named).to_series().to_numpy()
    return marked
