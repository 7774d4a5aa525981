"""When two addresses are one, and which of them belong to the crawl."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit, urlunsplit

from w3lib.url import canonicalize_url, safe_url_string

from tuneset.crawl.policy import WEB_PORTS
from tuneset.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tuneset.crawl.policy import Policy

LONGEST = 2_000
# Names that only follow a visitor. Anything that may name a page stays: courlan 1.4's list takes gallery=, cid= and
# reference= for trackers, which made one page out of many.
_TRACKERS = re.compile(
    r"utm_\w+|mc_[ce]id|(?:fb|gc|dc|tw|ms|ya?)clid|gbraid|wbraid|msclkid|igshid|phpsessid|jsessionid"
)
# What safe_url_string leaves as it is: nine links in ten, and it takes a tenth of a millisecond for each.
_PLAIN = re.compile(r"https?://[a-z0-9.-]+(?::\d{1,5})?(?:/[\w./~&=+;,:@!-]*)?(?:\?[\w./~&=+;,:@!-]+)?", re.ASCII)
# What numbers the page of a long discussion in its address.
_PAGED = re.compile(r"[/-]page[-/]?\d+(?=/?$|\.\w+$|/?\?)|(?<=[?&])(?:page|pagenumber|start|offset)=\d+&?")
_REPLY = re.compile(r"(?<=[?&]topic=)(\d+)\.\w+")  # Simple Machines: topic=7.20 is the reply, 7 the discussion
_SESSION = re.compile(r";jsessionid=\w+", re.IGNORECASE)


@lru_cache(maxsize=65_536)  # a site's menu stands on each of its pages
def key(url: str) -> str:
    """Write an address in the one way by which it is known: what differs only here is the same page.

    >>> key("HTTP://A.org:80/b/../c?z=1&utm_source=x&a=2#top")
    'http://a.org/c?a=2&z=1'
    """
    parts = urlsplit(canonicalize_url(_SESSION.sub("", url)))
    host = (parts.hostname or "").rstrip(".")
    port = "" if parts.port in (None, WEB_PORTS.get(parts.scheme)) else f":{parts.port}"
    pairs = [pair for pair in parts.query.split("&") if not _TRACKERS.fullmatch(pair.partition("=")[0].lower())]
    netloc = (f"[{host}]" if ":" in host else host) + port
    return urlunsplit((parts.scheme, netloc, parts.path or "/", "&".join(pairs), ""))


def absolute(base: str, where: str) -> str:
    """Join an address with what a page says it leads to; empty where that is no web address.

    >>> absolute("https://a.org/x/", "../ü?q=1 2#top")
    'https://a.org/%C3%BC?q=1%202#top'
    """
    try:
        joined = urljoin(base, where.strip())
        found = joined if _PLAIN.fullmatch(joined) else safe_url_string(joined)
        parts = urlsplit(found)
        usable = parts.scheme in WEB_PORTS and parts.hostname and (parts.port is None or parts.port)
    except ValueError:
        return ""
    return found if usable and not (parts.username or parts.password) else ""


def unpaged(url: str) -> str:
    """Name the discussion that an address is a page of.

    >>> unpaged("https://a.org/t/kettle.7/page-2"), unpaged("https://a.org/t?id=7&page=2")
    ('https://a.org/t/kettle.7', 'https://a.org/t?id=7')
    """
    return _REPLY.sub(r"\1", _PAGED.sub("", url)).rstrip("?&/")


def same_page(url: str, other: str) -> str:
    """Return the key of the address that a page names as its own better one, where that is to be believed; else "".

    Not believed is another host, the site's front page, and page 1 of a discussion in the place of page 2: sites name these
    by mistake, and their pages would be lost.

    >>> same_page("https://a.org/t/7?sort=new", "https://a.org/t/7"), same_page("https://a.org/t/7?page=2", "https://a.org/t/7")
    ('https://a.org/t/7', '')
    """
    if not other:
        return ""
    own, named = key(url), key(other)
    mine, theirs = urlsplit(own), urlsplit(named)
    fits = mine.netloc == theirs.netloc and (theirs.path, theirs.query) != ("/", "")
    return named if fits and named != own and _PAGED.findall(own) == _PAGED.findall(named) else ""


def host_of(url: str) -> str:
    """Name the host that an address is asked of."""
    return (urlsplit(url).hostname or "").rstrip(".")


def origin(url: str) -> str:
    """Name the scheme, host and port, which share one robots.txt.

    >>> origin("https://a.org/b/c")
    'https://a.org'
    """
    return "{0.scheme}://{0.netloc}".format(urlsplit(key(url)))


def domain(url: str) -> str:
    """Name the part of a host that one owner registered; the host itself where there is none.

    >>> domain("https://forum.shop.co.uk/x"), domain("https://me.github.io/x"), domain("http://127.0.0.1:80/")
    ('shop.co.uk', 'me.github.io', '127.0.0.1')
    """
    import tld  # noqa: PLC0415 - its table takes a moment, and reading processes do without

    found = tld.get_fld(url, fail_silently=True, search_private=True)
    return str(found) if found else host_of(url)


@dataclass(frozen=True)
class Scope:
    """Which addresses belong to the crawl: domains, ports, and what a recipe includes and excludes.

    The expressions are Polars' (Rust's regex crate): they take linear time, so no address can stall the crawl.
    """

    domains: frozenset[str]
    policy: Policy

    def holds(self, urls: Iterable[str]) -> list[str]:
        """Return those that belong, in their order."""
        return self.chosen([url for url in urls if len(url) <= LONGEST and self.near(url)])

    def near(self, url: str) -> bool:
        """Say whether an address is of a domain and a port of the crawl."""
        parts = urlsplit(url)
        host, port = host_of(url), parts.port or WEB_PORTS.get(parts.scheme, 0)
        inside = any(host == each or host.endswith(f".{each}") for each in self.domains)
        return inside and (port in self.policy.ports or self.policy.is_own(url))

    def chosen(self, urls: list[str]) -> list[str]:
        """Return those that are included and not excluded, whosever they are."""
        policy = self.policy
        if not urls or not (policy.include or policy.exclude):
            return urls
        import polars as pl  # noqa: PLC0415 - a tenth of a second in each reading process

        column = pl.Series("key", list(map(key, urls)), pl.String)
        try:
            keep = column.str.contains(policy.include) & ~(
                column.str.contains(policy.exclude) if policy.exclude else pl.Series([False] * len(urls))
            )
        except pl.exceptions.ComputeError as error:
            why = re.search(r"^error: (.+)", str(error), re.MULTILINE)
            said = f"this is no regular expression: {why[1] if why else str(error).splitlines()[0]}"
            raise RecipeError(
                said, "include or exclude", "look-around and back references are not known here"
            ) from error
        return [url for url, kept in zip(urls, keep, strict=True) if kept]


def scope(seeds: Iterable[str], policy: Policy) -> Scope:
    """Take in the registered domains of the seeds, and those that the policy lists."""
    found = Scope(frozenset([*map(domain, seeds), *(each.lower() for each in policy.domains)]), policy)
    found.chosen(["http://example.org/"])  # a wrong expression is said before anything is asked for
    return found
