"""The bytes of an input: read, unpacked where they are packed, and not more than memory holds."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import sys
import zipfile
import zlib
from typing import TYPE_CHECKING, NamedTuple

import zstandard

from tuneset.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_STEP = 1 << 22
_SIP = 1 << 12  # packed bytes of zstd at a time: each may become 32,000 bytes (zeros do)
_ALWAYS = 256 << 20  # bytes that may come out of any file
_RATIO = 200  # and how many times its size a file may grow beyond that


class Unpacked(NamedTuple):
    """A file's bytes, and the packing they came in ("gzip", "" for none)."""

    data: bytes
    packing: str


def read(path: Path) -> bytes:
    """Return the bytes of a file, or of standard input where the path is "-"."""
    try:
        if str(path) != "-":
            return path.read_bytes()
    except OSError as error:
        hint = "check the path" if isinstance(error, FileNotFoundError) else "check the rights and the disk"
        raise InputError(f"this cannot be read: {error.strerror or error}", str(path), hint) from error
    if sys.stdin.isatty():
        raise InputError("nothing comes in", "standard input", "pipe a file into it: tuneset prepare - < dataset.csv")
    return sys.stdin.buffer.read()


def head(path: Path) -> bytes:
    """Return the first bytes of a file; none of standard input, which cannot be read twice, or where there are none."""
    try:
        if str(path) != "-":
            with path.open("rb") as file:
                return file.read(1000)
    except OSError:
        pass  # reading all of it will say why
    return b""


def unpack(raw: bytes, where: str) -> Unpacked:
    """Unpack gzip, zstd, bzip2 and xz by their first bytes, whatever the name says.

    A file that grows beyond 256 MB and 200 times its size is taken for a trap and refused.

    >>> unpack(gzip.compress(b"text,label"), "a.csv")
    Unpacked(data=b'text,label', packing='gzip')
    """
    for magic, packing in (
        (b"\x1f\x8b", "gzip"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
        (b"BZh", "bzip2"),
        (b"\xfd7zXZ", "xz"),
    ):
        if raw.startswith(magic):
            return Unpacked(_drained(raw, packing, where), packing)
    return Unpacked(raw, "")


def check_zip(raw: bytes, where: str) -> list[str]:
    """Return the names in a zip file (Excel's format is one), refusing traps and broken ones."""
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as packed:
            check_growth(sum(part.file_size for part in packed.infolist()), len(raw), where)
            return packed.namelist()
    except zipfile.BadZipFile as error:
        raise InputError("this file is cut off or damaged", where, "copy or download it again") from error


def check_growth(unpacked: int, packed: int, where: str) -> None:
    """Refuse a file that unpacks to an absurd size."""
    if unpacked > max(_ALWAYS, _RATIO * packed):
        what = f"this unpacks to more than {_RATIO} times its size ({packed:,} bytes)"
        raise InputError(what, where, "if that is right, unpack it first and give the unpacked file")


def _drained(raw: bytes, packing: str, where: str) -> bytes:
    parts: list[bytes] = []
    size = 0
    try:
        for part in _zstd(raw) if packing == "zstd" else _others(raw, packing):
            parts.append(part)
            size += len(part)
            check_growth(size, len(raw), where)
    except (OSError, EOFError, zlib.error, lzma.LZMAError, zstandard.ZstdError) as error:
        raise InputError(f"this {packing} file is cut off or damaged", where, "copy or download it again") from error
    return b"".join(parts)


def _others(raw: bytes, packing: str) -> Iterator[bytes]:
    stream: gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile
    if packing == "gzip":
        stream = gzip.GzipFile(fileobj=io.BytesIO(raw))
    else:
        stream = (bz2.BZ2File if packing == "bzip2" else lzma.LZMAFile)(io.BytesIO(raw))
    with stream:
        while part := stream.read(_STEP):
            yield part


def _zstd(raw: bytes) -> Iterator[bytes]:
    """Unpack frame by frame: the package's own stream reader says nothing when the last frame is cut off."""
    view, place = memoryview(raw), 0
    while place < len(raw):
        frame = zstandard.ZstdDecompressor().decompressobj()
        while not frame.eof:
            part = view[place : place + _SIP]
            if not part:
                raise EOFError
            yield frame.decompress(part)
            place += len(part) - len(frame.unused_data)
