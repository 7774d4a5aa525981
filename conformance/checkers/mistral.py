"""Mistral's validator for fine-tuning, by the version of its tokenizer: `mistral.py v3 FILES`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from lines import Problem, each_row, main
from mistral_common.exceptions import MistralCommonException
from mistral_common.protocol.instruct.messages import FinetuningMessage
from mistral_common.protocol.instruct.tool_calls import Tool
from mistral_common.protocol.instruct.validator import ValidationMode, get_validator
from mistral_common.tokens.tokenizers.base import TokenizerVersion
from pydantic import TypeAdapter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VALIDATOR = get_validator(TokenizerVersion(sys.argv[1]), ValidationMode.finetuning)
MESSAGES, TOOLS = TypeAdapter(list[FinetuningMessage]), TypeAdapter(list[Tool])


def check_row(row: Any) -> None:
    """Raise where the messages or the tools are refused."""
    VALIDATOR.validate_messages(MESSAGES.validate_python(row["messages"]))
    if row.get("tools"):
        VALIDATOR._validate_tools(TOOLS.validate_python(row["tools"]))  # noqa: SLF001  # a whole request alone has it public


def check(path: Path) -> Iterator[Problem]:
    """Check every row."""
    yield from each_row(path, check_row, MistralCommonException)


main(check, sys.argv[2:])
