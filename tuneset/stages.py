"""What each stage does with the examples that the stage before left."""

from __future__ import annotations

import re
import time
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl

from tuneset import __version__, engines, hiding, model, near, sources, step
from tuneset.apply import apply
from tuneset.certificate import Search, across, certificate, search
from tuneset.errors import InputError, RecipeError, RunError
from tuneset.fetch import bring, is_address, written
from tuneset.folder import SIDES, Finished, Folder, Outcome, file_hash, hash_of, whole
from tuneset.generate import rows as synthetic
from tuneset.recipe import STAGES, STAGES_WITH_STEPS, filled
from tuneset.sources import mapping
from tuneset.split import Sides, Ties, balance, bridging, draw, pinned, place, strata_of, ties
from tuneset.targets import TARGETS, lines, rules, tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from tuneset.recipe import Recipe, Source

# Rounds of mending the split after its own check; the second finds nothing on all sets measured.
REPAIRS = 5


class Context(NamedTuple):
    """What a stage may look at: the recipe, people's decisions, the run folder and the stages before it."""

    recipe: Recipe
    decisions: pl.DataFrame
    folder: Folder
    before: Mapping[str, Outcome | Finished]
    resplit: bool = False
    timings: dict[str, float] | None = None  # seconds by rule, for timings.json
    hashes: Mapping[str, str] = MappingProxyType({})  # of what the stages before left
    engine: engines.Engine = engines.LOCAL
    say: Callable[[str], None] = lambda _: None  # told how far a step is

    def apply(self, examples: pl.DataFrame, findings: pl.DataFrame) -> pl.DataFrame:
        """Apply findings and decisions to examples."""
        return apply(examples, findings, self.decisions, answer=self.recipe.task.answer)


def get(
    planned: Recipe, table: Any, folder: Folder, say: Callable[[str], None] = lambda _: None, *, again: bool = False
) -> tuple[Outcome, Recipe]:
    """Fetch and read every source; what was guessed on the way is filled into the recipe that comes back."""
    brought = bring.bring(planned.sources, folder.inside / bring.STORE, say)
    abouts = {source.name: bring.about(source, brought) for source in planned.sources}
    reads = [
        (_read_before(source, folder, again=again) if table is None else None)
        or sources.read(
            table if table is not None else located(source, folder),
            name=source.name,
            text=source.text,
            labels=bring.labels(source, brought),
            groups=source.groups,
            answer=planned.task.answer,
            ours=sources.Ours(source.columns, source.rename, source.good, abouts[source.name]),
        )
        for source in planned.sources
        if source.kind != "synthetic"
    ]
    reads += [  # of the sources that stand behind the others, see `Recipe`
        synthetic.read(synthetic.place(folder, source.name), source.name, reads[0], planned.task.answer)
        for source in planned.sources
        if source.kind == "synthetic"
    ]
    _refuse_unlike(planned, reads)
    facts: dict[str, Any] = {
        "said": [*(sentence for read in reads for sentence in read.said), *bring.said(brought)],
        "task": reads[0].task,
        "columns": [{"text": read.columns.text, "labels": list(read.columns.labels)} for read in reads],
        "kind": reads[0].columns.kind,
        "preview": {"columns": reads[0].preview.columns, "rows": reads[0].preview.head(3).rows()},
    }
    facts |= {"fetched": bring.facts(brought)} if brought else {}
    facts["written"] = synthetic.hashes(planned, folder)
    _check_answer(planned.task.answer, facts["columns"][0]["labels"])
    examples = pl.concat([read.examples for read in reads])
    facts["fingerprint"] = fingerprint(planned, folder) or hash_of(examples["id"].to_list())
    licences = bring.licences(planned.sources, brought)
    own = {source.name for source in planned.sources if source.licence}
    findings = pl.concat(
        [*(read.findings for read in reads), bring.forbidden(examples, licences, planned.task.use, own)]
    )
    known = resolved(planned, facts)
    return hidden(Outcome(examples, findings, facts | {"hidden": []}), known), known


def _read_before(source: Source, folder: Folder, *, again: bool) -> sources.Read | None:
    """Take what was read before of a source that can be read once only: a table of Python's, standard input, a file that is gone."""
    once = source.kind == "table" or "-" in source.paths
    away = source.kind == "web" or any(map(is_address, source.paths))
    gone = again and not away and not all(Path(each).exists() for each in located(source, folder))
    done = folder.facts("get") if once or gone else None
    if done is None:
        return None
    outcome = folder.outcome("get", done)
    examples = outcome.examples.filter(pl.col("source") == source.name)
    said = outcome.findings.join(examples, left_on="example", right_on="id", how="semi", maintain_order="left")
    facts = outcome.facts
    columns = sources.Columns(facts["kind"], source.text, tuple(source.labels), tuple(source.groups))
    shown = pl.DataFrame(facts["preview"]["rows"], schema=facts["preview"]["columns"], orient="row")
    return sources.Read(examples, said, columns, facts["task"], (facts["said"][0],), shown)


def _refuse_unlike(planned: Recipe, reads: Sequence[sources.Read]) -> None:
    """Refuse sources that are no one dataset: tables beside conversations, or tables with other labels."""
    for source, read in zip(planned.sources, reads, strict=True):
        where = f"sources {planned.sources[0].name} and {source.name}"
        first, this = reads[0].columns, read.columns
        if (first.kind == "table") != (this.kind == "table"):
            raise InputError("a table and conversations are no one dataset", where, "prepare them one at a time")
        if set(first.labels) != set(this.labels):
            names = [", ".join(each.labels) or "none" for each in (first, this)]
            hint = mapping.hint(this.labels, first.labels, planned.sources[0].name if this.labels else source.name)
            raise InputError(f"their labels have other names: {names[0]}, and {names[1]}", where, hint)


def hidden(got: Outcome, planned: Recipe) -> Outcome:
    """Take out what the recipe hides: from here on it is in no file of the run, and in no line on the screen."""
    steps = hiding.hiding(planned)
    if not steps:
        return got
    examples, findings = hiding.hidden(got.examples, got.findings, steps)
    facts = hiding.unseen(got.facts, steps) | {"hidden": hiding.settings(steps)}
    return Outcome(examples, findings, facts)


def _check_answer(template: str, labels: Sequence[str]) -> None:
    """Refuse a template that names no label: every example would be answered the same."""
    if template != "json" and labels and not any(f"{{{label}}}" in template for label in labels):
        columns = ", ".join(f"{{{label}}}" for label in labels)
        raise RecipeError("the answer names no label column", f"answer {template!r}", f"one or more of {columns}")


def resolved(planned: Recipe, facts: Mapping[str, Any]) -> Recipe:
    """Fill what reading found out into the recipe: columns, task, instruction, strata, and every default."""
    found = zip(planned.sources, facts["columns"], strict=True)
    read = [
        source.model_copy(
            update={
                "paths": [written(path) if is_address(path) else path for path in source.paths],
                "text": source.text or columns["text"],
                "labels": source.labels or columns["labels"],
            }
        )
        if source.kind != "synthetic"
        else source
        for source, columns in found
    ]
    labels = read[0].labels
    system = planned.task.system
    if system is None and facts["kind"] == "table" and labels:
        system = instruction(labels)
    task = planned.task.model_copy(update={"kind": planned.task.kind or facts["task"], "system": system})
    split = planned.split.model_copy(update={"stratify": planned.split.stratify or labels[:1]})
    return filled(planned.model_copy(update={"sources": read, "task": task, "split": split}))


def instruction(labels: Sequence[str]) -> str:
    r"""Write the instruction that a classifier is given where the user gives none.

    A name that is no plain word, or a plural, cannot stand behind "a": it stands behind "by".

    >>> instruction(["category", "sub_category"])
    'Classify the user message into a category and sub-category and output the result as JSON.'
    >>> instruction(["labels", "it's"])
    'Classify the user message by labels and "it\'s" and output the result as JSON.'
    """
    words = [re.fullmatch(r"[A-Za-z]\w+([ -]\w+)*", label, flags=re.ASCII) is not None for label in labels]
    names = [
        label.replace("_", "-").lower() if word else f'"{label}"' for label, word in zip(labels, words, strict=True)
    ]
    several = any(re.search(r"[^isu]s$", name) for name in names)
    vowel = re.match(r"(?!uni[^nm]|us[ae]|eu|one)[aeiou]", names[0])
    lead = f"into {'an' if vowel else 'a'}" if all(words) and not several else "by"
    listed = " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
    return f"Classify the user message {lead} {listed} and output the result as JSON."


def fingerprint(planned: Recipe, folder: Folder) -> str | None:
    """Hash the bytes of every source; None where a source is not a file, or is not there any more."""
    if any(source.kind == "table" or "-" in source.paths for source in planned.sources):
        return None
    try:
        return hash_of(
            [file_hash(path) for source in planned.sources for path in sources.expand(located(source, folder))]
        )
    except (OSError, InputError):
        return None


def located(source: Source, folder: Folder) -> list[str]:
    """Find a source's paths: from here, or, when a run is taken up elsewhere, from beside its folder; or as they were fetched."""
    if source.kind == "synthetic":
        path = synthetic.place(folder, source.name) / synthetic.ROWS
        return [str(path)] if path.exists() else []
    return [place for path in source.paths for place in _places(path, source, folder)]


def _places(path: str, source: Source, folder: Folder) -> list[str]:
    if source.kind == "web" or is_address(path):
        made = bring.files(source, path, folder.inside / bring.STORE)
        return made if made is not None else [path] * (source.kind != "web" or path == source.paths[0])
    beside = folder.path.parent / path
    return [str(beside) if not Path(path).exists() and beside.exists() else path]


def get_key(planned: Recipe, source: str, *, hides: bool = True) -> str:
    """Hash what the stage `get` depends on: the bytes of the sources, how they are read, and what is hidden at once."""
    settings = hiding.settings(hiding.hiding(planned)) if hides else []
    asked = [planned.task.answer, planned.task.use]
    return hash_of(
        __version__,
        source,
        [each.model_dump(exclude={"rows", "share", "generate"}) for each in planned.sources],
        asked,
        settings,
    )


def depends_on(stage: str, context: Context) -> Any:
    """Return what a stage depends on besides the stages before it: its part of the recipe and the decisions on it."""
    values = context.recipe.model_dump()
    parts = {"split": ("split", "dedupe"), "format": ("format", "task"), "check": ("format", "task")}
    heeded = [] if stage in ("format", "check") else _decided(stage, context).rows()
    asked = context.recipe.steps(stage) if stage in STAGES_WITH_STEPS else []
    beside = [path for each in asked for path in getattr(each, "reads", ())]
    beside += context.recipe.judge.target if stage == "judge" else []
    read = [file_hash(path) for path in (sources.expand(beside) if beside else [])]
    mixed = [(each.name, each.rows, each.share) for each in context.recipe.sources] if stage == "dedupe" else []
    drawn = [mixed, context.recipe.split.seed] if any(rows or share for _, rows, share in mixed) else []
    return [values[part] for part in parts.get(stage, (stage, "task"))], heeded, read, drawn


def _decided(stage: str, context: Context) -> pl.DataFrame:
    """Return the decisions that a stage has to heed: all but those on what other stages said before."""
    decisions = context.decisions
    for other in STAGES:
        if decisions.is_empty() or other in _deciding(stage):
            continue
        said = context.folder.table(other, "findings")
        if said is not None:
            decisions = decisions.join(said, left_on="finding", right_on="id", how="anti", maintain_order="left")
    return decisions


def _deciding(stage: str) -> tuple[str, ...]:
    """Name the stages whose findings a stage applies: its own, and what reading said is applied by `clean`."""
    return ("get", "clean") if stage == "clean" else (stage,)


def damaged(context: Context, stage: str, facts: Mapping[str, Any]) -> bool:
    """Say whether files that a finished stage wrote for the user are gone or were changed since."""
    files = facts["facts"].get("files", {}) if stage == "format" else {}
    paths = {context.folder.path / name: about["sha256"] for name, about in files.items()}
    return any(not path.exists() or file_hash(path) != digest for path, digest in paths.items())


def clean(context: Context) -> Outcome:
    """Leave out what could not be read, then repair or drop."""
    got = context.before["get"]
    walked = _walk(context, "clean", context.apply(got.examples, got.findings))
    return walked._replace(findings=hiding.unsaid(walked.findings, hiding.hiding(context.recipe)))


def dedupe(context: Context) -> Outcome:
    """Merge what is the same; flag what is nearly the same or contradicts itself."""
    from tuneset.dedupe import mix  # noqa: PLC0415  with the steps of this stage, which few commands need

    walked = _walk(context, "dedupe", context.before["clean"].examples)
    parts = mix.of(context.recipe.sources)
    if not parts:
        return walked
    findings = mix.over(walked.examples, parts, context.recipe.split.seed)
    return walked._replace(
        examples=context.apply(walked.examples, findings), findings=pl.concat([walked.findings, findings])
    )


def judge(context: Context) -> Outcome:
    """Say how good the set is; whatever learns, learns from the train side only."""
    from threadpoolctl import threadpool_limits  # noqa: PLC0415  with the imports of judging, which few commands need

    from tuneset.judge import judging  # noqa: PLC0415

    split, spec = context.before["split"], context.recipe.judge
    with threadpool_limits(1):  # sums over two threads differ in their last digits from sums over one
        looked = judging.seen(split.examples, split.tables["split"], spec, judging.live(spec.target))
        walked = _walk(context, "judge", looked.examples)
        looked = looked._replace(examples=walked.examples)
        facts, spots = judging.figures(looked, walked.findings, spec), judging.places(looked, spec)
    examples = context.apply(split.examples, walked.findings)
    return Outcome(examples, walked.findings, walked.facts | {"judged": facts}, {"map": spots})


def _walk(context: Context, stage: str, examples: pl.DataFrame) -> Outcome:
    """Call each step on what the steps before it left."""
    findings, skipped = [model.no_findings()], []
    asked: dict[str, dict[str, Any]] = {}
    decided = _decided(stage, context).rows()
    for each in context.recipe.steps(stage):
        if context.recipe.task.kind not in getattr(each, "tasks", step.TASKS):
            skipped.append(each.rule)
            continue
        started = time.perf_counter()
        asked[each.rule] = {
            "of": hash_of(dict(context.hashes), list(asked.values()), decided),
            "with": step.parameters(each),
        }
        said = _said_before(context, stage, each, asked[each.rule]["of"], examples)
        said = context.engine.run(each, examples, context.say) if said is None else said
        findings.append(said)
        examples = context.apply(examples, said)
        if context.timings is not None:
            context.timings[each.rule] = round(time.perf_counter() - started, 3)
    return Outcome(examples, pl.concat(findings), {"skipped": skipped, "asked": asked})


def _said_before(
    context: Context, stage: str, asking: step.Step, of: str, examples: pl.DataFrame
) -> pl.DataFrame | None:
    """Let a step answer from what it said of the same examples in an earlier run, with other parameters."""
    done = context.folder.facts(stage) if hasattr(asking, "again") else None
    known = done["facts"].get("asked", {}).get(asking.rule) if done else None
    findings = context.folder.table(stage, "findings") if known and known["of"] == of else None
    if known is None or findings is None:
        return None
    said = asking.again(known["with"], findings, examples)  # type: ignore[attr-defined]
    return None if said is None else model.as_findings(said, frozenset({asking.rule}))


def split(context: Context) -> Outcome:
    """Place each group on one side, then check by other means that no twin looks across."""
    spec = context.recipe.split
    earlier = earlier_sides(context)
    examples = context.before["dedupe"].examples
    previous = _placed_before(examples, earlier)
    pairs = tied(context, examples)
    bridges = bridging(previous, pairs.left, pairs.right, pinned=_pinned(context, examples))
    findings = _bridge_findings(examples, bridges.drop)
    kept = context.apply(examples, findings)
    if kept.height < examples.height:
        previous, pairs = _placed_before(kept, earlier), tied(context, kept)
        bridges = bridging(previous, pairs.left, pairs.right, pinned=_pinned(context, kept))
    codes, names = strata_of(kept, spec.stratify)
    looked = search(kept["text"], spec.threshold, spec.seed + 1)
    rules = {
        "validation": spec.validation,
        "test": spec.test,
        "seed": spec.seed,
        "pinned": _pinned(context, kept),
    }
    ends = bridges.left, bridges.right
    groups, sides, mended = _placed(looked, codes, previous, Ties(*ends, pairs.seeds), rules)
    proof = certificate(
        looked,
        sides.side,
        draw(codes, spec.validation + spec.test, spec.seed),
        lineage_known=bool((kept["groups"].list.len() > 0).any()),
        mended=mended,
    )
    table = pl.DataFrame(
        {
            "id": kept["id"],
            "side": pl.Series(np.array(SIDES)[sides.side], dtype=pl.String),
            "group": kept["id"].gather(groups),
            "content": _content(kept),
        }
    )
    sizes = np.bincount(groups, minlength=1)
    facts = {
        "certificate": _with_texts(proof, kept),
        "sides": {side: int((sides.side == number).sum()) for number, side in enumerate(SIDES)},
        "groups": int((sizes > 0).sum()),
        "largest_group": int(sizes.max()),
        "tied_rows": int((sizes[groups] > 1).sum()),
        "pinned": int(sides.pinned.sum()),
        "synthetic": int(pinned(kept).sum()),
        "placed_before": int((previous >= 0).sum()),
        "conflicts": len(bridges.conflicts),
        "balance": balance(
            names, codes, sides.side, groups, validation=spec.validation, pinned=sides.pinned | pinned(kept)
        ).to_dicts(),
    }
    return Outcome(kept, findings, facts, {"split": _with_absent(table, earlier)})


def _placed(
    looked: Search,
    codes: NDArray[np.int64],
    previous: NDArray[np.int8],
    pairs: Ties,
    rules: Mapping[str, Any],
) -> tuple[NDArray[np.int64], Sides, int]:
    """Place the groups, then let the check's own search look; what it finds across the sides is tied as well.

    The bands miss about one pair in a thousand: one of 18,200 CLINC150 rows, dozens at 1,000,000. Held-back rows of
    such a pair, and whatever is tied to them, follow their twin; all other rows stay where they are. The groups that come
    back are those without the ties of synthetic rows to what they were written from: these tie whole labels together, and
    models that are tried on groups held out would have nothing to learn.
    """
    groups, mended = _components(len(codes), pairs.left, pairs.right), 0
    sides = place(codes, groups, previous=previous, **rules)
    for _ in range(REPAIRS):
        found = across(looked, sides.side)
        free = (previous[found.left] < 0) | (previous[found.right] < 0)
        if not free.any():
            break
        mended += int(free.sum())
        known = looked.found or found
        pairs = Ties(np.append(pairs.left, known.left), np.append(pairs.right, known.right), pairs.seeds)
        groups = _components(len(codes), pairs.left, pairs.right)
        moving = np.isin(groups, groups[np.concatenate([found.left[free], found.right[free]])]) & (previous < 0)
        stays = np.where(moving & (sides.side > 0), np.int8(-1), sides.side)
        sides = place(codes, groups, previous=stays, **rules)
    real = pairs.right < pairs.seeds
    return _components(len(codes), pairs.left[real], pairs.right[real]), sides, mended


def tied(context: Context, examples: pl.DataFrame) -> Ties:
    """Return what must stay together: near-duplicates, shared lineage, and synthetic rows with their seeds."""
    spec = context.recipe.split
    flagged = [each for each in context.recipe.steps("dedupe") if each.rule == "near-duplicate"]
    if flagged and step.parameters(flagged[0])["threshold"] <= spec.threshold:
        alike = (pl.col("rule") == "near-duplicate") & (pl.col("score") >= spec.threshold)
        said = context.before["dedupe"].said.filter(alike)
        left, right = _row_numbers(examples, *said.select("example", pl.col("others").list.first()).collect())
    else:  # the recipe does not flag near-duplicates, or fewer than the split has to tie
        found = near.pairs(near.sets(examples["text"]), threshold=spec.threshold, seed=spec.seed)
        left, right = found.left, found.right
    return ties(examples, (left, right), spec.tie, synthetic.seeds(context.folder), spec.threshold)


def _pinned(context: Context, examples: pl.DataFrame) -> NDArray[np.bool_]:
    """Mark the rows that stay in train: synthetic ones, unless the recipe says in so many words that they need not."""
    free = context.recipe.split.validation_may_hold_synthetic_rows
    return np.zeros(examples.height, np.bool_) if free else pinned(examples)


def earlier_sides(context: Context) -> pl.DataFrame:
    """Read the sides that must be kept: this run's own, or else those of the run that the recipe names."""
    nothing = pl.DataFrame(schema=dict.fromkeys(("id", "side", "group", "content"), pl.String))
    if context.resplit:
        return nothing
    named = context.recipe.split.previous
    if named and not Folder(Path(named)).is_run():
        raise RunError("this is not a run folder", f"--previous {named}", "give the folder that an earlier run made")
    folders = [context.folder] + ([Folder(Path(named))] if named else [])
    found = [table for folder in folders if (table := folder.table("split", "split")) is not None]
    return pl.concat([nothing, *found]).unique("id", keep="first", maintain_order=True)


def _placed_before(examples: pl.DataFrame, earlier: pl.DataFrame) -> NDArray[np.int8]:
    """Code each example's earlier side: 0 train, 1 validation, 2 test, -1 new."""
    if earlier.is_empty():
        return np.full(examples.height, -1, np.int8)
    by_id, by_content = (
        earlier.select("id", "side"),
        earlier.select("content", again="side").unique("content", keep="first"),
    )
    placed = (
        examples.select("id", content=_content(examples))
        .join(by_id, on="id", how="left", maintain_order="left")
        .join(by_content, on="content", how="left", maintain_order="left")
    )
    codes = {side: number for number, side in enumerate(SIDES)}
    return (
        placed.select(pl.coalesce("side", "again").replace_strict(codes, default=-1, return_dtype=pl.Int8))
        .to_series()
        .to_numpy()
    )


def _content(examples: pl.DataFrame) -> pl.Series:
    """Hash what is left after cleaning: a row that was mended in the source has a new id and keeps its side by this."""
    said = pl.concat_str(pl.col("text", "label", "messages").fill_null(""), separator="\x00")
    return model.digest(examples.select(said).to_series())


def _with_absent(table: pl.DataFrame, earlier: pl.DataFrame) -> pl.DataFrame:
    """Remember the sides of rows that are out now: they may come back."""
    return pl.concat([table, earlier.join(table, on="id", how="anti").sort("id")])


def _components(rows: int, left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.int64]:
    nodes = int(max(rows, right.max(initial=-1) + 1))
    return near.components(nodes, left, right)[:rows]


def _row_numbers(examples: pl.DataFrame, *ids: pl.Series) -> tuple[NDArray[np.int64], ...]:
    """Turn pairs of ids into row numbers; a pair of which one row is gone is left out."""
    rows = examples.select("id", row=pl.int_range(pl.len()))
    pairs = pl.DataFrame({str(number): each for number, each in enumerate(ids)})
    for number in range(len(ids)):
        pairs = pairs.join(rows, left_on=str(number), right_on="id", maintain_order="left").rename(
            {"row": f"row{number}"}
        )
    return tuple(pairs[f"row{number}"].to_numpy() for number in range(len(ids)))


def _bridge_findings(examples: pl.DataFrame, rows: NDArray[np.int64]) -> pl.DataFrame:
    said = pl.DataFrame({"example": examples["id"].gather(rows)}).with_columns(
        rule=pl.lit("bridges-splits"),
        action=pl.lit("drop"),
        says=pl.when(pl.Series(pinned(examples)[rows]))
        .then(pl.lit("synthetic, and nearly the same as a row that is held back, or written from one"))
        .otherwise(pl.lit("new, and nearly the same as rows on both sides of the split: it would tie them together")),
    )
    return model.as_findings(said)


def _with_texts(facts: dict[str, Any], examples: pl.DataFrame) -> dict[str, Any]:
    """Put ids and texts in the place of the row numbers of the closest pairs."""
    shown = examples.select("id", "text")
    closest = [
        {"similarity": pair["similarity"]}
        | {side: shown.row(pair[side], named=True) for side in ("train", "validation")}
        for pair in facts["closest"]
    ]
    return facts | {"closest": closest}


def format_(context: Context) -> Outcome:
    """Write each side's examples the way the target reads them, ordered by id."""
    examples = context.before["judge"].examples
    sides = context.before["split"].tables["split"]
    placed = examples.join(sides, on="id", how="left", maintain_order="left").sort("id")
    written: dict[str, Any] = {}
    for side in SIDES:
        path = context.folder.path / f"{side}.jsonl"
        chosen = placed.filter(pl.col("side") == side)
        if side != "train" and chosen.is_empty():
            path.unlink(missing_ok=True)
            continue
        with whole(path) as passing:
            put = lines.plain(chosen) if _is_plain(context) else lines.lines(chosen, context.recipe.task.system)
            lines.write(put, passing)
        written[path.name] = {"rows": chosen.height, "bytes": path.stat().st_size, "sha256": file_hash(path)}
    return Outcome(examples, model.no_findings(), {"files": written})


def _is_plain(context: Context) -> bool:
    """Say whether the examples are texts without answers, which are written as {"text": …}."""
    return context.recipe.task.kind == "plain"


def check(context: Context) -> Outcome:
    """Read the files back, line by line, with the target's rules; count tokens."""
    target = TARGETS["together-text" if _is_plain(context) else context.recipe.format.target]
    examples = context.before["format"].examples
    ids = examples.join(context.before["split"].tables["split"], on="id", how="left").sort("id").select("id", "side")
    problems = [
        rules.check(context.folder.path / name, target)
        .with_columns(file=pl.lit(name))
        # a minimum of rows is asked of the file that is trained on, not of the one it is measured by
        .filter((pl.col("rule") != "too-few-rows") | (name == "train.jsonl"))
        .join(
            ids.filter(pl.col("side") == Path(name).stem).select(example="id", line=pl.int_range(1, pl.len() + 1)),
            on="line",
            how="left",
            maintain_order="left",
        )
        for name in context.before["format"].facts["files"]
    ]
    found = pl.concat(problems)
    said = found.filter(pl.col("example").is_not_null()).select("rule", "example", "says", action=pl.lit("none"))
    numbers = tokens.count(examples, context.recipe.task.system)
    facts = {
        "target": target.name,
        "lines": ids.height,
        "errors": int((found["severity"] == "error").sum()),
        "warnings": int((found["severity"] == "warning").sum()),
        "worst": found.drop("example").head(20).to_dicts(),
        "tokens": tokens.spread(numbers, target.max_tokens),
    }
    return Outcome(examples, model.as_findings(said), facts, {"problems": found})


RUN: dict[str, Callable[[Context], Outcome]] = {
    "clean": clean,
    "dedupe": dedupe,
    "split": split,
    "judge": judge,
    "format": format_,
    "check": check,
}
