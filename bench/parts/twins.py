"""Near-duplicates: how fast, with how much memory, how many of planted twins are found, and how much of what goes is alike."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl
from process import BENCH, PEERS, PYTHON, NotRunError, Took, run
from recall import EDITS
from rows import ngram_rows
from scipy.sparse import csr_array
from tables import OURS, Promise, Table

from tuneset import near

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Ways = dict[str, dict[str, float] | str]  # the columns of each, or why it was not measured

WAYS = (
    "tuneset, whole step",
    "rensa",
    "rensa, matrix",
    "datasketch",
    "text-dedup",
    "data-juicer",
    "datatrove",
    "daft",
)
THRESHOLD, RECALL = 0.7, 0.95
BASES = 400  # each gets a twin of every kind of edit
LOOKED = 1_000  # rows to go that are held against all others
# Rounds in turn, and how many seconds a way may take at each size; who would take longer is told by the size before.
SIZES = {20_000: (3, 120), 100_000: (2, 120), 1_000_000: (2, 100)}
COLUMNS = {
    "rows/s": "more",
    "rows/s, whole process": "more",
    "MiB": "less",
    "twins found": "more",
    "of all twins": "",
    "precision": "more",
}


class Planted(NamedTuple):
    """Texts, and pairs of rows of which the second was made from the first by one edit."""

    texts: pl.Series
    pairs: NDArray[np.int64]
    alike: NDArray[np.bool_]  # pairs at or above the threshold
    sets: list[csr_array]


def measure(out: Path) -> list[Table]:
    """Give a table for each size; a way that is slow at one size is left out of the next."""
    tables: list[Table] = []
    slow: Ways = {}
    for size, (rounds, most) in SIZES.items():
        made = planted(size)
        path = out / f"texts-{size}.parquet"
        made.texts.to_frame("text").write_parquet(path)
        ways = slow | _in_turn([way for way in (OURS, *WAYS) if way not in slow], path, rounds, most, made)
        ways = {way: ways[way] for way in (OURS, *WAYS)}
        tables.append(_table(size, made, ways))
        slow |= _too_slow(ways, size)
    return tables


def planted(size: int, seed: int = 7) -> Planted:
    """Plant twins of rows that have no other row alike, so that it is seen whether that one pair was found."""
    draw = random.Random(seed)
    texts = ngram_rows(size, seed)["text"].unique(maintain_order=True)
    found = near.pairs(near.sets(texts))
    alone = np.setdiff1d(np.arange(len(texts)), np.concatenate([found.left, found.right]))
    bases = draw.sample(alone.tolist(), BASES)
    twins = [" ".join(change(texts[base].split(), draw)) for change in EDITS.values() for base in bases]
    pairs = np.column_stack([bases * len(EDITS), np.arange(len(twins)) + len(texts)])
    whole = pl.concat([texts.rename("text"), pl.Series("text", twins)])
    made = near.sets(whole)
    order = np.arange(len(whole), dtype=np.int64)
    similar = near.grams.jaccard(near.grams.rows_of(made, order), pairs[:, 0], pairs[:, 1])
    return Planted(whole, pairs, np.asarray(similar >= THRESHOLD), matrices(whole))


def _in_turn(ways: list[str], texts: Path, rounds: int, most: float, made: Planted) -> Ways:
    """Run all ways A B C A B C …; the best search and the best process of each count, who fails is not asked again."""
    runs: dict[str, list[tuple[float, Took]]] = {way: [] for way in ways}
    said: Ways = {}
    for _ in range(rounds):
        for way in [way for way in ways if way not in said]:
            python, out = PYTHON if way.startswith(OURS) else PEERS, texts.with_name(f"{way}.json")
            try:
                took = run(python, BENCH / "peers" / "near.py", way, texts, out, most=most)
            except (NotRunError, FileNotFoundError) as error:
                said[way] = str(error)
            else:
                runs[way].append((json.loads(out.read_text())["seconds"], took))
    return said | {
        way: _columns(took, texts.with_name(f"{way}.json"), made) for way, took in runs.items() if way not in said
    }


def _columns(runs: list[tuple[float, Took]], out: Path, made: Planted) -> dict[str, float]:
    rows = len(made.texts)
    gone = np.zeros(rows, np.bool_)
    gone[json.loads(out.read_text())["rows"]] = True
    found = gone[made.pairs[:, 0]] | gone[made.pairs[:, 1]]
    return {
        "rows/s": round(rows / min(seconds for seconds, _ in runs)),
        "rows/s, whole process": round(rows / min(took.seconds for _, took in runs)),
        "MiB": round(max(took.mebibytes for _, took in runs)),
        "rows to go": int(gone.sum()),
        "twins found": float(found[made.alike].mean()),
        "of all twins": float(found.mean()),
        "precision": precision(made.sets, gone),
    }


def matrices(texts: pl.Series) -> list[csr_array]:
    """Give the 3-grams of each text, and its words, as the ones of two sparse matrices: a row for each text."""
    letters = near.sets(texts)
    words = near.normal(texts).str.split(" ").list.unique()
    offsets = np.append(0, np.cumsum(words.list.len().to_numpy()))
    made = []
    for tokens, ends in ((letters.grams, letters.offsets), (words.explode().rank("dense").to_numpy(), offsets)):
        _, columns = np.unique(tokens, return_inverse=True)
        made.append(csr_array((np.ones(len(columns), np.int32), columns, ends)))
    return made


def precision(sets: list[csr_array], gone: NDArray[np.bool_], seed: int = 0) -> float:
    """Hold drawn rows that would go against every other row: how many have one that is alike, by letters or by words."""
    drawn = np.flatnonzero(gone)
    if not len(drawn):
        return 1.0
    drawn = np.random.default_rng(seed).permutation(drawn)[: LOOKED if len(gone) < 500_000 else LOOKED // 5]
    return float(np.any([_has_alike(matrix, drawn) for matrix in sets], axis=0).mean())


def _has_alike(matrix: csr_array, drawn: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Say of each drawn row whether any other one is alike: exact Jaccard with all rows."""
    sizes, turned = np.diff(matrix.indptr), matrix.T.tocsr()
    right = np.zeros(len(drawn), np.bool_)
    for start in range(0, len(drawn), 20):
        rows = drawn[start : start + 20]
        shared = (matrix[rows] @ turned).tocoo()
        at_least = shared.data / (sizes[rows][shared.row] + sizes[shared.col] - shared.data) >= THRESHOLD
        other = at_least & (rows[shared.row] != shared.col)
        right[start + shared.row[other]] = True
    return right


def _table(size: int, made: Planted, ways: Ways) -> Table:
    measured = {way: said for way, said in ways.items() if isinstance(said, dict)}
    able = tuple(way for way, said in measured.items() if not way.startswith(OURS) and said["twins found"] >= RECALL)
    ours = measured[OURS]
    fastest = max((measured[way]["rows/s"] for way in able), default=0)
    whole = max((measured[way]["rows/s, whole process"] for way in able), default=0)
    exact = max((measured[way]["rows/s"] for way in able if measured[way]["precision"] >= RECALL), default=0)
    promises = [Promise("precision", ours["precision"], ">= 1"), Promise("twins found", ours["twins found"], ">= 0.99")]
    if fastest:
        promises.append(Promise("rows/s / fastest that finds .95", ours["rows/s"] / fastest, ">= 3"))
        promises.append(Promise("the same, whole process", ours["rows/s, whole process"] / whole, ">= 3"))
    if exact:
        promises.append(Promise("the same, of those with precision .95", ours["rows/s"] / exact, ">= 3"))
    return Table(
        f"Near-duplicates, {size:,} n-gram rows",
        f"{len(made.pairs):,} twins of one edit each (typo, dropped word, substituted word, greeting, thanks) are planted of rows "
        f"that nothing else is like; {made.alike.sum():,} of them are at least {THRESHOLD} alike. A twin is found where it or its "
        f"base would go. Precision: of up to {LOOKED:,} drawn rows that would go, those that have another row at least "
        f"{THRESHOLD} alike, by character 3-grams or by words, whichever is kinder. rows/s is the search alone, from texts in "
        "memory to rows. Only who finds .95 of the twins can win a column.",
        COLUMNS | {"rows to go": ""},
        ways,
        "rows/s",
        tuple(promises),
        able,
    )


def _too_slow(ways: Ways, size: int) -> Ways:
    """Say who need not try the next size: who failed, or would be over its time even in proportion."""
    sizes = list(SIZES)
    if size == sizes[-1]:
        return {}
    following = sizes[sizes.index(size) + 1]
    most = SIZES[following][1]
    out: Ways = {}
    for way, said in ways.items():
        if isinstance(said, str):
            out[way] = said
        elif (seconds := following / said["rows/s, whole process"]) > most:
            out[way] = f"not run: in proportion to {size:,} rows it would take more than {seconds:.0f} s"
    return out
