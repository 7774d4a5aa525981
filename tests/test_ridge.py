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


def test_targets_may_have_several_ones_and_are_columns_by_themselves():
    vectors, codes, groups = rows(4)
    truth = np.hstack([ridge.targets(codes, 3), ridge.targets(groups, 12)])
    both = ridge.held_out_targets(ridge.fit_targets(vectors, truth), vectors, truth, groups)
    one = ridge.held_out(ridge.fit(vectors, codes, 3), vectors, codes, groups)
    np.testing.assert_allclose(both[:, :3], one, atol=1e-5)


def test_many_groups_are_looked_at_in_parts(monkeypatch):
    vectors, codes, groups = rows(5)
    made = ridge.fit(vectors, codes, 3)
    whole = ridge.held_out(made, vectors, codes, groups)
    monkeypatch.setattr(ridge, "CELLS", 8)
    np.testing.assert_array_equal(ridge.held_out(made, vectors, codes, groups), whole)
