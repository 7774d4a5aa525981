"""Fifty people who label at once: how long each waits for a page of `tuneset collect`, beside a bare "hello".

Each opens the page to label on, thinks for 5 to 10 seconds, sends a label and is shown the next: two requests, about 13 a
second from all of them, over real sockets that are kept open. After each minute the same clients ask, at the same rate,
a Starlette app that says hello, served by the same uvicorn with the same settings in a process of its own; so that what
else the machine does falls on both.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
import subprocess
import sys
import tempfile
import time
from html import unescape
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlencode, urlsplit

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

PEOPLE, THINK = 50, (5.0, 10.0)  # seconds
BLOCK, BESIDE = 60.0, 20.0  # seconds of people, then of hello
ITEMS, OVERLAP = 6000, 2
BAR, CALM = 250.0, 25.0  # milliseconds: of our 99th percentile, while hello's is below this
LABELS = "orders: where is it?\nreturns: how do I send it back?\naccount\nproduct"

HELLO = """
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from tuneset.web import serve

async def hello(_):
    return PlainTextResponse("hello")

taken = serve.listen("127.0.0.1", 0)
serve.serve(Starlette(routes=[Route("/", hello)]), taken, lambda: print(f"http://127.0.0.1:{taken.getsockname()[1]}/", flush=True))
"""


class Waited(NamedTuple):
    """How long a request took, in milliseconds, and what for."""

    kind: str
    took: float


class Line:
    """A browser's connection: kept open, opened again where the server has closed it, with one cookie."""

    def __init__(self, port: int) -> None:
        self.port, self.cookie, self.waited = port, "", list[Waited]()
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(
        self, method: str, path: str, form: dict[str, str] | None = None, kind: str = ""
    ) -> tuple[int, str, str]:
        """Send a request; return the status, where it leads, and the page."""
        body = urlencode(form).encode() if form is not None else b""
        head = f"{method} {path} HTTP/1.1\r\nhost: 127.0.0.1:{self.port}\r\ncookie: {self.cookie}\r\n"
        typed = "content-type: application/x-www-form-urlencoded\r\n" if body else ""
        sent = f"{head}{typed}content-length: {len(body)}\r\n\r\n".encode() + body
        start = time.perf_counter()
        try:
            answer = await self._sent(sent)
        except (asyncio.IncompleteReadError, ConnectionError):  # closed while nobody looked, as browsers find, too
            self._streams = None
            answer = await self._sent(sent)
        if kind:
            self.waited.append(Waited(kind, (time.perf_counter() - start) * 1000))
        return answer

    async def _sent(self, sent: bytes) -> tuple[int, str, str]:
        if self._streams is None or self._streams[0].at_eof():
            self._streams = await asyncio.open_connection("127.0.0.1", self.port)
        reader, writer = self._streams
        writer.write(sent)
        await writer.drain()
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        fields = dict(_field(line) for line in head.split("\r\n")[1:] if line)
        page = await reader.readexactly(int(fields.get("content-length", "0")))
        if "set-cookie" in fields:
            self.cookie = fields["set-cookie"].partition(";")[0]
        return int(head.split(" ", 2)[1]), fields.get("location", ""), page.decode()

    async def open(self, path: str, kind: str = "") -> tuple[str, dict[str, str]]:
        """Open a page; return it, and the hidden fields of its first form of each name."""
        status, where, page = await self.ask("GET", path, kind=kind)
        while status == 303:
            status, where, page = await self.ask("GET", urlsplit(where).path, kind=kind)
        if status != 200:
            raise RuntimeError(f"{path}: {status}")
        hidden = re.findall(r'<input type="hidden" name="([\w:]+)" value="([^"]*)">', page)
        return page, {name: unescape(value) for name, value in reversed(hidden) if name != "do"}


def _field(line: str) -> tuple[str, str]:
    name, _, value = line.partition(": ")
    return name.lower(), value


class Project(NamedTuple):
    """A project that is served, and the people who are in."""

    name: str
    people: list[Line]


async def begun(link: str) -> Project:
    """Make a project with texts and let fifty people in."""
    port = int(urlsplit(link).port or 0)
    lead = Line(port)
    await lead.ask("GET", urlsplit(link).path)
    told = {"name": "Load", "labels": LABELS, "overlap": str(OVERLAP), "guide": "Be *kind*."}
    _, where, _ = await lead.ask("POST", "/new", {"token": (await lead.open("/new"))[1]["token"]} | told)
    name = re.search(r"/p/([^/?]+)", where)[1]  # type: ignore[index]
    token = (await lead.open(f"/p/{name}/data"))[1]["token"]
    rows = "\n".join(
        f"inquiry {n}: where is my order, and what do I do with number {n * 7919 % 9973}?" for n in range(ITEMS)
    )
    await lead.ask("POST", f"/p/{name}/data", {"token": token, "rows": rows})
    told = {"token": token, "role": "annotator", "uses": str(PEOPLE), "days": "1"}
    path = re.search(r"/join/[\w-]+", (await lead.ask("POST", f"/p/{name}/people", told))[2])[0]  # type: ignore[index]
    people = [Line(port) for _ in range(PEOPLE)]
    for number, person in enumerate(people):
        form = (await person.open(path))[1]
        await person.ask("POST", path, form | {"name": f"person {number}"})
    return Project(name, people)


async def labels(project: Project, person: Line) -> None:
    """Open the page, think, send a label, and see the next."""
    path = f"/p/{project.name}/work"
    form = (await person.open(path, "page"))[1]
    await asyncio.sleep(random.uniform(*THINK))
    status, where, _ = await person.ask("POST", path, form | {"label": random.choice(("orders", "returns"))}, "label")
    if status != 303 or "said=" in where:
        raise RuntimeError(f"a label: {status} {where}")


async def greets(person: Line) -> None:
    """Ask for hello as often."""
    await person.open("/", "hello")
    await asyncio.sleep(random.uniform(*THINK))
    await person.open("/", "hello")


async def goes_on(act: Callable[[Line], Awaitable[None]], people: list[Line], seconds: float) -> list[str]:
    """Let everybody act again and again for so long; return what went wrong."""
    wrong: list[str] = []
    until = time.monotonic() + seconds

    async def one(person: Line) -> None:
        await asyncio.sleep(random.uniform(0, THINK[1]))
        while time.monotonic() < until:
            try:
                await act(person)
            except (RuntimeError, OSError, asyncio.IncompleteReadError) as error:
                wrong.append(repr(error))

    await asyncio.gather(*(one(person) for person in people))
    return wrong


@contextlib.contextmanager
def started(*command: str) -> Iterator[str]:
    """Run a server in a process of its own; give the address that it says."""
    process = subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, text=True)
    try:
        found = re.search(r"http://\S+", process.stdout.readline() if process.stdout else "")
        yield found[0] if found else ""
    finally:
        process.kill()
        process.wait()


async def measured(collect: str, hello: str, minutes: int) -> tuple[list[Waited], list[Waited], list[str]]:
    project = await begun(collect)
    strangers = [Line(int(urlsplit(hello).port or 0)) for _ in range(PEOPLE)]
    wrong: list[str] = []
    for minute in range(minutes):
        wrong += await goes_on(lambda person: labels(project, person), project.people, BLOCK)
        wrong += await goes_on(greets, strangers, BESIDE)
        print(f"{minute + 1} of {minutes} minutes", file=sys.stderr)
    ours = [each for person in project.people for each in person.waited]
    return ours, [each for person in strangers for each in person.waited], wrong


def load(minutes: int) -> bool:
    """Measure, print a table, and say whether the bar is held."""
    with (
        tempfile.TemporaryDirectory() as folder,
        started("-m", "tuneset.cli", "collect", f"{folder}/people.db") as collect,
        started("-c", HELLO) as hello,
    ):
        ours, theirs, wrong = asyncio.run(measured(collect, hello, minutes))
    print(
        f"\n{PEOPLE} people, {minutes} minutes, {len(ours) / minutes / BLOCK:.1f} requests a second; errors: {len(wrong)}"
    )
    for each in wrong[:5]:
        print(f"  {each}")
    print("\n| asked for | times | p50, ms | p99, ms | longest, ms |\n|---|---:|---:|---:|---:|")
    kinds = {kind: [each.took for each in ours if each.kind == kind] for kind in ("page", "label")}
    rows = kinds | {"both": [each.took for each in ours], "hello": [each.took for each in theirs]}
    for name, times in rows.items():
        p50, p99 = np.percentile(times, [50, 99])
        print(f"| {name} | {len(times):,} | {p50:.1f} | {p99:.1f} | {max(times):.0f} |")
    ours_p99, hello_p99 = (float(np.percentile(rows[name], 99)) for name in ("both", "hello"))
    print(f"\nratio of the 99th percentiles: {ours_p99 / hello_p99:.1f}")
    held = not wrong and ours_p99 < BAR
    if hello_p99 > CALM:
        print(f"hello's is above {CALM:.0f} ms: this machine was too busy to tell")
    print(f"no error and less than {BAR:.0f} ms: {'held' if held else 'MISSED'}")
    return held
