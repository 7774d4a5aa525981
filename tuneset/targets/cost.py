"""Say what a job of training costs: tokens times epochs, by a dated list of prices that a file of one's own overrides."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tuneset.errors import RecipeError, unknown, way_out
from tuneset.targets.counters import untuned

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy.typing as npt

MILLION = 1_000_000
# OpenAI's rule for jobs that name no epochs, from its cookbook: three, but no fewer than a hundred examples seen in
# all (at 25 epochs at most), and no more than 25,000.
EPOCHS, MOST_EPOCHS, FEWEST_SEEN, MOST_SEEN = 3, 25, 100, 25_000
OPENAIS = {"openai", "openai-dpo"}  # targets whose jobs follow it; of no other platform is its own number known


@dataclass(frozen=True)
class Price:
    """What training on one model, or on any model of a target, costs; each field as prices.toml says at its top."""

    name: str
    price: float | None = None
    currency: str = "USD"
    minimum: float = 0.0
    validation: bool = False
    hourly: bool = False
    epochs: int = 0
    verified: bool = False
    checked_on: date | None = None
    source: str = ""
    note: str = ""


class Cost(NamedTuple):
    """What a job would cost, and how that comes about."""

    model: str
    tokens: int  # of one epoch, each example cut at the limit
    epochs: int
    billed: int
    amount: float | None  # None where no price is known
    currency: str
    verified: bool
    reason: str  # why there is no amount
    says: str  # the whole in a sentence or two


_KINDS: dict[str, tuple[type, ...]] = {
    "price": (float, int),
    "currency": (str,),
    "minimum": (float, int),
    "validation": (bool,),
    "hourly": (bool,),
    "epochs": (int,),
    "verified": (bool,),
    "checked_on": (date,),
    "source": (str,),
    "note": (str,),
}


def price_table(path: Path | None = None) -> dict[str, Price]:
    """Return the prices by target and model: the package's dated ones, and over them those of a file in the same form.

    A price in the user's file is taken as checked by the user, and the file as its source, unless the entry says
    otherwise. Errors: RecipeError for a file that cannot be read, an unknown key or an impossible value.

    >>> price_table()["openai/gpt-4o-mini"].price
    3.0
    """
    if path is None:
        return dict(_ours())
    told = {"verified": True, "source": str(path), "checked_on": None, "note": ""}
    return _over(_ours(), {name: told | entry if "price" in entry else entry for name, entry in _read(path).items()})


def epochs(rows: int) -> int:
    """Say how often OpenAI trains on each example where a job names no epochs.

    Source: OpenAI cookbook, "Data preparation and analysis for chat model fine-tuning". Limits: other platforms have
    other rules; a price says its platform's where it is known.

    >>> epochs(10), epochs(1_000), epochs(20_000)
    (10, 3, 1)
    """
    if rows * EPOCHS < FEWEST_SEEN:
        return min(MOST_EPOCHS, FEWEST_SEEN // max(rows, 1))
    if rows * EPOCHS > MOST_SEEN:
        return max(1, MOST_SEEN // rows)
    return EPOCHS


def cost(  # noqa: PLR0913  each is a number of the bill
    tokens: npt.NDArray[np.int64],
    rows: int,
    model: str,
    prices: Mapping[str, Price],
    epochs: int | None = None,
    *,
    max_tokens: int = 0,
    validation: npt.NDArray[np.int64] | None = None,
) -> Cost:
    """Estimate what training on a file costs.

    `tokens`: of each example, such as `Tokens.counts`. `rows`: how many examples the job trains on, from which the
    epochs follow where none are given. `model`: TARGET/MODEL, or a model alone where one target has a price for it.
    `max_tokens`: where an example is cut (0: nowhere). `validation`: the tokens of a validation file. Billed is what is
    left, times the epochs, and where a platform charges for validation, that once. Errors: RecipeError for fewer epochs
    than one.

    Limits: an estimate by listed prices; discounts, taxes and hosting are not in it, nor evaluations after the first.
    What is charged by the hour has no cost here.

    >>> job = cost(np.array([1_000, 3_000]), 1_000, "openai/gpt-4.1", price_table(), max_tokens=2_000)
    >>> job.billed, job.amount
    (9000, 0.225)
    """
    if epochs is not None and epochs < 1:
        raise RecipeError(f"{epochs} epochs train nothing", "epochs", "give 1 or more, or none for the usual number")
    price, reason = _price(model, prices)
    passes, whose = _passes(rows, model, price, epochs)
    once = _cut(tokens, max_tokens)
    held = _cut(validation, max_tokens) if validation is not None and price and price.validation else 0
    billed, currency = once * passes + held, price.currency if price else ""
    if price and price.hourly:
        said = f"{once:,} tokens an epoch. What that costs is not known: {reason}."
        return Cost(model, once, passes, 0, None, currency, verified=False, reason=reason, says=said)
    many = f"{once:,} tokens in {passes} {'epoch' if passes == 1 else 'epochs'}{whose}"
    many += f", {held:,} of the validation file once: {billed:,} billed" if held else f": {billed:,} billed"
    if price is None or price.price is None:
        said = f"{many}. What that costs is not known: {reason}."
        return Cost(model, once, passes, billed, None, currency, verified=False, reason=reason, says=said)
    amount = max(billed * price.price / MILLION, price.minimum)
    said = f"{many}, {_amount(amount, price)}, {_terms(price, counted=held > 0)}"
    return Cost(model, once, passes, billed, amount, currency, price.verified, "", said)


def _cut(tokens: npt.NDArray[np.int64], most: int) -> int:
    return int(np.minimum(tokens, most).sum() if most else tokens.sum())


def _passes(rows: int, model: str, price: Price | None, told: int | None) -> tuple[int, str]:
    """Say how often each example is trained on, and in words whose number that is."""
    if told:
        return told, ""
    if price and price.epochs:
        return price.epochs, ", the usual number there"
    if (price.name if price else model).partition("/")[0] in OPENAIS:
        return epochs(rows), ", OpenAI's usual number"
    return EPOCHS, ", a usual number and not the platform's (--epochs sets it)"


@cache
def _ours() -> dict[str, Price]:
    written = resources.files("tuneset.targets").joinpath("prices.toml").read_text(encoding="utf-8")
    return _over({}, tomllib.loads(written))


def _over(prices: Mapping[str, Price], entries: Mapping[str, Mapping[str, Any]]) -> dict[str, Price]:
    """Lay entries over prices; a new model begins with what is known of its target."""
    laid = dict(prices)
    for name, entry in entries.items():
        known = laid.get(name) or laid.get(name.partition("/")[0]) or Price(name)
        laid[name] = replace(known, **{"name": name, **entry})
    return laid


def _read(path: Path) -> dict[str, dict[str, Any]]:
    hint = 'write as in ["openai/gpt-4.1"], and under it price = 25.0'
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"not a list of prices: {error}", str(path), hint) from error
    except OSError as error:
        raise RecipeError(f"cannot read the prices: {error.strerror}", str(path), way_out(error)) from error
    for name, entry in entries.items():
        if not isinstance(entry, dict):
            raise RecipeError(f"{name} stands under no model", str(path), hint)
        for key, value in entry.items():
            _checked(name, key, value, str(path))
    return entries


def _checked(name: str, key: str, value: Any, where: str) -> None:
    if key not in _KINDS:
        raise unknown("key", f"{name}.{key}", _KINDS, where)
    # type, not isinstance: a bool is no number here
    if type(value) not in _KINDS[key] or (type(value) in {int, float} and not 0 <= value < float("inf")):
        wanted = {bool: "true or false", str: "a text", date: "a date such as 2026-11-23", int: "a whole number"}
        hint = wanted.get(_KINDS[key][0], "a number that is not negative")
        raise RecipeError(f"{name}.{key} cannot be {value!r}", where, f"give {hint}")


def _price(model: str, prices: Mapping[str, Price]) -> tuple[Price | None, str]:
    """Find the price of a model, or say why there is none."""
    target, _, name = model.partition("/")
    base = untuned(name)
    tried = (model, f"{target}/{base}", f"{target}/{_undated(base)}", target) if name else ()
    found = [prices[each] for each in tried if each in prices][:1] or _alone(model, prices)
    yours = f'write one under ["{model}"] in a file of prices of your own'
    if len(found) > 1:
        return None, f"it has several prices, so name one of {', '.join(each.name for each in found)}"
    if found and found[0].hourly:
        return found[0], f"{found[0].name.partition('/')[0]} is charged by the hour of training, not by tokens"
    if not found:
        return None, f"no price of {model} is on the list{_elsewhere(model, prices)}; {yours}"
    if found[0].price is None:
        note = "; ".join(filter(None, [found[0].note, found[0].source and f"see {found[0].source}"]))
        return found[0], f"no price of {model} is on the list ({note or 'its entry has none'}); {yours}"
    return found[0], ""


def _alone(model: str, prices: Mapping[str, Price]) -> list[Price]:
    """Find the prices of a model that is named without its target, or those of a target."""
    base = untuned(model)
    if model in prices:
        return [prices[model]]
    return [each for each in prices.values() if each.name.partition("/")[2] in {base, _undated(base)} - {""}]


def _elsewhere(model: str, prices: Mapping[str, Price]) -> str:
    """Say under which target a price stands, or that one must be named, where none of this one's is known."""
    target, _, name = model.partition("/")
    if others := [each.name.partition("/") for each in _alone(name, prices) if name and each.price is not None]:
        return ", but one is with " + " or ".join(f"--target {each} --price {one}" for each, _, one in others)
    if target in {each.partition("/")[0] for each in prices}:
        return ""
    return " (--target says who trains it, such as --target openai)" if name else ""


def _undated(model: str) -> str:
    """Leave out the day of a model's version: -2024-08-06, or -0125."""
    return re.sub(r"-(\d{4}-\d\d-\d\d|\d{4})$", "", model)


def _amount(amount: float, price: Price) -> str:
    if amount == price.minimum > 0:
        return f"{amount:,.2f} {price.currency}, the least that a job costs"
    return f"less than 0.01 {price.currency}" if 0 < amount < 0.01 else f"about {amount:,.2f} {price.currency}"


def _terms(price: Price, *, counted: bool) -> str:
    """Say by which price, from where and when, and what comes on top."""
    read = f", read on {price.checked_on}" if price.checked_on else ""
    doubt = "" if price.verified else ", not verified"
    often = ", at each evaluation" if counted else ""
    more = f" Tokens of a validation file are charged too{often}." if price.validation else ""
    note = f" {price.note[0].upper()}{price.note[1:]}." if price.note else ""
    return f"by {price.price:,.2f} {price.currency} per million ({price.source}{read}{doubt}).{more}{note}"
