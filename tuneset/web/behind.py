"""What the app does behind its pages: one thread, in which each job is done again and again."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

LONGEST = 300.0  # seconds between two tries of a job that fails


class Job(NamedTuple):
    """Something to do every so many seconds; it must be safe to be killed in the middle, and to be done twice."""

    name: str
    do: Callable[[], object]
    every: float


class Behind:
    """Do jobs in turn, in a thread, from `with` to its end. One that fails is tried again less and less often."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._jobs = jobs
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, name="tuneset-behind", daemon=True)

    def __enter__(self) -> Self:
        if self._jobs:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._jobs:
            self._thread.join()

    def _work(self) -> None:
        due = {job.name: time.monotonic() + job.every for job in self._jobs}
        failed = dict.fromkeys(due, 0)
        while not self._ended.wait(max(0.0, min(due.values()) - time.monotonic())):
            job = min(self._jobs, key=lambda each: due[each.name])
            failed[job.name] = 0 if _done(job) else failed[job.name] + 1
            due[job.name] = time.monotonic() + min(job.every * 2 ** failed[job.name], max(LONGEST, job.every))


def _done(job: Job) -> bool:
    """Do a job to its end, in a thread of its own: what it raises is a traceback on stderr, and the others go on."""
    ended = []
    once = threading.Thread(target=lambda: ended.append(job.do()), name=f"tuneset-{job.name}", daemon=True)
    once.start()
    once.join()
    return bool(ended)
