"""Real data with known truth: nothing lost, certificates of 0, shares where they were promised."""

import json

import polars as pl
import pytest

import tuneset
from tuneset.errors import TunesetError

TABLES = {
    "banking77/train.csv": {"text": "text", "label": "category"},
    "banking77/test.csv": {},
    "clinc150/clinc150.csv": {},
    "hwu64/hwu64.csv": {"text": "text_as_typed", "label": ["category", "sub_category"]},
    "hwu64/typo_rows.csv": {"text": "text_as_typed", "label": "label"},
    "course_shape/clinc_500.csv": {},
    "course_shape/hwu64_500_as_typed.csv": {},
    "paraphrases/banking_dev_paraphrases.csv": {
        "text": "ChatGPT's Paraphrase",
        "label": "Label",
        "group": "Original Example",
    },
    "pii/pii.jsonl": {"text": "text", "label": "spans"},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", TABLES)
def test_nothing_is_lost_and_nothing_leaks(name, data, tmp_path):
    run = tuneset.prepare(data / name, out=tmp_path / "out", **TABLES[name])
    summary = run.summary
    balance, sides = summary["balance"], summary["sides"]
    rows = tuneset.peek(data / name, **{key: value for key, value in TABLES[name].items() if key != "group"})
    assert balance["in"] == rows.examples.height == balance["kept"] + balance["dropped"] + balance["merged"]
    assert summary["certificate"]["pairs_across"] == 0
    assert sum(sides.values()) == balance["kept"]
    assert 0.19 <= sides["validation"] / balance["kept"] <= 0.21
    out = (run.path / "dropped.jsonl").read_text().splitlines()
    assert len(out) == balance["dropped"] + balance["merged"]


@pytest.mark.slow
def test_every_format_case_is_read_or_refused_in_three_lines(data, tmp_path):
    cases = sorted((data / "format_cases").glob("*.jsonl"))
    assert len(cases) == 43
    for path in cases:
        try:
            summary = tuneset.prepare(path, out=tmp_path / path.stem).summary
        except TunesetError as error:
            assert len(str(error).splitlines()) == 3, path.name
            continue
        balance = summary["balance"]
        assert balance["in"] == balance["kept"] + balance["dropped"] + balance["merged"], path.name


@pytest.mark.slow
def test_paraphrases_of_one_seed_stay_on_one_side(data, tmp_path):
    name = "paraphrases/banking_dev_paraphrases.csv"
    run = tuneset.prepare(data / name, out=tmp_path / "out", **TABLES[name])
    seed = pl.col("groups").list.first()
    assert run.examples().group_by(seed).agg(pl.col("side").n_unique())["side"].max() == 1
    assert run.summary["certificate"]["lineage"] == "known"


def test_banking77_is_stratified_within_a_point(data, tmp_path):
    run = tuneset.prepare(data / "banking77/train.csv", text="text", label="category", out=tmp_path / "out")
    facts = json.loads((run.path / ".tuneset/04-split/stage.json").read_bytes())["facts"]
    shares = [row["share"] for row in facts["balance"]]
    assert len(shares) == 77
    assert min(shares) >= 0.195
    assert max(shares) <= 0.209
