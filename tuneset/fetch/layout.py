"""Which files of a dataset on the Hub are which configuration and split: by its card, else by the names of its files."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from tuneset.errors import RunError, need
from tuneset.sources.formats import EXPECTED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    Splits = dict[str, list[str]]

EXTRA = "hub"
TABLES = frozenset(EXPECTED) - {".xlsm", ".xlsb", ".xls", ".ods", ".ipc", ".tab"}
PACKED = frozenset({".gz", ".zst", ".bz2", ".xz"})
_ASIDE = {"README.md", "config.json", "dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json"}
_WORDS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "dev", "val"),
    "test": ("test", "testing", "eval", "evaluation"),
}
_SEPARATORS = "-._ 0-9"
_IN_FOLDER = ("**/{word}/**", "**/{word}[{sep}]*/**", "**/*[{sep}]{word}/**", "**/*[{sep}]{word}[{sep}]*/**")
_IN_NAME = ("**/{word}[{sep}]*", "**/*[{sep}]{word}[{sep}]*")
_SHARD = re.compile(r"data/(.+)-\d{5}-of-\d{5}[^/]*\.[^/]*")


def configurations(card: Mapping[str, Any], paths: Sequence[str]) -> dict[str, Splits]:
    """Return the files of each split of each configuration, as the Hub's own loader finds them.

    `card`: the YAML of the README. Its `configs` say which files are meant; where it has none there is one configuration,
    "default", and the names say it: `data/SPLIT-00000-of-00001…`, else folders, else files that are called train, valid,
    dev, test, …, else all is train. Read from datasets 5 (data_files.py).

    >>> configurations({}, ["README.md", "train.csv", "dev.csv"])
    {'default': {'train': ['train.csv'], 'validation': ['dev.csv']}}
    """
    listed = card.get("configs")
    entries = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    if not entries:
        return {"default": _by_names(paths)}
    return {str(each.get("config_name", "default")): _of_config(each, paths) for each in entries}


def converted(paths: Iterable[str]) -> dict[str, Splits]:
    """Read the layout of the Hub's own copies in Parquet: CONFIG/SPLIT/0000.parquet, or CONFIG/partial-SPLIT/…."""
    found: dict[str, Splits] = {}
    for path in sorted(paths):
        parts = path.split("/")
        if len(parts) == 3 and path.endswith(".parquet"):
            found.setdefault(parts[0], {}).setdefault(parts[1], []).append(path)
    return found


def choose(card: Mapping[str, Any], found: Mapping[str, Splits], wanted: str, address: str) -> str:
    """Return the configuration to take: the one that is asked for, the only one, or the one that is the default."""
    if wanted in found:
        return wanted
    listed = ", ".join(list(found)[:20]) + (", …" if len(found) > 20 else "")
    if wanted:
        raise RunError(f"this dataset has no configuration {wanted!r}", address, f"one of: {listed}")
    marked = [
        each.get("config_name") for each in card.get("configs") or () if isinstance(each, dict) and each.get("default")
    ]
    first = next((name for name in (*marked, "default") if name in found), None) or (
        next(iter(found)) if len(found) == 1 else None
    )
    if first is None:
        raise RunError(
            "this dataset has several configurations", address, f"name one: {address}:CONFIGURATION of {listed}"
        )
    return str(first)


def is_table(path: str) -> bool:
    """Say whether a file is one that is read, packed or not.

    >>> is_table("data/train.jsonl.gz"), is_table("data/train.tar")
    (True, False)
    """
    name = PurePosixPath(path)
    return (PurePosixPath(name.stem).suffix if name.suffix.lower() in PACKED else name.suffix).lower() in TABLES


def _of_config(entry: Mapping[str, Any], paths: Sequence[str]) -> Splits:
    folder = str(entry.get("data_dir") or "").strip("/.")
    given = entry.get("data_files")
    if given is None:
        return _by_names([path for path in paths if not folder or path.startswith(f"{folder}/")], folder)
    named = _patterns(given)
    found = {
        split: [path for each in patterns for path in _matching(each, paths, folder)]
        for split, patterns in named.items()
    }
    return {split: list(dict.fromkeys(files)) for split, files in found.items() if files}


def _patterns(given: Any) -> dict[str, list[str]]:
    """Bring the card's ways to write `data_files` to one: split -> patterns."""
    if isinstance(given, dict):
        return {str(split): _texts(paths) for split, paths in given.items()}
    entries = given if isinstance(given, list) else [given]
    if any(isinstance(each, dict) for each in entries):
        return {str(each.get("split", "train")): _texts(each.get("path")) for each in entries if isinstance(each, dict)}
    return {"train": _texts(entries)}


def _texts(given: Any) -> list[str]:
    return [each for each in (given if isinstance(given, list) else [given]) if isinstance(each, str)]


def _matching(pattern: str, paths: Sequence[str], folder: str = "") -> list[str]:
    whole = pattern.removeprefix("./")
    whole = f"{folder}/{whole}" if folder else whole
    fits = re.compile(need("fsspec.utils", EXTRA).glob_translate(whole))
    return sorted(path for path in paths if fits.match(path) and _asked_for(path, whole))


def _asked_for(path: str, pattern: str) -> bool:
    """Leave out hidden files, folders such as __pycache__, and what only describes a dataset, unless they are named."""
    name, hidden, special = PurePosixPath(path), PurePosixPath(pattern), ("__",)
    if name.name in _ASIDE and hidden.name != name.name:
        return False
    dots = sum(part.startswith(".") for part in name.parts) == sum(part.startswith(".") for part in hidden.parts)
    lines = sum(part.startswith(special) for part in name.parent.parts)
    return dots and lines == sum(part.startswith(special) for part in hidden.parent.parts)


def _by_names(paths: Sequence[str], folder: str = "") -> Splits:
    below = f"{folder}/" if folder else ""
    shards: Splits = {}
    for path in sorted(paths):
        if shard := _SHARD.fullmatch(path.removeprefix(below)):
            shards.setdefault(shard[1], []).append(path)
    if shards:
        return {split: shards[split] for split in sorted(shards, key=lambda each: (_place(each), each))}
    for patterns in (_IN_FOLDER, _IN_NAME):
        if found := _by_words(patterns, paths, folder):
            return found
    rest = [path for path in _matching("**", paths, folder) if is_table(path)]
    return {"train": rest} if rest else {}


def _place(split: str) -> int:
    return list(_WORDS).index(split) if split in _WORDS else len(_WORDS)


def _by_words(patterns: Sequence[str], paths: Sequence[str], folder: str) -> Splits:
    found: Splits = {}
    for split, words in _WORDS.items():
        asked = [pattern.format(word=word, sep=_SEPARATORS) for word in words for pattern in patterns]
        files = [path for each in asked for path in _matching(each, paths, folder) if is_table(path)]
        if files:
            found[split] = sorted(dict.fromkeys(files))
    return found
