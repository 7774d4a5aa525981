"""Check finished files, whoever wrote them: each by its target's rules, several against each other."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import orjson
import polars as pl

from tuneset import near
from tuneset.certificate import across, search
from tuneset.errors import InputError
from tuneset.shapes import SHAPES
from tuneset.shapes.row import UNREADABLE, words
from tuneset.targets import masks, rules, separated
from tuneset.targets.beside import held_back
from tuneset.targets.copies import Mended, mend
from tuneset.targets.first import first, usual
from tuneset.targets.table import target

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tuneset.shapes.row import Row
    from tuneset.targets.cost import Cost
    from tuneset.targets.table import Target
    from tuneset.targets.template import Model
    from tuneset.targets.tokens import Tokens

PROBLEMS = pl.Schema([("file", pl.String), *rules.PROBLEMS.items()])
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
    wanted = target(to) if to else usual(paths[0])
    if model is not None and wanted.shape == "table":
        raise InputError("a model does not read a table", "--model", "leave it out, or check an export for a trainer")
    opened = None if model is None else open_model(model)
    found = _found(paths, wanted, opened)
    mended = _mended_all(paths, wanted, opened) if fix else []
    return Checked(wanted, found, {str(path): _lines(path) for path in paths}, mended, {})


def _found(paths: Sequence[Path], wanted: Target, model: Model | None) -> pl.DataFrame:
    """Find what is wrong with each file, between them, and by the model where one is given."""
    tables = [_of(path, _one(path, wanted, side_of(path, paths))) for path in paths]
    if len(paths) > 1:
        tables += [_twins(paths, wanted), *_held_back(paths, wanted)]
    return pl.concat([*tables, *(_seen(path, wanted, model) for path in paths if model)])


def _of(path: Path, found: pl.DataFrame) -> pl.DataFrame:
    return found.select(pl.lit(str(path)).alias("file"), pl.all())


def _mended_all(paths: Sequence[Path], wanted: Target, model: Model | None) -> list[Mended]:
    """Mend each file, and find what is still wrong with the copies, as with any files that stand side by side."""
    made = [mend(path, wanted) for path in paths]
    left = _found([Path(each.copy) for each in made], wanted, model)
    return [each._replace(problems=left.filter(file=each.copy).drop("file")) for each in made]


def _one(path: Path, wanted: Target, side: str) -> pl.DataFrame:
    if wanted.shape == "table":
        return separated.check(path, wanted)
    first(path)  # a table is no file of a thousand broken lines
    return rules.check(path, wanted, side=side)


def _held_back(paths: Sequence[Path], wanted: Target) -> list[pl.DataFrame]:
    """Hold each validation file against the file that is trained on, by their rows; a test file stays at home."""
    held = validation_of(paths) if wanted.validation_share else []
    return [_of(path, held_back(_lines(paths[0]), _lines(path), wanted)) for path in held]


def priced(found: Checked, bill: Bill) -> Checked:
    """Add the tokens of each file, and what training on the first would cost; of a table only where `bill` asks.

    Counts are an estimate by OpenAI's rule unless `bill` names a tokenizer; 10 us a row. No cost where no row was read.
    """
    from tuneset.targets import cost, counters, tokens  # noqa: PLC0415  their tables take .1 s

    if found.target.shape == "table" and bill == Bill():
        return found
    counter = counters.counter(bill.tokenizer, "--tokenizer") if bill.tokenizer else tokens.of_row
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
    return _of(path, rules.weighed(found, wanted, masks.TEMPLATE_RULES))


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
