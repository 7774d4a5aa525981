"""What of a review goes out to another tool, and what a person has said there, whatever tool it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
import polars as pl

from tuneset import model
from tuneset.review.queue import EVERYTHING, TWINS, Filters, waiting

if TYPE_CHECKING:
    from tuneset.review.queue import Queue

BESIDE = ("text", "label", "labels", "source")  # of each twin
OFFERED = {  # the verdicts that a person is shown
    "accept": "right: do what is suggested",
    "reject": "wrong: leave it as it is",
    "edit": "take the label or the text that I give",
    "drop": "leave the example out",
    "skip": "decide later",
}


class Column(NamedTuple):
    """A label column: what an example may have there, each value by the word that a person sees for it."""

    name: str
    values: dict[str, Any]
    several: bool  # a list of labels


class Items(NamedTuple):
    """The findings that go out, in the order of the queue, and the label columns of the run."""

    rows: pl.DataFrame  # id, saw, rule, field, says, text, before, after, labels, score; twins: a list of BESIDE
    columns: list[Column]


class Said(NamedTuple):
    """What one person has said of one finding, as the tool has it; nothing of it is checked yet."""

    finding: str
    saw: str
    verdict: str = ""
    labels: dict[str, list[str]] = {}  # noqa: RUF012 - never changed; the words chosen in each label column
    edit: str = ""
    by: str = ""
    note: str = ""
    time: str = ""  # when (ISO 8601), where the tool knows it
    doubt: str = ""  # what could not be read, and is not taken


class Read(NamedTuple):
    """A file that came back: every finding in it, and what people have said of them."""

    findings: list[str]
    said: list[Said]
    notes: tuple[str, ...] = ()


def gather(queue: Queue, filters: Filters = EVERYTHING, limit: int = 0) -> Items:
    """Take from a queue what waits; no more than `limit` findings, all of them where it is 0."""
    found = waiting(queue, filters)
    return items(queue, found.head(limit) if limit else found)


def items(queue: Queue, findings: pl.DataFrame) -> Items:
    """Put beside each finding the first twins of its example, see `queue.twins`."""
    numbered = findings.with_row_index("place")
    beside = (
        numbered.select("place", twin=pl.col("others").list.head(TWINS))
        .explode("twin")
        .drop_nulls("twin")
        .join(
            queue.examples.select(twin="id", **{f"twin_{name}": pl.col(name) for name in BESIDE}),
            on="twin",
            maintain_order="left",
        )
        .group_by("place", maintain_order=True)
        .agg(twins=pl.struct(pl.col(f"twin_{name}").alias(name) for name in BESIDE))
    )
    rows = (
        numbered.with_columns(saw=model.seen(findings))
        .join(beside, on="place", how="left", maintain_order="left")
        .with_columns(pl.col("twins").fill_null([]))
    )
    shown = ("id", "saw", "rule", "field", "says", "text", "before", "after", "labels", "score", "twins")
    return Items(rows.select(shown), columns(queue))


def columns(queue: Queue) -> list[Column]:
    """Return the label columns of a run, with every value that an example has or that is suggested."""
    suggested = queue.findings.filter(pl.col("field") == "/labels")["after"]
    told = pl.concat([queue.examples["labels"], suggested.rename("labels")]).drop_nulls()
    values: dict[str, dict[str, Any]] = {}
    lists: set[str] = set()
    for labels in map(orjson.loads, told.unique(maintain_order=True).to_list()):
        for name, value in labels.items():
            known = values.setdefault(name, {})
            if isinstance(value, list):
                lists.add(name)
            for each in value if isinstance(value, list) else [value]:
                if isinstance(each, str) or word(each) not in known:  # "3" before 3, where a column has both
                    known[word(each)] = each
    return [
        Column(name, {each: known[each] for each in sorted(known) if each}, name in lists)
        for name, known in values.items()
    ]


def word(value: Any) -> str:
    """Say a label's value as a person sees it.

    >>> word("Orders"), word(True), word(None)
    ('Orders', 'true', '')
    """
    return "" if value is None else value if isinstance(value, str) else orjson.dumps(value).decode()


def words(labels: str | None, name: str) -> list[str]:
    """Return what labels (a JSON object) say in a column.

    >>> words('{"a": "x", "b": ["y", "z"]}', "b"), words('{"a": null}', "a")
    (['y', 'z'], [])
    """
    value = orjson.loads(labels).get(name) if labels else None
    return [each for each in map(word, value if isinstance(value, list) else [value]) if each]


def names(given: Any) -> list[str]:
    """Read back the names of the label columns that went out with an item: a list, or JSON of one.

    >>> names('["topic"]'), names(None)
    (['topic'], [])
    """
    if isinstance(given, str):
        try:
            given = orjson.loads(given)
        except orjson.JSONDecodeError:
            return []
    return [str(each) for each in given] if isinstance(given, list) else []


def told(labels: str | None) -> str:
    """Say labels (a JSON object) in words.

    >>> told('{"topic": "Orders", "tags": ["a", "b"]}'), told(None)
    ('topic: Orders; tags: a, b', '')
    """
    if not labels:
        return ""
    return "; ".join(f"{name}: {', '.join(words(labels, name))}" for name in orjson.loads(labels))


def beside(twins: list[dict[str, str | None]]) -> str:
    """Say the twins of an example in one text."""
    return "\n\n".join(f"{told(each['labels'])}\n{each['text'] or ''}".lstrip("\n") for each in twins)


def named(findings: list[str], most: int = 20) -> str:
    """Name findings, the first of them where they are many.

    >>> named(["1a", "2b", "3c"], 2)
    '3 findings (1a, 2b and 1 more)'
    """
    count = f"{len(findings):,} finding{'s' if len(findings) > 1 else ''}"
    more = f" and {len(findings) - most:,} more" if len(findings) > most else ""
    return f"{count} ({', '.join(each[:8] for each in findings[:most])}{more})"
