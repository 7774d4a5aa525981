"""A page of HTML as a tree of bounded depth, and the words that a reader of it sees."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Any

from tuneset.errors import need

if TYPE_CHECKING:
    from collections.abc import Iterator

etree, html = need("lxml.etree", "scrape"), need("lxml.html", "scrape")
Element = Any  # lxml brings no types

# Pages beyond this are cut. The largest of 1,190 real pages has 3.1 million characters, nearly all of it scripts.
LONGEST = 4_000_000
BLOCKS = frozenset(
    [
        "address",
        "article",
        "aside",
        "blockquote",
        "body",
        "center",
        "dd",
        "details",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figcaption",
        "figure",
        "footer",
        "form",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "hr",
        "li",
        "main",
        "nav",
        "ol",
        "p",
        "pre",
        "section",
        "summary",
        "table",
        "tbody",
        "tfoot",
        "thead",
        "tr",
        "ul",
    ]
)
CELLS = frozenset({"td", "th"})
# What a browser does not draw, or draws as something to press.
UNSEEN = frozenset(
    [
        "audio",
        "button",
        "canvas",
        "datalist",
        "embed",
        "head",
        "iframe",
        "input",
        "link",
        "math",
        "meta",
        "noscript",
        "object",
        "option",
        "script",
        "select",
        "style",
        "svg",
        "template",
        "textarea",
        "title",
        "video",
    ]
)
# Scripts and styles stay in the tree: extractors look into the first, and leave out the words of both.
_NEEDED = frozenset({"script", "style"})
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_OPENED = re.compile(
    r"(?:^|[\s_-])(?:tab(?:s|pane|panel|content)?|accordion|collapse\w*|panel|toggle|spoiler|faq|answer|expand\w*|reveal|more)(?:$|[\s_-])|^S:\d+$|\sS:\w+$",
    re.IGNORECASE,
)
# libxml2 compares each attribute of a tag with all others: 100,000 of them take minutes.
_LONG_TAG = re.compile(r"<[a-zA-Z][^<>]{5000,}")
_QUOTED = re.compile(r"""=\s*(?:"[^"]*"|'[^']*')""")
_ATTRIBUTES = re.compile(r"[\s/]+")
_KEPT = "\ue000"  # a space of preformatted text, which is not squeezed
_SPACE = re.compile(r"[^\S\n]+")
_LINES = re.compile(r"[^\S\n]*\n\s*")
# lxml refuses these in a tree; a browser draws nothing for them.
_CONTROL = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


def parsed(page: str) -> Element | None:
    """Read a page into a tree, or return None where there is nothing in it.

    Limits: the first 4,000,000 characters, and what stands before the place where tags nest 256 deep (libxml2 stops
    there).

    >>> parsed("<p>one<p>two").xpath("string()")
    'onetwo'
    """
    parser = html.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True, collect_ids=False)
    text = _LONG_TAG.sub(_of_few_attributes, _CONTROL.sub("", page[:LONGEST]))
    if not text.strip():
        return None
    try:
        return html.document_fromstring(text.encode(), parser=parser)
    except etree.ParserError:  # only comments in it
        return None


def _of_few_attributes(tag: re.Match[str]) -> str:
    return tag[0] if len(_ATTRIBUTES.split(_QUOTED.sub("", tag[0]))) < 1000 else " "


def is_hidden(element: Element) -> bool:
    """Say whether a browser leaves an element out, by its own tag and attributes (style sheets are not read)."""
    if element.tag in UNSEEN:
        return True
    held = element.attrib
    return "hidden" in held or ("style" in held and _HIDDEN.search(held["style"]) is not None)


def without_hidden(tree: Element) -> Element:
    """Take what is hidden by an attribute or an inline style out of a tree, in place, and return it.

    What a click opens (tabs, folded answers) and what React sends ahead in hidden blocks is read by people, and stays.
    """
    hidden = tree.xpath(
        "//body//*[@hidden or @style]|//body//template|//body//noscript|//body//textarea|//body//select"
    )
    for element in hidden:
        if (
            element.tag not in _NEEDED
            and is_hidden(element)
            and not _opens(element)
            and element.getparent() is not None
        ):
            element.drop_tree()
    return tree


def _opens(element: Element) -> bool:
    around = itertools.chain([element], itertools.islice(element.iterancestors(), 2))
    return element.tag not in UNSEEN and any(
        _OPENED.search(f"{each.get('class', '')} {each.get('role', '')} {each.get('id', '')}") for each in around
    )


def seen(element: Element, leaving: frozenset[Element] = frozenset()) -> str:
    r"""Return what a reader sees of an element: a line for each block, and one space where the source has any.

    >>> seen(parsed("<div>One <b>big</b><script>x()</script><p>two<br>three</p> <i hidden>no</i></div>"))
    'One big\ntwo\nthree'
    """
    return tidy("".join(_pieces(element, leaving))).replace(_KEPT, " ")


def tidy(text: str) -> str:
    r"""Squeeze white space: one space, or one line break where there was any.

    >>> tidy("  one \t two \n\n three ")
    'one two\nthree'
    """
    return _LINES.sub("\n", _SPACE.sub(" ", text)).strip()


def _pieces(element: Element, leaving: frozenset[Element]) -> Iterator[str]:
    walk = etree.iterwalk(element, events=("start", "end"))
    preformatted = 0
    for event, node in walk:
        edge = "\n" if node.tag in BLOCKS or node.tag == "br" else " " if node.tag in CELLS else ""
        yield edge
        if event == "end":
            preformatted -= node.tag == "pre"
            yield _text(node.tail, preformatted) if node is not element else ""
            continue
        preformatted += node.tag == "pre"
        if node is not element and (is_hidden(node) or node in leaving):
            walk.skip_subtree()
        else:
            yield _text(node.text, preformatted)


def _text(text: str | None, preformatted: int) -> str:
    if not text:
        return ""
    return text.replace(" ", _KEPT) if preformatted else " ".join(f"|{text}|".split())[1:-1]
