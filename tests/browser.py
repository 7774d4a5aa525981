"""Chromium, spoken to through its two pipes: pages opened, measured, pointed at and pictured, and what they complain of."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time

import pytest

QUIET = "--headless --hide-scrollbars --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync --disable-dev-shm-usage"
# Chromium reads what it is asked from file 3 and answers on file 4; a new process must be given them by these numbers.
BEGIN = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); os.execvp(sys.argv[3], sys.argv[3:])"
)
PATIENCE = 60  # seconds


class Browser:
    """A running browser with one page."""

    def __init__(self, process, ask, answer):
        self.process, self.ask, self.answer = process, ask, answer
        self.number, self.left, self.session, self.events = 0, b"", None, []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method, **parameters):
        """Ask and wait for the answer; what else is told meanwhile is kept in `events`."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        self._write(json.dumps(message).encode() + b"\0")
        while True:
            said = self._read()
            if said.get("id") == self.number:
                assert "error" not in said, said["error"]
                return said["result"]
            self.events.append(said)

    def _write(self, message):
        while message:
            message = message[os.write(self.ask, message) :]

    def _read(self):
        while b"\0" not in self.left:
            assert select.select([self.answer], [], [], PATIENCE)[0], "the browser says nothing"
            more = os.read(self.answer, 1 << 20)
            assert more, "the browser has gone"
            self.left += more
        said, self.left = self.left.split(b"\0", 1)
        return json.loads(said)

    def open(self, path, *, width=1280, height=900, dark=False, still=False):
        """Open a file as wide as a window of `width`; wait until it is loaded and, unless `still`, painted."""
        self.look_as(dark=dark)
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.events.clear()
        self.call("Page.navigate", url=f"file://{path}")
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self._read())
        if not still:
            self.settle()

    def look_as(self, *, dark=False, media=""):
        """See the page by day or by night, on a screen or (`media="print"`) on paper."""
        colours = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", media=media, features=colours)

    def settle(self):
        """Wait until what was asked for is painted."""
        self.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 30))))")

    def run(self, script):
        """Run a script in the page and return its value; a promise is waited for."""
        found = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def point(self, x, y, *, click=False):
        """Move the mouse to a place of the window, and click there where asked."""
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x - 2, y=y - 2)
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        for kind in ("mousePressed", "mouseReleased") if click else ():
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)
        self.settle()

    def press(self, key):
        """Press a key of the keyboard."""
        codes = {"ArrowRight": 39, "ArrowLeft": 37, "ArrowUp": 38, "ArrowDown": 40, "Enter": 13, "Escape": 27}
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=codes[key])
        self.settle()

    def picture(self, path, **clip):
        """Save what is seen, or all of the page where `whole`, as a PNG file."""
        whole = clip.pop("whole", False)
        if clip:
            clip = {"clip": {"x": 0, "y": 0, "scale": 1} | clip}
        data = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole or bool(clip), **clip)
        path.write_bytes(base64.b64decode(data["data"]))

    def complaints(self):
        """Return what the page wrote to its console, and which rules of its policy it broke."""
        said = [event for event in self.events if event.get("method") in {"Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"}]  # fmt: skip
        return [json.dumps(event["params"])[:300] for event in said]

    def requests(self):
        """Return the addresses that were asked for, the page's own left out."""
        asked = [event["params"]["request"]["url"] for event in self.events if event.get("method") == "Network.requestWillBeSent"]  # fmt: skip
        return [url for url in asked if not url.startswith(("file:", "data:"))]


@contextlib.contextmanager
def browser():
    """Start Chromium, or skip the test where there is none."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not program:
        pytest.skip("no browser: install chromium to see the report through it")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        to, ask = os.pipe()
        answer, back = os.pipe()
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 20) for end in (to, back)]  # away from 3 and 4, which they shall become
        command = [program, *QUIET.split(), f"--user-data-dir={home}", "--remote-debugging-pipe", "about:blank"]
        process = subprocess.Popen(
            [sys.executable, "-c", BEGIN, *map(str, ends), *command], pass_fds=ends, stderr=subprocess.DEVNULL
        )
        for end in (to, back, *ends):
            os.close(end)
        try:
            yield Browser(process, ask, answer)
        finally:
            os.close(ask)
            os.close(answer)
            process.terminate()
            process.wait(30)
            time.sleep(0.1)
