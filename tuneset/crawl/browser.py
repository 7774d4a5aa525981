"""Pages whose words come by script: a browser runs them, behind a door of ours that checks every address it wants."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from tuneset.crawl.egress import Call, Egress, Refused
from tuneset.crawl.http import kind_of
from tuneset.crawl.policy import WEB_PORTS
from tuneset.errors import TunesetError, need

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from tuneset.crawl.http import Answer
    from tuneset.crawl.policy import Policy

EXTRA = "browser"
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
RECYCLED = 100  # pages that a browser draws before a new one takes its place: it keeps what it once allocated
IDLE = 15.0  # seconds that a page may go on asking for things
_WANTED = frozenset({"script", "stylesheet", "xhr", "fetch"})
_PAGES = frozenset({"", "text/html", "application/xhtml+xml"})
_TOLD = ("content-type", "content-security-policy")  # what the browser must know of the answer
_FLAGS = (
    "--disable-quic",
    # Chromium 156 without a window heeds the first name only (with the second alone, a page's STUN reached its server),
    # others know the second.
    "--webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # names are looked up by our door alone
    "--dns-prefetch-disable",
    "--no-pings",
    "--js-flags=--max-old-space-size=512",
)
_HEAD = 1 << 16
_PIECE = 1 << 16
_PAGE = 5  # times the limit of a body: what all parts of a page may send together


class Browser:
    """Draw pages in the system's Chromium, one at a time; use it in `with`, and give its `render` to `crawl`.

    Only scripts, style sheets and what scripts ask for are loaded; pictures, fonts, films, frames, downloads and service
    workers are not, and no page leads to another one. Cookies and everything else is forgotten after each page.
    Errors: TunesetError where there is no browser, or no playwright.
    """

    def __init__(self, policy: Policy, egress: Egress | None = None) -> None:
        self._api = need("playwright.sync_api", EXTRA)
        self._policy = policy
        self._share = _PAGE * policy.body
        self.proxy = Proxy(policy, egress or Egress(policy.own))
        self._thread = ThreadPoolExecutor(1, "browser")  # playwright's objects belong to the thread that made them
        self._playwright: Any = None
        self._browser: Any = None
        self._name, self._number, self._drawn = "", 0, 0

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as undo:
            undo.callback(self.__exit__)
            self._thread.submit(self._start).result()
            undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.submit(self._end).result()
        self._thread.shutdown()
        self.proxy.shut()

    def render(self, answer: Answer, may: Callable[[str], bool] = lambda _url: True) -> Answer:
        """Run a page that has been fetched, and return it as it then is; it is not asked for a second time.

        What is no page of HTML comes back as it was. `may` says of each address that its scripts want whether it may be asked for (robots.txt). Errors are those of an
        answer: "timeout" where a script never ends, "too-large", "browser-died".
        """
        is_page = kind_of(answer.headers) in _PAGES
        return self._thread.submit(self._render, answer, may).result() if is_page else answer

    def _start(self) -> None:
        self._playwright = self._playwright or self._api.sync_playwright().start()
        program = next(filter(None, map(shutil.which, PROGRAMS)), None)
        try:
            self._browser = self._playwright.chromium.launch(
                executable_path=program,
                chromium_sandbox=os.name != "posix" or os.geteuid() != 0,  # Chromium has none for root
                args=[*_FLAGS, f"--user-agent={self._policy.agent}"],
                proxy={"server": f"http://127.0.0.1:{self.proxy.port}", "bypass": "<-loopback>"},
                handle_sigint=False,
                timeout=60_000,
            )
        except self._api.Error as error:
            said = str(error).strip().splitlines()[0]
            raise TunesetError(
                f"the browser does not start: {said}", program or "chromium", "install chromium (apt install chromium)"
            ) from error
        self._name = f"chromium {self._browser.version}"
        asked = self._browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
        self._number = next(each["id"] for each in asked if each["type"] == "browser")
        self._drawn = 0

    def _end(self) -> None:
        self._close()
        if self._playwright:
            self._playwright.stop()

    def _close(self) -> None:
        with contextlib.suppress(self._api.Error):  # it may have died
            if self._browser:
                self._browser.close()
        self._browser = None

    def _render(self, answer: Answer, may: Callable[[str], bool]) -> Answer:
        if self._drawn >= RECYCLED or self._browser is None:
            self._close()
            self._start()
        self._drawn += 1
        late = threading.Event()
        bell = threading.Timer(self._policy.total, self._kill, (late,))
        bell.start()
        try:
            body = self._drawn_page(answer, may).encode("utf-8", "replace")
        except self._api.Error:
            self._close()
            return answer._replace(error="timeout" if late.is_set() else "browser-died", body=b"")
        finally:
            bell.cancel()
        answer = answer._replace(drawn=self._name, beside=self._share - max(self.proxy.left, 0))
        if len(body) > self._policy.body:
            return answer._replace(error="too-large", body=b"")
        headers = {name: value for name, value in answer.headers.items() if name != "content-encoding"}
        said = headers | {"content-type": "text/html; charset=utf-8"}
        return answer._replace(body=body, headers=said)

    def _kill(self, late: threading.Event) -> None:
        """End the browser from outside: a script that never ends answers no question."""
        late.set()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._number, getattr(signal, "SIGKILL", signal.SIGTERM))

    def _drawn_page(self, answer: Answer, may: Callable[[str], bool]) -> str:
        self.proxy.turn(self._share)
        context = self._browser.new_context(service_workers="block", accept_downloads=False, permissions=[])
        try:
            context.route("**/*", _Routes(answer, may, self.proxy, self._api.Error).take)
            context.route_web_socket("**/*", lambda line: line.close())
            page = context.new_page()
            page.on("dialog", lambda dialog: dialog.dismiss())
            patience = min(IDLE, self._policy.total / 2)
            until = time.monotonic() + patience
            with contextlib.suppress(self._api.TimeoutError):
                page.goto(answer.url, wait_until="domcontentloaded", timeout=1000 * patience)
                page.wait_for_load_state("networkidle", timeout=1000 * max(until - time.monotonic(), 0.1))
            return str(page.content())
        finally:
            with contextlib.suppress(self._api.Error):
                context.close()


@dataclass
class _Routes:
    """What becomes of each thing that a page asks for."""

    answer: Answer
    may: Callable[[str], bool]
    proxy: Proxy
    gone: type[Exception]  # what playwright raises where the page has gone meanwhile
    given: bool = False

    def take(self, route: Any) -> None:
        """Answer with the page as it was fetched, let through what its scripts need, and refuse everything else."""
        with contextlib.suppress(self.gone):
            request = route.request
            if not request.is_navigation_request():
                self._part(route, request)
            elif self.given:
                route.fulfill(
                    status=204
                )  # frames and windows stay empty, and where a script would lead is a link's matter
            else:
                self.given = True
                said = {name: self.answer.headers[name] for name in _TOLD if name in self.answer.headers}
                route.fulfill(status=200, headers=said | {"referrer-policy": "no-referrer"}, body=self.answer.body)

    def _part(self, route: Any, request: Any) -> None:
        parts = urlsplit(request.url)
        if request.resource_type in _WANTED and parts.scheme in WEB_PORTS and self.may(request.url):
            self.proxy.open.add(f"{parts.hostname}:{parts.port or WEB_PORTS[parts.scheme]}")
            route.continue_()
        else:
            route.abort()


class _Target(NamedTuple):
    """Where a request to the proxy leads, and what is said there first."""

    host: str
    port: int
    opening: bytes
    tunnel: bool


class Proxy:
    """The browser's only way out: through the egress, to places that the page it draws was allowed to ask, and to no other.

    So nothing leaves that the browser wants for itself (updates, accounts), and nothing that a page begins unasked.
    """

    def __init__(self, policy: Policy, egress: Egress) -> None:
        self._policy, self._egress = policy, egress
        self.left = 0  # bytes that may still come
        self.open: set[str] = set()  # "host:port"
        self.refused: list[str] = []  # "host:port reason"
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._listen, name="proxy", daemon=True).start()

    def turn(self, most: int) -> None:
        """Begin with a page: nothing is open for it yet, and it may bring so many bytes."""
        self.open.clear()
        self.left = most

    def shut(self) -> None:
        """Take no more connections."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                line, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(line,), name="proxied", daemon=True).start()

    def _serve(self, line: socket.socket) -> None:
        call = Call(time.monotonic() + self._policy.total)
        with contextlib.suppress(OSError, ValueError), line:
            line.settimeout(self._policy.read)
            target = None
            try:
                target = _asked(line)
                self._check(target)
                far = self._egress.dial(target.host, target.port, self._policy.connect, call)
            except Refused as refused:
                self.refused.append(f"{target.host}:{target.port} {refused.reason}" if target else refused.reason)
                line.sendall(b"HTTP/1.1 403 Refused\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                return
            with far:
                if target.tunnel:
                    line.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
                far.sendall(target.opening)
                self._carry(line, far, both=target.tunnel)
        call.over()

    def _check(self, target: _Target) -> None:
        place = f"{target.host}:{target.port}"
        if place not in self.open:
            raise Refused("not-asked")
        if target.port not in self._policy.ports and place not in self._policy.own:
            raise Refused("refused-port")

    def _carry(self, near: socket.socket, far: socket.socket, *, both: bool) -> None:
        """Pass on what comes, until one side ends, both are silent, or the page has had its share."""
        ends = {far: near, near: far} if both else {far: near}
        while ready := select.select(ends, [], [], self._policy.total)[0]:
            for each in ready:
                piece = each.recv(_PIECE)
                self.left -= len(piece)
                if not piece or self.left < 0:
                    return
                ends[each].sendall(piece)


def _asked(line: socket.socket) -> _Target:
    """Read a request: a tunnel to a place, or one page of the plain web, after which the connection ends."""
    head = b""
    while b"\r\n\r\n" not in head:
        piece = line.recv(_PIECE)
        if not piece or len(head) > _HEAD:
            raise Refused("bad-request")
        head += piece
    head, _, rest = head.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    method, _, where = first.decode("latin-1").rpartition(" ")[0].partition(" ")
    if method == "CONNECT":
        host, _, port = where.rpartition(":")
        return _Target(host.strip("[]").lower(), int(port), rest, tunnel=True)
    parts = urlsplit(where)
    if parts.scheme != "http" or not parts.hostname:
        raise Refused("bad-request")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    kept = [each for each in lines if not each.lower().startswith((b"proxy-", b"connection:"))]
    opening = b"\r\n".join([f"{method} {path} HTTP/1.1".encode("latin-1"), *kept, b"Connection: close", b"", b""])
    body = _body(line, rest, kept)
    return _Target(parts.hostname, parts.port or WEB_PORTS["http"], opening + body, tunnel=False)


def _body(line: socket.socket, begun: bytes, lines: list[bytes]) -> bytes:
    said = next((each.partition(b":")[2] for each in lines if each.lower().startswith(b"content-length:")), b"0")
    size = int(said)
    if size > _HEAD:
        raise Refused("bad-request")  # a page that is read has little to send
    while len(begun) < size and (piece := line.recv(_PIECE)):
        begun += piece
    return begun[:size]
