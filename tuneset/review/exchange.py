"""A review goes out to Label Studio, Argilla or a sheet, and what people answered there comes back as decisions."""

from __future__ import annotations

import codecs
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from tuneset.errors import RecipeError, unknown, way_out
from tuneset.folder import whole
from tuneset.review import argilla, label_studio, queue, sheet
from tuneset.review.decisions import FILE, append
from tuneset.review.items import gather, named
from tuneset.review.meant import outcomes
from tuneset.review.queue import EVERYTHING, Filters

if TYPE_CHECKING:
    from pathlib import Path

    from tuneset.dataset import Dataset
    from tuneset.review.items import Read, Said
    from tuneset.review.meant import Outcome, Verdict
    from tuneset.review.queue import Queue

TOOLS = {"label-studio": label_studio, "argilla": argilla, "csv": sheet}
CALLED = {"label-studio": "Label Studio", "argilla": "Argilla", "csv": "CSV sheet"}
LARGEST = 1 << 30  # bytes of a file that comes back
NAMED = 20  # findings whose answers are told of each kind
NO_DOUBT = f"give the tool that wrote it: {', '.join(TOOLS)}"
SAYS = {
    "stale": "changed since they went out: the answers are not taken",
    "unknown": "this run does not have: another run's, or gone since it was prepared again",
    "conflicting": "on which people disagree: nothing is decided",
    "refused": "whose answer cannot be carried out",
    "again": "taken before: nothing is added",
}


@dataclass(frozen=True)
class Exported:
    """What went out: how many findings, and the files, that for the tool's own import first."""

    count: int
    files: tuple[Path, ...]


class Taken(NamedTuple):
    """What came back: each finding of the file is counted once, under what became of it."""

    answered: int  # decided now
    unanswered: int  # skipped, or nobody has looked at it
    stale: int  # answered, but it has changed since it went out
    unknown: int  # not of this run, or not said any more
    conflicting: int  # people disagree
    by: dict[str, int]  # the answers that were written, of each person
    says: tuple[str, ...]
    refused: int = 0  # answered, but the answer cannot be carried out
    again: int = 0  # answered, and taken before


def export(queue: Queue, path: Path, tool: str, filters: Filters = EVERYTHING, limit: int = 0) -> Exported:
    """Write what waits for an answer as a tool imports it: one item for each finding, worth most first.

    `tool`: label-studio (tasks, and the labeling interface beside them), argilla (records, and the settings of the
    dataset beside them) or csv. `limit`: no more than so many; 0 for all. 20,000 findings take two seconds.
    """
    if tool not in TOOLS:
        raise unknown("tool", tool, TOOLS, str(path))
    items = gather(queue, filters, limit)
    contents = TOOLS[tool].write(items, path)
    for name, content in contents.items():
        with whole(name) as passing:
            passing.write_bytes(content)
    return Exported(items.rows.height, tuple(contents))


def take(run: Dataset, path: Path, tool: str | None = None) -> Taken:
    """Take the answers in a file that came back, and append a decision for each: all of them or, if killed, none.

    `tool` is found out from the file where it is not given. Answers to what has changed since it went out, on which
    people disagree (with each other, or with a decision of the run), or which cannot be carried out, are counted and
    said, not taken. Of several answers of one person the last counts. The same file taken twice adds nothing. Raises
    RecipeError for a file that is not what the tool exports, or is larger than 1 GB.
    """
    if tool is not None and tool not in TOOLS:
        raise unknown("tool", tool, TOOLS, str(path))
    content = _content(path)
    tool = tool or _tool(content, path)
    asked = queue.read(run)
    try:
        read = TOOLS[tool].read(content, str(path), asked)
    except orjson.JSONDecodeError as error:
        raise RecipeError(f"not JSON: {error}", str(path), "check that the export finished") from error
    return record(run, asked, read, CALLED[tool])


def record(run: Dataset, asked: Queue, read: Read, called: str) -> Taken:
    """Append a decision for each answer that counts, and say what became of every finding; `called` is the tool."""
    found = outcomes(read, asked, run.folder.decisions())
    lines = [_line(each, called) for outcome in found.values() for each in outcome.new]
    if lines:
        append(run.path / FILE, lines)
    return _taken(found, lines, read.notes)


def _content(path: Path) -> bytes:
    try:
        if path.stat().st_size > LARGEST:
            hint = "take it in parts: export the answers of fewer findings"
            raise RecipeError("more than 1 GB is too much for a review", str(path), hint)
        return path.read_bytes().removeprefix(codecs.BOM_UTF8)
    except OSError as error:
        raise RecipeError(f"this cannot be read: {error.strerror}", str(path), way_out(error)) from error


def _tool(content: bytes, path: Path) -> str:
    """Find out what has written a file."""
    if content.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise RecipeError("this is a workbook or a zip file", str(path), "save the sheet as CSV; unpack the export")
    if content.lstrip()[:1] in (b"[", b"{"):
        return _of_json(content, path)
    rows = sheet.rows(content, str(path))
    if rows and label_studio.is_export(rows[0]):
        return "label-studio"
    if rows and sheet.is_sheet(list(rows[0])):
        return "csv"
    raise RecipeError("this is no review that came back", str(path), NO_DOUBT)


def _of_json(content: bytes, path: Path) -> str:
    try:
        loaded = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise RecipeError(f"not JSON: {error}", str(path), "check that the export finished") from error
    first = (loaded or [None])[0] if isinstance(loaded, list) else loaded
    fits = [name for name, each in (("label-studio", label_studio), ("argilla", argilla)) if each.is_export(first)]
    if len(fits) != 1:
        raise RecipeError("this is no review that came back", str(path), NO_DOUBT)
    return fits[0]


def _line(answer: tuple[Said, Verdict], called: str) -> dict[str, Any]:
    said, (verdict, after) = answer
    return {
        "finding": said.finding,
        "verdict": verdict,
        "after": after,
        "saw": said.saw,
        "by": said.by,
        "why": f"{called}: {said.note}" if said.note else called,
        "time": said.time or datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _taken(found: dict[str, Outcome], lines: list[dict[str, Any]], notes: tuple[str, ...]) -> Taken:
    kinds: dict[str, list[str]] = defaultdict(list)
    for finding, outcome in found.items():
        kinds[outcome.kind].append(finding)
    says = [f"{named(kinds[kind])} {words}" for kind, words in SAYS.items() if kinds[kind]]
    for kind in ("conflicting", "refused", "answered"):
        detailed = [finding for finding in kinds[kind] if found[finding].says]
        says += [f"{finding[:8]}: {found[finding].says}" for finding in detailed[:NAMED]]
    counts = {kind: len(kinds[kind]) for kind in ("answered", "unanswered", "stale", "unknown", "conflicting")}
    by = dict(Counter(line["by"] for line in lines))
    return Taken(**counts, by=by, says=(*says, *notes), refused=len(kinds["refused"]), again=len(kinds["again"]))
