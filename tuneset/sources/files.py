"""Which files or tables an input means, in which order, and under which names."""

from __future__ import annotations

import glob
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from tuneset.errors import InputError
from tuneset.sources import formats, forums, json_rows, stackexchange, table, traces, unpack
from tuneset.sources.calls import kind_of

_BESIDE = {"dataset_info.json", "dataset_dict.json", "state.json"}  # what `Dataset.save_to_disk` puts beside the rows
_OURS = ("inference.json", ".tuneset")  # what an export, and a run, has beside its rows
_SIDES = ("train", "validation", "test")
_REDDIT, _REDDIT_VOTES = {"posts.csv", "comments.csv"}, {"post_votes.csv", "comment_votes.csv"}


def expand(inputs: str | Path | Iterable[str | Path]) -> list[Path]:
    """Return the files that paths, globs and folders mean, in the order given; "-" is standard input.

    A folder means the data files directly in it, sorted by name, without hidden ones; that of an export or a run its
    train, validation and test files. What else is in it is told by `passed_over`. A path that is there is taken as it
    is, even with a star in its name. Raises InputError where nothing is found.
    """
    given = [inputs] if isinstance(inputs, (str, Path)) else list(inputs)
    found = [path for each in given for path in _expanded(Path(each).expanduser())]
    if not found:
        raise InputError("no input is given", "input", "name a file, a folder, or - for standard input")
    return list(dict.fromkeys(found))


def passed_over(inputs: Any) -> list[str]:
    """Say for each folder among the inputs what in it is not read: folders, and files of other kinds.

    Hidden ones are not told, nor what Hugging Face's `datasets` puts beside its files.
    """
    given = [inputs] if isinstance(inputs, (str, Path)) else inputs
    if not _is_paths(given):
        return []
    folders = dict.fromkeys(folder for each in given if (folder := Path(each).expanduser()).is_dir())
    return [f"{folder.name or folder}: {left}" for folder in folders if (left := _left(folder))]


def _left(folder: Path) -> str:
    beside = set(_visible(folder)) - set(_in_folder(folder))
    folders = sorted(path.name for path in beside if path.is_dir())
    others = sorted(path.name for path in beside if not path.is_dir())
    parts = [_listed(folders, "subfolder"), _listed(others, "other file")]
    told = " and ".join(part for part in parts if part)
    one = len(beside) == 1
    return f"{told} {'was' if one else 'were'} not read: name {'it' if one else 'them'} to have that" if told else ""


def _listed(names: Sequence[str], what: str) -> str:
    """Count what is listed, and name the first three."""
    if not names:
        return ""
    named = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
    return f"{len(names):,} {what}{'' if len(names) == 1 else 's'} ({named})"


def tables(inputs: Any, named: Collection[str] = (), good: str = "", called: str = "") -> list[table.Table]:
    """Read every input, a file or a table in memory, to cells that are all strings; the user names the columns `named`.

    Traces of a product become conversations; `good` says which of their calls are good. `called` is what the user calls
    the one file that there is, where that is not its name.
    """
    if _is_paths(inputs):
        paths = expand(inputs)
        names = [called] if called and len(paths) == 1 else _names(paths)
        found = [load(path, name, named) for path, name in zip(paths, names, strict=True)]
    else:
        found = [in_memory(inputs)]
    which = traces.good(good) if good else None
    return [_understood(each, which, named) for each in found]


def _understood(read: table.Table, which: traces.Good | None, named: Collection[str]) -> table.Table:
    """Turn traces of a product, and posts of a forum, into what they say."""
    if kind := kind_of(read.cells.columns):
        return traces.turned(read, kind, which)
    if forum := forums.kind_of(read.cells.columns):
        posts = forum.read(read)
        # where the user names others, the columns are meant as they are
        read = posts if set(named) <= set(posts.cells.columns) else forums.without_addresses(read, named)
    return forums.only(read, which) if which else read


def load(path: Path, name: str, named: Collection[str] = ()) -> table.Table:
    """Read one file, whatever its kind; a dump of Stack Exchange, which may be large, as it streams in."""
    if stackexchange.is_dump(unpack.head(path)):
        with path.open("rb") as stream:
            return stackexchange.read(name, stream, stackexchange.site(path.absolute()))
    raw, packing = unpack.unpack(unpack.read(path), name)
    read = formats.parse(raw, name, named)
    return read._replace(form=f"{read.form}, {packing}" if packing else read.form)


def in_memory(rows: Any) -> table.Table:
    """Take a Polars, pandas or Arrow table, a Hugging Face Dataset, or a list of dicts."""
    if isinstance(rows, (list, tuple)):
        return json_rows.read_dicts("the list", rows)
    if isinstance(rows, dict) or not (hasattr(rows, "with_format") or hasattr(rows, "__arrow_c_stream__")):
        if isinstance(rows, pl.LazyFrame):
            return formats.columnar("the table", rows.collect(), "a Polars table")._replace(in_file=False)
        hint = "choose one split: ds['train']" if isinstance(rows, dict) else "give a path, a table or a list of dicts"
        raise InputError(f"a {type(rows).__name__} is not taken", "input", hint)
    kind = f"a {type(rows).__module__.partition('.')[0]} {type(rows).__name__}"
    try:
        frame = _from_dataset(rows) if hasattr(rows, "with_format") else pl.DataFrame(rows)
    except (ValueError, TypeError, ImportError, pl.exceptions.PolarsError) as error:
        raise InputError(
            f"this table cannot be taken: {error}", kind, "turn mixed columns into text: .astype(str)"
        ) from error
    return formats.columnar("the table", frame, kind)._replace(in_file=False)


def _from_dataset(rows: Any) -> pl.DataFrame:
    """Take a Hugging Face Dataset with its selection of rows, and the names of its class labels instead of numbers."""
    frame = pl.DataFrame(rows.with_format("arrow")[:])
    names = {column: kind.names for column, kind in rows.features.items() if getattr(kind, "names", None)}
    return frame.with_columns(
        pl.col(column).replace_strict(dict(enumerate(words)), default=None, return_dtype=pl.String)
        for column, words in names.items()
    )


def _is_paths(inputs: Any) -> bool:
    if isinstance(inputs, (str, Path)):
        return True
    return isinstance(inputs, Sequence) and all(isinstance(each, (str, Path)) for each in inputs)


def _expanded(path: Path) -> list[Path]:
    try:
        if path.is_dir():
            return _in_folder(path)
        there = str(path) == "-" or path.exists()
    except OSError as error:  # a name that is too long, a folder without rights
        raise InputError(
            f"this cannot be read: {error.strerror}", str(path), "check the path and the rights"
        ) from error
    if there:
        return [path]
    if "://" in str(path) or ":/" in str(path):
        raise InputError("an address is not a file", str(path), "download it first, then give the file")
    matches = sorted(
        Path(match)
        for match in glob.glob(str(path), recursive=True)  # noqa: PTH207  Path.glob takes no absolute pattern
        if Path(match).exists() and not Path(match).is_dir()
    )
    if not matches:
        what = "no file matches this" if glob.has_magic(str(path)) else "there is no such file"
        raise InputError(what, str(path), f"check the path; the current folder is {Path.cwd()}")
    return matches


def _in_folder(folder: Path) -> list[Path]:
    files = _visible(folder)
    if exported := _exported({path.name: path for path in files if path.is_file()}):
        return exported
    found = [path for path in files if path.is_file() and formats.EXPECTED.keys() & set(path.suffixes[-2:])]
    if not found:
        hint = f"name the file, or a folder with {', '.join(formats.EXPECTED)}"
        if within := [path.name for path in files if path.is_dir()]:
            hint = f"its subfolders are not read: name one ({folder / within[0]}), or '{folder}/**/*.csv' for all"
        raise InputError("this folder has no data files", str(folder), hint)
    ours = any((folder / name).exists() for name in _OURS)
    return [path for path in found if path.stem in _SIDES] or found if ours else found


def _exported(there: Mapping[str, Path]) -> list[Path]:
    """List what is read of a folder that somebody else's export has filled: of Reddit's, no messages and no addresses."""
    posts = [there[name] for name in sorted(_REDDIT & there.keys())]
    if there.keys() >= _REDDIT | _REDDIT_VOTES or any(forums.begins(unpack.head(path)) for path in posts):
        return posts
    return [there[stackexchange.FILE]] if stackexchange.FILE in there else []


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith(".") and path.name not in _BESIDE)


def _names(paths: Sequence[Path]) -> list[str]:
    """Name files by their names, and by their paths below the common folder where two have one name."""
    names = [path.name if str(path) != "-" else "standard input" for path in paths]
    if len(set(names)) == len(names):
        return names
    common = os.path.commonpath([path.absolute().parent for path in paths])
    return [os.path.relpath(path.absolute(), common) if str(path) != "-" else "standard input" for path in paths]
