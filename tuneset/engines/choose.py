"""What an engine is, the one of this process, and which one a name means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from tuneset import step
from tuneset.errors import unknown

if TYPE_CHECKING:
    from collections.abc import Callable

    import polars as pl

NAMES = ("local", "native", "ray", "ray://HOST:PORT")


class Engine(Protocol):
    """How a step is run on examples; `say` is told how far it is."""

    def run(self, asked: step.Step, examples: pl.DataFrame, say: Callable[[str], None]) -> pl.DataFrame:
        """Return what the step says of all examples, in the schema of findings."""


class Local:
    """Call the step, in this process."""

    def run(self, asked: step.Step, examples: pl.DataFrame, say: Callable[[str], None]) -> pl.DataFrame:  # noqa: ARG002  nothing to tell
        """Return what the step says."""
        return step.run(asked, examples)


LOCAL = Local()


def engine(name: str) -> Engine:
    """Return the engine of this name.

    local: this process. native: Daft in this process. ray: the cluster that RAY_ADDRESS names, or else one that is started
    on this machine. ray://HOST:PORT: the cluster whose head listens there.

    Raises RecipeError for another name, and TunesetError where the extra is not installed or no cluster can be reached.

    >>> engine("local") is LOCAL
    True
    """
    if name == "local":
        return LOCAL
    if name not in ("native", "ray") and not name.startswith("ray://"):
        raise unknown("engine", name, NAMES, f"--engine {name}")
    from tuneset.engines.cluster import Cluster  # noqa: PLC0415  Daft and Ray take a second to import

    return Cluster.reached(name)
