"""The Hugging Face way: load_dataset, map, train_test_split, to_json."""

import json
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

import datasets

SYSTEM = "Classify the user message into a category and sub-category and output the result as JSON."


def chat(row: dict[str, Any]) -> dict[str, Any]:
    answer = json.dumps({"category": row["category"], "sub_category": row["sub_category"]})
    turns = [("system", SYSTEM), ("user", row["inquiry"]), ("assistant", answer)]
    return {"messages": [{"role": role, "content": content} for role, content in turns]}


def main(source: str, out: str) -> None:
    """Write train.jsonl and validation.jsonl, and say how long all after reading took."""
    datasets.disable_progress_bars()
    table = datasets.load_dataset("csv", data_files=source, split="train", cache_dir=str(Path(out) / "cache"))
    start = perf_counter()
    table = table.class_encode_column("category")
    names = table.features["category"].names
    rows = table.map(
        lambda row: chat(row | {"category": names[row["category"]]}),
        remove_columns=["inquiry", "sub_category"],
    )
    split = rows.train_test_split(test_size=0.2, seed=42, stratify_by_column="category")
    for name, side in (("train", split["train"]), ("validation", split["test"])):
        side.remove_columns("category").to_json(Path(out) / f"{name}.jsonl")
    print(perf_counter() - start)


main(*sys.argv[1:])
