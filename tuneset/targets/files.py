"""Check finished files, whoever wrote them: each by its target's rules, several against each other; mend what can be mended."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import orjson
import polars as pl

from tuneset import __version__, near
from tuneset.certificate import across, search
from tuneset.errors import InputError
from tuneset.folder import whole
from tuneset.shapes import SHAPES, graded, told
from tuneset.shapes.row import UNREADABLE, dumps, words
from tuneset.targets import masks, rules
from tuneset.targets.mend import fitted
from tuneset.targets.table import TARGETS, target

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tuneset.shapes.row import Row
    from tuneset.targets.cost import Cost
    from tuneset.targets.table import Target
    from tuneset.targets.template import Model
    from tuneset.targets.tokens import Tokens

PROBLEMS = pl.Schema([("file", pl.String), *rules.PROBLEMS.items()])
# The target that a file is held to where none is named, by the shape of its first row.
USUAL = {
    "chat": "chat",
    "graded": "openai-rft",
    "preference": "openai-dpo",
    "chosen": "trl-preference",
    "sharegpt": "sharegpt",
    "alpaca": "alpaca",
    "prompt": "trl-prompt-completion",
    "plain": "together-text",
    "gemini": "gemini",
    "converse": "bedrock-nova",
}
_HELD_BACK = ("valid", "val", "dev", "test", "eval")


class Checked(NamedTuple):
    """What is wrong with each file, and by which target."""

    target: Target
    problems: pl.DataFrame  # file, line, rule, severity, says, mend
    rows: dict[str, int]  # lines of each file
    mended: list[Mended]
    tokens: dict[str, Tokens]  # of each file, none where they were not asked for
    cost: Cost | None = None  # of training on the first file

    @property
    def errors(self) -> int:
        """How many problems would be refused, in the mended files where there are any."""
        left = [each.problems for each in self.mended] or [self.problems]
        return sum(int((table["severity"] == "error").sum()) for table in left)


class Bill(NamedTuple):
    """By what tokens are counted and priced."""

    tokenizer: str | None = None  # an encoding, a model, or a folder with tokenizer.json
    model: str | None = None  # the one that is trained, as the target names it
    prices: str | None = None  # a file of prices that overrides ours
    epochs: int | None = None


class Mended(NamedTuple):
    """What mending a file did."""

    file: str
    copy: str  # rows that the target takes
    apart: str | None  # rows that could not be mended, as they were
    done: list[dict[str, Any]]  # line, rule, says
    left: list[dict[str, Any]]  # the same, of rows that could not be mended
    problems: pl.DataFrame  # what is still wrong with the copy


def check(
    files: Sequence[str | Path] | str | Path,
    to: str | None = None,
    *,
    fix: bool = False,
    model: str | Path | None = None,
) -> Checked:
    """Check files against a target, and against each other for rows that stand in both; with `fix` write mended copies.

    `to` names the target; where it is left out, the shape of the first row decides. Of several files the first is
    trained on. `model`, a folder with a tokenizer and a chat template, adds what the model would see of each row: whether
    anything of it is trained, whether the stop token is there, what its template leaves out. A file that cannot be opened is an InputError, everything wrong inside of one is a problem with its line.

    Limits: twins across files are compared by spelling, exactly up to 50,000 rows and by bands beyond.

    >>> import pathlib, tempfile
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "train.jsonl"
    >>> _ = file.write_text('{"messages": [{"role": "human", "content": "hi"}]}')
    >>> check(file, "openai").problems["rule"].to_list()
    ['unknown-role', 'no-assistant', 'too-few-rows']
    """
    paths = [Path(files)] if isinstance(files, str | Path) else [Path(each) for each in files]
    wanted = target(to) if to else _usual(paths[0])
    if wanted.shape == "table":
        raise InputError("a table has no rules of its own to be checked by", "--target", "tuneset peek reads tables")
    tables, counts = [], {}
    for path in paths:
        found = rules.check(path, wanted, side=side_of(path, paths))
        counts[str(path)] = _lines(path)
        tables.append(found.select(pl.lit(str(path)).alias("file"), pl.all()))
    if len(paths) > 1:
        tables.append(_twins(paths, wanted))
    if model is not None:
        tables += [_seen(path, wanted, open_model(model)) for path in paths]
    mended = [mend(path, wanted, side_of(path, paths)) for path in paths] if fix else []
    return Checked(wanted, pl.concat(tables), counts, mended, {})


def priced(found: Checked, bill: Bill) -> Checked:
    """Add the tokens of each file, and what training on the first would cost.

    Counts are an estimate by OpenAI's rule unless `bill` names a tokenizer; 10 us a row.
    """
    from tuneset.targets import cost, tokens  # noqa: PLC0415  their tables take .1 s

    counter = tokens.counter(bill.tokenizer, "--tokenizer") if bill.tokenizer else tokens.of_row
    counted = {file: tokens.file(Path(file), found.target, counter) for file in found.rows}
    first = next(iter(counted.values()))
    named = f"{found.target.name}/{bill.model}" if bill.model else found.target.name
    prices, limit = cost.price_table(Path(bill.prices) if bill.prices else None), found.target.max_tokens
    known = bill.model or named in prices
    billed = cost.cost(first.counts, first.rows, named, prices, bill.epochs, max_tokens=limit) if known else None
    return found._replace(tokens=counted, cost=billed)


def open_model(model: str | Path) -> Model:
    """Open a folder with a tokenizer and a chat template."""
    from tuneset.targets import template  # noqa: PLC0415  jinja2 takes 60 ms

    return template.open_model(model)


def _seen(path: Path, wanted: Target, model: Model) -> pl.DataFrame:
    """Say what of each row does not reach the model, or does not train it; 2 to 10 ms a row."""
    found = [
        (number, rule, says)
        for number, row in _rows(path, wanted)
        for rule, says in masks.seen(row, model, max_tokens=wanted.max_tokens).problems
    ]
    table = rules.weighed(found, wanted, masks.TEMPLATE_RULES)
    return table.select(pl.lit(str(path)).alias("file"), pl.all())


def side_of(path: Path, paths: Sequence[Path]) -> str:
    """Say which side a file is: held back where its name says so, or where it is not the first of several."""
    named = any(word in path.stem.lower() for word in _HELD_BACK)
    return "validation" if named or path != paths[0] else "train"


def _usual(path: Path) -> Target:
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as lines:
            first = next((line for line in lines if line.strip()), "{}")
        raw = orjson.loads(first)
        shape = "graded" if isinstance(raw, dict) and {"messages", graded.ANSWER} <= raw.keys() else told(raw)
    except OSError as error:
        what = f"the file cannot be read: {error.strerror}"
        raise InputError(what, str(path), "check its name and rights") from error
    except orjson.JSONDecodeError as error:
        if path.suffix.lower() in (".csv", ".tsv", ".xlsx", ".parquet", ".arrow"):
            hint = f"tuneset peek {path} shows what it holds, tuneset prepare turns it into files to train on"
            raise InputError("this is a table, not JSON lines", str(path), hint) from error
        shape = None
    return TARGETS[USUAL.get(shape or "chat", "chat")]


def _lines(path: Path) -> int:
    with path.open("rb", buffering=1 << 20) as file:
        return sum(1 for _ in file)


def _rows(path: Path, wanted: Target) -> Iterator[tuple[int, Row]]:
    """Give each row that can be read as a conversation, with its line."""
    shape = SHAPES[wanted.shape]
    with path.open("rb", buffering=1 << 20) as file:
        for number, line in enumerate(file, 1):
            try:
                raw = orjson.loads(line.removeprefix(b"\xef\xbb\xbf"))
            except orjson.JSONDecodeError:
                continue
            if isinstance(raw, dict) and not any(rule in UNREADABLE for rule, _ in shape.problems(raw, wanted)):
                yield number, shape.read(raw, wanted)


def _twins(paths: Sequence[Path], wanted: Target) -> pl.DataFrame:
    """Find rows of one file whose twin stands in another: what the user says is the same, or nearly."""
    places, texts, sides = [], [], []
    for side, path in enumerate(paths):
        for number, row in _rows(path, wanted):
            said = _asked(row)
            if said.strip():
                places.append((str(path), number))
                texts.append(said)
                sides.append(min(side, 2))
    if not texts:
        return pl.DataFrame(schema=PROBLEMS)
    column = pl.Series([text[_shared(texts) :] for text in texts], dtype=pl.String)
    found = across(search(column), np.array(sides, np.int8))
    same = near.normal(column)
    problems: dict[int, rules.Problem] = {}
    for left, right in zip(found.left.tolist(), found.right.tolist(), strict=True):
        first, second = sorted((left, right), key=lambda row: (sides[row], row))
        file, line = places[first]
        rule = "same-in-both" if same[first] == same[second] else "near-twin-across"
        said = (
            f"{'the same' if rule == 'same-in-both' else 'nearly the same'} inquiry stands in {Path(file).name}:{line}"
        )
        if second not in problems or problems[second][1] == "near-twin-across":
            problems[second] = (places[second][1], rule, said)
    names = pl.Series("file", [places[row][0] for row in sorted(problems)], dtype=pl.String)
    return rules.weighed([problems[row] for row in sorted(problems)], wanted).select(names, pl.all())


def _shared(texts: Sequence[str]) -> int:
    """Count the letters with which all texts begin, such as a system's words where the target has no place for them."""
    first, last = min(texts), max(texts)
    if first == last:
        return 0
    return next((at for at, pair in enumerate(zip(first, last, strict=False)) if pair[0] != pair[1]), len(first))


def _asked(row: Row) -> str:
    """Join what the user says; of a text without users, all of it."""
    spoken = [each for each in row["messages"] if isinstance(each, dict)]
    asked = [each for each in spoken if each.get("role") == "user"] or spoken
    contents = [each.get("content") for each in asked]
    return "\n".join(words(each) or "" for each in contents if isinstance(each, str))


def mend(path: Path, wanted: Target, side: str = "train") -> Mended:
    """Write FILE.mended.jsonl with the rows as the target takes them, and FILE.unmended.jsonl with those that cannot be.

    No line is lost: each stands in one of the two files, but for blank lines.
    """
    copy, apart = (path.with_name(f"{path.stem}.{name}.jsonl") for name in ("mended", "unmended"))
    done: list[dict[str, Any]] = []
    left: list[dict[str, Any]] = []
    with (
        path.open("rb") as file,
        whole(copy) as good,
        whole(apart) as bad,
        good.open("wb") as to,
        bad.open("wb") as aside,
    ):
        listed = rules.rows_of_list(file, path.stat().st_size)
        for number, line in enumerate(file if listed is None else listed, 1):
            written, said = _mended(line, wanted)
            if written is None and any(rule != "blank-line" for rule, _ in said):
                left += [{"line": number, "rule": rule, "says": says} for rule, says in said]
                aside.write(line.rstrip(b"\r\n") + b"\n")
                continue
            done += [{"line": number, "rule": rule, "says": says} for rule, says in said]
            if written is not None:
                to.write(written.encode() + b"\n")
    if not left:
        apart.unlink()
    return Mended(str(path), str(copy), str(apart) if left else None, done, left, rules.check(copy, wanted, side=side))


def _mended(line: bytes, wanted: Target) -> tuple[str | None, list[tuple[str, str]]]:
    """Give a line as the target takes it, None where it cannot be, and what was done or why not."""
    said: list[tuple[str, str]] = []
    if not line.strip():
        return None, [("blank-line", "a blank line is left out")]
    if line.startswith(b"\xef\xbb\xbf"):
        line, said = line[3:], [("byte-order-mark", "the byte-order mark is left out")]
    try:
        text = line.decode()
    except UnicodeDecodeError:
        text = line.decode("cp1252", errors="replace")
        said.append(("not-utf-8", "read as Windows-1252 and written as UTF-8"))
    try:
        raw = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return None, [("not-json", f"{error.msg}, at character {error.pos + 1} of the line")]
    name = wanted.shape if isinstance(raw, dict) and raw.keys() >= SHAPES[wanted.shape].KEYS else told(raw)
    if name is None:
        return None, [("no-messages", "this is no row of a known shape")]
    if name != wanted.shape:
        said.append(("no-messages", f"read as {SHAPES[name].NAME}"))
    shape, reader = SHAPES[name], wanted if name == wanted.shape else TARGETS[USUAL.get(name, "chat")]
    wrong = [each for each in shape.problems(raw, reader) if each[0] in UNREADABLE]
    if wrong:
        return None, wrong
    fit = fitted(shape.read(raw, reader), wanted)
    if fit.row is None:
        return None, list(fit.said)
    written = SHAPES[wanted.shape].write(fit.row, wanted)
    return (text.strip() if written == raw and not fit.said else dumps(written)), [*said, *fit.said]


def sarif(checked: Checked) -> dict[str, Any]:
    """Write the problems as SARIF 2.1.0, which code hosts show beside the lines.

    Source: OASIS, Static Analysis Results Interchange Format 2.1.0.
    """
    used = sorted(set(checked.problems["rule"]))
    results = [
        {
            "ruleId": row["rule"],
            "level": row["severity"],
            "message": {"text": f"{row['says']}; {row['mend']}"},
            "locations": [_location(row["file"], row["line"])],
        }
        for row in checked.problems.iter_rows(named=True)
    ]
    described = [
        {
            "id": rule,
            "shortDescription": {"text": rule.replace("-", " ")},
            "help": {"text": (rules.RULES | masks.TEMPLATE_RULES)[rule].mend},
        }
        for rule in used
    ]
    driver = {"name": "tuneset", "version": __version__, "rules": described}
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": results}],
    }


def _location(file: str, line: int | None) -> dict[str, Any]:
    region = {} if line is None else {"region": {"startLine": line}}
    return {"physicalLocation": {"artifactLocation": {"uri": Path(file).as_posix()}, **region}}
