"""Find near-duplicate pairs among many rows: MinHash bands for candidates, each one compared exactly."""

from __future__ import annotations

import functools
import itertools
import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tuneset.near.grams import Pairs, Rows, Sets, by_size, each, jaccard, news, ordered, packed, ragged, window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from tuneset.near.grams import Bools, Floats, Ints, Words

    Draw = tuple[NDArray[np.uint16], Words]  # the factors and weights of two groups of bands
    Spread = Callable[[Callable[["Prepared", Draw], Words], "Prepared", Sequence[Draw]], Iterable[Words]]

SMALL = 1000  # distinct sets up to which every pair is looked at: exact, and 10 ms
RECALL = 0.995  # chance to find a pair right at the threshold
HALVES = 4  # half bands per group; every two of them are a band
FULL = 128  # rows of a bucket up to which all of its pairs are candidates; on a million n-gram rows 362 finds 3 pairs in 2.7 million more
CROWD = 32  # copies of one set up to which all of its pairs are listed
BUDGET = 16  # times the rows: twice the candidates of one band; real sets have less than 5
MANY = 1 << 25  # candidates (256 MB) from which on they are made distinct as they come
SLICE = 1 << 17  # candidates looked at in one go
BLOCK, CELLS = 2048, 1 << 20  # rows, and grams, that are hashed in one go: what fits the cache
ROW = np.uint64(0xFFFFFFFF)  # the low half of a packed pair
ODD = np.uint64(0x9E3779B97F4A7C15)  # the golden ratio in 64 bits


def pairs(found: Sets, threshold: float = 0.7, seed: int = 0, spread: Spread | None = None) -> Pairs:
    """Find the pairs of rows whose sets of 3-grams have a Jaccard similarity of at least `threshold`.

    Candidates are rows that agree in a band of MinHashes (Broder 1997; bands as in Leskovec, Rajaraman and Ullman,
    "Mining of Massive Datasets", 3.4); each one is then compared exactly, so what is returned is right. Up to `SMALL`
    distinct sets nothing is missed. Beyond, a pair right at the threshold is found with a chance of `RECALL`,
    more similar ones almost surely; another seed finds other ones. Rows without grams are in no pair.

    What is lost in crowds: where more than `FULL` rows agree in a band, each is a candidate with some of the next ones
    in order of size and with the first row of the data only (20,000 texts that differ in a number have one or two million pairs
    listed instead of 200 million, and are one component). Where more than `CROWD` rows have the same set, or two similar
    sets more than `CROWD`**2 pairs of rows, each row is paired with the first row of the other set only.

    `spread` has somebody else look for candidates: some ten tasks that share the sets. What is found is the same.

    Memory: 2 GB at its peak for a million rows of 55 grams and 2.7 million pairs.

    >>> import polars as pl
    >>> from tuneset.near import sets
    >>> found = pairs(sets(pl.Series(["where is my card", "Where is my card??", "where is my cart", "hello"])))
    >>> list(zip(found.left.tolist(), found.right.tolist(), found.jaccard.round(2).tolist()))
    [(0, 1, 1.0), (0, 2, 0.87), (1, 2, 0.87)]
    """
    same = _same_set(found)
    rows = by_size(found, np.unique(same[same >= 0]))
    if len(rows.row) < 2:
        candidates = np.zeros(0, np.uint64)
    else:
        candidates = _candidates(rows, threshold, np.random.default_rng(seed), spread or _here)
    big, small = (candidates >> np.uint64(32)).astype(np.int64), (candidates & ROW).astype(np.int64)
    similarity = jaccard(rows, big, small)
    near = similarity >= threshold
    return _with_copies(same, rows.row[small[near]], rows.row[big[near]], similarity[near])


class Scheme(NamedTuple):
    """How candidates are found: bands of two halves of `half` MinHashes, from `groups` groups of `HALVES` halves."""

    half: int
    groups: int


def scheme(rows: int, threshold: float) -> Scheme:
    """Choose how many MinHashes a band has and how many groups of bands there are.

    Texts that have nothing to do with each other have a similarity of .1 to .3, so their candidates grow with
    rows**2 * similarity**hashes: the more rows, the longer a band must be. Every two of the four halves in a group are a
    band, so that four hashes serve three bands; that is counted in the chance of finding a pair.

    >>> scheme(1_000_000, 0.7)
    Scheme(half=4, groups=20)
    """
    half = 2 if rows < 20_000 else 3 if rows < 200_000 else 4
    alike = threshold**half
    apart = (1 - alike) ** HALVES + HALVES * alike * (1 - alike) ** (HALVES - 1)
    return Scheme(half, 2 * math.ceil(math.log(1 - RECALL) / math.log(max(apart, 1e-9)) / 2))


class Bitmaps(NamedTuple):
    """A small picture of each set: each gram sets one bit."""

    bits: Words  # shape (rows, words)
    reach: Floats  # how many bits a row may add to the difference of a pair at the threshold

    def allow(self, one: Ints, other: Ints) -> Bools:
        """Say which pairs can be at the threshold: each bit that differs proves a gram that only one of the two has."""
        differing = np.bitwise_count(self.bits.take(one, axis=0) ^ self.bits.take(other, axis=0))
        total = differing[:, 0].astype(np.uint16)
        for word in range(1, differing.shape[1]):  # three times faster than a sum along the short axis
            total += differing[:, word]
        possible: Bools = total <= self.reach.take(one) + self.reach.take(other)
        return possible


class Prepared(NamedTuple):
    """What every task looks at: 150 bytes for a row of 55 grams."""

    order: Ints
    bitmaps: Bitmaps
    blocks: list[NDArray[np.uint16]]


def _here(do: Callable[[Prepared, Draw], Words], prepared: Prepared, draws: Sequence[Draw]) -> Iterator[Words]:
    return (do(prepared, draw) for draw in draws)


def _candidates(rows: Rows, threshold: float, rng: np.random.Generator, spread: Spread) -> Words:
    """Return the pairs worth comparing, packed: the larger set's number above the smaller one's."""
    codes = int(rows.grams.max()) + 1
    scattered, bits = _scattered(codes, rng), _bits(codes, max(1, min(16, int(rows.sizes.mean()) // 12)), rng)
    prepared = each(lambda block: _prepared(rows, block, scattered, bits), _blocks(rows))
    reach = rows.sizes.astype(np.float64) * ((1 - threshold) / (1 + threshold)) + 1e-6
    bitmaps = Bitmaps(np.concatenate([bitmap for _, bitmap in prepared]), reach)
    if len(rows.row) <= SMALL:
        small, big = np.triu_indices(len(rows.row), 1)
        possible = bitmaps.allow(small, big)
        return _distinct([packed(big[possible], small[possible])])
    return _banded(Prepared(rows.row, bitmaps, [grams for grams, _ in prepared]), threshold, rng, spread)


def _banded(prepared: Prepared, threshold: float, rng: np.random.Generator, spread: Spread) -> Words:
    """Return the pairs that agree in a band and that their bitmaps allow."""
    half, groups = scheme(len(prepared.order), threshold)
    draws = [
        (
            rng.integers(0, 1 << 15, (HALVES, half), dtype=np.uint16) * np.uint16(2) + np.uint16(1),
            rng.integers(0, 1 << 63, (HALVES, half), dtype=np.uint64) * np.uint64(2) + np.uint64(1),
        )
        for _ in range(0, groups, 2)
    ]
    found: list[Words] = []
    for part in spread(_agreeing, prepared, draws):
        found.append(part)
        if sum(map(len, found)) > MANY:
            found = [_distinct(found)]
    return _distinct(found)


def _agreeing(prepared: Prepared, draw: Draw) -> Words:
    """Return the pairs that agree in a band of two groups, drawn by these factors and weights."""
    sketches = np.concatenate(each(functools.partial(_sketch, *draw), prepared.blocks), axis=2)
    bands = list(itertools.product((0, 1), itertools.combinations(range(HALVES), 2)))
    parts = each(functools.partial(_band, prepared.order, prepared.bitmaps, sketches), bands)
    return np.concatenate([np.zeros(0, np.uint64), *itertools.chain.from_iterable(parts)])


def _blocks(rows: Rows) -> list[slice]:
    """Cut the rows (in order of size) into blocks that fit the cache, however long the longest are."""
    blocks, end = [], len(rows.sizes)
    while end:
        start = max(0, end - max(1, min(BLOCK, CELLS // int(rows.sizes[end - 1]))))
        blocks.append(slice(start, end))
        end = start
    return blocks[::-1]


def _scattered(codes: int, rng: np.random.Generator) -> NDArray[np.uint16]:
    """Give each gram an odd number of 16 bits at random.

    They run twice as fast as 32 bits. Up to 32,768 grams each has its own; beyond, some share one, which only makes more
    candidates. Odd, because odd times odd reaches every odd number equally often, while 0 would stay 0 and always win.
    """
    return (rng.permutation(max(codes, 1 << 15)) * 2 + 1).astype(np.uint16)


def _bits(codes: int, words: int, rng: np.random.Generator) -> Words:
    """Give each gram one bit in a bitmap of some words: shape (words, codes)."""
    bit = rng.integers(0, 64 * words, codes, dtype=np.uint64)
    one = np.uint64(1) << (bit & np.uint64(63))
    return np.where(bit >> np.uint64(6) == np.arange(words, dtype=np.uint64)[:, None], one, np.uint64(0))


def _prepared(rows: Rows, block: slice, scattered: NDArray[np.uint16], bits: Words) -> tuple[NDArray[np.uint16], Words]:
    """Return a block's grams as (longest, rows) scattered numbers, short rows filled up with their first; and its bitmaps."""
    grams, theirs = window(rows, block)
    full = np.ascontiguousarray(np.where(theirs, grams, grams[:, :1]).T, dtype=np.intp)
    return scattered.take(full), np.stack([np.bitwise_or.reduce(word.take(full), axis=0) for word in bits], axis=1)


def _sketch(factors: NDArray[np.uint16], weights: Words, grams: NDArray[np.uint16]) -> Words:
    """Hash a block's sets for two groups: shape (2, halves and one more, rows).

    Each odd factor shuffles the grams' odd numbers (modulo 2**16). The first of them in that order is
    a MinHash for the one group, the last one for the other. A half is the weighted sum of its MinHashes. The additional
    line packs 16 bits of each half, to tell cheaply where two rows agree.
    """
    hashes = np.empty((2, *factors.shape, grams.shape[1]), np.uint16)
    shuffled = np.empty_like(grams)
    for half, number in np.ndindex(factors.shape):
        np.multiply(grams, factors[half, number], out=shuffled)
        np.minimum.reduce(shuffled, axis=0, out=hashes[0, half, number])
        np.maximum.reduce(shuffled, axis=0, out=hashes[1, half, number])
    halves = (hashes * weights[:, :, None]).sum(axis=2)
    shift = np.arange(0, 16 * HALVES, 16, dtype=np.uint64)[:, None]
    lanes = np.bitwise_or.reduce(halves >> np.uint64(48) << shift, axis=1, keepdims=True)
    return np.concatenate([halves, lanes], axis=1)


def _band(order: Ints, bitmaps: Bitmaps, sketches: Words, band: tuple[int, tuple[int, int]]) -> list[Words]:
    """Return the candidates of one band that no earlier band of its group has, and that their bitmaps allow."""
    group, (one, two) = band
    halves, lanes = sketches[group, :-1], sketches[group, -1]
    earlier = [np.uint64(0xFFFF << 16 * half) for half in range(two) if half != one]
    found = []
    for small, big in _buckets(halves[one] + halves[two], order):
        agreeing = lanes.take(small) ^ lanes.take(big)
        here = np.ones(len(small), np.bool_)
        for lane in earlier:
            here &= agreeing & lane != 0
        left, right = small[here], big[here]
        possible = bitmaps.allow(left, right)
        found.append(packed(right[possible], left[possible]))
    return found


def _buckets(key: Words, order: Ints) -> Iterator[tuple[Ints, Ints]]:
    """Pair the rows that share a key: the smaller and the larger set, some 130,000 pairs at a time.

    `order` is the rows' order in the data, in which the first of a crowd is found.
    """
    bits = (len(key) - 1).bit_length()
    low = np.uint64((1 << bits) - 1)
    key &= ~low
    key |= np.arange(len(key), dtype=np.uint64)
    key.sort()  # 20 ms for a million; sorting row numbers by their keys would take five times as long
    same = np.flatnonzero((key[1:] ^ key[:-1]) <= low)  # few rows share a key: from here on only those count
    first = np.flatnonzero(np.diff(same, prepend=-2) != 1)
    start, size = same[first], np.diff(first, append=len(same)) + 1
    reach = _reach(size, len(key))
    crowded = size - 1 > reach
    for begin, count in zip(start[crowded].tolist(), size[crowded].tolist(), strict=True):
        crowd = (key[begin : begin + count] & low).astype(np.int64)
        head = crowd[order[crowd].argmin()]
        yield np.minimum(head, crowd[crowd != head]), np.maximum(head, crowd[crowd != head])
    at = ragged(start, size)
    partners = np.minimum(np.repeat(start + size, size) - at - 1, np.repeat(reach, size))
    ends = np.cumsum(partners)
    cuts = np.searchsorted(ends, np.arange(0, ends[-1] if len(ends) else 0, SLICE), side="right")
    for cut, end in itertools.pairwise([*cuts.tolist(), len(at)]):
        one = np.repeat(at[cut:end], partners[cut:end])
        other = ragged(at[cut:end] + 1, partners[cut:end])
        yield (key[one] & low).astype(np.int64), (key[other] & low).astype(np.int64)


def _reach(size: Ints, rows: int) -> Ints:
    """Say with how many of the next rows in its bucket a row is paired, given the sizes of the buckets.

    All of them up to `FULL` rows, fewer the more there are; and fewer in all buckets where the band is one big crowd.
    """
    full = FULL
    while True:
        reach = np.maximum(2, full * full // size)
        if full <= 16 or (size * np.minimum(size - 1, reach)).sum() <= BUDGET * rows + FULL * FULL:
            return reach
        full //= 2


def _same_set(found: Sets) -> Ints:
    """Name for each row the first row with the same grams, or -1 where it has none."""
    filled = np.flatnonzero(found.sizes)
    same = np.full(len(found.sizes), -1)
    if len(filled):
        mixed = _mixed(np.arange(int(found.grams.max()) + 1, dtype=np.uint64))
        ends = np.append(found.offsets[filled], len(found.grams))

        def sums(cut: int) -> Words:
            part = ends[cut : cut + (1 << 14) + 1]
            return np.add.reduceat(mixed.take(found.grams[part[0] : part[-1]]), part[:-1] - part[0])

        # Two different sets have the same 64-bit sum with a chance of 3e-8 in a million rows.
        sum_ = np.concatenate(each(sums, range(0, len(filled), 1 << 14)))
        _, first, inverse = np.unique(sum_, return_index=True, return_inverse=True)
        same[filled] = filled[first[inverse]]
    return same


def _with_copies(same: Ints, left: Ints, right: Ints, similarity: Floats) -> Pairs:
    """Turn pairs of distinct sets into pairs of rows, those of rows with the same set among them."""
    copies = np.bincount(same[same >= 0], minlength=len(same))
    alone = copies[left] * copies[right] == 1
    found = [(left[alone], right[alone], similarity[alone])]
    several = np.flatnonzero(copies > 1)
    left, right = np.append(left[~alone], several), np.append(right[~alone], several)
    similarity = np.append(similarity[~alone], np.ones(len(several)))
    filled = np.flatnonzero(same >= 0)
    members = packed(same[filled], filled)
    members.sort()
    members &= ROW
    start = np.cumsum(copies) - copies
    # In a crowd every left row meets the first right one, and the first left one every right one.
    crowd = copies[left] * copies[right] > CROWD**2
    for part, lefts, rights in (
        (~crowd, copies[left], copies[right]),
        (crowd, copies[left], np.ones_like(right)),
        (crowd, np.ones_like(left), copies[right]),
    ):
        one, two = left[part], right[part]
        which = np.repeat(np.arange(len(one)), lefts[part] * rights[part])
        cell = ragged(np.zeros_like(one), lefts[part] * rights[part])
        first = members[start[one][which] + cell // rights[part][which]]
        second = members[start[two][which] + cell % rights[part][which]]
        found.append((first.astype(np.int64), second.astype(np.int64), similarity[part][which]))
    return ordered(*map(np.concatenate, zip(*found, strict=True)))


def _distinct(parts: list[Words]) -> Words:
    whole = np.concatenate([np.zeros(0, np.uint64), *parts])
    whole.sort()
    return whole[news(whole)]


def _mixed(values: Words) -> Words:
    """Scatter numbers over 64 bits (the finaliser of splitmix64, Steele, Lea and Flood 2014)."""
    values = (values + np.uint64(1)) * ODD
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
