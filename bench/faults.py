"""Real sets with faults planted in them: what `bench/effect.py` prepares, and what it knows to be true of each row.

A draw is 500 rows of ten labels, 2,000 rows of forty, or all there are, of BANKING77, CLINC150 or HWU64. Its test rows come
from the publisher's test set (BANKING77), its validation part (CLINC150) or a fifth of the set, drawn once (HWU64); nothing
here ever changes them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from tuneset.features.ngrams import counts

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Fault = Callable[[pl.DataFrame, "Draw", float, np.random.Generator], pl.DataFrame]

DATA = Path(os.environ.get("TUNESET_DATA", Path(__file__).parents[2] / "shared" / "data"))
SETS = ("banking77", "clinc150", "hwu64")
SIZES = {500: 10, 2000: 40, 0: 0}  # rows: labels; 0 is all there are
LEAST = 60  # rows that a label has to have where some are drawn
LETTERS = "abcdefghijklmnopqrstuvwxyz"


class Whole(NamedTuple):
    """A set: what is drawn from, what is tested on (text, label), and texts that do not belong."""

    train: pl.DataFrame
    test: pl.DataFrame
    strangers: pl.Series


class Draw(NamedTuple):
    """Rows without planted faults (row, text, label, true; `true` is null where no label is right), and test rows."""

    rows: pl.DataFrame
    test: pl.DataFrame
    strangers: pl.Series


def read(name: str, data: Path = DATA) -> Whole:
    """Read a set; the strangers of one are rows of another, CLINC150's its own out-of-scope rows."""
    banking, banking_test = (
        pl.read_csv(data / "banking77" / f"{part}.csv").select("text", label="category") for part in ("train", "test")
    )
    clinc = pl.read_csv(data / "clinc150" / "clinc150.csv").select("split", text="inquiry", label="sub_category")
    hwu = pl.read_csv(data / "hwu64" / "hwu64.csv", infer_schema=False).drop_nulls("text_as_typed")
    hwu = hwu.select(text="text_as_typed", label=pl.format("{} {}", "category", "sub_category"))
    if name == "banking77":
        return Whole(banking, banking_test, hwu["text"])
    if name == "clinc150":
        inside = clinc.filter(pl.col("label") != "oos")
        train, test = (inside.filter(pl.col("split") == part).select("text", "label") for part in ("train", "val"))
        return Whole(train, test, clinc.filter(pl.col("label") == "oos")["text"])
    held = np.random.default_rng(0).random(hwu.height) < 0.2
    return Whole(hwu.filter(~held), hwu.filter(held), banking["text"])


def draw(whole: Whole, size: int, seed: int) -> Draw:
    """Draw labels, and rows of these; the test rows are all of these labels."""
    rng = np.random.default_rng([seed, size])
    train, test = whole.train, whole.test
    if SIZES[size]:
        common = train.filter(pl.len().over("label") >= LEAST)["label"].unique().sort()
        names = common.gather(np.sort(rng.permutation(len(common))[: SIZES[size]])).implode()
        train, test = (rows.filter(pl.col("label").is_in(names)) for rows in (train, test))
    some = train[np.sort(rng.permutation(train.height)[: size or train.height])]
    rows = some.select(pl.int_range(pl.len()).alias("row"), "text", "label", true="label")
    return Draw(rows, test.filter(pl.col("label").is_in(rows["label"].implode())), whole.strangers)


def planted(drawn: Draw, faults: dict[str, float], seed: int) -> pl.DataFrame:
    """Plant faults, one after the other, and shuffle the rows; `row` numbers them anew."""
    rows = drawn.rows
    for name, share in faults.items():
        rng = np.random.default_rng([seed, list(FAULTS).index(name), round(share * 100)])
        rows = FAULTS[name](rows, drawn, share, rng)
    order = np.random.default_rng([seed, 99]).permutation(rows.height)
    return rows[order].with_columns(row=pl.int_range(pl.len()))


def some(rows: int, share: float, rng: np.random.Generator) -> Ints:
    return np.sort(rng.permutation(rows)[: round(share * rows)])


def put(rows: pl.DataFrame, at: Ints, **values: list[str]) -> pl.DataFrame:
    """Write new values of columns in rows of these numbers."""
    new = {name: rows[name].scatter(at, pl.Series(each, dtype=pl.String)) for name, each in values.items()}
    return rows.with_columns(**new)


# ---- labels


def uniform(rows: pl.DataFrame, drawn: Draw, share: float, rng: np.random.Generator) -> pl.DataFrame:
    """Give a share of rows any other label."""
    names, at = drawn.rows["label"].unique().sort().to_list(), some(rows.height, share, rng)
    return put(rows, at, label=[another(names, label, rng) for label in rows["label"].gather(at)])


def another(names: list[str], label: str, rng: np.random.Generator) -> str:
    return str(rng.choice([name for name in names if name != label]))


def confusable(rows: pl.DataFrame, drawn: Draw, share: float, rng: np.random.Generator) -> pl.DataFrame:
    """Give a share of rows one of the three labels that naive Bayes holds for likeliest besides the right one."""
    at = some(rows.height, share, rng)
    names = drawn.rows["label"].unique().sort().to_list()
    counted = counts(rows["text"])
    used = counted[:, np.unique(counted.indices)]
    labels = rows["label"].to_numpy()
    of_label = np.stack([used[labels == name].sum(axis=0) for name in names]) + 0.1
    score = used[at] @ np.log(of_label / of_label.sum(axis=1, keepdims=True)).T
    score[np.arange(len(at)), [names.index(label) for label in labels[at]]] = -np.inf
    near_by = np.argsort(-score, axis=1, kind="stable")[:, :3]
    return put(rows, at, label=[names[each[rng.integers(0, 3)]] for each in near_by])


def conflicting(rows: pl.DataFrame, drawn: Draw, share: float, rng: np.random.Generator) -> pl.DataFrame:
    """Add a second row for a share of the texts, with any other label."""
    return pl.concat([rows, uniform(rows[some(rows.height, share, rng)], drawn, 1.0, rng)])


def off_topic(rows: pl.DataFrame, drawn: Draw, share: float, rng: np.random.Generator) -> pl.DataFrame:
    """Add rows that belong nowhere, with any label."""
    many = min(round(share * rows.height), len(drawn.strangers))
    names = drawn.rows["label"].unique().sort().to_list()
    texts = drawn.strangers.gather(rng.permutation(len(drawn.strangers))[:many])
    labels = [str(rng.choice(names)) for _ in range(many)]
    more = pl.DataFrame({"row": [0] * many, "text": texts, "label": labels, "true": [None] * many}, schema=rows.schema)
    return pl.concat([rows, more])


# ---- copies


def copies(rows: pl.DataFrame, _: Draw, share: float, rng: np.random.Generator) -> pl.DataFrame:
    """Add a share of rows once more."""
    return pl.concat([rows, rows[some(rows.height, share, rng)]])


def edits(rows: pl.DataFrame, _: Draw, share: float, rng: np.random.Generator) -> pl.DataFrame:
    """Add a share of rows once more, each with one small edit."""
    more = rows[some(rows.height, share, rng)]
    return pl.concat([rows, more.with_columns(text=pl.Series([edited(text, rng) for text in more["text"]]))])


def edited(text: str, rng: np.random.Generator) -> str:
    """Mistype a word, put a courtesy before or behind, or leave a word out."""
    words = text.split(" ")
    at = int(rng.integers(len(words)))
    match int(rng.integers(4)):
        case 0:
            return " ".join([*words[:at], mistyped(words[at], rng), *words[at + 1 :]])
        case 1:
            return f"please {text}"
        case 2:
            return f"{text} thanks"
        case _:
            return " ".join([*words[:at], *words[at + 1 :]]) if len(words) > 3 else f"{text}!"


def imbalance(rows: pl.DataFrame, drawn: Draw, share: float, rng: np.random.Generator) -> pl.DataFrame:
    """Repeat every row of a share of the labels four times in all."""
    names = drawn.rows["label"].unique().sort()
    many = names.gather(some(len(names), share, rng)).implode()
    return pl.concat([rows, *[rows.filter(pl.col("label").is_in(many))] * 3])


# ---- texts


def typos(rows: pl.DataFrame, _: Draw, share: float, rng: np.random.Generator) -> pl.DataFrame:
    """Mistype a share of the words of four letters and more."""

    def hit(word: str) -> str:
        return mistyped(word, rng) if len(word) > 3 and rng.random() < share else word

    return rows.with_columns(text=pl.Series([" ".join(map(hit, text.split(" "))) for text in rows["text"]]))


def mistyped(word: str, rng: np.random.Generator) -> str:
    """Insert, leave out, exchange or swap a letter anywhere."""
    at, letter = int(rng.integers(len(word))) if word else 0, LETTERS[int(rng.integers(26))]
    rest = word[at + 1 :]
    return [
        word[:at] + letter + word[at:],
        word[:at] + rest,
        word[:at] + letter + rest,
        word[:at] + rest[:1] + word[at : at + 1] + rest[1:],
    ][int(rng.integers(4))]


def damage(rows: pl.DataFrame, _: Draw, share: float, rng: np.random.Generator) -> pl.DataFrame:
    """Leave what scraping leaves in a share of the texts: tags, entities, invisible characters, footers, or nothing at all."""
    at = some(rows.height, share, rng)
    return put(rows, at, text=[damaged(text, int(rng.integers(5))) for text in rows["text"].gather(at)])


def damaged(text: str, way: int) -> str:
    return [
        f'<p class="msg">{text}</p><br>',
        "&nbsp;" + text.replace(" ", "&nbsp;") + "&lt;end&gt;",
        "\u200b".join(text),
        f'<div><span style="color:red">{text.replace(" ", "</span> <span>")}</span></div>',
        "",
    ][way]


FAULTS: dict[str, Fault] = {
    each.__name__.replace("_", "-"): each
    for each in (uniform, confusable, conflicting, off_topic, copies, edits, imbalance, typos, damage)
}
CONDITIONS: dict[str, dict[str, float]] = {
    "none": {},
    **{f"{kind} {share:.0%}": {kind: share} for kind in ("uniform", "confusable") for share in (0.05, 0.1, 0.2)},
    "conflicting 10%": {"conflicting": 0.1},
    "off-topic 5%": {"off-topic": 0.05},
    "off-topic 10%": {"off-topic": 0.1},
    "copies 20%": {"copies": 0.2},
    "edits 20%": {"edits": 0.2},
    "edits 100%": {"edits": 1.0},
    "imbalance 20%": {"imbalance": 0.2},
    "typos 5%": {"typos": 0.05},
    "typos 10%": {"typos": 0.1},
    "damage 10%": {"damage": 0.1},
    "all": {
        "typos": 0.05,
        "damage": 0.05,
        "off-topic": 0.05,
        "confusable": 0.05,
        "uniform": 0.05,
        "conflicting": 0.05,
        "copies": 0.1,
        "edits": 0.1,
    },
}
