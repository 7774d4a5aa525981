"""Chat: rows with a list of `messages`, as OpenAI defined it and most trainers read it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuneset.shapes import row as one

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuneset.targets.table import Target

NAME = "chat"
KEYS = frozenset({"messages"})
# How things are written in rows of chat, for the mend of a rule.
FORMS = {
    "not-an-object": '{"messages": [...]}',
    "message-not-an-object": '{"role": ..., "content": ...}',
    "unknown-role": "user and assistant, system and tool where it has them",
    "content-not-text": 'a string, or parts such as {"type": "text", "text": ...}',
    "bad-tool-call": '{"id": ..., "type": "function", "function": {"name": ..., "arguments": ...}}',
    "bad-tools": '[{"type": "function", "function": {"name": ...}}]',
    "bad-image": "data:image/png;base64,...",
}
# Keys of other shapes, any of which beside the messages makes a row that is two things at once.
OTHERS = {
    "preference pairs": {"input", "preferred_output"},
    "prompt and completion": {"prompt", "completion"},
    "instruction and output": {"instruction", "output"},
    "ShareGPT": {"conversations"},
    "Gemini": {"contents"},
    "plain text": {"text"},
}


def problems(raw: one.Row, target: Target) -> Iterator[one.Said]:
    """Say why a row is not chat.

    >>> from tuneset.targets.table import TARGETS
    >>> list(problems({"messages": "hi"}, TARGETS["chat"]))
    [('no-messages', 'messages is a string, not a list')]
    """
    other = next((name for name, keys in OTHERS.items() if keys <= raw.keys()), None)
    if not isinstance(raw.get("messages"), list):
        said = f"messages is {one.kind(raw['messages'])}, not a list" if "messages" in raw else "there are no messages"
        yield "no-messages", said + (f"; this is a row of {other}" if other and "messages" not in raw else "")
    elif other:
        yield "mixed-shapes", f"the line is chat and {other} at once"
    elif target.arguments == "object":
        yield from _strings(raw["messages"])
    elif target.image_parts and len(_forms(raw["messages"])) > 1:
        yield "mixed-content", "some messages hold a list of parts, others a text"


def read(raw: one.Row, target: Target) -> one.Row:
    """Take the row as it is; where a target keeps arguments as objects, they become strings of JSON."""
    if target.image_parts:
        return raw | {"messages": [_with_content(message, _text) for message in raw["messages"]]}
    if target.arguments == "string":
        return raw
    read = raw | {"messages": [_with_arguments(message, _closed) for message in raw["messages"]]}
    return read | ({"tools": one.opened(raw["tools"])} if "tools" in raw else {})


def write(row: one.Row, target: Target) -> one.Row:
    """Give the row as it is; where a target keeps arguments as objects, the strings of JSON are opened."""
    if target.image_parts and list in _forms(row["messages"]):
        return row | {"messages": [_with_content(message, _part) for message in row["messages"]]}
    if target.arguments == "string":
        return row
    return row | {"messages": [_with_arguments(message, one.opened) for message in row["messages"]]}


def _forms(messages: list[Any]) -> set[type]:
    contents = [message.get("content") for message in messages if isinstance(message, dict)]
    return {type(content) for content in contents if content and isinstance(content, str | list)}


def _with_content(message: Any, change: Any) -> Any:
    has = isinstance(message, dict) and message.get("content")
    return message | {"content": change(message["content"])} if has else message


def _part(content: Any) -> Any:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _text(content: Any) -> Any:
    """Give the text of what is one part of text."""
    part: Any = content[0] if isinstance(content, list) and len(content) == 1 else None
    alone = isinstance(part, dict) and part.keys() == {"type", "text"} and part["type"] == "text"
    return part["text"] if alone and isinstance(part["text"], str) else content


def _strings(messages: list[Any]) -> Iterator[one.Said]:
    for place, message in enumerate(messages, 1):
        called = one.calls(message) if isinstance(message, dict) else []
        functions = [call["function"] for call in called if isinstance(call.get("function"), dict)]
        if any(isinstance(function.get("arguments"), str) for function in functions):
            yield (
                "arguments-not-object",
                f"message {place} has a string for arguments: a chat template prints it quoted",
            )


def _with_arguments(message: Any, change: Any) -> Any:
    """Change the arguments of each call; whatever is no call stays for the rules to name."""
    if not isinstance(message, dict) or not one.calls(message):
        return message
    return message | {"tool_calls": [_changed(call, change) for call in message["tool_calls"]]}


def _changed(call: Any, change: Any) -> Any:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict) or "arguments" not in function:
        return call
    return call | {"function": function | {"arguments": change(function["arguments"])}}


def _closed(value: Any) -> Any:
    return one.closed(value) if isinstance(value, dict | list) else value
