"""What the commands print: plain words, one line a stage, a verdict, and what to do next."""

from __future__ import annotations

import contextlib
import re
import sys
from typing import TYPE_CHECKING, Any

import orjson
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tuneset import __version__
from tuneset.report.page import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    import polars as pl

    from tuneset.dataset import Dataset
    from tuneset.run import Event
    from tuneset.sources import Read

LEVELS = {"ready": ("✓", "bold green"), "look": ("◐", "bold yellow"), "not-ready": ("✗", "bold red")}
# C0 and C1 controls, bidirectional overrides: text from a dataset must not steer the terminal.
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def console() -> Console:
    """Return the console for standard output; colours only where a person looks, never with NO_COLOR."""
    return Console(highlight=False, soft_wrap=not sys.stdout.isatty())


def plain(text: object, most: int = 100) -> Text:
    r"""Make any text safe and short enough for one line of a terminal.

    >>> plain("a\x1b[31mb\nc").plain
    'a [31mb c'
    """
    words = CONTROL.sub(" ", str(text)) if text is not None else "—"
    return Text(words if len(words) <= most else f"{words[: most - 1]}…")


def print_json(value: Any) -> None:
    """Print one JSON object on standard output."""
    sys.stdout.buffer.write(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


@contextlib.contextmanager
def progress(*, quiet: bool) -> Iterator[Callable[[Event], None]]:
    """Show each stage as it goes: its name, what it did, and how long it took."""
    if quiet:
        yield lambda _: None
        return
    screen = console()
    screen.print(Text(f"tuneset {__version__}", style="dim"))
    with screen.status("") as status:

        def watch(event: Event) -> None:
            if event.kind == "start":
                status.update(f" {event.stage} …")
                return
            took = "unchanged" if event.kind == "unchanged" else f"{event.seconds:.1f} s"
            line = Text.assemble((f"  {event.stage:<8}", "bold"), plain(event.says, 90), (f"  {took}", "dim"))
            screen.print(line)
            if event.stage == "get":
                _read_details(screen, event.facts or {})

        yield watch


def _read_details(screen: Console, facts: Mapping[str, Any]) -> None:
    for sentence in facts["said"][1:]:
        screen.print(Text("          ") + plain(sentence, 160), style="dim")
    preview = facts["preview"]
    if preview["rows"]:
        screen.print(Padding(_rows(preview["columns"], preview["rows"], 5), (0, 0, 0, 10)))


def _rows(names: Sequence[str], rows: Sequence[Sequence[object]], most: int) -> Table:
    """Lay the first rows out as a table of at most so many columns."""
    table = Table(box=None, header_style="dim", padding=(0, 2, 0, 0), expand=False)
    for name in names[:most]:
        table.add_column(plain(name, 24), overflow="ellipsis", no_wrap=True, max_width=48)
    for row in rows:
        table.add_row(*(plain(value, 60) for value in row[:most]))
    return table


def closing(dataset: Dataset, summary: Mapping[str, Any], *, as_json: bool) -> None:
    """Print the first example, the verdict, the balance, the next actions and the way to the report."""
    if as_json:
        print_json({**summary, "run": str(dataset.path), "report": str(dataset.report)})
        return
    screen = console()
    screen.print()
    if summary["first"]:
        _first_example(screen, summary["first"])
    mark, style = LEVELS[summary["verdict"]["level"]]
    screen.print(Text(f"  {mark} {summary['verdict']['words']}", style=style))
    for reason in summary["verdict"]["reasons"]:
        screen.print(f"    {reason}")
    balance = summary["balance"]
    kept = f"{balance['in']:,} in = {balance['kept']:,} kept + {balance['dropped']:,} dropped + {balance['merged']:,} merged"
    screen.print(f"    {kept}")
    for sentence in (_leaks(summary["certificate"]), (summary["uncertainty"] or {}).get("words")):
        if sentence:
            screen.print(f"    {sentence}")
    screen.print()
    screen.print(Text("  Next", style="bold"))
    for number, action in enumerate(summary["next"], 1):
        screen.print(Text.assemble(f"  {number}  {action['words']}. ", (action["why"], "dim")))
        screen.print(Text(f"     {action['command']}", style="cyan"))
    screen.print()
    screen.print(Text.assemble("  Report  ", (str(dataset.report), "cyan")))


def _first_example(screen: Console, first: Mapping[str, Any]) -> None:
    screen.print(Text("  The first example, as the model will read it", style="dim"))
    for turn in first.get("messages", [])[:6]:
        content = turn.get("content") or turn.get("tool_calls")
        shown = content if isinstance(content, str) else orjson.dumps(content).decode()
        screen.print(Text.assemble((f"    {turn.get('role', '?'):<10}", "bold"), plain(shown, 100)))
    screen.print()


def _leaks(certificate: Mapping[str, Any] | None) -> str:
    if not certificate:
        return ""
    pairs, random = certificate["pairs_across"], certificate["random_split_leaks"]["rows"]
    start = counted(pairs, "pair") + " of near-duplicates" if pairs else "No near-duplicate"
    return f"{start} across the sides; a plain random split would have leaked {counted(random, 'validation row')}."


def peeked(read: Read, *, as_json: bool) -> None:
    """Print what was found out about a source."""
    if as_json:
        columns = {"kind": read.columns.kind, "text": read.columns.text, "labels": list(read.columns.labels)}
        about = {"columns": columns, "task": read.task, "rows": read.examples.height, "said": list(read.said)}
        print_json(about | {"unreadable": read.findings.height, "preview": read.preview.head(5).to_dicts()})
        return
    screen = console()
    for sentence in read.said:
        screen.print(Text("  ") + plain(sentence, 200))
    screen.print()
    if read.preview.height:
        screen.print(Padding(_rows(read.preview.columns, read.preview.head(5).rows(), 8), (0, 0, 0, 2)))
    if read.findings.height:
        screen.print(f"\n  {counted(read.findings.height, 'row')} cannot be read:")
        for says in read.findings["says"].head(5):
            screen.print(Text("    ") + plain(says, 160))
    screen.print(Text("\n  Nothing was written. Next: tuneset prepare with the same arguments.", style="dim"))


def written(path: Path) -> None:
    """Say where the recipe is and what to do with it."""
    console().print(f"  {path} holds every default. Edit it, then: tuneset prepare {path}")


def found(findings: pl.DataFrame, run: str, limit: int | None, *, as_json: bool) -> None:
    """Print findings, what waits for an answer first, each with its twin or what it changes."""
    limit = (0 if as_json else 20) if limit is None else limit
    shown = findings.head(limit) if limit else findings
    if as_json:
        print_json({"total": findings.height, "findings": shown.to_dicts()})
        return
    screen = console()
    for row in shown.iter_rows(named=True):
        score = f"  {row['score']:.2f}" if row["score"] is not None else ""
        screen.print(Text.assemble((row["id"][:8], "cyan"), f"  {row['rule']}  ", (row["state"], "dim"), score))
        screen.print(Text("          ") + plain(row["text"], 120))
        for name, value in (("twin", row["twin_text"]), ("before", row["before"]), ("after", row["after"])):
            if value is not None:
                screen.print(Text(f"          {name:<7}", style="dim") + plain(value, 120))
        screen.print(Text("          ", style="dim") + plain(row["says"], 160))
    hidden = findings.height - shown.height
    more = f" ({hidden:,} more: --limit 0)" if hidden else ""
    screen.print(f"\n  {counted(findings.height, 'finding')}{more}")
    if findings.height:
        screen.print(Text(f"  Next: tuneset decide {run} {shown['id'][0][:8]} accept|reject|edit", style="dim"))


def decided(decision: Mapping[str, Any], run: str, *, as_json: bool) -> None:
    """Say what was written and how it takes effect."""
    if as_json:
        print_json(decision)
        return
    console().print(f"  {decision['verdict']} noted for {decision['finding'][:8]}. To apply it: tuneset prepare {run}")


def explained(pages: Sequence[Mapping[str, str]], *, as_json: bool) -> None:
    """Print one rule's page, or a line for each rule."""
    if as_json:
        print_json(pages)
        return
    screen = console()
    for page in pages:
        screen.print(Text.assemble((f"{page['rule']:<22}", "bold"), page["title"]))
        if len(pages) == 1:
            screen.print(Padding(Text(page["text"]), (1, 0, 0, 2)))
