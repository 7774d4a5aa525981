"""Databases that SQLAlchemy speaks to (MySQL, MariaDB, Oracle, SQL Server and others): what each needs so that nothing is written."""

from __future__ import annotations

import contextlib
import decimal
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from tuneset.errors import RecipeError, RunError, need, unknown

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

EXTRA = "sql"
BATCH = 10_000  # rows at a time
_MYSQL = "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"
# What a driver is told beside user, host and database could take the guards away again.
_PLAIN = r"charset|unix_socket|service_name|(connect|read)_timeout|ssl_\w+"
_OTHER = r"(?!(plugin|autocommit|isolation_level)$).*"
# Where no transaction can be made read-only these words may stand nowhere, not even in quotes: SQL Server takes several
# statements without a sign between them, and to know what is in quotes there one must read as it reads.
_WRITING = (
    r";|\b(alter|backup|bulk|commit|create|dbcc|delete|deny|drop|exec|execute|grant|insert|into|kill|merge|nextval|"
    r"opendatasource|openquery|openrowset|reconfigure|rename|restore|revoke|rollback|setval|shutdown|trigger|truncate|update|"
    r"updatetext|waitfor|writetext|(xp|sp|dbms|utl|pg|lo|dblink)_\w+)\b|\bnext\s+value\b"
)
_FILES = r"/\*M?!|\b(outfile|dumpfile)\b"  # an executable comment hides anything; a file is no table of a transaction


class Way(NamedTuple):
    """How a database is asked, and what it is not asked."""

    driver: str  # SQLAlchemy's name of it
    begins: str = ""  # a transaction that cannot write; "" where the database knows none
    never: str = _WRITING  # in a query
    takes: str = _OTHER  # settings behind the question mark


WAYS = {
    "mysql": Way("mysql+pymysql", _MYSQL, _FILES, _PLAIN),
    "mariadb": Way("mariadb+pymysql", _MYSQL, rf"{_FILES}|\b(nextval|setval|next\s+value)\b", _PLAIN),
    # a function that is written into a query may begin a transaction of its own
    "oracle": Way("oracle+oracledb", "SET TRANSACTION READ ONLY", r"\b(function|procedure|pragma|nextval)\b", _PLAIN),
    "mssql": Way("mssql+pymssql"),
}


def known(scheme: str, where: str) -> str:
    """Return the name of a database that can be asked; one that SQLAlchemy does not know is an error with the nearest name."""
    if scheme in WAYS:
        return scheme
    package = need("sqlalchemy", EXTRA)
    try:
        package.make_url(f"{scheme}://").get_dialect()
    except package.exc.ArgumentError as error:
        listing = (
            f"there are: {', '.join(sorted({'postgresql', 'sqlite', *WAYS}))}, and what SQLAlchemy has a dialect for"
        )
        raise unknown("kind of database", scheme, ("postgresql", "sqlite", *WAYS), where, listing) from error
    except ImportError:
        pass  # the dialect is there, its driver is asked for later
    return scheme


def check(kind: str, query: str, settings: Collection[str], where: str) -> None:
    """Refuse what the database would not: words that write where no transaction keeps them from it, and settings that could."""
    way = WAYS.get(kind, Way(kind))
    if odd := sorted(name for name in settings if not re.fullmatch(way.takes, name, re.IGNORECASE)):
        hint = "take it out; what is taken is charset, connect_timeout, unix_socket and what begins with ssl_"
        raise RecipeError(f"this address has a setting that is not passed on: {odd[0]}", where, hint)
    if found := re.search(way.never, query.strip().rstrip(";"), re.IGNORECASE):
        hint = "make a view there of what is wanted, and select from it"
        if way.begins:
            raise RecipeError(f"this query does not only read: it has {found[0]!r}", where, hint)
        what = f"this database has no transaction that cannot write, so {found[0]!r} may not stand in a query, not even in quotes"
        raise RecipeError(what, where, hint)


@contextlib.contextmanager
def asked(kind: str, url: str, query: str, where: str = "sql:") -> Iterator[Any]:
    """Run a query in a transaction that is rolled back, and give its result as the driver streams it."""
    package, way = need("sqlalchemy", EXTRA), WAYS.get(kind, Way(kind))
    address = package.make_url(url)
    if way.begins or "+" not in address.drivername:
        address = address.set(drivername=way.driver)
    engine = _engine(package, address, where)
    with engine.connect() as connection:
        if way.begins:
            connection.exec_driver_sql(way.begins)
        # without parameters a percent sign in a query is a percent sign
        options = {"stream_results": True, "no_parameters": True, "max_row_buffer": BATCH}
        rows = connection.execution_options(**options).exec_driver_sql(query)
        try:
            yield rows
        finally:
            _leave(rows)
            connection.invalidate()  # closed without a commit, which rolls back


def _leave(rows: Any) -> None:
    """Keep PyMySQL from reading all that is left of a result when it is broken off: a million rows take half a minute."""
    if getattr(rows.cursor, "_result", None) is not None:
        rows.cursor._result.unbuffered_active = False  # noqa: SLF001  there is no other way


def _engine(package: Any, address: Any, where: str) -> Any:
    more = {"conv": _as_written()} if address.drivername.endswith("+pymysql") else {}
    try:
        return package.create_engine(address, poolclass=package.pool.NullPool, connect_args=more)
    except ImportError as error:
        name = error.name or address.get_driver_name()
        hint = f"pip install {name.replace('_', '-')}"
        raise RunError(f"{address.get_backend_name()} needs the driver {name}", where, hint) from error


def _as_written() -> Mapping[Any, Any]:
    """Let MySQL's values come as the server writes them: dates such as 0000-00-00 and decimals have no loss in text."""
    own = need("pymysql.converters", EXTRA).conversions
    return {kind: convert for kind, convert in own.items() if not isinstance(kind, int)}


def text(value: object) -> str | None:
    """Write one value as text; bytes that are no text get marks.

    >>> text(decimal.Decimal("1E+2")), text("café".encode()), text(None)
    ('100', 'café', None)
    """
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    if isinstance(value, decimal.Decimal):
        return format(value, "f")
    return value if value is None or isinstance(value, str) else str(value)


def wrong() -> tuple[type[BaseException], ...]:
    """Return what SQLAlchemy raises, whichever driver it is that fails."""
    return (need("sqlalchemy.exc", EXTRA).SQLAlchemyError,)


def said(error: BaseException) -> str:
    """Return a driver's own words, without SQLAlchemy's around them.

    >>> said(ValueError('(pymysql.err.OperationalError) (1054, "Unknown column") [SQL: select] (Background on this error at: x)'))
    'Unknown column'
    """
    words = str(getattr(error, "orig", None) or error)
    words = re.sub(r"\[SQL:.*|\(Background on this error.*", "", words, flags=re.DOTALL)
    words = re.sub(r"\([a-z_.]+\.\w+\) ", "", words)
    numbered = re.search(r"\((\d+), b?(['\"])(.*)\2\)", words, re.DOTALL)
    return numbered[3] if numbered else words.strip()
