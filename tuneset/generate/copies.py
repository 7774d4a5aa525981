"""The step that finds copies: rows a model wrote that say a real row, or each other, once more."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
import polars as pl

from tuneset import model, near
from tuneset.generate.origin import SEED, synthetic

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from tuneset.step import Scope

    Bools = NDArray[np.bool_]

SEARCH = 0.7  # Jaccard similarity from which on two texts are near-duplicates; no copy is looked for below
FEW, USUAL = 50, 0.9  # real rows without which there is no distribution to speak of, and the limit that stands for it
ROUGE = 0.9  # ROUGE-L with a seed from which on a row is a copy of it
LEAST = 3  # words of a text that can be one word apart from another; "my card" and "my account" are two texts


@dataclass(frozen=True)
class SeedCopy:
    """Drop rows a model wrote that copy a real row, or another row that it wrote.

    Why it hurts: a copy costs money, adds nothing, and makes the set look larger than it is.
    How: only synthetic examples are dropped, in the order of their ids, each compared with all real rows and with the
    synthetic ones that were kept before it. From its kin, that is the seeds that the model was shown and what else was
    written from one of them, it must differ in more than one word (exchanged, added, left out or moved) and in more than
    a tenth of its words (ROUGE-L .9). From all rows, in more than real rows differ among themselves: the
    limit is the similarity (character 3-grams, Jaccard) to its nearest other text that only `most` of the real rows of
    this very set exceed, and at least .7; with fewer than 50 real rows .9. A row that copies one of another label is kept, and
    said, so that a person looks at both labels.
    Why two measures: who writes freely comes as near to some row of a large set as a copy with one word changed does (in
    BANKING77 16 % of the real rows have a row one word apart, in CLINC150 28 %), but hardly ever to the few rows just shown.
    Measured (bench/synthetic.py --copies; BANKING77 and CLINC150, 200 rows to all): of copies of a seed all go, of one-word
    edits of rows of three words or more all; of real rows shown as synthetic .6 % or less, and where four real rows of their
    own label are named as their seeds up to 1.2 % (BANKING77) and 3.9 % (CLINC150, whose rows often fill one frame: "spell
    ... for me"), nearly all of them one word apart from another real row; of those that are not, .8 % or less.
    Memory: that of near-duplicate. Without synthetic examples it returns at once.
    Limits: texts of one or two words are copies only where they are the same; one word changed in a row that is no seed is
    seen only where that leaves it nearer than real rows are; paraphrases are no copies.

    >>> from tuneset.testing import examples
    >>> real = {"id": "a", "text": "When will my new card arrive?"}
    >>> written = {"id": "b", "text": "When will my other card arrive?", "origin": '{"synthetic": true}', "groups": ["seed:a"]}
    >>> SeedCopy()(examples([real, written])).select("example", "says", "others").rows()
    [('b', 'one word apart from its seed', ['a'])]
    """

    rule: ClassVar[str] = "seed-copy"
    scope: ClassVar[Scope] = "dataset"
    speaks: ClassVar[tuple[list[Mapping[str, Any]], ...]] = (
        [
            {"id": "1", "text": "When will my new card arrive?"},
            {"id": "2", "text": "when will my new card arrive", "origin": '{"synthetic": true}'},
        ],
        [
            {"id": "3", "text": "Where can I top up?"},
            {"id": "4", "text": "Where can I pay?", "origin": '{"synthetic": true}', "groups": ["seed:3"]},
            {"id": "5", "text": "Where can we pay?", "origin": '{"synthetic": true}', "groups": ["seed:3"]},
        ],
    )
    silent: ClassVar[tuple[list[Mapping[str, Any]], ...]] = (
        [{"text": "When will my new card arrive?"}, {"text": "when will my new card arrive"}],
        [
            {"id": "6", "text": "Where can I top up?"},
            {"id": "7", "text": "How do I add money?", "origin": '{"synthetic": true}', "groups": ["seed:6"]},
        ],
        [
            {"id": "8", "text": "my card"},
            {"id": "9", "text": "my account", "origin": '{"synthetic": true}', "groups": ["seed:8"]},
        ],
    )

    most: float = 0.005

    def __call__(self, examples: pl.DataFrame) -> pl.DataFrame:
        """Say which synthetic rows are copies."""
        written = examples.select(synthetic()).to_series().to_numpy()
        if not written.any():
            return model.no_findings()
        found = near.pairs(near.sets(examples["text"]), SEARCH)
        limit = _limit(found, written, self.most)
        copies = list(_copies(_known(examples, written, found), limit))
        if not copies:
            return model.no_findings()
        ids = examples["id"]
        labels = examples["labels"]
        return pl.DataFrame(
            {
                "rule": self.rule,
                "example": ids.gather([each.row for each in copies]),
                "action": ["drop" if labels[each.row] == labels[each.twin] else "none" for each in copies],
                "score": [each.score for each in copies],
                "others": [[ids[each.twin]] for each in copies],
                "says": [each.says for each in copies],
            }
        )


class Copy(NamedTuple):
    """A row that is a copy, of which, and how that shows."""

    row: int
    twin: int
    score: float
    says: str


class Known(NamedTuple):
    """What is known of the rows that copies are looked for among, by row number."""

    order: list[int]  # the synthetic rows, by their ids
    synthetic: frozenset[int]  # the same
    words: Mapping[int, tuple[str, ...]]  # of synthetic rows and seeds
    seeds: Mapping[int, tuple[int, ...]]  # of each synthetic row, those that are here, itself not among them
    labels: pl.Series
    near: Mapping[int, list[tuple[int, float]]]  # the rows that a synthetic row resembles, and how much


def _known(examples: pl.DataFrame, written: Bools, found: near.Pairs) -> Known:
    """Gather what is known of the synthetic rows, of their seeds, and of whom they resemble."""
    rows = pl.DataFrame({"row": np.flatnonzero(written)}).with_columns(
        id=examples["id"].filter(written), seed=examples["groups"].filter(written)
    )
    named = rows.select("row", "seed").explode("seed").filter(pl.col("seed").str.starts_with(SEED))
    place = examples.select(seed=pl.lit(SEED) + pl.col("id"), at=pl.int_range(pl.len()))
    here = named.join(place, on="seed", how="inner").filter(pl.col("row") != pl.col("at")).unique().sort("row", "at")
    seeds = {row: tuple(at) for row, at in here.group_by("row").agg("at").iter_rows()}
    looked = sorted({*rows["row"].to_list(), *here["at"].to_list()})
    forms = near.normal(examples["text"].gather(looked)).fill_null("").to_list()
    words = {row: tuple(form.split()) for row, form in zip(looked, forms, strict=True)}
    alike: dict[int, list[tuple[int, float]]] = {}
    for one, other in ((found.left, found.right), (found.right, found.left)):
        ours = written[one]
        for row, twin, score in zip(
            one[ours].tolist(), other[ours].tolist(), found.jaccard[ours].tolist(), strict=True
        ):
            alike.setdefault(row, []).append((twin, score))
    order = rows.sort("id")["row"].to_list()
    return Known(order, frozenset(order), words, seeds, examples["labels"], alike)


def _limit(found: near.Pairs, written: Bools, most: float) -> float:
    """Return the similarity to its nearest other text that only a share of the real rows exceed."""
    if np.count_nonzero(~written) < FEW:
        return USUAL
    real = ~written[found.left] & ~written[found.right] & (found.jaccard < 1)
    nearest = np.zeros(len(written))
    for side in (found.left, found.right):
        np.maximum.at(nearest, side[real], found.jaccard[real])
    return max(SEARCH, float(np.quantile(nearest[~written], 1 - most, method="higher")))


def _copies(known: Known, limit: float) -> Iterator[Copy]:
    """Go through the synthetic rows and give each that is a copy of a real row or of one that was kept."""
    held: dict[tuple[int, tuple[str, ...]], list[int]] = {}  # by seed and by what is left of a text without one word
    for seed in set(chain.from_iterable(known.seeds.values())) - known.synthetic:
        for rest in without_a_word(known.words[seed]):
            held.setdefault((seed, rest), []).append(seed)
    kept: set[int] = set()
    for row in known.order:
        seeds, rests = known.seeds.get(row, ()), without_a_word(known.words[row])
        likely = dict(known.near.get(row, ()))
        near_by = [other for other in likely if other not in known.synthetic or other in kept]
        apart = list(dict.fromkeys(twin for seed in seeds for rest in rests for twin in held.get((seed, rest), ())))
        said = [*_alike(known, row, near_by, likely, limit), *(_one_word(known, row, twin) for twin in apart)]
        if said:
            yield (copy := min(said, key=lambda each: (known.labels[each.twin] != known.labels[row], -each.score)))
            if known.labels[copy.twin] == known.labels[row]:
                continue
        kept.add(row)
        for seed in {*seeds, row}:  # a synthetic row may itself be a seed
            for rest in rests:
                held.setdefault((seed, rest), []).append(row)


def _alike(known: Known, row: int, others: list[int], likely: Mapping[int, float], limit: float) -> Iterator[Copy]:
    """Give the rows that a row is nearer to than real rows are to each other, and kin that it shares most words with."""
    seeds = set(known.seeds.get(row, ()))
    for other in others:
        score = likely[other]
        kin = other in seeds or not seeds.isdisjoint(known.seeds.get(other, ()))
        if score == 1:
            yield Copy(row, other, score, f"the same text as {_named(known, row, other)}")
        elif score > limit:
            percent = f"{int(100 * score)} % alike in spelling with {_named(known, row, other)}"
            yield Copy(row, other, score, f"{percent}; real rows are mostly below {100 * limit:.0f} %")
        elif kin and (shared := rouge_l(known.words[row], known.words[other])) >= ROUGE:
            yield Copy(row, other, score, f"{int(100 * shared)} % of the words of {_named(known, row, other)}")


def _one_word(known: Known, row: int, twin: int) -> Copy:
    shared = rouge_l(known.words[row], known.words[twin])
    return Copy(row, twin, shared, f"one word apart from {_named(known, row, twin)}")


def _named(known: Known, row: int, other: int) -> str:
    """Say what the other row is to this one."""
    if other in known.seeds.get(row, ()):
        named = "its seed"
    else:
        named = "another synthetic row" if other in known.synthetic else "a real row"
    differs = known.labels[row] != known.labels[other]
    return f"{named}, which has another label (look at both)" if differs else named


def without_a_word(words: tuple[str, ...]) -> list[tuple[str, ...]]:
    """List what is left of a text when one of its words is taken out, and the text: two texts one word apart share one.

    That a word deleted from either side finds all texts one edit apart is SymSpell's way (Garbe 2012), here for words.

    >>> without_a_word(("my", "new", "card"))
    [('my', 'new', 'card'), ('new', 'card'), ('my', 'card'), ('my', 'new')]
    """
    if len(words) < LEAST:
        return [words] if words else []
    return list(dict.fromkeys([words, *(words[:place] + words[place + 1 :] for place in range(len(words)))]))


def rouge_l(one: Sequence[str], other: Sequence[str]) -> float:
    """Return ROUGE-L: the words that two texts have in common in the same order, as F1 (Lin 2004).

    >>> rouge_l("where is my new card".split(), "where is my card".split())
    0.8888888888888888
    """
    places: dict[str, int] = {}
    for place, word in enumerate(one):
        places[word] = places.get(word, 0) | 1 << place
    whole = (1 << len(one)) - 1
    row = whole
    for word in other:  # a row of the table at a time, as bits (Hyyrö 2004)
        hit = row & places.get(word, 0)
        row = ((row + hit) | (row - hit)) & whole
    return 2 * (len(one) - row.bit_count()) / max(len(one) + len(other), 1)
