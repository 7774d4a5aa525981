"""The way of synthetic rows: what is missing, what a model is asked, what it wrote, what a judge reads in it."""

from __future__ import annotations

from itertools import islice
from math import ceil
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from tuneset.generate import answers, attributes, judged, prompts, rows, seeds, strategies
from tuneset.generate.asking import Batch, ask
from tuneset.generate.cells import cells
from tuneset.generate.documents import passages
from tuneset.generate.ground import Ground, ground
from tuneset.generate.rows import Row
from tuneset.near import normal as normals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tuneset.ask import Answer, Estimate, Progress
    from tuneset.folder import Folder
    from tuneset.generate.asking import Asks, Cell
    from tuneset.generate.wanted import Wanted
    from tuneset.recipe import Source

ROUNDS = 3  # what is lost of a round is asked for again in the next


class Made(NamedTuple):
    """What a source has come to."""

    rows: int  # by now, lost ones as well
    wanted: int  # rows that were missing when this began
    lost: int  # rows asked for now that did not come
    cost: float  # spent in all, in the currency of the prices
    says: str


class _Plan(NamedTuple):
    """What all requests of a run are made of."""

    wanted: Wanted
    ground: Ground
    pool: seeds.Pool
    ways: dict[str, Any]
    axes: attributes.Axes
    passages: Sequence[str]
    task: strategies.Task
    told: prompts.Prompts


def make(folder: Folder, source: Source, say: Callable[[str], None]) -> Made:
    """Ask the model of a synthetic source for what is missing, have it judged, and keep all of it in the run folder.

    The run must have been prepared up to judging: seeds are real rows of its train side. What was written before stays
    and counts. Killed at any point, the same call goes on: what was answered is not asked again.
    """
    plan, place = _plan(folder, source), rows.place(folder, source.name)
    known, train = rows.load(place), plan.ground.train
    asking = answers.Asking(plan.wanted, plan.task, plan.told, place, _told("answers", say))
    missing = [] if plan.wanted.rewrite else _missing(plan)
    if plan.wanted.rewrite:
        found = known + answers.rewritten(train, known, asking)
    else:
        found = known + _written(plan, missing, known, place, _told("rows", say))
        watch = _told("judged", say)
        found = judged.with_verdicts(found, train, plan.wanted, plan.task, plan.told, place, watch)
    if answers.is_conversations(train) and not plan.wanted.rewrite:
        found = answers.answered(found, train, asking)
    place.mkdir(parents=True, exist_ok=True)
    new = found[len(known) :]
    shown = {each for row in new for each in row.origin["seeds"]}
    rows.save(place, found, train.filter(pl.col("id").is_in(sorted(shown))))
    came, cost = sum(not row.problem for row in new), spent(place)
    rows.end(place, source, cost)
    asked = sum(cell.rows for cell in missing) or len(new)
    return Made(len(found), asked, len(new) - came, cost, _says(source, asked, came, len(new) - came, cost))


def spent(place: Path) -> float:
    """Return what a source has cost so far, with all that may have been paid, in the currency of its prices."""
    from tuneset.ask.cache import known, money  # noqa: PLC0415  with the client, which few commands need

    return money(known(place).spent)


class Would(NamedTuple):
    """What asking would come to, before anything is sent."""

    cells: list[Cell]
    writing: Estimate
    judging: Estimate | None  # by as many texts as are wanted, as long as the real ones


def would(folder: Folder, source: Source) -> Would:
    """Say what `make` would ask and what that would cost at most; nothing is sent, and no key is needed."""
    from tuneset.ask import dry_run  # noqa: PLC0415

    plan, place = _plan(folder, source), rows.place(folder, source.name)
    known, budget, writer = rows.load(place), plan.wanted.budget(), plan.wanted.writer.asked()
    batch = plan.wanted.batch
    if plan.wanted.rewrite:
        asking = answers.Asking(plan.wanted, plan.task, plan.told, place, lambda _: None)
        found = answers.rewriting(plan.ground.train, known, asking)
        return Would([], dry_run(answers.requests(found, asking), writer, place, budget, batch=batch), None)
    missing = _missing(plan)
    asks = list(_asks(plan, missing, rows.numbers(known)))
    writing = dry_run([each.request for each in asks], writer, place, budget, batch=batch)
    if plan.wanted.judge is None or not missing:
        return Would(missing, writing, None)
    texts = plan.ground.train["text"].drop_nulls().to_list()
    number = sum(cell.rows for cell in missing)
    like = [texts[place % len(texts)] for place in range(number)]
    requests = strategies.judge_requests(like, plan.task, plan.told, judged.EACH)
    return Would(missing, writing, dry_run(requests, plan.wanted.judge.asked(), place, budget, batch=batch))


def _plan(folder: Folder, source: Source) -> _Plan:
    wanted = source.generate
    assert wanted is not None, "a recipe with half of a synthetic source is refused where it is read"  # noqa: S101
    on = ground(folder, source.name)
    told = prompts.load(wanted.prompts)
    task = strategies.task(on.train, on.guide, on.instruction)
    return _Plan(
        wanted,
        on,
        seeds.pool(on.seeds, []),
        strategies.strategies(told, task),
        attributes.axes(on.train["text"], wanted.attributes),
        passages(wanted.documents),
        task,
        told,
    )


def _missing(plan: _Plan) -> list[Cell]:
    on = plan.ground
    return cells(plan.wanted, on.real, on.sides, on.made, on.judged)


def _written(
    plan: _Plan, missing: Sequence[Cell], known: Sequence[Row], place: Path, watch: Callable[[Progress], None]
) -> list[Row]:
    """Ask until every cell has its rows, three times at the most; rows in the order of the requests, lost ones as well."""
    done: list[Row] = []
    texts = [*(row.text for row in known if row.text), *plan.ground.real["text"].drop_nulls()]
    said = set(_folded(texts))
    short = list(missing)
    for _ in range(ROUNDS):
        asks = list(_asks(plan, short, rows.numbers([*known, *done])))
        if not asks:
            break
        heard = ask([each.request for each in asks], plan.wanted.writer, plan.wanted, place, watch)
        came = [row for each, answer in zip(asks, heard, strict=True) for row in _rows(each, answer, plan.wanted, said)]
        done += came
        short = _short(short, came)
        if any(row.problem == "budget" for row in came):
            break
    return done


def _short(asked: Sequence[Cell], came: Sequence[Row]) -> list[Cell]:
    """Return the cells that lack rows still."""
    here: dict[str, int] = {}
    for row in came:
        here[row.cell] = here.get(row.cell, 0) + (not row.problem)
    left = []
    for cell in asked:
        took = min(cell.rows, here.get(cell.labels, 0))
        here[cell.labels] = here.get(cell.labels, 0) - took
        if took < cell.rows:
            left.append(cell._replace(rows=cell.rows - took))
    return left


def _asks(plan: _Plan, missing: Sequence[Cell], numbers: dict[str, int]) -> Iterator[Asks]:
    """Write the requests of all cells; a cell's next batch goes on where those before it ended."""
    following = dict(numbers)
    for cell in missing:
        first, each = following.get(cell.labels, 0), plan.wanted.per_request
        count = ceil(cell.rows / each)
        following[cell.labels] = first + count
        near = seeds.others(plan.pool, cell)
        chosen = islice(seeds.batches(plan.pool, cell, plan.wanted.seeds, plan.wanted.seed), first, first + count)
        for number, shown in enumerate(chosen, first):
            wants = min(each, cell.rows - (number - first) * each)
            drawn = attributes.draw(plan.axes, wants, plan.wanted.seed, cell, start=number * each)
            batch = Batch(cell, number, wants, shown, near, drawn, _passage(plan, number))
            asks = plan.ways[_way(plan.wanted, batch)](batch)
            seeds.refuse_held_back(asks.seeds, plan.ground.sides)
            yield asks._replace(request=asks.request._replace(parameters=plan.wanted.writer.parameters))


def _way(wanted: Wanted, batch: Batch) -> str:
    """Take the strategies in turn; without seeds there is nothing to paraphrase, without neighbours no boundary."""
    way = wanted.strategies[batch.number % len(wanted.strategies)]
    cannot = (way == "paraphrase" and not batch.seeds) or (way == "boundary" and not batch.others)
    return "attributes" if cannot else way


def _passage(plan: _Plan, number: int) -> str:
    return plan.passages[number % len(plan.passages)] if plan.passages else ""


def _rows(asks: Asks, answer: Answer, wanted: Wanted, said: set[str]) -> list[Row]:
    """Make rows of an answer: as many as were asked for, each written or lost with a reason."""
    batch, reply = asks.batch, answer.reply
    texts = [str(each["text"]).strip() for each in answer.value["rows"]] if not answer.problem else []
    texts = texts[: batch.rows]
    origin: dict[str, Any] = {
        "model": reply.model or wanted.writer.model,
        "prompt": asks.prompt,
        "prompt_hash": asks.prompt_hash,
        "parameters": wanted.writer.parameters,
        "time": reply.time,
        "cost": reply.cost / batch.rows,
        "seeds": list(asks.seeds),
        "judged": None,
    }
    texts += [""] * (batch.rows - len(texts))
    made = []
    for place, (text, folded) in enumerate(zip(texts, _folded(texts), strict=True)):
        problem, says = _problem(answer, text, seen=folded in said)
        said.add(folded)
        drawn = dict(batch.attributes[place]) if place < len(batch.attributes) else {}
        made.append(
            Row(
                text=None if problem else text,
                labels=batch.cell.labels or None,
                origin=origin | {"attributes": drawn},
                cell=batch.cell.labels,
                batch=batch.number,
                key=f"{answer.key}:{place}",
                problem=problem,
                says=says,
            )
        )
    return made


def _folded(texts: Sequence[str]) -> list[str]:
    """Write texts as they are compared with each other."""
    return normals(pl.Series(texts, dtype=pl.String)).to_list()


def _problem(answer: Answer, text: str, *, seen: bool) -> tuple[str, str]:
    if answer.problem:
        return answer.problem, answer.says
    if not text:
        return "short", "the answer has fewer rows than were asked for"
    if seen:
        return "same", "the text is there already"
    return "", ""


def _told(what: str, say: Callable[[str], None]) -> Callable[[Progress], None]:
    """Put how far asking is into words."""

    def watch(now: Progress) -> None:
        of = f" of {now.of:,}" if now.of is not None else ""
        good = f", {1 - now.problems / now.done:.0%} of them of use" if now.done else ""
        left = f", {now.seconds:,.0f} s left" if now.seconds is not None else ""
        more = f"; {now.says}" if now.says else ""
        say(f"{what}: {now.done:,}{of} requests{good}, {now.money:.2f} spent{left}{more}")

    return watch


def _says(source: Source, asked: int, came: int, lost: int, cost: float) -> str:
    if not asked:
        return f"{source.name}: nothing is missing"
    return f"{source.name}: {came:,} of {asked:,} rows written, {lost:,} lost on the way, {cost:.2f} spent in all"
