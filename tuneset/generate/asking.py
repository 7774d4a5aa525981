"""What a request to write rows is made of, and the one form that every way of writing them has."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, Protocol

from tuneset.ask.budget import Cost

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from tuneset.ask import Answer, Progress, Request
    from tuneset.generate.prompts import Prompts
    from tuneset.generate.strategies import Task
    from tuneset.generate.wanted import Asked, Wanted

WRITER, JUDGE = "writer", "judge"  # what is spent on whom
UNASKED = frozenset({"budget", "not-answered", "rejected"})  # problems of what has no answer


class Cell(NamedTuple):
    """Rows that are missing: of which labels, how many, and why."""

    labels: str  # a JSON object, as `labels` of an example; "" for texts that have none
    rows: int
    why: str  # in words: "12 of 50"
    like: tuple[str, ...] = ()  # texts that show what is thin; they are no seeds, and are never in a prompt
    fixed: Mapping[str, str] = MappingProxyType({})  # attributes that the gap itself has, as length = "over 40 words"


class Seed(NamedTuple):
    """A real example of the train side that a prompt shows."""

    id: str
    text: str
    labels: str


class Batch(NamedTuple):
    """What one request is made of; all of it is drawn by the program."""

    cell: Cell
    number: int  # of the cell's batches, from 0
    rows: int  # to write
    seeds: Sequence[Seed]  # of the cell's labels
    others: Sequence[Seed] = ()  # "not this": the nearest examples of the labels that are most like it
    attributes: Sequence[Mapping[str, str]] = ()  # one for each row to write
    document: str = ""  # a passage to write from


class Asks(NamedTuple):
    """A request, and what its rows remember of it."""

    request: Request
    prompt: str  # the prompt's name and version, as "attributes@1"
    prompt_hash: str  # SHA-256 of the prompt's file
    seeds: tuple[str, ...]  # ids of every example that the prompt shows, those of `others` as well
    batch: Batch


class Strategy(Protocol):
    """A way to write rows: a batch in, a request out."""

    def __call__(self, batch: Batch) -> Asks:
        """Write the request of a batch."""


class Asking(NamedTuple):
    """What all requests of a source have in common, whatever they ask for."""

    wanted: Wanted
    task: Task
    told: Prompts
    place: Path
    watch: Callable[[Progress], None]
    stops: list[str]  # where the budget had no room: which limit, and for what
    fails: list[str]  # why the judge was given up


def came(answer: Answer) -> bool:
    """Say whether a server answered at all: the same question has that answer for good then, and needs another sample."""
    return answer.problem not in UNASKED


def ask(
    requests: Sequence[Request], whom: Asked, asking: Asking, aside: Callable[[int], Cost] = lambda _: Cost()
) -> list[Answer]:
    """Ask the writer or the judge, one by one or in batches as the recipe wants; the answers in the order of the requests.

    `aside`: what is kept of the budget for those who are asked next, by the number of good answers.
    """
    if not requests:
        return []
    from tuneset.ask import Answer, ask_many, batched  # noqa: PLC0415  with httpx
    from tuneset.ask.asked import key_of  # noqa: PLC0415
    from tuneset.ask.wire import RefusedError  # noqa: PLC0415

    model, whole = whom.asked(), [each._replace(parameters=whom.parameters) for each in requests]
    way, wanted = batched if asking.wanted.batch else ask_many, asking.wanted
    what = JUDGE if whom is wanted.judge else WRITER
    answers: dict[str, Answer] = {}
    try:
        for each in way(whole, model, asking.place, wanted.budget(), asking.watch, what=what, aside=aside):
            answers[each.key] = each
    except RefusedError as error:
        if what == WRITER:
            raise
        asking.fails.append(f"the judge was given up: {error.what}; {error.hint}")  # what was written waits for it
        left = [(key_of(each, model), each) for each in whole]
        answers = {key: Answer(key, each, problem="not-answered", says=error.what) for key, each in left} | answers
    asking.stops.extend(each.stop for each in answers.values() if each.stop)
    return [answers[key_of(each, model)] for each in whole]
