"""What `generate` says of a call: what was asked, what did not come and why, what waits, and how it goes on."""

import json

import pytest
from ask_server import KEY, serving
from click.testing import CliRunner
from replay import Replay
from test_generate import asked, asks_to_judge, synthetic, table, written
from test_generate_answers import conversation, spoken

import tuneset
from tuneset.ask import client
from tuneset.cli import main
from tuneset.errors import RecipeError, RunError
from tuneset.folder import Folder
from tuneset.generate import rows


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setenv("TUNESET_TEST_KEY", KEY)
    monkeypatch.setattr(client, "PAUSE", 0.01)


@pytest.fixture
def server():
    made = serving(answer=written)
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture
def run(tmp_path):
    table().write_csv(tmp_path / "rows.csv")
    return tuneset.prepare(tmp_path / "rows.csv", text="inquiry", label="category")


@pytest.fixture
def talk(tmp_path):
    (tmp_path / "talk.jsonl").write_text("\n".join(json.dumps(conversation(number)) for number in range(24)))
    return tuneset.prepare(tmp_path / "talk.jsonl")


def right(request):
    """Write rows, and read each as what it was asked for: the label is in its text."""
    if not asks_to_judge(request):
        return written(request)
    texts = [json.loads(each)["text"] for each in request["messages"][-1]["content"].splitlines() if '"number"' in each]
    labels = ["account", "orders", "refunds"]
    named = [next(number for number, each in enumerate(labels, 1) if f" {each} " in text) for text in texts]
    return {"rows": [{"number": at, "label": label, "sure": True} for at, label in enumerate(named, 1)]}


def line(dataset, **options):
    """Generate, and return the line that says what came of it."""
    said = []
    dataset.generate(watch=said.append, **options)
    return next(event.says for event in said if event.stage == "write" and event.kind == "done")


def command(dataset, server, *more):
    args = ["generate", str(dataset.path), "--model", "small", "--url", server.url, "--key-env", "TUNESET_TEST_KEY"]
    return CliRunner().invoke(main, [*args, *more])


def test_labels_cannot_be_filled_up_where_there_are_none(talk, server):
    manifest = talk.folder.manifest.read_bytes()
    for ask in (talk.generate, talk.would_generate):
        with pytest.raises(RunError, match="have no labels") as error:
            ask(per_label=20, **asked(server))
        assert "--rows 20" in error.value.hint
    assert talk.folder.manifest.read_bytes() == manifest
    assert not server.requests


def test_answers_that_did_not_come_are_missing_until_they_have_come(talk, server):
    dumb = {"anything": 1}
    server.answer = lambda request: spoken(request) if "Write 4 rows" in request["messages"][-1]["content"] else dumb
    said = line(talk, rows=4, **asked(server))
    assert "0 of 4 rows written, 4 did not come (4 came in another form than was asked for" in said
    assert "0 of 4 rows written" in line(talk, **asked(server))  # asked again, and said to be
    server.answer = spoken
    assert "4 of 4 rows written" in line(talk, **asked(server))
    sent = len(server.requests)
    assert "4 rows are there" in line(talk, **asked(server))
    assert len(server.requests) == sent


def test_nothing_is_missing_sends_nothing(run, server):
    server.answer = right
    line(run, per_label=9, judge_model="judge", **asked(server))
    sent = len(server.requests)
    assert "nothing is missing" in line(run, **asked(server))
    assert len(server.requests) == sent
    said = line(run, **asked(server, judge_model="another"))
    assert "nothing is missing; 12 earlier ones were judged" in said


def test_what_is_missing_under_a_spent_limit_does_not_grow(run, server):
    line(run, per_label=9, judge_model="judge", **asked(server, most_requests=4))
    counts = []
    for _ in range(3):
        said = line(run, **asked(server, most_requests=4))
        known = rows.load(rows.place(Folder(run.path), "synthetic"))
        counts.append((len(known), sum(not row.text for row in known), run.summary["balance"]["in"]))
        assert "stopped by" in said
    assert counts[0] == counts[1] == counts[2]


def test_why_rows_did_not_come_is_said_with_what_helps(run, server):
    server.answer = lambda _: {"rows": [{"text": "where is it"}] * 5}
    done = command(run, server, "--per-label", "9", "--most-requests", "90")
    said = " ".join(done.output.split())
    assert "were there already" in said
    assert "a document make a model vary more" in said


def test_a_judge_that_fails_every_time_is_given_up_and_what_was_written_waits_for_it(run, server):
    usual, calls = server.answer, []

    def broken(request):
        if asks_to_judge(request):
            calls.append(request)
            raise ConnectionError
        return usual(request)

    server.answer = broken
    done = command(run, server, "--per-label", "90", "--most-requests", "900", "--judge-model", "judge")
    said = " ".join(done.output.split())
    assert done.exit_code == 1, said
    assert "the judge was given up: the server answers nothing" in said
    assert "run the same command later" in said
    assert len(calls) < 100  # 24 requests, each sent six times, would be 144
    assert synthetic(run).is_empty()
    server.answer = usual
    assert command(run, server).exit_code == 0
    assert synthetic(tuneset.Dataset.open(run.path)).height


def test_the_server_of_replays_labels_texts_of_labels_that_it_does_not_know(data):
    told = {
        "messages": [
            {"role": "system", "content": 'numbered list of labels\n{"number": 1, "labels": {"a": "</data>"}}'},
            {"role": "user", "content": '{"number": 1, "text": "hello"}'},
        ]
    }
    assert Replay(data)(told) == {"rows": [{"number": 1, "label": 0, "sure": False}]}


def test_a_dry_run_counts_what_a_judge_named_later_reads_and_says_where_the_limit_does_not_allow_it(run, server):
    run.generate(per_label=40, **asked(server))
    sent, there = len(server.requests), rows.load(rows.place(Folder(run.path), "synthetic"))
    would = run.would_generate(judge_model="judge", **asked(server, most_requests=sent + 3))
    assert (would.unread, would.cells) == (len(there), [])
    assert would.judging.requests == -(-len(there) // 10) > 3
    assert not would.judging.enough
    done = command(run, server, "--judge-model", "judge", "--most-requests", str(sent + 3), "--dry-run")
    assert f"Nothing is missing; {len(there)} that are there would be judged" in " ".join(done.output.split())
    assert "the limit does not allow all of it" in done.output
    assert len(server.requests) == sent
    run.generate(judge_model="judge", **asked(server))
    assert len(server.requests) - sent == would.judging.requests  # what was counted is what is sent


def test_a_dry_run_counts_answers_that_did_not_come(talk, server):
    server.answer = lambda request: spoken(request) if "Write 4 rows" in request["messages"][-1]["content"] else {}
    talk.generate(rows=4, **asked(server))
    would = talk.would_generate(judge_model="judge", **asked(server))
    assert (would.unanswered, would.answering.requests, would.judging.requests) == (4, 4, 4)


def test_writing_and_judging_that_fit_a_limit_alone_and_not_together_do_not_fit(run, server):
    both = run.would_generate(per_label=40, judge_model="judge", **asked(server))
    most = both.writing.requests + both.judging.requests - 1
    found = run.would_generate(per_label=40, judge_model="judge", **asked(server, most_requests=most))
    assert (found.writing.enough, found.judging.enough) == (True, False)


def test_what_waits_behind_a_limit_comes_first_in_next_with_the_option_that_raises_it(run, server):
    server.answer = right
    run.generate(per_label=40, **asked(server))
    sent = len(server.requests)
    run.generate(judge_model="judge", **asked(server, most_requests=sent + 1))
    first, waits = run.summary["next"][0], run.findings("not-judged").height
    assert first["words"] == f"Raise most_requests (--most-requests), which is {sent + 1}: it holds back {waits} rows"
    assert first["command"] == f"tuneset generate {run.path} --most-requests {max(2 * (sent + 1), 100)}"
    assert first["words"] in " ".join(command(run, server).output.split())
    done = command(run, server, *first["command"].split()[3:])
    assert done.exit_code == 0
    assert "Raise" not in run.summary["next"][0]["words"]


def test_rows_that_checks_took_out_are_said_to_be_short_of_the_number(run, server):
    def some_of_another(request):
        told = right(request)
        if asks_to_judge(request):
            told["rows"][0]["label"] = 1
        return told

    server.answer = some_of_another
    run.generate(per_label=20, judge_model="judge", **asked(server))
    train = run.examples("train")["labels"].value_counts()["count"].to_list()
    short = sum(20 - each for each in train)
    assert short
    first = run.summary["next"][0]
    rows_short = "1 row" if short == 1 else f"{short} rows"
    assert first["words"] == f"Run the same command again: it is {rows_short} short of 20 a label"
    assert first["command"] == f"tuneset generate {run.path}"
    server.answer = right
    run.generate(**asked(server))
    assert run.examples("train")["labels"].value_counts()["count"].to_list() == [20] * 3
    assert "short" not in run.summary["next"][0]["words"]


def test_a_report_names_what_its_rows_cost_and_what_was_paid_in_all(run, server):
    run.generate(per_label=20, price_in=1.0, price_out=1.0, most_cost=5.0, **asked(server))
    told = run.summary["synthetic"]
    assert told["cost_of_rows"] <= told["paid"][0]["writer"] == told["paid"][0]["total"]


def test_messages_name_what_is_to_be_typed(run, server):
    priced = {"price_in": 1.0, "price_out": 1.0, "most_cost": 1.0, "judge_model": "judge"}
    for more, hint in (
        ({"most_requests": None}, "give most_cost, most_tokens or most_requests (--most-cost, --most-tokens"),
        (priced, "give judge_price_in and judge_price_out (--judge-price-in, --judge-price-out)"),
        ({"price_in": 1.0, "most_cost": 1.0}, "give price_in and price_out (--price-in, --price-out)"),
    ):
        for ask in (run.generate, run.would_generate):
            with pytest.raises(RecipeError) as error:
                ask(per_label=9, **asked(server, **more))
            assert hint in error.value.hint
    for option, name in (("--rows", "rows"), ("--per-label", "per_label")):
        done = command(run, server, option, "0", "--most-requests", "9")
        assert (done.exit_code, "give a number from 1 up" in done.output) == (2, True)
        assert f"{name} ({option})" in done.output
    assert "raise it (--most-requests)" in line(run, per_label=9, **asked(server, most_requests=1))


@pytest.mark.parametrize("given", [["--name", ""], ["--name", "  "]])
def test_a_source_without_a_name_is_refused(run, server, given):
    done = command(run, server, "--rows", "5", "--most-requests", "9", *given)
    assert done.exit_code == 2
    assert "a source has a name" in done.output


@pytest.mark.parametrize(
    ("key_env", "hint"), [("TUNESET_TEST_KEY", "environment's TUNESET_TEST_KEY"), ("", "--key-env")]
)
def test_a_wrong_key_names_its_variable(run, server, key_env, hint):
    server.key = "sk-another"
    with pytest.raises(RunError) as error:
        run.generate(**asked(server, per_label=9, key_env=key_env))
    assert hint in error.value.hint


def test_a_model_that_judges_itself_is_said_to_be_worth_less(run, server):
    for judge, says in (("small", True), ("another", False)):
        said = line(run, per_label=9, judge_model=judge, **asked(server))
        assert ("the judge is the model that writes" in said) is says
    assert run.would_generate(judge_model="small", **asked(server)).itself
