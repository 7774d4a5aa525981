"""Place examples on the train, validation and test sides so that no group is on two of them."""

from __future__ import annotations

from math import ceil
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tuneset.errors import RecipeError
from tuneset.split.choose import LEEWAY, UNPLACED, Rows, by_code, choose, limits

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

TRAIN, VALIDATION, TEST = 0, 1, 2
TORN = -2  # a group that lies on two sides already


class Sides(NamedTuple):
    """Where each row went, and the rows that a person should hear about."""

    side: NDArray[np.int8]  # 0 train, 1 validation, 2 test, -1 not placed (see `bridges`)
    pinned: BoolArray  # rows kept in train by a synthetic row or because their group is too large
    bridges: IntArray  # new rows in a group that already lies on two sides; they have to be dropped
    conflicts: IntArray  # earlier rows in such a group; they stay where they are
    lone: IntArray  # rows that are the only ones of their stratum


def place(  # noqa: PLR0913
    strata: IntArray,
    groups: IntArray,
    *,
    validation: float = 0.2,
    test: float = 0.0,
    seed: int = 42,
    pinned: BoolArray | None = None,
    previous: NDArray[np.int8] | None = None,
) -> Sides:
    """Give every row a side: no group on two sides, every stratum as near to the wanted shares as its groups allow.

    Where every group is one row and nothing is given beforehand, this is `draw`. Otherwise rows of groups are placed
    whole, single rows fill up, and groups are moved and exchanged as long as that pays. A side's total may be a
    twentieth of itself off; within that, first every stratum that can be is on both sides, then the summed
    distance of the strata from the wanted share is as small as the search finds it.

    `pinned` rows (synthetic ones) and whatever is tied to them go to train, and do not count towards the shares.
    A group larger than validation may become goes to train too, unless nothing else could be validation.
    `previous` holds earlier sides (-1 for new rows); they never change, and a new row follows its group.
    With three sides, test is drawn first, then `validation / (1 - test)` of the rest, as one would by calling
    scikit-learn twice. Codes and groups are any integers, one per row.

    Raises RecipeError where the shares leave nothing for train.

    >>> place(np.array([0, 0, 0, 0, 0]), np.array([0, 0, 1, 2, 3])).side[:2].tolist()
    [0, 0]
    """
    if min(validation, test) < 0 or validation + test >= 1:
        where = f"validation {validation:g}, test {test:g}"
        raise RecipeError("nothing is left to train on", where, "shares from 0 to 1 whose sum is below 1, such as 0.2")
    codes, groups = _dense(strata), _dense(groups)
    old = np.full(len(codes), UNPLACED, np.int8) if previous is None else previous
    synthetic = np.zeros(len(codes), np.bool_) if pinned is None else pinned
    bound, conflicts = _bound(groups, old, synthetic)
    side = np.where(old == UNPLACED, bound[groups], old).astype(np.int8)
    torn, real = side == TORN, ~synthetic & (side != TORN)
    too_large = (side == UNPLACED) & (np.bincount(groups)[groups] > limits(real, max(validation, test))[1])

    def fill(number: int, share: float, rows: IntArray) -> None:
        fixed = np.where(side[rows] == UNPLACED, UNPLACED, side[rows] == number).astype(np.int8)
        known = Rows(_dense(codes[rows]), _dense(groups[rows]), fixed, real[rows])
        side[rows[_one_side(known, share, seed)]] = number

    fill(TEST, test, np.flatnonzero(~torn))
    fill(VALIDATION, validation / (1 - test), np.flatnonzero(~torn & (side != TEST)))
    if test and validation and not (side == VALIDATION).any():  # test took all but one group: they share
        tested = np.flatnonzero((side == TEST) & (old == UNPLACED))
        side[tested] = UNPLACED
        fill(VALIDATION, validation / (validation + test), tested)
        side[tested[side[tested] == UNPLACED]] = TEST
    side[side == UNPLACED] = TRAIN
    side[torn] = UNPLACED
    lone = real & (np.bincount(codes, real) == 1)[codes]
    with_synthetic = np.isin(groups, groups[synthetic])
    kept_in_train = (old == UNPLACED) & (side == TRAIN) & (with_synthetic | (too_large & (validation + test > 0)))
    return Sides(side, kept_in_train, np.flatnonzero(torn), conflicts, np.flatnonzero(lone))


def _one_side(rows: Rows, share: float, seed: int) -> BoolArray:
    counts, free = np.bincount(rows.codes), rows.fixed == UNPLACED
    inside: BoolArray = rows.fixed == 1
    if share == 0 or len(rows.groups) < 2 or not free.any():
        return inside
    untouched = free.all() and rows.real.all() and int(rows.groups.max()) + 1 == len(rows.groups)
    if untouched and np.count_nonzero(counts == 1) <= LEEWAY * len(rows.codes):
        enough = (counts > 1)[rows.codes]  # scikit-learn refuses strata of one row; they go to train
        inside[enough] = draw(_dense(rows.codes[enough]), share, seed)
        return inside
    return choose(rows, share, _stream(seed))


def _bound(groups: IntArray, old: NDArray[np.int8], synthetic: BoolArray) -> tuple[IntArray, IntArray]:
    """Return the side each group is bound to (or UNPLACED, or TORN), and the earlier rows of groups on two sides."""
    total = int(groups.max(initial=-1)) + 1
    on = np.stack([np.bincount(groups[old == number], minlength=total) > 0 for number in (TRAIN, VALIDATION, TEST)])
    conflicts = np.flatnonzero((old != UNPLACED) & (on.sum(axis=0) > 1)[groups])
    on[TRAIN] |= np.bincount(groups[synthetic & (old == UNPLACED)], minlength=total) > 0
    sides = on.sum(axis=0)
    return np.select([sides == 0, sides == 1], [UNPLACED, on.argmax(axis=0)], TORN), conflicts


def _dense(values: IntArray) -> IntArray:
    """Return the values' numbers, from 0 without gaps, in their order."""
    low = int(values.min(initial=0))
    span = int(values.max(initial=0)) - low + 1
    if span > 4 * len(values):
        dense: IntArray = np.unique(values, return_inverse=True)[1]
        return dense
    present = np.zeros(span, np.bool_)
    present[values - low] = True
    return (np.cumsum(present) - 1)[values - low]


def draw(strata: IntArray, size: float, seed: int) -> BoolArray:
    """Mark the rows that scikit-learn's stratified `train_test_split(test_size=size, random_state=seed)` draws.

    The same set as scikit-learn 1.x's wherever that is defined (importing it takes seconds). It raises for a stratum
    of one row and for more strata than rows to draw; here the same arithmetic goes on.
    Strata are coded in the sorted order of their names.

    >>> np.flatnonzero(draw(np.array([0, 0, 0, 0, 0, 1, 1, 1, 1, 1]), 0.2, 42)).tolist()
    [3, 9]
    """
    total = len(strata)
    drawn = min(ceil(size * total), total - 1)
    inside = np.zeros(total, np.bool_)
    if drawn <= 0:
        return inside
    rng = _stream(seed)
    counts = np.bincount(strata)
    first = _mode(counts, total - drawn, rng)
    second = _mode(counts - first, drawn, rng)
    rows = by_code(strata)
    for members, skip, take in zip(np.split(rows, np.cumsum(counts)[:-1]), first, second, strict=True):
        inside[members[rng.permutation(len(members))][skip : skip + take]] = True
    return inside


def _stream(seed: int) -> np.random.RandomState:
    return np.random.RandomState(seed)  # scikit-learn's; its numbers never change, a Generator's may


def _mode(counts: IntArray, draws: int, rng: np.random.RandomState) -> IntArray:
    """Share `draws` out over strata, the largest remainders first (scikit-learn's `_approximate_mode`)."""
    exact = counts / counts.sum() * draws
    whole = np.floor(exact)
    missing = int(draws - whole.sum())
    remainder = exact - whole
    for value in np.unique(remainder)[::-1] if missing > 0 else ():
        ties = np.flatnonzero(remainder == value)
        add = min(len(ties), missing)
        whole[rng.choice(ties, size=add, replace=False)] += 1
        missing -= add
        if missing == 0:
            break
    shared: IntArray = whole.astype(np.int64)
    return shared
