"""OpenAI's JSON schema of a row, put together from its client's types: `openai_schema.py chat|preference|several|reinforcement FILES`.

The types of a message, a call and a tool are OpenAI's, of the same month as the schema. The three rows around them, and the
weight, which its client does not know, are written here as that schema describes them: nothing is required of a row, and
more keys are let pass.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any, Literal

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from lines import Problem, each_row, main
from openai.types import chat
from pydantic import Field, TypeAdapter
from typing_extensions import TypedDict  # pydantic wants it before Python 3.12

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Assistant(chat.ChatCompletionAssistantMessageParam, total=False):
    """An assistant's message, with the weight that only fine-tuning knows."""

    weight: Literal[0, 1]


Asking = chat.ChatCompletionSystemMessageParam | chat.ChatCompletionUserMessageParam
Answering = chat.ChatCompletionToolMessageParam | chat.ChatCompletionFunctionMessageParam
Graded = (
    chat.ChatCompletionDeveloperMessageParam
    | chat.ChatCompletionUserMessageParam
    | Assistant
    | chat.ChatCompletionToolMessageParam
)
One = Annotated[list[chat.ChatCompletionAssistantMessageParam], Field(max_length=1)]


class Chat(TypedDict, total=False):
    """A row of supervised fine-tuning."""

    messages: Annotated[list[Asking | Assistant | Answering], Field(min_length=1)]
    tools: list[chat.ChatCompletionToolParam]
    parallel_tool_calls: bool
    functions: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=128)]


class Input(TypedDict, total=False):
    """What both answers of a pair reply to."""

    messages: Annotated[list[Asking | chat.ChatCompletionAssistantMessageParam | Answering], Field(min_length=1)]
    tools: list[chat.ChatCompletionToolParam]
    parallel_tool_calls: bool


class Preference(TypedDict, total=False):
    """A pair of answers."""

    input: Input
    preferred_output: One
    non_preferred_output: One


class Several(TypedDict, total=False):
    """The same as Azure has it: an answer may be several messages, of tools too."""

    input: Input
    preferred_output: Annotated[
        list[chat.ChatCompletionAssistantMessageParam | chat.ChatCompletionToolMessageParam], Field(min_length=1)
    ]
    non_preferred_output: Annotated[
        list[chat.ChatCompletionAssistantMessageParam | chat.ChatCompletionToolMessageParam], Field(min_length=1)
    ]


class _Messages(TypedDict):
    messages: Annotated[list[Graded], Field(min_length=1)]


class Reinforcement(_Messages, total=False):
    """A prompt to grade answers to; its messages are the one thing that is required."""

    tools: list[chat.ChatCompletionToolParam]


ROWS = {"chat": Chat, "preference": Preference, "several": Several, "reinforcement": Reinforcement}
VALIDATOR = Draft202012Validator(TypeAdapter(ROWS[sys.argv[1]]).json_schema())


def check_row(row: Any) -> None:
    """Raise the problem that says most."""
    if (error := best_match(VALIDATOR.iter_errors(row))) is not None:
        raise ValueError(f"{error.json_path}: {error.message}")


def check(path: Path) -> Iterator[Problem]:
    """Check every row."""
    yield from each_row(path, check_row, encoding="utf-8-sig")


main(check, sys.argv[2:])
