"""The page on which a lead says which answers are known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuneset.errors import RecipeError, TunesetError
from tuneset.people import gold, projects
from tuneset.people.database import RefusedError
from tuneset.people.gold import Known
from tuneset.web.safety import MOST_BODY, word
from tuneset.web.typed import table

if TYPE_CHECKING:
    from starlette.responses import Response

    from tuneset.web.door import Visit

TEXT, WHY = "text", "why"


def known(visit: Visit, status: int = 200, said: str = "", typed: str = "") -> Response:
    """Show the texts whose answer is known, and how many got them right."""
    rows = gold.listed(visit.db, visit.id)
    with visit.db.read() as tx:
        schema = projects.published(tx, visit.id, "label_schema") or {}
    given = {"rows": rows, "field": schema.get("field", "label"), "labels": schema.get("labels", []), "typed": typed}
    share = projects.settings_of(visit.db, visit.id).gold_share
    return visit.show("gold", status, share=share, **(given | ({"said": said} if said else {})))


def add(visit: Visit) -> Response:
    """Take a table of texts, each with what is right and, if there is such a column, why."""
    typed = word(visit.form, "rows", MOST_BODY)
    if visit.project["kind"] == "review":
        raise RefusedError("what is asked here comes from a run", visit.id, "ask others when you settle a dispute")
    with visit.db.read() as tx:
        field = (projects.published(tx, visit.id, "label_schema") or {}).get("field", "label")
    try:
        count = gold.add(visit.db, visit.id, _rows(typed, field), visit.contributor)
    except TunesetError as error:
        return known(visit, 400, f"{error.what}. {error.hint}", typed)
    return visit.go(f"/p/{visit.id}/gold", said=f"{count:,} are known now.")


def _rows(typed: str, field: str) -> list[Known]:
    rows = table(typed)
    absent = [name for name in (TEXT, field) if not rows or name not in rows[0]]
    if absent:
        hint = f"its first line names the columns {TEXT}, {field} and, if you like, {WHY}"
        raise RecipeError(f"this table has no column {absent[0]!r}", "the table", hint)
    return [
        Known(row[TEXT].strip(), row[field].strip(), (row.get(WHY) or "").strip()) for row in rows if row[TEXT].strip()
    ]
