"""Anthropic's Messages: a `system` text at the top, messages of user and assistant that hold blocks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tuneset.shapes import blocks
from tuneset.shapes import row as one

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuneset.targets.table import Target

NAME = "Anthropic Messages"
KEYS = frozenset({"messages"})
FORMS = {
    "not-an-object": '{"messages": [...]}',
    "message-not-an-object": '{"role": ..., "content": ...}',
    "unknown-role": "user and assistant",
    "content-not-text": 'a string, or blocks such as {"type": "text", "text": ...}',
    "bad-tool-call": '{"type": "tool_use", "id": ..., "name": ..., "input": {...}}',
    "bad-tools": '[{"name": ..., "input_schema": {...}}]',
    "bad-image": '{"type": "base64", "media_type": "image/png", "data": ...}',
}
_NEEDED: dict[str, dict[str, type]] = {
    "text": {"text": str},
    "image": {"source": dict},
    "tool_use": {"id": str, "name": str, "input": dict},
    "tool_result": {"tool_use_id": str},
}
_DATA = re.compile(r"data:(image/[a-z]+);base64,(.*)", re.DOTALL)


def problems(raw: one.Row, target: Target) -> Iterator[one.Said]:
    """Say why a row is none of Anthropic's.

    >>> from tuneset.targets.table import TARGETS
    >>> list(problems({"messages": [{"role": "system", "content": "s"}]}, TARGETS["anthropic"]))
    [('unknown-role', "message 1 has the role 'system'")]
    """
    yield from one.turns(raw, "messages", blocks.ROLES, _said)
    if said := blocks.alternation(raw):
        yield "same-role-twice", said
    if not isinstance(raw.get("system", ""), str):
        yield "content-not-text", f"system is {one.kind(raw['system'])}, not a text"
    tools = raw.get("tools") or []
    if not isinstance(tools, list) or not all(map(_is_tool, tools)):
        yield "bad-tools", "tools is not a list of objects, each with a name and an input_schema"
    if unknown := raw.keys() - {"system", "messages", "tools"}:
        yield "unknown-key", f"beside the messages there is {one.listed(unknown)}"
    del target


def _is_tool(tool: Any) -> bool:
    return (
        isinstance(tool, dict)
        and isinstance(tool.get("name"), str)
        and isinstance(tool.get("description", ""), str)
        and isinstance(tool.get("input_schema"), dict)
    )


def _said(where: str, turn: one.Message) -> Iterator[one.Said]:
    content = turn.get("content")
    if not isinstance(content, str | list):
        yield "missing-content", f"{where} has {one.kind(content)} for content"
        return
    for block in content if isinstance(content, list) else []:
        needed = _NEEDED.get(str(block.get("type"))) if isinstance(block, dict) else None
        if needed is None or not all(isinstance(block.get(key), kind) for key, kind in needed.items()):
            yield "content-not-text", f"{where} has a block that is {one.short(block) if block else 'empty'}"
        elif block["type"] == "image" and not _is_source(block["source"]):
            yield "content-not-text", f"{where} has an image whose source is neither base64 with a media_type nor a url"
        elif block["type"] == "tool_result" and not _is_text(block.get("content", "")):
            yield "content-not-text", f"{where} has a tool_result whose content is not text"
    if unknown := turn.keys() - {"role", "content"}:
        yield "unknown-key", f"{where} has {one.listed(unknown)}"


def _is_source(source: dict[str, Any]) -> bool:
    wanted = {"base64": ("media_type", "data"), "url": ("url",)}.get(str(source.get("type")), ())
    return bool(wanted) and all(isinstance(source.get(key), str) for key in wanted)


def _is_text(content: Any) -> bool:
    parts = content if isinstance(content, list) else []
    texts = all(
        isinstance(part, dict) and isinstance(part.get("text"), str) and part.get("type") == "text" for part in parts
    )
    return isinstance(content, str | list) and texts


def read(raw: one.Row, target: Target) -> one.Row:
    """Bring the blocks to messages."""
    del target
    system = [{"role": "system", "content": raw["system"]}] if raw.get("system") else []
    messages = [message for turn in raw["messages"] for message in blocks.messages(turn["role"], _parts(turn))]
    return {"messages": [*system, *messages]} | one.functions([_function(tool) for tool in raw.get("tools") or []])


def _parts(turn: dict[str, Any]) -> blocks.Parts:
    parts = blocks.Parts([], [], [])
    content = turn["content"]
    for block in [{"type": "text", "text": content}] if isinstance(content, str) else content:
        if block["type"] == "tool_use":
            parts.calls.append(blocks.call(str(block["id"]), str(block["name"]), block["input"]))
        elif block["type"] == "tool_result":
            reply = one.words(block.get("content"))
            parts.replies.append({"role": "tool", "tool_call_id": block["tool_use_id"], "content": reply})
        elif block["type"] == "text":
            parts.said.append({"type": "text", "text": block["text"]})
        else:
            parts.said.append({"type": "image_url", "image_url": {"url": _url(block["source"])}})
    return parts


def _url(source: Any) -> str:
    if source.get("type") == "base64":
        return f"data:{source.get('media_type')};base64,{source.get('data')}"
    return str(source.get("url"))


def _function(tool: dict[str, Any]) -> dict[str, Any]:
    said = {key: tool[key] for key in ("name", "description") if key in tool}
    return said | ({"parameters": tool["input_schema"]} if "input_schema" in tool else {})


def write(row: one.Row, target: Target) -> one.Row:
    """Write messages as blocks, a text alone as the text; the system's stands at the top."""
    del target
    system = "\n\n".join(one.words(each["content"]) or "" for each in row["messages"] if each["role"] == "system")
    turns = [turn | {"content": _plain(turn["content"])} for turn in blocks.turns(row["messages"], _HOW)]
    tools = [_tool(tool["function"]) for tool in row.get("tools") or []]
    return ({"system": system} if system else {}) | {"messages": turns} | ({"tools": tools} if tools else {})


def _plain(content: list[blocks.Block]) -> Any:
    return content[0]["text"] if len(content) == 1 and content[0]["type"] == "text" else content


def _tool(function: dict[str, Any]) -> dict[str, Any]:
    said = {key: function[key] for key in ("name", "description") if key in function}
    return said | {"input_schema": function.get("parameters") or {"type": "object", "properties": {}}}


def _image(image: dict[str, Any]) -> blocks.Block:
    url = image["url"]
    if data := _DATA.fullmatch(url):
        return {"type": "image", "source": {"type": "base64", "media_type": data[1], "data": data[2]}}
    return {"type": "image", "source": {"type": "url", "url": url}}


_HOW = blocks.Writing(
    text=lambda text: {"type": "text", "text": text},
    image=_image,
    call=lambda made, name, arguments: {"type": "tool_use", "id": made, "name": name, "input": arguments},
    reply=lambda made, content: {"type": "tool_result", "tool_use_id": made, "content": content},
)
