"""A person withdraws: what they answered and wrote is emptied where it stands, and the log forgets what it said."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import sqlalchemy as sa

from tuneset.people import tables, webhooks
from tuneset.people.database import missing
from tuneset.people.projects import get
from tuneset.people.queue import settle_all

if TYPE_CHECKING:
    from tuneset.people.database import Database, Transaction
    from tuneset.people.projects import Person

FORGOTTEN = ("labelled", "undone", "skipped", "flagged")  # kinds of events whose words go with their person
_item, _state, _annotation = tables.item, tables.item_state, tables.annotation


class Withdrawn(NamedTuple):
    """How many answers and items became tombstones."""

    annotations: int
    items: int


def withdraw(db: Database, person: Person, by: str | None = None) -> Withdrawn:
    """Take a person and all that they gave out of a project.

    Their answers and the items that they wrote stay as tombstones: an id and the state "withdrawn", without words, so
    that the next export can say that they are gone; in the increments that were made their texts, and the labels that
    nobody else gave, are emptied. Others' answers to those items leave the exports with them; what the person answered
    goes back to the queue. Their drafts, leases, skips, answers about themselves, API tokens and
    consents end here; their name and their sessions go when this was their last project. The log keeps that something
    was done, and no more what; its chain holds (see `Transaction.record`).

    Errors: MissingError for one who is not in this project, or has withdrawn before.
    """
    done = db.write(lambda tx: _withdraw(tx, person, by))
    db.tidy(whole=True)
    return done


def _withdraw(tx: Transaction, person: Person, by: str | None) -> Withdrawn:
    member = tables.member
    own = (member.c.project_id == person.project, member.c.contributor_id == person.contributor)
    row = tx.one(sa.select(member).where(*own).with_for_update(key_share=True))
    if row is None or row.state == "withdrawn":
        raise missing("person", person.contributor)
    project = get(tx, person.project)
    touched = _lock_touched(tx, person)
    answers = tx.all(
        sa.select(_annotation.c.id, _annotation.c.item_id).where(*_of(_annotation, person)).order_by(_annotation.c.seq)
    )
    tx.lock_log(person.project)
    written = _empty_items(tx, person)
    _empty_answers(tx, person)
    _empty_exports(tx, person)
    tx.run(member.update().where(*own).values(state="withdrawn", quota_cell=None))
    _forget_person(tx, person)
    promoted = _promote(tx, person)
    settle_all(tx, project.overlap, sa.or_(touched, _state.c.item_id.in_(promoted)))
    after = {"annotations": [list(row) for row in answers], "items": written, "promoted": promoted}
    tx.record(person.project, by or person.contributor, "withdrew", person.contributor, (None, after))
    told = {"person": person.contributor, "annotations": len(answers), "items": len(written)}
    webhooks.tell(tx, person.project, "person-left", told)
    return Withdrawn(len(answers), len(written))


def _of(table: sa.Table, person: Person) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    return table.c.project_id == person.project, table.c.contributor_id == person.contributor


def _authored(person: Person) -> sa.ColumnElement[bool]:
    return sa.and_(_item.c.project_id == person.project, _item.c.author_id == person.contributor)


def _lock_touched(tx: Transaction, person: Person) -> sa.ColumnElement[bool]:
    """Lock every item that the person answered, flagged or wrote, in one order, and say which they are."""
    answered = sa.select(_annotation.c.item_id).where(*_of(_annotation, person))
    flagged = sa.select(tables.flag.c.item_id).where(*_of(tables.flag, person))
    wrote = sa.select(_item.c.id).where(_authored(person))
    ids = sa.union(answered, flagged, wrote)
    tx.all(sa.select(_item.c.id).where(_item.c.id.in_(ids)).order_by(_item.c.id).with_for_update(key_share=True))
    return _state.c.item_id.in_(ids)


def _empty_items(tx: Transaction, person: Person) -> list[str]:
    written = [row.id for row in tx.all(sa.select(_item.c.id).where(_authored(person)).order_by(_item.c.id))]
    emptied = {"text": None, "payload": None, "content_hash": None, "state": "withdrawn"}
    tx.run(_item.update().where(_authored(person)).values(emptied))
    return written


def _empty_answers(tx: Transaction, person: Person) -> None:
    gone = {"state": "withdrawn", "value": None, "shown_suggestion": None, "seconds": None}
    tx.run(_annotation.update().where(*_of(_annotation, person)).values(gone))
    flags = tables.flag
    tx.run(flags.update().where(*_of(flags, person)).values(reason="", note="", resolution="withdrawn"))


def _empty_exports(tx: Transaction, person: Person) -> None:
    """Empty, in the increments that were made, the texts that the person wrote and the labels that were theirs alone."""
    kept, answered = tables.export_item, sa.select(_annotation.c.id).where(*_of(_annotation, person))
    wrote = sa.select(_item.c.id).where(_authored(person))
    theirs = sa.or_(kept.c.item_id.in_(wrote), kept.c.annotation_id.in_(answered))
    tx.run(kept.update().where(kept.c.project_id == person.project, theirs).values(content=None))


def _forget_person(tx: Transaction, person: Person) -> None:
    for table in (tables.skip, tables.draft, tables.lease, tables.contributor_attribute):
        tx.run(table.delete().where(*_of(table, person)))
    tokens, consents, log = tables.api_token, tables.consent, tables.event
    tx.run(tokens.update().where(*_of(tokens, person), tokens.c.revoked_at.is_(None)).values(revoked_at=tx.at))
    tx.run(
        consents.update().where(*_of(consents, person), consents.c.withdrawn_at.is_(None)).values(withdrawn_at=tx.at)
    )
    said = (log.c.project_id == person.project, log.c.actor == person.contributor, log.c.kind.in_(FORGOTTEN))
    tx.run(log.update().where(*said).values(before=None, after=None, salt=None))
    others = tables.member
    still = sa.select(others.c.project_id).where(
        others.c.contributor_id == person.contributor, others.c.state != "withdrawn"
    )
    if tx.one(still) is None:
        names, sessions = tables.contributor, tables.session
        tx.run(names.update().where(names.c.id == person.contributor).values(display_name=None))
        ended = sessions.c.contributor_id == person.contributor
        tx.run(sessions.update().where(ended, sessions.c.revoked_at.is_(None)).values(revoked_at=tx.at))


def _promote(tx: Transaction, person: Person) -> list[str]:
    """Serve the first of the duplicates of an item that is gone in its place."""
    gone = sa.select(_item.c.id).where(_authored(person))
    heirs = tx.all(
        sa.select(_item.c.parent_id, sa.func.min(_item.c.id).label("first"))
        .where(_item.c.parent_id.in_(gone), _item.c.state == "duplicate")
        .group_by(_item.c.parent_id)
        .order_by(_item.c.parent_id)
    )
    for heir in heirs:
        of_it = (_item.c.parent_id == heir.parent_id, _item.c.state == "duplicate")
        tx.run(_item.update().where(*of_it).values(parent_id=heir.first))
        tx.run(_item.update().where(_item.c.id == heir.first).values(parent_id=None, state="open"))
    return [heir.first for heir in heirs]
