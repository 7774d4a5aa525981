"""One peer's search for near-duplicates: `python near.py NAME TEXTS.parquet OUT.json` writes the rows it would drop.

Each peer gets the same texts in our normal form and, where it takes tokens, the same character 3-grams, at the
threshold .7 and the settings that its own documentation gives for recall.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterable

THRESHOLD, PERMUTATIONS = 0.7, 256


def normal(text: str) -> str:
    return re.sub(r"[\W_]+", " ", text.casefold()).strip()


def grams(text: str) -> set[str]:
    text = normal(text)
    return {text[start : start + 3] for start in range(max(1, len(text) - 2))}


def tuneset(texts: list[str]) -> list[int]:
    from tuneset import near

    found = near.pairs(near.sets(pl.Series("text", texts)), threshold=THRESHOLD)
    return sorted({int(row) for row in found.right})


def datasketch(texts: list[str]) -> list[int]:
    from datasketch import MinHash, MinHashLSH

    # weights: its documentation's way to ask for recall
    index = MinHashLSH(threshold=THRESHOLD, num_perm=PERMUTATIONS, weights=(0.1, 0.9))
    tokens = ([gram.encode() for gram in grams(text)] for text in texts)
    return alike_to_earlier(index, MinHash.generator(tokens, num_perm=PERMUTATIONS))


def rensa(texts: list[str]) -> list[int]:
    from rensa import RMinHash, RMinHashLSH

    def minhash(text: str) -> Any:
        made = RMinHash(num_perm=PERMUTATIONS, seed=42)
        made.update(sorted(grams(text)))
        return made

    index = RMinHashLSH(threshold=THRESHOLD, num_perm=PERMUTATIONS, num_bands=64)
    return alike_to_earlier(index, map(minhash, texts))


def alike_to_earlier(index: Any, minhashes: Iterable[Any]) -> list[int]:
    """Ask the index for candidates, and hold them to the estimated similarity."""
    made: list[Any] = []
    dropped = []
    for row, minhash in enumerate(minhashes):
        if any(made[twin].jaccard(minhash) >= THRESHOLD for twin in index.query(minhash)):
            dropped.append(row)
        made.append(minhash)
        index.insert(row, minhash)
    return dropped


def text_dedup(texts: list[str]) -> list[int]:
    """Cluster by single words: the best F1 of 1, 2 and 3 in a row; its default of 5 finds little in short texts."""
    import datasets
    from text_dedup import minhash

    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder) / "in", Path(folder) / "out"
        rows = datasets.Dataset.from_dict({"text": [normal(text) for text in texts], "row": list(range(len(texts)))})
        rows.save_to_disk(str(source))
        options = {
            "path": source,
            "output": out,
            "column": "text",
            "ngram": 1,
            "min_length": 1,
            "num_perm": PERMUTATIONS,
            "threshold": THRESHOLD,
            "batch_size": 10_000,
            "cache_dir": Path(folder) / "cache",
        }
        flags = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        minhash.main([*flags, "--local"], standalone_mode=False)
        kept = set(datasets.load_from_disk(str(out))["row"])
    return [row for row in range(len(texts)) if row not in kept]


WAYS = {"tuneset": tuneset, "datasketch": datasketch, "rensa": rensa, "text-dedup": text_dedup}

if __name__ == "__main__":
    name, texts, out = sys.argv[1:]
    dropped = WAYS[name](pl.read_parquet(texts)["text"].to_list())
    # not ru_maxrss, which a process inherits from the one that started it
    peak = int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1024  # type: ignore[index]
    Path(out).write_text(json.dumps({"rows": dropped, "mebibytes": peak}))
