"""Lines of chat: examples as rows with a list of `messages`, written by columns."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import polars as pl

from tuneset.shapes.row import OFFERED, dumps, opened

if TYPE_CHECKING:
    from pathlib import Path


def lines(examples: pl.DataFrame, system: str | None = None) -> pl.Series:
    r"""Write each example as one line of JSON, without the line's end.

    A row of a table becomes `{"messages": [system, user, assistant]}`, to the character what
    `json.dumps(..., ensure_ascii=False)` gives; without text or answer it has no line (null). A conversation keeps its
    messages byte for byte, followed by the `tools`, `parallel_tool_calls` and `functions` of its `extra`; `system`
    is put in front where no message is one. Reads the columns `text`, `label`, `messages` and `extra`.

    >>> rows = pl.DataFrame({"text": ['a "b"'], "label": ["C"], "messages": [None], "extra": [None]})
    >>> print(lines(rows)[0])
    {"messages": [{"role": "user", "content": "a \"b\""}, {"role": "assistant", "content": "C"}]}
    """
    first = "" if system is None else dumps({"role": "system", "content": system})
    talks = pl.col("messages").is_not_null()
    columns = examples.select(
        pl.col("text", "label", "messages").cast(pl.String),
        extra=pl.when(talks).then(pl.col("extra").cast(pl.String)),
    )
    return columns.select(
        line=pl.when(talks).then(_conversation(first, _offered(columns["extra"]))).otherwise(_table(first)),
    ).to_series()


def plain(examples: pl.DataFrame) -> pl.Series:
    """Write each example's text as a row of plain text; one without text has no line (null).

    >>> plain(pl.DataFrame({"text": ["a"]}))[0]
    '{"text": "a"}'
    """
    return examples.select(line=pl.concat_str(pl.lit('{"text": '), _string("text"))).to_series()


def write(lines: pl.Series, path: Path) -> None:
    """Write the lines, each ended by one newline, as UTF-8 without a byte-order mark; an OSError is the caller's."""
    lines.to_frame().write_csv(path, include_header=False, quote_style="never")


def _table(first: str) -> pl.Expr:
    ahead = first + ", " if first else ""
    return pl.concat_str(
        pl.lit(f'{{"messages": [{ahead}{{"role": "user", "content": '),
        _string("text"),
        pl.lit(', {"role": "assistant", "content": '),
        _string("label"),
        pl.lit("]}"),
    )


def _string(column: str) -> pl.Expr:
    """Write a column as JSON strings, each with the brace that closes its message.

    Polars escapes exactly as Python's json does (tests hold it to that), at 17 million short rows a second.
    """
    wrapped = pl.struct(pl.col(column).alias("c")).struct.json_encode()
    return pl.when(pl.col(column).is_not_null()).then(wrapped.str.slice(len('{"c":')))


def inside(column: str) -> pl.Expr:
    """Write a column as what stands between the quotes of JSON strings."""
    return _string(column).str.slice(1).str.head(-len('"}'))


def _conversation(first: str, offered: pl.Series) -> pl.Expr:
    # A line's end inside the JSON is white space between tokens, since strings must escape it.
    messages = pl.col("messages").str.replace_all(r"[\r\n]", " ").str.strip_chars()
    if first:
        # The quotes cannot come from a text: there they would be escaped.
        has_system = messages.str.contains(r'[{,]\s*"role"\s*:\s*"(?:system|developer)"')
        is_empty = messages.str.contains(r"^\[\s*\]$")
        in_front = pl.concat_str(pl.lit(f"[{first}, "), messages.str.slice(1))
        messages = pl.when(has_system | is_empty).then(messages).otherwise(in_front)
    return pl.concat_str(pl.lit('{"messages": '), messages, offered, pl.lit("}"))


def _offered(extra: pl.Series) -> pl.Series:
    """Write what `extra` holds of `OFFERED` as the end of a row, once per distinct value that names one of them."""
    named = extra.str.contains(f'"(?:{"|".join(OFFERED)})"')
    ends = {value: _offer(value) for value in extra.filter(named).unique().to_list()}
    return extra.replace_strict(ends, default="", return_dtype=pl.String)


def _offer(extra: str) -> str:
    held = json.loads(extra)
    return "".join(f', "{key}": {dumps(opened(held[key]))}' for key in OFFERED if held.get(key) is not None)
