"""N-grams as a sparse matrix: the same counts and weights as scikit-learn's."""

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from tuneset.features import ngrams

TEXTS = [
    "Where can I find my PIN?",
    "how do I see the code",
    "The cash machine kept my card, on Monday!",
    "card",
    "Is there a fee for paying abroad? I was told there is none",
]


def series(*texts):
    return pl.Series("text", texts, dtype=pl.String)


BUCKETS = 1 << 24  # so many that hardly two n-grams share one


def half(counted, which):
    """The columns of letters (0) or words (1) that are not empty."""
    from scipy import sparse

    mine = counted.indices // BUCKETS == which
    column = np.unique(counted.indices[mine], return_inverse=True)[1]
    row = np.repeat(np.arange(counted.shape[0]), np.diff(counted.indptr))[mine]
    shape = (counted.shape[0], int(column.max(initial=0)) + 1)
    return sparse.csr_array((counted.data[mine], (row, column)), shape=shape)


WORDS = st.lists(st.text("abÄßé12.,'-! \t\n", max_size=12), max_size=12)


@settings(max_examples=150)
@given(texts=WORDS)
def test_n_grams_are_those_of_scikit_learn(texts):
    from sklearn.feature_extraction.text import CountVectorizer

    texts = [*texts, "ab"]
    counted = ngrams.counts(series(*texts), buckets=BUCKETS)
    oracles = [
        (half(counted, 0), CountVectorizer(analyzer="char_wb", ngram_range=(2, 5))),
        (half(counted, 1), CountVectorizer(token_pattern=r"[^\W_]+", ngram_range=(1, 2))),
    ]
    for got, oracle in oracles:
        wanted = oracle.fit_transform(texts)
        np.testing.assert_array_equal((got @ got.T).toarray(), (wanted @ wanted.T).toarray())


def test_weights_are_those_of_scikit_learn():
    from sklearn.feature_extraction.text import TfidfVectorizer

    got = ngrams.ngrams(series(*TEXTS), buckets=BUCKETS)
    wanted = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True).fit_transform(TEXTS)
    letters = half(got, 0)
    np.testing.assert_allclose((letters @ letters.T).toarray() * 2, (wanted @ wanted.T).toarray(), atol=1e-5)
    np.testing.assert_allclose(got.power(2).sum(axis=1), 1, rtol=1e-5)
    assert got.dtype == np.float32


def test_what_was_learned_from_some_texts_weighs_others():
    learned = ngrams.rarity(ngrams.counts(series("my card", "my code")))
    vectors = ngrams.weighted(ngrams.counts(series("my card", "my code", "my card code")), learned)
    alike = (vectors @ vectors.T).toarray()
    assert alike[0, 2] > alike[0, 1]  # "my" is in each row and counts for little


def test_nulls_and_blanks_are_all_zeros_and_no_rows_are_no_rows():
    vectors = ngrams.ngrams(series(None, "", " \n", "card"))
    assert vectors.sum(axis=1)[:3].tolist() == [0, 0, 0]
    assert ngrams.ngrams(series()).shape[0] == 0


def test_rows_give_the_same_whichever_rows_come_with_them():
    many = series(*(f"{text} {row}" for row in range(2000) for text in TEXTS))
    whole = ngrams.counts(many)
    for start in (0, 4095, 9990):
        part = ngrams.counts(many[start : start + 10])
        assert (whole[start : start + 10] != part).nnz == 0


def test_a_linear_model_on_n_grams_is_as_good_as_research_found(data):
    from sklearn.svm import LinearSVC

    read = [
        pl.read_csv(data / "banking77" / f"{name}.csv").sample(fraction=1, shuffle=True, seed=1)
        for name in ("train", "test")
    ]
    train, test = read[0].head(2000), read[1].head(1500)
    counted = ngrams.counts(train["text"])
    learned = ngrams.rarity(counted)
    model = LinearSVC().fit(ngrams.weighted(counted, learned), train["category"].to_numpy())
    right = model.predict(ngrams.weighted(ngrams.counts(test["text"]), learned)) == test["category"].to_numpy()
    assert right.mean() > 0.79  # .81 on the whole test set; character n-grams alone .806
