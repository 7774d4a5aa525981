"""Every shape of row: what is written is read back, and what is fitted to a target passes its check."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuneset.shapes import SHAPES, told
from tuneset.targets import TARGETS, rules
from tuneset.targets.mend import STAYS, fitted

law = settings(deadline=None, max_examples=30)

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=20).filter(str.strip)
NAME = st.sampled_from(["look", "find_order", "a-b"])
IMAGE = "data:image/png;base64,iVBORw0KGgo="
LISTS = {name: target for name, target in TARGETS.items() if target.shape != "table"}
# Shapes that have no ids for calls, or none of their own: they are numbered when read.
WITHOUT_IDS = {"sharegpt", "gemini"}


def tool(name):
    return {
        "type": "function",
        "function": {"name": name, "description": "d", "parameters": {"type": "object", "properties": {}}},
    }


BESIDE = st.fixed_dictionaries(
    {},
    optional={
        "rejected": TEXT.map(lambda text: [{"role": "assistant", "content": text}]),
        "fields": TEXT.map(lambda text: {"category": text}),
        "chat_template_kwargs": st.booleans().map(lambda thinks: {"enable_thinking": thinks}),
    },
)


@st.composite
def conversations(draw):
    """Rows as people have them: systems, turns, weights, images, calls with their answers, offers, a rejected answer."""
    messages = []
    if draw(st.booleans()):
        messages.append({"role": "system", "content": draw(TEXT)})
    used = []
    for _ in range(draw(st.integers(1, 3))):
        messages.append({"role": "user", "content": draw(TEXT)})
        if draw(st.integers(0, 9)) == 0:
            messages[-1]["content"] = [
                {"type": "text", "text": draw(TEXT)},
                {"type": "image_url", "image_url": {"url": IMAGE}},
            ]
        if draw(st.integers(0, 3)) == 0:
            made = []
            for _ in range(draw(st.integers(1, 2))):
                used.append(draw(NAME))
                arguments = json.dumps(
                    draw(st.dictionaries(TEXT, TEXT | st.integers(-9, 9), max_size=2)), ensure_ascii=False
                )
                made.append(
                    {
                        "id": f"call{len(used):05d}",
                        "type": "function",
                        "function": {"name": used[-1], "arguments": arguments},
                    }
                )
            messages.append({"role": "assistant", "content": draw(st.none() | TEXT), "tool_calls": made})
            messages += [{"role": "tool", "tool_call_id": call["id"], "content": draw(TEXT)} for call in made]
        messages.append({"role": "assistant", "content": draw(TEXT)})
        if draw(st.integers(0, 4)) == 0:
            messages[-1]["weight"] = draw(st.integers(0, 1))
    row = {"messages": messages}
    if used or draw(st.integers(0, 4)) == 0:
        row["tools"] = [tool(name) for name in sorted({*used, "look"})]
    row |= draw(BESIDE)
    asked = max(n for n, message in enumerate(messages) if message["role"] == "user")
    several = "rejected" in row and len(messages) - asked > 2 and draw(st.booleans())
    return row | ({"answer_messages": len(messages) - asked - 1} if several else {})


def same(row):
    """Bring what may differ in writing but not in meaning to one form: JSON in arguments, a content that is null."""
    messages = []
    for written in row["messages"]:
        message = {key: value for key, value in written.items() if key != "content" or value is not None}
        if "tool_calls" in message:
            message["tool_calls"] = [
                call | {"function": call["function"] | {"arguments": json.loads(call["function"]["arguments"])}}
                for call in message["tool_calls"]
            ]
        messages.append(message)
    return row | {"messages": messages}


@pytest.mark.parametrize("name", LISTS)
@law
@given(conversations())
def test_what_is_fitted_to_a_target_passes_its_check_and_is_read_back(name, row):
    target, shape = TARGETS[name], SHAPES[TARGETS[name].shape]
    fit = fitted(row, target)
    if fit.row is None:
        assert fit.said  # never without a reason
        return
    raw = json.loads(json.dumps(shape.write(fit.row, target)))
    refused = {rule for rule, _ in rules.problems(raw, target) if rules.severity(rule, target) == "error"}
    assert refused <= STAYS - target.errors
    assert same(shape.read(raw, target)) == same(fit.row)


@pytest.mark.parametrize("name", LISTS)
@law
@given(conversations())
def test_fitting_twice_changes_nothing_more(name, row):
    fit = fitted(row, TARGETS[name])
    if fit.row is not None:
        assert fitted(fit.row, TARGETS[name]) == (fit.row, ())


# Images and tools as only some targets take them: of every kind of URL, called and weighed in every way.
URLS = [
    "https://a.b/c.png",
    "s3://a/b.png",
    "c.png",
    "data:,",
    "data:image/png;base64,R0lGODlh",
    "data:image/bmp;base64,Qk0=",
]
SCHEMAS = [{}, {"type": "object", "properties": {}, "required": ["id"]}, {"properties": {"id": {"type": "null"}}}]


@st.composite
def rough_conversations(draw):
    """Rows whose images and tools break some rule."""
    row = draw(conversations())
    asked = next(message for message in row["messages"] if message["role"] == "user")
    urls = draw(st.lists(st.sampled_from([*URLS, IMAGE]), max_size=3)) * draw(st.sampled_from([1, 1, 5]))
    asked["content"] = [
        {"type": "text", "text": "q"},
        *({"type": "image_url", "image_url": {"url": url}} for url in urls),
    ]
    for name in [each["function"]["name"] for each in row.get("tools", [])] * draw(st.integers(0, 2)):
        row["tools"].append(tool(name) | {"function": {"name": name, "parameters": draw(st.sampled_from(SCHEMAS))}})
    return row | ({"functions": [tool("look")["function"]]} if draw(st.booleans()) else {})


@pytest.mark.parametrize("name", LISTS)
@law
@given(rough_conversations())
def test_what_is_fitted_has_no_error_of_its_tools_or_images(name, row):
    target, shape = TARGETS[name], SHAPES[TARGETS[name].shape]
    fit = fitted(row, target)
    if fit.row is None:
        assert fit.said
        return
    raw = json.loads(json.dumps(shape.write(fit.row, target)))
    refused = {rule for rule, _ in rules.problems(raw, target) if rules.severity(rule, target) == "error"}
    assert refused <= STAYS - target.errors


@law
@given(conversations())
def test_openai_takes_a_row_as_it_is(row):
    plain = {key: value for key, value in row.items() if key in ("messages", "tools")}
    assert fitted(plain, TARGETS["openai"]) == (plain, ())


@pytest.mark.parametrize("name", LISTS)
@law
@given(conversations())
def test_a_written_row_is_told_by_its_keys(name, row):
    target = TARGETS[name]
    fit = fitted(row, target)
    if fit.row is not None:
        shape = told(SHAPES[target.shape].write(fit.row, target))
        assert shape == (target.shape if target.shape not in ("anthropic", "cohere", "graded") else "chat")


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 2)
    | st.sampled_from(["", "user", "assistant", "a", "{}", "text", "look"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["role", "content", "parts", "text", "from", "value", "type", "name", "toolUse"]), inner
        )
    ),
    max_leaves=8,
)
KEYS = [
    "messages",
    "contents",
    "conversations",
    "input",
    "preferred_output",
    "non_preferred_output",
    "prompt",
    "completion",
]
KEYS += [
    "chosen",
    "rejected",
    "instruction",
    "output",
    "history",
    "text",
    "system",
    "systemInstruction",
    "tools",
    "toolConfig",
]
ANYTHING = st.dictionaries(
    st.sampled_from([*KEYS, "schemaVersion"]), VALUES | st.just("bedrock-conversation-2024"), max_size=5
)


@pytest.mark.parametrize("name", LISTS)
@law
@given(ANYTHING | VALUES)
def test_whatever_a_line_holds_a_target_has_words_for_it(name, row):
    for rule, says in rules.problems(row, TARGETS[name]):
        assert rule in rules.RULES
        assert len(says) < 400


def test_every_target_names_a_shape_and_rules_that_there_are():
    for target in TARGETS.values():
        assert target.shape in {*SHAPES, "table"}, target.name
        assert target.errors | target.warnings | target.fine <= set(rules.RULES), target.name
        assert not target.errors & target.fine, target.name


def test_a_mend_is_said_in_the_terms_of_the_shape_that_the_file_has():
    found = {name: rules.weighed([(1, "message-not-an-object", "")], TARGETS[name])["mend"][0] for name in LISTS}
    assert found["openai"] == 'write each message as an object: {"role": ..., "content": ...}'
    assert found["gemini"] == 'write each message as an object: {"role": ..., "parts": [...]}'
    assert found["sharegpt"] == 'write each message as an object: {"from": ..., "value": ...}'
    assert found["alpaca"] == "write each message as an object"


def test_the_forms_of_a_shape_are_of_rules_that_there_are():
    for name, shape in SHAPES.items():
        assert shape.FORMS.keys() <= rules.RULES.keys(), name


# Where a platform is named as the reason, and the words are true whatever the target.
NAMED = {
    "blank-line",
    "call-id-not-9-letters",
    "content-beside-call",
    "arguments-not-object",
    "arguments-not-json",
    "mixed-keys",
}


@pytest.mark.parametrize("rule", sorted(rules.RULES.keys() - NAMED))
def test_what_to_do_is_said_to_the_users_of_every_target(rule):
    words = rules.RULES[rule].mend.lower()
    platforms = ("openai", "azure", "mistral", "together", "fireworks", "gemini", "amazon", "trl", "sharegpt")
    assert not [name for name in platforms if name in words]
    assert "assistant" not in words or rule == "all-weights-zero"  # weights stand where roles have OpenAI's names
