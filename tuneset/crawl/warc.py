"""Pages of a crawl as a WARC file, for archives and other tools; and WARC files, whoever wrote them, as a crawl's folder."""

from __future__ import annotations

import dataclasses
import gzip
import io
import logging
import os
import shutil
import uuid
from collections import Counter, deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import orjson

from tuneset import __version__
from tuneset.crawl import examples, kept, preferences
from tuneset.crawl.addresses import host_of, key, scope
from tuneset.crawl.asking import Event
from tuneset.crawl.captures import EXTRA, OURS, TOLD, captures
from tuneset.crawl.crawler import Crawled
from tuneset.crawl.frontier import Frontier, Link, Page
from tuneset.crawl.reading import Readers
from tuneset.errors import InputError, RunError, need, way_out
from tuneset.folder import file_hash, hash_of, whole, writing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from tuneset.crawl.captures import Capture
    from tuneset.crawl.policy import Policy
    from tuneset.crawl.reading import Reading

_NOT_ASKED = "unknown: read from a WARC file"
_READ, _OUT = "warc", "out"  # facts of a folder: what was read into it, and what of that gave nothing


def save(folder: Path, path: Path) -> int:
    """Write the pages that a crawl keeps as WARC 1.1, a response for each, packed one by one; return how many.

    Bodies are as they were unpacked, so the answer's encoding is not among its headers. What robots.txt and the owner said
    stands in a field of our own. Names of authors are in the pages, in clear. Errors: RunError where another crawl works
    in the folder, or there is none.
    """
    if not (folder / kept.DATABASE).exists():
        raise RunError("there is no crawl here", str(folder), "name the folder that a crawl has written")
    writer = need("warcio.warcwriter", EXTRA)
    number, frontier = 0, Frontier(folder / kept.DATABASE)
    try:
        with whole(path) as passing, passing.open("wb") as file:
            out = writer.WARCWriter(file, gzip=True, warc_version="WARC/1.1")
            out.write_record(out.create_warcinfo_record(path.name, {"software": f"tuneset {__version__}"}))
            for number, page in enumerate(frontier.kept(), 1):  # noqa: B007 - it is what is returned
                body = gzip.decompress(kept.body_path(folder, page.sha256).read_bytes())
                out.write_record(_record(out, page, body))
    finally:
        frontier.shut()
    return number


def _record(out: Any, page: Page, body: bytes) -> Any:
    status = need("warcio.statusandheaders", EXTRA)
    lines = [
        (name, " ".join(line.split()))
        for name, value in orjson.loads(page.headers).items()
        for line in value.split("\n")  # x-robots-tag: each line may name another robot
    ]
    answer = status.StatusAndHeaders("200 OK", [*lines, ("Content-Length", str(len(body)))], protocol="HTTP/1.1")
    facts = orjson.dumps({name: getattr(page, name) for name in TOLD}).decode()
    known = {"WARC-Date": page.fetched_at.replace("+00:00", "Z"), "WARC-IP-Address": page.address, OURS: facts}
    return out.create_warc_record(
        page.url,
        "response",
        payload=io.BytesIO(body),
        length=len(body),
        http_headers=answer,
        warc_headers_dict={name: value for name, value in known.items() if value},
    )


def load(
    paths: Sequence[Path],
    folder: Path,
    policy: Policy,
    watch: Callable[[Event], None] = lambda _event: None,
) -> Crawled:
    """Read WARC files into a new folder, as a crawl would have left it: rows, bodies, and what is known of each page.

    Of several captures of one address the first counts. What gives nothing is counted by reason: broken (cut off, wrong
    lengths or sums), bomb, too-large, type, status-404, revisit, again (the same address, or the same body at its host),
    canonical (a page that is the same by its own word), not-included, ai-preference. Nothing is asked of any server, no link is followed, and the verdict of robots.txt is known
    only for files of our own. Of `policy` the limits of a body and what is included and refused count. The folder is there
    whole or not at all; the same bytes under the same policy are not read into it twice (`already`). Limits: a million
    records of a file; WARC packed with zstd, and ARC, are not read. Errors: InputError where a file is no WARC, RunError
    where something else is in the folder.
    """
    need("warcio", EXTRA)
    name = _named(paths, policy)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        return _already(folder, name)
    logging.getLogger("warcio").addHandler(logging.NullHandler())  # or addresses would reach the terminal as they are
    passing = folder.with_name(f".{folder.name}.writing")
    shutil.rmtree(passing, ignore_errors=True)
    try:
        with writing(folder):
            frontier = kept.begin(passing)
            try:
                done = _Load(passing, dataclasses.replace(policy, depth=0, waiting=1 << 40), watch, frontier)(paths)
                frontier.keep_fact(_READ, name)
                frontier.keep_fact(_OUT, orjson.dumps(done.out).decode())
            finally:
                frontier.shut()
            if folder.exists():
                folder.rmdir()
            passing.rename(folder)
    finally:
        shutil.rmtree(passing, ignore_errors=True)
    return done._replace(file=folder / kept.ROWS)


def _named(paths: Sequence[Path], policy: Policy) -> str:
    """Name what is read: by the bytes of the files, and by what is taken of them."""
    try:
        return hash_of([file_hash(path) for path in paths], policy.include, policy.exclude, policy.on_deny, policy.body)
    except OSError as error:
        raise InputError(f"this cannot be read: {error.strerror}", str(error.filename), way_out(error)) from error


def _already(folder: Path, name: str) -> Crawled:
    """Give what was read into a folder before, less what was forgotten since; only the same reading is found again."""
    frontier = Frontier(folder / kept.DATABASE) if (folder / kept.DATABASE).is_file() else None
    try:
        if frontier is None or not (read := frontier.fact(_READ)):
            raise RunError("there is something in this folder", str(folder), "name a new one")
        if read != name:
            what = "other WARC files were read into this folder, or these with other limits"
            hint = "name a new folder, or remove this one; several files are read in one call"
            raise RunError(what, str(folder), hint)
        pages = [(why if state == "out" else "", count) for (_, state, why), count in frontier.counts().items()]
        out = orjson.loads(frontier.fact(_OUT)) | {why: count for why, count in pages if why == "forgotten"}
        done = sum(count for why, count in pages if not why)
        file = folder / kept.ROWS
        return Crawled(
            kept.write_rows(folder, frontier), done, dict(sorted(out.items())), 0, {}, "", file, already=True
        )
    finally:
        if frontier:
            frontier.shut()


@dataclasses.dataclass(eq=False)
class _Load:
    """Files on their way into a folder: a few pages are read at a time, in processes of their own."""

    folder: Path
    policy: Policy
    watch: Callable[[Event], None]
    frontier: Frontier

    def __call__(self, paths: Sequence[Path]) -> Crawled:
        self.run, self.out, self.pages = uuid.uuid4().hex, Counter[str](), 0
        self.scope = scope([], self.policy)
        self.frontier.keep_fact("run", self.run)
        self.frontier.keep_fact("ended", "yes")
        size = os.cpu_count() or 1
        readers = Readers(examples.read, self.scope, size)
        waiting: deque[tuple[Page, Future[Reading | str]]] = deque()
        try:
            with ThreadPoolExecutor(size) as threads:
                for capture in (each for path in paths for each in captures(path, self.policy)):
                    if page := self._keep(capture):
                        waiting.append((page, threads.submit(readers, kept.fetched(page, self.folder, self.run))))
                    while len(waiting) > 4 * size:
                        self._finish(*waiting.popleft())
                while waiting:
                    self._finish(*waiting.popleft())
        finally:
            readers.shut()
        rows = kept.write_rows(self.folder, self.frontier)
        return Crawled(rows, self.pages, dict(sorted(self.out.items())), 0, {}, "", self.folder / kept.ROWS)

    def _say(self, kind: str, url: str, why: str = "") -> None:
        self.pages += kind == "read"
        self.out.update([why] if why else [])
        self.watch(Event(kind, url, why, self.pages))

    def _keep(self, capture: Capture) -> Page | None:
        """Record a page and its body; None where it gives nothing, for a reason that is counted."""
        facts = capture.facts
        told = preferences.Preference(facts.get("preference", "unstated"), facts.get("evidence", ""))  # type: ignore[arg-type]
        said = preferences.strictest([told, preferences.in_headers(capture.headers)])
        why = capture.why
        if not why and not self.scope.chosen([capture.url]):
            why = "not-included"
        if not why and self.policy.refuses(said.says):
            why = "ai-preference"
        page = None if why else self._recorded(capture, said)
        if page is None:
            self._say("out", capture.url, why or "again")
        return page

    def _recorded(self, capture: Capture, said: preferences.Preference) -> Page | None:
        """Write what came of a page; None where its address, or its host with the same body, was there before."""
        told = capture.facts
        link = Link(key(capture.url), capture.url, host_of(capture.url), 0, via=told.get("via", ""))
        if not self.frontier.add([link], self.policy):
            return None
        headers = {name: capture.headers[name] for name in kept.HEADERS if name in capture.headers}
        facts: dict[str, Any] = {
            "status": 200,
            "headers": orjson.dumps(headers).decode(),
            "address": capture.address,
            "fetched_at": capture.date,
            "robots": told.get("robots") or _NOT_ASKED,
            "preference": said.says,
            "evidence": said.evidence,
            "drawn": told.get("drawn", ""),
            "licence": told.get("licence", ""),
            "sha256": kept.keep_body(self.folder, capture.body),
        }
        known = link._asdict() | {"tries": 0} | facts
        page = Page(**{name: known[name] for name in Page._fields})
        return None if self.frontier.fetched(page, len(capture.body), **facts) == "out" else page

    def _finish(self, page: Page, future: Future[Reading | str]) -> None:
        reading = future.result()
        if isinstance(reading, str):
            why = reading
            self.frontier.settle(page.key, "out", why=why)
            kept.drop_body(self.folder, self.frontier, page.sha256)
        else:
            why = kept.finish(page, reading, self.folder, self.frontier, self.policy)
        self._say("out" if why else "read", page.url, why)
