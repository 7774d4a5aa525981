"""Measure learning as the data comes in: a stream of BANKING77 with a new label and a shift half-way.

The stream: 60 labels to begin with, then 4,000 texts, of which every second one is labelled, a hundred texts late: those
of the audit slice first, then those that the model asks for. At half-way a label that was held back appears, a third of
the labels becomes three times as frequent, and every second text has a typo. Drift is looked for every 100 texts in the
last 500, against 3,000 texts from before; labels for it are guessed by a model (a stand-in for the fine-tuned one) that
was fitted on 2,000 other texts. `python bench/online.py` prints one table; `--quick` takes a minute. `--held` measures
instead what `tuneset collect` does: 15 % of the labels are never learned from, and the model is measured on them.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl

from tuneset import near
from tuneset.judge.shares import interval
from tuneset.people import audit, drift, learning
from tuneset.people.learning import Labelled, Online

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

DATA = Path(os.environ.get("TUNESET_DATA", Path(__file__).parents[2] / "shared" / "data"))
BEGIN, HALF, TICK, PACE = 60, 2000, 100, 50
REFERENCE, STAND_IN, HELD_OUT = 3000, 2000, 1500
FEW = 128  # dimensions of the many streams without a shift: an eighth, to be quick
SHIFTS = ("mixed", "label shares", "typos", "other topics", "new label")


class World(NamedTuple):
    """BANKING77, each text once, as written and with a typo, and CLINC150: rows behind one another."""

    texts: pl.Series
    labels: NDArray[np.str_]
    groups: pl.Series  # the normal form of a text: each row comes by itself
    features: Any
    vectors: NDArray[np.float32]
    rows: int  # of BANKING77; row r with a typo is row r + rows; what follows is CLINC150


class Run(NamedTuple):
    """What one stream has shown."""

    online: float
    refit: float
    sklearn: float
    shown: audit.Shown
    mean_truth: float  # accuracy on held-out texts, averaged over the versions that answered in the window
    update: float  # seconds, the slowest
    calibration: float  # expected calibration error, 10 bins


def typo(text: str, rng: np.random.Generator) -> str:
    """Leave a letter out, turn two round, or strike a wrong key."""
    at, kind = int(rng.integers(max(1, len(text) - 1))), int(rng.integers(3))
    wrong = ("", text[at : at + 2][::-1], chr(97 + int(rng.integers(26))))[kind]
    return text[:at] + wrong + text[at + (2 if kind == 1 else 1) :]


def world(data: Path) -> World:
    files = [pl.read_csv(data / "banking77" / f"{name}.csv") for name in ("train", "test")]
    banking = pl.concat(files).unique("text", keep="first", maintain_order=True)
    typed = [typo(text, np.random.default_rng(row)) for row, text in enumerate(banking["text"])]
    clinc = pl.read_csv(data / "clinc150" / "clinc150.csv")["inquiry"].unique(maintain_order=True)[:4000]
    texts = pl.concat([banking["text"], pl.Series("text", typed), clinc.rename("text")])
    forms = near.normal(texts)
    labels = np.concatenate([np.tile(banking["category"].to_numpy(), 2), np.full(len(clinc), "other")])
    found = learning.features(texts)
    return World(texts, labels.astype(np.str_), forms, found, drift.placed(found), banking.height)


def shifted(here: World, rest: Ints, size: int, way: str, rng: np.random.Generator) -> Ints:
    """Draw rows of the traffic after a shift from rows that were not used."""
    weights = np.ones(len(rest))
    if way in {"mixed", "label shares"}:
        names = np.unique(here.labels[: here.rows])
        weights[np.isin(here.labels[rest], rng.choice(names, len(names) // 3, replace=False))] = 3
    drawn = rng.choice(rest, size, replace=False, p=weights / weights.sum())
    if way in {"mixed", "typos"}:
        drawn = drawn + here.rows * (rng.random(size) < (0.5 if way == "mixed" else 1.0))
    if way == "other topics":
        other = rng.integers(2 * here.rows, len(here.texts), size)
        drawn = np.where(rng.random(size) < 0.2, other, drawn)
    return drawn


def side(here: World, rows: Ints, guessed: pl.Series) -> drift.Side:
    return drift.Side(here.texts.gather(rows), here.vectors[rows], here.groups.gather(rows), guessed.gather(rows))


def looks(  # noqa: PLR0913, PLR0917
    here: World, guessed: pl.Series, reference: Ints, stream: Ints, seed: int, begin: int = drift.LEAST
) -> Iterator[tuple[int, drift.Drift]]:
    """Look at a stream every 100 texts: how many have come, and what was found."""
    watch, past = drift.Watch(seed, looks=(begin - drift.LEAST) // drift.EVERY), side(here, reference, guessed)
    for seen in range(begin, len(stream) + 1, drift.EVERY):
        window = stream[max(0, seen - drift.WINDOW) : seen]
        watch, found = drift.look(watch, past, side(here, window, guessed))
        yield seen, found


def stand_in(here: World) -> tuple[pl.Series, Ints]:
    """Guess the labels of all texts by a model fitted on some, and return the rows that it has not seen."""
    order = np.random.default_rng(77).permutation(here.rows)
    rows = order[:STAND_IN]
    empty = learning.started(np.unique(here.labels[rows]).tolist(), 1, here.features[rows])
    model = learning.refitted(empty, labelled(here, rows))
    return pl.Series(learning.suggest(model, here.features).labels), order[STAND_IN:]


def labelled(here: World, rows: Ints) -> Labelled:
    return Labelled(pl.Series(rows).cast(pl.String), here.features[rows], pl.Series(here.labels[rows]))


def false_alarms(here: World, guessed: pl.Series, free: Ints, seeds: range, length: int) -> tuple[int, int]:
    """Count the streams without a shift that raise an alarm, and those that would if every look had a level of .01."""
    here = here._replace(vectors=drift.placed(here.features[: here.rows], FEW))
    alarms = naive = 0
    for seed in seeds:
        order = np.random.default_rng([1, seed]).permutation(free)
        stream = order[REFERENCE : REFERENCE + length]
        found = [each for _, each in looks(here, guessed, order[:REFERENCE], stream, seed)]
        alarms += any(each.drifted for each in found)
        naive += any(test.p <= 0.01 for each in found for test in (each.texts, each.labels) if test)
        print(f"stream {seed}: {alarms} alarms, {naive} at .01 a look", file=sys.stderr, flush=True)
    return alarms, naive


def delays(here: World, guessed: pl.Series, free: Ints, way: str, streams: int) -> list[int | None]:
    """Return after how many shifted texts each stream was said to have shifted, looked at up to 500 of them."""
    found: list[int | None] = []
    before = 1000
    for seed in range(streams):
        rng = np.random.default_rng([2, seed])
        order = rng.permutation(free)
        new = rng.choice(np.unique(here.labels[: here.rows])) if way in {"mixed", "new label"} else ""
        old = order[here.labels[order] != new]
        past, first = old[:REFERENCE], old[REFERENCE : REFERENCE + before]
        rest = np.setdiff1d(order, old[: REFERENCE + before])
        stream = np.concatenate([first, shifted(here, rest, 500, way, rng)])
        seen = looks(here, guessed, past, stream, seed, before + drift.EVERY)
        at = next((texts for texts, each in seen if each.drifted), None)
        found.append(None if at is None else at - before)
    return found


def learn(here: World, seed: int, half: int = HALF) -> Run:
    """Let one stream come in, labels a tick late, and hold the model of its end against a full refit."""
    rng = np.random.default_rng([3, seed])
    names = np.unique(here.labels[: here.rows])
    new = str(rng.choice(names))
    order = rng.permutation(here.rows)
    old = order[here.labels[order] != new]
    begin, first = old[:BEGIN], old[BEGIN : BEGIN + half]
    later = shifted(here, np.setdiff1d(order, old[: BEGIN + half]), half + HELD_OUT, "mixed", rng)
    stream, held_out = np.concatenate([first, later[:half]]), later[half:]
    truth = here.labels[held_out]
    model = learning.started([name for name in names if name != new], 1, here.features[first[:500]], seed)
    model = learning.refitted(model, labelled(here, begin))
    done, waiting, late = begin, stream[:0], stream[:0]
    answers: list[pl.DataFrame] = []
    given: list[pl.DataFrame] = []
    truths: dict[int, float] = {}
    slowest = 0.0
    for tick, start in enumerate(range(0, len(stream), TICK)):
        came = stream[start : start + TICK]
        truths[tick] = accuracy_of(model, here, held_out, truth)
        said = learning.suggest(model, here.features[came]).labels
        ids = pl.Series("item", came).cast(pl.String)
        answers.append(pl.DataFrame({"item": ids, "version": tick, "answer": said, "at": 2 * tick}))
        if len(late):
            given.append(
                pl.DataFrame(
                    {"item": pl.Series(late).cast(pl.String), "label": here.labels[late].tolist(), "at": 2 * tick + 1}
                )
            )
            done = np.concatenate([done, late])
            model, seconds = learned(model, here, done, late, names)
            slowest = max(slowest, seconds)
        waiting = np.concatenate([waiting, came])
        late = asked(model, here, waiting, done, came)
        waiting = np.setdiff1d(waiting, late)
    rows = audit.scored(pl.concat(answers), pl.concat(given), f"salt {seed}")
    told = audit.shown(rows)
    versions = rows.filter("audit").sort("at").tail(audit.WINDOW)["version"].to_list()
    again = learning.refitted(model, labelled(here, done))
    return Run(
        accuracy_of(model, here, held_out, truth),
        accuracy_of(again, here, held_out, truth),
        by_sklearn(model, here, done, held_out),
        told,
        float(np.mean([truths[version] for version in versions])),
        slowest,
        calibration(model, here, held_out),
    )


def learned(model: Online, here: World, done: Ints, late: Ints, names: NDArray[np.str_]) -> tuple[Online, float]:
    """Learn what came, in micro-batches of 25; a label that the model does not have takes a full refit."""
    if set(here.labels[late]) - set(model.labels):
        empty = learning.started(names.tolist(), model.schema + 1, here.features[done], model.seed)
        return learning.refitted(empty, labelled(here, done)), 0.0
    slowest = 0.0
    for part in np.array_split(late, max(1, len(late) // 25)):
        known = np.concatenate([np.setdiff1d(done, late), late[: np.flatnonzero(late == part[-1])[0] + 1]])
        rows = labelled(here, known)
        begun = time.perf_counter()
        model = learning.partial_fit(model, rows, pl.Series(part).cast(pl.String))
        slowest = max(slowest, time.perf_counter() - begun)
    return model, slowest


def spared(here: World, seed: int, half: int) -> tuple[float, float, bool]:
    """Let a stream without a shift come in, once learning from all labels and once never from the audit slice.

    Return the accuracy on other texts of either, and whether the interval on the slice holds that of the second.
    """
    order = np.random.default_rng([3, seed]).permutation(here.rows)
    begin, stream, rest = order[:BEGIN], order[BEGIN : BEGIN + half], order[-HELD_OUT:]
    names = np.unique(here.labels[: here.rows])
    shares, inside_it = [], False
    for hold in (False, True):
        model = learning.started(names.tolist(), 1, here.features[stream[:500]], seed)
        model = learning.refitted(model, labelled(here, begin))
        done, waiting, kept = begin, stream[:0], stream[:0]
        for start in range(0, len(stream), TICK):
            waiting = np.concatenate([waiting, stream[start : start + TICK]])
            ids = pl.Series(waiting).cast(pl.String)
            sliced = waiting[audit.in_audit(ids, f"salt {seed}").to_numpy()]
            drawn = sliced[: round(audit.SHARE * PACE)]
            others = np.setdiff1d(waiting, sliced)
            chosen = learning.order(
                model, pl.Series(others).cast(pl.String), here.features[others], here.features[done], PACE - len(drawn)
            )
            late = np.concatenate([chosen.cast(pl.Int64).to_numpy(), drawn[: 0 if hold else None]])
            kept, waiting = np.concatenate([kept, drawn]), np.setdiff1d(waiting, np.concatenate([late, drawn]))
            done = np.concatenate([done, late])
            model, _ = learned(model, here, done, late, names)
        shares.append(accuracy_of(model, here, rest, here.labels[rest]))
        right = np.array(learning.suggest(model, here.features[kept]).labels) == here.labels[kept]
        inside_it = inside(shares[-1], audit.counted(int(right.sum()), len(kept)))
    return shares[0], shares[1], inside_it


def asked(model: Online, here: World, waiting: Ints, done: Ints, came: Ints) -> Ints:
    """Choose what people label next: of what came all that is audited, then what the model asks for."""
    salt = f"salt {model.seed}"
    audited = came[audit.in_audit(pl.Series(came).cast(pl.String), salt).to_numpy()]
    rest = np.setdiff1d(waiting, audited)
    rest = rest[~audit.in_audit(pl.Series(rest).cast(pl.String), salt).to_numpy()]
    chosen = learning.order(
        model, pl.Series(rest).cast(pl.String), here.features[rest], here.features[done], PACE - len(audited)
    )
    return np.concatenate([audited, chosen.cast(pl.Int64).to_numpy()])


def accuracy_of(model: Online, here: World, rows: Ints, truth: NDArray[np.str_]) -> float:
    return float(np.mean(np.array(learning.suggest(model, here.features[rows]).labels) == truth))


def calibration(model: Online, here: World, rows: Ints) -> float:
    """Return the expected calibration error (10 bins)."""
    said = learning.suggest(model, here.features[rows])
    right = np.array(said.labels) == here.labels[rows]
    bins = np.minimum((said.scores * 10).astype(int), 9)
    gaps = [abs(float(said.scores[bins == each].mean()) - right[bins == each].mean()) for each in np.unique(bins)]
    return float(np.dot(gaps, [np.mean(bins == each) for each in np.unique(bins)]))


def by_sklearn(model: Online, here: World, done: Ints, held_out: Ints) -> float:
    """Fit scikit-learn's logistic regression on the same features to its end, as an outside measure of a full refit."""
    from sklearn.linear_model import SGDClassifier

    from tuneset.features.ngrams import weighted

    made = SGDClassifier(loss="log_loss", alpha=1e-5, random_state=0, max_iter=30)
    made.fit(weighted(here.features[done], model.rare), here.labels[done])
    return float(made.score(weighted(here.features[held_out], model.rare), here.labels[held_out]))


def share(count: int, of: int) -> str:
    low, high = (float(each[0]) for each in interval(np.array([count]), of))
    return f"{count} of {of} ({100 * low:.1f} to {100 * high:.1f} %)"


def mean(values: list[float], unit: float = 100) -> str:
    """Write a mean with its 95 % interval over the runs."""
    from scipy.stats import t

    half = t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else 0.0
    return f"{unit * np.mean(values):.1f} ± {unit * half:.1f}"


def inside(value: float, found: audit.Accuracy) -> bool:
    return found.low <= value <= found.high


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--runs", type=int, default=20, help="learning streams")
    parser.add_argument("--first", type=int, default=0, help="seed of the first stream")
    parser.add_argument("--streams", type=int, default=100, help="streams without a shift")
    parser.add_argument("--shifts", type=int, default=20, help="streams of each kind of shift")
    parser.add_argument("--length", type=int, default=1500, help="texts of a stream without a shift")
    parser.add_argument("--held", action="store_true", help="what never learning from the audit slice costs")
    given = parser.parse_args()
    if given.quick:
        given.runs, given.streams, given.shifts, given.length, half = 2, 4, 2, 1000, 800
    else:
        half = HALF
    here = world(DATA)
    if given.held:
        streams = [spared(here, given.first + run, half) for run in range(given.runs)]
        print(f"| accuracy, learning from all labels, % | {mean([each[0] for each in streams])} |")
        print(f"| never from the audit slice, % | {mean([each[1] for each in streams])} |")
        print(f"| the difference, points | {mean([each[1] - each[0] for each in streams])} |")
        print(f"| the slice's interval holds the accuracy | {share(sum(each[2] for each in streams), len(streams))} |")
        return
    guessed, free = stand_in(here)
    for way in SHIFTS[: 1 if given.quick else None] if given.shifts else ():
        found = delays(here, guessed, free, way, given.shifts)
        after = [each for each in found if each is not None and each > 0]
        middle = f"{np.median(after):.0f}" if after else "-"
        near_enough = sum(each <= 500 for each in after)
        print(f"| {way}: found within 500 texts | {share(near_enough, len(found))}, median {middle} |", flush=True)
    if given.streams:
        seeds = range(given.first, given.first + given.streams)
        alarms, naive = false_alarms(here, guessed, free, seeds, given.length)
        print(f"| streams of {given.length:,} without a shift that raise an alarm | {share(alarms, len(seeds))} |")
        print(f"| that would if each look had a level of .01 | {share(naive, len(seeds))} |", flush=True)
    runs = [learn(here, given.first + run, half) for run in range(given.runs)]
    if runs:
        held = sum(inside(run.mean_truth, run.shown.audit) for run in runs)
        now = sum(inside(run.online, run.shown.audit) for run in runs)
        print(f"| accuracy of the online model, % | {mean([run.online for run in runs])} |")
        print(f"| of a full refit on the same labels, % | {mean([run.refit for run in runs])} |")
        print(f"| online less refit, points | {mean([run.online - run.refit for run in runs])} |")
        print(f"| of scikit-learn's SGD to its end, % | {mean([run.sklearn for run in runs])} |")
        print(f"| online less scikit-learn, points | {mean([run.online - run.sklearn for run in runs])} |")
        print(f"| worst run, points below the refit | {100 * max(run.refit - run.online for run in runs):.1f} |")
        print(f"| shown by the audit slice, % | {mean([run.shown.audit.share or 0 for run in runs])} |")
        print(f"| what the queue would have claimed, % | {mean([run.shown.queue.share or 0 for run in runs])} |")
        print(f"| interval holds the accuracy of the versions that answered | {share(held, len(runs))} |")
        print(f"| interval holds the accuracy of the last version | {share(now, len(runs))} |")
        print(f"| calibration error at the end, points | {mean([run.calibration for run in runs])} |")
        print(f"| slowest update, s | {max(run.update for run in runs):.2f} |")


if __name__ == "__main__":
    main()
