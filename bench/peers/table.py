"""Put the peers beside us on the same rows, in one run: `make peers`.

Near-duplicates: BANKING77 with 2,000 planted twins (five kinds of one edit), and the first 100,000 n-gram rows for the
time alone. A row is right to go when an earlier row is at least .7 alike (Jaccard of character 3-grams, all pairs
compared); recall and precision count such rows. Time and memory are of the whole process, imports included.
Typos: 5 % of the words of four letters and more mistyped at random, as bench/quality/typos.py does; how many of them are
found, and how many other words are flagged.
Meaning, where TUNESET_EMBEDDER names a model (bench/embedder.py): 1,000 inquiries with one paraphrase each by a language
model, and the test rows of BANKING77; how many of the paraphrases are found, and how many of the pairs have one label. The
time is that of the search, and of the model besides. The peers live in an environment of their own (bench/peers/requirements.txt).
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import numpy as np
import polars as pl

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "quality")]
import semantic  # noqa: E402
import typos  # noqa: E402
from recall import DATA, EDITS  # noqa: E402
from rows import ngram_rows  # noqa: E402

THRESHOLD = 0.7
PEERS = Path(os.environ.get("TUNESET_PEERS", HERE.parents[1] / ".peers")) / "bin" / "python"
SPELLING = ("tuneset", "codespell", "typos", "symspellpy")
NEAR = ("tuneset", "rensa", "datasketch", "text-dedup")
MEANING = ("tuneset", "semhash")


class Line(NamedTuple):
    """What one way did with one set of rows."""

    name: str
    seconds: float
    mebibytes: float
    rows: int
    recall: float | None = None
    precision: float | None = None


def planted() -> pl.Series:
    draw = random.Random(7)
    texts = pl.read_csv(DATA / "banking77/train.csv")["text"].unique(maintain_order=True)
    bases = draw.sample(range(len(texts)), 400)
    twins = [" ".join(change(texts[base].split(), draw)) for change in EDITS.values() for base in bases]
    return pl.concat([texts, pl.Series("text", twins)])


def truth(texts: pl.Series) -> set[int]:
    """Compare all pairs; return the rows that have an earlier row at least .7 alike."""
    from scipy.sparse import csr_array

    from tuneset import near

    sets = near.sets(texts)
    _, columns = np.unique(sets.grams, return_inverse=True)
    matrix = csr_array((np.ones(len(columns), np.int32), columns, sets.offsets))
    sizes = np.diff(sets.offsets)
    common = (matrix @ matrix.T).tocoo()
    earlier = common.row > common.col
    left, right, shared = common.col[earlier], common.row[earlier], common.data[earlier]
    alike = shared / (sizes[left] + sizes[right] - shared) >= THRESHOLD
    return set(right[alike].tolist())


def near_line(name: str, texts: Path, rows: int, right: set[int] | None) -> Line | None:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "rows.json"
        python = sys.executable if name == "tuneset" else str(PEERS)
        start = perf_counter()
        process = subprocess.Popen(
            [python, str(HERE / "near.py"), name, str(texts), str(out)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        _, said = process.communicate()
        seconds = perf_counter() - start
        if process.returncode:
            print(f"{name}: not measured: {said.decode().strip().splitlines()[-1]}")
            return None
        found = json.loads(out.read_text())
    dropped = set(found["rows"])
    if right is None:
        return Line(name, seconds, found["mebibytes"], rows)
    both = len(dropped & right)
    return Line(name, seconds, found["mebibytes"], rows, both / len(right), both / max(1, len(dropped)))


def flagged(name: str, texts: list[str], folder: Path) -> set[str]:
    """Ask one way which words it would change."""
    if name == "tuneset":
        return set(typos.learnt(texts))
    words = sorted({word.lower() for text in texts for word in typos.WORD.findall(text)})
    source, out = folder / "words.txt", folder / "found.json"
    source.write_text("\n".join(words))
    subprocess.run([str(PEERS), str(HERE / "typo.py"), name, str(source), str(out)], check=True)
    return set(json.loads(out.read_text()))


def spelling(folder: Path) -> None:
    """Print what each way finds of planted typos, and flags besides."""
    texts = typos.sets(DATA)
    for title in ("banking77", "clinc150", "hwu64"):
        planted = typos.plant(texts[title], seed=1)
        print(f"\n{title}, typos: {sum(map(len, planted.meant)):,} planted")
        print(f"{'':<12}{'recall':>9}{'other words flagged':>22}{'precision':>11}")
        for name in SPELLING:
            found, hits, others, words = flagged(name, planted.texts, folder), 0, 0, 0
            for text, meant in zip(planted.texts, planted.meant, strict=True):
                for word in typos.WORD.finditer(text):
                    is_flagged = word[0].lower() in found
                    words += 1
                    hits += is_flagged and word.start() in meant
                    others += is_flagged and word.start() not in meant
            recall = hits / sum(map(len, planted.meant))
            print(f"{name:<12}{recall:>9.3f}{others / words:>22.2%}{hits / max(1, hits + others):>11.3f}")


def meaning(folder: Path) -> None:
    """Print what each way takes for the same in other words, all of them with the same vectors."""
    if not os.environ.get("TUNESET_EMBEDDER"):
        print("\nmeaning: not measured: TUNESET_EMBEDDER names no model")
        return
    drawn = semantic.paraphrases(DATA).unique("GUID", keep="first", maintain_order=True)
    both = pl.concat([drawn.select(text="seed", label="label"), drawn.select("text", "label")])
    wanted = {frozenset((row, row + drawn.height)) for row in range(drawn.height)}
    banking = pl.read_csv(DATA / "banking77/test.csv").select("text", label="category")
    for title, rows, right in (("paraphrases", both, wanted), ("BANKING77 test", banking, None)):
        source, out = folder / "texts.parquet", folder / "pairs.json"
        rows.write_parquet(source)
        print(f"\n{title}, meaning: {rows.height:,} rows")
        print(f"{'':<12}{'pairs':>7}{'one label':>11}{'found':>8}{'seconds':>9}{'model besides':>15}")
        for name in MEANING:
            python = sys.executable if name == "tuneset" else str(PEERS)
            command = [python, str(HERE / "meaning.py"), name, str(source), str(out)]
            subprocess.run(command, check=True, env=os.environ | {"PYTHONPATH": str(HERE.parents[1])})
            said = json.loads(out.read_text())
            same = [rows["label"][one] == rows["label"][other] for one, other in said["pairs"]]
            got = f"{len(right & set(map(frozenset, said['pairs']))) / len(right):>8.3f}" if right else f"{'':>8}"
            print(
                f"{name:<12}{len(same):>7,}{sum(same) / max(1, len(same)):>11.3f}{got}"
                f"{said['seconds']:>9.2f}{said['embedding']:>15.1f}"
            )


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        spelling(Path(folder))
        meaning(Path(folder))
        texts = planted()
        right = truth(texts)
        sets = {"BANKING77 with twins": (texts, right), "n-gram rows": (ngram_rows(100_000)["text"], None)}
        for title, (rows, wanted) in sets.items():
            path = Path(folder) / "texts.parquet"
            rows.rename("text").to_frame().write_parquet(path)
            print(f"\n{title}: {len(rows):,} rows" + (f", {len(wanted):,} to go" if wanted else ""))
            print(f"{'':<12}{'seconds':>9}{'rows/s':>10}{'MiB':>8}{'recall':>9}{'precision':>11}")
            for name in NEAR:
                line = near_line(name, path, len(rows), wanted)
                if line is None:
                    continue
                quality = f"{line.recall:>9.3f}{line.precision:>11.3f}" if line.recall is not None else ""
                print(
                    f"{name:<12}{line.seconds:>9.1f}{len(rows) / line.seconds:>10,.0f}{line.mebibytes:>8.0f}{quality}"
                )


if __name__ == "__main__":
    main()
