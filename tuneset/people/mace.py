"""MACE: whom to trust, found from the answers alone: each answer is either known or made up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tuneset.people.dawid_skene import normalised, votes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tuneset.people.answers import Coded
    from tuneset.people.dawid_skene import Candidates

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

STARTS = 10
LEAST_STARTS, ANSWERS = 2, 1_000_000  # with many answers all starts end alike, and a round takes a fifth of a second
ROUNDS = 50
ENOUGH = 1e-7  # gain, as a share of the log-likelihood, below which no more is learned
TRUST = 0.5  # of the Beta distribution that trust comes from, both sides
HABIT = 10.0  # of the Dirichlet distribution that made-up answers come from, each label


class Mace(NamedTuple):
    """What the model says: of items, and of people."""

    candidates: Candidates
    trust: Floats  # (people,), the share of a person's answers that are known, not made up


class _Fit(NamedTuple):
    likely: float
    p: Floats
    trust: Floats


class _Plan(NamedTuple):
    """Where each answer is found in the tables of a round; a habit is one person saying one label."""

    item: Ints  # (answers,)
    candidate: Ints  # (answers,), the candidate that is the answer itself
    habit: Ints  # (answers,)
    person: Ints  # (habits,), whose it is
    times: Ints  # (habits,), answers
    said: Ints  # (people,), answers
    labels: int
    given: Ints  # (items,), labels that someone gave


def mace(told: Coded, seed: int = 0) -> Mace:
    """Find each item's label and how far each person is to be trusted: variational EM, the best of 10 starts (of 2 above 500,000 answers).

    Hovy et al. 2013 with the priors of their paper. The first start trusts all alike, the others are drawn from the seed.
    Labels that nobody gave to an item are possible, but never the likeliest. Limits: a person who confuses two labels is
    taken for one who makes answers up; for them see Dawid and Skene.
    """
    candidates = votes(told)
    labels = max(len(told.labels), 1)
    habits, habit, times = np.unique(told.person * labels + told.label, return_inverse=True, return_counts=True)
    candidate = np.searchsorted(candidates.item * labels + candidates.label, told.item * labels + told.label)
    said = np.bincount(told.person, minlength=len(told.people))
    given = np.bincount(candidates.item, minlength=len(told.items))
    plan = _Plan(told.item, candidate, habit, habits // labels, times, said, labels, given)
    starts = max(LEAST_STARTS, min(STARTS, ANSWERS // max(len(told.item), 1)))
    fits = [_fitted(plan, candidates, seed, start) for start in range(starts)]
    best = max(fits, key=lambda fit: round(fit.likely, 3))
    return Mace(candidates._replace(p=best.p), best.trust)


def _fitted(plan: _Plan, candidates: Candidates, seed: int, start: int) -> _Fit:
    known, habit = np.full(len(plan.said), 0.5), np.full(len(plan.person), 1 / plan.labels)
    if start:
        rng = np.random.default_rng([seed, start])
        known, habit = rng.uniform(0.3, 0.7, len(known)), habit * rng.uniform(0.8, 1.2, len(habit))
    made_up, before = 1 - known, -np.inf
    for _ in range(ROUNDS):
        guess, sure = made_up[plan.person] * habit, known[plan.person]
        p, likely = _believe(plan, candidates, guess, sure)
        knew = np.bincount(plan.habit, p[plan.candidate], len(guess)) * sure / (sure + guess)
        known, made_up, habit = _learn(plan, knew)
        if likely - before < ENOUGH * abs(likely):
            break
        before = likely
    return _Fit(likely, p, np.bincount(plan.person, knew, len(plan.said)) / np.maximum(plan.said, 1))


def _believe(plan: _Plan, candidates: Candidates, guess: Floats, sure: Floats) -> tuple[Floats, float]:
    """Tell what items are: where nobody knew, all labels are as likely; who gave a label may have known it."""
    nobody = np.bincount(plan.item, np.log(guess)[plan.habit], len(plan.given))
    somebody = np.bincount(plan.candidate, np.log1p(sure / guess)[plan.habit], len(candidates.item))
    with np.errstate(divide="ignore"):
        others = nobody + np.log(plan.labels - plan.given)
    p, total = normalised(np.asarray(nobody[candidates.item] + somebody), candidates.item, np.asarray(others))
    return p, total - len(plan.given) * float(np.log(plan.labels))


def _learn(plan: _Plan, knew: Floats) -> tuple[Floats, Floats, Floats]:
    """Learn how often people know, how often they make up, and what they then say."""
    known = np.bincount(plan.person, knew, len(plan.said))
    habit = plan.times - knew
    whole = np.bincount(plan.person, habit, len(plan.said)) + HABIT * plan.labels
    trusted = plan.said + 2 * TRUST
    return (
        _expected(known + TRUST, trusted),
        _expected(plan.said - known + TRUST, trusted),
        _expected(habit + HABIT, whole[plan.person]),
    )


def _expected(counts: Any, whole: Any) -> Floats:
    """Return the share that counts of a Dirichlet distribution stand for, in the middle of its logarithms."""
    from scipy.special import digamma  # noqa: PLC0415  slow to import

    return np.asarray(np.exp(digamma(counts) - digamma(whole)), np.float64)
