"""Datasets of Kaggle: the real client (kagglehub) against a server that answers as Kaggle does, over real HTTP.

The client knows one address for tests, http://localhost; it is led to the server here as to a proxy. The last test asks
the real Kaggle; it is there only where TUNESET_REAL_SERVICES=1 (a login stands in KAGGLE_API_TOKEN, or it asks as nobody):
TUNESET_REAL_SERVICES=1 pytest tests/test_fetch_kaggle.py -k real
"""

import errno
import hashlib
import io
import json
import os
import signal
import stat
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import fetch_server
import pytest
from fetch_server import KAGGLE_KEY, SIGNED

from tuneset.errors import RecipeError, RunError, TunesetError
from tuneset.fetch import fetch

TRAIN = b"text,label\n" + b"".join(b"where is order %d?,orders\n" % i for i in range(5_000))
FILES = {
    "train.csv": TRAIN,
    "more/test.csv": b"text,label\nhello,other\n",
    "pictures/a.png": b"\x89PNG",
    "readme.txt": b"x",
}
ABOUT = {
    "ref": "ann/tickets",
    "title": "Tickets",
    "subtitle": "Inquiries of a shop",
    "description": "Real ones.",
    "currentVersionNumber": 2,
}
ABOUT |= {
    "licenseName": "CC BY-NC-SA 4.0",
    "totalBytes": 170_000,
    "downloadCount": 4321,
    "lastUpdated": "2026-03-01T10:00:00.000Z",
}
LOGINS = ("KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY")


@pytest.fixture
def server(monkeypatch, tmp_path):
    for name in (*LOGINS, "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "HTTP_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    serving = fetch_server.serving()
    serving.kaggle["ann/tickets"] = {"about": ABOUT, 2: FILES, 1: {"old.csv": b"text\nold\n"}}
    monkeypatch.setenv("KAGGLE_API_ENVIRONMENT", "LOCALHOST")
    monkeypatch.setenv("http_proxy", serving.url)
    yield serving
    serving.shutdown()
    serving.server_close()


def refused(address, folder, **more):
    with pytest.raises(TunesetError) as raised:
        fetch(address, folder, **more)
    assert len(str(raised.value).splitlines()) == 3
    return raised.value


def test_the_tables_of_the_newest_version_come_and_nothing_else(server, tmp_path, capfd):
    done = fetch("kaggle:ann/tickets", tmp_path / "a")
    assert {path.name: path.read_bytes() for path in done.files} == {
        "train.csv": TRAIN,
        "more-test.csv": FILES["more/test.csv"],
    }
    assert done.about[:3] == ("kaggle:ann/tickets", "2", "CC BY-NC-SA 4.0")
    assert (tmp_path / "a" / done.about.card).read_text() == "# Tickets\n\nReal ones.\n"
    assert done.about.says == ("2 files that are no tables are left out",)
    assert capfd.readouterr() == ("", "")
    assert not (tmp_path / "a" / ".kaggle").exists()
    server.requests.clear()
    assert fetch("kaggle:ann/tickets", tmp_path / "a") == done
    assert server.requests == []


def test_a_version_can_be_asked_for(server, tmp_path):
    done = fetch("kaggle:ann/tickets@1", tmp_path / "a")
    assert [path.name for path in done.files] == ["old.csv"]
    assert done.about.revision == "1"


def packed(*members, **more):
    """Make an archive of members: a name, or a ZipInfo, and its content."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members:
            file.writestr(name, content, **more)
    return made.getvalue()


def comes_as(server, content, *, name="train.csv.zip"):
    """Let the server send an archive where it is asked for train.csv."""
    server.files[f"/gcs/x/{name}"] = content
    away = (302, {"Location": f"{server.url}/gcs/x/{name}?X-Goog-Signature={SIGNED}"}, b"")

    def pack(request):
        if request.path.endswith("DownloadDataset") and request.json["fileName"] == "train.csv":
            server.script.append(away)

    server.before = pack


def link(name):
    found = zipfile.ZipInfo(name)
    found.create_system, found.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    return found


def test_a_table_that_comes_packed_is_unpacked(server, tmp_path):
    comes_as(server, packed(("train.csv", TRAIN)))
    assert fetch("kaggle:ann/tickets", tmp_path / "a").files[1].read_bytes() == TRAIN
    assert sorted(path.name for path in (tmp_path / "a").glob("*.csv*")) == ["more-test.csv", "train.csv"]


def test_an_archive_that_grows_without_end_is_refused_before_it_is_unpacked(server, tmp_path):
    comes_as(server, packed(("train.csv", bytes(300 << 20))))
    assert "this unpacks to more than 200 times its size" in refused("kaggle:ann/tickets", tmp_path / "a").what
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in kept) < 2_000_000


def test_a_table_as_large_as_kaggle_says_is_unpacked_however_well_it_packs(server, tmp_path, monkeypatch):
    monkeypatch.setattr("tuneset.sources.unpack._ALWAYS", 1000)
    rows = b"text,label\n" + b"a,b\n" * 500_000
    server.kaggle["ann/tickets"][2] = {"train.csv": rows}
    comes_as(server, packed(("train.csv", rows), compresslevel=9))
    assert len(rows) > 200 * len(server.files["/gcs/x/train.csv.zip"])
    assert fetch("kaggle:ann/tickets", tmp_path / "a").files[0].read_bytes() == rows


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (packed(("../train.csv", TRAIN)), "this archive does not hold train.csv"),
        (packed(("/train.csv", TRAIN)), "this archive does not hold train.csv"),
        (packed(("..\\train.csv", TRAIN), ("a/../../train.csv", TRAIN)), "this archive does not hold train.csv"),
        (packed((link("train.csv"), "/etc/hostname")), "this archive does not hold train.csv"),
        (packed(("other.csv", TRAIN)), "this archive does not hold train.csv"),
        (packed(("train.csv", TRAIN)).replace(TRAIN[:20], b"!" * 20), "this archive is cut off or damaged"),
    ],
    ids=["out", "root", "folders", "link", "another", "damaged"],
)
def test_an_archive_that_leads_out_or_holds_something_else_writes_nothing(server, tmp_path, content, what):
    if "damaged" in what:  # its checksum is of another content
        content = packed(("train.csv", TRAIN), compress_type=zipfile.ZIP_STORED).replace(b"order 77?", b"order 78?")
    comes_as(server, content)
    assert refused("kaggle:ann/tickets", tmp_path / "a" / "b").what == what
    assert [path for path in tmp_path.rglob("train.csv*") if ".kaggle" not in path.parts] == []
    assert not any(path.is_symlink() for path in tmp_path.rglob("*"))
    assert list((tmp_path / "a").iterdir()) == [tmp_path / "a" / "b"]


def test_what_is_beside_the_table_in_an_archive_is_left_there(server, tmp_path):
    comes_as(server, packed(("../evil.csv", b"x"), (link("link"), "/etc"), ("train.csv", TRAIN)))
    assert fetch("kaggle:ann/tickets", tmp_path / "a" / "b").files[1].read_bytes() == TRAIN
    assert list(tmp_path.rglob("evil*")) == []


def test_a_file_larger_than_the_limit_is_not_downloaded_whatever_the_list_says(server, tmp_path):
    comes_as(server, TRAIN * 20, name="train.csv")
    error = refused("kaggle:ann/tickets", tmp_path / "a", limit=200_000)
    assert error.what == f"train.csv has {20 * len(TRAIN):,} bytes, more than 200,000"


def test_a_busy_kaggle_is_asked_again_after_as_long_as_it_says(server, tmp_path, monkeypatch):
    waits = []
    monkeypatch.setattr("time.sleep", waits.append)
    busy = (429, {"Retry-After": "7"}, {"code": 429, "message": "Too many requests"})
    server.script[:] = [busy, None, (503, {"Content-Type": "text/html"}, b"<p>busy")]
    events = []
    assert len(fetch("kaggle:ann/tickets", tmp_path / "a", events.append).files) == 2
    assert [wait for wait in waits if wait >= 1] == [7.0, 1.0]
    assert [event.says for event in events if event.kind == "wait"] == ["429; again in 7 s", "503; again in 1 s"]


def test_that_there_is_a_newer_client_is_not_printed_amid_what_we_say(server, tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("KAGGLE_API_TOKEN", KAGGLE_KEY)
    monkeypatch.setattr("kagglehub.clients.already_printed_version_warning", False)
    server.before = lambda request: server.script.append(
        (200, {"X-Kaggle-HubVersion": "99.0.0"}, ABOUT) if request.path.endswith("GetDataset") else None
    )
    fetch("kaggle:ann/tickets", tmp_path / "a", lambda _: sys.stdout.write("ours\n"))
    assert set(capfd.readouterr().out.split()) == {"ours"}


@pytest.mark.parametrize(
    "login", [{"KAGGLE_API_TOKEN": KAGGLE_KEY}, {"KAGGLE_USERNAME": "ann", "KAGGLE_KEY": KAGGLE_KEY}]
)
def test_a_private_dataset_opens_with_the_login_of_the_environment_which_is_written_nowhere(
    server, tmp_path, monkeypatch, login
):
    server.kaggle["ann/tickets"]["private"] = True
    assert refused("kaggle:ann/tickets", tmp_path / "a").what == "Kaggle does not give this dataset to everybody"
    for name, value in login.items():
        monkeypatch.setenv(name, value)
    events = []
    done = fetch("kaggle:ann/tickets", tmp_path / "a", events.append)
    texts = [
        repr(events),
        repr(done),
        *(path.read_bytes().decode(errors="replace") for path in tmp_path.rglob("*") if path.is_file()),
    ]
    assert [text for text in texts if KAGGLE_KEY in text or SIGNED in text] == []
    assert all("authorization" not in each.headers for each in server.asked("/gcs/"))


def test_a_login_in_the_home_folder_is_not_looked_at(server, tmp_path, monkeypatch):
    (tmp_path / ".kaggle").mkdir()
    (tmp_path / ".kaggle" / "kaggle.json").write_text(json.dumps({"username": "ann", "key": KAGGLE_KEY}))
    (tmp_path / ".kaggle" / "access_token").write_text(KAGGLE_KEY)
    monkeypatch.setenv("HOME", str(tmp_path))
    fetch("kaggle:ann/tickets", tmp_path / "a")
    assert all("authorization" not in request.headers for request in server.requests)
    assert os.environ["HOME"] == str(tmp_path)


def test_what_is_not_there_not_a_table_or_too_large_is_said(server, tmp_path):
    assert refused("kaggle:ann/none", tmp_path / "a").what == "Kaggle has no such dataset"
    server.kaggle["ann/pictures"] = {"about": ABOUT, 2: {"a.png": b"x", "b.jpg": b"y"}}
    assert refused("kaggle:ann/pictures", tmp_path / "a").what == "this dataset has no tables, only .jpg, .png"
    with pytest.raises(RunError, match="more than 1,000"):
        fetch("kaggle:ann/tickets", tmp_path / "a", limit=1000)
    assert server.asked("DownloadDataset") == []


def test_without_a_network_it_is_said(server, tmp_path, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    error = refused("kaggle:ann/tickets", tmp_path / "a")
    assert (error.what, error.where) == ("cannot reach kaggle.com", "kaggle:ann/tickets")
    assert error.hint.startswith("check the connection and the proxy that the environment names, then run")


def test_a_full_disk_is_not_taken_for_a_network_that_is_gone(server, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("kagglehub.clients.download_file", full)
    error = refused("kaggle:ann/tickets", tmp_path / "a")
    assert error.what == "this cannot be written: No space left on device"
    assert "free some space" in error.hint


def test_content_with_another_hash_is_not_kept(server, tmp_path):
    def tamper(request):
        if request.path.startswith("/gcs/"):
            server.script.append(
                (200, {"X-Goog-Hash": "md5=AAAAAAAAAAAAAAAAAAAAAA==", "Content-Type": "text/csv"}, TRAIN)
            )

    server.before = tamper
    assert "not what was promised" in refused("kaggle:ann/tickets", tmp_path / "a").what
    assert not list((tmp_path / "a").glob("*.csv"))


@pytest.mark.parametrize(
    "address", ["kaggle:tickets", "kaggle:ann/tickets/more", "kaggle:ann/tickets@x", "kaggle:../x"]
)
def test_an_address_in_a_wrong_form_is_named(address, tmp_path):
    with pytest.raises(RecipeError):
        fetch(address, tmp_path / "a")


CODE = "import sys, pathlib, tuneset.fetch as f; f.fetch(sys.argv[1], pathlib.Path(sys.argv[2]))"


def test_a_kill_leaves_no_half_file_and_what_was_complete_does_not_come_again(server, tmp_path):
    server.step = 20_000

    def kill(request, sent):
        if request.path.endswith("train.csv") and sent >= 60_000 and process.poll() is None:
            time.sleep(0.2)
            process.send_signal(signal.SIGKILL)
            process.wait()

    server.between = kill
    process = subprocess.Popen([sys.executable, "-c", CODE, "kaggle:ann/tickets", str(tmp_path / "a")])
    assert process.wait(60) == -signal.SIGKILL
    server.between = fetch_server.nothing
    assert [path.name for path in (tmp_path / "a").glob("*.csv")] == ["more-test.csv"]
    server.requests.clear()
    fetch("kaggle:ann/tickets", tmp_path / "a")
    fetch("kaggle:ann/tickets", tmp_path / "b")
    assert len(server.asked("/gcs/.*test.csv")) == 1  # of the second folder
    assert (tmp_path / "a" / "train.csv").read_bytes() == TRAIN
    assert (tmp_path / "a" / "fetched.json").read_bytes() == (tmp_path / "b" / "fetched.json").read_bytes()
    assert hashlib.sha256(TRAIN).hexdigest() in (tmp_path / "a" / "fetched.json").read_text()


def test_memory_does_not_grow_with_the_rows(tmp_path):
    sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))
    import fetch as bench

    peaks = []
    for rows in (40_000, 400_000):
        (tmp_path / f"data-{rows}").mkdir()
        bench.fill_parts(tmp_path / f"data-{rows}", rows)
        with bench.kaggle(tmp_path / f"data-{rows}" / "rows.csv") as where:
            peaks.append(bench.measured("kaggle", rows, where, tmp_path / str(rows))["peak"])
        assert (tmp_path / str(rows) / "rows.csv").stat().st_size == (
            tmp_path / f"data-{rows}" / "rows.csv"
        ).stat().st_size
    assert peaks[1] < peaks[0] + 15  # the table grows by 31 MB


if os.environ.get("TUNESET_REAL_SERVICES") == "1":

    def test_the_real_kaggle_gives_a_small_dataset(tmp_path):
        done = fetch("kaggle:uciml/iris", tmp_path / "a")
        assert "Iris.csv" in [path.name for path in done.files]
        assert done.about.licence
