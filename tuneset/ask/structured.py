"""Answers of a form: how a server is asked for it, step by step down, and what is read out of a text, always checked here."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuneset.ask.asked import Message, Model, Reply, Request

RUNGS = ("json_schema", "json_object", "prompted")
# Steps down where, of the answers at a rung, this many broke the form, and more than one in five.
BREACHES, SHARE = 3, 0.2
LEAST, PER_TOKEN = 20_000, 16  # letters of an answer that are kept, and for each token that it may have; English has 4
SHOWN = 4_000  # letters of a broken answer that are shown to the model again
_NOT_TAKEN = re.compile(r"response_format|json_schema|json_object|structured|guided|grammar|schema", re.IGNORECASE)
_FENCE = re.compile(r"```[\w-]*\s*\n(.*?)\n?\s*```", re.DOTALL)


class Read(NamedTuple):
    """What a reply holds: a value, or a problem."""

    value: Any = None
    problem: str = ""
    says: str = ""


def body(request: Request, model: Model, rung: str) -> bytes:
    """Write a request as it is sent: the beginning of a prompt stays the same, so that servers know it again.

    From the second rung on the schema stands at the end of the system message, which all requests share.
    """
    written: dict[str, Any] = {"model": model.name, "messages": list(request.messages)}
    written |= dict(request.parameters) | {model.limit: request.max_tokens}
    if request.schema is not None:
        if rung == "json_schema":
            form = {"name": "answer", "strict": True, "schema": dict(request.schema)}
            written["response_format"] = {"type": rung, "json_schema": form}
        else:
            written["messages"] = _told(request.messages, request.schema)
        if rung == "json_object":
            written["response_format"] = {"type": rung}
    return orjson.dumps(written)


def _told(messages: Any, schema: Mapping[str, Any]) -> list[Message]:
    asks = f"Answer with JSON alone, nothing before or after it, that keeps to this JSON Schema:\n{_json(schema)}"
    if messages and messages[0].get("role") == "system" and isinstance(messages[0].get("content"), str):
        return [messages[0] | {"content": f"{messages[0]['content']}\n\n{asks}"}, *messages[1:]]
    return [{"role": "system", "content": asks}, *messages]


def _json(value: Any) -> str:
    return orjson.dumps(value, default=dict).decode()


def read(reply: Reply, request: Request) -> Read:
    r"""Read the value out of a reply, and hold it to the schema.

    Problems: `too-long`, `refused`, `cut-off` (the limit of tokens), `not-json`, `wrong-schema`. Fences, a model's thoughts, and
    words before and after the JSON are taken off.

    >>> from tuneset.ask.asked import Reply, Request
    >>> asked = Request([], {"properties": {"text": {"type": "string"}}, "required": ["text"]})
    >>> read(Reply('Here you are:\n```json\n{"text": "Hello"}\n```'), asked).value
    {'text': 'Hello'}
    >>> read(Reply("{}"), asked).says
    "the answer came without 'text', which is required"
    """
    from tuneset.targets.schema import broken  # noqa: PLC0415  with the tables of all targets, .4 s

    if reply.cut or reply.refusal or reply.finish == "content_filter":
        return Read(None, *_withheld(reply))
    if request.schema is None:
        return Read(reply.text, *(_cut(request) if reply.finish == "length" else ()))
    found = _found(reply.text)
    wrong = next(broken(found, dict(request.schema), strict=True), "") if found is not _NOTHING else ""
    if found is not _NOTHING and not wrong:
        return Read(found)
    if reply.finish == "length":
        return Read(None, *_cut(request))
    if found is _NOTHING:
        return Read(None, "not-json", "the answer is no JSON")
    return Read(None, "wrong-schema", f"the answer came {wrong}")


def _withheld(reply: Reply) -> tuple[str, str]:
    if reply.cut:
        return "too-long", f"the answer is longer than its limit of tokens allows: {reply.cut}"
    return "refused", reply.refusal[:300] or "the server's filter took the answer back"


def _cut(request: Request) -> tuple[str, str]:
    return "cut-off", f"the answer was cut off at {request.max_tokens:,} tokens"


_NOTHING = object()


def _found(text: str) -> Any:
    """Find the JSON in a text; linear in its length."""
    text = text.rpartition("</think>")[2].strip()
    fenced = _FENCE.search(text)
    starts = [place for place in (text.find("{"), text.find("[")) if place >= 0]
    inner = text[min(starts) : max(text.rfind("}"), text.rfind("]")) + 1] if starts else ""
    for each in (text, fenced[1] if fenced else "", inner):
        try:
            return orjson.loads(each)
        except orjson.JSONDecodeError:
            continue
    return _NOTHING


def kept(reply: Reply, request: Request) -> Reply:
    """Leave out the text of an answer that no model can have written within its limit: size and hash are kept, and its cost.

    >>> from tuneset.ask.asked import Reply, Request
    >>> kept(Reply("a" * 20_001), Request([])).cut
    '20,001 letters, SHA-256 24e9393c'
    """
    letters = len(reply.text)
    if letters <= max(LEAST, PER_TOKEN * request.max_tokens):
        return reply
    hashed = hashlib.sha256(reply.text.encode("utf-8", "replace")).hexdigest()
    return reply._replace(text="", refusal="", cut=f"{letters:,} letters, SHA-256 {hashed[:8]}")


def again(request: Request, reply: Reply, says: str) -> Request:
    """Write the one more question that a broken answer gets."""
    more = f"That cannot be used: {says}. Answer again, with JSON alone that keeps to this JSON Schema:\n{_json(request.schema)}"
    told = [{"role": "assistant", "content": reply.text[:SHOWN]}, {"role": "user", "content": more}]
    return request._replace(messages=[*request.messages, *told])


def below(rung: str) -> str:
    """Return the next rung; the last has none but itself."""
    return RUNGS[min(RUNGS.index(rung) + 1, len(RUNGS) - 1)]


def ignored(good: int, bad: int) -> bool:
    """Say whether a server does not do what a rung asks for, by the answers so far.

    >>> ignored(0, 3), ignored(100, 3)
    (True, False)
    """
    return bad >= BREACHES and bad > SHARE * (good + bad)


def not_taken(status: int, said: str) -> bool:
    """Say whether a server refused a request for the form that it asks for."""
    return status in (400, 404, 415, 422, 500, 501) and bool(_NOT_TAKEN.search(said))
