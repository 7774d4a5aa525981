"""Count the tokens of examples offline, as an estimate until a model is named."""

from __future__ import annotations

import sys
from functools import cache, lru_cache
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from tuneset.shapes.row import OFFERED
from tuneset.targets.lines import lines

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy.typing as npt
    import polars as pl

ENCODING = "o200k_base"
PER_MESSAGE = 3  # <|start|>, the end of the role, the end of the message
PER_REPLY = 3  # the reply is primed with <|start|>assistant<|message|>
PER_NAME = 1


def count(examples: pl.DataFrame, system: str | None = None) -> npt.NDArray[np.int64]:
    """Estimate how many tokens each example has when it is written as chat.

    Gives one number per example, in their order: o200k_base tokens counted as the OpenAI cookbook does, 3 per message,
    its role, content and name, and 3 for the reply. `system` is what `lines` is given. An example without text or
    answer counts what it has.

    Source: OpenAI cookbook, "How to count tokens with tiktoken", which calls the counts "an estimate, not a timeless
    guarantee". Limits: other vendors' tokenizers differ; images are not counted; definitions and calls of tools are
    counted as their JSON, a little more than a platform charges. 1,000,000 short texts take about 3 s on one core.

    >>> import polars as pl
    >>> rows = pl.DataFrame({"text": ["Where is it?"], "label": ["Orders"], "messages": [None], "extra": [None]})
    >>> count(rows).tolist()
    [16]
    """
    many = examples["messages"].is_not_null().to_numpy()
    counted = np.zeros(examples.height, dtype=np.int64)
    counted[many] = _conversations(examples.filter(many), system)
    counted[~many] = _tables(examples.filter(~many), system)
    return counted


def spread(counted: npt.NDArray[np.int64], limit: int) -> dict[str, Any] | None:
    """Sum up counts for the report: the total, the median, the bins, and how many examples are over the limit.

    Twelve bins of one width, from nothing to the 99th percentile; the last takes the rest. None without examples.

    >>> spread(np.array([16, 20, 90]), limit=64)["over"]
    1
    """
    if not counted.size:
        return None
    edges = np.unique(np.ceil(np.linspace(0, max(np.quantile(counted, 0.99), 1), 13)).astype(np.int64))
    edges[-1] = max(edges[-1], counted.max() + 1)
    rows, _ = np.histogram(counted, bins=edges)
    return {
        "encoding": ENCODING,
        "estimate": True,
        "total": int(counted.sum()),
        "median": int(np.median(counted)),
        "p95": int(np.quantile(counted, 0.95)),
        "max": int(counted.max()),
        "limit": limit,
        "over": int((counted > limit).sum()),
        "bins": [
            {"from": int(start), "to": int(end), "rows": int(n)}
            for start, end, n in zip(edges, edges[1:], rows, strict=False)
        ],
    }


def of_texts(texts: pl.Series) -> npt.NDArray[np.int64]:
    """Count the tokens of each text alone; a null has none.

    >>> import polars as pl
    >>> of_texts(pl.Series(["Where is my order?", "", None])).tolist()
    [5, 0, 0]
    """
    return np.fromiter(map(_counter(), texts.fill_null("").to_list()), dtype=np.int64, count=len(texts))


def of_row(row: Mapping[str, Any]) -> int:
    """Count the tokens of one line's object by the same rule as `count`.

    >>> of_row({"messages": [{"role": "user", "content": "Where is it?"}, {"role": "assistant", "content": "Orders"}]})
    16
    """
    offered = {key: row[key] for key in OFFERED if row.get(key)}
    return _of_messages(row["messages"]) + (_of_value(offered) if offered else 0)


def _tables(examples: pl.DataFrame, system: str | None) -> npt.NDArray[np.int64]:
    around = PER_REPLY + _message("user", "") + _message("assistant", "")
    around += 0 if system is None else _message("system", system)
    answers = examples["label"].fill_null("")
    distinct = answers.unique()
    counted: npt.NDArray[np.int64] = answers.replace_strict(distinct, of_texts(distinct)).to_numpy()
    return counted + of_texts(examples["text"]) + around


def _conversations(examples: pl.DataFrame, system: str | None) -> npt.NDArray[np.int64]:
    """Count the very lines that are written; parsing each is a tenth of the work."""
    counts = (of_row(orjson.loads(line)) for line in lines(examples, system).to_list())
    return np.fromiter(counts, dtype=np.int64, count=examples.height)


def _of_messages(messages: list[Any]) -> int:
    return PER_REPLY + sum(
        PER_MESSAGE + sum(map(_of_value, message.values())) + PER_NAME * ("name" in message)
        if isinstance(message, dict)
        else _of_value(message)
        for message in messages
    )


def _message(role: str, content: str) -> int:
    return PER_MESSAGE + _of_value(role) + _of_value(content)


def _of_value(value: Any) -> int:
    if isinstance(value, str):
        return _remembered(value)
    if value is None or isinstance(value, (int, float)):  # such as weight: no text of the message
        return 0
    if isinstance(value, list):
        return sum(map(_of_value, value))
    if value.get("type") in ("text", "image_url"):  # a part of content; an image is counted by its pixels, if at all
        return _of_value(value.get("text"))
    return _counter()(orjson.dumps(value).decode())


@lru_cache(1024)
def _remembered(text: str) -> int:
    """Count roles, system texts and common answers once: half the time of a conversation."""
    return _counter()(text)


@cache
def _counter() -> Callable[[str], int]:
    """Load the compiled tokenizer alone: 0.1 s.

    `import bpe_openai` takes 1.1 s, since it also reads its tables in Python, and warns on Python 3.11.
    """
    name = "bpe_openai._bindings"
    bindings = sys.modules.get(name)
    if bindings is None:
        package = find_spec("bpe_openai")
        spec = PathFinder.find_spec(name, package.submodule_search_locations if package else None)
        if spec is None or spec.loader is None:
            raise ImportError(f"no {name}: bpe-openai is missing or has changed its layout")
        bindings = module_from_spec(spec)
        spec.loader.exec_module(bindings)
    counter: Callable[[str], int] = bindings.tokenizer_for_encoding(ENCODING).count
    return counter
