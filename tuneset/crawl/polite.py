"""The one way through which anything is asked for: one request at a time to a host, and a pause before the next."""

from __future__ import annotations

import email.utils
import random
import statistics
import threading
import time
from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tuneset.crawl.addresses import host_of
from tuneset.crawl.http import ANYTHING, Answer, Want, get
from tuneset.crawl.policy import PASSING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuneset.crawl.egress import Egress
    from tuneset.crawl.policy import Policy

AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504, 522, 524})
BUSY = frozenset({429, 503})


@dataclass
class _Gate:
    """One host: when it may be asked again, and why it is not asked any more in this run."""

    ready: float
    lock: threading.Lock = field(default_factory=threading.Lock)
    delay: float = 0.0  # robots.txt asks for it
    waits: deque[float] = field(default_factory=lambda: deque(maxlen=20))
    failures: int = 0
    address: str = ""
    closed: str = ""


class Polite:
    """Ask hosts in turn; `rested` says that no host was asked just before, as at the start of a new crawl."""

    def __init__(self, policy: Policy, egress: Egress, stop: threading.Event, *, rested: bool = True) -> None:
        self._policy, self._egress, self._stop = policy, egress, stop
        self._start = time.monotonic()
        self._rested = rested
        self._gates: dict[str, _Gate] = {}
        self._lines: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._lock = threading.Lock()

    def ask(self, url: str, want: Want = ANYTHING) -> Answer:
        """Wait for the host's turn, ask, and note how it went; the error is "stopped" where the crawl ends meanwhile.

        Two hosts at one network address, as far as it is known, are not asked at the same time either.
        """
        gate = self._gate(url)
        with gate.lock, self._line(gate, url):
            while (left := gate.ready - time.monotonic()) > 0:
                if self._stop.wait(left):
                    return Answer(url, url, error="stopped")
            if self._stop.is_set():
                return Answer(url, url, error="stopped")
            answer = get(url, self._policy, self._egress, want)
            self._note(gate, answer)
            return answer

    def ready(self, host: str) -> float:
        """When a host may be asked again, by the monotonic clock."""
        gate = self._gates.get(host)
        return gate.ready if gate else 0.0

    def closed(self, host: str) -> str:
        """Say why a host is left alone for this run; empty where it is not."""
        gate = self._gates.get(host)
        return gate.closed if gate else ""

    def close(self, url: str, why: str) -> None:
        """Leave a host alone for this run."""
        self._gate(url).closed = why

    def delay(self, url: str, seconds: float) -> None:
        """Take in what robots.txt asks for."""
        gate = self._gate(url)
        if seconds > gate.delay:
            gate.ready += self._paced(url, max(seconds - max(gate.delay, self._policy.gap), 0.0))
            gate.delay = seconds

    def hold(self, url: str, seconds: float) -> None:
        """Leave a host alone for so long."""
        gate = self._gate(url)
        gate.ready = max(gate.ready, time.monotonic() + seconds)

    def rest(self, url: str) -> None:
        """Begin a host's pause anew: a browser has asked it for more than the page."""
        gate = self._gate(url)
        gate.ready = max(gate.ready, time.monotonic() + self._paced(url, self._pause(gate)))

    def backoff(self, url: str, tries: int) -> float:
        """Draw how long to leave one page alone after so many failures: full jitter below a doubling limit."""
        most = min(2.0**tries, self._policy.longest_backoff)
        return self._paced(url, random.uniform(0.0, most))  # noqa: S311 - no secret hangs on it

    def _gate(self, url: str) -> _Gate:
        host = host_of(url)
        with self._lock:
            if host not in self._gates:
                pause = 0.0 if self._rested else self._paced(url, self._policy.gap)
                self._gates[host] = _Gate(self._start + pause)
            return self._gates[host]

    def _line(self, gate: _Gate, url: str) -> threading.Lock:
        with self._lock:
            return self._lines[gate.address or host_of(url)]

    def _paced(self, url: str, seconds: float) -> float:
        return seconds * (self._policy.pace if self._policy.is_own(url) else 1.0)

    def _note(self, gate: _Gate, answer: Answer) -> None:
        policy, now = self._policy, time.monotonic()
        gate.address = answer.address or gate.address
        if answer.status:
            gate.waits.append(answer.waited)
        gate.ready = now + self._paced(answer.url, self._pause(gate))
        failed = answer.error in PASSING or answer.status in AGAIN
        gate.failures = gate.failures + 1 if failed else 0
        if answer.status in BUSY:
            self._wait(gate, answer, now)
        if gate.failures >= policy.failures:
            gate.closed = "failing"
        elif len(gate.waits) >= 10 and statistics.median(gate.waits) > policy.slow:
            gate.closed = "slow"

    def _pause(self, gate: _Gate) -> float:
        median = statistics.median(gate.waits) if gate.waits else 0.0
        return max(self._policy.gap, gate.delay, self._policy.latency_factor * median)

    def _wait(self, gate: _Gate, answer: Answer, now: float) -> None:
        asked = retry_after(answer.headers)
        if asked is not None and asked > self._policy.longest_wait:
            gate.closed = "asks-to-wait"
        most = min(2.0**gate.failures, self._policy.longest_backoff)
        gate.ready = max(gate.ready, now + (self._paced(answer.url, most) if asked is None else asked))


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Read how many seconds a server asks to wait, as a number or a date; None where it does not say.

    >>> retry_after({"retry-after": "120"}), retry_after({}), retry_after({"retry-after": "soon"})
    (120.0, None, None)
    """
    said = headers.get("retry-after", "").strip()
    if said.isascii() and said.isdigit():
        return float(said[:9])
    try:
        return max(email.utils.parsedate_to_datetime(said).timestamp() - time.time(), 0.0)
    except (ValueError, TypeError, OverflowError):
        return None
