"""One page of a host: asked for where the policy and its owner let us, and what came of it written down at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from tuneset.crawl import kept, preferences, sitemaps
from tuneset.crawl.frontier import Page
from tuneset.crawl.http import Answer, Want, kind_of
from tuneset.crawl.policy import PASSING
from tuneset.crawl.polite import AGAIN
from tuneset.crawl.reading import links_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tuneset.crawl.addresses import Scope
    from tuneset.crawl.frontier import Frontier, Link
    from tuneset.crawl.policy import Policy
    from tuneset.crawl.polite import Polite
    from tuneset.crawl.sites import Sites

Render = Callable[[Answer, Callable[[str], bool]], Answer]
# What may go better another time; the next run asks again.
LATER = (*sorted(PASSING), *(f"status-{status}" for status in sorted(AGAIN)))


class Event(NamedTuple):
    """Something happened to an address; what a terminal shows as it goes."""

    kind: str  # fetched, read, out or wait
    url: str
    says: str = ""
    done: int = 0
    waiting: int = 0  # addresses that are known and not asked for yet


@dataclass(frozen=True)
class Asking:
    """What it takes to ask for a page; many threads use one, each for another host."""

    folder: Path
    policy: Policy
    scope: Scope
    frontier: Frontier
    polite: Polite
    sites: Sites
    render: Render | None

    def __call__(self, host: str) -> tuple[Page | None, Event | None]:
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
            return None, self.out(page, why, **facts)
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
        skip = self.policy.refuses(preferences.in_headers(headers).says)
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
            links = map_links(page, answer.body, self.scope)
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
        return self.out(page, why, **facts)

    def out(self, page: Page, why: str, **facts: Any) -> Event:
        """Write that a page gives nothing, and why."""
        self.frontier.settle(page.key, "out", why=why, **facts)
        self._drop_body(page.sha256)
        return Event("out", page.url, why)

    def _unchanged(self, page: Page, facts: dict[str, Any]) -> Event:
        said = {name: facts[name] for name in ("robots", "preference", "evidence", "fetched_at")}
        if self.policy.refuses(facts["preference"]):
            return self.out(page, "ai-preference", **said)
        self.frontier.settle(page.key, "done", why="unchanged", **said)
        return Event("read", page.url, "unchanged")

    def _moved(self, page: Page, target: str, facts: dict[str, Any]) -> Event:
        """Take a redirection for a link to the same depth: it is then judged and asked for as any other page."""
        found = links_of([target], page.url, page.depth, self.scope)
        if page.hops >= self.policy.hops:
            return self.out(page, "too-many-redirects", **facts)
        if found and found[0].key == page.key:
            return self.out(page, "redirect-loop", **facts)
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

    def _drop_body(self, sha256: str) -> None:
        kept.drop_body(self.folder, self.frontier, sha256)


def map_links(page: Page, body: bytes, inside: Scope) -> list[Link]:
    """List the pages, and the further sitemaps, that a sitemap names."""
    found = sitemaps.read(body, inside.policy)
    links = links_of(found.pages, page.url, 1, inside)
    if page.depth < inside.policy.map_depth:
        deeper = links_of(found.maps, page.url, page.depth + 1, inside)
        links += [each._replace(kind="map", bucket="") for each in deeper]
    return links


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
