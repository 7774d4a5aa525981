"""Why pages gave nothing and hosts were left alone: the fixed words of the crawler, in the words of its users."""

from __future__ import annotations

from urllib.parse import urlsplit

from tuneset.crawl.policy import WEB_PORTS

REFUSED = "refused-address"
WORDS = {
    REFUSED: "a private address; if it is yours, name it with --own HOST:PORT",
    "refused-port": "a port that is not the web's; if it is yours, name it with --own HOST:PORT",
    "bad-url": "no address that can be asked for",
    "not-included": "not among what --include and --exclude leave",
    "trap": "an address like those that never end",
    "robots": "robots.txt does not allow it",
    "crawl-delay": "the site asks for pauses that are too long for more than the seeds",
    "ai-preference": "its owner says no to training",
    "moved": "moved to another page of the crawl",
    "moved-away": "moved to a place outside of the crawl",
    "redirect-loop": "redirected to itself",
    "too-many-redirects": "redirected too often",
    "redirect-refused": "redirected to where the crawl may not go",
    "same-body": "the same, byte by byte, as another page of its host",
    "canonical": "the same as another page, by its own word",
    "again": "the same as an earlier page of the file",
    "type": "no text: a picture, a film, a document or the like",
    "too-large": "too large",
    "bomb": "unpacks to far more than was sent",
    "bad-encoding": "packed in a way that cannot be unpacked",
    "broken": "broken or cut off",
    "revisit": "a record that only says: as before",
    "too-many": "more records than are looked at",
    "bad-answer": "an answer that cannot be read",
    "timeout": "no answer in time",
    "no-connection": "no connection",
    "no-host": "no such host",
    "tls": "no safe connection (TLS)",
    "no-rules": "a page in the place of robots.txt",
    "browser-died": "the browser died on it",
    "reader-died": "the process that read it died",
    "reader-hung": "reading it took too long",
    "forgotten": "taken out by `tuneset forget`",
    "full": "its limit is reached: raise --pages, or volume in a recipe",
    "failing": "it failed too often in a row",
    "slow": "it answers too slowly",
    "asks-to-wait": "it asks for more patience than a run has",
    "trap-nothing-new": "its pages bring nothing new",
    "trap-babble": "its pages are words at random",
}


def words(reason: str) -> str:
    """Say a reason in words, and behind them the reason itself, which files and JSON hold.

    >>> words("robots"), words("status-404"), words("robots-timeout")
    ('robots.txt does not allow it (robots)', 'the site answers 404 (status-404)', 'robots.txt: no answer in time (robots-timeout)')
    """
    return f"{_said(reason)} ({reason})"


def _said(reason: str) -> str:
    if reason in WORDS:
        return WORDS[reason]
    kind, _, rest = reason.partition("-")
    told = {"status": f"the site answers {rest}", "robots": f"robots.txt: {_said(rest) if rest else ''}"}
    return told.get(kind, reason)


def place(url: str) -> str:
    """Name a host with its port, as `own` has it.

    >>> place("http://10.0.0.7/wiki")
    '10.0.0.7:80'
    """
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or WEB_PORTS.get(parts.scheme, '')}"
