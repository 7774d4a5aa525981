"""Weights: people who are too few count for more, so that all together count as those who will use the model."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from tuneset.errors import RecipeError
from tuneset.people.targets import declared, said

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Bools = NDArray[np.bool_]
    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

MOST = 4  # attributes at once; more make cells of nobody
CAP = 5.0  # times the mean weight
ENOUGH = 0.3  # effective sample size, as a share of the people, below which weighing is refused
ROUNDS = 1000
STILL = 1e-10  # change of a weight at which raking ends
LEAST = 1e-6  # weight; targets that do not fit together would push some to nothing
MET = 1e-6  # of a share


class Weighed(NamedTuple):
    """Weights of people and what they cost."""

    weights: pl.DataFrame | None  # `contributor`, `weight` with a mean of 1; None where refused
    people: int
    effective: float  # Kish's effective sample size: so many people, unweighted, would say as much
    design: float  # Kish's design effect: people / effective
    residual: float  # the farthest that a weighted share stays from its target
    shares: pl.DataFrame  # `attribute`, `value`, `people`, `target`, `weighted`
    capped: int  # people whose weight is cut at the cap
    rounds: int
    words: str = ""

    @property
    def refused(self) -> bool:
        """Say whether the weights would cost more than they mend."""
        return self.weights is None


def rake(people: pl.DataFrame, targets: Mapping[str, Mapping[str, float]], cap: float = CAP) -> Weighed:
    """Weigh people so that the share of each value of each attribute is its target's: raking, in turn for each attribute.

    `people`: a row each, `contributor` and a column per attribute. Who gives no answer about an attribute, or prefers
    not to say, is left as they are by that attribute, and who answers nothing at all weighs exactly 1, the mean: a target
    is met among those who answered it. (To make silence a cell of its own would need a target for silence, and to guess
    the answer would hand back what was kept private.) No weight is above `cap` times the mean: what is cut off goes to
    all others, raking goes on, and how far the shares stay from the targets is said (`residual`).

    Deming and Stephan 1940; effective size and design effect as Kish 1965. Refused, with `weights` None, where the
    effective size is below 30 % of the people. Raises RecipeError for more than 4 attributes, for a value that the target
    wants and nobody has, and for one that people have and the target does not name. Limits: weights mend shares, not
    who among a group came; they are for counting and drawing, and no example is ever doubled by them.

    >>> people = pl.DataFrame({"contributor": list("abcd"), "region": ["north", "north", "north", "south"]})
    >>> found = rake(people, {"region": {"north": 0.5, "south": 0.5}})
    >>> found.weights["weight"].round(3).to_list(), found.effective, found.residual
    ([0.667, 0.667, 0.667, 2.0], 3.0, 0.0)
    """
    if not 1 <= len(targets) <= MOST:
        raise RecipeError(
            f"{len(targets)} attributes to weigh by", "targets", f"give 1 to {MOST}, those that matter most"
        )
    if cap < 1:
        raise RecipeError(f"a cap of {cap:g}", "cap", "give 1 or more: the mean weight is 1")
    wanted = declared(targets, [name for name in people.columns if name != "contributor"])
    rows = people.sort("contributor").with_columns(said(people.sort("contributor")[name]) for name in wanted)
    cells = [_Cells.of(rows[name], shares) for name, shares in wanted.items()]
    fixed = np.logical_and.reduce([each.place < 0 for each in cells])
    weights, rounds = _raked(cells, fixed, cap)
    return _weighed(rows["contributor"], cells, weights, rounds, cap)


def effective(weights: Floats) -> float:
    """Return Kish's effective sample size: the square of the sum by the sum of the squares.

    >>> effective(np.array([1.0, 1.0, 2.0])).__round__(3)
    2.667
    """
    square = float(np.square(weights).sum())
    return float(weights.sum()) ** 2 / square if square else 0.0


class _Cells(NamedTuple):
    """The people of each value of an attribute."""

    name: str
    values: list[str]
    shares: Floats
    place: Ints  # (people,), their value; -1 where they do not say
    many: Ints  # (values,), people

    @staticmethod
    def of(answers: pl.Series, shares: dict[str, float]) -> _Cells:
        for value in sorted(set(answers.drop_nulls().to_list()) - {value for value in shares if shares[value] > 0}):
            raise RecipeError(
                f"people say {value!r}, of whom the target wants none",
                f"targets.{answers.name}",
                "give it a share, merge it with another value, or leave these people out",
            )
        values = [value for value in sorted(shares) if shares[value] > 0]
        place = (
            answers.replace_strict(values, range(len(values)), default=None, return_dtype=pl.Int64)
            .fill_null(-1)
            .to_numpy()
        )
        many = np.bincount(place[place >= 0], minlength=len(values))
        for at in np.flatnonzero(many == 0).tolist():
            raise RecipeError(
                f"nobody is {answers.name}={values[at]!r}, of whom the target wants {shares[values[at]]:.1%}",
                f"targets.{answers.name}",
                "recruit some, or merge this value with another in the target",
            )
        return _Cells(answers.name, values, np.array([shares[value] for value in values]), place, many)

    def weighted(self, weights: Floats) -> Floats:
        """Return the weighted share of each value, among those who say one."""
        inside = np.bincount(self.place[self.place >= 0], weights[self.place >= 0], len(self.values))
        return np.asarray(inside / inside.sum(), np.float64)


def _raked(cells: list[_Cells], fixed: Bools, cap: float) -> tuple[Floats, int]:
    """Rake and cut, in turn, until nothing moves."""
    weights = np.ones(len(fixed))
    for rounds in range(1, ROUNDS + 1):
        before = weights
        for each in cells:
            factor = np.append(each.shares / each.weighted(weights), 1.0)  # the last is for those who do not say
            weights = weights * factor[each.place]
        weights = _cut(weights, fixed, cap)
        if np.abs(weights - before).max(initial=0) < STILL:
            return weights, rounds
    return weights, ROUNDS


def _cut(weights: Floats, fixed: Bools, cap: float) -> Floats:
    """Cut weights at the cap and give what is cut off to the others, so that the mean stays 1; those fixed stay 1."""
    over = np.zeros(len(weights), np.bool_)
    while True:
        free = ~over & ~fixed
        left = len(weights) - cap * over.sum() - fixed.sum()
        weights = np.where(free, weights * (left / max(weights[free].sum(), LEAST)), np.where(fixed, 1.0, cap))
        more = free & (weights > cap * (1 + 1e-12))
        if not more.any():
            return np.maximum(weights, LEAST)
        over |= more


def _weighed(names: pl.Series, cells: list[_Cells], weights: Floats, rounds: int, cap: float) -> Weighed:
    size, people = effective(weights), len(weights)
    shares = pl.concat(
        pl.DataFrame(
            {
                "attribute": [each.name] * len(each.values),
                "value": each.values,
                "people": each.many,
                "target": each.shares,
                "weighted": each.weighted(weights).round(9),
            }
        )
        for each in cells
    )
    residual = round(float((shares["weighted"] - shares["target"]).abs().max() or 0), 6)  # type: ignore[arg-type]
    capped = int((weights >= cap * (1 - 1e-9)).sum()) if cap > 1 else people
    refused = size < ENOUGH * people
    table = pl.DataFrame({"contributor": names, "weight": weights.round(9)})
    found = Weighed(
        None if refused else table, people, round(size, 6), round(people / size, 6), residual, shares, capped, rounds
    )
    return found._replace(words=_words(found, cap))


def _words(found: Weighed, cap: float) -> str:
    if found.refused:
        return (
            f"Not weighed: {found.people} people would say no more than {found.effective:.0f}, less than {ENOUGH:.0%} of "
            "them. Recruit those who are missing, or merge small groups."
        )
    words = f"{found.people} people, weighed, say as much as {found.effective:.0f} would."
    if found.residual <= MET:
        return f"{words} All shares are as the targets want them."
    why = (
        f"{found.capped} weights are cut at {cap:g}"
        if found.capped
        else "the targets do not fit together in these people"
    )
    return f"{words} Shares stay up to {found.residual:.1%} from the targets: {why}."
