"""Posts of a dump of Stack Exchange (Posts.xml): each question with its best answer becomes a conversation."""

from __future__ import annotations

import re
from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO
from xml.parsers import expat

import orjson
import polars as pl

from tuneset.errors import InputError
from tuneset.fetch.licences import duty
from tuneset.sources import table
from tuneset.sources.rendered import plain

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILE = "Posts.xml"
_STEP = 1 << 20  # bytes
_BATCH = 50_000  # rows that are Python objects at one time
_DEEPEST = 8
_BEGINS = re.compile(rb"\s*(<\?xml[^>]*>\s*)?<posts[\s/>]")
_MARK = b"\xef\xbb\xbf"
_KEPT = (
    "Id",
    "PostTypeId",
    "ParentId",
    "AcceptedAnswerId",
    "Score",
    "Title",
    "Body",
    "Tags",
    "ContentLicense",
    "LastEditDate",
    "CreationDate",
)
_NUMBERS = _KEPT[:5]
# Posts that the company has put into its dumps since 2025, one question and one answer for each site, hold nonsense; their
# numbers are far above all others: meta.stackexchange.com/questions/412018.
PLANTED = 1_000_000_000
# Each version of a text is under the licence of its day: meta.stackexchange.com/questions/347758.
_LICENCES = (("2018-05-02", "CC BY-SA 4.0"), ("2011-04-08", "CC BY-SA 3.0"), ("", "CC BY-SA 2.5"))
_SITES = re.compile(
    r"((?:[\w-]+\.)*(?:stackexchange|stackoverflow|serverfault|superuser|askubuntu|stackapps)\.com|mathoverflow\.net)"
)


def is_dump(head: bytes) -> bool:
    """Say whether the first bytes of a file are those of Posts.xml.

    >>> is_dump(b'<?xml version="1.0"?><posts>'), is_dump(b"<?xml?><users>")
    (True, False)
    """
    return _BEGINS.match(head.removeprefix(_MARK)) is not None


def site(path: Path) -> str:
    """Return the site that a dump is of, where its path says so.

    >>> import pathlib
    >>> site(pathlib.Path("dumps/cooking.stackexchange.com/Posts.xml"))
    'cooking.stackexchange.com'
    """
    found = _SITES.findall(str(path))
    return str(found[-1]) if found else ""


def read(name: str, stream: BinaryIO, whose: str = "") -> table.Table:
    """Read Posts.xml as it streams in; `whose` is the site, for the addresses of its posts.

    The answer is the one that the asker accepted, else the one with the highest score. A question without one is left out
    (`no-answer`), and what the company has planted (`unfit-post`). Where no question has an answer, each post is a text.
    Who wrote a post is left out; its address and its licence stay, by which the author can be named.

    A document type with entities, and rows beyond 32 MB, are refused; where the file is cut off or damaged, that is a
    broken row, and the rest stays unread. One Python object a row, in batches.
    """
    posts, broken = _posts(name, stream)
    asked = posts.filter(pl.col("PostTypeId") == 1)
    given = posts.filter((pl.col("PostTypeId") == 2) & (pl.col("Id") < PLANTED))
    best = _best(asked, given)
    if not best.height:
        return _texts(name, posts.filter(pl.col("PostTypeId").is_in([1, 2])), broken, whose)
    rows = asked.join(best, left_on="Id", right_on="ParentId", how="left", suffix=" of answer", maintain_order="left")
    notes = [
        f"{best.height:,} of {asked.height:,} questions have an answer; of {given.height:,} answers the best is taken"
    ]
    cells = rows.select(
        messages=_messages(rows),
        thread=pl.col("Id").cast(pl.String),
        score=pl.col("Score of answer").cast(pl.String),
        accepted=(pl.col("AcceptedAnswerId") == pl.col("Id of answer")).cast(pl.Int8).cast(pl.String),
        tags=_tags(),
        url=_address("Id of answer", whose, "a"),
        licence=_both(),
    )
    return _table(name, cells, rows, broken, notes)


def _best(asked: pl.DataFrame, given: pl.DataFrame) -> pl.DataFrame:
    """Choose an answer for each question: the accepted one, else the highest score, else the first."""
    accepted = asked.select(ParentId="Id", chosen="AcceptedAnswerId")
    ranked = given.drop("AcceptedAnswerId", "line").join(accepted, on="ParentId")
    order = [(pl.col("chosen") == pl.col("Id")).fill_null(value=False), pl.col("Score").fill_null(0), -pl.col("Id")]
    return ranked.sort(order, descending=True).unique("ParentId", keep="first").drop("chosen")


def _texts(name: str, posts: pl.DataFrame, broken: list[table.Broken], whose: str) -> table.Table:
    """Take each post as a text, with the number of its question as its thread."""
    bodies = [_said(*row) for row in posts.select("Title", "Body").iter_rows()]
    cells = posts.select(
        text=pl.Series(bodies, dtype=pl.String),
        thread=pl.coalesce("ParentId", "Id").cast(pl.String),
        score=pl.col("Score").cast(pl.String),
        tags=_tags(),
        url=_address("Id", whose, "q"),
        licence=_licence(""),
    )
    return _table(name, cells, posts, broken, ["no question has an answer here: each post is a text of its own"])


def _table(
    name: str, cells: pl.DataFrame, posts: pl.DataFrame, broken: list[table.Broken], notes: list[str]
) -> table.Table:
    planted = pl.col("Id") >= PLANTED
    silent = pl.col("Id of answer").is_null() if "Id of answer" in posts.columns else pl.lit(value=False)
    beside = posts.select(
        rule=pl.when(planted).then(pl.lit(table.UNFIT)).when(silent).then(pl.lit(table.UNANSWERED)),
        says=pl.when(planted)
        .then(pl.lit("the company has put this post into the dump; it is nonsense"))
        .when(silent)
        .then(pl.lit("nobody has answered this question")),
        key=pl.lit(None, dtype=pl.String),
        twin=pl.lit(None, dtype=pl.String),
    )
    filled = [column.name for column in cells.iter_columns() if column.null_count() < len(column)]
    return table.Table(
        name, f"Stack Exchange posts, {FILE}", cells.select(filled), posts["line"].rename("row"), table.broken(broken),
        (*notes, *_duties(cells["licence"])), beside=beside, posts=True,
    )  # fmt: skip


def _duties(licences: pl.Series) -> Iterator[str]:
    """Say under which licences the texts are, and what they ask for."""
    if licences.is_empty():
        return
    counted = Counter(licences.to_list())
    listed = ", ".join(
        f"{licence.replace(', ', ' and ')} ({count:,} row{'' if count == 1 else 's'})"
        for licence, count in sorted(counted.items())
    )
    asks = next((duty(licence) for licence in counted if duty(licence)), "")
    yield f"licence {listed}: {asks}"
    yield "a dump that was downloaded from Stack Exchange since 2024 came with terms of its own on training models: read them"


def _messages(rows: pl.DataFrame) -> pl.Series:
    turns = []
    for title, asked, answered in rows.select("Title", "Body", "Body of answer").iter_rows():
        answer = [] if answered is None else [{"role": "assistant", "content": plain(answered)}]
        turns.append(orjson.dumps([{"role": "user", "content": _said(title, asked)}, *answer]).decode())
    return pl.Series(turns, dtype=pl.String)


def _said(title: str | None, body: str) -> str:
    return "\n\n".join(part for part in ((title or "").strip(), plain(body)) if part)


def _tags() -> pl.Expr:
    """Write tags as they are in dumps since 2024 and before: `|a|b|`, `<a><b>`."""
    return pl.col("Tags").str.replace_all(r"[|<>]+", " ").str.strip_chars().str.replace_all(" ", ", ")


def _address(column: str, whose: str, kind: str) -> pl.Expr:
    known = pl.format(f"https://{whose}/{kind}/{{}}", column) if whose else pl.lit(None, dtype=pl.String)
    return pl.when(pl.col(column).is_not_null()).then(known)


def _licence(of: str) -> pl.Expr:
    """Take the licence that a row names, else that of the day of its last edit."""
    day = pl.coalesce(f"LastEditDate{of}", f"CreationDate{of}", pl.lit(""))
    by_day = pl.coalesce(*(pl.when(day >= since).then(pl.lit(name)) for since, name in _LICENCES))
    return pl.coalesce(f"ContentLicense{of}", by_day)


def _both() -> pl.Expr:
    """Name the licence of question and answer, once where it is one."""
    asked, answered = _licence(""), _licence(" of answer")
    differ = pl.col("Id of answer").is_not_null() & (asked != answered)
    return pl.when(differ).then(pl.concat_str(asked, pl.lit(", "), answered)).otherwise(asked)


def _posts(name: str, stream: BinaryIO) -> tuple[pl.DataFrame, list[table.Broken]]:
    """Bring all rows to one frame: their line, and the attributes that matter; those without a number or a text are broken."""
    rows, frames, broken = _rows(name, stream), [], list[table.Broken]()
    schema = {"line": pl.UInt32(), **dict.fromkeys(_KEPT, pl.String())}
    while batch := list(islice(rows, _BATCH)):
        broken += [each for each in batch if isinstance(each, table.Broken)]
        good = [each for each in batch if not isinstance(each, table.Broken)]
        columns = {key: [attributes.get(key) for _, attributes in good] for key in _KEPT}
        frames.append(pl.DataFrame({"line": [line for line, _ in good], **columns}, schema=schema))
    posts = pl.concat(frames) if frames else pl.DataFrame(schema=schema)
    posts = posts.with_columns(pl.col(_NUMBERS).cast(pl.Int64, strict=False))
    whole = pl.all_horizontal(pl.col("Id", "PostTypeId", "Body").is_not_null())
    bad = posts.filter(~whole)
    broken += [table.Broken(line, "a post without a number, a kind or a text", "") for line in bad["line"]]
    return posts.filter(whole).unique("Id", keep="first", maintain_order=True), broken


def _rows(name: str, stream: BinaryIO) -> Iterator[tuple[int, dict[str, Any]] | table.Broken]:
    """Parse XML piece by piece; what is not there in 32 MB is no row, and entities are not opened."""
    found: list[tuple[int, dict[str, Any]] | table.Broken] = []
    parser = expat.ParserCreate()
    depth = fed = last = 0

    def start(tag: str, attributes: dict[str, Any]) -> None:
        nonlocal depth, last
        depth, last = depth + 1, parser.CurrentByteIndex
        if depth > _DEEPEST:
            raise InputError(
                "this XML is nested without end", f"{name}:{parser.CurrentLineNumber}", "take another copy"
            )
        if depth == 2 and tag == "row":
            found.append((parser.CurrentLineNumber, attributes))

    def end(_tag: str) -> None:
        nonlocal depth, last
        depth, last = depth - 1, parser.CurrentByteIndex

    def refuse(*_: Any) -> None:
        raise InputError(
            "this XML declares a document type, as no dump of Stack Exchange does", name, "take another copy"
        )

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = refuse
    try:
        while piece := stream.read(_STEP):
            parser.Parse(piece, False)
            yield from found
            found.clear()
            fed += len(piece)
            if fed - last > table.LONGEST:
                why = table.too_long(fed - last).replace("on one line", "without the end of a row")
                yield table.Broken(parser.CurrentLineNumber, f"{why}: what follows is not read", "")
                return
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        yield from found
        yield table.Broken(error.lineno, f"the file is cut off or damaged here ({expat.ErrorString(error.code)})", "")
