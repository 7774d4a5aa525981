"""A page that was fetched becomes rows of examples.jsonl: one for each post, review or question, with where it came from."""

from __future__ import annotations

import bisect
import hashlib
import itertools
import re
from typing import TYPE_CHECKING, Any

from tuneset import __version__
from tuneset.crawl import preferences
from tuneset.crawl.addresses import absolute, host_of, key, unpaged
from tuneset.crawl.reading import Fetched, Outcome, canonical
from tuneset.crawl.records import items, linked, property_of, records_of
from tuneset.crawl.tree import Element, parsed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tuneset.crawl.records import Node, Record
    from tuneset.crawl.text import Page

Row = dict[str, Any]

_TURNS = frozenset({"answer", "comment", "post", "question"})
_PAGES = frozenset({"", "text/html", "application/xhtml+xml"})
_XML = frozenset({"text/xml", "application/xml"})  # which some servers call their pages
_MARKED_UP = re.compile(r"<(?:!doctype\s+)?html\b", re.IGNORECASE)
_LICENCE_LINK = re.compile(r"<([^<>]{1,2000})>[^,<>]{0,500}\brel=\"?[^\",<>]{0,200}\blicense\b", re.IGNORECASE)
_LICENCE_META = frozenset({"cc:license", "dc.license", "dc.rights", "dcterms.license", "dcterms.rights"})
_WORD = re.compile(r"\w+")
# Two texts are one where they begin alike: a page declares the beginning of a post, and shows all of it.
_HEAD, _TELLING = 60, 20  # characters
_POSTS = 5_000
# What a hostile page could repeat in each of its rows is cut; all rows of a page together have no more characters than it.
_LONG = 500
_MOST = 4_000_000


def read(page: Fetched) -> Outcome:
    """Return the rows of a page, and the links in it that its owner does not ask to be left alone.

    Reviews, questions, answers, posts and comments that the page declares (JSON-LD, microdata) are a row each, and so is
    each post of a discussion that it shows; any other page is one row with its main text. Names of authors are hashed
    with a salt of the crawl, which stays in crawl.sqlite. Limits: see `main_text` and `records`; feeds and JSON give nothing.
    """
    from tuneset.crawl.text import Page, main_text  # noqa: PLC0415 - a second to load, in the reading process only

    kind, text = page.content_type.partition(";")[0].strip().lower(), page.text
    if kind == "text/plain":
        told = Page("", text[:_MOST].strip(), "other", "", "", "", f"tuneset {__version__}, as it is")
        return Outcome(_written([_of_page(told)], page, told, _about(page, None, [])), [])
    is_page = kind in _PAGES or (kind in _XML and _MARKED_UP.search(text[:2000]))
    tree = parsed(text) if is_page else None
    if tree is None:
        return Outcome([], [])
    links, json_ld, microdata = _links(tree), linked(tree), items(tree, page.url)
    told = main_text(text, page.url)
    rows = _rows(told, records_of(json_ld, microdata, page.url), page)
    return Outcome(_written(rows, page, told, _about(page, tree, json_ld)), links)


def _links(tree: Element) -> list[str]:
    anchors = tree.iter("a", "area")
    return [each.get("href") for each in anchors if each.get("href") and "nofollow" not in _rel(each)]


def _rel(element: Element) -> list[str]:
    return (element.get("rel") or "").lower().split()


def _rows(told: Page, found: Sequence[Record], page: Fetched) -> Iterable[Row]:
    shown = told.kind == "discussion" and told.extractor.startswith("tuneset")
    posts = told.text.split("\n\n")[:_POSTS] if shown else []
    if not found and not posts:
        return [_of_page(told)]
    threads = {record.thread for record in found}
    thread = _thread(threads.pop() if len(threads) == 1 else page.key, page)
    return [row | {"thread": thread} for row in _of_posts(posts, found, told)]


def _of_page(told: Page) -> Row:
    about = {"author": told.author, "date": told.date, "extractor": told.extractor}
    return {"text": told.text, "kind": told.kind, "title": told.title} | about


def _of_record(record: Record) -> Row:
    row = {
        "text": record.text,
        "kind": record.kind,
        "title": record.title or record.item,
        "url": record.url,
        "author": record.author,
        "date": record.date,
        "rating": record.rating,
        "extractor": f"tuneset {__version__}, {record.source}",
    }
    return row | ({"answer": record.answer} if record.answer else {})


def _of_posts(posts: Iterable[str], found: Sequence[Record], told: Page) -> list[Row]:
    """Give each post that the page shows, with what it declares of it (who, when, where), then what else it declares."""
    turns = [record for record in found if record.kind in _TURNS]
    matched = _matched(list(map(_plain, posts)), list(map(_plain, (record.text for record in turns))))
    rows, used = [], set()
    for post, place in zip(posts, matched, strict=True):
        row = {"text": post, "kind": "post", "extractor": told.extractor}
        if place >= 0 and place not in used:
            record = turns[place]
            # a page may declare the beginning of a post only, or the post with all that it quotes
            longer = _alike(post, record.text) and len(record.text) > len(post)
            row = _of_record(record) | ({} if longer else row | {"kind": record.kind})
        rows.append(row)
        used.add(place)
    rest = {id(turn) for place, turn in enumerate(turns) if place not in used}
    return rows + [_of_record(record) for record in found if record.kind not in _TURNS or id(record) in rest]


def _matched(posts: Sequence[str], declared: Sequence[str]) -> list[int]:
    """Return the place of the declared text that begins as each post does, or else holds all of it; -1 where none does."""
    heads = {text[:_HEAD]: place for place, text in reversed(list(enumerate(declared)))}
    starts = [0, *itertools.accumulate(len(text) + 1 for text in declared)]
    joined = "\n".join(declared)
    found = []
    for post in posts:
        place = heads.get(post[:_HEAD], -1)
        at = joined.find(post) if place < 0 and len(post) >= _TELLING else -1
        found.append(bisect.bisect_right(starts, at) - 1 if at >= 0 else place)
    return found


def _alike(one: str, other: str) -> bool:
    return _plain(one)[:_HEAD] == _plain(other)[:_HEAD]


def _plain(text: str) -> str:
    return " ".join(_WORD.findall(text.casefold()))


def _thread(address: str, page: Fetched) -> str:
    """Name the discussion that a page is a part of: all its pages have one name.

    A thread elsewhere is not believed, or one page could tie a whole crawl together.
    """
    url = absolute(page.url, address)
    return unpaged(key(url) if url and host_of(url) == host_of(page.url) else page.key)


def _about(page: Fetched, tree: Element | None, json_ld: Iterable[Node]) -> Row:
    """Return what is the same in all rows of a page: where it came from, and under which terms."""
    said = preferences.in_page(tree) if tree is not None else preferences.UNSTATED
    if said.says == "unstated" or page.preference == "deny":
        said = preferences.Preference(page.preference, page.evidence)  # type: ignore[arg-type]  # kept as a text
    return {
        "page": page.via or page.url,
        "final": page.url,
        "canonical": "" if tree is None else canonical(tree, page.url),
        "fetched_at": page.fetched_at,
        "sha256": page.sha256,
        "drawn": page.drawn,
        "robots": page.robots,
        "ai_preference": said.says,
        "ai_evidence": said.evidence,
        "licence": _licence(page, tree, json_ld),
        "run": _hashed("run", page.run),
    }


def _licence(page: Fetched, tree: Element | None, json_ld: Iterable[Node]) -> str:
    """Return the terms that a page declares, in a link, its records, its head, the answer's header, or else its site."""
    linked_to = _LICENCE_LINK.findall(page.headers.get("link", "")[:4000])
    if tree is not None:
        named = (each.get("href") for each in tree.iter("link", "a") if {"license", "cc:license"} & set(_rel(each)))
        metas = ((each.get("property") or each.get("name") or "", each.get("content")) for each in tree.iter("meta"))
        declared = (property_of(node, "license") or _id_of(node.get("license")) for node in json_ld)
        linked_to = [*named, *declared, *(said for name, said in metas if name.lower() in _LICENCE_META), *linked_to]
    said = next((each.strip() for each in linked_to if each and each.strip()), "")
    return absolute(page.url, said) if said.startswith(("/", "http", ".")) else said or page.licence


def _id_of(value: Any) -> str:
    found = (value.get("@id") or value.get("url")) if isinstance(value, dict) else ""
    return found if isinstance(found, str) else ""


def _written(rows: Iterable[Row], page: Fetched, told: Page, about: Row) -> list[Row]:
    """Give each row all its columns in one order, names hashed and texts fit for JSON; the page's answer to a bomb is a cut."""
    written: list[Row] = []
    left = _MOST
    for row in rows:
        text, answer = (_clean(row.get(name, ""), _MOST) for name in ("text", "answer"))
        left -= len(text) + len(answer) + 8 * _LONG
        if left < 0 and written:
            break
        named = {"title": row.get("title") or told.title, "kind": row["kind"], "url": row.get("url") or page.url}
        who = _hashed(f"{host_of(page.url)}\n{row['author'].casefold()}", page.run) if row.get("author") else ""
        known = {"thread": row.get("thread") or _thread(page.key, page), "author": who, "date": row.get("date", "")}
        rest = {**known, "rating": row.get("rating"), "language": told.language}
        whole = {**named, **rest, **about, "extractor": row["extractor"]}
        clipped = {name: _clean(value, _LONG) if isinstance(value, str) else value for name, value in whole.items()}
        if text.strip():
            written.append({"text": text, **({"answer": answer} if answer else {}), **clipped})
    return written


def _hashed(text: str, salt: str) -> str:
    """Hash what must not be read; whoever has the salt could try names, so it is in no row."""
    salted = hashlib.sha256(salt.encode()).digest()
    return hashlib.blake2b(text.encode("utf-8", "replace"), key=salted, digest_size=8).hexdigest()


def _clean(text: str, most: int) -> str:
    """Cut a text, and mend what JSON cannot hold: half a character, as a script may escape it."""
    return text[:most].encode("utf-16", "surrogatepass").decode("utf-16", "replace")
