"""The page that says who and what is missing, takes the targets, and makes invitations for those who are missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from tuneset.errors import RecipeError, TunesetError
from tuneset.people import access, outcome, standing, targets, wanted
from tuneset.people.access import Invite
from tuneset.web.lead import INVITED
from tuneset.web.safety import word
from tuneset.web.typed import number, table

if TYPE_CHECKING:
    from starlette.responses import Response

    from tuneset.web.door import Visit

TYPED = 20_000  # characters of shares
SAMPLE = 4 << 20  # of a sample of live traffic
ROLES = INVITED[:2]


def share(visit: Visit) -> Response:
    """Show shares against targets, first of all who is missing."""
    return _show(visit)


def _show(visit: Visit, status: int = 200, **more: Any) -> Response:
    outcome.settle(visit.db, visit.id)
    found = standing.facts(visit.db, visit.id)
    asked = access.questions(visit.db, visit.id)
    given = {
        "found": found,
        "lines": _lines(found),
        "quotas": _quotas(visit),
        "asks": asked,
        "declared": {about: wanted.targets_of(visit.db, visit.id, about) for about in ("people", "examples")},
        "roles": ROLES if visit.project["kind"] != "write" else ROLES[::-1],
        "link": "",
        "typed": {},
    }
    return visit.show("share", status, **(given | more))


def _lines(found: dict[str, Any]) -> list[str]:
    """Say who and what is missing, of everything that has a target."""
    parts = (("people", "People"), ("examples", "Examples"))
    return [f"{name}, {each['attribute']}: {each['words']}" for about, name in parts for each in found.get(about, [])]


def _quotas(visit: Visit) -> dict[str, list[dict[str, Any]]]:
    """Return of each attribute its values, with the state of their quotas and no count, which could tell who is in."""
    with visit.db.read() as tx:
        declared = wanted.read(tx, visit.id, "people")
        tables = {name: wanted.places(tx, visit.id, name, each) for name, each in declared.items()}
    return {
        name: [
            row
            | {"share": declared[name].shares[row["value"]], "state": row["state"] if declared[name].size else "open"}
            for row in table.select("value", "quota", "state").to_dicts()
        ]
        for name, table in tables.items()
    }


def change(visit: Visit) -> Response:
    """Take targets by hand or from a sample, or make an invitation for those who are missing."""
    form = visit.form
    if word(form, "cell", 400):
        return _invite(visit)
    about: wanted.About = "examples" if word(form, "about") == "examples" else "people"
    size = word(form, "size", 6).strip()
    try:
        told = _counted(visit) if word(form, "sample", SAMPLE).strip() else _declared(visit)
        people = number(size, 0, "how many people") if about == "people" else 0
        wanted.declare(visit.db, visit.id, about, told, size=people, by=visit.contributor)
    except TunesetError as error:
        typed = {name: word(form, name, SAMPLE) for name in ("about", "name", "shares", "size", "sample", "columns")}
        return _show(visit, 400, typed=typed, said=f"{error.what}. Try: {error.hint}")
    return visit.go(f"/p/{visit.id}/share", said="Done. From now on this is what is wanted.")


def _invite(visit: Visit) -> Response:
    form = visit.form
    uses = number(word(form, "uses", 4), 0, "how many people")
    asks = Invite(word(form, "role"), uses, quota_cell=word(form, "cell", 400))
    token = access.invite(visit.db, visit.id, asks, by=visit.contributor)
    return _show(visit, link=f"{visit.address}/join/{token}", invited=asks.quota_cell)


def _declared(visit: Visit) -> dict[str, dict[str, float]]:
    name = word(visit.form, "name", 100).strip()
    if not name:
        raise RecipeError("the shares are of nothing", "targets", "name what they are shares of, such as region")
    return {name: shares_of(word(visit.form, "shares", TYPED).splitlines())}


def shares_of(lines: list[str]) -> dict[str, float]:
    """Read shares, a line each.

    >>> shares_of(["north: 60 %", "south: 40"])
    {'north': 60.0, 'south': 40.0}
    """
    found: dict[str, float] = {}
    for line in filter(str.strip, lines):
        value, colon, share = (part.strip() for part in line.rpartition(":"))
        try:
            number = float(share.removesuffix("%"))
        except ValueError:
            number = -1.0
        if not colon or not value or number < 0 or value in found:
            what = "this value stands there twice" if value in found else "this line has no share"
            raise RecipeError(f"{what}: {line.strip()[:80]}", "targets", "a value a line, as `north: 60`")
        found[value] = number
    return found


def _counted(visit: Visit) -> dict[str, dict[str, float]]:
    """Count shares in a sample of live traffic: a table with a header; `length` is counted in a column `text`."""
    rows = table(word(visit.form, "sample", SAMPLE), "the sample of live traffic")
    names = [each.strip() for each in word(visit.form, "columns", 1000).split(",") if each.strip()]
    if not names:
        raise RecipeError(
            "no column is named", "the sample of live traffic", "name those to count, with commas between"
        )
    columns = {name: [row.get(name) for row in rows] for name in (rows[0] if rows else ()) if name}
    sample = pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))
    if "text" in sample.columns and "length" not in sample.columns:
        sample = sample.with_columns(length=standing.lengths(sample["text"]))
    return targets.counted(sample, names)
