"""What the recipe hides is hidden before anything is written, in every column and in everything that is said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import polars as pl

from tuneset import model, step

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tuneset.recipe import Recipe

SAID = ("before", "after", "says")
KEPT = ("id", "source")


class Hiding(step.Step, Protocol):
    """A step that can take values out of any text, not only say where they are."""

    @property
    def hides(self) -> bool:
        """Say whether the recipe asks for it."""

    def hide(self, values: pl.Series) -> pl.Series:
        """Return the texts with what is to be hidden taken out; JSON stays JSON."""


def hiding(recipe: Recipe) -> list[Hiding]:
    """Return the steps of the recipe that hide something."""
    return [each for each in recipe.steps("clean") if getattr(each, "hides", False)]  # type: ignore[misc]


def settings(steps: Sequence[Hiding]) -> list[Any]:
    """Return what decides what is hidden, to be kept beside what was read."""
    return [[each.rule, step.parameters(each)] for each in steps]


def hidden(
    examples: pl.DataFrame, findings: pl.DataFrame, steps: Sequence[Hiding]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Hide in every column of what was read, and add what was hidden to the findings, without the values.

    A lineage key that names a person becomes a hash of itself: it still ties the same rows together.
    """
    said = [findings]
    for each in steps:
        found = step.run(each, examples)
        said.append(found.with_columns(before=pl.lit(None, dtype=pl.String)))
        examples = examples.with_columns(
            *(
                each.hide(examples[name])
                for name, kind in model.EXAMPLES.items()
                if kind == pl.String and name not in KEPT
            ),
            groups=_pseudonyms(examples["groups"], each),
        )
    return examples, unsaid(pl.concat(said), steps)


def unsaid(findings: pl.DataFrame, steps: Sequence[Hiding]) -> pl.DataFrame:
    """Hide in what findings say and show."""
    for each in steps:
        findings = findings.with_columns(each.hide(findings[name]) for name in SAID)
    return findings


def unseen(facts: Mapping[str, Any], steps: Sequence[Hiding]) -> dict[str, Any]:
    """Hide in the first rows and in the sentences that are shown while reading."""
    rows = [tuple(_one(value, steps) for value in row) for row in facts["preview"]["rows"]]
    said = [_one(sentence, steps) for sentence in facts["said"]]
    return dict(facts) | {"said": said, "preview": facts["preview"] | {"rows": rows}}


def _one(value: Any, steps: Sequence[Hiding]) -> Any:
    if isinstance(value, str):
        for each in steps:
            value = each.hide(pl.Series([value])).item()
    return value


def _pseudonyms(groups: pl.Series, hiding: Hiding) -> pl.Series:
    keys = groups.explode().drop_nulls().unique().sort()
    telling = pl.DataFrame({"key": keys, "hidden": hiding.hide(keys)}).filter(pl.col("key") != pl.col("hidden"))
    if telling.is_empty():
        return groups
    kind = telling["key"].str.extract("^([^:]*:)").fill_null("")
    renamed = pl.DataFrame({"kind": kind, "hash": model.digest(telling["key"])}).select(pl.concat_str("kind", "hash"))
    old, new = telling["key"].to_list(), renamed.to_series().to_list()
    return groups.to_frame("groups").select(pl.col("groups").list.eval(pl.element().replace(old, new))).to_series()
