"""Read the reviews, questions, answers, posts and comments that a page declares in schema.org's words (JSON-LD and microdata)."""

from __future__ import annotations

import html
import json
import re
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urljoin

from tuneset.crawl.tree import Element, parsed, seen

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Node = dict[str, Any]  # schema.org's property -> value or values; "@type" and "@id" as in JSON-LD

KINDS = {
    "Review": "review",
    "UserReview": "review",
    "CriticReview": "review",
    "EmployerReview": "review",
    "Question": "question",
    "Answer": "answer",
    "DiscussionForumPosting": "post",
    "SocialMediaPosting": "post",
    "Comment": "comment",
}
_WORDS = {
    "review": ("reviewBody", "description", "text"),
    "question": ("text", "description", "name"),
    "post": ("text", "articleBody", "description"),
    "answer": ("text", "description"),
    "comment": ("text", "description"),
}
# Bounds on what a hostile page can cost. The largest script of 114 real pages has 0.2 million characters, the deepest 8 levels.
_LONGEST = 2_000_000
_DEEPEST = 40
_MOST = 5_000

_OPENED = re.compile(r"^\s*(?://|/\*)?\s*(?:<!\[CDATA\[|<!--)\s*(?:\*/)?")
_CLOSED = re.compile(r"(?://|/\*)?\s*(?:\]\]>|-->)\s*(?:\*/)?\s*;?\s*$")
_BETWEEN = " \t\r\n,;"
# A string is matched first, so that "//" in an address is not taken for a comment, nor ",]" in a text for a slip. What is
# never closed runs to the end: to look for its end from each of a million places would take hours.
_SLIPS = re.compile(r'("(?:[^"\\]|\\.)*+(?:"|\Z))|/\*.*?(?:\*/|\Z)|//[^\n]*|,(?=\s*[}\]])', re.DOTALL)
_MARKUP = re.compile(r"<[a-zA-Z!/][^<>]*>")
_SOURCES = {"a": "href", "area": "href", "link": "href", "object": "data", "data": "value", "meter": "value"}
_SOURCES |= dict.fromkeys(("audio", "embed", "iframe", "img", "source", "track", "video"), "src")


class _Seen(str):
    """Text as a reader sees it, which is not to be read as markup once more."""

    __slots__ = ()


class Record(NamedTuple):
    """What one person wrote, as the page declares it."""

    kind: str  # review, question, answer, post, comment or faq
    text: str
    answer: str | None  # of a question: the accepted one, or else the one with the most votes
    title: str
    author: str
    date: str
    rating: float | None
    item: str  # what a review is about
    url: str  # its own address, or "" where the page gives it none
    thread: str  # the address of the discussion it belongs to
    source: str  # "json-ld" or "microdata"
    votes: int | None = None


def records(page: str, url: str) -> list[Record]:
    """Return one record for each review, question, answer, post and comment that a page declares.

    What is declared twice, in both notations or twice in one, comes once. Markup in a text becomes plain text. Broken
    JSON-LD is read where its meaning is plain: control characters, entities, comments, trailing commas, several objects.
    Limits: RDFa is not read; of one page 5,000 records, 40 levels, and two million characters for each script.

    >>> page = '<script type="application/ld+json">{"@type": "Review", "reviewBody": "Fits <b>well</b>", "author": "Ann",}</script>'
    >>> records(page, "https://a.com")[0][:5]
    ('review', 'Fits well', None, '', 'Ann')
    """
    tree = parsed(page)
    return [] if tree is None else records_of(linked(tree), items(tree, url), url)


def records_of(json_ld: Iterable[Node], microdata: Iterable[Node], url: str) -> list[Record]:
    """Return the records in nodes of the two notations, each once."""
    told: Counter[tuple[str, str]] = Counter()
    kept: list[Record] = []
    for source, nodes in (("json-ld", json_ld), ("microdata", microdata)):
        fresh: dict[tuple[str, ...], Record] = {}
        for record in _told(nodes, url, source):
            fresh.setdefault((*_same(record), record.author, record.date, record.item), record)
            if len(fresh) >= _MOST:
                break
        for record in fresh.values():
            if told[_same(record)]:
                told[_same(record)] -= 1
            else:
                kept.append(record)
        told = Counter(map(_same, kept))
    return kept


def types_of(nodes: Iterable[Node]) -> set[str]:
    """Return the types of all nodes, however deep they stand.

    >>> sorted(types_of([{"@type": "http://schema.org/Product", "review": [{"@type": "Review"}]}]))
    ['Product', 'Review']
    """
    return {kind for node, _ in _nested(nodes) for kind in _types(node)}


def nodes_of(page: str, url: str, kind: str) -> list[Node]:
    """Return the nodes of a type, in either notation, of a page or of a file in JSON-LD; a property is a value or a list.

    >>> nodes_of('<p itemscope itemtype="https://schema.org/Dataset"><b itemprop=name>Tickets</b>', "https://a.org", "Dataset")
    [{'@type': ['https://schema.org/Dataset'], 'name': ['Tickets']}]
    """
    if page.lstrip()[:1] in ("{", "["):
        found = resolved(each for value in _loaded(page) for each in many(value))
    else:
        tree = parsed(page)
        found = [] if tree is None else [*linked(tree), *items(tree, url)]
    return [node for node, _ in _nested(found) if kind in _types(node)]


def linked(tree: Element) -> list[Node]:
    """Return the nodes of a page's JSON-LD, references by @id filled in."""
    scripts = (each for each in tree.iter("script") if "ld+json" in each.get("type", "").lower())
    return resolved(node for each in scripts for value in _loaded(each.text or "") for node in many(value))


def resolved(nodes: Iterable[Any]) -> list[Node]:
    """Fill in, where a node holds only the @id of another one, that other node, in place."""
    found = [node for node in nodes if isinstance(node, dict)]
    every = [node for node, _ in _nested(found)]
    known: dict[str, Node] = {}
    for node in every:
        if isinstance(own := node.get("@id"), str) and len(node) > len(known.get(own, "@")):
            known[own] = node
    for node in every:
        for name, value in node.items():
            node[name] = (
                [_resolved(each, known) for each in value] if isinstance(value, list) else _resolved(value, known)
            )
    return found


def _resolved(value: Any, known: dict[str, Node]) -> Any:
    named = isinstance(value, dict) and value.keys() == {"@id"} and isinstance(value["@id"], str)
    return known.get(value["@id"], value) if named else value


def _loaded(text: str) -> list[Any]:
    """Parse the JSON of a script, mended step by step; what cannot be read is left out."""
    text = text[:_LONGEST].strip()
    for mend in (str, _bare, _mended, _unescaped):
        try:
            return _values(mend(text))
        except (ValueError, RecursionError):
            continue
    return []


def _bare(text: str) -> str:
    """Take off what hides a script from old browsers: <!-- and CDATA, with slashes before them or not."""
    text = _OPENED.sub("", text[:60]) + text[60:]
    return text[:-60] + _CLOSED.sub("", text[-60:])


def _mended(text: str) -> str:
    """Take out comments, and commas before a closing bracket."""
    return _SLIPS.sub(lambda found: found[1] or " ", _bare(text))


def _unescaped(text: str) -> str:
    return _mended(html.unescape(text))


def _values(text: str) -> list[Any]:
    """Parse one JSON value after another."""
    decoder = json.JSONDecoder(strict=False)
    values, rest = [], text.lstrip(_BETWEEN)
    while rest:
        value, place = decoder.raw_decode(rest)
        values.append(value)
        rest = rest[place:].lstrip(_BETWEEN)
        if len(values) >= _MOST:
            break
    return values


def _nested(nodes: Iterable[Node]) -> Iterator[tuple[Node, _Place]]:
    """Return all nodes from the outside in, each once, with the place that the nodes around it give it."""
    waiting = [(node, _Place()) for node in reversed(list(nodes))]
    met: set[int] = set()
    while waiting and len(met) < 20 * _MOST:
        node, place = waiting.pop()
        if id(node) in met or place.depth > _DEEPEST:
            continue
        met.add(id(node))
        yield node, place
        inner = place.inside(node)
        held = [each for value in node.values() for each in many(value) if isinstance(each, dict)]
        waiting += [(each, inner) for each in reversed(held)]


class _Place(NamedTuple):
    """What the nodes around a node say of it."""

    depth: int = 0
    item: str = ""
    thread: str = ""
    is_faq: bool = False

    def inside(self, node: Node) -> _Place:
        kinds = _types(node)
        kind = _kind(node)
        return _Place(
            self.depth + 1,
            self.item if kind else property_of(node, "name") or self.item,
            (_own(node) if kind in {"post", "question"} else "") or self.thread,
            "FAQPage" in kinds or self.is_faq,
        )


def _told(nodes: Iterable[Node], url: str, source: str) -> Iterator[Record]:
    for node, place in _nested(nodes):
        kind = _kind(node)
        if not kind or (place.is_faq and kind == "answer"):
            continue
        text = next((words for name in _WORDS[kind] if (words := property_of(node, name))), "")
        if not text:
            continue
        own = joined(url, _own(node))
        opens = kind in {"post", "question"}
        yield Record(
            kind="faq" if place.is_faq and kind == "question" else kind,
            text=text,
            answer=_answer(node) if kind == "question" else None,
            title=property_of(node, "headline") or property_of(node, "name"),
            author=property_of(node, "author"),
            date=property_of(node, "datePublished") or property_of(node, "dateCreated"),
            rating=_number(_first(node, "reviewRating")) if kind == "review" else None,
            item=(property_of(node, "itemReviewed") or place.item) if kind == "review" else "",
            url=own,
            thread=(own if opens else joined(url, place.thread)) or url,
            source=source,
            votes=_votes(node),
        )


def _kind(node: Node) -> str:
    return next((KINDS[each] for each in _types(node) if each in KINDS), "")


def _types(node: Node) -> list[str]:
    given = many(node.get("@type"))
    return [each.rsplit("/", 1)[-1].rsplit(":", 1)[-1].rsplit("#", 1)[-1] for each in given if isinstance(each, str)]


def many(value: Any) -> list[Any]:
    """Return the values of a property in one flat list: nested lists are opened, to a bound."""
    flat, waiting = [], [(value, 0)]
    while waiting:
        each, depth = waiting.pop()
        if isinstance(each, list):
            waiting += [(inner, depth + 1) for inner in reversed(each)] if depth < _DEEPEST else []
        elif each is not None:
            flat.append(each)
    return flat


def _first(node: Node, name: str) -> Any:
    return next(iter(many(node.get(name))), None)


def property_of(node: Node, name: str) -> str:
    """Return a property as plain text; of a person or a thing it is the name."""
    words = [
        _plain(each.get("name", each.get("@value")) if isinstance(each, dict) else each)
        for each in many(node.get(name))
    ]
    return ", ".join(dict.fromkeys(word for word in words if word))


def _plain(value: Any) -> str:
    """Return text without markup: tags are read where there are any, entities where there are none.

    >>> _plain("<p>a &lt;b&gt; c</p>"), _plain("3 &lt; 4 &amp; so on"), _plain("&lt;p&gt;one&lt;/p&gt;")
    ('a <b> c', '3 < 4 & so on', 'one')
    """
    value = next(iter(many(value)), "")
    if isinstance(value, _Seen):
        return str(value)
    text = value if isinstance(value, str) else "" if isinstance(value, (dict, bool)) else str(value)
    if not _MARKUP.search(text):
        text = html.unescape(text)
        if not re.search(r"</(?:p|div|span|li|a|b|strong|em|i)>|<br ?/?>", text):
            return text.strip()
    tree = parsed(text)
    return "" if tree is None else seen(tree)


def _answer(question: Node) -> str | None:
    """Return the accepted answer, or else the suggested one with the most votes."""
    for name in ("acceptedAnswer", "suggestedAnswer"):
        answers = [each for each in many(question.get(name)) if isinstance(each, dict)]
        for each in sorted(answers, key=lambda answer: -(_votes(answer) or 0)):
            if text := property_of(each, "text") or property_of(each, "description"):
                return text
    return None


def _votes(node: Node) -> int | None:
    number = _number(_first(node, "upvoteCount"))
    return None if number is None else int(number)


def _number(value: Any) -> float | None:
    given = _plain(_first(value, "ratingValue") if isinstance(value, dict) else value)
    found = re.match(r"-?\d{1,9}(?:[.,]\d{1,9})?", given)
    return float(found[0].replace(",", ".")) if found else None


def _own(node: Node) -> str:
    given = (_first(node, "url"), _first(node, "@id"))
    return next((each for each in given if isinstance(each, str) and each and not each.startswith("_:")), "")


def joined(url: str, own: str) -> str:
    """Join an address with one that a page names; empty where that is none.

    >>> joined("https://a.org/x/", "y"), joined("https://a.org", "http://[")
    ('https://a.org/x/y', '')
    """
    try:
        return urljoin(url, own.strip()) if own else ""
    except ValueError:
        return ""


def _same(record: Record) -> tuple[str, str]:
    """Return what two notations of one record have in common."""
    return record.kind, " ".join(re.findall(r"\w+", record.text.casefold()))


def items(tree: Element, url: str) -> list[Node]:
    """Return the items of a page's microdata, in the form of JSON-LD's nodes."""
    reader = _Microdata(tree, url)
    return [reader.item(scope, 0) for scope in tree.xpath("//*[@itemscope]") if scope not in reader.taken]


class _Microdata:
    """Reads items, each once, within a budget for the whole page."""

    def __init__(self, tree: Element, url: str) -> None:
        self.taken: set[Any] = set()
        self._url = url
        self._budget = 4_000_000  # characters, and 20 for each element: texts in texts and shared references multiply
        refer = tree.xpath("boolean(//*[@itemref])")
        self._ids = {each.get("id"): each for each in reversed(tree.xpath("//*[@id]"))} if refer else {}

    def item(self, scope: Any, depth: int) -> Node:
        self.taken.add(scope)
        node: Node = {"@type": scope.get("itemtype", "").split()}
        if scope.get("itemid"):
            node["@id"] = scope.get("itemid").strip()
        referred = [self._ids[name] for name in scope.get("itemref", "").split() if name in self._ids]
        for each in self._properties([*reversed(referred), *reversed(scope)]):
            value = self._value(each, depth)
            for name in each.get("itemprop").split() if value is not None else ():
                node.setdefault(name, []).append(value)
        return node

    def _properties(self, waiting: list[Any]) -> Iterator[Any]:
        while waiting and self._budget > 0:
            each = waiting.pop()
            self._budget -= 20
            if isinstance(each.tag, str):
                if "itemprop" in each.attrib:
                    yield each
                if "itemscope" not in each.attrib:
                    waiting += reversed(each)

    def _value(self, element: Any, depth: int) -> Any:
        held = element.attrib
        if "itemscope" in held:
            return self.item(element, depth + 1) if element not in self.taken and depth < _DEEPEST else None
        if element.tag == "meta" or held.get("content"):
            return held.get("content", "")
        if element.tag in _SOURCES:
            given = held.get(_SOURCES[element.tag], "")
            return given if _SOURCES[element.tag] == "value" else joined(self._url, given)
        if element.tag == "time" and "datetime" in held:
            return held["datetime"]
        text = seen(element) if self._budget > 0 else ""
        self._budget -= len(text)
        return _Seen(text)
