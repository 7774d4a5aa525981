"""How much work tuneset takes beside the ways that it is held against: ratios only, small enough for every change.

`make bench-quick` holds them to bench/floors.json. Each figure is a ratio of processor seconds, those of all threads and
children: a busy machine stretches the clock and hardly the work. Both sides run in turn, and of each the least of several
rounds counts, as other programs can only add. Floors have half of the figure as room (floors.TIMED), so what makes
something twice as slow is seen. Recall and precision of planted twins are the same on every machine.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from tuneset import near

BENCH = Path(__file__).parents[1]
sys.path.append(str(BENCH))
import process  # noqa: E402
from recall import EDITS  # noqa: E402
from rows import ngram_rows  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 3
ROWS = 20_000


def measure(data: Path) -> dict[str, float]:
    """Return the ratios, and what the near-duplicate search finds of planted twins."""
    del data
    with tempfile.TemporaryDirectory() as folder:
        texts = ngram_rows(4 * ROWS, 42)
        found = {
            **_starting(),
            **_prepared("500", process.BENCH.parent / "examples" / "customer_intent.csv", Path(folder)),
            **_prepared(f"{ROWS}", _csv(texts.head(ROWS), Path(folder)), Path(folder)),
            **_checked(Path(folder)),
            **_searched(texts["text"]),
        }
    return {f"speed.{name}": round(figure, 4) for name, figure in (found | _twins(texts["text"].head(ROWS))).items()}


def _starting() -> dict[str, float]:
    ways: dict[str, list[str]] = {"help": ["-m", "tuneset", "--help"], "click": ["-c", "import click"]}
    took = {name: min(process.run(process.PYTHON, *words).work for _ in range(7)) for name, words in ways.items()}
    return {"help/click": took["help"] / took["click"]}


def _prepared(name: str, source: Path, out: Path) -> dict[str, float]:
    ways = {"tuneset": process.prepare(source), "notebook": process.way("notebook", source)}
    # one round less: the first, which warms up, is not counted
    took = {way: min(each.work for each in runs) for way, runs in process.in_turn(ways, ROUNDS - 1, out).items()}
    return {f"{name}.prepare/notebook": took["tuneset"] / took["notebook"]}


def _csv(rows: pl.DataFrame, out: Path) -> Path:
    rows.select("category", "sub_category", inquiry="text").write_csv(out / "rows.csv")
    return out / "rows.csv"


def _checked(out: Path) -> dict[str, float]:
    import orjson

    from tuneset.targets import TARGETS, check

    path = out / "chat.jsonl"
    roles = ("system", "user", "assistant")
    answers = [json.dumps({"category": f"topic {number}"}) for number in range(77)]
    rows = (("Classify the inquiry.", f"inquiry {row} about a card", answers[row % 77]) for row in range(100_000))
    path.write_text(
        "".join(
            json.dumps({"messages": [{"role": role, "content": said} for role, said in zip(roles, row, strict=True)]})
            + "\n"
            for row in rows
        )
    )

    def parse() -> None:
        with path.open("rb") as file:
            for line in file:
                orjson.loads(line)

    return {"check/orjson": _least(lambda: check(path, TARGETS["openai"])) / _least(parse)}


def _searched(texts: pl.Series) -> dict[str, float]:
    """Hold the search against what Python takes to cut the same texts into 3-grams, and against itself on fewer rows."""
    few = texts.head(ROWS)
    grams = _least(lambda: [len({text[place : place + 3] for place in range(len(text))}) for text in few.to_list()])
    least = _least(lambda: near.pairs(near.sets(few)))
    return {"near/grams": least / grams, "near.four_times": _least(lambda: near.pairs(near.sets(texts))) / least}


def _least(do: Callable[[], object]) -> float:
    """Return the fewest processor seconds of several runs, those of all threads."""
    took = []
    for _ in range(ROUNDS):
        start = time.process_time()
        do()
        took.append(time.process_time() - start)
    return min(took)


def _twins(texts: pl.Series, many: int = 400) -> dict[str, float]:
    """Plant one-edit twins; return how many of those that are alike are found, and how many pairs are not alike."""
    draw = random.Random(7)
    bases = draw.sample(range(len(texts)), many)
    twins = [" ".join(change(texts[base].split(), draw)) for change in EDITS.values() for base in bases]
    sets = near.sets(pl.concat([texts, pl.Series("text", twins)]))
    wanted = {
        pair
        for pair in zip(bases * len(EDITS), range(len(texts), len(texts) + len(twins)), strict=True)
        if _jaccard(sets, *pair) >= 0.7
    }
    found = near.pairs(sets)
    pairs = list(zip(found.left.tolist(), found.right.tolist(), strict=True))
    drawn = [pairs[place] for place in np.random.default_rng(0).permutation(len(pairs))[:5_000]]
    return {
        "near.recall": len(wanted & set(pairs)) / len(wanted),
        "near.precision": sum(_jaccard(sets, *pair) >= 0.7 for pair in drawn) / len(drawn),
    }


def _jaccard(sets: near.Sets, one: int, other: int) -> float:
    first, second = (set(sets.grams[sets.offsets[row] : sets.offsets[row + 1]].tolist()) for row in (one, other))
    return len(first & second) / max(1, len(first | second))
