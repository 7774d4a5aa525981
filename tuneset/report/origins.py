"""What each source brought, and what became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuneset.recipe import Source

REASONS = 3  # rules named for each source


def origins(
    sources: Sequence[Source], everything: pl.DataFrame, fates: pl.DataFrame, sides: pl.DataFrame
) -> list[dict[str, Any]]:
    """Count for each source its rows, their fates, how many have a twin in another source, and by which rules they are out.

    `fates`: see `apply.fates`; `sides`: `id` and `side` of what was kept. In the order of the recipe.
    """
    whose = everything.select("id", "source")
    known = (
        fates.join(whose, on="id", how="left")
        .join(whose.rename({"id": "twin", "source": "twins"}), on="twin", how="left")
        .join(sides.select("id", "side"), on="id", how="left")
    )
    return [_one(each, known.filter(source=each.name)) for each in sources]


def _one(source: Source, rows: pl.DataFrame) -> dict[str, Any]:
    fate, side = (dict(rows[name].value_counts().iter_rows()) for name in ("fate", "side"))
    out = rows.filter(pl.col("fate") != "kept")["rule"].value_counts().sort(["count", "rule"], descending=[True, False])
    return {
        "name": source.name,
        "licence": source.licence,
        "in": rows.height,
        **{name: fate.get(name, 0) for name in ("kept", "dropped", "merged")},
        "elsewhere": rows.filter((pl.col("fate") == "merged") & (pl.col("twins") != source.name)).height,
        **{name: side.get(name, 0) if fate.get("kept") else 0 for name in ("train", "validation", "test")},
        "rules": [{"rule": rule, "rows": count} for rule, count in out.head(REASONS).iter_rows()],
    }
