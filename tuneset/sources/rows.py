"""Cells become examples: every row of every input, in order, readable or not."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
import polars as pl

from tuneset import model
from tuneset.errors import InputError, unknown
from tuneset.sources import files, mapping, shapes, traces
from tuneset.sources.columns import Columns, choose
from tuneset.sources.table import BESIDE, shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tuneset.sources.table import Table

RULE = "unreadable-row"
_PREVIEW = 10
_TASKS = (
    "plain",
    "classify",
    "extract",
    "chat",
    "tools",
    "preference",
)  # where inputs differ, the later one holds for all
_PART = pl.Schema(
    {
        **{name: kind for name, kind in model.EXAMPLES.items() if name not in ("id", "source", "origin")},
        "row": pl.UInt32(),
        "why": pl.String(),
        "raw": pl.String(),
        **BESIDE,
    },
)
_KINDS = {
    "table": "a table of texts and labels",
    "chat": "conversations (messages with role and content)",
    "sharegpt": "conversations (ShareGPT: from and value)",
    "alpaca": "instructions and outputs (Alpaca)",
    "prompt-completion": "prompts and completions",
    "converse": "conversations (Bedrock Converse)",
    "gemini": "conversations (Gemini: contents)",
    "preference": "preference pairs (preferred and not preferred)",
    "chosen": "preference pairs (chosen and rejected)",
}


class Read(NamedTuple):
    """What came in: every row as an example, a finding for each that could not be read, and what was found out."""

    examples: pl.DataFrame  # model.EXAMPLES; the text of an unreadable row is null
    findings: pl.DataFrame  # model.FINDINGS
    columns: Columns
    task: str
    said: tuple[str, ...]
    preview: pl.DataFrame  # the first rows as they were read, all strings


class Ours(NamedTuple):
    """How the recipe brings a source to our names, which of its rows are good, and what each row's origin says of it."""

    columns: Mapping[str, str] = MappingProxyType({})
    rename: Mapping[str, str | Mapping[str, str]] = MappingProxyType({})
    good: str = ""
    about: Mapping[str, str] = MappingProxyType({})  # its licence, its address


_AS_IT_IS = Ours()


def read(  # noqa: PLR0913
    inputs: Any,
    *,
    name: str = "files",
    text: str | None = None,
    labels: Sequence[str] = (),
    groups: Sequence[str] = (),
    answer: str = "json",
    labelled: bool = True,
    ours: Ours = _AS_IT_IS,
) -> Read:
    """Read files, globs, folders, standard input ("-") or a table in memory into examples.

    Columns that are not named are guessed, and the guess is said; conversations are recognised. `groups` names columns
    whose equal values tie rows together. Every value stays the string that was written; labels that are no text in the
    source (numbers, true, lists) stay what they are. A row that cannot be read is an example without text and a finding
    `unreadable-row`. Raises InputError where there is nothing to read, and RecipeError where a column is missing or the
    guess is not clear. `labelled`: false for a set that is compared with only, where text alone will do.

    >>> got = read([{"inquiry": "Where is it?", "intent": "track"}, {"inquiry": "Refund!", "intent": "refund"}])
    >>> got.examples.select("text", "label").row(0), got.columns.labels
    (('Where is it?', '{"intent": "track"}'), ('intent',))
    """
    tables = files.tables(inputs, [*([text] if text else []), *labels, *groups], ours.good, _called(ours.about))
    _check_rows(tables)
    tables = [mapping.columns(table, ours.columns) for table in tables] if ours.columns else tables
    paged = all(table.posts or _is_crawled(table) for table in tables)
    scraped = not labels and paged and all("text" in table.cells.columns for table in tables)
    if scraped:
        text, groups, labelled = text or "text", groups or ["thread"], False
    shaped = [shapes.Shape("table")] * len(tables) if text or labels else _shapes(tables)
    cells = pl.concat([table.cells for table in tables], how="diagonal")
    if shaped[0].kind == "table":
        seen = cells.select("text", "thread") if scraped and any(table.posts for table in tables) else cells
        columns = choose(seen, text, labels, groups, _all_names(tables), labelled=labelled)
        renamed = [mapping.labels(table, columns.labels, ours.rename) for table in tables] if ours.rename else tables
        made = [_from_table(table, columns, answer) for table in renamed]
    else:
        columns = Columns(shaped[0].kind, groups=tuple(groups) or _lineage(tables))
        made = [_from_conversations(table, shape, columns) for table, shape in zip(tables, shaped, strict=True)]
    rows = pl.concat([part.rows for part in made])
    if rows["why"].is_not_null().all():
        raise _none(rows["at"][0], rows["why"][0])
    content = rows.select(
        pl.concat_str(pl.col("text", "labels", "messages", "raw").fill_null("\x01"), separator="\x00"),
    ).to_series()
    rows = rows.with_columns(_with_page(ours.about)) if paged else rows
    rows = rows.with_columns(id=model.example_ids(name, content), source=pl.lit(name), origin=_origin(ours.about))
    examples = rows.select(pl.col(column).cast(kind) for column, kind in model.EXAMPLES.items())
    findings = _findings(rows)
    task = max((part.task for part in made), key=_TASKS.index)
    about = [sentence for table, part in zip(tables, made, strict=True) for sentence in _about(table, part)]
    unmet = mapping.unmet(tables, columns.labels, ours.rename) if ours.rename else ()
    said = (*about, *files.passed_over(inputs), _about_columns(columns), *unmet)
    return Read(examples, model.as_findings(findings), columns, task, said, cells.head(_PREVIEW))


def _is_crawled(table: Table) -> bool:
    """Say whether an input is what a crawl leaves: pages, which have no labels, and of which a thread stays on one side."""
    return {"text", "thread", "url", "ai_preference", "extractor"} <= set(table.cells.columns)


def _with_page(about: Mapping[str, str]) -> pl.Expr:
    """Put the address and the licence of a page, or a post, into the origin of its rows; what the recipe says stays."""
    known = [
        pl.col("extra").str.json_path_match(f"$.{name}").alias(name) for name in ("url", "licence") if name not in about
    ]
    return pl.concat_str(
        pl.col("origin").str.head(-1), pl.lit(", "), pl.struct(known).struct.json_encode().str.slice(1)
    ).alias("origin")


def _origin(about: Mapping[str, str]) -> pl.Expr:
    """Put what is known of a whole source before what is known of its row."""
    if not about:
        return pl.col("origin")
    known = json.dumps(dict(about), ensure_ascii=False)
    return pl.concat_str(pl.lit(f"{known[:-1]}, "), pl.col("origin").str.slice(1))


def _called(about: Mapping[str, str]) -> str:
    """Name the rows of a query by their database: the file that they lie in is one that nobody has named."""
    address = about.get("address", "")
    return address if address.startswith("sql:") and ", " not in address else ""


def _lineage(tables: Sequence[Table]) -> tuple[str, ...]:
    """Name the columns of a trace that tie its calls together."""
    return tuple(
        name
        for name in (*traces.GROUPS, "thread")
        if all(table.beside is not None and name in table.cells for table in tables)
    )


def _findings(rows: pl.DataFrame) -> pl.DataFrame:
    """Say of each row why it could not be read, or why its reader leaves it out, naming the row that holds all of it."""
    unread = rows.filter(pl.col("why").is_not_null()).select(
        rule=pl.lit(RULE), example="id", says=pl.concat_str("at", pl.lit(": "), "why")
    )
    keyed = rows.select(twin="key", other="id").drop_nulls().unique("twin", keep="first")
    left = rows.filter(pl.col("rule").is_not_null()).join(keyed, on="twin", how="left", maintain_order="left")
    others = pl.when(pl.col("other").is_not_null()).then(pl.concat_list("other"))
    said = left.select("rule", example="id", says="says", others=others)
    return pl.concat([unread, said], how="diagonal").with_columns(action=pl.lit("drop"))


class _Made(NamedTuple):
    rows: pl.DataFrame  # EXAMPLES without id and source, and row, at ("orders.csv:17"), why, raw
    task: str
    note: str = ""


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
    found = [shapes.recognise(table.cells) for table in tables]
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
    labels, task = _labels(table, columns.labels)
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


def _labels(table: Table, names: Sequence[str]) -> tuple[pl.Series, str]:
    """Write each row's labels as one JSON object, once per distinct combination, and say what task they make."""
    if not names:
        return pl.Series([None] * table.cells.height, dtype=pl.String), "plain"
    columns = [table.cells[name].alias(f"value {place}") for place, name in enumerate(names)]
    typed = [table.typed[name].alias(f"typed {name}") for name in names if name in table.typed.columns]
    cells = pl.DataFrame([*columns, *typed])
    distinct = cells.unique(maintain_order=True)
    values = [
        _values(distinct[column.name], distinct.get_column(f"typed {name}", default=None))
        for name, column in zip(names, columns, strict=True)
    ]
    written = [json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False) for row in zip(*values, strict=True)]
    keyed = distinct.with_columns(labels=pl.Series(written, dtype=pl.String))
    joined = cells.join(keyed, on=cells.columns, how="left", nulls_equal=True, maintain_order="left")
    objects = any(isinstance(value, dict) for column in values for value in column)
    return joined["labels"], "extract" if objects else "classify"


def _values(column: pl.Series, typed: pl.Series | None) -> list[Any]:
    """Read what a label column's cells mean: blank is none; JSON lists or objects where all cells are; else text.

    A cell that is no text in the source (`typed`) is what it is there: a number, true, false, a list, an object.
    """
    cells = [cell if cell and cell.strip() else None for cell in column.to_list()]
    distinct = {cell for cell in cells if cell is not None}
    if distinct and all(cell.lstrip().startswith(("[", "{")) for cell in distinct):
        try:
            meant = {cell: orjson.loads(cell) for cell in distinct}
            return [meant.get(cell) for cell in cells]
        except orjson.JSONDecodeError:
            pass
    if typed is None:
        return cells
    return [json.loads(cell) if cell and is_typed else cell for cell, is_typed in zip(cells, typed, strict=True)]


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
    task = "preference" if shape.kind in shapes.PAIRS else "tools" if told.tools else "chat"
    return _Made(_whole(table, part), task, _about_renamed(told.renamed, part.height))


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
    beside = table.beside if table.beside is not None else pl.DataFrame(schema=BESIDE).clear(part.height)
    part = part.drop(BESIDE.names(), strict=False).hstack(beside)
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


def _about(table: Table, made: _Made) -> list[str]:
    """Say how many rows there are, and each thing of note in a sentence of its own: a screen cuts long ones."""
    lost = int(made.rows["why"].is_not_null().sum())
    count = f"{made.rows.height:,} row{'' if made.rows.height == 1 else 's'}"
    unreadable = (f"{lost:,} of them cannot be read",) if lost else ()
    notes = (*table.notes, made.note) if made.note else table.notes
    return [f"{table.name}: " + said for said in ("; ".join((f"{count}, {table.form}", *unreadable)), *notes)]


def _about_renamed(renamed: int, rows: int) -> str:
    which = "the conversations name" if renamed == rows else f"{renamed:,} conversations name"
    which = "1 conversation names" if renamed == 1 < rows else which
    return f"{which} who speaks as ShareGPT does (human, gpt): read as user and assistant" if renamed else ""


def _about_columns(columns: Columns) -> str:
    if columns.kind != "table":
        return f"the rows are {_KINDS[columns.kind]}"
    if not columns.labels:
        return f"text is {columns.text}; there are no labels"
    labels = " and ".join(columns.labels)
    verb = "labels are" if len(columns.labels) > 1 else "label is"
    guess = {("text", "labels"): " (guessed)", ("text",): " (text is guessed)", ("labels",): " (labels are guessed)"}
    return f"text is {columns.text}, {verb} {labels}{guess.get(columns.guessed, '')}"
