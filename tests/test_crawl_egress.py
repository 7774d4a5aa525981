"""No address leads inside: not by its spelling, its wrapping, its name's answers, or a redirection."""

from __future__ import annotations

import ipaddress
import socket
import threading
import time

import pytest
import urllib3
from hypothesis import given
from hypothesis import strategies as st
from zoo import Zoo

from tuneset.crawl.egress import Call, Egress, Refused
from tuneset.crawl.http import get
from tuneset.crawl.policy import Policy
from tuneset.internet import public

POLICY = Policy(contact="me@example.org", connect=1, read=1, total=2)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::127.0.0.1]",
        "2130706433",
        "0x7f.1",
        "0",
        "0.0.0.0",
        "169.254.169.254",
        "100.100.100.200",
        "10.0.0.1",
        "[fd00::1]",
        "[fe80::1]",
        "[fec0::1]",
        "[64:ff9b::7f00:1]",
        "[64:ff9b:1::1]",
        "[2002:7f00:1::]",
        "224.0.0.1",
        "[ff02::1]",
        "240.0.0.1",
    ],
)
def test_an_address_inside_is_refused_however_it_is_spelled(host):
    with Zoo() as zoo:
        answer = get(f"http://{host}:{zoo.port}/", POLICY, Egress())
    assert (answer.error, answer.address, zoo.log) == ("refused-address", "", [])


def test_a_name_with_one_address_inside_is_refused_whole():
    egress = Egress(resolver=lambda _host, _port: ["93.184.215.14", "127.0.0.1"])
    with pytest.raises(Refused, match="refused-address"):
        egress.addresses("two.example", 80)


def test_a_name_whose_answers_change_is_dialled_at_the_address_that_was_checked(monkeypatch):
    answers = iter([["93.184.215.14"], ["127.0.0.1"], ["127.0.0.1"]])
    asked, dialled = [], []

    def resolver(host, _port):
        asked.append(host)
        return next(answers)

    def dial(address, *_):
        dialled.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", dial)
    assert get("http://change.example/", POLICY, Egress(resolver=resolver)).error == "no-connection"
    assert (asked, dialled) == (["change.example"], [("93.184.215.14", 80)])
    assert get("http://change.example/", POLICY, Egress(resolver=resolver)).error == "refused-address"
    assert len(dialled) == 1


def test_a_listed_place_is_reached_and_nothing_beside_it():
    with Zoo(pages={"/": (200, {}, b"hello")}) as zoo, Zoo() as other:
        egress = Egress(frozenset({zoo.place}))
        assert get(zoo.url(), POLICY, egress)[2:5:2] == (200, b"hello")
        assert get(other.url(), POLICY, egress).error == "refused-address"
        assert get(f"http://localhost:{zoo.port}/", POLICY, egress).error == "refused-address"
    assert len(zoo.log) == 1
    assert other.log == []


def test_another_name_for_a_listed_place_is_refused():
    with Zoo() as zoo:
        egress = Egress(frozenset({zoo.place}), resolver=lambda _host, _port: ["127.0.0.1"])
        assert get(f"http://evil.example:{zoo.port}/", POLICY, egress).error == "refused-address"
    assert zoo.log == []


def test_proxies_of_the_environment_are_not_used(monkeypatch):
    with Zoo() as proxy, Zoo(pages={"/": (200, {}, b"direct")}) as zoo:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url())
        assert get(zoo.url(), POLICY, Egress(frozenset({zoo.place}))).body == b"direct"
    assert proxy.log == []


def test_the_private_name_of_urllib3_that_the_door_hangs_on_is_still_called(monkeypatch):
    called = []
    monkeypatch.setattr(Egress, "dial", lambda _self, host, port, *_: called.append((host, port)) or 1 / 0)
    for scheme, port in (("http", 80), ("https", 443)):
        pool = Egress().pool(scheme, "a.example", port, Call(time.monotonic() + 1))
        with pytest.raises(ZeroDivisionError):
            pool.urlopen("GET", "/", retries=False)
    assert called == [("a.example", 80), ("a.example", 443)]
    assert tuple(map(int, urllib3.__version__.split(".")[:2])) >= (2, 8)


def test_a_server_that_never_ends_the_tls_handshake_is_left_at_the_deadline():
    listener = socket.create_server(("127.0.0.1", 0))
    place = f"127.0.0.1:{listener.getsockname()[1]}"
    start = time.monotonic()
    answer = get(f"https://{place}/", Policy(contact="me@example.org", read=9, connect=9, total=0.4), Egress({place}))
    listener.close()
    assert answer.error == "timeout"
    assert time.monotonic() - start < 2


def test_a_server_that_speaks_no_tls_is_named():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        place = f"127.0.0.1:{listener.getsockname()[1]}"

        def speak():
            line, _ = listener.accept()
            with line:
                line.recv(10)
                line.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        threading.Thread(target=speak, daemon=True).start()
        assert get(f"https://{place}/", POLICY, Egress(frozenset({place}))).error == "tls"


@given(st.ip_addresses(v=4))
def test_a_wrapped_address_is_as_public_as_the_one_inside(address):
    number = int(address)
    wraps = [f"::ffff:{address}", f"64:ff9b::{address}", str(ipaddress.IPv6Address((0x2002 << 112) | (number << 80)))]
    assert {public(each) for each in wraps} == {public(str(address))}


@given(st.ip_addresses())
def test_what_python_calls_not_global_is_never_public(address):
    assert not public(str(address)) or address.is_global or address.version == 6
