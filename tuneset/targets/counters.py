"""What counts the tokens of a row: OpenAI's published rule, or a model's own tokenizer and chat template."""

from __future__ import annotations

import sys
from functools import cache, lru_cache
from importlib import import_module
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import orjson

from tuneset.errors import InputError, TunesetError, need, unknown
from tuneset.targets import images

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tuneset.shapes.row import Row

    Text = Callable[[str], int]  # counts the tokens of a text
    Image = Callable[[Row], int]  # counts the tokens of a part of content that may show one
    Counter = Callable[[Row], int]  # counts the tokens of a row, or says `Refused`

ENCODING = "o200k_base"
PER_MESSAGE = 3  # <|start|>, the end of the role, the end of the message
PER_REPLY = 3  # the reply is primed with <|start|>assistant<|message|>
PER_NAME = 1
# The cookbook's num_tokens_for_tools, by what OpenAI's API charged for definitions: section 7 of
# https://cookbook.openai.com/examples/how_to_count_tokens_with_tiktoken, read again in public copies on 2026-11-23.
PER_FUNCTION = {"o200k_base": 7, "cl100k_base": 10}
PER_PROPERTIES, PER_PROPERTY, PER_ENUM, PER_ENUM_ITEM, AFTER_FUNCTIONS = 3, 3, -3, 3, 12
# What the names of OpenAI's models begin with, as tiktoken.model has them.
MODELS = {
    "o200k_base": ("gpt-5", "gpt-4.5-", "gpt-4.1-", "gpt-4o-", "chatgpt-4o-", "o1-", "o3-", "o4-mini-"),
    "cl100k_base": ("gpt-4-", "gpt-3.5-", "gpt-35-turbo-", "davinci-002-", "babbage-002-"),
}
MISTRAL = {
    "v1": ("v1", {}),
    "v2": ("v2", {}),
    "v3": ("v3", {}),
    "v3-tekken": ("v3", {"is_tekken": True}),
    "v7": ("v7", {}),
}


class Refused(ValueError):  # noqa: N818  it is the row that is refused, nothing has gone wrong
    """The model's own chat form does not take a row, so that it has no count."""


def counter(name: str, where: str = "--model") -> Counter:
    """Return what counts the tokens of a row of chat as a model does.

    `name`: an OpenAI encoding (o200k_base, cl100k_base) or model, fine-tuned ones too; mistral or mistral:v1, v2, v3,
    v3-tekken (which mistral alone means), v7 or mistral:FILE, by Mistral's own package; the path of a tokenizer.json or
    of the folder with it; transformers:NAME for what that package has on this machine. Nothing is downloaded. Text is
    encoded exactly. So is a row where the tokenizer brings its chat form (Mistral's, and a folder with a template);
    elsewhere the rows are counted by OpenAI's published rule. Images are counted with OpenAI's encodings only. What is
    returned raises `Refused` for a row that the chat form does not take. Errors: RecipeError for an unknown name, InputError for a tokenizer that cannot be read,
    TunesetError where a package is missing.

    >>> row = {"messages": [{"role": "user", "content": "Where is it?"}, {"role": "assistant", "content": "Orders"}]}
    >>> counter("ft:gpt-4.1-mini-2025-04-14:org::x")(row), counter("gpt-4")(row)
    (16, 16)
    """
    kind, _, rest = name.partition(":")
    if kind == "mistral":
        return _mistral(rest or "v3-tekken", where)
    if kind == "transformers":
        return _transformers(rest)
    if encoding := encoding_of(name):
        return openai(encoding)
    path = Path(name)
    if name and (path.is_dir() or path.suffix == ".json"):
        return _local(path)
    models = [each.removesuffix("-") for begins in MODELS.values() for each in begins]
    listing = (
        "there are: o200k_base, cl100k_base, OpenAI's models, mistral, the path of a tokenizer.json, transformers:NAME"
    )
    raise unknown("tokenizer", name, [*MODELS, *models, *(f"mistral:{each}" for each in MISTRAL)], where, listing)


def encoding_of(name: str) -> str | None:
    """Name the encoding of one of OpenAI's models; None for another's.

    A fine-tuned model has that of its base: tiktoken 0.14 takes ft:gpt-4.1 for a kind of gpt-4.

    >>> encoding_of("ft:gpt-4.1-mini-2025-04-14:org::x"), encoding_of("gpt-4-0613"), encoding_of("llama")
    ('o200k_base', 'cl100k_base', None)
    """
    base = untuned(name)
    named = (encoding for encoding, begins in MODELS.items() if base == encoding or f"{base}-".startswith(begins))
    return next(named, None)


def untuned(name: str) -> str:
    """Name the model that a fine-tuned one of OpenAI's or Azure's was made from; any other name is its own.

    >>> untuned("ft:gpt-4o-2024-08-06:org:tickets:9xYz"), untuned("gpt-4o-2024-08-06.ft-0e20")
    ('gpt-4o-2024-08-06', 'gpt-4o-2024-08-06')
    """
    return name.removeprefix("ft:").partition(":")[0].partition(".ft-")[0] if _tuned(name) else name


def _tuned(name: str) -> bool:
    return name.startswith("ft:") or ".ft-" in name


@cache
def of_text(name: str) -> Text:
    """Load the compiled tokenizer of an encoding alone, which counts the tokens of a text: 0.1 s.

    `import bpe_openai` takes 1.1 s, since it also reads its tables in Python, and warns on Python 3.11.
    """
    module = "bpe_openai._bindings"
    bindings = sys.modules.get(module)
    if bindings is None:
        package = find_spec("bpe_openai")
        spec = PathFinder.find_spec(module, package.submodule_search_locations if package else None)
        if spec is None or spec.loader is None:
            raise ImportError(f"no {module}: bpe-openai is missing or has changed its layout")
        bindings = module_from_spec(spec)
        spec.loader.exec_module(bindings)
    text: Text = bindings.tokenizer_for_encoding(name).count
    return text


@cache
def openai(encoding: str) -> Counter:
    """Count rows by OpenAI's published rule and one of its encodings."""
    return _ruled(of_text(encoding), PER_FUNCTION[encoding], images.tokens)


def _ruled(text: Text, per_function: int, image: Image = lambda _: 0) -> Counter:
    """Count rows by OpenAI's published rule, whatever counts the texts."""
    known = lru_cache(1024)(text)  # roles, system texts and common answers: half the time of a conversation
    return lambda row: (
        _of_messages(row["messages"], known, image)
        + (_of_tools(row, text, per_function) if "tools" in row or "functions" in row else 0)
    )


def _of_messages(messages: list[Any], text: Text, image: Image) -> int:
    counted = PER_REPLY
    for message in messages:
        if not isinstance(message, dict):
            counted += _of_value(message, text, image)
            continue
        counted += PER_MESSAGE + PER_NAME * ("name" in message)
        for value in message.values():
            counted += text(value) if type(value) is str else _of_value(value, text, image)
    return counted


def _of_value(value: Any, text: Text, image: Image) -> int:
    if isinstance(value, str):
        return text(value)
    if value is None or isinstance(value, (int, float)):  # such as weight: no text of the message
        return 0
    if isinstance(value, list):
        return sum(text(_word(each)) if isinstance(each, list) else _of_value(each, text, image) for each in value)
    if value.get("type") in ("text", "image_url"):  # a part of content
        inside = value.get("text")
        return (text(inside) if isinstance(inside, str) else 0) + image(value)
    return text(_word(value))


def _of_tools(row: Row, text: Text, per_function: int) -> int:
    """Count definitions as the cookbook's num_tokens_for_tools does; what is no definition counts as its JSON."""
    counted, after = 0, 0
    for each in _declared(row):
        if isinstance(each, dict) and isinstance(each.get("name"), str):
            said = text(f"{each['name']}:{_word(each.get('description')).removesuffix('.')}")
            counted += per_function + said + _of_parameters(each.get("parameters"), text)
            after = AFTER_FUNCTIONS
        else:
            counted += text(_word(each))
    return counted + after


def _declared(row: Row) -> Iterator[Any]:
    for key in ("tools", "functions"):
        listed = row.get(key) or []
        for each in listed if isinstance(listed, list) else [listed]:
            yield each["function"] if isinstance(each, dict) and isinstance(each.get("function"), dict) else each


def _of_parameters(schema: Any, text: Text, levels: int = 50) -> int:
    """Count properties, those inside of others too: the cookbook, which stops at the first level, undercounts there."""
    if not isinstance(schema, dict) or not levels:
        return 0
    counted = _of_parameters(schema.get("items"), text, levels - 1)
    properties = schema.get("properties")
    if not isinstance(properties, dict) or not properties:
        return counted
    for name, value in properties.items():
        held = value if isinstance(value, dict) else {}
        said = f"{name}:{_word(held.get('type'))}:{_word(held.get('description')).removesuffix('.')}"
        counted += PER_PROPERTY + text(said) + _of_enum(held.get("enum"), text)
        counted += _of_parameters(held, text, levels - 1)
    return counted + PER_PROPERTIES


def _of_enum(values: Any, text: Text) -> int:
    if not isinstance(values, list) or not values:
        return 0
    return PER_ENUM + sum(PER_ENUM_ITEM * isinstance(each, str) + text(_word(each)) for each in values)


def _word(value: Any) -> str:
    """Write a value as text; nothing for one that is nested deeper than any reader of rows goes (254 levels)."""
    try:
        return value if isinstance(value, str) else "" if value is None else orjson.dumps(value).decode()
    except orjson.JSONEncodeError:
        return ""


def _local(path: Path) -> Counter:
    """Count as a tokenizer.json does: rows as its chat template writes them, or without one by OpenAI's rule."""
    from tuneset.targets.template import open_model, settings_of, templates_of, tokenizer_of  # noqa: PLC0415  it brings jinja2

    folder, held = (path, path / "tokenizer.json") if path.is_dir() else (path.parent, path)
    if not any(templates_of(folder, settings_of(folder / "tokenizer_config.json"))):
        tokenizer = tokenizer_of(held)
        return _ruled(lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids), PER_FUNCTION[ENCODING])
    model = open_model(path)

    def counted(row: Row) -> int:
        rendered = model.render(row["messages"], row.get("tools"))
        if rendered.refused:
            raise Refused(rendered.refused)
        return len(model.tokenizer.encode(rendered.text, add_special_tokens=False).ids)

    return counted


def _transformers(name: str) -> Counter:
    """Let transformers write the tokenizer that it has for a name as a tokenizer.json, and count by that."""
    try:
        package = import_module("transformers")
    except ImportError as error:
        raise TunesetError(
            "this needs the package transformers, which is not installed",
            f"transformers:{name}",
            "pip install transformers, or give the path of the model's tokenizer.json",
        ) from error
    with TemporaryDirectory() as folder:
        try:
            package.AutoTokenizer.from_pretrained(name, local_files_only=True).save_pretrained(folder)
        except (OSError, ValueError) as error:
            what = "transformers has no such tokenizer on this machine"
            raise InputError(what, f"transformers:{name}", f"hf download {name} fetches it") from error
        return _local(Path(folder))


def _mistral(version: str, where: str) -> Counter:
    """Count by mistral-common: its validator for fine-tuning, its writing of turns and tools, its tables."""
    need("mistral_common", "mistral")
    kept = import_module("mistral_common.tokens.tokenizers.mistral").MistralTokenizer
    protocol = "mistral_common.protocol.instruct"
    finetuning = import_module(f"{protocol}.validator").ValidationMode.finetuning
    request = import_module(f"{protocol}.request").ChatCompletionRequest
    refused = (import_module("mistral_common.exceptions").MistralCommonException, ValueError)
    if version in MISTRAL:
        make, options = MISTRAL[version]
        if not options:
            need("sentencepiece", "mistral")
        file = getattr(kept, make)(**options).instruct_tokenizer.tokenizer.file_path
    elif Path(version).is_file():
        file = version
    else:
        raise unknown("tokenizer", f"mistral:{version}", [f"mistral:{each}" for each in MISTRAL], where)
    try:
        tokenizer = kept.from_file(file, mode=finetuning)
    except refused as error:
        raise InputError("this is no tokenizer of Mistral's", str(file), f"fetch it anew ({error})") from error

    def counted(row: Row) -> int:
        messages = [{key: value for key, value in each.items() if key != "weight"} for each in row["messages"]]
        try:
            asked = request.model_validate({"messages": messages, "tools": row.get("tools")})
            return len(tokenizer.encode_chat_completion(asked).tokens)
        except refused as error:
            raise Refused(str(error)) from error

    return counted
