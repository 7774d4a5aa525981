"""Texts and numbers as a person should read them: cut, with what is invisible named, changes as pieces."""

from __future__ import annotations

import difflib
import itertools
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


class Seen(str):
    """A text that is fit to be seen, and that no second pass cuts again."""

    __slots__ = ()


# Controls, bidi overrides, zero-width characters, tags, lone surrogates: what the eye cannot see is named by number.
_UNSEEN = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164"
    "\ufeff\uffa0\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e0fff"
)
# Accents: three on one letter are seen in real languages, five hundred climb over the whole page.
_ACCENTS = "\u0300-\u034e\u0350-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"
HIDDEN = re.compile(f"[{_UNSEEN}]+|(?<=[{_ACCENTS}]{{3}})[{_ACCENTS}]+")
# In a change also blanks and joiners: a no-break space that becomes a space must not look like nothing.
BLANK = re.compile(f"[{_UNSEEN}\t\n\xa0\u1680\u2000-\u200d\u202f\u205f\u3000]+")
WORDS = re.compile(r"\w+|\s+|[^\w\s]")
MOST_WORDS = 150  # compared in one change: difflib's time grows with the square, and 150 words of noise take 5 ms
CONTEXT = 60  # characters that stay on either side of a change

Piece = tuple[str, str]  # same, del, ins or gap; its text


def shown(value: Any, most: int = 300) -> Any:
    r"""Make a text fit to be seen: cut, and with what is invisible named. What is no text stays as it is.

    >>> shown("a\u200b\u200b<b>", 4)
    'a⟨U+200B x2⟩<… 2 more characters'
    """
    if not isinstance(value, str) or isinstance(value, Seen) or hasattr(value, "__html__"):
        return value
    rest = len(value) - most
    return Seen(_spelled(value[:most], HIDDEN) + (f"… {counted(rest, 'more character')}" if rest > 0 else ""))


def sentence(value: Any, most: int = 300) -> Any:
    r"""Make words of our own fit to be seen: four times as long as a text may be, and no line ends before a % sign.

    >>> sentence("82 % of validation", 80)
    '82\xa0% of validation'
    """
    return shown(re.sub(r"(?<=\d) (?=%)", "\xa0", value) if isinstance(value, str) else value, 4 * most)


def change(before: str, after: str, most: int = 300, context: int = CONTEXT) -> list[Piece]:
    """Show an edit as one text in pieces: what stays, what goes, what comes; of parts longer than `context`, the ends.

    >>> change("the cafÃ©", "the café")
    [('same', 'the '), ('del', 'cafÃ©'), ('ins', 'café')]
    """
    pieces = list(_pieces(before, after))
    last = len(pieces) - 1
    told: list[Piece] = []
    for place, (kind, piece) in enumerate(pieces):
        if kind == "same":
            told += _ends(piece, head=context if place else 0, tail=context if place < last else 0)
        else:
            told.append((kind, Seen(_spelled(shown(piece, most // 2), BLANK))))
    # A text with a change in every other word: 40 pieces are a dozen changes, enough to see what kind they are.
    return told if len(told) <= 40 else [*told[:40], ("gap", f"… {counted(len(told) - 40, 'more piece')}")]


def side_by_side(text: str, twin: str, most: int = 300) -> tuple[list[Piece], list[Piece]]:
    """Mark in each of two texts the words that the other lacks; texts that share less than half get no marks.

    >>> side_by_side("order 12 late", "order 13 late")[1]
    [('same', 'order '), ('ins', '13'), ('same', ' late')]
    """
    pieces = list(_pieces(text[:most], twin[:most]))
    if 2 * sum(len(piece) for kind, piece in pieces if kind == "same") < min(len(text), len(twin), most):
        return [("same", text)], [("same", twin)]
    left = [piece for piece in pieces if piece[0] != "ins"]
    right = [piece for piece in pieces if piece[0] != "del"]
    return left + _rest(text, most), right + _rest(twin, most)


def counted(value: int, noun: str) -> str:
    """Write a number with its noun.

    >>> counted(1, "example"), counted(2000, "example"), counted(2, "class")
    ('1 example', '2,000 examples', '2 classes')
    """
    ending = "" if value == 1 else "es" if noun.endswith("s") else "s"
    return f"{value:,} {noun}{ending}"


def number(value: float) -> str:
    """Write a number with its thousands apart.

    >>> number(31000), number(46.5)
    ('31,000', '46.5')
    """
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}".removesuffix(".0")


def percent(share: float, digits: int | None = None) -> str:
    r"""Write a share of one in percent; what is not nothing never reads as nothing. `digits`: so many, for a column.

    >>> percent(0.05), percent(0.205), percent(0.00002), percent(0.6, 1)
    ('5\xa0%', '20.5\xa0%', '<0.1\xa0%', '60.0\xa0%')
    """
    if 0 < share < 0.0005:
        return "<0.1\xa0%"
    return f"{round(share * 100, 1):g}\xa0%" if digits is None else f"{share * 100:.{digits}f}\xa0%"


def size(count: int) -> str:
    """Write a number of bytes in the unit that a person would.

    >>> size(999), size(12345), size(130_000_000)
    ('999 bytes', '12.3 kB', '130 MB')
    """
    for unit, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= unit:
            return f"{count / unit:.3g} {name}"
    return counted(count, "byte")


def _pieces(before: str, after: str) -> Iterator[Piece]:
    """Compare two texts word by word, between the words they begin and end with."""
    old, new = WORDS.findall(before), WORDS.findall(after)
    shorter = min(len(old), len(new))
    head = next((place for place in range(shorter) if old[place] != new[place]), shorter)
    tail = next((place for place in range(shorter - head) if old[-1 - place] != new[-1 - place]), shorter - head)
    if head:
        yield "same", "".join(old[:head])
    yield from _compared(old[head : len(old) - tail], new[head : len(new) - tail])
    if tail:
        yield "same", "".join(old[len(old) - tail :])


def _compared(old: list[str], new: list[str]) -> Iterator[Piece]:
    matcher = difflib.SequenceMatcher(None, old[:MOST_WORDS], new[:MOST_WORDS], autojunk=False)
    blocks = [*matcher.get_matching_blocks()[:-1], difflib.Match(len(old), len(new), 0)]
    a = b = 0
    for block in blocks:
        if block.a > a:
            yield "del", "".join(old[a : block.a])
        if block.b > b:
            yield "ins", "".join(new[b : block.b])
        a, b = block.a + block.size, block.b + block.size
        if block.size:
            yield "same", "".join(old[block.a : a])


def _ends(piece: str, *, head: int, tail: int) -> list[Piece]:
    """Keep a long part's ends and say how much is left out between them."""
    gone = len(piece) - head - tail
    if gone <= CONTEXT:
        return [("same", piece)]
    ends = [("same", piece[:head]), ("gap", f"… {gone:,} characters …"), ("same", piece[len(piece) - tail :])]
    return [(kind, end) for kind, end in ends if end]


def _rest(text: str, most: int) -> list[Piece]:
    return [("gap", f"… {counted(len(text) - most, 'more character')}")] if len(text) > most else []


def _spelled(text: str, unseen: re.Pattern[str]) -> str:
    return unseen.sub(lambda run: _named(run[0]), text)


def _named(run: str) -> str:
    """Name the characters of a run by number: the first four that differ, and how many follow."""
    lengths = [(character, len(list(same))) for character, same in itertools.groupby(run)]
    names = [f"⟨U+{ord(character):04X}{f' x{times:,}' if times > 1 else ''}⟩" for character, times in lengths[:4]]
    rest = sum(times for _, times in lengths[4:])
    return "".join(names) + (f"⟨and {rest:,} more⟩" if rest else "")
