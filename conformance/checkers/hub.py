"""A file, or the folder of a card, as `load_dataset` reads it: every row comes back as it was written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lines import REFUSALS, Problem, main, rows, words
from loaded import datasets, load

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def without_nulls(value: Any) -> Any:
    """Leave out what is null, at every depth: versions before 4.7 fill the keys that other rows have."""
    if isinstance(value, dict):
        return {key: without_nulls(each) for key, each in value.items() if each is not None}
    return [without_nulls(each) for each in value] if isinstance(value, list) else value


def check(path: Path) -> Iterator[Problem]:
    """Load the file and compare the rows; beside a card, the file must be the split of its name."""
    try:
        if (path.parent / "README.md").exists():
            table = load(str(path.parent))[path.stem]
        else:
            table = load("json", data_files=str(path), split="train")
        written = [row for _, row in rows(path, "utf-8-sig")]
    except (*REFUSALS, datasets.exceptions.DatasetGenerationError, StopIteration) as error:
        yield Problem(None, words(error.__cause__ or error))
        return
    if len(table) != len(written):
        yield Problem(None, f"{len(table)} rows come back of {len(written)}")
    for number, (came, went) in enumerate(zip(table, written, strict=False), 1):
        if without_nulls(came) != without_nulls(went):
            yield Problem(number, "the row comes back changed")


main(check)
