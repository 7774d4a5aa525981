"""Personal data: how often finds are right, on Presidio's own sentences and on generated look-alikes."""

from __future__ import annotations

import importlib
import json
import sys
from typing import TYPE_CHECKING, Any

from process import BENCH, PEERS, PYTHON, NotRunError, run
from recall import DATA
from tables import OURS, Table

if TYPE_CHECKING:
    from pathlib import Path

WAYS = (OURS, "Presidio")


def measure(out: Path) -> list[Table]:
    """Give a table for the shared sentences and one for the generated ones."""
    sys.path.append(str(BENCH / "quality"))
    personal: Any = importlib.import_module("personal")
    kinds = ["email", "card", "iban", "ip"]
    made = [row for kind in kinds for row in personal.rows(kind, personal.MAKERS[kind], 7)]
    shared = personal.shared(DATA)
    return [
        _table(
            "Personal data, Presidio's 750 sentences",
            "F1 by kind on the sentences that Presidio's own generator made; a find is right where it covers nine tenths of "
            "what is there and little else.",
            shared,
            sorted(set(personal.SHARED_KINDS.values())),
            out,
        ),
        _table(
            "Personal data among look-alikes",
            "500 of each kind, generated, and as many texts with something that only looks like it; who wrote these texts "
            "wrote our step.",
            made,
            kinds,
            out,
        ),
    ]


def _table(title: str, about: str, rows: list[Any], kinds: list[str], out: Path) -> Table:
    source, found = out / "texts.json", out / "found.json"
    source.write_text(json.dumps([row.text for row in rows]))
    ways: dict[str, dict[str, float] | str] = {}
    for way in WAYS:
        try:
            run(PYTHON if way == OURS else PEERS, BENCH / "peers" / "spans.py", way, source, found)
        except (NotRunError, FileNotFoundError) as error:
            ways[way] = str(error)
            continue
        said = json.loads(found.read_text())
        right = {f"{kind}, F1": _f1(rows, said["found"], kind) for kind in kinds}
        ways[way] = right | {"texts/s": round(len(rows) / said["seconds"])}
    more = " Presidio's names and places need a spaCy model, which cannot be had here: only what it finds by pattern is compared."
    better = {f"{kind}, F1": "more" for kind in kinds} | {"texts/s": "more"}
    return Table(title, about + more, better, ways)


def _f1(rows: list[Any], found: list[list[tuple[str, int, int]]], kind: str) -> float:
    right = wrong = missed = 0
    for row, said in zip(rows, found, strict=True):
        there = [(start, end) for each, start, end in row.spans if each == kind]
        here = [(start, end) for each, start, end in said if each == kind]
        hit = [one for one in there if any(_same(one, two) for two in here)]
        right, missed, wrong = right + len(hit), missed + len(there) - len(hit), wrong + len(here) - len(hit)
    return 2 * right / max(1, 2 * right + wrong + missed)


def _same(one: tuple[int, int], two: tuple[int, int]) -> bool:
    both = min(one[1], two[1]) - max(one[0], two[0])
    return both >= 0.9 * max(one[1] - one[0], two[1] - two[0])
