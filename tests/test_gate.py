"""The gate: which verdicts and figures fail a run."""

import pytest

from tuneset.errors import RecipeError
from tuneset.recipe import Gate
from tuneset.report.compare import compare
from tuneset.report.gate import figure, gate

SUMMARY = {
    "verdict": {"level": "look"},
    "balance": {"kept": 90},
    "rules": [{"rule": "near-duplicate", "found": 7}],
    "judge": {"labels": [{"column": "category", "flagged": 3}], "size": None},
}


def test_by_default_only_what_is_not_ready_fails():
    assert gate(SUMMARY, Gate())["passed"]
    assert not gate(SUMMARY | {"verdict": {"level": "not-ready"}}, Gate())["passed"]


@pytest.mark.parametrize(
    ("level", "verdict", "passed"),
    [("look", "look", False), ("ready", "look", True), ("not-ready", "look", False), ("not-ready", "never", True)],
)
def test_the_verdict_that_fails_is_the_recipes(level, verdict, passed):
    assert gate(SUMMARY | {"verdict": {"level": level}}, Gate(verdict=verdict))["passed"] is passed


@pytest.mark.parametrize(
    ("limits", "passed"),
    [
        ({"least": {"balance.kept": 90}}, True),
        ({"least": {"balance.kept": 91}}, False),
        ({"most": {"rules.near-duplicate.found": 6}}, False),
        ({"most": {"rules.0.found": 7}}, True),
        ({"most": {"rules.conflicting-label.found": 0}}, True),
        ({"most": {"judge.labels.category.flagged": 2}}, False),
        ({"least": {"judge.size.sides.validation.accuracy": 0.8}}, False),
    ],
)
def test_a_figure_is_held_to_its_limit(limits, passed):
    assert gate(SUMMARY, Gate(**limits))["passed"] is passed


@pytest.mark.parametrize("path", ["balance.keept", "nothing", "balance", "judge.labels.category.flaged"])
def test_a_path_that_no_report_has_is_an_error_with_the_nearest(path):
    with pytest.raises(RecipeError) as raised:
        figure(SUMMARY, path)
    assert "figure" in raised.value.what


FULL = SUMMARY | {
    "judge": {"size": {"sides": {side: {"accuracy": 0.8, "rows": 9} for side in ("train", "validation", "novel")}}},
    "certificate": {"pairs_across": 0},
}


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("judge.size.sides.validaton.accuracy", "judge.size.sides.validation.accuracy"),
        ("judge.sizes.sides.validation.accuracy", "judge.size.sides.validation.accuracy"),
        ("rules.near-duplicate.fund", "rules.near-duplicate.found"),
        ("certificate.pairs", "certificate.pairs_across"),
        ("judge.size.sides.validation", "judge.size.sides.validation.rows"),
    ],
)
def test_a_path_that_leads_nowhere_gets_paths_that_exist_and_the_place_where_all_are(path, meant):
    with pytest.raises(RecipeError) as raised:
        figure(FULL, path, "[gate.least]")
    named, _, rest = raised.value.hint.rpartition("; ")
    assert meant in named.split(" or ")
    assert all(figure(FULL, each) is not None for each in named.split(" or "))
    assert rest.startswith(".tuneset/report.json")


def test_what_held_is_said_beside_what_failed():
    found = gate(SUMMARY, Gate(least={"balance.kept": 90}, most={"rules.near-duplicate.found": 6}))
    assert found["held"] == [
        "The verdict is 'look', better than 'not-ready'.",
        "balance.kept is 90, at least 90 is wanted.",
    ]
    assert found["failed"] == ["rules.near-duplicate.found is 7, at most 6 is wanted."]


def test_two_runs_are_compared_by_what_both_have():
    import polars as pl

    now = SUMMARY | {"balance": {"kept": 95}, "rules": []}
    found = compare(SUMMARY, now, pl.Series(["a", "b"]), pl.Series(["b", "c", "d"]))
    assert found["words"] == "2 examples are new, 1 example is gone."
    assert {row["what"]: (row["before"], row["now"]) for row in found["rows"]} == {
        "kept": (90, 95),
        "found by near-duplicate": (7, 0),
    }
