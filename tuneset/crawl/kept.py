"""What a crawl keeps in its folder: what it knows, each body under its hash, and one file of rows."""

from __future__ import annotations

import difflib
import gzip
import hashlib
import threading
from typing import TYPE_CHECKING

import orjson

from tuneset.crawl.addresses import key
from tuneset.crawl.frontier import Frontier
from tuneset.crawl.reading import Fetched
from tuneset.folder import whole, writing

if TYPE_CHECKING:
    from pathlib import Path

    from tuneset.crawl.frontier import Page
    from tuneset.crawl.policy import Policy
    from tuneset.crawl.reading import Reading

DATABASE, ROWS, BODIES = "crawl.sqlite", "examples.jsonl", "pages"
# Of an answer's headers, these.
HEADERS = ("content-type", "content-language", "last-modified", "etag", "x-robots-tag", "tdm-policy", "link", "server")


def begin(folder: Path) -> Frontier:
    """Make a folder ready, and open what is known there."""
    with writing(folder):
        (folder / BODIES).mkdir(parents=True, exist_ok=True)
    return Frontier(folder / DATABASE)


def body_path(folder: Path, sha256: str) -> Path:
    """Where a body lies: packed with gzip, named after what it holds."""
    return folder / BODIES / sha256[:2] / f"{sha256}.gz"


def keep_body(folder: Path, body: bytes) -> str:
    """Write a body where it is not there yet, whole or not at all; return its name."""
    digest = hashlib.sha256(body).hexdigest()
    path = body_path(folder, digest)
    if not path.exists():
        with writing(path):
            path.parent.mkdir(exist_ok=True)
            passing = path.with_suffix(f".{threading.get_ident()}.writing")
            passing.write_bytes(gzip.compress(body, 3, mtime=0))
            passing.replace(path)
    return digest


def drop_body(folder: Path, frontier: Frontier, sha256: str) -> None:
    """Remove a body that no page has any more."""
    if sha256 and not frontier.is_used(sha256):
        body_path(folder, sha256).unlink(missing_ok=True)


def fetched(page: Page, folder: Path, run: str) -> Fetched:
    """Say to a reader what is known of a page, and where its body lies."""
    known = page._asdict() | {"headers": orjson.loads(page.headers), "path": body_path(folder, page.sha256), "run": run}
    return Fetched(**{name: known[name] for name in Fetched._fields})


def finish(page: Page, reading: Reading, folder: Path, frontier: Frontier, policy: Policy) -> str:
    """Write what a page gave once it is read; return the reason where it is left out after all, by its own word.

    What the page says on training counts beside what headers and robots.txt said before: a no outweighs every yes.
    """
    said, facts = reading.preference, {"canonical": reading.canonical}
    if said.says != "unstated" and page.preference != "deny":
        facts |= {"preference": said.says, "evidence": said.evidence}
    why = "ai-preference" if policy.refuses(said.says) else ""
    if why:
        facts |= {"state": "out", "why": why}
    if frontier.finish(page, reading.rows, reading.links, policy, **facts):
        return ""
    drop_body(folder, frontier, page.sha256)
    return why or "canonical"


def write_rows(folder: Path, frontier: Frontier) -> int:
    """Write examples.jsonl anew from what is recorded; return how many rows it has."""
    number = 0
    with whole(folder / ROWS) as passing, passing.open("wb") as file:
        for row in frontier.rows():
            file.write(row + b"\n")
            number += 1
    return number


def known(folder: Path, url: str) -> tuple[bool, list[str]]:
    """Say whether a crawl knows a page, and which address it knows is the nearest, if any is near."""
    frontier = Frontier(folder / DATABASE)
    try:
        there = frontier.knows(key(url)) or frontier.knows(url)
        return there, [] if there else difflib.get_close_matches(url, frontier.addresses(), n=1)
    finally:
        frontier.shut()


def forget(folder: Path, url: str) -> int:
    """Remove a page from a crawl: its body, its rows, and the wish to see it again; return how many rows are left."""
    frontier = Frontier(folder / DATABASE)
    try:
        for digest in frontier.forget(key(url)) + frontier.forget(url):
            drop_body(folder, frontier, digest)
        return write_rows(folder, frontier)
    finally:
        frontier.shut()
