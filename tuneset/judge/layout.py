"""Places on a plane: examples whose texts are alike lie side by side, and those like no others stand apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tuneset.judge import ridge

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

    from tuneset.judge.view import Labels, View

    Floats = NDArray[np.float32]
    Ints = NDArray[np.int64]

MOST = 5_000  # rows laid out by their neighbours; the others are put beside those: half the time, and .927 for .938 (10,003 rows)
DRAWN = 5_000  # points that a page shows: a browser draws them within a few hundredths of a second
DIMENSIONS = 50
NEIGHBOURS = 15
ALIKE = 10  # of the neighbours, how many count in full (perplexity)
TURNS = 100  # twice as many take twice the time and keep no more neighbours
EARLY = 35  # of them with the attraction fourfold, so that clusters form before they part
AGAINST = (
    128  # rows that push every other one off, drawn anew each turn; with 64 the map of 500 rows keeps .82, not .86
)


class Links(NamedTuple):
    """Which rows attract which, as the arrays of a sparse symmetric matrix by rows."""

    starts: Ints
    row: Ints
    column: Ints
    weight: Floats


def places(view: View, labels: list[Labels], seed: int = 0) -> Floats:
    """Give each example a place: shape (rows, 2), float32, from 0 to 1; neighbours in the texts are neighbours here.

    What is laid out are the vectors, beside what the surrogate, which did not see the row itself, takes its first label
    for: a wrong label does not move an example away from those it reads like. The layout is t-SNE (van der Maaten and
    Hinton 2008) over the nearest neighbours only, pushed apart by rows drawn anew each turn. Distances between far
    clusters mean nothing. Beyond 5,000 rows the others are put beside their nearest of those.

    >>> from tuneset.judge.view import labels, view
    >>> from tuneset.testing import examples
    >>> rows = examples(["where is my order", "where is my parcel", "open an account", "open my account"])
    >>> places(view(rows), labels(rows)).shape
    (4, 2)
    """
    rng = np.random.default_rng(seed)
    rows = len(view.vectors)
    if rows < 4:
        return np.stack([(np.arange(rows) + 1) / (rows + 1), np.full(rows, 0.5)], axis=1).astype(np.float32)
    said = _scores(view, labels)
    flat = _flattened(np.hstack([view.vectors, said]), rng)
    first = np.sort(rng.permutation(rows)[:MOST])
    out = np.zeros((rows, 2), np.float32)
    out[first] = _laid_out(flat[first], rng)
    if rows > MOST:
        rest = np.setdiff1d(np.arange(rows), first)
        near, far = _nearest(flat[rest], flat[first], 3)
        pull = 1 / (far + 1e-6)
        out[rest] = np.einsum("ijk,ij->ik", out[first][near], pull / pull.sum(axis=1, keepdims=True))
    span = float(np.ptp(out, axis=0).max())
    middle = (out.max(axis=0) + out.min(axis=0)) / 2
    placed: Floats = np.clip((out - middle) / (span or 1) + 0.5, 0, 1).astype(np.float32)
    return placed


def points(
    spots: pl.DataFrame,
    examples: pl.DataFrame,
    findings: pl.DataFrame,
    columns: list[str],
    *,
    most: int = DRAWN,
) -> dict[str, Any]:
    """Choose the points that a page shows, every one with a finding first, and say what stands behind each.

    `spots`: id, x and y. `examples`: id, text, labels, side, source. `findings`: example and rule, the worst
    first. `columns`: the label columns. Returns, as columns of plain values: x, y, ids, texts, labels (of each column),
    sides, sources, rules (null where nothing was found), and `of`, how many examples were placed. Where even the rows
    with findings are too many, the worst are shown.

    >>> import polars as pl
    >>> from tuneset.testing import examples
    >>> rows = examples(["hi", "ho"]).with_columns(side=pl.lit("train"))
    >>> said = pl.DataFrame({"example": rows["id"][1:], "rule": ["wrong-label"]})
    >>> spots = rows.select("id", x=pl.Series([0.1, 0.2]), y=pl.Series([0.5, 0.6]))
    >>> chosen = points(spots, rows, said, ["category"], most=1)
    >>> chosen["texts"], chosen["x"], chosen["rules"], chosen["of"]
    (['ho'], [0.2], ['wrong-label'], 2)
    """
    worst = findings.select(id="example", rule="rule").unique("id", keep="first", maintain_order=True)
    dice = np.random.default_rng(0).permutation(spots.height)
    chosen = (
        spots.sort("id")
        .with_columns(dice=dice)
        .join(worst.with_row_index("rank"), on="id", how="left")
        .sort("rank", "dice", nulls_last=True)
        .head(most)
        .join(examples.select("id", "text", "labels", "side", "source"), on="id", how="left")
        .sort("id")
    )
    values = {column: chosen["labels"].str.json_path_match(f'$["{column}"]').to_list() for column in columns}
    names = {"ids": "id", "texts": "text", "sides": "side", "sources": "source", "rules": "rule"}
    return {
        "x": chosen["x"].to_list(),
        "y": chosen["y"].to_list(),
        "labels": values,
        "of": spots.height,
        **{name: chosen[column].to_list() for name, column in names.items()},
    }


def _scores(view: View, labels: list[Labels]) -> Floats:
    """Score each row for each label by a surrogate that did not see it, as spread out as the vectors are."""
    nothing = np.zeros((len(view.vectors), 0), np.float32)
    known = np.flatnonzero(view.train & (labels[0].codes >= 0)) if labels else np.zeros(0, np.int64)
    if not len(known) or len(labels[0].names) < 2:
        return nothing
    vectors, codes, groups = view.vectors[known], labels[0].codes[known], view.groups[known]
    made = ridge.fit(vectors, codes, len(labels[0].names))
    out = ridge.scores(made, view.vectors)
    out[known] = ridge.held_out(made, vectors, codes, groups)
    spread = float(out.std(axis=0).max())
    wide = float(view.vectors.std(axis=0).max())
    scaled: Floats = (out * (0.5 * wide / (spread or 1))).astype(np.float32)
    return scaled


def _flattened(vectors: Floats, rng: np.random.Generator) -> Floats:
    """Keep the strongest directions (randomised range finder; Halko, Martinsson and Tropp 2011), rounded.

    Rounding keeps what another number of threads adds up differently from growing into another picture.
    """
    centred = vectors - vectors.mean(axis=0)
    few = centred[np.sort(rng.permutation(len(centred))[:3000])]
    wide = min(DIMENSIONS + 10, *few.shape)
    onto = rng.standard_normal((centred.shape[1], wide)).astype(np.float32)
    for _ in range(3):
        onto, _ = np.linalg.qr(few.T @ (few @ onto))
    _, turn = np.linalg.eigh((few @ onto).T.astype(np.float64) @ (few @ onto))
    turn = turn[:, ::-1][:, :DIMENSIONS]
    onto = onto @ turn.astype(np.float32)
    onto *= np.sign(onto[np.abs(onto).argmax(axis=0), np.arange(onto.shape[1])])  # a direction has no sign of its own
    flat: Floats = (centred @ onto).round(3)
    return flat


def _laid_out(flat: Floats, rng: np.random.Generator) -> Floats:
    """Let neighbours attract each other and all rows push each other off, from the two strongest directions on."""
    rows = len(flat)
    links = _links(flat)
    start = flat[:, :2] if flat.shape[1] > 1 else np.hstack([flat, flat])[:, :2]
    spots = (start / (start[:, 0].std() or 1) + rng.standard_normal((rows, 2)) * 1e-3).astype(np.float32) * 1e-2
    speed, gain = np.zeros_like(spots), np.ones_like(spots)
    step = max(rows / 4, 50.0)
    for turn in range(TURNS):
        early = turn < EARLY
        pull = _pull(spots, links) * (4 if early else 1) - _push(spots, rng)
        gain = np.where(np.sign(pull) != np.sign(speed), gain + 0.2, gain * 0.8).clip(0.01)
        speed = ((0.5 if early else 0.8) * speed - 4 * step * gain * pull).astype(np.float32)
        spots = spots + speed
        spots -= spots.mean(axis=0)
    return spots


def _links(flat: Floats) -> Links:
    """Link each row to its nearest, the nearer the stronger, as strongly as the other way round."""
    from scipy import sparse  # noqa: PLC0415  0.2 s

    rows, most = len(flat), min(NEIGHBOURS, len(flat) - 1)
    near, far = _nearest(flat, flat, most, itself=False)
    weights = _alike(far, min(ALIKE, most))
    one_way = sparse.csr_matrix((weights.ravel(), near.ravel(), np.arange(0, rows * most + 1, most)), (rows, rows))
    both = (one_way + one_way.T).tocsr()
    both.sort_indices()
    starts = both.indptr[:-1].astype(np.int64)
    row = np.repeat(np.arange(rows), np.diff(both.indptr))
    return Links(starts, row, both.indices.astype(np.int64), (both.data / both.data.sum()).astype(np.float32))


def _nearest(of: Floats, among: Floats, most: int, *, itself: bool = True) -> tuple[Ints, Floats]:
    """Find the nearest rows and their squared distances, a block at a time; without the row itself where asked."""
    near = np.empty((len(of), most), np.int64)
    far = np.empty((len(of), most), np.float32)
    lengths = np.einsum("ij,ij->i", among, among)
    for start in range(0, len(of), 1024):
        block = of[start : start + 1024]
        apart = np.einsum("ij,ij->i", block, block)[:, None] + lengths - 2 * block @ among.T
        if not itself:
            apart[np.arange(len(block)), np.arange(start, start + len(block))] = np.inf
        apart = np.maximum(apart, 0).round(4)
        found = np.sort(np.argpartition(apart, most - 1, axis=1)[:, :most], axis=1)
        near[start : start + 1024] = found
        far[start : start + 1024] = np.take_along_axis(apart, found, axis=1)
    return near, far


def _alike(far: Floats, wanted: float) -> Floats:
    """Turn distances into weights that add up to one and count as `wanted` neighbours in full (by bisection)."""
    past = far - far.min(axis=1, keepdims=True)
    past = past / (past.mean() or 1)
    low, high = np.full(len(far), -20.0), np.full(len(far), 20.0)
    weights: Floats = np.ones_like(far)
    for _ in range(20):
        middle = (low + high) / 2
        weights = np.exp(-past * np.exp(middle)[:, None].astype(np.float32))
        weights /= weights.sum(axis=1, keepdims=True)
        many = np.exp(-(weights * np.log(weights + 1e-12)).sum(axis=1)) > wanted
        low, high = np.where(many, middle, low), np.where(many, high, middle)
    return weights


def _pull(spots: Floats, links: Links) -> Floats:
    apart = spots[links.row] - spots[links.column]
    force = links.weight / (1 + np.einsum("ij,ij->i", apart, apart))
    pulled: Floats = np.add.reduceat(force[:, None] * apart, links.starts, axis=0)
    return pulled


def _push(spots: Floats, rng: np.random.Generator) -> Floats:
    """Push each row off the drawn ones; of a set of a few hundred off all."""
    rows = len(spots)
    against = spots if rows <= 4 * AGAINST else spots[rng.permutation(rows)[:AGAINST]]
    across, down = (spots[:, axis, None] - against[:, axis] for axis in (0, 1))
    close = 1 / (1 + across * across + down * down)
    share = rows / len(against)
    whole = max(float(close.sum()) * share - rows, 1e-6)
    close *= close
    pushed = np.stack([(close * across).sum(axis=1), (close * down).sum(axis=1)], axis=1)
    out: Floats = (pushed * (share / whole)).astype(np.float32)
    return out
