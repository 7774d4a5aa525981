"""Sending exports: every protocol over real HTTP, kills and refusals, and where secrets must never be."""

import email.parser
import email.policy
import hashlib
import json
import logging
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_export import WORDS

import tuneset
from tuneset.errors import RecipeError, RunError, TunesetError
from tuneset.publish import Item, files, fireworks, http, hub, ledger, places, plan, publish, together

KEY = "sk-top-secret-4711"
SIGNED = "signature-of-a-presigned-address"
TARGETS = ["openai", "azure", "together", "fireworks", "mistral", "huggingface", "gemini", "bedrock-nova", "csv"]
VARIABLES = {each for place in places.PLACES.values() for each in (*place.secrets, *place.variables)}
OTHERS = ("FIREWORKS_ACCOUNT_ID", "OPENAI_API_VERSION", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID")
PROXIES = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")


def nothing(_):
    pass


class Server(ThreadingHTTPServer):
    """A server that speaks each protocol, and keeps what it was asked and what it was given."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Speaking)
        self.requests, self.script, self.got, self.uploads, self.datasets, self.known = [], [], {}, {}, {}, {}
        self.before = nothing

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def asked(self, method="", path=""):
        return [each for each in self.requests if each.method.startswith(method) and re.search(path, each.path)]


class Speaking(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def _serve(self):
        request = self._read()
        self.server.requests.append(request)
        self.server.before(request)
        scripted = self.server.script.pop(0) if self.server.script else None
        if scripted == "hang up":
            self.close_connection = True
            return
        answer = scripted or self._route(request)
        status, headers, body = (*answer, b"")[:3]
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), "Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = _serve  # noqa: N815  the names that http.server asks for

    def _read(self):
        if self.headers.get("Transfer-Encoding") == "chunked":
            raw = b""
            while size := int(self.rfile.readline(), 16):
                raw += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if "aws-chunked" in (self.headers.get("Content-Encoding") or ""):
            raw = unchunked(raw)
        parts = urlsplit(self.path)
        kind = self.headers.get("Content-Type") or ""
        form, names = formed(kind, raw) if kind.startswith("multipart/form-data") else ({}, {})
        asked = json.loads(raw) if kind.startswith("application/json") and raw else None
        return SimpleNamespace(
            method=self.command,
            path=unquote(parts.path),
            query={name: each[0] for name, each in parse_qs(parts.query, keep_blank_values=True).items()},
            headers={name.lower(): each for name, each in self.headers.items()},
            raw=raw,
            form=form,
            names=names,
            json=asked,
        )

    def _route(self, request):
        for pattern, speak in ROUTES:
            if found := re.fullmatch(pattern, f"{request.method} {request.path}"):
                return speak(self.server, request, *found.groups())
        return 404, {}, {"error": f"no route for {request.method} {request.path}"}


def formed(kind, raw):
    parser = email.parser.BytesParser(policy=email.policy.HTTP)
    message = parser.parsebytes(f"Content-Type: {kind}\r\n\r\n".encode() + raw)
    parts = list(message.iter_parts())
    told = [each["Content-Disposition"].params for each in parts]
    form = {name["name"]: each.get_payload(decode=True) for name, each in zip(told, parts, strict=True)}
    return form, {name["name"]: name.get("filename") for name in told}


def unchunked(raw):
    whole, rest = b"", raw
    while rest:
        head, _, rest = rest.partition(b"\r\n")
        size = int(head.partition(b";")[0], 16)
        if not size:
            break
        whole, rest = whole + rest[:size], rest[size + 2 :]
    return whole


def allowed(request, header="authorization", value=f"Bearer {KEY}"):
    assert request.headers.get(header) == value, f"{request.path}: {request.headers}"


def unsigned(request):
    assert "authorization" not in request.headers
    assert "api-key" not in request.headers
    assert request.query == {"sig": SIGNED}


# --- OpenAI, Azure, Mistral


def take_file(server, request, base):
    allowed(request, *(("api-key", KEY) if base == "azure" else ()))
    assert request.form["purpose"] == b"fine-tune"
    given = f"file-{len(server.got)}"
    server.got[given] = (request.names["file"], request.form["file"])
    told = {"filename": request.names["file"], "created_at": 0, "sample_type": "instruct", "source": "upload"}
    told |= {"id": given, "object": "file", "bytes": len(request.form["file"]), "purpose": "fine-tune"}
    return 201 if base == "azure" else 200, {}, told


def begin_upload(server, request, base):
    allowed(request, *(("api-key", KEY) if base == "azure" else ()))
    given = f"upload_{len(server.uploads)}"
    server.uploads[given] = {"about": request.json, "parts": {}}
    return 200, {}, {"id": given, "status": "pending", "expires_at": int(time.time()) + 3600, **request.json}


def take_part(server, request, base, upload):
    if upload not in server.uploads:
        return 404, {}, {"error": {"message": "no such upload"}}
    parts = server.uploads[upload]["parts"]
    given = f"part_{len(parts)}"
    parts[given] = request.form["data"]
    return 200, {}, {"id": given, "object": "upload.part", "upload_id": upload}


def complete_upload(server, request, base, upload):
    if upload not in server.uploads:
        return 404, {}, {"error": {"message": "no such upload"}}
    kept = server.uploads[upload]
    whole = b"".join(kept["parts"][each] for each in request.json["part_ids"])
    if len(whole) != kept["about"]["bytes"]:
        return 400, {}, {"error": {"message": "the bytes do not match"}}
    given = f"file-{len(server.got)}"
    server.got[given] = (kept["about"]["filename"], whole)
    return 200, {}, {"id": upload, "status": "completed", "file": {"id": given, "object": "file"}}


# --- Together


def name_a_place(server, request):
    allowed(request)
    about = {name: value.decode() for name, value in request.form.items()}
    if about["checksum"] in server.known:
        return 409, {}, {"file_id": server.known[about["checksum"]]}
    given = f"file-{len(server.uploads)}"
    server.uploads[given] = about
    return 302, {"Location": f"{server.url}/bucket/{given}?sig={SIGNED}", "X-Together-File-Id": given}


def take_signed(server, request, given):
    unsigned(request)
    server.got[given] = ("", request.raw)
    return 200, {"ETag": f'"{hashlib.md5(request.raw).hexdigest()}"'}


def preprocess(server, request, given):
    allowed(request)
    about, content = server.uploads[given], server.got[given][1]
    if hashlib.sha256(content).hexdigest() != about["checksum"]:
        return 400, {}, {"error": "the checksum does not match"}
    server.known[about["checksum"]] = given
    server.got[given] = (about["file_name"], content)
    told = {"FileType": "jsonl", "Processed": True, "purpose": "fine-tune", "filename": about["file_name"]}
    return 200, {}, {"id": given, "object": "file", "bytes": len(content), "created_at": 0, **told}


def initiate(server, request):
    allowed(request)
    server.uploads["up"] = request.json
    numbers = range(1, request.json["num_parts"] + 1)
    parts = [{"PartNumber": n, "URL": f"{server.url}/bucket/part{n}?sig={SIGNED}", "Headers": {}} for n in numbers]
    return 200, {}, {"upload_id": "up", "file_id": "file-big", "parts": parts}


def complete(server, request):
    allowed(request)
    assert (request.json["upload_id"], request.json["file_id"]) == ("up", "file-big")
    parts = [server.got.pop(f"part{each['part_number']}")[1] for each in request.json["parts"]]
    assert [each["etag"] for each in request.json["parts"]] == [hashlib.md5(part).hexdigest() for part in parts]
    whole = b"".join(parts)
    assert len(whole) == server.uploads["up"]["file_size"]
    assert hashlib.sha256(whole).hexdigest() == server.uploads["up"]["checksum"]
    server.got["file-big"] = (server.uploads["up"]["file_name"], whole)
    told = {"FileType": "jsonl", "Processed": True, "purpose": "fine-tune", "filename": "train.jsonl"}
    return 200, {}, {"file": {"id": "file-big", "bytes": len(whole), "created_at": 0, **told}}


# --- Fireworks


def make_dataset(server, request):
    allowed(request)
    name = request.json["datasetId"]
    if name in server.datasets:
        return 409, {}, {"code": 6, "message": "already exists"}
    assert re.fullmatch(r"[a-z][a-z0-9-]{0,62}", name)
    about = {"name": f"accounts/shop/datasets/{name}", "state": "UPLOADING", **request.json["dataset"]}
    server.datasets[name] = about
    return 200, {}, about


def tell_dataset(server, request, name):
    allowed(request)
    return 200, {}, server.datasets[name]


def fill_dataset(server, request, name):
    allowed(request)
    content = request.form["file"]
    server.got[name] = (request.names["file"], content)
    server.datasets[name] |= {"state": "READY"}
    assert content.count(b"\n") == int(server.datasets[name]["exampleCount"])
    return 200, {}, {"id": name, "bytes": len(content), "filename": request.names["file"]}


def sign_dataset(server, request, name):
    allowed(request)
    server.uploads[name] = request.json["filenameToSize"]
    signed = f"{server.url}/signed/{name}?sig={SIGNED}"
    return (
        200,
        {},
        {"filenameToSignedUrls": dict.fromkeys(request.json["filenameToSize"], signed)},
    )


def put_dataset(server, request, name):
    unsigned(request)
    ((file, size),) = server.uploads[name].items()
    assert request.headers["x-goog-content-length-range"] == f"{size},{size}"
    assert request.headers["content-type"] == "application/octet-stream"
    assert len(request.raw) == int(size)
    server.got[name] = (file, request.raw)
    return 200, {}


def validate_dataset(server, request, name):
    allowed(request)
    assert request.json == {}
    server.datasets[name] |= {"state": "READY"}
    return 200, {}, {}


# --- the Hub


def make_repo(server, request):
    allowed(request)
    if server.datasets.get("repo"):
        return 409, {}, {"url": f"{server.url}/datasets/shop/inquiries"}
    server.datasets["repo"] = request.json
    return 200, {}, {"url": f"{server.url}/datasets/shop/inquiries"}


def how_to_upload(server, request):
    allowed(request)
    modes = [{"path": each["path"], "uploadMode": "regular", "shouldIgnore": False} for each in request.json["files"]]
    return 200, {}, {"files": modes}


def commit(server, request):
    import base64

    allowed(request)
    for line in map(json.loads, request.raw.splitlines()):
        if line["key"] == "file":
            server.got[line["value"]["path"]] = ("", base64.b64decode(line["value"]["content"]))
    told = {"commitUrl": f"{server.url}/datasets/shop/inquiries/commit/{'c' * 40}", "commitOid": "c" * 40}
    return 200, {}, {"success": True, "hookOutput": "", **told}


def tell_repo(server, request):
    allowed(request)
    return 200, {}, {"id": "shop/inquiries", "sha": "b" * 40, "private": True, "siblings": [], "tags": []}


# --- storage


def put_object(server, request, key):
    assert request.headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIA")
    server.got[key] = ("", request.raw)
    return 200, {"ETag": '"tag-of-it"'}


def head_object(server, request, key):
    if key not in server.got:
        return 404, {}
    size = str(len(server.got[key][1]))
    return 200, {"Content-Length": size, "ETag": '"tag-of-it"', "Last-Modified": formatdate(usegmt=True)}


def give_token(server, request):
    assert "assertion=" in request.raw.decode()
    return 200, {}, {"access_token": KEY, "expires_in": 3600, "token_type": "Bearer"}


def take_object(server, request, bucket):
    allowed(request)
    _, about, content = request.raw.split(b"--==0==")[0:3]
    key = json.loads(about.partition(b"\n\n")[2])["name"]
    content = content.partition(b"\n\n")[2].removesuffix(b"\n")
    server.got[f"{bucket}/{key}"] = ("", content)
    return tell_object(server, request, bucket, key)


def tell_object(server, request, bucket, key):
    if f"{bucket}/{key}" not in server.got:
        return 404, {}, {"error": {"code": 404, "message": "none"}}
    content = server.got[f"{bucket}/{key}"][1]
    told = {"name": key, "bucket": bucket, "size": str(len(content)), "generation": "17", "etag": "e"}
    return (
        200,
        {},
        {"kind": "storage#object", "updated": "2026-11-23T00:00:00Z", "timeCreated": "2026-11-23T00:00:00Z", **told},
    )


ROUTES = [
    (r"POST /(openai)/v1/files", take_file),
    (r"POST /(azure)/openai/files", take_file),
    (r"POST /(mistral)/v1/files", take_file),
    (r"POST /(openai)/v1/uploads", begin_upload),
    (r"POST /(azure)/openai/uploads", begin_upload),
    (r"POST /(openai/v1|azure/openai)/uploads/(\w+)/parts", take_part),
    (r"POST /(openai/v1|azure/openai)/uploads/(\w+)/complete", complete_upload),
    (r"POST /together/v1/files", name_a_place),
    (r"PUT /bucket/([\w-]+)", take_signed),
    (r"POST /together/v1/files/([\w-]+)/preprocess", preprocess),
    (r"POST /together/v1/files/multipart/initiate", initiate),
    (r"POST /together/v1/files/multipart/complete", complete),
    (r"POST /fireworks/v1/accounts/shop/datasets", make_dataset),
    (r"GET /fireworks/v1/accounts/shop/datasets/([\w-]+)", tell_dataset),
    (r"POST /fireworks/v1/accounts/shop/datasets/([\w-]+):upload", fill_dataset),
    (r"POST /fireworks/v1/accounts/shop/datasets/([\w-]+):getUploadEndpoint", sign_dataset),
    (r"POST /fireworks/v1/accounts/shop/datasets/([\w-]+):validateUpload", validate_dataset),
    (r"PUT /signed/([\w-]+)", put_dataset),
    (r"POST /api/repos/create", make_repo),
    (r"POST /api/validate-yaml", lambda *_: (200, {}, {"errors": [], "warnings": []})),
    (r"POST /api/datasets/shop/inquiries/preupload/main", how_to_upload),
    (r"POST /api/datasets/shop/inquiries/commit/main", commit),
    (r"GET /api/datasets/shop/inquiries(?:/revision/main)?", tell_repo),
    (r"PUT /(shop/.+)", put_object),
    (r"HEAD /(shop/.+)", head_object),
    (r"POST /token", give_token),
    (r"POST /upload/storage/v1/b/(\w+)/o", take_object),
    (r"GET /storage/v1/b/(\w+)/o/(.+)", tell_object),
]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    draw = random.Random(7)
    texts = [" ".join(draw.sample(WORDS, 6)) for _ in range(60)]  # no two alike, or all of them were on one side
    rows = [{"inquiry": text, "category": f"Topic {n % 3}"} for n, text in enumerate(texts)]
    run = tuneset.prepare(rows, out=folder / "Inquiries of 2026-tuneset", system="Classify the inquiry.")
    run.export(TARGETS)
    return run.path


@pytest.fixture
def run(prepared, tmp_path):
    return shutil.copytree(prepared, tmp_path / prepared.name)


@pytest.fixture
def serving(monkeypatch):
    for module in (http, hub):
        monkeypatch.setattr(module, "PAUSE", 0.001)
    for name in {*VARIABLES, *OTHERS, *PROXIES}:
        monkeypatch.delenv(name, raising=False)
    with Server() as server:
        threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        for name, value in environment(server.url).items():
            monkeypatch.setenv(name, value)
        yield server
        server.shutdown()


def environment(url):
    keys = ("OPENAI_API_KEY", "AZURE_OPENAI_API_KEY", "TOGETHER_API_KEY", "FIREWORKS_API_KEY", "MISTRAL_API_KEY")
    return dict.fromkeys((*keys, "HF_TOKEN"), KEY) | {
        "OPENAI_BASE_URL": f"{url}/openai/v1",
        "AZURE_OPENAI_ENDPOINT": f"{url}/azure",
        "TOGETHER_BASE_URL": f"{url}/together/v1",
        "FIREWORKS_BASE_URL": f"{url}/fireworks",
        "FIREWORKS_ACCOUNT_ID": "shop",
        "MISTRAL_SERVER_URL": f"{url}/mistral",
        "HF_ENDPOINT": url,
        "HF_HUB_DISABLE_XET": "1",
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "AKIA0000",
        "AWS_SECRET_ACCESS_KEY": KEY,
        "AWS_DEFAULT_REGION": "us-east-1",
        "STORAGE_EMULATOR_HOST": url,
    }


@pytest.fixture
def google(serving, tmp_path, monkeypatch):
    """A service account whose tokens the local server gives."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    account = {
        "type": "service_account",
        "client_email": "a@example.org",
        "private_key": key.decode(),
        "token_uri": f"{serving.url}/token",
        "project_id": "shop",
    }
    (tmp_path / "account.json").write_text(json.dumps(account))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "account.json"))


def exported(run, target):
    return {each.name: each.read_bytes() for each in (run / "exports" / target).glob("[tv]*.jsonl")}


FORMS = ["openai", "azure", "mistral", "together", "fireworks"]


@pytest.mark.parametrize("to", FORMS)
def test_train_and_validation_arrive_whole_and_their_ids_are_written_down(serving, run, to):
    done = publish(plan(run, to))
    got = {(name, content) for name, content in serving.got.values()}
    assert got == set(exported(run, to).items())
    assert [line["file"] for line in done] == ["train.jsonl", "validation.jsonl"]
    ids = {line["id"].rpartition("/")[2]: line["file"] for line in done}
    assert ids == {given: name for given, (name, _) in serving.got.items()}
    assert ledger.lines(run) == done
    assert {line["status"] for line in done} == {201 if to == "azure" else 200}


@pytest.mark.parametrize("to", FORMS)
def test_what_is_there_is_not_sent_again_and_what_changed_is(serving, run, to):
    first = publish(plan(run, to))
    serving.requests.clear()
    again = plan(run, to)
    assert again.waiting == ()
    assert [item.sent for item in again.items] == first
    assert publish(again) == first
    assert serving.requests == []
    train = run / "exports" / to / "train.jsonl"
    train.write_bytes(b"".join(train.read_bytes().splitlines(keepends=True)[:-1]))
    assert [item.file for item in plan(run, to).waiting] == ["train.jsonl"]
    publish(plan(run, to))
    assert train.read_bytes() in {content for _, content in serving.got.values()}


@pytest.mark.parametrize("to", ["openai", "azure"])
def test_a_large_file_goes_in_parts(serving, run, to, monkeypatch):
    monkeypatch.setattr(files, "PART", 1000)
    monkeypatch.setattr(files, "LARGE", 2000)
    events = []
    done = publish(plan(run, to), events.append)
    assert dict(serving.got.values()) == exported(run, to)
    assert [line["id"] for line in done] == list(serving.got)
    size = (run / "exports" / to / "train.jsonl").stat().st_size
    assert [event.bytes for event in events if event.file == "train.jsonl" and event.kind == "part"] == [
        *range(1000, size, 1000),
        size,
    ]
    assert [request.query for request in serving.asked("POST", "parts")] == [
        {"api-version": files.API_VERSION} if to == "azure" else {} for _ in serving.asked("POST", "parts")
    ]


KILLED = """
import sys
from pathlib import Path
from tuneset.publish import files, http, plan, publish
files.PART, files.LARGE, http.PAUSE = 1000, 2000, 0.001
publish(plan(Path(sys.argv[1]), sys.argv[2]))
"""


def test_a_killed_upload_goes_on_at_the_part_where_it_was(serving, run, monkeypatch):
    def kill(_):
        if len(serving.asked("POST", "parts")) == 4:
            process.send_signal(signal.SIGKILL)
            process.wait()

    serving.before = kill
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(run), "openai"])
    assert process.wait(60) == -signal.SIGKILL
    noted = [line["kind"] for line in ledger.lines(run)]
    assert noted == ["begun", "part", "part", "part"]
    serving.before = nothing
    serving.requests.clear()
    with ledger.path(run).open("a") as file:
        file.write('{"kind": "part", "cut')
    monkeypatch.setattr(files, "PART", 1000)
    monkeypatch.setattr(files, "LARGE", 2000)
    publish(plan(run, "openai"))
    size = (run / "exports" / "openai" / "train.jsonl").stat().st_size
    assert len(serving.asked("POST", "upload_0/parts")) == -(-size // 1000) - 3
    assert ("train.jsonl", exported(run, "openai")["train.jsonl"]) in serving.got.values()
    assert len(plan(run, "openai").waiting) == 0


def test_a_killed_run_of_files_goes_on_with_the_next_file(serving, run):
    def kill(request):
        if request.names.get("file") == "validation.jsonl":
            process.send_signal(signal.SIGKILL)
            process.wait()

    serving.before = kill
    process = subprocess.Popen([sys.executable, "-c", KILLED.replace("2000", "1 << 40"), str(run), "mistral"])
    assert process.wait(60) == -signal.SIGKILL
    serving.before = nothing
    assert [item.file for item in plan(run, "mistral").waiting] == ["validation.jsonl"]
    publish(plan(run, "mistral"))
    assert [request.names["file"] for request in serving.requests] == ["train.jsonl", *["validation.jsonl"] * 2]


def test_an_upload_that_the_service_has_forgotten_begins_anew(serving, run, monkeypatch):
    monkeypatch.setattr(files, "PART", 1000)
    monkeypatch.setattr(files, "LARGE", 2000)
    serving.script = [None, None, None, (400, {}, {"error": {"message": "no"}})]
    with pytest.raises(RunError, match="refused"):
        publish(plan(run, "openai"))
    serving.uploads.clear()
    serving.uploads["unused"] = {}
    publish(plan(run, "openai"))
    assert ("train.jsonl", exported(run, "openai")["train.jsonl"]) in serving.got.values()


def test_together_takes_more_than_5_gb_in_parts_and_is_told_when_it_fails(serving, run, monkeypatch):
    monkeypatch.setattr(together, "LARGE", 2000)
    monkeypatch.setattr(together, "PART", 2000)
    whole = exported(run, "together")["train.jsonl"]
    (run / "exports" / "together" / "validation.jsonl").unlink()
    (done,) = publish(plan(run, "together"))
    assert serving.got == {"file-big": ("train.jsonl", whole)}
    assert done["id"] == "file-big"
    ledger.path(run).unlink()
    serving.requests.clear()
    serving.script = [None, None, (403, {}, b"<Error>expired</Error>")]
    with pytest.raises(RunError, match="expired"):
        publish(plan(run, "together"))
    assert [request.path.rpartition("/")[2] for request in serving.requests] == ["initiate", "part1", "part2", "abort"]


def test_together_says_that_it_has_a_file_and_nothing_is_sent(serving, run):
    first = publish(plan(run, "together"))
    ledger.path(run).unlink()
    serving.requests.clear()
    again = publish(plan(run, "together"))
    assert [line["id"] for line in again] == [line["id"] for line in first]
    assert {line["status"] for line in again} == {409}
    assert serving.asked("PUT") == []


def test_fireworks_takes_a_large_file_at_a_signed_address(serving, run, monkeypatch):
    monkeypatch.setattr(fireworks, "LARGE", 1000)
    done = publish(plan(run, "fireworks"))
    assert dict(serving.got.values()) == exported(run, "fireworks")
    assert all(line["id"].startswith("accounts/shop/datasets/tuneset-inquiries-of-2026-") for line in done)


def test_fireworks_fills_the_dataset_that_a_kill_left_and_takes_what_is_full(serving, run):
    serving.script = [None, None, (403, {}, {"message": "no"})]
    with pytest.raises(RunError, match="403"):
        publish(plan(run, "fireworks"))
    publish(plan(run, "fireworks"))
    assert dict(serving.got.values()) == exported(run, "fireworks")
    ledger.path(run).unlink()
    serving.requests.clear()
    assert {line["status"] for line in publish(plan(run, "fireworks"))} == {409}
    assert serving.asked("POST", ":") == []


def test_fireworks_never_gets_plain_text_where_it_must_be_encrypted(serving, run):
    serving.script = [None, (200, {}, {"name": "x", "encryptionState": "ENCRYPTION_STATE_CMEK"})]
    with pytest.raises(RunError, match="encrypted data only"):
        publish(plan(run, "fireworks"))
    assert serving.got == {}


def test_the_hub_gets_one_commit_to_a_private_dataset_and_nothing_that_is_the_run_s_own(serving, run):
    done = publish(plan(run, "hub:shop/inquiries"))
    names = {"train.jsonl", "validation.jsonl", "README.md", "croissant.json", "rows.jsonl"}
    folder = run / "exports" / "huggingface"
    assert {name: content for name, (_, content) in serving.got.items()} == {
        name: (folder / name).read_bytes() for name in names
    }
    assert serving.datasets["repo"]["type"] == "dataset"
    assert (serving.datasets["repo"].get("visibility"), serving.datasets["repo"].get("private")) in [
        ("private", None),
        (None, True),
    ]
    assert {line["id"] for line in done} == {"c" * 40}
    assert done[0]["url"] == f"{serving.url}/datasets/shop/inquiries"
    assert len(serving.asked("POST", "commit")) == 1
    serving.requests.clear()
    assert publish(plan(run, "hub:shop/inquiries")) == done
    assert serving.requests == []


def test_a_refusal_of_the_hub_is_said_without_the_token(serving, run):
    serving.before = lambda _: serving.script.insert(0, (401, {}, {"error": f"Invalid {KEY}"}))
    with pytest.raises(RunError, match="the Hub did not take it") as raised:
        publish(plan(run, "hub:shop/inquiries"))
    assert KEY not in str(raised.value)
    assert "check the key" in str(raised.value)


def test_a_bucket_of_amazon_gets_every_side(serving, run):
    done = publish(plan(run, "s3://shop/2026/inquiries/"))
    expected = {f"shop/2026/inquiries/{name}": content for name, content in exported(run, "bedrock-nova").items()}
    assert {key: content for key, (_, content) in serving.got.items()} == expected
    assert {line["id"] for line in done} == {"tag-of-it"}
    assert done[0]["url"] == f"{serving.url}/shop/2026/inquiries"


def test_a_bucket_of_google_gets_every_side(serving, google, run):
    done = publish(plan(run, "gs://shop/inquiries"))
    expected = {f"shop/inquiries/{name}": content for name, content in exported(run, "gemini").items()}
    assert {key: content for key, (_, content) in serving.got.items()} == expected
    assert {line["id"] for line in done} == {"17"}


@pytest.mark.parametrize("to", ["s3://shop/a", "gs://shop/a"])
def test_a_refusal_of_a_storage_is_said_without_the_key(serving, google, run, to):
    no = f"<Error><Code>AccessDenied</Code><Message>not with {KEY}</Message></Error>" if to[0] == "s" else "no"
    serving.before = lambda request: serving.script.insert(
        0, None if "token" in request.path else (403, {}, no.encode())
    )
    with pytest.raises(RunError, match="the storage did not take it") as raised:
        publish(plan(run, to))
    assert to[0] == "g" or "not with [hidden]" in str(raised.value)
    assert KEY not in str(raised.value)
    assert ledger.lines(run) == []


def test_a_line_behind_one_that_a_kill_cut_off_is_whole(run):
    ledger.append(run, {"id": "1"})
    with ledger.path(run).open("a") as file:
        file.write('{"id": "cut')
    ledger.append(run, {"id": "2"})
    ledger.append(run, {"id": "3"})
    assert [line["id"] for line in ledger.lines(run)] == ["1", "2", "3"]


# --- what a plan says


def test_a_plan_sends_nothing_and_needs_no_secret(serving, run, monkeypatch):
    for to in (*FORMS, "hub:shop/inquiries", "s3://shop/a", "gs://shop/a"):
        for name in VARIABLES:
            monkeypatch.delenv(name, raising=False)
        made = plan(run, to)
        assert made.missing
        assert [item.file for item in made.items][:2] == ["train.jsonl", "validation.jsonl"]
        with pytest.raises(RunError, match="the environment has no"):
            publish(made)
    assert serving.requests == []
    assert not ledger.path(run).exists()


def test_a_plan_names_what_would_go(serving, run):
    made = plan(run, "fireworks")
    assert made.where.url == f"{serving.url}/fireworks/v1/accounts/shop"
    assert made.target == "fireworks"
    item = made.items[0]
    content = (run / "exports" / "fireworks" / "train.jsonl").read_bytes()
    assert (item.bytes, item.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert (item.rows, item.errors, item.sent) == (content.count(b"\n"), 0, None)
    assert KEY not in repr(made)


def test_another_target_can_go_to_a_place(serving, run):
    assert plan(run, "azure", target="openai").items[0].path == run / "exports" / "openai" / "train.jsonl"
    with pytest.raises(RunError, match="no export for csv"):
        plan(run, "openai", target="csv")
    assert [item.file for item in plan(run, "s3://shop/a", target="csv").items] == ["train.csv", "validation.csv"]


def test_another_address_has_a_ledger_of_its_own(serving, run, monkeypatch):
    publish(plan(run, "openai"))
    monkeypatch.setenv("OPENAI_BASE_URL", f"{serving.url}/elsewhere/v1")
    assert len(plan(run, "openai").waiting) == 2


def test_the_addresses_are_those_of_the_vendors_where_the_environment_says_nothing(run, monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FIREWORKS_ACCOUNT_ID", "shop")
    urls = {to: plan(run, to).where.url for to in (*FORMS, "hub:shop/inquiries", "s3://shop/a/", "gs://shop")}
    assert urls == {
        "openai": "https://api.openai.com/v1",
        "azure": "$AZURE_OPENAI_ENDPOINT/openai",
        "mistral": "https://api.mistral.ai/v1",
        "together": "https://api.together.ai/v1",
        "fireworks": "https://api.fireworks.ai/v1/accounts/shop",
        "hub:shop/inquiries": "https://huggingface.co/datasets/shop/inquiries",
        "s3://shop/a/": "s3://shop/a",
        "gs://shop": "gs://shop",
    }


@pytest.mark.parametrize(
    "to", ["nowhere", "hub:", "hub:inquiries", "hub:a/b/c", "openai:x", "s3:bucket", "s3://", "gs://a?b", ""]
)
def test_a_place_that_there_is_not_is_a_request_that_cannot_be_met(run, to):
    with pytest.raises(RecipeError, match="place") as raised:
        plan(run, to)
    assert raised.value.hint


def test_there_must_be_a_run_and_an_export(tmp_path, run):
    with pytest.raises(RunError, match="not a run folder"):
        plan(tmp_path / "none", "openai")
    shutil.rmtree(run / "exports" / "openai")
    with pytest.raises(RunError, match="there is no export") as raised:
        plan(run, "openai")
    assert "tuneset export" in raised.value.hint


# --- what is refused


def test_a_file_with_errors_is_not_sent(serving, run):
    with (run / "exports" / "openai" / "train.jsonl").open("a") as file:
        file.write('{"messages": []}\n')
    last = len((run / "exports" / "openai" / "train.jsonl").read_bytes().splitlines())
    made = plan(run, "openai")
    assert (made.items[0].errors, made.items[0].says) == (1, f"line {last}: empty-messages")
    with pytest.raises(RunError, match=f"1 errors in the check for openai, the first: line {last}: empty-messages"):
        publish(made)
    assert serving.requests == []


@pytest.mark.parametrize(("to", "name"), [("openai", "validation.jsonl"), ("hub:shop/inquiries", "README.md")])
def test_an_empty_file_is_not_sent(serving, run, to, name):
    (run / "exports" / ("openai" if to == "openai" else "huggingface") / name).write_bytes(b"")
    with pytest.raises(RunError, match="empty"):
        publish(plan(run, to))
    assert serving.requests == []


def test_a_file_that_changed_since_it_was_planned_is_not_sent(serving, run):
    made = plan(run, "openai")
    with (run / "exports" / "openai" / "train.jsonl").open("a") as file:
        file.write("\n")
    with pytest.raises(RunError, match="changed since it was planned"):
        publish(made)
    assert serving.requests == []


@pytest.mark.parametrize("key", ["sk-two\nlines", "sk-ü", "sk-\x00"])
def test_a_key_that_is_none_is_refused_and_not_repeated(serving, run, key, monkeypatch):
    monkeypatch.setattr(os, "environ", os.environ | {"OPENAI_API_KEY": key})
    with pytest.raises(RunError, match="no key is made of") as raised:
        publish(plan(run, "openai"))
    assert "sk-" not in str(raised.value)


@pytest.mark.parametrize(
    "address",
    [
        "http://example.org/v1",
        "ftp://example.org",
        "https://ada:pw@example.org/v1",
        "https://a.org/v1?key=1",
        "https://a.org:x",
        "x",
    ],
)
def test_a_key_goes_to_no_address_that_others_could_read(run, address, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", address)
    with pytest.raises(RunError, match="address") as raised:
        plan(run, "openai")
    assert "pw" not in str(raised.value)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8080", "[::1]:9"])
def test_this_machine_needs_no_https(run, host, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://{host}/v1/")
    assert plan(run, "openai").where.url == f"http://{host}/v1"


def test_an_account_that_is_no_plain_name_is_refused(run, monkeypatch):
    monkeypatch.setenv("FIREWORKS_ACCOUNT_ID", "shop/../other")
    with pytest.raises(RunError, match="no plain name"):
        plan(run, "fireworks")


# --- a server that stumbles, refuses or leads astray


def test_a_server_that_stumbles_is_asked_again_from_the_first_byte(serving, run):
    serving.script = [(429, {"Retry-After": "0"}), (503, {}, b"busy"), "hang up"]
    said = []
    publish(plan(run, "openai"), said.append)
    assert dict(serving.got.values()) == exported(run, "openai")
    assert [event.says.partition(";")[0] for event in said if event.kind == "wait"][:2] == [
        "429 Too Many Requests",
        "503 Service Unavailable",
    ]
    assert len(serving.requests) == 5


def test_a_signed_put_is_tried_again_from_the_first_byte(serving, run):
    serving.script = [None, (500, {}), "hang up"]
    publish(plan(run, "together"))
    assert dict(serving.got.values()) == exported(run, "together")


def test_a_server_that_goes_on_stumbling_ends_in_three_lines_and_the_next_call_goes_on(serving, run):
    serving.script = [None, *[(500, {})] * http.TRIES]
    with pytest.raises(RunError, match="in 6 tries"):
        publish(plan(run, "mistral"))
    assert [line["file"] for line in ledger.lines(run)] == ["train.jsonl"]
    publish(plan(run, "mistral"))
    assert [request.names["file"] for request in serving.requests].count("train.jsonl") == 1


def test_a_server_out_of_reach_ends_in_three_lines(serving, run, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    with pytest.raises(RunError, match="Connect"):
        publish(plan(run, "openai"))


def test_a_redirection_is_not_followed_for_the_key_would_go_along(serving, run):
    serving.script = [(307, {"Location": f"http://localhost:{serving.server_port}/openai/v1/files"})]
    with pytest.raises(RunError, match="307") as raised:
        publish(plan(run, "openai"))
    assert "redirections are not followed" in raised.value.hint
    assert len(serving.requests) == 1


def test_a_signed_address_may_move_and_gets_no_key_there(serving, run):
    moved = f"http://localhost:{serving.server_port}/bucket/file-0?sig={SIGNED}"
    serving.script = [None, (307, {"Location": moved})]
    publish(plan(run, "together"))
    assert dict(serving.got.values()) == exported(run, "together")
    assert serving.requests[2].headers["host"].startswith("localhost")


@pytest.mark.parametrize("target", ["http://example.org/x?sig=1", "file:///etc/passwd", "", "https://"])
def test_a_signed_address_that_others_could_read_is_not_followed(serving, run, target):
    serving.script = [(302, {"Location": target, "X-Together-File-Id": "file-1"})]
    with pytest.raises(RunError, match=r"not https|named no place"):
        publish(plan(run, "together"))
    assert len(serving.requests) == 1


def test_a_service_elsewhere_cannot_lead_files_to_this_machine():
    session = http.Session(None, None, "https://api.together.ai/v1", {}, (), print)
    with pytest.raises(RunError, match="not https"):
        session.put("http://127.0.0.1:9/x", b"rows")


def test_the_key_goes_to_the_service_s_own_address_only():
    session = http.Session(None, None, "https://api.openai.com/v1", {"Authorization": "Bearer x"}, ("x",), print)
    for url in ("https://api.openai.com.evil.org/v1/files", "http://api.openai.com/v1/files"):
        with pytest.raises(RunError, match="another address"):
            session.ask("POST", url)


@pytest.mark.parametrize(
    "answer",
    [b"<html>", b"[]", b"{}", b'{"id": 7}', b'{"id": ""}', b'{"id": null}', b"\xff"],
)
def test_an_answer_without_an_id_is_an_error(serving, run, answer):
    serving.script = [(200, {}, answer)]
    with pytest.raises(RunError, match="without a usable id"):
        publish(plan(run, "openai"))
    assert ledger.lines(run) == []


def test_an_id_that_would_lead_elsewhere_is_not_followed(serving, run):
    serving.script = [(302, {"Location": f"{serving.url}/bucket/x?sig=1", "X-Together-File-Id": "../../admin"})]
    with pytest.raises(RunError, match="usable id"):
        publish(plan(run, "together"))


# --- secrets


@pytest.mark.parametrize("to", [*FORMS, "hub:shop/inquiries", "s3://shop/a"])
def test_no_secret_is_in_a_log_a_message_or_the_run(serving, run, to, caplog, capfd):
    with caplog.at_level(logging.DEBUG):
        for name in ("httpx", "httpcore", "huggingface_hub", "botocore"):
            caplog.set_level(logging.DEBUG, logger=name)
        events = []
        serving.script = [(503, {}, f"busy {KEY}".encode())]
        publish(plan(run, to), events.append)
        serving.before = lambda _: serving.script.insert(
            0, (403, {}, f'{{"error": "{KEY} {serving.url}/?sig={SIGNED}"}}'.encode())
        )
        ledger.path(run).rename(run / "earlier.jsonl")
        with pytest.raises(TunesetError) as raised:
            publish(plan(run, to), events.append)
    told = [caplog.text, *capfd.readouterr(), repr(events), str(raised.value), repr(raised.value)]
    told += [path.read_text(errors="replace") for path in run.rglob("*") if path.is_file()]
    assert [text for text in told if KEY in text or SIGNED in text] == []


def test_a_library_logs_again_when_all_is_sent(serving, run):
    before = logging.root.manager.disable
    publish(plan(run, "openai"))
    assert logging.root.manager.disable == before


def test_azure_takes_a_token_in_place_of_a_key(serving, run, monkeypatch):
    monkeypatch.setenv("AZURE_OPENAI_AD_TOKEN", "a-token")
    monkeypatch.setenv("OPENAI_API_VERSION", "2024-10-21")
    serving.script = [(201, {}, {"id": "file-1"}), (201, {}, {"id": "file-2"})]
    publish(plan(run, "azure"))
    assert {request.headers["authorization"] for request in serving.requests} == {"Bearer a-token"}
    assert all("api-key" not in request.headers for request in serving.requests)
    assert {request.query["api-version"] for request in serving.requests} == {"2024-10-21"}


def test_openai_is_told_the_organisation_and_the_project_and_mistral_is_not(serving, run, monkeypatch):
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-1")
    publish(plan(run, "openai"))
    publish(plan(run, "mistral"))
    told = [(each.headers.get("openai-organization"), each.headers.get("openai-project")) for each in serving.requests]
    assert told == [("org-1", "proj-1")] * 2 + [(None, None)] * 2


def test_two_calls_do_not_send_into_one_ledger_at_once(serving, run):
    from tuneset.folder import Folder, only_one

    with only_one(Folder(run)), pytest.raises(RunError, match="another run is writing here"):
        publish(plan(run, "openai"))


# --- laws


@given(st.text(), st.text(min_size=1), st.text())
def test_a_secret_never_stays_in_a_text(before, secret, after):
    assert secret not in http.hidden(f"{before}{secret}{after}", [secret]) or secret in "[hidden]"


@given(st.text(max_size=80), st.sampled_from(["train", "validation"]), st.binary(max_size=4))
def test_a_dataset_s_name_is_one_that_fireworks_takes(name, side, content):
    item = Item(f"{side}.jsonl", Path(f"{side}.jsonl"), 1, hashlib.sha256(content).hexdigest(), 1, 0, "", None)
    assert re.fullmatch(r"[a-z][a-z0-9-]{0,62}", made := fireworks.dataset_id(name, item))
    assert made.endswith(f"{side}-{item.sha256[:8]}")


def test_a_date_is_a_way_to_say_when_to_come_again():
    soon = formatdate(time.time() + 30, usegmt=True)
    assert 20 < http.asked_for({"Retry-After": soon}, 1) <= 30
    assert http.asked_for({"Retry-After": formatdate(0, usegmt=True)}, 1) == 0
    assert http.asked_for({"Retry-After": "86400"}, 1) == http.PATIENCE
