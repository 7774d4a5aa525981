"""Examples as the lines of any target: by columns or by a pattern, one by one where a row is not like the others."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from tuneset.shapes import SHAPES
from tuneset.shapes.row import ANSWER, FOR_TEMPLATE, dumps, opened
from tuneset.targets.lines import inside, lines
from tuneset.targets.mend import Fitted, fitted, unlearned
from tuneset.targets.rules import has

if TYPE_CHECKING:
    from tuneset.shapes.row import Row, Said
    from tuneset.targets.table import Target

_TEXT, _ANSWER = "\ue000text\ue001", "\ue000answer\ue001"  # letters for private use, which stand for what a row holds

SAID = pl.Schema({"row": pl.Int64, "rule": pl.String, "says": pl.String})


class Written(NamedTuple):
    """A line for each example, null where the target cannot hold it, and what was said of each row that is not as it was."""

    lines: pl.Series
    said: pl.DataFrame  # row (its number), rule, says


def written(examples: pl.DataFrame, target: Target, system: str | None = None) -> Written:
    """Write examples as a target reads them, each fitted to it as little as it asks for.

    Reads the columns of `lines`, and `labels` where a target takes what a grader reads. Rows of a table are written by one
    pattern: 3 us each; a conversation takes 30. An example that has neither text and answer nor messages has no line.

    >>> from tuneset.targets.table import TARGETS
    >>> row = {"text": "q", "label": "a", "labels": "{}", "messages": None, "extra": None}
    >>> rows = pl.DataFrame([row], schema=dict.fromkeys(row, pl.String))
    >>> print(written(rows, TARGETS["alpaca"], "Be kind.").lines[0])
    {"instruction": "q", "input": "", "output": "a", "system": "Be kind."}
    """
    canonical = lines(examples, system)
    target = _without_system(target, canonical)
    said: list[pl.DataFrame] = [pl.DataFrame(schema=SAID)]
    if _as_it_is(target):
        plain = examples["messages"].is_null() & canonical.is_not_null()
        by_pattern = canonical
    else:
        pattern, words = _pattern(target, system)
        plain = _is_plain(examples, target)
        by_pattern = _by_pattern(examples, pattern) if pattern else pl.Series([None] * examples.height, dtype=pl.String)
        same = pl.DataFrame({"row": plain.arg_true()}, schema={"row": SAID["row"]})
        said += [same.with_columns(rule=pl.lit(rule), says=pl.lit(says)) for rule, says in words]
    numbers, single, alone = (~plain).arg_true().to_list(), [], []
    beside = examples.select("labels", "extra").rows() if numbers else []
    for number in numbers:
        line = canonical[number]
        fit = _fitted(line, target, *beside[number])
        single.append(None if fit.row is None else dumps(SHAPES[target.shape].write(fit.row, target)))
        alone += [(number, *each) for each in fit.said]
    said.append(pl.DataFrame(alone, schema=SAID, orient="row"))
    put = by_pattern.clone().scatter(numbers, pl.Series(single, dtype=pl.String))
    put, filled = _filled(put, target)
    put, apart = _alike(put, target)
    told = pl.concat(
        [each.join(apart, on="row", how="anti") for each in [*said, filled]]
    )  # of a row that is out, why is enough
    return Written(put, pl.concat([told, apart]).sort("row", maintain_order=True))


def _alike(put: pl.Series, target: Target) -> tuple[pl.Series, pl.DataFrame]:
    """Leave out the fewer rows of two kinds that a target does not take together, such as rows with calls and rows without."""
    wanted = [kind for kind in target.alike if kind not in target.empty]
    lines = enumerate(put.to_list()) if wanted else ()
    held = {number: has(json.loads(line)) for number, line in lines if line is not None}
    apart: list[tuple[int, str, str]] = []
    for kind in wanted:
        having = {number for number, kinds in held.items() if kind in kinds}
        if not 0 < len(having) < len(held):
            continue
        count = f"{len(having):,} of {len(held):,} rows have {kind}"
        fewer = having if 2 * len(having) <= len(held) else held.keys() - having
        says = f"{count}, and the target takes all or none: the fewer are left out"
        apart += [(number, "mixed-keys", says) for number in sorted(fewer)]
        held = {number: kinds for number, kinds in held.items() if number not in fewer}
    gone = [number for number, _, _ in apart]
    return put.clone().scatter(gone, None) if gone else put, pl.DataFrame(apart, schema=SAID, orient="row")


def _filled(put: pl.Series, target: Target) -> tuple[pl.Series, pl.DataFrame]:
    """Give rows an empty object for what others have, where a target takes it from all or from none."""
    said: list[tuple[int, str, str]] = []
    for key in target.empty:
        mark = f'"{key}": '
        # a tool may have a parameter of this name: only rows with the letters are parsed
        named = {n for n in put.str.contains(mark, literal=True).arg_true().to_list() if key in json.loads(put[n])}
        lacking = [n for n in put.is_not_null().arg_true().to_list() if n not in named] if named else []
        put = put.clone().scatter(
            lacking, pl.Series([f"{put[n][:-1]}, {mark}{{}}}}" for n in lacking], dtype=pl.String)
        )
        said += [(n, "mixed-keys", f"an empty {key} is written, since other rows have one") for n in lacking]
    return put, pl.DataFrame(said, schema=SAID, orient="row")


def _without_system(target: Target, canonical: pl.Series) -> Target:
    """Take the system turn from a target that wants it in every row or in none, where some rows have none."""
    if "system" not in target.alike:
        return target
    with_it = canonical.drop_nulls().str.starts_with('{"messages": [{"role": "system"')
    return replace(target, roles=target.roles - {"system"}) if with_it.any() and not with_it.all() else target


def _as_it_is(target: Target) -> bool:
    """Say whether a target reads rows of a table exactly as chat has them."""
    return target.shape == "chat" and not target.reserved and {"system", "user", "assistant"} <= target.roles


def _is_plain(examples: pl.DataFrame, target: Target) -> pl.Series:
    """Mark the rows that are written by the pattern: a text and an answer, about which no rule could have anything to say."""
    unlabelled = target.shape == "plain"
    said = pl.col("text") if unlabelled else pl.col("text", "label")
    plain = pl.col("messages").is_null() & pl.all_horizontal(said.is_not_null() & (said.str.strip_chars() != ""))
    if unlabelled:
        plain &= pl.col("label").is_null()
    for word in target.reserved:
        plain &= ~pl.any_horizontal(said.str.contains(word, literal=True))
    if "fields" in target.keys:  # what a grader reads differs from row to row
        plain &= pl.lit(value=False)
    return examples.select(plain).to_series()


def _pattern(target: Target, system: str | None) -> tuple[str | None, tuple[Said, ...]]:
    """Write one row whose text and answer are marks, and say what was done to it; no pattern where it cannot be held."""
    if target.shape == "plain":
        return dumps({"text": _TEXT}), ()
    first = [] if system is None else [{"role": "system", "content": system}]
    turns = [{"role": "user", "content": _TEXT}, {"role": "assistant", "content": _ANSWER}]
    fit = fitted({"messages": [*first, *turns]}, target)
    return None if fit.row is None else dumps(SHAPES[target.shape].write(fit.row, target)), fit.said


def _by_pattern(examples: pl.DataFrame, pattern: str) -> pl.Series:
    parts, columns = [], {_TEXT: "text", _ANSWER: "label"}
    while found := min((mark for mark in columns if mark in pattern), key=pattern.index, default=None):
        before, _, pattern = pattern.partition(found)
        parts += [pl.lit(before), inside(columns[found])]
    return examples.select(line=pl.concat_str(*parts, pl.lit(pattern))).to_series()


def _fitted(line: str | None, target: Target, labels: str | None, extra: str | None) -> Fitted:
    """Fit one line of chat to a target, and say also what of it is no longer trained."""
    if line is None:
        return Fitted(None, (("missing-content", "there is no answer"),))
    row = _row(line, target, labels, extra)
    fit = fitted(row, target)
    return fit if fit.row is None else Fitted(fit.row, (*fit.said, *unlearned(row, fit.row, target)))


def _row(line: str, target: Target, labels: str | None, extra: str | None) -> Row:
    """Open a line of chat, with what only some targets take: a rejected answer, what a grader or a template reads."""
    row: Row = json.loads(line)
    held = json.loads(extra) if extra else {}
    if held.get(FOR_TEMPLATE):  # where the target has no place for it, that is said
        row[FOR_TEMPLATE] = opened(held[FOR_TEMPLATE])
    if held.get("rejected"):  # the same
        row["rejected"] = opened(held["rejected"])
        row |= {ANSWER: held[ANSWER]} if isinstance(held.get(ANSWER), int) else {}
    if "fields" in target.keys:
        row["fields"] = held.get("fields") or (json.loads(labels) if labels else {})
    return row
