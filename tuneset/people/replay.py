"""Whether a project's log, its answers and its counters say the same: recounted, replayed, and the chain verified."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
import sqlalchemy as sa

from tuneset.people import tables
from tuneset.people.database import START, body_hash, chain_hash
from tuneset.people.leaving import FORGOTTEN
from tuneset.people.projects import get
from tuneset.people.queue import AUDIT, AUDIT_BEGUN, BEGUN, CLOSED, FLAGS, FRESH, GOLD, OUT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tuneset.people.database import Database, Transaction

_item, _state, _annotation, _flag, _log = (
    tables.item,
    tables.item_state,
    tables.annotation,
    tables.flag,
    tables.event,
)


class Event(NamedTuple):
    """One line of the log; `before` and `after` are None where the line is forgotten."""

    seq: int
    at: int
    actor: str | None
    kind: str
    subject: str
    before: Any
    after: Any


class Annotation(NamedTuple):
    """What the log and the table both know of an answer."""

    item: str
    contributor: str
    state: str
    value: str | None


class Item(NamedTuple):
    """What the log and the table both know of an item."""

    state: str
    n_valid: int
    n_flag: int
    need: int
    decided_label: str | None
    decided_by: str | None


class State(NamedTuple):
    """The answers and the items of a project, by id."""

    annotations: dict[str, Annotation]
    items: dict[str, Item]


def events(db: Database, project: str, after: int = 0) -> list[Event]:
    """Return a project's log, oldest first, from behind event `after`."""
    with db.read() as tx:
        get(tx, project)
        return [_event(row) for row in _lines(tx, project, after)]


def _lines(tx: Transaction, project: str, after: int = 0) -> Iterator[sa.Row[Any]]:
    asked = sa.select(_log).where(_log.c.project_id == project, _log.c.seq > after).order_by(_log.c.seq)
    yield from tx.run(asked.execution_options(yield_per=1000))


def _event(row: sa.Row[Any]) -> Event:
    said = [None if text is None else orjson.loads(text) for text in (row.before, row.after)]
    return Event(row.seq, row.at, row.actor, row.kind, row.subject, *said)


@dataclass
class _Replayed:
    """What is known after so many events; `take` is one more."""

    overlap: int = 1
    annotations: dict[str, Annotation] = field(default_factory=dict)
    items: dict[str, str] = field(default_factory=dict)
    gold: set[str] = field(default_factory=set)
    decided: dict[str, tuple[str | None, str | None]] = field(default_factory=dict)
    flags: set[tuple[str, str]] = field(default_factory=set)

    def take(self, event: Event) -> None:
        if event.kind in FORGOTTEN and event.after is None and event.before is None:
            return  # of one who withdrew: the event that says so lists what is left
        take = getattr(self, f"_{event.kind.replace('-', '_')}", None)
        if take is not None:
            take(event)

    def _created(self, event: Event) -> None:
        self.overlap = event.after["overlap"]

    _changed = _created

    def _added(self, event: Event) -> None:
        self.items |= dict(event.after)

    _asked = _added

    def _gold(self, event: Event) -> None:
        self.gold |= set(event.after)
        self.decided |= {item: (label, "adjudicator") for item, label in event.after.items()}

    def _labelled(self, event: Event) -> None:
        said = event.after
        made = Annotation(event.subject, event.actor or "", said["state"], said["value"])
        self.annotations[said["annotation"]] = made

    def _flagged(self, event: Event) -> None:
        self.flags.add((event.subject, event.actor or ""))

    def _undone(self, event: Event) -> None:
        if event.before["act"] == "label":
            name = event.before["annotation"]
            self.annotations[name] = self.annotations[name]._replace(state="superseded")
        self.flags.discard((event.subject, event.actor or ""))

    def _decided(self, event: Event) -> None:
        mine = {item: (label, "consensus" if label else None) for item, label in event.after.items()}
        self.decided = mine | {
            item: said for item, said in self.decided.items() if item not in mine or said[1] == "adjudicator"
        }

    def _adjudicated(self, event: Event) -> None:
        self.decided[event.subject] = (event.after, "adjudicator")
        self.flags = {(item, who) for item, who in self.flags if item != event.subject}

    def _resolved(self, event: Event) -> None:
        self.flags = {(item, who) for item, who in self.flags if item != event.subject}
        if event.after == "drop" and self.items[event.subject] == "open":
            self.items[event.subject] = "dropped"

    def _withdrew(self, event: Event) -> None:
        for name, item in event.after["annotations"]:
            self.annotations[name] = Annotation(item, event.subject, "withdrawn", None)
        self.items |= dict.fromkeys(event.after["items"], "withdrawn") | dict.fromkeys(event.after["promoted"], "open")
        self.flags = {(item, who) for item, who in self.flags if who != event.subject}

    def state(self) -> State:
        valid = Counter(each.item for each in self.annotations.values() if each.state == "active")
        flags = Counter(item for item, _ in self.flags)
        items = {
            item: Item(
                state,
                valid[item],
                flags[item],
                max(0, self.overlap - valid[item]) if state == "open" and item not in self.gold else 0,
                *self.decided.get(item, (None, None)),
            )
            for item, state in self.items.items()
        }
        return State(self.annotations, items)


def state_of(said: Iterable[Event]) -> State:
    """Replay a log: what its events alone say that the project's answers and items are now."""
    replayed = _Replayed()
    for event in said:
        replayed.take(event)
    return replayed.state()


def state_now(db: Database, project: str) -> State:
    """Return what the tables say; where nothing is broken it equals `state_of(events(db, project))`."""
    with db.read() as tx:
        get(tx, project)
        answers = tx.all(sa.select(_annotation).where(_annotation.c.project_id == project))
        states = tx.all(
            sa.select(_state, _item.c.state)
            .join(_item, _item.c.id == _state.c.item_id)
            .where(_state.c.project_id == project)
        )
    annotations = {row.id: Annotation(row.item_id, row.contributor_id, row.state, row.value) for row in answers}
    items = {
        row.item_id: Item(row.state, row.n_valid, row.n_flag, row.need, row.decided_label, row.decided_by)
        for row in states
    }
    return State(annotations, items)


def recount(db: Database, project: str) -> list[str]:
    """Count everything anew, and say where a counter is wrong; an empty list where all are right."""
    with db.read() as tx:
        overlap = int(get(tx, project).overlap)
        states = tx.all(
            sa.select(_state, _item.c.state)
            .join(_item, _item.c.id == _state.c.item_id)
            .where(_state.c.project_id == project)
        )
        valid = _counts(tx, _annotation, _annotation.c.project_id == project, _annotation.c.state == "active")
        flags = _counts(tx, _flag, _flag.c.project_id == project, _flag.c.resolution.is_(None))
        turns = _turns(tx, project)
    wrong = []
    for row in states:
        counted = (valid.get(row.item_id, 0), flags.get(row.item_id, 0))
        expected = (*counted, *_place(row, overlap, *counted))
        kept = (row.n_valid, row.n_flag, row.need, row.queue)
        if kept != expected:
            wrong.append(f"item {row.item_id}: (n_valid, n_flag, need, queue) is {kept}, and should be {expected}")
    return wrong + turns


def _counts(tx: Transaction, table: sa.Table, *which: sa.ColumnElement[bool]) -> dict[str, int]:
    asked = sa.select(table.c.item_id, sa.func.count().label("n")).where(*which).group_by(table.c.item_id)
    return {row.item_id: int(row.n) for row in tx.all(asked)}


def _place(row: sa.Row[Any], overlap: int, valid: int, flags: int) -> tuple[int, int]:
    """Say what an item needs and where it waits: `queue.settle` in Python."""
    need = max(0, overlap - valid) if row.state == "open" and not row.gold else 0
    if row.state != "open":
        return need, OUT
    if flags >= FLAGS:
        return need, CLOSED
    if row.gold:
        return need, GOLD
    if not need or row.decided_by == "adjudicator":
        return need, CLOSED
    return need, {(True, True): AUDIT_BEGUN, (True, False): AUDIT, (False, True): BEGUN, (False, False): FRESH}[
        bool(row.audit), valid > 0
    ]


def _turns(tx: Transaction, project: str) -> list[str]:
    member = tables.member
    acts = sa.select(_log.c.actor, sa.func.count().label("n")).where(
        _log.c.project_id == project, _log.c.kind.in_(("labelled", "skipped", "flagged"))
    )
    counted = {row.actor: int(row.n) for row in tx.all(acts.group_by(_log.c.actor))}
    rows = tx.all(sa.select(member.c.contributor_id, member.c.turns).where(member.c.project_id == project))
    return [
        f"person {row.contributor_id}: turns is {row.turns}, and should be {counted.get(row.contributor_id, 0)}"
        for row in rows
        if row.turns != counted.get(row.contributor_id, 0)
    ]


class Broken(NamedTuple):
    """The first line of a log that does not hold, and why."""

    seq: int
    why: str


class Head(NamedTuple):
    """The last line of a log: written down elsewhere, it shows later that nothing before it was cut off."""

    seq: int
    hash: str


def head(db: Database, project: str) -> Head:
    """Return the last line of a project's log."""
    with db.read() as tx:
        get(tx, project)
        asked = sa.select(_log.c.seq, _log.c.hash).where(_log.c.project_id == project)
        row = tx.one(asked.order_by(_log.c.seq.desc()).limit(1))
    return Head(row.seq, row.hash) if row else Head(0, START)


def verify(db: Database, project: str, noted: Head | None = None) -> Broken | None:
    """Verify the chain of a project's log; return the first line that does not hold, or None.

    Any line that was changed, taken out or put in between breaks it. Lines cut off at the end do not: give a `Head` that
    was noted before. A line may be empty only where its person withdrew.
    """
    with db.read() as tx:
        get(tx, project)
        left = sa.select(_log.c.subject).where(_log.c.project_id == project, _log.c.kind == "withdrew")
        gone = {row.subject for row in tx.all(left)}
        seq, prev = 0, START
        for row in _lines(tx, project):
            why = _fault(row, seq + 1, prev, gone)
            if noted is not None and row.seq == noted.seq and row.hash != noted.hash:
                why = why or "this is not the line that was noted"
            if why:
                return Broken(seq + 1, why)
            seq, prev = row.seq, row.hash
    if noted is not None and seq < noted.seq:
        return Broken(seq + 1, f"the log ends here, and had {noted.seq} lines")
    return None


def _fault(row: sa.Row[Any], seq: int, prev: str, gone: set[str]) -> str:
    if row.seq != seq:
        return "a line is missing"
    if row.prev_hash != prev:
        return "it does not follow the line before it"
    if row.hash != chain_hash(row.prev_hash, row.body_hash, dict(row._mapping)):  # noqa: SLF001  SQLAlchemy's public name
        return "it was changed"
    said = (row.before, row.after, row.salt)
    if said == (None, None, None):
        return "" if row.kind in FORGOTTEN and row.actor in gone else "what it said is gone"
    if None in said or body_hash(*said) != row.body_hash:
        return "what it says was changed"
    return ""
