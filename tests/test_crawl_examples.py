"""What a page that was fetched gives: its rows, where they came from, and the links that may be followed."""

from __future__ import annotations

import gzip
import json
import pickle
import random
import subprocess
import sys
import time

import polars as pl
import pytest

import tuneset
from tuneset.crawl.addresses import key
from tuneset.crawl.examples import read
from tuneset.crawl.reading import Fetched

ASKS = "My kettle trips the breaker every morning since we moved. Has anybody seen this before?"
SAYS = "Mine did that too. The element had a crack, and a new one for nine pounds put it right."
ADDS = "Check the socket first, because a loose wire behind the plate does exactly the same thing."
URL = "https://kettles.example/forum/threads/kettle.7/"
COLUMNS = [
    *["text", "title", "kind", "url", "thread", "author", "date", "rating", "language", "page", "final", "canonical"],
    *["fetched_at", "sha256", "drawn", "robots", "ai_preference", "ai_evidence", "licence", "run", "extractor"],
]


@pytest.fixture
def fetched(tmp_path):
    def make(body, url=URL, *, kind="text/html; charset=utf-8", said=("unstated", ""), run="salt", via="", **headers):
        path = tmp_path / "body.gz"
        path.write_bytes(gzip.compress(body.encode() if isinstance(body, str) else body))
        told = {"content-type": kind} | {name.replace("_", "-"): value for name, value in headers.items()}
        when = "2026-11-23T10:00:00+00:00"
        return Fetched(url, key(url), via, 0, 200, told, when, "1.2.3.4", "abc", path, "allow: rules 0f", *said, run)

    return make


def html(*blocks, head=""):
    return f"<!doctype html><html lang=en><head><title>Kettle trips</title>{head}</head><body>{''.join(blocks)}</body></html>"


def ld(*nodes):
    return "".join(f'<script type="application/ld+json">{json.dumps(node)}</script>' for node in nodes)


def posts(*texts):
    return "".join(f"<article class=message><b>Ann</b><div class=bbWrapper>{text}</div></article>" for text in texts)


def turn(text, author, kind="Comment", **more):
    return {"@type": kind, "text": text, "author": {"@type": "Person", "name": author}, **more}


def texts(outcome):
    return [row["text"] for row in outcome.rows]


def test_a_page_without_records_is_one_row_with_its_main_text_and_all_columns(fetched):
    page = fetched(
        html(f"<nav><a href=/x>Menu</a></nav><article><h1>Kettle trips</h1><p>{ASKS}</p><p>{SAYS}</p></article>")
    )
    (row,) = read(page).rows
    assert list(row) == COLUMNS
    assert ASKS in row["text"]
    assert "Menu" not in row["text"]
    assert (row["title"], row["language"], row["url"], row["page"], row["final"]) == (
        "Kettle trips",
        "en",
        URL,
        URL,
        URL,
    )
    assert (row["fetched_at"], row["sha256"], row["robots"]) == ("2026-11-23T10:00:00+00:00", "abc", "allow: rules 0f")
    assert (row["ai_preference"], row["licence"]) == ("unstated", "")


def test_each_record_of_a_page_is_a_row_and_a_question_has_its_accepted_answer(fetched):
    answer = turn(SAYS, "Bo", "Answer", url="/q/1#2")
    asked = turn(ASKS, "Ann", "Question", name="Trips", url="/q/1", datePublished="2024-05-03", acceptedAnswer=answer)
    review = turn("", "Cy", "Review", reviewBody=ADDS, reviewRating={"ratingValue": 4})
    rows = read(
        fetched(html(ld({"@type": "QAPage", "mainEntity": asked}, review)), "https://kettles.example/shop")
    ).rows
    assert [(row["kind"], row["text"], row.get("answer"), row["rating"]) for row in rows] == [
        ("question", ASKS, SAYS, None),
        ("answer", SAYS, None, None),
        ("review", ADDS, None, 4.0),
    ]
    assert rows[0]["url"] == "https://kettles.example/q/1"
    assert (rows[0]["title"], rows[0]["date"]) == ("Trips", "2024-05-03")
    assert len({row["thread"] for row in rows}) == 1


def test_each_post_of_a_discussion_is_a_row(fetched):
    rows = read(fetched(html(posts(ASKS, SAYS, ADDS)))).rows
    assert [(row["kind"], row["text"]) for row in rows] == [("post", ASKS), ("post", SAYS), ("post", ADDS)]
    assert {row["extractor"].rpartition(", ")[2] for row in rows} == {"XenForo 2"}


def test_a_post_takes_author_and_date_of_what_the_page_declares_of_it_and_comes_once(fetched):
    """A page may declare the opening post only, the beginning of one, or one with all that it quotes."""
    declared = turn(ASKS, "Ann", "DiscussionForumPosting", datePublished="2024-05-03")
    declared["comment"] = [turn(SAYS[:70], "Bo"), turn(f"Bo said: {SAYS} {ADDS}", "Cy")]
    quoting = f"<blockquote class=quote><div>Bo said:</div>{SAYS}</blockquote>{ADDS}"
    rows = read(fetched(html(posts(ASKS, SAYS, quoting, "Thanks, all of you."), head=ld(declared)))).rows
    assert [row["text"] for row in rows] == [ASKS, SAYS, ADDS, "Thanks, all of you."]
    assert [bool(row["author"]) for row in rows] == [True, True, True, False]
    assert len({row["author"] for row in rows}) == 4
    assert rows[0]["date"] == "2024-05-03"


def test_an_author_is_the_same_within_a_crawl_and_another_one_elsewhere(fetched):
    body = html(ld(turn(ASKS, "Ann Smith"), turn(SAYS, " ann smith"), turn(ADDS, "Bo")))
    rows = read(fetched(body)).rows
    names = [row["author"] for row in rows]
    assert names[0] == names[1] != names[2]
    assert read(fetched(body, run="other")).rows[0]["author"] != names[0]
    assert read(fetched(body, "https://other.example/")).rows[0]["author"] != names[0]
    assert "smith" not in json.dumps(rows).lower()
    assert "salt" not in json.dumps(rows)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("/threads/kettle.7/", "/threads/kettle.7/page-2"),
        ("/viewtopic.php?f=1&t=7", "/viewtopic.php?f=1&t=7&start=20"),
        ("/topic/kettle/", "/topic/kettle/page/3/"),
        ("/t/kettle/7", "/t/kettle/7?page=2"),
        ("/index.php?topic=7.0", "/index.php?topic=7.msg45"),
        ("/thread-7.html", "/thread-7-page-2.html"),
    ],
)
def test_the_pages_of_one_discussion_have_one_thread(fetched, one, other):
    site = "https://kettles.example"
    first, second = (read(fetched(html(posts(ASKS, SAYS)), site + path)).rows[0]["thread"] for path in (one, other))
    assert first == second
    assert (
        read(fetched(html(posts(ASKS, SAYS)), site + one.replace("7", "8").replace("kettle", "pot"))).rows[0]["thread"]
        != first
    )


def test_a_page_cannot_name_a_thread_of_another_host(fetched):
    rows = read(fetched(html(ld(turn(ASKS, "Ann", "DiscussionForumPosting", url="https://other.example/all"))))).rows
    assert rows[0]["thread"] == URL.rstrip("/")


@pytest.mark.parametrize(
    ("head", "headers", "licence"),
    [
        ("<link rel=license href=/terms>", {}, "https://kettles.example/terms"),
        ("<a rel='license noopener' href=https://creativecommons.org/licenses/by/4.0/>CC</a>", {}, "https://creativecommons.org/licenses/by/4.0/"),
        (ld({"@type": "WebPage", "license": "https://a.example/l"}), {}, "https://a.example/l"),
        (ld({"@type": "WebPage", "license": {"@id": "https://a.example/i"}}), {}, "https://a.example/i"),
        ("<meta name=dcterms.license content='CC BY 4.0'>", {}, "CC BY 4.0"),
        ("<meta property=cc:license content=http://a.example/m>", {}, "http://a.example/m"),
        ("", {"link": '</a>; rel=next, </l>; rel="license"'}, "https://kettles.example/l"),
        ("<a href=https://creativecommons.org/>about</a>", {"link": "</a>; rel=next"}, ""),
    ],
)  # fmt: skip
def test_the_licence_that_a_page_declares_is_kept(fetched, head, headers, licence):
    assert read(fetched(html(f"<p>{ASKS}</p>", head=head), **headers)).rows[0]["licence"] == licence


@pytest.mark.parametrize(
    ("before", "meta", "said"),
    [
        (("unstated", ""), "noai", ("deny", "meta robots: noai")),
        (("allow", "header x"), "noai", ("deny", "meta robots: noai")),
        (("deny", "header x"), "noai", ("deny", "header x")),
        (("allow", "header x"), "index", ("allow", "header x")),
    ],
)
def test_a_row_has_the_owners_strictest_word(fetched, before, meta, said):
    page = fetched(html(f"<p>{ASKS}</p>", head=f"<meta name=robots content={meta}>"), said=before)
    row = read(page).rows[0]
    assert (row["ai_preference"], row["ai_evidence"]) == said


def test_links_come_as_they_stand_but_for_those_to_be_left_alone(fetched):
    body = html(
        "<a href=/a>a</a><a href='b?x=1#c'>b</a><a rel='ugc NoFollow' href=/no>n</a><a name=x>x</a><area href=/map>"
    )
    assert read(fetched(body)).links == ["/a", "b?x=1#c", "/map"]


def test_the_canonical_address_and_the_one_that_was_redirected_are_kept(fetched):
    page = fetched(html(f"<p>{ASKS}</p>", head="<link rel=canonical href=/c>"), via="https://kettles.example/old")
    row = read(page).rows[0]
    assert (row["page"], row["final"]) == ("https://kettles.example/old", URL)
    assert row["canonical"] == "https://kettles.example/c"


@pytest.mark.parametrize(
    ("body", "kind", "found"),
    [
        (ASKS, "text/plain", [ASKS]),
        ('{"a": "<html>"}', "application/json", []),
        (f"<rss><item><description>{ASKS}</description></item></rss>", "text/xml", []),
        ("", "text/html", []),
        ("<!-- nothing -->", "text/html", []),
        (html(f"<p>{ASKS}</p>"), "application/xml", [ASKS]),
        (f"<p>{ASKS}</p>".encode("utf-16"), "text/html", [ASKS]),
    ],
)
def test_what_is_no_page_gives_what_it_has(fetched, body, kind, found):
    assert texts(read(fetched(body, kind=kind))) == found


def test_half_characters_and_a_bomb_of_references_are_bounded(fetched):
    half = html('<script type="application/ld+json">{"@type": "Comment", "text": "half \\ud800 a character"}</script>')
    assert texts(read(fetched(half))) == ["half \ufffd a character"]
    long = {"@type": "Answer", "@id": "#a", "text": "word " * 50_000}
    asked = [turn(f"Question {number}?", "Ann", "Question", acceptedAnswer={"@id": "#a"}) for number in range(400)]
    head = f"<title>{'t' * 1_000_000}</title>"
    start = time.process_time()
    rows = read(fetched(html(ld({"@graph": [long, *asked]}), head=head))).rows
    assert sum(len(json.dumps(row)) for row in rows) < 5_000_000
    assert len(rows) >= 10
    assert time.process_time() - start < 20


def test_a_reading_process_can_be_given_the_function_and_loading_it_is_light():
    assert pickle.loads(pickle.dumps(read)) is read
    code = (
        "import tuneset.crawl.examples, sys; print([x for x in ('polars', 'trafilatura', 'numpy') if x in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_the_folder_of_a_crawl_is_prepared_and_a_thread_stays_on_one_side(fetched, tmp_path):
    folder = tmp_path / "crawl"
    (folder / "pages").mkdir(parents=True)
    (folder / "crawl.sqlite").write_bytes(b"x")
    chance, lines = random.Random(7), []
    words = ["".join(chance.choices("abcdefghiklmnoprstuvw", k=6)) for _ in range(2000)]
    for number in range(12):
        told = [" ".join(chance.sample(words, 14)) for _ in range(4)]
        lines += read(fetched(html(posts(*told)), f"https://kettles.example/forum/threads/{number}/")).rows
    (folder / "examples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in lines))
    run = tuneset.prepare(folder, out=tmp_path / "run", group="thread", until="split")
    sides = run.folder.table("split", "split").join(
        run.folder.table("split", "examples").select("id", key="groups"), on="id"
    )
    assert sides.height == len(lines) == 48
    assert sides["side"].n_unique() == 2
    assert sides.group_by(sides["key"].list.first()).agg(pl.col("side").n_unique())["side"].max() == 1
