"""One way's search for texts that mean the same: `python meaning.py NAME TEXTS.parquet OUT.json` writes the pairs it finds.

All ways get the vectors of one model (TUNESET_EMBEDDER, see bench/embedder.py), so that what differs is what they do with
them: semhash's own model is on the Hub, and `SemHash.from_records` takes any object with `encode` in its place. `seconds`
is the time of the search alone, `embedding` what the model takes for the same texts besides.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MODEL = os.environ["TUNESET_EMBEDDER"]
PAIRS = list[tuple[int, int]]


class Encoder:
    """Our embedder as semhash asks for one, and the time that it took."""

    seconds = 0.0

    def encode(self, inputs: list[str], **_: Any) -> NDArray[np.float32]:
        """Embed texts."""
        from tuneset import features

        start = perf_counter()
        vectors = features.embeddings(pl.Series(inputs), MODEL)
        self.seconds += perf_counter() - start
        return vectors


def semhash(rows: pl.DataFrame) -> tuple[PAIRS, float, float]:
    """As its documentation does it, at its default of .9."""
    from semhash import SemHash

    model = Encoder()
    start = perf_counter()
    records = [{"text": text, "row": str(row)} for row, text in enumerate(rows["text"])]
    found = SemHash.from_records(records, columns=["text"], model=model).self_deduplicate().filtered
    pairs = [(int(each.record["row"]), int(each.duplicate_of["row"])) for each in found]
    return pairs, perf_counter() - start - model.seconds, model.seconds


def tuneset(rows: pl.DataFrame) -> tuple[PAIRS, float, float]:
    """Both steps, as semhash finds twins in spelling too; of what they say, what may be dropped."""
    from tuneset import features, step
    from tuneset.dedupe import NearDuplicate, SemanticDuplicate
    from tuneset.testing import examples

    table = examples(rows.select("text", "label").rows(named=True))
    place = {example: row for row, example in enumerate(table["id"])}
    steps = (NearDuplicate(), SemanticDuplicate(model=MODEL))
    with tempfile.TemporaryDirectory() as cache:
        os.environ["TUNESET_CACHE"] = cache
        start = perf_counter()
        features.embeddings(table["text"], MODEL, features.cache_folder())
        embedding = perf_counter() - start
        step.run(steps[1], table)  # embeds shortened texts for its limit: 300, whatever the size of the set
        start = perf_counter()
        found = pl.concat([step.run(each, table) for each in steps])
        seconds = perf_counter() - start
    free = found.filter(pl.col("action") == "drop")
    return (
        [(place[one], place[others[0]]) for one, others in free.select("example", "others").rows()],
        seconds,
        embedding,
    )


WAYS = {"tuneset": tuneset, "semhash": semhash}

if __name__ == "__main__":
    name, texts, out = sys.argv[1:]
    pairs, seconds, embedding = WAYS[name](pl.read_parquet(texts))
    Path(out).write_text(json.dumps({"pairs": pairs, "seconds": seconds, "embedding": embedding}))
