"""Ids, answers and the schemas of examples and findings."""

import json

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuneset import model

words = st.text(max_size=12)


@given(st.lists(words, max_size=30), st.randoms(use_true_random=False))
def test_ids_are_unique_and_do_not_depend_on_the_position(content, random):
    ids = dict(enumerate(model.example_ids("files", pl.Series(content, dtype=pl.String)).to_list()))
    assert len(set(ids.values())) == len(content)
    order = sorted(ids, key=lambda _: random.random())
    moved = model.example_ids("files", pl.Series([content[row] for row in order], dtype=pl.String)).to_list()
    assert sorted(moved) == sorted(ids.values())
    once = [row for row in order if content.count(content[row]) == 1]
    assert all(moved[order.index(row)] == ids[row] for row in once)


def test_the_source_name_is_part_of_the_id():
    rows = pl.Series(["a"])
    assert model.example_ids("x", rows)[0] != model.example_ids("y", rows)[0]


def test_ids_never_change_between_versions():
    assert model.example_ids("files", pl.Series(["where is my order?"]))[0] == "e0bae88a5786027239bd99dc04d6e7d2"


values = st.one_of(words, st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False))


@given(st.dictionaries(words, st.one_of(values, st.lists(values, max_size=3)), min_size=1, max_size=3))
def test_the_answer_is_what_json_dumps_writes(labels):
    missing = any(value in ("", []) for value in labels.values())
    written = model.answers(pl.Series([json.dumps(labels)])).to_list()
    assert written == [None if missing else json.dumps(labels, ensure_ascii=False)]


@pytest.mark.parametrize(
    ("value", "is_label"), [("false", True), ("0", True), ("0.0", True), ("null", False), ('""', False), ("[]", False)]
)
def test_false_and_nought_are_labels_and_nothing_is_none(value, is_label):
    written = f'{{"urgent": {value}}}'
    assert model.answers(pl.Series([written])).to_list() == [written if is_label else None]


@pytest.mark.parametrize(
    ("template", "answer"),
    [
        ("{a}", "x"),
        ("{a} > {b}", "x > y"),
        ('{"intent": "{a}"}', '{"intent": "x"}'),
        ("{c}", "{c}"),
    ],
)
def test_a_template_writes_other_answers(template, answer):
    assert model.answers(pl.Series(['{"a": "x", "b": "y"}']), template).to_list() == [answer]


def test_a_pair_is_one_finding_whichever_row_it_names_first():
    said = pl.DataFrame(
        {"rule": ["near-duplicate"] * 2, "example": ["a", "b"], "others": [["b"], ["a"]], "action": "none"}
    )
    found = model.as_findings(said, frozenset({"near-duplicate"}))
    assert found.height == 1


def test_findings_about_two_fields_of_one_example_are_two():
    said = pl.DataFrame({"rule": ["x"] * 2, "example": ["a"] * 2, "field": ["/text", "/labels"], "action": "none"})
    assert model.as_findings(said)["id"].n_unique() == 2


def test_what_a_person_saw_changes_with_the_finding_but_not_with_its_score():
    said = pl.DataFrame({"rule": ["x"], "example": ["a"], "action": ["edit"], "after": ["b"], "score": [0.5]})
    first = model.seen(model.as_findings(said))[0]
    assert model.seen(model.as_findings(said.with_columns(score=0.9)))[0] == first
    assert model.seen(model.as_findings(said.with_columns(after=pl.lit("c"))))[0] != first
