"""The shapes of conversations (chat, ShareGPT, Alpaca, preference pairs and others), brought to one: messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson
import polars as pl

from tuneset import model
from tuneset.shapes import SHAPES, alpaca, chat, graded, prompt, sharegpt
from tuneset.shapes.row import UNREADABLE
from tuneset.targets.table import TARGETS

Message = dict[str, Any]
Cells = Mapping[str, "str | None"]

_SHAPES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("converse", ("schemaVersion", "messages")),
    ("gemini", ("contents",)),
    ("preference", ("input", "preferred_output")),
    ("chosen", ("prompt", "chosen", "rejected")),
    ("chosen", ("chosen", "rejected")),
    ("chat", ("messages",)),
    ("sharegpt", ("conversations",)),
    ("sharegpt", ("conversation",)),
    ("alpaca", ("instruction", "output")),
    ("prompt-completion", ("prompt", "completion")),
    ("prompt-completion", ("prompt", "response")),
    ("prompt-completion", ("question", "answer")),
    ("prompt-completion", ("instruction", "response")),
)
PAIRS = ("preference", "chosen")  # the kinds that hold an answer to prefer and one that was rejected
_FROM = ("from", "value")
_SHAREGPT = {"human", "gpt", "system", sharegpt.CALL, *sharegpt.RESULTS}
_KEPT_AS_JSON = ("tools", "parallel_tool_calls")


class Shape(NamedTuple):
    """The shape of a table's rows: its kind, and the columns that make the conversation (none for a table)."""

    kind: str
    keys: tuple[str, ...] = ()


class Conversations(NamedTuple):
    """Rows of conversations: columns `text`, `label`, `messages`, `extra`, `why`; and whether tools are used."""

    rows: pl.DataFrame
    tools: bool
    renamed: int = 0  # how many were chat messages with the names of ShareGPT


def recognise(cells: pl.DataFrame) -> Shape:
    """Say what shape most rows have, by the names of their columns; a table where it is none of the known ones.

    >>> recognise(pl.DataFrame({"prompt": ["a"], "completion": ["b"]}))
    Shape(kind='prompt-completion', keys=('prompt', 'completion'))
    """
    best, most = Shape("table"), 0
    written = {name.casefold(): name for name in cells.columns}
    for kind, names in _SHAPES:
        keys = tuple(written[name.casefold()] for name in names if name.casefold() in written)
        if len(keys) < len(names):
            continue
        first = pl.col(keys[0])
        listed = first.str.starts_with("[") if kind in ("chat", "sharegpt") else first.is_not_null()
        rows = cells.select((listed & pl.all_horizontal(pl.col(keys).is_not_null())).sum()).item()
        if rows > most and 2 * rows >= cells.height:
            best, most = Shape(kind, keys), rows
    return best


def converse(cells: pl.DataFrame, shape: Shape) -> Conversations:
    """Bring rows of any shape to messages: a JSON list of {"role", "content", ...}, other keys as they are.

    `text` is what the users said, turns joined by newlines; `label` what the assistant said last (null where it said
    nothing, or only called tools). `why` says why a row is no conversation. One Python object per row, in batches.

    >>> cells = pl.DataFrame({"prompt": ["Where is it?"], "completion": ["On its way."]})
    >>> converse(cells, Shape("prompt-completion", ("prompt", "completion"))).rows.select("text", "label").row(0)
    ('Where is it?', 'On its way.')
    """
    used = {*shape.keys, *_USED[shape.kind]}
    others = [name for name in cells.columns if name not in used]
    rows = [_row(cell, shape, others) for cell in cells.iter_rows(named=True)]
    schema = {"text": pl.String, "label": pl.String, "messages": pl.String, "extra": pl.String, "why": pl.String}
    frame = pl.DataFrame([row[:5] for row in rows], schema=schema, orient="row")
    return Conversations(frame, tools=any(row.tools for row in rows), renamed=sum(row.renamed for row in rows))


class _Row(NamedTuple):
    text: str | None
    label: str | None
    messages: str | None
    extra: str
    why: str | None
    tools: bool
    renamed: bool = False


def _row(cells: Cells, shape: Shape, others: list[str]) -> _Row:
    kept = {key: _as_json(key, cells[key]) for key in others if cells[key] is not None}
    extra = orjson.dumps(kept).decode() if kept else "{}"
    if shape.kind in _BY_SHAPE:
        return _shaped(cells, shape, kept)
    turns = _TURNS[shape.kind](cells, shape.keys)
    renamed = False
    if shape.kind in ("chat", "sharegpt") and isinstance(turns, list):
        turns, renamed = _spoken(turns, shape.kind, cells)
    if isinstance(turns, str):
        return _Row(None, None, None, extra, turns, tools=False)
    if shape.kind == "chat" and not renamed:
        if kind := _whose(turns, cells):
            beside = {key: value for key, value in kept.items() if key not in _USED[kind]}
            row = _shaped(cells, Shape(kind, shape.keys), beside)
            if row.why is None:
                return row
        turns = chat.read({"messages": turns}, TARGETS["trl"])["messages"]  # whose arguments are objects
    tools = bool(kept.get("tools")) or any(turn.get("tool_calls") for turn in turns)
    text, label = model.turns_say(turns)
    return _Row(text, label, orjson.dumps(turns).decode(), extra, None, tools, renamed=renamed)


def _whose(turns: list[Message], cells: Cells) -> str | None:
    """Tell other shapes with messages from chat: by what they keep beside them, or by blocks that chat does not have."""
    contents = [turn["content"] for turn in turns if isinstance(turn.get("content"), list)]
    kinds = {str(block.get("type")) for content in contents for block in content if isinstance(block, dict)}
    roles = [turn.get("role") for turn in turns]
    if kinds & {"tool_use", "tool_result"} or (cells.get("system") and "system" not in roles):
        return "anthropic"
    return "graded" if cells.get(graded.ANSWER) and roles and roles[-1] != "assistant" else None


def _shaped(cells: Cells, shape: Shape, kept: dict[str, Any]) -> _Row:
    """Read a row by the module of its shape, as the check of finished files does; what was rejected stays in `extra`."""
    module, reader = SHAPES[shape.kind], TARGETS[_BY_SHAPE[shape.kind]]
    opened = _said if shape.kind == "chosen" else _value
    given = {key: cells.get(key) for key in (*shape.keys, *_USED[shape.kind])}
    raw = {key: opened(cell) for key, cell in given.items() if cell is not None}
    wrong = next((says for rule, says in module.problems(raw, reader) if rule in UNREADABLE), None)
    if wrong:
        return _Row(None, None, None, orjson.dumps(kept).decode(), wrong, tools=False)
    row = module.read(raw, reader)
    turns = row.pop("messages")
    text, label = model.turns_say(turns)
    extra = orjson.dumps(kept | row).decode()
    used = bool(row.get("tools")) or any(turn.get("tool_calls") for turn in turns)
    return _Row(text, label, orjson.dumps(turns).decode(), extra, None, tools=used)


def _value(cell: str) -> Any:
    """Open a cell that holds a list or an object; a text stays one."""
    return _loads(cell) if cell and cell[0] in "[{" and _loads(cell) is not None else cell


def _as_json(key: str, value: str | None) -> Any:
    parsed = _loads(value) if key in _KEPT_AS_JSON else None
    return value if parsed is None else parsed


def _loads(value: str | None) -> Any:
    """Parse a cell's JSON; None where it is none."""
    try:
        return orjson.loads(value) if value else None
    except orjson.JSONDecodeError:
        return None


def _chat(cells: Cells, keys: tuple[str, ...]) -> list[Message] | str:
    turns = _loads(cells[keys[0]])
    if not isinstance(turns, list) or not all(isinstance(turn, dict) for turn in turns):
        return f"{keys[0]} is not a list of objects" if cells[keys[0]] is not None else f"there is no {keys[0]} here"
    return turns


def _spoken(turns: list[Message], kind: str, cells: Cells) -> tuple[list[Message] | str, bool]:
    """Bring turns with ShareGPT's names to messages, and say whether they had them where its columns do not."""
    names = _sharegpt_names(turns) or (_FROM if kind == "sharegpt" else None)
    if names is None:
        return turns, False
    told = sharegpt.messages(turns, *names)
    system = _system(cells) if kind == "sharegpt" or names == _FROM else []
    return told if isinstance(told, str) else [*system, *told], (kind, names) != ("sharegpt", _FROM)


def _sharegpt_names(turns: list[Message]) -> tuple[str, str] | None:
    """Return the keys of who speaks and what is said where chat messages have ShareGPT's names in every turn.

    That is `from` and `value`, or `role` and `content` with human and gpt as the roles; user or assistant beside them
    is a mistake that the check names.
    """
    if all("from" in turn and "role" not in turn and "content" not in turn for turn in turns):
        return _FROM if turns else None
    roles = [turn.get("role") for turn in turns]
    if ("human" in roles or "gpt" in roles) and all(isinstance(role, str) and role in _SHAREGPT for role in roles):
        return "role", "content"
    return None


def _alpaca(cells: Cells, keys: tuple[str, ...]) -> list[Message] | str:
    asked, answered = (cells[key] for key in keys)
    if asked is None:
        return f"there is no {keys[0]} here"
    history = [pair for pair in _loads(cells.get("history")) or [] if isinstance(pair, list) and pair]
    raw = {**cells, "instruction": asked, "output": answered, "history": history}
    read: list[Message] = alpaca.read(raw, TARGETS["alpaca"])["messages"]
    return read


def _pair(cells: Cells, keys: tuple[str, ...]) -> list[Message] | str:
    asked, answered = (cells[key] for key in keys)
    if asked is None:
        return f"there is no {keys[0]} here"
    raw = {"prompt": _said(asked), "completion": [] if answered is None else _said(answered)}
    return [*_system(cells), *prompt.read(raw, TARGETS["trl-prompt-completion"])["messages"]]


def _said(cell: str) -> Any:
    """Open a list of messages; a text stays one, though it be JSON."""
    turns = _loads(cell) if cell.startswith('[{"') else None
    spoken = isinstance(turns, list) and all(isinstance(turn, dict) and "role" in turn for turn in turns)
    return turns if spoken else cell


def _system(cells: Cells) -> list[Message]:
    said = cells.get("system")
    return [{"role": "system", "content": said}] if said and said.strip() else []


# Shapes that are read as the check of finished files reads them, and the target by whose rules.
_BY_SHAPE = {
    "converse": "bedrock-nova",
    "gemini": "gemini",
    "preference": "azure-dpo",
    "chosen": "trl-preference",
    "anthropic": "anthropic",
    "graded": "openai-rft",
}
_TURNS = {"chat": _chat, "sharegpt": _chat, "alpaca": _alpaca, "prompt-completion": _pair}
_USED = {
    "chat": (),
    "sharegpt": ("system",),
    "alpaca": ("system", "input", "history"),
    "prompt-completion": ("system",),
    "converse": ("system", "toolConfig"),
    "gemini": ("systemInstruction", "tools"),
    "preference": ("non_preferred_output",),
    "chosen": ("tools",),
    "anthropic": ("system", "tools"),
    "graded": (graded.ANSWER,),
}
