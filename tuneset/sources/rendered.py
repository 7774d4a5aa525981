"""The HTML of a forum's posts as plain text, in the Markdown that people wrote it in: paragraphs, lists, code, links."""

from __future__ import annotations

import re
from html.parser import HTMLParser

_BLOCKS = frozenset(
    re.findall(r"\w+", "p div blockquote ul ol pre table tr hr h1 h2 h3 h4 h5 h6 dl dt dd details summary")
)
_UNREAD = frozenset({"script", "style", "template"})
# Characters times "<": the parser is quadratic in tags that are never closed. The longest posts have 200 million.
_MOST_WORK = 500_000_000


class _Writer(HTMLParser):
    """Writes what it is fed; tags that nobody closes, or opens, change nothing but the paragraph."""

    def __init__(self) -> None:
        super().__init__()
        self.out: list[str] = []
        self._code = self._unread = 0
        self._inline = False
        self._links: list[str] = []
        self._numbers: list[int] = []  # of open lists; 0 for one without numbers

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _UNREAD:
            self._unread += 1
        elif tag == "pre":
            self._close()
            self.out.append("" if self._code else "\n\n```\n")
            self._code += 1
        elif tag in _BLOCKS:
            self._numbers += [1 if tag == "ol" else 0] if tag in ("ol", "ul") else []
            self._apart("\n\n")
        elif tag == "li":
            self._item()
        elif tag == "br":
            self.out.append("\n")
        elif tag == "code" and not self._code and not self._inline:
            self._inline = True
            self.out.append("`")
        elif tag == "a":
            self._links.append(dict(attrs).get("href") or "")
            self.out.append("[" if self._links[-1] else "")

    def handle_endtag(self, tag: str) -> None:
        if tag in _UNREAD:
            self._unread = max(self._unread - 1, 0)
        elif tag == "pre" and self._code:
            self._code -= 1
            if not self._code:
                self.out.append("```\n\n" if "".join(self.out[-2:]).endswith("\n") else "\n```\n\n")
        elif tag in _BLOCKS and tag != "pre":
            if tag in ("ol", "ul") and self._numbers:
                self._numbers.pop()
            self._apart("\n\n")
        elif tag == "code":
            self._close()
        elif tag == "a" and self._links:
            where = self._links.pop()
            self.out.append(f"]({where})" if where else "")

    def handle_data(self, data: str) -> None:
        if self._unread or (self._begun() and not data.strip()):
            return
        self.out.append(data if self._code else re.sub(r"\s+", " ", data))

    def _close(self) -> None:
        """End code within a line; where there is none, nothing was there."""
        if self._inline and self.out[-1] == "`":
            self.out.pop()
        elif self._inline:
            self.out.append("`")
        self._inline = False

    def _begun(self) -> bool:
        """Say whether an item of a list has begun and has no words yet."""
        return bool(self.out) and re.fullmatch(r"\n(-|\d+\.) ", self.out[-1]) is not None

    def _apart(self, space: str) -> None:
        if not self._code and not self._begun():
            self.out.append(space)

    def _item(self) -> None:
        number = self._numbers[-1] if self._numbers else 0
        if number:
            self._numbers[-1] += 1
        self.out.append(f"\n{f'{number}.' if number else '-'} ")

    def text(self) -> str:
        """Return all of it; blank lines are one at most outside of code."""
        self._close()
        if self._code:  # never closed
            self.out.append("\n```")
        parts = re.split(r"(^```\n.*?^```$)", "".join(self.out), flags=re.MULTILINE | re.DOTALL)
        parts[::2] = [_tidy(part) for part in parts[::2]]
        return "\n\n".join(part for part in parts if part)


def _tidy(part: str) -> str:
    lines = re.sub(r"[ \t]*\n[ \t]*", "\n", part)
    items = re.sub(r"\n{2,}(?=\n(?:-|\d+\.) )", "\n", lines)
    return re.sub(r"\n{3,}", "\n\n", items).strip()


def plain(html: str) -> str:
    r"""Write a post as plain text.

    >>> plain("<p>Use <code>a &lt; b</code>:</p>\n\n<pre><code>if a &lt; b:\n    go()\n</code></pre>\n<ul>\n<li>fast</li>\n</ul>")
    'Use `a < b`:\n\n```\nif a < b:\n    go()\n```\n\n- fast'
    """
    if len(html) * html.count("<") > _MOST_WORK:
        return html.strip()
    writer = _Writer()
    try:
        writer.feed(html)
        writer.close()
    except AssertionError:  # the parser gives up on marked sections it does not know: "<![x[" (CPython issue 77057)
        return html.strip()
    return writer.text()
