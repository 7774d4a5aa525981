"""Judge labels that were changed: `python judge_labels.py SIZE SEEDS FOLDER` says our figures, and leaves what cleanlab is to judge.

A process of its own, so that the algebra's threads can be kept to one before NumPy is there.
"""

import json
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "quality"))
from label_errors import DATA, grid


def main(size: str, seeds: str, folder: str) -> None:
    """Judge each cell, and give the means."""
    found = grid(DATA, size, "", int(seeds), Path(folder))
    names = {"f1": "F1", "ap": "average precision", "seconds": "seconds"}
    print(json.dumps({"cells": found.height} | {names[name]: found[name].to_numpy().mean() for name in names}))


main(*sys.argv[1:])
