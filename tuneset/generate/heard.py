"""The rows that an answer of the writer holds: each written, or lost with a reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from tuneset.generate.rows import MOST, Row
from tuneset.near import normal as normals

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuneset.ask import Answer
    from tuneset.generate.asking import Asks
    from tuneset.generate.wanted import Wanted


def there(known: Sequence[Row], real: pl.DataFrame) -> set[tuple[str, str]]:
    """List the texts that are there, with their labels: the same text for another label is for a person to see."""
    here = [(row.cell, row.text) for row in known if row.text]
    here += real.select(pl.col("labels").fill_null(""), "text").drop_nulls().rows()
    return set(zip((labels for labels, _ in here), _folded([text for _, text in here]), strict=True))


def rows_of(asks: Asks, answer: Answer, wanted: Wanted, said: set[tuple[str, str]]) -> list[Row]:
    """Make rows of an answer: as many as were asked for, each written or lost with a reason."""
    batch, reply = asks.batch, answer.reply
    texts = [str(each["text"]).strip() for each in answer.value["rows"]] if not answer.problem else []
    texts = texts[: batch.rows]
    origin: dict[str, Any] = {
        "model": reply.model or wanted.writer.model,
        "prompt": asks.prompt,
        "prompt_hash": asks.prompt_hash,
        "parameters": wanted.writer.parameters,
        "time": reply.time,
        "cost": reply.cost / batch.rows,
        "seeds": list(asks.seeds),
        "judged": None,
    }
    texts += [""] * (batch.rows - len(texts))
    made = []
    for place, (text, folded) in enumerate(zip(texts, _folded(texts), strict=True)):
        problem, says = _problem(answer, text, seen=(batch.cell.labels, folded) in said)
        said.add((batch.cell.labels, folded))
        drawn = dict(batch.attributes[place]) if place < len(batch.attributes) else {}
        made.append(
            Row(
                text=None if problem else text,
                labels=batch.cell.labels or None,
                origin=origin | {"attributes": drawn},
                cell=batch.cell.labels,
                batch=batch.number,
                key=f"{answer.key}:{place}",
                problem=problem,
                says=says,
            )
        )
    return made


def _folded(texts: Sequence[str]) -> list[str]:
    """Write texts as they are compared with each other."""
    return normals(pl.Series(texts, dtype=pl.String)).to_list()


def _problem(answer: Answer, text: str, *, seen: bool) -> tuple[str, str]:
    if answer.problem:
        return answer.problem, answer.says
    if not text:
        return "short", "the answer has fewer rows than were asked for"
    if len(text) > MOST:
        return "too-long", f"the text has {len(text):,} letters"
    if seen:
        return "same", "the text is there already"
    return "", ""
