"""Rows of a database by one query, streamed to a Parquet file, and nothing can be written there."""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

import polars as pl

from tuneset.errors import RecipeError, RunError, need
from tuneset.fetch import databases
from tuneset.fetch.fetched import About, Ahead, Event, Fetched, finished, shown
from tuneset.fetch.storage import filled
from tuneset.publish.http import hidden

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tuneset.fetch.fetched import Watch

EXTRA = "sql"
NAMES = {"postgresql": "postgresql", "postgres": "postgresql", "redshift": "postgresql", "sqlite": "sqlite"}
BYTES = 4 << 20  # of PostgreSQL at a time: 223 MB of memory for 1,000,000 rows, and 245 with the driver's own 16 MB
ROWS = 65_536  # of a row group
_SECRET = re.compile(r"(?i)pass|pwd|secret|token|credential|private_?key|api_?key|access_?key")
_READS = re.compile(
    r"\s*(?:--[^\n]*\n\s*|/\*.*?\*/\s*)*\(*\s*(?:select|with|values|table)\b", re.IGNORECASE | re.DOTALL
)


class Asked(NamedTuple):
    """A database as one user names it: `url` has the secrets of the environment in it, `address` has none."""

    address: str
    kind: str
    url: str
    secrets: tuple[str, ...]


def parse(address: str) -> Asked:
    """Read `sql:postgresql://USER@HOST/DATABASE`, `sql:sqlite:///FILE`, `sql:mysql://…`; `${NAME}` comes from the environment.

    A file of SQLite is one below the current folder; that of an absolute path has four slashes (`sql:sqlite:////data/shop.db`).

    A password stands in the environment only: as `${NAME}` in the address, for PostgreSQL as PGPASSWORD, too.

    >>> parse("sql:postgresql://ann:geheim@localhost/shop")
    Traceback (most recent call last):
    tuneset.errors.RecipeError: a password stands in this address
      at   sql:postgresql://ann@localhost/shop
      try  set PGPASSWORD instead, or write ${NAME} in its place
    """
    url, where = address.removeprefix("sql:"), shown(address)
    scheme = url.partition(":")[0].partition("+")[0].lower()
    if _shows_secret(url):
        own = "set PGPASSWORD instead, or write" if NAMES.get(scheme) == "postgresql" else "write"
        raise RecipeError("a password stands in this address", where, f"{own} ${{NAME}} in its place")
    kind = NAMES.get(scheme) or databases.known(scheme, where)
    named = [os.environ.get(name, "") for name in re.findall(r"\$\{(\w+)\}", url)]
    secrets = tuple(each for each in (*named, os.environ.get("PGPASSWORD", "")) if each)
    return Asked(where, kind, filled(url), (*secrets, *(quote(each, safe="") for each in secrets)))


def _shows_secret(url: str) -> bool:
    """Say whether a password, or a key, stands in an address as it is."""
    parts = urlsplit(url)
    queried = [value for name, value in parse_qsl(parts.query) if _SECRET.search(name)]
    inner = [
        found[1] for _, value in parse_qsl(parts.query) for found in re.finditer(r"(?i)(?:pwd|password)=([^;]*)", value)
    ]
    given = [parts.password or "", *queried, *inner]
    return any(each and not re.fullmatch(r"\$\{\w+\}", each) for each in given)


def ahead(asked: Asked, _: Path) -> Ahead:
    """Say that one query would be run: how many rows it gives is not known before.

    Errors: RunError where the file of an SQLite database is not there.
    """
    if asked.kind == "sqlite":
        _file(asked)
    return Ahead(asked.address, says=("one query is run, in a transaction that only reads",))


def fetch(asked: Asked, folder: Path, watch: Watch, query: str) -> Fetched:
    """Run one query in a transaction that can only read, and write its rows to `rows.parquet` in constant memory.

    PostgreSQL: ADBC's driver, which streams (COPY), in a transaction BEGIN … READ ONLY that is rolled back. SQLite: Python's
    own, the file opened read-only, with an authorizer that allows reading alone. All others: SQLAlchemy with a cursor on
    the server's side; MySQL, MariaDB and Oracle in a read-only transaction, and where there is none (SQL Server) a query
    with a word that could write is refused; rolled back always. But for PostgreSQL every value comes as text. The query
    must begin with SELECT, WITH, VALUES or TABLE. What a function of the database does is not in our hands: an account that
    may only read is the surer way. Without ORDER BY the order of rows is the database's.

    Errors: RecipeError where there is no query; RunError with the database's own words.
    """
    if not query.strip():
        raise RecipeError(
            "a database needs a query", asked.address, 'query = "select text, label from inquiries order by id"'
        )
    if not _READS.match(query):
        raise RecipeError(
            "this query does not only read", asked.address, "it must begin with SELECT, WITH, VALUES or TABLE"
        )
    if asked.kind not in OWN:
        settings = dict(parse_qsl(urlsplit(asked.url).query))
        databases.check(asked.kind, query, settings, asked.address)
    final = folder / "rows.parquet"
    if not final.exists():
        watch(Event(final.name, "start"))
        with _said(asked), finished(final) as passing:
            OWN.get(asked.kind, _other)(asked, query.strip().rstrip(";"), passing)
    rows = int(pl.scan_parquet(final).select(pl.len()).collect().item())
    watch(Event(final.name, "done", rows, rows))
    return Fetched((final,), About(asked.address, says=(f"{rows:,} rows of a query",)))


def _postgresql(asked: Asked, query: str, path: Path) -> None:
    driver = need("adbc_driver_postgresql.dbapi", EXTRA)
    with driver.connect(_read_only(asked.url), autocommit=True) as connection:
        _run(connection, "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        with connection.cursor() as cursor:
            plainly = _in_plain_types(connection, query)
            cursor.adbc_statement.set_options(**{"adbc.postgresql.batch_size_hint_bytes": str(BYTES)})
            cursor.execute(plainly)
            rows = pl.scan_arrow_c_stream(cursor.fetch_arrow())
            _sink(_stored(rows), path)
        _run(connection, "ROLLBACK")


def _run(connection: Any, words: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(words)


def _read_only(url: str) -> str:
    """Ask the server, too, to let this connection read only, and to write times in one way."""
    parts = urlsplit(url)
    asked = dict(parse_qsl(parts.query))
    settings = "-c default_transaction_read_only=on -c timezone=UTC -c datestyle=ISO"
    asked["options"] = f"{asked.get('options', '')} {settings}".strip()
    asked.setdefault("application_name", "tuneset")
    asked.setdefault("connect_timeout", "15")
    return parts._replace(scheme="postgresql", query=urlencode(asked, quote_via=quote)).geturl()


def _in_plain_types(connection: Any, query: str) -> str:
    """Let PostgreSQL write as text what a table's reader has no type for: UUIDs, times, ranges, addresses."""
    with connection.cursor() as cursor, _intervals():
        cursor.execute(f"SELECT * FROM (\n{query}\n) AS asked LIMIT 0")  # noqa: S608  the user's own query
        schema = pl.scan_arrow_c_stream(cursor.fetch_arrow()).collect_schema()
    if all(map(_is_plain, schema.values())):
        return query
    quoted = {name: '"' + name.replace('"', '""') + '"' for name in schema}
    columns = [own if _is_plain(schema[name]) else f"{own}::text AS {own}" for name, own in quoted.items()]
    return f"SELECT {', '.join(columns)} FROM (\n{query}\n) AS asked"  # noqa: S608  the same


@contextlib.contextmanager
def _intervals() -> Iterator[None]:
    """Let Polars see that a column is an interval; it has no such type, and panics unless it is asked to go on."""
    name = "POLARS_IMPORT_INTERVAL_AS_STRUCT"
    before = os.environ.get(name)
    os.environ[name] = "1"
    pl.Config.reload_env_vars()
    try:
        yield
    finally:
        os.environ.pop(name)
        if before is not None:
            os.environ[name] = before
        pl.Config.reload_env_vars()


def _is_plain(kind: pl.DataType) -> bool:
    inner = kind.inner if isinstance(kind, pl.List) else kind
    inner = inner.ext_storage() if isinstance(inner, pl.BaseExtension) else inner
    return inner.is_numeric() or inner in (pl.String, pl.Boolean, pl.Null)


def _stored(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Take numbers of any length, and JSON, as the text that they came as."""
    special = [name for name, kind in rows.collect_schema().items() if isinstance(kind, pl.BaseExtension)]
    return rows.with_columns(pl.col(name).ext.storage() for name in special) if special else rows


def _sqlite(asked: Asked, query: str, path: Path) -> None:
    with contextlib.closing(
        sqlite3.connect(f"{_file(asked).as_uri()}?mode=ro", uri=True, check_same_thread=False)
    ) as connection:
        connection.set_authorizer(_only_reading)
        cursor = connection.execute(query)
        names = _distinct([each[0] for each in cursor.description])
        _sink(_batches(cursor, names), path)


def _file(asked: Asked) -> Path:
    """Find the file of an SQLite database: below the current folder behind three slashes, at the root behind four."""
    named = re.sub(r"^sqlite(?:\+\w+)?:(?:///?)?", "", asked.url, flags=re.IGNORECASE).partition("?")[0]
    path = Path(unquote(named)).absolute()
    if not path.is_file():
        what = f"{'this is no file' if path.exists() else 'there is no such file'}: {path}"
        hint = "three slashes begin in the current folder, as in sql:sqlite:///shop.db; four begin at the root"
        raise RunError(what, asked.address, hint)
    return path


def _other(asked: Asked, query: str, path: Path) -> None:
    with databases.asked(asked.kind, asked.url, query, asked.address) as rows:
        _sink(_batches(rows, _distinct(list(rows.keys()))), path)


OWN: Mapping[str, Callable[[Asked, str, Path], None]] = {"postgresql": _postgresql, "sqlite": _sqlite}


def _only_reading(action: int, *_: Any) -> int:
    reading = (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE)
    return sqlite3.SQLITE_OK if action in reading else sqlite3.SQLITE_DENY


def _distinct(names: list[str]) -> list[str]:
    """Give each column a name of its own, as `select a.id, b.id` has two.

    >>> _distinct(["id", "text", "id"])
    ['id', 'text', 'id_2']
    """
    return [
        name if name not in names[:at] else f"{name}_{names[: at + 1].count(name)}" for at, name in enumerate(names)
    ]


def _batches(cursor: Any, names: list[str]) -> pl.LazyFrame:
    """Stream rows as text: in SQLite a column's type is a wish, and a number may stand beside words."""
    schema = dict.fromkeys(names, pl.String())

    def frames(
        columns: list[str] | None, predicate: pl.Expr | None, rows: int | None, size: int | None
    ) -> Iterator[pl.DataFrame]:
        del rows, size
        while batch := cursor.fetchmany(databases.BATCH):
            texts = [[databases.text(value) for value in column] for column in zip(*batch, strict=True)]
            frame = pl.DataFrame(dict(zip(names, texts, strict=True)), schema=schema)
            frame = frame.filter(predicate) if predicate is not None else frame
            yield frame.select(columns) if columns is not None else frame

    from polars.io.plugins import register_io_source  # noqa: PLC0415

    return register_io_source(frames, schema=schema, is_pure=True)


def _sink(rows: pl.LazyFrame, path: Path) -> None:
    rows.sink_parquet(
        path, compression="zstd", compression_level=1, row_group_size=ROWS, statistics=False, maintain_order=True
    )


@contextlib.contextmanager
def _said(asked: Asked) -> Iterator[None]:
    """Turn what a driver says into three lines, without its secrets."""
    wrong: tuple[type[BaseException], ...] = (sqlite3.Error, pl.exceptions.PolarsError)
    if asked.kind == "postgresql":
        wrong += (need("adbc_driver_manager", EXTRA).Error,)
    elif asked.kind not in OWN:
        wrong += databases.wrong()
    try:
        yield
    except wrong as error:
        said = re.sub(
            r"Query was:.*|\[libpq\] |[A-Z_]+: (?=\[libpq\])|(^|\s)\w+Error: ",
            " ",
            databases.said(error),
            flags=re.DOTALL,
        )
        said = " ".join(hidden(said, asked.secrets).split())[:300]
        raise RunError(f"the database refused: {said}", asked.address, _hint(said)) from None


def _hint(said: str) -> str:
    ways: Mapping[str, str] = {
        "read.?only|not authorized": "a query may only read here",
        "password|authentication|access denied": "write ${NAME} behind the user's name, or set PGPASSWORD for PostgreSQL",
        "could not translate|connection|connect|unable to open": "check the host, the file, and that the database runs",
        "does(n't| not) exist|no such|unknown": "check the names in the query",
        "syntax": "try the query in the database's own shell",
    }
    return next(
        (way for words, way in ways.items() if re.search(words, said, re.IGNORECASE)), "see what the database says"
    )
