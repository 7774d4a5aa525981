"""A server that speaks chat completions, and batches of them, counts what it charges for, and stumbles as it is told to."""

import json
import random
import re
import socket
import struct
import threading
import time
from collections import Counter
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import ask_batches

KEY = "sk-never-on-any-disk-4713"
SCHEMA = {
    "type": "object",
    "properties": {"text": {"type": "string"}},
    "required": ["text"],
    "additionalProperties": False,
}
# Faults that come before a model has run, and cost nothing; the others are charged for.
FREE = {"429", "429-seconds", "429-date", "429-ms", "500", "503", "503-seconds", "409", "reset", "refuse"}


def told(request):
    """Answer with what the last message of the user says."""
    return {"text": f"You said: {said(request)}"}


def said(request):
    return next(each["content"] for each in request["messages"] if each["role"] == "user")


class Server(ThreadingHTTPServer):
    """`faults`: share of requests by fault; `knows`: which forms it keeps to; `rate`: requests a second, in a bucket.

    `plans`: how each batch ends, in turn (`status`, `done`: share of its lines, `errors` of its validation);
    `batch_faults`: share of lines by fault; `stumbles`: faults of other paths, as {"POST /batches": ["500"]}; `largest`:
    lines of a file that is taken; `queue`: lines of all batches that are on their way.
    """

    daemon_threads, request_queue_size = True, 256

    def __init__(self, seed=0, port=0, **about):
        super().__init__(("127.0.0.1", port), Speaking)
        self.random, self.lock = random.Random(seed), threading.Lock()
        self.requests, self.paid, self.prompt, self.completion = [], Counter(), 0, 0
        self.faults, self.script, self.faulted, self.answer, self.key = {}, [], Counter(), told, KEY
        self.knows, self.refuses, self.seconds, self.usage = {"json_schema", "json_object"}, set(), 0.0, True
        self.rate, self.burst, self.names, self.full, self.since = 0, 0, "ms", 0.0, time.monotonic()
        self.files, self.batches, self.flying, self.most = {}, {}, 0, 0
        self.plans, self.stumbles, self.takes_batches, self.batch_seconds = [], {}, True, 0.0
        self.largest, self.queue, self.batch_faults, self.tokens, self.hides = 10**9, 10**9, {}, 0, set()
        self.model = completed
        vars(self).update(about)
        self.full = self.burst

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/v1"

    def cost(self, price_in, price_out):
        return (self.prompt * price_in + self.completion * price_out) / 1e6

    def handle_error(self, request, client_address):  # a client that was killed
        pass

    def fault(self):
        with self.lock:
            if self.script:
                fault = self.script.pop(0)
            else:
                draw = self.random.random()
                fault = ""
                for name, share in self.faults.items():
                    if 0 <= draw < share:
                        fault = name
                    draw -= share
            self.faulted[fault if isinstance(fault, str) else "own"] += 1
            return fault

    def wait(self):
        """Take from the bucket; return the seconds until there would have been something in it, 0 where there was."""
        with self.lock:
            now = time.monotonic()
            self.full, self.since = min(self.burst, self.full + (now - self.since) * self.rate), now
            if self.full >= 1:
                self.full -= 1
                return 0.0
            return (1 - self.full) / self.rate

    def charge(self, request, text, share):
        prompt = len(json.dumps(request["messages"])) // 4 + 8
        completion = min(len(text) // 4 + 1, request.get("max_tokens") or request["max_completion_tokens"])
        with self.lock:
            self.paid[said(request)] += 1
            self.prompt += share * prompt
            self.completion += share * completion
            self.tokens += prompt + completion
        return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def serving(**about):
    server = Server(**about)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    return server


def completed(server, request, fault="", share=1):
    """Run the model; what comes is charged for."""
    form = request.get("response_format", {}).get("type", "")
    words = json.dumps(request["messages"])
    if fault == "prose":
        text = prose(server.answer(request))
    elif form in server.knows or (form != "json_schema" and "JSON Schema" in words):
        text = json.dumps(server.answer(request))
    else:
        text = prose(server.answer(request))
    if fault == "broken":
        text = text[:-3]
    if fault == "wrong":
        text = json.dumps({"txt": 5})
    usage = server.charge(request, text, share)
    message = {"role": "assistant", "content": text}
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": f"{request['model']}-2026",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}],
    }
    return body | ({"usage": usage} if server.usage else {})


def prose(value):
    """Say an answer in words, as a server does that disregards the form."""
    rows = value.get("rows", [value])
    return "\n".join(f"Certainly! {each.get('text', each)}" for each in rows)


class Speaking(BaseHTTPRequestHandler):
    protocol_version, wbufsize, disable_nagle_algorithm = "HTTP/1.1", -1, True

    def log_message(self, *_):
        pass

    def do_POST(self):
        self.taken("POST")

    def do_GET(self):
        self.taken("GET")

    def taken(self, method):
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        server = self.server
        request = SimpleNamespace(
            at=time.monotonic(),
            path=self.path,
            method=method,
            headers={name.lower(): each for name, each in self.headers.items()},
            raw=raw,
        )
        with server.lock:
            server.requests.append(request)
            server.flying += 1
            server.most = max(server.most, server.flying)
        try:
            self._speak(method, raw)
        finally:
            with server.lock:
                server.flying -= 1

    def _speak(self, method, raw):
        server = self.server
        if server.key and self.headers.get("Authorization") != f"Bearer {server.key}":
            wrong = f"Incorrect API key provided: {self.headers.get('Authorization')}"
            self.say(401, {"error": {"message": wrong, "code": "invalid_api_key"}})
        elif not self.path.endswith("/chat/completions"):
            self.other(method, self.path.removeprefix("/v1"), raw)
        elif server.rate and (seconds := server.wait()):
            self.busy(seconds)
        else:
            self.complete(json.loads(raw), server.fault())

    def complete(self, request, fault):
        if not isinstance(fault, str):  # an answer of the test's own: status, body, headers
            self.say(*fault)
            return
        time.sleep(self.server.seconds + 0.3 * (fault == "slow"))
        if fault == "reset":
            self.reset()
        elif fault.startswith("429"):
            self.say(429, {"error": {"message": "Rate limit reached", "code": "rate_limit_exceeded"}}, named(fault))
        elif fault in ("408", "409", "500", "503", "503-seconds"):
            self.say(int(fault[:3]), {"error": {"message": "The server stumbled"}}, named(fault))
        elif request.get("response_format", {}).get("type") in self.server.refuses:
            self.say(400, {"error": {"message": "'response_format' of this type is not supported"}})
        else:
            self.say(200, self.server.model(self.server, request, fault), cut=fault == "cut")

    def other(self, method, path, raw):
        """Do what is asked of files and batches; of what is `made` before a fault, the answer alone is lost."""
        server, name = self.server, f"{method} /{path[1:].partition('/')[0].partition('?')[0]}"
        fault = server.stumbles[name].pop(0) if server.stumbles.get(name) else ""
        if fault in ("", "made"):
            status, body = ask_batches.answered(server, method, path, raw, self.headers.get("Content-Type", ""))
        if fault in ("made", "reset"):
            self.reset()
        elif fault:
            self.say(int(fault), {"error": {"message": "The server stumbled"}}, {"retry-after-ms": "10"})
        else:
            self.say(status, body)

    def reset(self):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def busy(self, seconds):
        named = {"ms": {"retry-after-ms": str(int(seconds * 1000) + 1)}, "s": {"Retry-After": "1"}}
        self.say(429, {"error": {"message": "Rate limit reached"}}, named.get(self.server.names, {}))

    def say(self, status, body, headers=None, *, cut=False):
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        try:
            self.wfile.write(raw[: len(raw) // 2] if cut else raw)
            self.wfile.flush()
        except OSError:  # the client is gone
            cut = True
        if cut:
            self.close_connection = True


def named(fault):
    """Name a pause as the kind of 429 does."""
    return {
        "429-seconds": {"Retry-After": "1"},
        "503-seconds": {"Retry-After": "1"},
        "429-date": {"Retry-After": formatdate(time.time() + 1, usegmt=True)},
        "429-ms": {"retry-after-ms": "50", "Retry-After": "1"},
    }.get(fault, {})


def lines(text):
    return [json.loads(each) for each in text.splitlines()]


def number(text):
    return int(re.search(r"\d+", text)[0])
