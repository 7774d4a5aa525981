"""Rows that do not belong: what stands out, what is left to other rules, and that nothing hangs on the order of rows."""

import json
import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuneset import step
from tuneset.judge import relevance, standing
from tuneset.judge.relevance import FarCluster, Irrelevant, scores
from tuneset.judge.view import Labels, View, labels, view
from tuneset.testing import check_step, examples

SIZE = 24
DATA = Path(os.environ.get("TUNESET_DATA", Path(__file__).parents[2] / "shared" / "data"))


def around(rng, centre, rows, spread=0.5):
    drawn = centre + spread * rng.normal(size=(rows, SIZE)) / np.sqrt(SIZE)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def axis(number):
    return np.eye(SIZE)[number]


def table(parts, **columns):
    """Rows with these vectors: (label, vectors) each."""
    vectors = np.concatenate([vectors for _, vectors in parts]).astype(np.float32)
    named = [label for label, vectors in parts for _ in range(len(vectors))]
    rows = examples([{"text": f"row {number}", "label": label} for number, label in enumerate(named)])
    given = {"side": np.full(len(named), "train"), "group": np.arange(len(named)), **columns}
    return rows.with_columns(
        *(pl.Series(name, value) for name, value in given.items()),
        vector=pl.Series(vectors, dtype=pl.Array(pl.Float32, SIZE)),
    )


def two_labels(seed=0, rows=30):
    rng = np.random.default_rng(seed)
    return [("a", around(rng, axis(0), rows)), ("b", around(rng, axis(1), rows))]


def found(rule, rows):
    said = step.run(rule, rows)
    place = dict(zip(rows["id"], range(rows.height), strict=True))
    return sorted(place[each] for each in said["example"]), said


@pytest.mark.parametrize("rule", [Irrelevant(), FarCluster(), Irrelevant(nearer=0.5, fence=3), FarCluster(most=4)])
def test_the_steps_keep_what_they_promise(rule):
    check_step(rule)


# --- irrelevant rows


def test_a_row_unlike_its_label_and_every_other_is_flagged_with_its_nearest_rows():
    rows = table([*two_labels(), ("a", axis(5)[None])])
    places, said = found(Irrelevant(), rows)
    assert places == [60]
    finding = said.row(0, named=True)
    assert (finding["action"], len(finding["others"])) == ("none", 5)
    assert finding["says"].startswith("unlike the other rows labelled a (similarity 0.")
    assert rows["id"][60] not in finding["others"]


def test_a_row_that_would_do_well_under_another_label_is_left_to_the_label_audit():
    rng = np.random.default_rng(1)
    rows = table([*two_labels(), ("a", around(rng, axis(1), 1))])
    whole = view(rows)
    assert found(Irrelevant(), rows)[0] == []
    assert int(scores(whole, labels(rows)[0]).argmax()) == 60  # the ranking has it first all the same


def test_a_copy_of_a_strange_row_does_not_hide_it():
    strange = np.repeat(axis(5)[None], 2, axis=0)
    rows = table([*two_labels(), ("a", strange)], group=[*range(60), 60, 60])
    assert found(Irrelevant(), rows)[0] == [60, 61]
    apart = table([*two_labels(), ("a", strange)])
    whole, together = view(apart), view(rows)
    assert (scores(together, labels(rows)[0])[60:] > scores(whole, labels(apart)[0])[60:]).all()


def test_validation_rows_are_judged_and_speak_for_nobody():
    rng = np.random.default_rng(2)
    parts = [*two_labels(), ("a", around(rng, axis(5), 6, 0.1))]
    sides = ["train"] * 60 + ["validation"] * 6
    places = found(Irrelevant(), table(parts, side=sides))[0]
    assert set(places) <= set(range(60, 66))
    assert len(places) >= 4  # on the train side they would vouch for one another, and none be flagged
    assert found(Irrelevant(), table(parts))[0] == []
    nearest = step.run(Irrelevant(), table(parts, side=sides))["others"].explode()
    validation = table(parts, side=sides).filter(pl.col("side") == "validation")["id"]
    assert not nearest.is_in(validation.implode()).any()


def test_without_labels_a_row_unlike_all_others_is_flagged():
    rows = table([*two_labels(), ("a", axis(5)[None])])
    bare = rows.with_columns(label=pl.lit(None, pl.String), labels=pl.lit(None, pl.String))
    places, said = found(Irrelevant(), bare)
    assert places == [60]
    assert said["says"][0].startswith("nothing in the set is like it (similarity 0.")


def test_labels_with_too_few_rows_are_not_judged():
    rng = np.random.default_rng(3)
    rows = table([*two_labels(), ("rare", around(rng, axis(6), 5))])
    assert found(Irrelevant(), rows)[0] == []
    assert (scores(view(rows), labels(rows)[0])[60:] == 0).all()


def test_rows_with_nothing_to_see_are_left_to_other_rules():
    rows = table([*two_labels(), ("a", np.zeros((3, SIZE)))])
    assert found(Irrelevant(), rows)[0] == []
    assert found(FarCluster(), rows)[0] == []


def test_the_finest_label_column_that_can_be_judged_is_chosen():
    rows = table([*two_labels(), ("a", axis(5)[None])])
    written = [
        json.dumps({"whole": "x", "part": "a" if number < 30 else "b", "each": f"{number}"}) for number in range(61)
    ]
    rows = rows.with_columns(labels=pl.Series(written))
    assert standing.finest(view(rows), labels(rows)).column == "part"


def test_a_set_whose_labels_are_all_different_is_judged_as_one_without_labels():
    rows = table([*two_labels(), ("a", axis(5)[None])])
    rows = rows.with_columns(labels=pl.Series([json.dumps({"answer": f"{number}"}) for number in range(61)]))
    places, said = found(Irrelevant(), rows)
    assert places == [60]
    assert said["says"][0].startswith("nothing in the set")


def test_what_the_others_leave_unexplained_is_what_a_fit_without_the_group_says():
    rng = np.random.default_rng(4)
    vectors = np.concatenate([around(rng, axis(0), 12), around(rng, axis(0), 3)]).astype(np.float32)
    groups = np.array([0, 0, 0, *range(1, 10), 11, 12, 1])
    seen = View(pl.DataFrame(), vectors, np.ones(15, bool), groups)
    drawn = np.arange(12)
    left, like = standing.against(seen, np.arange(15), drawn)
    for row in range(15):
        rest = drawn[groups[drawn] != groups[row]]
        kernel = vectors[rest] @ vectors[rest].T + standing.PENALTY * np.eye(len(rest))
        across = vectors[row] @ vectors[rest].T
        assert left[row] == pytest.approx(1 - across @ np.linalg.solve(kernel, across), abs=1e-5)
        assert like[row] == pytest.approx(np.sort(across)[-5:].clip(0).mean(), abs=1e-6)


def test_parts_do_not_change_what_is_said(monkeypatch):
    rows = table([*two_labels(), ("a", axis(5)[None])]).with_columns(labels=pl.lit(None, pl.String))
    whole = step.run(Irrelevant(), rows)
    monkeypatch.setattr(standing, "CELLS", 700)
    assert step.run(Irrelevant(), rows).equals(whole)


# --- clusters


def with_cluster(rows=5, label="a", **columns):
    rng = np.random.default_rng(5)
    return table([*two_labels(), (label, around(rng, axis(7), rows, 0.3))], **columns)


def test_a_few_rows_of_their_own_are_found_and_name_each_other():
    rows = with_cluster()
    places, said = found(FarCluster(), rows)
    assert places == list(range(60, 65))
    assert said["says"].unique().to_list() == [
        "5 rows are like each other and unlike the rest of the set: do they belong to it?"
    ]
    for example, others in said.select("example", "others").iter_rows():
        assert sorted([example, *others]) == sorted(rows["id"][60:])
    assert found(Irrelevant(), rows)[0] == []  # one by one they have company


def test_a_cluster_whose_rows_have_several_labels_is_one_cluster():
    rows = with_cluster(4)
    names = ["a"] * 30 + ["b"] * 30 + ["a", "b", "a", "b"]
    rows = rows.with_columns(
        label=pl.Series(names), labels=pl.Series([json.dumps({"category": name}) for name in names])
    )
    assert found(FarCluster(), rows)[0] == list(range(60, 64))


def test_a_cluster_that_is_a_label_of_its_own_is_a_thin_label():
    assert found(FarCluster(), with_cluster(8, "c"))[0] == []


def test_copies_of_one_text_are_not_a_cluster():
    assert found(FarCluster(), with_cluster(5, group=[*range(60), *([60] * 5)]))[0] == []


def test_a_cluster_of_more_rows_than_that_is_a_topic():
    assert found(FarCluster(most=4), with_cluster(5))[0] == []


def test_clusters_are_found_without_labels_too():
    bare = with_cluster().with_columns(label=pl.lit(None, pl.String), labels=pl.lit(None, pl.String))
    assert found(FarCluster(), bare)[0] == list(range(60, 65))


def test_in_a_large_set_only_the_rows_that_the_crowd_is_least_like_are_tied(monkeypatch):
    monkeypatch.setattr(standing, "SAMPLE", 40)
    assert found(FarCluster(), with_cluster())[0] == list(range(60, 65))


# --- both


@settings(max_examples=15, deadline=None)
@given(st.permutations(list(range(66))))
def test_findings_do_not_depend_on_the_order_of_the_rows(order):
    rng = np.random.default_rng(6)
    rows = table([*two_labels(), ("a", around(rng, axis(7), 5, 0.3)), ("b", axis(5)[None])])
    for rule in (Irrelevant(), FarCluster()):
        expected, said = step.run(rule, rows).sort("id"), step.run(rule, rows[order]).sort("id")
        assert said.equals(expected)
        assert not said.is_empty()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 40), st.integers(0, 2**16), st.sampled_from(["a", "b", None]), st.booleans())
def test_any_small_set_is_judged_without_trouble(rows, seed, label, train):
    rng = np.random.default_rng(seed)
    vectors = around(rng, axis(0), rows, 3.0) * (rng.random((rows, 1)) > 0.2)
    made = table([(label, vectors)], side=["train" if train else "validation"] * rows)
    for rule in (Irrelevant(), FarCluster()):
        assert step.run(rule, made)["example"].is_in(made["id"].implode()).all()


def test_the_facts_count_rows_clusters_and_labels():
    rng = np.random.default_rng(6)
    rows = table([*two_labels(), ("a", around(rng, axis(7), 5, 0.3)), ("b", axis(5)[None])])
    said = pl.concat([step.run(Irrelevant(), rows), step.run(FarCluster(), rows)])
    other = said.head(1).with_columns(rule=pl.lit("label-error"))
    facts = relevance.relevance(view(rows), labels(rows), pl.concat([said, other]))
    assert facts["words"] == "1 row looks irrelevant; 1 cluster of 5 rows stands apart."
    assert (facts["flagged"], facts["labels"]) == (1, [{"label": "b", "rows": 1}])
    assert [(each["size"], sorted(each["examples"])) for each in facts["clusters"]] == [(5, sorted(rows["id"][60:65]))]
    assert json.loads(json.dumps(facts)) == facts


def test_the_facts_of_a_set_without_findings_say_so():
    rows = table(two_labels())
    facts = relevance.relevance(view(rows), labels(rows), step.run(Irrelevant(), rows))
    words = "No single row stands out as irrelevant."
    assert facts == {"flagged": 0, "clusters": [], "labels": [], "words": words}


def test_out_of_scope_inquiries_among_real_ones_come_first():
    file = DATA / "clinc150" / "clinc150.csv"
    if not file.exists():
        pytest.skip(f"the shared data is not here: {file}")
    rows = pl.read_csv(file).select(text="inquiry", label="sub_category")
    names = rows.filter(pl.col("label") != "oos")["label"].unique().sort()[::15].to_list()
    inside = rows.filter(pl.col("label").is_in(names)).sample(475, seed=1)
    drawn = np.random.default_rng(1).choice(names, 25).tolist()
    strange = rows.filter(pl.col("label") == "oos").sample(25, seed=1).with_columns(label=pl.Series(drawn))
    made = examples(pl.concat([inside, strange]).rows(named=True))
    order = np.argsort(-scores(view(made), labels(made)[0]), kind="stable")
    hit = order >= 475
    assert (np.cumsum(hit) / np.arange(1, 501))[hit].mean() >= 0.8


def test_a_row_with_several_labels_is_judged_by_its_first():
    codes = np.array([0] * 30 + [1] * 30)
    seen = view(table(two_labels()))
    several = Labels("tags", ["a", "b"], codes, [np.array([code, 1 - code]) for code in codes])
    assert np.array_equal(scores(seen, several), scores(seen, several._replace(several=None)))
