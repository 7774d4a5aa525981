"""Rows of every target that are good but for a change or two: a verdict and a mended row, never a traceback."""

import json
import random
import sys
from pathlib import Path

import pytest

from tuneset.shapes import SHAPES
from tuneset.targets import TARGETS, rules
from tuneset.targets.files import check
from tuneset.targets.mend import fitted

sys.path.insert(0, str(Path(__file__).parents[1] / "conformance"))
import differ

LISTS = [name for name, target in TARGETS.items() if target.shape != "table"]
ROWS = 250
ASK, SAY = {"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}
SHOWN = [{"type": "text", "text": "q"}, {"type": "image_url", "image_url": {"url": "s3://a/b.png"}}]


def refused(row, target):
    return {rule for rule, _ in rules.problems(row, target) if rules.severity(rule, target) == "error"}


@pytest.mark.parametrize("name", LISTS)
def test_a_good_row_that_is_changed_somewhere_is_judged_and_mended_or_set_apart(tmp_path, name):
    draw, good, path = random.Random(name), differ.good_rows(TARGETS[name]), tmp_path / "train.jsonl"
    assert not [row for row in good if refused(row, TARGETS[name])]
    path.write_text("".join(json.dumps(differ.changed(draw.choice(good), draw)) + "\n" for _ in range(ROWS)))
    (mended,) = check(path, name, fix=True).mended
    kept = Path(mended.copy).read_bytes().count(b"\n")
    apart = Path(mended.apart).read_bytes().count(b"\n")
    assert (kept > 0, kept + apart) == (True, ROWS)
    assert {each["line"] for each in mended.left} <= set(range(1, ROWS + 1))


@pytest.mark.parametrize("name", LISTS)
def test_what_mending_made_of_a_row_is_said(tmp_path, name):
    draw, good, path = random.Random(name), differ.good_rows(TARGETS[name]), tmp_path / "train.jsonl"
    lines = [json.dumps(differ.changed(draw.choice(good), draw)) for _ in range(ROWS)]
    path.write_text("".join(line + "\n" for line in lines))
    (mended,) = check(path, name, fix=True).mended
    out, told = {each["line"] for each in mended.left}, {each["line"] for each in mended.done}
    before = [(number, json.loads(line)) for number, line in enumerate(lines, 1) if number not in out]
    after = [json.loads(line) for line in Path(mended.copy).read_text().splitlines()]
    target = TARGETS[name]
    put_right = {
        number
        for (number, row), now in zip(before, after, strict=True)
        if row != now and refused(row, target) - refused(now, target)
    }
    assert 0 < len(put_right) == len(put_right & told)


# What the checkers of platforms and trainers refused in such rows, and we let pass until they said so.


def test_a_name_stands_where_mistral_knows_one_and_is_left_out_elsewhere():
    fit = fitted({"messages": [ASK | {"name": "ann"}, SAY]}, TARGETS["mistral"])
    assert (fit.row, fit.said) == ({"messages": [ASK, SAY]}, (("unknown-key", "left out: name"),))
    assert fitted({"messages": [ASK | {"name": "ann"}, SAY]}, TARGETS["openai"]).said == ()


def test_mistral_wants_no_call_as_the_first_message():
    call = {"id": "abcdefgh1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    reply = {"role": "tool", "tool_call_id": "abcdefgh1", "content": "found"}
    tool = {"type": "function", "function": {"name": "look", "parameters": {}}}
    row = {"messages": [{"role": "assistant", "tool_calls": [call]}, reply, SAY, ASK, SAY], "tools": [tool]}
    assert refused(row, TARGETS["mistral"]) == {"call-before-user"}
    assert not refused({**row, "messages": [ASK, *row["messages"]]}, TARGETS["mistral"])


def test_nobody_but_the_assistant_calls_tools():
    row = {"messages": [ASK | {"tool_calls": []}, SAY]}
    assert refused(row, TARGETS["mistral"]) >= {"unknown-key"}


def test_mistral_wants_a_user_and_trl_no_second_kind_of_row():
    assert refused({"messages": [SAY]}, TARGETS["mistral"]) == {"no-user"}
    assert refused({"messages": [ASK, SAY], "prompt": ASK}, TARGETS["trl"]) == {"mixed-shapes"}


def test_a_tool_for_nova_has_a_description_and_a_type_of_parameters_and_calls_have_ids_of_their_own():
    call = {"id": "a", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    made = [{"role": "assistant", "tool_calls": [call]}, {"role": "tool", "tool_call_id": "a", "content": "found"}]
    tools = [{"type": "function", "function": {"name": "look", "parameters": {}}}]
    fit = fitted({"messages": [ASK, *made, SAY, ASK, *made, SAY], "tools": tools}, TARGETS["bedrock-nova"])
    assert fit.row["tools"][0]["function"] == {"name": "look", "parameters": {"type": "object"}, "description": "look"}
    assert [each["tool_calls"][0]["id"] for each in fit.row["messages"] if "tool_calls" in each] == ["a", "call00002"]
    assert [each["tool_call_id"] for each in fit.row["messages"] if each["role"] == "tool"] == ["a", "call00002"]
    assert {rule for rule, _ in fit.said} == {"no-description", "no-type", "call-id-twice"}


def test_an_image_in_a_bucket_goes_to_nova_with_its_owner_and_is_read_back_as_it_was():
    target, shape = TARGETS["bedrock-nova"], SHAPES["converse"]
    alone = {"messages": [ASK | {"content": SHOWN}, SAY]}
    assert [rule for rule, _ in fitted(alone, target).said] == ["image-without-owner"]
    block = {"image": {"format": "webp", "source": {"s3Location": {"uri": "s3://a/b.png", "bucketOwner": "123"}}}}
    raw = {
        "schemaVersion": "bedrock-conversation-2024",
        "messages": [
            {"role": "user", "content": [{"text": "q"}, block]},
            {"role": "assistant", "content": [{"text": "a"}]},
        ],
    }
    assert not refused(raw, target)
    assert shape.write(fitted(shape.read(raw, target), target).row, target) == raw


def test_parameters_that_googles_schema_has_no_words_for_stand_as_json_schema_and_are_read_back():
    target, shape = TARGETS["gemini"], SHAPES["gemini"]
    plain = {"type": "object", "properties": {"id": {"type": "string"}}}
    rich = {"type": "object", "properties": {"id": {"const": 1}}, "$defs": {}}
    tools = [
        {"type": "function", "function": {"name": name, "parameters": parameters}}
        for name, parameters in (("plain", plain), ("rich", rich))
    ]
    row = {"messages": [ASK, SAY], "tools": tools}
    raw = shape.write(row, target)
    declared = raw["tools"][0]["functionDeclarations"]
    assert [sorted(each) for each in declared] == [["name", "parameters"], ["name", "parametersJsonSchema"]]
    assert (refused(raw, target), shape.read(raw, target)) == (set(), row)


def test_a_speaker_by_a_name_that_only_others_know_is_renamed():
    raw = {"conversations": [{"from": "user", "value": "q"}, {"from": "assistant", "value": "a"}]}
    assert refused(raw, TARGETS["sharegpt"]) == set()
    assert refused(raw, TARGETS["llama-factory"]) == {"role-by-another-name"}


def test_a_pair_of_azures_is_mended_into_trls_with_the_whole_answer(tmp_path):
    answer = [SAY | {"content": "wait"}, {"role": "tool", "tool_call_id": "a", "content": "found"}, SAY]
    answer[0]["tool_calls"] = [{"id": "a", "type": "function", "function": {"name": "look", "arguments": "{}"}}]
    tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
    pair = {"input": {"messages": [ASK], "tools": [tool]}, "preferred_output": answer}
    (tmp_path / "a.jsonl").write_text(json.dumps(pair | {"non_preferred_output": [SAY | {"content": "b"}]}) + "\n")
    (mended,) = check(tmp_path / "a.jsonl", "trl-preference", fix=True).mended
    row = json.loads(Path(mended.copy).read_text())
    assert ([each["role"] for each in row["chosen"]], row["prompt"]) == (["assistant", "tool", "assistant"], [ASK])


def test_a_file_whose_speakers_have_other_names_is_mended_and_says_so(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"conversations": [{"from": "user", "value": "q"}, {"from": "assistant", "value": "a"}]}\n')
    (mended,) = check(path, "llama-factory", fix=True).mended
    assert [each["from"] for each in json.loads(Path(mended.copy).read_text())["conversations"]] == ["human", "gpt"]
    assert [(each["line"], each["rule"]) for each in mended.done] == [(1, "role-by-another-name")]
