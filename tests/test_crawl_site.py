"""A site becomes a dataset: by the command, by a recipe, and without a page that somebody wants out again."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest
from click.testing import CliRunner
from test_mix import prepared
from zoo import Zoo

import tuneset
from tuneset.cli import main
from tuneset.crawl.preferences import TDMREP
from tuneset.crawl.site import forget, is_crawl, scrape
from tuneset.errors import RecipeError, RunError

ABOUT = ["parcel", "invoice", "refund", "card", "loan", "hotel", "meal", "visa", "coin", "flight", "gift", "tax"]
LIMITS = {"contact": "ann@example.org", "pace": 0.001}


def page(number, *links):
    told = " ".join(
        f"The {word} of customer {number * 37 + place} came {number + place} days late."
        for place, word in enumerate(ABOUT)
    )
    anchors = "".join(f'<a href="{link}">more</a>' for link in links)
    return (
        200,
        {"Content-Type": "text/html"},
        f"<html><body><article><h1>Case {number}</h1><p>{told}</p></article>{anchors}</body></html>".encode(),
    )


def site():
    pages = {f"/{number}": page(number, f"/{number + 1}") for number in range(1, 13)}
    return Zoo(pages=pages | {"/": page(0, *pages)})


@pytest.fixture
def keeper():
    with site() as keeper:
        yield keeper


def test_a_site_is_scraped_prepared_and_a_page_forgotten_everywhere(tmp_path, keeper):
    done = scrape([keeper.url()], tmp_path / "pages", own=[keeper.place], **LIMITS)
    assert (done.rows, done.pages, done.stopped) == (13, 13, "")
    run = tuneset.prepare(tmp_path / "pages", out=tmp_path / "run")
    run.export("csv")
    assert run.summary["balance"]["in"] == 13
    gone = "customer 187 "  # of case 5
    assert any(gone.encode() in path.read_bytes() for path in run.path.rglob("*.jsonl"))
    assert forget(run.path, keeper.url("/5")) == 12
    left = [path for folder in (tmp_path / "pages", run.path) for path in folder.rglob("*") if path.is_file()]
    assert len(left) > 20
    assert not [path for path in left if gone.encode() in path.read_bytes()]
    assert tuneset.Dataset.open(run.path).summary["balance"]["in"] == 12
    with pytest.raises(RunError, match="there are no crawled pages here"):
        forget(tmp_path, keeper.url("/5"))
    for folder in (tmp_path / "pages", run.path):  # a slip in the address takes nothing out
        with pytest.raises(RunError, match="no such page in it") as told:
            forget(folder, f"{keeper.place}/7")
        assert told.value.hint == f"did you mean {keeper.url('/7')}?"


def test_a_script_without_a_guard_scrapes_and_runs_once(tmp_path, keeper):
    script = tmp_path / "plain.py"
    script.write_text(
        f"import tuneset\nprint('begun')\nfound = tuneset.scrape([{keeper.url()!r}], 'pages', depth=0, own=[{keeper.place!r}],"
        " **{'contact': 'ann@example.org', 'pace': 0.001})\nprint(found.rows, found.out)\n"
    )
    told = subprocess.run(
        [sys.executable, script], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
    )
    assert (told.stdout, told.stderr) == ("begun\n1 {}\n", "")


def test_a_recipe_scrapes_a_site_once(tmp_path, keeper):
    limits = f'{{ own = ["{keeper.place}"], pace = 0.001, depth = 1, exclude = "/12$" }}'
    source = {
        "kind": '"web"',
        "name": '"forum"',
        "paths": f'["{keeper.url()}"]',
        "contact": '"ann@example.org"',
        "crawl": limits,
    }
    run = prepared(tmp_path, source)
    assert run.summary["balance"]["in"] == 12
    first = run.examples().row(0, named=True)
    assert json.loads(first["origin"])["url"].startswith(keeper.url())
    assert json.loads(first["extra"])["robots"]
    assert first["groups"][0].startswith("thread:")
    asked = len(keeper.log)
    assert tuneset.prepare(tmp_path / "mine.toml", out=tmp_path / "run").summary["balance"]["in"] == 12
    assert len(keeper.log) == asked
    with pytest.raises(RecipeError, match="unknown limit 'deep'"):
        prepared(tmp_path, source | {"crawl": "{ deep = 2 }"})


def test_one_address_needs_no_list_and_a_wrong_expression_has_its_cause(tmp_path, keeper):
    assert scrape(keeper.url(), tmp_path / "pages", own=keeper.place, depth=0, **LIMITS).rows == 1
    with pytest.raises(RecipeError, match="no regular expression: unclosed group"):
        scrape(keeper.url(), tmp_path / "pages", include="(a", **LIMITS)


def test_a_crawl_without_a_contact_or_of_no_address_is_refused(tmp_path):
    with pytest.raises(RecipeError, match="the crawler needs a contact"):
        scrape(["https://example.org"], tmp_path / "pages", contact="")
    with pytest.raises(RecipeError, match="this is no address of a page"):
        scrape(["example.org"], tmp_path / "pages", **LIMITS)
    assert not is_crawl(tmp_path / "pages")


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        ({"on_deny": "skipp"}, "on_deny is skip or keep, not 'skipp'"),
        ({"depth": "2"}, "depth must be a whole number, not '2'"),
        ({"pages": True}, "pages must be a whole number, not True"),
        ({"runtime": -1.5}, "runtime is below zero"),
        ({"browser": "no"}, "browser must be true or false, not 'no'"),
        ({"include": 3}, "include must be text, not 3"),
    ],
)
def test_a_limit_of_the_wrong_kind_is_refused_before_anything_is_asked(tmp_path, keeper, limit, said):
    with pytest.raises(RecipeError, match=re.escape(said)):
        scrape([keeper.url()], tmp_path / "pages", contact="ann@example.org", **limit)
    assert (keeper.log, list(tmp_path.iterdir())) == ([], [])


def test_the_command_says_what_it_would_meet_and_what_it_left(tmp_path, keeper):
    asked = [
        "scrape",
        keeper.url(),
        "--out",
        str(tmp_path / "pages"),
        "--contact",
        "ann@example.org",
        "--own",
        keeper.place,
        "--depth",
        "0",
    ]
    told = CliRunner().invoke(main, [*asked, "--dry-run"])
    assert told.exit_code == 0, told.output
    assert keeper.url() in told.output
    assert keeper.paths() == []
    assert not (tmp_path / "pages").exists()
    told = CliRunner().invoke(main, asked)
    assert told.exit_code == 0, told.output
    assert "1 examples of 1 page" in told.output or "1 example of 1 page" in told.output
    assert "tuneset prepare" in told.output
    told = CliRunner().invoke(main, [*asked, "--json"])
    assert json.loads(told.output)["rows"] == 1
    told = CliRunner().invoke(main, ["forget", str(tmp_path / "pages"), keeper.url()])
    assert "is forgotten; 0 examples" in told.output


def licensed(number, licence):
    status, headers, body = page(number)
    return status, headers, body.replace(b"<body>", f'<body><a rel="license" href="{licence}">licence</a>'.encode())


@pytest.mark.parametrize("kind", ["folder", "recipe"])
def test_each_page_is_under_the_licence_that_it_names(tmp_path, kind):
    common = "https://creativecommons.org/licenses/"
    pages = {"/1": licensed(1, f"{common}by/4.0/"), "/2": licensed(2, f"{common}by-nc/4.0/"), "/3": page(3)}
    with Zoo(pages=pages) as keeper:
        seeds, own = [keeper.url(path) for path in pages], [keeper.place]
        if kind == "folder":
            scrape(seeds, tmp_path / "pages", own=own, **LIMITS | {"depth": 0})
            run = tuneset.prepare(tmp_path / "pages", out=tmp_path / "run")
        else:
            crawl = f"{{ own = {json.dumps(own)}, pace = 0.001, depth = 0 }}"
            source = {"kind": '"web"', "paths": json.dumps(seeds), "contact": '"ann@example.org"', "crawl": crawl}
            run = prepared(tmp_path, source)
    found = run.findings("licence").join(
        run.folder.outcome("get", run.folder.facts("get")).examples.rename({"id": "example"}), on="example"
    )
    told = {json.loads(row["origin"])["url"][-2:]: row["says"] for row in found.iter_rows(named=True)}
    assert set(told) == {"/2", "/3"}
    assert "forbids commercial" in told["/2"] or "commercial" in told["/2"]
    assert "no licence is given" in told["/3"]


def test_a_run_that_cannot_be_prepared_without_a_forgotten_page_keeps_no_word_of_it(tmp_path):
    with site() as keeper:
        scrape([keeper.url("/5")], tmp_path / "pages", own=[keeper.place], **LIMITS | {"depth": 0})
        run = tuneset.prepare(tmp_path / "pages", out=tmp_path / "run")
        run.export("csv")
        (run.path / "labels.md").write_text("# own words")
        with pytest.raises(RunError, match="the page is forgotten, and so are the files of this run") as error:
            forget(run.path, keeper.url("/5"))
    assert "recipe.toml, then: tuneset prepare" in error.value.hint
    left = {path.relative_to(run.path).as_posix() for path in run.path.rglob("*") if path.is_file()}
    assert (
        {"recipe.toml", "labels.md"}
        <= left
        <= {"recipe.toml", "labels.md", ".tuneset/lock", ".tuneset/04-split/split.parquet"}
    )


def test_a_seed_that_may_not_be_asked_for_is_named_with_its_reason(tmp_path, keeper):
    asked = ["scrape", keeper.url(), "--out", str(tmp_path / "pages"), "--contact", "ann@example.org"]
    told = CliRunner().invoke(main, [*asked, "--dry-run"])
    assert "--own HOST:PORT (refused-address)" in " ".join(told.output.split())
    told = CliRunner().invoke(main, asked)
    assert told.exit_code == 1
    assert f"{keeper.place} is left alone: a private address; if it is yours, name it with --own" in told.output
    assert "tuneset prepare" not in told.output
    assert json.loads(CliRunner().invoke(main, [*asked, "--json"]).output)["out"] == {"refused-address": 1}
    done = scrape(["http://127.0.0.1/"], tmp_path / "usual", **LIMITS)
    assert (done.out, done.closed) == ({"refused-address": 1}, {"127.0.0.1:80": "refused-address"})
    with pytest.raises(RunError, match="no page gave a row: a private address"):
        prepared(tmp_path, {"kind": '"web"', "name": '"forum"', "paths": f'["{keeper.url()}"]', "contact": '"a@b.org"'})
    assert keeper.log == []


def test_a_limit_that_is_reached_is_said_in_words(tmp_path, keeper):
    asked = ["scrape", keeper.url(), "--out", str(tmp_path / "pages"), "--contact", "ann@example.org"]
    told = CliRunner().invoke(main, [*asked, "--own", keeper.place, "--pages", "1"])
    assert "is left alone: its limit is reached: raise --pages, or volume in a recipe (full)" in told.output
    assert "12 addresses beyond the limit of their host are not asked for" in told.output
    assert "wait" not in told.output


COMMAND = """
import signal
import tuneset.cli
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where a shell has started this behind itself
    print("ready", flush=True)
    tuneset.cli.main()
"""


def begun(folder, *words):
    """Start the command in a process, and a process group, of its own; return once it is about to read its words."""
    (folder / "command.py").write_text(COMMAND)
    process = subprocess.Popen(
        [sys.executable, folder / "command.py", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdout.readline() == "ready\n"
    return process


def stopped(process):
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the command and to its readers
    said, _ = process.communicate(timeout=30)
    return process.returncode, " ".join(said.split())


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param(0, id="nothing"),
        pytest.param(1, id="robots.txt", marks=pytest.mark.slow),
        pytest.param(3, id="a page", marks=pytest.mark.slow),
    ],
)
def test_ctrl_c_in_the_first_seconds_says_how_to_go_on_and_nothing_is_fetched_twice(tmp_path, asked):
    with Zoo(pages={"/": page(0, "/1"), "/1": page(1)}) as keeper:
        words = ["scrape", keeper.url(), "--out", tmp_path / "pages", "--contact", "ann@example.org"]
        process = begun(tmp_path, *words, "--own", keeper.place)
        limit = time.monotonic() + 30
        while len(keeper.log) < asked and time.monotonic() < limit:
            time.sleep(0.01)
        time.sleep(0.05)
        code, said = stopped(process)
        assert len(keeper.log) == asked
        assert code == 130, said
        assert "the same command" in said
        assert "Traceback" not in said
        again = begun(tmp_path, *words, "--own", keeper.place)
        assert "2 examples of 2 pages" in again.communicate(timeout=60)[0]
        assert again.returncode == 0
    assert Counter(each.path for each in keeper.log) == dict.fromkeys(["/robots.txt", TDMREP, "/", "/1"], 1)


def test_ctrl_c_while_a_recipe_crawls_has_the_same_exit_code(tmp_path, keeper):
    about = f"paths = ['{keeper.url()}']\ncontact = 'ann@example.org'\ncrawl = {{ own = ['{keeper.place}'] }}"
    (tmp_path / "mine.toml").write_text(f"[[sources]]\nkind = 'web'\n{about}\n")
    process = begun(tmp_path, "prepare", tmp_path / "mine.toml", "--out", tmp_path / "run")
    limit = time.monotonic() + 30
    while len(keeper.log) < 3 and time.monotonic() < limit:
        time.sleep(0.01)
    code, said = stopped(process)
    assert code == 130, said
    assert re.search(
        r"the crawl was interrupted: [01] pages? read, 1[12]? address(es)? left .* try the same command", said
    ), said


def test_a_crawl_that_is_interrupted_has_its_exit_code(tmp_path, keeper, monkeypatch):
    def stop(*_args, **_more):
        raise KeyboardInterrupt

    monkeypatch.setattr("tuneset.crawl.crawler._Run._loop", stop)
    asked = ["scrape", keeper.url(), "--out", str(tmp_path / "pages"), "--contact", "ann@example.org"]
    told = CliRunner().invoke(main, [*asked, "--own", keeper.place, "--json"])
    assert (told.exit_code, json.loads(told.output)["stopped"]) == (130, "interrupted")


def test_forgetting_tells_machines_how_many_rows_are_left(tmp_path, keeper):
    scrape(keeper.url(), tmp_path / "pages", own=[keeper.place], **LIMITS | {"depth": 1})
    told = CliRunner().invoke(main, ["forget", str(tmp_path / "pages"), keeper.url("/5"), "--json"])
    assert json.loads(told.output) == {"forgotten": keeper.url("/5"), "rows": 12}


def test_a_dry_run_of_a_recipe_says_why_a_site_would_not_be_asked(tmp_path, keeper):
    recipe = tmp_path / "mine.toml"
    recipe.write_text(f'[[sources]]\nkind = "web"\ncontact = "a@b.org"\npaths = ["{keeper.url()}"]\n')
    told = CliRunner().invoke(main, ["prepare", str(recipe), "--dry-run"])
    assert "a private address; if it is yours" in " ".join(told.output.split())
    assert keeper.log == []
