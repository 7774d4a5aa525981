"""What fetching leaves behind: plain files, what is known about them, and a list of them that is written last."""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path  # noqa: TC003  a NamedTuple's
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import orjson
import polars as pl

from tuneset.folder import file_hash, hash_of, to_json, write, writing

LIST, BEGUN = "fetched.json", "fetching.json"
LIMIT = 50 << 30  # bytes of one address, unless the user says otherwise


class Event(NamedTuple):
    """A file comes, has come, or the server is waited for; what a terminal shows as it goes."""

    file: str
    kind: str  # start, part, wait, done or already
    bytes: int = 0  # there so far; rows for a database
    of: int = 0  # 0 where nobody says
    says: str = ""


class About(NamedTuple):
    """What is known about an address: no secret of it, and nothing that depends on the clock."""

    address: str
    revision: str = ""  # what pins it: a commit, a version, an ETag
    licence: str = ""  # as the place writes it; "" where it says nothing
    citation: str = ""
    card: str = ""  # the name of a saved file beside the data
    splits: Mapping[str, str] = MappingProxyType({})  # name of a file: the split that it is
    says: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()  # its label columns, where its place knows them
    stands: Mapping[str, Any] = MappingProxyType({})  # shares against those of its users, where its place knows them


class Fetched(NamedTuple):
    """Files to read, in order, and what is known about them."""

    files: tuple[Path, ...]
    about: About


class Ahead(NamedTuple):
    """What fetching an address would bring, as far as its place says before anything is downloaded."""

    address: str
    files: tuple[tuple[str, int], ...] = ()  # name and bytes; 0 bytes where nobody says
    licence: str = ""
    revision: str = ""
    says: tuple[str, ...] = ()


Watch = Callable[[Event], None]


# Parameters of signed addresses and keys; what is longer than a word is taken for one, too.
_SECRET = re.compile(
    r"(?i)([?&][^=&#\s]*(?:sig|token|key|pass|secret|auth|cred|pwd|policy|odbc)[^=&#\s]*=)[^&#\s]+|([?&][^=&#\s]*=)[^&#\s]{25,}"
)


def shown(address: str) -> str:
    """Return an address without what nobody may read: a login, and secrets behind its question mark.

    >>> shown("https://ann:geheim@example.org/a.csv?X-Amz-Signature=99&page=2#top")
    'https://example.org/a.csv?X-Amz-Signature=…&page=2'
    >>> shown("sql:postgresql://ann:${DB_PASSWORD}@db.example.org/shop")
    'sql:postgresql://ann@db.example.org/shop'
    """
    hidden = re.sub(r"(://[^/@:\s]*):[^/\s]*@", r"\1@", address)
    if re.match(r"(https?|s3|gs)://", hidden):
        hidden = re.sub(r"://[^/@\s]*@", "://", hidden).partition("#")[0]
    long = not address.startswith("sql:")  # there a path may stand: ?host=/var/run/postgresql
    return _SECRET.sub(lambda found: f"{found[1] or found[2]}…" if found[1] or long else found[0], hidden)


def written(address: str) -> str:
    """Return an address as it may be written down: a secret that stands in it is left out, `${NAME}` stays.

    >>> written("https://example.org/a.csv?token=${TOKEN}&signature=99&page=2")
    'https://example.org/a.csv?token=${TOKEN}&signature=…&page=2'
    >>> written("https://ann:geheim@example.org/a.csv")
    'https://ann:…@example.org/a.csv'
    """
    long = not address.startswith("sql:")
    hidden = re.sub(r"(://[^/@:\s]*):(?!\$\{\w+\}@)[^/\s]*@", r"\1:…@", address)

    def left(found: re.Match[str]) -> str:
        name = found[1] or found[2]
        own = re.fullmatch(r"\$\{\w+\}", found[0].removeprefix(name))
        return found[0] if own or not (found[1] or long) else f"{name}…"

    return _SECRET.sub(left, hidden)


def there(folder: Path, address: str, query: str) -> Fetched | None:
    """Return what a folder holds of an address where it is complete."""
    return _listed(folder) if _read(folder / BEGUN).get("key") == hash_of(shown(address), query) else None


def begin(folder: Path, address: str, query: str) -> Fetched | None:
    """Return what a folder holds of an address where it is complete; else make it ready, without what is of another.

    What an earlier call of the same address left behind stays: it is taken up.
    """
    key = hash_of(shown(address), query)
    begun = _read(folder / BEGUN).get("key")
    if begun == key and (found := _listed(folder)):
        return found
    if folder.exists() and begun != key:
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if begun != key:
        write(folder / BEGUN, to_json({"key": key}))
    return None


def pin(folder: Path, revision: str, of: str = "revision") -> str:
    """Keep the revision that a fetch began with, so that one that was killed ends with the same bytes."""
    kept = _read(folder / BEGUN)
    if not kept.get(of):
        kept[of] = revision
        write(folder / BEGUN, to_json(kept))
    return str(kept[of])


def pinned(folder: Path, of: str = "revision") -> str:
    """Return the revision that an earlier, unfinished fetch began with, or ""."""
    return str(_read(folder / BEGUN).get(of, ""))


def end(folder: Path, fetched: Fetched) -> Fetched:
    """Write the list of all files with their hashes, which makes a fetch complete."""
    named = [*fetched.files, *([folder / fetched.about.card] if fetched.about.card else [])]
    files = {path.name: {"bytes": path.stat().st_size, "sha256": file_hash(path)} for path in named}
    order = [path.name for path in fetched.files]
    write(
        folder / LIST,
        to_json(
            {
                "about": fetched.about._asdict()
                | {"splits": dict(fetched.about.splits), "stands": dict(fetched.about.stands)},
                "order": order,
                "files": files,
            }
        ),
    )
    return fetched


def _listed(folder: Path) -> Fetched | None:
    kept = _read(folder / LIST)
    there = {name: folder / name for name in kept.get("files", ())}
    if not there or any(
        not path.is_file() or path.stat().st_size != kept["files"][name]["bytes"] for name, path in there.items()
    ):
        return None
    about = kept["about"] | {name: tuple(kept["about"].get(name, ())) for name in ("says", "labels")}
    return Fetched(tuple(there[name] for name in kept["order"]), About(**about))


def _read(path: Path) -> dict[str, Any]:
    try:
        return dict(orjson.loads(path.read_bytes()))
    except (FileNotFoundError, orjson.JSONDecodeError):
        return {}


@contextlib.contextmanager
def finished(final: Path) -> Iterator[Path]:
    """Give a temporary path that takes the name of `final` at the end; only what the disk refuses is said to be the disk's."""
    passing = final.with_name(f".{final.name}.writing")
    try:
        yield passing
        passing.replace(final)
    except (OSError, pl.exceptions.ComputeError) as error:
        if not isinstance(error, OSError) and "os error" not in str(error):
            raise
        with writing(final):
            raise


def plain_name(name: str, otherwise: str = "data") -> str:
    """Return a name that is safe as a file's: without folders, control signs or a leading dot, at most 120 long.

    >>> plain_name("../../etc/passwd"), plain_name("Größe 1.csv"), plain_name("..")
    ('passwd', 'Größe_1.csv', 'data')
    """
    last = re.split(r"[\\/]", name)[-1]
    safe = re.sub(r"[^\w.=-]+", "_", last).lstrip(".")
    stem, dot, suffix = safe.partition(".")
    return f"{stem[:100]}{dot}{suffix[-20:]}" or otherwise


def folder_name(address: str, query: str = "") -> str:
    """Name the folder of an address: words of it, and a hash of all of it.

    >>> folder_name("hf:PolyAI/banking77:default")
    'PolyAI-banking77-default-670e3882'
    """
    words = re.sub(r"[^\w]+", "-", re.sub(r"^\w+:/*", "", shown(address))).strip("-")[-60:].strip("-")
    return f"{words}-{hash_of(shown(address), query)[:8]}"


def bare(url: str) -> str:
    """Return an address without its login and what stands behind its question mark, for a message.

    >>> bare("https://ann:x@example.org:8443/a.csv?token=b")
    'https://example.org:8443/a.csv'
    """
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
