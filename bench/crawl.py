"""Measure the crawler on this machine's own servers: its rate beside that of its reader alone, and many kills.

`python bench/crawl.py` crawls 5,000 pages of four hosts on loopback and holds the rate to .7 of the bare reader's on
the same cores. `--kills 50` kills a crawl of 500 pages at 50 random moments instead. Needs the `scrape` extra.
"""

from __future__ import annotations

import argparse
import gzip
import importlib
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
zoo: Any = importlib.import_module("zoo")

if TYPE_CHECKING:
    from tuneset.crawl.reading import Fetched, Outcome

LEAST = 0.7
HOSTS = 4
READ = 0.020  # seconds of work that real extraction of a page takes
_FILLER = "The quick brown fox jumps over the lazy dog and reads on about page {}, of which there are many. "


def site(pages: int, host: int) -> dict[str, Any]:
    def page(number: int) -> Any:
        links = [f"/{(number * 13 + step) % pages}" for step in range(1, 14)] + ["/0", "/1", "/2", "/about?x=1"]
        words = " ".join(f"w{(number * 7 + host * 3 + step * step) % 9973}" for step in range(200))
        return zoo.html(*links, text=_FILLER.format(number) * 20 + words + f" host {host}")

    return {f"/{number}": page(number) for number in range(pages)} | {"/about": zoo.html(text=f"about {host}")}


def read(page: Fetched) -> Outcome:
    """Read a page, and work on until it has taken as long as real extraction does, in time of the processor."""
    start = time.process_time()
    found: Outcome = zoo.read(page)
    while time.process_time() - start < READ:
        sum(range(500))
    return found


def serve(pages: int, ready: Any) -> None:
    """Serve in a process of its own, as a server elsewhere would."""
    zoos = [zoo.Zoo(f"127.0.0.{host + 1}", site(pages, host)) for host in range(HOSTS)]
    ready.send([each.place for each in zoos])
    ready.recv()


def bare(page: Fetched, number: int) -> float:
    """Read so many pages in as many processes as there are cores, and return pages per second."""
    cores = os.cpu_count() or 1
    with multiprocessing.get_context("spawn").Pool(cores) as pool:
        pool.map(read, [page] * cores * 2)
        start = time.perf_counter()
        pool.map(read, [page] * number, chunksize=8)
        return number / (time.perf_counter() - start)


def crawled(places: list[str], folder: Path) -> tuple[int, float]:
    from tuneset.crawl.crawler import crawl
    from tuneset.crawl.policy import Policy

    policy = Policy(contact="bench@example.org", own=frozenset(places), pace=0.0, depth=10_000, pages=10_000)
    start = time.perf_counter()
    done = crawl([f"http://{place}/0" for place in places], folder, policy, read)
    print(f"  {done.pages} pages, out {done.out}, closed {done.closed}")
    return done.pages, done.pages / (time.perf_counter() - start)


def rate(pages: int, rounds: int) -> bool:
    from tuneset.crawl.reading import Fetched

    ours, other = multiprocessing.get_context("spawn").Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(pages // HOSTS, other), daemon=True)
    server.start()
    places = ours.recv()
    shares = []
    with tempfile.TemporaryDirectory() as name:
        body = Path(name) / "body.gz"
        body.write_bytes(gzip.compress(site(20, 0)["/7"][2], 3))
        kind = {"content-type": "text/html; charset=utf-8"}
        page = Fetched("http://a/", "", "", 0, 200, kind, "", "", "", body, "", "unstated", "", "")
        for number in range(rounds):
            alone = bare(page, 400)
            count, whole = crawled(places, Path(name) / str(number))
            alone = (alone + bare(page, 400)) / 2
            shares.append(whole / alone)
            print(f"reader alone {alone:.1f} pages/s, crawl of {count} pages {whole:.1f} pages/s: {shares[-1]:.2f}")
    server.terminate()
    return statistics.median(shares) >= LEAST


def killed(kills: int) -> bool:
    with tempfile.TemporaryDirectory() as name:
        found = zoo.killed(Path(name), 500, kills, seed=kills)
    lost = 500 - len(set(found.rows))
    twice = len(found.rows) - len(set(found.rows))
    beyond = found.repeated - found.on_the_way
    print(f"{found.kills} kills ({found.silent} before any request): {lost} pages lost, {twice} twice in the output,")
    print(f"{found.repeated.total()} asked for again, {beyond.total()} of them not on their way at a kill")
    return not (lost or twice or beyond)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--pages", type=int, default=5_000)
    options.add_argument("--rounds", type=int, default=1)
    options.add_argument("--kills", type=int, default=0)
    asked = options.parse_args()
    sys.exit(not (killed(asked.kills) if asked.kills else rate(asked.pages, asked.rounds)))


if __name__ == "__main__":
    main()
