"""The items of a project: Examples come in, wait for answers, and go out as Examples again."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
import polars as pl
import sqlalchemy as sa

from tuneset import model, step
from tuneset.errors import InputError, unknown
from tuneset.people import tables, webhooks
from tuneset.people.access import member
from tuneset.people.database import RefusedError, missing, to_text, words
from tuneset.people.projects import checked_value, get, published
from tuneset.people.queue import AUDIT, FRESH, OUT, draw, lock, settle, settle_all

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
        _refuse_unknown(published(tx, project, "label_schema") or {}, examples["labels"])
    readable = examples.filter(pl.col("text").is_not_null() | pl.col("messages").is_not_null())
    total = Added(empty=len(examples) - len(readable))
    for batch in readable.iter_slices(BATCH):
        rows = _rows(batch)

        def added(tx: Transaction, rows: list[dict[str, Any]] = rows) -> Added:
            return _add(tx, project, by, [row | {"origin": origin} for row in rows])

        total = Added(*(a + b for a, b in zip(total, db.write(added), strict=True)))
    return total


def _refuse_unknown(schema: Mapping[str, Any], labels: pl.Series) -> None:
    """Refuse labels that the project does not have: what nobody may say must not come in by a file."""
    keys, field = {label["key"] for label in schema.get("labels", [])}, schema.get("field", "label")
    for said in labels.drop_nulls().unique(maintain_order=True) if keys else ():
        given = orjson.loads(said)
        if other := sorted(given.keys() - {field}):
            raise InputError(
                f"this project labels {field!r}, and not {other[0]!r}", "what was sent", f"call it {field!r}"
            )
        value = given.get(field)
        if isinstance(value, list) and not schema.get("many"):
            raise InputError(f"a text has one label here, and not {len(value)}", "what was sent", "send one")
        for each in value if isinstance(value, list) else [value] if value is not None else []:
            if each not in keys:
                raise unknown("label", str(each), keys, "what was sent")


def plain(texts: Sequence[str | None], source: str) -> pl.DataFrame:
    """Make Examples of texts; the same text gets the same id, so that what is pasted twice is known."""
    frame = pl.DataFrame({"text": texts}, schema={"text": pl.String})
    return frame.with_columns(
        model.example_ids(source, frame["text"].fill_null("")),
        *(pl.lit(None, dtype=model.EXAMPLES[name]).alias(name) for name in ("label", "labels", "messages", "extra")),
        source=pl.lit(source),
        groups=pl.lit([], dtype=pl.List(pl.String)),
        origin=pl.lit("{}"),
    ).select(model.EXAMPLES.names())


def with_text(db: Database, project: str, texts: Sequence[str]) -> list[str | None]:
    """Return, for each text, the item that is served for it (folded: case, white space); None where there is none."""
    hashes = _content(plain(texts, project)).to_list()
    found: dict[str, str] = {}
    with db.read() as tx:
        for start in range(0, len(hashes), BATCH):
            part = hashes[start : start + BATCH]
            here = (_item.c.project_id == project, _item.c.content_hash.in_(part), _item.c.state == "open")
            found |= {
                row.content_hash: row.id for row in tx.all(sa.select(_item.c.content_hash, _item.c.id).where(*here))
            }
    return [found.get(each) for each in hashes]


def _content(examples: pl.DataFrame) -> pl.Series:
    said = examples.select(
        pl.concat_str(step.folded("text").fill_null("\x01"), pl.lit("\x00"), pl.col("messages").fill_null("\x01"))
    )
    return model.digest(said.to_series())


def _rows(examples: pl.DataFrame) -> list[dict[str, Any]]:
    return examples.select(
        "source",
        pl.col("text").str.replace_all("\x00", "\ufffd", literal=True),  # PostgreSQL keeps no NUL; the payload does
        example_id="id",
        payload=pl.struct(model.EXAMPLES.names()).struct.json_encode(),
        content_hash=_content(examples),
    ).to_dicts()


def _add(tx: Transaction, project: str, by: str | None, rows: list[dict[str, Any]]) -> Added:
    own = get(tx, project)
    if own.kind == "review":  # its items are questions, and of one text there may be several
        rows = [row | {"content_hash": row["example_id"]} for row in rows]
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


def set_gold(
    db: Database,
    project: str,
    answers: Mapping[str, Mapping[str, Any]],
    by: str | None = None,
    why: Mapping[str, str] | None = None,
) -> None:
    """Give items (by id) the answer that is known to be right, and `why` it is: it is what goes out for them.

    They are served in gold turns only, to everyone, and look like any other.
    """

    def golden(tx: Transaction) -> None:
        own, schema = get(tx, project), published(tx, project, "label_schema")
        for item in sorted(answers):
            if lock(tx, project, item) is None:
                raise missing("item", item)
        names = sorted(answers)
        right = {item: checked_value(schema, answers[item]) for item in names}
        rows = [
            {
                "project_id": project,
                "item_id": item,
                "value": right[item],
                "explanation": words((why or {}).get(item, "")),
            }
            for item in names
        ]
        tx.lock_log(project)
        tx.run(tables.gold.delete().where(tables.gold.c.item_id.in_(names)))
        tx.add(tables.gold, *rows)
        known = {"gold": True, "audit": False, "decided_by": "adjudicator", "posterior": None}
        change = _state.update().where(_state.c.item_id == sa.bindparam("one"))
        tx.each(
            change.values(known | {"decided_label": sa.bindparam("right")}),
            [{"one": one, "right": said} for one, said in right.items()],
        )
        settle_all(tx, own.overlap, _state.c.item_id.in_(names))
        tx.record(project, by, "gold", project, (None, right))

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


def ask_only(db: Database, project: str, order: Sequence[str], by: str | None = None) -> int:
    """Ask for these Examples (ids, the first first) and put all others away; return how many were put away.

    What a lead has taken out stays out. What was put away comes back, with its answers, when it is asked for again.
    """
    marks = tables.flag
    out = sa.exists().where(marks.c.item_id == _item.c.id, marks.c.resolution == "drop")
    asked = sa.select(_item.c.id, _item.c.example_id, _item.c.state).where(
        _item.c.project_id == project, _item.c.state.in_(("open", "dropped")), sa.not_(out)
    )
    with db.read() as tx:
        rows = tx.all(asked.order_by(_item.c.id))
    places = {example: place for place, example in enumerate(order)}
    changed = [(row.id, "dropped") for row in rows if row.state == "open" and row.example_id not in places]
    away = len(changed)
    changed += [(row.id, "open") for row in rows if row.state == "dropped" and row.example_id in places]
    for start in range(0, len(changed), BATCH):
        db.write(partial(_set_states, project=project, by=by, states=dict(changed[start : start + BATCH])))
    prioritise(db, project, {row.id: -places[row.example_id] for row in rows if row.example_id in places})
    return away


def _set_states(tx: Transaction, project: str, by: str | None, states: dict[str, str]) -> None:
    own = get(tx, project)
    tx.lock_log(project)
    where = (_item.c.id == sa.bindparam("one"), _item.c.project_id == project)
    changed = _item.update().where(*where).values(state=sa.bindparam("now"))
    tx.each(changed, [{"one": item, "now": state} for item, state in states.items()])
    settle_all(tx, own.overlap, _state.c.item_id.in_(list(states)))
    tx.record(project, by, "asked", project, (None, states))


def decide(
    db: Database, project: str, labels: Mapping[str, Mapping[str, Any] | None], posterior: Mapping[str, Any]
) -> None:
    """Write down what the answers of several people come to (None: nothing any more); what a lead has decided stays.

    What stands already is not written, nor logged, again.
    """

    def decided(tx: Transaction) -> None:
        get(tx, project)
        tx.lock_log(project)
        ours = sa.func.coalesce(_state.c.decided_by, "") != "adjudicator"
        changed = _state.update().where(_state.c.item_id == sa.bindparam("one"), _state.c.project_id == project, ours)
        columns = ("decided_label", "posterior", "decided_by")
        here = sa.select(_state.c.item_id, *(_state.c[name] for name in columns)).where(_state.c.project_id == project)
        now = {row.item_id: tuple(row)[1:] for row in tx.all(here.where(ours))}
        told: dict[str, tuple[str | None, ...]] = {
            item: (to_text(dict(value)), to_text(posterior.get(item)), "consensus") if value else (None, None, None)
            for item, value in labels.items()
        }
        new = sorted(item for item in told if item in now and now[item] != told[item])
        fixed: dict[str, Any] = {name: sa.bindparam(f"new_{name}") for name in columns}
        rows = [
            {"one": item, **{f"new_{name}": told[item][place] for place, name in enumerate(columns)}} for item in new
        ]
        if rows:
            tx.each(changed.values(fixed), rows)
        if said := {item: told[item][0] for item in new if told[item][0] != now[item][0]}:
            tx.record(project, None, "decided", project, (None, said))

    if labels:
        db.write(decided)


def adjudicate(db: Database, person: Person, item: str, value: Mapping[str, Any], rationale: str = "") -> None:
    """Let a lead decide an item: it leaves the queue, its flags are settled, and answers to it can no more be taken back."""

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
        flags = tables.flag
        waiting = (flags.c.item_id == item, flags.c.resolution.is_(None))
        tx.run(flags.update().where(*waiting).values(resolved_by=person.contributor, resolution="keep"))
        tx.lock_log(project)
        where = _state.c.item_id == item
        tx.run(_state.update().where(where).values(decided_label=label, decided_by="adjudicator", posterior=None))
        known = tables.gold
        tx.run(known.update().where(known.c.item_id == item).values(value=label, explanation=words(rationale)))
        settle(tx, own, item)
        tx.record(project, person.contributor, "adjudicated", item, (None, label))
        webhooks.tell(tx, project, "item-done", {"item": item, "by": "adjudicator"})

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


def example(tx: Transaction, project: str, item: str) -> dict[str, Any]:
    """Return the Example of an item of the project."""
    row = tx.one(sa.select(_item.c.payload).where(_item.c.id == item, _item.c.project_id == project))
    if row is None or row.payload is None:
        raise missing("item", item)
    return example_of(row.payload)


def example_of(payload: str) -> dict[str, Any]:
    """Read the Example of an item."""
    return orjson.loads(payload)  # type: ignore[no-any-return]
