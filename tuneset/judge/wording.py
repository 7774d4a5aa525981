"""What words rows are made of: how varied they are, and which openings and phrases dominate."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tuneset.judge.select import usual

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import polars as pl
    from numpy.typing import NDArray

    Bools = NDArray[np.bool_]
    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]
    Facts = dict[str, Any]

WORD = r"[\p{L}\p{M}\p{N}]+"
OPENINGS, PHRASES = (2, 3), (3, 4, 5, 6)  # words
SURE = 0.01  # false discoveries among what is said to dominate
OFTEN, TIMES = 5, 2  # rows that say it, and how many times as often as in real rows
MOST = 0.8  # of the rows that say a phrase and go on with the same word: the longer phrase is shown
SHOWN = 10
SIZES = (64, 32, 16, 8)  # rows at which labels are compared
PEERS = 8  # labels it takes to know what is usual
LABEL_DRAWS = 4
# Logarithms of Vendi scores and of the commonest opening's share are close to normal over the labels of BANKING77,
# CLINC150 and HWU64: their robust and their plain standard deviation agree within a fifth.
UNUSUAL = 3.0
SPREAD = 0.13  # the least that those sets have: where few rows are compared, many labels say the same by chance


class Words(NamedTuple):
    """The words of all rows, one after the other."""

    texts: pl.Series
    said: pl.Series  # the words, in small letters
    row: Ints  # of each word
    counts: Ints  # words a row
    grams: dict[int, Ints]  # for each size, a number for the run of words that starts here; -1 where the row ends first


class Peer(NamedTuple):
    """A figure of one label, and what is usual among labels of as many rows."""

    code: int
    rows: int  # of the label
    size: int  # rows that the figure is taken of
    value: float
    low: float
    high: float


def split(texts: pl.Series) -> Words:
    """Split texts into words (runs of letters, marks and digits, in small letters) and number their runs.

    >>> import polars as pl
    >>> split(pl.Series(["Where is it?", "where is"])).grams[2].tolist()
    [1, 0, -1, 1, -1]
    """
    texts = texts.fill_null("")
    lists = texts.str.to_lowercase().str.extract_all(WORD)
    counts = lists.list.len().to_numpy().astype(np.int64)
    said = lists.filter(lists.list.len() > 0).explode()
    row = np.repeat(np.arange(len(texts)), counts)
    single = said.rank("dense").to_numpy().astype(np.int64) - 1
    grams = {1: single}
    for size in range(2, PHRASES[-1] + 1):
        starts = np.flatnonzero(row[: max(0, len(row) - size + 1)] == row[size - 1 :])
        pairs = grams[size - 1][starts] * len(row) + single[starts + size - 1]
        grams[size] = np.full(len(row), -1)
        grams[size][starts] = np.unique(pairs, return_inverse=True)[1]
    return Words(texts, said, row, counts, grams)


def distinct(grams: Ints) -> float:
    """Return how many of some runs of words are different ones (Li et al. 2016), 0 to 1; -1 is no run.

    >>> distinct(np.array([0, 1, 0, -1]))
    0.6666666666666666
    """
    grams = grams[grams >= 0]
    return float(np.count_nonzero(np.bincount(grams)) / max(1, len(grams)))


def compression(texts: Iterable[str]) -> float:
    """Return how many times smaller gzip makes texts, a line each (Shaib et al. 2024).

    >>> compression(["where is it"] * 100) > 10
    True
    """
    joined = "\n".join(texts).encode()
    return len(joined) / len(gzip.compress(joined, mtime=0))


def self_repetition(grams: Ints) -> float:
    """Return the share of runs of words, each once a row, that another row has too (after Salkar et al. 2022).

    >>> self_repetition(np.array([0, 1, 0, 2]))
    0.5
    """
    return float((np.bincount(grams)[grams] > 1).mean()) if len(grams) else 0.0


def beside_real(words: Words, rows: Ints, ours: Ints, theirs: Ints, *, opening: bool) -> list[Facts]:
    """Return the openings or phrases that rows say more often than as many real rows: words, rows, share, high.

    `rows` are all that are judged, `ours` as many of them as there are in `theirs`. Where the sides are alike a run of
    words falls on either with equal chance (a binomial test); false discoveries are held below `SURE` over all runs
    (Benjamini and Hochberg 1995). `high` is the share that real rows may reach (Wilson, 99 %).
    """
    from scipy.stats import binom  # noqa: PLC0415  0.2 s that nobody pays who does not judge

    tables = [_table(words, size, (rows, ours, theirs), opening=opening) for size in (OPENINGS if opening else PHRASES)]
    table = np.concatenate(tables)  # words, place, then how many of the rows, of ours and of theirs
    told = _discovered(binom.sf(table[:, 3] - 1, table[:, 3] + table[:, 4], 0.5))
    told &= (table[:, 3] >= OFTEN) & (table[:, 3] >= TIMES * table[:, 4])
    high = _wilson_high(table[:, 4], len(theirs))
    facts = [
        _fact(_text(words, size, place), number, len(rows), limit)
        for (size, place, number, _, _), limit in zip(table[told].tolist(), high[told].tolist(), strict=True)
    ]
    return _longest(sorted(facts, key=lambda fact: (-fact["rows"], -len(fact["words"]), fact["words"])))


def beside_labels(words: Words, rows: Ints, codes: Ints, names: list[str], *, opening: bool) -> list[Facts]:
    """Return the openings or phrases that take more of a label than the commonest one takes of other labels.

    Labels are compared at equal numbers of rows, see `peers`; `codes` are of `rows`. `high` is the share that is still
    usual.
    """
    size = (OPENINGS if opening else PHRASES)[0]
    found = runs(words, size, opening=opening)
    facts = []
    for peer in peers(rows, codes, lambda drawn: _top_share(found, drawn)):
        if peer.value > peer.high:
            mine = rows[codes == peer.code]
            text, number = _extended(words, size, found, mine, opening=opening)
            if number >= OFTEN:
                facts.append(_fact(text, number, len(mine), peer.high) | {"label": names[peer.code - 1]})
    return sorted(facts, key=lambda fact: (-fact["share"], fact["words"]))[:SHOWN]


def peers(rows: Ints, codes: Ints, figure: Callable[[Ints], float]) -> Iterator[Peer]:
    """Take a figure of each label, and what is usual among labels at the same number of rows.

    Each label is compared at the largest of `SIZES` that it has rows for and that `PEERS` labels have rows for: the
    figure's logarithm, mean of `LABEL_DRAWS` draws. Usual is within `UNUSUAL` robust standard deviations of the median.
    `codes` are of `rows`; code 0 is no label.

    >>> [round(each.value) for each in peers(np.arange(64), np.arange(64) // 8 + 1, lambda drawn: len(drawn) / 2)]
    [4, 4, 4, 4, 4, 4, 4, 4]
    """
    members = {code: rows[codes == code] for code in np.unique(codes[codes > 0]).tolist()}
    judged: set[int] = set()
    for size in SIZES:
        large = [code for code, mine in members.items() if len(mine) >= size]
        if len(large) < PEERS or judged.issuperset(large):
            continue
        rng = np.random.default_rng(size)
        taken = [[figure(rng.permutation(members[code])[:size]) for _ in range(LABEL_DRAWS)] for code in large]
        values = np.log(np.maximum(taken, 1e-9)).mean(axis=1)
        middle, spread = usual(values)
        width = UNUSUAL * max(spread, SPREAD)
        low, high = np.exp([middle - width, middle + width]).tolist()
        for code, value in zip(large, np.exp(values).tolist(), strict=True):
            if code not in judged:
                yield Peer(code, len(members[code]), size, value, low, high)
        judged.update(large)


class Runs(NamedTuple):
    """Runs of words of one size, each once a row, by row."""

    gram: Ints
    row: Ints
    place: Ints  # where the first of them starts
    edges: Ints  # where the runs of each row start, and where the last ends


def runs(words: Words, size: int, *, opening: bool = False) -> Runs:
    """Find the runs of one size, or those that rows open with, each once a row."""
    starts = np.flatnonzero(words.grams[size] >= 0)
    if opening:
        starts = starts[np.diff(words.row[starts], prepend=-1) > 0]
        starts = starts[np.diff(words.row, prepend=-1)[starts] > 0]
    gram, row = words.grams[size][starts], words.row[starts]
    _, first = np.unique(row * (len(words.row) + 1) + gram, return_index=True)
    return Runs(gram[first], row[first], starts[first], np.searchsorted(row[first], np.arange(len(words.counts) + 1)))


def _table(words: Words, size: int, sides: tuple[Ints, ...], *, opening: bool) -> Ints:
    """Count in how many rows of each side a run of words stands; runs too rare to tell apart are left out."""
    found = runs(words, size, opening=opening)
    _, first, gram = np.unique(found.gram, return_index=True, return_inverse=True)
    times = []
    for side in sides:
        here = np.zeros(len(words.counts), np.bool_)
        here[side] = True
        times.append(np.bincount(gram[here[found.row]], minlength=len(first)))
    often = times[1] + times[2] >= OFTEN
    return np.stack([np.full(len(first), size), found.place[first], *times], axis=1)[often]


def _top_share(said: Runs, rows: Ints) -> float:
    """Return the share of rows that the commonest run stands in."""
    found = np.concatenate([said.gram[said.edges[row] : said.edges[row + 1]] for row in rows.tolist()])
    return float(np.unique(found, return_counts=True)[1].max(initial=0)) / len(rows)


def _extended(words: Words, size: int, said: Runs, rows: Ints, *, opening: bool) -> tuple[str, int]:
    """Find the commonest run of some rows; go on with the next word as long as most of them do."""
    here = np.zeros(len(words.counts), np.bool_)
    here[rows] = True
    at = said.place[here[said.row]]
    longest = (OPENINGS if opening else PHRASES)[-1]
    number = 0
    while True:
        gram = words.grams[size][at]
        top = int(np.bincount(gram[gram >= 0]).argmax()) if (gram >= 0).any() else -1
        same = at[gram == top]
        if top < 0 or (number and len(same) < MOST * number):
            return _text(words, size - 1, int(at[0])), number
        at, number = same, len(same)
        if size == longest:
            return _text(words, size, int(at[0])), number
        size += 1


def _text(words: Words, size: int, place: int) -> str:
    return " ".join(words.said[place : place + size].to_list())


def _fact(text: str, number: int, of: int, high: float) -> Facts:
    return {"words": text, "rows": number, "share": round(number / of, 4), "high": round(high, 4)}


def _longest(facts: list[Facts]) -> list[Facts]:
    """Leave out a phrase that nearly always stands inside a longer one that is shown."""
    kept: list[Facts] = []
    for fact in facts:
        inside = (each for each in facts if f" {fact['words']} " in f" {each['words']} " and each is not fact)
        if all(each["rows"] < MOST * fact["rows"] for each in inside):
            kept.append(fact)
    return kept[:SHOWN]


def _discovered(chances: Floats) -> Bools:
    """Tell which tests are discoveries (Benjamini and Hochberg 1995)."""
    order = np.argsort(chances)
    below = np.flatnonzero(chances[order] <= SURE * np.arange(1, len(order) + 1) / max(1, len(order)))
    found = np.zeros(len(chances), np.bool_)
    found[order[: below.max(initial=-1) + 1]] = True
    return found


def _wilson_high(times: Ints, of: int) -> Floats:
    """Return the upper end of Wilson's 99 % interval for shares."""
    z = 2.576
    share = times / of
    middle, width = share + z**2 / (2 * of), z * np.sqrt(share * (1 - share) / of + z**2 / (4 * of**2))
    high: Floats = (middle + width) / (1 + z**2 / of)
    return high
