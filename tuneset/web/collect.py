"""The app in which people write and label: its addresses, the way in, and what a newcomer is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, RedirectResponse
from starlette.routing import Mount, Route

from tuneset.errors import RecipeError, TunesetError
from tuneset.people import access, cards, leaving, outcome, projects
from tuneset.people.access import NotAllowedError
from tuneset.people.database import MissingError, words
from tuneset.people.projects import Settings
from tuneset.web import api, gold, lead, model, programs, share, work
from tuneset.web import write as writing
from tuneset.web.door import ANYBODY, LEADS, WORKERS, House, Visit, enter, sees, writes
from tuneset.web.pages import page, static
from tuneset.web.safety import MOST_BODY, Safe, posted, same, signed, word
from tuneset.web.typed import number

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.responses import Response

LONGEST_NAME = 100  # characters of how somebody wants to be called
JOINING = "tuneset-joining"  # a form of somebody who has no session yet is signed with the invitation itself


def app(house: House) -> Starlette:
    """Build the app."""

    def shown(path: str, view: Callable[[Visit], Response], *roles: str) -> Route:
        return Route(f"/p/{{project}}{path}", sees(house, view, *roles))

    def written(path: str, view: Callable[[Visit], Response], *roles: str) -> Route:
        return Route(f"/p/{{project}}{path}", writes(house, view, *roles), methods=["POST"])

    routes = [
        Route("/", sees(house, _home, project=False)),
        Route("/owner/{key}", _owner(house)),
        Route("/new", sees(house, _new, project=False)),
        Route("/new", writes(house, _make, project=False), methods=["POST"]),
        Route("/leave", writes(house, _log_out, project=False), methods=["POST"]),
        Route("/join/{token}", _invited(house)),
        Route("/join/{token}", _join(house), methods=["POST"]),
        shown("/consent", _consent, *ANYBODY),
        written("/consent", _agree, *ANYBODY),
        shown("/guide", work.guide, *ANYBODY),
        shown("/work", _after_consent(work.work), *WORKERS),
        written("/work", _after_consent(work.answer), *WORKERS),
        written("/draft", work.draft, *WORKERS),
        shown("/write", _after_consent(writing.write), *WORKERS),
        written("/write", _after_consent(writing.wrote), *WORKERS),
        shown("/twins", writing.twins, *WORKERS),
        shown("/me", work.mine, *ANYBODY),
        written("/withdraw", _withdraw, *ANYBODY),
        shown("/people", lead.people, *LEADS),
        written("/people", lead.invite, *LEADS),
        shown("/quality", lead.quality, *LEADS),
        shown("/disputes", lead.disputes, *LEADS),
        written("/disputes", lead.settle, *LEADS),
        shown("/gold", gold.known, *LEADS),
        written("/gold", gold.add, *LEADS),
        shown("/share", share.share, *LEADS),
        written("/share", share.change, *LEADS),
        shown("/model", model.model, *LEADS),
        written("/model", model.change, *LEADS),
        shown("/data", lead.data, *LEADS),
        written("/data", lead.add, *LEADS),
        Route(
            "/p/{project}/file",
            writes(house, programs.upload, *LEADS, files=1),
            methods=["POST"],
            max_body_size=programs.MOST_FILE,
        ),
        shown("/export", programs.increments, *LEADS),
        written("/export", programs.make, *LEADS),
        shown("/export/{number:int}.jsonl", programs.rows, *LEADS),
        shown("/export/{number:int}.json", programs.manifest, *LEADS),
        shown("/programs", programs.programs, *LEADS),
        written("/programs", programs.change, *LEADS),
        shown("/settings", lead.settings, *LEADS),
        written("/settings", lead.change, *LEADS),
        shown("/examples.jsonl", lead.examples, *LEADS),
        shown("", _project, *ANYBODY),
        Mount("/api/v1", api.app(house)),
        Route("/healthz", _healthy(house)),
        Route("/static/{name}", static),
    ]
    return Starlette(
        routes=routes,
        middleware=[Middleware(Safe, hosts=house.hosts, scheme=house.scheme)],
        exception_handlers={HTTPException: _sorry, TunesetError: _refused},
        max_body_size=MOST_BODY,
    )


# --- the way in


def _owner(house: House) -> Callable[..., Any]:
    async def endpoint(request: Request) -> Response:
        if not same(request.path_params["key"], house.key):
            raise HTTPException(404, "There is no such page.")

        def come() -> Response:
            owner = access.owner(house.db)
            return enter(house, request, owner or access.newcomer(house.db, "owner"), "/" if owner else "/new")

        return await run_in_threadpool(come)

    return endpoint


def _invited(house: House) -> Callable[..., Any]:
    async def endpoint(request: Request) -> Response:
        token = request.path_params["token"]

        def look() -> Response:
            project = _good(house, token)
            words = _words(house, project) | {"cell": access.cell_of(house.db, token)}
            return page("join", title=words["name"], token=signed(token, JOINING), said="", typed="", **words)

        return await run_in_threadpool(look)

    return endpoint


def _join(house: House) -> Callable[..., Any]:
    async def endpoint(request: Request) -> Response:
        token = request.path_params["token"]
        form = await posted(request, token, JOINING)

        def join() -> Response:
            project = _good(house, token)
            words = _words(house, project) | {"cell": access.cell_of(house.db, token)}
            name = word(form, "name", MOST_BODY).strip()
            if wrong := _cannot_join(name, form, words["consent"]):
                told = {"title": words["name"], "token": signed(token, JOINING), "typed": name[:LONGEST_NAME]} | words
                return page("join", 400, **told, said=wrong)
            person = access.join(house.db, token, name, word(form, "locale", 35) or "en")
            if words["consent"]:
                access.give_consent(house.db, person, int(words["consent"]["version"]))
            told = {name: word(form, f"about:{name}") or None for name, _ in words["asks"]}
            access.about(house.db, person, {name: value for name, value in told.items() if value})
            return enter(house, request, person.contributor, f"/p/{project}")

        return await run_in_threadpool(join)

    return endpoint


def _cannot_join(name: str, form: Any, consent: dict[str, Any] | None) -> str:
    """Say what keeps somebody out, as a sentence; empty where nothing does."""
    if not name:
        return "Say how you want to be called."
    if len(name) > LONGEST_NAME:
        return f"This name has {len(name):,} characters; {LONGEST_NAME} are the most. Choose a shorter one."
    if consent and form.get("agree") != str(consent["version"]):
        return "Please read the terms and agree, or do not come in."
    return ""


def _good(house: House, token: str) -> str:
    project = access.look_at(house.db, token)
    if project is None:
        raise HTTPException(404, "This invitation is no good (any more). Ask for a new one.")
    return project


def _words(house: House, project: str) -> dict[str, Any]:
    """Return what a newcomer reads and is asked."""
    with house.db.read() as tx:
        row = projects.get(tx, project)
        consent = projects.published(tx, project, "consent_text")
        guide = projects.published(tx, project, "guideline")
    asks = access.questions(house.db, project)
    return {"name": row.name, "kind": row.kind, "consent": consent, "guide": guide, "asks": asks}


def _after_consent(view: Callable[[Visit], Response]) -> Callable[[Visit], Response]:
    """Ask for consent again before anything is answered, where its text has a new version."""

    def asked(visit: Visit) -> Response:
        wanted = access.consent_wanted(visit.db, visit.person)
        if wanted is None:
            return view(visit)
        typed = word(visit.form, "text", MOST_BODY)
        return _consent(visit, 409, typed) if typed else visit.go(f"/p/{visit.id}/consent")

    return asked


def _consent(visit: Visit, status: int = 200, typed: str = "") -> Response:
    words = _words(visit.house, visit.id)
    wanted = access.consent_wanted(visit.db, visit.person)
    return visit.show("consent", status, consent=words["consent"], wanted=wanted, typed=typed)


def _agree(visit: Visit) -> Response:
    access.give_consent(visit.db, visit.person, number(word(visit.form, "agree"), 0, "the version of the terms"))
    if typed := word(visit.form, "text", MOST_BODY):
        return writing.again(visit, typed, "This is not sent yet.")
    return visit.go(f"/p/{visit.id}")


def _withdraw(visit: Visit) -> Response:
    if word(visit.form, "sure") != "yes":
        return visit.go(f"/p/{visit.id}/me", said="Nothing was withdrawn: the box was not ticked.")
    leaving.withdraw(visit.db, visit.person, by=visit.contributor)
    said = f"You have left {visit.project['name']}."
    return page("sorry", title="tuneset", said=said, hint="What you gave is removed, here and from the next export.")


def _log_out(visit: Visit) -> Response:
    access.log_out(visit.db, visit.session)
    answer = RedirectResponse("/", 303)
    answer.delete_cookie(visit.house.cookie(visit.request))
    return answer


# --- projects


def _home(visit: Visit) -> Response:
    mine = access.projects_of(visit.db, visit.contributor)
    if mine.height == 1 and not visit.query.get("all"):
        return visit.go(f"/p/{mine['project'][0]}", said=visit.query.get("said", ""))
    rows = [_far(visit, row) for row in mine.to_dicts()]
    return visit.show("home", rows=rows)


def _far(visit: Visit, row: dict[str, Any]) -> dict[str, Any]:
    progress = projects.progress(visit.db, row["project"])
    return row | {"progress": progress, "share": progress.percent}


def _project(visit: Visit) -> Response:
    if visit.project["role"] not in LEADS:
        first = {"write": "write"}.get(visit.project["kind"], "work") if visit.project["role"] in WORKERS else "guide"
        return visit.go(f"/p/{visit.id}/{first}", said=visit.query.get("said", ""))
    return visit.show("project", progress=projects.progress(visit.db, visit.id), todo=lead.todo(visit))


def _new(visit: Visit) -> Response:
    _may_make(visit)
    return visit.show("new", typed={})


def _make(visit: Visit) -> Response:
    """Make a project of what the form says; what cannot be is shown again with what was typed."""
    _may_make(visit)
    names = ("name", "kind", "field", "labels", "overlap", "guide", "consent", "wanted", *cards.AXES[1:])
    typed = {name: word(visit.form, name, 200_000) for name in names}
    keys = [line.strip() for line in typed["labels"].splitlines() if line.strip()]
    try:
        labels = work.labels_of(keys)
        settings, wanted = (
            Settings(overlap=number(typed["overlap"], 1, "people for each text")),
            number(typed["wanted"], 100, "examples that are wanted", 1),
        )
        field = _field(typed["field"].strip() or "label")
        axes = {axis: _listed(typed[axis]) for axis in cards.AXES[1:]}
        kind = "write" if typed["kind"] == "write" else "label"
        if kind == "write" and (labels or any(axes.values())):
            several = {"label": [each["key"] for each in labels]} | axes
            cards.plan(
                {axis: values for axis, values in several.items() if values}, wanted
            )  # refused before it is made
        made = projects.create(visit.db, typed["name"].strip() or "Inquiries", kind, settings, by=visit.contributor)
        schema = {"field": field, "labels": labels, "axes": axes, "wanted": wanted}
        projects.publish(visit.db, made, "label_schema", schema, visit.contributor)
    except TunesetError as error:
        return visit.show("new", 400, typed=typed, said=f"{error.what}. {error.hint}")
    for what, name in (("guideline", "guide"), ("consent_text", "consent")):
        if typed[name].strip():
            more = {"licence": "", "retention": ""} if what == "consent_text" else {}
            projects.publish(visit.db, made, what, {"markdown": typed[name]} | more, visit.contributor)  # type: ignore[arg-type]
    if kind == "write":
        return visit.go(f"/p/{made}/people", said="Made. Now invite those who write.")
    return visit.go(f"/p/{made}/data", said="Made. Now give it something to label.")


def _field(name: str) -> str:
    """Take the name of a label column; one that the rows have already would be lost in them."""
    if name in outcome.TAKEN:
        raise RecipeError(f"a row has {name!r} already", "the column that they fill", "call it label, or category")
    return words(name, 100)


def _listed(typed: str) -> list[str]:
    return list(dict.fromkeys(each.strip() for each in typed.split(",") if each.strip()))


def _may_make(visit: Visit) -> None:
    """Let those make projects who own one, and whoever came by the owner's link while there is none."""
    mine = access.projects_of(visit.db, visit.contributor)
    if "owner" not in mine["role"].to_list() and access.owner(visit.db) is not None:
        raise HTTPException(403, "Only an owner makes projects.")


# --- the rest


def _healthy(house: House) -> Callable[..., Any]:
    async def endpoint(_: Request) -> Response:
        def look() -> Response:
            with house.db.read():
                return JSONResponse({"ok": True})

        return await run_in_threadpool(look)

    return endpoint


async def _sorry(_: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 500)
    return page("sorry", status, title="tuneset", said=getattr(error, "detail", ""), hint="")


async def _refused(request: Request, error: Exception) -> Response:
    status = 404 if isinstance(error, MissingError) else 403 if isinstance(error, NotAllowedError) else 409
    what = error if isinstance(error, TunesetError) else TunesetError(str(error), "", "")
    written = getattr(request.state, "written", [])
    back = request.url.path if request.method == "POST" and not request.url.path.endswith("/file") else ""
    return page("sorry", status, title="tuneset", said=what.what, hint=what.hint, written=written, back=back)
