"""What a run ends with: the examples that are out, the report, and what the manifest says about itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from tuneset import __version__
from tuneset.apply import close, fates, settle
from tuneset.folder import SIDES, to_json, whole, write
from tuneset.hiding import hiding
from tuneset.judge.layout import points
from tuneset.recipe import STAGES
from tuneset.report.gate import gate
from tuneset.report.page import render
from tuneset.report.summary import summarise
from tuneset.targets import TARGETS
from tuneset.targets.export import about_run, export

if TYPE_CHECKING:
    from tuneset.stages import Context


def finish(context: Context) -> dict[str, Any]:
    """Write `dropped.jsonl`, `report.json` and `report.html`; return what the manifest says besides the files."""
    names = pl.Enum(STAGES)  # a byte for each finding, not sixteen
    said = pl.concat([context.before[name].findings.with_columns(stage=pl.lit(name, dtype=names)) for name in STAGES])
    everything, kept = (context.before[stage].examples.drop("messages") for stage in ("get", "format"))
    settled = close(settle(said, context.decisions).with_columns(said["stage"]), kept)
    became = fates(everything, settled, kept["id"])
    _write_dropped(context, everything, became)
    summary = summarise(context, everything, kept, settled, became)
    _forget_selections(context)
    summary["exports"] = _exports(context, summary)
    write(
        context.folder.inside / "report.json", to_json(summary)
    )  # where a path of the gate that leads nowhere is sought
    _close_gate(context, summary)
    write(context.folder.inside / "report.json", to_json(summary))
    write(context.folder.path / "report.html", render(_with_map(context, summary, settled)).encode())
    return {
        "versions": summary["versions"],
        "seed": context.recipe.split.seed,
        "balance": summary["balance"],
        "sides": {side: summary["sides"][side] for side in SIDES},
        "tuneset": __version__,
    }


def _exports(context: Context, summary: dict[str, Any]) -> list[dict[str, Any]]:
    """Write the files of the targets that the recipe names, and again those that are there already."""
    made, folder = context.recipe, context.folder.path / "exports"
    # what was exported before is written again: it must not go on saying what a later run masks, drops or mends
    before = sorted(path.name for path in folder.glob("*") if path.name in TARGETS)
    names = list(dict.fromkeys((*made.format.targets, *before)))
    if not names:
        return []
    sides = context.before["split"].tables["split"].select("id", "side")
    examples = context.before["format"].examples.join(sides, on="id", how="left").sort("id")
    about = about_run(context.folder.path, made, summary)
    done = [export(examples, TARGETS[name], folder / name, about) for name in names]
    return [each | {"folder": f"exports/{each['target']}"} for each in done]


def _forget_selections(context: Context) -> None:
    """Remove what `select` drew from an earlier state of the run where values are hidden now: it may hold them in clear."""
    if not hiding(context.recipe):
        return
    drawn = [path for path in context.folder.path.glob("train-*.jsonl") if path.stem.removeprefix("train-").isdecimal()]
    lines = set((context.folder.path / "train.jsonl").read_bytes().splitlines()) if drawn else set()
    for path in drawn:
        if not lines.issuperset(path.read_bytes().splitlines()):
            path.unlink()


def _close_gate(context: Context, summary: dict[str, Any]) -> None:
    """Hold the run to its recipe's gate; fail it where a target that the recipe names would refuse its file."""
    named = context.recipe.format.targets
    refused = [
        f"{each['target']} would refuse its file"
        for each in summary["exports"]
        if each["errors"] and each["target"] in named
    ]
    held = gate(summary, context.recipe.gate)
    summary["gate"] = held | {"failed": [*held["failed"], *refused], "passed": held["passed"] and not refused}


def _with_map(context: Context, summary: dict[str, Any], settled: pl.DataFrame) -> dict[str, Any]:
    """Add the map of the examples, with their texts, which only the page needs."""
    spots, sides = context.before["judge"].tables["map"], context.before["split"].tables["split"]
    # only what the map shows: sorting 2.7 million whole findings held a gigabyte
    waiting = (
        settled.lazy()
        .filter(pl.col("state") == "waiting")
        .select("example", "rule", "score")
        .join(spots.lazy().select(example="id"), on="example", how="semi", maintain_order="left")
        .sort("score", descending=True, nulls_last=True, maintain_order=True)
        .select("example", "rule")
        .collect()
    )
    kept = context.before["format"].examples.join(spots.select("id"), on="id", how="semi", maintain_order="left")
    examples = kept.join(sides.select("id", "side"), on="id", how="left", maintain_order="left")
    shown = points(spots, examples, waiting, context.recipe.sources[0].labels)
    return summary | {"judge": summary["judge"] | {"map": shown}}


def _write_dropped(context: Context, everything: pl.DataFrame, became: pl.DataFrame) -> None:
    """Write every example that is out: its text as it came in, its fate, the rule, the reason, and its twin."""
    out = became.filter(pl.col("fate") != "kept")
    shown = (
        out.join(everything.select("id", "text", "label", "source", "origin", "extra"), on="id", how="left")
        .join(everything.select(twin="id", twin_text="text"), on="twin", how="left")
        .sort("id")
        .select("id", "text", "label", "fate", "rule", "says", "twin", "twin_text", "source", "origin", "extra")
    )
    path = context.folder.path / "dropped.jsonl"
    with whole(path) as passing:
        shown.write_ndjson(passing)
