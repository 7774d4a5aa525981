"""`labels.md`: what each label means, drafted from the examples, edited by people, read by whoever judges or writes rows."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from tuneset.judge.view import Floats, Ints, Labels, View

EXAMPLES, NOT_THIS, WORDS = 3, 2, 6
MOST = 160  # characters of an example that are shown
DRAFT = "(a draft: say in a sentence what belongs here)"
HEAD = """# Labels

What each label means. Edit freely: your definitions and examples stay when this file is drafted again; labels that are
new are added at the end. Whoever labels, judges or writes examples reads this page, and so does the report.
"""
KEYS = {"means": "Means", "examples": "Examples", "not_this": "Not this"}


class Entry(NamedTuple):
    """What the guide says of one label."""

    means: str = ""
    examples: tuple[str, ...] = ()
    not_this: tuple[str, ...] = ()

    @property
    def defined(self) -> bool:
        """Say whether a person has written what the label means."""
        return bool(self.means) and DRAFT not in self.means


Guide = dict[str, dict[str, Entry]]  # by column, by label


def read(path: Path) -> Guide:
    """Read a guide; a file that is not there is an empty one, and what is no entry in it is left alone."""
    return parsed(path.read_text(encoding="utf-8-sig")) if path.exists() else {}


def parsed(text: str) -> Guide:
    r"""Read a guide's text: a column is a heading of level 2, a label one of level 3.

    >>> parsed("## category\n### Orders\nMeans: where a parcel is\nExamples:\n- where is it")["category"]["Orders"]
    Entry(means='where a parcel is', examples=('where is it',), not_this=())
    """
    guide: Guide = {}
    for column, under in _sections(text, "##"):
        guide[column] = {label: _entry(body) for label, body in _sections(under, "###")}
    return guide


def written(guide: Mapping[str, Mapping[str, Entry]]) -> str:
    """Write a guide as Markdown; `parsed` reads it back.

    >>> parsed(written({"category": {"Orders": Entry("where a parcel is", ("where is it",))}}))["category"]["Orders"]
    Entry(means='where a parcel is', examples=('where is it',), not_this=())
    """
    parts = [HEAD]
    for column, labels in guide.items():
        parts.append(f"## {_escaped(column)}\n")
        for label, entry in labels.items():
            lines = [f"### {_escaped(label)}", f"Means: {entry.means or DRAFT}"]
            for key in ("examples", "not_this"):
                said = getattr(entry, key)
                lines += [f"{KEYS[key]}:", *(f"- {_escaped(each)}" for each in said)] if said else []
            parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def drafted(whole: View, columns: Iterable[Labels], known: Guide) -> Guide:
    """Draft an entry for each label that has none: its typical words, its most typical rows, and its nearest others.

    Only rows of the train side are quoted. What `known` holds stays as it is, labels that no row has any more included.
    """
    guide: Guide = {column: dict(labels) for column, labels in known.items()}
    texts = whole.examples["text"]
    for column in columns:
        entries = guide.setdefault(column.column, {})
        new = [code for code, name in enumerate(column.names) if name not in entries]
        rows = np.flatnonzero(whole.train & (column.codes >= 0))
        centres = _centres(whole.vectors[rows], column.codes[rows], len(column.names))
        words = _words(texts.gather(rows), column.codes[rows], len(column.names))
        for code in new:
            entries[column.names[code]] = Entry(
                f"{DRAFT} Typical words: {', '.join(words[code])}." if words[code] else DRAFT,
                _typical(whole, rows[column.codes[rows] == code], centres[code]),
                _nearest_others(whole, column, rows[column.codes[rows] != code], centres[code]),
            )
    return guide


def _sections(text: str, marks: str) -> list[tuple[str, str]]:
    """Cut a text at its headings of one level."""
    parts = re.split(rf"^{marks} +(.+?) *$", text, flags=re.MULTILINE)
    return [(_plain(name), body) for name, body in zip(parts[1::2], parts[2::2], strict=True)]


def _entry(body: str) -> Entry:
    """Read what stands below a label: a line that begins with a key, and lists of lines."""
    said: dict[str, list[str]] = {key: [] for key in KEYS}
    keys = {word.casefold(): key for key, word in KEYS.items()}
    at = "means"
    for line in body.splitlines():
        word, colon, rest = line.partition(":")
        if colon and word.strip().casefold() in keys:
            at, line = keys[word.strip().casefold()], rest  # noqa: PLW2901
        if told := line.strip().removeprefix("- ").strip():
            said[at].append(told)
    examples, others = (tuple(_plain(each) for each in said[key]) for key in ("examples", "not_this"))
    return Entry(" ".join(said["means"]), examples, others)


def _escaped(text: str) -> str:
    """Keep a text on one line and from reading as a heading or a key."""
    flat = " ".join(text.split())
    return f"\\{flat}" if re.match(r"[#\\-]", flat) else flat


def _plain(text: str) -> str:
    return text.removeprefix("\\")


def _centres(vectors: Floats, codes: Ints, classes: int) -> Floats:
    sums = np.zeros((classes, vectors.shape[1]), np.float32)
    np.add.at(sums, codes, vectors)
    return sums


def _typical(whole: View, rows: Ints, centre: Floats) -> tuple[str, ...]:
    """Quote the rows nearest to the centre of their label: of its shorter half, as long texts are near to everything."""
    lengths = whole.examples["text"].gather(rows).str.len_chars().to_numpy()
    short = rows[lengths <= np.median(lengths)] if len(rows) else rows
    return _quoted(whole, short[np.argsort(-(whole.vectors[short] @ centre), kind="stable")], EXAMPLES)


def _nearest_others(whole: View, column: Labels, rows: Ints, centre: Floats) -> tuple[str, ...]:
    """Quote the rows of other labels that are nearest to a label's centre, one a label, with what they are."""
    lengths = whole.examples["text"].gather(rows).str.len_chars().to_numpy()
    rows = rows[lengths <= np.median(lengths)] if len(rows) else rows
    order = rows[np.argsort(-(whole.vectors[rows] @ centre), kind="stable")]
    _, first = np.unique(column.codes[order], return_index=True)
    chosen = order[np.sort(first)][:NOT_THIS]
    texts = whole.examples["text"].gather(chosen).to_list()
    return tuple(f"{_cut(text)} ({column.names[column.codes[row]]})" for text, row in zip(texts, chosen, strict=True))


def _quoted(whole: View, rows: Ints, most: int) -> tuple[str, ...]:
    texts = whole.examples["text"].gather(rows[: 4 * most]).to_list()
    return tuple(dict.fromkeys(_cut(text) for text in texts))[:most]


def _cut(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= MOST else f"{flat[: MOST - 1]}…"


def _words(texts: pl.Series, codes: Ints, classes: int) -> list[list[str]]:
    """List each label's words that are most its own: weighed log-odds against the other labels (Monroe 2008)."""
    found = texts.str.to_lowercase().str.extract_all(r"\p{L}[\p{L}'’-]+").list.unique()  # noqa: RUF001  an apostrophe, too
    told = pl.DataFrame({"code": codes, "word": found})
    counts = told.explode("word").drop_nulls().group_by("code", "word").len("here")
    size = told.group_by("code").len("rows")
    here, rest = pl.col("here"), pl.col("here").sum().over("word") - pl.col("here")
    odds = ((here + 0.5) / (pl.col("rows") - here + 0.5)).log() - (
        (rest + 0.5) / (len(codes) - pl.col("rows") - rest + 0.5)
    ).log()
    ranked = (
        counts.join(size, on="code")
        .with_columns(own=odds / (1 / (here + 0.5) + 1 / (rest + 0.5)).sqrt())
        .filter((here > 1) & (pl.col("own") > 2))
        .sort(["code", "own", "word"], descending=[False, True, False])
        .group_by("code", maintain_order=True)
        .head(WORDS)
    )
    out: list[list[str]] = [[] for _ in range(classes)]
    for code, word in ranked.select("code", "word").iter_rows():
        out[code].append(word)
    return out
