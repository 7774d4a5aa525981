"""Measure the search for rows that do not belong: real rows from elsewhere are planted in real sets, alone and in clusters.

python bench/quality/relevance.py [--all]        by n-grams
TUNESET_EMBEDDER=FOLDER python bench/quality/relevance.py [--all]        with a model as well (all-MiniLM-L6-v2 as ONNX)

5 % of a set's rows come from elsewhere. Ways: `random`, CLINC150's out-of-scope rows with labels drawn at random; `nearest`, the
same rows with the label of the row that is most like each by its n-grams; `nearest_meaning`, by the model;
`neighbour`, rows of intents that the set does not have, labels at random; `cluster`, six of each such intent. Thresholds were chosen
on CLINC150.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from tuneset import features, step
from tuneset.features.ngrams import ngrams
from tuneset.judge.relevance import FarCluster, Irrelevant, scores
from tuneset.judge.view import labels, view
from tuneset.testing import examples

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    Figures = Iterator[tuple[str, float]]
    Bools = NDArray[np.bool_]

DATA = Path(os.environ.get("TUNESET_DATA", Path(__file__).parents[3] / "shared" / "data"))
MODEL = os.environ.get("TUNESET_EMBEDDER", "")
SHARE, EACH = 0.05, 6  # of the rows are planted; rows to a cluster
WAYS = ("random", "nearest", "neighbour", "cluster", *(["nearest_meaning"] if MODEL else []))
CLUSTERS = ("cluster", "one_label")


class Planted(NamedTuple):
    """A set, and which of its rows come from elsewhere."""

    rows: pl.DataFrame
    strange: Bools


def tables(data: Path) -> dict[str, pl.DataFrame]:
    """Read the sets: text and label, each text once."""
    banking = pl.read_csv(data / "banking77" / "train.csv").select("text", label="category")
    clinc = pl.read_csv(data / "clinc150" / "clinc150.csv").select(text="inquiry", label="sub_category")
    hwu = pl.read_csv(data / "hwu64" / "hwu64.csv", infer_schema=False).drop_nulls("text_as_annotated")
    hwu = hwu.select(text="text_as_annotated", label=pl.format("{} {}", "category", "sub_category"))
    named = {"clinc150": clinc, "hwu64": hwu.filter(pl.len().over("label") >= 40), "banking77": banking}
    return {name: rows.unique("text", keep="first", maintain_order=True) for name, rows in named.items()}


class Cell(NamedTuple):
    """What a set is drawn like."""

    name: str
    rows: int
    classes: int
    way: str = ""  # nothing is planted
    seed: int = 0


def planted(sets: dict[str, pl.DataFrame], cell: Cell) -> Planted:
    """Draw a set of some labels and plant rows in it."""
    rng = np.random.default_rng(cell.seed)
    whole = sets[cell.name].filter(pl.col("label") != "oos")
    mixed = rng.permutation(whole["label"].unique().sort().to_list()).tolist()
    chosen, others = mixed[: cell.classes], mixed[cell.classes :]
    wanted = round(cell.rows * SHARE) if cell.way else 0
    if cell.way in CLUSTERS:
        strange = clusters_of(whole, others, wanted, rng)
    else:
        source = (
            whole.filter(pl.col("label").is_in(others))
            if cell.way == "neighbour"
            else sets["clinc150"].filter(pl.col("label") == "oos")
        )
        strange = source["text"].gather(rng.permutation(source.height)[:wanted])
    inside = whole.filter(pl.col("label").is_in(chosen))
    inside = inside[rng.permutation(inside.height)[: cell.rows - wanted]]
    given = relabelled(inside, strange, cell.way, chosen, rng)
    both = pl.concat([inside, pl.DataFrame({"text": strange, "label": given}, schema=inside.schema)])
    order = rng.permutation(both.height)
    return Planted(examples(both[order].rows(named=True)), order >= inside.height)


def clusters_of(whole: pl.DataFrame, others: list[str], wanted: int, rng: np.random.Generator) -> pl.Series:
    """Draw some rows of each label that the set does not have."""
    drawn = [whole.filter(pl.col("label") == label)["text"] for label in others[: -(-wanted // EACH)]]
    return pl.concat([texts.gather(rng.permutation(len(texts))[:EACH]) for texts in drawn])[:wanted]


def relabelled(
    inside: pl.DataFrame, strange: pl.Series, way: str, chosen: list[str], rng: np.random.Generator
) -> list[str]:
    """Give the planted rows labels of the set."""
    if way.startswith("nearest"):
        both = pl.concat([inside["text"], strange])
        found = ngrams(both) if way == "nearest" else features.embeddings(both, MODEL, features.cache_folder())
        alike = found[inside.height :] @ found[: inside.height].T
        nearest = (alike if isinstance(alike, np.ndarray) else alike.toarray()).argmax(axis=1)
        return list(inside["label"].gather(nearest))
    several = EACH if way == "one_label" else 1  # a cluster of one label, or rows of any
    return [str(label) for label in np.repeat(rng.choice(chosen, -(-len(strange) // several)), several)][: len(strange)]


def with_vectors(rows: pl.DataFrame, model: str) -> pl.DataFrame:
    """Add the vectors, and the groups, as the stage does."""
    made = features.vectors(rows["text"], model, cache=features.cache_folder() if model else None)
    grouped = rows.with_columns(vector=pl.Series(made, dtype=pl.Array(pl.Float32, made.shape[1])))
    return grouped.with_columns(group=pl.Series(view(grouped).groups))


def average_precision(strange: Bools, score: NDArray[np.float64]) -> float:
    """Say how near the top of the ranking the planted rows are."""
    hit = strange[np.argsort(-score, kind="stable")]
    return float((np.cumsum(hit) / np.arange(1, len(hit) + 1))[hit].mean())


class Found(NamedTuple):
    """What became of one set."""

    ap: float
    precision: float
    recall: float
    false: float  # share of the rows that belong and are flagged


def ranked(made: Planted, model: str) -> Found:
    """Rank a set's rows, and run the step."""
    rows = with_vectors(made.rows, model)
    whole = view(rows)
    score = scores(whole, labels(rows)[0])
    ap = average_precision(made.strange, score) if made.strange.any() else 1.0
    return Found(ap, *flagged(Irrelevant(), rows, made.strange))


def flagged(rule: Irrelevant | FarCluster, rows: pl.DataFrame, strange: Bools) -> tuple[float, float, float]:
    """Run a step: precision, recall, and the share of false flags among the rows that belong."""
    said = rows["id"].is_in(step.run(rule, rows)["example"].implode()).to_numpy()
    right = int((said & strange).sum())
    return (
        right / said.sum() if said.any() else 1.0,
        right / strange.sum() if strange.any() else 1.0,
        float((said & ~strange).sum() / (~strange).sum()),
    )


def figures(sets: dict[str, pl.DataFrame], model: str, cell: Cell, seeds: int, ways: Iterable[str] = WAYS) -> Figures:
    """Measure one set at one size in several ways; means over seeds."""
    for way in ways:
        made = [ranked(planted(sets, cell._replace(way=way, seed=seed)), model) for seed in range(seeds)]
        for figure, value in zip(Found._fields, np.mean(made, axis=0), strict=True):
            yield f"{start(model, cell)}.{way}.{figure}", float(value)


def start(model: str, cell: Cell) -> str:
    return f"relevance.{'embedder' if model else 'ngrams'}.{cell.name}_{cell.rows}"


def clean(sets: dict[str, pl.DataFrame], model: str, name: str, seeds: int) -> Figures:
    """Count false flags in 500 rows in which nothing was planted, with and without their labels."""
    cell = Cell(name, 500, 10)
    tables = [with_vectors(planted(sets, cell._replace(seed=seed)).rows, model) for seed in range(seeds)]
    bare = [rows.with_columns(labels=pl.lit(None, pl.String), label=pl.lit(None, pl.String)) for rows in tables]
    for rule in (Irrelevant(), FarCluster()):
        for kind, several in (("", tables), (".no_labels", bare)):
            flags = [step.run(rule, rows).height / rows.height for rows in several]
            yield f"{start(model, cell)}.clean.{rule.rule}{kind}", float(np.mean(flags))


def clusters(sets: dict[str, pl.DataFrame], model: str, cell: Cell, seeds: int) -> Figures:
    """Look for clusters of six rows that carry one label each."""
    made = [planted(sets, cell._replace(way="one_label", seed=seed)) for seed in range(seeds)]
    tables = [with_vectors(each.rows, model) for each in made]
    for rule in (FarCluster(), Irrelevant()):
        found = [flagged(rule, table, each.strange) for table, each in zip(tables, made, strict=True)]
        for figure, value in zip(("precision", "recall", "false"), np.mean(found, axis=0), strict=True):
            yield f"{start(model, cell)}.one_label.{rule.rule}.{figure}", float(value)


def quick(sets: dict[str, pl.DataFrame], model: str) -> Figures:
    """Measure small sets."""
    yield from figures(sets, model, Cell("clinc150", 500, 10), 3)
    yield from clusters(sets, model, Cell("clinc150", 500, 10), 3)
    for name in sets:
        yield from clean(sets, model, name, 2)


def grid(sets: dict[str, pl.DataFrame], model: str) -> Figures:
    """Measure large sets, those that nothing was chosen on, and the small ones with more seeds."""
    yield from figures(sets, model, Cell("clinc150", 500, 10), 20)
    yield from figures(sets, model, Cell("clinc150", 3000, 75), 5)
    yield from clusters(sets, model, Cell("clinc150", 3000, 75), 3)
    for name in ("hwu64", "banking77"):
        yield from figures(sets, model, Cell(name, 500, 10), 5)
        yield from figures(sets, model, Cell(name, 3000, 50), 2)
        yield from clusters(sets, model, Cell(name, 500, 10), 5)
    for name in sets:
        yield from clean(sets, model, name, 5)


def measure(data: Path) -> dict[str, float]:
    """Return the figures of small sets by name: by n-grams, and by the model where one is named."""
    sets = tables(data)
    return {name: value for model in dict.fromkeys(("", MODEL)) for name, value in quick(sets, model)}


if __name__ == "__main__":
    wanted = grid if "--all" in sys.argv else quick
    for model in dict.fromkeys(("", MODEL)):
        for figure, value in wanted(tables(DATA), model):
            print(f"{figure:<72} {value:.4f}", flush=True)
