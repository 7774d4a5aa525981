"""What a classifier makes of a set with planted faults, as it is and prepared, and what its validation score claims.

    python bench/effect.py                      500 rows of ten labels, three sets, ten seeds
    python bench/effect.py --size 2000          2,000 rows of forty labels; 0: all rows of all labels
    python bench/effect.py --quick              one seed, four conditions: a minute
    python bench/effect.py --fewer              the four conditions that tell most, all seeds
    python bench/effect.py --save FILE          keep every figure; --read FILE ... prints the tables of what was kept

Every way learns from the train side of its own split and is tested on the same untouched test rows. The difference to the
raw set is taken draw by draw (same rows, same faults), averaged over the sets, and its 95 % interval is Student's t over seeds.
The learner is logistic regression on n-grams of letters and words (TF-IDF) or, with TUNESET_EMBEDDER=FOLDER, on that model's
vectors; then the rows are prepared with that model, too.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import dots
import faults
import numpy as np
import polars as pl
from threadpoolctl import threadpool_limits

import tuneset
from tuneset import features, model, step
from tuneset.apply import apply
from tuneset.features import cache_folder
from tuneset.features.ngrams import counts
from tuneset.judge import judging
from tuneset.split import draw

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Tried = Callable[[pl.DataFrame, int, str], Iterator[tuple[str, "Sides"]]]

MODEL = os.environ.get("TUNESET_EMBEDDER", "")
FEWER = ("none", "confusable 10%", "edits 100%", "all")
STRANGE = ("irrelevant", "far-cluster")
DOUBTS = ("label-error", *STRANGE)
APART = (*DOUBTS, "near-duplicate", "typo", "greeting")
LOOKED_AT = (50, 200)
UNDECIDED = pl.DataFrame(schema=model.DECISIONS)
CLEAN, RAW, PREPARED, FIXED = "no faults", "raw", "prepared", "labels accepted"
OUT, RANDOM, ALL = "doubts dropped", "as many at random", "all accepted"
REVIEWED = tuple(f"{many} reviewed rightly" for many in LOOKED_AT)
WAYS = (PREPARED, FIXED, OUT, RANDOM, ALL, *REVIEWED, CLEAN)


class Sides(NamedTuple):
    """What a way learns from, and what it is judged on before anybody has seen the test rows: text and label."""

    train: pl.DataFrame
    validation: pl.DataFrame


class Score(NamedTuple):
    """What one way came to in one draw."""

    name: str
    size: int
    seed: int
    condition: str
    way: str
    rows: int  # of the train side
    accuracy: float  # on the test rows
    f1: float  # macro, on the test rows
    claim: float  # accuracy on the way's own validation side


# ---- the ways


def at_random(rows: pl.DataFrame, seed: int) -> Sides:
    """Split as the notebook does: scikit-learn's stratified draw, on the rows as they are."""
    held = draw(rows["label"].rank("dense").cast(pl.Int64).to_numpy() - 1, 0.2, seed)
    return Sides(rows.filter(~held), rows.filter(held))


class Prepared(NamedTuple):
    """A prepared run: its examples with `side` and `row`, and what was found."""

    examples: pl.DataFrame
    findings: pl.DataFrame


def prepared(rows: pl.DataFrame, seed: int, embedder: str = MODEL) -> Prepared:
    """Prepare as `tuneset prepare` does with its defaults, without the figures, the report and the files.

    The steps of judging are called as the stage calls them: of eight seconds for 2,000 rows, seven are figures that
    change no row. A test holds this to the findings and the examples of a whole run.
    """
    with tempfile.TemporaryDirectory() as folder:
        table = rows.select("row", "text", "label")
        given: dict[str, Any] = {"text": "text", "label": "label", "seed": seed, "embedder": embedder or None}
        run = tuneset.prepare(table, out=Path(folder) / "run", until="split", **given)
        kept, sides = (run.folder.table("split", name) for name in ("examples", "split"))
        assert kept is not None
        assert sides is not None
        found = run.folder.findings().drop("stage")
        with threadpool_limits(1):  # as the stage does: sums over two threads differ in their last digits
            looked = judging.seen(kept, sides, run.recipe.judge).examples
            said = [step.run(each, looked) for each in run.recipe.steps("judge")]
    row = pl.col("extra").str.json_path_match("$.row").cast(pl.Int64)
    placed = kept.join(sides.select("id", "side"), on="id", how="left", maintain_order="left")
    return Prepared(placed.with_columns(row=row), pl.concat([found, *said]))


def by_side(examples: pl.DataFrame) -> Sides:
    shown = examples.select("row", "text", "side", label=pl.col("labels").str.json_path_match("$.label"))
    return Sides(*(shown.filter(pl.col("side") == side) for side in ("train", "validation")))


def accepted(examples: pl.DataFrame, findings: pl.DataFrame) -> pl.DataFrame:
    """Do what findings ask for, as if each had been accepted."""
    plain = examples.drop("side", "row")
    done = apply(plain, findings.with_columns(when=pl.lit("default")), UNDECIDED)
    return done.join(examples.select("id", "side", "row"), on="id", how="left", maintain_order="left")


def dropped(findings: pl.DataFrame) -> pl.DataFrame:
    return findings.with_columns(action=pl.lit("drop"), field=pl.lit(None, pl.String))


def reviewed(run: Prepared, many: int, truth: dict[int, str | None]) -> pl.DataFrame:
    """Let somebody who is always right answer the most doubtful findings: set the label right, drop, or leave alone."""
    place = {rule: number for number, rule in enumerate(DOUBTS)}
    doubts = run.findings.filter(pl.col("rule").is_in(DOUBTS))
    order = doubts.sort(pl.col("rule").replace_strict(place, return_dtype=pl.Int8), -pl.col("score"), "id")
    asked = order["example"].unique(maintain_order=True).head(many)
    right = run.examples.select("id", true=pl.col("row").replace_strict(truth, return_dtype=pl.String))
    of_these = pl.col("id").is_in(asked.implode())
    strays = right.filter(of_these & pl.col("true").is_null())["id"]
    known = right.filter(of_these & pl.col("true").is_not_null())
    written = known.select("id", labels=pl.struct(label="true").struct.json_encode())
    return run.examples.filter(~pl.col("id").is_in(strays.implode())).update(written, on="id", how="left")


def ways(rows: pl.DataFrame, seed: int, embedder: str = MODEL) -> Iterator[tuple[str, Sides]]:
    """Make what each way learns from."""
    yield RAW, at_random(rows, seed)
    run = prepared(rows, seed, embedder)
    found, rule = run.findings, pl.col("rule")
    labels = found.filter((rule == "label-error") & (pl.col("action") == "edit"))
    doubts = found.filter(rule.is_in(DOUBTS))
    yield PREPARED, by_side(run.examples)
    yield FIXED, by_side(accepted(run.examples, labels))
    without = by_side(accepted(run.examples, dropped(doubts)))
    yield OUT, without
    whole = by_side(run.examples)
    yield RANDOM, whole._replace(train=whole.train.sample(without.train.height, seed=seed))
    suggested = found.filter((pl.col("when") == "on-accept") & (rule != "conflicting-label"))
    strange = dropped(found.filter(rule.is_in(STRANGE)))
    yield ALL, by_side(accepted(run.examples, pl.concat([suggested, strange])))
    truth = dict(rows.select("row", "true").iter_rows())
    for many, way in zip(LOOKED_AT, REVIEWED, strict=True):
        yield way, by_side(reviewed(run, many, truth))


def apart(rows: pl.DataFrame, seed: int, embedder: str = MODEL) -> Iterator[tuple[str, Sides]]:
    """Accept what each rule suggests, and nothing else: which of them helps, and which harms."""
    yield RAW, at_random(rows, seed)
    run = prepared(rows, seed, embedder)
    yield PREPARED, by_side(run.examples)
    for rule in APART:
        said = run.findings.filter(pl.col("rule") == rule)
        asks = dropped(said) if rule in STRANGE else said.filter(pl.col("when") == "on-accept")
        yield rule, by_side(accepted(run.examples, asks))


# ---- the learner


def scored(sides: Sides, test: pl.DataFrame, embedder: str = MODEL) -> tuple[float, float, float]:
    """Learn the train side; return accuracy and macro-F1 on the test rows, and accuracy on the validation side."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import f1_score

    seen = pl.concat([each["text"] for each in (*sides, test)])
    learns = sides.train.height
    if embedder:
        vectors: Any = features.vectors(seen, embedder, cache=cache_folder())
    else:
        vectors = rare(counts(seen), learns)
    # 30 for n-grams, 10 for the model's vectors: about the best of 1, 3, 10, 30, 100 on clean rows of BANKING77
    student = LogisticRegression(C=10.0 if embedder else 30.0, max_iter=300, tol=1e-3)
    student.fit(vectors[:learns], sides.train["label"].to_numpy())
    said = student.predict(vectors[learns:])
    claimed, tested = np.split(said, [sides.validation.height])
    right, held = test["label"].to_numpy(), sides.validation["label"].to_numpy()
    f1 = f1_score(right, tested, average="macro", zero_division=0.0, labels=np.unique(right))
    return float(np.mean(tested == right)), float(f1), float(np.mean(claimed == held))


def rare(counted: Any, learns: int) -> Any:
    """Weigh n-grams as TF-IDF does, from the rows that are learned; others than theirs are left out."""
    from sklearn.feature_extraction.text import TfidfTransformer

    used = counted[:, np.unique(counted[:learns].indices)]
    return TfidfTransformer(sublinear_tf=True).fit(used[:learns]).transform(used)


# ---- figures


class Plan(NamedTuple):
    """What is measured."""

    sets: Sequence[str]
    size: int
    seeds: Iterable[int]
    conditions: Sequence[str]
    tried: Tried


def measure(plan: Plan, embedder: str = MODEL) -> Iterator[Score]:
    """Plant, prepare, learn and test; single-threaded, so that figures do not depend on the machine."""
    for name in plan.sets:
        whole = faults.read(name)
        for seed in plan.seeds:
            drawn = faults.draw(whole, plan.size, seed)
            clean = at_random(drawn.rows, seed)
            with threadpool_limits(1):
                best = scored(clean, drawn.test, embedder)
            for condition in plan.conditions:
                yield Score(name, plan.size, seed, condition, CLEAN, clean.train.height, *best)
                rows = faults.planted(drawn, faults.CONDITIONS[condition], seed)
                for way, sides in plan.tried(rows, seed, embedder):
                    with threadpool_limits(1):
                        found = scored(sides, drawn.test, embedder)
                    yield Score(name, plan.size, seed, condition, way, sides.train.height, *found)


def interval(values: Floats) -> tuple[float, float]:
    """Return a mean and half of its 95 % interval (Student's t over seeds)."""
    from scipy.stats import t

    if len(values) < 2:
        return float(values.mean()), float("nan")
    return float(values.mean()), float(t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))


def gains(
    found: pl.DataFrame, condition: str, way: str, figure: str = "accuracy", base: str = RAW
) -> tuple[float, float]:
    """Return how much better a way is than another: paired by draw, averaged over the sets, seed by seed."""
    part = found.filter(pl.col("condition") == condition)
    ours, theirs = (part.filter(pl.col("way") == each).select("name", "seed", figure) for each in (way, base))
    both = ours.join(theirs, on=("name", "seed"), suffix="_base")
    by_seed = both.group_by("seed").agg((pl.col(figure) - pl.col(f"{figure}_base")).mean()).sort("seed")
    return interval(by_seed[figure].to_numpy())


def inflated(found: pl.DataFrame, condition: str, way: str) -> tuple[float, float]:
    """Return by how much more a way's validation score is above its test score than the plain split's without faults.

    Without faults the two differ as well, as a publisher's test rows are easier or cleaner than the others; what is
    left is what the faults and the way to split have done.
    """
    over = (pl.col("claim") - pl.col("accuracy")).alias("over")
    part = found.filter(pl.col("condition") == condition)
    of_way, clean = (part.filter(pl.col("way") == each).select("name", "seed", over) for each in (way, CLEAN))
    both = of_way.join(clean, on=("name", "seed"), suffix="_clean")
    by_seed = both.group_by("seed").agg((pl.col("over") - pl.col("over_clean")).mean()).sort("seed")
    return interval(by_seed["over"].to_numpy())


def cell(mean: float, half: float) -> str:
    sign = "+" if mean >= 0 else "\u2212"
    spread = f" ±{100 * half:.1f}" if half == half else ""  # noqa: PLR0124  one seed has no interval
    return f"{sign}{100 * abs(mean):.1f}{spread}"


def lined(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table as Markdown reads it."""
    print(f"| {' | '.join(head)} |\n| {' | '.join(['---', *['---:'] * (len(head) - 1)])} |")
    for row in rows:
        print(f"| {' | '.join(row)} |")
    print()


def effect(found: pl.DataFrame, figure: str) -> None:
    """Print what each way brings beside the raw set; what each rule brings, beside what is prepared without it."""
    rules = [rule for rule in APART if rule in found["way"]]
    base, shown = (PREPARED, rules) if rules else (RAW, list(WAYS))
    mean = means(found, base, figure)
    print(f"Points of {figure} on the test rows, beside {base}; mean and 95 % interval over seeds\n")
    rows = [
        [each, f"{100 * mean[each]:.1f}", *(cell(*gains(found, each, way, figure, base)) for way in shown)]
        for each in mean
    ]
    lined(["planted", base, *shown], rows)


def claims(found: pl.DataFrame) -> None:
    """Print what validation scores claim, what is true, and by how much a claim is above what it would be without faults."""
    shown = [way for way in (RAW, PREPARED, OUT, ALL) if way in found["way"]]
    said, true = ({way: means(found, way, figure) for way in shown} for figure in ("claim", "accuracy"))
    print("Accuracy claimed on the way's own validation side > on the test rows; inflation of the claim, in points\n")
    head = [word for way in shown for word in (way, "inflation")]
    rows = [
        [
            each,
            *(
                word
                for way in shown
                for word in (
                    f"{100 * said[way][each]:.1f} > {100 * true[way][each]:.1f}",
                    cell(*inflated(found, each, way)),
                )
            ),
        ]
        for each in said[RAW]
    ]
    lined(["planted", *head], rows)


def means(found: pl.DataFrame, way: str, figure: str) -> dict[str, float]:
    """Return the mean of a figure by condition, in the order of the conditions."""
    part = found.filter(pl.col("way") == way).group_by("condition").agg(pl.col(figure).mean())
    mean = dict(part.iter_rows())
    return {each: mean[each] for each in faults.CONDITIONS if each in mean}


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--size", type=int, default=500, choices=sorted(faults.SIZES), help="rows (0: all)")
    asked.add_argument("--seeds", type=int, default=10)
    asked.add_argument("--first", type=int, default=0, help="the first seed")
    asked.add_argument("--sets", nargs="+", default=faults.SETS, choices=faults.SETS)
    asked.add_argument("--quick", action="store_true", help="one seed of these")
    asked.add_argument("--fewer", action="store_true", help=f"only {', '.join(FEWER)}")
    asked.add_argument("--apart", action="store_true", help="what each rule alone suggests, accepted")
    asked.add_argument("--by-set", action="store_true", help="tables of each set besides")
    asked.add_argument("--save", type=Path)
    asked.add_argument("--draw", type=Path, help="write a picture (SVG)")
    asked.add_argument("--read", type=Path, nargs="+", help="print what was saved")
    given = asked.parse_args()
    if given.read:
        found = pl.concat([pl.read_csv(path) for path in given.read])
    else:
        conditions = FEWER if given.quick or given.fewer else tuple(faults.CONDITIONS)
        seeds = range(given.first, given.first + (1 if given.quick else given.seeds))
        plan = Plan(given.sets, given.size, seeds, conditions, apart if given.apart else ways)
        found = pl.DataFrame(list(measure(plan)), orient="row")
    if given.save:
        found.write_csv(given.save)
    for figure in ("accuracy", "f1"):
        effect(found, figure)
    claims(found)
    for name in found["name"].unique(maintain_order=True) if given.by_set else []:
        print(f"{name}\n")
        effect(found.filter(pl.col("name") == name), "accuracy")
        claims(found.filter(pl.col("name") == name))
    if given.draw:
        shown = (PREPARED, FIXED, REVIEWED[-1], CLEAN)
        points = {each: {way: gains(found, each, way) for way in shown} for each in means(found, RAW, "accuracy")}
        given.draw.write_text(dots.drawn(points, "Points of accuracy on test rows, beside the raw set"))


if __name__ == "__main__":
    main()
