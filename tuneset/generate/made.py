"""The way of synthetic rows: what is missing, what a model is asked, what it wrote, what a judge reads in it."""

from __future__ import annotations

from itertools import islice
from math import ceil
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from tuneset.errors import RunError, need
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

    from tuneset.ask import Answer, Estimate, Progress, Request
    from tuneset.folder import Folder
    from tuneset.generate.asking import Asks, Cell
    from tuneset.generate.wanted import Asked, Wanted
    from tuneset.recipe import Source

MOST = 20_000  # letters of a row: what is longer is a server's mistake, and would hold up all that comes
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
    spoken = answers.is_conversations(train) and not plan.wanted.rewrite
    known = answers.answered(known, train, asking) if spoken else known  # texts that lack their answer
    missing = [] if plan.wanted.rewrite else _missing(plan, known)
    if plan.wanted.rewrite:
        new = answers.rewritten(train, known, asking)
    else:
        written = _written(plan, missing, known, place, _told("rows", say))
        new = answers.answered(written, train, asking) if spoken else written
    watch, new = _told("judged", say), _still_lost(new, missing)
    found = [row for row in known if not _is_lost(row)] + new  # what did not come before has been asked for again
    found = judged.with_verdicts(found, train, plan.wanted, plan.task, plan.told, place, watch)
    place.mkdir(parents=True, exist_ok=True)
    shown = {each for row in new for each in row.origin["seeds"]}
    rows.save(place, found, train.filter(pl.col("id").is_in(sorted(shown))))
    rows.end(place, source, spent(place))
    came, asked = sum(not row.problem for row in new), sum(cell.rows for cell in missing) or len(new)
    unread = sum(bool(row.text and row.labels and not row.problem and not row.origin["judged"]) for row in found)
    return Made(len(found), asked, asked - came, spent(place), _says(source, asked, came, unread, place))


def _is_lost(row: Row) -> bool:
    """Say whether nothing was written; a text that lacks its answer only is asked for that next time."""
    return bool(row.problem and not row.text)


def _still_lost(new: Sequence[Row], missing: Sequence[Cell]) -> list[Row]:
    """Leave out lost rows that a later round made up for: of each cell as many stay as are missing still, the last ones."""
    short: dict[str, int] = {}
    for cell in missing:
        short[cell.labels] = short.get(cell.labels, 0) + cell.rows
    for row in new:
        short[row.cell] = short.get(row.cell, 0) - (not _is_lost(row))
    kept = []
    for row in reversed(new):
        if _is_lost(row):
            short[row.cell] -= 1
        if not _is_lost(row) or short[row.cell] >= 0:
            kept.append(row)
    return kept[::-1]


def refuse_early(source: Source) -> None:
    """Refuse what cannot work before anything of a run is touched: keys, addresses, limits, prompts, documents, style."""
    from tuneset.ask import asked  # noqa: PLC0415  with the client, which few commands need
    from tuneset.ask.budget import sound  # noqa: PLC0415
    from tuneset.ask.client import EXTRA, PACKAGE  # noqa: PLC0415

    wanted = source.generate
    assert wanted is not None  # noqa: S101  see `_plan`
    for each in filter(None, (wanted.writer, wanted.judge)):
        sound(each.asked(), wanted.budget())
        asked.address(each.asked())
        asked.key(each.asked())
    need(PACKAGE, EXTRA)
    prompts.load(wanted.prompts)
    passages(wanted.documents)
    answers.style(wanted.style)


def spent(place: Path) -> float:
    """Return what a source has cost so far, with all that may have been paid, in the currency of its prices."""
    from tuneset.ask.cache import known, money  # noqa: PLC0415  with the client, which few commands need

    return money(known(place).spent)


class Would(NamedTuple):
    """What asking would come to, before anything is sent; what is lost is asked for again twice at most, and comes on top."""

    cells: list[Cell]
    writing: Estimate
    answering: Estimate | None  # of conversations, the assistant's turns
    judging: Estimate | None  # by as many texts as are wanted, as long as the real ones


def would(folder: Folder, source: Source) -> Would:
    """Say what `make` would ask and what that would cost at most; nothing is sent, and no key is needed."""
    plan, place = _plan(folder, source), rows.place(folder, source.name)
    known, train = rows.load(place), plan.ground.train
    asking = answers.Asking(plan.wanted, plan.task, plan.told, place, lambda _: None)
    if plan.wanted.rewrite:
        found = answers.rewriting(train, known, asking)
        turns = [(turn.before, turn.says, turn.says) for _, _, each in found for turn in each]
        return Would(
            [], _estimate(plan, place, answers.requests(found, asking)), None, _checking(plan, place, turns, asking)
        )
    missing = _missing(plan, known)
    writing = _estimate(plan, place, [each.request for each in _asks(plan, missing, rows.numbers(known))])
    number, texts = sum(cell.rows for cell in missing), train["text"].drop_nulls().to_list()
    like = [texts[at % len(texts)] for at in range(number)]
    if not answers.is_conversations(train):
        judges = plan.wanted.judge if plan.task.combinations else None
        asked = strategies.judge_requests(like, plan.task, plan.told, judged.EACH) if judges else []
        return Would(missing, writing, None, _estimate(plan, place, asked, judges) if judges and missing else None)
    said = train["label"].drop_nulls().to_list() or [""]
    turns = [([{"role": "user", "content": text}], said[at % len(said)], "") for at, text in enumerate(like)]
    guide = answers.style(plan.wanted.style)
    spoken = [strategies.answer_request(each, guide, plan.task, plan.told) for each, _, _ in turns]
    return Would(
        missing, writing, _estimate(plan, place, spoken, plan.wanted.writer), _checking(plan, place, turns, asking)
    )


def _checking(plan: _Plan, place: Path, turns: Sequence[Any], asking: answers.Asking) -> Estimate | None:
    if plan.wanted.judge is None or not turns:
        return None
    guide = answers.style(plan.wanted.style)
    asked = [strategies.check_request(before, now, was, guide, asking.task, asking.told) for before, now, was in turns]
    return _estimate(plan, place, asked, plan.wanted.judge)


def _estimate(plan: _Plan, place: Path, requests: Sequence[Request], whom: Asked | None = None) -> Estimate:
    from tuneset.ask import dry_run  # noqa: PLC0415

    asked = whom or plan.wanted.writer
    each_its_own = (
        [each._replace(parameters=asked.parameters, sample=at) for at, each in enumerate(requests)]
        if whom
        else requests
    )
    return dry_run(each_its_own, asked.asked(), place, plan.wanted.budget(), batch=plan.wanted.batch)


def _plan(folder: Folder, source: Source) -> _Plan:
    wanted = source.generate
    assert wanted is not None, "a recipe with half of a synthetic source is refused where it is read"  # noqa: S101
    on = ground(folder, source.name)
    told = prompts.load(wanted.prompts)
    task = strategies.task(on.train, on.guide, on.instruction)
    return _Plan(
        wanted,
        on,
        seeds.pool(on.seeds, [] if wanted.rewrite else _cells(wanted, on)),
        strategies.strategies(told, task),
        attributes.axes(on.train["text"], wanted.attributes),
        passages(wanted.documents),
        task,
        told,
    )


def _missing(plan: _Plan, known: Sequence[Row] = ()) -> list[Cell]:
    """Say what is missing; texts that lack only their answer are there, and are answered first next time."""
    waiting = sum(bool(row.problem and row.text) for row in known)
    found = _cells(plan.wanted, plan.ground)
    return [cell._replace(rows=cell.rows - waiting) for cell in found if cell.rows > waiting]


def _cells(wanted: Wanted, on: Ground) -> list[Cell]:
    return cells(wanted, on.real, on.sides, on.made, on.judged)


def _written(
    plan: _Plan, missing: Sequence[Cell], known: Sequence[Row], place: Path, watch: Callable[[Progress], None]
) -> list[Row]:
    """Ask until every cell has its rows, three times at the most; rows in the order of the requests, lost ones as well."""
    done: list[Row] = []
    said = _said(known, plan.ground.real)
    short = list(missing)
    for _ in range(ROUNDS):
        asks = list(_asks(plan, short, rows.numbers([*known, *done])))
        if not asks:
            break
        heard = ask([each.request for each in asks], plan.wanted.writer, plan.wanted, place, watch)
        came = [row for each, answer in zip(asks, heard, strict=True) for row in _rows(each, answer, plan.wanted, said)]
        done += came
        _refuse_silence(done, plan.wanted)
        short = _short(short, came)
        if any(row.problem == "budget" for row in came):
            break
    return done


def _refuse_silence(came: Sequence[Row], wanted: Wanted) -> None:
    """Raise RunError where a server has answered nothing at all: that is no matter of single rows."""
    if came and all(row.problem in ("not-answered", "rejected") for row in came):
        hint = "check the address and the model's name; nothing was written, and the same command tries again"
        raise RunError(f"the model answered nothing: {came[0].says}", wanted.writer.url, hint)


def _said(known: Sequence[Row], real: pl.DataFrame) -> set[tuple[str, str]]:
    """List the texts that are there, with their labels: the same text for another label is for a person to see."""
    here = [(row.cell, row.text) for row in known if row.text]
    here += real.select(pl.col("labels").fill_null(""), "text").drop_nulls().rows()
    return set(zip((labels for labels, _ in here), _folded([text for _, text in here]), strict=True))


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


def _rows(asks: Asks, answer: Answer, wanted: Wanted, said: set[tuple[str, str]]) -> list[Row]:
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
        problem, says = _problem(answer, text, seen=(batch.cell.labels, folded) in said)
        said.add((batch.cell.labels, folded))
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
    if len(text) > MOST:
        return "too-long", f"the text has {len(text):,} letters"
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


def _says(source: Source, asked: int, came: int, unread: int, place: Path) -> str:
    from tuneset.ask.cache import known, money  # noqa: PLC0415

    if not asked:
        return f"{source.name}: nothing is missing"
    ledger = known(place)
    unsure = f", {money(ledger.unsure):.2f} of it perhaps not" if ledger.unsure.money else ""
    lost = f", {asked - came:,} lost on the way" if asked > came else ""
    silent = f"; the judge said nothing of {unread:,}" if unread else ""
    return f"{source.name}: {came:,} of {asked:,} rows written{lost}; {money(ledger.spent):.2f} spent in all{unsure}{silent}"
