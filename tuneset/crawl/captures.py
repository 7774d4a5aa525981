"""What a WARC file holds, whoever wrote it: one page after another in bounded memory, and a word where one is broken."""

from __future__ import annotations

import base64
import hashlib
import io
import zlib
from collections.abc import Mapping  # noqa: TC003  a NamedTuple's
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
from urllib3 import HTTPResponse, exceptions

from tuneset.crawl.addresses import LONGEST, absolute
from tuneset.crawl.http import DECODED, FINE, body_of, folded, kind_of
from tuneset.errors import InputError, need, way_out

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

    from tuneset.crawl.policy import Policy

EXTRA = "warc"
OURS = "Tuneset-Facts"  # a field of our own in a record's header, which others pass over
TOLD = ("via", "robots", "preference", "evidence", "drawn", "licence")
_PIECE = 1 << 16
_HEADS = 1 << 20  # bytes of a record's headers, or of what stands between two records
_RATIO = 100  # of unpacked to packed, above a gibibyte
_SMALL = 1 << 30
_MOST = 1_000_000  # records that are looked at
_GZIP = b"\x1f\x8b"
_NOTHING: Mapping[str, str] = MappingProxyType({})


class Capture(NamedTuple):
    """What a record of a WARC file holds; `why` is a word where it gives no page."""

    url: str = ""
    headers: Mapping[str, str] = _NOTHING
    body: bytes = b""
    date: str = ""
    address: str = ""
    facts: Mapping[str, str] = _NOTHING  # what we said of it ourselves, if the file is ours
    why: str = ""


def captures(path: Path, policy: Policy) -> Iterator[Capture]:
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
                    yield Capture(why="too-many")
                    return
            if not number:
                raise InputError("there is nothing in this file", str(path), "check that it was copied whole")
    except OSError as error:
        raise InputError(f"this cannot be read: {error.strerror}", str(path), way_out(error)) from error


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


def _members(stream: _Packed | _Plain, policy: Policy) -> Iterator[Capture | None]:
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
            yield Capture(why=why)


def _records(stream: _Packed | _Plain, policy: Policy) -> Iterator[Capture | None]:
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


def _seen(record: Any, block: bytes, why: str, policy: Policy) -> Capture | None:
    """Make of a record the page that it holds; None for requests, notes and what came by other ways than the web."""
    fields = record.rec_headers
    given = (fields.get_header("WARC-Target-URI") or "").strip("<>")[:LONGEST]
    if record.rec_type not in ("response", "resource", "revisit") or not given.lower().startswith("http"):
        return None
    url = absolute("", given)
    seen = Capture(
        url, date=_when(fields.get_header("WARC-Date")), address=(fields.get_header("WARC-IP-Address") or "")[:45]
    )
    if why or not url or record.rec_type == "revisit":
        return seen._replace(why=why or ("revisit" if url else "bad-url"))
    if record.rec_type == "resource":
        return _typed(seen._replace(headers={"content-type": str(record.content_type or "")}, body=block), policy)
    try:
        status, headers, body = _answer(block)
        seen = seen._replace(headers=headers, facts=_facts(fields.get_header(OURS)))
        if status not in FINE:
            return seen._replace(why=f"status-{status}")
        body, why = _unpacked(body, headers, policy)
    except _Broken as broken:
        return seen._replace(why=str(broken))
    return seen._replace(why=why) if why else _typed(seen._replace(body=body), policy)


def _typed(seen: Capture, policy: Policy) -> Capture:
    kind = kind_of(seen.headers)
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
    kept = {name: str(told[name])[:LONGEST] for name in TOLD if name in told} if isinstance(told, dict) else {}
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
    headers = folded(head.headers)
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
    if encoding not in DECODED:
        return b"", "bad-encoding"
    response = HTTPResponse(io.BytesIO(body), {"content-encoding": encoding} if encoding else {}, preload_content=False)
    try:
        return body_of(response, policy.body, policy.ratio)
    except exceptions.HTTPError:
        return b"", "bad-encoding"
