"""The recipe: which sources, which steps with which thresholds, how to split, and for which target."""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import importlib
import sys
import tomllib
from functools import cache
from importlib.machinery import PathFinder
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from tuneset import step
from tuneset.errors import RecipeError, unknown, way_out
from tuneset.generate.wanted import Asked, Wanted
from tuneset.targets import TARGETS, masks, rules

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

STAGES = ("get", "clean", "dedupe", "split", "judge", "format", "check")
STAGES_WITH_STEPS = ("clean", "dedupe", "judge")
# What reading and splitting say themselves.
RULES_WITHOUT_STEP = {
    "unreadable-row": """Keep out rows that could not be read.

    A row with too few or too many fields, bytes that do not decode, or broken JSON. The line and what was read of it are
    in `dropped.jsonl`. Mend the line in the source and run again.
    """,
    "not-good": """Keep out calls of a model, and answers of a forum, that the recipe does not call good.

    `good = "user_feedback >= 1"` of a source says which score makes a call good. What users disliked, or never rated, would
    teach the model the answers that you want to be rid of. The finding names the score.
    """,
    "earlier-call": """Leave a call of a model to a later one of its session that holds all its words.

    Each turn of a conversation is sent with all turns before it, so that a log holds the first question as often as the
    conversation has turns. Nothing is lost: the later call is named as its twin.
    """,
    "no-answer": """Keep out questions of a forum that nobody has answered.

    There is nothing to learn from them. Where no question of an export has an answer, each is taken as a text.
    """,
    "unfit-post": """Keep out posts of a forum's export that nobody should learn from.

    What was deleted or removed, private messages, and the posts with made-up content that a company plants in its dumps. The
    finding says which it is.
    """,
    "unwanted-label": """Keep out rows whose label the recipe renames to nothing.

    `rename = {Spam = ""}` of a source says that its rows with this label have no place in the set.
    """,
    "licence": """Point at rows whose source's licence forbids what the set is for, or says nothing.

    `use` under `[task]` says what that is: commercial (the default), training, or sharing the prepared set. Only the name of the
    licence is looked at: a name that is not known is no permission. `licence` of a source says what you know better. Accepting
    drops the row.
    """,
    "over-share": """Keep out what a source has more than the recipe takes of it.

    `rows` of a source is the most that is taken, `share` the largest part of the mix that it may be, both counted after
    duplicates are gone. Drawn by a hash of the seed and the row's id, label by label, so that its labels keep their shares.
    """,
    "not-written": """Keep out rows that a model was asked for and did not write.

    Its answer was cut off, refused, no JSON, or did not come; the budget was used up; or what came was empty or the same as
    another row. The finding says which. What was paid for is kept; `tuneset generate RUN` asks for what is missing.
    """,
    "not-judged": """Keep out rows that a model wrote and that the judge has not read.

    The recipe names a model as the judge (`--judge-model`); the budget had no room for it, or it did not answer. The finding
    says which. Nothing was lost: `tuneset generate RUN` has these rows judged first.
    """,
    "stray-label": """Keep out synthetic rows with a label that no real row has any more.

    A label was renamed or taken out since a model wrote them. Ask for rows of the new one: `tuneset generate RUN`.
    """,
    "rewritten-answer": """Take the answers of a conversation as a model has rewritten them to your style guide.

    `tuneset generate RUN --rewrite --style FILE` asks for them. Applied where another model (`--judge-model`) found that
    every fact is kept and the style is met, and where no number and no link has changed; everything else waits for you,
    with both answers side by side. Rejecting it keeps the answer as it was.
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
    use: Literal["training", "commercial", "sharing"] = "commercial"  # which a source's licence must allow


class Source(Part):
    """Where examples come from."""

    kind: Literal["files", "table", "web", "synthetic"] = "files"
    name: str = "files"
    paths: list[str] = []  # files, folders, globs, and addresses: hf:, kaggle:, https:, s3:, gs:, abfs:, sql:
    query: str = ""  # what a database is asked
    contact: str = ""  # of web: where a site's owner can write to you
    crawl: dict[str, Any] = {}  # of web: its limits, as depth = 2
    generate: Wanted | None = None  # of synthetic: who writes how many rows, for how much
    splits: list[str] = []  # which splits of a dataset are read (none named: all)
    text: str | None = None
    labels: list[str] = []
    groups: list[str] = []
    columns: dict[str, str] = {}  # what the source's columns are called here, as intent = "category"
    rename: dict[str, str | dict[str, str]] = {}  # what its labels are called here; "" leaves their rows out
    good: str = ""  # which calls of a trace are good, as "user_feedback >= 1"
    rows: Annotated[int, Field(ge=0)] = 0  # take at most so many (0: all)
    share: Annotated[float, Field(ge=0, le=1)] = 0.0  # be at most this share of the mix (0: any)
    licence: str = ""  # under which it may be used


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
    validation_may_hold_synthetic_rows: bool = False  # then the score says less about real ones
    previous: str | None = None

    @model_validator(mode="after")
    def _leave_something_for_training(self) -> Split:
        if self.validation + self.test >= 1:
            raise ValueError("validation and test together leave nothing to train on")
        return self


class Judge(Steps):
    """What judging looks with, and at how much of the set; the steps behind it share all of this."""

    model: str = ""  # an embedding model: a folder, a name on the Hub, or the URL of a server
    checksum: str = ""  # what its files must be
    embed_rows: Annotated[int, Field(ge=0)] = 20_000  # beyond so many examples n-grams: they are then 2 points behind
    rows: Annotated[int, Field(ge=1)] = 20_000  # beyond so many examples a drawn sample is judged
    target: list[str] = []  # files of live inquiries that the set should look like
    shares: dict[str, Annotated[float, Field(ge=0)]] = {}  # or the share that each label has there
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 42


class Gate(Part):
    """What fails a run (exit code 1): a verdict, or figures of `report.json` by their path."""

    verdict: Literal["not-ready", "look", "never"] = "not-ready"  # this verdict or a worse one
    least: dict[str, float] = {}
    most: dict[str, float] = {}


class Format(Part):
    """Which trainer or platform the files are for."""

    target: Literal["chat"] = "chat"
    targets: list[str] = []  # whose files lie in `exports/` of the run folder besides

    @field_validator("targets")
    @classmethod
    def _known(cls, names: list[str]) -> list[str]:
        for name in names:
            if name not in TARGETS:
                near = difflib.get_close_matches(name, TARGETS, n=1, cutoff=0.5)
                raise ValueError(f"unknown target {name!r}" + (f", try {near[0]!r}" if near else ""))
        return names


class Recipe(Part):
    """Everything that decides what a run does; `recipe.toml` holds it with every default filled in."""

    task: Task = Task()
    sources: list[Source] = []
    clean: Steps = Steps()
    dedupe: Steps = Steps()
    split: Split = Split()
    judge: Judge = Judge()
    format: Format = Format()
    gate: Gate = Gate()

    @model_validator(mode="after")
    def _name_sources(self) -> Recipe:
        """Name sources by their files where there are several; two of one name would share their rows' ids."""
        nameless = [each for each in self.sources if "name" not in each.model_fields_set]
        for each in nameless if len(self.sources) > 1 else []:
            first = each.paths[0] if each.paths else each.kind
            # what stands behind the question mark of an address may be a secret
            each.name = Path(first.partition("?")[0] if "://" in first else first).stem
        self.sources.sort(key=lambda each: each.kind == "synthetic")  # of twins the first is kept: a real one
        if self.sources and self.sources[0].kind == "synthetic":
            raise ValueError("synthetic rows are written from real ones: name a source of those, too")
        names = [each.name for each in self.sources]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"two sources are named {min(twice)!r}: give each a name of its own")
        return self

    def steps(self, stage: str, where: str = "recipe.toml", beside: Path | None = None) -> list[step.Step]:
        """Build the steps of a stage, in the recipe's order; `where` and `beside` are those of `parse`."""
        part: Steps = getattr(self, stage)
        names = part.steps if "steps" in part.model_fields_set else default_steps(stage)
        tables = part.model_extra or {}
        for name in names:
            if name not in steps() and name not in tables:
                raise unknown("step", name, steps(), f"{where} [{stage}] steps")
        for name in tables:
            if name not in names:
                what = f"{name!r} has parameters, but is not one of the steps"
                raise RecipeError(what, f"{where} [{stage}]", f"add it to the steps, or remove [{stage}.{name}]")
        return [_build(name, tables.get(name, {}), f"{where} [{stage}.{name}]", beside) for name in names]


@cache
def steps() -> dict[str, type[step.Step]]:
    """Return every step that is installed, by rule: ours and third parties', through one entry point group."""
    found = {}
    for entry in sorted(entry_points(group="tuneset.steps"), key=lambda entry: entry.name):
        try:
            found[entry.name] = entry.load()
        except (ImportError, AttributeError, SyntaxError) as error:
            owner = entry.dist.name if entry.dist else "the package that brings it"
            what = f"the step {entry.name!r} cannot be imported: {error}"
            raise RecipeError(what, entry.value, f"install {owner} again, or remove it") from error
    return found


def default_steps(stage: str) -> list[str]:
    """Name a stage's own steps, in order."""
    return [each.rule for each in importlib.import_module(f"tuneset.{stage}").STEPS]


def explain(rule: str | None = None) -> list[dict[str, str]]:
    """Explain a rule, or every rule of reading, of the steps and of splitting, where none is given.

    `rule`, `title`, and `text` with why it hurts, what is done, and the limits. The rules by which finished files are
    checked are explained by name, too; `check_pages` lists those.

    >>> explain("empty-text")[0]["title"]
    'Drop examples without text.'
    """
    described = {name: made.__doc__ or "" for name, made in steps().items()} | RULES_WITHOUT_STEP
    pages = [step.page(name, words) for name, words in sorted(described.items())]
    if rule is None:
        return pages
    pages += check_pages()
    found = [page for page in pages if page["rule"] == rule]
    if not found:
        listing = "tuneset explain lists them all"
        raise unknown("rule", rule, [page["rule"] for page in pages], f"tuneset explain {rule}", listing)
    return found


def check_pages() -> list[dict[str, str]]:
    """List the rules by which the finished files are checked, with what mends each.

    >>> check_pages()[0]["rule"], check_pages()[0]["title"]
    ('all-weights-zero', 'Give one assistant message the weight 1, or drop the example.')
    """
    grave = {
        "error": "An error in the finished files: a platform refuses them, or the row cannot teach what it is meant to.",
        "fine": "Said only for the targets that refuse it: docs/targets.md names them.",
        "warning": "A warning about the finished files: some platforms refuse it or read it otherwise, others take it.",
    }
    return [
        step.page(name, f"{each.mend[:1].upper()}{each.mend[1:]}.\n{grave[each.severity]}")
        for name, each in sorted((rules.RULES | masks.TEMPLATE_RULES).items())
    ]


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


def read(path: Path, *, beside: Path | None = None) -> Recipe:
    """Read a recipe file; `beside` is a folder where modules of its steps may lie.

    Raises RecipeError where it is not TOML, or holds an unknown key or an impossible value.
    """
    try:
        return parse(tomllib.loads(path.read_text(encoding="utf-8-sig")), str(path), beside=beside)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"not a recipe: {error}", str(path), "tuneset init writes one to start from") from error
    except OSError as error:
        raise RecipeError(f"cannot read the recipe: {error.strerror}", str(path), way_out(error)) from error


def parse(values: Mapping[str, Any], where: str, *, beside: Path | None = None) -> Recipe:
    """Check a recipe's values; `where` is the file or the option that they are from.

    >>> parse({"split": {"validaton": 0.3}}, "recipe.toml")
    Traceback (most recent call last):
    ...
    tuneset.errors.RecipeError: unknown key 'split.validaton'
      at   recipe.toml
      try  'validation' (there are: previous, seed, stratify, test, threshold, tie, validation, validation_may_hold_synthetic_rows)
    """
    try:
        recipe = Recipe.model_validate(values)
    except ValidationError as error:
        raise _explained(error, where) from None
    for source in recipe.sources:
        _refuse_idle(source, f"{where}, source {source.name!r}")
    for stage in STAGES_WITH_STEPS:
        for each in recipe.steps(stage, where, beside):
            _refuse_strangers(each, recipe.sources, f"{where} [{stage}.{each.rule}] sources")
    return recipe


def _refuse_idle(source: Source, where: str) -> None:
    """Refuse a key that changes nothing in a source of this kind: what the user relies on would not be done."""
    for key, begins, address in (("query", "sql:", "a database (sql:URL)"), ("splits", "hf:", "a dataset (hf:NAME)")):
        if getattr(source, key) and not any(path.startswith(begins) for path in source.paths):
            raise RecipeError(f"{key} is for {address} only", where, f"remove {key}, or name one in paths")
    for key in ("contact", "crawl"):
        if getattr(source, key) and source.kind != "web":
            raise RecipeError(f"{key} is for pages of the web only", where, f'remove {key}, or write kind = "web"')
    if (source.generate is None) == (source.kind == "synthetic") or (source.generate and source.paths):
        hint = 'a synthetic source has kind = "synthetic" and a table [sources.generate], and no paths'
        raise RecipeError("this is half of a synthetic source", where, hint)


def _refuse_strangers(built: step.Step, sources: list[Source], where: str) -> None:
    """Refuse the names of sources that the recipe does not have, where a step says which twin is kept."""
    names = [each.name for each in sources]
    for name in getattr(built, "sources", ()) if names else ():
        if name not in names:
            raise unknown("source", name, names, where)


def to_toml(recipe: Recipe) -> str:
    """Write a recipe with each step's sentence above it, so that the file explains itself."""
    values = recipe.model_dump(exclude_none=True)
    values = {
        "sources": values.pop("sources"),
        **values,
    }  # a short list is written in one line, and must not stand below a table
    head = "# The recipe of this run, every default filled in. Edit it, then run: tuneset prepare <this folder>\n"
    blocks = [head]
    for name, part in values.items():
        tables = {key: part.pop(key) for key in list(part) if isinstance(part[key], dict)} if name != "sources" else {}
        blocks.append(tomli_w.dumps({name: part}, multiline_strings=False))
        for key, table in tables.items():
            said = f"# {step.page(key, steps()[key].__doc__)['title']}\n" if key in steps() else ""
            blocks.append(said + tomli_w.dumps({name: {key: table}}).strip() + "\n")
    return "\n".join(blocks)


def _build(name: str, table: Any, where: str, beside: Path | None) -> step.Step:
    if not isinstance(table, dict):
        raise RecipeError(f"{name} is not a table of parameters", where, f"write [….{name}] above its parameters")
    given = dict(table)
    use = given.pop("use", None)
    made = _imported(str(use), where, beside) if use else steps().get(name)
    if made is None:
        raise unknown("step", name, steps(), where, 'a step of your own needs use = "module:ClassName"')
    if not hasattr(made, "__dataclass_fields__"):
        raise RecipeError(f"{name} is not a step: a step is a frozen dataclass", where, "see docs/own-steps.md")
    defaults = {
        field.name: field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
        for field in dataclasses.fields(made)  # type: ignore[arg-type]
    }
    for key, value in given.items():
        if key not in defaults:
            raise unknown("parameter", key, defaults, where)
        if not _fits(value, defaults[key]):
            what = f"{key} = {value!r} is not of the type {type(defaults[key]).__name__}"
            raise RecipeError(what, where, f"write it as in {tomli_w.dumps({key: defaults[key]}).strip()}")
    try:  # TOML has lists only, and a frozen step holds tuples
        return made(**{key: tuple(value) if isinstance(value, list) else value for key, value in given.items()})
    except (ValueError, TypeError) as error:  # TypeError: a parameter without a default was not given
        listed = ", ".join(defaults) or "none"
        raise RecipeError(str(error), where, f"change its parameters (there are: {listed})") from error


def _fits(value: Any, default: Any) -> bool:
    """Hold a parameter to the type of its default; a whole number will do for a decimal one."""
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(value, type(default))
    if isinstance(default, float):
        return isinstance(value, float | int)
    if isinstance(default, tuple):
        return isinstance(value, list | tuple)
    return default is None or default is dataclasses.MISSING or isinstance(value, type(default))


def _imported(use: str, where: str, beside: Path | None) -> type[step.Step]:
    """Import a step's class: from what is installed, from beside the recipe, or from the current folder."""
    module, colon, name = use.partition(":")
    if not (module and colon and name):
        raise RecipeError(f"use = {use!r} names no class", where, 'use = "module:ClassName"')
    folders = list(dict.fromkeys(str(folder.resolve()) for folder in (beside, Path()) if folder is not None))
    try:
        with _looking_in(folders):
            found = importlib.import_module(module)
    except (ImportError, SyntaxError, ValueError) as error:
        hint = f"stand in the folder of {module.partition('.')[0]}.py, or install it; looked in {' and '.join(folders)}"
        raise RecipeError(f"cannot import the step {use!r}: {error}", where, hint) from error
    _refuse_namesake(module, beside, where)
    if not hasattr(found, name):
        classes = [each for each, kind in vars(found).items() if isinstance(kind, type) and hasattr(kind, "rule")]
        raise unknown("step class", name, classes, where)
    return getattr(found, name)  # type: ignore[no-any-return]


@contextlib.contextmanager
def _looking_in(folders: list[str]) -> Iterator[None]:
    """Let modules be found in more folders for a moment, after everything else: none hides what is installed."""
    added = [folder for folder in folders if folder not in sys.path]
    sys.path += added
    importlib.invalidate_caches()
    try:
        yield
    finally:
        for folder in added:
            sys.path.remove(folder)


def _refuse_namesake(module: str, beside: Path | None, where: str) -> None:
    """Refuse to run another module than the one beside the recipe, where both have one name."""
    top = module.partition(".")[0]
    wanted = PathFinder.find_spec(top, [str(beside.resolve())]) if beside is not None else None
    loaded = getattr(sys.modules[top], "__file__", None)
    if wanted is not None and wanted.origin and loaded and not Path(wanted.origin).samefile(loaded):
        what = f"two modules are called {top!r}: {wanted.origin} and {loaded}"
        raise RecipeError(what, where, "give yours another name")


def _written(table: Mapping[str, Any], built: step.Step) -> dict[str, Any]:
    use = {"use": table["use"]} if "use" in table else {}
    values = step.parameters(built).items()
    return use | {key: list(value) if isinstance(value, tuple) else value for key, value in values}


def _explained(error: ValidationError, where: str) -> RecipeError:
    first = error.errors()[0]
    path = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return unknown("key", path, _keys(first["loc"][:-1]), where)
    given = "" if isinstance(first["input"], dict | list) else f" = {first['input']!r}"
    said = first["msg"].removeprefix("Value error, ").lower()
    hint = "tuneset prepare --help" if where.startswith("-") else "tuneset init writes a recipe that fits"
    return RecipeError(f"{path}{given}: {said}" if path else said, where, hint)


def _keys(path: Iterable[int | str]) -> list[str]:
    parts: dict[str, type[BaseModel]] = {"sources": Source, "task": Task, "split": Split, "format": Format}
    parts |= {"generate": Wanted, "writer": Asked}
    named = [name for name in path if isinstance(name, str)]
    if named[-2:] == ["generate", "judge"]:
        return list(Asked.model_fields)
    return list((parts.get(named[-1], Steps) if named else Recipe).model_fields)
