"""The review's server, asked over real sockets: what a form writes, and who is refused."""

import http.client
import json
import re
import shutil
import subprocess
import sys

import polars as pl
import pytest
import review_run
from collecting import Client
from review_run import HOSTILE, Served

from tuneset import Dataset
from tuneset.errors import TunesetError


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    return review_run.prepared(tmp_path_factory.mktemp("review") / "run").path


@pytest.fixture(scope="module")
def serving(prepared, tmp_path_factory):
    """Serve one run for all tests: what they write is removed between them."""
    path = shutil.copytree(prepared, tmp_path_factory.mktemp("served") / "run")
    started = Served(path)
    yield started
    started.process.kill()
    started.process.communicate()


@pytest.fixture
def served(serving):
    serving.decisions.unlink(missing_ok=True)
    return serving


@pytest.fixture
def run(served):
    return Dataset.open(served.run)


class Asking(Client):
    """A client that has the cookie, or not, and says what it likes in its headers."""

    def __init__(self, served, *, enters=True):
        super().__init__(served)
        if enters:
            status, headers, _ = self.ask("GET", f"/?key={served.key}")
            assert (status, headers["location"]) == (303, "/")  # the key leaves the address
            assert "httponly" in headers["set-cookie"].lower()
            assert "samesite=lax" in headers["set-cookie"].lower()

    def open(self, path="/next"):
        status, _, page = self.ask("GET", path)
        assert status == 200, page
        hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page))
        return page, hidden | {"id": (re.search(r'action="/finding/(\w+)', page) or ["", ""])[1]}


def decisions(run):
    path = run.path / "decisions.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_a_form_writes_one_decision_however_often_it_is_sent(served, run):
    asking = Asking(served)
    _, form = asking.open("/next?rule=typo")
    sent = {"token": form["token"], "saw": form["saw"], "verdict": "accept", "rule": "typo"}
    for _ in range(3):
        status, headers, _ = asking.ask("POST", f"/finding/{form['id']}", sent)
        assert (status, headers["location"]) == (303, "/next?rule=typo")
    assert [(row["finding"], row["verdict"], row["by"]) for row in decisions(run)] == [(form["id"], "accept", "ann")]
    assert asking.open("/next?rule=typo")[1]["id"] != form["id"]


def test_without_the_link_nothing_is_shown_and_nothing_is_written(served, run):
    stranger, asking = Asking(served, enters=False), Asking(served)
    _, form = asking.open()
    for path in ("/", "/next", f"/finding/{form['id']}", "/answered", "/?key=wrong"):
        status, _, page = stranger.ask("GET", path)
        assert status == 401
        assert "order" not in page
    sent = {"token": form["token"], "saw": form["saw"], "verdict": "accept"}
    assert stranger.ask("POST", f"/finding/{form['id']}", sent)[0] == 401
    assert decisions(run) == []


@pytest.mark.parametrize(
    ("headers", "token"),
    [
        ({"Origin": "https://evil.example"}, True),
        ({"Origin": "null"}, True),
        ({"Sec_Fetch_Site": "cross-site"}, True),
        ({"Sec_Fetch_Site": "same-site"}, True),
        ({"Host": "evil.example"}, True),
        ({"Host": "127.0.0.1:1"}, True),
        ({}, False),
    ],
)
def test_what_writes_must_come_from_our_own_pages(served, run, headers, token):
    asking = Asking(served)
    _, form = asking.open()
    sent = {"saw": form["saw"], "verdict": "accept"} | ({"token": form["token"]} if token else {"token": "x"})
    for path in (f"/finding/{form['id']}", f"/finding/{form['id']}/alike", "/undo"):
        assert asking.ask("POST", path, sent, **headers)[0] == 403
    assert decisions(run) == []


def test_a_name_that_was_made_to_point_here_sees_nothing(served):
    assert Asking(served).ask("GET", "/next", Host="evil.example:80")[0] == 403


def test_a_body_of_a_hundred_megabytes_and_one_that_is_no_form_are_refused(served, run):
    asking = Asking(served)
    _, form = asking.open()
    path = f"/finding/{form['id']}"
    head = {"Content_Type": "application/x-www-form-urlencoded"}
    with Cut() as seen:
        seen.append(asking.ask("POST", path, body=b"text=" + bytes(100 << 20), **head)[0])
    assert seen in ([413], [])
    assert asking.ask("POST", path, body=b"{}", Content_Type="application/json")[0] == 415
    assert asking.ask("POST", path, body=b"a=1&" * 5000, **head)[0] in (400, 403, 413)
    assert asking.ask("GET", "/")[0] == 200
    assert decisions(run) == []


class Cut:
    """A server may answer before a body is whole; then the client sees the answer, or only that the line is cut."""

    def __enter__(self):
        self.seen = []
        return self.seen

    def __exit__(self, kind, *_):
        return kind is not None and issubclass(kind, (ConnectionError, http.client.HTTPException))


@pytest.mark.parametrize(
    "path",
    [
        "/static/../review.py",
        "/static/%2e%2e/review.py",
        "/static//etc/passwd",
        "/static/..%2f..%2fcli.py",
        "/static/x",
    ],
)
def test_nothing_but_our_own_style_sheets_and_script_is_given(served, path):
    assert Asking(served).ask("GET", path)[0] == 404


def test_every_answer_tells_the_browser_what_it_may_do(served):
    asking = Asking(served)
    for path in ("/", "/next", "/nowhere", "/static/web.css", "/finding/none"):
        _, headers, page = asking.ask("GET", path)
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert (headers["x-content-type-options"], headers["referrer-policy"]) == ("nosniff", "same-origin")
        assert "server" not in headers
        assert " style=" not in page
        assert " onclick=" not in page


def test_hostile_texts_are_text(served, run):
    ids = run.folder.findings().join(
        run.folder.table("get", "examples").filter(pl.col("text") == HOSTILE), left_on="example", right_on="id"
    )["id"]
    assert len(ids) > 0
    pages = [Asking(served).open(f"/finding/{each}")[0] for each in ids]
    assert any("&lt;" in page for page in pages)
    for page in pages:
        assert "<script>document" not in page
        assert "<img" not in page


def test_an_edit_comes_back_character_for_character(served, run):
    asking = Asking(served)
    lines = run.findings("typo").filter(pl.col("text").str.contains("first line of my", literal=True))["id"][0]
    page, form = asking.open(f"/finding/{lines}")
    area = re.search(r"<textarea[^>]*>\n(.*?)</textarea>", page, re.DOTALL)[1]
    text = area.replace("received", "own").replace("\n", "\r\n")  # as a browser sends it
    sent = {"token": form["token"], "saw": form["saw"], "verdict": "edit", "text": text}
    assert asking.ask("POST", f"/finding/{lines}", sent)[0] == 303
    after = run.findings("typo").filter(id=lines)["after"][0]
    assert decisions(run)[0]["after"] == after.replace("received", "own")


def test_an_edit_of_labels_takes_a_value_for_each_column(served, run):
    asking = Asking(served)
    _, form = asking.open("/next?rule=label-error")
    sent = {
        "token": form["token"],
        "saw": form["saw"],
        "verdict": "edit",
        "label:category": "New",
        "label:sub_category": "One",
    }
    assert asking.ask("POST", f"/finding/{form['id']}", sent)[0] == 303
    assert json.loads(decisions(run)[0]["after"]) == {"category": "New", "sub_category": "One"}


def test_an_edit_that_is_refused_is_shown_again_with_what_was_typed(served, run):
    asking = Asking(served)
    _, form = asking.open("/next?rule=conflicting-label")
    sent = {"token": form["token"], "saw": form["saw"], "verdict": "edit", "chosen": '{"x": "<b>"}'}
    status, _, page = asking.ask("POST", f"/finding/{form['id']}", sent)
    assert (status, "not the label columns" in page) == (400, True)
    assert decisions(run) == []


def test_a_finding_that_has_changed_since_it_was_opened_is_shown_again(served, run):
    asking = Asking(served)
    _, form = asking.open("/next?rule=typo")
    sent = {"token": form["token"], "saw": "0" * 32, "verdict": "accept"}
    status, _, page = asking.ask("POST", f"/finding/{form['id']}", sent)
    assert (status, "changed since you opened it" in page) == (409, True)
    assert decisions(run) == []


def test_answering_alike_answers_what_was_shown_and_nothing_that_came_since(served, run):
    asking = Asking(served)
    typo = run.findings("typo").filter(pl.col("says").str.contains('"recieve"'))
    path = f"/finding/{typo['id'][0]}/alike"
    page, form = asking.open(f"{path}?verdict=accept")
    assert page.count("did you <del>recieve</del><ins>receive</ins>") == len(review_run.TYPOS)
    run.decide(typo["id"][3], "reject")  # somebody else, meanwhile
    sent = {"token": form["token"], "verdict": "accept", "shows": form["shows"]}
    status, headers, _ = asking.ask("POST", path, sent)
    assert (status, headers["location"]) == (303, f"{path}?verdict=accept")
    assert len(decisions(run)) == 1
    _, form = asking.open(f"{path}?verdict=accept")
    assert asking.ask("POST", path, sent | {"shows": form["shows"]})[0] == 303
    assert len(decisions(run)) == len(review_run.TYPOS)
    assert asking.ask("POST", "/undo", {"token": form["token"]})[0] == 303
    assert sorted(each["verdict"] for each in decisions(run)[-11:]) == ["undo"] * 11


def test_while_a_run_is_being_prepared_the_page_says_so_and_goes_on_after(served, run):
    asking = Asking(served)
    away = run.folder.manifest.with_name("away")
    run.folder.manifest.rename(away)
    status, _, page = asking.ask("GET", "/next")
    assert (status, "being prepared" in page) == (503, True)
    away.rename(run.folder.manifest)
    assert asking.ask("GET", "/next")[0] == 200


def test_ctrl_c_ends_the_review_and_says_what_comes_next(run):
    code, said = Served(run.path).stop()
    assert code == 0
    assert f"tuneset prepare {run.path}" in said
    assert "Traceback" not in said


def test_a_port_that_is_taken_is_refused_in_three_lines(served, run):
    done = subprocess.run(
        [sys.executable, "-m", "tuneset.cli", "review", str(run.path), "--port", str(served.port)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 3
    assert "this address cannot be taken" in done.stderr


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(TunesetError):
        Dataset.open(tmp_path).review()
