"""Datasets of the Hugging Face Hub: their own tables or the Hub's copies in Parquet; no program of a dataset is ever run."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import time
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from tuneset.errors import RecipeError, RunError, need, way_out
from tuneset.fetch import features, layout
from tuneset.fetch.download import Refused, Wanted, download
from tuneset.fetch.fetched import About, Ahead, Event, Fetched, pin, pinned, plain_name
from tuneset.fetch.unreachable import unreachable
from tuneset.publish.http import AGAIN, PAUSE, TRIES, asked_for, hidden
from tuneset.publish.places import checked

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from tuneset.fetch.fetched import Watch

EXTRA = "hub"
ADDRESS = "https://huggingface.co"
CONVERTED = "refs/convert/parquet"
_NAME = re.compile(
    r"hf:(?:datasets/)?(?P<name>[\w.-]+/[\w.-]+)(?::(?P<config>[^:@/\s][^:@\s]*))?(?:@(?P<revision>[^\s:@]+))?"
)


class Asked(NamedTuple):
    """A dataset as one user names it."""

    address: str
    name: str
    config: str
    revision: str


class _File(NamedTuple):
    """A file of a repository: where it is, and how to know that it came whole."""

    path: str
    bytes: int
    sha256: str  # of a large file
    blob: str  # git's own hash of a small one
    revision: str


class _Work(NamedTuple):
    """What every part of a fetch needs."""

    asked: Asked
    api: Any
    token: str
    folder: Path
    watch: Watch


class _Plan(NamedTuple):
    """What is to be fetched of a dataset."""

    config: str
    splits: Mapping[str, Sequence[_File]]
    says: tuple[str, ...]


class _Found(NamedTuple):
    """What the Hub and a dataset's card say of it."""

    info: Any
    revision: str
    card: str  # the name of its file
    data: Mapping[str, Any]
    plan: _Plan


def parse(address: str) -> Asked:
    """Read `hf:ORG/NAME[:config][@revision]`.

    >>> parse("hf:PolyAI/banking77:default@main")[1:]
    ('PolyAI/banking77', 'default', 'main')
    """
    found = _NAME.fullmatch(address)
    if found is None:
        raise RecipeError("this names no dataset of the Hub", address, "hf:ORG/NAME, such as hf:stanfordnlp/imdb")
    return Asked(address, found["name"], found["config"] or "", found["revision"] or "")


def fetch(asked: Asked, folder: Path, watch: Watch, limit: int) -> Fetched:
    """Fetch each split of a dataset's configuration as files of its own.

    The tables are the dataset's own Parquet files, else those that the Hub made of it (`refs/convert/parquet`, where no
    revision is asked for), else its JSON lines or CSV. Parquet becomes one file a split. Each file is compared with the
    hash that the Hub gives for it. Label numbers become names. HF_TOKEN, where it is set, goes to the Hub and nowhere else.
    """
    work = _Work(asked, *client(), folder, watch)
    info, revision, card, data, plan = _found(work)
    _within(asked, plan, limit)
    told = features.of_card(data, plan.config)
    kept = {split: _split(work, split, shards, told) for split, shards in plan.splits.items()}
    shutil.rmtree(folder / "parts", ignore_errors=True)
    about = About(
        f"hf:{asked.name}:{plan.config}",
        revision,
        _licence(data, info),
        _citation(folder / card if card else None, info),
        card,
        {name: split for split, names in kept.items() for name in names},
        plan.says,
    )
    return Fetched(tuple(folder / name for names in kept.values() for name in names), about)


def ahead(asked: Asked, folder: Path) -> Ahead:
    """Say which files `fetch` would bring; only the card is fetched."""
    info, revision, _, data, plan = _found(_Work(asked, *client(), folder, lambda _: None))
    files = tuple((file.path, file.bytes) for shards in plan.splits.values() for file in shards)
    says = (f"splits: {', '.join(plan.splits)}", *plan.says)
    return Ahead(f"hf:{asked.name}:{plan.config}", files, _licence(data, info), revision, says)


def _found(work: _Work) -> _Found:
    asked, folder = work.asked, work.folder
    with _explained(asked, work.api):
        info = _told(work, pinned(folder) or asked.revision or None)
        revision = pin(folder, str(info.sha))
        files = _files(work.api, asked.name, revision)
        card, data = _card(work, files)
        return _Found(info, revision, card, data, _planned(work, data, files))


def client() -> tuple[Any, str]:
    """Return the Hub's own client, with HF_TOKEN or nobody's name, and without its telemetry; and the token."""
    hub, constants = need("huggingface_hub", EXTRA), need("huggingface_hub.constants", EXTRA)
    constants.HF_HUB_DISABLE_TELEMETRY = True
    endpoint = (
        checked(os.environ["HF_ENDPOINT"].rstrip("/"), "HF_ENDPOINT") if os.environ.get("HF_ENDPOINT") else ADDRESS
    )
    token = os.environ.get("HF_TOKEN", "").strip()
    return hub.HfApi(endpoint=endpoint, token=token or False, library_name="tuneset"), token


def _told(work: _Work, revision: str | None) -> Any:
    """Ask what the Hub knows of a revision, again where it is busy: of all its client's questions only this one gives up."""
    errors = need("huggingface_hub.errors", EXTRA)
    for attempt in range(TRIES):
        try:
            return work.api.dataset_info(work.asked.name, revision=revision)
        except errors.HfHubHTTPError as error:
            if error.response.status_code not in AGAIN or attempt == TRIES - 1:
                raise
            wait = asked_for(error.response.headers, PAUSE * 2**attempt)
            work.watch(Event(work.asked.name, "wait", says=f"{error.response.status_code}; again in {wait:.0f} s"))
            time.sleep(wait)
    raise AssertionError("the last try returns or raises")


def _files(api: Any, name: str, revision: str) -> list[_File]:
    listed = api.list_repo_tree(name, repo_type="dataset", revision=revision, recursive=True)
    return [
        _File(each.path, each.size, each.lfs.sha256 if each.lfs else "", each.blob_id, revision)
        for each in listed
        if hasattr(each, "size") and hasattr(each, "blob_id")
    ]


def _card(work: _Work, files: Sequence[_File]) -> tuple[str, Mapping[str, Any]]:
    """Fetch the README and read its YAML."""
    readme = next((file for file in files if file.path == "README.md"), None)
    if readme is None:
        return "", {}
    path = work.folder / "card.md"
    _download(work, readme, path)
    load, yaml = need("huggingface_hub.repocard", EXTRA).metadata_load, need("yaml", EXTRA)
    try:
        return path.name, load(path) or {}
    except (ValueError, yaml.YAMLError, UnicodeDecodeError):
        return path.name, {}  # a card that is no YAML says nothing


def _planned(work: _Work, card: Mapping[str, Any], files: Sequence[_File]) -> _Plan:
    """Choose configuration and files: own Parquet, the Hub's copy, or other tables, in this order."""
    asked, by_path = work.asked, {file.path: file for file in files}
    own = {name: splits for name, splits in layout.configurations(card, list(by_path)).items() if splits}
    paths = [path for splits in own.values() for shards in splits.values() for path in shards]
    columnar = bool(paths) and all(path.endswith(".parquet") for path in paths)
    if not columnar and not asked.revision and (copy := _copied(work, card)):
        return copy
    if not own:
        program = f"{asked.name.rpartition('/')[2]}.py" in by_path
        what = "only a program that makes its rows, which is not run" if program else "no tables"
        hint = "look for a copy in Parquet: tuneset search, or the dataset's discussions"
        raise RunError(f"this dataset has {what}", asked.address, hint)
    config = layout.choose(card, own, asked.config, asked.address)
    others = sorted(
        {PurePosixPath(path).suffix for paths in own[config].values() for path in paths if not layout.is_table(path)}
    )
    if others:
        what = f"this dataset has files that are not read: {', '.join(others)}"
        raise RunError(what, asked.address, f"tables are read: {', '.join(sorted(layout.TABLES))}")
    return _Plan(config, {split: [by_path[path] for path in paths] for split, paths in own[config].items()}, ())


def _copied(work: _Work, card: Mapping[str, Any]) -> _Plan | None:
    asked, api, folder = work.asked, work.api, work.folder
    errors = need("huggingface_hub.errors", EXTRA)
    try:
        commit = pinned(folder, CONVERTED) or str(_told(work, CONVERTED).sha)
        files = {file.path: file for file in _files(api, asked.name, commit)}
    except errors.RevisionNotFoundError:
        return None
    found = layout.converted(files)
    if not found:
        return None
    config = layout.choose(card, found, asked.config, asked.address)
    pin(folder, commit, CONVERTED)
    says = [f"read from the Hub's copy in Parquet ({CONVERTED}, {commit[:12]})"]
    cut = [split for split in found[config] if split.startswith("partial-")]
    says += [f"the Hub's copy holds only the first part of {split.removeprefix('partial-')}" for split in cut]
    splits = {split.removeprefix("partial-"): [files[path] for path in paths] for split, paths in found[config].items()}
    return _Plan(config, splits, tuple(says))


def _split(work: _Work, split: str, shards: Sequence[_File], told: features.Names) -> list[str]:
    """Fetch the files of one split; return the names under which they lie: one of Parquet, or one for each other file."""
    if all(shard.path.endswith(".parquet") for shard in shards):
        finals = [_joined(work, split, shards, told)]
    else:
        stems = [f"{split}-{number:05d}" if len(shards) > 1 else split for number in range(len(shards))]
        finals = [_single(work, stem, shard, told) for stem, shard in zip(stems, shards, strict=True)]
    for shard in shards:
        _place(shard, work.folder).unlink(missing_ok=True)
    for final in finals:
        work.watch(Event(final.name, "done", final.stat().st_size, final.stat().st_size))
    return [final.name for final in finals]


def _joined(work: _Work, split: str, shards: Sequence[_File], told: features.Names) -> Path:
    final = work.folder / f"{plain_name(split, 'train')}.parquet"
    if final.exists():
        return final
    parts = [_part(work, shard) for shard in shards]
    names = features.of_parquet(parts[0]) or told
    if len(parts) > 1 or names:
        features.join(parts, final, names)
        return final
    return parts[0].replace(final)


def _single(work: _Work, stem: str, shard: _File, told: features.Names) -> Path:
    suffixes = PurePosixPath(shard.path).suffixes
    packed = suffixes[-1] in layout.PACKED
    final = work.folder / plain_name(f"{stem}{''.join(suffixes[-2:] if packed else suffixes[-1:])}")
    if final.exists():
        return final
    part = _part(work, shard)
    if told and suffixes[-1] in (".csv", ".tsv", ".jsonl", ".ndjson"):
        features.rename_text(part, final, told)
        return final
    return part.replace(final)


def _place(file: _File, folder: Path) -> Path:
    """Name a part by its hash and its own ending, so that an earlier call's is found again."""
    return folder / "parts" / f"{(file.sha256 or file.blob)[:40]}{PurePosixPath(file.path).suffix}"


def _part(work: _Work, file: _File) -> Path:
    path = _place(file, work.folder)
    path.parent.mkdir(exist_ok=True)
    if path.exists():
        work.watch(Event(file.path, "already", file.bytes, file.bytes))
    else:
        _download(work, file, path)
    return path


def _download(work: _Work, file: _File, path: Path) -> None:
    hub, name, endpoint = need("huggingface_hub", EXTRA), work.asked.name, work.api.endpoint
    url = hub.hf_hub_url(name, file.path, repo_type="dataset", revision=file.revision, endpoint=endpoint)
    headers = {"Authorization": f"Bearer {work.token}"} if work.token else {}
    wanted = Wanted(url, headers, file.bytes, is_whole=lambda part: _is_whole(part, file))
    try:
        download(wanted, path, lambda event: work.watch(event._replace(file=file.path)))
    except Refused as error:
        if error.status in (401, 403):
            raise _gated(work.asked, work.api) from error
        raise


def _gated(asked: Asked, api: Any) -> RunError:
    hint = f"open {api.endpoint}/datasets/{asked.name}, agree to its terms, then set HF_TOKEN"
    return RunError("this dataset is only for those who agreed to its terms", asked.address, hint)


def _is_whole(path: Path, file: _File) -> bool:
    """Compare a file with the Hub's sha256 of it, or with git's own hash where it is small."""
    digest = (
        hashlib.sha256()
        if file.sha256
        else hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    )
    with path.open("rb") as opened:
        while chunk := opened.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest() == (file.sha256 or file.blob)


def _within(asked: Asked, plan: _Plan, limit: int) -> None:
    size = sum(file.bytes for files in plan.splits.values() for file in files)
    if limit and size > limit:
        what = f"this dataset has {size:,} bytes, more than {limit:,}"
        raise RunError(what, asked.address, "allow more with a higher limit, or name a smaller configuration")


def _licence(card: Mapping[str, Any], info: Any) -> str:
    given = card.get("license") or card.get("licence")
    named = card.get("license_name") if given == "other" else None
    if given or named:
        return ", ".join(map(str, given)) if isinstance(given, list) else str(named or given)
    return next((tag.removeprefix("license:") for tag in info.tags or () if tag.startswith("license:")), "")


def _citation(card: Path | None, info: Any) -> str:
    """Find the BibTeX of a dataset: in its card, else what the Hub says."""
    text = card.read_text(encoding="utf-8", errors="replace") if card else ""
    fenced = re.search(r"```(?:bibtex|latex|tex)?\s*\n\s*(@\w+\s*\{.*?)\n?```", text, re.DOTALL | re.IGNORECASE)
    found = fenced[1] if fenced else (getattr(info, "citation", None) or "")
    return found.strip()[:4000]


@contextlib.contextmanager
def _explained(asked: Asked, api: Any) -> Iterator[None]:
    """Turn what the Hub's client raises into three lines."""
    errors, network = need("huggingface_hub.errors", EXTRA), need("httpx2", EXTRA)
    where = asked.address
    try:
        yield
    except errors.GatedRepoError as error:
        raise _gated(asked, api) from error
    except errors.RevisionNotFoundError as error:
        hint = "a branch, a tag or a commit, as its page lists them"
        raise RunError(f"this dataset has no revision {asked.revision!r}", where, hint) from error
    except errors.RepositoryNotFoundError as error:
        near = _near(api, asked.name)
        hint = f"{near}; a private one needs HF_TOKEN" if near else "check the name; a private one needs HF_TOKEN"
        raise RunError("the Hub has no such dataset, or it is private", where, hint) from error
    except errors.HFValidationError as error:
        raise RecipeError(
            "this names no dataset of the Hub", where, "hf:ORG/NAME, such as hf:stanfordnlp/imdb"
        ) from error
    except errors.HfHubHTTPError as error:
        status = getattr(error.response, "status_code", 0)
        said = " ".join(hidden(str(error), [os.environ.get("HF_TOKEN", "")]).split())[:200]
        hint = "check HF_TOKEN" if status in (401, 403) else "try again later"
        raise RunError(f"the Hub refused ({status}): {said}", where, hint) from error
    except errors.OfflineModeIsEnabled as error:
        raise RunError("the Hub is not asked: HF_HUB_OFFLINE is set", where, "unset HF_HUB_OFFLINE") from error
    except (network.HTTPError, ConnectionError, TimeoutError) as error:
        raise unreachable(urlsplit(api.endpoint).hostname or ADDRESS, where, error) from error
    except OSError as error:
        raise RunError(
            f"this cannot be written: {error.strerror or error}", str(error.filename or where), way_out(error)
        ) from error


def _near(api: Any, name: str) -> str:
    """Name datasets that are called nearly so."""
    errors, network = need("huggingface_hub.errors", EXTRA), need("httpx2", EXTRA)
    try:
        found = [each.id for each in api.list_datasets(search=name.rpartition("/")[2], sort="downloads", limit=3)]
    except (errors.HfHubHTTPError, network.HTTPError, OSError):
        return ""
    return ", ".join(f"hf:{each}" for each in found)
