"""The names of a source brought to ours: of its columns, and of its labels."""

from __future__ import annotations

import contextlib
import difflib
from typing import TYPE_CHECKING

import orjson
import polars as pl

from tuneset.errors import unknown
from tuneset.sources.table import BESIDE, Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

UNWANTED = "unwanted-label"
Renaming = "Mapping[str, str | Mapping[str, str]]"


def columns(read: Table, names: Mapping[str, str]) -> Table:
    """Call columns as the recipe does; `names` says for each of the source's columns what it is here.

    >>> from tuneset.sources.json_rows import read_dicts
    >>> columns(read_dicts("a list", [{"intent": "track"}]), {"intent": "category"}).cells.columns
    ['category']
    """
    for name in names:
        if name not in read.cells.columns and read.cells.height:
            raise unknown("column", name, read.cells.columns, f"{read.name}, columns")
    taken = set(names.values()) & (set(read.cells.columns) - set(names))
    cells = read.cells.drop(sorted(taken))  # what the recipe puts in its place is meant
    here = {name: ours for name, ours in names.items() if name in cells.columns}
    typed = read.typed.drop(sorted(taken & set(read.typed.columns)))
    return read._replace(
        cells=cells.rename(here),
        typed=typed.rename({name: ours for name, ours in here.items() if name in typed.columns}),
    )


def hint(these: Sequence[str], first: Sequence[str], bare: str) -> str:
    """Say what brings the labels of two sources together; `bare` is the one that has none, where one has none."""
    if not (these and first):
        return f"{bare} has no labels: name its label columns (labels = [...]), or prepare it on its own"
    mine = [label for label in these if label not in first]
    theirs = [label for label in first if label not in these]
    if mine and theirs:
        return f'say what they are called here: columns = {{ "{mine[0]}" = "{theirs[0]}" }}'
    return f"name the same label columns in each: labels = {[label for label in these if label in first]}"


def labels(read: Table, chosen: Sequence[str], renaming: Mapping[str, str | Mapping[str, str]]) -> Table:
    """Call labels as the recipe does; rows whose label is called "" are left out (`unwanted-label`).

    `renaming`: the source's labels and ours, for every label column, or a table of them for each by its name. A label
    that is not named stays. In a column of lists each label of a list is renamed.
    """
    for name, told in renaming.items():
        if not isinstance(told, str) and name not in chosen:
            raise unknown("label column", name, chosen, f"{read.name}, rename")
    common = {label: ours for label, ours in renaming.items() if isinstance(ours, str)}
    cells, unwanted = read.cells, pl.Series([], dtype=pl.String)
    for column in chosen:
        own = renaming.get(column)
        told = {**common, **(own if own is not None and not isinstance(own, str) else {})}
        if not told or column not in cells.columns:
            continue
        renamed = _renamed(cells[column], told)
        gone = pl.select(pl.when((renamed == "") & (cells[column] != "")).then(cells[column])).to_series()
        unwanted = gone if unwanted.is_empty() else pl.select(pl.coalesce(unwanted, gone)).to_series()
        # a row that is left out keeps the label that it came with
        cells = cells.with_columns(
            pl.select(pl.when(gone.is_null()).then(renamed).otherwise(cells[column])).to_series().alias(column)
        )
    if unwanted.null_count() == len(unwanted):
        return read._replace(cells=cells)
    beside = (read.beside if read.beside is not None else pl.DataFrame(schema=BESIDE).clear(cells.height)).with_columns(
        rule=pl.when(unwanted.is_not_null()).then(pl.lit(UNWANTED)).otherwise("rule"),
        says=pl.when(unwanted.is_not_null())
        .then(pl.format("the recipe does not want the label {}", unwanted))
        .otherwise("says"),
    )
    return read._replace(cells=cells, beside=beside)


def unmet(tables: Sequence[Table], chosen: Sequence[str], renaming: Mapping[str, str | Mapping[str, str]]) -> list[str]:
    """Name the labels that the recipe renames and no row has, each with the nearest that there is."""
    there = {
        column: set[str]().union(*(_there(each.cells[column]) for each in tables if column in each.cells.columns))
        for column in chosen
    }
    asked = [(label, [column]) for column, own in renaming.items() if not isinstance(own, str) for label in own]
    asked += [(label, list(chosen)) for label, ours in renaming.items() if isinstance(ours, str)]
    return [
        _unmet(label, columns, set[str]().union(*map(there.__getitem__, columns)))
        for label, columns in asked
        if not any(label in there[column] for column in columns)
    ]


def _there(column: pl.Series) -> set[str]:
    labels: set[str] = set()
    for cell in column.drop_nulls().unique():
        labels |= {cell, cell.strip()}
        with contextlib.suppress(orjson.JSONDecodeError):
            labels |= {each for each in orjson.loads(cell) if isinstance(each, str)} if cell.startswith("[") else set()
    return labels


def _unmet(label: str, columns: list[str], there: set[str]) -> str:
    near = difflib.get_close_matches(label, sorted(there), n=1, cutoff=0.5)
    return f"rename: no row has {label!r} as its {' or '.join(columns)}" + (f"; there is {near[0]!r}" if near else "")


def _renamed(column: pl.Series, told: Mapping[str, str]) -> pl.Series:
    """Rename the labels of a column once per distinct cell."""
    distinct = column.drop_nulls().unique()
    return column.replace({cell: _cell(cell, told) for cell in distinct})


def _cell(cell: str, told: Mapping[str, str]) -> str:
    if not cell.startswith("["):
        return told.get(cell, told.get(cell.strip(), cell))
    try:
        listed = orjson.loads(cell)
    except orjson.JSONDecodeError:
        return told.get(cell, cell)
    named = [told.get(each, each) if isinstance(each, str) else each for each in listed]
    left = list(dict.fromkeys(each for each in named if each != ""))
    return orjson.dumps(left).decode() if left or not listed else ""
