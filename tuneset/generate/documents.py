"""Passages that rows are written from: the user's own documents, cut where their paragraphs end."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tuneset import sources
from tuneset.errors import InputError, way_out

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MOST = 3_000  # characters of a passage: a page
PLAIN = (".txt", ".md", ".rst")


def passages(documents: Sequence[str]) -> list[str]:
    """Read the passages of files, folders and globs, in their order: text files as they are, of tables the text column.

    >>> passages([])
    []
    """
    found: list[str] = []
    for file in (each for path in documents for each in _files(path)):
        texts = [_text(file)] if file.suffix in PLAIN else _rows(file)
        found += [passage for text in texts for passage in cut(text)]
    if documents and not found:
        hint = f"give files with text: {', '.join(PLAIN)}, or tables with a column of texts"
        raise InputError("there is nothing in these documents to write from", ", ".join(documents), hint)
    return found


def _files(path: str) -> Sequence[Path]:
    """List the text files of a folder; a file, a glob, and a folder without any are read as sources are."""
    folder = Path(path)
    plain = (
        sorted(each for each in folder.rglob("*") if each.suffix in PLAIN and each.is_file()) if folder.is_dir() else []
    )
    return plain or sources.expand(path)


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        hint = way_out(error) if isinstance(error, OSError) else "save it as UTF-8"
        raise InputError("this document cannot be read", str(file), hint) from error


def _rows(file: Path) -> Iterable[str]:
    return sources.read(str(file), name="documents", labelled=False).examples["text"].drop_nulls().to_list()


def cut(text: str, most: int = MOST) -> list[str]:
    r"""Cut a text into passages of whole paragraphs; a paragraph that is longer is cut at a space.

    >>> cut("one\n\ntwo\n\nthree", most=9)
    ['one\n\ntwo', 'three']
    """
    parts = [piece for each in text.split("\n\n") if each.strip() for piece in _pieces(each.strip(), most)]
    whole: list[str] = []
    for part in parts:
        if whole and len(whole[-1]) + 2 + len(part) <= most:
            whole[-1] = f"{whole[-1]}\n\n{part}"
        else:
            whole.append(part)
    return whole


def _pieces(paragraph: str, most: int) -> list[str]:
    pieces = []
    while len(paragraph) > most:
        at = paragraph.rfind(" ", most // 2, most) + 1 or most
        pieces.append(paragraph[:at].strip())
        paragraph = paragraph[at:]
    return [*pieces, paragraph]
