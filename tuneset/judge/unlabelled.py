"""Guess the label shares of texts that nobody labelled, by the surrogate and what is known of its mistakes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tuneset.judge import ridge
from tuneset.judge.shares import TAIL, against_rows
from tuneset.judge.two_sample import Rows, blocks_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float32]

SHARPNESS = (2.0, 4.0, 6.0, 9.0, 13.0, 20.0, 30.0, 45.0)  # of probabilities made of scores; the likeliest is taken
STEPS = 3  # more fit chance: 10 steps err .22, 3 steps .16 (BANKING77, 500 rows, MiniLM; 3 draws, and chosen on them)
DRAWS = 200  # sets of rows drawn again, for the interval


class Guessed(NamedTuple):
    """What the surrogate makes of rows without labels."""

    p: float  # of the labels that it says there and here, asked on rows that it has not seen
    each: NDArray[np.float64]  # (labels,), p of each label alone
    shares: Floats  # (labels,), of the rows there
    low: Floats
    high: Floats
    sure: Floats  # (rows there, labels), how sure it is


def guessed(rows: Rows, codes: Ints, labels: int, rng: np.random.Generator) -> Guessed:
    """Guess the label shares of the rows `there`; `codes` are those of the rows here.

    The shares are those that explain the surrogate's probabilities best (Saerens et al. 2002), stopped early; the
    probabilities are first made to agree with the shares here on held-out rows (Alexandari et al. 2020). Whether they
    differ is not read from them: each half of the groups is labelled by a surrogate fitted on the other half, and the
    labels that it says are compared (Lipton et al. 2018), so that both sides are equally new to it.

    >>> vectors = np.eye(2, dtype=np.float32)[np.repeat([0, 1, 0, 1], [60, 60, 90, 30])]
    >>> rows = Rows(vectors, np.arange(240) >= 120, np.arange(240))
    >>> found = guessed(rows, np.repeat([0, 1], [60, 60]), 2, np.random.default_rng(0))
    >>> found.shares[0].round(2), found.p < 0.01
    (np.float32(0.75), True)
    """
    vectors, there, groups = rows
    here = vectors[~there]
    made = ridge.fit(here, codes, labels)
    known = ridge.held_out(made, here, codes, groups[~there])
    counts = np.bincount(codes, minlength=labels)
    prior = ((counts + 0.5) / (counts + 0.5).sum()).astype(np.float32)
    sharp = max(SHARPNESS, key=lambda sharp: float(np.log(_said(known, sharp)[np.arange(len(codes)), codes]).sum()))
    lean = _lean(_said(known, sharp), prior)
    sure = _weighed(_said(ridge.scores(made, vectors[there]), sharp), lean)
    drawn = rng.multinomial(len(sure), np.full(len(sure), 1 / len(sure)), DRAWS).T.astype(np.float32)
    found = _explain(sure, prior, np.column_stack([np.ones(len(sure), np.float32), drawn]))
    shares = found[:, 0]
    likely = _weighed(sure, shares / prior)
    # Drawing rows again says nothing of what the surrogate is unsure of, there and where it learned how it leans.
    unsure = _doubt(likely) + _doubt(_weighed(_said(known, sharp), lean))
    half = np.float32(TAIL) * np.sqrt(found[:, 1:].var(axis=1) + unsure)
    p, each = _by_halves(rows, codes, labels, rng)
    return Guessed(p, each, shares, np.maximum(shares - half, 0), np.minimum(shares + half, 1), likely)


def _said(scores: Floats, sharp: float) -> Floats:
    """Turn scores into probabilities."""
    raised = np.exp(sharp * (scores - scores.max(axis=1, keepdims=True)))
    sure: Floats = np.maximum(raised / raised.sum(axis=1, keepdims=True), np.float32(1e-6))
    return sure


def _lean(sure: Floats, prior: Floats) -> Floats:
    """Find the weight of each label with which probabilities agree on average with known shares."""
    lean = np.ones_like(prior)
    for _ in range(20):
        lean *= (prior + 1e-4) / (_weighed(sure, lean).mean(axis=0) + 1e-4)
    return lean


def _weighed(sure: Floats, lean: Floats) -> Floats:
    weighed = sure * lean
    weighed /= weighed.sum(axis=1, keepdims=True)
    return weighed


def _doubt(sure: Floats) -> Floats:
    """Return the variance of the share of each label, where each row has one label and it is drawn."""
    doubt: Floats = (sure * (1 - sure)).mean(axis=0) / len(sure)
    return doubt


def _explain(sure: Floats, prior: Floats, times: Floats) -> Floats:
    """Find the shares that explain the rows, for each column of `times` that rows occur: shape (labels, columns)."""
    ratio = np.ones((len(prior), times.shape[1]), np.float32)
    for _ in range(STEPS):
        ratio *= (sure.T @ (times / (sure @ ratio))) / (times.sum(axis=0) * prior[:, None])
    shares = ratio * prior[:, None]
    shares /= shares.sum(axis=0)
    return shares


def _by_halves(rows: Rows, codes: Ints, labels: int, rng: np.random.Generator) -> tuple[float, NDArray[np.float64]]:
    """Compare the labels that are said on both sides, each half by a surrogate of the other (Fisher's sum of logs)."""
    from scipy.stats import chi2  # noqa: PLC0415  slow to import, and not needed without a target

    vectors, there, groups = rows
    half = rng.integers(0, 2, int(groups.max()) + 1)[groups] == 1
    logs, halves = np.zeros(1 + labels), 0
    for fitted in (half, ~half):
        learn, asked = fitted & ~there, ~fitted
        if not learn.any() or len(np.unique(there[asked])) < 2:
            continue
        made = ridge.fit(vectors[learn], codes[fitted[~there]], labels)
        said = ridge.scores(made, vectors[asked]).argmax(axis=1)
        found = against_rows(said, blocks_of(groups[asked], there[asked]), there[asked], labels, rng)
        logs += np.log([found.p, *found.each])
        halves += 1
    p = chi2.sf(-2 * logs, 2 * halves) if halves else np.ones(1 + labels)
    return float(p[0]), p[1:]
