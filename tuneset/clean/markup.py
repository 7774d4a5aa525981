"""HTML that scraping left in a text: which tags and references are certain to be markup, and the text without them."""

from __future__ import annotations

import re
from functools import cache
from html import unescape
from html.entities import name2codepoint
from html.parser import HTMLParser
from itertools import accumulate
from typing import NamedTuple


def _words(names: str) -> frozenset[str]:
    return frozenset(names.split())


# Certain on their own. <dd>, <td>, <title> and their like are not: people write <dd>/<mm>/<yyyy> and Dear <title>.
ALONE = _words("br p hr li h1 h2 h3 h4 h5 h6 nobr wbr")
# Certain where one is opened and closed again, or has an attribute with a value.
PAIRED = ALONE | _words(
    "a abbr acronym b big blockquote center del div dl em figure font i ins kbd mark nav ol small span strike strong "
    "sub sup table tbody td th thead tr tt u ul script style html body",
)
WITH_ATTRIBUTE = PAIRED | _words("img iframe link meta form button input")
# Markup in the company of a certain tag only: prompts use <article>, <summary>, <output> and the like as their own.
KNOWN = WITH_ATTRIBUTE | _words(
    "address area article aside audio base bdi bdo canvas caption cite col colgroup dd details dfn dialog dt embed "
    "fieldset figcaption footer frame frameset head header hgroup label legend main map menu meter noframes noscript "
    "object optgroup option o:p param picture progress q rp rt ruby samp section select source summary svg textarea "
    "tfoot time title track var video",
)
CELLS = _words("td th option")
BLOCKS = _words(
    "address article aside blockquote body br center caption dd details dialog div dl dt fieldset figcaption figure "
    "footer form h1 h2 h3 h4 h5 h6 head header hgroup hr html legend li main menu nav ol optgroup p section select "
    "summary table tbody tfoot thead title tr ul",
)
UNREAD = _words("script style")

# Beyond Latin, Greek, spaces and punctuation: a few signs of everyday text. `&sum;` and `&part;` may be C code.
_SIGNS = frozenset(map(ord, "\u2122\u2190\u2191\u2192\u2193\u2194\u2212\u221e\u2248\u2260\u2264\u2265\u2665"))
# Characters times "<": the parser is quadratic in tags that are never closed, up to 44 ns for each of these.
MOST_WORK = 50_000_000

# Where this does not match there is nothing to do; it serves whole columns too.
SUSPECT = r"<[A-Za-z/!]|&#?[0-9A-Za-z]+;"
_SUSPECT = re.compile(SUSPECT)
_CODE = re.compile(r"(^[ \t]*```.*?(?:^[ \t]*```[ \t]*$|\Z)|`[^`\n]+`)", re.MULTILINE | re.DOTALL)
# A text that talks about markup means its tags: "how do I add a <br> tag", "my newsletter shows <b> in the html".
_ABOUT_TAGS = re.compile(
    r"</?\w+ ?/?>\W{0,2}(?:tags?|elements?)\b|\b(?:tags?|elements?)\s+[\"'(]?</?\w|([\"'])</?\w+ ?/?>\1"
    r"|</?(?:code|pre)\b|=>|\{\{|\{%|<\?php|className=",
    re.IGNORECASE,
)
_ABOUT_CODE = re.compile(r"(?<![./\w])(?:x?html5?|xml|css|javascript|jsx|php|svg|&\w+; entit\w+)\b", re.IGNORECASE)
_AMPERSANDS = re.compile(r"&(?:(?:amp|AMP|#0*38|#[xX]0*26);)+")
_REFERENCE = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,7});")
_KINDS = re.compile(r"<!--|<!doctype|</?[A-Za-z][A-Za-z0-9:]*|&#?[0-9A-Za-z]+;", re.IGNORECASE)


class Piece(NamedTuple):
    """A stretch of a text as the HTML parser sees it; the pieces of a text join up to it."""

    kind: str  # words, opening, closing or note (a comment or a doctype)
    name: str
    raw: str
    has_value: bool = False  # an attribute with a value


def without_markup(text: str) -> str:
    r"""Return the text without HTML tags, comments, scripts and references; code and what is not certain stay.

    >>> without_markup('<div class="x">I <b>need</b> 3 &lt; 5</div><script>track()</script>')
    'I need 3 < 5'
    >>> without_markup("I <3 it, mail <me@shop.com>, List<String>, the `<b>` of a <b> tag, a <b and c> d")
    'I <3 it, mail <me@shop.com>, List<String>, the `<b>` of a <b> tag, a <b and c> d'
    """
    if not _SUSPECT.search(text) or len(text) * text.count("<") > MOST_WORK:
        return text
    parts = _CODE.split(text)
    cut = [pieces(part) for part in parts[::2]]
    if any(map(_is_about_markup, cut)):
        return text
    parts[::2] = [_unescaped(_stripped(part)) for part in cut]
    return "".join(parts)


def kinds(text: str) -> list[str]:
    """List the kinds of tags and references in a text, in order.

    >>> kinds("<p>a<br/>b &amp; c</p><p>d")
    ['<p>', '<br>', '&amp;']
    """
    found = [match[0].lower() for match in _KINDS.finditer(text)]
    return list(
        dict.fromkeys(f"{name}>" if re.fullmatch(r"<[a-z][\w:]*", name) else name for name in found if "/" not in name)
    )


def pieces(text: str) -> list[Piece]:
    """Cut a text into tags, notes and the words between them.

    >>> [piece.kind for piece in pieces("<b>hi</b> there")]
    ['opening', 'words', 'closing', 'words']
    """
    cutter = _Cutter(text)
    try:
        cutter.feed(text)
        cutter.close()
    except AssertionError:  # the parser gives up on marked sections it does not know: "<![x[" (CPython issue 77057)
        return [Piece("words", "", text)]
    found: list[Piece] = []
    ends = [*(start for start, _ in cutter.starts[1:]), len(text)]
    for (start, piece), end in zip(cutter.starts, ends, strict=True):
        tail = start + (len(piece.raw) if piece.raw else end - start)
        found.append(piece._replace(raw=text[start:tail]))
        found.append(Piece("words", "", text[tail:end]))
    return [piece for piece in found if piece.raw]


class _Cutter(HTMLParser):
    """Notes where each thing that the parser sees begins; what is kept can then stay byte for byte."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.starts = [(0, Piece("words", "", ""))]
        self._lines = [0, *accumulate(len(line) + 1 for line in text.split("\n"))]
        self._text = text

    def _here(self) -> int:
        line, column = self.getpos()
        return self._lines[line - 1] + column

    def _note(self, kind: str, name: str = "", raw: str = "", *, has_value: bool = False) -> None:
        self.starts.append((self._here(), Piece(kind, name, raw, has_value)))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = [value for _, value in attrs if value is not None]
        kind = (
            "opening" if values or not attrs else "words"
        )  # "a <b and c> d" has attributes too, as the parser sees it
        self._note(kind, tag, self.get_starttag_text() or "", has_value=bool(values))

    def handle_endtag(self, tag: str) -> None:
        start = self._here()
        end = self._text.find(">", start) + 1 or len(self._text)
        self._note("closing", tag, self._text[start:end])

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_data(self, data: str) -> None:  # noqa: ARG002  unescaped; what we keep stays as written
        self._note("words")

    def handle_comment(self, data: str) -> None:
        raw = f"<!--{data}-->"  # "</3" and "<!>" are comments too, as the parser sees it
        if self._text.startswith(raw, self._here()):
            self._note("note", raw=raw)
        else:
            self._note("words")

    def handle_decl(self, decl: str) -> None:
        self._note("note" if decl.lower().startswith("doctype html") else "words", raw=f"<!{decl}>")

    handle_pi = unknown_decl = handle_data


def _is_about_markup(part: list[Piece]) -> bool:
    seen = [piece for piece, unread in _unread(part) if not unread]
    words = (piece.raw for piece in seen if piece.kind == "words")
    return any(map(_ABOUT_CODE.search, words)) or bool(_ABOUT_TAGS.search("".join(piece.raw for piece in seen)))


def _unread(part: list[Piece]) -> list[tuple[Piece, bool]]:
    """Mark what stands from the opening of a script or style to its end."""
    marked, inside = [], ""
    for number, piece in enumerate(part):
        if not inside and piece.kind == "opening" and piece.name in UNREAD:
            closes = any(later.kind == "closing" and later.name == piece.name for later in part[number:])
            inside = piece.name if closes else ""
        marked.append((piece, bool(inside)))
        if piece.kind == "closing" and piece.name == inside:
            inside = ""
    return marked


def _is_certain(part: list[Piece]) -> bool:
    opened: set[str] = set()
    for piece in part:
        if piece.kind == "note":
            return True
        if piece.kind == "opening":
            if piece.name in ALONE or (piece.has_value and piece.name in WITH_ATTRIBUTE):
                return True
            opened.add(piece.name)
        if piece.kind == "closing" and (piece.name in ALONE or (piece.name in PAIRED and piece.name in opened)):
            return True
    return False


def _stripped(part: list[Piece]) -> str:
    if not _is_certain(part):
        return "".join(piece.raw for piece in part)
    kept: list[str] = []
    ends_in_tag = False
    for piece, unread in _unread(part):
        ends_in_tag = piece.kind != "words"
        if unread or piece.kind == "note":
            continue
        if piece.kind == "words" or piece.name not in KNOWN:
            kept.append(piece.raw)
        elif piece.name in CELLS and kept and not kept[-1][-1].isspace():
            kept.append(" ")
        elif piece.name in BLOCKS and kept and not kept[-1].endswith("\n"):
            kept.append("\n")
    text = "".join(kept)
    return text.rstrip() if ends_in_tag else text


def _unescaped(text: str) -> str:
    return _REFERENCE.sub(lambda found: _referred(found[0]), _AMPERSANDS.sub("&", text))


def _referred(reference: str) -> str:
    if reference[1] == "#":
        character = unescape(reference)
        return character if character and character != "\ufffd" else reference
    return unescape(reference) if reference[1:-1] in _names() else reference


@cache
def _names() -> frozenset[str]:
    everyday = {name for name, point in name2codepoint.items() if point < 0x2100 or point in _SIGNS}
    return frozenset(everyday | {"apos", "AMP", "LT", "GT", "QUOT", "NBSP"})
