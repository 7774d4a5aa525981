"""Representativeness: how a set differs from what it will meet, and what to collect so that it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl

from tuneset.errors import RecipeError
from tuneset.judge import pool as pools
from tuneset.judge.cells import label_cells, uncovered_cells
from tuneset.judge.shares import FALSE, LEVEL, adjusted, against_rows, against_shares, interval, wanted
from tuneset.judge.two_sample import blocks_of, covered, tell_apart, telling
from tuneset.judge.unlabelled import guessed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tuneset.judge.pool import Pool, Side
    from tuneset.judge.shares import Compared
    from tuneset.judge.two_sample import Covered, Told
    from tuneset.judge.view import Labels, View

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

LEAST = 20  # rows on each side without which nothing can be said
SHOWN = 20  # uncovered texts
SURE = 0.8  # from here on the surrogate names the label of a text


class Balance(NamedTuple):
    """The share of each label here and there."""

    counts: Ints  # rows here
    there: Floats
    low: Floats
    high: Floats
    p: float
    each: Floats  # p of each label alone
    origin: str  # of the shares there: shares, labels, or guessed
    psi: dict[str, float] | None = None
    said: Ints | None = None  # where guessed, the label of each row there, -1 where the surrogate is not sure


def represent(  # noqa: PLR0913
    view: View,
    labels: list[Labels],
    target: pl.DataFrame | None,
    shares: dict[str, float] | None = None,
    seed: int = 0,
    *,
    embedded: bool = False,
) -> dict[str, Any]:
    """Compare the train side with a target: live texts (`target`, examples with labels or without) or label `shares`.

    Labels are compared where there are shares or labels, and guessed by the surrogate where the target has none. Texts
    are compared by a classifier two-sample test and by coverage, on at most `pool.MOST` rows of each side, by their
    n-grams, or where `embedded` by the column `vector`, which must come from a model that knows neither side.
    The set differs where p of all tests together is at most `LEVEL` (Benjamini and Hochberg); labels, words and cells are
    named only then. `cells` says what to collect or generate: how many rows, of which label or like which texts.

    Raises RecipeError for shares that are no shares. Limits: rows of several labels count for their first; of several
    label columns the one that the shares name is compared, else the first.

    >>> from tuneset.judge.view import labels, view
    >>> from tuneset.testing import examples
    >>> rows = examples([{"text": f"say {n}", "label": "ab"[n % 2]} for n in range(60)])
    >>> found = represent(view(rows), labels(rows), None, {"a": 0.8, "b": 0.2})
    >>> found["differs"], [(each["label"], each["wanted"]) for each in found["labels"]]
    (True, [('a', 90), ('b', 0)])
    """
    rng = np.random.default_rng(seed)
    column = next((each for each in labels if set(shares or ()) & set(each.names)), labels[0] if labels else None)
    known = None if target is None else pools.target_labels(target, column)
    names = sorted({*(column.names if column else ()), *(shares or ()), *(() if known is None else known.drop_nulls())})
    here = pools.here(view, column, names, embedded=embedded)
    there = None if target is None else pools.there(target, known, names, embedded=embedded)
    enough = there is not None and min(len(there.texts), len(here.texts)) >= LEAST
    pool = pools.pooled(here, there, rng) if there is not None and enough else None
    balance = _balance(here, there, pool, names, shares, rng)
    told = None if pool is None else _told(pool, rng)
    cover = None if pool is None else covered(pool.rows, rng)
    parts = {"labels": balance, "two_sample": told, "coverage": cover}
    p = {name: part.p for name, part in parts.items() if part is not None}
    q = dict(zip(p, adjusted(np.array(list(p.values()))).tolist(), strict=True))
    stands = {name for name in q if q[name] <= LEVEL}
    compared = _label_facts(names, balance, differs="labels" in stands) if balance else []
    cells: list[dict[str, Any]] = []
    if pool is not None and cover is not None and "coverage" in stands:
        cells = uncovered_cells(pool, cover, names, len(here.texts), balance.said if balance else None)
    found = {
        "rows": None if there is None else len(there.texts),
        "p": min(q.values(), default=None),
        "differs": bool(stands),
        "tests": [{"name": name, "p": p[name], "q": q[name], "differs": name in stands} for name in p],
        "labels": compared,
        "labels_from": balance.origin if balance else None,
        "psi": balance.psi if balance else None,
        "two_sample": _two_sample_facts(pool, told, differs="two_sample" in stands) if pool and told else None,
        "coverage": _coverage_facts(pool, cover, differs="coverage" in stands) if pool and cover else None,
        "cells": cells + label_cells(compared, here, names, cells),
    }
    return found | {"words": _words(found)}


def _balance(  # noqa: PLR0913, PLR0917
    here: Side,
    there: Side | None,
    pool: Pool | None,
    names: list[str],
    shares: dict[str, float] | None,
    rng: np.random.Generator,
) -> Balance | None:
    """Compare label shares: with declared ones, else with the target's labels, else with what the surrogate guesses."""
    counts = np.bincount(here.codes[here.codes >= 0], minlength=len(names))
    if np.count_nonzero(counts) < 1 or len(names) < 2:
        return None
    if shares:
        given = _declared(shares, names, counts)
        found = against_shares(counts, given, rng)
        return Balance(counts, given, given, given, found.p, found.each, "shares", _psi(found))
    if there is not None and (there.codes >= 0).any():
        return _against_labels(here, there, counts, rng)
    return None if pool is None else _guessed(pool, counts, rng)


def _declared(shares: dict[str, float], names: list[str], counts: Ints) -> Floats:
    """Bring declared shares to a sum of 1; labels that are left out get what is left, in the proportions they have."""
    given = np.array([shares.get(name, 0.0) for name in names])
    if not (np.isfinite(given).all() and (given >= 0).all() and given.sum() > 0):
        raise RecipeError("these are no shares", "judge.shares", "give each label a number such as 0.2, for a fifth")
    rest = np.where([name in shares for name in names], 0, counts)
    if given.sum() < 1 and rest.any():
        given = given + (1 - given.sum()) * rest / rest.sum()
    return np.asarray(given / given.sum(), np.float64)


def _against_labels(here: Side, there: Side, counts: Ints, rng: np.random.Generator) -> Balance:
    codes = np.concatenate([here.codes, there.codes])
    away = np.repeat([False, True], [len(here.codes), len(there.codes)])
    groups = np.concatenate([here.groups, here.groups.max(initial=0) + 1 + there.groups])
    had = codes >= 0
    found = against_rows(codes[had], blocks_of(groups[had], away[had]), away[had], len(counts), rng)
    seen = np.bincount(codes[had & away], minlength=len(counts))
    rows = int(seen.sum())
    return Balance(counts, seen / rows, *interval(seen, rows), found.p, found.each, "labels", _psi(found))


def _guessed(pool: Pool, counts: Ints, rng: np.random.Generator) -> Balance | None:
    asked = pool.rows.there | (pool.codes >= 0)
    codes = pool.codes[asked & ~pool.rows.there]
    if len(codes) < LEAST or np.count_nonzero(counts) < 2:
        return None
    found = guessed(pool.rows.only(asked), codes, len(counts), rng)
    said = np.where(found.sure.max(axis=1) >= SURE, found.sure.argmax(axis=1), -1)
    shares, low, high = (np.asarray(each, np.float64) for each in found[2:5])
    return Balance(counts, shares, low, high, found.p, found.each, "guessed", said=said)


def _psi(found: Compared) -> dict[str, float]:
    return {"value": found.psi, "chance": found.psi_chance}


def _told(pool: Pool, rng: np.random.Generator) -> Told | None:
    """Ask the classifier about rows that are not on both sides word for word."""
    own = pool.rows.only(~pool.shared)
    return tell_apart(own, rng) if min(own.there.sum(), (~own.there).sum()) >= LEAST else None


def _label_facts(names: list[str], balance: Balance, *, differs: bool) -> list[dict[str, Any]]:
    q = adjusted(balance.each)
    off = (q <= FALSE) & differs
    many = differs and balance.origin != "guessed" and not off.any()  # many labels differ, each too little to name it
    more = wanted(balance.counts, balance.there, off | many)
    rows = int(balance.counts.sum())
    here_low, here_high = interval(balance.counts, rows)
    facts = [
        {
            "label": name,
            "here": float(balance.counts[place] / rows),
            "here_low": float(here_low[place]),
            "here_high": float(here_high[place]),
            "there": float(balance.there[place]),
            "low": float(balance.low[place]),
            "high": float(balance.high[place]),
            "q": float(q[place]),
            "differs": bool(off[place]),
            "wanted": int(more[place]),
        }
        for place, name in enumerate(names)
    ]
    return sorted(facts, key=lambda fact: (not fact["differs"], -abs(fact["here"] - fact["there"]), fact["label"]))


def _two_sample_facts(pool: Pool, told: Told, *, differs: bool) -> dict[str, Any]:
    own = ~pool.shared
    rows = pool.rows.only(own)
    texts = pool.texts.filter(pl.Series(own))
    here, there = telling(texts, rows.there, blocks_of(rows.groups, rows.there)) if differs else ([], [])
    shared = int((pool.shared & pool.rows.there).sum())
    return told._asdict() | {"rows": len(texts), "shared": shared, "here": here, "there": there}


def _coverage_facts(pool: Pool, cover: Covered, *, differs: bool) -> dict[str, Any]:
    worst = np.argsort(-cover.alone, kind="stable")[:SHOWN]
    worst = worst[cover.alone[worst] > 0] if differs else worst[:0]
    places = cover.rows[worst]
    nearest = (pool.rows.vectors[places] @ pool.rows.vectors[~pool.rows.there].T).max(axis=1, initial=0)
    texts = pool.texts.gather(places).to_list()
    uncovered = [{"text": text, "similarity": float(value)} for text, value in zip(texts, nearest, strict=True)]
    return {"value": cover.share, "low": cover.low, "high": cover.high, "p": cover.p, "uncovered": uncovered}


def _words(found: dict[str, Any]) -> str:
    """Say the result in a few plain sentences."""
    tests = found["tests"]
    if not tests:
        return f"Not compared: that takes {LEAST} rows with text on each side, or labels and their shares."
    several = f"; {len(tests)} tests, false discoveries controlled" if len(tests) > 1 else ""
    sure = f"(p {found['p']:.2g}{several})"
    if not found["differs"]:
        return f"No difference from the target that chance would not make {sure}."
    says = {"labels": _words_labels, "two_sample": _words_two_sample, "coverage": _words_coverage}
    said = [says[test["name"]](found) for test in tests if test["differs"]]
    rows = sum(cell["rows"] for cell in found["cells"])
    mend = [f"Adding {rows:,} rows would mend most of it."] if rows else []
    return " ".join([f"The set is not like its target {sure}.", *said, *mend])


def _words_labels(found: dict[str, Any]) -> str:
    off = [each["label"] for each in found["labels"] if each["differs"]]
    which = f", most of all {', '.join(off[:3])}" if off else ", though no single label stands out"
    guess = "As far as the surrogate can tell, label" if found["labels_from"] == "guessed" else "Label"
    return f"{guess} shares differ{which}."


def _words_two_sample(found: dict[str, Any]) -> str:
    return f"A classifier tells the target's texts from these (AUC {found['two_sample']['auc']:.2f}; .50 is chance)."


def _words_coverage(found: dict[str, Any]) -> str:
    cover = found["coverage"]
    return f"{100 * cover['value']:.0f} % of the target's texts have some like them here; at least {100 * cover['low']:.0f} % is usual."
