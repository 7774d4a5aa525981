"""Label shares: whether those of a set are those of a target, which labels differ, and how many rows mend it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bools = NDArray[np.bool_]
    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

DRAWS = 1999  # sets that chance makes: p is .0005 at the least
LEVEL = 0.01  # the whole differs at or below this p
FALSE = 0.05  # share of false discoveries among the labels that are named
TAIL = 1.959964  # of the normal distribution, for intervals of 95 %


class Compared(NamedTuple):
    """How the counts of each label fit."""

    p: float
    each: Floats  # (labels,), p of each label alone
    psi: float
    psi_chance: float  # 95 % of sets without a difference stay below


def against_shares(counts: Ints, shares: Floats, rng: np.random.Generator) -> Compared:
    """Compare the rows of each label with shares that are known: G-test, p by drawing sets that have these shares.

    The p-values of the chi-square distribution are wrong where many labels expect few rows each. Limits: rows are taken
    for independent of each other.

    >>> found = against_shares(np.array([30, 70]), np.array([0.5, 0.5]), np.random.default_rng(0))
    >>> found.p <= 0.001, found.each.round(5).tolist()
    (True, [8e-05, 8e-05])
    """
    from scipy import stats  # noqa: PLC0415  slow to import, and not needed without a target

    rows = int(counts.sum())
    sets = np.vstack([counts, rng.multinomial(rows, shares, DRAWS)])
    tails = stats.binom.cdf(counts, rows, shares), stats.binom.sf(counts - 1, rows, shares)
    psi = _psi((sets + 0.5) / (rows + 0.5 * len(shares)), np.maximum(shares, 0.5 / rows))
    return Compared(_p(_g(sets, rows * shares)), np.minimum(1, 2 * np.minimum(*tails)), *_seen_and_chance(psi))


def against_rows(codes: Ints, blocks: Ints, there: Bools, labels: int, rng: np.random.Generator) -> Compared:
    """Compare the rows of each label on two sides: G-test, p by drawing which rows are `there`.

    `blocks`: rows that come together (near-duplicates, a thread) and change sides together; a block is on one side.
    Without that, two parts of BANKING77 that keep near-duplicates together differed in 7 of 12 draws (500 rows each).

    >>> codes, there = np.repeat([0, 1, 0, 1], [30, 70, 70, 30]), np.arange(200) >= 100
    >>> against_rows(codes, np.arange(200), there, 2, np.random.default_rng(0)).p <= 0.001
    True
    """
    kinds, times, kind = _kinds(codes, blocks, labels)
    block_there = np.zeros(len(kind), np.bool_)
    block_there[blocks] = there
    drawn = rng.multivariate_hypergeometric(times, int(block_there.sum()), DRAWS, method="marginals")
    seen = np.bincount(kind[block_there], minlength=len(times))
    sets = np.vstack([seen, drawn]) @ kinds
    whole = times @ kinds
    had = whole > 0
    sets, whole = sets[:, had], whole[had]
    part = sets.sum(axis=1, keepdims=True) / whole.sum()
    off = np.abs(sets - whole * part)
    each = np.ones(labels)
    each[had] = (1 + np.count_nonzero(off[1:] >= off[0] - 1e-9, axis=0)) / (1 + DRAWS)
    shares = [(side + 0.5) / (side + 0.5).sum(axis=1, keepdims=True) for side in (whole - sets, sets)]
    g = _g(sets, whole * part) + _g(whole - sets, whole * (1 - part))
    return Compared(_p(g), each, *_seen_and_chance(_psi(*shares)))


def interval(counts: Ints, rows: int) -> tuple[Floats, Floats]:
    """Return the 95 % interval of each share (Wilson 1927).

    >>> [side.round(2).tolist() for side in interval(np.array([0, 5, 10]), 10)]
    [[0.0, 0.24, 0.72], [0.28, 0.76, 1.0]]
    """
    share, square = counts / max(rows, 1), TAIL**2 / max(rows, 1)
    middle = (share + square / 2) / (1 + square)
    half = np.sqrt(square * share * (1 - share) + square**2 / 4) / (1 + square)
    return np.maximum(middle - half, 0), np.minimum(middle + half, 1)


def adjusted(p: Floats) -> Floats:
    """Raise p-values so that of those at or below a limit, no greater share than the limit is false.

    Benjamini and Hochberg 1995. The smallest one is also a p of all together (Simes 1986).

    >>> adjusted(np.array([0.01, 0.5, 0.02])).round(3).tolist()
    [0.03, 0.5, 0.03]
    """
    order = np.argsort(p)[::-1]
    raised = np.empty(len(p))
    raised[order] = np.minimum.accumulate(p[order] * len(p) / np.arange(len(p), 0, -1))
    return np.minimum(raised, 1)


def wanted(counts: Ints, shares: Floats, differs: Bools) -> Ints:
    """Count the rows to add to each label that has too few, so that its share fits and no row is taken away.

    Labels that do not differ keep their rows. Where only labels with too many differ, all others are filled up around
    them.

    >>> wanted(np.array([10, 50, 40]), np.array([0.2, 0.5, 0.3]), np.array([True, False, False])).tolist()
    [13, 0, 0]
    """
    rows = int(counts.sum())
    few = shares * rows > counts
    fill = few & differs if (few & differs).any() else few & differs.any()
    more = (shares[fill].sum() * rows - counts[fill].sum()) / max(1 - shares[fill].sum(), 1 / max(rows, 1))
    return np.where(fill, np.ceil(shares * (rows + more) - counts - 1e-9), 0).astype(np.int64)


def _kinds(codes: Ints, blocks: Ints, labels: int) -> tuple[Ints, Ints, Ints]:
    """Sort blocks by the labels of their rows: the labels of each kind, how many blocks, and the kind of each block.

    To move blocks at random is then to draw from kinds, of which there are far fewer than of blocks.
    """
    sizes = np.bincount(blocks)
    kind = np.zeros(len(sizes), np.int64)
    kinds = np.eye(labels, dtype=np.int64)
    lone = sizes[blocks] == 1
    kind[blocks[lone]] = codes[lone]
    large, place = np.unique(blocks[~lone], return_inverse=True)
    if len(large):
        held = np.bincount(place * labels + codes[~lone], minlength=len(large) * labels).reshape(-1, labels)
        found, which = np.unique(held, axis=0, return_inverse=True)
        kind[large] = labels + which.ravel()
        kinds = np.vstack([kinds, found])
    return kinds, np.bincount(kind, minlength=len(kinds)), kind


def _g(counts: NDArray[np.int64], expected: Floats) -> Floats:
    from scipy.special import rel_entr  # noqa: PLC0415  see `against_shares`

    found: Floats = 2 * rel_entr(counts, expected).sum(axis=1)
    return found


def _p(statistic: Floats) -> float:
    """Return how often chance gives at least the first one; equal up to rounding counts as equal."""
    return float((1 + np.count_nonzero(statistic[1:] >= statistic[0] * (1 - 1e-9))) / len(statistic))


def _psi(shares: Floats, others: Floats) -> Floats:
    found: Floats = ((shares - others) * np.log(shares / others)).sum(axis=1)
    return found


def _seen_and_chance(statistic: Floats) -> tuple[float, float]:
    return float(statistic[0]), float(np.quantile(statistic[1:], 0.95))
