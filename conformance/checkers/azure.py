"""Azure's checks of a file, in our own words: Microsoft's scripts are in a repository, on no registry.

`azure.py sft|dpo|rft FILES`. Written from what those scripts are known to catch (a line that is not JSON, a byte-order mark,
an unknown role, missing content, a row without user or assistant, outputs without an assistant, a reinforcement row whose
last message is not the user's) and to miss (an empty file, the last message, weights, nulls, the number of rows).
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from lines import Problem, each_row, main

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROLES = {"system", "developer", "user", "assistant", "tool", "function"}


def check_messages(messages: Any, name: str = "messages") -> list[str]:
    """Raise where a list of messages is refused; return the roles."""
    if not isinstance(messages, list) or not messages:
        raise ValueError(f"{name} is no list of messages")
    for place, message in enumerate(messages, 1):
        if message.get("role") not in ROLES:
            raise ValueError(f"{name}: message {place} has the role {message.get('role')!r}")
        if "content" not in message and not message.get("tool_calls") and not message.get("function_call"):
            raise ValueError(f"{name}: message {place} has no content")
    return [message["role"] for message in messages]


def check_sft(row: Any) -> None:
    """Raise where a row of supervised fine-tuning is refused."""
    if missing := {"user", "assistant"} - set(check_messages(row.get("messages"))):
        raise ValueError(f"there is no message of the {min(missing)}")


def check_dpo(row: Any) -> None:
    """Raise where a pair is refused."""
    check_messages(row.get("input", {}).get("messages"), "input")
    for name in ("preferred_output", "non_preferred_output"):
        roles = check_messages(row.get(name), name)
        if "assistant" not in roles or set(roles) - {"assistant", "tool"}:
            raise ValueError(f"{name} is not the assistant's")


def check_rft(row: Any) -> None:
    """Raise where a prompt to grade is refused."""
    if check_messages(row.get("messages"))[-1] != "user":
        raise ValueError("the last message is not the user's")


CHECKS = {"sft": check_sft, "dpo": check_dpo, "rft": check_rft}


def check(path: Path) -> Iterator[Problem]:
    """Check every row; an empty file is let pass, as there."""
    yield from (each for each in each_row(path, CHECKS[sys.argv[1]]) if each.line is not None)


main(check, sys.argv[2:])
