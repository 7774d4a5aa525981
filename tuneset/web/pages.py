"""Pages from templates: text is text, what is invisible is named, and nothing is written into a script."""

from __future__ import annotations

import json
from functools import cache, partial
from importlib import resources
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response

from tuneset.report.page import answer
from tuneset.report.words import change, counted, number, percent, sentence, shown, side_by_side

if TYPE_CHECKING:
    from starlette.requests import Request

MOST_SHOWN = 20_000  # characters of one text on a page
STATIC = {
    "report.css": ("tuneset.report", "text/css"),
    "web.css": ("tuneset.web", "text/css"),
    "keys.js": ("tuneset.web", "text/javascript"),
    "icon.svg": ("tuneset.web", "image/svg+xml"),
}


def page(name: str, status: int = 200, /, **given: Any) -> HTMLResponse:
    """Write one page."""
    return HTMLResponse(_environment().get_template(f"{name}.html.j2").render(given), status)


def static(request: Request) -> Response:
    """Give one of our own style sheets and scripts; nothing else is found by its name."""
    name = request.path_params["name"]
    if name not in STATIC:
        raise HTTPException(404, "There is no such page.")
    return Response(_static(name), media_type=STATIC[name][1], headers={"cache-control": "max-age=300"})


@cache
def _static(name: str) -> bytes:
    package = STATIC[name][0]
    folder = resources.files(package) if package == "tuneset.report" else resources.files(package) / "static"
    return (folder / name).read_bytes()


def exactly(value: str | None) -> Any:
    """Write a text into a form character for character: what a person does not touch must come back as it was.

    A browser drops the first line end of a text field, so that one is put before it.
    """
    return escape("\n" + (value or ""))


def markdown(value: str | None) -> Any:
    """Write Markdown as HTML: tags in it are text, and so are links to anything but pages and mail."""
    return Markup(_markdown().render(value or ""))  # noqa: S704  its HTML is off


@cache
def _markdown() -> Any:
    from markdown_it import MarkdownIt  # noqa: PLC0415  with the app's packages

    return MarkdownIt("commonmark", {"html": False}).disable("image")


def indented(value: str | None) -> str:
    """Write JSON so that a person can edit it."""
    return json.dumps(json.loads(value or "null"), ensure_ascii=False, indent=2)


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("tuneset", "web/templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=partial(shown, most=MOST_SHOWN),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"answer": answer, "counted": counted, "number": number, "percent": percent}
    made.filters |= {
        "exactly": exactly,
        "indented": indented,
        "markdown": markdown,
        "sentence": partial(sentence, most=MOST_SHOWN),
    }
    made.globals |= {
        "change": partial(change, most=MOST_SHOWN, context=MOST_SHOWN),
        "side_by_side": partial(side_by_side, most=MOST_SHOWN),
    }
    return made
