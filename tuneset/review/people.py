"""A review goes to the people of a project of `tuneset collect`, and what they answered comes back as decisions."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
import polars as pl
import sqlalchemy as sa

from tuneset import model, recipe
from tuneset.errors import RecipeError, RunError
from tuneset.fetch.fetched import shown
from tuneset.fetch.people import parse
from tuneset.people import access, items, outcome, overview, projects, tables
from tuneset.people.database import open_database
from tuneset.people.projects import Settings
from tuneset.review import exchange, queue
from tuneset.review.items import Read, Said, columns, gather

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuneset.dataset import Dataset
    from tuneset.people.database import Database
    from tuneset.review.exchange import Taken
    from tuneset.review.queue import Queue

FIELD = "answer"
SHOWN = ("rule", "stage", "action", "field", "says", "before", "after")  # of a finding, besides its example
_item, _state, _answer = tables.item, tables.item_state, tables.annotation


class Asked(NamedTuple):
    """What a project asks now: how many questions wait, how many are `new`, and how many were put `away`."""

    project: str
    database: str  # and the whole address; both without a password
    address: str
    waiting: int
    new: int
    away: int


def written(verdict: str, after: str | None = None) -> dict[str, str]:
    """Write an answer to a finding as an answer of a project: one word, and behind it the edit.

    >>> written("accept"), written("edit", "Hello")
    ({'answer': 'accept'}, {'answer': 'edit Hello'})
    """
    return {FIELD: verdict if after is None else f"{verdict} {after}"}


def verdict(answer: str) -> tuple[str, str | None]:
    """Read an answer back as a verdict and an edit.

    >>> verdict("edit Hello you"), verdict("drop")
    (('edit', 'Hello you'), ('drop', None))
    """
    word, space, after = answer.partition(" ")
    return word, after if space else None


def ask(run: Dataset, address: str) -> Asked:
    """Make the questions of a run, or bring them up to date: an item for each finding that waits, worth most first.

    What has changed since it was asked is asked anew, what does not wait any more is put away, answers stay. Errors:
    RecipeError for a project of another kind or another run.
    """
    found, named = queue.read(run), parse(address)
    waiting = queue.waiting(found)
    with closing(open_database(named.database)) as db:
        project = _project(db, named.project or run.path.name, shown(address))
        _same_run(db, project, found, shown(address))
        _publish(db, project, found)
        questions = _questions(found, waiting)
        added = items.add(db, project, questions)
        away = items.ask_only(db, project, questions["id"].to_list())
        with db.read() as tx:
            name = projects.get(tx, project).name
    return Asked(name, shown(named.database), shown(address), waiting.height, added.added, away)


def _project(db: Database, name: str, where: str) -> str:
    """Find the project, or make it, with the owner of the database as its owner."""
    found = outcome.find(db, name)
    if not isinstance(found, list):
        if found.kind != "review":
            raise RecipeError(f"this project is there to {found.kind}, not to review", where, "give another #NAME")
        return str(found.id)
    if name in found:
        raise RecipeError(f"{found.count(name)} projects have this name", where, "give another #NAME")
    owner = access.owner(db) or access.newcomer(db, "owner")
    return projects.create(db, name, "review", Settings(audit_share=0), by=owner)


def _same_run(db: Database, project: str, found: Queue, where: str) -> None:
    """Refuse a run that knows none of the findings that the project has asked about."""
    known = [each["finding"] for each in _asked(db, project).values()]
    if known and not set(known) & set(found.findings["id"]):
        raise RecipeError("this project reviews another run", where, "give another #NAME")


def _publish(db: Database, project: str, found: Queue) -> None:
    """Publish which labels there are to choose from, where they are not known yet."""
    named = [[each.name, list(each.values.values()), each.several] for each in columns(found)]
    schema = {"field": FIELD, "labels": [], "columns": named}
    with db.read() as tx:
        before = projects.published(tx, project, "label_schema") or {}
    if before.get("columns") != named:
        projects.publish(db, project, "label_schema", schema)


def _questions(found: Queue, waiting: pl.DataFrame) -> pl.DataFrame:
    """Make an Example of each finding: what is shown of it stands in `extra`."""
    titles = {each["rule"]: each["title"] for each in (*recipe.explain(), *recipe.check_pages())}
    gathered = gather(found).rows
    asked = waiting.with_columns(gathered["saw"], gathered["twins"])
    extra = [orjson.dumps(_question(row, titles)).decode() for row in asked.iter_rows(named=True)]
    both = asked.select(pl.concat_str("id", "saw", separator="\x00")).to_series()
    return asked.select(
        pl.col("text").fill_null(""), "label", "labels", "messages", "source",
        id=model.digest(both), extra=pl.Series(extra, dtype=pl.String),
        groups=pl.lit([], dtype=pl.List(pl.String)), origin=pl.lit("{}"),
    ).select(model.EXAMPLES.names())  # fmt: skip


def _question(row: dict[str, Any], titles: dict[str, str]) -> dict[str, Any]:
    return {name: row[name] for name in SHOWN} | {
        "finding": row["id"],
        "saw": row["saw"],
        "why": titles.get(row["rule"], ""),
        "twins": row["twins"],
        "others": len(row["others"]),
        "choices": queue.choices(row, row["twins"]),
    }


def _asked(db: Database, project: str) -> dict[str, dict[str, Any]]:
    """Return what was ever asked, by item: the finding, what was seen of it, and what has become of the item."""
    marks = tables.flag
    out = sa.exists().where(marks.c.item_id == _item.c.id, marks.c.resolution == "drop")
    rows = (
        sa.select(_item.c.id, _item.c.payload, _state.c.n_valid, _state.c.n_flag, _state.c.decided_by, out.label("out"))
        .join(_state, _state.c.item_id == _item.c.id)
        .where(_item.c.project_id == project, _item.c.payload.is_not(None))
        .order_by(_item.c.id)
    )
    with db.read() as tx:
        overlap = projects.get(tx, project).overlap
        found = tx.all(rows)
    made = {}
    for row in found:
        told = orjson.loads(orjson.loads(row.payload)["extra"])
        decided = row.decided_by == "adjudicator"
        done = decided or (row.n_valid >= overlap and not row.n_flag)
        made[row.id] = {
            "finding": told["finding"],
            "saw": told["saw"],
            "decided": decided,
            "done": done and not row.out,
        }
    return made


def take(run: Dataset, address: str) -> Taken:
    """Take what people answered, a decision for each, under their names; see `exchange.take` for what is not taken.

    A question counts once as many have answered it as the project wants, and a lead's word on it stands for all.
    """
    named = parse(address)
    if "://" not in named.database and not Path(named.database).is_file():
        raise RunError("there is no such database", shown(address), "tuneset review RUN --to people:FILE#NAME makes it")
    with closing(open_database(named.database)) as db:
        found = outcome.find(db, named.project or run.path.name)
        if isinstance(found, list) or found.kind != "review":
            hint = f"tuneset review {run.path} --to '{shown(address)}' makes it"
            raise RecipeError("no project of this name reviews a run", shown(address), hint)
        asked = _asked(db, found.id)
        read = Read([each["finding"] for each in asked.values()], list(_said(db, found.id, asked)))
    return exchange.record(run, queue.read(run), read, "tuneset collect")


def _said(db: Database, project: str, asked: dict[str, dict[str, Any]]) -> Iterator[Said]:
    names, decided = _names(db, project), _decided(db, project)
    for row in items.annotated(db, project).filter(pl.col("state") == "active").iter_rows(named=True):
        about = asked.get(row["item"])
        if about and about["done"] and not about["decided"]:
            yield _one(about, row["value"], names[row["contributor"]], row["created_at"])
    for item, last in decided.items():
        if item in asked and asked[item]["decided"] and asked[item]["done"]:
            by = names.get(last.decided_by, "a lead")
            yield _one(asked[item], last.value, by, last.created_at)._replace(note=last.rationale)


def _one(about: dict[str, Any], value: str, by: str, at: int) -> Said:
    word, after = verdict(orjson.loads(value)[FIELD])
    time = datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds")
    return Said(about["finding"], about["saw"], word, edit=after or "", by=by, time=time)


def _names(db: Database, project: str) -> dict[str, str]:
    """Name people as they named themselves; two of one name are told apart."""
    return {who: name or f"somebody ({who[-4:]})" for who, name in overview.names(db, project).items()}


def _decided(db: Database, project: str) -> dict[str, sa.Row[Any]]:
    """Return the last word of a lead on each item."""
    table = tables.adjudication
    with db.read() as tx:
        rows = tx.all(sa.select(table).where(table.c.project_id == project).order_by(table.c.id))
    return {row.item_id: row for row in rows}
