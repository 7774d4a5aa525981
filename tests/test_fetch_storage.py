"""Files of the web and of storages: real clients (urllib3, s3fs, gcsfs, adlfs) against a local server, over real HTTP.

The last test asks the real web; it is there only where TUNESET_REAL_SERVICES=1:
TUNESET_REAL_SERVICES=1 pytest tests/test_fetch_storage.py -k real
"""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time

import fetch_server
import pytest
from fetch_server import SIGNED
from hypothesis import given
from hypothesis import strategies as st

from tuneset.errors import InputError, RecipeError, RunError, TunesetError
from tuneset.fetch import download, fetch, fetched, folder_name, is_address, storage

PASSWORD = "pass-word-4713"
PROXIES = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
ROWS = b"text,label\n" + b"".join(b"where is order %d?,orders\n" % i for i in range(20_000))
TAG = f'"{hashlib.md5(ROWS).hexdigest()}"'


@pytest.fixture
def server(monkeypatch):
    for name in (*PROXIES, "AWS_PROFILE", "AWS_ACCESS_KEY_ID", "GOOGLE_APPLICATION_CREDENTIALS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(download, "PAUSE", 0.001)
    serving = fetch_server.serving()
    serving.files["/rows.csv"] = ROWS
    yield serving
    serving.shutdown()
    serving.server_close()


def written(folder, *more):
    return [
        *(path.read_bytes().decode(errors="replace") for path in folder.rglob("*") if path.is_file()),
        *map(repr, more),
    ]


def refused(address, folder, **more):
    with pytest.raises(TunesetError) as raised:
        fetch(address, folder, **more)
    assert len(str(raised.value).splitlines()) == 3
    return raised.value


def test_a_file_comes_as_it_is_and_its_version_is_kept(server, tmp_path):
    done = fetch(f"{server.url}/rows.csv", tmp_path / "a")
    assert [(path.name, path.read_bytes()) for path in done.files] == [("rows.csv", ROWS)]
    assert (done.about.address, done.about.revision) == (f"{server.url}/rows.csv", TAG)
    assert done.about.says == ()  # plain http on this machine is nobody else's business
    server.requests.clear()
    assert fetch(f"{server.url}/rows.csv", tmp_path / "a") == done
    assert server.requests == []


def test_a_login_in_an_address_is_used_and_never_shown(server, tmp_path, monkeypatch):
    monkeypatch.setenv("SHOP_PASSWORD", PASSWORD)
    server.files["/private.csv"] = lambda request: (
        (200, {}, ROWS)
        if request.headers.get("authorization", "").startswith("Basic YW5uOnBhc3Mtd29yZC00NzEz")
        else (401, {}, b"")
    )
    address = f"{server.url.replace('//', '//ann:${SHOP_PASSWORD}@')}/private.csv"
    events = []
    done = fetch(address, tmp_path / "a", events.append)
    assert done.files[0].read_bytes() == ROWS
    assert done.about.address == f"{server.url}/private.csv"
    assert [text for text in written(tmp_path / "a", events, done) if PASSWORD in text] == []
    error = refused(address.replace("ann", "bob"), tmp_path / "b")
    assert "401" in error.what
    assert PASSWORD not in repr(error)


def test_a_signature_in_an_address_is_used_and_never_shown(server, tmp_path):
    signed = f"{server.url}/rows.csv?X-Amz-Credential=AKIA&X-Amz-Signature={SIGNED}&page=2"
    done = fetch(signed, tmp_path / "a")
    assert server.requests[0].query["X-Amz-Signature"] == SIGNED
    assert done.about.address == f"{server.url}/rows.csv?X-Amz-Credential=…&X-Amz-Signature=…&page=2"
    error = refused(signed.replace("rows", "none"), tmp_path / "b")
    assert [text for text in written(tmp_path / "a", done, error) if SIGNED in text] == []


def test_a_variable_that_is_not_set_is_named(tmp_path):
    assert (
        refused("https://ann:${NOT_SET_AT_ALL}@example.org/a.csv", tmp_path / "a").what
        == "the environment has no NOT_SET_AT_ALL"
    )


def test_a_file_beyond_the_limit_is_refused_before_it_comes_where_its_length_is_said_and_else_while_it_comes(
    server, tmp_path
):
    server.files["/endless.csv"] = lambda _: (200, {"Content-Length": None, "Connection": "close"}, ROWS)
    for name in ("rows", "endless"):
        error = refused(f"{server.url}/{name}.csv", tmp_path / name, limit=100_000)
        assert error.what == "this has more than 100,000 bytes"
        assert not (tmp_path / name / f"{name}.csv").exists()


def test_a_page_in_the_place_of_a_file_is_said(server, tmp_path):
    server.files["/rows"] = lambda _: (200, {"Content-Type": "text/html; charset=utf-8"}, b"<html></html>")
    with pytest.raises(InputError, match="a page, not a file"):
        fetch(f"{server.url}/rows", tmp_path / "a")


@pytest.mark.parametrize(
    ("page", "instead"),
    [
        ("https://github.com/ann/sets/blob/main/a/b.csv", "https://raw.githubusercontent.com/ann/sets/main/a/b.csv"),
        ("https://gitlab.com/ann/sets/-/blob/main/b.csv", "https://gitlab.com/ann/sets/-/raw/main/b.csv"),
        ("https://huggingface.co/datasets/ann/sets", "hf:ann/sets"),
        ("https://huggingface.co/datasets/ann/sets/viewer/default/train", "hf:ann/sets"),
        (
            "https://huggingface.co/datasets/ann/sets/blob/main/a.csv",
            "https://huggingface.co/datasets/ann/sets/resolve/main/a.csv",
        ),
        ("https://www.kaggle.com/datasets/ann/sets?select=a.csv", "kaggle:ann/sets"),
    ],
)
def test_a_page_that_shows_a_file_is_told_from_the_file(page, instead, tmp_path):
    error = refused(page, tmp_path / "a")
    assert (error.what, error.hint) == ("this is a page that shows a file, not the file", instead)
    assert not (tmp_path / "a").exists()


# --- where a server may lead


def lead(server, path, *places):
    for at, place in enumerate(places):
        name = path if not at else f"{path}-{at}"
        server.files[name] = lambda _, place=place: (302, {"Location": place}, b"")


def test_redirections_are_followed_five_times(server, tmp_path):
    lead(server, "/a", *(f"/a-{at}" for at in range(1, 5)), "/rows.csv")
    assert fetch(f"{server.url}/a", tmp_path / "a").files[0].read_bytes() == ROWS
    lead(server, "/b", "/b")
    assert "leads on more than 5 times" in refused(f"{server.url}/b", tmp_path / "b").what


def test_a_redirection_from_a_public_host_to_a_private_address_is_refused(server, tmp_path, monkeypatch):
    """127.0.0.1 stands for a public host here: on a machine without a network there is no other."""
    private = download.public
    monkeypatch.setattr(download, "public", lambda address: address == "127.0.0.1" or private(address))
    for place in (
        f"http://127.0.0.2:{server.server_port}",
        "http://169.254.169.254",
        "http://[::ffff:10.0.0.1]",
        "http://2130706434",
        "http://0x7f.2",
    ):
        lead(server, "/a", f"{place}/rows.csv")
        error = refused(f"{server.url}/a", tmp_path / "a")
        assert error.what == "the server leads to an address inside a private network", place
    assert len(server.asked("rows.csv")) == 0


@pytest.mark.parametrize("place", ["file:///etc/passwd", "ftp://example.org/a.csv", "gopher://x/"])
def test_a_redirection_to_something_that_is_no_web_address_is_refused(server, tmp_path, place):
    lead(server, "/a", place)
    assert refused(f"{server.url}/a", tmp_path / "a").what == "the server leads away from https"


def test_an_address_that_the_user_gives_may_be_private(server, tmp_path):
    assert not download.is_public(server.url)
    fetch(f"{server.url}/rows.csv", tmp_path / "a")


def test_plain_http_is_said_where_it_leaves_the_machine(server, tmp_path, monkeypatch):
    resolve = download.addresses
    monkeypatch.setattr(
        download, "addresses", lambda name, port: ["127.0.0.1"] if name == "far" else resolve(name, port)
    )
    done = fetch(f"http://far:{server.server_port}/rows.csv", tmp_path / "a")
    assert done.about.says == ("it came over plain http: anyone on the way could have changed it",)
    assert server.requests[0].headers["host"] == f"far:{server.server_port}"


def test_a_name_that_changes_its_address_between_the_check_and_the_call_is_asked_for_once(
    server, tmp_path, monkeypatch
):
    asked, resolve = [], download.addresses
    monkeypatch.setattr(download, "public", lambda address: address == "127.0.0.1")
    monkeypatch.setattr(download, "addresses", lambda name, port: asked.append(name) or resolve(name, port))
    lead(server, "/a", f"http://localhost:{server.server_port}/rows.csv")
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: [(2, 1, 6, "", ("127.0.0.1", server.server_port))])
    fetch(f"{server.url}/a", tmp_path / "a")
    assert asked == ["127.0.0.1", "localhost"]


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "100.100.100.200",
        "169.254.169.254",
        "0.0.0.0",
        "::1",
        "fd00::1",
        "fe80::1%eth0",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "224.0.0.1",
        "192.168.1.1",
    ],
)
def test_an_address_of_a_private_network_is_not_public(address):
    assert not download.public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808"])
def test_an_address_of_the_internet_is_public(address):
    assert download.public(address)


# --- interruptions


def test_a_broken_connection_goes_on_with_a_range_and_the_tag(server, tmp_path):
    server.step, broken = 50_000, []

    def hang_up(_, sent):
        if sent >= 150_000 and len(broken) < 3:
            broken.append(sent)
            return "hang up"
        return None

    server.between = hang_up
    events = []
    assert fetch(f"{server.url}/rows.csv", tmp_path / "a", events.append).files[0].read_bytes() == ROWS
    asked = [(each.headers.get("range"), each.headers.get("if-range")) for each in server.requests]
    assert asked[0] == (None, None)
    assert all(begins and tag == TAG for begins, tag in asked[1:])
    assert [event.kind for event in events][-1] == "done"


def test_where_the_file_has_changed_in_between_all_of_it_comes_again(server, tmp_path):
    server.step, new = 50_000, ROWS.replace(b"order", b"parcel")

    def change(_, sent):
        if sent >= 150_000 and server.files["/rows.csv"] is ROWS:
            server.files["/rows.csv"] = new
            return "hang up"
        return None

    server.between = change
    assert fetch(f"{server.url}/rows.csv", tmp_path / "a").files[0].read_bytes() == new


def test_a_server_without_ranges_or_tags_sends_all_of_it_again(server, tmp_path):
    server.step, broken = 50_000, []
    server.files["/rows.csv"] = lambda _: (200, {}, ROWS)
    server.between = lambda _, sent: "hang up" if sent >= 150_000 and not broken and not broken.append(1) else None
    assert fetch(f"{server.url}/rows.csv", tmp_path / "a").files[0].read_bytes() == ROWS


def test_a_server_that_never_sends_more_is_given_up_and_the_part_stays(server, tmp_path):
    server.step = 50_000

    def hang_up(request):
        if "range" in request.headers:
            server.script.append("hang up")

    server.before = hang_up
    server.between = lambda _, sent: time.sleep(0.1) or "hang up" if sent >= 100_000 else None
    error = refused(f"{server.url}/rows.csv", tmp_path / "a")
    assert "in 6 tries" in error.what
    assert "goes on from what is here" in error.hint
    assert not (tmp_path / "a" / "rows.csv").exists()
    server.before = server.between = fetch_server.nothing
    assert fetch(f"{server.url}/rows.csv", tmp_path / "a").files[0].read_bytes() == ROWS
    assert server.requests[-1].headers["range"].startswith("bytes=")


def test_a_host_that_is_not_there_is_said(tmp_path, server):
    error = refused("http://ann:geheim@127.0.0.1:9/rows.csv?page=2&sig=geheim", tmp_path / "a")
    assert error.what == "the server did not send it, in 6 tries (127.0.0.1 cannot be reached: connection refused)"
    assert error.where == "http://127.0.0.1:9/rows.csv"
    assert "has no address" in refused("http://no-such-host.invalid/rows.csv", tmp_path / "b").what


KILLED = """
import sys
from pathlib import Path
from tuneset.fetch import download, fetch, storage
download.PAUSE, download.CHUNK, storage.CHUNK = 0.001, 10_000, 100_000
fetch(sys.argv[1], Path(sys.argv[2]))
"""


def test_killed_while_a_file_comes_it_goes_on_from_there(server, tmp_path):
    server.step = 50_000

    def kill(_, sent):
        time.sleep(0.1)
        if sent >= 250_000 and process.poll() is None:
            process.send_signal(signal.SIGKILL)
            process.wait()

    server.between = kill
    process = subprocess.Popen([sys.executable, "-c", KILLED, f"{server.url}/rows.csv", str(tmp_path / "a")])
    assert process.wait(60) == -signal.SIGKILL
    server.between = fetch_server.nothing
    assert not (tmp_path / "a" / "rows.csv").exists()
    fetch(f"{server.url}/rows.csv", tmp_path / "a")
    fetch(f"{server.url}/rows.csv", tmp_path / "b")
    assert int(server.requests[1].headers["range"].removeprefix("bytes=").removesuffix("-")) >= 100_000
    assert (tmp_path / "a" / "rows.csv").read_bytes() == ROWS
    assert (tmp_path / "a" / "fetched.json").read_bytes() == (tmp_path / "b" / "fetched.json").read_bytes()


def test_what_was_complete_before_a_kill_is_not_asked_for_again(server, tmp_path):
    fetch(f"{server.url}/rows.csv", tmp_path / "a")
    (tmp_path / "a" / "fetched.json").unlink()  # written last: a kill may come before
    server.requests.clear()
    fetch(f"{server.url}/rows.csv", tmp_path / "a")
    assert server.requests == []


# --- storages

BUCKETS = {"s3": "s3://shop/sets/rows.csv", "gs": "gs://shop/sets/rows.csv", "abfs": "abfs://shop/sets/rows.csv"}


@pytest.fixture(params=BUCKETS)
def bucket(request, server, monkeypatch):
    server.objects["shop/sets/rows.csv"] = ROWS
    if request.param == "s3":
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"{server.url}/s3")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA4714")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", PASSWORD)
        monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    elif request.param == "gs":
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
    else:
        key = "a2V5LTQ3MTM="
        told = f"DefaultEndpointsProtocol=http;AccountName=ann;AccountKey={key};BlobEndpoint={server.url}/azure;"
        monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", told)
    return BUCKETS[request.param]


def test_a_file_of_a_storage_comes_in_ranges(server, bucket, tmp_path, monkeypatch):
    monkeypatch.setattr(storage, "CHUNK", 200_000)
    done = fetch(bucket, tmp_path / "a")
    assert done.files[0].read_bytes() == ROWS
    assert done.about.address == bucket
    assert done.about.revision
    parts = [each for each in server.requests if each.headers.get("range") or each.headers.get("x-ms-range")]
    assert len(parts) >= -(-len(ROWS) // 200_000)
    assert [text for text in written(tmp_path / "a", done) if PASSWORD in text or "a2V5LTQ3MTM=" in text] == []


def test_a_file_of_a_storage_that_is_not_there_or_too_large_is_said(server, bucket, tmp_path):
    assert refused(bucket.replace("rows", "none"), tmp_path / "a").what == "there is no such file in the storage"
    assert "more than 1,000" in refused(bucket, tmp_path / "b", limit=1000).what


def test_a_part_of_a_file_of_a_storage_is_gone_on_with(server, bucket, tmp_path, monkeypatch):
    monkeypatch.setattr(storage, "CHUNK", 100_000)
    pieces = []

    def stop(event):
        if event.kind == "part" and not pieces:
            pieces.append(event)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(bucket, tmp_path / "a", stop)
    assert not (tmp_path / "a" / "rows.csv").exists()
    events = []
    assert fetch(bucket, tmp_path / "a", events.append).files[0].read_bytes() == ROWS
    assert events[0] == fetched.Event("rows.csv", "start", 100_000, len(ROWS))


def test_a_storage_that_refuses_says_so_without_the_keys(server, bucket, tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", PASSWORD)
    server.before = lambda _: server.script.append((403, {"Content-Type": "text/plain"}, f"no, {PASSWORD}".encode()))
    error = refused(bucket, tmp_path / "a")
    assert "storage" in error.what
    assert PASSWORD not in repr(error)


# --- addresses


@given(st.text("abc/:@?#&=%.-_ é", max_size=40), st.text("abcdefXYZ0123456789", min_size=6))
def test_a_password_never_stays_in_what_is_shown(rest, secret):
    for address in (
        f"https://ann:{secret}@example.org/{rest}",
        f"sql:postgresql://ann:{secret}@host/db",
        f"https://example.org/a?token={secret}",
        f"https://{secret}@example.org/a",
    ):
        assert secret not in fetched.shown(address), address


@given(st.text(min_size=1))
def test_a_name_is_always_a_plain_one(name):
    made = fetched.plain_name(name)
    assert made
    assert not made.startswith(".")
    assert "/" not in made
    assert "\\" not in made
    assert len(made.encode()) <= 500


def test_addresses_are_told_from_paths():
    for path in (
        "hf:a/b",
        "kaggle:a/b",
        "sql:sqlite:///x.db",
        "http://a/b",
        "https://a/b",
        "s3://b/k",
        "gs://b/k",
        "abfs://c/k",
        "abfss://c/k",
    ):
        assert is_address(path), path
    for path in ("a.csv", "C:\\a.csv", "hf", "-", "data/*.csv", "hf:", "ftp://a/b", "file:///a"):
        assert not is_address(path), path


def test_a_folder_s_name_depends_on_address_and_query_but_on_no_secret():
    assert folder_name("hf:a/b") != folder_name("hf:a/b@v2")
    assert folder_name("sql:sqlite:///x", "select 1") != folder_name("sql:sqlite:///x", "select 2")
    assert folder_name("https://a.org/x?token=1") == folder_name("https://a.org/x?token=2")
    assert folder_name("https://a.org/x?page=1") != folder_name("https://a.org/x?page=2")


def test_a_query_belongs_to_a_database(tmp_path):
    with pytest.raises(RecipeError, match="only sql: takes a query"):
        fetch("hf:a/b", tmp_path / "a", query="select 1")


def test_a_list_that_is_cut_off_or_a_file_that_is_gone_begins_anew(server, tmp_path):
    done = fetch(f"{server.url}/rows.csv", tmp_path / "a")
    done.files[0].unlink()
    assert fetch(f"{server.url}/rows.csv", tmp_path / "a").files[0].read_bytes() == ROWS
    (tmp_path / "a" / "fetched.json").write_text('{"about')
    assert fetch(f"{server.url}/rows.csv", tmp_path / "a") == done
    assert (
        json.loads((tmp_path / "a" / "fetched.json").read_text())["files"]["rows.csv"]["sha256"]
        == hashlib.sha256(ROWS).hexdigest()
    )


if os.environ.get("TUNESET_REAL_SERVICES") == "1":

    def test_the_real_web_gives_banking77(tmp_path):
        address = "https://raw.githubusercontent.com/PolyAI-LDN/task-specific-datasets/master/banking_data/test.csv"
        assert fetch(address, tmp_path / "a").files[0].read_bytes().startswith(b"text,category")

    def test_the_real_web_is_no_way_into_this_machine():
        with pytest.raises(RunError):
            download.read(download.Wanted("https://httpbin.org/redirect-to?url=http://127.0.0.1/"))
