"""What a competent person writes in Polars: the same files, nothing checked, scikit-learn's split."""

import sys
from pathlib import Path
from time import perf_counter

import numpy as np
import polars as pl
from sklearn.model_selection import train_test_split

SYSTEM = "Classify the user message into a category and sub-category and output the result as JSON."


def main(source: str, out: str) -> None:
    """Write train.jsonl and validation.jsonl, and say how long all after reading took."""
    table = pl.read_csv(source, infer_schema=False)
    start = perf_counter()
    user = pl.struct(content="inquiry").struct.json_encode().str.slice(1).str.head(-1)
    answer = pl.struct(content=pl.struct("category", "sub_category").struct.json_encode()).struct.json_encode()
    chat = pl.concat_str(
        pl.lit(f'{{"messages": [{{"role": "system", "content": "{SYSTEM}"}}, {{"role": "user", '),
        user,
        pl.lit('}, {"role": "assistant", '),
        answer.str.slice(1).str.head(-1),
        pl.lit("}]}"),
    )
    lines = table.select(chat=chat)
    train, validation = train_test_split(
        np.arange(table.height), test_size=0.2, stratify=table["category"].to_numpy(), random_state=42
    )
    for name, side in (("train", train), ("validation", validation)):
        lines[side].write_csv(Path(out) / f"{name}.jsonl", include_header=False, quote_style="never")
    print(perf_counter() - start)


main(*sys.argv[1:])
