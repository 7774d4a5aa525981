"""Datasets of Kaggle by its own client: their tables only, at one version, with nothing of a login but what the environment has."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tuneset.errors import RecipeError, RunError, need
from tuneset.fetch.fetched import About, Ahead, Event, Fetched, pin, pinned, plain_name
from tuneset.fetch.layout import TABLES, is_table
from tuneset.folder import write
from tuneset.publish.http import hidden

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tuneset.fetch.fetched import Watch

EXTRA = "kaggle"
SECRETS = ("KAGGLE_API_TOKEN", "KAGGLE_KEY")
_PAGE = 200


class Asked(NamedTuple):
    """A dataset as one user names it."""

    address: str
    owner: str
    name: str
    version: int  # 0 for the newest


def parse(address: str) -> Asked:
    """Read `kaggle:OWNER/NAME[@version]`.

    >>> parse("kaggle:ann/tickets@3")[1:]
    ('ann', 'tickets', 3)
    """
    found = re.fullmatch(r"kaggle:(?:datasets/)?([\w-]+)/([\w-]+)(?:@(?:v|version-?)?(\d+))?", address)
    if found is None:
        raise RecipeError("this names no dataset of Kaggle", address, "kaggle:OWNER/NAME or kaggle:OWNER/NAME@VERSION")
    return Asked(address, found[1], found[2], int(found[3] or 0))


def fetch(asked: Asked, folder: Path, watch: Watch, limit: int) -> Fetched:
    """Fetch the tables of a dataset, one by one, at the newest version or the one that is named.

    KAGGLE_API_TOKEN, or KAGGLE_USERNAME and KAGGLE_KEY, are used where they are set; files in the home folder are not
    looked at. A file that broke off is gone on with by Kaggle's client, which compares its MD5 too. The dataset's
    description is kept as its card. Read from kagglehub 1.0.3.
    """
    with client(folder) as (api, types, hub), _explained(asked):
        found = _dataset(api, types, asked)
        version = int(pin(folder, str(asked.version or pinned(folder) or found.current_version_number or 1)))
        tables, others = _files(api, types, asked, version)
        _refuse(asked, tables, others, limit)
        handle = f"{asked.owner}/{asked.name}/versions/{version}"
        kept = [_one(partial(hub.dataset_download, handle), table, folder, watch) for table in tables]
    shutil.rmtree(folder / ".kaggle", ignore_errors=True)
    if found.description:
        write(folder / "card.md", f"# {found.title or asked.name}\n\n{found.description}\n".encode())
    about = About(
        f"kaggle:{asked.owner}/{asked.name}",
        str(version),
        found.license_name or "",
        card="card.md" if found.description else "",
        says=_left(others),
    )
    return Fetched(tuple(kept), about)


def ahead(asked: Asked, folder: Path) -> Ahead:
    """Say which files `fetch` would bring."""
    with client(folder) as (api, types, _), _explained(asked):
        found = _dataset(api, types, asked)
        version = asked.version or found.current_version_number or 1
        tables, others = _files(api, types, asked, version)
    _refuse(asked, tables, others, 0)
    return Ahead(
        f"kaggle:{asked.owner}/{asked.name}", tuple(tables), found.license_name or "", str(version), _left(others)
    )


def _left(others: list[str]) -> tuple[str, ...]:
    return (f"{len(others):,} files that are no tables are left there",) if others else ()


def _dataset(api: Any, types: Any, asked: Asked) -> Any:
    request = types.ApiGetDatasetRequest()
    request.owner_slug, request.dataset_slug = asked.owner, asked.name
    return api.get_dataset(request)


def _files(api: Any, types: Any, asked: Asked, version: int) -> tuple[list[tuple[str, int]], list[str]]:
    """List the tables of a dataset with their sizes, and the names of everything else."""
    request = types.ApiListDatasetFilesRequest()
    request.owner_slug, request.dataset_slug = asked.owner, asked.name
    request.dataset_version_number, request.page_size = version, _PAGE
    listed: dict[str, int] = {}
    while True:
        answer = api.list_dataset_files(request)
        before = len(listed)
        listed |= {each.name: each.total_bytes for each in answer.dataset_files}
        if not answer.next_page_token or len(listed) == before:
            break
        request.page_token = answer.next_page_token
    tables = sorted((name, size) for name, size in listed.items() if is_table(name))
    return tables, sorted(name for name in listed if not is_table(name))


def _refuse(asked: Asked, tables: list[tuple[str, int]], others: list[str], limit: int) -> None:
    if not tables:
        kinds = ", ".join(sorted({Path(name).suffix or name for name in others})[:8])
        what = f"this dataset has no tables, only {kinds}" if kinds else "this dataset has no files"
        raise RunError(what, asked.address, f"tables are read: {', '.join(sorted(TABLES))}")
    size = sum(size for _, size in tables)
    if limit and size > limit:
        what = f"the tables of this dataset have {size:,} bytes, more than {limit:,}"
        raise RunError(what, asked.address, "allow more with a higher limit")


def _one(bring: Callable[..., str], table: tuple[str, int], folder: Path, watch: Watch) -> Path:
    name, size = table
    final = folder / plain_name(name.replace("/", "-"))
    if final.exists():
        watch(Event(name, "already", size, size))
        return final
    watch(Event(name, "start", 0, size))
    Path(bring(path=name)).replace(final)
    watch(Event(name, "done", final.stat().st_size, final.stat().st_size))
    return final


@contextlib.contextmanager
def client(folder: Path) -> Iterator[tuple[Any, Any, Any]]:
    """Give Kaggle's client, with the login of the environment or none, and all it writes inside `folder`.

    The client reads a login from files in the home folder, too, keeps a cache there and prints bars: for as long as it
    works, the home folder is one in `folder`.
    """
    own = folder / ".kaggle"
    own.mkdir(parents=True, exist_ok=True)
    place = str(own)
    set_for_now = {
        "HOME": place,
        "USERPROFILE": place,
        "KAGGLE_CONFIG_DIR": place,
        "KAGGLEHUB_CACHE": place,
        "DISABLE_KAGGLE_CACHE": "1",
        "DISABLE_COLAB_CACHE": "1",
        "KAGGLEHUB_VERBOSITY": "critical",
    }
    before = {name: os.environ.get(name) for name in set_for_now}
    os.environ.update(set_for_now)
    try:
        hub, clients = need("kagglehub", EXTRA), need("kagglehub.clients", EXTRA)
        types = need("kagglesdk.datasets.types.dataset_api_service", EXTRA)
        with clients.build_kaggle_client() as api, contextlib.redirect_stderr(io.StringIO()):  # where its bars go
            yield api.datasets.dataset_api_client, types, hub
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


@contextlib.contextmanager
def _explained(asked: Asked) -> Iterator[None]:
    """Turn what Kaggle's client raises into three lines."""
    network, errors = need("requests.exceptions", EXTRA), need("kagglehub.exceptions", EXTRA)
    where = asked.address
    try:
        yield
    except network.HTTPError as error:
        status = getattr(error.response, "status_code", 0)
        if status in (401, 403):
            hint = "set KAGGLE_API_TOKEN, or KAGGLE_USERNAME and KAGGLE_KEY; open its page and agree to its terms"
            raise RunError("Kaggle does not give this dataset to everybody", where, hint) from error
        if status == 404:
            hint = "check owner, name and version, as in the address of its page"
            raise RunError("Kaggle has no such dataset", where, hint) from error
        raise RunError(f"Kaggle refused ({status}): {_plain(error)}", where, "try again later") from error
    except (network.RequestException, OSError) as error:
        hint = "check the network, then run the same command again: it goes on from what is here"
        raise RunError(f"Kaggle cannot be reached: {_plain(error)}", where, hint) from error
    except (errors.DataCorruptionError, ValueError) as error:
        raise RunError(
            f"what came is not what was promised: {_plain(error)}", where, "run the same command again"
        ) from error


def _plain(error: BaseException) -> str:
    said = hidden(str(error), [os.environ.get(name, "") for name in SECRETS])
    return " ".join(said.split())[:160] or type(error).__name__
