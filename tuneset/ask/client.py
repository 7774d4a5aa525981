"""Ask a model many things: as many at a time as the server bears, nothing twice, and never for more than the budget."""

from __future__ import annotations

import atexit
import heapq
import itertools
import queue
import random
import threading
import time
from collections import Counter, deque
from collections.abc import Sized
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from tuneset.ask import asked, structured, wire
from tuneset.ask.asked import Answer, Model, Reply, Request, key_of
from tuneset.ask.budget import Budget, Cost, bound, cost, fits, short, sound
from tuneset.ask.cache import money, opened
from tuneset.errors import need
from tuneset.publish.http import PATIENCE, TRIES

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tuneset.ask.cache import Ledger
    from tuneset.errors import RunError

PACKAGE, EXTRA = "httpx", "generate"
PAUSE = 0.5  # doubles with each try, and is drawn from 0 to there
BUSY_FOR = 900.0  # seconds of "too many requests" after which a request is given up
FIRST, MOST = 8, 64  # requests at a time
FEWER, GOOD = 0.75, 25  # AIMD: this share of the limit at a 429; one more after so many answers
IN_A_ROW = 20  # requests without a use, one after the other, after which all is stopped
FROM_THE_FIRST = 3  # the same where nothing was answered yet: each of them was sent six times, over some 8 s
GRACE = 5.0  # seconds that answers on their way are waited for when a run is stopped
MENDED = frozenset({"not-json", "wrong-schema"})


class Progress(NamedTuple):
    """How far a run is; what a terminal shows as it goes."""

    done: int
    of: int | None  # None where the number of requests is not known
    problems: int  # of those done
    known: int  # of those done, from the folder
    flying: int
    limit: int  # requests at a time
    money: float  # spent in this folder, with what is reserved, in the currency of the prices
    tokens: int
    seconds: float | None  # left, by the pace so far
    says: str = ""


class Job(NamedTuple):
    """A request on its way to an answer; `asks` is what is sent, which may be the question that mends."""

    whole: Request
    key: str  # of the whole
    asks: Request
    asks_key: str
    first: Reply | None = None  # what has to be mended
    tries: int = 0  # that failed
    waits: int = 0  # the same, and when the server had too much to do
    busy: float = 0.0  # since when the server has been saying that there are too many
    ticket: int = 0
    rung: str = ""
    at: float = 0.0  # when it was sent


@dataclass
class _Pace:
    """How many requests at a time: doubled until the server first says "too many", then AIMD."""

    most: int
    limit: float
    good: int = 0
    found: bool = False
    cut: float = 0.0

    def well(self) -> None:
        self.good += 1
        if not self.found or self.good >= GOOD:
            self.limit, self.good = min(self.limit + 1, self.most), 0

    def busy(self, sent: float) -> None:
        if sent >= self.cut:  # those sent before the last cut say the same again
            self.limit, self.good = max(self.limit * FEWER, 1.0), 0
            self.found, self.cut = True, time.monotonic()


def ask_many(  # noqa: PLR0913  what is asked, of whom, kept where, for how much, and how it is shown
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
    """Ask a model, and give each request's answer as it comes, in any order; each request gets one.

    What was answered is kept in `folder` (`asked.jsonl`), and never asked or paid again. Stopped or killed at any point,
    the same call goes on; requests that were on their way at a kill, `most` at the worst, may be paid twice, and count
    against the budget as if they were. Requests go out while answers are fetched from this iterator.

    Tried again: 408, 409, 429, 5xx, and what breaks on the way, after a pause that doubles (full jitter, 60 s at most)
    or that the server names. At a time: doubled until the first 429, then AIMD (x 0.75 at a 429, one more after 25
    answers), as TCP does. A form (`schema`) is asked for as json_schema, json_object or in words, whichever the server
    is found to keep to, and is always checked here; what breaks it is asked for once more. `what`: under which name the
    ledger sums up what is spent. `aside`: what is kept of the budget for others, by the number of good answers.

    Errors: RecipeError for a budget that sets no limit; RunError, before anything is sent, for an address or key that
    is not sound, and later where the server refuses everything, or 20 requests in a row came to nothing (the first 3, each sent six times).
    Limits: all answers of a folder are in memory; a power cut may lose those of the last seconds; one call at a time in a
    folder.
    """
    asking = prepared(model, budget, watch, most)
    asking.what, asking.aside = what, aside
    asking.of = len(requests) if isinstance(requests, Sized) else None
    return _asked(requests, asking, folder, need(PACKAGE, EXTRA))


def prepared(model: Model, budget: Budget, watch: Callable[[Progress], None], most: int) -> Asking:
    """Check what can be checked before a folder is opened, and return a run that has yet to begin."""
    sound(model, budget)
    asked.address(model)
    return Asking(model, budget, watch, asked.key(model), _Pace(most, min(FIRST, most)))


def _asked(requests: Iterable[Request], asking: Asking, folder: Path, package: Any) -> Iterator[Answer]:
    with opened(folder) as ledger:
        asking.begin(ledger, package)
        if ledger.open:
            asking.say(f"{len(ledger.open):,} requests were on their way when a run was stopped: they count as paid")
        if ledger.pending():
            asking.say("a batch is on its way: it is fetched when requests are asked by batches again")
        yield from asking.run(iter(requests))


@dataclass
class Asking:
    """One run. Everything is decided in the caller's thread; others only send and wait."""

    model: Model
    budget: Budget
    watch: Callable[[Progress], None]
    secret: str
    pace: _Pace
    of: int | None = None
    ledger: Ledger = field(init=False)
    connect: Callable[[], AbstractContextManager[Callable[[bytes], wire.Heard]]] = field(init=False)
    out: queue.SimpleQueue[tuple[Job, bytes] | None] = field(default_factory=queue.SimpleQueue)
    workers: int = 0  # threads, each with a connection
    heard: deque[tuple[Job, wire.Heard]] = field(default_factory=deque)
    wake: threading.Event = field(default_factory=threading.Event)  # something was heard
    later: list[tuple[float, int, Job]] = field(default_factory=list)  # a heap, by when
    twins: dict[str, list[Request]] = field(default_factory=dict)  # on their way, by key
    formed: Counter[tuple[str, bool]] = field(default_factory=Counter)  # answers by rung, and whether they kept to it
    count: Iterator[int] = field(default_factory=itertools.count)
    flying: set[int] = field(default_factory=set)  # tickets
    hold: float = 0.0  # until when the server wants to hear nothing
    done: int = 0
    problems: int = 0
    known: int = 0
    useless: int = 0  # in a row
    stuck: Job | None = None  # until the budget has room for it
    stop: RunError | None = None
    answered: bool = False
    start: float = field(default_factory=time.monotonic)
    fresh: set[str] = field(default_factory=set)  # keys whose answers came in this run, but not over a line of its own
    refused: dict[str, str] = field(default_factory=dict)  # what need not be asked again, by key, and why
    what: str = ""  # under which name the ledger sums up what is spent
    aside: Callable[[int], Cost] = lambda _: Cost()  # what is kept for others, by the number of good answers
    good: int = 0  # answers that are of use, and those on their way

    def begin(self, ledger: Ledger, package: Any) -> None:
        """Take the folder's ledger, and what opens a connection."""
        self.ledger, self.connect = ledger, wire.line(package, self.model, self.secret)

    def run(self, coming: Iterator[Request]) -> Iterator[Answer]:
        """Send as much as may be sent, hear what comes, and give it on, until there is nothing left."""
        atexit.register(self._end)  # a generator that Ctrl-C leaves open is closed when threads do not run any more
        try:
            more = True
            while more or self.flying or self.later or self.stuck:
                more = (yield from self._send(coming)) and more
                yield from self._hear()
        finally:
            atexit.unregister(self._end)
            self._end()

    def _send(self, coming: Iterator[Request]) -> Generator[Answer, None, bool]:
        """Send while there is room; return whether there may be more to come."""
        while len(self.flying) < int(self.pace.limit) and (now := time.monotonic()) >= self.hold:
            job, self.stuck = self.stuck, None
            if job is None and self.later and self.later[0][0] <= now:
                job = heapq.heappop(self.later)[2]
            if job is None:
                # more would only wait, each longer than the last; before the first answer more would only fail
                if len(self.later) >= self.pace.limit * (4 if self.answered else 1):
                    return True
                request = next(coming, None)
                if request is None:
                    return False
                job = yield from self._new(request)
            if job and not self._sent(job):
                if self.flying:  # what their answers give back may make room
                    self.stuck = job
                    return True
                yield from self._give([self._stopped(job)])
        return True

    def _new(self, request: Request) -> Generator[Answer, None, Job | None]:
        """Look a request up; return what has to be asked, if anything."""
        key = key_of(request, self.model)
        if key in self.twins:
            self.twins[key].append(request)
            return None
        found = self.looked_up(request, key)
        self.twins[key] = []
        self.good += 1
        if isinstance(found, Job):
            return found
        known = key not in self.fresh
        self.known += known
        yield from self._give([found._replace(known=known)])
        return None

    def looked_up(self, request: Request, key: str) -> Answer | Job:
        """Return what is known to have come of a request, or what has to be asked."""
        found: Answer | Job = Job(request, key, request, key)
        while isinstance(found, Job) and (reply := self.ledger.replies.get(found.asks_key)):
            found = self._made(found, reply)
        if isinstance(found, Job) and found.asks_key in self.refused:
            return Answer(key, request, problem="rejected", says=self.refused[found.asks_key])
        return found

    def _sent(self, job: Job) -> bool:
        """Reserve what a request can cost, and send it; False where the budget has no room."""
        rung, body, most = self._bound(job)
        if not fits(self.held, most, self.budget):
            return False
        ticket = self.ledger.ask(job.asks_key, most, what=self.what)
        job = job._replace(ticket=ticket, rung=rung, at=time.monotonic())
        self.flying.add(job.ticket)
        self.out.put((job, body))
        if len(self.flying) > self.workers:
            self.workers += 1
            threading.Thread(target=self._work, daemon=True).start()
        return True

    def _bound(self, job: Job) -> tuple[str, bytes, Cost]:
        """Return how the form is asked for, what is sent, and what that can cost."""
        rung = self.rung if job.asks.schema is not None else ""
        body = structured.body(job.asks, self.model, rung)
        return rung, body, bound(job.asks, body, self.model, self.ledger.stretch)

    @property
    def held(self) -> Cost:
        """What is spent, and what is kept for others."""
        return self.ledger.spent.plus(self.aside(self.good))

    def _stopped(self, job: Job) -> Answer:
        """Say which limit has no room for a request."""
        limit, needs = short(self.held, self._bound(job)[2], self.budget)
        kept = " beside what is kept for the judge" if any(self.aside(self.good)) else ""
        says, stop = f"the budget is used up ({limit})", f"{limit}: {needs}{kept}"
        return Answer(job.key, job.whole, problem="budget", says=says, stop=stop)

    def _work(self) -> None:
        """Send what comes, one after the other, over one connection."""
        with self.connect() as post:
            for job, body in iter(self.out.get, None):
                heard = wire.Heard()
                try:
                    heard = post(body)
                finally:
                    self.heard.append((job, heard))
                    self.wake.set()

    def _hear(self) -> Iterator[Answer]:
        """Wait for what comes, write all of it down, and only then give it on."""
        self.wake.wait(self._pause())
        yield from self._give(self._noted())
        if self.stop:
            raise self.stop

    def _noted(self) -> list[Answer]:
        """Write down all that was heard; what Ctrl-C leaves of it is still there for `_end`."""
        self.wake.clear()
        answers = []
        while self.heard:
            answers += self._settled(*self.heard[0])
            self.flying.discard(self.heard.popleft()[0].ticket)
        return answers

    def _pause(self) -> float:
        """Return how long there is nothing to do but to wait; never so long that Ctrl-C or a screen would."""
        now, room = time.monotonic(), len(self.flying) < int(self.pace.limit)
        wake = now + 1.0 if self.flying else now
        if room and self.later:
            wake = max(self.hold, self.later[0][0])
        elif room and self.hold > now:
            wake = self.hold
        return min(max(wake - now, 0.0), 1.0)

    def _give(self, answers: list[Answer]) -> Iterator[Answer]:
        """Hand answers over, to each that asked the same."""
        for answer in answers:
            self.good -= bool(answer.problem)
            for request in [answer.request, *self.twins.pop(answer.key, [])]:
                self.done += 1
                self.problems += bool(answer.problem)
                self.say("")
                yield answer._replace(request=request)

    def _settled(self, job: Job, heard: wire.Heard) -> list[Answer]:
        """Write down how a request ended, and decide what comes next; return its answer if that is all."""
        if job.ticket not in self.ledger.open:  # Ctrl-C came when it was written, and before it was known to be
            return []
        self.workers -= heard.error == wire.FAILED
        reply = wire.reply(heard, self.secret) if 200 <= heard.status < 300 else None
        if reply:
            return self._answered(job, reply)
        why = wire.why(heard, self.secret)
        if wire.unpaid(heard):
            self.ledger.free(job.ticket, why)
        else:
            self.ledger.lost(job.ticket, why)
        return self._failed(job, heard, why)

    def _answered(self, job: Job, reply: Reply) -> list[Answer]:
        paid = cost(reply.usage, self.model) if reply.usage else self.ledger.open[job.ticket]
        reply = structured.kept(reply, job.asks)._replace(
            cost=money(paid), seconds=round(time.monotonic() - job.at, 3), rung=job.rung
        )
        self.ledger.got(job.ticket, job.asks_key, reply, paid)
        reply = self.ledger.replies[job.asks_key]  # with the time at which it was written down
        self.pace.well()
        self.answered, self.useless = True, 0
        made = self._made(job, reply)
        self.tally(structured.read(reply, job.asks).problem, job.rung)
        if isinstance(made, Job):
            self._later(made, 0.0)
            return []
        return [made]

    def _made(self, job: Job, reply: Reply) -> Answer | Job:
        """Say what a reply comes to: an answer, or the question that mends it."""
        found = structured.read(reply, job.asks)
        if found.problem in MENDED and not job.first:
            mends = structured.again(job.asks, reply, found.says)
            return Job(job.whole, job.key, mends, key_of(mends, self.model), first=reply)
        if job.first:
            reply = reply._replace(cost=reply.cost + job.first.cost, seconds=reply.seconds + job.first.seconds)
        return Answer(job.key, job.whole, *found, reply, repaired=bool(job.first and not found.problem))

    def tally(self, problem: str, rung: str) -> None:
        """Count whether answers keep to the form, and step down where the server does not care."""
        if rung and rung == self.rung and (not problem or problem in MENDED):
            self.formed[rung, not problem] += 1
            good, bad = self.formed[rung, True], self.formed[rung, False]
            if structured.ignored(good, bad):
                self.step(rung, f"{bad:,} of {good + bad:,} answers did not keep to it")

    def step(self, rung: str, why: str) -> None:
        """Ask for the form in the next way from here on; the last stays."""
        lower = structured.below(rung)
        if lower != rung:
            self.ledger.step(asked.called(self.model), lower, why)
            self.say(f"the form is asked for as {lower} from here on: {why}")

    @property
    def rung(self) -> str:
        """How a form is asked for now."""
        return self.ledger.rungs.get(asked.called(self.model), structured.RUNGS[0])

    def _failed(self, job: Job, heard: wire.Heard, why: str) -> list[Answer]:
        if heard.status == 429:
            self.pace.busy(job.at)
            job = job._replace(busy=job.busy or time.monotonic())
        else:
            job = job._replace(tries=job.tries + 1, busy=0.0)
        if job.rung and structured.not_taken(heard.status, why):
            if job.rung == self.rung:
                self.step(job.rung, why)
            if job.rung != self.rung:
                self._later(job._replace(tries=job.tries - 1), 0.0)
                return []
        helps = wire.again(heard, why)
        if helps and job.tries < TRIES and not (job.busy and time.monotonic() - job.busy > BUSY_FOR):
            self._again(job, heard, why)
            return []
        self.useless += 1
        if self._hopeless(heard, why):
            self.stop = self.stop or wire.refused(self.model, heard.status, why)
        return [Answer(job.key, job.whole, problem="not-answered" if helps else "rejected", says=why)]

    def _again(self, job: Job, heard: wire.Heard, why: str) -> None:
        named = wire.pause(heard)
        jitter = random.uniform(0.0, min(PAUSE * 2**job.waits, PATIENCE))  # noqa: S311  no secret hangs on it
        wait = named.same if named else jitter
        if named and heard.status == 429:
            self.hold = max(self.hold, time.monotonic() + named.all)
        self.say(f"{why}; again in {wait:.1f} s")
        self._later(job._replace(waits=job.waits + 1), wait)

    def _hopeless(self, heard: wire.Heard, why: str) -> bool:
        """Say whether no other request will fare better."""
        early = not self.answered and (heard.status in wire.WRONG or 300 <= heard.status < 400)
        most = IN_A_ROW if self.answered or not wire.again(heard, why) else FROM_THE_FIRST
        return early or wire.QUOTA in why or self.useless >= most

    def _later(self, job: Job, wait: float) -> None:
        heapq.heappush(self.later, (time.monotonic() + wait, next(self.count), job))

    def _end(self) -> None:
        """Wait a little for what is on its way, since it is paid, and keep it."""
        for _ in range(self.workers):
            self.out.put(None)
        until = time.monotonic() + GRACE
        while self.flying and (left := until - time.monotonic()) > 0:
            self.wake.wait(left)
            self._noted()

    def say(self, says: str) -> None:
        """Tell how far this is."""
        asked_now = self.done - self.known
        pace = (time.monotonic() - self.start) / asked_now if asked_now else None
        left = None if self.of is None or pace is None else pace * (self.of - self.done)
        spent = self.ledger.spent
        limit = int(self.pace.limit)
        counts = (self.done, self.of, self.problems, self.known, len(self.flying), limit, money(spent), spent.tokens)
        self.watch(Progress(*counts, left, says))
