"""Several sources: their names brought to ours, what each may be of the mix, and what the report says of each."""

from __future__ import annotations

import json

import polars as pl
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

import tuneset
from tuneset import recipe
from tuneset.cli import main
from tuneset.dedupe.mix import Part, over, taken
from tuneset.errors import InputError, RecipeError, RunError
from tuneset.sources import Ours, read

WORDS = ["parcel", "invoice", "refund", "card", "loan", "hotel", "meal", "visa", "coin", "flight", "gift", "tax"]


def rows(number, label, start=0, text="inquiry", column="category"):
    return [
        {text: f"{WORDS[n % 12]} {WORDS[(n * 5 + 1) % 12]} number {n * 7919}?", column: label[n % len(label)]}
        for n in range(start, start + number)
    ]


def saved(path, given):
    path.write_text("\n".join(json.dumps(row) for row in given))
    return path.name


def prepared(folder, *sources, **rest):
    lines = []
    for source in sources:
        lines.append("[[sources]]")
        lines += [f"{key} = {value}" for key, value in source.items()]
    (folder / "mine.toml").write_text("\n".join([*lines, *(rest.get("more") or [])]))
    return tuneset.prepare(folder / "mine.toml", out=folder / "run")


def test_columns_and_labels_of_each_source_get_our_names(tmp_path):
    own = saved(tmp_path / "own.jsonl", rows(30, ["Track", "Refund"]))
    other = saved(tmp_path / "web.jsonl", rows(30, ["track_order", "get_refund", "spam"], 100, "body", "intent"))
    run = prepared(
        tmp_path,
        {"paths": f'["{tmp_path / own}"]', "licence": '"CC0-1.0"'},
        {
            "paths": f'["{tmp_path / other}"]',
            "columns": '{ intent = "category" }',
            "rename": '{ track_order = "Track", get_refund = "Refund", spam = "" }',
        },
    )
    kept = run.examples()
    assert dict(kept["source"].value_counts().iter_rows()) == {"own": 30, "web": 20}
    assert set(kept["labels"]) == {'{"category": "Track"}', '{"category": "Refund"}'}
    assert dict(run.findings("unwanted-label")["says"].value_counts().iter_rows()) == {
        "the recipe does not want the label spam": 10
    }
    licences = {json.loads(origin).get("licence") for origin in kept.filter(source="own")["origin"]}
    assert licences == {"CC0-1.0"}


def test_a_label_that_is_renamed_and_stands_in_no_row_is_named_with_the_nearest():
    rows = [{"text": "one", "kind": "Payments and billing"}, {"text": "two", "kind": '["a", "b"]'}]
    told = {"kind": {"Payment and Billing": "money", "b": "c"}, "zzz": ""}
    got = read(rows, text="text", labels=["kind"], ours=Ours(rename=told))
    assert [said for said in got.said if said.startswith("rename")] == [
        "rename: no row has 'Payment and Billing' as its kind; there is 'Payments and billing'",
        "rename: no row has 'zzz' as its kind",
    ]
    assert not any("rename" in said for said in read(rows, text="text", labels=["kind"]).said)


def test_a_label_is_renamed_in_its_column_and_in_lists():
    told = Ours(rename={"kind": {"a": "b"}})
    got = read([{"text": "one", "kind": "a", "other": "a"}], text="text", labels=["kind", "other"], ours=told)
    assert got.examples["labels"].to_list() == ['{"kind": "b", "other": "a"}']
    lists = [{"text": "one", "kind": ["a", "c"]}, {"text": "two", "kind": ["c"]}]
    got = read(lists, text="text", labels=["kind"], ours=Ours(rename={"a": "b", "c": ""}))
    assert got.examples["labels"].to_list() == ['{"kind": ["b"]}', '{"kind": ["c"]}']
    assert got.findings.select("rule", "example").rows() == [("unwanted-label", got.examples["id"][1])]


def test_a_column_that_is_not_there_is_named():
    with pytest.raises(RecipeError, match="unknown column 'intend'"):
        read([{"text": "one", "intent": "a"}], ours=Ours(columns={"intend": "category"}))
    with pytest.raises(RecipeError, match="unknown label column 'kid'"):
        read([{"text": "one", "kind": "a"}], text="text", labels=["kind"], ours=Ours(rename={"kid": {"a": "b"}}))


def test_sources_that_are_no_one_dataset_are_refused(tmp_path):
    own = saved(tmp_path / "own.jsonl", rows(5, ["Track"]))
    web = saved(tmp_path / "web.jsonl", rows(5, ["Track"], column="intent"))
    chat = saved(tmp_path / "chat.jsonl", [{"messages": [{"role": "user", "content": "q"}]}])
    named = [{"paths": f'["{tmp_path / each}"]'} for each in (own, web, chat)]
    with pytest.raises(InputError, match="their labels have other names: category, and intent"):
        prepared(tmp_path, named[0], named[1])
    with pytest.raises(InputError, match="a table and conversations"):
        prepared(tmp_path, named[0], named[2])
    with pytest.raises(RecipeError, match="two sources are named 'own'"):
        prepared(tmp_path, named[0], named[0])


def test_the_hint_about_labels_of_other_names_names_columns_that_are_there(tmp_path):
    own = saved(tmp_path / "own.jsonl", [each | {"tone": "calm"} for each in rows(5, ["Track"])])
    web = saved(tmp_path / "web.jsonl", rows(5, ["Track"], column="intent"))
    both = {"paths": f'["{tmp_path / own}"]', "labels": '["tone", "category"]'}
    with pytest.raises(InputError) as caught:
        prepared(tmp_path, both, {"paths": f'["{tmp_path / web}"]'})
    assert caught.value.hint == 'say what they are called here: columns = { "intent" = "tone" }'
    posts = {"topic_title": "Beans", "is_pm": "no", "post": "Overnight.", "url": "https://example.org/t/beans/1"}
    bare = saved(tmp_path / "posts.jsonl", [posts])
    with pytest.raises(InputError, match="their labels have other names: tone, category, and none") as caught:
        prepared(tmp_path, both, {"paths": f'["{tmp_path / bare}"]'})
    assert caught.value.hint == "posts has no labels: name its label columns (labels = [...]), or prepare it on its own"


def test_a_source_is_cut_to_its_share_and_every_row_is_accounted_for(tmp_path):
    own = saved(tmp_path / "own.jsonl", rows(60, ["Track", "Refund"]))
    web = saved(tmp_path / "web.jsonl", rows(140, ["Track", "Track", "Track", "Refund"], 100))
    run = prepared(tmp_path, {"paths": f'["{tmp_path / own}"]'}, {"paths": f'["{tmp_path / web}"]', "share": "0.25"})
    kept = run.examples()
    assert dict(kept["source"].value_counts().iter_rows()) == {"own": 60, "web": 20}
    assert dict(kept.filter(source="web")["labels"].value_counts().iter_rows()) == {
        '{"category": "Track"}': 15,
        '{"category": "Refund"}': 5,
    }
    assert run.summary["balance"] == {"in": 200, "kept": 80, "dropped": 120, "merged": 0}
    again = (run.path / "recipe.toml").read_text().replace("share = 0.25", "share = 0.5")
    (run.path / "recipe.toml").write_text(again)
    more = tuneset.prepare(run.path).examples()
    assert dict(more["source"].value_counts().iter_rows()) == {"own": 60, "web": 60}
    assert set(kept["id"]) <= set(more["id"])


@given(
    st.dictionaries(st.sampled_from("abcd"), st.integers(1, 400), min_size=1),
    st.dictionaries(
        st.sampled_from("abcd"), st.tuples(st.integers(0, 300), st.sampled_from([0, 0.1, 0.25, 0.5, 0.9])), min_size=1
    ),
)
def test_no_source_exceeds_its_limit_and_none_is_cut_for_nothing(have, limits):
    parts = [Part(name, limit, share) for name, (limit, share) in limits.items()]
    try:
        takes = taken(have, parts)
    except RecipeError:
        assert sum(limits.get(name, (0, 1))[1] or 1 for name in have) < 1
        return
    kept = {name: takes.get(name, number) for name, number in have.items()}
    total = sum(kept.values())
    for name, (limit, share) in limits.items():
        if name in kept:
            assert not limit or kept[name] <= limit
            assert not share or kept[name] <= share * total + 1
            full = kept[name] == min(have[name], limit or have[name])
            assert full or kept[name] + 2 > share * total


@given(st.integers(1, 60), st.integers(0, 5))
def test_the_same_rows_stay_when_the_limit_grows(limit, seed):
    examples = pl.DataFrame({"id": [f"{n}" for n in range(60)], "source": ["a"] * 60, "label": ["x", "y", "y"] * 20})
    few, more = (set(over(examples, [Part("a", number)], seed)["example"]) for number in (limit, limit + 1))
    assert (len(few), more <= few) == (60 - limit, True)


def test_a_recipe_names_its_sources_by_their_files():
    made = recipe.parse({"sources": [{"paths": ["a/own.csv"]}, {"paths": ["web.csv"], "name": "forum"}]}, "x")
    assert [each.name for each in made.sources] == ["own", "forum"]


def test_the_report_says_what_each_source_brought_and_lost(tmp_path):
    own = saved(tmp_path / "own.jsonl", rows(60, ["Track", "Refund"]))
    web = saved(tmp_path / "web.jsonl", [*rows(10, ["Track", "Refund"]), *rows(40, ["Track", "Refund"], 100)])
    run = prepared(
        tmp_path,
        {"paths": f'["{tmp_path / own}"]'},
        {"paths": f'["{tmp_path / web}"]', "rows": "30", "licence": '"MIT"'},
    )
    first, second = run.summary["sources"]
    assert (first["in"], first["kept"], first["rules"], first["elsewhere"]) == (60, 60, [], 0)
    assert (second["in"], second["kept"], second["merged"], second["elsewhere"]) == (50, 30, 10, 10)
    assert second["rules"] == [{"rule": "exact-duplicate", "rows": 10}, {"rule": "over-share", "rows": 10}]
    assert first["train"] + second["train"] == run.summary["sides"]["train"]
    page = run.report.read_text()
    assert "What each source brought" in page
    assert "10 rows stand in another source" in page


def test_a_run_stops_after_the_stage_that_is_named_and_goes_on_from_there(tmp_path):
    own = tmp_path / "own.jsonl"
    saved(own, rows(30, ["Track", "Refund"]))
    run = tuneset.prepare(own, out=tmp_path / "run", until="get")
    assert sorted(path.name for path in run.folder.inside.glob("0*")) == ["01-get"]
    assert not run.report.exists()
    with pytest.raises(RunError, match="this run is not complete"):
        _ = run.summary
    whole = tuneset.prepare(own, out=tmp_path / "whole")
    assert tuneset.prepare(run.path).summary["balance"] == whole.summary["balance"]
    assert (run.path / "train.jsonl").read_bytes() == (whole.path / "train.jsonl").read_bytes()
    with pytest.raises(RecipeError, match="unknown stage 'got'"):
        tuneset.prepare(own, out=tmp_path / "other", until="got")


def test_the_command_line_says_where_it_stopped(tmp_path):
    own = tmp_path / "own.jsonl"
    saved(own, rows(30, ["Track", "Refund"]))
    told = CliRunner().invoke(main, ["prepare", str(own), "--until", "get"])
    assert told.exit_code == 0
    assert "Stopped after get, as asked. Go on: tuneset prepare" in told.output
    told = CliRunner().invoke(main, ["prepare", str(own), "--until", "clean", "--json"])
    assert (json.loads(told.output)["until"], json.loads(told.output)["rows"]) == ("clean", 30)
