"""Traces of a product: each kind of log gives the conversations that were held, and only those that somebody called good."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tuneset
from tuneset.errors import RecipeError
from tuneset.sources import Ours, read

QUESTION, ANSWER = "Where is my parcel?", "On its way."
CHAT = [{"role": "user", "content": QUESTION}, {"role": "assistant", "content": ANSWER}]
TOOL = {"type": "function", "function": {"name": "track", "parameters": {"type": "object", "properties": {}}}}
CALLED = [
    {"role": "system", "content": "Help."},
    {"role": "user", "content": QUESTION},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "track", "arguments": '{"id": 7}'}}],
    },
    {"role": "tool", "tool_call_id": "c1", "content": "sent"},
    {"role": "assistant", "content": ANSWER},
]


def text(words):
    return {"type": "text", "content": words}


def attributes(values):
    """Write attributes as OTLP does."""

    def typed(value):
        if isinstance(value, bool):
            return {"boolValue": value}
        if isinstance(value, int):
            return {"intValue": str(value)}
        if isinstance(value, float):
            return {"doubleValue": value}
        if isinstance(value, list):
            return {"arrayValue": {"values": [typed(each) for each in value]}}
        if isinstance(value, dict):
            return {"kvlistValue": {"values": [{"key": key, "value": typed(each)} for key, each in value.items()]}}
        return {"stringValue": value}

    return [{"key": key, "value": typed(value)} for key, value in values.items()]


def otlp(*spans):
    return {"resourceSpans": [{"resource": {}, "scopeSpans": [{"scope": {}, "spans": list(spans)}]}]}


def span(values, events=()):
    return {"traceId": "t", "spanId": "s", "name": "chat", "attributes": attributes(values), "events": list(events)}


PARTS = {
    "gen_ai.operation.name": "chat",
    "gen_ai.conversation.id": "s1",
    "gen_ai.system_instructions": [text("Help.")],
    "gen_ai.input.messages": [
        {"role": "user", "parts": [text(QUESTION)]},
        {"role": "assistant", "parts": [{"type": "tool_call", "id": "c1", "name": "track", "arguments": {"id": 7}}]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": "sent"}]},
    ],
    "gen_ai.output.messages": [
        {"role": "assistant", "parts": [{"type": "reasoning", "content": "hm"}, text(ANSWER)], "finish_reason": "stop"}
    ],
    "gen_ai.tool.definitions": [
        {"type": "function", "name": "track", "parameters": {"type": "object", "properties": {}}}
    ],
}
AS_TEXT = {key: json.dumps(value) if isinstance(value, list) else value for key, value in PARTS.items()}
FLAT = {
    "gen_ai.prompt.0.role": "system",
    "gen_ai.prompt.0.content": "Help.",
    "gen_ai.prompt.1.role": "user",
    "gen_ai.prompt.1.content": QUESTION,
    "gen_ai.prompt.2.role": "assistant",
    "gen_ai.prompt.2.tool_calls.0.id": "c1",
    "gen_ai.prompt.2.tool_calls.0.name": "track",
    "gen_ai.prompt.2.tool_calls.0.arguments": '{"id": 7}',
    "gen_ai.prompt.3.role": "tool",
    "gen_ai.prompt.3.tool_call_id": "c1",
    "gen_ai.prompt.3.content": "sent",
    "gen_ai.completion.0.role": "assistant",
    "gen_ai.completion.0.content": ANSWER,
}
OPENINFERENCE = {
    "openinference.span.kind": "LLM",
    "llm.input_messages.0.message.role": "system",
    "llm.input_messages.0.message.content": "Help.",
    "llm.input_messages.1.message.role": "user",
    "llm.input_messages.1.message.content": QUESTION,
    "llm.input_messages.2.message.role": "assistant",
    "llm.input_messages.2.message.tool_calls.0.tool_call.id": "c1",
    "llm.input_messages.2.message.tool_calls.0.tool_call.function.name": "track",
    "llm.input_messages.2.message.tool_calls.0.tool_call.function.arguments": '{"id": 7}',
    "llm.input_messages.3.message.role": "tool",
    "llm.input_messages.3.message.tool_call_id": "c1",
    "llm.input_messages.3.message.content": "sent",
    "llm.output_messages.0.message.role": "assistant",
    "llm.output_messages.0.message.content": ANSWER,
}
EVENTS = [
    {"name": "gen_ai.system.message", "attributes": attributes({"content": "Help."})},
    {"name": "gen_ai.user.message", "attributes": attributes({"content": QUESTION})},
    {"name": "gen_ai.assistant.message", "attributes": attributes({"tool_calls": json.dumps(CALLED[2]["tool_calls"])})},
    {"name": "gen_ai.tool.message", "attributes": attributes({"id": "c1", "content": "sent"})},
    {
        "name": "gen_ai.choice",
        "attributes": attributes({"message": json.dumps({"role": "assistant", "content": ANSWER})}),
    },
]


def lc(kind, **kwargs):
    return {"lc": 1, "type": "constructor", "id": ["langchain", "schema", "messages", kind], "kwargs": kwargs}


LANGSMITH = {
    "id": "r",
    "run_type": "llm",
    "inputs": {
        "messages": [
            [
                lc("SystemMessage", content="Help.", type="system"),
                lc("HumanMessage", content=QUESTION, type="human"),
                lc(
                    "AIMessage",
                    content="",
                    type="ai",
                    tool_calls=[{"name": "track", "args": {"id": 7}, "id": "c1", "type": "tool_call"}],
                ),
                lc("ToolMessage", content="sent", type="tool", tool_call_id="c1"),
            ]
        ]
    },
    "outputs": {"generations": [[{"text": ANSWER, "message": lc("AIMessage", content=ANSWER, type="ai")}]]},
    "extra": {"metadata": {"thread_id": "s1"}, "invocation_params": {"tools": [TOOL]}},
    "feedback_stats": {"liked": {"n": 2, "avg": 1.0}},
}
LANGFUSE = {
    "id": "o",
    "traceId": "t",
    "type": "GENERATION",
    "input": {"messages": CALLED[:4], "tools": [TOOL]},
    "output": CALLED[4],
    "sessionId": "s1",
    "scores": [{"name": "liked", "value": 1, "dataType": "BOOLEAN"}],
}
LOGGED = {
    "request": {"model": "m", "messages": CALLED[:4], "tools": [TOOL]},
    "response": {"id": "x", "choices": [{"index": 0, "message": CALLED[4], "finish_reason": "stop"}]},
    "metadata": {"session_id": "s1"},
}
RESPONSES = {
    "request": {
        "body": {
            "instructions": "Help.",
            "tools": [{"type": "function", "name": "track", "parameters": TOOL["function"]["parameters"]}],
            "input": [
                {"role": "user", "content": [{"type": "input_text", "text": QUESTION}]},
                {"type": "function_call", "call_id": "c1", "name": "track", "arguments": '{"id": 7}'},
                {"type": "function_call_output", "call_id": "c1", "output": "sent"},
            ],
        }
    },
    "response": {
        "body": {
            "output": [
                {"type": "reasoning", "summary": []},
                {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": ANSWER}]},
            ]
        }
    },
}
LOGS = {
    "spans with parts": otlp(span(PARTS)),
    "spans with parts as text": otlp(span(AS_TEXT)),
    "spans with flat keys": otlp(span(FLAT)),
    "spans of OpenInference": otlp(span(OPENINFERENCE)),
    "spans with events": otlp(span({"gen_ai.operation.name": "chat"}, EVENTS)),
    "spans one a line": {
        "name": "chat",
        "context": {"trace_id": "t", "span_id": "s"},
        "attributes": AS_TEXT,
        "events": [],
    },
    "LangSmith": LANGSMITH,
    "Langfuse": LANGFUSE,
    "Langfuse, a trace": {
        "trace": {"id": "t", "sessionId": "s1"},
        "observations": [LANGFUSE, {"id": "p", "type": "SPAN"}],
        "scores": [],
    },
    "requests": LOGGED,
    "responses": RESPONSES,
}


def saved(folder, *rows, name="log.jsonl"):
    path = folder / name
    path.write_text("\n".join(json.dumps(row) for row in rows) if name.endswith("l") else json.dumps(rows[0]))
    return path


@pytest.mark.parametrize("name", ["log.jsonl", "log.json"])
@pytest.mark.parametrize("log", LOGS)
def test_each_kind_of_log_gives_the_conversation_that_was_held(tmp_path, log, name):
    got = read(saved(tmp_path, LOGS[log], name=name))
    assert [json.loads(each) for each in got.examples["messages"]] == [CALLED]
    assert got.findings.is_empty()
    assert (got.examples["text"][0], got.examples["label"][0], got.task) == (QUESTION, ANSWER, "tools")


@pytest.mark.parametrize("log", ["spans with parts", "LangSmith", "Langfuse", "Langfuse, a trace", "requests"])
def test_session_and_tools_stand_beside_the_conversation(tmp_path, log):
    got = read(saved(tmp_path, LOGS[log]))
    assert got.examples["groups"].to_list() == [["session:s1"]]
    assert json.loads(got.examples["extra"][0])["tools"][0]["function"] == TOOL["function"]


def call(*turns, session="s1", **beside):
    return {
        "request": {"messages": list(turns[:-1])},
        "response": {"choices": [{"message": turns[-1]}]},
        "session_id": session,
        **beside,
    }


def turn(role, content):
    return {"role": role, "content": content}


LATER = [*CHAT, turn("user", "Thanks, and the second?"), turn("assistant", "Tomorrow.")]


def test_an_earlier_call_is_left_to_the_later_one_that_holds_it(tmp_path):
    got = read(saved(tmp_path, call(*CHAT), call(*LATER), call(*CHAT, session="s2")))
    earlier, later, other = got.examples["id"]
    assert got.findings.select("rule", "example", "action").rows() == [("earlier-call", earlier, "drop")]
    assert got.findings["others"].to_list() == [[later]]
    assert other != earlier
    run = tuneset.prepare(saved(tmp_path, call(*CHAT), call(*LATER)), out=tmp_path / "run")
    assert run.summary["balance"] == {"in": 2, "kept": 1, "dropped": 0, "merged": 1}


def test_only_good_calls_stay_and_answers_that_nobody_called_good_are_not_learned(tmp_path):
    calls = (
        call(*CHAT, feedback={"liked": 0}),
        call(*LATER, feedback={"liked": 1}),
        call(*CHAT, session="s2", feedback=-1),
    )
    got = read(saved(tmp_path, *calls), ours=Ours(good="liked >= 1"))
    bad, fine, other = got.examples["id"]
    assert {example: (rule, says) for rule, example, says in got.findings.select("rule", "example", "says").rows()} == {
        bad: ("not-good", "the score liked is 0; good is >= 1"),
        other: ("not-good", "the score liked was not given; good is >= 1"),
    }
    kept = json.loads(got.examples.filter(id=fine)["messages"][0])
    assert [message.get("weight") for message in kept] == [None, 0, None, None]


def test_a_good_call_stays_where_the_later_one_is_not(tmp_path):
    got = read(
        saved(tmp_path, call(*CHAT, feedback="up"), call(*LATER, feedback="down")), ours=Ours(good="feedback = up")
    )
    assert got.findings.select("rule", "example").rows() == [("not-good", got.examples["id"][1])]


@pytest.mark.parametrize(
    ("words", "what"),
    [("liked", "this is no test"), ("liked >= high", "is no number"), ("likes >= 1", "no call has the score 'likes'")],
)
def test_a_test_that_cannot_be_made_is_refused(tmp_path, words, what):
    with pytest.raises(RecipeError, match=what):
        read(saved(tmp_path, call(*CHAT, feedback={"liked": 1})), ours=Ours(good=words))


RATED = [call(*CHAT, session=str(at), feedback={"rating": each}) for at, each in enumerate(["up", "down", "up"])]


def test_a_score_of_words_is_suggested_with_a_value_that_it_has(tmp_path):
    path = saved(tmp_path, *RATED)
    said = next(each for each in read(path).said if "which calls are good" in each)
    assert '(good = "rating = up" in the recipe; its values: up, down)' in said
    assert read(path, ours=Ours(good="rating = up")).findings.height == 1
    numbers = saved(tmp_path, call(*CHAT, feedback={"liked": 1}))
    assert any('scores are liked (good = "liked >= 1" in the recipe)' in each for each in read(numbers).said)


@pytest.mark.parametrize(
    ("values", "good", "what", "hint"),
    [
        (["up", "down", "up"], "rating >= 1", "has words, and a number", 'good = "rating = up" (its values: up, down)'),
        ([1, 0.5], "rating = up", "has numbers, and a word", 'good = "rating >= 1" (its values: 1, 0.5)'),
    ],
)
def test_a_number_is_not_compared_with_words(tmp_path, values, good, what, hint):
    calls = [call(*CHAT, session=str(at), feedback={"rating": each}) for at, each in enumerate(values)]
    with pytest.raises(RecipeError, match=what) as caught:
        read(saved(tmp_path, *calls), ours=Ours(good=good))
    assert caught.value.hint == hint


def test_a_log_without_scores_says_what_helps(tmp_path):
    with pytest.raises(RecipeError) as caught:
        read(saved(tmp_path, call(*CHAT)), ours=Ours(good="user_feedback >= 1"))
    assert caught.value.hint.startswith("remove good, or write scores into the log")


@pytest.mark.parametrize("key", ["scores", "feedback"])
@pytest.mark.parametrize("given", [{"liked": 1}, [{"name": "liked", "value": 1}], [{"key": "liked", "score": 1}]])
def test_scores_of_a_request_stand_beside_it(tmp_path, key, given):
    path = saved(tmp_path, call(*CHAT, **{key: given}))
    assert read(path, ours=Ours(good="liked >= 1")).findings.is_empty()


def test_good_is_refused_where_rows_have_no_scores(tmp_path):
    path = tmp_path / "tickets.csv"
    path.write_text("text,label,rating\nWhere is it?,track,1\nRefund!,refund,0\n")
    with pytest.raises(RecipeError) as caught:
        read(path, ours=Ours(good="rating >= 1"))
    assert str(caught.value).splitlines()[:2] == ["its rows have no scores", "  at   tickets.csv, good"]


def test_what_cannot_be_read_of_a_log_is_a_finding(tmp_path):
    sound = turn("user", [{"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}])
    rows = (
        call(*CHAT),
        {"request": {"messages": CHAT[:1]}, "response": {"error": "timeout"}},
        call(sound, CHAT[1]),
        {"request": {}, "response": {"choices": [{"message": CHAT[1]}]}},
    )
    got = read(saved(tmp_path, *rows))
    assert got.examples.height == 4
    assert got.findings["rule"].to_list() == ["unreadable-row"] * 3
    assert [says.partition(": ")[2] for says in got.findings["says"]] == [
        "the model answered nothing",
        "a part of the kind 'input_audio', which chat has no place for",
        "nothing is there that was asked: the content was not recorded",
    ]


def test_spans_about_anything_else_are_not_calls(tmp_path):
    agent = span(PARTS | {"gen_ai.operation.name": "invoke_agent"})
    other = span({"http.route": "/chat"})
    got = read(saved(tmp_path, otlp(agent, span(PARTS), other)))
    assert got.examples.height == 1
    assert "1 calls of a model" in " ".join(got.said) or "1 call of a model" in " ".join(got.said)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "role",
                        "content",
                        "parts",
                        "type",
                        "text",
                        "message",
                        "kwargs",
                        "tool_calls",
                        "function",
                        "id",
                        "generations",
                    ]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_whatever_a_log_holds_is_read_or_said(value):
    for good, odd in (
        (LOGGED, {"request": {"messages": value, "tools": value}, "response": {"choices": value}, "scores": value}),
        (LANGFUSE, LANGFUSE | {"input": value, "output": value, "scores": value}),
        (LANGSMITH, LANGSMITH | {"inputs": value, "outputs": value, "extra": value, "feedback_stats": value}),
        (otlp(span(PARTS)), {"resourceSpans": value}),
        (otlp(span(PARTS)), otlp({"attributes": [{"key": key, "value": value} for key in PARTS], "events": value})),
        (otlp(span(PARTS)), otlp({"attributes": dict.fromkeys((*PARTS, *FLAT, *OPENINFERENCE), value)})),
    ):
        got = read([good, odd])
        assert got.examples.height <= 2
        assert got.examples["text"].null_count() == got.findings.filter(rule="unreadable-row").height
