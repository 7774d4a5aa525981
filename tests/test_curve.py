"""The learning curve: against scikit-learn, against the surrogate fitted on each part, and the laws of a forecast."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuneset.judge import curve, ridge
from tuneset.judge.curve import Measured, chance, forecast, measure


def clouds(rows, width, labels, seed=0, apart=0.6):
    """Rows around one centre a label, of length 1."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, labels, rows)
    codes[:labels] = np.arange(labels)
    drawn = apart * rng.normal(size=(labels, width))[codes] + rng.normal(size=(rows, width))
    return (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32), codes


def law(floor, slope, power, groups=1000):
    return Measured(ROWS, 1 - floor - slope * (ROWS + curve.FIRST * 5) ** -power, groups, 5.0)


ROWS = np.array([50.0, 100, 150, 200, 250, 300, 350, 400, 500])


@pytest.mark.parametrize("width", [8, 200], ids=["more rows than dimensions", "fewer rows than dimensions"])
def test_each_part_is_what_the_surrogate_fitted_on_it_alone_gives(width):
    vectors, codes = clouds(150, width, 4)
    cuts = np.array([20, 60, 120])
    alone = []
    for end in cuts:
        made = ridge.fit(vectors[:end], codes[:end], 4)
        alone.append((ridge.scores(made, vectors[end:]).argmax(axis=1) == codes[end:]).mean())
    assert curve._nested(vectors, codes, cuts) == pytest.approx(alone, abs=0.011)  # a row that is a tie may turn


def test_the_points_are_those_of_scikit_learn_s_learning_curve():
    from sklearn.linear_model import RidgeClassifier
    from sklearn.model_selection import ShuffleSplit, learning_curve

    vectors, codes = clouds(600, 20, 5)
    ours = measure(vectors, codes, np.arange(600), 1.0)
    sizes, _, right = learning_curve(
        RidgeClassifier(alpha=ridge.PENALTY, fit_intercept=False),
        vectors,
        codes,
        train_sizes=ours.rows[:-1].astype(int) / 540,
        cv=ShuffleSplit(20, test_size=60, random_state=0),
    )
    assert sizes.tolist() == pytest.approx(ours.rows[:-1].tolist(), abs=1)
    assert ours.right[:-1] == pytest.approx(right.mean(axis=1), abs=0.04)


def test_no_row_is_asked_whose_near_duplicate_was_learned():
    vectors, _ = clouds(200, 300, 2)
    codes = np.random.default_rng(1).integers(0, 2, 200)
    pairs = np.repeat(np.arange(200), 2)
    tied = measure(np.repeat(vectors, 2, axis=0), np.repeat(codes, 2), pairs, 0.5)
    free = measure(np.repeat(vectors, 2, axis=0), np.repeat(codes, 2), np.arange(400), 0.5)
    assert tied.right[-2] < 0.6  # labels by chance: nothing can be known
    assert free.right[-2] > tied.right[-2] + 0.2


def test_too_few_rows_have_no_curve():
    vectors, codes = clouds(25, 4, 2)
    assert measure(vectors, codes, np.arange(25), 1.0) is None
    vectors, codes = clouds(200, 4, 2)
    assert measure(vectors, codes, np.arange(200) // 100, 1.0) is None


def test_the_same_seed_gives_the_same_points_and_another_seed_others():
    given_rows = (*clouds(200, 10, 4), np.arange(200), 0.9)
    one, same, other = (measure(*given_rows, seed) for seed in (1, 1, 2))
    assert one.right.tolist() == same.right.tolist() != other.right.tolist()


def test_labels_of_which_few_have_rows_count_for_less():
    vectors, _ = clouds(400, 10, 4)
    even = measure(vectors, np.arange(400) % 4, np.arange(400), 0.9).labels
    uneven = measure(vectors, (np.arange(400) > 390).astype(int), np.arange(400), 0.9).labels
    assert even == pytest.approx(4)
    assert 1 < uneven < 1.3


@pytest.mark.parametrize("power", [0.4, 0.5, 0.8, 1.2])
def test_a_power_law_is_continued_to_within_its_interval(power):
    said = forecast(law(0.02, 0.4 * 50**power, power))
    true = 1 - 0.02 - 0.4 * 50**power * (np.array([750.0, 1000, 2000]) + 10) ** -power
    assert said.right == pytest.approx(true, abs=0.04)
    assert ((said.low <= true) & (true <= said.high)).all()


def test_where_more_rows_brought_nothing_no_gain_is_forecast():
    said = forecast(Measured(ROWS, np.full(9, 0.9), 500, 5.0))
    assert said.gain == pytest.approx(np.zeros(3), abs=1e-9)
    assert said.right == pytest.approx(np.full(3, 0.9), abs=1e-9)


def test_the_law_that_is_shown_passes_near_the_forecast():
    measured = law(0.05, 5, 0.6)
    said = forecast(measured)
    floor, slope, power, first = said.law
    shown = 1 - floor - slope * (np.array([750.0, 1000, 2000]) + first) ** -power
    assert shown == pytest.approx(said.right, abs=0.01)


points = st.lists(st.floats(0, 1), min_size=9, max_size=9)


@settings(max_examples=200)
@given(points, st.integers(20, 10_000), st.floats(1, 200))
def test_whatever_was_measured_more_rows_never_do_harm_and_the_interval_holds_the_forecast(right, groups, labels):
    said = forecast(Measured(ROWS, np.array(right), groups, labels))
    assert (np.diff(said.right) >= -1e-9).all()
    assert (said.gain >= -1e-9).all()
    assert (said.right <= 1 + 1e-9).all()
    assert ((said.low <= said.right + 1e-9) & (said.right <= said.high + 1e-9)).all()
    assert ((said.gain_low <= said.gain + 1e-9) & (said.gain <= said.gain_high + 1e-9)).all()
    assert said.law[0] >= 0
    assert said.law[1] >= 0


def test_the_interval_is_wider_the_farther_ahead_and_the_fewer_the_groups():
    few, many = (forecast(law(0.05, 5, 0.6, groups)) for groups in (200, 2000))
    assert (np.diff(few.gain_high - few.gain_low) > 0).all()
    assert ((few.high - few.low) > (many.high - many.low)).all()


def test_the_chance_of_an_accuracy_is_twice_a_coin_s():
    assert chance(np.array([0.8]), 100).tolist() == pytest.approx([2 * 0.16 / 100])
