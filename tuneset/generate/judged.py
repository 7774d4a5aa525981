"""A judge that is not the writer labels what was written, without knowing which label was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import polars as pl

from tuneset.generate import audit, strategies
from tuneset.generate.asking import ask

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tuneset.ask import Progress
    from tuneset.generate.prompts import Prompts
    from tuneset.generate.rows import Row
    from tuneset.generate.strategies import Task
    from tuneset.generate.wanted import Wanted

EACH = 10  # texts that a request holds


def with_verdicts(  # noqa: PLR0913, PLR0917  what is judged, by whom, with which words, kept where
    rows: Sequence[Row],
    train: pl.DataFrame,
    wanted: Wanted,
    task: Task,
    told: Prompts,
    place: Path,
    watch: Callable[[Progress], None],
) -> list[Row]:
    """Give each row that has none its verdict: of the model that the recipe names, else of a classifier of the train rows.

    A row without labels has none. What the judge did not answer stays without a verdict, and is asked again next time.
    """
    new = [row for row in rows if row.text and row.labels and not row.origin["judged"]]
    if not new:
        return list(rows)
    if wanted.judge is None:
        frame = {
            "id": [row.key for row in new],
            "text": [row.text for row in new],
            "labels": [row.labels for row in new],
        }
        verdicts: list[dict[str, Any] | None] = list(audit.classified(train, pl.DataFrame(frame)))
    else:
        verdicts = _asked(new, wanted, task, told, place, watch)
    known = dict(zip((row.key for row in new), verdicts, strict=True))
    return [row._replace(origin=row.origin | {"judged": known[row.key]}) if row.key in known else row for row in rows]


def _asked(  # noqa: PLR0913, PLR0917
    new: Sequence[Row], wanted: Wanted, task: Task, told: Prompts, place: Path, watch: Callable[[Progress], None]
) -> list[dict[str, Any] | None]:
    """Ask the judge, the rows mixed: a request full of one label would tell it what was asked for."""
    assert wanted.judge is not None  # noqa: S101
    order = sorted(range(len(new)), key=lambda at: new[at].key)
    requests = strategies.judge_requests([str(new[at].text) for at in order], task, told, EACH)
    answers = ask(requests, wanted.judge, wanted, place, watch)
    verdicts: list[dict[str, Any] | None] = [None] * len(new)
    for number, answer in enumerate(answers):
        part = order[number * EACH : (number + 1) * EACH]
        if answer.problem:
            continue
        for at, (labels, sure) in zip(part, strategies.judged(answer.value, len(part), task), strict=True):
            verdicts[at] = _verdict(new[at], labels, answer.reply.model or wanted.judge.model, sure=sure)
    return verdicts


def _verdict(row: Row, labels: str, by: str, *, sure: bool) -> dict[str, Any]:
    """Compare what was asked for with what the judge read; a label that it is not sure of is a doubt."""
    said = "agrees" if labels == row.labels else "disagrees"
    return {
        "by": by,
        "verdict": said if sure else "doubts",
        "labels": orjson.loads(labels) if labels else None,
        "score": None,
    }
