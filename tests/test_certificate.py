"""The certificate counts what lies across the sides, says how it looked, and never takes the split's word for it."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tuneset.certificate
from tuneset import near
from tuneset.certificate import across as certificate_across
from tuneset.certificate import certificate, search
from tuneset.split import draw, place


def prove(text, side, random_side=None, *, lineage_known=False, threshold=0.7, seed=0):
    side = np.array(side, np.int8)
    plain = side > 0 if random_side is None else np.array(random_side, np.bool_)
    looked = search(pl.Series(text, dtype=pl.String), threshold, seed)
    found = certificate_across(looked, side)
    facts = certificate(looked, side, plain, lineage_known=lineage_known)
    return SimpleNamespace(facts=facts, left=found.left, right=found.right)


def grams(text):
    form = near.normal(pl.Series([text]))[0]
    return {form[i : i + 3] for i in range(len(form) - 2)} or ({form} if form else set())


def jaccard(one, other):
    return len(grams(one) & grams(other)) / len(grams(one) | grams(other)) if grams(one) | grams(other) else 0.0


def across(text, side, threshold):
    """Compare every two rows of different sides."""
    rows = range(len(text))
    different = [(a, b) for a in rows for b in rows if a < b and side[a] != side[b] and min(side[a], side[b]) >= 0]
    return [pair for pair in different if jaccard(text[pair[0]], text[pair[1]]) >= threshold]


WORDS = st.lists(st.sampled_from(["where", "is", "my", "card", "now", "please", "pay"]), max_size=5).map(" ".join)


@settings(max_examples=60)
@given(
    rows=st.lists(st.tuples(WORDS, st.integers(-1, 2), st.booleans()), min_size=1, max_size=25),
    threshold=st.sampled_from([0.5, 0.7, 1.0]),
)
def test_the_pairs_across_and_the_nearest_are_those_of_comparing_every_two_rows(rows, threshold):
    text, side, random_side = (list(column) for column in zip(*rows, strict=True))
    proof = prove(text, side, random_side, threshold=threshold)
    expected = across(text, side, threshold)
    assert sorted(zip(proof.left.tolist(), proof.right.tolist(), strict=True)) == expected
    assert proof.facts["pairs_across"] == len(expected)

    placed = [row for row in range(len(text)) if side[row] >= 0]
    train, held = [row for row in placed if side[row] == 0], [row for row in placed if side[row] > 0]
    nearest = [max(jaccard(text[row], text[other]) for other in train) for row in held if train]
    found = proof.facts["nearest"]["validation_to_train"]
    assert found["rows"] == len(nearest)
    assert found["max"] == (round(max(nearest), 4) if nearest else None)
    if train and held:
        assert proof.facts["highest"] == max(
            [round(max(nearest), 4), *(round(jaccard(text[a], text[b]), 4) for a, b in expected)]
        )
    for pair in proof.facts["closest"]:
        assert round(jaccard(text[pair["validation"]], text[pair["train"]]), 4) == pair["similarity"]
        assert side[pair["validation"]] > side[pair["train"]] >= 0

    plain = [int(random_side[row]) for row in range(len(text))]
    twins = across(text, [mark if side[row] >= 0 else -1 for row, mark in enumerate(plain)], threshold)
    assert proof.facts["random_split_leaks"]["rows"] == len({a if plain[a] else b for a, b in twins})


def test_twins_between_validation_and_test_are_counted_too():
    proof = prove(["where is my card", "where is my card?", "please pay me now"], [1, 2, 0])
    assert (proof.left.tolist(), proof.right.tolist()) == ([0], [1])
    assert proof.facts["closest"][0] == {"similarity": 1.0, "validation": 1, "train": 0}


def test_what_is_reported_for_a_small_table():
    text = ["I lost my card", "I lost my cards", "pay my bill now", "open a new account", "close the account", "hello"]
    proof = prove(text, [0, 0, 1, 0, 1, 0], [False, True, False, False, False, True], seed=3)
    facts = proof.facts
    assert facts["method"] == "exact all-pairs join of 4 x 2 rows"
    assert (facts["threshold"], facts["pairs_across"]) == (0.7, 0)
    assert facts["compared"] == "2 of 2 validation rows with 4 of 4 train rows"
    assert facts["highest"] == facts["closest"][0]["similarity"] == round(jaccard(text[3], text[4]), 4)
    assert (facts["closest"][0]["validation"], facts["closest"][0]["train"]) == (4, 3)
    assert facts["nearest"]["train_to_train"]["max"] == round(jaccard(text[0], text[1]), 4)
    assert facts["nearest"]["train_to_train"]["rows"] == 4
    assert facts["random_split_leaks"] == {"rows": 1, "share": 0.5}


@pytest.mark.parametrize(("known", "lineage"), [(True, "known"), (False, "unknown")])
def test_it_says_that_paraphrases_are_not_seen_by_spelling(known, lineage):
    facts = prove(["one", "two"], [0, 1], lineage_known=known).facts
    assert facts["lineage"] == lineage
    assert "spelling" in facts["words"]
    assert "paraphrase" in facts["words"]


@pytest.mark.parametrize("side", [[0, 0], [1, 1], [-1, -1]])
def test_with_one_side_only_there_is_nothing_to_compare(side):
    facts = prove(["hello there", "hello there"], side).facts
    assert (facts["pairs_across"], facts["highest"], facts["closest"]) == (0, None, [])
    assert facts["nearest"]["validation_to_train"] == {"p50": None, "p90": None, "p99": None, "max": None, "rows": 0}


@pytest.mark.parametrize(("text", "side"), [([], []), (["", "?!"], [0, 1])])
def test_no_rows_and_rows_without_a_letter_are_no_error_and_no_twins(text, side):
    assert prove(text, side).facts["pairs_across"] == 0


def test_beyond_the_exact_join_it_says_so_and_finds_the_same_twins(monkeypatch):
    rng = np.random.default_rng(0)
    words = np.array(["card", "lost", "pay", "bill", "open", "close", "account", "where", "when", "stolen", "abroad"])
    text = [" ".join(words[rng.integers(0, 11, 7)]) for _ in range(300)]
    side = rng.integers(0, 2, 300)
    exact = prove(text, side)
    monkeypatch.setattr(tuneset.certificate, "EXACT_UP_TO", 299)
    monkeypatch.setattr(tuneset.certificate, "QUERIES", 50)
    banded = prove(text, side, seed=9)
    assert banded.facts["method"].startswith("MinHash")
    assert banded.facts["compared"].startswith("50 of ")
    assert banded.facts["nearest"]["validation_to_train"]["rows"] == 50
    assert exact.facts["pairs_across"] > 20
    assert banded.facts["pairs_across"] >= 0.97 * exact.facts["pairs_across"]
    assert banded.facts["random_split_leaks"]["rows"] >= 0.97 * exact.facts["random_split_leaks"]["rows"]
    assert banded.facts == prove(text, side, seed=9).facts, "the same seed gives the same certificate"


def test_a_split_by_groups_has_no_pairs_across_where_a_plain_one_leaks(data):
    table = pl.read_csv(data / "banking77" / "train.csv", infer_schema=False)[::6]  # few enough for `pairs` to be exact
    strata = table["category"].rank("dense").cast(pl.Int64).to_numpy() - 1
    twins = near.pairs(near.sets(table["text"]))
    side = place(strata, near.components(len(strata), twins.left, twins.right)).side
    facts = certificate(search(table["text"]), side, draw(strata, 0.2, 42), lineage_known=False)
    assert facts["pairs_across"] == 0
    assert 0.3 < facts["highest"] < 0.7
    assert facts["random_split_leaks"]["rows"] > 5
    assert facts["nearest"]["validation_to_train"]["p50"] <= facts["nearest"]["train_to_train"]["max"]
