"""Places on a plane: neighbours stay neighbours, strangers stand apart, and the same rows give the same picture."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuneset.judge import layout
from tuneset.judge.view import View, labels, view
from tuneset.testing import examples

CSV = Path(__file__).parents[1] / "examples" / "customer_intent.csv"


def groups(rows, parts, seed=0, wide=0.3):
    """Make unit vectors around as many centres as there are parts."""
    rng = np.random.default_rng(seed)
    part = np.arange(rows) % parts
    vectors = rng.standard_normal((parts, 40))[part] + wide * rng.standard_normal((rows, 40))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return View(pl.DataFrame(), vectors.astype(np.float32), np.ones(rows, np.bool_), np.arange(rows)), part


@pytest.fixture(scope="module")
def inquiries():
    table = pl.read_csv(CSV)
    answers = pl.Series([f'{{"category": "{each}"}}' for each in table["category"]])
    rows = examples(table["inquiry"].to_list()).with_columns(label=answers, labels=answers, group=pl.int_range(500))
    looked = view(rows)
    return looked, labels(rows), layout.places(looked, labels(rows))


def test_neighbours_among_texts_are_neighbours_on_the_map_far_more_than_by_principal_components(inquiries):
    from sklearn.decomposition import PCA
    from sklearn.manifold import trustworthiness

    looked, _, placed = inquiries
    ours = trustworthiness(looked.vectors, placed, n_neighbors=10)
    theirs = trustworthiness(looked.vectors, PCA(2, random_state=0).fit_transform(looked.vectors), n_neighbors=10)
    assert ours >= 0.83
    assert ours >= theirs + 0.15


def test_examples_of_a_label_lie_together(inquiries):
    _, [column], placed = inquiries
    apart = ((placed[:, None] - placed) ** 2).sum(axis=2) + np.eye(500) * 9
    near = np.argsort(apart, axis=1)[:, :10]
    assert (column.codes[near] == column.codes[:, None]).mean() >= 0.6  # of five labels


def test_the_same_rows_give_the_same_picture_and_another_seed_another(inquiries):
    looked, columns, placed = inquiries
    assert np.array_equal(layout.places(looked, columns), placed)
    assert not np.array_equal(layout.places(looked, columns, seed=1), placed)


def test_a_row_like_no_other_stands_apart():
    looked, _ = groups(200, 4)
    odd = np.zeros((1, 40), np.float32)
    odd[0, 0] = -1
    odd -= looked.vectors.mean(axis=0)
    vectors = np.vstack([looked.vectors, odd / np.linalg.norm(odd)])
    placed = layout.places(View(pl.DataFrame(), vectors, np.ones(201, np.bool_), np.arange(201)), [])
    nearest = np.sort(np.linalg.norm(placed[:, None] - placed, axis=2) + np.eye(201), axis=1)[:, 0]
    assert nearest[200] >= np.quantile(nearest[:200], 0.9)


def test_groups_stay_groups_beyond_the_rows_that_are_laid_out_by_their_neighbours(monkeypatch):
    monkeypatch.setattr(layout, "MOST", 300)
    looked, part = groups(900, 6)
    placed = layout.places(looked, [])
    centres = np.stack([placed[part == each].mean(axis=0) for each in range(6)])
    nearest = np.linalg.norm(placed[:, None] - centres, axis=2).argmin(axis=1)
    assert (nearest == part).mean() >= 0.97


@given(st.integers(0, 40), st.integers(0, 3), st.booleans())
@settings(max_examples=40, deadline=None)
def test_every_set_gets_places_within_the_map(rows, seed, flat):
    vectors = np.random.default_rng(seed).standard_normal((rows, 6)).astype(np.float32) * (not flat)
    placed = layout.places(View(pl.DataFrame(), vectors, np.ones(rows, np.bool_), np.arange(rows)), [])
    assert placed.shape == (rows, 2)
    assert placed.dtype == np.float32
    assert np.isfinite(placed).all()
    assert ((placed >= 0) & (placed <= 1)).all()


@pytest.mark.slow
def test_ten_thousand_rows_take_seconds():
    looked, _ = groups(10_000, 60)
    start = time.process_time()
    layout.places(looked, [])
    assert time.process_time() - start < 15  # 2 to 4 on a quiet machine


def test_all_rows_with_a_finding_are_drawn_and_the_rest_by_lot():
    rows = examples([f"text {place}" for place in range(50)]).with_columns(side=pl.lit("train"))
    spots = rows.select("id", x=0.1, y=0.2)
    said = pl.DataFrame({"example": rows["id"][:7], "rule": ["odd"] * 7})
    chosen = layout.points(spots, rows, said, ["category"], most=20)
    assert (len(chosen["ids"]), chosen["of"]) == (20, 50)
    assert {each for each, rule in zip(chosen["ids"], chosen["rules"], strict=True) if rule} == set(rows["id"][:7])
    assert chosen["labels"] == {"category": [None] * 20} or set(chosen["labels"]) == {"category"}
    again = layout.points(spots, rows.reverse(), said.reverse(), ["category"], most=20)
    assert again["ids"] == chosen["ids"]


def test_where_findings_alone_are_too_many_the_worst_are_drawn():
    rows = examples([f"text {place}" for place in range(30)]).with_columns(side=pl.lit("train"))
    spots = rows.select("id", x=0.1, y=0.2)
    said = pl.DataFrame({"example": rows["id"], "rule": ["odd"] * 30})
    assert set(layout.points(spots, rows, said, [], most=5)["ids"]) == set(rows["id"][:5])
