"""Sites without an end: what an address gives away, and what many pages without anything new do."""

from __future__ import annotations

import re
import zlib
from collections import Counter, deque
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qsl, urlsplit

if TYPE_CHECKING:
    from tuneset.crawl.policy import Policy

_DATE = re.compile(r"/(?:19|20|21|22)\d\d(?:[/-]\d{1,2}){0,2}/?$")
_DIGITS = re.compile(r"\d+")
# A forum's topics differ only by such a name: each of its values is a page of its own, not a variant of one.
_NAMES_A_PAGE = re.compile(r"(?!s(?:ess(?:ion)?)?_?id$)(?:\w*id|t|p|f|topic|showtopic|thread|post|article|question)")
_WORD = re.compile(r"\w+")
WORDS, SAMPLE = 3_000, 4


def trap(url: str, policy: Policy) -> str:
    """Say in a word what makes an address suspicious; empty where nothing does.

    >>> from tuneset.crawl.policy import Policy
    >>> trap("https://a.org/b/c/b/c/b/c", Policy(contact="me@example.org"))
    'repeated-part'
    """
    parts = [part for part in urlsplit(url).path.split("/") if part]
    if len(parts) > policy.segments:
        return "deep-path"
    return "repeated-part" if parts and max(Counter(parts).values()) > policy.repeats else ""


def bucket(url: str) -> str:
    """Name what an address is a variant of: of a path by its query, of a calendar by its date; empty for neither.

    >>> bucket("https://a.org/list?sort=up&id=7"), bucket("https://a.org/events/2031/05/")
    ('a.org/list?id=7&sort', 'a.org/events/0/0/')
    """
    parts = urlsplit(url)
    if parts.query:
        pairs = sorted(set(parse_qsl(parts.query, keep_blank_values=True)))
        named = [f"{name}={value}" if _NAMES_A_PAGE.fullmatch(name.lower()) else name for name, value in pairs]
        only_names = all(_NAMES_A_PAGE.fullmatch(name.lower()) for name, _ in pairs)
        return "" if only_names else f"{parts.netloc}{parts.path}?{'&'.join(dict.fromkeys(named))}"
    return f"{parts.netloc}{_DIGITS.sub('0', parts.path)}" if _DATE.search(parts.path) else ""


class Sketch(NamedTuple):
    """A page's words in short: hashes of its distinct words, of a quarter of its runs of four, and two counts."""

    words: frozenset[int]
    runs: frozenset[int]
    length: int
    salad: bool  # the commonest words are too rare for a text that a person wrote


def sketch(text: str) -> Sketch:
    """Sketch a page's text, of which the first 3,000 words count.

    In texts that people wrote the ten commonest words are a sixth of all and more (Zipf); in words drawn at random
    they are a fiftieth. Scripts without spaces between words are not judged by that.
    """
    words = _WORD.findall(text[: WORDS * 12].lower())[:WORDS]
    codes = {word: zlib.crc32(word.encode()) for word in set(words)}  # Python's own hash of a text changes by process
    hashed = [codes[word] for word in words]
    runs = map(hash, zip(hashed, hashed[1:], hashed[2:], hashed[3:], strict=False))
    counts = Counter(hashed)
    top = sum(number for _, number in counts.most_common(10))
    spaced = sum(map(len, words)) < 12 * len(words)
    salad = len(words) >= 200 and spaced and top < len(words) / 10
    return Sketch(frozenset(counts), frozenset(run for run in runs if run % SAMPLE == 0), len(words), salad)


class Novelty:
    """What the last pages of one host brought: `see` answers with a word when the host is a trap."""

    def __init__(self, window: int) -> None:
        self._words: set[int] = set()
        self._runs: set[int] = set()
        self._last: deque[tuple[int, int, int, int, bool]] = deque(maxlen=window)

    def see(self, page: Sketch) -> str:
        """Take in a page, and judge the window once it is full.

        "nothing-new": fewer than 5 % of the runs of words are new. "babble": nine in ten pages are words at random, or
        fewer than one word in a thousand is new, which is how a Markov chain speaks, whose runs are. Texts that people
        write keep bringing new words (Heaps): one in fifty still after a million.
        """
        new_runs, new_words = len(page.runs - self._runs), len(page.words - self._words)
        self._runs |= page.runs
        self._words |= page.words
        self._last.append((new_runs, len(page.runs), new_words, page.length, page.salad))
        if len(self._last) < (self._last.maxlen or 0):
            return ""
        fresh, runs, novel, words = (sum(each[place] for each in self._last) for place in range(4))
        if fresh < 0.05 * runs or not runs:
            return "nothing-new"
        salad = sum(each[4] for each in self._last) >= 0.9 * len(self._last)
        closed = words >= 10_000 and novel < 0.001 * words
        return "babble" if salad or closed else ""
