"""Bring what the addresses of a recipe's sources name into the run folder, and say where it lies and what is known of it."""

from __future__ import annotations

import json
import shutil
import time
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import polars as pl

from tuneset import model
from tuneset.crawl.reasons import words
from tuneset.crawl.site import is_warc, plan, scrape
from tuneset.errors import RunError, unknown
from tuneset.fetch.addresses import ahead as _ahead
from tuneset.fetch.addresses import fetch, is_address
from tuneset.fetch.fetched import About, Ahead, Event, Fetched, folder_name, there
from tuneset.fetch.licences import duty, forbids, terms
from tuneset.folder import file_hash, hash_of, to_json, write
from tuneset.report.words import counted, size

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from tuneset.recipe import Source

STORE = "fetched"  # a folder of `.tuneset`
ROWS, ENDED = "examples.jsonl", "ended.json"  # of a crawl
RULE = "licence"


def bring(sources: Sequence[Source], store: Path, say: Callable[[str], None]) -> list[tuple[Source, Fetched]]:
    """Fetch every address of every source into a folder of its own below `store`; what is there already is taken."""
    crawled = [(source, _crawled(source, store, say)) for source in sources if source.kind == "web"]
    return crawled + [
        (source, fetch(path, store / folder_name(path, source.query), _told(say), query=_query(path, source)))
        for source in sources
        for path in source.paths
        if is_address(path) and source.kind == "files"
    ]


def bring_again(sources: Sequence[Source], store: Path, say: Callable[[str], None]) -> None:
    """Fetch what addresses name anew, beside what is there, and take its place only when it is whole.

    Crawled pages stay: a site is asked once.
    """
    for source in sources:
        for path in source.paths if source.kind == "files" else ():
            old = store / folder_name(path, source.query)
            if not is_address(path) or not old.exists():
                continue
            new, gone = (old.with_name(f"{old.name}-{word}") for word in ("new", "old"))
            for each in (new, gone):
                shutil.rmtree(each, ignore_errors=True)
            fetch(path, new, _told(say), query=_query(path, source))
            old.rename(gone)
            new.rename(old)
            shutil.rmtree(gone)


def ahead(sources: Sequence[Source]) -> list[tuple[str, Ahead]]:
    """Say, source by source, what `bring` would fetch; files of this machine are not among it."""
    return [
        (source.name, each)
        for source in sources
        for path in source.paths
        for each in (_pages(source, path) if source.kind == "web" else [_ahead(path)] if is_address(path) else [])
    ]


def _pages(source: Source, seed: str) -> list[Ahead]:
    would = () if is_warc(seed) else plan(seed, contact=source.contact, **source.crawl)
    return [
        Ahead(
            each.seed,
            says=(
                *([words(each.why)] if each.why else []),
                f"training: {each.preference} {each.evidence}".rstrip(),
            ),
        )
        for each in would
    ]


def _crawled(source: Source, store: Path, say: Callable[[str], None]) -> Fetched:
    """Crawl the sites of a source or read its WARC files, or take what this has left when it came to its end."""
    folder = _crawl_folder(source, store)
    if not _has_ended(source, folder):
        bytes_of = _files_read(source)
        if bytes_of:  # a file is read whole or not at all; a crawl goes on
            shutil.rmtree(folder, ignore_errors=True)
        done = scrape(
            source.paths,
            folder,
            contact=source.contact,
            watch=lambda event: say(f"{event.done:,} pages, {event.waiting:,} wait; {event.url}"),
            **source.crawl,
        )
        if done.stopped == "interrupted":
            raise KeyboardInterrupt(
                f"the crawl was interrupted: {counted(done.pages, 'page')} read, {counted(done.waiting, 'address')} left"
            )
        if not done.rows:
            reasons = "; ".join(map(words, dict.fromkeys([*done.out, *done.closed.values()])))
            what = f"no page gave a row{f': {reasons}' if reasons else ''}"
            raise RunError(what, ", ".join(source.paths), "look at one of the pages, and at `crawl` and `contact`")
        out = {"rows": done.rows, "pages": done.pages, "out": done.out, "closed": done.closed, "read": bytes_of}
        write(folder / ENDED, to_json(out))
    ended = orjson.loads((folder / ENDED).read_bytes())
    says = (
        f"{ended['pages']:,} pages gave {ended['rows']:,} rows",
        *(f"{each[1]:,} pages left out: {words(each[0])}" for each in ended["out"].items()),
    )
    return Fetched((folder / ROWS,), About(", ".join(source.paths), says=says))


def _files_read(source: Source) -> str:
    """Hash the WARC files of a source; empty where it has none, or one of them is not there."""
    files = [Path(path) for path in source.paths if is_warc(path)]
    return hash_of([_hashed(path, *_state(path)) for path in files]) if files and all(map(Path.is_file, files)) else ""


def _state(path: Path) -> tuple[int, int]:
    held = path.stat()
    return held.st_size, held.st_mtime_ns


@lru_cache(maxsize=64)
def _hashed(path: Path, _size: int, _changed: int) -> str:
    """Hash a file once for each state of it: a run asks several times, and an archive has gigabytes."""
    return file_hash(path)


def _has_ended(source: Source, folder: Path) -> bool:
    """Say whether a source has been crawled to its end, or its WARC files read as they now are."""
    try:
        ended = orjson.loads((folder / ENDED).read_bytes())
    except FileNotFoundError:
        return False
    return _files_read(source) in ("", ended["read"])


def _crawl_folder(source: Source, store: Path) -> Path:
    return store / folder_name(" ".join(source.paths), json.dumps(source.crawl, sort_keys=True, default=str))


def files(source: Source, path: str, store: Path) -> list[str] | None:
    """List the files that an address became, of the splits that the source wants; None where it is not fetched yet."""
    if source.kind == "web":
        made = _crawl_folder(source, store)
        return [str(made / ROWS)] if path == source.paths[0] and _has_ended(source, made) else None
    found = there(store / folder_name(path, source.query), path, _query(path, source))
    if found is None:
        return None
    splits = set(found.about.splits.values())
    for split in source.splits:
        if split not in splits:
            raise unknown("split", split, splits, path)
    wanted = [file for file in found.files if not source.splits or found.about.splits.get(file.name) in source.splits]
    return [str(file) for file in wanted]


def about(source: Source, brought: Sequence[tuple[Source, Fetched]]) -> dict[str, str]:
    """Say of a source what stands in the origin of each of its rows: its licence, and the address and revision it is of."""
    known = [fetched.about for whose, fetched in brought if whose is source]
    licences = [source.licence] if source.licence else [each.licence for each in known]
    told = {
        "licence": licences,
        "address": [each.address for each in known],
        "revision": [each.revision for each in known],
    }
    return {name: ", ".join(dict.fromkeys(filter(None, values))) for name, values in told.items() if any(values)}


def labels(source: Source, brought: Sequence[tuple[Source, Fetched]]) -> list[str]:
    """Return a source's label columns: those that the user names, or else those that the places of its files know."""
    known = [name for whose, fetched in brought if whose is source for name in fetched.about.labels]
    return source.labels or list(dict.fromkeys(known))


def said(brought: Sequence[tuple[Source, Fetched]]) -> Iterator[str]:
    """Say what was fetched, under which licence, and what that asks for."""
    for source, (_, known) in brought:
        licence = source.licence or known.licence
        unsaid = "each page has the licence that it names, or none" if source.kind == "web" else "no licence is given"
        terms = f"licence {licence}" if licence else unsaid
        asks = f"; {duty(licence)}" if licence and duty(licence) else ""
        revision = f", revision {known.revision[:12]}" if known.revision else ""
        yield f"{known.address}{revision}: {terms}{asks}"
        yield from known.says


def licences(sources: Sequence[Source], brought: Sequence[tuple[Source, Fetched]]) -> dict[str, str]:
    """Return the licence of each source that is to be looked at: of fetched ones, and what the user says where it is a known one."""
    told = {source.name: about(source, brought).get("licence", "") for source in sources}
    elsewhere = {source.name for source, _ in brought if not source.licence}
    return {name: licence for name, licence in told.items() if name in elsewhere or (licence and terms(licence))}


def forbidden(examples: pl.DataFrame, licences: dict[str, str], use: str, own: Collection[str] = ()) -> pl.DataFrame:
    """Say of every row whose licence forbids the use, or is none that is known, that accepting drops it.

    `licences`: by the source's name, for those that have one or were fetched; crawled pages are looked at wherever they lie,
    but for the sources in `own`, whose licence the user has said. A row whose origin names a licence, as pages and posts
    do, is under that one.
    """
    elsewhere = pl.col("source").is_in(sorted(licences))
    # reading every row's JSON takes a second a million rows; few sources have the word in it
    may_be = pl.col("extra").str.contains('"extractor"', literal=True) & ~pl.col("source").is_in(sorted(own))
    crawled = pl.col("extra").str.json_path_match("$.extractor").is_not_null()
    of = (
        examples.filter((elsewhere | may_be) & pl.col("text").is_not_null())
        .filter(elsewhere | crawled)
        .select("id", "source", licence=pl.col("origin").str.json_path_match("$.licence").fill_null(""))
    )
    said = {licence: words for licence in of["licence"].unique() if (words := forbids(licence, use))}
    out = of.filter(pl.col("licence").is_in(sorted(said)))
    return model.as_findings(
        out.select(
            rule=pl.lit(RULE),
            example="id",
            action=pl.lit("drop"),
            when=pl.lit("on-accept"),
            says=pl.format("{}: {}", "source", pl.col("licence").replace_strict(said, return_dtype=pl.String)),
        )
    )


def _query(path: str, source: Source) -> str:
    return source.query if path.startswith("sql:") else ""


def _told(say: Callable[[str], None]) -> Callable[[Event], None]:
    """Say how far a file is, how fast it comes and how long it takes."""
    began: dict[str, tuple[float, int]] = {}

    def watch(event: Event) -> None:
        start, first = began.setdefault(event.file, (time.monotonic(), event.bytes))
        seconds = time.monotonic() - start
        rate = (event.bytes - first) / seconds if seconds > 0.5 else 0.0
        left = f", {(event.of - event.bytes) / rate:,.0f} s left" if rate and event.of > event.bytes else ""
        speed = f", {size(int(rate))} a second" if rate else ""
        of = f" of {size(event.of)}" if event.of else ""
        say(f"{event.file}: {event.says or f'{size(event.bytes)}{of}{speed}{left}'}")

    return watch


def facts(brought: Sequence[tuple[Source, Fetched]]) -> list[dict[str, Any]]:
    """Return what the ledger keeps of each address."""
    return [
        {"source": source.name, **known._asdict(), "splits": dict(known.splits), "stands": dict(known.stands)}
        for source, (_, known) in brought
    ]
