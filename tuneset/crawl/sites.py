"""What an origin says before any page is asked for: its robots.txt, its word on training, its sitemaps."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from tuneset.crawl import preferences
from tuneset.crawl.addresses import origin
from tuneset.crawl.http import Want, follow
from tuneset.crawl.policy import WEB_PORTS
from tuneset.crawl.reading import links_of
from tuneset.crawl.reasons import REFUSED
from tuneset.crawl.robots import Robots, judge

if TYPE_CHECKING:
    from tuneset.crawl.addresses import Scope
    from tuneset.crawl.frontier import Frontier
    from tuneset.crawl.policy import Policy
    from tuneset.crawl.polite import Polite


class Site(NamedTuple):
    """One origin: its robots.txt and its tdmrep.json."""

    robots: Robots
    tdmrep: str = ""

    @property
    def delay(self) -> float:
        """Seconds between requests that it asks for."""
        return self.robots.delay

    def preference(self, url: str) -> preferences.Preference:
        """Its word on training with a page, before the page is seen."""
        said = [preferences.in_tdmrep(self.tdmrep.encode(), url)] if self.tdmrep else []
        return preferences.strictest([preferences.in_robots(self.robots.text, url), *said])

    def facts(self, url: str) -> dict[str, Any]:
        """Give what is recorded of it with each page."""
        verdict, said = self.robots.allows(url), self.preference(url)
        robots = f"{'allow' if verdict.allowed else 'deny'}: {verdict.why} {self.robots.sha256}".rstrip()
        return {
            "robots": robots,
            "preference": said.says,
            "evidence": said.evidence,
            "licence": self.robots.licence,
        }

    def forbids(self, url: str, depth: int, policy: Policy) -> str:
        """Say in a word why a page may not be asked for; empty where it may. A very slow host is asked for seeds only."""
        mine = policy.is_own(url) and not policy.robots
        if not (mine or self.robots.allows(url).allowed):
            return REFUSED if self.robots.why == REFUSED and not depth else "robots"
        if depth and self.delay > policy.longest_delay:
            return "crawl-delay"
        return "ai-preference" if policy.refuses(self.preference(url).says) else ""


class Sites:
    """Ask each origin once a day; threads that want the same origin wait for one answer."""

    def __init__(self, policy: Policy, scope: Scope, polite: Polite, frontier: Frontier) -> None:
        self._policy, self._scope, self._polite, self._frontier = policy, scope, polite, frontier
        self._known: dict[str, tuple[Site, float]] = {}  # with the time by the wall clock
        self._failed: dict[str, int] = {}
        self._lock = threading.Lock()
        self._asking: dict[str, threading.Lock] = {}

    def of(self, url: str) -> Site | None:
        """Return what an origin says; None where it cannot be had now."""
        name = origin(url)
        with self._lock:
            asking = self._asking.setdefault(name, threading.Lock())
        with asking:
            site, at = self._known.get(name) or self._remembered(name)
            if site is None or at < time.time() - self._policy.robots_age:
                site, at = self._asked(name), time.time()
            if site is None:
                return None
            if name not in self._known:
                self._polite.delay(url, site.delay)
            self._known[name] = site, at
            return site

    def _remembered(self, name: str) -> tuple[Site | None, float]:
        found = self._frontier.site(name)
        if found is None:
            return None, 0.0
        said, at = found
        robots = Robots(**said["robots"])
        if said["tdmrep"] is not None:
            return Site(robots, said["tdmrep"]), at
        fresh = at >= time.time() - self._policy.robots_age
        return (self._completed(name, robots) if fresh else None), at

    def _asked(self, name: str) -> Site | None:
        policy = self._policy
        answer = follow(
            f"{name}/robots.txt",
            lambda url: self._polite.ask(url, Want(most=policy.robots_bytes)),
            self._may_follow,
            policy.hops,
        )
        if answer.error == "stopped":
            return None
        robots = judge(answer, policy.robots_bytes)
        if robots.later:
            self._failed[name] = tries = self._failed.get(name, 0) + 1
            self._polite.hold(name, self._polite.backoff(name, tries))
            if tries >= policy.tries:
                self._polite.close(name, f"robots-{robots.why}")
            return None
        if robots.why == REFUSED:  # the next run may have the user's leave
            return Site(robots, "")
        return self._completed(name, robots)

    def _completed(self, name: str, robots: Robots) -> Site | None:
        """Ask for tdmrep.json, too; None where the crawl is stopped before: the next run asks, an owner's no may be in it."""
        self._polite.delay(name, robots.delay)
        self._keep(name, robots, None)
        said = self._tdmrep(name, robots)
        if said is None:
            return None
        self._keep(name, robots, said)
        self._add_maps(name, robots)
        return Site(robots, said)

    def _keep(self, name: str, robots: Robots, tdmrep: str | None) -> None:
        fields = {each: getattr(robots, each) for each in ("verdict", "why", "text", "sha256", "later")}
        self._frontier.keep_site(name, {"robots": fields, "tdmrep": tdmrep})

    def _may_follow(self, url: str) -> bool:
        """RFC 9309 follows robots.txt to other hosts too; ports are held to the policy's, addresses to the egress's."""
        parts = urlsplit(url)
        return (parts.port or WEB_PORTS[parts.scheme]) in self._policy.ports or self._policy.is_own(url)

    def _tdmrep(self, name: str, robots: Robots) -> str | None:
        if not robots.allows(name + preferences.TDMREP).allowed:
            return ""
        answer = self._polite.ask(name + preferences.TDMREP, Want(most=self._policy.robots_bytes))
        if answer.error == "stopped":
            return None
        return answer.body.decode("utf-8", "replace") if answer.good else ""

    def _add_maps(self, name: str, robots: Robots) -> None:
        if self._policy.sitemaps and self._policy.depth:
            links = links_of(robots.sitemaps, name, 0, self._scope)
            self._frontier.add([each._replace(kind="map", bucket="") for each in links], self._policy)
