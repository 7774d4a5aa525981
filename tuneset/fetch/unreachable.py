"""Say in plain words that a place cannot be reached, whatever its client has to say about that."""

from __future__ import annotations

import ssl
import urllib.request
from typing import TYPE_CHECKING

from tuneset.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Iterator


def unreachable(place: str, where: str, error: BaseException) -> RunError:
    """Return the three lines for a connection that was not made, or broke off; the client's own words stay behind.

    >>> unreachable("kaggle.com", "kaggle:ann/tickets", OSError("HTTPSConnectionPool(host=…")).what
    'cannot reach kaggle.com'
    """
    if any(isinstance(each, ssl.SSLError) for each in _behind(error)):
        hint = (
            "check the clock; where a proxy has a certificate of its own, SSL_CERT_FILE and REQUESTS_CA_BUNDLE name it"
        )
        return RunError(f"there is no safe connection to {place}", where, hint)
    proxy = " and the proxy that the environment names" if urllib.request.getproxies() else ""
    hint = f"check the connection{proxy}, then run the same command again: it goes on from what is here"
    return RunError(f"cannot reach {place}", where, hint)


def why(error: BaseException) -> str:
    """Say why an address was not reached in the words of the system, which stand behind those of a library.

    >>> why(ConnectionRefusedError(111, "Connection refused")), why(TimeoutError("timed out"))
    ('connection refused', 'no answer in time')
    """
    for each in _behind(error):
        if isinstance(each, TimeoutError):
            return "no answer in time"
        if isinstance(each, OSError) and each.strerror:
            return each.strerror.lower()
    return "the connection broke"


def _behind(error: BaseException | None) -> Iterator[BaseException]:
    """Give an error, and those that it was made of."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
