"""Nothing of one group is on two sides, and every stratum is as near to its share as that allows."""

from __future__ import annotations

import itertools
import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuneset import near
from tuneset.errors import RecipeError
from tuneset.split import balance, bridging, draw, place, strata_of

NONE = np.empty(0, np.int64)


def codes_of(label):
    return label.rank("dense").cast(pl.Int64).to_numpy() - 1


def straddling(side, groups):
    placed = pl.DataFrame({"side": side, "group": groups}).filter(pl.col("side") >= 0)
    return placed.group_by("group").agg(pl.col("side").n_unique()).filter(pl.col("side") > 1).height


def deviation(side, strata, share=0.2):
    held = np.bincount(strata, side == 1) / np.bincount(strata)
    return np.abs(held - share).sum()


@st.composite
def tables(draw_, rows=60, strata=6):
    n = draw_(st.integers(1, rows))
    column = lambda top: st.lists(st.integers(0, top), min_size=n, max_size=n)
    groups = draw_(st.integers(0, n).flatmap(column))
    return np.array(draw_(column(strata)), np.int64), np.array(groups, np.int64)


# --- the draw is scikit-learn's ---


@settings(max_examples=100)
@given(
    counts=st.lists(st.integers(2, 60), min_size=1, max_size=12),
    size=st.sampled_from([0.1, 0.2, 0.25, 0.2 / 0.9, 1 / 3, 0.5]),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_drawn_set_is_scikit_learns(counts, size, seed):
    from sklearn.model_selection import train_test_split

    strata = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    try:
        held = train_test_split(np.arange(len(strata)), test_size=size, stratify=strata, random_state=seed)[1]
    except ValueError:
        drawn = draw(strata, size, seed)  # scikit-learn refuses; we go on
        assert 0 < drawn.sum() < len(strata)
    else:
        assert sorted(held) == np.flatnonzero(draw(strata, size, seed)).tolist()


@pytest.mark.parametrize(("rows", "size", "drawn"), [(0, 0.2, 0), (1, 0.2, 0), (9, 0.0, 0), (2, 0.9, 1)])
def test_a_draw_leaves_a_row_for_train_and_takes_none_where_none_is_asked_for(rows, size, drawn):
    assert draw(np.zeros(rows, np.int64), size, 42).sum() == drawn


def test_without_groups_the_sides_are_scikit_learns_with_two_and_with_three_sides():
    from sklearn.model_selection import train_test_split

    strata = np.random.default_rng(0).integers(0, 25, 1_000)
    rows = np.arange(1_000)
    train, held = train_test_split(rows, test_size=0.2, stratify=strata, random_state=42)
    assert np.flatnonzero(place(strata, rows).side == 1).tolist() == sorted(held)

    rest, test = train_test_split(rows, test_size=0.1, stratify=strata, random_state=42)
    train, held = train_test_split(rest, test_size=0.2 / (1 - 0.1), stratify=strata[rest], random_state=42)
    three = place(strata, rows, test=0.1).side
    assert np.flatnonzero(three == 2).tolist() == sorted(test)
    # scikit-learn draws from the shuffled rest, we from the rest in row order: as many of each stratum
    assert np.bincount(strata[three == 1]).tolist() == pytest.approx(np.bincount(strata[held]).tolist(), abs=1)
    assert (three == 0).sum() == len(train)


def test_with_three_sides_validation_is_the_draw_from_the_rest_in_row_order():
    from sklearn.model_selection import train_test_split

    strata = np.random.default_rng(1).integers(0, 5, 500)
    test = train_test_split(np.arange(500), test_size=0.1, stratify=strata, random_state=7)[1]
    rest = np.setdiff1d(np.arange(500), test)
    held = train_test_split(rest, test_size=0.2 / (1 - 0.1), stratify=strata[rest], random_state=7)[1]
    side = place(strata, np.arange(500), test=0.1, seed=7).side
    assert np.flatnonzero(side == 1).tolist() == sorted(held)


def test_the_only_row_of_a_stratum_goes_to_train_and_is_named_and_the_rest_is_drawn_as_ever():
    strata = np.repeat([0, 1, 2, 3], [30, 1, 30, 1])
    sides = place(strata, np.arange(62))
    assert sides.lone.tolist() == [30, 61]
    assert sides.side[sides.lone].tolist() == [0, 0]
    several = np.setdiff1d(np.arange(62), sides.lone)
    assert (sides.side[several] == 1).tolist() == draw(strata[several] // 2, 0.2, 42).tolist()


def test_where_every_answer_is_another_one_the_share_is_held_all_the_same():
    sides = place(np.arange(1_000), np.arange(1_000))
    assert 190 <= (sides.side == 1).sum() <= 210


# --- groups ---


@settings(max_examples=100)
@given(table=tables(), test=st.sampled_from([0.0, 0.1, 0.3]), seed=st.integers(0, 99))
def test_no_group_straddles_every_row_has_a_side_and_the_same_seed_gives_the_same(table, test, seed):
    strata, groups = table
    sides = place(strata, groups, test=test, seed=seed)
    assert straddling(sides.side, groups) == 0
    assert set(sides.side.tolist()) <= {0, 1, 2}
    assert (sides.side == place(strata, groups, test=test, seed=seed).side).all()
    assert (sides.side == place(strata + 7, groups * 3, test=test, seed=seed).side).all(), "names do not matter"
    total = len(np.unique(groups))
    assert (sides.side == 0).any()
    assert total < 2 or (sides.side > 0).any()
    assert total < 3 or not test or len(np.unique(sides.side)) == 3


@pytest.mark.parametrize(
    ("strata", "groups", "held"),
    [
        ([], [], 0),
        ([0], [0], 0),
        ([0, 0], [0, 0], 0),
        ([0, 0], [0, 1], 1),
        ([0, 1], [0, 1], 1),
        ([0, 0, 1], [0, 1, 2], 1),
        ([0, 1, 2], [0, 1, 2], 1),
        ([0, 0, 0, 0], [0, 0, 1, 1], 2),
        ([0, 0, 0, 0, 0], [0, 0, 0, 1, 1], 2),
        ([0] * 10, [0] * 8 + [1, 1], 2),
    ],
)
def test_tiny_sets_have_a_row_on_each_side_where_they_have_two_groups(strata, groups, held):
    assert (place(np.array(strata, np.int64), np.array(groups, np.int64)).side == 1).sum() == held


def best_of_all(strata, groups, share=0.2):
    """Try every choice of groups: within the size limits, strata on both sides first, then the nearest shares."""
    total = len(strata)
    least, most = (
        min(np.ceil(0.95 * share * total), np.floor(share * total)),
        max(1.05 * share * total, np.ceil(share * total)),
    )
    best = np.inf
    for chosen in itertools.product([False, True], repeat=int(groups.max()) + 1):
        inside = np.array(chosen)[groups]
        if not max(least, 1) <= inside.sum() <= most:
            continue
        held, counts = np.bincount(strata, inside), np.bincount(strata)
        best = min(best, (np.abs(held / counts - share) + one_sided(inside, strata, groups)).sum())
    return best


def one_sided(inside, strata, groups):
    held, counts = np.bincount(strata, inside), np.bincount(strata)
    several = np.array([len(np.unique(groups[strata == code])) > 1 for code in range(len(counts))])
    return several & ((held == 0) | (held == counts))


def test_small_tables_come_out_as_well_as_trying_every_choice_but_for_a_few():
    worse = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        groups = np.repeat(np.arange(11), rng.integers(1, 5, 11))
        strata = np.where(rng.random(len(groups)) < 0.8, groups % 3, rng.integers(0, 3, len(groups)))
        inside = place(strata, groups, seed=seed).side == 1
        best = best_of_all(strata, groups)
        if np.isfinite(best):
            price = (
                np.abs(np.bincount(strata, inside) / np.bincount(strata) - 0.2) + one_sided(inside, strata, groups)
            ).sum()
            worse.append(price - best)
    assert len(worse) > 40
    assert min(worse) >= -1e-9, "the oracle itself is right"
    assert np.mean(np.array(worse) > 1e-9) <= 0.05
    assert np.mean(worse) <= 0.02


def test_a_group_too_large_for_validation_stays_in_train_and_is_said():
    groups = np.r_[np.zeros(300, np.int64), np.arange(1, 701)]
    sides = place(np.arange(1_000) % 4, groups)
    assert sides.pinned.nonzero()[0].tolist() == list(range(300))
    assert 190 <= (sides.side == 1).sum() <= 210


def test_a_stratum_that_is_mostly_one_group_is_made_up_for_by_nothing_and_explained():
    strata = np.repeat([0, 1], [100, 900])
    groups = np.r_[np.zeros(90, np.int64), np.arange(1, 911)]
    side = place(strata, groups).side
    table = balance(["small", "large"], strata, side, groups)
    small, large = table.to_dicts()
    assert small["validation"] in (10, 90)
    assert small["uneven"]
    assert small["groups"] == [90, 1, 1, 1, 1]
    assert (large["uneven"], large["groups"]) == (False, [])
    assert large["share"] == pytest.approx(0.2, abs=0.01)


def test_every_stratum_with_two_groups_is_on_both_sides():
    strata = np.repeat(np.arange(40), [2] * 10 + [3] * 10 + [50] * 20)
    tied_to_the_row_before = (np.arange(1_050) >= 20) & (np.arange(1_050) % 3 == 0) & (np.roll(strata, 1) == strata)
    groups = np.arange(1_050) - tied_to_the_row_before
    side = place(strata, groups).side
    assert (
        balance(list(map(str, range(40))), strata, side, groups)
        .filter((pl.col("train") == 0) | (pl.col("validation") == 0))
        .is_empty()
    )
    assert 0.19 <= (side == 1).mean() <= 0.21


def test_without_a_validation_side_nothing_is_called_pinned():
    sides = place(np.arange(20) % 2, np.arange(20) // 2, validation=0.0)
    assert not sides.side.any()
    assert not sides.pinned.any()


def test_synthetic_rows_and_what_is_tied_to_them_stay_in_train_and_claim_no_part_of_validation():
    groups = np.r_[np.arange(500), np.repeat(np.arange(50), 20)]
    synthetic = np.arange(1_500) >= 500
    sides = place(np.arange(1_500) % 5, groups, pinned=synthetic)
    assert (sides.side[synthetic] == 0).all()
    assert (sides.side[:50] == 0).all()
    assert sides.pinned[:50].all()
    assert not sides.pinned[50:500].any()
    assert 95 <= (sides.side == 1).sum() <= 105


def test_validation_gets_its_part_of_the_twins():
    groups = np.r_[np.repeat(np.arange(300), 2), np.arange(300, 1_300)]
    side = place(np.random.default_rng(0).integers(0, 8, 1_600), groups).side
    assert 45 <= (side[:600] == 1).sum() / 2 <= 75


# --- later runs ---


@settings(max_examples=80)
@given(table=tables(), known=st.integers(0, 2**60 - 1), test=st.sampled_from([0.0, 0.1]))
def test_earlier_sides_never_change_and_new_rows_follow_their_group(table, known, test):
    strata, groups = table
    earlier = np.array([known >> row & 1 for row in range(len(strata))], np.bool_)
    first = place(strata, groups, test=test).side
    sides = place(strata, groups, test=test, previous=np.where(earlier, first, -1).astype(np.int8))
    assert (sides.side[earlier] == first[earlier]).all()
    assert straddling(sides.side, groups) == 0
    assert len(sides.bridges) == len(sides.conflicts) == 0


@given(table=tables(), order=st.randoms(use_true_random=False))
def test_rows_that_are_all_placed_stay_so_in_any_order_and_when_some_are_gone(table, order):
    strata, groups = table
    first = place(strata, groups).side
    rows = order.sample(range(len(strata)), order.randint(1, len(strata)))
    assert (place(strata[rows], groups[rows], previous=first[rows]).side == first[rows]).all()


def test_new_rows_bring_the_strata_back_to_their_share():
    strata = np.repeat([0, 1], [200, 200])
    previous = np.full(400, -1, np.int8)
    previous[:100] = 0  # a hundred rows of the first stratum, all in train
    side = place(strata, np.arange(400), previous=previous).side
    assert np.bincount(strata, side == 1).tolist() == [40, 40]


def test_a_new_row_in_a_group_on_two_sides_is_not_placed_and_the_earlier_rows_stay():
    previous = np.array([0, 1, -1, -1, -1], np.int8)
    sides = place(np.zeros(5, np.int64), np.array([0, 0, 0, 1, 2]), previous=previous)
    assert sides.side[:3].tolist() == [0, 1, -1]
    assert sides.bridges.tolist() == [2]
    assert sides.conflicts.tolist() == [0, 1]


@st.composite
def ties(draw_):
    rows, keys = draw_(st.integers(2, 14)), draw_(st.integers(0, 3))
    previous = np.array(draw_(st.lists(st.integers(-1, 2), min_size=rows, max_size=rows)), np.int8)
    pinned = np.array(draw_(st.lists(st.booleans(), min_size=rows, max_size=rows)), np.bool_) & (previous < 0)
    pairs = draw_(st.lists(st.tuples(st.integers(0, rows - 1), st.integers(0, rows + keys - 1)), max_size=25))
    left, right = (np.array([pair[end] for pair in pairs if pair[0] != pair[1]], np.int64) for end in (0, 1))
    return previous, pinned, left, right


def sides_of(nodes, previous, pinned, left, right):
    """Walk the pairs by hand: the sides that each component holds."""
    component = list(range(nodes))
    for a, b in zip(left.tolist(), right.tolist(), strict=True):
        component = [component[b] if each == component[a] else each for each in component]
    held = {}
    for row, side in enumerate(np.where(pinned, 0, previous).tolist()):
        if side >= 0:
            held.setdefault(component[row], set()).add(side)
    return held


@settings(max_examples=300)
@given(ties())
def test_without_the_bridges_the_sides_do_not_touch_and_each_bridge_would_make_them(tied):
    previous, pinned, left, right = tied
    nodes = max([len(previous), *(right + 1).tolist()])
    found = bridging(previous, left, right, pinned)
    assert (previous[found.drop] == -1).all()
    assert (previous[found.conflicts] >= 0).all()
    assert max(map(len, sides_of(nodes, previous, pinned, found.left, found.right).values()), default=0) <= 1
    kept = ~np.isin(np.arange(nodes), found.drop)
    between_earlier = np.r_[previous >= 0, np.ones(nodes - len(previous), np.bool_)]
    loose = ~(between_earlier[left] & between_earlier[right])
    for row in found.drop.tolist():
        back = kept | (np.arange(nodes) == row)
        own = ((left == row) | (right == row)) & back[left] & back[right] & loose
        again = np.r_[found.left, left[own]], np.r_[found.right, right[own]]
        torn_key = key_on_two_sides(previous, left, right, row)
        assert torn_key or max(map(len, sides_of(nodes, previous, pinned, *again).values())) > 1


def key_on_two_sides(previous, left, right, row):
    """Say whether a lineage key of this row is held by earlier rows of two sides."""
    keys = right[(left == row) & (right >= len(previous))]
    return any(len({*previous[left[right == key]].tolist()} - {-1}) > 1 for key in keys)


@given(ties())
def test_on_a_first_run_nothing_is_a_bridge(tied):
    previous, pinned, left, right = tied
    found = bridging(np.full(len(previous), -1, np.int8), left, right, pinned)
    assert len(found.drop) == len(found.conflicts) == 0
    assert (found.left.tolist(), found.right.tolist()) == (left.tolist(), right.tolist())


def test_only_the_row_that_closes_the_bridge_is_dropped():
    previous = np.array([0, 1, -1, -1, -1], np.int8)
    left, right = np.array([0, 2, 3, 3]), np.array([2, 3, 4, 1])  # train - 2 - 3 - validation, and 4 beside 3
    found = bridging(previous, left, right)
    assert found.drop.tolist() == [3]
    assert list(zip(found.left.tolist(), found.right.tolist(), strict=True)) == [(0, 2)]


def test_a_thread_that_is_in_validation_takes_its_new_messages_along_and_gives_none_to_train():
    previous = np.array([1, 0, -1, -1], np.int8)  # 0 in validation, 1 in train
    left, right = np.array([0, 2, 3, 3]), np.array([4, 4, 4, 1])  # rows 0, 2, 3 share thread 4; 3 is a twin of 1
    found = bridging(previous, left, right)
    assert found.drop.tolist() == [3]
    groups = near.components(5, found.left, found.right)
    assert groups[0] == groups[2]


def test_earlier_rows_tied_across_the_sides_are_kept_and_named():
    found = bridging(np.array([0, 1, -1], np.int8), np.array([0]), np.array([1]))
    assert (found.drop.tolist(), found.conflicts.tolist(), len(found.left)) == ([], [0, 1], 0)


def test_a_synthetic_twin_of_a_validation_row_is_a_bridge():
    found = bridging(np.array([1, -1], np.int8), np.array([0]), np.array([1]), np.array([False, True]))
    assert found.drop.tolist() == [1]


# --- strata and their table ---


def examples(labels, **columns):
    rows = len(labels)
    blank = {"text": ["hello"] * rows, "label": ["ok"] * rows, "messages": [None] * rows, "source": ["files"] * rows}
    kinds = {"labels": pl.String, "messages": pl.String}
    return pl.DataFrame({"labels": labels, **blank, **columns}, schema_overrides=kinds)


def test_strata_are_the_first_label_column_unless_told_otherwise():
    rows = examples([json.dumps({"area": a, "kind": k}) for a, k in [("b", "x"), ("a", "x"), ("b", "y")]])
    assert strata_of(rows, [])[1] == ["a", "b"]
    codes, names = strata_of(rows, ["kind", "area"])
    assert (codes.tolist(), names) == ([1, 0, 2], ["x / a", "x / b", "y / b"])


def test_numbers_are_in_the_order_in_which_scikit_learn_would_have_them():
    rows = examples([json.dumps({"stars": stars}) for stars in ["10", "9", "-1"]])
    assert strata_of(rows, [])[1] == ["-1", "9", "10"]


def test_lists_numbers_and_missing_labels_have_names_too():
    rows = examples(['{"a": ["x", "y"]}', '{"a": null}', '{"a": true}', '{"b": 1}', '{"a": []}'])
    assert strata_of(rows, ["a"])[1] == ["(none)", "true", "x, y"]


def test_an_unknown_column_is_an_error_that_names_the_nearest():
    with pytest.raises(RecipeError, match="try  'category'"):
        strata_of(examples(['{"category": "a"}']), ["categroy"])


def test_without_rows_there_are_no_strata():
    codes, names = strata_of(examples([]), ["category"])
    assert (len(codes), names, balance(names, codes, np.empty(0, np.int8)).height) == (0, [], 0)


def test_conversations_are_told_apart_by_source_turns_tools_and_length():
    turn = [{"role": "user", "content": 'say "role": "user"'}, {"role": "assistant", "content": "hi"}]
    with_tool = [*turn, {"role": "assistant", "tool_calls": [{"id": "1"}]}, {"role": "tool", "content": "3"}]
    talks = [json.dumps(turn), json.dumps(turn * 3), json.dumps(turn * 9), json.dumps(with_tool)]
    rows = examples([None] * 4, messages=talks, text=["a", "a" * 10, "a" * 100, "a" * 1_000])
    codes, names = strata_of(rows, [])
    assert [names[code] for code in codes] == [
        "files, 1 turn, no tools, length 1/4",
        "files, 2-3 turns, no tools, length 2/4",
        "files, 8+ turns, no tools, length 3/4",
        "files, 1 turn, tools, length 4/4",
    ]


def test_the_table_of_strata_counts_what_was_placed():
    side = np.array([0, 0, 0, 1, 2, -1, 0, 0], np.int8)
    table = balance(["a", "b"], np.array([0, 0, 0, 0, 0, 0, 1, 1]), side, np.array([0, 0, 1, 2, 3, 4, 5, 5]))
    assert table.rows() == [
        ("a", 5, 3, 1, 1, 0.2, 0.0, False, []),
        ("b", 2, 2, 0, 0, 0.0, -20.0, True, [2]),
    ]


# --- requests that cannot be met, and real data ---


@pytest.mark.parametrize(("validation", "test"), [(0.5, 0.5), (1.0, 0.0), (-0.1, 0.0), (0.2, -0.1)])
def test_shares_that_leave_nothing_for_train_are_refused(validation, test):
    with pytest.raises(RecipeError, match="nothing is left to train on"):
        place(np.zeros(9, np.int64), np.arange(9), validation=validation, test=test)


def greedy(strata, groups):
    """Fill validation the plain way: groups in random order, each to the side that its main stratum lacks."""
    counts, held = np.bincount(strata), np.zeros(strata.max() + 1)
    side = np.zeros(len(strata), np.int8)
    rows = np.argsort(groups, kind="stable")
    members = np.split(rows, np.flatnonzero(np.diff(groups[rows])) + 1)
    for each in np.random.default_rng(42).permutation(len(members)):
        own = np.bincount(strata[members[each]], minlength=len(counts))
        if held[own.argmax()] < 0.2 * counts[own.argmax()]:
            held += own
            side[members[each]] = 1
    return side


@pytest.mark.parametrize(
    ("file", "text", "by", "within"),
    [
        ("banking77/train.csv", "text", ["category"], (0.195, 0.209)),
        ("clinc150/clinc150.csv", "inquiry", ["category"], (0.199, 0.201)),
        ("clinc150/clinc150.csv", "inquiry", ["category", "sub_category"], (0.199, 0.201)),
        ("hwu64/hwu64.csv", "text_as_typed", ["category"], (0.195, 0.205)),
        ("hwu64/hwu64.csv", "text_as_typed", ["category", "sub_category"], (0.194, 0.206)),
    ],
)
def test_on_real_data_every_stratum_is_within_a_point_of_its_share_and_nearer_than_greedy(data, file, text, by, within):
    table = pl.read_csv(data / file, infer_schema=False)
    strata = codes_of(table.select(pl.concat_str(by, separator="/")).to_series())
    twins = near.pairs(near.sets(table[text]))
    groups = near.components(len(strata), twins.left, twins.right)
    side = place(strata, groups).side
    shares = np.bincount(strata, side == 1) / np.bincount(strata)
    assert straddling(side, groups) == 0
    assert 0.19 <= (side == 1).mean() <= 0.21
    assert within[0] <= shares.min() <= shares.max() <= within[1]
    assert deviation(side, strata) <= 0.6 * deviation(greedy(strata, groups), strata)
