"""Which words of a set are probably misspelt, and what was meant: its own counts, a dictionary, and odds."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import polars as pl

from tuneset.spelling.neighbours import EDITS, LONGEST, neighbours
from tuneset.spelling.word_counts import CAPITALS, END, LOWER, START, TITLE, UNKNOWN, Words, read

if TYPE_CHECKING:
    from tuneset.spelling.dictionary import Dictionary

MOST_FAMILIAR = 30_000  # words of a dictionary that somebody may have meant; the set's own come on top
OWN = 3  # times a word must stand in the set to be one that somebody may have meant
FAMILIAR = 3.0  # zipf: the same for a word that the set has less often
RARE = 4.0  # zipf: what is more common than once in 100,000 words is never taken for a typo
LANGUAGE = 0.6  # share of a set's words that must be known
ROW = 0.5  # the same for the other words of a row
PRIOR = 2_000  # words: how much the dictionary weighs beside the set's own counts
PRIOR_PAIRS = 3  # pairs: how much a word's own frequency weighs beside its neighbours
PLACES = 5  # looked at for each suspect
TOKENS = 1_000_000  # read to count which words stand side by side
SUSPECTS = 100_000  # the most that are looked at: text has fewer, and noise need not be looked at
LEAST = 0.3  # confidence from which a correction is suggested
WELL_KNOWN = 0.98  # confidence in a misspelling that is known as such; what is worked out is never as sure
BAR = 0.8  # confidence that it takes where the word is a word too, or as short as a code: "diner", "mst"

# American spellings, rewritten into the British ones that the dictionary has.
AMERICAN = (
    (r"or(s|ed|ing|able|ite|ites|ful|less|hood|hoods|er|ers|al|ally)?$", "our$1"),
    (r"([aeiou][^aeiou]+[aeiou])l(ed|ing|er|ers|or|ors|ation|y)$", "${1}ll$2"),
    (r"er(s|d)?$", "re$1"),
    (r"er(ed|ing)$", "r$1"),
    (r"([iy])z(e|ed|es|er|ers|ing|ation|ations|able)$", "${1}s$2"),
    (r"ens(e|es|ed|ive|ing)$", "enc$1"),
)
BRANDED = r"^[ietumx]"  # iRobot, eMail, tMobile, uDrive, mLife, xBox

_MASS = pl.col("meant_n") + PRIOR * 10 ** (pl.col("meant_zipf") - 9)
_LENGTH = pl.col("word").str.len_chars()
FEATURES: dict[str, pl.Expr] = {
    "frequency": (_MASS / (pl.col("total") + PRIOR)).log10() + 9,
    "familiarity": pl.col("meant_zipf"),
    "ratio": ((_MASS + 0.5) / pl.col("n")).log10(),
    "own familiarity": pl.col("zipf"),
    "ratio where known": pl.when(pl.col("zipf") > 0).then(((_MASS + 0.5) / pl.col("n")).log10()).otherwise(0.0),
    "length": _LENGTH.clip(3, 9),
    "three letters": _LENGTH == 3,
    "first letter": pl.col("at") == 0,
    "last letter": pl.col("at") >= pl.col("meant").str.len_chars() - 1,
    "context": pl.col("context"),
    "neighbours known": pl.col("pairs"),
    "size": pl.col("total").log10(),
    **{edit: pl.col("edit") == edit for edit in EDITS[1:]},
}

# Fitted by logistic regression to one half of each set: bench/quality/typos.py --fit
BIAS = -4.3
WEIGHTS: dict[str, float] = {
    "frequency": 0.56,
    "familiarity": 0.32,
    "ratio": 0.62,
    "own familiarity": -1.26,
    "ratio where known": 1.4,
    "length": 0.62,
    "three letters": -0.42,
    "first letter": -0.77,
    "last letter": -0.79,
    "context": 0.56,
    "neighbours known": 1.1,
    "size": -0.49,
    "beside": -1.28,
    "insert": -2.28,
    "undouble": -0.24,
    "vowel lost": -0.49,
    "lost": -0.56,
    "swap": 0.42,
    "vowels": -1.85,
    "slip": -1.25,
    "substitute": -2.97,
}


def misspelt(texts: pl.Series, dictionary: Dictionary, guarded: frozenset[str] = frozenset()) -> pl.DataFrame:
    """Say which words are probably misspelt: `word`, `meant`, the `confidence`, and `n`, how often the word is there.

    Texts in another language than the dictionary's give nothing; names, and words that are `guarded`, are left alone.

    >>> from tuneset.spelling.dictionary import load
    >>> said = misspelt(pl.Series(["I recieve mail", "did you receive it"]), load("symspell", "en"))
    >>> said.select("word", "meant").rows()
    [('recieve', 'receive')]
    """
    pairs = suspicions(texts, dictionary, guarded)
    odds = sum((weight * FEATURES[name].cast(pl.Float64) for name, weight in WEIGHTS.items()), pl.lit(BIAS))
    judged = pairs.with_columns(
        confidence=pl.when(pl.col("edit").is_null())
        .then(WELL_KNOWN)
        .otherwise((1 / (1 + (-odds).exp())).clip(0, WELL_KNOWN - 0.01))
        .round(4)
    )
    best = judged.sort("confidence", "meant", descending=[True, False]).unique("word", keep="first")
    doubtful = (pl.col("zipf") > 0) | (_LENGTH <= 3)
    best = best.filter(~doubtful | (pl.col("confidence") >= BAR))
    return best.select("word", "meant", "confidence", "n").sort("word")


def suspicions(texts: pl.Series, dictionary: Dictionary, guarded: frozenset[str] = frozenset()) -> pl.DataFrame:
    """Pair each suspect with the words that may have been meant, and with what `FEATURES` needs to judge the pair."""
    words = read(texts)
    table = words.table.join(dictionary.words, on="word", how="left", maintain_order="left")
    table = table.with_columns(
        pl.col("zipf").fill_null(0.0),
        pl.col("listed").fill_null(value=False),
        known=pl.col("zipf").is_not_null() | pl.col("word").is_in(list(dictionary.misspelt)),
        id=pl.int_range(pl.len()),
    )
    suspects = _suspects(table, dictionary, guarded) if _is_of_language(table[END + 1 :]) else table.clear()
    pairs = _pairs(suspects, table, dictionary)
    places = _places(words, table, pairs)
    return _in_context(pairs, places, words, table, dictionary)


def _is_of_language(table: pl.DataFrame) -> bool:
    known, every = table.select(pl.col("n").filter("known").sum(), all=pl.col("n").sum()).row(0)
    return bool(known + 1 >= LANGUAGE * every)  # two words, one of them misspelt, are English


def _suspects(table: pl.DataFrame, dictionary: Dictionary, guarded: frozenset[str]) -> pl.DataFrame:
    """Take what is rare in general and in the set; not what is spelt so on purpose: plurals, "dont", "goin", "sooo"."""
    word = pl.col("word")
    rare = table[END + 1 :].filter(
        (pl.col("zipf") < RARE) & ~pl.col("listed"),
        word.str.contains(r"^\p{L}[\p{L}']+$") & word.str.len_chars().is_between(3, LONGEST),
        ~word.is_in(sorted(guarded)),
    )
    real = pl.concat([dictionary.words["word"], table.filter(pl.col("n") >= OWN)["word"]]).implode()
    contractions = dictionary.words.filter(word.str.contains("'"))["word"].str.replace_all("'", "").implode()
    drawn_out = word.str.contains_any([letter * 3 for letter in string.ascii_lowercase])
    plural = (
        word.str.ends_with("s")
        & (pl.col("zipf") == 0)
        & (word.str.head(-1).is_in(real) | word.str.strip_suffix("es").is_in(real))
    )
    sung = word.str.ends_with("in") & (word + "g").is_in(real)
    own = (pl.col("zipf") > 0) & (pl.col("n") >= OWN)
    shortened = word.str.contains("'(?:s|d|ll|ve|re|m)$")
    usual = own | plural | sung | drawn_out | shortened | word.is_in(contractions)
    suspects = rare.filter(~usual | word.is_in(list(dictionary.misspelt)))
    return suspects.sort("n", "word", descending=[True, False]).head(SUSPECTS)


def _pairs(suspects: pl.DataFrame, table: pl.DataFrame, dictionary: Dictionary) -> pl.DataFrame:
    """Pair suspects with what is close and far more frequent; well-known misspellings with what is known."""
    own = table[END + 1 :].filter(pl.col("n") >= OWN)["word"]
    meant = pl.concat([dictionary.words.top_k(MOST_FAMILIAR, by="zipf")["word"], own])
    meant = meant.filter(meant.str.len_chars().is_between(4, LONGEST) & ~meant.is_in(list(dictionary.misspelt)))
    listed = pl.DataFrame(
        list(dictionary.misspelt.items()), schema={"word": pl.String, "meant": pl.String}, orient="row"
    )
    close = neighbours(suspects["word"], meant.unique()).join(listed, on="word", how="anti")
    known = listed.join(suspects.select("word"), on="word", how="semi")
    counts = table.select(meant="word", meant_n="n", meant_id="id")
    zipfs = dictionary.words.select(meant="word", meant_zipf="zipf")
    pairs = (
        pl.concat([close, known], how="diagonal")
        .join(suspects, on="word")
        .join(counts, on="meant", how="left")
        .join(zipfs, on="meant", how="left")
        .with_columns(
            pl.col("meant_n").fill_null(0),
            pl.col("meant_id").fill_null(table.height),
            pl.col("meant_zipf").fill_null(0.0),
            total=pl.lit(table[END + 1 :]["n"].sum()),
        )
    )
    often, more = pl.col("meant_n") >= OWN * pl.col("n"), pl.col("meant_zipf") > pl.col("zipf") + 0.5
    frequent = (pl.col("meant_zipf") >= FAMILIAR) | often
    frequent &= (pl.col("zipf") == 0) | more | (pl.col("meant_n") >= 10 * pl.col("n"))
    pairs = pairs.filter(frequent | pl.col("edit").is_null())
    usual = pairs.filter(_is_american() | _is_branded() | _is_ending())
    return pairs.join(usual, on="word", how="anti").sort("word", "meant")


def _is_american() -> pl.Expr:
    word, meant = pl.col("word"), pl.col("meant")
    one_way = [word.str.replace(found, british) == meant for found, british in AMERICAN]
    other_way = [meant.str.replace(found, british) == word for found, british in AMERICAN]
    return pl.any_horizontal(*one_way, *other_way) & (word.str.len_chars() >= 5)


def _is_branded() -> pl.Expr:
    return pl.col("word").str.contains(BRANDED) & (pl.col("word").str.slice(1) == pl.col("meant"))


def _is_ending() -> pl.Expr:
    """Another form of the same word is no typo: "alert" and "alerts", "change" and "changer"."""
    word, meant = pl.col("word"), pl.col("meant")
    number = (word == meant + "s") | (meant == word + "s")
    form = (pl.col("zipf") > 0) & (word.str.starts_with(meant) | meant.str.starts_with(word))
    return pl.col("edit").is_not_null() & (number | form)


def _places(words: Words, table: pl.DataFrame, pairs: pl.DataFrame) -> pl.DataFrame:
    """Look up where suspects stand; names and rows of other languages, or of no language, are no places for a typo."""
    wanted = np.zeros(table.height, np.bool_)
    wanted[pairs["id"].to_numpy()] = True
    at = np.flatnonzero(wanted[words.word][words.code])
    ids = pl.DataFrame({"id": words.word[words.code[at]], "at": at})
    places = ids.group_by("id", maintain_order=True).head(PLACES)
    at = places["at"].to_numpy()
    form, begins = words.form[words.code[at]], words.is_first(at)
    begins |= words.ends[words.code[at - 1]]
    following = words.form[words.code[np.minimum(at + 1, len(words.code) - 1)]]
    sentence_goes_on = (following == LOWER) & ~words.is_last(at) & ~words.ends[words.code[at]]
    is_open = (form == LOWER) | ((form == TITLE) & begins & sentence_goes_on)
    is_open |= (form == CAPITALS) & words.is_shouted(at)
    listed = places["id"].is_in(pairs.filter(pl.col("edit").is_null())["id"].implode()).to_numpy()
    is_open &= listed | _is_among_words(words, table, at)
    return places.with_columns(left=words.before(at), right=words.after(at), is_open=pl.Series(is_open))


def _is_among_words(words: Words, table: pl.DataFrame, at: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Say whether each token stands in a row that has words of the language besides, and enough of them."""
    known = table["known"].to_numpy()[words.word]
    judged = words.word != UNKNOWN
    sums = [np.concatenate([[0], np.cumsum(flags[words.code], dtype=np.int64)]) for flags in (known, judged)]
    text = words.text_of(at)
    knows, all_words = (total[words.starts[text + 1]] - total[words.starts[text]] for total in sums)
    others = knows - known[words.code[at]]
    return np.asarray((others > 0) & (others + 1 >= ROW * all_words))


def _in_context(
    pairs: pl.DataFrame, places: pl.DataFrame, words: Words, table: pl.DataFrame, dictionary: Dictionary
) -> pl.DataFrame:
    """Add to each pair how well what is meant fits between the words around: in this set, and in general."""
    numbers = table["n"].to_numpy()
    around = pairs.select("word", "meant", "id", "meant_id", "meant_n", "meant_zipf", "total", "zipf").join(
        places, on="id", maintain_order="left_right"
    )
    left, right, meant = (around[name].to_numpy() for name in ("left", "right", "meant_id"))
    share = around.select(_MASS / (pl.col("total") + PRIOR)).to_series().to_numpy()
    follows = (numbers[right] + 1) / (around["total"].to_numpy() + 1)
    asked = np.concatenate([left, meant]), np.concatenate([meant, right])
    before, behind = np.split(_side_by_side(words, *asked), 2)
    meant_n = around["meant_n"].to_numpy()
    lift_before = (before + PRIOR_PAIRS * share) / (numbers[left] + PRIOR_PAIRS) / share
    lift_behind = (behind + PRIOR_PAIRS * follows) / (meant_n + PRIOR_PAIRS) / follows
    names = table["word"]
    spelt = around.with_columns(left=names.gather(left), right=names.gather(right))
    lefts = pl.concat([spelt["left"], spelt["meant"], spelt["word"]]).unique().implode()
    usual = dictionary.pairs.filter(pl.col("left").is_in(lefts))  # before the joins: a fifth of their time
    context = spelt.with_columns(
        context=np.log10(lift_before) + np.log10(lift_behind),
        pairs=_is_pair(spelt, "left", "meant", usual) + _is_pair(spelt, "meant", "right", usual),
        fits=_is_pair(spelt, "left", "word", usual) + _is_pair(spelt, "word", "right", usual),
    )
    means = context.group_by("word", "meant").agg(pl.col("context", "pairs", "fits", "is_open").mean())
    fits_as_it_is = (pl.col("zipf") > 0) & (pl.col("fits") > 0) & pl.col("edit").is_not_null()
    joined = pairs.join(means, on=["word", "meant"], maintain_order="left")
    return joined.filter((pl.col("is_open") >= 0.5) & ~fits_as_it_is)


def _is_pair(around: pl.DataFrame, left: str, right: str, usual: pl.DataFrame) -> pl.Series:
    """Say, as 0 or 1, whether two columns' words stand side by side in general."""
    flagged = usual.with_columns(is_pair=pl.lit(1))
    asked = around.select(left=left, right=right)
    return asked.join(flagged, on=["left", "right"], how="left", maintain_order="left")["is_pair"].fill_null(0)


def _side_by_side(words: Words, left: npt.NDArray[np.int64], right: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Count how often two words stand side by side; in a part of a large set, scaled to the whole."""
    size = words.table.height + 1  # the last id is that of a word that the set does not have
    asked, where = np.unique(left * size + right, return_inverse=True)
    every = len(words.code) // TOKENS + 1
    lengths = np.diff(words.starts)
    texts = np.flatnonzero((lengths > 0) & (np.arange(len(lengths)) % every == 0))
    lengths = lengths[texts]
    stops = lengths.cumsum()
    at = np.repeat(words.starts[texts] - stops + lengths, lengths) + np.arange(lengths.sum())
    ids = words.word[words.code[at]]
    previous = np.roll(ids, 1)
    previous[stops - lengths] = START
    there = np.concatenate([previous * size + ids, ids[stops - 1] * size + END])
    place = np.searchsorted(asked, there)
    found = place[(place < len(asked)) & (asked[place % max(1, len(asked))] == there)] if len(asked) else place[:0]
    return np.bincount(found, minlength=len(asked))[where].astype(np.float64) * every
