"""Collect the pages of sites into a folder that `prepare` reads, and take a page out again with all that came of it."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from tuneset.errors import RecipeError, RunError, TunesetError, need, unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from tuneset.crawl.asking import Event
    from tuneset.crawl.crawler import Crawled
    from tuneset.crawl.plan import Would
    from tuneset.crawl.policy import Policy

EXTRA = "scrape"
PACKAGES = ("protego", "tld", "trafilatura", "urllib3", "w3lib")
# Limits that a recipe or a command may set; the others are the crawler's own business.
LIMITS = (
    "domains",
    "include",
    "exclude",
    "sitemaps",
    "depth",
    "pages",
    "volume",
    "runtime",
    "on_deny",
    "browser",
    "own",
    "robots",
    "pace",
)
FILE_LIMITS = ("include", "exclude", "on_deny")  # of a WARC file, for which nobody is asked
_WARC = re.compile(r"(?!https?://).*\.warc(\.gz)?", re.IGNORECASE | re.DOTALL)


def is_warc(seed: str) -> bool:
    """Say whether a seed is a WARC file, by its name.

    >>> is_warc("crawls/may.warc.gz"), is_warc("https://example.org/may.warc.gz")
    (True, False)
    """
    return _WARC.fullmatch(seed) is not None


def scrape(  # noqa: PLR0913 - a seed and a contact will do
    seeds: str | Sequence[str],
    out: str | Path,
    *,
    contact: str = "",
    again: bool = False,
    warc: str | Path | None = None,
    watch: Callable[[Event], None] = lambda _: None,
    **limits: Any,
) -> Crawled:
    """Collect pages from the seeds on into the folder `out`, politely, and write `examples.jsonl` there.

    Where the seeds are WARC files (`*.warc`, `*.warc.gz`) their pages are read, and nobody is asked. `contact`: an e-mail
    or web address that the owners of the sites can write to; it is sent with every request. `limits`: domains, include,
    exclude, sitemaps, depth, pages, volume, runtime, on_deny, browser, own, robots, pace (docs/web.md). Killed at any
    moment, the same call goes on. `again` asks for changed pages. `warc`: a file (`*.warc.gz`) into which the pages that
    are kept are written, too.

    Errors: RecipeError for a seed or limit that cannot be; RunError where `out` is another crawl's at this moment, or
    holds something else and a WARC file is to be read into it; InputError where that is none; TunesetError where a browser is
    wanted and there is none.

    >>> scrape(["https://example.org"], "site", contact="nobody")
    Traceback (most recent call last):
    tuneset.errors.RecipeError: the crawler needs a contact: an e-mail address, or a web page that says who asks and why
      at   contact 'nobody'
      try  --contact you@example.org, or contact = "you@example.org" in the recipe
    """
    saved, seeds = _saved(warc), [seeds] if isinstance(seeds, str) else seeds
    if any(map(is_warc, seeds)):
        done = _loaded(seeds, Path(out), watch, limits)
    else:
        done = _crawled(_checked(seeds), Path(out), _policy(contact, limits), watch, again=again)
    if saved is None:
        return done
    from tuneset.crawl import warc as archive  # noqa: PLC0415  with urllib3 and lxml

    return done._replace(saved=archive.save(Path(out), saved))


def _saved(warc: str | Path | None) -> Path | None:
    """Say before a crawl of hours what would keep its file from being written."""
    if warc is None:
        return None
    need("warcio", "warc")
    if not str(warc).lower().endswith(".warc.gz"):
        raise RecipeError("a WARC file is written packed", str(warc), "name it something.warc.gz")
    return Path(warc)


def _loaded(seeds: Sequence[str], out: Path, watch: Callable[[Event], None], limits: dict[str, Any]) -> Crawled:
    if not all(map(is_warc, seeds)):
        raise RecipeError("WARC files and addresses are mixed", ", ".join(seeds), "take them one after the other")
    policy = _policy("nobody@example.org", limits, FILE_LIMITS)
    from tuneset.crawl import warc  # noqa: PLC0415  with urllib3 and lxml

    return warc.load(list(map(Path, seeds)), out, policy, watch)


def _crawled(
    seeds: Sequence[str], out: Path, policy: Policy, watch: Callable[[Event], None], *, again: bool
) -> Crawled:
    from tuneset.crawl.browser import Browser  # noqa: PLC0415  with urllib3 and lxml
    from tuneset.crawl.crawler import crawl  # noqa: PLC0415
    from tuneset.crawl.examples import read  # noqa: PLC0415

    with Browser(policy) if policy.browser else contextlib.nullcontext() as browser:
        render = browser.render if browser else None
        return crawl(seeds, out, policy, read, watch, again=again, render=render)


def plan(seeds: str | Sequence[str], *, contact: str = "", **limits: Any) -> tuple[Would, ...]:
    """Say what `scrape` would meet: robots.txt, the owners' words on training, sitemaps; no page is asked for."""
    seeds, policy = _checked([seeds] if isinstance(seeds, str) else seeds), _policy(contact, limits)
    from tuneset.crawl import plan as planning  # noqa: PLC0415  with urllib3 and lxml

    return planning.plan(seeds, policy)


def forget(folder: str | Path, url: str, *, watch: Callable[[Any], None] = lambda _: None) -> int:
    """Take a page out of a crawl's folder, or out of a run that was made from one, with every row that came of it.

    A run is prepared again, so that its files, its report and its exports hold nothing of the page any more. Returns how
    many rows of the crawls are left. What was published elsewhere must be taken back there.

    Errors: RunError where there is no crawl, or no such page in it.
    """
    crawls = _crawls(Path(folder))
    for package in PACKAGES:
        need(package, EXTRA)
    from tuneset.crawl import kept  # noqa: PLC0415  with urllib3 and lxml

    found = [kept.known(each, url) for each in crawls]
    if not any(there for there, _ in found):
        near = [f"did you mean {each}?" for _, named in found for each in named]
        raise RunError(
            f"no such page in it: {url}", str(folder), *near[:1] or ["give its address as `url` in the rows"]
        )
    left, before = 0, [_addresses(each) for each in crawls]
    for each in crawls:
        left += kept.forget(each, url)
    if Path(folder) not in crawls:
        gone = {address for each, was in zip(crawls, before, strict=True) for address in was - _addresses(each)}
        _forget_written(Path(folder), gone)
        _prepare_again(Path(folder), watch)
    return left


def _addresses(crawl: Path) -> set[str]:
    """List the addresses that a crawl has rows of."""
    from tuneset.crawl.kept import ROWS  # noqa: PLC0415  with urllib3 and lxml

    path = crawl / ROWS
    return {orjson.loads(line)["url"] for line in path.read_bytes().splitlines()} if path.exists() else set()


def _forget_written(run: Path, gone: Collection[str]) -> None:
    """Remove from a run what a model wrote from the rows of pages that are gone."""
    from tuneset.folder import Folder  # noqa: PLC0415  with polars
    from tuneset.generate import rows  # noqa: PLC0415

    read = Folder(run).table("get", "examples")
    if read is not None:
        of = read["origin"].str.json_path_match("$.url").is_in(sorted(gone))
        rows.forget(Folder(run), read.filter(of)["id"].to_list())


def _prepare_again(path: Path, watch: Callable[[Any], None]) -> None:
    """Prepare a run anew; where it cannot be, all it had made is removed: no word of the page may stay in it."""
    from tuneset import run  # noqa: PLC0415  with the stages
    from tuneset.folder import Folder, empty  # noqa: PLC0415

    try:
        run.prepare(path, watch=watch)
    except TunesetError as error:
        empty(Folder(path))
        what = f"the page is forgotten, and so are the files of this run, which cannot be prepared without it: {error.what}"
        hint = f"{error.hint}; change {path / 'recipe.toml'}, then: tuneset prepare {path}"
        raise RunError(what, error.where, hint) from error


def _crawls(folder: Path) -> list[Path]:
    """Find the crawls behind a folder: itself, or those that a run was made from."""
    from tuneset.dataset import Dataset  # noqa: PLC0415
    from tuneset.folder import INSIDE  # noqa: PLC0415

    if is_crawl(folder):
        return [folder]
    if (folder / INSIDE).is_dir():
        named = [Path(path) for source in Dataset.open(folder).recipe.sources for path in source.paths]
        stored = sorted((folder / INSIDE / "fetched").glob("*"))
        found = [each for path in [*named, *stored] for each in (path, path.parent) if is_crawl(each)]
        if found:
            return list(dict.fromkeys(found))
    raise RunError(
        "there are no crawled pages here", str(folder), "give the folder of a crawl, or of a run made from one"
    )


def is_crawl(folder: Path) -> bool:
    """Say whether a folder is what a crawl leaves."""
    return (folder / "crawl.sqlite").is_file()


def _policy(contact: str, limits: dict[str, Any], known: Sequence[str] = LIMITS) -> Policy:
    for package in PACKAGES:
        need(package, EXTRA)
    from tuneset.crawl.policy import Policy  # noqa: PLC0415

    for name in limits:
        if name not in known:
            raise unknown("limit", name, known, "scrape" if known is LIMITS else "reading a WARC file")
    try:
        several = {
            name: frozenset([value] if isinstance(value, str) else value)
            for name, value in limits.items()
            if name in ("own", "domains")
        }
        return Policy(contact=contact, **(limits | several))
    except (ValueError, TypeError) as error:
        hint = '--contact you@example.org, or contact = "you@example.org" in the recipe'
        where = f"contact {contact!r}" if "contact" in str(error) else "the limits of the crawl"
        raise RecipeError(str(error), where, hint if "contact" in str(error) else "see docs/web.md") from error


def _checked(seeds: Sequence[str]) -> list[str]:
    for seed in seeds:
        if not re.match(r"https?://[^/\s]+", seed):
            if is_warc(seed):
                raise RecipeError("this is a WARC file: nobody would be asked", seed, "leave --dry-run out")
            raise RecipeError("this is no address of a page", seed, "write it as https://forum.example.org/questions")
    return list(seeds)
