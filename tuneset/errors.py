"""The errors that a user can meet, and the words they come in.

    TunesetError          what went wrong, where, and what to do about it: three lines, no traceback
    ├── InputError        a source cannot be read at all (bad rows are findings, not errors)
    ├── RecipeError       the recipe or an option asks for something unknown or contradictory
    └── RunError          a run folder is not what the command needs

Bad data is a finding, a bad request is a TunesetError, a bug is a traceback.
"""

from __future__ import annotations

import difflib
import errno
import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable


class TunesetError(Exception):
    """Say what went wrong, where, and what to do next.

    >>> print(TunesetError("no rows", "empty.csv", "check that the export finished"))
    no rows
      at   empty.csv
      try  check that the export finished
    """

    def __init__(self, what: str, where: str, hint: str) -> None:
        super().__init__(what, where, hint)
        self.what, self.where, self.hint = what, where, hint

    def __str__(self) -> str:
        return f"{self.what}\n  at   {self.where}\n  try  {self.hint}"


class InputError(TunesetError):
    """A source cannot be read at all."""


class RecipeError(TunesetError):
    """The recipe or an option asks for something unknown or contradictory."""


class RunError(TunesetError):
    """A run folder is not what the command needs."""


def unknown(kind: str, name: str, valid: Iterable[str], where: str, listing: str = "") -> RecipeError:
    """Name the nearest valid word for one that is not known.

    `listing` stands in the place of the list where there are too many to name, and says what lists them.

    >>> print(unknown("rule", "exact-duplicat", ["exact-duplicate", "empty-text"], "recipe.toml"))
    unknown rule 'exact-duplicat'
      at   recipe.toml
      try  'exact-duplicate' (there are: empty-text, exact-duplicate)
    """
    names = sorted(valid)
    near = difflib.get_close_matches(name.rpartition(".")[2], names, n=1, cutoff=0.5)
    listed = listing or f"there {'is' if len(names) == 1 else 'are'}: {', '.join(names) or 'none'}"
    return RecipeError(f"unknown {kind} {name!r}", where, f"{near[0]!r} ({listed})" if near else listed)


# What helps against what the system refuses; everything else is a path that leads nowhere.
_FULL = "free some space, and run the same command again: it goes on where it stopped"
_RIGHTS = "check who may read and write there"
_WAYS_OUT = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), _FULL),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), _RIGHTS),
}


def way_out(error: OSError) -> str:
    """Say what helps against something that the operating system refused.

    >>> way_out(PermissionError(13, "Permission denied"))
    'check who may read and write there'
    """
    return _WAYS_OUT.get(error.errno or 0, "check the path: each folder in it must be there")


def need(package: str, extra: str) -> Any:
    """Import an optional package, or say which extra brings it."""
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise TunesetError(
            f"this needs the package {package}, which is not installed",
            f"extra {extra!r}",
            f"pip install 'tuneset[{extra}]'",
        ) from error
