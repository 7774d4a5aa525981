"""Wrong labels: how well they are ranked and found, beside cleanlab, on the same rows, labels and vectors."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from process import BENCH, PEERS, PYTHON, NotRunError, run
from tables import OURS, Promise, Table

if TYPE_CHECKING:
    from pathlib import Path

COLUMNS = {"F1": "more", "average precision": "more", "seconds": "less"}
SIZES = {"small": ("500 rows of 10 labels", 2), "large": ("3,000 rows of 77 labels", 1)}
ONE = {"OPENBLAS_NUM_THREADS": "1"}  # seconds are of processors: of one core, then
RANKINGS = ("self_confidence", "normalized_margin", "confidence_weighted_entropy")


def measure(out: Path) -> list[Table]:
    """Give a table for small and one for large sets."""
    tables = []
    for size, (title, seeds) in SIZES.items():
        folder = out / size
        folder.mkdir()
        ours = run(PYTHON, BENCH / "ways" / "judge_labels.py", size, str(seeds), folder, env=ONE)
        tables.append(_table(f"Wrong labels, {title}", json.loads(ours.printed), _cleanlab(folder, size)))
    return tables


def _cleanlab(folder: Path, size: str) -> dict[str, dict[str, float]] | str:
    """Its default, and the best of its three rankings of the same probabilities."""
    out = folder / "means.json"
    try:
        run(PEERS, BENCH / "peers" / "label.py", folder, out, env=ONE)
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


def _table(title: str, ours: dict[str, float], theirs: dict[str, dict[str, float]] | str) -> Table:
    cells = ours.pop("cells")
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
