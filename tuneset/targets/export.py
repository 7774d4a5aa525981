"""Write a run's examples as a target reads them: the rows, what says which row is which, and what a server must ask."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from tuneset import __version__
from tuneset.folder import file_hash, to_json, whole, write
from tuneset.shapes.row import dumps
from tuneset.targets import rules, shaped
from tuneset.targets.beside import beside, held_back
from tuneset.targets.lines import write as write_lines

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tuneset.recipe import Recipe
    from tuneset.targets.table import Target

SIDES = ("train", "validation", "test")
MOST_ANSWERS = 1_000  # of one label column, in the schema of the answer


class About(NamedTuple):
    """What a run knows of its examples and what the files beside the rows say."""

    name: str
    system: str | None
    answer: str  # the template of the answer; "json" for an object of the label columns
    labels: tuple[str, ...]
    summary: Mapping[str, Any]
    templates: Mapping[str, str] = {}  # the hash of each chat template of the model that is to be trained


def about_run(path: Path, recipe: Recipe, summary: Mapping[str, Any], model: Path | str | None = None) -> About:
    """Gather what the files beside the rows say of a run, and of the model that is to be trained where one is given."""
    name = path.resolve().name.removesuffix("-tuneset")
    labels = tuple(dict.fromkeys(label for source in recipe.sources for label in source.labels))
    return About(name, recipe.task.system, recipe.task.answer, labels, summary, _templates(model) if model else {})


def _templates(model: Path | str) -> dict[str, str]:
    from tuneset.targets.template import open_model  # noqa: PLC0415  jinja2 takes 60 ms

    return {name: each.sha256 for name, each in sorted(open_model(model).templates.items())}


def export(examples: pl.DataFrame, target: Target, folder: Path, about: About) -> dict[str, Any]:
    """Write `examples` (with their `side`) into `folder` as `target` reads them; check each file; say what was done.

    Files: train.jsonl, validation.jsonl, test.jsonl; `rows.jsonl`, which says of each line its id, labels and source;
    `changes.jsonl`, which says of each row that is not as it was what was done, and of each that is left out why;
    `inference.json`, the words and the form of answer that a server must ask with; and what the target wants beside.
    Returns files, rows, `left_out`, `changed`, `problems` (those of the check) and `errors`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    about = about._replace(
        system=about.system if about.system is not None else _system_of_all(examples),
        templates=about.templates or _templates_before(folder),
    )
    ids, changes, problems = [], [], []
    files: dict[str, dict[str, Any]] = {}
    for side in SIDES:
        chosen = examples.filter(pl.col("side") == side)
        path = folder / f"{side}.{'csv' if target.shape == 'table' else 'jsonl'}"
        if chosen.is_empty():
            path.unlink(missing_ok=True)
            continue
        held, said = _write(chosen, target, path, about)
        if held.is_empty():  # all of its rows are left out, and each says why
            path.unlink()
            changes.append(said.with_columns(side=pl.lit(side)))
            if side == "train":
                nothing = rules.weighed([(None, "empty-file", "no row fits this target")], target)
                problems.append(nothing.with_columns(file=pl.lit(path.name)))
            continue
        ids.append(held.with_columns(file=pl.lit(path.name)))
        changes.append(said.with_columns(side=pl.lit(side)))
        files[path.name] = {"rows": held.height, "bytes": path.stat().st_size, "sha256": file_hash(path)}
        if target.shape != "table":
            problems.append(rules.check(path, target, side=side).with_columns(file=pl.lit(path.name)))
    if {"train.jsonl", "validation.jsonl"} <= files.keys():
        over = held_back(files["train.jsonl"]["rows"], files["validation.jsonl"]["rows"], target)
        problems.append(over.with_columns(file=pl.lit("validation.jsonl")))
    told = pl.concat(changes) if changes else pl.DataFrame()
    _write_lines_of(pl.concat(ids) if ids else pl.DataFrame(), folder / "rows.jsonl")
    _write_lines_of(told, folder / "changes.jsonl")
    write(folder / "inference.json", to_json(inference(examples, target, about)))
    for name, content in beside(target, about, files, folder, examples).items():
        write(folder / name, content.encode())
    found = pl.concat(problems) if problems else pl.DataFrame(schema=rules.PROBLEMS)
    gone = told.filter(pl.col("out"))["id"].n_unique() if told.height else 0
    return {
        "target": target.name,
        "folder": str(folder),
        "files": files,
        "rows": sum(file["rows"] for file in files.values()),
        "left_out": gone,
        "changed": told.filter(~pl.col("out"))["id"].n_unique() if told.height else 0,
        "said": _counted(told),
        "status": target.status,
        "errors": int((found["severity"] == "error").sum()),
        "warnings": int((found["severity"] == "warning").sum()),
        "problems": found.head(20).to_dicts(),
    }


def _system_of_all(examples: pl.DataFrame) -> str | None:
    """Find the system text of conversations that all begin with the same one."""
    first = examples["messages"].drop_nulls()
    if first.is_empty() or len(first) < examples.height:
        return None
    roles, said = (first.str.json_path_match(f"$[0].{key}") for key in ("role", "content"))
    return said[0] if (roles == "system").all() and said.n_unique() == 1 else None


def _templates_before(folder: Path) -> dict[str, str]:
    """Keep the hash of the chat template that an earlier export was given."""
    try:
        return dict(json.loads((folder / "inference.json").read_text(encoding="utf-8")).get("templates") or {})
    except (OSError, ValueError, AttributeError):
        return {}


def _write(chosen: pl.DataFrame, target: Target, path: Path, about: About) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Write one side; return what says which line is which row, and what was done to rows or keeps them out."""
    if target.shape == "table":
        return _write_table(chosen, path, about)
    made = shaped.written(chosen, target, about.system)
    rows = chosen.select("id", out=made.lines.is_null(), row=pl.int_range(pl.len(), dtype=pl.Int64))
    said = made.said.join(rows, on="row", how="left", maintain_order="left").select("id", "rule", "says", "out")
    held = made.lines.is_not_null()
    with whole(path) as passing:
        write_lines(made.lines.filter(held), passing)
    return _which(chosen.filter(held)), said


def _write_table(chosen: pl.DataFrame, path: Path, about: About) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Write texts and labels as a table, lists of labels as JSON; conversations have no place in it."""
    fits = chosen["messages"].is_null()
    said = chosen.filter(~fits).select(
        "id",
        rule=pl.lit("too-many-turns"),
        says=pl.lit("a conversation has no place in a table"),
        out=pl.lit(value=True),
    )
    kept = chosen.filter(fits)
    columns = [pl.col("labels").str.json_path_match(f'$["{name}"]').alias(name) for name in about.labels]
    with whole(path) as passing:
        kept.select("text", *columns).write_csv(passing)
    return _which(kept, first=2), said  # below the header; a text of several lines counts as one


def _which(held: pl.DataFrame, first: int = 1) -> pl.DataFrame:
    return held.select(pl.int_range(first, pl.len() + first).alias("line"), "id", "labels", "source")


def _write_lines_of(table: pl.DataFrame, path: Path) -> None:
    """Write a table as JSON lines; labels are objects in it, not strings of JSON."""
    if table.is_empty():
        path.unlink(missing_ok=True)
        return
    with whole(path) as passing:
        if "labels" not in table.columns:
            table.write_ndjson(passing)
            return
        ahead = table.select(pl.struct("file", "line", "id", "source").struct.json_encode().alias("ahead"))["ahead"]
        ended = pl.concat_str(
            ahead.str.head(-1), pl.lit(', "labels": '), table["labels"].fill_null("null"), pl.lit("}")
        )
        write_lines(pl.select(line=ended).to_series(), passing)


def _counted(told: pl.DataFrame) -> list[dict[str, Any]]:
    """Count what was done, in words, what leaves rows out first."""
    if told.is_empty():
        return []
    words = pl.when("out").then("rule").otherwise("says")  # reasons name places in a row: no two are the same
    return (
        told.group_by("out", "rule", words=words)
        .agg(rows=pl.col("id").n_unique(), says=pl.col("says").first())
        .sort("out", "rows", "words", descending=[True, True, False])
        .drop("words")
        .head(20)
        .to_dicts()
    )


def inference(examples: pl.DataFrame, target: Target, about: About) -> dict[str, Any]:
    """Say how to ask the trained model, in the words of training: the system's text and the form of the answer."""
    return {
        "target": target.name,
        "system": about.system,
        "system_in_front_of_user": bool(about.system) and "system" not in target.roles and target.shape != "table",
        "answer": about.answer if about.labels else None,
        "answer_schema": _schema(examples["labels"], about),
        "templates": dict(about.templates),
        "tuneset": __version__,
    }


def _schema(labels: pl.Series, about: About) -> dict[str, Any] | None:
    """Describe the answer as JSON Schema, with the labels that are there; None where it is no JSON."""
    if about.answer != "json" or not about.labels or labels.null_count() == len(labels):
        return None
    seen: dict[str, dict[str, Any]] = {name: {} for name in about.labels}
    for text in labels.drop_nulls().unique().sort().to_list():
        for name, value in json.loads(text).items():
            seen.setdefault(name, {})[dumps(value)] = value
    return {
        "type": "object",
        "properties": {name: _property(list(values.values())) for name, values in seen.items()},
        "required": list(seen),
        "additionalProperties": False,
    }


def _property(values: list[Any]) -> dict[str, Any]:
    if values and all(isinstance(value, list) for value in values):
        inner = {dumps(each): each for value in values for each in value}
        return {"type": "array", "items": _property(list(inner.values()))}
    plain = all(value is None or isinstance(value, str | int | float | bool) for value in values)
    return {"enum": values} if plain and len(values) <= MOST_ANSWERS else {}
