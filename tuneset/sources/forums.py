"""Posts that people take with them from a forum, Reddit's data request and Discourse's archive: texts, each of a thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from tuneset.errors import RecipeError
from tuneset.sources import table
from tuneset.sources.traces import NOT_GOOD, Good

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

_GONE = ("[deleted]", "[removed]", "[deleted by user]", "[removed by reddit]", "[ removed by reddit ]")
# How Discourse says in its site's own language that a post is public; anything else is taken for private.
_PUBLIC = (
    "",
    "no",
    "false",
    "0",
    "nein",
    "non",
    "nee",
    "não",
    "nao",
    "nej",
    "nei",
    "ei",
    "nie",
    "нет",
    "ні",
    "否",
    "いいえ",
    "아니오",
)
_ADDRESSES = ("ip",)
_SCORES = ("score", "accepted")


class Kind(NamedTuple):
    """A kind of export: its name, the columns that tell it, and how its rows are read."""

    name: str
    columns: frozenset[str]
    read: Callable[[table.Table], table.Table]


def _reddit(read: table.Table) -> table.Table:
    """Read one's own posts or comments of a data request; the addresses from which they were written are left out.

    Columns (2026): id, permalink, date, ip, subreddit, gildings, and title, url, body, or link, parent, body, media.
    """
    cells = read.cells
    titled = [pl.col("title")] if "title" in cells.columns else []
    body = pl.when(_is_gone()).then(None).otherwise(pl.col("body"))
    texts = cells.select(
        text=_joined(*titled, body),
        thread=pl.col("permalink").str.extract(r"/comments/([A-Za-z0-9]+)"),
        subreddit="subreddit",
        url=pl.when(pl.col("permalink").str.starts_with("/"))
        .then(pl.format("https://www.reddit.com{}", "permalink"))
        .otherwise("permalink"),
        date=pl.col("date") if "date" in cells.columns else None,
    )
    why = pl.when(_is_gone()).then(pl.lit("it was deleted or removed"))
    return _posts(read, "Reddit posts", texts, cells.select(why.alias("why"))["why"])


def _discourse(read: table.Table) -> table.Table:
    """Read the archive that a member of a Discourse forum downloads; private messages are left out.

    Columns: topic_title, categories (or category and sub_category), is_pm, post (post_raw since 2023), url and others.
    """
    cells = read.cells
    said = "post_raw" if "post_raw" in cells.columns else "post"
    topics = [name for name in ("categories", "category", "category_name") if name in cells.columns]
    texts = cells.select(
        text=pl.col(said),
        thread=pl.coalesce(pl.col("url").str.extract(r"^(.*/t/[^/]+/\d+)"), "topic_title"),
        title="topic_title",
        category=pl.col(topics[0]) if topics else None,
        url="url",
        date=pl.col("created_at") if "created_at" in cells.columns else None,
    )
    private = ~pl.col("is_pm").fill_null("").str.strip_chars().str.to_lowercase().is_in(_PUBLIC)
    why = pl.when(private).then(pl.lit("it is a private message"))
    return _posts(read, "Discourse posts", texts, cells.select(why.alias("why"))["why"])


KINDS = (
    Kind("Reddit posts", frozenset({"id", "permalink", "subreddit", "gildings", "title", "body"}), _reddit),
    Kind("Reddit comments", frozenset({"id", "permalink", "subreddit", "gildings", "link", "parent", "body"}), _reddit),
    Kind("Discourse posts", frozenset({"topic_title", "is_pm", "post", "url"}), _discourse),
    Kind("Discourse posts", frozenset({"topic_title", "is_pm", "post_raw", "url"}), _discourse),
)


def kind_of(names: Collection[str]) -> Kind | None:
    """Tell an export by the names of its columns; None for anything else.

    >>> kind_of(["topic_title", "is_pm", "post", "url"]).name
    'Discourse posts'
    """
    return next((kind for kind in KINDS if kind.columns <= set(names)), None)


def begins(head: bytes) -> bool:
    r"""Say whether the first line of a file names the columns of an export.

    >>> begins(b"topic_title,is_pm,post,url\n"), begins(b"id,body\n")
    (True, False)
    """
    line = head.decode("utf-8-sig", "replace").partition("\n")[0]
    return kind_of([name.strip().strip('"') for name in line.split(",")]) is not None


def without_addresses(read: table.Table, named: Collection[str]) -> table.Table:
    """Leave out the addresses from which posts were written, unless the user names them: they are no text and no label."""
    return read._replace(cells=read.cells.drop([name for name in _ADDRESSES if name not in named], strict=False))


def only(read: table.Table, which: Good) -> table.Table:
    """Leave out answers that the recipe does not call good, by their score or by whether they were accepted (`not-good`)."""
    names = [name for name in _SCORES if read.posts and name in read.cells.columns]
    if not names:
        what, hint = "its rows have no scores", "remove good; it is for logs of a model's calls, and answers of a forum"
        raise RecipeError(what, f"{read.name}, good", hint)
    if which.score not in names:
        raise which.missing(names, read.name)
    scores: list[dict[str, float | str]] = [
        {name: float(value) for name, value in row.items() if value is not None}
        for row in read.cells.select(names).iter_rows(named=True)
    ]
    which.check(scores, read.name)
    says = pl.Series([None if which.holds(each) else which.failed(each) for each in scores], dtype=pl.String)
    beside = read.beside if read.beside is not None else pl.DataFrame(schema=table.BESIDE).clear(read.cells.height)
    free = pl.col("rule").is_null() & says.is_not_null()
    told = beside.with_columns(
        rule=pl.when(free).then(pl.lit(NOT_GOOD)).otherwise("rule"), says=pl.when(free).then(says).otherwise("says")
    )
    return read._replace(beside=told)


def _posts(read: table.Table, name: str, texts: pl.DataFrame, why: pl.Series) -> table.Table:
    filled = [
        column.name
        for column in texts.iter_columns()
        if column.null_count() < len(column) or column.name in ("text", "thread")
    ]
    nothing = pl.lit(None, dtype=pl.String)
    beside = why.to_frame("says").select(
        rule=pl.when(pl.col("says").is_not_null()).then(pl.lit(table.UNFIT)), says="says", key=nothing, twin=nothing
    )
    return read._replace(
        form=f"{name}, {read.form}", cells=texts.select(filled), typed=pl.DataFrame(), beside=beside, posts=True
    )


def _is_gone() -> pl.Expr:
    return pl.col("body").fill_null("").str.strip_chars().str.to_lowercase().is_in(_GONE)


def _joined(*parts: pl.Expr) -> pl.Expr:
    """Join what is there by a blank line."""
    filled = [pl.when(part.str.strip_chars() != "").then(part.str.strip_chars()) for part in parts]
    return pl.concat_str(filled, separator="\n\n", ignore_nulls=True)
