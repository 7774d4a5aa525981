"""Groups: figures about people are shown for five or more, and so that no smaller group can be computed from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from tuneset.people.targets import said

if TYPE_CHECKING:
    from collections.abc import Mapping

LEAST = 5  # people
OTHER = "other"
UNSAID = "not said"


def folded(people: pl.DataFrame, attribute: str, least: int = LEAST) -> dict[str, str]:
    """Say under which name each group may be shown: its own, or "other" for those with fewer than `least` people.

    `people`: `contributor` and the attribute. Those who do not say are a group of their own, "not said". Where the small
    ones together are fewer than `least`, the next larger group joins them: else the whole less the groups that are shown
    would give the small one away. Nothing may be shown (no name at all) where all people together are fewer. Count,
    average or compare only what was given these names before (`shown`), targets too (`merged`).

    Sweeney 2002, for one attribute at a time. Limits: tables of two attributes, of parts of the people, or of two days
    between which one person came, can still be compared: show one table, and not each day's.

    >>> regions = ["north"] * 9 + ["south"] * 6 + ["east"] * 2
    >>> folded(pl.DataFrame({"contributor": [str(n) for n in range(17)], "region": regions}), "region")
    {'east': 'other', 'south': 'other', 'north': 'north'}
    """
    many = dict(
        people.select("contributor", group=said(people[attribute]).fill_null(UNSAID))
        .group_by("group")
        .agg(pl.col("contributor").n_unique())
        .iter_rows()
    )
    if sum(many.values()) < least:
        return {}
    names, hidden = {}, 0
    for group in sorted(many, key=lambda group: (many[group], group)):
        small = many[group] < least or group == OTHER or 0 < hidden < least
        hidden += many[group] if small else 0
        names[group] = OTHER if small else group
    return names


def shown(values: pl.Series, names: Mapping[str, str]) -> pl.Series:
    """Give each value the name under which it may be shown; null where nothing may be.

    >>> shown(pl.Series("region", ["north", None]), {"north": "north", "not said": "other"}).to_list()
    ['north', 'other']
    """
    return said(values).fill_null(UNSAID).replace_strict(dict(names), default=None, return_dtype=pl.String)


def merged(target: Mapping[str, float], names: Mapping[str, str]) -> dict[str, float]:
    """Merge a target's shares under the names that may be shown; values that nobody has go to "other".

    >>> merged({"north": 0.5, "south": 0.3, "west": 0.2}, {"north": "north", "south": "other"})
    {'north': 0.5, 'other': 0.5}
    """
    found: dict[str, float] = {}
    for value, share in target.items():
        name = names.get(value, OTHER)
        found[name] = found.get(name, 0.0) + share
    return found
