"""A zoo of servers on this machine, over real sockets: each animal misbehaves in one way, and the log is the witness."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple


class Asked(NamedTuple):
    """One request as the server saw it: when it came, and when its answer was out."""

    host: str
    path: str
    headers: dict[str, str]
    start: float
    end: float


class Zoo:
    """Serve `pages`: path -> (status, headers, body), a function of the request, or a function that has the socket."""

    def __init__(self, address="127.0.0.1", pages=None, port=0, otherwise=None):
        self.pages, self.log, self.open, self.otherwise = dict(pages or {}), [], True, otherwise
        self.pages.setdefault("/robots.txt", (404, {}, b""))
        self.pages.setdefault("/.well-known/tdmrep.json", (404, {}, b""))
        self.listener = socket.create_server((address, port), backlog=64)
        self.address, self.port = address, self.listener.getsockname()[1]
        threading.Thread(target=self._listen, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.open = False
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)  # or the thread that waits for callers would keep the port
        self.listener.close()

    @property
    def place(self):
        return f"{self.address}:{self.port}"

    def url(self, path="/"):
        return f"http://{self.place}{path}"

    def paths(self):
        """What was asked for beside robots.txt and tdmrep.json."""
        return [each.path for each in self.log if each.path not in ("/robots.txt", "/.well-known/tdmrep.json")]

    def _listen(self):
        with contextlib.suppress(OSError):
            while self.open:
                line, _ = self.listener.accept()
                threading.Thread(target=self._serve, args=(line,), daemon=True).start()

    def _serve(self, line):
        start = time.monotonic()
        with contextlib.suppress(OSError), line:
            head = b""
            while b"\r\n\r\n" not in head:
                got = line.recv(65536)
                if not got:
                    return
                head += got
            first, *rest = head.decode("latin-1").split("\r\n\r\n")[0].split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (each.partition(":") for each in rest)}
            path = first.split(" ")[1]
            number = len(self.log)
            self.log.append(Asked(headers.get("host", ""), path, headers, start, 0.0))
            try:
                self._answer(line, path, headers)
            finally:
                self.log[number] = self.log[number]._replace(end=time.monotonic())

    def _answer(self, line, path, headers):
        page = self.pages.get(path, self.pages.get(path.split("?")[0], self.otherwise))
        if callable(page):
            page = page(Request(line, path, headers, sum(each.path == path for each in self.log)))
        if page is None:
            page = (404, {}, b"")
        if page != "said":
            say(line, *page)


class Request(NamedTuple):
    """What a page that is a function gets: `times` counts how often this path was asked for, this time included."""

    line: socket.socket
    path: str
    headers: dict[str, str]
    times: int


def say(line, status, headers, body):
    said = {"Content-Type": "text/html; charset=utf-8", "Content-Length": str(len(body)), **headers}
    head = f"HTTP/1.1 {status} x\r\n" + "".join(f"{name}: {value}\r\n" for name, value in said.items() if value != "")
    line.sendall(head.encode("latin-1") + b"\r\n" + body)


def html(*links, text="A page.", head=""):
    body = "".join(f'<a href="{each}">{each}</a> ' for each in links)
    return 200, {}, f"<html><head>{head}</head><body><p>{text}</p>{body}</body></html>".encode()


def moved(where, status=302):
    return status, {"Location": where}, b""


def trickle(request):
    """Send a header line, then a byte of the next one now and then, for ever."""
    return byte_by_byte(request, b"HTTP/1.1 200 OK\r\nX-Slow: ")


def drip(request):
    """Send a whole header, and the body a byte at a time."""
    return byte_by_byte(request, b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 100000\r\n\r\n")


def byte_by_byte(request, begun):
    request.line.sendall(begun)
    for _ in range(1000):
        request.line.sendall(b"x")
        time.sleep(0.02)
    return "said"


def silent(request):
    """Take the request, and say nothing."""
    with contextlib.suppress(OSError):
        request.line.recv(1)
    return "said"


def gaps(log):
    """Seconds between the end of one answer and the next request, in order; below zero, two were in flight."""
    ordered = sorted(log, key=lambda each: each.start)
    return [after.start - before.end for before, after in itertools.pairwise(ordered)]


def read(page):
    """Read a page as simply as can be: its text in one row, and its links."""
    import lxml.html

    from tuneset.crawl.reading import Outcome

    tree = lxml.html.fromstring(page.text)
    row = {"text": " ".join(" ".join(tree.itertext("p")).split()), "url": page.url, "said": page.preference}
    return Outcome([row], [str(each) for each in tree.xpath("//a/@href")])


CRAWL = """
import sys
if __name__ == "__main__":
    from pathlib import Path
    sys.path.insert(0, {tests!r})
    import zoo
    from tuneset.crawl.crawler import crawl
    from tuneset.crawl.policy import Policy
    policy = Policy(contact="me@example.org", own=frozenset([{place!r}]), pace={pace}, readers=1, depth=99)
    done = crawl([{seed!r}], Path({folder!r}), policy, zoo.read)
    print(done.stopped, done.rows, done.waiting)
"""


def start(keeper, folder, pace):
    """Crawl a zoo in a process, and a process group, of its own."""
    values = {"tests": str(Path(__file__).parent), "seed": keeper.url("/0"), "folder": str(folder), "pace": pace}
    script = folder.with_suffix(".py")
    script.write_text(CRAWL.format(place=keeper.place, **values))
    return subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True, start_new_session=True)


class Killed(NamedTuple):
    """What a killed crawl came to: the paths of its rows, pages asked for more than once, and what a kill cut off.

    `on_the_way` are the last pages asked for before a kill: the one request that may have been without a record.
    """

    rows: list[str]
    repeated: Counter
    on_the_way: Counter
    kills: int
    silent: int  # kills before any request of that run


def killed(folder, pages, kills, seed):
    """Crawl a site and kill the crawl with all its processes at random moments, until it has ended by itself."""
    chance = random.Random(seed)
    site = {
        f"/{number}": html(*{f"/{(number * 7 + step) % pages}" for step in range(1, 8)}, text=f"page {number}")
        for number in range(pages)
    }
    on_the_way, done, quiet = Counter(), 0, 0
    with Zoo(pages=site) as keeper:
        while True:
            before = len(keeper.log)
            process = start(keeper, folder / "out", 0.0001)
            if done == kills:
                process.communicate(timeout=300)
                break
            upto = before + chance.randrange(0, max(2 * (pages - before) // (kills - done + 1), 2))
            while len(keeper.log) < upto and process.poll() is None:
                time.sleep(0.001)
            time.sleep(chance.random() * (0.02 if upto > before else 2.0))
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            done += 1
            time.sleep(0.05)  # the server may still be writing its log
            asked = [each.path for each in keeper.log[before:]]
            on_the_way.update(asked[-1:])
            quiet += not asked
        asked = Counter(keeper.paths())
    rows = (folder / "out" / "examples.jsonl").read_text().splitlines()
    found = ["/" + json.loads(row)["text"].removeprefix("page ") for row in rows]
    repeated = Counter({path: number - 1 for path, number in asked.items() if number > 1})
    return Killed(found, repeated, on_the_way, done, quiet)
