"""Hold our verdict against each checker's on rows that are good but for a change or two, made by chance.

`differ.py [FOLDER]` takes rows of each target as `tuneset export` would write them, changes each at one or two places (a
value, a key, an order, what stands twice), and asks the checkers of that target. A row that a checker refuses and
`tuneset check` lets pass is a defect of ours, and ends the run with 1, unless checkers.toml names what it says as no fault.
The other way round is counted only: our rules are also those of a platform's documents. `--seed` gives other rows.
"""

from __future__ import annotations

import argparse
import copy
import json
import random
import re
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import sets
from ask import ENVS, Checker, ask_all, checkers, refused

from tuneset.shapes import SHAPES
from tuneset.targets import TARGETS
from tuneset.targets.mend import fitted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuneset.shapes.row import Row
    from tuneset.targets.table import Target

ROWS = 40  # of each target: a minute for all checkers
SLOW = {"hub.py"}  # it compares what comes back, and judges nothing
COPIES = 3  # of a row in its file, since some ask for so many
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
SHOWN = [f"data:image/png;base64,{PNG}", "https://shop.example/a.png", "s3://shop/a.png", "gs://shop/a.png"]
# What stands in for a value: of each kind, and words that mean something in one place or another.
ODD: list[Any] = [None, True, 0, 1, 2, 0.5, -1, "", " ", "a", "{}", "[]", '"a"', "null", [], {}, [""], [{}], {"a": 1}]
ODD += ["user", "assistant", "system", "tool", "function", "human", "gpt", "model", "developer", "User: who?", "object"]
ODD += [["a", "b"], [["a"]], {"type": "text", "text": "a"}, [{"type": "text", "text": "a"}], [{"text": "a"}], "a" * 65]
KEYS = [
    "weight",
    "name",
    "id",
    "extra",
    "content",
    "text",
    "tool_calls",
    "tools",
    "tool_call_id",
    "system",
    "prompt",
    "role",
]


class Told(NamedTuple):
    """How one checker and we judged the same rows."""

    both: int
    ours: int  # refused by us alone
    known: int  # refused by them alone, for what is no fault
    theirs: dict[Path, str]  # refused by them alone, and what they say


def good_rows(target: Target) -> list[Row]:
    """Write the rows of the conformance sets as a target reads them, some with an image or a preferred answer."""
    short = [[sets.says("user", asked), sets.says("assistant", answer)] for asked, answer, _ in sets.PAIRS]
    talks = [*sets.tools(), *sets.turns(), *({"messages": each} for each in short)]
    graded = [row | {"rejected": [sets.says("assistant", "No.")], "fields": {"category": "Orders"}} for row in talks]
    texts = [{"messages": each[1:]} for each in short]
    shown = [with_image(row, url) for row, url in zip(talks[-8:], SHOWN * 2, strict=True)]
    made = [fitted(row, target).row for row in [*talks, *graded, *texts, *shown]]
    held = [SHAPES[target.shape].write(row, target) for row in made if row is not None]
    return [json.loads(json.dumps(row)) for row in held]


def with_image(row: Row, url: str) -> Row:
    """Show an image beside what the user asks first."""
    asked, *rest = row["messages"]
    image = {"type": "image_url", "image_url": {"url": url}}
    return row | {"messages": [asked | {"content": [{"type": "text", "text": asked["content"]}, image]}, *rest]}


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Give each object or list inside of a value, with each of its keys."""
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, key
        yield from places(value[key])


def changed(row: Row, draw: random.Random) -> Row:
    """Change a copy of a row at one place, sometimes at two."""
    row = copy.deepcopy(row)
    for _ in range(draw.choice([1, 1, 2])):
        if not row:
            break
        (held, key), (other, name) = draw.choices([*places(row)], k=2)
        value = copy.deepcopy(draw.choice([*ODD, *[other[name]] * len(ODD)]))
        change = draw.choice(["put", "put", "out", "more", "more", "move"])
        if change == "put":
            held[key] = value
        elif change == "out":
            del held[key]
        elif isinstance(held, list):
            held.insert(draw.randrange(len(held) + 1), held.pop(key) if change == "move" else copy.deepcopy(held[key]))
        else:
            held[draw.choice(KEYS)] = held.pop(key) if change == "move" else value
    return row


def write(target: Target, folder: Path, rows: int, seed: int) -> list[Path]:
    """Write each changed row as a file of its own."""
    draw, good = random.Random(f"{seed} {target.name}"), good_rows(target)  # noqa: S311  nothing is kept secret
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for number in range(rows):
        line = json.dumps(changed(draw.choice(good), draw)) + "\n"
        files.append(folder / f"changed-{number:05d}.jsonl")
        files[-1].write_text(line * COPIES, encoding="utf-8")
    return files


def differences(found: list[Checker], folder: Path, given: argparse.Namespace) -> dict[tuple[str, str], Told]:
    """Ask every checker about the rows of each of its targets."""
    wanted = sorted({target for checker in found for target in checker.targets})
    files = {name: write(TARGETS[name], folder / name, given.rows, given.seed) for name in wanted}
    ours = {file: refused(file, name) for name, each in files.items() for file in each}
    verdicts, silent = ask_all(
        [(each, [file for name in each.targets for file in files[name]]) for each in found], given.envs
    )
    for name, why in {**silent.absent, **silent.fallen}.items():
        print(f"not asked: {name}: {why}")
    if silent.fallen or (silent.absent and not given.offered):
        raise SystemExit(1)
    return {
        (name, target): compared({file: each[file] for file in files[target]}, ours)
        for name, each in verdicts.items()
        for target in next(checker.targets for checker in found if checker.name == name)
    }


def compared(theirs: dict[Path, Any], ours: dict[Path, list[str]]) -> Told:
    """Count on which files two judges agree, and keep those that only the other one refuses."""
    marks = Counter((verdict.mark, bool(ours[file])) for file, verdict in theirs.items())
    alone = {
        file: verdict.problems[0]["says"] for file, verdict in theirs.items() if verdict.mark == "x" and not ours[file]
    }
    return Told(marks["x", True], marks[".", True] + marks["k", True], marks["k", False], alone)


def main() -> None:
    """Print one table, then what only the checkers refuse, by what they say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=Path(tempfile.gettempdir()) / "tuneset-differ")
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--envs", type=Path, default=ENVS)
    parser.add_argument("--only", action="append", default=[], metavar="CHECKER")
    parser.add_argument("--offered", action="store_true", help="pass where a checker cannot be had")
    given = parser.parse_args()
    given.envs = given.envs.resolve()
    found = [each for each in checkers(given.only, []) if not each.exports_only and each.script not in SLOW]
    told = differences([each for each in found if not each.name.startswith("tokens")], given.folder, given)
    print(f"{'checker':<24}{'target':<24}{'rows':>6}{'both':>6}{'ours':>6}{'known':>6}{'theirs':>7}")
    for (name, target), each in told.items():
        print(f"{name:<24}{target:<24}{given.rows:>6}{each.both:>6}{each.ours:>6}{each.known:>6}{len(each.theirs):>7}")
    for (name, target), each in told.items():
        alike: dict[str, list[Path]] = {}
        for file, says in each.theirs.items():
            alike.setdefault(re.sub(r"\d+|'[^']*'", "*", says)[:150], []).append(file)
        for files in alike.values():
            print(f"{name} ({target}), {len(files)} such as {files[0]}\n    {each.theirs[files[0]][:300]}")
    sys.exit(any(each.theirs for each in told.values()))


if __name__ == "__main__":
    main()
