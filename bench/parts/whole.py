"""The whole of `prepare` beside a notebook, a Polars script and `datasets`, at 500, 100,000 and 1,000,000 rows."""

from __future__ import annotations

import json
import statistics
from typing import TYPE_CHECKING

from process import BENCH, PYTHON, Took, in_turn, median, prepare, run, way
from rows import ngram_rows
from tables import OURS, Promise, Table

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

WAYS = {"notebook": "notebook", "Polars script": "polars_script", "datasets.map": "datasets_map"}
SECONDS = {"seconds": "less", "MiB": "less"}
# Of the notebook's time at 1,000,000 rows.
BUDGET = {"get": 0.05, "clean": 0.35, "dedupe": 0.30, "judge": 0.45}


def measure(out: Path) -> list[Table]:
    """Give a table for each size, and one for what only we do."""
    large = ngram_rows(1_000_000, 42)
    return [
        small(out),
        at_size(out, "100,000 n-gram rows", ngram_rows(100_000, 42)),
        at_size(out, "1,000,000 n-gram rows", large, budget=True),
        checking(out),
    ]


def small(out: Path) -> Table:
    """500 rows: most of it are imports, so each way runs four times."""
    source = BENCH.parent / "examples" / "customer_intent.csv"
    took = in_turn({OURS: prepare(source)} | {name: way(file, source) for name, file in WAYS.items()}, 4, out)
    timings = [json.loads(path.read_text()) for path in out.glob("*/run/.tuneset/timings.json")]
    judging = statistics.median(each["judge"] for each in timings)
    notebook = median(took["notebook"])
    helps = [run(PYTHON, "-m", "tuneset", "--help") for _ in range(7)]
    clicks = [run(PYTHON, "-c", "import click") for _ in range(7)]
    return Table(
        "500 rows (the example set)",
        "`tuneset prepare` reads, cleans, removes duplicates, splits with a certificate, judges, formats, checks, counts tokens "
        "and writes a report. The others read, make chat lines, split by label and write: they check, clean and deduplicate nothing.",
        SECONDS,
        {name: _columns(runs) for name, runs in took.items()},
        "seconds",
        (
            Promise("prepare / notebook", median(took[OURS]) / notebook, "<= 1.5"),
            Promise("prepare without judging / notebook", (median(took[OURS]) - judging) / notebook, "<= 1.0"),
            Promise("tuneset --help / import click", median(helps) / median(clicks), "<= 3.0"),
        ),
    )


def at_size(out: Path, title: str, rows: pl.DataFrame, *, budget: bool = False) -> Table:
    """Time the whole of each way once on these rows, and split, format and write alone."""
    source = out / "rows.csv"
    rows.select("category", "sub_category", inquiry="text").write_csv(source)
    took = in_turn({name: way(file, source) for name, file in WAYS.items()}, 1, out)
    ours = run(*prepare(source), out / title / "run")
    said, timings = json.loads(ours.printed), json.loads((out / title / "run/.tuneset/timings.json").read_text())
    alone = run(PYTHON, BENCH / "ways" / "format_split_write.py", out / title / "run", out)
    notebook = took["notebook"][0]
    found = {each["rule"]: each["found"] for each in said["rules"]}
    promises: list[Promise] = [
        Promise("prepare / notebook", ours.seconds / notebook.seconds, "<= 1.5"),
        Promise(
            "split, format, write: times faster than the notebook's",
            float(notebook.printed) / float(alone.printed),
            ">= 20",
        ),
        Promise("near-duplicates across the split", said["certificate"]["pairs_across"], "<= 0"),
    ]
    if budget:
        promises += [
            Promise(f"{name} / notebook", timings[name] / notebook.seconds, f"<= {most}")
            for name, most in BUDGET.items()
        ]
        promises.append(Promise("peak memory, GiB", ours.mebibytes / 1024, "<= 5"))
    stages = " · ".join(f"{name} {seconds:.1f}" for name, seconds in timings.items())
    return Table(
        title,
        f"The same work. Of tuneset's seconds: {stages}. It found {found.get('near-duplicate', 0):,} pairs of near-duplicates, "
        f"of which the largest group has {said['split']['largest_group']:,} rows, and merged {said['balance']['merged']:,} "
        "exact duplicates; the others looked for none.",
        SECONDS,
        {OURS: _columns([ours]), **{name: _columns(runs) for name, runs in took.items()}},
        "seconds",
        tuple(promises),
    )


def checking(out: Path) -> Table:
    """1,000,000 lines of chat: the check of a file beside the bare parsing of its lines, three times in turn."""
    path = out / "chat.jsonl"
    system, answers = "Classify the inquiry.", [json.dumps({"category": f"topic {n}"}) for n in range(77)]
    with path.open("w") as file:
        for number in range(1_000_000):
            said = {"system": system, "user": f"inquiry {number} about a card", "assistant": answers[number % 77]}
            turns = [{"role": role, "content": text} for role, text in said.items()]
            file.write(json.dumps({"messages": turns}) + "\n")
    took: dict[str, list[float]] = {OURS: [], "orjson.loads": []}
    for _ in range(3):
        for name, runs in took.items():
            runs.append(float(run(PYTHON, BENCH / "ways" / "check_lines.py", name, path).printed))
    seconds = {name: statistics.median(runs) for name, runs in took.items()}
    return Table(
        "Checking 1,000,000 lines of chat",
        "Every rule of a target, beside the bare parsing of the lines, which checks nothing.",
        {"seconds": "less"},
        {name: {"seconds": each} for name, each in seconds.items()},
        promises=(Promise("check / orjson.loads", seconds[OURS] / seconds["orjson.loads"], "<= 3.0"),),
    )


def _columns(runs: list[Took]) -> dict[str, float]:
    return {"seconds": round(median(runs), 2), "MiB": round(statistics.median(each.mebibytes for each in runs))}
