"""A file as `datasets` loads it, which is how the open trainers read one."""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING, Any

os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}

import datasets  # it reads the environment when it is imported
from lines import REFUSALS, Problem, words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

datasets.disable_progress_bars()
datasets.logging.set_verbosity_error()


def load(path: str, **options: Any) -> Any:
    """Load a dataset without leaving anything in the cache of this machine."""
    with tempfile.TemporaryDirectory() as cache:
        return datasets.load_dataset(path, cache_dir=cache, keep_in_memory=True, **options)


def each_loaded(path: Path, check: Callable[[Any], None], *also: type[Exception]) -> Iterator[Problem]:
    """Load a file and hand each row to a function that raises where it refuses one."""
    try:
        table = list(load("json", data_files=str(path), split="train"))  # bytes that are no UTF-8 fail only here
    except (*REFUSALS, datasets.exceptions.DatasetGenerationError, StopIteration) as error:
        yield Problem(None, words(error.__cause__ or error))
        return
    for number, row in enumerate(table, 1):
        try:
            check(row)
        except (*REFUSALS, *also) as error:
            yield Problem(number, words(error))
    if not table:
        yield Problem(None, "the file is empty")
