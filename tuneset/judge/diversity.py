"""How varied the rows are: figures with the band that as many real rows give, what repeats, which labels are thin."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl

from tuneset.judge.select import by_id, quotas, redundant, strata
from tuneset.judge.wording import (
    Runs,
    Words,
    beside_labels,
    beside_real,
    compression,
    distinct,
    peers,
    runs,
    self_repetition,
    split,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tuneset.judge.view import Labels, View

    Bools = NDArray[np.bool_]
    Ints = NDArray[np.int64]
    Floats = NDArray[np.float32]
    Facts = dict[str, Any]

ROWS = 500  # rows a figure is taken of: every figure depends on their number, and Vendi's time on its cube
DRAWS = 12  # of rows, for each figure and its band
BAND = 3.106  # two-sided 1 % of Student's t with DRAWS - 1 degrees of freedom
FEWEST = 20  # rows below which a figure says nothing
NEIGHBOURS = 5  # k of density and coverage (Naeem et al. 2020)
RUN = 4  # words in a run that rows should not share
WORST = 50
USUAL = "as in real rows"


class Figure(NamedTuple):
    """One line of the panel: its name, what it is, and what it means to be below and above the band."""

    name: str
    words: str
    below: str
    above: str
    most: float = 1.0


PANEL = (
    Figure("words", "Words in a row", "shorter", "longer", inf),
    Figure("distinct-1", "Different words, of all words", "fewer different words", "more different words"),
    Figure(
        "distinct-2", "Different pairs of words, of all pairs", "fewer different wordings", "more different wordings"
    ),
    Figure("compression", "How many times smaller gzip makes the texts", "repeats less", "repeats itself more", inf),
    Figure(
        "self-repetition",
        "Runs of four words that another row has too",
        "shares fewer runs of words",
        "shares more runs of words",
    ),
    Figure("vendi", "Kinds of rows, if kinds had nothing in common (Vendi score)", "fewer kinds", "more kinds", inf),
    Figure(
        "precision", "Rows that lie where real rows lie", "rows unlike real ones", "keeps to where real rows are dense"
    ),
    Figure(
        "density",
        "How densely real rows lie around the rows",
        "off the real rows",
        "crowds where real rows are dense",
        inf,
    ),
    Figure(
        "coverage",
        "Real rows that a row lies near to",
        "leaves out part of the real rows",
        "reaches more than real rows do",
    ),
    Figure("recall", "Real rows among the rows' own neighbours", "narrower than real rows", "wider than real rows"),
)


class Sides(NamedTuple):
    """What is compared: row numbers, and what each row must share with those it is compared with."""

    asked: Ints
    real: Ints
    codes: Ints  # of every row: draws have equally many rows of each
    groups: Ints | None  # of every row, where only one row of a group is drawn
    who: str
    against: str


class Manifold(NamedTuple):
    """How drawn rows lie among real ones (Kynkäänniemi et al. 2019; Naeem et al. 2020)."""

    precision: float
    density: float
    coverage: float
    recall: float


def diversity(view: View, labels: list[Labels], reference: View | None = None) -> Facts:
    """Say how varied the train rows are, as JSON values: `panel`, `openings`, `phrases`, `thin`, `redundant`, `words`.

    Every figure depends on the number of rows, on their length and on their labels. So each is the mean of some draws of
    at most `ROWS` rows, its band comes from draws of as many real rows with the same labels, and figures of words are
    taken of as many words. What is compared, the first that applies:

    - rows made by a model (lineage `seed:`) with real train rows;
    - all train rows with those of `reference`, whose vectors come from the same features, whatever their labels;
    - all train rows with one row of each near-duplicate group: what near-copies cost. It has no density and coverage.

    By chance a figure leaves its band in at most about 1 of 100 cases. Scores of diversity rise with rows that do not belong:
    read them beside precision and density.

    >>> from tuneset.judge.view import labels, view
    >>> from tuneset.testing import examples
    >>> rows = view(examples(["where is it", "hello"]))
    >>> diversity(rows, labels(rows.examples))["words"]
    'Too few rows to say how varied they are: it takes 40.'
    """
    everything = view if reference is None else _joined(view, reference)
    sides = _sides(view, everything, labels)
    words = split(everything.examples["text"])
    panel = _panel(sides, everything, words)
    train = by_id(view, np.flatnonzero(view.train))
    codes = strata(labels, len(view.train))[train]
    names = max((each.names for each in labels), key=len, default=[])
    twins = redundant(view, labels)
    ids = view.examples["id"]
    return {
        "panel": panel,
        "openings": _dominating(sides, words, codes, names, opening=True),
        "phrases": _dominating(sides, words, codes, names, opening=False),
        "thin": _thin(view.vectors, train, codes, names),
        "redundant": [
            {"example": ids[row], "twin": ids[twin], "score": round(score, 4)}
            for row, twin, score in list(zip(*(each.tolist() for each in twins), strict=True))[:WORST]
        ],
        "redundant_rows": len(twins.rows),
        "words": _sentence(panel, sides, len(twins.rows), made=bool(np.any(view.written))),
    }


def beside(view: View, asked: Ints, real: Ints, labels: list[Labels], who: str) -> Facts:
    """Hold some rows against others of the same labels: `rows` in each draw, the `panel`, `openings` and `phrases`.

    `asked` and `real` are row numbers, in an order that depends on nothing but their ids; `who` names the rows asked.

    >>> from tuneset.judge.view import labels, view
    >>> from tuneset.testing import examples
    >>> rows = view(examples(["where is it", "hello"]))
    >>> beside(rows, np.array([0]), np.array([1]), labels(rows.examples), "synthetic")["rows"]
    0
    """
    sides = Sides(asked, real, strata(labels, len(view.train)), None, who, "real rows of the same labels")
    words = split(view.examples["text"])
    names = max((each.names for each in labels), key=len, default=[])
    codes = sides.codes[asked]
    return {
        "rows": int(_takes(sides).sum()),
        "panel": _panel(sides, view, words),
        "openings": _dominating(sides, words, codes, names, opening=True),
        "phrases": _dominating(sides, words, codes, names, opening=False),
    }


def synthetic(examples: pl.DataFrame) -> Bools:
    """Mark rows that a model made: those with a lineage key that starts with `seed:`.

    >>> from tuneset.testing import examples
    >>> synthetic(examples([{"text": "hello", "groups": ["seed:1"]}, "hi"])).tolist()
    [True, False]
    """
    made = pl.col("groups").list.eval(pl.element().str.starts_with("seed:")).list.any().fill_null(value=False)
    found: Bools = examples.select(made).to_series().to_numpy()
    return found


def vendi(vectors: Floats) -> float:
    """Return how many rows with nothing in common would be as varied as these (Vendi score; Friedman and Dieng 2023).

    The exponential of the entropy of the eigenvalues of the kernel, or of the vectors' covariance where that is smaller.
    Vectors have length 1.

    >>> round(vendi(np.eye(4, dtype=np.float32)[[0, 0, 1, 1]]), 3)
    2.0
    """
    rows, width = vectors.shape
    kernel = vectors @ vectors.T if rows <= width else vectors.T @ vectors
    values = np.linalg.eigvalsh(kernel / np.float32(rows)).astype(np.float64)
    values = values[values > 1e-9]
    return float(np.exp(-(values * np.log(values)).sum()))


def manifold(real: Floats, drawn: Floats, neighbours: int = NEIGHBOURS) -> Manifold:
    """Say how drawn rows lie among real ones, by the distance of each row to its k-th neighbour on its own side.

    Precision is the share of drawn rows within that distance of a real row, recall the same with the sides exchanged,
    density how many real rows a drawn row is within the distance of (divided by k), coverage the share of real rows that
    have a drawn row within theirs. Vectors have length 1, so that a distance is a likeness turned round.

    >>> side = np.eye(8, dtype=np.float32)
    >>> manifold(side, side, 2).coverage
    1.0
    """
    across = real @ drawn.T
    around, own = _reach(real, neighbours), _reach(drawn, neighbours)
    inside = across > around[:, None]
    return Manifold(
        precision=float(inside.any(axis=0).mean()),
        density=float(inside.sum(axis=0).mean() / neighbours),
        coverage=float(inside.any(axis=1).mean()),
        recall=float((across > own).any(axis=1).mean()),
    )


def _reach(vectors: Floats, neighbours: int) -> Floats:
    """Return how alike each row and its k-th neighbour are."""
    likeness = vectors @ vectors.T
    np.fill_diagonal(likeness, -2)
    reach: Floats = np.partition(likeness, len(vectors) - neighbours, axis=1)[:, len(vectors) - neighbours]
    return reach


def _joined(view: View, reference: View) -> View:
    """Put the rows of a reference behind the others."""
    return view._replace(
        examples=pl.concat([each.examples.select("id", "text", "groups") for each in (view, reference)]),
        vectors=np.concatenate([view.vectors, reference.vectors]),
        train=np.concatenate([view.train, reference.train]),
        groups=np.concatenate([view.groups, reference.groups + view.groups.max(initial=-1) + 1]),
    )


def _sides(view: View, everything: View, labels: list[Labels]) -> Sides:
    """Choose what is compared, see `diversity`."""
    train = by_id(view, np.flatnonzero(view.train))
    made = synthetic(view.examples)[train]
    if made.any() and not made.all():
        return Sides(
            train[made],
            train[~made],
            strata(labels, len(view.train)),
            None,
            "synthetic",
            "real rows of the same labels",
        )
    alike = np.zeros(len(everything.train), np.int64)
    if len(everything.train) > len(view.train):
        others = by_id(everything, np.arange(len(view.train), len(everything.train)))
        return Sides(train, others, alike, None, "train", "rows of the target")
    return Sides(train, train, alike, everything.groups, "train", "the same rows without near-copies")


def _takes(sides: Sides) -> Ints:
    """Return how many rows of each code a draw has: half of the real ones (the other half is the reference)."""
    real = sides.real if sides.groups is None else _one_each(sides.groups, sides.real)
    kinds = int(sides.codes.max(initial=0)) + 1
    asked, have = (np.bincount(sides.codes[each], minlength=kinds) for each in (sides.asked, real))
    return quotas(np.minimum(asked, have // 2), ROWS)


def _one_each(groups: Ints, rows: Ints) -> Ints:
    """Keep the first row of each group, in the order given."""
    return rows[np.sort(np.unique(groups[rows], return_index=True)[1])]


def _places(codes: Ints) -> Ints:
    """Count the rows of each code from 0, in the order given."""
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    sizes = np.diff(np.append(starts, len(codes)))
    places = np.empty(len(codes), np.int64)
    places[order] = np.arange(len(codes)) - np.repeat(starts, sizes)
    return places


def _panel(sides: Sides, view: View, words: Words) -> list[Facts]:
    """Take each figure of the rows and of as many real rows, again and again, and say where they differ."""
    takes = _takes(sides)
    size = int(takes.sum())
    if size < FEWEST:
        return []
    rng = np.random.default_rng(0)
    shared = runs(words, RUN)
    drawn = [_figures(sides, takes, view, (words, shared), rng) for _ in range(DRAWS)]
    ours, theirs = (np.array([pair[side] for pair in drawn]) for side in (0, 1))
    real = len(sides.real) if sides.groups is None else len(_one_each(sides.groups, sides.real))
    width = BAND * _spread(theirs, size, len(sides.asked), real)
    most = np.array([figure.most for figure in PANEL[: ours.shape[1]]])
    low, high = np.maximum(theirs.mean(axis=0) - width, 0), np.minimum(theirs.mean(axis=0) + width, most)
    return [
        _line(figure, sides.against, *map(float, each))
        for figure, *each in zip(PANEL[: ours.shape[1]], ours.mean(axis=0), low, high, strict=True)
    ]


def _spread(theirs: NDArray[np.float64], size: int, asked: int, real: int) -> NDArray[np.float64]:
    """Return the standard deviation of the difference of two means over draws, were all rows of one kind.

    Draws of `size` out of `real` rows vary less than fresh ones, by 1 - size / real; what the draws share, the set
    itself being one draw of many, comes on top of it on both sides.
    """
    fresh = theirs.var(axis=0, ddof=1) / (1 - size / real) + 1 / size**2  # one row more or less is no difference
    ours, others = size / asked, size / real
    spread: NDArray[np.float64] = np.sqrt(fresh * (ours + others + (1 - ours + 1 - others) / DRAWS))
    return spread


def _figures(
    sides: Sides, takes: Ints, view: View, said: tuple[Words, Runs], rng: np.random.Generator
) -> tuple[list[float], list[float]]:
    """Draw rows of both sides, and take the figures of each."""
    asked, real = rng.permutation(sides.asked), rng.permutation(sides.real)
    if sides.groups is not None:
        real = _one_each(sides.groups, real)
    codes = sides.codes[real]
    places, take = _places(codes), takes[codes]
    rest = view.vectors[real[(take <= places) & (places < 2 * take)]]
    asked, real = asked[_places(sides.codes[asked]) < takes[sides.codes[asked]]], real[places < take]
    words, shared = said
    budget = min(int(words.counts[each].sum()) for each in (asked, real))
    both = []
    for rows in (asked, real):
        vectors = view.vectors[rows]
        figures = [float(words.counts[rows].mean()), *_wording(words, shared, rows, budget), vendi(vectors)]
        if sides.groups is None:
            figures += manifold(rest, vectors)
        both.append(figures)
    return both[0], both[1]


def _wording(words: Words, shared: Runs, rows: Ints, budget: int) -> list[float]:
    """Take the figures of as many words from rows in their order: long rows are not held against short ones."""
    rows = rows[np.cumsum(words.counts[rows]) <= budget]
    here = np.zeros(len(words.counts), np.bool_)
    here[rows] = True
    place = np.flatnonzero(here[words.row])
    return [
        distinct(words.grams[1][place]),
        distinct(words.grams[2][place]),
        compression(words.texts.gather(rows).to_list()),
        self_repetition(shared.gram[here[shared.row]]),
    ]


def _line(figure: Figure, against: str, value: float, low: float, high: float) -> Facts:
    inside = low <= value <= high
    says = USUAL if inside else figure.below if value < low else figure.above
    shown = f"{figure.words}: {value:.3g}; {low:.3g} to {high:.3g} in {against}, number for number."
    return {
        "name": figure.name,
        "value": round(value, 4),
        "low": round(low, 4),
        "high": round(high, 4),
        "says": says,
        "words": shown,
    }


def _dominating(sides: Sides, words: Words, codes: Ints, names: list[str], *, opening: bool) -> list[Facts]:
    """Find openings or phrases that dominate: beside real rows, or where there are none, of a label beside others."""
    if sides.groups is not None:
        return beside_labels(words, sides.asked, codes, names, opening=opening)
    rng = np.random.default_rng(0)
    both = rng.permutation(sides.asked), rng.permutation(sides.real)
    kinds = int(sides.codes.max(initial=0)) + 1
    takes = np.minimum(*(np.bincount(sides.codes[each], minlength=kinds) for each in both))
    if takes.sum() < FEWEST:
        return []
    ours, theirs = (each[_places(sides.codes[each]) < takes[sides.codes[each]]] for each in both)
    return beside_real(words, sides.asked, ours, theirs, opening=opening)


def _thin(vectors: Floats, rows: Ints, codes: Ints, names: list[str]) -> list[Facts]:
    """Name the labels whose rows are of fewer kinds than as many rows of other labels, the thinnest first."""
    found = [peer for peer in peers(rows, codes, lambda drawn: vendi(vectors[drawn])) if peer.value < peer.low]
    return [
        {
            "label": names[peer.code - 1],
            "rows": peer.rows,
            "value": round(peer.value, 2),
            "low": round(peer.low, 2),
            "words": f"{peer.size} rows are worth {peer.value:.1f} with nothing in common; {peer.low:.1f} or more in other"
            " labels. Collect other ways to ask this.",
        }
        for peer in sorted(found, key=lambda peer: (peer.value / peer.low, peer.code))
    ]


def _sentence(panel: list[Facts], sides: Sides, twins: int, *, made: bool) -> str:
    if not panel:
        return f"Too few rows to say how varied they are: it takes {2 * FEWEST}."
    outside = [f"{each['says']} ({each['name']})" for each in panel if each["says"] != USUAL]
    who = f"The {len(sides.asked):,} {sides.who} rows"
    verdict = f"{who} {'differ from' if outside else 'are as varied as'} {sides.against}, number for number"
    ours = " These are the real rows; the synthetic ones are held against them in a part of their own." if made else ""
    none = (
        " No target was there to compare with."
        if made
        else " No synthetic rows and no target were there to compare with."
    )
    alone = ours + (none if sides.groups is not None else "")
    more = f" {twins:,} rows add nothing to another row of their label." if twins else ""
    return f"{verdict}{': ' if outside else ''}{', '.join(outside)}.{alone}{more}"
