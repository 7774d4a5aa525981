"""Cohere: messages whose roles are System, User and Chatbot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuneset.shapes import chat

if TYPE_CHECKING:
    from tuneset.shapes.row import Row
    from tuneset.targets.table import Target

NAME = "Cohere"
KEYS = frozenset({"messages"})
FORMS = chat.FORMS | {"unknown-role": "System, User and Chatbot"}
_ROLES = {"system": "System", "user": "User", "assistant": "Chatbot"}
_BACK = {name: role for role, name in _ROLES.items()}

problems = chat.problems


def read(raw: Row, target: Target) -> Row:
    """Give the roles the names of chat.

    >>> from tuneset.targets.table import TARGETS
    >>> read({"messages": [{"role": "Chatbot", "content": "a"}]}, TARGETS["cohere"])
    {'messages': [{'role': 'assistant', 'content': 'a'}]}
    """
    del target
    return raw | {"messages": [_named(message, _BACK) for message in raw["messages"]]}


def write(row: Row, target: Target) -> Row:
    """Give the roles Cohere's names."""
    del target
    return row | {"messages": [_named(message, _ROLES) for message in row["messages"]]}


def _named(message: Any, names: dict[str, str]) -> Any:
    role = message.get("role") if isinstance(message, dict) else None
    if not isinstance(role, str):
        return message
    # A name of chat in a file of Cohere's is an unknown role there: say so by a name that nobody takes.
    return message | {"role": names.get(role, f"{role} (not {' or '.join(names)})")}
