"""Prove, by means that the split itself did not use, that no near-duplicate looks across its sides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tuneset import near
from tuneset.near.grams import ragged

if TYPE_CHECKING:
    from collections.abc import Iterable

    import polars as pl

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

EXACT_UP_TO = 50_000  # rows; the exact join of more takes minutes
QUERIES, POOL = 1_000, 50_000  # rows whose nearest neighbour is searched, and rows among which
CLOSEST = 3
MENDED = " Pairs that it found at first and that were then tied, before it counted again: {:,}."
BANDS = "MinHash bands with fresh seeds, each pair verified; finds more than .99 of the pairs at the threshold"

WORDS = {
    True: "It compares spelling. Shared lineage was kept together where rows name it; a paraphrase of unknown origin is not seen.",
    False: "It compares spelling. The rows do not say where they come from, so paraphrases and synthetic rows are not seen.",
}


class Search(NamedTuple):
    """What the check compares: the grams of all rows and, where an exact join would take minutes, the pairs it found."""

    grams: near.Sets
    found: near.Pairs | None
    threshold: float


class Near(NamedTuple):
    """A row held back and the most similar row of another side."""

    similarity: float
    held: int
    train: int


def search(text: pl.Series, threshold: float = 0.7, seed: int = 0) -> Search:
    """Look for near-duplicates a second time, by other means than the split did.

    Up to 50,000 rows nothing is searched yet: `across` joins the sides exactly. Beyond, the pairs are found by MinHash
    bands with the given seed; a pair at the threshold is missed once in 200.
    """
    grams = near.sets(text)
    few = len(text) <= EXACT_UP_TO
    return Search(grams, None if few else near.pairs(grams, threshold, seed), threshold)


def across(looked: Search, side: NDArray[np.int8]) -> near.Pairs:
    """Return the near-duplicates that lie on different sides; rows with the side -1 are left out.

    >>> import polars as pl
    >>> looked = search(pl.Series(["where is my parcel", "where is my parcel?", "cancel my plan"]))
    >>> across(looked, np.array([0, 1, 0], np.int8)).jaccard.tolist()
    [1.0]
    """
    if looked.found is not None:
        return _apart(looked.found, side)
    found = [_apart(near.cross_pairs(looked.grams, side > 0, looked.threshold), side)]
    if (side == 1).any() and (side == 2).any():
        with_test = _apart(near.cross_pairs(looked.grams, side == 2, looked.threshold), side)
        found.append(_where(with_test, (side[with_test.left] > 0) & (side[with_test.right] > 0)))
    return near.Pairs(*map(np.concatenate, zip(*found, strict=True)))


def certificate(
    looked: Search, side: NDArray[np.int8], random_side: BoolArray, *, lineage_known: bool, mended: int = 0
) -> dict[str, Any]:
    """Count the near-duplicates that lie on different sides, and show how near the sides come otherwise.

    `side` is 0 for train, 1 for validation, 2 for test, -1 for rows to leave out; `random_side` marks the rows that a
    plain draw would have held back. Similarities are Jaccard over character 3-grams, to four digits. Up to 50,000
    rows the join is exact and shares nothing with the split's own search; beyond, `method` says that the search ran
    again with other hash seeds and may miss a pair. Nearest neighbours are searched for up to 1,000 rows a side among
    up to 50,000; `highest` is the highest similarity that either of the two found, so where not all rows were
    compared, as `compared` tells, one below the threshold may be missed. `mended` is the number of pairs that this check
    found at first and that were tied since.

    >>> import polars as pl
    >>> looked = search(pl.Series(["where is my parcel", "where is my parcel?", "cancel my plan"]))
    >>> facts = certificate(looked, np.array([0, 1, 0], np.int8), np.array([False, True, False]), lineage_known=False)
    >>> facts["pairs_across"], facts["highest"]
    (1, 1.0)
    """
    grams, straddling = looked.grams, across(looked, side)
    plain = np.where(side < 0, -1, random_side).astype(np.int8)
    leaks = across(looked, plain)
    leaking = len(np.unique(np.where(plain[leaks.left] > 0, leaks.left, leaks.right)))
    train, held_back = np.flatnonzero(side == 0), np.flatnonzero(side > 0)
    rng = np.random.RandomState(0)
    queries, pool, inner = _sample(held_back, QUERIES, rng), _sample(train, POOL, rng), _sample(train, QUERIES, rng)
    outward, inward = _nearest(grams, queries, pool), _nearest(grams, inner, pool)
    closest = _closest(straddling, side, _nearest_pairs(grams, queries, pool, outward))
    return {
        "method": f"exact all-pairs join of {len(train):,} x {len(held_back):,} rows"
        if looked.found is None
        else BANDS,
        "threshold": looked.threshold,
        "pairs_across": len(straddling.left),
        "highest": round(closest[0].similarity, 4) if closest else None,
        "compared": f"{len(queries):,} of {len(held_back):,} validation rows with {len(pool):,} of {len(train):,} train rows",
        "closest": [{"similarity": round(value, 4), "validation": held, "train": row} for value, held, row in closest],
        "nearest": {"validation_to_train": _quantiles(outward), "train_to_train": _quantiles(inward)},
        "random_split_leaks": {"rows": leaking, "share": round(leaking / max(int((plain > 0).sum()), 1), 4)},
        "lineage": "known" if lineage_known else "unknown",
        "mended": mended,
        "words": WORDS[lineage_known] + (MENDED.format(mended) if mended else ""),
    }


def _apart(found: near.Pairs, side: NDArray[np.int8]) -> near.Pairs:
    """Keep the pairs on different sides."""
    one, other = side[found.left], side[found.right]
    return _where(found, (one != other) & (one >= 0) & (other >= 0))


def _where(pairs: near.Pairs, chosen: BoolArray) -> near.Pairs:
    return near.Pairs(pairs.left[chosen], pairs.right[chosen], pairs.jaccard[chosen])


def _sample(rows: IntArray, most: int, rng: np.random.RandomState) -> IntArray:
    return rows if len(rows) <= most else np.sort(rng.permutation(rows)[:most])


def _nearest(grams: near.Sets, queries: IntArray, pool: IntArray) -> FloatArray:
    if not len(queries) or not len(pool):
        return np.empty(0)
    return near.nearest(grams, queries, pool)


def _quantiles(similarity: FloatArray) -> dict[str, float | int | None]:
    levels = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}
    values = np.quantile(similarity, list(levels.values())).round(4).tolist() if len(similarity) else [None] * 4
    return dict(zip(levels, values, strict=True)) | {"rows": len(similarity)}


def _closest(across: near.Pairs, side: NDArray[np.int8], others: Iterable[Near]) -> list[Near]:
    """Return the closest pairs: of those across the sides, and of those that the nearest search came upon."""
    top = np.argsort(-across.jaccard, kind="stable")[:CLOSEST]
    swap = side[across.left] < side[across.right]
    held, train = np.where(swap, across.right, across.left), np.where(swap, across.left, across.right)
    pairs = [Near(float(across.jaccard[i]), int(held[i]), int(train[i])) for i in top]
    known = {pair.held for pair in pairs}
    pairs += [pair for pair in others if pair.held not in known]
    return sorted(pairs, key=lambda pair: -pair.similarity)[:CLOSEST]


def _nearest_pairs(grams: near.Sets, queries: IntArray, pool: IntArray, similarity: FloatArray) -> list[Near]:
    top = np.argsort(-similarity, kind="stable")[:CLOSEST]
    return [Near(float(similarity[i]), int(queries[i]), _twin(grams, int(queries[i]), pool)) for i in top]


def _twin(grams: near.Sets, row: int, pool: IntArray) -> int:
    """Return the pool's row that is most similar to a row, the first of equals."""
    own = grams.grams[grams.offsets[row] : grams.offsets[row + 1]]
    sizes = grams.offsets[pool + 1] - grams.offsets[pool]
    shared = np.isin(grams.grams[ragged(grams.offsets[pool], sizes)], own)
    common = np.bincount(np.repeat(np.arange(len(pool)), sizes)[shared], minlength=len(pool))
    return int(pool[np.argmax(common / np.maximum(sizes + len(own) - common, 1))])
