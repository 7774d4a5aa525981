"""From a run's stages to one plain dict: the verdict, three next actions, and the evidence for them."""

from __future__ import annotations

from math import sqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import polars as pl

from tuneset import __version__
from tuneset.apply import CONFLICT, DOUBT
from tuneset.fetch import is_address
from tuneset.folder import SIDES, Folder, hash_of
from tuneset.generate.rows import ended
from tuneset.judge import guide
from tuneset.recipe import STAGES, check_pages, explain
from tuneset.report.clusters import clusters
from tuneset.report.compare import compare
from tuneset.report.origins import origins
from tuneset.report.stage import says
from tuneset.report.synthetic import waiting, written
from tuneset.report.verdict import OFF, actions, verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuneset.stages import Context

WORST = 5  # findings shown of each rule
TWINS = 3  # twins shown of each finding


def summarise(
    context: Context, everything: pl.DataFrame, kept: pl.DataFrame, settled: pl.DataFrame, fates: pl.DataFrame
) -> dict[str, Any]:
    """Return all that the report and the closing words say; plain values only, the same for the same run.

    `everything`: the examples that came in; `kept`: those that stay.
    """
    facts = {stage: context.before[stage].facts for stage in STAGES}
    sides = context.before["split"].tables["split"]
    placed = kept.join(sides.select("id", "side"), on="id", how="left", maintain_order="left")
    balance = _balance(fates)
    summary: dict[str, Any] = {
        "title": _title(context),
        "task": context.recipe.task.kind,
        "made_with": f"tuneset {__version__}",
        "said": facts["get"]["said"],
        "balance": balance,
        "sides": facts["split"]["sides"],
        "stages": _stages(context, settled, fates),
        "rules": _rules(everything, settled),
        "clusters": clusters(everything, _standing(settled), kept["id"]),
        "sources": origins(context.recipe.sources, everything, fates, placed),
        "labels": _labels(placed, context),
        "lengths": _lengths(kept),
        "tokens": facts["check"]["tokens"],
        "split": _split(context),
        "certificate": facts["split"]["certificate"],
        "judge": _judge(context),
        "stands": [
            {"source": each["source"]} | each["stands"]
            for each in facts["get"].get("fetched", [])
            if each.get("stands")
        ],
        "synthetic": written(
            everything,
            fates,
            kept,
            context.before["judge"].facts["judged"].get("synthetic"),
            _asked(context, placed),
        ),
        "check": {
            "target": facts["check"]["target"],
            "lines": facts["check"]["lines"],
            "problems": facts["check"]["errors"] + facts["check"]["warnings"],
            "errors": facts["check"]["errors"],
            "worst": facts["check"]["worst"],
        },
        "uncertainty": _uncertainty(facts["split"]["sides"]["validation"]),
        "not_judged": _not_judged(context),
        "first": _first(context),
        "files": [{"name": name} | about for name, about in facts["format"]["files"].items()],
        "recipe_hash": hash_of(context.recipe.model_dump()),
        "versions": {"tuneset": __version__, "polars": pl.__version__, "numpy": np.__version__},
    }
    summary["compared"] = _compared(context, summary, kept["id"])
    summary["verdict"] = verdict(summary)
    summary["next"] = actions(summary, str(context.folder.path))
    return summary


def _asked(context: Context, placed: pl.DataFrame) -> list[dict[str, Any]]:
    """Say of each synthetic source what came of asking its model, and what it lacks still."""
    made = [(each, ended(context.folder, each)) for each in context.recipe.sources]
    return [
        {"name": each.name, **noted, "waits": waiting(each.generate, noted, placed)}
        for each, noted in made
        if each.generate and noted and "paid" in noted
    ]


def _title(context: Context) -> str:
    paths = [path for source in context.recipe.sources for path in source.paths]
    named = [(path.partition("?")[0] if is_address(path) else path).rsplit("/", 1)[-1] for path in paths[:3]]
    return ", ".join(named).replace("-", "standard input", paths == ["-"]) or "a table"


def _balance(fates: pl.DataFrame) -> dict[str, int]:
    counts = dict(fates["fate"].value_counts().iter_rows())
    return {"in": fates.height} | {fate: counts.get(fate, 0) for fate in ("kept", "dropped", "merged")}


def _standing(settled: pl.DataFrame) -> pl.DataFrame:
    """Return the findings that nobody has rejected; only what tells which rows they tie."""
    return settled.select("rule", "example", "others", "state").filter(pl.col("state") != "overruled")


def _stages(context: Context, settled: pl.DataFrame, fates: pl.DataFrame) -> list[dict[str, Any]]:
    # what is filtered is chosen first: a filter of whole findings copies 800 MB of 3,500,000
    did = {
        name: settled.lazy().filter(pl.col("does") == name).select("stage", id="example") for name in ("edit", "drop")
    }
    edits = dict(did["edit"].group_by("stage").agg(pl.col("id").n_unique()).collect().iter_rows())
    findings = dict(settled["stage"].value_counts().iter_rows())
    drops = did["drop"].collect()
    out_by_stage = fates.filter(pl.col("fate") != "kept").join(
        drops.unique("id", keep="first", maintain_order=True), on="id", how="left"
    )
    rows, going_in = [], fates.height
    for number, stage in enumerate(STAGES, 1):
        # what reading said is applied at the start of clean, so the rows leave there
        gone = out_by_stage.filter(pl.col("stage").is_in(["get", "clean"] if stage == "clean" else [stage]))
        gone = gone.clear() if stage == "get" else gone
        row: dict[str, Any] = {
            "name": stage,
            "number": number,
            "in": going_in,
            "out": going_in - gone.height,
            "dropped": int((gone["fate"] == "dropped").sum()),
            "merged": int((gone["fate"] == "merged").sum()),
            "edited": edits.get(stage, 0),
            "findings": findings.get(stage, 0),
        }
        rows.append(row | {"says": says(stage, context.before[stage], row["in"])})
        going_in = row["out"]
    return rows


def _rules(everything: pl.DataFrame, settled: pl.DataFrame) -> list[dict[str, Any]]:
    """Count each rule's findings and show its worst: what waits for a person first, then the highest score."""
    titles = {page["rule"]: page["title"] for page in [*check_pages(), *explain()]}
    states = ("applied", "waiting", "overruled", "settled")
    counts = settled.group_by("rule").agg(
        pl.col("stage").first(),
        found=pl.len(),
        out=(pl.col("does") == "drop").sum(),
        **{state: (pl.col("state") == state).sum() for state in states},
    )
    twins = _twins(settled)
    # a column of ranks first: sorting 2.7 million whole findings took 15 s
    ranks = settled.select(
        "rule", row=pl.int_range(pl.len()), late=pl.col("state") != "waiting", good=-pl.col("score").fill_null(0)
    )
    worst = [settled[part.sort("late", "good", "row").head(WORST)["row"]] for part in ranks.partition_by("rule")]
    shown = pl.concat([settled.clear(), *worst])
    texts = _texts(everything, shown)
    return [
        row
        | {"title": titles.get(row["rule"], "")}
        | ({"twins": twins} if row["rule"] == DOUBT else {})
        | {"worst": [_shown(finding, texts) for finding in shown.filter(rule=row["rule"]).iter_rows(named=True)]}
        for row in sorted(counts.to_dicts(), key=lambda row: (STAGES.index(row["stage"]), -row["found"], row["rule"]))
    ]


def _twins(settled: pl.DataFrame) -> int:
    """Count the doubtful labels that wait and are those of twins with another label, which wait under a rule of their own."""
    waiting = settled.lazy().filter(pl.col("state") == "waiting").select("rule", "example")
    conflicts = waiting.filter(pl.col("rule") == CONFLICT)
    return waiting.filter(pl.col("rule") == DOUBT).join(conflicts, on="example", how="semi").collect().height


def _texts(everything: pl.DataFrame, shown: pl.DataFrame) -> dict[str, dict[str, Any]]:
    """Look up the texts of the findings that are shown, and of their twins."""
    ids = pl.concat([shown["example"], shown["others"].list.head(TWINS).explode().drop_nulls()]).unique()
    found = everything.select("id", "text", "label").filter(pl.col("id").is_in(ids.implode()))
    return {row["id"]: row for row in found.iter_rows(named=True)}


def _shown(finding: Mapping[str, Any], texts: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """Show a finding with the texts it is about."""
    example = texts[finding["example"]]
    keys = ("id", "example", "says", "action", "when", "field", "before", "after", "score", "state")
    return {key: finding[key] for key in keys} | {
        "text": example["text"],
        "label": example["label"],
        "others": [texts[other] for other in finding["others"][:TWINS] if other in texts],
    }


def _labels(placed: pl.DataFrame, context: Context) -> list[dict[str, Any]]:
    columns = context.recipe.sources[0].labels
    shown = []
    for column in columns:
        value = pl.col("labels").str.json_path_match(f'$["{column}"]').alias("value")
        counts = (
            placed.select(value, "side")
            .group_by("value")
            .agg(rows=pl.len(), **{side: (pl.col("side") == side).sum() for side in SIDES})
        )
        counts = counts.with_columns(share=(pl.col("validation") / pl.col("rows")).round(4)).sort(
            ["rows", "value"], descending=[True, False]
        )
        off = (pl.col("share") - context.recipe.split.validation).abs() > OFF
        shown.append(
            {
                "column": column,
                "values": counts.with_columns(off=off).head(60).to_dicts(),
                "hidden": max(0, counts.height - 60),
                "uneven": counts.filter(off).height,
            }
        )
    return shown


def _lengths(kept: pl.DataFrame) -> dict[str, Any] | None:
    if kept.is_empty():
        return None
    lengths = kept["text"].str.len_chars().to_numpy()
    top = max(float(np.quantile(lengths, 0.99)), 1.0)
    edges = np.unique(np.ceil(np.linspace(0, top, 13)).astype(int))
    edges[-1] = max(edges[-1], int(lengths.max()) + 1)
    counts, _ = np.histogram(lengths, bins=edges)
    return {
        "unit": "characters",
        "median": int(np.median(lengths)),
        "p95": int(np.quantile(lengths, 0.95)),
        "max": int(lengths.max()),
        "bins": [
            {"from": int(start), "to": int(end), "rows": int(rows)}
            for start, end, rows in zip(edges, edges[1:], counts, strict=False)
        ],
    }


def _split(context: Context) -> dict[str, Any]:
    facts, spec = context.before["split"].facts, context.recipe.split
    keys = ("groups", "largest_group", "tied_rows", "pinned", "synthetic", "placed_before", "conflicts")
    wanted = {"validation": spec.validation, "test": spec.test, "seed": spec.seed, "stratify": spec.stratify}
    uneven = [row for row in facts["balance"] if row["uneven"]] if spec.validation else []
    shown = [
        {"stratum": row["name"], "rows": row["rows"], "share": row["share"], "why": _because(row["groups"])}
        for row in sorted(uneven, key=lambda row: -abs(row["off"]))[:20]
    ]
    return wanted | {key: facts[key] for key in keys} | {"uneven": shown, "uneven_classes": len(uneven)}


def _because(sizes: list[int]) -> str:
    """Name the groups that keep a class from being shared out evenly."""
    tied = [size for size in sizes if size > 1]
    if not tied:
        return "too few examples"
    sizes_said = f"{', '.join(map(str, tied))} rows"
    return f"tied groups of {sizes_said}" if len(tied) > 1 else f"a tied group of {sizes_said}"


def _uncertainty(rows: int) -> dict[str, Any] | None:
    """Say how far a measured accuracy of 80 % may be off (95 %, Wilson 1927) with this many validation rows."""
    if not rows:
        return None
    z, share = 1.96, 0.8
    half = z / (1 + z * z / rows) * sqrt(share * (1 - share) / rows + z * z / (4 * rows * rows))
    points = round(half * 100, 1)
    words = f"Measured on {rows:,} validation examples, an accuracy of, say, 80 % is known to within about {points:g} points."
    return {"rows": rows, "at": share, "plus_minus": points, "words": words}


def _not_judged(context: Context) -> list[dict[str, str]]:
    judged = context.before["judge"].facts["judged"]
    missing = [{"what": what, "why": why} for what, (why, known) in _unjudged(judged).items() if not known]
    skipped = [
        {"what": rule, "why": f"Does not apply to the task {context.recipe.task.kind!r}."}
        for stage in STAGES
        for rule in context.before[stage].facts.get("skipped", [])
    ]
    return skipped + missing


def _judge(context: Context) -> dict[str, Any]:
    """Return what judging said, with the texts that it speaks of and what people wrote that labels mean."""
    judged: dict[str, Any] = context.before["judge"].facts["judged"]
    known = guide.read(context.folder.path / "labels.md")
    columns = [_with_definitions(column, known.get(column["column"], {})) for column in judged.get("labels") or []]
    relevance, diversity = (judged.get(part) or {} for part in ("relevance", "diversity"))
    shown = [
        *(id_ for column in columns for pair in column["confused"] for id_ in pair["examples"]),
        *(id_ for cluster in relevance.get("clusters", []) for id_ in cluster["examples"]),
        *(row[key] for row in diversity.get("redundant", []) for key in ("example", "twin")),
    ]
    examples = context.before["judge"].examples.select("id", "text", "label")
    found = examples.filter(pl.col("id").is_in(pl.Series(shown, dtype=pl.String).implode()))
    texts = {row["id"]: {"text": row["text"], "label": row["label"]} for row in found.sort("id").iter_rows(named=True)}
    return judged | {"texts": texts} | ({"labels": columns} if "labels" in judged else {})


def _with_definitions(column: dict[str, Any], known: Mapping[str, guide.Entry]) -> dict[str, Any]:
    """Put beside labels that are taken for each other what people wrote that they mean; count who has a definition."""
    means = {name: entry.means for name, entry in known.items() if entry.defined}
    pairs = [pair | {"means": [means.get(pair["one"]), means.get(pair["other"])]} for pair in column["confused"]]
    return column | {"confused": pairs, "defined": len(means)}


def _compared(context: Context, summary: Mapping[str, Any], kept: pl.Series) -> dict[str, Any] | None:
    """Compare with the run that the recipe names as the one before."""
    named = context.recipe.split.previous
    earlier = Folder(Path(named)) if named else None
    if earlier is None or not (earlier.inside / "report.json").exists():
        return None
    before = orjson.loads((earlier.inside / "report.json").read_bytes())
    ids = earlier.table("format", "examples")
    return compare(before, summary, kept.clear() if ids is None else ids["id"], kept)


def _unjudged(judged: Mapping[str, Any]) -> dict[str, tuple[str, Any]]:
    """Say of each thing that is judged why it may not have been, and whether it was."""
    few = judged.get("words")
    return {
        "labels": (few or "There are no label columns.", judged.get("labels")),
        "relevance": (few or "Nothing could be said.", judged.get("relevance")),
        "diversity": (few or "Nothing could be said.", judged.get("diversity")),
        "representativeness": (
            "Nobody said what the set should look like: --target FILE takes a sample of live inquiries.",
            judged.get("representativeness"),
        ),
        "size": (few or "There are no label columns.", judged.get("size")),
    }


def _first(context: Context) -> Any:
    for name, about in context.before["format"].facts["files"].items():
        if about["rows"]:
            with (context.folder.path / name).open("rb") as file:
                return orjson.loads(file.readline())
    return None
