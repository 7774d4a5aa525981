"""What keeps two texts that look alike from being merged: a difference that may matter."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from tuneset.dedupe import reading, words
from tuneset.dedupe.reading import Reading, bags
from tuneset.dedupe.wording import unlike_words
from tuneset.near.grams import news, packed, ragged

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuneset import near
    from tuneset.near.grams import Bools, Ints, Words

# What a pair is said to differ in, in this order.
SAYS = {
    "number": "another number or id",
    "date": "another date or time",
    "unit": "another unit or currency",
    "name": "another name",
    "negation": "a negation",
    "person": "another person",
    "member": "another room, colour, direction or relative",
    "opposite": "the opposite",
    "order": "another order of words",
    "word": "another word",
    "label": "another label",
}
# What texts that are worded differently may have or not and still mean the same: "a card" and "one card".
OPTIONAL = {"number": {"1", "once", "single"}, "person": {"you", "we"}}


def differences(examples: pl.DataFrame, found: near.Pairs, *, wording: bool = False) -> pl.Series:
    """Say for each pair what keeps it from being merged: "" or "; but another number or id, another label".

    Always: a number (in digits or words), a date, a unit, a name, a negation, a person, an opposite (send, receive), a
    room, a colour, a direction, a relative or the label is another one. With `wording`, for texts that are nearly the same letter by letter: any other word, too.
    What is left then are case, punctuation, articles and courtesies, the plural s, spellings of one word, and slips:
    one letter missing, added, exchanged or swapped with the next in a word of five letters or more that is no English
    word, is seldom in these examples, and is meant to be a frequent one.

    Limits: negations, numbers and articles are known for English, German, French, Spanish, Portuguese, Italian and
    Dutch; in other languages, and for spelling in all but English, any other word keeps two texts apart.

    >>> from tuneset import near
    >>> from tuneset.testing import examples
    >>> rows = examples(["send 2 cards, please", "Send two card", "send 3 cards, please", "freeze two cards"])
    >>> found = near.Pairs(np.array([0, 0, 1]), np.array([1, 2, 3]), np.array([0.7, 0.8, 0.5]))
    >>> differences(rows, found, wording=True).to_list()
    ['', '; but another number or id', '; but another word']
    """
    involved = np.zeros(examples.height, np.bool_)
    involved[found.left] = involved[found.right] = True
    read = reading.read(examples["text"].filter(pl.Series(involved)))
    place = np.cumsum(involved) - 1
    one, other = place[found.left], place[found.right]
    unlike = _by_kind(read, one, other, wording=wording)
    if wording:
        free = np.flatnonzero(~np.logical_or.reduce(list(unlike.values())))
        for name, differs in unlike_words(read, one[free], other[free], examples["text"]).items():
            unlike[name] = np.zeros(len(one), np.bool_)
            unlike[name][free] = differs
    label = examples["label"]
    unlike["label"] = label.gather(found.left).ne_missing(label.gather(found.right)).to_numpy()
    return _said(unlike, len(one))


def _said(unlike: Mapping[str, Bools], pairs: int) -> pl.Series:
    """Write what differs in words, once for each combination."""
    mask = np.zeros(pairs, np.int64)
    for bit, name in enumerate(SAYS):
        if name in unlike:
            mask |= unlike[name].astype(np.int64) << bit
    distinct, which = np.unique(mask, return_inverse=True)
    said = [", ".join(word for bit, word in enumerate(SAYS.values()) if each >> bit & 1) for each in distinct.tolist()]
    return pl.Series("guard", [f"; but {each}" if each else "" for each in said], dtype=pl.String).gather(which)


def _by_kind(read: Reading, left: Ints, right: Ints, *, wording: bool) -> dict[str, Bools]:
    """Say for each kind of words in which pairs its values differ."""
    unlike = {}
    for kind in words.KINDS:
        text, value = _values(read, kind, set() if wording else OPTIONAL.get(kind, set()))
        bag = bags(text, value, len(read.sizes))
        unlike[kind] = bag[left] != bag[right]
        if kind == "unit" and not wording:  # "how many days" and "how long" ask the same
            unlike[kind] &= (bag[left] != 0) & (bag[right] != 0)
    unlike["name"] |= _renamed(read, left, right)
    unlike["opposite"] = _opposed(read, left, right, wording=wording)
    return unlike


def _values(read: Reading, kind: str, optional: set[str]) -> tuple[Ints, Ints]:
    """Find the words of a kind: the text each stands in, and a number for what it stands for."""
    number: dict[str, int] = {}
    known = []
    for table in (words.OTHER_KINDS, words.ENGLISH_KINDS):
        said = [_value(word, kind, table) for word in read.spelled]
        known.append(
            [-1 if value is None or value in optional else number.setdefault(value, len(number)) for value in said]
        )
    value = np.array(known, np.int64).reshape(2, -1)[read.english[read.text].astype(np.int8), read.token]
    return read.text[value >= 0], value[value >= 0]


def _value(word: str, kind: str, table: Mapping[str, tuple[str, str]]) -> str | None:
    if any(map(str.isdigit, word)):
        return word if kind == "number" else None
    if len(word) == 1 and unicodedata.category(word)[0] in "SP":  # a sign of money or of a share, an emoji
        return word if kind == "unit" else None
    named, value = table.get(word, ("", ""))
    return value if named == kind else None


def _renamed(read: Reading, left: Ints, right: Ints) -> Bools:
    """Mark the pairs of which one text has a name that the other does not have, in capitals or not."""
    text = read.text
    token = read.token.astype(np.int64)
    is_name = np.zeros(len(read.spelled), np.bool_)
    is_name[token[read.name]] = True
    may_be = is_name[token]
    named, holding = (_held(text[which], token[which], len(read.sizes)) for which in (read.name, may_be))
    bag = bags(text[read.name], token[read.name], len(read.sizes))
    unlike: Bools = bag[left] != bag[right]
    suspect = np.flatnonzero(unlike)
    unlike[suspect] = False
    for one, other in ((left, right), (right, left)):
        pair, name = named.of(one[suspect])
        unlike[suspect[pair[~holding.has(other[suspect][pair], name)]]] = True
    return unlike


def _opposed(read: Reading, left: Ints, right: Ints, *, wording: bool) -> Bools:
    """Mark the pairs of which one text has one side of an opposite and the other text has the other side only."""
    token, pole = _poles(read, wording=wording)
    order = np.argsort(token, kind="stable")
    token, pole = token[order], pole[order]
    first, last = (np.searchsorted(token, read.token, side) for side in ("left", "right"))
    text = np.repeat(read.text, last - first)
    held = _held(text, pole[ragged(first, last - first)], len(read.sizes))
    unlike = np.zeros(len(left), np.bool_)
    suspect = np.flatnonzero((held.sizes[left] > 0) & (held.sizes[right] > 0))
    one, other = left[suspect], right[suspect]
    pair, mine = held.of(one)
    for texts, side, wanted in ((other, 1, True), (other, 0, False), (one, 1, False)):
        stays = held.has(texts[pair], mine ^ side) == wanted
        pair, mine = pair[stays], mine[stays]
    unlike[suspect[pair]] = True
    return unlike


def _poles(read: Reading, *, wording: bool) -> tuple[Ints, Ints]:
    """Return the words that have an opposite, as numbers, and which side of which opposite they are: 2 * opposite + side."""
    number = {word: place for place, word in enumerate(read.spelled)}
    axes = [*words.OPPOSITES[0 if wording else words.LOOSE :], *words.OTHER_OPPOSITES]
    sides = [(word, 2 * axis + side) for axis, poles in enumerate(axes) for side in (0, 1) for word in poles[side]]
    for prefix in words.PREFIXES:
        for word in read.spelled:
            base = word.removeprefix(prefix)
            if base != word and len(base) > 3 and base in number:
                sides += [(base, 2 * (len(axes) + number[base])), (word, 2 * (len(axes) + number[base]) + 1)]
    known = [(number[word], pole) for word, pole in sides if word in number]
    token, pole = np.array(known, np.int64).reshape(-1, 2).T
    return token, pole


class Held(NamedTuple):
    """Which values each text has: those of text `i` are in the low halves of `keys[start[i]:start[i + 1]]`."""

    keys: Words
    start: Ints

    @property
    def sizes(self) -> Ints:
        """Count the values of each text."""
        return np.diff(self.start)

    def of(self, texts: Ints) -> tuple[Ints, Ints]:
        """List the values of some texts: the place of the text among them, and a value."""
        sizes = self.sizes[texts]
        values = self.keys[ragged(self.start[texts], sizes)] & np.uint64(0xFFFFFFFF)
        return np.repeat(np.arange(len(texts)), sizes), values.astype(np.int64)

    def has(self, text: Ints, value: Ints) -> Bools:
        """Say of each text whether it has the value beside it."""
        key = packed(text, value)
        order = np.argsort(key)  # looked up in order, a million keys are found ten times faster
        at = np.searchsorted(self.keys, key[order])
        at[at == len(self.keys)] = 0
        there = np.zeros(len(key), np.bool_)
        there[order] = self.keys[at] == key[order] if len(self.keys) else False
        return there


def _held(text: Ints, value: Ints, texts: int) -> Held:
    keys = packed(text, value)
    keys.sort()
    keys = keys[news(keys)]
    return Held(keys, np.searchsorted(keys, np.arange(texts + 1, dtype=np.uint64) << np.uint64(32)))
