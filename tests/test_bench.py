"""The bench compares fairly, says who was not measured, and its page is the one that its results make."""

import importlib
import json
import re
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

ROOT = Path(__file__).parents[1]
BENCH = ROOT / "bench"


@pytest.fixture(autouse=True)
def beside(monkeypatch):
    for folder in (BENCH, BENCH / "quality"):
        monkeypatch.syspath_prepend(folder)


def module(name):
    return importlib.import_module(name)


def table(**more):
    ways = {"tuneset": {"s": 2.0, "found": 0.9}, "one": {"s": 1.0, "found": 0.3}, "two": "ends with an error: no"}
    return module("tables").Table("A table", "Words.", {"s": "less", "found": "more"}, ways, "s", **more)


def test_the_page_and_its_drawings_are_those_that_the_results_make():
    results = json.loads((BENCH / "results.json").read_text())
    made = module("page").files(results, module("run").PARTS)
    for name, text in made.items():
        assert (ROOT / "docs" / name).read_text(encoding="utf-8") == text, f"python bench/run.py --page writes {name}"
        if name.endswith(".svg"):
            ET.fromstring(text)
    drawn = set(re.findall(r"\((bench-.*?\.svg)\)", made["benchmarks.md"]))
    assert drawn == {path.name for path in (ROOT / "docs").glob("bench-*.svg")} == set(made) - {"benchmarks.md"}


def test_each_part_of_the_results_is_one_of_the_bench():
    results = json.loads((BENCH / "results.json").read_text())
    assert set(results["parts"]) == set(module("run").PARTS)
    assert set(module("run").PARTS) == {path.stem for path in (BENCH / "parts").glob("*.py")}


def test_who_is_better_wins_whichever_way_better_is():
    seconds, found = module("tables").compared(table())
    assert (seconds.wins, seconds.ratio, found.wins, found.ratio) == ("one", 0.5, "tuneset", pytest.approx(3))


def test_who_does_not_do_the_work_cannot_win():
    assert list(module("tables").compared(table(only=("two",)))) == []


def test_a_loss_and_who_was_not_measured_are_on_the_page():
    tables = module("tables")
    part = {"date": "2026-01-01", "machine": "a machine", "tables": tables.written([table()])}
    made = module("page").files(json.loads(json.dumps({"parts": {"whole": part}})), ("whole",))["benchmarks.md"]
    assert "better in 1, equal in 0, worse in 1" in made
    assert "| A table | s | 2 | one: 1 |" in made
    assert "- two: ends with an error: no" in made
    assert "| one | **1** | 0.300 |" in made


def test_a_promise_is_held_to_its_limit():
    promise = module("tables").Promise
    given = [(1.5, "<= 1.5"), (1.51, "<= 1.5"), (3, ">= 3"), (2.9, ">= 3")]
    assert [promise("x", figure, limit).holds for figure, limit in given] == [True, False, True, False]


def test_what_a_command_and_its_children_hold_is_counted_together():
    child = "import time; held = bytearray(b'x') * 60_000_000; time.sleep(1)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    took = module("process").run(sys.executable, "-c", f"held = bytearray(b'x') * 60_000_000; {parent}")
    assert took.mebibytes > 115


def test_a_command_that_takes_too_long_is_stopped_with_its_children_and_said():
    process = module("process")
    command = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(600)'])"
    with pytest.raises(process.NotRunError, match="stopped after 1 s"):
        process.run(sys.executable, "-c", command, most=1)


def test_a_command_that_fails_gives_its_last_words():
    process = module("process")
    with pytest.raises(process.NotRunError, match="ends with an error: ValueError: no such thing"):
        process.run(sys.executable, "-c", "raise ValueError('no such thing')")


def test_a_floor_of_a_ratio_of_times_has_room_and_one_of_recall_has_little():
    floor = module("floors").Floor(9.0, more_is_better=False)
    assert floor.moved(2.0, timed=True).value == 3.0
    assert module("floors").Floor(0.1, more_is_better=True).moved(0.9).value == pytest.approx(0.897)


def test_precision_counts_rows_that_have_another_one_alike():
    import numpy as np
    import polars as pl

    twins = module("parts.twins")
    texts = pl.Series(["where is my new card", "where is my new card?", "cancel it please", "when do you open today"])
    gone = np.array([False, True, True, False])
    assert twins.precision(twins.matrices(texts), gone) == 0.5
    # the same words in another order are alike by words, and not by letters
    turned = pl.Series(["one two three four five", "five four three two one", "unlike"])
    assert twins.precision(twins.matrices(turned), np.array([False, True, False])) == 1
