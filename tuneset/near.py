"""Find texts that are nearly the same: character 3-grams, Jaccard similarity, every pair verified exactly."""

from __future__ import annotations

import functools
import itertools
import math
import os
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]
    Words = NDArray[np.uint64]
    Letters = NDArray[np.uint8] | NDArray[np.uint32]
    Bools = NDArray[np.bool_]

T = TypeVar("T")
R = TypeVar("R")

END, SPACE = "\x00", ord(" ")  # END stands between texts; a NUL inside a text counts as a space
SMALL = 1000  # distinct sets up to which every pair is compared (half a million: 0.2 s)
RECALL = 0.995  # chance to find a pair right at the threshold
HALVES = 4  # half bands per group; every two of them are a band
FULL = 362  # rows of a bucket up to which all of its pairs are candidates (65,000)
CROWD = 32  # copies of one set up to which all of its pairs are listed
MANY = 1 << 25  # candidates (256 MB) from which on they are made distinct as they come
SLICE = 1 << 18  # candidates looked at in one go
PAIRS = 1 << 13  # pairs compared in one go
ACROSS = 256  # rows of a split's one side that are multiplied with the other in one go
ROW = np.uint64(0xFFFFFFFF)  # the low half of a packed pair
ODD = np.uint64(0x9E3779B97F4A7C15)  # the golden ratio in 64 bits


class Sets(NamedTuple):
    """The 3-grams of each row: `grams[offsets[i]:offsets[i + 1]]`, sorted, each once, numbered from 0."""

    offsets: Ints
    grams: NDArray[np.uint32]

    @property
    def sizes(self) -> Ints:
        """Count the grams of each row."""
        return np.diff(self.offsets)


class Pairs(NamedTuple):
    """Near-duplicate pairs of row numbers, `left < right`, sorted, each once."""

    left: Ints
    right: Ints
    jaccard: Floats


# --- text -> sets of 3-grams


def normal(text: pl.Series) -> pl.Series:
    """Fold case and turn every run of characters that are neither letters nor numbers into one space, trimmed.

    A null stays null. Case folding is Python's, letters and numbers are Unicode's categories L and N.

    >>> normal(pl.Series(["  Where's my CARD?! ", "STRASSE Straße", "?"])).to_list()
    ['where s my card', 'strasse strasse', '']
    """
    parts = [_decoded(_letters(part)) for part in _parts(text)]
    whole = pl.concat(parts) if parts else pl.Series([], dtype=pl.String)
    return pl.select(pl.when(text.is_not_null()).then(whole)).to_series().alias(text.name)


def sets(text: pl.Series) -> Sets:
    """Break each text's normal form into its set of character 3-grams.

    A form of one or two characters is one gram by itself; an empty form (or a null) has no grams. Grams are numbered in
    the order of their characters. Memory: four bytes per gram, and some six per character while it runs.

    >>> found = sets(pl.Series(["Hello", "hello!", "ox", "?"]))
    >>> found.offsets.tolist(), found.grams.tolist()
    ([0, 3, 6, 7, 7], [0, 2, 1, 0, 2, 1, 3])
    """
    letters = _each(_letters, _parts(text))
    alphabet = np.unique(np.concatenate([[0], *_each(_present, letters)]))
    number = _table(alphabet, np.arange(len(alphabet)))
    coded = _each(lambda part: _grams(number[part], len(alphabet)), letters)
    del letters
    grams = _ranked([codes for codes, _ in coded], len(alphabet) ** 3)
    return Sets(np.cumsum(np.concatenate([[0], *(sizes for _, sizes in coded)]), dtype=np.int64), grams)


def _parts(text: pl.Series) -> list[pl.Series]:
    """Cut a column into parts that fit the processor's cache: at most 4,096 rows and about 2**21 characters."""
    rows = min(4096, 1 + (len(text) << 21) // (1 + int(text.str.len_bytes().sum())))
    return [text[start : start + rows] for start in range(0, len(text), rows)]


def _each(do: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Apply `do` to each item on all cores (NumPy lets go of the interpreter's lock); results keep their order."""
    if len(items) < 2:
        return [do(item) for item in items]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(do, items))


def _letters(text: pl.Series) -> Letters:
    """Return the normal forms as one array of code points, each form ended by a zero."""
    joined: str = text.fill_null("").str.replace_all(END, " ", literal=True).str.join(END)[0] + END
    points = _points(joined)
    present = _present(points).tolist()
    if any(len(chr(point).casefold()) > 1 for point in present):
        points = _points(joined.casefold())
        present = _present(points).tolist()
    # Folding one character at a time in a table is 10 times faster than str.casefold.
    folded = [ord(chr(point).casefold()) for point in present]
    kept = [point if point == 0 or unicodedata.category(chr(point))[0] in "LN" else SPACE for point in folded]
    spaced = _table(present, kept)[points].astype(np.uint8 if max(kept) < 128 else np.uint32)
    after = np.append(spaced[1:], spaced.dtype.type(0))
    spaced = spaced[(spaced != SPACE) | ((after != SPACE) & (after != 0))]
    before = np.append(spaced.dtype.type(0), spaced[:-1])
    return spaced[(spaced != SPACE) | (before != 0)]


def _points(joined: str) -> NDArray[np.uint32]:
    return np.frombuffer(joined.encode("utf-32-le"), np.uint32)


def _present(points: Letters) -> Ints:
    """List the distinct code points."""
    return np.flatnonzero(np.bincount(points))


def _table(keys: Sequence[int] | Ints, values: Sequence[int] | Ints) -> NDArray[np.uint32]:
    """Build an array that maps each key to its value."""
    table = np.zeros(int(max(keys)) + 1, np.uint32)
    table[keys] = values
    return table


def _decoded(points: Letters) -> pl.Series:
    """Turn code points back into one string per text."""
    joined = points.tobytes().decode("ascii" if points.dtype == np.uint8 else "utf-32-le")
    return pl.Series([joined.removesuffix(END)]).str.split(END).explode()


def _grams(letter: NDArray[np.uint32], letters: int) -> tuple[NDArray[Any], Ints]:
    """Return the distinct 3-grams of each text, packed into one number each, and how many each text has."""
    rows = int(np.count_nonzero(letter == 0))
    # With the row number in front one sort serves all rows; 32 bits sort twice as fast as 64 where they suffice.
    first = letter.astype(np.uint32 if rows * letters**3 < 1 << 32 else np.uint64)
    base = first.dtype.type(letters)
    second = np.append(first[1:], first.dtype.type(0))
    third = np.append(second[1:], first.dtype.type(0)) * (second > 0)
    starts = np.append(True, first[:-1] == 0)
    row = np.cumsum(first == 0, dtype=first.dtype)
    key = (((row * base + first) * base + second) * base + third)[(first > 0) & ((third > 0) | starts)]
    key.sort()
    key = key[_news(key)]
    row_starts = np.arange(rows + 1, dtype=key.dtype) * base**3
    sizes = np.diff(np.searchsorted(key, row_starts))
    return key - np.repeat(row_starts[:-1], sizes), sizes


def _ranked(parts: list[NDArray[Any]], codes: int) -> NDArray[np.uint32]:
    """Number the distinct codes (all below `codes`) from 0 in their order, over all parts."""
    ends = np.cumsum([0, *map(len, parts)])
    rank: Callable[[NDArray[Any]], NDArray[Any]]
    if codes <= 1 << 26:
        seen = np.zeros(codes, np.bool_)
        for part in parts:
            seen[part] = True
        rank = (np.cumsum(seen, dtype=np.uint32) - np.uint32(1)).take
    else:
        rank = np.unique(np.concatenate(_each(np.unique, parts))).searchsorted
    grams = np.empty(ends[-1], np.uint32)

    def fill(number: int) -> None:
        grams[ends[number] : ends[number + 1]] = rank(parts[number])

    _each(fill, range(len(parts)))
    return grams


def _news(values: NDArray[Any]) -> Bools:
    """Mark each value of a sorted array that differs from the one before."""
    new = np.ones(len(values), np.bool_)
    np.not_equal(values[1:], values[:-1], out=new[1:])
    return new


def pairs(found: Sets, threshold: float = 0.7, seed: int = 0) -> Pairs:
    """Find the pairs of rows whose sets of 3-grams have a Jaccard similarity of at least `threshold`.

    Candidates are rows that agree in a band of MinHashes (Broder 1997; bands as in Leskovec, Rajaraman and Ullman,
    "Mining of Massive Datasets", 3.4); each one is then compared exactly, so what is returned is right. Up to `SMALL`
    distinct sets every pair is a candidate. Beyond, a pair right at the threshold is found with a chance of `RECALL`,
    more similar ones almost surely; another seed finds other ones. Rows without grams are in no pair.

    What is lost in crowds: where more than about 360 rows agree in a band each is compared with the next ones in order
    of size and with the first row; where more than `CROWD` rows have the same set (or two similar sets have more than
    `CROWD`**2 pairs of rows) each row is paired with the first only. Components stay whole.

    >>> found = pairs(sets(pl.Series(["where is my card", "Where is my card??", "where is my cart", "hello"])))
    >>> list(zip(found.left.tolist(), found.right.tolist(), found.jaccard.round(2).tolist()))
    [(0, 1, 1.0), (0, 2, 0.87), (1, 2, 0.87)]
    """
    same = _same_set(found)
    rows = _by_size(found, np.unique(same[same >= 0]))
    candidates = _every_pair(len(rows.sizes)) if len(rows.sizes) <= SMALL else _banded(rows, threshold, seed)
    small, big = (candidates & ROW).astype(np.int64), (candidates >> np.uint64(32)).astype(np.int64)
    jaccard = _jaccard(rows, big, small)
    near = jaccard >= threshold
    return _with_copies(same, rows.row[small[near]], rows.row[big[near]], jaccard[near])


def components(rows: int, left: Ints, right: Ints) -> Ints:
    """Label each row with the smallest row number that it is connected to.

    Every tree hangs itself under its smallest neighbour, then all trees are flattened (pointer jumping) and edges inside
    a tree are left out: a chain of a million rows takes as many rounds as its length has bits.

    >>> components(5, np.array([3, 1]), np.array([4, 3])).tolist()
    [0, 1, 2, 1, 1]
    """
    label = np.arange(rows)
    while len(left):
        np.minimum.at(label, np.maximum(left, right), np.minimum(left, right))
        while not np.array_equal(label, flat := label[label]):
            label = flat
        left, right = label[left], label[right]
        left, right = left[left != right], right[left != right]
    return label


def greedy(rows: int, found: Pairs, droppable: Bools) -> Ints:
    """Go through the rows in order and drop each one that is near a row kept before it; return its twin, or -1 if kept.

    Only pairs marked `droppable` count. The twin is the kept earlier row that is most similar (the first of equals).
    Unlike whole components this never drops a row that is only like a dropped one.

    >>> chain = Pairs(np.array([0, 1]), np.array([1, 2]), np.array([0.8, 0.9]))
    >>> greedy(3, chain, np.array([True, True])).tolist()
    [-1, 0, -1]
    """
    left, right, jaccard = (column[droppable] for column in found)
    dropped = np.zeros(rows, np.bool_)
    first, second = left, right
    for _ in range(50):  # most rows are settled in ten rounds; only long chains in order are left
        settled = np.ones(rows, np.bool_)
        settled[second] = False
        dropped[second[settled[first]]] = True
        open_ = ~(dropped[first] | dropped[second])
        first, second = first[open_], second[open_]
    order = np.argsort(second, kind="stable")
    for one, other in zip(first[order].tolist(), second[order].tolist(), strict=True):
        dropped[other] |= not dropped[one]
    twin = np.full(rows, -1)
    stands = ~dropped[left] & dropped[right]
    left, right, jaccard = left[stands], right[stands], jaccard[stands]
    order = np.lexsort((left, -jaccard, right))
    best = order[_news(right[order])]
    twin[right[best]] = left[best]
    return twin


def cross_pairs(found: Sets, side: Bools, threshold: float = 0.7) -> Pairs:
    """Find every pair at or above the threshold with one row on each side, without hashing by chance.

    This is a check on a split, so it shares no way of finding candidates with `pairs`: grams are folded into a few
    hundred columns, in which the dot product of two rows can only be larger than the number of grams they share; all
    rows of one side are multiplied with all rows of the other that have a size in reach, and what remains is compared
    exactly. Time grows with the product of both sides: 50,000 rows of 50 characters take seconds.

    >>> found = cross_pairs(sets(pl.Series(["my new card", "my new cars", "my new card?"])), np.array([True, False, False]))
    >>> found.left.tolist(), found.right.tolist(), found.jaccard.tolist()
    ([0, 0], [1, 2], [0.8, 1.0])
    """
    rows = _by_size(found, np.flatnonzero(found.sizes))
    folded = _folded(rows)
    one, other = np.flatnonzero(side[rows.row]), np.flatnonzero(~side[rows.row])
    if len(one) > len(other):
        one, other = other, one
    parts = [(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))]
    for cut in range(0, len(one), ACROSS):
        part = one[cut : cut + ACROSS]
        sizes = rows.sizes[part]
        reach = other[slice(*np.searchsorted(rows.sizes[other], [sizes[0] * threshold - 1, sizes[-1] / threshold + 1]))]
        shared = folded[part] @ folded[reach].T
        needed = threshold / (1 + threshold) * (sizes[:, None] + rows.sizes[reach]).astype(np.float32) - 0.01
        at, to = np.nonzero(shared >= needed)
        jaccard = _jaccard(rows, part[at], reach[to])
        near = jaccard >= threshold
        parts.append((rows.row[part[at[near]]], rows.row[reach[to[near]]], jaccard[near]))
    return _sorted(*map(np.concatenate, zip(*parts, strict=True)))


def nearest(found: Sets, queries: Ints, pool: Ints) -> Floats:
    """Return for each row of `queries` the highest similarity to any row of `pool` other than itself (0 without one).

    Exact: candidates are ranked by what the dot product of the folded sets allows (see `cross_pairs`), and compared
    until no other row of the pool can be nearer.

    >>> nearest(sets(pl.Series(["my new card", "my new cars", "bye"])), np.array([0, 2]), np.array([0, 1])).round(1).tolist()
    [0.8, 0.0]
    """
    rows = _rows(found, np.arange(len(found.sizes)))
    folded = _folded(rows)
    best = np.zeros(len(queries))
    for cut in range(0, len(queries) if len(pool) else 0, 64):
        part = queries[cut : cut + 64]
        shared = np.minimum(folded[part] @ folded[pool].T, np.minimum(rows.sizes[part][:, None], rows.sizes[pool]))
        bound = shared / np.maximum(rows.sizes[part][:, None] + rows.sizes[pool] - shared, 1) + 1e-6
        bound[part[:, None] == pool] = 0
        guess = pool[bound.argmax(axis=1)]
        least = np.where(bound.max(axis=1) > 0, _jaccard(rows, part, guess), 0)
        at, to = np.nonzero(bound > least[:, None])
        np.maximum.at(least, at, _jaccard(rows, part[at], pool[to]))
        best[cut : cut + 64] = least
    return best


# --- exact similarity


class Rows(NamedTuple):
    """Some rows of `Sets`, in an order of their own."""

    grams: NDArray[np.uint32]  # those of all rows, and behind them zeros as many as the largest row has grams
    starts: Ints
    sizes: Ints
    row: Ints  # the number in `Sets`


def _rows(found: Sets, row: Ints) -> Rows:
    sizes = found.sizes[row]
    padding = np.zeros(sizes.max(initial=1), np.uint32)
    return Rows(np.concatenate([found.grams, padding]), found.offsets[row], sizes, row)


def _by_size(found: Sets, row: Ints) -> Rows:
    return _rows(found, row[np.argsort(found.sizes[row], kind="stable")])


def _window(rows: Rows, which: Ints | slice) -> tuple[NDArray[np.uint32], Bools]:
    """Return the grams of some rows as a matrix as wide as the largest, and which cells are theirs.

    A window that slides over all grams is copied row by row: 6 times faster than an index for each gram.
    """
    sizes = rows.sizes[which]
    width = int(sizes.max())
    windows = np.lib.stride_tricks.sliding_window_view(rows.grams, width)
    return windows[rows.starts[which]], np.arange(width, dtype=np.int32) < sizes.astype(np.int32)[:, None]


def _jaccard(rows: Rows, one: Ints, other: Ints) -> Floats:
    """Compare pairs exactly; work is shared by pairs with the same `one` that stand together."""
    codes = int(rows.grams.max()) + 1
    shared = _each(
        lambda cut: _shared(rows, codes, one[cut : cut + PAIRS], other[cut : cut + PAIRS]), range(0, len(one), PAIRS)
    )
    common = np.concatenate([np.zeros(0, np.int64), *shared])
    return common / np.maximum(rows.sizes[one] + rows.sizes[other] - common, 1)


def _shared(rows: Rows, codes: int, one: Ints, other: Ints) -> Ints:
    """Count the grams that each pair shares: mark those of a few rows in a table, and look up those of their partners."""
    shared = np.empty(len(one), np.int64)
    new = _news(one)
    owners, line = one[new], np.cumsum(new) - 1
    lines = max(16, (1 << 20) // codes)
    table = np.zeros(lines * codes, np.bool_)
    for first in range(0, len(owners), lines):
        grams, theirs = _window(rows, owners[first : first + lines])
        cells = (grams + np.arange(len(grams))[:, None] * codes)[theirs]
        table[cells] = True
        start, end = np.searchsorted(line, [first, first + lines]).tolist()
        for cut in range(start, end, 1024):
            part = slice(cut, min(end, cut + 1024))
            grams, theirs = _window(rows, other[part])
            hits = table.take(grams + ((line[part] - first) * codes)[:, None])
            shared[part] = np.count_nonzero(hits & theirs, axis=1)
        table[cells] = False
    return shared


# --- candidates: MinHash bands


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
    Scheme(half=4, groups=19)
    """
    half = 2 if rows < 20_000 else 3 if rows < 200_000 else 4
    alike = threshold**half
    apart = (1 - alike) ** HALVES + HALVES * alike * (1 - alike) ** (HALVES - 1)
    return Scheme(half, math.ceil(math.log(1 - RECALL) / math.log(max(apart, 1e-9))))


def _banded(rows: Rows, threshold: float, seed: int) -> Words:
    """Return the pairs that agree in a band and whose bitmaps leave the threshold in reach."""
    rng = np.random.default_rng(seed)
    half, groups = scheme(len(rows.sizes), threshold)
    codes = int(rows.grams.max()) + 1
    # 16 bits give every gram its own number up to 65,536 of them, and run twice as fast as 32; beyond, some grams share
    # a number, which only makes more candidates.
    scattered = rng.permutation(max(codes, 1 << 16)).astype(np.uint16)
    bits = _bits(codes, max(1, min(16, int(rows.sizes.mean()) // 12)), rng)
    prepared = _each(lambda cut: _prepared(rows, slice(*cut), scattered, bits), _blocks(rows))
    bitmaps = np.concatenate([bitmap for _, bitmap in prepared])
    grams = [block for block, _ in prepared]
    bands = list(itertools.combinations(range(HALVES), 2))
    found: list[Words] = []
    for _ in range(groups):
        factors = rng.integers(0, 1 << 15, (HALVES, half), dtype=np.uint16) * np.uint16(2) + np.uint16(1)
        halves = np.concatenate(_each(functools.partial(_sketch, factors), grams), axis=1)
        parts = _each(functools.partial(_band, rows, bitmaps, halves, _lanes(halves), threshold), bands)
        found += itertools.chain.from_iterable(parts)
        if sum(map(len, found)) > MANY:
            found = [_distinct(found)]
    return _distinct(found)


def _blocks(rows: Rows) -> list[tuple[int, int]]:
    """Cut the rows (in order of size) into blocks that fit the cache, however long the longest are."""
    blocks, end = [], len(rows.sizes)
    while end:
        start = max(0, end - max(1, min(2048, (1 << 20) // int(rows.sizes[end - 1]))))
        blocks.append((start, end))
        end = start
    return blocks[::-1]


def _bits(codes: int, words: int, rng: np.random.Generator) -> Words:
    """Give each gram one bit in a bitmap of some words: shape (words, codes)."""
    bit = rng.integers(0, 64 * words, codes, dtype=np.uint64)
    one = np.uint64(1) << (bit & np.uint64(63))
    return np.where(bit >> np.uint64(6) == np.arange(words, dtype=np.uint64)[:, None], one, np.uint64(0))


def _prepared(rows: Rows, block: slice, scattered: NDArray[np.uint16], bits: Words) -> tuple[NDArray[np.uint16], Words]:
    """Return a block's grams as (longest, rows) scattered numbers, short rows filled up with their first, and its bitmaps."""
    grams, theirs = _window(rows, block)
    full = np.ascontiguousarray(np.where(theirs, grams, grams[:, :1]).T, dtype=np.intp)
    return scattered.take(full), np.stack([np.bitwise_or.reduce(word.take(full), axis=0) for word in bits], axis=1)


def _sketch(factors: NDArray[np.uint16], grams: NDArray[np.uint16]) -> Words:
    """Hash a block's sets: each half is the mix of the smallest products with its factors (modulo 2**16)."""
    halves = np.zeros((len(factors), grams.shape[1]), np.uint64)
    product = np.empty_like(grams)
    for half, row in zip(halves, factors, strict=True):
        for factor in row:
            np.multiply(grams, factor, out=product)
            half *= ODD
            half += np.minimum.reduce(product, axis=0)
    return _mixed(halves)


def _lanes(halves: Words) -> Words:
    """Pack 16 bits of each half into one word per row."""
    shift = np.arange(0, 16 * len(halves), 16, dtype=np.uint64)[:, None]
    return np.bitwise_or.reduce(halves >> np.uint64(48) << shift, axis=0)


def _band(
    rows: Rows, bitmaps: Words, halves: Words, lanes: Words, threshold: float, band: tuple[int, int]
) -> list[Words]:
    """Return the candidates of one band that no earlier band of the group has, and that can reach the threshold."""
    one, two = band
    reach = rows.sizes * ((1 - threshold) / (1 + threshold))
    found = []
    for small, big in _buckets(halves[one] + halves[two] * ODD, rows.row):
        # A pair that agrees in more than two halves is taken where it agrees first.
        differ = lanes.take(small) ^ lanes.take(big)
        first = np.ones(len(small), np.bool_)
        for lane in set(range(two)) - {one}:
            first &= differ & np.uint64(0xFFFF << 16 * lane) != 0
        small, big = small[first], big[first]
        # Each bit that differs proves a gram that only one of the two has.
        apart = np.bitwise_count(bitmaps.take(small, axis=0) ^ bitmaps.take(big, axis=0))
        near = (
            sum(apart[:, word].astype(np.uint16) for word in range(apart.shape[1]))
            <= reach.take(small) + reach.take(big) + 1e-6
        )
        found.append(_packed(big[near], small[near]))
    return found


def _buckets(key: Words, order: Ints) -> Iterator[tuple[Ints, Ints]]:
    """Pair the positions that share a key (in place of whose low bits their numbers are sorted along)."""
    bits = max(1, len(key) - 1).bit_length()
    low = np.uint64((1 << bits) - 1)
    key &= ~low
    key |= np.arange(len(key), dtype=np.uint64)
    key.sort()  # 20 ms for a million; sorting positions by key would take five times as long
    start = np.flatnonzero(np.append(True, (key[1:] ^ key[:-1]) > low))
    size = np.diff(start, append=len(key))
    start, size = start[size > 1], size[size > 1]
    for first, count in zip(start[size > FULL].tolist(), size[size > FULL].tolist(), strict=True):
        crowd = (key[first : first + count] & low).astype(np.int64)
        head = crowd[order[crowd].argmin()]
        others = crowd[crowd != head]
        yield np.minimum(head, others), np.maximum(head, others)
    at = _ragged(start, size)
    partners = np.minimum(np.repeat(start + size, size) - at - 1, np.repeat(np.maximum(8, FULL * FULL // size), size))
    ends = np.cumsum(partners)
    cuts = np.searchsorted(ends, np.arange(0, ends[-1] if len(ends) else 0, SLICE), side="right")
    for cut, end in itertools.pairwise([*cuts.tolist(), len(at)]):
        one = np.repeat(at[cut:end], partners[cut:end])
        other = _ragged(at[cut:end] + 1, partners[cut:end])
        yield (key[one] & low).astype(np.int64), (key[other] & low).astype(np.int64)


# --- small parts


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
        sum_ = np.concatenate(_each(sums, range(0, len(filled), 1 << 14)))
        _, first, inverse = np.unique(sum_, return_index=True, return_inverse=True)
        same[filled] = filled[first[inverse]]
    return same


def _with_copies(same: Ints, left: Ints, right: Ints, jaccard: Floats) -> Pairs:
    """Turn pairs of distinct sets into pairs of rows."""
    copies = np.bincount(same[same >= 0], minlength=len(same))
    many = np.flatnonzero(copies > 1)
    members = np.argsort(same, kind="stable")[np.count_nonzero(same < 0) :]
    start = np.cumsum(copies) - copies
    left, right = np.append(left, many), np.append(right, many)
    jaccard = np.append(jaccard, np.ones(len(many)))
    fits = copies[left] * copies[right] <= CROWD**2
    one, two = np.append(left, left[~fits]), np.append(right, right[~fits])
    jaccard = np.append(jaccard, jaccard[~fits])
    ones = np.append(np.where(fits, copies[left], 1), copies[left[~fits]])
    twos = np.append(copies[right], np.ones(np.count_nonzero(~fits), np.int64))
    which = np.repeat(np.arange(len(one)), ones * twos)
    cell = _ragged(np.zeros(len(one), np.int64), ones * twos)
    one = members[start[one][which] + cell // twos[which]]
    two = members[start[two][which] + cell % twos[which]]
    return _sorted(one, two, jaccard[which])


def _sorted(one: Ints, two: Ints, jaccard: Floats) -> Pairs:
    """Bring pairs into order, each once, none of a row with itself."""
    packed = _packed(np.minimum(one, two), np.maximum(one, two))
    keep = np.flatnonzero(one != two)
    packed = packed[keep]
    order = np.argsort(packed, kind="stable")
    order = order[_news(packed[order])]
    packed = packed[order]
    return Pairs((packed >> np.uint64(32)).astype(np.int64), (packed & ROW).astype(np.int64), jaccard[keep[order]])


def _folded(rows: Rows) -> NDArray[np.float32]:
    """Count each row's grams by their number modulo some columns: shape (rows, columns)."""
    columns = 1 << min(11, max(6, int(8 * rows.sizes.mean()).bit_length()))
    folded = np.empty((len(rows.sizes), columns), np.float32)
    for cut in range(0, len(folded), 1024):
        sizes = rows.sizes[cut : cut + 1024]
        grams = rows.grams[_ragged(rows.starts[cut : cut + 1024], sizes)] % columns
        cells = np.repeat(np.arange(len(sizes)) * columns, sizes) + grams
        folded[cut : cut + 1024] = np.bincount(cells, minlength=len(sizes) * columns).reshape(len(sizes), columns)
    return folded


def _every_pair(rows: int) -> Words:
    small, big = np.triu_indices(rows, 1)
    return _distinct([_packed(big, small)])


def _packed(high: Ints, low: Ints) -> Words:
    return high.astype(np.uint64) << np.uint64(32) | low.astype(np.uint64)


def _distinct(parts: list[Words]) -> Words:
    whole = np.concatenate([np.zeros(0, np.uint64), *parts])
    whole.sort()
    return whole[_news(whole)]


def _mixed(values: Words) -> Words:
    """Scatter numbers over 64 bits (the finaliser of splitmix64, Steele, Lea and Flood 2014)."""
    values = (values + np.uint64(1)) * ODD
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _ragged(start: Ints, size: Ints) -> Ints:
    """Join the ranges that begin at `start` and have `size` numbers."""
    ends = np.cumsum(size)
    return np.arange(ends[-1] if len(ends) else 0) + np.repeat(start - ends + size, size)
