"""How often the step `language` is right: false alarms on real English sets, and short sentences in seven languages."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import polars as pl

from tuneset.clean.language import Language, hear
from tuneset.testing import examples

DATA = Path(os.environ.get("TUNESET_DATA", Path(__file__).parents[3] / "shared" / "data"))
SENTENCES = Path(__file__).parents[2] / "tests" / "sentences.csv"
SETS = {
    "clinc150": ("clinc150/clinc150.csv", "inquiry"),
    "banking77": ("banking77/train.csv", "text"),
    "hwu64": ("hwu64/hwu64.csv", "text_as_typed"),
}
OTHERS = 5  # in each language's set, one row in so many is in another language


def sentences() -> dict[str, list[str]]:
    """Read the 200 sentences of each language."""
    read: dict[str, list[str]] = {}
    with SENTENCES.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            read.setdefault(row["language"], []).append(row["text"])
    return read


def measure(data: Path) -> dict[str, float]:
    figures: dict[str, float] = {}
    for name, (path, column) in SETS.items():
        rows_of = examples(pl.read_csv(data / path, infer_schema=False)[column].drop_nulls())
        figures[f"language.{name}.false_alarms"] = Language()(rows_of).height / rows_of.height
    right, found, false, rows, others = 0, 0, 0, 0, 0
    said = sentences()
    for language, texts in said.items():
        best = [max((likely := hear(text).likely), key=likely.__getitem__, default="") for text in texts]
        figures[f"language.{language}.right"] = best.count(language) / len(texts)
        right += best.count(language)
        strays = [text for other, theirs in said.items() if other != language for text in theirs[:: 6 * OTHERS]]
        table = examples([*texts, *strays])
        flagged = set(Language()(table)["example"])
        is_flagged = [example in flagged for example in table["id"]]
        false, found = false + sum(is_flagged[: len(texts)]), found + sum(is_flagged[len(texts) :])
        rows, others = rows + len(texts), others + len(strays)
    figures["language.sentences.right"] = right / rows
    figures["language.sentences.recall"] = found / others
    figures["language.sentences.false_alarms"] = false / rows
    return figures


if __name__ == "__main__":
    for what, figure in measure(DATA).items():
        print(f"{what:44} {figure:.4f}")
