"""The one row that every shape is read into, and the words in which rules speak of its parts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from tuneset.targets.table import Target

Row = dict[str, Any]
Message = dict[str, Any]
Said = tuple[str, str]  # a rule of `targets.rules.RULES`, and what is wrong in words

FOR_TEMPLATE = "chat_template_kwargs"  # what TRL hands to the chat template, row by row
ANSWER = "answer_messages"  # how many messages at the end are the answer to prefer, where it is not the last alone
KEYS = ("messages", "tools", "parallel_tool_calls", "functions", "rejected", "fields", FOR_TEMPLATE, ANSWER)
# The problems of a shape that keep a row from being read as a conversation.
UNREADABLE = {
    "no-messages",
    "mixed-shapes",
    "bad-pair",
    "missing-content",
    "content-not-text",
    "message-not-an-object",
    "unknown-role",
    "bad-tool-call",
    "bad-tools",
    "wrong-version",
    "input-ends-with-answer",
}
OFFERED = ("tools", "parallel_tool_calls", "functions")  # what stands beside the messages in most shapes


class Shape(Protocol):
    """What the module of a shape holds."""

    NAME: str  # in words, for a sentence
    KEYS: frozenset[str]  # a row that has all of these is of this shape
    FORMS: dict[str, str]  # for rules about how a thing is written: how it is written here

    def problems(self, raw: Row, target: Target) -> Iterator[Said]:
        """Say why a row cannot be read, and what in it only this shape asks for."""

    def read(self, raw: Row, target: Target) -> Row:
        """Bring a row about which `problems` had nothing to say to the one row."""

    def write(self, row: Row, target: Target) -> Row:
        """Bring the one row to this shape."""


def turns(raw: Row, key: str, roles: Collection[str], said: Callable[[str, Message], Iterator[Said]]) -> Iterator[Said]:
    """Judge the list of turns that a row keeps under `key`: that it is one, who speaks, and by `said` what is in each."""
    listed_turns = raw.get(key)
    if not isinstance(listed_turns, list):
        what = f"{key} is {kind(listed_turns)}, not a list"
        yield "no-messages", f"there are no {key}" if listed_turns is None else what
        return
    for place, turn in enumerate(listed_turns, 1):
        where = f"message {place}"
        if not isinstance(turn, dict):
            yield "message-not-an-object", f"{where} is {kind(turn)}, not an object"
            continue
        if turn.get("role") not in [*roles]:  # it may be anything, a list too
            yield "unknown-role", f"{where} has {'the role ' + short(turn['role']) if 'role' in turn else 'no role'}"
        yield from said(where, turn)


def functions(declared: Collection[Any]) -> Row:
    """Write declared functions as the tools of a row; a row without any has no tools."""
    return {"tools": [{"type": "function", "function": each} for each in declared]} if declared else {}


def words(content: Any) -> str | None:
    r"""Join the text of a message's content; None where it holds more than text.

    >>> words([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]), words([{"type": "image_url"}])
    ('a\n\nb', None)
    """
    if content is None or isinstance(content, str):
        return content or ""
    if any(part.get("type") != "text" for part in content):
        return None
    return "\n\n".join(part["text"] for part in content)


def offered(raw: Row) -> Row:
    """Take what a row offers beside its messages; a string of JSON is opened, as TRL and LLaMA-Factory keep tools."""
    return {key: opened(raw[key]) for key in OFFERED if raw.get(key) is not None}


def answer(messages: list[Message]) -> Row:
    """Say of how many messages the answer to prefer is, where it is more than one."""
    return {ANSWER: len(messages)} if len(messages) > 1 else {}


def parted(row: Row) -> tuple[list[Message], list[Message]]:
    """Part the messages of a pair: what is asked, and the answer to prefer.

    >>> parted({"messages": ["q", "call", "found", "a"], "answer_messages": 3})
    (['q'], ['call', 'found', 'a'])
    """
    length = row.get(ANSWER, 1)
    return row["messages"][:-length], row["messages"][-length:]


def for_template(raw: Row) -> Row:
    """Take what a row hands to the chat template."""
    return {FOR_TEMPLATE: raw[FOR_TEMPLATE]} if FOR_TEMPLATE in raw else {}


def opened(value: Any) -> Any:
    """Parse what is JSON in a string; anything else stays as it is."""
    try:
        return json.loads(value) if isinstance(value, str) else value
    except (ValueError, RecursionError):  # the second where brackets are nested a thousand deep
        return value  # the check will say so


def dumps(value: Any) -> str:
    """Write as everything here is written: as `json.dumps` does, with letters as they are."""
    return json.dumps(value, ensure_ascii=False)


def closed(value: Any) -> str:
    """Write arguments and answers of tools as a string; an empty one, which the check names, where they are nested too deep."""
    try:
        return dumps(value)
    except RecursionError:  # at a thousand brackets
        return ""


def calls(message: Message) -> list[dict[str, Any]]:
    """List what a message calls, leaving out what is no call."""
    listed = message.get("tool_calls")
    return [call for call in listed if isinstance(call, dict)] if isinstance(listed, list) else []


def name_of(tool: Any) -> str | None:
    """Return the name in `{"function": {"name": ...}}`, which is how tools are declared and called."""
    function = tool.get("function") if isinstance(tool, dict) else None
    name = function.get("name") if isinstance(function, dict) else None
    return name if isinstance(name, str) and name else None


def kind(value: Any) -> str:
    """Name the kind of a JSON value for a sentence."""
    names = {dict: "an object", list: "a list", str: "a string", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def short(value: Any) -> str:
    """Quote a value for a sentence, cut where it is long."""
    text = value if isinstance(value, str) else closed(value) or kind(value)
    return repr(text if len(text) <= 40 else text[:39] + "…") if isinstance(value, str) else text[:40]


def listed(names: Collection[str]) -> str:
    """Name a few of many."""
    shown = sorted(names)[:3]
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(map(short, shown)) + more


def numbered(count: int) -> str:
    """Make up the id of a call for shapes that have none: nine letters and digits, which every target takes.

    >>> numbered(1)
    'call00001'
    """
    return f"call{count:05d}"
