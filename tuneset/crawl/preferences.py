"""What an owner says about training on a page, wherever it is said; a no outweighs every yes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import orjson

from tuneset.crawl.policy import TOKEN
from tuneset.crawl.robots import matches, our_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from lxml.html import HtmlElement

TDMREP = "/.well-known/tdmrep.json"
# Content-Usage is the IETF's (AIPREF drafts), Content-Signal is Cloudflare's; both are lists of "name=y" or "name=no".
_TRAINING = frozenset({"train-ai", "train-genai", "ai-train", "genai", "ai", "all"})
_YES, _NO = frozenset({"y", "yes", "1", "true"}), frozenset({"n", "no", "0", "false"})
_WORDS = frozenset({"noai", "noindex", "none", "notrain"})
_PAIR = re.compile(r"([\w-]+)\s*=\s*\"?([\w-]+)")


class Preference(NamedTuple):
    """The owner's word on training: allow, deny or unstated, and where it stands."""

    says: Literal["allow", "deny", "unstated"] = "unstated"
    evidence: str = ""


UNSTATED = Preference()


def strictest(said: Iterable[Preference]) -> Preference:
    """Take the first no, or else the first yes."""
    found = list(said)
    return next((each for word in ("deny", "allow") for each in found if each.says == word), UNSTATED)


def in_robots(text: str, url: str) -> Preference:
    r"""Read Content-Usage and Content-Signal out of the group of a robots.txt that speaks to us.

    >>> in_robots("User-agent: *\nContent-Usage: /art train-ai=n", "https://a.org/art/1")
    Preference(says='deny', evidence='robots.txt: content-usage: /art train-ai=n')
    """
    said = []
    for name, value in our_lines(text):
        if name in ("content-usage", "content-signal"):
            path, _, rest = value.partition(" ") if value.startswith("/") else ("/", "", value)
            if matches(path, url):
                said.append(_pairs(rest, f"robots.txt: {name}: {value}"))
    return strictest(said)


def in_headers(headers: Mapping[str, str]) -> Preference:
    """Read Content-Usage, Content-Signal, X-Robots-Tag and TDM headers; names are in lower case.

    >>> in_headers({"tdm-reservation": "1"}).says, in_headers({"x-robots-tag": "otherbot: noai"}).says
    ('deny', 'unstated')
    """
    said = [
        _pairs(headers[name], f"header {name}: {headers[name]}")
        for name in ("content-usage", "content-signal")
        if name in headers
    ]
    said.append(_reserved(headers.get("tdm-reservation", ""), "header tdm-reservation"))
    said.append(_tags(headers.get("x-robots-tag", ""), "header x-robots-tag"))
    return strictest(said)


def in_page(page: HtmlElement) -> Preference:
    """Read the meta elements named robots, our own name, and tdm-reservation."""
    said = []
    for meta in page.iter("meta"):
        name, content = (meta.get("name") or "").strip().lower(), meta.get("content") or ""
        if name in ("robots", TOKEN):
            said.append(_tags(content, f"meta {name}"))
        elif name == "tdm-reservation":
            said.append(_reserved(content, "meta tdm-reservation"))
    return strictest(said)


def in_tdmrep(body: bytes, url: str) -> Preference:
    """Read /.well-known/tdmrep.json (W3C TDMRep): the first entry that covers the address counts."""
    try:
        entries: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        return UNSTATED
    for entry in entries if isinstance(entries, list) else []:
        where = entry.get("location") if isinstance(entry, dict) else None
        if isinstance(where, str) and matches(where, url):
            return _reserved(str(entry.get("tdm-reservation", "")), f"tdmrep.json: {where}")
    return UNSTATED


def no_follow(page: HtmlElement, headers: Mapping[str, str]) -> bool:
    """Say whether a page asks that its links be left alone."""
    said = [meta.get("content") or "" for meta in page.iter("meta") if (meta.get("name") or "").lower() == "robots"]
    return any({"nofollow", "none"} & set(_ours(each)) for each in [*said, headers.get("x-robots-tag", "")])


def _pairs(text: str, evidence: str) -> Preference:
    said = {value.lower() for name, value in _PAIR.findall(text) if name.lower() in _TRAINING}
    if said & _NO:
        return Preference("deny", evidence)
    return Preference("allow", evidence) if said & _YES else UNSTATED


def _reserved(value: str, where: str) -> Preference:
    return {"1": Preference("deny", f"{where}: 1"), "0": Preference("allow", f"{where}: 0")}.get(
        value.strip(), UNSTATED
    )


def _tags(text: str, where: str) -> Preference:
    found = [word for word in _ours(text) if word in _WORDS]
    return Preference("deny", f"{where}: {found[0]}") if found else UNSTATED


_NAMED = re.compile(r"\s*([\w*-]+)\s*:(.*)")
_VALUED = frozenset({"unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"})


def _ours(text: str) -> list[str]:
    """List the words that are meant for all or for us: what follows "otherbot:" is another's, to the line's end."""
    words: list[str] = []
    for line in text.lower().splitlines():
        ours = True
        for part in line.split(","):
            named = _NAMED.match(part)
            if named and named[1] not in _VALUED:
                ours = named[1] in (TOKEN, "*", "robots")
            if ours:
                words += (named[2] if named else part).split()
    return words
