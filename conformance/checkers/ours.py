"""Our own answer beside a maker's: tuneset as it lies in this repository, and the rows of chat of a file."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lines import Problem

sys.path.insert(0, str(Path(__file__).parents[2]))

from tuneset.targets import TARGETS, check

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CHAT = TARGETS["chat"]


def chat_rows(path: Path) -> list[tuple[int, Any]]:
    """Read the rows of a file that our check lets pass as chat; the others have no answer to compare."""
    found = check(path, CHAT)
    refused = set(found.filter(found["severity"] == "error")["line"])
    lines = enumerate(path.read_bytes().splitlines(), 1)
    passed = [(number, line) for number, line in lines if line.strip() and not refused & {None, number}]
    return [(number, json.loads(line.decode("utf-8-sig"))) for number, line in passed]


def compared(rows: list[tuple[int, Any]], differences: Callable[[Any], Iterator[str]]) -> Iterator[Problem]:
    """Say of each row where the maker's answer is not ours."""
    for number, row in rows:
        yield from (Problem(number, says) for says in differences(row))
