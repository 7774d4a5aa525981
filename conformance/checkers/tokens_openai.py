"""OpenAI's tiktoken: each text of a row, and the row by the cookbook's rule, has as many tokens as we count.

The vocabularies come with the package bpe-openai instead of from the network; tiktoken itself holds them against its hashes.
"""

from __future__ import annotations

import gzip
import json
import os
import tempfile
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import tiktoken
from lines import main
from ours import chat_rows, compared
from tiktoken import load

from tuneset.targets import counters

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lines import Problem

# The cookbook's num_tokens_for_tools: for a function, for having properties, for each, for an enum, for each of its values.
FUNCTION = {"o200k_base": 7, "cl100k_base": 10}
PROPERTIES, PROPERTY, ENUM, VALUE, END = 3, 3, -3, 3, 12


def opened(name: str) -> tiktoken.Encoding:
    """Let tiktoken load an encoding; what is not as its hash says is refused there."""
    with tempfile.TemporaryDirectory() as cache:
        os.environ["TIKTOKEN_CACHE_DIR"] = cache  # without a cache it compares no hash
        return tiktoken.get_encoding(name)


def shipped(address: str) -> bytes:
    """Take a vocabulary out of a package, by the address at which tiktoken looks for it."""
    return gzip.decompress((files("bpe_openai") / "data" / f"{address.rpartition('/')[2]}.gz").read_bytes())


load.read_file = shipped
ENCODINGS = {name: opened(name) for name in FUNCTION}
OURS = {name: counters.counter(name) for name in FUNCTION}


def long(text: str, name: str) -> int:
    """Count the tokens of a text; what looks like a special token is text."""
    return len(ENCODINGS[name].encode(text, disallowed_special=()))


def of_message(message: dict[str, Any], name: str) -> int:
    """Count a message as the cookbook's num_tokens_from_messages; calls, of which it has no word, as their JSON."""
    values = [part for value in message.values() for part in (value if isinstance(value, list) else [value])]
    return 3 + ("name" in message) + sum(long(as_text(value), name) for value in values)


def as_text(value: Any) -> str:
    """Write what a message holds as text; numbers and nulls are none."""
    if isinstance(value, dict):
        written = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        return value["text"] if value.get("type") == "text" else written
    return value if isinstance(value, str) else ""


def of_tools(tools: list[dict[str, Any]], name: str) -> int:
    """Count definitions as the cookbook's num_tokens_for_tools; a description that lacks is empty."""
    counted = END if tools else 0
    for function in (tool["function"] for tool in tools):
        properties = function.get("parameters", {}).get("properties", {})
        counted += (
            FUNCTION[name] + long(f"{function['name']}:{described(function)}", name) + PROPERTIES * bool(properties)
        )
        for key, value in properties.items():
            counted += PROPERTY + long(f"{key}:{value['type']}:{described(value)}", name)
            if "enum" in value:
                counted += ENUM + sum(VALUE + long(each, name) for each in value["enum"])
    return counted


def described(value: dict[str, Any]) -> str:
    """Take a description without its full stop."""
    return value.get("description", "").removesuffix(".")


def differences(row: Any) -> Iterator[str]:
    """Count the row and each of its texts by both encodings."""
    for name, ours in OURS.items():
        theirs = 3 + sum(of_message(each, name) for each in row["messages"]) + of_tools(row.get("tools") or [], name)
        if (counted := ours(row)) != theirs:
            yield f"{name}: {theirs} tokens, and we count {counted}"
        for text in (each["content"] for each in row["messages"] if isinstance(each.get("content"), str)):
            counted = ours({"messages": [{"content": text}]}) - counters.PER_REPLY - counters.PER_MESSAGE
            if (theirs := long(text, name)) != counted:
                yield f"{name}: {theirs} tokens, and we count {counted}, in {text[:60]!r}"


def check(path: Path) -> Iterator[Problem]:
    """Compare every row."""
    yield from compared(chat_rows(path), differences)


main(check)
