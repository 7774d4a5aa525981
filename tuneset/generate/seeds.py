"""Which real examples a prompt shows: diverse ones of the label, and typical ones of the labels that are most like it."""

from __future__ import annotations

from itertools import count, islice
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from tuneset import features
from tuneset.errors import RunError
from tuneset.generate.asking import Seed
from tuneset.generate.attributes import random
from tuneset.judge.judging import lowest
from tuneset.step import folded

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from tuneset.generate.asking import Cell

    Bools = NDArray[np.bool_]
    Ints = NDArray[np.int64]
    Floats = NDArray[np.float32]

MOST = 20_000  # examples that are looked at; n-grams of so many take 4 s
THIN = 50  # examples of a label that are looked at however many there are in all
MIDDLE = 0.8  # share of a label's examples, those nearest to its centre, that seeds are drawn from
NEAREST = 3  # labels that are shown as others
LOOKED = 1_000  # examples of a label that seeds are drawn from


class Pool(NamedTuple):
    """The train examples that seeds are chosen from, in the order of their ids, no text twice."""

    rows: pl.DataFrame  # id, text, labels, folded
    vectors: Floats  # (rows, dimensions)
    names: list[str]  # of the label combinations, sorted; "" for texts that have none
    codes: Ints  # (rows,), the number of each one's combination
    centres: Floats  # (combinations, dimensions), each of length 1


def pool(train: pl.DataFrame, cells: Iterable[Cell]) -> Pool:
    """Look at the train side: a sample where it is large, with all examples of the labels that have few.

    `train`: real examples of the train side and nothing else, with the columns of an example; `vector` is used where it
    is there. Looked at are the 20,000 lowest ids, and of each label that a cell asks for (of all, where that is no more
    than 20,000) the 50 lowest: ids are hashes, so that is as good as drawing. A text that is there twice, however
    written, is looked at once.
    """
    columns = ["id", "text", "labels", *(["vector"] if "vector" in train.columns else [])]
    told = train.select(columns).with_columns(pl.col("labels").fill_null("")).filter(pl.col("text").str.contains(r"\S"))
    rows = _sampled(told, {cell.labels for cell in cells}).sort("id")
    rows = rows.with_columns(folded=folded("text")).unique("folded", keep="first", maintain_order=True)
    vectors = rows["vector"].to_numpy() if "vector" in rows.columns else features.vectors(rows["text"])
    names = sorted(rows["labels"].unique().to_list())
    codes = np.searchsorted(np.array(names, object), rows["labels"].to_numpy()).astype(np.int64)
    made = np.asarray(vectors, np.float32)
    return Pool(rows.drop("vector", strict=False), made, names, codes, _centres(made, codes, len(names)))


def batches(pool: Pool, cell: Cell, seeds: int, seed: int) -> Iterator[list[Seed]]:
    """Choose the seeds of a cell's batches, one after the other and without end; no batch hangs on those after it.

    A batch starts at a random example of the cell's label and goes on with the one that is least like those it has,
    among the 80 % that are nearest to the label's centre; no example comes again before all have come. Without that limit
    it would pick what is labelled wrongly: where a tenth of BANKING77 has a neighbour's label, 28 % of such seeds were
    wrong, 7 % with it, and 9 % of seeds drawn at random, which are alike by .25 on average, these by .15.

    Where the cell says what is thin, the examples most like that come first, and nothing is drawn. A label with fewer examples than wanted gives what it has.
    """
    found = _of(pool, cell)
    found = _alike(pool, found, cell) if cell.like else _middle(pool, found)
    left = found
    for number in count():
        drawn = random(str(seed), cell.labels, str(number))
        took: list[int] = []
        while len(took) < min(seeds, len(found)):
            left = left if len(left) else found
            free = left[~np.isin(left, took)]
            took.append(int(free[0]) if cell.like else _unlike(pool, free, took, drawn))
            left = left[left != took[-1]]
        yield [_seed(pool, row) for row in took]


def chosen(pool: Pool, cell: Cell, requests: int, seeds: int, seed: int) -> list[list[Seed]]:
    """Choose the seeds of a cell's first batches, one for each request, see `batches`."""
    return list(islice(batches(pool, cell, seeds, seed), requests))


def others(pool: Pool, cell: Cell) -> list[Seed]:
    """Return a typical example of each of the three label combinations that are most like the cell's, the nearest first.

    Typical: nearest to the centre of its label, of the shorter half, as long texts are near to everything. A label
    without an example has no neighbours that could be known.
    """
    if cell.labels not in pool.names or not cell.labels:
        return []
    code = pool.names.index(cell.labels)
    near = np.argsort(-(pool.centres @ pool.centres[code]).round(6), kind="stable")
    shown = ~_hidden(pool, cell)
    near = near[(near != code) & np.isin(near, pool.codes[shown])]
    return [_seed(pool, _typical(pool, np.flatnonzero(shown & (pool.codes == other)))) for other in near[:NEAREST]]


def refuse_held_back(ids: Iterable[str], sides: pl.DataFrame) -> None:
    """Refuse seeds that are not on the train side: rows written from them would give away what is held back.

    `sides`: the columns `id` and `side` of the split. An id that the split does not know is not on the train side.

    >>> refuse_held_back(["b"], pl.DataFrame({"id": ["a", "b"], "side": ["train", "validation"]}))
    Traceback (most recent call last):
    tuneset.errors.RunError: 1 of the seeds is not on the train side: b
      at   the split
      try  generate again from this run: seeds come from the train side only
    """
    train = set(sides.filter(pl.col("side") == "train")["id"].to_list())
    held = sorted(set(ids) - train)
    if held:
        named = ", ".join(held[:3]) + (f" and {len(held) - 3:,} more" if len(held) > 3 else "")
        raise RunError(
            f"{len(held):,} of the seeds {'is' if len(held) == 1 else 'are'} not on the train side: {named}",
            "the split",
            "generate again from this run: seeds come from the train side only",
        )


def _sampled(told: pl.DataFrame, wanted: set[str]) -> pl.DataFrame:
    if told.height <= MOST:
        return told
    ranked = told.select("id", "labels").sort("id").with_columns(place=pl.int_range(pl.len()).over("labels"))
    few = ranked.filter(pl.col("place") < THIN)
    asked = few.filter(pl.col("labels").is_in(sorted(wanted)))
    kept = pl.concat([lowest(told, MOST)["id"], lowest(few, MOST)["id"], asked["id"]]).unique()
    return told.join(kept.to_frame(), on="id", how="semi")


def _centres(vectors: Floats, codes: Ints, labels: int) -> Floats:
    sums = np.zeros((labels, vectors.shape[1]), np.float32)
    np.add.at(sums, codes, vectors)
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    return np.asarray(sums / np.where(lengths > 0, lengths, 1), np.float32)


def _hidden(pool: Pool, cell: Cell) -> Bools:
    """Mark the texts that show what is thin: they are never shown themselves."""
    like = pl.DataFrame({"text": list(cell.like)}, schema={"text": pl.String}).select(folded("text")).to_series()
    return np.asarray(pool.rows["folded"].is_in(like.implode()).to_numpy(), np.bool_)


def _of(pool: Pool, cell: Cell) -> Ints:
    """Return the rows of a cell's label."""
    return np.flatnonzero((pool.rows["labels"] == cell.labels).to_numpy() & ~_hidden(pool, cell))


def _middle(pool: Pool, rows: Ints) -> Ints:
    """Return the rows that are nearest to their centre, in the order of their ids; all where there are fewer than five."""
    rows = rows[:LOOKED]
    if len(rows) < 5:
        return rows
    near = np.argsort(-(pool.vectors[rows] @ pool.centres[pool.codes[rows[0]]]).round(6), kind="stable")
    return np.sort(rows[near[: int(np.ceil(MIDDLE * len(rows)))]])


def _alike(pool: Pool, rows: Ints, cell: Cell) -> Ints:
    """Return the rows in the order of their likeness to the texts that show what is thin."""
    texts = pl.concat([pool.rows["text"].gather(rows), pl.Series("text", list(cell.like), dtype=pl.String)])
    learn = np.arange(len(texts)) < len(rows)
    if not len(rows):
        return rows
    made = features.vectors(texts, learn=learn)
    likeness = (made[: len(rows)] @ made[len(rows) :].T).max(axis=1).round(6)
    return rows[np.argsort(-likeness, kind="stable")]


def _unlike(pool: Pool, left: Ints, took: Sequence[int], drawn: np.random.RandomState) -> int:
    """Return the row that is least like those taken; any where nothing is taken."""
    if not took:
        return int(left[drawn.randint(len(left))])
    return int(left[(pool.vectors[left] @ pool.vectors[took].T).max(axis=1).round(6).argmin()])


def _typical(pool: Pool, rows: Ints) -> int:
    sizes = pool.rows["text"].gather(rows).str.len_chars().to_numpy()
    short = rows[sizes <= np.median(sizes)]
    return int(short[np.argmax((pool.vectors[short] @ pool.centres[pool.codes[rows[0]]]).round(6))])


def _seed(pool: Pool, row: int) -> Seed:
    return Seed(*pool.rows.select("id", "text", "labels").row(row))
