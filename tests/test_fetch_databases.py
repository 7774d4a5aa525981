"""Queries to databases by SQLAlchemy: a real MariaDB, started here where its server is installed; nothing is written.

The server: apt-get install mariadb-server-core. Where there is none, only what needs no server is tested. Another can be
asked: TUNESET_MYSQL=mysql://USER@HOST/shop (an empty database of MariaDB, and the user may do everything).
"""

import contextlib
import os
import sys
import tempfile
import time
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_fetch_sql import QUERY, WRITES

from tuneset.errors import RecipeError, TunesetError
from tuneset.fetch import databases, fetch, sql
from tuneset.sources import read

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))
import fetch as bench

PASSWORD = "pass word/4716@#%"
OWN_WRITES = [
    *WRITES,
    "select nextval(counted)",
    "select next value for counted",
    "select setval(counted, 99)",
    "select text from inquiries into outfile '/tmp/tuneset-was-here'",
    "select text from inquiries limit 1 into/**/dumpfile '/tmp/tuneset-was-here'",
    "select text from inquiries /*!50000 into outfile '/tmp/tuneset-was-here' */",
    "/*! delete from inquiries where 1 in */ (select 1)",
    "/*M!100000 create table other as */ select 1",
    "/*! create table other as */ select 1",
    "set statement max_statement_time = 9 for delete from inquiries",
    "load data local infile '/etc/hostname' into table inquiries",
    "begin not atomic delete from inquiries; end",
]
# What SQL Server and others would take, as one call and without a sign between statements.
OTHERS_WRITES = [
    "select 1 delete from inquiries",
    "select 1\ndrop table inquiries",
    "select text into copied from inquiries",
    "with old as (select * from inquiries) delete from old",
    "with old as (select * from inquiries) update old set text = 'x'",
    "select 1 exec xp_cmdshell 'del *'",
    "select 1 execute('delete' + ' from inquiries')",
    "select * from openquery(there, 'select 1')",
    "select 1 merge inquiries using other on 1 = 0 when not matched then insert values (1)",
    "select next value for counted",
    "select 1; commit",
    "select 1 commit",
    "with x as (delete from inquiries returning id) select * from x",
]


@pytest.fixture(scope="session")
def mysql():
    if os.environ.get("TUNESET_MYSQL"):
        yield os.environ["TUNESET_MYSQL"]
        return
    with tempfile.TemporaryDirectory(prefix="tuneset-my-") as folder, bench.mariadb(Path(folder)) as url:
        yield url


@pytest.fixture(scope="session")
def shop(mysql):
    """Fill the database once: whatever is asked here, nothing is written."""
    bench.run_mysql(
        mysql,
        "create sequence counted",
        "create table inquiries (id int primary key, text text, label varchar(40))",
        "insert into inquiries values (1, 'Where is Ännchen''s order? 😀', 'orders'), (2, null, 'none'), (3, '', 'empty')",
        "create function empty_it() returns int deterministic begin delete from inquiries; return 1; end",
    )
    return mysql


def state(url):
    return [
        bench.run_mysql(url, question)
        for question in (
            "select * from inquiries order by id",
            "show tables",
            "select next_not_cached_value from counted",
        )
    ]


def refused(where, folder, query):
    with pytest.raises(TunesetError) as raised:
        fetch(where, folder, query=query)
    assert len(str(raised.value).splitlines()) == 3
    assert not (folder / "rows.parquet").exists()
    return raised.value


if bench.has_mariadb() or os.environ.get("TUNESET_MYSQL"):

    @pytest.mark.parametrize("kind", ["mysql", "mariadb", "mysql+pymysql"])
    def test_the_rows_of_a_query_become_a_parquet_file_that_is_read(shop, tmp_path, kind):
        done = fetch(f"sql:{shop.replace('mysql:', f'{kind}:')}", tmp_path / "a", query=f"{QUERY};")
        rows = pl.read_parquet(done.files[0]).rows()
        assert rows == [("Where is Ännchen's order? 😀", "orders"), (None, "none"), ("", "empty")]
        assert read([str(done.files[0])], text="text", labels=["label"]).examples.height == 3
        assert done.about.says == ("3 rows of a query",)

    def test_values_come_as_the_server_writes_them(shop, tmp_path):
        values = {
            "a": ("cast(12345678901234567890.1230 as decimal(30,4))", "12345678901234567890.1230"),
            "b": ("timestamp('2024-01-05 10:00:00')", "2024-01-05 10:00:00"),
            "c": ("cast('838:59:59' as time)", "838:59:59"),
            "d": ("'0000-00-00'", "0000-00-00"),
            "e": ("json_object('x', 1)", '{"x": 1}'),
            "f": ("x'4142'", "AB"),
            "g": ("1 = 1", "1"),
            "h": ("null", None),
            "i": ("'50 %s and :name, %%'", "50 %s and :name, %%"),
            "odd `name": ("9223372036854775807", "9223372036854775807"),
        }
        quoted = {name: "`" + name.replace("`", "``") + "`" for name in values}
        query = (
            "select " + ", ".join(f"{value} as {quoted[name]}" for name, (value, _) in values.items()) + " -- a remark"
        )
        done = fetch(f"sql:{shop}", tmp_path / "a", query=query)
        assert pl.read_parquet(done.files[0]).rows(named=True) == [{name: text for name, (_, text) in values.items()}]

    def test_columns_of_one_name_are_told_apart(shop, tmp_path):
        done = fetch(
            f"sql:{shop}", tmp_path / "a", query="select a.id, b.id from inquiries a join inquiries b using (id)"
        )
        assert pl.read_parquet(done.files[0]).columns == ["id", "id_2"]

    @pytest.mark.parametrize("statement", OWN_WRITES)
    def test_what_would_write_is_refused_and_nothing_is_written(shop, tmp_path, statement):
        before = state(shop)
        refused(f"sql:{shop}", tmp_path / "a", statement)
        assert state(shop) == before
        assert not Path("/tmp/tuneset-was-here").exists()

    @pytest.mark.parametrize("statement", [each for each in OWN_WRITES if "create" not in each])
    def test_even_without_a_look_at_its_words_the_transaction_keeps_rows_as_they_are(
        shop, tmp_path, statement, monkeypatch
    ):
        monkeypatch.setattr(sql, "_READS", __import__("re").compile(""))
        monkeypatch.setitem(
            databases.WAYS, "mysql", databases.WAYS["mysql"]._replace(never="outfile|dumpfile|^drop|^trunc")
        )
        before = state(shop)[0]
        with contextlib.suppress(TunesetError):
            fetch(f"sql:{shop}", tmp_path / "a", query=statement)
        assert state(shop)[0] == before

    @pytest.mark.parametrize("statement", ["with x as (select 1) select empty_it()", "select empty_it()"])
    def test_a_database_without_read_only_transactions_is_rolled_back(shop, tmp_path, statement, monkeypatch):
        monkeypatch.setitem(databases.WAYS, "mysql", databases.Way("mysql+pymysql"))
        fetch(f"sql:{shop}", tmp_path / "a", query=statement)  # a function that writes: only an account could forbid it
        assert len(state(shop)[0]) == 3

    def test_a_password_from_the_environment_is_used_and_kept_nowhere(shop, tmp_path, monkeypatch):
        bench.run_mysql(
            shop,
            f"create user reader identified by '{PASSWORD}'".replace("%", "%%"),
            "grant select on shop.* to reader",
        )
        monkeypatch.setenv("SHOP_PASSWORD", PASSWORD)
        where = f"sql:{shop.replace('root@', 'reader:${SHOP_PASSWORD}@')}"
        events = []
        done = fetch(where, tmp_path / "a", events.append, query=QUERY)
        wrong = refused(where, tmp_path / "b", "select nothing from nowhere")
        monkeypatch.setenv("SHOP_PASSWORD", "geheim")
        denied = refused(where, tmp_path / "c", QUERY)
        assert denied.hint.startswith("write ${NAME}")
        texts = [repr(each) for each in (events, done, wrong, denied)]
        texts += [each.read_bytes().decode(errors="replace") for each in tmp_path.rglob("*") if each.is_file()]
        assert [text for text in texts if PASSWORD in text or "pass%20word" in text or "geheim" in text] == []

    def test_a_database_says_what_is_wrong_in_three_lines(shop, tmp_path):
        assert refused(f"sql:{shop}", tmp_path / "a", "select x from nowhere").what == (
            "the database refused: Table 'shop.nowhere' doesn't exist"
        )
        assert (
            refused(f"sql:{shop}", tmp_path / "a", "select nothing from inquiries").hint
            == "check the names in the query"
        )
        assert "syntax" in refused(f"sql:{shop}", tmp_path / "a", "select from where").what
        gone = refused("sql:mysql://ann@127.0.0.1:9/shop", tmp_path / "a", QUERY)
        assert gone.hint == "check the host, the file, and that the database runs"

    def test_an_answer_that_ends_in_the_middle_is_an_error_and_leaves_no_file(shop, tmp_path):
        late = "select if(seq < 30000, 'x', (select 1 union select 2)) as text from seq_1_to_40000"
        assert "Subquery returns more than 1 row" in refused(f"sql:{shop}", tmp_path / "a", late).what

    @pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
    def test_what_is_broken_off_does_not_read_the_rest(shop):
        begun = time.process_time()
        with databases.asked("mysql", shop, "select * from seq_1_to_1000000") as rows:
            assert len(rows.fetchmany(10)) == 10
        assert time.process_time() - begun < 2  # all rows take 10 s

    @pytest.mark.slow
    def test_memory_does_not_grow_with_the_rows(shop, tmp_path):
        few, many = 70_000, 170_000  # both fill row groups; as Python's objects 100,000 rows are 65 MB
        bench.run_mysql(shop, "create database large")
        large_one = shop.replace("/shop", "/large")
        bench.fill_mysql(large_one, many)
        small, large = (
            bench.measured("mysql", rows, f"sql:{large_one}", tmp_path / str(rows))["peak"] for rows in (few, many)
        )
        assert large < small + 30
        assert pl.scan_parquet(tmp_path / str(many) / "rows.parquet").select(pl.len()).collect().item() == many


# --- without a server


@pytest.mark.parametrize("statement", OTHERS_WRITES)
def test_where_no_transaction_is_read_only_a_query_with_a_word_that_writes_is_refused(tmp_path, statement):
    error = refused("sql:mssql://ann@db.example.org/shop", tmp_path / "a", statement)
    assert error.what.startswith("this database has no transaction that cannot write")


@given(
    st.sampled_from(["delete", "DROP", "Into", "update", "exec", "sp_who", ";", "NEXT\nVALUE"]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    st.sampled_from([" ", "\n", "/**/", "(", "'", "]", "[", '"', ",", "\u3000"]),
)
def test_a_word_that_writes_is_found_wherever_it_stands(word, before, sign):
    with pytest.raises(RecipeError, match="no transaction that cannot write"):
        databases.check("mssql", f"select {before}{sign}{word}{sign} x", (), "sql:")


@pytest.mark.parametrize(
    "query",
    ["select updated_at, created, [deleted] from t where kind = 'inserted'", "with a as (select 1) select * from a;"],
)
def test_names_that_only_contain_such_a_word_are_fine(query):
    databases.check("mssql", query, (), "sql:")


@pytest.mark.parametrize(
    "name", ["init_command", "local_infile", "client_flag", "read_default_file", "autocommit", "plugin"]
)
def test_a_setting_that_could_take_the_guard_away_is_refused(tmp_path, name):
    for kind in ("mysql", "mariadb", "oracle"):
        error = refused(f"sql:{kind}://ann@db.example.org/shop?{name}=1", tmp_path / "a", QUERY)
        assert error.what == f"this address has a setting that is not passed on: {name}"


@pytest.mark.parametrize("setting", ["plugin", "autocommit", "isolation_level"])
def test_elsewhere_only_what_is_about_transactions_is_refused(tmp_path, setting):
    assert "not passed on" in refused(f"sql:mssql://ann@h/shop?{setting}=1", tmp_path / "a", QUERY).what
    databases.check("mssql", QUERY, ("driver", "TrustServerCertificate", "warehouse"), "sql:")


def test_a_driver_that_is_missing_is_named(tmp_path, monkeypatch):
    for name, address in (
        ("pymssql", "mssql://ann@h/shop"),
        ("pyodbc", "mssql+pyodbc://ann@h/shop"),
        ("oracledb", "oracle://ann@h/shop"),
    ):
        monkeypatch.setitem(sys.modules, name, None)
        error = refused(f"sql:{address}", tmp_path / "a", QUERY)
        assert error.hint == f"pip install {name}"
        assert error.where == f"sql:{address}"


def test_a_kind_of_database_that_nobody_knows_is_named(tmp_path):
    error = refused("sql:mysq://ann@host/shop", tmp_path / "a", QUERY)
    assert error.what == "unknown kind of database 'mysq'"
    assert error.hint.startswith("'mysql'")


@pytest.mark.parametrize(
    "where",
    [
        "sql:mysql://a:b@c/d",
        "sql:mysql://a@c/d?passwd=x",
        "sql:mssql+pyodbc:///?odbc_connect=DRIVER%3Dx%3BUID%3Da%3BPWD%3Dgeheim",
        "sql:snowflake://a@b/c?private_key=x",
    ],
)
def test_no_form_of_a_password_is_taken(where, tmp_path):
    with pytest.raises(RecipeError, match="a password stands in this address") as raised:
        fetch(where, tmp_path / "a", query=QUERY)
    assert "=x" not in str(raised.value)
    assert "geheim" not in str(raised.value)
