"""What a licence forbids, as far as its name says: the ways that Hugging Face, Kaggle and pages write it, in one table."""

from __future__ import annotations

import re
from typing import NamedTuple

USES = ("training", "commercial", "sharing")  # sharing: to give the prepared dataset on, which is a changed work


class Terms(NamedTuple):
    """What a licence says about the three uses."""

    name: str
    forbids: tuple[str, ...] = ()
    says: str = ""  # a duty that stays where the use is allowed


_BY = "name the authors"
_ALIKE = "what is made of it must have the same licence when it is shared"
# A prohibition may stand anywhere in what is written …
_FORBIDDING = (
    (r"\bno (ai|ml|machine learning|model|text and data mining|tdm)\b", Terms("its licence", ("training",))),
    (r"\ball rights reserved\b", Terms("all rights reserved", USES)),
    (r"\b(research|academic|education\w*|study)( use| purposes?)?( only)\b", Terms("a research licence", USES[1:])),
    (r"\bnon ?commercial research\b|\bapple amlr\b|\bintel research\b|\bh research\b", Terms("a research licence", USES[1:])),
    (r"\bnon ?commercial\b|\bnc\b|\bno commercial\b|\bpersonal use only\b", Terms("a non-commercial licence", ("commercial",))),
)  # fmt: skip
# … a permission must be all of it, but for versions and the word licence itself.
_ALLOWING = {
    "CC0": (Terms("CC0"), "cc0|cc zero|zero|cc0 public domain|public domain dedication|cc0 public domain dedication"),
    "public": (Terms("public domain"), "public domain|pdm|mark|unlicense|wtfpl|u.s. government works|us government works"),
    "PDDL": (Terms("PDDL"), "pddl|odc pddl|odc public domain dedication and"),
    "MIT": (Terms("MIT", says=_BY), "mit|mit 0|x11|expat"),
    "Apache": (Terms("Apache", says=_BY), "apache|apache software"),
    "software": (
        Terms("a permissive software licence", says=_BY),
        "bsd|bsd clause|bsd clause clear|isc|zlib|bsl|ms pl|afl|artistic|ecl|ncsa|postgresql",
    ),
    "ODC-BY": (Terms("ODC-BY", says=_BY), "odc by|odc attribution"),
    "ODbL": (
        Terms("ODbL", says=f"{_BY}; {_ALIKE}"),
        "odbl|odc odbl|open database|odc open database|dbcl|database contents|database open database contents database contents",
    ),
    "CDLA": (Terms("CDLA permissive"), "cdla permissive|community data agreement permissive"),
    "CDLA-s": (Terms("CDLA sharing", says=_ALIKE), "cdla sharing|community data agreement sharing"),
    "state": (Terms("an open government licence", says=_BY), "etalab|ogl uk|ogl|dl de by|eupl"),
    "copyleft": (
        Terms("a share-alike licence", says=f"{_BY}; {_ALIKE}"),
        "gpl|agpl|lgpl|mpl|gfdl|lgpl lr|osl|epl|gnu general public|gnu lesser general public|gnu affero general public",
    ),
    "RAIL": (
        Terms("OpenRAIL", says="its list of forbidden uses must be kept, and passed on"),
        "openrail|openrail++|openrail m|creativeml openrail m|bigscience openrail m|bigcode openrail m|bigscience bloom rail",
    ),
    "model": (
        Terms("a model maker's licence", says="read it: it limits who may use it, and which models may learn from it"),
        "llama2|llama3|llama3.1|llama3.2|llama3.3|llama4|gemma|deepfloyd if",
    ),
    "C-UDA": (Terms("C-UDA", says=f"for computation only; {_BY}"), "c uda"),
}  # fmt: skip
_BY_NAME = {name: found for found, names in _ALLOWING.values() for name in names.split("|")}
_NOISE = {
    "the",
    "license",
    "licence",
    "version",
    "international",
    "unported",
    "generic",
    "deed",
    "only",
    "or",
    "later",
    "v",
    "igo",
}
_COMMONS = {
    "attribution": "by",
    "noncommercial": "nc",
    "noncommerical": "nc",
    "sharealike": "sa",
    "noderivatives": "nd",
    "noderivs": "nd",
}


def terms(licence: str) -> Terms | None:
    """Return what a licence's name says about use; None where the name is not known.

    >>> terms("CC BY-NC-SA 4.0").forbids
    ('commercial',)
    >>> terms("https://creativecommons.org/licenses/by/4.0/").says
    'name the authors'
    """
    readings = [licence, *re.findall(r"\(([^()]+)\)", licence), re.sub(r"\([^()]*\)", " ", licence)]
    text = " ".join(_words(licence))
    found = [each for reading in readings if (each := _commons(_words(reading)))]
    found.sort(key=lambda each: -len(each.forbids))
    found += [forbidding for pattern, forbidding in _FORBIDDING if re.search(pattern, text)]
    if found:
        forbidden = {use for each in found for use in each.forbids}
        return found[0]._replace(forbids=tuple(use for use in USES if use in forbidden))
    return next((_BY_NAME[name] for reading in readings if (name := _bare(_words(reading))) in _BY_NAME), None)


def _words(licence: str) -> list[str]:
    """Split what is written into plain words; of an address, the part that names the licence.

    >>> _words("https://creativecommons.org/licenses/by-nc/4.0/"), _words("License: CC-BY_SA 3.0")
    (['cc', 'by', 'nc', '4.0'], ['cc', 'by', 'sa', '3.0'])
    """
    text = licence.strip().lower().removeprefix("license:")
    text = re.sub(r"^https?://(www\.)?creativecommons\.org/(licenses|publicdomain)/", "cc ", text)
    text = re.sub(r"^https?://(www\.)?opendatacommons\.org/licenses/by\b", "odc by", text)
    text = re.sub(r"^https?://[^/]+/(.*/)?(licen[cs]es?/)(?=\w)", "", text).removesuffix(".html")
    text = re.sub(r"creative commons|^cc(?=by)", "cc ", text)
    text = re.sub(r"\b(non|share|no)[\s-](?=(commerc|alike|deriv))", r"\1", text)
    return [word for word in re.split(r"[\s_/(),:;\[\]'\"-]+", text) if word]


def _commons(words: list[str]) -> Terms | None:
    """Read a Creative Commons licence other than CC0 out of its parts, in any of the ways to write them."""
    parts = [_COMMONS.get(word, word) for word in words if word not in _NOISE]
    if "by" not in parts[:2] or not (
        "cc" in parts[:1] or words[:1] == ["attribution"] or parts[1:2] in (["nc"], ["sa"], ["nd"])
    ):
        return None
    rest = [
        part
        for part in parts[parts.index("by") :]
        if not re.fullmatch(r"v?[\d.]+|[a-z]{2}", part) or part in ("by", "nc", "sa", "nd")
    ]
    if set(rest) - {"by", "nc", "sa", "nd", "cc"}:
        return None
    says = f"{_BY}; {_ALIKE}" if "sa" in rest else _BY
    forbidden = tuple(use for part, use in (("nc", "commercial"), ("nd", "sharing")) if part in rest)
    return Terms("-".join(["CC BY", *(each.upper() for each in ("nc", "sa", "nd") if each in rest)]), forbidden, says)


def _bare(words: list[str]) -> str:
    return (
        " ".join(word for word in words if word not in _NOISE and not re.fullmatch(r"v?\d[\d.]*", word))
        .removeprefix("cc cc")
        .strip()
    )


def forbids(licence: str, use: str = "commercial") -> str | None:
    """Say why a licence forbids a use, or that it is not known; None where its name allows it.

    `use`: "training" (a model that stays in the house), "commercial" or "sharing" (giving the prepared dataset on).
    Not legal advice: only the name of the licence is looked at, and a known name says nothing about whether the texts
    were the author's to give.

    >>> forbids("cc-by-nc-4.0", "commercial")
    'CC BY-NC forbids commercial use'
    >>> forbids("cc-by-4.0", "commercial"), forbids("cc-by-nc-4.0", "training")
    (None, None)
    >>> forbids("", "training")
    'no licence is given: without one nothing is allowed, so ask the authors'
    """
    if use not in USES:
        raise ValueError(f"use {use!r} is none of {', '.join(USES)}")
    if not licence.strip():
        return "no licence is given: without one nothing is allowed, so ask the authors"
    found = terms(licence)
    if found is None:
        return f"the licence {licence.strip()[:80]!r} is not known: read it before this use"
    words = {"training": "training a model", "commercial": "commercial use", "sharing": "sharing a changed version"}
    return f"{found.name} forbids {words[use]}" if use in found.forbids else None


def duty(licence: str) -> str:
    """Say what a licence asks for where it allows a use; "" where nothing.

    >>> duty("odc-by")
    'name the authors'
    """
    found = terms(licence)
    return found.says if found else ""
