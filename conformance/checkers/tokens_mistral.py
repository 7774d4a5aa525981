"""Mistral's own tokenizers: a row has as many tokens as we count, and is refused where we refuse it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lines import main
from mistral_common.exceptions import MistralCommonException
from mistral_common.protocol.instruct.messages import FinetuningMessage
from mistral_common.protocol.instruct.request import ChatCompletionRequest
from mistral_common.protocol.instruct.tool_calls import Tool
from mistral_common.protocol.instruct.validator import ValidationMode
from mistral_common.tokens.tokenizers.mistral import MistralTokenizer
from ours import chat_rows, compared
from pydantic import TypeAdapter

from tuneset.targets import counters

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lines import Problem

MESSAGES, TOOLS = TypeAdapter(list[FinetuningMessage]), TypeAdapter(list[Tool] | None)
FILES = {
    "v1": "tokenizer.model.v1",
    "v2": "mistral_instruct_tokenizer_240216.model.v2",
    "v3": "mistral_instruct_tokenizer_240323.model.v3",
    "v3-tekken": "tekken_240911.json",
    "v7": "mistral_instruct_tokenizer_241114.model.v7",
}
FOLDER = MistralTokenizer._data_path()  # noqa: SLF001  its own constructors take no mode
THEIRS = {
    name: MistralTokenizer.from_file(FOLDER / file, mode=ValidationMode.finetuning) for name, file in FILES.items()
}
OURS = {name: counters.counter(f"mistral:{name}") for name in FILES}


def long(row: Any, name: str) -> int | None:
    """Count a row as mistral-common reads one for fine-tuning; None where it refuses it. A weight is no token."""
    said = [{key: value for key, value in each.items() if key != "weight"} for each in row["messages"]]
    try:
        messages, tools = MESSAGES.validate_python(said), TOOLS.validate_python(row.get("tools"))
        request = ChatCompletionRequest(messages=messages, tools=tools)
        return len(THEIRS[name].encode_chat_completion(request).tokens)
    except (MistralCommonException, ValueError):
        return None


def counted(row: Any, name: str) -> int | None:
    """Count a row as we do."""
    try:
        return OURS[name](row)
    except counters.Refused:
        return None


def differences(row: Any) -> Iterator[str]:
    """Count the row by each version."""
    for name in FILES:
        if (theirs := long(row, name)) != (ours := counted(row, name)):
            yield f"{name}: {theirs} tokens, and we count {ours}"


def check(path: Path) -> Iterator[Problem]:
    """Compare every row."""
    yield from compared(chat_rows(path), differences)


main(check)
