"""Who gets which item: served under a lease, answered once, skipped, flagged, taken back; no answer is ever lost."""

from __future__ import annotations

import secrets
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
import sqlalchemy as sa

from tuneset.people import gold, tables, webhooks
from tuneset.people.access import member, same
from tuneset.people.database import RefusedError, digest, missing, to_text, words
from tuneset.people.items import example, example_of
from tuneset.people.projects import checked_value, get, published
from tuneset.people.queue import (
    AUDIT,
    AUDIT_BEGUN,
    GOLD,
    ITEM,
    NOW,
    PERSON,
    PROJECT,
    Candidate,
    candidates,
    draw,
    lock,
    room,
    settle,
    turn_order,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuneset.people.database import Database, Transaction
    from tuneset.people.projects import Person

WORKERS = ("owner", "lead", "annotator", "writer")
_item, _state, _lease, _annotation = tables.item, tables.item_state, tables.lease, tables.annotation
_skip, _flag, _draft, _member = tables.skip, tables.flag, tables.draft, tables.member

# Made once: a statement that is made anew costs four times as much as its rows.


def _mine(table: sa.Table) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    return table.c.project_id == PROJECT, table.c.contributor_id == PERSON


def _this(table: sa.Table) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    return table.c.item_id == ITEM, table.c.contributor_id == PERSON


_LEASES = sa.select(_lease).where(*_mine(_lease))
_LIVE_LEASES = _LEASES.where(_lease.c.expires_at > NOW).order_by(_lease.c.expires_at.desc())
_LIVE_LEASE = _LIVE_LEASES.where(sa.exists().where(_item.c.id == _lease.c.item_id, _item.c.state == "open"))
_UNTIL = _lease.update().where(*_this(_lease)).values(expires_at=sa.bindparam("until"))
_TERMS = ("purpose", "leased_at", "schema_version", "guideline_version", "shown_suggestion")
_LEASE_AGAIN = _UNTIL.values({name: sa.bindparam(f"its_{name}") for name in _TERMS})
_END_LEASE, _END_DRAFT = _lease.delete().where(*_this(_lease)), _draft.delete().where(*_this(_draft))
_SAVE_DRAFT = _draft.update().where(*_this(_draft)).values(value=sa.bindparam("said"), saved_at=NOW)
_SERVED = (
    sa.select(_lease, _item.c.payload, _draft.c.value)
    .join(_item, _item.c.id == _lease.c.item_id)
    .outerjoin(
        _draft, sa.and_(_draft.c.item_id == _lease.c.item_id, _draft.c.contributor_id == _lease.c.contributor_id)
    )
    .where(*_this(_lease))
)
_SUGGESTED = (
    sa.select(tables.suggestion.c.label, tables.suggestion.c.score, tables.suggestion.c.model_version)
    .join(tables.model_version, tables.model_version.c.id == tables.suggestion.c.model_version)
    .where(
        tables.suggestion.c.item_id == ITEM,
        tables.model_version.c.project_id == PROJECT,
        tables.model_version.c.state == "live",
    )
)
_KIND = sa.select(_state.c.gold, _state.c.audit, _state.c.decided_by).where(_state.c.item_id == ITEM)
_NEED = sa.select(_state.c.need).where(_state.c.item_id == ITEM)
_REPEATED = sa.select(_annotation).where(*_mine(_annotation), _annotation.c.token_hash == sa.bindparam("hash"))
_PASSED = sa.select(sa.or_(sa.exists().where(*_this(_skip)), sa.exists().where(*_this(_flag))))
_REVISED = (
    sa.select(_annotation.c.id, _annotation.c.shown_suggestion)
    .where(*_this(_annotation), _annotation.c.state == "superseded")
    .order_by(_annotation.c.seq.desc())
    .limit(1)
)
_TURN = _member.update().where(*_mine(_member)).values(turns=_member.c.turns + 1)


class Served(NamedTuple):
    """An item in a person's hands until `expires_at`; what they answer goes back with the token."""

    item: str
    token: str
    expires_at: int
    purpose: str  # label, audit, gold, again (taken back) or late (taken back, and full since)
    example: dict[str, Any]
    schema_version: int
    guideline_version: int
    suggestion: dict[str, Any] | None  # {"label", "score", "model"}; None in the audit slice and in the blind share
    draft: dict[str, Any] | None


class Submitted(NamedTuple):
    """What became of an answer; `repeated` where it had come before, under the same token."""

    annotation: str
    state: str  # active, or late: kept, but others had answered meanwhile
    repeated: bool = False


class Undone(NamedTuple):
    """What a person took back (label, skip or flag), and the item, which is in their hands again."""

    act: str
    served: Served


def next_item(db: Database, person: Person) -> Served | None:
    """Give a person the item to answer next, under a lease; None where there is none for them now.

    Who asks again gets the same item as long as the lease lives, with its time begun anew. Never an item that the
    person has answered, skipped, flagged or written. A look at the front of each queue is enough but for people who are
    nearly through; then the whole is searched, in a transaction that only reads.
    """
    found = db.write(lambda tx: _next(tx, person), soon=True)
    if isinstance(found, Served):
        return found
    for queue in found:
        with db.read() as tx:
            far = candidates(tx, person, queue, window=None)
        served = db.write(partial(_from_afar, person=person, found=far), soon=True) if far else None
        if served is not None:
            return served
    return None


def _next(tx: Transaction, person: Person) -> Served | tuple[int, ...]:
    """Serve from the fronts of the queues, or name the queues to search."""
    row = member(tx, person, *WORKERS)
    project = get(tx, person.project)
    if project.state != "open":
        return ()
    live = _live_lease(tx, person)
    if live is not None:
        _lasts(tx, live, _until(tx, project))
        return _served(tx, person, live.item_id)
    order = turn_order(project, person.contributor, row.turns)
    for queue in order:
        served = _first(tx, person, project, candidates(tx, person, queue))
        if served is not None:
            return served
    return tuple(order)


def _from_afar(tx: Transaction, person: Person, found: list[Candidate]) -> Served | None:
    member(tx, person, *WORKERS)
    live = _live_lease(tx, person)  # of another tab, since
    return _served(tx, person, live.item_id) if live else _first(tx, person, get(tx, person.project), found)


def _live_lease(tx: Transaction, person: Person) -> sa.Row[Any] | None:
    return tx.one(_LIVE_LEASE, project=person.project, person=person.contributor, now=tx.at)


def _first(tx: Transaction, person: Person, project: sa.Row[Any], found: list[Candidate]) -> Served | None:
    """Lease the first candidate that nobody else is just taking, and that still has room when its row is locked."""
    for item, queue in found:
        locked = lock(tx, person.project, item, wait=False)
        if locked is None or locked.state != "open":
            continue
        if queue == GOLD or room(tx, project, person.contributor, item, held=False):
            purpose = {GOLD: "gold", AUDIT: "audit", AUDIT_BEGUN: "audit"}.get(queue, "label")
            return _give(tx, person, project, item, purpose)
    return None


def _kind(tx: Transaction, item: str) -> sa.Row[Any]:
    """Return what a locked item is: gold, of the audit slice, decided by whom."""
    return tx.run(_KIND, item=item).one()


def _until(tx: Transaction, project: sa.Row[Any]) -> int:
    return int(tx.at + project.lease_seconds * 1000)


def _lasts(tx: Transaction, row: sa.Row[Any], until: int) -> None:
    tx.run(_UNTIL, item=row.item_id, person=row.contributor_id, until=until)


def _give(tx: Transaction, person: Person, project: sa.Row[Any], item: str, purpose: str) -> Served:
    """Put an item into a person's hands. Had they held it before, the token stays: an old tab may still answer."""
    suggestion = None
    if purpose == "label" and project.suggestion_mode == "on":
        blind = draw(project.split_salt, person.contributor, item, "blind") < project.blind_share
        suggestion = None if blind else _suggestion(tx, person.project, item)
    terms = (purpose, tx.at, project.schema_version, project.guideline_version)
    row = dict(zip(_TERMS, (*terms, to_text(suggestion) if suggestion else None), strict=True))
    until, named = _until(tx, project), {f"its_{name}": value for name, value in row.items()}
    if not tx.run(_LEASE_AGAIN, item=item, person=person.contributor, until=until, **named).rowcount:
        token = secrets.token_urlsafe(24)
        tx.add(_lease, row | _names(person, item) | {"token": token, "expires_at": until})
    return _served(tx, person, item)


def _names(person: Person, item: str) -> dict[str, Any]:
    return {"project_id": person.project, "contributor_id": person.contributor, "item_id": item}


def _suggestion(tx: Transaction, project: str, item: str) -> dict[str, Any] | None:
    row = tx.one(_SUGGESTED, item=item, project=project)
    return row and {"label": orjson.loads(row.label), "score": row.score, "model": row.model_version}


def _served(tx: Transaction, person: Person, item: str) -> Served:
    row = tx.one(_SERVED, item=item, person=person.contributor)
    if row is None:
        raise missing("item", item)
    versions = (row.schema_version, row.guideline_version)
    suggestion = orjson.loads(row.shown_suggestion) if row.shown_suggestion else None
    draft_value = orjson.loads(row.value) if row.value else None
    example = example_of(row.payload)
    return Served(item, row.token, row.expires_at, row.purpose, example, *versions, suggestion, draft_value)


def _held(tx: Transaction, person: Person, token: str) -> sa.Row[Any]:
    """Find the lease of a token among the person's own."""
    leases = tx.all(_LEASES, project=person.project, person=person.contributor)
    found = next((row for row in leases if same(token, digest(row.token))), None)
    if found is None:
        raise missing("item in your hands", "token")
    return found


def held(db: Database, person: Person, token: str) -> Served:
    """Return the item of a token, as its person was shown it, whether the lease still lives or not."""
    with db.read() as tx:
        return _served(tx, person, _held(tx, person, token).item_id)


def asked_of(db: Database, person: Person, token: str) -> dict[str, Any]:
    """Return the Example of the item of a token; also of one that the person has answered since."""
    with db.read() as tx:
        before = tx.one(_REPEATED, project=person.project, person=person.contributor, hash=digest(token))
        return example(tx, person.project, (before or _held(tx, person, token)).item_id)


def renew(db: Database, person: Person, token: str) -> int | None:
    """Begin a lease's time anew; return when it ends now, or None where it ended and others have the item."""

    def renewed(tx: Transaction) -> int | None:
        member(tx, person)
        return _renew(tx, person, _held(tx, person, token))

    return db.write(renewed)


def _renew(tx: Transaction, person: Person, held: sa.Row[Any]) -> int | None:
    project = get(tx, person.project)
    if held.expires_at <= tx.at and held.purpose != "gold":
        locked = lock(tx, person.project, held.item_id)
        gone = locked is None or locked.state != "open" or _has_passed(tx, person, held.item_id)
        other = tx.one(_LIVE_LEASES, project=person.project, person=person.contributor, now=tx.at)
        if gone or other is not None or not room(tx, project, person.contributor, held.item_id, held=False):
            return None
    _lasts(tx, held, _until(tx, project))
    return _until(tx, project)


def release(db: Database, person: Person, token: str) -> None:
    """Let others have the item at once; an answer that comes later all the same is taken as from an expired lease."""

    def released(tx: Transaction) -> None:
        member(tx, person)
        held = _held(tx, person, token)
        _lasts(tx, held, min(held.expires_at, tx.at))

    db.write(released)


def save_draft(db: Database, person: Person, token: str, value: Mapping[str, Any]) -> int | None:
    """Keep what a person has typed so far, and renew the lease; returns what `renew` does."""

    def saved(tx: Transaction) -> int | None:
        member(tx, person)
        held = _held(tx, person, token)
        _keep_draft(tx, person, held.item_id, checked_value(None, value))
        return _renew(tx, person, held)

    return db.write(saved)


def _keep_draft(tx: Transaction, person: Person, item: str, value: str) -> None:
    if not tx.run(_SAVE_DRAFT, item=item, person=person.contributor, said=value, now=tx.at).rowcount:
        tx.add(_draft, _names(person, item) | {"value": value, "saved_at": tx.at})


def submit(
    db: Database, person: Person, token: str, value: Mapping[str, Any], seconds: float | None = None
) -> Submitted:
    """Take an answer: when this returns it is on the disk. Sent twice with one token, it is taken once.

    After the lease has ended it counts all the same where the item has room; where others have it or have answered, it
    is kept as `late`. `seconds` is how long it took (by default since the lease).

    Errors: MissingError for a token that is not this person's in this project; RefusedError for a label that there is
    not, for another answer under the same token (take back the first), or for an item that they have skipped.
    """
    return db.write(lambda tx: _submit(tx, person, token, value, seconds))


def _submit(tx: Transaction, person: Person, token: str, value: Mapping[str, Any], seconds: float | None) -> Submitted:
    member(tx, person, *WORKERS)
    before = tx.one(_REPEATED, project=person.project, person=person.contributor, hash=digest(token))
    if before is not None:
        if before.value != checked_value(None, value):
            raise RefusedError("you have answered this item before", before.item_id, "take that answer back first")
        return Submitted(before.id, before.state, repeated=True)
    held, project = _held(tx, person, token), get(tx, person.project)
    schema = published(tx, person.project, "label_schema", held.schema_version) if held.schema_version else None
    said = checked_value(schema, value)
    locked = lock(tx, person.project, held.item_id)
    if _has_passed(tx, person, held.item_id):
        raise RefusedError("you have passed this item over", held.item_id, "take that back first")
    live = held.expires_at > tx.at and held.purpose != "late"
    kind, earlier = _kind(tx, held.item_id), _superseded(tx, person, held.item_id)
    shown = held.shown_suggestion or (earlier and earlier.shown_suggestion)
    fits = kind.gold or room(tx, project, person.contributor, held.item_id, held=live)
    state = "active" if fits and locked is not None and locked.state == "open" else "late"
    row = {
        "id": tx.new_id(),
        "value": said,
        "schema_version": held.schema_version,
        "guideline_version": held.guideline_version,
        "shown_suggestion": shown,
        "was_audit": kind.audit and shown is None,
        "was_gold": kind.gold,
        "seconds": (tx.at - held.leased_at) / 1000 if seconds is None else float(seconds),
        "revision_of": earlier and earlier.id,
        "state": state,
        "token_hash": digest(token),
    }
    said_of = {"annotation": row["id"], "state": state, "value": said, "revision_of": row["revision_of"]}
    _let_go(tx, person, held.item_id)
    _finish(tx, person, held.item_id, _Act(_annotation, row, "labelled", said_of))
    if state == "active" and not kind.gold and not tx.run(_NEED, item=held.item_id).scalar_one():
        webhooks.tell(tx, person.project, "item-done", {"item": held.item_id, "by": "people"})
    return Submitted(row["id"], state)


def _superseded(tx: Transaction, person: Person, item: str) -> sa.Row[Any] | None:
    """Return the answer that this person took back last, which the next one revises."""
    return tx.one(_REVISED, item=item, person=person.contributor)


class _Act(NamedTuple):
    """What a person does with an item: the row to keep, and the event to log."""

    table: sa.Table
    row: dict[str, Any]
    kind: str
    said: Any


def _finish(tx: Transaction, person: Person, item: str, act: _Act) -> None:
    """Log an act, keep its row under the event's number, and count anew what the item needs."""
    tx.run(_TURN, project=person.project, person=person.contributor)
    seq = tx.record(person.project, person.contributor, act.kind, item, (None, act.said))
    tx.add(act.table, act.row | _names(person, item) | {"created_at": tx.at, "seq": seq})
    settle(tx, get(tx, person.project), item)


def _let_go(tx: Transaction, person: Person, item: str, *, keep: bool = False) -> None:
    """Take an item out of a person's hands; with `keep` its token and its draft stay, so that it can come back."""
    if keep:
        tx.run(_UNTIL, item=item, person=person.contributor, until=tx.at)
        return
    tx.run(_END_LEASE, item=item, person=person.contributor)
    tx.run(_END_DRAFT, item=item, person=person.contributor)


def _has_passed(tx: Transaction, person: Person, item: str) -> bool:
    return bool(tx.run(_PASSED, item=item, person=person.contributor).scalar_one())


def skip(db: Database, person: Person, token: str, reason: str = "") -> None:
    """Pass an item over: others get it, this person does not see it again, unless they take it back."""
    db.write(lambda tx: _pass(tx, person, token, _Act(_skip, {"reason": words(reason, 200)}, "skipped", reason)))


def flag(db: Database, person: Person, token: str, reason: str, note: str = "") -> None:
    """Say that something is wrong with an item; two people who say so take it out of the queue, for a lead to settle."""
    row = {"reason": words(reason, 200), "note": words(note)}
    db.write(lambda tx: _pass(tx, person, token, _Act(_flag, row, "flagged", row)))


def _pass(tx: Transaction, person: Person, token: str, act: _Act) -> None:
    member(tx, person, *WORKERS)
    held = _held(tx, person, token)
    lock(tx, person.project, held.item_id)
    if _has_passed(tx, person, held.item_id):
        return  # pressed twice
    _let_go(tx, person, held.item_id, keep=True)
    _finish(tx, person, held.item_id, act)


def undo(db: Database, person: Person) -> Undone:
    """Take back a person's last answer, skip or flag in a project: the item is in their hands again, as they left it.

    Pressed again, the act before that one. What a lead has decided or settled stays; writing an item is taken back by
    withdrawing it.

    Errors: RefusedError where there is nothing to take back.
    """
    return db.write(lambda tx: _undo(tx, person))


def _undo(tx: Transaction, person: Person) -> Undone:
    member(tx, person, *WORKERS)
    found = [row for act in ("label", "skip", "flag") if (row := _last(tx, person, act)) is not None]
    if not found:
        raise RefusedError("there is nothing to take back", person.contributor, "answer an item first")
    last = max(found, key=lambda row: row.seq)
    project = get(tx, person.project)
    locked = lock(tx, person.project, last.item_id)
    kind = _kind(tx, last.item_id)
    # known items are decided, too: that they cannot be taken back would give them away
    if (kind.decided_by == "adjudicator" and not kind.gold) or locked is None or locked.state != "open":
        raise RefusedError("a lead has settled this item since", last.item_id, "ask a lead to change it")
    if last.act == "label" and last.was_gold and gold.taught(tx, person, last.id) is not None:
        raise RefusedError("the right answer was shown to you", last.item_id, "go on with the next")
    before = _take_back(tx, person, last)
    for other in tx.all(_LIVE_LEASES, project=person.project, person=person.contributor, now=tx.at):
        _lasts(tx, other, tx.at)
    fits = kind.gold or room(tx, project, person.contributor, last.item_id, held=False)
    served = _give(tx, person, project, last.item_id, "gold" if kind.gold else "again" if fits else "late")
    tx.record(person.project, person.contributor, "undone", last.item_id, (before, None))
    settle(tx, project, last.item_id)
    return Undone(last.act, served)


def _last(tx: Transaction, person: Person, act: str) -> sa.Row[Any] | None:
    table = {"label": _annotation, "skip": _skip, "flag": _flag}[act]
    stands = {
        "label": _annotation.c.state.in_(tables.LIVE),
        "skip": sa.true(),
        "flag": _flag.c.resolution.is_(None),
    }[act]
    asked = sa.select(table, sa.literal(act).label("act")).where(
        table.c.project_id == person.project, table.c.contributor_id == person.contributor, stands
    )
    return tx.one(asked.order_by(table.c.seq.desc()).limit(1))


def _take_back(tx: Transaction, person: Person, last: sa.Row[Any]) -> dict[str, Any]:
    """Undo one act; an answer stays in the chain of revisions and comes back as a draft."""
    if last.act == "label":
        tx.run(_annotation.update().where(_annotation.c.id == last.id).values(state="superseded"))
        _keep_draft(tx, person, last.item_id, last.value)
        return {"act": "label", "annotation": last.id}
    table = _skip if last.act == "skip" else _flag
    tx.run(table.delete().where(table.c.item_id == last.item_id, table.c.contributor_id == person.contributor))
    return {"act": last.act}


def text_of(tx: Transaction, project: str, item: str) -> str | None:
    """Return what an item says; None where it is gone."""
    row = tx.one(sa.select(_item.c.text).where(_item.c.id == item, _item.c.project_id == project))
    return None if row is None else row.text
