"""How good the model is, measured on rows that were chosen by chance and answered before their label was seen."""

from __future__ import annotations

from hashlib import blake2b
from typing import NamedTuple

import numpy as np
import polars as pl

from tuneset.judge.shares import interval

SHARE = 0.15
WINDOW = 100  # audit rows that the shown accuracy looks back on: at 200 it lags 2 points behind a model that learns
SCORED = pl.Schema(
    {
        "item": pl.String(),
        "version": pl.Int64(),  # of the model that answered
        "answer": pl.String(),
        "label": pl.String(),
        "at": pl.Int64(),  # event number of the item's first label
        "right": pl.Boolean(),
        "audit": pl.Boolean(),
    },
)


class Accuracy(NamedTuple):
    """The share of answers that were right."""

    rows: int
    right: int
    share: float | None  # None where there is no row
    low: float  # 95 %
    high: float


class Shown(NamedTuple):
    """What is shown, and what must not be."""

    audit: Accuracy
    queue: Accuracy  # of the rows that the model asked for: harder than the traffic, so biased; never the headline
    says: str


def in_audit(items: pl.Series, salt: str, share: float = SHARE) -> pl.Series:
    """Say which items belong to the audit slice: by the hash of item and salt, so for ever, and whatever the model is.

    The items of a smaller share are among those of a greater one. `salt` is the project's, and secret from contributors,
    who would otherwise know which of their answers are counted.

    >>> in_audit(pl.Series(["a", "b", "c"]), "salt", 0.5).to_list()
    [True, True, False]
    """
    limit = round(share * (1 << 64))
    drawn = [
        int.from_bytes(blake2b(f"{salt}\0audit\0{item}".encode(), digest_size=8).digest()) < limit
        for item in items.to_list()
    ]
    return pl.Series(items.name, drawn, dtype=pl.Boolean)


def scored(answers: pl.DataFrame, labels: pl.DataFrame, salt: str, share: float = SHARE) -> pl.DataFrame:
    """Hold each item's label against the last answer that was given before any label of it was seen: schema `SCORED`.

    `answers`: item, version, answer, at; `labels`: item, label, at; `at` is the number of the event. A label may come as
    late as it likes: the answer is the one from before, and it is learned when it comes (predict at arrival, learn with
    a delay: river's `progressive_val_score`). A corrected label is the truth, but answers given after the first label do
    not count, since the model had learned from it. Items without such an answer or without a label are left out.

    >>> answers = pl.DataFrame({"item": ["a", "a"], "version": [1, 2], "answer": ["x", "y"], "at": [1, 5]})
    >>> labels = pl.DataFrame({"item": ["a"], "label": ["y"], "at": [4]})
    >>> scored(answers, labels, "salt").select("version", "right").row(0)
    (1, False)
    """
    truth = labels.sort("at").group_by("item").agg(pl.col("at").first(), pl.col("label").last())
    before = (
        answers.rename({"at": "answered"})
        .join(truth, on="item")
        .filter(pl.col("answered") < pl.col("at"))
        .sort("answered", "version")
        .group_by("item")
        .last()
        .sort("at", "item")
    )
    return before.with_columns(
        right=pl.col("answer") == pl.col("label"), audit=in_audit(before["item"], salt, share)
    ).select(pl.col(name).cast(kind) for name, kind in SCORED.items())


def accuracy(rows: pl.DataFrame, window: int = WINDOW) -> Accuracy:
    """Count how many of the last `window` rows were right, with the interval of Wilson (1927).

    Limits: an average over the versions that answered within the window. While the model still learns fast, the one of
    now is better than that; a smaller window follows it sooner and knows less.

    >>> accuracy(pl.DataFrame({"right": [True, False], "at": [1, 2]})).share
    0.5
    """
    last = rows.sort("at").tail(window)
    return counted(int(last["right"].sum()), last.height)


def counted(right: int, rows: int) -> Accuracy:
    """Return the share of rows that were right, with the interval of Wilson (1927) at 95 %.

    >>> counted(8, 10).share, round(counted(8, 10).low, 2)
    (0.8, 0.49)
    """
    low, high = (float(side[0]) for side in interval(np.array([right]), rows))
    if not rows:
        return Accuracy(0, 0, None, 0.0, 1.0)
    share = right / rows
    return Accuracy(rows, right, share, min(low, share), max(high, share))  # at all or none right it is off by 1e-16


def shown(rows: pl.DataFrame, window: int = WINDOW) -> Shown:
    """Say how good the model is: by the audit slice, and beside it what the queue's own answers would have claimed.

    Both look at the same stretch of time: from the first label of the audit window on.

    >>> shown(pl.DataFrame(schema=SCORED)).says
    'Not known yet: no row of the audit slice has a label.'
    """
    audit = rows.filter("audit").sort("at").tail(window)
    since = audit["at"].min()
    queue = rows.filter(~pl.col("audit") & (pl.col("at") >= since)) if since is not None else rows.clear()
    found, claimed = accuracy(audit, window), accuracy(queue, queue.height)
    return Shown(found, claimed, _words(found, claimed))


def _words(found: Accuracy, claimed: Accuracy) -> str:
    if found.share is None:
        return "Not known yet: no row of the audit slice has a label."
    says = (
        f"{100 * found.share:.0f} % of the last {found.rows:,} audit rows were answered rightly "
        f"({100 * found.low:.0f} to {100 * found.high:.0f} %)."
    )
    if claimed.share is None:
        return says
    return f"{says} The rows that the model asked for would have said {100 * claimed.share:.0f} %."
