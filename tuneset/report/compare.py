"""Two runs side by side: what became more, less, better or worse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuneset.report.page import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

# What a person asks of two runs, in this order; a figure that one of them lacks is left out.
FIGURES = {
    "balance.in": "examples in",
    "balance.kept": "kept",
    "balance.dropped": "dropped",
    "balance.merged": "merged",
    "sides.train": "train",
    "sides.validation": "validation",
    "sides.test": "test",
    "certificate.pairs_across": "near-duplicate pairs across the sides",
    "check.problems": "problems in the files",
    "tokens.total": "tokens",
    "judge.size.sides.validation.accuracy": "accuracy of the surrogate on validation",
    "judge.size.sides.novel.accuracy": "accuracy of the surrogate on novel inquiries",
    "judge.size.red": "labels with too few examples",
}


def compare(before: Mapping[str, Any], now: Mapping[str, Any], earlier: pl.Series, later: pl.Series) -> dict[str, Any]:
    """Compare two runs by their summaries and the ids of the examples that they kept.

    >>> import polars as pl
    >>> one, two = {"title": "a.csv", "rules": [], "balance": {"kept": 2}}, {"rules": [], "balance": {"kept": 3}}
    >>> compare(one, two, pl.Series(["x", "y"]), pl.Series(["x", "y", "z"]))["words"]
    '1 example is new, none is gone.'
    """
    rows = [{"what": what, "before": _value(before, path), "now": _value(now, path)} for path, what in FIGURES.items()]
    found = [{each["rule"]: each["found"] for each in summary["rules"]} for summary in (before, now)]
    rows += [
        {"what": f"found by {rule}", "before": found[0].get(rule, 0), "now": found[1].get(rule, 0)}
        for rule in sorted(found[0].keys() | found[1].keys())
    ]
    known = [row for row in rows if row["before"] is not None and row["now"] is not None]
    new, gone = len(set(later) - set(earlier)), len(set(earlier) - set(later))
    return {"with": before.get("title", ""), "rows": known, "words": f"{_said(new, 'new')}, {_said(gone, 'gone')}."}


def _value(summary: Mapping[str, Any], path: str) -> float | None:
    """Look a figure up in a summary, maybe an older version's that lacks it."""
    at: Any = summary
    for key in path.split("."):
        at = at.get(key) if isinstance(at, dict) else None
    return at if isinstance(at, int | float) else None


def _said(count: int, word: str) -> str:
    return f"{counted(count, 'example')} {'is' if count == 1 else 'are'} {word}" if count else f"none is {word}"
