"""Where an export can go: what `--to` means, its address, and the environment variables that hold its secret."""

from __future__ import annotations

import ipaddress
import os
import re
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

from tuneset.errors import RecipeError, RunError, unknown


class Place(NamedTuple):
    """A service that takes files."""

    target: str  # the export that belongs there
    secrets: tuple[str, ...]  # variables of the environment, the first one that is set counts
    variables: tuple[str, ...]  # what puts another address in the place of `address`, as its own client does
    address: str  # "" where there is none that all share
    path: str = ""  # behind the address; {VARIABLE} is filled in from the environment
    takes: tuple[str, ...] = ("train", "validation")  # a job asks for two files; the test side is no business of it
    beside: tuple[str, ...] = ()  # what goes along besides the target's own files


_ALL = ("train", "validation", "test")
PLACES = {
    "hub": Place(
        "huggingface", ("HF_TOKEN",), ("HF_ENDPOINT",), "https://huggingface.co", takes=_ALL, beside=("rows.jsonl",)
    ),
    "openai": Place("openai", ("OPENAI_API_KEY",), ("OPENAI_BASE_URL",), "https://api.openai.com/v1"),
    "azure": Place(
        "azure", ("AZURE_OPENAI_AD_TOKEN", "AZURE_OPENAI_API_KEY"), ("AZURE_OPENAI_ENDPOINT",), "", "/openai"
    ),
    "together": Place("together", ("TOGETHER_API_KEY",), ("TOGETHER_BASE_URL",), "https://api.together.ai/v1"),
    "fireworks": Place(
        "fireworks",
        ("FIREWORKS_API_KEY",),
        ("FIREWORKS_BASE_URL",),
        "https://api.fireworks.ai",
        "/v1/accounts/{FIREWORKS_ACCOUNT_ID}",
    ),
    "mistral": Place("mistral", ("MISTRAL_API_KEY",), ("MISTRAL_SERVER_URL",), "https://api.mistral.ai", "/v1"),
    "gs": Place(
        "gemini",
        ("GOOGLE_APPLICATION_CREDENTIALS",),
        ("STORAGE_EMULATOR_HOST",),
        "https://storage.googleapis.com",
        takes=_ALL,
    ),
    "s3": Place(
        "bedrock-nova",
        ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE"),
        ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
        "https://s3.amazonaws.com",
        takes=_ALL,
    ),
}
_NAMES = {
    "hub": (r"[\w.-]+/[\w.-]+", "hub:ORG/NAME"),
    "s3": (r"//[\w.-]+(/[^?#\s]*)?", "s3://BUCKET/FOLDER"),
    "gs": (r"//[\w.-]+(/[^?#\s]*)?", "gs://BUCKET/FOLDER"),
}


class Where(NamedTuple):
    """A place as one user means it."""

    kind: str  # a key of PLACES
    name: str  # ORG/NAME or BUCKET/FOLDER; "" where the secret says whose files they are
    address: str  # of the service
    url: str  # under which the files will be, or are sent to; never with a secret
    missing: tuple[str, ...]  # variables that must be set before anything can be sent

    @property
    def place(self) -> Place:
        """What the table says of it."""
        return PLACES[self.kind]


def where(to: str) -> Where:
    """Read what `--to` says: `hub:ORG/NAME`, `s3://…`, `gs://…`, or the name of a service.

    Errors: an unknown place, a name in a wrong form, and an address from the environment that is not https (but for
    this machine) or carries a password.

    >>> where("hub:shop/inquiries").name
    'shop/inquiries'
    >>> where("opnai")
    Traceback (most recent call last):
    ...
    tuneset.errors.RecipeError: unknown place 'opnai'
      at   --to
      try  'openai' (hub:ORG/NAME, s3://…, gs://…, azure, fireworks, mistral, openai, together)
    """
    kind, colon, rest = to.partition(":")
    named = _NAMES.get(kind)
    if kind not in PLACES or (colon and not named):
        listing = ", ".join(["hub:ORG/NAME", "s3://…", "gs://…", *sorted(PLACES.keys() - _NAMES.keys())])
        raise unknown("place", kind if colon and kind not in PLACES else to, PLACES, "--to", listing)
    if named and not re.fullmatch(named[0], rest):
        raise RecipeError("this names no place", f"--to {to}", named[1])
    place, name = PLACES[kind], rest.strip("/")
    variable = next((each for each in place.variables if os.environ.get(each)), "")
    address = _address(kind, os.environ[variable], variable) if variable else place.address
    missing = [] if address else [place.variables[0]]
    wanted = re.findall(r"\{(\w+)\}", place.path)
    missing += [each for each in wanted if not os.environ.get(each)]
    path = place.path.format(**{each: _plain(each) for each in wanted})
    missing += [] if any(os.environ.get(each) for each in place.secrets) else [" or ".join(place.secrets)]
    url = f"{address or '$' + place.variables[0]}{path}"
    return Where(kind, name, address, _shown(kind, name, url, own=bool(variable)), tuple(missing))


def _shown(kind: str, name: str, url: str, *, own: bool) -> str:
    if kind == "hub":
        return f"{url}/datasets/{name}"
    if kind in ("s3", "gs"):
        return f"{url}/{name}" if own else f"{kind}://{name}"
    return url


def _address(kind: str, given: str, variable: str) -> str:
    written = given.strip().rstrip("/")
    return checked(f"http://{written}" if kind == "gs" and "://" not in written else written, variable)


def _plain(variable: str) -> str:
    """Read a variable that goes into an address as it is."""
    value = os.environ.get(variable, "").strip()
    if value and not re.fullmatch(r"[\w.-]+", value):
        raise RunError(f"the environment's {variable} is no plain name", variable, "letters, digits, - and _ only")
    return value or f"${variable}"


def checked(url: str, called: str) -> str:
    """Return an address to which a secret may be sent: https, or this machine; without a password in it.

    >>> checked("http://example.org/v1", "OPENAI_BASE_URL")
    Traceback (most recent call last):
    ...
    tuneset.errors.RunError: this address is not https: anyone on the way could read the key
      at   OPENAI_BASE_URL
      try  an address that begins with https://
    """
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  said to be wrong only when it is asked for
    except ValueError as error:
        raise RunError("this is no address", called, "such as https://host/v1") from error
    if parts.username or parts.password or parts.query or parts.fragment:
        raise RunError("the address carries more than an address", called, "keep secrets in their own variable")
    if not safe(parts):
        what = "this address is not https: anyone on the way could read the key"
        raise RunError(what, called, "an address that begins with https://")
    return url


def safe(parts: SplitResult) -> bool:
    """Say whether nobody on the way can read along."""
    return bool(parts.hostname) and (parts.scheme == "https" or (parts.scheme == "http" and local(parts)))


def local(parts: SplitResult) -> bool:
    """Say whether an address is this machine's own."""
    if parts.hostname == "localhost":
        return True
    try:
        return ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False


def secret(place: Place) -> tuple[str, str]:
    """Read the secret of a place: the variable that is set, and what it holds.

    Errors: none is set, or it holds what no key is made of (such as a line end, which would end up in an error message).
    """
    name = next((each for each in place.secrets if os.environ.get(each, "").strip()), "")
    if not name:
        what = f"the environment has no {' or '.join(place.secrets)}"
        raise RunError(what, place.secrets[0], f"export {place.secrets[0]}=…, and run the same command again")
    value = os.environ[name].strip()
    if not value.isascii() or not value.isprintable():
        raise RunError("the secret holds signs that no key is made of", name, "copy it anew, on one line")
    return name, value
