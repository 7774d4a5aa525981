"""How common words are in a language, from dictionaries that other packages carry."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import NamedTuple

import numpy as np
import polars as pl

from tuneset.errors import need

PER_BILLION = 1e9
KNOWN = 3.0  # what a word of our own list counts as: once in a million words
CONTRACTED = 5.0  # symspell has one made-up count for all of "don't", "haven't" ...; they are this common or more
# wordfreq counts common misspellings too ("recieve": 2.0); what is rarer than this is as good as unknown
LEAST_WORDFREQ = 1.5


class Dictionary(NamedTuple):
    """What is known of a language: how common its words are, pairs of neighbours, and well-known misspellings."""

    words: pl.DataFrame  # word; zipf: the logarithm of how often it stands among a billion words; listed: by us
    pairs: pl.DataFrame  # left, right: words that stand side by side more than by chance; empty where nobody counted
    misspelt: dict[str, str]


def check(name: str, language: str) -> None:
    """Refuse a dictionary that there is not.

    >>> check("symspell", "de")
    Traceback (most recent call last):
    ...
    ValueError: symspell has English only; for "de" say dictionary = "wordfreq"
    """
    if name not in ("symspell", "wordfreq"):
        raise ValueError(f'dictionary is "symspell" or "wordfreq", not "{name}"')
    if name == "symspell" and language != "en":
        raise ValueError(f'symspell has English only; for "{language}" say dictionary = "wordfreq"')


@cache
def load(name: str, language: str) -> Dictionary:
    """Read a dictionary once: 0.1 s for English.

    `symspell`: 82,834 English words and 242,342 pairs with their counts, from the package symspellpy (Garbe; Google
    Books n-grams where they meet the spell checkers' word lists SCOWL). `wordfreq`: 40 languages from the package of
    that name (Speer 2022; extra `languages`), words only.

    >>> load("symspell", "en").words.filter(pl.col("word") == "the")["zipf"].round(1).item()
    7.6
    """
    check(name, language)
    counted = _symspell() if name == "symspell" else _wordfreq(language)
    counted = counted.with_columns(listed=pl.lit(False))
    if language != "en":
        return Dictionary(counted, _no_pairs(), {})
    ours = pl.DataFrame({"word": sorted({word for line in _lines("known_words.txt") for word in line.split()})})
    both = pl.concat([counted, ours.with_columns(zipf=pl.lit(KNOWN), listed=pl.lit(True))])
    words = both.group_by("word").agg(pl.col("zipf").max(), pl.col("listed").any()).sort("word")
    misspelt = dict(line.split(maxsplit=1) for line in _lines("misspellings.txt"))
    return Dictionary(words, _symspell_pairs() if name == "symspell" else _no_pairs(), misspelt)


def _lines(name: str) -> list[str]:
    text = resources.files("tuneset.spelling").joinpath(name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if not line.startswith("#")]


def _symspell() -> pl.DataFrame:
    counted = _table("frequency_dictionary_en_82_765.txt", ["word", "count"])
    zipf = (pl.col("count") / pl.col("count").sum() * PER_BILLION).log10()
    word = pl.col("word").str.strip_chars("\ufeff")
    return counted.select(word, zipf=pl.when(word.str.contains("'")).then(CONTRACTED).otherwise(zipf))


def _symspell_pairs() -> pl.DataFrame:
    counted = _table("frequency_bigramdictionary_en_243_342.txt", ["left", "right", "count"])
    return counted.select(pl.col("left").str.strip_chars("\ufeff"), "right")


def _table(name: str, columns: list[str]) -> pl.DataFrame:
    with resources.as_file(resources.files("symspellpy").joinpath(name)) as path:
        return pl.read_csv(path, separator=" ", has_header=False, new_columns=columns, quote_char=None)


def _no_pairs() -> pl.DataFrame:
    return pl.DataFrame(schema={"left": pl.String, "right": pl.String})


def _wordfreq(language: str) -> pl.DataFrame:
    wordfreq = need("wordfreq", "languages")
    try:
        counted = wordfreq.get_frequency_dict(language, wordlist="best")
    except LookupError as error:
        known = ", ".join(sorted(wordfreq.available_languages()))
        raise ValueError(f'wordfreq has no language "{language}"; there are: {known}') from error
    shares = np.fromiter(counted.values(), dtype=np.float64, count=len(counted))
    words = pl.DataFrame({"word": list(counted), "zipf": np.log10(shares * PER_BILLION)})
    return words.filter(pl.col("zipf") >= LEAST_WORDFREQ)
