"""The label audit: which labels are probably wrong, and which labels are taken for one another."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
import orjson
import polars as pl

from tuneset import model, near
from tuneset.judge.confusion import confusion
from tuneset.judge.doubts import (
    NEAREST,
    USUAL,
    VOTES,
    accuracy,
    doubts,
    judged,
    limit,
    parts,
    pool,
    similarities,
    wrong_and_better,
)
from tuneset.judge.hierarchy import strays, tree
from tuneset.judge.view import Labels, View, labels, view
from tuneset.step import Scope  # noqa: TC001  a recipe resolves these annotations

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from tuneset.judge.doubts import Judged
    from tuneset.judge.hierarchy import Tree

    Bools = NDArray[np.bool_]
    Ints = NDArray[np.int64]
    Floats = NDArray[np.float32]

_FEW = "Too few rows a label, or only one label: wrong labels cannot be looked for."
_HOPELESS = "Texts and labels have too little to do with one another: wrong labels cannot be looked for."
THRESHOLD = 0.6  # chosen on BANKING77: F1 is .01 below its best there, and clean rows are flagged a third as often
SUREST = 1 + VOTES  # the doubt of a row whose label scores nothing, and another all that it can
TWIN, STRAY = 1.0, 0.99  # how sure it is that twins contradict each other, and that a label stands elsewhere
SEARCHED, AGAINST, FOR = 50, 3, 2  # nearest rows in which evidence is searched; rows that are shown for it

_STARTS = {
    "Orders": ("where is my order", "when will my order arrive", "my order has not arrived", "track my order please"),
    "Cards": ("my card was stolen", "block my card please", "I lost my card", "I need a new card"),
}
_ENDS = ("", " today", " again", ", I asked before", " and tell me why")
_ROWS: tuple[Mapping[str, Any], ...] = tuple(
    {"text": start + end, "label": label, "groups": []}
    for label, starts in _STARTS.items()
    for start in starts
    for end in _ENDS
)


@dataclass(frozen=True)
class LabelError:
    """Flag examples whose label is probably wrong, and suggest another.

    Why it hurts: a model learns wrong labels as it learns right ones, and on the validation side they make the score a lie.
    How: a small classifier scores every label for each row, without having seen the row, its near-duplicates or any
    validation row; the row's ten nearest train rows vote, with a fifth of the weight. A row is flagged where the score of
    another label, less twice that of its own, is above `threshold` times what a row's own label usually scores in this
    set. Before them come rows with the same text and another label, and a sub-category that stands under another category
    in nearly all other rows. A flag says: look at it. Accepting takes the suggestion, and nothing is changed before.
    Several label columns are one finding; in lists a label can be wrong, missing or one too many.
    Measured (bench/quality/label_errors.py): see the page on judging. `threshold` was chosen on BANKING77.
    Limits: fewer than 20 labelled rows, and labels with fewer than four different rows, are not judged. In real sets
    about half of what such an audit flags is a matter of opinion. An error that is made throughout is not seen.

    >>> from tuneset.testing import examples
    >>> found = LabelError()(examples([*LabelError.silent[0], {"text": "my order is late, where is it", "label": "Cards"}]))
    >>> found["says"].to_list()
    ['labelled Cards; looks like Orders, as 10 of the 10 rows nearest to it do']
    """

    rule: ClassVar[str] = "label-error"
    scope: ClassVar[Scope] = "dataset"
    tasks: ClassVar[tuple[str, ...]] = ("classify", "extract")
    speaks: ClassVar[tuple[list[Mapping[str, Any]], ...]] = (
        [*_ROWS, {"text": "my order is late, where is it", "label": "Cards"}],
        [{"text": "where is it?", "label": "Orders"}, {"text": "Where is it", "label": "Shipping"}],
    )
    silent: ClassVar[tuple[list[Mapping[str, Any]], ...]] = (
        list(_ROWS),
        [{"text": "where is my order", "label": "Orders"}, {"text": "my card was stolen", "label": "Orders"}],
        [{**row, "label": "Orders"} for row in _ROWS],
    )

    threshold: float = THRESHOLD

    def __call__(self, examples: pl.DataFrame) -> pl.DataFrame:
        """Say which examples are probably labelled wrongly."""
        examples = examples.sort("id")
        columns = labels(examples)
        if not columns:
            return model.no_findings()
        seen = view(examples)
        looked = [_looked(seen, each, self.threshold) for each in columns]
        for parent in looked:
            for child in looked:
                _along(seen, parent, child)
        return _findings(examples, looked)


class Doubted(NamedTuple):
    """Why a row's label in one column is doubtful."""

    score: float  # from 0 to 1
    suggested: list[str]  # the labels that it should have; none where that is open
    words: str
    others: list[int]  # rows that speak against the label, then rows that speak for it


class Looked(NamedTuple):
    """A label column, what never saw its rows says of them, and which of its rows are doubtful."""

    labels: Labels
    judged: Judged | None
    doubted: dict[int, Doubted]


def _looked(seen: View, of: Labels, threshold: float) -> Looked:
    found = judged(seen, of)
    return Looked(of, found, _outvoted(seen, found, threshold) | _twins(seen, of, found))


def _outvoted(seen: View, found: Judged | None, threshold: float) -> dict[int, Doubted]:
    """Return the rows that look like another label than theirs."""
    if found is None:
        return {}
    above = limit(found, threshold)
    score, votes = doubts(seen, found, above)
    compared = pool(found)
    out = {}
    for part in parts(np.flatnonzero(score > above), len(compared)):
        alike = similarities(seen, found.rows[part], found.rows[compared])
        near_by = np.argpartition(-alike, min(SEARCHED, len(compared)) - 1, axis=1)[:, :SEARCHED]
        for row, among, close in zip(part.tolist(), near_by, alike, strict=True):
            nearest = compared[among[np.lexsort((among, -close[among]))]]
            likely = found.likely[row] + VOTES * votes[row]
            sure = min(round(float(score[row]) / SUREST, 3), STRAY)
            out[int(found.rows[row])] = _looks_like(found, row, sure, likely, nearest)
    return out


def _looks_like(found: Judged, row: int, sure: float, likely: Floats, nearest: Ints) -> Doubted:
    """Put into words which label is wrong, missing or one too many, with the nearest rows as evidence."""
    names, given, has = found.names, found.given[row], found.given[nearest]
    wrong, better = wrong_and_better(likely, given, several=found.several)
    should = given.copy()
    against = np.ones(len(nearest), np.bool_)
    words = ""
    if wrong is not None:
        should[wrong] = False
        against &= ~has[:, wrong]
        words = f"{names[wrong]} seems to be one too many"
    if better is not None:
        should[better] = True
        against &= has[:, better]
        words = f"{names[better]} seems to be missing" if wrong is None else f"looks like {names[better]}"
        words += _backing(int(np.count_nonzero(has[:NEAREST, better])), len(nearest[:NEAREST]))
    supports = (has & given).any(axis=1) if wrong is None else has[:, wrong]
    others = np.concatenate([nearest[against][:AGAINST], nearest[supports & ~against][:FOR]])
    said = f"labelled {_joined(names, given)}; {words}"
    return Doubted(sure, [names[at] for at in np.flatnonzero(should)], said, found.rows[others].tolist())


def _backing(rows: int, of: int) -> str:
    return (
        f", as {rows} of the {of} rows nearest to it do" if rows else ", says a classifier that has not seen this row"
    )


def _joined(names: Sequence[str], given: Bools) -> str:
    return ", ".join(names[at] for at in np.flatnonzero(given).tolist())


def _twins(seen: View, of: Labels, found: Judged | None) -> dict[int, Doubted]:
    """Return the rows whose text other rows have with another label; not those with the label that most have."""
    codes = [(code,) for code in of.codes.tolist()] if of.several is None else [tuple(each) for each in of.several]
    told = [bool(each) and each[0] >= 0 for each in codes]
    frame = pl.DataFrame({"text": near.normal(seen.examples["text"]), "told": told}).with_row_index("row")
    same = frame.filter(pl.col("told") & (pl.col("text") != "")).filter(pl.col("text").is_duplicated())
    out: dict[int, Doubted] = {}
    for rows in same.group_by("text", maintain_order=True).agg("row")["row"].to_list():
        by: dict[str, list[int]] = {}
        for row in rows:
            by.setdefault(", ".join(of.names[code] for code in codes[row]), []).append(row)
        if len(by) > 1:
            out |= _contradicted(by, {row: [of.names[code] for code in codes[row]] for row in rows}, found)
    return out


def _contradicted(by: dict[str, list[int]], names: dict[int, list[str]], found: Judged | None) -> dict[int, Doubted]:
    """Say of rows with one text how the others are labelled; suggest the label of most, or else the likeliest."""
    strength = {label: (len(rows), max(_own(found, row) for row in rows)) for label, rows in by.items()}
    best, second = sorted(by, key=lambda label: (*strength[label], label), reverse=True)[:2]
    decided = strength[best] > strength[second]
    out = {}
    for label, rows in by.items():
        if decided and label == best:
            continue
        against = best if label != best else second
        many = len(by[against])
        words = f"labelled {label}; {f'{many} rows' if many > 1 else 'a row'} with the same text: {against}"
        apart = [row for row in (*by[against], *(each for at in by.values() for each in at)) if row not in rows]
        for row in rows:
            others = [*dict.fromkeys(apart), *(each for each in rows if each != row)]
            out[row] = Doubted(TWIN, names[by[best][0]] if decided else [], words, others)
    return out


def _own(found: Judged | None, row: int) -> float:
    """Return what the surrogate gives to a row's own label; 0 where it was not asked."""
    place = _place(found, row)
    return 0.0 if found is None or place is None else round(float(found.likely[place][found.given[place]].min()), 2)


def _place(found: Judged | None, row: int) -> int | None:
    """Return where a row stands among those that were judged."""
    if found is None:
        return None
    place = int(np.searchsorted(found.rows, row))
    return place if place < len(found.rows) and found.rows[place] == row else None


def _along(seen: View, parent: Looked, child: Looked) -> None:
    """Let what is said of a sub-category and of its category fit together, and find sub-categories under a wrong one."""
    under = None if parent is child else tree(parent.labels, child.labels, seen.train)
    if under is None:
        return
    above, below = parent.labels, child.labels
    for row in strays(under, above, below).tolist():
        if row not in child.doubted:
            parent.doubted[row] = _stray(under, above, below, row)
    for row, doubted in list(child.doubted.items()):
        home = under.above[below.names.index(doubted.suggested[0])] if doubted.suggested else -1
        if home >= 0 and home == above.codes[row]:
            parent.doubted.pop(row, None)
        elif home >= 0:
            parent.doubted[row] = Doubted(0.0, [above.names[home]], "", [])
    for row, doubted in parent.doubted.items():
        if doubted.words and doubted.suggested and row not in child.doubted:
            best = _best_under(under, above.names.index(doubted.suggested[0]), child, row)
            if best:
                child.doubted[row] = Doubted(0.0, [best], "", [])


def _stray(under: Tree, above: Labels, below: Labels, row: int) -> Doubted:
    code, home = int(below.codes[row]), int(under.above[below.codes[row]])
    many, of = int(under.counts[code, home]), int(under.counts[code].sum())
    words = f"{below.names[code]} stands under {above.names[above.codes[row]]} here, and under {above.names[home]} in"
    others = np.flatnonzero((below.codes == code) & (above.codes == home))[:AGAINST].tolist()
    return Doubted(STRAY, [above.names[home]], f"{words} {many} of {of} rows", others)


def _best_under(under: Tree, home: int, child: Looked, row: int) -> str | None:
    """Choose the likeliest sub-category under another category, where the row's own stands elsewhere."""
    code, found = int(child.labels.codes[row]), child.judged
    place = _place(found, row)
    if found is None or place is None or under.above[code] in (home, -1):
        return None
    fits = under.above[[child.labels.names.index(name) for name in found.names]] == home
    return found.names[int(np.where(fits, found.likely[place], -np.inf).argmax())] if fits.any() else None


def _findings(examples: pl.DataFrame, looked: list[Looked]) -> pl.DataFrame:
    """Make one finding of what is said of a row's columns."""
    rows = sorted({row for each in looked for row, said in each.doubted.items() if said.words})
    if not rows:
        return model.no_findings()
    ids, before = examples["id"], examples["labels"].gather(rows).to_list()
    meant = meant_by(examples["labels"])
    made = []
    for row, was in zip(rows, before, strict=True):
        said = {each.labels.column: each.doubted[row] for each in looked if row in each.doubted}
        spoken = sorted((each for each in said.items() if each[1].words), key=lambda each: -each[1].score)
        after = _after(was, said, meant)
        several = len(looked) > 1
        made.append(
            {
                "example": ids[row],
                "action": "none" if after is None else "edit",
                "before": was,
                "after": after,
                "score": spoken[0][1].score,
                "others": [ids[at] for at in dict.fromkeys(at for _, each in spoken for at in each.others)],
                "says": "; ".join(f"{column}: {each.words}" if several else each.words for column, each in spoken),
            }
        )
    found = pl.DataFrame(made, infer_schema_length=None).with_columns(
        rule=pl.lit(LabelError.rule), when=pl.lit("on-accept"), field=pl.lit("/labels")
    )
    return found.sort("score", "example", descending=[True, False])


def meant_by(column: pl.Series) -> dict[tuple[str, str], Any]:
    """Return what each label is in the data: text, number, or whatever its name was written from."""
    meant: dict[tuple[str, str], Any] = {}
    for text in column.drop_nulls().unique(maintain_order=True).to_list():
        for name, value in orjson.loads(text).items():
            for each in value if isinstance(value, list) else [value]:
                meant.setdefault((name, each if isinstance(each, str) else orjson.dumps(each).decode()), each)
    return meant


def _after(before: str, said: dict[str, Doubted], meant: dict[tuple[str, str], Any]) -> str | None:
    """Write a row's labels as they should be; None where a column's suggestion is open."""
    if any(not each.suggested for each in said.values()):
        return None
    values = json.loads(before)
    for column, each in said.items():
        new = [meant[column, name] for name in each.suggested]
        values[column] = new if isinstance(values[column], list) else new[0]
    return json.dumps(values, ensure_ascii=False)


def audit(seen: View, columns: Sequence[Labels], said: pl.DataFrame | None = None) -> list[dict[str, Any]]:
    """Return figures for each label column: how many rows are flagged, and which labels are taken for one another.

    `said`: what the rule `label-error` found, which is counted (a finding that doubts two columns in each of them);
    None where it was not asked.

    >>> from tuneset.testing import examples
    >>> rows = examples(LabelError.silent[0])
    >>> audit(view(rows), labels(rows), LabelError()(rows))[0]["words"]
    'No label looks wrong, and no two labels are often taken for one another.'
    """
    own = None if said is None else said.filter(pl.col("rule") == LabelError.rule)["says"]
    counts = [_doubting(own, each.column, several=len(columns) > 1) for each in columns]
    return [_audited(seen, each, count) for each, count in zip(columns, counts, strict=True)]


def _doubting(says: pl.Series | None, column: str, *, several: bool) -> int | None:
    """Count the findings that doubt the label of a column."""
    if says is None or not several:
        return None if says is None else len(says)
    return int(says.str.contains(rf"(?:^|; ){re.escape(column)}: ").sum())


def _audited(seen: View, of: Labels, flagged: int | None) -> dict[str, Any]:
    found = judged(seen, of)
    facts: dict[str, Any] = {"column": of.column, "classes": len(of.names), "flagged": flagged or 0, "accuracy": None}
    if found is None:
        return facts | {"confused": [], "matrix": None, "words": _FEW}
    told = confusion(seen, found)
    words = _words(flagged, told["confused"], len(of.names) - len(found.names))
    hopeless = not limit(found, THRESHOLD) < np.inf
    return facts | {"accuracy": round(accuracy(found), 4), **told, "words": _HOPELESS if hopeless else words}


def _words(flagged: int | None, pairs: list[dict[str, Any]], rare: int) -> str:
    apart = "no two labels are often taken for one another"
    if pairs:
        first, rows = f"{pairs[0]['one']} and {pairs[0]['other']}", pairs[0]["rows"]
        apart = f"{first} are taken for one another most, in {rows} row{'s' if rows > 1 else ''}"
    wrong = f"{flagged} label{'s look' if flagged != 1 else ' looks'} wrong" if flagged else "No label looks wrong"
    words = f"{apart[0].upper()}{apart[1:]}." if flagged is None else f"{wrong}{';' if pairs else ', and'} {apart}."
    if rare:
        words += f" Not looked at: {rare} label{'s' if rare > 1 else ''} with fewer than {USUAL} different train rows."
    return words
