"""The steps that find rows that do not belong to the set: unlike their label and every other, alone or a few together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import polars as pl

from tuneset import model
from tuneset.judge import standing
from tuneset.judge.view import Labels, View, labels, view
from tuneset.step import Scope  # noqa: TC001  a recipe resolves these annotations

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Bools = NDArray[np.bool_]
    Ints = NDArray[np.int64]
    Doubles = NDArray[np.float64]
    Rows = NDArray[np.intp]  # numbers of rows


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
    Measured (bench/quality/relevance.py; with all-MiniLM-L6-v2, by n-grams in brackets): 25 out-of-scope rows with random
    labels in 500 rows of ten labels: CLINC150 precision .99, recall .80 (.92, .78), BANKING77 .97, .97 (.95, .86), HWU64
    .95, .82 (.70, .55). Of 500 rows with nothing planted .1 to .4 % are flagged (HWU64 by n-grams 1.2 %), without labels
    1.0 to 2.1 % (.1 to .6 %). Where such a row carries the label of its nearest row, recall is .62 (.28).
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
        if examples.height < standing.LEAST:
            return model.no_findings()
        seen = view(examples.sort("id"))  # what is drawn must not depend on the order of the rows
        column = standing.finest(seen, labels(seen.examples))
        judged = standing.comparable(seen, column)
        if not len(judged):
            return model.no_findings()
        stands = standing.standing(seen, column, judged)
        far = np.flatnonzero(stands.score > standing.limit(stands, self.nearer, self.fence))
        likeness, nearest = standing.nearest(seen, stands.judged[far])
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
    judged = standing.comparable(seen, column)
    if not len(judged):
        return np.zeros(len(seen.groups))
    return standing.of_all(standing.standing(seen, column, judged), len(seen.groups))


@dataclass(frozen=True)
class FarCluster:
    """Flag a few examples that are like each other and unlike everything else.

    Why it hurts: a pasted page, a test somebody ran, rows of another product: together they look like a topic, and a
    search for single strangers passes them by.
    How: rows that are on average as alike as 19 in 20 rows and their five nearest are tied together; what is 3 rows to
    `most` then, near-duplicates of one another counted once, is judged as the rule `irrelevant` judges a row: without its
    companions. Each row is flagged and names the others. The labels of its rows may differ.
    Measured (bench/quality/relevance.py): of clusters of six rows about intents that the set does not have, planted in 500
    rows, 22 to 31 % of the rows are found with all-MiniLM-L6-v2 and 5 to 19 % by n-grams, and all that is flagged is
    right; in 3,000 rows 20 % and 4 %, and by n-grams two flags of three are right. With nothing planted at most .1 % of
    500 rows is flagged.
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
        if examples.height < standing.LEAST:
            return model.no_findings()
        seen = view(examples.sort("id"))
        column = standing.finest(seen, labels(seen.examples))
        judged = standing.comparable(seen, column)
        if not len(judged):
            return model.no_findings()
        clusters = [rows for rows in standing.clusters(seen, judged, self.most) if not standing.is_label(rows, column)]
        together = seen._replace(groups=standing.joined(seen.groups, clusters))
        stands = standing.standing(together, column, judged)
        score = standing.of_all(stands, len(seen.groups))
        limit = standing.limit(stands, self.nearer, self.fence)
        far = [rows for rows in clusters if score[rows].mean() > limit]
        low = np.quantile(stands.like, 0.25)
        return _cluster_findings(seen, [rows for rows in far if standing.nearest(together, rows)[0].mean() < low])


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
    column = standing.finest(seen, columns)
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


# --- what is said


def _findings(seen: View, column: Labels | None, stands: standing.Standing, far: Rows, nearest: Ints) -> pl.DataFrame:
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
