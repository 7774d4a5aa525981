"""What a lead looks at: who is in, which invitations are out, what people said of each item, what they do not agree on."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import orjson
import polars as pl
import sqlalchemy as sa

from tuneset.people import tables
from tuneset.people.items import annotated
from tuneset.people.projects import get, published

if TYPE_CHECKING:
    from tuneset.people.database import Database

_state, _item, _member, _invite = tables.item_state, tables.item, tables.member, tables.invite


def members(db: Database, project: str) -> pl.DataFrame:
    """Return who is or was in a project: contributor, name, role, state, answers that count."""
    names, answers = tables.contributor, tables.annotation
    count = (
        sa.select(sa.func.count())
        .where(
            answers.c.project_id == _member.c.project_id,
            answers.c.contributor_id == _member.c.contributor_id,
            answers.c.state == "active",
        )
        .scalar_subquery()
    )
    asked = (
        sa.select(_member.c.contributor_id, names.c.display_name, _member.c.role, _member.c.state, count)
        .join(names, names.c.id == _member.c.contributor_id)
        .where(_member.c.project_id == project)
        .order_by(_member.c.created_at, _member.c.contributor_id)
    )
    kinds = dict.fromkeys(("contributor", "name", "role", "state"), pl.String) | {"answers": pl.Int64}
    with db.read() as tx:
        get(tx, project)
        return pl.DataFrame([tuple(row) for row in tx.all(asked)], schema=kinds, orient="row")


def names(db: Database, project: str) -> dict[str, str | None]:
    """Return how each person of a project is called, two of one name told apart; None for who has withdrawn.

    Two who both say Ann are "Ann (52ee)" and "Ann (5ef3)", by the end of their ids.
    """
    rows = members(db, project).select("contributor", "name").rows()
    many = Counter(name for _, name in rows)
    return {who: f"{name} ({who[-4:]})" if name and many[name] > 1 else name or None for who, name in rows}


def invitations(db: Database, project: str) -> pl.DataFrame:
    """Return the invitations that can still be used: id, role, uses, max_uses, expires_at (milliseconds), cell."""
    asked = (
        sa.select(
            _invite.c.id, _invite.c.role, _invite.c.uses, _invite.c.max_uses, _invite.c.expires_at, _invite.c.quota_cell
        )
        .where(_invite.c.project_id == project, _invite.c.revoked_at.is_(None), _invite.c.uses < _invite.c.max_uses)
        .order_by(_invite.c.id)
    )
    kinds = {
        "id": pl.String,
        "role": pl.String,
        "uses": pl.Int64,
        "max_uses": pl.Int64,
        "expires_at": pl.Int64,
        "cell": pl.String,
    }
    with db.read() as tx:
        get(tx, project)
        rows = [tuple(row) for row in tx.all(asked.where(_invite.c.expires_at > tx.at))]
    return pl.DataFrame(rows, schema=kinds, orient="row")


def answers(db: Database, project: str) -> pl.DataFrame:
    """Return the answers that count as item, contributor, value (a label's key; of several a JSON list), seconds, gold."""
    said = annotated(db, project).filter(pl.col("state") == "active")
    golden = tables.gold
    with db.read() as tx:
        schema = published(tx, project, "label_schema") or {}
        asked = sa.select(golden.c.item_id, golden.c.value).where(golden.c.project_id == project)
        known = {row.item_id: flat(row.value, schema) for row in tx.all(asked)}
    return said.select(
        "item",
        "contributor",
        pl.Series("value", [flat(each, schema) for each in said["value"]], dtype=pl.String),
        "seconds",
        # only who was asked to be tested is: a disputed item that became known by its dispute would judge those in it
        pl.Series(
            "gold",
            [known.get(item) if tested else None for item, tested in said.select("item", "was_gold").rows()],
            dtype=pl.String,
        ),
    )


def flat(value: str | None, schema: dict[str, Any]) -> str | None:
    """Read an answer's label; several, which have no order, are one value: a JSON list."""
    found = orjson.loads(value or "{}").get(schema.get("field", "label"))
    if isinstance(found, list):
        return orjson.dumps(sorted(map(str, found))).decode()
    return None if found is None else str(found)


def disputes(db: Database, project: str, limit: int = 50) -> list[dict[str, Any]]:
    """Return the items for a lead to settle: flagged ones first, then those on which people disagree.

    Each: item, text, flags (reason, note), answers (JSON, by value and without names).
    """
    marks, said = tables.flag, tables.annotation
    different = (
        sa.select(sa.func.count(sa.distinct(said.c.value)))
        .where(said.c.item_id == _state.c.item_id, said.c.state.in_(tables.LIVE))
        .scalar_subquery()
    )
    undecided = sa.func.coalesce(_state.c.decided_by, "") != "adjudicator"
    asked = (
        sa.select(_state.c.item_id, _item.c.text, _state.c.n_flag)
        .join(_item, _item.c.id == _state.c.item_id)
        .where(
            _state.c.project_id == project,
            _item.c.state == "open",
            sa.or_(
                sa.and_(_state.c.n_flag > 0, sa.or_(undecided, _state.c.gold)),  # a known item is asked, though decided
                sa.and_(_state.c.n_valid > 1, different > 1, undecided),
            ),
        )
        .order_by(_state.c.n_flag.desc(), _state.c.draw)
        .limit(limit)
    )
    with db.read() as tx:
        get(tx, project)
        rows = tx.all(asked)
        ids = [row.item_id for row in rows]
        flags = tx.all(sa.select(marks).where(marks.c.item_id.in_(ids), marks.c.resolution.is_(None)))
        answered = tx.all(sa.select(said).where(said.c.item_id.in_(ids), said.c.state.in_(tables.LIVE)))
    return [
        {
            "item": row.item_id,
            "text": row.text,
            "flags": [(each.reason, each.note) for each in flags if each.item_id == row.item_id],
            # By value: the order in which people came would tell who they are.
            "answers": sorted(each.value for each in answered if each.item_id == row.item_id and each.value),
        }
        for row in rows
    ]


def written(db: Database, project: str, contributor: str) -> list[str]:
    """Return the texts that a person has written in a project, the newest first."""
    asked = sa.select(_item.c.text).where(
        _item.c.project_id == project, _item.c.author_id == contributor, _item.c.state.in_(("open", "duplicate"))
    )
    with db.read() as tx:
        get(tx, project)
        return [row.text or "" for row in tx.all(asked.order_by(_item.c.id.desc()))]
