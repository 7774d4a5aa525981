"""Which module fetches which address."""

from __future__ import annotations

import importlib
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, cast

from tuneset.errors import RecipeError, RunError
from tuneset.fetch import fetched
from tuneset.fetch.fetched import LIMIT, Fetched, shown
from tuneset.publish.http import quiet

if TYPE_CHECKING:
    from types import ModuleType

    from tuneset.fetch.fetched import Ahead, Event, Watch

MODULES = {
    "hf": "hub",
    "kaggle": "kaggle",
    "people": "people",
    "sql": "sql",
    "http": "storage",
    "https": "storage",
    "s3": "storage",
    "gs": "storage",
    "abfs": "storage",
    "abfss": "storage",
}
_ADDRESS = re.compile(r"(?:(hf|kaggle|people|sql):(?!//)|(https?|s3|gs|abfss?)://).+", re.DOTALL)


def is_address(path: str) -> bool:
    r"""Say whether a path of a recipe names something that must be fetched first.

    >>> is_address("hf:PolyAI/banking77"), is_address("https://example.org/a.csv"), is_address("C:\\a.csv")
    (True, True, False)
    """
    return _ADDRESS.fullmatch(path) is not None


def _nothing(_: Event) -> None:
    """Show nothing."""


def fetch(address: str, folder: Path, watch: Watch = _nothing, *, query: str = "", limit: int = LIMIT) -> Fetched:
    """Fetch what an address names into plain files of `folder`, in constant memory; nothing where it is there already.

    `address`: `hf:ORG/NAME[:config][@revision]`, `kaggle:OWNER/NAME[@version]`, `https://…`, `s3://…`, `gs://…`,
    `abfs://…`, `people:DATABASE[#PROJECT]`, or `sql:URL` with a `query`. `folder` is the address's own (see `folder_name`). `limit`: bytes at most.
    Killed at any point, a second call goes on and ends with the same bytes; what was complete is not fetched again.
    Secrets come from the environment and are written nowhere.

    Errors: RecipeError for an address in a wrong form, RunError for what is not there, not allowed, too large, or not
    reachable.

    >>> import pathlib
    >>> fetch("hf:banking77", pathlib.Path("fetched"))
    Traceback (most recent call last):
    tuneset.errors.RecipeError: this names no dataset of the Hub
      at   hf:banking77
      try  hf:ORG/NAME, such as hf:stanfordnlp/imdb
    """
    kind, module = _module(address)
    if query and kind != "sql":
        raise RecipeError("only sql: takes a query", shown(address), "remove the query, or give a database's address")
    asked = module.parse(address)
    if done := fetched.begin(folder, address, query):
        watch(fetched.Event(done.about.address, "already"))
        return done
    if "…" in address:
        hint = "give the whole address again, or write ${NAME} in the place of … and set it in the environment"
        raise RunError("a secret was left out of this address", shown(address), hint)
    with quiet():
        found = (
            module.fetch(asked, folder, watch, query) if kind == "sql" else module.fetch(asked, folder, watch, limit)
        )
    return fetched.end(folder, cast("Fetched", found))


def ahead(address: str) -> Ahead:
    """Say what `fetch` would bring: files and their sizes, licence and revision, as far as the place says; no data is fetched.

    Errors: those of `fetch`.
    """
    module = _module(address)[1]
    asked = module.parse(address)
    with quiet(), tempfile.TemporaryDirectory() as temp:
        return cast("Ahead", module.ahead(asked, Path(temp)))


def _module(address: str) -> tuple[str, ModuleType]:
    match = _ADDRESS.fullmatch(address)
    if match is None:
        hint = "hf:ORG/NAME, kaggle:OWNER/NAME, https://…, s3://…, gs://…, abfs://…, people:DATABASE or sql:URL"
        raise RecipeError("this is no address that can be fetched", shown(address), hint)
    kind = match[1] or match[2]
    return kind, importlib.import_module(f"tuneset.fetch.{MODULES[kind]}")
