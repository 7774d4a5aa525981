"""What platforms ask of a file, as dated data, and the check that reads a finished file against it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import orjson
import polars as pl

from tuneset.errors import InputError
from tuneset.targets import chat, tokens

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

Problem = tuple[int | None, str, str]  # line (null: the whole file), rule, what is wrong

PROBLEMS = pl.Schema(
    {"line": pl.Int64, "rule": pl.String, "severity": pl.String, "says": pl.String, "mend": pl.String},
)


@dataclass(frozen=True)
class Target:
    """What one platform, or a family that reads the same file, asks for; true on `checked_on`."""

    checked_on: date
    sources: tuple[str, ...]
    roles: frozenset[str]
    min_rows: int
    max_bytes: int
    max_tokens: int  # per example; a longer one is cut from the end, where the answer is; Azure's gpt-4.1-nano: 32,768


class Rule(NamedTuple):
    """How grave a problem is, and what to do about it; `mend` names the platforms where they differ."""

    severity: Literal["error", "warning"]
    mend: str


TARGETS = {
    # The format outlives its origin: OpenAI takes no new jobs after 2027-01-06; Azure, Together, Fireworks and the
    # open trainers read the same file.
    "chat": Target(
        checked_on=date(2026, 11, 22),
        sources=(
            "https://platform.openai.com/docs/guides/supervised-fine-tuning",
            "https://github.com/openai/openai-openapi/blob/f7f4b05/openapi.yaml",
            "https://learn.microsoft.com/azure/ai-foundry/openai/how-to/fine-tuning",
            "https://docs.together.ai/docs/fine-tuning/data-preparation",
            "https://github.com/fw-ai/cookbook/blob/76821fa/skills/fireworks-training/references/choose-method.md",
            "https://pypi.org/project/mistral-common/1.13.1/",
        ),
        roles=frozenset({"system", "user", "assistant", "tool", "function"}),
        min_rows=10,
        max_bytes=512_000_000,
        max_tokens=65_536,
    ),
}

# An error: a platform that reads this shape refuses the file, or the row cannot teach what it is meant to.
# A warning: some refuse it or read it otherwise, and others train on it as it is.
RULES = {
    "empty-file": Rule("error", "write at least one example"),
    "too-few-rows": Rule("warning", "add examples: OpenAI and Azure ask for 10, Fireworks for 3, Together for 1"),
    "too-large": Rule("error", "split the file: OpenAI, Azure and Mistral take 512 MB, Together 50 GB or more"),
    "byte-order-mark": Rule("warning", "leave it out; only Azure's documents ask for one, and most parsers refuse it"),
    "blank-line": Rule(
        "error", "take the line out: OpenAI asks for an object on every line, and so did Together until 2.14"
    ),
    "not-utf-8": Rule("error", "save the file as UTF-8"),
    "not-json": Rule("error", "write one whole JSON object per line"),
    "not-an-object": Rule("error", 'write each line as {"messages": [...]}'),
    "no-messages": Rule("error", "turn the rows into messages, or choose the target that fits them"),
    "mixed-shapes": Rule("error", "keep one shape of row per file: Together refuses two, others read half"),
    "empty-messages": Rule("error", "take the line out, or give it messages"),
    "message-not-an-object": Rule("error", 'write each message as {"role": ..., "content": ...}'),
    "unknown-role": Rule("error", "use system, user, assistant or tool (not human, gpt, model or developer)"),
    "unknown-key": Rule(
        "warning", "take it out: OpenAI's schema lets it pass, Together refuses it beside the messages, Mistral in them"
    ),
    "missing-content": Rule("error", "give the message its text; only an assistant that calls a tool needs none"),
    "empty-content": Rule(
        "error", "give the message text or drop the example: Fireworks refuses it, Mistral an empty answer"
    ),
    "content-not-text": Rule("error", 'write content as a string, or as parts such as {"type": "text", "text": ...}'),
    "content-beside-call": Rule("warning", "fine for OpenAI; Mistral's v1 to v3 tokenizers refuse it"),
    "no-assistant": Rule("error", "end the example with the answer to learn"),
    "last-not-assistant": Rule("error", "end the example with the assistant's message, or cut what follows it"),
    "system-not-first": Rule("warning", "put it first: OpenAI and Mistral take it anywhere, Fireworks refuses it"),
    "assistant-first": Rule("warning", "start with the user: Together and Fireworks ask for it, OpenAI does not"),
    "same-role-twice": Rule("warning", "join the two: OpenAI takes them, Together, Fireworks and Gemma refuse"),
    "weight-not-0-or-1": Rule("error", "write the weight as 0 or 1, or leave it out"),
    "weight-not-on-assistant": Rule("warning", "take it off: Together alone takes it there, Mistral refuses it"),
    "all-weights-zero": Rule("error", "give one assistant message the weight 1, or drop the example"),
    "bad-tool-call": Rule(
        "error", 'write {"id": ..., "type": "function", "function": {"name": ..., "arguments": ...}}'
    ),
    "arguments-not-json": Rule(
        "error", "write arguments as a string that holds a JSON object (TRL alone wants the object)"
    ),
    "call-id-not-9-letters": Rule("warning", "fine for OpenAI; Mistral wants exactly 9 letters or digits"),
    "call-without-reply": Rule("error", "follow the call with a tool message of the same id: Mistral refuses the row"),
    "tool-reply-without-call": Rule("error", "give the reply the id of a call just before it, as tool_call_id"),
    "undeclared-tool": Rule("error", "declare the function in the row's tools: the model should see what it calls"),
    "bad-tools": Rule("error", 'write tools as [{"type": "function", "function": {"name": ...}}]'),
    "too-many-tokens": Rule("error", "shorten or split the example: it is cut from the end, where the answer is"),
}


def check(path: Path, target: Target = TARGETS["chat"]) -> pl.DataFrame:
    """Read a finished file line by line and say what its platform, or any that reads this shape, would refuse.

    Gives one row per problem in the order of the file: `line` (from 1; null for the whole file), `rule`, `severity`
    (error or warning), `says` and `mend`. The file is streamed; what is held is one line, its parse and the problems.
    1,000,000 short lines take 2 s on one core. Errors: InputError for a file that cannot be opened.

    Limits: tokens are an estimate and only lines that could exceed the limit are counted; images are not opened.

    >>> import pathlib, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> file = pathlib.Path(folder.name) / "train.jsonl"
    >>> _ = file.write_text('{"messages": []}')
    >>> check(file).select("line", "rule", "severity").rows()
    [(1, 'empty-messages', 'error'), (None, 'too-few-rows', 'warning')]
    >>> folder.cleanup()
    """
    try:
        with path.open("rb", buffering=1 << 20) as file:
            found = list(_problems(file, path.stat().st_size, target))
    except OSError as error:
        raise InputError(
            f"the file cannot be read: {error.strerror}", str(path), "check its name and rights"
        ) from error
    plain = pl.DataFrame(found, schema={name: PROBLEMS[name] for name in ("line", "rule", "says")}, orient="row")
    graver = {name: rule.severity for name, rule in RULES.items()}
    mends = {name: rule.mend for name, rule in RULES.items()}
    return plain.with_columns(
        severity=pl.col("rule").replace_strict(graver, return_dtype=pl.String),
        mend=pl.col("rule").replace_strict(mends, return_dtype=pl.String),
    ).select(PROBLEMS.names())


def _problems(file: BinaryIO, size: int, target: Target) -> Iterator[Problem]:
    if file.read(3) == b"\xef\xbb\xbf":
        yield 1, "byte-order-mark", "the file begins with a byte-order mark"
    else:
        file.seek(0)
    loads, ordinary, limit = orjson.loads, chat.ordinary, target.max_tokens
    number = blank = unread = strays = 0
    for number, line in enumerate(file, 1):
        try:
            row = loads(line)
        except orjson.JSONDecodeError as error:
            rule, says = _unread(line, error)
            yield number, rule, says
            unread += 1
            blank += rule == "blank-line"
            continue
        # A token is at least a byte, and the brackets around a message outweigh the 3 tokens that it costs.
        if len(line) <= limit and ordinary(row):
            continue
        strays += not chat.is_chat(row)
        for rule, says in (*chat.problems(row, target.roles), *_length(row, line, limit)):
            yield number, rule, says
    if 0 < strays < number - unread:
        yield None, "mixed-shapes", f"{strays:,} of {number - unread:,} rows are not chat"
    for rule, says in _whole(number - blank, size, target):
        yield None, rule, says


def _unread(line: bytes, error: orjson.JSONDecodeError) -> chat.Said:
    if not line.strip():
        return "blank-line", "the line is blank"
    try:
        line.decode()
    except UnicodeDecodeError as wrong:
        return "not-utf-8", f"byte {wrong.start + 1} of the line is {line[wrong.start]:#04x}, which is not UTF-8"
    return "not-json", f"{error.msg}, at character {error.pos + 1} of the line"


def _length(row: Any, line: bytes, limit: int) -> Iterator[chat.Said]:
    if len(line) <= limit or not chat.is_chat(row) or not isinstance(row["messages"], list):
        return
    if (counted := tokens.of_row(row)) > limit:
        yield "too-many-tokens", f"about {counted:,} tokens, {counted - limit:,} more than the {limit:,} that are read"


def _whole(rows: int, size: int, target: Target) -> Iterator[chat.Said]:
    if not rows:
        yield "empty-file", "the file has no rows"
    elif rows < target.min_rows:
        yield "too-few-rows", f"{rows} {'row' if rows == 1 else 'rows'}, and {target.min_rows} are asked for"
    if size > target.max_bytes:
        yield "too-large", f"{size / 1e6:,.0f} MB, and {target.max_bytes / 1e6:,.0f} MB are taken"
