"""What the commands about pages of the web print."""

from __future__ import annotations

import contextlib
import shlex
import time
from typing import TYPE_CHECKING

from rich.text import Text

from tuneset.crawl.reasons import words
from tuneset.report.page import counted
from tuneset.terminal import console, plain, print_json, say, say_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tuneset.crawl.asking import Event
    from tuneset.crawl.crawler import Crawled
    from tuneset.crawl.plan import Would


@contextlib.contextmanager
def crawling(*, quiet: bool) -> Iterator[Callable[[Event], None]]:
    """Show how many pages are there, how fast they come, and how many addresses wait; a limit or Ctrl-C ends it."""
    began, screen = time.monotonic(), console()
    moving = not quiet and not screen.soft_wrap and not screen.is_dumb_terminal
    with screen.status("") if moving else contextlib.nullcontext() as status:

        def watch(event: Event) -> None:
            if status is None:
                return
            rate = event.done / max(time.monotonic() - began, 1e-3)
            left = f", {event.waiting / rate / 60:,.0f} min left" if rate and event.waiting else ""
            status.update(
                plain(f" {event.done:,} pages, {rate:.1f} a second, {event.waiting:,} wait{left}; {event.url}", 100)
            )

        yield watch


def crawled(done: Crawled, folder: str, *, as_json: bool) -> None:
    """Print what a crawl left: rows, pages, why others gave nothing, and how it goes on."""
    if as_json:
        print_json({**done._asdict(), "file": str(done.file)})
        return
    screen = console()
    if done.already:
        say(screen, "  ", "These files were read into this folder before: nothing was read again.")
    say(screen, "  ", Text(f"{done.rows:,} examples of {counted(done.pages, 'page')}", style="bold"))
    for reason, count in sorted(done.out.items(), key=lambda each: -each[1]):
        say(screen, "  ", plain(f"{counted(count, 'page')} left out: {words(reason)}", 200))
    for name, reason in done.closed.items():
        say(screen, "  ", plain(f"{name} is left alone: {words(reason)}", 200))
    if done.saved:
        say(screen, "  ", plain(f"{counted(done.saved, 'page')} written as WARC", 200))
    if done.beyond:
        say(
            screen,
            "  ",
            plain(f"{counted(done.beyond, 'address')} beyond the limit of their host are not asked for", 200),
        )
    left = done.waiting - done.beyond
    if left > 0 or done.stopped == "interrupted":
        why = done.stopped or "a host asks for patience"
        waits = "waits" if left == 1 else "wait"
        say(screen, "  ", plain(f"{counted(left, 'address')} {waits} ({why}): the same command goes on", 200))
    if done.rows:
        say_whole(screen, Text.assemble("\n  Next: ", (f"tuneset prepare {shlex.quote(folder)}", "cyan")))


def would(plans: Sequence[Would], *, as_json: bool) -> None:
    """Print what a crawl would meet at each seed."""
    if as_json:
        print_json([each._asdict() for each in plans])
        return
    screen = console()
    for each in plans:
        mark = ("✓ ", "bold green") if each.allowed else ("✗ ", "bold red")
        say(screen, Text.assemble("  ", mark), Text(plain(each.seed, 200).plain, style="bold"))
        known = [
            words(each.why) if each.why else "",
            f"a pause of {each.delay:g} s",
            f"training: {each.preference} {each.evidence}".rstrip(),
        ]
        say(screen, " " * 4, plain(" · ".join(filter(None, known)), 300))


def forgotten(url: str, left: int, *, as_json: bool) -> None:
    """Print what is left once a page is forgotten."""
    if as_json:
        print_json({"forgotten": url, "rows": left})
        return
    screen = console()
    say(screen, "  ", plain(f"{url} is forgotten; {counted(left, 'example')} of the crawl stay", 300))
    say(screen, "  ", Text("What you published or copied elsewhere still holds it: take it back there."))
