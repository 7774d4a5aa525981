"""A mended copy of a finished file, and beside it what could not be mended."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import orjson
import polars as pl

from tuneset.folder import whole
from tuneset.shapes import SHAPES, told
from tuneset.shapes.row import UNREADABLE, dumps
from tuneset.targets import rules, separated
from tuneset.targets.first import USUAL, is_utf_16
from tuneset.targets.mend import fitted, unlearned
from tuneset.targets.table import TARGETS

if TYPE_CHECKING:
    from pathlib import Path

    from tuneset.targets.table import Target


_READERS = USUAL | {"preference": "azure-dpo"}  # whose answers may be several messages


class Mended(NamedTuple):
    """What mending a file did."""

    file: str
    copy: str  # rows that the target takes
    apart: str | None  # rows that could not be mended, as they were
    done: list[dict[str, Any]]  # line, rule, says
    left: list[dict[str, Any]]  # the same, of rows that could not be mended
    problems: pl.DataFrame = pl.DataFrame(schema=rules.PROBLEMS)  # what is still wrong with the copy


def mend(path: Path, wanted: Target) -> Mended:
    """Write FILE.mended.jsonl with the rows as the target takes them, and FILE.unmended.jsonl with those that cannot be.

    No line is lost: each stands in one of the two files, but for blank lines. Of a table both are CSV.
    """
    ending = "csv" if wanted.shape == "table" else "jsonl"
    copy, apart = (path.with_name(f"{path.stem}.{name}.{ending}") for name in ("mended", "unmended"))
    if wanted.shape == "table":
        return _mended_table(path, copy, apart)
    done: list[dict[str, Any]] = []
    left: list[dict[str, Any]] = []
    with (
        _opened(path, done) as file,
        whole(copy) as good,
        whole(apart) as bad,
        good.open("wb") as to,
        bad.open("wb") as aside,
    ):
        listed = rules.rows_of_list(file, path.stat().st_size)
        for number, line in enumerate(file if listed is None else listed, 1):
            written, said = _mended(line, wanted)
            if written is None and any(rule != "blank-line" for rule, _ in said):
                left += [{"line": number, "rule": rule, "says": says} for rule, says in said]
                aside.write(line.rstrip(b"\r\n") + b"\n")
                continue
            done += [{"line": number, "rule": rule, "says": says} for rule, says in said]
            if written is not None:
                to.write(written.encode() + b"\n")
    if not left:
        apart.unlink()
    return Mended(str(path), str(copy), str(apart) if left else None, done, left)


def _mended_table(path: Path, copy: Path, apart: Path) -> Mended:
    made = separated.mend(path, copy, apart)
    done, left = (
        [{"line": line, "rule": rule, "says": says} for line, rule, says in part] for part in (made.done, made.left)
    )
    return Mended(str(path), str(copy), str(apart) if made.apart else None, done, left)


def _opened(path: Path, done: list[dict[str, Any]]) -> BinaryIO:
    """Open a file; one in UTF-16 is held as UTF-8, and that is said."""
    if not is_utf_16(path):
        return path.open("rb")
    done.append({"line": None, "rule": "not-utf-8", "says": "the file is read as UTF-16 and written as UTF-8"})
    return io.BytesIO(path.read_bytes().decode("utf-16", errors="replace").encode())


def _mended(line: bytes, wanted: Target) -> tuple[str | None, list[tuple[str, str]]]:
    """Give a line as the target takes it, None where it cannot be, and what was done or why not."""
    said: list[tuple[str, str]] = []
    if not line.strip():
        return None, [("blank-line", "a blank line is left out")]
    if line.startswith(b"\xef\xbb\xbf"):
        line, said = line[3:], [("byte-order-mark", "the byte-order mark is left out")]
    try:
        text = line.decode()
    except UnicodeDecodeError:
        text = line.decode("cp1252", errors="replace")
        said.append(("not-utf-8", "read as Windows-1252 and written as UTF-8"))
    try:
        raw = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return None, [("not-json", f"{error.msg}, at character {error.pos + 1} of the line")]
    written, more = _fitted(raw, wanted)
    return (text.strip() if written == dumps(raw) and not more else written), [*said, *more]


def _fitted(raw: Any, wanted: Target) -> tuple[str | None, list[tuple[str, str]]]:
    """Write a row of any shape as the target takes it, None where it cannot be, and say what was done or why not."""
    name = wanted.shape if isinstance(raw, dict) and raw.keys() >= SHAPES[wanted.shape].KEYS else told(raw)
    if name is None:
        return None, [("no-messages", "this is no row of a known shape")]
    said: list[tuple[str, str]] = []
    if name != wanted.shape:
        said = [("no-messages", f"read as {SHAPES[name].NAME}")]
    shape, reader = SHAPES[name], wanted if name == wanted.shape else TARGETS[_READERS.get(name, "chat")]
    wrong = [each for each in shape.problems(raw, reader) if each[0] in UNREADABLE]
    if wrong:
        return None, wrong
    row = shape.read(raw, reader)
    fit = fitted(row, wanted)
    if fit.row is None:
        return None, list(fit.said)
    written = SHAPES[wanted.shape].write(fit.row, wanted)
    done = [*said, *fit.said, *(unlearned(row, fit.row, wanted) if name != wanted.shape else ())]
    return dumps(written), [*done, *_written_anew(raw, written, wanted, {rule for rule, _ in done})]


def _written_anew(raw: Any, written: Any, wanted: Target, told: set[str]) -> list[tuple[str, str]]:
    """Say what was wrong with a row only in how it was written, and no longer is."""
    if written == raw or "no-messages" in told:
        return []
    before, after = (dict(rules.problems(row, wanted)) for row in (raw, written))
    gone = before.keys() - after.keys() - told
    return [(rule, f"put right: {says}") for rule, says in before.items() if rule in gone]
