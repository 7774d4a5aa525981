"""Recall of the bands on planted one-edit twins: of the pairs at or above the threshold, how many are found."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from tuneset import near

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DATA = Path(os.environ.get("TUNESET_DATA", Path(__file__).parents[2] / "shared" / "data"))
SETS = {"BANKING77": ("banking77/train.csv", "text"), "CLINC150": ("clinc150/clinc150.csv", "inquiry")}
BASES = 2_000


def typo(words: list[str], draw: random.Random) -> list[str]:
    place = draw.randrange(len(words))
    word = words[place]
    at = draw.randrange(len(word))
    changed = draw.choice(
        [word[:at] + word[at + 1 :], word[:at] + word[at] + word[at:], word[:at] + "e" + word[at + 1 :]]
    )
    return [*words[:place], changed, *words[place + 1 :]]


def dropped(words: list[str], draw: random.Random) -> list[str]:
    place = draw.randrange(len(words))
    return [*words[:place], *words[place + 1 :]]


def substituted(words: list[str], draw: random.Random) -> list[str]:
    place = draw.randrange(len(words))
    return [*words[:place], draw.choice(["now", "please", "that", "again"]), *words[place + 1 :]]


EDITS: dict[str, Callable[[list[str], random.Random], list[str]]] = {
    "typo": typo,
    "dropped word": dropped,
    "substituted word": substituted,
    "greeting": lambda words, _: ["hello,", *words],
    "thanks": lambda words, _: [*words, "thanks"],
}


def recall() -> Iterator[tuple[str, int, float]]:
    """Give for each set: its name, the planted pairs at or above the threshold, the share of them found."""
    for name, (file, column) in SETS.items():
        draw = random.Random(7)
        texts = pl.read_csv(DATA / file)[column].unique(maintain_order=True)
        bases = draw.sample(range(len(texts)), BASES)
        for edit, change in EDITS.items():
            twins = [" ".join(change(texts[base].split(), draw)) for base in bases]
            sets = near.sets(pl.concat([texts, pl.Series(column, twins)]))
            planted = np.arange(BASES) + len(texts)
            exact = np.array([_jaccard(sets, base, twin) for base, twin in zip(bases, planted.tolist(), strict=True)])
            wanted = {
                pair
                for pair, score in zip(zip(bases, planted.tolist(), strict=True), exact, strict=True)
                if score >= 0.7
            }
            found = near.pairs(sets)
            got = set(zip(found.left.tolist(), found.right.tolist(), strict=True))
            yield f"{name}, {edit}", len(wanted), len(wanted & got) / len(wanted)


def _jaccard(sets: near.Sets, first: int, second: int) -> float:
    one, two = (set(sets.grams[sets.offsets[row] : sets.offsets[row + 1]].tolist()) for row in (first, second))
    return len(one & two) / max(1, len(one | two))
