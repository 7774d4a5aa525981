"""Cards: what a writer is asked to write next, so that the cells of a plan fill up, the emptiest first."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from tuneset.errors import RecipeError, unknown
from tuneset.model import digest
from tuneset.people.coverage import apportioned
from tuneset.people.targets import declared

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

AXES = ("label", "channel", "tone", "language")
MOST = 50_000  # cells
OPENINGS = (
    "Think of a time when this happened to you, and write what you would have sent.",
    "Imagine that this happens to you today, and write what you would send.",
    "Write what somebody you know would send, in their words rather than yours.",
    "Write it as you would if you were in a hurry.",
    "Write it as you would if you had to explain it to a stranger.",
)
LINES = {"label": "It is about: {}", "channel": "You send it by: {}", "tone": "You are: {}", "language": "Write in: {}"}


class Card(NamedTuple):
    """What a writer is asked for; the values are data and must be escaped where they are shown."""

    cell: dict[str, str]
    lines: list[str]


def plan(
    axes: Mapping[str, Sequence[str] | Mapping[str, float]], wanted: int, examples: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Plan how many examples each cell of label x channel x tone x language should have, and count those that exist.

    `axes`: of each of the four that matters its values (all alike) or their shares. Columns: the axes, `wanted` (they sum
    up to `wanted`), `count` of `examples` (columns named as the axes; rows outside the plan count for no cell),
    `missing`. A cell's share is the product of its values' shares; where there are fewer examples than cells, cells are
    chosen such that each value of each axis still comes near its share. Raises RecipeError for an axis or shares that are
    none, and above 50,000 cells.

    >>> plan({"label": ["refund", "loan"], "tone": {"angry": 0.25, "calm": 0.75}}, 8).rows()
    [('refund', 'angry', 1, 0, 1), ('refund', 'calm', 3, 0, 3), ('loan', 'angry', 1, 0, 1), ('loan', 'calm', 3, 0, 3)]
    """
    shares = _shares(axes)
    sizes = [len(each) for each in shares.values()]
    if int(np.prod(sizes, dtype=np.int64)) > MOST:
        raise RecipeError(f"{np.prod(sizes)} cells to fill", "the plan", f"leave values out: {MOST} cells at the most")
    places = np.indices(sizes).reshape(len(sizes), -1)
    names = {
        axis: np.array(list(each), object)[at].tolist() for (axis, each), at in zip(shares.items(), places, strict=True)
    }
    cells = pl.DataFrame(names, schema=dict.fromkeys(names, pl.String))
    parts = [np.array(list(each.values()), np.float64) for each in shares.values()]
    table = cells.with_columns(wanted=_spread(wanted, parts, places))
    return table.with_columns(_counted(cells, examples)).with_columns(
        missing=(pl.col("wanted") - pl.col("count")).clip(lower_bound=0)
    )


def next_card(cells: pl.DataFrame, seed: int, number: int) -> Card | None:
    """Draw the card with this number: cells that are emptiest for what they want come first, equal ones by lot.

    The same plan, seed and number give the same card, whatever the order of the cells; numbers 0, 1, 2, … go through all
    that is missing, and begin again behind it for cards that were drawn and not written. To steer a writer, pass the
    cells that suit (`plan.filter(pl.col("language") == "de")`). None where nothing is missing.

    >>> next_card(plan({"label": ["refund"], "language": ["German"]}, 1), 0, 0).lines[1:]
    ['It is about: refund', 'Write in: German']
    """
    axes = [axis for axis in AXES if axis in cells.columns]
    short = cells.filter(pl.col("missing") > 0).sort(axes)
    if short.is_empty():
        return None
    cards = short.with_columns(nth=pl.int_ranges("missing")).explode("nth")
    lot = pl.concat_str(pl.lit(f"{seed}\x00"), *axes, pl.col("nth").cast(pl.String), separator="\x00")
    cards = cards.with_columns(
        full=((pl.col("count") + pl.col("nth")) / pl.col("wanted")).round(9),
        lot=digest(cards.select(lot).to_series()),
    ).sort("full", "lot")
    drawn = cards.row(number % cards.height, named=True)
    opening = OPENINGS[int(drawn["lot"][:8], 16) % len(OPENINGS)]
    cell = {axis: str(drawn[axis]) for axis in axes}
    return Card(cell, [opening, *(LINES[axis].replace("{}", value) for axis, value in cell.items())])


def _shares(axes: Mapping[str, Sequence[str] | Mapping[str, float]]) -> dict[str, dict[str, float]]:
    for axis in axes:
        if axis not in AXES:
            raise unknown("axis", axis, AXES, "the plan")
    named = {}
    for axis in (each for each in AXES if each in axes):
        values = axes[axis]
        if not values or len(set(values)) < len(values):
            raise RecipeError(
                f"the axis {axis!r} has no values, or one of them twice", "the plan", "name each value once"
            )
        named[axis] = dict(values) if isinstance(values, Mapping) else dict.fromkeys(values, 1 / len(values))
    if not named:
        raise RecipeError("a plan without an axis", "the plan", f"give values for one of: {', '.join(AXES)}")
    return declared(named, AXES, "the plan")


def _spread(wanted: int, parts: list[Floats], places: Ints) -> Ints:
    """Round what each cell should have to whole numbers that sum up to `wanted`: down, and the rest one by one.

    Each of the rest goes, of the cells of a value of the first axis (in turn), to the one that lags most behind what
    should be there by now, alone and in every combination of the axes. Rounding each cell for itself would leave out a
    rare language altogether where cells are thin.
    """
    exact = np.round(np.prod([part[at] for part, at in zip(parts, places, strict=True)], axis=0) * wanted, 9)
    given = np.floor(exact).astype(np.int64)
    lack = exact - given
    first = np.bincount(places[0], lack, len(parts[0]))
    many = apportioned(wanted - int(given.sum()), first.astype(np.float64), [str(at) for at in range(len(first))])
    turns = [((nth + 0.5) / each, at, nth) for at, each in enumerate(many.tolist()) for nth in range(each)]
    cells = np.arange(len(lack)).reshape(len(parts[0]), -1)
    kinds = _combinations(places, [len(part) for part in parts])
    due = [np.bincount(kind, lack) for kind in kinds]
    done = [np.zeros(len(each)) for each in due]
    for turn, (_, at, nth) in enumerate(sorted(turns)):
        block = cells[at]
        whole, own = (turn + 1) / len(turns), (nth + 1) / many[at]
        late = np.where(lack[block] > 0, 0.0, -np.inf)
        for number, kind in enumerate(kinds):
            late += due[number][kind[block]] * (own if number % 2 else whole) - done[number][kind[block]]
        chosen = block[int(np.argmax(late))]
        given[chosen] += 1
        lack[chosen] = 0
        for kind, each in zip(kinds, done, strict=True):
            each[kind[chosen]] += 1
    return np.asarray(given, np.int64)


def _combinations(places: Ints, sizes: list[int]) -> list[Ints]:
    """Give cells with the same values one number: for each combination of later axes, in the whole and within the first."""
    rest = range(1, len(sizes))
    later = [axes for many in rest for axes in combinations(rest, many)]
    return [
        np.asarray(np.ravel_multi_index(list(places[list(axes)]), [sizes[axis] for axis in axes]))
        for some in later
        for axes in (some, (0, *some))
    ]


def _counted(cells: pl.DataFrame, examples: pl.DataFrame | None) -> pl.Series:
    if examples is None or examples.is_empty():
        return pl.Series("count", np.zeros(cells.height, np.int64))
    for axis in cells.columns:
        if axis not in examples.columns:
            raise unknown("column", axis, examples.columns, "the examples of a plan")
    many = examples.group_by(cells.columns).agg(count=pl.len().cast(pl.Int64))
    return cells.join(many, on=cells.columns, how="left", maintain_order="left")["count"].fill_null(0)
