"""Crawls as WARC and back, other people's files, and files that were made to do harm."""

from __future__ import annotations

import functools
import gzip
import hashlib
import io
import json
import random
import sys
import time
import tracemalloc
from collections import Counter
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner
from test_crawl_site import site
from zoo import Zoo, html

pytest.importorskip("warcio", reason="no warcio: pip install 'tuneset[warc]'")

from warcio.archiveiterator import ArchiveIterator
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

import tuneset
from tuneset.cli import main
from tuneset.crawl import captures, warc
from tuneset.crawl.crawler import crawl
from tuneset.crawl.examples import read
from tuneset.crawl.policy import Policy
from tuneset.crawl.site import forget
from tuneset.errors import InputError, RunError

POLICY = Policy(contact="me@example.org")
WORDS = "My kettle trips the breaker every morning since we moved, and nobody here has seen that before. "


def rows(folder):
    return [json.loads(line) for line in (folder / "examples.jsonl").read_text().splitlines()]


def page(text, head=""):
    return f"<html lang=en><head><title>Kettles</title>{head}</head><body><article><p>{WORDS}{text}</p></article></body></html>".encode()


def answer(body, *lines, status="200 OK"):
    head = "\r\n".join([f"HTTP/1.1 {status}", "Content-Type: text/html; charset=utf-8", *lines])
    return head.encode() + b"\r\n\r\n" + body


def record(url, block, *lines, kind="response", length=None):
    """Write a record by hand, as files in the wild are written."""
    head = [
        "WARC/1.0",
        f"WARC-Type: {kind}",
        "WARC-Record-ID: <urn:uuid:12345678-1234-1234-1234-123456789012>",
        "WARC-Date: 2024-05-03T10:02:00Z",
        *([f"WARC-Target-URI: {url}"] if url else []),
        *lines,
        f"Content-Length: {len(block) if length is None else length}",
    ]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + block + b"\r\n\r\n"


def good(number):
    return record(f"https://kettles.example/{number}", answer(page(f"Page {number}.")))


def loaded(tmp_path, *members, packed=True, **how):
    """Load a file of these members, each packed on its own; a member may come packed already."""
    path = tmp_path / "some.warc.gz"
    path.write_bytes(
        b"".join(each if each[:2] == b"\x1f\x8b" or not packed else gzip.compress(each, mtime=0) for each in members)
    )
    return warc.load([path], tmp_path / "out", Policy(contact="me@example.org", **how))


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A crawl of a small site, and the WARC file of it."""
    home = tmp_path_factory.mktemp("saved")
    tags = {"X-Robots-Tag": "otherbot: noai\r\nX-Robots-Tag: noarchive", "Content-Usage": "train-ai=y"}
    pages = {
        "/": html("/a", "/moved", text=WORDS + "Home."),
        "/a": (200, tags, page("Grüße aus Köln.")),
        "/moved": (301, {"Location": "/b"}, b""),
        "/b": (200, {"Content-Encoding": "gzip"}, gzip.compress(page("Packed."))),
    }
    with Zoo(pages=pages) as site:
        policy = Policy(contact="me@example.org", own=frozenset({site.place}), pace=0.01, readers=1)
        crawl([site.url()], home / "crawl", policy, read)
    number = warc.save(home / "crawl", home / "crawl.warc.gz")
    return home, site, number


def test_a_crawl_comes_back_from_its_file_as_it_was(saved):
    home, _, number = saved
    done = warc.load([home / "crawl.warc.gz"], home / "back", POLICY)
    assert (number, done.pages, done.rows, done.out) == (3, 3, 3, {})
    before, after = rows(home / "crawl"), rows(home / "back")
    changing = ("run", "author")
    assert [{**each, **dict.fromkeys(changing)} for each in after] == [
        {**each, **dict.fromkeys(changing)} for each in before
    ]
    assert {each["run"] for each in after}.isdisjoint(each["run"] for each in before)
    assert [each["final"].rpartition("/")[2] for each in after] == ["", "a", "b"]
    assert after[1]["ai_preference"] == "allow"


def test_the_file_is_one_that_others_read(saved):
    """warcio's own iterator, with its digests on, is the judge."""
    home, site, _ = saved
    with (home / "crawl.warc.gz").open("rb") as file:
        found = []
        for each in ArchiveIterator(file, check_digests="raise"):
            found.append((each.rec_type, each.rec_headers.get_header("WARC-Target-URI"), each.content_stream().read()))
            if each.rec_type == "response":
                assert each.rec_headers.get_header("WARC-Date").endswith("Z")
                assert each.digest_checker.passed
                assert each.http_headers.get_header("content-encoding") is None
    assert [each[:2] for each in found] == [
        ("warcinfo", None),
        ("response", site.url("/")),
        ("response", site.url("/a")),
        ("response", site.url("/b")),
    ]
    assert "Grüße".encode() in found[2][2]


def test_the_salt_of_the_crawl_is_not_in_the_file(saved):
    import sqlite3

    home, _, _ = saved
    with sqlite3.connect(home / "crawl" / "crawl.sqlite") as db:
        (salt,) = db.execute("SELECT value FROM facts WHERE name = 'run'").fetchone()
    db.close()
    assert salt.encode() not in gzip.decompress((home / "crawl.warc.gz").read_bytes())


def test_what_is_no_crawl_is_not_saved_and_nothing_is_overwritten(tmp_path, saved):
    with pytest.raises(RunError, match="there is no crawl here"):
        warc.save(tmp_path, tmp_path / "x.warc.gz")
    (tmp_path / "x.txt").write_text("mine")
    with pytest.raises(RunError, match="there is something in this folder"):
        warc.load([saved[0] / "crawl.warc.gz"], tmp_path, POLICY)


def test_a_file_that_is_read_a_second_time_is_there_already_and_gives_the_same(tmp_path):
    broken = HARM["no answer"][0]
    first = loaded(tmp_path, good(1), good(2), broken)
    before = sorted((each, each.read_bytes()) for each in (tmp_path / "out" / "pages").rglob("*.gz"))
    second = loaded(tmp_path, good(1), good(2), broken)
    assert (first.already, second.already) == (False, True)
    assert second._replace(already=False) == first
    assert (second.pages, second.out) == (2, {"broken": 1})
    assert sorted((each, each.read_bytes()) for each in (tmp_path / "out" / "pages").rglob("*.gz")) == before
    told = ask(tmp_path / "some.warc.gz", "--out", tmp_path / "out")
    assert (told.exit_code, "were read into this folder before" in told.output) == (0, True)
    assert "2 examples of 2 pages" in told.output


def test_what_was_forgotten_stays_forgotten_when_the_file_is_read_again(tmp_path):
    loaded(tmp_path, good(1), good(2))
    forget(tmp_path / "out", "https://kettles.example/2")
    again = loaded(tmp_path, good(1), good(2))
    assert (again.rows, again.pages, again.out) == (1, 1, {"forgotten": 1})
    assert [each["url"] for each in rows(tmp_path / "out")] == ["https://kettles.example/1"]


def test_another_file_or_another_choice_of_its_pages_is_refused_with_a_way_out(tmp_path):
    loaded(tmp_path, good(1))
    for members, how in (([good(2)], {}), ([good(1)], {"exclude": "/2$"})):
        with pytest.raises(RunError, match="other WARC files were read into this folder") as error:
            loaded(tmp_path, *members, **how)
        assert error.value.hint == "name a new folder, or remove this one; several files are read in one call"
    assert [each["url"] for each in rows(tmp_path / "out")] == ["https://kettles.example/1"]


@pytest.mark.parametrize("packed", [True, False])
def test_files_of_others_are_read(tmp_path, packed):
    chunked = b"5\r\n<html\r\n1\r\n>\r\n" + f"{len(page('C.')):x}".encode() + b"\r\n" + page("C.") + b"\r\n0\r\n\r\n"
    done = loaded(
        tmp_path,
        record("", b"software: wget", kind="warcinfo"),
        record("https://a.example/1", b"GET /1 HTTP/1.1\r\n\r\n", kind="request"),
        record("<https://a.example/wget>", answer(page("Wget."))),
        record("https://a.example/chunked", answer(chunked, "Transfer-Encoding: chunked")),
        record("https://a.example/said", answer(chunked[:0] + page("Said."), "Transfer-Encoding: chunked")),
        record("https://a.example/packed", answer(gzip.compress(page("Packed.")), "Content-Encoding: gzip")),
        record("https://a.example/open", answer(page("Open."), "Content-Encoding: gzip")),
        record("https://a.example/resource", page("Resource."), "Content-Type: text/html", kind="resource"),
        record("dns:a.example", b"20240503 a.example. 300 IN A 1.2.3.4"),
        record("https://a.example/seen", answer(b""), kind="revisit"),
        record("https://a.example/gone", answer(page("Gone."), status="404 Not Found")),
        record("https://a.example/film", answer(b"x").replace(b"text/html", b"video/mp4")),
        record("https://a.example/wget", answer(page("Wget again."))),
        record("https://a.example/no", answer(page("No."), "X-Robots-Tag: noai")),
        record("https://a.example/meta", answer(page("Meta.", "<meta name=robots content=noai>"))),
        record("https://a.example/print", answer(page("Print.", "<link rel=canonical href=/wget>"))),
        packed=packed,
    )  # fmt: skip
    assert done.out == {"revisit": 1, "status-404": 1, "type": 1, "again": 1, "ai-preference": 2, "canonical": 1}
    told = {each["url"].rpartition("/")[2]: each for each in rows(tmp_path / "out")}
    assert sorted(told) == ["chunked", "open", "packed", "resource", "said", "wget"]
    assert told["wget"]["text"].endswith("Wget.")
    assert told["chunked"]["text"].endswith("C.")
    assert all(each["text"].endswith(f"{name.capitalize()}.") for name, each in told.items() if name != "chunked")
    assert told["wget"]["fetched_at"] == "2024-05-03T10:02:00+00:00"
    assert told["wget"]["robots"].startswith("unknown")
    assert len(list((tmp_path / "out" / "pages").rglob("*.gz"))) == 6


def test_a_refusal_may_be_kept_and_marked(tmp_path):
    loaded(tmp_path, record("https://a.example/no", answer(page("No."), "X-Robots-Tag: noai")), on_deny="keep")
    assert [each["ai_preference"] for each in rows(tmp_path / "out")] == ["deny"]


def test_what_a_page_says_itself_is_kept_with_it_as_a_crawl_would(tmp_path):
    meta = answer(page("Meta.", "<meta name=robots content=noai>"))
    loaded(tmp_path, record("https://a.example/meta", meta), on_deny="keep")
    warc.save(tmp_path / "out", tmp_path / "again.warc.gz")
    (seen,) = captures.captures(tmp_path / "again.warc.gz", POLICY)
    assert (seen.facts["preference"], seen.facts["evidence"]) == ("deny", "meta robots: noai")


def digest(block, name="sha1"):
    return f"WARC-Block-Digest: {name}:{hashlib.new(name, block).hexdigest()}"


BLOCK = answer(page("Summed."))
HARM = {
    "cut off": (gzip.compress(good(7))[:-40], {"broken": 1}),
    "wrong sum": (record("https://a.example/", BLOCK, digest(BLOCK + b"x")), {"broken": 1}),
    "odd sum": (record("https://a.example/", BLOCK, "WARC-Block-Digest: shake_128:AAAA"), {}),
    "too long": (record("https://a.example/", BLOCK, length=1 << 40), {"broken": 1}),
    "too short": (record("https://a.example/", BLOCK, digest(BLOCK), length=40), {"broken": 2}),
    "below zero": (record("https://a.example/", BLOCK, length=-5), {"broken": 2}),
    "no number": (record("https://a.example/", BLOCK, length="many"), {"broken": 2}),
    "no address": (record("", BLOCK), {}),
    "bad address": (record("https://a.example:99999999/", BLOCK), {"bad-url": 1}),
    "no answer": (record("https://a.example/", b"hello"), {"broken": 1}),
    "empty": (record("https://a.example/", b""), {"broken": 1}),
    "bad status": (record("https://a.example/", b"HTTP/1.1 fine\r\n\r\n"), {"broken": 1}),
    "bad date": (record("https://a.example/", BLOCK).replace(b"2024-05-03T10", b"9999-99-99T99"), {}),
    "nonsense": (b"\x00\xff" * 500, {"broken": 1}),
    "packed nonsense": (b"\x1f\x8b\x08\x00" + b"\xff" * 400, {"broken": 1}),
    "long line": (b"WARC/1.0\r\nX: " + b"x" * (20 << 20), {"broken": 1}),
    "many headers": (b"WARC/1.0\r\n" + b"a: b\r\n" * (1 << 20), {"broken": 1}),
    "twice packed": (gzip.compress(gzip.compress(bytes(50 << 20))), {"broken": 1}),
    "packed body": (
        record("https://a.example/", answer(gzip.compress(bytes(200 << 20)), "Content-Encoding: gzip")),
        {"bomb": 1},
    ),
    "large": (record("https://a.example/", answer(bytes(20 << 20))), {"too-large": 1}),
    "bad packing": (record("https://a.example/", answer(b"\x1f\x8bxx", "Content-Encoding: gzip")), {"bad-encoding": 1}),
    "brotli": (record("https://a.example/", answer(b"x", "Content-Encoding: br")), {"bad-encoding": 1}),
    "bad chunks": (record("https://a.example/", answer(b"5\r\nab", "Transfer-Encoding: chunked")), {}),
    "chunks below zero": (record("https://a.example/", answer(b"-5\r\n" * 9, "Transfer-Encoding: chunked")), {}),
    "forged facts": (record("https://a.example/", BLOCK, 'Tuneset-Facts: {"preference": "\\u0000", "via": [1]}'), {}),
    "broken facts": (record("https://a.example/", BLOCK, "Tuneset-Facts: {{"), {}),
}


def seen(tmp_path, *members):
    """Read a file without making rows of it: the reasons, and the pages that are whole."""
    path = tmp_path / "some.warc.gz"
    path.write_bytes(b"".join(each if each[:2] == b"\x1f\x8b" else gzip.compress(each, 1) for each in members))
    found = list(captures.captures(path, POLICY))
    return dict(Counter(each.why for each in found if each.why)), [each.url for each in found if not each.why]


@pytest.mark.parametrize("harm", HARM)
def test_a_broken_record_is_counted_and_the_others_are_read(tmp_path, harm, capfd):
    member, out = HARM[harm]
    ends = harm in ("cut off", "packed nonsense")  # after which no beginning can be found
    start = time.process_time()
    why, urls = seen(tmp_path, good(1), member, *([] if ends else [good(2)]))
    assert time.process_time() - start < 5
    assert why == out
    assert urls[0].endswith("/1")
    assert ends or urls[-1].endswith("/2")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("harm", ["long line", "twice packed", "large", "packed body"])
def test_what_is_large_is_read_in_bounded_memory(tmp_path, harm):
    tracemalloc.start()
    try:
        seen(tmp_path, HARM[harm][0])
        assert tracemalloc.get_traced_memory()[1] < 100 << 20
    finally:
        tracemalloc.stop()


def test_a_file_that_is_half_broken_gives_the_other_half(tmp_path):
    done = loaded(tmp_path, good(1), HARM["too long"][0], HARM["no answer"][0], HARM["packed body"][0], good(2))
    assert (done.pages, done.out) == (2, {"bomb": 1, "broken": 2})
    assert [each["text"].removeprefix(WORDS) for each in rows(tmp_path / "out")] == ["Page 1.", "Page 2."]


def test_a_bomb_ends_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(captures, "_SMALL", 10 << 20)
    bomb = record("https://a.example/", answer(bytes(300 << 20)))
    start = time.process_time()
    assert seen(tmp_path, good(1), gzip.compress(bomb), good(2)) == ({"bomb": 1}, ["https://kettles.example/1"])
    assert time.process_time() - start < 5


def test_more_records_than_are_looked_at_are_left(tmp_path, monkeypatch):
    monkeypatch.setattr(captures, "_MOST", 2)
    why, urls = seen(tmp_path, *map(good, range(4)))
    assert (why, len(urls)) == ({"too-many": 1}, 2)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 something", b"<html>"])
def test_what_is_no_warc_file_is_refused_and_leaves_nothing(tmp_path, content):
    with pytest.raises(InputError):
        loaded(tmp_path, content, packed=False)
    assert [each.name for each in tmp_path.iterdir() if each.name != "some.warc.gz"] == []


def test_no_change_of_a_file_crashes_the_reader(tmp_path):
    """Bits turned, pieces cut out and doubled: whatever is left is read, and the rest has a reason."""
    chance = random.Random(0)
    out = io.BytesIO()
    writer = WARCWriter(out, gzip=False)
    for number in range(3):
        head = StatusAndHeaders("200 OK", [("Content-Type", "text/html")], protocol="HTTP/1.1")
        url = f"https://kettles.example/{number}"
        writer.write_record(
            writer.create_warc_record(url, "response", io.BytesIO(page("x")), len(page("x")), http_headers=head)
        )
    whole, path = out.getvalue(), tmp_path / "x.warc"
    words = set()
    for turn in range(300):
        raw = bytearray(whole)
        for _ in range(chance.randrange(1, 6)):
            at, size = chance.randrange(len(raw)), chance.randrange(1, 60)
            raw[at : at + size] = chance.choice(
                [b"", bytes([chance.randrange(256)]), bytes(raw[at : at + size]) * 2, b"\r\n"]
            )
        path.write_bytes(gzip.compress(bytes(raw)) if turn % 2 else b"WARC/" + bytes(raw)[5:])
        words |= {seen.why for seen in captures.captures(path, POLICY)}
    assert words >= {"", "broken"}
    assert all(
        each in ("", "broken", "bad-url", "type", "too-large", "bad-encoding", "revisit") or each.startswith("status-")
        for each in words
    )


def ask(*words):
    return CliRunner().invoke(main, ["scrape", *map(str, words)])


def test_the_command_writes_what_it_collects_and_reads_it_back_without_asking_anybody(tmp_path):
    with site() as keeper:
        how = {"contact": "me@example.org", "own": [keeper.place], "pace": 0.001}
        done = tuneset.scrape([keeper.url()], tmp_path / "pages", warc=tmp_path / "all.warc.gz", **how)
    assert (done.rows, done.saved) == (13, 13)
    with (tmp_path / "all.warc.gz").open("rb") as file:
        found = [each.rec_type for each in ArchiveIterator(file, check_digests="raise")]
    assert found == ["warcinfo", *["response"] * 13]
    asked = len(keeper.log)
    told = ask(tmp_path / "all.warc.gz", "--out", tmp_path / "back", "--exclude", "/1[0-9]$")
    assert "10 examples of 10 pages" in told.output, told.output
    assert "3 pages left out: not among what --include and --exclude leave (not-included)" in told.output
    run = tuneset.prepare(tmp_path / "back", out=tmp_path / "run")
    assert run.summary["balance"]["in"] == 10
    assert forget(run.path, keeper.url("/5")) == 9
    assert tuneset.Dataset.open(run.path).summary["balance"]["in"] == 9
    assert len(keeper.log) == asked


def test_a_recipe_reads_warc_files_and_reads_them_anew_where_they_have_changed(tmp_path):
    for name, numbers in (("one", range(4)), ("two", range(4, 6))):
        (tmp_path / f"{name}.warc.gz").write_bytes(b"".join(gzip.compress(good(number)) for number in numbers))
    paths = [str(tmp_path / f"{name}.warc.gz") for name in ("one", "two")]
    crawl = "{ exclude = '/3$' }"
    (tmp_path / "mine.toml").write_text(f"[[sources]]\nkind = 'web'\npaths = {paths}\ncrawl = {crawl}\n")
    prepared = functools.partial(tuneset.prepare, tmp_path / "mine.toml", out=tmp_path / "run", until="get")
    (stage,) = {prepared().folder.stage("get")}
    assert len(pl.read_parquet(stage / "examples.parquet")) == 5
    (crawled,) = (tmp_path / "run" / ".tuneset" / "fetched").iterdir()
    before = (crawled / "crawl.sqlite").stat().st_mtime_ns
    prepared()
    assert (crawled / "crawl.sqlite").stat().st_mtime_ns == before
    with (tmp_path / "two.warc.gz").open("ab") as file:
        file.write(gzip.compress(good(20)))
    prepared()
    assert len(pl.read_parquet(stage / "examples.parquet")) == 6
    for path in paths:
        Path(path).unlink()
    assert len(tuneset.prepare(tmp_path / "run", until="get").folder.table("get", "examples")) == 6


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["some.warc.gz", "https://a.example/"], "WARC files and addresses are mixed"),
        (["some.warc.gz", "--depth", "2"], "unknown limit 'depth'"),
        (["some.warc.gz", "--browser"], "unknown limit 'browser'"),
        (["some.warc.gz", "--dry-run"], "nobody would be asked"),
        (["none.warc.gz"], "this cannot be read: No such file"),
        (["some.warc.gz", "--warc", "new.warc"], "a WARC file is written packed"),
        (["https://a.example/"], "the crawler needs a contact"),
    ],
)
def test_what_cannot_be_is_said_in_three_lines_and_nothing_is_left(tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "some.warc.gz").write_bytes(gzip.compress(good(1)))
    told = ask(*words, "--out", "pages")
    assert told.exit_code == 2
    assert said in told.output
    assert len(told.output.strip().splitlines()) == 3, told.output
    assert [each.name for each in tmp_path.iterdir()] == ["some.warc.gz"]


def test_a_warc_file_that_is_taken_for_a_table_says_how_it_is_read(tmp_path):
    (tmp_path / "some.warc.gz").write_bytes(gzip.compress(good(1)) + gzip.compress(good(2)))
    with pytest.raises(InputError, match="tuneset scrape FILE --out pages"):
        tuneset.peek(tmp_path / "some.warc.gz")


def test_without_warcio_the_words_say_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "warcio", None)
    told = ask("https://a.example/", "--contact", "me@example.org", "--out", tmp_path / "x", "--warc", "x.warc.gz")
    assert "pip install 'tuneset[warc]'" in told.output
    assert told.exit_code == 2
