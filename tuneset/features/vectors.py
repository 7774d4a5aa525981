"""Texts as one matrix of vectors, whatever they come from: an embedding model, or the n-grams that they are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tuneset.features.embed import embeddings
from tuneset.features.ngrams import counts, rarity, weighted
from tuneset.model import digest
from tuneset.near.grams import each

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl
    from numpy.typing import NDArray

    Bools = NDArray[np.bool_]
    Floats = NDArray[np.float32]

LANDMARKS = 1024  # texts that every text is compared with
WEAK = 1e-4  # directions this much weaker than the strongest hold nothing but rounding
ROWS = 4096  # placed at a time


def vectors(
    texts: pl.Series, model: str = "", *, learn: Bools | None = None, cache: Path | None = None, checksum: str = ""
) -> Floats:
    """Turn texts into vectors whose product says how alike two texts are: shape (rows, dimensions), float32, length 1.

    `model`, `cache`, `checksum`: as for `embeddings`; without a model, by n-grams of letters and words, in at most 1,024
    dimensions. `learn` marks the rows that what is learned comes from (all, where not given), such as the train side; of
    the others' n-grams only those count that were learned, and a row of which less is known than usual is shorter than 1.
    A text without anything to see is all zeros, and so is one that shares nothing with what was learned.

    >>> import polars as pl
    >>> found = vectors(pl.Series(["where is my card", "Where is my CARD", "no money"]))
    >>> (found @ found.T).round(1).tolist()
    [[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    return embeddings(texts, model, cache, checksum) if model else _by_ngrams(texts, learn)


def _by_ngrams(texts: pl.Series, learn: Bools | None) -> Floats:
    """Place each text by its likeness to some of them (Nyström; Williams and Seeger 2001)."""
    counted = counts(texts)
    learned = np.arange(len(texts)) if learn is None else np.flatnonzero(learn)
    rare = rarity(counted[learned])
    found = weighted(counted, rare)
    across = weighted(counts(_landmarks(texts.gather(learned))), rare).T.tocsr()
    onto = _directions((across.T @ across).toarray())
    starts = range(0, len(texts), ROWS)
    alike = each(lambda start: (found[start : start + ROWS] @ across).toarray(), starts)
    placed = np.concatenate([np.zeros((0, onto.shape[1]), np.float32), *(part @ onto for part in alike)])
    lengths = np.linalg.norm(placed, axis=1, keepdims=True)
    wanted = np.ones_like(lengths)
    if 0 < len(learned) < len(texts):
        # At length 1 the few n-grams that are known of a new row would count for all of it: of the example set's
        # validation rows, 1 in 20 then looked like another label.
        wanted = np.minimum(lengths / max(np.median(lengths[learned]), 1e-6), 1)
        wanted[learned] = 1
    out: Floats = (placed * (wanted / np.where(lengths > 0, lengths, 1))).astype(np.float32)
    return out


def _landmarks(texts: pl.Series) -> pl.Series:
    """Draw different texts by their hashes: the same ones in whatever order the rows come."""
    distinct = texts.drop_nulls().unique()
    return distinct.gather(digest(distinct).arg_sort()[:LANDMARKS])


def _directions(alike: Floats) -> Floats:
    """Turn likeness to landmarks into coordinates: shape (landmarks, dimensions)."""
    strength, direction = np.linalg.eigh(alike.astype(np.float64))
    held = strength > WEAK * strength.max(initial=0.0)
    onto = direction[:, held] / np.sqrt(strength[held])
    up = np.where(onto.sum(axis=0) < 0, -1, 1)  # which way a direction points is LAPACK's whim
    return np.asarray(onto * up, np.float32)
