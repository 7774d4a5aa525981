"""The app in which people label, asked over real sockets: who is let in, what is kept, and what is refused."""

import http.client
import json
import re
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import collecting
import pytest
import sqlalchemy as sa
from collecting import Client, Collecting, invitation, joined, label, owner

import tuneset
from tuneset.collecting import collect as collecting_command
from tuneset.errors import TunesetError
from tuneset.people import replay, tables
from tuneset.people.database import open_database


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


@pytest.fixture
def project(lead):
    return collecting.project(lead)


# --- the way of a label


def test_a_label_goes_from_a_person_to_the_file_that_is_taken_away(served, lead, project):
    ann = joined(served, invitation(lead, project), "Ann")
    texts = [label(ann, project) for _ in range(40)]
    assert len(set(texts)) == 40
    assert "All is labelled" in ann.open(f"/p/{project}/work")[0]
    _, headers, lines = lead.ask("GET", f"/p/{project}/examples.jsonl")
    assert "attachment" in headers["content-disposition"]
    rows = [json.loads(line) for line in lines.splitlines()]
    assert {row["text"]: row["label"] for row in rows} == {
        text: "orders" if "order" in text else "returns" for text in texts
    }


def test_two_people_get_different_items_where_one_label_is_enough(served, lead, project):
    path = invitation(lead, project, uses=2)
    people = [joined(served, path, name) for name in ("Ann", "Bob")]
    got = [label(people[turn % 2], project) for turn in range(20)]
    assert len(set(got)) == 20


def test_undo_brings_the_same_item_back_with_what_was_chosen(served, lead, project):
    ann = joined(served, invitation(lead, project), "Ann")
    text = label(ann, project)
    _, form = ann.open(f"/p/{project}/work")
    ann.send(f"/p/{project}/work", token=form["token"], do="undo")
    page, _ = ann.open(f"/p/{project}/work")
    assert text in page
    assert 'class="was"' in page


def test_an_answer_that_is_sent_twice_counts_once(served, lead, project):
    ann = joined(served, invitation(lead, project), "Ann")
    _, form = ann.open(f"/p/{project}/work")
    for _ in range(3):
        ann.send(f"/p/{project}/work", label="orders", **form)
    assert "1 label" in ann.open(f"/p/{project}/me")[0]


def test_what_people_disagree_on_is_settled_by_a_lead_who_sees_no_names(served, lead):
    found = collecting.project(lead, overlap=2, rows="where is my parcel? it was to be here by now")
    path = invitation(lead, found, uses=2)
    for name, value in (("Annabella", "orders"), ("Bobby", "returns")):
        label(joined(served, path, name), found, value)
    page, form = lead.open(f"/p/{found}/disputes")
    assert "People do not agree" in page
    assert "Annabella" not in page
    lead.send(f"/p/{found}/disputes", **(form | {"label": "product", "rationale": "read the guide"}))
    assert "People agree on all" in lead.open(f"/p/{found}/disputes")[0]
    assert json.loads(lead.ask("GET", f"/p/{found}/examples.jsonl")[2])["label"] == "product"
    assert "alpha" in lead.open(f"/p/{found}/quality")[0]


def test_a_flag_takes_an_item_to_the_lead_and_a_skip_to_somebody_else(served, lead):
    found = collecting.project(lead, rows="first text here\nsecond text there")
    path = invitation(lead, found, uses=2)
    ann, bob = (joined(served, path, name) for name in ("Ann", "Bob"))
    for does, reason in (("skip", "I cannot tell"), ("flag", "it names a person")):
        _, form = ann.open(f"/p/{found}/work")
        ann.send(f"/p/{found}/work", **(form | {"do": does, "reason": reason, "note": "<i>look</i>"}))
    assert "Nothing is left for you" in ann.open(f"/p/{found}/work")[0]
    page, form = lead.open(f"/p/{found}/disputes")
    assert "it names a person: &lt;i&gt;look&lt;/i&gt;" in page
    lead.send(f"/p/{found}/disputes", token=form["token"], item=form["item"], do="drop")
    assert label(bob, found, "orders") in ("first text here", "second text there")


def test_consent_is_asked_before_anything_and_again_when_its_words_change(served, lead):
    found = collecting.project(lead, consent=collecting.TERMS)
    path = invitation(lead, found)
    stranger = Client(served)
    _, form = stranger.open(path)
    status, _, page = stranger.ask("POST", path, {"token": form["token"], "name": "Ann"})
    assert (status, "agree" in page) == (400, True)
    ann = joined(served, path, "Ann", agree="1")
    label(ann, found)
    token = lead.open(f"/p/{found}/settings")[1]["token"]
    lead.send(f"/p/{found}/settings", token=token, what="consent_text", markdown="Other words.")
    page, form = ann.open(f"/p/{found}/work")
    assert "Other words." in page
    status, headers, _ = ann.ask("POST", f"/p/{found}/work", {"token": form["token"], "label": "orders"})
    assert headers["location"].endswith("/consent")
    ann.send(f"/p/{found}/consent", token=form["token"], agree="2")
    label(ann, found)


def test_who_withdraws_takes_back_all_that_they_gave(served, lead, project):
    ann = joined(served, invitation(lead, project), "Annabella")
    for _ in range(5):
        label(ann, project)
    assert lead.ask("GET", f"/p/{project}/examples.jsonl")[2].count("\n") == 5
    form = ann.open(f"/p/{project}/me")[1]
    assert "not+ticked" in ann.send(f"/p/{project}/withdraw", token=form["token"])
    status, _, page = ann.ask("POST", f"/p/{project}/withdraw", {"token": form["token"], "sure": "yes"})
    assert (status, "You have left" in page) == (200, True)
    assert ann.ask("GET", f"/p/{project}/work")[0] in (401, 404)
    assert "Annabella" not in lead.open(f"/p/{project}/people")[0]


# --- those who write


def card(person, found):
    """Open the page to write on; return what the card asks for, and the form."""
    page, form = person.open(f"/p/{found}/write")
    return {name[5:]: value for name, value in form.items() if name.startswith("cell:")}, form, page


def test_who_writes_is_asked_for_what_is_missing_until_nothing_is(served, lead):
    found = collecting.to_write(lead, wanted=4, tone="calm, angry")
    ann = joined(served, invitation(lead, found, role="writer"), "Ann")
    asked = []
    for number in range(4):
        cell, form, page = card(ann, found)
        assert f"{number} of 4" in page
        asked.append(tuple(sorted(cell.items())))
        ann.send(f"/p/{found}/write", **form, text=f"{cell['label']}, and {cell['tone']} at that: {number * 'so '}")
    assert sorted(asked) == sorted(
        {(("label", a), ("tone", b)) for a in ("orders", "returns") for b in ("angry", "calm")}
    )
    assert "All that was missing is written" in card(ann, found)[2]
    rows = [json.loads(line) for line in lead.ask("GET", f"/p/{found}/examples.jsonl")[2].splitlines()]
    assert sorted(row["label"] for row in rows) == ["orders", "orders", "returns", "returns"]
    assert len({row["contributor"] for row in rows}) == 1


def test_what_is_nearly_there_already_is_shown_and_taken_when_it_is_sent_again(served, lead):
    found = collecting.to_write(lead)
    ann = joined(served, invitation(lead, found, role="writer"), "Ann")
    text = "where is the parcel that I was promised for today?"
    _, form, _ = card(ann, found)
    ann.send(f"/p/{found}/write", **form, text=text)
    status, _, page = ann.ask("POST", f"/p/{found}/write", form | {"text": text.upper() + "!"})
    assert (status, text in page, text.upper() in page) == (409, True, True)
    assert "have written 1 example" in card(ann, found)[2]
    ann.send(f"/p/{found}/write", **form, text=text.upper() + "!", sure="yes")
    assert "have written 2 examples" in card(ann, found)[2]
    assert ann.ask("POST", f"/p/{found}/write", form | {"text": "  "})[0] == 400


def test_what_somebody_wrote_is_never_given_to_them_to_label(served, lead):
    found = collecting.to_write(lead)
    ann = joined(served, invitation(lead, found, role="writer"), "Ann")
    _, form, _ = card(ann, found)
    ann.send(f"/p/{found}/write", **form, text="where is the parcel that I was promised?")
    assert "Nothing is left for you" in ann.open(f"/p/{found}/work")[0]
    assert "parcel that I was promised" in lead.open(f"/p/{found}/work")[0]


# --- what is refused


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Host": "evil.example"},
    ],
)
def test_what_writes_must_come_from_our_own_pages(served, lead, project, headers):
    token = lead.open(f"/p/{project}/people")[1]["token"]
    for path, form in (("people", {"role": "lead", "uses": 1, "days": 1}), ("data", {"rows": "x"}), ("work", {})):
        assert lead.ask("POST", f"/p/{project}/{path}", form | {"token": token}, **headers)[0] == 403
    assert lead.ask("POST", "/leave", {"token": token}, **headers)[0] == 403


def test_a_form_needs_the_token_of_its_own_session(served, lead, project):
    ann = joined(served, invitation(lead, project), "Ann")
    theirs = lead.open(f"/p/{project}/people")[1]["token"]
    for token in ("", "x", theirs):
        assert ann.ask("POST", f"/p/{project}/work", {"token": token, "label": "orders"})[0] == 403


def test_an_invitation_lets_in_as_many_as_it_says_and_nobody_once_it_has_ended(served, lead, project):
    path = invitation(lead, project, uses=1)
    joined(served, path, "Ann")
    assert Client(served).ask("GET", path)[0] == 404
    other = invitation(lead, project, uses=5)
    page, form = lead.open(f"/p/{project}/people")
    ended = re.search(r'name="revoke" value="([^"]+)"', page)[1]
    lead.send(f"/p/{project}/people", token=form["token"], revoke=ended)
    assert Client(served).ask("GET", other)[0] == 404
    assert Client(served).ask("GET", "/join/" + "x" * 43)[0] == 404


def test_behind_a_proxy_an_invitation_leads_to_the_address_of_the_proxy(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    started = Collecting(tmp_path / "people.db", "--public", "https://label.example.org", "--port", str(port))
    at, started.port = {"Host": "label.example.org"}, port
    boss = Client(started)
    assert boss.ask("GET", started.link.removeprefix("https://label.example.org"), **at)[0] == 303
    page = boss.ask("GET", "/new", **at)[2]
    token = re.search(r'name="token" value="([^"]+)"', page)[1]
    place = boss.ask("POST", "/new", {"token": token, "name": "Shop", "labels": "a\nb", "overlap": "1"}, **at)[1][
        "location"
    ]
    found = re.search(r"/p/([^/?]+)", place)[1]
    sent = {"token": token, "role": "annotator", "uses": 1, "days": 14}
    assert "https://label.example.org/join/" in boss.ask("POST", f"/p/{found}/people", sent, **at)[2]
    started.kill()


def test_many_who_come_at_once_with_one_invitation_do_not_get_in_more_often_than_it_says(served, lead, project):
    path = invitation(lead, project, uses=3)
    clients = [Client(served) for _ in range(8)]
    forms = [client.open(path)[1] for client in clients]
    with ThreadPoolExecutor(8) as pool:
        sent = [
            pool.submit(client.ask, "POST", path, form | {"name": "x"})
            for client, form in zip(clients, forms, strict=True)
        ]
    assert sorted(each.result()[0] for each in sent) == [303] * 3 + [404] * 5


def test_a_session_that_was_planted_is_not_taken_over(served, lead, project):
    planted = Client(served, cookie=f"tuneset-people-{served.port}=planted")
    path = invitation(lead, project)
    form = planted.open(path)[1]
    planted.send(path, token=form["token"], name="Ann")
    assert planted.cookie != f"tuneset-people-{served.port}=planted"
    assert Client(served, cookie=f"tuneset-people-{served.port}=planted").ask("GET", f"/p/{project}/work")[0] == 401


def test_who_logs_out_is_out(served, lead, project):
    ann = joined(served, invitation(lead, project), "Ann")
    kept = ann.cookie
    ann.send("/leave", token=ann.open(f"/p/{project}/work")[1]["token"])
    assert Client(served, cookie=kept).ask("GET", f"/p/{project}/work")[0] == 401


def test_a_project_is_closed_to_those_of_another(served, lead, project):
    other = collecting.project(lead)
    ann = joined(served, invitation(lead, project), "Ann")
    for page in ("", "/work", "/guide", "/me", "/people", "/quality", "/data", "/settings", "/examples.jsonl"):
        assert ann.ask("GET", f"/p/{other}{page}")[0] == 404
    form = ann.open(f"/p/{project}/work")[1]
    assert ann.ask("POST", f"/p/{other}/work", form | {"label": "orders"})[0] == 404


def test_who_labels_does_not_lead(served, lead, project):
    ann = joined(served, invitation(lead, project), "Ann")
    token = ann.open(f"/p/{project}/work")[1]["token"]
    for page in ("people", "quality", "disputes", "data", "settings"):
        assert ann.ask("GET", f"/p/{project}/{page}")[0] == 403
        if page != "quality":
            assert ann.ask("POST", f"/p/{project}/{page}", {"token": token, "role": "owner", "uses": 1})[0] == 403
    assert ann.ask("GET", f"/p/{project}/examples.jsonl")[0] == 403
    assert ann.ask("GET", "/new")[0] == 403


def test_a_viewer_reads_and_a_lead_does_not_remove_the_owner(served, lead, project):
    seen = joined(served, invitation(lead, project, role="viewer"), "Vic")
    assert "How to label" in seen.open(f"/p/{project}")[0]
    assert seen.ask("GET", f"/p/{project}/work")[0] == 403
    second = joined(served, invitation(lead, project, role="lead"), "Lea")
    page, form = second.open(f"/p/{project}/people")
    with open_database(served.database).read() as tx:
        (boss,) = tx.all(sa.select(tables.member.c.contributor_id).where(tables.member.c.role == "owner").limit(1))
    assert second.ask("POST", f"/p/{project}/people", {"token": form["token"], "remove": boss[0]})[0] == 403
    ids = re.findall(r'name="remove" value="([^"]+)"', page)
    second.send(f"/p/{project}/people", token=form["token"], remove=ids[0])
    assert seen.ask("GET", f"/p/{project}/guide")[0] == 404


def test_the_lease_of_somebody_else_opens_nothing(served, lead, project):
    path = invitation(lead, project, uses=2)
    ann, bob = (joined(served, path, name) for name in ("Ann", "Bob"))
    theirs, own = ann.open(f"/p/{project}/work")[1], bob.open(f"/p/{project}/work")[1]
    sent = own | {"lease": theirs["lease"], "label": "orders"}
    assert bob.ask("POST", f"/p/{project}/work", sent)[0] == 404
    assert "0 labels" in bob.open(f"/p/{project}/me")[0]


def test_hostile_words_are_words_on_every_page(served, lead):
    evil = "<script>alert(1)</script><img src=x onerror=alert(1)>"
    found = collecting.project(
        lead,
        overlap=2,
        consent=f"{evil} [x](javascript:alert(1))",
        labels=f"a: {evil}\nb",
        rows=f"{evil} and more words",
    )
    token = lead.open(f"/p/{found}/settings")[1]["token"]
    lead.send(f"/p/{found}/settings", token=token, what="guideline", markdown=f"{evil} ![x](http://evil.example/x.png)")
    lead.send(f"/p/{found}/settings", token=token, what="ask", key=evil, options=f"{evil},b")
    lead.send(f"/p/{found}/consent", token=token, agree="1")
    path = invitation(lead, found, uses=2)
    pages = [Client(served).open(path)[0]]
    for name, value in ((evil, "a"), ("Bob", "b")):
        person = joined(served, path, name, agree="1")
        pages += [person.open(f"/p/{found}/{each}")[0] for each in ("work", "guide", "me", "consent")]
        label(person, found, value)
    pages += [
        lead.open(f"/p/{found}{each}")[0] for each in ("/people", "/disputes", "/quality", "/data", "/settings", "")
    ]
    for page in pages:
        assert "<script>alert" not in page
        assert "<img" not in page
        assert 'href="javascript:' not in page


def test_a_body_of_a_hundred_megabytes_is_refused(served, lead, project):
    token = lead.open(f"/p/{project}/data")[1]["token"]
    head = {"Content_Type": "application/x-www-form-urlencoded"}
    try:
        status = lead.ask(
            "POST", f"/p/{project}/data", body=f"token={token}&rows=".encode() + bytes(100 << 20), **head
        )[0]
    except (ConnectionError, http.client.HTTPException):
        status = 413  # the line was cut before the answer was read
    assert status == 413
    assert "40 texts" in lead.open(f"/p/{project}/data")[0]


@pytest.mark.parametrize(
    "path", ["/static/../collect.py", "/static/%2e%2e/door.py", "/owner/x", "/owner/", "/p/", "/p/x/y"]
)
def test_what_is_not_there_is_not_given(served, path):
    assert Client(served).ask("GET", path)[0] in (401, 404)


def test_a_mistake_in_a_form_is_said_and_what_was_typed_stays(served, lead):
    token = lead.open("/new")[1]["token"]
    status, _, page = lead.ask("POST", "/new", {"token": token, "name": "X", "labels": "a\na", "overlap": "2"})
    assert (status, "two labels have one key" in page, 'value="X"' in page) == (400, True, True)
    status, _, page = lead.ask("POST", "/new", {"token": token, "name": "X", "overlap": "0"})
    assert (status, "overlap" in page) == (400, True)


def test_a_table_gives_the_column_that_is_named(served, lead, project):
    token = lead.open(f"/p/{project}/data")[1]["token"]
    table = 'id,body\n1,"one, with a comma"\n2,"two\nlines"\n3,\n'
    said = lead.send(f"/p/{project}/data", token=token, rows=table, column="body")
    assert "2+added" in said
    assert "1+empty" in said
    status, _, page = lead.ask("POST", f"/p/{project}/data", {"token": token, "rows": table, "column": "text"})
    assert (status, "there is no column" in page) == (409, True)


# --- many at once, and a kill


@pytest.mark.slow
def test_no_answer_that_was_acknowledged_is_lost_to_fifty_kills(tmp_path):
    database, got = tmp_path / "people.db", 0
    started = Collecting(database)
    lead = owner(started)
    found = collecting.project(lead, rows="\n".join(f"text number {n} of very many" for n in range(15_000)))
    path = invitation(lead, found, uses=4)
    people = [joined(started, path, name) for name in "abcd"]
    for moment in range(50):
        with ThreadPoolExecutor(4) as pool:
            working = [pool.submit(until_the_end, person, found) for person in people]
            time.sleep(0.2 + 0.1 * (moment % 13))
            started.kill()
            got += sum(each.result() for each in working)
        started = Collecting(database, "--port", str(started.port))
        for person in people:
            person.served = started
    started.kill()
    db = open_database(database)
    with db.read():
        pass
    state = replay.state_of(replay.events(db, found))
    assert replay.recount(db, found) == []
    assert state == replay.state_now(db, found)
    assert len([each for each in state.annotations.values() if each.state == "active"]) >= got
    assert got > 200


def until_the_end(person, found):
    """Label until the line is cut; return how many answers were acknowledged."""
    done = 0
    while True:
        try:
            label(person, found, "orders")
        except (ConnectionError, http.client.HTTPException, TimeoutError):
            return done
        done += 1


def test_a_project_is_a_source(served, lead, project, tmp_path):
    ann = joined(served, invitation(lead, project), "Ann")
    for _ in range(40):
        label(ann, project)
    run = tuneset.prepare(f"people:{served.database}#{project}", out=tmp_path / "run", label=["label"])
    assert run.summary["balance"]["in"] == 40
    kept = run.examples()
    assert set(kept["label"]) == {'{"label": "orders"}', '{"label": "returns"}'}
    with pytest.raises(TunesetError, match="no project has this name"):
        tuneset.prepare(f"people:{served.database}#nobody", out=tmp_path / "b")
    with pytest.raises(TunesetError, match="there is no such database"):
        tuneset.prepare(f"people:{tmp_path}/none.db", out=tmp_path / "c")


# --- what a stranger tried


@pytest.mark.parametrize("overlap", ["9" * 30, "abc", "0", "-1", "1001"])
def test_a_number_that_cannot_be_is_said_and_nothing_is_made(lead, overlap):
    before = lead.open("/?all=1")[0].count("<li>")
    form = {"token": lead.open("/new")[1]["token"], "name": "n", "labels": "a\nb", "overlap": overlap}
    status, _, page = lead.ask("POST", "/new", form)
    assert status == 400
    assert 'class="said"' in page
    assert lead.open("/?all=1")[0].count("<li>") == before


def test_the_words_of_who_withdraws_are_in_no_file_of_the_database(tmp_path):
    started = Collecting(tmp_path / "people.db")
    lead = owner(started)
    found = collecting.project(lead)
    person = joined(started, invitation(lead, found), "ANNSECRET")
    for _ in range(6):
        label(person, found)
    files = list(tmp_path.glob("people.db*"))
    assert any(b"ANNSECRET" in path.read_bytes() for path in files)
    form = person.open(f"/p/{found}/me")[1]
    person.ask("POST", f"/p/{found}/withdraw", {"token": form["token"], "sure": "yes"})
    started.kill()
    assert not [path for path in tmp_path.glob("people.db*") if b"ANNSECRET" in path.read_bytes()]


def test_two_projects_of_one_name_are_told_apart_by_their_ids(tmp_path):
    started = Collecting(tmp_path / "people.db")
    lead = owner(started)
    one, _ = collecting.project(lead), collecting.project(lead)
    label(lead, one)
    started.kill()
    with pytest.raises(TunesetError, match="2 projects have this name"):
        tuneset.prepare(f"people:{tmp_path / 'people.db'}#Shop <b>", out=tmp_path / "run")
    assert tuneset.prepare(f"people:{tmp_path / 'people.db'}#{one}", out=tmp_path / "run").examples().height == 1


def test_a_table_with_semicolons_is_a_table(served, lead, project):
    token = lead.open(f"/p/{project}/data")[1]["token"]
    place = lead.send(f"/p/{project}/data", token=token, rows="Text;Label\nhallo du da;orders\n", column="Text")
    assert "1+added" in place


@pytest.mark.parametrize("page", ["data", "gold"])
def test_a_table_with_an_endless_cell_is_said_to_be_none(lead, project, page):
    form = {"token": lead.open(f"/p/{project}/{page}")[1]["token"], "column": "text"}
    status, _, shown = lead.ask("POST", f"/p/{project}/{page}", form | {"rows": f"text,label\n{'x' * 200_000},orders"})
    assert status in (400, 409)
    assert "this is no table" in shown


def test_a_place_of_ones_own_has_a_port():
    with pytest.raises(TunesetError, match="this is no place"):
        collecting_command("never.db", own=["nonsense"])
