"""Many at one time, and killed at any moment: no item gets too many answers, and no answer that was taken is lost."""

import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import sqlalchemy as sa
from people_at_work import fresh, per_item, project_of, server, sound

from tuneset.people import tables
from tuneset.people.database import digest, open_database
from tuneset.people.replay import state_now

WORKER = [sys.executable, str(Path(__file__).with_name("people_worker.py"))]


@pytest.fixture(scope="module")
def postgresql():
    with server() as uri:
        yield uri


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request, tmp_path):
    if request.param == "sqlite":
        return str(tmp_path / "people.db")
    return fresh(request.getfixturevalue("postgresql"))


def start(address, person):
    return subprocess.Popen(
        [*WORKER, address, *person], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def wrong(db, project, overlap):
    """Name the items that have not exactly as many answers as they should."""
    return {item: n for item, n in per_item(db, project).items() if n != overlap}


@pytest.mark.parametrize(("many", "texts"), [(3, 15), pytest.param(8, 300, marks=pytest.mark.slow)])
def test_eight_processes_give_300_items_exactly_two_answers_each(address, many, texts):
    db = open_database(address)
    project, people = project_of(db, [f"text {n}" for n in range(texts)], people=many, overlap=2, audit_share=0.15)
    processes = [start(address, person) for person in people]
    for each in processes:
        assert each.stdout.readline() == "ready\n"
    for each in processes:
        each.stdin.write("go\n")
        each.stdin.flush()
    said = [each.communicate(timeout=300) for each in processes]
    assert [errors for _, errors in said] == [""] * many
    printed = [line for out, _ in said for line in out.split()]
    assert len(printed) == len(set(printed)) == 2 * texts
    assert wrong(db, project, 2) == {}
    assert set(per_item(db, project, "late").values()) == {0}
    assert sorted(state_now(db, project).annotations) == sorted(printed)
    sound(db, project)
    db.close()


def naive(db, project, person, together):
    """Label as it is often done: look for an item that still wants an answer, then write it. Here for comparison."""
    answers, states = tables.annotation, tables.item_state
    while True:
        valid = (
            sa.select(sa.func.count())
            .where(answers.c.item_id == states.c.item_id, answers.c.state == "active")
            .scalar_subquery()
        )
        mine = sa.exists().where(answers.c.item_id == states.c.item_id, answers.c.contributor_id == person.contributor)
        with db.read() as tx:
            found = tx.one(
                sa.select(states.c.item_id).where(valid < 2, sa.not_(mine)).order_by(states.c.item_id).limit(1)
            )
        together()
        if found is None:
            return
        row = {"project_id": project, "item_id": found.item_id, "contributor_id": person.contributor, "seq": 0}

        def put(tx, row=row):
            name = tx.new_id()
            tx.add(answers, row | {"id": name, "created_at": tx.at, "state": "active", "token_hash": digest(name)})

        db.write(put)


def test_the_same_check_fails_for_a_naive_variant_whose_steps_are_interleaved(address):
    db = open_database(address)
    project, people = project_of(db, [f"text {n}" for n in range(5)], people=3, overlap=2)
    barrier = threading.Barrier(3)

    def together():
        barrier.wait(60)

    threads = [threading.Thread(target=naive, args=(db, project, person, together)) for person in people]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert set(wrong(db, project, 2).values()) == {3}
    db.close()


@pytest.mark.slow
def test_a_process_killed_at_any_moment_loses_no_answer_that_it_was_told_is_taken(tmp_path):
    address = str(tmp_path / "people.db")
    db = open_database(address)
    project, people = project_of(db, [f"text {n}" for n in range(3000)], people=20, overlap=2)
    drawn, printed = random.Random(8), []
    for person in people:
        process = start(address, person)
        assert process.stdout.readline() == "ready\n"
        process.stdin.write("go\n")
        process.stdin.flush()
        time.sleep(0.05 + drawn.random() * 0.6)
        process.kill()
        out, errors = process.communicate(timeout=60)
        assert errors == ""
        assert process.returncode == -9
        printed += [line for line in out.splitlines() if len(line) == 36]  # the last may be cut off
        now = state_now(db, project)
        assert set(printed) <= {name for name, each in now.annotations.items() if each.state == "active"}
        sound(db, project)
    assert len(printed) > 20
    db.close()
