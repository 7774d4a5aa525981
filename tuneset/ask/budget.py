"""What may be spent: an upper bound of what a request costs, and what it did cost by the server's count."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from tuneset.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuneset.ask.asked import Model, Request, Usage

NANO = 1_000_000_000  # money is counted in whole billionths, so that sums are exact
# What a chat template may add: Llama's and Qwen's own system turns have some 30 tokens, Harmony's 70.
PER_PROMPT, PER_MESSAGE = 256, 16
LIMITS = ("most_cost", "most_tokens", "most_requests")  # the parts of a budget, as recipes and options call them


class Budget(NamedTuple):
    """The most that may be spent on what a folder holds, over all runs; what is None has no limit."""

    money: float | None = None  # in the currency of the model's prices
    tokens: int | None = None  # of prompts and answers together
    requests: int | None = None


class Cost(NamedTuple):
    """Money in billionths, tokens, requests."""

    money: int = 0
    tokens: int = 0
    requests: int = 0

    def plus(self, other: Cost) -> Cost:
        """Add, part by part."""
        return Cost(self.money + other.money, self.tokens + other.tokens, self.requests + other.requests)

    def less(self, other: Cost) -> Cost:
        """Take away, part by part."""
        return Cost(self.money - other.money, self.tokens - other.tokens, self.requests - other.requests)


def sound(model: Model, budget: Budget, whose: str = "") -> None:
    """Refuse a budget that holds nothing back, before anything is asked; `whose`: "judge_" where its prices are called so.

    >>> from tuneset.ask.asked import Model
    >>> sound(Model("https://host/v1", "small"), Budget(money=5))
    Traceback (most recent call last):
    tuneset.errors.RecipeError: the price of this model is not known, so that money sets no limit
      at   small
      try  give price_in and price_out (--price-in, --price-out) for a million tokens, or a limit of tokens or requests alone
    """
    priced = model.price_in is not None and model.price_out is not None
    prices = (model.price_in, model.price_out, model.price_cached, model.batch_price)
    given = [each for each in (*budget, *prices) if each is not None]
    if not all(math.isfinite(each) and each >= 0 for each in given):
        raise RecipeError("a limit or a price is no number from 0 up", model.name, "write it as 2.5")
    if budget.money is not None and not priced:
        raise RecipeError(
            "the price of this model is not known, so that money sets no limit",
            model.name,
            f"give {_both([f'{whose}price_in', f'{whose}price_out'])} for a million tokens, or a limit of tokens or requests alone",
        )
    if budget == Budget() and not (priced and not model.price_in and not model.price_out):
        *most, last = LIMITS
        hint = f"give {', '.join(most)} or {last} ({', '.join(map(option, LIMITS))})"
        raise RecipeError("nothing limits what may be spent", model.name, hint)


def option(name: str) -> str:
    """Write a name as the command line has it.

    >>> option("most_cost")
    '--most-cost'
    """
    return f"--{name.replace('_', '-')}"


def _both(names: Sequence[str]) -> str:
    return f"{' and '.join(names)} ({', '.join(map(option, names))})"


def in_batch(model: Model) -> Model:
    """Return a model with the prices that hold in a batch.

    >>> from tuneset.ask.asked import Model
    >>> in_batch(Model("https://host/v1", "small", price_in=0.15)).price_in
    0.075
    """
    share = model.batch_price
    paid = [None if each is None else each * share for each in (model.price_in, model.price_out, model.price_cached)]
    return model._replace(price_in=paid[0], price_out=paid[1], price_cached=paid[2])


def bound(request: Request, body: bytes, model: Model, stretch: float = 1.0) -> Cost:
    """Return what a request costs at most.

    A token stands for a byte at least, in every tokenizer that models have; what the template adds is allowed for. The
    bound is some four times what is then charged, and is put right with each answer. `stretch`: by how much a server
    was seen to count more than that.
    """
    prompt = len(body) + PER_PROMPT + PER_MESSAGE * len(request.messages)
    if model.context:
        prompt = min(prompt, model.context)
    prompt, completion = math.ceil(prompt * stretch), math.ceil(request.max_tokens * stretch)
    return Cost(charged(prompt, completion, model), prompt + completion, 1)


def cost(usage: Usage, model: Model) -> Cost:
    """Return what an answer cost, by the server's own count."""
    return Cost(charged(usage.prompt, usage.completion, model, usage.cached), usage.prompt + usage.completion, 1)


def charged(prompt: int, completion: int, model: Model, cached: int = 0) -> int:
    """Return the price of tokens, in billionths, rounded up; 0 where no price is known.

    >>> from tuneset.ask.asked import Model
    >>> charged(1_000_000, 0, Model("https://host/v1", "small", price_in=0.15, price_out=0.6)) / NANO
    0.15
    """
    full = model.price_in or 0.0
    known = full if model.price_cached is None else model.price_cached
    summed = (prompt - cached) * full + cached * known + completion * (model.price_out or 0.0)
    return math.ceil(round(summed * 1000, 3))


def fits(spent: Cost, more: Cost, budget: Budget) -> bool:
    """Say whether more can be spent."""
    both = spent.plus(more)
    return (
        (budget.money is None or both.money <= math.floor(budget.money * NANO))
        and (budget.tokens is None or both.tokens <= budget.tokens)
        and (budget.requests is None or both.requests <= budget.requests)
    )


def short(spent: Cost, more: Cost, budget: Budget) -> tuple[str, str]:
    """Name the limit that has no room for more, and say how much more that is.

    >>> short(Cost(money=6_000_000), Cost(money=4_300_000), Budget(money=0.008))
    ('most_cost = 0.008', 'one more request may take up to 0.0043, and 0.002 are left')
    >>> short(Cost(tokens=1_400), Cost(tokens=7_900), Budget(tokens=5_000))
    ('most_tokens = 5,000', 'one more request may take up to 7,900 tokens, and 3,600 are left')
    """
    for name, unit, limit, had, needs in zip(LIMITS, ("", " tokens", ""), budget, spent, more, strict=True):
        if limit is None or had + needs <= math.floor(limit * (1 if unit or name == LIMITS[2] else NANO)):
            continue
        if name == LIMITS[0]:
            left = figure(max(limit - had / NANO, 0.0))
            return (
                f"{name} = {figure(limit)}",
                f"one more request may take up to {figure(needs / NANO)}, and {left} are left",
            )
        left = f"{max(limit - had, 0):,}"
        more_in_words = f"may take up to {needs:,}{unit}" if unit else "is one more"
        return f"{name} = {limit:,}", f"one more request {more_in_words}, and {left} are left"
    return "", ""


def figure(money: float) -> str:
    """Write money so that two digits of it are seen, however little it is.

    >>> [figure(each) for each in (1234.5, 3, 0.999, 0.25, 0.008, 0.00432, 0.00000012, 0)]
    ['1,234.50', '3', '1', '0.25', '0.008', '0.0043', '0.00000012', '0']
    """
    if money == round(money):
        return f"{money:,.0f}"
    if money >= 1:
        return f"{money:,.2f}"
    places = 1 - math.floor(math.log10(money))
    return f"{money:.{places}f}".rstrip("0").rstrip(".")
