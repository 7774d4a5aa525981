"""What `tuneset generate --dry-run` prints: what is missing, three whole requests, and what asking may cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.text import Text

from tuneset.ask.budget import figure
from tuneset.report.page import counted
from tuneset.terminal import console, plain, print_json, say

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rich.console import Console

    from tuneset.ask import Estimate
    from tuneset.generate.made import Would
    from tuneset.run import Event

SHOWN = 12  # cells


def would(found: Would, *, as_json: bool) -> None:
    """Print what asking would come to; the requests are shown as they would be sent, without the key."""
    if as_json:
        told = {
            name: each and each._asdict() for name, each in (("answering", found.answering), ("judging", found.judging))
        }
        cells = [each._asdict() | {"fixed": dict(each.fixed)} for each in found.cells]
        there = {"unanswered": found.unanswered, "unread": found.unread, "itself": found.itself}
        print_json({"cells": cells, "writing": found.writing._asdict(), **told, **there})
        return
    screen = console()
    rows = sum(cell.rows for cell in found.cells)
    asked = (
        f"{counted(found.writing.requests, 'answer')} would be rewritten"
        if found.writing.requests
        else "Nothing is missing"
    )
    head = f"{counted(rows, 'row')} would be written" if rows else asked
    answers = f"{found.unanswered:,} that are there would get their answer" if found.unanswered else ""
    read = f"{found.unread:,} that are there would be judged" if found.unread else ""
    say(screen, "  ", Text("; ".join(filter(None, (head, answers, read))), style="bold"))
    for cell in found.cells[:SHOWN]:
        say(screen, f"  {cell.rows:>6,}  ", Text.assemble(plain(cell.labels or "texts", 70), (f"  {cell.why}", "dim")))
    if len(found.cells) > SHOWN:
        say(screen, "          ", Text(f"and {counted(len(found.cells) - SHOWN, 'more label')}", style="dim"))
    for number, prompt in enumerate(found.writing.prompts, 1):
        screen.print()
        say(screen, "  ", Text(f"Request {number} of {found.writing.requests:,}", style="bold"))
        for line in prompt.replace("\\n", "\n").splitlines():
            say(screen, "    ", plain(line, 2000))
    screen.print()
    _estimate(screen, "writing", found.writing)
    for what, estimate in (("answering", found.answering), ("judging", found.judging)):
        if estimate:
            _estimate(screen, what, estimate)
    if found.itself:
        say(screen, "  ", plain(found.itself, 200))
    if any(each and each.requests for each in (found.writing, found.answering, found.judging)):
        say(screen, "\n  ", Text("Nothing was sent. The same command without --dry-run asks.", style="dim"))


def noting(watch: Callable[[Event], None], came: list[Mapping[str, Any]]) -> Callable[[Event], None]:
    """Show events as they come, and note what a model was asked for and gave."""

    def noted(event: Event) -> None:
        watch(event)
        if event.stage == "write" and event.facts:
            came.append(event.facts)

    return noted


def in_vain(came: Sequence[Mapping[str, Any]]) -> bool:
    """Say whether a model was asked for rows, or a judge to read them, and none came of it that may be kept.

    >>> nothing = {"asked": 0, "came": 0, "unread": 0, "gained": 0}
    >>> in_vain([nothing | {"asked": 5}]), in_vain([nothing | {"unread": 3}]), in_vain([nothing])
    (True, True, False)
    """
    return any((each["asked"] or each["unread"]) and not each["gained"] for each in came)


def _estimate(screen: Console, what: str, found: Estimate) -> None:
    known = f", {found.known:,} are answered already" if found.known else ""
    cost = f"at most {figure(found.money)}" if found.money is not None else "prices are not known"
    tokens = f"{found.prompt:,} tokens to read, at most {found.completion:,} to write"
    spent = f"; {figure(found.spent)} spent before" if found.spent else ""
    money = f" ({figure(found.reserves[0])})" if found.money else ""
    reserves = f": one request reserves up to {found.reserves[1]:,} tokens{money} until its answer is there"
    room = "" if found.enough else f"; the limit does not allow all of it{reserves}"
    say(screen, "  ", plain(f"{what}: {counted(found.requests, 'request')}{known}; {tokens}; {cost}{spent}{room}", 300))
