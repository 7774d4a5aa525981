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
    from collections.abc import Iterator, Mapping, Sequence

TRAIN, VALIDATION, LEFT_OUT = "train", "validation", "left-out"
SHARE = 0.2  # of the groups that are on the side of validation
ADD, CORRECT, TOMBSTONE = "add", "correct", "tombstone"
FIXED = ("id", "group", "side")  # what a tombstone keeps: no text, no label
FORGOTTEN = "forgotten"  # the column that stands in the place of content which was taken back: its hash
_NOTHING = ("op", *FIXED, FORGOTTEN)


class Increment(NamedTuple):
    """What has changed since the one before."""

    number: int  # from 1
    parent: str  # the hash of the one before, "" for the first
    rows: pl.DataFrame  # op, id, group, side and the content's columns, by id
    sha256: str  # of number, parent and the rows' hashes


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
    before = _standing(earlier)
    now = _placed(earlier, current, salt, share)
    content = [name for name in now.columns if name not in FIXED]
    changes = now.join(_whole(before, now, "was"), on="id", how="left").join(_whole(now, before, "is"), on="id")
    changes = changes.with_columns(
        op=pl.when(pl.col("was").is_null()).then(pl.lit(ADD)).when(pl.col("was") != pl.col("is")).then(pl.lit(CORRECT))
    )
    changes = changes.drop_nulls("op").drop("was", "is")
    gone = before.join(now, on="id", how="anti").select(*FIXED, op=pl.lit(TOMBSTONE))
    rows = pl.concat([changes, gone], how="diagonal").select("op", *FIXED, *content)
    number, parent = len(earlier) + 1, earlier[-1].sha256 if earlier else ""
    rows = rows.sort("id")
    return Increment(number, parent, rows, _sha256(number, parent, rows))


def replay(increments: Sequence[Increment]) -> pl.DataFrame:
    """Return the rows that stand after all increments, by id: id, group, side, and the content's columns.

    Rows whose content was forgotten since are left out. Raises RunError at the first increment that is not what its hash
    says, or does not follow the one before.
    """
    standing = _standing(increments)
    return standing.filter(pl.col(FORGOTTEN).is_null()).drop(FORGOTTEN)


def _standing(increments: Sequence[Increment]) -> pl.DataFrame:
    """Replay with the rows that are forgotten: they are known, and so can be corrected or taken away."""
    check(increments)
    nothing = pl.DataFrame(schema=dict.fromkeys((*FIXED, FORGOTTEN), pl.String))
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

    A column without a value in a row is not written, so that an empty new column changes no hash; messages are JSON, and
    are written as what they are.
    """
    return b"\n".join(_line(row) for row in _told(rows))


def content_hash(row: Mapping[str, Any]) -> str:
    """Hash what a row says beside its op, id, group and side; where it was forgotten its hash is all that is left.

    A row should say a word that nobody can guess (`salt`): else a short text can be found again from its hash.
    """
    said = {name: value for name, value in row.items() if name not in _NOTHING}
    return str(row[FORGOTTEN]) if row.get(FORGOTTEN) else hashlib.sha256(_line(said)).hexdigest()


def _told(rows: pl.DataFrame) -> Iterator[dict[str, Any]]:
    for row in rows.sort("id").iter_rows(named=True):
        said = {name: value for name, value in row.items() if value is not None}
        yield said | ({"messages": orjson.loads(said["messages"])} if "messages" in said else {})


def _line(row: Mapping[str, Any]) -> bytes:
    return orjson.dumps(row, option=orjson.OPT_SORT_KEYS)


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
    return pl.concat([kept, each.rows.filter(pl.col("op") != TOMBSTONE).drop("op")], how="diagonal_relaxed")


def _whole(rows: pl.DataFrame, other: pl.DataFrame, name: str) -> pl.DataFrame:
    """Bring each row to one string; a column that only the other frame has is empty here."""
    names = sorted({*rows.columns, *other.columns})
    empty = [pl.lit(None, dtype=pl.String).alias(each) for each in names if each not in rows.columns]
    return rows.with_columns(empty).select("id", pl.struct(names).struct.json_encode().alias(name))


def _counts(rows: pl.DataFrame, name: str) -> dict[str, int]:
    counted = rows.drop_nulls(name)[name].value_counts().sort(name)
    return dict(counted.iter_rows())


def _sha256(number: int, parent: str, rows: pl.DataFrame) -> str:
    """Hash an increment by its rows' hashes, so that it holds when what one of them said is forgotten."""
    hashed = hashlib.sha256(f"{number}\n{parent}\n".encode())
    for row in _told(rows):
        if FORGOTTEN in row and set(row) - set(_NOTHING):
            return ""  # a row that says something is not forgotten: this is no increment of ours
        kept = {name: row[name] for name in ("op", *FIXED)} | {"content": content_hash(row)}
        hashed.update(_line(kept) + b"\n")
    return hashed.hexdigest()
