"""Say what each step costs a row, in core-microseconds: what has to be learned first, and what any machine can do.

`python bench/step_costs.py [ROWS]` (200,000) of the word n-gram model. Core time is that of the process, all threads, so that a busy
machine tells the same. docs/scale.md counts with it.
"""

from __future__ import annotations

import pickle
import resource
import sys
import tempfile
from pathlib import Path
from time import process_time

from rows import ngram_rows

from tuneset import run, step
from tuneset.recipe import Recipe, filled


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    with tempfile.TemporaryDirectory() as temp:
        path = Path(temp) / "rows.csv"
        ngram_rows(rows).write_csv(path)
        print(f"before reading {_rss():,.0f} MiB at the peak")
        began = process_time()
        examples = run.peek(path).examples
    print(f"get {(process_time() - began) / rows * 1e6:.2f} µs a row, peak {_rss():,.0f} MiB")
    print(
        f"an example: {examples.estimated_size() / rows:.0f} bytes, on its way {len(pickle.dumps(examples)) / rows:.0f}"
    )
    planned, total = filled(Recipe()), dict[str, float]()
    for stage in ("clean", "dedupe"):
        for each in planned.steps(stage):
            began = process_time()
            fitted = each.fit(examples) if hasattr(each, "fit") else each
            learned = process_time()
            said = step.run(fitted, examples)
            done = process_time()
            kind = {"example": "anywhere"}.get(each.scope, each.scope)
            total[kind] = total.get(kind, 0) + done - learned
            total["learn"] = total.get("learn", 0) + learned - began
            size = said.estimated_size() / max(1, said.height)
            print(
                f"{each.rule:22} {kind:9} learn {(learned - began) / rows * 1e6:7.2f}  run {(done - learned) / rows * 1e6:7.2f} µs a row"
                f"  {said.height:9,} findings of {size:.0f} bytes",
                flush=True,
            )
    for kind, seconds in total.items():
        print(f"{kind:9} {seconds / rows * 1e6:.2f} µs a row")
    print(f"peak {_rss():,.0f} MiB")


def _rss() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
