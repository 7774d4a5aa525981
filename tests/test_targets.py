"""Lines of chat, the check of a finished file, and token counts."""

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuneset.errors import InputError
from tuneset.targets import RULES, TARGETS, lines, rules, tokens
from tuneset.targets.talk import ordinary

DATA = Path(os.environ.get("TUNESET_DATA", Path(__file__).parents[2] / "shared" / "data"))
CASES = DATA / "format_cases"

law = settings(deadline=None, max_examples=60)

ASK = {"role": "user", "content": "q"}
SAY = {"role": "assistant", "content": "a"}
TOOL = {"type": "function", "function": {"name": "look", "parameters": {}}}


def call(arguments="{}", **fields):
    made = {"id": "abcdefgh1", "type": "function", "function": {"name": "look", "arguments": arguments}} | fields
    return {"role": "assistant", "tool_calls": [made]}


def reply(to="abcdefgh1"):
    return {"role": "tool", "tool_call_id": to, "content": "found"}


def talk(*messages, **beside):
    return json.dumps({"messages": messages, **beside})


def table(texts, labels):
    columns = {"text": texts, "label": labels, "messages": None, "extra": "{}"}
    return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))


def conversations(*messages, extra="{}"):
    columns = {"text": "", "label": None, "messages": [json.dumps(m) for m in messages], "extra": extra}
    return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))


def found(path, target=TARGETS["chat"]):
    """Rules that speak about a file, without the one that every short file meets."""
    return set(rules.check(path, target)["rule"]) - {"too-few-rows"}


def as_json(text, label, system=None):
    head = [] if system is None else [{"role": "system", "content": system}]
    messages = [*head, {"role": "user", "content": text}, {"role": "assistant", "content": label}]
    return json.dumps({"messages": messages}, ensure_ascii=False)


# Lines


@law
@given(st.lists(st.tuples(st.text(), st.text()), min_size=1), st.none() | st.text())
def test_a_row_of_a_table_is_written_as_json_dumps_writes_it(rows, system):
    written = lines.lines(table(*zip(*rows, strict=True)), system)
    assert written.to_list() == [as_json(text, label, system) for text, label in rows]


def test_every_character_of_unicode_is_escaped_as_json_dumps_escapes_it():
    codes = [code for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]
    texts = ["".join(map(chr, codes[start : start + 64])) for start in range(0, len(codes), 64)]
    assert lines.lines(table(texts, texts)).to_list() == [as_json(text, text) for text in texts]


def test_a_row_without_text_or_answer_has_no_line():
    assert lines.lines(table(["q", None, "q"], ["a", "a", None])).to_list() == [as_json("q", "a"), None, None]


def test_a_frame_without_rows_gives_no_lines():
    assert lines.lines(table([], [])).to_list() == []


@law
@given(st.lists(st.lists(st.dictionaries(st.text(), st.text() | st.none(), max_size=3), max_size=3), min_size=1))
def test_a_conversation_keeps_its_messages_byte_for_byte(talks):
    rows = conversations(*talks)
    assert lines.lines(rows).to_list() == ['{"messages": ' + messages + "}" for messages in rows["messages"]]


def test_tables_and_conversations_stand_in_one_frame():
    rows = pl.concat([table(["q"], ["a"]), conversations([ASK, SAY])])
    assert [json.loads(line) for line in lines.lines(rows)] == [{"messages": [ASK, SAY]}] * 2


def test_a_system_text_is_put_in_front_of_conversations_that_have_none():
    system = {"role": "system", "content": 'Be "kind".'}
    about = {"role": "user", "content": 'what is {"role": "system"}?'}
    own = {"role": "system", "content": "mine"}
    written = lines.lines(conversations([about, SAY], [own, ASK, SAY], [ASK, own, SAY], []), system["content"])
    assert [json.loads(line)["messages"] for line in written] == [
        [system, about, SAY],
        [own, ASK, SAY],
        [ASK, own, SAY],
        [],
    ]


def test_indented_messages_stay_on_one_line():
    rows = conversations([ASK, SAY]).with_columns(messages=pl.lit(json.dumps([ASK, SAY], indent=2) + "\r\n"))
    (line,) = lines.lines(rows, "s")
    assert "\n" not in line
    assert "\r" not in line
    assert json.loads(line)["messages"][1:] == [ASK, SAY]


def test_tools_follow_the_messages_and_other_columns_stay_out():
    held = {"id": 7, "tools": [TOOL], "parallel_tool_calls": False, "functions": None}
    (line,) = lines.lines(conversations([ASK, call()], extra=json.dumps(held)))
    assert line == json.dumps({"messages": [ASK, call()], "tools": [TOOL], "parallel_tool_calls": False})


def test_tools_kept_as_a_string_of_json_are_opened():
    (line,) = lines.lines(conversations([ASK, call()], extra=json.dumps({"tools": json.dumps([TOOL])})))
    assert json.loads(line)["tools"] == [TOOL]


def test_a_column_named_tools_beside_a_table_is_no_tool():
    rows = table(["q"], ["a"]).with_columns(extra=pl.lit('{"tools": "hammer"}'))
    assert lines.lines(rows).to_list() == [as_json("q", "a")]


@law
@given(st.lists(st.tuples(st.text(), st.text()), min_size=1))
def test_a_written_file_has_a_line_per_example_and_ends_with_a_newline(rows):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "train.jsonl"
        lines.write(lines.lines(table(*zip(*rows, strict=True))), path)
        data = path.read_bytes()
    assert data == "".join(as_json(*row) + "\n" for row in rows).encode()


# The check

FILES = {
    "b_all_weight0": {"all-weights-zero"},
    "b_args_dict": {"arguments-not-json"},
    "b_args_notjson": {"arguments-not-json"},
    "b_array": {"one-list"},
    "b_blankline": {"blank-line"},
    "b_call_plus_content": {"content-beside-call"},
    "b_callid": {"call-id-not-9-letters"},
    "b_consec_asst": {"same-role-twice"},
    "b_consec_user": {"same-role-twice"},
    "b_dpo_last_asst": {"no-messages"},
    "b_dpo_missing": {"no-messages"},
    "b_dpo_two": {"no-messages"},
    "b_empty": {"empty-file"},
    "b_empty_content": {"empty-content"},
    "b_empty_msgs": {"empty-messages"},
    "b_extra_msgkey": {"unknown-key"},
    "b_extra_top": {"unknown-key"},
    "b_first_asst": {"assistant-first"},
    "b_last_user": {"last-not-assistant"},
    "b_latin1": {"not-utf-8"},
    "b_missing_content": {"missing-content"},
    "b_mixed_formats": {"mixed-shapes", "no-messages"},
    "b_msgs_str": {"no-messages"},
    "b_no_assistant": {"no-assistant"},
    "b_notjson": {"not-json"},
    "b_null_content": {"missing-content"},
    "b_role": {"unknown-role"},
    "b_sys_middle": {"system-not-first"},
    "b_tool_noreply": {"call-without-reply"},
    "b_toolresp_mismatch": {"call-without-reply", "tool-reply-without-call"},
    "b_two_formats": {"mixed-shapes"},
    "b_undeclared_tool": {"undeclared-tool"},
    "b_weight2": {"weight-not-0-or-1"},
    "b_weight_float": {"weight-not-0-or-1"},
    "b_weight_user": {"weight-not-on-assistant"},
    "good": set(),
    "good_bom": {"byte-order-mark"},
    "good_crlf": set(),
    "good_dpo": {"no-messages"},
    "good_instr": {"no-messages"},
    "good_text": {"no-messages"},
    "good_tools": set(),
    "good_tools_ptc": set(),
}


@pytest.mark.skipif(not CASES.is_dir(), reason="shared data absent: set TUNESET_DATA")
@pytest.mark.parametrize("name", FILES)
def test_a_case_from_the_platforms_is_judged_as_they_judge_it(name):
    assert found(CASES / f"{name}.jsonl") == FILES[name]


@pytest.mark.skipif(not CASES.is_dir(), reason="shared data absent: set TUNESET_DATA")
def test_every_shared_case_has_its_verdict():
    assert {path.stem for path in CASES.glob("*.jsonl")} == set(FILES)


# For each rule the lines on which it speaks, alone unless `ALSO` says otherwise.
SPEAKS = {
    "empty-file": [""],
    "too-few-rows": [talk(ASK, SAY)],
    "byte-order-mark": ["\ufeff" + talk(ASK, SAY)],
    "blank-line": [talk(ASK, SAY) + "\n\n", " \r\n" + talk(ASK, SAY)],
    "not-utf-8": [talk(ASK, SAY).encode("utf-16"), b'{"messages": "caf\xe9"}'],
    "not-json": ["{", "x", "NaN", '{"a": 1}{"b": 2}', '{"a": "\\ud800"}', "[" * 100_000, "a\x00b"],
    "one-list": [json.dumps([json.loads(talk(ASK, SAY))] * 2, indent=1)],
    "not-an-object": ["[]", "1", '"messages"', "null"],
    "no-messages": ["{}", '{"text": "x"}', '{"messages": "x"}', '{"messages": null}', '{"messages": {"role": "user"}}'],
    "mixed-shapes": [talk(ASK, SAY, text="x"), talk(ASK, SAY, prompt="x", completion="y")],
    "empty-messages": [talk()],
    "message-not-an-object": [talk("hi", ASK, SAY), talk(ASK, None, SAY)],
    "unknown-role": [talk({"content": "hi"}, SAY), talk({"role": "human", "content": "q"}, SAY), talk({"role": [], "content": "q"}, SAY)],
    "unknown-key": [talk(ASK, SAY, id=1), talk(ASK, SAY | {"label": "x"})],
    "missing-content": [talk({"role": "user"}, SAY), talk(ASK, {"role": "assistant", "content": None})],
    "empty-content": [talk(ASK | {"content": ""}, SAY), talk(ASK, SAY | {"content": " \n"})],
    "content-not-text": [talk(ASK | {"content": 1}, SAY), talk(ASK | {"content": []}, SAY), talk(ASK | {"content": [{"text": "x"}]}, SAY)],
    "content-beside-call": [talk(ASK, call() | {"content": "wait"}, tools=[TOOL])],
    "no-assistant": [talk(ASK)],
    "last-not-assistant": [talk(ASK, SAY, ASK)],
    "system-not-first": [talk(ASK, {"role": "system", "content": "s"}, SAY)],
    "assistant-first": [talk(SAY, ASK, SAY)],
    "same-role-twice": [talk(ASK, ASK, SAY), talk(ASK, SAY, SAY)],
    "name-not-text": [talk(ASK | {"name": name}, SAY) for name in (1, True, ["ann"])],
    "null-key": [talk(ASK | {"name": None}, SAY), talk(ASK, SAY | {"tool_calls": None})],
    "bad-parallel-calls": [talk(ASK, SAY, parallel_tool_calls=value) for value in (None, 1, "no")],
    "function-name-not-taken": [talk(ASK, call(function={"name": "no.dots", "arguments": "{}"}), tools=[{"type": "function", "function": {"name": "no.dots", "parameters": {}}}])],
    "weight-not-0-or-1": [talk(ASK, SAY | {"weight": weight}) for weight in (2, 0.5, 1.0, True, None, "1")],
    "weight-not-on-assistant": [talk(ASK | {"weight": 0}, SAY)],
    "all-weights-zero": [talk(ASK, SAY | {"weight": 0}), talk(*[ASK, SAY | {"weight": 0}] * 2)],
    "bad-tool-call": [talk(ASK, call(id=None), tools=[TOOL]), talk(ASK, call(function={})), talk(ASK, {"role": "assistant", "tool_calls": "x"})],
    "arguments-not-json": [talk(ASK, call(arguments), tools=[TOOL]) for arguments in ({}, "{id:", "1", None)],
    "call-id-not-9-letters": [talk(ASK, call(id="call_1"), tools=[TOOL])],
    "call-without-reply": [talk(ASK, call(), SAY, tools=[TOOL])],
    "tool-reply-without-call": [talk(ASK, reply(), SAY), talk(ASK, call(), reply(), reply(), SAY, tools=[TOOL])],
    "undeclared-tool": [talk(ASK, call()), talk(ASK, call(), tools=[])],
    "bad-tools": [talk(ASK, SAY, tools=tools) for tools in ("[]", None, [1], [{"name": "look"}], [{"function": {}}])],
}  # fmt: skip
# These need a file of a certain size, two files, or many answers, and have tests of their own.
BY_FILE = {"too-large", "too-many-tokens", "too-many-rows", "mixed-keys", "answer-not-json", "answer-other-keys"}
# This one goes with another: its test stands in test_changed_rows.
BESIDE = {"call-before-user"}
ACROSS = {"same-in-both", "near-twin-across"}


def test_every_rule_has_lines_on_which_it_speaks():
    assert set(SPEAKS) | {rule for _, rule, _ in ELSEWHERE} | BY_FILE | ACROSS | BESIDE == set(RULES)


@pytest.mark.parametrize(("rule", "line"), [(rule, line) for rule, given_ in SPEAKS.items() for line in given_])
def test_a_rule_speaks_alone_about_its_own_line(tmp_path, rule, line):
    path = tmp_path / "train.jsonl"
    path.write_bytes(line if isinstance(line, bytes) else line.encode())
    alone = found(path) or {"too-few-rows"}
    assert alone == {rule}


PAIR = {"preferred_output": [SAY], "non_preferred_output": [SAY | {"content": "b"}]}


def shown(url):
    return {"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}


IMAGE = shown("https://a.b/c.png")
VERSION = {"schemaVersion": "bedrock-conversation-2024"}
WORDS = [{"role": "user", "content": [{"text": "q"}]}, {"role": "assistant", "content": [{"text": "a"}]}]
NOVA_CALL = VERSION | {
    "messages": [
        WORDS[0],
        {"role": "assistant", "content": [{"toolUse": {"toolUseId": "1", "name": "look", "input": {}}}]},
        {"role": "user", "content": [{"toolResult": {"toolUseId": "1", "content": [{"text": "found"}]}}]},
        WORDS[1],
    ]
}
NOVA_TOOLS = {
    "toolConfig": {
        "tools": [{"toolSpec": {"name": "look", "description": "d", "inputSchema": {"json": {"type": "object"}}}}]
    }
}
# Rules that only some targets have: the target, the rule, and a line on which it speaks.
ELSEWHERE = [
    ("trl", "arguments-not-object", {"messages": [ASK, call()], "tools": [TOOL]}),
    ("trl", "settings-not-object", {"messages": [ASK, SAY], "chat_template_kwargs": None}),
    ("trl-preference", "settings-not-object", {"prompt": "q", "chosen": "a", "rejected": "b", "chat_template_kwargs": "{}"}),
    ("trl", "content-in-parts", {"messages": [ASK | {"content": [{"type": "text", "text": "q"}]}, SAY]}),
    ("openai", "name-not-text", {"messages": [{"role": "function", "content": "q"}, SAY]}),
    ("openai-rft", "role-by-another-name", {"messages": [{"role": "system", "content": "s"}, ASK], "answer": "a"}),
    ("llama-factory", "role-by-another-name", {"conversations": [{"from": "user", "value": "q"}, {"from": "gpt", "value": "a"}]}),
    ("alpaca", "no-input", {"instruction": "q", "output": "a"}),
    ("mistral", "unknown-key", {"messages": [ASK | {"name": "ann"}, SAY]}),
    ("bedrock-nova", "no-description", NOVA_CALL | {"toolConfig": {"tools": [{"toolSpec": {"name": "look", "inputSchema": {"json": {"type": "object"}}}}]}}),
    ("bedrock-nova", "no-type", NOVA_CALL | {"toolConfig": {"tools": [{"toolSpec": {"name": "look", "description": "d", "inputSchema": {"json": {}}}}]}}),
    ("bedrock-nova", "call-id-twice", NOVA_CALL | {"messages": [*NOVA_CALL["messages"], *NOVA_CALL["messages"]], **NOVA_TOOLS}),
    ("bedrock-nova", "bad-tool-call", NOVA_CALL | {"messages": [{"role": "user", "content": [{"toolUse": {"toolUseId": "1", "name": "look", "input": {}}}, {"text": "q"}]}, WORDS[1]], **NOVA_TOOLS}),
    ("bedrock-nova", "image-without-owner", VERSION | {"messages": [{"role": "user", "content": [{"text": "q"}, {"image": {"format": "png", "source": {"s3Location": {"uri": "s3://a/b.png"}}}}]}, WORDS[1]]}),
    ("gemini", "unknown-key", {"contents": [{"role": "user", "parts": [{"text": "q"}]}, {"role": "model", "parts": [{"functionCall": {"name": "look", "args": {}, "why": 1}}]}], "tools": [{"functionDeclarations": [{"name": "look", "parameters": {"type": "OBJECT"}}]}]}),
    ("gemini", "bad-tools", {"contents": [{"role": "user", "parts": [{"text": "q"}]}, {"role": "model", "parts": [{"text": "a"}]}], "tools": [{"functionDeclarations": [{"name": "look", "parameters": {"const": 1}}]}]}),
    ("anthropic", "content-not-text", {"messages": [{"role": "user", "content": [{"type": "image", "source": {"url": "https://a.b/c.png"}}]}, SAY]}),
    ("openai-dpo", "bad-pair", {"input": {"messages": [ASK]}, "preferred_output": [SAY]}),
    ("openai-dpo", "bad-pair", {"input": {"messages": [ASK]}, **PAIR, "preferred_output": [SAY, SAY]}),
    ("openai-dpo", "input-ends-with-answer", {"input": {"messages": [ASK, SAY]}, **PAIR}),
    ("trl-preference", "bad-pair", {"prompt": "q", "chosen": "a", "rejected": 1}),
    ("trl-preference", "bad-pair", {"prompt": "q", "chosen": "a", "rejected": "a"}),
    ("openai-rft", "nothing-to-grade", {"messages": [ASK]}),
    ("openai-rft", "input-ends-with-answer", {"messages": [ASK, SAY], "answer": "a"}),
    ("bedrock-nova", "wrong-version", {"schemaVersion": "1", "messages": WORDS}),
    ("bedrock-nova", "same-role-twice", VERSION | {"messages": [*WORDS, WORDS[1]]}),
    ("bedrock-nova", "reserved-word", VERSION | {"messages": [{"role": "user", "content": [{"text": "User: q"}]}, WORDS[1]]}),
    ("unsloth", "several-systems", {"conversations": [{"from": "system", "value": "s"}] * 2 + [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]}),
    ("llama-factory", "several-calls", {"conversations": [{"from": "human", "value": "q"}, {"from": "function_call", "value": '[{"name": "look"}, {"name": "look"}]'}], "tools": json.dumps([TOOL])}),
    ("alpaca", "too-many-turns", {"instruction": "q", "input": "", "output": "a", "history": [["q", "a"]]}),
    ("mistral", "image-not-taken", {"messages": [IMAGE, SAY]}),
    ("azure", "no-user", {"messages": [{"role": "system", "content": "s"}, SAY]}),
    ("mistral", "no-parameters", {"messages": [ASK, call()], "tools": [{"type": "function", "function": {"name": "look"}}]}),
    ("openai", "bad-schema", {"messages": [ASK, call()], "tools": [{"type": "function", "function": {"name": "look", "parameters": {"type": "text"}}}]}),
    ("openai", "image-not-by-user", {"messages": [ASK, IMAGE | {"role": "assistant"}]}),
    ("openai", "tool-declared-twice", {"messages": [ASK, call()], "tools": [TOOL, TOOL]}),
    ("openai", "required-not-declared", {"messages": [ASK, SAY], "tools": [{"type": "function", "function": {"name": "look", "parameters": {"properties": {}, "required": ["id"]}}}]}),
    ("openai", "arguments-against-schema", {"messages": [ASK, call()], "tools": [{"type": "function", "function": {"name": "look", "parameters": {"required": ["id"]}}}]}),
    ("openai", "image-not-reachable", {"messages": [shown("c.png"), SAY]}),
    ("openai", "image-kind-not-taken", {"messages": [shown("data:image/gif;base64,R0lGODlh"), SAY]}),
    ("openai", "image-of-another-kind", {"messages": [shown("data:image/png;base64,R0lGODlh"), SAY]}),
    ("openai", "image-too-large", {"messages": [shown("data:image/jpeg;base64,/9j/" + "AAAA" * 3_495_253), SAY]}),
    ("openai", "too-many-images", {"messages": [IMAGE | {"content": IMAGE["content"] * 11}, SAY]}),
    ("openai", "bad-image", {"messages": [shown("data:image/png;base64,"), SAY]}),
    ("together", "mixed-content", {"messages": [shown("data:image/png;base64,iVBORw0KGgo="), SAY]}),
    ("together", "image-with-weight", {"messages": [shown("data:image/png;base64,iVBORw0KGgo=") | {"weight": 1}, SAY | {"content": [{"type": "text", "text": "a"}]}]}),
]  # fmt: skip


@pytest.mark.parametrize(("target", "rule", "row"), ELSEWHERE)
def test_a_rule_that_only_some_targets_have_speaks_alone_there(tmp_path, target, rule, row):
    path = tmp_path / "train.jsonl"
    path.write_text(json.dumps(row))
    said = found(path, TARGETS[target])
    assert said == {rule}


@pytest.mark.parametrize(
    "line",
    [
        talk(ASK, SAY, ASK, SAY),
        talk(ASK, SAY | {"weight": 0}, ASK, SAY | {"weight": 1}),
        talk({"role": "system", "content": "s"}, ASK, SAY, tools=[TOOL], parallel_tool_calls=True),
        talk(ASK, call(), reply(), SAY, tools=[TOOL]),
        talk(ASK, call(), reply() | {"content": ""}, SAY, tools=[TOOL]),
        talk(ASK, call(), tools=[TOOL]),
        talk(ASK, call() | {"content": ""}, tools=[TOOL]),
        talk(ASK, call(), functions=[TOOL["function"]]),
        talk(ASK | {"content": [{"type": "text", "text": "q"}, *IMAGE["content"]]}, SAY),
        talk(ASK, {"role": "assistant", "function_call": {"name": "look", "arguments": "{}"}}),
    ],
)
def test_a_legal_line_is_left_alone(tmp_path, line):
    path = tmp_path / "train.jsonl"
    path.write_text("\r\n".join([line] * 10), newline="")
    assert rules.check(path).is_empty()


def test_a_problem_names_its_line_and_what_to_do(tmp_path):
    path = tmp_path / "train.jsonl"
    path.write_text("\n".join([talk(ASK, SAY)] * 10 + [talk(ASK, SAY | {"weight": 2})]))
    assert rules.check(path).rows(named=True) == [
        {
            "line": 11,
            "rule": "weight-not-0-or-1",
            "severity": "error",
            "says": "message 2 has the weight 2",
            "mend": "write the weight as 0 or 1, or leave it out",
        },
    ]


def test_rows_of_two_shapes_in_one_file_are_counted(tmp_path):
    path = tmp_path / "train.jsonl"
    path.write_text("\n".join([talk(ASK, SAY)] * 9 + ['{"text": "x"}', "broken"]))
    assert rules.check(path).filter(pl.col("line").is_null())["says"].to_list() == ["1 of 10 rows are not chat"]


def test_a_broken_line_makes_no_second_shape(tmp_path):
    path = tmp_path / "train.jsonl"
    path.write_text("\n".join([talk(ASK, SAY)] * 9 + ["broken"]))
    assert found(path) == {"not-json"}


def test_a_file_over_the_limit_is_too_large(tmp_path):
    path = tmp_path / "train.jsonl"
    path.write_text("\n".join([talk(ASK, SAY)] * 10))
    assert found(path, dataclasses.replace(TARGETS["chat"], max_bytes=100)) == {"too-large"}


def test_fifty_megabytes_on_one_line_are_read_and_said_to_be_too_long(tmp_path):
    path = tmp_path / "train.jsonl"
    path.write_text(talk(ASK | {"content": "a" * 50_000_000}, SAY))
    problems = rules.check(path).filter(pl.col("rule") == "too-many-tokens")
    assert problems.select("line", "severity").rows() == [(1, "error")]
    assert problems["says"][0].startswith("about 6,250,0")


def test_a_line_just_under_the_limit_of_tokens_passes(tmp_path):
    row = {"messages": [ASK | {"content": "q" * 200}, SAY]}
    path = tmp_path / "train.jsonl"
    path.write_text("\n".join([json.dumps(row)] * 10))
    counted = tokens.of_row(row)
    assert found(path, dataclasses.replace(TARGETS["chat"], max_tokens=counted)) == set()
    assert found(path, dataclasses.replace(TARGETS["chat"], max_tokens=counted - 1)) == {"too-many-tokens"}


@pytest.mark.parametrize("name", ["missing.jsonl", "."])
def test_a_file_that_cannot_be_opened_is_an_error_with_a_hint(tmp_path, name):
    with pytest.raises(InputError, match="cannot be read"):
        rules.check(tmp_path / name)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 2) | st.sampled_from(["", "q", "abcdefgh1", "{}", "look"]) | st.floats(0, 1),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["function", "id", "name", "type"]), inner),
    max_leaves=6,
)  # fmt: skip
MESSAGES = st.fixed_dictionaries(
    {},
    optional={
        "role": st.sampled_from(["system", "user", "assistant", "tool", "human"]) | VALUES,
        "content": st.sampled_from(["q", " ", ""]) | VALUES,
        "tool_calls": st.just(call()["tool_calls"]) | VALUES,
        "tool_call_id": st.just("abcdefgh1") | VALUES,
        "weight": VALUES,
        "name": VALUES,
    },
)
ROWS = st.fixed_dictionaries(
    {},
    optional={"messages": st.lists(MESSAGES | VALUES, max_size=5) | VALUES, "tools": st.just([TOOL]) | VALUES, "functions": VALUES},
)  # fmt: skip
TALKS = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["system", "user", "assistant"]), "content": st.sampled_from(["q", "é", " ", ""])},
        optional={"weight": st.just(0)},
    ),
    max_size=5,
)


@law
@given(ROWS | VALUES)
def test_whatever_a_line_holds_the_rules_have_words_for_it(row):
    said = list(rules.problems(row, TARGETS["chat"]))
    assert {rule for rule, _ in said} <= set(RULES)
    assert all(len(words) < 300 for _, words in said)


@law
@given(TALKS.map(lambda talks: {"messages": talks}) | ROWS)
def test_about_an_ordinary_row_no_rule_has_anything_to_say(row):
    assert not (ordinary(row) and list(rules.problems(row, TARGETS["chat"])))


@law
@given(st.lists(st.sampled_from([ASK, SAY, {"role": "system", "content": "s"}]), max_size=6))
def test_a_row_of_plain_messages_is_ordinary_when_no_rule_speaks(talks):
    said = list(rules.problems({"messages": talks}, TARGETS["chat"]))
    two_systems = [message["role"] for message in talks[:2]] == ["system", "system"]
    assert ordinary({"messages": talks}) == (not said and not two_systems)


@law
@given(st.lists(st.tuples(st.text(), st.text()), min_size=1), st.none() | st.text())
def test_what_is_written_is_only_ever_said_to_be_empty(rows, system):
    for line in lines.lines(table(*zip(*rows, strict=True)), system):
        said = {rule for rule, _ in rules.problems(json.loads(line), TARGETS["chat"])}
        assert said <= {"empty-content"}


# Tokens

COOKBOOK = [
    {"role": "system", "content": "You are a helpful, pattern-following assistant that translates corporate jargon into plain English."},
    {"role": "system", "name": "example_user", "content": "New synergies will help drive top-line growth."},
    {"role": "system", "name": "example_assistant", "content": "Things working well together will increase revenue."},
    {"role": "system", "name": "example_user", "content": "Let's circle back when we have more bandwidth to touch base on opportunities for increased leverage."},
    {"role": "system", "name": "example_assistant", "content": "Let's talk later when we're less busy about how to do better."},
    {"role": "user", "content": "This late pivot means we don't have time to boil the ocean for the client deliverable."},
]  # fmt: skip


def test_the_cookbooks_own_conversation_has_its_124_tokens():
    assert tokens.of_row({"messages": COOKBOOK}) == 124
    assert tokens.count(conversations(COOKBOOK)).tolist() == [124]


@cache
def public_encoding():
    import bpe_openai

    return bpe_openai.get_encoding("o200k_base")


@pytest.mark.filterwarnings("ignore:open_binary is deprecated")  # the package's own
@law
@given(st.lists(st.text(), min_size=1))
def test_a_text_counts_what_the_packages_public_interface_encodes(texts):
    encode = public_encoding().encode_ordinary
    assert tokens.of_texts(pl.Series(texts)).tolist() == [len(encode(text)) for text in texts]


@law
@given(st.lists(st.tuples(st.text(), st.text()), min_size=1), st.none() | st.text())
def test_a_row_of_a_table_counts_what_its_line_counts(rows, system):
    examples = table(*zip(*rows, strict=True))
    written = [tokens.of_row(json.loads(line)) for line in lines.lines(examples, system)]
    assert tokens.count(examples, system).tolist() == written


def test_tables_and_conversations_are_counted_in_their_order():
    rows = pl.concat([conversations([ASK, SAY, ASK, SAY]), table(["q"], ["a"]), conversations([ASK, SAY])])
    long, short, again = tokens.count(rows)
    assert short == again < long
    assert tokens.count(rows, "Be kind.").tolist() == [count + 7 for count in (long, short, again)]


def test_tools_and_their_calls_have_tokens():
    bare, offered = conversations([ASK, call()]), conversations([ASK, call()], extra=json.dumps({"tools": [TOOL]}))
    assert tokens.count(conversations([ASK]))[0] < tokens.count(bare)[0] < tokens.count(offered)[0]


@law
@given(ROWS.filter(lambda row: isinstance(row.get("messages"), list)))
def test_a_line_has_no_more_tokens_than_bytes(row):
    assert tokens.of_row(row) <= len(json.dumps(row, separators=(",", ":"), ensure_ascii=False).encode())


def test_of_content_in_parts_the_texts_count_and_the_images_do_not():
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 100_000}}
    parts = [{"type": "text", "text": "q"}, image]
    assert tokens.of_row({"messages": [ASK | {"content": parts}, SAY]}) == tokens.of_row({"messages": [ASK, SAY]})


def test_a_spread_puts_every_example_into_one_bin():
    counted = np.array([5, 16, 16, 20, 700])
    spread = tokens.spread(counted, limit=600)
    assert sum(each["rows"] for each in spread["bins"]) == 5
    assert (spread["total"], spread["median"], spread["max"], spread["over"]) == (757, 16, 700, 1)
    assert tokens.spread(counted[:0], limit=600) is None


@law
@given(st.lists(st.integers(0, 100_000), min_size=1))
def test_no_example_falls_out_of_a_spread(counts):
    spread = tokens.spread(np.array(counts), limit=65_536)
    assert sum(each["rows"] for each in spread["bins"]) == len(counts)


def test_counting_does_not_import_the_packages_slow_python_half():
    code = "import sys; from tuneset.targets import tokens; tokens.of_row({'messages': []}); print('bpe_openai' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "False"
