"""What links carry for those who count clicks: which parameters these are, and the link without them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import polars as pl

from tuneset.clean.repair import is_json
from tuneset.clean.say import edits, words
from tuneset.step import Scope  # noqa: TC001  a recipe resolves these annotations

if TYPE_CHECKING:
    from collections.abc import Mapping

# The query parameters that Firefox and Brave strip, the campaign parameters of Google Analytics and Matomo, and the
# click ids of the large advertisers. Not here, because sites also put something of their own in them: ref, si, source, cid.
TRACKING = (
    r"utm_\w+|(?:mtm|pk|piwik|matomo)_(?:campaign|kwd|keyword|source|medium|content|cid|group|placement)|hsa_\w+|oft_\w+|bsft_\w+"
    r"|gclid|gclsrc|dclid|gbraid|wbraid|gad_source|gad_campaignid|srsltid|_ga|_gl"
    r"|fbclid|fb_action_ids|fb_action_types|fb_comment_id|igshid|igsh|msclkid|twclid|ttclid|yclid|ymclid|_openstat|rb_clickid"
    r"|li_fat_id|epik|sccid|mc_cid|mc_eid|mkt_tok|mkwid|ml_subscriber(?:_hash)?|s_cid|vero_id|vero_conv|wickedid|oly_anon_id|oly_enc_id"
    r"|_hsenc|_hsmi|__hssc|__hstc|__hsfp|hsctatracking|__s|guce_referrer(?:_sig)?|_branch_match_id|trk_contact|trk_msg|vgo_ee|ss_email_id"
    r"|et_rid|_kx|dm_i|irclickid|__twitter_impression"
)
SUSPECT = rf"(?i-u:[?&;#](?:{TRACKING})=)"
_LINK = re.compile(
    r"(?:https?://|www\.|\b[\w-]{1,63}\.[a-z]{2,24}[/?])[^\s<>\"'`|\\^{}\[\]]+", re.IGNORECASE | re.ASCII
)
_PARAMETER = re.compile(rf"([?&#]|&amp;)({TRACKING})=[^&#]*", re.IGNORECASE | re.ASCII)
_REFERENCE = re.compile(r"&#?\w+;", re.ASCII)
_LOOSE = re.compile(r"^(?:&amp;|&)+|(?:&amp;|&)+$")
_END = ".,;:!?*\u2026"
_CODE = re.compile(r"(```.*?(?:```|\Z)|`[^`\n]+`)", re.DOTALL)
# Where the words speak of the parameters, they are the matter: "why does utm_source not show in my report?"
_ABOUT = re.compile(
    r"\b(?:utm|utm_\w+|gclid|fbclid)\b|\b(?:tracking|query|url) (?:parameter|string|code|param)", re.IGNORECASE
)


@dataclass(frozen=True)
class TrackingParameters:
    """Take tracking parameters out of links.

    Why it hurts: `?utm_source=newsletter&fbclid=IwAR0x…` says nothing about the inquiry, costs dozens of tokens, makes
    two links to one page look different, and an id of a click can point to a person.
    How: in links only, the parameters that Firefox and Brave strip, those of Google Analytics and Matomo, and click ids
    of advertisers; the rest of the link stays byte for byte, and a `?` or `&` that is left over goes.
    Measured: 1,000 of 1,000 planted links restored, no false alarm on 10,000 clean rows (bench/quality/repair.py).
    Limits: `ref`, `si`, `source` and other names that sites use for their own purposes stay, and so does a link inside
    another link. A text that speaks of tracking parameters, code between backticks, and JSON are left alone.

    >>> from tuneset.testing import examples
    >>> rows = examples(["is https://shop.com/hat?size=3&utm_source=mail#top in stock?"])
    >>> TrackingParameters()(rows).select("after", "says").row(0)
    ('is https://shop.com/hat?size=3#top in stock?', 'tracking taken out of a link: utm_source')
    """

    rule: ClassVar[str] = "tracking-parameters"
    scope: ClassVar[Scope] = "example"
    speaks: ClassVar[tuple[list[str | Mapping[str, Any]], ...]] = (
        ["see https://shop.com/hat?utm_source=mail&utm_medium=x"],
        ["www.shop.com/?fbclid=IwAR0x is down"],
    )
    silent: ClassVar[tuple[list[str | Mapping[str, Any]], ...]] = (
        ["see https://shop.com/hat?size=3&ref=mail"],
        ["what does ?utm_source=mail mean"],
        ["https://shop.com/?utm_source=mail: is the tracking parameter right?"],
    )

    def __call__(self, examples: pl.DataFrame) -> pl.DataFrame:
        """Say which examples have links with tracking parameters."""
        suspects = words(examples).filter(pl.col("before").str.contains(SUSPECT))
        return edits(self.rule, suspects, untracked, _says, frozenset({"user", "assistant"}))


def untracked(text: str) -> str:
    """Return the text with the tracking parameters taken out of its links.

    >>> untracked("https://a.com/?utm_id=1, https://a.com/?utm_id=1&b=2, https://a.com/?b=2&gclid=x")
    'https://a.com/, https://a.com/?b=2, https://a.com/?b=2'
    """
    if _ABOUT.search(_LINK.sub(" ", text)) or is_json(text):
        return text
    parts = _CODE.split(text)
    parts[::2] = [_LINK.sub(lambda link: _plain(link[0]), part) for part in parts[::2]]
    return "".join(parts)


def _plain(link: str) -> str:
    """Take the parameters out of one link; what ends the sentence around it is not the link's."""
    address = _own(link)
    page, hash_mark, fragment = address.partition("#")
    path, mark, query = page.partition("?")
    left = path + _without(mark + query) + _without(hash_mark + fragment) + link[len(address) :]
    # "&" and "#60;" that come together would be a sign in HTML
    return link if len(_REFERENCE.findall(left)) > len(_REFERENCE.findall(link)) else left


def _own(link: str) -> str:
    """Return what is the link's own: up to a bracket that it did not open, without the punctuation at its end."""
    depth = 0
    for place, letter in enumerate(link):
        depth += (letter == "(") - (letter == ")")
        if depth < 0:
            return link[:place].rstrip(_END)
    return link.rstrip(_END)


def _without(part: str) -> str:
    """Take the parameters out of a query or a fragment, which begins with its mark."""
    left = _PARAMETER.sub("", part)
    if left == part:
        return part
    left = _LOOSE.sub("", left.removeprefix(part[0]))
    return part[0] + left if left else ""


def _says(before: str, after: str) -> str:
    links = sum(_plain(link) != link for link in _LINK.findall(before))
    names = [name.lower() for _, name in _PARAMETER.findall(before)]
    named = [name for name in dict.fromkeys(names) if f"{name}=" not in after.lower()] or names[:1]
    more = f" and {len(named) - 3} more" if len(named) > 3 else ""
    return f"tracking taken out of {'a link' if links == 1 else f'{links} links'}: {', '.join(named[:3])}{more}"
