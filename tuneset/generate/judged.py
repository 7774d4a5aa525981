"""A judge that is not the writer labels what was written, without knowing which label was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import polars as pl

from tuneset.generate import audit, strategies
from tuneset.generate.asking import ask, came

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuneset.ask import Request
    from tuneset.generate.asking import Asking
    from tuneset.generate.rows import Row
    from tuneset.generate.wanted import Asked

EACH = 10  # texts that a request holds


def is_read(row: Row, judge: Asked) -> bool:
    """Say whether this judge has read a row."""
    said = row.origin["judged"]
    return bool(said) and said.get("judge", said["by"]) == judge.model


def with_verdicts(rows: Sequence[Row], train: pl.DataFrame, asking: Asking) -> list[Row]:
    """Give each row that has none its verdict: of the model that the recipe names, else of a classifier of the train rows.

    A row without labels has none, and the answers of conversations are checked instead (`answers.checked`). A model reads
    what another judge has read before, too. What it did not answer is `unread`, and is asked again next time.
    """
    judge = asking.wanted.judge
    if judge is not None:
        new = unread(rows, judge)
    else:
        rows = [row._replace(unread="") for row in rows]
        new = [row for row in rows if _is_whole(row) and not row.origin["judged"]]
    if not new:
        return list(rows)
    if judge is not None:
        read = _asked(new, judge, asking)
    else:
        told = {
            "id": [row.key for row in new],
            "text": [row.text for row in new],
            "labels": [row.labels for row in new],
        }
        read = [
            row._replace(origin=row.origin | {"judged": verdict})
            for row, verdict in zip(new, audit.classified(train, pl.DataFrame(told)), strict=True)
        ]
    known = {row.key: row for row in read}
    return [known.get(row.key, row) for row in rows]


def unread(rows: Sequence[Row], judge: Asked) -> list[Row]:
    """List the rows with labels that this judge has not read."""
    return [row for row in rows if _is_whole(row) and row.messages is None and not is_read(row, judge)]


def _is_whole(row: Row) -> bool:
    return bool(row.text and row.labels and not row.problem)


def requests(new: Sequence[Row], asking: Asking) -> list[tuple[list[Row], Request]]:
    """Write the judge's requests, the rows mixed: a request full of one label would tell it what was asked for."""
    mixed = sorted(new, key=lambda row: row.key)
    parts = [mixed[start : start + EACH] for start in range(0, len(mixed), EACH)]
    asks = strategies.judge_requests([str(row.text) for row in mixed], asking.task, asking.told, EACH)
    return [
        (part, request._replace(sample=max(sum(row.tries) for row in part)))
        for request, part in zip(asks, parts, strict=True)
    ]


def _asked(new: Sequence[Row], judge: Asked, asking: Asking) -> list[Row]:
    parts, asked = zip(*requests(new, asking), strict=True)
    read: list[Row] = []
    for answer, part in zip(ask(asked, judge, asking), parts, strict=True):
        if answer.problem:
            read += [row._replace(unread=answer.says, tries=(sum(row.tries) + came(answer),)) for row in part]
            continue
        by, said = answer.reply.model or judge.model, strategies.judged(answer.value, len(part), asking.task)
        for row, (labels, sure) in zip(part, said, strict=True):
            verdict = _verdict(row, labels, by, sure=sure) | {"judge": judge.model}
            read.append(row._replace(origin=row.origin | {"judged": verdict}, unread="", tries=()))
    return read


def _verdict(row: Row, labels: str, by: str, *, sure: bool) -> dict[str, Any]:
    """Compare what was asked for with what the judge read; a label that it is not sure of is a doubt."""
    said = "agrees" if labels == row.labels else "disagrees"
    return {
        "by": by,
        "verdict": said if sure else "doubts",
        "labels": orjson.loads(labels) if labels else None,
        "score": None,
    }
