"""OpenAI's way to take files, which Azure and Mistral take too: one form, or an upload in parts that a kill does not lose."""

from __future__ import annotations

import io
import os
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from tuneset.errors import RunError
from tuneset.publish import ledger
from tuneset.publish.http import Event, plain_id, session, value
from tuneset.publish.places import secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tuneset.publish.http import Session
    from tuneset.publish.planned import Item, Plan

    Watch = Callable[[Event], None]

PURPOSE = "fine-tune"
PART = 64 << 20  # the most that OpenAI takes as one
LARGE = 100_000_000  # Azure loses larger files that come as one form, without saying so
API_VERSION = "2025-04-01-preview"  # of Azure, where OPENAI_API_VERSION does not say another
GONE = frozenset({400, 404, 409, 410})  # how a service says that an upload is no more


def send(plan: Plan, items: Sequence[Item], watch: Watch) -> Iterator[tuple[Item, str, int]]:
    """Send files as `POST /files`, larger ones than 100 MB as `/uploads` in parts of 64 MB (Mistral takes no parts).

    Read from openai 3.54.0 (files, uploads, lib/azure.py) and mistralai 1.12.4 (files.upload): the form's fields are
    purpose and file, of a part data. Azure: the key goes as api-key or, from AZURE_OPENAI_AD_TOKEN, as Authorization.
    """
    with session(plan.where.address, _headers(plan), lambda says: watch(Event("", "wait", says=says))) as http:
        for item in items:
            watch(Event(item.file, "start", 0, item.bytes))
            in_parts = item.bytes > LARGE and plan.where.kind != "mistral"
            given, status = _in_parts(http, plan, item, watch) if in_parts else _whole(http, plan, item)
            yield item, given, status


def _headers(plan: Plan) -> dict[str, str]:
    name, key = secret(plan.where.place)
    if name == "AZURE_OPENAI_API_KEY":
        return {"api-key": key}
    headers = {"Authorization": f"Bearer {key}"}
    if plan.where.kind == "openai":
        named = {"OpenAI-Organization": "OPENAI_ORG_ID", "OpenAI-Project": "OPENAI_PROJECT_ID"}
        headers |= {header: os.environ[each] for header, each in named.items() if os.environ.get(each)}
    return headers


def _address(plan: Plan, path: str) -> str:
    version = os.environ.get("OPENAI_API_VERSION") or API_VERSION
    query = f"?{urlencode({'api-version': version})}" if plan.where.kind == "azure" else ""
    return f"{plan.where.url}{path}{query}"


def _whole(http: Session, plan: Plan, item: Item) -> tuple[str, int]:
    with item.path.open("rb") as file:
        form = {"purpose": (None, PURPOSE), "file": (item.file, file)}
        answer = http.ask("POST", _address(plan, "/files"), files=form)
    return value(answer, "id"), answer.status_code


def _in_parts(http: Session, plan: Plan, item: Item, watch: Watch) -> tuple[str, int]:
    """Send a file in parts, those that an earlier call left out; begin anew where the service has forgotten the upload."""
    begun = _begun(plan, item)
    answer = _completed(http, plan, item, begun, watch) if begun else None
    if answer is None:
        answer = _completed(http, plan, item, _begin(http, plan, item), watch)
    if answer is None:
        raise RunError("the service does not know the upload that it began", plan.where.url, "try again later")
    return value(answer, "file", "id"), answer.status_code


def _begun(plan: Plan, item: Item) -> str:
    """Find the upload that an earlier call began and that the service still keeps; "" where there is none."""
    lines = ledger.of(plan.run, "begun", url=plan.where.url, file=item.file, sha256=item.sha256)
    fresh = [line["upload"] for line in lines if line.get("expires", 0) > time.time() and line.get("part") == PART]
    return str(fresh[-1]) if fresh else ""


def _begin(http: Session, plan: Plan, item: Item) -> str:
    about = {"purpose": PURPOSE, "filename": item.file, "bytes": item.bytes, "mime_type": "text/jsonl"}
    answer = http.ask("POST", _address(plan, "/uploads"), json=about)
    upload, expires = plain_id(answer, value(answer, "id")), answer.json().get("expires_at")
    expires = expires if isinstance(expires, int) else int(time.time()) + 3600
    _note(plan, item, "begun", {"upload": upload, "expires": expires, "part": PART})
    return upload


def _completed(http: Session, plan: Plan, item: Item, upload: str, watch: Watch) -> Any | None:
    """Send the parts that are not there, then say that these are all; None where the upload is no more."""
    noted = ledger.of(plan.run, "part", url=plan.where.url, file=item.file, sha256=item.sha256)
    there = {line["part"]: line["id"] for line in noted if line["upload"] == upload}
    fine = GONE if there else ()  # of an upload that has just begun, a refusal is a refusal
    with item.path.open("rb") as file:
        for part in range(-(-item.bytes // PART)):
            if part not in there:
                file.seek(part * PART)
                form = {
                    "data": ("upload", io.BytesIO(file.read(PART)))
                }  # as bytes a part costs 366 MB of memory, so 265
                answer = http.ask("POST", _address(plan, f"/uploads/{upload}/parts"), fine=fine, files=form)
                if not answer.is_success:
                    return None
                there[part] = value(answer, "id")
                _note(plan, item, "part", {"upload": upload, "part": part, "id": there[part]})
            watch(Event(item.file, "part", min((part + 1) * PART, item.bytes), item.bytes))
    ids = [there[part] for part in sorted(there)]
    answer = http.ask("POST", _address(plan, f"/uploads/{upload}/complete"), fine=fine, json={"part_ids": ids})
    return answer if answer.is_success else None


def _note(plan: Plan, item: Item, kind: str, more: dict[str, Any]) -> None:
    about = {"kind": kind, "place": plan.where.kind, "url": plan.where.url, "file": item.file, "sha256": item.sha256}
    ledger.append(plan.run, about | more)
