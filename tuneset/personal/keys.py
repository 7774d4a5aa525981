"""Keys, tokens and passwords in a text: shapes that one service uses, secrets inside URLs, and `name = secret`."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator

from tuneset.personal.made_up import MARK

Places = Iterator[tuple[int, int]]

# What a service puts before its keys, and what follows (each service's own documentation; July 2026).
_SHAPES = (
    r"(?:AKIA|ASIA|AROA|AIDA|AGPA|ABIA|ACCA)[A-Z0-9]{16}",  # AWS
    r"gh[pousr]_[A-Za-z0-9]{30,255}|github_pat_[A-Za-z0-9_]{22,255}",
    r"gl(?:pat|dt|rt|cbt|ptt|ft|soat|agent|oas)-[A-Za-z0-9_.-]{20,255}",
    r"xox[abeoprs]-[A-Za-z0-9-]{10,250}|xapp-\d-[A-Za-z0-9-]{10,250}|xoxe\.xox[bp]-\d-[A-Za-z0-9]{20,250}",
    r"[spr]k_(?:live|test)_[A-Za-z0-9]{10,250}|whsec_[A-Za-z0-9+/=]{24,100}",  # Stripe
    r"sk-ant-[A-Za-z0-9]{2,12}-[A-Za-z0-9_-]{16,250}|sk-(?:proj|svcacct|admin|or-v1|None)-[A-Za-z0-9_-]{16,250}",
    r"sk-lf-[a-f0-9-]{36}|sk-[A-Za-z0-9]{20,100}",
    r"AIza[A-Za-z0-9_-]{35}|ya29\.[A-Za-z0-9_-]{20,500}|GOCSPX-[A-Za-z0-9_-]{20,50}",
    r"hf_[A-Za-z0-9]{30,60}|npm_[A-Za-z0-9]{30,60}|pypi-[A-Za-z0-9_-]{16,500}",
    r"gsk_[A-Za-z0-9]{40,60}|xai-[A-Za-z0-9]{60,90}|pplx-[A-Za-z0-9]{40,60}|r8_[A-Za-z0-9]{30,50}|nvapi-[A-Za-z0-9_-]{50,80}",
    r"SG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{30,60}|key-[a-f0-9]{32}|[a-f0-9]{32}-us\d{1,2}|re_[A-Za-z0-9]{8}_[A-Za-z0-9]{16,40}",
    r"(?:AC|SK)[a-f0-9]{32}",  # Twilio
    r"\d{8,10}:[A-Za-z0-9_-]{35}",  # Telegram
    r"eyJ[A-Za-z0-9_-]{8,4000}\.eyJ[A-Za-z0-9_-]{8,8000}\.[A-Za-z0-9_-]{8,4000}",  # JWT
    r"dop_v1_[a-f0-9]{64}|do[or]_v1_[a-f0-9]{64}|dapi[a-f0-9]{32}(?:-\d)?|shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}|sq0(?:atp|csp|idp)-[A-Za-z0-9_-]{22,50}",
    r"EAA[A-Za-z0-9]{60,300}|[MNO][A-Za-z0-9]{23,25}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,40}",  # Meta, Discord
    r"lin_api_[A-Za-z0-9]{32,60}|ntn_[A-Za-z0-9]{40,60}|secret_[A-Za-z0-9]{43}|figd_[A-Za-z0-9_-]{40,60}|PMAK-[a-f0-9]{24}-[a-f0-9]{34}",
    r"(?:hvs|hvb|hvr)\.[A-Za-z0-9_-]{24,300}|AGE-SECRET-KEY-1[A-Z0-9]{58}|sntry[su]_[A-Za-z0-9+/=_-]{40,300}|glsa_[A-Za-z0-9]{32}_[a-f0-9]{8}",
    r"rubygems_[a-f0-9]{48}|dckr_pat_[A-Za-z0-9_-]{20,60}|pat[A-Za-z0-9]{14}\.[a-f0-9]{64}|ATATT3[A-Za-z0-9_=-]{50,300}|PRIVATE-[A-Za-z0-9]{40,80}",
    r"NRAK-[A-Z0-9]{27}|sbp_[a-f0-9]{40}|pscale_(?:pw|tkn)_[A-Za-z0-9_.-]{30,60}|fly_?(?:o1|pat|v1)_[A-Za-z0-9_-]{30,200}|tskey-[a-z]+-[A-Za-z0-9-]{20,80}",
)  # fmt: skip
_LONG = re.compile(r"[A-Za-z0-9_.:/+=~!@#$%^*-]{12}|-----BEGIN")  # no key is shorter
_CALLED = ("key", "token", "secret", "signature", "authorization", "credential")
_KEY = re.compile(rf"(?<![A-Za-z0-9_/+.-])(?:{'|'.join(_SHAPES)})(?![A-Za-z0-9_])")
_HOOK = re.compile(r"hooks\.slack\.com/(?:services|workflows)/(?P<value>[A-Z0-9/a-z]{20,100})|discord(?:app)?\.com/api/webhooks/(?P<hook>\d{10,20}/[\w-]{30,90})")  # fmt: skip
_BLOCK = re.compile(
    r"-----BEGIN (?P<kind>[A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?)-----(?:[^-\[]|-(?!-{4})){16,20000}(?:-----END (?P=kind)-----)?"
)
_NAMES = r"(?:api|app|access|auth|secret|private|signing|encryption|master|client|consumer|service|account|shared|license|x-api|subscription|function|webhook|storage|refresh|session|bearer|id|csrf|oauth|personal|bot|db|database|user|admin|root|aws|gcp|azure|ssh|ftp|smtp|wifi|login|default|new|old|temp|temporary|my)?"
_WORDS = r"(?:api[_ -]?keys?|apikey|access[_ -]?key(?:[_ -]?id)?|account[_ -]?key|sharedaccess(?:key|signature)|private[_ -]?key|signing[_ -]?key|encryption[_ -]?key|secret[_ -]?key|secret[_ -]?access[_ -]?key|client[_ -]?secret|app[_ -]?secret|secret|access[_ -]?token|auth[_ -]?token|refresh[_ -]?token|bearer[_ -]?token|session[_ -]?token|token|auth[_ -]?key|license[_ -]?key|authorization|credentials?)"
_ASSIGN = r"[\"'`*\]]{0,3}\s{0,3}(?:=>|:=|==|=|:|\bis(?: now)?:?\s|-|\s(?=\S{20}))\s{0,3}(?:bearer\s{1,3}|basic\s{1,3}|token\s{1,3})?[\"'`(\[{<*]{0,3}"
_GIVEN = re.compile(
    rf"(?<![A-Za-z])(?:{_NAMES}[_ .-]?){_WORDS}{_ASSIGN}(?P<value>[A-Za-z0-9_\-+/=.~:!@#$%^*]{{8,512}})", re.IGNORECASE
)
_BEARER = re.compile(r"(?<![A-Za-z])(?:bearer|basic)\s{1,3}(?P<value>[A-Za-z0-9_\-+/=.~]{16,4000})", re.IGNORECASE)
_PASSWORD = re.compile(
    rf"(?<![A-Za-z])(?:{_NAMES}[_ .-]?)(?:password|passwd|passphrase|passwort|kennwort|contraseña|mot de passe|senha|pwd|pw|pass|passcode)"
    r"[\"'`*]{0,3}\s{0,3}(?P<sign>=>|:=|==|=|:|\b(?:is|was|ist|es|est|é)(?: now)?:?\s)\s{0,3}[\"'`(]{0,2}(?P<value>[^\s\"'`,;<>(){}\[\]]{4,128})",
    re.IGNORECASE,
)
_PASSING = ("pass", "pwd", "pw", "kennwort", "contrase", "senha")
_AWS_SECRET = re.compile(r"(?<![A-Za-z0-9/+=_-])[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=_-])")
_WORDY = re.compile(
    r"[a-z]+(?:[-_.][a-z]+)*\d{0,4}|[A-Z]?[a-z]+(?:[A-Z][a-z]{2,})*\d{0,2}|[A-Z]+(?:_[A-Z]+)*"
)  # names in code
_HEX = re.compile(r"[0-9a-f]+")
_AWS_WORD = re.compile(r"aws|secret|(?:AKIA|ASIA)[A-Z0-9]{16}")
_DUMMY = re.compile(
    r"your|^my[_-]|x{4}|\*{3}|\.{3}|^<|\$\{|\$\(|^%|example|placeholder|changeme|dummy|redacted|^(?:null|none|true|false|undefined|required|optional|string|expired|invalid|incorrect|wrong|missing|process\.env|os\.environ|getenv|env\.)|^os\.|^config\.|^settings\.",
    re.IGNORECASE,
)

_URL = re.compile(r"(?<![A-Za-z0-9+.-])[a-z][a-z0-9+.-]{1,20}://[^\s\"'<>`\\^{}|]{3,}", re.IGNORECASE)
_USER = re.compile(r"://(?P<user>[^\s/?#@:]{0,100}):(?P<value>[^\s/?#]{1,200})@")
_OPENING = (
    r"(?:[a-z0-9_.-]{0,30}[_.-])?(?:token|access_?token|id_?token|refresh_?token|auth_?token|jwt|api_?key|apikey|key|secret|client_?secret|sig|signature|password|passwd|pwd|pass|"
    r"auth|authorization|session|session_?id|sid|phpsessid|jsessionid|sas|otp|credential|credentials|hmac|nonce|magic|ticket|invite|reset|verify|verification|confirm|code|state|hash|policy)"
    r"|x-amz-(?:signature|credential|security-token)|x-goog-(?:signature|credential)|awsaccesskeyid|googleaccessid"
)
_PARAMETER = re.compile(rf"(?<=[?&#;/])(?P<name>{_OPENING})(?:=|%3[dD])(?P<value>[^&#\s;]{{1,4000}})", re.IGNORECASE)
# names that are often harmless: their value must look random too
_MILD = re.compile(r"(?:key|code|state|hash|policy|ticket|invite|reset|verify|verification|confirm|nonce|auth|session|magic|pass|sid|sas)$", re.IGNORECASE)  # fmt: skip


def api_keys(text: str) -> Places:
    """Find keys by the shape that their service gives them, private key blocks, and secrets that are given a name.

    >>> list(api_keys("use ghp_0123456789abcdefghijABCDEFGHIJ012345 please"))
    [(4, 44)]
    """
    if not _LONG.search(text):
        return
    for found in (*_BLOCK.finditer(text), *_KEY.finditer(text), *_HOOK.finditer(text)):
        group = found.lastgroup if found.re is _HOOK else 0
        if not is_marked(found[group or 0]):
            yield found.span(group or 0)
    yield from _called_secret(text)
    if _AWS_WORD.search(text):
        spans = (found.span() for found in _AWS_SECRET.finditer(text) if not _HEX.fullmatch(found[0]))
        yield from (
            (start, end) for start, end in spans if entropy(text[start:end]) > 3.5 and not is_marked(text[start:end])
        )


def _called_secret(text: str) -> Places:
    """Find values that look random and are called a key, a token or a secret."""
    lowered = text.lower()
    given = _GIVEN.finditer(text) if any(word in lowered for word in _CALLED) else ()
    borne = _BEARER.finditer(text) if "bearer" in lowered or "basic" in lowered else ()
    for found in (*given, *borne):
        start, value = found.start("value"), found["value"].rstrip(".,:!")
        if _is_random(value) and not value.startswith("//"):
            yield start, start + len(value)


def passwords(text: str) -> Places:
    """Find passwords that are said to be one: after a sign any word with a digit or sign, after "is" a mixed one.

    >>> list(passwords("my password is Hunter2! and pwd=abc123")), list(passwords("password: forgotten"))
    ([(15, 23), (32, 38)], [])
    """
    lowered = text.lower()
    if not any(word in lowered for word in _PASSING):
        return
    for found in _PASSWORD.finditer(text):
        start, value = found.start("value"), found["value"].rstrip(".,:?")
        if _is_password(value) and not _DUMMY.search(value) and not is_marked(value):
            yield start, start + len(value)


def url_tokens(text: str) -> Places:
    """Find what opens a door in a URL: the value of a token or key, and the password before the host.

    >>> list(url_tokens("https://shop.com/?id=7&access_token=a8Fk2 and https://jane:pa55@shop.com"))
    [(36, 41), (59, 63)]
    """
    for url in _URL.finditer(text) if "://" in text else ():
        for user in _USER.finditer(url[0]):
            if not _is_blank(user["value"]):
                yield url.start() + user.start("value"), url.start() + user.end("value")
        for found in _PARAMETER.finditer(url[0]):
            value = found["value"].rstrip(".,)]!\"'")
            is_secret = _is_random(value) if _MILD.search(found["name"]) else len(value) >= 4
            if value and is_secret and not _is_blank(value):
                start = url.start() + found.start("value")
                yield start, start + len(value)


def is_marked(value: str) -> bool:
    """Say whether a key was made up by us."""
    return MARK in value


def _is_blank(value: str) -> bool:
    """Say whether a value is a placeholder, ours or somebody's."""
    return is_marked(value) or value.startswith(("[", "%5B", "{", "<", "$")) or _DUMMY.search(value) is not None


def _is_random(value: str) -> bool:
    """Say whether a value looks drawn by a machine: letters and digits mixed, and many different ones."""
    if len(value) < 12 or is_marked(value) or _DUMMY.search(value):
        return False
    has_digit, has_letter = any(map(str.isdigit, value)), any(map(str.isalpha, value))
    is_mixed = has_digit or (len(value) >= 20 and not value.islower() and not value.isupper() and "." not in value)
    return has_letter and is_mixed and entropy(value) >= 2.8 and not _WORDY.fullmatch(value)


def _is_password(value: str) -> bool:
    kinds = sum((any(map(str.isdigit, value)), any(map(str.isalpha, value)), any(not each.isalnum() for each in value)))
    return (
        kinds >= 2
        and len(value) >= 5
        and not re.fullmatch(r"[a-z]+(?:[-/'\u2019][a-z]+)+|[a-z]+[.?!]+", value, re.IGNORECASE)
    )


def entropy(value: str) -> float:
    """Return the bits per character that a text's own letters carry (Shannon).

    >>> entropy("aaaa"), entropy("abcd")
    (0.0, 2.0)
    """
    return sum(count / len(value) * -math.log2(count / len(value)) for count in Counter(value).values()) + 0.0
