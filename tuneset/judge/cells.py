"""What to collect or generate so that a set is like its target."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tuneset.judge.pool import Pool, Side
    from tuneset.judge.two_sample import Covered

    Ints = NDArray[np.int64]

CELLS = 12  # clusters of uncovered texts
LEAST = 3  # texts without which there is no cell
LIKE = 3  # texts that show what a cell is


def uncovered_cells(pool: Pool, cover: Covered, names: list[str], rows: int, said: Ints | None) -> list[dict[str, Any]]:
    """Put the target's texts that have nothing near them here with their neighbours, the largest cell first.

    `said`: the label of each row there where the target has none. `rows`: the size of the set, which says how many
    rows would give a cell its share.
    """
    far = np.flatnonzero(cover.alone > 0)
    close = _neighbours(cover, far)
    looked = int(pool.rows.there[cover.rows].sum())
    labels = pool.codes.copy()
    if said is not None:
        labels[pool.rows.there] = said
    cells: list[dict[str, Any]] = []
    while len(far) and len(cells) < CELLS and (sizes := close.sum(axis=1)).max() >= LEAST:
        first = int(sizes.argmax())
        held = np.flatnonzero(close[first])
        places = cover.rows[far[held]]
        alike = pool.rows.vectors[places] @ pool.rows.vectors[cover.rows[far[first]]]
        like = pool.texts.gather(places[np.argsort(-alike, kind="stable")[:LIKE]]).to_list()
        words = f"{len(held)} of {looked:,} of the target's texts are like these, and next to none here."
        needed = ceil(rows * len(held) / looked)
        cells.append({"label": _agreed(labels[places], names), "like": like, "rows": needed, "words": words})
        close[held] = False
        close[:, held] = False
    return cells


def label_cells(
    compared: list[dict[str, Any]], here: Side, names: list[str], others: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Ask for the rows that labels lack, less those that other cells ask for already; most rows first."""
    asked = {label: sum(cell["rows"] for cell in others if cell["label"] == label) for label in names}
    return [
        {
            "label": each["label"],
            "like": here.texts.filter(pl.Series(here.codes == names.index(each["label"]))).head(LIKE).to_list(),
            "rows": each["wanted"] - asked[each["label"]],
            "words": f"{100 * each['here']:.1f} % here, {100 * each['there']:.1f} % there.",
        }
        for each in sorted(compared, key=lambda each: -int(each["wanted"]))
        if each["wanted"] > asked[each["label"]]
    ]


def _neighbours(cover: Covered, far: Ints) -> NDArray[np.bool_]:
    """Say which uncovered rows are among each other's nearest; each is its own neighbour."""
    place = np.full(len(cover.rows), -1)
    place[far] = np.arange(len(far))
    nearest = place[cover.nearest[far]]
    one, other = np.nonzero(nearest >= 0)
    close = np.eye(len(far), dtype=np.bool_)
    close[one, nearest[one, other]] = True
    return close | close.T


def _agreed(codes: Ints, names: list[str]) -> str | None:
    """Name the label that most of these rows have."""
    counts = np.bincount(codes[codes >= 0], minlength=1)
    return names[int(counts.argmax())] if counts.max() > len(codes) / 2 else None
