"""Items whose answer is known: mixed in among the others, they say how often a person is right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
import sqlalchemy as sa

from tuneset.people import items, tables
from tuneset.people.overview import answers, flat
from tuneset.people.projects import checked_value, get, published

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuneset.people.database import Database, Transaction
    from tuneset.people.projects import Person

_gold, _item, _annotation = tables.gold, tables.item, tables.annotation


class Known(NamedTuple):
    """A text, the label that is right for it (a key of the label schema; of several, semicolons between them), and why."""

    text: str
    label: str
    why: str = ""


class Taught(NamedTuple):
    """What a person is shown who answered a known item wrongly."""

    text: str
    said: str
    right: str
    why: str


def add(db: Database, project: str, known: Sequence[Known], by: str | None = None) -> int:
    """Note what is right for texts, and return for how many; those that are not in the project are added to it.

    The last word on a text counts. Errors: RefusedError for a label that the project does not have; then nothing is noted.
    """
    rows = {each.text: each for each in known if each.text.strip()}
    with db.read() as tx:
        schema = published(tx, project, "label_schema") or {}
    field, many = schema.get("field", "label"), bool(schema.get("many"))
    values = {text: {field: _several(each.label) if many else each.label} for text, each in rows.items()}
    for value in values.values():
        checked_value(schema, value)
    there = items.with_text(db, project, list(rows))
    new = [text for text, item in zip(rows, there, strict=True) if item is None]
    items.add(db, project, items.plain(new, f"people:{project}"), by=by)
    found = dict(zip(items.with_text(db, project, list(rows)), rows, strict=True))
    right = {item: values[text] for item, text in found.items() if item is not None}
    items.set_gold(db, project, right, by, {item: rows[found[item]].why for item in right})
    return len(right)


def listed(db: Database, project: str) -> list[dict[str, Any]]:
    """Return the known items, the last first: text, label, why; how many were asked (`asked`) and were `right`."""
    asked = (
        sa.select(_gold.c.item_id, _gold.c.value, _gold.c.explanation, _item.c.text)
        .join(_item, _item.c.id == _gold.c.item_id)
        .where(_gold.c.project_id == project)
        .order_by(_gold.c.item_id.desc())
    )
    with db.read() as tx:
        schema = published(tx, project, "label_schema") or {}
        rows = tx.all(asked)
    told: dict[str, list[bool]] = {}
    for item, value, known in answers(db, project).select("item", "value", "gold").drop_nulls("gold").iter_rows():
        told.setdefault(item, []).append(value == known)
    return [
        {"text": row.text, "label": flat(row.value, schema), "why": row.explanation}
        | {"asked": len(told.get(row.item_id, [])), "right": sum(told.get(row.item_id, []))}
        for row in rows
    ]


def taught(tx: Transaction, person: Person, annotation: str) -> Taught | None:
    """Return what a person is to be shown of an answer of theirs; None where it was right, or the project does not teach."""
    project = get(tx, person.project)
    if project.teaching != "on":
        return None
    row = tx.one(
        sa.select(_annotation.c.value, _gold.c.value.label("right"), _gold.c.explanation, _item.c.text)
        .join(_gold, _gold.c.item_id == _annotation.c.item_id)
        .join(_item, _item.c.id == _annotation.c.item_id)
        .where(
            _annotation.c.id == annotation,
            _annotation.c.project_id == person.project,
            _annotation.c.contributor_id == person.contributor,
            _annotation.c.state.in_(tables.LIVE),
            _annotation.c.was_gold,
        )
    )
    schema = published(tx, person.project, "label_schema") or {}
    if row is None or flat(row.value, schema) == flat(row.right, schema):
        return None
    return Taught(row.text or "", _words(row.value, schema), _words(row.right, schema), row.explanation)


def _several(label: str) -> list[str]:
    """Read the labels of a text that may have several: semicolons part them."""
    return [each.strip() for each in label.split(";") if each.strip()]


def _words(value: str, schema: dict[str, Any]) -> str:
    """Say an answer as its buttons do."""
    found = orjson.loads(value).get(schema.get("field", "label"))
    return ", ".join(map(str, found)) if isinstance(found, list) else str(found)
