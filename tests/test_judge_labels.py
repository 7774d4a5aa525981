"""The label audit: planted errors, twins, hierarchies, lists, sides, and what must not be flagged."""

import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuneset import step
from tuneset.judge import doubts, hierarchy
from tuneset.judge.labels import LabelError, audit
from tuneset.judge.view import Labels, view
from tuneset.judge.view import labels as columns
from tuneset.testing import check_step, examples

TOPICS = {
    "Track": ("where is my parcel", "track my parcel please", "my parcel is late", "has my parcel left the depot"),
    "Cancel": (
        "cancel my order",
        "I want to cancel an order",
        "stop the order I made",
        "please cancel it, wrong order",
    ),
    "Refund": ("refund my money", "when is my refund paid", "no refund has come", "money back please, refund it"),
    "Policy": ("how many days for a return", "is a return free", "what may I return", "return rules for shoes"),
}
ABOVE = {"Track": "Orders", "Cancel": "Orders", "Refund": "Returns", "Policy": "Returns"}
TAILS = ("", " today", " for the blue coat", ", I wrote twice", " since Monday", " as a guest")
ROWS = [(start + tail, topic) for topic, starts in TOPICS.items() for start in starts for tail in TAILS]


def table(rows, **named):
    """Examples of (text, labels) pairs; labels as a name or as an object."""
    said = [each if isinstance(each, dict) else {"topic": each} for _, each in rows]
    made = examples([{"text": text, "labels": json.dumps(each)} for (text, _), each in zip(rows, said, strict=True)])
    return made.with_columns(**{name: pl.Series(values) for name, values in named.items()})


def two(rows):
    return [(text, {"category": ABOVE[topic], "topic": topic}) for text, topic in rows]


def found(rows, **parameters):
    return step.run(LabelError(**parameters), rows)


def said_of(rows, text):
    one = found(rows).filter(pl.col("example").is_in(rows.filter(text=text)["id"].implode()))
    return one.row(0, named=True) if one.height else None


def with_wrong(rows, wrong):
    """Give the rows of these numbers another label."""
    return [(text, wrong.get(number, label)) for number, (text, label) in enumerate(rows)]


def test_it_keeps_the_promises_of_steps():
    check_step(LabelError(), table(with_wrong(ROWS, {3: "Refund"})))


def test_a_wrong_label_is_flagged_with_a_suggestion_and_rows_for_and_against():
    rows = table(with_wrong(ROWS, {3: "Refund"}))
    said = said_of(rows, ROWS[3][0])
    assert said["says"].startswith("labelled Refund; looks like Track, as ")
    assert (said["action"], said["when"], said["field"]) == ("edit", "on-accept", "/labels")
    assert (json.loads(said["before"]), json.loads(said["after"])) == ({"topic": "Refund"}, {"topic": "Track"})
    of = dict(rows.select("id", "labels").rows())
    shown = [json.loads(of[other])["topic"] for other in said["others"]]
    assert shown == ["Track"] * 3 + ["Refund"] * 2
    assert said["example"] not in said["others"]


def test_without_an_error_nothing_is_flagged():
    assert found(table(ROWS)).is_empty()


def test_the_threshold_decides_how_many_are_flagged():
    rows = table(with_wrong(ROWS, {3: "Refund", 40: "Track", 60: "Policy"}))
    many = [found(rows, threshold=threshold).height for threshold in (0.0, 0.3, 0.45, 0.8, 3.0)]
    assert many == sorted(many, reverse=True)
    assert many[0] == 3
    assert many[-1] == 0


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 1000))
def test_the_order_of_the_rows_changes_nothing(seed):
    rows = table(with_wrong(ROWS, {3: "Refund", 40: "Track"}))
    turned = rows.sample(fraction=1, shuffle=True, seed=seed)
    assert found(rows).sort("id").equals(found(turned).sort("id"))


def test_twins_with_two_labels_rank_first_and_the_label_of_most_is_suggested():
    extra = [("My parcel is late!", "Track"), ("my parcel is late", "Cancel")]
    rows = table([*with_wrong(ROWS, {3: "Refund"}), *extra])
    first = found(rows).row(0, named=True)
    assert first["score"] == 1.0
    assert first["says"] == "labelled Cancel; 2 rows with the same text: Track"
    assert json.loads(first["after"]) == {"topic": "Track"}
    assert rows.filter(pl.col("id").is_in(first["others"]))["text"].sort().to_list() == [
        "My parcel is late!",
        "my parcel is late",
    ]


def test_two_twins_in_a_set_too_small_to_judge_are_both_flagged_without_a_suggestion():
    said = found(table([("where is it?", "Track"), ("Where is it", "Refund")]))
    assert sorted(said["says"]) == [
        "labelled Refund; a row with the same text: Track",
        "labelled Track; a row with the same text: Refund",
    ]
    assert said["action"].to_list() == ["none", "none"]
    assert said["after"].to_list() == [None, None]


@pytest.mark.parametrize(
    "rows",
    [ROWS[:5], [(text, "Track") for text, _ in ROWS], [(text, {}) for text, _ in ROWS], [(None, "Track")] * 30],
    ids=["too few", "one label", "no label", "no text"],
)
def test_what_cannot_be_judged_is_not_flagged(rows):
    assert found(table(rows)).is_empty()


def test_conversations_are_not_flagged():
    turns = json.dumps([{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}])
    assert found(examples([{"messages": turns}] * 30)).is_empty()


def test_rows_of_a_rare_label_are_not_judged():
    rows = table([*ROWS, ("my parcel is late, sorry to ask", "Rare")])
    assert said_of(rows, "my parcel is late, sorry to ask") is None


def test_validation_rows_are_judged_and_nothing_is_learned_from_them():
    side = ["validation" if number % 4 == 0 else "train" for number in range(len(ROWS))]
    group = list(range(len(ROWS)))
    clean = table(with_wrong(ROWS, {4: "Refund"}), side=side, group=group)
    assert said_of(clean, ROWS[4][0])["says"].startswith("labelled Refund; looks like Track")
    # Every validation row but one gets another label: the train rows, and that one, are judged as before.
    others = dict.fromkeys(range(8, len(ROWS), 4), "Policy") | {4: "Refund"}
    broken = table(with_wrong(ROWS, others), side=side, group=group)
    texts = [*clean.filter(side="train")["text"].to_list(), ROWS[4][0]]
    for text in texts:
        one, other = said_of(clean, text), said_of(broken, text)
        assert (one and (one["says"], one["score"])) == (other and (other["says"], other["score"]))


def test_a_near_duplicate_does_not_speak_for_its_row():
    rows = view(table([*ROWS, ("refund my money kindly", "Refund"), ("refund my money, kindly!", "Refund")]))
    column = columns(rows.examples)[0]
    seen = doubts.judged(rows, column)
    score = doubts.similarities(rows, np.arange(len(column.codes)), np.arange(len(column.codes)))
    assert (score[rows.groups[:, None] == rows.groups] == -1).all()
    assert seen.likely.shape == (len(ROWS) + 2, 4)


def test_rows_far_below_the_limit_need_no_votes():
    rows = view(table(with_wrong(ROWS, {3: "Refund", 40: "Track", 60: "Policy"})))
    seen = doubts.judged(rows, columns(rows.examples)[0])
    all_, some = doubts.doubts(rows, seen, -9)[0], doubts.doubts(rows, seen, 0.25)[0]
    np.testing.assert_array_equal(all_ > 0.25, some > 0.25)
    np.testing.assert_allclose(all_[all_ > 0.25], some[all_ > 0.25], atol=1e-6)


# --- several columns


def test_columns_are_one_finding_and_the_category_follows_the_sub_category():
    wrong = with_wrong(two(ROWS), {3: {"category": "Returns", "topic": "Refund"}})
    rows = table(wrong)
    assert found(rows).height == 1
    said = said_of(rows, ROWS[3][0])
    assert json.loads(said["after"]) == {"category": "Orders", "topic": "Track"}
    assert "topic: labelled Refund; looks like Track" in said["says"]


def test_a_sub_category_under_the_wrong_category_is_said_so():
    rows = table(with_wrong(two(ROWS), {3: {"category": "Returns", "topic": "Track"}}))
    said = said_of(rows, ROWS[3][0])
    assert said["says"] == "category: Track stands under Returns here, and under Orders in 23 of 24 rows"
    assert json.loads(said["after"]) == {"category": "Orders", "topic": "Track"}
    assert said["score"] == 0.99


def test_columns_that_do_not_stand_under_one_another_are_no_hierarchy():
    rng = np.random.default_rng(0)
    one = Labels("one", list("ab"), rng.integers(0, 2, 100), None)
    other = Labels("other", list("cdef"), rng.integers(0, 4, 100), None)
    assert hierarchy.tree(one, other, np.ones(100, bool)) is None


def test_strays_are_what_a_plain_count_finds():
    rng = np.random.default_rng(1)
    child = rng.integers(0, 6, 300)
    parent = child // 2
    moved = rng.permutation(300)[:12]
    parent[moved] = (parent[moved] + 1) % 3
    above, below = Labels("p", list("abc"), parent, None), Labels("c", list("uvwxyz"), child, None)
    under = hierarchy.tree(above, below, np.ones(300, bool))
    assert under.above.tolist() == [0, 0, 1, 1, 2, 2]
    assert sorted(hierarchy.strays(under, above, below).tolist()) == sorted(moved.tolist())


# --- lists


def lists(wrong):
    rng = np.random.default_rng(0)
    rows = []
    for number in range(160):
        picked = [ROWS[at] for at in rng.permutation(len(ROWS))[: 1 + number % 2]]
        text = " and ".join(text for text, _ in picked)
        rows.append((f"{text} {number}", {"topics": sorted({topic for _, topic in picked})}))
    return [(text, {"topics": wrong.get(number, label["topics"])}) for number, (text, label) in enumerate(rows)]


@pytest.mark.parametrize(("kind", "words"), [("missing", "seems to be missing"), ("many", "seems to be one too many")])
def test_in_lists_a_label_can_be_missing_or_one_too_many(kind, words):
    plain = lists({})
    number = next(n for n, (_, each) in enumerate(plain) if n > 20 and len(each["topics"]) == 2)
    right = plain[number][1]["topics"]
    other = next(topic for topic in TOPICS if topic not in right)
    rows = table(lists({number: right[:1] if kind == "missing" else [*right, other]}))
    said = said_of(rows, plain[number][0])
    assert words in said["says"]
    assert sorted(json.loads(said["after"])["topics"]) == right


def test_labels_that_are_no_text_stay_what_they_are():
    rows = [(text, {"urgent": topic in {"Refund", "Policy"}, "n": list(TOPICS).index(topic)}) for text, topic in ROWS]
    rows[3] = (rows[3][0], {"urgent": True, "n": 2})
    assert json.loads(said_of(table(rows), ROWS[3][0])["after"]) == {"urgent": False, "n": 0}


# --- figures


def test_the_audit_names_labels_that_are_taken_for_one_another():
    rng = np.random.default_rng(0)
    mixed = [(text, rng.choice(["Refund", "Money"]) if topic == "Refund" else topic) for text, topic in ROWS]
    rows = table([(text, str(topic)) for text, topic in mixed])
    facts = audit(view(rows), columns(rows))[0]
    first = facts["confused"][0]
    assert {first["one"], first["other"]} == {"Refund", "Money"}
    assert first["words"].endswith("look like the other: merge them, or define where one ends")
    assert len(first["examples"]) == 3
    assert set(facts["matrix"]["names"][:2]) == {"Refund", "Money"}
    assert sum(map(sum, facts["matrix"]["rows"])) == len(ROWS)
    assert facts["accuracy"] == pytest.approx(np.trace(facts["matrix"]["rows"]) / len(ROWS), abs=1e-4)
    json.dumps(facts)


def test_the_audit_counts_what_is_flagged_and_says_where_nothing_can_be_said():
    rows = table(with_wrong(ROWS, {3: "Refund"}))
    assert audit(view(rows), columns(rows), found(rows))[0]["flagged"] == 1
    few = table(ROWS[:5])
    facts = audit(view(few), columns(few))[0]
    assert (facts["flagged"], facts["matrix"], facts["confused"]) == (0, None, [])
    assert facts["words"].startswith("Too few rows")
    assert audit(view(table([("x", {})])), []) == []


def test_the_audit_counts_what_the_rule_found_twins_and_the_recipes_threshold_included():
    rows = table([*ROWS, (ROWS[0][0], "Refund")])
    flagged = found(rows)
    assert audit(view(rows), columns(rows), flagged)[0]["flagged"] == flagged.height >= 1
    assert audit(view(rows), columns(rows), flagged.clear())[0]["words"].startswith("No label looks wrong")
    assert "wrong" not in audit(view(rows), columns(rows))[0]["words"]


def test_planted_errors_are_found_as_measured(data):
    """BANKING77, 10 labels, a tenth of the labels changed at random: bench/quality/label_errors.py says .88 to .95."""
    rows = pl.read_csv(data / "banking77" / "train.csv").unique("text", keep="first", maintain_order=True)
    names = sorted(rows["category"].unique().to_list())[:10]
    some = rows.filter(pl.col("category").is_in(names)).sample(500, seed=4)
    rng = np.random.default_rng(0)
    hit = set(rng.permutation(500)[:50].tolist())
    given_ = [
        str(rng.choice([name for name in names if name != label])) if number in hit else label
        for number, label in enumerate(some["category"])
    ]
    made = table(list(zip(some["text"], given_, strict=True)))
    flagged = set(found(made)["example"])
    wrong = {made["id"][number] for number in hit}
    assert 2 * len(flagged & wrong) / (len(flagged) + len(wrong)) > 0.85


def test_labels_that_are_too_rare_to_be_judged_are_counted_and_many_of_them_cost_nothing():
    rows = table([*ROWS, ("my parcel is late, sorry to ask", "Rare"), ("how do you do", "Rarer")])
    facts = audit(view(rows), columns(rows))[0]
    assert facts["words"].endswith(" Not looked at: 2 labels with fewer than 4 different train rows.")
    assert len(facts["matrix"]["names"]) == 4
    answers = table([(f"{text} {number}", f"answer {number}") for number, (text, _) in enumerate(ROWS * 3)])
    assert audit(view(answers), columns(answers))[0]["accuracy"] is None


def test_where_labels_have_nothing_to_do_with_texts_no_row_is_flagged_and_that_is_said():
    rng = np.random.default_rng(0)
    rows = table([(text, str(rng.choice(["a", "b", "c", "d", "e"]))) for text, _ in ROWS])
    assert found(rows).is_empty()
    facts = audit(view(rows), columns(rows))[0]
    assert facts["flagged"] == 0
    assert facts["words"].startswith("Texts and labels have too little to do with one another")
