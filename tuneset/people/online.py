"""Live traffic of a project: what its users write, as it comes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuneset.people import incoming, items
from tuneset.people.database import to_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuneset.people.database import Database


def live(db: Database, project: str, texts: Sequence[str]) -> None:
    """Take texts of live traffic into the queue of a project."""
    rows = incoming.examples([to_text(text).encode() for text in texts], f"live:{project}", "label")
    items.add(db, project, rows, origin="live")
