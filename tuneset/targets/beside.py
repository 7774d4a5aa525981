"""What some targets want beside the rows: a registry, a configuration, a card."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tuneset.targets.export import About
    from tuneset.targets.table import Target

Files = dict[str, dict[str, Any]]


def beside(target: Target, about: About, files: Files, folder: Path) -> dict[str, str]:
    """Write what the target wants beside the rows: each file's name and content."""
    makers = {"dataset_info.json": _dataset_info, "axolotl.yaml": _axolotl, "README.md": _card}
    return {name: makers[name](about, files, folder) for name in target.files}


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


def _axolotl(about: About, files: Files, folder: Path) -> str:
    """Give axolotl the lines that belong into its configuration."""
    del about, folder
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


def _card(about: About, files: Files, folder: Path) -> str:
    """Write the card of a dataset for the Hub: the head that its loader reads, and what the run knows."""
    del folder
    summary: Mapping[str, Any] = about.summary
    balance, split = summary["balance"], {name.partition(".")[0]: name for name in files}
    head = [
        "---",
        "configs:",
        "- config_name: default",
        "  data_files:",
        *(line for side, name in split.items() for line in (f"  - split: {side}", f"    path: {name}")),
        f"size_categories:\n- {_size(sum(file['rows'] for file in files.values()))}",
        "task_categories:\n- text-generation",
        "---",
    ]
    rows = [f"| {name} | {file['rows']:,} | {file['bytes']:,} |" for name, file in files.items()]
    body = [
        f"# {about.name}",
        "",
        _counts(balance, summary["versions"]["tuneset"]),
        "",
        "| file | rows | bytes |",
        "| --- | ---: | ---: |",
        *rows,
        "",
        _certified(summary["certificate"]),
    ]
    if about.labels:
        body += ["", f"Label columns: {', '.join(about.labels)}."]
    if about.system:
        quoted = about.system.replace("\n", "\n> ")
        body += [
            "",
            "Every row begins with this instruction; ask the trained model with the same words:",
            "",
            f"> {quoted}",
        ]
    return "\n".join([*head, "", *body]) + "\n"


def _counts(balance: Mapping[str, int], version: str) -> str:
    gone = f"{balance['dropped']:,} dropped and {balance['merged']:,} merged into a twin"
    return f"{balance['in']:,} rows came in, {balance['kept']:,} were kept, {gone}. Prepared with tuneset {version}."


def _certified(proof: Mapping[str, Any]) -> str:
    found = f"{proof['pairs_across']:,} near-duplicates stand on both sides of the split"
    return (
        f"{found}, by an {proof['method']}." if proof["method"].startswith("exact") else f"{found} ({proof['method']})."
    )


def _size(rows: int) -> str:
    """Name the Hub's size category."""
    steps = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
    return next((name for most, name in steps if rows < most), "1M<n<10M")


def _name(about: About) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in about.name.lower()).strip("_") or "dataset"
