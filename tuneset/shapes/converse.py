"""Bedrock's Converse rows: `schemaVersion`, `system`, `messages` of blocks, `toolConfig`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tuneset.shapes import blocks
from tuneset.shapes import row as one

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tuneset.targets.table import Target

NAME = "Bedrock Converse"
KEYS = frozenset({"schemaVersion", "messages"})
FORMS = {
    "not-an-object": '{"schemaVersion": ..., "messages": [...]}',
    "message-not-an-object": '{"role": ..., "content": [...]}',
    "unknown-role": "user and assistant",
    "content-not-text": 'blocks such as {"text": ...}',
    "bad-tool-call": '{"toolUse": {"toolUseId": ..., "name": ..., "input": {...}}}',
    "bad-tools": '{"tools": [{"toolSpec": {"name": ..., "inputSchema": {"json": ...}}}]}',
}
VERSION = "bedrock-conversation-2024"
_KINDS = {"text": str, "image": dict, "toolUse": dict, "toolResult": dict, "reasoningContent": dict}
_FORMATS = ("png", "jpeg", "gif", "webp")
_DATA = re.compile(r"data:image/([a-z]+);base64,(.*)", re.DOTALL)


def problems(raw: one.Row, target: Target) -> Iterator[one.Said]:
    """Say why a row is no Converse example.

    >>> from tuneset.targets.table import TARGETS
    >>> row = {"schemaVersion": "bedrock-conversation-2024", "messages": [{"role": "user", "content": "hi"}]}
    >>> list(problems(row, TARGETS["bedrock-nova"]))
    [('content-not-text', 'message 1 has a string for content, not a list of blocks')]
    """
    if raw.get("schemaVersion") != VERSION:
        yield "wrong-version", f"schemaVersion is {one.short(raw.get('schemaVersion'))}, not {VERSION!r}"
    yield from one.turns(raw, "messages", blocks.ROLES, _said)
    if said := blocks.alternation(raw):
        yield "same-role-twice", said
    system = raw.get("system")
    if system is not None and not _is_system(system):
        yield "content-not-text", 'system is not a list of one {"text": ...}'
    if raw.get("toolConfig") is not None and _declared(raw["toolConfig"]) is None:
        yield "bad-tools", "toolConfig is not an object with tools, each with a toolSpec of a name and an inputSchema"
    if unknown := raw.keys() - {"schemaVersion", "system", "messages", "toolConfig"}:
        yield "unknown-key", f"beside the messages there is {one.listed(unknown)}"
    del target


def _said(where: str, turn: one.Message) -> Iterator[one.Said]:
    content = turn.get("content")
    if not isinstance(content, list):
        rule = "missing-content" if content is None else "content-not-text"
        yield rule, f"{where} has {one.kind(content)} for content, not a list of blocks"
        return
    if not content:
        yield "missing-content", f"{where} has no blocks"
    for block in content:
        known = [key for key, kind in _KINDS.items() if isinstance(block, dict) and isinstance(block.get(key), kind)]
        if len(known) != 1 or len(block) != 1:
            yield "content-not-text", f"{where} has a block that is {one.short(block) if block else 'empty'}"
        elif wrong := _WRONG.get(known[0], lambda _: None)(block[known[0]]):
            yield "bad-tool-call" if known[0].startswith("tool") else "content-not-text", f"{where} has {wrong}"
        elif turn.get("role") != _SPEAKERS.get(known[0], turn.get("role")):
            yield "bad-tool-call", f"{where} has a {known[0]}, which only the {_SPEAKERS[known[0]]} may have"
    blocks_held = [block for block in content if isinstance(block, dict)]
    if any("text" in each for each in blocks_held) and not any(
        each.get("text") or "image" in each for each in blocks_held
    ):
        yield "empty-content", f"{where} has text without a letter"
    if unknown := turn.keys() - {"role", "content"}:
        yield "unknown-key", f"{where} has {one.listed(unknown)}"


def _used(use: dict[str, Any]) -> str | None:
    named = all(isinstance(use.get(key), str) and use[key].strip() for key in ("toolUseId", "name"))
    return None if named and isinstance(use.get("input"), dict) else "a toolUse without toolUseId, name or input"


def _resulted(result: dict[str, Any]) -> str | None:
    made, content = result.get("toolUseId"), result.get("content")
    if not isinstance(made, str) or not made.strip():
        return "a toolResult without toolUseId"
    if not isinstance(content, list) or not content or not all(map(_is_result, content)):
        return 'a toolResult whose content is not a list of {"text": ...} or {"json": {...}}'
    return None


def _is_result(part: Any) -> bool:
    held = {key: part[key] for key in ("text", "json") if part.get(key) is not None} if isinstance(part, dict) else {}
    return len(held) == 1 and (isinstance(held.get("text"), str) or isinstance(held.get("json"), dict))


def _shown(image: dict[str, Any]) -> str | None:
    source = image.get("source")
    source = source if isinstance(source, dict) else {}
    place = source.get("s3Location")
    there = (
        isinstance(place, dict) and isinstance(place.get("uri"), str) and isinstance(place.get("bucketOwner", ""), str)
    )
    if str(image.get("format")).lower() not in _FORMATS:
        return f"an image whose format is none of {', '.join(_FORMATS)}"
    return (
        None if there or isinstance(source.get("bytes"), str) else "an image without bytes, or the uri of an s3Location"
    )


def _thought(reasoning: dict[str, Any]) -> str | None:
    text = reasoning.get("reasoningText")
    return None if isinstance(text, dict) and isinstance(text.get("text"), str) else "a reasoningContent without text"


_WRONG: dict[str, Callable[[Any], str | None]] = {
    "toolUse": _used,
    "toolResult": _resulted,
    "image": _shown,
    "reasoningContent": _thought,
}
_SPEAKERS = {"toolUse": "assistant", "toolResult": "user", "reasoningContent": "assistant"}


def _is_system(system: Any) -> bool:
    return isinstance(system, list) and len(system) == 1 and isinstance(system[0], dict) and _only_text(system[0])


def _only_text(block: dict[str, Any]) -> bool:
    return block.keys() == {"text"} and isinstance(block["text"], str)


def read(raw: one.Row, target: Target) -> one.Row:
    """Bring the blocks to messages."""
    del target
    system = [{"role": "system", "content": block["text"]} for block in raw.get("system") or []]
    messages = [message for turn in raw["messages"] for message in blocks.messages(turn["role"], _parts(turn))]
    return {"messages": [*system, *messages]} | one.functions(_declared(raw.get("toolConfig") or {"tools": []}) or [])


def _parts(turn: dict[str, Any]) -> blocks.Parts:
    parts = blocks.Parts([], [], [])
    for block in turn["content"]:
        if "toolUse" in block:
            used = block["toolUse"]
            parts.calls.append(blocks.call(str(used["toolUseId"]), str(used["name"]), used["input"]))
        elif "toolResult" in block:
            result = block["toolResult"]
            said = "\n\n".join(_result(part) for part in result.get("content") or [])
            parts.replies.append({"role": "tool", "tool_call_id": result["toolUseId"], "content": said})
        elif "text" in block:
            parts.said.append({"type": "text", "text": block["text"]})
        elif "image" in block:
            parts.said.append({"type": "image_url", "image_url": _image_url(block["image"])})
    return parts


def _result(part: Any) -> str:
    return str(part["text"]) if isinstance(part, dict) and "text" in part else one.closed(part)


def _image_url(image: dict[str, Any]) -> dict[str, str]:
    """Write an image as chat has it, with what only a place in S3 has: whose it is, and of which kind where its name does not say."""
    source, kind = image["source"], image["format"].lower()
    if "bytes" in source:
        return {"url": f"data:image/{kind};base64,{source['bytes']}"}
    place = source["s3Location"]
    owner = {"bucketOwner": place["bucketOwner"]} if place.get("bucketOwner") else {}
    return {"url": place["uri"]} | owner | ({} if _kind(place["uri"]) == kind else {"format": kind})


def _kind(uri: str) -> str:
    """Tell the kind of an image by its name; nearly all that has no ending of its own is a photograph."""
    ending = uri.rpartition(".")[2].lower()
    return ending if ending in _FORMATS else "jpeg"


def write(row: one.Row, target: Target) -> one.Row:
    """Write messages as blocks; the system's text and the tools stand apart."""
    del target
    system = [{"text": one.words(each["content"])} for each in row["messages"] if each["role"] == "system"]
    tools = [{"toolSpec": _spec(tool["function"])} for tool in row.get("tools") or []]
    return (
        {"schemaVersion": VERSION}
        | ({"system": system} if system else {})
        | {"messages": blocks.turns(row["messages"], _HOW)}
        | ({"toolConfig": {"tools": tools}} if tools else {})
    )


def _spec(function: dict[str, Any]) -> dict[str, Any]:
    schema = function.get("parameters") or {"type": "object", "properties": {}}
    said = {"description": function["description"]} if function.get("description") else {}
    return {"name": function["name"], **said, "inputSchema": {"json": schema}}


def _declared(config: Any) -> list[dict[str, Any]] | None:
    tools = config.get("tools") if isinstance(config, dict) else None
    specs = [tool.get("toolSpec") if isinstance(tool, dict) else None for tool in tools or []]
    if not isinstance(tools, list) or not all(
        isinstance(spec, dict) and isinstance(spec.get("name"), str) for spec in specs
    ):
        return None
    return [
        {key: value for key, value in spec.items() if key in ("name", "description")}
        | {"parameters": schema.get("json") if isinstance(schema := spec.get("inputSchema"), dict) else None}
        for spec in specs
        if spec
    ]


def _image(image: dict[str, Any]) -> blocks.Block:
    if data := _DATA.fullmatch(image["url"]):
        return {"image": {"format": data[1], "source": {"bytes": data[2]}}}
    owner = {"bucketOwner": image["bucketOwner"]} if image.get("bucketOwner") else {}
    place = {"uri": image["url"]} | owner
    return {"image": {"format": image.get("format") or _kind(image["url"]), "source": {"s3Location": place}}}


_HOW = blocks.Writing(
    text=lambda text: {"text": text},
    image=_image,
    call=lambda made, name, arguments: {"toolUse": {"toolUseId": made, "name": name, "input": arguments}},
    reply=lambda made, content: {"toolResult": {"toolUseId": made, "content": [{"text": content}]}},
)
