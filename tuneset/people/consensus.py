"""Consensus: what an item is, where several people answered it, and how sure that is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl

from tuneset.errors import unknown
from tuneset.people.answers import coded
from tuneset.people.dawid_skene import dawid_skene, votes
from tuneset.people.mace import mace

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tuneset.people.answers import Coded
    from tuneset.people.dawid_skene import Candidates

    Floats = NDArray[np.float64]

Method = Literal["majority", "dawid-skene", "mace"]
METHODS: tuple[Method, ...] = ("majority", "dawid-skene", "mace")
SURE = 0.8  # below it a person decides
ALIKE = 1e-6  # two labels that lie closer together than this are tied


def consensus(answers: pl.DataFrame, method: Method = "majority", limit: float = SURE, seed: int = 0) -> pl.DataFrame:
    """Say what each item is by the answers of all, how sure that is, and which items a person should decide.

    Columns: `item` (sorted; items without an answer have no row), `value` (null where labels are tied: nothing is broken
    silently), `sure` (of `majority` the share of votes, else the posterior), `answers`, `tied` (the labels that are),
    `adjudicate` (tied, or `sure` is below `limit`). Methods: `majority`; `dawid-skene`, which learns what each person
    confuses (1979); `mace`, which learns who makes answers up (Hovy et al. 2013, starts drawn from `seed`). On
    simulated pools with careless people both beat the majority by 4 to 11 points, `mace` by up to 1 more; where everyone
    confuses labels `dawid-skene` is better by 7; where all are careful the majority is about as good
    (bench/people.py). The order of rows changes nothing. Raises RecipeError for another method.

    >>> rows = [("a", "ada", "yes"), ("a", "eve", "yes"), ("a", "bob", "no"), ("b", "ada", "no"), ("b", "eve", "yes")]
    >>> found = consensus(pl.DataFrame(rows, schema=["item", "contributor", "value"], orient="row"))
    >>> found.select("value", "answers", "tied", "adjudicate").rows()
    [('yes', 3, [], True), (None, 2, ['no', 'yes'], True)]
    """
    told = coded(answers)
    found = _found(told, method, seed)
    items = pl.DataFrame({"at": np.arange(len(told.items)), "item": pl.Series(told.items, dtype=pl.String)})
    top = pl.DataFrame({"at": found.item, "p": pl.Series(found.p, dtype=pl.Float64)}).with_columns(
        top=pl.col("p").max().over("at")
    )
    labels = pl.Series(told.labels, dtype=pl.String).gather(found.label)
    best = top.with_columns(label=labels).filter(pl.col("p") >= pl.col("top") - ALIKE)
    chosen = best.group_by("at", maintain_order=True).agg("label", sure=pl.col("top").first())
    many = pl.Series("answers", np.bincount(told.item, minlength=len(told.items)), dtype=pl.Int64)
    tied = pl.col("label").list.len() > 1
    return (
        items.with_columns(many)
        .join(chosen, on="at", maintain_order="left")
        .select(
            "item",
            pl.when(~tied).then(pl.col("label").list.first()).alias("value"),
            pl.col("sure").round(6),
            "answers",
            tied=pl.when(tied).then("label").otherwise([]),
            adjudicate=tied | (pl.col("sure") < limit),
        )
    )


def posterior(answers: pl.DataFrame, method: Method = "dawid-skene", seed: int = 0) -> pl.DataFrame:
    """Say how likely each label of each item is: `item`, `value`, `p`; labels below a millionth are left out."""
    told = coded(answers)
    found = _found(told, method, seed)
    items, labels = (pl.Series(names, dtype=pl.String) for names in (told.items, told.labels))
    named = {
        "item": items.gather(found.item),
        "value": labels.gather(found.label),
        "p": pl.Series(found.p, dtype=pl.Float64),
    }
    return pl.DataFrame(named).filter(pl.col("p") >= ALIKE)


def _found(told: Coded, method: str, seed: int) -> Candidates:
    if method not in METHODS:
        raise unknown("method", method, METHODS, "consensus")
    if method == "majority":
        return votes(told)
    return dawid_skene(told).candidates if method == "dawid-skene" else mace(told, seed).candidates
