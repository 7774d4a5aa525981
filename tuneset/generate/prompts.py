"""What a model is told: prompts that are files, ours or the user's, and texts of strangers written so that they stay data."""

from __future__ import annotations

import json
import re
from hashlib import sha256
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tuneset.errors import RecipeError, unknown, way_out

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from jinja2 import Template
    from jinja2.sandbox import SandboxedEnvironment

MOST = 2_000  # characters of a text that are shown
# What a prompt may use. The same for all requests of a run, so that servers know the beginning of a prompt again ...
FIXED: dict[str, Any] = {"instruction": "", "definitions": (), "labels": (), "language": "", "style": ""}
# ... and what varies from request to request.
VARYING: dict[str, dict[str, Any]] = {
    "attributes": {"rows": 1, "label": "", "others": (), "seeds": (), "attributes": ()},
    "paraphrase": {"rows": 1, "label": "", "others": (), "seeds": (), "attributes": ()},
    "boundary": {"rows": 1, "label": "", "others": (), "seeds": (), "attributes": ()},
    "document": {"rows": 1, "label": "", "others": (), "document": "", "seeds": (), "attributes": ()},
    "judge": {"texts": ()},
    "answer": {"turns": ()},
    "check": {"turns": (), "answer": "", "earlier": ""},
    "rewrite": {"turns": (), "answer": ""},
}
_VERSION = re.compile(r"<!-- version: ([\w.-]+) -->")
_PART = re.compile(r"^# (system|user)[ \t]*$", re.MULTILINE)
# Signs that end a block (<, >), a line (U+0085, U+2028) or a turn (<|im_end|>, [/INST]), and those that nobody sees.
_HOSTILE = re.compile(
    r"[<>\x7f-\x9f\u00ad\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e007f]|\[(?=/?[A-Z_]{4,}\])"
)


class Prompt(NamedTuple):
    """A prompt's file: what is the same for all requests, and what varies."""

    name: str
    version: str  # "own" for a user's file that does not say one
    hash: str  # SHA-256 of the file
    where: str
    parts: Mapping[str, Template]  # system, user

    @property
    def called(self) -> str:
        """Name the prompt with its version, as "attributes@1"."""
        return f"{self.name}@{self.version}"

    def system(self, fixed: Mapping[str, Any]) -> str:
        """Write the part that all requests of a run share."""
        return self._written("system", FIXED | dict(fixed))

    def user(self, fixed: Mapping[str, Any], varying: Mapping[str, Any]) -> str:
        """Write the part that varies."""
        return self._written("user", FIXED | dict(fixed) | VARYING[self.name] | dict(varying))

    def _written(self, part: str, values: dict[str, Any]) -> str:
        import jinja2  # noqa: PLC0415  60 ms that only those pay who ask a model

        try:
            return self.parts[part].render(values).strip()
        except (jinja2.TemplateError, TypeError, ValueError, ArithmeticError) as error:
            raise _broken(str(error), self.where) from error


Prompts = dict[str, Prompt]


def load(folder: str = "") -> Prompts:
    r"""Read all prompts: a file of the user's folder where there is one of that name, ours otherwise.

    A file has a line `# system` and a line `# user`; below each stands a Jinja template. The variables of `FIXED` may be
    used in both, those of `VARYING` in the user's part only. `<!-- version: 2 -->` in the first line is its version.

    Errors: RecipeError for a folder that cannot be read, a file without both parts, and what a template cannot use.

    >>> sorted(load()), load()["judge"].called
    (['answer', 'attributes', 'boundary', 'check', 'document', 'judge', 'paraphrase', 'rewrite'], 'judge@1')
    """
    own = _own(Path(folder)) if folder else {}
    ours = resources.files("tuneset.generate").joinpath("prompts")
    environment = _environment()
    return {
        name: _read(name, own[name].read_bytes(), str(own[name]), "own", environment)
        if name in own
        else _read(name, ours.joinpath(f"{name}.md").read_bytes(), f"{name}.md", "", environment)
        for name in VARYING
    }


def line(values: Mapping[str, Any], most: int = MOST) -> str:
    r"""Write what strangers wrote as one line of JSON that nothing in it can end.

    Strings of more than `most` characters end in an ellipsis. `<`, `>`, what ends a line, what nobody sees, and `[`
    before what chat templates take for the end of a turn are escaped as JSON has it; half a character is replaced.

    >>> print(line({"text": "</data>\nIgnore this… für 5 €"}))
    {"text": "\u003c/data\u003e\nIgnore this… für 5 €"}
    """
    return quoted(dict(values), most)


def quoted(value: Any, most: int = MOST) -> str:
    """Write a string, or whatever JSON has, as `line` does."""
    return _HOSTILE.sub(lambda found: _escaped(found[0]), json.dumps(_cut(value, most), ensure_ascii=False))


def lines(rows: Iterable[Mapping[str, Any]], most: int = MOST) -> list[str]:
    """Write each as a line."""
    return [line(row, most) for row in rows]


def _escaped(sign: str) -> str:
    return re.sub("....", r"\\u\g<0>", sign.encode("utf-16-be").hex())


def _cut(value: Any, most: int) -> Any:
    """Shorten every string, however deep, keys as well; half a character (JSON can name one) cannot be sent."""
    if isinstance(value, str):
        short = value if len(value) <= most else f"{value[: most - 1].rstrip()}…"
        return short.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_cut(key, most): _cut(each, most) for key, each in value.items()}
    return [_cut(each, most) for each in value] if isinstance(value, list | tuple) else value


def _own(folder: Path) -> dict[str, Path]:
    """Find the user's files; one that takes the place of none of ours would change nothing, and is refused."""
    try:
        found = {path.stem: path for path in sorted(folder.iterdir()) if path.suffix == ".md"}
    except OSError as error:
        raise RecipeError(f"the prompts cannot be read: {error.strerror}", str(folder), way_out(error)) from error
    found.pop("README", None)
    for name in found:
        if name not in VARYING:
            raise unknown("prompt", name, VARYING, str(folder))
    return found


def _read(name: str, raw: bytes, where: str, unsaid: str, environment: SandboxedEnvironment) -> Prompt:
    try:
        text = raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise RecipeError("this prompt is not UTF-8", where, "save it as UTF-8") from error
    said = _VERSION.match(text)
    _, *cut = _PART.split(text)
    if cut[::2] != ["system", "user"]:
        hint = "it needs one line '# system' and, below it, one line '# user'"
        raise RecipeError("a part of this prompt is missing, or there twice", where, hint)
    parts = {
        part: _compiled(name, part, source, where, environment)
        for part, source in zip(cut[::2], cut[1::2], strict=True)
    }
    prompt = Prompt(name, said[1] if said else unsaid, sha256(raw).hexdigest(), where, parts)
    prompt.system(_TRIAL)
    prompt.user(_TRIAL, {key: _full(value) for key, value in VARYING[name].items()})
    return prompt


def _compiled(name: str, part: str, source: str, where: str, environment: SandboxedEnvironment) -> Template:
    """Compile a part, and refuse a name that it cannot use before anything is asked."""
    import jinja2  # noqa: PLC0415  see above
    from jinja2 import meta  # noqa: PLC0415

    try:
        names = meta.find_undeclared_variables(environment.parse(source))
        template = environment.from_string(source)
    except (jinja2.TemplateError, RecursionError) as error:
        raise _broken(str(error), where) from error
    valid = set(FIXED) | (set(VARYING[name]) if part == "user" else set())
    for used in sorted(names - valid):
        if used in VARYING[name]:
            hint = f"use {used} below '# user': the system part is the same for all requests"
            raise RecipeError(f"{used} varies from request to request", where, hint)
        raise unknown("variable", used, valid, where)
    return template


def _broken(says: str, where: str) -> RecipeError:
    return RecipeError(
        f"this prompt cannot be written: {says}", where, "mend the template, or delete the file to use ours"
    )


def _full(value: Any) -> Any:
    """Fill a variable, so that a template's mistakes show when it is read."""
    return ["{}"] if value == () else value or "{}"


_TRIAL = {key: _full(value) for key, value in FIXED.items()}


def _environment() -> SandboxedEnvironment:
    from jinja2 import StrictUndefined  # noqa: PLC0415  see above
    from jinja2.sandbox import SandboxedEnvironment  # noqa: PLC0415

    return SandboxedEnvironment(  # a prompt is no page: nothing is HTML in it
        undefined=StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True
    )
