"""Suggestions, another threshold and other sets through a whole run: what a person accepts is what happens, once."""

import json
import subprocess
import sys
import tomllib

import polars as pl
import pytest

import tuneset
from tuneset import dedupe, recipe
from tuneset.errors import InputError, RecipeError

PLACES = ("Paris", "Rome", "Oslo", "Lima", "Cairo", "Perth", "Quito", "Sofia", "Delhi", "Tokyo")
OPENINGS = (
    "When will the parcel for {} get here",
    "My card did not work in a shop in {}",
    "Can I move the booking to {}",
)


def _rows():
    texts = [f"{opening.format(place)}?" for opening in OPENINGS for place in PLACES]
    texts += [f"{opening.format(place)} please??" for opening in OPENINGS for place in PLACES[:4]]
    return [{"inquiry": text, "category": "ABC"[number % 3]} for number, text in enumerate(texts)]


def _bytes(run):
    named = ("train.jsonl", "validation.jsonl", "dropped.jsonl", "recipe.toml", "report.html")
    files = [*(run / name for name in named), *sorted((run / ".tuneset").glob("*/*.parquet"))]
    return {path.relative_to(run).as_posix(): path.read_bytes() for path in files}


def test_another_threshold_gives_the_bytes_of_a_fresh_run_without_a_new_search(tmp_path, monkeypatch):
    first = tuneset.prepare(_rows(), out=tmp_path / "first" / "run")
    fresh = tuneset.prepare(_rows(), out=tmp_path / "fresh" / "run", threshold=0.85)
    searched = []
    search = dedupe.nearly.near.pairs
    monkeypatch.setattr(
        dedupe.nearly.near, "pairs", lambda *given, **named: searched.append(1) or search(*given, **named)
    )
    again = first.rethreshold(0.85)
    assert searched == [1]  # the split has to tie from 0.7 on, and looks for itself; the step does not
    assert 0 < again.findings("near-duplicate").height < 300
    assert again.findings("near-duplicate")["id"].equals(fresh.findings("near-duplicate")["id"])
    now, wanted = _bytes(again.path), _bytes(fresh.path)
    same = [name for name in wanted if "dedupe" in name or "clean" in name]
    assert {name: now[name] for name in same} == {name: wanted[name] for name in same}


def test_a_lower_threshold_is_searched_anew(tmp_path):
    run = tuneset.prepare(_rows(), out=tmp_path / "run", threshold=0.85)
    fewer = run.findings("near-duplicate").height
    assert run.rethreshold(0.6).findings("near-duplicate").height > fewer


def test_two_suggestions_for_one_row_are_accepted_in_one_go(tmp_path):
    asked = "Hello, I want my mony and my recieptt back.\n\nBest regards,\nAnna Miller"
    rows = [*_rows(), {"inquiry": asked, "category": "A"}]
    run = tuneset.prepare(rows, out=tmp_path / "run")
    waiting = run.findings().filter(pl.col("text").str.starts_with("Hello") & (pl.col("action") == "edit"))
    assert waiting.height >= 2
    for finding in waiting["id"]:
        run.decide(finding, "accept")
    again = tuneset.prepare(run.path)
    settled = again.findings().filter(pl.col("id").is_in(waiting["id"].implode()))
    assert not settled["stale"].any()
    assert (settled["state"] == "applied").all()
    (text,) = again.examples().filter(pl.col("id") == waiting["example"][0])["text"]
    assert not text.startswith("Hello")
    assert "regards" not in text


def test_rows_of_a_benchmark_are_flagged_and_a_changed_benchmark_is_read_again(tmp_path):
    benchmark = tmp_path / "test.jsonl"
    benchmark.write_text(json.dumps({"text": _rows()[0]["inquiry"].upper(), "label": "x"}) + "\n")
    run = tuneset.prepare(_rows(), out=tmp_path / "run", against=benchmark)
    said = run.findings("contamination")
    assert said.filter(pl.col("score") == 1)["text"].to_list() == [_rows()[0]["inquiry"]]
    assert (said["state"] == "waiting").all()
    benchmark.write_text(json.dumps({"text": "something else entirely", "label": "x"}) + "\n")
    assert tuneset.prepare(run.path).findings("contamination").is_empty()
    benchmark.unlink()
    with pytest.raises(InputError):
        tuneset.prepare(run.path)


def test_the_map_of_typos_goes_into_the_recipe_edited_and_is_applied(tmp_path):
    rows = [*_rows(), {"inquiry": "I want my mony back, did you recieve it", "category": "A"}]
    run = tuneset.prepare(rows, out=tmp_path / "run")
    printed = subprocess.run(
        [sys.executable, "-m", "tuneset", "typos", run.path], capture_output=True, text=True, timeout=120, check=True
    ).stdout
    found = tomllib.loads(printed)["clean"]["typo"]["replacements"]
    assert found["recieve"] == "receive"
    lines = (line for line in printed.splitlines()[1:] if "recieve" in line)
    file = run.path / "recipe.toml"
    written = file.read_text().replace("[clean.typo.replacements]\n", "")
    file.write_text("\n".join([written, "[clean.typo.replacements]", *lines, 'mony = "mony"']) + "\n")
    texts = tuneset.prepare(run.path).examples()["text"].to_list()
    assert "I want my mony back, did you receive it" in texts


def test_a_map_that_is_none_is_refused_in_three_lines(tmp_path):
    with pytest.raises(RecipeError, match="not of the type dict"):
        recipe.parse({"clean": {"typo": {"replacements": "x"}}}, "recipe.toml")
