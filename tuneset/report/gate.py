"""What fails a run, for whoever lets a machine decide: a verdict, or figures that are too low or too high."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuneset.errors import unknown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuneset.recipe import Gate

WORSE = {"not-ready": ("not-ready",), "look": ("not-ready", "look"), "never": ()}
NAMES = ("rule", "column", "label", "name", "stage")  # what an entry of a list is called by


def gate(summary: Mapping[str, Any], spec: Gate) -> dict[str, Any]:
    """Hold a summary to the recipe's `[gate]`: `passed`, and a sentence for each thing that fails.

    A figure is named by its path in `report.json`, as in `judge.size.sides.validation.accuracy`; in a list by the number
    of the entry or by its name, as in `rules.near-duplicate.found`. A rule that found nothing counts as 0; a figure that
    this run does not have fails. Raises RecipeError for a path that no report has.

    >>> from tuneset.recipe import Gate
    >>> gate({"verdict": {"level": "ready"}, "balance": {"kept": 90}}, Gate(least={"balance.kept": 100}))
    {'passed': False, 'failed': ['balance.kept is 90, at least 100 is wanted.']}
    """
    level = summary["verdict"]["level"]
    failed = [f"The verdict is {level!r}."] if level in WORSE[spec.verdict] else []
    for word, limits in (("least", spec.least), ("most", spec.most)):
        for path, limit in limits.items():
            value = figure(summary, path, f"[gate.{word}]")
            if value is None:
                failed.append(f"{path} is not known in this run, at {word} {limit:g} is wanted.")
            elif value < limit if word == "least" else value > limit:
                failed.append(f"{path} is {value:g}, at {word} {limit:g} is wanted.")
    return {"passed": not failed, "failed": failed}


def figure(summary: Mapping[str, Any], path: str, where: str = "recipe.toml") -> float | None:
    """Look a figure up by its path; None where this run does not have it."""
    at: Any = summary
    for key in path.split("."):
        if at is None:
            return None
        known = at if isinstance(at, dict) else _named(at)
        if key not in known:
            if known is not at and path.startswith("rules."):
                return 0
            raise unknown("figure", path, [path.replace(key, each) for each in known], where)
        at = known[key]
    if isinstance(at, bool | int | float) or at is None:
        return at
    raise unknown("figure", path, [f"{path}.{each}" for each in (at if isinstance(at, dict) else ())], where)


def _named(entries: Any) -> dict[str, Any]:
    """Return a list's entries by number and by name."""
    if not isinstance(entries, list):
        return {}
    by_name = {
        str(entry[name]): entry for entry in entries if isinstance(entry, dict) for name in NAMES if name in entry
    }
    return {str(number): entry for number, entry in enumerate(entries)} | by_name
