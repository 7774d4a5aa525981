"""Prepare the same rows with every engine: in this process, natively by Daft, on a Ray cluster of two nodes, and on one that loses a worker.

`python bench/engines.py [ROWS]` (200,000) prints for each the seconds and a digest of what came out: sha256 over the sorted
rows of train, validation, dropped and findings, as JSON with sorted keys. The digests have to be the same. Both nodes
are on this machine, so the figures show what an engine costs, not what a cluster brings.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from rows import ngram_rows

from tuneset import Dataset

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

TESTS = Path(__file__).parents[1] / "tests"


def digest(run: Path) -> dict[str, str]:
    """Hash what came out, whatever the order and the bytes of the files."""
    parts: dict[str, Iterable[object]] = {
        path.stem: map(json.loads, path.open(encoding="utf-8")) for path in sorted(run.glob("*.jsonl"))
    }
    parts["findings"] = Dataset(run).folder.findings().iter_rows(named=True)
    hashed = {}
    for name, rows in parts.items():
        lines = sorted(json.dumps(row, sort_keys=True) for row in rows)
        hashed[name] = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    return hashed


@contextlib.contextmanager
def two_nodes() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, str(TESTS / "two_nodes.py")]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as nodes:
        yield nodes
        nodes.communicate()


def prepared(rows: Path, run: Path, engine: str, kill: subprocess.Popen[str] | None = None) -> float:
    """Prepare `rows`; kill a worker of the cluster when typos are half done."""
    command = [sys.executable, str(TESTS / "engine_run.py"), str(rows), str(run), engine]
    began = perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        for line in process.stdout:
            if kill is not None and "typo: " in line:
                assert kill.stdin
                assert kill.stdout
                kill.stdin.write("kill\n")
                kill.stdin.flush()
                print("  killed", kill.stdout.readline().strip())
                kill = None
    if process.returncode or kill:
        sys.exit(f"{engine}: ended with {process.returncode}")
    print(f"  {engine} {perf_counter() - began:.1f} s", flush=True)
    return perf_counter() - began


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    with tempfile.TemporaryDirectory() as temp:
        folder = Path(temp)
        ngram_rows(rows).write_csv(folder / "rows.csv")
        took = {each: prepared(folder / "rows.csv", folder / each, each) for each in ("local", "native")}
        with two_nodes() as nodes:
            assert nodes.stdout
            address = nodes.stdout.readline().split()[0]
            took["two nodes"] = prepared(folder / "rows.csv", folder / "two nodes", address)
            took["a worker killed"] = prepared(folder / "rows.csv", folder / "a worker killed", address, nodes)
        expected = digest(folder / "local")
        print(f"{rows:,} rows")
        for name, seconds in took.items():
            found = digest(folder / name)
            same = (
                "the same"
                if found == expected
                else f"OTHER: {[each for each in found if found[each] != expected[each]]}"
            )
            print(f"  {name:16} {seconds:7.1f} s  {seconds / took['local']:5.2f} of local  {same}")
        for name, value in expected.items():
            print(f"  {name:11} {value}")


if __name__ == "__main__":
    main()
