"""Examples whose texts are nearly the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import polars as pl

from tuneset import model, near
from tuneset.dedupe import keep
from tuneset.dedupe.guards import differences
from tuneset.step import Scope  # noqa: TC001  a recipe resolves these annotations

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from tuneset.near.bands import Spread

DIGITS = 6  # of a similarity, as findings hold it
# Searched at this similarity for every higher threshold too: then raising the threshold leaves some of the same pairs.
SEARCH = 0.7


@dataclass(frozen=True)
class NearDuplicate:
    """Flag pairs of examples whose texts are nearly the same, and keep them on one side of the split.

    Why it hurts: a twin in the validation set measures memory, not understanding; many twins make the set look larger
    than it is.
    How: case folded, everything but letters and digits to one space, the set of character 3-grams, Jaccard similarity of
    at least `threshold`. Candidates come from MinHash bands (Broder 1997); every pair is verified exactly.
    A pair is flagged; whoever accepts it leaves the example out that is not kept. `drop`: do so by itself, merging an
    example into the kept one that it resembles most. Examples are compared with those that are kept, so a chain of small
    changes does not collapse into one.
    `keep` says which one is kept: "first" of the input, "longest", "newest" (`newest_by` names the column with the date),
    "source" (`sources` names them from best to worst) or "typical" (most like its twins). Ties go to the first of the
    input; a date that cannot be read loses.
    Guards: a pair is never merged, only tied, when it differs in more than case, punctuation, articles and courtesies,
    requests worded in the usual ways ("can you", "I would like you to"), the plural s, British and American spelling, or
    a slip in a long English word. So a number, a date, a unit, a name, a negation, a person, an opposite, a label, or any
    other word is another thing.
    Measured (bench/quality/duplicates.py): of 18,318 twins at or above the threshold, planted in BANKING77 and CLINC150 by
    one edit, all are found. Of 200 real pairs that were drawn by a seed and read (BANKING77, CLINC150, HWU64, paraphrases of
    a language model), 46 must stay apart, and 0 of them would be merged; of the 154 that may be merged, 36 would be. Of 3,000
    pairs written or planted in real rows to differ in one thing that matters, 0 would be (tests/test_guards.py).
    Memory: about 1.5 KB a row while it runs.
    Limits: paraphrases share too few letters to be seen, and three of four pairs that a reader would merge are only tied.
    Slips and spellings are known for English only; articles and number words for seven languages.

    >>> from tuneset.testing import examples
    >>> rows = examples(["Why was my card declined today?", "why was my card decined today", "Why was my cart declined today?"])
    >>> for action, says in NearDuplicate()(rows).select("action", "says").head(2).rows():
    ...     print(action, says)
    drop 83 % alike in spelling, compared with its twin
    none 80 % alike in spelling, compared with its twin; but another word
    """

    rule: ClassVar[str] = "near-duplicate"
    scope: ClassVar[Scope] = "dataset"
    pairs: ClassVar[bool] = True
    speaks: ClassVar[tuple[list[Mapping[str, Any]], ...]] = (
        [{"text": "When will my new card arrive?"}, {"text": "when will my new card arive"}],
        [{"text": "Order 12 has not arrived at my house yet"}, {"text": "Order 13 has not arrived at my house yet"}],
    )
    silent: ClassVar[tuple[list[Mapping[str, Any]], ...]] = (
        [{"text": "When will my new card arrive?"}, {"text": "Why was my card declined at the shop?"}],
        [{"text": "!!!"}, {"text": "???"}],
    )

    threshold: float = 0.7
    drop: bool = False
    keep: str = "first"
    newest_by: str = ""
    sources: tuple[str, ...] = ()
    seed: int = 42

    def __post_init__(self) -> None:
        """Refuse a rule for keeping that is unknown or incomplete."""
        keep.check(self)

    def __call__(self, examples: pl.DataFrame) -> pl.DataFrame:
        """Say which pairs of examples are nearly the same."""
        return self.spread(examples)

    def spread(self, examples: pl.DataFrame, spread: Spread | None = None) -> pl.DataFrame:
        """Say the same, with `spread` to have somebody else look for candidates; see `near.pairs`."""
        found = near.pairs(near.sets(examples["text"]), min(self.threshold, SEARCH), self.seed, spread)
        found = found._replace(jaccard=found.jaccard.round(DIGITS))
        alike = found.jaccard >= round(self.threshold, DIGITS)
        found = near.Pairs(found.left[alike], found.right[alike], found.jaccard[alike])
        if not len(found.left):
            return model.no_findings()
        return _findings(self, examples, found, differences(examples, found, wording=True))

    def again(self, earlier: dict[str, Any], findings: pl.DataFrame, examples: pl.DataFrame) -> pl.DataFrame | None:
        """Answer from what was said of the same examples with `earlier` parameters; None where that does not do."""
        same = earlier["seed"] == self.seed and min(earlier["threshold"], SEARCH) == min(self.threshold, SEARCH)
        return rethreshold(self, findings, examples) if same and earlier["threshold"] <= self.threshold else None


def rethreshold(step: NearDuplicate, findings: pl.DataFrame, examples: pl.DataFrame) -> pl.DataFrame:
    """Say what `step` would say of the same examples, from what was said at a lower or the same threshold.

    Nothing is searched or compared again, so another threshold, `drop` or `keep` takes a moment. Other rules' findings
    are left aside. From 0.7 on it is the same as calling the step; below, beyond 1,000 distinct texts, a new search may find,
    or miss, other ones of the few pairs in a thousand that the search misses.

    >>> from tuneset.testing import examples
    >>> from tuneset.step import run
    >>> rows = examples(["When will my new card arrive?", "when will my new card arive", "When will my card arrive?"])
    >>> earlier = run(NearDuplicate(threshold=0.6), rows)
    >>> later = NearDuplicate(threshold=0.8, drop=True)
    >>> earlier.height, rethreshold(later, earlier, rows).equals(later(rows))
    (3, True)
    """
    row = examples.select("id", row=pl.int_range(pl.len()))
    pairs = (
        findings.filter((pl.col("rule") == step.rule) & (pl.col("score") >= round(step.threshold, DIGITS)))
        .select("example", "score", twin=pl.col("others").list.first(), guard=pl.col("says").str.extract("(; but .*)$"))
        .join(row.rename({"row": "one"}), left_on="example", right_on="id")
        .join(row.rename({"row": "other"}), left_on="twin", right_on="id")
        .with_columns(left=pl.min_horizontal("one", "other"), right=pl.max_horizontal("one", "other"))
        .sort("left", "right")
    )
    if pairs.is_empty():
        return model.no_findings()
    found = near.Pairs(*(pairs[name].to_numpy() for name in ("left", "right", "score")))
    return _findings(step, examples, found, pairs["guard"].fill_null(""))


def _findings(step: NearDuplicate, examples: pl.DataFrame, found: near.Pairs, guards: pl.Series) -> pl.DataFrame:
    droppable = guards.to_numpy() == ""
    place = keep.among_pairs(examples, found, droppable, step)
    left_first = place[found.left] < place[found.right]
    kept, other = np.where(left_first, (found.left, found.right), (found.right, found.left))
    twin = keep.survivors(place, found, droppable) if step.drop else np.full(examples.height, -1)
    ids = examples["id"]
    return pl.DataFrame(
        {
            "example": ids.gather(other),
            "twin": ids.gather(kept),
            "score": found.jaccard,
            "says": _words(np.floor(found.jaccard * 100).astype(np.int64), guards),
            "guard": guards,
            "merged": twin[other] == kept,
        }
    ).select(
        rule=pl.lit(step.rule),
        example="example",
        action=pl.when(pl.col("guard") == "").then(pl.lit("drop")).otherwise(pl.lit("none")),
        when=pl.when("merged").then(pl.lit("default")).otherwise(pl.lit("on-accept")),
        says="says",
        score="score",
        others=pl.concat_list("twin"),
    )


def _words(percent: NDArray[np.int64], guards: pl.Series) -> pl.Series:
    """Say how alike each pair is; written once per distinct sentence, some hundreds for millions of pairs."""
    said = pl.DataFrame({"percent": percent, "guard": guards})
    sentences = said.unique().with_columns(
        says=pl.format("{} % alike in spelling, compared with its twin{}", "percent", "guard")
    )
    return said.join(sentences, on=["percent", "guard"], how="left", maintain_order="left")["says"]
