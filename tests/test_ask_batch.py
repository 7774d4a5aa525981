"""Asking by batches: at half the price, through faults and kills, nothing paid twice, and with the folder of `ask_many`."""

import json
import logging
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from ask_server import KEY, serving
from asking import model, questions

from tuneset.ask import Budget, Request, ask_many, batch, batched, client, dry_run, service
from tuneset.ask.asked import key_of
from tuneset.ask.budget import NANO, Cost, bound, in_batch
from tuneset.ask.cache import known
from tuneset.ask.structured import body
from tuneset.errors import RunError

PLENTY = Budget(money=100)
HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setenv("TUNESET_TEST_KEY", KEY)
    monkeypatch.setattr(client, "PAUSE", 0.02)
    monkeypatch.setattr(service, "POLL", 0.02)


@pytest.fixture
def serve():
    servers = []

    def start(**about):
        servers.append(serving(**about))
        return servers[-1]

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def ask(server, requests, folder, budget=PLENTY, **about):
    return list(batched(requests, model(server.url), folder, budget, **about))


def problems(answers):
    return Counter(answer.problem for answer in answers)


def asked_alone(server):
    return sum(each.path.endswith("/chat/completions") for each in server.requests)


def sizes(server):
    return [server.files[each["input_file_id"]].count(b"\n") for each in server.batches.values()]


# --- the plain way


def test_each_request_gets_its_answer_at_half_the_price_and_a_second_call_asks_nothing(serve, tmp_path):
    server = serve()
    answers = ask(server, questions(130), tmp_path)
    assert {each.key: each.value for each in answers} == {
        key_of(each, model(server.url)): {"text": f"You said: {each.messages[1]['content']}"} for each in questions(130)
    }
    assert (sizes(server), asked_alone(server), server.paid.total()) == ([130], 0, 130)
    assert not any(each.known for each in answers)
    at_full = serve()
    list(ask_many(questions(130), model(at_full.url), tmp_path / "full", PLENTY))
    assert server.cost(1, 2) == pytest.approx(at_full.cost(1, 2) / 2)
    reserved = [
        each["money"]
        for each in map(json.loads, (tmp_path / "asked.jsonl").read_bytes().splitlines())
        if each["kind"] == "asks"
    ]
    cheap = in_batch(model(server.url))
    assert reserved == [bound(each, body(each, cheap, "json_schema"), cheap).money for each in questions(130)]
    assert sum(each.reply.cost for each in answers) == pytest.approx(server.cost(1, 2), abs=1e-6)
    assert known(tmp_path).spent.money == pytest.approx(server.cost(1, 2) * NANO, abs=130)
    before = len(server.requests)
    assert all(each.known for each in ask(server, questions(130), tmp_path))
    assert len(server.requests) == before


def test_batches_and_single_requests_share_the_folder(serve, tmp_path):
    server = serve()
    list(ask_many(questions(10), model(server.url), tmp_path, PLENTY))
    answers = ask(server, questions(30), tmp_path)
    assert sizes(server) == [20]
    assert sum(each.known for each in answers) == 10
    list(ask_many(questions(30), model(server.url), tmp_path, PLENTY))
    assert server.paid.total() == 30


def test_the_same_request_twice_is_one_line_and_two_answers(serve, tmp_path):
    server = serve()
    assert problems(ask(server, questions(5) * 3, tmp_path)) == {"": 15}
    assert sizes(server) == [5]


def test_a_file_says_what_a_single_request_would(serve, tmp_path):
    server = serve()
    requests = [each._replace(parameters={"temperature": 0.5}) for each in questions(2)]
    ask(server, requests, tmp_path / "a")
    list(ask_many(requests, model(server.url), tmp_path / "b", PLENTY))
    lines = [json.loads(each) for each in server.files["file-0"].splitlines()]
    alone = [json.loads(each.raw) for each in server.requests if each.path.endswith("/chat/completions")]
    assert [each["body"] for each in lines] == sorted(alone, key=lambda each: each["messages"][1]["content"])
    assert [each["custom_id"] for each in lines] == [key_of(each, model(server.url)) for each in requests]
    begun = next(
        json.loads(each.raw) for each in server.requests if (each.method, each.path) == ("POST", "/v1/batches")
    )
    assert (begun["endpoint"], begun["completion_window"]) == ("/v1/chat/completions", "24h")


def test_files_are_cut_where_they_would_be_too_large(serve, tmp_path, monkeypatch):
    monkeypatch.setattr(batch._Batches, "size", 40)
    monkeypatch.setattr(batch, "BYTES", 15_000)
    server = serve()
    assert problems(ask(server, questions(100), tmp_path)) == {"": 100}
    assert max(sizes(server)) <= 40
    assert all(len(server.files[each["input_file_id"]]) <= 15_000 for each in server.batches.values())
    assert sum(sizes(server)) == 100


@pytest.mark.parametrize("limit", [{"largest": 30}, {"queue": 30}])
def test_where_the_server_takes_less_it_is_given_less_and_one_after_the_other(serve, tmp_path, limit):
    server, told = serve(batch_seconds=0.2, **limit), []
    assert problems(ask(server, questions(300), tmp_path, watch=told.append)) == {"": 300}
    taken = [size for size in sizes(server) if size <= 30]
    assert sum(taken) >= 300 - batch.FEW
    assert any("requests from here on" in each.says for each in told)
    assert server.paid.total() == 300


def test_a_server_without_batches_is_asked_one_by_one_and_says_so(serve, tmp_path):
    server, told = serve(takes_batches=False), []
    assert problems(ask(server, questions(20), tmp_path, watch=told.append)) == {"": 20}
    assert (asked_alone(server), len(server.requests)) == (20, 21)
    assert any("this server has no batches" in each.says for each in told)


@pytest.mark.parametrize("path", ["POST /files", "POST /batches"])
def test_a_server_that_lists_batches_and_takes_none_is_asked_one_by_one(serve, tmp_path, path):
    server = serve(stumbles={path: ["405"]})
    assert problems(ask(server, questions(20), tmp_path)) == {"": 20}
    assert known(tmp_path).spent.requests == 20
    assert asked_alone(server) == 20


def test_progress_says_what_is_waited_for(serve, tmp_path):
    server, told = serve(batch_seconds=0.1), []
    ask(server, questions(10), tmp_path, watch=told.append)
    assert any("batch_0: validating" in each.says for each in told)
    assert (told[-1].done, told[-1].known) == (10, 0)


def test_a_dry_run_of_a_batch_says_half(tmp_path):
    ada = model("https://host/v1")
    both = [dry_run(questions(10), ada, tmp_path, PLENTY, batch=each).money for each in (False, True)]
    assert both[1] == pytest.approx(both[0] / 2)


# --- faults


def test_of_an_expired_batch_only_what_is_missing_is_sent_again(serve, tmp_path):
    server = serve(plans=[{"status": "expired", "done": 0.5}])
    assert problems(ask(server, questions(400), tmp_path)) == {"": 400}
    assert (sizes(server), server.paid.total(), asked_alone(server)) == ([400, 200], 400, 0)
    assert known(tmp_path).unsure == Cost()


@pytest.mark.parametrize("status", ["expired", "cancelled"])
def test_what_a_stopped_batch_does_not_speak_of_was_not_paid(serve, tmp_path, status):
    server = serve(plans=[{"status": status, "done": 0.25, "silent": True}])
    assert problems(ask(server, questions(40), tmp_path)) == {"": 40}
    assert (sizes(server), asked_alone(server), server.paid.total()) == ([40], 30, 40)
    assert known(tmp_path).unsure == Cost()


def test_what_a_completed_batch_does_not_speak_of_may_have_been_paid(serve, tmp_path):
    server = serve(plans=[{"done": 0.25, "silent": True}])
    assert problems(ask(server, questions(40), tmp_path)) == {"": 40}
    assert known(tmp_path).unsure.requests == 30


def test_a_request_that_three_batches_leave_out_is_asked_alone(serve, tmp_path):
    server = serve(plans=[{"status": "expired", "done": 0}] * 5)
    assert problems(ask(server, questions(150), tmp_path)) == {"": 150}
    assert (sizes(server), asked_alone(server)) == ([150] * 3, 150)


def test_lines_with_faults_are_all_answered_or_counted(serve, tmp_path):
    faults = dict.fromkeys(["400", "429", "500", "broken", "wrong", "cut", "twice"], 0.05)
    server = serve(batch_faults=faults, seed=3)
    answers = ask(server, questions(1000), tmp_path)
    assert len({each.key for each in answers}) == len(answers) == 1000
    assert problems(answers).keys() <= {"", "rejected", "not-json", "wrong-schema"}
    assert 25 <= problems(answers)["rejected"] <= 130  # each try is refused by a chance of .05, and some try often
    assert problems(answers)[""] + problems(answers)["rejected"] >= 980  # what is mended can break again
    assert sum(each.repaired for each in answers) >= 60
    assert server.cost(1, 2) * NANO <= known(tmp_path).spent.money + 2000  # each price is rounded up by itself
    assert asked_alone(server) < 2 * batch.FEW


def test_lines_that_validation_names_are_refused_and_the_others_sent_again(serve, tmp_path):
    errors = [{"code": "invalid_request", "message": "not this one", "line": 7}]
    server = serve(plans=[{"errors": errors}])
    answers = ask(server, questions(200), tmp_path)
    assert problems(answers) == {"": 199, "rejected": 1}
    assert [each.request for each in answers if each.problem] == [questions(200)[6]]
    assert [each.says for each in answers if each.problem] == ["400: invalid_request not this one"]
    assert sizes(server) == [200, 199]


@pytest.mark.parametrize(
    "errors",
    [
        [{"code": "billing", "message": "no", "line": None}],
        [{"code": None}],
        ["text", 5],
        [{"line": 10**9}],
        [{"line": [1]}],
    ],
)
def test_a_batch_that_is_refused_as_a_whole_ends_the_run_and_costs_nothing(serve, tmp_path, errors):
    server = serve(plans=[{"errors": errors}] * 9)
    with pytest.raises(RunError, match="the server answers nothing"):
        ask(server, questions(10), tmp_path)
    assert known(tmp_path).spent == Cost()
    assert len(server.batches) == 1


def test_a_form_that_is_refused_or_ignored_is_asked_for_in_another_way(serve, tmp_path):
    server = serve(refuses={"json_schema"})
    assert problems(ask(server, questions(150), tmp_path / "a")) == {"": 150}
    assert (sizes(server), server.paid.total()) == ([150, 150], 150)
    server = serve(knows=set())
    assert problems(ask(server, questions(150), tmp_path / "b")) == {"": 150}
    assert sizes(server) == [150, 150]
    assert list(known(tmp_path / "b").rungs.values()) == ["json_object"]


@pytest.mark.parametrize("fault", ["500", "429", "503", "reset", "made"])
@pytest.mark.parametrize("path", ["GET /batches", "POST /files", "POST /batches", "GET /files"])
def test_a_stumble_on_the_way_begins_no_second_batch(serve, tmp_path, path, fault):
    server = serve(stumbles={path: [fault, fault]})
    assert problems(ask(server, questions(10), tmp_path)) == {"": 10}
    assert (len(server.batches), server.paid.total(), asked_alone(server)) == (1, 10, 0)


def test_a_batch_that_the_server_has_forgotten_counts_as_paid_and_is_asked_again(serve, tmp_path):
    server = serve(stumbles={"GET /batches": ["", "404"]})
    assert problems(ask(server, questions(10), tmp_path)) == {"": 10}
    assert known(tmp_path).unsure.requests == 10


HOSTILE = {
    "no JSON": b"\xff\xfe<html>",
    "another's line": b'{"custom_id": "x", "response": {"status_code": 200, "body": {}}}',
    "lists": b'[[]]\n5\nnull\n"text"\n{"custom_id": ["a"]}\n{"custom_id": {}}\n',
    "nothing": b"\n\n",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_file_that_is_none_is_counted(serve, tmp_path, name):
    server = serve()
    server.files = Swapped(HOSTILE[name])
    assert problems(ask(server, questions(5), tmp_path)) == {"": 5}
    assert (asked_alone(server), known(tmp_path).unsure.requests) == (5, 5)


class Swapped(dict):
    """Files whose answers are something else."""

    def __init__(self, content):
        super().__init__()
        self.content = content

    def __setitem__(self, name, content):
        super().__setitem__(name, content if name == "file-0" else self.content)


@pytest.mark.parametrize(
    "part", [{}, {"response": None}, {"response": 5}, {"response": {"status_code": "200", "body": []}}]
)
def test_a_line_that_says_nothing_of_its_request_is_counted(serve, tmp_path, part):
    server = serve()
    key = key_of(questions(1)[0], model(server.url))
    server.files = Swapped(json.dumps({"custom_id": key, **part}).encode())
    assert problems(ask(server, questions(1), tmp_path)) == {"": 1}
    assert asked_alone(server) == 1


# --- the budget


@pytest.mark.parametrize(
    ("faults", "least"),
    [({}, 0.016), (dict.fromkeys(["500", "broken", "wrong", "twice"], 0.1), 0.014), ({"cut": 0.2}, 0)],
)
def test_the_budget_is_never_exceeded_by_the_servers_own_count(serve, tmp_path, faults, least):
    server, cap = serve(batch_faults=faults), Budget(money=0.02)
    found = problems(ask(server, questions(1500), tmp_path, cap))
    assert found["budget"] > 100
    assert least < server.cost(1, 2) <= 0.02  # a line that is cut off counts in full
    assert known(tmp_path).spent.money <= 0.02 * NANO
    ask(server, questions(1500), tmp_path, cap)
    assert server.cost(1, 2) <= 0.02


def test_tokens_and_requests_set_limits(serve, tmp_path):
    server = serve()
    assert problems(ask(server, questions(50), tmp_path / "a", Budget(requests=20))) == {"": 20, "budget": 30}
    server.tokens = 0
    ask(server, questions(50), tmp_path / "b", Budget(tokens=4000))
    assert 0 < server.tokens <= 4000


def test_what_is_kept_for_those_who_are_asked_next_is_not_spent(serve, tmp_path):
    server = serve()
    found = ask(server, questions(50), tmp_path, Budget(requests=40), aside=lambda good: Cost(requests=good))
    assert problems(found) == {"": 20, "budget": 30}
    assert server.paid.total() == 20


def test_a_server_that_says_another_share_of_the_price_is_reckoned_with(serve, tmp_path):
    server = serve()
    [answer] = batched(questions(1), model(server.url, batch_price=1.0), tmp_path, PLENTY)
    assert answer.reply.cost == pytest.approx(2 * server.cost(1, 2), abs=1e-8)


# --- stopping


def killed(server, folder, count, after, *, lines=None):
    """Run the program for so many seconds, or until the ledger has so many lines, and kill it."""
    command = [sys.executable, HERE / "asking.py", server.url, folder, str(count), "1.0", "batch"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        ledger, end = folder / "asked.jsonl", time.monotonic() + 20
        while lines and time.monotonic() < end and process.poll() is None:
            if ledger.exists() and ledger.read_bytes().count(b"\n") >= lines:
                break
            time.sleep(0.001)
        time.sleep(after)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert process.returncode in (0, -signal.SIGKILL), process.stderr.read()


@pytest.mark.slow
def test_ten_kills_at_any_moment_pay_nothing_twice(serve, tmp_path):
    server, draw = serve(batch_seconds=0.3, plans=[{"status": "expired", "done": 0.5}] * 2), random.Random(11)
    for _ in range(10):
        before = known(tmp_path)
        line = len((tmp_path / "asked.jsonl").read_bytes().splitlines()) if before.last else 0
        killed(server, tmp_path, 1200, draw.uniform(0, 0.05), lines=line + draw.choice([1, 600, 1201, 1202, 1500]))
    answers = ask(server, questions(1200), tmp_path, Budget(money=1.0))
    assert problems(answers) == {"": 1200}
    assert server.paid.total() == len(server.paid) == 1200
    assert server.cost(1, 2) * NANO <= known(tmp_path).spent.money
    assert known(tmp_path).unsure == Cost()


@pytest.mark.parametrize("path", ["POST /files", "POST /batches", "GET /batches"])
def test_a_run_that_ends_at_any_request_goes_on_with_the_batch_that_was_begun(serve, tmp_path, monkeypatch, path):
    server = serve(stumbles={path: ["", *["made"] * 30] if path == "GET /batches" else ["made"] * 30})
    with monkeypatch.context() as patch:
        patch.setattr(service, "TRIES", 1)
        patch.setattr(service, "IN_A_ROW", 1)
        patch.setattr(service.Service, "find", lambda *_: "")
        with pytest.raises(RunError):
            ask(server, questions(120), tmp_path)
    server.stumbles = {}
    assert known(tmp_path).open
    told = []
    assert problems(ask(server, questions(120), tmp_path, watch=told.append)) == {"": 120}
    assert (len(server.batches), server.paid.total()) == (1, 120)
    assert known(tmp_path).unsure == Cost()


@pytest.mark.parametrize("hides", ["input_file_id", "metadata"])
def test_a_batch_whose_id_was_not_heard_is_found_among_newer_ones(serve, tmp_path, monkeypatch, hides):
    server = serve(stumbles={"POST /batches": ["made"]}, hides={hides})
    with monkeypatch.context() as patch:
        patch.setattr(service, "TRIES", 1)
        patch.setattr(service.Service, "find", lambda *_: "")
        with pytest.raises(RunError):
            ask(server, questions(120), tmp_path / "first")
    for each in range(5):
        ask(server, questions(120 + each)[119:], tmp_path / f"{each}")
    assert problems(ask(server, questions(120), tmp_path / "first")) == {"": 120}
    assert (sizes(server), asked_alone(server)) == ([120, 1, 2, 3, 4, 5], 0)


def test_a_batch_is_fetched_where_something_else_is_wanted_now(serve, tmp_path):
    server = serve(batch_seconds=0.2)
    answers = batched(questions(120), model(server.url), tmp_path, PLENTY, watch=stopped)
    with pytest.raises(KeyboardInterrupt):
        next(answers)
    answers = ask(server, questions(130)[110:], tmp_path)
    assert problems(answers) == {"": 20}
    assert (sizes(server), asked_alone(server), server.paid.total()) == ([120], 10, 130)
    assert len(known(tmp_path).replies) == 130


def stopped(progress):
    if "batch_0" in progress.says:
        raise KeyboardInterrupt


def test_a_batch_of_another_model_in_the_folder_is_left_to_it(serve, tmp_path):
    server = serve(batch_seconds=0.1)
    with pytest.raises(KeyboardInterrupt):
        list(batched(questions(10), model(server.url), tmp_path, PLENTY, watch=stopped))
    other = model(server.url)._replace(name="large")
    assert problems(batched(questions(5), other, tmp_path, PLENTY)) == {"": 5}
    assert len(known(tmp_path).open) == 10
    assert problems(ask(server, questions(10), tmp_path)) == {"": 10}
    assert sizes(server) == [10, 5]


def test_asking_one_by_one_says_that_a_batch_is_on_its_way(serve, tmp_path):
    server, told = serve(batch_seconds=0.1), []
    with pytest.raises(KeyboardInterrupt):
        ask(server, questions(10), tmp_path, watch=stopped)
    list(ask_many(questions(1), model(server.url), tmp_path, PLENTY, watch=told.append))
    assert "a batch is on its way" in told[1].says


# --- secrets


def test_the_key_is_in_no_file_message_or_log(serve, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    server, told = serve(plans=[{"errors": [{"code": KEY, "message": f"Bearer {KEY}", "line": 1}]}]), []
    server.answer = lambda _: {"text": f"the key is {KEY}"}
    answers = ask(server, questions(20), tmp_path, watch=told.append)
    assert problems(answers) == {"": 19, "rejected": 1}
    assert all(each.headers["authorization"] == f"Bearer {KEY}" for each in server.requests)
    kept = [path.read_text() for path in tmp_path.rglob("*") if path.is_file()]
    sent = [each.decode() for name, each in server.files.items() if name in ("file-0", "file-1")]
    assert [each for each in [repr(answers), repr(told), caplog.text, *kept, *sent] if KEY in each] == []
    assert "the key is [hidden]" in kept[0] + kept[-1]


def test_naming_what_asks_brings_neither_the_recipe_nor_polars():
    code = "import tuneset.ask, sys; print(sorted({'tuneset.recipe', 'polars', 'numpy', 'httpx'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_text_without_a_form_goes_in_a_batch_too(serve, tmp_path):
    [answer] = ask(serve(), [Request([{"role": "user", "content": "Hello"}])], tmp_path)
    assert answer.value == "Certainly! You said: Hello"
