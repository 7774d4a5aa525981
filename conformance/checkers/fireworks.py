"""Fireworks' rules for a file, in our own words: its validator is a page of its cookbook, on no registry.

`fireworks.py sft|dpo FILES`. As there: a message needs content even where it makes a call, the sequence of roles is judged
without the system's messages, and three rows are the least. Written from the rules of its cookbook of 2026.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from lines import Problem, each_row, main, rows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BEFORE = {"user": {None, "assistant"}, "assistant": {"user", "tool"}, "tool": {"assistant", "tool"}}
FEWEST, MOST = 3, 3_000_000


def check_messages(messages: Any) -> list[str]:
    """Raise where a conversation is refused; return the roles without the system's."""
    if not isinstance(messages, list) or not messages:
        raise ValueError("there are no messages")
    before: list[str] = []
    for place, message in enumerate(messages, 1):
        role = message.get("role")
        if role not in (*BEFORE, "system"):
            raise ValueError(f"message {place}: the role {role!r} is unknown")
        if not isinstance(message.get("content"), str | list) or not message["content"]:
            calls = " beside its tool_calls" if message.get("tool_calls") else ""
            raise ValueError(f"message {place}: there is no content{calls}")
        if role == "system":
            if before:
                raise ValueError(f"message {place}: the system speaks within the conversation")
            continue
        last = before[-1] if before else None
        if last not in BEFORE[role]:
            raise ValueError(f"message {place}: {role} cannot follow {last or 'the start'}")
        before.append(role)
    if not before:
        raise ValueError("nobody speaks but the system")
    return before


def check_sft(row: Any) -> None:
    """Raise where a row of supervised fine-tuning is refused."""
    check_messages(row.get("messages"))
    if row["messages"][-1]["role"] != "assistant":
        raise ValueError("the last message is not the assistant's")


def check_dpo(row: Any) -> None:
    """Raise where a pair is refused."""
    if check_messages(row.get("input", {}).get("messages")) != ["user"]:
        raise ValueError("input holds more than one turn of the user")
    for name in ("preferred_output", "non_preferred_output"):
        answers = row.get(name)
        if not isinstance(answers, list) or len(answers) != 1 or answers[0].get("role") != "assistant":
            raise ValueError(f"{name} is not one message of the assistant")
        if not isinstance(answers[0].get("content"), str | list) or not answers[0]["content"]:
            calls = " beside its tool_calls" if answers[0].get("tool_calls") else ""
            raise ValueError(f"{name}: there is no content{calls}")


def check(path: Path) -> Iterator[Problem]:
    """Check every row, then their number."""
    found = list(each_row(path, check_dpo if sys.argv[1] == "dpo" else check_sft))
    yield from found
    if not found and not FEWEST <= (number := sum(1 for _ in rows(path))) <= MOST:
        yield Problem(None, f"{number} rows")


main(check, sys.argv[2:])
