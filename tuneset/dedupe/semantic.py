"""Examples that say the same in other words, found by their embeddings."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
import polars as pl

from tuneset import features, model, near
from tuneset.dedupe.guards import differences
from tuneset.near.grams import Rows, jaccard, news, packed, rows_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from tuneset.near.grams import Floats, Ints
    from tuneset.step import Scope

    Vectors = NDArray[np.float32]

LEAST = 20  # rows without which there is no distribution to speak of
SPELLED = 0.7  # Jaccard similarity from which on a pair is a near-duplicate, and said there
SAMPLE = 4000  # rows whose neighbours tell the limit
CUT = 300  # texts that are shortened to learn how much the model minds missing words
ALIKE = 32  # earlier rows that a row is paired with at most
CELLS = 1 << 25  # similarities that are held at a time: 128 MB
EXACT = 100_000  # rows up to which every pair is looked at
ROOM = 2000  # beyond: rows to a centre, each row going to its two nearest
SLACK = 1e-5  # what float32 sums may be off


# Inquiries of which no two ask the same: what a pair that does stands out from.
_APART = (
    "I want to open an account for my daughter",
    "Which currencies can I hold in the app?",
    "The cash machine kept my card",
    "Somebody stole my phone yesterday evening",
    "Please raise my monthly spending limit",
    "Is there a fee for paying abroad?",
    "My salary arrives twice this month",
    "Change the address on my profile",
    "Does the app work on old tablets?",
    "A refund is missing on the statement",
    "Send me the tax form for last year",
    "I forgot the password of the website",
    "Block all online gambling payments",
    "How are loans with a fixed rate paid back?",
    "The exchange rate looks wrong to me",
    "Can two people share one savings pot?",
    "Your agent hung up during the call",
    "When does the branch in town open?",
    "Delete everything you know about me",
    "Top up with a cheque from my employer",
)
_SAME = ("How do I find the PIN of my new card?", "Where can I see my new card's PIN?")


@dataclass(frozen=True)
class SemanticDuplicate:
    """Flag pairs of examples that say the same in other words, where the recipe names an embedding model.

    Why it hurts: ten wordings of one inquiry weigh ten times as much as another inquiry, and a set that looks large is
    small. Without `model` the step says nothing.

    How: texts become vectors (`tuneset.features.embeddings`), and pairs are flagged whose cosine reaches a limit that
    comes from the set itself, as the same cosine means much for one model and little for another. With labels: the
    cosine that at most `false_alarms` of the rows reach with any row of another label. It is never below the cosine of
    a typical row with its nearest neighbour, nor below that of a text with itself less a fifth of its words (lower
    third); and never above halfway from the typical neighbour to 1, so that wrong labels cannot raise it at will. That
    half is the limit where there are no labels, or fewer than five rows to each.
    Twins in spelling (character 3-grams, Jaccard .7) are near-duplicates: they are not said again, and do not count as
    neighbours. A pair is flagged; whoever accepts it leaves the later row out. `drop`: do so by itself, merging a row
    into the earlier row that it resembles most. A pair that differs in a number, a date, a name, a negation, an
    opposite, a room, a colour, a relative or its label, in one word alone, or in the order of its words alone, is said
    and never dropped.
    `model`: a folder, the name of a model on the Hub, or the URL of a server; `checksum` pins its files.

    Measured: with all-MiniLM-L6-v2 (bench/quality/semantic.py) on the test rows of BANKING77, the validation rows of
    CLINC150 and half of HWU64. Of 151 suggestions drawn there and read, 149 say the same; of 46 in sets of 500 rows, 42
    (BANKING77 18 of 20, CLINC150 15 of 16, HWU64 9 of 10). Two things were chosen after that reading: the lower third, in
    place of the lower quarter, and that rooms keep texts apart, which the model takes for each other. Of 995 inquiries and
    paraphrases by a language model 29 % are found (37 % with `false_alarms` .02). Through centres 99 % of the pairs that a
    full comparison finds (40,000 rows).

    Memory: 4 bytes a dimension and row, and 300 MB. Up to 100,000 rows every pair is looked at; beyond, rows that lie
    around the same of some centres. A row is paired with 32 earlier ones at most.
    Limits: fewer than 20 rows are not looked at. Seven in ten free paraphrases are placed no nearer than other
    inquiries, and stay. Models hardly see who does what to whom ("with my card", "to my card") and place the
    members of one kind close together; rooms, colours, directions and relatives are told apart by a list, fruits are not:
    read before you let it drop. Vectors are kept in `TUNESET_CACHE`, else `~/.cache/tuneset`.

    >>> from tuneset.testing import examples
    >>> rows = examples(["How do I find my PIN?", "Where can I see my PIN?"])
    >>> SemanticDuplicate()(rows).height  # before a model is named; after, in a set of 20 rows: 1
    0
    """

    rule: ClassVar[str] = "semantic-duplicate"
    scope: ClassVar[Scope] = "dataset"
    pairs: ClassVar[bool] = True
    speaks: ClassVar[tuple[list[Mapping[str, Any]], ...]] = ([{"text": text} for text in (*_APART, *_SAME)],)
    silent: ClassVar[tuple[list[Mapping[str, Any]], ...]] = (
        [{"text": text} for text in _APART],
        [
            {"text": text}
            for text in (*_APART, "How do I find the PIN of my new card?", "how do i find the pin of my new card")
        ],
        [{"text": text} for text in _SAME],
    )

    model: str = ""
    checksum: str = ""
    false_alarms: float = 0.01
    drop: bool = False

    def __call__(self, examples: pl.DataFrame) -> pl.DataFrame:
        """Say which pairs of examples mean the same."""
        seen = _seen(self, examples)
        if seen is None:
            return model.no_findings()
        limit = _limit(self, seen)
        found = _alike(seen, limit)
        if not len(found.left):
            return model.no_findings()
        return self._findings(examples, found, limit)

    def _findings(self, examples: pl.DataFrame, found: near.Pairs, limit: float) -> pl.DataFrame:
        guards = _with_swaps(differences(examples, found), examples, found)
        twin = np.full(examples.height, -1, dtype=np.int64)
        if self.drop:
            twin = near.greedy(examples.height, found, guards.to_numpy() == "")
        ids = examples["id"]
        return pl.DataFrame(
            {
                "example": ids.gather(found.right),
                "twin": ids.gather(found.left),
                "score": found.jaccard,
                "guard": guards,
                "merged": twin[found.right] == found.left,
            }
        ).select(
            rule=pl.lit(self.rule),
            example="example",
            action=pl.when(pl.col("guard") == "").then(pl.lit("drop")).otherwise(pl.lit("none")),
            when=pl.when("merged").then(pl.lit("default")).otherwise(pl.lit("on-accept")),
            says=pl.format(
                f"says the same as its twin (cosine {{}}, in this set from {limit:.3f} on){{}}",
                pl.col("score").round(3),
                "guard",
            ),
            score="score",
            others=pl.concat_list("twin"),
        )


class Seen(NamedTuple):
    """The rows that say something: their numbers among the examples, and what they are compared by."""

    row: Ints
    text: pl.Series
    vectors: Vectors
    spelling: Rows
    label: Ints  # numbered from 0; -1 without one

    @property
    def labels_tell(self) -> bool:
        """Say whether labels stand for meanings: at least two, and five rows to each on average."""
        return bool(2 <= self.label.max(initial=-1) + 1 <= np.count_nonzero(self.label >= 0) / 5)


def _seen(step: SemanticDuplicate, examples: pl.DataFrame) -> Seen | None:
    if not step.model or examples.height < LEAST:
        return None
    vectors = features.embeddings(examples["text"], step.model, features.cache_folder(), step.checksum)
    row = np.flatnonzero(vectors.any(axis=1))
    if len(row) < LEAST:
        return None
    text = examples["text"].gather(row)
    label = examples["label"].gather(row).rank("dense").fill_null(0).to_numpy().astype(np.int64) - 1
    return Seen(row, text, vectors[row], rows_of(near.sets(text), np.arange(len(row))), label)


def _limit(step: SemanticDuplicate, seen: Seen) -> float:
    """Choose the cosine from which on two texts of this set, for this model, say the same.

    Rounded to three digits, so that it does not hang on the last bit of a sum.
    """
    nearest, stranger = _nearest(seen)
    typical = float(np.median(nearest))
    least = max(typical, _shortened(step, seen))
    most = max((1 + typical) / 2, least)
    if not len(stranger):
        return round(most, 3)
    return round(min(max(float(np.quantile(stranger, 1 - step.false_alarms)), least), most), 3)


def _nearest(seen: Seen) -> tuple[Floats, Floats]:
    """Return how alike a sample of rows and their nearest neighbours are, in the set and among other labels.

    Twins in spelling do not count: they are another rule's, and would hide what lies behind them.
    """
    rows = len(seen.row)
    sample = np.sort(np.random.default_rng(0).permutation(rows)[:SAMPLE])
    nearest, stranger = [np.zeros(0)], [np.zeros(0)]
    for part in _parts(sample, rows):
        alike = seen.vectors[part] @ seen.vectors.T
        alike[np.arange(len(part)), part] = -1
        nearest.append(_highest(alike, part, seen.spelling))
        if seen.labels_tell:
            alike[(seen.label[part, None] == seen.label) | (seen.label < 0)] = -1
            stranger.append(_highest(alike, part, seen.spelling)[seen.label[part] >= 0])
    return np.concatenate(nearest), np.concatenate(stranger)


def _highest(alike: Vectors, part: Ints, spelling: Rows) -> Floats:
    """Take each row's highest similarity; what is a twin in spelling is struck out of `alike`."""
    best: Floats = alike.max(axis=1).astype(np.float64)
    open_ = np.arange(len(part))
    while len(open_):
        column = alike[open_].argmax(axis=1)
        best[open_] = alike[open_, column]
        twins = (best[open_] > -1) & (jaccard(spelling, part[open_], column) >= SPELLED)
        alike[open_[twins], column[twins]] = -1
        open_ = open_[twins]
    return best


def _shortened(step: SemanticDuplicate, seen: Seen) -> float:
    """Measure how like itself a text is without a fifth of its words: the lower third.

    It tells how wide the model's scale is, also where a set is so small or so mixed that no two rows are close.
    """
    long = pl.DataFrame({"text": seen.text, "at": np.arange(len(seen.row))}).filter(
        near.normal(seen.text).str.count_matches(" ") >= 4
    )
    if long.height < LEAST:
        return 0.0
    # By their hashes, so that a set that grows has most of them embedded already.
    chosen = long.with_columns(key=model.digest(long["text"])).unique("key", keep="first").sort("key").head(CUT)
    cut = [_without_a_fifth(text.split(), int(key[:16], 16)) for text, _, key in chosen.iter_rows()]
    less = features.embeddings(pl.Series(cut), step.model, features.cache_folder(), step.checksum)
    return float(np.quantile(np.einsum("ij,ij->i", seen.vectors[chosen["at"].to_numpy()], less), 1 / 3))


def _without_a_fifth(words: list[str], seed: int) -> str:
    gone = np.random.default_rng(seed).permutation(len(words))[: max(1, round(len(words) / 5))]
    return " ".join(word for place, word in enumerate(words) if place not in gone)


def _alike(seen: Seen, limit: float) -> near.Pairs:
    """Find the pairs at or above the limit that are not twins in spelling; numbers are those of the examples."""
    found = [_within(seen, cell, limit) for cell in _neighbourhoods(seen.vectors)]
    one, two = (np.concatenate([np.zeros(0, np.int64), *column]) for column in zip(*found, strict=True))
    pair = np.unique(packed(one, two))
    left, right = (pair >> np.uint64(32)).astype(np.int64), (pair & np.uint64(0xFFFFFFFF)).astype(np.int64)
    cosine = np.einsum("ij,ij->i", seen.vectors[left], seen.vectors[right], dtype=np.float64)
    alike = cosine >= limit
    return near.Pairs(seen.row[left[alike]], seen.row[right[alike]], np.minimum(cosine[alike], 1.0))


def _neighbourhoods(vectors: Vectors) -> Iterator[Ints]:
    """Return all rows together or, where they are too many, those around each of some centres (rows drawn at random)."""
    rows = len(vectors)
    if rows <= EXACT:
        yield np.arange(rows)
        return
    centres = vectors[np.random.default_rng(0).permutation(rows)[: math.ceil(rows / ROOM)]]
    chosen = np.concatenate(
        [np.argpartition(vectors[part] @ centres.T, -2)[:, -2:] for part in _parts(np.arange(rows), len(centres))]
    )
    order = np.argsort(chosen.ravel(), kind="stable")
    for cell in np.split(order // 2, np.flatnonzero(news(chosen.ravel()[order]))[1:]):
        yield np.sort(cell)


def _within(seen: Seen, cell: Ints, limit: float) -> tuple[Ints, Ints]:
    """Compare the rows of a cell, each with those before it."""
    vectors = seen.vectors[cell]
    left, right = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for part in _parts(np.arange(len(cell)), len(cell)):
        alike = vectors[part] @ vectors[: part[-1] + 1].T
        hit, earlier = np.nonzero(alike >= limit - SLACK)
        hit = part[hit]
        one, two = _first(earlier, hit)
        apart = jaccard(seen.spelling, cell[one], cell[two]) < SPELLED
        left.append(cell[one[apart]])
        right.append(cell[two[apart]])
    return np.concatenate(left), np.concatenate(right)


def _first(earlier: Ints, later: Ints) -> tuple[Ints, Ints]:
    """Keep pairs whose first row is the earlier one, for each later row the first `ALIKE` of them."""
    before = earlier < later
    earlier, later = earlier[before], later[before]
    starts = np.flatnonzero(news(later))
    place = np.arange(len(later)) - np.repeat(starts, np.diff(np.append(starts, len(later))))
    return earlier[place < ALIKE], later[place < ALIKE]


def _parts(rows: Ints, width: int) -> list[Ints]:
    """Cut rows so that their similarities to `width` others stay below `CELLS`."""
    size = max(1, CELLS // max(1, width))
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _with_swaps(guards: pl.Series, examples: pl.DataFrame, found: near.Pairs) -> pl.Series:
    """Guard pairs that differ in one word, or in the order of their words: there a model's opinion is worth least."""
    words = near.normal(examples["text"]).str.split(" ")
    pair = pl.DataFrame({"guard": guards, "one": words.gather(found.left), "two": words.gather(found.right)})
    only_one = pl.col("one").list.set_difference("two").list.len()
    only_two = pl.col("two").list.set_difference("one").list.len()
    swapped = (
        pl.when((only_one == 1) & (only_two == 1))
        .then(pl.lit("one word for another"))
        .when((only_one == 0) & (only_two == 0))
        .then(pl.lit("another order of words"))
    )
    start = pl.when(pl.col("guard") == "").then(pl.lit("; but ")).otherwise(pl.lit(", "))
    return pair.select(pl.concat_str("guard", pl.concat_str(start, swapped).fill_null("")))["guard"]
