"""Contributors: how each person's answers fit the others', and with whom somebody should talk, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl

from tuneset.judge.shares import FALSE, adjusted, interval
from tuneset.people.answers import coded
from tuneset.people.dawid_skene import dawid_skene

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tuneset.people.answers import Coded

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

QUICK = 1 / 3  # of the others' median time, below which an answer is fast
LEAST = 10  # answers that are compared, or timed, without which nothing is said of a person
BELOW = 0.1  # how far below the others a share must lie to be worth a talk
OFTEN = 0.3  # share of fast answers from which on to talk; by chance 3 % are (log-normal times, sigma .6)
CONFUSED, TIMES = 0.25, 3  # share of the items of one label, and items, from which a confusion is named
ALONE = 2  # times as often as the others, or the guideline is to blame rather than the person


def contributors(answers: pl.DataFrame) -> pl.DataFrame:
    """Say of each person how their answers fit, and why somebody should talk with them (`why`, empty where nobody need).

    Columns: `contributor` (sorted), `answers`; `compared`, `agrees`, `agrees_low`, `agrees_high`: items on which the
    others have a majority, and the share where this person says the same; `gold`, `right`, `right_low`, `right_high`:
    the same for answers that are known; `timed`, `seconds` (median), `fast` (share of answers that took less than a third
    of the median of all others'); `truth`, `said`, `times`, `of`: what they confuse most by Dawid and Skene: of so many
    items that are `truth`, so many times they say `said`. Null where nothing is known. Intervals: Wilson, 95 %.

    A share is a reason to talk where it lies 10 points below the others' and chance does not explain it (binomial, false
    discoveries among all people at 5 %). Limits: the majority can be wrong and the lone voice right, which is why
    the words say what is seen and not what is to blame; who got harder items looks worse than they are.

    >>> people = ("ada", "bob", "cem", "eve")
    >>> rows = [(f"i{n}", who, "no" if who == "eve" else "yes") for n in range(20) for who in people]
    >>> found = contributors(pl.DataFrame(rows, schema=["item", "contributor", "value"], orient="row"))
    >>> found.row(3, named=True)["why"][0]
    'says the same as the others on 0 of 20 items; the others do on 100 %'
    """
    told = coded(answers)
    agree, gold = _with_others(told), _against_gold(answers, told.people)
    found = pl.DataFrame(
        {
            "contributor": pl.Series(told.people, dtype=pl.String),
            "answers": np.bincount(told.person, minlength=len(told.people)).astype(np.int64),
            "compared": agree.of,
            **_shares("agrees", agree),
            "gold": gold.of,
            **_shares("right", gold),
            **_times(answers, told.people),
        }
    )
    found = pl.concat([found, _confusions(told)], how="horizontal")
    return found.with_columns(why=_reasons(found, agree, gold, len(told.labels))).drop("others", "chance")


class _Hits(NamedTuple):
    """How often each person is right, or says what the others say, of how many times."""

    right: Ints
    of: Ints

    def others(self) -> Floats:
        """Return the share of all other people."""
        right, of = self.right.sum() - self.right, self.of.sum() - self.of
        return np.asarray(right / np.maximum(of, 1), np.float64)


def _with_others(told: Coded) -> _Hits:
    """Compare each answer with the majority of the others on that item; where they are tied, nothing is compared."""
    people = len(told.people)
    if not len(told.item):
        return _Hits(np.zeros(people, np.int64), np.zeros(people, np.int64))
    votes = (
        pl.DataFrame({"item": told.item, "label": told.label})
        .group_by("item", "label")
        .agg(votes=pl.len().cast(pl.Int64))
    )
    ranks = votes.group_by("item").agg(
        most=pl.col("votes").max(),
        at_most=(pl.col("votes") == pl.col("votes").max()).sum(),
        next=pl.col("votes").filter(pl.col("votes") < pl.col("votes").max()).max().fill_null(0),
    )
    second = votes.join(ranks, on="item").group_by("item").agg(at_next=(pl.col("votes") == pl.col("next")).sum())
    rows = (
        pl.DataFrame({"item": told.item, "label": told.label, "person": told.person})
        .join(votes, on=["item", "label"])
        .join(ranks, on="item")
        .join(second, on="item")
    )
    own_is_most = pl.col("votes") == pl.col("most")
    alone = own_is_most & (pl.col("at_most") == 1)
    rival = pl.when(alone).then("next").otherwise("most")
    rivals = pl.when(alone).then("at_next").when(own_is_most).then(pl.col("at_most") - 1).otherwise("at_most")
    same = pl.col("votes") - 1 > rival
    differs = (pl.col("votes") - 1 < rival) & (rivals == 1)
    many = rows.group_by("person").agg(right=same.sum(), of=(same | differs).sum())
    right, of = np.zeros(people, np.int64), np.zeros(people, np.int64)
    right[many["person"].to_numpy()], of[many["person"].to_numpy()] = many["right"].to_numpy(), many["of"].to_numpy()
    return _Hits(right, of)


def _against_gold(answers: pl.DataFrame, people: list[str]) -> _Hits:
    if "gold" not in answers.columns:
        return _Hits(np.zeros(len(people), np.int64), np.zeros(len(people), np.int64))
    known = answers.drop_nulls(["item", "contributor", "value", "gold"]).unique(
        ["item", "contributor", "value", "gold"]
    )
    many = known.group_by("contributor").agg(right=(pl.col("value") == pl.col("gold")).sum(), of=pl.len())
    whole = pl.DataFrame({"contributor": people}, schema={"contributor": pl.String}).join(
        many, on="contributor", how="left", maintain_order="left"
    )
    right, of = (whole[name].fill_null(0).cast(pl.Int64).to_numpy() for name in ("right", "of"))
    return _Hits(right, of)


def _shares(name: str, hits: _Hits) -> dict[str, pl.Series]:
    """Return the share and the ends of its interval, null where nothing is compared."""
    ends = [interval(np.array([right]), of) for right, of in zip(hits.right.tolist(), hits.of.tolist(), strict=True)]
    columns = {
        name: hits.right / np.maximum(hits.of, 1),
        f"{name}_low": np.array([low[0] for low, _ in ends]),
        f"{name}_high": np.array([high[0] for _, high in ends]),
    }
    nothing = pl.Series(hits.of == 0)
    return {key: pl.Series(key, each, dtype=pl.Float64).set(nothing, None) for key, each in columns.items()}


def _times(answers: pl.DataFrame, people: list[str]) -> dict[str, pl.Series]:
    """Return how many answers are timed, their median, and the share that is fast beside the others'."""
    timed = pl.DataFrame(schema={"contributor": pl.String, "seconds": pl.Float64})
    if "seconds" in answers.columns:
        timed = answers.select("contributor", pl.col("seconds").cast(pl.Float64)).drop_nulls()
    timed = timed.filter(pl.col("seconds").is_finite() & (pl.col("seconds") >= 0)).sort("seconds", "contributor")
    all_of_them = timed["seconds"].to_numpy()
    rows: list[tuple[int, float | None, float | None]] = []
    places = dict(timed.with_row_index("at").group_by("contributor").agg("at").iter_rows())
    for person in people:
        own = np.array(places.get(person, []), np.int64)
        usual = _median_without(all_of_them, own)
        median = float(np.median(all_of_them[own])) if len(own) else None
        fast = float((all_of_them[own] < usual * QUICK).mean()) if len(own) and usual is not None else None
        rows.append((len(own), median, fast))
    kinds = {"timed": pl.Int64, "seconds": pl.Float64, "fast": pl.Float64}
    return {
        name: pl.Series(name, [row[at] for row in rows], dtype=kind) for at, (name, kind) in enumerate(kinds.items())
    }


def _median_without(values: Floats, own: Ints) -> float | None:
    """Return the median of sorted values less those at some places, without looking at all of them again.

    >>> _median_without(np.array([1.0, 2.0, 3.0, 9.0]), np.array([0, 3]))
    2.5
    """
    left = len(values) - len(own)
    if not left:
        return None
    before = own - np.arange(len(own))  # how many of the others lie before each own
    middle = np.array([(left - 1) // 2, left // 2])
    return float(values[middle + np.searchsorted(before, middle, side="right")].mean())


def _confusions(told: Coded) -> pl.DataFrame:
    """Find what each person confuses most, how often the others confuse the same, and how often it is by chance."""
    sizes = {"of": pl.col("times").sum().over("person", "truth"), "all": pl.col("times").sum().over("truth")}
    cells = dawid_skene(told).confusion.with_columns(**sizes, same=pl.col("times").sum().over("truth", "said"))
    wrong = cells.filter(pl.col("truth") != pl.col("said"))
    errors = wrong.group_by("person").agg(errors=pl.col("times").sum())
    often = (
        wrong.filter(pl.col("times") >= TIMES, pl.col("times") >= CONFUSED * pl.col("of"))
        .sort(-pl.col("times").round(6), "truth", "said")
        .unique("person", keep="first", maintain_order=True)
        .join(errors, on="person")
    )
    labels = pl.Series(told.labels, dtype=pl.String)
    named = often.select(
        pl.col("person"),
        labels.gather(often["truth"]).alias("truth"),
        labels.gather(often["said"]).alias("said"),
        pl.col("times", "of").round(2),
        others=(pl.col("same") - pl.col("times")) / (pl.col("all") - pl.col("of")).clip(lower_bound=1),
        errors="errors",
    )
    people = {"person": np.arange(len(told.people)), "given": np.bincount(told.person, minlength=len(told.people))}
    chance = pl.col("errors") / pl.col("given") / max(len(labels) - 1, 1)  # as if errors fell on all labels alike
    whole = pl.DataFrame(people).join(named, on="person", how="left", maintain_order="left")
    return whole.select("truth", "said", "times", "of", "others", chance=pl.max_horizontal("others", chance))


def _reasons(found: pl.DataFrame, agree: _Hits, gold: _Hits, labels: int) -> pl.Series:
    """Say what is worth a talk, a sentence each."""
    low, confused = _too_low(gold, agree), _confused(found, labels)
    others = gold.others().tolist(), agree.others().tolist()
    rows = [
        _reason(row, low[:, at], (others[0][at], others[1][at]), confused=bool(confused[at]))
        for at, row in enumerate(found.iter_rows(named=True))
    ]
    return pl.Series("why", rows, dtype=pl.List(pl.String))


def _confused(found: pl.DataFrame, labels: int) -> NDArray[np.bool_]:
    """Say whose confusion is their own: beyond the others' and beyond what their other errors make likely."""
    from scipy.stats import binom  # noqa: PLC0415  slow to import

    times, of, others, chance = (found[name].fill_null(0).to_numpy() for name in ("times", "of", "others", "chance"))
    tried = labels * max(labels - 1, 1)  # the greatest of so many cells was picked
    p = np.minimum(1, tried * binom.sf(np.round(times) - 1, np.round(of), np.minimum(chance, 1)))
    return np.asarray((times > ALONE * others * of) & (adjusted(p) <= FALSE), np.bool_)


def _too_low(*hits: _Hits) -> NDArray[np.bool_]:
    """Say who is below the others by more than chance explains, of all people and both measures at once."""
    from scipy.stats import binom  # noqa: PLC0415  slow to import

    p = np.array([np.where(each.of >= LEAST, binom.cdf(each.right, each.of, each.others()), 1.0) for each in hits])
    far = np.array([each.right / np.maximum(each.of, 1) <= each.others() - BELOW for each in hits])
    return np.asarray(far & (adjusted(p.ravel()).reshape(p.shape) <= FALSE), np.bool_)


def _reason(row: dict[str, Any], low: NDArray[np.bool_], others: tuple[float, float], *, confused: bool) -> list[str]:
    said = []
    if low[0]:
        right = round(row["right"] * row["gold"])
        said.append(f"right on {right} of {row['gold']} items that are known; the others on {others[0] * 100:.0f} %")
    if low[1]:
        agrees = round(row["agrees"] * row["compared"])
        said.append(
            f"says the same as the others on {agrees} of {row['compared']} items; the others do on {others[1] * 100:.0f} %"
        )
    if row["timed"] >= LEAST and row["fast"] is not None and row["fast"] >= OFTEN:
        said.append(f"took less than a third of the others' time for {row['fast'] * 100:.0f} % of the answers")
    if confused:
        said.append(f"says {row['said']!r} on {row['times']:.0f} of {row['of']:.0f} items that are {row['truth']!r}")
    return said
