"""Our split, format and write alone, on the examples of a finished run; says how long they took."""

import sys
from pathlib import Path
from time import perf_counter

import polars as pl

from tuneset.split import draw, strata_of
from tuneset.targets import lines

SYSTEM = "Classify the user message into a category and sub-category and output the result as JSON."


def main(run: str, out: str) -> None:
    """Write train.jsonl and validation.jsonl, drawn as the notebook draws them."""
    examples = pl.read_parquet(Path(run) / ".tuneset" / "01-get" / "examples.parquet")
    start = perf_counter()
    codes, _ = strata_of(examples, ["category"])
    held = pl.Series(draw(codes, 0.2, 42))
    for name, side in (("train", ~held), ("validation", held)):
        lines.write(lines.lines(examples.filter(side), SYSTEM), Path(out) / f"{name}.jsonl")
    print(perf_counter() - start)


main(*sys.argv[1:])
