"""From a source to a finished run folder: the stages in order, each run only when something it depends on changed."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tuneset import __version__, recipe, sources, stages
from tuneset.dataset import Dataset
from tuneset.errors import InputError, RecipeError, RunError, TunesetError, unknown, way_out
from tuneset.fetch import bring, folder_name, is_address, written
from tuneset.fetch.fetched import Ahead
from tuneset.finish import finish
from tuneset.folder import (
    INSIDE,
    Finished,
    Folder,
    Outcome,
    clear_unfinished,
    file_hash,
    hash_of,
    only_one,
    to_json,
    write,
    write_manifest,
    write_stage,
    writing,
)
from tuneset.generate import rows
from tuneset.generate.wanted import ahead as wanted_ahead
from tuneset.generate.wanted import of as wanted_of
from tuneset.recipe import STAGES, STAGES_WITH_STEPS, Recipe
from tuneset.report.stage import says

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tuneset.generate.made import Would
    from tuneset.sources import Read


class Event(NamedTuple):
    """A stage began, ended, or was found unchanged; what a terminal shows as it goes."""

    stage: str
    kind: str  # start, part, done, unchanged, or gone: the sources are, and what was read before is used
    seconds: float = 0.0
    says: str = ""
    facts: Mapping[str, Any] | None = None  # what the stage wrote about itself


def prepare(  # noqa: PLR0913 - one option of the command line each
    source: Any,
    *,
    out: str | Path | None = None,
    text: str | None = None,
    label: str | Sequence[str] | None = None,
    group: str | Sequence[str] | None = None,
    system: str | None = None,
    answer: str | None = None,
    validation: float | None = None,
    test: float | None = None,
    stratify: str | Sequence[str] | None = None,
    seed: int | None = None,
    previous: str | Path | None = None,
    against: str | Path | Sequence[str | Path] | None = None,
    target: str | Path | Sequence[str | Path] | None = None,
    embedder: str | Path | None = None,
    threshold: float | None = None,
    resplit: bool = False,
    refetch: bool = False,
    until: str | None = None,
    watch: Callable[[Event], None] = lambda _: None,
) -> Dataset:
    """Turn a table into files that a trainer accepts, with a report that says whether the set is good enough.

    `source`: paths, a glob, a folder, "-" for standard input, a table (Polars, pandas, Arrow, a Hugging Face dataset, a
    list of dicts), a recipe (`*.toml`), or a run folder, which is resumed or brought up to date.
    `out`: the run folder, `SOURCE-tuneset` beside the source where not given. What is left out is guessed, and said.
    Later runs keep what an earlier run decided about the sides; `resplit=True` draws anew. They keep what they fetched,
    too; `refetch=True` looks for what is new at the addresses. `against`: files that no example may stand in, such as a
    benchmark. `target`: files of live inquiries that the set should look like.
    `embedder`: a model (folder, Hub name or URL) that judges what texts mean and finds duplicates in other words.
    `threshold`: how alike near-duplicates are (0.7). `until`: the stage to stop after, such as get; the same call without
    it goes on from there.

    Raises TunesetError where the source cannot be used at all; bad rows are findings.

    >>> import tempfile, tuneset
    >>> rows = [{"inquiry": f"when will parcel {n} be here?", "category": "Orders"} for n in range(10)]
    >>> tuneset.prepare(rows, out=tempfile.mkdtemp() + "/run").summary["sides"]["train"]
    10
    """
    if until is not None and until not in STAGES:
        raise unknown("stage", until, STAGES, f"--until {until}")
    given = _given(
        text=text,
        label=label,
        group=group,
        system=system,
        answer=answer,
        validation=validation,
        test=test,
        stratify=stratify,
        seed=seed,
        previous=previous,
        against=against,
        target=target,
        embedder=embedder,
        threshold=threshold,
    )
    try:
        job = _job(source, Path(out) if out is not None else None, given)
    except OSError as error:
        raise InputError(f"this cannot be read: {error.strerror}", str(error.filename), way_out(error)) from error
    with writing(job.folder.path):
        fresh = not job.folder.path.exists()
        job.folder.inside.mkdir(parents=True, exist_ok=True)
    try:
        with only_one(job.folder):
            job.folder.manifest.unlink(missing_ok=True)
            clear_unfinished(job.folder)
            if refetch:
                say = lambda says: watch(Event("get", "part", says=says))  # noqa: E731
                bring.bring_again(job.recipe.sources, job.folder.inside / bring.STORE, say)
            _whole(job, resplit=resplit, until=until, watch=watch)
    except TunesetError:
        if fresh and job.folder.facts("get") is None:  # nothing could be read: no half-made folder stays behind
            shutil.rmtree(job.folder.path)
        raise
    return Dataset(job.folder.path)


def generate(
    run: Dataset, *, name: str = "synthetic", watch: Callable[[Event], None] = lambda _: None, **options: Any
) -> Dataset:
    """Have a model write the rows that a prepared run lacks, and prepare it again with them; see `Dataset.generate`."""
    from tuneset.generate import made  # noqa: PLC0415  with all that judging needs

    job = _generating(run.folder, name, options)
    made.refuse_early(job.folder, next(each for each in job.recipe.sources if each.name == name))
    with only_one(job.folder):
        job.folder.manifest.unlink(missing_ok=True)
        clear_unfinished(job.folder)
        _whole(job, resplit=False, until=None, watch=watch, again=name)
    return run


def would_generate(run: Dataset, *, name: str = "synthetic", **options: Any) -> Would:
    """Say what `generate` would ask, and what that would cost; nothing is sent or written."""
    from tuneset.generate import made  # noqa: PLC0415  with all that judging needs

    job = _generating(run.folder, name, options)
    return made.would(job.folder, next(each for each in job.recipe.sources if each.name == name))


def _generating(folder: Folder, name: str, options: Mapping[str, Any]) -> Job:
    """Put what is wanted into a run's recipe."""
    if not name.strip():
        raise RecipeError("a source has a name", "--name", "give one, as --name synthetic")
    planned = _own_recipe(folder)
    known = next((each for each in planned.sources if each.name == name), None)
    if known is not None and known.kind != "synthetic":
        raise RunError(f"the source {name!r} of this run is not synthetic", str(folder.path), "--name ANOTHER")
    others = [each for each in planned.sources if each.name != name]
    wanted = wanted_of(known.generate if known else None, **options)
    source = recipe.Source(kind="synthetic", name=name, generate=wanted)
    return Job(folder, planned.model_copy(update={"sources": [*others, source]}), again=True)


def peek(
    source: Any,
    *,
    text: str | None = None,
    label: str | Sequence[str] | None = None,
    group: str | Sequence[str] | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Read:
    """Read a source and say what was found out about it, without writing anything.

    What an address names is fetched whole, and `say` is told how far it is; `ahead` says how much that would be.

    >>> peek([{"inquiry": "where is it?", "category": "Orders"}, {"inquiry": "hello", "category": "Other"}]).columns.text
    'inquiry'
    """
    paths = _paths(source)
    if paths is not None and len(paths) == 1 and paths[0].endswith(".toml") and Path(paths[0]).is_file():
        return _peek_recipe(Path(paths[0]), say)
    named: dict[str, Any] = {"text": text, "labels": _listed(label) or [], "groups": _listed(group) or []}
    if paths is None or not any(map(is_address, paths)):
        return sources.read(source if paths is None else paths, **named)
    with tempfile.TemporaryDirectory() as temp:  # nothing stays of what an address gave
        spec, folder = recipe.Source(paths=paths), Folder(Path(temp))
        brought = bring.bring([spec], folder.inside / bring.STORE, say)
        read = sources.read(stages.located(spec, folder), **named)
        return read._replace(said=(*read.said, *bring.said(brought)))


def _peek_recipe(path: Path, say: Callable[[str], None]) -> Read:
    """Read the first real source of a recipe, and say what the others are."""
    planned = recipe.read(path, beside=path.parent).sources
    first = next((each for each in planned if each.generate is None), None)
    if first is None:
        raise RecipeError("this recipe names no sources", str(path), "tuneset init FILE writes one that does")
    read = peek(first.paths, text=first.text, label=first.labels, group=first.groups, say=say)
    others = [each for each in planned if each is not first]
    told = [f"{each.name}: {', '.join(wanted_ahead(each.generate)[-1])}" for each in others if each.generate]
    more = [f"{each.name} is a source, too; read here is {first.name}" for each in others if not each.generate]
    return read._replace(said=(*read.said, *more, *told))


def ahead(source: Any) -> list[tuple[str, Ahead]]:
    """Say what `prepare` would fetch for each source, and which model it would ask; nothing is fetched, sent or written.

    >>> ahead([{"inquiry": "where is it?", "category": "Orders"}])
    []
    """
    job = _job(source, None, _given())
    to_ask = [
        (each.name, Ahead(*wanted_ahead(each.generate)))
        for each in job.recipe.sources
        if each.generate and not rows.is_done(job.folder, each)
    ]
    return bring.ahead(job.recipe.sources) + to_ask


def init(source: Any, *, out: str | Path = "recipe.toml", **options: Any) -> Path:
    """Write a recipe for `source` with every default filled in; `options` are those of `prepare`.

    Raises RunError where the file is there already: a recipe that somebody edited is not written over.
    """
    path = Path(out)
    if path.exists():
        what = "this is a folder" if path.is_dir() else "this file is there already"
        raise RunError(what, str(path), "give another name with --out")
    if not path.parent.is_dir():
        raise RunError("there is no such folder", str(path.parent), "make it first, or give another name with --out")
    given = _given(**options)
    spec = recipe.Source(paths=_paths(source) or [])
    planned = _changed(Recipe(sources=[spec]), given, path)
    with tempfile.TemporaryDirectory() as temp:  # nothing stays of what an address gave
        away = any(is_address(each) for each in spec.paths)
        _, planned = stages.get(planned, None, Folder(Path(temp) if away else path.with_suffix("")))
    write(path, recipe.to_toml(planned).encode())
    return path


class Job(NamedTuple):
    """What is to be done and where."""

    folder: Folder
    recipe: Recipe
    table: Any = None  # a table given from Python; None where the recipe names files
    again: bool = False  # the run folder itself was given: its sources may be gone, what was read is still there


def _given(**options: Any) -> dict[str, dict[str, Any]]:
    """Sort the options by the part of the recipe that they change."""
    take = options.get
    embedder = str(take("embedder")) if take("embedder") else None
    return {
        "task": {"system": take("system"), "answer": take("answer")},
        "source": {"text": take("text"), "labels": _listed(take("label")), "groups": _listed(take("group"))},
        "split": {
            "validation": take("validation"),
            "test": take("test"),
            "stratify": _listed(take("stratify")),
            "seed": take("seed"),
            "previous": str(take("previous")) if take("previous") else None,
        },
        "judge": {"target": _listed(take("target")), "model": embedder},
        "dedupe": {
            "contamination": {"against": _listed(take("against"))},
            "near-duplicate": {"threshold": take("threshold")},
            "semantic-duplicate": {"model": embedder},
        },
    }


def _job(source: Any, out: Path | None, given: dict[str, dict[str, Any]]) -> Job:
    """Find out what `source` is: a run folder, a recipe, files, or a table."""
    path = Path(source) if isinstance(source, str | Path) else None
    if path is not None and (path / INSIDE).is_dir():
        folder = Folder(path)
        return Job(folder, _changed(_own_recipe(folder), given, folder.path / "recipe.toml"), again=True)
    if path is not None and path.suffix == ".toml" and path.is_file():
        planned = recipe.read(path, beside=path.parent)
        if not planned.sources:
            raise RecipeError("this recipe names no sources", str(path), "tuneset init FILE writes one that does")
        folder = Folder(out or path.with_name(f"{path.stem}-tuneset"))
        _refuse_others(folder, planned.sources)
        return Job(folder, _changed(planned, given, path))
    paths = _paths(source)
    table = source if paths is None else None
    folder = Folder(out or _beside(paths))
    spec = recipe.Source(kind="table", name="table") if paths is None else recipe.Source(paths=paths)
    planned = _refuse_others(folder, [spec]) or Recipe(sources=[spec])
    return Job(folder, _changed(planned, given, folder.path / "recipe.toml"), table)


def _paths(source: Any) -> list[str] | None:
    """Return the paths that were given, or None where the source is a table."""
    if isinstance(source, str | Path):
        return [str(source)]
    if isinstance(source, list | tuple) and source and all(isinstance(each, str | Path) for each in source):
        return [str(each) for each in source]
    return None


def _beside(paths: list[str] | None) -> Path:
    if not paths or paths[0] == "-" or any(mark in paths[0] for mark in "*?["):
        return Path("dataset-tuneset")
    if is_address(paths[0]):
        return Path(f"{folder_name(paths[0]).rpartition('-')[0] or 'dataset'}-tuneset")
    first = Path(paths[0])
    plain = first.name.removesuffix(".gz").removesuffix(".zst")
    return first.with_name(f"{Path(plain).stem if first.is_file() else plain or 'dataset'}-tuneset")


def _own_recipe(folder: Folder) -> Recipe:
    path = folder.path / "recipe.toml"
    if not path.exists():
        hint = f"tuneset prepare INPUT --out {folder.path}, INPUT being what it was made from; every side is kept"
        raise RunError("this run has no recipe", str(path), hint)
    return recipe.read(path)


def _refuse_others(folder: Folder, wanted: Sequence[recipe.Source]) -> Recipe | None:
    """Go on with a folder's own recipe, if it has one; refuse a folder of another input or of other things."""
    if not folder.is_run():
        _refuse_files(folder.path)
        if folder.path.exists() and any(folder.path.iterdir()):
            raise RunError("this folder holds other things", str(folder.path), "give a new folder with --out")
        return None
    if not (folder.path / "recipe.toml").exists():  # killed before it had read anything
        return None
    own = _own_recipe(folder)
    if _inputs(own.sources) != _inputs(wanted):
        named = ", ".join(path for each in own.sources for path in each.paths) or "a table"
        raise RunError(
            f"this folder was made from {named}", str(folder.path), "give another folder with --out, or remove this one"
        )
    return own


def _refuse_files(path: Path) -> None:
    """Refuse a run folder where there is a file, or below one."""
    for place in (path, *path.parents):
        if place.exists() and not place.is_dir():
            raise RunError("this is a file, not a folder", str(place), "give another folder with --out")


def _inputs(sources: Sequence[recipe.Source]) -> list[tuple[str, list[str]]]:
    return [
        (each.kind, [written(path) if is_address(path) else str(Path(path).resolve()) for path in each.paths])
        for each in sources
        if each.kind != "synthetic"  # they are written from the others
    ]


def _listed(value: str | Path | Sequence[str | Path] | None) -> list[str] | None:
    if isinstance(value, str | Path):
        return [str(value)]
    return [str(each) for each in value] if value else None


def _changed(planned: Recipe, given: dict[str, dict[str, Any]], file: Path) -> Recipe:
    """Put what was given on the command line over the recipe, which is that of `file`."""
    values = planned.model_dump()
    for part in ("task", "source", "split", "judge"):
        stated = {key: value for key, value in given[part].items() if value is not None}
        for changed in values["sources"] if part == "source" else [values[part]]:
            changed.update(stated if changed.get("kind") != "synthetic" else {})
    for name, options in given["dedupe"].items():
        stated = {key: value for key, value in options.items() if value is not None}
        if stated:
            values["dedupe"][name] = values["dedupe"].get(name, {}) | stated
    if given["source"]["labels"]:  # the instruction and the strata that were made from other labels go with them
        values["task"]["system"] = given["task"]["system"]
        values["split"]["stratify"] = given["split"]["stratify"] or []
    # steps left out of a recipe mean the defaults, so what was not set must stay unset
    for stage in recipe.STAGES_WITH_STEPS:
        if "steps" not in getattr(planned, stage).model_fields_set:
            values[stage].pop("steps")
    shown = " ".join(f"--{key} {value}" for key, value in given["split"].items() if isinstance(value, int | float))
    changed = recipe.parse(values, shown or str(file))
    previous = changed.split.previous
    if previous is not None and not Folder(Path(previous)).is_run():
        where = f"--previous {previous}" if given["split"]["previous"] else f"{file} [split] previous = {previous!r}"
        raise RunError("this is not a run folder", where, "give the folder that an earlier run made, or leave it out")
    return changed


def _whole(
    job: Job, *, resplit: bool, until: str | None, watch: Callable[[Event], None], again: str | None = None
) -> None:
    """Run all stages; where a model is still to write rows, first without these, so that it writes from train rows alone.

    `again`: the synthetic source whose model is asked for what is missing by now, whether it was asked before or not. It
    comes into the run's recipe when its rows are there.
    """
    written = [each for each in job.recipe.sources if each.kind == "synthetic"]
    to_ask = [each for each in written if each.name == again or not rows.is_done(job.folder, each)]
    if not to_ask:
        _run(job, resplit=resplit, until=until, watch=watch)
        return
    new = [each for each in to_ask if not rows.is_begun(job.folder, each)]
    earlier = {each.name: each for each in _own_recipe(job.folder).sources} if again else {}
    without = [earlier.get(each.name, each) for each in job.recipe.sources if each not in new]
    before = until if until is not None and STAGES.index(until) < STAGES.index("judge") else "judge"
    first = job._replace(recipe=job.recipe.model_copy(update={"sources": without}))
    _run(first, resplit=resplit, until=before, watch=watch, behind=[each for each in new if each.name != again])
    if until == before:
        return
    for source in to_ask:
        _write(job.folder, source, watch)
    planned = _own_recipe(job.folder)
    real = [each for each in planned.sources if each.kind != "synthetic"]
    whole = planned.model_copy(update={"sources": [*real, *written]})
    _run(job._replace(recipe=whole), resplit=False, until=until, watch=watch)


def _write(folder: Folder, source: recipe.Source, watch: Callable[[Event], None]) -> None:
    """Have a model write the rows of a source."""
    from tuneset.generate import made  # noqa: PLC0415  with all that judging needs; few runs ask a model

    watch(Event("write", "start"))
    started = time.perf_counter()
    done = made.make(folder, source, lambda says: watch(Event("write", "part", says=says)))
    facts = {"asked": done.asked, "came": done.came, "unread": done.unread, "gained": done.gained}
    watch(Event("write", "done", time.perf_counter() - started, done.says, facts))


def _run(
    job: Job,
    *,
    resplit: bool,
    until: str | None,
    watch: Callable[[Event], None],
    behind: Sequence[recipe.Source] = (),
) -> None:
    """Run the stages; `behind` are sources that the recipe has and this run does without."""
    timings: dict[str, float] = {}
    before: dict[str, Outcome | Finished] = {}
    hashes: dict[str, str] = {}
    planned, decisions = job.recipe, job.folder.decisions()
    for number, stage in enumerate(STAGES):
        started = time.perf_counter()
        watch(Event(stage, "start"))
        earlier = (STAGES[number - 1], before[STAGES[number - 1]].examples) if number else None
        if stage == "get":
            outcome, planned, key, done = _get(job, lambda says: watch(Event("get", "part", says=says)))
            whole = planned.model_copy(update={"sources": [*planned.sources, *behind]})
            write(job.folder.path / "recipe.toml", recipe.to_toml(whole).encode())
        else:
            context = stages.Context(planned, decisions, job.folder, before, resplit, timings, dict(hashes))
            key = hash_of(__version__, stage, stages.depends_on(stage, context), _own_code(planned, stage), hashes)
            done = job.folder.facts(stage)
            if done is not None and (
                done["key"] != key or (stage == "split" and resplit) or stages.damaged(context, stage, done)
            ):
                done = None
            outcome = job.folder.outcome(stage, done) if done else stages.RUN[stage](context)
        hashes[stage] = done["digest"] if done else write_stage(job.folder, stage, key, outcome, earlier)
        before[stage] = outcome
        if number:  # the next stage takes this one's rows; those before it are read again by the few who ask
            before[STAGES[number - 1]] = Finished(job.folder, STAGES[number - 1], before[STAGES[number - 1]].facts)
        timings[stage] = round(time.perf_counter() - started, 3)
        rows = earlier[1].height if earlier else outcome.examples.height
        words = says(stage, outcome, rows)
        kind = ("gone" if "gone" in outcome.facts else "unchanged") if done else "done"
        watch(Event(stage, kind, timings[stage], words, outcome.facts))
        if stage == until:
            return
    started = time.perf_counter()
    about = finish(stages.Context(planned, decisions, job.folder, before, resplit=resplit))
    timings["report"] = round(time.perf_counter() - started, 3)
    write(job.folder.inside / "timings.json", to_json(timings))
    write_manifest(job.folder, about)


def _get(job: Job, say: Callable[[str], None]) -> tuple[Outcome, Recipe, str, dict[str, Any] | None]:
    """Read the sources, or take what was read before where they have not changed."""
    done = job.folder.facts("get")
    if done is not None:
        read = done["facts"]["fingerprint"]
        columns = len(done["facts"]["columns"])  # a synthetic source may have come, gone or grown
        known = (columns, done["facts"].get("written", [])) == (
            len(job.recipe.sources),
            rows.hashes(job.recipe, job.folder),
        )
        now = stages.fingerprint(job.recipe, job.folder) or (read if job.again and known else None)
        filled = stages.resolved(job.recipe, done["facts"]) if now == read else job.recipe
        if now == read and done["key"] == stages.get_key(filled, read):
            outcome = job.folder.outcome("get", done)
            return outcome._replace(facts=_with_gone(outcome.facts, _gone(job))), filled, done["key"], done
        if now == read and done["key"] == stages.get_key(filled, read, hides=False):
            outcome = stages.hidden(job.folder.outcome("get", done), filled)
            return outcome, filled, stages.get_key(filled, read), None
    outcome, filled = stages.get(job.recipe, job.table, job.folder, say, again=job.again)
    return outcome, filled, stages.get_key(filled, outcome.facts["fingerprint"]), None


def _gone(job: Job) -> list[str]:
    """Name the paths of the sources from which nothing can be read any more."""
    named = (path for each in job.recipe.sources if each.kind != "table" for path in stages.located(each, job.folder))
    return [path for path in named if path != "-" and not _is_there(path)]


def _is_there(path: str) -> bool:
    try:
        return all(os.access(file, os.R_OK) for file in sources.expand(path))
    except (InputError, OSError):
        return False


def _with_gone(facts: dict[str, Any], gone: list[str]) -> dict[str, Any]:
    """Say which sources are gone, where some are, after the sentence on what was read."""
    if not gone:
        return facts
    named = ", ".join(gone[:3]) + (f" and {len(gone) - 3} more" if len(gone) > 3 else "")
    says = f"{named} {'is' if len(gone) == 1 else 'are'} gone; what was read before is used"
    return facts | {"gone": gone, "said": [facts["said"][0], says, *facts["said"][1:]]}


def _own_code(planned: Recipe, stage: str) -> list[str]:
    """Hash the modules of steps that are not ours: a step that was edited runs again."""
    made = planned.steps(stage) if stage in STAGES_WITH_STEPS else []
    modules = {type(each).__module__ for each in made if not type(each).__module__.startswith("tuneset.")}
    files = [getattr(sys.modules[name], "__file__", None) for name in sorted(modules)]
    return [file_hash(Path(file)) for file in files if file and Path(file).is_file()]
