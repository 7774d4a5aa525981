"""JSON lines, JSON files and lists of dicts to cells: strings stay as they are, numbers as they are written."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import orjson
import polars as pl

from tuneset.errors import InputError
from tuneset.sources import table
from tuneset.sources.calls import kind_of
from tuneset.sources.encoding import MARK

_BATCH = 50_000  # rows that are Python objects at one time
_MOST_KEYS = 1_000
# An object with one of these is a row, not a wrapper around a list of rows.
_ONE_ROW = ("messages", "conversations", "conversation", "prompt", "instruction", "question")

_NO_ROW = "not an object with named values"


class _Typed(str):
    """A value that is no string, as JSON has it: a label keeps the difference, a text does not."""

    __slots__ = ()


class _Row(NamedTuple):
    number: int
    value: Any  # a dict where the row is good
    why: str = ""
    raw: str = ""


def read_lines(name: str, data: bytes, encoding: str) -> table.Table:
    r"""Read one JSON object per line; a line that is none is broken, a blank line is skipped and counted.

    >>> read_lines("a.jsonl", b'{"text": "a", "n": 1.10}\n{"text": \n', "UTF-8").cells.rows()
    [('a', '1.10')]
    """
    rows = (_from_line(number, line) for number, line in enumerate(io.BytesIO(data), 1) if not line.isspace())
    read = _table(name, f"JSON lines, {encoding}", rows, ())
    lines = data.count(b"\n") + (not data.endswith(b"\n"))
    blank = lines - len(read.row) - read.broken.height
    return read._replace(notes=(f"{blank:,} blank line{'s' if blank > 1 else ''} skipped",) if blank else ())


def read_whole(name: str, data: bytes, encoding: str) -> table.Table:
    r"""Read a JSON file: a list of objects, an object that holds one such list, an object of columns, or one object.

    >>> read_whole("a.json", b'{"version": 2, "data": [{"text": "a"}, {"text": "b"}]}', "UTF-8").cells.rows()
    [('a',), ('b',)]
    """
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        hint = (
            "correct it there, or write one object per line (JSON lines): then only the lines that are wrong are lost"
        )
        raise InputError(f"this is not JSON: {error.msg}", f"{name}:{error.lineno}:{error.colno}", hint) from error
    items, path = _items(value, name)
    if any(type(cell) is float for item in items if isinstance(item, dict) for cell in item.values()):
        written = json.loads(data, parse_float=_Typed, parse_int=_Typed)
        items = [_as_written(*pair) for pair in zip(items, _items(written, name)[0], strict=True)]
    notes = (f"the rows are under {path!r}",) if path else ()
    return _table(name, f"a JSON list, {encoding}", _numbered(items), notes)


def read_dicts(name: str, items: Iterable[Any]) -> table.Table:
    """Take rows that are in memory as dicts.

    >>> read_dicts("a list", [{"text": "a", "tags": ["x"]}]).cells.rows()
    [('a', '["x"]')]
    """
    return _table(name, "a list of dicts", map(_storable, _numbered(items)), ())._replace(in_file=False)


def is_object(line: bytes) -> bool:
    """Say whether a line is a JSON object.

    >>> is_object(b'{"a": 1}'), is_object(b"[1]")
    (True, False)
    """
    try:
        return isinstance(orjson.loads(line), dict)
    except orjson.JSONDecodeError:
        return False


def without_nulls(text: str) -> str:
    """Take out the keys without a value that a common schema adds to every object (`content` stays: it may be null).

    >>> without_nulls('[{"role": "user", "content": "a", "name": null}]')
    '[{"role":"user","content":"a"}]'
    """
    return orjson.dumps(_pruned(orjson.loads(text))).decode()


def _pruned(value: Any) -> Any:
    if isinstance(value, list):
        return [_pruned(item) for item in value]
    if isinstance(value, dict):
        return {key: _pruned(item) for key, item in value.items() if item is not None or key == "content"}
    return value


def _from_line(number: int, line: bytes) -> _Row:
    if len(line) > table.LONGEST:
        return _Row(number, None, table.too_long(len(line)), table.shown(line))
    if MARK.encode() in line:
        return _Row(number, None, "bytes that are not in the file's encoding", table.shown(line))
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return _Row(number, None, f"not JSON: {error.msg} (column {error.colno})", table.shown(line))
    if not isinstance(value, dict) or not value:
        return _Row(number, None, _NO_ROW, table.shown(line))
    if any(type(cell) is float for cell in value.values()):
        value = _as_written(value, json.loads(line, parse_float=_Typed, parse_int=_Typed))
    return _Row(number, value)


def _as_written(value: Any, written: Any) -> Any:
    """Take the numbers of an object's own keys as they are written: 1.10 is not 1.1."""
    if not isinstance(value, dict):
        return value
    return {key: written[key] if type(cell) is float else cell for key, cell in value.items()}


def _numbered(items: Iterable[Any]) -> Iterator[_Row]:
    for number, item in enumerate(items, 1):
        if isinstance(item, Mapping) and item:
            yield _Row(number, item)
        else:
            yield _Row(number, None, _NO_ROW, table.shown(str(item).encode(errors="replace")))


def _storable(row: _Row) -> _Row:
    """Turn a row from memory into strings here, where half a letter (a lone surrogate) can still be said of its row."""
    if row.why:
        return row
    cells = {str(key): None if value is None else _cell(value) for key, value in row.value.items()}
    try:
        "".join(filter(None, (*cells, *cells.values()))).encode()
    except UnicodeEncodeError:
        return _Row(row.number, None, "half a letter (a lone surrogate)", table.shown(repr(row.value).encode()))
    return row._replace(value=cells)


def _table(name: str, form: str, rows: Iterator[_Row], notes: tuple[str, ...]) -> table.Table:
    frames: list[pl.DataFrame] = []
    flags: list[pl.DataFrame] = []
    numbers: list[int] = []
    broken: list[table.Broken] = []
    while batch := list(islice(rows, _BATCH)):
        good = [row for row in batch if not row.why]
        cells, typed = _cells(name, [row.value for row in good])
        frames.append(cells)
        flags.append(typed)
        numbers.extend(row.number for row in good)
        broken.extend(table.Broken(row.number, row.why, row.raw) for row in batch if row.why)
    cells = pl.concat(frames, how="diagonal") if frames else pl.DataFrame()
    table.header(cells.columns, name)
    row = pl.Series("row", numbers, dtype=pl.UInt32)
    typed = pl.concat(flags, how="diagonal") if flags else pl.DataFrame()
    typed = typed.select(pl.col(column).fill_null(value=False) for column in typed.columns if typed[column].any())
    return table.Table(name, form, cells, row, table.broken(broken), notes, typed=typed)


def _cells(name: str, rows: list[Mapping[str, Any]]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Turn rows into columns of strings, and say which of them were none."""
    keys = dict.fromkeys(key for row in rows for key in row)
    if len(keys) > _MOST_KEYS:
        hint = "give every row the same keys; keys that hold data belong into a list of values"
        raise InputError(f"the rows have more than {_MOST_KEYS:,} different keys", name, hint)
    columns: dict[str, pl.Series] = {}
    typed: dict[str, pl.Series] = {}
    for key in keys:
        cells = [value if (value := row.get(key)) is None or type(value) is str else _cell(value) for row in rows]
        columns[str(key)] = pl.Series(cells, dtype=pl.String)
        flags = [type(cell) is _Typed for cell in cells] if _Typed in set(map(type, cells)) else [False]
        typed[str(key)] = pl.Series(flags).extend_constant(value=False, n=len(cells) - len(flags))
    return pl.DataFrame(columns), pl.DataFrame(typed)


def _cell(value: Any) -> str | None:
    if isinstance(value, (bool, np.bool_)):
        return _Typed("true" if value else "false")
    if isinstance(value, (float, np.floating)) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    if isinstance(value, (int, float, np.integer, np.floating)):
        return _Typed(value)
    if not isinstance(value, (dict, list, tuple)):
        return value if isinstance(value, str) else str(value)
    try:
        option = orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY
        return _Typed(orjson.dumps(value, default=str, option=option).decode())
    except orjson.JSONEncodeError:  # numbers beyond 64 bits
        return _Typed(json.dumps(value, default=str, ensure_ascii=False))


def _items(value: Any, name: str) -> tuple[list[Any], str]:
    """Find the list of rows in a JSON value, and the path of keys to it."""
    if isinstance(value, list):
        return value, ""
    if isinstance(value, dict) and not any(key in value for key in _ONE_ROW) and not _is_call(value):
        level: list[tuple[tuple[str, ...], dict[str, Any]]] = [((), value)]
        while level:
            inner = [((*path, key), child) for path, parent in level for key, child in parent.items()]
            lists = [(path, child) for path, child in inner if isinstance(child, list) and _has_objects(child)]
            if len(lists) > 1:
                named = " and ".join(repr("/".join(path)) for path, _ in lists[:3])
                raise InputError(f"there are several lists of rows: {named}", name, "save one list per file")
            if lists:
                return lists[0][1], "/".join(lists[0][0])
            level = [(path, child) for path, child in inner if isinstance(child, dict)]
        return _from_columns(value), ""
    if isinstance(value, dict):
        return [value], ""
    raise InputError("this JSON holds no rows", name, "it should be a list of objects, or one object per line")


def _is_call(value: dict[str, Any]) -> bool:
    """Say whether an object is one entry of a log; an export of OpenTelemetry's is a wrapper around its spans."""
    return kind_of(value) is not None and "resourceSpans" not in value


def _has_objects(value: list[Any]) -> bool:
    return any(isinstance(item, dict) for item in value)


def _from_columns(value: dict[str, Any]) -> list[Any]:
    """Turn an object of columns ({"text": ["a", "b"]}, or pandas' {"text": {"0": "a"}}) into rows; else it is a row."""
    columns = [list(column.values()) if isinstance(column, dict) else column for column in value.values()]
    even = all(isinstance(column, list) and len(column) == len(columns[0]) for column in columns)
    return [dict(zip(value, row, strict=True)) for row in zip(*columns, strict=True)] if columns and even else [value]
