"""Send what is planned and not there yet, and write down each answer before the next file goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuneset.errors import RunError
from tuneset.folder import Folder, file_hash, only_one
from tuneset.publish import files, fireworks, hub, ledger, storage, together
from tuneset.publish.http import Event, quiet
from tuneset.publish.places import secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tuneset.publish.planned import Item, Plan

    Watch = Callable[[Event], None]
    Send = Callable[[Plan, Sequence[Item], Watch], Iterator[tuple[Item, str, int]]]

_SEND: dict[str, Send] = {
    "hub": hub.send,
    "openai": files.send,
    "azure": files.send,
    "mistral": files.send,
    "together": together.send,
    "fireworks": fireworks.send,
    "gs": storage.send,
    "s3": storage.send,
}


def publish(plan: Plan, watch: Watch = lambda _: None) -> list[dict[str, Any]]:
    """Send what a plan names and is not there yet; return the ledger's line of each of its files.

    After each file a line is appended to `.tuneset/published.jsonl`: place, target, file, sha256, bytes, id, url, time,
    HTTP status. Killed at any point, a second call goes on: files that are there are not sent again, nor, at OpenAI and
    Azure, are parts. A file that arrived in the moment of a kill may be sent twice.

    Errors: RunError, before anything is sent, where the environment lacks a variable, a file is empty, has changed since
    it was planned, or has errors in its check; and where the service refuses.
    """
    _refuse(plan)
    done = {item.file: item.sent for item in plan.items if item.sent}
    for item in plan.items:
        if item.sent:
            watch(Event(item.file, "already", item.bytes, item.bytes, str(item.sent.get("id"))))
    if plan.waiting:
        with only_one(Folder(plan.run)), quiet():
            for item, given, status in _SEND[plan.where.kind](plan, plan.waiting, watch):
                done[item.file] = ledger.append(plan.run, _line(plan, item, given, status))
                watch(Event(item.file, "done", item.bytes, item.bytes, given))
    return [line for item in plan.items if (line := done.get(item.file))]


def _line(plan: Plan, item: Item, given: str, status: int) -> dict[str, Any]:
    return {
        "kind": "sent",
        "place": plan.where.kind,
        "target": plan.target,
        "file": item.file,
        "sha256": item.sha256,
        "bytes": item.bytes,
        "id": given,
        "url": plan.where.url,
        "status": status,
    }


def _refuse(plan: Plan) -> None:
    """Refuse before the first byte leaves this machine."""
    for item in plan.items:
        if not item.bytes:
            raise RunError("this file is empty", str(item.path), f"tuneset export {plan.run} --target {plan.target}")
        if item.errors:
            what = f"{item.errors:,} errors in the check for {plan.target}, the first: {item.says}"
            raise RunError(what, str(item.path), f"tuneset check {item.path} --target {plan.target}")
    if plan.missing:
        names = " and ".join(plan.missing)
        raise RunError(f"the environment has no {names}", plan.where.url, "set it, and run the same command again")
    secret(plan.where.place)
    for item in plan.waiting:
        if file_hash(item.path) != item.sha256:
            raise RunError("this file has changed since it was planned", str(item.path), "run the same command again")
