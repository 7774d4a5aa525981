"""What fails a run, for whoever lets a machine decide: a verdict, or figures that are too low or too high."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from tuneset.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tuneset.recipe import Gate

WORSE = {"not-ready": ("not-ready",), "look": ("not-ready", "look"), "never": ()}
NAMES = ("rule", "column", "label", "name", "stage")  # what an entry of a list is called by
NEAREST = 3  # paths that are named where one leads nowhere


def gate(summary: Mapping[str, Any], spec: Gate) -> dict[str, Any]:
    """Hold a summary to the recipe's `[gate]`: `passed`, a sentence for each thing that `failed`, and for each that `held`.

    A figure is named by its path in `report.json`, as in `judge.size.sides.validation.accuracy`; in a list by the number
    of the entry or by its name, as in `rules.near-duplicate.found`. A rule that found nothing counts as 0; a figure that
    this run does not have fails. Raises RecipeError for a path that no report has.

    >>> from tuneset.recipe import Gate
    >>> gate({"verdict": {"level": "ready"}, "balance": {"kept": 90}}, Gate(verdict="never", least={"balance.kept": 100}))
    {'passed': False, 'failed': ['balance.kept is 90, at least 100 is wanted.'], 'held': []}
    """
    level = summary["verdict"]["level"]
    fails = level in WORSE[spec.verdict]
    better = "" if fails else f", better than {spec.verdict!r}"
    told = [(f"The verdict is {level!r}{better}.", not fails)] if WORSE[spec.verdict] else []
    for word, limits in (("least", spec.least), ("most", spec.most)):
        for path, limit in limits.items():
            value = figure(summary, path, f"[gate.{word}]")
            known = "not known in this run" if value is None else f"{value:g}"
            holds = value is not None and (value >= limit if word == "least" else value <= limit)
            told.append((f"{path} is {known}, at {word} {limit:g} is wanted.", holds))
    failed, held = ([words for words, holds in told if holds == way] for way in (False, True))
    return {"passed": not failed, "failed": failed, "held": held}


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
            raise _no_figure(summary, path, where)
        at = known[key]
    if isinstance(at, bool | int | float) or at is None:
        return at
    raise _no_figure(summary, path, where)


def _no_figure(summary: Mapping[str, Any], path: str, where: str) -> RecipeError:
    """Name the paths of this report that are nearest to one that leads nowhere, and where all of them are."""
    near = difflib.get_close_matches(path, sorted(_paths(summary)), n=NEAREST, cutoff=0.6)
    words = f"{' or '.join(near)}; " if near else ""
    return RecipeError(
        f"unknown figure {path!r}", where, f"{words}.tuneset/report.json in the run folder holds all of them"
    )


def _paths(at: Any, path: str = "") -> Iterator[str]:
    """List the path of every figure; of an entry of a list by its name where it has one."""
    if isinstance(at, bool | int | float):
        yield path
    entries = at.items() if isinstance(at, dict) else _by_name(at) if isinstance(at, list) else ()
    for key, value in entries:
        yield from _paths(value, f"{path}.{key}" if path else key)


def _by_name(entries: list[Any]) -> Iterator[tuple[str, Any]]:
    """Return a list's entries, each by its first name, or by number where it has none that a path can hold."""
    for number, entry in enumerate(entries):
        names = [entry[name] for name in NAMES if name in entry] if isinstance(entry, dict) else []
        fits = [name for name in names if isinstance(name, str) and "." not in name]
        yield (fits or [str(number)])[0], entry


def _named(entries: Any) -> dict[str, Any]:
    """Return a list's entries by number and by name."""
    if not isinstance(entries, list):
        return {}
    by_name = {
        str(entry[name]): entry for entry in entries if isinstance(entry, dict) for name in NAMES if name in entry
    }
    return {str(number): entry for number, entry in enumerate(entries)} | by_name
