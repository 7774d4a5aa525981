"""What is missing: which labels lack rows, and what judging found to be thin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import polars as pl

from tuneset.errors import RunError
from tuneset.generate.asking import Cell
from tuneset.generate.attributes import LENGTH, between

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tuneset.generate.wanted import Wanted

# A label is green from 40 train rows on, see judge/size.py.
GREEN = 40
SURE = 0.8  # from here on a text's language is named
NONE = ""  # the labels of texts that have none


def cells(  # noqa: PLR0913, PLR0917  what is wanted, what is there, and what is known of it
    wanted: Wanted,
    real: pl.DataFrame,
    sides: pl.DataFrame,
    made: pl.DataFrame,
    judged: Mapping[str, Any],
    own: int = 0,
) -> list[Cell]:
    """Say how many rows of which labels are to be written.

    `real`: the real examples that are kept; `sides`: `id` and `side` of each; `made`: the synthetic examples that are kept
    already, of all sources: those of the train side count. `judged`: what judging said of the set. `own`: the rows that
    this source's model wrote before, kept or not, which count where a number of rows is wanted. Labels stand in the order
    of their names.

    Raises RunError where nothing can be asked for by label: there are none, or each row's answer is its own.
    """
    refuse_without_labels(wanted, real)
    known = real.select(labels=pl.col("labels").fill_null(NONE)).to_series()
    if known.n_unique() > max(20, real.height // 2):
        what = "almost every row has an answer of its own, so that no label can be filled"
        raise RunError(what, "generate", "name the label columns that are categories with --label")
    train = real.join(sides.filter(pl.col("side") == "train"), on="id", how="semi")
    here = _counts(train, known.unique().sort().to_list())
    there = _counts(made.join(sides.filter(pl.col("side") == "train"), on="id", how="semi"), list(here))
    if wanted.gaps:
        return _gaps(judged, {labels: here[labels] + there[labels] for labels in here}, train["text"])
    if wanted.per_label:
        return [
            Cell(
                labels,
                wanted.per_label - here[labels] - there[labels],
                f"{here[labels] + there[labels]:,} of {wanted.per_label:,}",
            )
            for labels in here
            if here[labels] + there[labels] < wanted.per_label
        ]
    return _shared_out(max(wanted.rows - own, 0), here)


def refuse_without_labels(wanted: Wanted, real: pl.DataFrame) -> None:
    """Raise RunError where labels are to be filled up, and no example has one, as in a set of conversations."""
    if wanted.per_label and real.height and real["labels"].null_count() == real.height:
        what = "these examples have no labels, so that none can be filled up"
        raise RunError(what, "per_label (--per-label)", f"ask for a number of rows: --rows {wanted.per_label}")


def _counts(examples: pl.DataFrame, labels: Sequence[str]) -> dict[str, int]:
    found = dict(examples.select(pl.col("labels").fill_null(NONE)).to_series().value_counts().iter_rows())
    return {each: found.get(each, 0) for each in labels}


def _shared_out(rows: int, here: Mapping[str, int]) -> list[Cell]:
    """Share rows out over the labels as they stand, the largest remainders first; a label without train rows gets none."""
    counts = np.array(list(here.values()), np.float64)
    if not rows or not counts.sum():
        return []
    exact = counts / counts.sum() * rows
    whole = np.floor(exact).astype(np.int64)
    whole[np.argsort(-(exact - whole), kind="stable")[: rows - int(whole.sum())]] += 1
    return [
        Cell(labels, int(more), f"its share of {rows:,} rows") for labels, more in zip(here, whole, strict=True) if more
    ]


def _gaps(judged: Mapping[str, Any], here: Mapping[str, int], texts: pl.Series) -> list[Cell]:
    """Ask for what judging found: rows like those of the target that have none near them here, and thin labels.

    Where the target's rows are of another length than most rows here, or in another language, so are those asked for; their
    style and channel are those of the train rows most like them, which the prompt shows.
    """
    compared = judged.get("representativeness") or {}
    found = [
        Cell(labels, int(each["rows"]), each["words"], tuple(each["like"]), _fixed(each["like"], texts))
        for each in compared.get("cells") or []
        for labels in _of(each["label"], here)[:1]
    ]
    asked: dict[str, int] = {}
    for cell in found:
        asked[cell.labels] = asked.get(cell.labels, 0) + cell.rows
    lights = (judged.get("size") or {}).get("lights") or []
    thin = {labels for each in lights if each["light"] != "green" for labels in _of(each["label"], here)}
    found += [
        Cell(labels, GREEN - here[labels] - asked.get(labels, 0), f"{here[labels]:,} rows are few")
        for labels in sorted(thin)
        if here[labels] + asked.get(labels, 0) < GREEN
    ]
    return found


def _fixed(like: Sequence[str], texts: pl.Series) -> dict[str, str]:
    """Say what a gap's rows have that most rows here have not: their length, their language."""
    sizes = [len(text.split()) for text in like]
    low, high = (
        texts.str.count_matches(r"\S+").quantile(0.1, "lower"),
        texts.str.count_matches(r"\S+").quantile(0.9, "higher"),
    )
    other = bool(sizes) and low is not None and high is not None and (max(sizes) < low or min(sizes) > high)
    theirs, ours = _language(like), _language(texts.head(200).drop_nulls().to_list())
    length = {LENGTH: between(min(sizes), max(sizes), "words")} if other else {}
    return length | ({"language": theirs} if theirs and theirs != ours else {})


def _language(texts: Sequence[str]) -> str:
    """Name the language that most of some texts are surely in; "" where there is none."""
    from tuneset.clean import language, tongues  # noqa: PLC0415  with a model of languages, for this alone

    heard = [language.hear(text).likely for text in texts]
    sure = [max(likely, key=likely.__getitem__) for likely in heard if likely and max(likely.values()) >= SURE]
    most = max(sorted(set(sure)), key=sure.count, default="")
    return tongues.name(most) if most and sure.count(most) * 2 > len(texts) else ""


def _of(label: str | None, here: Mapping[str, int]) -> list[str]:
    """Find the labels that a name stands in, those with most rows first; all of them where no label is named."""
    named = [labels for labels in here if label is None or label in _values(labels)]
    return sorted(named, key=lambda labels: -here[labels])


def _values(labels: str) -> list[str]:
    read = orjson.loads(labels) if labels else {}
    values = [each for value in read.values() for each in (value if isinstance(value, list) else [value])]
    return [each if isinstance(each, str) else orjson.dumps(each).decode() for each in values]
