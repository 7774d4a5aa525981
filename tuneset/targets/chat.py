"""The chat shape: rows with a list of `messages`, as OpenAI defined it and most trainers read it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import orjson
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

Said = tuple[str, str]  # a rule of `rules.RULES`, and what is wrong in words

OFFERS = ("tools", "parallel_tool_calls", "functions")  # what a row may hold beside its messages
KEYS = frozenset({"role", "content", "name", "weight", "tool_calls", "tool_call_id", "function_call", "refusal"})
TOOL_ROLES = ("tool", "function")
NEXT = {None: ("system", "user"), "system": ("user",), "user": ("assistant",), "assistant": ("user",)}
OTHER_SHAPES = {
    "preference pairs": {"input", "preferred_output"},
    "prompt and completion": {"prompt", "completion"},
    "instruction and output": {"instruction", "output"},
    "ShareGPT": {"conversations"},
    "Gemini": {"contents"},
    "plain text": {"text"},
}


def lines(examples: pl.DataFrame, system: str | None = None) -> pl.Series:
    r"""Write each example as one line of JSON, without the line's end.

    A row of a table becomes `{"messages": [system, user, assistant]}`, to the character what
    `json.dumps(..., ensure_ascii=False)` gives; without text or answer it has no line (null). A conversation keeps its
    messages byte for byte, followed by the `tools`, `parallel_tool_calls` and `functions` of its `extra`; `system`
    is put in front where no message is one. Reads the columns `text`, `label`, `messages` and `extra`.

    >>> rows = pl.DataFrame({"text": ['a "b"'], "label": ["C"], "messages": [None], "extra": [None]})
    >>> print(lines(rows)[0])
    {"messages": [{"role": "user", "content": "a \"b\""}, {"role": "assistant", "content": "C"}]}
    """
    first = "" if system is None else _dumps({"role": "system", "content": system})
    talks = pl.col("messages").is_not_null()
    columns = examples.select(
        pl.col("text", "label", "messages").cast(pl.String),
        extra=pl.when(talks).then(pl.col("extra").cast(pl.String)),
    )
    return columns.select(
        line=pl.when(talks).then(_conversation(first, _offered(columns["extra"]))).otherwise(_table(first)),
    ).to_series()


def write(lines: pl.Series, path: Path) -> None:
    """Write the lines, each ended by one newline, as UTF-8 without a byte-order mark; an OSError is the caller's."""
    lines.to_frame().write_csv(path, include_header=False, quote_style="never")


def _table(first: str) -> pl.Expr:
    ahead = first + ", " if first else ""
    return pl.concat_str(
        pl.lit(f'{{"messages": [{ahead}{{"role": "user", "content": '),
        _string("text"),
        pl.lit(', {"role": "assistant", "content": '),
        _string("label"),
        pl.lit("]}"),
    )


def _string(column: str) -> pl.Expr:
    """Write a column as JSON strings, each with the brace that closes its message.

    Polars escapes exactly as Python's json does (tests hold it to that), at 17 million short rows a second.
    """
    wrapped = pl.struct(pl.col(column).alias("c")).struct.json_encode()
    return pl.when(pl.col(column).is_not_null()).then(wrapped.str.slice(len('{"c":')))


def _conversation(first: str, offered: pl.Series) -> pl.Expr:
    # A line's end inside the JSON is white space between tokens, since strings must escape it.
    messages = pl.col("messages").str.replace_all(r"[\r\n]", " ").str.strip_chars()
    if first:
        # The quotes cannot come from a text: there they would be escaped.
        has_system = messages.str.contains(r'[{,]\s*"role"\s*:\s*"(?:system|developer)"')
        is_empty = messages.str.contains(r"^\[\s*\]$")
        in_front = pl.concat_str(pl.lit(f"[{first}, "), messages.str.slice(1))
        messages = pl.when(has_system | is_empty).then(messages).otherwise(in_front)
    return pl.concat_str(pl.lit('{"messages": '), messages, offered, pl.lit("}"))


def _offered(extra: pl.Series) -> pl.Series:
    """Write what `extra` holds of `OFFERS` as the end of a row, once per distinct value that names one of them."""
    named = extra.str.contains(f'"(?:{"|".join(OFFERS)})"')
    ends = {value: _offer(value) for value in extra.filter(named).unique().to_list()}
    return extra.replace_strict(ends, default="", return_dtype=pl.String)


def _offer(extra: str) -> str:
    held = json.loads(extra)
    return "".join(f', "{key}": {_dumps(_opened(held[key]))}' for key in OFFERS if held.get(key) is not None)


def _opened(value: Any) -> Any:
    """Parse what is JSON in a string: TRL and LLaMA-Factory keep tools so, and chat wants the list."""
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return value  # the check will say so


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def ordinary(row: Any) -> bool:
    """Say whether no rule has anything to say about a row: only messages, and speakers that take turns.

    Nearly every row is so; 0.6 us each, where `problems` takes 15. What this cannot be sure of is not ordinary.

    >>> ordinary({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]})
    True
    """
    role = None
    try:
        for message in row["messages"]:
            if message["role"] not in NEXT[role] or len(message) != 2 or not message["content"].strip():
                return False
            role = message["role"]
    except (AttributeError, KeyError, TypeError):  # not a list, not a string, not there: `problems` finds the words
        return False
    return role == "assistant" and len(row) == 1


def problems(row: Any, roles: Collection[str]) -> Iterator[Said]:
    """Say what is wrong with one parsed line, by the rules for rows of the chat shape.

    >>> list(problems({"messages": []}, {"user", "assistant"}))
    [('empty-messages', 'the list of messages is empty')]
    """
    if not isinstance(row, dict):
        yield "not-an-object", f"the line is {_kind(row)}, not an object"
        return
    messages = row.get("messages")
    if not isinstance(messages, list):
        yield "no-messages", _no_messages(row)
        return
    yield from _row_keys(row)
    if not messages:
        yield "empty-messages", "the list of messages is empty"
    for place, message in enumerate(messages, 1):
        if isinstance(message, dict):
            yield from _message(f"message {place}", message, roles)
        else:
            yield "message-not-an-object", f"message {place} is {_kind(message)}, not an object"
    spoken = [message for message in messages if isinstance(message, dict)]
    if spoken:
        yield from _order([message.get("role") for message in spoken], spoken)
        yield from _training(spoken)
        yield from _replies(spoken)
        yield from _tools(row, spoken)


def is_chat(row: Any) -> bool:
    """Say whether a row means to be of this shape."""
    return isinstance(row, dict) and "messages" in row


def _no_messages(row: dict[str, Any]) -> str:
    if "messages" in row:
        return f"messages is {_kind(row['messages'])}, not a list"
    shape = next((name for name, keys in OTHER_SHAPES.items() if keys <= row.keys()), None)
    return f"there are no messages; this is a row of {shape}" if shape else "there are no messages"


def _row_keys(row: dict[str, Any]) -> Iterator[Said]:
    shape = next((name for name, keys in OTHER_SHAPES.items() if keys <= row.keys()), None)
    if shape:
        yield "mixed-shapes", f"the line is chat and {shape} at once"
        return
    unknown = row.keys() - {"messages", *OFFERS}
    if unknown:
        yield "unknown-key", f"beside the messages there is {_listed(unknown)}"


def _message(where: str, message: dict[str, Any], roles: Collection[str]) -> Iterator[Said]:
    role = message.get("role")
    if not isinstance(role, str) or role not in roles:
        said = f"has the role {_short(role)}" if "role" in message else "has no role"
        yield "unknown-role", f"{where} {said}"
    if unknown := message.keys() - KEYS:
        yield "unknown-key", f"{where} has {_listed(unknown)}"
    yield from _content(where, message)
    yield from _weight(where, message)
    yield from _calls(where, message)


def _content(where: str, message: dict[str, Any]) -> Iterator[Said]:
    content, role = message.get("content"), message.get("role")
    calls = role == "assistant" and (message.get("tool_calls") or message.get("function_call"))
    if content is None:
        if not calls:
            yield "missing-content", f"{where} has {'null for content' if 'content' in message else 'no content'}"
    elif isinstance(content, list):
        if not content or not all(map(_is_part, content)):
            yield "content-not-text", f"{where} has a list for content whose parts are not all typed"
    elif not isinstance(content, str):
        yield "content-not-text", f"{where} has {_kind(content)} for content"
    elif not content.strip():
        if not calls and role not in TOOL_ROLES:  # a tool may well answer nothing
            yield "empty-content", f"{where} ({_short(role)}) is empty"
    elif calls:
        yield "content-beside-call", f"{where} has content and a tool call"


def _is_part(part: Any) -> bool:
    if not isinstance(part, dict) or not isinstance(part.get("type"), str):
        return False
    return part["type"] != "text" or isinstance(part.get("text"), str)


def _weight(where: str, message: dict[str, Any]) -> Iterator[Said]:
    if "weight" not in message:
        return
    weight = message["weight"]
    if type(weight) is not int or weight not in (0, 1):  # true is an int in Python and none in JSON
        yield "weight-not-0-or-1", f"{where} has the weight {_short(weight)}"
    if message.get("role") != "assistant":
        yield "weight-not-on-assistant", f"{where} ({_short(message.get('role'))}) has a weight"


def _calls(where: str, message: dict[str, Any]) -> Iterator[Said]:
    calls = message.get("tool_calls")
    if calls is None:
        return
    if not isinstance(calls, list) or not calls:
        yield "bad-tool-call", f"{where} has {_short(calls)} for tool_calls"
        return
    for call in calls:
        if _name(call) is None or not isinstance(call.get("id"), str):
            yield "bad-tool-call", f"{where} has a tool call without an id, or without a function and its name"
            continue
        if not re.fullmatch("[a-zA-Z0-9]{9}", call["id"]):
            yield "call-id-not-9-letters", f"{where} has the call id {_short(call['id'])}"
        yield from _arguments(where, call["function"].get("arguments"))


def _arguments(where: str, arguments: Any) -> Iterator[Said]:
    if not isinstance(arguments, str):
        yield "arguments-not-json", f"{where} has {_kind(arguments)} for arguments, not a string of JSON"
        return
    try:
        parsed = orjson.loads(arguments)
    except orjson.JSONDecodeError:
        yield "arguments-not-json", f"{where} has arguments that are not JSON: {_short(arguments)}"
        return
    if not isinstance(parsed, dict):
        yield "arguments-not-json", f"{where} has arguments that are {_kind(parsed)}, not an object"


def _order(roles: list[Any], spoken: list[dict[str, Any]]) -> Iterator[Said]:
    if "assistant" not in roles:
        yield "no-assistant", "no message is the assistant's: there is nothing to learn"
    elif roles[-1] != "assistant":
        yield "last-not-assistant", f"the last message is of the role {_short(roles[-1])}"
    opening = next((place for place, role in enumerate(roles) if role != "system"), len(roles))
    if "system" in roles[opening:]:
        yield "system-not-first", f"message {roles.index('system', opening) + 1} is a system message"
    if roles[opening : opening + 1] == ["assistant"]:
        yield "assistant-first", "the assistant speaks before the user"
    for place in range(1, len(roles)):
        after_call = spoken[place - 1].get("tool_calls")
        if roles[place] == roles[place - 1] and roles[place] in ("user", "assistant") and not after_call:
            yield "same-role-twice", f"messages {place} and {place + 1} are both of the role {roles[place]}"
            return


def _training(spoken: list[dict[str, Any]]) -> Iterator[Said]:
    weights = [message.get("weight") for message in spoken if message.get("role") == "assistant"]
    if weights and all(weight == 0 for weight in weights):
        yield "all-weights-zero", "every assistant message has the weight 0: there is nothing to learn"


def _replies(spoken: list[dict[str, Any]]) -> Iterator[Said]:
    """Pair calls and replies; a call at the very end is what the model is to learn and needs no reply."""
    waiting: set[str] = set()
    for message in spoken:
        if message.get("role") == "tool":
            reply = message.get("tool_call_id")
            if not isinstance(reply, str) or reply not in waiting:
                yield "tool-reply-without-call", f"a tool replies to the call {_short(reply)}, which nobody made"
            else:
                waiting.remove(reply)
            continue
        if waiting:
            yield "call-without-reply", f"no tool replies to the call {_listed(waiting)}"
        waiting = {call["id"] for call in _made(message) if isinstance(call.get("id"), str)}
    if waiting and spoken[-1].get("role") == "tool":
        yield "call-without-reply", f"no tool replies to the call {_listed(waiting)}"


def _tools(row: dict[str, Any], spoken: list[dict[str, Any]]) -> Iterator[Said]:
    tools, functions = row.get("tools", []), row.get("functions", [])
    if not isinstance(tools, list) or not isinstance(functions, list) or None in map(_name, tools):
        yield "bad-tools", "tools is not a list of functions, each with a name"
        return
    declared = {_name(tool) for tool in tools} | {_name({"function": function}) for function in functions}
    called = {name for message in spoken for call in _made(message) if (name := _name(call)) is not None}
    if undeclared := called - declared:
        yield "undeclared-tool", f"the assistant calls {_listed(undeclared)}, which tools does not declare"


def _made(message: dict[str, Any]) -> list[dict[str, Any]]:
    calls = message.get("tool_calls")
    return [call for call in calls if isinstance(call, dict)] if isinstance(calls, list) else []


def _name(tool: Any) -> str | None:
    """Return the name in `{"function": {"name": ...}}`, which is how tools are declared and called."""
    function = tool.get("function") if isinstance(tool, dict) else None
    name = function.get("name") if isinstance(function, dict) else None
    return name if isinstance(name, str) and name else None


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else _dumps(value)
    return repr(text if len(text) <= 40 else text[:39] + "…") if isinstance(value, str) else text[:40]


def _listed(names: Collection[str]) -> str:
    shown = sorted(names)[:3]
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(map(_short, shown)) + more
