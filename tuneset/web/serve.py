"""Serve an app on this machine: on a free port, to this machine only unless told otherwise, until Ctrl-C."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING

from tuneset.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def listen(host: str, port: int) -> socket.socket:
    """Take a port (0: a free one) before anything is said of it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # the protocol is named, or asyncio leaves Nagle's algorithm on: 49 ms, not 2.5, for a request of a kept connection
    taken = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind((host, port))
    except OSError as error:
        taken.close()
        what = f"this address cannot be taken: {error.strerror or error}"
        raise RunError(what, f"{host}:{port}", "another --port, or none for a free one") from error
    return taken


def names(host: str, port: int) -> frozenset[str]:
    """Return what a browser on this machine may call the server, with the port."""
    called = LOOPBACK if host in LOOPBACK else (host,)
    return frozenset(f"[{name}]:{port}" if ":" in name else f"{name}:{port}" for name in called)


def serve(app: ASGIApp, taken: socket.socket, ready: Callable[[], None]) -> None:
    """Answer requests until Ctrl-C; `ready` is called once the first can be answered."""
    import uvicorn  # noqa: PLC0415  with the app's packages

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            ready()

    settings = uvicorn.Config(app, log_level="error", access_log=False, server_header=False, proxy_headers=False)
    with contextlib.suppress(KeyboardInterrupt):  # how a person ends it
        Server(settings).run(sockets=[taken])
