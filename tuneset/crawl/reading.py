"""Reading a page, in a process of its own: what hangs or dies there costs one page, never the crawl."""

from __future__ import annotations

import contextlib
import gzip
import multiprocessing
import queue
import signal
import sys
import threading
from collections.abc import Callable
from multiprocessing import resource_tracker
from typing import TYPE_CHECKING, Any, NamedTuple

from tuneset.crawl import preferences, traps
from tuneset.crawl.addresses import absolute, host_of, key, same_page
from tuneset.crawl.frontier import Link

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess
    from pathlib import Path

    from lxml.html import HtmlElement

    from tuneset.crawl.addresses import Scope

_FIRST = ("lxml.html", "w3lib.encoding", "charset_normalizer")  # loaded once, before the processes part
DIED, HUNG = "reader-died", "reader-hung"
STARTING = 60.0  # seconds that a process may take to begin
RECYCLED = 500  # pages a process reads before a new one takes its place: parsers keep what they once allocated


class Fetched(NamedTuple):
    """A page as it came, and all that is known of its coming; the body lies in a file, packed, named after its SHA-256.

    `url` is the address asked for, `via` the one that was redirected to it first (empty where none was). `robots` is
    the verdict with the hash of robots.txt, `preference` the owner's word on training with its evidence, `drawn` the browser
    that ran the page's scripts.
    """

    url: str
    key: str
    via: str
    depth: int
    status: int
    headers: dict[str, str]
    fetched_at: str  # UTC, in seconds
    address: str
    sha256: str
    path: Path
    robots: str
    preference: str
    evidence: str
    run: str
    drawn: str = ""
    licence: str = ""  # what robots.txt names for the whole site

    @property
    def body(self) -> bytes:
        """The bytes as the server meant them, unpacked."""
        return gzip.decompress(self.path.read_bytes())

    @property
    def content_type(self) -> str:
        """What the server calls it, with its charset."""
        return self.headers.get("content-type", "")

    @property
    def text(self) -> str:
        """The body as text: by its byte order mark, else the header, else the page's own word, else by its letters."""
        from w3lib.encoding import html_to_unicode  # noqa: PLC0415 - text of a page is not always asked for

        return html_to_unicode(self.content_type or None, self.body, auto_detect_fun=_guess)[1]


class Outcome(NamedTuple):
    """What a reader makes of a page: rows for examples.jsonl, and the links as they stand in it."""

    rows: list[dict[str, Any]]
    links: list[str]


Read = Callable[[Fetched], Outcome]


class Reading(NamedTuple):
    """What comes back from the process: the rows, the links that belong to the crawl, and what the page itself says."""

    rows: list[dict[str, Any]]
    links: list[Link]
    preference: preferences.Preference
    sketch: traps.Sketch
    canonical: str = ""  # the key of the page that it says it is, where that is another one


def work(read: Read, page: Fetched, scope: Scope) -> Reading:
    """Read a page, and choose among its links: they must be in scope, not too deep, not a trap's."""
    tree = _parsed(page.text)
    said = preferences.in_page(tree) if tree is not None else preferences.UNSTATED
    outcome = read(page)
    alone = tree is not None and preferences.no_follow(tree, page.headers)
    links = (
        []
        if alone or page.depth >= scope.policy.depth
        else links_of(outcome.links, _where(tree, page.url), page.depth + 1, scope)
    )
    skip = scope.policy.refuses(said.says)
    words = (
        "" if tree is None else " ".join(tree.itertext("title", "p", "li", "td", "h1", "h2", "h3", "a", "div", "span"))
    )
    same = "" if tree is None else same_page(page.url, canonical(tree, page.url))
    return Reading([] if skip else outcome.rows, links, said, traps.sketch(words), same)


def canonical(tree: HtmlElement, url: str) -> str:
    """Return the address that a page names as its own; empty where it names none."""
    found = (each.get("href") for each in tree.iter("link") if "canonical" in (each.get("rel") or "").lower().split())
    named = next(filter(None, found), "")
    return absolute(url, named) if named else ""


def links_of(found: Iterable[str], base: str, depth: int, scope: Scope) -> list[Link]:
    """Write links in the crawl's own way, each once."""
    policy, links = scope.policy, dict[str, Link]()
    urls = dict.fromkeys(url.partition("#")[0] for each in found if (url := absolute(base, each)))
    for url in scope.holds(urls):
        name = key(url)
        if name not in links and not traps.trap(name, policy):
            links[name] = Link(name, url, host_of(url), depth, traps.bucket(name))
            if len(links) >= policy.links:
                break
    return list(links.values())


class Readers:
    """Processes that read pages; each call takes a free one, and one that dies or takes too long is replaced."""

    def __init__(self, read: Read, scope: Scope, number: int) -> None:
        self._read, self._scope = read, scope
        self._free: queue.SimpleQueue[_Reader | None] = queue.SimpleQueue()
        for _ in range(number):
            self._free.put(None)  # started when first needed
        self._number = number

    def __call__(self, page: Fetched) -> Reading | str:
        """Read a page; the answer is a word where the process did not live to give one: "reader-died" or "reader-hung"."""
        reader = self._free.get()
        try:
            reader = reader or _Reader(self._read, self._scope)
            done = reader.ask(page, self._scope.policy.reading)
            if isinstance(done, str) or reader.pages >= RECYCLED:
                reader.end()
                reader = None
        finally:
            self._free.put(reader)
        return done

    def shut(self) -> None:
        """End all processes."""
        for _ in range(self._number):
            if reader := self._free.get():
                reader.end()


class _Reader:
    """One process, and the line to it."""

    def __init__(self, read: Read, scope: Scope) -> None:
        context = _context(read)
        self._line, other = context.Pipe()
        self._process: BaseProcess = context.Process(target=_serve, args=(other, read, scope), daemon=True)
        with _alone(read):
            self._process.start()
        other.close()  # so that the process sees the end of ours, also where we were killed
        self.pages = 0

    def ask(self, page: Fetched, seconds: float) -> Reading | str:
        try:
            if not self.pages:  # a busy machine may take longer to begin than a page may take to be read
                if not self._line.poll(STARTING):
                    return HUNG
                self._line.recv()
            self.pages += 1
            self._line.send(page)
            if not self._line.poll(seconds):
                return HUNG
            done: Reading = self._line.recv()
        except (EOFError, OSError):
            return DIED
        return done

    def end(self) -> None:
        self._line.close()
        self._process.join(0.2)
        self._process.kill()
        self._process.join()


def _context(read: Read) -> Any:
    """Choose how processes start: never as a fork of this one, whose threads may hold a lock just then."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, read.__module__, *_FIRST])
    return context


_STARTS = threading.Lock()


@contextlib.contextmanager
def _alone(read: Read) -> Iterator[None]:
    """Start a process that neither runs the user's script once more, which seldom guards itself, nor hears Ctrl-C."""
    main = sys.modules["__main__"]
    names = () if read.__module__ == "__main__" else ("__file__", "__spec__")
    known = {name: main.__dict__[name] for name in names if name in main.__dict__}
    with _STARTS, _deaf():
        try:
            main.__dict__.update(dict.fromkeys(known))
            yield
        finally:
            main.__dict__.update(known)


@contextlib.contextmanager
def _deaf() -> Iterator[None]:
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # it would lift the mask when it starts
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # of this thread, and of what it starts
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(line: Connection, read: Read, scope: Scope) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the crawl's to answer
    line.send(None)  # it has begun
    while True:
        try:
            page = line.recv()
            line.send(work(read, page, scope))
        except (EOFError, BrokenPipeError, ConnectionResetError):
            sys.exit()


def _parsed(text: str) -> HtmlElement | None:
    import lxml.html  # noqa: PLC0415 - in the reading process only

    try:
        return lxml.html.document_fromstring(text.encode(), parser=lxml.html.HTMLParser(encoding="utf-8"))
    except (lxml.etree.ParserError, lxml.etree.XMLSyntaxError):
        return None  # no page, such as an empty one


def _where(tree: HtmlElement | None, url: str) -> str:
    said = [] if tree is None else tree.xpath("//base/@href")
    return (absolute(url, said[0]) if said else "") or url


def _guess(body: bytes) -> str | None:
    import charset_normalizer  # noqa: PLC0415 - for pages that say nothing of their charset

    best = charset_normalizer.from_bytes(body[:65_536]).best()
    return best.encoding if best else None
