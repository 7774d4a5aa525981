"""Files and pages over TLS, with certificates made here: only a good one is taken, and it is the name's, wherever it leads."""

import socket
import ssl
import threading

import fetch_server
import pytest
import tls
from tls import BODY, DAY, NAME, Served, certificate, written

from tuneset.crawl import egress
from tuneset.crawl.egress import Egress
from tuneset.crawl.http import get
from tuneset.crawl.policy import Policy
from tuneset.errors import RunError
from tuneset.fetch import fetch

AUTHORITY = certificate(authority=True)
BAD = {
    "self-signed": (certificate(), "self.signed certificate"),
    "expired": (certificate(AUTHORITY, until=-DAY), "certificate has expired"),
    "another": (
        certificate(AUTHORITY, names=("other.example.org",)),
        "'data.example.org' doesn't match 'other.example.org'",
    ),
    "stranger": (certificate(certificate(authority=True)), "unable to get local issuer certificate"),
}


@pytest.fixture
def looked_up(monkeypatch, tmp_path):
    """Trust our authority, and lead every name to this machine once; a second look at the same name leads elsewhere."""
    monkeypatch.setenv("SSL_CERT_FILE", str(written(tmp_path / "authority.pem", AUTHORITY, key=False)))
    egress._trust.cache_clear()
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    asked, real = [], socket.getaddrinfo

    def look_up(name, port, *rest, **more):
        if not name[0].isdigit():
            asked.append(name)
            name = "127.0.0.1" if asked.count(name) == 1 else "127.0.0.9"
        return real(name, port, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    yield asked
    egress._trust.cache_clear()


def address(server, name=NAME):
    return f"https://{name}:{server.server_port}/a.csv"


def page(server, name=NAME):
    """Ask as the crawler does; it may go to this machine."""
    policy = Policy(contact="me@example.org", connect=5, read=5, total=10)
    return get(address(server, name), policy, Egress(frozenset({f"{name}:{server.server_port}"})))


@pytest.mark.parametrize("name", [NAME, "127.0.0.1"])
def test_a_file_comes_where_the_certificate_is_that_of_the_name(looked_up, tmp_path, name):
    good = certificate(AUTHORITY, names=(NAME, "127.0.0.1"))
    with Served(written(tmp_path / "good.pem", good)) as server:
        done = fetch(address(server, name), tmp_path / "a")
        assert done.files[0].read_bytes() == BODY
        assert server.requests == [("/a.csv", f"{name}:{server.server_port}")]
        assert done.about.says == ()


def test_what_was_looked_up_is_dialled_and_the_name_is_asked_for_and_verified(looked_up, tmp_path):
    with Served(written(tmp_path / "good.pem", certificate(AUTHORITY))) as server:
        fetch(address(server), tmp_path / "a")
        assert looked_up == [NAME]
        assert server.names == [NAME]
        looked_up.clear()
        answer = page(server)
        assert (answer.body, answer.address, answer.error) == (BODY, "127.0.0.1", "")
        assert looked_up == [NAME]
        assert server.names == [NAME, NAME]


@pytest.mark.parametrize("kind", BAD)
def test_a_certificate_that_does_not_hold_is_refused_before_anything_is_asked(looked_up, tmp_path, kind):
    bad, says = BAD[kind]
    with Served(written(tmp_path / "bad.pem", bad)) as server:
        with pytest.raises(RunError, match=f"its certificate does not hold: .*{says}") as raised:
            fetch(address(server), tmp_path / "a")
        assert len(str(raised.value).splitlines()) == 3
        looked_up.clear()
        answer = page(server)
        assert (answer.error, answer.status, answer.body) == ("tls", 0, b"")
        assert server.requests == []
    assert list((tmp_path / "a").glob("a.csv")) == []


def test_a_redirection_to_a_host_with_a_bad_certificate_is_refused(looked_up, tmp_path, monkeypatch):
    with (
        Served(written(tmp_path / "bad.pem", BAD["another"][0])) as away,
        Served(written(tmp_path / "good.pem", certificate(AUTHORITY))) as server,
    ):

        def leads(self):
            self.send_response(302)
            self.send_header("Location", f"https://data.example.org.evil.example:{away.server_port}/a.csv")
            self.send_header("Content-Length", "0")
            self.end_headers()

        port = server.server_port
        monkeypatch.setattr(
            tls.Answering, "do_GET", lambda self: leads(self) if self.server.server_port == port else None
        )
        with pytest.raises(RunError, match="its certificate does not hold"):
            fetch(address(server), tmp_path / "a")
        assert away.requests == []


def test_a_server_without_tls_is_said_to_be_that(looked_up, tmp_path):
    server = fetch_server.serving()
    with pytest.raises(RunError, match="it does not speak TLS") as raised:
        fetch(f"https://{NAME}:{server.server_port}/a.csv", tmp_path / "a")
    assert len(str(raised.value).splitlines()) == 3
    server.shutdown()
    server.server_close()


def test_a_server_with_only_old_tls_is_refused(looked_up, tmp_path):
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    old.load_cert_chain(written(tmp_path / "good.pem", certificate(AUTHORITY)))
    old.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    with socket.create_server(("127.0.0.1", 0)) as line:

        def answer():
            with pytest.raises(OSError, match=r"."), old.wrap_socket(line.accept()[0], server_side=True) as client:
                client.recv(1)

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(RunError, match="it does not speak TLS"):
            fetch(f"https://{NAME}:{line.getsockname()[1]}/a.csv", tmp_path / "a")
        thread.join()
