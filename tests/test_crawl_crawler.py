"""Whole crawls of a zoo of servers, over real sockets: what the servers' logs show is what counts."""

from __future__ import annotations

import contextlib
import email.utils
import gzip
import hashlib
import json
import os
import re
import signal
import sqlite3
import time

import pytest
import zoo
from zoo import Zoo, drip, gaps, html, moved, silent, trickle

from tuneset.crawl import examples, frontier
from tuneset.crawl.crawler import crawl
from tuneset.crawl.egress import Egress
from tuneset.crawl.kept import forget
from tuneset.crawl.plan import plan
from tuneset.crawl.policy import Policy
from tuneset.errors import RecipeError, RunError

CONTACT = "me@example.org"
HASTY = {"connect": 1.0, "read": 0.8, "total": 1.2}  # where a server never answers; a busy machine needs more


def policy(*zoos, **limits):
    """Be quick at the zoos, which are listed as the user's own; everything else is as it comes."""
    quick = {"pace": 0.01, "readers": 1}
    return Policy(contact=CONTACT, own=frozenset(each.place for each in zoos), **(quick | limits))


def states(folder):
    """What became of each address: path -> (state, reason, evidence)."""
    with sqlite3.connect(folder / "crawl.sqlite") as db:
        found = db.execute("SELECT url, state, why, evidence FROM pages").fetchall()
    db.close()
    return {re.sub(r"https?://[^/]+", "", url): tuple(rest) for url, *rest in found}


def rows(folder):
    return [json.loads(line) for line in (folder / "examples.jsonl").read_text().splitlines()]


def run(folder, site, seeds=("/",), **limits):
    """Crawl one zoo; return what came of it, and the zoo with its log."""
    with Zoo(pages=site) as keeper:
        done = crawl([keeper.url(seed) for seed in seeds], folder, policy(keeper, **limits), zoo.read)
    return done, keeper


SITE = {
    "/": html("/a", "b", "/c#top", "/a?utm_source=x", text="home"),
    "/a": html("/", "/d", text="page a"),
    "/b": html("/a", text="page b"),
    "/c": html("http://elsewhere.example/", "mailto:x@example.org", text="page c"),
    "/d": html(text="page d"),
}


def test_each_page_is_asked_for_once_and_gives_its_row(tmp_path):
    done, keeper = run(tmp_path, SITE)
    assert sorted(keeper.paths()) == ["/", "/a", "/b", "/c", "/d"]
    assert [each["text"] for each in rows(tmp_path)] == ["home", "page a", "page b", "page c", "page d"]
    assert done[:6] == (5, 5, {}, 0, {}, "")
    assert [each.path for each in keeper.log[:2]] == ["/robots.txt", "/.well-known/tdmrep.json"]
    for request in keeper.log:
        assert f"contact={CONTACT}" in request.headers["user-agent"]
        assert not {"cookie", "referer"} & set(request.headers)


@pytest.mark.parametrize(
    ("robots", "asked"),
    [
        ((200, {}, b"User-agent: *\nDisallow: /a"), ["/", "/b", "/c"]),
        ((404, {}, b""), ["/", "/a", "/b", "/c", "/d"]),
        ((401, {}, b""), []),
        ((403, {}, b""), []),
        ((429, {}, b""), []),
        ((503, {}, b"User-agent: *\nAllow: /"), []),
        ((200, {}, b"<html><body>Please log in</body></html>"), []),
        ((200, {}, b"User-agent: *\nDisallow: /a\n" + b"# filler\n" * 70_000 + b"Disallow: /\n"), ["/", "/b", "/c"]),
        (moved("/robots.txt"), []),
        (moved("/r1"), ["/", "/b", "/c"]),
        (moved("http://127.0.0.2:9/robots.txt"), []),
        (silent, []),
        (trickle, []),
        ((200, {"Content-Encoding": "gzip"}, gzip.compress(bytes(30 << 20))), []),
    ],
    ids=[
        "rules",
        "404",
        "401",
        "403",
        "429",
        "503",
        "page",
        "600KiB",
        "loop",
        "moved",
        "inside",
        "silent",
        "trickle",
        "bomb",
    ],
)
def test_what_robots_txt_does_not_allow_is_not_asked_for(tmp_path, robots, asked):
    pages = SITE | {"/robots.txt": robots, "/r1": moved("/r2"), "/r2": (200, {}, b"User-agent: *\nDisallow: /a")}
    done, keeper = run(tmp_path, pages, **(HASTY if robots in (silent, trickle) else {}))
    assert sorted({*keeper.paths()} - {"/r1", "/r2"}) == asked
    assert len([each for each in keeper.log if each.path == "/robots.txt"]) <= 6
    if not asked:
        assert done.rows == 0
        assert done.closed or done.out == {"robots": 1}


def test_nobody_at_home_is_waited_for_until_another_run(tmp_path):
    with Zoo() as gone:
        pass
    done = crawl([gone.url()], tmp_path, policy(gone), zoo.read)
    assert (done.waiting, done.closed) == (1, {"127.0.0.1": "robots-no-connection"})
    with Zoo(pages=SITE, port=gone.port):
        assert crawl([gone.url()], tmp_path, policy(gone), zoo.read).rows == 5


def slowly(page, seconds=0.02):
    def answer(_request):
        time.sleep(seconds)
        return page

    return answer


def test_hosts_are_asked_side_by_side_and_each_of_them_one_at_a_time_with_pauses(tmp_path):
    pages = {f"/{number}": slowly(html(text=f"page {number}")) for number in range(8)}
    pages["/"] = slowly(html(*pages))
    with Zoo("127.0.0.1", pages) as one, Zoo("127.0.0.2", pages) as two, Zoo("127.0.0.3", pages) as three:
        animals = [one, two, three]
        done = crawl([each.url() for each in animals], tmp_path, policy(*animals, pace=0.06, gap=1), zoo.read)
    assert done.pages == 27
    for each in animals:
        assert len(each.log) == 11
        assert min(gaps(each.log)) >= 0.055  # the server's clock stops a little after the answer is out
    firsts, lasts = [each.log[0].start for each in animals], [each.log[-1].end for each in animals]
    assert max(firsts) < min(lasts)


@pytest.mark.parametrize(("lines", "gap"), [("Crawl-delay: 20", 0.2), ("Request-rate: 1/15", 0.15)])
def test_a_delay_that_robots_txt_asks_for_is_kept(tmp_path, lines, gap):
    _, keeper = run(tmp_path, SITE | {"/robots.txt": (200, {}, f"User-agent: *\n{lines}".encode())})
    assert len(keeper.paths()) == 5
    assert min(gaps(keeper.log)) >= gap - 0.005


def test_a_host_that_asks_for_more_than_a_minute_is_asked_for_the_seeds_only(tmp_path):
    pages = SITE | {"/robots.txt": (200, {}, b"User-agent: *\nCrawl-delay: 61")}
    done, keeper = run(tmp_path, pages, pace=0.001)
    assert keeper.paths() == ["/"]
    assert done.out == {"crawl-delay": 3}


def test_a_slow_host_is_asked_less_often(tmp_path):
    _, keeper = run(tmp_path, {path: slowly(page, 0.1) for path, page in SITE.items()}, pace=0.2, gap=0)
    assert min(gaps(keeper.log)[4:]) >= 0.1 * 10 * 0.2 - 0.06  # the first answers, robots.txt's, are quick


AI = {
    "robots usage": {"/robots.txt": (200, {}, b"User-agent: *\nContent-Usage: /a train-ai=n")},
    "robots signal": {"/robots.txt": (200, {}, b"User-agent: *\nContent-Signal: search=yes,ai-train=no")},
    "tdmrep": {"/.well-known/tdmrep.json": (200, {}, b'[{"location": "/a", "tdm-reservation": 1}]')},
    "usage": {"/a": (200, {"Content-Usage": "train-ai=n"}, html(text="page a")[2])},
    "tag": {"/a": (200, {"X-Robots-Tag": "otherbot: noindex\r\nX-Robots-Tag: noai"}, html(text="page a")[2])},
    "tdm": {"/a": (200, {"tdm-reservation": "1"}, html(text="page a")[2])},
    "meta": {"/a": html("/d", text="page a", head='<meta name="robots" content="noai">')},
}


@pytest.mark.parametrize("kind", AI)
def test_a_page_whose_owner_says_no_to_training_is_left_out_and_the_evidence_is_kept(tmp_path, kind):
    done, keeper = run(tmp_path, SITE | AI[kind], seeds=["/a"])
    assert done.rows == (1 if kind == "meta" else 0)  # the page behind it says nothing, and its link may be followed
    state, why, evidence = states(tmp_path)["/a"]
    assert (state, why) == ("out", "ai-preference")
    assert re.search(r"train|noai|tdm", evidence)
    assert ("/a" in keeper.paths()) == (kind in ("usage", "tag", "tdm", "meta"))
    assert len(list((tmp_path / "pages").glob("*/*"))) == done.rows  # no body is kept


def test_a_user_may_keep_such_pages_and_the_row_knows_it(tmp_path):
    run(tmp_path, SITE | AI["robots signal"], on_deny="keep")
    assert {each["said"] for each in rows(tmp_path)} == {"deny"}


def after(times, page, otherwise):
    return lambda request: page if request.times > times else otherwise


@pytest.mark.parametrize(
    ("wait", "least"),
    [("1", 0.95), (lambda: email.utils.formatdate(time.time() + 2, usegmt=True), 0.9), ("soon", 0.0)],
    ids=["seconds", "date", "nonsense"],
)
def test_retry_after_is_waited_for_and_the_whole_host_waits(tmp_path, wait, least):
    busy = lambda _request: (503, {"Retry-After": wait() if callable(wait) else wait}, b"")
    pages = SITE | {"/a": lambda request: html(text="page a") if request.times > 1 else busy(request)}
    done, keeper = run(tmp_path, pages)
    said = next(number for number, each in enumerate(keeper.log) if each.path == "/a")
    assert gaps(keeper.log)[said] >= least
    assert keeper.paths().count("/a") == 2
    assert done.rows == 4


def test_a_host_that_asks_to_wait_for_more_than_an_hour_is_left_alone(tmp_path):
    done, keeper = run(tmp_path, {"/": (429, {"Retry-After": "7200"}, b"")})
    assert (keeper.paths(), done.closed, done.waiting) == (["/"], {"127.0.0.1": "asks-to-wait"}, 1)


def test_a_storm_of_refusals_closes_the_host_after_ten(tmp_path):
    pages = {"/": html(*(f"/{number}" for number in range(40)))}
    with Zoo(pages=pages, otherwise=lambda _: (429, {}, b"")) as keeper:
        done = crawl([keeper.url()], tmp_path, policy(keeper, pace=0.0005), zoo.read)
    assert len(keeper.paths()) == 11
    assert done.closed == {"127.0.0.1": "failing"}
    assert done.waiting + done.out.get("status-429", 0) == 40


def test_an_error_that_passes_is_tried_three_times_and_403_once(tmp_path):
    pages = {
        "/": html("/good", "/never", "/forbidden", "/legal"),
        "/good": after(2, html(text="at last"), (500, {}, b"")),
        "/never": (502, {}, b""),
        "/forbidden": (403, {}, b""),
        "/legal": (451, {}, b""),
    }
    done, keeper = run(tmp_path, pages)
    asked = {path: keeper.paths().count(path) for path in pages if not path.startswith(("/robots", "/.well"))}
    assert asked == {"/": 1, "/good": 3, "/never": 3, "/forbidden": 1, "/legal": 1}
    assert done.out == {"status-403": 1, "status-451": 1, "status-502": 1}
    with Zoo(pages=pages | {"/never": html(text="never?")}, port=keeper.port) as later:
        assert crawl([keeper.url()], tmp_path, policy(later), zoo.read).rows == 3
    assert later.paths() == [
        "/never"
    ]  # what failed for a passing reason is asked for in the next run, and nothing else


def test_nothing_that_a_server_does_stops_the_crawl(tmp_path):
    bomb = gzip.compress(bytes(200 << 20))
    pages = {
        "/silent": silent,
        "/trickle": trickle,
        "/drip": drip,
        "/bomb": (200, {"Content-Encoding": "gzip"}, bomb),
        "/big": (200, {}, b"<p>" + os.urandom(3 << 20).hex().encode()),
        "/film": (200, {"Content-Type": "video/mp4"}, b"x"),
        "/empty": (200, {}, b""),
        "/short": (200, {"Content-Length": "99"}, b"<p>x"),
        "/deep": (200, {}, b"<div>" * 100_000),
        "/loop": moved("/loop"),
        "/ring": moved("/ring2"),
        "/ring2": moved("/ring"),
        "/away": moved("http://elsewhere.example/"),
        "/inside": moved("http://127.0.0.2:9/"),
        "/cloud": moved("http://169.254.169.254/latest/meta-data/"),
        "/file": moved("file:///etc/passwd"),
        "/good": html(text="fine"),
    }
    pages["/"] = html(*pages, text="home")
    start = time.monotonic()
    done, _ = run(
        tmp_path, pages, **HASTY, tries=1, body=4 << 20, failures=99, domains=("127.0.0.2", "169.254.169.254")
    )
    assert time.monotonic() - start < 20
    found = {path: why for path, (_, why, _) in states(tmp_path).items()}
    wanted = {"/silent": "timeout", "/trickle": "timeout", "/drip": "timeout", "/bomb": "bomb", "/big": "too-large"}
    wanted |= {"/film": "type", "/short": "bad-answer", "/loop": "redirect-loop", "/away": "moved-away"}
    wanted |= {"/ring": "moved", "/ring2": "moved", "/file": "status-302", "/good": "", "/": ""}
    assert {path: found[path] for path in wanted} == wanted
    assert {each["text"] for each in rows(tmp_path)} >= {"home", "fine"}
    assert done.stopped == ""


def test_a_redirection_inside_is_refused_by_the_door_even_where_the_recipe_lists_the_domain(tmp_path):
    limits = {"ports": frozenset({80, 443, 9}), "domains": ("127.0.0.2", "169.254.169.254")}
    pages = {"/": html("/i", "/c"), "/i": moved("http://127.0.0.2:9/i2"), "/c": moved("http://169.254.169.254/c2")}
    with Zoo("127.0.0.2") as inner:
        pages["/i"] = moved(inner.url("/i2"))
        done, _ = run(tmp_path, pages, **(limits | {"ports": frozenset({80, 443, inner.port})}), gap=0.01, tries=1)
    assert inner.log == []
    assert done.closed == {}
    found = states(tmp_path)
    assert {found["/i2"][1], found["/c2"][1]} == {"robots"}  # robots.txt is what would have been asked for first


def test_a_name_that_leads_inside_the_second_time_is_not_followed_there(tmp_path):
    """Each request looks the name up once, checks what it gets, and dials that."""
    with Zoo(pages=SITE) as keeper:
        looked = []

        def resolver(host, port):
            looked.append(host)
            return ["127.0.0.1"] if host == "127.0.0.1" else ["127.0.0.1", "10.0.0.1"]

        egress = Egress(frozenset({keeper.place}), resolver)
        seeds = [keeper.url(), f"http://rebind.example:{keeper.port}/"]
        done = crawl(seeds, tmp_path, policy(keeper, ports=frozenset({keeper.port}), gap=0.01), zoo.read, egress=egress)
    assert {each.host for each in keeper.log} == {keeper.place}
    assert looked.count("127.0.0.1") == len(keeper.log)
    assert done.rows == 5


def test_an_endless_calendar_comes_to_an_end(tmp_path):
    def day(request):
        year, month = map(int, request.path.strip("/").split("/")[1:])
        after = (year + month // 12, month % 12 + 1)
        return html(f"/calendar/{after[0]}/{after[1]:02d}", f"/calendar/{year + 1}/{month:02d}", text=f"{year}-{month}")

    with Zoo(pages={"/": html("/calendar/2026/01")}, otherwise=day) as keeper:
        done = crawl([keeper.url()], tmp_path, policy(keeper, depth=10_000, variants=20, pace=0.001), zoo.read)
    assert len(keeper.paths()) == 21
    assert done.stopped == ""


def test_pages_without_anything_new_close_their_host_for_later_runs_too(tmp_path):
    def maze(request):
        number = int(request.path.strip("/") or 0)
        return html(f"/{number + 1}", f"/{number + 2}", text=" ".join(f"word{each}" for each in range(300)))

    limits = {"depth": 10_000, "pace": 0.001, "window": 20, "pages": 100}
    with Zoo(otherwise=maze) as keeper:
        done = crawl([keeper.url()], tmp_path, policy(keeper, **limits), zoo.read)
        asked = len(keeper.paths())
        again = crawl([keeper.url()], tmp_path, policy(keeper, **limits), zoo.read)
    assert 20 <= asked < 60
    assert done.closed == again.closed
    assert done.closed["127.0.0.1"].startswith("trap-")
    assert len(keeper.paths()) == asked


def test_sitemaps_are_read_in_bounds_and_their_loops_end(tmp_path):
    entry = lambda path: f"<url><loc>{keeper.url(path)}</loc></url>"
    index = lambda *paths: (
        f"<sitemapindex>{''.join(f'<sitemap><loc>{keeper.url(path)}</loc></sitemap>' for path in paths)}</sitemapindex>"
    )
    with Zoo() as keeper:
        keeper.pages |= {
            "/robots.txt": (200, {}, f"Sitemap: {keeper.url('/map.xml')}\nUser-agent: *\nDisallow: /private".encode()),
            "/map.xml": (
                200,
                {"Content-Type": "text/xml"},
                index("/map.xml", "/more.xml.gz", "/bomb.xml.gz", "/l1").encode(),
            ),
            "/more.xml.gz": (
                200,
                {"Content-Type": "application/gzip"},
                gzip.compress(f"<urlset>{entry('/hidden')}{entry('/private')}</urlset>".encode()),
            ),
            "/bomb.xml.gz": (200, {"Content-Type": "application/gzip"}, gzip.compress(b"<urlset>" + b" " * (60 << 20))),
            **{f"/l{number}": (200, {}, index(f"/l{number + 1}").encode()) for number in range(1, 9)},
            "/": html(text="home"),
            "/hidden": html(text="hidden"),
        }
        done = crawl([keeper.url()], tmp_path, policy(keeper), zoo.read)
    assert sorted(each["text"] for each in rows(tmp_path)) == ["hidden", "home"]
    assert sorted(keeper.paths()) == sorted(
        ["/", "/hidden", "/map.xml", "/more.xml.gz", "/bomb.xml.gz", "/l1", "/l2", "/l3"]
    )
    assert done.out == {"robots": 1}


CODINGS = {
    "utf-8": "Grüße und Öl",
    "iso-8859-1": "Grüße und Öl",
    "windows-1252": "“Grüße” und Öl",
    "iso-8859-2": "Žluťoučký kůň",
    "windows-1251": "Привет, мир",
    "koi8-r": "Привет, мир",
    "shift_jis": "こんにちは世界",
    "euc-jp": "こんにちは世界",
    "gb18030": "你好世界",
    "big5": "你好世界",
    "euc-kr": "안녕하세요",
    "utf-16": "Grüße und Öl",
}


@pytest.mark.parametrize("declared", ["header", "meta"])
def test_pages_in_many_encodings_arrive_as_they_were_written(tmp_path, declared):
    pages = {"/": html(*(f"/{name}" for name in CODINGS), text="home")}
    for name, text in CODINGS.items():
        head = f'<meta charset="{name}">' if declared == "meta" else ""
        kind = "text/html" + (f"; charset={name}" if declared == "header" else "")
        body = f"<html><head>{head}</head><body><p>{text} {name}</p></body></html>".encode(name)
        pages[f"/{name}"] = (200, {"Content-Type": kind}, body)
    run(tmp_path, pages)
    found = {each["url"].rpartition("/")[2]: each["text"] for each in rows(tmp_path)}
    assert {name: found[name] for name in CODINGS} == {name: f"{text} {name}" for name, text in CODINGS.items()}


def test_a_second_crawl_asks_only_for_what_has_changed(tmp_path):
    def tagged(text):
        def page(request):
            same = request.headers.get("if-none-match") == f'"{text}"'
            return (304, {"ETag": f'"{text}"'}, b"") if same else (200, {"ETag": f'"{text}"'}, html(text=text)[2])

        return page

    dated = lambda request: (
        (304, {}, b"")
        if "if-modified-since" in request.headers
        else (200, {"Last-Modified": "Mon, 01 Jun 2026 00:00:00 GMT"}, html(text="dated")[2])
    )
    pages = {
        "/": html("/a", "/b", "/c", "/d", text="home"),
        "/a": tagged("a"),
        "/b": tagged("b"),
        "/c": dated,
        "/d": html(text="d"),
    }
    with Zoo(pages=pages) as keeper:
        crawl([keeper.url()], tmp_path, policy(keeper), zoo.read)
        before = len(keeper.paths())
        keeper.pages |= {"/b": tagged("b, second edition"), "/d": (410, {}, b"")}
        done = crawl([keeper.url()], tmp_path, policy(keeper), zoo.read)
        assert (done.rows, len(keeper.paths())) == (5, before)  # nothing to do
        done = crawl([keeper.url()], tmp_path, policy(keeper), zoo.read, again=True)
    assert sorted(keeper.paths()[before:]) == ["/", "/a", "/b", "/c", "/d"]
    assert sorted(each["text"] for each in rows(tmp_path)) == ["a", "b, second edition", "dated", "home"]
    assert done.out == {"status-410": 1}
    assert len(list((tmp_path / "pages").glob("*/*"))) == 4  # bodies that nothing needs any more are gone


def test_the_same_body_at_two_addresses_is_read_once(tmp_path):
    done, _ = run(tmp_path, {"/": html("/x", "/y", text="home"), "/x": html(text="twin"), "/y": html(text="twin")})
    assert sorted(each["text"] for each in rows(tmp_path)) == ["home", "twin"]
    assert done.out == {"same-body": 1}


@pytest.mark.parametrize(
    ("limits", "asked"),
    [
        ({"depth": 1}, ["/", "/a", "/b", "/c"]),
        ({"depth": 0}, ["/"]),
        ({"pages": 2}, 2),
        ({"volume": 150}, 1),
        ({"include": "/[ab]?$"}, ["/", "/a", "/b"]),
        ({"exclude": "(a|d)$"}, ["/", "/b", "/c"]),
        ({"runtime": 0.0}, []),
    ],
    ids=str,
)
def test_a_limit_is_kept(tmp_path, limits, asked):
    done, keeper = run(tmp_path, SITE, **limits)
    assert (len(keeper.paths()) if isinstance(asked, int) else sorted(set(keeper.paths()))) == asked
    if "runtime" in limits:
        assert done.stopped == "runtime"
    if isinstance(asked, int):
        assert done.closed == {"127.0.0.1": "full"}
        assert done.waiting == 3


def test_only_places_that_belong_are_asked(tmp_path):
    with Zoo("127.0.0.2", SITE) as other, Zoo() as keeper:
        keeper.pages["/"] = html(other.url("/"), other.url("/a"))
        crawl([keeper.url()], tmp_path / "1", policy(keeper, other), zoo.read)
        assert other.log == []
        crawl([keeper.url()], tmp_path / "2", policy(keeper, other, domains=("127.0.0.2",)), zoo.read)
        assert sorted(other.paths()) == ["/", "/a", "/b", "/c", "/d"]


def test_a_wrong_expression_is_said_before_anything_is_asked(tmp_path):
    with Zoo(pages=SITE) as keeper, pytest.raises(RecipeError, match="regular expression"):
        crawl([keeper.url()], tmp_path, policy(keeper, include="("), zoo.read)
    assert keeper.log == []


def test_a_crawl_without_a_contact_is_not_begun():
    with pytest.raises(TypeError):
        Policy()
    for contact in ("", "me", "me@example.org\r\nX: y"):
        with pytest.raises(ValueError, match="contact"):
            Policy(contact=contact)


def test_what_would_be_asked_is_said_without_asking_for_a_page(tmp_path):
    with Zoo(pages=SITE) as keeper, Zoo("127.0.0.2", pages={"/robots.txt": (403, {}, b"")}) as shut:
        robots = f"User-agent: *\nCrawl-delay: 2\nContent-Signal: ai-train=yes\nSitemap: {keeper.url('/map')}"
        pages = "".join(f"<url><loc>{keeper.url(f'/{number}')}</loc></url>" for number in range(7))
        keeper.pages |= {
            "/robots.txt": (200, {}, robots.encode()),
            "/map": (200, {}, f"<urlset>{pages}</urlset>".encode()),
        }
        first, second = plan([keeper.url(), shut.url()], policy(keeper, shut))
    assert first[1:] == (True, "", 2.0, "allow", "robots.txt: content-signal: ai-train=yes", 1, 7)
    assert second[1:3] == (False, "robots")
    assert keeper.paths() == ["/map"]
    assert shut.paths() == []


def test_a_page_that_is_to_be_forgotten_leaves_nothing_and_is_not_asked_for_again(tmp_path):
    with Zoo(pages=SITE | {"/old": moved("/a")}) as keeper:
        crawl([keeper.url(), keeper.url("/old")], tmp_path, policy(keeper), zoo.read)
        before, bodies = len(keeper.log), len(list((tmp_path / "pages").glob("*/*")))
        assert forget(tmp_path, keeper.url("/a?utm_source=x")) == 4
        assert "page a" not in [each["text"] for each in rows(tmp_path)]
        assert len(list((tmp_path / "pages").glob("*/*"))) == bodies - 1
        crawl([keeper.url()], tmp_path, policy(keeper), zoo.read, again=True)
    assert "/a" not in [each.path for each in keeper.log[before:]]
    assert len(rows(tmp_path)) == 4


def test_a_body_that_a_power_cut_took_is_asked_for_again(tmp_path):
    with Zoo(pages=SITE) as keeper:
        crawl([keeper.url()], tmp_path, policy(keeper), zoo.read)
        with sqlite3.connect(tmp_path / "crawl.sqlite") as db:
            db.execute("UPDATE pages SET state = 'fetched' WHERE url LIKE '%/b' OR url LIKE '%/c'")
            (lost,) = db.execute("SELECT sha256 FROM pages WHERE url LIKE '%/b'").fetchone()
        db.close()
        next((tmp_path / "pages").glob(f"*/{lost}.gz")).unlink()
        before = len(keeper.log)
        assert crawl([keeper.url()], tmp_path, policy(keeper), zoo.read).rows == 5
    assert [each.path for each in keeper.log[before:]] == ["/b"]


def dies(page):
    if page.url.endswith("/a"):
        os._exit(11)
    if page.url.endswith("/b"):
        time.sleep(60)
    return zoo.read(page)


def test_a_page_that_kills_or_stalls_its_reader_costs_one_page(tmp_path):
    with Zoo(pages=SITE) as keeper:
        done = crawl([keeper.url()], tmp_path, policy(keeper, reading=3.0), dies)
    assert done.out == {"reader-died": 1, "reader-hung": 1}
    assert sorted(each["text"] for each in rows(tmp_path)) == ["home", "page c"]


def test_pages_are_asked_for_again_where_the_reader_died_on_every_one(tmp_path):
    def answer(request):
        return (304, {}, b"") if "if-none-match" in request.headers else (200, {"ETag": '"1"'}, html(text="well")[2])

    with Zoo(pages={"/a": answer}) as keeper:
        assert crawl([keeper.url("/a")], tmp_path, policy(keeper), dies).out == {"reader-died": 1}
        assert crawl([keeper.url("/a")], tmp_path, policy(keeper), zoo.read)[:3] == (1, 1, {})


def hopeless(_page):
    os._exit(1)


def test_a_reader_that_dies_on_every_page_ends_the_crawl(tmp_path, monkeypatch):
    monkeypatch.setattr("tuneset.crawl.crawler._DEAD", 3)
    pages = {"/": html()} | {f"/{number}": html(text=str(number)) for number in range(12)}
    with Zoo(pages=pages) as keeper, pytest.raises(RunError, match="dies on every page"):
        crawl([keeper.url(path) for path in pages if path[1:].isdigit()], tmp_path, policy(keeper), hopeless)


def test_two_crawls_in_one_folder_are_one_too_many(tmp_path):
    with Zoo(pages=SITE) as keeper:
        seen = []

        def second(_event):
            if not seen:
                with pytest.raises(RunError, match="another crawl works here") as error:
                    crawl([keeper.url()], tmp_path, policy(keeper), zoo.read)
                seen.append(error)

        crawl([keeper.url()], tmp_path, policy(keeper), zoo.read, second)
    assert seen


@pytest.mark.parametrize(("form", "said"), [(0, "an earlier version of tuneset"), (99, "a later version of tuneset")])
def test_a_crawl_of_another_version_is_called_one_and_stays_as_it_is(tmp_path, form, said):
    with contextlib.closing(sqlite3.connect(tmp_path / "crawl.sqlite")) as db:
        db.executescript(f"CREATE TABLE pages (key TEXT PRIMARY KEY, url TEXT); PRAGMA user_version={form};")
    (tmp_path / "pages").mkdir()
    before = (tmp_path / "crawl.sqlite").read_bytes()
    with Zoo(pages=SITE) as keeper:
        for ask in (
            lambda: crawl([keeper.url()], tmp_path, policy(keeper), zoo.read),
            lambda: forget(tmp_path, keeper.url()),
        ):
            with pytest.raises(RunError) as error:
                ask()
            assert error.value.what.startswith(said)
            assert error.value.where == str(tmp_path / "crawl.sqlite")
            assert "another folder" in error.value.hint
    assert keeper.log == []
    assert (tmp_path / "crawl.sqlite").read_bytes() == before


def test_a_crawl_that_died_before_its_file_had_tables_goes_on(tmp_path):
    (tmp_path / "crawl.sqlite").touch()
    with Zoo(pages=SITE) as keeper:
        assert crawl([keeper.url()], tmp_path, policy(keeper), zoo.read).rows


def test_the_number_of_the_form_changes_with_the_tables():
    """Whoever changes the tables gives them the next number, and writes it here with their hash."""
    words = " ".join(frontier._TABLES.split())
    assert (frontier.FORM, hashlib.sha256(words.encode()).hexdigest()[:12]) == (1, "8b0d696cd651")


def test_two_names_for_one_address_are_not_asked_at_once(tmp_path):
    with Zoo(pages={path: slowly(page) for path, page in SITE.items()}) as keeper:
        places = [f"{name}.example:{keeper.port}" for name in "ab"]
        allow = Policy(contact=CONTACT, own=frozenset(places), pace=0.001, readers=1)
        egress = Egress(allow.own, lambda _host, _port: ["127.0.0.1"])
        crawl([f"http://{place}/" for place in places], tmp_path, allow, zoo.read, egress=egress)
    known = [each for each in keeper.log if each.path not in ("/robots.txt", "/.well-known/tdmrep.json")]
    assert {each.host for each in known} == set(places)
    assert min(gaps(known)) > -0.005


def wait_for(condition, seconds=30):
    limit = time.monotonic() + seconds
    while not condition() and time.monotonic() < limit:
        time.sleep(0.01)
    assert condition()


def test_ctrl_c_ends_the_crawl_cleanly_and_the_next_run_goes_on(tmp_path):
    pages = {f"/{number}": slowly(html(text=f"page {number}")) for number in range(1, 40)}
    pages["/0"] = html(*pages, text="home")
    with Zoo(pages=pages) as keeper:
        process = zoo.start(keeper, tmp_path / "out", 0.02)
        wait_for(lambda: len(keeper.paths()) > 10)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the crawl and to its readers
        said, _ = process.communicate(timeout=20)
        stopped, number, waiting = said.split()
        asked = len(keeper.paths())
        assert (process.returncode, stopped) == (0, "interrupted")
        assert int(waiting) > 0
        assert len(rows(tmp_path / "out")) == int(number)
        done = crawl([keeper.url("/0")], tmp_path / "out", policy(keeper), zoo.read)
    assert done.rows == 40
    assert len(keeper.paths()) == 40 > asked  # nothing is asked for twice


def test_an_owner_s_no_in_tdmrep_json_is_heard_by_the_run_after_one_that_was_stopped_before_it(tmp_path):
    no = json.dumps([{"location": "/", "tdm-reservation": 1}]).encode()
    with Zoo(pages={"/0": html(text="home"), "/.well-known/tdmrep.json": (200, {}, no)}) as keeper:
        process = zoo.start(keeper, tmp_path / "out", 0.8)
        wait_for(lambda: keeper.log and keeper.log[0].end)
        time.sleep(0.1)  # in the pause after robots.txt
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=20)
        assert [each.path for each in keeper.log] == ["/robots.txt"]
        done = crawl([keeper.url("/0")], tmp_path / "out", policy(keeper), zoo.read)
        assert (done.rows, done.out) == (0, {"ai-preference": 1})
        assert [each.path for each in keeper.log] == ["/robots.txt", "/.well-known/tdmrep.json"]


def test_readers_do_not_outlive_a_crawl_that_is_killed(tmp_path):
    pages = {f"/{number}": slowly(html(text=f"page {number}")) for number in range(1, 400)}
    with Zoo(pages=pages | {"/0": html(*pages, text="home")}) as keeper:
        process = zoo.start(keeper, tmp_path / "out", 0.02)
        wait_for(lambda: len(keeper.paths()) > 5)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()

        def all_gone():
            try:
                os.killpg(process.pid, 0)
            except ProcessLookupError:
                return True
            return False

        wait_for(all_gone)


def test_robots_txt_is_asked_for_again_after_a_day_and_not_before(tmp_path):
    with Zoo(pages=SITE) as keeper:
        asked = lambda: [each.path for each in keeper.log].count("/robots.txt")
        for age, times in ((3600, 1), (3600, 1), (0, 3)):
            crawl([keeper.url(f"/{age}")], tmp_path, policy(keeper, robots_age=age), zoo.read)
            with sqlite3.connect(tmp_path / "crawl.sqlite") as db:
                db.execute("UPDATE pages SET state = 'todo' WHERE url LIKE '%/3600'")
            db.close()
            assert asked() == times


@pytest.mark.slow
def test_a_crawl_that_is_killed_again_and_again_loses_no_page_and_repeats_only_what_was_on_its_way(tmp_path):
    result = zoo.killed(tmp_path, pages=500, kills=10, seed=os.getpid())
    assert sorted(result.rows) == sorted(f"/{number}" for number in range(500))
    assert result.repeated <= result.on_the_way
    assert result.kills == 10


def named(where, *links, text):
    return html(*links, text=text, head=f'<link rel="canonical" href="{where}">')


def test_a_page_that_names_another_one_as_its_own_address_is_the_same_and_the_first_counts(tmp_path):
    with Zoo("127.0.0.2") as other:
        pages = {
            "/": html("/print", "/a", "/b", "/amp", text="home"),
            "/print": named("/a", "/c", text="the kettle, to print"),
            "/a": named("/a", text="the kettle"),
            "/amp": named("/a?utm_source=x", text="the kettle, small"),
            "/b": named(other.url("/b"), text="named elsewhere"),
            "/c": named("/", text="named as the front page by mistake"),
        }
        with Zoo(pages=pages) as keeper:
            limits = policy(keeper)
            done = crawl([keeper.url()], tmp_path, limits, zoo.read)
            assert done.out == {"canonical": 2}
            kept = ["home", "named elsewhere", "named as the front page by mistake", "the kettle, to print"]
            assert [each["text"] for each in rows(tmp_path)] == kept
            assert states(tmp_path)["/a"] == ("out", "canonical", keeper.url("/print"))
            assert len(list((tmp_path / "pages").rglob("*.gz"))) == 4
            assert crawl([keeper.url()], tmp_path, limits, zoo.read, again=True).out == {"canonical": 2}
            assert [each["text"] for each in rows(tmp_path)] == kept
            assert forget(tmp_path, keeper.url("/a")) == 3
            assert crawl([keeper.url()], tmp_path, limits, zoo.read, again=True).rows == 3
    assert not any("kettle" in each["text"] for each in rows(tmp_path))


def test_page_two_of_a_discussion_that_names_page_one_is_no_copy_of_it(tmp_path):
    pages = {f"/t?page={number}": named("/t", text=f"post {number}") for number in (2, 3)}
    done, _ = run(tmp_path, pages | {"/t": named("/t", *pages, text="post 1")}, seeds=["/t"])
    assert (done.out, len(rows(tmp_path))) == ({}, 3)


def test_a_body_that_stood_at_two_addresses_is_forgotten_at_both(tmp_path):
    site = {"/": html("/one", "/two"), "/one": html(text="private"), "/two": html(text="private")}
    with Zoo(pages=site) as keeper:
        crawl([keeper.url()], tmp_path, policy(keeper), zoo.read)
        assert forget(tmp_path, keeper.url("/two")) == 1
        crawl([keeper.url()], tmp_path, policy(keeper), zoo.read, again=True)
    assert [each["text"] for each in rows(tmp_path)] == ["A page."]


def test_the_terms_that_robots_txt_names_stand_in_the_rows_where_a_page_names_none(tmp_path):
    robots = b"User-agent: otherbot\nDisallow: /\nLicense: https://a.example/rsl.xml # for all\n"
    site = {
        "/robots.txt": (200, {"Content-Type": "text/plain"}, robots),
        "/": html("/own", text="Nothing is said here of any terms, nor anywhere else on this page."),
        "/own": html(text="Terms are named here, and they are other ones.", head='<link rel=license href="/cc0">'),
    }
    with Zoo(pages=site) as keeper:
        crawl([keeper.url()], tmp_path, policy(keeper), examples.read)
        found = {each["page"]: (each["licence"], each["ai_preference"]) for each in rows(tmp_path)}
    said = {"/": "https://a.example/rsl.xml", "/own": keeper.url("/cc0")}
    assert found == {keeper.url(path): (licence, "unstated") for path, licence in said.items()}
