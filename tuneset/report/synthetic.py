"""What became of the rows a model wrote: how many, out by which rule, of which label, read how by the judge, at what cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from tuneset.generate.origin import judged, synthetic
from tuneset.generate.paid import stopped
from tuneset.generate.rows import RULE as LOST

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tuneset.generate.wanted import Wanted

EXAMPLES = 3  # shown of each label
VERDICTS = ("agrees", "doubts", "disagrees")
BY_COST = ("prompt", "model")


def written(
    everything: pl.DataFrame,
    fates: pl.DataFrame,
    kept: pl.DataFrame,
    measured: Mapping[str, Any] | None,
    noted: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any] | None:
    """Count the synthetic rows of a run, the worst labels first; None where no model wrote any.

    `everything`: all examples that came in; `fates`: see `apply.fates`; `kept`: the examples that stay; `measured`: what
    judging found (`generate.measures.synthetic`); `noted`: of each source what came of asking (`generate.rows.ended`). A
    row that was asked for and not written is one of those asked for. `cost_of_rows`, in the currency of the recipe's
    prices: of the answers in which the rows listed here came. `paid`: of each source all that was spent, in the words of
    the terminal, which is more by what the judge read, what a later round made up for, and what did not come; with what
    waits (see `waiting`).
    """
    made = everything.filter(synthetic())
    if made.is_empty() and not noted:
        return None
    told = [pl.col("origin").str.json_path_match(f"$.{name}").alias(name) for name in (*BY_COST, "cost")]
    known = (
        made.select("id", "text", "labels", *told)
        .with_columns(pl.col("cost").cast(pl.Float64, strict=False).fill_null(0.0))
        .join(fates.select("id", "fate", "rule"), on="id", how="left", maintain_order="left")
        .join(judged(made).select("id", "by", "verdict", "reads", "score"), on="id", how="left", maintain_order="left")
    )
    stay, cost = known.filter(fate="kept").height, float(known["cost"].sum())
    found = {
        "asked": known.height,
        "written": known.filter(pl.col("rule").ne_missing(LOST)).height,
        "kept": stay,
        "out": _out(known),
        "cost_of_rows": round(cost, 6),
        "cost_each": round(cost / stay, 6) if stay else None,
        "labels": _labels(known, kept.filter(~synthetic())),
        "ways": _ways(known),
        "judge": _judge(known),
        "measured": measured,
        "paid": [{"name": each["name"], "stopped": stopped(each), **each["waits"], **each["paid"]} for each in noted],
    }
    return found | {"words": _words(found)}


def waiting(wanted: Wanted, noted: Mapping[str, Any], placed: pl.DataFrame) -> dict[str, Any]:
    """Say what a source still lacks: rows that wait, for what, and how many are short of the number for each label.

    `noted`: what came of asking; `placed`: the examples that are kept, with their sides. `waits`: rows that are not written
    or not judged; `limit` and `most`: the limit that stopped them, "" and none where it was not one; `failed`: why the
    judge was given up; `short`: rows that are missing still, in so many `labels`, to so many `of` each.
    """
    limit = noted["stopped"].partition(" = ")[0]
    train = placed.filter(pl.col("side") == "train")["labels"].drop_nulls().value_counts()["count"]
    lack = [wanted.per_label - rows for rows in train if rows < wanted.per_label]
    return {
        "waits": noted["unread"] + noted["lost"].get("budget", 0),
        "limit": limit,
        "most": getattr(wanted, limit) if limit else None,
        "failed": noted["failed"],
        "short": sum(lack),
        "labels": len(lack),
        "of": wanted.per_label,
    }


def _out(known: pl.DataFrame) -> list[dict[str, Any]]:
    """Count by rule the rows that are not kept."""
    out = known.filter(pl.col("fate") != "kept").group_by("rule").agg(rows=pl.len())
    return out.sort(["rows", "rule"], descending=[True, False]).to_dicts()


def _labels(known: pl.DataFrame, real: pl.DataFrame) -> list[dict[str, Any]]:
    """Count each label's rows; those whose judge agrees least first, and of these the ones that lost most."""
    beside = real.group_by("labels").agg(real=pl.len())
    rows = (
        known.group_by("labels")
        .agg(
            kept=(pl.col("fate") == "kept").sum(),
            out=(pl.col("fate") != "kept").sum(),
            judged=pl.col("verdict").is_not_null().sum(),
            **{verdict: (pl.col("verdict") == verdict).sum() for verdict in VERDICTS},
        )
        .join(beside, on="labels", how="left", nulls_equal=True)
        .with_columns(pl.col("real").fill_null(0), agree=pl.when(pl.col("judged") > 0).then(_share("agrees")))
    )
    return rows.sort(["agree", "out", "labels"], descending=[False, True, False], nulls_last=True).to_dicts()


def _share(name: str) -> pl.Expr:
    return (pl.col(name) / pl.col("judged")).round(4)


def _ways(known: pl.DataFrame) -> list[dict[str, Any]]:
    """Count what each prompt brought, by which model, and at what cost."""
    counted = known.group_by(BY_COST).agg(
        asked=pl.len(), kept=(pl.col("fate") == "kept").sum(), cost=pl.col("cost").sum().round(6)
    )
    return counted.sort(["kept", *BY_COST], descending=[True, False, False]).to_dicts()


def _judge(known: pl.DataFrame) -> dict[str, Any] | None:
    """Say how often the judge agreed, and show what it read otherwise, the label that it read otherwise most often first."""
    seen = known.filter(pl.col("verdict").is_not_null())
    if seen.is_empty():
        return None
    counts = dict(seen["verdict"].value_counts().iter_rows())
    # a row that the judge is sure is something else comes before one that it doubts; the surest first
    odd = seen.filter(pl.col("verdict") != "agrees").with_columns(
        late=pl.col("verdict") == "doubts",
        often=(pl.col("verdict") == "disagrees").sum().over("labels"),
        many=pl.len().over("labels"),
    )
    order = ["often", "many", "labels", "late", "score", "id"]
    worst = odd.sort(order, descending=[True, True, False, False, False, False])
    shown = [
        {
            "labels": part["labels"][0],
            "rows": part.height,
            "examples": part.head(EXAMPLES).select("id", "text", "verdict", "reads").to_dicts(),
        }
        for part in worst.partition_by("labels", maintain_order=True)
    ]
    by = sorted(set(seen["by"].to_list()))
    return {"by": by, "rows": seen.height, "labels": shown} | {verdict: counts.get(verdict, 0) for verdict in VERDICTS}


def _words(found: Mapping[str, Any]) -> str:
    """Say in one sentence what came of the rows that were asked for."""
    asked, kept, judge = found["asked"], found["kept"], found["judge"]
    several = len(found["paid"]) > 1
    paid = [
        f"{each['name']}: " * several + each["words"] + f"; {each['stopped']}" * bool(each["stopped"])
        for each in found["paid"]
    ]
    head = " ".join(
        [
            f"{kept:,} of {asked:,} rows that a model was asked for are kept." * bool(asked),
            *(f"{each}." for each in paid),
        ]
    ).strip()
    if not asked:
        return head
    if not judge:
        return f"{head} Nobody has judged their labels."
    against = judge["disagrees"] + judge["doubts"]
    return f"{head} The judge doubts the label of {against:,} of {judge['rows']:,} that it read, or reads another."
