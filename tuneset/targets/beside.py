"""What some targets want beside the rows: a registry, a configuration, a card, a validation file that is not too large."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tuneset.targets import card, rules

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import polars as pl

    from tuneset.targets.card import Files
    from tuneset.targets.export import About
    from tuneset.targets.table import Target


def beside(target: Target, about: About, files: Files, folder: Path, examples: pl.DataFrame) -> dict[str, str]:
    """Write what the target wants beside the rows: each file's name and content."""
    makers: dict[str, Callable[[], str]] = {
        "dataset_info.json": lambda: _dataset_info(about, files, folder),
        "axolotl.yaml": lambda: _axolotl(files),
        "README.md": lambda: card.card(about, files, known),
        "croissant.json": lambda: card.croissant(about, files, known),
    }
    known = card.facts(examples) if "README.md" in target.files else {}
    return {name: makers[name]() for name in target.files}


def held_back(train: int, held: int, target: Target) -> pl.DataFrame:
    """Say where a validation file has too many rows beside those that are trained on: the problems of one file.

    >>> from tuneset.targets.table import TARGETS
    >>> held_back(2_000, 1_000, TARGETS["gemini"]).height
    0
    >>> held_back(4_000, 1_201, TARGETS["gemini"])["says"].to_list()
    ['1,201 rows beside 4,000 to train on, and 1,200 are taken: 30 %, or 1,000 where that is more']
    """
    share = int(train * target.validation_share + 1e-9)  # .3 * 1010 is a little less than 303
    most = max(share, target.validation_from)
    says = f"{held:,} rows beside {train:,} to train on, and {most:,} are taken: "
    says += f"{target.validation_share * 100:.0f} %, or {target.validation_from:,} where that is more"
    fewer = rules.Rule("error", "hold back fewer rows: tuneset prepare --validation takes a smaller share")
    found = [(None, "too-many-rows", says)] if target.validation_share and held > most else []
    return rules.weighed(found, target, {"too-many-rows": fewer})


def _dataset_info(about: About, files: Files, folder: Path) -> str:
    """Name the files for LLaMA-Factory; once columns are named, one that is not named is dropped there."""
    entries = {}
    for file in files:
        with (folder / file).open(encoding="utf-8") as lines:
            has_tools = any('"tools": "' in line for line in lines)
        entries[f"{_name(about)}_{file.removesuffix('.jsonl')}"] = {
            "file_name": file,
            "formatting": "sharegpt",
            "columns": {"messages": "conversations"} | ({"tools": "tools"} if has_tools else {}),
            "tags": {
                "role_tag": "from",
                "content_tag": "value",
                "user_tag": "human",
                "assistant_tag": "gpt",
                "observation_tag": "observation",
                "function_tag": "function_call",
                "system_tag": "system",
            },
        }
    return json.dumps(entries, indent=2) + "\n"


def _axolotl(files: Files) -> str:
    """Give axolotl the lines that belong into its configuration."""
    lines = []
    for key, name in (("datasets", "train.jsonl"), ("test_datasets", "validation.jsonl")):
        if name in files:
            split = ["    split: train"] if key == "test_datasets" else []
            lines += [
                f"{key}:",
                f"  - path: {name}",
                "    ds_type: json",
                *split,
                "    type: chat_template",
                "    field_messages: messages",
                "    field_tools: tools",
                "    roles_to_train: [assistant]",
                "    train_on_eos: turn",
            ]
    return "\n".join(["# Take these lines into your axolotl configuration.", *lines]) + "\n"


def _name(about: About) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in about.name.lower()).strip("_") or "dataset"
