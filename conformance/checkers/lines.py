"""What the checkers share: rows of a file, and one JSON object per file on standard output."""

from __future__ import annotations

import json
import sys
import traceback
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Libraries print, and take hold of what they print to when they are imported: only verdicts may stand among verdicts.
OUT, sys.stdout = sys.stdout, sys.stderr
# How a library says no, or falls over: the row would not be trained on either way.
REFUSALS = (ValueError, LookupError, TypeError, AttributeError, AssertionError, NameError, RuntimeError)


class Problem(NamedTuple):
    """What a checker says: the line (from 1; None for the whole file) and its words."""

    line: int | None
    says: str


def rows(path: Path, encoding: str = "utf-8") -> Iterator[tuple[int, Any]]:
    """Read a file line by line as JSON, as most uploads do; blank lines are left to those who mind them."""
    with path.open(encoding=encoding) as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield number, json.loads(line)


def each_row(
    path: Path, check: Callable[[Any], None], *also: type[Exception], encoding: str = "utf-8"
) -> Iterator[Problem]:
    """Hand each row to a function that raises where it refuses one; `also`: what else means a refusal.

    With the encoding utf-8-sig a byte-order mark is passed over, where a checker knows rows only and no files.
    """
    number = 0
    try:
        for number, row in rows(path, encoding):  # also says where reading stopped
            try:
                check(row)
            except (*REFUSALS, *also) as error:
                yield Problem(number, words(error))
    except ValueError as error:  # not UTF-8, or not JSON
        number += 1
        yield Problem(number, words(error))
    if not number:
        yield Problem(None, "the file is empty")


def words(error: BaseException) -> str:
    """Name an exception and what it says, on one line; libraries that fall over say where."""
    says = " ".join(str(error).split())
    if isinstance(error, (NameError, AttributeError)) or not says:
        place = traceback.extract_tb(error.__traceback__)[-1]
        says = f"{says} ({place.name}: {place.line})"
    return f"{type(error).__name__}: {says}"[:400]


def main(check: Callable[[Path], Iterator[Problem]], files: list[str] | None = None) -> None:
    """Check the files that the command line names; print what is said of each."""
    for name in sys.argv[1:] if files is None else files:
        problems = [problem._asdict() for problem in check(Path(name))]
        print(json.dumps({"file": name, "ok": not problems, "problems": problems}), file=OUT, flush=True)


def alone(package: str, *inner: str, **stubs: dict[str, Any]) -> None:
    """Make modules of a package importable without its `__init__`, which imports what the check does not need.

    `inner`: subpackages whose `__init__` is left out too; `stubs`: modules of the package, and what they hold instead.
    """
    found = find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise SystemExit(f"{package} is not installed")
    folder = Path(found.submodule_search_locations[0])
    for name in ("", *inner):
        module = ModuleType(f"{package}.{name}".rstrip("."))
        module.__path__ = [str(folder.joinpath(*name.split(".")))]
        sys.modules[module.__name__] = module
    for name, holds in stubs.items():
        module = ModuleType(f"{package}.{name.replace('__', '.')}")
        vars(module).update(holds)
        sys.modules[module.__name__] = module
