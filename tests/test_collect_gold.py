"""Texts whose answer is known: nobody can tell them while they label, and they say who is right."""

import json
import re

import collecting
import pytest
from collecting import Collecting, invitation, joined, label, owner

from tuneset.errors import TunesetError
from tuneset.people import access, gold, items, projects, replay, work
from tuneset.people.access import Invite
from tuneset.people.database import RefusedError, open_database
from tuneset.people.gold import Known
from tuneset.people.projects import Person, Settings

LABELS = {"field": "label", "labels": [{"key": key} for key in ("orders", "returns")]}


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    path = tmp_path_factory.mktemp("people") / "people.db"
    started = Collecting(path)
    started.database = path
    yield started
    started.kill()


@pytest.fixture(scope="module")
def lead(served):
    return owner(served)


def rules(lead, found, **told):
    token = lead.open(f"/p/{found}/settings")[1]["token"]
    return lead.send(f"/p/{found}/settings", token=token, what="rules", **told)


def known(lead, found, table):
    return lead.send(f"/p/{found}/gold", token=lead.open(f"/p/{found}/gold")[1]["token"], rows=table)


def test_a_known_text_is_asked_like_any_other_and_its_right_answers_stand_under_quality(served, lead):
    found = collecting.project(lead, rows="where is my parcel then?")
    table = "text,label,why\nWHERE IS MY PARCEL THEN?,orders,it asks where\nhow do I send it back?,returns,\n"
    assert "2+are+known+now" in known(lead, found, table)
    rules(lead, found, gold_share="100")
    ann = joined(served, invitation(lead, found), "Ann")
    for said in ("orders", "orders"):
        page, form = ann.open(f"/p/{found}/work")
        assert not re.search("gold|known|it asks where", page)
        ann.send(f"/p/{found}/work", **form, label=said)
    page = lead.open(f"/p/{found}/gold")[0]
    assert sorted(re.findall(r"(\d of \d)", page)) == ["0 of 1", "1 of 1"]
    assert "50" in re.search(r"Ann</bdi>.*?</tr>", lead.open(f"/p/{found}/quality")[0], re.DOTALL)[0]
    rows = [json.loads(line) for line in lead.ask("GET", f"/p/{found}/examples.jsonl")[2].splitlines()]
    assert {row["text"]: row["label"] for row in rows}["where is my parcel then?"] == "orders"


def test_who_is_wrong_is_told_what_is_right_only_where_the_project_teaches(served, lead):
    found = collecting.project(lead, rows="a text that nobody knows")
    known(
        lead, found, "text\tlabel\twhy\none text\torders\t<b>because</b>\nother text\torders\t\nthird text\torders\t\n"
    )
    ann = joined(served, invitation(lead, found), "Ann")
    rules(lead, found, gold_share="100")
    label(ann, found, "returns")
    assert "and not" not in ann.open(f"/p/{found}/work")[0]
    rules(lead, found, teaching="on")
    label(ann, found, "orders")
    assert "and not" not in ann.open(f"/p/{found}/work")[0]
    form = ann.open(f"/p/{found}/work")[1]
    place = ann.send(f"/p/{found}/work", **form, label="returns")
    assert "taught=" in place
    page, form = ann.open(place)
    assert "and not <bdi>returns</bdi>" in page
    assert "<b>because" not in page
    assert "the+right+answer+was+shown" in ann.send(f"/p/{found}/work", token=form["token"], do="undo")
    bob = joined(served, invitation(lead, found), "Bob")
    assert "and not" not in bob.open(place)[0]  # it is nobody else's


def test_a_table_that_cannot_be_read_is_said_and_what_was_typed_stays(served, lead):
    found = collecting.project(lead, rows="a text that nobody knows")
    token = lead.open(f"/p/{found}/gold")[1]["token"]
    for table, why in (("text\nx", "no column"), ("text,label\nx y z,nothing", "is no label of this project")):
        status, _, page = lead.ask("POST", f"/p/{found}/gold", {"token": token, "rows": table})
        assert (status, why in page, table.split("\n")[1] in page) == (400, True, True)
    assert "No answer is known yet" in lead.open(f"/p/{found}/gold")[0]
    evil = "<script>alert(1)</script> & more"
    known(lead, found, f"text,label,why\n{evil},orders,{evil}\n")
    assert "<script>alert" not in lead.open(f"/p/{found}/gold")[0]
    ann = joined(served, invitation(lead, found), "Ann")
    assert ann.ask("GET", f"/p/{found}/gold")[0] == 403


def test_every_rule_can_be_set_and_what_cannot_be_is_refused(served, lead):
    found = collecting.project(lead)
    told = {"overlap": "3", "lease_seconds": "90", "gold_share": "7", "audit_share": "20", "blind_share": "33"}
    rules(lead, found, **told, teaching="on", suggestion_mode="off", state="paused")
    db = open_database(served.database)
    assert projects.settings_of(db, found) == Settings(3, 90, 0.07, 0.2, 0.33, "off", "paused", "on")
    db.close()
    page = lead.open(f"/p/{found}/settings")[0]
    assert all(f'name="{name}" value="{value}"' in page for name, value in told.items())
    token = lead.open(f"/p/{found}/settings")[1]["token"]
    for wrong in ({"gold_share": "101"}, {"gold_share": "x"}, {"lease_seconds": "0"}, {"teaching": "maybe"}):
        assert lead.ask("POST", f"/p/{found}/settings", {"token": token, "what": "rules"} | wrong)[0] == 409


def test_what_a_lead_decides_can_be_asked_of_others(served, lead):
    found = collecting.project(lead, overlap=2, rows="where is my parcel? it was to be here by now")
    path = invitation(lead, found, uses=3)
    for name, value in (("Ann", "orders"), ("Bob", "returns")):
        label(joined(served, path, name), found, value)
    form = lead.open(f"/p/{found}/disputes")[1]
    lead.send(f"/p/{found}/disputes", **form, label="product", rationale="see the guide", gold="yes")
    assert "see the guide" in lead.open(f"/p/{found}/gold")[0].lower()
    rules(lead, found, gold_share="100")
    cem = joined(served, path, "Cem")
    label(cem, found, "product")
    assert "1 of 1" in lead.open(f"/p/{found}/gold")[0]  # those who made the dispute are not judged by it
    form = cem.open(f"/p/{found}/work")[1]
    assert "settled" not in cem.send(f"/p/{found}/work", token=form["token"], do="undo")


def test_what_people_report_of_a_known_text_comes_to_the_lead_who_settles_it(served, lead):
    found = collecting.project(lead, rows="a text that nobody knows")
    known(lead, found, "text,label\none text,orders\n")
    rules(lead, found, gold_share="100")
    path = invitation(lead, found, uses=2)
    for name in ("Ann", "Bob"):
        person = joined(served, path, name)
        form = person.open(f"/p/{found}/work")[1]
        person.send(f"/p/{found}/work", **(form | {"do": "flag", "reason": "it is broken or empty"}))
    page, form = lead.open(f"/p/{found}/disputes")
    assert "it is broken or empty" in page
    lead.send(f"/p/{found}/disputes", **form, label="returns")
    assert "People agree on all" in lead.open(f"/p/{found}/disputes")[0]
    assert "returns" in lead.open(f"/p/{found}/gold")[0].partition("<table")[2]
    db = open_database(served.database)
    assert replay.recount(db, found) == []
    assert replay.state_of(replay.events(db, found)) == replay.state_now(db, found)
    db.close()


@pytest.fixture
def db(tmp_path):
    opened = open_database(tmp_path / "people.db")
    yield opened
    opened.close()


def test_counters_and_log_agree_through_all_that_happens_to_known_items(db):
    boss = access.newcomer(db, "boss")
    project = projects.create(db, "p", "label", Settings(gold_share=1, overlap=2, teaching="on"), by=boss)
    projects.publish(db, project, "label_schema", LABELS)
    people = [access.join(db, access.invite(db, project, Invite()), name) for name in ("ann", "bob")]
    assert gold.add(db, project, [Known(f"text {n}", "orders") for n in range(4)], boss) == 4
    assert gold.add(db, project, [Known("text 0", "returns", "after all"), Known(" ", "orders")], boss) == 1
    for turn in range(6):
        person = people[turn % 2]
        served = work.next_item(db, person)
        done = work.submit(db, person, served.token, {"label": "orders" if turn % 3 else "returns"})
        with db.read() as tx:
            taught = gold.taught(tx, person, done.annotation)
        if taught:
            with pytest.raises(RefusedError, match="right answer was shown"):
                work.undo(db, person)
        else:
            work.undo(db, person)
        assert replay.recount(db, project) == []
        assert replay.state_of(replay.events(db, project)) == replay.state_now(db, project)
    assert replay.verify(db, project) is None
    with pytest.raises(TunesetError, match="no label"):
        gold.add(db, project, [Known("new", "orders"), Known("newer", "nothing")], boss)
    assert items.with_text(db, project, ["new", "TEXT  1"])[0] is None
    assert {row["text"]: row["why"] for row in gold.listed(db, project)}["text 0"] == "after all"


def test_a_known_item_takes_as_many_answers_as_there_are_people_and_none_is_wanted(db):
    project = projects.create(db, "p", "label", Settings(gold_share=1))
    projects.publish(db, project, "label_schema", LABELS)
    gold.add(db, project, [Known("the only text", "orders")])
    for name in ("ann", "bob", "cem"):
        person: Person = access.join(db, access.invite(db, project, Invite()), name)
        assert work.submit(db, person, work.next_item(db, person).token, {"label": "orders"}).state == "active"
    assert projects.progress(db, project)[:2] == (0, 0)
    assert gold.listed(db, project)[0]["asked"] == 3
