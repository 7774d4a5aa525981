"""The versions of a project's model as they are kept: added in the shadow, made live, taken back, and let go of."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
import sqlalchemy as sa

from tuneset.errors import RunError
from tuneset.people import learning, tables, versions
from tuneset.people.database import to_text
from tuneset.people.projects import get
from tuneset.people.versions import Version

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuneset.people.database import Database, Transaction
    from tuneset.people.learning import Online
    from tuneset.people.versions import Paired

    Versions = tuple[Version, ...]

KEPT = 5  # versions that can be gone back to; 10 MB each with 77 labels, before they are packed
_table = tables.model_version
_ABOUT = [each for each in _table.c if each.name != "artefact"] + [_table.c.artefact.is_not(None).label("there")]

_OF_PROJECT = sa.select(*_ABOUT).where(_table.c.project_id == sa.bindparam("project"))


class Kept(NamedTuple):
    """A version as it is kept, without its bytes."""

    id: str
    version: Version
    created_at: int
    kind: str  # refit or partial
    params: dict[str, Any]  # labels, rows, learned (hash of the rows), refit_rows
    metrics: dict[str, Any]  # audit (right, rows), says; chosen: a person made it live, so nothing else does
    there: bool  # its bytes are kept, so it can be made live


def history(db: Database, project: str) -> list[Kept]:
    """Return all versions of a project's model, oldest first."""
    with db.read() as tx:
        get(tx, project)
        return _history(tx, project)


def newest(db: Database, project: str) -> Kept | None:
    """Return the last version, if there is one."""
    with db.read() as tx:
        row = tx.one(_OF_PROJECT.order_by(_table.c.number.desc()).limit(1), project=project)
    return row and _kept(row)


def live_one(db: Database, project: str) -> Kept | None:
    """Return the version whose suggestions are shown, if there is one."""
    with db.read() as tx:
        row = tx.one(_OF_PROJECT.where(_table.c.state == "live"), project=project)
    return row and _kept(row)


def _history(tx: Transaction, project: str) -> list[Kept]:
    return [_kept(row) for row in tx.all(_OF_PROJECT.order_by(_table.c.number), project=project)]


def _kept(row: sa.Row[Any]) -> Kept:
    params, metrics = orjson.loads(row.params), orjson.loads(row.metrics)
    told = (row.number, row.state, row.trained_on_seq, params["sha256"])
    version = Version(*told, metrics.get("after", 0), metrics.get("share"))
    return Kept(row.id, version, row.created_at, row.kind, params, metrics, bool(row.there))


def live(kept: list[Kept]) -> Kept | None:
    """Return the live one of these, if there is one."""
    return next((each for each in kept if each.version.state == "live"), None)


def model_of(db: Database, kept: Kept) -> Online | None:
    """Read the model of a version; None where its bytes are let go of, damaged, or of another form."""
    with db.read() as tx:
        content = tx.run(sa.select(_table.c.artefact).where(_table.c.id == kept.id)).scalar()
    try:
        return learning.loaded(bytes(content)) if content else None
    except RunError:
        return None


def add(db: Database, project: str, model: Online, learned: tuple[int, str, dict[str, Any]], after: int) -> int | None:
    """Keep a new version in the shadow and return its number; None where another process has added one behind `after`.

    `learned`: number of the last event that it knows, refit or partial, and what goes into `params`.
    """
    content = learning.saved(model)
    seq, kind, about = learned

    def added(tx: Transaction) -> int | None:
        tx.lock_log(project)
        here = _history(tx, project)
        if (here[-1].version.number if here else 0) != after:
            return None
        one = versions.added(tuple(each.version for each in here), seq, hashlib.sha256(content).hexdigest())[-1]
        row = {"id": tx.new_id(), "project_id": project, "number": one.number, "created_at": tx.at, "kind": kind}
        row |= {"params": to_text(about | {"sha256": one.sha256}), "trained_on_seq": seq, "metrics": "{}"}
        tx.add(_table, row | {"state": one.state, "artefact": content})
        _trim(tx, project)
        tx.record(project, None, "learned", str(one.number), (None, {"kind": kind, "rows": about["rows"]}))
        return one.number

    return db.write(added)


def measure(db: Database, project: str, found: dict[int, dict[str, Any]]) -> None:
    """Write down what versions are worth on the audit slice: more for their `metrics`, by number."""

    def measured(tx: Transaction) -> None:
        for each in _history(tx, project):
            told = found.get(each.version.number, {})
            if any(each.metrics.get(name) != value for name, value in told.items()):
                tx.run(_table.update().where(_table.c.id == each.id).values(metrics=to_text(each.metrics | told)))

    db.write(measured)


def promote(db: Database, project: str, number: int, against: tuple[Paired, ...]) -> None:
    """Make a shadow live by what it was compared with, see `versions.promoted`.

    Nothing is done where a lead has chosen the live one, or another process has promoted a version meanwhile.
    """

    def promoted(tx: Transaction) -> None:
        tx.lock_log(project)
        here = _history(tx, project)
        now, every = live(here), tuple(each.version for each in here)
        waits = any(each.number == number and each.state == "shadow" for each in every)
        if waits and len(against) == len(versions.rivals(every)) and not (now and now.metrics.get("chosen")):
            after = versions.promoted(every, number, against)
            tx.record(project, None, "promoted", str(number), _set(tx, project, here, after))

    db.write(promoted)


def choose(db: Database, project: str, number: int, by: str | None = None) -> None:
    """Make a version live because a lead says so, and keep it live until they `let_go`.

    Errors: RunError for a version that there is not, or whose bytes are let go of.
    """
    _by_hand(db, project, lambda every: versions.chosen(every, number), by)


def roll_back(db: Database, project: str, by: str | None = None) -> int:
    """Go back to the version that was live before, keep it live until the lead says `let_go`, and return its number.

    Errors: RunError where there is none, or its bytes are let go of.
    """
    return _by_hand(db, project, versions.rolled_back, by)


def _by_hand(db: Database, project: str, change: Callable[[Versions], Versions], by: str | None) -> int:
    def changed(tx: Transaction) -> int:
        tx.lock_log(project)
        here = _history(tx, project)
        after = change(tuple(each.version for each in here))
        now = next(each for each, version in zip(here, after, strict=True) if version.state == "live")
        number = now.version.number
        if not now.there:
            raise RunError(f"version {number} is not kept any more", "the model's versions", "choose a later one")
        tx.record(project, by, "promoted", str(number), _set(tx, project, here, after, chosen=True))
        return number

    return db.write(changed)


def let_go(db: Database, project: str, by: str | None = None) -> None:
    """Let new versions take over again from one that a lead has chosen."""

    def gone(tx: Transaction) -> None:
        tx.lock_log(project)
        now = live(_history(tx, project))
        if now is not None and now.metrics.get("chosen"):
            left = {name: value for name, value in now.metrics.items() if name != "chosen"}
            tx.run(_table.update().where(_table.c.id == now.id).values(metrics=to_text(left)))
            tx.record(project, by, "let-go", str(now.version.number))

    db.write(gone)


def forget(db: Database, project: str) -> None:
    """Let go of the bytes of versions from before the last withdrawal: they may have learned from who withdrew."""
    log = tables.event

    def forgotten(tx: Transaction) -> None:
        there = [each for each in _history(tx, project) if each.there]
        since = min((each.version.trained_on for each in there), default=0)
        left = sa.select(sa.func.max(log.c.seq)).where(
            log.c.project_id == project, log.c.seq > since, log.c.kind == "withdrew"
        )
        last = tx.run(left).scalar() or 0
        for each in there:
            if each.version.trained_on < last:
                told = {name: value for name, value in each.metrics.items() if name != "chosen"}
                changed = {"artefact": None, "metrics": to_text(told)}
                tx.run(_table.update().where(_table.c.id == each.id).values(changed))
                tx.run(tables.suggestion.delete().where(tables.suggestion.c.model_version == each.id))

    db.write(forgotten)


def _set(
    tx: Transaction, project: str, here: list[Kept], after: tuple[Version, ...], *, chosen: bool = False
) -> tuple[int | None, int | None]:
    """Write the states that versions have now; return which was live, and which is."""
    was, now = live(here), versions.live(after)
    for each, version in sorted(zip(here, after, strict=True), key=lambda two: two[1].state == "live"):  # one at a time
        told = {name: value for name, value in each.metrics.items() if name != "chosen"}
        told |= {"after": version.after, "share": version.share} | (
            {"chosen": True} if chosen and version is now else {}
        )
        if version != each.version or told != each.metrics:
            changed = {"state": version.state, "metrics": to_text(told)}
            tx.run(_table.update().where(_table.c.id == each.id).values(changed))
    _trim(tx, project)
    return was.version.number if was else None, now.number if now else None


def _trim(tx: Transaction, project: str) -> None:
    """Let go of the bytes to which nobody will go back: all but the newest, the live one, those before it, and the best."""
    here = _history(tx, project)
    every = tuple(each.version for each in here)
    by_number = {each.number: each for each in every}
    wanted, one = {each.number for each in (*versions.rivals(every), *every[-2:])}, versions.live(every)
    for _ in range(KEPT):
        wanted |= {one.number} if one else set()
        one = by_number.get(one.after) if one else None
    gone = [each.id for each in here if each.there and each.version.number not in wanted]
    tx.run(_table.update().where(_table.c.id.in_(gone)).values(artefact=None))
