"""How tools are declared, and whether the calls of a conversation keep to it."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any

import orjson

from tuneset.shapes.row import calls, kind, listed, name_of, short
from tuneset.targets.schema import DEPTH, ELSEWHERE, TYPES, broken

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tuneset.shapes.row import Row, Said

FUNCTION_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")  # as OpenAI, Anthropic, Mistral and Amazon ask for
FUNCTION_KEYS = {"name", "description", "parameters", "strict"}
MOST = 3  # problems that are said of one call
CACHED = 16_384  # bytes of a declaration; 1,024 of them are 16 MB at most


def problems(row: Row, messages: list[Any]) -> Iterator[Said]:
    """Say what is wrong with the tools that a row declares, and with the calls of them.

    Calls are held to the types, `required`, `enum`, `const`, `properties`, `additionalProperties`, `items`, `anyOf`,
    `oneOf` and `allOf` of the parameters' JSON Schema, and to what `$ref` names inside of it. Limits: patterns, formats
    and bounds of numbers are not looked at, nothing is fetched, and an answer of weight 0 may break its tools. Two calls
    take 30 us, a quarter of what such a row takes.

    >>> tool = {"name": "find", "description": "Finds.", "parameters": {"type": "object", "required": ["id"]}}
    >>> call = {"id": "1", "type": "function", "function": {"name": "find", "arguments": "{}"}}
    >>> row = {"tools": [{"type": "function", "function": tool}]}
    >>> list(problems(row, [{"role": "assistant", "tool_calls": [call]}]))
    [('arguments-against-schema', "message 1 calls find without 'id', which is required")]
    """
    tools, functions = row.get("tools", []), row.get("functions", [])
    if not isinstance(tools, list) or not isinstance(functions, list) or None in map(name_of, tools):
        yield "bad-tools", "tools is not a list of functions, each with a name"
        return
    for tool in tools:
        yield from _known(tool, _declaration)
    old = [tool for each in functions if name_of(tool := {"function": each}) is not None]
    for tool in old:
        yield from _known(tool, _requirements)
    offered, twice = {}, set()
    for function in (tool["function"] for tool in (*tools, *old)):
        if function["name"] in offered:
            twice.add(function["name"])
        offered[function["name"]] = function
    if twice:
        yield "tool-declared-twice", f"the row declares {listed(twice)} more than once"
    if undeclared := {name for name in map(name_of, _made(messages)) if name is not None and name not in offered}:
        yield "undeclared-tool", f"the assistant calls {listed(undeclared)}, which tools does not declare"
    yield from _broken(messages, {name: offered[name] for name in offered.keys() - twice})


def _made(messages: list[Any]) -> list[Any]:
    return [call for message in messages if isinstance(message, dict) for call in calls(message)]


def _known(tool: Row, said: Callable[[Row], Iterator[Said]]) -> tuple[Said, ...]:
    """Look at a declaration once: rows of one file mostly offer the same tools."""
    try:
        written = orjson.dumps(tool)
    except orjson.JSONEncodeError:  # deeper than 254 levels, or a number of more than 64 bits
        return tuple(said(tool))
    return _once(written, said) if len(written) <= CACHED else tuple(said(tool))


@lru_cache(1024)
def _once(written: bytes, said: Callable[[Row], Iterator[Said]]) -> tuple[Said, ...]:
    return tuple(said(orjson.loads(written)))


def _declaration(tool: Row) -> Iterator[Said]:
    """Look at how one function is declared: by OpenAI's types, and its parameters as a JSON Schema of its Draft 7."""
    function, name = tool["function"], short(name_of(tool))
    if tool.get("type") != "function" or not isinstance(function.get("description", ""), str):
        yield "bad-tools", f'the tool {name} has no "type": "function", or a description that is no text'
    if unknown := (tool.keys() - {"type", "function"}) | (function.keys() - FUNCTION_KEYS):
        yield "unknown-key", f"the tool {name} has {listed(unknown)}"
    if not FUNCTION_NAME.fullmatch(function["name"]):
        yield "function-name-not-taken", f"a tool has the name {name}"
    if not str(function.get("description") or "").strip():
        yield "no-description", f"the tool {name} has no description"
    if isinstance(function.get("parameters"), dict) and "type" not in function["parameters"]:
        yield "no-type", f"the parameters of {name} have no type"
    if "parameters" not in function:
        yield "no-parameters", f"the tool {name} has no parameters"
    elif not isinstance(function["parameters"], dict):
        yield "bad-tools", f"the parameters of {name} are {kind(function['parameters'])}, not an object"
    elif not is_schema(function["parameters"]):
        yield "bad-schema", f"the parameters of {name} are no JSON Schema"
    yield from _requirements(tool)


def is_schema(schema: Any, depth: int = DEPTH) -> bool:
    """Say whether an object could be a JSON Schema: its types are known, what is required is named once, parts are schemas.

    >>> is_schema({"type": "object", "properties": {"id": {"type": "string"}}}), is_schema({"type": "text"})
    (True, False)
    """
    if not isinstance(schema, dict) or not depth:
        return isinstance(schema, bool)
    kinds = schema.get("type", [])
    kinds = kinds if isinstance(kinds, list) else [kinds]
    if any(schema.get(key) == [] for key in ("type", "items", "anyOf", "oneOf", "allOf")):
        return False
    required = schema.get("required", [])
    if not all(isinstance(each, str) and each in TYPES for each in kinds):
        return False
    if not isinstance(required, list) or not all(isinstance(each, str) for each in required):
        return False
    if len(set(required)) < len(required) or not isinstance(schema.get("enum", []), list):
        return False
    properties, items = schema.get("properties", {}), schema.get("items", [])
    parts = [*(properties.values() if isinstance(properties, dict) else [None])]
    parts += items if isinstance(items, list) else [items]
    return all(is_schema(part, depth - 1) for part in parts)


def _requirements(tool: Row) -> Iterator[Said]:
    parameters = tool["function"].get("parameters")
    if absent := {name for schema in _parts(parameters, DEPTH) for name in _undeclared(schema)}:
        what = f"the tool {short(name_of(tool))} requires {listed(absent)}"
        yield "required-not-declared", f"{what}, which its properties do not have"


def _undeclared(schema: Row) -> Iterator[str]:
    required, properties = schema.get("required"), schema.get("properties")
    if isinstance(required, list) and isinstance(properties, dict) and not ELSEWHERE & schema.keys():
        yield from (name for name in required if isinstance(name, str) and name not in properties)


def _parts(schema: Any, depth: int) -> Iterator[Row]:
    """Give a schema and those of what it holds."""
    if not isinstance(schema, dict) or not depth:
        return
    yield schema
    named = (schema.get(key) for key in ("properties", "$defs", "definitions"))
    for part in (schema.get("items"), *(each for parts in named if isinstance(parts, dict) for each in parts.values())):
        yield from _parts(part, depth - 1)


def _broken(messages: list[Any], offered: dict[str, Row]) -> Iterator[Said]:
    """Hold each call that is learned to what its tool declares."""
    for place, message in enumerate(messages, 1):
        if not offered or not isinstance(message, dict) or message.get("weight") == 0:
            continue
        made = calls(message)
        for call in [*made, {"function": message["function_call"]}] if "function_call" in message else made:
            name = name_of(call) or ""
            function, arguments = offered.get(name, {}), _opened(call)
            if arguments is None or not isinstance(function.get("parameters"), dict):
                continue
            wrong = broken(arguments, function["parameters"], strict=function.get("strict") is True)
            for said in islice(wrong, MOST):
                yield "arguments-against-schema", f"message {place} calls {short(name)[1:-1]} {said}"


def _opened(call: Row) -> Row | None:
    """Read the arguments of a call; None where they are no object, which has a rule of its own."""
    function = call.get("function")
    arguments = function.get("arguments") if isinstance(function, dict) else None
    try:
        parsed = orjson.loads(arguments) if isinstance(arguments, str) else None
    except orjson.JSONDecodeError:
        return None
    return parsed if isinstance(parsed, dict) else None
