"""Exact duplicates, conflicting labels, near-duplicates and their guards."""

import polars as pl
import pytest

from tuneset import dedupe, step
from tuneset.dedupe import ConflictingLabel, ExactDuplicate, NearDuplicate
from tuneset.testing import check_step, examples


@pytest.mark.parametrize("kind", [*dedupe.STEPS, lambda: NearDuplicate(drop=True)])
def test_each_step_keeps_what_it_promises(kind):
    check_step(kind())


def rows(*texts, label="a"):
    return examples([{"text": text, "label": label} if isinstance(text, str) else text for text in texts])


def test_the_first_of_the_same_is_kept_and_the_others_name_it():
    table = rows("x", "y", "x", "x")
    found = step.run(ExactDuplicate(), table)
    assert found["example"].to_list() == table["id"][2:].to_list()
    assert found["others"].to_list() == [[table["id"][0]]] * 2
    assert found["action"].unique().to_list() == ["drop"]


def test_conversations_with_the_same_question_and_another_course_are_not_the_same():
    turns = '[{"role": "user", "content": "hi"}, {"role": "assistant", "content": "%s"}, {"role": "assistant", "content": "z"}]'
    table = examples([{"text": "hi", "label": "z", "messages": turns % word} for word in ("a", "b")])
    assert step.run(ExactDuplicate(), table).is_empty()


def test_both_of_two_conflicting_labels_are_flagged_and_only_the_minority_of_three():
    two = step.run(ConflictingLabel(), rows({"text": "x", "label": "a"}, {"text": "X ", "label": "b"}))
    assert two.height == 2
    assert set(two["when"]) == {"on-accept"}
    three = rows(*({"text": "x", "label": label} for label in "aab"))
    assert step.run(ConflictingLabel(), three)["example"].to_list() == [three["id"][2]]


def test_a_near_duplicate_is_a_suggestion_and_names_its_twin():
    table = rows("When will my new card arrive?", "When will my new card arive?", "Something else entirely here")
    found = step.run(NearDuplicate(), table).row(0, named=True)
    assert (found["example"], found["others"]) == (table["id"][1], [table["id"][0]])
    assert (found["action"], found["when"]) == ("drop", "on-accept")
    assert 0.7 <= found["score"] < 1


GUARDED = [
    ("Order 12 has not arrived at my house yet", "Order 13 has not arrived at my house yet", "number"),
    ("Status of my order A-5590 please, it is late", "Status of my order A-5591 please, it is late", "number"),
    ("the parcel for Hanna Meyer was not delivered", "the parcel for Hannah Meyer was not delivered", "name"),
    (
        "I can change my delivery address after ordering",
        "I can't change my delivery address after ordering",
        "negation",
    ),
    ("is the refund already on the way to my bank", "is the refund not already on the way to my bank", "negation"),
]


@pytest.mark.parametrize(("first", "second", "guard"), GUARDED)
def test_a_difference_that_matters_ties_but_never_drops(first, second, guard):
    table = rows(first, second)
    for kind in (NearDuplicate(), NearDuplicate(drop=True)):
        found = step.run(kind, table).row(0, named=True)
        assert found["action"] == "none"
        assert guard in found["says"]


def test_another_label_ties_but_never_drops():
    table = rows(
        {"text": "When will my new card arrive?", "label": "a"}, {"text": "When will my card arrive?", "label": "b"}
    )
    found = step.run(NearDuplicate(threshold=0.6, drop=True), table).row(0, named=True)
    assert found["action"] == "none"
    assert "label" in found["says"]


def test_a_chain_of_small_changes_does_not_collapse_into_one():
    words = [
        "alpha",
        "bravo",
        "charlie",
        "delta",
        "echo",
        "foxtrot",
        "golf",
        "hotel",
        "india",
        "juliet",
        "kilo",
        "lima",
    ]
    chain = [" ".join(words[start : start + 9]) for start in range(4)]
    found = step.run(NearDuplicate(threshold=0.75, drop=True), rows(*chain))
    dropped = found.filter(pl.col("action") == "drop", pl.col("when") == "default")
    assert dropped.height == 2
