"""Words one edit apart, words in their places, and our own lists of words."""

import string

import polars as pl
import pytest

from tuneset.spelling import dictionary
from tuneset.spelling.neighbours import EDITS, beside, neighbours
from tuneset.spelling.word_counts import END, START, read


def test_neighbours_are_those_that_one_edit_away_brute_force_finds():
    typed = ["crad", "card", "caard", "cad", "bok", "boook", "hte", "xcard", "cards", "ab", "ba"]
    vocabulary = ["card", "cart", "book", "the", "cards", "car", "ab", "b"]

    def edits(word):
        cuts = [(word[:at], word[at:]) for at in range(len(word) + 1)]
        yield from (a + b[1:] for a, b in cuts if b)
        yield from (a + b[1] + b[0] + b[2:] for a, b in cuts if len(b) > 1)
        yield from (a + new + b[1:] for a, b in cuts if b for new in string.ascii_lowercase)
        yield from (a + new + b for a, b in cuts for new in string.ascii_lowercase)

    expected = {(word, meant) for word in typed for meant in vocabulary if meant != word and meant in {*edits(word)}}
    found = neighbours(pl.Series(typed), pl.Series(vocabulary))
    assert {*found.select("word", "meant").iter_rows()} == expected
    assert found["edit"].is_in(EDITS).all()


@pytest.mark.parametrize(
    ("typed", "edit", "at"),
    [
        ("accoount", "double", 4),
        ("acczount", "insert", 3),
        ("accoiunt", "beside", 4),
        ("acount", "undouble", 2),
        ("accunt", "vowel lost", 3),
        ("accout", "lost", 5),
        ("acocunt", "swap", 2),
        ("accaunt", "vowels", 3),
        ("accoynt", "slip", 4),
        ("accozznt", None, None),
        ("accoknt", "substitute", 4),
    ],
)
def test_an_edit_is_named_and_placed(typed, edit, at):
    found = neighbours(pl.Series([typed]), pl.Series(["account"]))
    assert found.select("edit", "at").rows() == ([(edit, at)] if edit else [])


def test_neighbouring_keys_are_neighbours_both_ways():
    assert {pair[::-1] for pair in beside()} == {*beside()}
    assert {"as", "we", "sx", "jh"} <= {*beside()}


def test_words_know_their_neighbours():
    words = read(pl.Series(["Where is it?", "", "it  is\n\there"]))
    ids = {word: place for place, word in enumerate(words.table["word"])}
    at = pl.Series(range(len(words.code))).to_numpy()
    assert [words.table["word"][int(word)] for word in words.word[words.code]] == [
        *("where", "is", "it"),
        *("it", "is", "", "here"),
    ]
    assert words.before(at).tolist() == [START, ids["where"], ids["is"], START, ids["it"], ids["is"], 0]
    assert words.after(at).tolist() == [ids["is"], ids["it"], END, ids["is"], 0, ids["here"], END]


def test_our_own_lists_do_not_contradict_each_other():
    known = dictionary.load("symspell", "en")
    listed = known.words.filter("listed")["word"]
    assert not {*listed} & {*known.misspelt}
    assert all(word != meant and meant not in known.misspelt for word, meant in known.misspelt.items())
    assert {*known.misspelt.values()} <= {*known.words["word"]} | {"maneuver", "neighbor", "favorite"}
