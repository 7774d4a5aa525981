"""The recipe: which sources, which steps with which thresholds, how to split, and for which target."""

from __future__ import annotations

import dataclasses
import importlib
import tomllib
from functools import cache
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tuneset import step
from tuneset.errors import RecipeError, unknown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

STAGES = ("get", "clean", "dedupe", "split", "judge", "format", "check")
STAGES_WITH_STEPS = ("clean", "dedupe", "judge")
# What reading and splitting say themselves.
RULES_WITHOUT_STEP = {
    "unreadable-row": """Keep out rows that could not be read.

    A row with too few or too many fields, bytes that do not decode, or broken JSON. The line and what was read of it are
    in `dropped.jsonl`. Mend the line in the source and run again.
    """,
    "bridges-splits": """Keep out new rows that would tie train and validation together.

    A later run keeps every earlier side. A new row that is nearly the same as rows on both sides would make the validation
    score too good, whichever side it took. `--resplit` draws the sides anew instead.
    """,
}


class Part(BaseModel):
    """A table of the recipe; an unknown key in it is an error, never ignored."""

    model_config = ConfigDict(extra="forbid")


class Task(Part):
    """What the model will be asked to do."""

    kind: step.Task | None = None  # what the rows look like, where not given
    system: str | None = None
    answer: str = "json"


class Source(Part):
    """Where examples come from."""

    kind: Literal["files", "table"] = "files"
    name: str = "files"
    paths: list[str] = []
    text: str | None = None
    labels: list[str] = []
    groups: list[str] = []


class Steps(Part):
    """The steps of a stage, in order, and a table of parameters for each."""

    model_config = ConfigDict(extra="allow")
    steps: list[str] = []


class Split(Part):
    """How to hold examples back for validation."""

    validation: Annotated[float, Field(ge=0, lt=1)] = 0.2
    test: Annotated[float, Field(ge=0, lt=1)] = 0.0
    stratify: list[str] = []
    tie: list[str] = ["*"]  # kinds of lineage that keep rows together, as "thread" or a --group column; "*" is all
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 42
    threshold: Annotated[float, Field(gt=0, le=1)] = 0.7
    previous: str | None = None

    @model_validator(mode="after")
    def _leave_something_for_training(self) -> Split:
        if self.validation + self.test >= 1:
            raise ValueError("validation and test together leave nothing to train on")
        return self


class Format(Part):
    """Which trainer or platform the files are for."""

    target: Literal["chat"] = "chat"


class Recipe(Part):
    """Everything that decides what a run does; `recipe.toml` holds it with every default filled in."""

    task: Task = Task()
    sources: list[Source] = []
    clean: Steps = Steps()
    dedupe: Steps = Steps()
    split: Split = Split()
    judge: Steps = Steps()
    format: Format = Format()

    def steps(self, stage: str) -> list[step.Step]:
        """Build the steps of a stage, in the recipe's order."""
        part: Steps = getattr(self, stage)
        tables = part.model_extra or {}
        for name in tables:
            if name not in part.steps:
                what = f"{name!r} has parameters, but is not one of the steps"
                raise RecipeError(what, f"[{stage}] steps", f"add it to the steps, or remove [{stage}.{name}]")
        return [_build(name, tables.get(name, {}), f"recipe.toml [{stage}.{name}]") for name in part.steps]


@cache
def steps() -> dict[str, type[step.Step]]:
    """Return every step that is installed, by rule: ours and third parties', through one entry point group."""
    return {entry.name: entry.load() for entry in sorted(entry_points(group="tuneset.steps"), key=lambda e: e.name)}


def default_steps(stage: str) -> list[str]:
    """Name a stage's own steps, in order."""
    if stage == "judge":  # comes with the audit of labels, relevance, diversity, representativeness and size
        return []
    return [each.rule for each in importlib.import_module(f"tuneset.{stage}").STEPS]


def explain(rule: str | None = None) -> list[dict[str, str]]:
    """Explain a rule, or list all of them: `rule`, `title`, and `text` with why it hurts, what is done, and the limits.

    >>> explain("empty-text")[0]["title"]
    'Drop examples without text.'
    """
    described = {name: made.__doc__ or "" for name, made in steps().items()} | RULES_WITHOUT_STEP
    pages = [step.page(name, words) for name, words in described.items()]
    found = [page for page in pages if rule in (None, page["rule"])]
    if not found:
        raise unknown("rule", str(rule), [page["rule"] for page in pages], "explain")
    return sorted(found, key=lambda page: page["rule"])


def filled(recipe: Recipe) -> Recipe:
    """Fill in every default: the stages' own steps where none are named, and each step's parameters."""
    written = recipe.model_dump()
    for stage in STAGES_WITH_STEPS:
        part = written[stage]
        if "steps" not in getattr(recipe, stage).model_fields_set:
            part["steps"] = default_steps(stage)
        complete = Recipe.model_validate({stage: part})
        part |= {
            built.rule if name in steps() else name: _written(part.get(name, {}), built)
            for name, built in zip(part["steps"], complete.steps(stage), strict=True)
        }
    return Recipe.model_validate(written)


def read(path: Path) -> Recipe:
    """Read a recipe file.

    Raises RecipeError where it is not TOML, or holds an unknown key or an impossible value.
    """
    try:
        return parse(tomllib.loads(path.read_text(encoding="utf-8-sig")), str(path))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"not a recipe: {error}", str(path), "tuneset init writes one to start from") from error
    except OSError as error:
        raise RecipeError(f"cannot read the recipe: {error.strerror}", str(path), "check the path") from error


def parse(values: Mapping[str, Any], where: str) -> Recipe:
    """Check a recipe's values.

    >>> parse({"split": {"validaton": 0.3}}, "recipe.toml")
    Traceback (most recent call last):
    ...
    tuneset.errors.RecipeError: unknown key 'split.validaton'
      at   recipe.toml
      try  'validation' (there are: previous, seed, stratify, test, threshold, tie, validation)
    """
    try:
        recipe = Recipe.model_validate(values)
    except ValidationError as error:
        raise _explained(error, where) from None
    for stage in STAGES_WITH_STEPS:
        recipe.steps(stage)
    return recipe


def to_toml(recipe: Recipe) -> str:
    """Write a recipe with each step's sentence above it, so that the file explains itself."""
    values = recipe.model_dump(exclude_none=True)
    head = "# The recipe of this run, every default filled in. Edit it, then run: tuneset prepare <this folder>\n"
    blocks = [head]
    for name, part in values.items():
        tables = {key: part.pop(key) for key in list(part) if isinstance(part[key], dict)} if name != "sources" else {}
        blocks.append(tomli_w.dumps({name: part}, multiline_strings=False))
        for key, table in tables.items():
            said = f"# {step.page(key, steps()[key].__doc__)['title']}\n" if key in steps() else ""
            blocks.append(said + tomli_w.dumps({name: {key: table}}).strip() + "\n")
    return "\n".join(blocks)


def _build(name: str, table: Any, where: str) -> step.Step:
    if not isinstance(table, dict):
        raise RecipeError(f"{name} is not a table of parameters", where, f"write [….{name}] above its parameters")
    given = dict(table)
    use = given.pop("use", None)
    made = _imported(str(use), where) if use else steps().get(name)
    if made is None:
        raise unknown("step", name, steps(), where)
    if not hasattr(made, "__dataclass_fields__"):
        raise RecipeError(f"{name} is not a step: a step is a frozen dataclass", where, "see docs/steps.md")
    defaults = {field.name: field.default for field in dataclasses.fields(made)}  # type: ignore[arg-type]
    for key, value in given.items():
        if key not in defaults:
            raise unknown("parameter", key, defaults, where)
        if not _fits(value, defaults[key]):
            kind = type(defaults[key]).__name__
            raise RecipeError(f"{key} = {value!r} is not of the type {kind}", where, f"tuneset explain {name}")
    try:
        return made(**given)
    except ValueError as error:
        raise RecipeError(str(error), where, f"tuneset explain {name}") from error


def _fits(value: Any, default: Any) -> bool:
    """Hold a parameter to the type of its default; a whole number will do for a decimal one."""
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(value, type(default))
    if isinstance(default, float):
        return isinstance(value, float | int)
    return default is None or default is dataclasses.MISSING or isinstance(value, type(default))


def _imported(use: str, where: str) -> type[step.Step]:
    module, _, name = use.partition(":")
    try:
        return getattr(importlib.import_module(module), name)  # type: ignore[no-any-return]
    except (ImportError, AttributeError, ValueError) as error:
        raise RecipeError(
            f"cannot import the step {use!r}: {error}", where, 'use = "package.module:ClassName"'
        ) from error


def _written(table: Mapping[str, Any], built: step.Step) -> dict[str, Any]:
    use = {"use": table["use"]} if "use" in table else {}
    return use | step.parameters(built)


def _explained(error: ValidationError, where: str) -> RecipeError:
    first = error.errors()[0]
    path = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return unknown("key", path, _keys(first["loc"][:-1]), where)
    given = "" if isinstance(first["input"], dict | list) else f" = {first['input']!r}"
    said = first["msg"].removeprefix("Value error, ").lower()
    return RecipeError(f"{path}{given}: {said}", where, "tuneset init writes a recipe that fits")


def _keys(path: Iterable[int | str]) -> list[str]:
    parts: dict[str, type[Part]] = {"sources": Source, "task": Task, "split": Split, "format": Format}
    named = [name for name in path if isinstance(name, str)]
    return list((parts.get(named[-1], Steps) if named else Recipe).model_fields)
