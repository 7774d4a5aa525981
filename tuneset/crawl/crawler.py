"""The crawl: hosts in turn, pages kept as they come and read in processes, and one file of rows at the end."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from tuneset.crawl import kept
from tuneset.crawl.addresses import key, scope
from tuneset.crawl.asking import LATER, Asking, Event
from tuneset.crawl.egress import Egress
from tuneset.crawl.plan import unfit
from tuneset.crawl.polite import Polite
from tuneset.crawl.reading import DIED, HUNG, Read, Readers, Reading, links_of
from tuneset.crawl.reasons import REFUSED, place
from tuneset.crawl.sites import Sites
from tuneset.crawl.traps import Novelty
from tuneset.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from concurrent.futures import Future
    from pathlib import Path

    from tuneset.crawl.asking import Render
    from tuneset.crawl.frontier import Frontier, Page
    from tuneset.crawl.policy import Policy

T = TypeVar("T")
R = TypeVar("R")
_DEAD = 10  # readers in a row that died: the fault is not the pages'


class Crawled(NamedTuple):
    """What a run leaves: `out` counts pages that gave nothing by reason, `closed` names hosts that were left alone."""

    rows: int
    pages: int
    out: dict[str, int]
    waiting: int
    closed: dict[str, str]
    stopped: str  # "interrupted" or "runtime"; empty where nothing more could be asked for
    file: Path
    beyond: int = 0  # of the addresses that wait, those of hosts whose limit is reached
    saved: int = 0  # pages that were written into a WARC file
    already: bool = False  # these WARC files had been read into the folder before


def crawl(  # noqa: PLR0913 - three of them only for those who ask
    seeds: Iterable[str],
    folder: Path,
    policy: Policy,
    read: Read,
    watch: Callable[[Event], None] = lambda _event: None,
    *,
    again: bool = False,
    egress: Egress | None = None,
    render: Render | None = None,
) -> Crawled:
    """Collect the pages of sites into a folder, from the seeds on, and write examples.jsonl there.

    Killed at any moment and called again, it goes on: no page is lost, and none whose answer had come is asked for
    again. Ctrl-C ends it cleanly. `read` must be a function that another process can import. `again` asks for every
    page anew, as a browser with a cache does. `render` makes of each page that came what a browser would (see browser.py);
    what it asks for beside the page is held to robots.txt too, and one page at a time is asked for and drawn.

    Errors: RunError where another crawl works in the folder, or where the reader dies on every page.
    """
    frontier = kept.begin(folder)
    try:
        run = _Run(list(seeds), folder, policy, read, watch, frontier, egress or Egress(policy.own), render)
        return run(again=again)
    finally:
        frontier.shut()


@dataclass(eq=False)
class _Run:
    """One run of a crawl: what its threads share."""

    seeds: list[str]
    folder: Path
    policy: Policy
    read: Read
    watch: Callable[[Event], None]
    frontier: Frontier
    egress: Egress
    render: Render | None

    def __post_init__(self) -> None:
        policy, frontier = self.policy, self.frontier
        self.scope = scope(self.seeds, policy)
        self.id = frontier.fact("run") or uuid.uuid4().hex
        self.stop = threading.Event()
        self.polite = Polite(policy, self.egress, self.stop, rested=not frontier.fact("run"))
        self.size = policy.readers or os.cpu_count() or 1
        self.readers = Readers(self.read, self.scope, self.size)
        sites = Sites(policy, self.scope, self.polite, frontier)
        self.ask = Asking(self.folder, policy, self.scope, frontier, self.polite, sites, self.render)
        self.hosts = 1 if self.render else policy.threads  # a page in line for the browser would be lost by a kill
        self.fetching = ThreadPoolExecutor(self.hosts, "fetch")
        self.parsing = ThreadPoolExecutor(self.size, "read")
        self.ended: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self.work: set[str] = set()
        self.later: dict[str, float] = {}  # host -> when its next page may be asked for, by the wall clock
        self.flying: set[str] = set()
        self.reading = 0
        self.done = 0
        self.deaths = 0
        self.counted, self.waiting = 0.0, 0
        self.novelty: dict[str, Novelty] = {}
        self.closed = frontier.closed()

    def __call__(self, *, again: bool) -> Crawled:
        """Go on until nothing more can be asked for, the time is up, or a person stops it."""
        policy, frontier = self.policy, self.frontier
        unread = frontier.recover()
        passing = [
            *((*LATER, REFUSED) if frontier.fact("ended") else ()),
            *(() if frontier.any_read() else (DIED, HUNG)),
        ]
        if again or passing:
            frontier.restart(everything=again, passing=passing)
            self.closed = frontier.closed()
        frontier.keep_fact("run", self.id)
        frontier.keep_fact("ended", "")
        frontier.add(links_of(self.seeds, "", 0, self.scope), policy)
        self.unfit = unfit(self.seeds, self.scope, self.egress)
        stopped = ""
        try:
            for page in unread:
                if kept.body_path(self.folder, page.sha256).exists():
                    self._start_reading(page)
                else:  # the power was cut before the file was on the disk
                    frontier.settle(page.key, "todo", sha256="", headers="{}")
            self.work = frontier.work()
            stopped = self._loop(time.monotonic() + policy.runtime)
        except KeyboardInterrupt:
            stopped = "interrupted"
        finally:
            self.stop.set()
            self.fetching.shutdown(cancel_futures=True)
            self.parsing.shutdown(cancel_futures=bool(stopped))
            self.readers.shut()
        if not stopped:
            frontier.keep_fact("ended", "yes")
        return self._close(stopped)

    def _loop(self, deadline: float) -> str:
        while True:
            if time.monotonic() >= deadline:
                return "runtime"
            for host in self.frontier.fresh():
                self.work.add(host)
                self.later.pop(host, None)
            soonest = self._start_fetching()
            if not self.flying and not self.reading and soonest is None:
                return ""
            wait = min(soonest or deadline, deadline) - time.monotonic()
            with contextlib.suppress(queue.Empty):
                self.ended.get(timeout=max(wait, 0.001))()

    def _start_fetching(self) -> float | None:
        """Ask each host whose turn it is; return when the next turn comes, None where no host has one."""
        soonest = None
        for host in sorted(self.work - self.flying):
            if self._is_closed(host):
                self.work.discard(host)
                continue
            turn = max(self.polite.ready(host), self.later.get(host, 0.0) - time.time() + time.monotonic())
            busy = self.reading >= 4 * self.size or len(self.flying) >= self.hosts
            if turn <= time.monotonic() and not busy:
                self.flying.add(host)
                self._start(self.fetching, self.ask, host, self._after_fetching)
            elif not busy:
                soonest = turn if soonest is None else min(soonest, turn)
        return soonest

    def _is_closed(self, host: str) -> bool:
        why = self.closed.get(host) or self.polite.closed(host)
        if not why and self.frontier.full(host, self.policy):
            why = "full"
        if why:
            self.closed[host] = why
        return bool(why)

    def _start_reading(self, page: Page) -> None:
        self.reading += 1
        self._start(self.parsing, self._read, page, self._after_reading)

    def _start(
        self, pool: ThreadPoolExecutor, job: Callable[[T], R], on: T, after: Callable[[T, Future[R]], None]
    ) -> None:
        """Do a job in a thread, and what follows it in this one."""
        pool.submit(job, on).add_done_callback(lambda done: self.ended.put(partial(after, on, done)))

    def _after_fetching(self, host: str, future: Future[tuple[Page | None, Event | None]]) -> None:
        self.flying.discard(host)
        fetched, event = future.result()
        if fetched:
            self._start_reading(fetched)
        self._say(event)
        if event is None:  # nothing that may be asked for now
            soonest = self.frontier.soonest(host)
            if soonest is None:
                self.work.discard(host)
            else:
                self.later[host] = soonest

    def _after_reading(self, page: Page, future: Future[Reading | str]) -> None:
        self.reading -= 1
        reading = future.result()
        if isinstance(reading, str):
            self.deaths += 1
            if self.deaths >= _DEAD:
                raise RunError(f"the reader dies on every page ({reading})", page.url, "read what it printed above")
            self._say(Event("out", page.url, reading))
            return
        self.deaths = 0
        self.done += 1
        self._say(Event("read", page.url))
        novelty = self.novelty.setdefault(page.host, Novelty(self.policy.window))
        if (why := novelty.see(reading.sketch)) and page.host not in self.closed:
            self.frontier.close_host(page.host, f"trap-{why}")
            self.closed[page.host] = f"trap-{why}"

    def _say(self, event: Event | None) -> None:
        if event:
            if time.monotonic() - self.counted > 0.5:  # counting a long list for each page would take its time
                self.counted, self.waiting = time.monotonic(), self.frontier.waiting()
            self.watch(event._replace(done=self.done, waiting=self.waiting))

    def _read(self, page: Page) -> Reading | str:
        """Have a page read, and write what came of it."""
        reading = self.readers(kept.fetched(page, self.folder, self.id))
        if isinstance(reading, str):
            self.ask.out(page, reading)
            return reading
        kept.finish(page, reading, self.folder, self.frontier, self.policy)
        return reading

    def _close(self, stopped: str) -> Crawled:
        number = kept.write_rows(self.folder, self.frontier)
        pages, out, waiting = 0, Counter[str](), 0
        for (kind, state, why), count in self.frontier.counts().items():
            if kind == "page":
                pages += count * (state == "done")
                waiting += count * (state not in ("done", "out"))
                out[why] += count * (state == "out")
        out.update(self.unfit.values())
        refused = self.unfit | {each: REFUSED for each in self.seeds if self.frontier.why(key(each)) == REFUSED}
        closed = self.closed | {place(seed) if why == REFUSED else seed: why for seed, why in refused.items()}
        beyond = sum(
            count
            for host in (name for name, why in self.closed.items() if why == "full")
            for (kind, state, _), count in self.frontier.counts(host).items()
            if (kind, state) == ("page", "todo")
        )
        file = self.folder / kept.ROWS
        return Crawled(number, pages, dict(sorted((+out).items())), waiting, closed, stopped, file, beyond)
