"""Which version of the model answers: a new one runs in the shadow, goes live where it is not worse, and can be taken back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from tuneset.errors import RunError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bools = NDArray[np.bool_]

MARGIN = 0.02  # of accuracy that a version may be worse by and still count as not worse
LEVEL = 1.644854  # of the normal distribution: 5 % of versions that are worse by the margin are let through


@dataclass(frozen=True)
class Version:
    """A model that was kept."""

    number: int
    state: Literal["shadow", "live", "retired"]
    trained_on: int  # number of the last event it has learned
    sha256: str  # of its bytes
    after: int = 0  # the version that was live before it, 0 for none
    share: float | None = None  # right on the frozen set when it went live, where that could tell


class Paired(NamedTuple):
    """Two versions on the same frozen rows."""

    rows: int
    won: int  # rows that only the new one has right
    lost: int  # rows that only the old one has right
    share: float  # of rows that the new one has right
    difference: float
    z: float  # of its not being worse by the margin or more
    not_worse: bool
    worse: bool  # McNemar's test says so at 5 % (one-sided)
    enough: bool  # rows to tell: were both as good, what they differ on would show it
    says: str

    @property
    def passes(self) -> bool:
        """Whether the new version may go live: shown to be not worse; or, while nothing can be shown, not seen to be worse.

        Without the second a model could learn nothing from its first 900 labels (133 frozen rows at 15 % of them).
        """
        return self.not_worse or not (self.enough or self.worse)


def compared(old: Bools, new: Bools, margin: float = MARGIN) -> Paired:
    """Compare two versions on a frozen set: which rows each has right, one row of each near-duplicate group.

    The new one is not worse where a difference of `-margin` or below can be ruled out at 5 % (one-sided): McNemar's test
    with a margin, by the score of Tango (1998). Not McNemar's test alone, which asks whether the new one is worse and
    lets everything pass on a small set; not the bootstrap, for which two versions that answer 20 rows alike are surely
    alike. Limits: with equal answers 133 rows are needed, with answers that differ on a tenth of the rows 680 (`enough`
    says whether they are there); each promotion may lose up to the margin, so compare with the best version so far as
    well (`rivals`).

    >>> compared(np.repeat([True, False], [800, 200]), np.repeat([True, False], [810, 190])).not_worse
    True
    >>> few = compared(np.ones(20, bool), np.ones(20, bool))
    >>> few.not_worse, few.enough, few.passes
    (False, False, True)
    """
    rows, won, lost = len(old), int((new & ~old).sum()), int((old & ~new).sum())
    z = _tango(won, lost, rows, margin)
    difference = (won - lost) / rows if rows else 0.0
    share = float(new.mean()) if rows else 0.0
    worse = lost > won and (lost - won) / np.sqrt(lost + won) > LEVEL
    enough = _tango((won + lost) / 2, (won + lost) / 2, rows, margin) > LEVEL
    says = _words(rows, won, lost, margin, z=z) + _few(z, worse=worse, enough=enough)
    return Paired(rows, won, lost, share, difference, z, z > LEVEL, worse, enough, says)


def added(versions: tuple[Version, ...], trained_on: int, sha256: str) -> tuple[Version, ...]:
    """Put a new version in the shadow: it answers, nobody sees its answers, and they are kept.

    >>> added((), 100, "ab")[0].state
    'shadow'
    """
    return (*versions, Version(max((each.number for each in versions), default=0) + 1, "shadow", trained_on, sha256))


def live(versions: tuple[Version, ...]) -> Version | None:
    """Return the version whose answers are shown, if there is one."""
    return next((each for each in versions if each.state == "live"), None)


def rivals(versions: tuple[Version, ...]) -> tuple[Version, ...]:
    """Return whom a shadow must not be worse than: the live version, and the best that ever was live where that is another.

    Without the second, ten promotions of which each is a little worse could lose twenty points.
    """
    now = live(versions)
    best = max(
        (each for each in versions if each.share is not None), key=lambda each: (each.share, -each.number), default=now
    )
    return tuple({each.number: each for each in (now, best) if each is not None}.values())


def promoted(versions: tuple[Version, ...], number: int, against: tuple[Paired, ...]) -> tuple[Version, ...]:
    """Make a shadow live where it `passes` beside each of `rivals`; the first version has none and goes live at once.

    Raises RunError where it was not compared with all of them, or may be worse.

    >>> [each.state for each in promoted(added((), 100, "ab"), 1, ())]
    ['live']
    """
    one = _named(versions, number)
    if one.state != "shadow":
        raise RunError(f"version {number} is {one.state}", "the model's versions", "promote one that is in the shadow")
    if len(against) < len(rivals(versions)):
        raise RunError(f"version {number} was not compared", "the frozen set", "compare it with each of its rivals")
    worse = next((each for each in against if not each.passes), None)
    if worse is not None:
        raise RunError(f"version {number} stays in the shadow", worse.says, "collect labels, or enlarge the frozen set")
    now = live(versions)
    shown = all(each.not_worse for each in against)  # few rows say little: no lucky start is the best for ever
    share = min((each.share for each in against), default=None) if shown else None
    raised = replace(one, state="live", after=now.number if now else 0, share=share)
    retired = tuple(replace(each, state="retired") if each is now else each for each in versions)
    return tuple(raised if each.number == number else each for each in retired)


def chosen(versions: tuple[Version, ...], number: int) -> tuple[Version, ...]:
    """Make a version live because a person says so, whatever it was compared with.

    >>> [each.state for each in chosen(added((), 100, "ab"), 1)]
    ['live']
    """
    one, now = _named(versions, number), live(versions)
    if one is now:
        return versions
    states = {number: "live"} | ({now.number: "retired"} if now else {})
    made = tuple(replace(each, state=states.get(each.number, each.state)) for each in versions)  # type: ignore[arg-type]
    after = now.number if now else 0
    return tuple(replace(each, after=after) if each.number == number and not each.after else each for each in made)


def rolled_back(versions: tuple[Version, ...]) -> tuple[Version, ...]:
    """Go back to the version that was live before this one; raises RunError where there is none."""
    now = live(versions)
    if now is None or not now.after:
        raise RunError("no version was live before this one", "the model's versions", "promote another one")
    states = {now.number: "retired", now.after: "live"}
    return tuple(replace(each, state=states.get(each.number, each.state)) for each in versions)  # type: ignore[arg-type]


def _named(versions: tuple[Version, ...], number: int) -> Version:
    found = next((each for each in versions if each.number == number), None)
    if found is None:
        known = ", ".join(str(each.number) for each in versions) or "none"
        raise RunError(f"there is no version {number}", "the model's versions", f"there are: {known}")
    return found


def _tango(won: float, lost: float, rows: int, margin: float) -> float:
    """Score of a paired difference against `-margin`; its variance is that of the likeliest shares with that difference."""
    if rows == 0:
        return 0.0
    # The likeliest share of rows won, where that of rows lost is greater by the margin: 2 n x^2 + b x + c = 0.
    b = -(won + lost) + (2 * rows - lost + won) * margin
    c = -won * margin * (1 - margin)
    least = (np.sqrt(b * b - 8 * rows * c) - b) / (4 * rows)
    return float((won - lost + rows * margin) / np.sqrt(rows * (2 * least + margin * (1 - margin))))


def _words(rows: int, won: int, lost: int, margin: float, *, z: float) -> str:
    told = f"Of {rows:,} frozen rows the new version wins {won:,} and loses {lost:,}"
    if z > LEVEL:
        return f"{told}: it is not worse by {100 * margin:g} points."
    return f"{told}: that it is worse by {100 * margin:g} points or more cannot be ruled out."


def _few(z: float, *, worse: bool, enough: bool) -> str:
    if z > LEVEL or (enough and not worse):
        return ""
    return " It is worse." if worse else " There are too few rows to tell."
