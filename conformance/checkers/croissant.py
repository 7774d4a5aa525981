"""The Croissant description beside a file, by MLCommons' mlcroissant: the set of the file's name gives every message."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from lines import REFUSALS, Problem, main, rows, words
from mlcroissant import Dataset, GenerationError, ValidationError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEYS = ("role", "content")


@cache
def described(file: Path) -> Dataset:
    """Read a description, once for the files that stand in it."""
    return Dataset(jsonld=str(file))


def told(record: dict[str, Any], side: str) -> list[list[str | None]]:
    """Take roles and contents out of a record; texts come as bytes."""
    values = [record[f"{side}/{key}"] for key in KEYS]
    return [[each.decode() if isinstance(each, bytes) else each for each in one] for one in values]


def check(path: Path) -> Iterator[Problem]:
    """Compare what is given with what stands in the file."""
    side = path.stem
    try:
        given = [told(record, side) for record in described(path.parent / "croissant.json").records(side)]
    except (*REFUSALS, OSError, GenerationError, ValidationError) as error:
        yield Problem(None, words(error))
        return
    written = [[[message.get(key) for message in row["messages"]] for key in KEYS] for _, row in rows(path)]
    if len(given) != len(written):
        yield Problem(None, f"{len(given)} rows are given of {len(written)}")
    for number, (came, went) in enumerate(zip(given, written, strict=False), 1):
        if came != went:
            yield Problem(number, "another row is given")


main(check)
