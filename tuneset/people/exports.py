"""The numbered increments of a project: kept, so that each can be given again, less what was taken back since."""

from __future__ import annotations

import secrets
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import polars as pl
import sqlalchemy as sa

from tuneset import near
from tuneset.people import agreement, items, online, outcome, overview, tables, webhooks
from tuneset.people.database import RefusedError, missing, to_text
from tuneset.people.increments import (
    FORGOTTEN,
    TOMBSTONE,
    Increment,
    canonical,
    content_hash,
    increment,
    manifest,
    replay,
    straddling,
)
from tuneset.people.projects import get, published
from tuneset.people.standing import facts
from tuneset.split.ties import ties

if TYPE_CHECKING:
    from tuneset.people.database import Database, Transaction

ALIKE = 0.7  # Jaccard of 3-grams from which on rows are near-duplicates and stay on one side, as everywhere
TRIES = 5  # to make an increment while people leave, or others make one
WORDS = ("text", "messages", "label", "source", "contributor", "salt")  # of a row, beside what increments.FIXED has
_CONTENT = dict.fromkeys(WORDS, pl.String)
_export, _kept, _item, _log = tables.export, tables.export_item, tables.item, tables.event


def export(db: Database, project: str, by: str | None = None) -> Increment:
    """Make the next increment of a project: what is new, corrected or gone since the last, each row on its side for ever.

    A row is an item that has a label: what people agree on (Dawid and Skene), what a lead decided, or what it came with.
    Near-duplicates (also of items without a label) and rows that share a key of lineage, such as their author, are one
    group and lie on one side. Each row has a `salt`, the same in all increments, so that nobody finds a text by its hash.
    `by` is who asked for it (None: the command line).

    Errors: RefusedError where nothing has changed since the last one.
    """
    for _ in range(TRIES):
        with db.read() as tx:
            salt, seen = str(get(tx, project).split_salt), _last(tx, project)
            earlier = _increments(tx, project)
        current = _current(db, project, earlier)
        made = increment(earlier, current, salt)
        if made.rows.is_empty():
            what = f"nothing has changed since increment {made.number - 1}" if earlier else "nothing is labelled yet"
            raise RefusedError(what, "the next increment", "label more, and make it then")
        told = manifest(made) | {"straddling": straddling([*earlier, made]).height} | _as_of_now(db, project)
        if db.write(partial(_keep, project=project, by=by, seen=seen, new=(made, told))):
            return made
    raise RefusedError("people are leaving just now", "the next increment", "make it again in a minute")


def made(db: Database, project: str) -> list[dict[str, Any]]:
    """Return what each increment of a project holds (its manifest, see increments.manifest), the first one first.

    `made_at` is when (milliseconds since 1970), `forgotten` how many of its rows were emptied since.
    """
    empty = sa.and_(_kept.c.content.is_(None), _kept.c.op != TOMBSTONE)
    counted = sa.select(sa.func.count()).where(_kept.c.export_id == _export.c.id, empty).scalar_subquery()
    asked = sa.select(_export, counted.label("forgotten")).where(_export.c.project_id == project)
    with db.read() as tx:
        get(tx, project)
        rows = tx.all(asked.order_by(_export.c.n))
    return [orjson.loads(row.manifest) | {"made_at": row.created_at, "forgotten": row.forgotten} for row in rows]


def lines(db: Database, project: str, number: int) -> bytes:
    """Give an increment as JSON lines: the bytes that it had when it was made, but for rows that were emptied since.

    Of such a row its op, id, group and side are left, and `forgotten`, the hash of what it said: the increment's own hash
    holds. Errors: MissingError for a number that there is not.
    """
    with db.read() as tx:
        get(tx, project)
        found = _increments(tx, project, number) if 0 < number < 1 << 31 else []
    if not found:
        raise missing("increment", str(number))
    written = canonical(found[0].rows)
    return written + b"\n" if written else b""


def standing(db: Database, project: str) -> pl.DataFrame:
    """Return the rows that stand after the last increment, with their sides; RunError where the chain does not hold."""
    with db.read() as tx:
        get(tx, project)
        return replay(_increments(tx, project))


# --- what there is now


def _as_of_now(db: Database, project: str) -> dict[str, Any]:
    """Say how far people agree, who is missing by the targets, and whether live texts have drifted: figures of no single person."""
    said, found = overview.answers(db, project), online.traffic(db, project).look
    agreed = agreement.alpha(said)._asdict() if said.height else None
    drift = found and {"seen": found.seen, "drifted": found.found.drifted, "says": found.found.says}
    return {"agreement": agreed, "stands": facts(db, project), "drift": drift}


def _current(db: Database, project: str, earlier: list[Increment]) -> pl.DataFrame:
    """Return the rows of now as strings: id, group, and WORDS."""
    found = outcome.rows(db, project)
    with db.read() as tx:
        field = (published(tx, project, "label_schema") or {}).get("field", "label")
    rows = found.select(
        "id",
        "text",
        pl.Series("messages", [_sorted(each) for each in found["messages"]], dtype=pl.String),
        pl.Series("label", [_label(each, field) for each in found["labels"]], dtype=pl.String),
        "source",
        "contributor",
    )
    before = pl.concat(
        [pl.DataFrame(schema={"id": pl.String, "group": pl.String, "salt": pl.String}), *map(_marks, earlier)]
    )
    known = before.drop_nulls("salt").unique("id", keep="last", maintain_order=True).select("id", "salt")
    rows = rows.with_columns(pl.when(pl.col("messages").is_null()).then("text").alias("text"))
    rows = rows.join(known, on="id", how="left", maintain_order="left")
    fresh = pl.Series([secrets.token_hex(16) for _ in range(rows.height)], dtype=pl.String)
    groups = _groups(items.examples(db, project), before)
    return rows.with_columns(salt=pl.coalesce("salt", fresh)).join(groups, on="id", maintain_order="left")


def _marks(each: Increment) -> pl.DataFrame:
    salt = pl.col("salt") if "salt" in each.rows.columns else pl.lit(None, dtype=pl.String).alias("salt")
    return each.rows.select("id", "group", salt)


def _groups(examples: pl.DataFrame, before: pl.DataFrame) -> pl.DataFrame:
    """Name each example's group (id, group): that of its members which was handed out first, else by its first member.

    The name stays when members come, so that a newcomer finds the side of those that have left, too.
    """
    found = near.pairs(near.sets(examples["text"].fill_null("")), threshold=ALIKE)
    nobody = pl.DataFrame(schema={"id": pl.String, "text": pl.String})
    tied = ties(examples, (found.left, found.right), ["*"], nobody, ALIKE)
    nodes = int(max(examples.height, tied.right.max(initial=-1) + 1))
    part = near.components(nodes, tied.left, tied.right)[: examples.height]
    named = before.with_row_index("when").unique("id", keep="last", maintain_order=True)
    rows = examples.select("id", part=pl.Series(part.astype(np.int64)))
    rows = rows.join(named.select("id", "group", "when"), on="id", how="left", maintain_order="left")
    oldest = pl.col("group").sort_by("when", nulls_last=True).first()
    return rows.select("id", group=pl.coalesce(oldest, pl.col("id").min()).over("part"))


def _sorted(messages: str | None) -> str | None:
    return None if messages is None else to_text(orjson.loads(messages))


def _label(labels: str, field: str) -> str:
    """Return the label that people were asked for; where there are others all of them, as JSON."""
    found = orjson.loads(labels)
    value = found.get(field) if set(found) == {field} else found
    return value if isinstance(value, str) else to_text(value)


# --- what is kept


def _last(tx: Transaction, project: str) -> int:
    asked = sa.select(sa.func.coalesce(sa.func.max(_log.c.seq), 0)).where(_log.c.project_id == project)
    return int(tx.run(asked).scalar_one())


def _keep(tx: Transaction, project: str, by: str | None, seen: int, new: tuple[Increment, dict[str, Any]]) -> bool:
    """Write an increment and its manifest; False where somebody left, or another was made, since its rows were read."""
    made, told = new
    tx.lock_log(project)
    since = sa.select(_log.c.seq).where(_log.c.project_id == project, _log.c.seq > seen)
    if tx.one(since.where(_log.c.kind.in_(("withdrew", "exported"))).limit(1)):
        return False
    before = tx.one(sa.select(_export.c.id).where(_export.c.project_id == project, _export.c.n == made.number - 1))
    name = tx.new_id()
    row = {"id": name, "project_id": project, "created_at": tx.at, "n": made.number, "parent": before and before.id}
    tx.add(_export, row | {"manifest": to_text(told), "sha256": made.sha256})
    for part in made.rows.iter_slices(items.BATCH):
        tx.add(_kept, *_kept_rows(tx, project, name, part))
    said = {"number": made.number, "sha256": made.sha256, "rows": made.rows.height}
    tx.record(project, by, "exported", name, (None, said))
    webhooks.tell(tx, project, "export-made", said)
    return True


def _kept_rows(tx: Transaction, project: str, name: str, part: pl.DataFrame) -> list[dict[str, Any]]:
    ids = part["id"].to_list()
    state, answer = tables.item_state, tables.annotation
    asked_of = sa.func.coalesce(_item.c.parent_id, _item.c.id)
    own = sa.select(_item.c.id, _item.c.example_id, asked_of.label("asked")).where(
        _item.c.project_id == project, _item.c.example_id.in_(ids)
    )
    found = {row.example_id: row for row in tx.all(own)}
    asked = [row.asked for row in found.values()]
    lone = (
        sa.select(answer.c.item_id, sa.func.min(answer.c.id).label("one"))
        .join(state, state.c.item_id == answer.c.item_id)
        .where(answer.c.item_id.in_(asked), answer.c.state == "active")
        .where(sa.func.coalesce(state.c.decided_by, "") == "consensus")
        .group_by(answer.c.item_id)
        .having(sa.func.count() == 1)
    )
    single = {row.item_id: row.one for row in tx.all(lone)}
    rows = []
    for row in part.iter_rows(named=True):
        said = {name: row[name] for name in WORDS if row.get(name) is not None}
        said |= {"messages": orjson.loads(said["messages"])} if "messages" in said else {}
        its, gone = found[row["id"]], row["op"] == TOMBSTONE
        kept = {"export_id": name, "project_id": project, "item_id": its.id, "op": row["op"]}
        kept |= {"annotation_id": None if gone else single.get(its.asked), "group_key": row["group"]}
        kept |= {"side": row["side"], "content": None if gone else to_text(said), "content_hash": content_hash(said)}
        rows.append(kept)
    return rows


def _increments(tx: Transaction, project: str, number: int | None = None) -> list[Increment]:
    """Read the increments of a project, or the one with a number."""
    which = () if number is None else (_export.c.n == number,)
    own = tx.all(sa.select(_export).where(_export.c.project_id == project, *which).order_by(_export.c.n))
    known = tx.all(sa.select(_export.c.id, _export.c.sha256).where(_export.c.project_id == project))
    hashes = {row.id: row.sha256 for row in known}
    return [Increment(row.n, hashes[row.parent] if row.parent else "", _rows_of(tx, row.id), row.sha256) for row in own]


def _rows_of(tx: Transaction, name: str) -> pl.DataFrame:
    asked = sa.select(_kept, _item.c.example_id).join(_item, _item.c.id == _kept.c.item_id)
    rows = []
    for row in tx.run(asked.where(_kept.c.export_id == name)):
        said = orjson.loads(row.content) if row.content else {}
        said |= {"messages": to_text(said["messages"])} if "messages" in said else {}
        fixed = {"op": row.op, "id": row.example_id, "group": row.group_key, "side": row.side}
        empty = not said and row.op != TOMBSTONE
        rows.append(fixed | said | ({FORGOTTEN: row.content_hash} if empty else {}))
    schema = dict.fromkeys(("op", "id", "group", "side"), pl.String) | _CONTENT | {FORGOTTEN: pl.String}
    found = pl.DataFrame(rows, schema=schema, orient="row").sort("id")
    return found.drop(name for name in (*WORDS, FORGOTTEN) if found[name].null_count() == found.height)
