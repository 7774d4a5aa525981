"""Who may come in: invitations, sessions, API tokens, consent, and what people say of themselves (kept apart)."""

from __future__ import annotations

import hmac
import secrets
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
import polars as pl
import sqlalchemy as sa

from tuneset.errors import RecipeError, unknown
from tuneset.people import tables, wanted
from tuneset.people.database import MissingError, RefusedError, digest, missing, to_text, words
from tuneset.people.projects import Person, get, member_row

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from tuneset.people.database import Database, Transaction

HOUR, DAY = 3_600_000, 86_400_000  # milliseconds
SCOPES = ("read", "add", "label", "live")
_LEADS = ("owner", "lead")
_MAY = dict.fromkeys(SCOPES, _LEADS) | {"label": (*_LEADS, "annotator", "writer")}  # whatever a token says
_member, _session, _invite, _token = tables.member, tables.session, tables.invite, tables.api_token

_MEMBER = (
    sa.select(_member)
    .where(_member.c.project_id == sa.bindparam("project"), _member.c.contributor_id == sa.bindparam("person"))
    .with_for_update(key_share=True)
)


class NotAllowedError(RefusedError):
    """The person may not do this here."""


class Invite(NamedTuple):
    """An invitation as a lead writes it: who comes in with it, how often, and for how long."""

    role: str = "annotator"
    max_uses: int = 1
    days: float = 14
    quota_cell: str | None = None


def same(token: str, hashed: str) -> bool:
    """Compare a token with a stored hash, in a time that tells nothing of where they differ.

    What is looked up and what is compared are SHA-256 digests: who guesses cannot choose how a digest begins.
    """
    return hmac.compare_digest(digest(token), hashed)


def _new_token() -> str:
    return secrets.token_urlsafe(32)


def member(tx: Transaction, person: Person, *roles: str) -> sa.Row[Any]:
    """Return someone's membership, locked until the commit: one person does one thing at a time.

    Errors: MissingError for one who is not in this project; NotAllowedError where another role is needed.
    """
    row = tx.one(_MEMBER, project=person.project, person=person.contributor)
    if row is None or row.state != "active":
        raise missing("person", person.contributor)
    if roles and row.role not in roles:
        raise NotAllowedError(f"a {row.role} may not do this", person.contributor, f"ask a {roles[-1]} or the owner")
    return row


def invite(db: Database, project: str, asks: Invite, by: str | None = None, contributor: str | None = None) -> str:
    """Make an invitation and return its token, which is shown this once and stored as a hash.

    With `contributor` it is a way back in for someone who is a member already. `by` must be a lead or the owner (None:
    the command line), and only an owner invites owners. `quota_cell` (`region=north`) makes it one for people of whom
    there are too few; refused where their quota is full, or nearly.
    """
    if asks.role not in tables.ROLES:
        raise unknown("role", asks.role, tables.ROLES, "invitation")
    if asks.max_uses < 1 or asks.days <= 0:
        raise RecipeError("this invitation could never be used", "invitation", "give it a use and a day at least")
    token = _new_token()

    def invited(tx: Transaction) -> str:
        get(tx, project)
        if by is not None:
            member(tx, Person(project, by), "owner", *(["lead"] if asks.role != "owner" else []))
        if asks.quota_cell and (state := wanted.state(tx, project, asks.quota_cell)) != "open":
            hint = (
                "invite those who are missing; who is on their way is let in"
                if state == "soft-full"
                else "look who is missing"
            )
            raise RefusedError(f"{asks.quota_cell} is {state}: nobody new is invited", "invitation", hint)
        role = member(tx, Person(project, contributor)).role if contributor else asks.role
        row: dict[str, Any] = {"id": tx.new_id(), "created_at": tx.at, "project_id": project}
        row |= {"token_hash": digest(token)}
        row |= {"role": role, "max_uses": asks.max_uses, "expires_at": tx.at + int(asks.days * DAY)}
        tx.add(_invite, row | {"quota_cell": asks.quota_cell, "contributor_id": contributor, "created_by": by})
        tx.record(project, by, "invited", row["id"], (None, {"role": role, "max_uses": asks.max_uses}))
        return token

    return db.write(invited)


def revoke_invite(db: Database, project: str, invite_id: str, by: str | None = None) -> None:
    """Make an invitation useless from now on."""

    def revoked(tx: Transaction) -> None:
        where = (_invite.c.id == invite_id, _invite.c.project_id == project)
        if not tx.run(_invite.update().where(*where).values(revoked_at=tx.at)).rowcount:
            raise missing("invitation", invite_id)
        tx.record(project, by, "revoked", invite_id)

    db.write(revoked)


def look_at(db: Database, token: str) -> str | None:
    """Return the project that an invitation leads to, for the page that asks for consent; None where it is no good.

    Errors: RefusedError where the places that it was for are taken.
    """
    with db.read() as tx:
        row = _usable(tx, token)
        if row is not None:
            _has_place(tx, row)
    return None if row is None else str(row.project_id)


def cell_of(db: Database, token: str) -> str | None:
    """Return whom an invitation is for (`region=north`); None for anybody."""
    with db.read() as tx:
        row = _usable(tx, token)
    return row.quota_cell if row is not None else None


def _has_place(tx: Transaction, row: sa.Row[Any]) -> None:
    """Refuse an invitation whose quota is full."""
    if row.quota_cell and row.contributor_id is None and wanted.state(tx, row.project_id, row.quota_cell) == "full":
        what = "the places that this invitation was for are taken"
        raise RefusedError(what, "invitation", "Thank you for coming; whoever invited you may have another one.")


def _usable(tx: Transaction, token: str) -> sa.Row[Any] | None:
    asked = sa.select(_invite).where(_invite.c.token_hash == digest(token))
    row = tx.one(asked.with_for_update(key_share=True))
    good = (
        row is not None
        and same(token, row.token_hash)
        and row.revoked_at is None
        and row.expires_at > tx.at
        and row.uses < row.max_uses
    )
    return row if good else None


def join(db: Database, token: str, display_name: str, locale: str = "en") -> Person:
    """Come in with an invitation: its use is counted in the same transaction, so the last is given once.

    Who comes by an invitation for a quota holds one of its places; of two who take the last one at once, one is let in.

    Errors: MissingError, in the same words, for a token that is unknown, expired, revoked or used up; RefusedError where
    all places of its quota are taken.
    """

    def joined(tx: Transaction) -> Person:
        row = _usable(tx, token)
        if row is None:
            raise MissingError("this invitation is no good (any more)", "invitation", "ask for a new one")
        if row.quota_cell:
            tx.lock_log(row.project_id)  # places are counted and taken by one at a time
            _has_place(tx, row)
        tx.run(_invite.update().where(_invite.c.id == row.id).values(uses=_invite.c.uses + 1))
        person = Person(row.project_id, row.contributor_id or tx.new_id())
        if row.contributor_id is None:
            named = {"display_name": words(display_name.strip() or "someone", 100), "locale": words(locale, 35)}
            tx.add(tables.contributor, {"id": person.contributor, "created_at": tx.at} | named)
            cell = {"invite_id": row.id, "quota_cell": row.quota_cell}
            tx.add(_member, member_row(tx, person, row.role) | cell)
        else:
            member(tx, person)
        tx.record(person.project, person.contributor, "joined", person.contributor, (None, {"role": row.role}))
        return person

    return db.write(joined)


def set_member(db: Database, person: Person, role: str | None, state: str = "active", by: str | None = None) -> None:
    """Give someone another role (None: as it is), or remove them (state "removed"): what they did stays.

    `by` must be a lead or the owner (None: the command line), and only an owner changes owners or makes one.
    """
    if role is not None and role not in tables.ROLES:
        raise unknown("role", role, tables.ROLES, person.contributor)

    def changed(tx: Transaction) -> None:
        where = (_member.c.project_id == person.project, _member.c.contributor_id == person.contributor)
        row = tx.one(sa.select(_member).where(*where).with_for_update(key_share=True))
        if row is None or row.state == "withdrawn":
            raise missing("person", person.contributor)
        if by is not None:
            member(tx, Person(person.project, by), "owner", *(["lead"] if "owner" not in (role, row.role) else []))
        tx.run(_member.update().where(*where).values(role=role or row.role, state=state))
        change = ([row.role, row.state], [role or row.role, state])
        tx.record(person.project, by, "member", person.contributor, change)

    db.write(changed)


def newcomer(db: Database, display_name: str, locale: str = "en") -> str:
    """Note a person who makes projects of their own, and return their id."""

    def noted(tx: Transaction) -> str:
        named = {"display_name": words(display_name.strip() or "someone", 100), "locale": words(locale, 35)}
        row = {"id": tx.new_id(), "created_at": tx.at} | named
        tx.add(tables.contributor, row)
        return str(row["id"])

    return db.write(noted)


def owner(db: Database) -> str | None:
    """Return who made the first project of a database; None while there is none."""
    asked = sa.select(_member.c.contributor_id).where(_member.c.role == "owner", _member.c.state == "active")
    with db.read() as tx:
        row = tx.one(asked.order_by(_member.c.created_at, _member.c.contributor_id).limit(1))
    return None if row is None else str(row.contributor_id)


def log_in(db: Database, contributor: str, hours: float = 24 * 14, browser: str = "") -> str:
    """Begin a session and return its token: a new one at every login, so none can be fixed beforehand."""
    token = _new_token()

    def begun(tx: Transaction) -> str:
        if tx.one(sa.select(tables.contributor.c.id).where(tables.contributor.c.id == contributor)) is None:
            raise missing("person", contributor)
        row = {"id_hash": digest(token), "contributor_id": contributor, "created_at": tx.at, "last_seen": tx.at}
        tx.add(_session, row | {"expires_at": tx.at + int(hours * HOUR), "ua_hash": digest(browser)})
        return token

    return db.write(begun)


def who(db: Database, token: str) -> str | None:
    """Return the contributor of a session; None where it is unknown, expired or revoked."""
    with db.read() as tx:
        row = tx.one(sa.select(_session).where(_session.c.id_hash == digest(token)))
        good = row is not None and same(token, row.id_hash) and row.revoked_at is None and row.expires_at > tx.at
    if row is None or not good:
        return None
    if tx.at - row.last_seen > 60_000:  # at most once a minute: a page that is only read writes nothing
        seen = _session.update().where(_session.c.id_hash == row.id_hash).values(last_seen=tx.at)
        db.run(seen, soon=True)
    return str(row.contributor_id)


def log_out(db: Database, token: str) -> None:
    """End a session."""
    ended = _session.update().where(_session.c.id_hash == digest(token))
    db.run(ended.values(revoked_at=db.now()))


def log_out_everywhere(db: Database, contributor: str) -> None:
    """End every session of a person."""
    ended = _session.update().where(_session.c.contributor_id == contributor, _session.c.revoked_at.is_(None))
    db.run(ended.values(revoked_at=db.now()))


def projects_of(db: Database, contributor: str) -> pl.DataFrame:
    """Return the projects that a person is a member of: project, name, kind, state, role."""
    own = tables.project
    asked = (
        sa.select(own.c.id, own.c.name, own.c.kind, own.c.state, _member.c.role)
        .join(own, own.c.id == _member.c.project_id)
        .where(_member.c.contributor_id == contributor, _member.c.state == "active")
        .order_by(own.c.name, own.c.id)
    )
    with db.read() as tx:
        rows = [tuple(row) for row in tx.all(asked)]
    return pl.DataFrame(
        rows, schema=dict.fromkeys(("project", "name", "kind", "state", "role"), pl.String), orient="row"
    )


def new_api_token(db: Database, person: Person, name: str, scopes: Collection[str], days: float | None = None) -> str:
    """Make a token for programs and return it, this once; it may do what `scopes` say, as its person, in one project."""
    for each in scopes:
        if each not in SCOPES:
            raise unknown("scope", each, SCOPES, name)
    token = _new_token()

    def made(tx: Transaction) -> str:
        member(tx, person, "owner", "lead")
        ends = None if days is None else tx.at + int(days * DAY)
        row: dict[str, Any] = {"id": tx.new_id(), "created_at": tx.at, "name": words(name, 100)}
        row |= {"hash": digest(token), "scopes": to_text(sorted(scopes)), "expires_at": ends}
        tx.add(_token, row | {"project_id": person.project, "contributor_id": person.contributor})
        tx.record(person.project, person.contributor, "api-token", row["id"], (None, sorted(scopes)))
        return token

    return db.write(made)


def api_user(db: Database, project: str, token: str, scope: str) -> Person:
    """Return whose API token this is.

    Errors: MissingError for one that is unknown, expired, revoked or of another project; NotAllowedError for a scope
    that it does not have.
    """

    def used(tx: Transaction) -> Person:
        row = tx.one(sa.select(_token).where(_token.c.hash == digest(token), _token.c.project_id == project))
        good = (
            row is not None
            and same(token, row.hash)
            and row.revoked_at is None
            and (row.expires_at is None or row.expires_at > tx.at)
        )
        if row is None or not good:
            raise MissingError("this API token is no good (any more)", "API", "ask a lead for a new one")
        member(tx, person := Person(project, row.contributor_id), *_MAY[scope])
        if scope not in orjson.loads(row.scopes):
            raise NotAllowedError(f"this API token may not {scope}", str(row.name), f"make one with the scope {scope}")
        if tx.at - (row.last_used or 0) > 60_000:  # at most once a minute, as of sessions
            tx.run(_token.update().where(_token.c.id == row.id).values(last_used=tx.at))
        return person

    return db.write(used)


def api_tokens(db: Database, project: str) -> pl.DataFrame:
    """Return the API tokens that still open something: id, name, by (who made it), scopes (JSON), last_used, expires_at."""
    names = tables.contributor
    asked = (
        sa.select(
            _token.c.id, _token.c.name, names.c.display_name, _token.c.scopes, _token.c.last_used, _token.c.expires_at
        )
        .join(names, names.c.id == _token.c.contributor_id)
        .where(_token.c.project_id == project, _token.c.revoked_at.is_(None))
        .order_by(_token.c.id)
    )
    kinds = dict.fromkeys(("id", "name", "by", "scopes"), pl.String) | dict.fromkeys(
        ("last_used", "expires_at"), pl.Int64
    )
    with db.read() as tx:
        get(tx, project)
        rows = [tuple(row) for row in tx.all(asked) if row.expires_at is None or row.expires_at > tx.at]
    return pl.DataFrame(rows, schema=kinds, orient="row")


def revoke_api_token(db: Database, project: str, token_id: str, by: str | None = None) -> None:
    """Make an API token useless from now on."""

    def revoked(tx: Transaction) -> None:
        where = (_token.c.id == token_id, _token.c.project_id == project)
        if not tx.run(_token.update().where(*where).values(revoked_at=tx.at)).rowcount:
            raise missing("API token", token_id)
        tx.record(project, by, "revoked", token_id)

    db.write(revoked)


def give_consent(db: Database, person: Person, version: int) -> None:
    """Note that a person agreed to one version of the consent text; saying it twice changes nothing."""
    given = tables.consent

    def agreed(tx: Transaction) -> None:
        member(tx, person)
        text = tables.consent_text
        if (
            tx.one(sa.select(text.c.version).where(text.c.project_id == person.project, text.c.version == version))
            is None
        ):
            raise missing("consent text", f"version {version}")
        row = person._asdict()
        where = (given.c.project_id == person.project, given.c.contributor_id == person.contributor)
        if tx.one(sa.select(given.c.version).where(*where, given.c.version == version)):
            return
        named = {"project_id": row["project"], "contributor_id": row["contributor"]}
        tx.add(given, named | {"version": version, "given_at": tx.at})
        tx.record(person.project, person.contributor, "consented", person.contributor, (None, version))

    db.write(agreed)


def consent_wanted(db: Database, person: Person) -> int | None:
    """Return the version of the consent text that a person has still to read; None where nothing is to be asked."""
    given = tables.consent
    with db.read() as tx:
        newest = int(get(tx, person.project).consent_version)
        where = (given.c.project_id == person.project, given.c.contributor_id == person.contributor)
        row = tx.one(sa.select(given).where(*where, given.c.version == newest, given.c.withdrawn_at.is_(None)))
    return newest if newest and row is None else None


def ask_attribute(db: Database, project: str, key: str, options: Collection[str]) -> None:
    """Ask people one thing about themselves; nobody has to answer."""
    table = tables.attribute_def

    def asked(tx: Transaction) -> None:
        get(tx, project)
        row: dict[str, Any] = {"asks": words(key, 100), "options": to_text(list(options))}
        where = (table.c.project_id == project, table.c.key == key)
        if not tx.run(table.update().where(*where).values(row)).rowcount:
            tx.add(table, row | {"project_id": project, "key": row["asks"], "created_at": tx.at})
        tx.record(project, None, "attribute", key, (None, list(options)))

    db.write(asked)


def questions(db: Database, project: str) -> list[tuple[str, list[str]]]:
    """Return what people are asked about themselves, with the answers to choose from."""
    table = tables.attribute_def
    with db.read() as tx:
        rows = tx.all(sa.select(table).where(table.c.project_id == project).order_by(table.c.key))
    return [(row.key, orjson.loads(row.options)) for row in rows]


def about(db: Database, person: Person, answers: Mapping[str, str | None]) -> None:
    """Keep what a person says of themself; None is "prefer not to say", and takes an earlier answer back.

    It is kept apart from all answers, and no event says it.
    """
    table, asked = tables.contributor_attribute, tables.attribute_def

    def said(tx: Transaction) -> None:
        member(tx, person)
        for key, value in answers.items():
            one = tx.one(sa.select(asked.c.options).where(asked.c.project_id == person.project, asked.c.key == key))
            if one is None:
                raise missing("question", key)
            if value is not None and value not in orjson.loads(one.options):
                raise RefusedError(f"{value!r} is no answer to this", key, "choose one, or none")
            own = (table.c.project_id == person.project, table.c.contributor_id == person.contributor)
            tx.run(table.delete().where(*own, table.c.key == key))
            if value is not None:
                named = {"project_id": person.project, "contributor_id": person.contributor}
                tx.add(table, named | {"key": key, "value": value})

    db.write(said)


def attributes(db: Database, project: str) -> pl.DataFrame:
    """Return what people said of themselves (contributor, key, value), for weights and quotas only."""
    table = tables.contributor_attribute
    asked = sa.select(table.c.contributor_id, table.c.key, table.c.value).where(table.c.project_id == project)
    with db.read() as tx:
        rows = [tuple(row) for row in tx.all(asked.order_by(table.c.contributor_id, table.c.key))]
    return pl.DataFrame(rows, schema=dict.fromkeys(("contributor", "key", "value"), pl.String), orient="row")
