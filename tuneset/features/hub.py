"""Find an embedding model's folder on this machine or on the Hub, and tell one model from another by its files."""

from __future__ import annotations

import hashlib
import re
from functools import partial
from pathlib import Path

from tuneset.errors import InputError, need

EXTRA = "embeddings"
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+(?:@[\w./-]+)?")
ONNX = ("model.onnx", "onnx/model.onnx")
SUFFIXES = frozenset({".json", ".onnx", ".onnx_data", ".safetensors", ".bin", ".txt"})


def folder(model: str) -> Path:
    """Find a model's folder: a path, or the name of a model on the Hub, which is downloaded once.

    `owner/name@revision` pins a revision. What was downloaded is compared with the sha256 that the Hub gives for it,
    each time it is used.

    >>> folder("no such folder")
    Traceback (most recent call last):
    tuneset.errors.InputError: there is no such embedding model
      at   no such folder
      try  a folder with model.onnx and tokenizer.json, a Hub name such as owner/name, or a server's URL
    """
    path = Path(model).expanduser()
    if path.is_dir():
        return path
    if path.exists() or not HUB_ID.fullmatch(model):
        raise InputError(
            "there is no such embedding model",
            model,
            "a folder with model.onnx and tokenizer.json, a Hub name such as owner/name, or a server's URL",
        )
    path = _downloaded(model)
    for file in path.rglob("*"):
        _check(file)
    return path


def onnx_file(path: Path) -> Path | None:
    """Return the folder's ONNX file, if it has one."""
    return next((path / name for name in ONNX if (path / name).is_file()), None)


def checksum(path: Path) -> str:
    """Hash the files of a model that its vectors can depend on: sha256 over their names and contents.

    >>> checksum(Path("/nowhere"))[:16]
    'e3b0c44298fc1c14'
    """
    total = hashlib.sha256()
    for file in sorted(path.rglob("*")):
        if file.suffix in SUFFIXES and file.is_file():
            total.update(f"{file.relative_to(path).as_posix()}\0{_sha256(file)}\n".encode())
    return total.hexdigest()


def _downloaded(model: str) -> Path:
    """Fetch what is needed of a model: an ONNX file where there is one, else its safetensors."""
    hub, errors = need("huggingface_hub", EXTRA), need("huggingface_hub.errors", EXTRA)
    name, _, revision = model.partition("@")
    fetch = partial(hub.snapshot_download, name, revision=revision or None)
    try:
        path = Path(fetch(allow_patterns=["*.json", "model.onnx*", "onnx/model.onnx*"]))
        if onnx_file(path) is None:
            path = Path(fetch(allow_patterns=["*.json", "*.txt", "*.safetensors"]))
    except (OSError, errors.HFValidationError, errors.HfHubHTTPError) as error:
        said = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(
            f"the model could not be fetched from the Hub: {said}",
            model,
            "check the name and the network, or give the model's folder",
        ) from error
    return path


def _check(file: Path) -> None:
    """Compare a big file with its name in the Hub's cache, which is the sha256 that the Hub gives for it."""
    stored = file.resolve()
    if file.is_symlink() and re.fullmatch("[0-9a-f]{64}", stored.name) and _sha256(file) != stored.name:
        raise InputError("a downloaded model is damaged", str(file), f"delete {stored} and run again")


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
