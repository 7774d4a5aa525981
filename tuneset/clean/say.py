"""From what is said about one text to findings about a whole column, conversations included."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Protocol

import orjson
import polars as pl

from tuneset import model

Mend = Callable[[str], str]
Says = Callable[[str, str], str]
EDITS = ("rule", "example", "action", "field", "before", "after", "says", "score")


def words(examples: pl.DataFrame) -> pl.DataFrame:
    """Return what is looked at: `before`, a conversation's messages as JSON, any other example's text."""
    return examples.select("id", "messages", before=pl.coalesce("messages", "text"))


def edits(
    rule: str,
    suspects: pl.DataFrame,
    mend: Mend,
    says: Says,
    roles: frozenset[str] | None = None,
) -> pl.DataFrame:
    """Mend the suspects (rows of `words`), each distinct text once, and say which of them changed.

    In a conversation every turn is mended on its own, or those of `roles` only. `says` is given the words that changed,
    before and after. The score is the share of the characters that went.
    """

    @cache
    def edit(before: str, *, is_chat: bool) -> tuple[str, str, float] | None:
        after, was, now = mended_turns(before, mend, roles) if is_chat else (mend(before), before, "")
        now = now or after
        return None if after == before else (after, says(was, now), max(0.0, 1 - len(now) / len(was)))

    return rewritten(rule, suspects, edit)


class Edit(Protocol):
    """Rewrite one text, or one conversation as JSON: what it becomes, what to say, the score; None where it stays."""

    def __call__(self, before: str, *, is_chat: bool) -> tuple[str, str, float] | None:
        """Rewrite one."""


def rewritten(rule: str, suspects: pl.DataFrame, edit: Edit) -> pl.DataFrame:
    """Say how the suspects (rows of `words`) would read after an edit."""
    said = [
        (rule, example, "edit", "/messages" if messages else "/text", before, *edited)
        for example, messages, before in suspects.iter_rows()
        if before and (edited := edit(before, is_chat=messages is not None))
    ]
    return pl.DataFrame(said, schema={name: model.FINDINGS[name] for name in EDITS}, orient="row")


def suggested(findings: pl.DataFrame, *, applied: bool) -> pl.DataFrame:
    """Make findings suggestions, which a person accepts or not, unless the recipe wants them `applied`."""
    return findings.with_columns(when=pl.lit("default" if applied else "on-accept"))


def mended_turns(messages: str, mend: Mend, roles: frozenset[str] | None = None) -> tuple[str, str, str]:
    """Mend what is said in each turn; return the messages, and the words that changed, before and after."""
    turns, changed = orjson.loads(messages), []
    for place, key in spoken(turns, roles):
        if (after := mend(place[key])) != place[key]:
            changed.append((place[key], after))
            place[key] = after
    if not changed:
        return messages, messages, messages
    was, now = ("\n".join(side) for side in zip(*changed, strict=True))
    return orjson.dumps(turns).decode(), was, now


def spoken(turns: list[Any], roles: frozenset[str] | None = None) -> list[tuple[dict[str, Any], str]]:
    """Find the places of a conversation where words stand: string contents, and the text of parts of a content."""
    contents = [
        (turn, "content") for turn in turns if isinstance(turn, dict) and (roles is None or turn.get("role") in roles)
    ]
    parts = [
        (part, "text")
        for turn, _ in contents
        if isinstance(turn.get("content"), list)
        for part in turn["content"]
        if isinstance(part, dict)
    ]
    return [(place, key) for place, key in (*contents, *parts) if isinstance(place.get(key), str)]


def dropped(rule: str, rows: pl.DataFrame, place: str = "/text", *, applied: bool = True) -> pl.DataFrame:
    """Say that rows go, or suggest it where that is not to be `applied`: `id`, `messages`, `says` and, of doubts, `score`.

    `place` is where it shows in a table; in a conversation it is the messages.
    """
    field = pl.when(pl.col("messages").is_null()).then(pl.lit(place)).otherwise(pl.lit("/messages"))
    score = pl.col("score") if "score" in rows.columns else pl.lit(1.0)
    said = rows.select(rule=pl.lit(rule), example="id", action=pl.lit("drop"), field=field, says="says", score=score)
    return suggested(said, applied=applied)


def drops(
    rule: str, place: str, suspects: pl.DataFrame, says: pl.Expr, judge: Callable[[list[Any]], str | None]
) -> pl.DataFrame:
    """Say that the suspects go; a conversation only where its turns, looked at one by one, give a reason."""
    chats = {
        messages: judge(orjson.loads(messages)) for messages in suspects["messages"].drop_nulls().unique().to_list()
    }
    reason = (
        pl.when(pl.col("messages").is_null())
        .then(says)
        .otherwise(pl.col("messages").replace_strict(chats, default=None, return_dtype=pl.String))
    )
    return dropped(rule, suspects.with_columns(says=reason).filter(pl.col("says").is_not_null()), place)


def doubts(
    rule: str, suspects: pl.DataFrame, judge: Callable[[str], tuple[str, float] | None], *, applied: bool
) -> pl.DataFrame:
    """Suggest that suspects go, or leave them out where `applied`; each distinct text is judged once.

    `suspects` has `id`, `messages` and `text`; `judge` gives a reason and a score for a text, or None for a good one.
    """
    verdicts = [(text, *verdict) for text in suspects["text"].unique().to_list() if (verdict := judge(text))]
    said = pl.DataFrame(verdicts, schema={"text": pl.String, "says": pl.String, "score": pl.Float64}, orient="row")
    return dropped(rule, suspects.join(said, on="text", maintain_order="left"), applied=applied)
