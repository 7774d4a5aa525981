"""What people's answers from elsewhere come to: what can be decided, and what becomes of every other answer."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
import polars as pl

from tuneset import model
from tuneset.errors import RecipeError
from tuneset.review.decisions import check
from tuneset.review.items import columns, words

if TYPE_CHECKING:
    from tuneset.review.items import Column, Read, Said
    from tuneset.review.queue import Queue

Verdict = tuple[str, str | None]  # and the edit
LONGEST = 100  # characters of an edit that are told


class Unclear(NamedTuple):
    """An answer that cannot be understood, and why."""

    why: str


class Outcome(NamedTuple):
    """What became of a finding of the file, and what there is to say of it."""

    kind: str  # answered, unanswered, stale, unknown, conflicting, refused or again
    says: str = ""
    new: tuple[tuple[Said, Verdict], ...] = ()


def outcomes(read: Read, queue: Queue, decisions: pl.DataFrame) -> dict[str, Outcome]:
    """Say what becomes of each finding in a file that came back; `decisions` are those that the run has."""
    ids = dict.fromkeys([*read.findings, *(each.finding for each in read.said)])
    asked = queue.findings.filter(pl.col("id").is_in(list(ids)))
    rows = {
        row["id"]: row | {"saw": saw}
        for row, saw in zip(asked.iter_rows(named=True), model.seen(asked).to_list(), strict=True)
    }
    known, told = {each.name: each for each in columns(queue)}, _by_person(read.said)
    ours = decisions.filter(pl.col("finding").is_in(list(ids)))
    lines: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in ours.iter_rows(named=True):
        lines[line["finding"]].append(line)
    return {
        each: _outcome(rows[each], told.get(each, []), lines[each], known) if each in rows else Outcome("unknown")
        for each in ids
    }


def _by_person(said: list[Said]) -> dict[str, list[Said]]:
    """Return the last answer of each person to each finding, oldest first."""
    last: dict[tuple[str, str], Said] = {}
    for each in sorted(said, key=lambda one: one.time):
        last.pop((each.finding, each.by), None)
        last[each.finding, each.by] = each
    told: dict[str, list[Said]] = defaultdict(list)
    for each in last.values():
        told[each.finding].append(each)
    return told


def _outcome(row: dict[str, Any], said: list[Said], lines: list[dict[str, Any]], known: dict[str, Column]) -> Outcome:
    read = [(each, meaning) for each in said if (meaning := meant(each, row, known)) is not None]
    if not read:
        return Outcome("unanswered")
    fresh = [(each, meaning) for each, meaning in read if each.saw == row["saw"]]
    if not fresh:
        return Outcome("stale")
    before = {(line["by"], line["verdict"], line["after"]) for line in lines if line["saw"] == row["saw"]}
    new = [(each, meaning) for each, meaning in fresh if (each.by, *meaning) not in before]
    if not new:
        return Outcome("again")
    views: dict[str, Verdict | Unclear] = _stands(row, lines) | {each.by: meaning for each, meaning in new}
    if len(set(views.values())) > 1:
        return Outcome("conflicting", ", ".join(f"{by} says {_view(view)}" for by, view in views.items()))
    clear = tuple((each, meaning) for each, meaning in new if not isinstance(meaning, Unclear))
    why = _refusal(row, new[0][1])
    return Outcome("refused", why) if why else Outcome("answered", _doubt(clear), clear)


def _stands(row: dict[str, Any], lines: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what each person has decided in the run, as far as it was not taken back and is not stale."""
    views: dict[str, Any] = {}
    for line in lines:
        if line["verdict"] == "undo":
            views = {}
        elif line["saw"] == row["saw"]:
            views[line["by"]] = (line["verdict"], line["after"])
    return views


def _view(view: Verdict | Unclear) -> str:
    if isinstance(view, Unclear):
        return "what is unclear"
    verdict, after = view
    return f"{verdict} {after[:LONGEST]}{'…' if len(after) > LONGEST else ''}" if after else verdict


def _refusal(row: dict[str, Any], meaning: Verdict | Unclear) -> str:
    """Say why an answer cannot be carried out; nothing where it can."""
    if isinstance(meaning, Unclear):
        return meaning.why
    try:
        check(*meaning, row)
    except RecipeError as error:
        return error.what
    return ""


def _doubt(new: tuple[tuple[Said, Verdict], ...]) -> str:
    return next((each.doubt for each, _ in new if each.doubt), "")


def meant(said: Said, row: dict[str, Any], known: dict[str, Column]) -> Verdict | Unclear | None:
    """Say what an answer comes to: a verdict and an edit, None where nothing was answered, or why it is unclear.

    A value that differs from what is there and from what is suggested is an edit, whether accept, reject or nothing was
    chosen beside it: tools show the suggestion filled in, and sheets what is there.
    """
    own, verdict = _own(said, row, known), said.verdict
    if isinstance(own, Unclear):
        return own
    if verdict == "edit":
        return Unclear(said.doubt) if said.doubt and own is None else (verdict, own)
    now = _now(row)
    suggested = own is not None and _same(own, row["after"], row["field"])
    if own is None or suggested or _same(own, now, row["field"]):
        return _chosen(verdict or ("accept" if suggested else ""), said.doubt)
    if verdict not in ("", "accept", "reject"):
        return Unclear(f"it says {verdict}, and gives a value of its own")
    return ("edit", own)


def _now(row: dict[str, Any]) -> str | None:
    told = row["labels"] if row["field"] == "/labels" else row["before"] if row["before"] is not None else row["text"]
    return None if told is None else str(told)


def plainly(verdict: str, after: str | None, row: dict[str, Any]) -> Verdict:
    """Say an edit that gives what is suggested, or what is there, as the yes or the no that it is.

    >>> plainly("edit", '{"a":"x"}', {"field": "/labels", "after": '{"a": "x"}', "labels": '{"a": "y"}'})
    ('accept', None)
    """
    if verdict != "edit" or after is None:
        return (verdict, None)
    now = _now(row)
    if _same(after, row["after"], row["field"]):
        return ("accept", None)
    return ("reject", None) if _same(after, now, row["field"]) else (verdict, after)


def _chosen(verdict: str, doubt: str) -> Verdict | Unclear | None:
    if verdict == "skip":
        return None
    return (verdict, None) if verdict else Unclear(doubt) if doubt else None


def _own(said: Said, row: dict[str, Any], known: dict[str, Column]) -> str | Unclear | None:
    """Return the value that a person gave: what was written, or the labels that were chosen."""
    if row["field"] != "/labels":
        moved = [
            name for name, chosen in said.labels.items() if chosen and set(chosen) != set(words(row["labels"], name))
        ]
        return Unclear(f"it is about {row['field']}, and a label was changed") if moved else said.edit or None
    if said.edit or not any(said.labels.values()):
        return said.edit or None
    labels = orjson.loads(row["after"] or row["labels"] or "{}")
    for name, chosen in said.labels.items():
        if not chosen:
            continue
        if name not in labels:
            return Unclear(f"this example has no label column {name!r}")
        values = [known[name].values.get(each, each) if name in known else each for each in chosen]
        if len(values) > 1 and not isinstance(labels[name], list):
            return Unclear(f"{len(values)} labels were chosen for {name!r}, which takes one")
        labels[name] = values if isinstance(labels[name], list) else values[0]
    return orjson.dumps(labels).decode()


def _same(own: str, other: str | None, field: str) -> bool:
    """Say whether a value is what it was; tools change line ends, and the order of several labels means nothing."""
    if other is None:
        return False
    if field == "/text":
        return _lines(own) == _lines(other)
    try:
        return bool(_plain(orjson.loads(own), field) == _plain(orjson.loads(other), field))
    except orjson.JSONDecodeError:
        return own == other


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _plain(value: Any, field: str) -> Any:
    if field != "/labels" or not isinstance(value, dict):
        return value
    return {name: sorted(map(orjson.dumps, each)) if isinstance(each, list) else each for name, each in value.items()}
