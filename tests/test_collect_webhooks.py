"""Webhooks, with a real receiver: told at least once, signed, through kills; and never to an address inside."""

import base64
import contextlib
import hashlib
import hmac
import itertools
import json
import re
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import collecting
import pytest
import sqlalchemy as sa
from collecting import Collecting, invitation, joined, label, owner
from people_at_work import Clock, answer, frame, fresh, project_of, server, someone, sound

from tuneset.crawl.egress import Egress
from tuneset.people import delivering, exports, items, leaving, tables, webhooks, work
from tuneset.people.access import NotAllowedError
from tuneset.people.database import MissingError, RefusedError, open_database

EVERYTHING = ("item-done", "export-made", "person-left")


class Receiver(ThreadingHTTPServer):
    """A receiver that answers as it is told, and keeps what came."""

    daemon_threads = True

    def __init__(self, status=204, headers=(), wait=0.0):
        super().__init__(("127.0.0.1", 0), Receiving)
        self.status, self.headers, self.wait, self.got = status, headers, wait, []
        self.place = f"127.0.0.1:{self.server_address[1]}"
        self.url = f"http://{self.place}/hook?of=tuneset"

    def __enter__(self):
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()

    def types(self):
        return [json.loads(body)["type"] for _, _, body in self.got]


class Receiving(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, dict(self.headers), body))
        time.sleep(self.server.wait)
        with contextlib.suppress(OSError):  # who asked was not so patient
            self.send_response(self.server.status)
            for name, value in self.server.headers:
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()


@pytest.fixture
def clock():
    return Clock(time.time())


@pytest.fixture
def db(tmp_path, clock):
    opened = open_database(tmp_path / "people.db", clock)
    yield opened
    opened.close()


def listening(db, texts=("one", "two", "three"), events=EVERYTHING, url=None, **settings):
    project, people = project_of(db, texts, **settings)
    lead = someone(db, project, "lead", role="lead")
    secret = webhooks.add(db, lead, url, events)
    return project, people, lead, secret


def waiting(db):
    with db.read() as tx:
        return [row.status for row in tx.all(sa.select(tables.webhook_delivery))].count("waiting")


# --- what is told


def test_what_happens_is_told_once_each_signed_and_without_anybodys_words(db):
    with Receiver() as receiver:
        project, (ann, bob, _), lead, secret = listening(
            db, ["a text about a parcel", "another one"], url=receiver.url, overlap=2
        )
        egress = Egress(frozenset({receiver.place}))
        assert delivering.deliver(db, egress) == 0
        first = answer(db, ann)
        answer(db, ann)
        assert delivering.deliver(db, egress) == 0  # nobody else has labelled it yet
        answer(db, bob)
        db.clock.now += 1
        made = exports.export(db, project)
        db.clock.now += 1
        with db.read() as tx:
            its = tx.one(
                sa.select(tables.annotation.c.item_id).where(tables.annotation.c.id == first.annotation)
            ).item_id
        items.adjudicate(db, lead, its, {"category": "returns"})
        db.clock.now += 1
        leaving.withdraw(db, ann)
        assert delivering.deliver(db, egress) == 4
        assert delivering.deliver(db, egress) == 0
        assert receiver.types() == ["item-done", "export-made", "item-done", "person-left"]
        said = [json.loads(body)["data"] for _, _, body in receiver.got]
        assert said[1] == {"project": project, "number": 1, "sha256": made.sha256, "rows": 2}
        assert said[2] == {"project": project, "item": its, "by": "adjudicator"}
        assert said[3] == {"project": project, "person": ann.contributor, "annotations": 2, "items": 0}
        for path, headers, body in receiver.got:
            assert path == "/hook?of=tuneset"
            assert b"parcel" not in body
            assert checked(secret, headers, body)
            assert not checked(secret, headers, body + b" ")
        assert len({headers["webhook-id"] for _, headers, _ in receiver.got}) == 4
    sound(db, project)


def checked(secret, headers, body):
    """Verify a message as a receiver would, from the specification alone."""
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    mac = hmac.new(base64.b64decode(secret[len("whsec_") :]), signed, hashlib.sha256).digest()
    fresh_enough = abs(time.time() - int(headers["webhook-timestamp"])) < 300
    return fresh_enough and headers["webhook-signature"] == "v1," + base64.b64encode(mac).decode()


def test_what_did_not_happen_is_not_told(db):
    project, (ann, *_), lead, _ = listening(db, url="https://hooks.example.org/")

    def refused(tx):
        webhooks.tell(tx, project, "export-made", {})
        raise RefusedError("no", "", "")

    with pytest.raises(RefusedError):
        db.write(refused)
    assert waiting(db) == 0
    webhooks.switch(db, lead, webhooks.listed(db, project)["id"][0], "off")
    answer(db, ann)
    assert waiting(db) == 0


def test_gold_and_late_answers_and_other_projects_are_not_told(db):
    project, (ann, bob, _), _, _ = listening(db, ["one"], url="https://hooks.example.org/", gold_share=1)
    _, (cyd, *_) = project_of(db, ["one"])
    answer(db, cyd)
    served = work.next_item(db, ann)
    db.clock.now += 11 * 60
    answer(db, bob)
    assert work.submit(db, ann, served.token, {"category": "orders"}).state == "late"
    assert waiting(db) == 1
    items.add(db, project, frame(["two"], source="gold"))
    with db.read() as tx:
        golden = tx.one(
            sa.select(tables.item.c.id).where(tables.item.c.text == "two", tables.item.c.project_id == project)
        )
    items.set_gold(db, project, {golden.id: {"category": "orders"}})
    assert work.submit(db, ann, work.next_item(db, ann).token, {"category": "orders"}).state == "active"
    assert waiting(db) == 1


# --- again and again


def test_a_receiver_that_fails_is_asked_again_less_and_less_often_and_given_up_after_two_days(db, clock):
    with Receiver(status=500) as receiver:
        _, (ann, *_), _, _ = listening(db, ["one"], url=receiver.url)
        answer(db, ann)
        egress, start, tried = Egress(frozenset({receiver.place})), clock.now, []
        while clock.now < start + 4 * 86_400:
            delivering.deliver(db, egress)
            tried += [clock.now - start] * (len(receiver.got) > len(tried))
            clock.now += 60
        assert len(tried) == len(delivering.WAITS) + 1
        assert 1.9 * 86_400 < tried[-1] < 2.4 * 86_400
        gaps = [later - sooner for sooner, later in itertools.pairwise(tried)]
        assert gaps == sorted(gaps)
        assert len({headers["webhook-id"] for _, headers, _ in receiver.got}) == 1
    with db.read() as tx:
        assert tx.one(sa.select(tables.webhook_delivery)).status == "given up"


def test_a_receiver_that_comes_back_gets_all_and_one_that_is_gone_is_asked_no_more(db, clock):
    with Receiver(status=503) as receiver:
        project, (ann, *_), _, _ = listening(db, url=receiver.url)
        for _ in range(3):
            answer(db, ann)
        egress = Egress(frozenset({receiver.place}))
        assert delivering.deliver(db, egress) == 0
        assert len(receiver.got) == 1  # the others wait behind the one that failed
        receiver.status, clock.now = 200, clock.now + 10
        assert delivering.deliver(db, egress) == 3
        receiver.status = 410
        exports.export(db, project)
        delivering.deliver(db, egress)
        assert webhooks.listed(db, project)["state"].to_list() == ["off"]
        assert waiting(db) == 0


def test_a_receiver_that_does_not_answer_holds_nobody_up_for_long(db, monkeypatch):
    monkeypatch.setattr(delivering, "TIMEOUT", 0.5)
    with Receiver(wait=3) as slow, Receiver() as good:
        project, (ann, *_), lead, _ = listening(db, url=slow.url)
        webhooks.add(db, lead, good.url, EVERYTHING)
        for _ in range(3):
            answer(db, ann)
        start = time.monotonic()
        assert delivering.deliver(db, Egress(frozenset({slow.place, good.place}))) == 3
        assert time.monotonic() - start < 2
        assert "timeout" in webhooks.deliveries(db, project)["said"].to_list()


def test_many_messages_leave_the_other_jobs_their_turn(db, monkeypatch):
    monkeypatch.setattr(delivering, "TURN", 0.2)
    with Receiver(wait=0.15) as receiver:
        _, (ann, *_), _, _ = listening(db, [f"text number {n}" for n in range(9)], url=receiver.url)
        while answer(db, ann):
            pass
        egress = Egress(frozenset({receiver.place}))
        assert 0 < delivering.deliver(db, egress) < 9
        while waiting(db):
            delivering.deliver(db, egress)
        assert len(receiver.got) == 9


def test_two_servers_on_one_database_do_not_send_the_same_message_at_one_time(db):
    with Receiver(wait=0.1) as receiver:
        _, (ann, *_), _, _ = listening(db, url=receiver.url)
        for _ in range(3):
            answer(db, ann)
        egress = Egress(frozenset({receiver.place}))
        threads = [threading.Thread(target=delivering.deliver, args=(db, egress)) for _ in range(4)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert len(receiver.got) == 3


def test_messages_are_told_on_postgresql_too():
    with server() as uri, contextlib.closing(open_database(fresh(uri))) as db, Receiver() as receiver:
        _, (ann, *_), _, _ = listening(db, url=receiver.url)
        answer(db, ann)
        assert delivering.deliver(db, Egress(frozenset({receiver.place}))) == 1


def test_old_messages_are_forgotten(db, clock):
    with Receiver() as receiver:
        project, (ann, *_), _, _ = listening(db, url=receiver.url)
        answer(db, ann)
        egress = Egress(frozenset({receiver.place}))
        delivering.deliver(db, egress)
        clock.now += 31 * 86_400
        answer(db, ann)
        delivering.deliver(db, egress)
        assert webhooks.deliveries(db, project).height == 1
        assert len(receiver.got) == 2


# --- never inside


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "2130706433",
        "0",
        "169.254.169.254",
        "10.0.0.1",
        "[fd00::1]",
    ],
)
def test_an_address_inside_is_neither_taken_nor_told(db, host):
    with Receiver() as receiver:
        url = f"http://{host}:{receiver.server_address[1]}/"
        with pytest.raises(RefusedError, match="not on the open internet"):
            delivering.check(url, Egress())
        project, (ann, *_), _, _ = listening(db, url=url)
        answer(db, ann)
        assert delivering.deliver(db, Egress()) == 0
        assert receiver.got == []
        assert webhooks.deliveries(db, project)["said"].to_list() == ["refused-address"]


def test_a_name_that_leads_inside_later_is_not_told(db, monkeypatch):
    with Receiver() as receiver:
        port, found = (
            receiver.server_address[1],
            iter([["93.184.215.14"], ["127.0.0.1"], ["93.184.215.14", "127.0.0.1"]]),
        )
        url = f"http://hooks.example.org:{port}/"
        egress = Egress(resolver=lambda _host, _port: next(found))
        delivering.check(url, egress)
        project, (ann, *_), _, _ = listening(db, url=url)
        answer(db, ann)
        for _ in range(2):
            assert delivering.deliver(db, egress) == 0
            assert webhooks.deliveries(db, project)["said"].to_list() == ["refused-address"]
            db.clock.now += 3600
        dialled = []
        monkeypatch.setattr(socket, "create_connection", lambda address, *_: dialled.append(address) or 1 / 0)
        answers = iter([["93.184.215.14"], ["127.0.0.1"]])
        with pytest.raises(ZeroDivisionError):
            delivering.deliver(db, Egress(resolver=lambda _host, _port: next(answers)))
        assert dialled == [("93.184.215.14", port)]  # what was checked is what is dialled
        assert receiver.got == []


def test_a_redirection_inside_is_not_followed(db):
    with Receiver() as inside, Receiver(302, [("Location", f"http://{inside.place}/")]) as outside:
        _, (ann, *_), _, _ = listening(db, url=outside.url)
        answer(db, ann)
        assert delivering.deliver(db, Egress(frozenset({outside.place, inside.place}))) == 0
        assert (len(outside.got), inside.got) == (1, [])


@pytest.mark.parametrize(
    "url",
    ["", "hooks.example.org", "ftp://a.example/", "file:///etc/passwd", "http://", "http://u:p@a.example/", "http://a.example/ b",
     "http://a.example:99999/", "http://a.example/\r\nX: y", "http://[::1", "http://a.example/#x", "https://a.example/" + "x" * 2000, "gopher://a.example/"],
)  # fmt: skip
def test_what_is_no_address_is_refused(db, url):
    project, _ = project_of(db)
    lead = someone(db, project, "lead", role="lead")
    with pytest.raises(RefusedError):
        webhooks.add(db, lead, url, ["export-made"])
    assert webhooks.listed(db, project).is_empty()


def test_only_those_who_lead_this_project_have_it_tell(db):
    project, (ann, *_), _, _ = listening(db, url="https://a.example/")
    with pytest.raises(NotAllowedError):
        webhooks.add(db, ann, "https://b.example/", ["export-made"])
    other, _ = project_of(db)
    stranger = someone(db, other, "lead", role="lead")
    with pytest.raises(MissingError):
        webhooks.switch(db, stranger, webhooks.listed(db, project)["id"][0], "off")
    assert webhooks.listed(db, project)["state"].to_list() == ["on"]


# --- the whole, in a process of its own


def hook(client, project, url, *events):
    """Add a webhook on its page; return the status and the page."""
    form = client.open(f"/p/{project}/programs")[1]
    told = [("token", form["token"]), ("what", "webhook"), ("url", url)] + [("event", each) for each in events]
    status, _, page = client.ask("POST", f"/p/{project}/programs", told)
    return status, page


def eventually(holds):
    end = time.monotonic() + 30
    while not holds() and time.monotonic() < end:
        time.sleep(0.05)
    return holds()


def test_a_kill_between_what_happens_and_its_message_loses_none(tmp_path):
    with Receiver(status=503) as receiver:
        options = ("--own", receiver.place)
        started = Collecting(tmp_path / "people.db", *options)
        lead = owner(started)
        project = collecting.project(lead)
        status, page = hook(lead, project, receiver.url, "item-done")
        secret = re.search(r"whsec_[\w+/=]+", page)[0]
        assert status == 200
        assert secret not in lead.open(f"/p/{project}/programs")[0]
        ann = joined(started, invitation(lead, project), "Ann")
        for _ in range(5):
            label(ann, project)
        started.kill()
        receiver.got.clear()
        receiver.status = 200
        again = Collecting(tmp_path / "people.db", *options)
        assert eventually(lambda: len({headers["webhook-id"] for _, headers, _ in receiver.got}) == 5)
        assert all(checked(secret, headers, body) for _, headers, body in receiver.got)
        again.kill()


def test_the_page_takes_no_address_inside_and_turns_webhooks_off_and_on(tmp_path):
    with Receiver() as receiver, Receiver() as inside:
        started = Collecting(tmp_path / "people.db", "--own", receiver.place)
        lead = owner(started)
        project = collecting.project(lead)
        for url in (
            inside.url,
            f"http://localhost:{receiver.server_address[1]}/",
            "http://169.254.169.254/latest",
            "javascript:alert(1)",
        ):
            assert hook(lead, project, url, "item-done")[0] == 409
        assert hook(lead, project, receiver.url)[0] == 409  # told of nothing
        assert hook(lead, project, receiver.url, "item-done")[0] == 200
        page, form = lead.open(f"/p/{project}/programs")
        name = re.search(r'name="webhook" value="([^"]+)"', page)[1]
        lead.send(f"/p/{project}/programs", token=form["token"], what="off", webhook=name)
        assert "Turn it on" in lead.open(f"/p/{project}/programs")[0]
        lead.send(f"/p/{project}/programs", token=form["token"], what="on", webhook=name)
        label(lead, project)
        assert eventually(lambda: len(receiver.got) == 1)
        assert eventually(lambda: "delivered (204)" in lead.open(f"/p/{project}/programs")[0])
        assert inside.got == []
        assert started.stop() == 0
        started.kill()


def test_the_page_says_what_each_event_and_each_scope_means():
    from tuneset.people import access
    from tuneset.web import programs

    assert tuple(programs.EVENTS) == webhooks.EVENTS
    assert tuple(programs.SCOPES) == access.SCOPES
