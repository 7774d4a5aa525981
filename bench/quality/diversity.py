"""Which figures of diversity leave their band: on real rows held against real rows, and on five ways to be worse.

500 rows are marked as made from seeds and held against 500 real rows of the same labels (ten labels of CLINC150, of
BANKING77). `real` are other real rows: whatever leaves the band there is a false alarm. `copies` are 50 rows ten times
over; `collapse` the half of each label that is nearest its mean; `half` rows of five of the ten labels; `off topic`
rows of other labels; `a tenth off` real rows with 10 % such; `one a seed` and `ten a seed` paraphrases that a large model wrote of
500 and of 50 real rows. `--all`: both kinds of vectors (TUNESET_EMBEDDER=FOLDER), redundant rows, selection.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from tuneset import features
from tuneset.judge import ridge
from tuneset.judge.diversity import PANEL, diversity
from tuneset.judge.select import redundant, select
from tuneset.judge.view import Labels, View, labels
from tuneset.testing import examples

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float32]

DATA = Path(os.environ.get("TUNESET_DATA", Path(__file__).parents[3] / "shared" / "data"))
ROWS, CLASSES, POOL = 500, 10, 6000
CASES = ("real", "copies", "collapse", "half", "off topic", "a tenth off", "one a seed", "ten a seed")


class Rows(NamedTuple):
    """A set: text, label, place and, for paraphrases, the place of the row that each was made of."""

    table: pl.DataFrame
    vectors: Floats


def sets_of(data: Path, model: str) -> dict[str, Rows]:
    """Read the sets and their vectors."""
    clinc = pl.read_csv(data / "clinc150" / "clinc150.csv").filter(pl.col("split") == "train")
    made = pl.read_csv(data / "paraphrases" / "banking_dev_paraphrases.csv", infer_schema=False)
    made = made.select(text="ChatGPT's Paraphrase", label="Label", seed="Original Example")
    seeds = made.select(text="seed", label="label", seed=pl.lit(None, pl.String)).unique("text", maintain_order=True)
    tables = {
        "clinc150": clinc.select(text="inquiry", label="sub_category"),
        "banking77": pl.read_csv(data / "banking77" / "train.csv").select("text", label="category"),
        "paraphrases": pl.concat([seeds, made]),
    }
    cache = Path(os.environ["TUNESET_CACHE"]) if model and "TUNESET_CACHE" in os.environ else None
    return {
        name: Rows(table.with_row_index("at"), features.vectors(table["text"], model, cache=cache))
        for name, table in tables.items()
    }


def seen(rows: Rows, real: pl.DataFrame, made: pl.DataFrame) -> tuple[View, list[Labels]]:
    """Put real rows and rows marked as made into one set."""
    groups: list[list[str]] = [[] for _ in range(real.height)] + [["seed:1"] for _ in range(made.height)]
    both = pl.concat([each.select("text", "label", "at") for each in (real, made)])
    parts = zip(both["text"], both["label"], groups, strict=True)
    table = examples([{"text": text, "label": label, "groups": group} for text, label, group in parts])
    view = View(table, rows.vectors[both["at"]], np.ones(table.height, np.bool_), np.arange(table.height))
    return view, labels(table)


def drawn(case: str, rows: Rows, seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Draw real rows (of five hundred and more), and 500 rows of a case."""
    table = rows.table.sample(fraction=1, shuffle=True, seed=seed)
    tenth = ROWS // 10
    if case.endswith("a seed"):
        seeds, made = (table.filter(pl.col("seed").is_null() == which) for which in (True, False))
        of = seeds.head(ROWS if case.startswith("one") else tenth)["text"]
        made = made.filter(pl.col("seed").is_in(of.to_list()))
        return seeds, made.unique("seed", keep="first", maintain_order=True) if case.startswith("one") else made
    chosen = table["label"].unique().sort().sample(CLASSES, seed=seed).to_list()
    inside, outside = (table.filter(pl.col("label").is_in(chosen) == which) for which in (True, False))
    half = inside.height // 2
    real, rest = inside[:half], inside[half:]
    alien = outside.head(ROWS).with_columns(label=real["label"].sample(ROWS, with_replacement=True, seed=seed))
    return real, {
        "real": lambda: rest.head(ROWS),
        "copies": lambda: pl.concat([rest.head(tenth)] * 10),
        "collapse": lambda: near_the_mean(rest, rows.vectors).head(ROWS),
        "half": lambda: rest.filter(pl.col("label").is_in(chosen[: CLASSES // 2])).head(ROWS),
        "off topic": lambda: alien,
        "a tenth off": lambda: pl.concat([rest.head(ROWS - tenth), alien.head(tenth)]),
    }[case]()


def near_the_mean(rows: pl.DataFrame, vectors: Floats) -> pl.DataFrame:
    """Keep the half of each label that is nearest its mean."""
    codes = rows["label"].rank("dense").to_numpy().astype(np.int64) - 1
    mine = vectors[rows["at"]]
    means = np.zeros((codes.max() + 1, mine.shape[1]), np.float32)
    np.add.at(means, codes, mine)
    near = rows.with_columns(near=np.einsum("ij,ij->i", mine, means[codes]))
    return near.filter(pl.col("near") > pl.col("near").median().over("label"))


def tells(case: str, sets: dict[str, Rows], seeds: int, *, labelled: bool = True) -> dict[str, tuple[float, float]]:
    """Return for each figure in which share of draws it lies below its band, and above it."""
    found: dict[str, list[tuple[bool, bool]]] = {}
    for name in ("paraphrases",) if case.endswith("a seed") else ("clinc150", "banking77"):
        for seed in range(seeds):
            rows, columns = seen(sets[name], *drawn(case, sets[name], seed))
            for line in diversity(rows, columns if labelled else [])["panel"]:
                outside = (line["value"] < line["low"], line["value"] > line["high"])
                found.setdefault(line["name"], []).append(outside)
    shares = {name: np.mean(each, axis=0).tolist() for name, each in found.items()}
    return {name: (below, above) for name, (below, above) in shares.items()}


def table(sets: dict[str, Rows], seeds: int, *, labelled: bool) -> None:
    print(f"\nlabels {'matched' if labelled else 'not matched'}: share of draws below / above the band")
    print(f"{'':<12}" + "".join(f"{figure.name[:10]:>12}" for figure in PANEL))
    for case in CASES:
        found = tells(case, sets, 4 * seeds if case == "real" else seeds, labelled=labelled)
        cells = ["/".join(f"{share:.2g}" for share in found[figure.name]) for figure in PANEL]
        print(f"{case:<12}" + "".join(f"{cell:>12}" for cell in cells), flush=True)


def taught(rows: pl.DataFrame, chosen: Ints, vectors: Floats) -> float:
    """Teach the surrogate the chosen rows, and return its accuracy on the rows behind `POOL`."""
    codes = rows["label"].rank("dense").to_numpy().astype(np.int64) - 1
    made = ridge.fit(vectors[chosen], codes[chosen], int(codes.max()) + 1)
    return float((ridge.scores(made, vectors[POOL:]).argmax(axis=1) == codes[POOL:]).mean())


def same_labels(rows: Ints, chosen: Ints, codes: Ints) -> Ints:
    """Take the first rows of each label, as many as were chosen of it."""
    return np.concatenate([rows[codes[rows] == code][: (codes[chosen] == code).sum()] for code in np.unique(codes)])


def chosen_rows(sets: dict[str, Rows], seeds: int) -> None:
    """Print what the surrogate learns from chosen rows, from random ones of the same labels, and from random ones."""
    print(f"\naccuracy of the surrogate on 2,000 rows, taught some of {POOL:,} others")
    print(f"{'':<12}{'rows':>6}{'chosen':>9}{'labels':>9}{'random':>9}{'coverage':>9}{'random':>9}{'seconds':>9}")
    for name in ("banking77", "clinc150"):
        for size in (300, 600, 1500, 3000):
            found = []
            for seed in range(seeds):
                rows = sets[name].table.sample(POOL + 2000, shuffle=True, seed=seed)
                view, columns = seen(sets[name], rows, rows.head(0))
                view = view._replace(train=np.arange(rows.height) < POOL)
                started = perf_counter()
                made = select(view, columns, size, seed)
                seconds = perf_counter() - started
                chance = np.random.default_rng(seed).permutation(POOL)
                ways = (made.rows, same_labels(chance, made.rows, columns[0].codes), chance[:size])
                accuracies = [taught(rows, each, view.vectors) for each in ways]
                found.append((*accuracies, made.coverage, made.chance, seconds))
            print(f"{name:<12}{size:>6}" + "".join(f"{each:>9.3f}" for each in np.mean(found, axis=0)), flush=True)


def without_redundant(sets: dict[str, Rows], seeds: int) -> None:
    """Print what leaving redundant rows out costs, beside leaving out as many random rows."""
    print("\naccuracy of the surrogate: all rows, without the redundant ones, without as many random ones")
    for name in ("banking77", "clinc150", "paraphrases"):
        for seed in range(seeds):
            rows = sets[name].table.sample(POOL + 2000, shuffle=True, seed=seed)
            view, columns = seen(sets[name], rows, rows.head(0))
            view = view._replace(train=np.arange(rows.height) < POOL)
            out = redundant(view, columns).rows
            chance = np.random.default_rng(seed).permutation(POOL)[len(out) :]
            ways = (np.arange(POOL), np.setdiff1d(np.arange(POOL), out), chance)
            accuracies = [taught(rows, each, view.vectors) for each in ways]
            print(f"{name:<12}{len(out):>6}" + "".join(f"{each:>9.4f}" for each in accuracies), flush=True)


def measure(data: Path) -> dict[str, float]:
    """Return the quick figures: false alarms on real rows, and how often copies and paraphrases are told from them."""
    sets = sets_of(data, "")
    cases = {case: tells(case, sets, 2) for case in ("real", "copies", "collapse", "off topic", "one a seed")}
    either = {case: {name: below + above for name, (below, above) in found.items()} for case, found in cases.items()}
    return {
        "diversity.real.false_alarms": float(np.mean(list(either["real"].values()))),
        "diversity.copies.vendi": either["copies"]["vendi"],
        "diversity.collapse.distinct-2": either["collapse"]["distinct-2"],
        "diversity.off_topic.precision": either["off topic"]["precision"],
        "diversity.paraphrases.coverage": either["one a seed"]["coverage"],
    }


if __name__ == "__main__":
    for model in ["", os.environ["TUNESET_EMBEDDER"]] if "--all" in sys.argv else [""]:
        sets = sets_of(DATA, model)
        print(f"\n{'embedder' if model else 'n-grams'}")
        for labelled in (True, False):
            table(sets, 5, labelled=labelled)
        if "--all" in sys.argv:
            chosen_rows(sets, 3)
            without_redundant(sets, 3)
