"""Pages of a crawl as a WARC file, for archives and other tools; and WARC files, whoever wrote them, as a crawl's folder."""

from __future__ import annotations

import base64
import contextlib
import gzip
import hashlib
import io
import logging
import os
import shutil
import sqlite3
import uuid
import zlib
from collections import Counter, deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
from urllib3 import HTTPResponse, exceptions

from tuneset import __version__
from tuneset.crawl import examples, preferences
from tuneset.crawl.addresses import LONGEST, absolute, host_of, key, scope
from tuneset.crawl.crawler import (
    BODIES,
    DATABASE,
    KEPT,
    ROWS,
    Crawled,
    Event,
    body_path,
    drop_body,
    fetched,
    write_rows,
)
from tuneset.crawl.frontier import Frontier, Link, Page
from tuneset.crawl.http import FINE
from tuneset.crawl.policy import Policy
from tuneset.crawl.reading import Readers
from tuneset.errors import InputError, RunError, need
from tuneset.folder import whole, writing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future
    from pathlib import Path
    from typing import BinaryIO, Literal

    from tuneset.crawl.reading import Reading

EXTRA = "warc"
_PIECE = 1 << 16
_HEADS = 1 << 20  # bytes of a record's headers, or of what stands between two records
_RATIO = 100  # of unpacked to packed, above a gibibyte
_SMALL = 1 << 30
_MOST = 1_000_000  # records that are looked at
_GZIP = b"\x1f\x8b"
_OURS = "Tuneset-Facts"  # a field of our own in a record's header, which others pass over
_TOLD = ("via", "robots", "preference", "evidence", "drawn")
_NOT_ASKED = "unknown: read from a WARC file"


def save(folder: Path, path: Path) -> int:
    """Write the pages that a crawl keeps as WARC 1.1, a response for each, packed one by one; return how many.

    Bodies are as they were unpacked, so the answer's encoding is not among its headers. What robots.txt and the owner said
    stands in a field of our own. Names of authors are in the pages, in clear. Errors: RunError where another crawl works
    in the folder, or there is none.
    """
    if not (folder / DATABASE).exists():
        raise RunError("there is no crawl here", str(folder), "name the folder that a crawl has written")
    writer = need("warcio.warcwriter", EXTRA)
    number = 0
    with whole(path) as passing, passing.open("wb") as file:
        out = writer.WARCWriter(file, gzip=True, warc_version="WARC/1.1")
        out.write_record(out.create_warcinfo_record(path.name, {"software": f"tuneset {__version__}"}))
        for number, page in enumerate(_pages(folder), 1):  # noqa: B007 - it is what is returned
            out.write_record(_record(out, page, gzip.decompress(body_path(folder, page.sha256).read_bytes())))
    return number


def _pages(folder: Path) -> Iterator[Page]:
    Frontier(folder / DATABASE).shut()  # says so where another crawl works here, and ends what a killed one began
    chosen = "kind = 'page' AND state = 'done' AND sha256 <> ''"
    query = f"SELECT {', '.join(Page._fields)} FROM pages WHERE {chosen} ORDER BY key"  # noqa: S608 - our names
    with contextlib.closing(sqlite3.connect(folder / DATABASE)) as db:
        yield from map(Page._make, db.execute(query))


def _record(out: Any, page: Page, body: bytes) -> Any:
    status = need("warcio.statusandheaders", EXTRA)
    lines = [
        (name, " ".join(line.split()))
        for name, value in orjson.loads(page.headers).items()
        for line in value.split("\n")  # x-robots-tag: each line may name another robot
    ]
    answer = status.StatusAndHeaders("200 OK", [*lines, ("Content-Length", str(len(body)))], protocol="HTTP/1.1")
    facts = orjson.dumps({name: getattr(page, name) for name in _TOLD}).decode()
    known = {"WARC-Date": page.fetched_at.replace("+00:00", "Z"), "WARC-IP-Address": page.address, _OURS: facts}
    return out.create_warc_record(
        page.url,
        "response",
        payload=io.BytesIO(body),
        length=len(body),
        http_headers=answer,
        warc_headers_dict={name: value for name, value in known.items() if value},
    )


class _Seen(NamedTuple):
    """What a record of a WARC file holds; `why` is a word where it gives no page."""

    url: str = ""
    headers: dict[str, str] = {}  # noqa: RUF012 - nobody writes into it
    body: bytes = b""
    date: str = ""
    address: str = ""
    facts: dict[str, str] = {}  # noqa: RUF012
    why: str = ""


def load(
    path: Path,
    folder: Path,
    watch: Callable[[Event], None] = lambda _event: None,
    *,
    on_deny: Literal["skip", "keep"] = "skip",
) -> Crawled:
    """Read a WARC file into a new folder, as a crawl would have left it: rows, bodies, and what is known of each page.

    Of several captures of one address the first counts. What gives nothing is counted by reason: broken (cut off, wrong
    lengths or sums), bomb, too-large, type, status-404, again
    (the same address, or the same body at its host), ai-preference. Nothing is asked of any server, no link is
    followed, and the verdict of robots.txt is known only for files of our own. The folder is there whole or not at all.
    Limits: a million records; WARC packed with zstd, and ARC, are not read. Errors: InputError where the file is no WARC,
    RunError where something is in the folder.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunError("there is something in this folder", str(folder), "name a new one")
    need("warcio", EXTRA)
    logging.getLogger("warcio").addHandler(logging.NullHandler())  # or addresses would reach the terminal as they are
    policy = Policy(contact="nobody@example.org", depth=0, on_deny=on_deny, waiting=1 << 40)  # nobody is asked
    passing = folder.with_name(f".{folder.name}.writing")
    shutil.rmtree(passing, ignore_errors=True)
    try:
        with writing(folder):
            (passing / BODIES).mkdir(parents=True)
            frontier = Frontier(passing / DATABASE)
            try:
                done = _Load(passing, policy, watch, frontier)(path)
            finally:
                frontier.shut()
            if folder.exists():
                folder.rmdir()
            passing.rename(folder)
    finally:
        shutil.rmtree(passing, ignore_errors=True)
    return done._replace(file=folder / ROWS)


@dataclass(eq=False)
class _Load:
    """One file on its way into a folder: a few pages are read at a time, in processes of their own."""

    folder: Path
    policy: Policy
    watch: Callable[[Event], None]
    frontier: Frontier

    def __call__(self, path: Path) -> Crawled:
        self.run, self.out, self.pages = uuid.uuid4().hex, Counter[str](), 0
        self.frontier.keep_fact("run", self.run)
        self.frontier.keep_fact("ended", "yes")
        size = os.cpu_count() or 1
        readers = Readers(examples.read, scope([], self.policy), size)
        waiting: deque[tuple[Page, Future[Reading | str]]] = deque()
        try:
            with ThreadPoolExecutor(size) as threads:
                for seen in _responses(path, self.policy):
                    if page := self._keep(seen):
                        waiting.append((page, threads.submit(readers, fetched(page, self.folder, self.run))))
                    while len(waiting) > 4 * size:
                        self._finish(*waiting.popleft())
                while waiting:
                    self._finish(*waiting.popleft())
        finally:
            readers.shut()
        rows = write_rows(self.folder, self.frontier)
        return Crawled(rows, self.pages, dict(sorted(self.out.items())), 0, {}, "", self.folder / ROWS)

    def _say(self, kind: str, url: str, why: str = "") -> None:
        self.pages += kind == "read"
        self.out.update([why] if why else [])
        self.watch(Event(kind, url, why, self.pages))

    def _keep(self, seen: _Seen) -> Page | None:
        """Record a page and its body; None where it gives nothing, for a reason that is counted."""
        told = preferences.Preference(seen.facts.get("preference", "unstated"), seen.facts.get("evidence", ""))  # type: ignore[arg-type]
        said = preferences.strictest([told, preferences.in_headers(seen.headers)])
        why = seen.why or ("ai-preference" if said.says == "deny" and self.policy.on_deny == "skip" else "")
        page = None if why else self._recorded(seen, said)
        if page is None:
            self._say("out", seen.url, why or "again")
        return page

    def _recorded(self, seen: _Seen, said: preferences.Preference) -> Page | None:
        """Write what came of a page; None where its address, or its host with the same body, was there before."""
        link = Link(key(seen.url), seen.url, host_of(seen.url), 0, via=seen.facts.get("via", ""))
        self.frontier.fresh()
        self.frontier.add([link], self.policy)
        if not self.frontier.fresh():
            return None
        digest = hashlib.sha256(seen.body).hexdigest()
        path = body_path(self.folder, digest)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(gzip.compress(seen.body, 3, mtime=0))
        facts: dict[str, Any] = {
            "status": 200,
            "headers": orjson.dumps({name: seen.headers[name] for name in KEPT if name in seen.headers}).decode(),
            "address": seen.address,
            "fetched_at": seen.date,
            "robots": seen.facts.get("robots") or _NOT_ASKED,
            "preference": said.says,
            "evidence": said.evidence,
            "drawn": seen.facts.get("drawn", ""),
            "sha256": digest,
        }
        known = link._asdict() | {"tries": 0} | facts
        page = Page(**{name: known[name] for name in Page._fields})
        return None if self.frontier.fetched(page, len(seen.body), **facts) == "out" else page

    def _finish(self, page: Page, future: Future[Reading | str]) -> None:
        reading = future.result()
        deny = not isinstance(reading, str) and reading.preference.says == "deny" and self.policy.on_deny == "skip"
        why = reading if isinstance(reading, str) else "ai-preference" if deny else ""
        if isinstance(reading, str) or deny:
            self.frontier.settle(page.key, "out", why=why)
            drop_body(self.folder, self.frontier, page.sha256)
            self._say("out", page.url, why)
        else:
            self.frontier.finish(page, reading.rows, (), self.policy)
            self._say("read", page.url)


class _Broken(Exception):  # noqa: N818 - a signal to leave a record, or the file
    """What is here is not what it says; the argument is one fixed word."""


class _Packed:
    """A file of members that were packed one by one, each read on its own: a broken one does not break the next."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._held, self._size = file, b"", 0
        self._unpack = zlib.decompressobj(31)
        self.left = 0  # bytes that may be read before somebody says how many more

    def read(self, size: int = _PIECE) -> bytes:
        """Return up to so many bytes of this member, and none at its end."""
        if self.left <= 0:
            raise _Broken("broken")
        piece = self._piece(min(size, _PIECE) if size > 0 else _PIECE)
        self.left -= len(piece)
        return piece

    def next(self) -> bool:
        """Go to the next member; false where there is none."""
        while self._piece(_PIECE):
            pass  # what nobody wanted to read
        self._held = self._unpack.unused_data or self._held or self._file.read(_PIECE)
        self._unpack = zlib.decompressobj(31)
        return bool(self._held.strip(b"\0"))

    def _piece(self, size: int) -> bytes:
        while not self._unpack.eof:
            self._held = self._held or self._file.read(_PIECE)
            if not self._held:
                raise _Broken("broken")
            try:
                piece = self._unpack.decompress(self._held, size)
            except zlib.error as error:
                raise _Broken("broken") from error
            self._held = self._unpack.unconsumed_tail
            self._size += len(piece)
            if self._size > _SMALL and self._size > _RATIO * self._file.tell():
                raise _Broken("bomb")
            if piece:
                return piece
        return b""


class _Plain:
    """A file that is not packed: one member, which ends with it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.left = file, 0

    def read(self, size: int = _PIECE) -> bytes:
        if self.left <= 0:
            raise _Broken("broken")
        piece = self._file.read(min(size, _PIECE) if size > 0 else _PIECE)
        self.left -= len(piece)
        return piece

    def next(self) -> bool:
        return False


def _responses(path: Path, policy: Policy) -> Iterator[_Seen]:
    """Give what every response and resource of a file holds, in bounded memory."""
    try:
        with path.open("rb") as file:
            begins = file.read(5)
            file.seek(0)
            if not begins.startswith((_GZIP, b"WARC/")):
                raise InputError("this is no WARC file", str(path), "name a .warc or .warc.gz file")
            stream = _Packed(file) if begins.startswith(_GZIP) else _Plain(file)
            number = 0
            for number, seen in enumerate(_members(stream, policy), 1):
                if seen is not None:
                    yield seen
                if number >= _MOST:
                    yield _Seen(why="too-many")
                    return
            if not number:
                raise InputError("there is nothing in this file", str(path), "check that it was copied whole")
    except OSError as error:
        raise InputError(
            f"this cannot be read: {error.strerror}", str(path), "check the path and the rights"
        ) from error


def _members(stream: _Packed | _Plain, policy: Policy) -> Iterator[_Seen | None]:
    more = True
    while more:
        why = ""
        try:
            yield from _records(stream, policy)
        except _Broken as broken:
            why = str(broken)
        try:
            more = stream.next()
        except _Broken as broken:  # the end of this member, and so the next one, cannot be found
            why, more = str(broken), False
        if why:
            yield _Seen(why=why)


def _records(stream: _Packed | _Plain, policy: Policy) -> Iterator[_Seen | None]:
    """Read one record after another; None for those that hold no answer of a server."""
    loading, readers = need("warcio.recordloader", EXTRA), need("warcio.bufferedreaders", EXTRA)
    wrong = (need("warcio.exceptions", EXTRA).ArchiveLoadFailed, EOFError, ValueError)
    lines, loader = readers.BufferedReader(stream, block_size=_PIECE), loading.ArcWarcRecordLoader()
    while True:
        stream.left = _HEADS
        while (first := lines.readline()) and not first.strip():
            pass
        if not first:
            return
        try:
            record = loader.parse_record_stream(lines, first, known_format="warc", no_record_parse=True)
        except wrong as error:
            raise _Broken("broken") from error
        block, why = _block(record, stream, policy.body + _HEADS)
        yield _seen(record, block, why, policy)


def _block(record: Any, stream: _Packed | _Plain, most: int) -> tuple[bytes, str]:
    """Read a record to its end, and keep it where it is not too large and is what its header says."""
    pieces: list[bytes] = []
    size = 0
    stream.left = _HEADS
    while piece := record.raw_stream.read(_PIECE):
        stream.left = _HEADS
        size += len(piece)
        pieces.append(piece)
        if size > most:
            pieces.clear()
    if getattr(record.raw_stream, "limit", 0):
        raise _Broken("broken")  # its end is missing
    block = b"".join(pieces)
    said = record.rec_headers.get_header("WARC-Block-Digest") or ""
    return block, "too-large" if size > most else "" if _is(block, said) else "broken"


def _is(block: bytes, said: str) -> bool:
    """Say whether a block has the sum that is said of it, where that is one of the usual ones."""
    name, _, value = said.partition(":")
    if name.lower() not in ("sha1", "sha256", "md5"):
        return True
    found = hashlib.new(name.lower(), block, usedforsecurity=False)
    return value.upper().rstrip("=") in (
        found.hexdigest().upper(),
        base64.b32encode(found.digest()).decode().rstrip("="),
    )


def _seen(record: Any, block: bytes, why: str, policy: Policy) -> _Seen | None:
    """Make of a record the page that it holds; None for requests, notes and what came by other ways than the web."""
    fields = record.rec_headers
    given = (fields.get_header("WARC-Target-URI") or "").strip("<>")[:LONGEST]
    if record.rec_type not in ("response", "resource", "revisit") or not given.lower().startswith("http"):
        return None
    url = absolute("", given)
    seen = _Seen(
        url, date=_when(fields.get_header("WARC-Date")), address=(fields.get_header("WARC-IP-Address") or "")[:45]
    )
    if why or not url or record.rec_type == "revisit":
        return seen._replace(why=why or ("revisit" if url else "bad-url"))
    if record.rec_type == "resource":
        return _typed(seen._replace(headers={"content-type": str(record.content_type or "")}, body=block), policy)
    try:
        status, headers, body = _answer(block)
        seen = seen._replace(headers=headers, facts=_facts(fields.get_header(_OURS)))
        if status not in FINE:
            return seen._replace(why=f"status-{status}")
        body, why = _unpacked(body, headers, policy)
    except _Broken as broken:
        return seen._replace(why=str(broken))
    return seen._replace(why=why) if why else _typed(seen._replace(body=body), policy)


def _typed(seen: _Seen, policy: Policy) -> _Seen:
    kind = seen.headers.get("content-type", "").partition(";")[0].strip().lower()
    return seen._replace(why="type", body=b"") if kind and kind not in policy.types else seen


def _when(said: str | None) -> str:
    try:
        return datetime.fromisoformat((said or "").strip()).astimezone(UTC).isoformat(timespec="seconds")
    except (ValueError, OverflowError):
        return ""


def _facts(said: str | None) -> dict[str, str]:
    """Read our own field, which anybody may have written."""
    try:
        told = orjson.loads(said or "{}")
    except orjson.JSONDecodeError:
        return {}
    kept = {name: str(told[name])[:LONGEST] for name in _TOLD if name in told} if isinstance(told, dict) else {}
    return kept if kept.get("preference", "unstated") in ("allow", "deny", "unstated") else {}


def _answer(block: bytes) -> tuple[int, dict[str, str], bytes]:
    """Read a server's answer: its status, its headers by their names in small letters, and its body without chunks."""
    parsing, readers = need("warcio.statusandheaders", EXTRA), need("warcio.bufferedreaders", EXTRA)
    stream = io.BytesIO(block)
    try:
        head = parsing.StatusAndHeadersParser(["HTTP/1.0", "HTTP/1.1", "HTTP/2"]).parse(stream)
        status = int(head.get_statuscode())
    except (parsing.StatusAndHeadersParserException, EOFError, ValueError) as error:
        raise _Broken("broken") from error
    headers: dict[str, str] = {}
    for name, value in head.headers:
        between = "\n" if name.lower() == "x-robots-tag" else ", "
        headers[name.lower()] = headers[name.lower()] + between + value if name.lower() in headers else value
    if headers.pop("transfer-encoding", "").lower() != "chunked":
        return status, headers, stream.read()
    try:
        return status, headers, readers.ChunkedDataReader(stream).read()
    except readers.ChunkedDataException as error:
        raise _Broken("broken") from error


def _unpacked(body: bytes, headers: dict[str, str], policy: Policy) -> tuple[bytes, str]:
    """Unpack a body, in the bounds of one from the web; many archives hold it unpacked already, whatever its header says."""
    encoding = headers.pop("content-encoding", "").lower().strip()
    if encoding in ("gzip", "x-gzip") and not body.startswith(_GZIP):
        encoding = ""
    if encoding not in ("", "identity", "gzip", "x-gzip", "deflate"):
        return b"", "bad-encoding"
    response = HTTPResponse(io.BytesIO(body), {"content-encoding": encoding} if encoding else {}, preload_content=False)
    unpacked = b""
    try:
        while piece := response.read(_PIECE, decode_content=True):
            unpacked += piece
            if len(unpacked) > policy.body:
                return b"", "bomb" if len(unpacked) > policy.ratio * response.tell() else "too-large"
    except exceptions.HTTPError:
        return b"", "bad-encoding"
    return unpacked, ""
