"""Who and what a project wants: targets that its lead declared, and the places that are left of each quota."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import orjson
import sqlalchemy as sa

from tuneset.errors import RecipeError, unknown
from tuneset.people import cards, tables
from tuneset.people.coverage import quotas
from tuneset.people.database import to_text, words
from tuneset.people.groups import LEAST
from tuneset.people.projects import get, published
from tuneset.people.targets import declared

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

    from tuneset.people.database import Database, Transaction
    from tuneset.people.targets import Targets

About = Literal["people", "examples"]
COUNTED = ("annotator", "writer")  # roles of those who stand for somebody; leads and owners run the project
_target, _member, _said = tables.target, tables.member, tables.contributor_attribute


class Target(NamedTuple):
    """The shares that are wanted of one attribute."""

    shares: dict[str, float]
    size: int = 0  # people in the end, cut into quotas; 0: no quotas


def declare(  # noqa: PLR0913
    db: Database, project: str, about: About, targets: Targets, *, size: int = 0, by: str | None = None
) -> None:
    """Declare the shares that the users of the model have, `{attribute: {value: share}}`, by hand or from `targets.counted`.

    Of people: attributes that they are asked for, with a share for every answer; `size` people in the end are cut into
    quotas. Of examples: columns such as label, language, channel, tone or length. An attribute without shares has no
    target any more; others stay as they are.

    Errors: RecipeError for shares that are none, an attribute or a value that is not known, an answer without a share,
    and a quota below 5 people, which would give away who they are.
    """
    if size < 0 or (size and about == "examples"):
        raise RecipeError(f"quotas of {size} {about}", "size", "give how many people there should be in the end, or 0")

    def noted(tx: Transaction) -> None:
        get(tx, project)
        tx.lock_log(project)  # two who declare at one time do it in turn
        known = _values(tx, project, about)
        taken = [name for name, shares in targets.items() if not shares]
        new = {name: shares for name, shares in targets.items() if shares}
        checked = declared(new, known if about == "people" else new)
        for name, shares in checked.items():
            _check(name, shares, known.get(name), about, size)
        before = read(tx, project, about)
        own = (_target.c.project_id == project, _target.c.about == about)
        tx.run(_target.delete().where(*own, _target.c.name.in_([*taken, *checked])))
        rows = [
            {"project_id": project, "about": about, "name": words(name, 100), "created_at": tx.at}
            | {"shares": to_text({words(value, 200): share for value, share in shares.items()}), "size": size}
            for name, shares in checked.items()
        ]
        if rows:
            tx.add(_target, *rows)
        after = read(tx, project, about)
        if about == "examples" and (axes := axes_of(published(tx, project, "label_schema") or {}, after)):
            cards.plan(axes, 0)  # refused where there would be too many cells
        tx.record(project, by, "target", about, (_plain(before), _plain(after)))

    db.write(noted)


def targets_of(db: Database, project: str, about: About) -> dict[str, Target]:
    """Return what a project wants, by attribute."""
    with db.read() as tx:
        return read(tx, project, about)


def read(tx: Transaction, project: str, about: About) -> dict[str, Target]:
    """Return what a project wants, by attribute, within a transaction."""
    own = (_target.c.project_id == project, _target.c.about == about)
    rows = tx.all(sa.select(_target).where(*own).order_by(_target.c.name))
    return {row.name: Target(orjson.loads(row.shares), row.size) for row in rows}


def axes_of(schema: Mapping[str, Any], wanted: Mapping[str, Target]) -> dict[str, Any]:
    """Return the axes of the plan of what is to be written, see `cards.plan`: those with a target by their shares.

    >>> axes_of({"labels": [{"key": "refund"}], "axes": {"tone": ["calm"]}}, {"tone": Target({"calm": 1.0})})
    {'label': ['refund'], 'tone': {'calm': 1.0}}
    """
    plain = {"label": [each["key"] for each in schema.get("labels", [])]} | schema.get("axes", {})
    shares = {axis: wanted[axis].shares for axis in cards.AXES if axis in wanted}
    return {axis: values for axis, values in (plain | shares).items() if values}


def places(tx: Transaction, project: str, name: str, wanted: Target) -> pl.DataFrame:
    """Return the quotas of an attribute and how full they are, see `coverage.quotas`.

    What people say of themselves counts. Who came by an invitation for a quota holds its place until they say what they
    are: then they count as that, and the place is free again.
    """
    own = (_said.c.project_id == _member.c.project_id, _said.c.contributor_id == _member.c.contributor_id)
    asked = sa.select(_said.c.value, _member.c.quota_cell).select_from(
        _member.outerjoin(_said, sa.and_(*own, _said.c.key == name))
    )
    here = (_member.c.project_id == project, _member.c.state == "active", _member.c.role.in_(COUNTED))
    many: dict[str, int] = dict.fromkeys(wanted.shares, 0)
    for row in tx.all(asked.where(*here)):
        held = row.value if row.value is not None else _value(row.quota_cell, name)
        if held in many:
            many[held] += 1
    return quotas(many, wanted.shares, wanted.size)


def state(tx: Transaction, project: str, cell: str) -> str:
    """Say whether a quota (`region=north`) is open, soft-full or full; where there is none it is open."""
    name, _, value = cell.partition("=")
    wanted = read(tx, project, "people").get(name)
    if wanted is None or not wanted.size or value not in wanted.shares:
        return "open"
    table = places(tx, project, name, wanted)
    return str(table.row(table["value"].to_list().index(value), named=True)["state"])


def _value(cell: str | None, name: str) -> str | None:
    of, _, value = (cell or "").partition("=")
    return value if of == name else None


def _values(tx: Transaction, project: str, about: About) -> dict[str, list[str]]:
    """Return the values that are known: the answers of what people are asked, and a project's labels."""
    if about == "examples":
        labels = [each["key"] for each in (published(tx, project, "label_schema") or {}).get("labels", [])]
        return {"label": labels} if labels else {}
    asked = tables.attribute_def
    rows = tx.all(sa.select(asked).where(asked.c.project_id == project).order_by(asked.c.key))
    return {row.key: orjson.loads(row.options) for row in rows}


def _check(name: str, shares: Mapping[str, float], known: list[str] | None, about: About, size: int) -> None:
    where = f"targets.{name}"
    if "=" in name:
        raise RecipeError("the name of an attribute with a target has no =", where, "ask for it under another name")
    for value in shares if known is not None else ():
        if value not in known:  # type: ignore[operator]
            raise unknown("value", value, known or [], where)
    if about == "examples":
        return
    for value in known or []:
        if not shares.get(value):
            raise RecipeError(f"no share is wanted of {name}={value!r}", where, "give it one, or take the answer away")
    if not size:
        return
    cut = quotas({}, shares, size)
    for value, quota in cut.filter(cut["quota"] < LEAST).select("value", "quota").rows():
        hint = f"it takes {LEAST} for a quota: want more people, or merge this answer with another"
        raise RecipeError(f"a quota of {quota} for {name}={value!r} would give away who they are", where, hint)


def _plain(targets: Mapping[str, Target]) -> dict[str, Any]:
    return {name: each._asdict() for name, each in targets.items()}
