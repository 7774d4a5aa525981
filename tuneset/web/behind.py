"""What the app does behind its pages: each job is done again and again, in a thread of its own."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

LONGEST = 300.0  # seconds between two tries of a job that fails
PATIENCE = 10.0  # seconds that a job may go on when the app ends; it is safe to be killed


class Job(NamedTuple):
    """Something to do every so many seconds; it must be safe to be killed in the middle, and to be done twice."""

    name: str
    do: Callable[[], object]
    every: float


class Behind:
    """Do jobs from `with` to its end, each in a thread of its own. One that fails is tried again less and less often."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._ended = threading.Event()
        self._threads = [
            threading.Thread(target=self._again, args=(job,), name=f"tuneset-{job.name}", daemon=True) for job in jobs
        ]

    def __enter__(self) -> Self:
        for each in self._threads:
            each.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for each in self._threads:
            each.join(PATIENCE)

    def _again(self, job: Job) -> None:
        failed = 0
        while not self._ended.wait(min(job.every * 2**failed, max(LONGEST, job.every))):
            failed = 0 if _done(job) else failed + 1


def _done(job: Job) -> bool:
    """Do a job to its end, in a thread once more: what it raises is a traceback on stderr, and it is done again later."""
    ended = []
    once = threading.Thread(target=lambda: ended.append(job.do()), name=f"tuneset-{job.name}-once", daemon=True)
    once.start()
    once.join()
    return bool(ended)
