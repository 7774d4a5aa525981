"""Texts as vectors by their n-grams: how alike they are, what they are learned from, and their order."""

import numpy as np
import polars as pl
import pytest

from tuneset.features import ngrams, vectors
from tuneset.features.vectors import LANDMARKS

WORDS = ("card", "order", "parcel", "refund", "account", "password", "invoice", "gift", "return", "delivery", "late")


def texts(rows, seed=0):
    rng = np.random.default_rng(seed)
    return pl.Series([" ".join(rng.choice(WORDS, 5)) + f" {rng.integers(999)}" for _ in range(rows)])


def test_of_few_texts_the_products_are_those_of_their_n_grams():
    some = texts(300)
    found, exact = vectors(some), ngrams.ngrams(some)
    np.testing.assert_allclose(found @ found.T, (exact @ exact.T).toarray(), atol=0.02)


def test_of_many_texts_they_have_length_one_and_stay_near_to_their_n_grams():
    some = texts(3000)
    found, exact = vectors(some), ngrams.ngrams(some)
    assert found.shape[1] <= LANDMARKS
    assert found.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    alike = np.stack([(found @ found.T).ravel(), (exact @ exact.T).toarray().ravel()])
    assert np.corrcoef(alike)[0, 1] > 0.9


@pytest.mark.parametrize("rows", [200, 2000])
def test_the_order_of_the_rows_changes_no_product(rows):
    some = texts(rows)
    turned = np.random.default_rng(1).permutation(rows)
    first, second = vectors(some), vectors(some.gather(turned))
    np.testing.assert_allclose((first @ first.T)[np.ix_(turned, turned)], second @ second.T, atol=1e-4)


def test_what_is_not_learned_from_changes_nothing():
    some, others = texts(200), texts(50, seed=1)
    learn = np.arange(250) < 200
    first = vectors(pl.concat([some, others]), learn=learn)
    second = vectors(pl.concat([some, texts(50, seed=2)]), learn=learn)
    np.testing.assert_array_equal(first[:200], second[:200])
    np.testing.assert_array_equal(first[:200], vectors(pl.concat([some, others]), learn=learn)[:200])


def test_nulls_blanks_and_texts_that_share_nothing_are_all_zeros():
    found = vectors(pl.Series(["my card", "my order", None, " ", "zzzz"]), learn=np.array([1, 1, 0, 0, 0], bool))
    assert not found[2:].any()
    assert found[:2].any(axis=1).all()


def test_no_texts_and_texts_with_nothing_to_learn_from_have_no_dimensions():
    assert vectors(pl.Series([], dtype=pl.String)).shape == (0, 0)
    assert vectors(pl.Series(["", None])).shape[0] == 2
    assert not vectors(pl.Series(["a card"]), learn=np.array([False])).any()


def test_a_new_row_is_as_like_the_others_as_its_n_grams_are_though_some_are_unknown():
    some = pl.concat([texts(200), pl.Series(["my card order was xyzzy plugh", "refund", "quux parcel"])])
    learn = np.arange(203) < 200
    found = vectors(some, learn=learn)
    rare = ngrams.rarity(ngrams.counts(some[:200]))
    exact = ngrams.weighted(ngrams.counts(some), rare)
    np.testing.assert_allclose(found[200:] @ found[:200].T, (exact[200:] @ exact[:200].T).toarray(), atol=0.03)
    assert (np.linalg.norm(found[200:], axis=1) < 0.99).any()
