"""What users send now: live texts come in, are held against what the model was trained on, and may be labelled, too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from tuneset.people import tables
from tuneset.people.database import words
from tuneset.people.items import BATCH
from tuneset.people.projects import get

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuneset.people.database import Database, Transaction

KEPT = 5000  # live texts, the latest: ten windows; what users send is not ours to hoard
LONGEST = 100_000  # letters of a live text, as of one that is written here
_live = tables.live_text


def live(db: Database, project: str, texts: Sequence[str]) -> int:
    """Take texts that users sent to the model, in the order in which they came; return how many have come so far.

    They are kept apart from the items, and nobody labels them unless a lead says so (`take_in`). The latest 5,000 stay.
    Empty ones are passed over. Each call that ends has written all; texts that are sent twice count twice.

    Errors: MissingError for a project that there is not; RefusedError for a text of more than 100,000 letters.
    """
    said = [words(text, LONGEST) for text in texts if text.strip()]

    def taken(tx: Transaction) -> int:
        get(tx, project)
        tx.lock_log(project)
        own = _live.c.project_id == project
        last = int(tx.run(sa.select(sa.func.coalesce(sa.func.max(_live.c.n), 0)).where(own)).scalar_one())
        rows = [
            {"project_id": project, "n": last + place, "created_at": tx.at, "text": text}
            for place, text in enumerate(said, 1)
        ]
        for start in range(max(0, len(rows) - KEPT), len(rows), BATCH):
            tx.add(_live, *rows[start : start + BATCH])
        tx.run(_live.delete().where(own, _live.c.n <= last + len(said) - KEPT))
        return last + len(said)

    return db.write(taken)
