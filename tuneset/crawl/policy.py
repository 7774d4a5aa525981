"""What the crawler may do and how much of it: every limit, with the default that a careful person would choose."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tuneset import __version__

if TYPE_CHECKING:
    from typing import Literal

TOKEN = "tuneset"  # noqa: S105 - no secret: the name that robots.txt files may call us by
MEBIBYTE = 1 << 20
PASSING = frozenset({"timeout", "no-connection", "no-host", "bad-answer", "tls"})  # errors that may go away
_CONTACT = re.compile(r"[^\s@<>()]+@[^\s@<>()]+\.[^\s@<>().]+|https?://[^\s<>()]+")
_KINDS: dict[str, Any] = {"bool": bool, "int": int, "float": (int, float), "str": str}
_NAMES = {bool: "true or false", int: "a whole number", (int, float): "a number", str: "text"}
WEB_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, kw_only=True)
class Policy:
    """Say who asks, where the crawl may go, and what it may cost; seconds and bytes unless a line says otherwise.

    `contact` is an e-mail or web address that a site's owner can write to; it is sent with every request. `own` lists
    places of yours as "host:port": they alone may have private addresses, ports of their own, no robots (`robots=False`)
    and another pace (`pace`). Errors: ValueError without a contact, or for a limit that is below zero or of another kind.

    >>> Policy(contact="me@example.org").agent
    'tuneset/0.1.0 (collects pages for fine-tuning data; contact=me@example.org)'
    """

    contact: str
    own: frozenset[str] = frozenset()
    pace: float = 1.0  # multiplies our own pauses at your own places, and nowhere else
    robots: bool = True

    domains: frozenset[str] = frozenset()  # beside those of the seeds
    include: str = ""  # a regular expression that an address must match
    exclude: str = ""  # and one that it must not
    ports: frozenset[int] = frozenset({80, 443})
    sitemaps: bool = True
    depth: int = 3  # links away from a seed
    pages: int = 2_000  # of a host
    volume: int = 200 * MEBIBYTE  # of a host
    runtime: float = 12 * 3600
    links: int = 2_000  # taken from one page
    waiting: int = 20_000  # addresses of a host that may wait
    on_deny: Literal["skip", "keep"] = "skip"  # pages whose owner says no to training
    browser: bool = False  # every page is drawn before it is read

    gap: float = 1.0  # between an answer and the next request to the host
    latency_factor: float = 10.0
    longest_delay: float = 60.0  # a host that asks for more is asked for the seeds only
    longest_wait: float = 3600.0  # a host that asks for more is left alone for this run
    longest_backoff: float = 60.0
    tries: int = 3
    failures: int = 10  # in a row, and the host is left alone for this run
    slow: float = 5.0  # a host whose median answer takes longer is left alone for this run

    connect: float = 10.0
    read: float = 20.0
    total: float = 60.0
    body: int = 10 * MEBIBYTE  # after decompression
    ratio: int = 100  # of decompressed to sent, above a quarter of a mebibyte
    hops: int = 5
    types: frozenset[str] = field(
        default=frozenset(
            {"text/html", "application/xhtml+xml", "text/xml", "application/xml", "application/json", "text/plain"}
        )
    )

    robots_bytes: int = 500 * 1024
    robots_age: float = 24 * 3600
    map_bytes: int = 50 * MEBIBYTE
    map_urls: int = 50_000
    map_depth: int = 3
    maps: int = 50  # sitemaps of a host

    segments: int = 8  # parts of a path
    repeats: int = 2  # of one part in a path
    variants: int = 50  # of one path's query, or of one calendar
    window: int = 50  # pages of a host that must bring something new

    threads: int = 16  # hosts asked at a time
    readers: int = 0  # processes that read pages; 0: one for each core
    reading: float = 120.0  # for one page

    def __post_init__(self) -> None:
        if not _CONTACT.fullmatch(self.contact):
            raise ValueError("the crawler needs a contact: an e-mail address, or a web page that says who asks and why")
        if self.on_deny not in ("skip", "keep"):
            raise ValueError(f"on_deny is skip or keep, not {self.on_deny!r}")
        for each in fields(self):
            value, wanted = getattr(self, each.name), _KINDS.get(str(each.type))
            if wanted and (not isinstance(value, wanted) or isinstance(value, bool) != (wanted is bool)):
                raise ValueError(f"{each.name} must be {_NAMES[wanted]}, not {value!r}")
            if isinstance(value, (int, float)) and value < 0:
                raise ValueError(f"{each.name} is below zero")

    @property
    def agent(self) -> str:
        """The User-Agent of every request."""
        return f"{TOKEN}/{__version__} (collects pages for fine-tuning data; contact={self.contact})"

    def refuses(self, said: str) -> bool:
        """Say whether an owner's word on training (allow, deny, unstated) keeps a page out.

        >>> [Policy(contact="me@example.org", on_deny=each).refuses("deny") for each in ("skip", "keep")]
        [True, False]
        """
        return said == "deny" and self.on_deny == "skip"

    def is_own(self, url: str) -> bool:
        """Say whether an address lies at one of the user's own places."""
        parts = urlsplit(url)
        return f"{parts.hostname}:{parts.port or WEB_PORTS.get(parts.scheme)}" in self.own
