"""Splitting and writing alone; and what a split by labels alone leaves on both sides."""

from __future__ import annotations

import json
import tempfile
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from process import BENCH, PYTHON, NotRunError, prepare, run
from recall import DATA
from rows import ngram_rows
from tables import OURS, Promise, Table

from tuneset import near

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

WAYS = (OURS, "scikit-learn, json.dumps", "datasets")
GROUPED = "scikit-learn, StratifiedGroupKFold"


def measure(out: Path) -> list[Table]:
    """Give a table of times, and one of near-duplicates across the split."""
    return [fast(out, 100_000), torn(out)]


def fast(out: Path, size: int) -> Table:
    """Time each way three times in turn and take the best."""
    answer = pl.struct("category", "sub_category").struct.json_encode()
    source = out / "rows.parquet"
    ngram_rows(size, 42).with_columns(answer=answer).write_parquet(source)
    found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    ways: dict[str, dict[str, float] | str] = {}
    for _ in range(3):
        for way, runs in found.items():
            try:
                folder = tempfile.mkdtemp(dir=out)
                runs.append(json.loads(run(PYTHON, BENCH / "ways" / "split_write.py", way, source, folder).printed))
            except NotRunError as error:
                ways[way] = str(error)
    for way, runs in found.items():
        if runs:
            ways[way] = {
                f"{step}, rows/s": round(size / min(each[step] for each in runs)) for step in ("split", "write")
            }
    return Table(
        f"Splitting and writing alone, {size:,} rows",
        "Rows in memory; split by the category, then two files of chat lines. tuneset's split is here its draw alone, which gives "
        "the same rows as scikit-learn's; what keeps near-duplicates together is in the next table. The rows of `datasets` are "
        "chat rows before the clock starts, those of the others are made while writing.",
        {"split, rows/s": "more", "write, rows/s": "more"},
        ways,
    )


def torn(out: Path) -> Table:
    """Split BANKING77 and count pairs of near-duplicates with a row on either side."""
    from sklearn.model_selection import StratifiedGroupKFold, train_test_split

    rows = prepared(out)
    pairs = near.pairs(near.sets(rows["text"]))
    labels, every = rows["label"].to_numpy(), np.arange(rows.height)
    validation = train_test_split(every, test_size=0.2, stratify=labels, random_state=42)[1]
    groups = near.components(rows.height, pairs.left, pairs.right)
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=42)
    held = {
        OURS: (rows["side"] == "validation").to_numpy(),
        "scikit-learn": np.isin(every, validation),
        GROUPED: np.isin(every, next(folds.split(every, labels, groups))[1]),
    }
    across = {way: int((side[pairs.left] != side[pairs.right]).sum()) for way, side in held.items()}
    ways: dict[str, dict[str, float] | str] = {
        way: {
            "pairs across": across[way],
            "labels, largest share off, points": _off(labels, side),
            "validation, % of rows": round(100 * float(side.mean()), 2),
        }
        for way, side in held.items()
    }
    return Table(
        "Near-duplicates across the split, BANKING77",
        f"{len(pairs.left):,} pairs of {rows.height:,} rows are near-duplicates. StratifiedGroupKFold is told the groups that our "
        "search found; finding them is not its work. Off: by how many points the share of a label in validation differs from its "
        "share in train, the largest.",
        {"pairs across": "less", "labels, largest share off, points": "less", "validation, % of rows": ""},
        ways,
        promises=(Promise("pairs across", across[OURS], "<= 0"),),
    )


def prepared(out: Path) -> pl.DataFrame:
    """Prepare BANKING77's train rows; return those that stay: text, label, side."""
    run(*prepare(DATA / "banking77" / "train.csv"), out / "banking")
    stage = out / "banking" / ".tuneset" / "04-split"
    sides = pl.read_parquet(stage / "split.parquet", columns=["id", "side"])
    return pl.read_parquet(stage / "examples.parquet", columns=["id", "text", "label"]).join(sides, on="id")


def _off(labels: NDArray[np.str_], side: NDArray[np.bool_]) -> float:
    names, codes = np.unique(labels, return_inverse=True)
    shares = [np.bincount(codes[part], minlength=len(names)) / part.sum() for part in (side, ~side)]
    return round(100 * float(np.abs(shares[0] - shares[1]).max()), 2)
