"""The crawl: hosts in turn, pages kept as they come and read in processes, and one file of rows at the end."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import orjson

from tuneset.crawl import kept, preferences, sitemaps
from tuneset.crawl.addresses import host_of, scope
from tuneset.crawl.egress import Egress
from tuneset.crawl.frontier import Frontier, Link, Page
from tuneset.crawl.http import Answer, Want, kind_of
from tuneset.crawl.policy import PASSING
from tuneset.crawl.polite import AGAIN, Polite
from tuneset.crawl.reading import Read, Readers, Reading, links_of
from tuneset.crawl.sites import Sites
from tuneset.crawl.traps import Novelty
from tuneset.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from concurrent.futures import Future
    from pathlib import Path

    from tuneset.crawl.addresses import Scope
    from tuneset.crawl.policy import Policy

Render = Callable[[Answer, Callable[[str], bool]], Answer]
T = TypeVar("T")
R = TypeVar("R")
# What may go better another time; the next run asks again.
LATER = (*sorted(PASSING), *(f"status-{status}" for status in sorted(AGAIN)))
_DEAD = 10  # readers in a row that died: the fault is not the pages'


class Event(NamedTuple):
    """Something happened to an address; what a terminal shows as it goes."""

    kind: str  # fetched, read, out or wait
    url: str
    says: str = ""
    done: int = 0
    waiting: int = 0  # addresses that are known and not asked for yet


class Crawled(NamedTuple):
    """What a run leaves: `out` counts pages that gave nothing by reason, `closed` names hosts that were left alone."""

    rows: int
    pages: int
    out: dict[str, int]
    waiting: int
    closed: dict[str, str]
    stopped: str  # "interrupted" or "runtime"; empty where nothing more could be asked for
    file: Path
    saved: int = 0  # pages that were written into a WARC file


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
    what it asks for beside the page is held to robots.txt too, and one page at a time is asked for and drawn. Errors: RunError where another crawl works in the folder, or where the
    reader dies on every page.
    """
    frontier = kept.begin(folder)
    try:
        run = _Run(list(seeds), folder, policy, read, watch, frontier, egress or Egress(policy.own), render)
        return run(again=again)
    finally:
        frontier.shut()


class Would(NamedTuple):
    """What a crawl would meet at a seed: whether it may be asked for and why, and what its origin says."""

    seed: str
    allowed: bool
    why: str
    delay: float
    preference: str
    evidence: str
    sitemaps: int
    addresses: int  # in scope, in the sitemaps of the seed's host


def plan(seeds: Iterable[str], policy: Policy, egress: Egress | None = None) -> tuple[Would, ...]:
    """Say what a crawl would do, by robots.txt, tdmrep.json and sitemaps alone: no page is asked for, no file written."""
    listed = list(seeds)
    inside, frontier = scope(listed, policy), Frontier(None)
    polite = Polite(policy, egress or Egress(policy.own), threading.Event())
    sites = Sites(policy, inside, polite, frontier)
    would = []
    for seed in listed:
        while (site := sites.of(seed)) is None and not polite.closed(host_of(seed)):
            pass  # asked again after a pause, as often as the policy says
        while page := frontier.lease(host_of(seed), time.time(), "map"):
            _look_into(page, sites, polite, frontier, inside)
        if site is None:
            would.append(Would(seed, False, polite.closed(host_of(seed)), 0.0, "unstated", "", 0, 0))
            continue
        why, said, counts = site.forbids(seed, 0, policy), site.preference(seed), frontier.counts(host_of(seed))
        maps, pages = (sum(n for each, n in counts.items() if each[0] == kind) for kind in ("map", "page"))
        would.append(Would(seed, not why, why, site.delay, said.says, said.evidence, maps, pages))
    frontier.shut()
    return tuple(would)


def _look_into(page: Page, sites: Sites, polite: Polite, frontier: Frontier, inside: Scope) -> None:
    site = sites.of(page.url)
    if site is None or site.forbids(page.url, 0, inside.policy):
        return
    answer = polite.ask(page.url, Want(most=inside.policy.map_bytes))
    if answer.good:
        frontier.add(_map_links(page, answer.body, inside), inside.policy)


def _map_links(page: Page, body: bytes, inside: Scope) -> list[Link]:
    found = sitemaps.read(body, inside.policy)
    links = links_of(found.pages, page.url, 1, inside)
    if page.depth < inside.policy.map_depth:
        deeper = links_of(found.maps, page.url, page.depth + 1, inside)
        links += [each._replace(kind="map", bucket="") for each in deeper]
    return links


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
        self.sites = Sites(policy, self.scope, self.polite, frontier)
        self.size = policy.readers or os.cpu_count() or 1
        self.readers = Readers(self.read, self.scope, self.size)
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
        if again or frontier.fact("ended"):
            frontier.restart(everything=again, passing=LATER)
            self.closed = frontier.closed()
        frontier.keep_fact("run", self.id)
        frontier.keep_fact("ended", "")
        frontier.add(links_of(self.seeds, "", 0, self.scope), policy)
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
                self._start(self.fetching, self._fetch, host, self._after_fetching)
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

    def _fetch(self, host: str) -> tuple[Page | None, Event | None]:
        """Ask a host for its next page; return the page where it waits to be read, and what to say."""
        page = self.frontier.lease(host, time.time())
        if page is None:
            return None, None
        site = self.sites.of(page.url)
        if site is None:  # stopped, or its robots.txt cannot be had now
            self.frontier.settle(page.key, "todo")
            return None, Event("wait", page.url, self.polite.closed(host))
        facts = site.facts(page.url)
        if why := site.forbids(page.url, page.depth if page.kind == "page" else 0, self.policy):
            return None, self._out(page, why, **facts)
        answer = self.polite.ask(page.url, self._want(page))
        if self.render and answer.good and page.kind == "page":
            answer = self.render(answer, self._may_ask)
            self.polite.rest(page.url)
        return self._settle(page, answer, facts)

    def _may_ask(self, url: str) -> bool:
        site = self.sites.of(url)
        return site is not None and not site.forbids(url, 0, self.policy)

    def _want(self, page: Page) -> Want:
        alike = not (self.render or page.drawn)  # what scripts write may change where the page does not
        known = orjson.loads(page.headers) if page.sha256 and alike else {}
        asked = {"if-none-match": known.get("etag"), "if-modified-since": known.get("last-modified")}
        headers = {name: value for name, value in asked.items() if value}
        return Want(headers, most=self.policy.map_bytes) if page.kind == "map" else Want(headers, self._accept)

    def _accept(self, _url: str, headers: Mapping[str, str]) -> str:
        kind = kind_of(headers)
        if kind and kind not in self.policy.types:
            return "type"
        skip = self.policy.on_deny == "skip" and preferences.in_headers(headers).says == "deny"
        return "ai-preference" if skip else ""

    def _settle(self, page: Page, answer: Answer, facts: dict[str, Any]) -> tuple[Page | None, Event]:
        """Write what became of a request, before anything else happens."""
        if answer.error == "stopped":
            self.frontier.settle(page.key, "todo")
            return None, Event("wait", page.url, "stopped")
        facts = _with_answer(facts, answer)
        if answer.good and page.kind == "page":
            return self._keep(page, answer, facts)
        self.frontier.asked(page.host, len(answer.body) + answer.beside)
        return None, self._without_body(page, answer, facts)

    def _without_body(self, page: Page, answer: Answer, facts: dict[str, Any]) -> Event:
        if answer.good:
            links = _map_links(page, answer.body, self.scope)
            self.frontier.finish(page, (), links, self.policy, **facts)
            return Event("read", page.url, f"sitemap with {len(links)} addresses")
        if answer.status == 304 and page.sha256:
            return self._unchanged(page, facts)
        if answer.target:
            return self._moved(page, answer.target, facts)
        why = answer.error or f"status-{answer.status}"
        if why in LATER and page.tries + 1 < self.policy.tries:
            until = time.time() + self.polite.backoff(page.url, page.tries + 1)
            self.frontier.settle(page.key, "todo", tries=page.tries + 1, not_before=until, why=why)
            return Event("wait", page.url, why)
        return self._out(page, why, **facts)

    def _out(self, page: Page, why: str, **facts: Any) -> Event:
        self.frontier.settle(page.key, "out", why=why, **facts)
        self._drop_body(page.sha256)
        return Event("out", page.url, why)

    def _unchanged(self, page: Page, facts: dict[str, Any]) -> Event:
        said = {name: facts[name] for name in ("robots", "preference", "evidence", "fetched_at")}
        if facts["preference"] == "deny" and self.policy.on_deny == "skip":
            return self._out(page, "ai-preference", **said)
        self.frontier.settle(page.key, "done", why="unchanged", **said)
        return Event("read", page.url, "unchanged")

    def _moved(self, page: Page, target: str, facts: dict[str, Any]) -> Event:
        """Take a redirection for a link to the same depth: it is then judged and asked for as any other page."""
        found = links_of([target], page.url, page.depth, self.scope)
        if page.hops >= self.policy.hops:
            return self._out(page, "too-many-redirects", **facts)
        if found and found[0].key == page.key:
            return self._out(page, "redirect-loop", **facts)
        links = [each._replace(kind=page.kind, via=page.via or page.url, hops=page.hops + 1) for each in found]
        self.frontier.finish(
            page, (), links, self.policy, **facts, state="out", why="moved" if found else "moved-away", target=target
        )
        self._drop_body(page.sha256)
        return Event("out", page.url, f"moved to {target}")

    def _keep(self, page: Page, answer: Answer, facts: dict[str, Any]) -> tuple[Page | None, Event]:
        digest = kept.keep_body(self.folder, answer.body)
        state = self.frontier.fetched(page, len(answer.body) + answer.beside, **facts, sha256=digest)
        if page.sha256 != digest:
            self._drop_body(page.sha256)
        if state == "fetched":
            known = {name: value for name, value in facts.items() if name in Page._fields}
            return page._replace(sha256=digest, **known), Event("fetched", page.url)
        return None, Event("out", page.url, "same-body") if state == "out" else Event("read", page.url, "unchanged")

    def _read(self, page: Page) -> Reading | str:
        """Have a page read, and write what came of it."""
        reading = self.readers(kept.fetched(page, self.folder, self.id))
        if isinstance(reading, str):
            self._out(page, reading)
            return reading
        facts: dict[str, Any] = {}
        if reading.preference.says != "unstated" and page.preference != "deny":
            facts = {"preference": reading.preference.says, "evidence": reading.preference.evidence}
        denied = reading.preference.says == "deny" and self.policy.on_deny == "skip"
        if denied:
            facts |= {"state": "out", "why": "ai-preference"}
        facts["canonical"] = reading.canonical
        if not self.frontier.finish(page, reading.rows, reading.links, self.policy, **facts):
            self._drop_body(page.sha256)
        return reading

    def _drop_body(self, sha256: str) -> None:
        kept.drop_body(self.folder, self.frontier, sha256)

    def _close(self, stopped: str) -> Crawled:
        number = kept.write_rows(self.folder, self.frontier)
        pages, out, waiting = 0, Counter[str](), 0
        for (kind, state, why), count in self.frontier.counts().items():
            if kind == "page":
                pages += count * (state == "done")
                waiting += count * (state not in ("done", "out"))
                out[why] += count * (state == "out")
        return Crawled(
            number, pages, dict(sorted((+out).items())), waiting, dict(self.closed), stopped, self.folder / kept.ROWS
        )


def _with_answer(facts: dict[str, Any], answer: Answer) -> dict[str, Any]:
    """Add what an answer says to what is recorded of a page; the owner's no is kept wherever it stands."""
    said, before = preferences.in_headers(answer.headers), facts["preference"]
    if said.says == "deny" or (said.says == "allow" and before == "unstated"):
        facts = facts | {"preference": said.says, "evidence": said.evidence}
    headers = {name: answer.headers[name] for name in kept.HEADERS if name in answer.headers}
    return facts | {
        "status": answer.status,
        "headers": orjson.dumps(headers).decode(),
        "address": answer.address,
        "seconds": round(answer.seconds, 3),
        "fetched_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "drawn": answer.drawn,
    }
