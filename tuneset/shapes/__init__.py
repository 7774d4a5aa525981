"""The shapes of rows that trainers read: a module for each, which tells it from the others, reads it and writes it.

Every shape is read into one row, OpenAI's: `messages`, and where there are any `tools`, `parallel_tool_calls`,
`functions`, `rejected` (the answer not to give, as messages), `fields` (what a grader reads) `chat_template_kwargs` and `answer_messages`.
"""

from __future__ import annotations

from typing import Any

from tuneset.shapes import (
    alpaca,
    anthropic,
    chat,
    chosen,
    cohere,
    converse,
    gemini,
    graded,
    plain,
    preference,
    prompt,
    sharegpt,
)
from tuneset.shapes.row import Row, Shape

__all__ = ["SHAPES", "Row", "told"]

# The more telling keys first: by this order a row is told.
SHAPES: dict[str, Shape] = {
    "converse": converse,
    "gemini": gemini,
    "preference": preference,
    "chosen": chosen,
    "chat": chat,
    "sharegpt": sharegpt,
    "alpaca": alpaca,
    "prompt": prompt,
    "plain": plain,
    # These have a list of messages as chat has: only a target can say that a row is theirs.
    "anthropic": anthropic,
    "cohere": cohere,
    "graded": graded,
}


def told(raw: Any) -> str | None:
    """Name the shape of a row by its keys; None where it is of no known one.

    >>> told({"prompt": "q", "completion": "a"}), told({"id": 1})
    ('prompt', None)
    """
    if not isinstance(raw, dict):
        return None
    return next((name for name, shape in SHAPES.items() if raw.keys() >= shape.KEYS), None)
