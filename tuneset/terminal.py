"""What the commands print: plain words, one line a stage, a verdict, and what to do next."""

from __future__ import annotations

import contextlib
import os
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
    from tuneset.errors import TunesetError
    from tuneset.review.exchange import Exported, Taken
    from tuneset.review.people import Asked
    from tuneset.run import Event
    from tuneset.sources import Read

ACCEPT = {
    "drop": "accept drops the example",
    "edit": "accept takes what is suggested",
    "none": "accept says that you have looked",
}
LEVELS = {"ready": ("✓", "bold green"), "look": ("◐", "bold yellow"), "not-ready": ("✗", "bold red")}
# C0 and C1 controls, bidirectional overrides: text from a dataset must not steer the terminal.
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def console(*, stderr: bool = False) -> Console:
    """Return the console for standard output; colours only where a person looks, no styles at all with NO_COLOR."""
    stream = sys.stderr if stderr else sys.stdout
    plainly = bool(os.environ.get("NO_COLOR"))
    return Console(
        stderr=stderr, highlight=False, soft_wrap=not stream.isatty(), color_system=None if plainly else "auto"
    )


def plain(text: object, most: int = 100) -> Text:
    r"""Make any text safe and short enough for one line of a terminal.

    >>> plain("a\x1b[31mb\nc").plain
    'a [31mb c'
    """
    words = CONTROL.sub(" ", str(text)) if text is not None else "—"
    return Text(words if len(words) <= most else f"{words[: most - 1]}…")


def say(screen: Console, head: Text | str, body: Text | str) -> None:
    """Print a line; on a terminal what does not fit goes on below the place where `body` began."""
    head, body = Text.assemble(head), Text.assemble(body)
    if screen.soft_wrap:
        screen.print(head + body)
        return
    for line in body.wrap(screen, max(screen.width - head.cell_len, 20)):
        line.rstrip()
        screen.print(head + line)
        head = Text(" " * head.cell_len)


def say_whole(screen: Console, line: Text) -> None:
    """Print a command or a path in one piece, however long, so that it can be copied."""
    screen.print(line, soft_wrap=True)


def indented(screen: Console, head: str, path: str) -> None:
    """Print a path behind a word, in one piece."""
    say_whole(screen, Text.assemble(head, (path, "cyan")))


def print_json(value: Any) -> None:
    """Print one JSON object on standard output."""
    sys.stdout.buffer.write(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def failed(error: TunesetError) -> None:
    """Print what went wrong, where, and what to do next."""
    screen = console(stderr=True)
    for head, words in (("error  ", error.what), ("  at   ", error.where), ("  try  ", error.hint)):
        say(screen, Text(head, style="bold red" if head.startswith("error") else "dim"), plain(words, 2000))


@contextlib.contextmanager
def progress(*, quiet: bool) -> Iterator[Callable[[Event], None]]:
    """Show each stage as it goes: its name, what it did, and how long it took."""
    if quiet:
        yield lambda _: None
        return
    screen = console()
    screen.print(Text(f"tuneset {__version__}", style="dim"))
    # a pipe and a dumb terminal cannot take a line back, not even where FORCE_COLOR asks for colours
    moving = not screen.soft_wrap and not screen.is_dumb_terminal
    with screen.status("") if moving else contextlib.nullcontext() as status:

        def watch(event: Event) -> None:
            if event.kind not in ("start", "part"):
                _ended(screen, event)
            elif status is not None:
                status.update(plain(f" {event.stage} … {event.says}", 100))

        yield watch


@contextlib.contextmanager
def waiting(*, quiet: bool) -> Iterator[Callable[[str], None]]:
    """Show what is being worked on; nothing in a pipe."""
    screen = console()
    moving = not quiet and not screen.soft_wrap and not screen.is_dumb_terminal
    with screen.status("") if moving else contextlib.nullcontext() as status:
        yield lambda what: status.update(plain(f" {what} …", 100)) if status is not None else None


def _ended(screen: Console, event: Event) -> None:
    took = {"unchanged": "unchanged", "gone": "as read before"}.get(event.kind, f"{event.seconds:.1f} s")
    most = 500 if event.stage == "write" else 90  # what money was spent for is said to its end
    line = Text.assemble(plain(event.says, most), (f"  {took}", "dim"))
    say(screen, Text(f"  {event.stage:<8}", style="bold"), line)
    if event.stage == "get":
        _read_details(screen, event.facts or {})


def _read_details(screen: Console, facts: Mapping[str, Any]) -> None:
    for sentence in facts["said"][1:]:
        words = plain(sentence, 160)
        words.stylize("dim")
        say(screen, " " * 10, words)
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


def closing(dataset: Dataset, summary: Mapping[str, Any], *, as_json: bool) -> bool:
    """Print the first example, the verdict, the balance, the next actions and the way to the report; say whether the gate holds."""
    passed = bool(summary["gate"]["passed"])
    if as_json:
        print_json({**summary, "run": str(dataset.path), "report": str(dataset.report)})
        return passed
    screen = console()
    screen.print()
    if summary["first"]:
        _first_example(screen, summary["first"])
    _verdict(screen, summary)
    screen.print()
    screen.print(Text("  Next", style="bold"))
    for number, action in enumerate(summary["next"], 1):
        why = Text(action["why"], style="dim")
        say(screen, f"  {number}  ", Text.assemble(plain(action["words"], 400), ". ", why))
        say_whole(screen, Text(f"     {action['command']}", style="cyan"))
    screen.print()
    say_whole(screen, Text.assemble("  Report  ", (str(dataset.report), "cyan")))
    for each in summary["exports"]:
        refused = f", {each['errors']:,} refused" if each["errors"] else ""
        say(
            screen, "  ", plain(f"{each['folder']}: {each['rows']:,} rows, {each['left_out']:,} left out{refused}", 200)
        )
    return passed


def stopped(dataset: Dataset, stage: str, *, as_json: bool) -> None:
    """Print what a run has that stops after a stage, and how it goes on."""
    if as_json:
        facts = dataset.folder.facts(stage) or {}
        rows = dataset.folder.outcome(stage, facts).examples.height
        print_json({"run": str(dataset.path), "until": stage, "rows": rows, "said": facts["facts"].get("said", [])})
        return
    say(
        console(),
        f"\n  Stopped after {stage}, as asked. ",
        Text.assemble("Go on: ", (f"tuneset prepare {dataset.path}", "cyan")),
    )


def _verdict(screen: Console, summary: Mapping[str, Any]) -> None:
    mark, style = LEVELS[summary["verdict"]["level"]]
    screen.print(Text(f"  {mark} {summary['verdict']['words']}", style=style))
    balance = summary["balance"]
    kept = f"{balance['in']:,} in = {balance['kept']:,} kept + {balance['dropped']:,} dropped + {balance['merged']:,} merged"
    known = (_leaks(summary["certificate"]), (summary["uncertainty"] or {}).get("words"))
    gate = [f"The gate is closed: {words}" for words in summary["gate"]["failed"]]
    for sentence in (*summary["verdict"]["reasons"], *gate, kept, *known):
        if sentence:
            say(screen, " " * 4, plain(sentence, 400))


def _first_example(screen: Console, first: Mapping[str, Any]) -> None:
    screen.print(Text("  The first example, as the model will read it", style="dim"))
    for turn in first.get("messages", [])[:6]:
        content = turn.get("content") or turn.get("tool_calls")
        shown = content if isinstance(content, str) else orjson.dumps(content).decode()
        say(screen, Text(f"    {turn.get('role', '?'):<10}", style="bold"), plain(shown, 100))
    screen.print()


def _leaks(certificate: Mapping[str, Any] | None) -> str:
    if not certificate:
        return ""
    pairs, random = certificate["pairs_across"], certificate["random_split_leaks"]["rows"]
    start = counted(pairs, "pair") + " of near-duplicates" if pairs else "No near-duplicate"
    return f"{start} across the sides; a plain random split would have leaked {counted(random, 'validation row') if random else 'none'}."


def peeked(read: Read, *, as_json: bool) -> None:
    """Print what was found out about a source."""
    if as_json:
        columns = {"kind": read.columns.kind, "text": read.columns.text, "labels": list(read.columns.labels)}
        about = {"columns": columns, "task": read.task, "rows": read.examples.height, "said": list(read.said)}
        print_json(about | {"unreadable": read.findings.height, "preview": read.preview.head(5).to_dicts()})
        return
    screen = console()
    for sentence in read.said:
        say(screen, "  ", plain(sentence, 200))
    screen.print()
    if read.preview.height:
        screen.print(Padding(_rows(read.preview.columns, read.preview.head(5).rows(), 8), (0, 0, 0, 2)))
    if read.findings.height:
        say(screen, "\n  ", f"{counted(read.findings.height, 'row')} cannot be read:")
        for says in read.findings["says"].head(5):
            say(screen, " " * 4, plain(says, 160))
    say(screen, "\n  ", Text("Nothing was written. Next: tuneset prepare with the same arguments.", style="dim"))


def written(path: Path) -> None:
    """Say where the recipe is and what to do with it."""
    screen = console()
    say_whole(screen, Text(f"  {path} holds every default. Edit it, then:"))
    say_whole(screen, Text(f"  tuneset prepare {path}", style="cyan"))


def found(findings: pl.DataFrame, run: str, limit: int | None, *, as_json: bool) -> None:
    """Print findings, what waits for an answer first, each with its twin or what it changes."""
    limit = (0 if as_json else 20) if limit is None else limit
    shown = findings.head(limit) if limit else findings
    if as_json:
        waits = (findings["state"] == "waiting").sum()
        print_json({"total": findings.height, "waiting": waits, "findings": shown.to_dicts()})
        return
    screen = console()
    for row in shown.iter_rows(named=True):
        score = f"  {row['score']:.2f}" if row["score"] is not None else ""
        screen.print(Text.assemble((row["id"][:8], "cyan"), f"  {row['rule']}  ", (row["state"], "dim"), score))
        say(screen, " " * 10, plain(row["text"], 120))
        before, after = (
            _changed(row["before"], row["after"]) if row["field"] == "/messages" else (row["before"], row["after"])
        )
        for name, value in (("twin", row["twin_text"]), ("before", before), ("after", after)):
            if value is not None:
                say(screen, Text(f"          {name:<7}", style="dim"), plain(value, 120))
        say(screen, " " * 10, plain(row["says"], 160))
    hidden = findings.height - shown.height
    more = f" ({hidden:,} more: --limit 0)" if hidden else ""
    screen.print(Text(f"\n  {_waiting(findings)}{more}"))
    if shown.height:
        first = shown.row(0, named=True)
        say_whole(screen, Text(f"  Next: tuneset decide {run} {first['id'][0:8]} accept|reject|edit", style="dim"))
        say(
            screen,
            " " * 8,
            Text(f"{ACCEPT[first['action']]}; reject leaves it as it was; edit writes --after VALUE.", style="dim"),
        )


def _changed(before: str | None, after: str | None) -> tuple[str | None, str | None]:
    """Show of two conversations the first turn that differs, as its words.

    >>> _changed('[{"role": "user", "content": "hi"}]', '[{"role": "user", "content": "ho"}]')
    ('hi', 'ho')
    """
    if before is None or after is None:
        return before, after
    both = zip(orjson.loads(before), orjson.loads(after), strict=False)
    return next(((one.get("content"), two.get("content")) for one, two in both if one != two), (before, after))


def _waiting(findings: pl.DataFrame) -> str:
    """Count findings, and those that wait for an answer."""
    words, waits = counted(findings.height, "finding"), int((findings["state"] == "waiting").sum())
    if waits == findings.height:
        return f"{words}{' waits' if waits == 1 else ' wait'} for your answer" if waits else words
    return f"{words}, {f'{waits:,} of them' if waits else 'none'} {'waits' if waits < 2 else 'wait'} for your answer"


def corrections(found: pl.DataFrame, run: str, *, as_json: bool) -> None:
    """Print the map as lines of a recipe, the most frequent first."""
    if as_json:
        print_json(found.to_dicts())
        return
    sys.stdout.write("[clean.typo.replacements]\n")
    for row in found.iter_rows(named=True):
        key, value = (orjson.dumps(row[name]).decode() for name in ("word", "meant"))
        sys.stdout.write(f"{key} = {value}  # {counted(row['examples'], 'example')}, {row['score']:.2f}\n")
    sys.stderr.write(
        f"Leave out or change what is not right, put the rest into {run}/recipe.toml, then: tuneset prepare {run}\n"
    )


def decided(decision: Mapping[str, Any], run: str, *, as_json: bool) -> None:
    """Say what was written and how it takes effect."""
    if as_json:
        print_json(decision)
        return
    said = f"  {decision['verdict']} noted for {decision['finding'][:8]}. To apply it: tuneset prepare {run}"
    say_whole(console(), Text(said))


def reviewing(link: str) -> None:
    """Say where the review is, and how it ends."""
    screen = console()
    say_whole(screen, Text.assemble("  Open ", (link, "cyan")))
    say(screen, "  ", Text("The link carries the key: it is for you alone. Ctrl-C ends the review.", style="dim"))


def went_out(done: Exported, run: str) -> None:
    """Say what went out, and how it comes back."""
    screen = console()
    say_whole(screen, Text(f"  {counted(done.count, 'question')} in {', '.join(str(path) for path in done.files)}"))
    say_whole(screen, Text(f"  When they are answered: tuneset review {run} --from {done.files[0]}", style="dim"))


def asked(done: Asked, run: str) -> None:
    """Say what a team is asked now, and how it goes on."""
    screen = console()
    told = f"  {counted(done.waiting, 'question')} in {done.project!r}: {done.new:,} new"
    say_whole(screen, Text(f"{told}, {done.away:,} that nobody needs to answer any more put away"))
    say_whole(screen, Text(f"  People answer them in: tuneset collect {done.database}", style="dim"))
    say_whole(screen, Text(f"  When they are answered: tuneset review {run} --from '{done.address}'", style="dim"))


def came_back(done: Taken, run: str) -> None:
    """Say what was taken of the answers, what was not and why, and what comes next."""
    screen = console()
    told = {
        name: value
        for name, value in done._asdict().items()
        if isinstance(value, int) and (value or name == "answered")
    }
    say_whole(screen, Text(f"  {', '.join(f'{value:,} {name}' for name, value in told.items())}"))
    for line in done.says:
        say(screen, "  ", Text(line, style="dim"))
    say_whole(screen, Text(f"  To carry the answers out: tuneset prepare {run}"))


def collecting(link: str) -> None:
    """Say where the owner of a project comes in, and how it ends."""
    screen = console()
    say_whole(screen, Text.assemble("  Open ", (link, "cyan")))
    say(screen, "  ", Text("This is the owner's way in: invite others from the page. Ctrl-C ends it.", style="dim"))


def reviewed(run: str) -> None:
    """Say how the answers take effect."""
    say_whole(console(), Text(f"  Your answers are in decisions.jsonl. To carry them out: tuneset prepare {run}"))


def guided(path: Path, run: str, *, as_json: bool) -> None:
    """Say where the labels' definitions are and who reads them."""
    if as_json:
        print_json({"file": str(path)})
        return
    screen = console()
    say_whole(screen, Text.assemble("  ", (str(path), "cyan"), " has an entry for each label."))
    say(screen, "  ", Text(f"Say what each means, then: tuneset prepare {run}", style="dim"))


def selected(facts: Mapping[str, Any], *, as_json: bool) -> None:
    """Say what was chosen, and what as many rows drawn at random would have covered."""
    if as_json:
        print_json(facts)
        return
    screen = console()
    say(screen, "  ", plain(facts["words"], 400))
    say_whole(screen, Text.assemble("  Written: ", (facts["file"], "cyan")))


def scored(facts: Mapping[str, Any], *, as_json: bool) -> None:
    """Print whether it was worth it, each column's figures, and how the answers compare with simpler ones."""
    if as_json:
        print_json(facts)
        return
    screen = console()
    say(screen, "  ", plain(facts["words"], 600))
    rows = [(each["column"], *(_between(each[key]) for key in ("accuracy", "f1"))) for each in facts["columns"]]
    screen.print(Padding(_rows(("", "accuracy", "macro F1"), rows, 3), (1, 0, 1, 2)))
    for each in facts["against"]:
        say(screen, "  ", plain(each["words"], 300))


def _between(figure: Mapping[str, float]) -> str:
    """Write a figure with its interval."""
    value = figure.get("value", figure.get("accuracy", 0.0))
    return f"{value:.3f} ({figure['low']:.3f} to {figure['high']:.3f})"


def compared(facts: Mapping[str, Any], *, as_json: bool) -> None:
    """Print what differs between two runs, and how many figures are the same."""
    if as_json:
        print_json(facts)
        return
    screen, changed = console(), [row for row in facts["rows"] if row["before"] != row["now"]]
    say(screen, "  ", plain(facts["words"], 400))
    rows = [(row["what"], _figure(row["before"]), _figure(row["now"])) for row in changed]
    if rows:
        screen.print(Padding(_rows(("", "before", "now"), rows, 3), (1, 0, 1, 2)))
    same = len(facts["rows"]) - len(changed)
    say(screen, "  ", Text(f"{counted(same, 'figure')} the same.", style="dim"))


def _figure(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}"


def explained(pages: Sequence[Mapping[str, str]], checks: Sequence[Mapping[str, str]] = (), *, as_json: bool) -> None:
    """Print one rule's page, or a line for each rule, those of the check of finished files (`checks`) apart."""
    if as_json:
        print_json([*pages, *checks])
        return
    screen = console()
    for page in pages:
        _title(screen, page)
    if len(pages) == 1:
        _page(screen, pages[0]["text"])
    if checks:
        screen.print(Text("\nSaid by the check of the finished files", style="bold"))
    for page in checks:
        _title(screen, page)


def _title(screen: Console, page: Mapping[str, str]) -> None:
    say(screen, Text(f"{page['rule']:<26}", style="bold"), page["title"])


def _page(screen: Console, text: str) -> None:
    """Print a page's paragraphs, which begin at an empty line or at words such as "Limits: "; code stays as it is."""
    screen.print()
    for paragraph in re.split(r"\n\n|\n(?=[A-Z][a-z ]{2,20}: |>>> )", text):
        lines = paragraph.splitlines()
        for line in lines if paragraph.startswith(">>> ") else [" ".join(lines)]:
            say(screen, "  ", line)
