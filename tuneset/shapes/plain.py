"""Plain text: rows of one `text`, all of which the model learns to say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuneset.shapes import row as one

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuneset.targets.table import Target

NAME = "plain text"
KEYS = frozenset({"text"})
FORMS = {"not-an-object": '{"text": ...}', "content-not-text": "a string"}


def problems(raw: one.Row, target: Target) -> Iterator[one.Said]:
    """Say why a row is no plain text.

    >>> from tuneset.targets.table import TARGETS
    >>> list(problems({"text": 1}, TARGETS["together-text"]))
    [('content-not-text', 'text is a number')]
    """
    if "text" not in raw:
        yield "missing-content", "there is no text"
    elif not isinstance(raw["text"], str):
        yield "content-not-text", f"text is {one.kind(raw['text'])}"
    if unknown := raw.keys() - {"text"}:
        yield "unknown-key", f"beside the text there is {one.listed(unknown)}"
    del target


def read(raw: one.Row, target: Target) -> one.Row:
    """Take the text as what the assistant says: the whole of it is learned."""
    del target
    return {"messages": [{"role": "assistant", "content": raw["text"]}]}


def write(row: one.Row, target: Target) -> one.Row:
    """Take the one message as the text."""
    del target
    return {"text": one.words(row["messages"][0]["content"])}
