"""What would be sent: files, sizes, hashes, the address, what is missing, and what is there already."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from tuneset.errors import RunError
from tuneset.folder import Folder, file_hash
from tuneset.publish import ledger
from tuneset.publish.places import Where, where
from tuneset.targets import rules
from tuneset.targets.table import Target
from tuneset.targets.table import target as named

if TYPE_CHECKING:
    from pathlib import Path


class Item(NamedTuple):
    """A file that goes, or went."""

    file: str
    path: Path
    bytes: int
    sha256: str
    rows: int  # lines; 0 for what is no data
    errors: int  # that the check of its target finds
    says: str  # where the first of them is
    sent: dict[str, Any] | None  # the ledger's line, where the same file is there already


class Plan(NamedTuple):
    """What would be sent, and where; nothing has been yet."""

    run: Path
    where: Where
    target: str
    items: tuple[Item, ...]

    @property
    def missing(self) -> tuple[str, ...]:
        """Variables of the environment that must be set first."""
        return self.where.missing

    @property
    def waiting(self) -> tuple[Item, ...]:
        """Files that are not there yet."""
        return tuple(item for item in self.items if item.sent is None)


def plan(run_folder: Path, to: str, *, target: str | None = None) -> Plan:
    """Say what would be sent of a run's export, and where; nothing is sent, and no secret is read.

    `to`: hub:ORG/NAME, openai, azure, together, fireworks, mistral, gs://BUCKET/FOLDER or s3://BUCKET/FOLDER; `target`:
    the export to take, the place's own where not given. Each file is hashed and checked as its target would.
    Errors: RunError where there is no run or no export of this target.

    >>> import tempfile
    >>> from pathlib import Path
    >>> plan(Path(tempfile.gettempdir()), "openai")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    tuneset.errors.RunError: this is not a run folder
    ...
    """
    if not Folder(run_folder).is_run():
        raise RunError("this is not a run folder", str(run_folder), "give the folder that `tuneset prepare` made")
    place = where(to)
    wanted = named(target or place.place.target)
    folder = run_folder / "exports" / wanted.name
    sides = [f"{side}.jsonl" for side in place.place.takes]
    sides += [f"{side}.csv" for side in place.place.takes] if place.kind in ("hub", "s3", "gs") else []
    if not any((folder / name).is_file() for name in sides):
        hint = f"tuneset export {run_folder} --target {wanted.name}"
        raise RunError(f"there is no export for {wanted.name} to send", str(folder), hint)
    names = [*sides, *wanted.files, *place.place.beside]
    items = (_item(run_folder, place, folder / name, wanted) for name in names if (folder / name).is_file())
    return Plan(run_folder, place, wanted.name, tuple(items))


def _item(run: Path, place: Where, path: Path, target: Target) -> Item:
    sha256, size = file_hash(path), path.stat().st_size
    sent = ledger.of(run, "sent", url=place.url, file=path.name, sha256=sha256)
    side = path.stem if path.stem in ("train", "validation", "test") else ""
    found: list[str] = []
    if side and path.suffix == ".jsonl" and size:
        said = rules.check(path, target, side=side).filter(severity="error")
        found = [f"line {line}: {rule}" if line else rule for line, rule in said.select("line", "rule").rows()]
    with path.open("rb") as file:
        rows = sum(1 for _ in file) if side else 0
    return Item(path.name, path, size, sha256, rows, len(found), "".join(found[:1]), sent[-1] if sent else None)
