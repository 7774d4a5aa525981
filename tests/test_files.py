"""The check of files that anybody wrote: several at once, mended, as SARIF, and from the command line."""

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
from tuneset.targets import RULES, TARGETS, rules
from tuneset.targets.files import check, sarif
from tuneset.targets.mend import fitted

law = settings(deadline=None, max_examples=50)
LISTS = [name for name, target in TARGETS.items() if target.shape != "table"]
ASK = {"role": "user", "content": "Where is my parcel?"}
SAY = {"role": "assistant", "content": "On its way."}


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


@law
@given(data=st.binary(max_size=200), name=st.sampled_from(LISTS))
def test_any_bytes_are_checked_and_mended_without_a_traceback(tmp_path_factory, data, name):
    path = tmp_path_factory.mktemp("bytes") / "a.jsonl"
    path.write_bytes(data)
    (mended,) = check(path, name, fix=True).mended
    kept = (path.parent / "a.mended.jsonl").read_bytes().count(b"\n")
    apart = (path.parent / "a.unmended.jsonl").read_bytes().count(b"\n") if mended.apart else 0
    filled = sum(bool(line.strip()) for line in data.split(b"\n"))
    assert kept + apart == filled


def test_a_file_that_is_not_there_is_an_error_with_a_hint(tmp_path):
    for name in (None, "openai"):
        with pytest.raises(InputError, match="cannot be read"):
            check(tmp_path / "none.jsonl", name)


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
