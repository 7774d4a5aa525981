"""The experiment on planted faults: what was planted is what was asked, test rows stay clean, and a leak is seen."""

import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tuneset
from tuneset.near import normal

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "bench"))
import dots  # noqa: E402
import effect  # noqa: E402
import faults  # noqa: E402

TABLE = pl.read_csv(ROOT / "examples" / "customer_intent.csv").select(text="inquiry", label="sub_category")
STRANGE = pl.Series("text", [f"play some jazz in room {number}" for number in range(400)])


def drawn(rows=TABLE, test=TABLE[:0]):
    numbered = rows.select(pl.int_range(pl.len()).alias("row"), "text", "label", true="label")
    return faults.Draw(numbered, test, STRANGE)


CLEAN = drawn()
ROWS = CLEAN.rows.height
shares = st.sampled_from((0.02, 0.1, 0.35, 1.0))
seeds = st.integers(0, 2**16)


def wrong(rows):
    return rows.filter(pl.col("label") != pl.col("true")).height


@given(st.sampled_from(("uniform", "confusable")), shares, seeds)
@settings(max_examples=20, deadline=None)
def test_as_many_labels_are_wrong_as_were_asked(kind, share, seed):
    rows = faults.planted(CLEAN, {kind: share}, seed)
    assert wrong(rows) == round(share * ROWS)
    assert rows["text"].sort().equals(CLEAN.rows["text"].sort())
    assert set(rows["label"]) <= set(TABLE["label"])


@given(shares, seeds)
@settings(max_examples=20, deadline=None)
def test_rows_are_added_and_none_is_changed(share, seed):
    many = round(share * ROWS)
    for kind in ("copies", "conflicting", "edits", "off-topic"):
        rows = faults.planted(CLEAN, {kind: share}, seed)
        assert rows.height == ROWS + min(many, len(STRANGE) if kind == "off-topic" else many)
        there = rows.select("text", "label").unique().join(TABLE.unique(), on=["text", "label"], how="semi")
        assert there.height == TABLE.unique().height
        assert wrong(rows) == (many if kind == "conflicting" else 0)
        strays = rows.filter(pl.col("true").is_null())["text"]
        assert set(strays) <= set(STRANGE)
        assert len(strays) == (rows.height - ROWS if kind == "off-topic" else 0)


def test_texts_are_hit_as_often_as_was_asked():
    words = [word for text in TABLE["text"] for word in text.split(" ")]
    long = sum(len(word) > 3 for word in words)
    before = CLEAN.rows.sort("row")["text"]
    hit = faults.typos(CLEAN.rows, CLEAN, 0.1, np.random.default_rng(1))["text"]
    changed = sum(
        one != other
        for left, right in zip(before, hit, strict=True)
        for one, other in zip(left.split(" "), right.split(" "), strict=True)
    )
    assert 0.08 * long < changed < 0.12 * long
    rows = faults.damage(CLEAN.rows, CLEAN, 0.2, np.random.default_rng(1))
    assert sum(one != other for one, other in zip(before, rows["text"], strict=True)) == round(0.2 * ROWS)
    assert rows["text"].str.len_chars().eq(0).any()


def test_some_labels_get_four_times_their_rows():
    rows = faults.planted(CLEAN, {"imbalance": 0.2}, 3)
    before, after = (dict(each["label"].value_counts().iter_rows()) for each in (TABLE, rows))
    times = [after[label] / many for label, many in before.items()]
    assert set(times) == {1.0, 4.0}
    assert times.count(4.0) == round(0.2 * len(before))


@pytest.mark.parametrize("name", faults.SETS)
def test_test_rows_are_those_of_the_file_and_nobody_learns_them(name, data):
    whole = faults.read(name, data)
    one = faults.draw(whole, 500, 1)
    assert one.test.join(whole.test, on=["text", "label"], how="semi").height == one.test.height
    assert set(one.test["label"]) <= set(one.rows["label"])
    before = one.test.clone()
    rows = faults.planted(one, faults.CONDITIONS["all"], 1)
    assert one.test.equals(before)
    assert rows["row"].to_list() == list(range(rows.height))
    assert faults.planted(faults.draw(whole, 500, 1), faults.CONDITIONS["all"], 1).equals(rows)


def test_the_short_way_through_prepare_finds_and_keeps_what_the_whole_way_does(tmp_path):
    rows = faults.planted(CLEAN, faults.CONDITIONS["all"], 5)
    short = effect.prepared(rows, 7, "")
    table = rows.select("row", "text", "label")
    whole = tuneset.prepare(table, out=tmp_path / "run", text="text", label="label", seed=7)
    columns = ["id", "text", "label", "side"]
    assert short.examples.select(columns).sort("id").equals(whole.examples().select(columns))
    said = whole.findings().filter(pl.col("rule").is_in(short.findings["rule"].implode()))
    key = ["id", "action", "when", "after", "score"]
    assert short.findings.select(key).sort("id").equals(said.select(key).sort("id"))
    assert {"label-error", "near-duplicate"} <= set(said["rule"])


def test_who_is_always_right_leaves_fewer_labels_wrong():
    rows = faults.planted(CLEAN, {"uniform": 0.1, "off-topic": 0.05}, 2)
    truth = dict(rows.select("row", "true").iter_rows())
    run = effect.prepared(rows, 2, "")
    left = []
    for many in (0, 20, 10_000):
        seen = pl.concat(effect.by_side(effect.reviewed(run, many, truth)))
        left.append(sum(truth[row] != label for row, label in seen.select("row", "label").iter_rows()))
    assert left[0] > left[1] > left[2]
    assert left[0] == sum(
        truth[row] != label for row, label in pl.concat(effect.by_side(run.examples)).select("row", "label").iter_rows()
    )


def test_a_random_split_of_copies_claims_more_than_is_true_and_ours_does_not():
    order = np.random.default_rng(4).permutation(ROWS)
    one = drawn(TABLE[order[:250]], TABLE[order[250:]])
    rows = faults.planted(one, {"edits": 1.0}, 1)
    ours, raw = effect.by_side(effect.prepared(rows, 1, "").examples), effect.at_random(rows, 1)
    over = [claim - true for true, _, claim in (effect.scored(sides, one.test, "") for sides in (raw, ours))]
    assert over[0] > over[1] + 0.05
    shared = [set(normal(sides.train["text"])) & set(normal(sides.validation["text"])) for sides in (raw, ours)]
    assert shared[0]
    assert not shared[1]


def test_intervals_are_those_of_scipy_and_the_tables_and_the_picture_hold_them(capsys):
    from scipy import stats

    values = np.array([0.1, 0.3, 0.2, 0.5])
    mean, half = effect.interval(values)
    low, high = stats.t.interval(0.95, 3, loc=values.mean(), scale=stats.sem(values))
    assert (mean - half, mean + half) == pytest.approx((low, high))
    scores = [
        effect.Score(name, 500, seed, "copies 20%", way, 400, 0.8 + gain + seed / 1000, 0.7, 0.9 + gain)
        for name in faults.SETS
        for seed in range(3)
        for way, gain in {effect.RAW: 0.0, **dict.fromkeys(effect.WAYS, 0.05)}.items()
    ]
    found = pl.DataFrame(scores, orient="row")
    assert effect.gains(found, "copies 20%", effect.PREPARED) == pytest.approx((0.05, 0.0))
    effect.effect(found, "accuracy")
    effect.claims(found)
    said = capsys.readouterr().out
    assert "| copies 20% | 80.1 | +5.0 ±0.0 |" in said
    points = {"copies <20%": {way: effect.gains(found, "copies 20%", way) for way in effect.WAYS[:4]}}
    drawn = dots.drawn(points, "points")
    assert "copies &lt;20%" in drawn
    assert drawn.count("<circle") == 8


def test_every_way_is_measured_on_the_same_draw(data):
    plan = effect.Plan(("banking77",), 500, (0,), ("off-topic 10%",), effect.ways)
    assert data == faults.DATA.resolve()
    found = pl.DataFrame(list(effect.measure(plan, "")), orient="row")
    assert sorted(found["way"]) == sorted((effect.RAW, *effect.WAYS))
    assert found.select(pl.col("accuracy", "f1", "claim").is_between(0, 1).all()).row(0) == (True, True, True)
    rows = dict(found.select("way", "rows").iter_rows())
    assert rows[effect.OUT] == rows[effect.RANDOM] < rows[effect.PREPARED] == rows[effect.FIXED]
    assert rows[effect.CLEAN] == 400
