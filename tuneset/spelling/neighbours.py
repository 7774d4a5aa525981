"""Which words are one edit away from which others, and how likely one was typed for the other."""

from __future__ import annotations

import polars as pl

LONGEST = 24  # letters; what is longer is no word
KEYBOARD = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
SHIFT = (0.0, 0.25, 0.75)  # how far each row of keys is moved to the right
EDITS = ("double", "beside", "insert", "undouble", "vowel lost", "lost", "swap", "vowels", "slip", "substitute")


def beside() -> list[str]:
    """Return each pair of letters whose keys touch, on a QWERTY keyboard.

    >>> "as" in beside(), "al" in beside()
    (True, False)
    """
    places = {
        letter: (row, at + SHIFT[row]) for row, letters in enumerate(KEYBOARD) for at, letter in enumerate(letters)
    }
    return [
        one + two
        for one, (row, at) in places.items()
        for two, (other, where) in places.items()
        if one != two and abs(row - other) <= 1 and abs(at - where) <= 1
    ]


def neighbours(words: pl.Series, vocabulary: pl.Series) -> pl.DataFrame:
    """Find each word's neighbours in a vocabulary: `word`, `meant`, the `edit`, the letter `at` which it happened.

    Neighbours are one letter more, one fewer, one other, or two swapped (Damerau 1964). Both sides are looked up with
    each letter left out (Garbe's symmetric deletes, 2012), so the work grows with the words, not with their pairs.

    >>> neighbours(pl.Series(["crad", "accout"]), pl.Series(["card", "account", "crab"])).sort("word", "meant").rows()
    [('accout', 'account', 'lost', 5), ('crad', 'card', 'swap', 1), ('crad', 'crab', 'substitute', 3)]
    """
    typed, known = _without_a_letter(words, "word"), _without_a_letter(vocabulary, "meant")
    whole = pl.DataFrame({"meant": vocabulary})
    added = typed.join(whole, left_on="key", right_on="meant").select("word", "at", meant="key")
    lost = known.join(pl.DataFrame({"word": words}), left_on="key", right_on="word").select("meant", "at", word="key")
    both = typed.join(known.rename({"at": "place"}), on="key").filter(pl.col("word") != pl.col("meant"))
    swapped = (_letter("word", "at") == _letter("meant", "place")) & (
        _letter("word", "place") == _letter("meant", "at")
    )
    other = both.filter(pl.col("at") == pl.col("place")).select("word", "meant", "at", swapped=pl.lit(False))
    turned = both.filter((pl.col("at") - pl.col("place")).abs() == 1).filter(swapped)
    turned = turned.select("word", "meant", at=pl.min_horizontal("at", "place"), swapped=pl.lit(True))
    found = [added, lost, other, turned]
    together = pl.concat(found, how="diagonal").with_columns(pl.col("swapped").fill_null(value=False))
    # "book" without either "o" is the same word: the second is the one that was doubled or lost
    once = together.group_by("word", "meant").agg(pl.col("at").max(), pl.col("swapped").any())
    return once.select("word", "meant", _edit(), "at").sort("word", "meant")


def _without_a_letter(words: pl.Series, name: str) -> pl.DataFrame:
    """Return each word once for each of its letters, without it: the word, `at`, `key`."""
    frame = words.unique().alias(name).to_frame()
    column = pl.col(name)
    parts = [
        frame.filter(column.str.len_chars() > at).with_columns(
            at=pl.lit(at, dtype=pl.Int64), key=pl.concat_str(column.str.head(at), column.str.slice(at + 1))
        )
        for at in range(min(LONGEST, frame.select(column.str.len_chars().max()).item() or 0))
    ]
    schema = {name: pl.String, "at": pl.Int64, "key": pl.String}
    return pl.concat([pl.DataFrame(schema=schema), *parts])


def _letter(word: str, at: str | pl.Expr) -> pl.Expr:
    place = pl.col(at) if isinstance(at, str) else at
    return pl.when(place >= 0).then(pl.col(word).str.slice(place, 1)).otherwise(pl.lit(""))


def _edit() -> pl.Expr:
    """Name the edit that turned what was meant into what was typed."""
    at = pl.col("at")
    longer = pl.col("word").str.len_chars().cast(pl.Int64) - pl.col("meant").str.len_chars()
    typed, meant = _letter("word", at), _letter("meant", at)
    before, after = _letter("word", at - 1), _letter("word", at + 1)
    more = (
        pl.when(typed == before)
        .then(pl.lit("double"))
        .when(_touch(typed, before) | _touch(typed, after))
        .then(pl.lit("beside"))
        .otherwise(pl.lit("insert"))
    )
    fewer = (
        pl.when(meant == _letter("meant", at - 1))
        .then(pl.lit("undouble"))
        .when(_is_vowel(meant))
        .then(pl.lit("vowel lost"))
        .otherwise(pl.lit("lost"))
    )
    same = (
        pl.when("swapped")
        .then(pl.lit("swap"))
        .when(_is_vowel(typed) & _is_vowel(meant))
        .then(pl.lit("vowels"))
        .when(_touch(typed, meant))
        .then(pl.lit("slip"))
        .otherwise(pl.lit("substitute"))
    )
    return pl.when(longer > 0).then(more).when(longer < 0).then(fewer).otherwise(same).alias("edit")


def _is_vowel(letter: pl.Expr) -> pl.Expr:
    return letter.is_in(list("aeiou"))


def _touch(one: pl.Expr, two: pl.Expr) -> pl.Expr:
    return (one + two).is_in(beside())
