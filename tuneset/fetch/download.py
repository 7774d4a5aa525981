"""One file over HTTP: streamed to disk, gone on with where it broke off, never more than allowed, never from where it must not be."""

from __future__ import annotations

import ipaddress
import json
import re
import socket
import ssl
import time
import urllib.request
from collections.abc import Callable, Mapping  # noqa: TC003  a NamedTuple's
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from tuneset.errors import RunError, need, way_out
from tuneset.fetch.fetched import Event, bare, shown
from tuneset.fetch.unreachable import why
from tuneset.internet import public
from tuneset.publish.http import AGAIN, PAUSE, asked_for
from tuneset.publish.places import local

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuneset.fetch.fetched import Watch

EXTRA = "storage"
TRIES, HOPS = 6, 5
CONNECT, READ = 15.0, 60.0  # seconds; reading: without a byte
CHUNK = 1 << 20


class Got(NamedTuple):
    """What a server said about a file that is now here."""

    bytes: int
    tag: str  # ETag, or the day of its last change
    kind: str  # Content-Type


class Wanted(NamedTuple):
    """A file to get: what goes along with the request, and what must come."""

    url: str
    headers: Mapping[str, str] = {}  # these go to the first host only
    bytes: int = 0  # 0 where nobody said
    limit: int = 0
    is_whole: Callable[[Path], bool] = Path.exists  # asked before a file takes its name


class Refused(RunError):  # noqa: N818  as RunError's own callers say it
    """The server answered that it will not send it; `status` is HTTP's number."""

    status = 0


class _Broken(Exception):  # noqa: N818  not an error that a user meets
    """The connection ended before the file did, or never began; the server may have said how long to wait."""

    def __init__(self, says: str, wait: float = 0.0) -> None:
        super().__init__(says)
        self.wait = wait


def download(wanted: Wanted, path: Path, watch: Watch) -> Got:
    """Bring one file to `path`; what an earlier call left half done is gone on with where the server can.

    A part is kept beside it under a name of its own, with the tag of its version: a server that has another version now,
    or knows no ranges, sends all of it again. Redirections are followed five times at most, from https to https only;
    one that leads from a public host to a private address is refused. Nothing is unpacked on the way.

    Errors: RunError for a refusal, a file beyond the limit, and where six tries brought nothing more.
    """
    part, note = path.with_name(f".{path.name}.part"), path.with_name(f".{path.name}.json")
    if path.exists() and (kept := _kept(note, wanted.url)).get("done") == path.stat().st_size:
        watch(Event(path.name, "already", kept["done"], kept["done"]))
        return Got(kept["done"], kept["tag"], kept["kind"])
    watch(Event(path.name, "start", _size(part), wanted.bytes))
    tries = 0
    while True:
        before = _size(part)
        try:
            got = _once(wanted, part, note, watch, path.name)
        except _Broken as error:
            tries = tries + 1 if _size(part) <= before else 1
            if tries >= TRIES:
                what = f"the server did not send it, in {TRIES} tries ({error})"
                hint = "run the same command later: it goes on from what is here"
                raise RunError(what, bare(wanted.url), hint) from error
            wait = error.wait or PAUSE * 2 ** (tries - 1)
            watch(Event(path.name, "wait", says=f"{error}; again in {wait:.0f} s"))
            time.sleep(wait)
            continue
        except OSError as error:
            raise RunError(f"this cannot be written: {error.strerror or error}", str(path), way_out(error)) from error
        if not wanted.is_whole(part):
            part.unlink()
            what = "what came is not what was promised: its hash is another one"
            raise RunError(what, shown(wanted.url), "run the same command again")
        part.replace(path)
        _keep(note, wanted.url, got.tag, got.kind, got.bytes)
        watch(Event(path.name, "done", got.bytes, got.bytes))
        return got


def read(wanted: Wanted) -> bytes:
    """Return a small file's bytes; what is larger than the limit is refused."""
    errors = need("urllib3.exceptions", EXTRA)
    headers = dict(wanted.headers) | {"User-Agent": "tuneset", "Accept-Encoding": "identity"}
    try:
        answer = _followed(wanted.url, headers, set(wanted.headers))
        try:
            _refuse(answer, wanted.url)
            data = bytearray()
            for chunk in answer.stream(CHUNK, decode_content=False):
                data += chunk
                _within(len(data), wanted)
            return bytes(data)
        finally:
            answer.close()
    except (_Broken, errors.HTTPError) as error:
        said = str(error) if isinstance(error, _Broken) else why(error)
        raise RunError(f"the server did not send it: {said}", bare(wanted.url), "try again later") from error


def head(url: str) -> Got:
    """Return what a server says of a file, without the file: its size, 0 where that is not said."""
    errors = need("urllib3.exceptions", EXTRA)
    try:
        answer = _followed(url, {"User-Agent": "tuneset", "Accept-Encoding": "identity"}, set())
    except (_Broken, errors.HTTPError) as error:
        said = str(error) if isinstance(error, _Broken) else why(error)
        raise RunError(f"the server did not answer: {said}", bare(url), "try again later") from error
    try:
        _refuse(answer, url)
        return Got(_expected(answer, 0), _tag(answer), _kind(answer))
    finally:
        answer.close()


def _once(wanted: Wanted, part: Path, note: Path, watch: Watch, name: str) -> Got:
    have, kept = _size(part), _kept(note, wanted.url)
    tag = str(kept.get("tag", ""))
    if wanted.bytes and have == wanted.bytes and tag:
        return Got(have, tag, kept["kind"])
    if not have or not tag:
        have = 0
    headers = dict(wanted.headers) | {"Accept-Encoding": "identity", "User-Agent": "tuneset"}
    if have:
        headers |= {"Range": f"bytes={have}-", "If-Range": tag}
    answer = _followed(wanted.url, headers, set(wanted.headers))
    try:
        if answer.status == 416:  # what is here is of another version
            part.unlink(missing_ok=True)
            raise _Broken("the part that is here does not fit")
        _refuse(answer, wanted.url)
        goes_on = answer.status == 206 and have and _begins(answer) == have
        if answer.status == 206 and not goes_on:
            part.unlink(missing_ok=True)
            raise _Broken("the server sent another part than the one asked for")
        have = have if goes_on else 0
        told, kind = _tag(answer), _kind(answer)
        _keep(note, wanted.url, told, kind)
        expected = _expected(answer, have)
        _within(expected or have, wanted)
        with part.open("ab" if have else "wb") as file:
            for chunk in _chunks(answer, have):
                have += len(chunk)
                _within(have, wanted)
                file.write(chunk)
                watch(Event(name, "part", have, expected or wanted.bytes))
        if expected and have < expected:
            raise _Broken(f"the connection ended after {have:,} of {expected:,} bytes")
        if wanted.bytes and have != wanted.bytes:
            part.unlink(missing_ok=True)
            raise RunError(
                f"{have:,} bytes came where {wanted.bytes:,} were promised", shown(wanted.url), "try again later"
            )
        return Got(have, told, kind)
    finally:
        answer.close()


def _chunks(answer: Any, have: int) -> Iterator[bytes]:
    errors = need("urllib3.exceptions", EXTRA)
    try:
        yield from answer.stream(CHUNK, decode_content=False)
    except errors.HTTPError as error:
        raise _Broken(f"the connection broke, after {have:,} bytes or later") from error


def _followed(url: str, headers: dict[str, str], secret: set[str]) -> Any:
    """Ask, and follow redirections; what is secret goes to the first host only."""
    first, found = urlsplit(url)[:2], _resolved(url)
    guarded = all(map(public, found))
    for _ in range(HOPS + 1):
        answer = _ask(url, found, headers)
        if answer.status not in (301, 302, 303, 307, 308) or not answer.headers.get("Location"):
            return answer
        answer.close()
        before, url = url, urljoin(url, answer.headers["Location"])
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or (urlsplit(before).scheme == "https" and parts.scheme != "https"):
            raise RunError("the server leads away from https", bare(before), "give the address of the file itself")
        found = _resolved(url)
        if guarded and not all(map(public, found)):
            what = "the server leads to an address inside a private network"
            raise RunError(what, f"{bare(before)}, to {parts.hostname}", "do not trust it; give the file's own address")
        if parts[:2] != first:
            headers = {name: value for name, value in headers.items() if name not in secret}
    raise RunError(f"the server leads on more than {HOPS} times", bare(url), "give the address of the file itself")


def _resolved(url: str) -> list[str]:
    """Resolve a URL's host, once: what is checked is what is dialled. Behind a proxy only a plain address is known."""
    parts = urlsplit(url)
    if not _proxy(url):
        return addresses(parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))
    try:
        return [str(ipaddress.ip_address(parts.hostname or ""))]
    except ValueError:
        return []


def _proxy(url: str) -> str:
    """Return the proxy that the environment names for a URL; none for this machine's own addresses."""
    parts = urlsplit(url)
    given = urllib.request.getproxies().get(parts.scheme, "")
    return "" if local(parts) or not given or urllib.request.proxy_bypass(parts.hostname or "") else given


def _ask(url: str, found: list[str], headers: Mapping[str, str]) -> Any:
    """Ask at each address of a host in turn, until one answers."""
    package, errors = need("urllib3", EXTRA), need("urllib3.exceptions", EXTRA)
    parts, own = urlsplit(url), dict(headers)
    if parts.username is not None:
        own |= package.make_headers(basic_auth=f"{unquote(parts.username)}:{unquote(parts.password or '')}")
    bare = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    ways: list[tuple[Any, str, dict[str, str]]]
    if proxy := _proxy(url):
        ways = [(_by_proxy(proxy), url, {})]
    else:
        name = parts.netloc.rpartition("@")[2]
        ways = [(_direct(parts, address), bare, {"Host": name}) for address in found]
    reason = "it has no address"
    for pool, path, more in ways:
        try:
            answer = pool.urlopen("GET", path, headers=own | more, redirect=False, retries=False, preload_content=False)
        except errors.SSLError as error:
            raise _unsafe(error, url) from error
        except (errors.HTTPError, OSError) as error:
            reason = why(error)
            continue
        if answer.status in AGAIN:
            answer.close()
            raise _Broken(f"{answer.status} {answer.reason}", asked_for(answer.headers, 0.0))
        return answer
    raise _Broken(f"{parts.hostname} cannot be reached: {reason}")


def _unsafe(error: Exception, url: str) -> RunError:
    """Say why a connection is not safe; there is no way around it but a certificate authority that the user names."""
    said = re.sub(r"\s*\(_ssl\.c:\d+\)|\[SSL[^\]]*\] ?", "", str(error)).strip("() ")
    failed = re.search(r"(?:certificate verify failed: |(?=hostname |IP address ))([^\"]*)", said)
    if failed:
        hint = "check the address and the clock; SSL_CERT_FILE names certificate authorities of your own"
        return RunError(f"its certificate does not hold: {failed[1]}", bare(url), hint)
    hint = "check the address: its port, and whether it is http"
    return RunError(f"it does not speak TLS as it should: {said}", bare(url), hint)


def _direct(parts: SplitResult, address: str) -> Any:
    """Give a connection to an address that was resolved before, whose certificate must be that of the host's name."""
    package, name = need("urllib3", EXTRA), parts.hostname
    timeout = package.Timeout(connect=CONNECT, read=READ)
    if parts.scheme == "http":
        return package.HTTPConnectionPool(address, parts.port or 80, timeout=timeout)
    trust = ssl.create_default_context()
    trust.load_verify_locations(need("certifi", EXTRA).where())  # beside the system's own, which not every system has
    secure = {"ssl_context": trust, "server_hostname": name, "assert_hostname": name}
    return package.HTTPSConnectionPool(address, parts.port or 443, timeout=timeout, **secure)


def _by_proxy(proxy: str) -> Any:
    package, parts = need("urllib3", EXTRA), urlsplit(proxy)
    login = f"{unquote(parts.username)}:{unquote(parts.password or '')}" if parts.username else None
    headers = package.make_headers(proxy_basic_auth=login) if login else None
    return package.ProxyManager(proxy, proxy_headers=headers, timeout=package.Timeout(connect=CONNECT, read=READ))


def addresses(name: str, port: int) -> list[str]:
    """Resolve a host, once."""
    try:
        found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise _Broken(f"{name} has no address: {getattr(error, 'strerror', None) or error}") from error
    return list(dict.fromkeys(str(each[4][0]) for each in found))


def is_public(url: str) -> bool:
    """Say whether every address of a URL's host belongs to the public internet.

    >>> [is_public(f"http://{host}/") for host in ("127.0.0.1", "169.254.169.254", "[::ffff:10.0.0.1]", "8.8.8.8")]
    [False, False, False, True]
    """
    return all(map(public, _resolved(url)))


def _refuse(answer: Any, url: str) -> None:
    if answer.status in (200, 206):
        return
    hints = {
        401: "it asks for a login: give https://USER:${PASSWORD}@HOST/…, or another copy",
        403: "it may be private, or its signed address too old: get a new one",
        404: "check the address: open it in a browser",
        410: "it was taken away",
    }
    what = f"the server refused ({answer.status} {answer.reason})"
    refused = Refused(what, shown(url), hints.get(answer.status, "open it in a browser and see what it says"))
    refused.status = answer.status
    raise refused


def _within(size: int, wanted: Wanted) -> None:
    if wanted.limit and size > wanted.limit:
        hint = "allow more with a higher limit, or take a part of it"
        raise RunError(f"this has more than {wanted.limit:,} bytes", shown(wanted.url), hint)


def _tag(answer: Any) -> str:
    tag = str(answer.headers.get("ETag", ""))
    strong = "" if tag.startswith("W/") else tag  # a weak tag says nothing about bytes
    return strong or str(answer.headers.get("Last-Modified", ""))


def _kind(answer: Any) -> str:
    return str(answer.headers.get("Content-Type", "")).partition(";")[0].strip().lower()


def _begins(answer: Any) -> int:
    found = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
    return int(found[1]) if found else -1


def _expected(answer: Any, have: int) -> int:
    length = answer.headers.get("Content-Length", "")
    return have + int(length) if length.isdigit() else 0


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _keep(note: Path, url: str, tag: str, kind: str, done: int = 0) -> None:
    note.write_text(json.dumps({"url": shown(url), "tag": tag, "kind": kind, "done": done}), encoding="utf-8")


def _kept(note: Path, url: str) -> dict[str, Any]:
    try:
        kept = dict(json.loads(note.read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError):
        return {}
    return kept if kept.get("url") == shown(url) else {}
