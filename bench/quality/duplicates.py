"""Measure the search for near-duplicates, its guards, and the search in other sets, on planted and on real pairs.

`pairs_read.csv` holds no text: the set, two row numbers of its file (from 0), a hash of both texts, and what the reader
said. The pairs have a similarity of .7 or more, one label and unequal texts, and were drawn by a fixed seed (`drawn`), not chosen,
from the half of all pairs whose hash is odd; the guards were written looking at the other half only.
"""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

import numpy as np
import polars as pl

from tuneset import near
from tuneset.dedupe import Contamination
from tuneset.dedupe.against import RUN
from tuneset.dedupe.guards import differences
from tuneset.testing import examples

sys.path.insert(0, str(Path(__file__).parents[1]))
from recall import recall

DATA = Path(os.environ.get("TUNESET_DATA", Path(__file__).parents[3] / "shared" / "data"))
READ = Path(__file__).with_name("pairs_read.csv")
DRAWN = {"banking77": 60, "clinc150": 60, "hwu64": 40, "paraphrases": 40}
SEED = 3


def tables(data: Path) -> dict[str, pl.DataFrame]:
    """Read the sets that pairs are drawn from: text and label."""
    scenario = pl.concat_str("category", pl.lit("/"), "sub_category")
    paraphrases = pl.read_csv(data / "paraphrases" / "banking_dev_paraphrases.csv", infer_schema=False)
    return {
        "banking77": pl.read_csv(data / "banking77" / "train.csv").select("text", label="category"),
        "clinc150": pl.read_csv(data / "clinc150" / "clinc150.csv").select(text="inquiry", label="sub_category"),
        "hwu64": pl.read_csv(data / "hwu64" / "hwu64.csv", infer_schema=False).select(
            text="text_as_typed", label=scenario
        ),
        "paraphrases": paraphrases.select(text="ChatGPT's Paraphrase", label="Label"),
    }


def hashed(one: str, other: str) -> str:
    """Hash two texts, to know a pair again."""
    return hashlib.sha256(f"{one}\0{other}".encode()).hexdigest()


def drawn(name: str, rows: pl.DataFrame) -> pl.DataFrame:
    """Draw the pairs of a set that were read: left, right and hash."""
    found = near.pairs(near.sets(rows["text"]))
    left, right = rows[found.left], rows[found.right]
    hashes = [hashed(*texts) for texts in zip(left["text"], right["text"], strict=True)]
    pairs = pl.DataFrame({"left": found.left, "right": found.right, "hash": hashes}).filter(
        (left["text"] != right["text"]) & (left["label"] == right["label"]),
        pl.Series([int(each[:2], 16) % 2 == 1 for each in hashes]),
    )
    return pairs.sample(DRAWN[name], seed=SEED).with_columns(pl.col("hash").str.head(12))


def guarded(data: Path) -> pl.DataFrame:
    """Return the pairs that were read: `may_be_dropped` as the reader said, `guard` as the program says."""
    read = pl.read_csv(READ)
    parts = []
    for name, rows in tables(data).items():
        part = read.filter(pl.col("set") == name)
        left, right = part["left"].to_numpy(), part["right"].to_numpy()
        texts = zip(rows["text"].gather(left), rows["text"].gather(right), strict=True)
        if [hashed(*pair)[:12] for pair in texts] != part["hash"].to_list():
            raise SystemExit(f"{name} is not the file that pairs_read.csv was written for")
        found = near.Pairs(left, right, np.ones(len(left)))
        parts.append(part.with_columns(guard=differences(rows, found, wording=True)))
    return pl.concat(parts)


def contaminated(data: Path) -> dict[str, float]:
    """Hide rows of BANKING77's test file in CLINC150, each in three ways, and look for them."""
    step = Contamination(against=(str(data / "banking77" / "test.csv"),))
    hidden = pl.read_csv(data / "banking77" / "test.csv")["text"].sample(500, seed=SEED).to_list()
    hidden = [text.strip() for text in hidden if len(text.split()) > RUN]
    ways = {
        "same": [text.upper() for text in hidden],
        "near": [f"{text} please" for text in hidden],
        "held": [
            f"Read this. {text} Is it one of these: card, transfer, account, top-up? Say which one." for text in hidden
        ],
    }
    clean = pl.read_csv(data / "clinc150" / "clinc150.csv")["inquiry"].to_list()
    rows = examples([*clean, *(text for texts in ways.values() for text in texts)])
    found = rows["id"].is_in(step(rows)["example"].to_list()).to_numpy()
    shares = np.split(found[len(clean) :], len(ways))
    return {
        **{f"against.{way}.recall": float(share.mean()) for way, share in zip(ways, shares, strict=True)},
        "against.false_alarms": float(found[: len(clean)].mean()),
    }


def measure(data: Path) -> dict[str, float]:
    """Return the figures by name."""
    pairs = guarded(data)
    distinct, same = (pairs.filter(pl.col("may_be_dropped") == may) for may in (0, 1))
    found = {name: (pairs, share) for name, pairs, share in recall()}
    planted = sum(number for number, _ in found.values())
    return {
        "near.planted.recall": sum(number * share for number, share in found.values()) / planted,
        "near.planted.recall.lowest": min(share for _, share in found.values()),
        "guards.read.must_stay.dropped": float(distinct.filter(pl.col("guard") == "").height),
        "guards.read.must_stay": float(distinct.height),
        "guards.read.may_go.kept": same.filter(pl.col("guard") != "").height / same.height,
        "guards.read.may_go": float(same.height),
        **contaminated(data),
    }


if __name__ == "__main__":
    for name, figure in measure(DATA).items():
        print(f"{name:<32} {figure:.4f}")
