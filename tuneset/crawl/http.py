"""One question to one address: whatever the server does, there is an answer, in bounded time and memory."""

from __future__ import annotations

import contextlib
import http.client
import time
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from urllib3 import Timeout, exceptions

from tuneset.crawl.addresses import absolute
from tuneset.crawl.egress import Call, Refused
from tuneset.crawl.policy import WEB_PORTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from urllib3.response import BaseHTTPResponse

    from tuneset.crawl.egress import Egress
    from tuneset.crawl.policy import Policy

FINE = frozenset({200, 203})
MOVED = frozenset({301, 302, 303, 307, 308})
_PIECE = 1 << 14  # of what is sent: a piece unpacks to at most 16 MiB, of which this much is made at a time
_SMALL = 1 << 18  # what unpacks to less is no bomb, however well it packs
_SENT = {
    "Accept": "text/html,application/xhtml+xml,application/xml;q=.9,*/*;q=.5",
    "Accept-Encoding": "gzip, deflate",
    "Connection": "close",
}
DECODED = frozenset({"", "identity", "gzip", "x-gzip", "deflate"})
NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class Want(NamedTuple):
    """What is asked beside the address, and which bodies are wanted.

    `accept` sees the address and the headers of a good answer, and may refuse its body with a word; `most` is the limit
    of a body in bytes where it is not the policy's.
    """

    headers: Mapping[str, str] = NO_HEADERS
    accept: Callable[[str, Mapping[str, str]], str] = lambda _url, _headers: ""
    most: int = 0


ANYTHING = Want()


class Answer(NamedTuple):
    """What came back: `error` is one fixed word where there is no whole body; header names are in lower case.

    `waited` are the seconds until the first line came, `seconds` those of all; `hops` the addresses that led here. `drawn`
    names the browser that made the body of what came, and `beside` counts the bytes that it asked for in doing so.
    """

    url: str
    final: str
    status: int = 0
    headers: Mapping[str, str] = NO_HEADERS
    body: bytes = b""
    seconds: float = 0.0
    waited: float = 0.0
    address: str = ""
    hops: tuple[str, ...] = ()
    error: str = ""
    drawn: str = ""
    beside: int = 0

    @property
    def good(self) -> bool:
        """The body is here, and whole."""
        return not self.error and self.status in FINE

    @property
    def target(self) -> str:
        """Where a redirection leads; empty for any other answer."""
        where = self.headers.get("location", "")
        return absolute(self.final, where) if self.status in MOVED and where else ""


def get(url: str, policy: Policy, egress: Egress, want: Want = ANYTHING) -> Answer:
    """Ask one address once: no redirection is followed, no cookie kept, no referer sent, and nothing raised.

    The body of an answer that is too large is cut off at the limit, and the error says so.
    """
    start = time.monotonic()
    call, answer = Call(start + policy.total), Answer(url, url)
    try:
        answer = _ask(answer, policy, egress, call, want)
    except Refused as refused:
        answer = answer._replace(error=refused.reason)
    except (exceptions.HTTPError, http.client.HTTPException, OSError, ValueError) as error:
        answer = answer._replace(error=_word(error))
    finally:
        call.over()
    if call.late:
        answer = answer._replace(error="timeout", body=b"")
    return answer._replace(address=call.address, seconds=time.monotonic() - start)


def follow(url: str, ask: Callable[[str], Answer], may: Callable[[str], bool], most: int) -> Answer:
    """Ask, and follow at most so many redirections, each of which `may` allows or not."""
    hops: tuple[str, ...] = ()
    while True:
        answer = ask(url)
        hops = (*hops, url)
        if not (target := answer.target):
            return answer._replace(url=hops[0], hops=hops)
        reasons = {
            "redirect-loop": target in hops,
            "too-many-redirects": len(hops) > most,
            "redirect-refused": not may(target),
        }
        if why := next((word for word, holds in reasons.items() if holds), ""):
            return answer._replace(url=hops[0], hops=hops, error=why)
        url = target


def _ask(answer: Answer, policy: Policy, egress: Egress, call: Call, want: Want) -> Answer:
    parts, start = urlsplit(answer.url), time.monotonic()
    if parts.scheme not in WEB_PORTS or not parts.hostname:
        raise Refused("bad-url")
    with contextlib.ExitStack() as stack:
        pool = egress.pool(parts.scheme, parts.hostname, parts.port or WEB_PORTS[parts.scheme], call)
        stack.callback(pool.close)
        response = pool.urlopen(
            "GET",
            (parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
            headers={"User-Agent": policy.agent, **_SENT, **want.headers},
            retries=False,
            redirect=False,
            preload_content=False,
            timeout=Timeout(connect=policy.connect, read=policy.read),
        )
        stack.callback(response.close)
        said = folded(response.headers.iteritems())
        answer = answer._replace(status=response.status, headers=said, waited=time.monotonic() - start)
        if response.status not in FINE:
            return answer
        if why := want.accept(answer.url, said):
            return answer._replace(error=why)
        if not set(said.get("content-encoding", "").lower().replace(" ", "").split(",")) <= DECODED:
            return answer._replace(error="bad-encoding")
        body, why = body_of(response, want.most or policy.body, policy.ratio)
        return answer._replace(body=body, error=why)


def folded(lines: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Put the lines of one header together, by its name in small letters."""
    said: dict[str, str] = {}
    for name, value in lines:
        between = "\n" if name.lower() == "x-robots-tag" else ", "  # each line may name another robot
        said[name.lower()] = said[name.lower()] + between + value if name.lower() in said else value
    return said


def kind_of(headers: Mapping[str, str]) -> str:
    """Say what a server calls what it sends.

    >>> kind_of({"content-type": "Text/HTML; charset=utf-8"})
    'text/html'
    """
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def body_of(response: BaseHTTPResponse, most: int, ratio: int) -> tuple[bytes, str]:
    """Read and unpack a body; a word where it is too large, cut off there, or unpacks to much more than was sent."""
    pieces, size = [], 0
    while piece := response.read(_PIECE, decode_content=True):
        pieces.append(piece)
        size += len(piece)
        if size > _SMALL and size > ratio * response.tell():
            return b"", "bomb"
        if size > most:
            return b"".join(pieces)[:most], "too-large"
    return b"".join(pieces), ""


_WORDS: tuple[tuple[type[BaseException], str], ...] = (  # the first that fits
    (exceptions.TimeoutError, "timeout"),
    (exceptions.SSLError, "tls"),
    (exceptions.DecodeError, "bad-encoding"),
    (exceptions.LocationValueError, "bad-url"),
    (TimeoutError, "timeout"),
    (exceptions.HTTPError, "bad-answer"),
    (http.client.HTTPException, "bad-answer"),
    (OSError, "no-connection"),
    (ValueError, "bad-url"),
)


def _word(error: BaseException) -> str:
    return next(word for kind, word in _WORDS if isinstance(error, kind))
