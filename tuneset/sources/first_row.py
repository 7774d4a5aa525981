"""Is the first row of a table its header, or data? A row that is taken for names by mistake would be lost."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from tuneset.sources import columns, table

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

_SAMPLE = 1_000
_NUMBER = r"[-+]?\d+([.,]\d+)*%?|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([ T][\d:.,+Z]+)?"
_ODD = re.compile(rf"{_NUMBER}|[\d./:, -]+|\S+@\S+\.\w+|https?://\S+|.*\s\S*\s.*[.?!…]")
_PLACE = re.compile(r"column_([1-9]\d*)")


class Header(NamedTuple):
    """The names of the columns, whether the first row is data, and what to tell the user about it."""

    names: list[str]
    is_data: bool = False
    notes: tuple[str, ...] = ()


def judge(first: Sequence[str], body: pl.DataFrame, where: str, named: Collection[str] = ()) -> Header:
    """Say whether the first row names the columns or is data like the rows below.

    It is data where one of its cells stands again in its column (beside other values, in a row that is not the same
    row again), or is a number or a date as all values of its column are, and nothing speaks for a header: a cell that
    is a usual name (text, label, ticket_id), words above numbers, one word above sentences, or pandas' 0, 1, 2. Then
    the columns are named: text and label where there are two, else by their places. Where only some of that holds,
    or a cell looks like no name (a sentence, a number, an address), the row stays the header, and the note says so.
    `named` are the columns that the user names; they settle it: names of the first row, or places such as column_2.

    >>> body = pl.DataFrame({"0": ["Refund!", "Is it lost?"], "1": ["refund", "track"]})
    >>> judge(["Where is it?", "track"], body, "a.csv").names
    ['text', 'label']
    >>> judge(["remark", "topic"], body, "a.csv")
    Header(names=['remark', 'topic'], is_data=False, notes=())
    """
    tidy = [cell.strip() for cell in first]
    places = [f"column_{place}" for place in range(1, len(tidy) + 1)]
    if named and set(named) <= set(tidy):
        return Header(table.header(list(first), where))
    if named and set(named) <= set(places) - {place for place, cell in zip(places, tidy, strict=True) if not cell}:
        return Header(places, is_data=True, notes=("the first row is data: the columns are named by their places",))
    if len(tidy) < 2 or not body.height or _counted(tidy):
        return Header(table.header(list(first), where))
    again = _again(tidy, body)
    alike, unlike, sentences = _kinds(tidy, body.head(_SAMPLE))
    likely = [cell for cell, twice, same in zip(tidy, again, alike, strict=True) if twice or same]
    usual = any(_usual(cell) for cell, twice in zip(tidy, again, strict=True) if not twice)
    if likely and not (usual or unlike or sentences):
        names = _two(body, again) if len(tidy) == 2 else places
        return Header(names, is_data=True, notes=_taken_as_data(likely[0], names))
    odd = [cell for cell in tidy if len(cell) > 60 or cell.count(" ") > 5 or _ODD.fullmatch(cell)]
    if (likely or odd) and not usual:
        return Header(table.header(list(first), where), notes=_taken_as_header((likely or odd)[0]))
    return Header(table.header(list(first), where))


def _again(first: Sequence[str], body: pl.DataFrame) -> list[bool]:
    """Say of each cell whether it is a value of its column; the whole row once more may be a header in the middle."""
    stripped = [pl.col(name).str.strip_chars() for name in body.columns]
    same = [cells == cell for cells, cell in zip(stripped, first, strict=True)]
    other = [(cells != cell) & (cells != "") for cells, cell in zip(stripped, first, strict=True)]
    repeats = pl.all_horizontal(same)
    found = body.select(
        ((equal & ~repeats).any() & differs.any()).fill_null(value=False).alias(name)
        for name, equal, differs in zip(body.columns, same, other, strict=True)
    ).row(0)
    return [bool(cell) and found for cell, found in zip(first, found, strict=True)]


def _kinds(first: Sequence[str], body: pl.DataFrame) -> tuple[list[bool], bool, bool]:
    """Compare each cell with its column: both numbers or dates; words above numbers; one word above sentences."""
    alike, unlike, sentences = [], False, False
    for cell, column in zip(first, body.iter_columns(), strict=True):
        values = column.drop_nulls().str.strip_chars()
        values = values.filter(values != "")
        numbers = len(values) > 1 and bool(values.str.contains(rf"^(?:{_NUMBER})$").all())
        matches = bool(re.fullmatch(_NUMBER, cell))
        alike.append(numbers and matches)
        unlike = unlike or (numbers and not matches and cell != "")
        words = values.str.count_matches(r"\s+").median() if len(values) else 0
        sentences = sentences or (isinstance(words, float) and words >= 3 and bool(re.fullmatch(r"[^\W\d]\w*", cell)))
    return alike, unlike, sentences


def _counted(first: Sequence[str]) -> bool:
    """Recognise the header that pandas writes for a table without names: 0, 1, 2, after an empty one for its index."""
    names = first[1:] if not first[0] else first
    return list(names) == [str(place) for place in range(len(names))]


def _usual(name: str) -> bool:
    """Say whether a cell is what people name a column: a usual word, or an identifier with one in it."""
    return columns.is_usual(name) or (" " not in name and len(name) < 30 and columns.has_usual(name))


def _two(body: pl.DataFrame, again: Sequence[bool]) -> list[str]:
    """Name two columns: labels repeat, texts do not."""
    left, right = (body[name].n_unique() + (not twice) for name, twice in zip(body.columns, again, strict=True))
    if left == right:
        return ["column_1", "column_2"]
    return ["label", "text"] if left < right else ["text", "label"]


def _taken_as_data(cell: str, names: Sequence[str]) -> tuple[str, str]:
    listed = " and ".join(names) if len(names) == 2 else f"{names[0]} to {names[-1]}"
    return (
        f"there is no header: {_short(cell)} is data as in the rows below; the columns are named {listed}",
        "if the first row is a header, name columns of it with --text and --label",
    )


def _taken_as_header(cell: str) -> tuple[str, str]:
    return (
        f"the first row is taken as the header, but {_short(cell)} looks like data",
        "if it is data, add a header line, or name columns by their places, as in --text column_1 --label column_2",
    )


def _short(cell: str) -> str:
    return repr(cell if len(cell) <= 40 else cell[:40] + "...")
