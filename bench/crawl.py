"""Measure the crawler on this machine's own servers: its rate beside that of its reader alone, and many kills.

`python bench/crawl.py` crawls 5,000 pages of four hosts on loopback, real pages with words of their own from the n-gram
model of rows.py, and holds the rate to .7 of that at which the reader alone works through the same pages on the same
cores. `--kills 50` kills a crawl of 500 pages at 50 random moments instead. Needs the `scrape` extra and the shared data.
"""

from __future__ import annotations

import argparse
import gzip
import html
import importlib
import multiprocessing
import os
import re
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rows

from tuneset.crawl.examples import read

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
zoo: Any = importlib.import_module("zoo")

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuneset.crawl.reading import Fetched

LEAST = 0.7
HOSTS = 4
SAYS = 12  # rows of the n-gram model in each page


def real() -> list[str]:
    """Return the saved pages, without their own addresses and their owners' words to robots."""
    saved = sorted((rows.DATA / "web_pages" / "html").glob("*.html.gz"))
    texts = [gzip.decompress(path.read_bytes()).decode("utf-8", "replace") for path in saved]
    return [re.sub(r"""(?i)\bhref\s*=|name=["']?robots""", "data-was=", text) for text in texts]


def site(pages: int, host: int) -> Callable[[str], Any]:
    """Answer for a host's pages, each with words of its own and links to others."""
    bodies, said = real(), rows.ngram_rows(pages * SAYS, seed=host)["text"].to_list()

    def page(number: int) -> bytes:
        links = "".join(f'<a href="/{(number * 13 + step) % pages}">{step}</a> ' for step in range(1, 14))
        own = "".join(f"<p>{html.escape(text)}</p>" for text in said[number * SAYS : (number + 1) * SAYS])
        whole = bodies[(number * HOSTS + host) % len(bodies)]
        head, end, rest = whole.rpartition("</body>")
        return f"{head}<article>{own}</article>{links}{end}{rest}".encode()

    def answer(path: str) -> Any:
        number = path.strip("/")
        return (200, {}, page(int(number))) if number.isdigit() and int(number) < pages else (404, {}, b"")

    return answer


def serve(pages: int, ready: Any) -> None:
    """Serve in a process of its own, as a server elsewhere would."""
    zoos = [zoo.Zoo(f"127.0.0.{host + 1}", otherwise=answering(site(pages, host))) for host in range(HOSTS)]
    ready.send([each.place for each in zoos])
    ready.recv()


def answering(answer: Callable[[str], Any]) -> Callable[[Any], Any]:
    """Let the zoo ask by path."""
    return lambda request: answer(request.path)


def bare(given: list[Fetched]) -> float:
    """Read pages in as many processes as there are cores, and return pages per second."""
    cores = os.cpu_count() or 1
    with multiprocessing.get_context("spawn").Pool(cores) as pool:
        pool.map(read, given[: cores * 2])
        start = time.perf_counter()
        pool.map(read, given, chunksize=8)
        return len(given) / (time.perf_counter() - start)


def crawled(places: list[str], folder: Path) -> tuple[int, float]:
    from tuneset.crawl.crawler import crawl
    from tuneset.crawl.policy import Policy

    # what the n-gram model says ends as a trap, which it is; here the pages are counted, not what they bring
    limits: dict[str, Any] = {"pace": 0.0, "depth": 10_000, "pages": 10_000, "window": 10_000}
    policy = Policy(contact="bench@example.org", own=frozenset(places), **limits)
    start = time.perf_counter()
    done = crawl([f"http://{place}/0" for place in places], folder, policy, read)
    print(f"  {done.pages} pages, out {done.out}, closed {done.closed}")
    return done.pages, done.pages / (time.perf_counter() - start)


def sample(folder: Path, pages: int) -> list[Fetched]:
    """Write one page in ten as the crawl keeps them, for the reader alone."""
    from tuneset.crawl.reading import Fetched

    kind, given = {"content-type": "text/html; charset=utf-8"}, []
    for host in range(HOSTS):
        answer = site(pages // HOSTS, host)
        for number in range(0, pages // HOSTS, 10):
            body = folder / f"{host}-{number}.gz"
            body.write_bytes(gzip.compress(answer(f"/{number}")[2], 3))
            url = f"http://{host}.example/{number}"
            given.append(Fetched(url, url, "", 0, 200, kind, "", "", "", body, "", "unstated", "", ""))
    return given


def rate(pages: int, rounds: int) -> bool:
    ours, other = multiprocessing.get_context("spawn").Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(pages // HOSTS, other), daemon=True)
    server.start()
    places = ours.recv()
    shares = []
    with tempfile.TemporaryDirectory() as name:
        given = sample(Path(name), pages)
        for number in range(rounds):
            before = bare(given)
            count, whole = crawled(places, Path(name) / str(number))
            alone = (before + bare(given)) / 2
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
