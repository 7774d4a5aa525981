"""What was sent where: one line a file or part, appended when the service has said yes, so that a kill costs one part at most."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson

from tuneset.errors import RunError, way_out
from tuneset.folder import INSIDE

if TYPE_CHECKING:
    from pathlib import Path

NAME = "published.jsonl"


def path(run: Path) -> Path:
    """Return where the ledger of a run is."""
    return run / INSIDE / NAME


def lines(run: Path) -> list[dict[str, Any]]:
    """Read the ledger, oldest first; a line that a kill cut off says nothing."""
    try:
        raw = path(run).read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise RunError(f"the ledger cannot be read: {error.strerror}", str(path(run)), way_out(error)) from error
    found = []
    for line in raw.splitlines():
        try:
            each = orjson.loads(line)
        except orjson.JSONDecodeError:
            continue
        if isinstance(each, dict):
            found.append(each)
    return found


def append(run: Path, line: dict[str, Any]) -> dict[str, Any]:
    """Append a line with the time, and be sure that it is on the disk; return it."""
    dated = line | {"time": datetime.now(UTC).isoformat(timespec="seconds")}
    file = path(run)
    try:
        before = file.read_bytes()[-1:] if file.exists() else b"\n"
        with file.open("ab") as opened:
            opened.write((b"" if before in (b"", b"\n") else b"\n") + orjson.dumps(dated) + b"\n")
            opened.flush()
            os.fsync(opened.fileno())
    except OSError as error:
        raise RunError(f"the ledger cannot be written: {error.strerror}", str(file), way_out(error)) from error
    return dated


def of(run: Path, kind: str, *, url: str, file: str, sha256: str) -> list[dict[str, Any]]:
    """Return the lines of one kind (sent, begun, part) about one file, as it is, at one address."""
    wanted = {"kind": kind, "url": url, "file": file, "sha256": sha256}
    return [line for line in lines(run) if wanted.items() <= line.items()]
