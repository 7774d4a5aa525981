"""What a crawl would meet: said by robots.txt, tdmrep.json and sitemaps alone, before any page is asked for."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from tuneset.crawl.addresses import absolute, host_of, scope
from tuneset.crawl.asking import map_links
from tuneset.crawl.egress import Egress, Refused
from tuneset.crawl.frontier import Frontier
from tuneset.crawl.http import Want
from tuneset.crawl.polite import Polite
from tuneset.crawl.reading import links_of
from tuneset.crawl.reasons import place
from tuneset.crawl.sites import Sites

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tuneset.crawl.addresses import Scope
    from tuneset.crawl.frontier import Page
    from tuneset.crawl.policy import Policy


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
    egress = egress or Egress(policy.own)
    polite = Polite(policy, egress, threading.Event())
    sites = Sites(policy, inside, polite, frontier)
    would, never = [], unfit(listed, inside, egress)
    for seed in listed:
        if seed in never:
            would.append(Would(seed, False, never[seed], 0.0, "unstated", "", 0, 0))
            continue
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


def unfit(seeds: Iterable[str], inside: Scope, egress: Egress) -> dict[str, str]:
    """Say of seeds that cannot be asked for why not."""
    return {seed: _why_not(seed, inside, egress) for seed in seeds if not links_of([seed], "", 0, inside)}


def _why_not(seed: str, inside: Scope, egress: Egress) -> str:
    url = absolute("", seed)
    if not url:
        return "bad-url"
    if inside.holds([url]):
        return "trap"
    if inside.near(url):
        return "not-included"
    host, _, port = place(url).rpartition(":")
    try:
        egress.addresses(host, int(port))
    except Refused as refused:
        return refused.reason
    return "refused-port"


def _look_into(page: Page, sites: Sites, polite: Polite, frontier: Frontier, inside: Scope) -> None:
    site = sites.of(page.url)
    if site is None or site.forbids(page.url, 0, inside.policy):
        return
    answer = polite.ask(page.url, Want(most=inside.policy.map_bytes))
    if answer.good:
        frontier.add(map_links(page, answer.body, inside), inside.policy)
