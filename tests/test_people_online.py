"""What users send: kept apart, held against the audit slice, labelled where a lead says so; and the advice to train again."""

import random

import pytest
import sqlalchemy as sa
from people_at_work import Clock, frame, fresh, project_of, server, sound
from test_people_learner import labels, texts

from tuneset.people import items, learner, online, projects, registry, replay, tables, work
from tuneset.people.database import MissingError, RefusedError, open_database

WHERE = [
    f"{first} is my {what} from {day}"
    for first in ("where", "when", "how")
    for what in ("parcel", "order", "shoe", "coat")
    for day in range(60)
]
random.Random(0).shuffle(WHERE)
OTHER = [f"cancel {what} number {day} at once please" for what in ("contract", "plan") for day in range(200)]


@pytest.fixture(scope="module")
def postgresql():
    with server() as uri:
        yield uri


@pytest.fixture(params=["sqlite", "postgresql"])
def db(request, tmp_path):
    local = request.param == "sqlite"
    opened = open_database(tmp_path / "people.db" if local else fresh(request.getfixturevalue("postgresql")), Clock())
    yield opened
    opened.close()


@pytest.fixture
def file(tmp_path):
    opened = open_database(tmp_path / "people.db", Clock())
    yield opened
    opened.close()


def kept(db, project):
    with db.read() as tx:
        rows = tx.all(sa.select(tables.live_text).where(tables.live_text.c.project_id == project))
    return sorted((row.n, row.text) for row in rows)


def test_live_texts_are_counted_on_and_kept_apart_from_the_items(db, monkeypatch):
    monkeypatch.setattr(online, "KEPT", 6)
    project, (person, *_) = project_of(db, ["one"])
    assert online.live(db, project, ["a\x00", " ", "b"]) == 2
    assert online.live(db, project, []) == 2
    assert online.live(db, project, [str(n) for n in range(5)]) == 7
    assert kept(db, project) == [(2, "b"), *((n + 3, str(n)) for n in range(5))]
    assert online.live(db, project, [str(n) for n in range(10)]) == 17
    assert [n for n, _ in kept(db, project)] == list(range(12, 18))
    assert projects.progress(db, project).items == 1
    assert work.next_item(db, person).example["text"] == "one"
    sound(db, project)


def test_live_texts_of_no_project_or_beyond_measure_are_refused(db):
    with pytest.raises(MissingError):
        online.live(db, "none", ["a"])
    project, _ = project_of(db)
    with pytest.raises(RefusedError, match="longer than"):
        online.live(db, project, ["a", "b" * 100_001])
    assert kept(db, project) == []


def test_a_lead_lets_people_label_some_of_the_latest(db):
    project, (person, *_) = project_of(db)
    online.live(db, project, ["old"] * 20 + [f"text {n}" for n in range(500)])
    assert online.take_in(db, project, 30) == (30, 0, 0, 0, 0)
    assert online.take_in(db, project, 30) == (0, 0, 30, 0, 0)
    served = work.next_item(db, person)
    assert served.example["text"].startswith("text")
    with db.read() as tx:
        assert {row.origin for row in tx.all(sa.select(tables.item))} == {"live"}
    sound(db, project)


def test_a_shift_is_found_and_said_once_for_every_hundred_texts_and_none_where_there_is_none(file):
    project, _ = project_of(file, WHERE[::2], audit_share=1.0)
    online.live(file, project, WHERE[1:200:2])
    online.look(file)
    assert online.traffic(file, project).look is None  # 100 are too few
    online.live(file, project, WHERE[201:600:2])
    online.look(file)
    first = online.traffic(file, project).look
    assert (first.seen, first.found.look, first.found.drifted) == (300, 1, False)
    online.live(file, project, OTHER[:99])
    online.look(file)
    assert online.traffic(file, project).look == first
    online.live(file, project, OTHER[99:300])
    online.look(file)
    second = online.traffic(file, project).look
    assert (second.seen, second.found.look, second.found.drifted) == (600, 2, True)
    assert "A shift" in second.found.says
    assert "cancel" in second.found.there or "contract" in second.found.there
    said = [event for event in replay.events(file, project) if event.kind == "drift"]
    assert [each.after["says"] for each in said] == [second.found.says]
    online.look(file)
    assert online.traffic(file, project).look == second


def test_what_comes_later_into_the_audit_slice_is_not_what_live_texts_are_held_against(file):
    project, _ = project_of(file, WHERE[::2], audit_share=1.0)
    online.live(file, project, WHERE[1:600:2])
    before = online.look_at(file, project).found.reference
    file.clock.now += 1
    items.add(file, project, frame([f"something new {n}" for n in range(50)]))
    assert online.look_at(file, project).found.reference == before
    online.mark_trained(file, project)
    assert online.look_at(file, project).found.reference == before + 50


def test_the_advice_counts_from_what_a_lead_says_was_trained(file):
    project, people = project_of(file, texts(40), audit_share=0.5)
    labels(file, people[0], 60)
    learner.learn(file, project)
    assert online.traffic(file, project).advice is None
    online.mark_trained(file, project, people[0].contributor)
    assert online.traffic(file, project).advice.says == "No reason to train again."
    said = [event.after for event in replay.events(file, project) if event.kind == "trained"]
    assert said == [
        {
            "rows": 60,
            "audit": registry.live_one(file, project).metrics["audit"],
            "labels": ["orders", "other", "returns"],
        }
    ]
    file.clock.now += 1
    items.add(file, project, frame([f"{text} again" for text in texts(80)], source="more"))
    labels(file, people[1], 200)
    advice = online.traffic(file, project).advice
    assert advice.retrain
    assert "200 rows are new, beside 60" in advice.says


def test_a_shift_from_before_the_model_was_trained_is_no_reason_to_train_again(file):
    project, _ = project_of(file, WHERE[::2], audit_share=1.0)
    online.live(file, project, OTHER[:300])
    assert online.look_at(file, project).found.drifted
    file.clock.now += 1
    online.mark_trained(file, project)
    assert not online.traffic(file, project).advice.retrain
    assert online.look_at(file, project).found.look == 1  # a watch of its own
    assert "what people send has changed" in online.traffic(file, project).advice.says
