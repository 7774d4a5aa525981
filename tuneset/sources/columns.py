"""Which column is the text and which are the labels, by name and by what is in them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from tuneset.errors import RecipeError, unknown

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import polars as pl

_TEXT = [
    "text",
    "inquiry",
    "message",
    "query",
    "question",
    "prompt",
    "utterance",
    "content",
    "body",
    "review",
    "sentence",
    "input",
    "ticket",
    "description",
    "comment",
    "email",
    "post",
    "tweet",
    "request",
    "complaint",
    "transcript",
    "statement",
    "document",
    "abstract",
]
_LABEL = [
    "label",
    "category",
    "subcategory",
    "intent",
    "class",
    "topic",
    "target",
    "sentiment",
    "tag",
    "output",
    "answer",
    "completion",
    "response",
    "department",
    "queue",
    "emotion",
    "priority",
    "genre",
]
_NEITHER = {
    "id",
    "uuid",
    "guid",
    "index",
    "idx",
    "date",
    "time",
    "timestamp",
    "split",
    "fold",
    "created",
    "updated",
    "url",
}
_SPLITS = {"train", "training", "test", "validation", "valid", "val", "dev", "eval"}
_SAMPLE = 10_000


class Columns(NamedTuple):
    """The kind of rows, and what the columns of a table are; conversations have neither text nor labels."""

    kind: str  # "table", "chat", "sharegpt", "alpaca" or "prompt-completion"
    text: str | None = None
    labels: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    guessed: tuple[str, ...] = ()  # "text", "labels": what the user did not name


class _Shape(NamedTuple):
    name: str
    filled: int  # cells that are not blank
    distinct: int
    length: float  # characters of a cell, on average
    plain: bool  # no id, date, number with a point, or name of a split


def choose(  # noqa: PLR0913 - what a user may name, one each
    cells: pl.DataFrame,
    text: str | None,
    labels: Sequence[str],
    groups: Sequence[str],
    where: str,
    *,
    labelled: bool = True,
) -> Columns:
    """Take the columns that the user named and guess the others.

    A name counts more than a shape: `inquiry` is text, `sub_category` a label. Without such names the text is the one
    column of long cells that are mostly different, the label the one of short cells that repeat. Columns that hold
    ids, dates or the names of splits are neither. Raises RecipeError with the candidates where that is not clear; but for
    labels where the set is to be looked at only (`labelled` is false): then there are none.

    >>> import polars as pl
    >>> cells = pl.DataFrame({"id": ["1", "2"], "inquiry": ["Where is it?", "Refund!"], "intent": ["track", "refund"]})
    >>> choose(cells, None, [], [], "orders.csv")
    Columns(kind='table', text='inquiry', labels=('intent',), groups=(), guessed=('text', 'labels'))
    """
    named = [*([text] if text else []), *labels, *groups]
    for name in named:
        if name not in cells.columns:
            raise unknown("column", name, cells.columns, where)
    if text in labels:
        raise RecipeError(f"column {text!r} cannot be both text and label", where, "name another column with --label")
    guessed = tuple(what for what, given in (("text", text), ("labels", labels)) if not given)
    free = [name for name in cells.columns if name not in named]
    sample = cells.select(free).gather_every(max(1, cells.height // _SAMPLE))
    shapes = [_shape(sample[name]) for name in free]
    text = text or _text(shapes, sample, where)
    others = [shape for shape in shapes if shape.name != text]
    labels = tuple(labels) or (_labels(others, sample, text, where) if labelled else _likely_labels(others))
    return Columns("table", text, tuple(labels), tuple(groups), guessed)


def _shape(column: pl.Series) -> _Shape:
    filled = column.drop_nulls().str.strip_chars()
    filled = filled.filter(filled != "")
    distinct = filled.n_unique()
    values = set(filled.head(1_000).unique().to_list())
    tokens = set(_tokens(column.name))
    dated = re.compile(r"\d{4}-\d\d-\d\d.*|\d\d?[./]\d\d?[./]\d{2,4}.*|-?\d*\.\d+([eE][-+]?\d+)?")
    odd = bool(tokens & _NEITHER) or bool(values and {value.casefold() for value in values} <= _SPLITS)
    odd = odd or bool(values and all(dated.fullmatch(value) for value in values))
    numbers = bool(values) and all(value.isdigit() for value in values)
    odd = odd or (numbers and distinct > 2 and distinct > 0.5 * len(filled))  # a running number
    length = filled.str.len_chars().mean()
    return _Shape(column.name, len(filled), distinct, float(length) if isinstance(length, float) else 0.0, not odd)


def _text(shapes: Sequence[_Shape], sample: pl.DataFrame, where: str) -> str:
    tiers = (
        [shape for shape in shapes if _named(shape.name, _TEXT, whole=True)],
        [shape for shape in shapes if shape.plain and _named(shape.name, _TEXT) and not _named(shape.name, _LABEL)],
        [shape for shape in shapes if shape.plain and _long(shape) and not _named(shape.name, _LABEL)],
        [shape for shape in shapes if shape.plain and _long(shape)],
    )
    for tier in tiers:
        likely = tier if len(tier) < 2 else [shape for shape in tier if _long(shape)] or tier
        if len(likely) == 1:
            return likely[0].name
        if likely:
            raise _unclear("text", "--text", [shape.name for shape in likely], sample, where)
    raise _unclear("text", "--text", sample.columns, sample, where)


def _likely_labels(shapes: Sequence[_Shape]) -> tuple[str, ...]:
    """Return the columns whose names say that they are labels."""
    exact = [shape for shape in shapes if _named(shape.name, _LABEL, whole=True)]  # a rating of 1.0 is a label, too
    exact = [shape for shape in exact if shape.filled] or exact
    usable = [shape for shape in shapes if shape.plain and shape.filled]
    return tuple(shape.name for shape in exact or usable if exact or _named(shape.name, _LABEL))


def _labels(shapes: Sequence[_Shape], sample: pl.DataFrame, text: str, where: str) -> tuple[str, ...]:
    if likely := _likely_labels(shapes):
        return likely
    usable = [shape for shape in shapes if shape.plain and shape.filled]
    repeated = [shape.name for shape in usable if shape.distinct <= 0.5 * shape.filled and shape.length < 60]
    if len(repeated) == 1:
        return (repeated[0],)
    if repeated:
        raise _unclear("the label", "--label", repeated, sample, where)
    others = [name for name in sample.columns if name != text]
    if others:
        raise _unclear("the label", "--label", others, sample, where)
    hint = "add a column with the answer for each text, and name it with --label"
    raise RecipeError(f"there is text ({text}) and no answer to learn from", where, hint)


def _long(shape: _Shape) -> bool:
    """Say whether cells look like text: mostly different and more than a word, or sentences however often they repeat."""
    return shape.length >= 30 or (shape.length >= 12 and shape.distinct >= 0.5 * shape.filled)


def _tokens(name: str) -> list[str]:
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return re.findall(r"[^\W_\d]+", apart.casefold())


def _named(name: str, words: Iterable[str], *, whole: bool = False) -> bool:
    """Say whether a name has one of the words, or is one (`sub_category`, `labels` and `Label 2` are, too)."""
    tokens = [re.sub(r"ies$", "y", token) if token not in words else token for token in _tokens(name)]
    tokens = [token if token in words else token.removesuffix("s") for token in tokens]
    if whole:
        rest = [
            token for token in tokens if token not in {"sub", "main", "super", "fine", "coarse", "customer", "user"}
        ]
        return len(rest) == 1 and rest[0] in words
    return bool(set(tokens) & set(words))


def is_usual(name: str) -> bool:
    """Say whether a name is one that text and label columns, or ids, dates and splits, usually have.

    >>> is_usual("sub_category"), is_usual("ID"), is_usual("track")
    (True, True, False)
    """
    return _named(name, (*_TEXT, *_LABEL, *_NEITHER), whole=True)


def has_usual(name: str) -> bool:
    """Say whether a word of a name is one that columns usually have.

    >>> has_usual("created_at"), has_usual("card_arrival")
    (True, False)
    """
    return _named(name, (*_TEXT, *_LABEL, *_NEITHER))


def _unclear(what: str, flag: str, candidates: Iterable[str], sample: pl.DataFrame, where: str) -> RecipeError:
    """Name the candidates, each with a value from it, and the flag that settles it."""
    listed = []
    for name in list(candidates)[:8]:
        values = sample[name].drop_nulls().str.strip_chars()
        value = next(iter(values.filter(values != "").head(1)), "")
        listed.append(f"{flag} {_quoted(name)} ({value[:40]}{'...' if len(value) > 40 else ''})")
    return RecipeError(f"it is not clear which column is {what}", where, " or ".join(listed) or f"name it with {flag}")


def _quoted(name: str) -> str:
    return name if re.fullmatch(r"[\w.-]+", name) else "'" + name.replace("'", "'\\''") + "'"
