"""The database itself: ours or refused, written whole or not at all, and a log that shows where it was touched."""

import contextlib
import gc
import shutil
import sqlite3
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from people_at_work import Clock, answer, fresh, project_of, server, someone, sound

from tuneset.errors import RecipeError, RunError, TunesetError
from tuneset.people import database, leaving, projects, replay, tables, work
from tuneset.people.database import RefusedError, Transaction, open_database, to_text, words
from tuneset.people.projects import Settings


@pytest.fixture(scope="module")
def postgresql():
    with server() as uri:
        yield uri


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request, tmp_path):
    return str(tmp_path / "people.db") if request.param == "sqlite" else fresh(request.getfixturevalue("postgresql"))


def test_a_database_is_made_once_and_found_again(address):
    db = open_database(address)
    project, _ = project_of(db, ["one"])
    db.close()
    again = open_database(address)
    assert projects.settings_of(again, project).overlap == 1
    again.close()


def test_many_who_open_a_new_database_at_once_make_it_once(address):
    opened = []
    threads = [threading.Thread(target=lambda: opened.append(open_database(address))) for _ in range(6)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(opened) == 6
    with opened[0].read() as tx:
        assert len(tx.all(sa.select(tables.form))) == 1
    for each in opened:
        each.close()


def test_a_form_that_this_version_does_not_know_is_refused(address):
    db = open_database(address)
    db.run(tables.form.update().values(number=7))
    db.close()
    with pytest.raises(RunError, match="form 7, and this version knows form 1"):
        open_database(address)


def test_a_database_of_something_else_is_refused_and_left_as_it_is(tmp_path):
    path = tmp_path / "shop.db"
    with sqlite3.connect(path) as shop:
        shop.execute("create table orders (id)")
    shop.close()
    with pytest.raises(RunError, match="something else"):
        open_database(path)
    with sqlite3.connect(path) as shop:
        assert shop.execute("select name from sqlite_master").fetchall() == [("orders",)]
    shop.close()
    (tmp_path / "notes.txt").write_text("not a database, but long enough to be read as one " * 40)
    with pytest.raises(RunError, match=r"cannot be opened|gave up"):
        open_database(tmp_path / "notes.txt")


@pytest.mark.parametrize(
    ("address", "error", "said"),
    [
        ("mysql://ann@localhost/shop", RecipeError, "not in mysql"),
        ("/there/is/no/such/folder/people.db", RunError, "no such folder"),
        ("postgresql://ann@localhost/shop?sslmode=maybe", RecipeError, "sslmode=maybe"),
        ("postgresql://ann@localhost/shop?options=x", RecipeError, "options is not known"),
        ("postgresql://ann:geheim@127.0.0.1:1/shop", RunError, "gave up|cannot be opened"),
    ],
)
def test_an_address_that_leads_nowhere_is_said_in_three_lines_without_its_password(address, error, said):
    with pytest.raises(error, match=said) as raised:
        open_database(address)
    assert "geheim" not in str(raised.value)
    assert len(str(raised.value).splitlines()) == 3
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pg8000 leaves the socket open that found nobody
        del raised
        gc.collect()


def test_sqlite_is_set_up_so_that_what_was_said_survives_a_crash(tmp_path):
    db = open_database(tmp_path / "people.db")
    with db.read() as tx:
        asked = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        assert [tx.connection.exec_driver_sql(f"pragma {each}").scalar() for each in asked] == ["wal", 2, 1, 30_000]
    db.close()


def test_what_fails_halfway_leaves_nothing(address):
    db = open_database(address)
    project, (person, _, _) = project_of(db, ["one"])
    before = replay.head(db, project)

    def half(tx):
        tx.record(project, None, "noted", "x")
        raise RefusedError("no", "here", "never")

    with pytest.raises(RefusedError):
        db.write(half)
    assert replay.head(db, project) == before
    assert answer(db, person) is not None
    sound(db, project)
    db.close()


def test_a_transaction_that_postgresql_asks_to_repeat_is_repeated(postgresql):
    db = open_database(fresh(postgresql))
    one, two = (projects.create(db, name, "label") for name in ("one", "two"))
    barrier, tries = threading.Barrier(2), []

    def crossed(first, second):
        def work(tx):
            tries.append(first)
            own = tables.project
            for n, name in enumerate((first, second)):
                tx.run(own.update().where(own.c.id == name).values(name="renamed"))
                if n == 0 and len(tries) <= 2:
                    barrier.wait(30)  # each holds one row now, and wants the other's

        db.write(work)

    threads = [threading.Thread(target=crossed, args=pair) for pair in ((one, two), (two, one))]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(tries) == 3
    db.close()


def test_many_who_write_to_one_log_at_once_wait_for_each_other_and_none_has_to_repeat(postgresql):
    db = open_database(fresh(postgresql))
    project, calls = projects.create(db, "one", "label"), []

    def note(n):
        def work(tx):
            calls.append(n)
            tx.record(project, None, "noted", str(n))

        db.write(work)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(note, range(80)))
    assert sorted(calls) == list(range(80))
    assert replay.verify(db, project) is None
    assert replay.head(db, project).seq == 81
    db.close()


def test_a_server_whose_defaults_are_looser_is_held_to_ours(postgresql):
    fresh(postgresql)
    with looser(postgresql, "repeatable read", "off"):
        db = open_database(postgresql)
        with db.read() as tx:
            names = ("transaction_isolation", "synchronous_commit")
            assert [tx.connection.exec_driver_sql(f"show {name}").scalar() for name in names] == [
                "read committed",
                "on",
            ]
        db.close()


@contextlib.contextmanager
def looser(uri, isolation, synchronous):
    """Change the defaults of the server's database for a while."""
    engine, _ = database._postgresql(uri)
    name = sa.make_url(uri).database
    with engine.begin() as connection:
        connection.exec_driver_sql(f"alter database {name} set default_transaction_isolation to '{isolation}'")
        connection.exec_driver_sql(f"alter database {name} set synchronous_commit to '{synchronous}'")
    yield
    with engine.begin() as connection:
        connection.exec_driver_sql(f"alter database {name} reset all")
    engine.dispose()


def test_ids_sort_by_time_and_never_repeat(tmp_path):
    clock = Clock()
    db = open_database(tmp_path / "people.db", clock)
    seen = []
    for _ in range(200):
        clock.now += 0.01
        with db.read() as tx:
            seen += [tx.new_id()]
    assert seen == sorted(set(seen))
    assert {each[14] for each in seen} == {"7"}
    assert {each[19] for each in seen} <= set("89ab")
    db.close()


@given(st.text())
def test_what_a_person_typed_can_be_kept_in_both_databases(text):
    kept = words(text)
    assert kept.encode().decode() == kept
    assert "\x00" not in kept
    assert len(kept) == len(text)


def test_what_is_no_json_or_too_long_is_refused():
    for attempt in (lambda: to_text({"a": "\ud800"}), lambda: to_text(object()), lambda: words("x" * 10_001)):
        with pytest.raises(RefusedError):
            attempt()


def test_the_words_of_a_project_have_versions_that_stay_and_settings_that_are_checked(address):
    db = open_database(address)
    project, _ = project_of(db)
    versions = [projects.publish(db, project, "guideline", {"markdown": f"# {n}"}) for n in range(3)]
    assert versions == [1, 2, 3]
    with db.read() as tx:
        said = [projects.published(tx, project, "guideline", n)["markdown"] for n in versions]
        assert said == ["# 0", "# 1", "# 2"]
        assert projects.published(tx, project, "guideline")["version"] == 3
        assert projects.published(tx, project, "consent_text") is None
    for wrong in ({"overlap": 0}, {"audit_share": 1.5}, {"suggestion_mode": "maybe"}, {"state": "gone"}):
        with pytest.raises(RecipeError, match=next(iter(wrong))):
            projects.create(db, "x", "label", Settings(**wrong))
    with pytest.raises(RecipeError, match="unknown kind"):
        projects.create(db, "x", "labels")
    with pytest.raises(RecipeError, match="one hotkey"):
        projects.publish(
            db, project, "label_schema", {"labels": [{"key": "a", "hotkey": "1"}, {"key": "b", "hotkey": "1"}]}
        )
    db.close()


def history(db):
    project, people = project_of(db, [f"text {n}" for n in range(6)], overlap=2)
    for person in people:
        answer(db, person)
        work.skip(db, person, work.next_item(db, person).token)
    leaving.withdraw(db, people[0])
    return project


TOUCHES = {
    "another label": ("labelled", {"after": '{"value":"x"}'}, "what it says was changed"),
    "another person": ("skipped", {"actor": "x"}, "it was changed"),
    "another time": ("labelled", {"at": 1}, "it was changed"),
    "emptied": ("added", {"before": None, "after": None, "salt": None}, "what it said is gone"),
    "emptied of one who stayed": ("labelled", {"before": None, "after": None, "salt": None}, "what it said is gone"),
    "another hash": ("invited", {"hash": "0" * 64}, "it was changed"),
    "another hash before": ("joined", {"prev_hash": "0" * 64}, "it does not follow the line before it"),
}


@pytest.mark.parametrize("touch", TOUCHES)
def test_a_log_that_was_touched_names_its_first_line_that_does_not_hold(tmp_path, touch):
    db = open_database(tmp_path / "people.db")
    project = history(db)
    assert replay.verify(db, project) is None
    kind, values, why = TOUCHES[touch]
    own = tables.event
    with db.read() as tx:
        line = tx.all(sa.select(own).where(own.c.kind == kind).order_by(own.c.seq.desc()))[0].seq
    db.run(own.update().where(own.c.seq == line).values(values))
    assert replay.verify(db, project) == (line, why)
    db.close()


def test_a_line_that_is_gone_is_missed_and_so_is_the_end_where_it_was_noted(tmp_path):
    db = open_database(tmp_path / "people.db")
    project = history(db)
    own, noted = tables.event, replay.head(db, project)
    db.run(own.delete().where(own.c.seq == noted.seq))
    assert replay.verify(db, project) is None or replay.verify(db, project).why == "what it said is gone"
    assert replay.verify(db, project, noted).seq <= noted.seq
    db.run(own.delete().where(own.c.seq == 4))
    assert replay.verify(db, project) == (4, "a line is missing")
    db.close()


def test_a_counter_that_is_wrong_and_an_answer_that_was_changed_are_found(tmp_path):
    db = open_database(tmp_path / "people.db")
    project = history(db)
    assert replay.recount(db, project) == []
    states, answers = tables.item_state, tables.annotation
    one = sa.select(sa.func.min(states.c.item_id)).scalar_subquery()
    db.run(states.update().where(states.c.item_id == one).values(n_valid=9))
    assert len(replay.recount(db, project)) == 1
    assert replay.state_of(replay.events(db, project)) != replay.state_now(db, project)
    db.run(states.update().where(states.c.item_id == one).values(n_valid=0))
    db.run(tables.member.update().values(turns=5))
    assert any("turns is 5" in each for each in replay.recount(db, project))
    db.run(answers.update().where(answers.c.state == "active").values(value='{"category":"returns"}'))
    assert replay.state_of(replay.events(db, project)).annotations != replay.state_now(db, project).annotations
    db.close()


def test_every_error_says_what_where_and_what_to_do(tmp_path):
    db = open_database(tmp_path / "people.db")
    project, (person, _, _) = project_of(db, ["one"])
    stranger = someone(db, project_of(db)[0])
    for attempt in (
        lambda: work.submit(db, person, "no such token", {}),
        lambda: work.undo(db, person),
        lambda: work.next_item(db, stranger._replace(project=project)),
        lambda: work.submit(db, person, work.next_item(db, person).token, {"category": "x"}),
    ):
        with pytest.raises(TunesetError) as said:
            attempt()
        assert all(said.value.args)
    db.close()


def test_the_clock_of_a_transaction_stands_still(tmp_path):
    db = open_database(tmp_path / "people.db")
    assert isinstance(db.write(lambda tx: tx), Transaction)
    assert abs(db.write(lambda tx: tx.at) - db.now()) < 60_000
    db.close()


def test_an_answer_waits_for_the_disk_and_a_lease_does_not(address):
    db = open_database(address)
    asked = {"sqlite": "PRAGMA synchronous", "postgresql": "show synchronous_commit"}[db.engine.dialect.name]

    def mode(tx):
        return tx.connection.exec_driver_sql(asked).scalar()

    for _ in range(2):  # one connection, again and again
        assert str(db.write(mode, soon=True)) in ("1", "off")
        assert str(db.write(mode)) in ("2", "on")
    db.close()


def test_threads_write_in_turn_and_the_log_is_moved_into_the_file_beside_them(tmp_path):
    path = tmp_path / "people.db"
    db = open_database(path)
    project = projects.create(db, "p", "label")
    with ThreadPoolExecutor(8) as pool:
        wrote = [pool.submit(db.write, lambda tx: tx.record(project, None, "said", "x")) for _ in range(200)]
        for _ in range(5):
            db.tidy()
    assert sorted(each.result() for each in wrote) == list(range(2, 202))
    db.tidy()
    copied = tmp_path / "copy.db"
    shutil.copyfile(path, copied)  # without the log beside it
    other = open_database(copied)
    assert len(replay.events(other, project)) == 201
    other.close()
    db.close()
