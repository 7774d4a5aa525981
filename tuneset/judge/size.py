"""Whether there are enough examples: a light for each label, a learning curve, accuracy on rows seen and unseen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tuneset.judge import curve, ridge
from tuneset.judge.shares import interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tuneset.judge.view import Bools, Floats, Ints, Labels, View

RED, AMBER, GREEN = 5, 20, 40  # rows a label, near-duplicates counted once
LITTLE = 0.01  # a gain from twice the rows that is not worth collecting for
SURE = 0.02  # what that gain may be at the most (90 %) where a set is said to be large enough
TWICE = curve.TIMES.index(2)
LISTED = 10  # labels that would gain most
PRIOR = 10.0  # rows of the curve's in what is said of a label: below, a label's own accuracy is mostly chance
ASKED = 10_000  # train rows that are left out in their turn, at the most
NEAREST = 1000  # validation rows whose nearest train row is looked for, at the most
SEEN = "a small classifier (surrogate)"


class Learned(NamedTuple):
    """A surrogate of the train rows that have one label, and what it says of rows when these are left out."""

    made: ridge.Ridge
    rows: Ints  # places in the view
    codes: Ints
    groups: Ints
    asked: Ints  # places in `rows`: whole groups
    left_out: Bools  # right about each of those that were asked, with its group left out
    alone: Bools  # the same with its near-duplicates seen, as a split that does not know them would leave it


class Grown(NamedTuple):
    """The learning curve, measured and ahead."""

    measured: curve.Measured
    ahead: curve.Forecast


def size(view: View, labels: list[Labels], seed: int = 0) -> dict[str, Any]:
    """Say for each label and for the whole set whether there are enough examples, and what more of them would bring.

    Returns the part "size" of the report's facts. A surrogate stands in for the model: it learns the train side, and
    how its accuracy grows with the rows is measured on rows left out with their near-duplicates (`curve`). It learns
    the label column with the most labels; rows with several labels in it do not take part. Drawn, not all: the rows
    that are left out above 10,000, the validation rows whose nearest train row is looked for above 1,000.

    A label is red below 5 train rows (near-duplicates count once), amber below 20, green from 40 on; between, green
    where twice its rows would gain less than a point, else amber.

    >>> from tuneset.judge.view import labels, view
    >>> from tuneset.testing import examples
    >>> rows = view(examples(["where is it", "hello"]))
    >>> facts = size(rows, labels(rows.examples))
    >>> facts["lights"][0]["light"], facts["curve"], facts["plateau"]
    ('red', None, False)
    """
    column = max(labels, key=lambda each: len(each.names), default=None)
    learned = None if column is None else _learned(view, column, seed)
    grown = None if learned is None else _grown(view, learned, seed)
    gain = _gain_of_each(learned, grown, len(column.names)) if column and learned and grown else None
    lights = [light for each in labels for light in _lights(view, each, gain if each is column else None)]
    counted = {name: sum(light["light"] == name for light in lights) for name in ("red", "amber", "green")}
    enough = grown is not None and bool(grown.ahead.gain[TWICE] < LITTLE and grown.ahead.gain_high[TWICE] < SURE)
    return {
        "column": column.column if column else None,
        "lights": lights,
        **counted,
        "curve": None if grown is None else _curve(grown),
        "gains": _gains(column, learned, gain) if column and learned and gain is not None else [],
        "sides": _sides(view, column, learned, seed) if column and learned else None,
        "plateau": enough,
        "words": _words(counted, grown, enough=enough),
    }


def _learned(view: View, column: Labels, seed: int) -> Learned | None:
    """Fit the surrogate; None where fewer than two labels have train rows."""
    rows = np.flatnonzero(view.train & _one_label(column))
    codes, groups = column.codes[rows], view.groups[rows]
    if len(np.unique(codes)) < 2:
        return None
    made = ridge.fit(view.vectors[rows], codes, len(column.names))
    asked = _drawn(groups, ASKED, seed)
    given = view.vectors[rows[asked]], codes[asked]
    left_out, alone = (
        ridge.held_out(made, *given, tied).argmax(axis=1) == codes[asked]
        for tied in (groups[asked], np.arange(len(asked)))
    )
    return Learned(made, rows, codes, groups, asked, left_out, alone)


def _one_label(column: Labels) -> Bools:
    several = column.several
    return column.codes >= 0 if several is None else np.array([len(each) == 1 for each in several], np.bool_)


def _drawn(groups: Ints, most: int, seed: int) -> Ints:
    """Draw whole groups until they hold about `most` rows."""
    if len(groups) <= most:
        return np.arange(len(groups))
    number, tied = np.unique(groups, return_inverse=True)
    taken = np.random.default_rng(seed).random(len(number)) < most / len(groups)
    return np.flatnonzero(taken[tied])


def _grown(view: View, learned: Learned, seed: int) -> Grown | None:
    right = float(learned.left_out.mean())
    measured = curve.measure(view.vectors[learned.rows], learned.codes, learned.groups, right, seed)
    return None if measured is None else Grown(measured, curve.forecast(measured))


def _curve(grown: Grown) -> dict[str, Any]:
    measured, ahead = grown
    wide = curve.TAIL * np.sqrt(curve.chance(measured.right, measured.groups))
    points = zip(measured.rows, measured.right, measured.right - wide, measured.right + wide, strict=True)
    here = int(measured.rows[-1])
    ways = zip(curve.TIMES, ahead.right, ahead.low, ahead.high, *ahead[3:6], strict=True)
    said = [
        {"times": times, "rows": round(times * here)}
        | dict(zip(("accuracy", "low", "high", "gain", "gain_low", "gain_high"), map(_rounded, figures), strict=True))
        for times, *figures in ways
    ]
    twice = said[TWICE]
    return {
        "points": [{"rows": round(float(rows))} | _figures(*figures) for rows, *figures in points],
        "fit": dict(zip(("a", "b", "c", "first"), (float(f"{value:.6g}") for value in ahead.law), strict=True)),
        "ahead": said,
        "words": f"With twice the examples to learn from ({twice['rows']:,}), {SEEN} would get {_percent(twice)} of rows that are "
        f"new to it right, about {_points(twice['gain'])} more than the {100 * float(measured.right[-1]):.0f} % with the {here:,} here.",
    }


def _gain_of_each(learned: Learned, grown: Grown, labels: int) -> NDArray[np.float64]:
    """Say how much more of each label would be right with twice its rows; its accuracy now in the second row."""
    floor, slope, power, first = grown.ahead.law
    rows = np.bincount(learned.codes, minlength=labels)
    asked = np.bincount(learned.codes[learned.asked], minlength=labels)
    wrong = np.bincount(learned.codes[learned.asked], ~learned.left_out, minlength=labels)
    now, then = (floor + slope * (times * rows * grown.measured.labels + first) ** -power for times in (1, 2))
    error = (wrong + PRIOR * np.minimum(now, 1)) / (asked + PRIOR)
    gain: NDArray[np.float64] = np.stack([error * (1 - then / np.maximum(now, 1e-9)), 1 - wrong / np.maximum(asked, 1)])
    return gain


def _gains(column: Labels, learned: Learned, gain: NDArray[np.float64]) -> list[dict[str, Any]]:
    """Name the labels that would gain most from twice their rows."""
    rows = np.bincount(learned.codes, minlength=len(column.names))
    order = sorted(np.flatnonzero(rows).tolist(), key=lambda code: (-round(gain[0][code], 4), column.names[code]))
    return [
        {"label": column.names[code], "rows": int(rows[code])}
        | {"accuracy": _rounded(gain[1][code]), "gain": _rounded(gain[0][code])}
        for code in order[:LISTED]
    ]


def _lights(view: View, column: Labels, gain: NDArray[np.float64] | None) -> list[dict[str, Any]]:
    """Give each label of a column its light, by its train rows that are no near-duplicates of each other.

    Synthetic rows are named and not counted: 10 paraphrases of a row bring a third to a half of what a real one brings
    (BANKING77, 200 to 1,000 rows).
    """
    rows, codes = np.flatnonzero(view.train), column.codes[view.train]
    if column.several is not None:
        several = [column.several[row] for row in rows]
        rows, codes = np.repeat(rows, [len(each) for each in several]), np.concatenate([codes[:0], *several])
    rows, codes = rows[codes >= 0], codes[codes >= 0]
    apart = np.unique(np.stack([codes, view.groups[rows]]), axis=1)[0]
    counts = zip(*(np.bincount(each, minlength=len(column.names)).tolist() for each in (codes, apart)), strict=True)
    lights, made = (
        [],
        np.bincount(column.codes[view.written & (column.codes >= 0)], minlength=len(column.names)).tolist(),
    )
    for code, (count, different) in enumerate(counts):
        little = gain is not None and gain[0][code] < LITTLE
        light, words = _light(different, little=little)
        said = f"{different:,} {'row' if different == 1 else 'rows'}"
        twins = f" ({count:,} with near-duplicates)" if count > different else ""
        twins += f" and {made[code]:,} synthetic" if made[code] else ""
        here = {"column": column.column, "label": column.names[code], "rows": count, "groups": different}
        lights.append(here | {"light": light, "words": f"{said}{twins} to learn from: {words}"})
    return lights


def _light(rows: int, *, little: bool) -> tuple[str, str]:
    if rows < RED:
        return "red", f"too few to learn a label from; collect {AMBER} or more."
    if rows < AMBER:
        return "amber", f"few; {AMBER} or more are usual, {GREEN} are plenty."
    if rows >= GREEN or little:
        return "green", "enough." if rows >= GREEN else "enough, as more would gain little."
    return "amber", f"more would help; {GREEN} are plenty."


def _sides(view: View, column: Labels, learned: Learned, seed: int) -> dict[str, Any]:
    """Compare the surrogate's accuracy on rows that it learned with that on rows it never saw."""
    asked, groups = learned.rows[learned.asked], learned.groups[learned.asked]
    seen = ridge.scores(learned.made, view.vectors[asked]).argmax(axis=1) == column.codes[asked]
    other = np.flatnonzero(~view.train & ~view.written & _one_label(column))
    right = ridge.scores(learned.made, view.vectors[other]).argmax(axis=1) == column.codes[other]
    looked = np.sort(np.random.default_rng(seed).permutation(len(other))[:NEAREST])
    near = _nearest(view.vectors[other[looked]], view.vectors[learned.rows])
    novel = looked[near < np.median(near)] if len(near) else looked
    sides = {
        "train": accuracy(seen, groups),
        "held_out": accuracy(learned.left_out, groups),
        "validation": accuracy(right, view.groups[other]),
        "novel": accuracy(right[novel], view.groups[other[novel]]),
        "leaky": accuracy(learned.alone, groups),
    }
    return sides | {"words": _compared(sides)}


def _nearest(ours: Floats, theirs: Floats) -> Floats:
    """Return the likeness of each vector's nearest one among others, in blocks."""
    found = [(ours @ theirs[start : start + 8192].T).max(axis=1) for start in range(0, len(theirs), 8192)]
    nearest: Floats = np.max(found, axis=0) if found and len(ours) else np.zeros(len(ours), np.float32)
    return nearest


def accuracy(right: Bools, groups: Ints) -> dict[str, Any] | None:
    """Give the share that is right with its interval (Wilson, 95 %); near-duplicates are one trial, not several.

    >>> accuracy(np.array([True, True, False, True]), np.array([0, 0, 1, 2]))
    {'rows': 4, 'accuracy': 0.75, 'low': 0.2561, 'high': 0.9632}
    """
    if not len(right):
        return None
    share, trials = float(right.mean()), len(np.unique(groups))
    low, high = interval(np.array([share * trials]), trials)
    return {"rows": len(right)} | _figures(share, low[0], high[0])


def _figures(accuracy: float, low: float, high: float) -> dict[str, float]:
    return {"accuracy": _rounded(accuracy), "low": _rounded(max(low, 0)), "high": _rounded(min(high, 1))}


def _rounded(value: float) -> float:
    return round(float(value), 4)


def _percent(figures: dict[str, Any]) -> str:
    return f"{100 * figures['accuracy']:.0f} % ({100 * figures['low']:.0f} to {100 * figures['high']:.0f} %)"


def _points(gain: float) -> str:
    return f"{100 * gain:.1f} points"


def _compared(sides: dict[str, dict[str, Any] | None]) -> str:
    """Say what each side shows, and what a split that ignores near-duplicates would have claimed."""
    seen, left, fresh, novel, leaky = (sides[name] for name in ("train", "held_out", "validation", "novel", "leaky"))
    if not (seen and left and leaky):
        return "There are no train rows with one label to judge by."
    new = f"{_percent(left)} of train, each kept from it in turn (where the learning curve ends)"
    asked = f"; {_percent(fresh)} of validation" if fresh else ""
    far = f"; {_percent(novel)} of its novel half, which is least like train" if fresh and novel else ""
    trust = f" The {100 * left['accuracy']:.0f} % rests on the most rows." if fresh else ""
    claim = leaky["accuracy"] - left["accuracy"]
    would = f" A split that ignores near-duplicates would have claimed {_points(claim)} more." if claim >= 0.005 else ""
    known = f"{SEEN.capitalize()} gets {100 * seen['accuracy']:.0f} % of the train rows that it has learned right."
    return f"{known} Of rows that are new to it: {new}{asked}{far}.{trust}{would}"


def _words(counted: dict[str, int], grown: Grown | None, *, enough: bool) -> str:
    said = {"green": "enough rows", "amber": "fewer than is good", "red": "too few"}
    told = [
        f"{counted[light]} {'has' if counted[light] == 1 else 'have'} {words}"
        for light, words in said.items()
        if counted[light]
    ]
    lights = f"Of the labels {', '.join(told)}." if told else "There are no labels."
    if grown is None:
        return f"{lights} There are too few labelled rows for a learning curve."
    gain, high = (100 * float(each[TWICE]) for each in (grown.ahead.gain, grown.ahead.gain_high))
    if enough:
        return f"{lights} Twice the examples would gain {SEEN} less than a point ({gain:.1f}, at most {high:.1f}): there are enough."
    return f"{lights} Twice the examples would gain {SEEN} about {gain:.1f} points (at most {high:.1f})."
