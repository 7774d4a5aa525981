"""Examples that stand in other sets too: benchmarks, held-back rows, earlier runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
import polars as pl

from tuneset import model, near, sources
from tuneset.near.grams import jaccard, news, packed, ragged, rows_of
from tuneset.step import (
    Scope,
    folded,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tuneset.near.grams import Floats, Ints, Words

RUN = 6  # words in a row that count as taken over; shorter texts are too common to be told from chance
TEMPLATE = 128  # rows that share a run of words from which on it is a template and tells nothing
ROWS = 1 << 16  # examples looked at in one go
CANDIDATES = 1 << 22  # pairs looked at in one go
LOW = np.uint64(0xFFFFFFFF)


@dataclass(frozen=True)
class Contamination:
    r"""Flag examples that stand in another set, such as the benchmark that the model will be measured by.

    Why it hurts: a model that has seen the questions of a test is measured by its memory.
    How: `against` names the files, in any format that can be read (`text` names their column where it cannot be
    guessed). Each example is compared with each of their rows: the same but for case and white space; nearly the same
    (as in near-duplicate: Jaccard similarity of character 3-grams of at least `threshold`); or holding it: of the runs
    of six words of the other row, a share of at least `threshold` stands in the example. The most similar row is named.
    Candidates come from prefix filtering (Chaudhuri, Ganti and Kaushik 2006), which misses none.
    It is a suggestion: whoever accepts it leaves the example out. `drop` does so by itself. That is not the default,
    because what an example is compared with can as well be an earlier training set, where a row that is found again is
    no fault, and because only a person knows which of two sets has to give way.
    Measured (bench/quality/duplicates.py): of 413 questions of BANKING77's test file, all with more than six words, hidden
    among the rows of CLINC150 in capitals, with a word more, and inside a longer text, all are found; of CLINC150's own
    rows .26 % are, which say what a question of the other set says in part ("how long will it take to get to ...").
    Limits: paraphrases and translations are not seen; inside a longer text only rows of six words or more are, one
    changed word hides up to six runs, and texts in scripts without spaces are compared as a whole only.

    >>> import pathlib, tempfile
    >>> from tuneset.testing import examples
    >>> rows = examples(["where is  my card?", "Close my account"])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     benchmark = pathlib.Path(folder, "test.jsonl")
    ...     _ = benchmark.write_text('{"text": "Where is my card?", "label": "a"}\n')
    ...     Contamination(against=(str(benchmark),))(rows).select("when", "says").rows()
    [('on-accept', 'the same text as row 1 of test.jsonl')]
    """

    rule: ClassVar[str] = "contamination"
    scope: ClassVar[Scope] = "example"
    # Spoken on when these rows stand in one of the files.
    speaks: ClassVar[tuple[list[Mapping[str, Any]], ...]] = (
        [{"text": "Where is the card that I ordered last week?"}],
        [{"text": "where is the  card that i ordered last week"}],
        [{"text": "Answer this: where is the card that I ordered last week? Choose from a list of four."}],
    )
    silent: ClassVar[tuple[list[Mapping[str, Any]], ...]] = ([{"text": "Please close my account"}], [{"text": ""}])

    against: tuple[str, ...] = ()
    text: str = ""
    threshold: float = 0.7
    drop: bool = False

    @property
    def reads(self) -> tuple[str, ...]:
        """Name the files whose content decides what is said."""
        return self.against

    def fit(self, examples: pl.DataFrame) -> Compared:  # noqa: ARG002  what is learned is in the files
        """Read the files; what comes back knows their rows.

        Raises InputError where a file cannot be read, and RecipeError where it is not clear which column is its text.
        """
        return Compared(_others(self.against, self.text), self.threshold, self.drop)

    def __call__(self, examples: pl.DataFrame) -> pl.DataFrame:
        """Say which examples stand in another set."""
        return self.fit(examples)(examples)


@dataclass(frozen=True, eq=False)
class Compared:
    """Compare examples with the rows of other sets, which it has read: `text`, and `place`, such as "row 3 of test.csv"."""

    rule: ClassVar[str] = Contamination.rule
    scope: ClassVar[Scope] = "example"

    others: pl.DataFrame = field(repr=False)
    threshold: float
    drop: bool

    def __call__(self, examples: pl.DataFrame) -> pl.DataFrame:
        """Say which examples stand in another set."""
        if self.others.is_empty() or examples.is_empty():
            return model.no_findings()
        parts = [_hits(part["text"], self.others["text"], self.threshold) for part in examples.iter_slices(ROWS)]
        numbered = [hits.with_columns(pl.col("example") + ROWS * number) for number, hits in enumerate(parts)]
        best = pl.concat(numbered).sort("example", "how", -pl.col("score"), "other")
        best = best.unique("example", keep="first", maintain_order=True)
        best = best.with_columns(place=self.others["place"].gather(best["other"]))
        percent = (pl.col("score") * 100).floor().cast(pl.Int64)
        says = (
            pl.when(pl.col("how") == SAME)
            .then(pl.format("the same text as {}", "place"))
            .when(pl.col("how") == NEAR)
            .then(pl.format("{} % alike in spelling with {}", percent, "place"))
            .otherwise(pl.format("holds {} % of {}, in runs of six words", percent, "place"))
        )
        return best.select(
            rule=pl.lit(self.rule),
            example=examples["id"].gather(best["example"]),
            action=pl.lit("drop"),
            when=pl.lit("default" if self.drop else "on-accept"),
            says=says,
            score="score",
        )


SAME, NEAR, HELD = 0, 1, 2  # how an example stands in another set, the surest first


class Hits(NamedTuple):
    """Examples and rows of other sets, by number, and how alike they are."""

    example: Ints
    other: Ints
    score: Floats


def _others(paths: tuple[str, ...], text: str) -> pl.DataFrame:
    """Read the texts of other sets, and where each of them stands."""
    said = [pl.DataFrame(schema={"text": pl.String, "place": pl.String})]
    for path in paths:
        row, file = (pl.col("origin").str.json_path_match(f"$.{name}") for name in ("row", "file"))
        place = pl.format("row {} of {}", row.fill_null("?"), file.fill_null(Path(path).name))
        said.append(sources.read(path, text=text or None, labelled=False).examples.select("text", place=place))
    return pl.concat(said).filter(pl.col("text").is_not_null())


def _hits(texts: pl.Series, others: pl.Series, threshold: float) -> pl.DataFrame:
    """Find which texts stand among others: `example`, `other`, `score`, and `how`."""
    found = {
        SAME: _the_same(texts, others),
        NEAR: nearly(near.sets(pl.concat([others, texts])), len(others), threshold),
        HELD: _held(near.normal(texts), near.normal(others), threshold),
    }
    return pl.concat(
        pl.DataFrame(hits._asdict(), schema={"example": pl.Int64, "other": pl.Int64, "score": pl.Float64}).with_columns(
            how=pl.lit(how)
        )
        for how, hits in found.items()
    )


def _the_same(texts: pl.Series, others: pl.Series) -> Hits:
    """Find texts that are the same but for case and white space."""
    key = folded("text")
    known = pl.DataFrame({"text": others}).select(key=key, other=pl.int_range(pl.len())).filter(pl.col("key") != "")
    hits = (
        pl.DataFrame({"text": texts})
        .select(key=key, example=pl.int_range(pl.len()))
        .join(known.unique("key", keep="first", maintain_order=True), on="key", maintain_order="left")
    )
    return Hits(hits["example"].to_numpy(), hits["other"].to_numpy(), np.ones(hits.height))


def nearly(found: near.Sets, others: int, threshold: float) -> Hits:
    """Find pairs of one of the first `others` sets and one of the rest that are at the threshold, missing none."""
    row, gram = _prefixes(found, others, threshold)
    is_other = row < others
    order = np.argsort(gram[is_other], kind="stable")
    held, holder = gram[is_other][order], row[is_other][order]
    row, gram = row[~is_other], gram[~is_other]
    first, last = (np.searchsorted(held, gram, side) for side in ("left", "right"))
    rows, bits = rows_of(found, np.arange(len(found.sizes))), _bits(found)
    reach = found.sizes * ((1 - threshold) / (1 + threshold)) + 1e-6
    nothing = np.zeros(0, np.int64)
    hits = [Hits(nothing, nothing, np.zeros(0))]
    for part in _cuts(last - first):
        example = np.repeat(row[part], (last - first)[part])
        other = holder[ragged(first[part], (last - first)[part])]
        # each bit that differs proves a gram that only one of both has: one candidate in 18,000 is left
        differing = np.bitwise_count(bits.take(example, axis=0) ^ bits.take(other, axis=0)).sum(axis=1, dtype=np.uint16)
        possible = differing <= reach[example] + reach[other]
        pairs = np.unique(packed(example[possible], other[possible]))
        example, other = (pairs >> np.uint64(32)).astype(np.int64), (pairs & LOW).astype(np.int64)
        score = jaccard(rows, example, other)
        alike = score >= threshold
        hits.append(Hits(example[alike] - others, other[alike], score[alike]))
    return _together(hits)


def _prefixes(found: near.Sets, others: int, threshold: float) -> tuple[Ints, Ints]:
    """List the rarest grams of each set: two sets at the threshold share one of those, if all sets agree what is rare."""
    sizes = found.sizes
    codes = int(found.grams.max(initial=0)) + 1
    seen = np.bincount(found.grams[: found.offsets[others]], minlength=codes)
    rank = np.empty(codes, np.int64)
    rank[np.argsort(seen, kind="stable")] = np.arange(codes)
    key = packed(np.repeat(np.arange(len(sizes)), sizes), rank[found.grams])
    key.sort()
    enough = np.minimum(sizes, sizes - np.ceil(threshold * sizes - 1e-9).astype(np.int64) + 1)
    key = key[ragged(found.offsets[:-1], enough)]
    return (key >> np.uint64(32)).astype(np.int64), (key & LOW).astype(np.int64)


def _bits(found: near.Sets) -> Words:
    """Draw a small picture of each set: each gram sets one bit of 256."""
    draw = np.random.default_rng(0).integers(0, 256, int(found.grams.max(initial=0)) + 1)
    bits = np.zeros((len(found.sizes), 4), np.uint64)
    filled = np.flatnonzero(found.sizes)
    for word in range(4):
        mine = np.where(draw >> 6 == word, np.uint64(1) << (draw & 63).astype(np.uint64), np.uint64(0))
        bits[filled, word] = np.bitwise_or.reduceat(mine[found.grams], found.offsets[filled])
    return bits


def _held(texts: pl.Series, others: pl.Series, threshold: float) -> Hits:
    """Find texts in which a share of at least `threshold` of another one's runs of words stands."""
    words = others.drop_nulls().str.split(" ").explode().unique()
    other, theirs = _runs(others, words)
    order = np.argsort(theirs, kind="stable")
    other, theirs = other[order], theirs[order]
    sizes = np.diff(np.flatnonzero(np.append(news(theirs), True)))
    common = np.repeat(sizes > TEMPLATE, sizes)
    other, theirs = other[~common], theirs[~common]
    example, ours = _runs(texts, words)
    first, last = (np.searchsorted(theirs, ours, side) for side in ("left", "right"))
    pairs = [np.zeros(0, np.uint64)]
    for part in _cuts(last - first):
        size = (last - first)[part]
        pairs.append(packed(np.repeat(example[part], size), other[ragged(first[part], size)]))
    pair, shared = np.unique(np.concatenate(pairs), return_counts=True)
    one, two = (pair >> np.uint64(32)).astype(np.int64), (pair & LOW).astype(np.int64)
    share = shared / np.bincount(other, minlength=len(others))[two]
    taken = share >= threshold
    return Hits(one[taken], two[taken], share[taken])


def _runs(texts: pl.Series, words: pl.Series) -> tuple[Ints, Words]:
    """List each text's distinct runs of words that are all known: the text's number, and a number for the run."""
    cut = texts.fill_null("").str.split(" ")
    sizes = cut.list.len().to_numpy().astype(np.int64)
    number = cut.explode().replace_strict(
        words, pl.int_range(len(words), eager=True), default=-1, return_dtype=pl.Int64
    )
    word, row = number.to_numpy(), np.repeat(np.arange(len(texts)), sizes)
    if len(word) < RUN:
        return np.zeros(0, np.int64), np.zeros(0, np.uint64)
    windows = np.lib.stride_tricks.sliding_window_view(word, RUN)
    whole = (row[RUN - 1 :] == row[: 1 - RUN]) & (windows.min(axis=1) >= 0)
    weights = np.random.default_rng(0).integers(0, 1 << 63, RUN, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    run = (windows[whole].astype(np.uint64) * weights).sum(axis=1)  # one number for two runs: a chance of about 2**-60
    found = pl.DataFrame({"row": row[: 1 - RUN][whole], "run": run}).unique(maintain_order=True)
    return found["row"].to_numpy(), found["run"].to_numpy()


def _cuts(sizes: Ints) -> Iterator[slice]:
    """Cut a list of sizes into parts whose sizes add up to some four million."""
    ends = np.cumsum(sizes)
    total = int(ends[-1]) if len(ends) else 0
    cuts = np.unique([0, *np.searchsorted(ends, np.arange(CANDIDATES, total, CANDIDATES)), len(sizes)])
    return (slice(start, end) for start, end in pairwise(cuts.tolist()))


def _together(hits: list[Hits]) -> Hits:
    return Hits(*(np.concatenate(column) for column in zip(*hits, strict=True)))
