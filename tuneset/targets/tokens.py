"""How many tokens examples have, of a frame and of a file, counted offline; and how they spread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import orjson

from tuneset.errors import InputError
from tuneset.shapes import SHAPES
from tuneset.shapes.row import ANSWER, UNREADABLE, parted
from tuneset.targets import talk
from tuneset.targets.counters import ENCODING, Refused, of_text, openai
from tuneset.targets.lines import lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from typing import BinaryIO

    import numpy.typing as npt
    import polars as pl

    from tuneset.shapes.row import Row
    from tuneset.targets.counters import Counter
    from tuneset.targets.table import Target

LONGEST = 5


class Tokens(NamedTuple):
    """How many tokens the examples of a file have: all together, and each with its line."""

    rows: int
    unread: int  # lines that are no row of the target; blank ones are passed over
    refused: int  # rows that the model's chat form does not take
    total: int
    trained_upper: int  # of the rows in which any answer trains: no more can count in the loss
    median: int
    p95: int
    max: int
    limit: int  # the target's for one example; 0 where it has none
    over: int  # examples beyond the limit
    longest: list[tuple[int, int]]  # line and tokens of the longest few
    lines: npt.NDArray[np.int64]
    counts: npt.NDArray[np.int64]


def count(examples: pl.DataFrame, system: str | None = None) -> npt.NDArray[np.int64]:
    """Estimate how many tokens each example has when it is written as chat.

    Gives one number per example, in their order: o200k_base tokens counted as the OpenAI cookbook does, 3 per message,
    its role, content and name, and 3 for the reply; definitions of tools by its table. `system` is what `lines` is
    given. An example without text or answer counts what it has.

    Source: OpenAI cookbook, "How to count tokens with tiktoken", which calls the counts "an estimate, not a timeless
    guarantee". Limits: other vendors' tokenizers differ (see `counters.counter`); images count by the tiles of gpt-4o and gpt-4.1
    (`images.tokens`), those behind a URL nothing; calls of tools are counted as their JSON, a little more than a platform
    charges. 1,000,000 short texts take about 3 s on one core.

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
    return np.fromiter(map(of_text(ENCODING), texts.fill_null("").to_list()), dtype=np.int64, count=len(texts))


def of_row(row: Mapping[str, Any]) -> int:
    """Count the tokens of one line's object by the same rule as `count`.

    >>> of_row({"messages": [{"role": "user", "content": "Where is it?"}, {"role": "assistant", "content": "Orders"}]})
    16
    """
    return openai(ENCODING)(dict(row))


def file(path: Path, target: Target, counter: Counter = of_row) -> Tokens:
    """Count the tokens of each example of a finished file.

    The file is streamed; what is held is one line, and two numbers per example. Of a preference pair the longer of the
    two conversations counts: that is what a limit cuts. Errors: InputError for a file that cannot be opened, and for a
    target that is a table. 100,000 short lines of chat take about 1 s.

    >>> from tuneset.targets.table import TARGETS
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "train.jsonl"
    ...     _ = path.write_text('{"messages": [{"role": "assistant", "content": "Orders"}]}')
    ...     counted = file(path, TARGETS["openai"])
    >>> counted.rows, counted.total, counted.over
    (1, 8, 0)
    """
    if target.shape not in SHAPES:
        raise InputError("a table has no examples of chat to count", str(path), "count the tokens of another target's")
    try:
        with path.open("rb", buffering=1 << 20) as opened:
            found = np.fromiter(_counted(opened, target, counter), dtype=_LINE)
    except OSError as error:
        raise InputError(
            f"the file cannot be read: {error.strerror}", str(path), "check its name and rights"
        ) from error
    return _summed(found, target.max_tokens)


# A line of a file: its tokens (or why it has none), and whether an answer in it trains.
_LINE = np.dtype([("line", np.int64), ("tokens", np.int64), ("trains", np.bool_)])
_UNREAD, _REFUSED = -1, -2


def _counted(opened: BinaryIO, target: Target, counter: Counter) -> Iterator[tuple[int, int, bool]]:
    quick, loads = talk.takes_ordinary(target), orjson.loads
    for number, line in enumerate(opened, 1):
        if not line.strip():
            continue
        try:
            raw = loads(line.removeprefix(b"\xef\xbb\xbf"))
            # most rows are ordinary, and known to be so in 0.6 us, a tenth of what reading takes
            yield number, *((counter(raw), True) if quick and talk.ordinary(raw) else _of_raw(raw, target, counter))
        except orjson.JSONDecodeError:
            yield number, _UNREAD, False
        except Refused:
            yield number, _REFUSED, False


def _of_raw(raw: Any, target: Target, counter: Counter) -> tuple[int, bool]:
    shape = SHAPES[target.shape]
    if not isinstance(raw, dict) or any(rule in UNREADABLE for rule, _ in shape.problems(raw, target)):
        return _UNREAD, False
    row = shape.read(raw, target)
    told = [row["messages"], *_other(row)]
    if not all(isinstance(message, dict) for messages in told for message in messages):
        return _UNREAD, False
    return max(counter(row | {"messages": messages}) for messages in told), _trains(row)


def _other(row: Row) -> Iterator[list[Any]]:
    """Give the conversation with the answer not to give, which stands where the last one of the assistant does."""
    if row.get("rejected"):
        asked = row["messages"] if ANSWER not in row else parted(row)[0]
        while asked and isinstance(asked[-1], dict) and asked[-1].get("role") == "assistant":
            asked = asked[:-1]
        yield [*asked, *row["rejected"]]


def _trains(row: Row) -> bool:
    return any(each.get("role") == "assistant" and each.get("weight", 1) != 0 for each in row["messages"])


def _summed(found: npt.NDArray[np.void], limit: int) -> Tokens:
    good = found[found["tokens"] >= 0]
    counts, numbers = good["tokens"].copy(), good["line"].copy()
    longest = np.argsort(-counts, kind="stable")[:LONGEST]
    some = counts if counts.size else np.zeros(1, np.int64)
    return Tokens(
        rows=counts.size,
        unread=int((found["tokens"] == _UNREAD).sum()),
        refused=int((found["tokens"] == _REFUSED).sum()),
        total=int(counts.sum()),
        trained_upper=int(counts[good["trains"]].sum()),
        median=int(np.median(some)),
        p95=int(np.quantile(some, 0.95)),
        max=int(some.max()),
        limit=limit,
        over=int((counts > limit).sum()) if limit else 0,
        longest=list(zip(numbers[longest].tolist(), counts[longest].tolist(), strict=True)),
        lines=numbers,
        counts=counts,
    )


def _tables(examples: pl.DataFrame, system: str | None) -> npt.NDArray[np.int64]:
    bare: list[Any] = [{"role": "user", "content": ""}, {"role": "assistant", "content": ""}]
    around = of_row({"messages": bare if system is None else [{"role": "system", "content": system}, *bare]})
    answers = examples["label"].fill_null("")
    distinct = answers.unique()
    counted: npt.NDArray[np.int64] = answers.replace_strict(distinct, of_texts(distinct)).to_numpy()
    return counted + of_texts(examples["text"]) + around


def _conversations(examples: pl.DataFrame, system: str | None) -> npt.NDArray[np.int64]:
    """Count the very lines that are written; parsing each is a tenth of the work."""
    counts = map(openai(ENCODING), map(orjson.loads, lines(examples, system).to_list()))
    return np.fromiter(counts, dtype=np.int64, count=examples.height)
