"""What rows cost after they are written: it is kept of the budget, so that no row is bought that nobody can then read."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, NamedTuple

from tuneset.ask.budget import Cost, bound, charged, in_batch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuneset.ask import Request
    from tuneset.generate.asking import Asking
    from tuneset.generate.wanted import Asked

MARGIN = 1.25  # other models count up to so many times the tokens of the one whose count is taken here


class Behind(NamedTuple):
    """What a part of a row costs later on, and the most that one request for it reserves."""

    each: tuple[float, float, float] = (0.0, 0.0, 0.0)  # money in billionths, tokens, requests
    most: Cost = Cost()

    def keep(self, rows: int) -> Cost:
        """Return what is to be kept for so many rows."""
        if not rows or not any(self.most):
            return Cost()
        likely = Cost(*(ceil(round(part * rows, 6)) for part in self.each))
        return likely.plus(self.most._replace(requests=0))  # the last request reserves the most; it is counted already

    def plus(self, other: Behind) -> Behind:
        """Add what comes after that."""
        one, two = self.each, other.each
        return Behind((one[0] + two[0], one[1] + two[1], one[2] + two[2]), self.most.plus(other.most))


def behind(requests: Sequence[Request], rows: int, whom: Asked | None, asking: Asking) -> Behind:
    """Reckon what some requests for so many rows will cost, for each row; nothing where nobody is to be asked."""
    if whom is None or not requests or not rows:
        return Behind()
    from tuneset.ask import dry_run, structured  # noqa: PLC0415  with the client, which few commands need

    model = in_batch(whom.asked()) if asking.wanted.batch else whom.asked()
    asked = [each._replace(parameters=whom.parameters, sample=at) for at, each in enumerate(requests)]
    found = dry_run(asked, model, asking.place / "none", asking.wanted.budget())
    tokens = MARGIN * found.prompt, found.completion
    money = charged(int(tokens[0]), int(tokens[1]), model)
    most = [bound(each, structured.body(each, model, structured.RUNGS[0]), model) for each in asked]
    dearest = Cost(*(max(parts) for parts in zip(*most, strict=True)))
    return Behind((money / rows, sum(tokens) / rows, len(asked) / rows), dearest)
