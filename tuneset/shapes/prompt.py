"""Prompt and completion: two texts, or two lists of messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuneset.shapes import chat
from tuneset.shapes import row as one

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuneset.targets.table import Target

NAME = "prompt and completion"
KEYS = frozenset({"prompt", "completion"})
FORMS = chat.FORMS | {
    "not-an-object": '{"prompt": ..., "completion": ...}',
    "content-not-text": "a string, or messages where the target takes them",
}


def problems(raw: one.Row, target: Target) -> Iterator[one.Said]:
    """Say why a row is no prompt with its completion.

    >>> from tuneset.targets.table import TARGETS
    >>> list(problems({"prompt": "q", "completion": None}, TARGETS["together-instruction"]))
    [('content-not-text', 'completion is null, not a text')]
    """
    wanted = (str, list) if target.messages else (str,)
    for key in ("prompt", "completion"):
        if key not in raw:
            yield "missing-content", f"there is no {key}"
        elif not isinstance(raw[key], wanted):
            asked = "a text nor a list of messages" if target.messages else "a text"
            yield (
                "content-not-text",
                f"{key} is {one.kind(raw[key])}, {'neither' if target.messages else 'not'} {asked}",
            )
        elif isinstance(raw[key], list) and not all(isinstance(message, dict) for message in raw[key]):
            yield "message-not-an-object", f"{key} holds what is no message"
    if {type(raw.get("prompt")), type(raw.get("completion"))} == {str, list}:
        yield "content-not-text", "one of prompt and completion is a text, the other a list of messages"
    if unknown := raw.keys() - {"prompt", "completion", *target.keys}:
        yield "unknown-key", f"beside prompt and completion there is {one.listed(unknown)}"


def read(raw: one.Row, target: Target) -> one.Row:
    """Take the prompt as the user's and the completion as the assistant's."""
    messages = [*_messages(raw["prompt"], "user"), *_messages(raw["completion"], "assistant")]
    return chat.read({"messages": messages} | one.offered(raw) | one.for_template(raw), target)


def write(row: one.Row, target: Target) -> one.Row:
    """Take the last message as the completion."""
    written = chat.write({"messages": row["messages"]} | one.offered(row) | one.for_template(row), target)
    messages = written.pop("messages")
    if target.messages:
        return {"prompt": messages[:-1], "completion": messages[-1:]} | written
    return {"prompt": one.words(messages[0]["content"]), "completion": one.words(messages[-1]["content"])}


def _messages(value: Any, role: str) -> list[Any]:
    return [{"role": role, "content": value}] if isinstance(value, str) else list(value)
