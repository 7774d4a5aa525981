"""The pages on which a person answers what a run asks; they write decisions and nothing else."""

from __future__ import annotations

import secrets
import statistics
import threading
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

import orjson
import polars as pl
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from tuneset import model, recipe
from tuneset.errors import RecipeError, TunesetError
from tuneset.review import queue as queues
from tuneset.review.decisions import FILE, append, decide
from tuneset.review.queue import Filters
from tuneset.web.pages import page, static
from tuneset.web.safety import MOST_BODY, Safe, posted, same, signed, word

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.datastructures import FormData
    from starlette.requests import Request

    from tuneset.dataset import Dataset
    from tuneset.review.queue import Queue

PACE, PAUSE = 20, 300.0  # answers that the pace is taken from; seconds after which somebody was away
LISTED = 100  # rows of a page that lists findings
DONE = {
    "accept": "Accepted",
    "reject": "Rejected",
    "edit": "Edited",
    "drop": "Dropped",
    "skip": "Skipped",
    "undo": "Taken back",
}


class Act(NamedTuple):
    """One answer of a person, to one finding or to many that are alike."""

    verdict: str
    findings: list[str]
    before: list[dict[str, Any] | None]  # the answers that it took the place of


class Review:
    """A run that is being reviewed: what it asks now, and what was done since the server started."""

    def __init__(self, dataset: Dataset, by: str | None = None) -> None:
        self.dataset, self.by = dataset, by
        self.lock = threading.Lock()
        self.skipped: list[str] = []
        self.acts: list[Act] = []
        self.times: list[float] = []
        self.sentences = {each["rule"]: each["title"] for each in (*recipe.explain(), *recipe.check_pages())}
        self._mark: tuple[Any, ...] = ()
        self._queue: Queue | None = None
        _ = self.queue

    @property
    def queue(self) -> Queue:
        """What the run asks now: read again where it was prepared again, or others have answered."""
        folder = self.dataset.folder
        if not folder.manifest.exists():
            raise HTTPException(503, "This run is being prepared. Your answers are safe; go on when it is done.")
        answers = self.dataset.path / FILE
        mark = (folder.manifest.stat().st_mtime_ns, answers.stat().st_size if answers.exists() else 0)
        if self._queue is None or mark[0] != self._mark[0]:
            self._queue = queues.read(self.dataset)
        elif mark != self._mark:
            self._queue = queues.answered(self._queue, folder.decisions())
        self._mark = mark
        return self._queue

    def finding(self, finding: str) -> dict[str, Any]:
        """Return one finding."""
        found = self.queue.findings.filter(pl.col("id") == finding)
        if found.is_empty():
            raise HTTPException(404, "This run has no such finding.")
        return found.row(0, named=True) | {"saw": model.seen(found)[0]}

    def answer(self, findings: pl.DataFrame, verdict: Any, after: str | None = None) -> None:
        """Write an answer to findings that are alike, and remember what was there."""
        last = {row["finding"]: row for row in self.dataset.folder.decisions().iter_rows(named=True)}
        why = f"one of {findings.height:,} alike" if findings.height > 1 else None
        decide(self.dataset.path, findings, verdict, after=after, by=self.by, why=why)
        ids = findings["id"].to_list()
        self.acts.append(Act(verdict, ids, [last.get(each) for each in ids]))
        self.skipped = [each for each in self.skipped if each not in ids]
        self.times.append(time.monotonic())

    def skip(self, finding: str) -> None:
        """Put a finding behind all others."""
        self.skipped = [each for each in self.skipped if each != finding] + [finding]
        self.acts.append(Act("skip", [finding], [None]))

    def undo(self) -> str:
        """Take back the last act; return the finding to show again, or nothing."""
        if not self.acts:
            return ""
        act = self.acts.pop()
        if act.verdict == "skip":
            self.skipped = [each for each in self.skipped if each not in act.findings]
            return act.findings[0]
        found = pl.DataFrame({"id": act.findings}).join(
            self.queue.findings, on="id", how="inner", maintain_order="left"
        )
        if found.is_empty():
            return ""  # the run was prepared again, and says none of it any more
        decide(self.dataset.path, found, "undo", by=self.by)
        append(self.dataset.path / FILE, [row for row in act.before if row and row["verdict"] != "undo"])
        return str(found["id"][0])

    def minutes(self, left: int) -> int | None:
        """Say how long what is left takes at the pace of the last answers; None before there is one."""
        gaps = [gap for gap in map(float.__sub__, self.times[1:], self.times) if gap < PAUSE][-PACE:]
        return max(round(left * statistics.median(gaps) / 60), 1) if len(gaps) >= 3 and left else None


def app(review: Review, key: str, hosts: frozenset[str]) -> Starlette:
    """Build the app: it answers whoever has been given the link with the key, and nobody else."""
    sees = partial(_seen, review, key)
    writes = partial(_written, review, key)
    routes = [
        Route("/", sees(_overview)),
        Route("/next", sees(_next)),
        Route("/answered", sees(_answered)),
        Route("/finding/{id}", sees(_finding)),
        Route("/finding/{id}/alike", sees(_alike)),
        Route("/finding/{id}", writes(_decide), methods=["POST"]),
        Route("/finding/{id}/alike", writes(_decide_alike), methods=["POST"]),
        Route("/undo", writes(_undo), methods=["POST"]),
        Route("/static/{name}", static),
    ]
    return Starlette(
        routes=routes,
        middleware=[Middleware(Safe, hosts=hosts)],
        exception_handlers={HTTPException: _sorry, TunesetError: _refused},
        max_body_size=MOST_BODY,
    )


def new_key() -> str:
    """Make the key of a link."""
    return secrets.token_urlsafe(24)


# --- who may see and write


def _cookie(request: Request) -> str:
    return f"tuneset-{request.url.port or 80}"  # browsers keep one jar for all ports of a machine


def _enter(request: Request, key: str) -> Response | None:
    """Let in who has the cookie; give it to who comes with the key, and take the key out of the address."""
    if same(request.cookies.get(_cookie(request), ""), signed(key, "cookie")):
        return None
    if not same(request.query_params.get("key", ""), key):
        raise HTTPException(401, "Open the link that the terminal shows: it carries the key to this page.")
    answer = RedirectResponse(request.url.path, 303)
    answer.set_cookie(_cookie(request), signed(key, "cookie"), httponly=True, samesite="lax", path="/")
    return answer


def _seen(review: Review, key: str, view: Callable[..., Response]) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Response:
        def look() -> Response:
            with review.lock:
                return view(request, review, token=signed(key, "form"))

        entered = _enter(request, key)
        return entered if entered is not None else await run_in_threadpool(look)

    return endpoint


def _written(review: Review, key: str, view: Callable[..., Response]) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Response:
        entered = _enter(request, key)
        form = await posted(request, key)

        def write() -> Response:
            with review.lock:
                return view(request, review, form)

        return entered if entered is not None else await run_in_threadpool(write)

    return endpoint


# --- pages


def _overview(request: Request, review: Review, token: str) -> Response:
    found = review.queue.findings
    piles = (
        found.filter((pl.col("state") == "waiting") | pl.col("verdict").is_not_null())
        .group_by("rule", maintain_order=True)
        .agg(
            waiting=(pl.col("state") == "waiting").sum(),
            answered=(pl.col("verdict").is_not_null() & (pl.col("verdict") != "undo") & ~pl.col("stale")).sum(),
        )
        .with_columns(does=pl.col("rule").replace_strict(review.sentences, default="", return_dtype=pl.String))
    )
    return _page(review, request, "review", token, piles=piles.to_dicts())


def _next(request: Request, review: Review, token: str) -> Response:
    waiting = queues.waiting(review.queue, _filters(request.query_params), review.skipped)
    if waiting.is_empty():
        return _page(review, request, "done", token)
    return _show(request, review, token, waiting["id"][0])


def _finding(request: Request, review: Review, token: str) -> Response:
    return _show(request, review, token, request.path_params["id"])


def _show(request: Request, review: Review, token: str, finding: str, status: int = 200, **more: Any) -> Response:
    found = review.finding(finding)
    beside, filters = queues.twins(review.queue, found), _filters(request.query_params)
    alike = {
        verdict: queues.alike(review.queue, found, verdict, filters).height
        for verdict in ("accept", "reject")
        if found["state"] == "waiting"
    }
    given = {
        "it": found,
        "twins": beside,
        "choices": [(hotkey(place), each) for place, each in enumerate(queues.choices(found, beside))],
        "columns": _columns(review, found),
        "alike": alike,
        "why": review.sentences.get(found["rule"], ""),
        "said": "",
        "typed": None,
    }
    return _page(review, request, "finding", token, status, **(given | more))


def _alike(request: Request, review: Review, token: str) -> Response:
    verdict = word(request.query_params, "verdict")
    if verdict not in ("accept", "reject"):
        raise HTTPException(404, "There is no such page.")
    found = review.finding(request.path_params["id"])
    rows = queues.alike(review.queue, found, verdict, _filters(request.query_params))
    listed = rows.head(LISTED).to_dicts()
    return _page(
        review, request, "alike", token, it=found, rows=listed, count=rows.height, verdict=verdict, shows=_sight(rows)
    )


def _answered(request: Request, review: Review, token: str) -> Response:
    order = {row: place for place, row in enumerate(review.dataset.folder.decisions()["finding"])}
    found = review.queue.findings.filter(pl.col("verdict").is_not_null() & (pl.col("verdict") != "undo"))
    last = pl.col("id").replace_strict(order, default=-1, return_dtype=pl.Int64)
    rows = found.sort(last, descending=True).head(LISTED).to_dicts()
    return _page(review, request, "answered", token, rows=rows, count=found.height)


# --- answers


def _decide(request: Request, review: Review, form: FormData) -> Response:
    found, verdict = review.finding(request.path_params["id"]), word(form, "verdict")
    onward = RedirectResponse(_address("/next", _filters(form)), 303)
    if verdict == "skip":
        review.skip(found["id"])
        return onward
    if word(form, "saw") != found["saw"]:
        return _again(request, review, form, "This has changed since you opened it. Look again.")
    after = edited(form, found, _columns(review, found)) if verdict == "edit" else None
    if _is_said(review, found, verdict, after):
        return onward  # a form that was sent twice
    rows = review.queue.findings.filter(pl.col("id") == found["id"])
    try:
        review.answer(rows, verdict, after)
    except RecipeError as error:
        return _again(request, review, form, f"{error.what}: {error.hint}", 400)
    return onward


def _decide_alike(request: Request, review: Review, form: FormData) -> Response:
    found, verdict = review.finding(request.path_params["id"]), word(form, "verdict")
    filters = _filters(form)
    rows = queues.alike(review.queue, found, verdict, filters)
    if verdict not in ("accept", "reject") or word(form, "shows") != _sight(rows):
        path = f"/finding/{found['id']}/alike"
        return RedirectResponse(_address(path, filters, verdict=verdict), 303)  # others have come or gone: look again
    review.answer(rows, verdict)
    return RedirectResponse(_address("/next", filters), 303)


def _undo(_: Request, review: Review, form: FormData) -> Response:
    back = review.undo()
    return RedirectResponse(_address(f"/finding/{back}" if back else "/", _filters(form)), 303)


def _again(request: Request, review: Review, form: FormData, said: str, status: int = 409) -> Response:
    typed = word(form, "text", MOST_BODY) or None
    more = {"said": said} | ({"typed": typed} if typed else {})
    return _show(request, review, word(form, "token"), request.path_params["id"], status, **more)


def edited(form: FormData, found: dict[str, Any], columns: list[dict[str, Any]]) -> str:
    """Read an edit out of a form: a text, a whole label that was chosen, or a value for each label column."""
    if found["field"] != "/labels":
        return _as_written(word(form, "text", MOST_BODY), found)
    if chosen := word(form, "chosen", MOST_BODY):
        return chosen
    values: dict[str, Any] = {}
    for column in columns:
        known = {str(each): each for each in column["values"]}  # a form gives words; true and 3 stay what they are
        told = [known.get(str(each), str(each)) for each in form.getlist(f"label:{column['name']}") if each]
        values[column["name"]] = told if column["several"] else told[0] if told else None
    return orjson.dumps(values).decode()


def _as_written(text: str, found: dict[str, Any]) -> str:
    """Take a text from a form, which has all line ends as carriage return and line feed."""
    plain = text.replace("\r\n", "\n")
    if found["field"] == "/messages":
        return plain
    before = found["after"] or found["before"] or found["text"] or ""
    return before if plain == before.replace("\r\n", "\n").replace("\r", "\n") else plain


def _is_said(review: Review, found: dict[str, Any], verdict: str, after: str | None) -> bool:
    if found["verdict"] != verdict or found["stale"]:
        return False
    last = review.dataset.folder.decisions().filter(pl.col("finding") == found["id"]).row(-1, named=True)
    return bool(last["after"] == after)


# --- words


def _page(review: Review, request: Request, name: str, token: str, status: int = 200, **given: Any) -> Response:
    filters = _filters(request.query_params)
    found = queues.fitting(review.queue, filters)
    left = found.filter(pl.col("state") == "waiting").height
    answered = found.filter(pl.col("verdict").is_not_null() & (pl.col("state") != "waiting")).height
    last = review.acts[-1] if review.acts else None
    shown = {
        "title": review.dataset.path.name,
        "run": str(review.dataset.path),
        "token": token,
        "filters": filters,
        "query": urlencode({name: each for name, each in filters._asdict().items() if each}),
        "left": left,
        "everything": left + answered,
        "minutes": review.minutes(left),
        "last": f"{DONE[last.verdict]}{f' {len(last.findings):,}' if len(last.findings) > 1 else ''}" if last else "",
        "choose": _choose(review.queue),
    }
    return page(name, status, **(shown | given))


def _choose(queue: Queue) -> dict[str, list[str]]:
    """Return what can be chosen to look at: the rules, labels and sources of what waits."""
    waiting = queue.findings.filter(pl.col("state") == "waiting")
    return {name: waiting[name].drop_nulls().unique(maintain_order=True).to_list() for name in Filters._fields}


def _columns(review: Review, found: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the label columns of an example, with what each may be: the values that the set has."""
    if found["field"] != "/labels" or not found["labels"]:
        return []
    own = orjson.loads(found["after"] or found["labels"])
    every = [orjson.loads(each) for each in review.queue.examples["labels"].drop_nulls().unique().to_list()]
    made = []
    for name, value in own.items():
        seen = [labels.get(name) for labels in every]
        flat = {
            str(one): one for each in seen for one in (each if isinstance(each, list) else [each]) if one is not None
        }
        several, values = isinstance(value, list), [flat[each] for each in sorted(flat)]
        made.append({"name": name, "several": several, "own": value if several else [value], "values": values})
    return made


def hotkey(place: int) -> str:
    """Return the digit that chooses what stands at a place."""
    return str(place + 1) if place < 9 else ""


def _sight(rows: pl.DataFrame) -> str:
    """Hash what a person sees of findings that are answered together."""
    return str(model.digest(pl.Series(["".join(sorted(model.seen(rows)))]))[0])


def _filters(given: Any) -> Filters:
    return Filters(*(word(given, name, 10_000) for name in Filters._fields))


def _address(path: str, filters: Filters, **more: str) -> str:
    told = urlencode({name: each for name, each in (filters._asdict() | more).items() if each})
    return f"{path}?{told}" if told else path


async def _sorry(_: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 500)
    return page("sorry", status, title="tuneset", said=getattr(error, "detail", ""), hint="")


async def _refused(_: Request, error: Exception) -> Response:
    what = error if isinstance(error, TunesetError) else TunesetError(str(error), "", "")
    return page("sorry", 409, title="tuneset", said=f"{what.what}: {Path(what.where).name}", hint=what.hint)
