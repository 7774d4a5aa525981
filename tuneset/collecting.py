"""`tuneset collect`: people write and label in a browser, and what they gave is a source."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tuneset.errors import RecipeError, need

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path


def collect(  # noqa: PLR0913  one for each option of the command
    database: str | Path,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    public: str | None = None,
    own: Collection[str] = (),
    ready: Callable[[str], None] = lambda _: None,
) -> None:
    """Let people label in a browser, until Ctrl-C.

    `database`: a file (SQLite, made where there is none) or postgresql://USER@HOST/NAME. `public`: the address (https://…)
    under which others reach this server, through a proxy of yours that does TLS; without it only this machine is
    answered. `own`: places of yours ("host:port") with private addresses that webhooks may reach; others they never do.
    `ready` is called with the owner's link. Needs the extra `people`.

    Errors: RecipeError for a `host` that others reach while there is no `public` address; RunError for a database that
    cannot be opened and an address that is taken.
    """
    need("starlette", "people")
    from tuneset.crawl.egress import Egress  # noqa: PLC0415  the extra's packages
    from tuneset.people import online  # noqa: PLC0415
    from tuneset.people.database import open_database  # noqa: PLC0415
    from tuneset.people.delivering import deliver  # noqa: PLC0415
    from tuneset.people.learner import Learner  # noqa: PLC0415
    from tuneset.web import collect as pages  # noqa: PLC0415
    from tuneset.web import door, serve  # noqa: PLC0415
    from tuneset.web.behind import Behind, Job  # noqa: PLC0415

    outside = urlsplit(public or "")
    if public and (outside.scheme != "https" or not outside.netloc or outside.path not in ("", "/")):
        raise RecipeError("this is no address of a site", public, "--public https://label.example.org")
    if host not in serve.LOOPBACK and not public:
        hint = "give the https address of your proxy: --public https://label.example.org"
        raise RecipeError("others would reach this without TLS", f"--host {host}", hint)
    for place in own:
        if not (parts := place.rpartition(":"))[0] or not parts[2].isdecimal():
            raise RecipeError("this is no place", f"--own {place}", "name its host and port, as hooks.lan:8080")
    db, taken = open_database(database), serve.listen(host, port)
    hosts = serve.names(serve.LOOPBACK[0] if host in serve.LOOPBACK else host, taken.getsockname()[1])
    hosts = frozenset({outside.netloc}) if public else hosts
    house = door.House(db, secrets.token_urlsafe(24), hosts, "https" if public else "http", frozenset(own))
    address = f"https://{outside.netloc}" if public else f"http://{serve.LOOPBACK[0]}:{taken.getsockname()[1]}"
    jobs = [
        Job("webhooks", lambda: deliver(db, Egress(house.own)), every=1.0),
        Job("learning", Learner(db).look, every=5.0),
        Job("live texts", lambda: online.look(db), every=15.0),
        Job("tidying", db.tidy, every=5.0),
    ]
    try:
        with Behind(jobs):
            serve.serve(pages.app(house), taken, lambda: ready(f"{address}/owner/{house.key}"))
    finally:
        db.close()
