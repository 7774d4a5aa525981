"""Measure what tuneset promises, beside the ways and packages that people use today: one run, one table, one page.

`python bench/run.py` does all parts, or those that are named, prints the table, and writes bench/results.json and from
that docs/benchmarks.md; `--page` writes the page alone. Each way is a process of its own, in turn on one machine. It ends
with 1 where a promise does not hold. A package that is not there, or fails, is named with the reason.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter

import page
import tables
from process import BENCH

RESULTS = BENCH / "results.json"
PARTS = ("whole", "twins", "wrong_labels", "misspellings", "private", "sides", "meanings")


def main() -> int:
    """Measure, print, write."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("parts", nargs="*", default=PARTS, help=f"of {', '.join(PARTS)}")
    options.add_argument("--page", action="store_true", help="only write the page again")
    given = options.parse_args()
    if unknown := set(given.parts) - set(PARTS):
        options.error(f"no part is called {', '.join(sorted(unknown))}")
    results = tables.read(RESULTS)
    if not given.page:
        for part in given.parts:
            results["parts"][part] = _measured(part)
            RESULTS.write_text(json.dumps(results, indent=1) + "\n")
        made = [table for part in given.parts for table in tables.tables_of(results["parts"][part])]
        tables.show(made)
    page.write(results, PARTS)
    return int(not given.page and any(not each.holds for table in made for each in table.promises))


def _measured(part: str) -> dict[str, object]:
    start = perf_counter()
    print(f"{part} …", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        made = importlib.import_module(f"parts.{part}").measure(Path(folder))
    seconds = perf_counter() - start
    print(f"{part}: {seconds:.0f} s", flush=True)
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "seconds": round(seconds),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "tables": tables.written(made),
    }


if __name__ == "__main__":
    sys.exit(main())
