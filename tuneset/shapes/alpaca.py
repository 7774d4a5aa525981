"""Alpaca: `instruction`, `input` and `output`, with `system` and `history` where a reader knows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuneset.shapes import row as one

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuneset.targets.table import Target

NAME = "instruction and output"
KEYS = frozenset({"instruction", "output"})
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
    turns = [message for pair in raw.get("history") or [] for message in _turn(*pair)]
    asked = "\n".join(part for part in (raw["instruction"], raw.get("input")) if part)
    system = [{"role": "system", "content": raw["system"]}] if raw.get("system") else []
    return {"messages": [*system, *turns, *_turn(asked, raw["output"])]}


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


def _turn(asked: str, answered: str) -> list[one.Message]:
    return [{"role": "user", "content": asked}, {"role": "assistant", "content": answered}]
