"""The page for runs fine, messy, empty, hostile and huge: what it holds, and what it lets nobody do."""

from __future__ import annotations

import base64
import hashlib
import html
import itertools
import json
import re
from html.parser import HTMLParser
from importlib import resources

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from judge_facts import judged, synthetic
from report_runs import ATTACK, RUNS, empty, fine, label_row, rendered

from tuneset.report import charts, page, words

every_run = pytest.mark.parametrize("name", RUNS)


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


def scripts(text):
    """Return a page's scripts: what it has to draw, and what draws it."""
    return re.findall(r"<script(?: [^>]*)?>(.*?)</script>", text, re.DOTALL)


def section(text, name):
    """Return one section of a page."""
    return text.split(f'<section aria-labelledby="{name}">')[1].split("</section>")[0]


@every_run
def test_the_words_of_a_page_stay_under_400_kilobytes_and_all_of_it_under_3_megabytes(name):
    text = rendered(name)
    beside = sum(len(script.encode()) for script in scripts(text))
    assert len(text.encode()) - beside <= 400_000
    assert len(text.encode()) <= 3_000_000


@pytest.mark.parametrize(
    "text", ["How do I send back what I bought last week? It does not fit me. " * 3, "\u202e👩🏽‍🚀" * 5_000]
)
def test_a_map_of_ten_thousand_long_texts_stays_under_3_megabytes(text):
    rows = 10_000
    spots = {"x": [0.5] * rows, "y": [0.25] * rows, "ids": [f"{place:032x}" for place in range(rows)], "of": rows}
    given = spots | {
        "texts": [f"{place} {text}" for place in range(rows)],
        "labels": {"intent": [f"intent {place % 300}" for place in range(rows)]},
    }
    made = page.render(fine() | {"judge": {"map": given}})
    assert len(made.encode()) <= 3_000_000
    assert "of 10,000 are drawn, those with a finding first" in made


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
    assert not re.search(r"\b(fetch|XMLHttpRequest|WebSocket|sendBeacon|import)\b *[(.]", asset("report.js"))


@every_run
def test_a_page_has_no_frame_no_form_no_handler_and_no_style_of_its_own(name):
    outline = Outline(rendered(name))
    tags = {tag for tag, _ in outline.tags}
    assert not tags & {"iframe", "object", "embed", "form", "img", "base"}
    assert [key for _, values in outline.tags for key in values if key.startswith("on") or key == "style"] == []


def test_hostile_text_adds_no_tag_that_a_harmless_run_lacks():
    tags = lambda name: {(tag, *values) for tag, values in Outline(rendered(name)).tags}
    assert tags("hostile") <= tags("messy") | tags("fine")
    assert tags("attacked") <= tags("whole")


def test_what_the_charts_are_drawn_from_cannot_end_its_element_nor_its_line():
    [data, *_] = scripts(rendered("attacked"))
    assert not re.search("[<>&\u2028\u2029\u202e]", data)
    assert ATTACK[:20] in json.loads(data)["map"]["text"][0] or any(
        ATTACK[:20] in text for text in json.loads(data)["map"]["text"]
    )


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
    assert words.shown(text) == text
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


def asset(name):
    return resources.files("tuneset.report").joinpath(name).read_text(encoding="utf-8")


def hashed(text):
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@every_run
def test_the_policy_allows_the_style_sheet_and_our_two_scripts_by_hash_and_nothing_else(name):
    style = re.search("<style>(.*?)</style>", rendered(name), re.DOTALL)[1]
    _, *ours = scripts(rendered(name)) or [None]
    policy = next(
        values["content"] for tag, values in Outline(rendered(name)).tags if tag == "meta" and "http-equiv" in values
    )
    allowed = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    drawn = {"script-src": " ".join(map(hashed, ours))} if ours else {}
    assert (
        allowed
        == {
            "default-src": "'none'",
            "style-src": hashed(style),
            "img-src": "data:",
            "base-uri": "'none'",
            "form-action": "'none'",
        }
        | drawn
    )
    assert ours in ([], [asset("echarts.min.js"), asset("report.js")])


def test_a_run_with_nothing_to_draw_has_no_script():
    assert scripts(rendered("empty")) == []
    assert "This page asks the network for nothing and holds no script" in rendered("empty")


def test_the_library_of_charts_is_the_one_that_was_published():
    about = asset("echarts.README.md")
    found = hashlib.sha256(asset("echarts.min.js").encode()).hexdigest()
    assert found == "61f13280aba3161f77fc801bf5f9c786f55f10432153a0683fc5cc0700b013d5"
    assert found in about
    assert "6.1.0" in about
    assert "Apache License" in asset("echarts.LICENSE")
    assert 'version="6.1.0"' in asset("echarts.min.js") or '"6.1.0"' in asset("echarts.min.js")


def test_a_finding_that_waits_for_a_person_comes_before_larger_ones_that_were_applied():
    said = rendered("messy")
    assert said.index("near-duplicate</code>") < said.index("empty-text</code>") < said.index("encoding-damage</code>")


def test_the_balance_is_told_in_a_sentence_and_in_a_sum():
    said = re.sub("<[^>]*>|\\s+", " ", rendered("messy"))
    assert "560 examples came in: 500 stay, 40 are dropped and 20 are merged into a twin that stays." in said
    assert re.search("560 in +=  *500 kept +[+]  *40 dropped +[+]  *20 merged", said)


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
    said = page.render(fine() | {"balance": {"in": 3, "kept": kept, "dropped": dropped, "merged": merged}})
    assert f"<p>{sentence}</p>" in said


def test_the_parts_of_a_bar_fill_it():
    bar = re.search('came in.*?<svg class="bar"(.*?)</svg>', rendered("million"), re.DOTALL)[1]
    parts = [(float(x), float(width)) for x, width in re.findall('x="([\\d.]+)%" width="([\\d.]+)%"', bar)]
    assert len(parts) == 3
    assert sum(width for _, width in parts) == pytest.approx(100, abs=0.02)
    assert parts[1][0] == pytest.approx(parts[0][1], abs=0.01)


def test_an_empty_run_says_so_and_shows_no_certificate():
    said = rendered("empty")
    assert "No example came in." in said
    assert "There is no text to measure." in said
    assert "Nothing was split." in said
    assert 'class="certificate' not in said


@pytest.mark.parametrize("change", [{"certificate": None}, {"sides": {"train": 500, "validation": 0, "test": 0}}])
def test_a_split_with_one_side_only_has_no_certificate_and_says_why(change):
    said = page.render(fine() | change)
    assert "There is no certificate" in said
    assert "Certificate of a clean split" not in said


def test_a_run_that_keeps_nothing_claims_no_clean_split():
    said = page.render(fine() | {"balance": {"in": 3, "kept": 0, "dropped": 3, "merged": 0}, "sides": empty()["sides"]})
    assert "Nothing was split." in said
    assert "Certificate of a clean split" not in said


def test_rows_without_a_label_are_shown_as_such():
    said = page.render(fine() | {"labels": [{"column": "category", "values": [label_row(None, 5)], "hidden": 0}]})
    assert "no label</span>" in said
    assert ">None<" not in said


def test_pairs_across_the_sides_take_the_certificate_away():
    assert "Certificate of a clean split" in rendered("fine")
    assert "Certificate of a clean split" not in rendered("leaking")
    assert "3 pairs of near-duplicates have one text on each side." in rendered("leaking")


def test_a_long_list_of_labels_is_folded_and_what_is_left_out_is_counted():
    said = rendered("million")
    assert "150 labels as numbers</summary>" in said
    assert "And 450 more labels, in the run folder." in said


def test_a_cut_text_says_how_much_is_hidden():
    assert words.shown("a" * 1000) == "a" * 300 + "… 700 more characters"
    assert words.shown("a" * 300) == "a" * 300


def test_a_text_is_cut_once_and_no_more():
    once = words.shown("\u200b" + "a" * 299)
    assert len(once) > 300
    assert words.shown(once) == once


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
    assert words.shown(text) == seen


def test_a_blank_that_changes_is_named_too():
    assert words.change("a\xa0b", "a b") == [("same", "a"), ("del", "⟨U+00A0⟩"), ("ins", " "), ("same", "b")]


def test_a_change_in_a_long_text_is_shown_with_its_surroundings_only():
    long = "same words again and again. " * 100
    told = words.change(f"{long}wrong {long}", f"{long}right {long}")
    assert ("del", "wrong") in told
    assert ("ins", "right") in told
    assert sum(len(piece) for _, piece in told) < 300


@given(st.text("ab \n.", max_size=60), st.text("ab \n.", max_size=60))
def test_the_pieces_of_a_change_hold_both_texts(before, after):
    told = list(words._pieces(before, after))
    assert "".join(piece for kind, piece in told if kind != "ins") == before
    assert "".join(piece for kind, piece in told if kind != "del") == after


def test_a_change_of_a_thousand_words_is_told_in_a_few_pieces():
    long = [f"w{number}" for number in range(2000)]
    told = words.change(" ".join(long), " ".join(reversed(long)))
    assert len(told) <= 41
    assert sum(len(piece) for _, piece in told) < 8_000


def test_twins_are_marked_where_they_differ():
    left, right = words.side_by_side("order 12345, its late", "order 12346, its late")
    assert ("del", "12345") in left
    assert ("ins", "12346") in right


def test_texts_that_share_little_are_not_marked_word_for_word():
    assert words.side_by_side("Where is it?", "Cancel my account") == (
        [("same", "Where is it?")],
        [("same", "Cancel my account")],
    )


def test_a_turn_that_is_more_than_text_is_shown_as_it_is_written():
    call = {"role": "assistant", "tool_calls": [{"id": "1"}]}
    assert page.turns({"messages": [call]}) == [("assistant", json.dumps(call))]
    assert page.turns({"prompt": "a", "completion": "é"}) == [("example", '{"prompt": "a", "completion": "é"}')]


# How a colour reaches an eye that lacks one kind of cone (Machado, Oliveira and Fernandes 2009, severity 1).
EYES = {
    "usual": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "no red": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "no green": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "no blue": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def as_seen(colour, eye):
    """Return lightness and hue (CIE Lab) of #rrggbb to an eye."""
    import numpy as np

    sent = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)]) / 255
    light = np.where(sent <= 0.04045, sent / 12.92, ((sent + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    x, y, z = np.cbrt(to_xyz @ np.clip(np.array(EYES[eye]) @ light, 0, 1) / (0.9505, 1, 1.089))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("eye", EYES)
def test_dots_of_one_shape_have_colours_that_every_eye_can_tell_apart(eye):
    import numpy as np

    for theme in (0, 1):
        seen = [as_seen(re.findall(rf"--c{slot}: (#\w+)", asset("report.css"))[theme], eye) for slot in range(1, 10)]
        pairs = [(one, other) for one, other in itertools.combinations(range(9), 2) if one % 4 == other % 4]
        assert min(np.linalg.norm(seen[one] - seen[other]) for one, other in pairs) >= 15


PARTS = ("labels", "relevance", "diversity", "representativeness", "size", "map")
QUESTIONS = {"labels": "Are the labels right?", "relevance": "Does every example belong?", "diversity": "Are the texts varied?", "representativeness": "Is it like what will come?", "size": "Are there enough?", "map": "A map of the examples"}  # fmt: skip


@pytest.mark.parametrize("part", PARTS)
def test_a_part_of_judging_is_shown_where_it_is_there_and_only_then(part):
    alone = page.render(fine() | {"judge": {part: judged()[part]}})
    without = page.render(fine() | {"judge": judged() | {part: None}})
    assert QUESTIONS[part] in alone
    assert QUESTIONS[part] not in without
    assert [each for each in PARTS if QUESTIONS[each] in alone] == [part]


@pytest.mark.parametrize("part", PARTS)
def test_a_fact_that_is_missing_or_null_leaves_the_rest_of_the_page(part):
    facts, few = judged()[part], judged() | {"map": None}
    needed = {"column"} | ({"x", "y", "ids"} if part == "map" else set())
    for key in (facts[0] if part == "labels" else facts).keys() - needed:
        for nothing in ({}, {key: None}):
            cut = lambda known, key=key, nothing=nothing: (
                {name: value for name, value in known.items() if name != key} | nothing
            )
            less = [cut(each) for each in facts] if part == "labels" else cut(facts)
            assert "Make it again" in page.render(fine() | {"judge": few | {part: less}}), key


@pytest.mark.parametrize("name", ["whole", "attacked"])
def test_each_chart_has_its_numbers_in_a_table_or_its_texts_on_the_page(name):
    drawn = charts.embedded(RUNS[name]()).charts
    boards = set(Outline(rendered(name)).having("data-chart"))
    assert boards == set(drawn)
    assert {"map", "lengths", "tokens", "labels-0", "confused-0", "drift", "curve", "sides"} <= boards
    text = re.sub("<script.*?</script>", "", rendered("whole"), flags=re.DOTALL)
    for shown in (
        "1,600",
        "The squares as numbers",
        "The shares as numbers",
        "The curve as numbers",
        "The sides as numbers",
    ):
        assert shown in text


def test_what_was_tested_against_the_target_is_told_with_its_figures():
    likeness = section(rendered("whole"), "likeness")
    for said in ("Shares of labels", "Texts, told apart by a classifier", "PSI of the label shares: 0.70", "below 0.07", "0.71 (0.66 to 0.76)", "3 rows that stand on both sides"):  # fmt: skip
        assert said in likeness
    assert [likeness.count(f">{word}</td>") for word in ("yes", "no")] == [2, 1]


def test_synthetic_rows_have_a_section_that_begins_with_what_they_are_worth_and_what_the_judge_reads_otherwise():
    told = section(rendered("whole"), "synthetic")
    order = ("They help: a small classifier", "80 of 100 rows", "3 synthetic rows are not on the train side", "18 <code>off-label</code>", "Payment</bdi></th>", "read another in 26", "Where is my parcel?", "79.9", "right in 79", "could you please", "wheres my", "coverage</bdi>", "boundary@1", "0.019")  # fmt: skip
    assert [told.find(each) for each in order] == sorted(told.find(each) for each in order)
    assert min(told.find(each) for each in order) > 0
    assert "Do the synthetic rows help?" not in rendered("fine")


def test_what_was_not_measured_of_synthetic_rows_leaves_the_rest_of_the_section():
    facts = synthetic()
    for part in ("variety", "told", "learned"):
        less = facts | {"measured": facts["measured"] | {part: None}}
        assert "What wrote them" in page.render(fine() | {"synthetic": less}), part
    bare = facts | {"judge": None, "measured": None, "labels": [], "out": [], "cost": 0.0, "cost_each": None}
    told = section(page.render(fine() | {"synthetic": bare}), "synthetic")
    assert "80 kept" in re.sub("<[^>]*>", "", told)
    assert "judge" not in told


def test_hostile_words_of_a_model_are_words_on_the_page():
    told = section(rendered("attacked"), "synthetic")
    assert "&lt;script&gt;top.pwned=1" in told
    assert not re.search("<(script|img|a |/style)", told)
    assert "\u202e" not in told


def test_the_labels_of_irrelevant_rows_are_named():
    assert "By label: <bdi>Setup</bdi> 1, <bdi>Shipping Options</bdi> 1." in section(rendered("whole"), "relevance")


def test_the_gate_says_what_failed_before_what_held_and_folds_more_than_five():
    gate = section(rendered("whole"), "gate")
    assert "exit code 1: 1 of 8 conditions does not hold" in gate
    assert gate.index(">fails</td>") < gate.index(">holds</td>") < gate.index("3 more conditions")
    assert gate.split("<details")[0].count("<tr>") == 1 + 5
    opened = {"passed": True, "failed": [], "held": ["The verdict is 'ready', better than 'not-ready'."]}
    assert 'id="gate"' not in page.render(fine() | {"gate": opened})
    assert 'id="gate"' in page.render(fine() | {"gate": opened | {"held": opened["held"] * 2}})


def test_a_sentence_of_ours_is_not_cut_in_the_middle():
    told = "The set is not like its target, as 82 % show. " * 10
    shown = page.render(fine() | {"verdict": fine()["verdict"] | {"level": "look", "reasons": [told]}})
    assert told.strip().replace(" %", "\xa0%") in shown


def test_lists_of_judging_show_five_rows_and_fold_the_rest():
    for name in ("agree", "size", "likeness"):
        opened = re.sub(r"<details.*?</details>", "", section(rendered("whole"), name), flags=re.DOTALL)
        assert all(table.count("<tr>") <= 1 + 5 for table in opened.split("<table>"))
    assert "1 more label" in section(rendered("whole"), "size")


def test_an_earlier_run_is_told_by_what_changed():
    said = rendered("whole")
    assert "Since the earlier run" in said
    assert '<td class="n">480</td><td class="n">500</td>' in said
    assert "1 figure the same" in said
    assert "Since the earlier run" not in rendered("fine")


def test_clusters_of_duplicates_are_shown_side_by_side():
    assert "Duplicates, side by side" in rendered("whole")
    assert "And 6 more rows, in the run folder." in rendered("whole")
    assert "Duplicates, side by side" not in rendered("fine")


@pytest.mark.parametrize("name", RUNS)
def test_a_notebook_shows_the_verdict_the_counts_and_what_to_do(name):
    summary = RUNS[name]()
    made = page.snippet(summary)
    tags = Outline(made).tags
    assert {tag for tag, _ in tags} <= {"div", "p", "strong", "bdi", "br", "ol", "li", "code"}
    assert [values for _, values in tags if values and set(values) != {"style"}] == []
    assert words.shown(summary["verdict"]["words"], 200)[:20] in "".join(Outline(made).words)
    assert sum(tag == "li" for tag, _ in tags) == min(len(summary["next"]), 3)
    assert len(made) < 20_000


def test_an_answer_reads_as_its_values():
    assert page.answer('{"category": "Orders", "tags": ["a", "b"]}') == "Orders / a, b"
    assert page.answer('{"category": {"deep": 1}}') == '{"category": {"deep": 1}}'
    assert page.answer('{"broken') == '{"broken'
