"""The official client of OpenAI and ours, given the same to ask and the same server: the same requests, the same patience."""

import email
import json
from itertools import pairwise

import pytest
from ask_server import KEY, SCHEMA, serving
from asking import model, questions

from tuneset.ask import Budget, Request, ask_many, batched, client, service
from tuneset.ask.asked import key_of
from tuneset.ask.cache import known
from tuneset.errors import RunError

openai = pytest.importorskip("openai", reason="no openai: it is in the dev group, and no dependency of ours")

PLENTY = Budget(money=100)
FORM = {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": SCHEMA}}
REFUSED = {"error": {"message": "no", "code": "no"}}


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setenv("TUNESET_TEST_KEY", KEY)
    monkeypatch.setattr(client, "PAUSE", 0.02)
    monkeypatch.setattr(service, "POLL", 0.02)
    monkeypatch.setattr(openai._base_client, "INITIAL_RETRY_DELAY", 0.02)


@pytest.fixture
def server():
    server = serving()
    yield server
    server.shutdown()
    server.server_close()


def ours(server, folder, request, script, **about):
    """Ask by our client; return what the server saw, and the answer."""
    server.requests, server.script = [], list(script)
    [answer] = ask_many([request], model(server.url, **about), folder, PLENTY)
    return server.requests, answer


def theirs(server, request, script, limit="max_tokens"):
    """Ask by the official client, as its documentation has it."""
    server.requests, server.script = [], list(script)
    about = {**request.parameters, limit: request.max_tokens} | ({"response_format": FORM} if request.schema else {})
    with openai.OpenAI(base_url=server.url, api_key=KEY) as official:
        try:
            answer = official.chat.completions.create(model="small", messages=list(request.messages), **about)
        except openai.OpenAIError as error:
            answer = error
    return server.requests, answer


def gaps(requests):
    return [later.at - sooner.at for sooner, later in pairwise(requests)]


# --- what is sent


ASKED = {
    "a form": questions(1)[0],
    "no form": Request([{"role": "user", "content": "Hello"}]),
    "other letters": Request([{"role": "user", "content": 'Zürich "\\ \u2028 日本 🏦 \x00'}], SCHEMA, 7),
    "parameters": questions(1)[0]._replace(parameters={"temperature": 0.5, "top_p": 1, "seed": 3, "stop": ["a", "b"]}),
    "turns": Request(
        [
            *questions(1)[0].messages,
            {"role": "assistant", "content": "A"},
            {"role": "user", "content": [{"type": "text", "text": "B"}]},
        ]
    ),
}


@pytest.mark.parametrize("name", ASKED)
@pytest.mark.parametrize("limit", ["max_tokens", "max_completion_tokens"])
def test_both_send_the_same(server, tmp_path, name, limit):
    [mine], _ = ours(server, tmp_path, ASKED[name], [], limit=limit)
    [official], _ = theirs(server, ASKED[name], [], limit)
    assert (mine.method, mine.path, json.loads(mine.raw)) == (official.method, official.path, json.loads(official.raw))
    for header in ("authorization", "content-type", "accept"):
        assert mine.headers[header] == official.headers[header]
    assert json.loads(mine.raw).keys() >= {"model", "messages", limit}


def test_both_read_the_same(server, tmp_path):
    _, mine = ours(server, tmp_path, questions(1)[0], [])
    _, official = theirs(server, questions(1)[0], [])
    assert mine.reply.text == official.choices[0].message.content
    assert mine.reply.finish == official.choices[0].finish_reason
    assert mine.reply.model == official.model
    assert mine.reply.usage[:2] == (official.usage.prompt_tokens, official.usage.completion_tokens)


# --- patience


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("fault", ["408", "409", "429", "429-ms", "500", "503", "reset"])
def test_both_ask_again_as_often_and_the_same(server, tmp_path, fault, times):
    mine, answer = ours(server, tmp_path, questions(1)[0], [fault] * times)
    official, told = theirs(server, questions(1)[0], [fault] * times)
    assert answer.reply.text == told.choices[0].message.content
    assert len(mine) == len(official) == 1 + times
    assert {each.raw for each in mine} == {mine[0].raw}
    assert {json.dumps(json.loads(each.raw)) for each in official} == {json.dumps(json.loads(mine[0].raw))}
    assert {each.headers["authorization"] for each in [*mine, *official]} == {f"Bearer {KEY}"}


@pytest.mark.parametrize("fault", ["429-seconds", "503-seconds"])
def test_both_wait_as_long_as_the_server_asks(server, tmp_path, fault):
    mine, _ = ours(server, tmp_path, questions(1)[0], [fault])
    official, _ = theirs(server, questions(1)[0], [fault])
    assert 1.0 <= gaps(mine)[0] < 2.0
    assert 1.0 <= gaps(official)[0] < 2.0


def test_both_read_milliseconds_before_seconds(server, tmp_path):
    mine, _ = ours(server, tmp_path, questions(1)[0], ["429-ms"])  # 50 ms, and one second
    official, _ = theirs(server, questions(1)[0], ["429-ms"])
    assert 0.05 <= gaps(mine)[0] < 1.0
    assert 0.05 <= gaps(official)[0] < 1.0


@pytest.mark.parametrize("status", [400, 403, 404, 422])
def test_neither_asks_again_what_is_refused(server, tmp_path, status):
    try:
        mine, _ = ours(server, tmp_path, questions(1)[0], [(status, REFUSED)] * 9)
    except RunError:  # of all requests, where it is the first that is heard
        mine = server.requests
    official, told = theirs(server, questions(1)[0], [(status, REFUSED)] * 9)
    assert told.status_code == status
    assert len(mine) == len(official) == 1


@pytest.mark.parametrize(("status", "says", "requests"), [(400, "true", 2), (500, "false", 1), (429, "false", 1)])
def test_both_do_as_the_server_says_of_trying_again(server, tmp_path, status, says, requests):
    script = [(status, REFUSED, {"x-should-retry": says})]
    mine, answer = ours(server, tmp_path, questions(1)[0], script)
    official, told = theirs(server, questions(1)[0], script)
    assert len(mine) == len(official) == requests
    assert bool(answer.problem) == isinstance(told, openai.APIStatusError) == (says == "false")


@pytest.mark.parametrize(("fault", "most"), [("500", 6), ("429-ms", 12)])
def test_we_are_more_patient_on_purpose(server, tmp_path, fault, most):
    """Thousands of requests are not started anew by hand: six tries, and of "too many requests" as many as 15 minutes have."""
    official, told = theirs(server, questions(1)[0], [fault] * (most - 1))
    assert (len(official), isinstance(told, openai.APIStatusError)) == (3, True)
    mine, answer = ours(server, tmp_path, questions(1)[0], [fault] * (most - 1))
    assert (len(mine), answer.problem) == (most, "")


def test_a_quota_that_is_used_up_ends_ours_at_once_on_purpose(server, tmp_path):
    """The official client tries twice more; no wait brings money."""
    empty = (429, {"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}})
    official, _ = theirs(server, questions(1)[0], [empty] * 3)
    assert len(official) == 3
    with pytest.raises(RunError, match="insufficient_quota"):
        ours(server, tmp_path, questions(1)[0], [empty] * 3)
    assert len(server.requests) == 1


# --- batches


def test_both_send_a_batch_in_the_same_way(server, tmp_path):
    list(batched(questions(3), model(server.url), tmp_path, PLENTY))
    mine, server.requests = [each for each in server.requests if each.method == "POST"], []
    content = server.files["file-0"]
    name = json.loads(mine[1].raw)["metadata"]["tuneset"]
    with openai.OpenAI(base_url=server.url, api_key=KEY) as official:
        file = official.files.create(file=(f"{name}.jsonl", content, "application/jsonl"), purpose="batch")
        official.batches.create(
            input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h", metadata={"tuneset": name}
        )
    sent = [each for each in server.requests if each.method == "POST"]
    assert [each.path for each in mine] == [each.path for each in sent] == ["/v1/files", "/v1/batches"]
    assert parts(mine[0]) == parts(sent[0])
    assert json.loads(mine[1].raw) | {"input_file_id": file.id} == json.loads(sent[1].raw)
    assert {each.headers["authorization"] for each in [*mine, *sent]} == {f"Bearer {KEY}"}


def parts(request):
    """Read the parts of a form: their names, what they are called as files, and what is in them."""
    form = email.message_from_bytes(f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode() + request.raw)
    named = [(each.get_param("name", header="content-disposition"), each) for each in form.get_payload()]
    return sorted((name, each.get_filename(), each.get_payload()) for name, each in named)


def test_the_official_client_reads_the_answers_of_a_batch_of_ours(server, tmp_path):
    server.batch_faults = {"400": 0.3}
    list(batched(questions(20), model(server.url), tmp_path, PLENTY))
    with openai.OpenAI(base_url=server.url, api_key=KEY) as official:
        [batch] = official.batches.list(limit=100)
        assert (batch.status, batch.request_counts.total) == ("completed", 20)
        lines = official.files.content(batch.output_file_id).text.splitlines()
        failed = official.files.content(batch.error_file_id).text.splitlines()
    told = {read["custom_id"]: read["response"]["body"] for read in map(json.loads, lines)}
    kept = known(tmp_path).replies
    assert {key: reply.text for key, reply in kept.items()} == {
        key: each["choices"][0]["message"]["content"] for key, each in told.items()
    }
    keys = {key_of(each, model(server.url)) for each in questions(20)}
    assert {json.loads(each)["custom_id"] for each in failed} == keys - kept.keys()
    assert failed
