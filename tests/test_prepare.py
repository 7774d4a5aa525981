"""`prepare` from end to end: files, balance, split, later runs, decisions."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import tuneset
from tuneset.errors import TunesetError
from tuneset.stages import instruction

EXAMPLES = Path(__file__).parent.parent / "examples"
INSTRUCTION = "Classify the user message into a category and sub-category and output the result as JSON."


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return tuneset.prepare(EXAMPLES / "customer_intent.csv", out=tmp_path_factory.mktemp("run") / "out")


@pytest.fixture(scope="module")
def messy(tmp_path_factory):
    return tuneset.prepare(EXAMPLES / "customer_intent_messy.csv", out=tmp_path_factory.mktemp("messy") / "out")


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def snapshot(folder):
    apart = ("timings.json", "lock")
    return {
        path.relative_to(folder): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in apart
    }


def paraphrased(rows, seed=0):
    """Rows of distinct random words: no near-duplicates among them."""
    random = np.random.default_rng(seed)
    words = ["".join(random.choice(list("abcdefghijklmnopqrstuvwxyz"), 7)) for _ in range(400)]
    return [{"inquiry": " ".join(random.choice(words, 8)), "category": f"c{row % 4}"} for row in range(rows)]


def test_the_course_table_gives_400_and_100_lines_in_the_chat_format(run):
    train, validation = lines(run.path / "train.jsonl"), lines(run.path / "validation.jsonl")
    assert (len(train), len(validation)) == (400, 100)
    for row in train + validation:
        assert [turn["role"] for turn in row["messages"]] == ["system", "user", "assistant"]
        assert row["messages"][0]["content"] == INSTRUCTION
        assert list(json.loads(row["messages"][2]["content"])) == ["category", "sub_category"]


def test_the_sides_equal_scikit_learns_as_sets(run):
    import pandas as pd
    from sklearn.model_selection import train_test_split

    table = pd.read_csv(EXAMPLES / "customer_intent.csv")
    _, expected = train_test_split(table, test_size=0.2, stratify=table["category"], random_state=42)
    found = {row["messages"][1]["content"] for row in lines(run.path / "validation.jsonl")}
    assert found == set(expected["inquiry"])


def test_the_run_folder_holds_what_the_design_says(run):
    names = {path.name for path in run.path.iterdir()}
    assert {"train.jsonl", "validation.jsonl", "dropped.jsonl", "report.html", "recipe.toml", ".tuneset"} <= names
    stages = sorted(path.name for path in (run.path / ".tuneset").iterdir() if path.is_dir())
    assert stages == ["01-get", "02-clean", "03-dedupe", "04-split", "05-judge", "06-format", "07-check"]
    manifest = json.loads((run.path / ".tuneset/manifest.json").read_bytes())
    assert set(manifest["files"]) == {path.as_posix() for path in snapshot(run.path)} - {".tuneset/manifest.json"}


def test_files_are_ordered_by_id(run):
    placed = run.examples("train")
    assert placed["id"].is_sorted()
    texts = [row["messages"][1]["content"] for row in lines(run.path / "train.jsonl")]
    assert texts == placed["text"].to_list()


def test_a_clean_set_has_a_clean_certificate(run):
    certificate = run.summary["certificate"]
    assert certificate["pairs_across"] == 0
    assert certificate["highest"] < 0.7


def test_a_messy_set_loses_nothing(messy):
    balance = messy.summary["balance"]
    assert balance["in"] == balance["kept"] + balance["dropped"] + balance["merged"]
    out = lines(messy.path / "dropped.jsonl")
    assert len(out) == balance["dropped"] + balance["merged"]
    kept = set(messy.examples()["id"])
    for row in out:
        assert row["rule"]
        assert row["says"]
        assert (row["fate"] == "merged") == (row["twin"] in kept)
    assert messy.summary["certificate"]["pairs_across"] == 0


def test_no_group_lies_on_two_sides(messy):
    sides = pl.read_parquet(messy.path / ".tuneset/04-split/split.parquet")
    assert sides.group_by("group").agg(pl.col("side").n_unique())["side"].max() == 1


def test_the_same_input_gives_the_same_bytes(run, tmp_path):
    again = tuneset.prepare(EXAMPLES / "customer_intent.csv", out=tmp_path / "out")
    first, second = snapshot(run.path), snapshot(again.path)
    assert first.keys() == second.keys()
    # the folder's own name stands in the commands that the report suggests
    assert [path for path in first if first[path] != second[path] and path.suffix == ".jsonl"] == []


def test_a_second_run_runs_no_stage_again(run):
    kinds = []
    before = snapshot(run.path)
    tuneset.prepare(EXAMPLES / "customer_intent.csv", out=run.path, watch=lambda event: kinds.append(event.kind))
    assert kinds == ["start", "unchanged"] * 7
    assert snapshot(run.path) == before


def test_a_run_folder_can_be_brought_up_to_date_by_its_own_name(run):
    kinds = []
    tuneset.prepare(run.path, watch=lambda event: kinds.append(event.kind))
    assert kinds == ["start", "unchanged"] * 7


def test_a_folder_of_another_input_is_refused(run, tmp_path):
    with pytest.raises(TunesetError, match="made from") as caught:
        tuneset.prepare(EXAMPLES / "customer_intent_messy.csv", out=run.path)
    assert "--out" in caught.value.hint


def test_a_folder_that_holds_other_things_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(TunesetError, match="other things"):
        tuneset.prepare(EXAMPLES / "customer_intent.csv", out=tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def write(path, rows):
    pl.DataFrame(rows).write_csv(path)


def sides(dataset):
    return dict(dataset.examples().select("id", "side").iter_rows())


def test_later_runs_keep_every_side_when_rows_come_and_go(tmp_path):
    rows = paraphrased(100)
    write(tmp_path / "in.csv", rows)
    first = sides(tuneset.prepare(tmp_path / "in.csv", out=tmp_path / "out"))
    write(tmp_path / "in.csv", rows[:80] + paraphrased(60, seed=1))
    second = sides(tuneset.prepare(tmp_path / "in.csv", out=tmp_path / "out"))
    assert all(second[row] == side for row, side in first.items() if row in second)
    assert len(second) == 140
    assert 0.19 <= np.mean([side == "validation" for side in second.values()]) <= 0.21
    write(tmp_path / "in.csv", rows)
    third = sides(tuneset.prepare(tmp_path / "in.csv", out=tmp_path / "out"))
    assert third == first


def test_resplit_draws_anew_and_previous_takes_another_runs_sides(tmp_path):
    rows = paraphrased(100)
    write(tmp_path / "in.csv", rows)
    first = sides(tuneset.prepare(tmp_path / "in.csv", out=tmp_path / "one"))
    other = sides(tuneset.prepare(tmp_path / "in.csv", out=tmp_path / "two", seed=7))
    assert other != first
    kept = sides(tuneset.prepare(tmp_path / "in.csv", out=tmp_path / "three", seed=7, previous=tmp_path / "one"))
    assert kept == first
    assert sides(tuneset.prepare(tmp_path / "one", seed=7)) == first
    assert sides(tuneset.prepare(tmp_path / "one", seed=7, resplit=True)) == other


def test_a_new_row_that_would_tie_the_sides_is_dropped(tmp_path):
    long = "the quick brown fox jumps over the lazy dog near the old river bank tonight"
    rows = paraphrased(40)
    rows += [{"inquiry": f"{long} aaaa bbbb cccc dddd", "category": "c0"}] * 1
    rows += [{"inquiry": f"{long} wwww xxxx yyyy zzzz", "category": "c0"}] * 1
    write(tmp_path / "in.csv", rows)
    for seed in range(40):
        first = tuneset.prepare(tmp_path / "in.csv", out=tmp_path / f"out{seed}", seed=seed)
        placed = first.examples().filter(pl.col("text").str.starts_with("the quick"))
        if placed["side"].n_unique() == 2:
            break
    assert placed["side"].n_unique() == 2
    write(tmp_path / "in.csv", [*rows, {"inquiry": f"{long} aaaa bbbb yyyy zzzz", "category": "c0"}])
    second = tuneset.prepare(tmp_path / "in.csv", out=first.path)
    assert second.fates().filter(pl.col("rule") == "bridges-splits").height == 1
    assert second.summary["certificate"]["pairs_across"] == 0


def test_rejecting_a_finding_takes_effect_in_the_next_run(tmp_path):
    rows = [*paraphrased(30), {"inquiry": "caf\u00c3\u00a9 order", "category": "c0"}]
    write(tmp_path / "in.csv", rows)
    run = tuneset.prepare(tmp_path / "in.csv", out=tmp_path / "out")
    assert "café order" in run.examples()["text"].to_list()
    finding = run.findings("encoding-damage")["id"][0]
    run.decide(finding[:10], "reject", why="spelled so on purpose")
    run = tuneset.prepare(run.path)
    assert "caf\u00c3\u00a9 order" in run.examples()["text"].to_list()
    assert run.findings("encoding-damage")["state"].to_list() == ["overruled"]
    run.decide(finding, "edit", after="coffee order")
    assert "coffee order" in tuneset.prepare(run.path).examples()["text"].to_list()


def test_a_conflict_is_settled_by_a_persons_label(tmp_path):
    rows = [
        *paraphrased(30),
        {"inquiry": "where is it", "category": "c0"},
        {"inquiry": "Where is it", "category": "c1"},
    ]
    write(tmp_path / "in.csv", rows)
    run = tuneset.prepare(tmp_path / "in.csv", out=tmp_path / "out")
    found = run.findings("conflicting-label")
    assert found["state"].to_list() == ["waiting", "waiting"]
    wrong = found.filter(pl.col("text") == "Where is it")["id"][0]
    run.decide(wrong, "edit", after='{"category": "c0"}')
    run = tuneset.prepare(run.path)
    pair = run.examples().filter(pl.col("text").str.to_lowercase() == "where is it")
    assert set(pair["label"]) == {'{"category": "c0"}'}
    assert pair["side"].n_unique() == 1
    assert sorted(run.findings("conflicting-label")["state"]) == ["applied", "settled"]


@pytest.mark.parametrize(
    ("verdicts", "left"), [(["accept"], 0), (["reject"], 1), (["reject", "accept"], 0), (["reject", "reject"], 0)]
)
def test_a_conflict_that_a_person_has_settled_is_no_longer_asked_about(tmp_path, verdicts, left):
    twins = [{"inquiry": "where is it", "category": name} for name in ("c0", "c1")]
    write(tmp_path / "in.csv", [*paraphrased(30), *twins])
    run = tuneset.prepare(tmp_path / "in.csv", out=tmp_path / "out")
    assert run.summary["verdict"]["reasons"][0].startswith("2 examples with a twin that has another label")
    for finding, verdict in zip(run.findings("conflicting-label")["id"], verdicts, strict=False):
        run.decide(finding, verdict)
    run = tuneset.prepare(run.path)
    waiting = {each["rule"]: each["waiting"] for each in run.summary["rules"]}
    assert waiting["conflicting-label"] == (run.findings("conflicting-label")["state"] == "waiting").sum() == left
    told = [*run.summary["verdict"]["reasons"], *(each["words"] for each in run.summary["next"])]
    assert any("twin that has another label" in words for words in told) is bool(left)
    assert run.summary["balance"]["kept"] == 32 - verdicts.count("accept")


def test_an_example_that_was_given_its_label_is_no_longer_asked_for(tmp_path):
    write(tmp_path / "in.csv", [*paraphrased(30), {"inquiry": "where is it", "category": None}])
    run = tuneset.prepare(tmp_path / "in.csv", out=tmp_path / "out")
    words = "Label 1 example without an answer"
    assert words in [each["words"] for each in run.summary["next"]]
    run.decide(run.findings("missing-label")["id"][0], "edit", after='{"category": "c0"}')
    assert words not in [each["words"] for each in tuneset.prepare(run.path).summary["next"]]


def test_accepting_a_near_duplicate_merges_it(tmp_path):
    rows = [*paraphrased(30), *({"inquiry": f"when will my new card arrive{end}", "category": "c0"} for end in "?!")]
    rows[-1]["inquiry"] = "when will my new card arive?"
    write(tmp_path / "in.csv", rows)
    run = tuneset.prepare(tmp_path / "in.csv", out=tmp_path / "out")
    finding = run.findings("near-duplicate")["id"][0]
    assert run.summary["balance"]["merged"] == 0
    run.decide(finding, "accept")
    assert tuneset.prepare(run.path).summary["balance"]["merged"] == 1


def test_a_row_that_is_mended_in_the_source_keeps_its_side(tmp_path):
    rows = paraphrased(100)
    write(tmp_path / "in.csv", [row | {"inquiry": f"<p>{row['inquiry']}</p>"} for row in rows[:50]] + rows[50:])
    first = tuneset.prepare(tmp_path / "in.csv", out=tmp_path / "out").examples()
    write(tmp_path / "in.csv", rows)
    second = tuneset.prepare(tmp_path / "in.csv", out=tmp_path / "out").examples()
    assert dict(second.select("text", "side").iter_rows()) == dict(first.select("text", "side").iter_rows())


def test_a_missing_label_is_given_by_a_person(tmp_path):
    write(tmp_path / "in.csv", [*paraphrased(30), {"inquiry": "where is it", "category": None}])
    run = tuneset.prepare(tmp_path / "in.csv", out=tmp_path / "out")
    finding = run.findings("missing-label")["id"][0]
    for verdict, after in (("reject", None), ("edit", '{"kind": "c0"}'), ("edit", "c0")):
        with pytest.raises(TunesetError):
            run.decide(finding, verdict, after=after)
    run.decide(finding, "edit", after='{"category": "c0"}')
    given = tuneset.prepare(run.path).examples().filter(text="where is it")
    assert given["label"].to_list() == ['{"category": "c0"}']


def test_another_share_is_drawn_only_when_it_is_asked_for(tmp_path):
    write(tmp_path / "in.csv", paraphrased(100))
    first = tuneset.prepare(tmp_path / "in.csv", out=tmp_path / "out")
    second = tuneset.prepare(tmp_path / "in.csv", out=tmp_path / "out", validation=0.4)
    assert sides(second) == sides(first)
    assert any("--resplit" in action["command"] for action in second.summary["next"])
    assert tuneset.prepare(first.path, resplit=True).summary["sides"]["validation"] == 40


def test_near_duplicates_are_merged_where_the_recipe_says_so(tmp_path):
    rows = [
        *paraphrased(30),
        *({"inquiry": f"when will my new card {verb}?", "category": "c0"} for verb in ("arrive", "arive")),
    ]
    write(tmp_path / "in.csv", rows)
    plan = '[[sources]]\npaths = ["%s"]\n[dedupe.near-duplicate]\ndrop = true\n' % (tmp_path / "in.csv")
    (tmp_path / "recipe.toml").write_text('[dedupe]\nsteps = ["exact-duplicate", "near-duplicate"]\n' + plan)
    run = tuneset.prepare(tmp_path / "recipe.toml", out=tmp_path / "out")
    assert run.summary["balance"]["merged"] == 1
    gone = run.fates().filter(pl.col("fate") == "merged")
    assert gone["rule"].to_list() == ["near-duplicate"]


def test_a_recipe_for_another_input_is_refused_in_a_run_folder(tmp_path):
    for name in ("one", "two"):
        write(tmp_path / f"{name}.csv", paraphrased(30))
    tuneset.prepare(tmp_path / "one.csv", out=tmp_path / "out")
    (tmp_path / "recipe.toml").write_text(f'[[sources]]\npaths = ["{tmp_path / "two.csv"}"]\n')
    with pytest.raises(TunesetError, match="made from"):
        tuneset.prepare(tmp_path / "recipe.toml", out=tmp_path / "out")


def test_groups_named_by_the_user_stay_on_one_side(tmp_path):
    rows = [row | {"customer": f"k{number // 3}"} for number, row in enumerate(paraphrased(120))]
    write(tmp_path / "in.csv", rows)
    run = tuneset.prepare(tmp_path / "in.csv", out=tmp_path / "out", group="customer")
    placed = run.examples().with_columns(customer=pl.col("extra").str.json_path_match("$.customer"))
    customer = pl.col("groups").list.first()
    assert run.examples().group_by(customer).agg(pl.col("side").n_unique())["side"].max() == 1
    assert run.summary["certificate"]["lineage"] == "known"
    assert placed.height == 120


def test_the_recipe_says_which_lineage_ties(tmp_path):
    rows = [row | {"customer": f"k{number // 3}", "shop": "one"} for number, row in enumerate(paraphrased(60))]
    write(tmp_path / "in.csv", rows)
    source = f'[[sources]]\npaths = ["{tmp_path / "in.csv"}"]\ngroups = ["customer", "shop"]\n'
    for name, tie, groups in (("all", "", 1), ("some", '[split]\ntie = ["customer"]\n', 20)):
        (tmp_path / f"{name}.toml").write_text(tie + source)
        run = tuneset.prepare(tmp_path / f"{name}.toml", out=tmp_path / name)
        assert run.summary["split"]["groups"] == groups


def test_a_test_side_is_written_where_it_is_asked_for(tmp_path):
    write(tmp_path / "in.csv", paraphrased(200))
    run = tuneset.prepare(tmp_path / "in.csv", out=tmp_path / "out", test=0.1)
    assert run.summary["sides"] == {"train": 140, "validation": 40, "test": 20}
    assert len(lines(run.path / "test.jsonl")) == 20


@pytest.mark.parametrize("make", [lambda t: t, lambda t: t.lazy(), lambda t: t.to_pandas(), lambda t: t.to_arrow()])
def test_tables_from_python_give_the_same_sides(make, tmp_path):
    table = pl.DataFrame(paraphrased(60))
    run = tuneset.prepare(make(table), out=tmp_path / "out")
    assert run.summary["balance"]["kept"] == 60
    plain = tuneset.prepare(table, out=tmp_path / "plain")
    assert set(run.examples("validation")["text"]) == set(plain.examples("validation")["text"])


def test_conversations_are_first_class(tmp_path):
    rows = [
        {
            "messages": [
                {"role": "system", "content": "Be kind."},
                {"role": "user", "content": row["inquiry"]},
                {"role": "assistant", "content": f"answer {number}"},
            ]
        }
        for number, row in enumerate(paraphrased(50))
    ]
    path = tmp_path / "chat.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    run = tuneset.prepare(path)
    assert run.path == tmp_path / "chat-tuneset"
    assert run.summary["task"] == "chat"
    assert sum(run.summary["sides"].values()) == 50
    written = lines(run.path / "train.jsonl") + lines(run.path / "validation.jsonl")
    assert sorted(map(json.dumps, written)) == sorted(map(json.dumps, rows))


def test_the_answer_can_take_another_shape(tmp_path):
    write(tmp_path / "in.csv", paraphrased(40))
    run = tuneset.prepare(tmp_path / "in.csv", out=tmp_path / "out", answer="{category}", system="Name the category.")
    first = lines(run.path / "train.jsonl")[0]["messages"]
    assert first[0]["content"] == "Name the category."
    assert first[2]["content"] in {"c0", "c1", "c2", "c3"}


def test_one_class_only_fails_the_gate(tmp_path):
    write(tmp_path / "in.csv", [row | {"category": "c0"} for row in paraphrased(40)])
    verdict = tuneset.prepare(tmp_path / "in.csv", out=tmp_path / "out").summary["verdict"]
    assert verdict["level"] == "not-ready"
    assert any("one class" in reason for reason in verdict["reasons"])


def test_a_set_where_every_row_is_the_same_says_so_and_loses_nothing(tmp_path):
    write(tmp_path / "in.csv", [{"inquiry": "hello there", "category": "c0"}] * 30)
    summary = tuneset.prepare(tmp_path / "in.csv", text="inquiry", label="category", out=tmp_path / "out").summary
    assert summary["balance"] == {"in": 30, "kept": 1, "dropped": 0, "merged": 29}
    assert summary["verdict"]["level"] == "not-ready"


def test_a_source_that_is_gone_is_said_and_what_was_read_before_is_used(tmp_path):
    one, two = tmp_path / "one.csv", tmp_path / "two.csv"
    write(one, paraphrased(40))
    write(two, paraphrased(40, seed=1))
    first = tuneset.prepare([one, two], out=tmp_path / "out")
    before = sides(first)
    two.unlink()
    events = []
    again = tuneset.prepare(first.path, watch=events.append)
    assert sides(again) == before
    assert [event.kind for event in events if event.kind != "start"] == ["gone"] + ["unchanged"] * 6
    assert f"{two} is gone; what was read before is used" in again.summary["said"]
    with pytest.raises(TunesetError, match="no such file"):
        tuneset.prepare([one, two], out=tmp_path / "out")


def test_conversations_have_no_classes_to_be_uneven(tmp_path):
    rows = [
        {
            "messages": [
                {"role": "user", "content": row["inquiry"]},
                {"role": "assistant", "content": f"answer {number}"},
            ]
        }
        for number, row in enumerate(paraphrased(6))
    ]
    (tmp_path / "chat.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    reasons = " ".join(tuneset.prepare(tmp_path / "chat.jsonl").summary["verdict"]["reasons"])
    assert "of examples (by source, turns and length)" in reasons
    assert "class" not in reasons


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (["category", "sub_category"], "into a category and sub-category and"),
        (["intent"], "into an intent and"),
        (["user_type"], "into a user-type and"),
        (["status"], "into a status and"),
        (["class"], "into a class and"),
        (["labels"], "by labels and"),
        (["it's label"], 'by "it\'s label" and'),
        (["Ticket Type", "level_1"], "into a ticket type and level-1 and"),
        (["\u7c7b\u522b"], 'by "\u7c7b\u522b" and'),
        (["a", "b", "c"], 'by "a", "b" and "c" and'),
    ],
)
def test_the_instruction_reads_well_whatever_the_labels_are_called(labels, words):
    assert instruction(labels) == f"Classify the user message {words} output the result as JSON."


STEP = """
import dataclasses
import polars as pl
@dataclasses.dataclass(frozen=True)
class Shortest:
    '''Drop short texts.'''
    rule = "shortest"
    scope = "example"
    def __call__(self, examples):
        short = examples.filter(pl.col("text").str.len_chars() < LIMIT)
        return short.select(rule=pl.lit("shortest"), example="id", action=pl.lit("drop"), says=pl.lit("short"))
"""
PLAN = """
[clean]
steps = ["shortest"]
[clean.shortest]
use = "my_shortest:Shortest"
[[sources]]
paths = ["in.csv"]
"""


def test_a_step_of_ones_own_that_was_edited_runs_again(tmp_path):
    short = [{"inquiry": text, "category": "c0"} for text in ("hi", "hello you")]
    write(tmp_path / "in.csv", paraphrased(30) + short)
    (tmp_path / "recipe.toml").write_text(PLAN)
    script = "import sys, tuneset; print(tuneset.prepare(sys.argv[1]).summary['balance']['dropped'])"
    dropped = []
    for limit, given in ((5, "recipe.toml"), (5, "recipe-tuneset"), (15, "recipe-tuneset")):
        (tmp_path / "my_shortest.py").write_text(STEP.replace("LIMIT", str(limit)))
        words = [sys.executable, "-B", "-c", script, given]
        dropped.append(int(subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True).stdout))
    assert dropped == [1, 1, 2]
