"""Start Daft, reach a Ray cluster, and refuse one on which a step might say something else than here."""

from __future__ import annotations

import logging
import os
import platform
import re
import socket
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, TypeVar

from tuneset import __version__
from tuneset.errors import TunesetError, need

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

T = TypeVar("T")
R = TypeVar("R")

QUIET = {  # no word about their use goes to the makers of Daft and Ray, and no bar is drawn over ours
    "DAFT_ANALYTICS_ENABLED": "0",
    "DAFT_PROGRESS_BAR": "0",
    "DO_NOT_TRACK": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
}
WAIT = 10  # seconds for a machine to take a connection; Ray itself would ask for half a minute


def daft(name: str) -> Any:
    """Return Daft, which runs natively, or on the Ray cluster of this name: a process can do one of the two only."""
    for key, value in QUIET.items():
        os.environ.setdefault(key, value)
    package, runners = need("daft", "ray"), need("daft.runners", "ray")
    kind = "native" if name == "native" else "ray"
    running = runners.get_or_infer_runner_type() if runners._get_runner() is not None else None  # noqa: SLF001  to ask aloud is to decide
    if running not in (None, kind):
        what = f"Daft runs on {running} in this process, and cannot change that any more"
        raise TunesetError(what, f"engine {name}", "start another Python, or stay with one engine")
    if kind == "ray":
        _connect(name)
    if running is None:
        package.set_runner_ray() if kind == "ray" else package.set_runner_native()
    return package


def cores() -> int:
    """Count the cores of the cluster."""
    return max(1, int(_ray().cluster_resources().get("CPU", 1)))


def fetched(reference: Any) -> Any:
    """Bring a result from wherever it is in the cluster."""
    return _ray().get(reference)


def shared(do: Callable[[T, Any], R], held: T, tasks: Sequence[Any]) -> Iterator[R]:
    """Apply `do` to what all tasks share and to each task; results come as they are ready.

    These are Ray's own tasks: what is shared lies once in the memory of each machine and is read there without a copy.
    A function of Daft's that asks Ray for it waits for ever. Ray runs a task again, up to three times, where its worker died.
    """
    package = _ray()
    there, ask = package.put(held), package.remote(do)
    waiting = [ask.remote(there, task) for task in tasks]
    while waiting:
        ready, waiting = package.wait(waiting)
        yield from package.get(ready)


def faults() -> tuple[type[BaseException], ...]:
    """Name what is raised where a process died that had work of ours; a fault of a step's own looks the same."""
    raised: list[type[BaseException]] = [
        RuntimeError,
        ConnectionError,
        need("daft.exceptions", "ray").DaftCoreException,
    ]
    return (*raised, _ray().exceptions.RayError)


def is_gone(error: BaseException) -> bool:
    """Say whether it is the cluster itself that cannot be reached any more."""
    known = _ray().exceptions
    return isinstance(error, ConnectionError | known.RayError) and not isinstance(error, known.RayTaskError)


def _ray() -> Any:
    return need("ray", "ray")


def _connect(name: str) -> None:
    """Connect to the cluster at ray://HOST:PORT; for "ray" to that of RAY_ADDRESS, or to a new one on this machine."""
    package = _ray()
    if package.is_initialized():
        return
    address = name if name.startswith("ray://") else None
    if address:
        _listens(address)
    own = {} if address or os.environ.get("RAY_ADDRESS") else {"include_dashboard": False}
    try:
        package.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **own)
    except (OSError, RuntimeError, ValueError, package.exceptions.RayError) as error:
        what = f"no Ray cluster could be reached: {_line(error)}"
        raise TunesetError(what, f"engine {name}", "docs/scale.md says how a cluster is started") from error
    _same_everywhere(package, name)


def _listens(address: str) -> None:
    """Ask the machine at an address for a connection, which it takes or refuses at once."""
    found = re.fullmatch(r"ray://([^\s/]+):(\d{1,5})", address)
    if found is None:
        raise TunesetError("this is no address of a Ray cluster", f"engine {address}", "ray://HOST:10001")
    try:
        socket.create_connection((found[1].strip("[]"), int(found[2])), timeout=WAIT).close()
    except (OSError, OverflowError) as error:
        what = f"nothing answers at {found[1]}:{found[2]}: {_line(error)}"
        hint = "start a cluster with `ray start --head`; it listens for this at port 10001"
        raise TunesetError(what, f"engine {address}", hint) from error


def versions() -> dict[str, str]:
    """Name the versions on which it depends what a step says."""
    python = ".".join(platform.python_version_tuple()[:2])
    return {"tuneset": __version__, "Python": python} | {name: version(name) for name in ("numpy", "polars", "daft")}


def _same_everywhere(package: Any, name: str) -> None:
    """Refuse a cluster in which a machine has other versions than this one."""
    asked, here = package.remote(versions), versions()
    kept = need("ray.util.scheduling_strategies", "ray").NodeAffinitySchedulingStrategy
    nodes = [node for node in package.nodes() if node["Alive"] and node["Resources"].get("CPU")]
    told = [
        asked.options(num_cpus=0, max_retries=0, scheduling_strategy=kept(node["NodeID"], soft=False)).remote()
        for node in nodes
    ]
    for node, answer in zip(nodes, told, strict=True):
        where, hint = (
            f"engine {name}, machine {node['NodeManagerAddress']}",
            "install the same versions on every machine",
        )
        try:
            there = package.get(answer)
        except package.exceptions.RayError as error:
            what = f"a machine of the cluster cannot run tuneset: {_line(error)}"
            raise TunesetError(what, where, hint) from error
        other = [f"{each} {there[each]} (here {here[each]})" for each in here if there[each] != here[each]]
        if other:
            raise TunesetError(f"a machine of the cluster has {', '.join(other)}", where, hint)


def _line(error: BaseException) -> str:
    """Say an error in one line: a traceback from another machine by its end."""
    words = str(error).strip() or type(error).__name__
    return words.splitlines()[-1] if "Traceback" in words else " ".join(words.split())
