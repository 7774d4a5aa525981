"""The API: what programs ask of a project, with a token of their own; no cookie and no form counts here."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tuneset.errors import TunesetError
from tuneset.people import access, exports, incoming, items, online, outcome, projects, work
from tuneset.people.access import NotAllowedError
from tuneset.people.database import MissingError, RefusedError
from tuneset.people.items import Added

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from starlette.requests import Request

    from tuneset.people.database import Database
    from tuneset.people.projects import Person
    from tuneset.web.door import House

MOST_ITEMS = {"owner": 1 << 30, "lead": 200 << 20}  # bytes of one body, by the role of whose token it is
LONGEST_LINE = 1 << 20  # bytes
PART, PART_BYTES = 500, 4 << 20  # lines, and bytes, that are added and kept in memory at a time
MOST_TEXTS = 10_000  # of live traffic in one request
A_MINUTE = 1200  # requests of one token
JSON_LINES = "application/jsonl"


class Asked(NamedTuple):
    """One request whose token is good."""

    db: Database
    person: Person
    request: Request
    body: bytes

    @property
    def project(self) -> str:
        """The project's id."""
        return self.person.project

    def said(self) -> dict[str, Any]:
        """Read the body: a JSON object."""
        try:
            found = orjson.loads(self.body or b"{}")
        except orjson.JSONDecodeError as error:
            raise RefusedError(f"this is no JSON: {error}", "the body", "send a JSON object") from error
        if not isinstance(found, dict):
            raise RefusedError("this is no JSON object", "the body", '{"texts": ["..."]}')
        return found


class Pace:
    """Let each token ask so often a minute; only tokens that are good are counted, so there are few."""

    def __init__(self, most: int = A_MINUTE) -> None:
        self.most = most
        self._counts: dict[tuple[str, int], int] = {}

    def take(self, token: str) -> None:
        """Count one request, or refuse it."""
        minute = int(time.monotonic() // 60)
        now = (token, minute)
        if now not in self._counts:
            self._counts = {key: count for key, count in self._counts.items() if key[1] == minute}
        self._counts[now] = self._counts.get(now, 0) + 1
        if self._counts[now] > self.most:
            raise HTTPException(429, f"More than {self.most:,} requests a minute.", {"Retry-After": "60"})


def app(house: House) -> Starlette:
    """Build the API."""
    pace = Pace()

    def asks(path: str, method: str, scope: str, view: Callable[[Asked], Response]) -> Route:
        async def endpoint(request: Request) -> Response:
            person = await _who(house, pace, request, scope)
            asked = Asked(house.db, person, request, await request.body())
            return await run_in_threadpool(lambda: view(asked))

        return Route(f"/projects/{{project}}{path}", endpoint, methods=[method])

    async def many(request: Request) -> Response:
        return await _take(house, await _who(house, pace, request, "add"), request)

    routes = [
        asks("", "GET", "read", _project),
        asks("/examples", "GET", "read", _examples),
        asks("/increments", "GET", "read", _increments),
        asks("/increments", "POST", "add", _export),
        asks("/increments/{number:int}", "GET", "read", _increment),
        asks("/next", "POST", "label", _next),
        asks("/labels", "POST", "label", _label),
        asks("/live", "POST", "live", _live),
        Route("/projects/{project}/items", many, methods=["POST"], max_body_size=max(MOST_ITEMS.values())),
    ]
    return Starlette(routes=routes, exception_handlers={HTTPException: _sorry, TunesetError: _refused})


async def _who(house: House, pace: Pace, request: Request, scope: str) -> Person:
    """Find out whose token it is; a bad one and a project that it does not open are told apart by nobody."""
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    project = request.path_params["project"]
    if kind.lower() != "bearer" or not token.strip():
        raise HTTPException(401, "This needs an API token.", {"WWW-Authenticate": "Bearer"})
    try:
        person = await run_in_threadpool(access.api_user, house.db, project, token.strip(), scope)
    except MissingError as error:
        raise HTTPException(401, "This API token opens no such project.", {"WWW-Authenticate": "Bearer"}) from error
    pace.take(token)
    return person


# --- what is read


def _project(asked: Asked) -> Response:
    with asked.db.read() as tx:
        row = projects.get(tx, asked.project)
    told = {"project": row.id, "name": row.name, "kind": row.kind, "state": row.state}
    increments = len(exports.made(asked.db, asked.project))
    return JSONResponse(told | projects.progress(asked.db, asked.project)._asdict() | {"increments": increments})


def _examples(asked: Asked) -> Response:
    found: Iterator[bytes] = outcome.parts(outcome.rows(asked.db, asked.project))
    return StreamingResponse(found, media_type=JSON_LINES)


def _increments(asked: Asked) -> Response:
    return JSONResponse({"increments": exports.made(asked.db, asked.project)})


def _increment(asked: Asked) -> Response:
    number = asked.request.path_params["number"]
    return Response(exports.lines(asked.db, asked.project, number), media_type=JSON_LINES)


# --- what is written


def _export(asked: Asked) -> Response:
    exports.export(asked.db, asked.project, by=asked.person.contributor)
    return JSONResponse(exports.made(asked.db, asked.project)[-1], 201)


def _live(asked: Asked) -> Response:
    texts = asked.said().get("texts")
    if not isinstance(texts, list) or not all(isinstance(each, str) for each in texts):
        raise RefusedError("texts is no list of texts", "the body", '{"texts": ["where is my parcel?"]}')
    if len(texts) > MOST_TEXTS:
        raise RefusedError(f"these are more than {MOST_TEXTS:,} texts", "the body", "send them in several requests")
    return JSONResponse({"came": online.live(asked.db, asked.project, texts)})


def _next(asked: Asked) -> Response:
    _after_consent(asked)
    served = work.next_item(asked.db, asked.person)
    if served is None:
        return JSONResponse({"item": None})
    with asked.db.read() as tx:
        schema = projects.published(tx, asked.project, "label_schema") or {}
    example = served.example
    told = {"item": served.item, "token": served.token, "expires_at": served.expires_at, "text": example.get("text")}
    told |= {"messages": orjson.loads(example["messages"])} if example.get("messages") else {}
    told |= {"field": schema.get("field", "label"), "labels": [each["key"] for each in schema.get("labels", [])]}
    return JSONResponse(told | {"suggestion": served.suggestion})


def _label(asked: Asked) -> Response:
    _after_consent(asked)
    said, db, person = asked.said(), asked.db, asked.person
    token = said.get("token")
    if not isinstance(token, str):
        raise RefusedError("there is no token of an item", "the body", "take one with POST next")
    if isinstance(said.get("skip"), str):
        work.skip(db, person, token, said["skip"])
        return JSONResponse({"state": "skipped"})
    if isinstance(said.get("flag"), str):
        work.flag(db, person, token, said["flag"])
        return JSONResponse({"state": "flagged"})
    value = said.get("value")
    if not value or not isinstance(value, (str, list, dict)):
        raise RefusedError("there is no label", "value", '{"token": "...", "value": "orders"}')
    with db.read() as tx:
        field = (projects.published(tx, asked.project, "label_schema") or {}).get("field", "label")
    done = work.submit(db, person, token, value if isinstance(value, dict) else {field: value})
    return JSONResponse(done._asdict(), 200 if done.repeated else 201)


def _after_consent(asked: Asked) -> None:
    if access.consent_wanted(asked.db, asked.person) is not None:
        raise NotAllowedError("the terms have changed", "consent", "read them in the browser, and agree")


async def _take(house: House, person: Person, request: Request) -> Response:
    """Add lines of JSON as they come in, a part at a time; what was added before a line that is wrong stays."""
    most = await run_in_threadpool(_most, house.db, person)
    take = partial(_add, house.db, person)
    added = Added()
    try:
        async for lines, number in _parts(request, most):
            added = _sum(added, await run_in_threadpool(take, lines, number))
    except (TunesetError, HTTPException) as error:
        answer = await (_refused(request, error) if isinstance(error, TunesetError) else _sorry(request, error))
        return JSONResponse(orjson.loads(answer.body) | {"so_far": added._asdict()}, answer.status_code)
    return JSONResponse(added._asdict())


async def _parts(request: Request, most: int) -> AsyncIterator[tuple[list[bytes], int]]:
    """Give a body's lines in parts, each with the number of its first line."""
    lines, rest, size, number = list[bytes](), b"", 0, 1
    async for chunk in request.stream():
        size += len(chunk)
        if size > most:
            raise HTTPException(413, f"This is larger than {most >> 20:,} MiB.")
        *whole, rest = (rest + chunk).split(b"\n")
        lines += whole
        if len(rest) > LONGEST_LINE or any(len(line) > LONGEST_LINE for line in whole):
            raise HTTPException(413, f"A line is longer than {LONGEST_LINE >> 20} MiB.")
        while len(lines) >= PART or sum(map(len, lines)) > PART_BYTES:
            yield lines[:PART], number
            number, lines = number + len(lines[:PART]), lines[PART:]
    yield [*lines, rest], number


def _most(db: Database, person: Person) -> int:
    own = access.projects_of(db, person.contributor).filter(project=person.project)
    return MOST_ITEMS[own["role"][0]] if own.height else 0


def _add(db: Database, person: Person, lines: list[bytes], number: int) -> Added:
    with db.read() as tx:
        projects.of_texts(tx, person.project)
        field = (projects.published(tx, person.project, "label_schema") or {}).get("field", "label")
    found = incoming.examples(lines, f"api:{person.project}", field, number)
    return items.add(db, person.project, found, by=person.contributor)


def _sum(one: Added, other: Added) -> Added:
    return Added(*(a + b for a, b in zip(one, other, strict=True)))


# --- what is refused


async def _sorry(request: Request, error: Exception) -> Response:
    status, headers = getattr(error, "status_code", 500), getattr(error, "headers", None)
    said = {"what": getattr(error, "detail", ""), "where": request.url.path, "hint": "see docs/people.md, Programs"}
    return JSONResponse(said, status, headers)


async def _refused(_: Request, error: Exception) -> Response:
    told = error if isinstance(error, TunesetError) else TunesetError(str(error), "", "")
    kinds = ((MissingError, 404), (NotAllowedError, 403), (RefusedError, 409))
    status = next((number for kind, number in kinds if isinstance(error, kind)), 400)
    return JSONResponse({"what": told.what, "where": told.where, "hint": told.hint}, status)
