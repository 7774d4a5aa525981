"""Coverage: shares against targets, quotas, cards, and groups that are too small to be shown."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tuneset.errors import RecipeError
from tuneset.people.cards import AXES, MOST, next_card, plan
from tuneset.people.coverage import LEAST, against, apportioned, quotas
from tuneset.people.groups import OTHER, UNSAID, folded, merged, shown
from tuneset.people.targets import counted, declared

HALVES = {"north": 0.5, "south": 0.5}
HOSTILE = ["", "{}", "{0}", "<script>alert(1)</script>", "a\x00b", "=1+1", "';--", "\u202e", "other"]


def regions(**many):
    return pl.Series("region", [name for name, times in many.items() for _ in range(times)], dtype=pl.String)


def shares(most=6):
    return (
        st.lists(st.integers(0, 20), min_size=1, max_size=most)
        .filter(any)
        .map(lambda parts: {f"v{n}": part / sum(parts) for n, part in enumerate(parts)})
    )


def test_who_is_missing_is_named_with_how_many_more():
    found = against(regions(north=90, south=10), HALVES)
    assert found.words == "Missing: south (10% instead of 50%, 80 more)"
    assert found.cells["residual"].to_list() == pytest.approx([8, -8])
    assert found.p <= 0.001
    row = found.cells.row(1, named=True)
    exact = stats.binomtest(10, 100).proportion_ci(method="wilson")
    assert (row["low"], row["high"]) == pytest.approx((exact.low, exact.high))


def test_a_target_that_is_met_is_no_difference_and_too_few_rows_say_nothing():
    met = against(regions(north=48, south=52), HALVES)
    assert (met.words, met.cells["missing"].sum()) == ("Nobody is missing beyond chance.", 0)
    few = against(regions(north=LEAST - 1), HALVES)
    assert few.p is None
    assert "too few" in few.words
    assert against(regions(), HALVES).cells["share"].to_list() == [0, 0]


def test_no_answer_and_values_outside_the_target_are_counted_apart():
    values = pl.concat([regions(north=30, south=30, west=4), pl.Series("region", [None, "prefer not to say", " "])])
    found = against(values, HALVES)
    assert (found.attribute, found.rows, found.silent, found.outside) == ("region", 60, 3, {"west": 4})


def test_one_value_alone_cannot_differ_and_a_thousand_are_compared():
    assert against(regions(north=40), {"north": 1.0}).p is None
    names = {f"v{n}": 1 / 1000 for n in range(1000)}
    assert not against(pl.Series("label", list(names)), names).cells["differs"].any()


@given(shares(), st.lists(st.integers(0, 60), min_size=6, max_size=6), st.integers(0, 500))
def test_quotas_sum_up_to_the_size_and_each_is_its_share_rounded(target, many, size):
    counts = {f"v{n}": times for n, times in enumerate(many)}
    found = quotas(counts, target, size)
    assert found["quota"].sum() == size
    for value, quota, count, more, state in found.iter_rows():
        assert abs(quota - target[value] * size) < 1 + 1e-6
        assert (count, more) == (counts[value], max(quota - count, 0))
        assert (state == "full") == (more == 0)
        assert (state == "soft-full") == (0.9 * quota <= count < quota)


def test_a_quota_is_open_then_soft_full_then_full():
    states = [quotas({"north": count}, {"north": 1}, 20)["state"].item() for count in (0, 17, 18, 19, 20, 30)]
    assert states == ["open", "open", "soft-full", "soft-full", "full", "full"]
    with pytest.raises(RecipeError, match="quotas of -1"):
        quotas({}, HALVES, -1)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8).filter(lambda parts: sum(parts) > 0.01), st.integers(0, 1000))
def test_a_whole_number_is_cut_into_whole_parts(parts, size):
    found = apportioned(size, np.array(parts), [str(n) for n in range(len(parts))])
    assert found.sum() == size
    assert np.abs(found - np.array(parts) / sum(parts) * size).max() < 1 + 1e-6


def test_targets_are_counted_in_live_traffic():
    sample = pl.DataFrame({"language": ["de", "de", "fr", None], "channel": [None] * 4})
    found = counted(sample, ["language"])
    assert declared(found, ["language"]) == found == {"language": {"de": 2 / 3, "fr": 1 / 3}}
    with pytest.raises(RecipeError, match="no row says its 'channel'"):
        counted(sample, ["channel"])
    with pytest.raises(RecipeError, match="unknown column 'langauge'"):
        counted(sample, ["langauge"])


@st.composite
def axes(draw):
    chosen = draw(st.lists(st.sampled_from(AXES), min_size=1, max_size=4, unique=True))
    return {axis: {f"{axis}{n}": share for n, share in enumerate(draw(shares(4)).values())} for axis in chosen}


@given(axes(), st.integers(0, 80))
def test_a_plan_wants_what_was_asked_and_each_value_of_each_axis_comes_near_its_share(asked, wanted):
    found = plan(asked, wanted)
    assert found["wanted"].sum() == found["missing"].sum() == wanted
    first = next(axis for axis in AXES if axis in asked)
    for axis, each in asked.items():
        many = dict(found.group_by(axis).agg(pl.col("wanted").sum()).iter_rows())
        room = 1 if axis == first else 3
        assert all(abs(many[value] - share * wanted) <= room + 1e-6 for value, share in each.items())
        assert all(many[value] == 0 for value, share in each.items() if share == 0)


def test_a_rare_language_is_not_rounded_away_and_no_label_is_tied_to_one_tone():
    labels = [f"l{n:02}" for n in range(80)]
    languages = {"en": 0.9, "de": 0.07, "cs": 0.03}
    found = plan({"label": labels, "tone": list("abcd"), "language": languages}, 400)
    per = dict(found.group_by("language").agg(pl.col("wanted").sum()).iter_rows())
    assert per == pytest.approx({"en": 360, "de": 28, "cs": 12}, abs=1)
    tones = found.group_by("label", "tone").agg(pl.col("wanted").sum())
    assert set(tones["wanted"]) <= {1, 2}


def test_examples_that_exist_are_counted_and_those_outside_the_plan_are_not():
    there = pl.DataFrame({"label": ["loan", "loan", "card", None], "tone": ["calm", "calm", "calm", "calm"]})
    found = plan({"label": ["loan", "refund"], "tone": ["calm", "angry"]}, 4, there)
    assert found.select("label", "tone", "count", "missing").rows() == [
        ("loan", "calm", 2, 0),
        ("loan", "angry", 0, 1),
        ("refund", "calm", 0, 1),
        ("refund", "angry", 0, 1),
    ]
    with pytest.raises(RecipeError, match="unknown column 'tone'"):
        plan({"label": ["loan"], "tone": ["calm"]}, 1, there.drop("tone"))


@given(axes(), st.integers(1, 15), st.integers(0, 5))
def test_cards_go_through_all_that_is_missing_the_emptiest_cells_first(asked, wanted, seed):
    found = plan(asked, wanted)
    cards = [next_card(found, seed, number) for number in range(wanted)]
    cells = [tuple(card.cell.values()) for card in cards]
    on = [axis for axis in AXES if axis in asked]
    missing = {row[:-1]: row[-1] for row in found.select(*on, "missing").iter_rows() if row[-1]}
    assert {cell: cells.count(cell) for cell in cells} == missing
    assert len(set(cells[: len(missing)])) == len(missing)  # each cell once before any comes a second time
    assert next_card(found, seed, wanted) == cards[0]
    assert next_card(found.reverse(), seed, 0) == cards[0]


def test_another_seed_deals_in_another_order_and_a_writer_is_steered_by_the_cells_that_suit():
    found = plan({"label": [f"l{n}" for n in range(20)], "language": ["de", "fr"]}, 40)
    deals = [tuple(next_card(found, seed, n).cell["label"] for n in range(10)) for seed in range(4)]
    assert len(set(deals)) == 4
    german = found.filter(pl.col("language") == "de")
    assert {next_card(german, 0, n).cell["language"] for n in range(25)} == {"de"}
    there = pl.DataFrame({"label": [f"l{n}" for n in range(19)] * 2, "language": ["de"] * 19 + ["fr"] * 19})
    rest = plan({"label": [f"l{n}" for n in range(20)], "language": ["de", "fr"]}, 40, there)
    assert {next_card(rest, 0, n).cell["label"] for n in range(2)} == {"l19"}
    full = plan({"label": ["loan"]}, 1, pl.DataFrame({"label": ["loan"]}))
    assert next_card(full, 0, 0) is None


def test_a_card_holds_hostile_names_as_they_are():
    found = plan({"label": HOSTILE, "tone": HOSTILE}, len(HOSTILE) ** 2)
    cards = [next_card(found, 0, number) for number in range(found.height)]
    assert {card.cell["label"] for card in cards} == set(HOSTILE)
    for card in cards:
        assert card.lines[1:] == [f"It is about: {card.cell['label']}", f"You are: {card.cell['tone']}"]


def test_a_plan_that_makes_no_sense_is_refused():
    for asked, what in (
        ({}, "without an axis"),
        ({"label": []}, "no values"),
        ({"label": ["a", "a"]}, "twice"),
        ({"labels": ["a"]}, "unknown axis 'labels'"),
        ({"tone": {"calm": 0.2}}, "sum up to 0.2"),
        ({"label": [str(n) for n in range(MOST)], "tone": ["a", "b"]}, "100000 cells"),
    ):
        with pytest.raises(RecipeError, match=what):
            plan(asked, 10)


@given(st.dictionaries(st.sampled_from(["n", "s", "e", "w", OTHER, UNSAID]), st.integers(1, 12), min_size=1))
def test_no_group_smaller_than_five_is_shown_or_can_be_computed_from_the_others(many):
    people = pl.DataFrame({"region": [name for name, times in many.items() for _ in range(times)]})
    people = people.with_row_index("contributor")
    names = folded(people, "region")
    if sum(many.values()) < 5:
        assert names == {}
        assert shown(people["region"], names).null_count() == people.height
        return
    seen = shown(people["region"], names).value_counts()
    assert seen["count"].min() >= 5
    assert seen["count"].sum() == people.height
    hidden = [name for name, as_ in names.items() if as_ == OTHER and name != OTHER]
    assert sum(many[name] for name in hidden) >= 5 or not hidden or OTHER in many
    assert all(as_ in {name, OTHER} for name, as_ in names.items())


def test_one_person_with_many_rows_is_one_person():
    rows = pl.DataFrame({"contributor": ["x"] * 50 + list("abcdef"), "region": ["north"] * 50 + ["south"] * 6})
    assert folded(rows, "region") == {"north": OTHER, "south": OTHER}


def test_a_folded_table_is_compared_with_a_folded_target():
    people = pl.DataFrame({"region": ["n"] * 30 + ["s"] * 8 + ["e"] * 3 + [None] * 4})
    people = people.with_row_index("contributor")
    names = folded(people, "region")
    assert names == {"e": OTHER, UNSAID: OTHER, "s": "s", "n": "n"}
    target = merged({"n": 0.4, "s": 0.3, "e": 0.2, "w": 0.1}, names)
    assert target == pytest.approx({"n": 0.4, "s": 0.3, OTHER: 0.3})
    found = against(shown(people["region"], names), target)
    assert found.cells["count"].to_list() == [30, 8, 7]
