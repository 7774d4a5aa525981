"""One request over the wire: how it is sent, what came back, and what that means."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import orjson

from tuneset.ask import asked
from tuneset.ask.asked import Reply, Usage
from tuneset.errors import RunError
from tuneset.publish.http import TO_CONNECT, asked_for, hidden, hint

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager

    from tuneset.ask.asked import Model

SECONDS, BYTES = 600.0, 1 << 22  # that an answer may take
# Where the answer was one of these, nothing was done for it; at others of 500 and up, something behind may have been.
UNPAID = frozenset({500, 501, 503, 529})
WRONG = frozenset({401, 402, 403, 404})  # holds for all requests, where it is the first that is heard
FAILED = "this program failed"  # a bug of ours: a thread has ended with a traceback
QUOTA = "insufficient_quota"  # a 429 that waiting does not help against


class RefusedError(RunError):
    """A server that answers nothing, now or ever."""


class Heard(NamedTuple):
    """What came back over the wire."""

    status: int = 0
    headers: Mapping[str, str] = {}
    body: bytes = b""
    error: str = FAILED
    sent: bool = True  # whether the server may have seen the request


Post = Callable[[bytes], Heard]


def line(package: Any, model: Model, secret: str) -> Callable[[], AbstractContextManager[Post]]:
    """Return what opens a connection to a server; no redirection is followed, for the key would go along.

    Each connection is a client of its own: httpx looks at all connections of a client for each request, which at 50 of
    them takes twice the processor's time.
    """
    url, about = f"{asked.address(model)}/chat/completions", _about(package, model, secret)
    about["headers"]["Content-Type"] = "application/json"

    @contextmanager
    def connected() -> Iterator[Post]:
        with package.Client(**about) as client:
            yield lambda body: _heard(package, client, "POST", url, BYTES, content=body)

    return connected


class Talk(Protocol):
    """Ask one of a server's paths, once; `body` as httpx takes it, and at most so many bytes of an answer."""

    def __call__(self, method: str, path: str, most: int = BYTES, **body: Any) -> Heard:
        """Send, and return what came back."""


@contextmanager
def talking(package: Any, model: Model, secret: str) -> Iterator[Talk]:
    """Open one connection to all that a server has under its address."""
    address = asked.address(model)
    with package.Client(**_about(package, model, secret)) as client:

        def talk(method: str, path: str, most: int = BYTES, **body: Any) -> Heard:
            return _heard(package, client, method, f"{address}{path}", most, **body)

        yield talk


def _about(package: Any, model: Model, secret: str) -> dict[str, Any]:
    """Return what a client is opened with."""
    headers = {"Accept": "application/json", "User-Agent": "tuneset"}
    if secret:
        headers["Authorization"] = f"Bearer {secret}"
    proxied = asked.proxied(model)
    verify = package.create_ssl_context(trust_env=proxied)  # once: reading the authorities takes 60 ms
    timeout = package.Timeout(SECONDS, connect=TO_CONNECT)
    return {"trust_env": proxied, "verify": verify, "timeout": timeout, "headers": headers}


def _heard(package: Any, client: Any, method: str, url: str, most: int, **body: Any) -> Heard:
    until = time.monotonic() + SECONDS
    try:
        with client.stream(method, url, **body) as answer:
            read = bytearray()
            for part in answer.iter_bytes():
                read += part
                if len(read) > most:  # another try would be as long, and be paid for as well
                    return Heard(headers={"x-should-retry": "false"}, error=f"an answer of more than {most >> 20} MB")
                if time.monotonic() > until:
                    return Heard(error=f"not done after {SECONDS:.0f} s")
            return Heard(answer.status_code, answer.headers, bytes(read), "")
    except (package.ConnectError, package.ConnectTimeout, package.UnsupportedProtocol, package.ProxyError) as error:
        return Heard(error=_named(error), sent=False)
    except (package.RequestError, package.InvalidURL) as error:
        return Heard(error=_named(error))


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def reply(heard: Heard, secret: str) -> Reply | None:
    """Read an answer; None where it is none, whatever else it is."""
    try:
        read = orjson.loads(heard.body)
        choice = read["choices"][0]
        message = choice["message"]
        parts = [message.get("content"), choice.get("finish_reason"), message.get("refusal"), read.get("model")]
    except (ValueError, KeyError, TypeError, IndexError, AttributeError):
        return None
    told = map(_text, parts)
    text, finish, refusal, name = (each.replace(secret, "[hidden]") if secret else each for each in told)
    return Reply(text, finish[:40], refusal[:2000], _usage(read.get("usage")), name[:200])


def _text(content: Any) -> str:
    """Join the text of content, which some servers send in parts."""
    if isinstance(content, list):
        return "".join(_text(part.get("text")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""


def _usage(given: Any) -> Usage | None:
    """Read the server's count; None where it is no count."""
    if not isinstance(given, dict):
        return None
    details = given.get("prompt_tokens_details")
    known = details.get("cached_tokens") if isinstance(details, dict) else 0
    counts = [given.get("prompt_tokens"), given.get("completion_tokens", 0)]
    if not all(type(each) is int and 0 <= each < 1 << 40 for each in counts):
        return None
    known = min(known, counts[0]) if type(known) is int and known > 0 else 0
    return Usage(counts[0], counts[1], known)


def why(heard: Heard, secret: str) -> str:
    """Say in a line why there is no answer."""
    secrets = [secret] if secret else []
    if not heard.status:
        return hidden(heard.error, secrets)[:300]
    said = hidden(" ".join(_said(heard.body).split()), secrets)[:300]
    return f"{heard.status}: {said}" if said else f"{heard.status}"


def _said(body: bytes) -> str:
    try:
        error = orjson.loads(body)["error"]
        parts = [error] if isinstance(error, str) else [error.get("code"), error.get("message")]
        return " ".join(each for each in parts if isinstance(each, str))
    except (ValueError, KeyError, TypeError, AttributeError):
        return body[:2000].decode("utf-8", "replace")


def again(heard: Heard, why: str) -> bool:
    """Say whether another try may help, as the official client has it, with its header x-should-retry."""
    said = heard.headers.get("x-should-retry")
    if said in ("true", "false"):
        return said == "true"
    status = heard.status
    return (status < 300 or status in (408, 409, 429) or status >= 500) and QUOTA not in why


class Pause(NamedTuple):
    """Seconds that a server wants to be left alone: by the same request, and by all."""

    same: float
    all: float


def pause(heard: Heard) -> Pause | None:
    """Return for how long a server asks to be left alone, at most 60 s; None where it says nothing.

    Whole seconds are rounded up by those who name them, so that others may come a second earlier: a server that takes
    200 a second and says "1" then gives 160 answers a second, not 60.

    >>> pause(Heard(429, {"retry-after-ms": "250"})), pause(Heard(429, {"retry-after": "3"})), pause(Heard(429, {}))
    (Pause(same=0.25, all=0.25), Pause(same=3.0, all=2.0), None)
    """
    exact = heard.headers.get("retry-after-ms", "")
    if exact.isascii() and exact.isdecimal():
        seconds = asked_for({"Retry-After": f"{int(exact) / 1000:.3f}"}, 0.0)
        return Pause(seconds, seconds)
    seconds = asked_for({"Retry-After": heard.headers.get("retry-after", "")}, -1.0)
    return Pause(seconds, max(seconds - 1.0, 0.0)) if seconds >= 0 else None


def unpaid(heard: Heard) -> bool:
    """Say whether a request that failed cost nothing for certain."""
    refused = 300 <= heard.status < 500 and heard.status != 408
    return not heard.sent or heard.status in UNPAID or refused


def refused(model: Model, status: int, said: str) -> RefusedError:
    """Say that a server answers nothing, and what helps."""
    ways = {402: "there is no money left at the service", 429: "there is no money left at the service"}
    if status == 401:
        name = (
            f"the key in the environment's {model.key_env}" if model.key_env else "key_env (--key-env): no key was sent"
        )
        ways[status] = f"check {name}"
    known = status in (403, 404) or 300 <= status < 400
    way = hint(status) if known else ways.get(status, "run the same command later: what was answered is kept")
    return RefusedError(f"the server answers nothing ({said})", asked.address(model), way)
