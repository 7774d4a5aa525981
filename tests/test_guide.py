"""labels.md: drafted from the train side, edited by people, and read back as it was written."""

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from tuneset.judge import guide, view
from tuneset.judge.guide import DRAFT, Entry
from tuneset.testing import examples

LINES = st.text("abc #\\-:*<>äß.", min_size=1, max_size=20).map(lambda text: " ".join(text.split())).filter(bool)
NAMES = LINES.filter(lambda name: name.strip("\\") == name)
ENTRIES = st.builds(Entry, st.just("what a person wrote"), *[st.lists(LINES, max_size=3).map(tuple)] * 2)
ROWS = [
    {"text": f"{start} my parcel number {number}", "label": label}
    for label, start in (("Orders", "where is"), ("Returns", "send back"))
    for number in ("one", "two", "three", "four")
]


@given(st.dictionaries(NAMES, st.dictionaries(NAMES, ENTRIES, min_size=1, max_size=3), min_size=1, max_size=2))
def test_what_is_written_is_read_back(made):
    assert guide.parsed(guide.written(made)) == made


def drafted(rows, known=None, side=None):
    table = examples(rows)
    if side is not None:
        table = table.with_columns(side=pl.Series(side), group=pl.col("id"))
    return guide.drafted(view.view(table), view.labels(table), known or {})


def test_a_draft_has_each_label_with_words_examples_and_the_nearest_of_others():
    entries = drafted(ROWS)["category"]
    assert list(entries) == ["Orders", "Returns"]
    assert not entries["Orders"].defined
    assert "where" in entries["Orders"].means
    assert all("where is" in text for text in entries["Orders"].examples)
    assert all(text.endswith("(Returns)") for text in entries["Orders"].not_this)


def test_what_people_wrote_stays_and_new_labels_are_added():
    known = {"category": {"Orders": Entry("where things are", ("mine",)), "Gone": Entry("an old one")}}
    made = drafted(ROWS, known)["category"]
    assert made["Orders"] == known["category"]["Orders"]
    assert made["Gone"] == known["category"]["Gone"]
    assert made["Orders"].defined
    assert DRAFT in made["Returns"].means


def test_no_text_of_the_validation_side_is_quoted():
    said = guide.written(drafted(ROWS, side=["validation", "train", "train", "train"] * 2))
    assert "number two" in said
    assert "number one" not in said


def test_a_file_that_is_not_there_is_an_empty_guide(tmp_path):
    assert guide.read(tmp_path / "labels.md") == {}


def test_keys_are_read_in_any_case_and_text_on_the_next_line_belongs_to_the_key():
    text = "## c\n### A\nmeans:\nfirst\nsecond\nNOT THIS:\n- no: never\n"
    assert guide.parsed(text)["c"]["A"] == Entry("first second", (), ("no: never",))
