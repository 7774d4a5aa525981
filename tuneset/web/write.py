"""The page on which people write examples: a card that says what is missing, and a word where the text is there already."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import polars as pl
from starlette.responses import JSONResponse, Response

from tuneset import near
from tuneset.near import grams
from tuneset.people import cards, items, overview, projects, wanted
from tuneset.people.database import RefusedError
from tuneset.people.queue import draw
from tuneset.web.safety import MOST_BODY, word

if TYPE_CHECKING:
    from tuneset.people.cards import Card
    from tuneset.web.door import Visit

ALIKE, SHOWN, LONGEST = 0.7, 3, 20_000  # Jaccard of 3-grams, as for near-duplicates; twins; characters
MOST = 20_000  # texts, the last ones, that a new one is held against: a tenth of a second
APART = 97  # cards between two people who write at the same time


def write(visit: Visit) -> Response:
    """Show the card that this person may write to now."""
    return _show(visit)


def _show(visit: Visit, status: int = 200, **more: Any) -> Response:
    schema = _schema(visit)
    table = plan(visit, schema)
    given = {
        "card": _card(visit, table),
        "labels": [each["key"] for each in schema.get("labels", [])],
        "missing": int(table["missing"].sum()) if table.height else 0,
        "wanted": int(table["wanted"].sum()) if table.height else 0,
        "count": len(overview.written(visit.db, visit.id, visit.contributor)),
        "other": _other(visit),
        "typed": "",
        "twins": [],
        "mine": visit.query.get("did", ""),
    }
    return visit.show("write", status, **(given | more))


def _schema(visit: Visit) -> dict[str, Any]:
    with visit.db.read() as tx:
        return projects.published(tx, visit.id, "label_schema") or {}


def plan(visit: Visit, schema: dict[str, Any]) -> pl.DataFrame:
    """Return which examples are wanted, how many there are, and how many are missing; see cards.plan."""
    axes = wanted.axes_of(schema, wanted.targets_of(visit.db, visit.id, "examples"))
    if not axes:
        return pl.DataFrame(schema={"wanted": pl.Int64, "count": pl.Int64, "missing": pl.Int64})
    found = items.examples(visit.db, visit.id)
    field = schema.get("field", "label")
    told = [
        orjson.loads(extra or "{}") | {"label": orjson.loads(labels or "{}").get(field)}
        for extra, labels in found.select("extra", "labels").rows()
    ]
    there = pl.DataFrame(
        {axis: [str(each[axis]) if each.get(axis) else None for each in told] for axis in axes},
        schema=dict.fromkeys(axes, pl.String),
    )
    return cards.plan(axes, int(schema.get("wanted", 100)), there)


def _card(visit: Visit, table: pl.DataFrame) -> Card | None:
    """Draw a card: each person begins elsewhere, and who asks for another gets the next."""
    if not table.height:
        return None
    start = int(draw(visit.id, visit.contributor) * APART)
    return cards.next_card(table, 0, start + _other(visit))


def _other(visit: Visit) -> int:
    told = visit.query.get("other", "0")
    return min(int(told), 10_000) if told.isdecimal() else 0


def wrote(visit: Visit) -> Response:
    """Take an example; where its text is there already, nearly, it is shown beside, and taken when sent again."""
    schema, form = _schema(visit), visit.form
    text = word(form, "text", MOST_BODY).replace("\r\n", "\n").strip()
    cell = {axis: word(form, f"cell:{axis}") for axis in cards.AXES if word(form, f"cell:{axis}")}
    label = word(form, "label") or cell.pop("label", "")
    if not text or len(text) > LONGEST:
        long = f"This has {len(text):,} characters; {LONGEST:,} are the most. Shorten it, and send it again."
        return _show(visit, 400, typed=text, said=long if text else "Write something first.")
    twins = near_to(visit, text)
    if twins and not word(form, "sure"):
        said = "This is nearly there already. Another way to say it would help more; or send it all the same."
        return _show(visit, 409, typed=text, twins=twins, said=said)
    labels = {schema.get("field", "label"): label} if label else None
    try:
        items.write(visit.db, visit.person, text, labels, cell)
    except RefusedError as error:  # a lead has taken the card's label away meanwhile
        return again(visit, text, f"Not sent: {error.what}. Send it to another card, if it fits.")
    return visit.go(f"/p/{visit.id}/write", did="Kept. Thank you.")


def again(visit: Visit, text: str, said: str) -> Response:
    """Show the form again with what somebody wrote, and say why it is not sent."""
    return _show(visit, 409, typed=text, said=said)


def near_to(visit: Visit, text: str) -> list[str]:
    """Return texts of the project that are nearly this one, the nearest first."""
    there = items.examples(visit.db, visit.id)["text"].drop_nulls()
    if not len(there):
        return []
    there = there[-MOST:]
    rows = grams.by_size(near.sets(pl.concat([there, pl.Series("text", [text])])), np.arange(len(there) + 1))
    place = np.argsort(rows.row)  # a row's place among rows by size
    scores = grams.jaccard(rows, place[:-1], np.repeat(place[-1:], len(there)))
    best = np.argsort(-scores, kind="stable")[:SHOWN]
    return [there[int(each)] for each in best if scores[each] >= ALIKE]


def twins(visit: Visit) -> Response:
    """Say, while somebody writes, which texts are nearly theirs."""
    text = visit.query.get("text", "")[:LONGEST].strip()
    return JSONResponse({"twins": near_to(visit, text) if len(text) > 10 else []})
