"""What came of asking a model and what it cost, in the words and numbers that terminal, report and JSON all have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from tuneset.ask.budget import figure, option
from tuneset.generate.asking import JUDGE, WRITER

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tuneset.generate.wanted import Wanted


NO_FORM = "a model or a server that keeps to JSON Schema loses fewer"


class Told(NamedTuple):
    """What one call came to."""

    asked: int  # rows or conversations that were missing, or lacked their answer
    came: int  # of them
    lost: Mapping[str, int]  # of those that did not come, how many for which problem (`asked.Answer`, `heard`)
    read: int  # earlier rows that the judge has read now
    unread: int  # rows that wait for the judge
    gained: int  # rows that may be kept now, and were not there or were held back before
    stopped: str = ""  # which limit had no room, and for what; "" where none did
    failed: str = ""  # why the judge was given up; "" where it was not


def paid(place: Path, wanted: Wanted) -> dict[str, Any]:
    """Sum up what a source has cost over all calls, in the currency of the prices.

    `writer`, `judge`, `total`, `unsure` (of the total: for requests whose answers did not come, which may not have been
    charged), `cap` (`most_cost`), `priced` (whether the prices are known), `tokens`, `requests`, and `words`.
    """
    from tuneset.ask.cache import known, money  # noqa: PLC0415  with the client, which few commands need

    ledger = known(place)
    asked = [wanted.writer, *([wanted.judge] if wanted.judge else [])]
    judge = money(ledger.shares[JUDGE]) if JUDGE in ledger.shares else 0.0
    total = money(ledger.spent)
    told = {
        WRITER: round(total - judge, 9),
        JUDGE: judge,
        "total": total,
        "unsure": money(ledger.unsure),
        "cap": wanted.most_cost,
        "priced": all(each.price_in is not None and each.price_out is not None for each in asked),
        "tokens": ledger.spent.tokens,
        "requests": ledger.spent.requests,
    }
    return told | {"words": words(told)}


def words(told: Mapping[str, Any]) -> str:
    """Say what was spent, by whom, and of which limit.

    >>> spent = {"writer": 0.0043, "judge": 0.002, "total": 0.0063, "unsure": 0.0, "cap": 0.008, "priced": True}
    >>> words(spent | {"tokens": 9_000, "requests": 12})
    '0.0063 of at most 0.008 spent in all (0.0043 to write, 0.002 to judge)'
    >>> words(spent | {"unsure": 0.0011, "tokens": 9_000, "requests": 12})
    '0.0063 of at most 0.008 spent in all (0.0043 to write, 0.002 to judge; of which 0.0011 for answers that did not come, perhaps not charged)'
    """
    if not told["priced"] and not told["total"]:
        return f"{told['tokens']:,} tokens in {told['requests']:,} requests in all; prices are not known"
    cap = f" of at most {figure(told['cap'])}" if told["cap"] is not None else ""
    parts = f"{figure(told[WRITER])} to write, {figure(told[JUDGE])} to judge" if told[JUDGE] else ""
    unsure = f"of which {figure(told['unsure'])} for answers that did not come, perhaps not charged"
    both = [each for each in (parts, unsure if told["unsure"] else "") if each]
    of = f" ({'; '.join(both)})" if both else ""
    return f"{figure(told['total'])}{cap} spent in all{of}"


def says(name: str, wanted: Wanted, noted: Mapping[str, Any]) -> str:
    """Say in one line what one call came to, what stopped it, and how it goes on."""
    asked, came, what = noted["asked"], noted["came"], "conversations" if wanted.rewrite else "rows"
    if asked:
        done = f"{came:,} of {asked:,} {what} written{_lost(noted)}"
    elif wanted.rows:
        done = f"{noted['there']:,} rows are there; ask for more with --rows {noted['there'] + wanted.rows}"
    else:
        done = "nothing is missing"
    read = f"{noted['read']:,} earlier ones were judged" if noted["read"] else ""
    unread = f"{noted['unread']:,} are held back until they are judged" if noted["unread"] else ""
    parts = (f"{name}: {done}", read, unread, noted["failed"], stopped(noted), noted["paid"]["words"], itself(wanted))
    return "; ".join(filter(None, parts))


def itself(wanted: Wanted) -> str:
    """Say where a model judges what it wrote itself: it finds its own mistakes right; "" where another one judges.

    >>> from tuneset.generate.wanted import of
    >>> itself(of(None, model="small", rows=5, judge_model="small"))
    'the judge is the model that writes: it likes what it wrote, and another one finds more'
    """
    writer, judge = wanted.writer, wanted.judge
    same = judge is not None and (judge.model, judge.url.rstrip("/")) == (writer.model, writer.url.rstrip("/"))
    return "the judge is the model that writes: it likes what it wrote, and another one finds more" if same else ""


# What became of rows that did not come, by problem, and what helps where that is the most frequent one.
LOST = {
    "same": ("were there already", "more seeds, other strategies or a document make a model vary more"),
    "short": ("were left out of an answer", ""),
    "too-long": ("were far too long", ""),
    "cut-off": ("were cut off", "ask for fewer rows in a request, with per_request in the recipe"),
    "not-json": ("came as no JSON", NO_FORM),
    "wrong-schema": ("came in another form than was asked for", NO_FORM),
    "refused": ("were refused by the model", "another model may write them (--model)"),
    "not-answered": ("got no answer", "the same command asks for them again"),
    "rejected": ("were rejected by the server", ""),
    "budget": ("had no room in the limit", ""),
}


def _lost(noted: Mapping[str, Any]) -> str:
    """Say how many rows did not come, why, and what helps.

    >>> _lost({"asked": 40, "came": 6, "lost": {"same": 33, "not-answered": 1}})
    ', 34 did not come (33 were there already, 1 got no answer: more seeds, other strategies or a document make a model vary more)'
    """
    short = noted["asked"] - noted["came"]
    if short <= 0:
        return ""
    why = [(LOST.get(problem, (problem, "")), count) for problem, count in noted["lost"].items()]
    reasons = ", ".join(f"{count:,} {words}" for (words, _), count in why)
    helps = f": {why[0][0][1]}" if why and why[0][0][1] else ""
    return f", {short:,} did not come" + f" ({reasons}{helps})" * bool(reasons)


def stopped(noted: Mapping[str, Any]) -> str:
    """Say which limit stopped the work and how to go on; "" where none did.

    >>> stopped({"stopped": "most_cost = 0.008: one more request may take up to 0.0043, and 0.002 are left"})
    'stopped by most_cost = 0.008 (one more request may take up to 0.0043, and 0.002 are left): raise it (--most-cost) and run the same command again'
    """
    if not noted["stopped"]:
        return ""
    limit, _, needs = noted["stopped"].partition(": ")
    typed = option(limit.partition(" = ")[0])
    return f"stopped by {limit} ({needs}): raise it ({typed}) and run the same command again"
