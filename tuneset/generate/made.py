"""The way of synthetic rows: what is missing, what a model is asked, what it wrote, what a judge reads in it."""

from __future__ import annotations

from collections import Counter
from functools import partial
from itertools import islice
from math import ceil
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from tuneset.ask.budget import figure, sound
from tuneset.errors import RunError, need
from tuneset.generate import answers, attributes, judged, paid, prompts, rows, seeds, strategies
from tuneset.generate.asking import Asking, Batch, ask
from tuneset.generate.behind import behind
from tuneset.generate.cells import cells, refuse_without_labels
from tuneset.generate.documents import passages
from tuneset.generate.ground import Ground, ground
from tuneset.generate.heard import rows_of, there
from tuneset.generate.origin import synthetic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tuneset.ask import Estimate, Progress, Request
    from tuneset.ask.budget import Cost
    from tuneset.folder import Folder
    from tuneset.generate.asking import Asks, Cell
    from tuneset.generate.behind import Behind
    from tuneset.generate.rows import Row
    from tuneset.generate.wanted import Asked, Wanted
    from tuneset.recipe import Source

ROUNDS = 3  # what is lost of a round is asked for again in the next


class Made(NamedTuple):
    """What a source has come to."""

    asked: int  # rows or conversations that were missing when this began
    came: int  # of them
    unread: int  # rows that are held back until the judge has read them
    gained: int  # rows that may be kept now, and were not there or were held back before
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

    stops: list[str] = []
    fails: list[str] = []

    def asking(what: str) -> Asking:
        return Asking(plan.wanted, plan.task, plan.told, place, _told(what, say), stops, fails)

    def read(some: Sequence[Row]) -> list[Row]:
        some = answers.answered(some, train, asking("answers")) if speaks else some
        return judged.with_verdicts(answers.checked(some, asking("checked")), train, asking("judged"))

    speaks = answers.is_conversations(train) and not plan.wanted.rewrite
    missing = [] if plan.wanted.rewrite else _missing(plan, known)
    earlier, known = known, read(known)  # texts that lack their answer, and what this judge has not read
    if plan.wanted.rewrite:
        new = answers.rewritten(train, known, asking("answers"))
        _refuse_silence(new, plan.wanted)
    else:
        new = _still_lost(_written(plan, missing, known, asking("rows")), missing)
    new = read(new)
    found = [row for row in known if not _is_lost(row)] + new  # what did not come before has been asked for again
    place.mkdir(parents=True, exist_ok=True)
    shown = {each for row in new for each in row.origin["seeds"]}
    rows.save(place, found, train.filter(pl.col("id").is_in(sorted(shown))))
    told = _came(earlier, known, new, sum(cell.rows for cell in missing) or len(new))
    told = told._replace(stopped=next(iter(stops), ""), failed=next(iter(fails), ""))
    noted = told._asdict() | {"there": _there(found), "paid": paid.paid(place, plan.wanted)}
    rows.end(place, source, noted)
    return Made(told.asked, told.came, told.unread, told.gained, paid.says(source.name, plan.wanted, noted))


def _came(earlier: Sequence[Row], known: Sequence[Row], new: Sequence[Row], missing: int) -> paid.Told:
    """Count what one call brought: new rows, answers and verdicts of `earlier` rows, which are `known` with them."""
    both = list(zip(earlier, known, strict=True))
    late = [now for was, now in both if was.text and was.problem]  # texts that lacked their answer
    lost = Counter(row.problem for row in [*late, *new] if row.problem)
    return paid.Told(
        asked=missing + len(late),
        came=sum(not row.problem for row in [*late, *new]),
        lost=dict(lost.most_common()),
        read=sum(now.origin["judged"] != was.origin["judged"] for was, now in both if not was.problem),
        unread=sum(bool(row.unread) for row in [*known, *new]),
        gained=sum(map(_is_good, new)) + sum(_is_good(now) > _is_good(was) for was, now in both),
    )


def _is_good(row: Row) -> bool:
    return not row.problem and not row.unread


def _there(known: Sequence[Row]) -> int:
    """Count the rows that a source's model has written, those that checks have taken out as well."""
    return sum(bool(row.text) for row in known)


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


def refuse_early(folder: Folder, source: Source) -> None:
    """Refuse what cannot work before anything of a run is touched: keys, addresses, limits, prompts, documents, style."""
    from tuneset.ask import asked  # noqa: PLC0415  with the client, which few commands need
    from tuneset.ask.client import EXTRA, PACKAGE  # noqa: PLC0415

    wanted = source.generate
    assert wanted is not None  # noqa: S101  see `_plan`
    _refuse_without_limit(wanted)
    for each in filter(None, (wanted.writer, wanted.judge)):
        asked.address(each.asked())
        asked.key(each.asked())
    need(PACKAGE, EXTRA)
    prompts.load(wanted.prompts)
    passages(wanted.documents)
    answers.style(wanted.style)
    prepared = folder.table("judge", "examples")
    if prepared is not None:
        refuse_without_labels(wanted, prepared.filter(~synthetic()))


def _refuse_without_limit(wanted: Wanted) -> None:
    for whose, each in (("", wanted.writer), ("judge_", wanted.judge)):
        if each is not None:
            sound(each.asked(), wanted.budget(), whose)


class Would(NamedTuple):
    """What asking would come to, before anything is sent; what is lost is asked for again twice at most, and comes on top."""

    cells: list[Cell]
    writing: Estimate
    answering: Estimate | None  # of conversations, the assistant's turns
    judging: Estimate | None  # by as many texts as are wanted, as long as the real ones, and by those that are there
    unanswered: int  # texts that are there and lack their answer
    unread: int  # rows that are there and that the judge has not read
    itself: str = ""  # that the judge is the model that writes; "" where it is another one


def would(folder: Folder, source: Source) -> Would:
    """Say what `make` would ask and what that would cost at most; nothing is sent, and no key is needed."""
    plan, place = _plan(folder, source), rows.place(folder, source.name)
    known, train, wanted = rows.load(place), plan.ground.train, plan.wanted
    _refuse_without_limit(wanted)
    asking = Asking(wanted, plan.task, plan.told, place, lambda _: None, [], [])
    missing = [] if wanted.rewrite else _missing(plan, known)
    unread, reading = _unread(known, asking)
    if wanted.rewrite:
        found = answers.rewriting(train, known, asking)
        told: list[answers.Told] = [(turn.before, turn.says, turn.says) for _, _, each in found for turn in each]
        writes, opens, answering = answers.requests(found, asking), [], []
        reading += _apart(answers.checks(told, asking)) if wanted.judge else []
    else:
        writes = [each.request for each in _asks(plan, missing, rows.numbers(known))]
        opens, new = answers.unanswered(known) if answers.is_conversations(train) else [], sum(c.rows for c in missing)
        answering = answers.to_answer(opens, asking) + _apart(_later(plan, new, asking)[0])
        reading += _apart(_later(plan, new + len(opens), asking)[1])
    before: list[Estimate] = []
    for requests, whom in ((writes, wanted.writer), (answering, wanted.writer), (reading, wanted.judge)):
        before.append(_estimate(requests, whom or wanted.writer, asking, before))
    write, answer, read = before
    return Would(
        missing,
        write,
        answer if answering else None,
        read if reading else None,
        len(opens),
        unread,
        paid.itself(wanted),
    )


def _unread(known: Sequence[Row], asking: Asking) -> tuple[int, list[Request]]:
    """Count the rows that are there and that the judge has not read, and write its requests."""
    if (judge := asking.wanted.judge) is None:
        return 0, []
    labelled = judged.requests(judged.unread(known, judge), asking) if asking.task.combinations else []
    turns = answers.unchecked(known, judge, asking)
    checks = answers.checks([each for told in turns.values() for each in told], asking)
    return sum(len(part) for part, _ in labelled) + len(turns), [*(each for _, each in labelled), *checks]


def _apart(requests: Sequence[Request]) -> list[Request]:
    """Make questions that stand for others each its own."""
    return [each._replace(sample=at) for at, each in enumerate(requests)]


def _estimate(requests: Sequence[Request], whom: Asked, asking: Asking, before: Sequence[Estimate]) -> Estimate:
    from tuneset.ask import dry_run  # noqa: PLC0415

    asked, wanted = [each._replace(parameters=whom.parameters) for each in requests], asking.wanted
    budget = wanted.budget()
    return dry_run(asked, whom.asked(), asking.place, budget, batch=wanted.batch, before=tuple(before))


def _plan(folder: Folder, source: Source) -> _Plan:
    wanted = source.generate
    assert wanted is not None, "a recipe with half of a synthetic source is refused where it is read"  # noqa: S101
    on = ground(folder)
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
    """Say what is missing; texts that lack only their answer or their verdict are there, and get it first next time."""
    waits = not plan.wanted.rows  # a number of rows counts all that were written
    waiting = Counter(row.cell for row in known if waits and row.text and (row.problem or row.unread))
    found = []
    for cell in _cells(plan.wanted, plan.ground, _there(known)):
        there = min(waiting[cell.labels], cell.rows)
        waiting[cell.labels] -= there
        if there < cell.rows:
            found.append(cell._replace(rows=cell.rows - there))
    return found


def _cells(wanted: Wanted, on: Ground, own: int = 0) -> list[Cell]:
    return cells(wanted, on.real, on.sides, on.made, on.judged, own)


def _written(plan: _Plan, missing: Sequence[Cell], known: Sequence[Row], asking: Asking) -> list[Row]:
    """Ask until every cell has its rows, three times at the most; rows in the order of the requests, lost ones as well."""
    done: list[Row] = []
    said = there(known, plan.ground.real)
    short, later, each_has = list(missing), _behind(plan, asking), plan.wanted.per_request
    for _ in range(ROUNDS):
        asks = list(_asks(plan, short, rows.numbers([*known, *done])))
        if not asks:
            break
        ready = sum(not row.problem for row in done)
        aside = partial(_aside, later, ready, each_has)
        heard = ask([each.request for each in asks], plan.wanted.writer, asking, aside)
        came = [
            row for each, answer in zip(asks, heard, strict=True) for row in rows_of(each, answer, plan.wanted, said)
        ]
        done += came
        _refuse_silence(done, plan.wanted)
        short = _short(short, came)
        if any(row.problem == "budget" for row in came):
            break
    return done


def _aside(later: Behind, ready: int, each_has: int, requests: int) -> Cost:
    """Keep what rows cost after they are written, those that are there and those of so many requests."""
    return later.keep(ready + requests * each_has)


def _behind(plan: _Plan, asking: Asking) -> Behind:
    """Reckon what a row costs after it is written, by real ones."""
    answering, reading = _later(plan, judged.EACH, asking)
    answered = behind(answering, judged.EACH, plan.wanted.writer, asking)
    return answered.plus(behind(reading, judged.EACH, plan.wanted.judge, asking))


def _later(plan: _Plan, rows: int, asking: Asking) -> tuple[list[Request], list[Request]]:
    """Write the requests for rows that are there, as if they were real ones: to answer them, and to judge or check them."""
    train, wanted = plan.ground.train, plan.wanted
    texts = train["text"].drop_nulls().to_list()
    like = [texts[at % len(texts)] for at in range(rows)]
    if answers.is_conversations(train):
        guide = answers.style(wanted.style)
        told = [told for at in range(0, rows, answers.SAMPLE) for told in answers.typical(like[at:], train)]
        answering = [strategies.answer_request(each, guide, plan.task, plan.told) for each, _, _ in told]
        return answering, answers.checks(told, asking) if wanted.judge else []
    known = bool(wanted.judge and plan.task.combinations)
    return [], strategies.judge_requests(like, plan.task, plan.told, judged.EACH) if known else []


def _refuse_silence(came: Sequence[Row], wanted: Wanted) -> None:
    """Raise RunError where a server has answered nothing at all: that is no matter of single rows."""
    if came and all(row.problem in ("not-answered", "rejected") for row in came):
        hint = "check the address and the model's name; nothing was written, and the same command tries again"
        raise RunError(f"the model answered nothing: {came[0].says}", wanted.writer.url, hint)


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


def _told(what: str, say: Callable[[str], None]) -> Callable[[Progress], None]:
    """Put how far asking is into words."""

    def watch(now: Progress) -> None:
        of = f" of {now.of:,}" if now.of is not None else ""
        good = f", {1 - now.problems / now.done:.0%} of them of use" if now.done else ""
        left = f", {now.seconds:,.0f} s left" if now.seconds is not None else ""
        more = f"; {now.says}" if now.says else ""
        say(f"{what}: {now.done:,}{of} requests{good}, {figure(now.money)} spent{left}{more}")

    return watch
