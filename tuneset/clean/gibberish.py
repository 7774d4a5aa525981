"""The step that finds keyboard mash and random letters."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import islice
from string import ascii_lowercase
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol

import numpy as np
import polars as pl

from tuneset.clean.language import hear
from tuneset.clean.say import doubts
from tuneset.spelling.dictionary import load
from tuneset.spelling.word_counts import PART, SPACES
from tuneset.step import Scope  # noqa: TC001  a recipe resolves these annotations

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

COMMON = (
    150  # words looked for in the whole column; 600 take twice the time to leave 1 row in 1,000 instead of 1 in 200
)
SAMPLE = 20_000  # rows from which the set's words are learned
ENGLISH = (
    0.7  # share of the words that the English word list knows in an English set; 0.93 and more in the sets measured
)
LEAST = 1_000  # words below which a set is too small to tell how its words are spelled
FAR = 9.0  # median distances from the median at which a spelling is far out; see `Gibberish`
ALONE = 0.8  # how much farther out one odd word alone must be: it may be a name
LOOKED_AT = 2_000  # characters of a text
LETTERS = r"\p{L}+(?:['\x{2019}]\p{L}+)*"

_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertzuiop", "yxcvbnm", "azertyuiop", "qsdfghjklm", "wxcvbn")
_RUNS = frozenset(
    piece
    for row in (*_ROWS, *(row[::-1] for row in _ROWS))
    for start in range(len(row))
    for end in range(start + 3, len(row) + 1)
    if (piece := row[start:end])
)
_CODE = re.compile(r"[\d_@/\\:#=&+]|\w\.\w|\w-\w|[a-z][A-Z]|[A-Z]{2}[a-z]")
_EDGES = re.compile(r"^\W+|\W+$")
_STRETCHED = re.compile(r"(.)\1{2,}")
_POSSESSIVE = re.compile(r"['\u2019]s?$")


Verdict = bool | None


class Verdicts(Protocol):
    """Say whether a word is gibberish, given how unlikely it may be spelled and whether it begins a text."""

    def __call__(self, word: str, limit: float, *, first: bool) -> Verdict:
        """Judge one word."""


class Known(NamedTuple):
    """Words that are none of gibberish: those of a word list, and those that the set uses more than once."""

    listed: frozenset[str]
    here: frozenset[str]


@dataclass(frozen=True)
class Gibberish:
    """Flag texts that are keyboard mash or random letters.

    Why it hurts: somebody who tested the form, or a bot, asked nothing, and the label is a guess that the model learns.
    How: a word is gibberish where it is made of neighbouring keys ("asdfgh", "qweqwe"), of one letter five times or more,
    or spelled as no word of the set is: its letters are less likely after one another than those of other words, by 9
    median distances from the median (a model of three letters, learned from the set's own words; from a word list of
    83,000 words where the set is English). A text is flagged where at least `share` of its letters are in such words, and
    one of them has five letters, or all of them eight. Never judged: words of a list or that the set uses twice, codes
    with digits or signs, addresses, capitals inside a sentence, letters that the set does not use, sounds ("hmm",
    "hahaha") and short words; one odd word alone must be odder than several.
    `drop`: leave them out without being asked.
    Measured: no false alarm in CLINC150, BANKING77, HWU64 and 10,000 paraphrases; of 500 rows of five kinds planted in
    each of the first three, recall .93 at precision 1.00: keys in a row and repeated letters .98 to 1.00, mash .82 to .87,
    random letters .78 to .87 (bench/quality/worth.py).
    Limits: English needs no training; in other languages, in sets with fewer than 1,000 different words, only keys and
    repeated letters are seen. Random letters that can be spoken ("wexuli") pass, and so do scripts without capitals. A
    lone word of another language, a brand or a rare name may be flagged.

    >>> from tuneset.testing import examples
    >>> Gibberish()(examples(["Where is my order?", "asdfghjkl qwer"])).select("action", "when", "says").rows()
    [('drop', 'on-accept', 'no words: "asdfghjkl qwer"')]
    """

    rule: ClassVar[str] = "gibberish"
    scope: ClassVar[Scope] = "example"
    speaks: ClassVar[tuple[list[str | Mapping[str, Any]], ...]] = (
        ["Where is my order?", "asdfghjkl"],
        ["Where is my order?", "aaaaaaaa"],
        ["Where is my order?", "QWERTYUI asdf ok"],
    )
    silent: ClassVar[tuple[list[str | Mapping[str, Any]], ...]] = (
        [
            "hmm",
            "ok",
            "asap",
            "lol",
            "hahahaha",
            "brrrr",
            "👍👍👍",
            "12345 67890",
            "AX-2231-QWERT",
            "xxxx xxxx",
            "soooooo late",
        ],
        ["Krzysztof Brzęczyszczykiewicz", "Strč prst skrz krk", "https://shop.com/asdfghjkl", "asdfghjkl@shop.com"],
        ["my password asdfghjkl does not work"],
    )

    share: float = 0.5
    drop: bool = False

    def __call__(self, examples: pl.DataFrame) -> pl.DataFrame:
        """Say which examples have no words in them."""
        return self.fit(examples)(examples)

    def fit(self, examples: pl.DataFrame) -> LearnedSpelling:
        """Learn which words the set uses, and how they are spelled."""
        texts = examples.select("id", "text").drop_nulls().bottom_k(SAMPLE, by="id")["text"].unique()
        seen = _seen_in(texts)
        often = seen.filter(pl.col("len") > 1)["word"].to_list()
        known = int(seen.filter(pl.col("word").is_in(english()))["len"].sum())
        lists = english() if known >= ENGLISH * max(int(seen["len"].sum()), 1) else frozenset()
        most = seen.filter(pl.col("len") >= max(4, 0.002 * len(texts))).sort("len", "word", descending=[True, False])
        plain = (word for word in most["word"].to_list() if (word in lists if lists else not is_keyed(word)))
        common = sorted(islice(plain, COMMON))
        alphabet, table, limit = _english() if lists else _spelling(seen["word"].to_list())
        return LearnedSpelling(
            tuple(common), tuple(sorted({*often} - lists)), bool(lists), alphabet, table, limit, self.share, self.drop
        )


@dataclass(frozen=True)
class LearnedSpelling:
    """Flag texts spelled as no word of the set is; made by `Gibberish.fit`."""

    rule: ClassVar[str] = "gibberish"
    scope: ClassVar[Scope] = "example"

    common: tuple[str, ...]
    words: tuple[str, ...]
    is_english: bool
    alphabet: str
    table: bytes  # log-probability of each letter after two others, as 32-bit numbers
    limit: float
    share: float
    drop: bool

    def __call__(self, examples: pl.DataFrame) -> pl.DataFrame:
        """Say which examples have no words in them."""
        text = pl.col("text")
        suspects = examples.select("id", "messages", "text").filter(text.is_not_null())
        if self.common:  # a word in 16 letters that is common here: no gibberish, and 19 of 20 rows
            common = text.str.count_matches(rf"(?i)\b(?:{'|'.join(self.common)})\b")
            suspects = suspects.filter(common * 16 < text.str.len_bytes())
        verdict = self._verdicts()
        odd = _may_be(suspects["text"], lambda word: verdict(word, self.limit, first=True) is True, self.share)
        return doubts(self.rule, suspects.filter(odd), self._judge(verdict), applied=self.drop)

    def _verdicts(self) -> Verdicts:
        known = Known(english() if self.is_english else frozenset(), frozenset(self.words))
        spelled = _speller(self.alphabet, self.table)

        @lru_cache(65_536)
        def verdict(word: str, limit: float, *, first: bool) -> Verdict:
            return _verdict(word, known, spelled, limit, first=first)

        return verdict

    def _judge(self, verdict: Verdicts) -> Callable[[str], tuple[str, float] | None]:
        def judge(text: str) -> tuple[str, float] | None:
            """Weigh the letters of what is no word against all others."""
            tokens = text[:LOOKED_AT].split()
            shouted = text.isupper()
            limit = self.limit - (ALONE if len(tokens) == 1 else 0)  # one odd word alone may be a name
            bad, letters, whole = [], 0, 0
            for place, token in enumerate(tokens):
                word = _EDGES.sub("", token)
                is_bad = verdict(word.lower() if shouted else word, limit, first=place == 0)
                whole += len(word)
                if is_bad:
                    bad.append(word)
                    letters += len(word)
            if (
                (max(map(len, bad), default=0) < 5 and letters < 8)
                or letters < self.share * whole
                or _is_foreign(text, len(bad))
            ):
                return None
            return f'no words: "{" ".join(bad)[:60]}"', round(letters / whole, 3)

        return judge


def _may_be(texts: pl.Series, is_odd: Callable[[str], bool], share: float) -> pl.Series:
    """Mark the texts in which odd words, wherever they stand, have that share of the letters.

    Each distinct word is judged once and the texts are summed up from that: of a million rows of random words next to
    none is left to be read word by word, which took ten times as long.
    """

    @lru_cache(65_536)
    def weight(token: str) -> float:
        word = _EDGES.sub("", token)
        return len(word) * ((is_odd(word) or is_odd(word.lower())) - share)

    found = [np.zeros(0, np.bool_)]
    for part in texts.to_frame("text").iter_slices(PART):
        cut = part["text"].str.head(LOOKED_AT).str.replace_all(f"[\n{SPACES}]", " ").str.split(" ")
        tokens = cut.explode()
        distinct = tokens.unique()
        weights = pl.Series([weight(token) for token in distinct.to_list()], dtype=pl.Float64)
        line = tokens.replace_strict(distinct, weights, return_dtype=pl.Float64).to_numpy()
        sizes = cut.list.len().to_numpy().astype(np.int64)
        found.append(np.add.reduceat(line, np.cumsum(sizes) - sizes) > -1e-6)  # what float sums may be off
    return pl.Series(np.concatenate(found), dtype=pl.Boolean)


def _verdict(word: str, known: Known, spelled: Callable[[str], float | None], limit: float, *, first: bool) -> Verdict:
    """Say whether a word is gibberish; None for what is neither, such as sounds, initials and odd short words."""
    lower = _POSSESSIVE.sub("", word.lower())
    if is_keyed(lower.replace(";", "")) and lower not in known.listed:
        return True
    if not word or _CODE.search(word) or lower in known.listed or not word.isalpha():
        return False if word else None
    plain = _STRETCHED.sub(r"\1", lower)
    if len(plain) == 1 and len(lower) >= 5 and plain not in "hmzkwx":
        return True
    if lower in known.here or plain in known.listed or (word[0].isupper() and not first):
        return False
    # hahaha, lololol, hmmm; GmbH, SWIFT
    if len(plain) < 4 or len({*plain}) < 4 or (word.isupper() and len(word) < 7):
        return None
    likely = spelled(plain)
    return likely is not None and likely < limit - (1 if word[0].isupper() else 0)


def is_keyed(word: str) -> bool:
    """Say whether a word is nothing but neighbouring keys, three or more in a row, on one of the usual keyboards.

    >>> is_keyed("asdfghjkl"), is_keyed("qweasdzxc"), is_keyed("jkljkljk"), is_keyed("were"), is_keyed("treasury")
    (True, True, True, False, False)
    """
    unit = next((word[:n] for n in (3, 4) if len(word) > 2 * n and word[n:] == word[:-n]), word)
    reached = {0}
    for end in range(3, len(unit) + 1):
        if any(unit[start:end] in _RUNS for start in reached if end - start <= 10):
            reached.add(end)
    return len(word) >= 4 and len(unit) in reached


def _is_foreign(text: str, odd: int) -> bool:
    """Ask, of several odd words, whether they are another language's."""
    if not text.isascii():
        return any(letter.isalpha() and not letter.isascii() for letter in text)
    return odd > 2 and max(hear(text).likely.values(), default=0) >= 0.95


@cache
def english() -> frozenset[str]:
    """Return the English words that are known."""
    return frozenset(load("symspell", "en").words["word"].to_list())


@cache
def _english() -> tuple[str, bytes, float]:
    return _spelling(english())


def _seen_in(texts: pl.Series) -> pl.DataFrame:
    """Count in how many of the texts (those of three words and more) each word stands: `word` and `len`."""
    words = texts.str.to_lowercase().str.extract_all(LETTERS)
    return (
        words.filter(words.list.len() > 2).list.unique().explode().alias("word").drop_nulls().value_counts(name="len")
    )


def _spelling(words: Collection[str]) -> tuple[str, bytes, float]:
    """Learn how words are spelled: their letters, a table of letters after two others, and the limit of what is usual.

    The limit is learned on half of the words, held out from the other: `FAR` median distances below the median.
    """
    plain = sorted(word for word in words if word.isalpha())
    if len(plain) < LEAST:
        return "", b"", -np.inf
    counts = Counter("".join(plain))
    used = {letter for letter, count in counts.items() if count >= 1e-4 * counts.total()}
    latin = {*ascii_lowercase}
    alphabet = "".join(sorted(used | latin if len(used & latin) > 13 else used))
    held_out = _speller(alphabet, _table(alphabet, plain[::2]))
    scores = np.array([score for word in plain[1::2][::7] if len(word) > 4 and (score := held_out(word)) is not None])
    middle = float(np.median(scores))
    apart = float(np.median(np.abs(scores - middle)))
    return alphabet, _table(alphabet, plain), round(middle - FAR * apart, 4)


def _table(alphabet: str, words: list[str]) -> bytes:
    """Estimate the log-probability of each letter after two others, smoothed by shorter contexts (Jelinek and Mercer 1980)."""
    size = len(alphabet) + 1  # 0 is the edge of a word
    letters = np.frombuffer("\0\0".join(["", *words, ""]).encode("utf-32-le"), dtype=np.uint32)
    codes = np.frombuffer(alphabet.encode("utf-32-le"), dtype=np.uint32)
    place = np.searchsorted(codes, letters).clip(max=len(codes) - 1)
    line = np.where(codes[place] == letters, place + 1, 0)
    three = np.bincount((line[:-2] * size + line[1:-1]) * size + line[2:], minlength=size**3).reshape(size, size, size)
    two, one = three.sum(axis=0), three.sum(axis=(0, 1))
    single = (one + 1) / (one.sum() + size)
    double = (two + 5 * single) / (two.sum(axis=1, keepdims=True) + 5)
    triple = (three + 3 * double) / (three.sum(axis=2, keepdims=True) + 3)
    return bytes(np.log(triple).astype(np.float32).tobytes())


def _speller(alphabet: str, table: bytes) -> Callable[[str], float | None]:
    """Make what scores a word: the mean log-probability of its letters, None where one is not of the alphabet."""
    size = len(alphabet) + 1
    number = {letter: place for place, letter in enumerate(alphabet, 1)}
    logs: list[float] = np.frombuffer(table, dtype=np.float32).tolist()

    def score(word: str) -> float | None:
        codes = [number.get(letter, 0) for letter in word]
        if not logs or not all(codes):
            return None
        line = [0, 0, *codes, 0]
        return sum(logs[(a * size + b) * size + c] for a, b, c in zip(line, line[1:], line[2:], strict=False)) / (
            len(line) - 2
        )

    return score
