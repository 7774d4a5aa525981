"""Compare two texts word by word: which differences change nothing."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from tuneset.dedupe import words
from tuneset.dedupe.reading import EDGES, Reading, bags
from tuneset.near.grams import packed, ragged

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from tuneset.near.grams import Bools, Ints

SLICE = 1 << 18  # pairs that are compared word by word at a time
KNOWN = 12_000  # the most frequent English words, one of which a misspelt word is meant to be
SHORT = 5  # letters that the longer of the two has at least: "lyft" and "lift" are two things
SELDOM, OF_ROWS = 2, 20_000  # a misspelt word is seen at most twice, and once more in each 20,000 rows


def unlike_words(read: Reading, left: Ints, right: Ints, texts: pl.Series) -> dict[str, Bools]:
    """Mark the pairs with a word that counts and that only one of both has, and those that only order their words otherwise.

    Slips in single words count nothing, nor does a word written as two. `texts` are all texts of the set.
    """
    level = read.sizes[left] == read.sizes[right]
    pair, one, other = _unequal_words(read, left, right, np.flatnonzero(level))
    both_english = read.english[left] & read.english[right]
    unlike = ~level
    unlike[pair[~(_slips(read.spelled, one, other, texts) & both_english[pair])]] = True
    letters = np.array([len(word) for word in read.spelled], np.int64)
    total = np.bincount(read.text, letters[read.token], minlength=len(read.sizes))
    for place in np.flatnonzero(~level & (total[left] == total[right])).tolist():
        unlike[place] = _joined(read, left[place]) != _joined(read, right[place])
    bag = bags(read.text, read.token.astype(np.int64), len(read.sizes))
    order = unlike & (bag[left] == bag[right])
    return {"order": order, "word": unlike & ~order}


def is_slip(wrong: str, meant: str) -> bool:
    """Say whether one letter was missed, added, exchanged or swapped with the next one; never the first, and at the end only missed or added.

    >>> is_slip("recieve", "receive"), is_slip("acount", "account"), is_slip("mario", "maria"), is_slip("mail", "email")
    (True, True, False, False)
    """
    if wrong[0] != meant[0] or abs(len(wrong) - len(meant)) > 1:
        return False
    start = next((at for at, (one, other) in enumerate(zip(wrong, meant, strict=False)) if one != other), len(meant))
    if len(wrong) < len(meant):
        return wrong[start:] == meant[start + 1 :]
    if len(wrong) > len(meant):
        return wrong[start + 1 :] == meant[start:]
    swapped = wrong[start : start + 2] == meant[start : start + 2][::-1] and wrong[start + 2 :] == meant[start + 2 :]
    return swapped or (wrong[start + 1 :] == meant[start + 1 :] and start < len(meant) - 1)


def _unequal_words(
    read: Reading, left: Ints, right: Ints, which: Ints
) -> tuple[Ints, NDArray[np.int32], NDArray[np.int32]]:
    """Compare pairs of texts with as many words, word by word: the pair and both words wherever they differ."""
    found = [(np.zeros(0, np.int64), np.zeros(0, np.int32), np.zeros(0, np.int32))]
    sizes = read.sizes[left[which]]
    cuts = np.searchsorted(np.cumsum(sizes), np.arange(0, int(sizes.sum()) + 1, SLICE * 8), side="right")
    for start, end in pairwise([*cuts.tolist(), len(which)]):
        part, size = which[start:end], sizes[start:end]
        one = read.token[ragged(read.start[left[part]], size)]
        other = read.token[ragged(read.start[right[part]], size)]
        differs = one != other
        found.append((np.repeat(part, size)[differs], one[differs], other[differs]))
    pair, one, other = (np.concatenate(column) for column in zip(*found, strict=True))
    return pair, one, other


def _slips(spelled: list[str], one: NDArray[np.int32], other: NDArray[np.int32], texts: pl.Series) -> Bools:
    """Say which pairs of words are a word and a slip of it."""
    key, which = np.unique(packed(one.astype(np.int64), other.astype(np.int64)), return_inverse=True)
    first, second = (key >> np.uint64(32)).astype(np.int64), (key & np.uint64(0xFFFFFFFF)).astype(np.int64)
    ranks, kinds = words.ranks(), words.ENGLISH_KINDS
    rank = np.array([ranks.get(word, len(ranks)) for word in spelled], np.int64)
    letters = np.array([len(word) if word.isascii() and word.isalpha() else 0 for word in spelled], np.int64)
    meant = (rank < KNOWN) & (letters > 0) & np.array([word not in kinds for word in spelled], np.bool_)
    wrong = (rank == len(ranks)) & (letters > 0)
    likely = ((meant[first] & wrong[second]) | (wrong[first] & meant[second])) & (
        (np.maximum(letters[first], letters[second]) >= SHORT) & (np.abs(letters[first] - letters[second]) <= 1)
    )
    slip = np.zeros(len(key), np.bool_)
    mistakes: dict[str, list[int]] = {}
    for place in np.flatnonzero(likely).tolist():
        pair = (spelled[first[place]], spelled[second[place]])
        mistake, right = pair if wrong[first[place]] else pair[::-1]
        if is_slip(mistake, right):
            mistakes.setdefault(mistake, []).append(place)
    for mistake in _seldom(mistakes.keys(), texts):
        slip[mistakes[mistake]] = True
    return slip[which]


def _seldom(mistakes: Iterable[str], texts: pl.Series) -> list[str]:
    """Choose the words that are seldom in a set; one that is not may be a name or a product."""
    known = pl.Series(sorted(mistakes), dtype=pl.String)
    if known.is_empty():
        return []
    folded = texts.drop_nulls().str.to_lowercase()
    holding = folded.filter(folded.str.contains_any(known.to_list()))
    seen = holding.str.split(" ").explode().str.strip_chars(EDGES)
    counts = seen.filter(seen.is_in(known.to_list())).value_counts()
    often = counts.filter(pl.col("count") > SELDOM + len(texts) // OF_ROWS)[seen.name]
    return known.filter(~known.is_in(often.to_list())).to_list()


def _joined(read: Reading, text: int) -> str:
    return "".join(read.spelled[token] for token in read.token[read.start[text] : read.start[text + 1]])
