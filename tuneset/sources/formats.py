"""What a file is, by its bytes and not its name: Parquet, Arrow, Excel, JSON or delimited text; and its rows as cells."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from tuneset.errors import InputError
from tuneset.sources import delimited, first_row, json_rows, stackexchange, table, unpack
from tuneset.sources.encoding import decode

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

_HEAD = 1 << 20
_PACKED = (".gz", ".zst", ".zstd", ".bz2", ".xz")
EXPECTED = {
    **dict.fromkeys((".csv", ".tsv", ".tab"), "separated"),
    **dict.fromkeys((".json", ".jsonl", ".ndjson"), "JSON"),
    ".parquet": "Parquet",
    **dict.fromkeys((".arrow", ".feather", ".ipc"), "Arrow"),
    **dict.fromkeys((".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"), "Excel"),
}
_FOREIGN = (  # what people give by mistake, by its first bytes
    (b"%pdf", "this is a PDF file, not a table", "save the table in it as CSV"),
    (b"<!doctype html", "this is a web page, not a table", "download the file behind it (its raw form), not the page"),
    (b"<html", "this is a web page, not a table", "download the file behind it (its raw form), not the page"),
    (b"warc/", "this is a WARC file of pages, not a table", "tuneset scrape FILE --out pages, then prepare pages"),
    (b"<?xml", "this is XML, which is not read but for Posts.xml of Stack Exchange", "save it as CSV or JSON lines"),
    (b"version https://git-lfs", "this is a Git LFS pointer, not the file itself", "run: git lfs pull"),
    (
        b"sqlite format 3",
        "this is an SQLite database, which is not read",
        "export the table: sqlite3 -csv -header FILE",
    ),
    (b"{\\rtf", "this is a text document (RTF), not a table", "save the table in it as CSV"),
)


def parse(raw: bytes, name: str, named: Collection[str] = ()) -> table.Table:
    r"""Read the bytes of one unpacked file; `named` are the columns that the user names.

    >>> parse(b"text|label\na|b\n", "a.csv").form
    'pipe-separated, UTF-8'
    """
    read = _binary(raw, name, named) or _text(raw, name, named)
    suffix = _suffix(name)
    expected = EXPECTED.get(suffix, "")
    if expected in read.form or (expected == "separated" and read.form.startswith("one column")):
        return read
    return read._replace(notes=(f"it is named {suffix} and is not {expected}: read as what it is", *read.notes))


def _suffix(name: str) -> str:
    path = Path(name)
    return Path(path.stem if path.suffix.lower() in _PACKED else path.name).suffix.lower()


def _binary(raw: bytes, name: str, named: Collection[str]) -> table.Table | None:
    """Read a file whose first bytes say what it is; None for text."""
    if stackexchange.is_dump(raw[:1000]):
        return stackexchange.read(name, io.BytesIO(raw))
    head = raw[:40].lstrip().lower()
    for magic, what, hint in _FOREIGN:
        if head.startswith(magic):
            raise InputError(what, name, hint)
    if raw.startswith(b"PAR1"):
        return _frame(name, "Parquet", pl.read_parquet, raw)
    if raw.startswith(b"ARROW1"):
        return _frame(name, "Arrow", pl.read_ipc, raw)
    if raw.startswith(b"\xff\xff\xff\xff"):
        return _frame(name, "Arrow", pl.read_ipc_stream, raw)
    if raw.startswith(b"PK\x03\x04"):
        parts = unpack.check_zip(raw, name)
        if any(part.startswith("xl/") for part in parts) or "content.xml" in parts:
            return _excel(name, raw, named)
        hint = "save the table in it as CSV" if "word/document.xml" in parts else "unpack it and give the files in it"
        raise InputError("this is a zip file or an office document, not a table", name, hint)
    return _excel(name, raw, named) if raw.startswith(b"\xd0\xcf\x11\xe0") else None


def _text(raw: bytes, name: str, named: Collection[str]) -> table.Table:
    data, encoding, _ = decode(raw)
    if not data.strip():
        raise InputError("this file is empty", name, "check that the export or download finished")
    head = data[: 1 << 16]
    odd = sum(head.count(code) for code in range(32) if code not in b"\t\n\v\f\r\x1b")
    if odd * 20 > len(head):  # text has none; one byte in eight of packed or encrypted data is one
        raise InputError("this is not a text file or a table", name, f"it should be one of {', '.join(EXPECTED)}")
    return _json(data, name, encoding) or delimited.read(name, data, encoding, named)


def _json(data: bytes, name: str, encoding: str) -> table.Table | None:
    """Read JSON, as lines where the first line is an object of its own or most are; None where it is something else."""
    head = data if len(data) <= _HEAD else data[: data.rfind(b"\n", 0, _HEAD) + 1]
    lines = [line for line in io.BytesIO(head) if not line.isspace()][:100]
    objects = [json_rows.is_object(line) for line in lines]
    named = EXPECTED.get(_suffix(name)) == "JSON"
    opens = data.lstrip()[:1] in (b"{", b"[")
    if not opens and not (named and any(objects)):
        return None
    if b"\n" in data.strip() and (objects[:1] == [True] or 2 * sum(objects) >= max(1, len(lines))):
        return json_rows.read_lines(name, data, encoding)
    if named:
        return json_rows.read_whole(name, data, encoding)
    try:
        return json_rows.read_whole(name, data, encoding)
    except InputError:
        return None  # a table whose first cell begins with a bracket


def _frame(name: str, form: str, read: Callable[[io.BytesIO], pl.DataFrame], raw: bytes) -> table.Table:
    try:
        return columnar(name, read(io.BytesIO(raw)), form)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise InputError(f"this {form} file is cut off or damaged", name, "copy or download it again") from error


def _excel(name: str, raw: bytes, named: Collection[str]) -> table.Table:
    import fastexcel  # noqa: PLC0415  6 ms that other files need not pay

    try:
        book = fastexcel.read_excel(raw)
        sheet = book.load_sheet(0, header_row=None, dtypes="string").to_polars()
    except fastexcel.FastExcelError as error:
        raise InputError(
            "this Excel file is cut off, damaged or locked", name, "open it, save it again without a password"
        ) from error
    if not sheet.height:
        raise InputError(
            "the first sheet is empty", f"{name}, sheet {book.sheet_names[0]!r}", "move the table to the first sheet"
        )
    header = first_row.judge([cell or "" for cell in sheet.row(0)], sheet.slice(1), name, named)
    names = dict(zip(sheet.columns, header.names, strict=True))
    numbers = pl.Series("row", range(1, sheet.height + 1), dtype=pl.UInt32)
    start = 0 if header.is_data else 1
    is_filled = sheet.select(pl.any_horizontal(pl.all().is_not_null())).to_series().slice(start)
    filled, row = sheet.rename(names).slice(start).filter(is_filled), numbers.slice(start).filter(is_filled)
    notes = [f"{blank:,} blank rows skipped"] if (blank := len(is_filled) - filled.height) else []
    notes.extend(header.notes)
    if len(book.sheet_names) > 1:
        notes.append(f"only the first of {len(book.sheet_names)} sheets is read: {book.sheet_names[0]}")
    return table.Table(name, "Excel", filled, row, table.broken([]), tuple(notes))


def columnar(name: str, frame: pl.DataFrame, form: str) -> table.Table:
    """Write every column as text: lists and objects as JSON, without the nulls that a common schema brings.

    Numbers, true and false are text, too, and `typed` says so; what JSON cannot write (dates, decimals, infinity) is
    text like any other, and no number at all (NaN) is nothing.
    """
    table.header(frame.columns, name)
    columns = []
    for column in frame.iter_columns():
        try:
            columns.append(_as_text(column))
        except pl.exceptions.PolarsError as error:
            what = f"column {column.name!r} cannot be written as text ({column.dtype})"
            raise InputError(what, name, "leave the column out, or turn it into text first") from error
    row = pl.Series("row", range(1, frame.height + 1), dtype=pl.UInt32)
    typed = [_is_typed(column) for column in frame.iter_columns() if _has_type(column.dtype)]
    return table.Table(name, form, pl.DataFrame(columns), row, table.broken([]), typed=pl.DataFrame(typed))


def _has_type(kind: pl.DataType) -> bool:
    return kind == pl.Boolean or kind.is_integer() or kind.is_float() or kind.is_nested()


def _is_typed(column: pl.Series) -> pl.Series:
    return (column.is_finite() if column.dtype.is_float() else column.is_not_null()).fill_null(value=False)


def _as_text(column: pl.Series) -> pl.Series:
    if column.dtype.is_float():
        column = column.fill_nan(None)
    if not column.dtype.is_nested():
        return column.cast(pl.String)
    text = pl.select(pl.struct(v=column).struct.json_encode().str.slice(5).str.head(-1)).to_series()
    text = pl.select(pl.when(column.is_not_null()).then(text)).to_series().alias(column.name)
    with_null = text.filter(text.str.contains(":null", literal=True).fill_null(False)).unique()
    return text.replace(with_null, pl.Series([json_rows.without_nulls(value) for value in with_null], dtype=pl.String))
