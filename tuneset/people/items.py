"""The items of a project: Examples come in, wait for answers, and go out as Examples again."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
import polars as pl
import sqlalchemy as sa

from tuneset import model, step
from tuneset.errors import InputError
from tuneset.people import tables
from tuneset.people.access import member
from tuneset.people.database import RefusedError, missing, to_text, words
from tuneset.people.projects import checked_value, get, published
from tuneset.people.queue import AUDIT, FRESH, OUT, draw, lock, settle, settle_all

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuneset.people.database import Database, Transaction
    from tuneset.people.projects import Person

BATCH = 500  # items of one transaction: others wait 60 ms for it at the most
LEADS = ("owner", "lead")
_item, _state = tables.item, tables.item_state

ANNOTATIONS = pl.Schema(
    {
        "id": pl.String(),
        "item": pl.String(),
        "example": pl.String(),
        "contributor": pl.String(),
        "value": pl.String(),  # JSON object, as in the column `labels` of Examples
        "state": pl.String(),  # active, superseded, withdrawn or late
        "was_audit": pl.Boolean(),
        "was_gold": pl.Boolean(),
        "seconds": pl.Float64(),
        "shown_suggestion": pl.String(),
        "schema_version": pl.Int64(),
        "guideline_version": pl.Int64(),
        "revision_of": pl.String(),
        "created_at": pl.Int64(),
        "seq": pl.Int64(),
    }
)


class Added(NamedTuple):
    """What became of examples: each is counted once."""

    added: int = 0
    duplicates: int = 0  # kept, and answered with the item that has their text
    known: int = 0  # their id is here already
    changed: int = 0  # their id is here with another text, which stays
    empty: int = 0  # nothing to read, so nothing to answer


def add(db: Database, project: str, examples: pl.DataFrame, origin: str = "imported", by: str | None = None) -> Added:
    """Add Examples to a project, 500 at a time; run again, those that are in already are only counted.

    Two with the same text (folded: case, white space) and the same messages are one item that is served; both go out
    again. Errors: InputError where a column of Examples is missing.
    """
    absent = [name for name in model.EXAMPLES if name not in examples.columns]
    if absent:
        raise InputError(f"these examples have no column {absent[0]!r}", "examples", "read them with tuneset.read")
    with db.read() as tx:
        get(tx, project)
    readable = examples.filter(pl.col("text").is_not_null() | pl.col("messages").is_not_null())
    total = Added(empty=len(examples) - len(readable))
    for batch in readable.iter_slices(BATCH):
        rows = _rows(batch)

        def added(tx: Transaction, rows: list[dict[str, Any]] = rows) -> Added:
            return _add(tx, project, by, [row | {"origin": origin} for row in rows])

        total = Added(*(a + b for a, b in zip(total, db.write(added), strict=True)))
    return total


def _rows(examples: pl.DataFrame) -> list[dict[str, Any]]:
    content = examples.select(
        pl.concat_str(step.folded("text").fill_null("\x01"), pl.lit("\x00"), pl.col("messages").fill_null("\x01"))
    ).to_series()
    return examples.select(
        "source",
        pl.col("text").str.replace_all("\x00", "\ufffd", literal=True),  # PostgreSQL keeps no NUL; the payload does
        example_id="id",
        payload=pl.struct(model.EXAMPLES.names()).struct.json_encode(),
        content_hash=model.digest(content),
    ).to_dicts()


def _add(tx: Transaction, project: str, by: str | None, rows: list[dict[str, Any]]) -> Added:
    own = get(tx, project)
    ids, hashes = ([row[name] for row in rows] for name in ("example_id", "content_hash"))
    here = sa.select(_item.c.example_id, _item.c.content_hash, _item.c.id).where(_item.c.project_id == project)
    known: dict[str, str | None] = {
        row.example_id: row.content_hash for row in tx.all(here.where(_item.c.example_id.in_(ids)))
    }
    # written out, not a parameter: only so does SQLite see that the index of open items holds the answer
    is_open = _item.c.state == sa.bindparam(None, "open", literal_execute=True)
    open_ones = here.where(_item.c.content_hash.in_(hashes), is_open)
    twins: dict[str, str] = {row.content_hash: row.id for row in tx.all(open_ones)}
    new: list[dict[str, Any]] = []
    changed = 0
    for row in rows:
        if row["example_id"] in known:
            changed += known[row["example_id"]] not in (None, row["content_hash"])
            continue
        known[row["example_id"]] = row["content_hash"]
        twin = twins.get(row["content_hash"])
        named = {"id": tx.new_id(), "project_id": project, "created_at": tx.at, "parent_id": twin}
        new.append({"author_id": None} | row | named | {"state": "duplicate" if twin else "open"})
        twins.setdefault(row["content_hash"], new[-1]["id"])
    if new:
        tx.lock_log(project)
        tx.add(_item, *new)
        tx.add(_state, *(_state_row(own, row) for row in new))
        tx.record(project, by, "added", project, (None, [[row["id"], row["state"]] for row in new]))
    duplicates = sum(row["state"] == "duplicate" for row in new)
    return Added(len(new) - duplicates, duplicates, len(rows) - len(new) - changed, changed)


def _state_row(project: sa.Row[Any], row: Mapping[str, Any]) -> dict[str, Any]:
    drawn = draw(project.split_salt, row["example_id"])
    audit, is_open = drawn < project.audit_share, row["state"] == "open"
    place = {"need": project.overlap if is_open else 0, "queue": (AUDIT if audit else FRESH) if is_open else OUT}
    return place | {"item_id": row["id"], "project_id": project.id, "rank": 0.0, "draw": drawn, "audit": audit}


def write(
    db: Database,
    person: Person,
    text: str,
    labels: Mapping[str, Any] | None = None,
    cell: Mapping[str, str] | None = None,
) -> str:
    """Add an Example that a person has written here, and return its item; it is never served to them.

    `cell`: what their card asked for besides the label (channel, tone, language), kept in `extra`. Its origin and its lineage name the person (`author:…`), so that a split can keep what one wrote on one side.
    """

    def written(tx: Transaction) -> str:
        member(tx, person, "owner", "lead", "annotator", "writer")
        if not text.strip():
            raise RefusedError("there is no text", "what was written", "write the example first")
        name, source = tx.new_id(), f"people:{person.project}"
        example = model.example_ids(source, pl.Series([name]))
        said = checked_value(published(tx, person.project, "label_schema"), labels) if labels else None
        filled = {"id": example[0], "text": words(text, 100_000), "labels": said, "source": source}
        filled |= {"groups": [f"author:{person.contributor}"], "extra": to_text(dict(cell or {}))}
        filled |= {"origin": to_text({"contributor": person.contributor, "project": person.project})}
        filled |= {"label": model.answers(pl.Series([said], dtype=pl.String))[0]}
        row = _rows(pl.DataFrame([filled], schema=model.EXAMPLES))[0]
        _add(tx, person.project, person.contributor, [row | {"origin": "written", "author_id": person.contributor}])
        found = tx.one(sa.select(_item.c.id).where(_item.c.example_id == example[0]))
        return str(found.id) if found else ""

    return db.write(written)


def set_gold(db: Database, project: str, answers: Mapping[str, Mapping[str, Any]], by: str | None = None) -> None:
    """Give items (by id) the answer that is known to be right; they are served to everyone in gold turns only."""

    def golden(tx: Transaction) -> None:
        own, schema = get(tx, project), published(tx, project, "label_schema")
        for item in sorted(answers):
            if lock(tx, project, item) is None:
                raise missing("item", item)
        names = sorted(answers)
        rows = [
            {"project_id": project, "item_id": item, "value": checked_value(schema, answers[item]), "explanation": ""}
            for item in names
        ]
        tx.lock_log(project)
        tx.run(tables.gold.delete().where(tables.gold.c.item_id.in_(names)))
        tx.add(tables.gold, *rows)
        tx.run(_state.update().where(_state.c.item_id.in_(names)).values(gold=True, audit=False))
        settle_all(tx, own.overlap, _state.c.item_id.in_(names))
        tx.record(project, by, "gold", project, (None, names))

    if answers:
        db.write(golden)


def prioritise(db: Database, project: str, numbers: Mapping[str, float]) -> None:
    """Set which items come first: the highest number of all that are as far. Unknown items are passed over."""
    ranks = [{"one": item, "minus": -float(number)} for item, number in sorted(numbers.items())]
    for start in range(0, len(ranks), BATCH):
        part = ranks[start : start + BATCH]
        db.write(partial(_set_ranks, rows=part, project=project))


def _set_ranks(tx: Transaction, rows: list[dict[str, Any]], project: str) -> None:
    own = (_state.c.item_id == sa.bindparam("one"), _state.c.project_id == project)
    tx.each(_state.update().where(*own).values(rank=sa.bindparam("minus")), rows)


def decide(db: Database, project: str, labels: Mapping[str, Mapping[str, Any]], posterior: Mapping[str, Any]) -> None:
    """Write down what the answers of several people come to; what a lead has decided stays, and what is known is not written again."""

    def decided(tx: Transaction) -> None:
        get(tx, project)
        tx.lock_log(project)
        ours = sa.func.coalesce(_state.c.decided_by, "") != "adjudicator"
        changed = _state.update().where(_state.c.item_id == sa.bindparam("one"), _state.c.project_id == project, ours)
        kept = sa.select(_state.c.item_id, _state.c.decided_label, _state.c.posterior).where(
            _state.c.project_id == project
        )
        known = {row.item_id: (row.decided_label, row.posterior) for row in tx.all(kept.where(ours))}
        told = {item: (to_text(dict(value)), to_text(posterior.get(item))) for item, value in labels.items()}
        rows = [
            {"one": item, "decided_label": said[0], "posterior": said[1]}
            for item, said in sorted(told.items())
            if item in known and known[item] != said
        ]
        if not rows:
            return
        fixed: dict[str, Any] = {name: sa.bindparam(name) for name in ("decided_label", "posterior")}
        tx.each(changed.values(**fixed, decided_by="consensus"), rows)
        tx.record(project, None, "decided", project, (None, {row["one"]: row["decided_label"] for row in rows}))

    if labels:
        db.write(decided)


def adjudicate(db: Database, person: Person, item: str, value: Mapping[str, Any], rationale: str = "") -> None:
    """Let a lead decide an item: it leaves the queue, and answers to it can no more be taken back."""

    def decided(tx: Transaction) -> None:
        member(tx, person, *LEADS)
        own, project = get(tx, person.project), person.project
        if lock(tx, project, item) is None:
            raise missing("item", item)
        label = checked_value(published(tx, project, "label_schema"), value)
        answers = tables.annotation
        seen = tx.all(sa.select(answers.c.id).where(answers.c.item_id == item, answers.c.state.in_(tables.LIVE)))
        row = {"id": tx.new_id(), "project_id": project, "item_id": item, "created_at": tx.at, "value": label}
        row |= {"decided_by": person.contributor, "rationale": words(rationale)}
        tx.add(tables.adjudication, row | {"seen_annotations": to_text(sorted(each.id for each in seen))})
        tx.lock_log(project)
        where = _state.c.item_id == item
        tx.run(_state.update().where(where).values(decided_label=label, decided_by="adjudicator", posterior=None))
        settle(tx, own, item)
        tx.record(project, person.contributor, "adjudicated", item, (None, label))

    db.write(decided)


def resolve(db: Database, person: Person, item: str, *, keep: bool) -> None:
    """Settle the flags of an item: it goes back to the queue (`keep`), or is dropped."""

    def resolved(tx: Transaction) -> None:
        member(tx, person, *LEADS)
        own, project = get(tx, person.project), person.project
        if lock(tx, project, item) is None:
            raise missing("item", item)
        flags = tables.flag
        said = {"resolved_by": person.contributor, "resolution": "keep" if keep else "drop"}
        tx.run(flags.update().where(flags.c.item_id == item, flags.c.resolution.is_(None)).values(said))
        if not keep:
            tx.run(_item.update().where(_item.c.id == item, _item.c.state == "open").values(state="dropped"))
        tx.lock_log(project)
        settle(tx, own, item)
        tx.record(project, person.contributor, "resolved", item, (None, said["resolution"]))

    db.write(resolved)


def examples(db: Database, project: str) -> pl.DataFrame:
    """Return a project's items as Examples, by id; what was decided stands in `labels` and `label`.

    A duplicate has the decision of the item with its text. Items that were dropped or withdrawn are left out.
    """
    parent = _item.alias()
    asked = (
        sa.select(_item.c.payload, sa.func.coalesce(_state.c.decided_label, sa.null()).label("decided"))
        .select_from(_item.outerjoin(parent, parent.c.id == _item.c.parent_id))
        .join(_state, _state.c.item_id == sa.func.coalesce(_item.c.parent_id, _item.c.id))
        .where(
            _item.c.project_id == project,
            _item.c.state.in_(("open", "duplicate")),
            sa.func.coalesce(parent.c.state, "open") == "open",
        )
    )
    with db.read() as tx:
        get(tx, project)
        rows = tx.all(asked)
    frame = pl.DataFrame(
        {"payload": [row.payload for row in rows], "decided": [row.decided for row in rows]},
        schema={"payload": pl.String, "decided": pl.String},
    )
    back = frame.select("decided", pl.col("payload").str.json_decode(pl.Struct(dict(model.EXAMPLES))).alias("row"))
    answered = pl.coalesce(model.answers(frame["decided"]), "label")
    return (
        back.unnest("row")
        .with_columns(label=answered, labels=pl.coalesce("decided", "labels"))
        .select(model.EXAMPLES.names())
        .sort("id")
    )


def annotated(db: Database, project: str) -> pl.DataFrame:
    """Return every answer of a project, in the order in which they came (columns: ANNOTATIONS)."""
    table = tables.annotation
    named = {"item": table.c.item_id, "example": _item.c.example_id, "contributor": table.c.contributor_id}
    columns = [named.get(name, table.c.get(name)).label(name) for name in ANNOTATIONS]  # type: ignore[union-attr]
    asked = sa.select(*columns).join(_item, _item.c.id == table.c.item_id)
    with db.read() as tx:
        get(tx, project)
        rows = tx.all(asked.where(table.c.project_id == project).order_by(table.c.seq))
    return pl.DataFrame([tuple(row) for row in rows], schema=ANNOTATIONS, orient="row")


def example_of(payload: str) -> dict[str, Any]:
    """Read the Example of an item."""
    return orjson.loads(payload)  # type: ignore[no-any-return]
