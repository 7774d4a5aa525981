"""What is looked for, what it is called, what stands in its place, and what a text must have before one looks closer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection


class Kind(NamedTuple):
    """How one kind is called in a sentence, and what stands in its place when it is masked."""

    one: str
    many: str
    placeholder: str


PERSONAL: Final = {
    "email": Kind("e-mail address", "e-mail addresses", "[EMAIL]"),
    "phone": Kind("phone number", "phone numbers", "[PHONE]"),
    "card": Kind("payment card", "payment cards", "[CARD]"),
    "iban": Kind("IBAN", "IBANs", "[IBAN]"),
    "national-id": Kind("national id", "national ids", "[NATIONAL_ID]"),
    "ip": Kind("IP address", "IP addresses", "[IP]"),
    "mac": Kind("hardware address", "hardware addresses", "[MAC]"),
}
NAMED: Final = {
    "name": Kind("name", "names", "[NAME]"),
    "address": Kind("address", "addresses", "[ADDRESS]"),
}
SECRET: Final = {
    "api-key": Kind("key", "keys", "[API_KEY]"),
    "password": Kind("password", "passwords", "[PASSWORD]"),
    "url-token": Kind("token in a URL", "tokens in URLs", "[URL_TOKEN]"),
}
KINDS: Final = PERSONAL | NAMED | SECRET

# What a text must have before anyone looks closer, for whole columns (Rust's flavour). 1,000,000 short rows take .15 s.
_DIGITS = r"[0-9](?:[ ./()+\u{b7}-]{0,4}[0-9]){5}"
_PERSONAL: Final = (
    rf"@|%40|&#0?64;|&commat;|\\u0040|{_DIGITS}|[0-9]\.[0-9]{{1,3}}\.[0-9]{{1,3}}\.[0-9]"
    r"|(?i-u:[0-9a-f]{1,4}[:-][0-9a-f]{1,4}[:-][0-9a-f]{0,4}[:-]|::[0-9a-f]|[0-9a-f]{4}\.[0-9a-f]{4}\.)"
    r"|(?-u:[A-Za-z][A-Za-z][ -]?[0-9][0-9][ .-]?[A-Za-z0-9]{4}|[A-Za-z]{3}[0-9LMNP-V]{2}[A-Za-z][0-9LMNP-V]{2})"
    r"|(?i-u:[\[(\{<] ?at ?[\])\}>]| at [a-z0-9-]{1,40}(?: dot |\. ?com))"
)
_OPENING: Final = (
    r"://|(?-u:-----BEGIN|AKIA|ASIA|A[A-Z]{3}[A-Z0-9]{8}|[a-f0-9]{32}-us|gh[pousr]_|github_pat_|gl[a-z]{2,5}-|xox[a-z]-|xapp-|[spr]k_(?:live|test)_|whsec_|sk-|AIza|ya29|GOCSPX|hf_|npm_|pypi-"
    r"|gsk_|xai-|pplx-|r8_|nvapi-|SG\.|key-|re_|(?:AC|SK)[a-f0-9]{10}|[0-9]{8,10}:[A-Za-z0-9_-]{20}|eyJ|do[opr]_v1|dapi|shp[a-z]{2}_|sq0|EAA|[MNO][A-Za-z0-9]{23}"
    r"|lin_api|ntn_|secret_|figd_|PMAK|hv[sbr]\.|AGE-SECRET|sntry|glsa_|rubygems_|dckr_|pat[A-Za-z0-9]{14}|ATATT3|PRIVATE-|NRAK|sbp_|pscale_|fly|tskey-|hooks\.slack|webhooks/)"
    r"|(?i-u:secret|token|api[ _-]{0,2}key|access[ _-]{0,2}key|account[ _-]?key|auth[ _-]?key|license[ _-]?key|signing[ _-]?key|private[ _-]?key|encryption[ _-]?key|authorization|credential|bearer|basic |pass|pwd|pw|kennwort|contrase|senha)"
)  # fmt: skip
# digits and signs of other alphabets, and characters that nobody sees
_FOLDED: Final = (
    r"[\u{ff00}-\u{ff5e}\u{fe50}-\u{fe6b}\u{660}-\u{669}\u{6f0}-\u{6f9}\u{966}-\u{96f}\u{1d7ce}-\u{1d7ff}\u{2460}-\u{249b}\u{24b6}-\u{24ea}\u{2070}-\u{2089}]"
    r"|[0-9A-Za-z@][\u{a0}\u{ad}\u{2000}-\u{2015}\u{202a}-\u{202f}\u{2060}-\u{2064}\u{feff}\u{2212}\u{3000}]+[0-9A-Za-z@(+-]"
)
# JSON writes letters as escapes: any ASCII sign or digit, the spaces and dashes above, a slash
_ESCAPED: Final = r"\\u(?:00[2-7aA]|06[6fF]|096|20[0-6]|2212|3000|[fF][eEfF])|\\/"


def suspect(kinds: Collection[str]) -> str:
    """Return a regular expression of Rust's flavour that any text with one of the kinds matches, and some others do.

    >>> import polars as pl
    >>> pl.Series(["where is my card?", "mail me: jane@shop.com"]).str.contains(suspect(PERSONAL)).to_list()
    [False, True]
    """
    signs = [_ESCAPED, _FOLDED]
    signs += [_PERSONAL] if not SECRET.keys() >= set(kinds) else []
    signs += [_OPENING] if not SECRET.keys().isdisjoint(kinds) else []
    return "|".join(signs)


def checked(kinds: Collection[str], known: Collection[str]) -> None:
    """Raise ValueError for a kind that is not known.

    >>> checked(["email", "phone"], KINDS)
    """
    if unknown := sorted(set(kinds) - set(known)):
        raise ValueError(f"no such kind: {', '.join(unknown)} (there are: {', '.join(known)})")
