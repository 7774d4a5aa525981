"""What synthetic rows are said to be worth: against rows that are known to be as good, narrower, off the subject or wrong."""

import json
import random

import numpy as np
import polars as pl
import pytest

import tuneset
from tuneset.folder import Folder
from tuneset.generate import rows
from tuneset.generate.measures import _gain, _guessed, _tied, synthetic
from tuneset.generate.wanted import of
from tuneset.judge import ridge
from tuneset.judge.judging import rounded
from tuneset.judge.view import labels, view
from tuneset.recipe import Source, read, to_toml
from tuneset.report.synthetic import written
from tuneset.testing import examples

THINGS = ["card", "parcel", "invoice", "account", "refund", "password"]
STARTS = ["where is", "I cannot find", "please cancel", "how do I change", "what about", "tell me more of", "I lost"]
ENDS = ["today", "please", "since Monday", "for my sister", "as you promised", "right now", "in the app", "again"]
WHEN = ["in May", "twice", "at night", "on Friday", "last week", "before noon", "once", "by mail"]
OTHERS = [
    "the goal",
    "a penalty",
    "their striker",
    "our keeper",
    "that referee",
    "the stadium",
    "a corner",
    "the league",
]
DOES = ["was cheered by", "angers", "runs past", "will never forget", "sings about", "waits outside for"]


def inquiry(draw, *, thing=None):
    thing = thing or draw.choice(THINGS)
    words = f"{draw.choice(STARTS)} the {thing} {draw.choice(ENDS)} {draw.choice(WHEN)} {draw.randrange(999)}"
    return {"text": words, "label": thing, "side": "train"}


def inquiries(rows, seed):
    draw = random.Random(seed)
    return [inquiry(draw) for _ in range(rows)]


def football(rows, seed):
    draw = random.Random(seed)
    say = lambda: (
        f"{draw.choice(OTHERS)} {draw.choice(DOES)} {draw.choice(OTHERS)} and {draw.choice(OTHERS)} {draw.choice(DOES)} {draw.choice(OTHERS)}"
    )
    return [{"text": say(), "label": draw.choice(THINGS), "side": "train"} for _ in range(rows)]


def table(real, made, **beside):
    """Examples with their sides; the made ones are a model's."""
    made = [{"origin": '{"synthetic": true}', **row, **beside} for row in made]
    rows = [{"id": f"{place:032x}", **row} for place, row in enumerate([*real, *made])]
    sides = pl.Series("side", [row.pop("side") for row in rows])
    return examples(rows).with_columns(sides, group=pl.Series([f"{place:032x}" for place in range(len(rows))]))


def worth(real, made, **beside):
    seen = view(table(real, made, **beside))
    return synthetic(seen, labels(seen.examples))


def held_back(rows, seed):
    return [row | {"side": "validation"} for row in inquiries(rows, seed)]


def panel(facts):
    return {line["name"]: line for line in facts["variety"]["panel"]}


def test_without_synthetic_rows_nothing_is_said():
    assert worth(inquiries(50, 1), []) is None


def test_a_few_synthetic_rows_are_counted_and_no_more():
    facts = worth(inquiries(200, 1), inquiries(19, 2))
    assert (facts["rows"], facts["real"]) == (19, 200)
    assert facts["variety"] is facts["told"] is facts["learned"] is None
    assert facts["words"].startswith("Too few")


def test_rows_like_real_ones_are_not_told_from_them():
    found = [worth(inquiries(240, seed), inquiries(120, seed + 50)) for seed in range(3)]
    outside = [
        line["name"] for facts in found for line in facts["variety"]["panel"] if line["says"] != "as in real rows"
    ]
    assert len(outside) <= 1  # of 30 figures
    assert not any(facts["told"]["differs"] for facts in found)
    assert all("cannot tell them from real rows" in facts["words"] for facts in found)


def test_copies_of_a_few_rows_are_narrow_and_repeat_themselves():
    facts = worth(inquiries(300, 1), inquiries(15, 2) * 10)
    assert panel(facts)["coverage"]["value"] < panel(facts)["coverage"]["low"]
    assert panel(facts)["vendi"]["value"] < panel(facts)["vendi"]["low"]
    assert "narrower than real rows" in facts["words"]
    assert "the same few wordings again and again" in facts["words"]


def test_rows_about_something_else_are_off_the_subject_though_they_are_varied():
    facts = worth(inquiries(240, 1), football(120, 2))
    assert panel(facts)["density"]["value"] < 0.1 < panel(facts)["density"]["low"]
    assert "off the subject" in facts["words"]


def test_what_differs_comes_first_in_the_panel():
    said = [
        line["says"] == "as in real rows" for line in worth(inquiries(240, 1), football(120, 2))["variety"]["panel"]
    ]
    assert said == sorted(said)
    assert said[0] is False


def test_what_gives_the_rows_away_is_named_both_ways():
    made = [row | {"text": f"Kindly assist: {row['text']}"} for row in inquiries(120, 2)]
    facts = worth([row | {"text": f"hiya {row['text']}"} for row in inquiries(240, 1)], made)
    told = facts["told"]
    assert told["differs"]
    assert told["accuracy"] > 0.95 > told["null"]["high"]
    assert any("kindly" in words for words in told["model"])
    assert any("hiya" in words for words in told["people"])
    assert "A classifier tells them from real rows in 100 of 100" in facts["words"]


def test_right_rows_of_thin_labels_help_and_wrongly_labelled_ones_do_harm():
    few, test, made = inquiries(24, 1), held_back(300, 3), inquiries(200, 2)
    right = worth(few, made)
    assert right["learned"] is None  # nothing is held back to try it on
    right = worth([*few, *test], made)["learned"]
    assert right["synthetic"]["accuracy"] > right["real"]["accuracy"]
    assert right["gain_low"] > 0
    moved = [row | {"label": THINGS[(THINGS.index(row["label"]) + 1) % len(THINGS)]} for row in made]
    facts = worth([*few, *test], moved)
    assert facts["learned"]["synthetic"]["accuracy"] < 0.1
    assert facts["learned"]["gain_high"] < 0
    assert facts["words"].startswith("They do harm")


def test_no_figure_counts_a_synthetic_row_on_the_validation_side():
    real, made = [*inquiries(120, 1), *held_back(60, 3)], inquiries(60, 2)
    stray = [row | {"side": "validation", "label": "card"} for row in inquiries(40, 4)]
    before, after = worth(real, made), worth(real, [*made, *stray])
    assert (before["held_back"], after["held_back"]) == (0, 40)
    assert after["rows"] == 60
    assert after["learned"]["test"] == 60
    assert rounded(after["learned"]) == rounded(before["learned"])


def test_the_order_of_the_rows_changes_nothing():
    rows = table([*inquiries(120, 1), *held_back(40, 3)], inquiries(60, 2))
    seen, turned = view(rows), view(rows.reverse())
    # the vectors of the stage may differ in their last digits
    turned = turned._replace(vectors=seen.vectors[::-1].copy())
    facts = [rounded(synthetic(each, labels(each.examples))) for each in (seen, turned)]
    assert facts[0] == facts[1]


def test_held_out_answers_are_those_of_a_classifier_fitted_without_the_group():
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(60, 4)).astype(np.float32)
    parts, groups = np.repeat([0, 1, 2], 20), rng.integers(0, 25, 60)
    right = []
    rows = np.flatnonzero(parts < 2)
    codes = (parts[rows] == 0).astype(np.int64)
    for row, code in zip(rows, codes, strict=True):
        others = groups[rows] != groups[row]
        made = ridge.fit(vectors[rows[others]], codes[others], 2)
        right.append(int(ridge.scores(made, vectors[[row]]).argmax()) == code)
    assert _guessed(vectors, groups, parts, (0, 1))["accuracy"] == pytest.approx(np.mean(right), abs=1e-4)


def test_a_synthetic_row_is_held_together_with_the_seed_it_is_most_like_and_with_others_of_it():
    real = [
        {"text": text, "label": "a", "side": "train"} for text in ("where is my card", "cancel the parcel", "hello")
    ]
    seeds = [f"seed:{place:032x}" for place in range(2)]
    made = [
        {"text": "where may my card be", "label": "a", "side": "train", "groups": seeds},
        {"text": "please cancel this parcel", "label": "a", "side": "train", "groups": seeds},
        {"text": "is my card on its way", "label": "a", "side": "train", "groups": seeds[:1]},
        {"text": "something of old", "label": "a", "side": "train", "groups": ["seed:gone"]},
        {"text": "another one of old", "label": "a", "side": "train", "groups": ["seed:gone"]},
    ]
    seen = view(table(real, made))
    tied = _tied(seen, np.arange(8)).tolist()
    assert tied == [0, 1, 2, 0, 1, 0, 6, 6]


def test_a_seed_that_is_not_among_the_drawn_rows_still_holds_its_rows_together():
    real = [
        {"text": "where is my card", "label": "a", "side": "train"},
        {"text": "hello", "label": "a", "side": "train"},
    ]
    made = [
        {"text": text, "label": "a", "side": "train", "groups": [f"seed:{0:032x}"]} for text in ("card?", "my card")
    ]
    assert _tied(view(table(real, made)), np.array([1, 2, 3])).tolist() == [0, 1, 1]


def test_the_interval_of_a_gain_is_that_of_paired_differences():
    rng = np.random.default_rng(2)
    more, less = rng.random(400) < 0.8, rng.random(400) < 0.7
    found = _gain(more, less, np.arange(400))
    apart = more.astype(float) - less
    assert found["gain"] == pytest.approx(apart.mean(), abs=1e-4)
    assert found["gain_high"] - found["gain"] == pytest.approx(1.96 * apart.std() / 20, abs=1e-4)
    twice = _gain(np.repeat(more, 2), np.repeat(less, 2), np.repeat(np.arange(400), 2))
    assert twice == pytest.approx(found)  # near-duplicates are one trial


def came(rows):
    """Rows as they came of a model, with what became of them."""
    told = [
        {"synthetic": True, "model": "m", "prompt": row.get("prompt", "attributes@1"), "cost": 0.25}
        | {
            "judged": {"by": "j", "verdict": row["verdict"], "labels": {"category": "x"}}
            if row.get("verdict")
            else None
        }
        for row in rows
    ]
    made = examples(
        [
            {"id": str(place), "text": f"row {place}", "label": row.get("label", "a"), "origin": json.dumps(origin)}
            for place, (row, origin) in enumerate(zip(rows, told, strict=True))
        ]
    )
    real = examples([{"id": f"r{place}", "text": "a real row", "label": "a"} for place in range(3)])
    rules = [row.get("rule") for row in rows] + [None] * 3
    everything = pl.concat([made, real])
    fates = everything.select("id").with_columns(
        rule=pl.Series(rules, dtype=pl.String), fate=pl.Series(["dropped" if rule else "kept" for rule in rules])
    )
    kept = everything.filter(pl.Series([not rule for rule in rules]))
    return written(everything, fates, kept, None)


def test_every_row_that_was_asked_for_is_kept_or_out_by_a_rule():
    rows = [{"rule": rule} for rule in ("off-label", "not-written", "off-label", None, None, "seed-copy")]
    found = came(rows)
    assert (found["asked"], found["written"], found["kept"]) == (6, 5, 2)
    assert found["out"][0] == {"rule": "off-label", "rows": 2}
    assert found["kept"] + sum(each["rows"] for each in found["out"]) == found["asked"]
    assert (found["cost_of_rows"], found["cost_each"]) == (1.5, 0.75)
    assert sum(each["real"] for each in found["labels"]) == 3


def test_the_label_that_the_judge_agrees_with_least_comes_first():
    rows = [{"label": "a", "verdict": "agrees"}] * 3 + [
        {"label": "b", "verdict": "disagrees"},
        {"label": "b", "verdict": "agrees"},
    ]
    found = came([*rows, {"label": "c"}])
    assert [json.loads(each["labels"])["category"] for each in found["labels"]] == ["b", "a", "c"]
    assert [each["agree"] for each in found["labels"]] == [0.5, 1.0, None]
    assert (found["judge"]["agrees"], found["judge"]["disagrees"], found["judge"]["doubts"]) == (4, 1, 0)


def test_of_each_label_three_rows_are_shown_that_the_judge_reads_otherwise_the_surest_first():
    rows = [{"label": "a", "verdict": verdict} for verdict in ("doubts", "agrees", "disagrees", "doubts", "doubts")]
    (label,) = came(rows)["judge"]["labels"]
    assert label["rows"] == 4
    assert [each["verdict"] for each in label["examples"]] == ["disagrees", "doubts", "doubts"]


def test_a_set_without_synthetic_rows_has_no_part_on_them():
    real = examples(["where is it", "hello"])
    fates = real.select("id").with_columns(rule=pl.lit(None, pl.String), fate=pl.lit("kept"))
    assert written(real, fates, real, None) is None


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of inquiries with rows that a model wrote, of which one is an attack and some are read otherwise by the judge."""
    place = tmp_path_factory.mktemp("synthetic")
    table = pl.DataFrame([{"text": row["text"], "label": row["label"]} for row in inquiries(120, 1)])
    table.write_csv(place / "rows.csv")
    tuneset.prepare(place / "rows.csv", out=place / "run", text="text", label="label")
    folder = Folder(place / "run")
    source = Source(kind="synthetic", name="synthetic", generate=of(None, model="m", rows=1))
    train = folder.table("split", "split").filter(pl.col("side") == "train").sort("id")
    store = rows.place(folder, "synthetic")
    texts = [row["text"] for row in inquiries(30, 2)] + ["<script>top.pwned=1</script> where is my card"]
    verdicts = ["agrees"] * 20 + ["doubts"] * 7 + ["disagrees"] * 4
    made = [
        rows.Row(text, '{"label": "card"}', {"model": "m", "prompt": "boundary@1", "cost": 0.5, "seeds": [train["id"][at]], "judged": {"by": "a judge", "verdict": verdict, "labels": {"label": "parcel"}, "score": None}}, "c", at, f"k{at}")
        for at, (text, verdict) in enumerate(zip(texts, verdicts, strict=True))
    ]  # fmt: skip
    store.mkdir(parents=True)
    rows.save(store, made, folder.table("split", "examples").select("id", "text"))
    rows.end(store, source, {})
    planned = read(place / "run" / "recipe.toml")
    (place / "run" / "recipe.toml").write_text(
        to_toml(planned.model_copy(update={"sources": [*planned.sources, source]}))
    )
    tuneset.prepare(place / "rows.csv", out=place / "run")
    return place / "run"


def test_a_run_with_synthetic_rows_reports_on_them_and_asks_to_look_at_what_the_judge_doubts(run):
    report = json.loads((run / ".tuneset" / "report.json").read_bytes())
    told = report["synthetic"]
    assert told["asked"] == 31
    assert told["kept"] == told["measured"]["rows"] == 31 - sum(each["rows"] for each in told["out"])
    assert {"rule": "off-label", "rows": 4} in told["out"]
    assert (told["judge"]["by"], told["judge"]["disagrees"]) == (["a judge"], 4)
    assert told["cost_of_rows"] == 15.5
    (step,) = [each for each in report["next"] if "synthetic" in each["words"]]
    assert step["words"].startswith("Look at 7 synthetic examples")
    assert step["command"] == f"tuneset findings {run} --rule off-label"


def test_what_a_model_wrote_is_text_on_the_page_of_its_run(run):
    page = (run / "report.html").read_text()
    told = page.split('<section aria-labelledby="synthetic">')[1].split("</section>")[0]
    assert "&lt;script&gt;top.pwned=1&lt;/script&gt; where is my card" in told
    assert "<script>" not in told


def test_labels_come_before_what_the_judge_reads_and_no_minus_is_a_hyphen(run):
    page = (run / "report.html").read_text()
    told = page.split('<section aria-labelledby="synthetic">')[1].split("</section>")[0]
    assert told.index("By label") < told.index("What the judge reads otherwise")
    assert '<bdi class="whole">' in told
    assert " (-" not in told
