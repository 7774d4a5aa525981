"""What the crawl knows, in one SQLite file: each address and its state, each host, each origin, and every row made.

A page is `todo`, `leased` (being asked for), `fetched` (its body is kept, nobody has read it), `done` (read), or `out`
with a reason. Each step is one transaction. A crawl that dies leaves pages leased; the next start puts them back, and
reads those that are fetched without asking for them again.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from tuneset.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from tuneset.crawl.policy import Policy

FORM = 1  # of the tables, kept in the file: one more with every change of them
_TABLES = """
CREATE TABLE IF NOT EXISTS pages (
    key TEXT PRIMARY KEY, url TEXT NOT NULL, host TEXT NOT NULL, kind TEXT NOT NULL, depth INTEGER NOT NULL,
    bucket TEXT NOT NULL, via TEXT NOT NULL, hops INTEGER NOT NULL, target TEXT NOT NULL DEFAULT '',
    state TEXT NOT NULL DEFAULT 'todo', why TEXT NOT NULL DEFAULT '', evidence TEXT NOT NULL DEFAULT '',
    tries INTEGER NOT NULL DEFAULT 0, not_before REAL NOT NULL DEFAULT 0,
    status INTEGER NOT NULL DEFAULT 0, headers TEXT NOT NULL DEFAULT '{}', sha256 TEXT NOT NULL DEFAULT '',
    bytes INTEGER NOT NULL DEFAULT 0, seconds REAL NOT NULL DEFAULT 0, address TEXT NOT NULL DEFAULT '',
    fetched_at TEXT NOT NULL DEFAULT '', robots TEXT NOT NULL DEFAULT '', preference TEXT NOT NULL DEFAULT '',
    drawn TEXT NOT NULL DEFAULT '', licence TEXT NOT NULL DEFAULT '', canonical TEXT NOT NULL DEFAULT '');
CREATE INDEX IF NOT EXISTS turn ON pages (host, state, depth);
CREATE INDEX IF NOT EXISTS states ON pages (state);
CREATE INDEX IF NOT EXISTS same ON pages (canonical);
CREATE INDEX IF NOT EXISTS body ON pages (sha256);
CREATE INDEX IF NOT EXISTS variants ON pages (bucket);
CREATE TABLE IF NOT EXISTS hosts (
    host TEXT PRIMARY KEY, asked INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0,
    closed TEXT NOT NULL DEFAULT '');
CREATE TABLE IF NOT EXISTS origins (origin TEXT PRIMARY KEY, site TEXT NOT NULL, at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS rows (key TEXT NOT NULL, number INTEGER NOT NULL, row TEXT NOT NULL,
    PRIMARY KEY (key, number)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


class Link(NamedTuple):
    """An address that was found, ready to be put into the frontier."""

    key: str
    url: str
    host: str
    depth: int
    bucket: str = ""
    kind: str = "page"  # or "map"
    via: str = ""  # the address that was redirected here first
    hops: int = 0


class Page(NamedTuple):
    """A row of the table of pages, as the crawl needs it."""

    key: str
    url: str
    host: str
    kind: str
    depth: int
    via: str
    hops: int
    tries: int
    headers: str
    sha256: str
    address: str
    fetched_at: str
    robots: str
    preference: str
    evidence: str
    status: int
    drawn: str  # by which browser; empty where none was asked
    licence: str  # what robots.txt names


_FIELDS = ", ".join(Page._fields)


class Frontier:
    """The file, behind one lock: threads write their own results, so nothing waits between an answer and its record."""

    def __init__(self, path: Path | None) -> None:
        """Open or make the file; without a path all is kept in memory."""
        self._lock = threading.RLock()
        self._fresh: set[str] = set()
        self._where = where = str(path or ":memory:")
        try:
            self._db = sqlite3.connect(where, isolation_level=None, check_same_thread=False, timeout=2.0)
            # A kill loses nothing in this mode; a power cut may lose the last moments, which are then asked for again.
            self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
            _check_form(self._db, where)
            self._db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;")
            # takes the file for this process alone; with the tables comes their number, or neither does
            self._db.executescript(f"BEGIN IMMEDIATE; {_TABLES} PRAGMA user_version={FORM}; COMMIT;")
        except sqlite3.OperationalError as error:
            raise RunError(
                f"another crawl works here ({error})", where, "wait for it, or give another folder"
            ) from error
        except sqlite3.DatabaseError as error:
            raise RunError(f"the crawl's file cannot be read: {error}", where, "give another folder") from error

    def shut(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    @contextlib.contextmanager
    def _step(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._lock, self._db as db:  # commits, or takes everything back
                db.execute("BEGIN IMMEDIATE")
                yield db
        except sqlite3.OperationalError as error:
            said = f"the crawl's file cannot be written: {error}"
            raise RunError(said, self._where, "free some space, and run the same command again: it goes on") from error

    def recover(self) -> list[Page]:
        """Put back what a crawl that died was asking for; return what nobody has read yet."""
        with self._step() as db:
            db.execute("UPDATE pages SET state = 'todo' WHERE state = 'leased'")
            found = db.execute(f"SELECT {_FIELDS} FROM pages WHERE state = 'fetched' ORDER BY depth, rowid").fetchall()  # noqa: S608
        return [Page(*each) for each in found]

    def restart(self, *, everything: bool, passing: Iterable[str]) -> None:
        """Ask again: for pages that failed for a passing reason, or for everything that nobody wants forgotten."""
        again = [] if everything else list(passing)
        marks = ",".join("?" * len(again))
        with self._step() as db:
            chosen = f"state = 'out' AND why IN ({marks})"
            if everything:
                chosen = "state = 'done' OR kind = 'map' OR (state = 'out' AND why <> 'forgotten')"
                db.execute("DELETE FROM origins")
                db.execute("UPDATE hosts SET asked = 0, bytes = 0, closed = ''")
            # what is out has no body any more: an answer that it has not changed would bring none
            db.execute(f"UPDATE pages SET sha256 = '', headers = '{{}}' WHERE state = 'out' AND ({chosen})", again)  # noqa: S608
            db.execute(f"UPDATE pages SET state = 'todo', tries = 0, not_before = 0 WHERE {chosen}", again)  # noqa: S608

    def add(self, links: Iterable[Link], policy: Policy) -> bool:
        """Take in what is not known yet, within the limits of a host and of a bucket; say whether there was any."""
        with self._step() as db:
            new = _insert(db, links, policy)
            self._fresh |= new
        return bool(new)

    def fresh(self) -> set[str]:
        """Name the hosts that got something to do since this was asked last."""
        with self._lock:
            found, self._fresh = self._fresh, set()
        return found

    def lease(self, host: str, now: float, kind: str = "%") -> Page | None:
        """Take a host's next page, the nearest to a seed first, if it has one that may be asked for now."""
        chosen = (
            "SELECT rowid FROM pages WHERE host = ?1 AND state = 'todo' AND not_before <= ?2 AND ?3 IN ('%', kind)"
            " ORDER BY depth, rowid LIMIT 1"
        )
        with self._step() as db:
            found = db.execute(
                f"UPDATE pages SET state = 'leased' WHERE rowid = ({chosen}) RETURNING {_FIELDS}",  # noqa: S608
                (host, now, kind),
            ).fetchall()
        return Page(*found[0]) if found else None

    def soonest(self, host: str) -> float | None:
        """When the host's next page may be asked for, by the wall clock; None where it has none."""
        with self._lock:
            found = self._db.execute("SELECT min(not_before) FROM pages WHERE host = ? AND state = 'todo'", (host,))
            return found.fetchone()[0]  # type: ignore[no-any-return]

    def settle(self, key: str, state: str, **facts: Any) -> None:
        """Write what became of a page, in one transaction; a page that is out leaves no rows."""
        with self._step() as db:
            _settle(db, key, state, facts)

    def fetched(self, page: Page, size: int, **facts: Any) -> str:
        """Record an answer with a body: return "fetched", "done" where it has not changed, or "out" where another page of the host has it.

        The body must be on the disk before.
        """
        with self._step() as db:
            _count(db, page.host, size)
            known = db.execute(
                "SELECT key FROM pages WHERE sha256 = ? AND host = ? AND state IN ('fetched', 'done') AND key <> ? LIMIT 1",
                (facts["sha256"], page.host, page.key),
            ).fetchone()
            same = page.sha256 == facts["sha256"] and _has_been_read(db, page.key)
            state = "out" if known else "done" if same else "fetched"
            why, evidence = ("same-body", known[0]) if known else ("", facts.pop("evidence", ""))
            facts |= {"why": why, "evidence": evidence, "bytes": size}
            _settle(db, page.key, state, facts)
        return state

    def asked(self, host: str, size: int = 0) -> None:
        """Count a request that brought no page."""
        with self._step() as db:
            _count(db, host, size)

    def finish(
        self, page: Page, rows: Iterable[Mapping[str, Any]], links: Iterable[Link], policy: Policy, **facts: Any
    ) -> bool:
        """Write a page's rows and links, and what became of it: all or nothing; return whether it stays.

        It is done unless `facts` say another state, or unless a page that has rows is the same: of those that name one
        address as their own (`canonical`), and the page there, the first counts.
        """
        lines = [(page.key, number, orjson.dumps(row).decode()) for number, row in enumerate(rows)]
        facts = {"state": "done", "why": "", **facts}
        with self._step() as db:
            db.execute("DELETE FROM rows WHERE key = ?", (page.key,))
            if lines and (twin := _twin(db, page.key, facts.get("canonical", ""))):
                lines, facts = [], facts | {"state": "out", "why": "canonical", "evidence": twin}
            db.executemany("INSERT INTO rows VALUES (?, ?, ?)", lines)
            state = facts.pop("state")
            _settle(db, page.key, state, facts)
            self._fresh |= _insert(db, links, policy)
        return bool(state == "done")

    def forget(self, url: str) -> list[str]:
        """Mark a page, what it was redirected to and what is the same, so that no run asks again; drop the rows, return the bodies' names."""
        with self._step() as db:
            found = _same(db, url)
            for key, _ in found:
                _settle(db, key, "out", {"why": "forgotten", "headers": "{}", "sha256": ""})
        return [sha256 for _, sha256 in found if sha256]

    def addresses(self) -> Iterator[str]:
        """Give every address that is known, as it was found."""
        with self._lock:
            yield from (url for (url,) in self._db.execute("SELECT url FROM pages WHERE kind = 'page' ORDER BY key"))

    def knows(self, url: str) -> bool:
        """Say whether any page is one with an address."""
        with self._lock:
            return bool(_same(self._db, url))

    def is_used(self, sha256: str) -> bool:
        """Say whether any page still has this body."""
        with self._lock:
            found = self._db.execute("SELECT 1 FROM pages WHERE sha256 = ? AND state IN ('fetched', 'done')", (sha256,))
            return found.fetchone() is not None

    def full(self, host: str, policy: Policy) -> bool:
        """Say whether a host has given as much as it may."""
        with self._lock:
            found = self._db.execute("SELECT asked, bytes FROM hosts WHERE host = ?", (host,)).fetchone()
        return bool(found) and (found[0] >= policy.pages or found[1] >= policy.volume)

    def close_host(self, host: str, why: str) -> None:
        """Leave a host alone in later runs too."""
        with self._step() as db:
            _count(db, host, 0, 0)
            db.execute("UPDATE hosts SET closed = ? WHERE host = ?", (why, host))

    def closed(self) -> dict[str, str]:
        """Name the hosts that are left alone, and why."""
        with self._lock:
            return dict(self._db.execute("SELECT host, closed FROM hosts WHERE closed <> '' ORDER BY host").fetchall())

    def site(self, origin: str) -> tuple[Any, float] | None:
        """Read what an origin said, and when; None where it was not asked yet."""
        with self._lock:
            found = self._db.execute("SELECT site, at FROM origins WHERE origin = ?", (origin,)).fetchone()
        return (orjson.loads(found[0]), found[1]) if found else None

    def keep_site(self, origin: str, site: Mapping[str, Any]) -> None:
        """Write what an origin said."""
        with self._step() as db:
            db.execute(
                "INSERT OR REPLACE INTO origins VALUES (?, ?, ?)", (origin, orjson.dumps(site).decode(), time.time())
            )

    def work(self) -> set[str]:
        """Name the hosts that have something to do."""
        with self._lock:
            return {each[0] for each in self._db.execute("SELECT DISTINCT host FROM pages WHERE state = 'todo'")}

    def waiting(self) -> int:
        """Count the addresses that are known and not asked for yet."""
        with self._lock:
            return int(self._db.execute("SELECT count(*) FROM pages WHERE state = 'todo'").fetchone()[0])

    def counts(self, host: str = "%") -> dict[tuple[str, str, str], int]:
        """Count addresses by kind, state and reason, of one host or of all."""
        said = "SELECT kind, state, why, count(*) FROM pages WHERE ? IN ('%', host) GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
        with self._lock:
            found = self._db.execute(said, (host,))
            return {(kind, state, why): number for kind, state, why, number in found}

    def any_read(self) -> bool:
        """Say whether any page has been read."""
        return any(kind == "page" and state == "done" for kind, state, _ in self.counts())

    def why(self, key: str) -> str:
        """Say why a page is as it is; empty where nothing is to be said."""
        with self._lock:
            found = self._db.execute("SELECT why FROM pages WHERE key = ?", (key,)).fetchone()
        return found[0] if found else ""

    def rows(self) -> Iterator[bytes]:
        """Give every row that was made, as JSON, by the key of its page."""
        with self._lock:
            for (row,) in self._db.execute("SELECT row FROM rows ORDER BY key, number"):
                yield row.encode()

    def kept(self) -> Iterator[Page]:
        """Give every page that has been read and has a body, by its key."""
        chosen = "kind = 'page' AND state = 'done' AND sha256 <> ''"
        with self._lock:
            for each in self._db.execute(f"SELECT {_FIELDS} FROM pages WHERE {chosen} ORDER BY key"):  # noqa: S608
                yield Page(*each)

    def fact(self, name: str) -> str:
        """Read a fact about the crawl itself; empty where it is not known."""
        with self._lock:
            found = self._db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return found[0] if found else ""

    def keep_fact(self, name: str, value: str) -> None:
        """Write a fact about the crawl itself."""
        with self._step() as db:
            db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))


def _check_form(db: sqlite3.Connection, where: str) -> None:
    """Refuse a file whose tables are of another form than ours, before anything in it is changed."""
    (form,) = db.execute("PRAGMA user_version").fetchone()
    (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if tables and form != FORM:
        db.close()
        when = "a later" if form > FORM else "an earlier"
        what = f"{when} version of tuneset made this crawl: its file has form {form}, this version reads form {FORM}"
        hint = "crawl into another folder, or go on with that version; the examples.jsonl here can still be prepared"
        raise RunError(what, where, hint)


def _settle(db: sqlite3.Connection, key: str, state: str, facts: dict[str, Any]) -> None:
    names = ", ".join(f"{name} = :{name}" for name in ("state", *facts))
    db.execute(f"UPDATE pages SET {names} WHERE key = :key", {"key": key, "state": state, **facts})  # noqa: S608 - our names
    if state == "out":
        db.execute("DELETE FROM rows WHERE key = ?", (key,))


def _has_been_read(db: sqlite3.Connection, key: str) -> bool:
    return db.execute("SELECT 1 FROM rows WHERE key = ? LIMIT 1", (key,)).fetchone() is not None


_TWIN = "CASE WHEN why IN ('same-body', 'canonical') THEN evidence ELSE '' END"


def _twin(db: sqlite3.Connection, key: str, canonical: str) -> str:
    """Name a page that has rows and is the same as this one by what either says of itself."""
    found = db.execute(
        "SELECT key FROM pages WHERE key <> ?1 AND (key = ?2 OR canonical IN (?1, ?2))"
        " AND EXISTS (SELECT 1 FROM rows WHERE rows.key = pages.key) LIMIT 1",
        (key, canonical or key),
    ).fetchone()
    return found[0] if found else ""


def _same(db: sqlite3.Connection, url: str) -> list[tuple[str, str]]:
    """List the pages that are one with an address, with their bodies: by redirection, by their own word, or by their bytes."""
    known = db.execute(f"SELECT key, sha256, canonical, {_TWIN}, url, via FROM pages").fetchall()  # noqa: S608
    names, before = {url}, 0
    while len(names) > before:
        before = len(names)
        for key, _, canonical, twin, *others in known:
            if not names.isdisjoint((key, canonical, twin, *others)):
                names |= {key, canonical, twin} - {""}
    return [(key, sha256) for key, sha256, *_ in known if key in names]


def _count(db: sqlite3.Connection, host: str, size: int, requests: int = 1) -> None:
    db.execute(
        "INSERT INTO hosts (host, asked, bytes) VALUES (?1, ?2, ?3)"
        " ON CONFLICT (host) DO UPDATE SET asked = asked + ?2, bytes = bytes + ?3",
        (host, requests, size),
    )


def _insert(db: sqlite3.Connection, links: Iterable[Link], policy: Policy) -> set[str]:
    """Insert within limits; a limit is counted once for each host and bucket, not for each link."""
    room: dict[tuple[str, str], int] = {}
    hosts = set()
    for link in links:
        limits = [("host", link.host, policy.waiting), ("kind", link.host, policy.maps)][link.kind == "map" :]
        limits = limits[:1] + ([("bucket", link.bucket, policy.variants)] if link.bucket else [])
        for column, value, most in limits:
            if (column, value) not in room:
                room[column, value] = most - _known(db, column, value)
        if any(room[column, value] <= 0 for column, value, _ in limits):
            continue
        done = db.execute(
            "INSERT INTO pages (key, url, host, kind, depth, bucket, via, hops) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (key) DO UPDATE SET depth = excluded.depth WHERE depth > excluded.depth AND state = 'todo'",
            (link.key, link.url, link.host, link.kind, link.depth, link.bucket, link.via, link.hops),
        )
        if done.rowcount:
            hosts.add(link.host)
            for column, value, _ in limits:
                room[column, value] -= 1
    return hosts


def _known(db: sqlite3.Connection, column: str, value: str) -> int:
    chosen = {
        "host": "host = ? AND state = 'todo'",
        "kind": "host = ? AND kind = 'map'",
        "bucket": "bucket = ?",
    }[column]
    return int(db.execute(f"SELECT count(*) FROM pages WHERE {chosen}", (value,)).fetchone()[0])  # noqa: S608
