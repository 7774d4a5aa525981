"""Preference pairs as TRL has them: `prompt`, `chosen` and `rejected`, each a list of messages or a text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuneset.shapes import chat
from tuneset.shapes import row as one

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuneset.targets.table import Target

NAME = "chosen and rejected"
KEYS = frozenset({"chosen", "rejected"})
FORMS = chat.FORMS | {"not-an-object": '{"prompt": ..., "chosen": ..., "rejected": ...}'}


def problems(raw: one.Row, target: Target) -> Iterator[one.Said]:
    """Say why a row is no pair.

    >>> from tuneset.targets.table import TARGETS
    >>> list(problems({"prompt": 1, "chosen": "a", "rejected": "b"}, TARGETS["trl-preference"]))[0][0]
    'bad-pair'
    """
    for key in ("prompt", "chosen", "rejected"):
        if key not in raw:
            if key != "prompt":
                yield "bad-pair", f"there is no {key}"
        elif not isinstance(raw[key], str) and not (isinstance(raw[key], list) and raw[key]):
            yield "bad-pair", f"{key} is {one.kind(raw[key])}, neither a text nor a list of messages"
        elif isinstance(raw[key], list) and not all(isinstance(message, dict) for message in raw[key]):
            yield "message-not-an-object", f"{key} holds what is no message"
    if len({type(raw[key]) for key in ("prompt", "chosen", "rejected") if key in raw}) > 1:
        yield "bad-pair", "some of prompt, chosen and rejected are texts, others lists of messages"
    for key in ("chosen", "rejected"):
        if isinstance(raw.get(key), list) and not any(_says(message) for message in raw[key]):
            yield "bad-pair", f"{key} holds no message of the assistant"
    if unknown := raw.keys() - {"prompt", "chosen", "rejected", *target.keys}:
        yield "unknown-key", f"beside the pair there is {one.listed(unknown)}"


def _says(message: Any) -> bool:
    return isinstance(message, dict) and message.get("role") == "assistant"


def read(raw: one.Row, target: Target) -> one.Row:
    """Put what was chosen behind the prompt; without a prompt it is what both answers begin with."""
    prompt, chosen, rejected = (_messages(raw.get(key), role) for key, role in _ROLES.items())
    if "prompt" not in raw:
        same = next((n for n, pair in enumerate(zip(chosen, rejected, strict=False)) if pair[0] != pair[1]), 0)
        prompt, chosen, rejected = chosen[:same], chosen[same:], rejected[same:]
    read = chat.read({"messages": [*prompt, *chosen]} | one.offered(raw) | one.for_template(raw), target)
    return read | {"rejected": chat.read({"messages": rejected}, target)["messages"]} | one.answer(chosen)


def write(row: one.Row, target: Target) -> one.Row:
    """Take the last message, or as many as the row says, as what was chosen."""
    written = chat.write({"messages": row["messages"]} | one.offered(row) | one.for_template(row), target)
    prompt, answer = one.parted(row | {"messages": written.pop("messages")})
    rejected = chat.write({"messages": row["rejected"]}, target)["messages"]
    return ({"prompt": prompt} if prompt else {}) | {"chosen": answer, "rejected": rejected} | written


_ROLES = {"prompt": "user", "chosen": "assistant", "rejected": "assistant"}


def _messages(value: Any, role: str) -> list[Any]:
    return [{"role": role, "content": value}] if isinstance(value, str) else list(value or [])
