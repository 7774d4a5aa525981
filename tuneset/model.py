"""Examples, findings and decisions: their columns, their ids, and nothing that reads or writes files."""

from __future__ import annotations

import json
import re
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Literal

import orjson
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Action = Literal["drop", "edit", "none"]
When = Literal["default", "on-accept"]
Verdict = Literal["accept", "reject", "edit", "drop", "undo"]  # undo: as if nobody had answered
Fate = Literal["kept", "dropped", "merged"]

PART = 65_536  # values hashed in one go

EXAMPLES = pl.Schema(
    {
        "id": pl.String(),  # 32 hex digits, given once at the source
        "text": pl.String(),  # what is judged; for a conversation its user turns
        "label": pl.String(),  # exactly the assistant's content
        "labels": pl.String(),  # JSON object of the label columns; null for conversations
        "messages": pl.String(),  # JSON list; null for tables
        "source": pl.String(),
        "groups": pl.List(pl.String),  # lineage keys such as "thread:17"; rows that share one stay on one side
        "origin": pl.String(),  # JSON object: file, row, URL, licence, model, contributor
        "extra": pl.String(),  # JSON object of the other columns
    },
)

FINDINGS = pl.Schema(
    {
        "id": pl.String(),
        "rule": pl.String(),
        "example": pl.String(),
        "action": pl.String(),  # drop, edit or none
        "when": pl.String(),  # default: applied unless rejected; on-accept: a suggestion
        "field": pl.String(),  # JSON pointer into the example: /text, /messages, /labels
        "score": pl.Float64(),
        "others": pl.List(pl.String),  # twins, by id
        "before": pl.String(),
        "after": pl.String(),
        "says": pl.String(),
    },
)

DECISIONS = pl.Schema(
    {
        "finding": pl.String(),
        "verdict": pl.String(),  # see Verdict
        "after": pl.String(),  # an edit of the person's own
        "saw": pl.String(),  # hash of what the person saw, see `seen`
        "by": pl.String(),
        "why": pl.String(),
        "time": pl.String(),
    },
)


def digest(values: pl.Series) -> pl.Series:
    """Hash each string to 32 hex digits (BLAKE2b, 128 bits), the same on every machine and version.

    Polars' own hash is 20 times faster and changes with its version; ids must not.

    >>> digest(pl.Series(["a"])).to_list()
    ['27c35e6e9373877f29e562464e46497e']
    """
    # In parts: a million Python strings at a time would cost 300 MB.
    parts = [values[start : start + PART] for start in range(0, len(values), PART)]
    hashed = [
        pl.Series([blake2b(value.encode(), digest_size=16).hexdigest() for value in part], dtype=pl.String)
        for part in parts
    ]
    return pl.concat([pl.Series(dtype=pl.String), *hashed]).alias(values.name)


def example_ids(source: str, content: pl.Series) -> pl.Series:
    """Give each row its id: a hash of the source's name, the row's content and its occurrence number.

    The position is not part of it: rows that are moved, or follow rows that were added or taken out, keep their ids.

    >>> ids = example_ids("files", pl.Series(["a", "b", "a"]))
    >>> ids.n_unique(), ids[0] == example_ids("files", pl.Series(["b", "a"]))[1]
    (3, True)
    """
    frame = pl.DataFrame({"content": content}).select(
        pl.concat_str(
            pl.lit(source),
            pl.lit("\x00"),
            pl.int_range(pl.len()).over("content").cast(pl.String),
            pl.lit("\x00"),
            "content",
        ),
    )
    return digest(frame.to_series()).alias("id")


def no_findings() -> pl.DataFrame:
    """Return a findings table without rows."""
    return pl.DataFrame(schema=FINDINGS)


def as_findings(said: pl.DataFrame, pairs: frozenset[str] = frozenset()) -> pl.DataFrame:
    """Bring what a step returned into the schema: null-fill, defaults, ids, one row per id.

    `pairs` names the rules that speak about pairs: their id is a hash of the rule and the sorted pair, so that
    (a, b) and (b, a) are one finding. Other ids hash the rule, the example and the field.

    >>> said = pl.DataFrame({"rule": ["empty-text"], "example": ["e1"], "action": ["drop"], "says": ["no text"]})
    >>> as_findings(said).select("when", "field", "after").row(0)
    ('default', '/text', None)
    """
    if said.is_empty():
        return no_findings()
    absent = [pl.lit(None, dtype=kind).alias(name) for name, kind in FINDINGS.items() if name not in said.columns]
    filled = said.with_columns(absent).with_columns(
        pl.col("when").fill_null("default"),
        pl.col("field").fill_null("/text"),
        pl.col("others").fill_null([]),
        pl.col("score").cast(pl.Float64).round(6),
    )
    other = pl.col("others").list.first()
    about = (
        pl.when(pl.col("rule").is_in(sorted(pairs)))
        .then(pl.concat_str(pl.min_horizontal("example", other), pl.lit(" "), pl.max_horizontal("example", other)))
        .otherwise(pl.concat_str("example", pl.lit(" "), "field"))
    )
    key = filled.select(pl.concat_str("rule", pl.lit(" "), about)).to_series()
    return (
        filled.with_columns(id=digest(key))
        .select(pl.col(name).cast(kind) for name, kind in FINDINGS.items())
        .unique("id", keep="first", maintain_order=True)
    )


def seen(findings: pl.DataFrame) -> pl.Series:
    """Hash what a person sees of each finding; a decision whose hash no longer fits is stale.

    Of an edit that is the words that change, not the whole text: an answer about one word holds when another step's
    suggestion about the same text is accepted before it.
    """
    shown = findings.with_columns(change=changes(findings)).select(
        pl.concat_str(
            *(pl.col(name).fill_null("\x01") for name in ("rule", "example", "action", "field", "change")),
            pl.col("others").list.sort().list.join(" "),
            separator="\x00",
        ),
    )
    return digest(shown.to_series()).alias("saw")


def changes(findings: pl.DataFrame) -> pl.Series:
    """Return the words that each finding would change, what they are and what they become."""
    pairs = findings.select("before", "after").iter_rows()
    return pl.Series("change", [_change(*pair) for pair in pairs], dtype=pl.String)


def _change(before: str | None, after: str | None) -> str:
    r"""Cut from both texts the words that they begin and end with alike.

    >>> _change("I recieve it", "I receive it")
    'recieve\x00receive'
    """
    if before is None or after is None:
        return f"{before}\x00{after}"
    was, now = (re.split(r"(\s+)", text) for text in (before, after))
    most = min(len(was), len(now))
    start = next((n for n in range(most) if was[n] != now[n]), most)
    end = next((n for n in range(most - start) if was[-1 - n] != now[-1 - n]), most - start)
    return "\x00".join("".join(words[start : len(words) - end]) for words in (was, now))


def answers(labels: pl.Series, template: str = "json") -> pl.Series:
    r"""Write the assistant's content for each row's labels (a JSON object); once per distinct value.

    `json` gives what `json.dumps(labels, ensure_ascii=False)` gives. In any other template each `{column}` stands for
    that column's value and everything else for itself. A row that lacks a label (null, "" or []; not false or 0) has
    no answer.

    >>> answers(pl.Series(['{"category": "Orders"}', '{"category": null}'])).to_list()
    ['{"category": "Orders"}', None]
    >>> answers(pl.Series(['{"a": "Orders", "b": false}']), "{a} > {b}").to_list()
    ['Orders > false']
    """
    written = {value: _answer(value, template) for value in labels.drop_nulls().unique().to_list()}
    return labels.replace_strict(written, default=None, return_dtype=pl.String).alias("label")


def _answer(labels: str, template: str) -> str | None:
    values: dict[str, object] = json.loads(labels)
    if any(value is None or value in ("", []) for value in values.values()):
        return None
    if template == "json":
        return json.dumps(values, ensure_ascii=False)
    names = "|".join(re.escape(name) for name in values)
    return re.sub(
        rf"\{{({names})\}}",
        lambda found: value if isinstance(value := values[found[1]], str) else json.dumps(value, ensure_ascii=False),
        template,
    )


def conversations(messages: pl.Series) -> pl.DataFrame:
    """Read `text` and `label` out of conversations (JSON lists of messages).

    >>> conversations(pl.Series(['[{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]'])).row(0)
    ('hi', 'hello')
    """
    read = [turns_say(orjson.loads(value)) for value in messages.to_list()]
    return pl.DataFrame(read, schema={"text": pl.String, "label": pl.String}, orient="row")


def turns_say(turns: Sequence[Any]) -> tuple[str, str | None]:
    """Return what the user's turns say, a line each, and what the assistant says last (None where it says nothing).

    >>> turns_say([{"role": "user", "content": [{"type": "text", "text": "hi"}]}])
    ('hi', None)
    """
    turns = [turn for turn in turns if isinstance(turn, dict)]
    said = [_content(turn) for turn in turns if turn.get("role") == "user"]
    answered = [_content(turn) for turn in turns if turn.get("role") == "assistant"]
    return "\n".join(said), (answered[-1] or None) if answered else None


def _content(turn: Mapping[str, Any]) -> str:
    """Return a turn's words: its content, or the text parts of it."""
    content = turn.get("content")
    if isinstance(content, list):
        parts = [part.get("text") if isinstance(part, dict) else part for part in content]
        return "\n".join(part for part in parts if isinstance(part, str))
    return content if isinstance(content, str) else ""
