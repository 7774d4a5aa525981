"""The model that learns along: what it learns from, what it never sees, who goes live, and that no moment to die is a bad one."""

import shutil
import threading
from dataclasses import dataclass

import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from people_at_work import LABELS, Clock, fresh, project_of, server, someone, sound

from tuneset.errors import RunError
from tuneset.people import items, learner, learning, leaving, projects, registry, tables, work
from tuneset.people.database import Database, open_database
from tuneset.people.learner import Features, Learner, learn, readings
from tuneset.people.learning import Labelled
from tuneset.people.projects import Settings

WORDS = {"orders": "where is my parcel", "returns": "how do i send it back", "other": "may i change my address"}


def texts(n):
    return [f"{words}, it is about {label} {place}" for place in range(n) for label, words in WORDS.items()]


def truth(text):
    return next(label for label, words in WORDS.items() if text.startswith(words))


def labels(db, person, count, say=truth):
    """Label so many items; return what was served."""
    got = []
    for _ in range(count):
        served = work.next_item(db, person)
        if served is None:
            break
        work.submit(db, person, served.token, {"category": say(served.example["text"])})
        got.append(served)
    return got


@pytest.fixture(scope="module")
def postgresql():
    with server() as uri:
        yield uri


@pytest.fixture(params=["sqlite", "postgresql"])
def both(request, tmp_path):
    local = request.param == "sqlite"
    opened = open_database(tmp_path / "people.db" if local else fresh(request.getfixturevalue("postgresql")), Clock())
    yield opened
    opened.close()


@pytest.fixture
def db(tmp_path):
    opened = open_database(tmp_path / "people.db", Clock())
    yield opened
    opened.close()


def begun(db, count=40, rows=40, **more):
    """Make a project in which so many items are labelled."""
    project, people = project_of(db, texts(rows), **({"audit_share": 0.2} | more))
    labels(db, people[0], count)
    return project, people


def shas(db, project):
    return [(each.kind, each.version.state, each.version.sha256) for each in registry.history(db, project)]


def shown(db, project):
    """Return the suggestions and the order of a project."""
    said, state = tables.suggestion, tables.item_state
    with db.read() as tx:
        suggested = tx.all(sa.select(said.c.item_id, said.c.label, said.c.score).where(said.c.project_id == project))
        ranks = tx.all(sa.select(state.c.item_id, state.c.rank).where(state.c.project_id == project))
    return sorted(map(tuple, suggested)), sorted(map(tuple, ranks))


def anew(db, project):
    """Fit what the project's labels come to, from nothing, beside the code under test."""
    rows = readings(db, project).rows.filter(~readings(db, project).rows["audit"])
    found = learning.features(rows["text"])
    empty = learning.started([each["key"] for each in LABELS["labels"]], 1, found)
    return learning.saved(learning.refitted(empty, Labelled(rows["item"], found, rows["label"])))


def bytes_of(db, project, number):
    asked = sa.select(tables.model_version.c.artefact).where(
        tables.model_version.c.project_id == project, tables.model_version.c.number == number
    )
    with db.read() as tx:
        return bytes(tx.run(asked).scalar_one())


# --- what is learned


def test_labels_become_suggestions_for_what_waits_and_the_next_labels_a_new_version(both):
    project, people = begun(both)
    learn(both, project)
    served = labels(both, people[1], 60)
    suggested = [each for each in served if each.suggestion]
    assert len(suggested) > 20
    right = [each.suggestion["label"] == {"category": truth(each.example["text"])} for each in suggested]
    assert np.mean(right) > 0.9
    learn(both, project)
    assert [each.kind for each in registry.history(both, project)] == ["refit", "refit"]  # the rows have doubled
    labels(both, people[1], 5)
    learn(both, project)
    newest = registry.newest(both, project)
    assert (newest.kind, newest.version.state) == ("partial", "live")
    sound(both, project)


def test_in_the_audit_slice_nothing_is_suggested_and_nothing_is_learned_from_it(db):
    project, people = begun(db, 30)
    learn(db, project)
    with db.read() as tx:
        audit = {row.item_id for row in tx.all(sa.select(tables.item_state)) if row.audit}
    served = labels(db, people[1], 90)
    assert audit & {each.item for each in served}
    assert not [each for each in served if each.item in audit and each.suggestion]
    said = items.annotated(db, project)["item"]
    assert registry.newest(db, project).params["rows"] == len(set(said[:30]) - audit)
    learn(db, project)
    assert registry.newest(db, project).params["rows"] == len(set(said) - audit)
    assert bytes_of(db, project, 2) == anew(db, project)


def test_learning_twice_writes_nothing_the_second_time(db):
    project, _ = begun(db)
    learn(db, project)
    before = shas(db, project), shown(db, project)
    learn(db, project)
    assert (shas(db, project), shown(db, project)) == before


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=st.integers(30, 45), more=st.integers(1, 25))
def test_the_same_labels_give_the_same_bytes_suggestions_and_order(tmp_path_factory, first, more):
    folder = tmp_path_factory.mktemp("same")
    one = open_database(folder / "one.db", Clock())
    project, people = begun(one, first)
    learn(one, project)
    labels(one, people[1], more)
    one.close()
    shutil.copy(folder / "one.db", folder / "two.db")
    found = []
    for name, known in (("one", Features()), ("two", None)):
        opened = open_database(folder / f"{name}.db", Clock())
        learn(opened, project, known)
        newest = registry.newest(opened, project)  # none where chance put nearly all labels into the audit slice
        kept = bytes_of(opened, project, newest.version.number) if newest else b""
        found.append((shas(opened, project), shown(opened, project), kept))
        opened.close()
    assert found[0] == found[1]


@settings(max_examples=6, deadline=None)
@given(turns=st.lists(st.sampled_from(["undo", "adjudicate", "withdraw"]), min_size=1, max_size=2))
def test_what_is_taken_back_or_corrected_is_unlearned(tmp_path_factory, turns):
    db = open_database(tmp_path_factory.mktemp("back") / "people.db", Clock())
    project, people = begun(db, 40, audit_share=0.0)
    labels(db, people[1], 30)
    labels(db, people[2], 5)
    learn(db, project)
    lead = someone(db, project, "lead", role="lead")
    for turn in turns:
        if turn == "undo":
            served = work.undo(db, people[2]).served
            work.submit(db, people[2], served.token, {"category": "other"})
        elif turn == "adjudicate":
            item = readings(db, project).rows["item"][0]
            items.adjudicate(db, lead, item, {"category": "other"}, "read the guide")
        elif turns.count("withdraw") == 1 or turn is not turns[-1]:
            leaving.withdraw(db, people[1])
        learn(db, project)
    assert registry.newest(db, project).kind == "refit"
    assert bytes_of(db, project, registry.newest(db, project).version.number) == anew(db, project)
    db.close()


def test_no_version_is_left_that_learned_from_somebody_who_withdrew(db):
    project, people = begun(db, 40)
    learn(db, project)
    labels(db, people[1], 40)
    learn(db, project)
    registry.choose(db, project, 1)
    leaving.withdraw(db, people[1])
    learn(db, project)
    assert [each.there for each in registry.history(db, project)] == [False, False, True]
    assert registry.live_one(db, project).version.number == 3
    assert bytes_of(db, project, 3) == anew(db, project)
    leaving.withdraw(db, people[0])
    learn(db, project)
    assert not any(each.there for each in registry.history(db, project))
    assert shown(db, project)[0] == []
    sound(db, project)


def test_a_new_label_is_learned_anew(db):
    project, people = begun(db, 40)
    learn(db, project)
    more = LABELS | {"labels": [*LABELS["labels"], {"key": "praise"}]}
    projects.publish(db, project, "label_schema", more)
    labels(db, people[1], 3, lambda _: "praise")
    learn(db, project)
    newest = registry.newest(db, project)
    assert newest.kind == "refit"
    assert newest.params["labels"] == ["orders", "other", "praise", "returns"]


def test_where_as_many_say_one_as_the_other_nothing_is_learned(db):
    project, people = begun(db, 40, overlap=2, rows=13, audit_share=0.0)
    labels(db, people[1], 39, lambda text: "orders" if truth(text) == "returns" else truth(text))
    rows = readings(db, project).rows
    assert set(rows["label"]) == {"orders", "other"}


# --- when nothing is learned


def test_it_is_said_why_no_model_learns(db):
    few, _ = begun(db, 10)
    assert "of 20 labels are there" in readings(db, few).why
    written = projects.create(db, "written", "write")
    assert "at least two labels" in readings(db, written).why
    many = projects.create(db, "many", "label")
    projects.publish(db, many, "label_schema", LABELS | {"many": True})
    assert "gets one of" in readings(db, many).why
    one, people = project_of(db, texts(20))
    labels(db, people[0], 30, lambda _: "orders")
    assert readings(db, one).why == "All texts have one label so far."
    for project in (few, written, many, one):
        learn(db, project)
        assert registry.history(db, project) == []


def test_a_look_learns_at_twenty_labels_or_after_45_seconds(db):
    project, people = project_of(db, texts(40))
    behind = Learner(db)
    behind.look()
    behind.rests.clear()
    labels(db, people[0], 30)
    behind.look()
    assert len(registry.history(db, project)) == 1
    behind.rests.clear()
    labels(db, people[0], 19)
    behind.look()
    assert len(registry.history(db, project)) == 1
    db.clock.now += 45
    behind.look()
    assert len(registry.history(db, project)) == 2
    behind.rests.clear()
    db.clock.now += 120
    behind.look()
    assert len(registry.history(db, project)) == 2


def test_a_look_rests_nine_times_as_long_as_learning_took(db, monkeypatch):
    project, people = project_of(db, texts(40))
    behind, at = Learner(db), [0.0]
    monkeypatch.setattr(learner.time, "monotonic", lambda: at[0])
    labels(db, people[0], 30)
    monkeypatch.setattr(learner, "learn", lambda *_: at.__setitem__(0, at[0] + 2.0) or 0)
    behind.look()
    assert behind.rests[project] == 2.0 + 18.0


# --- which version is live


def wrong(text):
    return {"orders": "returns", "returns": "other", "other": "orders"}[truth(text)]


def test_a_version_that_is_worse_on_the_audit_slice_stays_in_the_shadow(db):
    project, people = begun(db, 150, rows=120, audit_share=0.3)
    learn(db, project)
    with db.read() as tx:
        audit = {row.item_id for row in tx.all(sa.select(tables.item_state)) if row.audit}
        named = {row.text: row.id for row in tx.all(sa.select(tables.item))}
    labels(db, people[1], 150, lambda text: truth(text) if named[text] in audit else wrong(text))
    learn(db, project)
    first, second = registry.history(db, project)
    assert (first.version.state, second.version.state) == ("live", "shadow")
    assert "It is worse" in second.metrics["says"][0] or "cannot be ruled out" in second.metrics["says"][0]
    assert learner.accuracy(first).share > learner.accuracy(second).share
    with db.read() as tx:
        versions = {row.model_version for row in tx.all(sa.select(tables.suggestion))}
    assert versions <= {first.id}


def test_a_lead_goes_back_and_nothing_goes_live_until_they_let_go(db):
    project, people = begun(db)
    for _ in range(3):
        learn(db, project)
        labels(db, people[1], 10)
    learn(db, project)
    assert registry.live_one(db, project).version.number == 4
    assert registry.roll_back(db, project, people[0].contributor) == 3
    labels(db, people[1], 10)
    learn(db, project)
    assert registry.live_one(db, project).version.number == 3
    assert registry.newest(db, project).version.state == "shadow"
    with db.read() as tx:
        said = {row.model_version for row in tx.all(sa.select(tables.suggestion))}
    assert said == {registry.live_one(db, project).id}
    registry.let_go(db, project)
    learn(db, project)
    assert registry.live_one(db, project).version.number == 5
    registry.choose(db, project, 4)
    assert registry.live_one(db, project).metrics["chosen"] is True
    sound(db, project)


def test_old_versions_lose_their_bytes_and_cannot_be_chosen(db):
    project, people = begun(db, 40, rows=60)
    for _ in range(9):
        learn(db, project)
        labels(db, people[1], 5)
    kept = registry.history(db, project)
    assert len(kept) == 9
    assert [each.version.number for each in kept if each.there] == [5, 6, 7, 8, 9]
    with pytest.raises(RunError, match="not kept any more"):
        registry.choose(db, project, 1)
    with pytest.raises(RunError, match="no version 77"):
        registry.choose(db, project, 77)
    assert registry.live_one(db, project).version.number == 9


def test_one_projects_model_is_not_anothers(db):
    one, _ = begun(db)
    other, _ = begun(db, 5)
    learn(db, one)
    learn(db, other)
    assert registry.history(db, other) == []
    assert shown(db, other)[0] == []


# --- killed, or twice at once


class KilledError(Exception):
    """The process ends here."""


@dataclass(frozen=True)
class Mortal(Database):
    """A database whose process dies before a write."""

    left: list = None

    def write(self, work, **options):
        if not self.left[0]:
            raise KilledError
        self.left[0] -= 1
        return super().write(work, **options)


def test_killed_before_any_write_it_goes_on_to_the_same_end(tmp_path):
    db = open_database(tmp_path / "people.db", Clock())
    project, people = begun(db)
    learn(db, project)
    labels(db, people[1], 25)
    db.close()
    ends, died = [], 0
    for writes in range(12):
        shutil.copy(tmp_path / "people.db", tmp_path / f"{writes}.db")
        opened = open_database(tmp_path / f"{writes}.db", Clock())
        if writes < 11:
            try:
                learn(Mortal(opened.engine, opened.where, opened.clock, left=[writes]), project)
            except KilledError:
                died += 1
        learn(opened, project)
        ends.append((shas(opened, project), shown(opened, project)))
        sound(opened, project)
        opened.close()
    assert died >= 5
    assert all(end == ends[-1] for end in ends)


def test_two_processes_that_learn_at_once_make_one_version(both):
    project, _ = begun(both)
    gate, failed = threading.Barrier(2), []

    def run():
        gate.wait()
        try:
            learn(both, project)
        except Exception as error:  # noqa: BLE001  shown below
            failed.append(error)

    threads = [threading.Thread(target=run) for _ in range(2)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(registry.history(both, project)) == 1
    assert failed == []
    learn(both, project)
    assert registry.live_one(both, project).version.number == 1


def test_settings_that_widen_the_audit_slice_unlearn_what_is_in_it_now(db):
    project, _ = begun(db, 60, audit_share=0.0)
    learn(db, project)
    projects.change(db, project, Settings(overlap=1, gold_share=0, audit_share=0.4))
    learn(db, project)
    assert registry.newest(db, project).kind == "refit"
    assert bytes_of(db, project, 2) == anew(db, project)
