"""A CSV of texts and labels: what is wrong with a finished one, and a copy of it as every reader takes it."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from tuneset.errors import InputError
from tuneset.folder import whole
from tuneset.sources import formats
from tuneset.sources.encoding import decode
from tuneset.targets import rules

if TYPE_CHECKING:
    from pathlib import Path

    from tuneset.sources.table import Table
    from tuneset.targets.table import Target

RULES = {
    "empty-file": rules.RULES["empty-file"],
    "not-utf-8": rules.Rule("error", "save the file as UTF-8: --fix does"),
    "byte-order-mark": rules.Rule(
        "warning", "leave it out: some readers take it for a part of the first column's name"
    ),
    "unreadable-row": rules.Rule(
        "error", "give each row as many fields as the first, parted by commas; quote what holds a comma or a line's end"
    ),
    "empty-content": rules.Rule("error", "give the row its text, or take it out"),
}
_WHOLE = {"not-utf-8", "byte-order-mark"}  # what is put right by writing the file anew


class Mended(NamedTuple):
    """What mending did: problems that are gone, and those of the rows that are set apart."""

    apart: bool
    done: list[rules.Problem]
    left: list[rules.Problem]


def check(path: Path, target: Target) -> pl.DataFrame:
    r"""Read a CSV as the sources do, and say what its readers would refuse or misread: the columns of `rules.check`.

    The text is the column of that name, else the first. Memory: the whole file, some times over. Errors: InputError for
    a file that cannot be opened, or is no CSV.

    >>> import pathlib, tempfile
    >>> from tuneset.targets.table import TARGETS
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "train.csv"
    >>> _ = file.write_text("text,label\nWhere is it?,track\nRefund, please!,refund\n")
    >>> check(file, TARGETS["csv"]).select("line", "rule", "says").rows()
    [(3, 'unreadable-row', '3 fields where the first row has 2')]
    """
    return rules.weighed(_read(path).problems, target, RULES)


def texts(path: Path) -> list[tuple[int, str]]:
    """Give each text with its line."""
    table = _read(path).table
    return list(zip(table.row.to_list(), table.cells[_text(table)].to_list(), strict=True)) if table else []


def mend(path: Path, copy: Path, apart: Path) -> Mended:
    """Write the rows that can be read as UTF-8, parted by commas, and the lines of the others as they were."""
    read = _read(path)
    numbered = [each for each in read.problems if each[0] is not None and each[1] not in _WHOLE]
    out = {line for line, _, _ in numbered}
    cells = read.table.cells.filter(~read.table.row.is_in(list(out))) if read.table else pl.DataFrame()
    with whole(copy) as passing:
        cells.write_csv(passing)
    if out and read.table:
        with whole(apart) as passing:
            passing.write_bytes(_lines_of(read, out))
    return Mended(bool(out), [each for each in read.problems if each not in numbered and read.table], numbered)


class _Read(NamedTuple):
    problems: list[rules.Problem]
    table: Table | None  # none in an empty file
    data: bytes  # in UTF-8


def _read(path: Path) -> _Read:
    try:
        raw = path.read_bytes()
    except OSError as error:
        what = f"the file cannot be read: {error.strerror}"
        raise InputError(what, str(path), "check its name and rights") from error
    data, encoding, _ = decode(raw)
    found = list(_about_bytes(raw, encoding))
    if not data.strip():
        return _Read([*found, (None, "empty-file", "the file has no rows")], None, data)
    table = formats.parse(raw, path.name)
    form = table.form.partition(",")[0]
    if not form.endswith(("-separated", "one column")):
        raise InputError(f"this is {form}, not CSV", str(path), "leave --target out, or name the one it is for")
    return _Read([*found, *_about_rows(table)], table, data)


def _about_bytes(raw: bytes, encoding: str) -> list[rules.Problem]:
    if raw.startswith(codecs.BOM_UTF8):
        return [(1, "byte-order-mark", "the file begins with a byte-order mark")]
    return [] if encoding.startswith("UTF-8") else [(None, "not-utf-8", f"the file is {encoding}")]


def _about_rows(table: Table) -> list[rules.Problem]:
    parted = table.form.partition(",")[0]
    other = not parted.startswith(("comma", "one column"))
    whole_file: list[rules.Problem] = [(None, "unreadable-row", f"the file is {parted}")] if other else []
    if not table.cells.height:
        whole_file.append((None, "empty-file", "the file has no rows"))
    name = _text(table)
    blank = table.row.filter(table.cells[name].fill_null("").str.strip_chars() == "")
    rows = [(row, "unreadable-row", why) for row, why in table.broken.select("row", "why").iter_rows()]
    rows += [(row, "empty-content", f"{name} is empty") for row in blank.to_list()]
    return [*whole_file, *sorted(rows)]


def _text(table: Table) -> str:
    return "text" if "text" in table.cells.columns else table.cells.columns[0]


def _lines_of(read: _Read, rows: set[int | None]) -> bytes:
    """Take the lines on which some rows stand: from where each begins to where the next does."""
    data = read.data if b"\n" in read.data else read.data.replace(b"\r", b"\n")
    lines = data.removesuffix(b"\n").split(b"\n")
    begins = sorted([*(read.table.row if read.table else []), *(read.table.broken["row"] if read.table else [])])
    ends = [*begins[1:], len(lines) + 1]
    kept = [lines[start - 1 : end - 1] for start, end in zip(begins, ends, strict=True) if start in rows]
    return b"".join(line + b"\n" for each in kept for line in each)
