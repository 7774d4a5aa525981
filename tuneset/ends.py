"""How commands are listed, and how they end: done, no, refused in three lines, a bug, or stopped."""

from __future__ import annotations

import contextlib
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tuneset.errors import TunesetError, way_out

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

FAILED, REFUSED, BUG, INTERRUPTED = 1, 2, 70, 130
EXITS = {
    0: "done",
    FAILED: "done, and the answer is no: a condition of the recipe's `[gate]` does not hold (`prepare`), a target would refuse"
    " a file (`check`, `export`), no page gave a row (`scrape`), a model wrote nothing of what was asked for (`generate`)",
    REFUSED: "what was asked for cannot be: three lines say what, where, and what to do; what was finished before stays",
    BUG: "a bug of ours, or of a step of yours: the last line says whose, and the traceback stands above it",
    INTERRUPTED: "stopped by Ctrl-C: the same command goes on",
}
STAGE_OF = {
    "search": "get",
    "scrape": "get",
    "forget": "get",
    "collect": "get",
    "peek": "get",
    "init": "get",
    "prepare": "the whole way",
    "generate": "the whole way",
    "rethreshold": "look and decide",
    "findings": "look and decide",
    "review": "look and decide",
    "typos": "look and decide",
    "labels": "judge and choose",
    "select": "judge and choose",
    "score": "judge and choose",
    "compare": "judge and choose",
    "targets": "format and check",
    "export": "format and check",
    "check": "format and check",
    "show": "format and check",
    "publish": "publish",
    "decide": "look and decide",
    "explain": "look and decide",
}


class Commands(click.Group):
    """List the commands by what they are for, and print errors in three lines."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands in the order of the data's way."""
        for part in dict.fromkeys(STAGE_OF.values()):
            names = [name for name, stage in STAGE_OF.items() if stage == part]
            rows = [(name, self.commands[name].get_short_help_str(80)) for name in names]
            with formatter.section(part.capitalize()):
                formatter.write_dl(rows)
        del ctx

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the options that stand before a command."""
        with _three_lines(ctx):
            return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; a bad request ends with three lines and exit code 2."""
        with _three_lines(ctx):
            return super().invoke(ctx)


@contextlib.contextmanager
def _three_lines(ctx: click.Context) -> Iterator[None]:
    """End a bad request with what went wrong, where, and what to do, and with exit code 2; Ctrl-C with 130."""
    try:
        yield
    except KeyboardInterrupt as error:
        where = f"{ctx.command_path} {ctx.invoked_subcommand or ''}".rstrip()
        hint = "the same command again: what is finished stays, and it goes on from there"
        _fail(ctx, TunesetError(str(error) or "stopped by Ctrl-C", where, hint), INTERRUPTED)
    except TunesetError as error:
        _fail(ctx, error)
    except (BrokenPipeError, click.exceptions.NoArgsIsHelpError):  # `| head` went away; `tuneset` alone shows its help
        raise
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else "tuneset"
        _fail(ctx, TunesetError(error.format_message().rstrip("."), path, f"{path} --help"))
    except OSError as error:  # what was written before stays complete
        what = (error.strerror or str(error)).lower()
        _fail(ctx, TunesetError(what, str(error.filename or "the run folder"), way_out(error)))


def _fail(ctx: click.Context, error: TunesetError, code: int = REFUSED) -> None:
    from tuneset import terminal  # noqa: PLC0415  rich takes time that `--help` need not pay

    terminal.failed(error)
    ctx.exit(code)


def bug(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Show a bug whole, say whose it is, and end with exit code 70."""
    traceback.print_exception(kind, error, trace)
    theirs = _file_of_a_step(trace)
    said = (
        f"This is an error in {theirs}."
        if theirs
        else "This is a bug in tuneset. Please report it with the lines above."
    )
    click.echo(f"\n{said}", err=True)
    sys.exit(BUG)


def _file_of_a_step(trace: TracebackType | None) -> str | None:
    """Find the last file on the way to an error that belongs to neither tuneset nor Python nor what is installed."""
    known = (str(Path(__file__).parent), sys.prefix, sys.base_prefix, "<")
    files = [frame.filename for frame in traceback.extract_tb(trace)]
    return next((file for file in reversed(files) if not file.startswith(known)), None)
