"""A server's files and batches: sent, begun, found again, waited for and read, with patience where the server stumbles."""

from __future__ import annotations

import random
import re
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from tuneset.ask import asked, client, wire
from tuneset.ask.client import IN_A_ROW
from tuneset.errors import RunError
from tuneset.publish.http import PATIENCE, TRIES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tuneset.ask.asked import Model
    from tuneset.ask.cache import Sent

POLL, SELDOM = 5.0, 60.0  # seconds between two looks at a batch; they grow by half each time
LOOKS = 3  # at the server's list for a batch whose id was not heard, before it is held not to be there
PAGES = 100  # of a hundred batches each, newest first
RESULTS = 1 << 30  # bytes of a file of answers
COMPLETED = "completed"
OVER = frozenset({COMPLETED, "failed", "expired", "cancelled"})
ABSENT = frozenset({404, 405, 501})  # what a server without batches says
TOO_LARGE = 413
ENDPOINT = "/v1/chat/completions"
_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,200}")

Json = dict[str, Any]


class Service(NamedTuple):
    """A connection to a server's files and batches."""

    talk: wire.Talk
    model: Model
    secret: str
    say: Callable[[str], None]

    def has_batches(self) -> bool:
        """Ask whether the server has batches at all."""
        heard = self._told("GET", "/batches?limit=1", ABSENT)
        return heard.status not in ABSENT and isinstance(_object(heard).get("data"), list)

    def send(self, name: str, content: bytes) -> tuple[str, wire.Heard]:
        """Send a file; return its id, "" where it is too large or the server takes no files, and what the server said."""
        file = (f"{name}.jsonl", content, "application/jsonl")
        fine = ABSENT | {TOO_LARGE}
        heard = self._told("POST", "/files", fine, data={"purpose": "batch"}, files={"file": file})
        found = self._id(_object(heard))
        if not found and heard.status not in fine:
            what = "the server took a file and gave it no usable id"
            raise RunError(what, asked.address(self.model), "check that the address is that of the service")
        return found, heard

    def begin(self, name: str, file: str) -> tuple[str, wire.Heard]:
        """Have a batch begun; return its id, "" where the server refuses, and what the server said.

        Where nobody knows whether it was begun, the server's list is looked at before it is asked again.
        """
        about = {"input_file_id": file, "endpoint": ENDPOINT, "completion_window": "24h", "metadata": {"tuneset": name}}
        for tries in range(TRIES):
            heard = self.talk("POST", "/batches", json=about)
            if 200 <= heard.status < 300 and (found := self._id(_object(heard))):
                return found, heard
            why = self.why(heard)
            if not wire.again(heard, why):
                return "", heard
            self._pause(tries, heard, why)
            if heard.sent and heard.status != 429 and (found := self.find(name, file)):
                return found, heard
        raise wire.refused(self.model, heard.status, why)

    def find(self, name: str, file: str) -> str:
        """Look for a batch in the server's list, by what it was made of; return its id, "" where it is not there."""
        for look in range(LOOKS):
            time.sleep(POLL * look)
            for batch in self._listed():
                if batch.get("input_file_id") == file or as_object(batch.get("metadata")).get("tuneset") == name:
                    return self._id(batch)
        return ""

    def _id(self, said: Json) -> str:
        """Read an id; "" where there is none that can be kept and stand in an address."""
        found = plain(said.get("id"))
        return "" if self.secret and self.secret in found else found

    def _listed(self) -> Iterator[Json]:
        after = ""
        for _ in range(PAGES):
            page = _object(self._told("GET", f"/batches?limit=100{after and f'&after={after}'}"))
            batches = [as_object(each) for each in as_list(page.get("data"))]
            yield from batches
            after = plain(batches[-1].get("id")) if batches else ""
            if not page.get("has_more") or not after:
                return

    def wait(self, sent: Sent) -> Json:
        """Look at a batch until it is over, ever more seldom; one that the server does not know any more is empty."""
        pause, stumbles = POLL, 0
        while True:
            heard = self.talk("GET", f"/batches/{sent.id}")
            batch = _object(heard) if 200 <= heard.status < 300 else {}
            known = isinstance(batch.get("status"), str)
            if heard.status in (404, 410) or (known and batch["status"] in OVER):
                return batch
            stumbles = 0 if known else stumbles + 1
            why = _counted(batch) if known else self.why(heard)
            if not known and (stumbles >= IN_A_ROW or not wire.again(heard, why)):
                raise wire.refused(self.model, heard.status, why)
            self.say(f"{sent.id}: {why}")
            time.sleep(pause)
            pause = min(pause * 1.5, SELDOM)

    def lines(self, file: str) -> list[bytes]:
        """Read a file."""
        return self._told("GET", f"/files/{file}/content", most=RESULTS).body.splitlines()

    def why(self, heard: wire.Heard) -> str:
        """Say in a line why there is no answer."""
        return wire.why(heard, self.secret)

    def _told(
        self, method: str, path: str, fine: frozenset[int] = frozenset(), most: int = wire.BYTES, **body: Any
    ) -> wire.Heard:
        """Ask until there is an answer of success, or of a status that is `fine`."""
        for tries in range(TRIES):
            heard = self.talk(method, path, most, **body)
            if 200 <= heard.status < 300 or heard.status in fine:
                return heard
            why = self.why(heard)
            if not wire.again(heard, why):
                break
            self._pause(tries, heard, why)
        raise wire.refused(self.model, heard.status, why)

    def _pause(self, tries: int, heard: wire.Heard, why: str) -> None:
        named = wire.pause(heard)
        jitter = random.uniform(0.0, min(client.PAUSE * 2**tries, PATIENCE))  # noqa: S311  no secret hangs on it
        wait = named.same if named else jitter
        self.say(f"{why}; again in {wait:.1f} s")
        time.sleep(wait)


def _object(heard: wire.Heard) -> Json:
    """Read an answer's JSON object; an empty one where it is none."""
    try:
        return as_object(orjson.loads(heard.body))
    except orjson.JSONDecodeError:
        return {}


def as_object(value: Any) -> Json:
    """Return a JSON object, an empty one in the place of anything else."""
    return value if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    """Return a list, an empty one in the place of anything else."""
    return value if isinstance(value, list) else []


def plain(value: Any) -> str:
    """Return an id that can stand in an address; "" where it is none.

    >>> plain("file-1"), plain("../files"), plain(None)
    ('file-1', '', '')
    """
    return value if isinstance(value, str) and _ID.fullmatch(value) else ""


def _counted(batch: Json) -> str:
    counts = as_object(batch.get("request_counts"))
    return f"{batch['status'][:40]}, {counts.get('completed', 0)} of {counts.get('total', '?')} answered"
