"""Webhooks of a project: which address is told of what, by rows that are written with the event that causes them."""

from __future__ import annotations

import base64
import datetime as dt
import secrets
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import orjson
import polars as pl
import sqlalchemy as sa

from tuneset.errors import unknown
from tuneset.people import tables
from tuneset.people.access import member
from tuneset.people.database import RefusedError, missing, to_text

if TYPE_CHECKING:
    from collections.abc import Collection

    from tuneset.people.database import Database, Transaction
    from tuneset.people.projects import Person

EVENTS = ("item-done", "export-made", "person-left", "drift")
LONGEST = 2_000  # characters of an address
LEADS = ("owner", "lead")
_hook, _delivery = tables.webhook, tables.webhook_delivery
_LISTENING = sa.select(_hook.c.id, _hook.c.events).where(
    _hook.c.project_id == sa.bindparam("project"), _hook.c.state == "on"
)


def tell(tx: Transaction, project: str, event: str, data: dict[str, Any]) -> None:
    """Note, in the transaction in which something happens, what the project's webhooks are told of it.

    `data` is ids and counts, never what a person wrote. What is noted is sent by `delivering.deliver`, at least once.
    """
    hooks = [row.id for row in tx.all(_LISTENING, project=project) if event in orjson.loads(row.events)]
    if hooks:
        when = dt.datetime.fromtimestamp(tx.at / 1000, dt.UTC).isoformat(timespec="milliseconds")
        body = to_text({"type": event, "timestamp": when, "data": {"project": project} | data})
        row = {"created_at": tx.at, "next_at": tx.at, "body": body, "status": "waiting"}
        tx.add(_delivery, *({"id": f"msg_{tx.new_id()}", "webhook_id": hook} | row for hook in hooks))


def add(db: Database, person: Person, url: str, events: Collection[str]) -> str:
    """Tell an address of events, and return the secret by which it knows that it was us.

    The secret is kept as it is, not as a hash: each message is signed with it.

    Errors: RefusedError for what is no http(s) address, or has a name and a password in it.
    """
    for each in events:
        if each not in EVENTS:
            raise unknown("event", each, EVENTS, url)
    url = checked(url)
    if not events:
        raise RefusedError("this webhook would never be told anything", url, f"choose of {', '.join(EVENTS)}")
    secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()

    def added(tx: Transaction) -> str:
        member(tx, person, *LEADS)
        row: dict[str, Any] = {
            "id": tx.new_id(),
            "project_id": person.project,
            "created_at": tx.at,
            "url": url,
            "secret": secret,
        }
        tx.add(_hook, row | {"events": to_text(sorted(set(events))), "state": "on"})
        said = {"url": url, "events": sorted(set(events))}
        tx.record(person.project, person.contributor, "webhook", row["id"], (None, said))
        return secret

    return db.write(added)


def checked(url: str) -> str:
    """Return an address that could be told something; RefusedError for any other."""
    where, hint = url[:80], "https://hooks.example.org/tuneset"
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        good = False
    plain = len(url) <= LONGEST and url.isascii() and url.isprintable() and " " not in url
    if not good or not plain or "@" in parts.netloc or parts.fragment:
        raise RefusedError("this is no address that can be told anything", where, hint)
    return url


def switch(db: Database, person: Person, webhook: str, state: str) -> None:
    """Turn a webhook on or off; what waits for one that is off is not sent until it is on."""

    def switched(tx: Transaction) -> None:
        member(tx, person, *LEADS)
        own = (_hook.c.id == webhook, _hook.c.project_id == person.project)
        if not tx.run(_hook.update().where(*own).values(state="on" if state == "on" else "off")).rowcount:
            raise missing("webhook", webhook)
        tx.record(person.project, person.contributor, "webhook", webhook, (None, {"state": state}))

    db.write(switched)


def listed(db: Database, project: str) -> pl.DataFrame:
    """Return a project's webhooks, without their secrets: id, url, events (JSON), state."""
    asked = sa.select(_hook.c.id, _hook.c.url, _hook.c.events, _hook.c.state).where(_hook.c.project_id == project)
    with db.read() as tx:
        rows = [tuple(row) for row in tx.all(asked.order_by(_hook.c.id))]
    return pl.DataFrame(rows, schema=dict.fromkeys(("id", "url", "events", "state"), pl.String), orient="row")


def deliveries(db: Database, project: str, limit: int = 20) -> pl.DataFrame:
    """Return the last messages of a project: id, url, body, status, said (the last answer), tries, created_at, next_at."""
    named = ("id", "body", "status", "said", "tries", "created_at", "next_at")
    asked = (
        sa.select(*(_delivery.c[name] for name in named), _hook.c.url)
        .join(_hook, _hook.c.id == _delivery.c.webhook_id)
        .where(_hook.c.project_id == project)
        .order_by(_delivery.c.created_at.desc(), _delivery.c.id.desc())
        .limit(limit)
    )
    texts = dict.fromkeys(("id", "body", "status", "said"), pl.String)
    kinds = texts | dict.fromkeys(("tries", "created_at", "next_at"), pl.Int64) | {"url": pl.String}
    with db.read() as tx:
        return pl.DataFrame([tuple(row) for row in tx.all(asked)], schema=kinds, orient="row")
