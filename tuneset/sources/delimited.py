"""Delimited text (CSV, TSV and their kin) to cells: every row is read as written or named with its line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from tuneset.errors import InputError
from tuneset.sources import first_row, table
from tuneset.sources.encoding import MARK

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

DELIMITERS = {b",": "comma", b";": "semicolon", b"\t": "tab", b"|": "pipe"}
_NO_DELIMITER = b"\x1f"
_SAMPLE = 1 << 16
_UNCLOSED, _CLOSED_EARLY = "a quote is opened and never closed", "text follows a closing quote"
_TORN = (_UNCLOSED, _CLOSED_EARLY)
_NEWLINE, _RETURN = ord("\n"), ord("\r")


class Dialect(NamedTuple):
    """How a file separates and quotes its fields; `quote` is empty where quotes stand for themselves."""

    delimiter: bytes = b","
    quote: bytes = b'"'


class Rows(NamedTuple):
    """The rows of a delimited text, whatever way they were found."""

    cells: pl.DataFrame  # String columns "0", "1", ...
    row: pl.Series  # line on which each begins
    broken: list[table.Broken]
    blank: int  # lines with nothing on them


def read(name: str, data: bytes, encoding: str, named: Collection[str] = ()) -> table.Table:
    r"""Find out delimiter and quoting, and read every row as strings exactly as written.

    `data` is UTF-8. The first line that is not blank is the header, or data: see `first_row.judge`, also for `named`. A
    row with another number of fields than the first, a quote that is opened and not closed, a NUL byte, bytes that did
    not decode, or more than 32 MB is broken.

    >>> orders = read("orders.csv", b'id;text\n007;"a;b"\n8\n', "UTF-8")
    >>> orders.cells.rows(), orders.form
    ([('007', 'a;b')], 'semicolon-separated, UTF-8')
    >>> orders.broken.rows()
    [(3, '1 field where the first row has 2', '8')]
    """
    notes: list[str] = []
    if b"\n" not in data:  # the line ends of old Macs
        data = data.replace(b"\r", b"\n")
    if not data.endswith(b"\n"):
        data += b"\n"
    said = re.match(rb"sep=([,;\t|])\r?\n", data)  # Excel's own hint
    data = data[said.end() :] if said else data
    dialect = Dialect(said[1]) if said else _dialect(data)
    first, start, lines = _first(name, data, dialect)
    first_line = 1 + lines + bool(said)
    rows = split(data[start:], dialect, len(first), first_line)
    if _quotes_are_text(rows, dialect):
        plain = split(data[start:], dialect._replace(quote=b""), len(first), first_line)
        if not plain.broken and _wrapped(plain, dialect) <= len(rows.broken):
            rows = plain
            notes.append("quotes are taken as part of the text: the file does not use them around fields")
    if rows.blank:
        notes.append(f"{rows.blank:,} blank line{'s' if rows.blank > 1 else ''} skipped")
    header = first_row.judge(first, rows.cells, name, named)
    notes.extend(header.notes)
    if header.is_data:
        above = 1 + data[: len(data) - len(data.lstrip(b"\r\n"))].count(b"\n") + bool(said)
        rows = _with_first(rows, first, above)
    parted = len(first) > 1 and dialect.delimiter != _NO_DELIMITER  # which a text may hold, though hardly any does
    form = f"{DELIMITERS[dialect.delimiter]}-separated" if parted else "one column"
    cells = rows.cells.rename(dict(zip(rows.cells.columns, header.names, strict=True)))
    return table.Table(name, f"{form}, {encoding}", cells, rows.row, table.broken(rows.broken), tuple(notes))


def split(data: bytes, dialect: Dialect, width: int, first_line: int = 1, *, by_hand: bool = False) -> Rows:
    r"""Split text into rows of `width` fields.

    Lines that are a row on their own (seen from the places of quotes and delimiters, over all bytes at once) are read
    by Polars in one go; the few others, and all of them with `by_hand`, are read one by one. Quoting is as RFC 4180
    has it; a quote inside a field that does not begin with one stands for itself. Where a quote is never closed its
    line alone is broken, and reading goes on with the next.

    >>> split(b'a,"b\nc"\n"d,e\nf,g\n', Dialect(), 2).cells.rows()
    [('a', 'b\nc'), ('f', 'g')]
    """
    data = data if data.endswith(b"\n") or not data else data + b"\n"
    lines = _lines(data, dialect, width)
    good = np.zeros_like(lines.good) if by_hand else lines.good
    careful = _by_hand(data, lines, ~good & ~lines.blank, dialect, width)
    good &= ~careful.taken
    whole = _in_one_go(data, lines, good, dialect, width)
    line = np.concatenate([np.flatnonzero(good), np.array(careful.begins, dtype=np.int64)]).astype(np.uint32)
    both = pl.concat([whole, careful.cells]).with_columns(line=pl.Series(line + first_line, dtype=pl.UInt32))
    both = both.sort("line") if careful.begins else both
    blank = int((lines.blank & ~careful.taken).sum())
    numbered = [one._replace(row=one.row + first_line) for one in careful.broken]
    return Rows(both.drop("line"), both["line"].rename("row"), numbered, blank)


class _Lines(NamedTuple):
    start: NDArray[np.int64]
    end: NDArray[np.int64]  # of the line's "\n"
    good: NDArray[np.bool_]  # a whole row on its own, of the right number of fields
    blank: NDArray[np.bool_]


def _lines(data: bytes, dialect: Dialect, width: int) -> _Lines:
    buffer = np.frombuffer(data, dtype=np.uint8)
    end = np.flatnonzero(buffer == _NEWLINE)
    start = np.concatenate([[0], end[:-1] + 1]) if end.size else end
    length = end - start
    blank = (length == 0) | ((length == 1) & (buffer[start] == _RETURN)) if end.size else length == 0
    delimiters = np.flatnonzero(buffer == ord(dialect.delimiter))
    odd = np.zeros(end.size, dtype=np.bool_)  # lines that the rules of quoting do not explain on their own
    if dialect.quote and dialect.quote in data:
        odd, delimiters = _outside_quotes(buffer, start, end, delimiters, dialect)
    fields = np.bincount(np.searchsorted(end, delimiters), minlength=end.size) + 1
    good = ~odd & ~blank & (fields == width) & (length <= table.LONGEST)
    for mark in (rb"\x00", MARK.encode(), rb"\r(?!\n)"):  # Polars takes a lone "\r" off a field's end
        places = [found.start() for found in re.finditer(mark, data)]
        good[np.searchsorted(end, places)] = False
    return _Lines(start, end, good, blank)


def _outside_quotes(
    buffer: NDArray[np.uint8],
    start: NDArray[np.int64],
    end: NDArray[np.int64],
    delimiters: NDArray[np.int64],
    dialect: Dialect,
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Find the lines whose quotes do not pair up by the rules, and the delimiters that stand outside quotes.

    On a line every other quote opens and must follow a delimiter, the line's start or (doubled) a quote; the quotes
    between close and must stand before a delimiter, the line's end or (doubled) a quote.
    """
    quotes = np.flatnonzero(buffer == ord(dialect.quote))
    line = np.searchsorted(end, quotes)
    first = np.searchsorted(quotes, start)
    place = np.arange(quotes.size) - first[line]
    opens = place % 2 == 0
    before, after = buffer[quotes - 1], buffer[quotes + 1]  # a "\n" ends the data, so that quotes + 1 exists
    doubled_before = (place > 0) & (np.diff(quotes, prepend=-2) == 1)
    doubled_after = np.concatenate([doubled_before[1:], [False]])
    delimiter = ord(dialect.delimiter)
    at_start = (quotes == start[line]) | (before == delimiter) | doubled_before
    at_return = (after == _RETURN) & (quotes + 2 == end[line])
    at_end = (after == delimiter) | (after == _NEWLINE) | at_return | doubled_after
    odd = np.bincount(line, minlength=end.size) % 2 == 1
    odd[line[~np.where(opens, at_start, at_end)]] = True
    inside = (np.searchsorted(quotes, delimiters) - first[np.searchsorted(end, delimiters)]) % 2 == 1
    return odd, delimiters[~inside]


def _in_one_go(data: bytes, lines: _Lines, good: NDArray[np.bool_], dialect: Dialect, width: int) -> pl.DataFrame:
    schema = {str(column): pl.String for column in range(width)}
    if not good.any():
        return pl.DataFrame(schema=schema)
    if not good.all():
        length = lines.end - lines.start + 1
        buffer = np.frombuffer(data, dtype=np.uint8)
        data = buffer[np.repeat(good, length)].tobytes()
    read = pl.read_csv(
        data,
        has_header=False,
        separator=dialect.delimiter.decode(),
        quote_char=dialect.quote.decode() or None,
        schema=schema,
        infer_schema=False,
    )
    return read.with_columns(pl.all().fill_null(""))  # Polars reads an empty field as null


class _ByHand(NamedTuple):
    cells: pl.DataFrame
    begins: list[int]  # the line on which each of the cells' rows begins
    broken: list[table.Broken]
    taken: NDArray[np.bool_]  # the lines that these rows span


def _by_hand(data: bytes, lines: _Lines, suspect: NDArray[np.bool_], dialect: Dialect, width: int) -> _ByHand:
    """Read the suspect lines one by one; each may take the lines that its quotes span."""
    rows: list[list[str]] = []
    begins: list[int] = []
    broken: list[table.Broken] = []
    taken = suspect.copy()
    row = _Row(dialect)
    upto = 0
    torn = False  # the line before was broken by its quotes: the rest of its row may follow
    numbers = np.flatnonzero(suspect)
    for line, start, end in zip(
        numbers.tolist(), lines.start[numbers].tolist(), lines.end[numbers].tolist(), strict=True
    ):
        if line < upto:
            continue
        fields, stop, why = row.at(data, start, end)
        last = line if stop == end else line + data.count(b"\n", start, stop)
        if last > line and len(fields) != width and lines.good[line + 1 : last + 1].any():
            fields, stop, last, why = [], end, line, _UNCLOSED  # else it would take whole rows along
        torn = torn and line == upto
        if not why and torn and data.count(dialect.quote, start, end) % 2:
            why = "the rest of a row whose quotes do not pair up"
        torn = why in _TORN or (torn and why != "")
        if not why and len(fields) != width:
            why = f"{len(fields)} field{'s' if len(fields) > 1 else ''} where the first row has {width}"
        if why:
            broken.append(table.Broken(line, why, table.shown(data[start:stop])))
        else:
            rows.append(fields)
            begins.append(line)
        upto = last + 1
        if last > line:
            taken[line:upto] = True
    schema = {str(column): pl.String for column in range(width)}
    return _ByHand(pl.DataFrame(rows, schema=schema, orient="row"), begins, broken, taken)


class _Row:
    """Reads one row by RFC 4180 from where it begins."""

    def __init__(self, dialect: Dialect) -> None:
        quote, delimiter = re.escape(dialect.quote), re.escape(dialect.delimiter)
        self.dialect = dialect
        self.quoted = re.compile(rb"%b((?:[^%b]++|%b%b)*+)%b" % ((quote,) * 5)) if quote else None
        self.plain = re.compile(rb"[^%b\n]*?(?=%b|\r?\n)" % (delimiter, delimiter))
        self.after = re.compile(rb"%b|\r?\n" % delimiter)

    def at(self, data: bytes, start: int, line_end: int) -> tuple[list[str], int, str]:
        """Return the fields, the place of the row's line end, and why it is broken ("" where it is not)."""
        if line_end - start > table.LONGEST:
            return [], line_end, table.too_long(line_end - start)
        fields: list[bytes] = []
        place = start
        while not fields or data[place - 1] != _NEWLINE:
            field, place = self._field(data, place, start + table.LONGEST)
            if place < 0:
                return [], line_end, _UNCLOSED
            fields.append(field)
            after = self.after.match(data, place)
            if not after:
                return [], line_end, _CLOSED_EARLY
            place = after.end()
        row = data[start:place]
        why = "a NUL byte" if b"\x00" in row else ""
        why = "bytes that are not in the file's encoding" if MARK.encode() in row else why
        return [field.decode() for field in fields], place - 1, why

    def _field(self, data: bytes, place: int, limit: int) -> tuple[bytes, int]:
        quote = self.dialect.quote
        if self.quoted is None or not data.startswith(quote, place):
            found = self.plain.match(data, place)
            return (found[0], found.end()) if found else (b"", -1)
        found = self.quoted.match(data, place, limit)
        return (found[1].replace(quote * 2, quote), found.end()) if found else (b"", -1)


def _dialect(data: bytes) -> Dialect:
    """Choose the delimiter under which most of the first rows have as many fields as the header.

    A header without any delimiter is that of one column: commas in its rows are text.
    """
    sample = data if len(data) <= _SAMPLE else data[: data.rfind(b"\n", 0, _SAMPLE) + 1] or data[: data.find(b"\n") + 1]
    best, score = Dialect(_NO_DELIMITER), (0.0, 0)
    for delimiter in DELIMITERS:
        quote = b"'" if re.match(rb"\s*('[^'\n]*')(%b'[^'\n]*')+\r?\n" % re.escape(delimiter), sample) else b'"'
        dialect = Dialect(delimiter, quote)
        header, stop, _ = _first_row(sample, dialect)
        if len(header) < 2:
            continue
        rows = split(sample[stop:], dialect, len(header))
        share = len(rows.row) / max(1, len(rows.row) + len(rows.broken))
        if (share, len(header)) > score:
            best, score = dialect, (share, len(header))
    return best


def _first_row(data: bytes, dialect: Dialect) -> tuple[list[str], int, str]:
    start = len(data) - len(data.lstrip(b"\r\n"))
    fields, stop, why = _Row(dialect).at(data, start, data.find(b"\n", start))
    return fields, stop + 1, why


def _first(name: str, data: bytes, dialect: Dialect) -> tuple[list[str], int, int]:
    """Read the first row: its fields, where the next one begins, and the lines above that."""
    fields, stop, why = _first_row(data, dialect)
    if why:
        raise InputError(
            f"the first row cannot be read: {why}", f"{name}:1", "give it a header row: the columns' names"
        )
    return fields, stop, data.count(b"\n", 0, stop)


def _with_first(rows: Rows, first: list[str], line: int) -> Rows:
    """Put the first row, which is data, in front of the others."""
    cells = pl.DataFrame([first], schema=rows.cells.schema, orient="row")
    row = pl.Series("row", [line], dtype=pl.UInt32)
    return rows._replace(cells=pl.concat([cells, rows.cells]), row=pl.concat([row, rows.row]))


def _quotes_are_text(rows: Rows, dialect: Dialect) -> bool:
    """Say whether rows were broken by quotes that may be text: one is enough between tabs, three elsewhere."""
    torn = sum(one.why in _TORN for one in rows.broken)
    return torn >= (1 if dialect.delimiter == b"\t" else 3)


def _wrapped(rows: Rows, dialect: Dialect) -> int:
    """Count the cells that begin and end with a quote: where there are many, the quotes are not text."""
    quote = dialect.quote.decode()
    both = pl.all().str.starts_with(quote) & pl.all().str.ends_with(quote) & (pl.all().str.len_bytes() > 1)
    return int(rows.cells.select(both.sum()).sum_horizontal().sum())
