"""What the step `typo` finds, and what it takes for a typo that is none: planted typos, real ones, protected words.

`python bench/quality/typos.py` prints the figures; with `--fit` it fits the weights of tuneset/spelling/misspelt.py anew:
to the first half of BANKING77 and CLINC150, and of web pages for their names, with typos planted in them. The flags on
words that were not touched were read by hand: typos_read.csv says which of them are real typos.
"""

from __future__ import annotations

import csv
import gzip
import os
import random
import re
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import orjson
import polars as pl

from tuneset.clean.typos import SURE, Correction, Typo, changes
from tuneset.spelling.dictionary import load
from tuneset.spelling.misspelt import FEATURES, suspicions
from tuneset.spelling.neighbours import beside
from tuneset.testing import examples

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("TUNESET_DATA", ROOT.parent / "shared" / "data"))
PROTECTED = ROOT / "tests" / "protected.txt"
READ = Path(__file__).with_name("typos_read.csv")
WORD, LONG = re.compile(r"[A-Za-z]+(?:['\u2019][A-Za-z]+)*"), re.compile(r"[A-Za-z]{4,}")
LETTERS = "abcdefghijklmnopqrstuvwxyz"

Mutate = Callable[[str, random.Random], str]


class Planted(NamedTuple):
    """Texts with typos in them; of each text, which word stood where one begins."""

    texts: list[str]
    meant: list[dict[int, str]]


def mutated(word: str, draw: random.Random) -> str:
    """Insert, delete, substitute or transpose: any letter, anywhere."""
    at, swapped, letter = draw.randrange(len(word)), draw.randrange(len(word) - 1), draw.choice(LETTERS)
    return draw.choice(
        [
            word[:at] + letter + word[at:],
            word[:at] + word[at + 1 :],
            word[:at] + letter + word[at + 1 :],
            word[:swapped] + word[swapped + 1] + word[swapped] + word[swapped + 2 :],
        ]
    )


def mistyped(word: str, draw: random.Random) -> str:
    """Do what people do: a key beside the right one, a letter lost, doubled or swapped, seldom the first."""
    at = draw.randrange(1, len(word)) if draw.random() < 0.92 else 0
    letter = word[at].lower()
    near = draw.choice([pair[1] for pair in beside() if pair[0] == letter] or [letter])
    ways = {
        word[:at] + word[at + 1 :]: 22,
        re.sub(r"(.)\1", r"\1", word, count=1): 12,
        word[:at] + word[at] + word[at:]: 12,
        word[:at] + word[at + 1 : at + 2] + word[at] + word[at + 2 :]: 18,
        word[:at] + near + word[at + 1 :]: 14,
        word[:at] + near + word[at:]: 8,
        word[:at] + (draw.choice("aeiou") if letter in "aeiou" else letter) + word[at + 1 :]: 14,
    }
    return draw.choices([*ways], [*ways.values()])[0]


def plant(texts: Sequence[str], seed: int, rate: float = 0.05, mutate: Mutate = mutated) -> Planted:
    """Mistype a share of the words of four letters and more."""
    draw, planted = random.Random(seed), Planted([], [])
    for text in texts:
        new, meant, last = "", dict[int, str](), 0
        for found in LONG.finditer(text):
            changed = mutate(found[0], draw) if draw.random() < rate else found[0]
            if changed.lower() != found[0].lower():
                new += text[last : found.start()]
                meant[len(new)] = found[0].lower()
                new, last = new + changed, found.end()
        planted.texts.append(new + text[last:])
        planted.meant.append(meant)
    return planted


def sets(data: Path) -> dict[str, list[str]]:
    """Read the texts; in the halves "a" of two sets are those that the weights were fitted to."""
    banking = pl.read_csv(data / "banking77" / "train.csv")["text"]
    clinc = pl.read_csv(data / "clinc150" / "clinc150.csv")["inquiry"]
    hwu = pl.read_csv(data / "hwu64" / "hwu64.csv", infer_schema=False)["text_as_typed"].drop_nulls()
    courses = {name: pl.read_csv(path)["inquiry"] for name, path in _courses(data).items()}
    texts = {name: column.to_list() for name, column in {"banking77": banking, "clinc150": clinc, "hwu64": hwu}.items()}
    for name in ("banking77", "clinc150"):
        draw = random.Random(99)
        first = [draw.random() < 0.5 for _ in texts[name]]
        texts[f"{name}/a"] = [text for text, is_first in zip(texts[name], first, strict=True) if is_first]
        texts[f"{name}/b"] = [text for text, is_first in zip(texts[name], first, strict=True) if not is_first]
    return texts | {name: column.to_list() for name, column in courses.items()}


def _courses(data: Path) -> dict[str, Path]:
    folder = data / "course_shape"
    return {"course_clinc": folder / "clinc_500.csv", "course_hwu": folder / "hwu64_500_as_typed.csv"}


def learnt(texts: Sequence[str]) -> dict[str, Correction]:
    """Fit the step to texts and return its corrections."""
    return Typo().fit(examples(texts)).meant


def read_by_hand() -> dict[tuple[str, str], str]:
    """Return the real typos among the flags: what was meant, by set and word."""
    with READ.open(encoding="utf-8", newline="") as file:
        return {(row["set"], row["word"]): row["meant"] for row in csv.DictReader(file) if row["verdict"] == "real"}


def on_planted(name: str, texts: Sequence[str], real: dict[tuple[str, str], str]) -> dict[str, float]:
    """Plant typos: how many are found and corrected, how many other words are flagged, how many flags are right."""
    planted = plant(texts, seed=1)
    corrections = learnt(planted.texts)
    there = sum(map(len, planted.meant))
    words = sum(len(WORD.findall(text)) for text in texts)
    found = right = flagged = wrong = 0
    for text, meant in zip(planted.texts, planted.meant, strict=True):
        for change in changes(text, corrections):
            planted_here = [word for at, word in meant.items() if change.start <= at < change.stop]
            found += bool(planted_here)
            right += any(word in change.new.lower() for word in planted_here)
            flagged += not planted_here
            wrong += not planted_here and (name.partition("/")[0], change.word) not in real
    return {
        "recall": found / there,
        "corrected": right / there,
        "untouched_flagged": flagged / (words - there),
        "precision": found / (found + flagged),
        "precision_read": 1 - wrong / (found + flagged),
    }


def as_they_are(texts: dict[str, list[str]], real: dict[tuple[str, str], str]) -> dict[str, float]:
    """Count the flags in the sets as they are: how many are real typos, and how many sure corrections are right."""
    flags = real_flags = sure = sure_right = 0
    for name in ("banking77", "clinc150", "hwu64"):
        corrections = learnt(texts[name])
        counted = Counter(change.word for text in texts[name] for change in changes(text, corrections))
        for word, count in counted.items():
            correction = corrections[word]
            flags += count
            real_flags += count * ((name, word) in real)
            if correction.confidence >= SURE:
                sure += count
                sure_right += count * (real.get((name, word)) == correction.meant)
    return {"flags": flags, "precision_read": real_flags / flags, "sure": sure, "sure_right": sure_right / sure}


def on_real_typos(data: Path, texts: Sequence[str] | None) -> dict[str, float]:
    """Look for HWU64's real typos in a set, or in the rows that have them alone."""
    with (data / "hwu64" / "typo_rows.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    corrections = learnt(texts or [row["text_as_typed"] for row in rows])
    pairs = [
        (row["text_as_typed"], *pair.split(">", 1)) for row in rows for pair in row["word_pairs"].split() if ">" in pair
    ]
    found = [
        {change.word: change.new.lower() for change in changes(text, corrections)}.get(typed.strip("'").lower())
        for text, typed, _ in pairs
    ]
    right = sum(new == meant for new, (_, _, meant) in zip(found, pairs, strict=True))
    return {"recall": sum(new is not None for new in found) / len(pairs), "corrected": right / len(pairs)}


def on_protected(texts: Sequence[str]) -> float:
    """Count the flags on lines that hold no typo, alone and among the rows of a set."""
    lines = [line for line in PROTECTED.read_text(encoding="utf-8").splitlines() if line]
    alone, among = learnt(lines), learnt([*lines, *texts])
    return float(sum(len(changes(line, corrections)) for line in lines for corrections in (alone, among)))


def measure(data: Path) -> dict[str, float]:
    """Return every figure by its name."""
    texts, real = sets(data), read_by_hand()
    figures = {"typo.protected.flags": on_protected(texts["clinc150"])}
    named = {name: on_planted(name, texts[name], real) for name in texts if not name.endswith("/a")}
    named |= {"as_they_are": as_they_are(texts, real)}
    named |= {"hwu64_rows": on_real_typos(data, texts["hwu64"]), "hwu64_rows_alone": on_real_typos(data, None)}
    return figures | {f"typo.{name}.{what}": value for name, part in named.items() for what, value in part.items()}


def judged(planted: Planted) -> pl.DataFrame:
    """Return the pairs of suspects in planted texts, and of how many of their places each is the truth."""
    truth: dict[str, Counter[str]] = {}
    for text, meant in zip(planted.texts, planted.meant, strict=True):
        for at, word in meant.items():
            typed = WORD.match(text, at)
            truth.setdefault(typed[0].lower() if typed else "", Counter())[word] += 1
    pairs = suspicions(pl.Series(planted.texts), load("symspell", "en"))
    places = [truth.get(word, Counter())[meant] for word, meant in pairs.select("word", "meant").iter_rows()]
    touched = pairs["word"].is_in([*truth])
    return pairs.with_columns(right=pl.Series(places, dtype=pl.Int64), touched=touched)


def training(data: Path) -> pl.DataFrame:
    """Plant typos of both kinds, at several rates, in sets of several sizes; real typos are not held against a pair."""
    texts, real = sets(data), {word for _, word in read_by_hand()}
    with gzip.open(data / "web_pages" / "ground-truth.jsonl.gz") as lines:
        pages = [orjson.loads(line)["main_content"] or "" for line in lines][::2]
    web = [line.strip() for page in pages for line in page.split("\n") if len(line.strip()) > 20]
    draw, parts = random.Random(5), list[pl.DataFrame]()

    def add(rows: Sequence[str], rate: float, mutate: Mutate, weight: float) -> None:
        parts.append(judged(plant(rows, len(parts), rate, mutate)).with_columns(weight=pl.lit(float(weight))))

    for name in ("banking77/a", "clinc150/a"):
        for rate in (0.05, 0.01):
            add(texts[name], rate, mutated, 0.4)
            add(texts[name], rate, mistyped, 1)
        for size in (130, 300, 500, 1_000) * 3:
            add(draw.sample(texts[name], size), 0.03, mutated, 0.4)
            add(draw.sample(texts[name], size), 0.03, mistyped, 1)
        add(texts[name] * 8, 0.02, mistyped, 0.15)
    for rows in (web, [line.lower() for line in web]):
        add(rows, 0.01, mistyped, 1)
        for size in (130, 300, 500, 1_000):
            add(draw.sample(rows, size), 0.02, mutated, 1)
            add(draw.sample(rows, size), 0.02, mistyped, 1)
    pairs = pl.concat(parts).filter(pl.col("edit").is_not_null())
    return pairs.filter(pl.col("touched") | ~pl.col("word").is_in(sorted(real)))


def fit(data: Path) -> None:
    """Fit the weights anew and print them."""
    from sklearn.linear_model import LogisticRegression

    pairs = training(data)
    features = pairs.select(value.cast(pl.Float64).alias(name) for name, value in FEATURES.items()).to_numpy()
    truth = (2 * pairs["right"] > pairs["n"]).to_numpy()
    model = LogisticRegression(C=1.0, max_iter=10_000).fit(features, truth, sample_weight=pairs["weight"].to_numpy())
    print(f"BIAS = {np.round(model.intercept_[0], 2)}")
    print(
        "WEIGHTS =", {name: float(np.round(weight, 2)) for name, weight in zip(FEATURES, model.coef_[0], strict=True)}
    )


if __name__ == "__main__":
    if "--fit" in sys.argv:
        fit(DATA)
    else:
        for name, value in measure(DATA).items():
            print(f"{name:45} {value:.4f}")
