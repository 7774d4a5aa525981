"""Coverage: who and what is missing, against the shares of those who will use the model, and how many more it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import polars as pl

from tuneset.errors import RecipeError
from tuneset.judge.shares import FALSE, LEVEL, adjusted, against_shares, interval
from tuneset.judge.shares import wanted as to_add
from tuneset.people.targets import said

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

State = Literal["open", "soft-full", "full"]
SOFT = 0.9  # of a quota, from which on nobody new is invited, while those who are on their way are let in
LEAST = 20  # answers without which nothing is said of who is missing


class Covered(NamedTuple):
    """An attribute's shares against their target."""

    attribute: str
    cells: pl.DataFrame  # see `against`
    rows: int  # that say a value which the target names
    silent: int  # that say none
    outside: dict[str, int]  # values that the target does not name
    p: float | None  # None: too few rows to say
    words: str


def against(values: pl.Series, target: Mapping[str, float], seed: int = 0) -> Covered:
    """Compare what people (or examples) are with a target, `{value: share}` as `targets.declared` gives it.

    `values`: one per person or example, null or "prefer not to say" where it is not known; the series' name is the
    attribute's. The columns of `cells`, in the order of the target: `value`, `count`, `share` with the Wilson interval
    `low` and `high`, `target`, `residual` (standardised: beyond 2 or 3 is more than chance), `p`, `differs` (the whole
    differs, and of the values that are named no more than 5 % are false), `missing` (rows to add so that its share fits
    and none is taken away; 0 where it does not differ). Nothing differs below 20 rows.

    G-test by drawing, Benjamini and Hochberg (see `judge.shares`). Limits: rows are taken for independent, which examples
    of one writer are not; nothing here hides small groups, for that see `groups.folded`.

    >>> found = against(pl.Series("region", ["north"] * 45 + ["south"] * 5), {"north": 0.5, "south": 0.5})
    >>> found.cells.select("value", "count", "differs", "missing").rows()
    [('north', 45, True, 0), ('south', 5, True, 40)]
    """
    names, shares = list(target), np.array(list(target.values()), np.float64)
    told = said(values)
    many = dict(told.drop_nulls().value_counts().iter_rows())
    counts = np.array([many.pop(name, 0) for name in names], np.int64)
    rows = int(counts.sum())
    found = against_shares(counts, shares, np.random.default_rng(seed)) if rows >= LEAST and len(names) > 1 else None
    differs = np.zeros(len(names), np.bool_)
    if found is not None and found.p <= LEVEL:
        differs = adjusted(found.each) <= FALSE
    low, high = interval(counts, rows)
    cells = {
        "value": pl.Series(names, dtype=pl.String),
        "count": counts,
        "share": counts / max(rows, 1),
        "low": low,
        "high": high,
        "target": shares,
        "residual": _residuals(counts, shares, rows),
        "p": pl.Series([None] * len(names) if found is None else found.each, dtype=pl.Float64),
        "differs": differs,
        "missing": to_add(counts, shares, differs) if differs.any() else np.zeros(len(names), np.int64),
    }
    table = pl.DataFrame(cells)
    p = None if found is None else found.p
    outside = dict(sorted(many.items()))
    return Covered(values.name, table, rows, int(told.null_count()), outside, p, _words(table, rows, p))


def _residuals(counts: Ints, shares: Floats, rows: int) -> Floats:
    """Return how many standard deviations of chance each count is from what the target expects (adjusted residuals)."""
    spread = np.sqrt(np.maximum(rows * shares * (1 - shares), 1e-12))
    return np.asarray(np.where(shares < 1, (counts - rows * shares) / spread, 0.0), np.float64)


def _words(cells: pl.DataFrame, rows: int, p: float | None) -> str:
    if p is None:
        return f"{rows} answers: too few to say who is missing (it takes {LEAST})."
    few = cells.filter(pl.col("differs") & (pl.col("share") < pl.col("target"))).sort(
        pl.col("target") - pl.col("share"), "value", descending=[True, False]
    )
    if few.is_empty():
        return "Nobody is missing beyond chance." if not cells["differs"].any() else "Some are too many, none too few."
    each = few.select("value", "share", "target", "missing").iter_rows()
    return "Missing: " + "; ".join(
        f"{value} ({share:.0%} instead of {target:.0%}, {missing} more)" for value, share, target, missing in each
    )


def quotas(counts: Mapping[str, int], target: Mapping[str, float], size: int) -> pl.DataFrame:
    """Cut `size` people (or examples) into quotas by a target, and say which are still open and how many more they take.

    Columns: `value`, `quota` (they sum up to `size`), `count`, `more`, `state`: `open`; `soft-full` from 90 % of the quota
    on, where nobody new is invited and those who are on their way are let in; `full`. Values that the target does not
    name have no quota. Largest remainders (Hamilton); equal ones go to the greater share, then by name.

    >>> quotas({"north": 9, "south": 1}, {"north": 0.5, "south": 0.5}, 20).rows()
    [('north', 10, 9, 1, 'soft-full'), ('south', 10, 1, 9, 'open')]
    """
    if size < 0:
        raise RecipeError(f"quotas of {size} people", "size", "give how many there should be in the end")
    names = list(target)
    quota = apportioned(size, np.array(list(target.values()), np.float64), names)
    count = np.array([counts.get(name, 0) for name in names], np.int64)
    state = np.where(count >= quota, "full", np.where(count >= SOFT * quota, "soft-full", "open"))
    return pl.DataFrame(
        {
            "value": pl.Series(names, dtype=pl.String),
            "quota": quota,
            "count": count,
            "more": np.maximum(quota - count, 0),
            "state": pl.Series(state.tolist(), dtype=pl.String),
        }
    )


def apportioned(size: int, shares: Floats, names: list[str]) -> Ints:
    """Cut a whole number into whole parts by shares that sum up to 1: each gets its own, rounded down or up.

    >>> apportioned(10, np.array([0.55, 0.25, 0.2]), ["a", "b", "c"]).tolist()
    [6, 2, 2]
    """
    exact = np.round(shares / shares.sum() * size, 9) if shares.sum() > 0 else np.zeros(len(shares))
    parts = np.floor(exact).astype(np.int64)
    order = sorted(range(len(names)), key=lambda at: (-(exact[at] - parts[at]), -shares[at], names[at]))
    parts[order[: max(size - int(parts.sum()), 0)]] += 1
    return parts
