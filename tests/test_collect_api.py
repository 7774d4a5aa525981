"""The API, files and increments, asked over real sockets: what a program can do, and what it is refused."""

import gzip
import http.client
import json
import re
from pathlib import Path

import collecting
import pytest
from collecting import Client, Collecting, invitation, joined, label, owner

from tuneset.people import access, incoming, projects
from tuneset.people.access import NotAllowedError
from tuneset.people.database import RefusedError, open_database
from tuneset.people.projects import Person
from tuneset.web.api import A_MINUTE, Pace

HTTPException = pytest.importorskip(
    "starlette.exceptions", reason="no app: pip install 'tuneset[people]'"
).HTTPException


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    started = Collecting(tmp_path_factory.mktemp("people") / "people.db")
    yield started
    started.kill()


@pytest.fixture(scope="module")
def lead(served):
    return owner(served)


@pytest.fixture
def project(lead):
    return collecting.project(lead)


def token(client, project, *scopes):
    """Make a token on its page, where it is shown once."""
    page, form = client.open(f"/p/{project}/programs")
    told = [("token", form["token"]), ("what", "token"), ("name", "import")] + [("scope", each) for each in scopes]
    status, _, page = client.ask("POST", f"/p/{project}/programs", told)
    assert status == 200
    found = re.search(r'<code class="command">([\w-]+)</code>', page)[1]
    assert found not in client.open(f"/p/{project}/programs")[0]
    return found


class Program:
    """A program with a token; what it sends is JSON, what it gets is a status and JSON."""

    def __init__(self, served, project, key):
        self.client, self.path = Client(served), f"/api/v1/projects/{project}"
        self.headers = {"Authorization": f"Bearer {key}"} if key else {}

    def ask(self, method, path="", body=None, **headers):
        sent = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
        status, said, answer = self.client.ask(method, self.path + path, body=sent, **(self.headers | headers))
        assert "set-cookie" not in said
        return status, json.loads(answer) if said["content-type"] == "application/json" else answer


def lines(*rows):
    return b"\n".join(json.dumps(row).encode() for row in rows)


# --- what a program can do


def test_a_program_adds_texts_labels_them_and_takes_increments_away(served, lead):
    project = collecting.project(lead, rows="where is my parcel? it was to be here by now")
    program = Program(served, project, token(lead, project, "read", "add", "label"))
    assert program.ask("GET")[1]["items"] == 1
    sent = lines(
        {"text": "how do I send the shoes back?"},
        "a text alone, about an order",
        {"text": ""},
        {"id": 7, "text": "seven"},
    )
    assert program.ask("POST", "/items", sent)[1] == {"added": 3, "duplicates": 0, "known": 0, "changed": 0, "empty": 1}
    assert program.ask("POST", "/items", sent)[1]["known"] == 3
    assert program.ask("POST", "/items", lines({"id": 7, "text": "other words"}))[1]["changed"] == 1
    seen = []
    while (served_item := program.ask("POST", "/next")[1])["item"]:
        seen.append(served_item["text"])
        assert served_item["labels"] == ["orders", "returns", "account", "product"]
        told = {"token": served_item["token"], "value": "orders"}
        assert program.ask("POST", "/labels", told)[0] == 201
        assert program.ask("POST", "/labels", told) == (200, program.ask("POST", "/labels", told)[1])
    assert len(set(seen)) == 4
    assert program.ask("GET")[1] | {"project": ""} == {
        "project": "",
        "name": "Shop <b>",
        "kind": "label",
        "state": "open",
        "items": 4,
        "done": 4,
        "annotations": 4,
        "increments": 0,
    }
    rows = [json.loads(line) for line in program.ask("GET", "/examples")[1].splitlines()]
    assert {row["text"] for row in rows} == set(seen)
    status, made = program.ask("POST", "/increments")
    assert (status, made["ops"], made["labels"]) == (201, {"add": 4}, {"orders": 4})
    assert program.ask("GET", "/increments")[1]["increments"] == [made]
    given = program.ask("GET", "/increments/1")[1]
    assert {json.loads(line)["text"] for line in given.splitlines()} == set(seen)
    status, said = program.ask("POST", "/increments")
    assert (status, said["what"]) == (409, "nothing has changed since increment 1")
    assert program.ask("GET", "/increments/2")[0] == 404


def test_live_traffic_comes_in_by_the_api(served, lead, project):
    program = Program(served, project, token(lead, project, "live", "read"))
    assert program.ask("POST", "/live", {"texts": ["what a user wrote just now"]}) == (200, {"came": 1})
    assert program.ask("POST", "/live", {"texts": ["and then", ""]}) == (200, {"came": 2})
    assert program.ask("GET")[1]["items"] == 40  # nobody is asked to label it unless a lead says so
    assert program.ask("POST", "/live", {"texts": [1]})[0] == 409


def test_a_large_body_is_added_part_by_part_and_what_came_before_a_wrong_line_stays(served, lead, project):
    program = Program(served, project, token(lead, project, "add", "read"))
    many = [{"text": f"text number {n} of very many {'so ' * 400}"} for n in range(6000)]
    body = lines(*many)
    assert len(body) > 4 << 20  # more than any other request may bring
    assert program.ask("POST", "/items", body)[1]["added"] == 6000
    wrong = lines(*({"text": f"other {n}"} for n in range(1200))) + b"\n{not json}\n" + lines({"text": "after"})
    status, said = program.ask("POST", "/items", wrong)
    assert (status, said["where"], said["so_far"]["added"]) == (409, "line 1201", 1000)
    assert program.ask("GET")[1]["items"] == 40 + 6000 + 1000


def test_a_label_that_the_project_does_not_have_comes_in_by_no_door(served, lead, project):
    program = Program(served, project, token(lead, project, "add", "read"))
    status, said = program.ask("POST", "/items", lines({"text": "hi there you", "label": "nope"}))
    assert (status, said["what"]) == (400, "unknown label 'nope'")
    assert program.ask("GET")[1]["items"] == 40


def test_whole_examples_keep_their_ids_and_what_they_know():
    row = {"id": "0" * 32, "text": "hi", "labels": '{"category": "other"}', "groups": ["thread:1"], "source": "crm"}
    found = incoming.examples([json.dumps(row | {"channel": "chat"}).encode()], "api", "category").row(0, named=True)
    assert (found["id"], found["source"], found["groups"]) == ("0" * 32, "crm", ["thread:1"])
    assert (found["label"], found["extra"]) == ('{"category": "other"}', '{"channel":"chat"}')
    talk = incoming.examples([b'{"messages": [{"role": "user", "content": "hi"}]}'], "api", "category")
    assert talk["text"].to_list() == ["hi"]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"{", "no JSON"),
        (b"\xff", "no JSON"),
        (b"17", "neither a text"),
        (b"{}", "neither text nor messages"),
        (b'{"text": 1}', "neither text nor messages"),
        (b'{"text": "a", "labels": 1}', "labels is no object"),
        (b'{"text": "a", "labels": "{"}', "labels is no object"),
        (b'{"messages": {}}', "messages is no list"),
        (b'{"text": "a", "groups": "b"}', "groups is no list"),
        (b'{"text": "a", "id": []}', "id is neither"),
    ],
)
def test_a_line_that_is_none_of_ours_is_named(line, says):
    with pytest.raises(RefusedError, match=says) as error:
        incoming.examples([b'"fine"', b"", line], "api", "category", first=10)
    assert error.value.where == "line 12"


def test_a_program_skips_and_flags_as_its_person(served, lead, project):
    program = Program(served, project, token(lead, project, "label"))
    first = program.ask("POST", "/next")[1]
    assert program.ask("POST", "/labels", {"token": first["token"], "skip": "I cannot tell"})[1] == {"state": "skipped"}
    second = program.ask("POST", "/next")[1]
    assert second["item"] != first["item"]
    assert program.ask("POST", "/labels", {"token": second["token"], "flag": "broken"})[1] == {"state": "flagged"}
    assert "broken" in lead.open(f"/p/{project}/disputes")[0]
    third = program.ask("POST", "/next")[1]
    for wrong in ({}, {"token": third["token"]}, {"token": third["token"], "value": "nothing of ours"}, [], "x"):
        status, said = program.ask("POST", "/labels", wrong)
        assert (status, set(said)) == (409, {"what", "where", "hint"})


def test_the_token_of_an_item_opens_it_in_its_own_project_only(served, lead, project):
    other = collecting.project(lead, rows="a text of another project")
    there, here = (Program(served, each, token(lead, each, "label", "read")) for each in (other, project))
    held = there.ask("POST", "/next")[1]["token"]
    assert here.ask("POST", "/labels", {"token": held, "value": "orders"})[0] == 404
    assert here.ask("POST", "/labels", {"token": held, "skip": "x"})[0] == 404
    assert there.ask("GET")[1]["annotations"] == here.ask("GET")[1]["annotations"] == 0


def test_a_program_that_asks_without_end_is_slowed_down(served, lead, project):
    key = token(lead, project, "read")
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)
    for _ in range(2 * A_MINUTE + 1):  # a minute may end in between
        connection.request("GET", f"/api/v1/projects/{project}/increments", headers={"Authorization": f"Bearer {key}"})
        answer = connection.getresponse()
        said = json.loads(answer.read())
        if answer.status != 200:
            break
    connection.close()
    assert (answer.status, answer.headers["retry-after"]) == (429, "60")
    assert said["what"] == "More than 1,200 requests a minute."
    assert Program(served, project, token(lead, project, "read")).ask("GET")[0] == 200


# --- what it is refused


CALLS = [
    ("GET", "", "read"),
    ("GET", "/examples", "read"),
    ("GET", "/increments", "read"),
    ("GET", "/increments/1", "read"),
    ("POST", "/increments", "add"),
    ("POST", "/items", "add"),
    ("POST", "/next", "label"),
    ("POST", "/labels", "label"),
    ("POST", "/live", "live"),
]


@pytest.mark.parametrize("call", CALLS, ids=" ".join)
def test_a_token_opens_its_own_project_for_what_it_says_and_nothing_else(served, lead, project, call):
    method, path, scope = call
    other = collecting.project(lead, rows="a text of another project")
    key = token(lead, project, *(each for each in access.SCOPES if each != scope))
    status, said = Program(served, project, key).ask(method, path)
    assert (status, said["what"]) == (403, f"this API token may not {scope}")
    good = token(lead, project, scope)
    for found, wrong in ((other, good), ("nothing", good), (project, good + "x"), (project, ""), (project, "x" * 43)):
        status, said = Program(served, found, wrong).ask(method, path)
        assert status == 401
    assert (
        Program(served, other, good).ask(method, path)[1]["what"]
        == Program(served, "nothing", good).ask(method, path)[1]["what"]
    )
    assert lead.ask(method, f"/api/v1/projects/{project}{path}")[0] == 401  # a cookie opens nothing here


def test_a_token_that_was_ended_or_has_run_out_opens_nothing(served, lead, project, tmp_path):
    key = token(lead, project, "read")
    page, form = lead.open(f"/p/{project}/programs")
    name = re.search(r'name="token_id" value="([^"]+)"', page)[1]
    other = collecting.project(lead, rows="x")
    assert (
        lead.ask("POST", f"/p/{other}/programs", {"token": form["token"], "what": "revoke", "token_id": name})[0] == 404
    )
    assert Program(served, project, key).ask("GET")[0] == 200
    lead.send(f"/p/{project}/programs", token=form["token"], what="revoke", token_id=name)
    assert Program(served, project, key).ask("GET")[0] == 401


def test_who_leads_no_more_leads_by_no_token_either(tmp_path):
    db = open_database(tmp_path / "people.db")
    boss = access.newcomer(db, "boss")
    project = projects.create(db, "shop", "label", by=boss)
    second = access.join(db, access.invite(db, project, access.Invite(role="lead")), "second")
    key = access.new_api_token(db, second, "all", access.SCOPES)
    assert access.api_user(db, project, key, "add") == second
    access.set_member(db, second, "annotator", by=boss)
    assert access.api_user(db, project, key, "label") == second
    for scope in ("read", "add", "live"):
        with pytest.raises(NotAllowedError):
            access.api_user(db, project, key, scope)
    assert access.api_tokens(db, project)["name"].to_list() == ["all"]
    with pytest.raises(NotAllowedError):
        access.new_api_token(db, Person(project, second.contributor), "more", ["read"])
    db.close()


@pytest.mark.parametrize(
    "headers", [{"Host": "evil.example"}, {"Origin": "https://evil.example"}, {"Sec_Fetch_Site": "cross-site"}]
)
def test_a_page_of_somebody_else_does_not_get_a_browser_to_ask(served, lead, project, headers):
    key = token(lead, project, "add")
    sent = {"Authorization": f"Bearer {key}"} | headers
    assert Client(served).ask("POST", f"/api/v1/projects/{project}/items", body=b'"x"', **sent)[0] == 403


def test_a_hundred_megabytes_are_taken_where_they_are_allowed_and_nowhere_else(served, lead, project):
    key = token(lead, project, "add", "label", "live", "read")
    big = b'"' + bytes(100 << 20) + b'"'
    for path, keys in (("/items", key), ("/items", "x" * 43), ("/labels", key), ("/live", key), ("/increments", key)):
        try:
            status = Program(served, project, keys).ask("POST", path, big)[0]
        except (ConnectionError, http.client.HTTPException):
            status = 413  # the line was cut before the answer was read
        assert status in ((413,) if keys == key else (401, 413)), path
    assert Program(served, project, key).ask("GET")[1]["items"] == 40


def test_a_token_is_good_for_so_many_requests_a_minute():
    pace = Pace(3)
    for _ in range(3):
        pace.take("a")
    pace.take("b")
    with pytest.raises(HTTPException) as error:
        pace.take("a")
    assert (error.value.status_code, error.value.headers["Retry-After"]) == (429, "60")


def test_what_is_not_there_is_said_in_json(served, lead, project):
    key = token(lead, project, "read")
    for method, path, wanted in (("GET", "/nothing", 404), ("DELETE", "", 405), ("GET", "/increments/x", 404)):
        status, said = Program(served, project, key).ask(method, path)
        assert (status, set(said)) == (wanted, {"what", "where", "hint"})


# --- the pages


def upload(client, project, name, content, **fields):
    """Send a file as a browser does."""
    token_ = client.open(f"/p/{project}/data")[1]["token"]
    edge = "edge-of-a-part"
    parts = [
        f'--{edge}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'
        for key, value in ({"token": token_} | fields).items()
    ]
    head = (
        f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\nContent-Type: text/html\r\n\r\n'
    )
    body = "".join(parts).encode() + head.encode() + content + f"\r\n--{edge}--\r\n".encode()
    return client.ask("POST", f"/p/{project}/file", body=body, Content_Type=f"multipart/form-data; boundary={edge}")


@pytest.mark.parametrize("name", ["rows.csv", "../../../../tmp/evil.csv", "..\\..\\x.csv", ".csv", "a" * 300 + ".csv"])
def test_a_file_is_taken_whatever_it_is_called(served, lead, name):
    project = collecting.project(lead, rows="x")
    table = "id,body,kind\n1,where is the parcel that I sent?,orders\n2,=cmd|' /C calc'!A0 is what I saw,returns\n3,,orders\n"
    status, headers, _ = upload(lead, project, name, table.encode(), text="body", labels="kind")
    assert status == 303
    assert "2+added" in headers["location"]
    assert "1+empty" in headers["location"]
    rows = [json.loads(line) for line in lead.ask("GET", f"/p/{project}/examples.jsonl")[2].splitlines()]
    assert {row["label"] for row in rows} == {"orders", "returns"}  # in the column of the project


def test_files_of_many_kinds_are_read_and_what_is_none_is_said(served, lead, project):
    rows = b'{"text": "where is my large parcel?"}\n{"text": "how do I send a hat back?"}\n'
    assert "2+added" in upload(lead, project, "rows.jsonl.gz", gzip.compress(rows))[1]["location"]
    assert "2+known" in upload(lead, project, "rows.jsonl", rows)[1]["location"]
    talk = b'{"messages": [{"role": "user", "content": "hello there"}, {"role": "assistant", "content": "hi"}]}\n'
    assert upload(lead, project, "talks.jsonl", talk)[1]["location"].endswith("said=1+added.")
    status, _, page = upload(lead, project, "rows.csv", b"a,b\n1,2\n", text="nothing")
    assert (status, "nothing" in page) == (409, True)
    assert upload(lead, project, "bomb.csv.gz", gzip.compress(bytes(600 << 20), 1))[0] == 409
    ann = joined(served, invitation(lead, project), "Ann")
    token_ = ann.open(f"/p/{project}/work")[1]["token"]
    sent = f'--e\r\nContent-Disposition: form-data; name="token"\r\n\r\n{token_}\r\n--e--\r\n'.encode()
    kind = {"Content_Type": "multipart/form-data; boundary=e"}
    assert ann.ask("POST", f"/p/{project}/file", body=sent, **kind)[0] == 403
    assert Client(served).ask("POST", f"/p/{project}/file", body=sent, **kind)[0] == 401


def test_increments_are_made_and_downloaded_on_their_page(served, lead, project):
    token_ = lead.open(f"/p/{project}/export")[1]["token"]
    assert "Nothing+is+labelled" in lead.send(f"/p/{project}/export", token=token_)
    ann = joined(served, invitation(lead, project), "Ann")
    for _ in range(10):
        label(ann, project)
    lead.send(f"/p/{project}/export", token=token_)
    page, _ = lead.open(f"/p/{project}/export")
    assert "10 new, 0 corrected, 0 gone" in page
    status, headers, rows = lead.ask("GET", f"/p/{project}/export/1.jsonl")
    assert (status, headers["content-disposition"]) == (200, 'attachment; filename="increment-0001.jsonl"')
    assert len(rows.splitlines()) == 10
    told = json.loads(lead.ask("GET", f"/p/{project}/export/1.json")[2])
    assert (told["rows"], told["parent"]) == (10, "")
    form = ann.open(f"/p/{project}/me")[1]
    assert ann.ask("POST", f"/p/{project}/withdraw", {"token": form["token"], "sure": "yes"})[0] == 200
    assert "10 emptied since" in lead.open(f"/p/{project}/export")[0]
    assert "10+rows" in lead.send(f"/p/{project}/export", token=token_)
    other = collecting.project(lead, rows="x")
    for path in (
        "2.jsonl",
        "0.jsonl",
        "-1.jsonl",
        "../1.jsonl",
        "%2e%2e%2f1.jsonl",
        "1.jsonl%00",
        "99999999999999999999.jsonl",
        "9.json",
    ):
        assert lead.ask("GET", f"/p/{project if path != '2.jsonl' else other}/export/{path}")[0] == 404, path


def test_who_labels_makes_no_increment_no_token_and_no_webhook(served, lead, project):
    ann = joined(served, invitation(lead, project), "Ann")
    token_ = ann.open(f"/p/{project}/work")[1]["token"]
    for page in ("export", "programs"):
        assert ann.ask("GET", f"/p/{project}/{page}")[0] == 403
        assert ann.ask("POST", f"/p/{project}/{page}", {"token": token_, "what": "token", "scope": "read"})[0] == 403
        assert lead.ask("POST", f"/p/{project}/{page}", {"token": "x"})[0] == 403
    assert ann.ask("GET", f"/p/{project}/export/1.jsonl")[0] == 403


def test_a_large_body_takes_little_memory(served, lead):
    project = collecting.project(lead, rows="x")
    program = Program(served, project, token(lead, project, "add"))
    assert program.ask("POST", "/items", lines({"text": "the first, so that all is loaded"}))[0] == 200
    before, size = high_water(served), 0
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=120)

    def body():
        nonlocal size
        for n in range(1500):
            yield (part := lines({"text": f"{n} {'words and words ' * 4096}"}) + b"\n")
            size += len(part)

    connection.request("POST", program.path + "/items", body(), program.headers, encode_chunked=True)
    assert json.loads(connection.getresponse().read())["added"] == 1500
    connection.close()
    assert size > 90 << 20
    assert high_water(served) - before < 64 << 20


def high_water(served):
    """Return the most memory, in bytes, that the server has had."""
    found = Path(f"/proc/{served.process.pid}/status").read_text(encoding="utf-8")
    return int(re.search(r"VmHWM:\s+(\d+)", found)[1]) << 10
