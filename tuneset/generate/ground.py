"""What synthetic rows are written from: the real rows of a prepared run, their sides, and what is known of their labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from tuneset import recipe
from tuneset.apply import settle
from tuneset.errors import RunError
from tuneset.generate.origin import synthetic
from tuneset.judge import guide, judging, view

if TYPE_CHECKING:
    from tuneset.folder import Folder
    from tuneset.judge.guide import Guide

# Rows that these rules speak about are no seeds as long as nobody has answered: what is wrong in one would be wrong in ten.
DOUBTED = ("conflicting-label", "label-error", "irrelevant", "far-cluster")


class Ground(NamedTuple):
    """The state of a run that a model writes for."""

    real: pl.DataFrame  # the real examples that are kept
    sides: pl.DataFrame  # id, side
    train: pl.DataFrame  # the real ones of the train side
    seeds: pl.DataFrame  # those of them that nothing is held against
    made: pl.DataFrame  # the synthetic ones that are kept, of all sources
    judged: dict[str, Any]  # what judging said of the set
    guide: Guide
    instruction: str


def ground(folder: Folder) -> Ground:
    """Read what a run has come to.

    Raises RunError where the run was not prepared up to judging.
    """
    kept, sides, facts = folder.table("judge", "examples"), folder.table("split", "split"), folder.facts("judge")
    if kept is None or sides is None or facts is None:
        raise RunError("this run is not prepared yet", str(folder.path), f"tuneset prepare {folder.path}")
    planned = recipe.read(folder.path / "recipe.toml")
    real = kept.filter(~synthetic())
    train = real.join(sides.filter(pl.col("side") == "train"), on="id", how="semi", maintain_order="left")
    if train.is_empty():
        raise RunError(
            "there are no real train rows to write from", str(folder.path), f"tuneset findings {folder.path}"
        )
    said = settle(folder.findings(), folder.decisions())
    doubted = said.filter(pl.col("rule").is_in(DOUBTED) & (pl.col("state") == "waiting"))
    return Ground(
        real,
        sides.select("id", "side"),
        train,
        _undoubted(train, doubted),
        kept.filter(synthetic()),
        facts["facts"]["judged"],
        _guide(folder, train, sides, planned),
        planned.task.system or "",
    )


def _undoubted(train: pl.DataFrame, doubted: pl.DataFrame) -> pl.DataFrame:
    """Leave out what is in doubt, but of a label that has nothing else."""
    sure = train.join(doubted, left_on="id", right_on="example", how="anti", maintain_order="left")
    alone = train.join(sure.select("labels").unique(), on="labels", how="anti", nulls_equal=True, maintain_order="left")
    return pl.concat([sure, alone])


def _guide(folder: Folder, train: pl.DataFrame, sides: pl.DataFrame, planned: recipe.Recipe) -> Guide:
    """Read what people wrote of the labels, and draft the rest from the train side."""
    known = guide.read(folder.path / "labels.md")
    looked = judging.seen(train, sides, planned.judge).examples
    columns = view.labels(looked)
    return guide.drafted(view.view(looked), columns, known) if columns else known
