"""The report as one HTML file: its scripts draw charts and nothing else, it asks the network for nothing, hostile text is text."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from functools import cache, partial
from importlib import resources
from typing import TYPE_CHECKING, Any, NamedTuple

from tuneset.ask.budget import figure
from tuneset.report.charts import SIDES, embedded
from tuneset.report.words import change, counted, number, percent, sentence, shown, side_by_side, size

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["MOST_BYTES", "counted", "render", "shown", "snippet"]

MOST_BYTES = 400_000  # of words and tables; the charts' data and the library that draws them come on top (charts.py)

PARTS = ("labels", "relevance", "diversity", "representativeness", "size", "map")


class Room(NamedTuple):
    """How much the page shows of what has no end of its own."""

    text: int  # characters of one text
    worst: int  # findings of one rule
    twins: int  # twins of one finding
    labels: int  # labels of one column
    rows: int  # rows of any other list


# The first is what a page should show. The others are for texts whose every character needs a mark or four bytes.
ROOMS = (Room(300, 5, 2, 150, 10), Room(150, 3, 1, 60, 6), Room(60, 2, 1, 25, 3), Room(20, 1, 1, 5, 1))


class Asset(NamedTuple):
    """A part of the page that its policy allows by hash."""

    text: str
    hash: str


def render(summary: dict[str, Any]) -> str:
    """Write the report of a run, given its summary, as one page of less than 3 MB.

    Texts are cut at 300 characters and say how much is hidden; where the page would still be too big it shows less of
    every list. The page's policy allows its own style sheet and its two scripts (a library of charts and what draws with
    it), each by hash, and nothing else; where there is nothing to draw, it holds no script.
    """
    rules = sorted(summary["rules"], key=lambda rule: (-rule["waiting"], -rule["found"], rule["rule"]))
    drawn = embedded(summary)
    scripts = [_asset("echarts.min.js"), _asset("report.js")] if drawn.charts else []
    given = {
        "judge": dict.fromkeys(PARTS) | (summary.get("judge") or {}),
        "compared": summary.get("compared"),
        "clusters": summary.get("clusters"),
        "gate": summary.get("gate"),
        "synthetic": summary.get("synthetic"),
        "stands": summary.get("stands") or [],
        "rules": rules,
        "style": _asset("report.css"),
        "scripts": scripts,
        "side_words": SIDES,
        "charts": drawn.charts,
    }
    beside = sum(len(text.encode()) for text in (drawn.data, *(script.text for script in scripts)))
    page = ""
    for room in ROOMS:
        template = _environment(room).get_template("report.html.j2")
        page = template.render(summary | given, data=drawn.data, room=room)
        if len(page.encode()) - beside <= MOST_BYTES:
            break
    return page


def snippet(summary: dict[str, Any]) -> str:
    """Write the verdict, the counts and the next actions as a piece of HTML that a notebook shows; no script.

    >>> made = snippet(
    ...     {
    ...         "title": "a.csv",
    ...         "verdict": {"level": "ready", "words": "Ready to train on.", "reasons": []},
    ...         "balance": {"in": 9, "kept": 8, "dropped": 1, "merged": 0},
    ...         "sides": {"train": 6, "validation": 2, "test": 0},
    ...         "next": [],
    ...     }
    ... )
    >>> "Ready to train on." in made, "8 kept, 1 dropped, 0 merged" in made, "<script" in made
    (True, True, False)
    """
    ink = {"ready": "#2c8a63", "look": "#b3761a", "not-ready": "#c0463a"}[summary["verdict"]["level"]]
    balance, sides = summary["balance"], summary["sides"]
    kinds = ", ".join(f"{balance[fate]:,} {fate}" for fate in ("kept", "dropped", "merged"))
    placed = ", ".join(f"{sides[side]:,} {side}" for side in ("train", "validation", "test") if sides[side])
    steps = "".join(
        f"<li>{_safe(step['words'])}<br><code>{_safe(step['command'])}</code></li>" for step in summary["next"][:3]
    )
    reasons = "".join(f"<br>{_safe(reason)}" for reason in summary["verdict"]["reasons"][:3])
    return (
        f'<div style="border-left:4px solid {ink};padding:.2em 1em;max-width:46em">'
        f"<p><strong>{_safe(summary['verdict']['words'])}</strong> <bdi>{_safe(summary['title'])}</bdi>{reasons}</p>"
        f"<p>{counted(balance['in'], 'example')} in: {kinds}.{f' {placed}.' if placed else ''}</p>"
        f"{f'<ol>{steps}</ol>' if steps else ''}</div>"
    )


def turns(first: dict[str, Any]) -> list[tuple[str, str]]:
    """List an example's turns as role and text; what is no plain turn is shown as its JSON.

    >>> turns({"messages": [{"role": "user", "content": "Hi"}]})
    [('user', 'Hi')]
    """
    messages = first.get("messages")
    if set(first) != {"messages"} or not isinstance(messages, list):
        return [("example", json.dumps(first, ensure_ascii=False))]
    return [
        (str(turn.get("role")), turn["content"])
        if set(turn) == {"role", "content"} and isinstance(turn["content"], str)
        else (str(turn.get("role")), json.dumps(turn, ensure_ascii=False))
        for turn in messages
    ]


def answer(label: str) -> str:
    """Read an answer as a person would: the values of a flat JSON object, or what it is.

    >>> answer('{"category": "Orders", "sub_category": "Late"}'), answer("[1]"), answer("Yes.")
    ('Orders / Late', '[1]', 'Yes.')
    """
    if not label.startswith('{"'):
        return label
    try:
        found = json.loads(label)
    except ValueError:
        return label
    flat = [each if isinstance(each, list) else [each] for each in found.values()]
    plain = all(isinstance(each, str) for values in flat for each in values)
    return " / ".join(", ".join(values) for values in flat) if plain else label


def _safe(text: str) -> str:
    return html.escape(shown(text or "", 200))


@cache
def _asset(name: str) -> Asset:
    """Read a file that the page carries; the hash is the one that a policy names it by."""
    from markupsafe import Markup  # noqa: PLC0415  with jinja2, see there

    text = resources.files("tuneset.report").joinpath(name).read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return Asset(Markup(text), Markup(f"'sha256-{digest}'"))  # noqa: S704  our own files


@cache
def _environment(room: Room) -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415  60 ms that `--help` need not pay

    environment = Environment(
        loader=PackageLoader("tuneset", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=partial(shown, most=room.text),  # so that no text reaches the page by another way
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "counted": counted, "percent": percent, "size": size, "money": figure}
    environment.filters |= {"turns": turns, "answer": answer, "sentence": partial(sentence, most=room.text)}
    environment.globals |= {
        "change": partial(change, most=room.text),
        "side_by_side": partial(side_by_side, most=room.text),
    }
    return environment
