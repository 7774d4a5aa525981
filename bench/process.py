"""Run commands as processes of their own: how long they take, and how much memory they and their children hold."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from threading import Event, Thread
from time import perf_counter
from typing import IO, NamedTuple

BENCH = Path(__file__).parent
PYTHON = sys.executable
PEERS = Path(os.environ.get("TUNESET_PEERS", BENCH.parent / ".peers")) / "bin" / "python"
EVERY = 0.1  # seconds between two looks at the memory


class Took(NamedTuple):
    """What one process took; `work` are seconds of processor time, those of its children included."""

    seconds: float
    work: float
    mebibytes: float
    printed: str


class NotRunError(Exception):
    """Why a command gave nothing: in a few words, for the table."""


def run(*command: str | Path, most: float = 900, env: dict[str, str] | None = None) -> Took:
    """Run a command; what it prints to its standard output comes back, and its last words of error where it fails."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        start = perf_counter()
        process = subprocess.Popen(
            [str(word) for word in command],
            stdout=out,
            stderr=err,
            env=os.environ | (env or {}),
            start_new_session=True,
        )
        peak = [0.0]
        done, late = Event(), Event()
        watcher = Thread(target=_watch, args=(process.pid, start + most, peak, done, late))
        watcher.start()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        done.set()
        watcher.join()
        printed, said = (_read(file) for file in (out, err))
    if late.is_set():
        raise NotRunError(f"stopped after {most:.0f} s")
    if status:
        last = (said.strip().splitlines() or ["it said nothing"])[-1]
        raise NotRunError(f"ends with an error: {last[:160]}")
    return Took(seconds, usage.ru_utime + usage.ru_stime, peak[0], printed)


def _read(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")


def _watch(pid: int, until: float, peak: list[float], done: Event, late: Event) -> None:
    """Look at what the process and its children hold; end them when their time is up."""
    while not done.wait(EVERY):
        peak[0] = max(peak[0], sum(map(_resident, _family(pid))))
        if perf_counter() > until:
            late.set()
            os.killpg(pid, 9)
            return


def _family(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:  # it has ended, or this is not Linux
        return [pid]
    return [pid, *(each for child in children for each in _family(int(child)))]


def _resident(pid: int) -> float:
    """Mebibytes that a process holds alone, and its part of what it shares with others."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:")), 0)


def in_turn(ways: dict[str, list[str | Path]], rounds: int, out: Path) -> dict[str, list[Took]]:
    """Run the ways A B C A B C …, so that a slow minute of the machine hits all of them; the first round warms up.

    Each is given a new folder as its last word.
    """
    took: dict[str, list[Took]] = {name: [] for name in ways}
    for _ in range(rounds + (rounds > 1)):
        for name, command in ways.items():
            folder = Path(tempfile.mkdtemp(dir=out))
            took[name].append(run(*command, folder / "run" if name == "tuneset" else folder))
    return {name: runs[1:] if rounds > 1 else runs for name, runs in took.items()}


def median(runs: list[Took]) -> float:
    return statistics.median(each.seconds for each in runs)


def prepare(source: Path) -> list[str | Path]:
    """Name the whole of `tuneset prepare`; the folder of the run is to follow."""
    return [PYTHON, "-m", "tuneset", "prepare", source, "--json", "--out"]


def way(name: str, source: Path) -> list[str | Path]:
    return [PYTHON, BENCH / "ways" / f"{name}.py", source]
