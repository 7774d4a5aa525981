"""Agreement: how far people who answer the same items say the same, beyond what chance would give."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import polars as pl

from tuneset.errors import RecipeError, unknown
from tuneset.people.answers import coded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

Level = Literal["nominal", "ordinal", "interval"]
DRAWS = 1000  # of the bootstrap
LEAST_DRAWS = 200  # where kinds of items are so many that more would take minutes
CELLS = 1 << 24  # numbers that are held at a time
LEAST = 10  # items with two answers without which a bootstrap says nothing
SHARED = 5  # items that two people must share before their kappa means something


class Alpha(NamedTuple):
    """Krippendorff's alpha: 1 is full agreement, 0 is what chance gives, below 0 is worse than chance."""

    value: float | None  # None: not known, and `why` says why
    low: float | None  # of 95 % of bootstrap draws; None where there are too few items
    high: float | None
    items: int  # with two answers or more; the others tell nothing about agreement
    answers: int  # on those items
    why: str = ""


class _Kinds(NamedTuple):
    """Items with two answers or more; those with the same answers are one kind."""

    counts: Any  # scipy's sparse matrix (kinds, labels): how many answers of each label
    times: Ints  # items of each kind
    sizes: Ints  # answers of an item of each kind


def alpha(answers: pl.DataFrame, level: Level = "nominal", order: Sequence[str] = (), seed: int = 0) -> Alpha:
    """Say how far people agree: Krippendorff's alpha, with the interval of a bootstrap over items.

    `level`: answers differ or not (nominal), lie apart in an `order` of values (ordinal; numbers have their own), or are
    numbers that lie apart by their difference (interval). Missing answers are no trouble: an item counts from two
    answers on. Not known where all say one and the same value, for then nothing shows that they could say another.

    Krippendorff 2004, Content Analysis, ch. 11. Raises RecipeError where values have no order or are no numbers.
    Limits: the interval takes items for independent, and needs 10 of them; it is of the pool of people that there is.

    >>> rows = [("a", "ada", "yes"), ("a", "eve", "yes"), ("b", "ada", "no"), ("b", "eve", "no")]
    >>> alpha(pl.DataFrame(rows, schema=["item", "contributor", "value"], orient="row")).value
    1.0
    """
    told = coded(answers)
    kinds = _kinds(told.item, told.label, len(told.labels))
    items, said = int(kinds.times.sum()), int(kinds.times @ kinds.sizes)
    places = _places(told.labels, level, order)
    if not items:
        return Alpha(None, None, None, 0, 0, "no item has two answers")
    value, *draws = _drawn(kinds, _of(level, places), seed)
    if math.isnan(value):
        return Alpha(None, None, None, items, said, "all answers are the same: nothing shows what chance would give")
    low, high = _between(np.array(draws)[:, None]) if items >= LEAST else ([None], [None])
    return Alpha(round(float(value), 12), low[0], high[0], items, said)


def per_label(answers: pl.DataFrame, seed: int = 0) -> pl.DataFrame:
    """Say on which labels people agree: alpha of each label against all others, the hardest label first.

    Columns: `label`, `alpha`, `low`, `high` (null: not known), `answers` (on items with two or more). The same terms and
    limits as `alpha`, nominal.
    """
    told = coded(answers)
    kinds = _kinds(told.item, told.label, len(told.labels))
    shape = {"label": pl.String, "alpha": pl.Float64, "low": pl.Float64, "high": pl.Float64, "answers": pl.Int64}
    if not len(kinds.times):
        return pl.DataFrame(schema=shape)
    drawn = _drawn(kinds, _one_against_rest, seed)
    nothing = [None] * len(told.labels)
    low, high = _between(drawn[1:]) if kinds.times.sum() >= LEAST else (nothing, nothing)
    value = [None if math.isnan(each) else round(each, 12) for each in drawn[0].tolist()]
    columns = [told.labels, value, low, high, (kinds.times @ kinds.counts).astype(np.int64)]
    return pl.DataFrame(dict(zip(shape, columns, strict=True)), schema=shape).sort("alpha", "label", nulls_last=True)


def kappas(answers: pl.DataFrame) -> pl.DataFrame:
    """Compare every two people on the items that both answered: Cohen's kappa (1960).

    Columns: `one`, `other` (in the order of their names), `items` that they share, `same` (share answered alike),
    `kappa` (null where both say one and the same label throughout), `enough` (false below 5 items: read nothing into
    it). Pairs that share no item are left out.

    >>> rows = [("a", "ada", "yes"), ("a", "eve", "yes"), ("b", "ada", "no"), ("b", "eve", "no")]
    >>> kappas(pl.DataFrame(rows, schema=["item", "contributor", "value"], orient="row")).row(0)
    ('ada', 'eve', 2, 1.0, 1.0, False)
    """
    told = coded(answers)
    pair = ["one", "other"]
    cells = _cells(told.item, told.person, told.label)
    one = cells.group_by(*pair, "label").agg(pl.col("items").sum())
    other = cells.group_by(*pair, label="label_other").agg(pl.col("items").sum())
    chance = (
        one.join(other, on=[*pair, "label"], suffix="_other")
        .group_by(pair)
        .agg(chance=(pl.col("items") * pl.col("items_other")).sum())
    )
    same = pl.col("items").filter(pl.col("label") == pl.col("label_other")).sum()
    found = cells.group_by(pair).agg(pl.col("items").sum(), same=same).join(chance, on=pair, how="left").sort(pair)
    people = pl.Series(told.people, dtype=pl.String)
    return found.select(
        people.gather(found["one"]).alias("one"),
        people.gather(found["other"]).alias("other"),
        "items",
        same=pl.col("same") / pl.col("items"),
        kappa=_kappa(pl.col("items"), pl.col("same"), pl.col("chance").fill_null(0)),
        enough=pl.col("items") >= SHARED,
    )


def _kappa(items: pl.Expr, same: pl.Expr, chance: pl.Expr) -> pl.Expr:
    """Return kappa from whole numbers, so that nothing is lost where both agree throughout."""
    left = items * items - chance
    return pl.when(left > 0).then((items * same - chance) / left)


def _cells(item: Ints, person: Ints, label: Ints) -> pl.DataFrame:
    """Count, for every two people, the items on which one said `label` and the other `label_other`."""
    key = ["one", "other", "label", "label_other"]
    parts = [pl.DataFrame(schema=dict.fromkeys([*key, "items"], pl.Int64))]
    for start, end in _parts(item):
        rows = pl.DataFrame({"item": item[start:end], "one": person[start:end], "label": label[start:end]})
        both = rows.join(rows.rename({"one": "other"}), on="item", suffix="_other").filter(
            pl.col("one") < pl.col("other")
        )
        parts.append(both.group_by(key).agg(items=pl.len().cast(pl.Int64)))
    return pl.concat(parts).group_by(key).agg(pl.col("items").sum())


def _parts(item: Ints) -> Iterator[tuple[int, int]]:
    """Cut answers, sorted by item, where items end, so that the pairs of a part fit the memory."""
    starts = np.flatnonzero(np.diff(item, prepend=-1))
    ends = np.append(starts[1:], len(item))
    part = np.cumsum((ends - starts) ** 2) // (CELLS // 4)
    for each in np.unique(part).tolist():
        inside = np.flatnonzero(part == each)
        yield int(starts[inside[0]]), int(ends[inside[-1]])


def _kinds(item: Ints, label: Ints, labels: int) -> _Kinds:
    """Count items by what was said of them; to draw items again is then to draw from few kinds, not from all items."""
    from scipy import sparse  # noqa: PLC0415  slow to import

    order = np.lexsort((label, item))
    said = label[order]
    starts = np.flatnonzero(np.diff(item[order], prepend=-1))
    many = np.diff(np.append(starts, len(item)))
    rows, times, sizes = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for size in np.unique(many[many > 1]).tolist():
        alike, found = np.unique(said[starts[many == size][:, None] + np.arange(size)], axis=0, return_counts=True)
        rows.append(alike.ravel())
        times.append(found)
        sizes.append(np.full(len(alike), size))
    size = np.concatenate(sizes).astype(np.int64)
    at = np.repeat(np.arange(len(size)), size), np.concatenate(rows)
    counts = sparse.coo_matrix((np.ones(len(at[0])), at), shape=(len(size), labels)).tocsr()
    return _Kinds(counts, np.concatenate(times).astype(np.int64), size)


def _drawn(kinds: _Kinds, statistic: Callable[[_Kinds, Floats], Floats], seed: int) -> Floats:
    """Return the statistic as it is and of items that are drawn again: shape (1 + draws, …)."""
    rng = np.random.default_rng(seed)
    width, items = max(kinds.counts.shape), int(kinds.times.sum())
    found = [statistic(kinds, kinds.times[None, :].astype(np.float64))]
    draws = max(LEAST_DRAWS, min(DRAWS, 4 * CELLS // width)) if items >= LEAST else 0
    while draws > 0:
        some = min(draws, max(1, CELLS // width))
        found.append(statistic(kinds, rng.multinomial(items, kinds.times / items, some).astype(np.float64)))
        draws -= some
    return np.concatenate(found)


def _of(level: Level, places: Floats) -> Callable[[_Kinds, Floats], Floats]:
    if level == "nominal":
        return _nominal
    if level == "ordinal":
        return lambda kinds, times: _ordinal(kinds, times, places)
    return lambda kinds, times: _interval(kinds, times, places)


def _nominal(kinds: _Kinds, times: Floats) -> Floats:
    totals = times @ kinds.counts
    within = (kinds.sizes**2 - _rows(kinds.counts.multiply(kinds.counts).sum(axis=1))) / (kinds.sizes - 1)
    said = totals.sum(axis=1)
    return _one_less(times @ within, (said**2 - np.square(totals).sum(axis=1)) / (said - 1))


def _one_against_rest(kinds: _Kinds, times: Floats) -> Floats:
    totals = times @ kinds.counts
    said = totals.sum(axis=1, keepdims=True)
    within = 2 * kinds.counts.multiply((kinds.sizes / (kinds.sizes - 1))[:, None])
    within = within - 2 * kinds.counts.multiply(kinds.counts).multiply((1 / (kinds.sizes - 1))[:, None])
    return _one_less(times @ within.tocsr(), 2 * totals * (said - totals) / (said - 1))


def _interval(kinds: _Kinds, times: Floats, places: Floats) -> Floats:
    totals = times @ kinds.counts
    said = totals.sum(axis=1)
    within = 2 * (kinds.sizes * (kinds.counts @ places**2) - (kinds.counts @ places) ** 2) / (kinds.sizes - 1)
    return _one_less(times @ within, 2 * (said * (totals @ places**2) - (totals @ places) ** 2) / (said - 1))


def _ordinal(kinds: _Kinds, times: Floats, places: Floats) -> Floats:
    """Ordinal is interval on mid-ranks: how many answers lie below a value, plus half of those that are it."""
    order = np.argsort(places, kind="stable")
    totals = times @ kinds.counts
    ranks = np.empty_like(totals)
    ranks[:, order] = np.cumsum(totals[:, order], axis=1) - totals[:, order] / 2
    said = totals.sum(axis=1, keepdims=True)
    ranks = ranks / said - 0.5  # small numbers around 0 keep the digits of a difference
    spread, sums = (kinds.counts @ (ranks**2).T).T, (kinds.counts @ ranks.T).T
    within = 2 * (kinds.sizes * spread - sums**2) / (kinds.sizes - 1)
    whole = said[:, 0] * (totals * ranks**2).sum(axis=1) - (totals * ranks).sum(axis=1) ** 2
    return _one_less((times * within).sum(axis=1), 2 * whole / (said[:, 0] - 1))


def _one_less(within: Floats, chance: Floats) -> Floats:
    """Return 1 less observed by expected disagreement, NaN where none is expected."""
    known = chance > 0
    return np.where(known, 1 - within / np.where(known, chance, 1), np.nan)


def _between(draws: Floats) -> tuple[list[float | None], list[float | None]]:
    """Return the middle 95 % of each column's draws; None where no draw is known."""
    ends: list[list[float | None]] = [[], []]
    for column in draws.T:
        known = column[~np.isnan(column)]
        for end, share in zip(ends, (0.025, 0.975), strict=True):
            end.append(round(float(np.quantile(known, share)), 6) if len(known) else None)
    return ends[0], ends[1]


def _places(labels: list[str], level: Level, order: Sequence[str]) -> Floats:
    """Return where each label lies: in the order that is given, or as the number that it is."""
    if level == "nominal":
        return np.zeros(len(labels))
    if level == "ordinal" and order:
        place = {value: at for at, value in enumerate(order)}
        absent = next((label for label in labels if label not in place), None)
        if absent is not None:
            raise unknown("value", absent, order, "the order of values")
        return np.array([place[label] for label in labels], np.float64)
    try:
        found = np.array([float(label) for label in labels], np.float64)
    except ValueError as error:
        hint = "name the values from least to most" if level == "ordinal" else "use the level nominal or ordinal"
        raise RecipeError(f"answers are no numbers: {error}", f"agreement, {level}", hint) from error
    if not np.isfinite(found).all():
        raise RecipeError(
            "an answer is no finite number", f"agreement, {level}", "leave it out, or use the level nominal"
        )
    middle = found - found.mean() if len(found) else found
    return np.asarray(middle / (np.abs(middle).max(initial=0) or 1), np.float64)


def _rows(matrix: Any) -> Floats:
    return np.asarray(matrix, np.float64).ravel()
