"""The notebook way: pandas, iterrows to chat dicts, json.dumps, scikit-learn's stratified split."""

import json
import sys
from pathlib import Path
from time import perf_counter

import pandas as pd
from sklearn.model_selection import train_test_split

SYSTEM = "Classify the user message into a category and sub-category and output the result as JSON."


def main(source: str, out: str) -> None:
    """Write train.jsonl and validation.jsonl, and say how long all after reading took."""
    table = pd.read_csv(source)
    start = perf_counter()
    rows = []
    for _, row in table.iterrows():
        answer = json.dumps({"category": row["category"], "sub_category": row["sub_category"]})
        turns = [("system", SYSTEM), ("user", row["inquiry"]), ("assistant", answer)]
        rows.append({"messages": [{"role": role, "content": content} for role, content in turns]})
    table["chat"] = rows
    train, validation = train_test_split(table, test_size=0.2, stratify=table["category"], random_state=42)
    for name, side in (("train", train), ("validation", validation)):
        with (Path(out) / f"{name}.jsonl").open("w") as file:
            for row in side["chat"]:
                file.write(json.dumps(row) + "\n")
    print(perf_counter() - start)


main(*sys.argv[1:])
