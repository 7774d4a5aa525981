"""Applying findings and decisions: the one place where data changes."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuneset import model
from tuneset.apply import apply, close, fates, settle
from tuneset.testing import examples

NOBODY = pl.DataFrame(schema=model.DECISIONS)


def said(*rows):
    return model.as_findings(pl.DataFrame(rows, infer_schema_length=None))


def decision(findings, verdict, row=0, **more):
    saw = model.seen(findings)[row]
    values = {"finding": findings["id"][row], "verdict": verdict, "saw": saw} | more
    return pl.DataFrame([{name: values.get(name) for name in model.DECISIONS}], schema=model.DECISIONS)


@pytest.fixture
def rows():
    return examples([{"text": "helo", "label": "a"}, {"text": "", "label": "b"}, {"text": "fine", "label": "c"}])


@pytest.fixture
def findings(rows):
    return said(
        {"rule": "typo", "example": rows["id"][0], "action": "edit", "after": "hello", "says": "typo"},
        {"rule": "empty-text", "example": rows["id"][1], "action": "drop", "says": "no text"},
        {"rule": "odd", "example": rows["id"][2], "action": "drop", "when": "on-accept", "says": "odd"},
    )


def test_edits_are_written_and_drops_left_out_and_suggestions_wait(rows, findings):
    assert apply(rows, findings, NOBODY)["text"].to_list() == ["hello", "fine"]
    assert settle(findings, NOBODY)["state"].to_list() == ["applied", "applied", "waiting"]


def test_rejecting_every_finding_gives_back_the_same_examples(rows, findings):
    no = pl.concat([decision(findings, "reject", row) for row in range(3)])
    assert apply(rows, findings, no).equals(rows)
    assert set(settle(findings, no)["state"]) == {"overruled"}


def test_accepting_a_suggestion_applies_it(rows, findings):
    assert apply(rows, findings, decision(findings, "accept", 2)).height == 1


def test_a_persons_own_edit_wins_over_the_drop(rows, findings):
    own = decision(findings, "edit", 1, after="where is it?")
    assert apply(rows, findings, own)["text"].to_list() == ["hello", "where is it?", "fine"]


def test_the_last_decision_counts(rows, findings):
    both = pl.concat([decision(findings, "reject"), decision(findings, "accept")])
    assert apply(rows, findings, both)["text"][0] == "hello"


def test_a_decision_on_something_that_looked_different_is_stale_and_not_applied(rows, findings):
    old = decision(findings, "reject").with_columns(saw=pl.lit("0" * 32))
    settled = settle(findings, old)
    assert settled["stale"].to_list() == [True, False, False]
    assert apply(rows, findings, old)["text"][0] == "hello"


def test_editing_the_labels_writes_the_answer_again(rows):
    found = said({"rule": "conflict", "example": rows["id"][0], "action": "none", "field": "/labels", "says": "?"})
    own = decision(found, "edit", after='{"category": "Orders"}')
    assert apply(rows, found, own)["label"][0] == '{"category": "Orders"}'
    assert apply(rows, found, own, answer="{category}")["label"][0] == "Orders"


def test_editing_messages_reads_text_and_label_again():
    turns = '[{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yo"}]'
    chat = examples([{"messages": turns, "text": "hi", "label": "yo"}])
    found = said(
        {
            "rule": "x",
            "example": chat["id"][0],
            "action": "edit",
            "field": "/messages",
            "after": turns.replace("yo", "hello"),
            "says": "",
        }
    )
    assert apply(chat, found, NOBODY)["label"][0] == "hello"


@given(st.lists(st.sampled_from(["drop", "edit", "none", "merge"]), max_size=12), st.data())
def test_nothing_is_lost(actions, data):
    rows = examples([{"text": f"text {number}", "label": "a"} for number in range(len(actions))])
    findings = model.no_findings()
    for number, action in enumerate(actions):
        twin = data.draw(st.integers(0, max(0, number - 1)))
        others = [rows["id"][twin]] if action == "merge" and number else []
        row = {"rule": f"r{number}", "example": rows["id"][number], "action": "drop" if action == "merge" else action}
        findings = pl.concat([findings, said(row | {"after": "new", "others": others, "says": "x"})])
    kept = apply(rows, findings, NOBODY)
    became = fates(rows, settle(findings, NOBODY), kept["id"])
    counts = became["fate"].value_counts()
    assert counts["count"].sum() == len(actions)
    assert (became["fate"] == "kept").sum() == kept.height
    merged = became.filter(pl.col("fate") == "merged")
    assert merged["twin"].is_in(kept["id"].implode()).all()
    assert became.filter(pl.col("fate") != "kept")["rule"].null_count() == 0


def test_a_merge_follows_its_twin_to_the_one_that_survives():
    rows = examples([{"text": "a", "label": "x"}, {"text": "a ", "label": "x"}, {"text": "A", "label": "x"}])
    first, second, third = rows["id"]
    findings = said(
        {"rule": "one", "example": third, "action": "drop", "others": [second], "says": ""},
        {"rule": "two", "example": second, "action": "drop", "others": [first], "says": ""},
    )
    became = fates(rows, settle(findings, NOBODY), pl.Series([first]))
    assert became["twin"].to_list() == [None, first, first]
    assert became["fate"].to_list() == ["kept", "merged", "merged"]


def test_an_example_that_vanishes_without_a_finding_is_a_bug(rows):
    with pytest.raises(AssertionError, match="vanished"):
        fates(rows, settle(model.no_findings(), NOBODY), rows["id"].head(1))


# --- what asks nothing any more


@pytest.fixture
def twins():
    return examples([{"text": text, "label": label} for text, label in (("hi", "a"), ("Hi", "b"), ("HI", "b"))])


@pytest.fixture
def conflict(twins):
    ids = twins["id"].to_list()
    asked = [
        {"rule": "conflicting-label", "example": one, "others": [each for each in ids if each != one]} for one in ids
    ]
    parts = {"action": "drop", "when": "on-accept", "says": "?", "field": "/labels"}
    return said(*(each | parts for each in asked))


def states(findings, decisions, kept):
    return close(settle(findings, decisions), kept)["state"].to_list()


def test_a_conflict_waits_as_long_as_two_labels_are_kept(twins, conflict):
    assert states(conflict, NOBODY, twins) == ["waiting"] * 3
    assert states(conflict, NOBODY, twins[:2]) == ["waiting", "waiting", "settled"]


def test_a_conflict_is_settled_where_the_twins_that_are_left_have_one_label(twins, conflict):
    yes = decision(conflict, "accept")
    assert states(conflict, yes, apply(twins, conflict, yes)) == ["applied", "settled", "settled"]
    own = decision(conflict, "edit", after='{"category": "b"}')
    agreed = apply(twins, conflict, own).with_columns(label=pl.lit("b"))
    assert states(conflict, own, agreed) == ["applied", "settled", "settled"]


def test_rejecting_one_of_two_twins_leaves_the_other_to_be_settled(twins, conflict):
    pair = conflict[:2]
    assert states(pair, decision(pair, "reject"), twins[:2]) == ["overruled", "waiting"]
    both = pl.concat([decision(pair, "reject", row) for row in range(2)])
    assert states(pair, both, twins[:2]) == ["overruled", "overruled"]


def test_a_label_that_was_said_to_be_right_is_not_doubted_again_for_its_twin(twins, conflict):
    doubts = said(
        {"rule": "label-error", "example": twins["id"][0], "score": 1.0, "says": "a twin"},
        {"rule": "label-error", "example": twins["id"][1], "score": 0.5, "says": "looks like another"},
    )
    both = pl.concat([conflict[:2], doubts])
    no = pl.concat([decision(both, "reject", row) for row in range(2)])
    assert states(both, no, twins) == ["overruled", "overruled", "settled", "waiting"]


def test_what_is_said_of_an_example_that_is_out_waits_for_nobody(rows, findings):
    assert states(findings, NOBODY, rows[:2]) == ["applied", "applied", "settled"]
