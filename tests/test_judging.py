"""The stage judge in a whole run: what it looks at, what it leaves alone, and what the commands behind it write."""

import json
import random
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

import tuneset
from tuneset import cli, recipe
from tuneset.errors import RunError
from tuneset.judge import judging

EXAMPLES = Path(__file__).parents[1] / "examples" / "customer_intent.csv"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return tuneset.prepare(EXAMPLES, out=tmp_path_factory.mktemp("judged") / "run")


def with_wrong_labels(share=0.06):
    table = pl.read_csv(EXAMPLES)
    rng = random.Random(5)
    names = sorted(set(table["category"]))
    wrong = sorted(rng.sample(range(table.height), round(share * table.height)))
    labels = table["category"].to_list()
    for row in wrong:
        labels[row] = rng.choice([name for name in names if name != labels[row]])
    return table.select("inquiry", category=pl.Series(labels)), set(table["inquiry"].gather(wrong))


def test_a_clean_set_is_judged_whole_and_hardly_flagged(run):
    judged = run.summary["judge"]
    assert judged["rows"] == judged["of"] == run.summary["balance"]["kept"]
    assert judged["features"] == "n-grams"
    for part in ("labels", "relevance", "diversity", "size", "texts"):
        assert judged[part], part
    assert judged["representativeness"] is None
    assert run.findings("label-error").height <= 5


def test_wrong_labels_are_flagged_first_and_accepting_takes_the_suggestion(tmp_path):
    table, wrong = with_wrong_labels()
    made = tuneset.prepare(table, out=tmp_path / "run")
    found = made.findings("label-error")
    assert found.height >= 15  # of 30: the wording of the set is rich, and n-grams flag only what is sure
    assert len(wrong & set(found["text"])) >= 0.8 * found.height
    first = found.row(0, named=True)
    made.decide(first["id"], "accept")
    again = tuneset.prepare(table, out=tmp_path / "run")
    said = again.examples().filter(id=first["example"])["labels"][0]
    assert said == first["after"] != first["before"]


def test_labels_stay_as_they_are_until_a_person_decides(run):
    before = pl.read_csv(EXAMPLES, infer_schema=False)
    kept = run.examples().select("text", pl.col("labels").str.json_path_match("$.category"))
    joined = kept.join(before, left_on="text", right_on="inquiry")
    assert joined.height >= kept.height
    assert (joined["labels"] == joined["category"]).all()


def test_what_is_learned_does_not_depend_on_the_validation_side(run):
    kept = run.folder.table("split", "examples")
    sides = run.folder.table("split", "split")
    spec = recipe.Judge()
    first = judging.seen(kept, sides, spec).examples
    held = sides.filter(pl.col("side") == "validation")["id"]
    changed = kept.with_columns(
        text=pl.when(pl.col("id").is_in(held.implode())).then(pl.lit("something else")).otherwise("text")
    )
    second = judging.seen(changed, sides, spec).examples
    train = pl.col("side") == "train"
    np.testing.assert_array_equal(first.filter(train)["vector"].to_numpy(), second.filter(train)["vector"].to_numpy())


def test_a_sample_is_drawn_by_id_and_said(run):
    kept, sides = run.folder.table("split", "examples"), run.folder.table("split", "split")
    looked = judging.seen(kept, sides, recipe.Judge(rows=100))
    assert looked.facts["rows"] == looked.examples.height == 100
    assert looked.facts["of"] == kept.height
    shuffled = judging.seen(kept.sample(fraction=1, shuffle=True, seed=3), sides, recipe.Judge(rows=100))
    assert set(looked.examples["id"]) == set(shuffled.examples["id"]) == set(kept["id"].sort().head(100))


def test_fewer_than_twenty_examples_are_not_judged_and_that_is_said(tmp_path):
    rows = [{"inquiry": f"where is parcel {n}?", "category": "Orders"} for n in range(6)]
    made = tuneset.prepare(rows, out=tmp_path / "run")
    assert "nothing can be judged" in made.summary["judge"]["words"]
    assert {each["what"] for each in made.summary["not_judged"]} >= {"labels", "size"}


def test_conversations_without_labels_are_judged_as_far_as_they_can_be(tmp_path):
    starts = ("where is", "send back", "how do I pay for", "cancel", "tell me the price of")
    rows = [
        {"messages": [{"role": "user", "content": f"{starts[n % 5]} order {n} {'please' * (n % 3)}"},
                      {"role": "assistant", "content": f"It is number {n}."}]}
        for n in range(60)
    ]  # fmt: skip
    made = tuneset.prepare(rows, out=tmp_path / "run")
    judged = made.summary["judge"]
    assert judged["diversity"]
    assert not judged["labels"]
    assert {"labels", "size"} <= {each["what"] for each in made.summary["not_judged"]}


def test_a_target_file_of_texts_alone_is_compared_with(tmp_path):
    live = tmp_path / "live.csv"
    texts = pl.read_csv(EXAMPLES).filter(pl.col("category").str.contains("Return"))["inquiry"]
    pl.DataFrame({"text": pl.concat([texts, texts + " please"])}).write_csv(live)
    made = tuneset.prepare(EXAMPLES, out=tmp_path / "run", target=live)
    like = made.summary["judge"]["representativeness"]
    assert like["against"] == "live.csv"
    assert like["differs"]
    assert made.summary["verdict"]["level"] != "ready"


def test_labels_md_is_drafted_edited_kept_and_shown(run):
    path = run.labels()
    text = path.read_text(encoding="utf-8")
    edited = text.replace(
        "### Order Management\nMeans: (a draft: say in a sentence what belongs here)",
        "### Order Management\nMeans: where things are,",
    )
    assert edited != text
    path.write_text(edited, encoding="utf-8")
    run.labels()
    assert path.read_text(encoding="utf-8") == edited


def test_select_writes_as_many_train_rows_and_covers_more_than_chance(run, tmp_path):
    facts = run.select(100, out=tmp_path / "some.jsonl")
    lines = (tmp_path / "some.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 100
    train = set((run.path / "train.jsonl").read_text(encoding="utf-8").splitlines())
    assert set(lines) <= train
    assert facts["words"]


def test_score_says_what_a_perfect_and_a_constant_model_are_worth(run, tmp_path):
    truth = [json.loads(line) for line in (run.path / "validation.jsonl").read_text(encoding="utf-8").splitlines()]
    answers = [each["messages"][-1]["content"] for each in truth]
    perfect, constant = tmp_path / "perfect.jsonl", tmp_path / "constant.jsonl"
    perfect.write_text("".join(json.dumps({"prediction": answer}) + "\n" for answer in answers), encoding="utf-8")
    constant.write_text("".join(json.dumps({"prediction": answers[0]}) + "\n" for _ in answers), encoding="utf-8")
    facts = run.score(perfect, baseline=constant)
    assert facts["exact"]["accuracy"] == 1.0
    assert facts["worth"]
    assert not run.score(constant, baseline=perfect)["worth"]


@pytest.mark.parametrize(
    "command",
    [["labels"], ["select", "--rows", "50"], ["compare"], ["score"]],
    ids=lambda command: command[0],
)
def test_the_commands_print_words_or_json(run, tmp_path, command):
    name, *options = command
    args = [name, str(run.path), *options]
    if name == "compare":
        args = [name, str(run.path), str(run.path)]
    if name == "score":
        args.append(str(run.path / "validation.jsonl"))
    for more in ([], ["--json"]):
        done = CliRunner().invoke(cli.main, [*args, *more])
        assert done.exit_code == 0, done.output
        assert json.loads(done.output) if more else done.output.strip()
    (run.path / "train-50.jsonl").unlink(missing_ok=True)


def test_a_gate_fails_the_command_and_not_the_files(tmp_path):
    path = tmp_path / "strict.toml"
    path.write_text(f'[[sources]]\npaths = ["{EXAMPLES}"]\n[gate.least]\n"balance.kept" = 1000\n', encoding="utf-8")
    done = CliRunner().invoke(cli.main, ["prepare", str(path), "--out", str(tmp_path / "run")])
    assert done.exit_code == 1, done.output
    assert "at least 1000 is wanted" in done.output
    assert (tmp_path / "run" / "train.jsonl").exists()


def test_a_gate_that_names_no_figure_says_which_are_near_and_leaves_the_place_where_all_are(tmp_path):
    path = tmp_path / "strict.toml"
    limits = '[gate.least]\n"judge.size.sides.validaton.accuracy" = 0.8\n'
    path.write_text(f'[[sources]]\npaths = ["{EXAMPLES}"]\n{limits}', encoding="utf-8")
    done = CliRunner().invoke(cli.main, ["prepare", str(path), "--out", str(tmp_path / "run")])
    assert done.exit_code == 2, done.output
    assert "judge.size.sides.validation.accuracy" in done.output
    figures = json.loads((tmp_path / "run" / ".tuneset" / "report.json").read_bytes())
    assert figures["judge"]["size"]["sides"]["validation"]["accuracy"] > 0.5


@pytest.fixture(scope="module")
def messy(tmp_path_factory):
    path = EXAMPLES.with_name("customer_intent_messy.csv")
    return tuneset.prepare(path, out=tmp_path_factory.mktemp("messy") / "run")


def test_a_command_that_is_named_lists_as_many_as_are_said_beside_it(messy):
    looked = [each for each in messy.summary["next"] if " --rule " in each["command"]]
    assert len(looked) == 3
    for each in looked:
        rule = each["command"].split()[-1]
        count = int(re.search(r"\d+", each["words"])[0])
        listed = CliRunner().invoke(cli.main, ["findings", str(messy.path), "--rule", rule, "--limit", "0"])
        assert listed.output.count(f"  {rule}  waiting") == count
        assert f"{count} findings wait for your answer" in listed.output


def test_wrong_labels_are_the_same_number_wherever_they_are_counted(messy):
    summary, found = messy.summary, messy.findings("label-error")
    rule = next(each for each in summary["rules"] if each["rule"] == "label-error")
    assert rule["waiting"] == rule["found"] == found.height
    conflicts = set(messy.findings("conflicting-label")["example"])
    assert rule["twins"] == len(conflicts & set(found["example"])) > 0
    for column in summary["judge"]["labels"]:
        assert column["flagged"] == found["says"].str.contains(f"(?:^|; ){column['column']}: ").sum()
        assert column["words"].startswith(f"{column['flagged']} labels look wrong")
    assert f"{found.height} rows have a label that may be wrong, {rule['twins']} of them" in messy.report.read_text(
        "utf-8"
    )


def test_every_accuracy_is_said_with_what_it_was_measured_on(messy):
    sides, curve = (messy.summary["judge"]["size"][key] for key in ("sides", "curve"))
    held_out, validation, novel = (
        f"{100 * sides[name]['accuracy']:.0f} %" for name in ("held_out", "validation", "novel")
    )
    assert (
        f"{held_out} ("
        in sides["words"].split("of train, each kept from it in turn (where the learning curve ends)")[0]
    )
    assert f"{validation} (" in sides["words"].split("of validation")[0]
    assert f"{novel} (" in sides["words"].split("of its novel half")[0]
    assert f"more than the {held_out} with the {curve['points'][-1]['rows']} here" in curve["words"]


def test_a_run_without_labels_has_no_labels_md(tmp_path):
    rows = [
        {"messages": [{"role": "user", "content": f"hi {n}"}, {"role": "assistant", "content": "yes"}]}
        for n in range(5)
    ]
    with pytest.raises(RunError, match="no label columns"):
        tuneset.prepare(rows, out=tmp_path / "run").labels()
