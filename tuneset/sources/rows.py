"""Cells become examples: every row of every input, in order, readable or not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
import polars as pl

from tuneset import model
from tuneset.errors import InputError, unknown
from tuneset.sources import files, shapes
from tuneset.sources.columns import Columns, choose
from tuneset.sources.table import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuneset.sources.table import Table

RULE = "unreadable-row"
_PREVIEW = 10
_TASKS = ("classify", "extract", "chat", "tools")  # where inputs differ, the later one holds for all
_WRITTEN = "\x00labels"  # no column of a file can have this name
_PART = pl.Schema(
    {
        **{name: kind for name, kind in model.EXAMPLES.items() if name not in ("id", "source", "origin")},
        "row": pl.UInt32(),
        "why": pl.String(),
        "raw": pl.String(),
    },
)
_KINDS = {
    "table": "a table of texts and labels",
    "chat": "conversations (messages with role and content)",
    "sharegpt": "conversations (ShareGPT: from and value)",
    "alpaca": "instructions and outputs (Alpaca)",
    "prompt-completion": "prompts and completions",
}


class Read(NamedTuple):
    """What came in: every row as an example, a finding for each that could not be read, and what was found out."""

    examples: pl.DataFrame  # model.EXAMPLES; the text of an unreadable row is null
    findings: pl.DataFrame  # model.FINDINGS
    columns: Columns
    task: str
    said: tuple[str, ...]
    preview: pl.DataFrame  # the first rows as they were read, all strings


def read(  # noqa: PLR0913
    inputs: Any,
    *,
    name: str = "files",
    text: str | None = None,
    labels: Sequence[str] = (),
    groups: Sequence[str] = (),
    answer: str = "json",
) -> Read:
    """Read files, globs, folders, standard input ("-") or a table in memory into examples.

    Columns that are not named are guessed, and the guess is said; conversations are recognised. `groups` names columns
    whose equal values tie rows together. Every value stays the string that was written. A row that cannot be read is
    an example without text and a finding `unreadable-row`. Raises InputError where there is nothing to read, and
    RecipeError where a column is missing or the guess is not clear.

    >>> got = read([{"inquiry": "Where is it?", "intent": "track"}, {"inquiry": "Refund!", "intent": "refund"}])
    >>> got.examples.select("text", "label").row(0), got.columns.labels
    (('Where is it?', '{"intent": "track"}'), ('intent',))
    """
    tables = files.tables(inputs)
    _check_rows(tables)
    shaped = [shapes.Shape("table")] * len(tables) if text or labels else _shapes(tables)
    cells = pl.concat([table.cells for table in tables], how="diagonal")
    if shaped[0].kind == "table":
        columns = choose(cells, text, labels, groups, _all_names(tables))
        made = [_from_table(table, columns, answer) for table in tables]
    else:
        columns = Columns(shaped[0].kind, groups=tuple(groups))
        made = [_from_conversations(table, shape, columns) for table, shape in zip(tables, shaped, strict=True)]
    rows = pl.concat([part.rows for part in made])
    if rows["why"].is_not_null().all():
        raise _none(rows["at"][0], rows["why"][0])
    content = rows.select(
        pl.concat_str(pl.col("text", "labels", "messages", "raw").fill_null("\x01"), separator="\x00"),
    ).to_series()
    rows = rows.with_columns(id=model.example_ids(name, content), source=pl.lit(name))
    examples = rows.select(pl.col(column).cast(kind) for column, kind in model.EXAMPLES.items())
    findings = rows.filter(pl.col("why").is_not_null()).select(
        rule=pl.lit(RULE),
        example="id",
        action=pl.lit("drop"),
        says=pl.concat_str("at", pl.lit(": "), "why"),
    )
    task = max((part.task for part in made), key=_TASKS.index)
    said = (*(_about(table, part.rows) for table, part in zip(tables, made, strict=True)), _about_columns(columns))
    return Read(examples, model.as_findings(findings), columns, task, said, cells.head(_PREVIEW))


class _Made(NamedTuple):
    rows: pl.DataFrame  # EXAMPLES without id and source, and row, at ("orders.csv:17"), why, raw
    task: str


def _check_rows(tables: Sequence[Table]) -> None:
    for table in tables:
        if not table.cells.height and not table.broken.height:
            hint = "check that the export finished; a header alone is no data"
            raise InputError("there are no rows", table.name, hint)
    if not any(table.cells.height for table in tables):
        first = tables[0].broken.row(0, named=True)
        raise _none(_at(tables[0], first["row"]), first["why"])


def _none(at: str, why: str) -> InputError:
    return InputError(f"no row can be read; the first: {why}", at, "check that the file is what its header says it is")


def _shapes(tables: Sequence[Table]) -> list[shapes.Shape]:
    """Recognise the shape of each input's rows; inputs of two kinds cannot be one dataset."""
    found = [shapes.recognise(table.cells, table.name) for table in tables]
    for table, shape in zip(tables, found, strict=True):
        if shape.kind != found[0].kind and table.cells.height:
            where = f"{tables[0].name} and {table.name}"
            what = f"the inputs are of two kinds: {_KINDS[found[0].kind]}, and {_KINDS[shape.kind]}"
            raise InputError(what, where, "prepare them one at a time")
    return found


def _from_table(table: Table, columns: Columns, answer: str) -> _Made:
    cells = table.cells
    if not cells.height:
        return _Made(_whole(table, _nothing()), "classify")
    for column in filter(None, (columns.text, *columns.labels, *columns.groups)):
        if column not in cells.columns:
            raise unknown("column", column, cells.columns, table.name)
    labels, task = _labels(cells.select(columns.labels))
    others = [name for name in cells.columns if name not in (columns.text, *columns.labels)]
    part = cells.select(
        text=pl.col(columns.text or ""),
        label=model.answers(labels, answer),
        labels=labels,
        messages=pl.lit(None, dtype=pl.String),
        groups=_groups(columns.groups),
        extra=pl.struct(others).struct.json_encode() if others else pl.lit("{}"),
        row=table.row,
        why=pl.lit(None, dtype=pl.String),
        raw=pl.lit(None, dtype=pl.String),
    )
    return _Made(_whole(table, part), task)


def _labels(cells: pl.DataFrame) -> tuple[pl.Series, str]:
    """Write each row's labels as one JSON object, once per distinct combination; lists and objects stay what they are."""
    distinct = cells.unique(maintain_order=True)
    values = {name: _values(distinct[name]) for name in cells.columns}
    written = [
        json.dumps({name: values[name][cell] for name, cell in row.items()}, ensure_ascii=False)
        for row in distinct.iter_rows(named=True)
    ]
    keyed = distinct.with_columns(pl.Series(_WRITTEN, written, dtype=pl.String))
    joined = cells.join(keyed, on=cells.columns, how="left", nulls_equal=True, maintain_order="left")
    objects = any(isinstance(value, dict) for column in values.values() for value in column.values())
    return joined[_WRITTEN].rename("labels"), "extract" if objects else "classify"


def _values(column: pl.Series) -> dict[str | None, Any]:
    """Read what a label column's cells mean: blank is none; JSON lists or objects where all cells are; else text."""
    values = {cell: cell if cell and cell.strip() else None for cell in column.unique().to_list()}
    filled = [cell for cell in values if values[cell] is not None]
    if filled and all(cell.lstrip().startswith(("[", "{")) for cell in filled if cell):
        try:
            return {**values, **{cell: orjson.loads(cell) for cell in filled if cell}}
        except orjson.JSONDecodeError:
            return values
    return values


def _from_conversations(table: Table, shape: shapes.Shape, columns: Columns) -> _Made:
    cells = table.cells
    if not cells.height:
        return _Made(_whole(table, _nothing()), "chat")
    for column in columns.groups:
        if column not in cells.columns:
            raise unknown("column", column, cells.columns, table.name)
    told = shapes.converse(cells, shape)
    part = told.rows.with_columns(
        groups=cells.with_columns(_groups(columns.groups).alias("groups"))["groups"],
        labels=pl.lit(None, dtype=pl.String),
        row=table.row,
        raw=pl.lit(None, dtype=pl.String),
    )
    bad = part["why"].is_not_null()
    if bad.any():
        written = [orjson.dumps(row) for row in cells.filter(bad).iter_rows(named=True)]
        raw = pl.DataFrame({"row": table.row.filter(bad), "raw": [shown(row) for row in written]})
        part = part.update(raw, on="row")
    return _Made(_whole(table, part), "tools" if told.tools else "chat")


def _groups(columns: Sequence[str]) -> pl.Expr:
    if not columns:
        return pl.lit([], dtype=pl.List(pl.String))
    keys = [
        pl.when(pl.col(column).str.strip_chars() != "").then(pl.concat_str(pl.lit(f"{column}:"), column))
        for column in columns
    ]
    return pl.concat_list(keys).list.drop_nulls()


def _nothing() -> pl.DataFrame:
    return pl.DataFrame(schema=_PART)


def _whole(table: Table, part: pl.DataFrame) -> pl.DataFrame:
    """Join the rows that were read and those that were not, in the order of the input."""
    broken = table.broken.with_columns(groups=pl.lit([], dtype=pl.List(pl.String)))
    rows = pl.concat([part.select(_PART.names()), broken], how="diagonal").sort("row", maintain_order=True)
    named = f'{{"file": {json.dumps(table.name, ensure_ascii=False)}, "row": ' if table.in_file else '{"row": '
    at = f"{table.name}:" if table.in_file else f"{table.name}, row "
    return rows.with_columns(
        extra=pl.when(pl.col("raw").is_not_null()).then(pl.struct("raw").struct.json_encode()).otherwise("extra"),
        origin=pl.concat_str(pl.lit(named), "row", pl.lit("}")),
        at=pl.concat_str(pl.lit(at), "row"),
    )


def _at(table: Table, row: int) -> str:
    return f"{table.name}:{row}" if table.in_file else f"{table.name}, row {row}"


def _all_names(tables: Sequence[Table]) -> str:
    return ", ".join(table.name for table in tables[:3]) + (" and others" if len(tables) > 3 else "")


def _about(table: Table, rows: pl.DataFrame) -> str:
    lost = int(rows["why"].is_not_null().sum())
    count = f"{rows.height:,} row{'' if rows.height == 1 else 's'}"
    unreadable = (f"{lost:,} of them cannot be read",) if lost else ()
    return f"{table.name}: " + "; ".join((f"{count}, {table.form}", *unreadable, *table.notes))


def _about_columns(columns: Columns) -> str:
    if columns.kind != "table":
        return f"the rows are {_KINDS[columns.kind]}"
    labels = " and ".join(columns.labels)
    verb = "labels are" if len(columns.labels) > 1 else "label is"
    guess = {("text", "labels"): " (guessed)", ("text",): " (text is guessed)", ("labels",): " (labels are guessed)"}
    return f"text is {columns.text}, {verb} {labels}{guess.get(columns.guessed, '')}"
