"""The judge where there is no other model: a classifier that learned the real rows of the train side, and no others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import orjson
import polars as pl

from tuneset.generate.origin import CLASSIFIER, synthetic
from tuneset.judge import ridge
from tuneset.judge.doubts import Judged, doubt, limit, wrong_and_better
from tuneset.judge.labels import THRESHOLD, meant_by
from tuneset.judge.view import labels, view

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tuneset.judge.view import Labels, View

    Bools = NDArray[np.bool_]
    Floats = NDArray[np.float32]

WORST = ("agrees", "doubts", "disagrees")


class Read(NamedTuple):
    """What the classifier reads in one row, in one label column."""

    verdict: str
    labels: list[str]
    score: float  # how far the label asked for is above the best other one; below 0 it is not


def classified(train: pl.DataFrame, rows: pl.DataFrame) -> list[dict[str, Any]]:
    """Read the labels of synthetic rows with a classifier that learned the real rows of `train`, for every label column.

    For each of `rows`, in their order, what `judged` of its origin holds: `by` ("classifier"), `verdict`, `labels` and
    `score` (the margin, worst column). The verdict is "agrees" where the label asked for scores highest, "disagrees" where
    it would be flagged as a label error by the limit of that step, which comes from how well the classifier knows its
    own rows, "doubts" between, and where `train` has no row with that label. Several columns are as good as their worst.
    Features and classifier are those of the label audit: n-grams, kernel ridge regression.

    Limits: it knows no more than `train` does. Of paraphrases of 200 and 500 rows, dropping what such a classifier
    disagrees with was measured to gain nothing (bench/synthetic.py --judge); take another model where you can.

    >>> from tuneset.testing import examples
    >>> told = {"Orders": ["where is my order", "order it", "my order"], "Cards": ["my card is lost", "new card", "a card"]}
    >>> train = examples([{"text": text, "label": label} for label, texts in told.items() for text in texts])
    >>> asked = examples([{"text": "is my order late", "label": "Orders", "origin": '{"synthetic": true}'}])
    >>> classified(train, asked)[0]["verdict"]
    'agrees'
    """
    real = train.filter(~synthetic())
    if rows.is_empty() or real.is_empty():
        return [_unread() for _ in range(rows.height)]
    both = pl.concat([real.select("id", "text", "labels"), rows.select("id", "text", "labels")])
    side = pl.Series("side", ["train"] * real.height + ["synthetic"] * rows.height)
    seen = view(both.with_columns(side))
    columns = {each.column: _read(seen, each, real.height) for each in labels(both)}
    meant = meant_by(both["labels"])
    return [
        _together({name: said[row] for name, said in columns.items()}, meant, orjson.loads(asked or "{}"))
        for row, asked in enumerate(rows["labels"].to_list())
    ]


def _read(seen: View, column: Labels, real: int) -> list[Read | None]:
    """Read one column: learn from the first `real` rows, and say what is read in the others."""
    given = _given(column)
    learn = np.flatnonzero(given[:real].any(axis=1))
    known = np.asarray(given[learn].any(axis=0), np.bool_)
    asked = given[real:]
    if np.count_nonzero(known) < 2:
        return [None] * len(asked)
    truth = given[learn][:, known].astype(np.float32)
    made = ridge.fit_targets(seen.vectors[learn], truth)
    held_out = ridge.held_out_targets(made, seen.vectors[learn], truth, seen.groups[learn])
    names = [name for name, here in zip(column.names, known.tolist(), strict=True) if here]
    several = column.several is not None
    sure = Judged(names, learn, np.ones(len(learn), np.bool_), truth > 0, held_out, several)
    likely = ridge.scores(made, seen.vectors[real:])
    strange = np.asarray(~asked.any(axis=1) | asked[:, ~known].any(axis=1), np.bool_)
    return _verdicts(likely, asked[:, known], strange, sure, limit(sure, THRESHOLD))


def _given(column: Labels) -> Bools:
    given = np.zeros((len(column.codes), len(column.names)), np.bool_)
    for row, code in enumerate(column.codes.tolist()):
        given[row, column.several[row] if column.several is not None else [code] if code >= 0 else []] = True
    return given


def _verdicts(likely: Floats, asked: Bools, strange: Bools, sure: Judged, above: float) -> list[Read | None]:
    """Say of each row whether the labels asked for score highest, and how sure it is that they should not."""
    rows = np.flatnonzero(~strange)
    doubtful = np.full(len(asked), np.inf)
    doubtful[rows] = doubt(likely[rows], asked[rows], several=sure.several)
    out: list[Read | None] = [None] * len(asked)
    for row in rows.tolist():
        own = float(np.where(asked[row], likely[row], np.inf).min())
        other = float(np.where(asked[row], -np.inf, likely[row]).max())
        wrong, better = wrong_and_better(likely[row], asked[row], several=sure.several)
        fits = own >= other if not sure.several else doubtful[row] <= 0
        verdict = "agrees" if fits else "disagrees" if doubtful[row] > above else "doubts"
        should = asked[row].copy()
        if not fits and wrong is not None:
            should[wrong] = False
        if not fits and better is not None:
            should[better] = True
        out[row] = Read(verdict, [sure.names[at] for at in np.flatnonzero(should)], round(own - other, 4))
    return out


def _together(read: dict[str, Read | None], meant: dict[tuple[str, str], Any], asked: dict[str, Any]) -> dict[str, Any]:
    """Make one verdict of the columns': the worst of them."""
    said = {name: each for name, each in read.items() if each is not None and name in asked}
    if not said:
        return _unread()
    verdict = max((each.verdict for each in said.values()), key=WORST.index)
    if len(said) < len([name for name in asked if asked[name]]):
        verdict = max(verdict, "doubts", key=WORST.index)
    found = {name: [meant[name, label] for label in each.labels] for name, each in said.items()}
    shown = {name: each if isinstance(asked[name], list) else each[0] for name, each in found.items()}
    return _unread() | {
        "verdict": verdict,
        "labels": shown,
        "score": min(each.score for each in said.values()),
    }


def _unread() -> dict[str, Any]:
    return {"by": CLASSIFIER, "verdict": "doubts", "labels": None, "score": None}
