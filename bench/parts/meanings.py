"""Texts that say the same in other words: what is found, beside semhash, with the vectors of one model."""

from __future__ import annotations

import importlib
import json
import os
import sys
from typing import TYPE_CHECKING, Any

import polars as pl
from process import BENCH, PEERS, PYTHON, NotRunError, run
from recall import DATA
from tables import OURS, Table

if TYPE_CHECKING:
    from pathlib import Path

WAYS = (OURS, "semhash")
COLUMNS = {"pairs": "", "of them with one label": "more", "paraphrases found": "more", "seconds": "less"}
NO_MODEL = "not measured: TUNESET_EMBEDDER names no model (bench/embedder.py makes one)"


def measure(out: Path) -> list[Table]:
    """Give a table for paraphrases, and one for real rows."""
    sys.path.append(str(BENCH / "quality"))
    semantic: Any = importlib.import_module("semantic")
    drawn = semantic.paraphrases(DATA).unique("GUID", keep="first", maintain_order=True)
    both = pl.concat([drawn.select(text="seed", label="label"), drawn.select("text", "label")])
    wanted = {frozenset((row, row + drawn.height)) for row in range(drawn.height)}
    banking = pl.read_csv(DATA / "banking77/test.csv").select("text", label="category")
    return [
        _table("Meaning, 1,000 inquiries and a paraphrase of each", both, wanted, out),
        _table("Meaning, BANKING77's test rows", banking, set(), out),
    ]


def _table(title: str, rows: pl.DataFrame, wanted: set[frozenset[int]], out: Path) -> Table:
    source, found = out / "texts.parquet", out / "pairs.json"
    rows.write_parquet(source)
    ways: dict[str, dict[str, float] | str] = {}
    for way in WAYS:
        if not os.environ.get("TUNESET_EMBEDDER"):
            ways[way] = NO_MODEL
            continue
        python = PYTHON if way == OURS else PEERS
        try:
            run(python, BENCH / "peers" / "meaning.py", way, source, found, env={"PYTHONPATH": str(BENCH.parent)})
        except (NotRunError, FileNotFoundError) as error:
            ways[way] = str(error)
            continue
        said = json.loads(found.read_text())
        same = [rows["label"][one] == rows["label"][other] for one, other in said["pairs"]]
        ways[way] = {
            "pairs": len(same),
            "of them with one label": sum(same) / max(1, len(same)),
            "seconds": round(said["seconds"], 2),
        }
        if wanted:
            ways[way] |= {"paraphrases found": len(wanted & set(map(frozenset, said["pairs"]))) / len(wanted)}  # type: ignore[operator]
    return Table(
        title,
        "semhash at its default of .9, ours with `near-duplicate` and `semantic-duplicate`, what they would let drop; both with "
        "the vectors of all-MiniLM-L6-v2, as semhash's own model is on the Hub, which could not be reached. Ours say nothing of "
        "pairs with two labels, so all have one by design. Seconds are the search's; the model takes the same for both.",
        COLUMNS,
        ways,
    )
