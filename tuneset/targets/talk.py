"""What is wrong with a conversation: the rules for the one row that every shape is read into."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import orjson

from tuneset.shapes.row import ANSWER, FOR_TEMPLATE, KEYS, calls, kind, listed, name_of, parted, short, words
from tuneset.targets import declared, images

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuneset.shapes.row import Message, Row, Said
    from tuneset.targets.table import Target

TOOL_ROLES = ("tool", "function")
CALLS = {"tool_calls", "function_call"}
# Keys that only some roles have.
OWN = {"tool_calls": {"assistant"}, "function_call": {"assistant"}, "refusal": {"assistant"}, "tool_call_id": {"tool"}}
NEXT = {None: ("system", "user"), "system": ("user",), "user": ("assistant",), "assistant": ("user",)}


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


def takes_ordinary(target: Target) -> bool:
    """Say whether a target has nothing against ordinary rows of chat."""
    plain = target.shape == "chat" and not target.reserved and not target.max_turns
    return plain and {"system", "user", "assistant"} <= target.roles


def problems(row: Row, target: Target) -> Iterator[Said]:
    """Say what is wrong with a row for a target; how grave each is, the target says.

    >>> from tuneset.targets.table import TARGETS
    >>> list(problems({"messages": []}, TARGETS["chat"]))
    [('empty-messages', 'the list of messages is empty')]
    """
    messages = row["messages"]
    yield from _beside(row, target)
    if not messages:
        yield "empty-messages", "the list of messages is empty"
    for place, message in enumerate(messages, 1):
        if isinstance(message, dict):
            yield from _message(f"message {place}", message, target)
        else:
            yield "message-not-an-object", f"message {place} is {kind(message)}, not an object"
    spoken = [message for message in messages if isinstance(message, dict)]
    if spoken:
        yield from _order([message.get("role") for message in spoken], spoken, target)
        yield from _training(spoken)
        yield from _replies(spoken)
        yield from images.problems(messages, target)
        yield from declared.problems(row, messages)
    for message in row.get("rejected") or []:
        if isinstance(message, dict):
            yield from _message("the rejected answer", message, target)
    if "rejected" in target.keys and not row.get("rejected"):
        yield "bad-pair", "there is no answer that was rejected"
    elif "rejected" in target.keys:
        yield from _pair(row, target)


def _pair(row: Row, target: Target) -> Iterator[Said]:
    """Look at both answers of a pair."""
    _, preferred = parted(row)
    if row["rejected"] == preferred:
        yield "bad-pair", "the answer to prefer and the one that was rejected are the same"
    roles = [each.get("role") for each in row["rejected"] if not calls(each)]
    if ("assistant", "assistant") in pairwise(roles):
        yield "same-role-twice", "two messages of the rejected answer are both of the role assistant"
    most = max(len(preferred), len(row["rejected"]))
    if most > 1 and ANSWER not in target.keys:
        yield "bad-pair", f"an answer is {most} messages, and one is taken"


def _beside(row: Row, target: Target) -> Iterator[Said]:
    if unknown := row.keys() - {"messages", *target.keys}:
        what = "has" if unknown <= set(KEYS) and target.shape != "chat" else "beside the messages there is"
        yield "unknown-key", f"{'the row ' if what == 'has' else ''}{what} {listed(unknown)}"
    if "parallel_tool_calls" in target.keys and not isinstance(row.get("parallel_tool_calls", False), bool):
        yield "bad-parallel-calls", f"parallel_tool_calls is {kind(row['parallel_tool_calls'])}"
    if FOR_TEMPLATE in target.keys and not isinstance(row.get(FOR_TEMPLATE, {}), dict):
        yield "settings-not-object", f"{FOR_TEMPLATE} is {kind(row[FOR_TEMPLATE])}, not an object"


def _message(where: str, message: Message, target: Target) -> Iterator[Said]:
    role = message.get("role")
    if not isinstance(role, str) or role not in target.roles:
        said = f"has the role {short(role)}" if "role" in message else "has no role"
        yield "unknown-role", f"{where} {said}"
    if unknown := message.keys() - known(role, target):
        yield "unknown-key", f"{where} has {listed(unknown)}"
    if not isinstance(message.get("name"), str | None) or (role == "function" and message.get("name") is None):
        yield "name-not-text", f"{where} ({short(role)}) has {kind(message.get('name'))} for a name"
    elif null := [key for key in ("name", "tool_calls") if key in message and message[key] is None]:
        yield "null-key", f"{where} has null for {listed(null)}"
    yield from _content(where, message, target)
    yield from _reserved(where, message, target)
    yield from _weight(where, message)
    yield from _calls(where, message)


def known(role: Any, target: Target) -> set[str]:
    """Name the keys that a message of a role may have.

    >>> from tuneset.targets.table import TARGETS
    >>> "name" in known("user", TARGETS["openai"]), "name" in known("user", TARGETS["mistral"])
    (True, False)
    """
    others = {key for key, roles in OWN.items() if role not in [*roles]}
    unnamed = {"name"} if target.named and role not in [*target.named] else set()
    return {"role", "content", *target.message_keys} - others - unnamed


def _content(where: str, message: Message, target: Target) -> Iterator[Said]:
    content, role = message.get("content"), message.get("role")
    # where calls are not known, they are no reason to say nothing
    called = role == "assistant" and any(message.get(key) for key in CALLS & target.message_keys)
    if content is None:
        if not called:
            yield "missing-content", f"{where} has {'null for content' if 'content' in message else 'no content'}"
    elif isinstance(content, list):
        if not content or not all(map(_is_part, content)):
            yield "content-not-text", f"{where} has a list for content whose parts are not all typed"
        elif words(content) is not None:
            yield "content-in-parts", f"{where} has its text in {len(content)} part{'s' * (len(content) > 1)} of a list"
    elif not isinstance(content, str):
        yield "content-not-text", f"{where} has {kind(content)} for content"
    elif not content.strip():
        if not called and role not in TOOL_ROLES:  # a tool may well answer nothing
            yield "empty-content", f"{where} ({short(role)}) is empty"
    elif called:
        yield "content-beside-call", f"{where} has content and a tool call"


def _reserved(where: str, message: Message, target: Target) -> Iterator[Said]:
    """Look for words that make a job fail."""
    if target.reserved:
        content = message.get("content")
        parts = [part for part in content if isinstance(part, dict)] if isinstance(content, list) else []
        said = [content] if isinstance(content, str) else [str(part.get("text", "")) for part in parts]
        if found := {word for word in target.reserved if any(word in text for text in said)}:
            yield "reserved-word", f"{where} holds {listed(found)}"


def _is_part(part: Any) -> bool:
    if not isinstance(part, dict) or not isinstance(part.get("type"), str):
        return False
    if part["type"] == "text":
        return isinstance(part.get("text"), str)
    image = part.get("image_url")
    return part["type"] == "image_url" and isinstance(image, dict) and isinstance(image.get("url"), str)


def _weight(where: str, message: Message) -> Iterator[Said]:
    if "weight" not in message:
        return
    weight = message["weight"]
    if type(weight) is not int or weight not in (0, 1):  # true is an int in Python and none in JSON
        yield "weight-not-0-or-1", f"{where} has the weight {short(weight)}"
    if message.get("role") != "assistant":
        yield "weight-not-on-assistant", f"{where} ({short(message.get('role'))}) has a weight"


def _calls(where: str, message: Message) -> Iterator[Said]:
    made = message.get("tool_calls")
    if made is None:
        return
    if not isinstance(made, list) or not made:
        yield "bad-tool-call", f"{where} has {short(made)} for tool_calls"
        return
    if len(made) > 1:
        yield "several-calls", f"{where} makes {len(made)} calls at once"
        ids = [call.get("id") for call in made if isinstance(call, dict)]
        if any(ids.count(made_by) > 1 for made_by in ids):
            yield "bad-tool-call", f"{where} makes two calls of one id"
    for call in made:
        if name_of(call) is None or not isinstance(call.get("id"), str) or call.get("type") != "function":
            yield "bad-tool-call", f'{where} has a call without an id, without "type": "function", or without a name'
            continue
        unknown = (call.keys() - {"id", "type", "function"}) | (call["function"].keys() - {"name", "arguments"})
        if unknown:
            yield "unknown-key", f"{where} has a call with {listed(unknown)}"
        if not declared.FUNCTION_NAME.fullmatch(str(name_of(call))):
            yield "function-name-not-taken", f"{where} calls {short(name_of(call))}"
        if not re.fullmatch("[a-zA-Z0-9]{9}", call["id"]):
            yield "call-id-not-9-letters", f"{where} has the call id {short(call['id'])}"
        yield from _arguments(where, call["function"].get("arguments"))


def _arguments(where: str, arguments: Any) -> Iterator[Said]:
    if not isinstance(arguments, str):
        yield "arguments-not-json", f"{where} has {kind(arguments)} for arguments, not a string of JSON"
        return
    try:
        parsed = orjson.loads(arguments)
    except orjson.JSONDecodeError:
        yield "arguments-not-json", f"{where} has arguments that are not JSON: {short(arguments)}"
        return
    if not isinstance(parsed, dict):
        yield "arguments-not-json", f"{where} has arguments that are {kind(parsed)}, not an object"


def _order(roles: list[Any], spoken: list[Message], target: Target) -> Iterator[Said]:
    if "assistant" not in roles:
        yield "no-assistant", "no message is the assistant's: there is nothing to learn"
    elif roles[-1] != "assistant":
        yield "last-not-assistant", f"the last message is of the role {short(roles[-1])}"
    opening = next((place for place, role in enumerate(roles) if role != "system"), len(roles))
    if "system" in roles[opening:]:
        yield "system-not-first", f"message {roles.index('system', opening) + 1} is a system message"
    if opening > 1:
        yield "several-systems", f"{opening} system messages begin the row"
    if "user" not in roles:
        yield "no-user", "the user says nothing"
    if target.max_turns and roles.count("user") > target.max_turns:
        yield "too-many-turns", f"the user speaks {roles.count('user')} times"
    if roles[opening : opening + 1] == ["assistant"]:
        yield "assistant-first", "the assistant speaks before the user"
    for place in range(1, len(roles)):
        after_call = spoken[place - 1].get("tool_calls")
        if roles[place] == roles[place - 1] and roles[place] in ("user", "assistant") and not after_call:
            yield "same-role-twice", f"messages {place} and {place + 1} are both of the role {roles[place]}"
            return


def _training(spoken: list[Message]) -> Iterator[Said]:
    weights = [message.get("weight") for message in spoken if message.get("role") == "assistant"]
    if weights and all(weight == 0 for weight in weights):
        yield "all-weights-zero", "every assistant message has the weight 0: there is nothing to learn"


def _replies(spoken: list[Message]) -> Iterator[Said]:
    """Pair calls and replies; a call at the very end is what the model is to learn and needs no reply."""
    waiting: set[str] = set()
    made = [call["id"] for message in spoken for call in calls(message) if isinstance(call.get("id"), str)]
    if twice := {each for each, times in Counter(made).items() if times > 1}:
        yield "call-id-twice", f"the id {listed(twice)} is that of more than one call"
    if calls(spoken[0]):
        yield "call-before-user", "the first message calls a tool"
    for message in spoken:
        if message.get("role") == "tool":
            reply = message.get("tool_call_id")
            if not isinstance(reply, str) or reply not in waiting:
                yield "tool-reply-without-call", f"a tool replies to the call {short(reply)}, which nobody made"
            else:
                waiting.remove(reply)
            continue
        if waiting:
            yield "call-without-reply", f"no tool replies to the call {listed(waiting)}"
        waiting = {call["id"] for call in calls(message) if isinstance(call.get("id"), str)}
    if waiting and spoken[-1].get("role") == "tool":
        yield "call-without-reply", f"no tool replies to the call {listed(waiting)}"
