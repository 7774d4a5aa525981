"""What users send now: live texts come in, are held against what the model was trained on, and may be labelled, too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
import polars as pl
import sqlalchemy as sa

from tuneset import near
from tuneset.people import audit, drift, items, learning, registry, tables, webhooks
from tuneset.people.database import to_text, words
from tuneset.people.drift import Advice, Drift
from tuneset.people.learner import accuracy, readings
from tuneset.people.projects import get
from tuneset.people.queue import draw

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuneset.people.database import Database, Transaction
    from tuneset.people.learning import Online

KEPT = 5000  # live texts, the latest: ten windows; what users send is not ours to hoard
LONGEST = 100_000  # letters of a live text, as of one that is written here
REFERENCE = 3000  # texts of the audit slice that live ones are held against
_live, _looks, _trained, _item, _state = (
    tables.live_text,
    tables.drift_look,
    tables.trained,
    tables.item,
    tables.item_state,
)


class Look(NamedTuple):
    """What was found when live texts were looked at last."""

    at: int
    seen: int  # live texts that had come
    found: Drift  # without its tests, of which it says what they found


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
        for start in range(max(0, len(rows) - KEPT), len(rows), items.BATCH):
            tx.add(_live, *rows[start : start + items.BATCH])
        tx.run(_live.delete().where(own, _live.c.n <= last + len(said) - KEPT))
        return last + len(said)

    return db.write(taken)


def take_in(db: Database, project: str, count: int, by: str | None = None) -> items.Added:
    """Let people label live texts: so many of the latest 500, drawn by chance; those that are in already are only counted.

    As items they have the origin `live`, and stay when the live texts are let go of.
    """
    with db.read() as tx:
        salt = get(tx, project).split_salt
        rows = _latest(tx, project, drift.WINDOW)
    drawn = sorted(rows.rows(), key=lambda row: draw(salt, "live", str(row[0])))[:count]
    return items.add(db, project, items.plain([text for _, text in drawn], f"live:{project}"), "live", by)


def _latest(tx: Transaction, project: str, count: int) -> pl.DataFrame:
    asked = sa.select(_live.c.n, _live.c.text).where(_live.c.project_id == project).order_by(_live.c.n.desc())
    rows = [tuple(row) for row in tx.all(asked.limit(count))]
    return pl.DataFrame(rows, schema={"n": pl.Int64, "text": pl.String}, orient="row").reverse()


# --- has what users send changed?


def look(db: Database) -> None:
    """Look at the live texts of each project to which 100 more have come."""
    newest = sa.select(_live.c.project_id, sa.func.max(_live.c.n).label("seen")).group_by(_live.c.project_id)
    with db.read() as tx:
        seen = {row.project_id: int(row.seen) for row in tx.all(newest)}
        last = {project: _last(tx, project) for project in seen}
    for project, count in seen.items():
        before = last[project]
        if count >= drift.LEAST and count >= (before.seen if before else 0) + drift.EVERY:
            look_at(db, project)


def look_at(db: Database, project: str) -> Look | None:
    """Hold the latest 500 live texts against the audit slice, and write down what was found; None where nothing is said.

    The slice as it was when the model was trained (`mark_trained`; before that, when the first look was): texts drawn by
    chance, from which the model that learns along learns nothing, so that the labels that it guesses are as good on
    either side. A mark begins the alarms anew (`drift.Watch`). With fewer than 200 texts on a side nothing is said.
    """
    with db.read() as tx:
        number, until = _since(tx, project)
        window = _latest(tx, project, drift.WINDOW)
        here = sa.select(sa.func.count()).where(_looks.c.project_id == project)
        every = int(tx.run(here).scalar_one())
        done = int(tx.run(here.where(_looks.c.trained == number)).scalar_one())
        past = _reference(tx, project, until)
    if min(len(past), window.height) < drift.LEAST:
        return None
    live_one = registry.live_one(db, project)
    guess = registry.model_of(db, live_one) if live_one else None
    _, found = drift.look(drift.Watch(looks=done), _side(past, guess), _side(window["text"], guess))
    body = found._replace(texts=None, labels=None)._asdict()
    seen = int(window["n"].to_numpy().max())
    row = {"project_id": project, "n": every + 1, "trained": number, "seen": seen}

    def kept(tx: Transaction) -> Look:
        tx.lock_log(project)
        if int(tx.run(here).scalar_one()) == every:  # or another process has looked meanwhile
            tx.add(_looks, row | {"created_at": tx.at, "body": to_text(body)})
            if found.drifted:
                tx.record(project, None, "drift", project, (None, {"says": found.says}))
                webhooks.tell(tx, project, "drift", {"seen": seen})
        return Look(tx.at, seen, Drift(**body))

    return db.write(kept)


def _reference(tx: Transaction, project: str, until: int) -> pl.Series:
    asked = (
        sa.select(_item.c.text)
        .join(_state, _state.c.item_id == _item.c.id)
        .where(_state.c.project_id == project, _state.c.audit, _item.c.state == "open", _item.c.created_at <= until)
        .where(_item.c.text.is_not(None))
        .order_by(_state.c.draw)
    )
    return pl.Series("text", [row.text for row in tx.all(asked.limit(REFERENCE))], dtype=pl.String)


def _side(texts: pl.Series, guess: Online | None) -> drift.Side:
    found = learning.features(texts)
    labels = pl.Series(learning.suggest(guess, found).labels, dtype=pl.String) if guess and len(texts) else None
    return drift.Side(texts, drift.placed(found), near.normal(texts), labels)


def _last(tx: Transaction, project: str) -> Look | None:
    row = tx.one(sa.select(_looks).where(_looks.c.project_id == project).order_by(_looks.c.n.desc()))
    return row and Look(row.created_at, row.seen, Drift(**orjson.loads(row.body)))


def _since(tx: Transaction, project: str) -> tuple[int, int]:
    """Return which mark the looks belong to, and up to when the slice is their reference: the mark, or the first look."""
    mark = _mark(tx, project)
    if mark is not None:
        return mark.number, mark.created_at
    first = sa.select(sa.func.min(_looks.c.created_at)).where(_looks.c.project_id == project, _looks.c.trained == 0)
    return 0, int(tx.run(first).scalar() or tx.at)


# --- and should the model be trained again?


def mark_trained(db: Database, project: str, by: str | None = None) -> None:
    """Say that the model was trained on what is labelled by now: what is advised, and what drift is, counts from here."""
    read, live_one = readings(db, project), registry.live_one(db, project)
    right = live_one.metrics.get("audit", [0, 0]) if live_one else [0, 0]
    body = {"rows": read.rows.height, "audit": right, "labels": sorted(read.rows["label"].unique().to_list())}

    def marked(tx: Transaction) -> None:
        tx.lock_log(project)
        last = _mark(tx, project)
        row = {"project_id": project, "number": last.number + 1 if last else 1, "created_at": tx.at, "by": by}
        tx.add(_trained, row | {"body": to_text(body)})
        tx.record(project, by, "trained", project, (None, body))

    db.write(marked)


def _mark(tx: Transaction, project: str) -> sa.Row[Any] | None:
    return tx.one(sa.select(_trained).where(_trained.c.project_id == project).order_by(_trained.c.number.desc()))


class Traffic(NamedTuple):
    """What a lead is told of live texts."""

    seen: int
    look: Look | None
    trained_at: int | None  # None: nobody has said that a model was trained
    advice: Advice | None


def traffic(db: Database, project: str) -> Traffic:
    """Return how many live texts came, what was found, and whether to train the model again, with the reasons."""
    with db.read() as tx:
        get(tx, project)
        own = _live.c.project_id == project
        seen = int(tx.run(sa.select(sa.func.coalesce(sa.func.max(_live.c.n), 0)).where(own)).scalar_one())
        found = _last(tx, project)
        mark = _mark(tx, project)
    if mark is None:
        return Traffic(seen, found, None, None)
    was, live_one = orjson.loads(mark.body), registry.live_one(db, project)
    rows = readings(db, project).rows
    both = audit.counted(*was["audit"]), accuracy(live_one) if live_one else audit.counted(0, 0)
    new = drift.new_labels(was["labels"], rows["label"])
    told = found.found if found and found.at >= mark.created_at else None
    said = drift.advice(was["rows"], max(0, rows.height - was["rows"]), told, new, both)
    return Traffic(seen, found, mark.created_at, said)
