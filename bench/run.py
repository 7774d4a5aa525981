"""Measure what the README promises: time, memory and recall, beside the ways people do it today, in one run.

`python bench/run.py` prints the table and writes bench/results.json. `--quick` leaves the million rows out. Only
ratios are judged: the ways are run in turn on the same machine, and the median of each is compared.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

from recall import recall
from rows import ngram_rows, random_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    import polars as pl

BENCH = Path(__file__).parent
PYTHON = sys.executable


class Took(NamedTuple):
    """What one process took."""

    seconds: float
    mebibytes: float
    printed: str


class Line(NamedTuple):
    """A line of the table; `limit` is what was promised, None where the figure only stands beside others."""

    what: str
    figure: float
    unit: str
    limit: str | None = None
    holds: bool | None = None


def run(*command: str | Path, cwd: Path | None = None) -> Took:
    """Run a command as its own process; time and peak memory are the operating system's."""
    with tempfile.TemporaryFile() as out:
        start = perf_counter()
        process = subprocess.Popen([str(word) for word in command], stdout=out, cwd=cwd)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = perf_counter() - start
        out.seek(0)
        printed = out.read().decode()
    if status:
        raise SystemExit(f"{command} failed: {printed}")
    return Took(seconds, usage.ru_maxrss / 1024, printed)


def in_turn(ways: dict[str, list[str | Path]], rounds: int, out: Path) -> dict[str, list[Took]]:
    """Run the ways A B C A B C …, so that a slow minute of the machine hits all of them; the first round warms up."""
    took: dict[str, list[Took]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, command in ways.items():
            folder = out / f"{name}-{number}"
            folder.mkdir()
            took[name].append(run(*command, folder / "run" if name == "tuneset" else folder))
    return {name: runs[1:] if rounds > 1 else runs for name, runs in took.items()}


def median(runs: list[Took]) -> float:
    return statistics.median(each.seconds for each in runs)


def tuneset(source: Path) -> list[str | Path]:
    return [PYTHON, "-m", "tuneset", "prepare", source, "--json", "--out"]


def way(name: str, source: Path) -> list[str | Path]:
    return [PYTHON, BENCH / "ways" / f"{name}.py", source]


def small(out: Path) -> list[Line]:
    """500 rows: the whole of prepare beside the notebook, a Polars script and datasets.map."""
    source = BENCH.parent / "examples" / "customer_intent.csv"
    others = ["notebook", "polars_script", "datasets_map"]
    took = in_turn({"tuneset": tuneset(source)} | {name: way(name, source) for name in others}, 5, out)
    lines = [Line(f"500 rows, {name}", median(runs), "s") for name, runs in took.items()]
    timings = [json.loads(path.read_text()) for path in out.glob("tuneset-*/run/.tuneset/timings.json")]
    judging = statistics.median(each["judge"] for each in timings)
    whole, notebook = median(took["tuneset"]), median(took["notebook"])
    ratio, without = whole / notebook, (whole - judging) / notebook
    return [
        *lines,
        Line("500 rows, prepare / notebook", ratio, "x", "<= 1.5", ratio <= 1.5),
        Line("500 rows, prepare without judging / notebook", without, "x", "<= 1.0", without <= 1.0),
    ]


def instant(out: Path) -> list[Line]:
    """`tuneset --help` beside `import click`."""
    del out
    helps = [run(PYTHON, "-m", "tuneset", "--help") for _ in range(9)]
    clicks = [run(PYTHON, "-c", "import click") for _ in range(9)]
    ratio = median(helps) / median(clicks)
    return [Line("--help / import click", ratio, "x", "<= 3.0", ratio <= 3.0)]


# What a stage may take of the notebook's time at 1,000,000 rows.
BUDGET = {"clean": 0.35, "dedupe": 0.30, "judge": 0.45}


def _budget(label: str, stage: str, share: float, most: float) -> Line:
    return Line(f"{label}, {stage} / notebook", share, "x", f"<= {most}", share <= most)


def million(kind: str, make: Callable[[int, int], pl.DataFrame], out: Path) -> list[Line]:
    """1,000,000 rows: the whole of prepare beside the notebook, and format, split and write alone."""
    source = out / f"{kind}.csv"
    table = make(1_000_000, 42)
    table = table if "sub_category" in table.columns else table.with_columns(sub_category="category")
    table.select("category", "sub_category", inquiry="text").write_csv(source)
    for name in ("notebook", "tuneset"):
        (out / f"{kind}-{name}").mkdir()
    notebook = run(*way("notebook", source), out / f"{kind}-notebook")
    ours = run(*tuneset(source), out / f"{kind}-tuneset" / "run")
    said = json.loads(ours.printed)
    alone = run(PYTHON, BENCH / "ways" / "format_split_write.py", out / f"{kind}-tuneset" / "run", out)
    ratio, faster = ours.seconds / notebook.seconds, float(notebook.printed) / float(alone.printed)
    timings = json.loads((out / f"{kind}-tuneset" / "run" / ".tuneset" / "timings.json").read_text())
    without = (ours.seconds - timings["judge"]) / notebook.seconds
    found = {each["rule"]: each["found"] for each in said["rules"]}
    label = f"1,000,000 {kind} rows"
    return [
        Line(f"{label}, exact duplicates merged", said["balance"]["merged"], "rows"),
        Line(f"{label}, near-duplicate pairs", found.get("near-duplicate", 0), "pairs"),
        Line(f"{label}, largest group", said["split"]["largest_group"], "rows"),
        Line(f"{label}, notebook", notebook.seconds, "s"),
        Line(f"{label}, prepare", ours.seconds, "s"),
        *(Line(f"{label}, {stage}", seconds, "s") for stage, seconds in timings.items()),
        Line(f"{label}, prepare / notebook", ratio, "x", "<= 1.5", ratio <= 1.5),
        Line(f"{label}, prepare without judging / notebook", without, "x", "<= 0.7", without <= 0.7),
        *(_budget(label, stage, timings[stage] / notebook.seconds, most) for stage, most in BUDGET.items()),
        Line(f"{label}, peak memory", ours.mebibytes / 1024, "GiB", "<= 4", ours.mebibytes <= 4096),
        Line(f"{label}, format + split + write, times faster", faster, "x", ">= 20", faster >= 20),
        Line(
            f"{label}, pairs across the split",
            said["certificate"]["pairs_across"],
            "pairs",
            "0",
            not said["certificate"]["pairs_across"],
        ),
    ]


def checking(out: Path) -> list[Line]:
    """1,000,000 lines of chat: the check of a file beside the bare parsing of its lines, three times in turn."""
    import orjson

    from tuneset.targets import TARGETS, check

    path = out / "chat.jsonl"
    system, answers = "Classify the inquiry.", [json.dumps({"category": f"topic {n}"}) for n in range(77)]
    with path.open("w") as file:
        for number in range(1_000_000):
            said = {"system": system, "user": f"inquiry {number} about a card", "assistant": answers[number % 77]}
            file.write(
                json.dumps({"messages": [{"role": role, "content": text} for role, text in said.items()]}) + "\n"
            )
    ratios = []
    for _ in range(3):
        start = perf_counter()
        with path.open("rb") as file:
            for line in file:
                orjson.loads(line)
        parsed = perf_counter() - start
        check(path, TARGETS["openai"])
        ratios.append((perf_counter() - start - parsed) / parsed)
    ratio = statistics.median(ratios)
    return [Line("1,000,000 chat lines, check / orjson.loads", ratio, "x", "<= 3.0", ratio <= 3.0)]


def found(out: Path) -> list[Line]:
    """Recall of planted one-edit twins, by the bands that large sets use."""
    del out
    return [
        Line(f"{name}, near-duplicates found of {pairs:,}", share, "recall", ">= 0.99", share >= 0.99)
        for name, pairs, share in recall()
    ]


def show(lines: list[Line]) -> None:
    for line in lines:
        verdict = {True: "holds", False: "MISSED", None: ""}[line.holds]
        print(f"{line.what:<70} {line.figure:>14,.4g} {line.unit:<7} {line.limit or '':<8} {verdict}", flush=True)


def main() -> int:
    """Print the table; 1 where a promise does not hold."""
    options = argparse.ArgumentParser()
    options.add_argument("--quick", action="store_true")
    quick = options.parse_args().quick
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    lines: list[Line] = []
    with tempfile.TemporaryDirectory() as folder:
        parts: list[Callable[[Path], list[Line]]] = [instant, small, checking, found]
        if not quick:
            parts += [partial(million, "n-gram", ngram_rows), partial(million, "random-word", random_rows)]
        for part in parts:
            more = part(Path(folder))
            show(more)
            lines += more
    (BENCH / "results.json").write_text(json.dumps([line._asdict() for line in lines], indent=2) + "\n")
    return int(any(line.holds is False for line in lines))


if __name__ == "__main__":
    sys.exit(main())
