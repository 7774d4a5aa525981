"""Duplicates as they lie together: which rows say the same, and which of them stay."""

from __future__ import annotations

from typing import Any

import polars as pl

from tuneset import near
from tuneset.report.words import counted

MOST = 12  # clusters that are shown
ROWS = 6  # rows shown of each
# How alike the rows of a cluster are; the rule that ties most of its pairs says it, of equals the strictest.
SAYS = {
    "exact-duplicate": "say the same",
    "near-duplicate": "read nearly the same",
    "semantic-duplicate": "say the same in other words",
}


def clusters(examples: pl.DataFrame, findings: pl.DataFrame, kept_ids: pl.Series) -> list[dict[str, Any]]:
    """Gather pairs of duplicates into clusters, and show the 12 largest with at most six rows each.

    Rows that are twins of twins lie in one cluster. Shown first is a row that is kept, which the others are held
    against; then texts that differ from one another, before repeats of the same text, and what is out before what stays.
    Give the findings that nobody has rejected. Each cluster has `rule`, `size`, `rows` (`id`, `text`, `label`,
    `kept`), `hidden` (rows that are not shown) and `words`.

    >>> from tuneset import step
    >>> from tuneset.dedupe import ExactDuplicate
    >>> from tuneset.testing import examples
    >>> rows = examples(["where is it?", "refund", "where is it?", "where is it?"])
    >>> shown = clusters(rows, step.run(ExactDuplicate(), rows), rows["id"].head(2))
    >>> [(each["rule"], each["size"], each["words"]) for each in shown]
    [('exact-duplicate', 3, '3 rows say the same; 1 stays, 2 are out')]
    """
    pairs = findings.filter(pl.col("rule").is_in(list(SAYS))).select("rule", one="example", other="others")
    pairs = pairs.explode("other").drop_nulls()
    ids = pl.concat([pairs["one"], pairs["other"]]).unique()
    rows = examples.select("id", "text", "label").filter(pl.col("id").is_in(ids.implode())).with_row_index("row")
    pairs = _numbered(pairs, rows)
    found = near.components(rows.height, pairs["one"].to_numpy(), pairs["other"].to_numpy())
    rows = rows.with_columns(cluster=pl.Series(found), kept=pl.col("id").is_in(kept_ids.implode()))
    counts = (
        rows.group_by("cluster")
        .agg(size=pl.len(), stay=pl.col("kept").sum(), labels=pl.col("label").n_unique())
        .filter(pl.col("size") > 1)
        .sort(["size", "labels", "cluster"], descending=[True, True, False])
        .head(MOST)
    )
    rules = _rules(pairs.with_columns(cluster=pl.Series(found[pairs["one"].to_numpy()])), counts["cluster"])
    shown = _shown(rows.join(counts, on="cluster", how="semi"))
    return [
        {
            "rule": rules[each["cluster"]],
            "size": each["size"],
            "rows": shown[each["cluster"]],
            "hidden": each["size"] - len(shown[each["cluster"]]),
            "words": _words(SAYS[rules[each["cluster"]]], each["size"], each["stay"], each["labels"]),
        }
        for each in counts.iter_rows(named=True)
    ]


def _numbered(pairs: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Put row numbers in place of ids; a pair with a row that is not among the examples is left out."""
    number = rows.select("id", row=pl.col("row").cast(pl.Int64))
    for side in ("one", "other"):
        pairs = pairs.join(number, left_on=side, right_on="id").with_columns(pl.col("row").alias(side)).drop("row")
    return pairs


def _rules(pairs: pl.DataFrame, wanted: pl.Series) -> dict[int, str]:
    """Name the rule that ties most pairs of each cluster."""
    strictest = pl.col("rule").replace_strict({rule: place for place, rule in enumerate(SAYS)}, return_dtype=pl.Int64)
    counts = pairs.filter(pl.col("cluster").is_in(wanted.implode())).group_by("cluster", "rule").len()
    best = counts.sort(["cluster", -pl.col("len").cast(pl.Int64), strictest]).unique(
        "cluster", keep="first", maintain_order=True
    )
    return dict(best.select("cluster", "rule").iter_rows())


def _shown(rows: pl.DataFrame) -> dict[int, list[dict[str, Any]]]:
    """Choose the rows of each cluster that tell most about it."""
    ranks = rows.sort("cluster", ~pl.col("kept"), "row").with_columns(
        first=pl.int_range(pl.len()).over("cluster") == 0, repeat=~pl.struct("cluster", "text").is_first_distinct()
    )
    best = ranks.sort("cluster", ~pl.col("first"), "repeat", "kept", "row").group_by("cluster", maintain_order=True)
    return {
        cluster: part.select("id", "text", "label", "kept").to_dicts()
        for (cluster,), part in best.head(ROWS).group_by("cluster", maintain_order=True)
    }


def _words(alike: str, size: int, stay: int, labels: int) -> str:
    """Say of a cluster how large it is, what becomes of it, and whether its labels agree."""
    out = size - stay
    ends = f"{stay:,} {'stays' if stay == 1 else 'stay'}, {out:,} {'is' if out == 1 else 'are'} out"
    told = "all stay" if not out else "all are out" if not stay else ends
    return f"{counted(size, 'row')} {alike}; {told}" + (f"; labelled in {labels:,} ways" if labels > 1 else "")
