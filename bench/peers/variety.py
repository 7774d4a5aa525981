"""Hold the figures of diversity against the programs of those who proposed them, on rows of real sets.

Needs vendi-score, prdc and sacrebleu beside tuneset's own packages; run it with an environment that has both:
`python bench/peers/variety.py`. `--fixed` prints the values that tests/test_diversity.py holds (no tuneset needed).
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl

DATA = Path(os.environ.get("TUNESET_DATA", Path(__file__).parents[3] / "shared" / "data"))
LINES = [
    "where is my card",
    "where is my new card",
    "my card is lost",
    "cancel my card",
    "where is my card now",
    "hello",
]


def unit(rng: np.random.Generator, rows: int, width: int) -> np.ndarray:
    drawn = rng.normal(size=(rows, width))
    return np.asarray(drawn / np.linalg.norm(drawn, axis=1, keepdims=True))


def distinct(lines: list[str], size: int) -> float:
    from sacrebleu.metrics.helpers import extract_all_word_ngrams

    counts: Counter[tuple[str, ...]] = sum((extract_all_word_ngrams(line, size, size)[0] for line in lines), Counter())
    return len(counts) / sum(counts.values())


def fixed() -> None:
    from prdc import compute_prdc
    from vendi_score import vendi

    rng = np.random.default_rng(0)
    for rows, width in ((60, 6), (6, 60)):
        found = unit(rng, rows, width)
        print("vendi", rows, width, vendi.score_K(found @ found.T), vendi.score_dual(found))
    real, other = unit(rng, 60, 6), unit(rng, 60, 6)
    beside = other + np.array([3, 0, 0, 0, 0, 0])
    for drawn in (other, beside / np.linalg.norm(beside, axis=1, keepdims=True)):
        print("prdc", compute_prdc(real, drawn, 5))
    print("distinct", [distinct(LINES, size) for size in (1, 2)])


def compared() -> None:
    from prdc import compute_prdc
    from vendi_score import vendi

    from tuneset import features
    from tuneset.judge import diversity, wording

    texts = pl.read_csv(DATA / "banking77" / "train.csv")["text"].sample(4000, seed=1, shuffle=True)
    vectors = features.vectors(texts)
    real, drawn = vectors[:1500], vectors[1500:3000]
    theirs = compute_prdc(real.astype(np.float64), drawn.astype(np.float64), 5)
    ours = diversity.manifold(real, drawn)
    for name in ours._fields:
        print(f"{name:<12}{getattr(ours, name):>12.6f}{theirs[name]:>12.6f}")
    for rows in (500, 4000):
        score = vendi.score_dual(vectors[:rows].astype(np.float64))
        print(f"vendi {rows:<6}{diversity.vendi(vectors[:rows]):>12.6f}{score:>12.6f}")
    words = wording.split(texts)
    lists = texts.str.to_lowercase().str.extract_all(wording.WORD).list.join(" ").to_list()
    for size in (1, 2):
        print(f"distinct-{size:<3}{wording.distinct(words.grams[size]):>12.6f}{distinct(lists, size):>12.6f}")


if __name__ == "__main__":
    fixed() if "--fixed" in sys.argv else compared()
