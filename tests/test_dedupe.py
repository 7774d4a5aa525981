"""Exact duplicates, conflicting labels, near-duplicates: which one is kept, another threshold, other sets."""

import json
import pickle

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuneset import dedupe, model, near, step
from tuneset.apply import apply, fates, settle
from tuneset.dedupe import ConflictingLabel, Contamination, ExactDuplicate, NearDuplicate, keep
from tuneset.dedupe.nearly import rethreshold
from tuneset.errors import TunesetError
from tuneset.testing import check_step, examples

KEEPING = [
    {},
    {"keep": "longest"},
    {"keep": "newest", "newest_by": "made on"},
    {"keep": "source", "sources": ("b", "a")},
    {"keep": "typical"},
]
UNDECIDED = pl.DataFrame(schema=model.DECISIONS)


# the other two are silent until they are given files, or a model: see below, and test_semantic.py
@pytest.mark.parametrize("kind", [ExactDuplicate, ConflictingLabel, NearDuplicate, lambda: NearDuplicate(drop=True)])
def test_each_step_keeps_what_it_promises(kind):
    check_step(kind())


@pytest.mark.parametrize("keeping", KEEPING)
def test_so_do_they_with_every_rule_for_keeping(keeping):
    table = rows(*(row("where is my card", "ab"[number % 2], f"2024-01-0{number + 1}") for number in range(6)))
    check_step(ExactDuplicate(**keeping), table)
    check_step(NearDuplicate(drop=True, **keeping), table)


def rows(*texts, label="a"):
    return examples([{"text": text, "label": label} if isinstance(text, str) else text for text in texts])


def row(text, source="a", made_on=None):
    return {"text": text, "source": source, "extra": json.dumps({"made on": made_on})}


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


def test_a_conflict_names_its_own_label_the_others_and_what_accepting_does():
    table = rows(
        *({"text": "x", "label": label} for label in "abb"), *({"text": "y", "label": label} for label in "abcdef")
    )
    said = step.run(ConflictingLabel(), table)["says"].to_list()
    assert said[0] == "labelled a; with the same text: b (2 rows); accept drops this one"
    assert said[1] == "labelled a; with the same text: b, c, d, 2 more; accept drops this one"


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
    chain = [
        "please cancel the order for the card",
        "cancel the order for the card",
        "cancel order for the card",
        "cancel order for card",
    ]
    found = step.run(NearDuplicate(threshold=0.75, drop=True), rows(*chain))
    dropped = found.filter(pl.col("action") == "drop", pl.col("when") == "default")
    assert 0 < dropped.height < 3


@pytest.mark.parametrize(("keeping", "kept"), list(zip(KEEPING[:4], (0, 2, 3, 1), strict=True)))
def test_the_rule_says_which_one_is_kept(keeping, kept):
    table = rows(
        row("where is the card that I ordered", "a", "soon"),
        row("where is card that I ordered", "b", "2024-03-01"),
        row("Hi, where is the card that I ordered please", "c", "2024-02-01"),
        row("Hi where is card that I ordered", "c", "05.03.2024"),
    )
    found = step.run(NearDuplicate(threshold=0.4, drop=True, **keeping), table)
    done = apply(table, found, UNDECIDED)
    assert done["id"].to_list() == [table["id"][kept]]
    assert set(fates(table, settle(found, UNDECIDED), done["id"])["twin"].drop_nulls()) == {table["id"][kept]}


def test_typical_is_the_one_in_the_middle():
    table = rows(
        "where is card I ordered", "Hi where is the card I ordered", "Hi where is the card I ordered please, thanks"
    )
    found = step.run(NearDuplicate(threshold=0.4, drop=True, keep="typical"), table)
    assert apply(table, found, UNDECIDED)["id"].to_list() == [table["id"][1]]


def test_the_rule_also_holds_for_exact_duplicates():
    table = rows(
        row("x", "a", "1 May 2023"), row("x", "b", "2024-01-01T10:00:00Z"), row("x", "b", "2024-01-01 12:00+02:00")
    )
    for keeping, kept in zip(KEEPING, (0, 0, 1, 1, 0), strict=True):
        found = step.run(ExactDuplicate(**keeping), table)
        assert found["others"].to_list() == [[table["id"][kept]]] * 2, keeping


@pytest.mark.parametrize("keeping", [{"keep": "newest"}, {"keep": "source"}, {"keep": "longst"}])
def test_a_rule_that_is_unknown_or_incomplete_is_refused(keeping):
    for kind in (ExactDuplicate, NearDuplicate):
        with pytest.raises(ValueError, match="keep = "):
            kind(**keeping)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("1970-01-02", 86400), ("1970-01-01T00:00:10Z", 10), ("1970-01-01T02:00:00+02:00", 0), ("02.01.1970", 86400),
        ("1970/01/02 00:00", 86400), ("2 Jan 1970", 86400), ("January 2, 1970", 86400), ("13/01/1970", 12 * 86400),
        ("1/13/1970", 12 * 86400), ("1700000000", 1700000000), ("1700000000000", 1700000000),
        ("Fri, 02 Jan 1970 00:00:00 +0000", 86400), ("03/04/1970", None), ("soon", None), ("", None), ("99.99.1970", None),
        ("1/2", None), ("0", None),
    ],
)  # fmt: skip
def test_dates_are_read_in_the_ways_that_people_write_them(value, seconds):
    assert keep.dates(pl.Series([value])).item() == (keep.NEVER if seconds is None else seconds)


WORDS = st.sampled_from(["please", "the", "my", "card", "cards", "Card", "where", "is", "2", "lost", "arive", "arrive"])
TEXTS = st.lists(st.lists(WORDS, min_size=3, max_size=6).map(" ".join), min_size=2, max_size=14)
RULES = st.sampled_from(KEEPING)


def made(texts):
    return rows(*(row(text, "abc"[len(text) % 3], f"2024-01-{1 + len(text) % 28:02}") for text in texts))


@given(TEXTS, RULES, st.sampled_from([0.5, 0.6, 0.8]))
def test_what_comes_in_is_kept_or_merged_into_one_that_is_kept(texts, keeping, threshold):
    table = made(texts)
    for kind in (ExactDuplicate(**keeping), NearDuplicate(threshold=threshold, drop=True, **keeping)):
        found = step.run(kind, table)
        done = apply(table, found, UNDECIDED)
        ended = fates(table, settle(found, UNDECIDED), done["id"])
        merged = ended.filter(pl.col("fate") == "merged")
        assert set(ended["fate"]) <= {"kept", "merged"}
        assert merged["twin"].is_in(done["id"].to_list()).all()
        assert done.height + merged.height == table.height


@given(TEXTS, RULES)
def test_no_two_that_are_kept_could_have_been_merged_and_the_better_one_stays(texts, keeping):
    table, kind = made(texts), NearDuplicate(threshold=0.6, drop=True, **keeping)
    found = step.run(kind, table)
    kept = set(apply(table, found, UNDECIDED)["id"])
    pairs = found.filter(pl.col("action") == "drop").select("example", twin=pl.col("others").list.first())
    for example, twin in pairs.iter_rows():
        assert example not in kept or twin not in kept
    merged = found.filter((pl.col("action") == "drop") & (pl.col("when") == "default"))
    assert merged["example"].is_unique().all()


@given(
    TEXTS, RULES, st.sampled_from([0.3, 0.5, 0.7]), st.sampled_from([0.7, 0.75, 2 / 3, 0.8, 0.9, 1.0]), st.booleans()
)
def test_another_threshold_gives_what_a_new_search_gives(texts, keeping, low, high, drop):
    table = made(texts)
    earlier = step.run(NearDuplicate(threshold=min(low, high)), table)
    later = NearDuplicate(threshold=high, drop=drop, **keeping)
    again = model.as_findings(
        rethreshold(later, earlier.sample(fraction=1, shuffle=True, seed=1), table), frozenset({"near-duplicate"})
    )
    assert again.equals(step.run(later, table))


def test_another_threshold_gives_what_a_new_search_gives_on_real_rows(data):
    table = examples(pl.read_csv(data / "banking77" / "train.csv", n_rows=1000)["text"].to_list())
    earlier = step.run(NearDuplicate(threshold=0.6), table)
    for later in (NearDuplicate(threshold=0.7, drop=True), NearDuplicate(threshold=0.8, keep="typical", drop=True)):
        again = model.as_findings(rethreshold(later, earlier, table), frozenset({"near-duplicate"}))
        assert again.equals(step.run(later, table))
        assert again.height


@given(
    st.permutations(range(6)), st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.floats(0, 1)), max_size=10)
)
def test_survivors_are_what_going_through_in_order_of_preference_gives(order, pairs):
    pairs = {(min(one, other), max(one, other)): score for one, other, score in pairs if one != other}
    found = near.Pairs(
        *(
            np.array(column, kind)
            for column, kind in (
                ([one for one, _ in pairs], np.int64),
                ([other for _, other in pairs], np.int64),
                (list(pairs.values()), float),
            )
        )
    )
    place = np.array(order, dtype=np.int64)
    twin = keep.survivors(place, found, np.ones(len(pairs), np.bool_))
    kept = []
    for each in np.argsort(place).tolist():
        near_by = [other for other in kept if (min(each, other), max(each, other)) in pairs]
        assert (twin[each] in near_by) if near_by else (twin[each] == -1)
        kept += [] if near_by else [each]


@pytest.fixture
def benchmark(tmp_path):
    path = tmp_path / "test.csv"
    questions = [
        "Where is the card that I ordered last week?",
        "How do I close it?",
        "When does the shop in Rome open again?",
    ]
    pl.DataFrame({"question": questions, "intent": ["a", "b", "c"]}).write_csv(path)
    return str(path)


def test_contamination_keeps_what_steps_promise(benchmark):
    check_step(Contamination(against=(benchmark,)))
    check_step(Contamination(against=(benchmark,), drop=True))
    fitted = Contamination(against=(benchmark,)).fit(rows("x"))
    table = rows("how do i close  it?")
    assert pickle.loads(pickle.dumps(fitted))(table).equals(fitted(table))


def test_it_says_how_and_where_an_example_stands_in_another_set(benchmark):
    table = rows(
        "where is the card that i ordered  last week?",
        "where is the card I ordered last week?",
        "Q: When does the shop in Rome open again? A: tomorrow, or the day after that, if all goes well",
        "the shop in Rome is open again",
        "how do I close it at once if I do not want it any more",
    )
    said = step.run(Contamination(against=(benchmark,)), table)
    assert said["says"].to_list() == [
        "the same text as row 2 of test.csv",
        "84 % alike in spelling with row 2 of test.csv",
        "holds 100 % of row 4 of test.csv, in runs of six words",
    ]
    assert said["example"].to_list() == table["id"][:3].to_list()
    assert set(said["when"]) == {"on-accept"}


def test_without_files_nothing_is_said_or_read():
    assert Contamination()(rows("x")).is_empty()


def test_a_file_that_is_not_there_is_refused_in_three_lines():
    with pytest.raises(TunesetError, match="no-such-file"):
        Contamination(against=("no-such-file.csv",))(rows("x"))


@given(TEXTS, TEXTS, st.sampled_from([0.5, 0.7, 0.9]))
def test_contamination_misses_no_pair_at_the_threshold(texts, others, threshold):
    both = near.sets(pl.Series([*others, *texts]))
    side = np.arange(len(both.sizes)) >= len(others)
    exact = near.cross_pairs(both, side, threshold)
    found = dedupe.against.nearly(both, len(others), threshold)
    assert set(zip(found.other.tolist(), (found.example + len(others)).tolist(), strict=True)) == set(
        zip(exact.left.tolist(), exact.right.tolist(), strict=True)
    )
