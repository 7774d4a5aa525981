"""A server that answers as the Hub, Kaggle, storages and plain web servers do, and keeps what it was asked."""

import base64
import hashlib
import json
import re
import threading
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from urllib.parse import parse_qs, unquote, urlsplit

TOKEN = "hf_secret_4711"
KAGGLE_KEY = "kaggle-secret-4712"
SIGNED = "signature-of-a-presigned-address"
LARGE = 2000  # bytes from which on the Hub keeps a file in its large storage
DAY = formatdate(1_700_000_000, usegmt=True)


def nothing(*_):
    pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answering)
        self.requests, self.script, self.hub, self.kaggle, self.objects, self.files = [], [], {}, {}, {}, {}
        self.before, self.between, self.step = nothing, nothing, 1 << 16

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def asked(self, pattern):
        return [each for each in self.requests if re.search(pattern, f"{each.method} {each.path}")]


class Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def _serve(self):
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urlsplit(self.path)  # a proxy is asked with the whole address
        request = SimpleNamespace(
            method=self.command,
            path=unquote(parts.path),
            query={name: each[0] for name, each in parse_qs(parts.query, keep_blank_values=True).items()},
            headers={name.lower(): each for name, each in self.headers.items()},
            json=json.loads(raw) if raw[:1] == b"{" else None,
        )
        self.server.requests.append(request)
        self.server.before(request)
        answer = (self.server.script.pop(0) if self.server.script else None) or self._route(request)
        if answer == "hang up":
            self.close_connection = True
            return
        status, headers, body = (*answer, b"")[:3]
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), "Content-Type": "application/json", **headers}.items():
            if value is not None:
                self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            try:
                for start in range(0, len(body), self.server.step):
                    self.wfile.write(body[start : start + self.server.step])
                    if self.server.between(request, start + self.server.step) == "hang up":
                        self.wfile.flush()
                        self.close_connection = True
                        self.connection.close()
                        return
            except OSError:
                self.close_connection = True

    do_GET = do_HEAD = do_POST = _serve  # noqa: N815  the names that http.server asks for

    def _route(self, request):
        for pattern, speak in ROUTES:
            if found := re.fullmatch(pattern, f"{request.method} {request.path}"):
                return speak(self.server, request, *found.groups())
        return 404, {}, {"error": f"no route for {request.method} {request.path}"}


def ranged(request, content, tag, **headers):
    """Answer as servers do that know ranges: the rest, where the tag still fits."""
    asked = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("range") or request.headers.get("x-ms-range") or "")
    named = {"ETag": tag, "Accept-Ranges": "bytes", "Content-Type": "application/octet-stream", **headers}
    if not asked or request.headers.get("if-range", tag) != tag:
        return 200, named, content
    first, last = int(asked[1]), int(asked[2] or len(content) - 1)
    if first >= len(content):
        return 416, {"Content-Range": f"bytes */{len(content)}"}, b""
    part = content[first : last + 1]
    return 206, named | {"Content-Range": f"bytes {first}-{first + len(part) - 1}/{len(content)}"}, part


# --- the Hub


def repository(server, name, files, *, card="", revisions=(), **about):
    """Put a dataset on the Hub: its files on main, and on more revisions."""
    commit = hashlib.sha1(repr(sorted(files)).encode()).hexdigest()
    whole = ({"README.md": card.encode()} if card else {}) | files
    server.hub[name] = {
        "named": {"main": commit},
        "files": {commit: whole},
        "about": {"gated": False, "private": False} | about,
    }
    for revision, content in dict(revisions).items():
        other = hashlib.sha1(repr((revision, sorted(content))).encode()).hexdigest()
        server.hub[name]["named"][revision] = other
        server.hub[name]["files"][other] = content
    return commit


def found(server, request, name, revision="main"):
    """Find a commit, or say why there is none, as the Hub does."""
    repo = server.hub.get(name)
    allowed = request.headers.get("authorization") == f"Bearer {TOKEN}"
    if repo is None or (repo["about"]["private"] and not allowed):
        return None, (
            401,
            {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"},
            {"error": "none"},
        )
    commit = repo["named"].get(revision, revision)
    if commit not in repo["files"]:
        return None, (404, {"X-Error-Code": "RevisionNotFound", "X-Error-Message": "Invalid rev id"}, {"error": "none"})
    return commit, None


def tell_dataset(server, request, name, revision="main"):
    commit, wrong = found(server, request, name, revision)
    if wrong:
        return wrong
    repo = server.hub[name]
    siblings = [{"rfilename": path} for path in repo["files"][commit]]
    return 200, {}, {"id": name, "sha": commit, "tags": [], "siblings": siblings, "downloads": 5, **repo["about"]}


def list_tree(server, request, name, revision):
    commit, wrong = found(server, request, name, revision)
    if wrong:
        return wrong
    listed = [entry(path, content) for path, content in sorted(server.hub[name]["files"][commit].items())]
    half = len(listed) // 2
    if half and "cursor" not in request.query:  # long lists come in pages
        following = f"{server.url}/api/datasets/{name}/tree/{revision.replace('/', '%2F')}?recursive=true&cursor=x"
        return 200, {"Link": f'<{following}>; rel="next"'}, listed[:half]
    return 200, {}, listed[half:]


def entry(path, content):
    blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    about = {"type": "file", "path": path, "size": len(content), "oid": blob}
    if len(content) > LARGE:
        about["lfs"] = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 100}
    return about


def give_file(server, request, name, revision, path):
    commit, wrong = found(server, request, name, revision)
    if wrong:
        return wrong
    allowed = request.headers.get("authorization") == f"Bearer {TOKEN}"
    if server.hub[name]["about"]["gated"] and not allowed and path != "README.md":
        return 403, {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access to dataset is restricted"}, {"error": "no"}
    content = server.hub[name]["files"][commit][path]
    if len(content) > LARGE:
        server.files["/cdn/" + hashlib.sha256(content).hexdigest()] = content
        away = (
            f"http://localhost:{server.server_port}/cdn/{hashlib.sha256(content).hexdigest()}?X-Amz-Signature={SIGNED}"
        )
        return 302, {"Location": away}, b""
    return ranged(request, content, f'"{hashlib.sha1(content).hexdigest()}"')


def give_large(server, request, path):
    assert "authorization" not in request.headers
    content = server.files[path]
    return ranged(request, content, f'"{path[5:]}"')


def list_datasets(server, request):
    words = request.query.get("search", "").lower()
    rows = [
        {
            "id": name,
            "downloads": repo["about"].get("downloads", 5),
            "tags": [],
            "lastModified": "2026-03-01T00:00:00.000Z",
        }
        | repo["about"]
        for name, repo in server.hub.items()
        if all(word in name.lower() or word in repo["about"].get("description", "").lower() for word in words.split())
    ]
    return 200, {}, rows[: int(request.query.get("limit", 100))]


# --- Kaggle


def login(request):
    basic = base64.b64encode(f"ann:{KAGGLE_KEY}".encode()).decode()
    return request.headers.get("authorization") in (f"Basic {basic}", f"Bearer {KAGGLE_KEY}")


def kaggle_call(server, request, call):
    assert request.headers["user-agent"].startswith("kagglehub/")
    asked = request.json or {}
    if call == "ListDatasets":
        words = asked.get("search", "").lower().split()
        rows = [
            each["about"]
            for each in server.kaggle.values()
            if all(word in str(each["about"]).lower() for word in words)
        ]
        return 200, {}, {"datasets": rows}
    held = server.kaggle.get(f"{asked.get('ownerSlug')}/{asked.get('datasetSlug')}")
    if held is None:
        return 404, {}, {"code": 404, "message": "Not found"}
    if held.get("private") and not login(request):
        return 403, {}, {"code": 403, "message": "Permission denied"}
    if call == "GetDataset":
        return 200, {}, held["about"]
    files = held[asked.get("datasetVersionNumber") or held["about"]["currentVersionNumber"]]
    if call == "ListDatasetFiles":
        names = sorted(files)
        half = len(names) // 2
        chosen, more = (names[half:], "") if asked.get("pageToken") else (names[:half], "more") if half else (names, "")
        rows = [{"name": name, "totalBytes": len(files[name])} for name in chosen]
        return 200, {}, {"datasetFiles": rows, "nextPageToken": more}
    name = asked["fileName"]
    path = f"/gcs/{hashlib.sha256(files[name]).hexdigest()}/{name}"
    server.files[path] = files[name]
    return 302, {"Location": f"{server.url}{path}?X-Goog-Signature={SIGNED}"}, b""


def give_kaggle(server, request, path):
    content = server.files[path]
    digest = base64.b64encode(hashlib.md5(content).digest()).decode()
    return ranged(request, content, '"tag"', **{"X-Goog-Hash": f"md5={digest}"})


# --- storages


def give_object(server, request, bucket, key):
    content = server.objects.get(f"{bucket}/{key}")
    if request.query.get("list-type"):
        return (
            200,
            {"Content-Type": "application/xml"},
            b'<?xml version="1.0"?><ListBucketResult><KeyCount>0</KeyCount></ListBucketResult>',
        )
    if content is None:
        return 404, {"Content-Type": "application/xml"}, b"<Error><Code>NoSuchKey</Code></Error>"
    tag = f'"{hashlib.md5(content).hexdigest()}"'
    return ranged(request, content, tag, **{"Last-Modified": DAY})


def tell_object(server, request, bucket, key):
    content = server.objects.get(f"{bucket}/{key}")
    if content is None:
        return 404, {}, {"error": {"code": 404, "message": "none"}}
    if request.query.get("alt") == "media":
        return ranged(request, content, '"17"')
    told = {"name": key, "bucket": bucket, "size": str(len(content)), "generation": "17", "etag": "e"}
    return (
        200,
        {},
        {"kind": "storage#object", "updated": "2026-11-23T00:00:00Z", "timeCreated": "2026-11-23T00:00:00Z", **told},
    )


def list_objects(server, request, bucket):
    return 200, {}, {"kind": "storage#objects", "items": []}


def give_blob(server, request, container, key):
    content = server.objects.get(f"{container}/{key}")
    if content is None:
        return 404, {"x-ms-error-code": "BlobNotFound"}, b""
    told = {
        "Last-Modified": DAY,
        "x-ms-blob-type": "BlockBlob",
        "x-ms-version": "2025-11-05",
        "x-ms-creation-time": DAY,
    }
    return ranged(request, content, '"0x8D"', **told)


def list_blobs(server, request, container):
    return (
        200,
        {"Content-Type": "application/xml"},
        b'<?xml version="1.0"?><EnumerationResults><Blobs/><NextMarker/></EnumerationResults>',
    )


def give_plain(server, request, path):
    content = server.files.get(path)
    if content is None:
        return 404, {}, b""
    if callable(content):
        return content(request)
    return ranged(request, content, f'"{hashlib.md5(content).hexdigest()}"')


ROUTES = [
    (r"GET /api/datasets", list_datasets),
    (r"GET /api/datasets/([\w.-]+/[\w.-]+)", tell_dataset),
    (r"GET /api/datasets/([\w.-]+/[\w.-]+)/revision/(.+)", tell_dataset),
    (r"GET /api/datasets/([\w.-]+/[\w.-]+)/tree/(refs/convert/parquet|[^/]+)", list_tree),
    (r"(?:GET|HEAD) /datasets/([\w.-]+/[\w.-]+)/resolve/([^/]+)/(.+)", give_file),
    (r"GET (/cdn/\w+)", give_large),
    (r"POST /api/v1/datasets.DatasetApiService/(\w+)", kaggle_call),
    (r"GET (/gcs/.+)", give_kaggle),
    (r"(?:GET|HEAD) /s3/([\w-]+)/?(.*)", give_object),
    (r"GET /(?:storage|download/storage)/v1/b/([\w-]+)/o/(.+)", tell_object),
    (r"GET /storage/v1/b/([\w-]+)/o/?", list_objects),
    (r"(?:GET|HEAD) /azure/([\w-]+)/(.+)", give_blob),
    (r"GET /azure/([\w-]+)", list_blobs),
    (r"(?:GET|HEAD) (/.*)", give_plain),
]


def serving():
    """Serve from a thread of its own until the end of a test."""
    server = Server()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    return server
