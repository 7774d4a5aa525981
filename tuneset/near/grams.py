"""Turn texts into sets of character 3-grams, and compare two sets exactly."""

from __future__ import annotations

import os
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]
    Words = NDArray[np.uint64]
    Bools = NDArray[np.bool_]
    Letters = NDArray[np.uint8] | NDArray[np.uint32]
    Grams = NDArray[np.uint16] | NDArray[np.uint32]

T = TypeVar("T")
R = TypeVar("R")

END, SPACE = "\x00", ord(" ")  # END stands between texts; a NUL inside a text counts as a space
PAIRS, CELLS = 2048, 1 << 20  # pairs, and cells of their matrix, that are compared at a time: what fits the cache
NONE = np.uint32(0xFFFFFFFF)  # fills up the shorter set; there are never that many grams


class Sets(NamedTuple):
    """The 3-grams of each row: `grams[offsets[i]:offsets[i + 1]]`, sorted, each once, numbered from 0."""

    offsets: Ints
    grams: Grams

    @property
    def sizes(self) -> Ints:
        """Count the grams of each row."""
        return np.diff(self.offsets)


class Pairs(NamedTuple):
    """Near-duplicate pairs of row numbers, `left < right`, sorted, each once."""

    left: Ints
    right: Ints
    jaccard: Floats


class Rows(NamedTuple):
    """Some rows of `Sets` in an order of their own, their grams side by side in that order."""

    grams: Grams  # behind them as many zeros as the largest row has grams
    starts: Ints
    sizes: Ints
    row: Ints  # the number in `Sets`


def normal(text: pl.Series) -> pl.Series:
    """Fold case and turn every run of characters that are neither letters nor numbers into one space, trimmed.

    A null stays null. Case folding is Python's; letters and numbers are Unicode's categories L and N.

    >>> normal(pl.Series(["  Where's my CARD?! ", "STRASSE Straße", "?"])).to_list()
    ['where s my card', 'strasse strasse', '']
    """
    forms = pl.concat([pl.Series([], dtype=pl.String), *(_decoded(_letters(part)) for part in _parts(text))])
    return pl.select(pl.when(text.is_not_null()).then(forms)).to_series().alias(text.name)


def sets(text: pl.Series) -> Sets:
    """Break each text's normal form into its set of character 3-grams.

    A form of one or two characters is one gram by itself; an empty form (or a null) has no grams. Grams are numbered in
    the order of their characters, and no two share a number. Memory: two bytes per gram, four beyond 65,536 different
    ones, and four more while it runs.

    >>> found = sets(pl.Series(["Hello", "hello!", "ox", "?"]))
    >>> found.offsets.tolist(), found.grams.tolist()
    ([0, 3, 6, 7, 7], [0, 1, 2, 0, 1, 2, 3])
    """
    letters = each(_letters, _parts(text))
    alphabet = np.unique(np.concatenate([[0], *each(_present, letters)]))
    number = _table(alphabet, np.arange(len(alphabet)))
    coded = each(lambda part: _packed_grams(number[part], len(alphabet)), letters)
    del letters
    grams = _numbered([codes for codes, _ in coded], len(alphabet) ** 3)
    return Sets(np.cumsum(np.concatenate([[0], *(sizes for _, sizes in coded)]), dtype=np.int64), grams)


def rows_of(found: Sets, row: Ints) -> Rows:
    """Take some rows, so that `jaccard` and others find their grams in reach of the processor's cache."""
    sizes = found.sizes[row]
    starts = np.cumsum(sizes) - sizes
    grams = np.zeros(int(sizes.sum() + sizes.max(initial=1)), found.grams.dtype)
    theirs = found.offsets[row]

    def copy(cut: int) -> None:
        part = slice(cut, cut + 4096)
        wanted = found.grams.take(ragged(theirs[part], sizes[part]))
        grams[starts[cut] : starts[cut] + len(wanted)] = wanted

    each(copy, range(0, len(row), 4096))
    return Rows(grams, starts, sizes, row)


def by_size(found: Sets, row: Ints) -> Rows:
    """Take some rows in the order of their sizes."""
    return rows_of(found, row[np.argsort(found.sizes[row], kind="stable")])


def jaccard(rows: Rows, one: Ints, other: Ints) -> Floats:
    """Compare pairs exactly: the grams that both have, divided by the grams that either has (0 where neither has any).

    >>> rows = by_size(sets(pl.Series(["my new card", "my new cars"])), np.arange(2))
    >>> jaccard(rows, np.array([0]), np.array([1])).tolist()
    [0.8]
    """
    shared = each(lambda cut: _shared(rows, one[cut], other[cut]), _slices(rows.sizes[one] + rows.sizes[other]))
    common = np.concatenate([np.zeros(0, np.int64), *shared])
    similarity: Floats = common / np.maximum(rows.sizes[one] + rows.sizes[other] - common, 1)
    return similarity


def window(rows: Rows, which: Ints | slice) -> tuple[NDArray[Any], Bools]:
    """Return the grams of some rows as a matrix as wide as the largest, and which cells are theirs.

    A window that slides over all grams is copied row by row: six times faster than an index for each gram.
    """
    sizes = rows.sizes[which].astype(np.int32)
    width = int(sizes.max())
    step = rows.grams.itemsize
    windows = np.ndarray((len(rows.grams) - width + 1, width), rows.grams.dtype, rows.grams, 0, (step, step))
    return windows[rows.starts[which]], np.arange(width, dtype=np.int32) < sizes[:, None]


def each(do: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Apply `do` to each item on all cores (NumPy lets go of the interpreter's lock); results keep their order.

    >>> each(abs, [-1, 2])
    [1, 2]
    """
    if len(items) < 2:
        return [do(item) for item in items]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(do, items))


def ragged(start: Ints, size: Ints) -> Ints:
    """Join the ranges that begin at `start` and have `size` numbers.

    >>> ragged(np.array([5, 0]), np.array([2, 3])).tolist()
    [5, 6, 0, 1, 2]
    """
    ends = np.cumsum(size)
    return np.arange(ends[-1] if len(ends) else 0) + np.repeat(start - ends + size, size)


def news(values: NDArray[Any]) -> Bools:
    """Mark each value that differs from the one before.

    >>> news(np.array([3, 3, 4])).tolist()
    [True, False, True]
    """
    new = np.ones(len(values), np.bool_)
    np.not_equal(values[1:], values[:-1], out=new[1:])
    return new


def packed(high: Ints, low: Ints) -> Words:
    """Pack two row numbers into one number that sorts like the pair."""
    return high.astype(np.uint64) << np.uint64(32) | low.astype(np.uint64)


def ordered(one: Ints, two: Ints, similarity: Floats) -> Pairs:
    """Bring pairs of rows into order, each once, none of a row with itself."""
    apart = np.flatnonzero(one != two)
    left, right = np.minimum(one, two)[apart], np.maximum(one, two)[apart]
    order = _order(left, right)
    pair = packed(left[order], right[order])
    chosen = order[news(pair)]
    return Pairs(left[chosen], right[chosen], similarity[apart[chosen]])


def _order(left: Ints, right: Ints) -> Ints:
    """Sort pairs: with their positions in the low bits where those fit, which is six times faster than an argsort."""
    bits, positions = int(right.max(initial=0)).bit_length(), len(left).bit_length()
    if 2 * bits + positions > 64:
        return np.argsort(packed(left, right))
    key = left.astype(np.uint64) << np.uint64(bits) | right.astype(np.uint64)
    key = key << np.uint64(positions) | np.arange(len(left), dtype=np.uint64)
    key.sort()
    return (key & np.uint64((1 << positions) - 1)).astype(np.int64)


def _slices(sizes: Ints) -> list[slice]:
    """Cut pairs so that a slice is small also where its texts are very long."""
    slices, start = [], 0
    while start < len(sizes):
        widest = int(sizes[start : start + PAIRS].max())
        end = start + max(1, min(PAIRS, CELLS // max(1, widest)))
        slices.append(slice(start, end))
        start = end
    return slices


def _shared(rows: Rows, one: Ints, other: Ints) -> Ints:
    """Count the grams that each pair shares: those that stand twice when both sets are sorted together."""
    left, of_left = window(rows, one)
    right, of_right = window(rows, other)
    width = left.shape[1]
    both = np.full((len(one), width + right.shape[1]), NONE)
    np.copyto(both[:, :width], left, where=of_left)
    np.copyto(both[:, width:], right, where=of_right)
    both.sort(axis=1)  # 0.2 microseconds for 100 grams
    twice: Ints = np.count_nonzero(both[:, 1:] == both[:, :-1], axis=1)
    filling = both.shape[1] - rows.sizes[one] - rows.sizes[other]
    twice -= np.maximum(filling - 1, 0)
    return twice


def _parts(text: pl.Series) -> list[pl.Series]:
    """Cut a column into parts that fit the processor's cache: at most 4,096 rows and about 2**21 characters."""
    rows = min(4096, 1 + (len(text) << 21) // (1 + int(text.str.len_bytes().sum())))
    return [text[start : start + rows] for start in range(0, len(text), rows)]


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
    spaced: NDArray[Any] = _table(present, kept)[points].astype(np.uint8 if max(kept) < 128 else np.uint32)
    after = np.append(spaced[1:], spaced.dtype.type(0))
    spaced = spaced[(spaced != SPACE) | ((after != SPACE) & (after != 0))]
    before = np.append(spaced.dtype.type(0), spaced[:-1])
    letters: Letters = spaced[(spaced != SPACE) | (before != 0)]
    return letters


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


def _packed_grams(letter: NDArray[np.uint32], letters: int) -> tuple[NDArray[Any], Ints]:
    """Return the distinct 3-grams of each text, packed into one number each, and how many each text has."""
    rows = int(np.count_nonzero(letter == 0))
    # With the row number in front one sort serves all rows; 32 bits sort twice as fast as 64 where they suffice.
    first: NDArray[Any] = letter.astype(np.uint32 if rows * letters**3 < 1 << 32 else np.uint64)
    base = first.dtype.type(letters)
    second = np.append(first[1:], first.dtype.type(0))
    third = np.append(second[1:], first.dtype.type(0)) * (second > 0)
    starts = np.append(True, first[:-1] == 0)
    row = np.cumsum(first == 0, dtype=first.dtype)
    key = (((row * base + first) * base + second) * base + third)[(first > 0) & ((third > 0) | starts)]
    key.sort()
    key = key[news(key)]
    row_starts = np.arange(rows + 1, dtype=key.dtype) * base**3
    sizes = np.diff(np.searchsorted(key, row_starts))
    return key - np.repeat(row_starts[:-1], sizes), sizes


def _numbered(parts: list[NDArray[Any]], codes: int) -> Grams:
    """Replace each code (all are below `codes`) by its rank among the distinct codes of all parts."""
    ends = np.cumsum([0, *map(len, parts)])
    rank: Callable[[NDArray[Any]], NDArray[Any]]
    if codes <= 1 << 26:
        seen = np.zeros(codes, np.bool_)
        each(lambda part: seen.__setitem__(part.astype(np.intp), True), parts)
        distinct, rank = int(np.count_nonzero(seen)), (np.cumsum(seen, dtype=np.uint32) - np.uint32(1)).take
    else:
        known = np.unique(np.concatenate(each(np.unique, parts)))
        distinct, rank = len(known), known.searchsorted
    grams: Grams = np.empty(ends[-1], np.uint16 if distinct <= 1 << 16 else np.uint32)

    def number(part: int) -> None:
        grams[ends[part] : ends[part + 1]] = rank(parts[part])

    each(number, range(len(parts)))
    return grams
