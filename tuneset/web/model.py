"""The page of the model that learns along: how good it is, its versions, its suggestions, and what users send now."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from tuneset.people import learner, online, projects, registry
from tuneset.web.safety import word

if TYPE_CHECKING:
    from starlette.responses import Response

    from tuneset.people.registry import Kept
    from tuneset.web.door import Visit

LISTED = 8  # versions
LEAST = 20  # labels of the audit slice from which on a share is said
WIDE, HIGH, POINTS = 640, 200, 60  # of the curve
TAKEN = 50  # live texts that are labelled at a time


class Curve(NamedTuple):
    """How the accuracy went, as the parts of a picture of 640 by 200."""

    line: str
    band: str
    first: tuple[int, float]  # labels learned, accuracy
    last: tuple[int, float]


def model(visit: Visit) -> Response:
    """Show how good the model is, and what a lead may change."""
    read, kept = learner.readings(visit.db, visit.id), registry.history(visit.db, visit.id)
    now = registry.live([each for each in kept if each.there])
    learned = kept[-1].params["rows"] if kept else 0
    return visit.show(
        "model",
        why=read.why,
        live=now,
        accuracy=learner.accuracy(now) if now else None,
        least=LEAST,
        taken=learner.taken(visit.db, visit.id),
        learned=learned,
        curve=_curve(kept),
        versions=[_row(each) for each in reversed(kept) if each in kept[-LISTED:] or each is now],
        settings=projects.settings_of(visit.db, visit.id),
        traffic=online.traffic(visit.db, visit.id),
        take=TAKEN,
    )


def change(visit: Visit) -> Response:
    """Do what a lead asks: another version, live texts to label, a model that was trained."""
    does, path, by = word(visit.form, "do"), f"/p/{visit.id}/model", visit.contributor
    number = word(visit.form, "number", 9)
    if does == "choose" and number.isdecimal():
        registry.choose(visit.db, visit.id, int(number), by)
        return visit.go(path, said=f"Version {number} is live, until you let others take over.")
    if does == "back":
        back = registry.roll_back(visit.db, visit.id, by)
        return visit.go(path, said=f"Back to version {back}, until you let others take over.")
    if does == "let-go":
        registry.let_go(visit.db, visit.id, by)
        return visit.go(path, said="The next version that is not worse takes over.")
    if does == "take":
        done = online.take_in(visit.db, visit.id, TAKEN, by)
        return visit.go(path, said=f"{done.added} more to label; the others were there.")
    if does == "trained":
        online.mark_trained(visit.db, visit.id, by)
        return visit.go(path, said="Noted. What is advised counts from here.")
    return visit.go(path)


def _row(kept: Kept) -> dict[str, Any]:
    when = datetime.fromtimestamp(kept.created_at / 1000, UTC).strftime("%d %b %H:%M")
    told = {"number": kept.version.number, "state": kept.version.state, "there": kept.there, "when": when}
    says = kept.metrics.get("says", []) if kept.version.state == "shadow" else []
    return told | {"rows": kept.params["rows"], "accuracy": learner.accuracy(kept), "says": says}


def _curve(kept: list[Kept]) -> Curve | None:
    """Draw the accuracy of each version by how much it had learned, with its interval; nothing of fewer than two."""
    found = [
        (each.params["rows"], known)
        for each in kept
        if (known := learner.accuracy(each)).rows >= LEAST and each.version.state != "shadow"
    ]
    step = max(1, len(found) // POINTS)
    shown = [*found[:-1:step], *found[-1:]]
    if len(shown) < 2 or shown[0][0] >= shown[-1][0]:
        return None
    begin, end = shown[0][0], shown[-1][0]
    across = [WIDE * (rows - begin) / (end - begin) for rows, _ in shown]

    def drawn(side: str) -> list[str]:
        shares = [float(getattr(known, side)) for _, known in shown]
        return [f"{x:.1f},{HIGH * (1 - share):.1f}" for x, share in zip(across, shares, strict=True)]

    ends = [(rows, float(known.share or 0)) for rows, known in (shown[0], shown[-1])]
    return Curve(" ".join(drawn("share")), " ".join([*drawn("high"), *reversed(drawn("low"))]), *ends)
