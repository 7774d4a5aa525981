"""What the recipe hides is in no file of the run folder, whichever column it stood in."""

import csv
import json
import re
import shutil

import polars as pl
import pytest

import tuneset
from tuneset.errors import RecipeError

PLANTED = {
    "email": "jane.miller@acme-shop.com",
    "card": "4111 1111 1111 1111",
    "iban": "GB82 WEST 1234 5698 7654 32",
    "ip": "203.0.114.77",
    "key": "ghp_0123456789abcdefghijABCDEFGHIJ012345",
}
RECIPE = '[[sources]]\npaths = ["in.csv"]\ntext = "inquiry"\nlabels = ["category"]\ngroups = ["author"]\n'


def _rows(count=60):
    for number in range(count):
        hidden = f" {list(PLANTED.values())[number % 5]} is mine" if number % 3 == 0 else ""
        author = PLANTED["email"] if number < 10 else f"author {number}"
        yield f"where is parcel number {number} of mine?{hidden}", "ABC"[number % 3], author, PLANTED["card"]


def _source(folder):
    with (folder / "in.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["inquiry", "category", "author", "note"])
        writer.writerows(_rows())
        writer.writerow(["", "A", PLANTED["email"], PLANTED["iban"]])  # dropped: it has no text
        file.write(f"ragged,{PLANTED['email']},x,y,z,1,2\n")


def _in_clear(folder):
    """Search every file, Parquet ones as the JSON of their rows, for what was planted."""
    found = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        text = (
            json.dumps(pl.read_parquet(path).to_dicts(), default=str, ensure_ascii=False)
            if path.suffix == ".parquet"
            else path.read_bytes().decode(errors="replace")
        )
        packed = re.sub(r"[\s-]", "", text)
        found += [
            (path.name, name) for name, value in PLANTED.items() if value.replace(" ", "").replace("-", "") in packed
        ]
    return found


def _prepared(folder, action):
    _source(folder)
    both = "".join(f'[clean.{rule}]\naction = "{action}"\n' for rule in ("personal-data", "secret"))
    (folder / "recipe.toml").write_text(RECIPE.replace("in.csv", str(folder / "in.csv")) + both)
    return tuneset.prepare(folder / "recipe.toml", out=folder / "run")


@pytest.mark.parametrize("action", ["mask", "replace"])
def test_nothing_hidden_is_in_any_file_of_the_run(tmp_path, action):
    run = _prepared(tmp_path, action)
    assert _in_clear(run.path) == []
    assert run.summary["balance"]["in"] == 62


def test_flagged_values_are_still_there_so_the_search_above_can_find_them(tmp_path):
    found = _in_clear(_prepared(tmp_path, "flag").path)
    assert {name for _, name in found} == set(PLANTED)


def test_hiding_after_a_first_look_needs_no_source_and_leaves_nothing_behind(tmp_path):
    run = _prepared(tmp_path, "flag")
    written = run.path / "recipe.toml"
    written.write_text(written.read_text().replace('action = "flag"', 'action = "mask"'))
    (tmp_path / "in.csv").rename(tmp_path / "gone.csv")
    again = tuneset.prepare(run.path)
    assert _in_clear(again.path) == []
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    (tmp_path / "gone.csv").rename(tmp_path / "in.csv")
    shutil.copy(tmp_path / "in.csv", fresh / "in.csv")
    texts = _prepared(fresh, "mask").examples()["text"].sort()
    assert again.examples()["text"].sort().equals(texts)


def test_rows_of_one_hidden_author_still_stay_on_one_side(tmp_path):
    kept = _prepared(tmp_path, "mask").examples().with_columns(key=pl.col("groups").list.first())
    sizes = kept.group_by("key").agg(pl.len(), pl.col("side").n_unique()).filter(pl.col("len") > 1)
    assert sizes["len"].to_list() == [10]
    assert sizes["side"].to_list() == [1]


def test_what_was_hidden_cannot_be_called_back_by_a_decision(tmp_path):
    run = _prepared(tmp_path, "mask")
    hidden = run.findings("personal-data")
    assert (hidden["before"].is_null()).all()
    assert (hidden["state"] == "applied").all()
    with pytest.raises(RecipeError, match="hidden before anything was written"):
        run.decide(hidden["id"][0], "reject")
