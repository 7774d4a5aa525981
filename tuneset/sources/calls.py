"""What each kind of log keeps of one call of a model: spans of OpenTelemetry, Langfuse, LangSmith, requests and their answers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

from tuneset.sources import said

if TYPE_CHECKING:
    from tuneset.shapes import row as one

Values = Mapping[str, Any]
Scores = dict[str, "float | str"]


class Call(NamedTuple):
    """What a model was asked, what it answered, and what is known beside it."""

    asked: list[one.Message]
    answered: list[one.Message]  # none where the call failed
    tools: list[Any]
    session: str | None
    user: str | None
    scores: Scores
    model: str | None
    why: str | None = None  # why it cannot be read


class Kind(NamedTuple):
    """A kind of log: its name, the columns that tell it, each set of them enough, and how its rows are read."""

    name: str
    keys: tuple[frozenset[str], ...]
    read: Callable[[Values], Iterator[Call]]


def _otlp(row: Values) -> Iterator[Call]:
    """Read the spans of one export request, however deep they lie in it."""
    if "spans" in row:
        yield from chain.from_iterable(map(_span, _list(row["spans"])))
    for key in ("resourceSpans", "scopeSpans", "resource_spans", "scope_spans"):
        yield from chain.from_iterable(_otlp(inner) for inner in _list(row.get(key)))


# Spans about something else than one call of a model: of an agent they hold the same words once more.
_OTHER = {"invoke_agent", "create_agent", "invoke_workflow", "execute_tool", "embeddings", "retrieval"}


def _span(row: Values) -> Iterator[Call]:
    """Read a span with attributes of OpenTelemetry's conventions for generative AI, OpenLLMetry's or OpenInference's.

    Source: semantic conventions for generative AI 0.1.0 (`gen_ai.input.messages` and so on; before 1.37 events or
    `gen_ai.prompt.0.content`); OpenInference (`llm.input_messages.0.message.content`).
    """
    known = _attributes(row.get("attributes"))
    if str(known.get("gen_ai.operation.name")) in _OTHER or known.get("openinference.span.kind", "LLM") != "LLM":
        return
    events = [(each.get("name"), _event(each)) for each in _list(row.get("events"))]
    asked, answered = _spoken(known, events)
    if asked is None and answered is None:
        return
    scores = {
        name: value
        for label, event in events
        if label == "gen_ai.evaluation.result" and (name := event.get("gen_ai.evaluation.name"))
        for value in (event.get("gen_ai.evaluation.score.value", event.get("gen_ai.evaluation.score.label")),)
        if value is not None
    }
    system = [{"role": "system", "parts": said.opened(known.get("gen_ai.system_instructions"))}]
    yield _call(
        [*(system if system[0]["parts"] else []), *(asked or [])],
        answered,
        tools=known.get("gen_ai.tool.definitions"),
        session=_first(known, "gen_ai.conversation.id", "session.id", "langfuse.session.id", "thread.id"),
        user=_first(known, "user.id", "enduser.id", "langfuse.user.id"),
        scores=scores,
        model=_first(known, "gen_ai.response.model", "gen_ai.request.model", "llm.model_name"),
    )


def _spoken(known: Values, events: Sequence[tuple[Any, Values]]) -> tuple[list[Any] | None, list[Any] | None]:
    """Find what was asked and answered in one of the three ways in which spans have said it."""
    if "gen_ai.input.messages" in known or "gen_ai.output.messages" in known:
        return _as_list(known.get("gen_ai.input.messages")), _as_list(known.get("gen_ai.output.messages"))
    for asked, answered in (("gen_ai.prompt", "gen_ai.completion"), ("llm.input_messages", "llm.output_messages")):
        if any(key.startswith(f"{asked}.") for key in known):
            return _unflattened(known, asked), _unflattened(known, answered)
    told = [
        {"role": str(name).split(".")[1], **event}
        for name, event in events
        if str(name).startswith("gen_ai.") and str(name).endswith(".message")
    ]
    choice = [event.get("message", event) for name, event in events if name == "gen_ai.choice"]
    return (told, choice) if told or choice else (None, None)


def _langfuse(row: Values) -> Iterator[Call]:
    """Read an observation, or a trace that holds some; scores of the trace hold for every call in it."""
    inner = row.get("trace")
    trace = inner if isinstance(inner, dict) else row
    if "observations" in row or "observations" in trace:
        scores = [*_list(row.get("scores")), *(_list(trace.get("scores")) if trace is not row else [])]
        shared = {"sessionId": trace.get("sessionId"), "userId": trace.get("userId")}
        for each in _list(row.get("observations", trace.get("observations"))):
            mine = [score for score in scores if score.get("observationId") in (None, each.get("id"))]
            yield from _langfuse(shared | each | {"scores": [*_list(each.get("scores")), *mine]})
        return
    if str(row.get("type", "GENERATION")).upper() != "GENERATION":
        return
    asked = said.opened(row.get("input"))
    tools = asked.get("tools") if isinstance(asked, dict) else None
    yield _call(
        asked.get("messages", [asked]) if isinstance(asked, dict) else asked,
        said.opened(row.get("output")),
        tools=tools,
        session=_first(row, "sessionId", "session_id"),
        user=_first(row, "userId", "user_id"),
        scores=_scores(row.get("scores")),
        model=_first(row, "model", "provided_model_name", "providedModelName"),
    )


def _langsmith(row: Values) -> Iterator[Call]:
    """Read a run of the type llm; its feedback is the average of what was given."""
    if row.get("run_type") != "llm":
        return
    asked, answered, beside, stats = (
        _dict(said.opened(row.get(key))) for key in ("inputs", "outputs", "extra", "feedback_stats")
    )
    known = _dict(beside.get("metadata"))
    tools = _dict(beside.get("invocation_params")).get("tools") or asked.get("tools")
    averages = {key: _dict(each).get("avg") for key, each in stats.items()}
    yield _call(
        asked.get("messages", asked.get("prompts", asked.get("input"))),
        answered.get(
            "generations", answered.get("choices", answered.get("output", answered.get("messages", answered)))
        ),
        tools=tools,
        session=_first(known, "session_id", "thread_id", "conversation_id"),
        user=_first(known, "user_id"),
        scores=_scores(averages) | _scores(row.get("feedback")),
        model=_first(known, "ls_model_name"),
    )


def _request(row: Values) -> Iterator[Call]:
    """Read a request to a server that speaks OpenAI's protocol (chat or responses) and what it answered."""
    sent, answer = said.opened(row.get("request", row.get("body"))), said.opened(row.get("response"))
    sent, answer = (_dict(said.opened(_dict(each).get("body", each))) for each in (sent, answer))
    beside = {**_dict(sent.get("metadata")), **_dict(said.opened(row.get("metadata"))), **row}
    system = [{"role": "system", "content": sent["instructions"]}] if sent.get("instructions") else []
    asked = _as_list(sent.get("messages", sent.get("input", sent.get("prompt"))))
    yield _call(
        [*system, *(asked or [])],
        answer.get("choices", answer.get("output")),
        tools=sent.get("tools"),
        session=_first(beside, "session_id", "sessionId", "conversation_id", "thread_id"),
        user=_first(beside, "user_id", "userId", "user") or _first(sent, "user"),
        scores=_scores(row.get("scores")) | _scores(row.get("feedback")),
        model=_first(answer, "model") or _first(sent, "model"),
    )


KINDS = (
    Kind(
        "OpenTelemetry spans",
        (frozenset({"resourceSpans"}), frozenset({"scopeSpans"}), frozenset({"resource_spans"})),
        _otlp,
    ),
    Kind(
        "OpenTelemetry spans",
        (
            frozenset({"attributes", "span_id"}),
            frozenset({"attributes", "spanId"}),
            frozenset({"attributes", "context"}),
        ),
        _span,
    ),
    Kind("LangSmith runs", (frozenset({"run_type", "inputs", "outputs"}),), _langsmith),
    Kind(
        "Langfuse observations",
        (
            frozenset({"observations"}),
            frozenset({"traceId", "type", "input", "output"}),
            frozenset({"trace_id", "type", "input", "output"}),
        ),
        _langfuse,
    ),
    Kind("logged requests", (frozenset({"request", "response"}), frozenset({"body", "response"})), _request),
)


def kind_of(names: Collection[str]) -> Kind | None:
    """Tell a kind of log by the names of its columns; None for rows of anything else.

    >>> kind_of(["id", "run_type", "inputs", "outputs"]).name
    'LangSmith runs'
    """
    return next((kind for kind in KINDS if any(keys <= set(names) for keys in kind.keys)), None)


def _call(asked: Any, answered: Any, *, tools: Any, **beside: Any) -> Call:
    """Bring one call to messages; what cannot be brought there says why."""
    declared = [
        each if "function" in each else {"type": "function", "function": _function(each)} for each in _list(tools)
    ]
    try:
        turns, reply = said.messages(asked, "user"), said.messages(answered, "assistant")[:1]
    except ValueError as error:
        return Call([], [], declared, **beside, why=str(error))
    if not turns:
        return Call([], reply, declared, **beside, why="nothing is there that was asked: the content was not recorded")
    return Call(turns, reply, declared, **beside, why=None if reply else "the model answered nothing")


def _function(tool: Values) -> Values:
    """Take a declaration without its type: Anthropic's and LangChain's say input_schema where OpenAI says parameters."""
    known = {"name": tool.get("name"), "description": tool.get("description")}
    known["parameters"] = tool.get("parameters", tool.get("input_schema", tool.get("args_schema")))
    return {key: value for key, value in known.items() if value is not None}


def _attributes(raw: Any) -> dict[str, Any]:
    """Read attributes, a list of typed values in OTLP and an object elsewhere."""
    if isinstance(raw, dict):
        return raw
    return {str(each.get("key")): _value(each.get("value")) for each in _list(raw)}


def _event(raw: Values) -> dict[str, Any]:
    """Read what an event says; in later conventions in its body, in earlier ones in its attributes."""
    body = _value(raw["body"]) if isinstance(raw.get("body"), dict) else {}
    known = {key: said.opened(value) for key, value in _attributes(raw.get("attributes")).items()}
    return known | (body if isinstance(body, dict) else {})


def _value(raw: Any) -> Any:
    """Open a typed value of OTLP, such as {"stringValue": "a"}."""
    if not isinstance(raw, dict) or len(raw) != 1:
        return raw
    kind, value = next(iter(raw.items()))
    if kind == "arrayValue":
        return [_value(each) for each in _list(_dict(value).get("values"))]
    if kind == "kvlistValue":
        return _attributes(_dict(value).get("values"))
    if kind == "intValue" and str(value).removeprefix("-").isdecimal():
        return int(value)
    return value if kind in ("stringValue", "boolValue", "doubleValue") else raw


def _unflattened(known: Values, prefix: str) -> list[Any]:
    """Gather `prefix.0.role`, `prefix.0.tool_calls.0.name` and so on into a list of objects."""
    tree: dict[str, Any] = {}
    for key, value in known.items():
        if key.startswith(f"{prefix}."):
            *path, last = key.removeprefix(f"{prefix}.").split(".")
            node = tree
            for name in path:
                node = node.setdefault(name, {})
                if not isinstance(node, dict):
                    break
            else:
                node[last] = value
    listed = _listed(tree)
    return listed if isinstance(listed, list) else []


def _listed(node: Any) -> Any:
    """Turn objects whose keys are all numbers into lists."""
    if not isinstance(node, dict):
        return node
    inner = {key: _listed(value) for key, value in node.items()}
    if inner and all(key.isdecimal() for key in inner):
        return [inner[key] for key in sorted(inner, key=int)]
    return inner


def _scores(raw: Any) -> Scores:
    """Read scores: a list of named values, an object of them, or one value that has no name."""
    raw = said.opened(raw)
    if isinstance(raw, bool | int | float | str):
        raw = {"feedback": raw}
    if isinstance(raw, dict):
        pairs = [(key, value[0] if isinstance(value, list) and value else value) for key, value in raw.items()]
    else:
        pairs = [(each.get("name", each.get("key")), _scored(each)) for each in _list(raw)]
    return {str(name): value for name, value in pairs if name and isinstance(value, bool | int | float | str)}


def _scored(score: Values) -> Any:
    return next((score[key] for key in ("value", "score", "stringValue") if score.get(key) is not None), None)


def _first(known: Values, *names: str) -> str | None:
    return next((str(known[name]) for name in names if known.get(name) not in (None, "")), None)


def _list(raw: Any) -> list[dict[str, Any]]:
    """Take a list of objects; anything else in it, or instead of it, is passed over."""
    raw = said.opened(raw)
    return [each for each in raw if isinstance(each, dict)] if isinstance(raw, list) else []


def _as_list(raw: Any) -> list[Any] | None:
    raw = said.opened(raw)
    return raw if isinstance(raw, list) or raw is None else [raw]


def _dict(raw: Any) -> dict[str, Any]:
    return raw if isinstance(raw, dict) else {}
