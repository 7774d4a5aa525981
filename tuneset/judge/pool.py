"""Put the set and its target side by side: rows of both, with their labels, vectors and near-duplicates."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from tuneset import features, near
from tuneset.judge.two_sample import Rows
from tuneset.judge.view import labels as read_labels
from tuneset.step import folded

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tuneset.judge.view import Labels, View

    Bools = NDArray[np.bool_]
    Ints = NDArray[np.int64]
    Floats = NDArray[np.float32]

MOST = 4000  # rows of each side that are compared by their texts; the error of an AUC of .5 is then .006 (by formula)
BLOCK = 50  # of a template's rows on one side; the closed form takes the cube of it


class Side(NamedTuple):
    """Examples with text, by id, so that draws do not depend on the order of the rows."""

    texts: pl.Series
    codes: Ints  # of the label, -1 where there is none
    groups: Ints
    vectors: Floats | None  # None where n-grams are to be made of both sides together


class Pool(NamedTuple):
    """Rows drawn from both sides."""

    texts: pl.Series
    rows: Rows
    codes: Ints
    shared: Bools  # the same text is on both sides


def here(view: View, column: Labels | None, names: list[str], *, embedded: bool) -> Side:
    """Take the train side; its codes count in `names`."""
    rows = _in_order(view.examples, view.train)
    codes = np.full(len(rows), -1)
    if column is not None:
        codes = np.append(np.searchsorted(names, column.names), -1).astype(np.int64)[column.codes[rows]]
    return Side(view.examples["text"].gather(rows), codes, view.groups[rows], view.vectors[rows] if embedded else None)


def target_labels(target: pl.DataFrame, column: Labels | None) -> pl.Series | None:
    """Read the target's own labels in a column; None where it has none."""
    found = next((each for each in read_labels(target) if column and each.column == column.column), None)
    if found is None or (found.codes < 0).all():
        return None
    return pl.Series([found.names[code] if code >= 0 else None for code in found.codes.tolist()], dtype=pl.String)


def there(target: pl.DataFrame, labels: pl.Series | None, names: list[str], *, embedded: bool) -> Side:
    """Take the target; near-duplicates in it are one group."""
    rows = _in_order(target, np.ones(target.height, np.bool_))
    texts = target["text"].gather(rows)
    pairs = near.pairs(near.sets(texts))
    codes = np.full(target.height, -1)
    if labels is not None:
        codes = labels.replace_strict(names, np.arange(len(names)), default=-1, return_dtype=pl.Int64).to_numpy()
    vectors = np.asarray(target["vector"].to_numpy()[rows], np.float32) if embedded else None
    return Side(texts, codes[rows], near.components(len(rows), pairs.left, pairs.right), vectors)


def pooled(one: Side, other: Side, rng: np.random.Generator) -> Pool:
    """Draw rows of both sides and see which are near-duplicates of each other.

    N-grams are learned from both sides alike: the side that is learned from would be told from the other by that alone.
    """
    drawn = [rng.permutation(len(side.texts))[:MOST] for side in (one, other)]
    texts = pl.concat([side.texts.gather(rows) for side, rows in zip((one, other), drawn, strict=True)])
    away = np.repeat([False, True], [len(rows) for rows in drawn])
    groups = _groups(texts, one.groups[drawn[0]])
    frame = pl.DataFrame({"text": texts, "there": away, "group": groups})
    kept = frame.select(pl.int_range(pl.len()).over("group", "there") < BLOCK).to_series().to_numpy()
    shared = frame.select(pl.col("there").n_unique().over(folded("text")) > 1).to_series().to_numpy()
    if one.vectors is None or other.vectors is None:
        vectors = features.vectors(texts)
    else:
        vectors = np.vstack([one.vectors[drawn[0]], other.vectors[drawn[1]]])
    codes = np.concatenate([one.codes[drawn[0]], other.codes[drawn[1]]])
    return Pool(texts.filter(pl.Series(kept)), Rows(vectors, away, groups).only(kept), codes[kept], shared[kept])


def _in_order(examples: pl.DataFrame, which: Bools) -> Ints:
    """Order rows by id, those without text left out."""
    told = examples["text"].fill_null("").str.contains(r"\S").to_numpy()
    order: Ints = examples["id"].arg_sort().to_numpy().astype(np.int64)
    kept: Ints = order[(told & which)[order]]
    return kept


def _groups(texts: pl.Series, known: Ints) -> Ints:
    """Join near-duplicates, and the first rows by the groups that are known."""
    pairs = near.pairs(near.sets(texts))
    _, first, place = np.unique(known, return_index=True, return_inverse=True)
    left = np.concatenate([pairs.left, first[place]])
    return near.components(len(texts), left, np.concatenate([pairs.right, np.arange(len(known))]))
