"""Ask an OpenAI-compatible server for embeddings: `POST …/embeddings`, in batches, again where it stumbles."""

from __future__ import annotations

import http.client
import os
import time
import urllib.error
import urllib.request
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit, urlunsplit

import numpy as np
import orjson

from tuneset.errors import InputError, RecipeError, TunesetError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from tuneset.features.local import Embed

    Floats = NDArray[np.float32]

KEY, OPENAI = "TUNESET_EMBEDDINGS_KEY", "OPENAI_API_KEY"
TEXTS, LETTERS = 128, 100_000  # that go into one request
LONGEST = 20_000  # letters of a text that are sent; models read some 8,000 tokens
SECONDS, BYTES = 120.0, 1 << 26  # that an answer may take; 128 vectors of 4,096 numbers are 12 MB
TRIES, PAUSE, PATIENCE = 5, 1.0, 60.0  # the pause doubles, unless the server says how long
AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504})


def opened(url: str) -> Embed:
    """Name a server; what comes back sends it texts and gives their vectors, shape (texts, dimensions).

    `https://host/v1#model`: the part behind # is the model's name. The key is read from the environment:
    `TUNESET_EMBEDDINGS_KEY`, or `OPENAI_API_KEY` for api.openai.com alone. It follows no redirection and is in no message.

    Errors: a server that cannot be reached, refuses, or answers with something else, after five tries where that helps.
    Limits: of a text the first 20,000 letters are sent.

    >>> opened("https://ada:secret@host/v1#small")
    Traceback (most recent call last):
    tuneset.errors.RecipeError: the server's address carries a password
      at   https://host/v1
      try  take it out, and put the key into TUNESET_EMBEDDINGS_KEY
    """
    parts = urlsplit(url)
    if parts.username or parts.password:
        raise RecipeError(
            "the server's address carries a password",
            f"{parts.scheme}://{parts.hostname}{parts.path}",
            f"take it out, and put the key into {KEY}",
        )
    path = parts.path.rstrip("/")
    path = path if path.endswith("/embeddings") else f"{path}/embeddings"
    return partial(_embedded, parts._replace(path=path))


def _embedded(server: SplitResult, texts: Sequence[str]) -> Floats:
    parts = [_vectors(server, batch) for batch in _batches([text[:LONGEST] for text in texts])]
    if len({part.shape[1] for part in parts}) > 1:
        raise _strange(server, "vectors of different sizes")
    return np.concatenate(parts)


def _batches(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    start, letters = 0, 0
    for place, text in enumerate(texts):
        if place - start == TEXTS or (letters and letters + len(text) > LETTERS):
            yield texts[start:place]
            start, letters = place, 0
        letters += len(text)
    yield texts[start:]


def _vectors(server: SplitResult, texts: Sequence[str]) -> Floats:
    """Send one batch and read what comes back, in the order of the texts."""
    body = {"input": list(texts)} | ({"model": server.fragment} if server.fragment else {})
    answer = _answer(server, orjson.dumps(body))
    try:
        rows = {int(each["index"]): each["embedding"] for each in orjson.loads(answer)["data"]}
        vectors = np.array([rows[place] for place in range(len(texts))], np.float32)
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise _strange(server, "something else") from error
    if vectors.ndim != 2 or len(rows) != len(texts) or not np.isfinite(vectors).all():
        raise _strange(server, "something else")
    return vectors


def _answer(server: SplitResult, body: bytes) -> bytes:
    """Post one request, again after a pause where the server is busy, broken for a moment, or out of reach."""
    for attempt in range(1, TRIES + 1):
        wait = PAUSE * 2 ** (attempt - 1)
        try:
            return _posted(server, body)
        except urllib.error.HTTPError as error:
            why = f"{error.code} {error.reason}"
            if error.code not in AGAIN:
                said = " ".join(error.read(500).decode(errors="replace").split())
                raise _refused(server, f"{why}: {said[:200]}" if said else why) from error
            wait = _asked_for(error.headers.get("Retry-After"), wait)
        except urllib.error.URLError as error:
            why = str(error.reason)
        except (TimeoutError, ConnectionError, http.client.HTTPException) as error:
            why = str(error) or type(error).__name__
        if attempt < TRIES:
            time.sleep(wait)
    raise TunesetError(
        f"the embedding server did not answer, in {TRIES} tries ({why})",
        _shown(server),
        "check that it runs; what it gave before is kept, and the next run goes on from there",
    )


def _posted(server: SplitResult, body: bytes) -> bytes:
    headers = {"Content-Type": "application/json", "User-Agent": "tuneset"}
    if key := _key(server):
        headers["Authorization"] = f"Bearer {key}"
    request = urllib.request.Request(_address(server), body, headers)  # noqa: S310  http or https, see `embed.opened`
    until = time.monotonic() + SECONDS
    with urllib.request.build_opener(_Straight).open(request, timeout=SECONDS) as response:
        read = bytearray()
        while part := response.read1(1 << 20):
            read += part
            if len(read) > BYTES:
                raise _strange(server, f"more than {BYTES >> 20} MB")
            if time.monotonic() > until:
                raise TimeoutError(f"not done after {SECONDS:.0f} s")
    return bytes(read)


class _Straight(urllib.request.HTTPRedirectHandler):
    """Follow no redirection: the key would go along to another host."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Refuse; the redirection is then an error like any other answer."""


def _key(server: SplitResult) -> str:
    own = os.environ.get(KEY, "")
    return own or (os.environ.get(OPENAI, "") if server.hostname == "api.openai.com" else "")


def _asked_for(header: str | None, otherwise: float) -> float:
    return min(float(header), PATIENCE) if header is not None and header.isdecimal() else otherwise


def _address(server: SplitResult) -> str:
    return urlunsplit(server._replace(fragment=""))


def _shown(server: SplitResult) -> str:
    return urlunsplit(server._replace(fragment="", query=""))


def _refused(server: SplitResult, why: str) -> TunesetError:
    return TunesetError(
        f"the embedding server refused ({why})",
        _shown(server),
        f"check the address, the model's name behind #, and the key in {KEY}",
    )


def _strange(server: SplitResult, what: str) -> InputError:
    return InputError(
        f"the embedding server sent {what} where one vector for each text was asked for",
        _shown(server),
        "check that its address is that of an OpenAI-compatible /embeddings",
    )
