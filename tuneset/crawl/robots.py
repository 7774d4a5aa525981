"""What robots.txt says, as RFC 9309 means it: no file allows, no answer forbids, and only rules are read as rules."""

from __future__ import annotations

import functools
import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from protego import Protego

from tuneset.crawl.policy import PASSING, TOKEN

if TYPE_CHECKING:
    from tuneset.crawl.http import Answer

_PAGE = re.compile(r"\s*<")
_GROUP = re.compile(r"\s*user-?agent\s*:\s*([^#\s]*)", re.IGNORECASE)
_LINE = re.compile(r"\s*([\w-]+)\s*:\s*([^#]*)")
_RULES = ("allow", "disallow")
_LICENCE = re.compile(r"^\s*license\s*:\s*(\S+)", re.IGNORECASE | re.MULTILINE)


class Verdict(NamedTuple):
    """Whether an address may be asked for, and why, in one fixed word."""

    allowed: bool
    why: str


@dataclass(frozen=True)
class Robots:
    """One origin's robots.txt: its rules, or a verdict for the whole origin.

    `verdict` is "rules", "allow" or "deny", `why` a word such as "none" (there is no file), "status-403", "no-rules" or
    "timeout"; `later` says that a deny may change: the origin did not answer. `sha256` is that of the body as it came.
    """

    verdict: Literal["rules", "allow", "deny"]
    why: str
    text: str = ""
    sha256: str = ""
    later: bool = False

    def allows(self, url: str) -> Verdict:
        """Judge one address; robots.txt itself may always be asked for."""
        if self.verdict != "rules":
            return Verdict(self.verdict == "allow", self.why)
        return Verdict(rules(self.text).can_fetch(url, TOKEN), "rules")

    @property
    def delay(self) -> float:
        """Seconds between requests that the site asks for, by Crawl-delay or Request-rate."""
        if self.verdict != "rules":
            return 0.0
        read = rules(self.text)
        rate = read.request_rate(TOKEN)
        return max(read.crawl_delay(TOKEN) or 0.0, rate.seconds / rate.requests if rate and rate.requests else 0.0)

    @property
    def sitemaps(self) -> tuple[str, ...]:
        """The sitemaps that the file names, in its order."""
        return tuple(dict.fromkeys(rules(self.text).sitemaps)) if self.verdict == "rules" else ()

    @property
    def licence(self) -> str:
        """Where the file says that the terms of the whole site stand (RSL), whichever group the line is in."""
        return ", ".join(dict.fromkeys(_LICENCE.findall(self.text)))[:500]


def judge(answer: Answer, most: int) -> Robots:
    """Read the answer to /robots.txt; of its body, `most` bytes count.

    Two rules are stricter than the RFC's: 401 and 403 forbid, and so does a web page that comes in place of rules, for
    it is what a login or a firewall sends.
    """
    digest = hashlib.sha256(answer.body).hexdigest() if answer.body else ""
    if answer.status == 200 and answer.error in ("", "too-large"):
        text = answer.body[:most].decode("utf-8-sig", "replace")
        if _PAGE.match(text) or "\0" in text:
            return Robots("deny", "no-rules", sha256=digest)
        if len(answer.body) >= most:
            text = text[: text.rfind("\n") + 1]  # half a rule is none
        return Robots("rules", "rules", text, digest)
    if answer.error:
        return Robots("deny", answer.error, later=answer.error in PASSING)
    if answer.status in (401, 403):
        return Robots("deny", f"status-{answer.status}")
    if 400 <= answer.status < 500 and answer.status not in (408, 425, 429):
        return Robots("allow", "none")
    return Robots("deny", f"status-{answer.status}", later=True)


@functools.lru_cache(maxsize=256)
def rules(text: str) -> Protego:
    """Parse rules once for each file."""
    return Protego.parse(text)


def matches(pattern: str, url: str) -> bool:
    """Say whether a path pattern of robots.txt covers an address.

    >>> matches("/a*b$", "https://x.org/a/b"), matches("/a", "https://x.org/b")
    (True, False)
    """
    return not rules(f"User-agent: *\nDisallow: {pattern}").can_fetch(url, "*")


def our_lines(text: str) -> list[tuple[str, str]]:
    r"""List the lines of the group that speaks to us by name, or else of the group for all: (name, value).

    Lines before the first group count for all. Protego knows nothing of lines such as Content-Signal.

    >>> our_lines("User-agent: *\nContent-Signal: ai-train=no\n\nUser-agent: other\nAllow: /")
    [('content-signal', 'ai-train=no')]
    """
    groups: dict[str, list[tuple[str, str]]] = {}
    names, open_ = ["*"], False
    for line in text.splitlines():
        if agent := _GROUP.match(line):
            names, open_ = [*(names if open_ else []), agent[1].lower()], True
            for name in names:
                groups.setdefault(name, [])
        elif found := _LINE.match(line):
            if found[1].lower() in ("sitemap", "host"):
                continue
            open_ = False
            for name in names:
                groups.setdefault(name, []).append((found[1].lower(), found[2].strip()))
    return groups.get(TOKEN, groups.get("*", []))
