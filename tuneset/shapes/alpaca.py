"""Alpaca: `instruction`, `input` and `output`, with `system` and `history` where a reader knows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuneset.shapes import row as one

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tuneset.targets.table import Target

NAME = "instruction and output"
KEYS = frozenset({"instruction", "output"})
FORMS = {"not-an-object": '{"instruction": ..., "input": ..., "output": ...}', "content-not-text": "a string"}
_TEXTS = ("instruction", "input", "output", "system")


def problems(raw: one.Row, target: Target) -> Iterator[one.Said]:
    """Say why a row is no instruction with its output.

    >>> from tuneset.targets.table import TARGETS
    >>> list(problems({"instruction": "q"}, TARGETS["alpaca"]))
    [('missing-content', 'there is no output')]
    """
    for key in ("instruction", "output"):
        if key not in raw:
            yield "missing-content", f"there is no {key}"
    for key in _TEXTS:
        if key in raw and not isinstance(raw[key], str):
            yield "content-not-text", f"{key} is {one.kind(raw[key])}, not a text"
    if "output" in raw and "input" not in raw:
        yield "no-input", "there is no input"
    past = raw.get("history", [])
    if not isinstance(past, list) or not all(isinstance(pair, list) and _is_pair(pair) for pair in past):
        yield "content-not-text", "history is not a list of pairs of texts"
    if unknown := raw.keys() - {*_TEXTS, "history"}:
        yield "unknown-key", f"beside the instruction there is {one.listed(unknown)}"
    del target


def _is_pair(pair: list[object]) -> bool:
    return len(pair) == 2 and all(isinstance(said, str) for said in pair)


def read(raw: one.Row, target: Target) -> one.Row:
    """Join instruction and input by a line's end, as LLaMA-Factory does; that is what the user says."""
    del target
    return {"messages": messages(raw["instruction"], raw["output"], raw)}


def messages(asked: str, answered: str | None, beside: Mapping[str, Any]) -> list[one.Message]:
    r"""Bring an instruction and its output to messages; `beside` may hold input, history and system.

    >>> messages("Translate.", "Hallo", {"input": "Hello"})
    [{'role': 'user', 'content': 'Translate.\nHello'}, {'role': 'assistant', 'content': 'Hallo'}]
    """
    past = [message for pair in beside.get("history") or [] for message in _turn(*pair)]
    said = "\n".join(part for part in (asked, beside.get("input")) if part)
    system = beside.get("system")
    return [
        *([{"role": "system", "content": system}] if system and system.strip() else []),
        *past,
        *_turn(said, answered),
    ]


def write(row: one.Row, target: Target) -> one.Row:
    """Take the user's last words as the instruction; `input` is there, empty, since some readers fail without it."""
    del target
    messages = row["messages"]
    system = messages[0]["content"] if messages[0]["role"] == "system" else None
    said = [one.words(message["content"]) for message in messages if message["role"] != "system"]
    past = [list(pair) for pair in zip(said[:-2:2], said[1:-2:2], strict=True)]
    return (
        {"instruction": said[-2], "input": "", "output": said[-1]}
        | ({"system": one.words(system)} if system is not None else {})
        | ({"history": past} if past else {})
    )


def _turn(asked: str, answered: str | None = None, *_: str) -> list[one.Message]:
    reply = [] if answered is None else [{"role": "assistant", "content": answered}]
    return [{"role": "user", "content": asked}, *reply]
