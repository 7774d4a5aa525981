"""The database of a project of people: opened by path or address, written whole or not at all, and logged in a chain."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import random
import secrets
import ssl
import threading
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import orjson
import sqlalchemy as sa

from tuneset.errors import RecipeError, RunError, TunesetError, need
from tuneset.people import tables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

FORM = 1  # of the tables; a database of another form is refused
TRIES = 12  # of a transaction that the database asks to repeat; 8 processes on PostgreSQL needed 2 at the most
BUSY = 30_000  # milliseconds that SQLite waits for its turn to write
START = "0" * 64  # what the first event follows
SCHEMA = "tuneset"  # ours in PostgreSQL, so that a database of other tables may be shared
_REPEAT = {"40001", "40P01", "55P03", "23505"}  # serialization, deadlock, lock; unique: two came at one time
_GIVEN_UP = {
    "08",
    "25",
    "53",
    "57",
    "58",
}  # PostgreSQL's classes: connection, read-only, disk or memory, stopped, system
_TLS: dict[str, Any] = {"disable": False, "prefer": None, "require": True}

Result = TypeVar("Result")

_LOCK = sa.select(sa.func.pg_advisory_xact_lock(sa.bindparam("key", type_=sa.BigInteger)))
_SOON = sa.text("set local synchronous_commit = off")
_LAST = (
    sa.select(tables.event.c.seq, tables.event.c.hash)
    .where(tables.event.c.project_id == sa.bindparam("project"))
    .order_by(tables.event.c.seq.desc())
    .limit(1)
)


@functools.cache
def _insert(table: sa.Table) -> sa.Insert:
    return table.insert()


class MissingError(TunesetError):
    """A project has no such item, lease, person or version: it may be another project's, which is not said."""


class RefusedError(TunesetError):
    """The request is understood and cannot be done now."""


def missing(kind: str, name: str) -> MissingError:
    """Say that there is no such thing here, the same whether it is nowhere or in another project."""
    return MissingError(f"there is no such {kind}", name, "go back to the project's page and begin from there")


def to_text(value: Any) -> str:
    """Write JSON the same way in both databases; what is no JSON is refused."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    except orjson.JSONEncodeError as error:
        raise RefusedError(f"this cannot be written as JSON: {error}", "what was sent", "send plain text") from error


def words(text: str, most: int = 10_000) -> str:
    r"""Take what a person typed: no NUL (PostgreSQL keeps none), no half of a character, and not without end.

    >>> words("a\x00b")
    'a�b'
    """
    if len(text) > most:
        raise RefusedError(f"this is longer than {most:,} characters", text[:60], "shorten it")
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()


def digest(token: str) -> str:
    """Hash a token (SHA-256): what is stored opens nothing."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


@dataclass(frozen=True)
class Transaction:
    """What one transaction reads and writes; `at` is its one time (milliseconds since 1970)."""

    connection: sa.Connection
    at: int

    def run(self, statement: sa.Executable, **values: Any) -> sa.CursorResult[Any]:
        """Run a statement; `values` fill its parameters.

        What is asked for each item is a statement made once, with parameters: 0.05 ms, and 0.2 ms where it is made anew.
        """
        return self.connection.execute(statement, values)

    def each(self, statement: sa.Executable, rows: Sequence[Mapping[str, Any]]) -> None:
        """Run a statement once for each row of values."""
        self.connection.execute(statement, rows)

    def add(self, table: sa.Table, *rows: Mapping[str, Any]) -> None:
        """Add rows to a table."""
        self.connection.execute(_insert(table), rows)

    def one(self, statement: sa.Executable, **values: Any) -> sa.Row[Any] | None:
        """Return the first row, or None."""
        return self.connection.execute(statement, values).first()

    def all(self, statement: sa.Executable, **values: Any) -> list[sa.Row[Any]]:
        """Return all rows."""
        return list(self.connection.execute(statement, values).all())

    def new_id(self) -> str:
        """Give an id that sorts by time: a UUID of version 7 (RFC 9562), which Python 3.11 does not make."""
        number = (self.at & (1 << 48) - 1) << 80 | secrets.randbits(80)
        number = number & ~(0xF << 76 | 0x3 << 62) | 0x7 << 76 | 0x2 << 62
        return str(uuid.UUID(int=number))

    def lock_log(self, project: str) -> None:
        """Let nobody else write to a project's log until the commit: an event hashes the one before it.

        SQLite has one writer anyway. PostgreSQL locks in one order everywhere, so that none waits for one who waits for
        it: the person, the item, the log, and then the counters of items.
        """
        if self.connection.dialect.name == "postgresql":
            key = int.from_bytes(hashlib.sha256(project.encode()).digest()[:8], signed=True)
            self.run(_LOCK, key=key)

    def record(
        self, project: str, actor: str | None, kind: str, subject: str, change: tuple[Any, Any] = (None, None)
    ) -> int:
        """Append an event (`change`: before and after) to the project's log, in this transaction; return its number.

        Each event hashes the one before it. What was said stands apart from the chain under a salted hash, so that it
        can be forgotten without breaking it.
        """
        self.lock_log(project)
        last = self.one(_LAST, project=project)
        seq, prev = (last.seq + 1, last.hash) if last else (1, START)
        row = {"project_id": project, "seq": seq, "at": self.at, "actor": actor, "kind": kind, "subject": subject}
        said = {"before": to_text(change[0]), "after": to_text(change[1]), "salt": secrets.token_hex(16)}
        body = body_hash(**said)
        chained = chain_hash(prev, body, row)
        self.add(tables.event, row | said | {"body_hash": body, "prev_hash": prev, "hash": chained})
        return seq


def body_hash(before: str, after: str, salt: str) -> str:
    """Hash what an event says."""
    return hashlib.sha256(orjson.dumps([salt, before, after])).hexdigest()


def chain_hash(prev: str, body: str, row: dict[str, Any]) -> str:
    """Hash an event with the one before it."""
    names = ("project_id", "seq", "at", "actor", "kind", "subject")
    return hashlib.sha256(orjson.dumps([prev, body, *(row[name] for name in names)])).hexdigest()


@dataclass(frozen=True)
class Database:
    """An open database; the clock (seconds since 1970) is given, so that a test can move it."""

    engine: sa.Engine
    where: str
    clock: Callable[[], float] = time.time
    turn: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    @contextlib.contextmanager
    def read(self) -> Iterator[Transaction]:
        """Read one state of the database; nobody waits for it."""
        with self._said(), self.engine.begin() as connection:
            yield Transaction(connection, self.now())

    def write(self, work: Callable[[Transaction], Result], *, soon: bool = False) -> Result:
        """Do `work` in one transaction: all of it is on the disk when this returns, or nothing is.

        With `soon` it is there a little later: a crash of the machine (not of the program) may take it back. That is for
        what nobody was promised, such as a lease, and spares a page the wait for the disk.

        SQLite takes the right to write before it reads (BEGIN IMMEDIATE), so what was read still holds when it writes.
        PostgreSQL locks the rows that matter; where it asks to repeat a transaction, `work` is called again.
        """
        writing = self.engine.execution_options(writing="soon" if soon else "now")
        for left in reversed(range(TRIES)):
            try:
                with self._alone(), self._said(), writing.begin() as connection:
                    if soon and connection.dialect.name == "postgresql":
                        connection.execute(_SOON)
                    return work(Transaction(connection, self.now()))
            except sa.exc.DBAPIError as error:
                if not left or _state(error) not in _REPEAT:
                    raise
            time.sleep(random.random() * 0.05 * (TRIES - left))  # noqa: S311  apart from each other
        raise AssertionError  # the last try has returned or raised

    def run(self, statement: sa.Executable, *, soon: bool = False) -> None:
        """Write by one statement, in a transaction of its own."""
        self.write(lambda tx: tx.run(statement).rowcount, soon=soon)

    def tidy(self, *, whole: bool = False) -> None:
        """Move what was written from the log of SQLite into its file; a server does it where nobody waits for it.

        `whole` empties the log, too, so that what was taken back stands in no file any more.
        """
        if self.engine.dialect.name == "sqlite":
            with self._said(), self.engine.connect() as connection:
                raw = connection.connection.driver_connection
                if raw is not None:
                    raw.execute(f"PRAGMA wal_checkpoint({'TRUNCATE' if whole else 'PASSIVE'})").fetchall()

    def now(self) -> int:
        """Return the time in milliseconds since 1970."""
        return int(self.clock() * 1000)

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Let the threads of this process write in turn: SQLite would have them sleep up to 100 ms between two tries."""
        if self.engine.dialect.name != "sqlite":
            yield
            return
        with self.turn:
            yield

    @contextlib.contextmanager
    def _said(self) -> Iterator[None]:
        """Turn a database that is gone, full or locked into three lines; what asks to be repeated passes."""
        try:
            yield
        except sa.exc.DBAPIError as error:
            gone = isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError) or _state(error)[:2] in _GIVEN_UP
            if not gone or _state(error) in _REPEAT:
                raise
            hint = "check that it runs, that its disk has room, and that its file may be written"
            raise RunError(f"the database gave up: {_words(error)}", self.where, hint) from error


def _state(error: sa.exc.DBAPIError) -> str:
    """Return the five letters in which PostgreSQL says what went wrong."""
    said = error.orig.args[0] if error.orig and error.orig.args else ""
    return str(said.get("C", "")) if isinstance(said, dict) else ""


def _words(error: sa.exc.DBAPIError) -> str:
    said = error.orig.args[0] if error.orig and error.orig.args else ""
    return str(said.get("M", said) if isinstance(said, dict) else said)[:300]


def open_database(address: str | Path, clock: Callable[[], float] = time.time) -> Database:
    """Open the database of a path (SQLite; made where there is none) or of postgresql://USER@HOST/NAME.

    In PostgreSQL our tables lie in a schema of their own, `tuneset`. The password comes from PGPASSWORD; `?sslmode=` is
    disable, prefer (as libpq does: encrypted where the server can, unverified), require or verify-full.

    Errors: RecipeError for an address of another kind; RunError where the database is not ours or of another form.
    """
    named = str(address)
    engine, where = _postgresql(named) if named.partition(":")[0] in ("postgresql", "postgres") else _sqlite(named)
    database = Database(engine, where, clock)
    with contextlib.ExitStack() as opened:
        opened.callback(database.close)
        try:
            _prepare(database)
        except sa.exc.DBAPIError as error:  # no password, no database, or a file of something else
            raise RunError(
                f"this database cannot be opened: {_words(error)}",
                where,
                "check its address; a file must be ours, or not there yet",
            ) from error
        opened.pop_all()
    return database


def _prepare(database: Database) -> None:
    """Make the tables where there are none, and refuse what is not ours."""
    if database.engine.dialect.name == "sqlite":
        _write_ahead(database)

    def made(tx: Transaction) -> int | None:
        if tx.connection.dialect.name == "postgresql":
            tx.run(_LOCK, key=int.from_bytes(b"tuneset"))
            tx.run(sa.schema.CreateSchema(SCHEMA, if_not_exists=True))
        there = sa.inspect(tx.connection).get_table_names()
        if not there:
            tables.META.create_all(tx.connection, checkfirst=False)
            tx.add(tables.form, {"number": FORM})
            return FORM
        return tx.connection.scalar(sa.select(tables.form.c.number)) if "form" in there else None

    form = database.write(made)
    if form is None:
        raise RunError("this is a database of something else", database.where, "name a file that is not there yet")
    if form != FORM:
        hint = "open it with the version of tuneset that made it"
        raise RunError(f"this database has form {form}, and this version knows form {FORM}", database.where, hint)


def _write_ahead(database: Database) -> None:
    """Let readers and a writer work at the same time; kept in the file, so it is set once."""
    for left in reversed(range(TRIES)):
        try:
            with database.engine.connect() as connection:
                raw = connection.connection.driver_connection
                if raw is not None and raw.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                    raw.execute("PRAGMA journal_mode=WAL")
        except sa.exc.OperationalError:
            if not left:
                raise
        else:
            return
        time.sleep(0.05)


def _sqlite(named: str) -> tuple[sa.Engine, str]:
    if "://" in named and not named.startswith("sqlite:///"):
        kind = named.partition(":")[0]
        raise RecipeError(f"a project is kept in SQLite or PostgreSQL, not in {kind}", named, "give a path of a file")
    path = Path(named.removeprefix("sqlite:///"))
    if not path.absolute().parent.is_dir():
        raise RunError("there is no such folder", str(path.absolute().parent), "make it first")
    engine = sa.create_engine(sa.URL.create("sqlite", database=str(path)))

    @sa.event.listens_for(engine, "connect")
    def set_up(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # Python's driver would begin transactions at moments of its own
        connection.execute(f"PRAGMA busy_timeout={BUSY}")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA secure_delete=ON")  # what somebody takes back is overwritten, not only let go of
        connection.execute("PRAGMA cache_size=-32768")  # 32 MB: hashes as keys touch pages everywhere
        # FULL: a commit is on the disk before it is said; with NORMAL a crash of the machine loses the last ones.
        connection.execute("PRAGMA synchronous=FULL")
        # 40 MB of log, where nobody calls `tidy`: at the usual 4 MB one answer in 50 waited for two more writes of the disk
        connection.execute("PRAGMA wal_autocheckpoint=10000")

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        writing = connection.get_execution_options().get("writing")
        if writing:
            connection.exec_driver_sql(f"PRAGMA synchronous={'NORMAL' if writing == 'soon' else 'FULL'}")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

    return engine, str(path)


def _postgresql(named: str) -> tuple[sa.Engine, str]:
    need("pg8000", "people")
    url = sa.make_url(named).set(drivername="postgresql+pg8000")
    if url.password is None and os.environ.get("PGPASSWORD"):
        url = url.set(password=os.environ["PGPASSWORD"])
    query = {name: value if isinstance(value, str) else value[-1] for name, value in url.query.items()}
    host, tls = query.pop("host", ""), query.pop("sslmode", "prefer")
    where = url.set(drivername="postgresql").render_as_string(hide_password=True)
    options: dict[str, Any] = {"timeout": 60}
    if tls not in (*_TLS, "verify-full"):
        raise RecipeError(f"sslmode={tls} is not known", where, "disable, prefer, require or verify-full")
    options["ssl_context"] = ssl.create_default_context() if tls == "verify-full" else _TLS[tls]
    if host.startswith("/"):  # a socket in a folder, as libpq writes it
        options |= {"unix_sock": f"{host}/.s.PGSQL.{url.port or 5432}", "ssl_context": False}
    elif host:
        url = url.set(host=host)
    if query:
        raise RecipeError(f"{', '.join(sorted(query))} is not known in an address", where, "host and sslmode are")
    engine = sa.create_engine(url.set(query={}), connect_args=options, pool_pre_ping=True)

    @sa.event.listens_for(engine, "connect")
    def set_up(connection: Any, _: Any) -> None:
        cursor = connection.cursor()
        cursor.execute(f"SET search_path TO {SCHEMA}")
        # whatever the server's own defaults are: each statement sees what was committed before it (`queue.room` counts
        # on it), and a commit is on the disk before it is said
        cursor.execute("SET default_transaction_isolation TO 'read committed'")
        cursor.execute("SET synchronous_commit TO on")
        connection.commit()

    return engine, where
