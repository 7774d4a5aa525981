"""Datasets that web pages describe: schema.org `Dataset` records in JSON-LD, which Google's Dataset Search reads, too."""

from __future__ import annotations

import html
import io
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

import orjson

from tuneset.fetch.download import Wanted, read
from tuneset.fetch.layout import is_table

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST = 10 << 20  # bytes of a page
DEEPEST = 12  # levels of a record
_SIZES = {"b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30}


class _Scripts(HTMLParser):
    """Collect what stands in `<script type="application/ld+json">`."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self._inside: io.StringIO | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        kind = (dict(attrs).get("type") or "").partition(";")[0].strip().lower()
        if tag == "script" and kind == "application/ld+json":
            self._inside = io.StringIO()

    def handle_data(self, data: str) -> None:
        if self._inside is not None:
            self._inside.write(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "script" and self._inside is not None:
            self.found.append(self._inside.getvalue())
            self._inside = None


def datasets(url: str) -> list[dict[str, Any]]:
    """Read a page and return its `Dataset` records as plain values; an empty list where it has none.

    Each has name, description, licence, files (address, format, bytes), columns, rows, updated, url. Only this page is
    asked for; nothing that it names is.
    """
    return of_page(
        read(Wanted(url, {"Accept": "text/html, application/ld+json"}, limit=MOST)).decode("utf-8", "replace"), url
    )


def of_page(text: str, url: str) -> list[dict[str, Any]]:
    """Return the `Dataset` records of a page, or of a file in JSON-LD.

    >>> of_page('<script type="application/ld+json">{"@type": "Dataset", "name": "Tickets"}</script>', "https://a.org")[0]["name"]
    'Tickets'
    """
    if text.lstrip()[:1] in ("{", "["):
        scripts = [text]
    else:
        parser = _Scripts()
        parser.feed(text)
        parser.close()
        scripts = parser.found
    found = [_record(each, url) for script in scripts for each in _nodes(_json(script), 0)]
    return [each for at, each in enumerate(found) if each["name"] and each not in found[:at]]


def _json(script: str) -> Any:
    """Read JSON as pages write it: in a comment, with raw line ends in texts."""
    text = re.sub(
        r"^\s*(?:<!--|//\s*<!\[CDATA\[|/\*.*?\*/)|(?:-->|//\s*\]\]>)\s*;?\s*$", "", script.strip(), flags=re.DOTALL
    )
    for each in (text, re.sub(r"[\x00-\x1f]+", " ", text)):
        try:
            return orjson.loads(each)
        except orjson.JSONDecodeError:
            continue
    return None


def _nodes(value: Any, depth: int) -> Iterator[dict[str, Any]]:
    if depth > DEEPEST:
        return
    if isinstance(value, list):
        for each in value:
            yield from _nodes(each, depth + 1)
    elif isinstance(value, dict):
        kinds = {re.split(r"[/#:]", kind)[-1] for kind in _texts(value.get("@type"))}
        if "Dataset" in kinds:
            yield value
        for each in value.values():
            if isinstance(each, dict | list):
                yield from _nodes(each, depth + 1)


def _record(node: dict[str, Any], url: str) -> dict[str, Any]:
    given = node.get("distribution")
    files = [_file(each, url) for each in (given if isinstance(given, list) else [given]) if isinstance(each, dict)]
    measured = node.get("variableMeasured")
    columns = [_text(each) for each in (measured if isinstance(measured, list) else [measured]) if each]
    return {
        "name": _text(node.get("name")),
        "description": _text(node.get("description"))[:2000],
        "licence": _text(node.get("license")) or _text(node.get("usageInfo")),
        "files": [each for each in files if each["address"]],
        "columns": [each for each in columns if each][:100],
        "rows": _rows(node),
        "updated": (_text(node.get("dateModified")) or _text(node.get("datePublished")))[:10],
        "url": urljoin(url, _text(node.get("url")) or url),
    }


def _file(node: dict[str, Any], url: str) -> dict[str, Any]:
    address = _text(node.get("contentUrl")) or _text(node.get("url"))
    kind = _text(node.get("encodingFormat")) or _text(node.get("fileFormat"))
    whole = urljoin(url, address) if address else ""
    return {
        "address": whole if whole.startswith(("http://", "https://")) else "",
        "format": kind,
        "bytes": _bytes(node.get("contentSize")),
    }


def is_readable(file: dict[str, Any]) -> bool:
    """Say whether a file of a record is one that can be prepared.

    >>> is_readable({"address": "https://a.org/x?id=1", "format": "text/csv"})
    True
    """
    named = is_table(re.split(r"[?#]", file["address"])[0])
    return (
        named
        or re.search(r"csv|jsonl?|ndjson|parquet|tab-separated|excel|spreadsheet", file["format"].lower()) is not None
    )


def _bytes(given: Any) -> int:
    """Read a size in any of the ways that pages write it.

    >>> _bytes("1.5 MB"), _bytes("2,048"), _bytes({"value": 3, "unitText": "kB"})
    (1500000, 2048, 3000)
    """
    if isinstance(given, dict):
        given = f"{given.get('value', '')} {given.get('unitText', given.get('unitCode', ''))}"
    found = re.fullmatch(r"([\d.,]*\d)\s*([kmgt]?i?b|bytes)?", str(given or "").strip().lower())
    if not found:
        return 0
    number = found[1].replace(",", "")
    return int(float(number) * _SIZES.get(found[2] or "b", 1)) if number.count(".") < 2 else 0


def _rows(node: dict[str, Any]) -> int:
    for name in ("size", "numberOfItems", "numberOfRecords"):
        if found := re.match(
            r"([\d,]*\d)\s*(rows|records|instances|examples|entries|items)?\b", _text(node.get(name)).strip().lower()
        ):
            return int(found[1].replace(",", "")) if name != "size" or found[2] else 0
    return 0


def _texts(value: Any) -> list[str]:
    return [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, str)]


def _text(value: Any) -> str:
    """Take the words of a value, which may be a text, a number, a thing with a name or an address, or a list of them."""
    if isinstance(value, list):
        return _text(value[0]) if value else ""
    if isinstance(value, dict):
        return next((said for key in ("name", "@value", "value", "url", "@id") if (said := _text(value.get(key)))), "")
    return (
        " ".join(html.unescape(re.sub(r"<[^<>]+>", " ", str(value))).split())
        if isinstance(value, str | int | float)
        else ""
    )
