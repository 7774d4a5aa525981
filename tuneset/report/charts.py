"""What the charts of the report show, as plain values: the page's script draws them, the page's tables say the same."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from tuneset.report.words import shown

if TYPE_CHECKING:
    from collections.abc import Callable

    Chart = dict[str, Any]
    Shown = Callable[[Any], Any]

MOST_BYTES = 1_500_000  # of what is embedded for the charts; nearly all of it is the texts of the map
# Characters of a text, points of the map, bars of a chart: where they take more room than there is, the next.
SPACES = ((160, 5_000, 30), (80, 5_000, 30), (40, 4_000, 20), (20, 1_500, 10))
# What would end the element that holds the data, or a line of it.
UNSAFE = {ord(each): f"\\u{ord(each):04x}" for each in "<>&\u2028\u2029"}


class Embedded(NamedTuple):
    """The charts of a page."""

    charts: dict[str, Chart]
    data: str  # the same as JSON that is safe inside of a script element


def embedded(summary: dict[str, Any]) -> Embedded:
    """Make the charts that a summary has figures for, small enough to be sent by mail.

    >>> made = embedded({"lengths": {"unit": "characters", "bins": [{"from": 0, "to": 9, "rows": 3}]}})
    >>> made.data
    '{"lengths":{"kind":"columns","unit":"characters","names":["0 to 9"],"values":[3]}}'
    """
    made = Embedded({}, "{}")
    for text, points, bars in SPACES:
        charts = {name: chart for name, chart in _charts(summary, text, points, bars).items() if chart}
        data = orjson.dumps(charts).decode().translate(UNSAFE)
        made = Embedded(charts, data)
        if len(data.encode()) <= MOST_BYTES:
            break
    return made


def _charts(summary: dict[str, Any], text: int, points: int, bars: int) -> dict[str, Chart | None]:
    judge = summary.get("judge") or {}
    name: Shown = partial(shown, most=min(text, 60))
    size = judge.get("size") or {}
    return {
        "lengths": _columns(summary.get("lengths")),
        "tokens": _columns(summary.get("tokens")),
        **{
            f"labels-{place}": _balance(column, summary["sides"], bars, name)
            for place, column in enumerate(summary.get("labels") or [])
        },
        **{
            f"confused-{place}": _matrix(column.get("matrix"), bars, name)
            for place, column in enumerate(judge.get("labels") or [])
        },
        "drift": _drift(judge.get("representativeness"), bars, name),
        "curve": _curve(size.get("curve")),
        "sides": _sides(size.get("sides")),
        "map": _map(judge.get("map"), points, partial(shown, most=text), name),
    }


def _columns(what: dict[str, Any] | None) -> Chart | None:
    bins = (what or {}).get("bins") or []
    if not what or not any(each["rows"] for each in bins):
        return None
    names = [f"{each['from']:,} to {each['to']:,}" for each in bins]
    values = [each["rows"] for each in bins]
    return {"kind": "columns", "unit": what.get("unit", "tokens"), "names": names, "values": values}


def _balance(column: dict[str, Any], sides: dict[str, int], bars: int, name: Shown) -> Chart | None:
    values = column["values"][:bars]
    if not values:
        return None
    parts = [
        {"name": side, "ink": side, "values": [each[side] for each in values]}
        for side in ("train", "validation", "test")
        if sides.get(side)
    ]
    names = ["no label" if each["value"] is None else name(each["value"]) for each in values]
    return {"kind": "stack", "names": names, "parts": parts}


def _matrix(matrix: dict[str, Any] | None, bars: int, name: Shown) -> Chart | None:
    """Show the labels that are confused most: rows are what the label says, columns what it was read as."""
    if not matrix or len(matrix["names"]) < 2:
        return None
    rows = [row[:bars] for row in matrix["rows"][:bars]]
    return {"kind": "matrix", "names": [name(each) for each in matrix["names"][:bars]], "rows": rows}


def _drift(found: dict[str, Any] | None, bars: int, name: Shown) -> Chart | None:
    rows = [each for each in (found or {}).get("labels") or [] if each.get("there") is not None]
    rows = sorted(rows, key=lambda each: -abs(each["here"] - each["there"]))[:bars]
    if not rows:
        return None
    marks = [
        {"name": "this set", "ink": "train", "shape": "circle"},
        {"name": "there", "ink": "test", "shape": "diamond"},
    ]
    lines = [
        {
            "name": name(each["label"]),
            "values": [each["here"], each["there"]],
            "low": each.get("low"),
            "high": each.get("high"),
        }
        for each in rows
    ]
    return {"kind": "ranges", "marks": marks, "rows": lines}


def _curve(curve: dict[str, Any] | None) -> Chart | None:
    if not curve or len(curve.get("points") or []) < 2:
        return None
    keys = ("rows", "accuracy", "low", "high")
    return {"kind": "curve"} | {
        part: [[each.get(key) for key in keys] for each in curve.get(part) or []] for part in ("points", "ahead")
    }


SIDES = {
    "train": "train, learned",
    "held_out": "train, kept from it",
    "validation": "validation",
    "novel": "validation, novel half",
    "leaky": "if twins were split",
}


def _sides(sides: dict[str, Any] | None) -> Chart | None:
    found = [(words, (sides or {}).get(side)) for side, words in SIDES.items()]
    rows = [
        {"name": words, "values": [each["accuracy"]], "low": each.get("low"), "high": each.get("high")}
        for words, each in found
        if each and each.get("accuracy") is not None
    ]
    marks = [{"name": "accuracy", "ink": "train", "shape": "circle"}]
    return {"kind": "ranges", "marks": marks, "rows": rows} if rows else None


def _map(found: dict[str, Any] | None, points: int, text: Shown, name: Shown) -> Chart | None:
    """Keep the rows with a finding where there are too many; number the names, so that each is written once."""
    if not found or not found.get("x") or not found.get("texts"):
        return None
    rules = found.get("rules") or [None] * len(found["x"])
    keep = sorted(sorted(range(len(rules)), key=lambda place: (rules[place] is None, place))[:points])
    groups = {
        **(found.get("labels") or {}),
        "side": found.get("sides"),
        "source": found.get("sources"),
        "finding": rules,
    }
    return {
        "kind": "map",
        "of": found.get("of") or len(rules),
        "x": [found["x"][place] for place in keep],
        "y": [found["y"][place] for place in keep],
        "id": [found["ids"][place] for place in keep],
        "text": [text(found["texts"][place] or "") for place in keep],
        "by": [
            {"what": name(what), "own": place < len(groups) - 3} | _numbered([values[at] for at in keep], name)
            for place, (what, values) in enumerate(groups.items())
            if values and (what != "source" or len(set(values)) > 1)
        ],
    }


def _numbered(values: list[str | None], name: Shown) -> dict[str, Any]:
    """Give what each row has a number by how often it comes, the commonest first; -1 where it has nothing."""
    counts = Counter(each for each in values if each is not None)
    names = sorted(counts, key=lambda each: (-counts[each], each))
    number = {each: place for place, each in enumerate(names)}
    return {"names": [name(each) for each in names], "rows": [-1 if each is None else number[each] for each in values]}
