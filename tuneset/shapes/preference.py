"""Preference pairs as OpenAI has them: an `input`, the answer to prefer and the answer not to give."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuneset.shapes import chat
from tuneset.shapes import row as one

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuneset.targets.table import Target

NAME = "preference pairs"
KEYS = frozenset({"input", "preferred_output"})
FORMS = chat.FORMS | {"not-an-object": '{"input": ..., "preferred_output": [...], "non_preferred_output": [...]}'}
ANSWERS = ("preferred_output", "non_preferred_output")


def problems(raw: one.Row, target: Target) -> Iterator[one.Said]:
    """Say why a row is no preference pair.

    >>> from tuneset.targets.table import TARGETS
    >>> list(problems({"input": {"messages": []}, "preferred_output": []}, TARGETS["openai-dpo"]))[0][0]
    'bad-pair'
    """
    asked = raw.get("input")
    if not isinstance(asked, dict) or not isinstance(asked.get("messages"), list):
        yield "no-messages", "there is no input with a list of messages"
        return
    for key in ANSWERS:
        if wrong := _wrong(raw.get(key), several=one.ANSWER in target.keys):
            yield "bad-pair", f"{key} is {wrong if key in raw else 'missing, not one message of the assistant'}"
    roles = [message.get("role") for message in asked["messages"] if isinstance(message, dict)]
    if not roles:
        yield "empty-messages", "the input has no messages"
    elif roles[-1] == "assistant":
        yield "input-ends-with-answer", "the last message of the input is the assistant's"
    if unknown := raw.keys() - {"input", *ANSWERS}:
        yield "unknown-key", f"beside the pair there is {one.listed(unknown)}"
    if unknown := asked.keys() - {"messages", *one.OFFERED}:
        yield "unknown-key", f"in the input there is {one.listed(unknown)}"


def _wrong(answer: Any, *, several: bool) -> str | None:
    """Say why an answer cannot be one; where it may be several messages, tools' answers may be among them."""
    if not isinstance(answer, list) or not answer or not all(isinstance(each, dict) for each in answer):
        return f"{f'{len(answer)} messages' if isinstance(answer, list) else one.kind(answer)}, not one message of the assistant"
    roles = [each.get("role") for each in answer]
    if len(answer) > 1 and not several:
        return f"{len(answer)} messages, not one message of the assistant"
    if other := next(
        (role for role in roles if role not in (("assistant", "tool") if several else ("assistant",))), None
    ):
        return f"of the role {one.short(other)}"
    return None if "assistant" in roles else f"of the role {one.short(roles[0])}"


def read(raw: one.Row, target: Target) -> one.Row:
    """Put the preferred answer behind the input; the other one is `rejected`."""
    del target
    asked = raw["input"]
    return (
        {"messages": [*asked["messages"], *raw["preferred_output"]]}
        | {key: asked[key] for key in one.OFFERED if key in asked}
        | {"rejected": raw["non_preferred_output"]}
        | one.answer(raw["preferred_output"])
    )


def write(row: one.Row, target: Target) -> one.Row:
    """Take the last message, or as many as the row says, as the preferred answer."""
    del target
    asked, answer = one.parted(row)
    return {
        "input": {"messages": asked, **one.offered(row)},
        "preferred_output": answer,
        "non_preferred_output": row["rejected"],
    }
