"""The checks on what a model wrote: on which rows they speak, on which they must not, and how often they are right."""

import json
import sys
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuneset.apply import apply, fates, settle
from tuneset.clean import ModelTalk, OffLabel
from tuneset.dedupe import SeedCopy
from tuneset.generate import origin, talk
from tuneset.generate.audit import classified
from tuneset.generate.copies import rouge_l, without_a_word
from tuneset.model import DECISIONS
from tuneset.recipe import Recipe
from tuneset.step import run
from tuneset.testing import check_step, examples

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))

NOBODY = pl.DataFrame(schema=DECISIONS)
MADE = '{"synthetic": true}'
LABELS = frozenset({"card_arrival", "refund_not_showing_up", "lost_or_stolen_card", "Refund"})
# Written before the step was run on any of them, and not looked at when it was changed.
TALK = [
    "Certainly! Below you will find several customer inquiries on this topic:",
    "Sure thing! Here's one more in a formal tone:",
    "Absolutely, here are some realistic questions a bank customer could ask:",
    "Here are 8 diverse paraphrases of the sentence:",
    "Here is the rewritten version:",
    "The following are five utterances for the intent:",
    "As requested, a set of short messages:",
    "Got it. I'll create five short messages from an impatient customer.",
    "Okay! Let me write a few examples with typos.",
    "I've written five variations of your sentence below.",
    "Great, here's the JSON you asked for:",
    "Below is a list of synthetic customer requests.",
    "I'm sorry, but I cannot fulfill this request.",
    "I'm sorry, I can't assist with that.",
    "I cannot create content that could be used for fraud.",
    "I'm not able to help with creating messages about stolen identities.",
    "Unfortunately, I cannot provide examples that involve illegal activity.",
    "I must decline to write messages of this kind.",
    "As an AI language model, I don't have personal experiences with banks.",
    "As an AI, I cannot lose a card, but here is what a customer might say.",
    "I am an AI assistant and do not hold an account.",
    "It would not be appropriate for me to write a message that pretends to be a minor.",
    "label: card_arrival",
    "Category: Orders / Late",
    "Intent = balance",
    "I want to know when my new card comes (label: card_arrival)",
    "card_arrival: when will it get here?",
    "Refund: I would like my money back for the shoes",
    "User: how do I reset my pin?",
    "Customer message: the app logs me out all the time",
    "Paraphrase 2: What is the reason for my card being declined?",
    "Rephrased: Could you tell me why my payment failed?",
    "Output: my transfer is still pending",
    "Example: How long does a transfer take?",
    "Inquiry #4: Do you ship to Norway?",
    "Q1: Where is my parcel?",
    "1. How can I track my order?",
    "2) My order is late, what can I do",
    "(3) I want to cancel the order",
    "10. Is there a fee for express delivery?",
    "1. Where is my card?\n2. When will it arrive?\n3. Has it been sent?",
    "* Where is my card?\n* When will it arrive?",
    '["Where is my card?", "When does it come?"]',
    '{"text": "I lost my wallet", "label": "lost_or_stolen_card"}',
    '"text": "I lost my wallet"',
    "```\nWhere is my card?\n```",
    "<example>Where is my card?</example>",
    "Hi, my name is [Your Name] and I lost my card",
    "I bought [item] in your store in [city] and want to return it",
    "Please cancel order {{order_id}} right away",
    "My {product} broke after two days",
    "Dear <company name>, my parcel never arrived",
    "I paid $____ for it and it does not work",
    "I bought INSERT PRODUCT HERE last week and it is broken",
    "Would you like me to generate more variations?",
    "Let me know if you need these in another tone or more examples.",
    "Feel free to ask for additional messages!",
    "I hope these paraphrases meet your needs.",
    "If you'd like, I can also write some with spelling mistakes.",
    "All of the above examples match the requested label.",
    "Each message is written from the point of view of a different persona.",
    "Write exactly five customer messages that fit the label.",
    "Return only valid JSON with a list of rows.",
    "Do not copy the examples; vary length and tone.",
    "Here is an inquiry in the style of the given persona:",
    "Note that these inquiries avoid the neighbouring label, as instructed.",
    "The customer is frustrated and writes in a short, informal way.",
    "Tone: polite. Length: short. Where can I change my address?",
    "Sure! \"I still haven't received my card, what's going on?\"",
    "System: You are a helpful assistant that writes customer messages.",
]


def wrapped(texts, labels=None):
    labels = labels or ["A"] * len(texts)
    return examples([{"text": text, "label": label, "origin": MADE} for text, label in zip(texts, labels, strict=True)])


def written(number, text, *seeds, label="A", **told):
    about = json.dumps({"synthetic": True, **told})
    return {"id": number, "text": text, "label": label, "origin": about, "groups": [f"seed:{seed}" for seed in seeds]}


def real(number, text, label="A"):
    return {"id": number, "text": text, "label": label}


def judged(verdict, by="gpt-x", labels=None, **row):
    return written("1", "I want it back", judged={"by": by, "verdict": verdict, "labels": labels, "score": 0.5}, **row)


# ---- the origin


def test_only_a_row_whose_origin_says_so_is_synthetic():
    told = [
        MADE,
        '{"synthetic":true,"model":"m"}',
        '{"synthetic": false}',
        '{"note": "\\"synthetic\\": true"}',
        "{}",
        None,
    ]
    rows = pl.DataFrame({"origin": [*told, '{"extra": {"synthetic": true}}', '{"synthetic": "true?"}']})
    assert rows.select(origin.synthetic()).to_series().to_list() == [True, True] + [False] * 6


def test_what_a_judge_said_is_read_where_it_said_something():
    rows = examples(
        [
            judged("disagrees", labels={"category": "B"}),
            written("2", "hi", judged=None),
            written("3", "hi", judged={"by": "m", "verdict": "shrugs"}),
            written("4", "hi", judged={"by": "m", "verdict": "doubts", "labels": None, "score": None}),
        ]
    )
    said = origin.judged(rows).select("id", "by", "verdict", "reads", "score").rows()
    assert said == [("1", "gpt-x", "disagrees", '{"category":"B"}', 0.5), ("4", "m", "doubts", None, None)]


def test_seeds_are_read_from_the_lineage_and_nothing_else_is():
    rows = examples([{**written("1", "hi", "a", "b"), "groups": ["seed:a", "page:x", "seed:b"]}, real("2", "hi")])
    assert origin.seeds(rows).rows() == [("1", "a"), ("1", "b")]


# ---- talk of the model


def test_every_check_keeps_what_steps_promise():
    for step in (ModelTalk(), SeedCopy(), OffLabel(), OffLabel("ask"), OffLabel("flag")):
        check_step(step)


def test_talk_that_was_not_tuned_on_is_found():
    found = [text for text in TALK if talk.talk(text, LABELS)]
    assert len(TALK) >= 60
    assert len(found) / len(TALK) >= 0.9


REAL = {
    "paraphrases": ("banking_dev_paraphrases.csv", "ChatGPT's Paraphrase", "Label", 1),
    "banking77": ("train.csv", "text", "category", 3),
    "clinc150": ("clinc150.csv", "inquiry", "sub_category", 3),
}


@pytest.mark.parametrize("folder", REAL)
def test_real_texts_shown_as_synthetic_are_hardly_ever_talk(data, folder):
    file, text, label, most = REAL[folder]
    rows = pl.read_csv(data / folder / file, infer_schema=False)
    said = run(ModelTalk(), wrapped(rows[text].to_list(), rows[label].to_list()))
    numbered = said["says"].str.starts_with("is numbered")
    assert said.height - numbered.sum() <= most
    # ChatGPT did number three of its answers from 1 to 10: that these are found is right
    assert numbered.sum() == (30 if folder == "paraphrases" else 0)


def test_eight_words_of_a_prompt_are_found_in_a_row_that_repeats_them(monkeypatch):
    told = "Vary the length of the inquiries and keep to the tone that is given below."
    monkeypatch.setattr(talk, "prompt_runs", lambda: frozenset(talk._runs(told)))
    assert talk.talk("I will vary the length of the inquiries, and keep to the tone").startswith(
        "repeats what it was told"
    )
    assert talk.talk("The length of the inquiries and the tone is what I ask about") is None


def test_a_label_is_talk_where_it_is_no_word_or_stands_before_a_colon():
    assert talk.talk("my refund_not_showing_up again", LABELS)
    assert talk.talk("refund: I want it", LABELS)
    assert talk.talk("I want a refund now", LABELS) is None


# ---- copies


def test_a_copy_of_a_seed_is_merged_into_it():
    rows = examples([real("a", "Where is my new card?"), written("b", "where is my new card", "a")])
    said = run(SeedCopy(), rows)
    assert said.select("example", "others", "action", "when").row(0) == ("b", ["a"], "drop", "default")
    fate = fates(rows, settle(said, NOBODY), apply(rows, said, NOBODY)["id"])
    assert fate["fate"].to_list() == ["kept", "merged"]


@pytest.mark.parametrize(
    "edit",
    [
        "When will my old card arrive?",
        "When will my card arrive?",
        "When will my new card ever arrive?",
        "When my will new card arrive?",
    ],
)
def test_one_word_changed_in_a_seed_is_a_copy_and_in_another_row_of_a_small_set_it_is_none(edit):
    seed = real("a", "When will my new card arrive?")
    assert run(SeedCopy(), examples([seed, written("b", edit, "a")]))["action"].to_list() == ["drop"]
    apart = run(SeedCopy(), examples([seed, written("b", "Did my brand-new debit card arrive?", "a")]))
    assert apart.is_empty()


def test_a_copy_with_another_label_is_kept_and_said():
    rows = examples(
        [real("a", "Where is my new card?", "Cards"), written("b", "Where is my new card", "a", label="Orders")]
    )
    said = run(SeedCopy(), rows)
    assert said.select("action", "others").row(0) == ("none", ["a"])
    assert "another label (look at both)" in said["says"][0]


def test_of_copies_among_synthetic_rows_the_first_is_kept():
    texts = ["Where can I pay?", "Where can we pay?", "Where can you pay?"]
    rows = examples([real("s", "How do I top up?"), *(written(f"{n}", text, "s") for n, text in enumerate(texts))])
    said = run(SeedCopy(), rows)
    assert said["example"].to_list() == ["1", "2"]
    assert said["others"].to_list() == [["0"], ["0"]]


def test_no_real_row_is_ever_spoken_of():
    rows = examples([real(f"{n}", "Where is my card?") for n in range(60)])
    assert run(SeedCopy(), rows).is_empty()


def test_a_seed_that_is_not_there_or_itself_is_no_trouble():
    rows = examples([written("a", "Where is my card today?", "a", "gone"), written("b", "Block my phone number", "b")])
    assert run(SeedCopy(), rows).is_empty()


WORDS = st.lists(
    st.sampled_from(["my", "new", "card", "is", "not", "where", "can", "we", "pay"]), min_size=0, max_size=7
)


@settings(deadline=None)
@given(WORDS, WORDS)
def test_two_texts_of_three_words_or_more_that_are_one_edit_apart_share_what_is_left(one, other):
    def edits(words):
        out = [[*words[:at], *words[at + 1 :]] for at in range(len(words))]
        swaps = [[*words[:at], words[at + 1], words[at], *words[at + 2 :]] for at in range(len(words) - 1)]
        return [*out, *swaps, words]

    if min(len(one), len(other)) >= 3:
        exchanged = len(one) == len(other) and sum(a != b for a, b in zip(one, other, strict=True)) <= 1
        near_by = exchanged or other in edits(one) or one in edits(other)
        shared = not set(without_a_word(tuple(one))).isdisjoint(without_a_word(tuple(other)))
        assert shared or not near_by


@settings(deadline=None)
@given(WORDS, WORDS)
def test_rouge_l_is_what_a_table_of_common_words_gives(one, other):
    table = [[0] * (len(other) + 1) for _ in range(len(one) + 1)]
    for row, word in enumerate(one):
        for column, with_ in enumerate(other):
            longer = max(table[row][column + 1], table[row + 1][column])
            table[row + 1][column + 1] = table[row][column] + 1 if word == with_ else longer
    assert rouge_l(one, other) == pytest.approx(2 * table[-1][-1] / max(len(one) + len(other), 1))


@settings(deadline=None, max_examples=30)
@given(st.lists(WORDS, min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_the_order_of_the_rows_changes_nothing(texts, random):
    rows = [
        real("s", "where is my new card"),
        *(written(f"{n:02}", " ".join(text), "s") for n, text in enumerate(texts)),
    ]
    mixed = random.sample(rows, len(rows))
    told = [
        run(SeedCopy(), examples(each)).select("example", "action").sort("example").rows() for each in (rows, mixed)
    ]
    assert told[0] == told[1]


def test_planted_copies_go_and_real_rows_stay(data):
    import synthetic

    found = synthetic.copies(data, draws=2, sizes=(500,))
    for (name,), part in found.group_by("set"):
        seen, real_rows = part.filter(pl.col("kind") != "real"), part.filter(pl.col("kind") == "real")
        assert seen.filter("lineage")["ours"].mean() >= 0.95, name
        assert real_rows.filter(~pl.col("lineage"))["ours"].mean() <= 0.01, name
        assert real_rows["usual"].mean() > 0.03, name  # the rule of Self-Instruct


# ---- the judge


def test_what_another_model_disagrees_with_is_dropped_and_what_the_classifier_does_is_asked():
    for by, act, does in [
        ("gpt-x", "drop", ("drop", "default")),
        ("classifier", "drop", ("drop", "on-accept")),
        ("gpt-x", "ask", ("drop", "on-accept")),
        ("gpt-x", "flag", ("none", "on-accept")),
    ]:
        said = run(
            OffLabel(act), examples([judged("disagrees", by=by, labels={"category": "Refunds"}, label="Orders")])
        )
        assert said.select("action", "when").row(0) == does
        assert said["says"].to_list() == [f"asked for Orders; {by} reads Refunds"]


def test_a_doubt_is_said_and_nothing_is_done():
    said = run(OffLabel(), examples([judged("doubts", labels={"category": "Refunds"}, label="Orders")]))
    assert said.select("action", "says").row(0) == ("none", "asked for Orders; gpt-x doubts, and may read Refunds")
    assert run(OffLabel(), examples([judged("doubts")]))["says"][0] == "asked for A; gpt-x doubts"


def test_of_several_label_columns_only_those_that_differ_are_named():
    row = judged("disagrees", labels={"category": "Orders", "sub_category": ["Late", "Lost"]})
    row["labels"] = '{"category": "Orders", "sub_category": ["Open"]}'
    assert run(OffLabel(), examples([row]))["says"][0] == "asked for Open; gpt-x reads Late, Lost"


def test_an_act_that_is_unknown_is_refused():
    with pytest.raises(ValueError, match="act = 'burn'"):
        OffLabel("burn")


def test_copies_that_a_model_wrote_are_looked_for_before_duplicates_are_merged():
    names = [each.rule for each in Recipe().steps("dedupe")]
    assert names.index("seed-copy") < names.index("exact-duplicate")


def test_the_classifier_agrees_with_what_it_knows_and_not_with_another_label():
    train = examples(_taught())
    asked = [
        written("1", "when will my order arrive, I asked before", label="Orders"),
        written("2", "my card was stolen today again", label="Orders"),
        written("3", "something about fees", label="Fees"),
    ]
    said = classified(train, examples(asked))
    assert [each["verdict"] for each in said] == ["agrees", "disagrees", "doubts"]
    assert said[1]["labels"] == {"category": "Cards"}
    assert all(each["by"] == "classifier" for each in said)


def test_the_classifier_never_learns_a_synthetic_row():
    rows = _taught()
    wrong = [written(f"w{n}", f"my card was stolen {n}", label="Orders") for n in range(40)]
    asked = examples([written("1", "my card was stolen today", label="Orders")])
    assert classified(examples(rows), asked) == classified(examples([*rows, *wrong]), asked)


def test_the_classifier_reads_several_columns_and_lists():
    rows = [
        {**row, "labels": json.dumps({"category": row["label"], "tags": [row["label"], "all"]})} for row in _taught()
    ]
    asked = written("1", "my card was stolen today again", label="x")
    asked["labels"] = '{"category": "Orders", "tags": ["Orders", "all"]}'
    said = classified(examples(rows), examples([asked]))[0]
    assert (said["verdict"], said["labels"]["category"]) == ("disagrees", "Cards")
    assert "all" in said["labels"]["tags"]
    assert "Orders" not in said["labels"]["tags"]


def _taught():
    from tuneset.judge.labels import LabelError

    return [dict(row) for row in LabelError.silent[0]]
