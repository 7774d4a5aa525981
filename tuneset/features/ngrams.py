"""Texts as hashed n-grams of letters and of words: a sparse matrix, without a model and without a vocabulary."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from tuneset.near.grams import each, news

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bools = NDArray[np.bool_]
    Ints = NDArray[np.int64]
    Hashes = NDArray[np.uint64]
    Floats = NDArray[np.float32]

SPACE = ord(" ")
ROWS, LETTERS = 4096, 1 << 21  # rows and letters that are hashed at a time: what fits the cache
BUCKETS = 1 << 18  # columns a kind of n-gram has; BANKING77 has 60,000 different ones of letters
BASE = 0x9E3779B97F4A7C15  # odd, so that it has an inverse; the golden ratio in 64 bits
INVERSE = pow(BASE, -1, 1 << 64)
SCATTER = np.uint64(0xBF58476D1CE4E5B9)  # from SplitMix64 (Steele et al. 2014)


def ngrams(
    texts: pl.Series, letters: tuple[int, int] = (2, 5), words: tuple[int, int] = (1, 2), buckets: int = BUCKETS
) -> Any:
    """Turn texts into vectors by the n-grams they are made of, weighted by how rare each is in these texts.

    Shape (rows, 2 * buckets), float32, a SciPy sparse array by rows; each row has length 1, a text without a letter to
    see is all zeros. The first half of the columns are n-grams of letters inside words, the second half n-grams of
    words. Where what is learned from some texts is to serve others, use `counts`, `rarity` and `weighted`.

    >>> vectors = ngrams(pl.Series(["where is my card", "Where is my CARD", "no money"]))
    >>> (vectors @ vectors.T).toarray().round(1).tolist()
    [[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    counted = counts(texts, letters, words, buckets)
    return weighted(counted, rarity(counted))


def counts(
    texts: pl.Series, letters: tuple[int, int] = (2, 5), words: tuple[int, int] = (1, 2), buckets: int = BUCKETS
) -> Any:
    """Count each text's n-grams of letters (inside words, with the space around them) and of words.

    The same as scikit-learn's `char_wb` and word n-grams, but for the hash; a word is a run of letters, marks and
    digits, also of one. Case is folded, nulls are empty. `buckets` is a power of two: two n-grams that fall into one
    column are counted as one. Memory: 8 bytes for each different n-gram of a row, 1.6 KB for a row of 50 letters.

    >>> counts(pl.Series(["a card", None])).sum(axis=1).tolist()
    [20.0, 0.0]
    """
    from scipy import sparse  # noqa: PLC0415  0.2 s that nobody pays who asks for no vectors

    hashed = each(lambda part: _hashed(part, letters, words, buckets), _parts(texts))
    sizes = np.concatenate([np.zeros(1, np.int64), *(sizes for sizes, _, _ in hashed)])
    columns = np.concatenate([np.zeros(0, np.int32), *(columns for _, columns, _ in hashed)])
    times = np.concatenate([np.zeros(0, np.float32), *(times for _, _, times in hashed)])
    ends = np.cumsum(sizes)
    narrow = np.int32 if ends[-1] < 1 << 31 else np.int64  # scikit-learn takes no others than 32 bits
    return sparse.csr_array((times, columns, ends.astype(narrow)), shape=(len(texts), 2 * buckets))


def rarity(counted: Any) -> Floats:
    """Weigh each column by how few rows have it: ln((1 + rows) / (1 + rows that have it)) + 1, as scikit-learn does.

    >>> rarity(counts(pl.Series(["a", "a"])))[:2].tolist()
    [2.0986123085021973, 2.0986123085021973]
    """
    rows, columns = counted.shape
    having = np.bincount(counted.indices, minlength=columns)
    rare: Floats = (np.log((1 + rows) / (1 + having)) + 1).astype(np.float32)
    return rare


def weighted(counted: Any, weights: Floats) -> Any:
    """Weigh counts, (1 + ln count) * weight, and bring every row to length 1.

    Letters and words are brought to one length each before that, so that the many n-grams of letters do not drown the
    few of words.
    """
    from scipy import sparse  # noqa: PLC0415  see `counts`

    starts = range(0, counted.shape[0], ROWS)
    scaled = each(lambda start: _scaled(counted.indptr[start : start + ROWS + 1], counted, weights), starts)
    values = np.concatenate([np.zeros(0, np.float32), *scaled])
    return sparse.csr_array((values, counted.indices, counted.indptr), shape=counted.shape)


def _scaled(edges: Ints, counted: Any, weights: Floats) -> Floats:
    """Weigh some rows, from one edge to the next, and bring each half of them to one length."""
    cells = slice(int(edges[0]), int(edges[-1]))
    columns = counted.indices[cells]
    values = (1 + np.log(counted.data[cells])) * weights[columns]
    part = 2 * np.repeat(np.arange(len(edges) - 1), np.diff(edges)) + (columns >= counted.shape[1] // 2)
    squares = np.bincount(part, np.square(values, dtype=np.float64), 2 * len(edges) - 2)
    halves = np.count_nonzero(squares.reshape(-1, 2), axis=1)
    lengths = np.sqrt(squares * np.repeat(np.maximum(halves, 1), 2))
    scaled: Floats = (values / lengths[part]).astype(np.float32)
    return scaled


def _parts(texts: pl.Series) -> list[pl.Series]:
    """Cut a column into parts of at most `ROWS` rows and some `LETTERS` letters."""
    size = max(1, min(ROWS, len(texts) * LETTERS // (1 + int(texts.str.len_bytes().sum()))))
    return [texts[start : start + size] for start in range(0, len(texts), size)]


def _hashed(
    texts: pl.Series, letters: tuple[int, int], words: tuple[int, int], buckets: int
) -> tuple[Ints, NDArray[np.int32], Floats]:
    """Return how many columns each row has, which, and how often."""
    points, row = _spaced(texts)
    found = [*_letter_grams(points, row, letters), *_word_grams(points, row, words)]
    keys = [
        (rows * (2 * buckets) + half * buckets + _bucket(hashes, buckets)).astype(_width(len(texts), 2 * buckets))
        for rows, hashes, half in found
    ]
    key = np.concatenate([np.zeros(0, _width(len(texts), 2 * buckets)), *keys])
    key.sort()  # 32 bits sort twice as fast as 64
    first = np.flatnonzero(news(key))
    times = np.diff(np.append(first, len(key))).astype(np.float32)
    rows, columns = np.divmod(key[first], key.dtype.type(2 * buckets))
    return np.bincount(rows.astype(np.int64), minlength=len(texts)), columns.astype(np.int32), times


def _width(rows: int, columns: int) -> type[np.uint32 | np.uint64]:
    return np.uint32 if rows * columns < 1 << 32 else np.uint64


def _spaced(texts: pl.Series) -> tuple[Hashes, Ints]:
    """Return the code points of all texts, each word between single spaces, and the row of each."""
    plain = texts.fill_null("").str.to_lowercase().str.replace_all(r"\s+", " ").str.strip_chars(" ")
    spaced = pl.select(pl.format(" {} ", plain)).to_series()
    joined: str = spaced.str.join("")[0]
    points = np.frombuffer(joined.encode("utf-32-le"), np.uint32).astype(np.uint64)
    return points, np.repeat(np.arange(len(texts)), spaced.str.len_chars().to_numpy())


def _letter_grams(points: Hashes, row: Ints, sizes: tuple[int, int]) -> list[tuple[Ints, Hashes, int]]:
    """Hash every run of letters within a word, the space before and behind it included."""
    least, most = sizes
    space = points == SPACE
    hashes, broken = points, np.zeros(len(points), np.bool_)
    grams = []
    for size in range(2, most + 1):
        last = len(points) - size + 1
        hashes = hashes[:last] * np.uint64(BASE) + points[size - 1 :]
        # A space inside ends the word; two spaces in a row stand between two texts.
        broken = broken[:last] | (space[:last] & space[1 : last + 1] if size == 2 else space[size - 2 : -1])
        if size >= least:
            whole = np.flatnonzero(~broken)
            grams.append((row[whole], hashes[whole] + np.uint64(size), 0))
    return grams


def _word_grams(points: Hashes, row: Ints, sizes: tuple[int, int]) -> list[tuple[Ints, Hashes, int]]:
    """Hash every run of words, each a run of letters, marks and digits."""
    least, most = sizes
    start, end = _words(points)
    words = _scattered(_run_hashes(points, start, end))
    rows, hashes = row[start], words
    grams = []
    for size in range(1, most + 1):
        if size > 1:
            hashes = hashes[:-1] * np.uint64(BASE) + words[size - 1 :]
        within = np.flatnonzero(rows[: len(hashes)] == rows[size - 1 :])
        if size >= least:
            grams.append((rows[within], hashes[within] + np.uint64(size), 1))
    return grams


def _words(points: Hashes) -> tuple[Ints, Ints]:
    """Find where words start and end."""
    present = np.unique(points)
    part_of_word = np.array([unicodedata.category(chr(point))[0] in "LMN" for point in present.tolist()], np.bool_)
    inside = part_of_word[np.searchsorted(present, points)]
    edges = np.flatnonzero(np.diff(inside, prepend=False, append=False))
    return edges[::2], edges[1::2]


def _run_hashes(points: Hashes, start: Ints, end: Ints) -> Hashes:
    """Hash runs of any length from one running sum: sum(point * BASE**place), times BASE**-start."""
    powers = _powers(BASE, len(points))
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(points * powers, dtype=np.uint64)])
    runs: Hashes = (sums[end] - sums[start]) * _powers(INVERSE, len(points))[start]
    return runs


def _powers(base: int, size: int) -> Hashes:
    return np.cumprod(np.concatenate([np.ones(1, np.uint64), np.full(size, base, np.uint64)]), dtype=np.uint64)[:size]


def _scattered(hashes: Hashes) -> Hashes:
    hashes = (hashes ^ (hashes >> np.uint64(32))) * SCATTER
    return hashes ^ (hashes >> np.uint64(32))


def _bucket(hashes: Hashes, buckets: int) -> Ints:
    """Choose a column by the high bits, which depend on all letters."""
    return (_scattered(hashes) * SCATTER >> np.uint64(64 - (buckets.bit_length() - 1))).astype(np.int64)
