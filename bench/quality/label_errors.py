"""How well wrong labels are found that were put into BANKING77, CLINC150 and HWU64, and how few are found where none were.

`python bench/quality/label_errors.py` prints the quick figures; `--all` every cell, with the embedder beside the n-grams
where TUNESET_EMBEDDER names a model; `--save FOLDER` leaves vectors, labels and scores for bench/peers/label.py.

A cell: 500 rows of 10 labels, or 3,000 of 77 (CLINC150 75, HWU64 as many as it has), drawn by a seed, of which 5 or 10 %
get another label: `confusable`, one of the three that naive Bayes on n-grams, fitted on the clean rows, holds for
likeliest besides the true one (in closed form, so that every machine draws the same; with logistic regression in its
place the figures are within .01), or `uniform`, any other. DRAWS is the hash of all labels drawn.
The threshold was chosen on BANKING77 alone.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import orjson
import polars as pl
import scipy.linalg  # noqa: F401  here, so that the first cell does not pay for it

from tuneset import features, near, step
from tuneset.features.ngrams import counts
from tuneset.judge import doubts
from tuneset.judge.labels import THRESHOLD, LabelError
from tuneset.judge.view import Labels, View
from tuneset.testing import examples

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Bools = NDArray[np.bool_]
    Ints = NDArray[np.int64]
    Floats = NDArray[np.float32]

DATA = Path(os.environ.get("TUNESET_DATA", Path(__file__).parents[3] / "shared" / "data"))
EXAMPLES = Path(__file__).parents[2] / "examples" / "customer_intent.csv"
MODEL = os.environ.get("TUNESET_EMBEDDER", "")
SETS = ("banking77", "clinc150", "hwu64")
SIZES = {"small": (500, 10), "large": (3000, 77)}
NOISES = (("confusable", 0.05), ("confusable", 0.10), ("uniform", 0.10))
SEEDS = 5
CLINC = 75  # labels of a large draw
DRAWS = "befe9346d4585921cdf895a79b8943d93388fad26cbb986ee6429cab100f1bdf"


class Draw(NamedTuple):
    """Rows of a set, with the labels that they have."""

    name: str
    texts: pl.Series
    true: Ints
    labels: list[str]
    groups: Ints


class Cell(NamedTuple):
    """A draw of which some labels were changed."""

    name: str
    draw: Draw
    given: Ints


class Found(NamedTuple):
    """What we said of a cell."""

    doubt: Floats
    likely: Floats  # surrogate and votes
    flagged: Bools
    seconds: float  # of one core, from vectors to flags
    ranking: float  # of which: from scores to flags


def rows_of(data: Path, name: str) -> pl.DataFrame:
    """Read a set: text and label, each text once."""
    if name == "banking77":
        read = pl.read_csv(data / name / "train.csv").select("text", label="category")
    elif name == "clinc150":
        whole = pl.read_csv(data / name / "clinc150.csv").filter(pl.col("split") == "train")
        read = whole.select(text="inquiry", label="sub_category")
    else:
        whole = pl.read_csv(data / name / "hwu64.csv", infer_schema=False)
        read = whole.select(text="text_as_typed", label=pl.format("{} {}", "category", "sub_category"))
    said = read.drop_nulls().filter(pl.col("text").str.contains(r"\w"))
    return said.unique("text", keep="first", maintain_order=True)


def draw(data: Path, name: str, size: str, seed: int) -> Draw:
    """Draw labels, and rows of these."""
    rows, labels = SIZES[size]
    rng = np.random.default_rng([seed, rows])
    whole = rows_of(data, name)
    names = np.array(sorted(whole["label"].unique().to_list()))
    labels = min(labels, CLINC) if name == "clinc150" else labels
    of_these = whole.filter(pl.col("label").is_in(names[np.sort(rng.permutation(len(names))[:labels])].tolist()))
    some = of_these[np.sort(rng.permutation(of_these.height)[:rows])]
    kept = sorted(some["label"].unique().to_list())
    found = near.pairs(near.sets(some["text"]))
    groups = near.components(some.height, found.left, found.right)
    return Draw(name, some["text"], some["label"].rank("dense").to_numpy().astype(np.int64) - 1, kept, groups)


def likeliest(drawn: Draw) -> Ints:
    """Return the three labels that naive Bayes holds for likeliest besides the true one: shape (rows, 3)."""
    counted = counts(drawn.texts)
    used = counted[:, np.unique(counted.indices)]
    of_label = np.stack([used[drawn.true == label].sum(axis=0) for label in range(len(drawn.labels))]) + 0.1
    score = used @ np.log(of_label / of_label.sum(axis=1, keepdims=True)).T
    score[np.arange(len(drawn.true)), drawn.true] = -np.inf
    return np.argsort(-score, axis=1, kind="stable")[:, :3]


def cells(data: Path, size: str, names: tuple[str, ...] = SETS, seeds: int = SEEDS) -> Iterator[Cell]:
    """Draw rows, and change labels in each way."""
    for name in names:
        for seed in range(seeds):
            drawn = draw(data, name, size, seed)
            near_by = likeliest(drawn)
            for noise, share in NOISES:
                rng = np.random.default_rng([seed, round(share * 100), noise == "uniform"])
                hit = np.sort(rng.permutation(len(drawn.true))[: round(share * len(drawn.true))])
                given, many = drawn.true.copy(), len(drawn.labels)
                if noise == "uniform":
                    given[hit] = (given[hit] + rng.integers(1, many, len(hit))) % many
                else:
                    given[hit] = near_by[hit, rng.integers(0, 3, len(hit))]
                yield Cell(f"{size}-{name}-{seed}-{noise}-{share:.2f}", drawn, given)


def drawn_hash(data: Path) -> str:
    """Hash the rows and labels of every cell."""
    hashed = hashlib.sha256()
    for size in SIZES:
        for cell in cells(data, size):
            labels = [cell.draw.labels[code] for code in cell.given.tolist()]
            hashed.update(orjson.dumps([cell.name, cell.draw.texts.to_list(), labels]))
    return hashed.hexdigest()


def vectors_of(texts: pl.Series, model: str) -> Floats:
    return features.vectors(texts, model, cache=features.cache_folder() if model else None)


def looked(cell: Cell, vectors: Floats) -> Found:
    """Judge a cell; then let rows vote about every row, so that all can be ranked: the time is that without."""
    seen = View(pl.DataFrame(), vectors, np.ones(len(cell.given), np.bool_), cell.draw.groups)
    column = Labels("label", cell.draw.labels, cell.given, None)
    started = time.process_time()
    found = doubts.judged(seen, column)
    assert found is not None
    between = time.process_time()
    above = doubts.limit(found, THRESHOLD)
    sure = doubts.doubts(seen, found, above)[0] > above
    ended = time.process_time()
    flagged = np.zeros(len(cell.given), np.bool_)
    flagged[found.rows] = sure
    doubt = np.full(len(cell.given), -9, np.float32)
    likely = np.zeros((len(cell.given), len(cell.draw.labels)), np.float32)
    doubt[found.rows], votes = doubts.doubts(seen, found, -9)
    kept = np.array([cell.draw.labels.index(name) for name in found.names])
    likely[np.ix_(found.rows, kept)] = found.likely + doubts.VOTES * votes
    return Found(doubt, likely, flagged, ended - started, ended - between)


def average_precision(score: Floats, wrong: Bools) -> float:
    found = wrong[np.argsort(-score, kind="stable")]
    return float((np.cumsum(found) / np.arange(1, len(found) + 1))[found].mean())


def f1(flagged: Bools, wrong: Bools) -> float:
    return float(2 * (flagged & wrong).sum() / max(1, flagged.sum() + wrong.sum()))


def grid(data: Path, size: str, model: str, seeds: int = SEEDS, save: Path | None = None) -> pl.DataFrame:
    """Judge each cell of a size: F1 at the threshold, average precision, time."""
    rows = []
    kept: tuple[pl.Series | None, Floats] = (None, np.zeros((0, 0), np.float32))
    for cell in cells(data, size, seeds=seeds):
        if kept[0] is not cell.draw.texts:
            kept = (cell.draw.texts, vectors_of(cell.draw.texts, model))
        found, wrong = looked(cell, kept[1]), cell.given != cell.draw.true
        flagged = found.flagged
        if save is not None:
            name = f"{'model' if model else 'ngrams'}-{cell.name}.npz"
            np.savez(
                save / name,
                vectors=kept[1],
                true=cell.draw.true,
                given=cell.given,
                doubt=found.doubt,
                likely=found.likely,
                flagged=flagged,
                seconds=np.array([found.seconds, found.ranking]),
            )
        precision = float((flagged & wrong).sum() / max(1, flagged.sum()))
        recall = float((flagged & wrong).sum() / wrong.sum())
        scored = (f1(flagged, wrong), precision, recall, average_precision(found.doubt, wrong))
        rows.append((cell.draw.name, cell.name.split("-", 3)[3], *scored, found.seconds, found.ranking))
    names = ["set", "noise", "f1", "precision", "recall", "ap", "seconds", "ranking"]
    return pl.DataFrame(rows, schema=names, orient="row")


def lists(data: Path, name: str, model: str) -> dict[str, float]:
    """Join rows of a small draw in pairs, half of them, and take, give or change a label in 5 %: F1 of each."""
    drawn, rng = draw(data, name, "small", 0), np.random.default_rng(0)
    one, other = rng.permutation(500), rng.permutation(500)
    pair = rng.random(500) < 0.5
    drawn_texts = drawn.texts.to_list()
    texts = [
        f"{drawn_texts[a]} {drawn_texts[b]}" if two else drawn_texts[a]
        for a, b, two in zip(one.tolist(), other.tolist(), pair.tolist(), strict=True)
    ]
    true = np.zeros((500, len(drawn.labels)), np.bool_)
    true[np.arange(500), drawn.true[one]] = True
    true[np.flatnonzero(pair), drawn.true[other[pair]]] = True
    groups = np.where(pair, 500 + np.arange(500), one)
    vectors = vectors_of(pl.Series(texts), model)
    found = {}
    for kind in ("changed", "missing", "too many", "clean"):
        given = true.copy()
        could = true.sum(axis=1) == 2 if kind == "missing" else true.any(axis=1)
        for row in rng.permutation(np.flatnonzero(could))[:25] if kind != "clean" else ():
            if kind != "too many":
                given[row, rng.choice(np.flatnonzero(true[row]))] = False
            if kind != "missing":
                given[row, rng.choice(np.flatnonzero(~true[row]))] = True
        several = [np.flatnonzero(row) for row in given]
        column = Labels("label", drawn.labels, given.argmax(axis=1), several)
        seen = View(pl.DataFrame(), vectors, np.ones(500, np.bool_), groups)
        said = doubts.judged(seen, column)
        assert said is not None
        above = doubts.limit(said, THRESHOLD)
        flagged = np.zeros(500, np.bool_)
        flagged[said.rows] = doubts.doubts(seen, said, above)[0] > above
        found[kind] = float(flagged.sum()) if kind == "clean" else round(f1(flagged, (given != true).any(axis=1)), 3)
    return found


def clean(data: Path, model: str) -> dict[str, float]:
    """Count what is flagged of 500 rows in which nothing was changed: the most of five draws, and of the example set."""
    most = {}
    for name in SETS:
        found = []
        for seed in range(SEEDS):
            drawn = draw(data, name, "small", seed)
            cell = Cell("clean", drawn, drawn.true)
            found.append(int(looked(cell, vectors_of(drawn.texts, model)).flagged.sum()))
        most[name] = float(max(found))
    table = pl.read_csv(EXAMPLES, infer_schema=False)
    labels = pl.Series([orjson.dumps(row).decode() for row in table.drop("inquiry").to_dicts()])
    rows = examples(table["inquiry"].to_list()).with_columns(labels=labels)
    made = vectors_of(rows["text"], model)
    given = rows.with_columns(vector=pl.Series(made, dtype=pl.Array(pl.Float32, made.shape[1])))
    return most | {"customer_intent": float(step.run(LabelError(), given).height)}


def two_columns(model: str) -> dict[str, float]:
    """Change 20 rows of the example set in both columns, 20 in the category and 20 in the sub-category within it."""
    table = pl.read_csv(EXAMPLES, infer_schema=False)
    true = table.drop("inquiry").to_dicts()
    pairs = sorted({(row["category"], row["sub_category"]) for row in true})
    rng, given = np.random.default_rng(0), [dict(row) for row in true]
    for turn, row in enumerate(rng.permutation(len(given))[:60].tolist()):
        above, below = given[row]["category"], given[row]["sub_category"]
        any_, sibling = pairs[rng.integers(len(pairs))], [each for each in pairs if each[0] == above]
        changed = (any_, (any_[0], below), sibling[rng.integers(len(sibling))])[turn // 20]
        given[row] = dict(zip(("category", "sub_category"), changed, strict=True))
    rows = examples(table["inquiry"].to_list()).with_columns(
        labels=pl.Series([orjson.dumps(each).decode() for each in given])
    )
    made = vectors_of(rows["text"], model)
    said = step.run(LabelError(), rows.with_columns(vector=pl.Series(made, dtype=pl.Array(pl.Float32, made.shape[1]))))
    of = {name: (one, other) for name, one, other in zip(rows["id"], true, given, strict=True)}
    right = [orjson.loads(after) == of[name][0] for name, after in said.select("example", "after").rows() if after]
    wrong = [of[name][0] != of[name][1] for name in said["example"]]
    planted = sum(one != other for one, other in of.values())
    return {"wrong": planted, "flagged": said.height, "found": sum(wrong), "suggestion right": sum(right)}


def measure(data: Path) -> dict[str, float]:
    """Return the figures that are held: n-grams, two draws of the small cells, one of the large."""
    figures: dict[str, float] = {}
    for size, seeds in (("small", 2), ("large", 1)):
        found = grid(data, size, "", seeds)
        for name in ("f1", "ap"):
            figures[f"labels.ngrams.{size}.{name}"] = round(float(found[name].to_numpy().mean()), 4)
    figures["labels.ngrams.two_columns.found"] = two_columns("")["found"]
    return figures | {f"labels.ngrams.clean.{name}": many for name, many in clean(data, "").items()}


def main() -> None:
    """Print figures, or every cell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", action="store_true", help="every cell, and the embedder")
    parser.add_argument("--save", type=Path, help="a folder that the peers read")
    given = parser.parse_args()
    if not given.all:
        for figure, value in measure(DATA).items():
            print(f"{figure:<40} {value}")
        return
    if given.save is not None:
        given.save.mkdir(parents=True, exist_ok=True)
    print("draws as published" if drawn_hash(DATA) == DRAWS else "draws NOT AS PUBLISHED")
    figures = ("f1", "precision", "recall", "ap", "seconds", "ranking")
    for model in ("", MODEL) if MODEL else ("",):
        for size in SIZES:
            found = grid(DATA, size, model, save=given.save)
            for by in (pl.col("noise"), pl.col("set"), pl.lit("all")):
                for name, *means in found.group_by(by.alias("of"), maintain_order=True).agg(pl.mean(*figures)).rows():
                    told = " ".join(f"{figure} {mean:.3f}" for figure, mean in zip(figures, means, strict=True))
                    print(f"{'model' if model else 'n-grams':<8} {size:<6} {name:<16} {told}", flush=True)
        print("model" if model else "n-grams", "flagged of clean rows:", clean(DATA, model))
        print("model" if model else "n-grams", "two columns:", two_columns(model))
        for name in SETS:
            print("model" if model else "n-grams", f"lists of labels, {name}:", lists(DATA, name, model))


if __name__ == "__main__":
    main()
