"""The page on which a person labels: one item at a time, by keys or by hand, and nothing that is typed is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import polars as pl
from starlette.responses import JSONResponse, Response

from tuneset.errors import RecipeError
from tuneset.people import gold, overview, projects
from tuneset.people import work as queue
from tuneset.people.database import RefusedError, words
from tuneset.people.items import annotated
from tuneset.web import question
from tuneset.web.safety import word

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuneset.people.work import Served
    from tuneset.web.door import Visit

KEYS = "123456789abcdghijklmnopqrtvwxyz"  # e, f, s, u do something else
BUTTONS = 31  # labels that have a button each; more are searched in a list
REASONS = ("I cannot tell", "more than one label fits", "it is not in my language")
FLAWS = ("it names a person", "it is not about this at all", "it is broken or empty", "it is offensive")
LISTED = 50
LONGEST_LABEL = 200  # characters: it stands on a button


def labels_of(lines: Sequence[str]) -> list[dict[str, str]]:
    """Read labels from lines: `key`, or `key: what it means`; each gets a key of the keyboard, as far as they go.

    >>> labels_of(["orders: where is it?", "returns"])[0]
    {'key': 'orders', 'name': 'orders', 'help': 'where is it?', 'hotkey': '1'}
    """
    made = []
    for place, line in enumerate(lines):
        key, _, means = (part.strip() for part in line.partition(":"))
        if not key:
            raise RecipeError("a label has no name", line, "a label a line, as `orders: where is my parcel?`")
        words(key, LONGEST_LABEL)
        made.append({"key": key, "name": key, "help": means, "hotkey": KEYS[place] if place < len(KEYS) else ""})
    if len(made) == 1:
        hint = "name another one, if only 'other'; without any label people write the answer"
        raise RecipeError("one label alone is no choice", lines[0], hint)
    return made


def work(visit: Visit) -> Response:
    """Show the item that this person is to label now."""
    served = queue.next_item(visit.db, visit.person)
    if served is None:
        return visit.show("idle", progress=projects.progress(visit.db, visit.id), taught=_taught(visit))
    return _show(visit, served)


def _show(visit: Visit, served: Served, status: int = 200, said: str = "") -> Response:
    if visit.project["kind"] == "review":
        return question.show(visit, served, status, said)
    with visit.db.read() as tx:
        schema = projects.published(tx, visit.id, "label_schema", served.schema_version) or {}
        guide = projects.published(tx, visit.id, "guideline")
    messages = orjson.loads(served.example["messages"]) if served.example.get("messages") else []
    given = {
        "it": served,
        "turns": [(str(turn.get("role")), _content(turn)) for turn in messages if isinstance(turn, dict)],
        "labels": schema.get("labels", []),
        "field": schema.get("field", "label"),
        "many": bool(schema.get("many")),
        "buttons": BUTTONS,
        "guide": guide,
        "chosen": (served.draft or {}).get(schema.get("field", "label")),
        "suggested": (served.suggestion or {}).get("label", {}).get(schema.get("field", "label")),
        "share": projects.progress(visit.db, visit.id).percent,
        "given": projects.given(visit.db, visit.person),
        "mine": visit.query.get("did", ""),
        "taught": _taught(visit),
        "reasons": REASONS,
        "flaws": FLAWS,
    }
    return visit.show("work", status, **(given | ({"said": said} if said else {})))


def _taught(visit: Visit, annotation: str = "") -> gold.Taught | None:
    """Return what is to be shown of an answer; unless told otherwise of that which the address names."""
    with visit.db.read() as tx:
        return gold.taught(tx, visit.person, annotation or visit.query.get("taught", ""))


def _content(turn: dict[str, Any]) -> str:
    content = turn.get("content")
    return content if isinstance(content, str) else orjson.dumps(content).decode()


def answer(visit: Visit) -> Response:
    """Take a label, a skip, a flag, or the last of them back."""
    form, path = visit.form, f"/p/{visit.id}/work"
    token, does = word(form, "lease"), word(form, "do") or "label"
    if does == "undo":
        try:
            queue.undo(visit.db, visit.person)
        except RefusedError as error:
            return visit.go(path, said=error.what)
        return visit.go(path, did="Taken back")
    if does == "skip":
        queue.skip(visit.db, visit.person, token, word(form, "reason"))
        return visit.go(path, did="Skipped")
    if does == "flag":
        queue.flag(visit.db, visit.person, token, word(form, "reason") or FLAWS[0], word(form, "note", 2000))
        return visit.go(path, did="Reported")
    return question.answer(visit, token) if visit.project["kind"] == "review" else _label(visit, token)


def _label(visit: Visit, token: str) -> Response:
    form, path = visit.form, f"/p/{visit.id}/work"
    field = word(form, "field") or "label"
    chosen = [str(each)[:20_000] for each in form.getlist("label") if each]
    if not chosen:
        return visit.go(path, said="Choose a label first.")
    value = chosen if word(form, "many") else chosen[0]
    done = queue.submit(visit.db, visit.person, token, {field: value})
    late = "Others had answered it meanwhile. Yours is kept, and marked as late." if done.state == "late" else ""
    told = done.annotation if _taught(visit, done.annotation) else ""
    return visit.go(path, did=f"Labelled {', '.join(chosen)[:80]}", said=late, taught=told)


def draft(visit: Visit) -> Response:
    """Keep what is being typed, and the item in this person's hands; a script asks for it every 20 seconds."""
    field = word(visit.form, "field") or "label"
    until = queue.save_draft(
        visit.db, visit.person, word(visit.form, "lease"), {field: word(visit.form, "label", 20_000)}
    )
    return JSONResponse({"until": until})


def guide(visit: Visit) -> Response:
    """Show the guideline and the labels."""
    with visit.db.read() as tx:
        schema = projects.published(tx, visit.id, "label_schema") or {}
        found = projects.published(tx, visit.id, "guideline")
    return visit.show("guide", guide=found, labels=schema.get("labels", []))


def mine(visit: Visit) -> Response:
    """Show a person what they have given, and how to take it all back."""
    said = annotated(visit.db, visit.id).filter(
        (pl.col("contributor") == visit.contributor) & pl.col("state").is_in(["active", "late"])
    )
    rows = said.reverse().head(LISTED)
    with visit.db.read() as tx:
        texts = {item: queue.text_of(tx, visit.id, item) for item in rows["item"]}
    shown = [row | {"text": texts[row["item"]], "value": row["value"]} for row in rows.to_dicts()]
    written = len(overview.written(visit.db, visit.id, visit.contributor))
    return visit.show("me", rows=shown, count=said.height, written=written, seconds=said["seconds"].median())
