"""Whatever a server does, there is an answer with one word, in bounded time and memory."""

from __future__ import annotations

import gzip
import time
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zoo import Zoo, drip, html, moved, silent, trickle

from tuneset.crawl.addresses import absolute
from tuneset.crawl.egress import Egress
from tuneset.crawl.http import ANYTHING, Want, follow, get
from tuneset.crawl.policy import Policy

POLICY = Policy(contact="me@example.org", connect=0.5, read=0.3, total=0.6, body=3 << 20)


def asked(page, want=ANYTHING, policy=POLICY):
    """Ask for a page, and return the answer, the seconds it took and the server's log."""
    with Zoo(pages={"/": page}) as zoo:
        start = time.monotonic()
        answer = get(zoo.url("/?b=1&a=%20"), policy, Egress(frozenset({zoo.place})), want)
        return answer, time.monotonic() - start, zoo.log


def squeezed(body, wbits=31):
    pack = zlib.compressobj(9, zlib.DEFLATED, wbits)
    return pack.compress(body) + pack.flush()


def chunked(request):
    request.line.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nwith\r\n5\r\n care\r\n0\r\n\r\n")
    return "said"


def endless(request):
    request.line.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n")
    while True:
        request.line.sendall(b"x" * 65536)


def continues(request):
    while True:
        request.line.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        time.sleep(0.01)


def raw(content):
    def speak(request):
        request.line.sendall(content)
        return "said"

    return speak


BOMB = squeezed(bytes(200 << 20))


@pytest.mark.parametrize(
    ("page", "error"),
    [
        (silent, "timeout"),
        (trickle, "timeout"),
        (drip, "timeout"),
        (continues, "timeout"),
        (endless, "too-large"),
        ((200, {"Content-Encoding": "gzip"}, BOMB), "bomb"),
        ((200, {"Content-Encoding": "deflate"}, squeezed(bytes(200 << 20), 15)), "bomb"),
        ((200, {"Content-Encoding": "gzip, gzip"}, squeezed(BOMB)), "bomb"),
        ((200, {"Content-Encoding": "gzip"}, b"this is no gzip"), "bad-encoding"),
        ((200, {"Content-Encoding": "br"}, b"not asked for"), "bad-encoding"),
        ((200, {"Content-Length": "1000"}, b"short"), "bad-answer"),
        (raw(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n"), "bad-answer"),
        (raw(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n"), "bad-answer"),
        (raw(b"SSH-2.0-OpenSSH_9.9\r\n\r\n"), "bad-answer"),
        (raw(b""), "bad-answer"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_server_that_misbehaves_gets_one_word_and_no_time(page, error):
    answer, seconds, log = asked(page)
    assert answer.error == error
    assert not answer.good
    assert seconds < 3  # total is .6
    assert len(log) == 1
    assert len(answer.body) <= POLICY.body


def test_a_small_page_that_packs_well_is_no_bomb():
    answer, _, _ = asked((200, {"Content-Encoding": "gzip"}, gzip.compress(b"ha" * 100_000)))
    assert answer.good
    assert answer.body == b"ha" * 100_000


@pytest.mark.parametrize(
    ("page", "body"),
    [
        ((200, {}, b"plain"), b"plain"),
        ((200, {"Content-Encoding": "gzip"}, gzip.compress(b"packed")), b"packed"),
        ((200, {"Content-Encoding": "deflate"}, squeezed(b"flat", 15)), b"flat"),
        ((200, {"Content-Length": ""}, b"until it ends"), b"until it ends"),
        (chunked, b"with care"),
    ],
)
def test_a_body_comes_whole_however_it_is_sent(page, body):
    answer, _, _ = asked(page)
    assert (answer.body, answer.error, answer.address) == (body, "", "127.0.0.1")


def test_each_request_says_who_asks_and_carries_neither_cookie_nor_referer():
    with Zoo(pages={"/": (200, {"Set-Cookie": "a=1"}, b"")}) as zoo:
        for _ in range(2):
            get(zoo.url(), POLICY, Egress(frozenset({zoo.place})), Want({"If-None-Match": '"x"'}))
        for request in zoo.log:
            assert "contact=me@example.org" in request.headers["user-agent"]
            assert request.headers["if-none-match"] == '"x"'
            assert not {"cookie", "referer", "authorization"} & set(request.headers)


def test_an_address_is_asked_for_as_it_was_written():
    assert asked(html())[2][0].path == "/?b=1&a=%20"


def test_a_body_that_is_not_wanted_is_not_read():
    want = Want(accept=lambda _url, headers: "type" if headers["content-type"] == "video/mp4" else "")
    answer, seconds, _ = asked((200, {"Content-Type": "video/mp4", "Content-Length": str(1 << 40)}, b"x"), want)
    assert (answer.error, answer.body, answer.status) == ("type", b"", 200)
    assert seconds < 0.3


def test_a_redirection_is_an_answer_and_nothing_is_asked_there():
    with Zoo() as other:
        answer, _, log = asked(moved(other.url("/there")))
        assert (answer.status, answer.target, answer.error) == (302, other.url("/there"), "")
        assert other.log == []
    assert len(log) == 1


def walk(pages, may=lambda _url: True):
    with Zoo(pages=pages) as zoo:
        egress = Egress(frozenset({zoo.place}))
        answer = follow(zoo.url("/0"), lambda url: get(url, POLICY, egress), may, POLICY.hops)
        return answer, zoo.paths()


def test_redirections_are_followed_as_often_as_the_policy_says_and_no_oftener():
    chain = {f"/{number}": moved(f"/{number + 1}") for number in range(9)}
    answer, paths = walk(chain)
    assert (answer.error, paths) == ("too-many-redirects", [f"/{number}" for number in range(6)])
    answer, paths = walk(chain | {"/5": html()})
    assert (answer.good, len(paths), len(answer.hops)) == (True, 6, 6)


def test_a_redirection_in_a_circle_or_to_where_nobody_may_go_is_named():
    assert walk({"/0": moved("/1"), "/1": moved("/0")})[0].error == "redirect-loop"
    answer, paths = walk({"/0": moved("/1"), "/1": html()}, lambda url: not url.endswith("/1"))
    assert (answer.error, paths) == ("redirect-refused", ["/0"])


@pytest.mark.parametrize("where", ["http://127.0.0.2:{port}/", "http://169.254.169.254/latest/meta-data/"])
def test_a_redirection_inside_is_refused_by_the_door_even_where_it_may_be_followed(where):
    with Zoo("127.0.0.2") as inner, Zoo(pages={"/0": moved(where.format(port=inner.port))}) as zoo:
        egress = Egress(frozenset({zoo.place}))
        answer = follow(zoo.url("/0"), lambda url: get(url, POLICY, egress), lambda _url: True, 5)
        assert answer.error == "refused-address"
        assert inner.log == []


@pytest.mark.parametrize(
    "url", ["ftp://a.org/", "file:///etc/passwd", "http://", "http://a.org:99999/", "javascript:1"]
)
def test_what_is_no_web_address_is_not_asked(url):
    assert get(url, POLICY, Egress()).error == "bad-url"
    assert absolute("https://a.org/", url) == ""


def test_nobody_there_and_no_such_host_are_answers():
    with Zoo() as zoo:
        pass
    assert get(zoo.url(), POLICY, Egress(frozenset({zoo.place}))).error == "no-connection"
    assert get("http://nobody.invalid/", POLICY, Egress(resolver=no_host)).error == "no-host"


def no_host(_host, _port):
    raise OSError


@given(st.text(max_size=60))
def test_any_text_joins_to_a_web_address_or_to_nothing(where):
    found = absolute("https://a.org/b/", where)
    assert found == "" or found.startswith(("https://", "http://"))
    assert absolute(found, found) == found
