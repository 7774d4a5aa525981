"""Single files: of the web by HTTP, of S3, Google's and Azure's storage by fsspec's own clients."""

from __future__ import annotations

import contextlib
import os
import re
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, unquote, urlsplit

from tuneset.errors import InputError, RecipeError, RunError, need, way_out
from tuneset.fetch.download import Wanted, download, head
from tuneset.fetch.fetched import About, Ahead, Event, Fetched, plain_name, shown
from tuneset.publish.http import hidden
from tuneset.publish.places import local

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tuneset.fetch.fetched import Watch

EXTRA = "storage"
CHUNK = 8 << 20
_SECRETS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AZURE_STORAGE_ACCOUNT_KEY",
    "AZURE_STORAGE_CONNECTION_STRING",
    "AZURE_STORAGE_SAS_TOKEN",
    "AZURE_CLIENT_SECRET",
)


class Asked(NamedTuple):
    """A file as one user names it: `url` has the secrets of the environment in it, `address` has none."""

    address: str
    url: str


def parse(address: str) -> Asked:
    """Read the address of a file; `${NAME}` in it is filled in from the environment.

    A page that shows a file is not the file: for GitHub, GitLab, the Hub and Kaggle the error says which address is.

    >>> parse("https://github.com/ann/sets/blob/main/a.csv")
    Traceback (most recent call last):
    tuneset.errors.RecipeError: this is a page that shows a file, not the file
      at   https://github.com/ann/sets/blob/main/a.csv
      try  https://raw.githubusercontent.com/ann/sets/main/a.csv
    """
    url, where = filled(address), shown(address)
    parts = urlsplit(url)
    if not parts.hostname and parts.scheme in ("http", "https"):
        raise RecipeError("this address has no host", where, "https://HOST/FILE")
    if instead := _instead(parts.hostname or "", parts.path):
        raise RecipeError("this is a page that shows a file, not the file", where, instead)
    if parts.scheme not in ("http", "https") and not parts.path.strip("/"):
        raise RecipeError("this names a bucket, not a file", where, f"{parts.scheme}://BUCKET/FOLDER/FILE.csv")
    return Asked(where, url)


def filled(address: str) -> str:
    """Fill `${NAME}` in from the environment, written so that any sign may be in it."""

    def value(found: re.Match[str]) -> str:
        if not (held := os.environ.get(found[1], "").strip()):
            raise RunError(f"the environment has no {found[1]}", shown(address), f"export {found[1]}=…, and run again")
        return quote(held, safe="")

    return re.sub(r"\$\{(\w+)\}", value, address)


def _instead(name: str, path: str) -> str:
    """Return the address to give in the place of a page; "" where it is none that is known."""
    if name in ("github.com", "www.github.com") and (page := re.match(r"/([^/]+/[^/]+)/blob/(.+)", path)):
        return f"https://raw.githubusercontent.com/{page[1]}/{page[2]}"
    if name == "gitlab.com" and "/-/blob/" in path:
        return f"https://gitlab.com{path.replace('/-/blob/', '/-/raw/')}"
    if name == "huggingface.co" and (
        page := re.match(r"/datasets/([^/]+/[^/]+)(/blob/.+|/viewer.*|/tree/.+)?/?$", path)
    ):
        own = (page[2] or "").startswith("/blob/")
        return f"https://huggingface.co{path.replace('/blob/', '/resolve/', 1)}" if own else f"hf:{page[1]}"
    if name in ("kaggle.com", "www.kaggle.com") and (page := re.match(r"/datasets/([^/]+/[^/]+)", path)):
        return f"kaggle:{page[1]}"
    return ""


def fetch(asked: Asked, folder: Path, watch: Watch, limit: int) -> Fetched:
    """Fetch one file, streamed; it is gone on with after a kill where the server or the storage knows ranges.

    Plain http is fine on this machine; elsewhere it is said, as anyone on the way could change the file.
    Keys: those of the environment, as s3fs, gcsfs and adlfs read them. No licence is known: the recipe may name it.
    """
    return (_web if asked.url.startswith("http") else _bucket)(asked, folder, watch, limit)


def ahead(asked: Asked, _: Path) -> Ahead:
    """Say how large the file is; nothing of it is read."""
    if asked.url.startswith("http"):
        got = head(asked.url)
        return Ahead(asked.address, ((plain_name(unquote(urlsplit(asked.url).path)), got.bytes),), revision=got.tag)
    with _stored(asked) as (store, remote):
        info = _info(asked, store, remote)
        return Ahead(asked.address, ((plain_name(remote), info["size"]),), revision=_version(info))


def _web(asked: Asked, folder: Path, watch: Watch, limit: int) -> Fetched:
    parts = urlsplit(asked.url)
    name = plain_name(unquote(parts.path))
    path = folder / name
    got = download(Wanted(asked.url, limit=limit), path, watch)
    if got.kind == "text/html" and path.suffix.lower() not in (".html", ".htm"):
        path.unlink()
        raise InputError(
            "this address is a page, not a file", asked.address, "open it, and copy the address of its download"
        )
    plainly = parts.scheme == "http" and not local(parts)
    says = ("it came over plain http: anyone on the way could have changed it",) if plainly else ()
    return Fetched((path,), About(asked.address, got.tag, says=says))


def _bucket(asked: Asked, folder: Path, watch: Watch, limit: int) -> Fetched:
    with _stored(asked) as (store, remote):
        path, info = folder / plain_name(remote), _info(asked, store, remote)
        tag = _version(info)
        if limit and info["size"] > limit:
            what = f"this has {info['size']:,} bytes, more than {limit:,}"
            raise RunError(what, asked.address, "allow more with a higher limit, or take a part of it")
        _ranges(_Object(store, remote, info["size"], tag), path, watch)
        if tag and tag != _version(store.info(remote)):
            path.unlink()
            raise RunError("the file changed while it was read", asked.address, "run the same command again")
        return Fetched((path,), About(asked.address, tag))


def _info(asked: Asked, store: Any, remote: str) -> Mapping[str, Any]:
    info: Mapping[str, Any] = store.info(remote)
    if info.get("type") == "directory":
        raise RunError("this is a folder, not a file", asked.address, "name the file")
    return info


@contextlib.contextmanager
def _stored(asked: Asked) -> Iterator[tuple[Any, str]]:
    """Give the storage and the file's name there; what its client raises becomes three lines."""
    kind = urlsplit(asked.url).scheme
    store, errors = {"s3": _amazon, "gs": _google, "abfs": _azure, "abfss": _azure}[kind](asked.url)
    remote = asked.url.partition("://")[2] if kind in ("s3", "gs") else store._strip_protocol(asked.url)  # noqa: SLF001  fsspec's way
    try:
        yield store, remote
    except FileNotFoundError as error:
        raise RunError(
            "there is no such file in the storage", asked.address, "check the bucket and the name"
        ) from error
    except errors as error:
        if isinstance(error, OSError) and error.filename:
            raise RunError(f"this cannot be written: {error}", str(error.filename), way_out(error)) from error
        said = (
            " ".join(hidden(str(error), [os.environ.get(name, "") for name in _SECRETS]).split())[:200]
            or type(error).__name__
        )
        hint = "check the bucket's name, and what these credentials may do"
        raise RunError(f"the storage did not give it: {said}", asked.address, hint) from None


def _version(info: Mapping[str, Any]) -> str:
    return str(info.get("generation") or info.get("ETag") or info.get("etag") or "").strip('"')


class _Object(NamedTuple):
    """An object of a storage, at one version."""

    store: Any
    name: str
    bytes: int
    version: str


def _ranges(held: _Object, path: Path, watch: Watch) -> None:
    """Read an object range by range; what is here of the same version stays."""
    size, version = held.bytes, plain_name(held.version, "none")[:40]
    part, whole = path.with_name(f".{path.name}.{version}.part"), path.with_name(f".{path.name}.{version}.whole")
    if path.exists() and whole.exists() and held.version:
        watch(Event(path.name, "already", size, size))
        return
    have = part.stat().st_size if part.exists() and held.version else 0
    watch(Event(path.name, "start", have, size))
    with part.open("r+b" if have else "wb") as file:
        file.seek(have)
        while have < size:
            chunk = held.store.cat_file(held.name, start=have, end=min(have + CHUNK, size))
            if not chunk:
                what = f"the storage ended after {have:,} of {size:,} bytes"
                raise RunError(what, shown(held.name), "run the same command again")
            file.write(chunk)
            have += len(chunk)
            watch(Event(path.name, "part", have, size))
    whole.touch()
    part.replace(path)
    watch(Event(path.name, "done", size, size))


def _amazon(_: str) -> tuple[Any, tuple[type[BaseException], ...]]:
    fs, wrong = need("s3fs", EXTRA), need("botocore.exceptions", EXTRA)
    own = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    named = any(os.environ.get(name) for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE"))
    store = fs.S3FileSystem(endpoint_url=own, anon=not named, skip_instance_cache=True, use_listings_cache=False)
    return store, (OSError, wrong.BotoCoreError, wrong.ClientError)


def _google(_: str) -> tuple[Any, tuple[type[BaseException], ...]]:
    fs, wrong = need("gcsfs.core", EXTRA), need("google.auth.exceptions", EXTRA)
    network, refused = need("aiohttp", EXTRA), need("gcsfs.retry", EXTRA)
    own = os.environ.get("STORAGE_EMULATOR_HOST")
    token = "google_default" if os.environ.get("GOOGLE_APPLICATION_CREDENTIALS") else "anon"
    address = f"http://{own}" if own and "://" not in own else own
    store = fs.GCSFileSystem(token=token, endpoint_url=address, skip_instance_cache=True)
    return store, (OSError, wrong.GoogleAuthError, network.ClientError, refused.HttpError)


def _azure(url: str) -> tuple[Any, tuple[type[BaseException], ...]]:
    fs, wrong = need("adlfs", EXTRA), need("azure.core.exceptions", EXTRA)
    parts = urlsplit(url)
    account = (
        (parts.hostname or "").partition(".")[0] if parts.username else os.environ.get("AZURE_STORAGE_ACCOUNT_NAME", "")
    )
    own = os.environ.get("AZURE_STORAGE_CONNECTION_STRING")
    if not account and not own:
        hint = "abfs://CONTAINER@ACCOUNT.dfs.core.windows.net/FILE, or set AZURE_STORAGE_ACCOUNT_NAME"
        raise RunError("this does not say whose storage it is", shown(url), hint)
    keyed = any(os.environ.get(name) for name in (*_SECRETS[3:], "AZURE_TENANT_ID"))
    store = fs.AzureBlobFileSystem(
        account_name=account or None, connection_string=own, anon=not keyed, skip_instance_cache=True
    )
    return store, (OSError, wrong.AzureError, ValueError)
