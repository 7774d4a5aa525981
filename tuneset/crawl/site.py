"""Collect the pages of sites into a folder that `prepare` reads, and take a page out again with all that came of it."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuneset.errors import RecipeError, RunError, need, unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tuneset.crawl.crawler import Crawled, Event, Would
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


def scrape(
    seeds: Sequence[str],
    out: str | Path,
    *,
    contact: str,
    again: bool = False,
    watch: Callable[[Event], None] = lambda _: None,
    **limits: Any,
) -> Crawled:
    """Collect pages from the seeds on into the folder `out`, politely, and write `examples.jsonl` there.

    `contact`: an e-mail or web address that the owners of the sites can write to; it is sent with every request. `limits`:
    domains, include, exclude, sitemaps, depth, pages, volume, runtime, on_deny, browser, own, robots, pace (docs/web.md).
    Killed at any moment, the same call goes on. `again` asks for changed pages.

    Errors: RecipeError for a seed or limit that cannot be; RunError where `out` is another crawl's at this moment;
    TunesetError where a browser is wanted and there is none.

    >>> scrape(["https://example.org"], "site", contact="nobody")
    Traceback (most recent call last):
    tuneset.errors.RecipeError: the crawler needs a contact: an e-mail address, or a web page that says who asks and why
      at   contact 'nobody'
      try  --contact you@example.org, or contact = "you@example.org" in the recipe
    """
    policy, seeds = _policy(contact, limits), _checked(seeds)
    from tuneset.crawl.browser import Browser  # noqa: PLC0415  with urllib3 and lxml
    from tuneset.crawl.crawler import crawl  # noqa: PLC0415
    from tuneset.crawl.examples import read  # noqa: PLC0415

    with Browser(policy) if policy.browser else contextlib.nullcontext() as browser:
        render = browser.render if browser else None
        return crawl(seeds, Path(out), policy, read, watch, again=again, render=render)


def plan(seeds: Sequence[str], *, contact: str, **limits: Any) -> tuple[Would, ...]:
    """Say what `scrape` would meet: robots.txt, the owners' words on training, sitemaps; no page is asked for."""
    policy = _policy(contact, limits)
    from tuneset.crawl import crawler  # noqa: PLC0415  with urllib3 and lxml

    return crawler.plan(_checked(seeds), policy)


def forget(folder: str | Path, url: str, *, watch: Callable[[Any], None] = lambda _: None) -> int:
    """Take a page out of a crawl's folder, or out of a run that was made from one, with every row that came of it.

    A run is prepared again, so that its files, its report and its exports hold nothing of the page any more. Returns how
    many rows of the crawls are left. What was published elsewhere must be taken back there.

    Errors: RunError where there is no crawl, or no such page in it.
    """
    crawls = _crawls(Path(folder))
    for package in PACKAGES:
        need(package, EXTRA)
    from tuneset.crawl import crawler  # noqa: PLC0415  with urllib3 and lxml

    left = 0
    for each in crawls:
        left += crawler.forget(each, url)
    if Path(folder) not in crawls:
        from tuneset import run  # noqa: PLC0415  with the stages

        run.prepare(folder, watch=watch)
    return left


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


def _policy(contact: str, limits: dict[str, Any]) -> Policy:
    for package in PACKAGES:
        need(package, EXTRA)
    from tuneset.crawl.policy import Policy  # noqa: PLC0415

    for name in limits:
        if name not in LIMITS:
            raise unknown("limit", name, LIMITS, "scrape")
    given: dict[str, Any] = {
        name: frozenset(value) if name == "own" else tuple(value) if name == "domains" else value
        for name, value in limits.items()
    }
    try:
        return Policy(contact=contact, **given)
    except (ValueError, TypeError) as error:
        hint = '--contact you@example.org, or contact = "you@example.org" in the recipe'
        where = f"contact {contact!r}" if "contact" in str(error) else "the limits of the crawl"
        raise RecipeError(str(error), where, hint if "contact" in str(error) else "see docs/web.md") from error


def _checked(seeds: Sequence[str]) -> list[str]:
    for seed in seeds:
        if not re.match(r"https?://[^/\s]+", seed):
            raise RecipeError("this is no address of a page", seed, "write it as https://forum.example.org/questions")
    return list(seeds)
