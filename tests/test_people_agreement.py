"""Agreement of people: alpha, alpha of each label, kappa of each pair."""

import krippendorff
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from tuneset.errors import InputError, RecipeError
from tuneset.people.agreement import LEAST, alpha, kappas, per_label
from tuneset.people.answers import coded


def table(rows):
    return pl.DataFrame(rows, schema=["item", "contributor", "value"], orient="row").cast(pl.String)


def drawn(*, items=60, people=5, labels=4, missing=0.4, skill=0.7, seed=0):
    """Draw a matrix (people, items) with gaps, as `krippendorff` reads it, and the same as answers."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, labels, items)
    shape = (people, items)
    matrix = np.where(rng.random(shape) < skill, truth, rng.integers(0, labels, shape)).astype(float)
    matrix[rng.random(shape) < missing] = np.nan
    rows = [(f"i{i}", f"c{c}", f"{matrix[c, i]:.0f}") for c, i in np.argwhere(~np.isnan(matrix)).tolist()]
    return matrix, table(rows)


def answers(labels="abc", people=4, items=8):
    """Give any table of answers, with gaps, at most one of each person to each item."""
    cell = st.tuples(st.integers(0, items - 1), st.integers(0, people - 1))
    told = st.dictionaries(cell, st.sampled_from(labels), min_size=1, max_size=people * items)
    return told.map(lambda cells: table([(f"i{i}", f"c{c}", value) for (i, c), value in cells.items()]))


@pytest.mark.parametrize("level", ["nominal", "ordinal", "interval"])
@pytest.mark.parametrize("seed", range(4))
def test_alpha_is_that_of_krippendorff(level, seed):
    matrix, rows = drawn(seed=seed, labels=2 + seed * 3)
    assert alpha(rows, level).value == pytest.approx(
        krippendorff.alpha(matrix, level_of_measurement=level), abs=1e-11, rel=0
    )


def test_ordinal_values_with_words_are_ordered_as_they_are_named():
    _, rows = drawn(labels=3)
    order = ["0", "1", "2"]
    words = ["poor", "fair", "good"]
    named = rows.with_columns(pl.col("value").replace_strict(order, words))
    assert alpha(named, "ordinal", words).value == alpha(rows, "ordinal").value
    assert alpha(named, "ordinal", ["fair", "poor", "good"]).value != alpha(rows, "ordinal").value
    with pytest.raises(RecipeError, match="unknown value 'good'"):
        alpha(named, "ordinal", ["poor", "fair"])
    with pytest.raises(RecipeError, match="no numbers"):
        alpha(named, "ordinal")
    with pytest.raises(RecipeError, match="no finite number"):
        alpha(table([("a", "x", "nan"), ("a", "y", "1")]), "interval")


def test_alpha_of_a_label_is_that_of_the_label_against_all_others():
    matrix, rows = drawn(labels=4, seed=3)
    for label, value, low, high, many in per_label(rows).iter_rows():
        rest = np.where(np.isnan(matrix), np.nan, matrix == float(label))
        assert value == pytest.approx(krippendorff.alpha(rest, level_of_measurement="nominal"), abs=1e-11)
        assert low < value < high
        assert many > 0


def test_kappa_is_that_of_scikit_learn_for_each_pair():
    matrix, rows = drawn(people=4, seed=1)
    found = kappas(rows)
    assert found.height == 6
    for one, other, items, same, kappa, enough in found.iter_rows():
        pair = matrix[[int(one[1:]), int(other[1:])]]
        pair = pair[:, ~np.isnan(pair).any(axis=0)]
        assert (items, enough) == (pair.shape[1], True)
        assert same == pytest.approx((pair[0] == pair[1]).mean())
        assert kappa == pytest.approx(cohen_kappa_score(*pair))


@given(answers())
def test_alpha_is_one_where_all_agree_and_says_so_where_it_is_not_known(rows):
    same = rows.with_columns(value=pl.col("item"))
    found = alpha(same)
    several = rows.group_by("item").len().filter(pl.col("len") > 1).height
    assert found.items == several
    assert found.value == (1.0 if several > 1 else None)
    assert bool(found.why) == (found.value is None)


@given(answers(), st.permutations("abc"), st.permutations(["c0", "c1", "c2", "c3"]), st.randoms())
def test_other_names_of_labels_or_people_and_another_order_of_rows_change_nothing(rows, labels, people, random):
    renamed = rows.with_columns(
        pl.col("value").replace_strict(list("abc"), labels),
        pl.col("contributor").replace_strict(["c0", "c1", "c2", "c3"], people),
    ).sample(fraction=1, shuffle=True, seed=random.randrange(1000))
    one, other = alpha(rows), alpha(renamed)
    assert other.value == pytest.approx(one.value)
    assert (other.items, other.answers, other.why) == (one.items, one.answers, one.why)
    assert alpha(rows.reverse()) == one
    ours = {label: value for label, value, *_ in per_label(rows).iter_rows()}
    theirs = {"abc"[labels.index(label)]: value for label, value, *_ in per_label(renamed).iter_rows()}
    assert theirs == pytest.approx(ours)
    pairs = {frozenset(row[:2]): row[2:5] for row in kappas(rows).iter_rows()}
    back = dict(zip(people, ["c0", "c1", "c2", "c3"], strict=True))
    for one_, other_, *rest in kappas(renamed).iter_rows():
        assert pairs[frozenset((back[one_], back[other_]))] == pytest.approx(tuple(rest[:3]))


@given(answers())
def test_all_items_twice_change_kappa_by_nothing_and_alpha_by_its_correction_for_few_answers_alone(rows):
    twice = pl.concat([rows, rows.with_columns(pl.col("item") + "'")])
    assert kappas(twice)["kappa"].to_list() == pytest.approx(kappas(rows)["kappa"].to_list())
    one, two = alpha(rows), alpha(twice)
    assert (one.value is None) == (two.value is None)
    if one.value is not None:
        assert two.answers == 2 * one.answers
        assert (1 - two.value) * (one.answers - 1) == pytest.approx((1 - one.value) * (one.answers - 0.5))


def test_the_interval_narrows_with_more_items_and_is_the_same_for_the_same_seed():
    few, many = (alpha(drawn(items=items, missing=0.2)[1]) for items in (40, 400))
    assert few.low < few.value < few.high
    assert many.high - many.low < (few.high - few.low) / 2
    assert alpha(drawn(items=40, missing=0.2)[1]) == few != alpha(drawn(items=40, missing=0.2)[1], seed=1)


def test_the_interval_holds_the_true_alpha_about_as_often_as_it_says():
    # Two people, two labels that are as frequent, both right in 85 of 100: alpha is (2 * .85 - 1) ** 2 = .49.
    held = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        truth = rng.integers(0, 2, 100)
        said = np.where(rng.random((2, 100)) < 0.85, truth, 1 - truth)
        found = alpha(table([(f"i{i}", f"c{c}", str(said[c, i])) for c in range(2) for i in range(100)]), seed=seed)
        held += found.low <= 0.49 <= found.high
    assert 180 <= held <= 199


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([], "no item has two answers"),
        ([("a", "x", None), ("a", "y", None)], "no item has two answers"),
        ([("a", "x", "1"), ("b", "x", "2"), ("c", "x", "1")], "no item has two answers"),
        ([("a", "x", "1"), ("a", "y", "1")], "all answers are the same"),
        ([("a", "x", "1"), ("a", "y", "1"), ("b", "x", "2")], "all answers are the same"),
    ],
)
@pytest.mark.parametrize("level", ["nominal", "ordinal", "interval"])
def test_what_cannot_be_known_is_not_called_agreement(rows, why, level):
    found = alpha(table(rows), level)
    assert (found.value, found.low, found.high) == (None, None, None)
    assert why in found.why
    assert per_label(table(rows))["alpha"].drop_nulls().is_empty()


def test_one_number_written_in_two_ways_is_one_value_to_the_interval_level():
    rows = table([("a", "x", "1"), ("a", "y", "1.0")])
    assert alpha(rows, "interval").value is None
    assert alpha(rows, "nominal").value == 0


def test_one_item_has_an_alpha_and_no_interval():
    found = alpha(table([("a", "x", "1"), ("a", "y", "2"), ("a", "z", "1")]))
    assert found.value == pytest.approx(0)
    assert (found.items, found.low, found.high) == (1, None, None)
    items = [(f"i{n}", who, str(n % 2)) for n in range(LEAST) for who in "xy"]
    assert alpha(table(items))[:3] == (1, 1, 1)


def test_fewer_than_five_shared_items_are_marked_and_strangers_are_no_pair():
    rows = [(f"i{n}", who, str(n % 3)) for n in range(4) for who in ("x", "y")] + [("far", "z", "0")]
    assert kappas(table(rows)).rows() == [("x", "y", 4, 1.0, 1.0, False)]
    assert kappas(table([("a", "x", "1"), ("a", "y", "1")])).rows() == [("x", "y", 1, 1.0, None, False)]
    assert kappas(table([])).height == 0


def test_ten_thousand_labels_and_hostile_names_are_names_like_any_other():
    rng = np.random.default_rng(0)
    right = rng.random(10_000) < 0.5
    rows = [(f"i{n}", "x", f"v{n}") for n in range(10_000)]
    rows += [(f"i{n}", "y", f"v{n}" if right[n] else f"v{(n + 1) % 10_000}") for n in range(10_000)]
    assert alpha(table(rows)).value == pytest.approx(right.mean(), abs=1e-3)
    names = ["", "'; drop table", "a\x00b", "<script>", "=1+1", "{0}", "\u00e9", "e\u0301", "\U0001f600"]
    hostile = [(item, who, value) for item in names for who, value in zip(names, names[1:] + names[:1], strict=True)]
    plain = [(f"i{names.index(i)}", f"c{names.index(c)}", f"v{names.index(v)}") for i, c, v in hostile]
    assert alpha(table(hostile)).value == pytest.approx(alpha(table(plain)).value)
    assert kappas(table(hostile)).height == kappas(table(plain)).height == 36


def test_one_person_with_two_answers_to_one_item_is_refused_and_the_same_twice_counts_once():
    rows = [("a", "x", "1"), ("a", "y", "2")]
    assert coded(table(rows * 2)).label.tolist() == [0, 1]
    with pytest.raises(InputError, match="'x' answers 'a' in two ways"):
        alpha(table([*rows, ("a", "x", "2")]))
