"""Texts as embeddings: a model in a folder, on the Hub or behind a URL, asked once for each text."""

from __future__ import annotations

import hashlib
import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from tuneset.errors import InputError, TunesetError, way_out
from tuneset.features import hub, local, server
from tuneset.model import digest

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from tuneset.features.local import Embed

    Floats = NDArray[np.float32]

PART = 2048  # texts that are embedded and remembered together: what a kill costs
METHOD = "1"  # changes where the same files would give other vectors


class Embedder(NamedTuple):
    """A model that was found and not yet opened."""

    checksum: str  # sha256 of its files; "" behind a URL
    name: str  # what its vectors depend on
    open: Callable[[], Embed]


def embeddings(texts: pl.Series, model: str, cache: Path | None = None, checksum: str = "") -> Floats:
    """Turn texts into vectors by a model that knows what words mean: shape (rows, dimensions), float32, length 1.

    `model`: a folder (ONNX or static, see `local.opened`), the name of a model on the Hub (downloaded when it is named,
    and then only), or the URL of a server (see `server.opened`). `cache`: a folder in which vectors are kept, by model and
    text, so that a later run embeds new texts only; it can be deleted at any time. `checksum`: what the model's files
    must be, see `model_checksum`. A null or a text without anything to see is all zeros.

    The same files and texts give the same bytes on one machine, whichever texts come together; another processor may
    differ in the last digits.

    Errors: a model that cannot be found, opened or reached, or whose files are others than `checksum` says.

    >>> embeddings(pl.Series(["hello"]), "no such folder")
    Traceback (most recent call last):
    tuneset.errors.InputError: there is no such embedding model
      at   no such folder
      try  a folder with model.onnx and tokenizer.json, a Hub name such as owner/name, or a server's URL
    """
    embedder = _found(model)
    if checksum and checksum != embedder.checksum:
        raise InputError(
            "the embedding model is not the one that the recipe pins",
            model,
            f"check where it comes from; its checksum is {embedder.checksum or 'not known, for a server'}",
        )
    told = texts.str.strip_chars().fill_null("") != ""
    distinct = texts.filter(told).unique(maintain_order=True)
    keys = digest(distinct)
    kept = None if cache is None else cache / "embeddings" / embedder.name
    vectors = _all_vectors(embedder, distinct, keys, kept)
    out = np.zeros((len(texts), vectors.shape[1]), np.float32)
    place = dict(zip(distinct.to_list(), range(len(distinct)), strict=True))
    out[told.to_numpy()] = vectors[[place[text] for text in texts.filter(told).to_list()]]
    return out


def model_checksum(model: str) -> str:
    """Return the sha256 over a model's files, for the report and to pin it in the recipe; "" for a server.

    >>> model_checksum("http://localhost:8080/v1#small")
    ''
    """
    return _found(model).checksum


def cache_folder() -> Path:
    """Return where vectors are kept for whoever does not say: `TUNESET_CACHE`, else `.cache/tuneset` in the home folder."""
    return Path(os.environ.get("TUNESET_CACHE") or Path.home() / ".cache" / "tuneset")


def _found(model: str) -> Embedder:
    if model.startswith(("http://", "https://")):
        return Embedder("", _name(model), partial(server.opened, model))
    path = hub.folder(model)
    checksum = hub.checksum(path)
    return Embedder(checksum, _name(checksum), partial(local.opened, path))


def _name(depends_on: str) -> str:
    return hashlib.sha256(f"{METHOD}\0{depends_on}".encode()).hexdigest()[:16]


def _all_vectors(embedder: Embedder, texts: pl.Series, keys: pl.Series, kept: Path | None) -> Floats:
    """Take what is remembered, embed the rest part by part, and remember each part before the next."""
    places, parts = _remembered(kept, keys)
    new = np.setdiff1d(np.arange(len(texts)), np.concatenate([np.zeros(0, np.int64), *places]))
    embed = embedder.open() if len(new) else None
    for start in range(0, len(new), PART):
        rows = new[start : start + PART]
        vectors = _unit(embed(texts.gather(rows).to_list())) if embed else np.zeros((0, 0), np.float32)
        places.append(rows)
        parts.append(vectors)
        if kept is not None:
            _remember(kept, keys.gather(rows), vectors)
    if len({part.shape[1] for part in parts}) > 1:
        raise InputError("the model's vectors changed their size", str(kept), "delete this folder and run again")
    out = np.zeros((len(texts), parts[0].shape[1] if parts else 0), np.float32)
    for rows, vectors in zip(places, parts, strict=True):
        out[rows] = vectors
    return out


def _unit(vectors: Floats) -> Floats:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1), np.float32)


def _remembered(kept: Path | None, keys: pl.Series) -> tuple[list[NDArray[np.int64]], list[Floats]]:
    """Read the vectors that earlier runs left for these keys; a file that cannot be read counts as not there."""
    wanted = pl.DataFrame({"key": keys, "place": np.arange(len(keys))})
    places: list[NDArray[np.int64]] = []
    parts: list[Floats] = []
    for file in sorted(kept.glob("*.parquet")) if kept is not None else ():
        try:
            part = pl.read_parquet(file).join(wanted, on="key", maintain_order="left")
        except (pl.exceptions.PolarsError, OSError):
            continue
        if part.height:
            places.append(part["place"].to_numpy())
            parts.append(part["vector"].to_numpy())
    return places, parts


def _remember(kept: Path, keys: pl.Series, vectors: Floats) -> None:
    """Write a part whole or not at all; its name is a hash of its keys, so that two runs write the same."""
    file = kept / f"{digest(pl.Series([''.join(keys.to_list())]))[0]}.parquet"
    writing = file.with_suffix(f".writing-{os.getpid()}")
    try:
        kept.mkdir(parents=True, exist_ok=True)
        pl.DataFrame({"key": keys, "vector": vectors}).write_parquet(writing)
        writing.replace(file)
    except OSError as error:
        raise TunesetError("the vectors cannot be kept", str(kept), way_out(error)) from error
