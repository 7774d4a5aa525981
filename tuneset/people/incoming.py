"""Lines of JSON that a program sends become Examples, a part of a large body at a time."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import orjson
import polars as pl

from tuneset import model
from tuneset.people.database import RefusedError, to_text

if TYPE_CHECKING:
    from collections.abc import Sequence

_ID = re.compile(r"[0-9a-f]{32}")
_OURS = ("id", "text", "messages", "label", "labels", "source", "groups", "origin", "extra")
_HINT = '{"text": "where is my parcel?"}, or {"messages": [...]}, a line each'


def examples(lines: Sequence[bytes], source: str, field: str, first: int = 1) -> pl.DataFrame:
    r"""Read lines of JSON as Examples; `field` is the project's label column, `first` the number of the first line.

    A line is a text in quotes, or an object with `text` or `messages`; `labels` (an object) or the field itself may give
    its label, `groups` what ties it to others, and whatever else it has is kept in `extra`. An `id` of an Example stays;
    any other one, or else what the line says, makes the id: what is sent twice is known.

    Errors: RefusedError for the first line that is none of this.

    >>> examples([b'"hello"', b'{"text": "bye", "category": "other"}'], "api", "category").select("text", "labels").rows()
    [('hello', None), ('bye', '{"category":"other"}')]
    """
    rows = [_row(line, field, f"line {number}") for number, line in enumerate(lines, first) if line.strip()]
    ids = _ids([row["id"] for row in rows])
    filled = [row | {"id": ids[row["id"]], "source": row["source"] or source} for row in rows]
    frame = pl.DataFrame(filled, schema=model.EXAMPLES)
    return frame.with_columns(label=model.answers(frame["labels"]))


def _ids(names: Sequence[str]) -> dict[str, str]:
    """Give each name its id, whatever else is sent with it: a line is the same one in any part of any body."""
    unique = pl.Series(list(dict.fromkeys(names)), dtype=pl.String)
    made = model.example_ids("api", unique)
    return {name: name if _ID.fullmatch(name) else new for name, new in zip(unique, made, strict=True)}


def _row(line: bytes, field: str, where: str) -> dict[str, Any]:
    try:
        said = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise RefusedError(f"this is no JSON: {error}", where, _HINT) from error
    said = {"text": said} if isinstance(said, str) else said
    if not isinstance(said, dict):
        raise RefusedError("this is neither a text nor an object", where, _HINT)
    messages = _json(said.get("messages"), list, "messages", where)
    text = said.get("text") if messages is None else model.turns_say(messages)[0]
    if not isinstance(text, str):
        raise RefusedError("this has neither text nor messages", where, _HINT)
    labels = _json(said.get("labels"), dict, "labels", where)
    given = {field: said[field]} if labels is None and said.get(field) is not None and field not in _TEXTUAL else labels
    groups = said.get("groups") or []
    if not isinstance(groups, list) or not all(isinstance(each, str) for each in groups):
        raise RefusedError("groups is no list of texts", where, '"groups": ["thread:17"]')
    extra = _json(said.get("extra"), dict, "extra", where) or {}
    extra |= {name: value for name, value in said.items() if name not in _OURS and name != field}
    return {
        "id": _name(said.get("id"), text, messages, where),
        "text": text or None,
        "label": None,
        "labels": to_text(given) if given else None,
        "messages": to_text(messages) if messages is not None else None,
        "source": said["source"] if isinstance(said.get("source"), str) else None,
        "groups": groups,
        "origin": to_text(_json(said.get("origin"), dict, "origin", where) or {}),
        "extra": to_text(extra) if extra else None,
    }


_TEXTUAL = ("id", "text", "messages", "source", "groups", "origin", "extra")  # no label column is called like these


def _json(value: Any, kind: type, name: str, where: str) -> Any:
    """Take JSON as it is, or as Examples have it: written in a string."""
    if value is None:
        return None
    try:
        found = orjson.loads(value) if isinstance(value, str) else value
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, kind):
        what = "list" if kind is list else "object"
        raise RefusedError(f"{name} is no {what}", where, _HINT)
    return found


def _name(given: Any, text: str, messages: Any, where: str) -> str:
    """Return an Example's own id, or that by which the line is known again."""
    if isinstance(given, str) and _ID.fullmatch(given):
        return given
    if given is not None and not isinstance(given, (str, int)):
        raise RefusedError("id is neither a text nor a whole number", where, '"id": "17"')
    return f"id\0{given}" if given is not None else f"text\0{text}\0{to_text(messages)}"
