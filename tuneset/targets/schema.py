"""Whether a value keeps to a JSON Schema: the part of it that people declare tools with, safe with any schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from tuneset.shapes.row import kind, short

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DEPTH = 20  # levels of a schema that are looked at ...
STEPS = 2_000  # ... and parts of it, whatever refers to what: 5 ms at most
# Beside these keys of an object, what is required or allowed in it may be declared elsewhere.
ELSEWHERE = {"allOf", "anyOf", "oneOf", "$ref", "patternProperties"}
_IS: dict[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "number": lambda value: type(value) in (int, float),
    "integer": lambda value: type(value) is int or (type(value) is float and value.is_integer()),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
}
TYPES = _IS.keys()
_PLAIN = {"string": str, "integer": int, "boolean": bool, "number": float}
_FREE = {"type", "description", "title", "default", "examples"}  # keys that ask for nothing more
_ABSENT = object()


class _At(NamedTuple):
    """Where in a value we are, and what holds for all of it."""

    root: Any  # the whole schema, in which $ref is looked up
    strict: bool  # whether objects are closed where they do not say so
    left: list[int]  # parts that may still be looked at
    path: tuple[str | int, ...] = ()
    depth: int = DEPTH

    def into(self, step: str | int) -> _At:
        return _At(self.root, self.strict, self.left, (*self.path, step), self.depth - 1)

    def below(self, *, strict: bool) -> _At:
        return _At(self.root, strict, self.left, self.path, self.depth - 1)

    def __str__(self) -> str:
        joined = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.path)
        return short(joined.removeprefix(".")) if self.path else "the arguments"


def broken(value: Any, schema: Any, *, strict: bool = False) -> Iterator[str]:
    """Say where a value breaks a schema, as what follows "the call is made".

    Looked at are `type`, `required`, `enum`, `const`, `properties`, `additionalProperties`, `items`, `anyOf`, `oneOf` (one
    that fits is enough), `allOf`, `nullable`, and `$ref` inside of the schema. `strict` closes objects as OpenAI's strict
    tools do. Source: JSON Schema 2020-12 and Draft 7. Limits: no patterns, formats or bounds of numbers; nothing is
    fetched; what is deeper than 20 levels or takes more than 2,000 parts is taken as right. 5 us for two keys.

    >>> list(broken({"id": 1}, {"properties": {"id": {"type": "string"}}, "required": ["id", "by"]}))
    ["without 'by', which is required", "with 1 for 'id', which is declared as string"]
    """
    return _wrong(value, schema, _At(schema, strict, [STEPS]))


def _wrong(value: Any, schema: Any, at: _At) -> Iterator[str]:
    at.left[0] -= 1
    if at.left[0] < 0 or at.depth <= 0:
        return
    if schema is False:
        yield f"with {at}, which may not be there"
    if not isinstance(schema, dict) or (value is None and schema.get("nullable") is True):  # as OpenAPI has it
        return
    kinds = schema.get("type")
    if kinds is not None and not _is_of(value, kinds):
        named = " or ".join(map(str, kinds)) if isinstance(kinds, list) else kinds
        yield f"with {_said(value)} for {at}, which is declared as {named or 'nothing'}"
        return
    if isinstance(value, dict):
        yield from _object(value, schema, at)
    elif isinstance(value, list):
        yield from _list(value, schema, at)
    if "enum" in schema or "const" in schema:
        yield from _among(value, schema, at)
    if not ELSEWHERE.isdisjoint(schema):
        yield from _elsewhere(value, schema, at)


def _is_of(value: Any, kinds: Any) -> bool:
    """Say whether a value is of a type, or of one of several; one that is not known holds for all values."""
    if isinstance(kinds, list):
        return any(_is_of(value, each) for each in kinds if not isinstance(each, list))
    return not isinstance(kinds, str) or kinds not in _IS or _IS[kinds](value)


def _object(value: dict[str, Any], schema: dict[str, Any], at: _At) -> Iterator[str]:
    properties, required = schema.get("properties"), schema.get("required")
    properties = properties if isinstance(properties, dict) else {}
    for name in required if isinstance(required, list) else ():
        if isinstance(name, str) and name not in value:
            yield f"without {at.into(name)}, which is required"
    others = schema.get("additionalProperties", not at.strict or not ELSEWHERE.isdisjoint(schema))
    if "patternProperties" in schema:  # patterns are never run: one of a stranger may take for ever
        others = True
    for name, each in value.items():
        part = properties.get(name, _ABSENT)
        if part is not _ABSENT:
            if not _is_plainly(each, part):
                yield from _wrong(each, part, at.into(name))
        elif others is False:
            yield f"with {at.into(name)}, which the tool does not declare"
        elif others is not True:
            yield from _wrong(each, others, at.into(name))


def _is_plainly(value: Any, schema: Any) -> bool:
    """Say whether all that a schema asks for is the type that the value has: most properties, at a fifth of the time."""
    return type(schema) is dict and type(value) is _PLAIN.get(str(schema.get("type"))) and _FREE.issuperset(schema)


def _list(value: list[Any], schema: dict[str, Any], at: _At) -> Iterator[str]:
    items = schema.get("items")
    first = items if isinstance(items, list) else schema.get("prefixItems")
    for place, each in enumerate(value):
        if at.left[0] < 0:
            return
        part: Any = items
        if isinstance(first, list):
            part = first[place] if place < len(first) else True
        yield from _wrong(each, part, at.into(place))


def _among(value: Any, schema: dict[str, Any], at: _At) -> Iterator[str]:
    """Hold a value to those enumerated; lists and objects are not compared, since they may be nested without end."""
    among = schema.get("enum", [schema.get("const")])
    if isinstance(among, list) and not any(_is_same(value, each) for each in among):
        more = f" and {len(among) - 3} more" if len(among) > 3 else ""
        yield f"with {_said(value)} for {at}, which is none of {', '.join(map(_said, among[:3]))}{more}"


def _is_same(value: Any, other: Any) -> bool:
    if isinstance(value, dict | list):
        return isinstance(other, dict | list)
    return bool(value == other) and isinstance(value, bool) == isinstance(other, bool)  # true is not 1 in JSON


def _elsewhere(value: Any, schema: dict[str, Any], at: _At) -> Iterator[str]:
    """Hold a value to what a schema refers to, to all of its parts, or to any of its forms."""
    below = at.below(strict=False)  # a part of a whole names some keys only
    if isinstance(schema.get("$ref"), str):
        yield from _wrong(value, _referred(schema["$ref"], at.root), at.below(strict=at.strict))
    whole = schema.get("allOf")
    for part in whole if isinstance(whole, list) else ():
        yield from _wrong(value, part, below)
    for key in ("anyOf", "oneOf"):
        forms = schema.get(key)
        if not isinstance(forms, list) or not forms:
            continue
        real = [part for part in forms if not isinstance(part, dict) or part.get("type") != "null"]
        if len(real) == 1 and value is not None:  # a choice between null and one form: what is wrong with that one
            yield from _wrong(value, real[0], at.below(strict=at.strict))
        elif all(next(_wrong(value, part, below), None) for part in forms):
            yield f"with {_said(value)} for {at}, which fits none of the declared forms"


def _referred(name: str, root: Any) -> Any:
    """Look a reference up in the schema itself; anything else is never fetched, and holds for all values."""
    if not name.startswith("#"):
        return True
    found = root
    for step in name[1:].split("/")[1:DEPTH]:
        found = found.get(step.replace("~1", "/").replace("~0", "~"), True) if isinstance(found, dict) else True
    return found


def _said(value: Any) -> str:
    return kind(value) if isinstance(value, dict | list) else short(value)
