"""What a stage did, in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from tuneset.report.page import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuneset.folder import Finished, Outcome


def says(stage: str, outcome: Outcome | Finished, rows_before: int) -> str:
    """Say in one line what a stage did, for the terminal and the report."""
    facts = outcome.facts
    if stage == "get":
        return str(facts["said"][0])
    if stage == "split":
        return " · ".join(f"{rows:,} {side}" for side, rows in facts["sides"].items() if rows or side != "test")
    if stage == "judge":
        return _judged(facts["judged"], outcome.said.select(pl.col("example").n_unique()).collect().item())
    if stage == "format":
        return ", ".join(facts["files"])
    if stage == "check":
        found = {"error": facts["errors"], "warning": facts["warnings"]}
        said = " · ".join(counted(number, word) for word, number in found.items() if number)
        lines = counted(facts["lines"], "line")
        follow = "follows" if facts["lines"] == 1 else "follow"
        return f"{said} in {lines}" if said else f"{lines} {follow} the rules of {facts['target']}"
    edits = (pl.col("action") == "edit") & (pl.col("when") == "default")
    asks = (pl.col("when") == "on-accept") | (pl.col("action") == "none")
    repaired = outcome.said.filter(edits).select(pl.col("example").n_unique()).collect().item()
    waiting = outcome.said.filter(asks).select(pl.len()).collect().item()
    counts = {"out": rows_before - outcome.rows, "repaired": repaired, "to look at": waiting}
    return " · ".join(f"{count:,} {word}" for word, count in counts.items() if count) or "nothing to do"


def _judged(judged: Mapping[str, Any], flagged: int) -> str:
    if "words" in judged:
        return str(judged["words"])
    right = (((judged["size"] or {}).get("sides") or {}).get("validation") or {}).get("accuracy")
    told = [f"{flagged:,} to look at" if flagged else "nothing to look at"]
    told += [f"a small classifier is right on {100 * right:.0f} % of validation"] if right is not None else []
    told += [f"a sample of {judged['rows']:,}"] if judged["rows"] < judged["of"] else []
    return " · ".join(told)
