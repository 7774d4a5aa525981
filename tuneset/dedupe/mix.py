"""How much of the mix each source may be, once duplicates are gone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from tuneset import model
from tuneset.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

RULE = "over-share"


class Part(NamedTuple):
    """What the recipe allows a source: at most so many rows, at most this share of all; 0 means no limit."""

    source: str
    rows: int = 0
    share: float = 0.0


def over(examples: pl.DataFrame, parts: Sequence[Part], seed: int) -> pl.DataFrame:
    """Say which rows of a source are more than the recipe takes of it.

    Drawn by a hash of seed and id, label by label, so that the labels of a source keep their shares, and so that the
    same rows stay whatever else is added or taken out (but for the numbers). Returns findings with the action drop.

    >>> rows = pl.DataFrame({"id": ["a", "b", "c"], "source": ["web"] * 3, "label": ["x"] * 3})
    >>> over(rows, [Part("web", rows=1)], 42).height
    2
    """
    have = dict(examples["source"].value_counts().iter_rows())
    takes = taken(have, parts)
    drawn = model.digest(examples.select(pl.format("{} {}", pl.lit(str(seed)), "id")).to_series())
    place = pl.col("drawn").rank("ordinal").over("source", "label") / pl.len().over("source", "label")
    ranked = (
        examples.select("id", "source", pl.col("label").fill_null(""), drawn=drawn)
        .with_columns(place=place)
        .with_columns(rank=pl.struct("place", "drawn").rank("ordinal").over("source"))
    )
    limits = pl.col("source").replace_strict(takes, default=None, return_dtype=pl.Int64)
    beyond = ranked.filter(pl.col("rank") > limits)
    says = {source: _words(have[source], takes[source], part) for part in parts if (source := part.source) in takes}
    return model.as_findings(
        beyond.select(
            rule=pl.lit(RULE),
            example="id",
            action=pl.lit("drop"),
            says=pl.col("source").replace_strict(says, return_dtype=pl.String),
        )
    )


def taken(have: Mapping[str, int], parts: Sequence[Part]) -> dict[str, int]:
    """Count how many rows of each limited source are taken, so that no share is exceeded.

    A share is one of all rows that stay: a source that is cut makes the others' share larger, so they are cut until all
    shares hold; one that has fewer rows than its share stays whole.

    >>> taken({"own": 300, "web": 900}, [Part("web", share=0.25)])
    {'web': 100}
    """
    known = {part.source: part for part in parts if part.source in have}
    most = {name: min(rows, known[name].rows or rows) if name in known else rows for name, rows in have.items()}
    shares = {name: part.share for name, part in known.items() if part.share}
    cut: set[str] = set()
    total = float(sum(most.values()))
    # The largest total that all shares allow: as it falls, more sources exceed theirs, and none stops to.
    while more := {name for name in shares.keys() - cut if most[name] > shares[name] * total * (1 + 1e-12)}:
        cut |= more
        rest = 1 - sum(shares[name] for name in cut)
        total = sum(rows for name, rows in most.items() if name not in cut) / rest if rest > 1e-9 else 0.0
        if not total:
            listed = ", ".join(f"{name} {shares[name]:.0%}" for name in sorted(cut))
            hint = "raise a share, or leave one out: the others would then be the rest"
            raise RecipeError(f"the shares cannot hold: {listed}, and there is nothing else", "sources, share", hint)
    kept = {name: int(shares[name] * total * (1 + 1e-12)) if name in cut else rows for name, rows in most.items()}
    return {name: kept[name] for name in known if kept[name] < have[name]}


def _words(have: int, takes: int, part: Part) -> str:
    limit = f"{part.share:.0%} of the mix" if part.share and takes < (part.rows or have) else f"{part.rows:,} rows"
    return f"the recipe takes at most {limit} from {part.source}: {takes:,} of its {have:,} stay"


def of(sources: Sequence[Any]) -> list[Part]:
    """List the sources that the recipe limits."""
    return [Part(each.name, each.rows, each.share) for each in sources if each.rows or each.share]
