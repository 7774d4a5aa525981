"""Projects of people: what is asked, by which rules, and in which words; words have versions that never change."""

from __future__ import annotations

import functools
import secrets
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import orjson
import sqlalchemy as sa

from tuneset.errors import RecipeError, unknown
from tuneset.people import tables
from tuneset.people.database import RefusedError, missing, to_text, words
from tuneset.people.queue import CLOSED, GOLD, OUT, settle_all

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuneset.people.database import Database, Transaction

Published = Literal["label_schema", "guideline", "consent_text"]
_VERSION = {
    "label_schema": "schema_version",
    "guideline": "guideline_version",
    "consent_text": "consent_version",
}
_PROJECT = sa.select(tables.project).where(tables.project.c.id == sa.bindparam("project"))
LONGEST = 65_536  # bytes of an answer
MOST = {"overlap": 1000, "lease_seconds": 7 * 24 * 3600}


class Person(NamedTuple):
    """A person in a project: who does something, and where."""

    project: str
    contributor: str


class Settings(NamedTuple):
    """How a project hands out its items.

    overlap: how many people answer each item. gold_share: of a person's turns, those with an item whose answer is
    known. audit_share: of all items, those that are served at random, whatever a model would rather see (its accuracy is
    counted on them alone). blind_share: of the other items, those that are served without a suggestion. teaching: on
    shows who answers a known item wrongly what is right, and why.
    """

    overlap: int = 1
    lease_seconds: int = 600
    gold_share: float = 0.05
    audit_share: float = 0.15
    blind_share: float = 0.2
    suggestion_mode: str = "on"
    state: str = "open"
    teaching: str = "off"


def create(db: Database, name: str, kind: str, settings: Settings | None = None, *, by: str | None = None) -> str:
    """Make a project of a kind (write, label or review) and return its id; `by`, where given, becomes its owner.

    Errors: RecipeError for a kind or a setting that cannot be.
    """
    if kind not in tables.KINDS:
        raise unknown("kind of project", kind, tables.KINDS, name)
    chosen = _checked(settings or Settings())

    def made(tx: Transaction) -> str:
        project = tx.new_id()
        row = {"id": project, "created_at": tx.at, "name": words(name, 200), "kind": kind}
        tx.add(tables.project, row | chosen | {"split_salt": secrets.token_hex(16)})
        if by is not None:
            tx.add(tables.member, member_row(tx, Person(project, by), "owner"))
        tx.record(project, by, "created", project, (None, {"kind": kind} | chosen))
        return project

    return db.write(made)


def member_row(tx: Transaction, person: Person, role: str) -> dict[str, Any]:
    """Return the row that makes someone a member of a project."""
    named = {"project_id": person.project, "contributor_id": person.contributor}
    return named | {"created_at": tx.at, "role": role, "state": "active"}


def change(db: Database, project: str, settings: Settings, by: str | None = None) -> None:
    """Give a project other settings; what its items still need is counted anew."""
    chosen = _checked(settings)

    def changed(tx: Transaction) -> None:
        before = get(tx, project)._mapping  # noqa: SLF001  SQLAlchemy's public name
        table = tables.project
        tx.lock_log(project)
        tx.run(table.update().where(table.c.id == project).values(chosen))
        states = tables.item_state
        audit = sa.and_(states.c.draw < settings.audit_share, sa.not_(states.c.gold))
        tx.run(states.update().where(states.c.project_id == project).values(audit=audit))
        settle_all(tx, settings.overlap, states.c.project_id == project)
        tx.record(project, by, "changed", project, ({name: before[name] for name in chosen}, chosen))

    db.write(changed)


def _checked(settings: Settings) -> dict[str, Any]:
    chosen = settings._asdict()
    wrong = [name for name, value in chosen.items() if name.endswith("share") and not 0 <= value <= 1]
    wrong += [name for name, most in MOST.items() if not 1 <= chosen[name] <= most]
    wrong += [name for name in ("suggestion_mode", "teaching") if chosen[name] not in ("on", "off")]
    wrong += ["state"] * (settings.state not in ("open", "paused", "closed"))
    if wrong:
        hint = "shares are from 0 to 1 (0 to 100 percent), overlap from 1 to 1,000, lease_seconds from 1 to 604,800"
        raise RecipeError(f"a project cannot have {wrong[0]} = {chosen[wrong[0]]!r}", "settings", hint)
    return chosen


def get(tx: Transaction, project: str) -> sa.Row[Any]:
    """Return a project's row, or say that there is none."""
    row = tx.one(_PROJECT, project=project)
    if row is None:
        raise missing("project", project)
    return row


def of_texts(tx: Transaction, project: str) -> sa.Row[Any]:
    """Return a project whose items are texts; RefusedError for one that asks what a run has found."""
    row = get(tx, project)
    if row.kind == "review":
        raise RefusedError("what is asked here comes from a run", str(row.name), "tuneset review RUN --to and --from")
    return row


def settings_of(db: Database, project: str) -> Settings:
    """Return the settings of a project."""
    with db.read() as tx:
        row = get(tx, project)
    return Settings(*(getattr(row, name) for name in Settings._fields))


def publish(db: Database, project: str, what: Published, content: Mapping[str, Any], by: str | None = None) -> int:
    """Publish a new version of a project's words, and return its number; an older one is never changed.

    label_schema: {"field": "category", "labels": [{"key", "name", "hotkey", "help"}, …], "many": false, "fields": …}
    (`field` is the column that is asked for; without `labels` any text answers). guideline: {"markdown"}. consent_text:
    {"markdown", "licence", "retention"}. Each annotation names the versions that its person saw.
    """
    values = _schema_row(content) if what == "label_schema" else {k: words(v, 200_000) for k, v in content.items()}
    table = tables.META.tables[what]

    def published(tx: Transaction) -> int:
        # locked: two who publish at one time get two numbers
        projects = tables.project
        tx.run(sa.select(projects.c.id).where(projects.c.id == project).with_for_update(key_share=True))
        row = get(tx, project)
        version = int(getattr(row, _VERSION[what])) + 1
        own = {"guideline_version": row.guideline_version} if what == "label_schema" else {"published_by": by}
        named = {"project_id": project, "version": version, "created_at": tx.at}
        tx.add(table, named | values | own)
        tx.run(projects.update().where(projects.c.id == project).values({_VERSION[what]: version}))
        tx.record(project, by, "published", f"{what} {version}", (None, values))
        return version

    return db.write(published)


def _schema_row(content: Mapping[str, Any]) -> dict[str, str]:
    for name in ("key", "hotkey"):
        given = [label[name] for label in content.get("labels", []) if label.get(name)]
        twice = sorted({each for each in given if given.count(each) > 1})
        if twice:
            raise RecipeError(f"two labels have one {name}: {twice[0]!r}", "label schema", "give each its own")
    if any(not label.get("key") for label in content.get("labels", [])):
        raise RecipeError("a label has no key", "label schema", '{"key": "orders", "name": "Orders"}')
    labels = [{"name": label["key"], "help": "", "hotkey": ""} | label for label in content.get("labels", [])]
    return {"body": to_text(dict(content) | {"labels": labels})}


def published(tx: Transaction, project: str, what: Published, version: int | None = None) -> dict[str, Any] | None:
    """Return one version of a project's words (the newest unless told otherwise); None where none is published."""
    number = int(getattr(get(tx, project), _VERSION[what])) if version is None else version
    row = tx.one(_version_of(what), project=project, version=number)
    if row is None and number:
        raise missing("version", f"{what} {number}")
    if row is None:
        return None
    found = dict(row._mapping)  # noqa: SLF001  SQLAlchemy's public name
    return found | orjson.loads(found["body"]) if what == "label_schema" else found


@functools.cache
def _version_of(what: Published) -> sa.Select[Any]:
    table = tables.META.tables[what]
    return sa.select(table).where(
        table.c.project_id == sa.bindparam("project"), table.c.version == sa.bindparam("version")
    )


def checked_value(schema: Mapping[str, Any] | None, value: Mapping[str, Any]) -> str:
    """Write an answer as JSON; one that the label schema does not allow is refused.

    >>> schema = {"field": "category", "labels": [{"key": "orders"}, {"key": "returns"}]}
    >>> checked_value(schema, {"category": "orders"})
    '{"category":"orders"}'
    """
    written = to_text(dict(value))
    if len(written) > LONGEST:
        raise RefusedError(f"this answer is longer than {LONGEST:,} bytes", written[:60], "shorten it")
    keys = [label["key"] for label in (schema or {}).get("labels", [])]
    if not schema or not keys:
        return written
    field = schema.get("field", "label")
    given = value.get(field)
    chosen = given if schema.get("many") and isinstance(given, list) else [given]
    wrong = [each for each in chosen if each not in keys]
    if wrong:
        raise RefusedError(f"{wrong[0]!r} is no label of this project", field, f"there are: {', '.join(keys)}")
    return written


class Progress(NamedTuple):
    """How far a project is: its items (gold apart), those that want no more answers, and the answers that count."""

    items: int
    done: int
    annotations: int

    @property
    def percent(self) -> int:
        """The share that is done, rounded down: who labels is told no more, as counts would give known items away."""
        return 100 * self.done // max(self.items, 1)


def progress(db: Database, project: str) -> Progress:
    """Count a project's items and answers; both come from an index alone (15 ms of 100,000 items)."""
    states, answers = tables.item_state, tables.annotation
    waiting = sa.select(states.c.queue, sa.func.count().label("n")).where(states.c.project_id == project)
    active = (answers.c.project_id == project, answers.c.state == "active")
    with db.read() as tx:
        get(tx, project)
        queues = {row.queue: int(row.n) for row in tx.all(waiting.group_by(states.c.queue))}
        annotations = int(tx.run(sa.select(sa.func.count()).where(*active)).scalar_one())
    items = sum(n for queue, n in queues.items() if queue not in (OUT, GOLD))
    return Progress(items, queues.get(CLOSED, 0), annotations)


def given(db: Database, person: Person) -> int:
    """Count the answers that a person has given in a project."""
    said = tables.annotation
    own = (said.c.project_id == person.project, said.c.contributor_id == person.contributor)
    with db.read() as tx:
        return int(tx.run(sa.select(sa.func.count()).where(*own, said.c.state.in_(tables.LIVE))).scalar_one())
