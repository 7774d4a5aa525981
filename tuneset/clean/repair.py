"""Repairs of one text, each limited to what is certain: text in, text out."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache

import orjson

from tuneset.clean import misread
from tuneset.clean.characters import (
    BLANK,
    BREAKS,
    HIDDEN,
    INDIC,
    JOINERS,
    JOINING,
    PICTURES,
    SPACES,
    TAGS,
    UNSPACED,
    VARIANTS,
)
from tuneset.clean.markup import kinds, without_markup

Repair = Callable[[str], str]

# 4 rounds settled each of 60,000 random texts; one that still changes after these many is left as it is.
ROUNDS = 12

_NAMES = {
    "latin-1": "Latin-1",
    "iso-8859-2": "Latin-2",
    "macroman": "Mac Roman",
    "cp437": "DOS 437",
    "cp850": "DOS 850",
    "utf-8": "UTF-8",
    "utf-8-variants": "UTF-8",
}

_BLANK = re.compile(BLANK)
_HIDDEN = re.compile(f"\x1b\\[[0-9;]*[A-Za-z]|[{HIDDEN}]")
_TAGGED = re.compile(f"(\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{{3,6}}\U000e007f)|[{TAGS}]")
_STRAY_VARIANT = re.compile(f"(?:^|(?<=[\\s{VARIANTS}]))[{VARIANTS}]+")
_JOINED = re.compile(f"[{JOINERS}]{{2,}}")
_JOINER = re.compile(
    f"((?<=[{PICTURES}])\u200d(?=[{PICTURES}])|(?<=[{JOINING}])\u200d|\u200d(?=[{JOINING}])|(?<=[{INDIC}])\u200c"
    f"|(?<=[{JOINING}])\u200c(?=[\\w{JOINING}])|(?<=\\w)\u200c(?=[{JOINING}])"
    f"|(?<=[{UNSPACED}])\u200b(?=[{UNSPACED}]))|[{JOINERS}]",
)
_FENCED = re.compile(r"(^[ \t]*```.*?(?:^[ \t]*```[ \t]*$|\Z))", re.MULTILINE | re.DOTALL)
_BREAK = re.compile(f"\r\n|[{BREAKS}]")
_SPACE = re.compile(f"[{SPACES}]")
_EMPTY_LINES = re.compile(r"\n{3,}")
_RUN = re.compile(r"[ \t]{2,}|\t")


def encoding(text: str) -> str:
    r"""Decode again what was decoded wrongly, and join letters written in pieces (Unicode NFC).

    Mojibake is found and undone by ftfy (Speer 2019), line by line; a line it is not sure of stays.

    >>> encoding("MÃ¼ller wants a Cafe\u0301")
    'Müller wants a Café'
    """
    if text.isascii():
        return text
    return unicodedata.normalize("NFC", "\n".join(_decoded(line)[0] for line in text.split("\n")))


@lru_cache(maxsize=1024)  # `encoding_says` asks about the lines that were just repaired
def _decoded(line: str) -> tuple[str, list[tuple[str, str]]]:
    if line.isascii():
        return line, []
    from ftfy import fix_encoding_and_explain  # noqa: PLC0415  120 ms that ASCII need not pay
    from ftfy.badness import is_bad  # noqa: PLC0415

    if certain := misread.decoded(line):
        return certain[0], [("encode", certain[1]), ("decode", "utf-8")]
    fixed, plan = fix_encoding_and_explain(line)
    if is_bad(fixed):  # half a repair is not certain
        return line, []
    return fixed, [(step.action, step.parameter) for step in plan or []]


def encoding_says(before: str, after: str) -> str:
    """Say which encoding a text was written in and which it was read as."""
    plan = [step for line in before.split("\n") for step in _decoded(line)[1]]
    read = [name for action, name in plan if action == "encode"]
    if not plan:
        return "letters written in pieces joined (NFC)"
    said = "was UTF-8, read as another encoding in parts"
    if read:
        written = next(name for action, name in plan if action == "decode")
        said = f"was {_named(written)}, read as {_named(read[0])}"
    lost = after.count("\ufffd") - before.count("\ufffd")
    return f"{said}; {lost} letters are lost" if lost > 0 else said


def _named(codec: str) -> str:
    return _NAMES.get(codec, codec.removeprefix("sloppy-").capitalize())


def markup_says(before: str, after: str) -> str:
    """Name what was taken out, the first three kinds of it."""
    went = [kind for kind in kinds(before) if kind not in after]
    more = f" and {len(went) - 3} more" if len(went) > 3 else ""
    return f"HTML taken out: {', '.join(went[:3]) or 'tags'}{more}"


def invisible(text: str) -> str:
    r"""Take out characters that nobody sees: controls, zero-width spaces, direction marks, tag characters.

    Joiners stay inside emoji and in scripts that spell with them; so do the tags of a flag and one variation selector.

    >>> invisible("my\u200bcard\ufeff") , ascii(invisible("👩\u200d💻"))
    ('mycard', "'\\U0001f469\\u200d\\U0001f4bb'")
    """
    text = _HIDDEN.sub("", text)
    text = _TAGGED.sub(lambda found: found[1] or "", text)
    text = _STRAY_VARIANT.sub("", text)
    text = _JOINED.sub(lambda run: next(joiner for joiner in "\u200c\u200d\u200b" if joiner in run[0]), text)
    return _JOINER.sub(lambda found: found[1] or "", text)


def invisible_says(before: str, after: str) -> str:
    """Count the invisible characters that went."""
    went = len(_ANY_HIDDEN.findall(before)) - len(_ANY_HIDDEN.findall(after))
    return f"{went} invisible character{'' if went == 1 else 's'} removed"


_ANY_HIDDEN = re.compile(f"[{HIDDEN}{JOINERS}{VARIANTS}{TAGS}]")


def white_space(text: str) -> str:
    r"""Trim, turn every kind of space into one plain space and every line break into "\n", at most one empty line.

    The indentation of lines and fenced code (```) stay: there, spaces mean something.

    >>> white_space(" where\u00a0is \t my order ?\r\n\n\n\n  - 17 \n")
    'where is my order ?\n\n  - 17'
    """
    text = _BREAK.sub("\n", text)
    parts = _FENCED.split(text)
    parts[::2] = [_squeezed(part) for part in parts[::2]]
    return "".join(parts).strip(" \t\n")


def _squeezed(part: str) -> str:
    lines = [_squeezed_line(line) for line in _SPACE.sub(" ", part).split("\n")]
    return _EMPTY_LINES.sub("\n\n", "\n".join(lines))


def _squeezed_line(line: str) -> str:
    words = line.strip(" \t")
    return line[: line.index(words[0])] + _RUN.sub(" ", words) if words else ""


def white_space_says(before: str, after: str) -> str:
    """Name the kinds of white space that were tidied."""
    body = before.strip(" \t\n")
    kinds = {
        "at the ends": body != before,
        "runs of spaces": bool(_RUN.search(body)),
        "unusual spaces": bool(_SPACE.search(body)),
        "unusual line breaks": bool(_BREAK.search(body)),
        "empty lines": "\n\n\n" in body,
    }
    said = ", ".join(kind for kind, is_there in kinds.items() if is_there)
    fewer = len(before) - len(after)
    return f"white space tidied: {said or 'at the ends of lines'}" + (f"; {fewer} characters fewer" if fewer else "")


REPAIRS: tuple[Repair, ...] = (encoding, without_markup, invisible, white_space)


def settled(text: str, repair: Repair) -> str:
    r"""Repair a text until nothing changes, together with what that uncovers for the repairs that come before.

    Taking out `&Atilde;&copy;` uncovers mojibake, which is undone as well; damage that was there already is not
    touched, for a person may have said that it stays. So cleaning twice is cleaning once, whichever findings are
    accepted. A text that is a JSON object or list is left alone (it is an answer or a tool's words), and so is one
    without any character to see: it is empty, not damaged.

    >>> settled("Caf&Atilde;&copy; &amp;amp;nbsp; bar", without_markup)
    'Café \xa0 bar'
    """
    first = repair(text)
    if first == text or is_blank(text) or is_json(text):
        return text
    earlier = [each for each in REPAIRS[: REPAIRS.index(repair)] if each(text) == text]
    last = _until_stable(first, (*earlier, repair))
    return text if last is None else last


def is_blank(text: str) -> bool:
    r"""Say whether nothing in a text can be seen.

    >>> is_blank(" \u200b"), is_blank("?")
    (True, False)
    """
    return _BLANK.search(text) is not None


def _until_stable(text: str, repairs: tuple[Repair, ...]) -> str | None:
    for _ in range(ROUNDS):
        before = text
        for repair in repairs:
            text = repair(text)
        if text == before:
            return text
    return None


def is_json(text: str) -> bool:
    """Say whether a text is a JSON object or list.

    >>> is_json('{"a": 1}'), is_json("[sic] he said")
    (True, False)
    """
    if not text.lstrip().startswith(("{", "[")):
        return False
    try:
        return isinstance(orjson.loads(text), dict | list)
    except orjson.JSONDecodeError:
        return False
