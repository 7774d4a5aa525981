"""What asking would cost, and what would be asked, before anything is sent."""

from __future__ import annotations

from functools import reduce
from math import ceil
from typing import TYPE_CHECKING, NamedTuple

import orjson

from tuneset.ask import asked, structured
from tuneset.ask.asked import key_of
from tuneset.ask.budget import NANO, Cost, bound, charged, fits, in_batch, sound
from tuneset.ask.cache import known, money

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from tuneset.ask.asked import Model, Request
    from tuneset.ask.budget import Budget

SHOWN = 3


class Estimate(NamedTuple):
    """What asking would cost; each number is of what is not known yet."""

    requests: int
    known: int  # answered before: they cost nothing
    prompt: int  # tokens, by OpenAI's newest count; other models have some more or fewer
    completion: int  # tokens at most
    money: float | None  # at most, for those tokens, without second questions; None where no price is known
    spent: float  # in this folder before
    enough: bool  # whether the budget has room for all of it
    reserves: tuple[float, int]  # money and tokens that the dearest request reserves until its answer is there
    prompts: tuple[str, ...]  # three whole requests as they would be sent: the first, one of the middle, the last


def dry_run(  # noqa: PLR0913  as `ask_many`
    requests: Iterable[Request],
    model: Model,
    folder: Path,
    budget: Budget,
    *,
    batch: bool = False,
    before: Sequence[Estimate] = (),
) -> Estimate:
    """Count what `ask_many` would do, or `batched` where `batch` says so, without sending anything and without a key.

    `before`: what would be asked first, out of the same budget.

    Errors: those of `ask_many` before anything is sent, but for the key.
    """
    sound(model, budget)
    asked.address(model)
    ledger = known(folder)
    unique = {key_of(each, model): each for each in requests}
    new = [each for key, each in unique.items() if key not in ledger.replies]
    rung = ledger.rungs.get(asked.called(model), structured.RUNGS[0])
    prompt = sum(_tokens(structured.body(each, model, rung)) for each in new)
    completion = sum(each.max_tokens for each in new)
    most = Cost(charged(prompt, completion, in_batch(model) if batch else model), prompt + completion, len(new))
    paid = in_batch(model) if batch else model
    bounds = [bound(request, structured.body(request, model, rung), paid, ledger.stretch) for request in new]
    each = Cost(*map(max, zip(*bounds, strict=True))) if bounds else Cost()
    held = reduce(Cost.plus, map(_cost, before), ledger.spent)
    priced = model.price_in is not None and model.price_out is not None
    places = sorted({0, len(new) // 2, len(new) - 1} if new else ())
    return Estimate(
        requests=len(new),
        known=len(unique) - len(new),
        prompt=prompt,
        completion=completion,
        money=most.money / NANO if priced else None,
        spent=money(ledger.spent),
        enough=not new or (fits(held, most, budget) and fits(held, each, budget)),
        reserves=(each.money / NANO, each.tokens),
        prompts=tuple(_shown(structured.body(new[place], model, rung)) for place in places[:SHOWN]),
    )


def _cost(found: Estimate) -> Cost:
    return Cost(ceil((found.money or 0.0) * NANO), found.prompt + found.completion, found.requests)


def _tokens(body: bytes) -> int:
    """Count the tokens of a prompt; a schema that goes along is part of it."""
    from tuneset.targets.tokens import of_row  # noqa: PLC0415  its tables take .1 s

    read = orjson.loads(body)
    form = read.get("response_format", {}).get("json_schema")
    more = [{"role": "system", "content": orjson.dumps(form).decode()}] if form else []
    return of_row({"messages": [*more, *read["messages"]]})


def _shown(body: bytes) -> str:
    return orjson.dumps(orjson.loads(body), option=orjson.OPT_INDENT_2).decode()
