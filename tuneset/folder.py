"""The run folder: stages that are written whole or not at all, skipped when nothing changed, and listed in a manifest."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import shutil
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
import polars as pl

from tuneset import model
from tuneset.errors import RunError, way_out
from tuneset.recipe import STAGES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

INSIDE = ".tuneset"
WRITING, REPLACED = "writing-", "replaced-"
SIDES = ("train", "validation", "test")
# Fixed, so that the bytes do not depend on how many threads made the frame.
ROW_GROUP = 131_072


class Outcome(NamedTuple):
    """What a stage leaves behind: the examples that go on, what was said about its input, and facts for the report."""

    examples: pl.DataFrame
    findings: pl.DataFrame
    facts: dict[str, Any]
    tables: Mapping[str, pl.DataFrame] = MappingProxyType({})

    @property
    def rows(self) -> int:
        """Count the examples that go on."""
        return self.examples.height

    @property
    def said(self) -> pl.LazyFrame:
        """Give the findings to who needs few of their columns."""
        return self.findings.lazy()


class Finished(NamedTuple):
    """What a stage left, read from its files whenever it is asked for: memory need not hold the rows of seven stages."""

    folder: Folder
    stage: str
    facts: dict[str, Any]

    @property
    def examples(self) -> pl.DataFrame:
        """Read the examples that went on."""
        return self.folder.left(self.stage, "examples")

    @property
    def findings(self) -> pl.DataFrame:
        """Read what was said about the stage's input."""
        return self.folder.left(self.stage, "findings")

    @property
    def rows(self) -> int:
        """Count the examples that went on, without reading them."""
        return int(self.folder.scan(self.stage, "examples").select(pl.len()).collect().item())

    @property
    def said(self) -> pl.LazyFrame:
        """Read as much of the findings as is asked for: 2,700,000 whole ones take 600 MB."""
        return self.folder.scan(self.stage, "findings")

    @property
    def tables(self) -> Mapping[str, pl.DataFrame]:
        """Read what else the stage left."""
        return self.folder.tables(self.stage)


class Folder(NamedTuple):
    """Where a run's files are."""

    path: Path

    @property
    def inside(self) -> Path:
        """What the program needs and a person does not look at."""
        return self.path / INSIDE

    @property
    def manifest(self) -> Path:
        """Present only when the run is complete."""
        return self.inside / "manifest.json"

    def stage(self, name: str) -> Path:
        """Return a stage's folder, such as `.tuneset/02-clean`."""
        return self.inside / f"{STAGES.index(name) + 1:02d}-{name}"

    def is_run(self) -> bool:
        """Say whether this is a run folder at all."""
        return self.inside.is_dir()

    def facts(self, stage: str) -> dict[str, Any] | None:
        """Read what a stage wrote about itself; None where it has not finished."""
        try:
            return orjson.loads((self.stage(stage) / "stage.json").read_bytes())  # type: ignore[no-any-return]
        except (FileNotFoundError, NotADirectoryError):
            return None
        except orjson.JSONDecodeError:
            return None  # cut off by a full disk: the stage is run again

    def table(self, stage: str, name: str) -> pl.DataFrame | None:
        """Read one of a stage's tables; None where there is none."""
        path = self.stage(stage) / f"{name}.parquet"
        return pl.read_parquet(path) if path.exists() else None

    def scan(self, stage: str, name: str) -> pl.LazyFrame:
        """Read of one of a stage's tables what will be asked for."""
        return pl.scan_parquet(self.stage(stage) / f"{name}.parquet")

    def left(self, stage: str, name: str) -> pl.DataFrame:
        """Read one of the tables that every finished stage has."""
        table = self.table(stage, name)
        if table is None:
            raise RunError("a stage's files are missing", str(self.stage(stage)), "remove that folder and run again")
        return table

    def tables(self, stage: str) -> dict[str, pl.DataFrame]:
        """Read the tables that only this stage has."""
        paths = sorted(self.stage(stage).glob("*.parquet"))
        return {path.stem: pl.read_parquet(path) for path in paths if path.stem not in ("examples", "findings")}

    def outcome(self, stage: str, facts: dict[str, Any]) -> Outcome:
        """Read back what a finished stage left."""
        left = self.left(stage, "examples"), self.left(stage, "findings")
        return Outcome(*left, facts["facts"], self.tables(stage))

    def findings(self) -> pl.DataFrame:
        """Read the findings of all stages, with the stage that said them."""
        said = [
            table.with_columns(stage=pl.lit(name))
            for name in STAGES
            if (table := self.table(name, "findings")) is not None
        ]
        return pl.concat(said) if said else model.no_findings().with_columns(stage=pl.lit(""))

    def decisions(self) -> pl.DataFrame:
        """Read what people decided, oldest first; a last line that a kill cut off was never answered to anybody."""
        path = self.path / "decisions.jsonl"
        if not path.exists():
            return pl.DataFrame(schema=model.DECISIONS)
        rows = []
        lines = path.read_bytes().split(b"\n")
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = orjson.loads(line)
                rows.append({name: row.get(name) for name in model.DECISIONS})
            except (orjson.JSONDecodeError, AttributeError) as error:
                if number == len(lines) and isinstance(error, orjson.JSONDecodeError):
                    break
                hint = "mend or remove that line; tuneset decide writes such lines"
                raise RunError(f"a decision cannot be read: {error}", f"{path}:{number}", hint) from error
        return pl.DataFrame(rows, schema=model.DECISIONS)


def write_stage(
    folder: Folder, stage: str, key: str, outcome: Outcome, earlier: tuple[str, pl.DataFrame] | None
) -> str:
    """Write a stage under a temporary name, then rename it; return the hash of what it leaves.

    Where the examples are those of the stage before (`earlier`: its name and examples) the file is linked, not written
    again.
    """
    final, passing = folder.stage(stage), folder.inside / f"{WRITING}{stage}"
    shutil.rmtree(passing, ignore_errors=True)
    passing.mkdir(parents=True)
    examples = passing / "examples.parquet"
    if earlier and outcome.examples is earlier[1]:
        _link(folder.stage(earlier[0]) / "examples.parquet", examples)
    else:
        _parquet(outcome.examples, examples)
    _parquet(outcome.findings, passing / "findings.parquet")
    for name, table in outcome.tables.items():
        _parquet(table, passing / f"{name}.parquet")
    digest = hash_of(file_hash(examples), file_hash(passing / "findings.parquet"))
    write(passing / "stage.json", to_json({"key": key, "digest": digest, "facts": outcome.facts}))
    replaced = folder.inside / f"{REPLACED}{stage}"
    if final.exists():  # moved aside, not removed: it may hold the sides that every later run keeps
        final.rename(replaced)
    passing.rename(final)
    shutil.rmtree(replaced, ignore_errors=True)
    return digest


def _parquet(table: pl.DataFrame, path: Path) -> None:
    with writing(path):
        table.write_parquet(path, compression="zstd", compression_level=1, row_group_size=ROW_GROUP, statistics=False)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without hard links
        shutil.copyfile(source, target)


@contextlib.contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path` that takes its place at the end: a file is written whole or not at all."""
    passing = path.with_name(f".{path.name}.writing")
    with writing(path):
        yield passing
        passing.replace(path)


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what the system or Polars says about a full disk into three lines; what was finished before stays."""
    try:
        yield
    except (OSError, pl.exceptions.ComputeError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error).rpartition(": ")[2]
        said = error if isinstance(error, OSError) and error.errno else OSError(_number(str(error)), "")
        raise RunError(f"this cannot be written: {reason or error}", str(path), way_out(said)) from error


def _number(words: str) -> int:
    """Read the system's number out of what Polars says, as in "No space left on device (os error 28)"."""
    found = re.search(r"os error (\d+)", words)
    return int(found[1]) if found else errno.ENOSPC


def write(path: Path, content: bytes) -> None:
    """Write a small file whole or not at all."""
    with whole(path) as passing:
        passing.write_bytes(content)


def to_json(value: Any) -> bytes:
    """Write JSON the same way everywhere: sorted keys, two spaces, a line end."""
    options = orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE | orjson.OPT_SERIALIZE_NUMPY
    return orjson.dumps(value, option=options)


def hash_of(*values: Any) -> str:
    """Hash anything that JSON can hold."""
    return hashlib.sha256(orjson.dumps(values, option=orjson.OPT_SORT_KEYS)).hexdigest()


def file_hash(path: Path) -> str:
    """Hash a file's bytes (SHA-256)."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_manifest(folder: Folder, about: dict[str, Any]) -> None:
    """List every file of the run with its hash; written last, so its presence means that the run is complete."""
    unlisted = {folder.manifest, *(folder.inside / name for name in ("timings.json", "lock", "published.jsonl"))}
    unlisted |= {path for name in ("asked.jsonl", "asked.lock") for path in folder.inside.glob(f"generated/*/{name}")}
    files = sorted(path for path in folder.path.rglob("*") if path.is_file() and path not in unlisted)
    listed = {
        path.relative_to(folder.path).as_posix(): {"bytes": path.stat().st_size, "sha256": file_hash(path)}
        for path in files
    }
    write(folder.manifest, to_json(about | {"files": listed}))


def clear_unfinished(folder: Folder) -> None:
    """Remove what a killed run left half written, and put back what it had only moved aside."""
    for path in folder.inside.glob(f"{WRITING}*"):
        shutil.rmtree(path, ignore_errors=True)
    for path in folder.inside.glob(f"{REPLACED}*"):
        final = folder.stage(path.name.removeprefix(REPLACED))
        if final.exists():
            shutil.rmtree(path)
        else:
            path.rename(final)
    for path in [*folder.path.glob(".*.writing"), *folder.inside.glob(".*.writing")]:
        path.unlink(missing_ok=True)


def empty(folder: Folder) -> None:
    """Remove all that a run has made, but what people wrote, what was fetched, and which id is on which side."""
    kept = {folder.path / name for name in ("recipe.toml", "decisions.jsonl", "labels.md")}
    kept |= {folder.inside / "lock", folder.stage("split") / "split.parquet"}
    for path in sorted(folder.path.rglob("*"), reverse=True):
        if path in kept or path.is_relative_to(folder.inside / "fetched"):
            continue
        if not path.is_dir() or path.is_symlink():
            path.unlink()
        elif not any(path.iterdir()):
            path.rmdir()


def only_one(folder: Folder) -> contextlib.AbstractContextManager[None]:
    """Keep two runs from writing into one folder at the same time; a killed run leaves nothing locked."""
    return alone(folder.inside / "lock", folder.path)


@contextlib.contextmanager
def alone(lock: Path, where: Path) -> Iterator[None]:
    """Hold a lock on a file while something is written `where`; whoever comes second is refused."""
    try:
        import fcntl  # noqa: PLC0415 - not on Windows
    except ImportError:  # Windows has no flock; there two runs at once are the user's care
        yield
        return
    with lock.open("w") as opened:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RunError("another run is writing here", str(where), "wait for it, or give another --out") from error
        yield
