"""People's answers to findings: checked, then appended to decisions.jsonl, which nothing but people's answers enters."""

from __future__ import annotations

import contextlib
import getpass
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, get_args

import orjson

from tuneset import model
from tuneset.apply import EDITABLE
from tuneset.errors import RecipeError, unknown

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

    import polars as pl

FILE = "decisions.jsonl"
LONGEST = 1 << 24  # bytes of a line: an edit of a whole conversation


def decide(  # noqa: PLR0913
    path: Path,
    findings: pl.DataFrame,
    verdict: model.Verdict,
    *,
    after: str | None = None,
    by: str | None = None,
    why: str | None = None,
) -> list[dict[str, Any]]:
    """Answer findings alike: check that each answer can be carried out, append a line for each, return the lines.

    `findings` has the columns of model.FINDINGS, the `stage` that said each, and `labels` of its example. All lines are on
    the disk when this returns. Raises RecipeError for an answer that cannot be carried out; then nothing is written.
    """
    for row in findings.iter_rows(named=True):
        check(verdict, after, row)
    told = {
        "verdict": verdict,
        "after": after if verdict == "edit" else None,
        "by": by or getpass.getuser(),
        "why": why,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    saw = model.seen(findings)
    lines = [{"finding": finding, "saw": hashed} | told for finding, hashed in zip(findings["id"], saw, strict=True)]
    append(path / FILE, lines)
    return lines


def append(path: Path, lines: list[dict[str, Any]]) -> None:
    """Write lines behind what is there, all or none; whoever else writes waits."""
    ordered = [
        {name: line[name] for name in ("finding", "verdict", "after", "saw", "by", "why", "time")} for line in lines
    ]
    content = b"".join(orjson.dumps(line) + b"\n" for line in ordered)
    with path.open("a+b") as file, _alone(file):
        file.write(_mended(file) + content)
        file.flush()
        os.fsync(file.fileno())


def _mended(file: BinaryIO) -> bytes:
    """Cut off what a kill left of a line that was never whole; give the line end that an editor may have left out."""
    size = file.seek(0, os.SEEK_END)
    start = max(size - LONGEST, 0)
    file.seek(start)
    last = file.read().rpartition(b"\n")[2]
    if not last:
        return b""
    try:
        orjson.loads(last)
    except orjson.JSONDecodeError:
        file.truncate(size - len(last))
        return b""
    return b"\n"


@contextlib.contextmanager
def _alone(file: BinaryIO) -> Iterator[None]:
    try:
        import fcntl  # noqa: PLC0415 - not on Windows
    except ImportError:  # there two who answer at once are the user's care
        yield
        return
    fcntl.flock(file, fcntl.LOCK_EX)
    yield  # closing the file lets go of it


def check(verdict: str, after: str | None, finding: dict[str, Any]) -> None:
    """Refuse an answer that could not be carried out."""
    where = f"finding {finding['id'][:8]} ({finding['rule']})"
    if verdict not in get_args(model.Verdict):
        raise unknown("verdict", verdict, get_args(model.Verdict), "decide")
    if finding["rule"] == "unreadable-row":
        raise RecipeError("this row was never read", where, "mend its line in the source and prepare again")
    if finding["action"] == "edit" and finding["stage"] == "get" and finding["rule"] != "rewritten-answer":
        hint = f'action = "flag" in [clean.{finding["rule"]}], and prepare from the source again'
        raise RecipeError("this was hidden before anything was written", where, hint)
    if finding["rule"] == "missing-label" and verdict == "reject":
        raise RecipeError("an example without an answer cannot be kept", where, "edit it: --after gives the answer")
    if verdict == "edit":
        _check_edit(after, finding)


def _check_edit(after: str | None, finding: dict[str, Any]) -> None:
    where = f"finding {finding['id'][:8]} ({finding['field']})"
    if after is None:
        raise RecipeError("an edit needs the new value", where, "--after VALUE")
    if finding["field"] not in EDITABLE:
        raise RecipeError(f"this finding is not about {', '.join(EDITABLE)}", where, "accept or reject it")
    if finding["field"] == "/text":
        return
    try:
        value = orjson.loads(after)
    except orjson.JSONDecodeError as error:
        raise RecipeError(f"not JSON: {error}", where, """--after '{"category": "…"}'""") from error
    wanted, called = (dict, "object") if finding["field"] == "/labels" else (list, "list")
    if not isinstance(value, wanted):
        raise RecipeError("not the right shape", where, f"a JSON {called}")
    columns = orjson.loads(finding["labels"] or "{}")
    if finding["field"] == "/labels" and columns and set(value) != set(columns):
        raise RecipeError("not the label columns", where, f"a JSON object with {', '.join(columns)}")
