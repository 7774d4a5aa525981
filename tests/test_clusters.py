"""Duplicates gathered into clusters, and what of them stands on the page."""

from __future__ import annotations

import re
from html import unescape

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuneset import model, step
from tuneset.dedupe import ExactDuplicate, NearDuplicate
from tuneset.report import page, words
from tuneset.report.clusters import MOST, ROWS, SAYS, clusters
from tuneset.testing import examples

HOSTILE = '<script>alert(1)</script> & "quoted" \u202e backwards \u200b {{ 7 * 7 }}'


def said(rows, *pairs):
    """Make findings of pairs: the rule, and the numbers of two rows."""
    ids = rows["id"]
    return model.as_findings(
        pl.DataFrame(
            {
                "rule": [rule for rule, _, _ in pairs],
                "example": [ids[one] for _, one, _ in pairs],
                "action": ["drop" for _ in pairs],
                "says": ["a twin" for _ in pairs],
                "others": [[ids[other]] for _, _, other in pairs],
            },
            schema_overrides={"others": pl.List(pl.String), "rule": pl.String, "example": pl.String},
        ),
        frozenset(SAYS),
    )


def html(found):
    template = page._environment(page.ROOMS[0]).from_string(
        '{% from "clusters.html.j2" import clusters %}{{ clusters(found) }}'
    )
    return template.render(found=found)


def connected(size, pairs):
    """Gather by hand: each pair joins what its two rows belong to."""
    group = {row: {row} for row in range(size)}
    for _, one, other in pairs:
        both = group[one] | group[other]
        for row in both:
            group[row] = both
    return {frozenset(rows) for rows in group.values() if len(rows) > 1}


@st.composite
def tied(draw):
    size = draw(st.integers(2, 40))
    row = st.integers(0, size - 1)
    pairs = draw(st.lists(st.tuples(st.sampled_from(list(SAYS)), row, row), max_size=60))
    kept = draw(st.lists(row, unique=True))
    texts = draw(
        st.lists(st.sampled_from(["where is it", "where was it", "", None, HOSTILE]), min_size=size, max_size=size)
    )
    rows = examples(
        [{"text": text, "label": draw(st.sampled_from("AB")), "extra": str(at)} for at, text in enumerate(texts)]
    )
    return rows, pairs, kept


@settings(deadline=None, max_examples=60)
@given(tied())
def test_every_row_is_in_one_cluster_and_sizes_add_up(drawn):
    rows, pairs, kept = drawn
    ids = rows["id"].to_list()
    found = clusters(rows, said(rows, *pairs), rows["id"].gather(sorted(kept)))
    wanted = connected(rows.height, pairs)
    assert [each["size"] for each in found] == sorted(map(len, wanted), reverse=True)[:MOST]
    shown = [row["id"] for each in found for row in each["rows"]]
    assert len(shown) == len(set(shown))
    for each in found:
        assert len(each["rows"]) == min(each["size"], ROWS)
        assert each["hidden"] + len(each["rows"]) == each["size"]
        assert any({ids.index(row["id"]) for row in each["rows"]} <= group for group in wanted)
        assert all(row["kept"] == (ids.index(row["id"]) in kept) for row in each["rows"])
        assert [row["kept"] for row in each["rows"]].index(max(row["kept"] for row in each["rows"])) == 0


@settings(deadline=None, max_examples=30)
@given(tied(), st.randoms(use_true_random=False))
def test_the_order_of_findings_changes_nothing(drawn, random):
    rows, pairs, kept = drawn
    stay = rows["id"].gather(sorted(kept))
    mixed = random.sample(pairs, len(pairs))
    assert clusters(rows, said(rows, *mixed), stay) == clusters(rows, said(rows, *pairs), stay)


@pytest.mark.parametrize(
    ("kept", "labels", "words"),
    [
        ([0], "AAA", "3 rows read nearly the same; 1 stays, 2 are out"),
        ([0, 2], "AAB", "3 rows read nearly the same; 2 stay, 1 is out; labelled in 2 ways"),
        ([0, 1, 2], "ABC", "3 rows read nearly the same; all stay; labelled in 3 ways"),
        ([], "AAA", "3 rows read nearly the same; all are out"),
    ],
)
def test_a_cluster_says_what_becomes_of_it_and_whether_its_labels_agree(kept, labels, words):
    rows = examples([{"text": f"where is it {at}", "label": label} for at, label in enumerate(labels)])
    pairs = [("near-duplicate", 0, 1), ("near-duplicate", 2, 1)]
    (found,) = clusters(rows, said(rows, *pairs), rows["id"].gather(kept))
    assert found["words"] == words


def test_the_rule_that_ties_most_pairs_names_the_cluster_and_other_rules_tie_nothing():
    rows = examples([f"row {at}" for at in range(6)])
    pairs = [("exact-duplicate", 0, 1), ("semantic-duplicate", 1, 2), ("semantic-duplicate", 2, 3)]
    (found,) = clusters(rows, said(rows, *pairs, ("conflicting-label", 4, 5)), rows["id"])
    assert (found["rule"], found["size"]) == ("semantic-duplicate", 4)


def test_texts_that_differ_are_shown_before_repeats_of_one_text():
    rows = examples(["where is it"] * 9 + ["where was it"])
    pairs = [("exact-duplicate", 0, at) for at in range(1, 9)] + [("near-duplicate", 0, 9)]
    (found,) = clusters(rows, said(rows, *pairs), rows["id"].head(1))
    assert [row["text"] for row in found["rows"]] == ["where is it", "where was it", *["where is it"] * 4]
    assert found["hidden"] == 4


def test_a_pair_with_a_row_that_is_gone_is_left_out():
    rows = examples(["a", "b"])
    assert clusters(rows.head(1), said(rows, ("near-duplicate", 0, 1)), rows["id"]) == []
    assert clusters(rows, model.no_findings(), rows["id"]) == []


def test_the_page_marks_what_differs_from_the_row_that_is_kept():
    rows = examples(
        ["where is my order 12", "where is my order 13", "where is my order 12", "entirely other words here"]
    )
    found = step.run(NearDuplicate(threshold=0.6), rows)
    found = pl.concat([found, step.run(ExactDuplicate(), rows), said(rows, ("semantic-duplicate", 0, 3))])
    shown = html(clusters(rows, found, rows["id"].head(1)))
    texts = [
        " ".join(text.split()) for text in re.findall(r'<div class="text" dir="auto">(.*?)</div>', shown, re.DOTALL)
    ]
    assert texts == [
        "where is my order 12",
        "where is my order <del>12</del><ins>13</ins>",
        "entirely other words here",
        "where is my order 12",
    ]
    assert shown.count('<li class="out">') == 3


@pytest.mark.parametrize("text", [HOSTILE, "<b>" * 200, "\u0301" * 500, "a" * 5_000, "</div></ol></article>"])
def test_hostile_text_is_shown_as_text(text):
    rows = examples([{"text": text + end, "label": text} for end in (" one", " two")] + [{"text": None, "label": text}])
    pairs = [("near-duplicate", 0, 1), ("near-duplicate", 0, 2)]
    shown = html(clusters(rows, said(rows, *pairs), rows["id"].head(1)))
    tags = set(re.findall(r"</?(\w+)", shown))
    assert tags <= {"article", "p", "span", "bdi", "ol", "li", "div", "del", "ins"}
    assert not words.HIDDEN.search(unescape(shown))
    assert len(shown) < 6_000
