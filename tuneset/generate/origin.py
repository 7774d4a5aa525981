"""What the origin of a synthetic example says: that a model wrote it, from which seeds, and what a judge said of it."""

from __future__ import annotations

import polars as pl

SEED = "seed:"  # before the id of a seed, in an example's lineage
CLASSIFIER = "classifier"  # the judge that is no other model, but learned this set's own real rows
VERDICTS = ("agrees", "disagrees", "doubts")


def synthetic(column: str = "origin") -> pl.Expr:
    """Mark the examples that a model wrote: `"synthetic": true` in the JSON of their origin.

    Only origins that have the word in them are read as JSON: of a million real rows that takes a tenth of a second,
    reading them all one second.

    >>> origins = pl.DataFrame({"origin": ['{"synthetic": true}', '{"file": "synthetic.csv"}', "{}", None]})
    >>> origins.select(synthetic()).to_series().to_list()
    [True, False, False, False]
    """
    held = pl.col(column).str.contains('"synthetic"', literal=True)
    read = pl.when(held).then(pl.col(column)).str.json_path_match("$.synthetic")
    return (read == "true").fill_null(value=False)


def judged(examples: pl.DataFrame) -> pl.DataFrame:
    """Read what a judge said of each synthetic example that it has seen.

    `id`, `labels` (JSON: what was asked for), `by`, `verdict` (one of `VERDICTS`), `reads` (JSON: the labels that the judge
    gives it, null where it gives none) and `score`.

    >>> from tuneset.testing import examples
    >>> told = '{"synthetic": true, "judged": {"by": "m", "verdict": "disagrees", "labels": {"category": "B"}, "score": 0.5}}'
    >>> judged(examples([{"text": "hi", "origin": told}, "ho"])).drop("id").rows()
    [('{"category": "A"}', 'm', 'disagrees', '{"category":"B"}', 0.5)]
    """
    said = examples.filter(synthetic()).select(
        "id",
        "labels",
        by=_said("by").fill_null("the judge"),
        verdict=_said("verdict"),
        reads=pl.when(_said("labels").str.starts_with("{")).then(_said("labels")),
        score=_said("score").cast(pl.Float64, strict=False),
    )
    return said.filter(pl.col("verdict").is_in(VERDICTS))


def _said(name: str) -> pl.Expr:
    return pl.col("origin").str.json_path_match(f"$.judged.{name}")


def seeds(examples: pl.DataFrame) -> pl.DataFrame:
    """List the seeds of each synthetic example, by its lineage: `id` and `seed`, a row for each seed.

    >>> from tuneset.testing import examples
    >>> rows = examples([{"text": "hi", "id": "1", "origin": '{"synthetic": true}', "groups": ["seed:7", "page:x"]}, "ho"])
    >>> seeds(rows).rows()
    [('1', '7')]
    """
    named = examples.filter(synthetic()).select("id", seed="groups").explode("seed")
    return named.filter(pl.col("seed").str.starts_with(SEED)).with_columns(pl.col("seed").str.strip_prefix(SEED))
