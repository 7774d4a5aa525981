"""The learning curve: how the surrogate's accuracy grows with the rows, and what more rows would bring."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tuneset.judge import ridge

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tuneset.judge.view import Floats, Ints

    Seen = NDArray[np.float64]

PARTS = np.arange(0.1, 0.81, 0.1)  # of the rows that are fitted on; all of them are measured by leaving groups out
SHUFFLES, DRAWN = 8, 16_000  # shuffles of the rows; fewer where all of them together would draw more rows than that
LEAST, ASKED = 20, 2048  # rows that a part must have; rows, not fitted on, that are asked in each
TIMES = (1.5, 2.0, 4.0)  # never beyond: at 8 times a power law was 3.6 points off, at 4 times 2.5
EXPONENTS = np.linspace(0.05, 2.5, 50)  # c of a + b n^-c
# What follows was chosen on pilots of BANKING77, seen on CLINC150 and HWU64, and measured on other draws (bench/quality/size.py).
USUAL, SPREAD = 0.5, 0.6  # of c: errors shrink about as 1 / sqrt(n); one standard deviation of ln c
OFF = 0.05  # how far a part may be off the curve: this wide, one odd shuffle does not bend the forecast
WHOLE = 4.0  # weight of the point of all rows, beside .8 of the last part
FIRST = 2.0  # rows a label that a power law does not see: without them 500 rows of 77 labels are 3 points too low
LUCK = 2.0  # the rows' chance weighs twice a coin's: rows about one thing are right and wrong together
SHAPE = 0.6  # of the spread among the curves that fit; a gain is as uncertain as all of it
TAIL = 1.644854  # of the normal distribution, for intervals of 90 %


class Measured(NamedTuple):
    """How accurate surrogates are that were fitted on parts of the rows, and on all."""

    rows: Seen  # (parts + 1,), fitted on, on average over the shuffles; the last are all
    right: Seen  # (parts + 1,), of rows that were not fitted on
    groups: int  # near-duplicate groups of all rows
    labels: float  # how many there are in effect: the exponential of the entropy of their shares


class Forecast(NamedTuple):
    """What all curves that fit say together, weighed by how well each of them does."""

    right: Seen  # (times,)
    low: Seen  # 90 %
    high: Seen
    gain: Seen  # over as many rows as there are
    gain_low: Seen
    gain_high: Seen
    law: tuple[
        float, float, float, float
    ]  # a, b, c, first of the curve that says most nearly the same: error = a + b (rows + first) ^ -c


def measure(vectors: Floats, codes: Ints, groups: Ints, right: float, seed: int = 0) -> Measured | None:
    """Fit surrogates on nested parts of the rows and ask each about rows that it has not seen, nor their groups.

    `codes` are from 0 on; `right` is the accuracy with all rows, each group left out in its turn. None where the rows
    are too few for three parts. A shuffle costs one pass over the rows, and an equation as wide as the vectors for each part.

    >>> found = measure(np.repeat(np.eye(2, dtype=np.float32), 60, axis=0), np.repeat([0, 1], 60), np.arange(120), 1.0)
    >>> found.rows.tolist(), set(found.right.tolist()), found.labels
    ([24.0, 36.0, 48.0, 60.0, 72.0, 84.0, 96.0, 120.0], {1.0}, 2.0)
    """
    rows = len(codes)
    wanted = PARTS[rows * PARTS >= LEAST] * rows
    number, tied = np.unique(groups, return_inverse=True)
    if len(wanted) < 3 or len(number) < LEAST:
        return None
    rng = np.random.default_rng(seed)
    cuts, found = [], []
    for _ in range(int(np.clip(DRAWN // rows, 1, SHUFFLES))):
        place = rng.permutation(len(number))[tied]
        order = np.argsort(place, kind="stable")
        ends = np.flatnonzero(np.diff(place[order])) + 1
        cuts.append(ends[np.abs(ends - wanted[:, None]).argmin(axis=1)])
        found.append(_nested(vectors[order], codes[order], cuts[-1]))
    shares = np.bincount(codes)[np.bincount(codes) > 0] / rows
    labels = float(np.exp(-shares @ np.log(shares)))
    return Measured(
        np.append(np.mean(cuts, axis=0), rows), np.append(np.mean(found, axis=0), right), len(number), round(labels, 6)
    )


def _nested(vectors: Floats, codes: Ints, cuts: Ints) -> list[float]:
    """Fit what `ridge.fit` fits on the first rows up to each cut, for little more than the largest of them costs alone."""
    truth = ridge.targets(codes, int(codes.max()) + 1)
    width, done = vectors.shape[1], 0
    gram, onto = np.zeros((width, width), np.float32), np.zeros((width, truth.shape[1]), np.float32)
    right = []
    for end in cuts.tolist():
        if end < width:  # the same by rows instead of columns (Hastie et al. 2009, 5.8.2)
            part = vectors[:end]
            weights = part.T @ np.linalg.solve(part @ part.T + _penalty(end), truth[:end])
        else:  # what is summed up to one cut, the next one adds to
            part = vectors[done:end]
            gram, onto, done = gram + part.T @ part, onto + part.T @ truth[done:end], end
            weights = np.linalg.solve(gram + _penalty(width), onto)
        asked = slice(max(end, len(codes) - ASKED), None)
        right.append(float(((vectors[asked] @ weights).argmax(axis=1) == codes[asked]).mean()))
    return right


def _penalty(width: int) -> Floats:
    return ridge.PENALTY * np.eye(width, dtype=np.float32)


def forecast(measured: Measured, times: tuple[float, ...] = TIMES) -> Forecast:
    """Say how accurate a surrogate would be with `times` as many rows, each with the interval that holds it in 90 % of cases.

    A power law, error = a + b (rows + first)^-c with a, b >= 0 (Figueroa et al. 2012; weighted by rows, as there), for
    each c of a grid; the curves are averaged by how well they fit, as far as c is usual. `first` is two rows a label.

    Limits: takes the rows to come for rows like these. More than four times the rows is not to be asked for.

    >>> rows = np.array([100.0, 200, 400, 800])
    >>> forecast(Measured(rows, 1 - 2 * (rows + 4) ** -0.5, 800, 2.0)).right.round(2).tolist()
    [0.94, 0.94, 0.95]
    """
    first = FIRST * measured.labels
    steps = (measured.rows + first) / (measured.rows[-1] + first)
    weights = measured.rows / measured.rows[-1]
    weights[-1] *= WHOLE
    floor, slope, off = _fitted(steps ** -EXPONENTS[:, None], 1 - measured.right, weights)
    fits = -off / (2 * OFF**2) - (np.log(EXPONENTS / USUAL) / SPREAD) ** 2 / 2
    trust = np.exp(fits - fits.max())
    trust /= trust.sum()
    farther = (np.array([1.0, *times]) * measured.rows[-1] + first) / (measured.rows[-1] + first)
    ahead = 1 - floor - slope * farther[:, None] ** -EXPONENTS
    right, gain = ahead[1:] @ trust, (ahead[1:] - ahead[0]) @ trust
    wide = TAIL * np.sqrt(chance(right, measured.groups) + SHAPE**2 * (np.square(ahead[1:] - right[:, None]) @ trust))
    wide_gain = TAIL * np.sqrt(np.square(ahead[1:] - ahead[0] - gain[:, None]) @ trust)
    best = int(np.square(ahead[1:] - right[:, None]).sum(axis=0).argmin())
    c = float(EXPONENTS[best])
    law = (float(floor[best]), float(slope[best] * (measured.rows[-1] + first) ** c), c, first)
    low, high = np.clip([right - wide, right + wide], 0, 1)
    return Forecast(right, low, high, gain, gain - wide_gain, gain + wide_gain, law)


def chance(right: Seen, groups: int) -> Seen:
    """Return the variance of an accuracy that was measured on so many groups.

    >>> chance(np.array([0.5]), 200).tolist()
    [0.0025]
    """
    return LUCK * right * (1 - right) / groups


def _fitted(unit: Seen, errors: Seen, weights: Seen) -> tuple[Seen, Seen, Seen]:
    """Fit errors = floor + slope * unit for each row of `unit`, neither below 0; the last is the squares that are left."""
    whole, errors_sum = weights.sum(), weights @ errors
    line, squares, both = unit @ weights, np.square(unit) @ weights, unit @ (weights * errors)
    slope = (whole * both - line * errors_sum) / np.maximum(whole * squares - line**2, 1e-12)
    floor = (errors_sum - slope * line) / whole
    slope, floor = np.where(floor < 0, both / squares, slope), np.maximum(floor, 0)
    floor, slope = np.where(slope < 0, errors_sum / whole, floor), np.maximum(slope, 0)
    return floor, slope, np.square(errors - floor[:, None] - slope[:, None] * unit) @ weights
