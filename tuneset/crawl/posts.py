"""Find the posts of a discussion in a page: where each one's own words stand, without names, dates, buttons and signatures."""

from __future__ import annotations

import itertools
import re
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, NamedTuple

from tuneset.crawl.tree import Element, is_hidden, seen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

# How forum software marks the words of a post, in its own templates: a class, "#" with the beginning of an id, or "@" with
# a component; words before it are classes that it, or what it stands in, must have. A page is of one software.
ENGINES = {
    "bbPress": ("bbp-topic-content", "bbp-reply-content"),
    "Discourse": ("cooked", "crawler-post post", "topic-body post"),
    "Discuz": ("#postmessage_",),
    "Disqus": ("post-message",),
    "Flarum": ("Post-body",),
    "FluxBB": ("postmsg",),
    "Gainsight": ("qa-topic-post-content",),
    "GitHub": ("js-comment-body",),
    "Hacker News": ("commtext",),
    "Invision 4": ("cPost_contentWrap",),
    "Invision 5": ("ipsEntry__post ipsRichText",),
    "Khoros": ("lia-message-body-content",),
    "MyBB": ("post_body",),
    "NodeBB": ("@post/content",),
    "phpBB 3": ("postbody content",),
    "phpBB 2": ("postbody",),
    "Question2Answer": ("qa-q-view-content", "qa-a-item-content"),
    "Reddit": ("usertext-body md",),
    "Simple Machines": ("#msg_",),
    "Stack Exchange": ("js-post-body",),
    "UBB.threads": ("post_inner #body",),
    "Vanilla": ("userContent",),
    "vBulletin 4": ("#post_message_",),
    "vBulletin 5": ("js-post__content-text",),
    "wpForo": ("wpforo-post-content", "wpf-post-content"),
    "XenForo 1": ("messageText",),
    "XenForo 2": ("bbWrapper",),
}
# The names of these are so plain that blogs use them too.
_PLAIN = frozenset({"Disqus", "FluxBB", "MyBB", "phpBB 2", "Vanilla", "XenForo 1"})
# Software that nobody listed names the place in words, or numbers its posts.
_TURN = frozenset(["post", "message", "msg", "comment", "reply", "answer", "question", "topic", "thread"])
_BODY = frozenset(["content", "body", "text", "message", "copy", "inner"])
_NUMBERED = re.compile(r"(\D*?)[-_]?\d{2,}(\D*)")
_PARTS = re.compile(r"[-_]+")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_WHO = re.compile(r"author|user|member|poster|nick|by(?:line)?$|avatar|profile|karma|reputation|rank")
_WHEN = re.compile(r"date|time|posted|(?:^|[-_])ago")
_DAY = re.compile(
    r"\b(?:\d{1,2}[./-]\d{1,2}[./-]\d{2,4}|\d{4}-\d\d-\d\d|\d+\s(?:minute|hour|day|week|month|year)s?\sago)\b|\d\d:\d\d"
)
_PERSON = re.compile(r"/(?:user|member|profile|people|u)s?[/_.?-]|[?&;](?:u|uid|user|author)=")
# What stands beside the words of a post, and what may stand there where the block is only guessed: inside the words
# that known software marks, a name is somebody spoken to.
_BESIDE = r"signature|(?:^|[-_])sig$|toolbar|controls|actions?$|buttons?$|share|reactions?|likes?$|vote|permalink|attribution|edited|expand"
_ASIDE = re.compile(_BESIDE)
_ASIDE_OF_GUESSED = re.compile(
    rf"{_BESIDE}|avatar|author|user(?:info|name|details|card|title)|profile|member[-_]|meta$|timestamp|breadcrumb|(?:^|[-_])date"
)
_QUOTE = re.compile(r"(?:^|[-_])quote(?:$|[-_])|quotation|blockquote|bbcodequote")
_WORD = re.compile(r"\w+")
_FLOW = frozenset({"blockquote", "ol", "p", "pre", "ul"})
# How far up a copy or a quotation is looked for, in characters: with more, a page of 40,000 posts would take minutes.
_ABOVE = 200_000
_FURNITURE = frozenset({"nav", "aside", "footer", "header", "form"})


class Posts(NamedTuple):
    """The posts of a page in its order, and what they were known by."""

    texts: tuple[str, ...]
    known_by: str  # the software, "names" or "numbers"


class _Page(NamedTuple):
    """The elements of a page by class, and those with an id or a component."""

    classes: dict[str, list[Element]]
    ids: list[tuple[str, Element]]
    components: dict[str, list[Element]]


def posts(tree: Element, *, expected: bool) -> Posts | None:
    """Find the posts of a page that holds a discussion, or return None where none is to be seen.

    Known software is known by its templates' classes. `expected` says that the page's address or records speak of a
    discussion: only then do repeated blocks count that are called a message's body, or are numbered, with a name or a
    date in each; a page whose own paragraphs outweigh them is an article with comments, not a discussion.

    >>> from tuneset.crawl.tree import parsed
    >>> page = "<div class=post><b>ann</b><div class=bbWrapper>Why?</div></div><div class=bbWrapper>Because.</div>"
    >>> posts(parsed(page), expected=False)
    Posts(texts=('Why?', 'Because.'), known_by='XenForo 2')
    """
    page = _indexed(tree)
    found = _by_engine(page, expected=expected)
    if found is None and expected:
        found = _by_name(page) or _by_number(page)
        if found:
            bodies = [*_opening(found[1]), *found[1]]
            found = (found[0], bodies) if _outweighs(tree, bodies) else None
    if found is None:
        return None
    texts = _told_once(found[1], _ASIDE if found[0] in ENGINES else _ASIDE_OF_GUESSED)
    return Posts(tuple(texts), found[0]) if texts else None


def _indexed(tree: Element) -> _Page:
    page = _Page(defaultdict(list), [], defaultdict(list))
    for element in tree.xpath("//body//*[@class]"):
        for name in set(element.get("class").split()):
            page.classes[name].append(element)
    for element in tree.xpath("//body//*[@component]"):
        page.components[element.get("component")].append(element)
    page.ids.extend((element.get("id"), element) for element in tree.xpath("//body//*[@id]"))
    return page


def _by_engine(page: _Page, *, expected: bool) -> tuple[str, list[Element]] | None:
    """Return the bodies of the first software that has most of the words any has: inner marks come before outer ones."""
    likely = {name: marks for name, marks in ENGINES.items() if expected or name not in _PLAIN}
    found = {name: bodies for name, marks in likely.items() if (bodies := _outermost(_marked(page, marks)))}
    sizes = {name: _size(bodies) for name, bodies in found.items()}
    most = max(sizes.values(), default=0)
    return next(((name, found[name]) for name, size in sizes.items() if size and size >= 0.6 * most), None)


def _marked(page: _Page, marks: Iterable[str]) -> Iterator[Element]:
    for mark in marks:
        *outer, own = mark.split()
        if own.startswith("#"):
            begun = re.compile(re.escape(own[1:]) + r"\d+")
            elements = [element for given, element in page.ids if begun.fullmatch(given)]
        elif own.startswith("@"):
            elements = page.components.get(own[1:], [])
        else:
            elements = page.classes.get(own, [])
        yield from (element for element in elements if not outer or set(outer) <= _around(element))


def _around(element: Element) -> set[str]:
    """Return the classes of an element and of all that it stands in."""
    return {name for each in _line(element) for name in each.get("class", "").split()}


def _line(element: Element) -> Iterator[Element]:
    yield element
    yield from element.iterancestors()


def _outermost(elements: Iterable[Element]) -> list[Element]:
    """Keep what no other one contains and no signature or quotation does."""
    bodies = dict.fromkeys(elements)
    return [
        body
        for body in bodies
        if not any(
            each in bodies or is_hidden(each) or "signature" in each.get("class", "") for each in body.iterancestors()
        )
    ]


def _size(elements: Iterable[Element]) -> int:
    return sum(len(seen(element)) for element in elements)


def _by_name(page: _Page) -> tuple[str, list[Element]] | None:
    """Return the bodies that a class names as such: the largest repeated one whose blocks say who or when."""
    groups = [
        bodies
        for name, elements in page.classes.items()
        if len(elements) > 1 and _is_body(name) and len(bodies := _outermost(elements)) > 1
    ]
    groups = [bodies for bodies in groups if _are_posts(bodies, _blocks(bodies))]
    return ("names", max(groups, key=_size)) if groups else None


def _is_body(name: str) -> bool:
    """Say whether a name speaks of a message and ends in a word for its content: "commentText", "reply__body"."""
    *before, last = _PARTS.split(_CAMEL.sub("-", name[-80:]).lower())
    return last in _BODY and any(part.removesuffix("s") in _TURN for part in before)


def _by_number(page: _Page) -> tuple[str, list[Element]] | None:
    """Return the largest part of each block that carries a number of its own."""
    groups: dict[tuple[str, ...], list[Element]] = defaultdict(list)
    for given, element in page.ids:
        if number := _NUMBERED.fullmatch(given[:80]):
            groups[element.tag, *number.groups()].append(element)
    likely = [blocks for each in groups.values() if len(each) > 1 and len(blocks := _outermost(each)) > 1]
    cores = [found for blocks in likely if _are_posts(found := _cores(blocks), blocks)]
    return ("numbers", max(cores, key=_size)) if cores else None


def _blocks(bodies: Sequence[Element]) -> list[Element]:
    """Return, for each body, the widest element around it that contains no other body."""
    count = Counter(each for body in bodies for each in _line(body))
    return [[each for each in _line(body) if count[each] == 1][-1] for body in bodies]


def _are_posts(bodies: Sequence[Element], blocks: Sequence[Element]) -> bool:
    """Ask for words that are not links, and for a name or a date in most blocks."""
    words = sum(len(seen(body).split()) for body in bodies)
    linked = sum(len(link.text_content().split()) for body in bodies for link in body.iter("a"))
    signed = sum(_is_signed(block) for block in blocks)
    return words - linked >= max(5 * len(bodies), 0.6 * words) and signed >= 0.6 * len(blocks)


def _is_signed(block: Element) -> bool:
    """Say whether a block names a person or a date."""
    return (
        any(_WHO.search(name) for each in block.iter("*") for name in _names(each))
        or any(_PERSON.search(link.get("href", "")) for link in block.iter("a"))
        or _is_dated(block)
    )


def _is_dated(block: Element) -> bool:
    return (
        next(block.iter("time"), None) is not None
        or any(_WHEN.search(name) for each in block.iter("*") for name in _names(each))
        or _DAY.search(seen(block)[:2000]) is not None
    )


def _cores(blocks: Sequence[Element]) -> list[Element]:
    """Return the body of each block: what most blocks have as their largest part, and else each one's own."""
    cores = [_core(block) for block in blocks]
    (tag, named), _ = Counter((core.tag, core.get("class")) for core in cores).most_common(1)[0]
    alike = [next((each for each in block.iter(tag) if each.get("class") == named), None) for block in blocks]
    return [core if like is None or named is None else like for core, like in zip(cores, alike, strict=True)]


def _core(block: Element) -> Element:
    """Go down to the part that still holds most of a block's words."""
    for _ in range(12):
        sizes = {child: len(seen(child)) for child in block.iterchildren("*")}
        inner = max(sizes, key=sizes.__getitem__, default=None)
        if inner is None or inner.tag in _FLOW or sizes[inner] < 0.5 * len(seen(block)):
            break
        block = inner
    return block


def _opening(bodies: Sequence[Element]) -> list[Element]:
    """Return the post above the others that is marked up unlike them: the nearest signed block with words of its own."""
    for around in itertools.islice(_line(_blocks(bodies)[0]), 6):
        for before in itertools.islice(around.itersiblings("*", preceding=True), 6):
            if before.tag not in _FURNITURE and _is_dated(before) and _are_posts([core := _core(before)], [before]):
                return [core]
    return []


def _outweighs(tree: Element, bodies: Sequence[Element]) -> bool:
    """Say whether the posts hold more words than the long paragraphs of the page that are none of theirs."""
    own = {each for body in bodies for each in _line(body)}
    inside = {each for body in bodies for each in body.iter("p")}
    around = [each for each in tree.iter("p") if each not in own and each not in inside]
    apart = [each for each in around if not any(up.tag in _FURNITURE for up in each.iterancestors())]
    lengths = [len(seen(each).split()) for each in apart]
    return sum(len(seen(body).split()) for body in bodies) > sum(length for length in lengths if length >= 15)


def _told_once(bodies: Sequence[Element], beside: re.Pattern[str]) -> list[str]:
    """Return the posts' words without copies: a post shown twice, and a quotation of a post that stands above."""
    texts: list[str] = []
    above = ""
    for body in bodies:
        text = _words(body, beside, above)
        plain = _plain(text)
        if text and not (len(plain) >= 40 and plain in above):
            texts.append(text)
            above = (above + plain)[-_ABOVE:]
    return texts


def _plain(text: str) -> str:
    return f" {' '.join(_WORD.findall(text.lower()))} "


def _words(body: Element, beside: re.Pattern[str], above: str) -> str:
    """Return a post's own words, without what stands beside them and what is quoted from above."""
    aside = _outer(body, lambda each: any(beside.search(name) for name in _names(each)))
    size = len(seen(body)) if aside else 0
    left = frozenset(each for each in aside if len(seen(each)) < 0.4 * size)
    quoted = _outer(body, _is_quote)
    again = frozenset(each for each in quoted if _stands_in(each, left, above))
    # where nothing else is left, the answer was typed into the quotation
    return seen(body, left | again) or seen(body, left)


def _outer(body: Element, is_one: Callable[[Element], bool]) -> list[Element]:
    """Return the parts of a body of one sort that stand in no other of that sort."""
    found = dict.fromkeys(each for each in body.iter("*") if each is not body and is_one(each))
    return [each for each in found if not any(around in found for around in each.iterancestors())]


def _names(element: Element) -> list[str]:
    """Return what an element calls itself, in small letters and dashes."""
    held = element.attrib
    return _CAMEL.sub("-", f"{held.get('class', '')} {held.get('itemprop', '')} {held.get('rel', '')}").lower().split()


def _is_quote(element: Element) -> bool:
    return element.tag == "blockquote" or any(_QUOTE.search(name) for name in _names(element))


def _stands_in(quote: Element, left: frozenset[Element], above: str) -> bool:
    """Say whether most lines of a quotation stand above; who is quoted is a line of its own."""
    lines = [_plain(line) for line in seen(quote, left).splitlines()]
    found = sum(len(line) for line in lines if line in above)
    return found >= 0.6 * sum(map(len, lines))
