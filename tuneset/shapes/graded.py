"""Reinforcement as OpenAI has it: messages up to the user's last, and beside them what a grader reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuneset.shapes import chat
from tuneset.shapes import row as one

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuneset.targets.table import Target

NAME = "graded prompts"
KEYS = frozenset({"messages"})
FORMS = chat.FORMS | {"not-an-object": '{"messages": [...], "reference_answer": ...}'}
ANSWER = "reference_answer"


def problems(raw: one.Row, target: Target) -> Iterator[one.Said]:
    """Say why a row cannot be graded.

    >>> from tuneset.targets.table import TARGETS
    >>> list(problems({"messages": [{"role": "assistant"}]}, TARGETS["openai-rft"]))[0][0]
    'input-ends-with-answer'
    """
    messages = raw.get("messages")
    if not isinstance(messages, list):
        yield "no-messages", "there are no messages" if messages is None else f"messages is {one.kind(messages)}"
        return
    if not messages:
        yield "empty-messages", "the list of messages is empty"
    elif isinstance(messages[-1], dict) and messages[-1].get("role") == "assistant":
        yield "input-ends-with-answer", "the last message is the assistant's: nothing is left for the model to say"
    elif raw.keys() <= {"messages", *one.OFFERED}:
        yield "nothing-to-grade", "beside the messages there is nothing that a grader could read"
    for place, message in enumerate(messages, 1):
        if isinstance(message, dict) and message.get("role") == "system":
            yield "role-by-another-name", f"message {place} is of the system, which is the developer there"
    del target


def read(raw: one.Row, target: Target) -> one.Row:
    """Put the reference answer, where there is one, behind the messages."""
    del target
    messages = [_named(message, "developer", "system") for message in raw["messages"]]
    answer = raw.get(ANSWER)
    fields = {key: value for key, value in raw.items() if key not in ("messages", *one.OFFERED, ANSWER)}
    answered = [{"role": "assistant", "content": answer}] if isinstance(answer, str) else []
    if isinstance(answer, dict) and answer.keys() == {"tool_calls"} and isinstance(answer["tool_calls"], list):
        answered = [{"role": "assistant", **answer}]
    left = {ANSWER: answer} if answer is not None and not answered else {}
    return (
        {"messages": [*messages, *answered]}
        | {key: raw[key] for key in one.OFFERED if key in raw}
        | ({"fields": fields | left} if fields | left else {})
    )


def write(row: one.Row, target: Target) -> one.Row:
    """Take the last answer, a text or calls, out of the messages, as what a grader compares with."""
    del target
    messages = [_named(message, "system", "developer") for message in row["messages"]]
    last = messages.pop() if messages and messages[-1].get("role") == "assistant" else {}
    answer = {"tool_calls": last["tool_calls"]} if last.get("tool_calls") else last.get("content")
    return (
        {"messages": messages}
        | one.offered(row)
        | ({ANSWER: answer} if answer is not None else {})
        | (row.get("fields") or {})
    )


def _named(message: Any, old: str, new: str) -> Any:
    return message | {"role": new} if isinstance(message, dict) and message.get("role") == old else message
