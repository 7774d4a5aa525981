"""From a run's stages to one plain dict: the verdict, three next actions, and the evidence for them."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import polars as pl

from tuneset import __version__
from tuneset.folder import SIDES, hash_of
from tuneset.recipe import STAGES, check_pages, explain
from tuneset.report.page import counted
from tuneset.stages import says

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuneset.stages import Context

WORST = 5  # findings shown of each rule
TWINS = 3  # twins shown of each finding
OFF = 0.03  # a class this far from the wanted share is named
RARE = 5  # examples of a label value
FEW_ROWS = 100  # fewer examples than this are a start at best (see docs/steps.md, size)
NOT_JUDGED = (
    ("labels", "whether each label is right: twins with conflicting labels are found, single wrong labels are not"),
    ("relevance", "whether every example belongs to the task"),
    ("diversity", "whether the texts are varied enough"),
    ("representativeness", "whether the set looks like what the model will meet"),
    ("size", "whether more examples would help"),
)


def summarise(context: Context, settled: pl.DataFrame, fates: pl.DataFrame) -> dict[str, Any]:
    """Return everything the report and the closing words say; plain values only, the same for the same run."""
    facts = {stage: context.before[stage].facts for stage in STAGES}
    kept = context.before["format"].examples
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
        "rules": _rules(context, settled),
        "labels": _labels(placed, context),
        "lengths": _lengths(kept),
        "tokens": facts["check"]["tokens"],
        "split": _split(context),
        "certificate": facts["split"]["certificate"],
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
    summary["verdict"] = _verdict(summary)
    summary["next"] = _next(summary, str(context.folder.path))
    return summary


def _title(context: Context) -> str:
    paths = [path for source in context.recipe.sources for path in source.paths]
    return (
        ", ".join(path.rsplit("/", 1)[-1] for path in paths[:3]).replace("-", "standard input", paths == ["-"])
        or "a table"
    )


def _balance(fates: pl.DataFrame) -> dict[str, int]:
    counts = dict(fates["fate"].value_counts().iter_rows())
    return {"in": fates.height} | {fate: counts.get(fate, 0) for fate in ("kept", "dropped", "merged")}


def _stages(context: Context, settled: pl.DataFrame, fates: pl.DataFrame) -> list[dict[str, Any]]:
    stage_of = settled.filter(pl.col("does") == "drop").unique("example", keep="first", maintain_order=True)
    out_by_stage = fates.join(stage_of.select(id="example", stage="stage"), on="id", how="left").filter(
        pl.col("fate") != "kept"
    )
    rows, going_in = [], fates.height
    for number, stage in enumerate(STAGES, 1):
        # what reading said is applied at the start of clean, so the rows leave there
        gone = out_by_stage.filter(pl.col("stage").is_in(["get", "clean"] if stage == "clean" else [stage]))
        gone = gone.clear() if stage == "get" else gone
        said = settled.filter(pl.col("stage") == stage)
        row: dict[str, Any] = {
            "name": stage,
            "number": number,
            "in": going_in,
            "out": going_in - gone.height,
            "dropped": int((gone["fate"] == "dropped").sum()),
            "merged": int((gone["fate"] == "merged").sum()),
            "edited": said.filter(pl.col("does") == "edit")["example"].n_unique(),
            "findings": said.height,
        }
        rows.append(row | {"says": says(stage, context.before[stage], row["in"])})
        going_in = row["out"]
    return rows


def _rules(context: Context, settled: pl.DataFrame) -> list[dict[str, Any]]:
    """Count each rule's findings and show its worst: what waits for a person first, then the highest score."""
    titles = {page["rule"]: page["title"] for page in [*check_pages(), *explain()]}
    states = ("applied", "waiting", "overruled")
    counts = settled.group_by("rule").agg(
        pl.col("stage").first(), found=pl.len(), **{state: (pl.col("state") == state).sum() for state in states}
    )
    # a column of ranks first: sorting 2.7 million whole findings took 15 s
    ranks = settled.select(
        "rule", row=pl.int_range(pl.len()), late=pl.col("state") != "waiting", good=-pl.col("score").fill_null(0)
    )
    worst = [settled[part.sort("late", "good", "row").head(WORST)["row"]] for part in ranks.partition_by("rule")]
    shown = pl.concat([settled.clear(), *worst])
    texts = _texts(context, shown)
    return [
        row
        | {"title": titles.get(row["rule"], "")}
        | {"worst": [_shown(finding, texts) for finding in shown.filter(rule=row["rule"]).iter_rows(named=True)]}
        for row in sorted(counts.to_dicts(), key=lambda row: (STAGES.index(row["stage"]), -row["found"], row["rule"]))
    ]


def _texts(context: Context, shown: pl.DataFrame) -> dict[str, dict[str, Any]]:
    """Look up the texts of the findings that are shown, and of their twins."""
    ids = pl.concat([shown["example"], shown["others"].list.head(TWINS).explode().drop_nulls()]).unique()
    found = context.before["get"].examples.select("id", "text", "label").filter(pl.col("id").is_in(ids.implode()))
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
    keys = ("groups", "largest_group", "tied_rows", "pinned", "placed_before", "conflicts")
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
    words = f"With {rows:,} validation examples a measured accuracy of 80 % is known to within about {points:g} points."
    return {"rows": rows, "at": share, "plus_minus": points, "words": words}


def _not_judged(context: Context) -> list[dict[str, str]]:
    later = [{"what": what, "why": f"This version does not judge {why}."} for what, why in NOT_JUDGED]
    skipped = [
        {"what": rule, "why": f"Does not apply to the task {context.recipe.task.kind!r}."}
        for stage in STAGES
        for rule in context.before[stage].facts.get("skipped", [])
    ]
    return skipped + later


def _first(context: Context) -> Any:
    for name, about in context.before["format"].facts["files"].items():
        if about["rows"]:
            with (context.folder.path / name).open("rb") as file:
                return orjson.loads(file.readline())
    return None


def _verdict(summary: Mapping[str, Any]) -> dict[str, Any]:
    wrong, doubts = _failures(summary), _doubts(summary)
    if wrong:
        return {"level": "not-ready", "words": "Not ready to train on yet.", "reasons": wrong + doubts}
    if doubts:
        return {"level": "look", "words": "Usable; worth a look first.", "reasons": doubts}
    return {"level": "ready", "words": "Ready to train on.", "reasons": []}


def _failures(summary: Mapping[str, Any]) -> list[str]:
    """Say what makes a set unfit: nobody should train on it as it is."""
    sides, kept = summary["sides"], summary["balance"]["kept"]
    errors, across = summary["check"]["errors"], summary["certificate"]["pairs_across"]
    wanted = summary["split"]["validation"] > 0
    checks = [
        (not kept, "No example is left."),
        (kept and not sides["train"], "No example is on the train side."),
        (
            kept and wanted and not sides["validation"],
            "No example is on the validation side: all of them are tied together, or there are too few.",
        ),
        (kept and errors, f"{counted(errors, 'problem')} would make the target refuse the files."),
        (across, f"{counted(across, 'pair')} of near-duplicates across the sides of the split."),
        (
            kept and any(len(each["values"]) == 1 for each in summary["labels"][:1]),
            "There is only one class: nothing to learn to tell apart.",
        ),
    ]
    return [words for holds, words in checks if holds]


def _doubts(summary: Mapping[str, Any]) -> list[str]:
    """Say what a careful person would look at before training."""
    waiting = {each["rule"]: each["waiting"] for each in summary["rules"]}
    balance, split = summary["balance"], summary["split"]
    rare = sum(value["rows"] < RARE for each in summary["labels"] for value in each["values"])
    few = balance["kept"] if balance["kept"] < FEW_ROWS else 0
    many = balance["dropped"] if balance["dropped"] * 10 > balance["in"] else 0
    told = ("class", "") if summary["labels"] else ("kind", "of examples (by source, turns and length) ")
    checks = [
        (_stuck(summary), "example", "on the sides of an earlier run, which are not the shares that you ask for now."),
        (waiting.get("conflicting-label", 0), "example", "with a twin that has another label."),
        (waiting.get("secret", 0), "example", "with a key, a token or a password."),
        (waiting.get("contamination", 0), "example", "of another set that it must not hold."),
        (few, "example", "in all: 100 are a start."),
        (rare, "label value", f"with fewer than {RARE} examples."),
        (split["uneven_classes"], told[0], f"{told[1]}more than 3 points off the wanted share, or on one side only."),
        (
            0 if split["validation"] else balance["kept"],
            "example",
            "and no validation side: nothing shows overfitting.",
        ),
        (many, "row", "dropped, more than one in ten."),
        (split["conflicts"], "example", "on different sides by an earlier run, and tied now."),
    ]
    return [f"{counted(count, noun)} {words}" for count, noun, words in checks if count]


def _stuck(summary: Mapping[str, Any]) -> int:
    """Count the examples whose earlier sides keep validation from the share that is asked for now."""
    rows, split = max(summary["balance"]["kept"], 1), summary["split"]
    off = (abs(summary["sides"][side] / rows - split[side]) > OFF for side in ("validation", "test"))
    return int(split["placed_before"]) if any(off) else 0


Choice = tuple[Any, str, str, str]  # how many (0: not now), what to do, why, with which command


def _next(summary: Mapping[str, Any], run: str) -> list[dict[str, str]]:
    """Choose the three most useful things to do, each with its command."""
    choices = [*_to_mend(summary, run), *_to_look_at(summary, run), *_to_go_on(summary, run)]
    wanted = [choice for choice in choices if choice[0]]
    if summary["verdict"]["level"] == "not-ready":
        wanted = [choice for choice in wanted if choice[1] != "Train"]
    if summary["verdict"]["level"] == "ready":  # training comes first where nothing stands against it
        wanted.sort(key=lambda choice: choice[1] != "Train")
    return [{"words": words, "why": why, "command": command} for _, words, why, command in wanted[:3]]


def _to_mend(summary: Mapping[str, Any], run: str) -> list[Choice]:
    """List what makes the files or the split wrong."""
    errors, conflicts = summary["check"]["errors"], summary["split"]["conflicts"]
    return [
        (
            errors,
            f"Mend {counted(errors, 'problem')} that the target would refuse",
            "The platform rejects the file, or silently skips such rows.",
            f"tuneset findings {run}",
        ),
        (
            conflicts,
            f"Draw the split anew: {counted(conflicts, 'tied example')} on different sides",
            "A twin across the sides makes the validation score too good.",
            f"tuneset prepare {run} --resplit",
        ),
        (
            _stuck(summary),
            "Draw the split anew for the share you ask for",
            "Every example keeps its side until you say otherwise.",
            f"tuneset prepare {run} --resplit",
        ),
    ]


def _to_look_at(summary: Mapping[str, Any], run: str) -> list[Choice]:
    """List what a person has to settle, the gravest first."""
    found = {
        (each["rule"], state): each[state] for each in summary["rules"] for state in ("found", "waiting", "applied")
    }
    conflicting, secret, contaminated = (
        found.get((rule, "waiting"), 0) for rule in ("conflicting-label", "secret", "contamination")
    )
    private = secret + found.get(("personal-data", "waiting"), 0)
    unreadable, missing = found.get(("unreadable-row", "found"), 0), found.get(("missing-label", "applied"), 0)
    return [
        (
            conflicting,
            f"Settle {counted(conflicting, 'example')} with a twin that has another label",
            "The model would be taught both answers.",
            f"tuneset findings {run} --rule conflicting-label",
        ),
        (
            private,
            f"Mask {counted(private, 'find')} of personal data or secrets",
            f'A model repeats what it has read. Write action = "mask" in {run}/recipe.toml.',
            f"tuneset findings {run} --rule {'secret' if secret else 'personal-data'}",
        ),
        (
            contaminated,
            f"Look at {counted(contaminated, 'example')} that another set holds too",
            "A model that has read the test is measured by its memory.",
            f"tuneset findings {run} --rule contamination",
        ),
        (
            unreadable,
            f"Look at {counted(unreadable, 'row')} that could not be read",
            "Each may be a good example with one stray quote or comma.",
            f"tuneset findings {run} --rule unreadable-row",
        ),
        (
            missing,
            f"Label {counted(missing, 'example')} without an answer",
            "They were left out.",
            f"tuneset findings {run} --rule missing-label",
        ),
    ]


def _to_go_on(summary: Mapping[str, Any], run: str) -> list[Choice]:
    """List what makes a good set better, and what comes after it."""
    stratified = summary["split"]["stratify"]
    uneven = [each["column"] for each in summary["labels"] if each["uneven"] and each["column"] not in stratified]
    stratify = " ".join(f"--stratify {column}" for column in [*stratified, *uneven])
    twins = sum(each["waiting"] for each in summary["rules"] if each["rule"] == "near-duplicate")
    return [
        (
            len(uneven),
            f"Spread {' and '.join(uneven)} evenly too",
            "Some of its values are over- or under-represented in validation.",
            f"tuneset prepare {run} {stratify} --resplit",
        ),
        (
            twins,
            f"Look at {counted(twins, 'pair')} of near-duplicates",
            "They are safe in the split; many of them make the set look larger than it is.",
            f"tuneset findings {run} --rule near-duplicate",
        ),
        (1, "Train", "The files are what a trainer reads.", f"{run}/train.jsonl {run}/validation.jsonl"),
        (
            not summary["sides"]["test"],
            "Hold back a test side for the final figure",
            "What is tuned on validation looks better there than it is.",
            f"tuneset prepare {run} --test 0.1 --resplit",
        ),
        (
            1,
            "Add rows to the source when new ones come, and run again",
            "Every example keeps its side.",
            f"tuneset prepare {run}",
        ),
    ]
