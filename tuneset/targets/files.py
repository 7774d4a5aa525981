"""Check finished files, whoever wrote them: each by its target's rules, several against each other; mend what can be mended."""

from __future__ import annotations

import codecs
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import numpy as np
import orjson
import polars as pl

from tuneset import __version__, near
from tuneset.certificate import across, search
from tuneset.errors import InputError
from tuneset.folder import whole
from tuneset.shapes import SHAPES, graded, told
from tuneset.shapes.row import UNREADABLE, dumps, words
from tuneset.targets import masks, rules, separated
from tuneset.targets.beside import held_back
from tuneset.targets.mend import fitted, unlearned
from tuneset.targets.table import TARGETS, target

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

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

    `to` names the target; where it is left out, the shape of the first row decides, and a table is a CSV only where
    csv is named. Of several files the first is trained on. `model`, a folder with a tokenizer and a chat template, adds what the model would see of each row: whether
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
    if model is not None and wanted.shape == "table":
        raise InputError("a model does not read a table", "--model", "leave it out, or check an export for a trainer")
    tables, counts = [], {}
    for path in paths:
        found = _one(path, wanted, side_of(path, paths))
        counts[str(path)] = _lines(path)
        tables.append(found.select(pl.lit(str(path)).alias("file"), pl.all()))
    if len(paths) > 1:
        tables += [_twins(paths, wanted), *_held_back(paths, counts, wanted)]
    if model is not None:
        tables += [_seen(path, wanted, open_model(model)) for path in paths]
    mended = [mend(path, wanted, side_of(path, paths)) for path in paths] if fix else []
    return Checked(wanted, pl.concat(tables), counts, mended, {})


def _one(path: Path, wanted: Target, side: str) -> pl.DataFrame:
    if wanted.shape == "table":
        return separated.check(path, wanted)
    _first(path)  # a table is no file of a thousand broken lines
    return rules.check(path, wanted, side=side)


def _held_back(paths: Sequence[Path], rows: Mapping[str, int], wanted: Target) -> list[pl.DataFrame]:
    """Hold each validation file against the file that is trained on, by their rows; a test file stays at home."""
    return [
        held_back(rows[str(paths[0])], rows[str(path)], wanted).select(pl.lit(str(path)).alias("file"), pl.all())
        for path in validation_of(paths)
    ]


def priced(found: Checked, bill: Bill) -> Checked:
    """Add the tokens of each file, and what training on the first would cost; of a table only where `bill` asks.

    Counts are an estimate by OpenAI's rule unless `bill` names a tokenizer; 10 us a row. No cost where no row was read.
    """
    from tuneset.targets import cost, tokens  # noqa: PLC0415  their tables take .1 s

    if found.target.shape == "table" and bill == Bill():
        return found
    counter = tokens.counter(bill.tokenizer, "--tokenizer") if bill.tokenizer else tokens.of_row
    counted = {file: tokens.file(Path(file), found.target, counter) for file in found.rows}
    paths = [Path(file) for file in found.rows]
    first, held = counted[str(paths[0])], [counted[str(path)].counts for path in validation_of(paths)]
    named = f"{found.target.name}/{bill.model}" if bill.model else found.target.name
    prices = cost.price_table(Path(bill.prices) if bill.prices else None)
    if not first.rows or not (bill.model or named in prices):
        return found._replace(tokens=counted)
    validation, limit = held[0] if held else None, found.target.max_tokens
    billed = cost.cost(first.counts, first.rows, named, prices, bill.epochs, max_tokens=limit, validation=validation)
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


def validation_of(paths: Sequence[Path]) -> list[Path]:
    """List the files that a platform would take beside the one that is trained on.

    >>> [path.name for path in validation_of([Path("train.jsonl"), Path("dev.jsonl"), Path("test.jsonl")])]
    ['dev.jsonl']
    """
    if side_of(paths[0], paths) != "train":
        return []
    return [path for path in paths[1:] if "test" not in path.stem.lower()]


def _usual(path: Path) -> Target:
    raw = _first(path)
    shape = "graded" if isinstance(raw, dict) and {"messages", graded.ANSWER} <= raw.keys() else told(raw)
    return TARGETS[USUAL.get(shape or "chat", "chat")]


def _first(path: Path) -> Any:
    """Parse the first line that is not blank; None where it is broken, and no table either."""
    try:
        with path.open(encoding="utf-16" if is_utf_16(path) else "utf-8-sig", errors="replace") as lines:
            return orjson.loads(next((line for line in lines if line.strip()), "{}"))
    except OSError as error:
        what = f"the file cannot be read: {error.strerror}"
        raise InputError(what, str(path), "check its name and rights") from error
    except orjson.JSONDecodeError as error:
        if path.suffix.lower() in (".csv", ".tsv", ".xlsx", ".parquet", ".arrow"):
            hint = f"tuneset peek {path} shows what it holds, tuneset prepare turns it into files to train on"
            raise InputError("this is a table, not JSON lines", str(path), hint) from error
        return None


def is_utf_16(path: Path) -> bool:
    """Say whether a file begins with the mark of UTF-16."""
    with path.open("rb") as file:
        return file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def _lines(path: Path) -> int:
    with path.open("rb", buffering=1 << 20) as file:
        return sum(1 for _ in file)


def _rows(path: Path, wanted: Target) -> Iterator[tuple[int, Row]]:
    """Give each row that can be read as a conversation, with its line; of a table its texts, as a user's."""
    if wanted.shape == "table":
        yield from ((line, {"messages": [{"role": "user", "content": text}]}) for line, text in separated.texts(path))
        return
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

    No line is lost: each stands in one of the two files, but for blank lines. Of a table both are CSV.
    """
    ending = "csv" if wanted.shape == "table" else "jsonl"
    copy, apart = (path.with_name(f"{path.stem}.{name}.{ending}") for name in ("mended", "unmended"))
    if wanted.shape == "table":
        return _mended_table(path, wanted, copy, apart)
    done: list[dict[str, Any]] = []
    left: list[dict[str, Any]] = []
    with (
        _opened(path, done) as file,
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


def _mended_table(path: Path, wanted: Target, copy: Path, apart: Path) -> Mended:
    made = separated.mend(path, copy, apart)
    done, left = (
        [{"line": line, "rule": rule, "says": says} for line, rule, says in part] for part in (made.done, made.left)
    )
    return Mended(str(path), str(copy), str(apart) if made.apart else None, done, left, separated.check(copy, wanted))


def _opened(path: Path, done: list[dict[str, Any]]) -> BinaryIO:
    """Open a file; one in UTF-16 is held as UTF-8, and that is said."""
    if not is_utf_16(path):
        return path.open("rb")
    done.append({"line": None, "rule": "not-utf-8", "says": "the file is read as UTF-16 and written as UTF-8"})
    return io.BytesIO(path.read_bytes().decode("utf-16", errors="replace").encode())


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
    row = shape.read(raw, reader)
    fit = fitted(row, wanted)
    if fit.row is None:
        return None, list(fit.said)
    written = SHAPES[wanted.shape].write(fit.row, wanted)
    unsaid = unlearned(row, fit.row, wanted) if name != wanted.shape else ()
    return (text.strip() if written == raw and not fit.said else dumps(written)), [*said, *fit.said, *unsaid]


def sarif(checked: Checked) -> dict[str, Any]:
    """Write the problems as SARIF 2.1.0, which code hosts show beside the lines.

    Source: OASIS, Static Analysis Results Interchange Format 2.1.0.
    """
    mends = dict(checked.problems.select("rule", "mend").sort("rule").iter_rows())
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
            "help": {"text": mend},
        }
        for rule, mend in mends.items()
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
