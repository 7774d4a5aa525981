"""Which items wait for an answer, and in which order: one indexed number per item, kept with its counters."""

from __future__ import annotations

import functools
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa

from tuneset.people import tables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuneset.people.database import Transaction

# Where an item waits. An audit item that someone has begun comes before a fresh one, and so does any other.
OUT, CLOSED, GOLD, AUDIT_BEGUN, AUDIT, BEGUN, FRESH = -1, 0, 1, 2, 3, 4, 5
WINDOW = 200  # rows looked at in a queue: 0.4 ms, however long it is
FLAGS = 2  # people who flag an item take it out of the queue, until a lead has settled it

_item, _state, _lease, _annotation = tables.item, tables.item_state, tables.lease, tables.annotation
_skip, _flag = tables.skip, tables.flag
PROJECT: sa.BindParameter[Any] = sa.bindparam("project")
PERSON: sa.BindParameter[Any] = sa.bindparam("person")
ITEM: sa.BindParameter[Any] = sa.bindparam("item")
NOW: sa.BindParameter[Any] = sa.bindparam("now")


def draw(*parts: str) -> float:
    """Draw from [0, 1) by a hash: the same parts, the same number, on every machine.

    >>> round(draw("salt", "item"), 3)
    0.751
    """
    hashed = blake2b("\x00".join(parts).encode(), digest_size=8).digest()
    return (int.from_bytes(hashed) >> 11) / (1 << 53)


def _counted(table: sa.Table, which: sa.ColumnElement[bool]) -> sa.ScalarSelect[int]:
    return sa.select(sa.func.count()).where(table.c.item_id == _state.c.item_id, which).scalar_subquery()


def _settling(which: sa.ColumnElement[bool]) -> sa.Update:
    overlap = sa.bindparam("overlap", type_=sa.Integer)
    valid = _counted(_annotation, _annotation.c.state == "active")
    flags = _counted(_flag, _flag.c.resolution.is_(None))
    there = sa.select(_item.c.state).where(_item.c.id == _state.c.item_id).scalar_subquery()
    need = sa.case((sa.or_(there != "open", _state.c.gold), 0), (valid < overlap, overlap - valid), else_=0)
    queue = sa.case(
        (there != "open", OUT),
        (flags >= FLAGS, CLOSED),
        (_state.c.gold, GOLD),
        (sa.func.coalesce(_state.c.decided_by, "") == "adjudicator", CLOSED),
        (valid >= overlap, CLOSED),
        (sa.and_(_state.c.audit, valid > 0), AUDIT_BEGUN),
        (_state.c.audit, AUDIT),
        (valid > 0, BEGUN),
        else_=FRESH,
    )
    counted = {"n_valid": valid, "n_flag": flags, "need": need, "queue": queue}
    return _state.update().where(which).values(counted)


_SETTLE = _settling(sa.and_(_state.c.item_id == ITEM, _state.c.project_id == PROJECT))


def settle(tx: Transaction, project: sa.Row[Any], item: str) -> None:
    """Count the answers and flags of an item, and put it into its queue."""
    tx.run(_SETTLE, project=project.id, overlap=project.overlap, item=item)


def settle_all(tx: Transaction, overlap: int, which: sa.ColumnElement[bool]) -> None:
    """Do the same for `which` items, all of one project."""
    tx.run(_settling(which), overlap=overlap)


class Candidate(NamedTuple):
    """An item that a person may have, and the queue that it waits in."""

    item: str
    queue: int


def turn_order(project: sa.Row[Any], contributor: str, turn: int) -> Sequence[int]:
    """Say in which order a person's turn looks through the queues.

    Of a person's turns `gold_share` begin with a gold item and `audit_share` with the audit slice; gold is for its own
    turns only, so nobody is held by it. The slice is a set of items, not of turns: those whose draw is below
    `audit_share`. So whatever of it is answered is a random sample, even when the queue of the model is at its end.
    """
    drawn = draw(project.split_salt, contributor, str(turn))
    audit, others = (AUDIT_BEGUN, AUDIT), (BEGUN, FRESH)
    if drawn < project.gold_share:
        return (GOLD, *others, *audit)
    first, second = (audit, others) if drawn < project.gold_share + project.audit_share else (others, audit)
    return (*first, *second)


def candidates(tx: Transaction, person: tuple[str, str], queue: int, window: int | None = WINDOW) -> list[Candidate]:
    """Return what a person may have from the front of a queue, best first.

    Of items with one rank the first is chosen by hash(item, person): two people meet the same items in another order.
    Without `window` the whole queue is looked through, for what stands behind those that the person has answered.
    """
    asked = waiting(gold=queue == GOLD, window=window)
    rows = tx.all(asked, project=person[0], person=person[1], queue=queue, now=tx.at)
    ordered = sorted(rows, key=lambda row: (row.rank, draw(row.item_id, person[1])))
    return [Candidate(row.item_id, queue) for row in ordered]


@functools.cache
def waiting(*, gold: bool, window: int | None) -> sa.Select[Any]:
    """Write the query behind `candidates`."""
    front = (
        sa.select(_state.c.item_id, _state.c.rank, _state.c.draw, _state.c.need)
        .where(_state.c.project_id == PROJECT, _state.c.queue == sa.bindparam("queue"))
        .order_by(_state.c.rank, _state.c.draw)
        .limit(window)
        .subquery()
    )
    found = (
        sa.select(front.c.item_id, front.c.rank)
        .select_from(front.join(_item, _item.c.id == front.c.item_id))
        .where(_never_had(front.c.item_id))
    )
    if not gold:
        found = found.where(front.c.need > _taken(front.c.item_id))
    return found if window else found.order_by(front.c.rank, front.c.draw).limit(WINDOW)


def _never_had(item: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    """Say whether a person has neither answered, skipped, flagged nor written an item."""

    def has(table: sa.Table, *more: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
        return sa.exists().where(table.c.item_id == item, table.c.contributor_id == PERSON, *more)

    return sa.and_(
        sa.or_(_item.c.author_id.is_(None), _item.c.author_id != PERSON),
        sa.not_(has(_annotation, _annotation.c.state.in_(tables.LIVE))),
        sa.not_(has(_skip)),
        sa.not_(has(_flag)),
    )


def _taken(item: sa.ColumnElement[str]) -> sa.ScalarSelect[int]:
    """Count the live leases that other people hold on an item."""
    others = (_lease.c.item_id == item, _lease.c.contributor_id != PERSON)
    live = (_lease.c.expires_at > NOW, _lease.c.purpose != "late")
    return sa.select(sa.func.count()).where(*others, *live).scalar_subquery()


_ANSWERED = (
    sa.select(sa.func.count())
    .where(_annotation.c.item_id == ITEM, _annotation.c.state == "active", _annotation.c.contributor_id != PERSON)
    .scalar_subquery()
)
_ROOM = sa.select(_ANSWERED.label("answered"), _taken(ITEM).label("taken"))


def room(tx: Transaction, project: sa.Row[Any], contributor: str, item: str, *, held: bool) -> bool:
    """Say whether an item takes one more answer of a person; its row must be locked.

    Who holds a live lease (`held`) has room but for what is answered; for others the live leases count, too. Counted
    anew here and not read from `item_state`: on PostgreSQL that was read before the lock was held, and 625 labels came
    of 600 (research B4).
    """
    counted = tx.run(_ROOM, item=item, person=contributor, now=tx.at).one()
    return bool(counted.answered + (0 if held else counted.taken) < project.overlap)


_ONE = sa.select(_item.c.id, _item.c.state).where(_item.c.id == ITEM, _item.c.project_id == PROJECT)
_WAIT, _PASS_BY = _ONE.with_for_update(key_share=True), _ONE.with_for_update(key_share=True, skip_locked=True)


def lock(tx: Transaction, project: str, item: str, *, wait: bool = True) -> sa.Row[Any] | None:
    """Lock an item's row until the commit; None where it is not in the project, or another holds it (no `wait`).

    SQLite has one writer at a time, and needs no lock.
    """
    return tx.one(_WAIT if wait else _PASS_BY, item=item, project=project)
