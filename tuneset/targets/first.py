"""The first row of a file, by which its target is told where none is named."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, Any

import orjson

from tuneset.errors import InputError
from tuneset.shapes import graded, told
from tuneset.targets.table import TARGETS

if TYPE_CHECKING:
    from pathlib import Path

    from tuneset.targets.table import Target

# By the shape of the first row.
USUAL = {
    "chat": "chat",
    "graded": "openai-rft",
    "preference": "openai-dpo",
    "chosen": "trl-preference",
    "sharegpt": "sharegpt",
    "alpaca": "alpaca",
    "prompt": "trl-prompt-completion",
    "plain": "together-text",
    "gemini": "gemini",
    "converse": "bedrock-nova",
}


def usual(path: Path) -> Target:
    """Return the target that a file is held to where none is named.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "train.jsonl"
    ...     _ = path.write_text('{"prompt": "q", "completion": "a"}')
    ...     usual(path).name
    'trl-prompt-completion'
    """
    raw = first(path)
    shape = "graded" if isinstance(raw, dict) and {"messages", graded.ANSWER} <= raw.keys() else told(raw)
    return TARGETS[USUAL.get(shape or "chat", "chat")]


def first(path: Path) -> Any:
    """Parse the first line that is not blank; None where it is broken.

    Errors: InputError for a file that cannot be read, and for a table, which is no file of a thousand broken lines.
    """
    try:
        with path.open(encoding="utf-16" if is_utf_16(path) else "utf-8-sig", errors="replace") as lines:
            return orjson.loads(next((line for line in lines if line.strip()), "{}"))
    except OSError as error:
        what = f"the file cannot be read: {error.strerror}"
        raise InputError(what, str(path), "check its name and rights") from error
    except orjson.JSONDecodeError as error:
        if path.suffix.lower() in (".csv", ".tsv", ".xlsx", ".parquet", ".arrow"):
            hint = f"tuneset peek {path} shows what it holds, tuneset prepare turns it into files to train on"
            raise InputError("this is a table, not JSON lines", str(path), hint) from error
        return None


def is_utf_16(path: Path) -> bool:
    """Say whether a file begins with the mark of UTF-16."""
    with path.open("rb") as file:
        return file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
