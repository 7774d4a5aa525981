"""What was asked and answered: lines that are only ever appended, from which answers and spend are read again."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from tuneset.ask.asked import Reply, Usage
from tuneset.ask.budget import NANO, Cost
from tuneset.errors import RunError, way_out

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from io import FileIO
    from pathlib import Path

NAME, LOCK = "asked.jsonl", "asked.lock"


class Sent(NamedTuple):
    """What is known of a batch, so that a killed run finds it again."""

    model: str = ""  # with its server
    rung: str = ""  # how the form was asked for
    file: str = ""  # the server's id of what was sent; "" where no batch can have been made of it yet
    id: str = ""  # the server's; "" where its answer was not heard


@dataclass
class Ledger:
    """Answers by key, and what they cost; each change is on the disk before it is here.

    A line `asks` is written before a request is sent, with the most that it can cost; `got`, `free` (it cost nothing)
    or `lost` (nobody knows) is written when it is over. One that was on its way when a run was killed has only the
    first: it may have been paid, and counts in full. Those of a batch name it; what the server knows it by is in lines
    `batch`, the first before the server is asked to begin, the last with its id.
    """

    replies: dict[str, Reply] = field(default_factory=dict)
    spent: Cost = field(default_factory=Cost)  # with all that may have been spent
    unsure: Cost = field(default_factory=Cost)  # the part of it that no answer came for
    open: dict[int, Cost] = field(default_factory=dict)  # on their way, by ticket
    shares: dict[str, Cost] = field(default_factory=dict)  # of what is spent, by what it was for
    owners: dict[int, str] = field(default_factory=dict)  # what those on their way are for
    last: int = 0  # ticket
    stretch: float = 1.0  # by how much the server counted more than was reserved
    batches: dict[str, Sent] = field(default_factory=dict)  # by the name that we gave them
    parts: dict[str, dict[str, int]] = field(
        default_factory=dict
    )  # a batch's tickets by key, as they stand in its file
    rungs: dict[str, str] = field(default_factory=dict)  # how a form is asked for, by model
    file: FileIO | None = None  # None: nothing is written, as in tests of its sums

    def ask(self, key: str, most: Cost, batch: str = "", what: str = "") -> int:
        """Reserve what a request can cost, before it is sent; return its ticket."""
        named = ({"batch": batch} if batch else {}) | ({"for": what} if what else {})
        return self._write({"kind": "asks", "ticket": self.last + 1, "key": key, **_costs(most), **named})

    def got(self, ticket: int, key: str, reply: Reply, cost: Cost) -> None:
        """Keep an answer, and what it cost."""
        kept = reply._asdict() | {"usage": reply.usage and list(reply.usage)}
        self._write({"kind": "got", "ticket": ticket, "key": key, **_costs(cost), "reply": kept})

    def free(self, ticket: int, why: str) -> None:
        """Give back what was reserved: the server took nothing."""
        self._write({"kind": "free", "ticket": ticket, "why": why})

    def lost(self, ticket: int, why: str) -> None:
        """Count what was reserved as spent: the answer did not come, and may have been paid."""
        self._write({"kind": "lost", "ticket": ticket, "why": why})

    def batch(self, name: str, sent: Sent) -> None:
        """Note what is known of a batch."""
        self._write({"kind": "batch", "name": name, **sent._asdict()})

    def pending(self) -> dict[str, Sent]:
        """Return the batches that are not over, by name."""
        waiting = [name for name, part in self.parts.items() if not self.open.keys().isdisjoint(part.values())]
        return {name: self.batches.get(name, Sent()) for name in waiting}

    def step(self, model: str, rung: str, why: str) -> None:
        """Note how a model is asked for a form from here on."""
        self._write({"kind": "rung", "model": model, "rung": rung, "why": why})

    def _write(self, line: dict[str, Any]) -> int:
        """Append one line; a kill of the program loses nothing after this, a power cut may lose the last seconds."""
        line |= {"time": datetime.now(UTC).isoformat(timespec="seconds")}
        raw = memoryview(orjson.dumps(line) + b"\n")
        try:
            while raw and self.file:
                raw = raw[self.file.write(raw) :]
        except OSError as error:
            raise RunError(f"the answer cannot be kept: {error.strerror}", NAME, way_out(error)) from error
        self.take(line)
        return self.last

    def take(self, line: dict[str, Any]) -> None:
        """Read a line into the sums."""
        kind = line["kind"]
        if kind == "rung":
            self.rungs[line["model"]] = line["rung"]
            return
        if kind == "batch":
            self.batches[line["name"]] = Sent(*(line[name] for name in Sent._fields))
            return
        ticket = line["ticket"]
        if kind == "asks":
            most = Cost(line["money"], line["tokens"], 1)
            self.last = max(self.last, ticket)
            self.open[ticket], self.unsure = most, self.unsure.plus(most)
            self.owners[ticket] = line.get("for", "")
            self._spend(ticket, most)
            if batch := line.get("batch"):
                self.parts.setdefault(batch, {})[line["key"]] = ticket
            return
        most = self.open.pop(ticket)
        if kind == "lost":
            return
        self.unsure = self.unsure.less(most)
        self._spend(ticket, Cost().less(most))
        if kind == "got":
            paid = Cost(line["money"], line["tokens"], 1)
            self._spend(ticket, paid)
            self.stretch = max(self.stretch, _over(paid.tokens, most.tokens), _over(paid.money, most.money))
            self.replies[line["key"]] = _reply(line["reply"])._replace(time=line.get("time", ""))

    def _spend(self, ticket: int, cost: Cost) -> None:
        what = self.owners[ticket]
        self.spent, self.shares[what] = self.spent.plus(cost), self.shares.get(what, Cost()).plus(cost)


def _over(paid: int, most: int) -> float:
    return paid / most if most else 1.0


def _costs(cost: Cost) -> dict[str, int]:
    return {"money": cost.money, "tokens": cost.tokens}


def _reply(kept: dict[str, Any]) -> Reply:
    usage = kept.get("usage")
    return Reply(**kept | {"usage": usage and Usage(*usage)})


def replayed(raw: bytes) -> Ledger:
    r"""Read what lines say; one that a kill cut off says nothing.

    >>> replayed(b'{"kind":"asks","ticket":1,"key":"k","money":5,"tokens":9}\n{"kind":"fr').spent
    Cost(money=5, tokens=9, requests=1)
    """
    ledger = Ledger()
    for line in raw.splitlines():
        try:
            read = orjson.loads(line)
        except orjson.JSONDecodeError:
            continue
        with contextlib.suppress(KeyError, TypeError):  # not ours, or cut off in a way that is JSON by chance
            ledger.take(read)
    return ledger


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[Ledger]:
    """Open a folder's ledger for one writer; a second one at the same time is refused."""
    from tuneset.folder import alone  # noqa: PLC0415  see `asked.key_of`

    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with alone(folder / LOCK, folder):
        raw = _read(folder)
        with _writing(folder):
            file = (folder / NAME).open("ab", buffering=0)
        with file:
            if raw and not raw.endswith(b"\n"):
                file.write(b"\n")  # behind a line that a kill cut off
            ledger = replayed(raw)
            ledger.file = file
            yield ledger


def forget(folder: Path, but: Collection[str]) -> None:
    """Take the words out of all answers but those of some keys; what they cost stays counted."""
    from tuneset.folder import write  # noqa: PLC0415  with polars

    lines = []
    for raw in _read(folder).splitlines():
        with contextlib.suppress(orjson.JSONDecodeError):  # a line that a kill cut off
            line = orjson.loads(raw)
            if line.get("kind") == "got" and line["key"] not in but:
                line["reply"] |= {"text": "", "refusal": ""}
            lines.append(orjson.dumps(line) + b"\n")
    if lines:
        write(folder / NAME, b"".join(lines))


def known(folder: Path) -> Ledger:
    """Read a folder's ledger without writing; an empty one where there is none."""
    return replayed(_read(folder))


def _read(folder: Path) -> bytes:
    path = folder / NAME
    with _writing(folder):
        return path.read_bytes() if path.exists() else b""


@contextlib.contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RunError(f"answers cannot be kept here: {error.strerror}", str(folder), way_out(error)) from error


def money(cost: Cost) -> float:
    """Return money in its currency."""
    return cost.money / NANO
