"""Run steps through Daft: in this process, or on the machines of a Ray cluster."""

from __future__ import annotations

import functools
import pickle
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from tuneset import step
from tuneset.engines import reach
from tuneset.errors import TunesetError, need

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

SMALL = 20_000  # examples up to which sending them takes longer than any step
PIECE = 20_000  # examples that travel together: 5 MB of inquiries
PROCESSES = 500_000  # examples from which each core gets a Python of its own, which takes it a second or two
WAVE = 64  # pieces, or four for each core, that are on their way at a time: 0.3 GB
TRIES = 3  # times that nothing at all came back before it is given up


@dataclass(frozen=True)
class Cluster:
    """Run steps on pieces of the examples wherever Daft runs them, and put together what they say.

    The driver, which is this process, holds the examples, cuts them as a step's scope allows, and applies findings. What
    needs all examples at once runs here. Findings come in the order of the examples, so they do not tell who said them.
    """

    name: str

    @classmethod
    def reached(cls, name: str) -> Cluster:
        """Start Daft, and reach the cluster where it runs on one."""
        reach.daft(name)
        return cls(name)

    def run(self, asked: step.Step, examples: pl.DataFrame, say: Callable[[str], None]) -> pl.DataFrame:
        """Return what the step says of all examples."""
        alone = asked.scope == "dataset" and not (hasattr(asked, "spread") and self.name != "native")
        if alone or examples.height < SMALL:
            return step.run(asked, examples)
        say(asked.rule)
        tell = lambda how: say(f"{asked.rule}: {how}")  # noqa: E731
        try:
            return self._spread(asked, examples, tell) if asked.scope == "dataset" else self._cut(asked, examples, tell)
        except reach.faults() as error:
            if not reach.is_gone(error):
                raise
            hint = "start it again, and run the same command: it goes on after the last stage that was done"
            raise TunesetError(f"the cluster is gone ({type(error).__name__})", f"engine {self.name}", hint) from error

    def _cut(self, asked: step.Step, examples: pl.DataFrame, tell: Callable[[str], None]) -> pl.DataFrame:
        """Let the step look at pieces, and put what it says in the order of the examples."""
        fitted = asked.fit(examples) if hasattr(asked, "fit") else asked
        said = self.each(functools.partial(step.run, fitted), pieces(asked, examples), tell)
        row = examples.select(example="id", row=pl.int_range(pl.len()))
        together = pl.concat(said).unique("id", keep="first", maintain_order=True)
        ordered = together.join(row, on="example", how="left", maintain_order="left")
        return ordered.sort("row", maintain_order=True).drop("row")

    def _spread(self, asked: Any, examples: pl.DataFrame, tell: Callable[[str], None]) -> pl.DataFrame:
        """Let the step spread its search over the cluster; what it finds is put together here."""

        def spread(do: Callable[[Any, Any], Any], shared: Any, tasks: Sequence[Any]) -> Iterator[Any]:
            for done, result in enumerate(reach.shared(do, shared, tasks), 1):
                tell(f"{done:,} of {len(tasks):,} searches")
                yield result

        return step.findings(asked, asked.spread(examples, spread))

    def each(
        self, do: Callable[[pl.DataFrame], pl.DataFrame], parts: Sequence[pl.DataFrame], say: Callable[[str], None]
    ) -> list[pl.DataFrame]:
        """Apply `do` to each part, wherever there is room; results keep their order.

        Daft asks again for what a machine of the cluster had when it was lost. Where a Python of its own dies, all that is on
        its way is lost with it, and is asked for again here.
        """
        made, found, failed = _pickled(do, self.name), dict[int, pl.DataFrame](), 0
        cores = 0 if self.name == "native" else reach.cores()
        apart = sum(part.height for part in parts) >= PROCESSES
        while len(found) < len(parts):
            before = len(found)
            wave = [number for number in range(len(parts)) if number not in found][: max(WAVE, 4 * cores)]
            try:
                for number, result in self._mapped(
                    made, {number: parts[number] for number in wave}, cores, apart=apart
                ):
                    found[number] = result
                    say(f"{len(found):,} of {len(parts):,} parts")
            except reach.faults() as error:
                failed = failed + 1 if len(found) == before else 0
                if failed == TRIES or reach.is_gone(error):
                    raise
                say(f"asked again for what was lost ({type(error).__name__})")
        return [found[number] for number in range(len(parts))]

    def _mapped(
        self, made: bytes, parts: Mapping[int, pl.DataFrame], cores: int, *, apart: bool
    ) -> Iterator[tuple[int, pl.DataFrame]]:
        """Have Daft apply what `made` holds to numbered parts; results come as they are ready."""
        daft = need("daft", "ray")

        def answers(pieces: Any) -> list[bytes]:
            return [answer(made, piece) for piece in pieces.to_pylist()]

        ask = daft.func.batch(return_dtype=daft.DataType.binary(), use_process=apart, batch_size=1)(answers)
        frame = daft.from_pydict({"number": list(parts), "piece": [pickle.dumps(part) for part in parts.values()]})
        frame = frame.into_partitions(min(len(parts), 2 * cores)) if cores else frame
        for came in frame.select("number", ask(frame["piece"]).alias("said")).iter_partitions():
            rows = (reach.fetched(came) if cores else came).to_pydict()
            for number, said in zip(rows["number"], rows["said"], strict=True):
                result = pickle.loads(said)  # noqa: S301  our own bytes
                if isinstance(result, TunesetError):
                    raise result
                yield number, result


def pieces(asked: step.Step, examples: pl.DataFrame) -> list[pl.DataFrame]:
    """Cut examples as a step's scope allows: anywhere, or so that rows with one key stay together.

    >>> from tuneset.dedupe import ExactDuplicate
    >>> from tuneset.testing import examples
    >>> len(pieces(ExactDuplicate(), examples(["hi"] * 40_000)))
    1
    """
    if asked.scope == "example":
        return list(examples.iter_slices(PIECE))
    some = -(-examples.height // PIECE)
    keyed = examples.with_row_index("place").with_columns(key=asked.key)  # type: ignore[attr-defined]
    keyed = keyed.explode("key") if isinstance(keyed.schema["key"], pl.List) else keyed
    placed = keyed.select("place", part=pl.col("key").hash() % some).unique().sort("part", "place")
    return [examples[part["place"]] for part in placed.partition_by("part", maintain_order=True)]


def answer(made: bytes, piece: bytes) -> bytes:
    """Apply what `made` holds to what `piece` holds; a TunesetError is an answer, too."""
    try:
        return pickle.dumps(_opened(made)(pickle.loads(piece)))  # noqa: S301  our own bytes
    except TunesetError as error:
        return pickle.dumps(error)


@functools.lru_cache(maxsize=2)
def _opened(made: bytes) -> Callable[[pl.DataFrame], pl.DataFrame]:
    """Unpickle a step once for all pieces: what it learned may be large."""
    try:
        return pickle.loads(made)  # type: ignore[no-any-return]  # noqa: S301  our own bytes
    except (ImportError, AttributeError) as error:
        hint = "install the package that it is in on every machine"
        raise TunesetError(f"a machine of the cluster does not know this step: {error}", "engine", hint) from error


def _pickled(do: Callable[[pl.DataFrame], pl.DataFrame], name: str) -> bytes:
    try:
        return pickle.dumps(do)
    except (
        pickle.PicklingError,
        AttributeError,
        TypeError,
    ) as error:  # what pickle raises for lambdas, locks, local classes
        hint = "a step's class stands at the top of a module, and its fields are plain values"
        raise TunesetError(f"this step cannot be sent to another machine: {error}", f"engine {name}", hint) from error
