"""The steps that find rows that do not belong to the set: unlike their label and every other, alone or a few together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
import polars as pl

from tuneset import model
from tuneset.judge import ridge
from tuneset.judge.view import Labels, View, labels, view
from tuneset.step import Scope  # noqa: TC001  a recipe resolves these annotations

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Bools = NDArray[np.bool_]
    Ints = NDArray[np.int64]
    Floats = NDArray[np.float32]
    Doubles = NDArray[np.float64]
    Rows = NDArray[np.intp]  # numbers of rows

LEAST = 20  # rows without which there is no distribution to speak of
NEAREST = 5  # rows that a row is compared with
THIN = NEAREST + 1  # groups that a label must have for its rows to be compared with one another
DRAWN = 300  # rows of a label that stand for it
STRANGERS = 100  # rows of other labels that each label is compared with
SAMPLE = 2000  # rows of a set that stand for it
PENALTY = 3.0  # of both regressions; 1 to 6 are within .01 of average precision on CLINC150
LITTLE = 1e-3  # similarities below this are as good as none
CELLS = 1 << 25  # similarities that are held at a time: 128 MB
LOOSE = 0.05  # share of the rows that are less like their nearest than the rows of a cluster are among themselves
FEW = 3  # rows from which on they are a cluster

_ORDERS = ("where is my order", "when will my order arrive", "my order has not arrived", "track my order please")
_CARDS = ("my card was stolen", "block my card please", "I lost my card", "I need a new card")
_ENDS = ("", " today", " again", ", I asked before", " and tell me why")
_ROWS: tuple[Mapping[str, Any], ...] = tuple(
    {"text": start + end, "label": label, "groups": []}
    for label, starts in (("Orders", _ORDERS), ("Cards", _CARDS))
    for start in starts
    for end in _ENDS
)
_ODD = "colourless green ideas sleep furiously"
_RECIPE = ("stir flour with sugar", "stir sugar with flour and butter", "flour, sugar, butter: stir well")


class Standing(NamedTuple):
    """How each row stands to the rows that it is compared with: those of its label, or all where there are no labels."""

    judged: Rows  # the others have no label, or one with too few rows, or nothing to see
    score: Doubles  # (judged,), the higher, the less it belongs; 0 is a typical row
    like: Floats  # (judged,), mean similarity to the nearest rows that it is compared with
    strangers: Doubles  # scores that rows of other labels would have; none without labels


@dataclass(frozen=True)
class Irrelevant:
    """Flag examples that are unlike the others of their label and unlike every other label.

    Why it hurts: a row that slipped in from elsewhere teaches the model to answer with confidence what it should not
    answer at all.
    How: a row's score says how much of its vector the other rows of its label leave unexplained, and how little a small
    classifier that has not seen the row gives its label. Rows of other labels are scored in the same way. A row is
    flagged where fewer than `nearer` of these are nearer to its label than it is, and where its five nearest rows of any
    label are less like it than its own usually are (lower quartile): a row that would do well under another label is the
    label audit's business. It is compared with train rows only, and not with its near-duplicates.
    Without labels a row is flagged where its five nearest rows are unlike it by far: on a log scale, `fence` times the
    distance between the quartiles below the lower one (Tukey).
    Measured: MEASURED
    Limits: sets of fewer than 20 rows, and labels of fewer than six, are not judged; of several labels of a row the
    first is. Without an embedding model words decide: a row about the right thing in words that nobody else uses is
    flagged, and one about something else in the set's words is not. Of a label with more than 300 train rows, 300 drawn
    ones stand for it; of a set without labels, 2,000.

    >>> from tuneset.testing import examples
    >>> Irrelevant()(examples([*Irrelevant.silent[0], {"text": "green ideas sleep", "label": "Cards"}]))["says"].to_list()
    ['unlike the other rows labelled Cards (similarity 0.03, usually 0.45), and no other label fits better: does it belong here?']
    """

    rule: ClassVar[str] = "irrelevant"
    scope: ClassVar[Scope] = "dataset"
    speaks: ClassVar[tuple[list[Mapping[str, Any]], ...]] = ([*_ROWS, {"text": _ODD, "label": "Cards"}],)
    silent: ClassVar[tuple[list[Mapping[str, Any]], ...]] = (
        list(_ROWS),
        [*_ROWS, {"text": "where is my order and when will it arrive", "label": "Cards"}],
        [{"text": text, "label": "Cards"} for text in (*_CARDS, _ODD)],
    )

    nearer: float = 0.25
    fence: float = 2.0

    def __call__(self, examples: pl.DataFrame) -> pl.DataFrame:
        """Say which examples do not belong to the set."""
        if examples.height < LEAST:
            return model.no_findings()
        seen = view(examples.sort("id"))  # what is drawn must not depend on the order of the rows
        column = _column(seen, labels(seen.examples))
        judged = _judged(seen, column)
        if not len(judged):
            return model.no_findings()
        stands = _standing(seen, column, judged)
        far = np.flatnonzero(stands.score > _limit(stands, self.nearer, self.fence))
        likeness, nearest = _nearest(seen, stands.judged[far])
        alone = likeness < np.quantile(stands.like, 0.25)
        return _findings(seen, column, stands, far[alone], nearest[alone])


def scores(seen: View, column: Labels | None) -> Doubles:
    """Say how little each row belongs to the set, the highest first to be read: shape (rows,).

    0 is a typical row, and a row that is not judged. Rows that are unlike their own label count, whether or not they
    are like another.

    >>> from tuneset.testing import examples
    >>> rows = view(examples([*Irrelevant.speaks[0]]))
    >>> rows.examples["text"][int(scores(rows, labels(rows.examples)[0]).argmax())]
    'colourless green ideas sleep furiously'
    """
    judged = _judged(seen, column)
    return _of_all(_standing(seen, column, judged), len(seen.groups)) if len(judged) else np.zeros(len(seen.groups))


@dataclass(frozen=True)
class FarCluster:
    """Flag a few examples that are like each other and unlike everything else.

    Why it hurts: a pasted page, a test somebody ran, rows of another product: together they look like a topic, and a
    search for single strangers passes them by.
    How: rows that are on average as alike as 19 in 20 rows and their five nearest are tied together; what is 3 rows to
    `most` then, near-duplicates of one another counted once, is judged as the rule `irrelevant` judges a row: without its
    companions. Each row is flagged and names the others. The labels of its rows may differ.
    Measured: MEASURED
    Limits: as for `irrelevant`. Where more than 2,000 rows have something to see, the 2,000 that the set is least like,
    their ten nearest rows left aside, are looked at. Six rows about another intent of the same trade are mostly tied to
    rows that belong, and stay unseen.

    >>> from tuneset.testing import examples
    >>> FarCluster()(examples(FarCluster.speaks[0]))["says"][0]
    '3 rows are like each other and unlike the rest of the set: do they belong to it?'
    """

    rule: ClassVar[str] = "far-cluster"
    scope: ClassVar[Scope] = "dataset"
    speaks: ClassVar[tuple[list[Mapping[str, Any]], ...]] = (
        [*_ROWS, *({"text": text, "label": "Cards"} for text in _RECIPE)],
    )
    silent: ClassVar[tuple[list[Mapping[str, Any]], ...]] = (
        list(_ROWS),
        [*_ROWS, {"text": _ODD, "label": "Cards"}, {"text": _RECIPE[0], "label": "Cards"}],
        [*_ROWS, *({"text": text, "label": "Recipes"} for text in _RECIPE)],
    )

    most: int = 10
    nearer: float = 0.25
    fence: float = 2.0

    def __call__(self, examples: pl.DataFrame) -> pl.DataFrame:
        """Say which examples are a few of their own."""
        if examples.height < LEAST:
            return model.no_findings()
        seen = view(examples.sort("id"))
        column = _column(seen, labels(seen.examples))
        judged = _judged(seen, column)
        if not len(judged):
            return model.no_findings()
        some = np.sort(np.random.default_rng(0).permutation(judged)[:SAMPLE])
        loose = float(np.quantile(_beside(seen, some, 0), LOOSE))
        clusters = [rows for rows in _clusters(seen, judged, self.most, loose) if not _is_label(rows, column)]
        together = seen._replace(groups=_joined(seen.groups, clusters))
        stands = _standing(together, column, judged)
        score = _of_all(stands, len(seen.groups))
        limit = _limit(stands, self.nearer, self.fence)
        far = [rows for rows in clusters if score[rows].mean() > limit]
        low = np.quantile(stands.like, 0.25)
        return _cluster_findings(seen, [rows for rows in far if _nearest(together, rows)[0].mean() < low])


def relevance(seen: View, columns: list[Labels], findings: pl.DataFrame) -> dict[str, Any]:
    """Sum up what the rules `irrelevant` and `far-cluster` found, for the report; other rules' findings are let be.

    `labels` are those with the most irrelevant rows, at most five, of the label column that was judged.

    >>> from tuneset import step
    >>> from tuneset.testing import examples
    >>> rows = examples(FarCluster.speaks[0])
    >>> facts = relevance(view(rows), labels(rows), step.run(FarCluster(), rows))
    >>> facts["flagged"], facts["words"]
    (0, 'No single row stands out as irrelevant; 1 cluster of 3 rows stands apart.')
    """
    strangers = findings.filter(pl.col("rule") == Irrelevant.rule)["example"]
    flagged = len(strangers)
    column = _column(seen, columns)
    apart = findings.filter(pl.col("rule") == FarCluster.rule)
    clusters = (
        apart.select(ids=pl.concat_list(pl.concat_list("example"), "others").list.sort(), says="says")
        .unique("ids", maintain_order=True)
        .sort(pl.col("ids").list.len(), pl.col("ids").list.first(), descending=[True, False])
    )
    return {
        "flagged": flagged,
        "clusters": [{"size": len(ids), "words": says, "examples": ids} for ids, says in clusters.iter_rows()],
        "labels": [] if column is None else _worst(column, seen.examples["id"].is_in(strangers.implode()).to_numpy()),
        "words": _summary(flagged, [len(ids) for ids in clusters["ids"]]),
    }


def _worst(column: Labels, flagged: Bools) -> list[dict[str, Any]]:
    rows = np.bincount(column.codes[flagged & (column.codes >= 0)], minlength=len(column.names))
    worst = np.argsort(-rows, kind="stable")[:5]
    return [{"label": column.names[code], "rows": int(rows[code])} for code in worst if rows[code]]


def _summary(flagged: int, sizes: list[int]) -> str:
    rows = {0: "No single row stands out as irrelevant", 1: "1 row looks irrelevant"}
    words = rows.get(flagged, f"{flagged} rows look irrelevant")
    if not sizes:
        return f"{words}."
    several = (
        f"{len(sizes)} clusters of {sum(sizes)} rows stand"
        if len(sizes) > 1
        else f"1 cluster of {sizes[0]} rows stands"
    )
    return f"{words}; {several} apart."


# --- how a row stands to its label


def _column(seen: View, columns: list[Labels]) -> Labels | None:
    """Choose the finest label column: the one with the most labels, among those by which half of the rows can be judged."""
    usable = []
    for column in columns:
        rows = _judged(seen, column)
        if 2 * len(rows) >= len(column.codes) and len(np.unique(column.codes[rows])) > 1:
            usable.append(column)
    return max(usable, key=lambda column: len(column.names), default=None)


def _judged(seen: View, column: Labels | None) -> Rows:
    """Find the rows with something to see, and with a label that has enough groups of train rows to be compared with."""
    visible = seen.vectors.any(axis=1)
    if column is None:
        return np.flatnonzero(visible & (np.count_nonzero(visible & seen.train) >= LEAST))
    known = seen.train & visible & (column.codes >= 0)
    label, _ = np.unique(np.stack([column.codes[known], seen.groups[known]]), axis=1)
    groups = np.bincount(label, minlength=len(column.names) + 1)
    groups[-1] = 0  # where the code -1 looks
    return np.flatnonzero(visible & (groups[column.codes] >= THIN))


def _standing(seen: View, column: Labels | None, judged: Rows) -> Standing:
    if column is None:
        like = _beside(seen, judged, 0)
        unlike = -np.log(np.maximum(like, LITTLE)).astype(np.float64)
        return Standing(judged, unlike - np.median(unlike), like, np.zeros(0))
    codes = column.codes[judged]
    given = _given(seen, column)
    own = given[judged, codes]
    unexplained, like = np.zeros((2, len(judged)), np.float32)
    strange = []
    for code in np.unique(codes):
        at = np.flatnonzero(codes == code)
        drawn = _drawn(seen, judged[at], DRAWN)
        others = np.random.default_rng(0).permutation(judged[codes != code])[:STRANGERS]
        left, alike = _against(seen, np.concatenate([judged[at], others]), drawn)
        unexplained[at], like[at] = left[: len(at)], alike[: len(at)]
        strange.append((left[len(at) :], given[others, code]))
    left, fits = (np.concatenate(each) for each in zip(*strange, strict=True))
    return Standing(judged, _score(unexplained, own, unexplained, own), like, _score(left, fits, unexplained, own))


def _limit(stands: Standing, nearer: float, fence: float) -> float:
    """Choose the score from which on a row is far out: that of the nearest strangers, else Tukey's fence."""
    if len(stands.strangers):
        return float(np.quantile(stands.strangers, nearer))
    lower, upper = np.quantile(stands.score, [0.25, 0.75])
    return float(upper + fence * (upper - lower))


def _of_all(stands: Standing, rows: int) -> Doubles:
    """Return the scores of all rows, 0 for those that are not judged."""
    out = np.zeros(rows)
    out[stands.judged] = stands.score
    return out


def _score(unexplained: Floats, given: Floats, all_unexplained: Floats, all_given: Floats) -> Doubles:
    """Add what is unexplained, twice, to how little the surrogate gives; each measured from what is usual in the set."""
    return 2 * _measured(unexplained, all_unexplained) - _measured(given, all_given)


def _measured(values: Floats, usual: Floats) -> Doubles:
    """Measure values from the middle of the usual ones, in their standard deviations."""
    spread = usual.std(dtype=np.float64) or 1.0
    return np.asarray((values - np.median(usual)) / spread, np.float64)


def _against(seen: View, rows: Rows, drawn: Rows) -> tuple[Floats, Floats]:
    """Say of each row how much of it the drawn ones leave unexplained, and how alike it and the nearest of them are.

    The first is the variance that a Gaussian process leaves at the row (Rasmussen and Williams 2006, 2.26): near 1 where
    nothing is like it. The row's own group is taken out again in closed form (5.12).
    """
    alike = seen.vectors[rows] @ seen.vectors[drawn].T
    among = seen.vectors[drawn] @ seen.vectors[drawn].T
    inverse = np.linalg.inv(among + PENALTY * np.eye(len(drawn), dtype=np.float32))
    weights = alike @ inverse
    left = 1 - np.einsum("ij,ij->i", weights, alike)
    mates = seen.groups[rows][:, None] == seen.groups[drawn]
    many = mates.sum(axis=1)
    one, own = np.nonzero(mates & (many == 1)[:, None])
    left[one] += weights[one, own] ** 2 / inverse[own, own]
    for row in np.flatnonzero(many > 1):
        own = np.flatnonzero(mates[row])
        left[row] += weights[row, own] @ np.linalg.solve(inverse[np.ix_(own, own)], weights[row, own])
    alike[mates] = -1
    return left, _highest(alike, NEAREST).mean(axis=1)


def _drawn(seen: View, rows: Rows, most: int) -> Rows:
    """Draw train rows that stand for these."""
    return np.sort(np.random.default_rng(0).permutation(rows[seen.train[rows]])[:most])


def _given(seen: View, column: Labels) -> Floats:
    """Ask the surrogate how well each row fits each label; it has seen neither the row nor its group."""
    learned = seen.train & (column.codes >= 0)
    vectors, codes = seen.vectors[learned], column.codes[learned]
    made = ridge.fit(vectors, codes, len(column.names), PENALTY)
    given = np.zeros((len(learned), len(column.names)), np.float32)
    given[learned] = ridge.held_out(made, vectors, codes, seen.groups[learned])
    given[~learned] = ridge.scores(made, seen.vectors[~learned])
    return given


# --- how a row stands to all others


def _beside(seen: View, rows: Rows, skip: int) -> Floats:
    """Say how alike rows and the set are: the mean of their nearest rows after the `skip` nearest, near-duplicates left out."""
    drawn = _drawn(seen, np.flatnonzero(seen.vectors.any(axis=1)), SAMPLE)
    mean = np.zeros(len(rows), np.float32)
    for part in _parts(np.arange(len(rows)), len(drawn)):
        alike = seen.vectors[rows[part]] @ seen.vectors[drawn].T
        alike[seen.groups[rows[part]][:, None] == seen.groups[drawn]] = -1
        mean[part] = _highest(alike, skip + NEAREST)[:, min(skip, len(drawn) - 1) :].mean(axis=1)
    return mean


def _nearest(seen: View, rows: Rows) -> tuple[Floats, Ints]:
    """Find the five nearest train rows of these, near-duplicates left out: how alike on average, and which."""
    train = np.flatnonzero(seen.train)
    likeness, nearest = [np.zeros(0, np.float32)], [np.zeros((0, NEAREST), np.int64)]
    for part in _parts(rows, len(train)):
        alike = seen.vectors[part] @ seen.vectors[train].T
        alike[seen.groups[part][:, None] == seen.groups[train]] = -1
        order = np.argsort(-alike.round(5), axis=1, kind="stable")[:, :NEAREST]
        likeness.append(np.take_along_axis(alike, order, axis=1).mean(axis=1))
        nearest.append(train[order])
    return np.concatenate(likeness), np.concatenate(nearest)


def _highest(alike: Floats, most: int) -> Floats:
    """Return each row's highest similarities, the highest first; what is forbidden (-1) counts as nothing alike."""
    most = min(most, alike.shape[1])
    top = np.partition(alike, alike.shape[1] - most, axis=1)[:, alike.shape[1] - most :]
    return np.maximum(-np.sort(-top, axis=1), 0)


def _parts(rows: Rows, width: int) -> list[Rows]:
    size = max(1, CELLS // max(1, width))
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _clusters(seen: View, rows: Rows, most: int, alike_from: float) -> list[Rows]:
    """Tie rows that are alike on average, and keep what is 3 rows to `most`; near-duplicates count as one.

    Where rows are many, only those that the crowd is least like are looked at: a row of a small cluster is one of these.
    """
    from scipy.cluster import hierarchy  # noqa: PLC0415  0.2 s that nobody pays who does not judge

    if len(rows) > SAMPLE:
        rows = np.sort(rows[np.argsort(_beside(seen, rows, most).round(5), kind="stable")[:SAMPLE]])
    groups = seen.groups[rows]
    apart = np.maximum(1 - seen.vectors[rows] @ seen.vectors[rows].T, 0)
    apart[groups[:, None] == groups] = 0
    tree = hierarchy.linkage(apart[np.triu_indices(len(rows), 1)], "average")
    tied = hierarchy.fcluster(tree, 1 - alike_from, "distance")
    order = np.argsort(tied, kind="stable")
    found = np.split(rows[order], np.flatnonzero(np.diff(tied[order])) + 1)
    return [cluster for cluster in found if FEW <= len(np.unique(seen.groups[cluster])) <= most]


def _is_label(cluster: Rows, column: Labels | None) -> bool:
    """Say whether a cluster is half of a label or more: then it is a thin label, and nothing strange."""
    if column is None:
        return False
    labels, rows = np.unique(column.codes[cluster], return_counts=True)
    return bool((2 * rows >= [np.count_nonzero(column.codes == code) for code in labels]).any())


def _joined(groups: Ints, clusters: list[Rows]) -> Ints:
    """Make one group of the rows of each cluster."""
    out = groups.copy()
    for number, rows in enumerate(clusters, start=int(groups.max(initial=0)) + 1):
        out[rows] = number
    return out


# --- what is said


def _findings(seen: View, column: Labels | None, stands: Standing, far: Rows, nearest: Ints) -> pl.DataFrame:
    if not len(far):
        return model.no_findings()
    rows = stands.judged[far]
    ids = seen.examples["id"]
    usual = round(float(np.median(stands.like)), 2)
    alike = pl.format("similarity {}, usually {}", "like", pl.lit(usual))
    if column is None:
        label = [""] * len(rows)
        says = pl.format("nothing in the set is like it ({}): does it belong here?", alike)
    else:
        label = [column.names[code] for code in column.codes[rows]]
        unlike = "unlike the other rows labelled {} ({}), and no other label fits better: does it belong here?"
        says = pl.format(unlike, "label", alike)
    return pl.DataFrame(
        {
            "example": ids.gather(rows),
            "label": label,
            "like": stands.like[far].astype(np.float64).round(2),
            "score": stands.score[far],
            "others": [ids.gather(each).to_list() for each in nearest],
        }
    ).select(
        rule=pl.lit(Irrelevant.rule),
        example="example",
        action=pl.lit("none"),
        says=says,
        score="score",
        others="others",
    )


def _cluster_findings(seen: View, clusters: list[Rows]) -> pl.DataFrame:
    if not clusters:
        return model.no_findings()
    members = [seen.examples["id"].gather(rows).to_list() for rows in clusters]
    said = pl.DataFrame({"members": members}).with_columns(example="members").explode("example")
    size = pl.col("members").list.len()
    return said.select(
        rule=pl.lit(FarCluster.rule),
        example="example",
        action=pl.lit("none"),
        says=pl.format("{} rows are like each other and unlike the rest of the set: do they belong to it?", size),
        score=size.cast(pl.Float64),
        others=pl.col("members").list.set_difference(pl.concat_list("example")).list.sort(),
    )
