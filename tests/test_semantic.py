"""Semantic duplicates: where the limit comes from, what is said, and what is never dropped."""

import numpy as np
import polars as pl
import pytest
import tiny_model
from hypothesis import given, settings
from hypothesis import strategies as st

from tuneset import step
from tuneset.apply import apply
from tuneset.dedupe import semantic
from tuneset.dedupe.semantic import SemanticDuplicate
from tuneset.model import DECISIONS
from tuneset.testing import check_step, examples

APART, SAME = semantic._APART, semantic._SAME
OTHER_WORDS = "Locate, on my new card, the PIN"
MORE = [OTHER_WORDS]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_model.static_folder(tmp_path_factory.mktemp("model"), [*APART, *SAME, *MORE])


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TUNESET_CACHE", str(tmp_path))


def table(*texts, labels=None):
    texts = [*APART, *texts]
    return examples([{"text": text, "label": (labels or {}).get(text, "a")} for text in texts])


def found(model, *texts, labels=None, **parameters):
    rows = table(*texts, labels=labels)
    return step.run(SemanticDuplicate(model=model, **parameters), rows), rows


@pytest.mark.parametrize("drop", [False, True])
def test_the_step_keeps_what_it_promises(model, drop):
    check_step(SemanticDuplicate(model=model, drop=drop))


def test_without_a_model_it_says_nothing():
    assert step.run(SemanticDuplicate(), table(*SAME)).is_empty()


def test_two_wordings_of_one_inquiry_are_a_suggestion_that_names_the_twin(model):
    said, rows = found(model, *SAME)
    finding = said.row(0, named=True)
    assert said.height == 1
    assert (finding["example"], finding["others"]) == (rows["id"][-1], [rows["id"][-2]])
    assert (finding["action"], finding["when"]) == ("drop", "on-accept")
    assert finding["says"].startswith("says the same as its twin (cosine 0.9")
    assert 0.8 < finding["score"] <= 1


def test_the_recipe_may_let_it_drop_the_later_row(model):
    said, rows = found(model, *SAME, OTHER_WORDS, drop=True)
    left = apply(rows, said, pl.DataFrame(schema=DECISIONS))
    assert left["text"].to_list() == [*APART, SAME[0]]


def test_a_twin_in_spelling_is_left_to_the_rule_about_spelling(model):
    said, _ = found(model, SAME[0], SAME[0].lower().rstrip("?"))
    assert said.is_empty()


GUARDED = [
    ({}, ("How do I find the PIN of my new card?", "Where can I see the code of my new card, the 7?"), "number"),
    ({}, ("Where can I see my new card's PIN?", "I do not see where my new card's code is"), "a negation"),
    ({}, ("I find my PIN on the card, how?", "On the card, how I locate my PIN?"), "one word for another"),
    ({}, ("of my new card, how do I see the PIN", "how do I see the PIN of my new card"), "another order of words"),
    ({SAME[1]: "b"}, SAME, "another label"),
]


@pytest.mark.parametrize(("labels", "texts", "guard"), GUARDED)
def test_a_difference_that_matters_is_said_and_never_dropped(tmp_path, monkeypatch, labels, texts, guard):
    monkeypatch.setattr(semantic, "SPELLED", 1.1)  # some are near in spelling too; here the guards are looked at
    model = tiny_model.static_folder(tmp_path / "model", [*APART, *texts])
    for drop in (False, True):
        said, _ = found(model, *texts, labels=labels, drop=drop)
        finding = said.row(0, named=True)
        assert said.height == 1
        assert finding["action"] == "none"
        assert guard in finding["says"]


def test_a_set_that_is_too_small_to_have_a_distribution_is_let_be(model):
    rows = examples([{"text": text} for text in SAME])
    assert step.run(SemanticDuplicate(model=model), rows).is_empty()


# --- the limit


def seen(vectors, labels=None):
    """Rows with these vectors; their texts have nothing in common."""
    rng = np.random.default_rng(0)
    texts = pl.Series(["".join(rng.choice(list("abcdefghijklmnopqrstuvwxyz"), 12)) for _ in range(len(vectors))])
    spelling = semantic.rows_of(semantic.near.sets(texts), np.arange(len(vectors)))
    label = np.full(len(vectors), -1) if labels is None else labels
    return semantic.Seen(np.arange(len(vectors)), texts, vectors, spelling, label)


def units(rows, size=16, seed=0):
    drawn = np.random.default_rng(seed).normal(size=(rows, size)).astype(np.float32)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def test_neighbours_are_those_of_brute_force_and_twins_in_spelling_do_not_count(monkeypatch):
    monkeypatch.setattr(semantic, "CELLS", 700)  # several parts
    labels = np.arange(90) % 3
    rows = seen(np.concatenate([units(60), units(30)]), labels)  # 30 rows twice, said in other letters
    rows = rows._replace(
        spelling=semantic.rows_of(semantic.near.sets(pl.concat([rows.text[:60], rows.text[:30]])), np.arange(90))
    )
    cosine = (rows.vectors @ rows.vectors.T).astype(np.float64)
    twin = np.eye(90, dtype=bool) | (np.abs(np.subtract.outer(np.arange(90), np.arange(90))) == 60)
    cosine[twin] = -1
    nearest, stranger = semantic._nearest(rows)
    np.testing.assert_allclose(nearest, cosine.max(axis=1), atol=1e-6)
    cosine[labels[:, None] == labels] = -1
    np.testing.assert_allclose(stranger, cosine.max(axis=1), atol=1e-6)


def test_the_limit_is_what_hardly_a_row_reaches_with_another_label():
    rows = seen(units(2000), np.arange(2000) % 4)
    nearest, stranger = semantic._nearest(rows)
    limit = semantic._limit(SemanticDuplicate(false_alarms=0.05), rows)
    assert limit == round(float(np.quantile(stranger, 0.95)), 3)
    assert np.median(nearest) < limit < (1 + np.median(nearest)) / 2


def test_without_labels_the_limit_is_halfway_from_the_typical_neighbour_to_the_same():
    for labels in (None, np.arange(500)):  # none, or one to each row
        rows = seen(units(500), labels)
        nearest, stranger = semantic._nearest(rows)
        assert not len(stranger)
        assert semantic._limit(SemanticDuplicate(), rows) == round((1 + float(np.median(nearest))) / 2, 3)


def test_wrong_labels_cannot_raise_the_limit_above_that():
    vectors = np.concatenate([units(300), units(300)])  # each row twice, and every second time with another label
    rows = seen(vectors, np.arange(600) % 7)
    nearest, stranger = semantic._nearest(rows)
    assert np.quantile(stranger, 0.99) > 0.999
    assert semantic._limit(SemanticDuplicate(), rows) == round(
        float(max((1 + np.median(nearest)) / 2, np.median(nearest))), 3
    )


def test_the_limit_is_no_lower_than_what_missing_words_cost(model):
    rows = semantic._seen(SemanticDuplicate(model=model), table(*SAME))
    nearest, _ = semantic._nearest(rows)
    least = semantic._shortened(SemanticDuplicate(model=model), rows)
    assert np.median(nearest) < least
    assert semantic._limit(SemanticDuplicate(model=model), rows) >= round(least, 3)


# --- pairs


@settings(max_examples=50)
@given(rows=st.integers(1, 60), limit=st.sampled_from([0.2, 0.5, 0.9]), seed=st.integers(0, 99))
def test_pairs_are_those_of_brute_force(rows, limit, seed):
    vectors = units(rows, 6, seed)
    monkey = pytest.MonkeyPatch()
    monkey.setattr(semantic, "CELLS", 200)
    monkey.setattr(semantic, "ALIKE", 1000)
    got = semantic._alike(seen(vectors), limit)
    monkey.undo()
    cosine = np.einsum("ik,jk->ij", vectors, vectors, dtype=np.float64)
    left, right = np.nonzero(np.triu(cosine >= limit, 1))
    assert list(zip(got.left.tolist(), got.right.tolist(), strict=True)) == list(
        zip(left.tolist(), right.tolist(), strict=True)
    )
    np.testing.assert_allclose(got.jaccard, cosine[left, right], atol=1e-6)


def test_a_crowd_has_a_bounded_number_of_pairs_and_one_survivor():
    crowd = units(1) + units(500) * 0.01
    rows = seen((crowd / np.linalg.norm(crowd, axis=1, keepdims=True)).astype(np.float32))
    got = semantic._alike(rows, 0.9)
    assert len(got.left) <= semantic.ALIKE * 500
    twin = semantic.near.greedy(500, got, np.ones(len(got.left), np.bool_))
    assert (twin < 0).sum() == 1


def test_beyond_the_exact_size_nearly_all_close_pairs_are_found_through_centres(monkeypatch):
    base = units(3000, 32)
    near_ = base + units(3000, 32, seed=1) * 0.35
    rows = seen(np.concatenate([base, near_ / np.linalg.norm(near_, axis=1, keepdims=True)]).astype(np.float32))
    exact = semantic._alike(rows, 0.9)
    monkeypatch.setattr(semantic, "EXACT", 1000)
    monkeypatch.setattr(semantic, "ROOM", 300)
    coarse = semantic._alike(rows, 0.9)
    wanted = set(zip(exact.left.tolist(), exact.right.tolist(), strict=True))
    got = set(zip(coarse.left.tolist(), coarse.right.tolist(), strict=True))
    assert len(wanted) > 2000
    assert got <= wanted
    assert len(got) > 0.85 * len(wanted)
