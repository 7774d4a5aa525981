"""Wrong labels: how well they are ranked and found, beside cleanlab, on the same rows, labels and vectors."""

from __future__ import annotations

import importlib
import json
import sys
from typing import TYPE_CHECKING, Any

from process import BENCH, PEERS, NotRunError, run
from recall import DATA
from tables import OURS, Promise, Table

if TYPE_CHECKING:
    from pathlib import Path

COLUMNS = {"F1": "more", "average precision": "more", "seconds": "less"}
SIZES = {"small": ("500 rows of 10 labels", 2), "large": ("3,000 rows of 77 labels", 1)}
RANKINGS = ("self_confidence", "normalized_margin", "confidence_weighted_entropy")


def measure(out: Path) -> list[Table]:
    """Give a table for small and one for large sets."""
    sys.path.append(str(BENCH / "quality"))
    label_errors: Any = importlib.import_module("label_errors")
    tables = []
    for size, (title, seeds) in SIZES.items():
        folder = out / size
        folder.mkdir()
        grid = label_errors.grid(DATA, size, "", seeds, folder)
        ours = {
            "F1": float(grid["f1"].mean()),
            "average precision": float(grid["ap"].mean()),
            "seconds": float(grid["seconds"].mean()),
        }
        tables.append(_table(f"Wrong labels, {title}", grid.height, ours, _cleanlab(folder, size)))
    return tables


def _cleanlab(folder: Path, size: str) -> dict[str, dict[str, float]] | str:
    """Its default, and the best of its three rankings of the same probabilities."""
    out = folder / "means.json"
    try:
        run(PEERS, BENCH / "peers" / "label.py", folder, out, env={"OPENBLAS_NUM_THREADS": "1"})
    except (NotRunError, FileNotFoundError) as error:
        return str(error)
    said = json.loads(out.read_text())[f"ngrams {size}"]
    means = {
        "F1": said["f1 cleanlab"],
        "average precision": max(said[f"ap cleanlab {ranking}"] for ranking in RANKINGS),
        "seconds": said["seconds cleanlab"],
    }
    ranked = {
        "average precision": max(said[f"ap cleanlab {ranking} of ours"] for ranking in RANKINGS),
        "seconds": said["ranking cleanlab"],
    }
    return {"cleanlab": means, "cleanlab on our probabilities": ranked}


def _table(title: str, cells: int, ours: dict[str, float], theirs: dict[str, dict[str, float]] | str) -> Table:
    ways: dict[str, dict[str, float] | str] = {OURS: ours}
    ways |= {"cleanlab": theirs} if isinstance(theirs, str) else theirs
    promises: list[Promise] = []
    if isinstance(theirs, dict):
        promises.append(
            Promise("seconds / cleanlab's default", ours["seconds"] / theirs["cleanlab"]["seconds"], "<= 0.1")
        )
    return Table(
        title,
        f"Means of {cells} draws of BANKING77, CLINC150 and HWU64 in which 5 or 10 % of the labels were changed, to any other or "
        "to one that is likely mistaken for it. cleanlab as its tutorials do it: probabilities of logistic regression in five "
        "folds on the same vectors, then find_label_issues; of its three rankings the best. On our probabilities it has the "
        "models for nothing, and its seconds are those of ranking alone. Seconds are of one core.",
        COLUMNS,
        ways,
        "F1",
        tuple(promises),
        ("cleanlab",),
    )
