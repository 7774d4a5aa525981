"""Sources that lie elsewhere, the whole way: fetched into the run once, read by its readers, with their licence and revision."""

from __future__ import annotations

import json
import shutil
import sqlite3

import polars as pl
import pytest
from click.testing import CliRunner
from fetch_server import repository
from hypothesis import given
from hypothesis import strategies as st
from test_fetch_hub import CARD, FILES, server  # noqa: F401  a fixture
from test_mix import prepared, rows

import tuneset
from tuneset import run
from tuneset.cli import main
from tuneset.errors import RecipeError, RunError
from tuneset.fetch import written
from tuneset.fetch.fetched import shown

FORBIDDING = CARD.replace("cc-by-4.0", "cc-by-nc-4.0")


@pytest.fixture
def hub(server):  # noqa: F811
    repository(server, "ann/inquiries", FILES, card=CARD, tags=["license:cc-by-4.0"])
    repository(server, "ann/kept", FILES, card=FORBIDDING)
    return server


def database(folder):
    path = folder / "shop.db"
    with sqlite3.connect(path) as shop:
        shop.execute("create table tickets (body text, topic text, number integer)")
        shop.executemany(
            "insert into tickets values (:inquiry, :category, 1)", rows(40, ["card arrival", "lost card"], 500)
        )
    shop.close()
    return path


def test_a_dataset_of_the_hub_is_prepared_by_its_address_and_fetched_once(hub, tmp_path):
    run = tuneset.prepare("hf:ann/inquiries", out=tmp_path / "run")
    first = run.examples()
    assert first.height == 550
    assert {json.loads(each)["label"] for each in first["labels"]} == {"card arrival", "lost card", "exchange rate"}
    origin = json.loads(first["origin"][0])
    assert (origin["licence"], origin["address"], len(origin["revision"])) == (
        "cc-by-4.0",
        "hf:ann/inquiries:default",
        40,
    )
    assert any("licence cc-by-4.0; name the authors" in each for each in run.summary["said"])
    hub.requests.clear()
    again = tuneset.prepare(run.path)
    assert hub.requests == []
    assert again.examples().equals(first)
    shutil.rmtree(run.folder.inside / "fetched")
    assert tuneset.prepare(run.path).examples().equals(first)
    assert hub.requests == []


def test_only_the_splits_that_are_named_are_read(hub, tmp_path):
    run = prepared(tmp_path, {"paths": '["hf:ann/inquiries"]', "splits": '["test"]'})
    assert run.summary["balance"]["in"] == 50
    with pytest.raises(RecipeError, match="unknown split 'validation'"):
        prepared(tmp_path, {"paths": '["hf:ann/inquiries"]', "splits": '["validation"]', "name": '"other"'})


def test_a_licence_that_forbids_the_use_is_a_finding_of_each_row(hub, tmp_path):
    run = tuneset.prepare("hf:ann/kept", out=tmp_path / "run")
    said = run.findings("licence")
    assert (said.height, set(said["state"]), said["says"][0]) == (
        550,
        {"waiting"},
        "files: CC BY-NC forbids commercial use",
    )
    assert run.summary["balance"]["kept"] == 550
    assert "550 examples whose licence forbids" in run.summary["verdict"]["reasons"][0]
    allowed = (run.path / "recipe.toml").read_text().replace('use = "commercial"', 'use = "training"')
    (run.path / "recipe.toml").write_text(allowed)
    assert tuneset.prepare(run.path).findings("licence").is_empty()


def test_a_database_a_file_and_a_dataset_make_one_set(hub, tmp_path):
    (tmp_path / "own.jsonl").write_text(
        "\n".join(map(json.dumps, rows(30, ["card arrival", "lost card"], column="label")))
    )
    run = prepared(
        tmp_path,
        {"paths": f'["{tmp_path / "own.jsonl"}"]'},
        {
            "name": '"shop"',
            "paths": f'["sql:sqlite:///{database(tmp_path)}"]',
            "query": '"select body, topic from tickets"',
            "columns": '{ topic = "label" }',
            "text": '"body"',
            "licence": '"our own"',
        },
        {"name": '"hub"', "paths": '["hf:ann/inquiries"]', "share": "0.5"},
    )
    assert {each["name"]: each["kept"] for each in run.summary["sources"]} == {"own": 30, "shop": 40, "hub": 70}
    assert run.findings("licence").is_empty()


def test_peek_reads_an_address_and_leaves_nothing(hub, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    got = tuneset.peek("hf:ann/inquiries")
    assert got.examples.height == 550
    assert list(tmp_path.iterdir()) == []
    told = CliRunner().invoke(main, ["peek", "hf:ann/inquiries"])
    assert told.exit_code == 0
    assert "licence cc-by-4.0" in told.output


def test_a_run_is_named_after_its_address(hub, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = tuneset.prepare("hf:ann/inquiries")
    assert run.path.name == "ann-inquiries-tuneset"
    assert tuneset.prepare("hf:ann/inquiries").path == run.path


def test_an_address_that_is_not_there_leaves_no_folder(hub, tmp_path):
    with pytest.raises(RunError):
        tuneset.prepare("hf:ann/nothing", out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_candidates_are_shown_before_anything_is_downloaded(hub):
    told = CliRunner().invoke(main, ["search", "inquiries", "--place", "hub"])
    assert told.exit_code == 0, told.output
    assert "hf:ann/inquiries" in told.output
    assert "cc-by-4.0" in told.output
    assert not hub.asked("resolve")
    told = CliRunner().invoke(main, ["search", "inquiries", "--place", "hub", "--json"])
    assert pl.DataFrame(json.loads(told.output)["candidates"])["address"].to_list()[0].startswith("hf:ann/")


def test_a_dry_run_says_what_would_be_fetched_and_fetches_no_data(hub, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        f"""
[[sources]]
name = "inquiries"
paths = ["hf:ann/inquiries"]

[[sources]]
name = "shop"
paths = ["sql:sqlite:///{database(tmp_path)}"]
query = "select body, topic from tickets"

[[sources]]
name = "here"
paths = ["shop.db"]
"""
    )
    hub.requests.clear()
    got = CliRunner().invoke(main, ["prepare", str(recipe), "--dry-run"], catch_exceptions=False)
    assert got.exit_code == 0
    assert "hf:ann/inquiries:default  inquiries" in got.output
    assert "licence cc-by-4.0 · revision " in got.output
    assert "splits: test, train" in got.output or "splits: train, test" in got.output
    assert "one query is run" in got.output
    assert "shop.db" not in got.output.partition("Next:")[0].replace(f"sql:sqlite:///{tmp_path}/shop.db", "")
    asked = [str(each) for each in hub.requests]
    assert not any(".parquet" in each or ".csv" in each for each in asked), asked
    assert sorted(each.name for each in tmp_path.iterdir()) == ["recipe.toml", "shop.db"]
    told = json.loads(CliRunner().invoke(main, ["prepare", str(recipe), "--dry-run", "--json"]).output)
    assert [each["source"] for each in told] == ["inquiries", "shop"]
    assert sum(size for _, size in told[0]["files"]) == sum(len(FILES[name]) for name, _ in told[0]["files"])


def test_a_dry_run_of_a_file_elsewhere_says_its_size(hub, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    hub.files["/big.csv"] = b"text,label\n" + b"hello,a\n" * 1000
    (got,) = [each for _, each in run.ahead(f"{hub.url}/big.csv")]
    assert got.files == (("big.csv", 8011),)
    with pytest.raises(RunError, match="404"):
        run.ahead(f"{hub.url}/none.csv")


def test_a_dry_run_of_what_lies_here_says_that_nothing_would_be_fetched(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    got = CliRunner().invoke(main, ["prepare", "a b.csv", "--dry-run"], catch_exceptions=False)
    assert "Nothing would be fetched" in got.output
    assert "tuneset prepare 'a b.csv'" in got.output


def test_a_secret_in_an_address_is_written_nowhere_and_the_run_goes_on_without_it(hub, tmp_path):
    hub.files["/t2.csv?token=SECRETTOK99"] = hub.files["/t2.csv"] = (
        "text,label\n" + "".join(f"where is parcel {n} now,{'ab'[n % 2]}\n" for n in range(30))
    ).encode()
    address = f"{hub.url}/t2.csv?token=SECRETTOK99".replace("://", "://bob:PWPW99@")
    made = tuneset.prepare(address, out=tmp_path / "run")
    made.export("csv")
    for path in made.path.rglob("*"):
        held = path.read_bytes() if path.is_file() else b""
        assert b"SECRETTOK99" not in held, path
        assert b"PWPW99" not in held, path
    hub.requests.clear()
    again = tuneset.prepare(address, out=tmp_path / "run")
    assert tuneset.prepare(made.path).examples().equals(again.examples())
    assert hub.requests == []
    shutil.rmtree(made.folder.inside / "fetched")
    (made.folder.stage("get") / "stage.json").unlink()
    with pytest.raises(RunError, match="a secret was left out of this address"):
        tuneset.prepare(made.path)


@given(st.text(), st.sampled_from(["https://", "s3://", "hf:", "sql:postgresql://"]))
def test_an_address_that_may_be_written_down_stays_the_same_address(rest, scheme):
    once = written(scheme + rest)
    assert written(once) == once
    assert shown(once) == shown(scheme + rest)


def shop_recipe(folder):
    (folder / "recipe.toml").write_text(
        f"""
[[sources]]
name = "shop"
paths = ["sql:sqlite:///{database(folder)}"]
query = "select body, topic from tickets"
text = "body"
labels = ["topic"]
"""
    )
    return folder / "recipe.toml"


def test_what_is_new_at_an_address_comes_when_it_is_asked_for_and_no_row_changes_sides(tmp_path):
    first = tuneset.prepare(shop_recipe(tmp_path), out=tmp_path / "run")
    before = dict(first.examples().select("id", "side").rows())
    with sqlite3.connect(tmp_path / "shop.db") as shop:
        shop.executemany("insert into tickets values (:inquiry, :category, 1)", rows(20, ["refund"], 900))
        shop.execute("delete from tickets where rowid = 1")
    shop.close()
    assert tuneset.prepare(first.path).examples().height == 40
    got = CliRunner().invoke(main, ["prepare", str(first.path), "--refetch"], catch_exceptions=False)
    assert got.exit_code == 0, got.output
    after = dict(first.examples().select("id", "side").rows())
    assert len(after) == 59
    stayed = before.keys() & after.keys()
    assert len(stayed) == 39
    assert {each: after[each] for each in stayed} == {each: before[each] for each in stayed}
    assert len(list((first.folder.inside / "fetched").iterdir())) == 1


def test_what_was_fetched_stays_where_the_address_is_gone(tmp_path):
    first = tuneset.prepare(shop_recipe(tmp_path), out=tmp_path / "run")
    (tmp_path / "shop.db").unlink()
    with pytest.raises(RunError):
        tuneset.prepare(first.path, refetch=True)
    assert tuneset.prepare(first.path).examples().height == 40
