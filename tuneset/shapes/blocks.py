"""What Bedrock and Anthropic have in common: messages of user and assistant that hold blocks, tools' answers among them.

A tool's answer is a block of the user's next message; several, and what the user says then, share one message.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from tuneset.shapes import row as one

if TYPE_CHECKING:
    from collections.abc import Callable

Block = dict[str, Any]
ROLES = ("user", "assistant")


class Writing(NamedTuple):
    """How one shape writes each kind of block."""

    text: Callable[[str], Block]
    image: Callable[[dict[str, Any]], Block]  # what stands under image_url
    call: Callable[[str, str, Any], Block]  # id, name, arguments
    reply: Callable[[str, str], Block]  # id, content


def turns(messages: list[one.Message], how: Writing) -> list[dict[str, Any]]:
    """Write the messages but the system's, joining what is the user's side."""
    written: list[dict[str, Any]] = []
    replied = False  # whether the last turn holds nothing but tools' answers
    for message in messages:
        if message["role"] == "system":
            continue
        if message["role"] == "tool":
            block = how.reply(message["tool_call_id"], one.words(message.get("content")) or "")
            if replied:
                written[-1]["content"].append(block)
            else:
                written.append({"role": "user", "content": [block]})
            replied = True
            continue
        blocks = _content(message.get("content"), how)
        for call in one.calls(message):
            function = call["function"]
            blocks.append(how.call(call["id"], function["name"], one.opened(function["arguments"])))
        if replied and message["role"] == "user":
            written[-1]["content"] += blocks
        else:
            written.append({"role": message["role"], "content": blocks})
        replied = False
    return written


def _content(content: Any, how: Writing) -> list[Block]:
    if isinstance(content, str):
        return [how.text(content)] if content else []
    return [
        how.text(part["text"]) if part["type"] == "text" else how.image(part["image_url"]) for part in content or []
    ]


class Parts(NamedTuple):
    """What the blocks of one message hold: parts of chat, calls, and tools' answers as messages."""

    said: list[dict[str, Any]]
    calls: list[dict[str, Any]]
    replies: list[one.Message]


def messages(role: str, parts: Parts) -> list[one.Message]:
    """Bring what one message holds to messages of chat: tools' answers first, then what was said or called."""
    said = parts.said
    content = said[0]["text"] if len(said) == 1 and said[0]["type"] == "text" else said or None
    if parts.calls:
        return [*parts.replies, {"role": role, "content": content, "tool_calls": parts.calls}]
    return [*parts.replies, *([{"role": role, "content": content}] if said else [])]


def call(made: str, name: str, arguments: Any) -> dict[str, Any]:
    """Write a call as chat has it."""
    return {"id": made, "type": "function", "function": {"name": name, "arguments": one.closed(arguments)}}


def alternation(raw: one.Row) -> str | None:
    """Say where user and assistant do not take turns, in words; None where they do, or where there are no turns."""
    turns = raw.get("messages")
    roles = [turn.get("role") for turn in turns if isinstance(turn, dict)] if isinstance(turns, list) else []
    for place, (role, following) in enumerate(pairwise(roles), 1):
        if role == following:
            return f"messages {place} and {place + 1} are both of the role {role}"
    return None
