"""Synthetic rows as they lie in the run folder, and as they are read: examples with their lineage, like any others."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
import polars as pl

from tuneset import model
from tuneset.errors import RunError
from tuneset.fetch.fetched import folder_name
from tuneset.folder import file_hash, hash_of, to_json, write, writing
from tuneset.generate.origin import SEED
from tuneset.sources import Read

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from pathlib import Path

    from tuneset.folder import Folder
    from tuneset.recipe import Recipe, Source

STORE = "generated"  # a folder of `.tuneset`; in it one for each source, with what was asked, too
ROWS, SEEDS = "rows.jsonl", "seeds.jsonl"
ENDED = "ended.json"  # for which settings the rows were written, and what they cost
# What changes only how much may be spent: rows that are there are not written anew for it.
PAYS = frozenset({"most_cost", "most_tokens", "most_requests"})
MOST = 20_000  # letters of a row or an answer: what is longer is a server's mistake, and would hold up all that comes
RULE, UNREAD, REWRITTEN, STRAY = "not-written", "not-judged", "rewritten-answer", "stray-label"


class Row(NamedTuple):
    """A row that a model wrote, or one that it did not write: then `problem` and `says` tell why."""

    text: str | None
    labels: str | None  # as asked for; null for texts that have none
    origin: dict[str, Any]  # model, prompt, parameters, seeds, cost …
    cell: str  # whose row it is: the labels asked for
    batch: int  # number of the cell's request
    key: str  # of the request, and the place in its answer
    messages: str | None = None
    problem: str = ""
    says: str = ""
    example: str = ""  # the id of the example whose answers these messages have, rewritten
    tries: Sequence[int] = ()  # of each answer or verdict that is missing: how often something of no use came
    unread: str = ""  # why the judge that the recipe names has not read it


def place(folder: Folder, name: str) -> Path:
    """Return the folder of a synthetic source."""
    return folder.inside / STORE / folder_name(name)


def is_begun(folder: Folder, source: Source) -> bool:
    """Say whether a source has rows that its model wrote before, whatever the recipe wants by now."""
    return (place(folder, source.name) / ROWS).exists()


def is_done(folder: Folder, source: Source) -> bool:
    """Say whether a model has written what the recipe wants."""
    noted = ended(folder, source)
    return noted is not None and bool(noted["wanted"] == _settings(source)) and is_begun(folder, source)


def _settings(source: Source) -> str:
    wanted = source.generate
    return hash_of(wanted.model_dump(exclude=set(PAYS)) if wanted else None)


def hashes(planned: Recipe, folder: Folder) -> list[str]:
    """Hash what models wrote for the synthetic sources: it lies in the run folder, wherever the real sources are."""
    made = [place(folder, each.name) / ROWS for each in planned.sources if each.kind == "synthetic"]
    return [file_hash(each) if each.exists() else "" for each in made]


def end(path: Path, source: Source, noted: Mapping[str, Any]) -> None:
    """Note that a source has what its recipe wants, and what came of asking."""
    write(path / ENDED, to_json({"wanted": _settings(source), **noted}))


def ended(folder: Folder, source: Source) -> dict[str, Any] | None:
    """Return what was noted when a source's model was last asked; None where it was not."""
    try:
        return dict(orjson.loads((place(folder, source.name) / ENDED).read_bytes()))
    except FileNotFoundError:
        return None


def load(path: Path) -> list[Row]:
    """Read the rows of a source's folder; none where nothing was written yet."""
    try:
        lines = (path / ROWS).read_bytes().splitlines()
    except FileNotFoundError:
        return []
    try:
        return [Row(**orjson.loads(line)) for line in lines]
    except (orjson.JSONDecodeError, TypeError) as error:
        hint = "remove this file; what was asked stays, and is not paid again"
        raise RunError(f"the synthetic rows cannot be read: {error}", str(path / ROWS), hint) from error


def save(path: Path, rows: Iterable[Row], seeds: pl.DataFrame) -> None:
    """Write all rows of a source, and the `id` and `text` of every example that they were written from; whole or not at all."""
    known = _seeds(path)
    told = pl.concat([known, seeds.select("id", "text")]).unique("id", keep="first").sort("id")
    with writing(path):
        for name, lines in ((SEEDS, told.iter_rows(named=True)), (ROWS, (row._asdict() for row in rows))):
            passing = path / f".{name}.writing"
            passing.write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
            passing.replace(path / name)


def forget(folder: Folder, ids: Collection[str]) -> None:
    """Remove all that was written from some examples, of every source of a run, and these examples' own texts."""
    from tuneset.ask import cache  # noqa: PLC0415  with the client, which few commands need

    gone = set(ids)
    for path in sorted(folder.inside.glob(f"{STORE}/*")):
        kept = [row for row in load(path) if gone.isdisjoint(row.origin["seeds"])]
        left = _seeds(path).filter(~pl.col("id").is_in(sorted(gone)))
        (path / SEEDS).unlink(missing_ok=True)
        save(path, kept, left)
        cache.forget(path, {row.key.rpartition(":")[0] for row in kept})


def seeds(folder: Folder) -> pl.DataFrame:
    """Return `id` and `text` of all examples that synthetic rows of a run were written from, whether they are there still or not."""
    found = [_seeds(path.parent) for path in sorted(folder.inside.glob(f"{STORE}/*/{SEEDS}"))]
    return pl.concat([_no_seeds(), *found]).unique("id", keep="first", maintain_order=True)


def _seeds(path: Path) -> pl.DataFrame:
    return pl.read_ndjson(path / SEEDS, schema=_no_seeds().schema) if _is_filled(path / SEEDS) else _no_seeds()


def _is_filled(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


def _no_seeds() -> pl.DataFrame:
    return pl.DataFrame(schema={"id": pl.String, "text": pl.String})


def read(path: Path, name: str, first: Read, answer: str) -> Read:
    """Read a source's rows as examples beside those of `first`, whose columns and task are theirs, too.

    A request that came to nothing is an example without text, and a finding that says why.
    """
    everything = load(path)
    rows = [row for row in everything if not row.example]
    frame = pl.DataFrame(
        {
            "text": [None if row.problem else row.text for row in rows],
            "labels": [row.labels for row in rows],
            "messages": [row.messages for row in rows],
            "groups": [[f"{SEED}{each}" for each in row.origin["seeds"]] for row in rows],
            "origin": [_origin(row.origin) for row in rows],
            "why": [row.says or None for row in rows],
            "key": [row.key for row in rows],
            "problem": [row.problem for row in rows],
            "unread": [None if row.problem else row.unread or None for row in rows],
        },
        schema_overrides=dict.fromkeys(
            ("text", "labels", "messages", "origin", "why", "key", "problem", "unread"), pl.String
        )
        | {"groups": pl.List(pl.String)},
    )
    failed = pl.col("problem") != ""
    content = frame.select(
        pl.concat_str(
            pl.col("text", "labels", "messages").fill_null("\x01"),
            pl.when(failed).then("key").otherwise(pl.lit("\x01")),
            separator="\x00",
        )
    ).to_series()
    said = model.conversations(frame["messages"].fill_null("[]"))["label"]
    label = pl.select(pl.coalesce(model.answers(frame["labels"], answer), said)).to_series()
    made = frame.with_columns(id=model.example_ids(name, content), label=label, source=pl.lit(name), extra=pl.lit("{}"))
    examples = made.select(pl.col(column).cast(kind) for column, kind in model.EXAMPLES.items())
    lost = made.filter(failed).select(rule=pl.lit(RULE), example="id", says="why", action=pl.lit("drop"))
    held = made.filter(pl.col("unread").is_not_null()).select(
        rule=pl.lit(UNREAD), example="id", action=pl.lit("drop"), says=pl.format("not judged: {}", "unread")
    )
    here = first.examples["labels"].drop_nulls().unique()
    gone = examples.filter(
        pl.col("labels").is_not_null() & ~pl.col("labels").is_in(here.implode()) & pl.col("text").is_not_null()
    )
    stray = gone.select(
        rule=pl.lit(STRAY), example="id", action=pl.lit("drop"), says=pl.format("no real row has {} any more", "labels")
    )
    rewrites = rewritten([row for row in everything if row.example])
    findings = pl.concat([model.as_findings(lost), model.as_findings(held), model.as_findings(stray), rewrites])
    sentence = _count(name, rows, rewrites.height, [row for row in everything if row.example and row.problem])
    return Read(examples, findings, first.columns, first.task, (sentence,), first.preview.clear())


def _count(name: str, rows: Sequence[Row], rewritings: int, kept: Sequence[Row]) -> str:
    lost, unread = (sum(bool(each) for each in part) for part in ([r.problem for r in rows], [r.unread for r in rows]))
    why = Counter(row.says for row in kept)
    reasons = ", ".join(f"{count:,} because {says}" for says, count in why.most_common(3))
    parts = [
        f"{len(rows) - lost:,} synthetic rows" if rows or not rewritings else "",
        f"{lost:,} were asked for and not written" if lost else "",
        f"{unread:,} were not judged" if unread else "",
        f"{rewritings:,} conversations with rewritten answers" if rewritings else "",
        f"{len(kept):,} conversations are as they were ({reasons})" if kept else "",
    ]
    return f"{name}: {'; '.join(filter(None, parts))}"


def rewritten(rows: Sequence[Row]) -> pl.DataFrame:
    """Say of each example what its answers are after rewriting; the last rewriting of an example counts.

    It is applied where another model found it good and no number or link has changed, else it waits for a person.
    """
    done = [row for row in rows if not row.problem]  # what is lost has changed nothing
    last = {row.example: row for row in done if row.messages and row.messages != row.origin["before"]}
    said = [
        {
            "rule": REWRITTEN,
            "example": row.example,
            "action": "edit",
            "when": "default" if row.origin["good"] else "on-accept",
            "field": "/messages",
            "before": row.origin["before"],
            "after": row.messages,
            "says": row.says,
        }
        for row in last.values()
    ]
    return model.as_findings(pl.DataFrame(said, schema_overrides=dict.fromkeys(("before", "after"), pl.String)))


def _origin(told: dict[str, Any]) -> str:
    """Write an origin with the mark of a synthetic example first."""
    return orjson.dumps({"synthetic": True} | told).decode()


def numbers(rows: Sequence[Row]) -> dict[str, int]:
    """Return for each cell the number of its next request."""
    following: dict[str, int] = {}
    for row in rows:
        following[row.cell] = max(following.get(row.cell, 0), row.batch + 1)
    return following
