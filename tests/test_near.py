"""The near-duplicate kernel against brute force: sets of strings, every pair, in plain Python."""

from __future__ import annotations

import re
import unicodedata

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuneset import near
from tuneset.near import bands
from tuneset.near.grams import rows_of

# Few letters, so that texts resemble each other; case folding that changes lengths; marks that are no letters.
LETTERS = st.text(alphabet="abAB 1ßİé日本語Ⅷ٣-\u2019\n\x00\u0301\U0001f600", max_size=12)
TEXTS = st.lists(LETTERS, max_size=25)


def normal(text):
    kept = [c if unicodedata.category(c)[0] in "LN" else " " for c in text.casefold()]
    return re.sub(" +", " ", "".join(kept)).strip(" ")


def grams(text):
    form = normal(text)
    return {form[at : at + 3] for at in range(len(form) - 2)} if len(form) > 2 else {form} - {""}


def jaccard(one, two):
    return len(one & two) / len(one | two) if one | two else 0.0


def brute(texts, threshold, allowed=lambda *_: True):
    found = [grams(text) for text in texts]
    every = ((left, right) for right in range(len(texts)) for left in range(right) if allowed(left, right))
    alike = {(left, right): jaccard(found[left], found[right]) for left, right in every}
    return {pair: value for pair, value in sorted(alike.items()) if value and value >= threshold}


def as_dict(found):
    pairs = list(zip(found.left.tolist(), found.right.tolist(), strict=True))
    assert pairs == sorted(set(pairs))
    return dict(zip(pairs, found.jaccard.tolist(), strict=True))


def series(texts):
    return pl.Series(texts, dtype=pl.String)


def edits(text, rng):
    """Make one-edit twins: a typo, a dropped word, a substituted word, a greeting in front, thanks behind."""
    words = text.split()
    at, letter = int(rng.integers(len(words))), int(rng.integers(len(text)))
    return [
        text[:letter] + chr(rng.integers(97, 123)) + text[letter + 1 :],
        " ".join(words[:at] + words[at + 1 :]) or "none",
        " ".join([*words[:at], "another", *words[at + 1 :]]),
        f"hello, {text}",
        f"{text} thanks a lot",
    ]


@pytest.fixture(params=["banking77/train.csv", "clinc150/clinc150.csv"], ids=["banking77", "clinc150"])
def real(request, data):
    table = pl.read_csv(data / request.param)
    return table.select(pl.col("^(text|inquiry)$")).to_series().rename("text")


# --- normal forms and sets


@given(texts=TEXTS)
def test_the_normal_form_is_that_of_plain_python(texts):
    assert near.normal(series(texts)).to_list() == [normal(text) for text in texts]


@given(texts=TEXTS)
def test_the_sets_are_those_of_plain_python_and_no_two_grams_share_a_number(texts):
    found = near.sets(series(texts))
    expected = [grams(text) for text in texts]
    assert found.sizes.tolist() == [len(each) for each in expected]
    # Numbers follow the order of the characters (the end of a text first), so sorting tells which gram has which.
    names = sorted(set().union(*expected))
    rows = [found.grams[a:b].tolist() for a, b in zip(found.offsets[:-1], found.offsets[1:], strict=True)]
    assert rows == [sorted(names.index(gram) for gram in each) for each in expected]


def test_a_null_stays_null_and_has_no_grams():
    text = series(["card", None])
    assert near.normal(text).to_list() == ["card", None]
    assert near.sets(text).sizes.tolist() == [2, 0]


def test_thousands_of_different_characters_and_very_long_texts_have_exact_sets():
    rng = np.random.default_rng(0)
    letters = [chr(point) for point in range(0x4E00, 0x9000)]  # 16,896: their 3-grams do not fit 32 bits
    texts = ["".join(rng.choice(letters, 30)) for _ in range(200)] + ["".join(rng.choice(list("abc "), 50_000)), "日本"]
    texts += [texts[0][:-1] + "x", texts[200][:-5]]
    found = near.sets(series(texts))
    assert found.sizes.tolist() == [len(grams(text)) for text in texts]
    assert as_dict(near.pairs(found)) == brute(texts, 0.7)


def test_parts_make_no_difference(real):
    whole, head = near.sets(real), near.sets(real.head(3))
    assert len(real) > 8192
    assert whole.sizes[:3].tolist() == head.sizes.tolist() == [len(grams(text)) for text in real.head(3)]
    assert whole.sizes.tolist() == [len(grams(text)) for text in real]


# --- pairs


@settings(max_examples=200)
@given(texts=TEXTS, threshold=st.sampled_from([0.3, 0.5, 0.7, 0.9, 1.0]))
def test_pairs_of_a_small_set_are_those_of_brute_force(texts, threshold):
    assert as_dict(near.pairs(near.sets(series(texts)), threshold)) == brute(texts, threshold)


def test_the_same_seed_gives_the_same_pairs(real):
    found = near.sets(real)
    for one, two in zip(near.pairs(found, seed=3), near.pairs(found, seed=3), strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("rows", [10_000, 100_000, 1_000_000], ids="as for {:,} rows".format)
def test_bands_find_one_edit_twins_and_nothing_that_is_not_near(real, rows, monkeypatch):
    scheme = bands.scheme
    monkeypatch.setattr(bands, "scheme", lambda _, threshold: scheme(rows, threshold))
    rng = np.random.default_rng(0)
    originals = real.filter(real.str.contains("[a-z]")).unique(maintain_order=True).sample(2000, seed=1).to_list()
    twins = [edits(text, rng) for text in originals]
    planted = [(at, 2000 + 5 * at + edit) for at in range(2000) for edit in range(5)]
    texts = originals + [text for each in twins for text in each]
    alike = [grams(text) for text in texts]
    wanted = {(left, right) for left, right in planted if jaccard(alike[left], alike[right]) >= 0.7}
    assert len(wanted) > 5000

    found = as_dict(near.pairs(near.sets(series(texts))))
    assert len(wanted & found.keys()) / len(wanted) >= 0.99
    wrong = {pair for pair, value in found.items() if value < 0.7 or jaccard(alike[pair[0]], alike[pair[1]]) != value}
    assert not wrong


def test_bands_find_nearly_all_pairs_of_real_texts(real):
    some = real.unique(maintain_order=True).head(4000)
    found = near.sets(some)
    assert len(some) > bands.SMALL
    exact = near.cross_pairs(found, np.arange(4000) % 2 == 0)
    banded = near.pairs(found)
    across = banded.left % 2 != banded.right % 2
    wanted = set(zip(exact.left.tolist(), exact.right.tolist(), strict=True))
    assert len(wanted) > 50
    got = set(zip(banded.left[across].tolist(), banded.right[across].tolist(), strict=True))
    assert got <= wanted
    assert len(got) >= 0.99 * len(wanted)


def test_a_minhash_agrees_as_often_as_the_sets_are_similar():
    """Over 240 factors and 400 pairs: unbiased to .005 on average, and in each band of similarity to .01."""
    rng = np.random.default_rng(1)
    texts = ["".join(rng.choice(list("abcdefghij "), size)) for size in rng.integers(20, 80, 400)]
    cuts = [int(len(text) * share) for text, share in zip(texts, rng.random(400), strict=True)]
    twins = [text[:cut] + texts[at - 1][cut:] for at, (text, cut) in enumerate(zip(texts, cuts, strict=True))]
    found = near.sets(series(texts + twins))
    rows = rows_of(found, np.arange(800))
    exact = np.array([jaccard(grams(one), grams(two)) for one, two in zip(texts, twins, strict=True)])
    codes = int(found.grams.max()) + 1
    agreed = np.zeros((60, 2, 400))
    for seed in range(60):
        rng = np.random.default_rng(seed)
        block, _ = bands._prepared(rows, slice(0, 800), bands._scattered(codes, rng), bands._bits(codes, 1, rng))
        factors = rng.integers(0, 1 << 15, (bands.HALVES, 1), dtype=np.uint16) * np.uint16(2) + np.uint16(1)
        halves = bands._sketch(factors, np.ones((bands.HALVES, 1), np.uint64), block)[:, :-1]
        agreed[seed] = (halves[:, :, :400] == halves[:, :, 400:]).mean(axis=1)
    for kind in (0, 1):  # the smallest and the largest product
        error = agreed[:, kind].mean(axis=0) - exact
        assert abs(error.mean()) < 0.005
        for low in np.arange(0, 1, 0.2):
            assert abs(error[(exact >= low) & (exact < low + 0.2)].mean()) < 0.01
        # As spread as independent draws are: a family that repeats itself would be wider.
        assert 0.8 < (error.std() / np.sqrt((exact * (1 - exact)).mean() / 240)) < 1.2


def test_half_bands_that_share_hashes_keep_the_promised_recall():
    """Pairs of similarity .7 exactly (14 of 20 grams) are found as often as `RECALL` says, whatever the scheme."""
    rng = np.random.default_rng(2)
    for rows in (10_000, 100_000, 1_000_000):
        scheme = bands.scheme(rows, 0.7)
        alike = 0.7**scheme.half
        matches = rng.binomial(bands.HALVES, alike, (200_000, scheme.groups))
        assert (matches >= 2).any(axis=1).mean() >= bands.RECALL - 0.001


def test_copies_are_pairs_and_a_crowd_of_them_hangs_on_its_first_row():
    few, crowd = ["where is my card", "Where is my card?"] * 3, ["please block my account now"] * 1000
    texts = [*few, *crowd, "please block my account nw", "please block my account nw!"]
    found = as_dict(near.pairs(near.sets(series(texts))))
    expected = brute(texts[:6], 0.7)
    assert {pair: value for pair, value in found.items() if pair[1] < 6} == expected
    assert len(expected) == 15
    assert {pair for pair in found if 6 <= pair[0] < pair[1] < 1006} == {(6, row) for row in range(7, 1006)}
    assert {pair for pair in found if pair[1] >= 1006} == (
        {(row, 1006) for row in range(6, 1006)} | {(6, 1007), (1006, 1007)}
    )


@pytest.mark.parametrize("kind", ["identical", "near"])
def test_a_hub_of_20000_rows_stays_one_component_without_all_of_its_pairs(kind):
    number = "" if kind == "identical" else "{:05}"
    texts = [f"your code is {number.format(row)} please do not share it with anyone at all" for row in range(20_000)]
    found = near.pairs(near.sets(series(texts)))
    assert len(found.left) < 150 * len(texts)  # of 10,000 each
    assert found.jaccard.min() >= 0.7
    assert not near.components(len(texts), found.left, found.right).any()
    kept = near.greedy(len(texts), found, np.ones(len(found.left), np.bool_)) < 0
    assert kept.sum() < 200


def test_rows_without_grams_are_in_no_pair():
    found = near.pairs(near.sets(series(["?", "!", "", None, "?"])))
    assert len(found.left) == len(found.right) == len(found.jaccard) == 0


# --- across a split


@settings(max_examples=200)
@given(rows=st.lists(st.tuples(LETTERS, st.booleans()), max_size=25), threshold=st.sampled_from([0.3, 0.7, 1.0]))
def test_pairs_across_a_split_are_those_of_brute_force(rows, threshold):
    texts, side = [text for text, _ in rows], [here for _, here in rows]
    found = near.cross_pairs(near.sets(series(texts)), np.array(side, np.bool_), threshold)
    assert as_dict(found) == brute(texts, threshold, lambda left, right: side[left] != side[right])


def test_pairs_across_a_split_of_real_texts_are_those_of_the_dense_product(real):
    found = near.sets(real.head(3000))
    side = np.random.default_rng(0).random(3000) < 0.2
    dense = np.zeros((3000, int(found.grams.max()) + 1), np.float32)
    dense[np.repeat(np.arange(3000), found.sizes), found.grams] = 1
    shared = (dense @ dense.T).astype(np.int64)
    similar = shared / np.maximum(found.sizes[:, None] + found.sizes - shared, 1)
    left, right = np.nonzero(np.triu(similar >= 0.7, 1) & (side[:, None] != side))
    got = near.cross_pairs(found, side)
    np.testing.assert_array_equal(got.left, left)
    np.testing.assert_array_equal(got.right, right)
    np.testing.assert_array_equal(got.jaccard, similar[left, right])


@given(texts=st.lists(LETTERS, min_size=1, max_size=15), draw=st.data())
def test_the_nearest_row_is_that_of_brute_force(texts, draw):
    rows = st.lists(st.integers(0, len(texts) - 1), max_size=10)
    queries, pool = draw.draw(rows), draw.draw(rows)
    got = near.nearest(near.sets(series(texts)), np.array(queries, np.int64), np.array(pool, np.int64))
    every = [[jaccard(grams(texts[row]), grams(texts[other])) for other in pool if other != row] for row in queries]
    assert got.tolist() == [max(each, default=0.0) for each in every]


# --- what hangs together, and what to drop


def joined(rows, pairs):
    """Union-find in plain Python: the smallest row of each row's component."""
    parent = list(range(rows))

    def root(row):
        while parent[row] != row:
            row = parent[row]
        return row

    for left, right in pairs:
        one, two = sorted((root(left), root(right)))
        parent[two] = one
    return [root(row) for row in range(rows)]


PAIRS = st.lists(st.tuples(st.integers(0, 29), st.integers(0, 29)).filter(lambda pair: pair[0] != pair[1]), max_size=40)


@given(pairs=PAIRS)
def test_components_are_those_of_union_find(pairs):
    left, right = np.array(pairs, np.int64).reshape(-1, 2).T
    assert near.components(30, left, right).tolist() == joined(30, pairs)


@pytest.mark.parametrize("order", ["sorted", "backwards", "shuffled", "zigzag"])
def test_a_chain_of_300000_rows_is_one_component(order):
    rows = 300_000
    chain = np.arange(rows)
    if order == "backwards":
        chain = chain[::-1]
    elif order == "shuffled":
        chain = np.random.default_rng(0).permutation(rows)
    elif order == "zigzag":
        chain = np.stack([chain[: rows // 2], chain[rows // 2 :][::-1]], axis=1).ravel()
    assert not near.components(rows, chain[:-1], chain[1:]).any()


@given(pairs=PAIRS, scores=st.lists(st.sampled_from([0.7, 0.8, 0.9, 1.0]), min_size=40, max_size=40), draw=st.data())
def test_a_row_is_dropped_where_it_is_near_a_kept_earlier_row(pairs, scores, draw):
    pairs = sorted({(min(pair), max(pair)) for pair in pairs})
    droppable = draw.draw(st.lists(st.booleans(), min_size=len(pairs), max_size=len(pairs)))
    twin = [-1] * 30
    for row in range(30):
        kept = [
            (score, -left)
            for (left, right), score, may in zip(pairs, scores, droppable, strict=False)
            if right == row and may and twin[left] < 0
        ]
        if kept:
            twin[row] = -max(kept)[1]
    left, right = np.array(pairs, np.int64).reshape(-1, 2).T
    found = near.Pairs(left, right, np.array(scores[: len(pairs)]))
    assert near.greedy(30, found, np.array(droppable, np.bool_)).tolist() == twin


def test_greedy_keeps_every_other_row_of_a_long_chain():
    rows = 200_000
    chain = near.Pairs(np.arange(rows - 1), np.arange(1, rows), np.full(rows - 1, 0.8))
    twin = near.greedy(rows, chain, np.ones(rows - 1, np.bool_))
    np.testing.assert_array_equal(twin, np.where(np.arange(rows) % 2, np.arange(rows) - 1, -1))
