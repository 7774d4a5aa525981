"""Ask at half the price: requests go as files, and their answers come when the server has time, within a day."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from tuneset.ask import asked, structured, wire
from tuneset.ask.asked import key_of
from tuneset.ask.budget import Cost, bound, cost, fits, in_batch
from tuneset.ask.cache import Sent, money, opened
from tuneset.ask.client import EXTRA, MOST, PACKAGE, Job, prepared
from tuneset.ask.service import ABSENT, COMPLETED, ENDPOINT, TOO_LARGE, Service, as_list, as_object, plain
from tuneset.errors import need

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from tuneset.ask.asked import Answer, Model, Request
    from tuneset.ask.budget import Budget
    from tuneset.ask.cache import Ledger
    from tuneset.ask.client import Asking, Progress
    from tuneset.ask.service import Json
    from tuneset.errors import RunError

REQUESTS, BYTES = 50_000, 200_000_000  # of one file, by OpenAI's rules
TIMES = 3  # that a request goes in a batch, before it is asked by itself
FEW = 100  # requests that are asked by themselves, where a batch was there before: a day is too long to wait for them
FAILURES = 3  # batches in a row that the server did not begin, for single lines of them
_TOO_MUCH = re.compile(r"limit|exceed|too (many|large|big|long)|maximum", re.IGNORECASE)


class _Line(NamedTuple):
    """A request as it stands in a file."""

    key: str
    most: Cost
    raw: bytes


def batched(  # noqa: PLR0913  as `ask_many`
    requests: Iterable[Request],
    model: Model,
    folder: Path,
    budget: Budget,
    watch: Callable[[Progress], None] = lambda _: None,
    *,
    most: int = MOST,
    what: str = "",
    aside: Callable[[int], Cost] = lambda _: Cost(),
) -> Iterator[Answer]:
    """Ask a model by batches, which cost half and take up to a day; otherwise as `ask_many`, with the same folder.

    A file has at most 50,000 requests and 200 MB, and fewer where the server says so; answers are looked for every
    5 to 60 seconds. Stopped or killed at any point, the same call goes on: a batch that was begun is fetched, and found
    again in the server's list where its id was not heard. What a batch leaves out (expired, cancelled, failed), and what
    breaks the form, goes into another; fewer than 100 requests, and what three batches left out, are asked one by one at
    the end, at the full price. So is everything where a server has no batches; `watch` is told.

    Errors: those of `ask_many`; RunError where the server begins no batch.
    Limits: all requests are in memory, and one file of answers (1 GB at most). Files stay on the server until it removes
    them (OpenAI: after 30 days). While a batch is on its way, `ask_many` in the same folder asks its requests again.
    Source: OpenAI's batch API; Azure and Groq speak it too. Together and Mistral have forms of their own.
    """
    asking = prepared(model, budget, watch, most)
    asking.what, asking.aside = what, aside
    return _batched(requests, asking, folder, need(PACKAGE, EXTRA))


def _batched(requests: Iterable[Request], asking: Asking, folder: Path, package: Any) -> Iterator[Answer]:
    wanted = list(requests)
    asking.of = len(wanted)
    with opened(folder) as ledger:
        asking.begin(ledger, package)
        with wire.talking(package, asking.model, asking.secret) as talk:
            service = Service(talk, asking.model, asking.secret, asking.say)
            _Batches(asking, service, {key_of(each, asking.model): each for each in wanted}).run()
        yield from asking.run(iter(wanted))


@dataclass
class _Batches:
    """The batches of one run; what they answer is in the ledger afterwards."""

    asking: Asking
    service: Service
    wanted: dict[str, Request]
    asks: dict[str, Request] = field(default_factory=dict)  # all that is or was sent, by key
    left_out: Counter[str] = field(default_factory=Counter)  # how often, by key
    size: int = REQUESTS
    single: bool = False  # one batch at a time, since the server had too much of them
    full: bool = False  # the budget has no room for more
    failures: int = 0  # in a row
    stop: RunError | None = None
    absent: bool = False  # the server has no batches

    def run(self) -> None:
        """Fetch what is on its way, then send what is missing, until too little is for a batch."""
        asks = self._missing()
        resumed = self._resumed()
        if not resumed and not (asks and self._spoken()):
            return
        least = FEW if resumed else 1
        while len(asks := self._missing()) >= least and self._round(asks):
            least = FEW

    def _missing(self) -> dict[str, Request]:
        """Return what has to be asked; for an answer that broke the form, the question that mends it."""
        looked_up = (self.asking.looked_up(request, key) for key, request in self.wanted.items())
        jobs = [each for each in looked_up if isinstance(each, Job)]
        self.asking.fresh |= {job.key for job in jobs}
        found = {job.asks_key: job.asks for job in jobs if self.left_out[job.asks_key] < TIMES}
        self.asks |= found
        return found

    def _spoken(self) -> bool:
        if not self.service.has_batches():
            self._none()
        return not self.absent

    def _none(self) -> None:
        self.absent = True
        self.asking.say("this server has no batches: requests are asked one by one, at the full price")

    # --- sending

    def _round(self, asks: dict[str, Request]) -> bool:
        """Send all that may be sent, and fetch it; return whether another round is worth it."""
        begun, size = [], 0
        for part in self._parts(asks):
            if name := self._begun(part):
                begun.append(name)
                size += len(part)
            if self.single or self.absent:
                break
        for name in begun:
            self._fetch(name)
        if self.stop:
            raise self.stop
        return (bool(begun) or self.single) and not self.absent and not (self.full and size < FEW)

    def _parts(self, asks: dict[str, Request]) -> Iterator[list[_Line]]:
        """Cut what is asked into files, as far as the budget goes; each is reserved before the next is cut."""
        part: list[_Line] = []
        together, held, good = Cost(), 0, len(self.wanted) - len(asks)
        for each in map(self._line, asks.keys(), asks.values()):
            if part and (len(part) >= self.size or held + len(each.raw) > BYTES):
                yield part
                part, together, held = [], Cost(), 0
            more, good = together.plus(each.most), good + 1
            kept = self.asking.aside(good)
            self.full = not fits(self._ledger.spent.plus(kept), more, self.asking.budget)
            if self.full:
                break
            part.append(each)
            together, held = more, held + len(each.raw)
        if part:
            yield part

    def _line(self, key: str, request: Request) -> _Line:
        body = structured.body(request, self.asking.model, self.asking.rung)
        about = {"custom_id": key, "method": "POST", "url": ENDPOINT, "body": orjson.Fragment(body)}
        return _Line(key, bound(request, body, self._cheap, self._ledger.stretch), orjson.dumps(about) + b"\n")

    def _begun(self, part: list[_Line]) -> str:
        """Reserve what a file can cost, send it, and have it begun; return its name, "" where the server did not take it."""
        from tuneset.folder import hash_of  # noqa: PLC0415  see `asked.key_of`

        called = asked.called(self.asking.model)
        name = hash_of(called, self._ledger.last, [each.key for each in part])[:32]
        for each in part:
            self._ledger.ask(each.key, each.most, name, self.asking.what)
        file, heard = self.service.send(name, b"".join(each.raw for each in part))
        if not file:
            return self._not_taken(name, heard)
        sent = Sent(called, self.asking.rung, file)
        self._ledger.batch(name, sent)
        found, heard = self.service.begin(name, file)
        if not found:
            return self._not_taken(name, heard)
        self._ledger.batch(name, sent._replace(id=found))
        return name

    def _not_taken(self, name: str, heard: wire.Heard) -> str:
        why = self.service.why(heard)
        self._free(name, why)
        if heard.status in ABSENT:
            self._none()
        else:
            self._smaller(len(self._ledger.parts[name]), heard.status, why)
        return ""

    def _smaller(self, size: int, status: int, why: str) -> None:
        """Send half as much from here on, and one after the other, where that can be what is wrong."""
        if size == 1 or not (status == TOO_LARGE or _TOO_MUCH.search(why)):
            raise wire.refused(self.asking.model, status, why)
        self.size, self.single = max(min(size, self.size) // 2, 1), True
        self.asking.say(f"{why}; files have {self.size:,} requests from here on")

    # --- fetching

    def _resumed(self) -> bool:
        """Fetch the batches that an earlier run began; return whether there were any."""
        fetched, called = False, asked.called(self.asking.model)
        for name, sent in self._ledger.pending().items():
            if not sent.file:
                self._free(name, "the run was stopped before it was sent")
            elif sent.model == called and (found := sent.id or self.service.find(name, sent.file)):
                self._ledger.batch(name, sent._replace(id=found))
                self._fetch(name)
                fetched = True
            elif sent.model == called:
                self._free(name, "the run was stopped before it was begun")
        if self.stop:
            raise self.stop
        return fetched

    def _fetch(self, name: str) -> None:
        """Wait for a batch, and write down how each of its requests ended."""
        sent = self._ledger.batches[name]
        batch = self.service.wait(sent)
        status, whole = batch.get("status", "gone"), True
        files = [file for each in ("output_file_id", "error_file_id") if (file := plain(batch.get(each)))]
        if status == "failed" and not files:
            self._failed(name, batch)
            return
        for file in files:
            for raw in self.service.lines(file):
                whole &= self._noted(name, raw)
        self._rest(name, status, ran=not whole or status in (COMPLETED, "gone"))
        self.failures = 0
        self.asking.say(f"{sent.id}: {status}")

    def _rest(self, name: str, status: str, *, ran: bool) -> None:
        """Write down what no line speaks about; what may have run may have been paid."""
        for key, ticket in self._ledger.parts[name].items():
            if ticket in self._ledger.open:
                self.left_out[key] += 1
                end = self._ledger.lost if ran else self._ledger.free
                end(ticket, f"it is not in the answers of a batch that is {status}")

    def _noted(self, name: str, raw: bytes) -> bool:
        """Write down what one line of a file says; return whether it could be read. Of two for one request the first counts."""
        try:
            read = orjson.loads(raw)
            key, error = read["custom_id"], read.get("error")
            ticket = self._ledger.parts[name][key]
        except (ValueError, KeyError, TypeError, AttributeError):
            return not raw.strip()
        if ticket in self._ledger.open:
            answer = as_object(read.get("response"))
            status = answer.get("status_code")
            body = orjson.dumps(answer.get("body") if answer else {"error": error})
            self._settled(name, key, wire.Heard(status if type(status) is int else 0, {}, body, str(error)[:300]))
        return True

    def _settled(self, name: str, key: str, heard: wire.Heard) -> None:
        ticket, rung = self._ledger.parts[name][key], self._ledger.batches[name].rung
        reply = wire.reply(heard, self.asking.secret) if 200 <= heard.status < 300 else None
        if reply:
            paid = cost(reply.usage, self._cheap) if reply.usage else self._ledger.open[ticket]
            request = self.asks.get(key)
            reply = structured.kept(reply, request) if request else reply
            rung = rung if request is None or request.schema is not None else ""
            self._ledger.got(ticket, key, reply._replace(cost=money(paid), rung=rung), paid)
            self.asking.answered = True
            if request:
                self.asking.tally(structured.read(reply, request).problem, rung)
            return
        why = wire.why(heard, self.asking.secret)
        if not heard.status or wire.unpaid(heard):  # without a status it never ran: expired, cancelled
            self._ledger.free(ticket, why)
        else:
            self._ledger.lost(ticket, why)
        self._left_out(key, rung, heard, why)

    def _left_out(self, key: str, rung: str, heard: wire.Heard, why: str) -> None:
        """Decide whether a request that came to nothing is asked again."""
        if structured.not_taken(heard.status, why):
            if rung == self.asking.rung:
                self.asking.step(rung, why)
            if rung != self.asking.rung:
                return
        if wire.QUOTA in why:
            self.stop = wire.refused(self.asking.model, heard.status, why)
        elif heard.status and not wire.again(heard, why):
            self.asking.refused[key] = why
        else:
            self.left_out[key] += 1

    def _failed(self, name: str, batch: Json) -> None:
        """Take in that the server did not begin a batch: for some of its lines, for its size, or for good."""
        errors = [as_object(each) for each in as_list(as_object(batch.get("errors")).get("data"))]
        said = [wire.why(wire.Heard(400, {}, orjson.dumps({"error": each})), self.asking.secret) for each in errors]
        why = said[0] if said else "400: the batch failed, and the server does not say why"
        self._free(name, why)
        self.failures += 1
        keys = list(self._ledger.parts[name])
        lines = [(each.get("line"), says) for each, says in zip(errors, said, strict=True)]
        named = {keys[at - 1]: says for at, says in lines if type(at) is int and 1 <= at <= len(keys)}
        if named and self.failures <= FAILURES:
            self.asking.refused |= named
        else:
            self._smaller(len(keys), 400, why)

    @property
    def _ledger(self) -> Ledger:
        return self.asking.ledger

    @property
    def _cheap(self) -> Model:
        return in_batch(self.asking.model)

    def _free(self, name: str, why: str) -> None:
        for ticket in self._ledger.parts[name].values():
            if ticket in self._ledger.open:
                self._ledger.free(ticket, why)
