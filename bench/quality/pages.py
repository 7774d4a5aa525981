"""How much of a page's main text comes out, and how little else: ours beside trafilatura's default, by type of page.

114 pages of the WCXB benchmark's test split (CC BY 4.0), with main text marked by people: F1 of the words, as in bags, of
each page, and their mean by type. The pages' JSON-LD was taken out by who saved them: what it adds is not seen here.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import sys
import time
from collections import Counter
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tuneset.crawl import posts
from tuneset.crawl.text import decoded, main_text
from tuneset.errors import need

DATA = Path(os.environ.get("TUNESET_DATA", Path(__file__).parents[3] / "shared" / "data"))
# Of the pages and their truth: figures of other pages are not held to these floors.
CORPUS = "c8d2a03788276e5f"
DRAWS = 10_000


class Row(NamedTuple):
    """What one page gave: its type, both F1, both times in seconds of this process."""

    kind: str
    half: int
    ours: float
    default: float
    seconds: float
    default_seconds: float
    unlisted: float  # our F1 with no forum software known by name


def corpus(folder: Path) -> str:
    """Return the hash of all pages and their truth, unpacked."""
    whole = sha256()
    for path in [folder / "ground-truth.jsonl.gz", *sorted((folder / "html").glob("*.html.gz"))]:
        whole.update(gzip.decompress(path.read_bytes()))
    return whole.hexdigest()[:16]


def f1(found: str, truth: str) -> float:
    """Return the F1 of two texts as bags of words."""
    ours, theirs = (Counter(re.findall(r"\w+", text.lower())) for text in (found, truth))
    if not ours or not theirs:
        return float(ours == theirs)
    return 2 * (ours & theirs).total() / (ours.total() + theirs.total())


def rows(folder: Path) -> list[Row]:
    """Read each page both ways."""
    default, known = need("trafilatura", "scrape"), dict(posts.ENGINES)
    main_text("<p>What loads on the first call is not timed.</p>")
    found = []
    for line in gzip.decompress((folder / "ground-truth.jsonl.gz").read_bytes()).splitlines():
        truth = json.loads(line)
        page, _ = decoded(gzip.decompress((folder / "html" / f"{truth['file_id']}.html.gz").read_bytes()))
        begun = time.process_time()
        ours = main_text(page, truth["url"]).text
        between = time.process_time()
        theirs = default.extract(page, url=truth["url"]) or ""
        ended = time.process_time()
        posts.ENGINES.clear()
        unlisted = main_text(page, truth["url"]).text if truth["page_type"] == "forum" else ours
        posts.ENGINES.update(known)
        of_ours, of_theirs, of_unlisted = (f1(text, truth["main_content"] or "") for text in (ours, theirs, unlisted))
        half = int(truth["file_id"]) % 2
        found.append(Row(truth["page_type"], half, of_ours, of_theirs, between - begun, ended - between, of_unlisted))
    return found


def interval(gains: np.ndarray) -> tuple[float, float]:
    """Return the bootstrap's 95 % interval of a mean."""
    drawn = np.random.default_rng(0).choice(gains, (DRAWS, len(gains))).mean(axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(low), float(high)


def mean(of: list[Row], column: str) -> float:
    """Return the mean of a column."""
    return float(np.mean([getattr(row, column) for row in of]))


def measure(data: Path) -> dict[str, float]:
    folder = data / "web_pages"
    if corpus(folder) != CORPUS:
        sys.exit(f"these are not the pages that the floors were measured on: {corpus(folder)}, not {CORPUS}")
    return figures_of(rows(folder))


def figures_of(read: list[Row]) -> dict[str, float]:
    """Return what is held to floors: F1 by type, what forums gain, and what no type may lose."""
    kinds = {kind: [row for row in read if row.kind == kind] for kind in sorted({row.kind for row in read})}
    figures = {f"pages.{kind}.f1": mean(of, "ours") for kind, of in kinds.items()}
    losses = [mean(of, "default") - mean(of, "ours") for of in kinds.values()]
    forum = np.array([row.ours - row.default for row in kinds["forum"]])
    return figures | {
        "pages.forum.gain": float(forum.mean()),
        "pages.forum.gain.low": interval(forum)[0],
        "pages.forum.unlisted.f1": mean(kinds["forum"], "unlisted"),
        "pages.largest_loss": max(0.0, *losses),
    }


def table(read: list[Row]) -> None:
    """Print both ways side by side: whole, by halves, and in milliseconds."""
    print(
        f"{'':16}{'pages':>6}{'default':>9}{'ours':>7}   {'even half':>15}   {'odd half':>15}   {'ms default':>10}{'ms ours':>9}"
    )
    for kind in [*sorted({row.kind for row in read}), ""]:
        of = [row for row in read if kind in {row.kind, ""}]
        halves = [[row for row in of if row.half == half] for half in (0, 1)]
        parts = "   ".join(f"{mean(half, 'default'):.3f} -> {mean(half, 'ours'):.3f}" for half in halves)
        times = f"{1000 * mean(of, 'default_seconds'):>10.0f}{1000 * mean(of, 'seconds'):>9.0f}"
        print(f"{kind or 'all':16}{len(of):>6}{mean(of, 'default'):>9.3f}{mean(of, 'ours'):>7.3f}   {parts}   {times}")
    low, high = interval(np.array([row.ours - row.default for row in read if row.kind == "forum"]))
    print(f"forum gain, 95 % interval: {low:.3f} to {high:.3f}")


if __name__ == "__main__":
    print(f"corpus {corpus(DATA / 'web_pages')}")
    measured = rows(DATA / "web_pages")
    table(measured)
    for what, figure in figures_of(measured).items():
        print(f"{what:44} {figure:.4f}")
