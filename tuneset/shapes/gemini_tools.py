"""Gemini's tools: functions whose parameters are a Schema of Google's own, or else a JSON Schema beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuneset.shapes import row as one

if TYPE_CHECKING:
    from collections.abc import Mapping

DEPTH = 100
TYPES = {"object", "array", "string", "number", "integer", "boolean", "null"}
_KEYS = {"name", "description", "parameters", "parametersJsonSchema", "response", "responseJsonSchema", "behavior"}
# What a Schema may have, by google-genai 3.4.0, which refuses any other key.
_NUMBERS = ("minimum", "maximum", "minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties")
_KINDS: Mapping[str, tuple[type, ...]] = (
    dict.fromkeys(("description", "title", "format", "pattern", "ref", "type"), (str,))
    | dict.fromkeys(("enum", "required", "propertyOrdering", "anyOf"), (list,))
    | dict.fromkeys(("properties", "defs", "items"), (dict,))
    | dict.fromkeys(("default", "example", "additionalProperties"), (object,))
    | dict.fromkeys(_NUMBERS, (int, float))
    | {"nullable": (bool,)}
)


def declared(tools: Any) -> list[dict[str, Any]] | None:
    """Give the functions that a row declares; None where they are not declared as Google's types have it.

    >>> declared([{"functionDeclarations": [{"name": "look"}]}]), declared([{"functionDeclarations": [{"nme": "look"}]}])
    ([{'name': 'look'}], None)
    """
    if not isinstance(tools, list) or not all(isinstance(group, dict) for group in tools):
        return None
    groups = [group.get("functionDeclarations") for group in tools if group.keys() == {"functionDeclarations"}]
    if len(groups) < len(tools) or not all(isinstance(group, list) for group in groups):
        return None
    every = [each for group in groups if group for each in group]
    return every if all(map(_is_declared, every)) else None


def _is_declared(function: Any) -> bool:
    if not isinstance(function, dict) or not isinstance(function.get("name"), str) or not function.keys() <= _KEYS:
        return False
    schemas = [function[key] for key in ("parameters", "response") if function.get(key) is not None]
    return isinstance(function.get("description") or "", str) and all(map(is_schema, schemas))


def is_schema(schema: Any, depth: int = DEPTH) -> bool:
    """Say whether an object is a Schema of Google's, which knows less than JSON Schema.

    >>> is_schema({"type": "OBJECT", "properties": {"id": {"type": "STRING"}}}), is_schema({"const": 1})
    (True, False)
    """
    if not isinstance(schema, dict) or not depth:
        return False
    held = {key: value for key, value in schema.items() if value is not None}
    if not schema.keys() <= _KINDS.keys() or not all(isinstance(held[key], _KINDS[key]) for key in held):
        return False
    listed = [each for key in ("enum", "required", "propertyOrdering") for each in held.get(key, [])]
    if held.get("type", "string").lower() not in TYPES or not all(isinstance(each, str) for each in listed):
        return False
    parts = [*held.get("anyOf", []), *([held["items"]] if "items" in held else [])]
    parts += [part for key in ("properties", "defs") for part in held.get(key, {}).values()]
    return all(is_schema(part, depth - 1) for part in parts)


def read(functions: list[dict[str, Any]]) -> one.Row:
    """Bring declared functions to the tools of a row."""
    return one.functions([_function(each) for each in functions])


def _function(function: dict[str, Any]) -> dict[str, Any]:
    said = {key: function[key] for key in ("name", "description") if function.get(key) is not None}
    if function.get("parameters") is not None:
        return said | {"parameters": _lowered(function["parameters"])}
    schema = function.get("parametersJsonSchema")
    return said if schema is None else said | {"parameters": schema}


def _lowered(value: Any, depth: int = DEPTH) -> Any:
    """Write the names of types as JSON Schema does: Gemini has them in capitals."""
    if isinstance(value, list) and depth:
        return [_lowered(each, depth - 1) for each in value]
    if not isinstance(value, dict) or not depth:
        return value
    return {
        key: each.lower()
        if key == "type" and isinstance(each, str) and each.lower() in TYPES
        else _lowered(each, depth - 1)
        for key, each in value.items()
    }


def write(tools: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Declare the functions; parameters that Google's Schema has no words for stand as JSON Schema."""
    return [{"functionDeclarations": [_written(tool["function"]) for tool in tools]}]


def _written(function: dict[str, Any]) -> dict[str, Any]:
    written = {key: each for key, each in function.items() if key != "strict"}
    if "parameters" in written and not is_schema(written["parameters"]):
        written["parametersJsonSchema"] = written.pop("parameters")
    return written
