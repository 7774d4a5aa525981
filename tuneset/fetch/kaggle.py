"""Datasets of Kaggle by its own client: their tables only, at one version, with nothing of a login but what the environment has."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import stat
import time
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote, urlsplit

from tuneset.errors import InputError, RecipeError, RunError, need, way_out
from tuneset.fetch.fetched import About, Ahead, Event, Fetched, finished, pin, pinned, plain_name
from tuneset.fetch.layout import TABLES, is_table
from tuneset.fetch.unreachable import unreachable
from tuneset.folder import write
from tuneset.publish.http import AGAIN, PAUSE, TRIES, asked_for, hidden
from tuneset.sources.unpack import check_growth

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tuneset.fetch.fetched import Watch

EXTRA, PLACE = "kaggle", "kaggle.com"
SECRETS = ("KAGGLE_API_TOKEN", "KAGGLE_KEY")
_PAGE = 200
_STEP = 1 << 20  # bytes


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
    looked at. A file that broke off is gone on with by Kaggle's client, which compares its MD5 too. What comes packed is
    unpacked here: only the table that was asked for, and not beyond what Kaggle says of its size. The dataset's
    description is kept as its card. Read from kagglehub 1.0.3.
    """
    with client(folder) as (api, types, bring), _explained(asked):
        found = _patient(lambda: _dataset(api, types, asked), watch)
        version = int(pin(folder, str(asked.version or pinned(folder) or found.current_version_number or 1)))
        tables, others = _patient(lambda: _files(api, types, asked, version), watch)
        _refuse(asked, tables, others, limit)
        source = _Source(api, types, bring, asked, version)
        kept = [_one(source, table, folder, watch, limit) for table in tables]
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
    return (f"{len(others):,} files that are no tables are left out",) if others else ()


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


class _Source(NamedTuple):
    """A version of a dataset, and the parts of Kaggle's client that give a file of it."""

    api: Any
    types: Any
    bring: Any
    asked: Asked
    version: int


def _one(source: _Source, table: tuple[str, int], folder: Path, watch: Watch, limit: int) -> Path:
    name, size = table
    final = folder / plain_name(name.replace("/", "-"))
    if final.exists():
        watch(Event(name, "already", size, size))
        return final
    watch(Event(name, "start", 0, size))
    came = folder / ".kaggle" / f"{final.name}.came"
    if _patient(lambda: _bring(source, name, came, limit), watch):
        _unpack(came, PurePosixPath(name).name, max(size, 0), final)
        came.unlink()
    else:
        came.replace(final)
    watch(Event(name, "done", final.stat().st_size, final.stat().st_size))
    return final


def _bring(source: _Source, name: str, came: Path, limit: int) -> bool:
    """Download a file as it is kept there, and say whether it is packed."""
    request = source.types.ApiDownloadDatasetRequest()
    request.owner_slug, request.dataset_slug = source.asked.owner, source.asked.name
    request.dataset_version_number, request.file_name = source.version, name
    answer = source.api.download_dataset(request)
    with contextlib.closing(answer):
        told = answer.headers.get("Content-Length", "")
        if limit and told.isdigit() and int(told) > limit:
            what = f"{name} has {int(told):,} bytes, more than {limit:,}"
            raise RunError(what, source.asked.address, "allow more with a higher limit")
        source.bring(answer, str(came), None)
        last = unquote(urlsplit(answer.url).path).rpartition("/")[2]
        return last == f"{PurePosixPath(name).name}.zip" and zipfile.is_zipfile(came)


def _unpack(came: Path, name: str, size: int, final: Path) -> None:
    """Unpack the one table of an archive to a path of ours; what is in it beside that is not looked at.

    Refused: a table under another name, a link in its place, and one that grows beyond what Kaggle says of its size and
    beyond 256 MB and 200 times what came.
    """
    try:
        with zipfile.ZipFile(came) as packed:
            inner = next((each for each in packed.infolist() if each.filename == name), None)
            if inner is None or stat.S_ISLNK(inner.external_attr >> 16) or inner.flag_bits & 1:
                raise InputError(f"this archive does not hold {name}", name, "look at the dataset's page")
            if inner.file_size > size:
                check_growth(inner.file_size, came.stat().st_size, name)
            with packed.open(inner) as table, finished(final) as passing, passing.open("wb") as out:
                shutil.copyfileobj(table, out, _STEP)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise InputError("this archive is cut off or damaged", name, "run the same command again") from error


def _patient(ask: Callable[[], Any], watch: Watch) -> Any:
    """Ask again where Kaggle is busy, after as long as it says; its client does not."""
    network = need("requests.exceptions", EXTRA)
    for attempt in range(TRIES):
        try:
            with quietly():
                return ask()
        except network.HTTPError as error:
            if error.response is None or error.response.status_code not in AGAIN or attempt == TRIES - 1:
                raise
            wait = asked_for(error.response.headers, PAUSE * 2**attempt)
            watch(Event("Kaggle", "wait", says=f"{error.response.status_code}; again in {wait:.0f} s"))
            time.sleep(wait)
    raise AssertionError("the last try returns or raises")


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Keep what Kaggle's client prints from the screen: bars, and that there is a newer one."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


@contextlib.contextmanager
def client(folder: Path) -> Iterator[tuple[Any, Any, Any]]:
    """Give Kaggle's client, its types and its way to download, with the login of the environment or none.

    The client reads a login from files in the home folder, too, and keeps a cache there: for as long as it works, the home
    folder is one in `folder`.
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
        clients = need("kagglehub.clients", EXTRA)
        types = need("kagglesdk.datasets.types.dataset_api_service", EXTRA)
        with clients.build_kaggle_client() as api:
            yield api.datasets.dataset_api_client, types, clients.download_file
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
    except (errors.DataCorruptionError, ValueError) as error:
        raise RunError(
            f"what came is not what was promised: {_plain(error)}", where, "run the same command again"
        ) from error
    except (network.RequestException, ConnectionError, TimeoutError) as error:
        raise unreachable(PLACE, where, error) from error
    except OSError as error:
        raise RunError(
            f"this cannot be written: {error.strerror or error}", str(error.filename or where), way_out(error)
        ) from error


def _plain(error: BaseException) -> str:
    said = hidden(str(error), [os.environ.get(name, "") for name in SECRETS])
    return " ".join(said.split())[:160] or type(error).__name__
