"""How varied the rows are: the figures against published programs, their bands, and what repeats."""

import random

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuneset.judge.diversity import PANEL, USUAL, Manifold, diversity, manifold, synthetic, vendi
from tuneset.judge.view import labels, view
from tuneset.judge.wording import compression, distinct, peers, runs, self_repetition, split
from tuneset.testing import examples

THINGS = ["card", "parcel", "invoice", "account", "refund", "password", "order", "voucher", "address", "receipt"]
STARTS = ["where is", "I cannot find", "please cancel", "how do I change", "what about", "tell me more of", "I lost"]
ENDS = ["today", "please", "since Monday", "for my sister", "as you promised", "right now", "in the app", "again"]
WHEN = ["in May", "twice", "at night", "on Friday", "last week", "before noon", "once", "by mail"]


def unit(rng, rows, width):
    drawn = rng.normal(size=(rows, width))
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def inquiries(rows, seed, starts=STARTS, things=THINGS):
    draw = random.Random(seed)
    return [
        {
            "text": f"{draw.choice(starts)} the {(thing := draw.choice(things))} {draw.choice(ENDS)} {draw.choice(WHEN)} {draw.randrange(999)}",
            "label": thing,
        }
        for _ in range(rows)
    ]


def judged(real, made=()):
    rows = view(examples([*real, *({**row, "groups": ["seed:1"]} for row in made)]))
    rows = rows._replace(groups=np.arange(len(rows.train))) if made else rows
    return diversity(rows, labels(rows.examples))


def outside(facts):
    return {line["name"]: line["says"] for line in facts["panel"] if line["says"] != USUAL}


# The values that vendi-score 0.0.3, prdc 0.2 and sacrebleu 2.6.0 give, made by
#   python bench/peers/variety.py --fixed
# which also compares them with ours on rows of real sets.
def test_the_vendi_score_is_that_of_its_authors():
    rng = np.random.default_rng(0)
    many, wide = unit(rng, 60, 6), unit(rng, 6, 60)
    assert vendi(many.astype(np.float32)) == pytest.approx(5.705289318537853, rel=1e-5)
    assert vendi(wide.astype(np.float32)) == pytest.approx(5.721865467435544, rel=1e-5)


def test_density_and_coverage_are_those_of_their_authors():
    rng = np.random.default_rng(0)
    _, _, real, other = unit(rng, 60, 6), unit(rng, 6, 60), unit(rng, 60, 6), unit(rng, 60, 6)
    beside = other + np.array([3, 0, 0, 0, 0, 0])
    beside /= np.linalg.norm(beside, axis=1, keepdims=True)
    found = [manifold(real.astype(np.float32), each.astype(np.float32)) for each in (other, beside)]
    assert found[0] == pytest.approx((0.95, 0.76, 0.8666666666666667, 1.0))
    assert found[1] == pytest.approx((0.5333333333333333, 0.10666666666666667, 0.016666666666666666, 0.0))


def test_distinct_n_counts_the_n_grams_that_sacrebleu_counts():
    lines = [
        "where is my card",
        "where is my new card",
        "my card is lost",
        "cancel my card",
        "where is my card now",
        "hello",
    ]
    words = split(pl.Series(lines))
    assert distinct(words.grams[1]) == pytest.approx(0.4090909090909091)
    assert distinct(words.grams[2]) == pytest.approx(0.5625)


@given(st.lists(st.text(alphabet="ab c?", max_size=12), max_size=8), st.integers(1, 6))
def test_runs_of_words_are_those_that_a_loop_finds(texts, size):
    words = split(pl.Series(texts, dtype=pl.String))
    lists = [text.replace("?", " ").split() for text in texts]
    spoken = [
        (row, tuple(said[at : at + size])) for row, said in enumerate(lists) for at in range(len(said) - size + 1)
    ]
    whole = words.grams[size] >= 0
    assert words.row[whole].tolist() == [row for row, _ in spoken]
    numbers = words.grams[size][whole].tolist()
    assert (
        len(set(zip(numbers, (run for _, run in spoken), strict=True)))
        == len(set(numbers))
        == len({run for _, run in spoken})
    )
    said_twice = [len({row for row, other in spoken if other == run}) > 1 for _, run in {*spoken}]
    assert self_repetition(runs(words, size).gram) == pytest.approx(np.mean(said_twice) if said_twice else 0)


def test_gzip_finds_what_repeats():
    assert compression(["where is my card"] * 50) > 5 * compression([f"{number} {number**3}" for number in range(50)])


def test_the_panel_names_its_figures_in_their_order():
    assert tuple(figure.name for figure in PANEL[-4:]) == Manifold._fields


def test_real_rows_beside_real_rows_are_as_varied():
    alarms = [outside(judged(inquiries(200, seed), inquiries(200, seed + 50))) for seed in range(3)]
    assert sum(map(len, alarms)) <= 1  # of 30 figures


def test_rows_that_repeat_a_few_are_less_varied():
    found = outside(judged(inquiries(300, 1), inquiries(30, 2) * 10))
    assert found["distinct-2"] == "fewer different wordings"
    assert found["vendi"] == "fewer kinds"
    assert found["self-repetition"] == "shares more runs of words"
    assert found["coverage"] == "leaves out part of the real rows"


def test_rows_about_something_else_look_varied_and_precision_tells():
    draw = random.Random(0)
    letters = "bcdfghklmnprstvw"
    alien = [
        {"text": " ".join("".join(draw.choices(letters, k=6)) for _ in range(8)), "label": row["label"]}
        for row in inquiries(300, 3)
    ]
    found = outside(judged(inquiries(300, 1), alien))
    assert found["distinct-2"] == "more different wordings"
    assert found["precision"] == "rows unlike real ones"


def test_rows_made_for_some_labels_only_are_compared_with_real_rows_of_those_labels():
    made = [row for seed in range(9) for row in inquiries(60, 100 + seed, things=THINGS[:3])][:300]
    assert len(outside(judged(inquiries(1000, 1), made))) <= 1


def test_twice_as_long_rows_are_called_longer_and_not_less_varied_for_it():
    short = inquiries(400, 1)
    one, other = inquiries(400, 2), inquiries(400, 3)
    pairs = {}
    for row in other:
        pairs.setdefault(row["label"], []).append(row["text"])
    long = [row | {"text": f"{row['text']} {pairs[row['label']].pop()}"} for row in one if pairs[row["label"]]]
    found = outside(judged(short, long))
    assert found["words"] == "longer"
    assert "distinct-1" not in found


def test_near_copies_cost_variety_where_nothing_else_is_there_to_compare_with():
    rows = inquiries(60, 1)
    copies = [row | {"text": f"{row['text']}{'!' * times}"} for row in rows for times in range(8)]
    found = judged(copies)
    assert outside(found) == {"self-repetition": "shares more runs of words", "vendi": "fewer kinds"}
    assert outside(judged(inquiries(480, 1))) == {}
    assert len(found["panel"]) == len(PANEL) - 4
    assert "No synthetic rows and no target" in found["words"]


def test_real_rows_are_not_said_to_have_no_synthetic_ones_where_a_model_wrote_some():
    made = [row | {"origin": '{"synthetic": true}'} for row in inquiries(60, 2)]
    rows = view(examples([*inquiries(120, 1), *made]))
    words = diversity(rows, labels(rows.examples))["words"]
    assert words.startswith("The 120 train rows")
    assert "These are the real rows; the synthetic ones" in words
    assert "No synthetic rows" not in words


def test_a_reference_is_compared_with_whatever_its_labels():
    real, others = (view(examples(inquiries(300, seed))) for seed in (1, 2))
    everything = view(pl.concat([real.examples, others.examples.with_columns(id=pl.format("other-{}", "id"))]))
    here, there = everything.vectors[:300], everything.vectors[300:]
    found = diversity(real._replace(vectors=here), labels(real.examples), others._replace(vectors=there))
    assert len(found["panel"]) == len(PANEL)
    assert len(outside(found)) <= 1
    assert "rows of the target" in found["words"]


def test_openings_that_made_rows_overuse_are_named_with_the_longest_form():
    made = inquiries(300, 2, starts=["could you please help me with", *STARTS])
    found = judged(inquiries(300, 1), made)
    assert [line["words"] for line in found["openings"]] == ["could you please"]
    assert found["openings"][0]["rows"] == sum(row["text"].startswith("could") for row in made)
    assert found["openings"][0]["share"] > found["openings"][0]["high"]
    assert "could you please help me with" in [line["words"] for line in found["phrases"]]
    assert judged(inquiries(300, 1), inquiries(300, 2))["openings"] == []


def test_an_opening_that_takes_over_one_label_is_named():
    rows = [row for thing in THINGS for row in inquiries(40, 1, things=[thing])]
    stuck = [row | {"text": f"kindly tell {row['text']}"} if row["label"] == "order" else row for row in rows]
    found = judged(stuck)["openings"]
    assert [(line["words"], line["label"], line["rows"]) for line in found] == [("kindly tell", "order", 40)]
    assert judged(rows)["openings"] == []


def test_a_label_of_few_kinds_of_rows_is_thin():
    rows = [row for number, thing in enumerate(THINGS) for row in inquiries(40, number, things=[thing])]
    stuck = [
        row | {"text": f"track my order {place % 3}"} if row["label"] == "order" else row
        for place, row in enumerate(rows)
    ]
    found = judged(stuck)["thin"]
    assert [line["label"] for line in found] == ["order"]
    assert found[0]["value"] < found[0]["low"]
    assert judged(rows)["thin"] == []


def test_labels_are_compared_at_the_largest_number_of_rows_that_enough_of_them_have():
    sizes = [70] * 4 + [20] * 6 + [3]
    codes = np.repeat(np.arange(len(sizes)), sizes) + 1
    found = {each.code: each.size for each in peers(np.arange(len(codes)), codes, lambda rows: float(len(rows)))}
    assert found == dict.fromkeys(range(1, 11), 16)


@settings(max_examples=10)
@given(st.randoms(use_true_random=False))
def test_nothing_depends_on_the_order_of_rows(draw):
    rows = view(examples([*inquiries(60, 1), *({**row, "groups": ["seed:1"]} for row in inquiries(60, 2))]))
    order = np.array(draw.sample(range(120), 120))
    other = rows._replace(examples=rows.examples[order], vectors=rows.vectors[order], groups=rows.groups[order])
    assert diversity(rows, labels(rows.examples)) == diversity(other, labels(other.examples))


def test_rows_of_the_validation_side_change_nothing():
    rows = view(examples(inquiries(200, 1)))
    train = np.arange(200) < 150
    whole = diversity(rows._replace(train=train), labels(rows.examples))
    least = rows._replace(
        examples=rows.examples[:150], vectors=rows.vectors[:150], train=train[:150], groups=rows.groups[:150]
    )
    assert whole == diversity(least, labels(rows.examples[:150]))


def test_a_set_without_labels_or_with_too_few_rows_is_judged_as_far_as_it_goes():
    chat = examples(["hi", "hello"] * 3).with_columns(labels=pl.lit(None, pl.String))
    found = diversity(view(chat), labels(chat))
    assert (found["panel"], found["openings"], found["thin"]) == ([], [], [])
    empty = examples([{"text": None}] * 60)
    assert diversity(view(empty), labels(empty))["words"]


def test_rows_with_a_lineage_of_seeds_are_the_ones_that_a_model_made():
    rows = examples([{"text": "a", "groups": ["seed:1", "page:2"]}, {"text": "b", "groups": ["page:2"]}, "c"])
    assert synthetic(rows).tolist() == [True, False, False]


@pytest.mark.slow
def test_the_paraphrases_of_a_large_model_are_told_from_real_rows(data):
    rows = pl.read_csv(data / "paraphrases" / "banking_dev_paraphrases.csv", infer_schema=False)
    real = rows.select(text="Original Example", label="Label").unique(maintain_order=True)
    made = rows.select(text="ChatGPT's Paraphrase", label="Label").gather_every(20)
    found = outside(judged(real.to_dicts(), made.to_dicts()))
    assert found["distinct-2"] == "more different wordings"
    assert found["coverage"] == "leaves out part of the real rows"
