"""What every step and every source promises, as checks to hold against yours: `check_step` and `check_source`."""

from __future__ import annotations

import json
import pickle
from typing import TYPE_CHECKING, Any, Protocol, get_args

import polars as pl

from tuneset import model
from tuneset.apply import apply
from tuneset.errors import unknown
from tuneset.step import Scope, Step, page, rule_of, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

_UNDECIDED = pl.DataFrame(schema=model.DECISIONS)
_ORDINARY: tuple[str | Mapping[str, Any], ...] = (
    {"text": "Where is my order?", "label": "Orders"},
    {"text": "where is my  order", "label": "Orders", "groups": ["thread:1"]},
    {"text": "Where is my order?", "label": "Shipping", "groups": ["thread:1", "author:2"]},
    {"text": "Where is my order?", "label": "Orders"},
    {"text": " MÃ¼ller here: my card\u200b was &amp; is <b>lost</b>", "label": "Cards"},
    {"messages": '[{"role":"user","content":" hi "},{"role":"assistant","content":"hello"}]'},
    {"text": "", "label": "Cards"},
    {"text": None, "label": None},
)


class Read(Protocol):
    """What a source gives: examples, and findings about what could not be read."""

    @property
    def examples(self) -> pl.DataFrame:
        """Return one row for each row of the source, unreadable ones too."""

    @property
    def findings(self) -> pl.DataFrame:
        """Return at least one finding for each example that could not be read."""


def examples(rows: Iterable[str | Mapping[str, Any]]) -> pl.DataFrame:
    """Build a full table of examples from partial ones; a string is an example with that text, and "A" is the label.

    A conversation is given by its `messages`; its text and label are read out of them. Raises RecipeError for a
    column that examples do not have.

    >>> examples(["hi", {"text": "bye", "label": "B"}]).select("text", "label", "labels", "source").rows()
    [('hi', 'A', '{"category": "A"}', 'test'), ('bye', 'B', '{"category": "B"}', 'test')]
    """
    full = [_example({"text": row} if isinstance(row, str) else row) for row in rows]
    table = pl.DataFrame(full, schema=model.EXAMPLES, orient="row")
    content = pl.Series("content", [json.dumps(row, sort_keys=True) for row in full], dtype=pl.String)
    return table.with_columns(id=pl.coalesce("id", model.example_ids("test", content)))


def _example(given: Mapping[str, Any]) -> dict[str, Any]:
    for name in given:
        if name not in model.EXAMPLES:
            raise unknown("column", name, model.EXAMPLES, "examples")
    row: dict[str, Any] = dict.fromkeys(model.EXAMPLES)
    row |= {"text": "", "label": "A", "source": "test", "groups": [], "origin": "{}", "extra": "{}"}
    if given.get("messages"):
        row |= model.conversations(pl.Series([given["messages"]])).row(0, named=True)
    else:
        row["labels"] = json.dumps({"category": given.get("label", "A")}, ensure_ascii=False)
    return row | dict(given)


def check_step(step: Step, examples: pl.DataFrame | None = None) -> None:
    """Hold a step to everything that steps promise; examples of your own are checked besides those that it names.

    A step is a frozen dataclass with a docstring that can be pickled; its rule is its class's name in kebab case.
    Findings fit the schema, speak of examples that are there, and are the same when asked twice, when the rows come in
    pieces (as its scope allows; a step that learns is fitted to all of them first), and when nothing else is left to
    do after they were applied. Rows in `speaks` make it speak, rows in `silent` do not; each of them is a list of
    partial examples that arrive together.

    Raises AssertionError with a sentence that says what does not hold. Limits: a step that keeps its word on these
    rows may still break it on others; give it rows like yours.

    >>> from tuneset.clean import WhiteSpace
    >>> check_step(WhiteSpace())
    """
    _check_form(step)
    cases = (*getattr(step, "speaks", ()), *getattr(step, "silent", ()))
    named = _table([*_ORDINARY, *(row for case in cases for row in case)])
    for table in (named, *([] if examples is None else [examples])):
        _check_findings(step, table)
        _check_pieces(step, table)
        _check_once(step, table)
    _check_cases(step)


def _table(rows: Sequence[str | Mapping[str, Any]]) -> pl.DataFrame:
    return examples(rows)


def _hold(step: Step, promise: object, sentence: str) -> None:
    if not promise:
        raise AssertionError(f"{type(step).__name__}: {sentence}")


def _check_form(step: Step) -> None:
    name = type(step).__name__
    settings = getattr(type(step), "__dataclass_params__", None)
    _hold(step, settings is not None and settings.frozen, "a step is a frozen dataclass")
    rule = getattr(step, "rule", None)
    _hold(step, rule == rule_of(name), f"its rule should be {rule_of(name)!r}, after its class, and is {rule!r}")
    scope = getattr(step, "scope", None)
    _hold(step, scope in get_args(Scope), f"its scope should be one of {', '.join(get_args(Scope))}, and is {scope!r}")
    _hold(step, scope != "group" or hasattr(step, "key"), "its scope is group, and it has no key to group by")
    title = page(step.rule, step.__doc__)["title"]
    _hold(step, title and not title.startswith(f"{name}("), "it has no docstring of its own, which is its page")
    _hold(step, _survives_pickle(step), "it does not come back the same from pickle, so no other machine can run it")
    for kind in ("speaks", "silent"):
        _hold(step, getattr(step, kind, ()), f"it names no rows in {kind!r}: rows on which it must speak, or must not")


def _survives_pickle(step: Step) -> bool:
    try:
        return bool(pickle.loads(pickle.dumps(step)) == step)  # noqa: S301  our own bytes
    except (pickle.PicklingError, AttributeError, TypeError):  # what pickle raises for local classes, lambdas, locks
        return False


def _check_findings(step: Step, examples: pl.DataFrame) -> None:
    before = examples.clone()
    raw = step(examples)
    absent = {"rule", "example", "action", "says"} - set(raw.columns) if not raw.is_empty() else set()
    _hold(step, not absent, f"its findings lack {', '.join(sorted(absent))}")
    filled = all(raw[name].is_not_null().all() for name in raw.columns if name in {"rule", "example", "field"})
    _hold(step, filled, "a finding does not say by which rule or of which example it is")
    said = run(step, examples)
    _hold(step, examples.equals(before), "it changes the examples that it is given")
    _hold(step, run(step, examples).equals(said), "called twice on the same rows it says two things")
    _hold(step, said.schema == model.FINDINGS, "what it says does not fit the schema of findings")
    _hold(step, run(step, examples.clear()).is_empty(), "it says something about no examples")
    _hold(step, (said["rule"] == step.rule).all(), "a finding carries another rule than its own")
    spoken_of = pl.concat([said["example"], said["others"].explode().drop_nulls().alias("example")])
    _hold(step, spoken_of.is_in(examples["id"].implode()).all(), "it speaks of an example that is not there")
    _hold(step, said["action"].is_in(["drop", "edit", "none"]).all(), "an action is drop, edit or none")
    _hold(step, said["when"].is_in(["default", "on-accept"]).all(), "`when` is default or on-accept")
    _hold(step, said["field"].str.starts_with("/").all(), "a field is a JSON pointer, such as /text")
    _hold(step, (said["says"].fill_null("").str.strip_chars() != "").all(), "a finding says nothing in words")
    edits = said.filter(pl.col("action") == "edit")
    _hold(step, edits.select("example", "field").is_unique().all(), "it edits one field of an example twice")
    _hold(step, edits["after"].is_not_null().all(), "an edit lacks the text to write (`after`)")


def _check_pieces(step: Step, examples: pl.DataFrame) -> None:
    """Shards are the whole: rows that need not arrive together may come in any pieces."""
    whole = _in_order(run(step, examples))
    fitted = step.fit(examples) if hasattr(step, "fit") else step
    for pieces in _pieces(step, examples):
        parts = [run(fitted, piece) for piece in pieces]
        together = _in_order(pl.concat(parts).unique("id", keep="first", maintain_order=True))
        _hold(step, together.equals(whole), "called on the rows in pieces it says other things than on the whole")


def _pieces(step: Step, examples: pl.DataFrame) -> Iterable[list[pl.DataFrame]]:
    if not examples.height or step.scope == "dataset":
        return
    if step.scope == "example":
        for rows in (1, 2, 3, max(1, examples.height // 2)):
            yield list(examples.iter_slices(rows))
        return
    keyed = examples.with_row_index("place").with_columns(key=step.key)  # type: ignore[attr-defined]
    if isinstance(keyed.schema["key"], pl.List):
        keyed = keyed.explode("key")
    groups = keyed.partition_by("key", maintain_order=True)
    for several in (1, 2):  # one group to a piece, then two: groups may share a piece
        parts = [pl.concat(groups[start : start + several]) for start in range(0, len(groups), several)]
        yield [part.unique("place").sort("place").select(examples.columns) for part in parts]


def _in_order(findings: pl.DataFrame) -> pl.DataFrame:
    return findings.with_columns(pl.col("others").list.sort()).sort("id")


def _check_once(step: Step, examples: pl.DataFrame) -> None:
    """Clean twice: where its findings are applied, a step has nothing left to do."""
    done = apply(examples, run(step, examples), _UNDECIDED)
    again = run(step, done).filter((pl.col("action") != "none") & (pl.col("when") == "default"))
    shown = again.select("field", "before", "after", "says").rows(named=True)[:1]
    _hold(step, again.is_empty(), f"after its findings are applied it still finds something to do: {shown}")


def _check_cases(step: Step) -> None:
    for case in step.speaks:  # type: ignore[attr-defined]
        _hold(step, not run(step, _table(case)).is_empty(), f"it should speak, and is silent, on {case!r}")
    for case in step.silent:  # type: ignore[attr-defined]
        said = run(step, _table(case))["says"].to_list()
        _hold(step, not said, f"it should be silent, and says {said}, on {case!r}")


def check_source(source: Callable[[], Read], rows: int | None = None) -> None:
    """Hold a source to what sources promise; `source` reads it anew at each call, `rows` is how many rows it has.

    Examples and findings fit their schemas, ids are unique and the same at every reading, no row is lost, and a row
    that could not be read is an example without text and a finding that says why.

    Raises AssertionError with a sentence that says what does not hold.

    >>> from typing import NamedTuple
    >>> class Memory(NamedTuple):
    ...     examples: pl.DataFrame
    ...     findings: pl.DataFrame
    >>> check_source(lambda: Memory(examples(["hi", "bye"]), model.no_findings()), rows=2)
    """
    first, second = source(), source()
    table, said = first.examples, first.findings
    promises = {
        "examples do not fit their schema": table.schema == model.EXAMPLES,
        "findings do not fit their schema": said.schema == model.FINDINGS,
        "an example has no id": table["id"].is_not_null().all(),
        "two examples have one id": table["id"].is_unique().all(),
        "two findings have one id": said["id"].is_unique().all(),
        "an example does not name its source": table["source"].is_not_null().all(),
        "read twice, the examples differ": second.examples.equals(table),
        "read twice, the findings differ": second.findings.equals(said),
        "a finding speaks of an example that is not there": said["example"].is_in(table["id"].implode()).all(),
        "a finding says nothing in words": said["says"].is_not_null().all(),
    }
    for sentence, holds in promises.items():
        if not holds:
            raise AssertionError(sentence)
    unread = table.filter(pl.col("text").is_null() & pl.col("messages").is_null())
    if not unread["id"].is_in(said["example"].implode()).all():
        raise AssertionError("an example has no text and no finding says why")
    if rows is not None and table.height != rows:
        raise AssertionError(f"{rows} rows went in and {table.height} examples came out")
