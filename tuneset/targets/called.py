"""What mends calls and tools: ids, arguments, declarations."""

from __future__ import annotations

import hashlib
from itertools import count
from typing import TYPE_CHECKING, Any

import orjson

from tuneset.shapes.row import calls, dumps, numbered, opened

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuneset.shapes.row import Message, Row
    from tuneset.targets.table import Target

TOOL, CALL, CALLED = {"type", "function"}, {"id", "type", "function"}, {"name", "arguments"}


def each_message(row: Row, change: Callable[[Message], Message | None]) -> Row | None:
    """Change each message; None where one cannot be."""
    changed = [change(message) if isinstance(message, dict) else None for message in row["messages"]]
    return None if None in changed else row | {"messages": changed}


def known_only(each: Any, keys: set[str], function_keys: set[str]) -> Any:
    """Leave of a tool or a call what every target knows."""
    if not isinstance(each, dict) or not isinstance(each.get("function"), dict):
        return each
    function = {key: value for key, value in each["function"].items() if key in function_keys}
    return {key: value for key, value in each.items() if key in keys} | {"function": function}


def short_ids(row: Row, target: Target) -> Row | None:
    """Give calls ids of nine letters and digits, the same for the same id."""
    del target

    def change(message: Message) -> Message | None:
        changed = dict(message)
        if calls(message):
            changed["tool_calls"] = [call | {"id": _short_id(call["id"])} for call in message["tool_calls"]]
        if isinstance(message.get("tool_call_id"), str):
            changed["tool_call_id"] = _short_id(message["tool_call_id"])
        return changed

    return each_message(row, change)


def _short_id(made: str) -> str:
    if len(made) == 9 and made.isascii() and made.isalnum():
        return made
    return hashlib.sha256(made.encode()).hexdigest()[:9]


def single_ids(row: Row, target: Target) -> Row | None:
    """Give a call whose id another one has a new id, and its answer the same."""
    del target
    used: set[str] = set()
    now: dict[str, str] = {}

    def own(made: str) -> str:
        free = (numbered(number) for number in count(len(used) + 1))
        now[made] = next(each for each in free if each not in used) if made in used else made
        used.add(now[made])
        return now[made]

    def change(message: Message) -> Message | None:
        changed = dict(message)
        if calls(message):
            changed["tool_calls"] = [call | {"id": own(call["id"])} for call in message["tool_calls"]]
        if isinstance(message.get("tool_call_id"), str):
            changed["tool_call_id"] = now.get(message["tool_call_id"], message["tool_call_id"])
        return changed

    return each_message(row, change)


def closed_arguments(row: Row, target: Target) -> Row | None:
    """Write arguments that are an object as the string of JSON that they should be."""
    del target

    def change(message: Message) -> Message | None:
        if not calls(message):
            return message
        made = [_closed(call) for call in message["tool_calls"]]
        return None if None in made else message | {"tool_calls": made}

    return each_message(row, change)


def _closed(call: Any) -> Any:
    function: dict[str, Any] = (call.get("function") if isinstance(call, dict) else None) or {}
    arguments = function.get("arguments")
    if isinstance(arguments, dict):
        return call | {"function": function | {"arguments": dumps(arguments)}}
    try:
        return call if isinstance(arguments, str) and isinstance(orjson.loads(arguments), dict) else None
    except orjson.JSONDecodeError:
        return None


def tools_opened(row: Row, target: Target) -> Row | None:
    """Write tools as a list of functions, where they are a string of JSON or functions alone."""
    del target
    kept = {key: value for key, value in row.items() if key not in ("tools", "functions") or value is not None}
    tools = opened(kept.get("tools", []))
    if isinstance(tools, list) and "tools" in kept:
        kept["tools"] = [
            {"type": "function", "function": each} if isinstance(each, dict) and "name" in each else _typed(each)
            for each in tools
        ]
    return kept if kept != row else None


def _typed(tool: Any) -> Any:
    return {"type": "function"} | tool if isinstance(tool, dict) and "type" not in tool else tool


def described(row: Row, target: Target) -> Row | None:
    """Give tools without a description their name for one."""
    del target

    def change(function: Row) -> Row:
        return function | ({} if str(function.get("description") or "").strip() else {"description": function["name"]})

    return row | {"tools": [tool | {"function": change(tool["function"])} for tool in row["tools"]]}


def typed_parameters(row: Row, target: Target) -> Row | None:
    """Write that parameters without a type are an object's."""
    del target

    def change(function: Row) -> Row:
        untyped = isinstance(function.get("parameters"), dict) and "type" not in function["parameters"]
        return function | ({"parameters": {"type": "object"} | function["parameters"]} if untyped else {})

    return row | {"tools": [tool | {"function": change(tool["function"])} for tool in row["tools"]]}


def with_parameters(row: Row, target: Target) -> Row | None:
    """Give tools without parameters empty ones."""
    del target
    empty = {"parameters": {"type": "object", "properties": {}}}
    return row | {"tools": [tool | {"function": empty | tool["function"]} for tool in row["tools"]]}
