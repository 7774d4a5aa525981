"""The pages of those who lead a project: who is in, how far people agree, what they do not, and what comes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
from starlette.responses import Response

from tuneset.errors import RecipeError
from tuneset.people import access, agreement, contributors, items, outcome, overview, projects
from tuneset.people.access import Invite
from tuneset.people.projects import Person
from tuneset.web import question
from tuneset.web.safety import word
from tuneset.web.typed import number, table
from tuneset.web.work import labels_of

if TYPE_CHECKING:
    from tuneset.web.door import Visit

LISTED = 50
PUBLISHED: tuple[projects.Published, ...] = ("label_schema", "guideline", "consent_text")
RULES = {  # in the words of the page
    "overlap": "how many people answer each text",
    "lease_seconds": "how many seconds a text is kept",
    "gold_share": "how often, in percent, the answer is known",
    "audit_share": "how many texts, in percent, the model is judged on",
    "blind_share": "of how many texts, in percent, the suggestion is hidden",
}
INVITED = ("annotator", "writer", "lead", "viewer")


def todo(visit: Visit) -> list[tuple[str, str]]:
    """Return what a lead might do next: words, and the page for it."""
    progress = projects.progress(visit.db, visit.id)
    team = overview.members(visit.db, visit.id).filter(state="active")
    waiting = len(overview.disputes(visit.db, visit.id))
    found = [
        ("Give it something to label", "data") if not progress.items else None,
        ("Invite people", "people") if team.height < 2 else None,
        (f"Settle {'at least ' if waiting >= 50 else ''}{waiting} that people disagree on or flagged", "disputes")
        if waiting
        else None,
        ("Label a few yourself", "work") if progress.items > progress.done else None,
        ("Download the labels", "data") if progress.annotations else None,
    ]
    return [each for each in found if each is not None][:3]


# --- people


def people(visit: Visit, link: str = "") -> Response:
    """Show who is in, and the invitations that are out."""
    names = overview.members(visit.db, visit.id).with_columns(
        name=pl.col("contributor").replace_strict(overview.names(visit.db, visit.id), return_dtype=pl.String)
    )
    out = overview.invitations(visit.db, visit.id)
    now = visit.db.now()
    rows = [row | {"days": max(1, round((row["expires_at"] - now) / access.DAY))} for row in out.to_dicts()]
    return visit.show("people", people=names.to_dicts(), invitations=rows, link=link, roles=INVITED)


def invite(visit: Visit) -> Response:
    """Make an invitation and show its link, this once; or end one, or change what a member may do."""
    form = visit.form
    if ended := word(form, "revoke"):
        access.revoke_invite(visit.db, visit.id, ended, by=visit.contributor)
        return visit.go(f"/p/{visit.id}/people", said="That invitation is no good any more.")
    if member := word(form, "remove"):
        if member == visit.contributor:
            return visit.go(f"/p/{visit.id}/people", said="You cannot remove yourself.")
        access.set_member(visit.db, Person(visit.id, member), None, "removed", by=visit.contributor)
        return visit.go(f"/p/{visit.id}/people", said="Removed. What they gave stays.")
    uses = number(word(form, "uses"), 1, "for how many people", 1, 1000)
    days = number(word(form, "days"), 14, "for how many days", 1, 3650)
    token = access.invite(visit.db, visit.id, Invite(word(form, "role"), uses, days), by=visit.contributor)
    return people(visit, f"{visit.address}/join/{token}")


# --- how well it goes


def quality(visit: Visit) -> Response:
    """Show how far people agree, on which labels they do not, and with whom somebody should talk."""
    said = overview.answers(visit.db, visit.id)
    names = overview.names(visit.db, visit.id)
    shared = said.filter(pl.len().over("item") > 1)
    given: dict[str, Any] = {"answers": said.height, "shared": shared["item"].n_unique() if shared.height else 0}
    if said.height:
        found = agreement.alpha(said)
        given |= {
            "alpha": found,
            "labels": agreement.per_label(said).head(LISTED).to_dicts(),
            "kappas": agreement.kappas(said).head(LISTED).to_dicts(),
            "people": contributors.contributors(said).to_dicts(),
        }
    return visit.show("quality", names=names, **given)


def disputes(visit: Visit) -> Response:
    """Show the first item that people flagged or disagree on; names are not told."""
    waiting = overview.disputes(visit.db, visit.id)
    if visit.project["kind"] == "review" and waiting:
        return question.dispute(visit, waiting)
    with visit.db.read() as tx:
        schema = projects.published(tx, visit.id, "label_schema") or {}
    return visit.show(
        "disputes",
        waiting=len(waiting),
        it=waiting[0] if waiting else None,
        labels=schema.get("labels", []),
        field=schema.get("field", "label"),
    )


def settle(visit: Visit) -> Response:
    """Take a lead's word on an item: its label, back to the queue, or out."""
    form, path = visit.form, f"/p/{visit.id}/disputes"
    item, does = word(form, "item"), word(form, "do")
    if does in ("keep", "drop"):
        items.resolve(visit.db, visit.person, item, keep=does == "keep")
        return visit.go(path, said={"keep": "Back to the queue.", "drop": "Out."}[does])
    if visit.project["kind"] == "review":
        return question.decide(visit, item)
    chosen = word(form, "label", 20_000)
    if not chosen:
        return visit.go(path, said="Choose a label first.")
    value, why = {word(form, "field") or "label": chosen}, word(form, "rationale", 2000)
    items.adjudicate(visit.db, visit.person, item, value, why)
    if word(form, "gold"):
        items.set_gold(visit.db, visit.id, {item: value}, visit.contributor, {item: why})
    return visit.go(path, said=f"Decided: {chosen[:80]}.")


# --- what goes in and out


def data(visit: Visit) -> Response:
    """Show what is in, and take more."""
    return visit.show("data", progress=projects.progress(visit.db, visit.id))


def add(visit: Visit) -> Response:
    """Take texts: one a line, or a table with a header whose column is named."""
    _of_texts(visit)
    typed, column = word(visit.form, "rows", 4 << 20), word(visit.form, "column").strip()
    texts = _texts(typed, column)
    done = items.add(visit.db, visit.id, items.plain(texts, f"people:{visit.id}"), by=visit.contributor)
    told = [f"{done.added:,} added"]
    told += [f"{done.duplicates:,} that are there in the same words"] if done.duplicates else []
    told += [f"{done.known:,} known"] if done.known else []
    told += [f"{done.empty:,} empty"] if done.empty else []
    return visit.go(f"/p/{visit.id}/data", said=f"{', '.join(told)}.")


def _of_texts(visit: Visit) -> None:
    with visit.db.read() as tx:
        projects.of_texts(tx, visit.id)


def _texts(typed: str, column: str) -> list[str | None]:
    if not column:
        return [line.strip() or None for line in typed.splitlines() if line.strip()]
    rows = table(typed)
    if not rows or column not in rows[0]:
        there = ", ".join(rows[0]) if rows else "nothing"
        raise RecipeError(f"there is no column {column!r}", "the table", f"its first line has {there}")
    return [row[column] or None for row in rows]


def examples(visit: Visit) -> Response:
    """Give what people agree on by now, see outcome.lines."""
    _of_texts(visit)
    named = {"content-disposition": 'attachment; filename="examples.jsonl"'}
    return Response(outcome.lines(visit.db, visit.id), media_type="application/jsonl", headers=named)


# --- settings


def settings(visit: Visit) -> Response:
    """Show the words and the rules of a project."""
    with visit.db.read() as tx:
        words: dict[str, Any] = {what: projects.published(tx, visit.id, what) for what in PUBLISHED}
    return visit.show(
        "settings", now=projects.settings_of(visit.db, visit.id), asks=access.questions(visit.db, visit.id), **words
    )


def change(visit: Visit) -> Response:
    """Publish new words, or set other rules."""
    form, path, by = visit.form, f"/p/{visit.id}/settings", visit.contributor
    what = word(form, "what")
    if what == "label_schema":
        _of_texts(visit)
        with visit.db.read() as tx:
            before = projects.published(tx, visit.id, "label_schema") or {}
        lines = [line.strip() for line in word(form, "labels", 200_000).splitlines() if line.strip()]
        if not lines and before.get("labels"):
            hint = "name at least two; a project in which people write the answer is a new one"
            raise RecipeError("without labels all would have to write the answer from now on", "labels", hint)
        kept = {name: before[name] for name in ("field", "many", "axes", "wanted") if name in before}
        schema = {"field": "label"} | kept | {"labels": labels_of(lines)}
        projects.publish(visit.db, visit.id, "label_schema", schema, by)
    elif what in ("guideline", "consent_text"):
        more = {} if what == "guideline" else {"licence": word(form, "licence"), "retention": word(form, "retention")}
        projects.publish(visit.db, visit.id, what, {"markdown": word(form, "markdown", 200_000)} | more, by)  # type: ignore[arg-type]
    elif what == "ask":
        options = [each.strip() for each in word(form, "options", 2000).split(",") if each.strip()]
        if not (key := word(form, "key", 100).strip()) or len(options) < 2 or len(options) > len(set(options)):
            hint = "say what you ask for (age), and two different answers at least (under 30, 30 to 60, over 60)"
            raise RecipeError("nobody could answer this question", "what newcomers are asked", hint)
        access.ask_attribute(visit.db, visit.id, key, options)
    else:
        projects.change(visit.db, visit.id, _rules(visit, projects.settings_of(visit.db, visit.id)), by)
    return visit.go(path, said="Done. What was said before keeps the words that it was said under.")


def _rules(visit: Visit, now: projects.Settings) -> projects.Settings:
    """Read the rules out of a form: shares are written in percent, and what the form does not name stays."""
    said: dict[str, Any] = {}
    for name, value in now._asdict().items():
        typed = word(visit.form, name).strip()
        if not typed:
            continue
        if isinstance(value, str):
            said[name] = typed
        elif isinstance(value, int):
            said[name] = number(typed, value, RULES[name], 1, projects.MOST[name])
        else:
            said[name] = number(typed, 0, RULES[name], 0, 100) / 100
    return now._replace(**said)
