"""Make tables of any size whose near-duplicates grow as in real sets, and tables of random words beside them.

python bench/rows.py ngram 1000000 rows.csv     word n-gram model of the shared texts: text,category,sub_category
python bench/rows.py random 1000000 rows.csv    random words: text,category
python bench/rows.py counts                     duplicates, pairs and components beside those of the real texts
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from numpy.typing import NDArray

DATA = Path(os.environ.get("TUNESET_DATA", Path(__file__).parents[2] / "shared" / "data"))
CONTEXT = (
    3  # words after which the next one is drawn: with 3 near-duplicates are as frequent as in the mixed real texts
)
REPEATS = 0.002  # share of rows that repeat an earlier text, as in the mixed real texts
LONGEST = 60  # words; a walk that has not ended by then is cut
PART = 200_000  # rows made at a time


class Corpus(NamedTuple):
    """All texts as one line of word numbers in which each text ends with the word 0."""

    words: NDArray[np.object_]
    tokens: NDArray[np.int64]
    labels: pl.DataFrame  # category and sub_category of each text


def shared_texts() -> pl.DataFrame:
    """Read the texts of BANKING77 (train), CLINC150 and HWU64 (as typed): text, category, sub_category."""
    banking = pl.read_csv(DATA / "banking77" / "train.csv").select(
        "text", category=pl.lit("banking"), sub_category="category"
    )
    clinc = pl.read_csv(DATA / "clinc150" / "clinc150.csv").select("category", "sub_category", text="inquiry")
    hwu = pl.read_csv(DATA / "hwu64" / "hwu64.csv", infer_schema=False).select(
        "category", "sub_category", text="text_as_typed"
    )
    return pl.concat([banking, clinc, hwu], how="diagonal").filter(pl.col("text").str.contains(r"\S"))


def corpus(texts: pl.DataFrame) -> Corpus:
    """Give every word of all texts a number."""
    line = texts["text"].str.replace_all(r"\s+", " ").str.strip_chars().str.split(" ")
    flat = line.list.concat(pl.Series([""]).implode().new_from_index(0, texts.height)).explode()
    words = flat.unique().sort()
    tokens = words.search_sorted(flat).to_numpy().astype(np.int64)
    return Corpus(words.to_numpy(), tokens, texts.select("category", "sub_category"))


def same_context(tokens: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Sort all places by the last `CONTEXT` words of their text; give the order, and where each place's peers start and end."""
    context = tokens.copy()
    inside = tokens != 0
    for back in range(1, CONTEXT):
        inside = inside & (np.roll(tokens, back) != 0)
        context = context * (int(tokens.max()) + 1) + np.where(inside, np.roll(tokens, back), 0)
    order = np.argsort(context, kind="stable")
    ordered = context[order]
    return order, np.searchsorted(ordered, context), np.searchsorted(ordered, context, side="right")


def walk(source: Corpus, rows: int, rng: np.random.Generator) -> pl.DataFrame:
    """Say `rows` texts: read a word, jump to a random place with the same last words, read the next one there."""
    order, low, high = same_context(source.tokens)
    starts = np.append(0, np.flatnonzero(source.tokens == 0)[:-1] + 1)
    which = rng.integers(0, len(starts), rows)
    place, alive = starts[which], np.arange(rows)
    said = np.zeros((rows, LONGEST), np.int64)
    for step in range(LONGEST):
        word = source.tokens[place]
        said[alive, step] = word
        alive, place = alive[word != 0], place[word != 0]
        place = order[rng.integers(low[place], high[place])] + 1
    text = pl.Series([" ".join(row).rstrip() for row in source.words[said]], dtype=pl.String)
    return source.labels[which].with_columns(text=text).select("text", "category", "sub_category")


def ngram_rows(n: int, seed: int = 0) -> pl.DataFrame:
    """Make `n` rows from the word n-gram model: text, category, sub_category (those of the text each row starts with).

    Each word is drawn after the last three, so pairs of texts are near-duplicates as often as in the mixed real texts:
    4.5 to 4.8 in a million up to 200,000 rows (real: 4.8 to 5.2, BANKING77 alone 14), four times as many for twice the
    rows. Real sets are curated, so a text that was drawn before is drawn again, and `REPEATS` of the rows repeat one on
    purpose; that thins out what is common, and at a million rows 2.7 pairs in a million are left.
    """
    source, rng = corpus(shared_texts()), np.random.default_rng(seed)
    wanted, made = n - int(n * REPEATS), walk(source, 0, rng)
    while made.height < wanted:
        made = pl.concat([made, walk(source, PART, rng)]).unique("text", maintain_order=True)
    made = made.head(wanted)
    return pl.concat([made, made.sample(n - wanted, seed=seed)]).sample(fraction=1, shuffle=True, seed=seed)


def random_rows(n: int, seed: int = 0) -> pl.DataFrame:
    """Make `n` rows of 4 to 14 random words out of 20,000: text, category (one of 20)."""
    rng = np.random.default_rng(seed)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    words = np.array(["".join(rng.choice(letters, size)) for size in rng.integers(2, 9, 20_000)], dtype=object)
    parts = []
    for done in range(0, n, PART):
        rows = min(PART, n - done)
        lengths = rng.integers(4, 15, rows)
        said = words[rng.integers(0, len(words), (rows, 14))]
        text = [" ".join(row[:length]) for row, length in zip(said, lengths, strict=True)]
        parts.append(pl.DataFrame({"text": text, "category": rng.integers(0, 20, rows)}))
    return pl.concat(parts).with_columns(category=pl.format("category {}", "category"))


def counts(text: pl.Series) -> tuple[int, ...]:
    """Count rows, rows that repeat an earlier text, near-duplicate pairs of distinct texts, and the three largest components."""
    from tuneset import near

    distinct = text.unique(maintain_order=True)
    found = near.pairs(near.sets(distinct))
    sizes = np.sort(np.bincount(near.components(len(distinct), found.left, found.right)))[::-1]
    return len(text), len(text) - len(distinct), len(found.left), *sizes[:3].tolist()


def table() -> None:
    """Print the counts of real and of generated rows at growing sizes."""
    real = shared_texts().sample(fraction=1, shuffle=True, seed=0)
    banking = real.filter(pl.col("category") == "banking")
    made = ngram_rows(200_000)
    print(f"{'':22}{'rows':>9}{'repeats':>9}{'pairs':>9}   pairs/n**2   largest components")
    for name, texts in (("BANKING77", banking), ("real, mixed", real), ("n-gram", made)):
        for size in (5_000, 10_000, 20_000, 40_000, 200_000):
            if size < 1.1 * texts.height:
                rows, repeats, pairs, *largest = counts(texts["text"][:size])
                print(f"{name:22}{rows:9}{repeats:9}{pairs:9}   {pairs / rows**2:.2e}     {largest}")


def main() -> None:
    match sys.argv[1:]:
        case ["counts"]:
            table()
        case ["ngram" | "random" as kind, rows, out]:
            (ngram_rows if kind == "ngram" else random_rows)(int(rows)).write_csv(out)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
