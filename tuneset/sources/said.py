"""Messages as logs write them (OpenTelemetry, LangChain, OpenAI's responses, Anthropic), brought to messages of chat."""

from __future__ import annotations

from typing import Any

import orjson

from tuneset.shapes import row as one

_ROLES = {
    **{role: role for role in ("system", "user", "assistant", "tool")},
    "human": "user",
    "ai": "assistant",
    "model": "assistant",
    "developer": "system",
    "function": "tool",
    "HumanMessage": "user",
    "AIMessage": "assistant",
    "SystemMessage": "system",
    "ToolMessage": "tool",
    "FunctionMessage": "tool",
    "ChatMessage": "user",
}
_TEXTS = {"text", "input_text", "output_text"}
_PASSED = {"reasoning", "thinking", "redacted_thinking"}  # what a model thought is no part of its answer
DEEPEST = 12  # a message within a choice within a list of generations is 4 deep


def messages(raw: Any, role: str, depth: int = 0) -> list[one.Message]:
    """Bring what a log holds to messages of chat; a text alone is said by `role`.

    Raises ValueError, in words, for what has no place in chat, such as sound.

    >>> messages([{"role": "user", "parts": [{"type": "text", "content": "Where is it?"}]}], "user")
    [{'role': 'user', 'content': 'Where is it?'}]
    """
    if depth > DEEPEST:
        raise ValueError("the messages are nested too deep")
    raw = opened(raw)
    if raw is None or raw == "":
        return []
    if isinstance(raw, str):
        return [{"role": role, "content": raw}]
    if isinstance(raw, list):
        return [message for each in raw for message in messages(each, role, depth + 1)]
    if not isinstance(raw, dict):
        raise ValueError(f"{one.kind(raw)} where a message should be")  # noqa: TRY004  said of a row, not of the program
    for inner in ("message", "kwargs", "data", "generations"):
        if raw.get(inner) and isinstance(raw[inner], dict | list):
            path = raw.get("id")
            kind = path[-1] if inner == "kwargs" and isinstance(path, list) and path else raw.get("type")
            named = raw[inner] if not isinstance(raw[inner], dict) else {"type": kind, **raw[inner]}
            return messages(named, role, depth + 1)
    return _message(raw, role)


def _message(raw: dict[str, Any], role: str) -> list[one.Message]:
    kind = _word(raw.get("type"))
    if kind == "function_call":
        return [{"role": "assistant", "content": None, "tool_calls": [_called(raw)]}]
    if kind == "function_call_output":
        return [_reply(raw.get("call_id"), raw.get("output"))]
    if kind in _PASSED:
        return []
    named = str(raw.get("role") or (kind if kind in _ROLES else role))
    speaks = _ROLES.get(named, named)
    parts = raw.get("parts", raw.get("content", raw.get("text")))
    beside = raw.get("additional_kwargs")
    calls = one.calls(raw) or (one.calls(beside) if isinstance(beside, dict) else [])
    calls = [_called(each) for each in calls]
    if not isinstance(parts, list):
        content = None if parts is None else parts if isinstance(parts, str) else one.dumps(parts)
        if speaks == "tool":
            return [_reply(raw.get("tool_call_id", raw.get("id")), content)]
        return [_spoken(speaks, content, calls)] if content or calls else []
    return _from_parts(speaks, parts, calls, raw)


def _from_parts(role: str, parts: list[Any], calls: list[Any], raw: dict[str, Any]) -> list[one.Message]:
    """Sort the parts of a message: what is said, what is called, and what tools replied."""
    content: list[dict[str, Any]] = []
    replies: list[one.Message] = []
    for part in parts:
        kind = _word(part.get("type")) if isinstance(part, dict) else one.kind(part)
        if isinstance(part, str):
            content.append({"type": "text", "text": part})
        elif kind in _TEXTS:
            content.append({"type": "text", "text": str(part.get("text", part.get("content", "")))})
        elif kind == "image_url":
            content.append(part)
        elif kind in ("tool_call", "tool_use"):
            calls = [*calls, _called(part)]
        elif kind in ("tool_call_response", "tool_result"):
            reply = next((part[key] for key in ("response", "result", "content") if key in part), None)
            replies.append(_reply(part.get("id", part.get("tool_use_id")), reply))
        elif kind not in _PASSED:
            raise ValueError(f"a part of the kind {one.short(kind)}, which chat has no place for")
    if role == "tool" and not replies:
        replies, content = [_reply(raw.get("tool_call_id"), one.words(content))], []
    text = content[0]["text"] if len(content) == 1 and content[0]["type"] == "text" else content or None
    return [*replies, *([_spoken(role, text, calls)] if content or calls else [])]


def _spoken(role: str, content: Any, calls: list[Any]) -> one.Message:
    return (
        {"role": role, "content": content or None} | ({"tool_calls": calls} if calls else {})
        if calls
        else {"role": role, "content": content}
    )


def _called(raw: dict[str, Any]) -> dict[str, Any]:
    """Bring a call to OpenAI's form, from that of OpenTelemetry, LangChain (args), Anthropic (input) or OpenInference."""
    raw = raw.get("tool_call", raw) if isinstance(raw.get("tool_call"), dict) else raw
    function = raw["function"] if isinstance(raw.get("function"), dict) else raw
    given: Any = next((function[key] for key in ("arguments", "args", "input") if function.get(key) is not None), {})
    name, made = function.get("name"), raw.get("call_id", raw.get("id"))
    arguments = given if isinstance(given, str) else one.dumps(given)
    return {"id": str(made or name), "type": "function", "function": {"name": name, "arguments": arguments}}


def _reply(made: Any, content: Any) -> one.Message:
    said = content if isinstance(content, str) else one.dumps(content) if content is not None else ""
    return {"role": "tool", "tool_call_id": str(made or ""), "content": said}


def _word(raw: Any) -> str:
    return raw if isinstance(raw, str) else one.kind(raw)


def opened(raw: Any) -> Any:
    """Parse what is a JSON list or object in a string; anything else stays as it is."""
    if not isinstance(raw, str) or raw[:1] not in ("[", "{"):
        return raw
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        return raw
