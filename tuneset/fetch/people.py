"""The labels that people gave in a project of `tuneset collect`: what they agree on, a row for each text."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tuneset.errors import RecipeError, RunError, need
from tuneset.fetch.fetched import About, Ahead, Event, Fetched, shown
from tuneset.folder import write

if TYPE_CHECKING:
    from typing import Any

    from tuneset.fetch.fetched import Watch
    from tuneset.people.database import Database

EXTRA = "people"


class Asked(NamedTuple):
    """A project as one user names it."""

    address: str
    database: str
    project: str  # its name or id; "" for the only one


def parse(address: str) -> Asked:
    """Read `people:FILE[#PROJECT]` or `people:postgresql://USER@HOST/NAME[#PROJECT]`.

    >>> parse("people:shop.db#Inquiries")[1:]
    ('shop.db', 'Inquiries')
    """
    database, _, project = address.removeprefix("people:").partition("#")
    return Asked(address, database, project)


def fetch(asked: Asked, folder: Path, watch: Watch, _limit: int) -> Fetched:
    """Write what the people of a project agree on by now as lines of JSON.

    Columns: id, text or messages, the label column of the project, contributor (who wrote the text, where somebody did),
    sure (how sure the label is, by Dawid and Skene; 1 for what a lead decided), answered (by how many), weight (of its people, where the
    project weighs them). How its people and examples compare with its targets goes into the report. A run keeps what it
    has read until it is told to fetch again.
    """
    db, project = _open(asked)
    from tuneset.people import outcome, standing  # noqa: PLC0415  the extra's packages

    try:
        watch(Event(project.name, "start"))
        final = folder / "examples.jsonl"
        written = outcome.lines(db, project.id)
        if not written:
            raise RunError("nobody has labelled anything there yet", shown(asked.address), "tuneset collect")
        write(final, written)
        watch(Event(project.name, "done", len(written), len(written)))
        talk = b'","messages":' in written  # unescaped it is a key; conversations have no label column
        labels = () if talk else (outcome.field(db, project.id),)
        about = About(shown(asked.address), labels=labels, stands=standing.facts(db, project.id))
        return Fetched((final,), about)
    finally:
        db.close()


def ahead(asked: Asked, _folder: Path) -> Ahead:
    """Say how much there is."""
    db, project = _open(asked)
    from tuneset.people import projects  # noqa: PLC0415  the extra's packages

    try:
        told = projects.progress(db, project.id)
    finally:
        db.close()
    said = f"{told.annotations:,} labels of {told.items:,} texts; {told.done:,} are done"
    return Ahead(shown(asked.address), (("examples.jsonl", 0),), says=(said,))


def _open(asked: Asked) -> tuple[Database, Any]:
    need("sqlalchemy", EXTRA)
    from tuneset.people import outcome  # noqa: PLC0415  the extra's packages
    from tuneset.people.database import open_database  # noqa: PLC0415

    if "://" not in asked.database and not Path(asked.database).is_file():
        raise RunError(
            "there is no such database", shown(asked.address), "people:FILE, as `tuneset collect FILE` made it"
        )
    db = open_database(asked.database)
    found = outcome.find(db, asked.project)
    if isinstance(found, list):
        db.close()
        many = found.count(asked.project)
        what = f"{many} projects have this name" if many else "no project has this name"
        what = what if asked.project else "this database has several projects, or none"
        raise RecipeError(
            what,
            shown(asked.address),
            f"people:…#NAME, or the ID in the address of its pages; there are: {', '.join(found) or 'none'}",
        )
    if found.kind == "review":
        db.close()
        hint = f"tuneset review RUN --from '{shown(asked.address)}' takes its answers"
        raise RecipeError("this project reviews a run: it has answers, and no examples", shown(asked.address), hint)
    return db, found
