"""Reviewing a run without a browser: what is asked in which order, what an answer does, and who may answer."""

import json
import re
import shutil
import subprocess
import sys

import polars as pl
import pytest
import review_run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tuneset
from tuneset import Dataset
from tuneset.errors import TunesetError
from tuneset.review import queue
from tuneset.review.decisions import append, decide
from tuneset.review.queue import Filters
from tuneset.web.review import Review


@pytest.fixture(scope="session")
def prepared(tmp_path_factory):
    return review_run.prepared(tmp_path_factory.mktemp("review") / "run").path


@pytest.fixture
def run(prepared, tmp_path):
    shutil.copytree(prepared, tmp_path / "run")
    return Dataset.open(tmp_path / "run")


@pytest.fixture(scope="module")
def only_read(prepared):
    return queue.read(Dataset.open(prepared))


def one(read, rule, row=0):
    return queue.waiting(read, Filters(rule=rule)).row(row, named=True)


# --- the queue


def test_labels_come_first_and_the_nearest_to_its_threshold_within_a_rule(only_read):
    waiting = queue.waiting(only_read)
    rules = list(dict.fromkeys(waiting["rule"]))
    assert rules[:2] == ["conflicting-label", "label-error"]
    assert rules.index("typo") < rules.index("near-duplicate") < rules.index("irrelevant")  # as the stages
    for rule in rules:
        scores = waiting.filter(rule=rule)["score"].fill_null(0).to_list()
        assert scores == sorted(scores), rule  # none of them acts by itself here, so the lowest score is the threshold
    assert (waiting["state"] == "waiting").all()


def test_where_a_rule_acts_by_itself_what_is_nearest_to_that_comes_first(tmp_path):
    made = [("a b", "odd", 0.2, "on-accept"), ("c d", "odd", 0.5, "on-accept"), ("e f", "odd", 0.9, "default")]
    made += [("g h", "odd", 0.6, "on-accept"), ("i j", "odd", 0.7, "default")]
    rows = pl.DataFrame(
        {
            "rule": [rule for _, rule, _, _ in made],
            "score": [score for _, _, score, _ in made],
            "when": [when for _, _, _, when in made],
            "action": "drop",
        }
    )
    near = rows.with_columns(distance=queue.distance()).sort("distance")
    assert near.filter(when="on-accept")["score"].to_list() == [0.6, 0.5, 0.2]


def test_filters_leave_what_fits_and_what_was_skipped_comes_last(only_read):
    typo = one(only_read, "typo")
    assert set(queue.waiting(only_read, Filters(rule="typo"))["rule"]) == {"typo"}
    assert set(queue.waiting(only_read, Filters(label=typo["label"]))["label"]) == {typo["label"]}
    assert queue.waiting(only_read, Filters(source="nobody")).is_empty()
    ids = queue.waiting(only_read)["id"].to_list()
    assert queue.waiting(only_read, skipped=[ids[0], ids[3]])["id"].to_list() == [
        *(each for each in ids if each not in (ids[0], ids[3])),
        ids[0],
        ids[3],
    ]


def test_alike_are_edits_of_the_same_words_and_no_others(only_read):
    typo = queue.waiting(only_read).filter(pl.col("says").str.contains('"recieve"')).row(0, named=True)
    alike = queue.alike(only_read, typo, "accept")
    assert alike.height == len(review_run.TYPOS)
    assert set(alike["says"]) == {'"recieve" is probably "receive"'}
    assert queue.alike(only_read, typo, "reject").height == alike.height


def test_alike_without_an_edit_is_what_a_rule_says_in_the_same_words_and_is_surer_of(only_read):
    near = one(only_read, "near-duplicate", 5)
    yes, no = (queue.alike(only_read, near, verdict) for verdict in ("accept", "reject"))
    assert yes["score"].min() == near["score"] == no["score"].max()
    assert near["id"] in yes["id"]
    assert near["id"] in no["id"]
    assert {re.sub(r"\d+", "#", said) for said in yes["says"]} == {re.sub(r"\d+", "#", near["says"])}


def test_the_labels_to_choose_from_are_those_of_the_twins_each_once(only_read):
    conflict = one(only_read, "conflicting-label")
    offered = queue.choices(conflict, queue.twins(only_read, conflict))
    assert conflict["labels"] in offered
    assert len(offered) == len(set(offered)) == 2
    assert queue.choices(one(only_read, "typo"), []) == []


# --- answers


def test_an_answer_takes_effect_when_the_run_is_prepared_again(run):
    read = queue.read(run)
    typo, near = one(read, "typo"), one(read, "irrelevant")
    review = Review(run, "ann")
    review.answer(read.findings.filter(id=typo["id"]), "accept")
    review.answer(read.findings.filter(id=near["id"]), "drop")
    again = tuneset.prepare(run.path)
    texts = again.examples().filter(id=typo["example"])["text"].to_list()
    assert texts == [typo["after"]]
    fate = again.fates().filter(id=near["example"]).row(0, named=True)
    assert (fate["fate"], fate["rule"]) == ("dropped", "irrelevant")
    balance = again.summary["balance"]
    assert balance["in"] == balance["kept"] + balance["dropped"] + balance["merged"]
    assert {row["by"] for row in map(json.loads, (run.path / "decisions.jsonl").read_text().splitlines())} == {"ann"}


def test_what_a_person_drops_over_a_finding_that_names_likenesses_is_not_merged_into_one(run):
    read = queue.read(run)
    near = queue.waiting(read, Filters(rule="near-duplicate")).filter(action="none").row(0, named=True)
    decide(run.path, read.findings.filter(id=near["id"]), "drop")
    fate = tuneset.prepare(run.path).fates().filter(id=near["example"]).row(0, named=True)
    assert (fate["fate"], fate["twin"]) == ("dropped", None)


def test_answering_one_side_of_a_conflict_settles_the_other(run):
    read = queue.read(run)
    first = one(read, "conflicting-label")
    other = read.findings.filter(
        (pl.col("rule") == "conflicting-label") & (pl.col("example") == first["others"][0])
    ).row(0, named=True)
    twin = queue.twins(read, first)[0]
    decide(run.path, read.findings.filter(id=first["id"]), "edit", after=twin["labels"])
    after = queue.answered(read, run.folder.decisions())
    states = dict(after.findings.select("id", "state").iter_rows())
    assert (states[first["id"]], states[other["id"]]) == ("applied", "settled")


def test_undo_gives_back_the_answer_that_was_there_before(run):
    review = Review(run)
    typo = one(review.queue, "typo")
    rows = review.queue.findings.filter(id=typo["id"])
    review.answer(rows, "accept")
    review.answer(rows, "reject")
    assert review.finding(typo["id"])["state"] == "overruled"
    assert review.undo() == typo["id"]
    assert review.finding(typo["id"])["state"] == "applied"
    review.undo()
    assert review.finding(typo["id"])["state"] == "waiting"
    assert review.undo() == ""


def test_one_undo_takes_back_all_that_were_answered_alike_and_a_skip_too(run):
    review = Review(run)
    before = queue.waiting(review.queue)["id"].to_list()
    rows = queue.alike(review.queue, one(review.queue, "near-duplicate", 5), "accept")
    review.answer(rows, "accept")
    review.skip(before[0])
    assert queue.waiting(review.queue).height == len(before) - rows.height
    assert review.undo() == before[0]
    assert review.undo() in rows["id"]
    assert queue.waiting(review.queue, skipped=review.skipped)["id"].to_list() == before


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(0, 30), st.sampled_from(["accept", "reject", "drop", "undo", "skip"])), max_size=12)
)
def test_undoing_every_act_leaves_the_run_as_it_was(run, acts):
    (run.path / "decisions.jsonl").unlink(missing_ok=True)
    review = Review(run)
    found = review.queue.findings
    before = found.select("id", "state").rows()
    for place, verdict in acts:
        if verdict == "undo":
            review.undo()
        elif verdict == "skip":
            review.skip(found["id"][place])
        else:
            review.answer(found[place : place + 1], verdict)
    while review.acts:
        review.undo()
    assert review.queue.findings.select("id", "state").rows() == before
    settled = Dataset.open(run.path).findings().select("id", "state").sort("id").rows()
    assert settled == sorted(before)


def test_answers_of_somebody_else_are_seen_and_so_is_a_run_that_was_prepared_again(run):
    review = Review(run)
    typo = one(review.queue, "typo")
    run.decide(typo["id"], "reject")
    assert review.finding(typo["id"])["state"] == "overruled"
    tuneset.prepare(run.path)
    assert review.finding(typo["id"])["state"] == "overruled"


@pytest.mark.parametrize(
    ("rule", "answer", "says"),
    [
        ("typo", ("maybe", None), "unknown verdict"),
        ("typo", ("edit", None), "needs the new value"),
        ("conflicting-label", ("edit", "no json"), "not JSON"),
        ("conflicting-label", ("edit", "[1]"), "not the right shape"),
        ("conflicting-label", ("edit", '{"other": "x"}'), "not the label columns"),
    ],
)
def test_an_answer_that_cannot_be_carried_out_writes_nothing(run, only_read, rule, answer, says):
    verdict, after = answer
    rows = only_read.findings.filter(rule=rule)
    with pytest.raises(TunesetError, match=says):
        decide(run.path, rows, verdict, after=after)
    assert not (run.path / "decisions.jsonl").exists()


def test_a_line_that_a_kill_cut_off_is_neither_read_nor_glued_to_the_next(run, only_read):
    path = run.path / "decisions.jsonl"
    rows = only_read.findings.filter(rule="typo")
    decide(run.path, rows[:2], "accept")
    whole = path.read_bytes()
    path.write_bytes(whole[:-40])
    assert run.folder.decisions().height == 1
    decide(run.path, rows[2:3], "reject")
    assert run.folder.decisions()["finding"].to_list() == [rows["id"][0], rows["id"][2]]
    path.write_bytes(whole.removesuffix(b"\n"))  # an editor left the last line open
    decide(run.path, rows[2:3], "reject")
    assert run.folder.decisions().height == 3
    path.write_bytes(whole[:-40] + b"\n")  # but a whole line that is wrong is somebody's mistake
    with pytest.raises(TunesetError, match="a decision cannot be read"):
        run.folder.decisions()


WRITER = """
import sys, polars as pl
from pathlib import Path
from tuneset.review.decisions import append
for number in range(200):
    append(Path(sys.argv[1]), [dict.fromkeys(("verdict", "after", "saw", "why", "time")) | {"finding": f"{number}", "by": sys.argv[2]}] * 3)
    print(number, flush=True)
"""


def test_several_who_answer_at_once_lose_nothing_and_a_kill_loses_no_answer_that_was_given(tmp_path):
    path = tmp_path / "decisions.jsonl"
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path), name], stdout=subprocess.PIPE, text=True)
        for name in "abcd"
    ]
    for _ in range(60):
        last = int(writers[0].stdout.readline())
    writers[0].kill()
    said = max([last, *map(int, writers[0].stdout.read().split())])
    for writer in writers[1:]:
        writer.communicate(timeout=60)
    writers[0].communicate()
    append(path, [dict.fromkeys(("verdict", "after", "saw", "why", "time")) | {"finding": "end", "by": "a"}])
    rows = [json.loads(line) for line in path.read_bytes().splitlines()]
    for name in "bcd":
        assert sum(row["by"] == name for row in rows) == 600
    assert sum(row["by"] == "a" for row in rows) >= 3 * (said + 1) + 1
