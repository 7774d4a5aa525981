"""Read texts as words in one spelling, so that two texts can be compared word by word."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from tuneset.dedupe import words
from tuneset.near.grams import news, ragged

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from numpy.typing import NDArray

    from tuneset.near.grams import Bools, Ints, Words

PART = 1 << 24  # bytes of text that are cut at a time
EDGES = ".,;:!?()[]{}\"'`…“”„«»*_-—\u2018\u2019\u2013"
BEFORE_NUMBER, AFTER_NUMBER = "([{“„«*_", ".,;:!?)]}”…»*_"  # "-5", ".5" and 5" are other numbers than 5
WHITE = [chr(code) for code in range(0x3001) if chr(code).isspace() and chr(code) != " "]
COMMON = 10_000  # the most frequent English words tell whether a text is English
ENGLISH = 0.5  # and are more than this share of its words: .55 to 1.0 in English, 0 to .6 in six other languages
SHOUTED = frozenset({"US", "IT", "WHO", "A"})  # other words than us, it, who and a
SIGNS, NO_SIGNS, OPERATORS = "%‰°", "|~^`\u00b4¨", ("*", "/")

_RUNS = re.compile(r"[a-z]+")
_N_T = re.compile(r"^([a-z]+)n't$")
_ORDINAL = re.compile(r"^(\d+)(?:st|nd|rd|th)$")
_CODE = re.compile(r"^[^\W\d_]{1,2}(?:\+\+|#)$")  # C++ and C#
_BEFORE_IS = frozenset(
    {"what", "where", "when", "who", "how", "why", "it", "that", "this", "there", "here", "he", "she"}
)
_ENDINGS = {"'m": "is", "'re": "is", "'ve": "have", "'ll": "will", "'d": "would"}
_IRREGULAR_N_T = {"ca": "can", "wo": "will", "sha": "shall", "ai": "is"}
# British and American spellings; taken where the American one is a word.
_SPELLINGS = (
    (re.compile(r"our(s|ed|ing|ite|ites|able|hood)?$"), r"or\1"),
    (re.compile(r"([a-z]{3})is(e|es|ed|ing|ation|ations)$"), r"\1iz\2"),
    (re.compile(r"(cance|trave|labe|mode|signa|dia|tunne)ll(ed|ing|er|ers)$"), r"\1l\2"),
    (re.compile(r"(cent|met|lit|theat|fib)re(s)?$"), r"\1er\2"),
    (re.compile(r"(lic|def|off|pret)ence(s)?$"), r"\1ense\2"),
)
_ACCENTS = {0x300, 0x301, 0x302}  # grave, acute, circumflex: left out when people type; never umlauts or tildes


class Reading(NamedTuple):
    """The words of some texts: text `i` has `token[start[i]:start[i + 1]]`, numbers into `spelled`."""

    start: Ints
    token: NDArray[np.int32]
    name: Bools  # which of them are written like names
    english: Bools  # which texts are English
    spelled: list[str]

    @property
    def sizes(self) -> Ints:
        """Count the words of each text."""
        return np.diff(self.start)

    @property
    def text(self) -> Ints:
        """Return the number of the text that each word stands in."""
        return np.repeat(np.arange(len(self.start) - 1), self.sizes)

    def among(self, known: AbstractSet[str]) -> Bools:
        """Mark the words that are among some."""
        return np.array([word in known for word in self.spelled], np.bool_)[self.token]

    def kept(self, keep: Bools) -> Reading:
        """Leave words out."""
        start = np.concatenate([[0], np.cumsum(keep)])[self.start]
        return self._replace(start=start, token=self.token[keep], name=self.name[keep])


def spell(piece: str) -> list[str]:
    """Give the words of a piece of text without white space in one spelling.

    Case, contractions, agreement with the subject, the plural s, British spellings and accents inside long words go;
    whatever holds a number stays as it is; signs of money and emoji are words.

    >>> spell("Can't"), spell("cards,"), spell("£5"), spell("what's"), spell("colours")
    (['can', 'not'], ['card'], ['£5'], ['what', 'is'], ['color'])
    """
    low = unicodedata.normalize("NFC", piece).replace("\u2019", "'").casefold()
    if any(unicodedata.category(mark)[0] == "N" for mark in low):
        return [_number(low)]
    if _CODE.match(low) or low in OPERATORS:
        return [low]
    if (bare := piece.strip(EDGES)) in SHOUTED:
        return [bare]
    parts = low.strip(EDGES).replace("&", "/and/").replace("-", "/").split("/")
    signs = [sign for sign in low if sign in SIGNS or (unicodedata.category(sign)[0] == "S" and sign not in NO_SIGNS)]
    return [*(_one_form(word) for part in parts for word in _expanded(part.strip(EDGES))), *signs]


def _number(low: str) -> str:
    low = low.lstrip(BEFORE_NUMBER).rstrip(AFTER_NUMBER)
    if low[0] in "\"'" and low[-1] == low[0]:
        low = low[1:-1]
    ordinal = _ORDINAL.match(low)
    return f"{ordinal[1]}." if ordinal else low


def _expanded(word: str) -> list[str]:
    """Write a contraction as its words, and cut at punctuation."""
    word = words.WITHOUT_APOSTROPHE.get(word, word)
    if found := _N_T.match(word):
        return [_IRREGULAR_N_T.get(found[1], found[1]), "not"]
    for ending, verb in _ENDINGS.items():
        if word.endswith(ending):
            return [*_runs(word.removesuffix(ending)), verb]
    if word.endswith("'s"):
        return [*_runs(word[:-2]), *(["is"] if word[:-2] in _BEFORE_IS else [])]
    return _runs(word)


def _runs(word: str) -> list[str]:
    """Cut at whatever is neither a letter nor a mark that belongs to one (as vowels do in Hindi and Thai)."""
    if word.isascii():
        return _RUNS.findall(word)
    marks = [unicodedata.category(mark)[0] if not 0xFE00 <= ord(mark) <= 0xFE0F else "P" for mark in word]
    return "".join(mark if kind in "LM" else " " for mark, kind in zip(word, marks, strict=True)).split()


def _one_form(word: str) -> str:
    if word in words.SAME:
        return words.SAME[word]
    if not word.isascii():
        return _without_accents(word)
    if len(word) < 4:
        return word
    return _american(_singular(word))


def _american(word: str) -> str:
    if len(word) > 4:
        for ending, other in _SPELLINGS:
            changed = ending.sub(other, word)
            if changed != word and changed in words.ranks():
                return changed
    return word


def _singular(word: str) -> str:
    """Take the plural s off English words; other languages have endings in s that say who is meant ("puedes")."""
    if not word.endswith("s") or word.endswith(("ss", "us", "is")) or word in words.AS_THEY_ARE:
        return word
    endings = [("ies", "y")] if word.endswith("ies") else [("s", "")]
    if word.endswith(("ches", "shes", "xes", "sses")):
        endings = [("es", "")]
    for ending, other in endings:
        base = word.removesuffix(ending) + other
        if base in words.ranks():
            return base
    return word


def _without_accents(word: str) -> str:
    if len(word) < 5:
        return word
    plain = "".join(mark for mark in unicodedata.normalize("NFD", word[:-1]) if ord(mark) not in _ACCENTS)
    return unicodedata.normalize("NFC", plain) + word[-1]


class Pieces(NamedTuple):
    """What `spell` and a look at the letters say about each distinct piece."""

    start: Ints  # where its words begin in `token`
    size: Ints
    token: NDArray[np.int32]
    capital: Bools  # begins with a capital letter
    inner: Bools  # has one elsewhere: iPhone, SEPA
    ends: Bools  # ends a sentence


def read(texts: pl.Series) -> Reading:
    """Read texts as words.

    >>> found = read(pl.Series(["Where's my Visa card?", "where is my visa card"]))
    >>> [found.spelled[token] for token in found.token[:4]], found.name[:4].tolist(), found.sizes.tolist()
    (['where', 'is', 'visa', 'card'], [False, False, True, False], [4, 4])
    """
    number: defaultdict[str, int] = defaultdict(lambda: len(number))
    piece, sizes = _cut(texts, number)
    spelled: defaultdict[str, int] = defaultdict(lambda: len(spelled), {"can": 0, "do": 1})
    known = _pieces(list(number), spelled)
    start = np.concatenate([[0], np.cumsum(sizes)])
    first = np.zeros(len(piece), np.bool_)
    first[start[:-1][sizes > 0]] = True
    first[1:] |= known.ends[piece[:-1]]
    count = known.size[piece]
    token = known.token[ragged(known.start[piece], count)]
    name = np.repeat(known.inner[piece] | (known.capital[piece] & ~first), count)
    lower = [(spelled[word], spelled[word.lower()]) for word in sorted(SHOUTED & spelled.keys())]
    ends = np.concatenate([[0], np.cumsum(count)])[start]
    found = Reading(ends, token, name, np.zeros(0, np.bool_), list(spelled))
    loud = _loud(found)[found.text]
    for word, plain in lower:
        token[(np.repeat(first, count) | loud) & (token == word)] = plain
    found = found._replace(name=name & ~loud, english=_english(found))
    return _requests(_with_numbers(_without_fillers(found)))


def bags(text: Ints, value: Ints, texts: int) -> Words:
    """Give each text one number for its values, in whatever order they come; 0 where it has none.

    The sum of a random number for each value: two texts with other values get one sum with a chance of 2**-63.
    """
    weights = np.random.default_rng(0).integers(1, 1 << 63, int(value.max(initial=0)) + 1, dtype=np.uint64)
    sums = np.zeros(texts, np.uint64)
    np.add.at(sums, text, weights[value])
    return sums


def _cut(texts: pl.Series, number: defaultdict[str, int]) -> tuple[Ints, Ints]:
    """Cut texts at white space; give each distinct piece a number, and count the pieces of each text."""
    rows = max(1, (len(texts) * PART) // (1 + int(texts.str.len_bytes().sum() or 0)))
    pieces, sizes = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for part in texts.fill_null("").to_frame("text").iter_slices(rows):
        cut = part["text"].str.replace_many(WHITE, [" "]).str.split(" ")
        sizes.append(cut.list.len().to_numpy().astype(np.int64))
        flat = cut.explode()
        distinct = flat.unique(maintain_order=True)  # in order, so that a text is read the same way every time
        numbers = pl.Series([number[piece] for piece in distinct.to_list()], dtype=pl.Int64)
        pieces.append(flat.replace_strict(distinct, numbers, return_dtype=pl.Int64).to_numpy())
    return np.concatenate(pieces), np.concatenate(sizes)


def _pieces(pieces: list[str], spelled: defaultdict[str, int]) -> Pieces:
    said = [[spelled[word] for word in spell(piece)] for piece in pieces]
    size = np.array([len(each) for each in said], np.int64)
    bare = [piece.strip(EDGES) for piece in pieces]
    return Pieces(
        np.cumsum(size) - size,
        size,
        np.array([token for each in said for token in each], np.int32),
        np.array([each[:1].isupper() and each[:2] not in ("I", "I'", "I\u2019") for each in bare], np.bool_),
        np.array([any(map(str.isupper, each[1:])) for each in bare], np.bool_),
        np.array([piece.rstrip("\"')”\u2019»")[-1:] in tuple(".!?:") or not piece for piece in pieces], np.bool_),
    )


def _loud(found: Reading) -> Bools:
    """Mark texts in which most words begin with a capital: titles, shouting; and German, where every noun does."""
    german = np.array([word in words.GERMAN for word in found.spelled], np.bool_)
    sizes = np.maximum(found.sizes, 1)
    capitals = np.bincount(found.text, found.name, minlength=len(sizes)) / sizes
    is_german = np.bincount(found.text, german[found.token], minlength=len(sizes)) / sizes > 0.15
    return (capitals > 0.5) | (is_german & ~_english(found))


def _with_numbers(found: Reading) -> Reading:
    """Write number words as numbers: "two cards" and "2 cards" are one."""
    number = {word: place for place, word in enumerate(found.spelled)}
    same = []
    for table in (words.OTHER_KINDS, words.ENGLISH_KINDS):
        values = [table.get(word, ("", "")) for word in found.spelled]
        same.append(
            [
                number.setdefault(value, len(number)) if kind == "number" else place
                for place, (kind, value) in enumerate(values)
            ]
        )
    said = np.array(same, np.int32).reshape(2, -1)
    token = said[found.english[found.text].astype(np.int8), found.token]
    return found._replace(token=token, spelled=list(number))


def _without_fillers(found: Reading) -> Reading:
    """Leave out the words that say nothing, and words said twice in a row."""
    fillers = [[word in known for word in found.spelled] for known in (words.OTHER_FILLERS, words.FILLERS)]
    empty = np.array(fillers, np.bool_).reshape(2, -1)[found.english[found.text].astype(np.int8), found.token]
    empty |= found.among({"you"}) & _after(found, {"thank"})
    short = found.kept(~empty)
    counts = {word for word in short.spelled if any(map(str.isdigit, word))} | words.ENGLISH_KINDS.keys()
    return short.kept(news(short.text) | news(short.token) | short.among(counts | words.OTHER_KINDS.keys()))


def _requests(found: Reading) -> Reading:
    """Write requests in one way: "could you send", "I would like you to send" and "send"; "how can I" and "how do I"."""
    modal = found.among(words.MODALS) & found.english[found.text]
    found.token[modal & _before(found, {"you"})] = found.spelled.index("can")
    found.token[modal & _before(found, {"i"}) & _after(found, {"how"})] = found.spelled.index("do")
    keep = np.ones(len(found.token), np.bool_)
    for frame in words.FRAMES:
        at = found.start[:-1][(found.sizes > len(frame)) & found.english]
        for offset, word in enumerate(frame):
            at = at[found.among(word)[at + offset]]
        keep[ragged(at, np.full(len(at), len(frame)))] = False
    return found.kept(keep)


def _before(found: Reading, known: AbstractSet[str]) -> Bools:
    """Mark the words that one of these follows in the same text."""
    there = np.append(found.among(known), False)
    there[found.start] = False
    return there[1:]


def _after(found: Reading, known: AbstractSet[str]) -> Bools:
    """Mark the words that follow one of these in the same text."""
    there = np.append(False, found.among(known))
    there[found.start] = False
    return there[:-1]


def _english(found: Reading) -> Bools:
    """Mark texts most of whose words are frequent English ones, and that have no more small words of other languages."""
    ranks = words.ranks()
    common = {word for word in found.spelled if ranks.get(word, COMMON) < COMMON}
    letters = {word for word in found.spelled if word.isalpha()}
    most, of, here, elsewhere = (
        np.bincount(found.text, found.among(known), minlength=len(found.sizes))
        for known in (common, letters, words.PLAIN_ENGLISH, words.ELSEWHERE)
    )
    return (most > ENGLISH * np.maximum(of, 1)) & (here >= elsewhere)
