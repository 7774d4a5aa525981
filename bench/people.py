"""What people agree on, measured on simulated pools whose truth is known: accuracy of each method, and who is named.

`python bench/people.py --pool` draws pools with two people who make answers up, one who says a neighbouring label half of
the time, and others who are right in 55 to 95 of 100 (or, in two of them, everyone confuses labels of their own); five seeds, and intervals of Student's t over them. `--speed` times
every part on a million answers. `--load` lets fifty people label at once, see people_load.py.
"""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from tuneset.people import agreement, consensus, contributors
from tuneset.people.answers import coded
from tuneset.people.dawid_skene import dawid_skene

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

SEEDS = range(5)
STUDENT = 2.776445  # of four degrees of freedom, 95 %
SPAM, BIASED = ("c00", "c01"), "c02"


class Pool(NamedTuple):
    """A kind of pool."""

    name: str
    items: int
    labels: int
    overlap: int
    people: int = 12
    kind: str = "bad"  # two who make answers up and one who is biased; or nobody of these; or all confuse some labels


POOLS = (
    Pool("5 labels, 3 answers", 1000, 5, 3),
    Pool("5 labels, 5 answers", 1000, 5, 5),
    Pool("2 labels, 5 answers", 1000, 2, 5),
    Pool("77 labels, 3 answers", 3000, 77, 3),
    Pool("5 labels, 3 answers, 200 items", 200, 5, 3),
    Pool("nobody bad, 5 labels, 3 answers", 1000, 5, 3, kind="good"),
    Pool("all confuse some, 5 labels, 3 answers", 1000, 5, 3, kind="confused"),
    Pool("all confuse some, 20 labels, 3 answers", 2000, 20, 3, kind="confused"),
)


def drawn(pool: Pool, seed: int) -> tuple[pl.DataFrame, list[str]]:
    rng = np.random.default_rng([seed, pool.items, pool.labels, pool.overlap])
    truth = rng.integers(0, pool.labels, pool.items)
    person = np.argsort(rng.random((pool.items, pool.people)), axis=1)[:, : pool.overlap].ravel()
    item = np.repeat(np.arange(pool.items), pool.overlap)
    say = confused if pool.kind == "confused" else careless
    return table(item, person, say(pool, truth[item], person, rng)), [f"v{each:02}" for each in truth.tolist()]


def careless(pool: Pool, truth: Ints, person: Ints, rng: np.random.Generator) -> Ints:
    """Say the truth as often as one's skill, else anything; two never, and one a neighbour of it half of the time."""
    skill = rng.uniform(0.55, 0.95, pool.people)
    bad = pool.kind == "bad"
    skill[:2] = 0 if bad else skill[:2]
    value = np.where(rng.random(len(truth)) < skill[person], truth, rng.integers(0, pool.labels, len(truth)))
    swayed = bad & (person == 2) & (rng.random(len(truth)) < 0.5)
    return np.where(swayed, (truth + 1) % pool.labels, value)


def confused(pool: Pool, truth: Ints, person: Ints, rng: np.random.Generator) -> Ints:
    """Say, of half of the labels, another one in 45 of 100 cases, always the same; each person has their own."""
    instead = (np.arange(pool.labels) + rng.integers(1, pool.labels, (pool.people, pool.labels))) % pool.labels
    often = np.where(rng.random(instead.shape) < 0.5, 0.45, 0.05)
    value = np.where(rng.random(len(truth)) < often[person, truth], instead[person, truth], truth)
    return np.where(rng.random(len(truth)) < 0.04, rng.integers(0, pool.labels, len(truth)), value)


def table(item: Ints, person: Ints, value: Ints) -> pl.DataFrame:
    names = {"item": (item, "i", 7), "contributor": (person, "c", 2), "value": (value, "v", 2)}
    return pl.DataFrame({name: each for name, (each, _, _) in names.items()}).select(
        (pl.lit(letter) + pl.col(name).cast(pl.String).str.zfill(digits)).alias(name)
        for name, (_, letter, digits) in names.items()
    )


def measured(pool: Pool, seed: int) -> Iterator[tuple[str, tuple[float, float, float]]]:
    """Give for each method its accuracy, the share of items it is sure of, and the accuracy on those."""
    answers, truth = drawn(pool, seed)
    items = pl.Series([f"i{n:07}" for n in range(pool.items)])
    true = pl.DataFrame({"item": items, "true": truth})
    for method in consensus.METHODS:
        found = consensus.consensus(answers, method).join(true, on="item")
        lot = pl.col("tied").list.contains(pl.col("true")).cast(pl.Float64) / pl.col("tied").list.len().clip(1)
        right = (
            pl.when(pl.col("value").is_null()).then(lot).otherwise((pl.col("value") == pl.col("true")).cast(pl.Float64))
        )
        found = found.with_columns(right=right)
        sure = found.filter(~pl.col("adjudicate"))
        yield method, (mean(found["right"]), sure.height / found.height, mean(sure["right"]))
    told = coded(answers)
    of_all = dawid_skene(told, published=True).candidates.p.reshape(-1, len(told.labels))
    right = np.array(told.labels, object)[of_all.argmax(axis=1)] == np.array(truth, object)
    sure_of = of_all.max(axis=1) >= consensus.SURE
    yield "dawid-skene as published", (float(right.mean()), float(sure_of.mean()), float(right[sure_of].mean()))


def mean(values: pl.Series) -> float:
    return float(np.mean(values.to_numpy())) if len(values) else float("nan")


def within(values: list[float]) -> str:
    return f"{np.mean(values):.3f} ± {STUDENT * np.std(values, ddof=1) / np.sqrt(len(values)):.3f}"


def accuracy() -> None:
    print(
        "| pool | method | accuracy | better than majority by | sure of | accuracy there |\n|---|---|---|---|---|---|"
    )
    for pool in POOLS:
        rows: dict[str, list[tuple[float, float, float]]] = {}
        for seed in SEEDS:
            for method, figures in measured(pool, seed):
                rows.setdefault(method, []).append(figures)
        for method, each in rows.items():
            right, sure, there = (list(column) for column in zip(*each, strict=True))
            gain = [one - other[0] for one, other in zip(right, rows["majority"], strict=True)]
            print(
                f"| {pool.name} | {method} | {within(right)} | {within(gain)} | {np.mean(sure):.2f} | {np.mean(there):.3f} |"
            )


def named() -> None:
    print(
        "\n| pool | spammers named | biased one named, and with the right confusion | others named |\n|---|---|---|---|"
    )
    for pool in POOLS:
        spam, biased, confusion, others, honest = 0, 0, 0, 0, 0
        badly = pool.kind == "bad"
        for seed in SEEDS:
            for who, why in contributors.contributors(drawn(pool, seed)[0]).select("contributor", "why").iter_rows():
                bad = badly and who in {*SPAM, BIASED}
                spam += bad and who in SPAM and bool(why)
                biased += bad and who == BIASED and bool(why)
                confusion += bad and who == BIASED and any("items that are" in each for each in why)
                honest += not bad
                others += not bad and bool(why)
        print(f"| {pool.name} | {spam} of {10 * badly} | {biased}, {confusion} of {5 * badly} | {others} of {honest} |")


def speed() -> None:
    rng = np.random.default_rng(0)
    item, person = np.repeat(np.arange(333_334), 3), np.zeros(0, np.int64)
    person = ((rng.integers(0, 60, 333_334)[:, None] + np.array([0, 7, 21])) % 60).ravel()
    truth, skill = rng.integers(0, 10, 333_334), rng.uniform(0.5, 0.95, 60)
    value = np.where(rng.random(len(item)) < skill[person], truth[item], rng.integers(0, 10, len(item)))
    answers = table(item, person, value).with_columns(seconds=pl.Series(rng.lognormal(2, 0.6, len(item))))
    parts: dict[str, Callable[[], object]] = {
        "coded": lambda: coded(answers),
        "alpha": lambda: agreement.alpha(answers),
        "per_label": lambda: agreement.per_label(answers),
        "kappas": lambda: agreement.kappas(answers),
        **{method: lambda method=method: consensus.consensus(answers, method) for method in consensus.METHODS},  # type: ignore[misc]
        "contributors": lambda: contributors.contributors(answers),
    }
    print(f"\n{answers.height:,} answers, 60 people, 10 labels: seconds")
    for name, part in parts.items():
        start = time.perf_counter()
        part()
        print(f"{name:14} {time.perf_counter() - start:6.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pool", action="store_true", help="accuracy of the methods, and who is named")
    parser.add_argument("--speed", action="store_true", help="seconds for a million answers")
    parser.add_argument("--load", action="store_true", help="fifty people who label at once: how long they wait")
    parser.add_argument("--minutes", type=int, default=10, help="of --load")
    asked = parser.parse_args()
    if asked.load:
        from people_load import load

        raise SystemExit(0 if load(asked.minutes) else 1)
    if asked.pool or not asked.speed:
        accuracy()
        named()
    if asked.speed:
        speed()


if __name__ == "__main__":
    main()
