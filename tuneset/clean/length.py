"""The steps that find texts far shorter or far longer than the rest of the set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
import polars as pl

from tuneset.clean.say import dropped
from tuneset.step import Scope  # noqa: TC001  a recipe resolves these annotations

if TYPE_CHECKING:
    from collections.abc import Mapping

SAMPLE = 20_000  # rows from which the usual length is learned
LEAST = 20  # in fewer rows no length is usual
EVERYDAY = 0.05  # a length that this share of the rows has is the set's way, not a fault
LONG = 200  # words that a text may have in any set
# A run of letters and digits is a word; where a script writes no spaces, each character is.
WORDS = (
    r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]|[\p{L}\p{M}\p{N}'\x{2019}-]*?[\p{L}\p{N}]+"
)
SEEN = r"\p{L}\p{N}\p{So}\p{Sc}"


class Usual(NamedTuple):
    """How long the texts of a set are: the quartiles of their words, and Tukey's fences far outside these."""

    lower: float
    upper: float
    least: float
    most: float
    size: float  # in bytes, the lower quartile


@dataclass(frozen=True)
class TooShort:
    """Flag texts that are too short to ask anything.

    Why it hurts: from "?", or from one word where all others write a paragraph, a model learns to guess.
    How: a text is too short where it has fewer than `characters` letters, digits or pictures (an emoji or a Chinese
    character counts as two and more), or fewer words than `words`. Where `words` is 0, the set decides: 3 times the
    distance between its quartiles below the lower one, on a log scale (Tukey's fence for what is far out), and never
    where 1 row in 20 is that short, or half of the rows with that label: "hi" may well be a greeting.
    `drop`: leave them out without being asked.
    Measured: no row of CLINC150, BANKING77, HWU64 and 10,000 paraphrases is flagged (bench/quality/worth.py).
    Limits: in a set of short inquiries one word is never too short; what a short text lacks is not judged.

    >>> from tuneset.testing import examples
    >>> TooShort()(examples(["Where is my order?", "?"])).select("action", "when", "says").rows()
    [('drop', 'on-accept', 'nothing to read in "?"')]
    """

    rule: ClassVar[str] = "too-short"
    scope: ClassVar[Scope] = "example"
    speaks: ClassVar[tuple[list[str | Mapping[str, Any]], ...]] = (
        ["Where is my order?", "?"],
        ["Where is my order?", "x"],
        ["Where is my order?", "..."],
        [
            *("The parcel came on Monday, the box was open and half of what I ordered is missing." for _ in range(25)),
            "box",
        ],
    )
    silent: ClassVar[tuple[list[str | Mapping[str, Any]], ...]] = (
        ["Where is my order?", "hi", "no", "ok", "👍", "退款", "12"],
        [*("Where is my order, and why does nobody answer?" for _ in range(25)), "refund please"],
        [{"text": None}, ""],
    )

    characters: int = 2
    words: int = 0
    drop: bool = False

    def __call__(self, examples: pl.DataFrame) -> pl.DataFrame:
        """Say which examples are far shorter than the others."""
        return self.fit(examples)(examples)

    def fit(self, examples: pl.DataFrame) -> ShorterThan:
        """Learn how long the texts of this set are, and for which labels short texts are usual."""
        usual = _usual(examples)
        least, size = (self.words, float("inf")) if self.words or not usual else (usual.least, usual.size)
        short = _shorter(examples, least, size)
        if not self.words and short.height > EVERYDAY * examples.height:
            least, short = 0, short.clear()
        return ShorterThan(self.characters, least, size, _labels_of(short, examples), usual, self.drop)


@dataclass(frozen=True)
class ShorterThan:
    """Flag texts shorter than what was learned; made by `TooShort.fit`."""

    rule: ClassVar[str] = "too-short"
    scope: ClassVar[Scope] = "example"

    characters: int
    words: float
    size: float  # in bytes: longer texts are not too short, however few words they have
    labels: tuple[str, ...]  # half of whose texts are that short
    usual: Usual | None
    drop: bool

    def __call__(self, examples: pl.DataFrame) -> pl.DataFrame:
        """Say which examples are shorter than the limits."""
        short = _shorter(examples, self.words, self.size)
        labelled = pl.col("messages").is_null() & pl.col("label").is_in(self.labels)
        short = short.filter(~labelled.fill_null(value=False)).with_columns(says=self._says())
        blank = examples.filter(
            pl.col("text").str.contains(r"\S") & ~pl.col("text").str.contains(_seen(self.characters))
        )
        blank = blank.with_columns(says=pl.format('nothing to read in "{}"', pl.col("text").str.strip_chars()))
        both = pl.concat([blank, short.select(blank.columns)]).unique("id", keep="first", maintain_order=True)
        return dropped(self.rule, both, applied=self.drop)

    def _says(self) -> pl.Expr:
        words = pl.col("text").str.count_matches(WORDS)
        counted = pl.format("{} word{}", words, pl.when(words == 1).then(pl.lit("")).otherwise(pl.lit("s")))
        return pl.concat_str(counted, pl.lit(_beside(self.usual)))


@dataclass(frozen=True)
class TooLong:
    """Flag examples that a trainer would cut, and texts far longer than the rest of the set.

    Why it hurts: a trainer cuts what is too long from the end, where the answer is, and nobody is told; and a text far
    longer than all others is often a whole page, or a mail with everything that was ever quoted below it.
    How: an example is too long where it has more than `tokens` tokens, counted as for the report; or where its text has
    more words than `words`. Where `words` is 0, the set decides: 3 times the distance between its quartiles above the
    upper one, on a log scale (Tukey's fence for what is far out), but never fewer than 200 words.
    `drop`: leave them out without being asked.
    Measured: no row of CLINC150, BANKING77, HWU64 and 10,000 paraphrases is flagged (bench/quality/worth.py).
    Limits: 2,048 tokens is what many trainers read unless told otherwise (TRL: 1,024); platforms read far more, so
    set `tokens` to what yours reads. Counts are those of one tokenizer; images count nothing.

    >>> from tuneset.testing import examples
    >>> TooLong(tokens=20)(examples(["Where is my order?", "no " * 30]))["says"].to_list()
    ['about 43 tokens; a trainer that reads 20 cuts it at the end, where the answer is']
    """

    rule: ClassVar[str] = "too-long"
    scope: ClassVar[Scope] = "example"
    speaks: ClassVar[tuple[list[str | Mapping[str, Any]], ...]] = (
        ["where is my order? " * 600],
        [*("Where is my order?" for _ in range(25)), "and then he said that " * 60],
    )
    silent: ClassVar[tuple[list[str | Mapping[str, Any]], ...]] = (
        [*("Where is my order?" for _ in range(25)), "I ordered a blue jacket in May and " * 10],
        [{"text": None}, ""],
    )

    tokens: int = 2048
    words: int = 0
    drop: bool = False

    def __call__(self, examples: pl.DataFrame) -> pl.DataFrame:
        """Say which examples are far longer than the others."""
        return self.fit(examples)(examples)

    def fit(self, examples: pl.DataFrame) -> LongerThan:
        """Learn how long the texts of this set are."""
        usual = _usual(examples)
        most = self.words or (max(usual.most, LONG) if usual else float("inf"))
        return LongerThan(self.tokens, most, usual, self.drop)


@dataclass(frozen=True)
class LongerThan:
    """Flag texts longer than what was learned; made by `TooLong.fit`."""

    rule: ClassVar[str] = "too-long"
    scope: ClassVar[Scope] = "example"

    tokens: int
    words: float
    usual: Usual | None
    drop: bool

    def __call__(self, examples: pl.DataFrame) -> pl.DataFrame:
        """Say which examples are longer than the limits."""
        from tuneset.targets import tokens  # noqa: PLC0415  its tables take 0.3 s, and few sets have a long row

        size = pl.sum_horizontal(pl.col("text", "label", "messages").str.len_bytes().fill_null(0))
        cut = examples.filter(size > self.tokens)  # a token is a byte at least
        cut = cut.with_columns(pl.Series("tokens", tokens.count(cut))).filter(pl.col("tokens") > self.tokens)
        cut = cut.with_columns(
            says=pl.format(
                "about {} tokens; a trainer that reads {} cuts it at the end, where the answer is",
                "tokens",
                pl.lit(self.tokens),
            )
        )
        # n words and the spaces between them have 2n - 1 bytes or more
        long = examples.filter(pl.col("text").str.len_bytes() >= 2 * self.words - 1)
        long = long.filter(pl.col("text").str.count_matches(WORDS) > self.words)
        words = pl.format("{} words", pl.col("text").str.count_matches(WORDS))
        long = long.with_columns(says=pl.concat_str(words, pl.lit(_beside(self.usual))))
        both = pl.concat([cut.select(long.columns), long]).unique("id", keep="first", maintain_order=True)
        return dropped(self.rule, both, applied=self.drop)


def _usual(examples: pl.DataFrame) -> Usual | None:
    """Learn the usual length from a sample; the rows with the smallest ids are one that no order of the rows changes."""
    sample = examples.filter(pl.col("text").str.contains(r"\S")).bottom_k(SAMPLE, by="id")
    if sample.height < LEAST:
        return None
    words = sample["text"].str.count_matches(WORDS).to_numpy()
    lower, upper = np.quantile(words, [0.25, 0.75])
    apart = max((upper + 1) / (lower + 1), 1.5)  # sets of one length, such as templates, are allowed some spread
    least, most = (lower + 1) / apart**3 - 1, (upper + 1) * apart**3 - 1
    return Usual(lower, upper, float(least), float(most), float(sample["text"].str.len_bytes().quantile(0.25) or 0))


def _shorter(examples: pl.DataFrame, words: float, size: float) -> pl.DataFrame:
    if words <= 1:
        return examples.clear()
    small = examples.filter((pl.col("text").str.len_bytes() <= size) & pl.col("text").str.contains(r"\S"))
    return small.filter(pl.col("text").str.count_matches(WORDS) < words)


def _labels_of(short: pl.DataFrame, examples: pl.DataFrame) -> tuple[str, ...]:
    """Name the labels of tables for which a short text is usual: half of their rows, and more than one."""
    counts = short.filter(pl.col("messages").is_null()).group_by("label").len()
    among = examples.join(counts, on="label", how="semi").group_by("label").agg(all=pl.len())
    usual = counts.join(among, on="label").filter((pl.col("len") * 2 >= pl.col("all")) & (pl.col("len") > 1))
    return tuple(usual["label"].sort().to_list())


def _seen(characters: int) -> str:
    """Match texts with that many letters, digits or pictures; one beyond ASCII is worth two."""
    more = rf"(?:.*?[{SEEN}]){{{max(characters - 1, 0)}}}"
    return rf"(?s)[{SEEN}]{more}|[{SEEN}--\x00-\x7f]"


def _beside(usual: Usual | None) -> str:
    return f"; half of the set's texts have {usual.lower:.0f} to {usual.upper:.0f}" if usual else ""
