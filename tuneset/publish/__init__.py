"""Send an export where it is trained or shared, when a person says so: what would be sent first, then once, with resume."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tuneset.publish.http import Event
    from tuneset.publish.planned import Item, Plan, plan
    from tuneset.publish.sending import publish

__all__ = ["Event", "Item", "Plan", "plan", "publish"]

_HOME = {"Event": "http", "Item": "planned", "Plan": "planned", "plan": "planned", "publish": "sending"}


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for: who speaks HTTP by `publish.http` needs no more of it."""
    if name in _HOME:
        return getattr(import_module(f"tuneset.publish.{_HOME[name]}"), name)
    raise AttributeError(f"module 'tuneset.publish' has no attribute {name!r}")
