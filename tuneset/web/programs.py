"""The pages for what programs do: numbered increments, files, tokens of the API, and webhooks."""

from __future__ import annotations

import datetime as dt
import re
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import polars as pl
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.responses import Response

from tuneset import sources
from tuneset.crawl.egress import Egress
from tuneset.people import access, delivering, exports, items, projects, webhooks
from tuneset.people.database import RefusedError
from tuneset.report.words import counted
from tuneset.web.safety import word
from tuneset.web.typed import number

if TYPE_CHECKING:
    from tuneset.web.door import Visit

SCOPES = {
    "read": "see how far it is, and take examples and increments",
    "add": "add texts, and make increments",
    "label": "label, as you",
    "live": "send what your users write",
}
EVENTS = {
    "item-done": "all have labelled a text that were to, or a lead has decided it",
    "export-made": "there is a new increment",
    "person-left": "somebody took back what they gave: make the next increment",
    "drift": "what your users write has changed",
}
MOST_FILE = 200 << 20  # bytes of a file from a browser
_ONE = threading.Lock()  # a file takes several times its size of memory, so they are read one by one


# --- increments


def increments(visit: Visit) -> Response:
    """Show what was handed out."""
    return visit.show("export", made=[_shown(each) for each in reversed(exports.made(visit.db, visit.id))])


def _shown(told: dict[str, Any]) -> dict[str, Any]:
    ops = told.get("ops", {})
    return told | {name: ops.get(name, 0) for name in ("add", "correct", "tombstone")} | {"day": day(told["made_at"])}


def day(milliseconds: int | None) -> str:
    """Write a moment as a page shows it, in UTC.

    >>> day(1_800_000_000_000), day(None)
    ('2027-01-15 08:00', '')
    """
    if milliseconds is None:
        return ""
    return dt.datetime.fromtimestamp(milliseconds / 1000, dt.UTC).strftime("%Y-%m-%d %H:%M")


def make(visit: Visit) -> Response:
    """Make the next increment."""
    try:
        made = exports.export(visit.db, visit.id, by=visit.contributor)
    except RefusedError as error:
        return visit.go(f"/p/{visit.id}/export", said=f"{error.what.capitalize()}.")
    return visit.go(f"/p/{visit.id}/export", said=f"Increment {made.number}: {counted(made.rows.height, 'row')}.")


def rows(visit: Visit) -> Response:
    """Give an increment as lines of JSON."""
    number = visit.request.path_params["number"]
    named = {"content-disposition": f'attachment; filename="increment-{number:04}.jsonl"'}
    return Response(exports.lines(visit.db, visit.id, number), media_type="application/jsonl", headers=named)


def manifest(visit: Visit) -> Response:
    """Give the manifest of an increment."""
    number = visit.request.path_params["number"]
    found = [each for each in exports.made(visit.db, visit.id) if each["number"] == number]
    if not found:
        raise HTTPException(404, "There is no such increment.")
    written = orjson.dumps(found[0], option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)
    named = {"content-disposition": f'attachment; filename="increment-{number:04}.json"'}
    return Response(written, media_type="application/json", headers=named)


# --- files


def upload(visit: Visit) -> Response:
    """Take a file of any kind that tuneset reads; its text is what is judged, and nothing in it is run."""
    sent = visit.form.get("file")
    if not isinstance(sent, UploadFile) or not sent.filename:
        return visit.go(f"/p/{visit.id}/data", said="Choose a file first.")
    with visit.db.read() as tx:
        projects.of_texts(tx, visit.id)
        field = (projects.published(tx, visit.id, "label_schema") or {}).get("field", "label")
    labels = [each.strip() for each in word(visit.form, "labels", 1000).split(",") if each.strip()]
    with _ONE, tempfile.TemporaryDirectory(prefix="tuneset-") as folder:
        path = Path(folder) / _safe(sent.filename)
        with path.open("wb") as file:
            while piece := sent.file.read(1 << 20):
                file.write(piece)
        text = word(visit.form, "text").strip() or None
        read = sources.read(str(path), name=f"file:{visit.id}", text=text, labels=labels, labelled=bool(labels))
        if labels and labels != [field] and len(labels) == 1:  # it is the project's, whatever the file calls it
            ours = sources.Ours(columns={labels[0]: field})
            read = sources.read(str(path), name=f"file:{visit.id}", text=text, labels=[field], ours=ours)
        blank = pl.col("text").str.strip_chars() == ""
        rows = read.examples.with_columns(text=pl.when(blank).then(None).otherwise("text"))
        rows = rows if labels or read.columns.labels == (field,) else _unlabelled(rows)
        done = items.add(visit.db, visit.id, rows, by=visit.contributor)
    told = [f"{done.added:,} added"]
    told += [f"{done.duplicates:,} that are there in the same words"] if done.duplicates else []
    told += [f"{done.known:,} known"] if done.known else []
    told += [f"{done.empty:,} empty or not to be read"] if done.empty else []
    column = f" The text is in {read.columns.text}." if read.columns.text in read.preview.columns else ""
    return visit.go(f"/p/{visit.id}/data", said=f"{', '.join(told)}.{column}")


def _unlabelled(rows: pl.DataFrame) -> pl.DataFrame:
    """Keep what looks like labels, and nobody has named, with the other columns."""
    more, labels = pl.col("extra").replace("{}", None), pl.col("labels")
    both = more.str.head(-1) + "," + labels.str.tail(-1)
    none = pl.lit(None, dtype=pl.String)
    return rows.with_columns(extra=pl.coalesce(both, more, labels), labels=none, label=none)


def _safe(name: str) -> str:
    r"""Keep what a file's name tells of its kind, and no path.

    >>> _safe("../../etc/pass wd.csv"), _safe("..\\..\\x.jsonl"), _safe("...")
    ('pass_wd.csv', 'x.jsonl', 'file')
    """
    last = re.split(r"[/\\]", name)[-1]
    return re.sub(r"[^\w.-]", "_", last)[-100:].lstrip(".-") or "file"


# --- tokens and webhooks


def programs(visit: Visit, **shown_once: str) -> Response:
    """Show which tokens open the project, and who is told of what."""
    tokens = access.api_tokens(visit.db, visit.id).to_dicts()
    hooks = webhooks.listed(visit.db, visit.id).to_dicts()
    sent = webhooks.deliveries(visit.db, visit.id).to_dicts()
    return visit.show(
        "programs",
        tokens=[
            each | {"scopes": ", ".join(orjson.loads(each["scopes"])), "used": day(each["last_used"])}
            for each in tokens
        ],
        hooks=[each | {"events": ", ".join(orjson.loads(each["events"]))} for each in hooks],
        sent=[
            each
            | {"type": orjson.loads(each["body"])["type"], "at": day(each["created_at"]), "again": day(each["next_at"])}
            for each in sent
        ],
        scopes=SCOPES,
        events=EVENTS,
        address=f"{visit.address}/api/v1/projects/{visit.id}",
        **({"api_token": "", "secret": ""} | shown_once),
    )


def change(visit: Visit) -> Response:
    """Make a token or a webhook, which are shown this once; or end one."""
    form, path = visit.form, f"/p/{visit.id}/programs"
    what = word(form, "what")
    if what == "token":
        days = number(word(form, "days"), 0, "good for how many days", 1, 3650)
        chosen = [str(each) for each in form.getlist("scope")]
        if not chosen:
            return visit.go(path, said="Choose what the token may do.")
        name = word(form, "name", 100).strip() or "a program"
        return programs(visit, api_token=access.new_api_token(visit.db, visit.person, name, chosen, days or None))
    if what == "webhook":
        url = word(form, "url", webhooks.LONGEST + 1).strip()
        delivering.check(url, Egress(visit.house.own))
        secret = webhooks.add(visit.db, visit.person, url, [str(each) for each in form.getlist("event")])
        return programs(visit, secret=secret)
    if what == "revoke":
        access.revoke_api_token(visit.db, visit.id, word(form, "token_id"), by=visit.contributor)
        return visit.go(path, said="That token opens nothing any more.")
    state = "on" if what == "on" else "off"
    webhooks.switch(visit.db, visit.person, word(form, "webhook"), state)
    return visit.go(path, said=f"That webhook is {state}.")
