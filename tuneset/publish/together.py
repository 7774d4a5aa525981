"""Together's way to take files: it names a signed address, the file goes there, and Together is told."""

from __future__ import annotations

import contextlib
import math
from typing import TYPE_CHECKING, Any

from tuneset.errors import RunError
from tuneset.publish.http import Event, plain_id, session, value
from tuneset.publish.places import secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tuneset.publish.http import Session
    from tuneset.publish.planned import Item, Plan

    Watch = Callable[[Event], None]

PURPOSE = "fine-tune"
LARGE = 5 << 30  # S3 takes no more as one
PART, MOST_PARTS = 250 << 20, 250


def send(plan: Plan, items: Sequence[Item], watch: Watch) -> Iterator[tuple[Item, str, int]]:
    """Send files: `POST /files` (a form of purpose, file_name, file_type, checksum) is answered by a 302 to a signed PUT.

    The id stands in X-Together-File-Id; `POST /files/ID/preprocess` ends it. A file whose hash is there is a 409 with its
    id, so a second call sends nothing twice. From 5 GB on in parts, which begin anew after a kill: their addresses are
    secrets, and not kept. Read from together 2.14.0, lib/resources/files.py.
    """
    headers = {"Authorization": f"Bearer {secret(plan.where.place)[1]}"}
    with session(plan.where.address, headers, lambda says: watch(Event("", "wait", says=says))) as http:
        for item in items:
            watch(Event(item.file, "start", 0, item.bytes))
            url = f"{plan.where.url}/files"
            yield (item, *(_in_parts(http, url, item, watch) if item.bytes > LARGE else _whole(http, url, item)))


def _whole(http: Session, url: str, item: Item) -> tuple[str, int]:
    about = {"purpose": PURPOSE, "file_name": item.file, "file_type": "jsonl", "checksum": item.sha256}
    answer = http.ask("POST", url, fine=(302, 409), files={name: (None, each) for name, each in about.items()})
    if answer.status_code == 409:
        return value(answer, "file_id"), 409
    target, given = answer.headers.get("Location"), answer.headers.get("X-Together-File-Id")
    if not target or not given:
        raise RunError("the service named no place for the file", url, "check that the address is Together's")
    given = plain_id(answer, given)
    with item.path.open("rb") as file:
        http.put(target, file)
    done = http.ask("POST", f"{url}/{given}/preprocess")
    return value(done, "id"), done.status_code


def _in_parts(http: Session, url: str, item: Item, watch: Watch) -> tuple[str, int]:
    number = min(MOST_PARTS, math.ceil(item.bytes / PART))
    about = {
        "file_name": item.file,
        "file_size": item.bytes,
        "num_parts": number,
        "purpose": PURPOSE,
        "file_type": "jsonl",
        "checksum": item.sha256,
    }
    begun = http.ask("POST", f"{url}/multipart/initiate", fine=(409,), json=about)
    if begun.status_code == 409:
        return value(begun, "file_id"), 409
    ids = {"upload_id": value(begun, "upload_id"), "file_id": value(begun, "file_id")}
    if len(begun.json().get("parts") or ()) != number:
        raise RunError(f"the service named no places for {number} parts", url, "check that the address is Together's")
    done = None
    try:
        parts = _put_parts(http, item, begun.json()["parts"], watch)
        done = http.ask("POST", f"{url}/multipart/complete", json=ids | {"parts": parts})
    finally:
        if done is None:
            with contextlib.suppress(RunError):  # what went wrong before is what counts
                http.ask("POST", f"{url}/multipart/abort", json=ids)
    return value(done, *(("file", "id") if "file" in done.json() else ("id",))), done.status_code


def _put_parts(http: Session, item: Item, parts: Sequence[dict[str, Any]], watch: Watch) -> list[dict[str, Any]]:
    done, size = [], math.ceil(item.bytes / len(parts))
    with item.path.open("rb") as file:
        for part in parts:
            number = part.get("PartNumber", part.get("part_number", 1))
            file.seek((number - 1) * size)
            answer = http.put(part.get("URL", part.get("UploadURL", "")), file.read(size), part.get("Headers"))
            tag = answer.headers.get("ETag", "").strip('"')
            if not tag:
                raise RunError(f"the storage gave no tag for part {number}", http.address, "run the same command again")
            done.append({"part_number": number, "etag": tag})
            watch(Event(item.file, "part", min(number * size, item.bytes), item.bytes))
    return sorted(done, key=lambda each: int(each["part_number"]))
