"""Dawid and Skene: what each item is and whom to believe on what, found together from the answers alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tuneset.people.answers import Coded

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

ROUNDS = 100
MOVED = 1e-3  # of a posterior, below which no more is learned; what is still to come is less than .005
ENOUGH = 1e-5  # the same of the published model: gain in log-likelihood
PRIOR = 4.0  # answers that a person is thought to have given already, where an item is one label
FLOOR = 1e-10  # no answer is impossible


class Candidates(NamedTuple):
    """The labels that each item may have, sorted by item, then by label."""

    item: Ints
    label: Ints
    p: Floats  # how likely each is; sums to 1 over an item, or to less where other labels are possible, too


class DawidSkene(NamedTuple):
    """What the model says: of items, of labels, and of people."""

    candidates: Candidates
    shares: Floats  # (labels,), how often each label is the truth
    confusion: pl.DataFrame  # `person`, `truth`, `said` (places), `times` (expected answers), `p` (of saying it)


def dawid_skene(told: Coded, *, published: bool = False) -> DawidSkene:
    """Find each item's label, the labels' shares and everyone's confusion matrix, begun at the shares of votes.

    `published`: EM as by Dawid and Skene 1979, with crowd-kit's terms and so its answers. It is far too sure where labels
    are many and answers few: 77 labels, 3 answers: sure (.8) of all items, right on 85 %. Ours differs in three ways:
    what an item's own answers taught is left out when the item is judged (collapsed variational Bayes, Asuncion et
    al. 2009: sure of 88 %, right on 92 % of these); each row of a matrix begins with 4 answers as the person gives them
    as a rule; and an item is one of the labels that someone gave to it, so that a lone answer stands and 10,000 labels fit
    the memory (bench/people.py has the figures). Limits: people are taken to err independently of one another; where
    most swap labels, 1 to 2 % of items are a label that nobody gave, and are missed.
    """
    start = votes(told, every=published)
    pairs, labels = _Pairs.of(told, start), len(told.labels)
    p = _as_published(pairs, start, labels) if published else _carefully(pairs, start, labels)
    shares, times, chances = _learn(pairs, start, p, labels)
    if not published:
        chances = (times + PRIOR * _usual(pairs, times, labels)) / (np.bincount(pairs.row, times)[pairs.row] + PRIOR)
    confusion = {"person": pairs.person, "truth": pairs.truth, "said": pairs.said, "times": times, "p": chances}
    return DawidSkene(start._replace(p=p), shares, pl.DataFrame(confusion))


def votes(told: Coded, *, every: bool = False) -> Candidates:
    """Count votes: the share of its answers that each label of an item has; `every` label, or those that have some."""
    labels = max(len(told.labels), 1)
    key = told.item * labels + told.label
    if every:
        place, times = (
            np.arange(len(told.items) * len(told.labels)),
            np.bincount(key, minlength=len(told.items) * labels),
        )
    else:
        place, times = np.unique(key, return_counts=True)
    item, label = np.divmod(place, labels)
    return Candidates(item, label, times / np.bincount(told.item, minlength=len(told.items))[item])


class _Pairs(NamedTuple):
    """Every answer with every label that its item may have, and which cell of a person's matrix that is."""

    candidate: Ints  # (answers x candidates of their items,)
    cell: Ints
    person: Ints  # (cells,)
    truth: Ints
    said: Ints
    row: Ints  # (cells,), the row of a person's matrix: one person, one truth

    @staticmethod
    def of(told: Coded, candidates: Candidates) -> _Pairs:
        labels = max(len(told.labels), 1)
        first = np.searchsorted(candidates.item, np.arange(len(told.items) + 1))
        many = np.diff(first)[told.item]
        answer = np.repeat(np.arange(len(told.item)), many)
        candidate = np.repeat(first[told.item] - np.cumsum(many) + many, many) + np.arange(len(answer))
        key = (told.person[answer] * labels + candidates.label[candidate]) * labels + told.label[answer]
        cells, cell = np.unique(key, return_inverse=True)
        row, said = np.divmod(cells, labels)
        person, truth = np.divmod(row, labels)
        return _Pairs(candidate, cell, person, truth, said, np.unique(row, return_inverse=True)[1])


def _as_published(pairs: _Pairs, start: Candidates, labels: int) -> Floats:
    """Learn from all items and judge all items, in turn, until the answers become no likelier."""
    p, before = start.p, -np.inf
    for _ in range(ROUNDS):
        shares, _, chances = _learn(pairs, start, p, labels)
        likely = np.log(np.maximum(shares, FLOOR))[start.label]
        likely += np.bincount(pairs.candidate, np.log(chances)[pairs.cell], len(likely))
        p, now = normalised(likely, start.item)
        if now - before < ENOUGH:
            break
        before = now
    return p


def _learn(pairs: _Pairs, candidates: Candidates, p: Floats, labels: int) -> tuple[Floats, Floats, Floats]:
    """From what items are, learn how often labels are true, and what each person says where they are."""
    times = np.bincount(pairs.cell, p[pairs.candidate], len(pairs.row)).astype(np.float64)
    raised = np.maximum(times, FLOOR)
    chances = raised / np.bincount(pairs.row, raised)[pairs.row] if len(raised) else raised
    return np.bincount(candidates.label, p, labels) / max(p.sum(), FLOOR), times, chances


def _carefully(pairs: _Pairs, start: Candidates, labels: int) -> Floats:
    """Learn from all other items and judge an item, in turn, until nothing moves."""
    p = start.p
    row = pairs.row[pairs.cell]
    for _ in range(ROUNDS):
        own = p[pairs.candidate]
        times = np.bincount(pairs.cell, own, len(pairs.row)).astype(np.float64)
        seen = np.maximum(times[pairs.cell] - own, 0) + PRIOR * _usual(pairs, times, labels)[pairs.cell]
        chances = seen / (np.maximum(np.bincount(pairs.row, times)[row] - own, 0) + PRIOR)
        likely = np.log(np.maximum(np.bincount(start.label, p, labels)[start.label] - p, 0) + 1)
        likely += np.bincount(pairs.candidate, np.log(np.maximum(chances, FLOOR)), len(likely))
        before, (p, _) = p, normalised(likely, start.item)
        if np.abs(p - before).max(initial=0) < MOVED:
            break
    return p


def _usual(pairs: _Pairs, times: Floats, labels: int) -> Floats:
    """Return what each person says as a rule: the truth as often as they do in all, and any other label alike."""
    right = np.bincount(pairs.person, times * (pairs.truth == pairs.said)) + 1
    share = (right / (np.bincount(pairs.person, times) + 2))[pairs.person]
    return np.where(pairs.truth == pairs.said, share, (1 - share) / max(labels - 1, 1))


def normalised(likely: Floats, item: Ints, others: Floats | None = None) -> tuple[Floats, float]:
    """Turn log-likelihoods into shares of an item, and sum up their logarithms.

    `others`: the log-likelihood, per item, of all labels that are no candidates.
    """
    if not len(item):
        return likely, 0.0
    starts = np.flatnonzero(np.diff(item, prepend=-1))
    top = np.maximum.reduceat(likely, starts)
    top = top if others is None else np.maximum(top, others)
    risen = np.exp(likely - top[item])
    whole = np.add.reduceat(risen, starts) + (0 if others is None else np.exp(others - top))
    return risen / whole[item], float((np.log(whole) + top).sum())
