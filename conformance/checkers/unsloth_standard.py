"""Unsloth's standardiser of conversations, without torch; it looks at the first rows only, so each row is shown to it alone."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from datasets import Dataset  # before torch has a stand-in, for which it looks
from lines import alone, main
from loaded import each_loaded

sys.modules["torch"] = ModuleType("torch")
alone("unsloth_zoo", dataset_num_proc={"get_dataset_num_proc": lambda _: None})

from unsloth_zoo.dataset_utils import standardize_data_formats  # noqa: E402  # only now can it be imported

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lines import Problem

del sys.modules["torch"]


def check_row(row: Any) -> None:
    """Raise where the row is refused, or comes back as it was."""
    made = standardize_data_formats(Dataset.from_list([row]))[0]
    if "conversations" not in made:
        raise ValueError("there are no conversations")
    if [sorted(message) for message in made["conversations"]] != [["content", "role"]] * len(row["conversations"]):
        raise ValueError("the row was not understood")


def check(path: Path) -> Iterator[Problem]:
    """Check every row."""
    yield from each_loaded(path, check_row)


main(check)
