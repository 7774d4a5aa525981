"""A review as a CSV sheet: findings to rows that a spreadsheet cannot take for formulas, and the rows back."""

from __future__ import annotations

import contextlib
import csv
import getpass
import io
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
import polars as pl

from tuneset.errors import RecipeError
from tuneset.review.items import Read, Said, items, named, told, word, words
from tuneset.sources.encoding import decode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tuneset.review.items import Column, Items
    from tuneset.review.queue import Queue

SHOWN = ("rule", "says", "text", "before", "after")
LABEL = "label: "  # stands before the name of a label column
ASKED = ("verdict", "edit", "by", "note")
SEPARATORS = ",;\t"
# What a spreadsheet computes (https://owasp.org/www-community/attacks/CSV_Injection; the wide signs where Japanese is
# written), and what it reads as a number, a date or a truth and writes back in another way: 007, 1e5, 1-2, true.
_TAKEN = re.compile(
    r"'*(?:[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]|[\d.][\d.,:/%eE+\- ]*\Z|(?:true|false)\Z)", re.IGNORECASE
)


def cell(value: str | None) -> str:
    """Write a value so that a spreadsheet takes it for text: with an apostrophe, where it would not.

    >>> cell("=1+1"), cell("007"), cell("'tis"), cell("'=1")
    ("'=1+1", "'007", "'tis", "''=1")
    """
    plain = (value or "").replace("\x00", "\ufffd")  # spreadsheets end a cell there
    return f"'{plain}" if _TAKEN.match(plain) else plain


def value(written: str) -> str:
    """Read back what `cell` has written, exactly.

    >>> [value(cell(each)) for each in ("=1+1", "007", "'tis", "'=1")]
    ['=1+1', '007', "'tis", "'=1"]
    """
    return written[1:] if written.startswith("'") and _TAKEN.match(written) else written


def write(items: Items, path: Path) -> dict[Path, bytes]:
    """Write a row for each finding; what a person fills in are the label columns, verdict, edit, by and note."""
    labels = [each.name for each in items.columns]
    content = io.StringIO(newline="")
    rows = csv.writer(content, lineterminator="\r\n")
    rows.writerow(["id", "saw", *SHOWN, *(LABEL + name for name in labels), "twin", "twin's label", *ASKED])
    for row in items.rows.iter_rows(named=True):
        twin = row["twins"][0] if row["twins"] else {"text": "", "labels": None}
        shown = [row["id"], row["saw"], *(row[name] for name in SHOWN), *(_labels(row, each) for each in items.columns)]
        rows.writerow([*map(cell, [*shown, twin["text"], told(twin["labels"])]), "", "", "", ""])
    return {path: content.getvalue().encode("utf-8-sig")}  # without the mark Excel takes it for Windows-1252


def _labels(row: dict[str, Any], column: Column) -> str:
    own = words(row["labels"], column.name)
    return orjson.dumps(own).decode() if column.several and own else "".join(own)


def rows(content: bytes, where: str) -> list[dict[str, str]]:
    """Read a sheet as spreadsheets write it: comma, semicolon or tab, any encoding, short rows and empty columns."""
    data = decode(content).data
    said = re.match(rb"sep=[,;\t]\r?\n", data)  # Excel's own hint
    text = data[said.end() if said else 0 :].decode()
    separator = _separator(text, where)
    read = [row for row in _split(text, separator, where) if any(row)]
    names = [each.strip() for each in read[0]] if read else []
    return [dict(zip(names, [*row, *[""] * (len(names) - len(row))], strict=False)) for row in read[1:]]


def _separator(text: str, where: str) -> str:
    """Find out the separator: that which parts the first line into names of which one is verdict."""
    for each in SEPARATORS:
        with contextlib.suppress(RecipeError):
            if "verdict" in (name.strip() for name in next(_split(text, each, where), [])):
                return each
    return SEPARATORS[0]


def _split(text: str, separator: str, where: str) -> Iterator[list[str]]:
    longest = csv.field_size_limit(len(text) + 1)  # of the whole process; a text may be longer than its 131,072
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        yield from reader
    except csv.Error as error:
        hint = "save it again as CSV from a spreadsheet: a quote may have been lost in an editor"
        raise RecipeError(f"this is no CSV: {error}", f"{where}:{reader.line_num}", hint) from error
    finally:
        csv.field_size_limit(longest)


def is_sheet(names: list[str]) -> bool:
    """Say whether these are the columns of a sheet that we wrote."""
    return {"id", "saw", "verdict"} <= set(names)


def read(content: bytes, where: str, queue: Queue) -> Read:
    """Read the answers of a sheet; the texts in it are only shown, and what was changed in them is not taken."""
    filled = rows(content, where)
    if not filled or not is_sheet(list(filled[0])):
        what = "these are not the columns of a review" if filled else "there is no row in it"
        raise RecipeError(what, where, "the columns id, saw and verdict are needed as they were; others may go")
    ids = [_id(row["id"]) for row in filled]
    there = items(queue, queue.findings.filter(pl.col("id").is_in(ids)))
    shown = {row["id"]: row for row in there.rows.iter_rows(named=True)}
    known = {each.name: _Known.of(each) for each in there.columns}
    said = [_said(row, shown.get(each, {}), known) for each, row in zip(ids, filled, strict=True)]
    return Read(ids, said, _changed(filled, shown))


def _said(row: dict[str, str], shown: dict[str, Any], known: dict[str, _Known]) -> Said:
    labels, doubt = _labelled(row, known)
    now = shown.get("labels")
    if doubt or all(set(chosen) == set(words(now, name)) for name, chosen in labels.items()):
        labels = {}  # as they were
    return Said(
        finding=_id(row["id"]),
        saw=_id(row["saw"]),
        verdict=row["verdict"].strip().lower(),
        labels=labels,
        edit=value(row.get("edit", "")),
        by=value(row.get("by", "")).strip() or getpass.getuser(),
        note=value(row.get("note", "")).strip(),
        doubt=doubt,
    )


def _labelled(row: dict[str, str], known: dict[str, _Known]) -> tuple[dict[str, list[str]], str]:
    """Return what stands in the label columns of a row, and what of it no example has."""
    labels: dict[str, list[str]] = {}
    for name, written in row.items():
        column = name.removeprefix(LABEL)
        if not name.startswith(LABEL) or not written.strip():
            continue
        if column not in known:
            return {}, f"no label column is {column!r}"
        chosen, strange = _chosen(written, known[column])
        if strange:
            return {}, f"no example has the label {strange!r}: with edit, as JSON, it is taken"
        labels[column] = chosen
    return labels, ""


class _Known(NamedTuple):
    """The labels that a column may have, also as a spreadsheet may have changed them."""

    exact: frozenset[str]
    folded: dict[str, list[str]]
    number: dict[float, list[str]]

    @classmethod
    def of(cls, column: Column) -> _Known:
        folded: dict[str, list[str]] = {}
        number: dict[float, list[str]] = {}
        for each in column.values:
            folded.setdefault(_seen(each).casefold(), []).append(each)
            if (read := _number(each)) is not None:
                number.setdefault(read, []).append(each)
        return cls(frozenset(column.values), folded, number)

    def find(self, written: str) -> str | None:
        """Return the label that a cell means: TRUE for true, 7 for 007, where there is only one such label."""
        if written in self.exact:
            return written
        near = self.folded.get(_seen(written).casefold()) or self.number.get(_number(written) or float("nan"), [])
        return near[0] if len(near) == 1 else None


def _number(written: str) -> float | None:
    with contextlib.suppress(ValueError):
        return float(written)
    return None


def _chosen(written: str, known: _Known) -> tuple[list[str], str]:
    """Return the labels of a cell, and the first that is not known."""
    plain = value(written)
    listed = _list(plain) if plain not in known.exact else None
    found = {each: known.find(each) for each in ([plain] if listed is None else listed)}
    return [each for each in found.values() if each], next((each for each, label in found.items() if not label), "")


def _list(written: str) -> list[str] | None:
    """Read a list of labels (JSON)."""
    with contextlib.suppress(orjson.JSONDecodeError):
        if isinstance(read := orjson.loads(written), list):
            return [word(each) for each in read]
    return None


def _id(written: str) -> str:
    return written.strip().lstrip("'")


def _changed(filled: list[dict[str, str]], shown: dict[str, dict[str, Any]]) -> tuple[str, ...]:
    """Name the rows in which somebody has changed what is only shown."""
    changed = dict.fromkeys(
        there["id"]
        for row in filled
        if (there := shown.get(_id(row["id"]))) and there["saw"] == _id(row["saw"])
        for name in SHOWN
        if name in row and _seen(value(row[name])) != _seen(there[name] or "")
    )
    return (f"what is only shown was changed in {named(list(changed))}: it is not taken",) if changed else ()


def _seen(text: str) -> str:
    """Leave out what spreadsheets change on their own: line ends, and space at the ends."""
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "\ufffd").strip()
