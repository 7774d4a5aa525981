"""Semantic duplicates: what is found of real paraphrases, and how much of what is flagged was right when read.

Needs an embedding model: TUNESET_EMBEDDER=FOLDER python bench/quality/semantic.py (the published figures: all-MiniLM-L6-v2 as
ONNX). `semantic_read.csv` holds what was read: a hash of the two texts, and whether they say the same.
"""

from __future__ import annotations

import os
import time
from hashlib import blake2b
from pathlib import Path

import numpy as np
import polars as pl

from tuneset import near, step
from tuneset.dedupe.semantic import SPELLED, SemanticDuplicate
from tuneset.near.grams import jaccard, rows_of
from tuneset.testing import examples

DATA = Path(os.environ.get("TUNESET_DATA", Path(__file__).parents[3] / "shared" / "data"))
READ = Path(__file__).with_name("semantic_read.csv")


def measure(data: Path) -> dict[str, float]:
    """Return the figures by name; nothing without a model."""
    model = os.environ.get("TUNESET_EMBEDDER", "")
    if not model:
        return {}
    figures = {}
    wrong = dict(pl.read_csv(READ, schema={"pair": pl.String, "right": pl.Int64}).rows())
    for name, rows in tables(data).items():
        started = time.perf_counter()
        found = flagged(rows, model)
        figures[f"semantic.{name}.seconds"] = round(time.perf_counter() - started, 1)
        figures[f"semantic.{name}.rows"] = rows.height
        figures[f"semantic.{name}.pairs"] = found.height
        figures[f"semantic.{name}.same_label"] = round(float((found["label"] == found["twin_label"]).mean() or 0), 3)  # type: ignore[arg-type]
        free = found.filter(pl.col("action") == "drop")
        verdicts = [wrong[key] for key in map(pair, free["text"], free["twin"]) if key in wrong]
        if verdicts:
            figures[f"semantic.{name}.read"] = len(verdicts)
            figures[f"semantic.{name}.precision"] = round(sum(verdicts) / len(verdicts), 3)
    return figures | recall(data, model)


def recall(data: Path, model: str) -> dict[str, float]:
    """Look for 1,000 real inquiries' paraphrases, one each, written by a language model; those alike in spelling left out."""
    drawn = paraphrases(data).unique("GUID", keep="first", maintain_order=True)
    both = pl.concat([drawn.select(text="seed", label="label"), drawn.select("text", "label")])
    spelling = near.sets(both["text"])
    rows = np.arange(drawn.height)
    apart = jaccard(rows_of(spelling, np.arange(both.height)), rows, rows + drawn.height) < SPELLED
    wanted = {pair(*texts) for texts in drawn.select("seed", "text").filter(pl.Series(apart)).rows()}
    found = flagged(both.unique("text", keep="first", maintain_order=True), model)
    got = wanted & set(map(pair, found["text"], found["twin"]))
    return {"semantic.paraphrases.wanted": len(wanted), "semantic.paraphrases.recall": round(len(got) / len(wanted), 3)}


def tables(data: Path) -> dict[str, pl.DataFrame]:
    """Return the tables that nothing was tuned to, and samples of them in the size of a small set."""
    banking = pl.read_csv(data / "banking77" / "test.csv").select("text", label="category")
    clinc = pl.read_csv(data / "clinc150" / "clinc150.csv").filter(pl.col("split") == "val")
    hwu = pl.read_csv(data / "hwu64" / "hwu64.csv", infer_schema=False).drop_nulls("text_as_annotated")
    named = {
        "banking77": banking,
        "clinc150": clinc.select(text="inquiry", label="sub_category"),
        "hwu64": hwu.select(text="text_as_annotated", label=pl.format("{} {}", "category", "sub_category")),
    }
    whole = {name: table.unique("text", keep="first", maintain_order=True) for name, table in named.items()}
    whole["hwu64"] = whole["hwu64"].gather_every(2, offset=1)
    return whole | {f"{name}_500": table.sample(500, seed=3) for name, table in whole.items()}


def paraphrases(data: Path) -> pl.DataFrame:
    """Read 1,000 seeds with ten paraphrases each."""
    names = {"Original Example": "seed", "ChatGPT's Paraphrase": "text", "Label": "label"}
    return pl.read_csv(data / "paraphrases" / "banking_dev_paraphrases.csv").rename(names)


def flagged(rows: pl.DataFrame, model: str) -> pl.DataFrame:
    """Run the step, and put texts and labels beside what it found."""
    table = examples(rows.select("text", "label").rows(named=True))
    said = table.select("id", "text", "label")
    return (
        step.run(SemanticDuplicate(model=model), table)
        .with_columns(other=pl.col("others").list.first())
        .join(said, left_on="example", right_on="id", maintain_order="left")
        .join(
            said.rename({"text": "twin", "label": "twin_label"}), left_on="other", right_on="id", maintain_order="left"
        )
    )


def pair(one: str, other: str) -> str:
    """Hash two texts, whichever comes first."""
    return blake2b("\0".join(sorted((one, other))).encode(), digest_size=8).hexdigest()


if __name__ == "__main__":
    for figure, value in measure(DATA).items():
        print(f"{figure:<40} {value}")
