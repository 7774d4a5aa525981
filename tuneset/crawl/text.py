"""Turn a web page into its title and its main text: what a person wrote there, without menus, advertisements and buttons."""

from __future__ import annotations

import codecs
import itertools
import re
from typing import TYPE_CHECKING, NamedTuple

from tuneset import __version__
from tuneset.clean.language import hear
from tuneset.crawl.posts import posts
from tuneset.crawl.records import items, linked, property_of, records_of, types_of
from tuneset.crawl.tree import Element, parsed, seen, tidy, without_hidden
from tuneset.errors import need, unknown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuneset.crawl.records import Node

PROFILES = ("all", "article", "auto", "discussion")
EXTRA = "scrape"

# Words in an address under which the usual software shows discussions.
_ADDRESS = re.compile(
    r"//(?:[\w.-]*\.)?(?:forums?|communit(?:y|ies)|discuss|discussions?|talk|boards?|answers)\."
    r"|/(?:[\w-]*(?:threads?|topics?|forums?|discussions?|questions?|communit(?:y|ies)|boards?|viewtopic|showthread|viewthread|showtopic)[\w.-]*"
    r"|t/(?:[\w-]+/)?\d+)(?:[/?#]|$)|[?&;](?:topic|tid|threadid)=\d",
    re.IGNORECASE,
)
_DISCUSSED = {"DiscussionForumPosting", "QAPage", "SocialMediaPosting"}
_TURNS = {"answer", "comment", "post", "question"}
_ARTICLES = {
    "AdvertiserContentArticle",
    "Article",
    "BlogPosting",
    "NewsArticle",
    "Recipe",
    "Report",
    "ScholarlyArticle",
}
_MANUALS = {"APIReference", "HowTo", "TechArticle"}
_WRITTEN_BY = re.compile(
    r"docusaurus|sphinx|mkdocs|gitbook|doxygen|vitepress|vuepress|docsify|mdbook|antora|readme|mintlify|mediawiki",
    re.IGNORECASE,
)
_MANUAL = re.compile(
    r"//(?:docs?|documentation|developers?|help|manual|wiki)\.|/(?:docs?|documentation|manual|reference|wiki|man\d?)/",
    re.IGNORECASE,
)
_DAY = re.compile(r"(?:19|20)\d\d-[01]\d-[0-3]\d")
_PRODUCTS = {"Product", "ProductGroup"}
_LISTS = {"ItemList", "CollectionPage", "SearchResultsPage"}
# trafilatura takes 15 s for 200,000 elements; the largest of 114 real pages has 2,849.
_MANY = 60_000
_WORD = re.compile(r"\w+")
_COUNT = itertools.count(1)


class Page(NamedTuple):
    """What a page says, and what is known about it."""

    title: str
    text: str
    kind: str  # article, discussion, product, documentation or other
    language: str  # its code, such as "en"; "" where neither the words nor the page tell
    date: str  # the day of publication that the page declares, such as "2026-03-01", or ""
    author: str  # whom the page declares, or ""
    extractor: str  # who found the text, with the version


def main_text(html: str, url: str = "", profile: str = "auto") -> Page:
    r"""Return the main text of a page.

    `auto` guesses what the page is. A discussion becomes its posts, a blank line between them, without names, dates and
    signatures, and a quotation of a post above comes once; any other page is trafilatura's, with the readers' comments only
    where nothing says that it is an article, a product or a manual. `article` leaves comments out, `discussion` looks for
    posts everywhere, `all` gives the text, its comments, and every post.
    Measured: F1 of words on 114 pages by type, trafilatura's default -> ours: forum .795 -> .952 (.934 with no software
    known by name), article .932 -> .960, product .704 -> .710, documentation .901 -> .901 (bench/quality/pages.py).
    Limits: what a script adds is not there; posts of software that is not listed in `posts.ENGINES` are found by
    what their blocks are called, or by their numbers; a style sheet that hides text is not read; of a page with more
    than 60,000 elements all visible words come.

    >>> page = "<div class=bbWrapper>Why does it trip?</div><div class=bbWrapper>A crack.</div><footer>Terms</footer>"
    >>> main_text(page, "https://kettles.example/threads/7").text
    'Why does it trip?\n\nA crack.'
    """
    if profile not in PROFILES:
        raise unknown("profile", profile, PROFILES, "scrape")
    tree = parsed(html)
    if tree is None:
        return Page("", "", "other", "", "", "", "")
    json_ld, microdata, head = linked(tree), items(tree, url), _head(tree)
    declared = [*json_ld, *microdata]
    types = types_of(declared)
    told = bool(types & _DISCUSSED)
    expected = told or profile == "discussion" or _ADDRESS.search(url[:2000]) is not None
    found = None if profile == "article" else posts(tree, expected=expected)
    kind = "discussion" if found or told else _kind(head, url, types)
    title, author, date = _title(tree, head), _author(declared, head), _date(tree, declared, head)
    if found and profile != "all":
        text, extractor = "\n\n".join(found.texts), f"tuneset {__version__}, {found.known_by}"
    else:
        comments = profile in {"all", "discussion"} or (profile == "auto" and kind in {"discussion", "other"})
        turns = found.texts if found else _turns(json_ld, microdata, url) if told and comments else ()
        text, extractor = _trafilatura(tree, url, turns, alone=profile != "all", comments=comments)
    return Page(title, text, kind, _language(tree, text), date, author, extractor)


def decoded(body: bytes, content_type: str = "") -> tuple[str, str]:
    """Return the text of a page's bytes, and the name of the encoding they were read in.

    The first of these that says something is believed, as browsers do: a byte order mark, the header's charset, what
    the page's first 4,096 bytes declare, and a guess from the bytes. Bytes that fit nothing become U+FFFD.

    >>> decoded("<p>für 5 €</p>".encode("cp1252"), "text/html; charset=iso-8859-1")
    ('<p>für 5 €</p>', 'cp1252')
    """
    encoding = need("w3lib.encoding", EXTRA)
    name, text = encoding.html_to_unicode(content_type or None, body, auto_detect_fun=_guessed)
    return text, codecs.lookup(name).name


def _guessed(body: bytes) -> str | None:
    from charset_normalizer import from_bytes  # noqa: PLC0415  half a second to load, and few pages need it

    best = from_bytes(body[:65_536]).best()
    return best.encoding if best else None


def _trafilatura(tree: Element, url: str, turns: Sequence[str], *, alone: bool, comments: bool) -> tuple[str, str]:
    """Return trafilatura's text and the turns of a discussion that it lacks; or the turns alone where they are most of it."""
    if sum(1 for _ in tree.iter()) > _MANY:
        return seen(without_hidden(tree)), f"tuneset {__version__}, all words"
    extractor = need("trafilatura", EXTRA)
    # Its caches grow with every page. Its own removal of repeats stays off: it remembers earlier pages.
    if next(_COUNT) % 500 == 0:
        need("trafilatura.meta", EXTRA).reset_caches()
    text = extractor.extract(without_hidden(tree), url=url or None, include_comments=comments) or ""
    if alone and len(turns) > 1 and sum(map(len, turns)) >= 0.5 * len(text):
        return "\n\n".join(turns), f"tuneset {__version__}, records"
    held = _plain(text) if turns else ""
    parts = [text, *(turn for turn in turns if _plain(turn) not in held)]
    return "\n\n".join(filter(None, parts)), f"trafilatura {extractor.__version__}"


def _turns(json_ld: Sequence[Node], microdata: Sequence[Node], url: str) -> list[str]:
    """Return the words of the records that are turns of a discussion."""
    return [record.text for record in records_of(json_ld, microdata, url) if record.kind in _TURNS]


def _plain(text: str) -> str:
    return " ".join(_WORD.findall(text.casefold()))


def _kind(head: dict[str, str], url: str, types: set[str]) -> str:
    """Guess what a page without posts is: from what it declares, what wrote it, and its address."""
    declared = head.get("og:type", "").lower()
    if types & _MANUALS or _WRITTEN_BY.search(head.get("generator", "")) or _MANUAL.search(url[:2000]):
        return "documentation"
    if types & _ARTICLES or declared == "article":
        return "article"
    if "product" in declared or (types & _PRODUCTS and not types & _LISTS):
        return "product"
    return "other"


def _title(tree: Element, head: dict[str, str]) -> str:
    """Return the page's one heading where its title holds it, and else what it declares."""
    named = [seen(each) for each in tree.iter("h1")]
    title = tidy(tree.findtext(".//title") or "").replace("\n", " ")
    if len(named) == 1 and named[0] and named[0] in title:
        return named[0]
    return head.get("og:title") or title or (named[0] if named else "")


def _author(declared: Sequence[Node], head: dict[str, str]) -> str:
    return next(filter(None, (property_of(node, "author") for node in declared)), "") or head.get("author", "")


def _date(tree: Element, declared: Sequence[Node], head: dict[str, str]) -> str:
    """Return the first day that the page declares: in its records, its head, or its first time element."""
    times = (each.get("datetime") or "" for each in tree.iter("time"))
    said = [property_of(node, name) for node in declared for name in ("datePublished", "dateCreated")]
    meta = [head.get(name, "") for name in ("article:published_time", "date", "datepublished", "dc.date")]
    found = next(filter(None, map(_DAY.match, [*said, *meta, *itertools.islice(times, 1)])), None)
    return found[0] if found else ""


def _head(tree: Element) -> dict[str, str]:
    """Return what the page's meta elements declare, the first of each name."""
    said: dict[str, str] = {}
    for each in tree.iter("meta"):
        for name in (each.get("property"), each.get("name"), each.get("itemprop")):
            if name:
                said.setdefault(name.lower(), tidy(each.get("content", "")))
    return said


def _language(tree: Element, text: str) -> str:
    """Return the language of the words where they leave no doubt, and else what the page says of itself."""
    heard = hear(text[:2000]).likely
    best = max(heard, key=heard.__getitem__, default="")
    return best if best and heard[best] >= 0.8 else tree.get("lang", "").partition("-")[0].strip().lower()[:3]
