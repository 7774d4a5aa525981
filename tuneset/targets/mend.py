"""Fit a row to a target: what can be changed without changing what is learned, else the row is left out, and either is said."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tuneset.shapes.row import ANSWER, FOR_TEMPLATE, calls, opened, parted, words
from tuneset.targets import declared, talk
from tuneset.targets.called import (
    CALL,
    CALLED,
    TOOL,
    closed_arguments,
    described,
    each_message,
    known_only,
    short_ids,
    single_ids,
    tools_opened,
    typed_parameters,
    with_parameters,
)
from tuneset.targets.rules import severity

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuneset.shapes.row import Message, Row, Said
    from tuneset.targets.table import Target

    Mend = Callable[[Row, Target], Row | None]

# What no platform refuses, and no change of ours can put right: the row stays, and the check names it.
STAYS = {
    "undeclared-tool",
    "all-weights-zero",
    "call-without-reply",
    "tool-reply-without-call",
    "empty-content",
}
_ROUNDS = 16  # a mend may lay open the next problem, as a cut conversation may end with the user
_ROLES = {
    "developer": "system",
    "human": "user",
    "prompter": "user",
    "gpt": "assistant",
    "model": "assistant",
    "bot": "assistant",
    "chatbot": "assistant",
}


class Fitted(NamedTuple):
    """A row as a target takes it, None where it cannot; and what was done, or why it is left out."""

    row: Row | None
    said: tuple[Said, ...]


def fitted(row: Row, target: Target) -> Fitted:
    """Change a row as little as a target asks for; a row that it cannot hold is None.

    >>> from tuneset.targets.table import TARGETS
    >>> row = {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a", "weight": 1}]}
    >>> fitted(row, TARGETS["torchtune"]).said
    (('unknown-key', 'weights are left out: every answer is trained on'),)
    """
    done: list[Said] = []
    for _ in range(_ROUNDS):
        found = [each for each in talk.problems(row, target) if _matters(each[0], target)]
        if not found:
            return Fitted(row, tuple(done))
        # what can be mended goes first: with a speaker's right name an answer may well be there
        lost = next((each for each in found if each[0] in ("message-not-an-object", "bad-pair")), None)
        rule, words = lost or next((each for each in found if each[0] in MENDS), found[0])
        mend = MENDS.get(rule)
        changed = mend[0](row, target) if mend else None
        if mend is None or changed is None or (ANSWER in changed and _answer_differs(row, changed)):
            return Fitted(None, ((rule, words),))
        said = (rule, mend[1](row, target))
        done += [said] if said not in done else []
        row = changed
    return Fitted(None, (found[0],))


def _answer_differs(row: Row, changed: Row) -> bool:
    """Say whether an answer of several messages no longer has as many, or other speakers."""
    before, after = ([each.get("role") for each in parted(each)[1]] for each in (row, changed))
    return before != after


def unlearned(row: Row, kept: Row, target: Target) -> tuple[Said, ...]:
    """Say where a row, fitted as `kept`, has answers that the target only reads, as part of the prompt.

    >>> from tuneset.targets.table import TARGETS
    >>> row = {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}] * 2}
    >>> unlearned(row, row, TARGETS["trl-prompt-completion"])
    (('too-many-turns', 'earlier answers are part of the prompt and no longer trained'),)
    """
    before, earlier = (
        [each for each in one["messages"][:-1] if each.get("role") == "assistant"] for one in (row, kept)
    )
    if target.shape != "prompt" or not earlier or all(each.get("weight") == 0 for each in before):
        return ()
    return (("too-many-turns", "earlier answers are part of the prompt and no longer trained"),)


def _matters(rule: str, target: Target) -> bool:
    """Say whether a problem is to be mended: a refusal, or a key that would only be in the way."""
    if rule in STAYS and rule not in target.errors:
        return False
    return rule == "unknown-key" or severity(rule, target) == "error"


def _without_keys(row: Row, target: Target) -> Row | None:
    row = _current(row, target)
    used = any(calls(message) for message in row["messages"] if isinstance(message, dict))
    away = row.keys() - {"messages", *target.keys}
    if "tools" in away and used:
        return None
    kept = {key: value for key, value in row.items() if key not in away}
    if "rejected" in kept:
        kept["rejected"] = [
            {key: value for key, value in each.items() if key in talk.known(each.get("role"), target)}
            for each in kept["rejected"]
        ]

    def change(message: Message) -> Message | None:
        allowed = talk.known(message.get("role"), target)
        if "tool_calls" in message.keys() - allowed:
            return None
        left = {key: value for key, value in message.items() if key in allowed}
        return left | (
            {"tool_calls": [known_only(each, CALL, CALLED) for each in left["tool_calls"]]} if calls(left) else {}
        )

    if isinstance(kept.get("tools"), list):
        kept["tools"] = [known_only(tool, TOOL, declared.FUNCTION_KEYS) for tool in kept["tools"]]
    return each_message(kept, change)


def _current(row: Row, target: Target) -> Row:
    """Bring `functions` and `function_call`, which OpenAI has retired, to tools; Mistral's script does the same."""
    if row.get("functions") and "functions" not in target.keys and "tools" in target.keys:
        row = {key: value for key, value in row.items() if key != "functions"} | {
            "tools": [{"type": "function", "function": each} for each in row["functions"]]
        }
    if "function_call" in target.message_keys or "tool_calls" not in target.message_keys:
        return row
    made, messages = 0, []
    for message in row["messages"]:
        if isinstance(message, dict) and isinstance(message.get("function_call"), dict):
            made += 1
            call = {"id": f"call{made:05d}", "type": "function", "function": message["function_call"]}
            rest = {key: value for key, value in message.items() if key != "function_call"}
            messages.append(rest | {"tool_calls": [call]})
        elif made and isinstance(message, dict) and message.get("role") == "function":
            messages.append({"role": "tool", "tool_call_id": f"call{made:05d}", "content": message.get("content")})
        else:
            messages.append(message)
    return row | {"messages": messages}


def _about_keys(row: Row, target: Target) -> str:
    away = sorted(row.keys() - {"messages", *target.keys})
    inside = {
        key
        for message in row["messages"]
        if isinstance(message, dict)
        for key in message.keys() - talk.known(message.get("role"), target)
    }
    if inside == {"weight"} and not away:
        learned = "only the last" if target.shape == "prompt" else "every"
        return f"weights are left out: {learned} answer is trained on"
    named = ", ".join([*away, *sorted(inside)]) or "keys of tools and calls that the target does not know"
    return f"left out: {named}"


def _with_roles(row: Row, target: Target) -> Row | None:
    def change(message: Message) -> Message | None:
        role = message.get("role")
        if not isinstance(role, str):
            return None
        new = role if role in target.roles else _ROLES.get(role)
        return None if new is None and role != "system" else message | {"role": new or role}

    row = _current(row, target)
    named = each_message(row, change)
    if named is None or "system" in target.roles:
        return named
    return _system_joined(named)


def _system_joined(row: Row) -> Row | None:
    """Put the system's words in front of the user's first, where a target knows no system."""
    first, *rest = row["messages"]
    if first["role"] != "system" or not rest or rest[0]["role"] != "user":
        return None
    if not isinstance(first.get("content"), str) or not isinstance(rest[0].get("content"), str):
        return None
    joined = rest[0] | {"content": f"{first['content']}\n\n{rest[0]['content']}"}
    return row | {"messages": [joined, *rest[1:]]}


def _about_roles(row: Row, target: Target) -> str:
    roles = {message.get("role") for message in row["messages"] if isinstance(message, dict)}
    if "system" in roles - target.roles:
        return "the system's words stand before the user's first, and stay there when the file is read back"
    named = [f"{role} is {_ROLES[role]}" for role in sorted(map(str, roles - target.roles)) if role in _ROLES]
    return ", ".join(named) or "answers of functions are answers of tools"


def _systems_joined(row: Row, target: Target) -> Row | None:
    del target
    messages = row["messages"]
    opening = next((n for n, each in enumerate(messages) if each.get("role") != "system"), len(messages))
    said = [each.get("content") for each in messages[:opening]]
    if not all(isinstance(each, str) for each in said):
        return None
    return row | {"messages": [{"role": "system", "content": "\n\n".join(said)}, *messages[opening:]]}


def _user_first(row: Row, target: Target) -> Row | None:
    """Leave out what the assistant says before anybody asked, such as a greeting."""
    del target
    messages = row["messages"]
    opening = next((n for n, each in enumerate(messages) if each.get("role") != "system"), 0)
    first = next((n for n, each in enumerate(messages) if each.get("role") == "user"), None)
    if first is None or any(each.get("role") != "assistant" or calls(each) for each in messages[opening:first]):
        return None
    return row | {"messages": messages[:opening] + messages[first:]}


def _joined(row: Row, target: Target) -> Row | None:
    del target
    messages, rejected = _as_one(row["messages"]), _as_one(row.get("rejected") or [])
    if messages is None or rejected is None:
        return None
    return row | {"messages": messages} | ({"rejected": rejected} if rejected else {})


def _as_one(spoken: list[Message]) -> list[Message] | None:
    """Join messages of one role that follow each other; None where that cannot be."""
    messages: list[Message] = []
    for message in spoken:
        last = messages[-1] if messages else {}
        same = message.get("role") in ("user", "assistant") and message.get("role") == last.get("role")
        if same and not calls(last):
            texts = last.get("content"), message.get("content")
            if not all(isinstance(text, str) for text in texts) or last.get("weight", 1) != message.get("weight", 1):
                return None
            messages[-1] = last | message | {"content": "\n\n".join(map(str, texts))}
        else:
            messages.append(message)
    return messages


def _cut(row: Row, target: Target) -> Row | None:
    """Cut what follows the last answer; what the model is to learn stays whole."""
    del target
    messages = row["messages"]
    last = max((n for n, each in enumerate(messages) if each.get("role") == "assistant"), default=-1)
    return row | {"messages": messages[: last + 1]} if last >= 0 else None


def _apart(row: Row, target: Target) -> Row | None:
    """Say the words in a message of their own before the call, where a target lets the assistant speak twice."""
    if severity("same-role-twice", target) == "error":
        return None
    messages: list[Message] = []
    for message in row["messages"]:
        if calls(message) and message.get("content"):
            alone = {key: value for key, value in message.items() if key != "tool_calls"}
            messages += [alone, {key: value for key, value in message.items() if key != "content"}]
        else:
            messages.append(message)
    return row | {"messages": messages}


def _whole_weights(row: Row, target: Target) -> Row | None:
    del target

    def change(message: Message) -> Message | None:
        weight = message.get("weight")
        if "weight" not in message or (type(weight) is int and weight in (0, 1)):
            return message
        if weight is None:
            return {key: value for key, value in message.items() if key != "weight"}
        return message | {"weight": int(weight)} if weight in (0, 1, True, False) else None

    return each_message(row, change)


def _answers_weighed(row: Row, target: Target) -> Row | None:
    del target
    return each_message(
        row,
        lambda message: (
            message
            if message.get("role") == "assistant"
            else {key: value for key, value in message.items() if key != "weight"}
        ),
    )


def _settings_opened(row: Row, target: Target) -> Row | None:
    del target
    value = opened(row[FOR_TEMPLATE])
    rest = {key: each for key, each in row.items() if key != FOR_TEMPLATE}
    return rest | {FOR_TEMPLATE: value} if isinstance(value, dict) else rest if value is None else None


def _named(row: Row, target: Target) -> Row | None:
    """Leave out names that are no text."""
    del target

    def change(message: Message) -> Message:
        good = isinstance(message.get("name", ""), str)
        return message if good else {key: value for key, value in message.items() if key != "name"}

    row = row | ({"rejected": [*map(change, row["rejected"])]} if row.get("rejected") else {})
    return each_message(row, change)


def _without_nulls(row: Row, target: Target) -> Row | None:
    del target

    def change(message: Message) -> Message:
        return {key: value for key, value in message.items() if value is not None or key not in ("name", "tool_calls")}

    row = row | ({"rejected": [*map(change, row["rejected"])]} if row.get("rejected") else {})
    return each_message(row, change)


def _without_parallel(row: Row, target: Target) -> Row | None:
    del target
    return {key: value for key, value in row.items() if key != "parallel_tool_calls"}


def _whole_texts(row: Row, target: Target) -> Row | None:
    del target

    def change(message: Message) -> Message:
        text = words(message["content"]) if isinstance(message.get("content"), list) else None
        return message if text is None else message | {"content": text}

    row = row | ({"rejected": [*map(change, row["rejected"])]} if row.get("rejected") else {})
    return each_message(row, change)


def _words(said: str) -> Callable[[Row, Target], str]:
    return lambda _row, _target: said


# For each rule that a change can satisfy: the change, and what is said of it.
MENDS: dict[str, tuple[Mend, Callable[[Row, Target], str]]] = {
    "unknown-key": (_without_keys, _about_keys),
    "unknown-role": (_with_roles, _about_roles),
    "several-systems": (_systems_joined, _words("the system messages are joined into one")),
    "assistant-first": (_user_first, _words("what the assistant says before the user is left out")),
    "same-role-twice": (_joined, _words("messages of one role in a row are joined")),
    "last-not-assistant": (_cut, _words("what follows the last answer is left out")),
    "call-id-not-9-letters": (short_ids, _words("the ids of calls have nine letters and digits now")),
    "content-beside-call": (_apart, _words("the words beside a call are a message of their own")),
    "weight-not-0-or-1": (_whole_weights, _words("weights are written as 0 or 1")),
    "weight-not-on-assistant": (_answers_weighed, _words("weights on messages that are no answers are left out")),
    "image-with-weight": (_answers_weighed, _words("weights on messages that are no answers are left out")),
    "arguments-not-json": (closed_arguments, _words("arguments are written as a string of JSON")),
    "settings-not-object": (_settings_opened, _words("what the chat template is given is an object, or left out")),
    "content-in-parts": (_whole_texts, _words("texts in parts are joined into one")),
    "null-key": (_without_nulls, _words("keys with null are left out")),
    "bad-parallel-calls": (_without_parallel, _words("parallel_tool_calls is left out")),
    "name-not-text": (_named, _words("names that are no text are left out")),
    "call-id-twice": (single_ids, _words("each call has an id of its own")),
    "no-description": (described, _words("tools without a description have their name for one")),
    "no-type": (typed_parameters, _words("parameters without a type are an object's")),
    "no-parameters": (with_parameters, _words("tools without parameters have empty ones")),
    "bad-tools": (tools_opened, _words("tools are written as a list of functions")),
}
