"""Sitemaps, read in bounded memory whatever they hold: XML, packed or not, or one address a line."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, NamedTuple

from lxml import etree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuneset.crawl.policy import Policy

_GZIP = b"\x1f\x8b"
_PIECE = 1 << 16


class Sitemap(NamedTuple):
    """The pages and the further sitemaps that one names; `why` is a word where it was not read to its end."""

    pages: tuple[str, ...] = ()
    maps: tuple[str, ...] = ()
    why: str = ""


class _TooMuch(Exception):  # noqa: N818 - a signal to stop reading
    pass


def read(body: bytes, policy: Policy) -> Sitemap:
    """Read a sitemap: at most 50 MiB unpacked and 50,000 addresses; entities and other documents are never loaded.

    >>> from tuneset.crawl.policy import Policy
    >>> read(b"<urlset><url><loc> https://a.org/1 </loc></url></urlset>", Policy(contact="me@example.org")).pages
    ('https://a.org/1',)
    """
    if not body.startswith(_GZIP) and not body.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"<"):
        lines = [line.strip() for line in body[: policy.map_bytes].decode("utf-8-sig", "replace").splitlines()]
        return Sitemap(tuple(line for line in lines if line.startswith("http"))[: policy.map_urls])
    pages: list[str] = []
    maps: list[str] = []
    try:
        for name, where in _locations(body, policy.map_bytes):
            (maps if name == "sitemap" else pages).append(where)
            if len(pages) + len(maps) >= policy.map_urls:
                return Sitemap(tuple(pages), tuple(maps), "too-many")
    except _TooMuch:
        return Sitemap(tuple(pages), tuple(maps), "too-large")
    except (etree.XMLSyntaxError, zlib.error):
        return Sitemap(tuple(pages), tuple(maps), "broken")
    return Sitemap(tuple(pages), tuple(maps))


def _locations(body: bytes, most: int) -> Iterator[tuple[str, str]]:
    """Yield ("url" or "sitemap", address), and forget each element that has been read."""
    parser = etree.XMLPullParser(("end",), resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    for piece in _unpacked(body, most):
        parser.feed(piece)
        for _, element in parser.read_events():
            name = etree.QName(element).localname
            parent = element.getparent()
            if name == "loc" and parent is not None and element.text:
                yield etree.QName(parent).localname, element.text.strip()
            elif name in ("url", "sitemap"):
                element.clear()
                while element.getprevious() is not None and parent is not None:
                    del parent[0]


def _unpacked(body: bytes, most: int) -> Iterator[bytes]:
    if not body.startswith(_GZIP):
        pieces: Iterator[bytes] = (body[start : start + _PIECE] for start in range(0, len(body), _PIECE))
    else:
        pieces = _gunzipped(body)
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > most:
            raise _TooMuch
        yield piece


def _gunzipped(body: bytes) -> Iterator[bytes]:
    unpack = zlib.decompressobj(31)
    while not unpack.eof and (piece := unpack.decompress(body, _PIECE)):
        yield piece
        body = unpack.unconsumed_tail
