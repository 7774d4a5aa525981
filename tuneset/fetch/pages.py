"""Datasets that web pages describe: schema.org `Dataset` records, which Google's Dataset Search reads, too."""

from __future__ import annotations

import html
import re
from typing import Any

from tuneset.crawl.records import joined, many, nodes_of
from tuneset.fetch.download import Wanted, read
from tuneset.fetch.layout import is_table

MOST = 10 << 20  # bytes of a page
_SIZES = {"b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30}


def datasets(url: str) -> list[dict[str, Any]]:
    """Read a page and return its `Dataset` records as plain values; an empty list where it has none.

    Each has name, description, licence, files (address, format, bytes), columns, rows, updated, url. Only this page is
    asked for; nothing that it names is.
    """
    return of_page(
        read(Wanted(url, {"Accept": "text/html, application/ld+json"}, limit=MOST)).decode("utf-8", "replace"), url
    )


def of_page(text: str, url: str) -> list[dict[str, Any]]:
    """Return the `Dataset` records of a page (JSON-LD and microdata), or of a file in JSON-LD.

    >>> of_page('<script type="application/ld+json">{"@type": "Dataset", "name": "Tickets"}</script>', "https://a.org")[0]["name"]
    'Tickets'
    """
    found = [_record(each, url) for each in nodes_of(text, url, "Dataset")]
    return [each for at, each in enumerate(found) if each["name"] and each not in found[:at]]


def _record(node: dict[str, Any], url: str) -> dict[str, Any]:
    files = [_file(each, url) for each in many(node.get("distribution")) if isinstance(each, dict)]
    columns = [_text(each) for each in many(node.get("variableMeasured"))]
    return {
        "name": _text(node.get("name")),
        "description": _text(node.get("description"))[:2000],
        "licence": _text(node.get("license")) or _text(node.get("usageInfo")),
        "files": [each for each in files if each["address"]],
        "columns": [each for each in columns if each][:100],
        "rows": _rows(node),
        "updated": (_text(node.get("dateModified")) or _text(node.get("datePublished")))[:10],
        "url": joined(url, _text(node.get("url"))) or url,
    }


def _file(node: dict[str, Any], url: str) -> dict[str, Any]:
    address = _text(node.get("contentUrl")) or _text(node.get("url"))
    kind = _text(node.get("encodingFormat")) or _text(node.get("fileFormat"))
    whole = joined(url, address)
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
    given = next(iter(many(given)), "")
    if isinstance(given, dict):
        given = f"{_text(given.get('value'))} {_text(given.get('unitText')) or _text(given.get('unitCode'))}"
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


def _text(value: Any, depth: int = 3) -> str:
    """Take the words of a value, which may be a text, a number, a thing with a name or an address, or a list of them."""
    first = next(iter(many(value)), "")
    if isinstance(first, dict) and depth:  # a node may hold itself
        names = ("name", "@value", "value", "url", "@id")
        return next((said for name in names if (said := _text(first.get(name), depth - 1))), "")
    plain = str(first) if isinstance(first, str | int | float) else ""
    return " ".join(html.unescape(re.sub(r"<[^<>]+>", " ", plain)).split())
