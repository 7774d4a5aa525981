"""The surrogate's closed form against fitting anew without each group, and against scikit-learn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuneset.judge import ridge


def rows(seed, many=40, dimensions=6, classes=3):
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((many, dimensions)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors, rng.integers(0, classes, many), rng.integers(0, 12, many)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), penalty=st.sampled_from([0.3, 1.0, 3.0]))
def test_held_out_is_what_fitting_anew_without_the_group_gives(seed, penalty):
    vectors, codes, groups = rows(seed)
    got = ridge.held_out(ridge.fit(vectors, codes, 3, penalty), vectors, codes, groups)
    for group in np.unique(groups):
        out = groups == group
        anew = ridge.fit(vectors[~out], codes[~out], 3, penalty)
        np.testing.assert_allclose(got[out], ridge.scores(anew, vectors[out]), atol=2e-4)


@pytest.mark.parametrize("biggest", [5, 30])
def test_a_group_may_have_more_rows_than_there_are_dimensions(biggest):
    vectors, codes, _ = rows(1)
    groups = np.maximum(np.arange(40), biggest)
    got = ridge.held_out(ridge.fit(vectors, codes, 3), vectors, codes, groups)
    out = groups == biggest
    anew = ridge.fit(vectors[~out], codes[~out], 3)
    np.testing.assert_allclose(got[out], ridge.scores(anew, vectors[out]), atol=2e-4)


def test_scores_are_those_of_scikit_learn():
    from sklearn.linear_model import Ridge

    vectors, codes, _ = rows(2)
    oracle = Ridge(alpha=1.0, fit_intercept=False).fit(vectors, ridge.targets(codes, 3))
    np.testing.assert_allclose(ridge.scores(ridge.fit(vectors, codes, 3), vectors), oracle.predict(vectors), atol=1e-4)


def oracle_unseen(vectors, codes, groups, learn):
    from sklearn.kernel_ridge import KernelRidge

    out = np.zeros((len(codes), 3))
    for group in np.unique(groups):
        asked = groups == group
        seen = learn & ~asked
        model = KernelRidge(alpha=ridge.SMOOTH, kernel="rbf", gamma=1.0)
        out[asked] = model.fit(vectors[seen], ridge.targets(codes[seen], 3)).predict(vectors[asked])
    return out


@pytest.mark.parametrize("exact", [4096, 10])
def test_unseen_is_kernel_ridge_that_was_fitted_without_the_row_and_its_group(exact, monkeypatch):
    monkeypatch.setattr(ridge, "EXACT", exact)
    monkeypatch.setattr(ridge, "JITTER", 1e-9)
    vectors, codes, groups = rows(3)
    learn = groups < 9
    truth = ridge.targets(codes, 3)
    truth[~learn] = np.nan  # what is not learned from is not looked at
    got = ridge.unseen(vectors, np.where(learn[:, None], truth, 0), groups, learn)
    np.testing.assert_allclose(got, oracle_unseen(vectors, codes, groups, learn), atol=1e-3)
    other = ridge.unseen(vectors, np.where(learn[:, None], truth, 1), groups, learn)
    np.testing.assert_array_equal(got, other)


def test_beyond_the_exact_rows_the_answers_stay_near(monkeypatch):
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((5, 20))
    codes = rng.integers(0, 5, 600)
    vectors = (centres[codes] + rng.standard_normal((600, 20))).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    given = vectors, ridge.targets(codes, 5), np.arange(600), np.ones(600, bool)
    exact = ridge.unseen(*given)
    monkeypatch.setattr(ridge, "EXACT", 100)
    monkeypatch.setattr(ridge, "WORK", 600 * 200**2)
    some = ridge.unseen(*given)
    assert (exact.argmax(axis=1) == some.argmax(axis=1)).mean() > 0.95
