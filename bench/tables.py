"""What a part of the bench found: tables of ways, the promises that they keep or miss, and who wins."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OURS = "tuneset"
NEARLY = 0.02  # a lead of less is no lead


class Promise(NamedTuple):
    """A figure and what was promised of it: `<= 1.5`, `>= 3`."""

    what: str
    figure: float
    limit: str

    @property
    def holds(self) -> bool:
        """Compare."""
        sign, value = self.limit.split()
        return self.figure <= float(value) if sign == "<=" else self.figure >= float(value)


class Table(NamedTuple):
    """Several ways to do one piece of work.

    `better` names the columns, and of each whether "more" or "less" wins, or "" where neither does. `ways` gives the
    columns of each way, or says why it was not measured. `only` are the ways that may win, where not all do the work.
    """

    title: str
    about: str
    better: dict[str, str]
    ways: dict[str, dict[str, float] | str]
    chart: str = ""
    promises: tuple[Promise, ...] = ()
    only: tuple[str, ...] = ()


class Compared(NamedTuple):
    """One column of one table: ours, the best of the others, and by how much ours is better (below 1: worse)."""

    table: str
    column: str
    ours: float
    best: str
    others: dict[str, float]
    ratio: float

    @property
    def wins(self) -> str:
        """Name who wins."""
        if abs(self.ratio - 1) < NEARLY:
            return "equal"
        return OURS if self.ratio > 1 else self.best


def compared(table: Table) -> Iterator[Compared]:
    """Compare what is ours with each other way, column by column."""
    for column, better in table.better.items():
        figures = {way: said[column] for way, said in table.ways.items() if isinstance(said, dict) and column in said}
        others = {way: figure for way, figure in figures.items() if not way.startswith(OURS)}
        able = {way: figure for way, figure in others.items() if not table.only or way in table.only}
        if not better or OURS not in figures or not able:
            continue
        best = (max if better == "more" else min)(able, key=able.__getitem__)
        ours, other = figures[OURS], able[best]
        above, below = (ours, other) if better == "more" else (other, ours)
        ratio = 1.0 if above == below else above / below if below else float("inf")
        yield Compared(table.title, column, ours, best, others, ratio)


def number(figure: float) -> str:
    """Write three digits that count, and a share of one with three places."""
    if figure == int(figure) and abs(figure) < 1e6:
        return f"{figure:,.0f}"
    if abs(figure) >= 100:
        return f"{figure:,.0f}"
    return f"{figure:.3f}" if abs(figure) < 1 else f"{figure:.3g}"


def show(tables: list[Table]) -> None:
    """Print the one table, who was not measured and why, and the promises."""
    width = max(len(f"{table.title}: {column}") for table in tables for column in table.better)
    print(f"\n{'what':<{width}} {'tuneset':>9} {'ratio':>7} {'wins':<14} others")
    for table in tables:
        for line in compared(table):
            others = " · ".join(f"{way} {number(figure)}" for way, figure in line.others.items())
            what = f"{line.table}: {line.column}"
            print(f"{what:<{width}} {number(line.ours):>9} {line.ratio:>7.3g} {line.wins:<14} {others}")
    print()
    for table in tables:
        for way, said in table.ways.items():
            if isinstance(said, str):
                print(f"{table.title}: {way}: {said}")
    print()
    for table in tables:
        for promise in table.promises:
            verdict = "holds" if promise.holds else "MISSED"
            print(
                f"{table.title + ': ' + promise.what:<{width}} {number(promise.figure):>9} {promise.limit:<8} {verdict}"
            )


def read(path: Path) -> dict[str, Any]:
    """Read what earlier parts found: `machine`, and `parts` with their tables."""
    return json.loads(path.read_text()) if path.exists() else {"parts": {}}


def tables_of(part: dict[str, Any]) -> list[Table]:
    """Take the tables of a part out of the JSON."""
    return [
        Table(
            **table | {"promises": tuple(Promise(**each) for each in table["promises"]), "only": tuple(table["only"])}
        )
        for table in part["tables"]
    ]


def written(tables: list[Table]) -> list[dict[str, Any]]:
    """Make JSON of tables."""
    return [table._asdict() | {"promises": [each._asdict() for each in table.promises]} for table in tables]
