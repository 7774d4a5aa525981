"""The files and batches of the server that the tests ask: as OpenAI's, and as they go wrong."""

import email
import json
import random
import threading
import time
from urllib.parse import parse_qs, urlsplit

ENDPOINT = "/v1/chat/completions"
LINE_FAULTS = {"400", "429", "500"}  # nothing ran, and nothing is charged


def answered(server, method, path, raw, kind):  # noqa: PLR0911  a table of paths
    """Return status and body of what is asked of files and batches."""
    parts, query = urlsplit(path).path.strip("/").split("/"), parse_qs(urlsplit(path).query)
    match [method, *parts]:
        case [_, "files" | "batches", *_] if not server.takes_batches:
            return 404, {"error": {"message": f"no route {path}"}}
        case ["POST", "files"]:
            return uploaded(server, raw, kind)
        case ["GET", "files", name, "content"] if name in server.files:
            return 200, server.files[name]
        case ["POST", "batches"]:
            return begun(server, json.loads(raw))
        case ["GET", "batches", name] if name in server.batches:
            return 200, shown(server, server.batches[name])
        case ["GET", "batches"]:
            return listed(server, query)
    return 404, {"error": {"message": f"no route {path}"}}


def uploaded(server, raw, kind):
    message = email.message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + raw)
    fields = {part.get_param("name", header="content-disposition"): part for part in message.get_payload()}
    if fields["purpose"].get_payload().strip() != "batch":
        return 400, {"error": {"message": "purpose"}}
    content = fields["file"].get_payload(decode=True)
    if content.count(b"\n") > server.largest:
        return 413, {"error": {"message": "The file is too large"}}
    with server.lock:
        name = f"file-{len(server.files)}"
        server.files[name] = content
    return 200, {"id": name, "object": "file", "purpose": "batch", "bytes": len(content), "status": "processed"}


def begun(server, asked):
    with server.lock:
        batch = {
            "id": f"batch_{len(server.batches)}",
            "object": "batch",
            "endpoint": asked["endpoint"],
            "input_file_id": asked["input_file_id"],
            "completion_window": asked["completion_window"],
            "metadata": asked.get("metadata"),
            "status": "validating",
            "created_at": int(time.time()),
            "plan": server.plans.pop(0) if server.plans else {},
        }
        server.batches[batch["id"]] = batch
    timer = threading.Timer(server.batch_seconds, run, [server, batch])
    timer.daemon = True
    timer.start()
    return 200, shown(server, batch)


def shown(server, batch):
    return {name: each for name, each in batch.items() if name not in {"plan", *server.hides}}


def listed(server, query):
    """Newest first, two a page, so that pages are turned."""
    every = [shown(server, each) for each in reversed(server.batches.values())]
    after = query.get("after", [""])[0]
    start = next((place + 1 for place, each in enumerate(every) if each["id"] == after), 0)
    page = every[start : start + 2]
    return 200, {"object": "list", "data": page, "has_more": start + 2 < len(every)}


def run(server, batch):
    asked = [json.loads(line) for line in server.files[batch["input_file_id"]].splitlines()]
    batch["request_counts"] = {"total": len(asked), "completed": 0, "failed": 0}
    errors = batch["plan"].get("errors") or wrong(server, asked)
    if errors:
        batch |= {"errors": {"object": "list", "data": errors}, "status": "failed"}
        return
    batch["status"] = "in_progress"
    draw = random.Random(server.files[batch["input_file_id"]])
    draw.shuffle(asked)
    done = round(len(asked) * batch["plan"].get("done", 1))
    good, bad = [], []
    for each in asked[:done]:
        answer(server, each, fault(draw, server.batch_faults), good, bad)
    if not batch["plan"].get("silent"):
        over = {"code": "batch_expired", "message": "This request could not be executed in time."}
        bad += [json.dumps({"custom_id": each["custom_id"], "response": None, "error": over}) for each in asked[done:]]
    for kind, lines in (("output_file_id", good), ("error_file_id", bad)):
        if lines:
            with server.lock:
                name = f"file-{len(server.files)}"
                server.files[name] = "".join(f"{line}\n" for line in lines).encode()
            batch[kind] = name
    batch["request_counts"] |= {"completed": len(good), "failed": len(bad)}
    batch["status"] = batch["plan"].get("status", "completed")


def wrong(server, asked):
    """Validate a file, as OpenAI does before it begins a batch."""
    keys = [each["custom_id"] for each in asked]
    waiting = [each for each in server.batches.values() if each["status"] in {"validating", "in_progress"}]
    if sum(server.files[each["input_file_id"]].count(b"\n") for each in waiting) > server.queue:
        return [{"code": "token_limit_exceeded", "message": "Enqueued token limit reached", "line": None}]
    if len({*keys}) < len(keys):
        return [{"code": "duplicate_custom_id", "message": "twice", "line": None}]
    return [
        {"code": "invalid_line", "message": "method or url", "line": at}
        for at, each in enumerate(asked, 1)
        if (each["method"], each["url"]) != ("POST", ENDPOINT)
    ]


def fault(draw, shares):
    drawn = draw.random()
    for name, share in shares.items():
        if 0 <= drawn < share:
            return name
        drawn -= share
    return ""


def answer(server, asked, name, good, bad):
    form = asked["body"].get("response_format", {}).get("type")
    if form in server.refuses:
        bad.append(line(asked, 400, {"error": {"message": "'response_format' of this type is not supported"}}))
        return
    if name in LINE_FAULTS:
        bad.append(line(asked, int(name), {"error": {"message": "The server stumbled", "code": None}}))
        return
    said = line(asked, 200, server.model(server, asked["body"], name, 0.5))
    good.append(said[: len(said) // 2] if name == "cut" else said)
    if name == "twice":
        good.append(said)


def line(asked, status, body):
    response = {"status_code": status, "request_id": "req_1", "body": body}
    return json.dumps({"id": "batch_req_1", "custom_id": asked["custom_id"], "response": response, "error": None})
