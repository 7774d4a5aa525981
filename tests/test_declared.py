"""How tools are declared, and calls that keep to it or break it, in the shapes that have tools."""

import json
import socket
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuneset.shapes import SHAPES
from tuneset.targets import TARGETS, rules
from tuneset.targets.schema import broken

law = settings(deadline=None, max_examples=200)
SHAPED = ["openai", "trl", "gemini", "bedrock-nova", "anthropic", "sharegpt", "openai-dpo"]
NEW = {"tool-declared-twice", "required-not-declared", "arguments-against-schema"}
SCHEMA = {
    "type": "object",
    "properties": {
        "order_id": {"type": "string"},
        "limit": {"type": "integer"},
        "status": {"type": "string", "enum": ["open", "closed"]},
        "address": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        "items": {"type": "array", "items": {"type": "object", "properties": {"id": {"type": "number"}}}},
    },
    "required": ["order_id"],
}


def tool(parameters, name="get_order", **beside):
    function = {"name": name, "description": "d", "parameters": parameters} | beside
    return {"type": "function", "function": function}


def row(arguments, *tools, **of_call):
    """Write a row in which the third message calls get_order."""
    written = arguments if isinstance(arguments, str) else json.dumps(arguments)
    call = {"id": "abcdefgh1", "type": "function", "function": {"name": "get_order", "arguments": written}}
    return {
        "messages": [
            {"role": "system", "content": "s"},
            {"role": "user", "content": "q"},
            {"role": "assistant", "content": None, "tool_calls": [call]} | of_call,
            {"role": "tool", "tool_call_id": "abcdefgh1", "content": "found"},
            {"role": "assistant", "content": "a"},
        ],
        "tools": list(tools) or [tool(SCHEMA)],
    }


def said(made, name="openai"):
    """What the new rules say of a row of chat when it is written as a target has it."""
    target = TARGETS[name]
    if "rejected" in target.keys:
        made = made | {"rejected": [{"role": "assistant", "content": "no"}]}
    raw = json.loads(json.dumps(SHAPES[target.shape].write(made, target)))
    return [words for rule, words in rules.problems(raw, target) if rule in NEW]


SPEAKS = [
    ({}, "without 'order_id', which is required"),
    ({"order_id": 17}, "with 17 for 'order_id', which is declared as string"),
    ({"order_id": "a", "limit": "3"}, "with '3' for 'limit', which is declared as integer"),
    ({"order_id": "a", "limit": 2.5}, "with 2.5 for 'limit', which is declared as integer"),
    ({"order_id": "a", "limit": True}, "with true for 'limit', which is declared as integer"),
    ({"order_id": "a", "status": "lost"}, "with 'lost' for 'status', which is none of 'open', 'closed'"),
    ({"order_id": "a", "address": {}}, "without 'address.city', which is required"),
    ({"order_id": "a", "address": []}, "with a list for 'address', which is declared as object"),
    ({"order_id": "a", "items": [{}, {"id": "x"}]}, "with 'x' for 'items[1].id', which is declared as number"),
]


@pytest.mark.parametrize("name", SHAPED)
@pytest.mark.parametrize(("arguments", "words"), SPEAKS)
def test_a_call_that_breaks_its_tool_is_named_with_where_and_what(name, arguments, words):
    assert said(row(arguments), name) == [f"message 3 calls get_order {words}"]


@pytest.mark.parametrize("name", SHAPED)
@pytest.mark.parametrize(
    "arguments",
    [
        {"order_id": "a"},
        {"order_id": "a", "limit": 3, "status": "open", "colour": "red"},
        {"order_id": "a", "address": {"city": "Bonn", "street": 1}, "items": [{"id": 1}, {"id": 1.5}, {}]},
    ],
)
def test_a_call_that_keeps_to_its_tool_is_left_alone(name, arguments):
    assert said(row(arguments), name) == []


@pytest.mark.parametrize("name", SHAPED)
def test_a_call_of_a_tool_that_declares_nothing_may_say_anything(name):
    assert said(row({"a": 1}, tool({"type": "object", "properties": {}})), name) == []


def test_an_answer_that_is_not_learned_may_break_its_tools():
    assert said(row({}, weight=0)) == []


def test_a_call_of_the_old_form_is_held_to_its_function_too():
    made = row("{}")
    message = {"role": "assistant", "content": None, "function_call": {"name": "get_order", "arguments": "{}"}}
    old = {"messages": [*made["messages"][:2], message], "functions": [tool(SCHEMA)["function"]]}
    assert said(old) == ["message 3 calls get_order without 'order_id', which is required"]


def test_keys_that_are_not_declared_are_named_where_the_tool_is_closed():
    closed = SCHEMA | {"additionalProperties": False}
    arguments = {"order_id": "a", "colour": "red"}
    words = ["message 3 calls get_order with 'colour', which the tool does not declare"]
    assert said(row(arguments, tool(closed))) == words
    assert said(row(arguments, tool(SCHEMA, strict=True))) == words
    assert said(row(arguments, tool(SCHEMA, strict=False))) == []


def test_no_more_than_three_problems_of_a_call_are_said():
    wanted = {"type": "object", "properties": {key: {} for key in "abcdef"}, "required": list("abcdef")}
    assert len(said(row({}, tool(wanted)))) == 3


@pytest.mark.parametrize("name", SHAPED)
def test_a_tool_that_is_declared_twice_is_named_and_its_calls_are_held_to_neither(name):
    two = [tool(SCHEMA), tool({"type": "object", "properties": {}})]
    assert said(row({}, *two), name) == ["the row declares 'get_order' more than once"]


def test_a_function_beside_the_tool_of_its_name_is_declared_twice():
    made = row({"order_id": "a"}) | {"functions": [tool(SCHEMA)["function"]]}
    assert said(made) == ["the row declares 'get_order' more than once"]
    made["functions"][0]["name"] = "other"
    assert said(made) == []


@pytest.mark.parametrize("name", SHAPED)
def test_a_required_name_that_no_property_has_is_named(name):
    def wants(*required, **beside):
        return {"type": "object", "properties": {"id": {"type": "string"}}, "required": list(required)} | beside

    words = "the tool 'get_order' requires 'ids', which its properties do not have"
    assert said(row({"id": "a", "ids": 1}, tool(wants("id", "ids"))), name) == [words]
    inside = {"type": "object", "properties": {"order": wants("ids")}}
    assert said(row({}, tool(inside)), name) == [words]
    assert said(row({"id": "a"}, tool(wants("id"))), name) == []
    elsewhere = [{"properties": {"ids": {}}}]
    assert said(row({"id": "a", "ids": 1}, tool(wants("ids", allOf=elsewhere))), name) == []


# Schemas


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"type": ["string", "null"]}, ["a", None], [1]),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, ["a", None], [1]),
        ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, ["a", 1, 1.0], [None, 1.5, True]),
        ({"oneOf": [{"required": ["a"]}, {"required": ["b"]}]}, [{"a": 1}], [{}]),
        ({"allOf": [{"required": ["a"]}, {"required": ["b"]}]}, [{"a": 1, "b": 1}], [{"a": 1}]),
        ({"const": 1}, [1, 1.0], [True, 2, "1"]),
        ({"enum": [True, "a", None]}, [True, "a", None], [1, "b", 0]),
        ({"type": "string", "nullable": True}, [None, "a"], [1]),
        ({"items": [{"type": "string"}, {"type": "integer"}]}, [["a", 1, "b"], []], [["a", "b"]]),
        ({"prefixItems": [{"type": "string"}]}, [["a", 1]], [[1]]),
        ({"additionalProperties": {"type": "string"}}, [{"a": "b"}], [{"a": 1}]),
        ({"properties": {"a": False}}, [{}], [{"a": 1}]),
        ({"$ref": "#/$defs/a~1b", "$defs": {"a/b": {"type": "string"}}}, ["a"], [1]),
        ({"$ref": "#/nowhere"}, [1, "a"], []),
        ({"type": "anything"}, [1, "a"], []),
        (True, [1], []),
    ],
)
def test_a_value_is_held_to_what_json_schema_says(schema, good, bad):
    assert [list(broken(value, schema)) for value in good] == [[]] * len(good)
    assert all(list(broken(value, schema)) for value in bad)


def test_a_choice_between_null_and_one_form_says_what_is_wrong_with_the_form():
    schema = {"properties": {"a": {"anyOf": [{"type": "object", "required": ["b"]}, {"type": "null"}]}}}
    assert list(broken({"a": {}}, schema)) == ["without 'a.b', which is required"]


def test_a_strict_tool_is_not_closed_where_other_parts_may_declare_the_key():
    assert list(broken({"a": 1}, {"allOf": [{"properties": {"a": {}}}]}, strict=True)) == []


HOSTILE = [
    {"$ref": "#"},
    {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]},
    {"allOf": [{"$ref": "#"}] * 50},
    {"anyOf": [{"anyOf": [{"$ref": "#"}] * 99}] * 99},
    {"type": "object", "properties": {"a": {"type": "string", "pattern": "(a+)+$"}}},
    {"type": "object", "patternProperties": {"(a+)+$": {}}, "additionalProperties": False},
    {"$ref": "https://example.org/schema.json"},
    {"$ref": "file:///etc/passwd"},
    {"$ref": "#" + "/a" * 100_000},
    {"required": ["a"] * 100_000, "properties": []},
    {"enum": list(range(100_000)), "type": {}, "items": 1, "anyOf": 1, "$ref": 1, "$defs": []},
]


@pytest.mark.parametrize("schema", HOSTILE)
def test_a_hostile_schema_costs_no_time_and_fetches_nothing(monkeypatch, schema):
    monkeypatch.setattr(socket, "socket", None)
    start = time.process_time()
    for value in ({"a": "a" * 60 + "!"}, {"a" * 60 + "!": 1}, [["a"]] * 9_999, 1):
        list(broken(value, schema))
    assert time.process_time() - start < 1


@pytest.mark.parametrize("name", SHAPED)
@pytest.mark.parametrize("deep", [100, 490, 1_000, 100_000])
@pytest.mark.parametrize("place", ["schema", "arguments"])
def test_tools_and_calls_that_are_nested_without_end_get_a_verdict(tmp_path, name, deep, place):
    mark, target = {"DEEP": 1}, TARGETS[name]
    made = row({"a": mark} if place == "arguments" else {}, tool(mark if place == "schema" else {}))
    text = json.dumps(SHAPES[target.shape].write(made | {"rejected": [{"role": "assistant", "content": "no"}]}, target))
    value = '{"properties": {"a":' * (deep // 2) + "{}" + "}}" * (deep // 2)
    for bare in (json.dumps(mark), json.dumps(json.dumps(mark))[1:-1]):  # as it is, or in a string
        text = text.replace(bare, value if bare == json.dumps(mark) else json.dumps(value)[1:-1])
    assert "DEEP" not in text
    path = tmp_path / "a.jsonl"
    path.write_text(text + "\n")
    found = rules.check(path, target)
    assert set(found["rule"]) <= set(rules.RULES)
    assert (deep < 1_000) or place == "arguments" or 1 in found["line"].to_list()


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from([0.5, "a", "b", "object", "#", "#/a"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "properties", "required", "items", "enum", "anyOf", "allOf", "$ref", "a", "b"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@law
@given(value=VALUES, schema=VALUES, strict=st.booleans())
def test_whatever_the_schema_there_are_words_and_no_traceback(value, schema, strict):
    assert all(len(words) < 300 for words in broken(value, schema, strict=strict))


@law
@given(arguments=VALUES, parameters=VALUES, name=st.sampled_from(SHAPED))
def test_whatever_a_tool_declares_the_rules_have_words_for_it(arguments, parameters, name):
    target = TARGETS[name]
    made = row(arguments, tool(parameters)) | {"rejected": [{"role": "assistant", "content": "no"}]}
    raw = json.loads(json.dumps(SHAPES[target.shape].write(made, target)))
    assert {rule for rule, _ in rules.problems(raw, target)} <= set(rules.RULES)


@pytest.mark.parametrize("name", SHAPED)
def test_these_rules_warn_and_refuse_only_what_a_validator_does(name):
    refused = {"tool-declared-twice"} if name == "bedrock-nova" else set()  # Amazon's validator does
    assert {rule for rule in NEW if rules.severity(rule, TARGETS[name]) != "warning"} == refused


def test_calls_are_held_to_their_tools_for_half_of_what_the_check_took_before(tmp_path):
    bare = [tool({"type": "object"}), tool({"type": "object"}, "find_item")]
    full = [tool(SCHEMA), tool(SCHEMA, "find_item")]

    def took(tools):
        path = tmp_path / "a.jsonl"
        made = row({"order_id": "a", "limit": 3, "status": "open"}, *tools)
        second = made["messages"][2]["tool_calls"][0] | {"id": "abcdefgh2"}
        second["function"] = second["function"] | {"name": "find_item"}
        made["messages"][2]["tool_calls"].append(second)
        made["messages"].insert(4, {"role": "tool", "tool_call_id": "abcdefgh2", "content": "found"})
        path.write_text("\n".join([json.dumps(made)] * 2_000))
        start = time.process_time()
        assert rules.check(path, TARGETS["openai"]).is_empty()
        return time.process_time() - start

    assert min(took(full) for _ in range(3)) < 1.6 * min(took(bare) for _ in range(3))
