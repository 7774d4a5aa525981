"""What a file or a table in memory becomes before its columns are understood: cells that are all strings."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import polars as pl

from tuneset.errors import InputError
from tuneset.sources.encoding import MARK

BROKEN = pl.Schema({"row": pl.UInt32, "why": pl.String, "raw": pl.String})
# What a reader says of a row: the rule by which it is left out, why, the row's key, and the key of the row that holds it.
BESIDE = pl.Schema({"rule": pl.String, "says": pl.String, "key": pl.String, "twin": pl.String})
UNANSWERED, UNFIT = "no-answer", "unfit-post"
RAW_SHOWN = 2_000
LONGEST = 32_000_000  # bytes of one row


class Table(NamedTuple):
    """The rows of one input, in its order, and those that could not be read."""

    name: str  # "orders.csv"
    form: str  # "comma-separated, UTF-8"
    cells: pl.DataFrame  # every column is String; lists and objects are JSON text
    row: pl.Series  # UInt32, 1-based: the line of a text file, the row of a sheet, the place in a list
    broken: pl.DataFrame  # see BROKEN
    notes: tuple[str, ...] = ()
    in_file: bool = True
    # Boolean, for the columns that hold more than text: true where the source has a number, true, false, list or object
    typed: pl.DataFrame = pl.DataFrame()
    beside: pl.DataFrame | None = None  # of the height of cells; see BESIDE
    posts: bool = False  # of a forum: each with its thread, and with a url and a licence where they are known


class Broken(NamedTuple):
    """A row that could not be read: where it stands, why, and what is written there."""

    row: int
    why: str
    raw: str


def broken(rows: list[Broken]) -> pl.DataFrame:
    """Bring rows that could not be read into one table."""
    return pl.DataFrame(rows, schema=BROKEN, orient="row")


def shown(raw: bytes) -> str:
    """Give the first 2,000 characters of a row, and say how many more there are.

    >>> shown(b"x" * 2003)[-23:]
    'x ... 3 more characters'
    """
    text = raw.decode(errors="backslashreplace").rstrip("\r\n")
    text = text.replace(MARK, "") if MARK in text else text
    more = len(text) - RAW_SHOWN
    return text if more <= 0 else f"{text[:RAW_SHOWN]} ... {more:,} more characters"


def too_long(length: int) -> str:
    """Say that a row is too long.

    >>> too_long(50_000_000)
    '50 MB on one line, more than 32 MB'
    """
    return f"{length / 1e6:,.0f} MB on one line, more than {LONGEST / 1e6:,.0f} MB"


def header(names: list[str], where: str) -> list[str]:
    """Tidy the names of columns: no space around them, a name for those without one, none twice.

    >>> header([" text", ""], "orders.csv")
    ['text', 'column_2']
    """
    tidy = [name.strip() or f"column_{place}" for place, name in enumerate(names, 1)]
    twice = [name for name, times in Counter(tidy).items() if times > 1]
    if twice:
        raise InputError(f"two columns are named {twice[0]!r}", where, "rename one of them")
    return tidy
