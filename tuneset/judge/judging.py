"""What the stage `judge` looks at, and what it says about the set as a whole."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl

from tuneset import features, sources
from tuneset.generate import measures
from tuneset.generate.origin import synthetic
from tuneset.judge import diversity, labels, layout, relevance, represent, size, view

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuneset.recipe import Judge

LEAST = 20  # examples without which nothing can be said
MOST_TARGET = 10_000  # live inquiries that are looked at
NGRAMS = "n-grams"
DIGITS = 4  # of a figure in the report; what comes behind depends on how many threads added it up


class Seen(NamedTuple):
    """What is judged: examples with the columns `side`, `group` and `vector`."""

    examples: pl.DataFrame
    target: pl.DataFrame | None  # live inquiries, with their `vector`
    facts: dict[str, Any]  # how many of how many, and what the vectors are made of


def seen(examples: pl.DataFrame, placed: pl.DataFrame, spec: Judge, target: pl.DataFrame | None = None) -> Seen:
    """Give examples their side, group and vector; where there are too many, a drawn sample of them.

    The sample is the examples with the lowest ids. Ids are hashes: that is as good as drawing, and a row more in the
    source changes the sample by that row at most.
    """
    looked = lowest(examples, spec.rows).join(
        placed.select("id", "side", "group"), on="id", how="left", maintain_order="left"
    )
    others = None if target is None else lowest(target, MOST_TARGET)
    named = spec.model if examples.height <= spec.embed_rows else ""
    texts = looked["text"] if others is None else pl.concat([looked["text"], others["text"]])
    learn = np.zeros(len(texts), np.bool_)
    learn[: looked.height] = looked.select((pl.col("side") == "train") & ~synthetic()).to_series().to_numpy()
    cache = features.cache_folder() if named else None
    made = features.vectors(texts, named, learn=learn, cache=cache, checksum=spec.checksum)
    facts = {
        "rows": looked.height,
        "of": examples.height,
        "features": called(named),
        "instead_of": called(spec.model) if spec.model != named else None,
    }
    return Seen(
        _with_vectors(looked, made[: looked.height]),
        None if others is None else _with_vectors(others, made[looked.height :]),
        facts,
    )


def lowest(examples: pl.DataFrame, rows: int) -> pl.DataFrame:
    """Keep the examples with the lowest ids, in the order that they have."""
    return examples if examples.height <= rows else examples.filter(pl.col("id").rank("ordinal") <= rows)


def called(model: str) -> str:
    """Name what vectors are made of: n-grams, or the last part of a model's path or address."""
    return model.rstrip("/").rsplit("/", 1)[-1] or NGRAMS


def live(paths: Sequence[str]) -> pl.DataFrame | None:
    """Read the live inquiries that the set should look like: texts will do, labels are used where they are."""
    if not paths:
        return None
    read = sources.read(list(paths), name="target", labelled=False)
    return read.examples.filter(pl.col("text").is_not_null())


def figures(looked: Seen, said: pl.DataFrame, spec: Judge) -> dict[str, Any]:
    """Say how good the set is: labels, relevance, diversity, representativeness, size, and what synthetic rows are worth.

    `said`: what the stage's steps found.
    """
    if looked.examples.height < LEAST:
        return looked.facts | {"words": f"Fewer than {LEAST} examples: nothing can be judged yet."}
    whole, columns = view.view(looked.examples), view.labels(looked.examples)
    against = ", ".join(Path(path).name for path in spec.target) or "the shares in the recipe"
    compared = (
        represent.represent(
            whole, columns, looked.target, spec.shares or None, spec.seed, embedded=looked.facts["features"] != NGRAMS
        )
        if looked.target is not None or spec.shares
        else None
    )
    found: dict[str, Any] = {
        "labels": labels.audit(whole, columns, said if labels.LabelError.rule in spec.steps else None),
        "relevance": relevance.relevance(whole, columns, said),
        "diversity": diversity.diversity(whole, columns, None if looked.target is None else view.view(looked.target)),
        "representativeness": compared and {"against": against} | compared,
        "size": size.size(whole, columns, spec.seed) if columns else None,
        "synthetic": measures.synthetic(whole, columns, spec.seed, embedded=looked.facts["features"] != NGRAMS),
    }
    return looked.facts | {name: rounded(part) for name, part in found.items()}


def places(looked: Seen, spec: Judge) -> pl.DataFrame:
    """Give each example a place on the map of the report: `id`, `x`, `y`, from 0 to 1."""
    whole, columns = view.view(looked.examples), view.labels(looked.examples)
    placed = layout.places(whole, columns, spec.seed).astype(np.float64).round(3)
    return pl.DataFrame({"id": looked.examples["id"], "x": placed[:, 0], "y": placed[:, 1]})


def rounded(value: Any) -> Any:
    """Cut every decimal number to the digits that a report shows.

    >>> rounded({"share": 1 / 3, "rows": [2, 0.1]})
    {'share': 0.3333, 'rows': [2, 0.1]}
    """
    if isinstance(value, dict):
        return {key: rounded(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(each) for each in value]
    if isinstance(value, float | np.floating):
        return round(float(value), DIGITS)
    return value


def _with_vectors(examples: pl.DataFrame, made: np.ndarray[Any, np.dtype[np.float32]]) -> pl.DataFrame:
    return examples.with_columns(vector=pl.Series(made, dtype=pl.Array(pl.Float32, made.shape[1])))
