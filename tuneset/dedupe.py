"""Stage 3: examples that are the same, nearly the same, or the same with another answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import polars as pl

from tuneset import model, near
from tuneset.step import Scope, folded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

NEGATION = (
    r"\b(?:not?|never|none|nor|nothing|nobody|cannot|without|nicht|kein\w*|nie|ohne|pas|jamais|sans|sin|nunca|jamás|não|nunca|sem"
    r"|non|mai|senza|niet|geen|nooit)\b|n['\x{2019}]t\b"
)
NAME = r"[^.!?\s]\s+(\p{Lu}[\p{L}'\x{2019}-]+)"
NUMBER = r"\S*\p{N}\S*"


@dataclass(frozen=True)
class ExactDuplicate:
    """Merge examples whose text and answer are the same.

    Why it hurts: the model is trained twice on one example, and a copy on the validation side makes the score a lie.
    One is kept, the first of the input; the others are merged into it and listed in `dropped.jsonl` with its id.
    Limits: only text that is equal character by character after cleaning; everything looser is a near-duplicate.
    """

    rule: ClassVar[str] = "exact-duplicate"
    scope: ClassVar[Scope] = "group"
    key: ClassVar[pl.Expr] = pl.col("text")
    speaks: ClassVar[tuple[list[Mapping[str, Any]], ...]] = (
        [{"text": "where is my order?", "label": "Orders"}, {"text": "where is my order?", "label": "Orders"}],
    )
    silent: ClassVar[tuple[list[Mapping[str, Any]], ...]] = (
        [{"text": "where is my order?", "label": "Orders"}, {"text": "where is my order?", "label": "Shipping"}],
        [{"text": "where is my order?", "label": "Orders"}, {"text": "Where is my order?", "label": "Orders"}],
    )

    def __call__(self, examples: pl.DataFrame) -> pl.DataFrame:
        """Say which examples repeat an earlier one."""
        same = ["text", "label", "messages"]
        repeated = ~pl.struct(same).is_first_distinct()
        copies = examples.filter(repeated)
        if copies.is_empty():
            return model.no_findings()
        first = examples.join(copies.select(same).unique(), on=same, how="semi", nulls_equal=True).unique(
            same, keep="first", maintain_order=True
        )
        return copies.join(first.select(*same, twin="id"), on=same, nulls_equal=True, maintain_order="left").select(
            rule=pl.lit(self.rule),
            example="id",
            action=pl.lit("drop"),
            says=pl.lit("the same text and answer as an earlier example"),
            score=pl.lit(1.0),
            others=pl.concat_list("twin"),
        )


@dataclass(frozen=True)
class ConflictingLabel:
    """Flag examples whose text is the same and whose labels differ.

    Why it hurts: the model is paid for both answers and learns neither.
    Nothing is done by itself: a person rejects the finding (the label is right), edits the label, or accepts that the
    example is left out. Until then all of them stay on one side of the split.
    `majority`: a label that more than this share of the twins carry is not flagged.
    Limits: texts are compared after case folding and squeezing space; for paraphrases see near-duplicate.
    """

    rule: ClassVar[str] = "conflicting-label"
    scope: ClassVar[Scope] = "group"
    key: ClassVar[pl.Expr] = folded("text")
    tasks: ClassVar[tuple[str, ...]] = ("classify", "extract")
    speaks: ClassVar[tuple[list[Mapping[str, Any]], ...]] = (
        [{"text": "where is my order?", "label": "Orders"}, {"text": "Where is  my order?", "label": "Shipping"}],
    )
    silent: ClassVar[tuple[list[Mapping[str, Any]], ...]] = (
        [{"text": "where is my order?", "label": "Orders"}, {"text": "where is my order?", "label": "Orders"}],
        [{"text": "where is my order?", "label": "Orders"}, {"text": "where is my parcel?", "label": "Shipping"}],
    )

    majority: float = 0.5

    def __call__(self, examples: pl.DataFrame) -> pl.DataFrame:
        """Say which examples carry another label than their twins."""
        share = pl.len().over("key", "label") / pl.len().over("key")
        return (
            examples.select("id", "label", key=self.key)
            .filter(~pl.col("key").is_unique())  # most rows have no twin: 1 M rows shrink before the windows below
            .filter(pl.col("label").n_unique().over("key") > 1)
            .with_columns(share=share, twins=pl.col("id").implode().over("key"))
            .filter(pl.col("share") <= self.majority)
            .select(
                rule=pl.lit(self.rule),
                example="id",
                action=pl.lit("drop"),
                when=pl.lit("on-accept"),
                field=pl.lit("/labels"),
                says=pl.format(
                    "labelled {}, as are {} % of the rows with this text",
                    "label",
                    (pl.col("share") * 100).round(0).cast(pl.Int64),
                ),
                score=1 - pl.col("share"),
                others=pl.col("twins").list.set_difference(pl.concat_list("id")).list.sort(),
            )
        )


@dataclass(frozen=True)
class NearDuplicate:
    """Flag pairs of examples whose texts are nearly the same, and keep them on one side of the split.

    Why it hurts: a twin in the validation set measures memory, not understanding; many twins make the set look larger
    than it is.
    How: case folded, everything but letters and digits to one space, the set of character 3-grams, Jaccard similarity of
    at least `threshold`. Candidates come from MinHash bands (Broder 1997); every pair is verified exactly.
    A pair is flagged; whoever accepts it leaves the later row out. `drop`: do so by itself, merging a row into the earlier row that it resembles most. A pair that differs in a number, an id, a name,
    a negation or its label is never merged, only tied. Rows are compared with rows that are kept, so a chain of small
    changes does not collapse into one.
    Memory: about 1.5 KB a row while it runs.
    Limits: paraphrases share too few letters to be seen; negations are known for English, German, French, Spanish,
    Portuguese, Italian and Dutch.
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
    seed: int = 42

    def __call__(self, examples: pl.DataFrame) -> pl.DataFrame:
        """Say which pairs of examples are nearly the same."""
        found = near.pairs(near.sets(examples["text"]), threshold=self.threshold, seed=self.seed)
        if not len(found.left):
            return model.no_findings()
        guards = differences(examples, found)
        twin = np.full(examples.height, -1, dtype=np.int64)
        if self.drop:
            twin = near.greedy(examples.height, found, guards.to_numpy() == "")
        ids = examples["id"]
        percent = np.floor(found.jaccard * 100).astype(np.int64)
        return pl.DataFrame(
            {
                "example": ids.gather(found.right),
                "twin": ids.gather(found.left),
                "score": found.jaccard,
                "says": _words(percent, guards),
                "guard": guards,
                "merged": twin[found.right] == found.left,
            }
        ).select(
            rule=pl.lit(self.rule),
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


def differences(examples: pl.DataFrame, found: near.Pairs) -> pl.Series:
    """Say for each pair what keeps it from being merged: "" or "; another number, other label"."""
    rows = np.unique(np.concatenate([found.left, found.right]))
    text = examples["text"].gather(rows).to_frame("text")
    said = text.select(
        number=_tokens(pl.col("text").str.extract_all(NUMBER)),
        name=_tokens(pl.col("text").str.extract_all(NAME).list.eval(pl.element().str.extract(NAME))),
        negation=pl.col("text").str.to_lowercase().str.count_matches(NEGATION).cast(pl.String),
        label=examples["label"].gather(rows).fill_null(""),
    ).with_columns(pl.all().rank("dense"))
    left, right = np.searchsorted(rows, found.left), np.searchsorted(rows, found.right)
    words = {
        "number": "another number or id",
        "name": "another name",
        "negation": "a negation",
        "label": "another label",
    }
    unlike = [
        pl.when(pl.Series(said[name].to_numpy()[left] != said[name].to_numpy()[right])).then(pl.lit(word))
        for name, word in words.items()
    ]
    joined = pl.concat_str(unlike, separator=", ", ignore_nulls=True)
    return (
        pl.DataFrame({"pair": np.arange(len(left))})
        .select(guard=pl.when(joined == "").then(pl.lit("")).otherwise(pl.format("; but {}", joined)))
        .to_series()
    )


def _tokens(found: pl.Expr) -> pl.Expr:
    """Join what was found in a text, without the punctuation around it, to compare texts by it."""
    return found.list.eval(pl.element().str.strip_chars(".,;:!?()[]\"'…")).list.sort().list.join(" ")


STEPS = (ExactDuplicate, ConflictingLabel, NearDuplicate)
