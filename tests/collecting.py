"""`tuneset collect` as a team uses it: a server in a process of its own, an owner, people who were invited."""

import http.client
import os
import re
import signal
import subprocess
import sys
from contextlib import closing
from html import unescape
from urllib.parse import urlencode, urlsplit

LABELS = "orders: where is my parcel?\nreturns: how do I send it back?\naccount\nproduct"
TERMS = "We use your labels to train a model.\n\n- you can leave at any time"
ROWS = "\n".join(f"where is my order {n}? it is late" if n % 3 else f"how do I return the {n} shoes" for n in range(40))


class Collecting:
    """The command, in a process of its own."""

    def __init__(self, database, *more):
        command = [sys.executable, "-m", "tuneset.cli", "collect", str(database), *more]
        wide = os.environ | {"COLUMNS": "300"}
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=wide)
        line = self.process.stdout.readline()
        found = re.search(r"https?://\S+", line)
        assert found, line + self.process.communicate()[0]
        self.link = found[0]
        self.url = self.link.partition("/owner/")[0]
        self.port = int(urlsplit(self.url).port or 0)

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        return self.process.returncode if self.process.poll() is not None else self.process.wait(20)

    def kill(self):
        self.process.kill()
        self.process.communicate()


class Client:
    """A browser without a screen: it keeps its cookie and sends the forms that it was shown."""

    def __init__(self, served, cookie=""):
        self.served, self.cookie = served, cookie

    def ask(self, method, path, form=None, body=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.served.port, timeout=60)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        named |= {"Cookie": self.cookie} if self.cookie else {}
        if form is not None:
            body, named["Content-Type"] = urlencode(form), "application/x-www-form-urlencoded"
        with closing(connection):  # also where the server is killed in the middle of an answer
            connection.request(method, path, body, named)
            with connection.getresponse() as answer:
                came = {name.lower(): value for name, value in answer.getheaders()}
                found = answer.status, came, answer.read().decode()
        if "set-cookie" in found[1]:
            self.cookie = found[1]["set-cookie"].partition(";")[0]
        return found

    def open(self, path):
        """Follow redirects; return the page and its hidden fields."""
        for _ in range(5):
            status, headers, page = self.ask("GET", path)
            if status != 303:
                break
            path = headers["location"].removeprefix(self.served.url)
        assert status == 200, (status, page)
        hidden = re.findall(r'<input type="hidden" name="([\w:]+)" value="([^"]*)">', page)
        return page, {name: unescape(value) for name, value in reversed(hidden) if name != "do"}

    def send(self, path, **form):
        status, headers, page = self.ask("POST", path, form)
        assert status == 303, (status, page)
        return headers["location"]


def owner(served):
    """Come in by the owner's link."""
    client = Client(served)
    assert client.ask("GET", served.link.removeprefix(served.url))[0] == 303
    return client


def project(lead, *, overlap=1, consent="", rows=ROWS, labels=LABELS):
    """Make a project in the browser, and give it something to label; return its id."""
    token = lead.open("/new")[1]["token"]
    told = {"name": "Shop <b>", "labels": labels, "overlap": str(overlap), "consent": consent, "guide": "Be *kind*."}
    place = lead.send("/new", token=token, **told)
    found = re.search(r"/p/([^/?]+)", place)[1]
    lead.send(f"/p/{found}/data", token=token, rows=rows)
    return found


def to_write(lead, wanted=4, labels="orders\nreturns", **more):
    """Make a project in which people write; return its id."""
    token = lead.open("/new")[1]["token"]
    told = {"name": "Examples", "kind": "write", "labels": labels, "wanted": str(wanted), "overlap": "1"} | more
    return re.search(r"/p/([^/?]+)", lead.send("/new", token=token, **told))[1]


def invitation(lead, found, uses=1, role="annotator"):
    """Make an invitation; return its path."""
    token = lead.open(f"/p/{found}/people")[1]["token"]
    status, _, page = lead.ask("POST", f"/p/{found}/people", {"token": token, "role": role, "uses": uses, "days": 14})
    assert status == 200
    return re.search(r"/join/[\w-]+", page)[0]


def joined(served, path, name, **more):
    """Come in with an invitation."""
    client = Client(served)
    form = client.open(path)[1]
    place = client.send(path, token=form["token"], name=name, **more)
    assert "/p/" in place
    return client


def label(client, found, value=None, seconds=None):
    """Label the item that is shown; return its text."""
    page, form = client.open(f"/p/{found}/work")
    text = unescape(re.search(r'<div class="text big" dir="auto">(.*?)</div>', page, re.DOTALL)[1])
    value = value or ("orders" if "order" in text else "returns")
    client.send(f"/p/{found}/work", token=form["token"], lease=form["lease"], field=form["field"], label=value)
    return text
