"""Anthropic's types of a request's messages and tools."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anthropic.types import MessageParam, TextBlockParam, ToolParam
from lines import each_row, main
from pydantic import TypeAdapter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lines import Problem

MESSAGES, TOOLS = TypeAdapter(list[MessageParam]), TypeAdapter(list[ToolParam])
SYSTEM = TypeAdapter(str | list[TextBlockParam])


def check_row(row: Any) -> None:
    """Raise where the messages, the system's text or the tools have another form."""
    for message in MESSAGES.validate_python(row["messages"]):
        if not isinstance(message["content"], str):
            list(message["content"])  # an iterable is checked as it is walked
    if "system" in row:
        SYSTEM.validate_python(row["system"])
    TOOLS.validate_python(row.get("tools", []))


def check(path: Path) -> Iterator[Problem]:
    """Check every row."""
    yield from each_row(path, check_row, encoding="utf-8-sig")


main(check)
