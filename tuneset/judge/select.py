"""Rows chosen to stand for all, rows that add nothing: what lies near what within a label."""

from __future__ import annotations

import heapq
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tuneset import near
from tuneset.errors import RecipeError
from tuneset.judge.view import labels as labels_of
from tuneset.judge.view import view as view_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl
    from numpy.typing import NDArray

    from tuneset.judge.view import Labels, View

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float32]
    Likeness = NDArray[np.int16]

CELL = 2048  # rows compared with each other; 50,000 rows of one label take 25 times 16 MB, one after the other
LEAST = 5  # rows a label keeps, however rare it is
WHOLE = 4096  # likeness is counted in parts of 1/4096: sums of whole numbers do not depend on their order
POINTS = 10  # of a coverage curve
DRAWS = 5  # random choices that the chosen rows are held against
NARROW = 128  # dimensions in which twins are looked for
FENCE = 3.5  # robust standard deviations beyond which a pair is closer than pairs of this set are (Iglewicz 1993)
SPREAD = 0.35  # least of a robust standard deviation: 3.5 of it are a factor of .29 in distance
SAME = 1e-4  # distances below it are rounding
FEW = 20  # rows below which there is no telling what is usual


class Chosen(NamedTuple):
    """Rows that stand for all rows on the train side, and what chance would have given."""

    rows: Ints  # numbers of the chosen rows, in the order of the view
    coverage: float  # mean likeness of a row to the nearest chosen row of its label, 0 to 1
    chance: float  # the same for as many rows drawn at random, mean of some draws
    curve: list[dict[str, float]]  # rows, coverage and chance at tenths of the number asked for


class Twins(NamedTuple):
    """Rows that another row of the same label makes redundant, the closest first."""

    rows: Ints
    twins: Ints
    scores: Floats


def selected(examples: pl.DataFrame, rows: int, seed: int = 42) -> tuple[pl.DataFrame, dict[str, object]]:
    """Choose a number of train rows that stand for all of them: their ids, and the facts beside.

    `examples` as the stage `judge` hands them over, see `view`. Validation and test rows are never chosen, and never
    looked at. The facts are JSON values: `rows`, `of`, `coverage`, `chance`, `curve`, `words`.

    Errors: a number below 1, or no row on the train side.

    >>> from tuneset.testing import examples
    >>> ids, facts = selected(examples(["where is it", "where is it?", "hello"]), 2)
    >>> ids.height, facts["rows"], facts["of"]
    (2, 2, 3)
    """
    seen = view_of(examples)
    if rows < 1 or not seen.train.any():
        raise RecipeError(f"{rows} rows cannot be chosen", f"{int(seen.train.sum())} train rows", "ask for 1 or more")
    made = select(seen, labels_of(seen.examples), rows, seed)
    words = (
        f"The {len(made.rows):,} chosen rows are on average {made.coverage:.3f} alike to the row of their label that they"
        f" stand for; {len(made.rows):,} rows drawn at random, with the same rows a label, {made.chance:.3f}."
    )
    of = int(seen.train.sum())
    if rows > of:
        words = f"There are only {of:,} train rows to choose from, not {rows:,}: all of them are chosen."
    facts: dict[str, object] = {
        "rows": len(made.rows),
        "of": of,
        "coverage": round(made.coverage, 4),
        "chance": round(made.chance, 4),
        "curve": made.curve,
        "words": words,
    }
    return seen.examples[made.rows].select("id").sort("id"), facts


def select(view: View, labels: list[Labels], rows: int, seed: int = 42) -> Chosen:
    """Choose train rows so that every train row has a chosen row of its label near it (facility location).

    Each label gets rows in proportion, and at least `LEAST` (all that it has, where it has fewer). Within a label rows
    are added one by one, each the one that brings the others nearest to a chosen row, which reaches at least 1 - 1/e of
    the best that is possible (Nemhauser et al. 1978; lazily, Minoux 1978). A label of more than `CELL` rows is cut into
    neighbourhoods that are treated as labels. Rows of equal worth: the smaller id first. All rows where more are asked
    for than there are.

    >>> from tuneset.judge.view import labels, view
    >>> from tuneset.testing import examples
    >>> rows = view(examples(["where is it", "where is it?", "hello"]))
    >>> len(select(rows, labels(rows.examples), 2).rows)
    2
    """
    train = by_id(view, np.flatnonzero(view.train))
    parts = list(cells(view.vectors, train, strata(labels, len(view.train))[train], seed))
    wanted = quotas(np.array([len(part) for part in parts]), rows, LEAST)
    curves = np.zeros((2, POINTS))
    chosen = []
    for part, size in zip(parts, wanted.tolist(), strict=True):
        like = likeness(view.vectors[part])
        order = greedy(like, size)
        chosen.append(part[order])
        rng = np.random.default_rng([seed, len(chosen)])
        drawn = [rng.permutation(len(part))[:size] for _ in range(DRAWS)]
        curves[0] += _reached(like, order)
        curves[1] += np.mean([_reached(like, each) for each in drawn], axis=0)
    reached = curves / (max(1, len(train)) * WHOLE)
    sizes = _tenths(wanted).sum(axis=0)
    coverage, chance = reached[:, -1].tolist()
    curve = [
        {"rows": int(number), "coverage": round(ours, 4), "chance": round(chance, 4)}
        for number, ours, chance in zip(sizes, *reached.tolist(), strict=True)
    ]
    return Chosen(np.sort(np.concatenate([np.zeros(0, np.int64), *chosen])), coverage, chance, curve)


def greedy(like: Likeness, size: int) -> Ints:
    """Order the rows to choose: each brings all rows nearest to a chosen one; ties go to the first.

    >>> greedy(np.array([[9, 8, 0], [8, 9, 0], [0, 0, 9]], np.int16), 2).tolist()
    [0, 2]
    """
    best = np.zeros(len(like), np.int16)
    reached = 0
    # A gain never grows while rows are added, so a row whose gain, counted again, still leads is the best.
    queue = [(-gain, row) for row, gain in enumerate(like.sum(axis=0, dtype=np.int64).tolist())]
    heapq.heapify(queue)
    order: list[int] = []
    while len(order) < size:
        _, row = heapq.heappop(queue)
        gain = int(np.maximum(like[row], best).sum(dtype=np.int64)) - reached
        if queue and queue[0] < (-gain, row):
            heapq.heappush(queue, (-gain, row))
            continue
        order.append(row)
        reached += gain
        np.maximum(best, like[row], out=best)
    return np.array(order, np.int64)


def likeness(vectors: Floats) -> Likeness:
    """Compare all rows with each other: 0 (nothing in common) to `WHOLE` (the same), a square."""
    found: Likeness = np.rint(np.clip(vectors @ vectors.T, 0, 1) * WHOLE).astype(np.int16)
    np.fill_diagonal(found, WHOLE)  # a row without anything to see stands for itself
    return found


def quotas(sizes: Ints, rows: int, least: int = 0) -> Ints:
    """Share a number of rows out in proportion to sizes, at least `least` each, at most what each has.

    What is left over goes to the largest remainders; ties to the first.

    >>> quotas(np.array([80, 15, 2]), 20, 5).tolist()
    [13, 5, 2]
    >>> quotas(np.array([80, 15, 2]), 100).tolist()
    [80, 15, 2]
    """
    rows = min(rows, int(sizes.sum()))
    floor = np.minimum(sizes, min(least, rows // max(1, len(sizes))))
    exact = sizes * (rows / max(1, int(sizes.sum())))
    # The floors take from the larger ones: scale what is above them until the sum fits.
    low, high = 0.0, 1.0 + rows
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if np.clip(exact * middle, floor, sizes).sum() < rows else (low, middle)
    fair = np.clip(exact * high, floor, sizes)
    given: Ints = np.floor(fair + 1e-9).astype(np.int64)
    order = np.argsort(-(fair - given), kind="stable")
    order = order[given[order] < sizes[order]]
    given[order[: rows - int(given.sum())]] += 1
    return given


def redundant(view: View, labels: list[Labels]) -> Twins:
    """Find train rows that lie so close to another row of their label that they add nothing.

    So close: the logarithm of the distance to the nearest row is `FENCE` robust standard deviations below what is usual
    in this set (and the distance less than a third of the usual one). The row of the smaller id stays, and a row that is
    only close to a row that goes stays too. Labels of more than `CELL` rows are cut into neighbourhoods: a twin across
    the border of two is missed.
    """
    train = by_id(view, np.flatnonzero(view.train))
    twins, alike = _nearest(view.vectors, train, strata(labels, len(view.train))[train])
    known = np.flatnonzero(alike > 0)
    if len(known) < FEW:
        return Twins(train[:0], train[:0], alike[:0])
    apart = np.log(np.maximum(1 - alike[known], SAME))
    middle, spread = usual(apart)
    close = known[apart < middle - FENCE * max(spread, SPREAD)]
    found = near.Pairs(
        np.minimum(close, twins[close]), np.maximum(close, twins[close]), alike[close].astype(np.float64)
    )
    stays = near.greedy(len(train), found, np.ones(len(close), np.bool_))
    rows = np.flatnonzero(stays >= 0)
    scores = np.einsum("ij,ij->i", view.vectors[train[rows]], view.vectors[train[stays[rows]]])
    order = np.argsort(-scores.round(4), kind="stable")
    return Twins(train[rows[order]], train[stays[rows[order]]], scores[order])


def usual(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return the median and the robust standard deviation (1.4826 times the median distance from it).

    >>> usual(np.array([1.0, 2.0, 3.0, 99.0]))
    (2.5, 1.4826)
    """
    middle = float(np.median(values))
    return middle, 1.4826 * float(np.median(np.abs(values - middle)))


def by_id(view: View, rows: Ints) -> Ints:
    """Sort row numbers by the ids of the rows, so that nothing depends on the order that rows come in."""
    order: Ints = view.examples["id"].gather(rows).arg_sort().to_numpy()
    return rows[order]


def strata(labels: list[Labels], rows: int) -> Ints:
    """Return each row's label as a number: of the column with most labels; 0 where a row has none."""
    finest = max(labels, key=lambda each: len(each.names), default=None)
    return np.zeros(rows, np.int64) if finest is None else finest.codes + 1


def cells(vectors: Floats, rows: Ints, codes: Ints, seed: int = 42) -> Iterator[Ints]:
    """Cut rows by their code, and each part that is larger than `CELL` into halves that lie together."""
    order = np.argsort(codes, kind="stable")
    edges = np.flatnonzero(np.diff(codes[order], prepend=-1, append=-1))
    rng = np.random.default_rng(seed)
    waiting = [rows[order[start:end]] for start, end in pairwise(edges)][::-1]
    while waiting:
        part = waiting.pop()
        if len(part) <= CELL:
            yield part
            continue
        one = vectors[part[rng.integers(len(part))]]
        other = vectors[part[(vectors[part] @ one).argmin()]]
        half = np.zeros(len(part), np.bool_)
        half[np.argsort(vectors[part] @ (one - other), kind="stable")[: len(part) // 2]] = True
        waiting += [part[half], part[~half]]


def _nearest(vectors: Floats, rows: Ints, codes: Ints) -> tuple[Ints, Floats]:
    """Find for each row (by its place in `rows`) the nearest other one of its cell, and how alike they are."""
    width = vectors.shape[1]
    narrow = vectors[rows]
    if width > NARROW:
        # In fewer dimensions close pairs stay close (Johnson and Lindenstrauss 1984), in an eighth of the time.
        draw = np.random.default_rng(0).standard_normal((width, NARROW), np.float32) / np.float32(NARROW**0.5)
        narrow = narrow @ draw
        narrow /= np.maximum(np.linalg.norm(narrow, axis=1, keepdims=True), 1e-9)
    nearest = np.arange(len(rows))
    for part in cells(narrow, np.arange(len(rows)), codes):
        if len(part) > 1:
            found = narrow[part] @ narrow[part].T
            np.fill_diagonal(found, -2)
            nearest[part] = part[found.argmax(axis=1)]
    alike = np.einsum("ij,ij->i", vectors[rows], vectors[rows[nearest]])
    return nearest, np.where(nearest == np.arange(len(rows)), 0, alike).astype(np.float32)


def _tenths(sizes: Ints) -> Ints:
    """Return how many rows each part gives at each point of the curve."""
    exact: NDArray[np.float64] = np.multiply.outer(sizes, np.arange(1, POINTS + 1)) / POINTS
    tenths: Ints = np.ceil(exact - 1e-9).astype(np.int64)
    return tenths


def _reached(like: Likeness, order: Ints) -> NDArray[np.int64]:
    """Sum how near each row is to a chosen one, at each point of the curve."""
    best = np.zeros(len(like), np.int16)
    sums, done = [], 0
    for end in _tenths(np.array([len(order)]))[0].tolist():
        best = np.maximum(best, like[order[done:end]].max(axis=0, initial=0))
        sums.append(int(best.sum(dtype=np.int64)))
        done = end
    return np.array(sums, np.int64)
