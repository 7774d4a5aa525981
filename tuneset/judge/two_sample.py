"""Two sets of texts: whether they can be told apart, by which words, and what of one the other does not cover."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from tuneset.judge.shares import FALSE, TAIL, adjusted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bools = NDArray[np.bool_]
    Ints = NDArray[np.int64]
    Floats = NDArray[np.float32]

DRAWS = 499  # ways to deal the rows to two sides: p is .002 at the least
PENALTY = 1.0
NEIGHBOURS = 20  # that are looked at to say how alone a row is
CHANCE = 0.03  # of the rows of a set are not covered by another of its kind; 5 neighbours at equal sizes
PRIOR = 100.0  # rows that words are expected to be spread over before a row is seen
SEEN = 5  # blocks that have a word, at the least
WORDS = r"[\p{L}\p{N}]+(?:['\x{2019}]\p{L}+)*"


class Rows(NamedTuple):
    """Rows of both sides."""

    vectors: Floats
    there: Bools  # on the side of the target
    groups: Ints  # one number for near-duplicates, and for what comes together

    def only(self, which: Bools | Ints) -> Rows:
        """Keep some of the rows."""
        groups = np.unique(self.groups[which], return_inverse=True)[1]
        return Rows(self.vectors[which], self.there[which], groups)


class Told(NamedTuple):
    """How well a classifier tells rows `there` from rows here that it has not seen."""

    auc: float  # .5 is chance
    low: float
    high: float
    p: float


class Covered(NamedTuple):
    """Which rows `there` have a row here among their nearest."""

    rows: Ints  # those that were looked at, one of each group and side
    share: float  # of the rows there
    low: float  # 98 % of sets without a difference lie between
    high: float
    p: float
    nearest: Ints  # (rows, NEIGHBOURS), of each of `rows`, as places in it, nearest first
    alone: Ints  # how many rows there come before the first row here; 0 for rows here


def tell_apart(rows: Rows, rng: np.random.Generator) -> Told:
    """Fit a classifier to tell two sides apart and ask it about rows whose group it has not seen.

    Classifier two-sample test (Lopez-Paz and Oquab 2017); the classifier is ridge regression, whose held-out answers
    come in closed form, also for each of `DRAWS` random sides, which give p. Rows of one group and side change sides
    together. The statistic is the difference of the mean answers (Kim et al. 2021), the interval that of the area under
    the curve (DeLong 1988, by blocks: Obuchowski 1997).

    >>> rng = np.random.default_rng(0)
    >>> one, other = rng.normal(0, 1, (50, 3)), rng.normal(1, 1, (50, 3))
    >>> rows = Rows(np.vstack([one, other]).astype(np.float32), np.arange(100) > 49, np.arange(100))
    >>> told = tell_apart(rows, rng)
    >>> told.auc > 0.8, told.p
    (True, 0.002)
    """
    vectors, there, groups = rows
    blocks = blocks_of(groups, there)
    sides = dealt(blocks, there, rng)
    truth = sides - sides.mean(axis=0)
    answers = _held_out(vectors, truth, groups)
    apart = (answers * truth).sum(axis=0) / np.square(truth).sum(axis=0)
    auc, error = _auc(answers[:, 0], there, blocks)
    return Told(auc, max(auc - TAIL * error, 0.0), min(auc + TAIL * error, 1.0), more_than_chance(apart))


def covered(rows: Rows, rng: np.random.Generator) -> Covered:
    """Say which rows `there` the rows here cover, and how many would be covered if there were no difference.

    A row is covered where one of its k nearest rows is here, which is the coverage of Naeem et al. 2020 (a row here
    within the distance of the k-th nearest row there); an inquiry that is asked a hundred times is covered or not once. k is such that about `CHANCE` of the rows are not when both
    sides are of one kind. The band and p come from random sides, as in `tell_apart`.

    >>> rng = np.random.default_rng(0)
    >>> near, far = rng.normal(0, 1, (80, 2)), rng.normal(50, 1, (20, 2))
    >>> there = np.arange(100) % 2 + np.arange(100) // 80 > 0
    >>> rows = Rows(np.vstack([near, far]).astype(np.float32), there, np.arange(100))
    >>> round(covered(rows, rng).share, 1)
    0.7
    """
    looked = np.unique(blocks_of(rows.groups, rows.there), return_index=True)[1]
    vectors, there, groups = rows.only(looked)
    nearest = _nearest(vectors)
    k = int(np.clip(round(np.log(CHANCE) / np.log(there.mean())), 1, nearest.shape[1]))
    first = nearest[:, :k]
    sides = dealt(blocks_of(groups, there), there, rng).astype(np.bool_)
    shares = np.array([1 - side[first[side]].all(axis=1).mean() if side.any() else 1.0 for side in sides.T])
    low, high = np.quantile(shares[1:], [0.01, 0.99])
    before = np.cumprod(there[nearest], axis=1).sum(axis=1)
    alone = np.where(there & (before >= k), before, 0)
    return Covered(looked, float(shares[0]), float(low), float(high), more_than_chance(-shares), nearest, alone)


def telling(texts: pl.Series, there: Bools, blocks: Ints) -> tuple[list[str], list[str]]:
    """List the words and pairs of words that are typical here, and those that are typical there, most telling first.

    Log-odds with an informative prior (Monroe et al. 2008) of the blocks that have the words; only those that stand out
    when false discoveries are controlled (Benjamini and Hochberg, 5 %).

    >>> texts = pl.Series(["where is my card"] * 40 + ["where is my loan"] * 40)
    >>> telling(texts, np.arange(80) >= 40, np.arange(80))
    (['my card'], ['my loan'])
    """
    from scipy.special import ndtr  # noqa: PLC0415  slow to import, and not needed without a target

    rows = pl.DataFrame({"text": texts, "there": there, "block": blocks})
    words = rows.with_columns(gram=pl.col("text").str.to_lowercase().str.extract_all(WORDS)).drop("text")
    words = words.with_row_index("row").explode("gram", empty_as_null=True).drop_nulls("gram")
    follows = pl.col("gram").shift(-1).over("row")
    pairs = words.with_columns(gram=pl.col("gram") + " " + follows).drop_nulls("gram")
    sizes = rows.unique("block")["there"]
    counted = (
        pl.concat([words, pairs])
        .unique(["block", "gram"])
        .group_by("gram")
        .agg(other=pl.col("there").sum(), one=(~pl.col("there")).sum())
        .sort("gram")
    )
    counted = counted.filter(pl.col("one") + pl.col("other") >= SEEN)  # fewer could not stand out, and cost the others
    if counted.is_empty():
        return [], []
    one, other = counted["one"].to_numpy() * 1.0, counted["other"].to_numpy() * 1.0
    prior = PRIOR * (one + other) / len(sizes)
    logits = [
        np.log((seen + prior) / (total + PRIOR - seen - prior).clip(0.5))
        for seen, total in ((one, float((~sizes).sum())), (other, float(sizes.sum())))
    ]
    score = (logits[1] - logits[0]) / np.sqrt(1 / (one + prior) + 1 / (other + prior))
    sure = adjusted(2 * ndtr(-np.abs(score))) <= FALSE
    ranked = counted.with_columns(
        score=score, words=pl.col("gram").str.count_matches(" ", literal=True).cast(pl.Int64)
    ).filter(sure)
    here = ranked.filter(pl.col("score") < 0).sort("score", -pl.col("words"), "gram")["gram"].to_list()
    away = ranked.filter(pl.col("score") > 0).sort(-pl.col("score"), -pl.col("words"), "gram")["gram"].to_list()
    return _apart(here), _apart(away)


def blocks_of(groups: Ints, there: Bools) -> Ints:
    """Give rows that change sides together one number: those of one group on one side."""
    return np.unique(groups * 2 + there, return_inverse=True)[1]


def dealt(blocks: Ints, there: Bools, rng: np.random.Generator, draws: int = DRAWS) -> Floats:
    """Deal blocks to two sides: shape (rows, 1 + draws), 1 is there; the first column is how they are."""
    sides = np.zeros((blocks.max(initial=-1) + 1, 1 + draws), np.float32)
    sides[blocks, 0] = there
    sides[:, 1:] = rng.permuted(np.repeat(sides[:, :1], draws, axis=1), axis=0)
    return sides[blocks]


def more_than_chance(statistic: NDArray[np.floating]) -> float:
    """Return p of the first value among the others, which chance made."""
    return float((1 + np.count_nonzero(statistic[1:] >= statistic[0])) / len(statistic))


def _held_out(vectors: Floats, truth: Floats, groups: Ints) -> Floats:
    """Answer each row as if its group had not been seen, for every column of truth (see `ridge.held_out`)."""
    gram = vectors.T @ vectors + PENALTY * np.eye(vectors.shape[1], dtype=np.float32)
    inverse = np.linalg.inv(gram.astype(np.float64)).astype(np.float32)
    left = truth - vectors @ (inverse @ (vectors.T @ truth))
    onto = vectors @ inverse
    order = np.argsort(groups, kind="stable")
    starts = np.flatnonzero(np.diff(groups[order], prepend=-1))
    sizes = np.diff(np.append(starts, len(order)))
    for size in np.unique(sizes).tolist():
        rows = order[starts[sizes == size][:, None] + np.arange(size)]
        seen = onto[rows] @ vectors[rows].transpose(0, 2, 1)
        left[rows] = np.linalg.solve(np.eye(size, dtype=np.float32) - seen, left[rows])
    return truth - left


def _auc(answers: Floats, there: Bools, blocks: Ints) -> tuple[float, float]:
    """Return the area under the curve and its standard error."""
    from scipy.stats import rankdata  # noqa: PLC0415  see `telling`

    ranks = rankdata(answers)
    many, few = int(there.sum()), int((~there).sum())
    beaten = np.empty(len(answers))  # the share of the other side that each row is on the right side of
    beaten[there] = (ranks[there] - rankdata(answers[there])) / few
    beaten[~there] = 1 - (ranks[~there] - rankdata(answers[~there])) / many
    auc = float(beaten[there].mean())
    off = np.bincount(blocks, weights=(beaten - auc) / np.where(there, many, few))
    return auc, float(np.sqrt(np.square(off).sum()))


def _nearest(vectors: Floats) -> Ints:
    """Find the nearest rows of each row, in parts so that no square of all rows is held."""
    count = min(NEIGHBOURS, len(vectors) - 1)
    parts = []
    for start in range(0, len(vectors), 1024):
        alike = vectors[start : start + 1024] @ vectors.T
        lengths = np.einsum("ij,ij->i", vectors, vectors)
        alike = 2 * alike - lengths  # nearest first is the same order as by Euclidean distance
        alike[np.arange(len(alike)), start + np.arange(len(alike))] = -np.inf
        found = np.argpartition(-alike, count - 1, axis=1)[:, :count]
        order = np.argsort(-np.take_along_axis(alike, found, axis=1), axis=1, kind="stable")
        parts.append(np.take_along_axis(found, order, axis=1))
    return np.concatenate(parts)


def _apart(grams: list[str], most: int = 10) -> list[str]:
    """Keep the first of those that share a word."""
    kept: list[str] = []
    used: set[str] = set()
    for gram in grams:
        if len(kept) < most and not used & set(gram.split()):
            kept.append(gram)
            used |= set(gram.split())
    return kept
