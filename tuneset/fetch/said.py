"""What the commands about datasets elsewhere print."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from rich.text import Text

from tuneset.report.words import size
from tuneset.terminal import console, plain, print_json, say, say_whole

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from tuneset.fetch.fetched import Ahead
    from tuneset.fetch.search import Searched

SHOWN = 8  # files of an address


def candidates(found: Searched, *, as_json: bool) -> None:
    """Print datasets that may fit, best first, with what is known of them, and which places did not answer."""
    if as_json:
        print_json({"candidates": [each._asdict() for each in found.candidates], "says": found.says})
        return
    screen = console()
    for number, each in enumerate(found.candidates, 1):
        say(screen, Text(f"  {number:>2}  ", style="dim"), Text(each.address or each.url, style="bold"))
        sizes = (f"{each.rows:,} rows" if each.rows else "", size(each.bytes) if each.bytes else "")
        known = [
            each.licence or "no licence",
            *sizes,
            f"{each.downloads:,} downloads" if each.downloads else "",
            each.updated,
        ]
        say(screen, " " * 6, plain(" · ".join(filter(None, known)), 200))
        for words in (each.title, ", ".join(each.columns), each.says):
            if words and words not in each.address:
                say(screen, " " * 6, Text(plain(words, 160).plain, style="dim"))
        if each.warns:
            say(screen, " " * 6, Text(plain(each.warns, 200).plain, style="yellow"))
    for sentence in found.says:
        say(screen, "  ", plain(sentence, 300))
    if not found.candidates:
        say(screen, "  ", Text("Nothing was found. Try fewer or other words."))
        return
    first = next((each.address for each in found.candidates if each.address), "ADDRESS")
    say_whole(screen, Text.assemble("\n  Look at its rows: ", (f"tuneset peek {first}", "cyan")))


def ahead(found: Sequence[tuple[str, Ahead]], inputs: Sequence[str], *, as_json: bool) -> None:
    """Print what would be fetched for each source: its files with their sizes, its licence and revision."""
    if as_json:
        print_json([{"source": source, **each._asdict()} for source, each in found])
        return
    screen = console()
    for source, each in found:
        say(screen, "  ", Text.assemble((each.address, "bold"), (f"  {source}", "dim")))
        told = ("licence ", each.licence), ("revision ", each.revision[:12])
        known = [*(f"{name}{value}" for name, value in told if value), *each.says]
        say(screen, "    ", plain(" · ".join(known) or "nothing else is said of it", 300))
        _files(screen, each.files)
    if not found:
        say(screen, "  ", "Nothing would be fetched: all sources lie on this machine.")
    say_whole(screen, Text.assemble("\n  Next: ", (f"tuneset prepare {shlex.join(inputs)}", "cyan")))


def _files(screen: Console, files: Sequence[tuple[str, int]]) -> None:
    for name, count in files[:SHOWN]:
        say(screen, "    ", plain(f"{size(count) if count else 'not said':>9}  {name}", 200))
    if len(files) > 1:
        more = f", {len(files) - SHOWN:,} more files among them" if len(files) > SHOWN else ""
        say(screen, "    ", f"{size(sum(count for _, count in files)):>9}  in all{more}")
