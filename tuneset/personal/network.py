"""E-mail addresses, IP addresses and hardware addresses in a text."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from tuneset.personal import context
from tuneset.personal.made_up import is_made_up_email

Places = Iterator[tuple[int, int]]

_AT = r"(?:@|%40|&#0?64;|&commat;|\\u0040|\s?[\[({<]\s?(?:at|@)\s?[\])}>]\s?)"
_AT_WRITTEN = re.compile(r"%40|&#0?64|&commat|\\u0040|[\[({<]\s?at\b| at [\w-]{1,40} ?(?:dot|\.)", re.IGNORECASE)
_DOT = r"(?:\.|%2[eE]|\s?[\[({<]\s?(?:dot|\.)\s?[\])}>]\s?)"
_LABEL = r"[^\W_](?:[^\W_]|-){0,62}"
# A local part has 64 characters at most and starts where a run of its characters starts, so each run is read once.
_EMAIL = re.compile(
    rf"(?<![\w.+%-])(?:mailto:)?(?P<local>(?:\w|%2[bB])(?:[\w.+&'*~!-]|%2[bB]){{0,63}}?){_AT}"
    rf"(?P<domain>(?:{_LABEL}{_DOT}){{1,8}}(?:[^\W\d_]{{2,24}}|xn--[a-z0-9-]{{2,40}})|\[(?:IPv6:)?[0-9a-fA-F.:]{{7,45}}\])(?![\w])",
    re.IGNORECASE,
)
_SPOKEN = re.compile(
    r"(?<![\w.+%-])(?P<local>\w[\w.+-]{0,40}(?:\s(?:dot|underscore|dash)\s\w{1,30}){0,3}) at "
    r"(?P<domain>(?P<host>[\w-]{1,40})(?:\sdot\s[\w-]{1,40}){0,2}\s(?:dot\s|\.)(?:com|net|org|edu|gov|io|co|info|de|fr|es|it|uk|nl|ca|in|au|br|ru))(?!\w)",
    re.IGNORECASE,
)
_MAILERS = re.compile(
    r"(?:gmail|googlemail|hotmail|outlook|yahoo|icloud|aol|gmx|proton(?:mail)?|live|msn|web|mail)$", re.IGNORECASE
)
_MAIL = re.compile(r"mail|@|contact|write (?:to|me)|reach me|address is", re.IGNORECASE)
_NO_EMAIL = re.compile(r"\d(?:\.\d)?x\.(?:png|jpe?g|gif|svg|webp|css|js)$", re.IGNORECASE)
_PASSWORD = re.compile(r"://[^\s/?#@]{0,200}$")
_OCTET = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_IPV4 = re.compile(rf"(?<![\w.-])(?<!\d,)(?:{_OCTET}\.){{3}}{_OCTET}(?![\w-])(?!\.[\w])")
_IPV6 = re.compile(
    r"(?<![\w:.])(?:[0-9a-fA-F]{0,4}:){2,7}(?:[0-9a-fA-F]{1,4}|(?:\d{1,3}\.){3}\d{1,3})?(?<![^:]:)(?:%[\w.]{1,16})?(?!\w)(?!:[\w:])"
)
_MAC = re.compile(
    r"(?<![\w:.-])(?:[0-9a-f]{2}(?::[0-9a-f]{2}){5}|[0-9a-f]{2}(?:-[0-9a-f]{2}){5}|[0-9a-f]{4}(?:\.[0-9a-f]{4}){2})(?![\w:-])(?!\.\w)",
    re.IGNORECASE,
)
_NOBODYS = tuple(
    map(
        ipaddress.ip_network,
        [
            "0.0.0.0/8",
            "127.0.0.0/8",
            "192.0.2.0/24",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",
            "255.0.0.0/8",
            "::/127",
            "2001:db8::/32",
            "3fff::/20",
            "ff00::/8",
        ],
    )
)


def emails(text: str) -> Places:
    """Find e-mail addresses, also written with %40 or "[at]", but no password in a URL and no made-up address.

    >>> list(emails("write to jane@shop.com, not logo@2x.png"))
    [(9, 22)]
    """
    if "@" not in text and not _AT_WRITTEN.search(text):
        return
    for found in (*_EMAIL.finditer(text), *filter(_is_spoken, _SPOKEN.finditer(text))):
        start, end = found.start("local"), found.end()
        local, domain = found["local"], found["domain"]
        is_remote = local == "git" and text[end : end + 1] in (":", "/")
        is_password = _PASSWORD.search(text[max(0, start - 250) : start])
        if not (is_remote or is_password or _NO_EMAIL.search(domain) or is_made_up_email(local, domain)):
            yield start, end


def _is_spoken(found: re.Match[str]) -> bool:
    """Say whether "jane at shop dot com" is an address: "look at shop dot com" is none."""
    local, said = found["local"], context.before(found.string, found.start(), 30)
    is_name = any(sign in local for sign in "._+") or any(map(str.isdigit, local)) or " " in local
    return is_name or _MAILERS.match(found["host"]) is not None or _MAIL.search(said) is not None


def ip_addresses(text: str) -> Places:
    """Find IP addresses of somebody: no version numbers, no addresses kept for documentation, this machine or all.

    >>> list(ip_addresses("from 81.2.69.142, version 1.2.3.4, 127.0.0.1 and fe80::1"))
    [(5, 16), (49, 56)]
    """
    for found in _IPV4.finditer(text) if text.count(".") >= 3 else ():
        first, second = map(int, found[0].split(".")[:2])
        is_short = first < 10 and second < 20  # 6.0.0.1 is a version unless it is said to be an address
        if is_short and not context.is_machine(context.before(text, found.start())):
            continue
        if _is_somebodys(found[0]) and not context.is_version(text, found.start()):
            yield found.span()
    for found in _IPV6.finditer(text) if text.count(":") >= 2 else ():
        groups = [group for group in found[0].split(":") if group]
        is_long = len(groups) > 3 or any(len(group) > 2 for group in groups)  # "12::30" is a time, "a::b" is code
        if is_long and any(map(str.isdigit, found[0])) and _is_somebodys(found[0].partition("%")[0]):
            yield found.span()


def _is_somebodys(address: str) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return not any(parsed in network for network in _NOBODYS if network.version == parsed.version)


def mac_addresses(text: str) -> Places:
    """Find hardware addresses; those of all zeros or ones, and locally made ones that start with 02:00, are nobody's.

    >>> list(mac_addresses("router 3c:22:fb:10:9a:4e"))
    [(7, 24)]
    """
    for found in _MAC.finditer(text):
        digits = "".join(filter(str.isalnum, found[0])).lower()
        if len(set(digits)) > 1 and not digits.startswith("0200") and (":" in found[0] or not digits.isdigit()):
            yield found.span()
