"""What is asked of a model and what comes of it: a server, a request with its key, an answer."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from tuneset.errors import RunError
from tuneset.publish.places import Place, checked, local, secret

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Message = dict[str, Any]


class Model(NamedTuple):
    """A model on an OpenAI-compatible server; prices are in any one currency for a million tokens."""

    url: str  # such as https://api.openai.com/v1
    name: str
    key_env: str = ""  # the variable of the environment that holds the key; "" asks without one
    price_in: float | None = None  # None where it is not known, 0 where nothing is charged
    price_out: float | None = None
    price_cached: float | None = None  # of a prompt's beginning that the server knows; None as any prompt
    context: int = 0  # tokens of prompt and answer together; 0 where it is not known
    limit: str = "max_tokens"  # what the server calls the limit; newer models of OpenAI: max_completion_tokens
    plain_http: bool = False  # the word that lets texts and key go unencrypted to another machine
    batch_price: float = 0.5  # share of the prices that is charged for what goes as a batch


class Request(NamedTuple):
    """One question; the same question with another `sample` is asked anew."""

    messages: Sequence[Message]
    schema: Mapping[str, Any] | None = None  # JSON Schema of the answer; None takes any text
    max_tokens: int = 1024  # of the answer: the most that is paid for
    parameters: Mapping[str, Any] = MappingProxyType({})  # such as temperature
    sample: int = 0


class Usage(NamedTuple):
    """Tokens as the server counts them."""

    prompt: int
    completion: int
    cached: int = 0  # of the prompt


class Reply(NamedTuple):
    """What the server said to one request, as it is kept."""

    text: str = ""
    finish: str = ""  # stop, length, content_filter …
    refusal: str = ""
    usage: Usage | None = None
    model: str = ""  # as the server names it
    cost: float = 0.0
    seconds: float = 0.0
    rung: str = ""  # how the form was asked for, see `structured.RUNGS`
    time: str = ""  # when it was written down
    cut: str = ""  # its size and hash, where it was so long that its text is not kept


class Answer(NamedTuple):
    """What came of a request: a value, or a problem and what it is in words."""

    key: str
    request: Request
    value: Any = None  # what keeps to the schema; the text where there is none
    problem: str = ""  # "", not-json, wrong-schema, cut-off, too-long, refused, not-answered, rejected, budget
    says: str = ""
    reply: Reply = Reply()
    repaired: bool = False  # a second question made it valid
    known: bool = False  # it was in the folder, and cost nothing now
    stop: str = ""  # where the budget had no room: which limit, and what it had no room for


def key_of(request: Request, model: Model) -> str:
    """Return the key under which an answer is kept: SHA-256 of all that it hangs on, in one order.

    >>> ada = Model("https://host/v1", "small")
    >>> asked = Request([{"role": "user", "content": "Hello"}])
    >>> key_of(asked, ada) == key_of(asked._replace(sample=1), ada)
    False
    """
    from tuneset.folder import hash_of  # noqa: PLC0415  it brings the recipe, which names models itself

    return hash_of(
        {
            "url": model.url.rstrip("/"),
            "model": model.name,
            "messages": list(request.messages),
            "schema": request.schema and dict(request.schema),
            "parameters": dict(request.parameters) | {"max_tokens": request.max_tokens},
            "sample": request.sample,
        }
    )


def address(model: Model) -> str:
    """Return the server's address without the last /; one that is not https needs the word for it.

    >>> address(Model("http://10.0.0.7:8000/v1", "small"))
    Traceback (most recent call last):
    tuneset.errors.RunError: this address is not https: anyone on the way could read the key
      at   http://10.0.0.7:8000/v1
      try  an address that begins with https://
    >>> address(Model("http://10.0.0.7:8000/v1/", "small", plain_http=True))
    'http://10.0.0.7:8000/v1'
    """
    written = model.url.strip().rstrip("/")
    called = written if "@" not in written else "the model's address"
    if not written.startswith(("https://", "http://")):
        raise RunError("this is no http or https address", called, "such as https://host/v1")
    if model.plain_http and written.startswith("http://"):
        checked(f"https{written.removeprefix('http')}", called)
        return written
    return checked(written, called)


def called(model: Model) -> str:
    """Name a model on its server."""
    return f"{address(model)}#{model.name}"


def key(model: Model) -> str:
    """Read the key from the environment; "" where the model names no variable."""
    return secret(Place("", (model.key_env,), (), ""))[1] if model.key_env else ""


def proxied(model: Model) -> bool:
    """Say whether the environment's proxies may stand between: never for this machine, nor where all is readable."""
    parts = urlsplit(model.url)
    return parts.scheme == "https" and not local(parts)
