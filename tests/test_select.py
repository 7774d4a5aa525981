"""Rows that stand for all rows, and rows that add nothing: what is chosen, and how near to the best it is."""

from itertools import combinations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tuneset.errors import RecipeError
from tuneset.judge import select as choosing
from tuneset.judge.select import WHOLE, greedy, likeness, quotas, redundant, select, selected
from tuneset.judge.view import View, labels
from tuneset.testing import examples

TEXTS = [
    f"{start} my {thing} {end}"
    for start in ("where is", "cancel", "I lost")
    for thing in ("card", "parcel", "invoice", "account")
    for end in ("", "today", "please")
]
POINTS = st.integers(1, 12).flatmap(
    lambda rows: arrays.arrays(np.float32, (rows, 3), elements=st.floats(-1, 1, width=16))
)


def unit(points):
    lengths = np.linalg.norm(points, axis=1, keepdims=True)
    return (points / np.where(lengths > 0, lengths, 1)).astype(np.float32)


def seen(vectors, codes, train=None):
    rows = examples([{"text": f"row {row}", "label": f"{code}"} for row, code in enumerate(codes)])
    train = np.ones(len(codes), np.bool_) if train is None else np.asarray(train, np.bool_)
    return View(rows, unit(np.asarray(vectors, np.float32)), train, np.arange(len(codes))), labels(rows)


def worth(like, rows):
    return int(like[list(rows)].max(axis=0, initial=0).sum(dtype=np.int64))


@given(POINTS, st.integers(1, 12))
def test_the_chosen_rows_are_worth_at_least_63_percent_of_the_best_and_each_is_the_best_next_one(points, size):
    like = likeness(unit(points))
    size = min(size, len(like))
    order = greedy(like, size).tolist()
    best = max(worth(like, rows) for rows in combinations(range(len(like)), size))
    assert worth(like, order) >= (1 - 1 / np.e) * best
    for place in range(size):  # the same as without laziness, ties included
        rest = [row for row in range(len(like)) if row not in order[:place]]
        assert order[place] == max(rest, key=lambda row: (worth(like, [*order[:place], row]), -row))


@given(POINTS)
def test_two_rows_are_as_like_one_way_as_the_other_and_each_is_like_itself(points):
    like = likeness(unit(points))
    assert (like == like.T).all()
    assert (np.diag(like) == WHOLE).all()
    assert like.min() >= 0
    assert like.max() <= WHOLE


@given(st.lists(st.integers(0, 50), min_size=1, max_size=8), st.integers(0, 300), st.integers(0, 9))
def test_shares_add_up_and_no_label_gets_more_than_it_has_or_less_than_the_floor(sizes, rows, least):
    given_ = quotas(np.array(sizes), rows, least)
    assert given_.sum() == min(rows, sum(sizes))
    assert (given_ <= sizes).all()
    assert (given_ >= np.minimum(sizes, min(least, min(rows, sum(sizes)) // len(sizes)))).all()


@given(st.lists(st.integers(1, 50), min_size=1, max_size=8), st.integers(1, 300))
def test_without_a_floor_shares_are_within_one_row_of_proportional(sizes, rows):
    rows = min(rows, sum(sizes))
    assert (np.abs(quotas(np.array(sizes), rows) - rows * np.array(sizes) / sum(sizes)) < 1 + 1e-6).all()


def test_a_rare_label_keeps_its_floor():
    view, columns = seen(np.random.default_rng(0).normal(size=(106, 8)), [0] * 100 + [1] * 6)
    chosen = select(view, columns, 20)
    assert sum(chosen.rows >= 100) == choosing.LEAST
    assert len(chosen.rows) == 20


def test_one_row_of_each_heap_is_chosen():
    heaps = np.repeat(np.eye(4), 5, axis=0) + np.random.default_rng(0).normal(scale=0.01, size=(20, 4))
    view, columns = seen(heaps, [0] * 20)
    chosen = select(view, columns, 4)
    assert sorted(chosen.rows // 5) == [0, 1, 2, 3]
    assert chosen.coverage > 0.99 > chosen.chance


def test_rows_that_are_not_on_the_train_side_are_never_chosen_and_change_nothing():
    vectors = np.random.default_rng(0).normal(size=(40, 8))
    train = np.arange(40) % 4 > 0
    view, columns = seen(vectors, [0] * 40, train)
    chosen = select(view, columns, 10)
    moved, _ = seen(np.where(train[:, None], vectors, vectors[::-1]), [0] * 40, train)
    assert train[chosen.rows].all()
    assert select(moved, columns, 10).rows.tolist() == chosen.rows.tolist()


@settings(max_examples=30)
@given(st.randoms(use_true_random=False), st.integers(1, 36))
def test_what_is_chosen_does_not_depend_on_the_order_of_rows(draw, rows):
    table = examples([{"text": text, "label": text.split()[0]} for text in TEXTS])
    vectors = np.random.default_rng(0).normal(size=(len(TEXTS), 4)).round(1)
    whole = table.with_columns(side=pl.lit("train"), group="id", vector=pl.Series(unit(vectors)))
    order = draw.sample(range(len(TEXTS)), len(TEXTS))
    one, other = (selected(each, rows) for each in (whole, whole[order]))
    assert one[0].equals(other[0])
    assert one[1] == other[1]


def test_a_label_too_large_for_one_square_is_cut_and_every_row_is_in_one_part(monkeypatch):
    monkeypatch.setattr(choosing, "CELL", 16)
    vectors = unit(np.random.default_rng(0).normal(size=(200, 8)))
    parts = list(choosing.cells(vectors, np.arange(200), np.arange(200) % 2))
    assert sorted(np.concatenate(parts).tolist()) == list(range(200))
    assert max(map(len, parts)) <= 16
    assert all(len(set(part % 2)) == 1 for part in parts)
    assert list(map(len, choosing.cells(np.zeros((40, 2), np.float32), np.arange(40), np.zeros(40, int)))) == [10] * 4


def test_chosen_rows_of_a_label_that_is_cut_still_cover_more_than_chance(monkeypatch):
    monkeypatch.setattr(choosing, "CELL", 32)
    rng = np.random.default_rng(0)
    view, columns = seen(
        rng.normal(size=(20, 6))[rng.integers(20, size=300)] + rng.normal(size=(300, 6)) / 5, [0] * 300
    )
    chosen = select(view, columns, 30)
    assert len(chosen.rows) == 30
    assert chosen.coverage > chosen.chance


def test_the_curve_rises_to_the_coverage_and_random_rows_stay_below_it():
    view, columns = seen(np.random.default_rng(0).normal(size=(120, 5)), np.arange(120) % 3)
    chosen = select(view, columns, 60)
    ours = [point["coverage"] for point in chosen.curve]
    assert ours == sorted(ours)
    assert (chosen.curve[-1]["rows"], ours[-1]) == (60, round(chosen.coverage, 4))
    assert all(point["coverage"] > point["chance"] for point in chosen.curve)


def test_asking_for_more_rows_than_there_are_gives_all_of_them():
    ids, facts = selected(examples(TEXTS), 1000)
    assert ids.height == facts["rows"] == facts["of"] == len(TEXTS)
    assert facts["coverage"] == facts["chance"] == 1.0


@pytest.mark.parametrize(("rows", "side"), [(0, "train"), (-3, "train"), (5, "validation")])
def test_a_number_that_cannot_be_chosen_is_refused(rows, side):
    with pytest.raises(RecipeError, match="cannot be chosen"):
        selected(examples(TEXTS).with_columns(side=pl.lit(side)), rows)


def test_the_same_seed_chooses_the_same_rows():
    table = examples(TEXTS)
    assert selected(table, 9, 7)[0].equals(selected(table, 9, 7)[0])


def test_rows_beside_a_twin_are_redundant_and_one_of_each_twin_stays():
    rng = np.random.default_rng(0)
    vectors = unit(rng.normal(size=(60, 40)))
    vectors[50:] = vectors[:10] + rng.normal(scale=0.001, size=(10, 40))
    view, columns = seen(vectors, [0] * 60)
    found = redundant(view, columns)
    pairs = {frozenset(pair) for pair in zip(found.rows.tolist(), found.twins.tolist(), strict=True)}
    assert pairs == {frozenset((row, row + 50)) for row in range(10)}
    assert (np.diff(found.scores.round(4)) <= 0).all()
    assert not set(found.rows) & set(found.twins)


def test_a_twin_of_another_label_or_on_another_side_makes_no_row_redundant():
    vectors = unit(np.random.default_rng(0).normal(size=(60, 40)))
    vectors[30:] = vectors[:30]
    apart, columns = seen(vectors, [0] * 30 + [1] * 30)
    assert len(redundant(apart, columns).rows) == 0
    validation, columns = seen(vectors, [0] * 60, np.arange(60) < 30)
    assert len(redundant(validation, columns).rows) == 0


def test_rows_that_are_all_about_as_far_apart_have_no_redundant_ones():
    view, columns = seen(np.random.default_rng(0).normal(size=(400, 12)), [0] * 400)
    assert len(redundant(view, columns).rows) <= 4
    few, columns = seen(np.ones((5, 3)), [0] * 5)
    assert len(redundant(few, columns).rows) == 0


def test_twins_are_found_when_rows_are_compared_in_fewer_dimensions_and_in_parts(monkeypatch):
    monkeypatch.setattr(choosing, "CELL", 256)
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(1000, 300))
    vectors[900:] = vectors[:100] + rng.normal(scale=0.1, size=(100, 300))
    view, columns = seen(vectors, [0] * 1000)
    assert len(redundant(view, columns).rows) >= 85
