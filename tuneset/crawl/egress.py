"""The door to the network: a name is looked up once, every address it has is checked, and a checked one is dialled."""

from __future__ import annotations

import contextlib
import functools
import socket
import ssl
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import certifi
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from tuneset.internet import public

if TYPE_CHECKING:
    from collections.abc import Callable


class Refused(Exception):  # noqa: N818 - nothing went wrong: the door stayed shut
    """No connection was made; `reason` is one fixed word."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Call:
    """One request's connection: where it went, and a bell that cuts it off however slowly bytes come in."""

    def __init__(self, deadline: float) -> None:
        self.deadline, self.address, self.late = deadline, "", False
        self._line: socket.socket | None = None
        self._bell: threading.Timer | None = None

    def watch(self, line: socket.socket, address: str) -> None:
        """Cut this line off at the deadline; a copy of it is kept, for TLS takes the first one over."""
        self.address, self._line = address, line.dup()
        self._bell = threading.Timer(max(self.deadline - time.monotonic(), 0.0), self._cut)
        self._bell.daemon = True
        self._bell.start()

    def _cut(self) -> None:
        self.late = True
        if self._line:
            with contextlib.suppress(OSError):  # the server was faster
                self._line.shutdown(socket.SHUT_RDWR)

    def over(self) -> None:
        """Stop watching."""
        if self._bell and self._line:
            self._bell.cancel()
            self._bell.join()  # or it might cut off whatever gets this file number next
            self._line.close()


def system(host: str, port: int) -> list[str]:
    """Ask the system for every address of a host."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


@dataclass(frozen=True)
class Egress:
    """Connect to public addresses only, and to the places of the user's own that `allow` lists as "host:port".

    A place is allowed by the name in the address asked for, never by what another name leads to. One connection serves
    one request: at a request a second, keeping it open would bring little, and so every request's address is checked.
    Limits: a look-up takes as long as the system lets it.
    """

    allow: frozenset[str] = frozenset()
    resolver: Callable[[str, int], list[str]] = system

    def addresses(self, host: str, port: int) -> list[str]:
        """Look a host up once, and refuse it where any of its addresses is not public."""
        try:
            found = self.resolver(host, port)
        except (OSError, UnicodeError) as error:
            raise Refused("no-host") from error
        if not found:
            raise Refused("no-host")
        if f"{host.lower()}:{port}" not in self.allow and not all(map(public, found)):
            raise Refused("refused-address")
        return found

    def dial(self, host: str, port: int, timeout: float, call: Call) -> socket.socket:
        """Connect to a checked address, and to no other."""
        why = "no-connection"
        for address in self.addresses(host, port):
            left = min(timeout, call.deadline - time.monotonic())
            if left <= 0:
                raise Refused("timeout")
            try:
                line = socket.create_connection((address, port), left)
            except OSError as error:
                why = "timeout" if isinstance(error, TimeoutError) else "no-connection"
                continue
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            call.watch(line, address)
            return line
        raise Refused(why)

    def pool(self, scheme: str, host: str, port: int, call: Call) -> HTTPConnectionPool:
        """Give urllib3's pool for one request; nothing of the environment's proxies, cookies or netrc is used."""
        if scheme == "https":
            return _SecurePool(host, port, egress=self, call=call, ssl_context=_trust())
        return _PlainPool(host, port, egress=self, call=call)


@functools.cache
def _trust() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())  # beside the system's own, which not every system has
    return context


class _Guarded:
    """Dial through the egress: urllib3 has no public place for that, and a test watches the private one."""

    host: str
    port: int

    def __init__(self, *args: Any, egress: Egress, call: Call, **rest: Any) -> None:
        super().__init__(*args, **rest)
        self._egress, self._call = egress, call

    def _new_conn(self) -> socket.socket:
        return self._egress.dial(self.host, self.port, self.timeout, self._call)  # type: ignore[attr-defined]


class _Plain(_Guarded, HTTPConnection):
    pass


class _Secure(_Guarded, HTTPSConnection):
    pass


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _Secure
