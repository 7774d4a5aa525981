"""The check of files that anybody wrote: several at once, mended, as SARIF, and from the command line."""

import csv
import hashlib
import json
import random
import time

import orjson
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from test_template import CHATML, folder

import tuneset
from tuneset.cli import main
from tuneset.errors import InputError
from tuneset.shapes import SHAPES
from tuneset.sources import formats
from tuneset.targets import RULES, TARGETS, rules
from tuneset.targets.files import check
from tuneset.targets.mend import fitted
from tuneset.targets.sarif import sarif

law = settings(deadline=None, max_examples=50)
LISTS = [name for name, target in TARGETS.items() if target.shape != "table"]
ASK = {"role": "user", "content": "Where is my parcel?"}
SAY = {"role": "assistant", "content": "On its way."}
WORDS = ["find", "return", "insure", "paint"]


def file(folder, name, *rows):
    path = folder / name
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def talk(asked, answered="On its way."):
    return {"messages": [ASK | {"content": asked}, SAY | {"content": answered}]}


def said(checked):
    return checked.problems.select("line", "rule").rows()


# Several files


def test_the_same_inquiry_in_train_and_validation_is_an_error_with_both_places(tmp_path):
    train = file(tmp_path, "train.jsonl", *(talk(f"{word} my card") for word in ("block", "order", "find")))
    held = file(tmp_path, "validation.jsonl", talk("cancel it"), talk("Block my card!", "Done."))
    found = check([train, held], "fireworks").problems.filter(rule="same-in-both").row(0, named=True)
    assert (found["file"], found["line"], found["severity"]) == (str(held), 2, "error")
    assert found["says"] == "the same inquiry stands in train.jsonl:1"


def test_a_near_twin_across_is_a_warning_and_one_file_alone_has_none(tmp_path):
    rows = [talk("where can I find the tracking number of my parcel"), talk("I want to pay by invoice")]
    train = file(tmp_path, "train.jsonl", *rows)
    held = file(tmp_path, "test.jsonl", talk("where can I find the tracking number of my parcels"))
    assert (1, "near-twin-across") in said(check([train, held], "openpipe"))
    again = file(tmp_path, "twice.jsonl", *rows, *rows)
    assert not {"same-in-both", "near-twin-across"} & set(check(again, "openpipe").problems["rule"])


def test_a_minimum_of_rows_is_asked_of_the_first_file_only(tmp_path):
    train = file(tmp_path, "a.jsonl", *(talk(f"{n} {n * 37}") for n in range(10)))
    other = file(tmp_path, "b.jsonl", talk("something else"))
    assert said(check([train, other], "openai")) == []


# Answers


def test_an_answer_that_is_no_json_among_those_that_are_is_named(tmp_path):
    rows = [talk(f"question {n}", json.dumps({"category": f"c{n % 3}"})) for n in range(30)]
    path = file(
        tmp_path, "a.jsonl", *rows, talk("q", "c1"), talk("r", '{"kategorie": "c1"}'), talk("s", '{"category": ')
    )
    assert said(check(path, "openai")) == [(31, "answer-not-json"), (32, "answer-other-keys"), (33, "answer-not-json")]


def test_answers_in_free_text_are_held_to_no_form(tmp_path):
    path = file(tmp_path, "a.jsonl", *(talk(f"question {n}", f"answer {n}") for n in range(30)), talk("q", "{}"))
    assert said(check(path, "openai")) == []


# Limits of a target


def test_a_key_that_only_some_rows_have_is_an_error_for_nova(tmp_path):
    words = [{"role": "user", "content": [{"text": "q"}]}, {"role": "assistant", "content": [{"text": "a"}]}]
    row = {"schemaVersion": "bedrock-conversation-2024", "messages": words}
    path = file(tmp_path, "a.jsonl", *[row] * 9, row | {"system": [{"text": "s"}]})
    assert said(check(path, "bedrock-nova")) == [(None, "mixed-keys")]


def test_more_rows_than_a_target_takes_are_an_error(tmp_path):
    words = [{"role": "user", "content": [{"text": "q"}]}, {"role": "assistant", "content": [{"text": "a"}]}]
    row = {"schemaVersion": "bedrock-conversation-2024", "messages": words}
    path = file(tmp_path, "validation.jsonl", *[row] * 1_001)
    assert said(check(path, "bedrock-llama")) == [(None, "too-many-rows")]


# Mending


def test_every_line_is_mended_or_set_apart_and_both_are_said(tmp_path):
    path = tmp_path / "a.jsonl"
    lines = [
        b"\xef\xbb\xbf" + json.dumps(talk("first")).encode(),
        b"",
        '{"messages": [{"role": "user", "content": "caf\xe9"}, {"role": "assistant", "content": "oui"}]}'.encode(
            "latin-1"
        ),
        json.dumps(
            {"messages": [{"role": "human", "content": "q"}, {"role": "gpt", "content": "a"}], "id": 7}
        ).encode(),
        json.dumps({"messages": [ASK, SAY | {"weight": 1.0}, ASK]}).encode(),
        json.dumps({"messages": [ASK | {"weight": 1}, SAY | {"weight": 2}]}).encode(),
        json.dumps({"prompt": "q", "completion": "a"}).encode(),
        b"{broken",
    ]
    path.write_bytes(b"\n".join(lines))
    (mended,) = check(path, "fireworks", fix=True).mended
    good = [json.loads(line) for line in (tmp_path / "a.mended.jsonl").read_text().splitlines()]
    assert good == [
        talk("first"),
        talk("café", "oui"),
        talk("q", "a"),
        {"messages": [ASK, SAY | {"weight": 1}]},
        talk("q", "a"),
    ]
    assert {row["line"] for row in mended.done} == {1, 2, 3, 4, 5, 7}
    assert {(row["line"], row["rule"]) for row in mended.left} == {(6, "weight-not-0-or-1"), (8, "not-json")}
    assert len((tmp_path / "a.unmended.jsonl").read_bytes().splitlines()) == 2


def test_a_file_without_a_problem_is_copied_byte_for_byte(tmp_path):
    path = file(tmp_path, "a.jsonl", *(talk(f"question {n}") for n in range(12)))
    (mended,) = check(path, "openai", fix=True).mended
    assert (mended.done, mended.left, mended.apart) == ([], [], None)
    assert (tmp_path / "a.mended.jsonl").read_bytes() == path.read_bytes()


@pytest.mark.parametrize("name", ["openai", "mistral", "gemini", "trl", "alpaca", "bedrock-nova"])
def test_a_mended_file_holds_nothing_that_the_target_refuses(tmp_path, name):
    rows = [talk(f"question {n}") | ({"id": n} if n % 2 else {}) for n in range(12)]
    path = file(tmp_path, "a.jsonl", *rows, {"messages": [SAY, ASK]}, {"messages": []}, "{")
    (mended,) = check(path, name, fix=True).mended
    assert mended.problems.filter(severity="error").is_empty()
    assert {14, 15} <= {row["line"] for row in mended.left} <= {13, 14, 15}


# Whatever is in a file


def written(name):
    target = TARGETS[name]
    row = {"messages": [ASK, SAY], "rejected": [SAY | {"content": "No."}], "fields": {"label": "x"}}
    plain = {"messages": [SAY]} if target.shape == "plain" else row
    return json.dumps(SHAPES[target.shape].write(fitted(plain, target).row, target)).encode()


def mutated(line, dice):
    """Cut, repeat, swap or flip pieces of a line, inside strings and across the braces."""
    data = bytearray(line)
    for _ in range(dice.randint(1, 4)):
        start, end = sorted(dice.randint(0, len(data)) for _ in range(2))
        kind = dice.randrange(5)
        if kind == 0:
            del data[start:end]
        elif kind == 1:
            data[start:start] = data[start:end]
        elif kind == 2:
            data[start:start] = dice.choice(
                [b"null", b"[]", b"{}", b"1e999", b'"', b"\\ud800", b"\xff", b"\xef\xbb\xbf", b"\n", b"[[[["]
            )
        elif data:
            data[min(start, len(data) - 1)] = dice.randrange(256)
    return bytes(data)


@pytest.mark.parametrize("name", LISTS)
def test_ten_thousand_mutated_lines_get_a_verdict_and_never_a_traceback(tmp_path, name):
    dice, line = random.Random(name), written(name)
    path = tmp_path / "a.jsonl"
    lines = [mutated(line, dice) for _ in range(10_000)]
    path.write_bytes(b"\n".join(lines))
    found = rules.check(path, TARGETS[name])
    many = path.read_bytes().count(b"\n") + 1
    numbered = found["line"].drop_nulls()
    assert numbered.len() > 5_000
    assert (numbered.min(), numbered.max()) >= (1, 1)
    assert numbered.max() <= many
    assert set(found["rule"]) <= set(RULES)


IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo=", "detail": "high"}}
PARAMETERS = {"type": "object", "properties": {"id": {"anyOf": [{"$ref": "#"}, {"enum": [1]}]}}, "required": ["id"]}
TOOL = {"type": "function", "function": {"name": "look", "description": "d", "parameters": PARAMETERS}}
CALL = {"id": "call00001", "type": "function", "function": {"name": "look", "arguments": '{"id": 1}'}}


@pytest.mark.parametrize("name", LISTS)
def test_mutated_lines_with_tools_and_images_get_a_verdict_and_never_a_traceback(tmp_path, name):
    target, dice = TARGETS[name], random.Random(name)
    said = ASK | {"content": [{"type": "text", "text": "q"}, IMAGE]} if target.images else ASK
    talks = [{"messages": [said, SAY]}]
    if "tools" in target.keys:
        called = {"role": "assistant", "content": None, "tool_calls": [CALL]}
        talks.append({"messages": [ASK, called, {"role": "tool", "tool_call_id": "call00001", "content": "a"}, SAY]})
        talks[-1]["tools"] = [TOOL]
    lines = []
    for talk in (
        talks if target.shape not in {"plain", "alpaca"} and not target.max_turns else [{"messages": [ASK, SAY]}]
    ):
        row = talk | {"rejected": [SAY | {"content": "No."}]} if "rejected" in target.keys else talk
        line = json.dumps(SHAPES[target.shape].write(row, target)).encode()
        lines += [mutated(line, dice) for _ in range(1_000)]
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\n".join(lines))
    found = rules.check(path, target)
    assert found["line"].drop_nulls().len() > 500
    assert set(found["rule"]) <= set(RULES)


@law
@given(data=st.binary(max_size=200), name=st.sampled_from(LISTS))
def test_any_bytes_are_checked_and_mended_without_a_traceback(tmp_path_factory, data, name):
    path = tmp_path_factory.mktemp("bytes") / "a.jsonl"
    path.write_bytes(data)
    (mended,) = check(path, name, fix=True).mended
    kept = (path.parent / "a.mended.jsonl").read_bytes().count(b"\n")
    apart = (path.parent / "a.unmended.jsonl").read_bytes().count(b"\n") if mended.apart else 0
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):  # UTF-16: its lines are those of its text
        data = data.decode("utf-16", errors="replace").encode()
    filled = sum(bool(line.strip()) for line in data.split(b"\n"))
    assert kept + apart == filled


def test_a_file_that_is_not_there_is_an_error_with_a_hint(tmp_path):
    for name in (None, "openai"):
        with pytest.raises(InputError, match="cannot be read"):
            check(tmp_path / "none.jsonl", name)


def test_settings_for_the_template_that_only_some_rows_have_are_an_error_where_the_trainer_falls_over_them(tmp_path):
    rows = [talk("block it") | {"chat_template_kwargs": {"enable_thinking": False}}, talk("find it"), talk("paint it")]
    found = check(file(tmp_path, "a.jsonl", *rows), "trl").problems.row(0, named=True)
    words = "1 of 3 rows have chat_template_kwargs, the others have none"
    assert (found["rule"], found["severity"], found["says"]) == ("mixed-keys", "error", words)
    assert check(file(tmp_path, "b.jsonl", rows[0], rows[0] | {"chat_template_kwargs": {}}), "trl").problems.is_empty()


# The command


def run(*words):
    return CliRunner().invoke(main, [*map(str, words)])


def test_the_command_ends_with_1_where_a_file_would_be_refused_and_0_where_not(tmp_path):
    good = file(tmp_path, "good.jsonl", *(talk(f"question {n}") for n in range(10)))
    bad = file(tmp_path, "bad.jsonl", *(talk(f"question {n}") for n in range(10)), {"messages": [ASK]})
    assert run("check", good, "--target", "openai").exit_code == 0
    done = run("check", bad, "--target", "openai")
    assert done.exit_code == 1
    assert "line 11" in done.output
    assert f"tuneset check {bad} --target openai --fix" in done.output
    assert run("check", bad, "--target", "openai", "--fix").exit_code == 0


def test_after_mending_what_stands_in_two_files_still_ends_with_1_and_is_named_by_the_copies(tmp_path):
    train = file(tmp_path, "train.jsonl", {"id": 1, **talk("block my card")}, *(talk(f"{word} it") for word in WORDS))
    held = file(tmp_path, "validation.jsonl", "", talk("Block my card!", "Done."), {"id": 2, **talk("cancel it")})
    done = run("check", train, held, "--target", "together", "--fix")
    assert done.exit_code == 1
    assert "1 error of the copy that only you can mend" in done.output
    assert "line 1 same-in-both: the same inquiry stands in train.mended.jsonl:1" in done.output
    first, second = json.loads(run("check", train, held, "--target", "together", "--fix", "--json").output)["mended"]
    assert (first["problems"], [each["line"] for each in second["problems"]]) == ([], [1])


def test_after_mending_what_is_wrong_with_the_file_as_a_whole_is_named_and_ends_with_1(tmp_path):
    few = file(tmp_path, "few.jsonl", talk("block my card") | {"id": 1})
    done = run("check", few, "--target", "openai", "--fix")
    assert (done.exit_code, "the file too-few-rows: 1 row" in done.output) == (1, True)


def test_after_mending_too_large_a_validation_file_still_ends_with_1(tmp_path):
    asked = [f"{hashlib.sha256(str(n).encode()).hexdigest()}" for n in range(2_101)]
    rows = [
        {"contents": [{"role": role, "parts": [{"text": text}]} for role, text in (("user", each), ("model", "a"))]}
        for each in asked
    ]
    train, held = file(tmp_path, "train.jsonl", *rows[:1_100]), file(tmp_path, "validation.jsonl", *rows[1_100:])
    found = check([train, held], "gemini", fix=True)
    assert (found.errors, found.mended[1].problems["rule"].to_list()) == (1, ["too-many-rows"])


def test_after_mending_what_the_model_would_not_learn_is_still_wrong(tmp_path):
    path = file(tmp_path, "a.jsonl", {"messages": [{"role": "system", "content": "s"}, ASK, SAY]})
    refuses = "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
    found = check(path, "trl", fix=True, model=folder(tmp_path / "model", refuses + CHATML))
    assert (found.errors, found.mended[0].problems["rule"].to_list()) == (1, ["system-refused"])


def test_tokens_are_counted_and_the_cost_is_said_by_prices_of_ones_own(tmp_path):
    path = file(tmp_path, "a.jsonl", *(talk(f"question {n}") for n in range(100)))
    prices = tmp_path / "prices.toml"
    prices.write_text('["openai/mine"]\nprice = 1000.0\n')
    told = json.loads(
        run("check", path, "--target", "openai", "--price", "mine", "--prices", prices, "--epochs", 2, "--json").output
    )
    tokens = told["tokens"][str(path)]
    assert (tokens["rows"], tokens["over"]) == (100, 0)
    assert told["cost"]["amount"] == pytest.approx(tokens["total"] * 2 / 1000)
    assert f"{tokens['total']:,} tokens" in run("check", path, "--target", "openai").output


def test_the_target_is_told_by_the_first_row(tmp_path):
    path = file(tmp_path, "a.jsonl", {"instruction": "q", "output": 1})
    told = json.loads(run("check", path, "--json").output)
    assert (told["target"], told["problems"][0]["rule"]) == ("alpaca", "content-not-text")


def test_sarif_holds_each_problem_with_its_line_and_each_rule_once(tmp_path):
    path = file(
        tmp_path, "a.jsonl", *(talk(f"question {n}") for n in range(10)), {"messages": [ASK]}, {"messages": [ASK]}
    )
    made = json.loads(run("check", path, "--target", "openai", "--format", "sarif").output)
    assert made == json.loads(json.dumps(sarif(check(path, "openai"))))
    (one,) = made["runs"]
    lines = [each["locations"][0]["physicalLocation"]["region"]["startLine"] for each in one["results"]]
    assert (made["version"], lines, [each["id"] for each in one["tool"]["driver"]["rules"]]) == (
        "2.1.0",
        [11, 12],
        ["no-assistant"],
    )


def test_targets_are_listed_with_what_their_users_should_know():
    assert "no new fine-tuning jobs from 2027-01-06" in run("targets").output
    assert len(json.loads(run("targets", "--json").output)) == len(TARGETS)


def test_checking_chat_takes_a_few_times_its_parsing(tmp_path):
    path = file(
        tmp_path,
        "a.jsonl",
        *(talk(f"question {n} about my card", json.dumps({"category": f"c{n % 77}"})) for n in range(100_000)),
    )

    def parsed():
        with path.open("rb") as lines:
            for line in lines:
                orjson.loads(line)

    def took(do):
        start = time.process_time()
        do()
        return time.process_time() - start

    assert min(took(lambda: rules.check(path, TARGETS["openai"])) for _ in range(3)) < 5 * min(
        took(parsed) for _ in range(3)
    )


# What the model sees


def test_a_row_is_shown_as_the_model_reads_it_and_files_are_checked_by_its_template(tmp_path):
    model = folder(tmp_path / "model", CHATML)
    rows = [{"inquiry": f"where is order {n}?", "category": "Orders"} for n in range(20)]
    out = tmp_path / "run"
    prepared = tuneset.prepare(rows, out=out, system="Be kind.")
    shown = run("show", out, "--row", 1, "--model", model)
    assert shown.exit_code == 0
    assert "⟦" in shown.output
    assert "of them trained" in shown.output
    told = json.loads(run("show", out, "--row", 1, "--model", model, "--json").output)
    learned = "".join(token for token, trains in zip(told["tokens"], told["trained"], strict=True) if trains)
    assert learned.startswith(prepared.examples("train")["label"][0])
    run("export", out, "--target", "trl", "--model", model)
    asked = json.loads((out / "exports" / "trl" / "inference.json").read_text())
    assert asked["templates"] == {"default": told["template"]}
    assert run("show", out, "--row", 99, "--model", model).exit_code == 2
    assert run("check", out / "train.jsonl", "--model", model).exit_code == 0
    deaf = folder(tmp_path / "deaf", "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}")
    found = json.loads(run("check", out / "train.jsonl", "--model", deaf, "--json").output)
    assert {"stop-token-missing"} <= {problem["rule"] for problem in found["problems"]}


def test_a_file_that_is_one_list_of_rows_is_said_once_and_mended_into_lines(tmp_path):
    rows = [{"instruction": f"q {n}", "input": "", "output": f"a {n}"} for n in range(3)]
    (tmp_path / "a.json").write_text(json.dumps(rows, indent=1))
    assert said(check(tmp_path / "a.json", "alpaca")) == []
    assert said(check(tmp_path / "a.json", "together-instruction"))[0] == (None, "one-list")
    (mended,) = check(tmp_path / "a.json", "trl", fix=True).mended
    assert (len(mended.done), mended.problems.height) == (3, 0)


def test_a_file_in_utf_16_is_said_once(tmp_path):
    (tmp_path / "a.jsonl").write_text(json.dumps(talk("q")), encoding="utf-16")
    assert said(check(tmp_path / "a.jsonl", "openai")) == [(None, "not-utf-8")]


def test_a_file_in_utf_16_is_mended_into_utf_8_and_told_by_its_first_row(tmp_path):
    rows = [talk(f"question {n}") for n in range(12)]
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-16")
    (mended,) = check(path, "openai", fix=True).mended
    assert [json.loads(line) for line in (tmp_path / "a.mended.jsonl").read_text().splitlines()] == rows
    assert (mended.left, mended.problems.height, [each["rule"] for each in mended.done]) == ([], 0, ["not-utf-8"])
    assert run("check", path, "--target", "openai", "--fix").exit_code == 0
    assert "0 tokens" not in run("check", path, "--target", "openai").output
    path.write_text(json.dumps({"prompt": "q", "completion": "a"}), encoding="utf-16")
    assert check(path).target.name == "trl-prompt-completion"


def test_a_table_for_a_trainer_is_said_once_with_the_way_on(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("text,label\nhello there,a\n")
    for target in (None, "openai"):
        with pytest.raises(InputError, match="a table, not JSON lines") as caught:
            check(path, target)
        assert "tuneset prepare" in caught.value.hint


def test_a_csv_of_texts_and_labels_has_a_verdict_with_lines_and_a_mended_copy(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b'text,label\r\n"hi,\nthere",a\r\nyo,b,c\r\n"",d\r\nbye,e\r\n')
    assert said(check(path, "csv")) == [(4, "unreadable-row"), (5, "empty-content")]
    assert run("check", path, "--target", "csv").exit_code == 1
    (mended,) = check(path, "csv", fix=True).mended
    assert (tmp_path / "a.mended.csv").read_text() == 'text,label\n"hi,\nthere",a\nbye,e\n'
    assert (tmp_path / "a.unmended.csv").read_bytes() == b'yo,b,c\r\n"",d\r\n'
    assert ([each["line"] for each in mended.left], mended.problems.height) == ([4, 5], 0)
    assert run("check", path, "--target", "csv", "--fix").exit_code == 0


@pytest.mark.parametrize(
    ("data", "found"),
    [
        ("text;label\nhi;a\n".encode("utf-16"), [(None, "not-utf-8"), (None, "unreadable-row")]),
        ("text,label\ncaf\u00e9 au lait,a\n".encode("cp1252"), [(None, "not-utf-8")]),
        (b"\xef\xbb\xbftext,label\nhi,a\n", [(1, "byte-order-mark")]),
    ],
)
def test_a_csv_in_another_encoding_or_with_other_commas_is_mended_whole(tmp_path, data, found):
    path = tmp_path / "a.csv"
    path.write_bytes(data)
    assert said(check(path, "csv")) == found
    (mended,) = check(path, "csv", fix=True).mended
    assert (mended.problems.height, mended.apart) == (0, None)
    assert (tmp_path / "a.mended.csv").read_text().startswith("text,label\n")


def test_a_csv_without_rows_or_of_json_is_said(tmp_path):
    (tmp_path / "a.csv").write_text("text,label\n")
    assert said(check(tmp_path / "a.csv", "csv")) == [(None, "empty-file")]
    (tmp_path / "b.csv").write_text("")
    assert said(check(tmp_path / "b.csv", "csv", fix=True)) == [(None, "empty-file")]
    with pytest.raises(InputError, match="not CSV"):
        check(file(tmp_path, "c.csv", talk("q")), "csv")


@given(data=st.binary(max_size=200) | st.text('ab,;"\n\r\t', max_size=60).map(str.encode))
@law
def test_each_row_of_a_csv_is_in_the_copy_or_set_apart_whatever_it_holds(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("bytes") / "a.csv"
    path.write_bytes(data)
    try:
        (mended,) = check(path, "csv", fix=True).mended
        table = formats.parse(data, "a.csv")
    except InputError:  # two columns of one name, JSON, nothing at all
        return
    with (path.parent / "a.mended.csv").open(newline="", encoding="utf-8") as copy:
        kept = list(csv.reader(copy))[1:]
    out = {each["line"] for each in mended.left}
    assert len(kept) + len(out) == table.cells.height + table.broken.height
    assert kept == [list(row) for line, row in zip(table.row, table.cells.rows(), strict=True) if line not in out]


def test_the_same_text_in_two_tables_is_an_error_with_both_places(tmp_path):
    (tmp_path / "train.csv").write_text("text,label\nblock my card,a\norder it,b\n")
    (tmp_path / "validation.csv").write_text("text,label\nBlock my card!,a\n")
    found = check([tmp_path / "train.csv", tmp_path / "validation.csv"], "csv").problems
    assert found.select("line", "rule").rows() == [(2, "same-in-both")]


# Two files and what they cost


def contents(asked):
    return {"contents": [{"role": "user", "parts": [{"text": asked}]}, {"role": "model", "parts": [{"text": "a"}]}]}


@pytest.mark.parametrize(
    ("train", "held", "many"), [(3_400, 1_021, 1), (3_400, 1_020, 0), (1_001, 1_000, 0), (100, 1_001, 1)]
)
def test_gemini_takes_so_many_validation_rows_beside_the_train_rows(tmp_path, train, held, many):
    first = file(tmp_path, "train.jsonl", *(contents(f"{n} {n * 7919}") for n in range(train)))
    second = [contents(f"word{n} {n * 104729} x") for n in range(held)]
    for name, expected in (("validation.jsonl", many), ("test.jsonl", 0)):
        found = check([first, file(tmp_path, name, *second)], "gemini").problems.filter(rule="too-many-rows")
        assert found.height == expected
        assert found["file"].to_list() == [str(tmp_path / name)] * expected


def cost_of(*words):
    return json.loads(run("check", *words, "--json").output)["cost"]


def test_whose_usual_number_of_epochs_is_counted_with_is_said(tmp_path):
    path = file(tmp_path, "a.jsonl", *(talk(f"question {n}") for n in range(10)))
    openai = cost_of(path, "--target", "openai", "--price", "gpt-4.1")
    assert (openai["epochs"], "OpenAI's usual number" in openai["says"]) == (10, True)
    for target in ("azure", "gemini", "mistral"):
        other = cost_of(path, "--target", target, "--price", "some-model")
        assert other is None or (other["epochs"], "OpenAI's" in other["says"]) == (3, False)
        assert other is None or "a usual number and not the platform's" in other["says"]
    told = cost_of(path, "--target", "azure", "--price", "some-model", "--epochs", 2)
    assert (told["epochs"], "usual" in told["says"]) == (2, False)


def test_tokens_of_a_validation_file_are_billed_once_where_they_are_charged(tmp_path):
    train = file(tmp_path, "train.jsonl", *(talk(f"question {n}") for n in range(10)))
    held = file(tmp_path, "validation.jsonl", *(talk(f"another {n * 37}") for n in range(5)))
    prices = tmp_path / "prices.toml"
    prices.write_text('["together/llama"]\nprice = 1000.0\n["openai/mine"]\nprice = 1000.0\n')
    for target, model, charged in (("together", "llama", True), ("openai", "mine", False)):
        given = ("--target", target, "--price", model, "--prices", prices, "--epochs", 2)
        alone, both = cost_of(train, *given), cost_of(train, held, *given)
        tokens = json.loads(run("check", train, held, *given, "--json").output)["tokens"][str(held)]["total"]
        assert both["billed"] - alone["billed"] == (tokens if charged else 0)
        assert (f"{tokens:,} of the validation file once" in both["says"]) == charged


def test_what_is_charged_by_the_hour_has_no_cost_by_tokens(tmp_path):
    row = {"messages": [ASK], "reference_answer": "x"}
    path = file(tmp_path, "a.jsonl", row)
    prices = tmp_path / "prices.toml"
    prices.write_text('["openai-rft/o4-mini"]\nprice = 100.0\n')
    for more in ((), ("--price", "o4-mini", "--prices", prices)):
        told = cost_of(path, "--target", "openai-rft", *more)
        assert (told["amount"], told["billed"], "by the hour" in told["says"]) == (None, 0, True)
        assert "billed" not in told["says"]


def test_a_file_without_rows_has_no_tokens_and_no_cost(tmp_path):
    path = file(tmp_path, "a.jsonl")
    assert cost_of(path, "--target", "openai", "--price", "gpt-4.1") is None
    shown = run("check", path, "--target", "openai", "--price", "gpt-4.1").output
    assert "no tokens, since no row can be read" in shown
    assert "epochs" not in shown


def test_a_price_that_stands_under_another_target_is_named_with_it(tmp_path):
    path = file(tmp_path, "a.jsonl", *(talk(f"question {n}") for n in range(10)))
    assert "--target openai --price gpt-4.1;" in cost_of(path, "--price", "gpt-4.1")["says"]
    assert "--target says who trains it" in cost_of(path, "--price", "llama")["says"]


def test_json_and_sarif_at_once_are_refused_in_three_lines(tmp_path):
    path = file(tmp_path, "a.jsonl", *(talk(f"question {n}") for n in range(10)))
    done = run("check", path, "--json", "--format", "sarif")
    assert (done.exit_code, len(done.stderr.splitlines())) == (2, 3)
    assert "two forms" in done.stderr
    assert json.loads(run("check", path, "--json", "--format", "json").output)["target"] == "chat"


def test_a_mended_copy_says_which_answers_are_only_read(tmp_path):
    path = file(tmp_path, "a.jsonl", {"messages": [ASK, SAY, ASK | {"content": "And now?"}, SAY]})
    (mended,) = check(path, "trl-prompt-completion", fix=True).mended
    assert "no longer trained" in mended.done[-1]["says"]
