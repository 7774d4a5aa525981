"""What every page of the app is held to: who may ask, from where, how much, and what a browser may do with the answer."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse

from tuneset.errors import RecipeError

if TYPE_CHECKING:
    from starlette.datastructures import FormData
    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BODY = 4 << 20  # bytes of a form: an edit of a long conversation, and no more
MOST_FIELDS = 1000
POLICY = "; ".join(
    (
        "default-src 'none'",
        *(f"{kind} 'self'" for kind in ("script-src", "style-src", "img-src", "connect-src", "form-action")),
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cache-control": "no-store",
}
READS = ("GET", "HEAD")


class Safe:
    """Refuse what comes from elsewhere, and say in every answer what a browser may do with it.

    `hosts` are the names that this server is called by, with their ports: another name in `Host` means that a page of
    somebody else had its name point here (DNS rebinding). What writes must come from one of our own pages: a browser
    tells where a form was in Origin and Sec-Fetch-Site; each form carries a token beside, see `posted`.
    """

    def __init__(self, app: ASGIApp, hosts: frozenset[str], scheme: str = "http") -> None:
        self.app = app
        self.hosts = hosts
        self.origins = {f"{scheme}://{host}" for host in hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refused = self._refused(scope["method"], Headers(scope=scope))
        if refused:
            await PlainTextResponse(refused, 403)(scope, receive, send_safely)
            return
        await self.app(scope, receive, send_safely)

    def _refused(self, method: str, headers: Headers) -> str:
        if headers.get("host", "") not in self.hosts:
            return "This server is not called by that name."
        if method in READS:
            return ""
        origin, site = headers.get("origin"), headers.get("sec-fetch-site", "same-origin")
        if (origin is not None and origin not in self.origins) or site not in ("same-origin", "none"):
            return "This form was sent from another site."
        return ""


async def posted(request: Request, secret: str, purpose: str = "form", files: int = 0) -> FormData:
    """Read the form of a request that writes; refused where it lacks the token that our pages put into their forms."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in ("application/x-www-form-urlencoded", "multipart/form-data"):
        raise HTTPException(415, "This takes forms only.")
    form = await request.form(max_files=files, max_fields=MOST_FIELDS, max_part_size=MOST_BODY)
    if not same(str(form.get("token", "")), signed(secret, purpose)):
        raise HTTPException(403, "This form is not one of ours, or too old. Open the page again.")
    return form


def signed(secret: str, purpose: str) -> str:
    """Make a token that only who knows the secret can make; one for each purpose."""
    return hmac.new(secret.encode(), purpose.encode(), hashlib.sha256).hexdigest()


def same(told: str, wanted: str) -> bool:
    """Compare two secrets in a time that tells nothing of them."""
    return hmac.compare_digest(hashlib.sha256(told.encode()).digest(), hashlib.sha256(wanted.encode()).digest())


def word(form: Any, name: str, most: int = 200) -> str:
    """Return one field of a form as text, empty where it is missing; what is too long is refused, and never cut."""
    found = form.get(name, "")
    if not isinstance(found, str):
        return ""
    if len(found) > most:
        what = f"{name} is longer than {most:,} characters: it has {len(found):,}"
        raise RecipeError(what, "the form", "shorten it, and send it again")
    return found
