"""What a step is: a frozen dataclass that is called with examples and says findings. Nothing to inherit."""

from __future__ import annotations

import dataclasses
import re
import textwrap
from typing import Any, ClassVar, Literal, Protocol

import polars as pl

from tuneset import model

Scope = Literal["example", "group", "dataset"]
Task = Literal["classify", "extract", "chat", "tools", "preference", "plain"]
TASKS: tuple[Task, ...] = ("classify", "extract", "chat", "tools", "preference", "plain")


class Step(Protocol):
    """Examples in, findings out; the fields are the step's parameters in the recipe.

    `scope` is its promise to whoever runs it. `example`: any batch, anywhere. `group`: rows with one key arrive
    together (`key`, a column expression; where it gives a list, a row belongs to each of its keys).
    `dataset`: one call sees all rows.

    A step that must learn from the set first has `fit(examples) -> Step` besides; what comes back is a step of the scope
    `example`, and calling the step itself is fitting it and calling what came back.
    """

    rule: ClassVar[str]

    @property
    def scope(self) -> Scope:
        """Say which rows must arrive together."""

    def __call__(self, examples: pl.DataFrame) -> pl.DataFrame:
        """Say what is wrong, one row per finding; at least `rule`, `example`, `action` and `says`."""


def run(step: Step, examples: pl.DataFrame) -> pl.DataFrame:
    """Call a step on all examples and bring what it says into the schema of findings."""
    return findings(step, step(examples))


def findings(step: Step, said: pl.DataFrame) -> pl.DataFrame:
    """Bring what a step said into the schema of findings."""
    pairs = frozenset({step.rule}) if getattr(step, "pairs", False) else frozenset()
    return model.as_findings(said, pairs)


def parameters(step: Any) -> dict[str, Any]:
    """Return the step's parameters as the recipe writes them."""
    return {field.name: getattr(step, field.name) for field in dataclasses.fields(step)}


def page(rule: str, words: str | None) -> dict[str, str]:
    r"""Split a step's docstring into its sentence and the rest, for `tuneset explain` and the docs.

    >>> page("empty-text", "Drop examples without text.\n\n    They teach nothing.")["text"]
    'They teach nothing.'
    """
    title, _, rest = (words or "").strip().partition("\n")
    return {"rule": rule, "title": title, "text": textwrap.dedent(rest).strip()}


def rule_of(name: str) -> str:
    """Derive a rule's name from its step's class name.

    >>> rule_of("NearDuplicate")
    'near-duplicate'
    """
    return re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()


def folded(column: str) -> pl.Expr:
    """Fold case and squeeze white space: two texts with one folded form are the same text."""
    return pl.col(column).str.to_lowercase().str.replace_all(r"\s+", " ").str.strip_chars()
