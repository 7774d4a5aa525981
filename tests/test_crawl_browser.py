"""A real browser behind our door: words that come by script are there, and nothing inside is reached, whatever a page tries."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import zoo
from click.testing import CliRunner
from zoo import Zoo

pytest.importorskip("playwright", reason="no browser: pip install 'tuneset[browser]'")

import tuneset
from tuneset.cli import main
from tuneset.crawl.browser import Browser, Proxy
from tuneset.crawl.crawler import crawl
from tuneset.crawl.egress import Egress
from tuneset.crawl.http import get
from tuneset.crawl.policy import Policy

BY_SCRIPT = "fetch('/words').then(got => got.text()).then(text => document.querySelector('p').append(text))"


def html(body, **headers):
    return 200, headers, f"<!doctype html><html><body><p>At once. </p>{body}</body></html>".encode()


def script(text):
    return 200, {"Content-Type": "text/javascript"}, text.encode()


class Drawn:
    """A browser, a site that is the user's own, and a neighbour inside that is not."""

    def __init__(self, browser, site, inner, policy):
        self.browser, self.site, self.inner, self.policy = browser, site, inner, policy

    def page(self, body, may=lambda _url: True, **headers):
        """Serve a page, fetch it as the crawl does, and have it drawn."""
        self.site.pages["/page"] = html(body, **headers)
        self.site.log.clear()
        self.browser.proxy.refused.clear()
        return self.browser.render(get(self.site.url("/page"), self.policy, Egress(self.policy.own)), may)


@pytest.fixture(scope="module")
def drawn(chromium):
    pages = {"/words": (200, {}, b"By script."), "/a.js": script(BY_SCRIPT)}
    with Zoo(pages=pages) as site, Zoo("127.0.0.2", otherwise=lambda _: html("")) as inner:
        # the inner server's port is one of the policy's, so that its address alone stands between
        ports = frozenset({80, 443, inner.port})
        policy = Policy(contact="me@example.org", own=frozenset({site.place}), ports=ports, total=5.0, body=1 << 20)
        with Browser(policy) as browser:
            yield Drawn(browser, site, inner, policy)


def test_words_that_come_by_script_are_there_and_the_page_is_asked_for_once(drawn):
    found = drawn.page("<script src=/a.js></script>")
    assert b"<p>At once. By script.</p>" in found.body
    assert (found.error, found.headers["content-type"]) == ("", "text/html; charset=utf-8")
    assert drawn.site.paths() == ["/page", "/a.js", "/words"]
    for request in drawn.site.log:
        assert request.headers["user-agent"] == drawn.policy.agent
        assert not {"cookie", "referer"} & request.headers.keys()


def test_pictures_fonts_films_frames_and_other_pages_are_not_asked_for(drawn):
    found = drawn.page(
        "<img src=/i><iframe src=/f></iframe><video src=/v></video><object data=/o></object><link rel=prefetch href=/p>"
        "<link rel=icon href=/n><style>@font-face{font-family:x;src:url(/t)}p{font-family:x;background:url(/b)}</style>"
        "<script>navigator.sendBeacon('/s'); open('/w'); navigator.serviceWorker?.register('/r');"
        "setTimeout(() => location = '/l', 100)</script><a href=/d download>get</a><script>document.links[0].click()</script>"
    )
    assert b"At once." in found.body
    assert drawn.site.paths() == ["/page"]


def test_a_script_that_robots_txt_forbids_is_not_asked_for(drawn):
    found = drawn.page("<script src=/a.js></script>", lambda url: urlsplit(url).path != "/words")
    assert drawn.site.paths() == ["/page", "/a.js"]
    assert b"By script" not in found.body


def test_nothing_inside_is_reached(drawn):
    """Every way that a page has to make a browser ask; the server inside, over TCP and UDP, is the witness."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        datagrams.bind((drawn.inner.address, drawn.inner.port))
        datagrams.setblocking(False)
        to = drawn.inner.url
        drawn.site.pages["/moved.js"] = 302, {"Location": to("/moved")}, b""
        drawn.page(
            f"<link rel=preconnect href={to()}><link rel=prefetch href={to('/prefetch')}><link rel=stylesheet href={to('/css')}>"
            f"<link rel=dns-prefetch href={to()}><img src={to('/img')}><iframe src={to('/frame')}></iframe><script src={to('/js')}></script>"
            f"<script src=/moved.js></script><embed src={to('/embed')}><meta http-equiv=refresh content='0;url={to('/refresh')}'>"
            f"<form action={to('/form')} method=post></form><script>"
            f"const to = path => '{to()}' + path, quiet = {{mode: 'no-cors'}};"
            "fetch(to('fetch'), quiet); new EventSource(to('events')); navigator.sendBeacon(to('beacon'));"
            f"new WebSocket('ws://{drawn.inner.place}/socket'); document.forms[0].submit(); open(to('open'));"
            "new Worker(URL.createObjectURL(new Blob([`fetch('${to('worker')}', {mode: 'no-cors'})`])));"
            f"new WebTransport('https://{drawn.inner.place}/transport').ready.catch(() => 0);"
            f"const call = new RTCPeerConnection({{iceServers: [{{urls: ['stun:{drawn.inner.place}',"
            f"'turn:{drawn.inner.place}?transport=tcp'], username: 'a', credential: 'b'}}]}});"
            "call.createDataChannel('x'); call.createOffer().then(offer => call.setLocalDescription(offer));"
            "setTimeout(() => location = to('location'), 200)</script>"
        )
        assert drawn.inner.log == []
        with pytest.raises(BlockingIOError):
            datagrams.recv(1)
    assert set(drawn.browser.proxy.refused) >= {f"{drawn.inner.place} refused-address"}


def test_what_the_browser_wants_for_itself_does_not_leave(drawn):
    drawn.page("")
    assert all(said.endswith(("not-asked", "bad-request")) for said in drawn.browser.proxy.refused)
    assert drawn.site.paths() == ["/page"]


def test_a_script_that_never_ends_costs_its_page_and_the_next_one_is_drawn(drawn):
    start = time.monotonic()
    assert drawn.page("<script>for (;;);</script>").error == "timeout"
    assert time.monotonic() - start < 12
    assert b"By script." in drawn.page("<script src=/a.js></script>").body


def test_a_page_that_grows_without_end_is_too_large(drawn):
    grows = "<script>document.querySelector('p').append('x'.repeat(2 << 20))</script>"
    assert drawn.page(grows).error == "too-large"


def test_after_so_many_pages_there_is_a_new_browser(drawn, monkeypatch):
    monkeypatch.setattr("tuneset.crawl.browser.RECYCLED", 1)
    before = drawn.browser._number
    assert b"At once." in drawn.page("").body
    assert drawn.browser._number != before
    with pytest.raises(ProcessLookupError):
        os.kill(before, 0)


def test_nothing_is_left_of_a_page_for_the_next_one(drawn):
    drawn.page("<script>document.cookie = 'a=1'; localStorage.a = 1</script>", **{"Set-Cookie": "b=2"})
    found = drawn.page("<script>document.querySelector('p').append(document.cookie + localStorage.length)</script>")
    assert b"At once. 0" in found.body


def test_a_crawl_takes_what_the_browser_makes_of_a_page(drawn, tmp_path):
    drawn.site.pages |= {
        "/": html("<script src=/links.js></script><script src=/hidden/b.js></script>"),
        "/links.js": script("document.body.innerHTML += '<a href=/second>more</a>'"),
        "/second": html("<script src=/a.js></script>"),
        "/robots.txt": (200, {}, b"User-agent: *\nDisallow: /hidden"),
    }
    drawn.site.log.clear()
    done = crawl([drawn.site.url()], tmp_path, drawn.policy, zoo.read, render=drawn.browser.render)
    rows = [json.loads(line)["text"] for line in (tmp_path / "examples.jsonl").read_text().splitlines()]
    assert (rows, done.out) == (["At once.", "At once. By script."], {})
    assert drawn.site.paths() == ["/", "/links.js", "/second", "/a.js", "/words"]


def ask(proxy, request):
    with socket.create_connection(("127.0.0.1", proxy.port), 5) as line:
        line.sendall(request)
        said = b""
        while piece := line.recv(65536):
            said += piece
    return said


@pytest.fixture
def door():
    with Zoo(pages={"/a": html("")}) as site:
        policy = Policy(contact="me@example.org", own=frozenset({site.place}), connect=1, read=1, total=2)
        proxy = Proxy(policy, Egress(policy.own))
        proxy.turn(1 << 20)
        yield proxy, site
        proxy.shut()


@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("10.0.0.1:80", "refused-address"),
        ("[::ffff:127.0.0.1]:80", "refused-address"),
        ("169.254.169.254:443", "refused-address"),
        ("127.0.0.1:443", "refused-address"),
        ("93.184.215.14:25", "refused-port"),
        ("nowhere.invalid:443", "no-host"),
    ],
)
def test_the_door_opens_to_no_address_inside_even_where_the_page_may_ask(door, place, why):
    proxy, _ = door
    host, _, port = place.rpartition(":")
    proxy.open.add(f"{host.strip('[]')}:{port}")
    assert ask(proxy, f"CONNECT {place} HTTP/1.1\r\n\r\n".encode()).startswith(b"HTTP/1.1 403 ")
    assert ask(proxy, f"GET http://{place}/ HTTP/1.1\r\n\r\n".encode()).startswith(b"HTTP/1.1 403 ")
    assert [said.rpartition(" ")[2] for said in proxy.refused] == [why, why]


def test_the_door_carries_a_tunnel_and_a_plain_request_to_an_open_place(door):
    proxy, site = door
    tunnel = f"CONNECT {site.place} HTTP/1.1\r\n\r\nGET /a HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    assert ask(proxy, tunnel).startswith(b"HTTP/1.1 403 ")
    proxy.open.add(site.place)
    assert b"200 Connected\r\n\r\nHTTP/1.1 200 x" in ask(proxy, tunnel)
    plain = (
        f"POST http://{site.place}/a?b=1 HTTP/1.1\r\nHost: x\r\nProxy-Secret: y\r\nContent-Length: 2\r\n\r\nhi".encode()
    )
    assert b"At once." in ask(proxy, plain)
    assert site.log[-1].path == "/a?b=1"
    assert site.log[-1].headers["connection"] == "close"
    assert "proxy-secret" not in site.log[-1].headers


@pytest.mark.parametrize(
    "request_", [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"GET file:///etc/passwd HTTP/1.1\r\n\r\n", b"CONNECT a:b HTTP/1.1\r\n\r\n", b"x" * 200_000]
)  # fmt: skip
def test_the_door_lets_no_nonsense_through(door, request_):
    proxy, site = door
    try:
        said = ask(proxy, request_)
    except ConnectionError:
        said = b""
    assert said == b"" or said.startswith(b"HTTP/1.1 403 ")
    assert site.log == []


def test_a_page_has_its_share_of_bytes_and_no_more(door):
    proxy, site = door
    site.pages["/much"] = 200, {}, bytes(1 << 20)
    proxy.turn(100_000)
    proxy.open.add(site.place)
    assert len(ask(proxy, f"GET http://{site.place}/much HTTP/1.1\r\n\r\n".encode())) <= 100_000


def test_a_line_that_never_ends_is_cut_off(door):
    proxy, site = door
    site.pages["/never"] = zoo.drip
    proxy.open.add(site.place)
    start = time.monotonic()
    ask(proxy, f"GET http://{site.place}/never HTTP/1.1\r\n\r\n".encode())
    assert time.monotonic() - start < 4


def test_without_a_browser_the_words_say_what_to_install(monkeypatch, tmp_path):
    from tuneset.errors import TunesetError

    broken = tmp_path / "chromium"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    before = threading.active_count()
    with pytest.raises(TunesetError, match="the browser does not start"), Browser(Policy(contact="me@example.org")):
        pass
    time.sleep(0.1)
    assert threading.active_count() <= before + 1


TOLD = "The kettle of customer {0} trips the breaker every morning since they moved, and nobody here knows why."


def shop(number, **more):
    """A site whose pages are empty but for a script, which writes their words and their links."""
    pages = {
        "/app.js": script(
            "const at = Number(location.pathname.slice(1) || 0);"
            f"const told = '{TOLD}'.replace('{{0}}', 'number ' + at);"
            f"const links = at ? '' : Array.from({{length: {number}}}, (_, n) => `<a href=/${{n + 1}}>more</a>`).join(' ');"
            "document.body.innerHTML = `<article><h1>Case ${at}</h1><p>${told}</p></article>${links}`"
        )
    }
    shell = 200, {"ETag": '"same"'}, b"<html lang=en><body><script src=/app.js></script></body></html>"
    return Zoo(pages=pages | {f"/{each or ''}": shell for each in range(number + 1)} | more)


def rows(folder):
    return [json.loads(line) for line in (folder / "examples.jsonl").read_text().splitlines()]


def asked(site, folder, *more):
    own = ["--own", site.place, "--contact", "me@example.org"]
    return ["scrape", site.url(), "--out", str(folder), *own, *more]


def test_the_command_has_pages_drawn_and_the_row_says_by_what(chromium, tmp_path):
    with shop(1) as site, Zoo("127.0.0.2") as inner:
        site.pages["/1"] = html(
            f"<img src={inner.url()}><script src={inner.url('/js')}></script><script>fetch('{inner.url('/fetch')}')</script>"
            "<script src=/app.js></script>"
        )
        done = tuneset.scrape([site.url()], tmp_path / "pages", contact="me@example.org", own=[site.place], pace=0.001)
        assert (done.rows, done.out) == (0, {})
        told = CliRunner().invoke(main, asked(site, tmp_path / "pages", "--browser", "--again"))
        assert "2 examples of 2 pages" in told.output, told.output
        assert inner.log == []
    found = rows(tmp_path / "pages")
    assert [TOLD.format(f"number {number}") in row["text"] for number, row in enumerate(found)] == [True, True]
    assert all(row["drawn"].startswith("chromium 1") for row in found)


def test_a_recipe_has_pages_drawn(chromium, tmp_path):
    with shop(1) as site:
        crawl = f'{{ own = ["{site.place}"], pace = 0.001, browser = true }}'
        source = f'kind = "web"\npaths = ["{site.url()}"]\ncontact = "me@example.org"\ncrawl = {crawl}\n'
        (tmp_path / "mine.toml").write_text(f"[[sources]]\n{source}")
        run = tuneset.prepare(tmp_path / "mine.toml", out=tmp_path / "run", until="get")
    known = [json.loads(each)["drawn"] for each in run.folder.table("get", "examples")["extra"]]
    assert [each.partition(" ")[0] for each in known] == ["chromium"] * 2


def browsers(word):
    """Count the processes that have a word in their command line."""
    lines = []
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(each.read_bytes())
        except OSError:  # it has ended meanwhile
            continue
    return sum(word.encode() in line and b"chrom" in line for line in lines)


@pytest.mark.slow
def test_a_crawl_with_a_browser_that_is_killed_goes_on_and_leaves_no_browser_behind(chromium, tmp_path):
    with shop(3) as site:
        word = f"killed-{os.getpid()}@example.org"
        how = {"contact": word, "browser": True, "own": [site.place], "pace": 0.001}
        code = f"import tuneset; tuneset.scrape([{site.url()!r}], {str(tmp_path / 'pages')!r}, **{how!r})"
        process = subprocess.Popen([sys.executable, "-c", code])
        while len([path for path in site.paths() if path != "/app.js"]) < 2 and process.poll() is None:
            time.sleep(0.01)
        assert browsers(word) > 0
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        until = time.monotonic() + 20
        while browsers(word) and time.monotonic() < until:
            time.sleep(0.1)
        assert browsers(word) == 0
        done = tuneset.scrape([site.url()], tmp_path / "pages", **how)
        pages = Counter(path for path in site.paths() if path != "/app.js")
    assert (done.rows, done.out, done.waiting) == (4, {}, 0)
    assert len({row["text"] for row in rows(tmp_path / "pages")}) == 4
    assert sum(pages.values()) <= 4 + 1  # the one in flight


@pytest.mark.parametrize("missing", ["playwright", "chromium"])
def test_without_playwright_or_a_browser_three_lines_say_what_to_do(missing, monkeypatch, tmp_path):
    if missing == "playwright":
        monkeypatch.setitem(sys.modules, "playwright.sync_api", None)
    else:
        monkeypatch.setattr("tuneset.crawl.browser.PROGRAMS", ("no-such-browser",))
        monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path))
    with Zoo() as site:
        told = CliRunner().invoke(main, asked(site, tmp_path / "pages", "--browser"))
        assert site.log == []
    assert told.exit_code == 2
    words = {"playwright": "pip install 'tuneset[browser]'", "chromium": "apt install chromium"}[missing]
    assert words in told.output
    assert len(told.output.strip().splitlines()) == 3
