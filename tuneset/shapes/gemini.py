"""Gemini: `contents` of user and model, each a list of parts, with `systemInstruction` apart."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tuneset.shapes import gemini_tools
from tuneset.shapes import row as one

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuneset.targets.table import Target

NAME = "Gemini"
KEYS = frozenset({"contents"})
FORMS = {
    "not-an-object": '{"contents": [...]}',
    "message-not-an-object": '{"role": ..., "parts": [...]}',
    "unknown-role": "user and model",
    "content-not-text": 'parts such as {"text": ...}',
    "bad-tool-call": '{"functionCall": {"name": ..., "args": {...}}}',
    "bad-tools": '[{"functionDeclarations": [{"name": ...}]}]',
    "bad-image": '{"inlineData": {"mimeType": "image/png", "data": ...}}',
}
_ROLES = {"user": "user", "model": "assistant"}
_PARTS = {"text": str, "functionCall": dict, "functionResponse": dict, "fileData": dict, "inlineData": dict}
# What may stand in such a part, by google-genai 3.4.0, which refuses any other key.
_INSIDE: dict[str, dict[str, type]] = {
    "functionCall": {"name": str, "args": dict, "id": str},
    "functionResponse": {"name": str, "response": dict, "id": str},
    "fileData": {"fileUri": str, "mimeType": str, "displayName": str},
    "inlineData": {"data": str, "mimeType": str, "displayName": str},
}
_DATA = re.compile(r"data:([\w.+/-]+);base64,(.*)", re.DOTALL)
_KINDS = {"png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "webp": "image/webp", "gif": "image/gif"}


def problems(raw: one.Row, target: Target) -> Iterator[one.Said]:
    """Say why a row is no Gemini example.

    >>> from tuneset.targets.table import TARGETS
    >>> list(problems({"contents": [{"role": "assistant", "parts": [{"text": "a"}]}]}, TARGETS["gemini"]))
    [('unknown-role', "message 1 has the role 'assistant'")]
    """
    yield from one.turns(raw, "contents", _ROLES, _said)
    if "systemInstruction" in raw and not _is_texts(raw["systemInstruction"]):
        yield "content-not-text", "systemInstruction is not an object with parts of text"
    if raw.get("tools") is not None and gemini_tools.declared(raw["tools"]) is None:
        yield "bad-tools", "tools is not a list of functionDeclarations, each with a name"
    if unknown := raw.keys() - {"contents", "systemInstruction", "tools"}:
        yield "unknown-key", f"beside the contents there is {one.listed(unknown)}"
    del target


def _said(where: str, turn: one.Message) -> Iterator[one.Said]:
    parts = turn.get("parts")
    if not isinstance(parts, list) or not parts:
        yield "missing-content", f"{where} has {one.kind(parts) if parts is not None else 'nothing'} for parts"
        return
    for part in parts:
        known = [key for key, kind in _PARTS.items() if isinstance(part, dict) and isinstance(part.get(key), kind)]
        if len(known) != 1:
            yield "content-not-text", f"{where} has a part that is {one.short(part) if part else 'empty'}"
        elif unknown := part.keys() - {known[0], "thought", "thoughtSignature"}:
            yield "unknown-key", f"{where} has a part with {one.listed(unknown)}"
        elif known[0] != "text":
            yield from _inside(f"{where} has a {known[0]}", known[0], part[known[0]])
    if unknown := turn.keys() - {"role", "parts"}:
        yield "unknown-key", f"{where} has {one.listed(unknown)}"


def _inside(where: str, name: str, held: dict[str, Any]) -> Iterator[one.Said]:
    """Look at what a part holds, beside text."""
    if name.startswith("function") and not isinstance(held.get("name"), str):
        yield "bad-tool-call", f"{where} without a name"
    kinds = _INSIDE[name]
    if wrong := [key for key in kinds if held.get(key) is not None and not isinstance(held[key], kinds[key])]:
        yield "content-not-text", f"{where} whose {wrong[0]} is {one.kind(held[wrong[0]])}"
    if unknown := held.keys() - kinds:
        yield "unknown-key", f"{where} with {one.listed(unknown)}"


def read(raw: one.Row, target: Target) -> one.Row:
    """Name the roles as chat does; calls get ids by their number, since Gemini pairs them by name and order."""
    del target
    messages: list[one.Message] = []
    if raw.get("systemInstruction"):
        texts = [part["text"] for part in raw["systemInstruction"]["parts"]]
        messages.append({"role": "system", "content": "\n\n".join(texts)})
    made, answered = 0, 0
    for turn in raw["contents"]:
        answers = [part["functionResponse"] for part in turn["parts"] if "functionResponse" in part]
        for answer in answers:
            answered += 1
            content = _answer(answer.get("response"))
            messages.append({"role": "tool", "tool_call_id": one.numbered(answered), "content": content})
        called = [part["functionCall"] for part in turn["parts"] if "functionCall" in part]
        said = [part for part in turn["parts"] if not any(key.startswith("function") for key in part)]
        if called:
            calls = [_call(call, number) for number, call in enumerate(called, made + 1)]
            made, answered = made + len(calls), made
            messages.append({"role": "assistant", "content": _content(said), "tool_calls": calls})
        elif said:
            messages.append({"role": _ROLES[turn["role"]], "content": _content(said)})
    return {"messages": messages} | gemini_tools.read(gemini_tools.declared(raw.get("tools") or []) or [])


def write(row: one.Row, target: Target) -> one.Row:
    """Name the roles as Gemini does; the answers of several tools in a row share one turn of the user."""
    del target
    names: dict[str, str] = {}
    turns: list[dict[str, Any]] = []
    system = None
    for message in row["messages"]:
        if message["role"] == "system":
            system = {"role": "system", "parts": [{"text": one.words(message["content"])}]}
        elif message["role"] == "tool":
            name = names.get(message["tool_call_id"], "")
            part = {"functionResponse": {"name": name, "response": {"output": one.words(message["content"])}}}
            before = turns[-1]["parts"] if turns else []
            if any("functionResponse" in each for each in before):
                before.append(part)
            else:
                turns.append({"role": "user", "parts": [part]})
        else:
            made = one.calls(message)
            names |= {call["id"]: call["function"]["name"] for call in made}
            parts = _parts(message.get("content")) + [_made(call) for call in made]
            turns.append({"role": "user" if message["role"] == "user" else "model", "parts": parts})
    return (
        ({"systemInstruction": system} if system else {})
        | {"contents": turns}
        | ({"tools": gemini_tools.write(row["tools"])} if row.get("tools") else {})
    )


def _is_texts(value: Any) -> bool:
    parts = value.get("parts") if isinstance(value, dict) and value.keys() <= {"role", "parts"} else None
    return (
        isinstance(parts, list)
        and isinstance(value.get("role") or "", str)
        and all(isinstance(p, dict) and p.keys() == {"text"} and isinstance(p["text"], str) for p in parts)
    )


def _call(call: dict[str, Any], number: int) -> dict[str, Any]:
    function = {"name": call["name"], "arguments": one.closed(call.get("args") or {})}
    return {"id": one.numbered(number), "type": "function", "function": function}


def _made(call: dict[str, Any]) -> dict[str, Any]:
    function = call["function"]
    return {"functionCall": {"name": function["name"], "args": one.opened(function["arguments"])}}


def _answer(response: Any) -> str:
    if isinstance(response, dict) and response.keys() == {"output"} and isinstance(response["output"], str):
        return response["output"]
    return one.closed(response)


def _content(parts: list[dict[str, Any]]) -> Any:
    if not parts:
        return None
    if len(parts) == 1 and "text" in parts[0]:
        return parts[0]["text"]
    return [_read_part(part) for part in parts]


def _read_part(part: dict[str, Any]) -> dict[str, Any]:
    if "text" in part:
        return {"type": "text", "text": part["text"]}
    inline, file = part.get("inlineData"), part.get("fileData") or {}
    url = f"data:{inline.get('mimeType')};base64,{inline.get('data')}" if inline else file.get("fileUri")
    return {"type": "image_url", "image_url": {"url": url}}


def _parts(content: Any) -> list[dict[str, Any]]:
    if isinstance(content, str):
        return [{"text": content}]
    return [_written(part) for part in content or []]


def _written(part: dict[str, Any]) -> dict[str, Any]:
    if part["type"] == "text":
        return {"text": part["text"]}
    url = part["image_url"]["url"]
    if data := _DATA.fullmatch(url):
        return {"inlineData": {"mimeType": data[1], "data": data[2]}}
    return {"fileData": {"mimeType": _KINDS.get(url.rpartition(".")[2].lower(), "image/jpeg"), "fileUri": url}}
