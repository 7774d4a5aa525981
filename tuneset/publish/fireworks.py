"""Fireworks' way to take files: a dataset is made for each, and filled by a form or, above 150 MB, at a signed address."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tuneset.errors import RunError
from tuneset.publish.http import Event, session, value
from tuneset.publish.places import secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tuneset.publish.http import Session
    from tuneset.publish.planned import Item, Plan

    Watch = Callable[[Event], None]

LARGE = 150_000_000
PLAIN = ("", "ENCRYPTION_STATE_UNSPECIFIED", "ENCRYPTION_STATE_PLAINTEXT")


def send(plan: Plan, items: Sequence[Item], watch: Watch) -> Iterator[tuple[Item, str, int]]:
    """Send each file as a dataset of its own: `POST …/datasets`, then `:upload`, or a signed PUT and `:validateUpload`.

    A dataset is named after the run, the file and its hash, so a second call finds the one that a kill left unfilled.
    Accounts whose data must be encrypted before it is sent are refused, as Fireworks' own client refuses them.
    Read from fireworks-ai 1.2.30, resources/datasets.py and lib/dataset_upload.py.
    """
    headers = {"Authorization": f"Bearer {secret(plan.where.place)[1]}"}
    with session(plan.where.address, headers, lambda says: watch(Event("", "wait", says=says))) as http:
        for item in items:
            watch(Event(item.file, "start", 0, item.bytes))
            yield (item, *_sent(http, f"{plan.where.url}/datasets", dataset_id(plan.run.resolve().name, item), item))


def dataset_id(run: str, item: Item) -> str:
    """Name a dataset: letters, digits and hyphens, at most 63, and never the same for other content."""
    words = re.sub(r"[^a-z0-9]+", "-", run.lower().removesuffix("-tuneset")).strip("-")[:40].strip("-")
    return f"tuneset-{words or 'run'}-{item.path.stem}-{item.sha256[:8]}"[:63]


def _sent(http: Session, url: str, name: str, item: Item) -> tuple[str, int]:
    about = {"dataset": {"userUploaded": {}, "exampleCount": str(item.rows)}, "datasetId": name}
    made = http.ask("POST", url, fine=(409,), json=about)
    found = http.ask("GET", f"{url}/{name}")
    fields = found.json()
    if fields.get("encryptionState", "") not in PLAIN:
        hint = "firectl dataset create encrypts it before it is sent"
        raise RunError("this account takes encrypted data only", f"dataset {name}", hint)
    if made.status_code == 409 and fields.get("state") == "READY":
        return value(found, "name"), 409
    status = _fill_large(http, f"{url}/{name}", item) if item.bytes > LARGE else _fill(http, f"{url}/{name}", item)
    return value(found, "name"), status


def _fill(http: Session, url: str, item: Item) -> int:
    with item.path.open("rb") as file:
        return int(http.ask("POST", f"{url}:upload", files={"file": (item.file, file)}).status_code)


def _fill_large(http: Session, url: str, item: Item) -> int:
    size = str(item.bytes)
    answer = http.ask("POST", f"{url}:getUploadEndpoint", json={"filenameToSize": {item.file: size}})
    target = value(answer, "filenameToSignedUrls", item.file)
    # Both headers are signed with the address.
    signed = {"Content-Type": "application/octet-stream", "X-Goog-Content-Length-Range": f"{size},{size}"}
    with item.path.open("rb") as file:
        http.put(target, file, signed)
    return int(http.ask("POST", f"{url}:validateUpload", json={}).status_code)
