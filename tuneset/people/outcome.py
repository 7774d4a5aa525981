"""What a project comes to: one label for each item by the answers of all, and the rows that go out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import polars as pl
import sqlalchemy as sa

from tuneset.people import consensus, items, overview, standing, tables
from tuneset.people.projects import of_texts, published

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuneset.people.consensus import Method
    from tuneset.people.database import Database


# what a row that goes out has besides its label
TAKEN = (
    "id",
    "text",
    "messages",
    "source",
    "contributor",
    "sure",
    "answered",
    "weight",
    "labels",
    "groups",
    "origin",
    "extra",
    "salt",
    "side",
    "group",
    "op",
)


def settle(db: Database, project: str, method: Method = "dawid-skene") -> pl.DataFrame:
    """Write down what the answers come to by now, and return it, see `consensus`; what a lead has decided stays."""
    said = overview.answers(db, project)
    with db.read() as tx:
        schema = published(tx, project, "label_schema") or {}
    found = consensus.consensus(said.filter(pl.col("value").is_not_null()), method)
    told = found.filter(pl.col("value").is_not_null())
    field, many = schema.get("field", "label"), bool(schema.get("many"))
    labels: dict[str, dict[str, Any] | None] = {
        item: {field: orjson.loads(value) if many else value} for item, value in told.select("item", "value").rows()
    }
    nothing = dict.fromkeys(_decided(db, project) - labels.keys())  # answers were taken back since
    items.decide(
        db, project, nothing | labels, {item: {"sure": sure} for item, sure in told.select("item", "sure").rows()}
    )
    return found


def _decided(db: Database, project: str) -> set[str]:
    state = tables.item_state
    asked = sa.select(state.c.item_id).where(state.c.project_id == project, state.c.decided_by == "consensus")
    with db.read() as tx:
        return {row.item_id for row in tx.all(asked)}


def rows(db: Database, project: str) -> pl.DataFrame:
    """Return a row for each item that has a label: id, text or messages, labels (JSON), source, contributor, sure, answered, weight.

    `contributor` wrote the text, where somebody did; `sure` is 1 for what a lead decided; `weight` is null where people
    are not weighed, see `standing.row_weights`.
    """
    with db.read() as tx:
        of_texts(tx, project)
    settle(db, project)
    state, item, answer = tables.item_state, tables.item, tables.annotation
    count = (
        sa.select(sa.func.count()).where(answer.c.item_id == item.c.id, answer.c.state == "active").scalar_subquery()
    )
    asked = (
        sa.select(item.c.example_id, item.c.author_id, state.c.posterior, state.c.decided_by, count.label("n"))
        .join(state, state.c.item_id == sa.func.coalesce(item.c.parent_id, item.c.id))
        .where(item.c.project_id == project)
    )
    with db.read() as tx:
        told = [(row.example_id, row.author_id, _sure(row.posterior, row.decided_by), row.n) for row in tx.all(asked)]
    kinds = {"id": pl.String, "contributor": pl.String, "sure": pl.Float64, "answered": pl.Int64}
    about = pl.DataFrame(told, schema=kinds, orient="row")
    found = items.examples(db, project).filter(pl.col("labels").is_not_null())
    weights = standing.row_weights(db, project)
    return (
        found.select("id", "text", "messages", "labels", "source")
        .join(about, on="id", how="left", maintain_order="left")
        .join(weights, on="id", how="left", maintain_order="left")
    )


def _sure(posterior: str | None, decided_by: str | None) -> float | None:
    if decided_by == "adjudicator":
        return 1.0
    sure = orjson.loads(posterior or "{}").get("sure")
    return None if sure is None else float(sure)


def field(db: Database, project: str) -> str:
    """Return the label column of a project."""
    with db.read() as tx:
        return str((published(tx, project, "label_schema") or {}).get("field", "label"))


def lines(db: Database, project: str) -> bytes:
    """Write the rows as lines of JSON that `tuneset prepare` reads: the text, its labels, who wrote it, how sure that is."""
    return b"".join(parts(rows(db, project)))


def parts(found: pl.DataFrame) -> Iterator[bytes]:
    """Write rows as lines of JSON, a thousand at a time."""
    for part in found.iter_slices(1000):
        made = [
            {"id": row["id"]}
            | ({"messages": orjson.loads(row["messages"])} if row["messages"] else {"text": row["text"]})
            | orjson.loads(row["labels"])
            # not "answers": tuneset takes a column of that name for a label
            | {name: row[name] for name in ("contributor", "sure", "answered", "weight") if row[name] is not None}
            for row in part.iter_rows(named=True)
        ]
        yield b"".join(orjson.dumps(each) + b"\n" for each in made)


def find(db: Database, name: str = "") -> Any:
    """Return the project with a name or an id; without one, the only project that there is."""
    table = tables.project
    with db.read() as tx:
        found = tx.all(sa.select(table).order_by(table.c.created_at, table.c.id))
    fitting = [row for row in found if not name or name in (row.name, row.id)]
    return fitting[0] if len(fitting) == 1 else [row.name for row in found]
