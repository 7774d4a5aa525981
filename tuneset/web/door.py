"""Who is asking: each page knows the person, their project and their role before it does anything."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from tuneset.errors import TunesetError
from tuneset.people import access
from tuneset.people.projects import Person
from tuneset.web.pages import page
from tuneset.web.safety import posted, signed

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from tuneset.people.database import Database

# what people write at length, by the name of its field; shorter than SHORT it is a click, or soon typed again
WRITTEN, SHORT = ("rows", "text", "markdown", "labels", "label", "note", "rationale", "shares", "sample"), 40
ANYBODY: tuple[str, ...] = ()
LEADS = ("owner", "lead")
WORKERS = ("owner", "lead", "annotator", "writer")


@dataclass(frozen=True)
class House:
    """What an app is built with: its database, and how browsers come to it."""

    db: Database
    key: str  # of the owner's link
    hosts: frozenset[str]
    scheme: str = "http"
    own: frozenset[str] = frozenset()  # places of the user's own, "host:port", that webhooks may reach

    def cookie(self, request: Request) -> str:
        """Name the cookie of a session; browsers keep one jar for all ports of a machine."""
        return f"tuneset-people-{request.url.port or 443}"


@dataclass(frozen=True)
class Visit:
    """One request: who asks, in which project and as what; `form` where it writes."""

    house: House
    request: Request
    contributor: str
    session: str
    project: dict[str, Any] = field(default_factory=dict)  # project, name, kind, state, role
    form: FormData = field(default_factory=FormData)

    @property
    def db(self) -> Database:
        """The database."""
        return self.house.db

    @property
    def id(self) -> str:
        """The project's id."""
        return str(self.project["project"])

    @property
    def person(self) -> Person:
        """The person in the project."""
        return Person(self.id, self.contributor)

    @property
    def address(self) -> str:
        """Where others reach this server: the proxy's address where there is one."""
        return f"{self.house.scheme}://{self.request.url.netloc}"

    @property
    def query(self) -> Any:
        """The words behind the question mark."""
        return self.request.query_params

    def show(self, name: str, status: int = 200, /, **given: Any) -> Response:
        """Write a page with what all pages of a project need."""
        known = {
            "title": self.project.get("name", "tuneset"),
            "project": self.project,
            "leads": self.project.get("role") in LEADS,
            "token": signed(self.session, "form"),
            "said": self.query.get("said", ""),
        }
        return page(name, status, **(known | given))

    def go(self, path: str, **words: str) -> Response:
        """Send the browser on, so that a page that is opened again writes nothing again."""
        told = urlencode({name: each for name, each in words.items() if each})
        return RedirectResponse(f"{path}?{told}" if told else path, 303)


def sees(house: House, view: Callable[[Visit], Response], *roles: str, project: bool = True) -> Callable[..., Any]:
    """Let a page be seen by members of its project who have one of the roles (none named: any)."""

    async def endpoint(request: Request) -> Response:
        return await run_in_threadpool(lambda: view(_visit(house, request, roles, project=project)))

    return endpoint


def writes(
    house: House, view: Callable[[Visit], Response], *roles: str, project: bool = True, files: int = 0
) -> Callable[..., Any]:
    """Do the same for a form: it must be one of ours, made for this session.

    A form with files is read after its sender is known: a stranger's would fill the disk.
    """

    async def endpoint(request: Request) -> Response:
        session = request.cookies.get(house.cookie(request), "")
        if files:
            await run_in_threadpool(lambda: _visit(house, request, roles, project=project))
        form = await posted(request, session, files=files) if session else FormData()
        try:
            return await run_in_threadpool(lambda: view(_visit(house, request, roles, form, project=project)))
        except TunesetError:
            request.state.written = _written(form)  # the page that says what is wrong gives it back
            raise
        finally:
            await form.close()

    return endpoint


def _written(form: FormData) -> list[str]:
    """Return what somebody wrote into a form at some length; a browser may have forgotten it when they go back."""
    said = (str(value) for name, value in form.multi_items() if name in WRITTEN and isinstance(value, str))
    return [each for each in said if "\n" in each or len(each) > SHORT]


def _visit(
    house: House, request: Request, roles: tuple[str, ...], form: FormData | None = None, *, project: bool
) -> Visit:
    session = request.cookies.get(house.cookie(request), "")
    contributor = access.who(house.db, session) if session else None
    if contributor is None:
        raise HTTPException(401, "Open the link of your invitation to come in.")
    visit = Visit(house, request, contributor, session, form=form or FormData())
    if not project:
        return visit
    here = access.projects_of(house.db, contributor).filter(project=request.path_params["project"])
    if here.is_empty():
        raise HTTPException(404, "There is no such project here.")
    found = here.row(0, named=True)
    if roles and found["role"] not in roles:
        raise HTTPException(403, f"This page is not for {found['role']}s.")
    return Visit(house, request, contributor, session, found, visit.form)


def enter(house: House, request: Request, contributor: str, path: str) -> Response:
    """Begin a session of a person: a new one each time, so that none can be given to them beforehand."""
    answer = RedirectResponse(path, 303)
    token = access.log_in(house.db, contributor, browser=request.headers.get("user-agent", ""))
    secure = house.scheme == "https"
    answer.set_cookie(house.cookie(request), token, httponly=True, samesite="lax", secure=secure, path="/")
    return answer
