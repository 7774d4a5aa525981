"""Measure how often the steps are right, on real rows with truth and on planted faults, and hold the figures to floors.

`python bench/quality/floors.py` prints every figure beside its floor (bench/floors.json) and ends with 1 where one is
missed. `--raise` writes better figures down as new floors; only `--lower NAME` lets a floor fall.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from pathlib import Path
from typing import NamedTuple

FLOORS = Path(__file__).parents[1] / "floors.json"
DATA = Path(os.environ.get("TUNESET_DATA", Path(__file__).parents[3] / "shared" / "data"))
# Run by name: two minutes of tests against drawn samples where their part of the code changes; `make bench-quick`.
NAMED = {"represent", "speed"}
PARTS = sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem not in {"floors", *NAMED})
# Figures are deterministic; a floor keeps this much room for other versions of Polars, NumPy and ftfy.
ROOM = 0.003
# All but a ratio of times: a floor keeps this share of it, so that twice the work is seen and a busy machine is not.
TIMED = 0.5


class Floor(NamedTuple):
    """What a figure must not pass: at least `value` where more is better, else at most."""

    value: float
    more_is_better: bool

    def holds(self, figure: float) -> bool:
        """Say whether a figure is on the right side."""
        return figure >= self.value if self.more_is_better else figure <= self.value

    def moved(self, figure: float, *, timed: bool = False) -> Floor:
        """Return the floor that a figure would set; a count sets it exactly, a share with some room, a time with much."""
        room = (
            TIMED * figure
            if timed
            else (ROOM if self.more_is_better else min(ROOM, figure / 10))
            if 0 < figure < 1
            else 0
        )
        return self._replace(value=round(figure - room if self.more_is_better else figure + room, 4))

    def is_better(self, other: Floor) -> bool:
        """Say whether this floor asks for more than another."""
        return (self.value > other.value) == self.more_is_better and self.value != other.value


def read_floors() -> dict[str, Floor]:
    """Read the floors; `at_least` and `at_most` are the two kinds."""
    written = json.loads(FLOORS.read_text()) if FLOORS.exists() else {}
    return {name: Floor(next(iter(kind.values())), more_is_better="at_least" in kind) for name, kind in written.items()}


def write_floors(floors: dict[str, Floor]) -> None:
    """Write the floors, sorted by name."""
    kinds = {name: {"at_least" if floor.more_is_better else "at_most": floor.value} for name, floor in floors.items()}
    lines = [f"  {json.dumps(name)}: {json.dumps(kinds[name])}" for name in sorted(kinds)]
    FLOORS.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def measured(parts: list[str]) -> dict[str, float]:
    """Run the parts, each a module beside this one with `measure(data) -> figures`."""
    sys.path.insert(0, str(Path(__file__).parent))
    figures: dict[str, float] = {}
    for part in parts:
        figures |= importlib.import_module(part).measure(DATA)
    return figures


def main() -> None:
    """Measure, print, compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", default=PARTS, help=f"of {', '.join(PARTS)}")
    parser.add_argument("--raise", dest="raising", action="store_true", help="write better figures down as floors")
    parser.add_argument("--lower", action="append", default=[], metavar="NAME", help="let this floor fall")
    given = parser.parse_args()
    floors = read_floors()
    missed = []
    for name, figure in measured(given.parts).items():
        floor = floors.get(name)
        held = floor is None or floor.holds(figure)
        limit = "" if floor is None else f"{'at least' if floor.more_is_better else 'at most'} {floor.value:g}"
        print(f"{name:<56} {figure:>10.4f}   {limit:<18}{'' if held else 'MISSED'}")
        if not held:
            missed.append(name)
        if floor is not None:
            moved = floor.moved(figure, timed="/" in name.rpartition(".")[2] or name.endswith("_times"))
            if name in given.lower or (given.raising and moved.is_better(floor)):
                floors[name] = moved
    if given.raising or given.lower:
        write_floors(floors)
    unforgiven = [name for name in missed if name not in given.lower]
    if unforgiven:
        sys.exit(f"{len(unforgiven)} below the floor: {', '.join(unforgiven)}")


if __name__ == "__main__":
    main()
