"""Choose the groups and single rows of one side: every stratum near the wanted share, no group torn."""

from __future__ import annotations

from math import ceil, floor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

UNPLACED = -1
LEEWAY = 0.05  # a side may be this part of itself too small or too large: .19 to .21 for .2
ROUNDS = 300  # of moving groups; 2 to 40 were enough on every set we measured
EFFORT = 20_000_000  # cells looked at in all rounds together, 5 seconds
EXCHANGES = 60  # strata looked at for a pair of groups to exchange, which costs up to 10 ms each
STARTS, SMALL = 16, 50_000  # draws to start from, where all of them together have no more cells than this
EPSILON = 1e-9
NEIGHBOURS = 48  # groups that are paired with each other, half of them of one stratum


class Rows(NamedTuple):
    """What is known of each row before one side is chosen."""

    codes: IntArray  # strata and groups, numbered from 0 without gaps
    groups: IntArray
    fixed: NDArray[np.int8]  # 1 on the side, 0 not on it, -1 free
    real: BoolArray  # counts towards the share; synthetic rows do not


class Goal(NamedTuple):
    """What one side should get of each stratum."""

    share: float
    least: int  # rows of the whole side
    most: int
    counts: IntArray  # rows of each stratum
    given: IntArray  # rows that are in already
    loose: IntArray  # free single rows: they can take any number
    movable: IntArray  # free rows, single or in groups
    wanted: IntArray  # rows each stratum should have
    both: BoolArray  # strata that can be on both sides
    nudge: FloatArray  # less than a row; breaks ties between strata of one size

    def taken(self, given: IntArray, code: IntArray | slice = slice(None)) -> IntArray:
        """Return the rows in, once single rows have made up for what the groups miss."""
        return np.clip(self.wanted[code], given, given + self.loose[code])

    def price(self, taken: IntArray, code: IntArray | slice = slice(None)) -> FloatArray:
        """Return the distance from the wanted share, and 1 more for a stratum on one side that could be on both."""
        counts = self.counts[code]
        one_sided = self.both[code] & ((taken <= 0) | (taken >= counts))
        return np.abs(taken / np.maximum(counts, 1) - self.share) + one_sided

    def excess(self, total: IntArray) -> FloatArray:
        """Return what the side's size costs: nothing within the limits, beyond them more than a stratum could gain."""
        return 2.0 * np.maximum(np.maximum(self.least - total, total - self.most), 0)

    def total(self, given: IntArray) -> float:
        """Return the price of all strata and of the side's size."""
        taken = self.taken(given)
        return float(self.price(taken).sum() + self.excess(taken.sum()))


class Cells(NamedTuple):
    """How many rows of each stratum each group has, where it has any."""

    group: IntArray
    code: IntArray
    rows: IntArray


def limits(real: BoolArray, share: float) -> tuple[int, int]:
    """Return the fewest and the most rows a side may have: at least one, never all.

    >>> limits(np.ones(10_000, bool), 0.2), limits(np.ones(3, bool), 0.2)
    ((1900, 2100), (1, 1))
    """
    wanted = round(share * int(real.sum()), 9)
    least = min(ceil(wanted * (1 - LEEWAY)), floor(wanted))
    return max(least, 1), min(max(floor(wanted * (1 + LEEWAY)), ceil(wanted)), len(real) - 1)


def choose(rows: Rows, share: float, rng: np.random.RandomState) -> BoolArray:
    """Mark the rows of one side: those fixed at 1, none fixed at 0, and of the free ones (-1) the best.

    Groups of several rows are drawn evenly over strata and sizes, then moved and exchanged while that pays; single
    rows, drawn at random, fill up. Only `real` rows count towards the share.
    """
    codes, groups, fixed, real = rows
    inside: BoolArray = fixed == 1
    free, size = fixed == UNPLACED, np.bincount(groups)
    fits = free & (size[groups] <= limits(real, share)[1])
    if not fits.any() and not inside.any() and len(size) > 1:  # every group is too large; no rows would be worse
        inside[free & (groups == groups[free][size[groups[free]].argmin()])] = True
        return inside
    single, grouped = fits & (size[groups] == 1), fits & (size[groups] > 1)
    goal = _goal(rows, single, grouped, share, rng)
    cells = _cells(groups[grouped], codes[grouped])
    chosen = _best_of(goal, cells, len(size), rng)
    inside |= grouped & chosen[groups]
    given = _given(goal, cells, chosen)
    missing = _level(goal, given, given + goal.loose) - given
    fillers = np.flatnonzero(single)
    inside[fillers[_rank(codes[fillers], rng) < missing[codes[fillers]]]] = True
    return inside


def _goal(rows: Rows, single: BoolArray, grouped: BoolArray, share: float, rng: np.random.RandomState) -> Goal:
    """Count each stratum, and level out what the side should get of it."""
    codes, groups, fixed, real = rows
    strata = int(codes.max(initial=-1)) + 1
    counts, given = _sum(codes, real, strata), _sum(codes, (fixed == 1) & real, strata)
    loose, movable = _sum(codes, single, strata), _sum(codes, single | grouped, strata)
    in_groups = np.bincount(_cells(groups[real], codes[real]).code, minlength=strata)
    both = (in_groups > 1) & (given < counts) & (given + movable > 0)
    nudge = rng.uniform(-1e-6, 1e-6, strata)
    goal = Goal(share, *limits(real, share), counts, given, loose, movable, counts, both, nudge)
    return goal._replace(wanted=_level(goal, given, given + movable))


def by_code(codes: IntArray) -> IntArray:
    """Sort rows by stratum and keep their order within it; 16-bit codes take a radix sort, 9 times faster."""
    order: IntArray = np.argsort(codes.astype(np.uint16) if codes.max(initial=0) < 2**16 else codes, kind="stable")
    return order


def _sum(codes: IntArray, rows: IntArray | BoolArray, strata: int) -> IntArray:
    return np.bincount(codes, rows, strata).astype(np.int64)


def _cells(groups: IntArray, codes: IntArray) -> Cells:
    width = int(codes.max(initial=0)) + 1
    keys, rows = np.unique(groups * width + codes, return_counts=True)
    return Cells(keys // width, keys % width, rows)


def _rank(codes: IntArray, rng: np.random.RandomState) -> IntArray:
    """Return each row's place in a random order of its stratum."""
    order = rng.permutation(len(codes))
    order = order[by_code(codes[order])]
    sizes = np.bincount(codes)
    rank = np.empty(len(codes), np.int64)
    rank[order] = np.arange(len(codes)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return rank


def _level(goal: Goal, low: IntArray, high: IntArray) -> IntArray:
    """Return rows for each stratum, between `low` and `high`, at the share that brings the total within its limits."""
    cover = goal.both & (low == 0)
    if low.sum() + cover.sum() > goal.most:  # too many small strata to have all of them on both sides
        largest_first = np.argsort(-goal.counts * cover, kind="stable")
        cover[largest_first[max(goal.most - int(low.sum()), 0) :]] = False
    low, high = np.clip(cover, low, high), np.clip(goal.counts - goal.both, low, high)

    def at(share: float) -> IntArray:
        return np.clip(np.rint(share * goal.counts + goal.nudge).astype(np.int64), low, high)

    total = at(goal.share).sum()
    if goal.least <= total <= goal.most:
        return at(goal.share)
    short = total < goal.least
    below, above = (goal.share, 1.5) if short else (0.0, goal.share)
    for _ in range(50):
        middle = (below + above) / 2
        rise = at(middle).sum() < goal.least if short else at(middle).sum() <= goal.most
        below, above = (middle, above) if rise else (below, middle)
    return at(above if short else below)


def _first_choice(goal: Goal, cells: Cells, groups: int, rng: np.random.RandomState) -> BoolArray:
    """Draw groups evenly over strata and sizes, so that validation has its part of twins too."""
    by_rows = np.argsort(cells.rows, kind="stable")
    main = np.zeros(groups, np.int64)
    main[cells.group[by_rows]] = cells.code[by_rows]  # the last one written is the largest
    size = np.bincount(cells.group, cells.rows, groups)
    present = np.flatnonzero(size)
    order = present[np.lexsort((rng.random_sample(len(present)), -size[present], main[present]))]
    rate = np.clip((goal.wanted - goal.given) / np.maximum(goal.movable, 1), 0, 1)[main[order]]
    chosen = np.zeros(groups, np.bool_)
    chosen[order] = np.diff(np.floor(np.cumsum(rate) + rng.random_sample()), prepend=0) > 0
    return chosen


def _best_of(goal: Goal, cells: Cells, groups: int, rng: np.random.RandomState) -> BoolArray:
    """Start from several draws where that is cheap and the first comes out imperfect; keep the best, the first of equals."""
    best, lowest = np.zeros(groups, np.bool_), np.inf
    for _ in range(int(np.clip(SMALL // max(len(cells.rows), 1), 1, STARTS))):
        chosen = _improve(goal, cells, _first_choice(goal, cells, groups, rng))
        price = goal.total(_given(goal, cells, chosen))
        if price < lowest - EPSILON:
            best, lowest = chosen, price
        if lowest <= goal.price(goal.wanted).sum() + EPSILON:
            break
    return best


def _given(goal: Goal, cells: Cells, chosen: BoolArray) -> IntArray:
    return goal.given + _sum(cells.code, cells.rows * chosen[cells.group], len(goal.counts))


def _improve(goal: Goal, cells: Cells, chosen: BoolArray) -> BoolArray:
    """Move groups and exchange pairs of them as long as that lowers the price."""
    exchanges = EXCHANGES
    for _ in range(min(ROUNDS, EFFORT // len(cells.rows)) if len(cells.rows) else 0):
        move = cells._replace(rows=np.where(chosen[cells.group], -cells.rows, cells.rows))
        given = _given(goal, cells, chosen)
        gain = _gain(goal, move, given, len(chosen))
        moving = _apart(goal, move, given, gain)
        while np.count_nonzero(moving) > 1 and goal.total(_given(goal, cells, chosen ^ moving)) >= goal.total(given):
            moving &= gain <= np.median(gain[moving]) - EPSILON  # together they overshoot the size of the side
            moving[gain.argmin()] = True
        if not moving.any():
            pair, exchanges = _exchange(goal, move, given, gain, exchanges)
            moving[pair] = True
        if not moving.any():
            break
        chosen = chosen ^ moving
    return chosen


def _gain(goal: Goal, move: Cells, given: IntArray, groups: int) -> FloatArray:
    """Return by how much the price would rise if a group changed sides; 0 for groups that cannot."""
    before, after = goal.taken(given)[move.code], goal.taken(given[move.code] + move.rows, move.code)
    rise = np.bincount(move.group, goal.price(after, move.code) - goal.price(before, move.code), groups)
    total = goal.taken(given).sum()
    return rise + goal.excess(total + np.bincount(move.group, after - before, groups)) - goal.excess(total)


def _apart(goal: Goal, move: Cells, given: IntArray, gain: FloatArray) -> BoolArray:
    """Mark groups that lower the price, the best first, as many as no stratum gets more of than it misses."""
    better = np.flatnonzero((gain < -EPSILON)[move.group])
    group, code, rows = (part[better] for part in move)
    order = np.lexsort((gain[group], code))
    group, code, rows = group[order], code[order], np.abs(rows[order])
    first = np.diff(code, prepend=-1) > 0
    so_far = np.cumsum(rows)
    so_far -= np.repeat((so_far - rows)[first], np.diff(np.append(np.flatnonzero(first), len(code))))
    misses = np.abs(goal.wanted - goal.taken(given))[code]
    marked = gain < -EPSILON
    marked[group[~first & (so_far > misses)]] = False
    return marked


def _exchange(goal: Goal, move: Cells, given: IntArray, gain: FloatArray, budget: int) -> tuple[IntArray, int]:
    """Return two groups of an uneven stratum which pay when both change sides, and the budget that is left."""
    taken = goal.taken(given)
    regret = goal.price(taken) - goal.price(goal.wanted) + (goal.excess(taken.sum()) > 0)
    regret[np.bincount(move.code, minlength=len(regret)) < 2] = 0
    worst = np.argsort(-regret, kind="stable")[:budget]
    for tried, code in enumerate(worst[regret[worst] > EPSILON], start=1):
        pair = _best_pair(goal, move, given, gain, int(code))
        if len(pair):
            return pair, budget - tried
    return np.empty(0, np.int64), 0


def _best_pair(goal: Goal, move: Cells, given: IntArray, gain: FloatArray, code: int) -> IntArray:
    """Try all pairs of groups around one stratum at once; empty where none pays."""
    around = move.group[move.code == code]
    around = around[np.argsort(gain[around], kind="stable")[: NEIGHBOURS // 2]]
    others = np.setdiff1d(move.group, around)
    others = others[np.argsort(gain[others], kind="stable")[: NEIGHBOURS - len(around)]]
    around = np.concatenate([around, others])
    place = np.full(len(gain), -1)
    place[around] = np.arange(len(around))
    own = place[move.group] >= 0
    codes, column = np.unique(move.code[own], return_inverse=True)
    change = np.zeros((len(around), len(codes)), np.int64)
    change[place[move.group[own]], column] = move.rows[own]
    total, before = goal.taken(given).sum(), goal.taken(given)[codes]
    after = goal.taken(given[codes] + change[:, None] + change, codes)
    rise = goal.price(after, codes).sum(axis=2) - goal.price(before, codes).sum()
    rise += goal.excess(total + (after - before).sum(axis=2)) - goal.excess(total)
    np.fill_diagonal(rise, 0.0)
    best = int(rise.argmin())
    pair: IntArray = around[[best // len(around), best % len(around)]]
    return pair if rise.flat[best] < -EPSILON else pair[:0]
