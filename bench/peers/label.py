"""Put cleanlab beside the label audit, on cells that bench/quality/label_errors.py saved: `python label.py FOLDER [OUT.json]`.

For each cell: cleanlab's default on the probabilities of logistic regression in five folds, on the same vectors; its three
rankings of these; and each of its filters on *our* probabilities, at equal numbers of flags (the fewer of the two). Prints
means over the noises for n-grams and model, small and large, and writes them where OUT names a file. Times are of one core (OPENBLAS_NUM_THREADS=1).
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

FILTERS = ("prune_by_noise_rate", "prune_by_class", "both", "confident_learning", "predicted_neq_given")
LOW = ("low_normalized_margin", "low_self_confidence")
RANKINGS = ("self_confidence", "normalized_margin", "confidence_weighted_entropy")


def average_precision(score: Array, wrong: Array) -> float:
    found = wrong[np.argsort(-score, kind="stable")]
    return float((np.cumsum(found) / np.arange(1, len(found) + 1))[found].mean())


def f1(flagged: Array, wrong: Array) -> float:
    return float(2 * (flagged & wrong).sum() / max(1, flagged.sum() + wrong.sum()))


def marked(rows: Array, many: int) -> Array:
    """Mark these rows of `many`."""
    out = np.zeros(many, np.bool_)
    out[rows] = True
    return out


def folds(vectors: Array, given: Array) -> Array:
    """Return what logistic regression says of rows that it has not seen, as cleanlab's tutorials do."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    split = StratifiedKFold(5, shuffle=True, random_state=0)
    model = LogisticRegression(max_iter=400)
    return np.asarray(cross_val_predict(model, vectors, given, cv=split, method="predict_proba"))


def measured(cell: Any) -> dict[str, float]:
    """Compare one cell."""
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    given, wrong = cell["given"], cell["given"] != cell["true"]
    present, codes = np.unique(given, return_inverse=True)
    started = time.process_time()
    theirs = folds(cell["vectors"], codes)
    between = time.process_time()
    issues = find_label_issues(codes, theirs, n_jobs=1)
    ended = time.process_time()
    ours = cell["flagged"]
    out = {
        "f1 ours": f1(ours, wrong),
        "f1 cleanlab": f1(issues, wrong),
        "ap ours": average_precision(cell["doubt"], wrong),
        "seconds ours": float(cell["seconds"][0]),
        "seconds cleanlab": ended - started,
        "ranking ours": float(cell["seconds"][1]),
        "ranking cleanlab": ended - between,
    }
    likely = np.clip(cell["likely"][:, present], 1e-6, None)
    likely /= likely.sum(axis=1, keepdims=True)
    for ranking in RANKINGS:
        for name, said in (("", theirs), (" of ours", likely)):
            quality = get_label_quality_scores(codes, said, method=ranking, adjust_pred_probs=False)
            out[f"ap cleanlab {ranking}{name}"] = average_precision(1 - quality, wrong)
    order = np.argsort(-cell["doubt"], kind="stable")
    for filtered in (*FILTERS, *LOW):
        ranked = find_label_issues(
            codes, likely, filter_by=filtered, return_indices_ranked_by="normalized_margin", n_jobs=1
        )
        many = min(len(ranked), int(ours.sum()))
        out[f"equal {filtered} ours"] = f1(marked(order[:many], len(given)), wrong)
        out[f"equal {filtered} cleanlab"] = f1(marked(ranked[:many], len(given)), wrong)
    return out


def main(folder: Path, out: str = "") -> None:
    """Print means by features and size; write them."""
    warnings.simplefilter("ignore")
    by: dict[str, list[dict[str, float]]] = defaultdict(list)
    for path in sorted(folder.glob("*.npz")):
        features, size, name, _ = path.stem.split("-", 3)
        figures = measured(np.load(path))
        by[f"{features} {size}"].append(figures)
        by[f"{features} {size} {name}"].append(figures)
        print(path.stem, f"{figures['f1 ours']:.3f} {figures['f1 cleanlab']:.3f}", file=sys.stderr, flush=True)
    if out:
        means = {
            name: {figure: float(np.mean([each[figure] for each in found])) for figure in found[0]}
            for name, found in by.items()
        }
        Path(out).write_text(json.dumps(means))
    for name, found in by.items():
        print(f"\n{name}, {len(found)} cells")
        for figure in found[0]:
            print(f"  {figure:<52} {np.mean([each[figure] for each in found]):.3f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
