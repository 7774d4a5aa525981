"""One HTTP session: tries again where a server stumbles, follows no redirection with a secret, and tells nobody the secret."""

from __future__ import annotations

import contextlib
import email.utils
import logging
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from tuneset.errors import RunError, need
from tuneset.publish.places import local, safe

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from typing import BinaryIO

PACKAGE, EXTRA = "httpx", "publish"
TRIES, PAUSE, PATIENCE = 6, 1.0, 60.0  # the pause doubles, unless the server says how long
AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
MOVED = frozenset({307, 308})  # S3 and Google storage answer so to a signed PUT; both keep method and body
SECONDS, TO_CONNECT = 600.0, 15.0  # without a byte in either direction
HOPS = 3


class Event(NamedTuple):
    """A file is sent, has been, was before, or the server is waited for; what a terminal shows as it goes."""

    file: str
    kind: str  # start, part, wait, done or already
    bytes: int = 0  # sent so far
    of: int = 0
    says: str = ""


@dataclass(frozen=True)
class Session:
    """A client of one service: `headers` hold its secret and go to no other address than `address`."""

    client: Any
    package: Any
    address: str
    headers: Mapping[str, str]
    hide: tuple[str, ...]
    say: Callable[[str], None]

    def ask(self, method: str, url: str, *, fine: Collection[int] = (), **body: Any) -> Any:
        """Send a request with the secret, and return the answer: of success, or of a status that is `fine`.

        `body`: what httpx takes (json, files). Errors: RunError for what is refused, and where six tries did not help.
        """
        where = urlsplit(url)
        if where[:2] != urlsplit(self.address)[:2]:
            raise RunError("the secret would go to another address", f"{where.scheme}://{where.netloc}", "report this")
        return self._answer(method, url, fine, headers=dict(self.headers), **body)

    def put(self, url: str, content: BinaryIO | bytes, headers: Mapping[str, str] | None = None) -> Any:
        """Put bytes to a signed address, without the secret; the address is a secret itself and in no message."""
        for _ in range(HOPS):
            parts = urlsplit(url)
            if not safe(parts) or (local(parts) and not local(urlsplit(self.address))):
                raise RunError("the service named a place that is not https", _host(url), "try again later")
            answer = self._answer("PUT", url, MOVED, headers=dict(headers or {}), content=content)
            if answer.status_code not in MOVED:
                return answer
            url = answer.headers.get("Location", "")
        raise RunError(f"the signed address moved {HOPS} times", _host(url), "run the same command again")

    def _answer(self, method: str, url: str, fine: Collection[int], **body: Any) -> Any:
        for attempt in range(1, TRIES + 1):
            wait = PAUSE * 2 ** (attempt - 1)
            if hasattr(body.get("content"), "seek"):
                body["content"].seek(0)
            try:
                answer = self.client.request(method, url, **body)
            except (self.package.RequestError, self.package.InvalidURL) as error:
                why = f"{type(error).__name__}: {hidden(str(error), self.hide)}"
            else:
                if answer.is_success or answer.status_code in fine:
                    return answer
                why = f"{answer.status_code} {answer.reason_phrase}"
                if answer.status_code not in AGAIN:
                    raise self._refused(answer, url, why)
                wait = asked_for(answer.headers, wait)
            if attempt < TRIES:
                self.say(f"{why}; again in {wait:.0f} s")
                time.sleep(wait)
        raise RunError(
            f"the server did not take it, in {TRIES} tries ({why})",
            _host(url),
            "run the same command later: what was sent stays, and it goes on from there",
        )

    def _refused(self, answer: Any, url: str, why: str) -> RunError:
        said = " ".join(hidden(answer.text, self.hide).split())[:300]
        return RunError(f"the server refused ({why}): {said}", _host(url), hint(answer.status_code))


def hint(status: int) -> str:
    """Say what helps against a refusal.

    >>> hint(413)
    'the file is too large for this place'
    """
    ways = {
        401: "check the key in the environment",
        403: "check what this key may do",
        404: "check the address and the name",
        413: "the file is too large for this place",
    }
    if 300 <= status < 400:
        return "redirections are not followed, for the key would go along: set the address itself"
    return ways.get(status, "see what the server says, and tuneset check")


@contextlib.contextmanager
def session(address: str, headers: Mapping[str, str], say: Callable[[str], None]) -> Iterator[Session]:
    """Open a session; nothing of the environment's proxies is used for this machine's own addresses."""
    package = need(PACKAGE, EXTRA)
    hide = tuple(value.removeprefix("Bearer ") for value in headers.values())
    timeout = package.Timeout(SECONDS, connect=TO_CONNECT)
    with package.Client(
        follow_redirects=False,
        timeout=timeout,
        trust_env=not local(urlsplit(address)),
        headers={"User-Agent": "tuneset"},
    ) as client:
        yield Session(client, package, address, headers, hide, say)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Let no library log while secrets travel: httpx writes signed addresses, the Hub's client headers of retries."""
    before = logging.root.manager.disable
    logging.disable(max(before, logging.CRITICAL))
    try:
        yield
    finally:
        logging.disable(before)


def hidden(text: str, secrets: Collection[str]) -> str:
    """Take secrets, and whatever stands behind the ? of an address, out of a text.

    >>> hidden("wrong key sk-1234 for https://a.org/b?sig=99", ["sk-1234"])
    'wrong key [hidden] for https://a.org/b?[hidden]'
    """
    for each in sorted(secrets, key=len, reverse=True):
        text = text.replace(each, "[hidden]") if each else text
    return re.sub(r"(\w+://[^\s\"'<>?]+)\?[^\s\"'<>]+", r"\1?[hidden]", text)


def asked_for(headers: Mapping[str, str], otherwise: float) -> float:
    """Read how many seconds a server asks to wait, as a number or a date, or as the Hub says it; at most a minute.

    >>> asked_for({"Retry-After": "3"}, 1), asked_for({}, 1), asked_for({"Retry-After": "soon"}, 1)
    (3.0, 1, 1)
    >>> asked_for({"RateLimit": '"resolvers";r=0;t=41'}, 1)
    41.0
    """
    limited = re.search(r"\br\s*=\s*0\s*;\s*t\s*=\s*(\d+)", headers.get("RateLimit") or "")
    said = headers.get("Retry-After") or (limited[1] if limited else "")
    if re.fullmatch(r"\d+(\.\d+)?", said):
        return min(float(said), PATIENCE)
    try:
        until = email.utils.parsedate_to_datetime(said).timestamp()
    except (ValueError, TypeError):
        return otherwise
    return min(max(until - time.time(), 0.0), PATIENCE)


def value(answer: Any, *names: str) -> str:
    """Read a text out of an answer's JSON, such as its id; an answer without it is an error."""
    try:
        found = answer.json()
        for name in names:
            found = found[name]
    except (ValueError, KeyError, TypeError) as error:
        raise _strange(answer, ".".join(names)) from error
    if not isinstance(found, str) or not found:
        raise _strange(answer, ".".join(names))
    return found


def plain_id(answer: Any, given: str) -> str:
    """Return an id that can go into an address; a server that names another is not followed.

    >>> plain_id(None, "file-1")
    'file-1'
    """
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", given):
        raise _strange(answer, "id")
    return given


def _strange(answer: Any, name: str) -> RunError:
    return RunError(
        f"the server answered without a usable {name}",
        _host(str(answer.url)),
        "check that the address is that of the service",
    )


def _host(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}"
