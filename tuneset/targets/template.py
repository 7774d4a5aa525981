"""A model's chat template and tokenizer, opened from a local folder: how a row becomes text, and the text tokens."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence  # noqa: TC003  the fields of Model name them
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import jinja2  # whoever opens a model needs it at once; nothing else imports this module at its top
import jinja2.ext
import orjson
from jinja2 import nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

from tuneset.errors import InputError, need
from tuneset.shapes.row import calls, opened
from tuneset.targets.masks import REASONING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from jinja2.parser import Parser

    from tuneset.shapes.row import Message

TODAY = date(2024, 7, 26)  # what templates write where nobody tells them the date; the same text on every day
MOST_TEXT = 10_000_000  # characters that a row may become: a model reads a million tokens at most
# rounds of loops and calls of macros for one row, 2 to 3 s; TRL's 72 templates take 19 a message at most
MOST_STEPS = 300_000
# What a template that does not suit the row may raise, beside its own words: whatever its expressions can.
_RAISED = (
    jinja2.TemplateError,
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    RecursionError,
    TypeError,
    ValueError,
)
_GET = "hf download NAME --include '*token*' '*.jinja' '*config.json' --local-dir FOLDER fetches what is needed"


class Rendered(NamedTuple):
    """What a template made of a row: its text, the places that it marks as the model's own, or why it refused."""

    text: str
    generated: Sequence[tuple[int, int]] = ()
    refused: str = ""


class Template(NamedTuple):
    """A compiled chat template."""

    sha256: str
    marks: bool  # whether it marks with {% generation %} what the model writes
    write: Callable[[dict[str, Any]], Rendered]


class Model(NamedTuple):
    """What is known of a model without its weights: its templates, its tokenizer, and where it stops."""

    name: str
    templates: dict[str, Template]
    tokenizer: Any
    special: dict[str, str]  # bos_token, eos_token and so on, which templates name
    stops: frozenset[str]  # the tokens at which its settings say that it stops
    ends: frozenset[str]  # all special tokens: one of them may end a turn

    def template(self, tools: Any) -> Template:
        """Choose as transformers does: some models bring a second template for rows with tools."""
        with_tools = self.templates.get("tool_use") if tools is not None else None
        return with_tools or self.templates.get("default") or next(iter(self.templates.values()))

    def render(self, messages: list[Message], tools: Any = None, *, prompt: bool = False) -> Rendered:
        """Render messages as transformers does; `prompt` ends with what asks the model for its answer.

        Arguments of calls are opened, as trainers hand them over; where a template can only join them to its text, as
        DeepSeek's, they stay strings. An empty `refused` says that it went well.
        """
        beside = {**self.special, "tools": tools, "documents": None, "add_generation_prompt": prompt}
        write = self.template(tools).write
        done = write(beside | {"messages": [_handed(message, opened) for message in messages]})
        if done.refused and any(map(calls, messages)):
            again = write(beside | {"messages": [_handed(message, lambda value: value) for message in messages]})
            return done if again.refused else again
        return done


def open_model(path: Path | str) -> Model:
    """Open the tokenizer and the chat template of a model that lies in a folder.

    `path`: a folder with tokenizer.json, and with chat_template.jinja or a chat_template in tokenizer_config.json; or
    the path of such a tokenizer.json. Nothing is downloaded, and neither torch nor transformers is needed. Errors:
    InputError for what is missing or cannot be read, TunesetError where the package tokenizers is not installed.

    >>> open_model("no/such/model")
    Traceback (most recent call last):
    ...
    tuneset.errors.InputError: there is no model
      at   no/such/model
      try  give a local folder; hf download NAME --include '*token*' '*.jinja' '*config.json' --local-dir FOLDER fetches what is needed
    """
    path = Path(path)
    if not path.exists():
        raise InputError("there is no model", str(path), f"give a local folder; {_GET}")
    folder, file = (path, path / "tokenizer.json") if path.is_dir() else (path.parent, path)
    settings = settings_of(folder / "tokenizer_config.json")
    sources = dict(templates_of(folder, settings))
    if not sources:
        raise InputError("this model has no chat template", str(folder), f"take the one made for chat, or {_GET}")
    tokenizer, special = tokenizer_of(file), _special(settings)
    ends = {token.content for token in tokenizer.get_added_tokens_decoder().values() if token.special}
    return Model(
        name=folder.resolve().name,
        templates={name: compiled(source, str(folder)) for name, source in sources.items()},
        tokenizer=tokenizer,
        special=special,
        stops=_stops(folder, tokenizer, special),
        ends=frozenset(ends | {special["eos_token"]} if "eos_token" in special else ends),
    )


def compiled(source: str, where: str = "the chat template") -> Template:
    """Compile a chat template in a sandbox of its own; InputError where it is no template.

    Limits: loops, macros, ranges, repetition and the length of the output are bounded, so that none runs for ever; a
    hostile template can still take much memory in a single expression.

    >>> compiled("{% for m in messages %}{{ m.content }};{% endfor %}").write({"messages": [{"content": "Hi"}]}).text
    'Hi;'
    >>> compiled("{{ ''.__class__.__mro__ }}").write({}).refused
    "access to attribute '__class__' of 'str' object is unsafe."
    """
    sandbox = _Sandbox()
    try:
        template = sandbox.from_string(source)
    except (jinja2.TemplateError, RecursionError) as error:
        at = f"{where}, line {error.lineno} of it" if isinstance(error, jinja2.TemplateSyntaxError) else where
        raise InputError(f"this chat template cannot be read: {error}", at, f"fetch it anew: {_GET}") from error
    digest = sha256(source.encode("utf-8", "surrogatepass")).hexdigest()
    return Template(digest, sandbox.marks, lambda values: sandbox.write(template, values))


class _Generation(jinja2.ext.Extension):
    """The block {% generation %}, which says what of the text the model writes itself; from transformers."""

    tags = {"generation"}  # noqa: RUF012  as jinja2 declares it

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        self.environment.marks = True  # type: ignore[attr-defined]
        call = self.call_method("_written")
        return nodes.CallBlock(call, [], [], body).set_lineno(line)

    def _written(self, caller: Callable[[], str]) -> str:
        text = caller()
        start = self.environment.written  # type: ignore[attr-defined]
        self.environment.generated.append((start, start + len(text)))  # type: ignore[attr-defined]
        return text


class _Sandbox(ImmutableSandboxedEnvironment):
    """What a chat template may use: the names that transformers gives it, and no more rounds than a row needs."""

    intercepted_binops = frozenset({"*", "**"})

    def __init__(self) -> None:
        super().__init__(trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, jinja2.ext.loopcontrols])
        self.marks = False
        self.filters["tojson"] = _tojson
        self.globals.update(raise_exception=_refuse, strftime_now=TODAY.strftime, dict=_Dict(), namespace=_Namespace)

    def write(self, template: jinja2.Template, values: Mapping[str, Any]) -> Rendered:
        """Render piece by piece; whatever goes wrong is the template refusing this row."""
        self.written, self.steps = 0, 0
        self.generated: list[tuple[int, int]] = []
        pieces = []
        try:
            for piece in template.generate(values):
                pieces.append(piece)
                self.written += len(piece)
                if self.written > MOST_TEXT:
                    return Rendered("", refused=f"the text is longer than {MOST_TEXT:,} characters")
            text = "".join(pieces)
            text.encode()  # half a character, which JSON can name, is none that a tokenizer reads
        except _RAISED as error:
            return Rendered("", refused=str(error) or type(error).__name__)
        return Rendered(text, tuple(self.generated))

    def tick(self) -> None:
        """Count a round of a loop or a call of a macro."""
        self.steps += 1
        if self.steps > MOST_STEPS:
            raise jinja2.TemplateRuntimeError(f"the template takes more than {MOST_STEPS:,} steps")

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        blocks: list[nodes.For | nodes.Macro] = [*tree.find_all(nodes.For), *tree.find_all(nodes.Macro)]
        for block in blocks:
            count = nodes.Call(nodes.EnvironmentAttribute("tick"), [], [], None, None)
            block.body.insert(0, nodes.ExprStmt(count).set_lineno(block.lineno))
        return tree.set_environment(self)  # type: ignore[return-value]

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Refuse what grows beyond any text: a string times a billion, a number to the power of another."""
        plain = isinstance(left, int | float) and isinstance(right, int | float)
        if operator == "**" and not (plain and abs(left) < 1e6 and abs(right) < 100):
            raise jinja2.TemplateRuntimeError("the template raises to too high a power")
        if operator == "*" and not plain and _size(left) * _size(right) > MOST_TEXT:
            raise jinja2.TemplateRuntimeError("the template repeats something too often")
        return super().call_binop(context, operator, left, right)


class _Dict:
    """`dict` for templates, without the attributes of Python's own; as transformers has it."""

    def __call__(self, *args: Any, **values: Any) -> dict[Any, Any]:
        return dict(*args, **values)

    def fromkeys(self, *args: Any) -> dict[Any, Any]:
        return dict.fromkeys(*args)


class _Namespace(Namespace):
    """`namespace` for templates, which holds no name that Python itself reads; as transformers has it."""

    def __init__(*args: Any, **values: Any) -> None:
        self, given = args[0], dict(*args[1:], **values)
        Namespace.__init__(self)
        for name, value in given.items():
            self[name] = value

    def __setitem__(self, name: str, value: Any) -> None:
        if isinstance(name, str) and name.startswith("_"):
            raise jinja2.exceptions.SecurityError(f"a namespace cannot hold {name!r}")
        super().__setitem__(name, value)


def _size(value: Any) -> float:
    return abs(value) if isinstance(value, int | float) else len(value) if hasattr(value, "__len__") else 1


def _refuse(words: str) -> None:
    raise jinja2.TemplateError(words)


def _tojson(
    value: Any,
    ensure_ascii: bool = False,  # noqa: FBT001, FBT002  the order in which transformers takes them
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,  # noqa: FBT001, FBT002
) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _handed(message: Message, change: Callable[[Any], Any]) -> Message:
    """Make of a message what transformers 5 hands to a template: without nulls, reasoning under each of its names."""
    handed = {key: value for key, value in message.items() if value is not None}
    if calls(handed):
        handed["tool_calls"] = [_call(call, change) for call in handed["tool_calls"]]
    reasoning = next((handed[key] for key in REASONING if key in handed), None)
    return handed if reasoning is None else {"thinking": reasoning, **handed, "reasoning_content": reasoning}


def _call(call: Any, change: Callable[[Any], Any]) -> Any:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict) or "arguments" not in function:
        return call
    return call | {"function": function | {"arguments": change(function["arguments"])}}


def templates_of(folder: Path, settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Find a folder's templates where transformers looks for them, the one that counts last."""
    kept = settings.get("chat_template") or settings_of(folder / "chat_template.json").get("chat_template")
    for each in kept if isinstance(kept, list) else [{"name": "default", "template": kept}]:
        if isinstance(each, dict) and isinstance(each.get("template"), str):
            yield str(each.get("name", "default")), each["template"]
    for file in sorted(folder.glob("additional_chat_templates/*.jinja")):
        yield file.stem, _read(file).decode("utf-8", "replace")
    if (folder / "chat_template.jinja").is_file():
        yield "default", _read(folder / "chat_template.jinja").decode("utf-8", "replace")


def tokenizer_of(file: Path) -> Any:
    """Open a tokenizer.json; what cuts, pads or trims is taken off."""
    tokenizers = need("tokenizers", extra="show")
    if not file.is_file():
        raise InputError("this model has no tokenizer.json", str(file.parent), _GET)
    try:
        tokenizer = tokenizers.Tokenizer.from_buffer(_read(file))
    except ValueError as error:
        raise InputError("this tokenizer cannot be read", str(file), f"fetch it anew ({error})") from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    # the template writes the special tokens itself; what else comes after trims spaces from the places of tokens
    tokenizer.post_processor = tokenizers.processors.Sequence([])
    return tokenizer


def _special(settings: Mapping[str, Any]) -> dict[str, str]:
    """Read the tokens that have names, each as a string or as an object with its content."""
    named = {key: value for key, value in settings.items() if key.endswith("_token")}
    words = {key: value.get("content") if isinstance(value, dict) else value for key, value in named.items()}
    return {key: value for key, value in words.items() if isinstance(value, str)}


def _stops(folder: Path, tokenizer: Any, special: Mapping[str, str]) -> frozenset[str]:
    """Collect where generating stops: the end-of-text token, and those that generation_config.json adds."""
    listed = settings_of(folder / "generation_config.json").get("eos_token_id")
    numbers = [each for each in (listed if isinstance(listed, list) else [listed]) if type(each) is int and each >= 0]
    words = [tokenizer.id_to_token(number) for number in numbers]
    return frozenset(word for word in (special.get("eos_token"), *words) if word)


def settings_of(file: Path) -> dict[str, Any]:
    """Read a file of settings; an absent one says nothing."""
    if not file.is_file():
        return {}
    try:
        read = orjson.loads(_read(file))
    except orjson.JSONDecodeError as error:
        raise InputError("this file of the model is not JSON", str(file), f"fetch it anew ({error})") from error
    if not isinstance(read, dict):
        raise InputError("this file of the model holds no object", str(file), f"fetch it anew: {_GET}")
    return read


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise InputError(f"the file cannot be read: {error.strerror}", str(file), "check who may read it") from error
