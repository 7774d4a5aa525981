"""One peer's search for near-duplicates: `python near.py NAME TEXTS.parquet OUT.json` writes the rows it would drop.

Each gets the same texts in our normal form, cut into character 3-grams in the way that its own interface offers, at the
threshold .7. Its number of hashes and bands is the cheapest of those that its documentation names with which it finds .95
of planted one-edit twins; who checks what the bands bring together (datasketch, rensa) does so. `seconds` is the time
from texts in memory to rows, without imports. Signatures are made in as many processes or threads as there are cores,
where that is offered.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Search = Callable[[], list[int]]

THRESHOLD, GRAM = 0.7, 3
CORES = os.cpu_count() or 1


def normal(text: str) -> str:
    return re.sub(r"[\W_]+", " ", text.casefold()).strip()


def grams(text: str) -> list[str]:
    """Cut a text into its character 3-grams, each once."""
    text = normal(text)
    return list({text[start : start + GRAM] for start in range(max(1, len(text) - GRAM + 1))})


def spaced(text: str) -> str:
    """Part the characters by blanks, for those who know words only; what was a blank becomes `_`."""
    return " ".join(normal(text).replace(" ", "_"))


def tuneset(texts: list[str]) -> Search:
    from tuneset import near

    return lambda: np.unique(near.pairs(near.sets(pl.Series("text", texts)), threshold=THRESHOLD).right).tolist()


def tuneset_step(texts: list[str]) -> Search:
    """Also choose which twin stays, look at what must keep two rows apart, and write a finding for each pair."""
    from tuneset import step
    from tuneset.dedupe import NearDuplicate
    from tuneset.testing import examples

    table = examples([{"text": text} for text in texts])
    row = {example: number for number, example in enumerate(table["id"])}

    def search() -> list[int]:
        found = step.run(NearDuplicate(), table)
        return sorted({row[example] for example in found["example"]})

    return search


def datasketch(texts: list[str]) -> Search:
    from datasketch import MinHash, MinHashLSH

    def search() -> list[int]:
        index = MinHashLSH(threshold=THRESHOLD, num_perm=128, weights=(0.1, 0.9))  # its way to ask for recall
        tokens = ([gram.encode() for gram in grams(text)] for text in texts)
        made: list[Any] = []
        dropped = []
        for row, minhash in enumerate(MinHash.generator(tokens, num_perm=128)):
            if any(made[twin].jaccard(minhash) >= THRESHOLD for twin in index.query(minhash)):
                dropped.append(row)
            made.append(minhash)
            index.insert(row, minhash)
        return dropped

    return search


def rensa(texts: list[str]) -> Search:
    """As its README does it: the streaming deduplicator, which checks candidates against the estimate."""
    from rensa import RMinHashDeduplicator

    def search() -> list[int]:
        index = RMinHashDeduplicator(THRESHOLD, 128, use_lsh=True, num_bands=32)
        kept = index.add_pairs((str(row), grams(text)) for row, text in enumerate(texts))
        return [row for row, keep in enumerate(kept) if not keep]

    return search


def rensa_matrix(texts: list[str]) -> Search:
    """Its fastest way, a whole matrix in one call; it says which rows are alike, not to which others."""
    from rensa import RMinHash, RMinHashLSH

    def search() -> list[int]:
        digests = RMinHash.digest_matrix_from_token_sets([grams(text) for text in texts], 128, 42)
        index = RMinHashLSH(THRESHOLD, 128, 16)
        flags = index.query_duplicate_flags_matrix_one_shot(digests)
        return [row for row, flag in enumerate(flags) if flag]

    return search


def text_dedup(texts: list[str]) -> Search:
    import datasets
    from text_dedup import minhash

    def search() -> list[int]:
        with tempfile.TemporaryDirectory() as folder:
            source, out = Path(folder) / "in", Path(folder) / "out"
            rows = {"text": [spaced(text) for text in texts], "row": list(range(len(texts)))}
            datasets.Dataset.from_dict(rows).save_to_disk(str(source))
            options = {
                "path": source,
                "output": out,
                "column": "text",
                "ngram": GRAM,
                "min_length": 0,
                "num_perm": 256,
                "threshold": THRESHOLD,
                "hash_func": "xxh3",
                "cache_dir": Path(folder) / "cache",
            }
            flags = [word for name, value in options.items() for word in (f"--{name}", str(value))]
            minhash.main([*flags, "--local"], standalone_mode=False)
            return gone(datasets.load_from_disk(str(out))["row"], len(texts))

    return search


def data_juicer(texts: list[str]) -> Search:
    import datasets
    from data_juicer.ops.deduplicator.document_minhash_deduplicator import DocumentMinhashDeduplicator

    datasets.disable_progress_bars()

    def search() -> list[int]:
        rows = {"text": [normal(text) for text in texts], "row": list(range(len(texts)))}
        made = DocumentMinhashDeduplicator(tokenization="character", window_size=GRAM, jaccard_threshold=THRESHOLD)
        hashed = datasets.Dataset.from_dict(rows).map(made.compute_hash, num_proc=CORES)
        return gone(made.process(hashed)[0]["row"], len(texts))

    return search


def datatrove(texts: list[str]) -> Search:
    """Its four stages, with its two sets of bands more than by default: 14 of 8 find less than .95."""
    from datatrove.data import Document
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.dedup import MinhashDedupBuckets, MinhashDedupCluster, MinhashDedupSignature
    from datatrove.pipeline.dedup.minhash import MinhashConfig
    from datatrove.utils.word_tokenizers import WordTokenizer

    class Characters(WordTokenizer):  # type: ignore[misc]
        """A tokenizer of our own, as its documentation allows."""

        def word_tokenize(self, text: str) -> list[str]:
            return list(text)

        def sent_tokenize(self, text: str) -> list[str]:
            return [text]

        def span_tokenize(self, text: str) -> list[tuple[int, int]]:
            return [(0, len(text))]

    per = -(-len(texts) // CORES)

    class Part:
        """The rows of one task."""

        def __call__(self, data: Any, rank: int, world_size: int) -> Iterable[Any]:
            del data, world_size
            for row in range(rank * per, min(len(texts), (rank + 1) * per)):
                yield Document(text=normal(texts[row]), id=str(row))

    def search() -> list[int]:
        config = MinhashConfig(n_grams=GRAM, num_buckets=20, hashes_per_bucket=8)
        with tempfile.TemporaryDirectory() as folder:
            made, found, out, logs = (f"{folder}/{name}" for name in ("signatures", "pairs", "out", "logs"))
            stages: list[tuple[list[Any], int]] = [
                ([Part(), MinhashDedupSignature(made, config, language=Characters())], CORES),
                ([MinhashDedupBuckets(made, found, config=config)], config.num_buckets),
                ([MinhashDedupCluster(found, out, config=config)], 1),
            ]
            for number, (pipeline, tasks) in enumerate(stages):
                LocalPipelineExecutor(pipeline, tasks, workers=CORES, logging_dir=f"{logs}/{number}").run()
            files = sorted(Path(out).glob("*.remove"))
            return [int(path.stem) * per + int(row) for path in files for row in np.fromfile(path, "<u4")]

    return search


def daft(texts: list[str]) -> Search:
    """Take the steps of its documented example; the components are SciPy's, as the example's own code no longer runs."""
    import daft as frames
    from daft import col, functions
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    bands, rows = 16, 8

    def search() -> list[int]:
        table = frames.from_pydict({"row": list(range(len(texts))), "text": [spaced(text) for text in texts]})
        made = functions.minhash(col("text"), num_hashes=bands * rows, ngram_size=GRAM, seed=42, hash_function="xxhash")
        parts = functions.chunk(made.cast(frames.DataType.list(frames.DataType.uint32())), rows)
        banded = table.select("row", functions.list_map(parts, functions.hash(frames.element())).alias("key"))
        keyed = banded.with_column("band", frames.lit(list(range(bands)))).explode("key", "band")
        groups = keyed.groupby("band", "key").agg(functions.list_agg(col("row")).alias("rows"))
        many: Any = functions.list_count(col("rows"))
        alike = groups.where(many > 1).to_pydict()["rows"]
        left = np.concatenate([np.full(len(each), min(each)) for each in alike])
        right = np.concatenate([np.asarray(each) for each in alike])
        shape = (len(texts), len(texts))
        _, part = connected_components(coo_array((np.ones(len(left), np.int8), (left, right)), shape), directed=False)
        return gone(np.unique(part, return_index=True)[1].tolist(), len(texts))

    return search


def gone(kept: Iterable[int], many: int) -> list[int]:
    stays = set(kept)
    return [row for row in range(many) if row not in stays]


WAYS = {
    "tuneset": tuneset,
    "tuneset, whole step": tuneset_step,
    "rensa": rensa,
    "rensa, matrix": rensa_matrix,
    "datasketch": datasketch,
    "text-dedup": text_dedup,
    "data-juicer": data_juicer,
    "datatrove": datatrove,
    "daft": daft,
}

if __name__ == "__main__":
    name, texts, out = sys.argv[1:]
    search = WAYS[name](pl.read_parquet(texts)["text"].to_list())
    start = perf_counter()
    rows = search()
    Path(out).write_text(json.dumps({"rows": rows, "seconds": perf_counter() - start}))
