"""ShareGPT: `conversations` of `from` and `value`, with function_call and observation where tools are used."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tuneset.shapes import row as one

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuneset.targets.table import Target

NAME = "ShareGPT"
KEYS = frozenset({"conversations"})
FORMS = {
    "not-an-object": '{"conversations": [...]}',
    "message-not-an-object": '{"from": ..., "value": ...}',
    "unknown-role": "human and gpt, system, function_call and observation where it has them",
    "content-not-text": "a string",
    "bad-tool-call": 'a string that holds {"name": ..., "arguments": {...}}',
    "bad-tools": 'a string that holds [{"type": "function", "function": {"name": ...}}]',
}
ROLES = {"human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant", "system": "system"}
RESULTS = ("observation", "tool", "function_response")
CALL = "function_call"
_NAMES = {"user": "human", "assistant": "gpt", "system": "system"}


def problems(raw: one.Row, target: Target) -> Iterator[one.Said]:
    """Say why a row is no ShareGPT conversation.

    >>> from tuneset.targets.table import TARGETS
    >>> list(problems({"conversations": [{"from": "bot", "value": "a"}]}, TARGETS["sharegpt"]))
    [('unknown-role', "message 1 is from 'bot'")]
    """
    turns = raw.get("conversations")
    if not isinstance(turns, list):
        yield "no-messages", "there are no conversations" if turns is None else f"conversations is {one.kind(turns)}"
        return
    for place, turn in enumerate(turns, 1):
        if not isinstance(turn, dict):
            yield "message-not-an-object", f"message {place} is {one.kind(turn)}, not an object"
            continue
        if turn.get("from") not in (*ROLES, *RESULTS, CALL):
            yield "unknown-role", f"message {place} is from {one.short(turn.get('from'))}"
        elif target.speakers and turn["from"] not in target.speakers:
            yield "role-by-another-name", f"message {place} is from {turn['from']}"
        if not isinstance(turn.get("value"), str):
            rule = "content-not-text" if turn.get("value") is not None else "missing-content"
            yield rule, f"message {place} has {one.kind(turn.get('value'))} for value"
        elif turn.get("from") == CALL and called(turn["value"], 0) is None:
            yield "bad-tool-call", f"message {place} is a function_call that is not JSON with a name and arguments"
        if unknown := turn.keys() - {"from", "value"}:
            yield "unknown-key", f"message {place} has {one.listed(unknown)}"
    if unknown := raw.keys() - {"conversations", *target.beside}:
        yield "unknown-key", f"beside the conversations there is {one.listed(unknown)}"


def read(raw: one.Row, target: Target) -> one.Row:
    """Name the roles as chat does; calls get ids by their number, since ShareGPT has none."""
    del target
    said = raw.get("system")
    system = [{"role": "system", "content": said}] if isinstance(said, str) and said else []
    return {"messages": [*system, *messages(raw["conversations"])]} | one.offered(raw)


def messages(turns: list[one.Message], speaker: str = "from", words: str = "value") -> list[one.Message] | str:
    """Bring turns to messages, or say why that cannot be; a speaker whom nobody knows keeps the name, for the check to say.

    `speaker` and `words` are the keys of who speaks and of what is said; a turn without the first is a message already.

    >>> messages([{"from": "human", "value": "q"}, {"role": "assistant", "content": "a"}])
    [{'role': 'user', 'content': 'q'}, {'role': 'assistant', 'content': 'a'}]
    """
    brought: list[one.Message] = []
    made, answered = 0, 0
    for turn in turns:
        if speaker not in turn:
            brought.append(turn)
            continue
        role, value = turn[speaker], turn.get(words)
        kept = {key: each for key, each in turn.items() if key not in (speaker, words)}
        if role == CALL:
            calls = called(value, made)
            if calls is None:
                return "a function_call is not JSON with a name and arguments"
            made, answered = made + len(calls), made
            brought.append({"role": "assistant", "content": None, "tool_calls": calls, **kept})
        elif role in RESULTS:
            answered += 1
            brought.append({"role": "tool", "tool_call_id": one.numbered(answered), "content": value, **kept})
        else:
            brought.append({"role": ROLES.get(role, role) if isinstance(role, str) else role, "content": value, **kept})
    return brought


def write(row: one.Row, target: Target) -> one.Row:
    """Name the roles as ShareGPT does; tools are a string of JSON, as LLaMA-Factory reads them."""
    del target
    turns = [_turn(message) for message in row["messages"]]
    return {"conversations": turns} | ({"tools": one.dumps(row["tools"])} if row.get("tools") else {})


def _turn(message: one.Message) -> dict[str, Any]:
    if message["role"] == "tool":
        return {"from": "observation", "value": one.words(message["content"])}
    if calls := one.calls(message):
        made = [
            {"name": call["function"]["name"], "arguments": one.opened(call["function"]["arguments"])} for call in calls
        ]
        return {"from": CALL, "value": one.dumps(made[0] if len(made) == 1 else made)}
    return {"from": _NAMES[message["role"]], "value": one.words(message["content"])}


def called(value: Any, before: int) -> list[dict[str, Any]] | None:
    """Read a function call, `{"name", "arguments"}` or a list of them; None where it is neither.

    >>> called('{"name": "look", "arguments": {}}', 0)
    [{'id': 'call00001', 'type': 'function', 'function': {'name': 'look', 'arguments': '{}'}}]
    """
    try:
        parsed = json.loads(value) if isinstance(value, str) else value
    except (ValueError, RecursionError):  # the second where brackets are nested a thousand deep
        return None
    listed = parsed if isinstance(parsed, list) else [parsed]
    if not listed or not all(isinstance(call, dict) and isinstance(call.get("name"), str) for call in listed):
        return None
    return [
        {
            "id": one.numbered(number),
            "type": "function",
            "function": {"name": call["name"], "arguments": _closed(call.get("arguments", {}))},
        }
        for number, call in enumerate(listed, before + 1)
    ]


def _closed(arguments: Any) -> str:
    return arguments if isinstance(arguments, str) else one.closed(arguments)
