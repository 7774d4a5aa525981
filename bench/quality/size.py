"""How far the learning curve's forecast is off, how often its interval holds, and how often "large enough" is right.

Pilots are rows drawn from BANKING77, CLINC150 and HWU64 (all their labels); the truth is the surrogate's accuracy with 2 and 4
times their rows, on 3,000 rows that no pilot has, nor their near-duplicates. The numbers in `curve` were chosen on
other draws of BANKING77, and seen on other draws of the two others. `enough`: sets of 5 to 150 labels in several sizes; right where accuracy with all rows of the
set is less than two points higher. `double`: twice the rows for the ten labels that are said to gain most, against ten
drawn ones. `--all`: more pilots, with n-grams and with an embedding model (TUNESET_EMBEDDER=FOLDER).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl

from tuneset import features, near
from tuneset.features.embed import cache_folder
from tuneset.judge import ridge
from tuneset.judge.size import size
from tuneset.judge.view import Labels, View

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float32]

DATA = Path(os.environ.get("TUNESET_DATA", Path(__file__).parents[3] / "shared" / "data"))
PILOTS, TIMES = (500, 1000, 2000), (2, 4)
HELD, FIRST = 3000, 100  # rows to ask; the first draw, as lower ones were looked at when numbers were chosen


class Pool(NamedTuple):
    """A set: its vectors, labels and near-duplicate groups."""

    vectors: Floats
    codes: Ints
    groups: Ints


class Missed(NamedTuple):
    """A forecast and what came true."""

    rows: int
    times: int
    off: float
    held: bool
    gain_off: float


def tables(data: Path) -> dict[str, pl.DataFrame]:
    """Read the sets: text and label."""
    banking = [pl.read_csv(data / "banking77" / f"{part}.csv") for part in ("train", "test")]
    clinc = pl.read_csv(data / "clinc150" / "clinc150.csv").filter(pl.col("sub_category") != "oos")
    hwu = pl.read_csv(data / "hwu64" / "hwu64.csv", infer_schema=False)
    return {
        "banking77": pl.concat(banking).select("text", label="category"),
        "clinc150": clinc.select(text="inquiry", label="sub_category"),
        "hwu64": hwu.select(text="text_as_typed", label=pl.concat_str("category", pl.lit("/"), "sub_category")),
    }


def pool(table: pl.DataFrame, model: str = "") -> Pool:
    """Make vectors and groups of a whole set, once for all pilots."""
    found = near.pairs(near.sets(table["text"]))
    groups = near.components(table.height, found.left, found.right)
    vectors = features.vectors(table["text"], model, cache=cache_folder() if model else None)
    return Pool(vectors, table["label"].rank("dense").cast(pl.Int64).to_numpy() - 1, groups)


def judged(rows: Pool) -> dict[str, Any]:
    """Judge the size of a pilot."""
    names = [f"label {code}" for code in range(int(rows.codes.max()) + 1)]
    seen = View(pl.DataFrame(), rows.vectors, np.ones(len(rows.codes), np.bool_), rows.groups)
    return size(seen, [Labels("label", names, rows.codes, None)])


def part(whole: Pool, rows: Ints) -> Pool:
    return Pool(whole.vectors[rows], whole.codes[rows], whole.groups[rows])


def accuracy(whole: Pool, learn: Ints, ask: Ints) -> float:
    """Fit the surrogate on some rows and ask it others."""
    made = ridge.fit(whole.vectors[learn], whole.codes[learn], int(whole.codes.max()) + 1)
    said = ridge.scores(made, whole.vectors[ask]).argmax(axis=1)
    return float((said == whole.codes[ask]).mean())


def sides(whole: Pool, draw: int) -> tuple[Ints, Ints]:
    """Put about `HELD` rows (a quarter of a small set) aside, with their groups, and the others in a drawn order."""
    rng = np.random.default_rng(draw)
    most = min(HELD / len(whole.codes), 0.25)
    aside = rng.random(int(whole.groups.max()) + 1)[whole.groups] < most
    return np.flatnonzero(aside), rng.permutation(np.flatnonzero(~aside))


def forecasts(whole: Pool, rows: int, draw: int) -> list[Missed]:
    """Compare what is forecast from one pilot with what comes true."""
    ask, order = sides(whole, draw)
    facts = judged(part(whole, order[:rows]))["curve"]["ahead"]
    ahead = {each["times"]: each for each in facts}
    now = accuracy(whole, order[:rows], ask)
    missed = []
    for times in TIMES:
        truth, said = accuracy(whole, order[: rows * times], ask), ahead[times]
        held = said["low"] <= truth <= said["high"]
        missed.append(Missed(rows, times, said["accuracy"] - truth, held, said["gain"] - (truth - now)))
    return missed


def enough(whole: Pool, labels: int, share: float, draw: int) -> tuple[bool, float]:
    """Say whether a part of a set is said to be large enough, and how much more accurate all of it would be."""
    ask, order = sides(whole, draw)
    chosen = np.random.default_rng(draw).permutation(int(whole.codes.max()) + 1)[:labels]
    ask, order = (rows[np.isin(whole.codes[rows], chosen)] for rows in (ask, order))
    few = order[: round(share * len(order))]
    return judged(part(whole, few))["plateau"], accuracy(whole, order, ask) - accuracy(whole, few, ask)


def double(whole: Pool, rows: int, draw: int) -> tuple[float, float]:
    """Return what twice the rows bring to the ten labels that are said to gain most, and to ten drawn ones."""
    ask, order = sides(whole, draw)
    learn, rest = order[:rows], order[rows:]
    most = [int(each["label"].split()[1]) for each in judged(part(whole, learn))["gains"]]
    some = np.random.default_rng(draw).permutation(np.unique(whole.codes[learn]))[: len(most)]

    def gain(chosen: list[int]) -> float:
        asked = ask[np.isin(whole.codes[ask], chosen)]
        more = [rest[whole.codes[rest] == code][: int((whole.codes[learn] == code).sum())] for code in chosen]
        return accuracy(whole, np.concatenate([learn, *more]), asked) - accuracy(whole, learn, asked)

    return gain(most), gain(some.tolist())


def summed(missed: list[Missed]) -> dict[str, float]:
    """Return the mean error in points, at 2 and 4 times, and how often the interval held."""
    off = {times: [100 * abs(each.off) for each in missed if each.times == times] for times in TIMES}
    return {
        "off": float(np.mean([100 * abs(each.off) for each in missed])),
        **{f"off.{times}x": float(np.mean(each)) for times, each in off.items()},
        "held": float(np.mean([each.held for each in missed])),
    }


def verdicts(pools: dict[str, Pool], draws: int) -> dict[str, float]:
    """Return how often a set is said to be large enough, and how often rightly."""
    cells = [(whole, labels, share) for whole in pools.values() for labels in (5, 10, 20, 999) for share in (0.25, 0.5)]
    found = [enough(*cell, FIRST + draw) for cell in cells for draw in range(draws)]
    gaps = [gap for said, gap in found if said]
    return {
        "enough.sets": float(len(found)),
        "enough.said": float(len(gaps)),
        "enough.right": float(np.mean([gap <= 0.02 for gap in gaps])) if gaps else 1.0,
        "enough.worst": 100 * max(gaps, default=0.0),
    }


def measure(data: Path) -> dict[str, float]:
    """Return the figures by name: a few pilots of a part of each set, n-grams."""
    figures: dict[str, float] = {}
    for name, table in tables(data).items():
        whole = pool(table.sample(8000, seed=FIRST))
        missed = [each for rows in (500, 1000) for draw in range(2) for each in forecasts(whole, rows, FIRST + draw)]
        figures |= {f"size.{name}.{figure}": value for figure, value in summed(missed).items()}
    return figures


def everything(draws: int) -> None:
    for kind in dict.fromkeys(("", os.environ.get("TUNESET_EMBEDDER", ""))):
        pools = {name: pool(table, kind) for name, table in tables(DATA).items()}
        print(f"\n{kind or 'n-grams'}\n{'':<22}{'off at 2x':>10}{'at 4x':>8}{'held':>8}{'gain off':>10}")
        for name, whole in pools.items():
            for rows in PILOTS:
                missed = [each for draw in range(draws) for each in forecasts(whole, rows, FIRST + draw)]
                said, gain = summed(missed), 100 * np.mean([abs(each.gain_off) for each in missed])
                print(
                    f"{name:<12}{rows:>10,}{said['off.2x']:>10.2f}{said['off.4x']:>8.2f}{said['held']:>8.2f}{gain:>10.2f}",
                    flush=True,
                )
            gains = np.mean([double(whole, 1000, FIRST + draw) for draw in range(draws)], axis=0)
            print(
                f"{name:<12} twice the rows of the ten that gain most: {100 * gains[0]:.1f} points; of ten drawn: {100 * gains[1]:.1f}"
            )
        print(verdicts(pools, 2), flush=True)


if __name__ == "__main__":
    if "--all" in sys.argv:
        everything(draws=20)
    else:
        started = perf_counter()
        for figure, value in measure(DATA).items():
            print(f"{figure:<32} {value:.3f}")
        print(f"{perf_counter() - started:.0f} s")
