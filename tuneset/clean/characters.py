"""Which characters are invisible, which joiners spell words, where Unicode has two spellings; as character classes."""

from __future__ import annotations

import re
from functools import cache

from tuneset.clean.misread import HINT, PROOF

# Invisible wherever they stand: controls, soft hyphen, fillers, direction marks, word joiner, byte-order mark,
# annotation and object characters. C1 controls that Windows-1252 gives a letter to are damage of the encoding.
HIDDEN = (
    "\x00-\x08\x0e-\x1b\x7f\x81\x8d\x8f\x90\x9d\u00ad\u034f\u061c\u200e\u200f\u202a-\u202e\u2060-\u206f"
    "\u3164\ufdd0-\ufdef\ufeff\uffa0\ufff9-\ufffc\ufffe\uffff"
)
TAGS = "\U000e0000-\U000e007f"
# One of these after a letter or a picture chooses its form; any other says nothing.
VARIANTS = "\ufe00-\ufe0f\U000e0100-\U000e01ef"
SPACES = "\x1c-\x1f\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"
BREAKS = "\r\x0b\x0c\u2028\u2029"

# Zero-width space, non-joiner and joiner, and where they mean something: between letters of scripts in which they
# spell words (Arabic and its neighbours, Indic, Tibetan, Mongolian ...), between words of scripts that have no spaces
# (Thai, Lao, Myanmar, Khmer), and inside emoji.
JOINERS = "\u200b-\u200d"
JOINING = (
    "\u0600-\u08ff\u0900-\u0fff\u1000-\u109f\u1700-\u18af\u1900-\u1cff\ua800-\uaaff\uabc0-\uabff"
    "\ufb50-\ufdcf\ufdf0-\ufdff\ufe70-\ufefc\U00010a00-\U00011fff\U0001e900-\U0001e95f"
)
INDIC = "\u0900-\u0dff"
UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
PICTURES = "\u00a9\u00ae\u20e3\u2190-\u2bff\u3030\u303d\u3297\u3299\ufe0f\U0001f000-\U0001faff"

BLANK = f"^[\\s{HIDDEN}{JOINERS}{VARIANTS}{TAGS}{SPACES}{BREAKS}]*$"

# What to look for in whole columns, in Rust's flavour; each finds every text that its repair changes, and some others.
# Where the column holds conversations as JSON, an escape may stand for the character itself.
INVISIBLE = f'[{HIDDEN}{JOINERS}{TAGS}]|(?:^|[\\s{SPACES}{VARIANTS}"])[{VARIANTS}]|\\\\[ubf]'
WHITE_SPACE = (
    rf"^\s|\s$|[ \t]{{2}}|[\t{SPACES}{BREAKS}]|\n\n\n|[ \t]\n"
    r'|" |\s"|\\n"|"\\n|\\[trfu]| \\n|\\n\\n\\n'
)

# Where none of these is, NFC changes nothing: letters with a second spelling, marks that join the letter before them
# (NFC_Quick_Check in Unicode's terms), and two marks in a row, whose order may be wrong. Most marks of Hindi and its
# neighbours do neither: leaving them out makes a million rows of Hindi 4 times faster.
_SPELLINGS = (
    r"\u0374-\u0387\u0958-\u095f\u09dc-\u09df\u0a33-\u0a36\u0a59-\u0a5e\u0b5c\u0b5d\u0f43-\u0f69\u1f71-\u2001"
    r"\u2126-\u212b\u2329\u232a\u2adc\uf900-\ufb4e\U0001d15e-\U0001d1c0\U0002f800-\U0002fa1d"
)
_JOINED_MARKS = (
    r"\u0300-\u0345\u0653-\u0655\u093c\u09be\u09d7\u0b3e\u0b56\u0b57\u0bbe\u0bd7\u0c56\u0cc2\u0cd5\u0cd6\u0d3e\u0d57"
    r"\u0dca\u0dcf\u0ddf\u0f71-\u0fb9\u102e\u1100-\u11ff\u1b35\u3099\u309a\U00011000-\U00011fff"
)
_INDIC_ORDERED = (
    r"\u093c\u094d\u0951-\u0954\u09bc\u09cd\u09fe\u0a3c\u0a4d\u0abc\u0acd\u0b3c\u0b4d\u0bcd\u0c3c\u0c4d\u0c55\u0c56"
    r"\u0cbc\u0ccd\u0d3b\u0d3c\u0d4d\u0dca"
)
MARKS = rf"[{_SPELLINGS}{_JOINED_MARKS}]|[[\p{{M}}--[{INDIC}]]{_INDIC_ORDERED}]{{2}}"


@cache
def mojibake() -> str:
    """Return ftfy's own test for mojibake, and ours, as a regular expression of Rust's flavour, for whole columns.

    Python's verbose flag skips white space and comments outside of character classes only; Rust's skips it everywhere.
    """
    from ftfy.badness import BADNESS_RE  # noqa: PLC0415  120 ms that ASCII need not pay

    one_line = re.sub(r"(\[[^\]]*\])|\s+|#.*", lambda found: found[1] or "", BADNESS_RE.pattern)
    return rf'{one_line}|{PROOF}|{HINT}|(?:[\n"]|\\n)[ÃÂ] |\\n[ÃÄÅĹ]'  # "^" there is the beginning of a line
