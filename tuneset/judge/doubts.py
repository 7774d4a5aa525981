"""How much a surrogate and the nearest rows speak against each row's label."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tuneset.judge import ridge

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tuneset.judge.view import Labels, View

    Bools = NDArray[np.bool_]
    Ints = NDArray[np.int64]
    Floats = NDArray[np.float32]

LEAST = 20  # rows to learn from without which nothing is said
MOST = 1 << 26  # rows times labels: 268 MB of scores
USUAL = 4  # near-duplicate groups that a label must have to be judged
NEAREST = 10  # rows that vote
VOTES = 0.25  # what they weigh beside the surrogate; .25 to .5 are within .005 of average precision
FLOOR = 0.2  # the doubt below which no row is flagged, however hard the set is to tell apart
LIFT = 0.2  # by which votes raise a doubt, hardly ever by more
POOL = 16_384  # rows that may vote, drawn where there are more
ASKED = 10_000  # rows, the most doubtful, about which others vote
HOPELESS = 1 / 3  # accuracy below which labels and texts have too little to do with one another to flag a row
CELLS = 1 << 24  # similarities that are held at a time
# Of a row with several labels, on the scale of `doubt`, chosen on pairs of rows of BANKING77: a label that is not given
# scores .7 at least where it is missing; one that is too many scores less than .05 above the mean of those not given.
MISSING, TOO_MANY, LISTS = 0.45, 0.3, 0.42  # and the usual score of an own label, which is not measured there


class Judged(NamedTuple):
    """The rows of one label column that can be judged, and what rows that never saw them say."""

    names: list[str]  # of the labels that can be judged
    rows: Ints  # their numbers in the view
    learn: Bools  # which of them are learned from
    given: Bools  # (rows, labels)
    likely: Floats  # (rows, labels), about 1 for the label that fits and 0 for the others
    several: bool  # a row can have more than one label


def judged(view: View, labels: Labels) -> Judged | None:
    """Judge each row by a surrogate that has seen neither it nor its near-duplicates, fitted on train rows.

    Labels with fewer than four groups of near-duplicates in train are left out with their rows. None where fewer than
    20 rows or two labels are left, or so many labels that they are rather answers.
    """
    row, code = _pairs(labels)
    seen = np.asarray(view.vectors.any(axis=1), np.bool_)
    learned = seen[row] & view.train[row]
    known = np.unique(np.stack([code[learned], view.groups[row[learned]]]), axis=1)[0]
    usual = np.bincount(known, minlength=len(labels.names)) >= USUAL
    seen &= np.isin(np.arange(len(seen)), row)
    seen[row[~usual[code]]] = False
    rows, kept = np.flatnonzero(seen), np.flatnonzero(usual)
    learn = view.train[rows]
    if learn.sum() < LEAST or len(kept) < 2 or len(rows) * len(kept) > MOST:
        return None
    given = np.zeros((len(rows), len(kept)), np.bool_)
    inside = seen[row]
    given[np.searchsorted(rows, row[inside]), np.searchsorted(kept, code[inside])] = True
    vectors, truth, groups = view.vectors[rows], given.astype(np.float32), view.groups[rows]
    made = ridge.fit_targets(vectors[learn], truth[learn])
    likely = ridge.scores(made, vectors)
    likely[learn] = ridge.held_out_targets(made, vectors[learn], truth[learn], groups[learn])
    return Judged([labels.names[at] for at in kept.tolist()], rows, learn, given, likely, labels.several is not None)


def _pairs(labels: Labels) -> tuple[Ints, Ints]:
    """Return each label of each row: the row, and the label's code."""
    if labels.several is None:
        told = np.flatnonzero(labels.codes >= 0)
        return told, labels.codes[told]
    row = np.repeat(np.arange(len(labels.several)), [len(codes) for codes in labels.several])
    return row, np.concatenate([np.zeros(0, np.int64), *labels.several])


def doubt(likely: Floats, given: Bools, *, several: bool = False) -> Floats:
    """Say how doubtful each row's label is: what the likeliest other label scores, less twice what its own does.

    For rows with several labels, the most of: one replaced (the same with the least likely of its own), one missing, one
    too many.

    >>> scores = np.array([[0.9, 0.1], [0.9, 0.1]], np.float32)
    >>> doubt(scores, np.array([[True, False], [False, True]])).round(2).tolist()
    [-1.7000000476837158, 0.699999988079071]
    """
    own = np.where(given, likely, np.inf).min(axis=1)
    other = np.where(given, -np.inf, likely).max(axis=1)
    found = other - 2 * own
    if several:
        found = np.maximum(found, other - MISSING)
        usual = np.where(given, 0, likely).sum(axis=1) / np.maximum((~given).sum(axis=1), 1)
        found = np.where(given.sum(axis=1) > 1, np.maximum(found, TOO_MANY + usual - own), found)
    return np.asarray(found, np.float32)


def wrong_and_better(likely: Floats, given: Bools, *, several: bool = False) -> tuple[int | None, int | None]:
    """Say of one row which of its labels is the doubtful one and which other label should be there, where one should.

    >>> wrong_and_better(np.array([0.9, 0.1], np.float32), np.array([False, True]))
    (1, 0)
    """
    own = np.where(given, likely, np.inf)
    other = np.where(given, -np.inf, likely)
    wrong, better = int(own.argmin()), int(other.argmax())
    if not several:
        return wrong, better
    usual = likely[~given].mean() if not given.all() else 0.0
    too_many = TOO_MANY + usual - own[wrong] if given.sum() > 1 else -np.inf
    ways = (other[better] - 2 * own[wrong], other[better] - MISSING, too_many)
    return [(wrong, better), (None, better), (wrong, None)][int(np.argmax(ways))]


def limit(found: Judged, threshold: float) -> float:
    """Return the doubt from which on a row is flagged: a share of what a row's own label usually scores in this set.

    Where labels are many or hard to tell apart all scores are lower, and so is the doubt of a wrong label. Infinite where
    fewer than a third of the rows score highest for the label that they have.
    """
    if accuracy(found) < HOPELESS:
        return float("inf")
    if found.several:
        return LISTS * threshold
    own = np.where(found.given, found.likely, np.inf).min(axis=1)
    return max(FLOOR, round(threshold * float(np.median(own)), 4))


def accuracy(found: Judged) -> float:
    """Return the share of rows that score highest for a label that they have."""
    best = found.likely.argmax(axis=1)
    return float(found.given[np.arange(len(best)), best].mean())


def doubts(view: View, found: Judged, above: float) -> tuple[Floats, Floats]:
    """Return each row's doubt and votes (rows, labels), where the nearest rows can lift its doubt above a limit.

    The others have no votes and the doubt that the surrogate has: the nearest rows, which cost the most time, are looked
    for where it matters.
    """
    votes = np.zeros(found.likely.shape, np.float32)
    first = doubt(found.likely, found.given, several=found.several)
    open_ = np.flatnonzero(first + LIFT > above)
    open_ = np.sort(open_[np.argsort(-first[open_], kind="stable")[:ASKED]])
    votes[open_] = _votes(view, found, open_)
    return doubt(found.likely + VOTES * votes, found.given, several=found.several), votes


def _votes(view: View, found: Judged, asked: Ints) -> Floats:
    """Let the ten nearest rows to learn from vote, none of the same group, each by its similarity."""
    learn = pool(found)
    votes = np.zeros((len(asked), found.given.shape[1]), np.float32)
    for part in parts(np.arange(len(asked)), len(learn)):
        alike = similarities(view, found.rows[asked[part]], found.rows[learn])
        near = np.argpartition(-alike, min(NEAREST, len(learn)) - 1, axis=1)[:, :NEAREST]
        weight = np.maximum(np.take_along_axis(alike, near, axis=1), 0)
        whole = np.maximum(weight.sum(axis=1, keepdims=True), 1e-6)
        votes[part] = np.einsum("ij,ijk->ik", weight / whole, found.given[learn[near]].astype(np.float32))
    return votes


def pool(found: Judged) -> Ints:
    """Return the rows that a row is compared with: those that are learned from, or so many of them."""
    learn = np.flatnonzero(found.learn)
    return np.sort(np.random.default_rng(0).permutation(learn)[:POOL])


def similarities(view: View, rows: Ints, others: Ints) -> Floats:
    """Compare rows with others; rows of the same group count as unlike (-1)."""
    alike = view.vectors[rows] @ view.vectors[others].T
    alike[view.groups[rows][:, None] == view.groups[others]] = -1
    return alike


def parts(rows: Ints, width: int) -> list[Ints]:
    """Cut rows so that their similarities to `width` others fit the memory."""
    size = max(1, CELLS // max(1, width))
    return [rows[start : start + size] for start in range(0, len(rows), size)]
