"""What is handed out of a project: numbered increments that only ever add, correct or take away, on sides that never change."""

from __future__ import annotations

import hashlib
from functools import reduce
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
import polars as pl

from tuneset.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Sequence

TRAIN, VALIDATION, LEFT_OUT = "train", "validation", "left-out"
SHARE = 0.2  # of the groups that are on the side of validation
ADD, CORRECT, TOMBSTONE = "add", "correct", "tombstone"
FIXED = ("id", "group", "side")  # what a tombstone keeps: no text, no label


class Increment(NamedTuple):
    """What has changed since the one before."""

    number: int  # from 1
    parent: str  # the hash of the one before, "" for the first
    rows: pl.DataFrame  # op, id, group, side and the content's columns, by id
    sha256: str  # of number, parent and rows


def side(group: str, salt: str, share: float = SHARE) -> str:
    """Say on which side a group that was never seen begins: by its hash, so for ever.

    >>> [side(group, "salt", 0.5) for group in ("a", "d", "e")]
    ['validation', 'validation', 'train']
    """
    drawn = int.from_bytes(blake2b(f"{salt}\0side\0{group}".encode(), digest_size=8).digest())
    return VALIDATION if drawn < round(share * (1 << 64)) else TRAIN


def increment(earlier: Sequence[Increment], current: pl.DataFrame, salt: str, share: float = SHARE) -> Increment:
    """Write down what has changed: rows that are new, corrected, or gone.

    `current` has the columns id and group, and whatever else the rows are made of (text, label …) as strings. A row
    keeps the side that it was once given, also after a correction, a withdrawal and a return, and whatever becomes of
    its group. A new row takes the side of its group's rows; where two groups have become one and lie on two sides it is
    `left-out`, since on either side it would tell what the other one asks. A tombstone has no text and no label.

    The order of `current` does not matter. Raises RunError where `earlier` is not a whole chain, or an id comes twice.

    >>> rows = pl.DataFrame({"id": ["1", "2"], "group": ["a", "b"], "text": ["hello", "bye"]})
    >>> first = increment([], rows, "salt")
    >>> second = increment([first], rows[:1].with_columns(text=pl.lit("Hello")), "salt")
    >>> second.rows.select("op", "id", "text").rows()
    [('correct', '1', 'Hello'), ('tombstone', '2', None)]
    """
    if current["id"].is_duplicated().any():
        raise RunError("an item is there twice", "the rows of an increment", "give each item one row: its consensus")
    before = replay(earlier)
    now = _placed(earlier, current, salt, share)
    content = [name for name in now.columns if name not in FIXED]
    changes = now.join(_whole(before, now, "was"), on="id", how="left").join(_whole(now, before, "is"), on="id")
    changes = changes.with_columns(
        op=pl.when(pl.col("was").is_null()).then(pl.lit(ADD)).when(pl.col("was") != pl.col("is")).then(pl.lit(CORRECT))
    )
    gone = before.join(now, on="id", how="anti").select(*FIXED, op=pl.lit(TOMBSTONE))
    rows = pl.concat([changes.drop_nulls("op").drop("was", "is"), gone], how="diagonal").select("op", *FIXED, *content)
    number, parent = len(earlier) + 1, earlier[-1].sha256 if earlier else ""
    rows = rows.sort("id")
    return Increment(number, parent, rows, _sha256(number, parent, rows))


def replay(increments: Sequence[Increment]) -> pl.DataFrame:
    """Return the rows that stand after all increments, by id: id, group, side, and the content's columns.

    Raises RunError at the first increment that is not what its hash says, or does not follow the one before.
    """
    check(increments)
    nothing = pl.DataFrame(schema=dict.fromkeys(FIXED, pl.String))
    return reduce(_applied, increments, nothing).sort("id")


def check(increments: Sequence[Increment]) -> None:
    """Raise RunError at the first increment that was changed after it was written, or is out of its place."""
    parent = ""
    for number, each in enumerate(increments, 1):
        if (each.number, each.parent) != (number, parent) or each.sha256 != _sha256(number, parent, each.rows):
            raise RunError(
                "this increment is not the one that was written",
                f"increment {each.number}, in place {number}",
                "get it again from where it was written",
            )
        parent = each.sha256


def straddling(increments: Sequence[Increment]) -> pl.DataFrame:
    """List the groups that have come to lie on both sides, because two groups became one: group, train, validation.

    Their rows stay where they are; a score on validation should leave these rows out.
    """
    counted = [pl.col("id").filter(pl.col("side") == name).sort().alias(name) for name in (TRAIN, VALIDATION)]
    both = (pl.col(TRAIN).list.len() > 0) & (pl.col(VALIDATION).list.len() > 0)
    return replay(increments).group_by("group").agg(counted).filter(both).sort("group")


def manifest(each: Increment) -> dict[str, Any]:
    """Say what an increment holds: its number, hashes, and how many rows of each op, side and (column) label.

    >>> manifest(increment([], pl.DataFrame({"id": ["1"], "group": ["a"], "label": ["x"]}), "salt"))["labels"]
    {'x': 1}
    """
    told = {"number": each.number, "parent": each.parent, "sha256": each.sha256, "rows": each.rows.height}
    counted = {f"{name}s": _counts(each.rows, name) for name in ("op", "side", "label") if name in each.rows.columns}
    return told | counted


def canonical(rows: pl.DataFrame) -> bytes:
    """Write rows as JSON lines, by id, their columns by name: the same rows are the same bytes, whatever their order.

    A column without a value in a row is not written, so that an empty new column changes no hash.
    """
    lines = rows.sort("id").iter_rows(named=True)
    told = ({name: value for name, value in line.items() if value is not None} for line in lines)
    return b"\n".join(orjson.dumps(line, option=orjson.OPT_SORT_KEYS) for line in told)


def _placed(earlier: Sequence[Increment], current: pl.DataFrame, salt: str, share: float) -> pl.DataFrame:
    """Give each row its side: its own of old, else its group's, else by the hash of the group."""
    ever = pl.concat(
        [pl.DataFrame(schema=dict.fromkeys(FIXED, pl.String)), *(each.rows.select(FIXED) for each in earlier)]
    )
    own = ever.unique("id", keep="first", maintain_order=True).select("id", own="side")
    rows = current.drop("side", strict=False).join(own, on="id", how="left")
    # A group's rows of now, and those that were in it once: what was learned from a withdrawn row is not unlearned.
    members = pl.concat([rows.select("group", side="own"), ever.select("group", "side")]).drop_nulls()
    sides = members.group_by("group").agg(of_group=_one_side(pl.col("side")))
    begun = pl.DataFrame({"group": rows["group"].unique().sort()})
    begun = begun.with_columns(
        begun["group"].map_elements(lambda group: side(group, salt, share), pl.String).alias("begins")
    )
    return (
        rows.join(sides, on="group", how="left")
        .join(begun, on="group", how="left")
        .with_columns(side=pl.coalesce("own", "of_group", "begins"))
        .drop("own", "of_group", "begins")
        .sort("id")
    )


def _one_side(sides: pl.Expr) -> pl.Expr:
    known = sides.filter(sides != LEFT_OUT).unique()
    return pl.when(known.len() == 1).then(known.first()).otherwise(pl.lit(LEFT_OUT))


def _applied(rows: pl.DataFrame, each: Increment) -> pl.DataFrame:
    kept = rows.join(each.rows, on="id", how="anti")
    return pl.concat([kept, each.rows.filter(pl.col("op") != TOMBSTONE).drop("op")], how="diagonal")


def _whole(rows: pl.DataFrame, other: pl.DataFrame, name: str) -> pl.DataFrame:
    """Bring each row to one string; a column that only the other frame has is empty here."""
    names = sorted({*rows.columns, *other.columns})
    empty = [pl.lit(None, dtype=pl.String).alias(each) for each in names if each not in rows.columns]
    return rows.with_columns(empty).select("id", pl.struct(names).struct.json_encode().alias(name))


def _counts(rows: pl.DataFrame, name: str) -> dict[str, int]:
    counted = rows.drop_nulls(name)[name].value_counts().sort(name)
    return dict(counted.iter_rows())


def _sha256(number: int, parent: str, rows: pl.DataFrame) -> str:
    return hashlib.sha256(f"{number}\n{parent}\n".encode() + canonical(rows)).hexdigest()
