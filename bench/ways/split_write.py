"""Split a table and write two files of chat lines in one way: `python split_write.py NAME ROWS.parquet OUT` says the seconds of both."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterator

    Steps = Iterator[Any]

SYSTEM = "Classify the user message into a category and sub-category and output the result as JSON."


def tuneset(rows: pl.DataFrame, out: Path) -> Steps:
    from tuneset.split import draw, strata_of
    from tuneset.targets import lines
    from tuneset.testing import examples

    table = examples(rows.select("text", label="answer").rows(named=True))
    column = rows.select(labels=pl.struct("category").struct.json_encode())
    yield None
    codes, _ = strata_of(column, ["category"])
    held = pl.Series(draw(codes, 0.2, 42))
    yield held.arg_true().to_list()
    for name, side in (("train", ~held), ("validation", held)):
        lines.write(lines.lines(table.filter(side), SYSTEM), out / f"{name}.jsonl")


def scikit_learn(rows: pl.DataFrame, out: Path) -> Steps:
    """And json.dumps, as notebooks do it."""
    from sklearn.model_selection import train_test_split

    yield None
    sides = train_test_split(
        np.arange(rows.height), test_size=0.2, stratify=rows["category"].to_numpy(), random_state=42
    )
    yield sides[1].tolist()
    for name, side in zip(("train", "validation"), sides, strict=True):
        with (out / f"{name}.jsonl").open("w") as file:
            for text, answer in rows[side].select("text", "answer").iter_rows():
                file.write(json.dumps({"messages": _turns(text, answer)}) + "\n")


def hugging_face(rows: pl.DataFrame, out: Path) -> Steps:
    """`datasets` on chat rows that are made already."""
    import datasets

    datasets.disable_progress_bars()
    chat = [_turns(text, answer) for text, answer in rows.select("text", "answer").iter_rows()]
    table = datasets.Dataset.from_dict({"messages": chat, "category": rows["category"], "row": range(rows.height)})
    table = table.class_encode_column("category")
    yield None
    split = table.train_test_split(test_size=0.2, seed=42, stratify_by_column="category")
    yield split["test"]["row"][:]
    for name, side in (("train", split["train"]), ("validation", split["test"])):
        side.select_columns("messages").to_json(out / f"{name}.jsonl")


def _turns(text: str, answer: str) -> list[dict[str, str]]:
    turns = [("system", SYSTEM), ("user", text), ("assistant", answer)]
    return [{"role": role, "content": content} for role, content in turns]


WAYS = {"tuneset": tuneset, "scikit-learn, json.dumps": scikit_learn, "datasets": hugging_face}


def main(name: str, source: str, out: str) -> None:
    """Time the split, then the writing; say which rows are for validation."""
    steps = WAYS[name](pl.read_parquet(source), Path(out))
    next(steps)
    start = perf_counter()
    held = next(steps)
    split = perf_counter()
    next(steps, None)
    print(json.dumps({"split": split - start, "write": perf_counter() - split}))
    (Path(out) / "held.json").write_text(json.dumps(list(held)))


if __name__ == "__main__":
    main(*sys.argv[1:])
