"""Weights: raking, its cap, what it costs, and when it is refused."""

import itertools

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tuneset.errors import RecipeError
from tuneset.people.targets import SILENT, declared
from tuneset.people.weights import CAP, LEAST, effective, rake

NO_CAP = 1e9


def people(**columns):
    many = len(next(iter(columns.values())))
    return pl.DataFrame({"contributor": [f"c{n:04}" for n in range(many)], **columns})


def skewed(seed=0, many=400):
    rng = np.random.default_rng(seed)
    draw = lambda values, shares: rng.choice(values, many, p=shares).tolist()
    return people(
        region=draw(["us", "eu", "asia"], [0.7, 0.2, 0.1]),
        age=draw(["-34", "35-54", "55+"], [0.6, 0.3, 0.1]),
        device=draw(["phone", "desktop"], [0.5, 0.5]),
    )


TARGETS = {
    "region": {"us": 0.3, "eu": 0.4, "asia": 0.3},
    "age": {"-34": 0.3, "35-54": 0.35, "55+": 0.35},
    "device": {"phone": 0.6, "desktop": 0.4},
}


@st.composite
def tables(draw):
    """Give people of whom each combination of values has one at least, some of whom do not say, and targets for them."""
    sizes = draw(st.lists(st.integers(2, 3), min_size=1, max_size=3))
    names = [f"a{n}" for n in range(len(sizes))]
    every = [list(row) for row in itertools.product(*(range(size) for size in sizes))]
    cell = st.tuples(*(st.one_of(st.integers(0, size - 1), st.none()) for size in sizes))
    rows = every + [list(row) for row in draw(st.lists(cell, max_size=30))]
    part = st.integers(1, 5)
    targets = {}
    for name, size in zip(names, sizes, strict=True):
        parts = draw(st.lists(part, min_size=size, max_size=size))
        targets[name] = {f"v{n}": each / sum(parts) for n, each in enumerate(parts)}
    columns = {name: [None if row[at] is None else f"v{row[at]}" for row in rows] for at, name in enumerate(names)}
    return people(**columns), targets


def shares(table, found, name):
    told = table.join(found.weights, on="contributor").drop_nulls(name)
    return dict(told.group_by(name).agg(pl.col("weight").sum() / told["weight"].sum()).iter_rows())


@given(tables())
def test_weighted_shares_are_the_targets_where_no_cap_bites(case):
    table, targets = case
    found = rake(table, targets, NO_CAP)
    assume(not found.refused)
    assert (found.residual, found.capped) == (pytest.approx(0, abs=1e-6), 0)
    for name, target in targets.items():
        assert shares(table, found, name) == pytest.approx(target, abs=1e-6)


@given(tables(), st.floats(1, 8))
def test_weights_are_positive_with_a_mean_of_one_and_no_size_is_more_than_the_people(case, cap):
    table, targets = case
    found = rake(table, targets, cap)
    assert 0 < found.effective <= found.people + 1e-6
    assert found.design == pytest.approx(found.people / found.effective, abs=1e-4)
    assume(not found.refused)
    weights = found.weights["weight"].to_numpy()
    assert weights.min() > 0
    assert weights.max() <= cap + 1e-6
    assert weights.mean() == pytest.approx(1)
    assert found.effective == pytest.approx(effective(weights), rel=1e-5)


@given(tables(), st.integers(0, 1000))
def test_who_says_nothing_weighs_one_and_the_order_of_people_changes_nothing(case, seed):
    table, targets = case
    quiet = {name: [None, SILENT, "", " Prefer not to say "] for name in targets}
    whole = pl.concat([table, pl.DataFrame({"contributor": [f"quiet{n}" for n in range(4)], **quiet})])
    found, alone = rake(whole, targets), rake(table, targets)
    assume(not found.refused and not alone.refused)
    silent = found.weights.filter(pl.col("contributor").str.starts_with("quiet"))
    assert silent["weight"].to_list() == [1] * 4
    assert rake(whole.sample(fraction=1, shuffle=True, seed=seed), targets).weights.equals(found.weights)
    both = found.weights.join(alone.weights, on="contributor", suffix="_alone")
    assert both["weight"].to_list() == pytest.approx(both["weight_alone"].to_list(), abs=1e-6)


@pytest.mark.filterwarnings("ignore")  # ipfn is of 2021 and pandas has moved on
@pytest.mark.parametrize("seed", range(3))
def test_weights_are_those_of_ipfn(seed):
    import pandas as pd
    from ipfn import ipfn

    table = skewed(seed)
    names = list(TARGETS)
    cells = pd.DataFrame(table.group_by(names).len(name="total").rows(), columns=[*names, "total"])
    cells["total"] = cells["total"].astype(float)
    margins = [pd.Series(TARGETS[name]).rename_axis(name) * table.height for name in names]
    fitted = ipfn.ipfn(cells, margins, [[name] for name in names], convergence_rate=1e-12, rate_tolerance=0)
    theirs = {row[:-1]: row[-1] for row in fitted.iteration()[[*names, "total"]].itertuples(index=False, name=None)}
    found = rake(table, TARGETS, NO_CAP)
    ours = table.join(found.weights, on="contributor").group_by(names).agg(pl.col("weight").sum())
    assert {row[:-1]: row[-1] for row in ours.iter_rows()} == pytest.approx(theirs, abs=1e-5)


def test_a_skewed_pool_pays_for_its_weights_and_the_cap_lowers_the_price():
    free, capped = rake(skewed(), TARGETS, NO_CAP), rake(skewed(), TARGETS)
    assert free.weights["weight"].max() > CAP == capped.weights["weight"].max()
    assert free.effective < capped.effective < 400
    assert free.residual == capped.residual == pytest.approx(0, abs=1e-6)  # others of the same values stand in
    assert (free.capped, capped.capped > 0) == (0, True)
    assert "All shares are as the targets want them" in capped.words
    assert capped.shares.columns == ["attribute", "value", "people", "target", "weighted"]
    assert capped.shares["people"].sum() == 3 * 400


def test_how_far_a_cap_keeps_the_shares_from_their_targets_is_said():
    table = people(region=["north"] * 95 + ["south"] * 5)
    found = rake(table, {"region": {"north": 0.6, "south": 0.4}})
    assert found.weights["weight"].to_list() == pytest.approx([75 / 95] * 95 + [5] * 5)
    assert (found.capped, found.residual) == (5, pytest.approx(0.15))
    assert found.words.endswith("Shares stay up to 15.0% from the targets: 5 weights are cut at 5.")


def test_weights_that_would_cost_more_than_they_mend_are_refused_in_words():
    table = people(region=["north"] * 90 + ["south"] * 10, age=["old"] * 9 + ["young"] * 91)
    found = rake(table, {"region": {"north": 0.1, "south": 0.9}}, NO_CAP)
    assert found.refused
    assert found.weights is None
    assert found.effective < 30
    assert found.words.startswith("Not weighed: 100 people would say no more than 12")
    assert not rake(table, {"region": {"north": 0.5, "south": 0.5}}).refused


@pytest.mark.parametrize("absent", ["west", "<b>'", "a=b, c"])
def test_a_value_that_the_target_wants_and_nobody_has_is_named(absent):
    with pytest.raises(RecipeError) as error:
        rake(people(region=["north", "south", None]), {"region": {"north": 0.5, "south": 0.25, absent: 0.25}})
    assert f"nobody is region={absent!r}" in error.value.what
    assert "recruit" in error.value.hint
    assert "merge" in error.value.hint


def test_a_value_that_people_have_and_the_target_does_not_is_named():
    for target in ({"north": 1.0}, {"north": 1.0, "south": 0.0}):
        with pytest.raises(RecipeError, match="people say 'south', of whom the target wants none"):
            rake(people(region=["north", "south"]), {"region": target})


def test_more_than_four_attributes_none_or_an_unknown_one_are_refused():
    five = {f"a{n}": ["x", "y"] for n in range(5)}
    target = {"x": 0.5, "y": 0.5}
    assert rake(people(**five), dict.fromkeys(list(five)[:4], target)).effective == 2
    with pytest.raises(RecipeError, match="5 attributes"):
        rake(people(**five), dict.fromkeys(five, target))
    with pytest.raises(RecipeError, match="0 attributes"):
        rake(people(**five), {})
    with pytest.raises(RecipeError, match="unknown attribute 'regoin'"):
        rake(people(region=["x"]), {"regoin": {"x": 1}})
    with pytest.raises(RecipeError, match="unknown attribute"):
        rake(people(region=["x"]), {"contributor": {"c0000": 1}})
    with pytest.raises(RecipeError, match="cap"):
        rake(people(**five), {"a0": target}, 0.5)


@pytest.mark.parametrize(
    ("shares", "what"),
    [
        ({"a": 0.5, "b": 0.4}, "sum up to 0.9"),
        ({}, "sum up to 0"),
        ({"a": -0.5, "b": 1.5}, "'a' is -0.5"),
        ({"a": float("nan")}, "'a' is nan"),
        ({"a": "half"}, "'a' is 'half'"),
        ({"a": 0.9, SILENT: 0.1}, "cannot have a share"),
    ],
)
def test_shares_that_are_none_are_refused(shares, what):
    with pytest.raises(RecipeError, match=what):
        declared({"region": shares}, ["region"])


def test_targets_that_do_not_fit_together_in_these_people_are_said():
    # All in the north are young and all in the south are old, so no weights give half of each and a third of the young.
    table = people(region=["north"] * 10 + ["south"] * 10, age=["young"] * 10 + ["old"] * 10)
    found = rake(table, {"region": {"north": 0.5, "south": 0.5}, "age": {"young": 1 / 3, "old": 2 / 3}})
    assert found.residual == pytest.approx(1 / 6, abs=1e-6)
    assert "do not fit together" in found.words
    # And with a hole that drives one cell to nothing:
    holes = people(region=["n", "n", "s"] * 10, age=["y", "o", "o"] * 10)
    pushed = rake(holes, {"region": {"n": 0.3, "s": 0.7}, "age": {"y": 0.5, "o": 0.5}})
    assert pushed.residual > 0.05
    assert pushed.refused or pushed.weights["weight"].min() >= LEAST


def test_one_person_and_one_value_weigh_one():
    found = rake(people(region=["north"]), {"region": {"north": 1}})
    assert found.weights.rows() == [("c0000", 1.0)]
    assert (found.effective, found.design, found.residual) == (1, 1, 0)
    with pytest.raises(RecipeError, match="nobody is region='north'"):
        rake(people(region=[None, SILENT]), {"region": {"north": 1}})
