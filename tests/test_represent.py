"""Representativeness: tests that hold their level, what differs, and what to collect."""

import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tuneset.errors import RecipeError
from tuneset.judge.pool import here, pooled, there
from tuneset.judge.represent import LEAST, represent
from tuneset.judge.shares import adjusted, against_rows, against_shares, interval, wanted
from tuneset.judge.two_sample import Rows, _auc, _held_out, covered, tell_apart, telling
from tuneset.judge.unlabelled import guessed
from tuneset.judge.view import labels, view
from tuneset.testing import examples

TOPICS = {
    "card": ("card", "declined", "contactless", "chip", "plastic", "visa", "pin", "reader"),
    "loan": ("loan", "repay", "interest", "mortgage", "borrow", "debt", "instalment", "rate"),
    "travel": ("hotel", "guests", "flight", "luggage", "passport", "booking", "airport", "visit"),
}
COMMON = (
    *("please", "when", "would", "before", "there", "because", "again", "someone", "still", "tomorrow", "problem"),
    *("help", "today", "never", "always", "about", "other", "could", "which", "through", "really", "account"),
)


def texts(topic, rows, seed):
    rng = np.random.default_rng([seed, list(TOPICS).index(topic)])
    said = [[*rng.choice(TOPICS[topic], 3, replace=False), *rng.choice(COMMON, 5, replace=False)] for _ in range(rows)]
    return [" ".join(rng.permutation(words)) for words in said]


def table(seed=0, **rows):
    return examples([{"text": text, "label": label} for label in rows for text in texts(label, rows[label], seed)])


def live(seed=1, **rows):
    return table(seed, **rows).with_columns(labels=pl.lit(None, dtype=pl.String))


def judged(rows, target=None, shares=None, seed=0):
    return represent(view(rows), labels(rows), target, shares, seed)


def test_declared_shares_that_fit_are_no_difference():
    found = judged(table(card=50, loan=50), shares={"card": 0.5, "loan": 0.5})
    assert (found["differs"], found["cells"]) == (False, [])
    assert found["words"].startswith("No difference")


def test_declared_shares_that_do_not_fit_say_how_many_rows_to_add():
    found = judged(table(card=50, loan=150), shares={"card": 0.5, "loan": 0.5})
    assert found["differs"]
    assert {each["label"]: each["wanted"] for each in found["labels"]} == {"card": 100, "loan": 0}
    (cell,) = found["cells"]
    assert (cell["label"], cell["rows"]) == ("card", 100)
    assert all(set(TOPICS["card"]) & set(text.split()) for text in cell["like"])
    assert "card" in found["words"]


def test_a_declared_label_that_the_set_lacks_is_wanted():
    found = judged(table(card=50, loan=50), shares={"card": 0.4, "loan": 0.4, "travel": 0.2})
    assert {each["label"]: each["wanted"] for each in found["labels"]} == {"card": 0, "loan": 0, "travel": 25}


def test_percentages_and_shares_that_leave_labels_out_are_understood():
    rows = table(card=60, loan=30, travel=10)
    in_hundreds = judged(rows, shares={"card": 60, "loan": 30, "travel": 10})
    in_part = judged(rows, shares={"card": 0.6})
    for found in (in_hundreds, in_part):
        assert {each["label"]: round(each["there"], 9) for each in found["labels"]} == {
            "card": 0.6,
            "loan": 0.3,
            "travel": 0.1,
        }


@pytest.mark.parametrize("shares", [{"card": -0.1}, {"card": float("nan")}, {"card": 0.0}])
def test_shares_that_are_none_are_refused(shares):
    with pytest.raises(RecipeError, match="no shares"):
        judged(table(card=20, loan=20), shares=shares)


def test_only_the_train_side_counts():
    rows = table(card=50, loan=100)
    sides = ["train"] * 100 + ["validation"] * 50
    found = judged(rows.with_columns(side=pl.Series(sides)), shares={"card": 0.5, "loan": 0.5})
    assert not found["differs"]


def test_a_labelled_target_is_compared_label_by_label():
    found = judged(table(card=100, loan=100), table(1, card=40, loan=160))
    differs = {each["label"]: (each["differs"], each["wanted"]) for each in found["labels"]}
    assert found["labels_from"] == "labels"
    assert differs == {"card": (True, 0), "loan": (True, 300)}
    assert all(each["low"] < each["there"] < each["high"] for each in found["labels"])


def test_an_unlabelled_target_of_the_same_kind_is_no_difference():
    found = judged(table(card=60, loan=60), live(card=60, loan=60))
    assert (found["differs"], found["cells"], found["two_sample"]["there"]) == (False, [], [])
    assert found["labels_from"] == "guessed"


def test_label_shares_of_an_unlabelled_target_are_guessed():
    found = judged(table(card=100, loan=100), live(card=50, loan=150))
    loan = next(each for each in found["labels"] if each["label"] == "loan")
    assert loan["differs"]
    assert loan["low"] <= 0.75 <= loan["high"]
    assert "surrogate" in found["words"]


def test_a_topic_that_the_set_lacks_becomes_a_cell():
    found = judged(table(card=100, loan=100), live(card=80, loan=80, travel=60))
    assert found["coverage"]["value"] < found["coverage"]["low"]
    travel = set(TOPICS["travel"])
    assert all(travel & set(each["text"].split()) for each in found["coverage"]["uncovered"][:5])
    asked = [cell for cell in found["cells"] if all(travel & set(text.split()) for text in cell["like"])]
    assert 25 <= sum(cell["rows"] for cell in asked) <= 60
    assert len(travel & set(" ".join(found["two_sample"]["there"]).split())) >= 3


def test_the_order_of_rows_does_not_matter():
    rows, target = table(card=40, loan=40), live(card=20, travel=30)
    one = judged(rows, target)
    other = judged(rows.reverse(), target.reverse())
    assert one == other
    assert json.loads(json.dumps(one)) == one


def test_rows_on_both_sides_are_counted_and_left_out_of_the_comparison():
    rows = table(card=60, loan=60)
    found = judged(rows, rows.with_columns(labels=pl.lit(None, dtype=pl.String)))
    assert found["two_sample"] is None
    assert found["coverage"]["value"] == 1
    assert not found["differs"]


def test_too_few_rows_are_said_to_be_too_few():
    found = judged(table(card=30).with_columns(labels=pl.lit(None, dtype=pl.String)), live(card=LEAST - 1))
    assert (found["p"], found["differs"]) == (None, False)
    assert found["words"].startswith("Not compared")


def test_vectors_of_a_model_are_used_as_they_are():
    rows, target = table(card=30, loan=30), live(card=60)
    kind = pl.Array(pl.Float32, 2)
    rows = rows.with_columns(vector=pl.Series(np.tile([1.0, 0.0], (60, 1)).astype(np.float32), dtype=kind))
    target = target.with_columns(vector=pl.Series(np.tile([0.0, 1.0], (60, 1)).astype(np.float32), dtype=kind))
    found = represent(view(rows), labels(rows), target, None, 0, embedded=True)
    assert found["two_sample"]["auc"] == 1


def test_a_pool_ties_near_duplicates_across_the_sides():
    rows, target = examples(["where is my new card", "hello"]), examples(["where is my new card?", "bye"])
    one = here(view(rows), None, [], embedded=False)
    pool = pooled(one, there(target, None, [], embedded=False), np.random.default_rng(0))
    tied = pool.texts.str.contains("card").to_numpy()
    assert len(set(pool.rows.groups[tied].tolist())) == 1
    assert len(set(pool.rows.groups.tolist())) == 3


def test_p_agrees_with_chi_square_where_that_holds():
    counts = np.array([210, 180, 260, 350])
    shares = np.array([0.2, 0.2, 0.25, 0.35])
    known = stats.power_divergence(counts, 1000 * shares, lambda_="log-likelihood").pvalue
    assert against_shares(counts, shares, np.random.default_rng(0)).p == pytest.approx(known, abs=0.03)
    codes, side = np.repeat([0, 1, 0, 1], [230, 270, 200, 300]), np.arange(1000) >= 500
    known = stats.chi2_contingency([[230, 270], [200, 300]], correction=False, lambda_="log-likelihood").pvalue
    found = against_rows(codes, np.arange(1000), side, 2, np.random.default_rng(0))
    assert found.p == pytest.approx(known, abs=0.03)


def test_false_alarms_stay_near_their_level_with_many_labels_and_few_rows():
    rng = np.random.default_rng(0)
    shares = rng.dirichlet(np.full(77, 3.0))
    p = [against_shares(rng.multinomial(200, shares), shares, rng).p for _ in range(60)]
    assert np.mean(np.array(p) <= 0.01) <= 0.05
    assert 0.3 < np.mean(p) < 0.7


def test_rows_that_come_together_do_not_count_as_many():
    rng = np.random.default_rng(0)
    blocks = np.repeat(np.arange(40), 10)
    p = []
    for _ in range(40):
        codes, side = rng.integers(0, 4, 40)[blocks], rng.permutation(np.arange(40) % 2 == 0)[blocks]
        p.append((against_rows(codes, blocks, side, 4, rng).p, against_rows(codes, np.arange(400), side, 4, rng).p))
    with_blocks, without = np.mean(np.array(p) <= 0.05, axis=0)
    assert with_blocks <= 0.2 < without


def test_wilson_intervals_agree_with_scipy():
    low, high = interval(np.array([0, 3, 20]), 20)
    for place, count in enumerate([0, 3, 20]):
        known = stats.binomtest(count, 20).proportion_ci(method="wilson")
        assert (low[place], high[place]) == pytest.approx((known.low, known.high), abs=1e-6)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_adjusted_p_agrees_with_scipy(p):
    assert adjusted(np.array(p)) == pytest.approx(stats.false_discovery_control(p))


@given(st.lists(st.tuples(st.integers(1, 500), st.integers(1, 100)), min_size=2, max_size=12), st.integers(0, 4095))
def test_rows_that_are_wanted_bring_labels_to_their_share(labelled, chosen):
    counts, weights = (np.array(part) for part in zip(*labelled, strict=True))
    shares = weights / weights.sum()
    differs = np.array([chosen >> place & 1 == 1 for place in range(len(counts))])
    more = wanted(counts, shares, differs)
    filled = more > 0
    after = (counts + more) / (counts + more).sum()
    assert (more >= 0).all()
    assert (np.abs(after - shares)[filled] <= (1 + len(counts)) / (counts + more).sum()).all()
    assert filled.any() == (differs & (shares * counts.sum() > counts + 1e-9)).any() or not filled[differs].any()


def test_held_out_answers_equal_those_of_a_classifier_fitted_without_the_group():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(40, 6)).astype(np.float32)
    truth = rng.normal(size=(40, 3)).astype(np.float32)
    groups = rng.integers(0, 15, 40)
    found = _held_out(vectors, truth, groups)
    for group in np.unique(groups):
        seen, asked = groups != group, groups == group
        gram = vectors[seen].T @ vectors[seen] + np.eye(6)
        known = vectors[asked] @ np.linalg.solve(gram, vectors[seen].T @ truth[seen])
        np.testing.assert_allclose(found[asked], known, atol=1e-3)


def test_the_area_under_the_curve_is_the_share_of_pairs_in_order():
    rng = np.random.default_rng(0)
    answers, side = rng.integers(0, 9, 60).astype(np.float32), rng.random(60) < 0.4
    gaps = answers[side][:, None] - answers[~side]
    auc, error = _auc(answers, side, np.arange(60))
    assert auc == pytest.approx(((gaps > 0) + 0.5 * (gaps == 0)).mean())
    assert 0.03 < error < 0.15


def test_coverage_is_that_of_prdc_at_equal_sizes():
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(150, 3)), rng.normal(0.8, 1, size=(150, 3))
    rows = Rows(np.vstack([one, other]).astype(np.float32), np.arange(300) >= 150, np.arange(300))
    apart = np.linalg.norm(other[:, None] - other, axis=2)
    radius = np.sort(apart, axis=1)[:, 5]  # of the fifth nearest; the first is the row itself
    known = (np.linalg.norm(other[:, None] - one, axis=2) <= radius[:, None]).any(axis=1).mean()
    assert covered(rows, rng).share == pytest.approx(known)


def test_the_classifier_does_not_see_a_difference_where_there_is_none():
    rng = np.random.default_rng(0)
    p = []
    for _ in range(30):
        vectors = rng.normal(size=(80, 10)).astype(np.float32)
        groups = np.arange(80) // 2
        p.append(tell_apart(Rows(vectors[groups], rng.permutation(40)[groups] < 20, groups), rng).p)
    assert np.mean(np.array(p) <= 0.05) <= 0.17


def test_words_that_are_as_frequent_on_both_sides_tell_nothing():
    same = pl.Series(texts("card", 60, 0) + texts("card", 60, 1))
    assert telling(same, np.arange(120) >= 60, np.arange(120)) == ([], [])


def test_a_guess_is_no_difference_where_shares_are_the_same():
    rng = np.random.default_rng(0)
    vectors = np.eye(3, dtype=np.float32)[rng.integers(0, 3, 300)] + rng.normal(0, 0.2, (300, 3)).astype(np.float32)
    rows = Rows(vectors, np.arange(300) >= 150, np.arange(300))
    found = guessed(rows, vectors[:150].argmax(axis=1), 3, rng)
    assert found.p > 0.01
    assert found.shares.sum() == pytest.approx(1, abs=1e-5)
    assert (found.low <= found.high).all()
