"""Targets: the shares that those who will use the model have, declared by the lead or counted in live traffic."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import polars as pl

from tuneset.errors import RecipeError, unknown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Targets = dict[str, dict[str, float]]

SILENT = "prefer not to say"  # counts as no answer, wherever it stands
ROUNDED = 0.005  # how far a sum of rounded shares may be from 1


def declared(targets: Mapping[str, Mapping[str, float]], attributes: Iterable[str], where: str = "targets") -> Targets:
    """Check targets, `{attribute: {value: share}}`, and bring each attribute's shares to a sum of exactly 1.

    Shares may be parts of 1 or percentages. Raises RecipeError for an attribute that is not asked for, for shares that
    are none or do not sum up, and where "prefer not to say" has a share.

    >>> declared({"region": {"north": 60, "south": 40}}, ["region", "age"])
    {'region': {'north': 0.6, 'south': 0.4}}
    """
    known = list(attributes)
    for name in targets:
        if name not in known:
            raise unknown("attribute", name, known, where)
    return {name: _shares(shares, f"{where}.{name}") for name, shares in targets.items()}


def _shares(shares: Mapping[str, float], where: str) -> dict[str, float]:
    if SILENT in shares:
        raise RecipeError(f"{SILENT!r} cannot have a share", where, "leave it out: those people weigh as they are")
    for value, share in shares.items():
        if not (isinstance(share, int | float) and math.isfinite(share) and share >= 0):
            raise RecipeError(f"the share of {value!r} is {share!r}", where, "give a number such as 0.2, for a fifth")
    total = math.fsum(shares.values())
    if not any(abs(total - whole) <= ROUNDED * whole for whole in (1, 100)):
        raise RecipeError(f"the shares sum up to {total:g}", where, "make them sum up to 1, or to 100")
    return {value: share / total for value, share in shares.items()}


def counted(sample: pl.DataFrame, attributes: Iterable[str]) -> Targets:
    """Count targets in a sample of live traffic, a row each: the share of each value among the rows that have one.

    Raises RecipeError where a column is absent or says nothing.

    >>> counted(pl.DataFrame({"language": ["de", "de", "fr", None]}), ["language"])
    {'language': {'de': 0.6666666666666666, 'fr': 0.3333333333333333}}
    """
    found: Targets = {}
    for name in attributes:
        if name not in sample.columns:
            raise unknown("column", name, sample.columns, "the sample of live traffic")
        values = said(sample[name]).drop_nulls()
        if values.is_empty():
            raise RecipeError(f"no row says its {name!r}", "the sample of live traffic", "declare the shares instead")
        many = values.value_counts().sort(values.name)
        found[name] = dict(zip(many[name].to_list(), (many["count"] / len(values)).to_list(), strict=True))
    return found


def said(values: pl.Series) -> pl.Series:
    """Return what was said; null where nothing was, or that one prefers not to say.

    >>> said(pl.Series(["north", "prefer not to say", " ", None])).to_list()
    ['north', None, None, None]
    """
    text = values.cast(pl.String)
    return text.set(text.str.strip_chars().str.to_lowercase().is_in(["", SILENT]).fill_null(True), None)
