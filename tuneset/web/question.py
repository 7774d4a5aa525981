"""The page on which the people of a project answer what a run asks: the same questions as in a review by one person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from tuneset.errors import TunesetError
from tuneset.people import items, projects
from tuneset.people import work as queue
from tuneset.people.database import RefusedError
from tuneset.review.decisions import check
from tuneset.review.items import word as plain
from tuneset.review.meant import plainly
from tuneset.review.people import FIELD, verdict, written
from tuneset.web.review import DONE, edited, hotkey
from tuneset.web.safety import MOST_BODY, word

if TYPE_CHECKING:
    from starlette.responses import Response

    from tuneset.people.work import Served
    from tuneset.web.door import Visit

REASONS = ("I cannot tell", "it is not in my language")
VERDICTS = ("accept", "reject", "drop", "edit")


def show(visit: Visit, served: Served, status: int = 200, said: str = "") -> Response:
    """Show the question that this person is to answer now."""
    before = verdict((served.draft or {}).get(FIELD, ""))
    given = {
        "lease": served.token,
        "before": DONE.get(before[0], "").lower(),
        "typed": word(visit.form, "text", MOST_BODY).replace("\r\n", "\n") or before[1],
        "share": projects.progress(visit.db, visit.id).percent,
        "given": projects.given(visit.db, visit.person),
        "mine": visit.query.get("did", ""),
        "reasons": REASONS,
    }
    more = {"said": said} if said else {}
    return visit.show("question", status, **(_asked(visit, served.example, served.schema_version) | given | more))


def _asked(visit: Visit, example: dict[str, Any], version: int | None = None) -> dict[str, Any]:
    """Read a question out of its Example: what is asked, its twins, and the labels that there are."""
    told = orjson.loads(example["extra"])
    it = {name: example[name] for name in ("text", "label", "labels", "messages", "source")} | told
    with visit.db.read() as tx:
        schema = projects.published(tx, visit.id, "label_schema", version) or {}
    return {
        "it": it | {"id": told["finding"]},
        "twins": told["twins"],
        "choices": [(hotkey(place), each) for place, each in enumerate(told["choices"])],
        "columns": _columns(it, schema),
        "several": len({each["source"] for each in (it, *told["twins"])}) > 1,
        "typed": None,
    }


def _columns(it: dict[str, Any], schema: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the label columns of an example, each with what it may be."""
    if it["field"] != "/labels" or not it["labels"]:
        return []
    known = {name: values for name, values, _ in schema.get("columns", [])}
    own = orjson.loads(it["after"] or it["labels"])
    return [
        {"name": name, "several": isinstance(value, list)}
        | {"own": value if isinstance(value, list) else [value], "values": known.get(name, [])}
        for name, value in own.items()
    ]


def answer(visit: Visit, token: str) -> Response:
    """Take an answer to a question."""
    path = f"/p/{visit.id}/work"
    example = queue.asked_of(visit.db, visit.person, token)
    try:
        value = _value(visit, example)
    except TunesetError as error:
        return show(visit, queue.held(visit.db, visit.person, token), 400, f"{error.what}: {error.hint}")
    done = queue.submit(visit.db, visit.person, token, value)
    late = "Others had answered it meanwhile. Yours is kept, and marked as late." if done.state == "late" else ""
    return visit.go(path, did=DONE[verdict(value[FIELD])[0]], said=late)


def _value(visit: Visit, example: dict[str, Any]) -> dict[str, str]:
    """Read an answer out of a form; one that could not be carried out is refused here, and not when it is too late."""
    asked, chosen = _asked(visit, example), word(visit.form, "verdict")
    if chosen not in VERDICTS:
        raise RefusedError("nothing was chosen", "answer", "press one of the buttons")
    after = edited(visit.form, asked["it"], asked["columns"]) if chosen == "edit" else None
    if after == "":
        raise RefusedError("nothing is written", "answer", "drop the example, if that is what you mean")
    meaning = plainly(chosen, after, asked["it"])
    check(*meaning, asked["it"])
    return written(*meaning)


# --- what people do not agree on


def dispute(visit: Visit, waiting: list[dict[str, Any]]) -> Response:
    """Show a lead the first question on which people do not agree, or that somebody reported; names are not told."""
    first = waiting[0]
    with visit.db.read() as tx:
        asked = _asked(visit, items.example(tx, visit.id, first["item"]))
    said = [verdict(orjson.loads(each)[FIELD]) for each in first["answers"]]
    given = {"item": first["item"], "flags": first["flags"], "answers": [_told(asked["it"], *each) for each in said]}
    return visit.show("question_dispute", waiting=len(waiting), **(asked | given))


def _told(it: dict[str, Any], chosen: str, after: str | None) -> str:
    """Say an answer in the words of what it does."""
    if after is None:
        return {"accept": "yes", "reject": "no", "drop": "drop the example"}.get(chosen, chosen)
    if it["field"] != "/labels":
        return after
    values = orjson.loads(after).values()
    return " / ".join(", ".join(map(plain, each)) if isinstance(each, list) else plain(each) for each in values)


def decide(visit: Visit, item: str) -> Response:
    """Take a lead's word on a question."""
    path = f"/p/{visit.id}/disputes"
    with visit.db.read() as tx:
        example = items.example(tx, visit.id, item)
    try:
        value = _value(visit, example)
    except TunesetError as error:
        return visit.go(path, said=f"{error.what}: {error.hint}")
    items.adjudicate(visit.db, visit.person, item, value, word(visit.form, "rationale", 2000))
    return visit.go(path, said=f"{DONE[verdict(value[FIELD])[0]]}.")
