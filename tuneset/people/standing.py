"""How far a project stands for those who will use the model: shares against targets, weights, and what travels with its rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import polars as pl
import sqlalchemy as sa

from tuneset.errors import RecipeError
from tuneset.people import items, tables
from tuneset.people.coverage import against
from tuneset.people.groups import LEAST, OTHER, UNSAID, folded, merged, shown
from tuneset.people.projects import published
from tuneset.people.targets import said
from tuneset.people.wanted import COUNTED, targets_of
from tuneset.people.weights import rake

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuneset.people.coverage import Covered
    from tuneset.people.database import Database
    from tuneset.people.weights import Weighed

SHORT, MEDIUM = 8, 25  # words: of 10,003 texts of BANKING77 38 % are short, 55 % medium, 7 % long
LONGEST = 100  # characters of a value that is counted; more is a text
_member, _said = tables.member, tables.contributor_attribute


def people(db: Database, project: str) -> pl.DataFrame:
    """Return what those who label or write said of themselves: contributor, and a column for each attribute with a target.

    It never leaves this machine, and is shown only as `groups.folded` allows.
    """
    wanted = targets_of(db, project, "people")
    here = (_member.c.project_id == project, _member.c.state == "active", _member.c.role.in_(COUNTED))
    with db.read() as tx:
        names = [row.contributor_id for row in tx.all(sa.select(_member.c.contributor_id).where(*here))]
        rows = tx.all(
            sa.select(_said.c.contributor_id, _said.c.key, _said.c.value).where(_said.c.project_id == project)
        )
    told = {(row.contributor_id, row.key): row.value for row in rows}
    columns = {attribute: [told.get((name, attribute)) for name in sorted(names)] for attribute in wanted}
    return pl.DataFrame(
        {"contributor": sorted(names)} | columns, schema=dict.fromkeys(("contributor", *columns), pl.String)
    )


def described(examples: pl.DataFrame, field: str = "label") -> pl.DataFrame:
    """Describe Examples by what is known of each: label, length (short, medium, long) and the short values in `extra`.

    `field`: the label column; of several labels the first counts.

    >>> from tuneset.testing import examples
    >>> described(examples([{"text": "where is it?", "labels": '{"label": "track"}'}])).row(0, named=True)
    {'label': 'track', 'length': 'short'}
    """
    told = [
        {name: _short(value) for name, value in orjson.loads(extra or "{}").items() if _short(value) is not None}
        | {"label": _short(orjson.loads(labels or "{}").get(field))}
        for extra, labels in examples.select("extra", "labels").rows()
    ]
    names = dict.fromkeys(["label", *(name for each in told for name in each)])
    columns = {name: [each.get(name) for each in told] for name in names}
    return pl.DataFrame(columns, schema=dict.fromkeys(names, pl.String)).with_columns(length=lengths(examples["text"]))


def lengths(texts: pl.Series) -> pl.Series:
    """Say of each text whether it is short (8 words at most), medium (25) or long; null where there is none.

    >>> lengths(pl.Series(["where is it?", "so " * 9, None])).to_list()
    ['short', 'medium', None]
    """
    many = texts.cast(pl.String).str.count_matches(r"\S+")
    sizes = pl.DataFrame({"many": many}).select(
        pl.when(pl.col("many") <= SHORT)
        .then(pl.lit("short"))
        .when(pl.col("many") <= MEDIUM)
        .then(pl.lit("medium"))
        .when(pl.col("many").is_not_null())
        .then(pl.lit("long"))
    )
    return sizes.to_series().alias("length")


def _short(value: Any) -> str | None:
    first = value[0] if isinstance(value, list) and value else value
    text = first if isinstance(first, str) else str(first) if isinstance(first, bool | int) else None
    return text if text is not None and 0 < len(text) <= LONGEST else None


def people_shares(db: Database, project: str) -> list[Covered]:
    """Compare those who label or write with each target, see `coverage.against`, in groups that may be shown.

    Groups of fewer than 5 people are one, which has all their names, and nothing is shown where all are fewer.
    """
    there = people(db, project)
    return [_folded(there, name, each.shares) for name, each in targets_of(db, project, "people").items()]


def _folded(there: pl.DataFrame, attribute: str, shares: Mapping[str, float]) -> Covered:
    names = folded(there, attribute)
    under = {name: names.get(name, OTHER) for name in [*shares, *names]}
    together = [name for name, group in under.items() if group == OTHER and name != UNSAID]
    together += [UNSAID] if under.get(UNSAID) == OTHER else []
    rename = {OTHER: " + ".join(together) or OTHER}
    values = shown(there[attribute], names).replace(rename)
    values = values.set(values.eq(UNSAID).fill_null(value=False), None).alias(attribute)
    target = {rename.get(name, name): share for name, share in merged(shares, names).items()}
    found = against(values, target)
    if len(target) > 1:
        return found
    few = (
        f"Fewer than {LEAST} people are in some of these groups, and what is more could tell who: nothing is shown yet."
    )
    return found._replace(cells=found.cells.clear(), words=few, outside={}, rows=0, silent=0)


def example_shares(db: Database, project: str) -> list[Covered]:
    """Compare a project's examples with each target, see `coverage.against`; labels as they were settled last (`outcome.settle`)."""
    wanted = targets_of(db, project, "examples")
    if not wanted:
        return []
    with db.read() as tx:
        field = (published(tx, project, "label_schema") or {}).get("field", "label")
    known = described(items.examples(db, project), field)
    silent = pl.Series([None] * known.height, dtype=pl.String)
    columns = {name: known[name] if name in known.columns else silent.alias(name) for name in wanted}
    return [against(columns[name].alias(name), each.shares) for name, each in wanted.items()]


def weighed(db: Database, project: str) -> Weighed | None:
    """Weigh those who label or write so that together they are as the targets want them; None without a target.

    See `weights.rake`. Errors: RecipeError, besides its own, for a group with fewer than 5 people: it is named, nobody
    can be weighed to stand for it, and the weights of a few would give away who they are.
    """
    wanted = {name: each.shares for name, each in targets_of(db, project, "people").items()}
    if not wanted:
        return None
    there = people(db, project)
    for name, shares in wanted.items():
        many = dict(said(there[name]).drop_nulls().value_counts().iter_rows())
        for value, share in shares.items():
            if many.get(value, 0) < LEAST:
                what = f"fewer than {LEAST} people are {name}={value!r}, of whom the target wants {share:.1%}"
                hint = "invite some, or merge this value with another in the question and the target"
                raise RecipeError(what, f"targets.{name}", hint)
    return rake(there, wanted)


def row_weights(db: Database, project: str) -> pl.DataFrame:
    """Return a weight for each example (`id`, `weight`) where people are weighed; without rows where they are not.

    What somebody wrote has its writer's weight; what was only labelled has the mean of those whose answers count. Who is
    no part of the weighing (leads, those who left) weighs 1. Weights are for counting and drawing: nothing is doubled.
    """
    try:
        found = weighed(db, project)
    except RecipeError:
        found = None
    kinds = {"id": pl.String, "weight": pl.Float64}
    if found is None or found.weights is None:
        return pl.DataFrame(schema=kinds)
    weight = dict(found.weights.iter_rows())
    item, answer = tables.item, tables.annotation
    served = sa.func.coalesce(item.c.parent_id, item.c.id)
    asked = (
        sa.select(item.c.example_id, item.c.author_id, answer.c.contributor_id)
        .outerjoin(answer, sa.and_(answer.c.item_id == served, answer.c.state == "active"))
        .where(item.c.project_id == project)
        .order_by(item.c.example_id, answer.c.contributor_id)
    )
    with db.read() as tx:
        rows = [(row.example_id, weight.get(row.author_id or row.contributor_id, 1.0)) for row in tx.all(asked)]
    each = pl.DataFrame(rows, schema=kinds, orient="row")
    return each.group_by("id", maintain_order=True).agg(pl.col("weight").mean().round(6))


def facts(db: Database, project: str) -> dict[str, Any]:
    """Return what a report says of a project: shares against targets of people and of examples, and what weighing costs.

    Figures and groups of 5 people or more, and nothing of one person. Empty where the project has no targets.
    """
    parts = {"people": people_shares(db, project), "examples": example_shares(db, project)}
    found: dict[str, Any] = {about: [_facts(each) for each in told] for about, told in parts.items() if told}
    if "people" in found:
        found["weights"] = _weights(db, project)
    return found


def _facts(found: Covered) -> dict[str, Any]:
    columns = ("value", "share", "low", "high", "target", "differs", "missing")
    cells = found.cells.select(columns).with_columns(pl.col("share", "low", "high", "target").round(4)).to_dicts()
    return {"attribute": found.attribute, "words": found.words, "rows": found.rows, "cells": cells}


def _weights(db: Database, project: str) -> dict[str, Any]:
    try:
        found = weighed(db, project)
    except RecipeError as error:
        return {"words": f"Not weighed: {error.what}; {error.hint}."}
    if found is None:
        return {}
    told = {name: getattr(found, name) for name in ("people", "effective", "design", "residual", "capped")}
    return told | {"words": found.words}
