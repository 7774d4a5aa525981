"""The page for runs fine, messy, empty, hostile and huge; what a browser makes of it, wide, narrow, light and dark."""

from __future__ import annotations

import html
import itertools
import json
import re
import shutil
import subprocess
from functools import cache
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuneset.report import page

STAGES = ("get", "clean", "dedupe", "split", "judge", "format", "check")
ID = "27c35e6e9373877f29e562464e46497e"


def finding(text="Where is my order?", **parts):
    shape = {"id": ID, "example": ID, "text": text, "label": '{"category": "Orders"}', "says": "the text is odd"}
    more = {
        "action": "none",
        "when": "default",
        "field": "/text",
        "before": None,
        "after": None,
        "score": None,
        "others": [],
    }
    return shape | more | parts


def rule(name, title, worst=(), stage="clean", **counts):
    shape = {"rule": name, "stage": stage, "title": title, "found": len(worst), "applied": 0, "waiting": 0}
    return shape | {"overruled": 0, "worst": list(worst)} | counts


def stage(number, name, came, out, **counts):
    shape = {"name": name, "number": number, "in": came, "out": out, "dropped": 0, "merged": 0, "edited": 0}
    return shape | {"findings": 0, "says": "nothing to do"} | counts


def label_row(value, rows, *, off=False):
    held = max(rows // 5, 1)
    counts = {"rows": rows, "train": rows - held, "validation": held, "test": 0, "share": held / rows}
    return {"value": value, **counts, "off": off}


def bins(*rows, step=20):
    return [{"from": place * step, "to": (place + 1) * step, "rows": count} for place, count in enumerate(rows)]


def fine():
    near = {"p50": 0.31, "p90": 0.5, "p99": 0.6, "max": 0.68}
    subs = ("Return Policy", "Refund Status", "Tracking", "Cancellation", "Setup", "Promotions", "Billing")
    return {
        "title": "customer_intent.csv",
        "task": "classify",
        "made_with": "tuneset 0.1.0",
        "verdict": {
            "level": "ready",
            "words": "Ready to train on.",
            "reasons": [
                "Every line holds what a trainer asks for.",
                "No validation example has a near-duplicate in train.",
            ],
        },
        "balance": {"in": 500, "kept": 500, "dropped": 0, "merged": 0},
        "sides": {"train": 400, "validation": 100, "test": 0},
        "next": [
            {
                "words": "Train on it",
                "why": "400 examples are enough for a first run with five categories.",
                "command": "tuneset publish customer_intent-tuneset",
            }
        ],
        "stages": [stage(number, name, 500, 500) for number, name in enumerate(STAGES, start=1)],
        "rules": [
            rule("exact-duplicate", "Merge examples that are the same.", stage="dedupe"),
            rule("markup", "Take out markup."),
            rule("empty-text", "Drop examples without text."),
        ],
        "labels": [
            {
                "column": "category",
                "values": [label_row(name, 100) for name in ("Orders", "Returns", "Account", "Product", "Payment")],
                "hidden": 0,
            },
            {
                "column": "sub_category",
                "values": [label_row(f"{name} {kind}", 20) for name in subs for kind in ("A", "B", "C")],
                "hidden": 4,
            },
        ],
        "lengths": {
            "unit": "characters",
            "median": 46,
            "p95": 98,
            "max": 140,
            "bins": bins(13, 171, 190, 80, 31, 12, 3),
        },
        "tokens": {
            "encoding": "o200k_base",
            "estimate": True,
            "total": 31000,
            "median": 60,
            "p95": 80,
            "max": 100,
            "limit": 65536,
            "over": 0,
            "bins": bins(0, 14, 260, 180, 46),
        },
        "split": {
            "validation": 0.2,
            "seed": 42,
            "stratify": ["category"],
            "groups": 480,
            "largest_group": 4,
            "tied_rows": 23,
            "pinned": 0,
            "uneven": [],
        },
        "certificate": {
            "method": "exact all-pairs join of 400 x 100 rows",
            "threshold": 0.7,
            "pairs_across": 0,
            "highest": 0.68,
            "closest": [
                {
                    "similarity": 0.68,
                    "validation": {"id": ID, "text": "How do I set up a new account?"},
                    "train": {"id": ID, "text": "How do I set up my account again?"},
                }
            ],
            "nearest": {
                "validation_to_train": {**near, "rows": 100},
                "train_to_train": {**near, "p50": 0.33, "rows": 400},
            },
            "random_split_leaks": {"rows": 5, "share": 0.05},
            "lineage": "unknown",
            "words": "Lexical: texts are compared by their spelling.",
        },
        "check": {"target": "chat", "lines": 500, "problems": 0, "worst": []},
        "uncertainty": {
            "rows": 100,
            "at": 0.8,
            "plus_minus": 7.8,
            "words": "With 100 validation rows, a measured accuracy of 80 % is known to within 8 points.",
        },
        "not_judged": [
            {"what": "label errors", "why": "They need a fitted model, which comes with a later version."},
            {"what": "language", "why": "No language was asked for."},
        ],
        "first": {
            "messages": [
                {
                    "role": "system",
                    "content": "Classify the user message into a category and sub-category and output the result as JSON.",
                },
                {"role": "user", "content": "when will my backorder arrive?"},
                {"role": "assistant", "content": '{"category": "Product Information", "sub_category": "Stock Status"}'},
            ],
        },
        "files": [
            {"name": "train.jsonl", "rows": 400, "bytes": 98345},
            {"name": "validation.jsonl", "rows": 100, "bytes": 24345},
            {"name": "dropped.jsonl", "rows": 0, "bytes": 0},
        ],
        "recipe_hash": "9f2c61aa03be4a7e8d1c5b7790ab34ef",
        "versions": {"tuneset": "0.1.0", "polars": "2.1.0", "numpy": "2.4.6"},
    }


def messy():
    twin = {"id": ID, "text": "wheres my order 12346, its late", "label": '{"category": "Orders"}'}
    same = {"id": ID, "text": "Summer sale dates?", "label": '{"category": "Promotions"}'}
    long = "I bought this lamp in March and it worked. " * 30
    edits = [
        finding(
            says="the bytes of one encoding were read as another",
            action="edit",
            before="It doesnâ€™t work, and the cafÃ© is closed",
            after="It doesn\u2019t work, and the café is closed",
        ),
        finding(
            says="the bytes of one encoding were read as another",
            action="edit",
            before=f"{long}donâ€™t{long}",
            after=f"{long}don\u2019t{long}",
        ),
    ]
    near = [
        finding(
            "wheres my order 12345, its late",
            says="93 % the same as another",
            score=0.93,
            others=[twin, twin, twin, twin, twin],
        ),
        finding(
            long,
            says="99 % the same as another",
            score=0.99,
            others=[{**twin, "text": long.replace("March", "April", 1)}],
        ),
    ]
    return fine() | {
        "title": "customer_intent_messy.csv",
        "verdict": {"level": "look", "words": "Look at 15 findings first.", "reasons": ["12 near-duplicate pairs wait for you.", "3 texts carry two different labels.", "“Returns” has 26 % of its rows in validation, 6 points more than asked for."]},
        "balance": {"in": 560, "kept": 500, "dropped": 40, "merged": 20},
        "next": [
            {"words": "Look at 12 near-duplicate pairs", "why": "They differ in a number or a name, so they were kept and put on one side.", "command": "tuneset findings customer_intent_messy-tuneset --rule near-duplicate"},
            {"words": "Settle 3 texts with two labels", "why": "The model is paid for both answers and learns neither.", "command": "tuneset findings customer_intent_messy-tuneset --rule conflicting-label"},
            {"words": "Spread the sub-labels more evenly", "why": "2 of 25 are more than 3 points off.", "command": "tuneset prepare customer_intent_messy.csv --stratify category --stratify sub_category"},
        ],
        "stages": [
            stage(1, "get", 560, 560, findings=3, says="read 1 file: 560 rows, comma-separated, UTF-8"),
            stage(2, "clean", 560, 520, dropped=40, edited=38, findings=78, says="repaired 38 texts, dropped 40 without text or label"),
            stage(3, "dedupe", 520, 500, merged=20, findings=35, says="merged 20 exact duplicates, tied 12 near-duplicate pairs"),
            *(stage(number, name, 500, 500) for number, name in enumerate(STAGES[3:], start=4)),
        ],
        "rules": [
            rule("encoding-damage", "Repair text whose encoding was mistaken.", edits, found=18, applied=17, overruled=1),
            rule("exact-duplicate", "Merge examples that are the same.", [finding(twin["text"], says="the same text and label as another", action="drop", others=[twin])], "dedupe", found=20, applied=20),
            rule("near-duplicate", "Tie examples that are nearly the same.", near, "dedupe", found=12, waiting=12),
            rule("conflicting-label", "Flag examples whose text is the same and whose labels differ.", [finding("Summer sale dates?", says="labelled Orders, as are 33 % of the rows with this text", score=0.67, others=[same])], "dedupe", found=3, waiting=3),
            rule("empty-text", "Drop examples without text.", [finding(None, label=None, says="the row has no text", action="drop")], found=22, applied=22),
            rule("white-space", "Squeeze white space.", [finding(says="white space to spare", action="edit", before="two  spaces\tand a\xa0no-break", after="two spaces and a no-break")], found=20, applied=20),
            rule("invisible-characters", "Take out characters that nobody sees.", [finding(says="1 invisible character", action="edit", before="zero\u200bwidth", after="zerowidth")], found=1, applied=1),
            rule("markup", "Take out markup."),
        ],
        "labels": [{"column": "category", "values": [label_row("Orders", 130), label_row("Returns and Exchanges", 50, off=True) | {"train": 37, "validation": 13, "share": 0.26}, label_row("Product Information", 44)], "hidden": 0}],
        "split": fine()["split"] | {"uneven": [{"stratum": "Returns and Exchanges", "share": 0.26, "rows": 50, "why": "one group of 13 rows"}]},
        "check": {"target": "chat", "lines": 500, "problems": 1, "worst": [{"file": "train.jsonl", "line": 17, "rule": "last-turn", "says": "the last message is not the assistant's", "mend": "give the row an answer, or leave it out"}]},
    }  # fmt: skip


def leaking():
    leak = fine()["certificate"] | {"pairs_across": 3, "highest": 0.97}
    broken = {
        "level": "not-ready",
        "words": "Not ready: 3 pairs leak.",
        "reasons": ["3 validation examples have a near-duplicate in train."],
    }
    return fine() | {"certificate": leak, "verdict": broken}


def empty():
    nothing = {
        "labels": [],
        "tokens": None,
        "certificate": None,
        "first": None,
        "check": None,
        "split": None,
        "lengths": None,
    }
    return fine() | nothing | {
        "title": "empty.csv",
        "verdict": {"level": "not-ready", "words": "There is nothing to train on.", "reasons": ["No row was left."]},
        "balance": {"in": 0, "kept": 0, "dropped": 0, "merged": 0},
        "sides": {"train": 0, "validation": 0, "test": 0},
        "stages": [stage(number, name, 0, 0) for number, name in enumerate(STAGES, start=1)],
        "next": [],
        "rules": [],
        "uncertainty": None,
        "not_judged": [],
        "files": [],
    }  # fmt: skip


ATTACK = "<script>top.pwned=1</script><img src=x onerror=top.pwned=1></style><svg onload=top.pwned=1>\"'><a href=javascript:1>"
TEXTS = (
    ATTACK,
    "أين طلبي رقم 12345؟ \u202egnihton si siht\u202c",
    "w" * 10_000,
    "👩🏽‍🚀🏳️‍🌈" * 2_000,
    "z" + "\u0301" * 500,
    "\u202e\u200b" * 4_000,
    "{{ 7 * 7 }}{% raw %}\x00\x1b[31m\ud800",
)


def hostile():
    """Every place that shows a text shows a hostile one, 600 labels in each of two columns, twenty rules."""
    place = iter(range(10**9))
    text = lambda: TEXTS[next(place) % len(TEXTS)]
    worst = lambda: [
        finding(text(), label=text(), says=text(), score=0.5, before=text() if odd else None, after=text() if odd else None, others=[{"id": ID, "text": text(), "label": text()}] * 40)
        for odd in (0, 1, 0, 1, 0)
    ]  # fmt: skip
    pair = lambda: {"similarity": 0.6, "validation": {"id": ID, "text": text()}, "train": {"id": ID, "text": text()}}
    return messy() | {
        "title": ATTACK + "\ud800.csv",
        "verdict": {"level": "look", "words": text(), "reasons": [text() for _ in range(50)]},
        "next": [{"words": text(), "why": text(), "command": f"tuneset findings {word}"} for word in TEXTS[:3]],
        "stages": [stage(number, name, 500, 500, findings=9, says=text()) for number, name in enumerate(STAGES, start=1)],
        "rules": [rule(f"rule-{number}", text(), worst(), found=9_999) for number in range(20)],
        "labels": [{"column": text(), "values": [label_row(f"{number} {text()}", 20, off=True) for number in range(600)], "hidden": 0} for _ in range(2)],
        "certificate": fine()["certificate"] | {"closest": [pair(), pair(), pair()], "words": text()},
        "split": fine()["split"] | {"uneven": [{"stratum": text(), "share": 0.5, "rows": 4, "why": text()} for _ in range(100)]},
        "check": {"target": "chat", "lines": 1, "problems": 90, "worst": [{"file": text(), "line": 1, "rule": "r", "says": text(), "mend": text()} for _ in range(90)]},
        "first": {"messages": [{"role": text(), "content": text()} for _ in range(90)]},
        "not_judged": [{"what": text(), "why": text()}],
        "files": [{"name": text(), "rows": 1, "bytes": 1}],
    }  # fmt: skip


def million():
    kept = 962_417
    return fine() | {
        "title": "one_million.parquet",
        "balance": {"in": 1_000_000, "kept": kept, "dropped": 12_402, "merged": 25_181},
        "sides": {"train": 769_934, "validation": 96_242, "test": 96_241},
        "stages": [stage(number, name, 1_000_000, kept, dropped=12_402, merged=25_181, edited=99_123, findings=1_234_567) for number, name in enumerate(STAGES, start=1)],
        "labels": [{"column": "intent", "values": [label_row(f"intent_number_{number}_of_many", 160_000 - number * 1000) for number in range(150)], "hidden": 450}],
        "certificate": fine()["certificate"] | {"method": "banded join with fresh seeds of 769,934 x 192,483 rows"},
        "files": [{"name": "train.jsonl", "rows": 769_934, "bytes": 231_000_123}],
    }  # fmt: skip


RUNS = {"fine": fine, "messy": messy, "leaking": leaking, "empty": empty, "hostile": hostile, "million": million}
every_run = pytest.mark.parametrize("name", RUNS)


@cache
def rendered(name):
    return page.render(RUNS[name]())


class Outline(HTMLParser):
    """What a page is made of: tags with their attributes, and the text between them."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.words = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.words.append(data)

    def having(self, name):
        return [values[name] for _, values in self.tags if name in values]


@every_run
def test_a_page_stays_under_400_kilobytes(name):
    assert len(rendered(name).encode()) <= 400_000


@every_run
def test_a_page_names_nothing_outside_itself(name):
    outline = Outline(rendered(name))
    anchors = {f"#{anchor}" for anchor in outline.having("id")}
    links = [link for link in outline.having("href") if not link.startswith("data:")]
    assert links
    assert set(links) <= anchors
    for loads in ("src", "srcset", "action", "formaction", "poster", "data", "background", "ping", "xlink:href"):
        assert outline.having(loads) == []
    assert not re.search(r"url\(|@import", re.search("<style>(.*?)</style>", rendered(name), re.DOTALL)[1])


@every_run
def test_a_page_has_no_script_no_handler_and_no_style_of_its_own(name):
    outline = Outline(rendered(name))
    tags = {tag for tag, _ in outline.tags}
    assert not tags & {"script", "iframe", "object", "embed", "form", "img", "base"}
    assert [key for _, values in outline.tags for key in values if key.startswith("on") or key == "style"] == []


def test_hostile_text_adds_no_tag_that_a_harmless_run_lacks():
    tags = lambda name: {(tag, *values) for tag, values in Outline(rendered(name)).tags}
    assert tags("hostile") <= tags("messy") | tags("fine")


@given(
    st.text(
        st.characters(codec="utf-8", exclude_categories=("Cc", "Cf", "Cn", "Mn", "Me", "Zl", "Zp")),
        min_size=1,
        max_size=200,
    )
)
@settings(max_examples=25, deadline=None)
def test_a_text_reads_on_the_page_as_it_was_written(text):
    summary = fine() | {"first": {"messages": [{"role": "user", "content": text}]}}
    assert page.shown(text) == text
    assert (
        f'<dd dir="auto">{html.escape(text).replace("&quot;", "&#34;").replace("&#x27;", "&#39;")}</dd>'
        in page.render(summary)
    )


@every_run
def test_headings_go_down_one_level_at_a_time_from_one_title(name):
    levels = [int(tag[1]) for tag, _ in Outline(rendered(name)).tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


@every_run
def test_landmarks_tables_and_language_are_told_to_a_screen_reader(name):
    outline = Outline(rendered(name))
    tags = [tag for tag, _ in outline.tags]
    assert ("html", {"lang": "en"}) in outline.tags
    assert [tags.count(mark) for mark in ("main", "nav", "footer", "title", "h1")] == [1, 1, 1, 1, 1]
    assert all("scope" in values for tag, values in outline.tags if tag == "th")
    first_link = next(values for tag, values in outline.tags if tag == "a")
    assert first_link["class"] == "skip"
    identities = outline.having("id")
    assert len(identities) == len(set(identities))
    assert set(outline.having("aria-labelledby")) <= set(identities)


@every_run
def test_the_policy_allows_the_style_sheet_by_its_hash_and_no_script(name):
    import base64
    import hashlib

    style = re.search("<style>(.*?)</style>", rendered(name), re.DOTALL)[1]
    policy = next(
        values["content"] for tag, values in Outline(rendered(name)).tags if tag == "meta" and "http-equiv" in values
    )
    assert f"style-src 'sha256-{base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()}'" in policy
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "unsafe" not in policy


def test_a_finding_that_waits_for_a_person_comes_before_larger_ones_that_were_applied():
    words = rendered("messy")
    assert (
        words.index("near-duplicate</code>") < words.index("empty-text</code>") < words.index("encoding-damage</code>")
    )


def test_the_balance_is_told_in_a_sentence_and_in_a_sum():
    words = re.sub("<[^>]*>|\\s+", " ", rendered("messy"))
    assert "560 examples came in: 500 stay, 40 are dropped and 20 are merged into a twin that stays." in words
    assert re.search("560 in +=  *500 kept +[+]  *40 dropped +[+]  *20 merged", words)


@pytest.mark.parametrize(
    ("kept", "dropped", "merged", "sentence"),
    [
        (3, 0, 0, "3 examples came in, and every one stays."),
        (1, 2, 0, "3 examples came in: 1 stays and 2 are dropped."),
        (2, 0, 1, "3 examples came in: 2 stay and 1 is merged into a twin that stays."),
        (0, 3, 0, "3 examples came in: 0 stay and 3 are dropped."),
    ],
)
def test_the_balance_is_good_english_whatever_is_in_it(kept, dropped, merged, sentence):
    words = page.render(fine() | {"balance": {"in": 3, "kept": kept, "dropped": dropped, "merged": merged}})
    assert f"<p>{sentence}</p>" in words


def test_the_parts_of_a_bar_fill_it():
    bar = re.search('came in.*?<svg class="bar"(.*?)</svg>', rendered("million"), re.DOTALL)[1]
    parts = [(float(x), float(width)) for x, width in re.findall('x="([\\d.]+)%" width="([\\d.]+)%"', bar)]
    assert len(parts) == 3
    assert sum(width for _, width in parts) == pytest.approx(100, abs=0.02)
    assert parts[1][0] == pytest.approx(parts[0][1], abs=0.01)


def test_an_empty_run_says_so_and_shows_no_certificate():
    words = rendered("empty")
    assert "No example came in." in words
    assert "There is no text to measure." in words
    assert "Nothing was split." in words
    assert 'class="certificate' not in words


@pytest.mark.parametrize("change", [{"certificate": None}, {"sides": {"train": 500, "validation": 0, "test": 0}}])
def test_a_split_with_one_side_only_has_no_certificate_and_says_why(change):
    words = page.render(fine() | change)
    assert "There is no certificate" in words
    assert "Certificate of a clean split" not in words


def test_a_run_that_keeps_nothing_claims_no_clean_split():
    words = page.render(
        fine() | {"balance": {"in": 3, "kept": 0, "dropped": 3, "merged": 0}, "sides": empty()["sides"]}
    )
    assert "Nothing was split." in words
    assert "Certificate of a clean split" not in words


def test_rows_without_a_label_are_shown_as_such():
    words = page.render(fine() | {"labels": [{"column": "category", "values": [label_row(None, 5)], "hidden": 0}]})
    assert "no label</span>" in words
    assert ">None<" not in words


def test_pairs_across_the_sides_take_the_certificate_away():
    assert "Certificate of a clean split" in rendered("fine")
    assert "Certificate of a clean split" not in rendered("leaking")
    assert "3 pairs of near-duplicates have one text on each side." in rendered("leaking")


def test_a_long_list_of_labels_is_folded_and_what_is_left_out_is_counted():
    words = rendered("million")
    assert "138 more labels</summary>" in words
    assert "And 450 more labels, in the run folder." in words


def test_a_cut_text_says_how_much_is_hidden():
    assert page.shown("a" * 1000) == "a" * 300 + "… 700 more characters"
    assert page.shown("a" * 300) == "a" * 300


def test_a_text_is_cut_once_and_no_more():
    once = page.shown("\u200b" + "a" * 299)
    assert len(once) > 300
    assert page.shown(once) == once


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("a\u202eb", "a⟨U+202E⟩b"),
        ("\u200b" * 9, "⟨U+200B x9⟩"),
        ("\u202e\u200b" * 50, "⟨U+202E⟩⟨U+200B⟩⟨U+202E⟩⟨U+200B⟩⟨and 96 more⟩"),
        ("e" + "\u0301" * 50, "e" + "\u0301" * 3 + "⟨U+0301 x47⟩"),
        ("\x1b[31m\x00", "⟨U+001B⟩[31m⟨U+0000⟩"),
        ("\ud800", "⟨U+D800⟩"),
        ("👩🏽‍🚀 می‌خواهم tiếng Việt\n", "👩🏽‍🚀 می‌خواهم tiếng Việt\n"),
    ],
)
def test_what_the_eye_cannot_see_is_named_and_writing_is_left_alone(text, seen):
    assert page.shown(text) == seen


def test_a_blank_that_changes_is_named_too():
    assert page.change("a\xa0b", "a b") == [("same", "a"), ("del", "⟨U+00A0⟩"), ("ins", " "), ("same", "b")]


def test_a_change_in_a_long_text_is_shown_with_its_surroundings_only():
    long = "same words again and again. " * 100
    told = page.change(f"{long}wrong {long}", f"{long}right {long}")
    assert ("del", "wrong") in told
    assert ("ins", "right") in told
    assert sum(len(piece) for _, piece in told) < 300


@given(st.text("ab \n.", max_size=60), st.text("ab \n.", max_size=60))
def test_the_pieces_of_a_change_hold_both_texts(before, after):
    told = list(page._pieces(before, after))
    assert "".join(piece for kind, piece in told if kind != "ins") == before
    assert "".join(piece for kind, piece in told if kind != "del") == after


def test_a_change_of_a_thousand_words_is_told_in_a_few_pieces():
    words = [f"w{number}" for number in range(2000)]
    told = page.change(" ".join(words), " ".join(reversed(words)))
    assert len(told) <= 41
    assert sum(len(piece) for _, piece in told) < 8_000


def test_twins_are_marked_where_they_differ():
    left, right = page.side_by_side("order 12345, its late", "order 12346, its late")
    assert ("del", "12345") in left
    assert ("ins", "12346") in right


def test_texts_that_share_little_are_not_marked_word_for_word():
    assert page.side_by_side("Where is it?", "Cancel my account") == (
        [("same", "Where is it?")],
        [("same", "Cancel my account")],
    )


def test_a_turn_that_is_more_than_text_is_shown_as_it_is_written():
    call = {"role": "assistant", "tool_calls": [{"id": "1"}]}
    assert page.turns({"messages": [call]}) == [("assistant", json.dumps(call))]
    assert page.turns({"prompt": "a", "completion": "é"}) == [("example", '{"prompt": "a", "completion": "é"}')]


# In a browser. A page is put, its policy and all, into a frame whose outside measures it: nothing is added to it.

PROBE = """
const light = colour => { const [r, g, b] = colour.map(v => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b };
const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
const behind = node => { for (; node; node = node.parentElement) { const c = numbers(getComputedStyle(node).backgroundColor); if (c[3] !== 0) return c } return [255, 255, 255] };
const faintest = page => {
  let least = [21, ""];
  const walk = page.createTreeWalker(page.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const node = walk.currentNode.parentElement, words = walk.currentNode.data.trim().slice(0, 40);
    if (!words || node.closest("style, .hide, .skip")) continue;
    const style = getComputedStyle(node), ink = light(numbers(node.closest("svg") ? style.fill : style.color).slice(0, 3)), paper = light(behind(node).slice(0, 3));
    const ratio = (Math.max(ink, paper) + .05) / (Math.min(ink, paper) + .05);
    if (ratio < least[0]) least = [ratio, `${words} in ${node.tagName}.${node.className}`];
  }
  return least;
};
const measure = frame => {
  const page = frame.contentDocument, choose = frame.contentWindow.getSelection();
  page.querySelectorAll("details").forEach(details => details.open = true);
  const copied = [...page.querySelectorAll(".command")].map(command => { choose.selectAllChildren(command); return choose.toString() });
  const stops = [...page.querySelectorAll("a, summary")].filter(stop => stop.checkVisibility());
  const focus = stops.map(stop => { stop.focus({focusVisible: true}); return page.activeElement === stop && getComputedStyle(stop).outlineWidth });
  return {
    width: page.documentElement.scrollWidth, pwned: "pwned" in window, scripts: page.scripts.length, faintest: faintest(page), copied, focus: [...new Set(focus)],
    contents: getComputedStyle(page.querySelector(".contents")).display, paper: getComputedStyle(page.body).backgroundColor,
    requests: frame.contentWindow.performance.getEntriesByType("resource").map(entry => entry.name),
  };
};
onload = () => setTimeout(() => {
  const seen = Object.fromEntries([...document.querySelectorAll("iframe")].map(frame => [frame.name, measure(frame)]));
  document.querySelector("pre").textContent = JSON.stringify(seen);
}, 50);
"""


def look(home, pages, *, dark=False):
    """Open each page (name: text, width) in a frame of its own, in one browser, and measure it from outside."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not browser:
        pytest.skip("no browser: install chromium to see the report through it")
    frames = "".join(
        f'<iframe name="{name}" width="{width}" height="800" style="border:0" srcdoc="{html.escape(text)}"></iframe>'
        for name, (text, width) in pages.items()
    )
    outside = f'<!doctype html><meta charset="utf-8"><meta name="color-scheme" content="light dark">{frames}<pre></pre><script>{PROBE}</script>'
    (home / "outside.html").write_text(outside, encoding="utf-8")
    quiet = "--headless --hide-scrollbars --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync"
    options = [
        f"--user-data-dir={home}",
        "--virtual-time-budget=5000",
        "--window-size=1600,900",
        f"--blink-settings=preferredColorScheme={0 if dark else 1}",
    ]
    dumped = subprocess.run(
        [browser, *quiet.split(), *options, "--dump-dom", f"file://{home}/outside.html"],
        capture_output=True,
        timeout=120,
        check=True,
    )
    return json.loads(html.unescape(re.search("<pre>(.*?)</pre>", dumped.stdout.decode(), re.DOTALL)[1]))


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    pages = {f"{name}-{width}": (rendered(name), width) for name in RUNS for width in (390, 1280)}
    return {dark: look(tmp_path_factory.mktemp("browser"), pages, dark=dark) for dark in (False, True)}


@every_run
def test_a_phone_shows_the_page_without_sideways_scrolling(seen, name):
    assert seen[False][f"{name}-390"]["width"] == 390


@every_run
def test_the_contents_stand_beside_the_page_on_wide_screens_only(seen, name):
    wide = seen[False][f"{name}-1280"]
    assert (wide["width"], wide["contents"]) == (1280, "block")
    assert seen[False][f"{name}-390"]["contents"] == "none"


@every_run
def test_no_script_runs_and_nothing_is_asked_of_the_network(seen, name):
    page_seen = seen[False][f"{name}-390"]
    assert (page_seen["scripts"], page_seen["pwned"], page_seen["requests"]) == (0, False, [])


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@every_run
def test_every_word_stands_out_from_its_ground_by_4_5_to_1(seen, name, dark):
    ratio, words = seen[dark][f"{name}-1280"]["faintest"]
    assert ratio >= 4.5, words


def test_the_page_follows_the_reader_into_the_dark(seen):
    assert seen[False]["fine-390"]["paper"] == "rgb(251, 249, 244)"
    assert seen[True]["fine-390"]["paper"] == "rgb(23, 25, 29)"


def test_a_command_is_copied_as_it_is_typed(seen):
    assert seen[False]["messy-390"]["copied"] == [step["command"] for step in messy()["next"]]


@every_run
def test_every_stop_of_the_tab_key_shows_its_focus(seen, name):
    assert seen[False][f"{name}-1280"]["focus"] == ["3px"]


def test_the_probe_notices_a_script_a_request_faint_words_and_a_wide_page(tmp_path):
    bad = "<script>top.pwned=1</script><img src='http://127.0.0.1:9/none.png'><div style='width:900px;color:#999;background:#fff'>wide</div>"
    shown = look(tmp_path, {"bad": (f'<body><nav class="contents"></nav>{bad}</body>', 390)})["bad"]
    assert (shown["pwned"], shown["scripts"]) == (True, 1)
    assert shown["requests"]
    assert shown["faintest"][0] < 4.5
    assert shown["width"] >= 900
