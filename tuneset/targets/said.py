"""What the commands about targets print."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import orjson
import polars as pl
from rich.text import Text

from tuneset.report.page import counted
from tuneset.targets import masks
from tuneset.targets.sarif import sarif
from tuneset.terminal import console, indented, plain, print_json, say, say_whole

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from tuneset.publish import Plan
    from tuneset.targets.copies import Mended
    from tuneset.targets.files import Checked
    from tuneset.targets.masks import Seen
    from tuneset.targets.table import Target
    from tuneset.targets.tokens import Tokens

STYLES = {"error": "bold red", "warning": "yellow"}
SHOWN = 8  # reasons of an export
STILL = 5  # errors of a mended copy


def listed(targets: Mapping[str, Target], *, as_json: bool) -> None:
    """Print each target's name and title, and what its users should know."""
    if as_json:
        print_json([{"name": name, "title": each.title, "status": each.status} for name, each in targets.items()])
        return
    screen = console()
    wide = max(map(len, targets))
    for name, each in targets.items():
        say(screen, Text(f"  {name:<{wide}}  ", style="bold"), plain(each.title))
        if each.status:
            say(screen, " " * (wide + 4), Text(each.status, style="dim"))
    say(screen, "\n  ", Text.assemble("Write files for one: ", ("tuneset export RUN --target NAME", "cyan")))


def exported(done: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    """Print what was written for each target, what was done to rows, and what the check says."""
    if as_json:
        print_json(list(done))
        return
    screen = console()
    for each in done:
        files = ", ".join(f"{name} ({file['rows']:,})" for name, file in each["files"].items()) or "nothing"
        mark = ("✗", "bold red") if each["errors"] else ("✓", "bold green")
        say(screen, Text.assemble("  ", mark, (f" {each['target']:<16} ", "bold")), plain(files, 200))
        indent = " " * 20
        if each["status"]:
            say(screen, indent, Text(each["status"], style="dim"))
        for reason in each["said"][:SHOWN]:
            what = f"left out ({reason['rule']}): {reason['says']}" if reason["out"] else f"changed: {reason['says']}"
            say(screen, indent, plain(f"{counted(reason['rows'], 'row')} {what}", 300))
        for problem in each["problems"][:3] if each["errors"] else []:
            at = problem["file"] + (f":{problem['line']}" if problem["line"] else "")
            say(screen, indent, plain(f"{at} {problem['rule']}: {problem['says']}", 300))
        say_whole(screen, Text.assemble(indent, (each["folder"], "cyan")))


def checked(found: Checked, form: str, limit: int) -> None:
    """Print what is wrong with files: as lines to read, as JSON, or as SARIF."""
    if form == "sarif":
        sys.stdout.buffer.write(orjson.dumps(sarif(found), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
        return
    if form == "json":
        mended = [each._asdict() | {"problems": each.problems.to_dicts()} for each in found.mended]
        problems = found.problems.to_dicts()
        print_json(
            {
                "target": found.target.name,
                "rows": found.rows,
                "problems": problems,
                "mended": mended,
                "tokens": {file: _plain(each) for file, each in found.tokens.items()},
                "cost": found.cost._asdict() if found.cost else None,
            }
        )
        return
    screen = console()
    say(
        screen, "  ", Text.assemble("Rules of ", (found.target.name, "bold"), f", as read on {found.target.checked_on}")
    )
    if found.target.status:
        say(screen, "  ", Text(found.target.status, style="dim"))
    for file, rows in found.rows.items():
        _file(screen, file, rows, found.problems.filter(file=file), limit)
    _bill(screen, found)
    for each in found.mended:
        _mended(screen, each)
    _next(screen, found)


def _plain(counted: Tokens) -> dict[str, Any]:
    return {key: value for key, value in counted._asdict().items() if key not in ("lines", "counts")}


def _bill(screen: Console, found: Checked) -> None:
    """Print how many tokens each file has, and what training on the first would cost."""
    for number, (file, each) in enumerate(found.tokens.items()):
        if not each.rows:
            say(screen, "\n  " if not number else "  ", plain(f"{file}: no tokens, since no row can be read", 300))
            continue
        spread = f"{each.total:,} tokens; an example has {each.median:,}, one of twenty {each.p95:,} or more, at most {each.max:,}"
        over = f"; {each.over:,} have more than the {each.limit:,} that are read" if each.over else ""
        say(screen, "\n  " if not number else "  ", plain(f"{file}: {spread}{over}", 300))
    if found.cost:
        say(screen, "  ", plain(found.cost.says, 500))


def _file(screen: Console, file: str, rows: int, problems: pl.DataFrame, limit: int) -> None:
    errors, warnings = (int((problems["severity"] == weight).sum()) for weight in ("error", "warning"))
    mark = ("✗", "bold red") if errors else ("◐", "bold yellow") if warnings else ("✓", "bold green")
    told = " · ".join(counted(number, word) for number, word in ((errors, "error"), (warnings, "warning")) if number)
    say(
        screen,
        Text.assemble("\n  ", mark, " "),
        plain(f"{file}: {counted(rows, 'line')}, {told or 'nothing to mend'}", 300),
    )
    graver = problems.sort(pl.col("severity") != "error", maintain_order=True)
    shown = graver.head(limit) if limit else graver
    mends: set[str] = set()
    for row in shown.iter_rows(named=True):
        at = f"line {row['line']:,}" if row["line"] else "the file"
        head = Text.assemble("    ", (f"{at:<10} ", "dim"), (f"{row['rule']} ", STYLES[row["severity"]]))
        say(screen, head, plain(row["says"], 300))
        if row["rule"] not in mends:
            say(screen, " " * 15, Text(f"→ {row['mend']}", style="dim"))
            mends.add(row["rule"])
    if shown.height < graver.height:
        more = f"… and {graver.height - shown.height:,} more (--limit 0 shows all)"
        say(screen, "    ", Text(more, style="dim"))


def _mended(screen: Console, each: Mended) -> None:
    done = len({row["line"] for row in each.done} - {None})
    left = len({row["line"] for row in each.left})
    say(screen, "\n  ", plain(f"{each.file}: {counted(done, 'line')} mended, {left:,} could not be", 300))
    for row in each.done:
        if row["line"] is None:
            say(screen, "    mended throughout: ", plain(f"{row['rule']}: {row['says']}", 300))
    _still(screen, each.problems.filter(severity="error"))
    for row in each.left[:5]:
        say(screen, f"    line {row['line']:,} ", plain(f"{row['rule']}: {row['says']}", 300))
    indented(screen, "    written ", each.copy)
    if each.apart:
        indented(screen, "    apart   ", each.apart)


def _still(screen: Console, problems: pl.DataFrame) -> None:
    """Print what is wrong with a copy and only a person can mend, what concerns the whole file first."""
    if not problems.height:
        return
    words = f"{counted(problems.height, 'error')} of the copy that only you can mend:"
    say(screen, "    ", Text(words, style="yellow"))
    for row in problems.sort("line", nulls_last=False, maintain_order=True).head(STILL).iter_rows(named=True):
        at = "the file" if row["line"] is None else f"line {row['line']:,}"
        say(screen, f"    {at} ", plain(f"{row['rule']}: {row['says']}", 300))
    if problems.height > STILL:
        say(screen, "    ", Text(f"… and {problems.height - STILL:,} more", style="dim"))


def shown(found: Seen, *, as_json: bool) -> None:
    """Print the text that a model reads, what it learns between ⟦ and ⟧, and what is wrong with it."""
    if as_json:
        print_json(found._asdict() | {"stops": found.stops})
        return
    screen = console()
    screen.print(masks.coloured(found))
    trained = sum(found.trained)
    words = f"{counted(len(found.tokens), 'token')}, {trained:,} of them trained"
    guess = "" if found.exact else "; which of them is a guess: the template changes what it wrote before"
    say(screen, "\n  ", Text(f"{words}{guess}. Template {found.template[:12]}"))
    for rule, says in found.problems:
        weight = masks.TEMPLATE_RULES[rule].severity
        say(screen, Text(f"  {rule} ", style=STYLES[weight]), plain(says, 300))


def published(plan: Plan, *, as_json: bool) -> None:
    """Print each file of a plan: what would be sent, or what is there and its id."""
    if as_json:
        items = [item._asdict() | {"path": str(item.path)} for item in plan.items]
        print_json({"to": plan.where.url, "target": plan.target, "missing": list(plan.missing), "files": items})
        return
    screen = console()
    say(screen, "  ", plain(f"To {plan.where.url}, as {plan.target} reads it", 300))
    for item in plan.items:
        mark = ("✓ ", "bold green") if item.sent else ("✗ ", "bold red") if item.errors else ("· ", "dim")
        rows = f"{counted(item.rows, 'row')}, " if item.rows else ""
        there = (
            f"there as {item.sent['id']}"
            if item.sent
            else f"{item.errors:,} errors, {item.says}"
            if item.errors
            else "not sent"
        )
        say(screen, Text.assemble("  ", mark), plain(f"{item.file}: {rows}{item.bytes:,} bytes, {there}", 300))
    if plan.missing and plan.waiting:
        say(screen, "  ", Text(f"The environment must have {' and '.join(plan.missing)}.", style="yellow"))


def _next(screen: Console, found: Checked) -> None:
    if found.mended or not found.problems.height:
        return
    files = " ".join(found.rows)
    command = f"tuneset check {files} --target {found.target.name} --fix"
    say_whole(screen, Text.assemble("\n  Mended copies: ", (command, "cyan")))
