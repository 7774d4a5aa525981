"""Enough examples or not: lights, curve, sides, and that nothing depends on the order of rows."""

import json

import numpy as np
import polars as pl
import pytest

from tuneset.judge.size import AMBER, GREEN, RED, accuracy, size
from tuneset.judge.view import Labels, View, labels, view
from tuneset.testing import examples


def clouds(sizes, width=16, seed=0, apart=0.6, share=0.8):
    """A view of labels with so many rows each, around one centre a label; `share` of the rows are train."""
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(len(sizes)), sizes)
    drawn = apart * rng.normal(size=(len(sizes), width))[codes] + rng.normal(size=(len(codes), width))
    vectors = (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)
    train = rng.random(len(codes)) < share
    names = [f"label {number}" for number in range(len(sizes))]
    return View(pl.DataFrame(), vectors, train, np.arange(len(codes))), [Labels("category", names, codes, None)]


def lights(facts):
    return {each["label"]: each["light"] for each in facts["lights"]}


def test_a_label_is_red_below_5_rows_amber_below_20_and_green_from_40_on():
    seen, columns = clouds([RED - 1, RED, AMBER - 1, GREEN], share=1.1)
    assert list(lights(size(seen, columns)).values()) == ["red", "amber", "amber", "green"]


def test_between_20_and_40_rows_the_gain_of_twice_the_rows_decides():
    easy = size(*clouds([30] * 6, apart=4, share=1.1))
    hard = size(*clouds([30] * 6, apart=0.5, share=1.1))
    assert set(lights(easy).values()) == {"green"}
    assert set(lights(hard).values()) == {"amber"}


def test_near_duplicates_count_once_and_validation_rows_not_at_all():
    seen, columns = clouds([50, 50], share=1.1)
    tied = seen._replace(groups=np.concatenate([np.repeat(np.arange(5), 10), np.arange(100, 150)]))
    facts = size(tied, columns)
    assert facts["lights"][0] | {"words": ""} == {
        "column": "category",
        "label": "label 0",
        "rows": 50,
        "groups": 5,
        "light": "amber",
        "words": "",
    }
    assert "50 with near-duplicates" in facts["lights"][0]["words"]
    away = seen._replace(train=columns[0].codes == 1)
    assert lights(size(away, columns)) == {"label 0": "red", "label 1": "green"}


def test_a_row_with_several_labels_counts_for_each_and_takes_no_part_in_the_curve():
    rows = [{"text": f"text number {number}", "labels": '{"topic": ["a", "b"]}'} for number in range(8)]
    found = view(examples(rows))
    facts = size(found._replace(groups=np.arange(8)), labels(found.examples))
    assert [(each["label"], each["rows"]) for each in facts["lights"]] == [("a", 8), ("b", 8)]
    assert facts["curve"] is None


def test_every_column_has_lights_and_the_one_with_the_most_labels_has_the_curve():
    seen, (fine,) = clouds([30] * 6)
    coarse = Labels("area", ["left", "right"], fine.codes // 3, None)
    facts = size(seen, [coarse, fine])
    assert facts["column"] == "category"
    assert len(facts["lights"]) == 8
    assert facts["curve"]["points"][-1]["rows"] == int(seen.train.sum())


def test_without_labels_or_with_one_label_there_is_no_curve_and_no_error():
    seen, columns = clouds([60])
    assert size(seen, columns)["curve"] is None
    nothing = size(seen, [])
    assert nothing["lights"] == []
    assert nothing["plateau"] is False


def test_a_set_that_has_learned_all_there_is_to_learn_is_large_enough_and_a_small_hard_one_is_not():
    assert size(*clouds([400] * 3, apart=4))["plateau"] is True
    assert size(*clouds([15] * 20, apart=0.6))["plateau"] is False


def test_the_sides_show_what_was_seen_and_what_a_leaky_split_would_claim():
    seen, (column,) = clouds([100] * 4, width=200, apart=0.15)
    pairs = np.arange(len(seen.groups)) // 2
    twins = seen._replace(vectors=seen.vectors[pairs * 2], groups=pairs, train=seen.train[pairs * 2])
    sides = size(twins, [column])["sides"]
    assert sides["train"]["accuracy"] > sides["held_out"]["accuracy"] + 0.1
    assert sides["leaky"]["accuracy"] > sides["held_out"]["accuracy"] + 0.1
    assert sides["leaky"]["accuracy"] > sides["validation"]["accuracy"] + 0.1
    assert "would have claimed" in sides["words"]
    assert sides["novel"]["rows"] < sides["validation"]["rows"]
    assert all(side["low"] <= side["accuracy"] <= side["high"] for side in sides.values() if isinstance(side, dict))


def test_nothing_is_learned_from_validation_rows():
    seen, (column,) = clouds([40] * 5)
    turned = np.where(seen.train, column.codes, (column.codes + 1) % 5)
    one, other = (size(seen, [column._replace(codes=codes)]) for codes in (column.codes, turned))
    assert one["curve"] == other["curve"]
    assert one["sides"]["held_out"] == other["sides"]["held_out"]
    assert one["sides"]["validation"]["accuracy"] > other["sides"]["validation"]["accuracy"]


def test_the_labels_that_are_named_first_have_most_to_gain():
    seen, columns = clouds([8, 200, 200, 200], apart=0.5, share=1.1)
    facts = size(seen, columns)
    assert facts["gains"][0]["label"] == "label 0"
    assert [each["gain"] for each in facts["gains"]] == sorted((each["gain"] for each in facts["gains"]), reverse=True)


def test_forecasts_go_to_four_times_the_rows_and_no_farther():
    facts = size(*clouds([60] * 4))["curve"]
    assert [each["times"] for each in facts["ahead"]] == [1.5, 2.0, 4.0]
    assert facts["ahead"][-1]["rows"] == 4 * facts["points"][-1]["rows"]


def test_the_facts_are_plain_json_the_same_each_time_and_never_speak_of_the_model():
    given = clouds([30] * 5)
    facts = size(*given)
    assert json.loads(json.dumps(facts)) == facts == size(*given)
    assert "the model" not in json.dumps(facts)
    assert "surrogate" in facts["curve"]["words"]


def test_above_the_limit_whole_groups_are_drawn(monkeypatch):
    monkeypatch.setattr("tuneset.judge.size.ASKED", 100)
    seen, columns = clouds([100] * 4)
    pairs = seen._replace(groups=np.arange(400) // 2, train=np.ones(400, bool))
    rows = size(pairs, columns)["sides"]["held_out"]["rows"]
    assert 60 < rows < 140
    assert rows % 2 == 0


def test_an_accuracy_without_rows_is_none():
    nothing = np.zeros(0, np.int64)
    assert accuracy(nothing.astype(bool), nothing) is None


@pytest.mark.parametrize("share", [0.0, 1.1], ids=["no train rows", "no validation rows"])
def test_a_side_may_be_empty(share):
    facts = size(*clouds([40] * 3, share=share))
    assert (facts["sides"] is None) == (share == 0)
