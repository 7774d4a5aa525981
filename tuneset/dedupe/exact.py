"""Examples that are the same, and the same text with another answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import orjson
import polars as pl

from tuneset import model
from tuneset.dedupe import keep
from tuneset.step import Scope, folded

if TYPE_CHECKING:
    from collections.abc import Mapping


SHOWN = 3  # other labels of a text that are named
SAME = "the same text and answer as another example, which is kept"


@dataclass(frozen=True)
class ExactDuplicate:
    """Merge examples whose text and answer are the same.

    Why it hurts: the model is trained twice on one example, and a copy on the validation side makes the score a lie.
    One is kept; the others are merged into it and listed in `dropped.jsonl` with its id. `keep` says which one: "first" of
    the input, "newest" (`newest_by` names the column with the date) or "source" (`sources` names them from best to worst);
    ties go to the first of the input, and a date that cannot be read loses. Among texts that are the same none is longer or
    more typical, so with "longest" and "typical" it is the first.
    Limits: only text that is equal character by character after cleaning; everything looser is a near-duplicate.

    >>> from tuneset.testing import examples
    >>> rows = examples(["where is my order?", "where is my order?", "Where is my order?"])
    >>> ExactDuplicate()(rows).select("action", "says").rows()
    [('drop', 'the same text and answer as an earlier example')]
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

    keep: str = "first"
    newest_by: str = ""
    sources: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a rule for keeping that is unknown or incomplete."""
        keep.check(self)

    def __call__(self, examples: pl.DataFrame) -> pl.DataFrame:
        """Say which examples repeat another one that is kept."""
        if self.keep != "first":
            examples = examples[np.argsort(keep.preference(examples, self))]
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
            says=pl.lit("the same text and answer as an earlier example" if self.keep == "first" else SAME),
            score=pl.lit(1.0),
            others=pl.concat_list("twin"),
        )


@dataclass(frozen=True)
class ConflictingLabel:
    """Flag examples whose text is the same and whose labels differ.

    Why it hurts: the model is paid for both answers and learns neither.
    Nothing is done by itself: a person accepts (the example is dropped), rejects (its label is right) or edits (it gets
    another label). Once one label is left among the twins, nothing waits any more. Until then all of them stay on one
    side of the split.
    `majority`: a label that more than this share of the twins carry is not flagged.
    Limits: texts are compared after case folding and squeezing space; for paraphrases see near-duplicate.

    >>> from tuneset.testing import examples
    >>> rows = examples([{"text": "where is it?", "label": label} for label in ("Orders", "Orders", "Shipping")])
    >>> ConflictingLabel()(rows).select("when", "says").rows()
    [('on-accept', 'labelled Shipping; with the same text: Orders (2 rows); accept drops this one')]
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
        rows = (
            examples.select("id", "label", "labels", key=self.key)
            .filter(~pl.col("key").is_unique())  # most rows have no twin: 1 M rows shrink before the windows below
            .filter(pl.col("label").n_unique().over("key") > 1)
            .with_columns(
                twins=pl.col("id").implode().over("key"), share=pl.len().over("key", "label") / pl.len().over("key")
            )
        )
        found = rows.filter(pl.col("share") <= self.majority)
        return found.join(
            _others(rows), on=["key", "label"], how="left", nulls_equal=True, maintain_order="left"
        ).select(
            rule=pl.lit(self.rule),
            example="id",
            action=pl.lit("drop"),
            when=pl.lit("on-accept"),
            field=pl.lit("/labels"),
            says=pl.format("labelled {}; with the same text: {}; accept drops this one", "own", "theirs"),
            score=1 - pl.col("share"),
            others=pl.col("twins").list.set_difference(pl.concat_list("id")).list.sort(),
        )


def _others(rows: pl.DataFrame) -> pl.DataFrame:
    """Name for each label of a text (`key`, `label`) itself (`own`) and the other labels of that text (`theirs`)."""
    of = rows.group_by("key", "label", maintain_order=True).agg(pl.col("labels").first(), many=pl.len())
    names = {each: named(each) for each in of["labels"].unique().drop_nulls()}
    own = pl.coalesce(pl.col("labels").replace_strict(names, default=None, return_dtype=pl.String), "label")
    several = pl.when(pl.col("many") > 1).then(pl.format("{} ({} rows)", "own", "many")).otherwise("own")
    of = of.with_columns(own=own.fill_null("nothing"), labels_of_it=pl.len().over("key")).with_columns(said=several)
    first = of.sort("many", "own", descending=[True, False]).group_by("key", maintain_order=True).head(SHOWN + 1)
    theirs = (
        of.join(first.select("key", "said", other="label"), on="key", maintain_order="left_right")
        .filter(pl.col("label").ne_missing(pl.col("other")))
        .group_by("key", "label", maintain_order=True)
        .agg(
            pl.col("said_right").head(SHOWN).str.join(", "),
            more=pl.col("labels_of_it").first().cast(pl.Int64) - 1 - SHOWN,
        )
    )
    more = pl.when(pl.col("more") > 0).then(pl.format(", {} more", "more")).otherwise(pl.lit(""))
    theirs = theirs.select("key", "label", theirs=pl.col("said_right") + more)
    return of.select("key", "label", "own").join(theirs, on=["key", "label"], nulls_equal=True)


def named(labels: str) -> str:
    """Write the values of label columns as a person would.

    >>> named('{"category": "Orders", "sub_category": ["Late", "Lost"]}')
    'Orders / Late, Lost'
    """
    values = (each if isinstance(each, list) else [each] for each in orjson.loads(labels).values())
    return " / ".join(
        ", ".join(each if isinstance(each, str) else orjson.dumps(each).decode() for each in value) for value in values
    )
