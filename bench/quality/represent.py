"""Measure the tests of representativeness: how often they raise a false alarm, and which shifts they find.

Every figure is a share of draws: of halves of one set (false alarms) or of shifted targets (found), at p <= .01.
`python bench/quality/represent.py --all` prints the long table; TUNESET_EMBEDDER names a model to measure it with, too.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from tuneset import features
from tuneset.judge.represent import represent
from tuneset.judge.shares import LEVEL, against_rows, against_shares
from tuneset.judge.view import labels, view
from tuneset.testing import examples

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

DATA = Path(os.environ.get("TUNESET_DATA", Path(__file__).parents[3] / "shared" / "data"))
EMBEDDER = os.environ.get("TUNESET_EMBEDDER", "")
CACHE = Path(os.environ.get("TUNESET_CACHE", "/tmp/embcache"))


def table(data: Path, name: str) -> pl.DataFrame:
    """Read text and label of a set, each text once."""
    rows = {
        "banking77": lambda: pl.read_csv(data / "banking77" / "train.csv").select("text", label="category"),
        "clinc150": lambda: (
            pl.read_csv(data / "clinc150" / "clinc150.csv")
            .filter(~pl.col("split").str.starts_with("oos"))
            .select(text="inquiry", label="category")
        ),
        "hwu64": lambda: pl.read_csv(data / "hwu64" / "hwu64.csv", infer_schema=False).select(
            text="text_as_typed", label="category"
        ),
    }[name]()
    return rows.unique("text", keep="first", maintain_order=True)


def declared(shares: NDArray[np.float64], true: NDArray[np.float64], rows: int, draws: int) -> float:
    """Draw sets with the `true` shares and say how often they differ from declared ones."""
    found = []
    for seed in range(draws):
        rng = np.random.default_rng(seed)
        found.append(against_shares(rng.multinomial(rows, true), shares, rng).p <= LEVEL)
    return float(np.mean(found))


def labelled(shares: NDArray[np.float64], true: NDArray[np.float64], rows: int, draws: int) -> float:
    """Draw two sets and say how often they differ."""
    found, there = [], np.repeat([False, True], rows)
    for seed in range(draws):
        rng = np.random.default_rng(seed)
        codes = np.concatenate([rng.choice(len(shares), rows, p=part) for part in (shares, true)])
        found.append(against_rows(codes, np.arange(2 * rows), there, len(shares), rng).p <= LEVEL)
    return float(np.mean(found))


def shifted(shares: NDArray[np.float64], seed: int, way: str, mass: float = 0.1) -> NDArray[np.float64]:
    """Move a tenth of the mass: to one label, to five, or from half of the labels to the other half."""
    drawn = np.random.default_rng(seed).permutation(len(shares))
    gains = drawn[: {"one": 1, "five": 5, "half": len(shares) // 2}[way]]
    out = shares.copy()
    loses = np.setdiff1d(drawn, gains)
    out[loses] *= 1 - mass / shares[loses].sum()
    out[gains] += mass * shares[gains] / shares[gains].sum()
    return out


def scenes(rows: pl.DataFrame, size: int, seed: int) -> Iterator[tuple[str, pl.DataFrame, pl.DataFrame]]:
    """Draw pairs of set and target: rows at random, whole near-duplicate groups at random, topics twice as likely, a tenth missing."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(rows.height)
    here, rest = order[:size], order[size:]
    yield "rows", rows[here], rows[rest[:size]]
    groups = rows["group"].to_numpy()
    place = rng.permutation(groups.max() + 1)
    whole = np.argsort(place[groups], kind="stable")
    yield "groups", rows[whole[:size]], rows[whole[size : 2 * size]]
    names = rows["label"].unique().sort().to_numpy()
    liked = rows["label"].is_in(rng.permutation(names)[: len(names) // 3].tolist()).to_numpy()
    weight = np.where(liked, 2.0, 1.0)[rest]
    yield "topics", rows[here], rows[rng.choice(rest, size, replace=False, p=weight / weight.sum())]
    lost = rows["label"].is_in(rng.permutation(names)[: max(1, len(names) // 10)].tolist()).to_numpy()
    yield "missing", rows[order[~lost[order]][:size]], rows[rest[-size:]]


def paraphrased(data: Path, size: int, seed: int) -> tuple[str, pl.DataFrame, pl.DataFrame]:
    """Draw real rows, and for other rows what a model made of them."""
    read = pl.read_csv(data / "paraphrases" / "banking_dev_paraphrases.csv")
    columns = {"text": "Original Example", "made": "ChatGPT's Paraphrase", "label": "Label"}
    drawn = (
        read.select(**columns)
        .unique("text", keep="first", maintain_order=True)
        .sample(2 * size, shuffle=True, seed=seed)
    )
    return "paraphrases", drawn[:size].select("text", "label"), drawn[size:].select("label", text="made")


def compared(here: pl.DataFrame, there: pl.DataFrame, model: str, seed: int) -> dict[str, Any]:
    """Judge a set against a target whose labels are hidden."""
    rows = examples(here.select("text", "label").iter_rows(named=True))
    target = examples(there.select("text").iter_rows(named=True)).with_columns(labels=pl.lit(None, dtype=pl.String))
    if model:
        both = features.vectors(pl.concat([rows["text"], target["text"]]), model, cache=CACHE)
        kind = pl.Array(pl.Float32, both.shape[1])
        rows = rows.with_columns(vector=pl.Series(both[: rows.height], dtype=kind))
        target = target.with_columns(vector=pl.Series(both[rows.height :], dtype=kind))
    else:
        rows = rows.with_columns(
            vector=pl.Series(np.zeros((rows.height, 1), np.float32), dtype=pl.Array(pl.Float32, 1))
        )
    return represent(view(rows), labels(rows), target, None, seed, embedded=bool(model))


def grouped(rows: pl.DataFrame) -> pl.DataFrame:
    """Add the near-duplicate groups of a set."""
    from tuneset import near

    found = near.pairs(near.sets(rows["text"]))
    group = near.components(rows.height, found.left, found.right)
    return rows.with_columns(group=np.unique(group, return_inverse=True)[1])


def texts(data: Path, name: str, size: int, draws: int, model: str = "") -> dict[str, float]:
    """Say for each scene how often each test speaks, and how far the guessed shares are from the true ones."""
    rows = grouped(table(data, name))
    found: dict[str, list[float]] = {}
    for seed in range(draws):
        drawn = list(scenes(rows, size, seed))
        if name == "banking77" and size <= 500:
            drawn.append(paraphrased(data, size, seed))
        for scene, here, there in drawn:
            start = time.perf_counter()
            said = compared(here, there, model, seed)
            took = time.perf_counter() - start
            figures = {test["name"]: float(test["p"] <= LEVEL) for test in said["tests"]}
            figures |= {"any": float(said["differs"]), "seconds": took, "auc": said["two_sample"]["auc"]}
            figures["covered"] = said["coverage"]["value"]
            figures |= guesses(said, here, there)
            for figure, value in figures.items():
                found.setdefault(f"{scene}.{figure}", []).append(value)
    return {figure: float(np.mean(values)) for figure, values in found.items()}


def guesses(said: dict[str, Any], here: pl.DataFrame, there: pl.DataFrame) -> dict[str, float]:
    """Compare guessed shares with the true ones, and with the guess that they are as here."""
    true = dict(there["label"].value_counts(normalize=True).iter_rows())
    had = dict(here["label"].value_counts(normalize=True).iter_rows())
    facts = said["labels"]
    return {
        "guess_off": sum(abs(each["there"] - true.get(each["label"], 0)) for each in facts) / 2,
        "here_off": sum(abs(had.get(each["label"], 0) - true.get(each["label"], 0)) for each in facts) / 2,
        "inside": float(np.mean([each["low"] <= true.get(each["label"], 0) <= each["high"] for each in facts])),
    }


def shares_of(data: Path) -> NDArray[np.float64]:
    """Return the shares of BANKING77's 77 labels."""
    return table(data, "banking77")["label"].value_counts(normalize=True).sort("label")["proportion"].to_numpy()


def label_figures(data: Path, draws: int) -> dict[str, float]:
    """Measure the tests of label shares, with the 77 shares of BANKING77."""
    shares = shares_of(data)
    out = {f"represent.shares.false_alarms.{rows}": declared(shares, shares, rows, draws) for rows in (200, 500, 2000)}
    for way in ("one", "five", "half"):
        out[f"represent.shares.found.{way}"] = declared(shares, shifted(shares, 1, way), 1000, draws // 3)
    out["represent.labelled.false_alarms"] = labelled(shares, shares, 500, draws // 3)
    for way in ("one", "five", "half"):
        out[f"represent.labelled.found.{way}"] = labelled(shares, shifted(shares, 1, way), 1000, draws // 3)
    return out


def measure(data: Path) -> dict[str, float]:
    """Return the quick figures by name."""
    found = texts(data, "clinc150", 300, 6)
    kept = ("rows.any", "groups.any", "missing.any", "missing.coverage", "topics.labels", "rows.auc")
    return label_figures(data, 120) | {f"represent.texts.{name}": found[name] for name in kept}


def main() -> None:
    """Print the figures, one a line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", action="store_true", help="the long grid")
    parser.add_argument("--draws", type=int, default=30, help="of each scene, in the long grid")
    given = parser.parse_args()
    for name, value in (label_figures(DATA, 1000) if given.all else measure(DATA)).items():
        print(f"{name:<48} {value:.4f}", flush=True)
    cells = [("banking77", 500), ("banking77", 2000), ("clinc150", 500), ("clinc150", 2000), ("hwu64", 1000)]
    for part, size in cells if given.all else []:
        for model in ("", EMBEDDER) if EMBEDDER else ("",):
            for figure, value in texts(DATA, part, size, given.draws, model).items():
                print(f"{part} {size} {Path(model).name or 'n-grams':<8} {figure:<24} {value:.4f}", flush=True)


if __name__ == "__main__":
    main()
