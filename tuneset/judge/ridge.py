"""The surrogate: a small classifier on vectors whose held-out answers come in closed form."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float32]

PENALTY = 1.0
CELLS = 1 << 22  # of groups' matrices, held at a time


class Ridge(NamedTuple):
    """A fitted surrogate: kernel ridge regression onto one column a class (Hastie et al. 2009, 3.4 and 5.8)."""

    factor: Floats  # (dimensions, dimensions), the lower Cholesky factor of the penalised Gram matrix
    weights: Floats  # (dimensions, classes)


def fit(vectors: Floats, codes: Ints, classes: int, penalty: float = PENALTY) -> Ridge:
    """Learn to tell the classes apart; `codes` are from 0 to `classes` - 1.

    >>> made = fit(np.eye(2, dtype=np.float32), np.array([0, 1]), 2)
    >>> scores(made, np.eye(2, dtype=np.float32)).argmax(axis=1).tolist()
    [0, 1]
    """
    return fit_targets(vectors, targets(codes, classes), penalty)


def fit_targets(vectors: Floats, truth: Floats, penalty: float = PENALTY) -> Ridge:
    """Learn what each row should score for each class: `truth`, shape (rows, classes), such as several ones a row.

    >>> made = fit_targets(np.eye(2, dtype=np.float32), np.array([[1, 1], [0, 1]], np.float32))
    >>> scores(made, np.eye(2, dtype=np.float32)).round(3).tolist()
    [[0.5, 0.5], [0.0, 0.5]]
    """
    from scipy.linalg import cho_solve  # noqa: PLC0415  0.2 s that nobody pays who judges nothing

    gram = (vectors.T @ vectors).astype(np.float64) + penalty * np.eye(vectors.shape[1])
    factor = np.linalg.cholesky(gram)
    weights = cho_solve((factor, True), (vectors.T @ truth).astype(np.float64), check_finite=False)
    return Ridge(factor.astype(np.float32), weights.astype(np.float32))


def targets(codes: Ints, classes: int) -> Floats:
    """Write each code as a row with a one in its place.

    >>> targets(np.array([1, 0]), 2).tolist()
    [[0.0, 1.0], [1.0, 0.0]]
    """
    truth = np.zeros((len(codes), classes), np.float32)
    truth[np.arange(len(codes)), codes] = 1
    return truth


def scores(made: Ridge, vectors: Floats) -> Floats:
    """Score each row for each class: shape (rows, classes); the highest is the answer."""
    return vectors @ made.weights


def held_out(made: Ridge, vectors: Floats, codes: Ints, groups: Ints) -> Floats:
    """Score the rows that the surrogate was fitted on as if it had not seen them, nor the rest of their group.

    Leave-one-group-out in closed form: the residual of a group is (I - H)^-1 times what it is with the group seen.

    >>> one = np.eye(2, dtype=np.float32)[[0, 0, 1, 1]]
    >>> made = fit(one, np.array([0, 1, 1, 1]), 2)
    >>> held_out(made, one, np.array([0, 1, 1, 1]), np.arange(4)).argmax(axis=1).tolist()
    [1, 0, 1, 1]
    """
    return held_out_targets(made, vectors, targets(codes, made.weights.shape[1]), groups)


def held_out_targets(made: Ridge, vectors: Floats, truth: Floats, groups: Ints) -> Floats:
    """Do what `held_out` does for a surrogate that was fitted on targets."""
    from scipy.linalg import solve_triangular  # noqa: PLC0415  see `fit_targets`

    left = truth - vectors @ made.weights
    # Products of these columns are H; half the work of multiplying with the inverse.
    root: Floats = solve_triangular(made.factor, vectors.T, lower=True, check_finite=False).T
    for rows in _by_size(groups):
        size = rows.shape[1]
        if size == 1:
            alone = rows[:, 0]
            left[alone] /= (1 - np.einsum("ij,ij->i", root[alone], root[alone]))[:, None]
        elif size <= vectors.shape[1]:
            seen = root[rows] @ root[rows].transpose(0, 2, 1)
            left[rows] = np.linalg.solve(np.eye(size, dtype=np.float32) - seen, left[rows])
        else:
            for group in rows:  # by way of the dimensions (Woodbury), which are fewer than the rows
                rest = np.eye(root.shape[1]) - (root[group].T @ root[group]).astype(np.float64)
                left[group] += root[group] @ np.linalg.solve(rest, root[group].T @ left[group]).astype(np.float32)
    return truth - left


def _by_size(groups: Ints) -> Iterator[Ints]:
    """Return the rows of the groups of one size together, shape (groups, size), in parts that fit the memory."""
    order = np.argsort(groups, kind="stable")
    starts = np.flatnonzero(np.diff(groups[order], prepend=-1))
    sizes = np.diff(np.append(starts, len(order)))
    for size in np.unique(sizes).tolist():
        rows = order[starts[sizes == size][:, None] + np.arange(size)]
        yield from np.array_split(rows, -(-rows.size * (size if size > 1 else 0) // CELLS) or 1)
