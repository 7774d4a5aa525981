"""Export of a run for every target, and reading it back."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import tuneset
from tuneset.errors import TunesetError
from tuneset.shapes import SHAPES
from tuneset.sources import read
from tuneset.targets import TARGETS, check, shaped
from tuneset.targets.card import card
from tuneset.targets.export import about_run
from tuneset.targets.mend import fitted
from tuneset.targets.table import target as named

TOOL = {
    "type": "function",
    "function": {
        "name": "find_order",
        "description": "d",
        "parameters": {"type": "object", "properties": {"id": {"type": "string"}}},
    },
}
ASK = {"role": "user", "content": "Where is order 17?"}
SAY = {"role": "assistant", "content": "On its way."}
WORDS = [
    "refund",
    "parcel",
    "invoice",
    "card",
    "limit",
    "pin",
    "theft",
    "loan",
    "rate",
    "fee",
    "abroad",
    "cash",
    "coin",
    "travel",
    "hotel",
    "flight",
    "meal",
    "gift",
    "visa",
    "tax",
]
SYSTEM = "Classify the inquiry."
INSIDE = "the system's words stand before the user's first, and stay there when the file is read back"
LISTS = [name for name, target in TARGETS.items() if target.shape != "table"]
PAIRS = [name for name in LISTS if "rejected" in TARGETS[name].keys]
SPOKEN = [name for name in LISTS if name not in PAIRS and TARGETS[name].shape != "plain"]


def called(number, *, content=None):
    call = {
        "id": f"call{number:05d}",
        "type": "function",
        "function": {"name": "find_order", "arguments": f'{{"id": "{number}"}}'},
    }
    return [
        {"role": "user", "content": f"{WORDS[number]} {WORDS[-number]} {number}?"},
        {"role": "assistant", "content": content, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": call["id"], "content": "sent"},
        {"role": "assistant", "content": f"Order {number} was sent."},
    ]


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    folder = tmp_path_factory.mktemp("labelled")
    rows = [(f"where is my order number {n}, please?", f"Topic {n % 3}", f"Sub {n % 6}") for n in range(60)]
    with (folder / "rows.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("inquiry", "category", "sub_category"), *rows])
    return tuneset.prepare(folder / "rows.csv", out=folder / "run", system=SYSTEM)


@pytest.fixture(scope="module")
def tools(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tools")
    rows = [{"messages": called(n), "tools": [TOOL]} for n in range(20)]
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return tuneset.prepare(folder / "rows.jsonl", out=folder / "run")


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pairs")
    rows = [
        {
            "input": {"messages": [{"role": "user", "content": f"Where is my order number {n}?"}]},
            "preferred_output": [SAY],
            "non_preferred_output": [SAY | {"content": f"I do not know {n}."}],
        }
        for n in range(20)
    ]
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return tuneset.prepare(folder / "rows.jsonl", out=folder / "run")


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("name", SPOKEN)
def test_rows_of_a_table_are_taken_whole_and_pass_the_check(labelled, tmp_path, name):
    (done,) = labelled.export(name, out=tmp_path)
    assert (done["rows"], done["left_out"], done["errors"]) == (60, 0, 0)
    for file in done["files"]:
        assert (
            check(tmp_path / name / file, TARGETS[name], side=file.partition(".")[0])
            .filter(severity="error")
            .is_empty()
        )


@pytest.mark.parametrize("name", SPOKEN)
def test_the_pattern_writes_what_each_row_alone_would_be(labelled, name):
    examples = labelled.examples()
    target, shape = TARGETS[name], SHAPES[TARGETS[name].shape]
    rows = [json.loads(line) for line in shaped.lines(examples, SYSTEM)]
    if "fields" in target.keys:
        rows = [row | {"fields": json.loads(labels)} for row, labels in zip(rows, examples["labels"], strict=True)]
    alone = [json.dumps(shape.write(fitted(row, target).row, target), ensure_ascii=False) for row in rows]
    assert shaped.written(examples, target, SYSTEM).lines.to_list() == alone


@pytest.mark.parametrize("name", SPOKEN)
def test_conversations_with_tools_are_taken_or_left_out_with_a_reason(tools, tmp_path, name):
    (done,) = tools.export(name, out=tmp_path)
    takes = "tools" in TARGETS[name].keys
    assert (done["rows"], done["left_out"]) == ((20, 0) if takes else (0, 20))
    assert takes or lines(tmp_path / name / "changes.jsonl")[0]["out"]
    assert not takes or done["errors"] == 0


@pytest.mark.parametrize("name", PAIRS)
def test_pairs_are_written_in_both_shapes(pairs, tmp_path, name):
    assert pairs.recipe.task.kind == "preference"
    (done,) = pairs.export(name, out=tmp_path)
    assert (done["rows"], done["errors"]) == (20, 0)


@pytest.mark.parametrize("name", [name for name in SPOKEN if name != "cohere"])
def test_what_was_exported_is_read_back_as_the_same_conversations(tools, labelled, tmp_path, name):
    run = tools if "tools" in TARGETS[name].keys else labelled
    run.export(name, out=tmp_path)
    again = read([str(path) for path in sorted((tmp_path / name).glob("[tv]*.jsonl"))])
    told = sorted(said(json.loads(messages)) for messages in again.examples["messages"])
    system = None if run is tools else SYSTEM
    expected = [json.loads(line)["messages"] for line in shaped.lines(run.examples(), system)]
    if "system" not in TARGETS[name].roles and system:
        expected = [[first | {"content": f"{SYSTEM}\n\n{first['content']}"}, *rest] for _, first, *rest in expected]
    assert told == sorted(map(said, expected))


def said(messages):
    """What is said and called, in one text; ids and the form of arguments are the shape's own affair."""
    return json.dumps(
        [
            (
                each["role"],
                each.get("content") or "",
                [
                    (call["function"]["name"], opened(call["function"]["arguments"]))
                    for call in each.get("tool_calls", [])
                ],
            )
            for each in messages
        ],
    )


def opened(arguments):
    return json.loads(arguments) if isinstance(arguments, str) else arguments


def test_ids_and_labels_stand_beside_and_not_in_the_rows(labelled, tmp_path):
    labelled.export("together", out=tmp_path)
    beside = lines(tmp_path / "together" / "rows.jsonl")
    train = [each for each in beside if each["file"] == "train.jsonl"]
    assert [each["line"] for each in train] == list(range(1, len(train) + 1))
    examples = labelled.examples("train")
    assert [each["id"] for each in train] == examples["id"].to_list()
    assert train[0]["labels"] == json.loads(examples["labels"][0])
    assert lines(tmp_path / "together" / "train.jsonl")[0].keys() == {"messages"}


def test_a_server_is_told_the_words_and_the_labels_of_training(labelled, tmp_path):
    labelled.export("openai", out=tmp_path)
    told = json.loads((tmp_path / "openai" / "inference.json").read_text())
    assert told["system"] == SYSTEM
    assert told["answer_schema"]["required"] == ["category", "sub_category"]
    assert told["answer_schema"]["properties"]["category"] == {"enum": ["Topic 0", "Topic 1", "Topic 2"]}


def test_a_target_without_a_system_says_that_its_words_went_to_the_user(labelled, tmp_path):
    (done,) = labelled.export("together-instruction", out=tmp_path)
    assert done["said"] == [{"out": False, "rule": "unknown-role", "rows": 60, "says": INSIDE}]
    row = lines(tmp_path / "together-instruction" / "train.jsonl")[0]
    assert row["prompt"].startswith(SYSTEM + "\n\nwhere is")


def test_words_that_make_a_nova_job_fail_keep_the_row_out(tmp_path):
    rows = [
        {"inquiry": f"User: where is order {n}?" if n == 3 else f"where is order {n}?", "category": "Orders"}
        for n in range(20)
    ]
    run = tuneset.prepare(rows, out=tmp_path / "run")
    (done,) = run.export("bedrock-nova")
    assert (done["rows"], done["left_out"], done["errors"]) == (19, 1, 0)
    assert done["said"][0]["rule"] == "reserved-word"


def test_llama_factory_and_axolotl_and_the_hub_get_what_they_want_beside(tools, tmp_path):
    tools.export(["llama-factory", "axolotl", "huggingface"], out=tmp_path)
    info = json.loads((tmp_path / "llama-factory" / "dataset_info.json").read_text())
    assert [entry["columns"] for entry in info.values()] == [{"messages": "conversations", "tools": "tools"}] * 2
    config = yaml.safe_load((tmp_path / "axolotl" / "axolotl.yaml").read_text())
    assert config["datasets"][0]["type"] == "chat_template"
    head = (tmp_path / "huggingface" / "README.md").read_text().split("---")[1]
    assert [each["split"] for each in yaml.safe_load(head)["configs"][0]["data_files"]] == ["train", "validation"]


def test_what_was_exported_before_is_written_again_when_the_run_changes(tmp_path):
    source = tmp_path / "rows.jsonl"
    source.write_text(
        "\n".join(
            json.dumps({"inquiry": f"mail ferrer{n}@shop.example, order {n}", "category": "Orders"}) for n in range(20)
        )
    )
    run = tuneset.prepare(source, out=tmp_path / "run")
    run.export(["csv", "gemini"])
    run.select(5)
    recipe = (run.path / "recipe.toml").read_text()
    head, tail = recipe.split("[clean.personal-data]")
    (run.path / "recipe.toml").write_text(
        head + "[clean.personal-data]" + tail.replace('action = "flag"', 'action = "mask"', 1)
    )
    tuneset.prepare(run.path)
    assert len(list((run.path / "exports").rglob("train.*"))) == 2
    assert not [path for path in run.path.rglob("*") if path.is_file() and b"ferrer" in path.read_bytes()]
    kept = Path(run.select(5)["file"])
    tuneset.prepare(run.path)
    assert kept.exists()


def test_answers_that_were_rejected_are_said_to_be_left_out(pairs, tmp_path):
    (done,) = pairs.export("openai", out=tmp_path)
    assert (done["rows"], done["changed"]) == (20, 20)
    assert "rejected" in done["said"][0]["says"]


def test_anthropic_rows_keep_their_system_when_read_again(labelled, tmp_path):
    labelled.export("anthropic", out=tmp_path)
    again = read(str(tmp_path / "anthropic" / "train.jsonl"))
    assert {json.loads(messages)[0]["content"] for messages in again.examples["messages"]} == {SYSTEM}


def test_a_licence_from_a_source_is_no_line_of_a_card_s_head(labelled):
    about = about_run(labelled.path, labelled.recipe, labelled.summary)
    known = {"languages": ["en"], "generated": 0}
    for licences, head in (
        (["MIT"], "mit"),
        (["MIT\nviewer: false"], "other"),
        (["a: b"], "other"),
        (["MIT", "CC0"], "other"),
    ):
        made = yaml.safe_load(card(about, {}, known | {"licences": licences}).split("---")[1])
        assert (made["license"], "viewer" in made) == ([head], False)


def test_a_table_of_labels_is_written_as_one(labelled, tmp_path):
    labelled.export("csv", out=tmp_path)
    with (tmp_path / "csv" / "train.csv").open(newline="") as file:
        row = next(csv.DictReader(file))
    example = labelled.examples("train").row(0, named=True)
    assert row == {"text": example["text"], **json.loads(example["labels"])}


def test_the_recipe_names_targets_and_prepare_writes_them(tmp_path):
    rows = [{"inquiry": f"where is order {n}?", "category": "Orders"} for n in range(20)]
    run = tuneset.prepare(rows, out=tmp_path / "run")
    recipe = (run.path / "recipe.toml").read_text()
    (run.path / "recipe.toml").write_text(recipe.replace("targets = []", 'targets = ["gemini", "trl"]'))
    again = tuneset.prepare(run.path)
    assert [each["target"] for each in again.summary["exports"]] == ["gemini", "trl"]
    assert (run.path / "exports" / "gemini" / "train.jsonl").exists()
    assert "exports/trl" in run.report.read_text()
    (run.path / "recipe.toml").write_text(recipe.replace("targets = []", 'targets = ["openai-dpo"]'))
    closed = tuneset.prepare(run.path).summary["gate"]
    assert not closed["passed"]
    assert "openai-dpo would refuse its file" in closed["failed"]


def test_a_package_can_bring_a_target_of_its_own(tmp_path):
    page = (Path(__file__).parents[1] / "docs" / "own-targets.md").read_text()
    (tmp_path / "company_trainer.py").write_text(page.split("company_trainer.py <<'END'\n")[1].split("END\n")[0])
    about = tmp_path / "company_trainer-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: company-trainer\nVersion: 1\n")
    (about / "entry_points.txt").write_text("[tuneset.targets]\ncompany = company_trainer:TARGET\n")
    rows = [{"messages": [{"role": "user", "content": f"q {n}"}] * 2 + [SAY]} for n in range(3)]
    (tmp_path / "train.jsonl").write_text("\n".join(map(json.dumps, rows)))
    command = [sys.executable, "-m", "tuneset", "check", "train.jsonl", "--target", "company", "--json"]
    done = subprocess.run(
        command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(tmp_path)}, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (1, b"")
    found = {problem["rule"]: problem["severity"] for problem in json.loads(done.stdout)["problems"]}
    assert found == {"same-role-twice": "error", "too-few-rows": "error"}


def test_a_target_that_there_is_not_is_named_with_its_nearest(labelled):
    with pytest.raises(TunesetError, match="'gemini'"):
        labelled.export("gemni")
    assert named("gemini").shape == "gemini"


def prepared(folder, *rows):
    folder.mkdir(exist_ok=True)
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return tuneset.prepare(folder / "rows.jsonl", out=folder / "run")


def turns(number, *weights):
    """A conversation with an answer for each weight; none where it is None."""
    said = []
    for place, weight in enumerate(weights):
        said.append({"role": "user", "content": f"{WORDS[number]} {WORDS[-place - 1]} {number * 37 + place}?"})
        said.append(SAY | ({} if weight is None else {"weight": weight}))
    return {"messages": said}


def test_answers_that_are_only_read_in_a_prompt_are_said_row_by_row(tmp_path):
    rows = [turns(n, None) for n in range(12)]
    rows += [turns(12, None, None), turns(13, 0, 1), turns(14, 1, 1), {"messages": called(15), "tools": [TOOL]}]
    (done,) = prepared(tmp_path, *rows).export("trl-prompt-completion")
    lost = "earlier answers are part of the prompt and no longer trained"
    told = {each["says"]: each["rows"] for each in done["said"]}
    assert (told[lost], done["left_out"]) == (3, 0)
    assert told["weights are left out: only the last answer is trained on"] == 2
    changes = lines(Path(done["folder"]) / "changes.jsonl")
    assert len([each for each in changes if each["says"] == lost]) == 3
    assert "no longer trained" not in json.dumps(prepared(tmp_path, *rows).export("trl")[0]["said"])


def test_what_a_chat_template_is_given_reaches_trl_and_is_said_to_be_left_out_elsewhere(tmp_path):
    rows = [turns(n, None) | {"chat_template_kwargs": {"enable_thinking": bool(n % 2)}} for n in range(14)]
    run = prepared(tmp_path, *rows)
    *trls, openai = run.export(["trl", "trl-prompt-completion", "openai"])
    for trl in trls:
        held = lines(Path(trl["folder"]) / "train.jsonl") + lines(Path(trl["folder"]) / "validation.jsonl")
        assert sorted(row["chat_template_kwargs"]["enable_thinking"] for row in held) == [False] * 7 + [True] * 7
        assert (trl["changed"], trl["warnings"], trl["errors"]) == (0, 0, 0)
    assert openai["said"][0]["says"] == "left out: chat_template_kwargs"
    assert (openai["changed"], openai["errors"]) == (14, 0)


@pytest.mark.parametrize("name", ["trl", "trl-prompt-completion", "trl-preference"])
def test_rows_without_settings_for_the_template_get_empty_ones_where_others_have_some_and_both_are_read_back(
    tmp_path, name
):
    rows = [
        {
            "prompt": [{"role": "user", "content": f"{WORDS[n]} {WORDS[-n]} {n * n}?"}],
            "chosen": [SAY],
            "rejected": [SAY | {"content": f"No {n}."}],
        }
        | ({"chat_template_kwargs": {"enable_thinking": True}} if n % 3 == 0 else {})
        for n in range(20)
    ]
    run = prepared(tmp_path, *rows)
    (done,) = run.export(name)
    settings = [row["chat_template_kwargs"] for row in lines(Path(done["folder"]) / "train.jsonl")]
    empty = settings.count({})
    assert 0 < empty < len(settings) == empty + settings.count({"enable_thinking": True})
    assert done["errors"] == 0
    written = "an empty chat_template_kwargs is written, since other rows have one"
    assert {each["says"]: each["rows"] for each in done["said"]}[written] >= empty
    again = [json.loads(extra) for extra in read([done["folder"] + "/train.jsonl"]).examples["extra"]]
    assert sorted(map(len, settings)) == sorted(len(opened(each["chat_template_kwargs"])) for each in again)


def several(number):
    """A pair whose answers are several messages: a call, what the tool says, and what is made of it."""
    asked, *answer = called(number)
    guess = [*answer[:-1], {"role": "assistant", "content": f"Lost, {number}."}]
    return {
        "input": {"messages": [asked], "tools": [TOOL]},
        "preferred_output": answer,
        "non_preferred_output": guess if number % 2 else guess[-1:],
    }


@pytest.mark.parametrize("name", ["azure-dpo", "trl-preference"])
def test_answers_of_several_messages_survive_where_the_target_has_them(tmp_path, name):
    run = prepared(tmp_path, *map(several, range(14)))
    (done,) = run.export(name)
    assert (done["rows"], done["left_out"], done["errors"]) == (14, 0, 0)
    for row in lines(Path(done["folder"]) / "train.jsonl"):
        prompt = row["input"]["messages"] if name == "azure-dpo" else row["prompt"]
        preferred = row["preferred_output" if name == "azure-dpo" else "chosen"]
        assert ([each["role"] for each in prompt], [each["role"] for each in preferred]) == (
            ["user"],
            ["assistant", "tool", "assistant"],
        )
    again = read([str(path) for path in Path(done["folder"]).glob("[tv]*.jsonl")])
    assert {json.loads(extra)["answer_messages"] for extra in again.examples["extra"]} == {3}
    assert sorted(map(said, map(json.loads, again.examples["messages"]))) == sorted(
        said(called(number)) for number in range(14)
    )


def test_answers_of_several_messages_keep_the_row_out_where_a_target_takes_one(tmp_path):
    openai, chat = prepared(tmp_path, *map(several, range(14))).export(["openai-dpo", "openai"])
    assert (openai["left_out"], openai["said"][0]["says"]) == (14, "an answer is 3 messages, and one is taken")
    assert (chat["left_out"], chat["said"][0]["says"]) == (0, "left out: answer_messages, rejected")


def test_an_answer_for_azure_has_a_message_of_the_assistant_and_none_of_the_users(tmp_path):
    pair = {"input": {"messages": [ASK]}, "preferred_output": [SAY], "non_preferred_output": [SAY | {"content": "b"}]}
    for output, words in (
        ([ASK, SAY], "non_preferred_output is of the role 'user'"),
        ([{"role": "tool", "tool_call_id": "1", "content": "c"}], "non_preferred_output is of the role 'tool'"),
        ([], "non_preferred_output is 0 messages, not one message of the assistant"),
    ):
        (tmp_path / "a.jsonl").write_text(json.dumps(pair | {"non_preferred_output": output}))
        found = check(tmp_path / "a.jsonl", TARGETS["azure-dpo"])
        assert found.filter(rule="bad-pair")["says"].to_list() == [words]


def test_pairs_for_azure_begin_without_a_byte_order_mark_and_one_is_no_error(pairs, tmp_path):
    (done,) = pairs.export("azure-dpo", out=tmp_path)
    path = tmp_path / "azure-dpo" / "train.jsonl"
    assert (done["rows"], done["errors"], path.read_bytes()[:1]) == (20, 0, b"{")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    for name, severity in (("azure-dpo", "warning"), ("openai-dpo", "error")):
        assert check(path, TARGETS[name]).select("rule", "severity").rows() == [("byte-order-mark", severity)]


def test_a_validation_side_that_is_too_large_beside_its_train_side_is_an_error_of_the_export(tmp_path):
    rows = [{"inquiry": f"{WORDS[n % 20]} {n * n}", "category": f"c{n % 3}"} for n in range(2_600)]
    run = tuneset.prepare(rows, out=tmp_path / "run", validation=0.4)
    train, held = (run.examples(side).height for side in ("train", "validation"))
    assert (train > 1_000, held > 1_000) == (True, True)
    gemini, openai = run.export(["gemini", "openai"])
    (problem,) = gemini["problems"]
    assert (problem["file"], problem["rule"], gemini["errors"]) == ("validation.jsonl", "too-many-rows", 1)
    words = f"{held:,} rows beside {train:,} to train on, and 1,000 are taken: 30 %, or 1,000 where that is more"
    assert problem["says"] == words
    assert openai["errors"] == 0
