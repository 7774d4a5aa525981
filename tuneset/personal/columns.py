"""Whole columns without personal data: plain text, and JSON, which stays JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator
from functools import lru_cache, partial
from typing import TYPE_CHECKING, NamedTuple

import orjson
import polars as pl

from tuneset.personal.kinds import KINDS, NAMED, suspect

if TYPE_CHECKING:
    from tuneset.personal.names import Names

Write = Callable[[str, str], str]

ROUNDS = 4  # one is enough but where words far from a number came closer; then placeholders end it
DEPTH = 8  # JSON inside of JSON strings: arguments of tool calls have 2
ALL = tuple(kind for kind in KINDS if kind not in NAMED)

_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|-?\d[\d.eE+-]*|[{}\[\],]')
_COLON = re.compile(r"\s*:")
_CAMEL = re.compile(r"[_\-.]|(?<=[a-z])(?=[A-Z])")


class Place(NamedTuple):
    """One find: its kind, its characters in the text or JSON string where it stands, and the turn (0 for no list)."""

    kind: str
    start: int
    end: int
    turn: int


class Looked(NamedTuple):
    """A value without what was found in it, and what was found."""

    value: str
    found: tuple[Place, ...]


class Search(NamedTuple):
    """What is looked for: kinds, the region of phone numbers, and who finds names (None: nobody)."""

    kinds: Collection[str] = ALL
    region: str = ""
    names: Names | None = None


def masked(values: pl.Series, search: Search = Search()) -> pl.Series:  # noqa: B008  a tuple cannot change
    r"""Write a placeholder such as [EMAIL] for each find; strings and lists of strings, any other column stays.

    A value that is JSON stays JSON: escapes are read, numbers become strings, keys tell what their values are.

    >>> masked(pl.Series(["I am jane\u0040shop.com", '{"card": 4111111111111111}'])).to_list()
    ['I am [EMAIL]', '{"card": "[CARD]"}']
    """
    return rewritten(values, placeholder, search)


def replaced(values: pl.Series, seed: int = 0, search: Search = Search()) -> pl.Series:  # noqa: B008
    """Write a made-up value for each find: the same one for the same value wherever it stands, another one by `seed`.

    >>> made = replaced(pl.Series(["I am jane@shop.com", "JANE@SHOP.COM?"])).to_list()
    >>> made[0].removeprefix("I am ").upper() == made[1].rstrip("?").upper()
    True
    """
    return rewritten(values, partial(invented, seed=seed), search)


def rewritten(values: pl.Series, write: Write, search: Search) -> pl.Series:
    """Write what `write` gives for each find; only suspect values are looked at, and each of them once."""
    if values.dtype == pl.List(pl.String):
        changes = _changes(values.explode(), write, search)
        return values.list.eval(pl.element().replace(changes)) if changes else values
    if values.dtype != pl.String:
        return values
    changes = _changes(values, write, search)
    return values.replace(changes) if changes else values


def _changes(values: pl.Series, write: Write, search: Search) -> dict[str, str]:
    looked = ((value, look(value, search, write).value) for value in suspects(values, search).to_list())
    return {before: after for before, after in looked if before != after}


def suspects(values: pl.Series, search: Search) -> pl.Series:
    """Return the distinct values that may hold what is looked for; names may be anywhere."""
    values = values.drop_nulls()
    return (values if search.names else values.filter(values.str.contains(suspect(search.kinds)))).unique()


def placeholder(kind: str, _: str) -> str:
    """Return what stands in the place of a kind.

    >>> placeholder("email", "jane@shop.com")
    '[EMAIL]'
    """
    return KINDS[kind].placeholder


@lru_cache(maxsize=65_536)
def invented(kind: str, value: str, seed: int) -> str:
    """Return the made-up value that stands for this one."""
    from tuneset.personal.made_up import made_up  # noqa: PLC0415  its regular expressions take 30 ms to compile

    return made_up(kind, value, seed)


def look(value: str, search: Search, write: Write = placeholder, depth: int = 0) -> Looked:
    """Look at one value: as JSON where it is a JSON object or list, as text otherwise.

    >>> look("I am jane@shop.com", Search()).found
    (Place(kind='email', start=5, end=18, turn=0),)
    """
    if depth < DEPTH and value.lstrip().startswith(("{", "[")) and _is_json(value):
        return _look_at_json(value, search, write, depth)
    return _look_at_text(value, "", search, write)


def _is_json(value: str) -> bool:
    try:
        orjson.loads(value)
    except orjson.JSONDecodeError:
        try:
            json.loads(value)  # NaN and lone surrogates, which orjson refuses
        except (ValueError, RecursionError):
            return False
    return True


def _look_at_json(value: str, search: Search, write: Write, depth: int) -> Looked:
    """Look at each string and number by itself, with its key before it; all other characters stay as they are."""
    parts: list[str] = []
    found: list[Place] = []
    key, level, turn, last = "", 0, 0, 0
    is_list = value.lstrip().startswith("[")
    for token in _TOKEN.finditer(value):
        sign = token[0]
        if sign in "{}[],":
            level += (sign in "{[") - (sign in "}]")
            turn += is_list and level == 1 and sign in "[,"
            continue
        is_key = sign[0] == '"' and _COLON.match(value, token.end()) is not None
        looked = _look_at_token(sign, "" if is_key else key, search, write, depth)
        if is_key:
            key = _CAMEL.sub(" ", sign[1:-1])[-40:] + ": "
        if looked.found:
            parts += [value[last : token.start()], looked.value]
            last = token.end()
            found += (place._replace(turn=turn) for place in looked.found)
    return Looked("".join(parts) + value[last:], tuple(found))


def _look_at_token(token: str, key: str, search: Search, write: Write, depth: int) -> Looked:
    if token[0] != '"':
        looked = _look_at_text(token.removesuffix(".0"), key, search._replace(names=None), write)
    else:
        text = json.loads(token)
        if depth + 1 < DEPTH and text.lstrip().startswith(("{", "[")) and _is_json(text):
            looked = _look_at_json(text, search, write, depth + 1)
        else:
            looked = _look_at_text(text, key, search, write)
    return looked._replace(value=json.dumps(looked.value, ensure_ascii=token.isascii())) if looked.found else looked


def _look_at_text(text: str, before: str, search: Search, write: Write) -> Looked:
    first = list(_found(text, before, search))
    if not first:
        return Looked(text, ())
    found, now = first, text
    for tried in range(2 * ROUNDS):
        now = _written(now, found, write if tried < ROUNDS else placeholder)
        found = list(_found(now, before, search))
        if not found:
            break
    return Looked(now, tuple(first))


def _found(text: str, before: str, search: Search) -> Iterator[Place]:
    from tuneset.personal.find import find  # noqa: PLC0415  its regular expressions take 0.3 s to compile

    names = search.names(text) if search.names else ()
    for kind, start, end in find(text, search.region, before, names):
        if kind in search.kinds:
            yield Place(kind, start, end, 0)


def _written(text: str, found: list[Place], write: Write) -> str:
    parts, last = [], 0
    for kind, start, end, _ in found:
        parts += [text[last:start], write(kind, text[start:end])]
        last = end
    return "".join(parts) + text[last:]
