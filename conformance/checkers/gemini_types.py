"""Google's types of a conversation's turns and tools."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.genai import types
from lines import each_row, main

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lines import Problem


def check_row(row: Any) -> None:
    """Raise where a turn, the system's instruction or a tool has another form."""
    for turn in row["contents"]:
        types.Content.model_validate(turn)
    if "systemInstruction" in row:
        types.Content.model_validate(row["systemInstruction"])
    for tool in row.get("tools", []):
        types.Tool.model_validate(tool)


def check(path: Path) -> Iterator[Problem]:
    """Check every row."""
    yield from each_row(path, check_row, encoding="utf-8-sig")


main(check)
