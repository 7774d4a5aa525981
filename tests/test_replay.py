"""Asking for two thousand rows of a server that gives a large model's real answers, with one request in five going wrong."""

import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from urllib.request import Request as Sent
from urllib.request import urlopen

import polars as pl
import pytest
from ask_server import KEY
from asking import model
from replay import FAULTS, JUDGES, Replay, faults, folded, objects, replaying, wanted

from tuneset.ask import Budget, ask_many, batched, client, service
from tuneset.ask.asked import key_of
from tuneset.ask.budget import NANO
from tuneset.ask.cache import known

HERE = Path(__file__).parent
CAP = Budget(money=2.0)


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setenv("TUNESET_TEST_KEY", KEY)
    monkeypatch.setattr(client, "PAUSE", 0.02)
    monkeypatch.setattr(service, "POLL", 0.02)


@pytest.fixture
def replay(data):
    servers = []

    def start(**about):
        servers.append(replaying(data, **about))
        return servers[-1]

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def rows(answers):
    return [row["text"] for each in answers if not each.problem for row in each.value["rows"]]


def mends(folder, server, requests):
    """Count the second questions that were answered."""
    firsts = {key_of(each, model(server.url)) for each in requests}
    return len(known(folder).replies.keys() - firsts)


# --- what it answers


def test_rows_are_real_paraphrases_of_the_seeds_in_turn_and_the_next_ones_next_time(data):
    replay = Replay(data)
    table = pl.read_csv(data / "paraphrases" / "banking_dev_paraphrases.csv")
    seeds = table["Original Example"].unique(maintain_order=True).to_list()[:2]
    lines = "\n".join(json.dumps({"text": each}) for each in seeds)
    request = {"messages": [{"role": "user", "content": f"Write 6 rows like these:\n{lines}\nNot these: 5"}]}
    texts = [row["text"] for _ in range(3) for row in replay(request)["rows"]]
    assert len({*texts}) == len(texts) == 18
    for place, seed in enumerate(seeds):
        paraphrases = table.filter(pl.col("Original Example") == seed)["ChatGPT's Paraphrase"].to_list()
        assert texts[place::2] == paraphrases[:9]


@pytest.mark.slow
def test_a_seed_without_paraphrases_gets_those_of_one_like_it(data):
    replay = Replay(data)
    text, label = replay.others[0]
    assert label == "card_arrival"
    assert replay.label_of[replay.source(text)] == label
    assert replay.source("How do I top up with Apple Pay?") in replay.written


@pytest.mark.slow
def test_the_teacher_judges_by_the_numbers_of_the_list_and_is_right_on_nine_of_ten_real_texts(data):
    replay = Replay(data)
    test = pl.read_csv(data / "banking77" / "test.csv").sample(1000, seed=1)
    names = sorted(replay.known, key=lambda name: name[::-1])
    listed = "\n".join(f'{at}. {{"category": "{name}"}}: what customers ask' for at, name in enumerate(names, 1))
    texts = [json.dumps({"number": at, "text": text}) for at, text in enumerate(test["text"])]
    system = {"role": "system", "content": f"You label texts. This is the {JUDGES}:\n{listed}"}
    told = replay({"messages": [system, {"role": "user", "content": "\n".join(texts)}]})["rows"]
    assert [each["number"] for each in told] == list(range(1000))
    right = [names[row["label"] - 1] == label for row, label in zip(told, test["category"], strict=True)]
    assert 0.88 < sum(right) / 1000 < 0.95
    assert not {folded(text) for text, _ in replay.others} & replay.written.keys()


def test_lines_that_are_no_objects_are_no_seeds():
    assert objects('{"text": "a"}\n {"text": "b"}\n{"text"\n[1]\n{5}\nWrite {"text": "c"}') == [
        {"text": "a"},
        {"text": "b"},
    ]


def test_it_runs_by_hand(data):
    command = [sys.executable, HERE / "replay.py", "--port", "0", "--faults", "0.2", "--only", "broken"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        url = process.stdout.readline().split()[0]
        body = {
            "model": "m",
            "max_tokens": 64,
            "messages": [{"role": "user", "content": "Write 3 rows. JSON Schema: …"}],
        }
        with urlopen(Sent(f"{url}/chat/completions", json.dumps(body).encode())) as answer:
            text = json.load(answer)["choices"][0]["message"]["content"]
        process.send_signal(signal.SIGINT)
        said = process.stdout.read()
    assert len(json.loads(text)["rows"]) == 3
    assert "1 requests, 1 charged" in said


# --- two thousand rows


def test_two_thousand_rows_are_delivered_or_counted_with_one_request_in_five_going_wrong(replay, tmp_path):
    server, requests = replay(faults=faults(0.2), seed=5), wanted(400)
    answers = list(ask_many(requests, model(server.url), tmp_path, CAP))
    found = Counter(each.problem for each in answers)
    assert len({each.key for each in answers}) == len(answers) == 400
    assert found.keys() <= {"", "not-json", "wrong-schema"}
    assert len(rows(answers)) == 5 * found[""] >= 0.97 * 2000
    assert server.faulted.keys() >= {*FAULTS}
    assert server.paid.total() == 400 + mends(tmp_path, server, requests) + server.faulted["cut"]
    assert server.cost(1, 2) * NANO <= known(tmp_path).spent.money + 1000 <= CAP.money * NANO
    assert not any(each.known for each in answers)


def test_two_thousand_rows_come_by_batches_too(replay, tmp_path):
    lines = faults(0.2, ["429", "500", "cut", "broken", "wrong", "prose", "twice"])
    stumbles = {"POST /batches": ["503", "made"], "GET /batches": ["", "500", "reset"], "POST /files": ["429"]}
    server = replay(batch_faults=lines, stumbles=stumbles, plans=[{"status": "expired", "done": 0.5}], seed=5)
    answers = list(batched(wanted(400), model(server.url), tmp_path, CAP))
    found = Counter(each.problem for each in answers)
    assert len({each.key for each in answers}) == len(answers) == 400
    assert found.keys() <= {"", "not-json", "wrong-schema"}
    assert len(rows(answers)) == 5 * found[""] >= 0.97 * 2000
    assert len(server.batches) >= 2
    assert server.cost(1, 2) * NANO <= known(tmp_path).spent.money + 1000 <= CAP.money * NANO


@pytest.mark.parametrize("way", [ask_many, batched])
def test_the_money_is_never_exceeded_by_the_servers_own_count(replay, tmp_path, way):
    server, cap = replay(faults=faults(0.2), batch_faults=faults(0.2, ["500", "cut", "broken"])), Budget(money=0.06)
    requests = wanted(400)
    for _ in range(2):
        found = Counter(each.problem for each in way(requests, model(server.url), tmp_path, cap))
        assert found["budget"] > 50
        assert 0.01 < server.cost(1, 2) <= 0.06


@pytest.mark.slow
@pytest.mark.parametrize("way", ["alone", "batch"])
def test_twenty_kills_pay_nothing_twice_but_what_was_on_its_way(replay, tmp_path, way):
    server, draw, requests = replay(faults=faults(0.2), seconds=0.01, batch_seconds=8.0), random.Random(9), wanted(400)
    server.plans = [{"status": "expired", "done": 0.4}]
    ends = [killed(server, tmp_path, way, draw.randrange(0, 8 if way == "batch" else 20)) for _ in range(20)]
    assert ends.count(-signal.SIGKILL) >= 10  # the others were done before
    server.batch_seconds = 0.1
    time.sleep(0.5)  # for what is still being answered
    kept = known(tmp_path)  # what is in a batch is fetched, and not paid again
    open_ones = len(kept.open.keys() - {ticket for part in kept.parts.values() for ticket in part.values()})
    asks = batched if way == "batch" else ask_many
    answers = list(asks(requests, model(server.url), tmp_path, CAP))
    assert len(answers) == 400
    assert {each.problem for each in answers} <= {"", "not-json", "wrong-schema"}
    assert len(rows(answers)) >= 0.97 * 2000
    twice = server.paid.total() - 400 - mends(tmp_path, server, requests) - server.faulted["cut"]
    assert 0 <= twice <= open_ones <= 20 * 8
    assert server.cost(1, 2) * NANO <= known(tmp_path).spent.money + 1000 <= CAP.money * NANO


def killed(server, folder, way, after):
    """Run the program until it has said so much (answers, or what a batch is doing), and kill it."""
    command = [sys.executable, HERE / "asking.py", server.url, folder, "400", str(CAP.money), "replay", way]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        [process.stdout.readline() for _ in range(after)]
        process.send_signal(signal.SIGKILL)
    return process.returncode


@pytest.mark.slow
def test_a_server_that_takes_forty_a_second_is_given_nine_tenths_of_it(replay, tmp_path):
    paces = []
    for number in range(3):  # the best of three: other tests may be at work
        server = replay(rate=40, burst=4, seconds=0.05)
        start = time.monotonic()
        answers = list(ask_many(wanted(400), model(server.url), tmp_path / str(number), CAP))
        paces.append(400 / (time.monotonic() - start))
        assert len(rows(answers)) == 2000
        if paces[-1] >= 36:
            break
    assert max(paces) >= 36
