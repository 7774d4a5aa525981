"""What can be wrong with a file, how grave it is, and the check that reads a finished file against a target."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, NamedTuple

import orjson
import polars as pl

from tuneset.errors import InputError
from tuneset.shapes import SHAPES, told
from tuneset.shapes.row import UNREADABLE, kind, listed
from tuneset.targets import talk, tokens
from tuneset.targets.answers import Answers
from tuneset.targets.table import TARGETS, Target

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from tuneset.shapes.row import Said

Problem = tuple[int | None, str, str]  # line (null: the whole file), rule, what is wrong

PROBLEMS = pl.Schema(
    {"line": pl.Int64, "rule": pl.String, "severity": pl.String, "says": pl.String, "mend": pl.String},
)


class Rule(NamedTuple):
    """How grave a problem is where a target does not say otherwise, and what to do about it, whatever the target.

    How a thing is written in a shape of row stands there, as its `FORMS`.
    """

    severity: Literal["error", "warning", "fine"]
    mend: str


# An error: a platform that reads this shape refuses the file, or the row cannot teach what it is meant to.
# A warning: some refuse it or read it otherwise, and others train on it as it is. Fine: only some targets mind.
RULES = {
    "empty-file": Rule("error", "write at least one example"),
    "too-few-rows": Rule("warning", "add examples"),
    "too-large": Rule("error", "split the file, or take fewer examples"),
    "byte-order-mark": Rule("warning", "leave it out: most parsers refuse it"),
    "blank-line": Rule(
        "error", "take the line out: OpenAI asks for an object on every line, and so did Together until 2.14"
    ),
    "not-utf-8": Rule("error", "save the file as UTF-8"),
    "not-json": Rule("error", "write one whole JSON object per line"),
    "one-list": Rule("error", "write one object a line: --fix does; some trainers read a list from a file named .json"),
    "not-an-object": Rule("error", "write each line as one object"),
    "no-messages": Rule("error", "turn the rows into this shape, or choose the target that fits them"),
    "mixed-shapes": Rule("error", "keep one shape of row per file: the others are refused, or not read"),
    "empty-messages": Rule("error", "take the line out, or give it messages"),
    "message-not-an-object": Rule("error", "write each message as an object"),
    "unknown-role": Rule("error", "use the names that the target has for who speaks"),
    "role-by-another-name": Rule("error", "use the target's own name for who speaks: --fix does"),
    "unknown-key": Rule("warning", "take it out: some targets refuse what they do not know, others pass over it"),
    "missing-content": Rule("error", "give it its text; only a message that calls a tool needs none"),
    "empty-content": Rule("error", "give the message text, or drop the example"),
    "content-not-text": Rule("error", "write it as text"),
    "content-in-parts": Rule("fine", "write the text as a string: chat templates for text alone join it to strings"),
    "content-beside-call": Rule(
        "warning",
        "give the words a message of their own: Mistral's older tokenizers refuse them here, and ShareGPT has no place for them",
    ),
    "no-assistant": Rule("error", "end the example with the answer to learn"),
    "last-not-assistant": Rule("error", "end the example with the answer, or cut what follows it"),
    "system-not-first": Rule("warning", "put it first"),
    "assistant-first": Rule("warning", "start with the user, or leave out what comes before"),
    "call-before-user": Rule("fine", "begin with what the user asks: the call is not paired with its answer there"),
    "same-role-twice": Rule("warning", "join the two: many targets and chat templates want the speakers to take turns"),
    "name-not-text": Rule("error", "write the name of who speaks as text, or leave it out"),
    "null-key": Rule("fine", "leave the key out"),
    "bad-parallel-calls": Rule("error", "write true or false, or leave it out"),
    "weight-not-0-or-1": Rule("error", "write the weight as 0 or 1, or leave it out"),
    "weight-not-on-assistant": Rule("warning", "take it off: only answers are learned"),
    "all-weights-zero": Rule("error", "give one assistant message the weight 1, or drop the example"),
    "bad-tool-call": Rule("error", "write each call whole"),
    "arguments-not-json": Rule(
        "error", "give one JSON object as the arguments; in a string, where the target reads calls as OpenAI does"
    ),
    "call-id-not-9-letters": Rule("warning", "give it 9 letters or digits: Mistral takes no other"),
    "call-id-twice": Rule("fine", "give each call of the conversation an id of its own"),
    "function-name-not-taken": Rule(
        "warning", "name functions with up to 64 letters, digits, _ and -: many platforms take no other"
    ),
    "call-without-reply": Rule("error", "follow the call with the tool's answer, by the same id where calls have ids"),
    "tool-reply-without-call": Rule(
        "error", "let it answer a call just before it, by the same id where calls have ids"
    ),
    "undeclared-tool": Rule("error", "declare the function in the row's tools: the model should see what it calls"),
    "bad-tools": Rule("error", "write tools as a list of functions, each with a name"),
    "too-many-tokens": Rule("error", "shorten or split the example: it is cut from the end, where the answer is"),
    "settings-not-object": Rule(
        "error", 'write them as an object, such as {"enable_thinking": false}, or leave them out'
    ),
    "arguments-not-object": Rule("error", "write arguments as an object: TRL's templates print a string quoted"),
    "bad-pair": Rule("error", "give the answer to prefer and the one that was rejected, one message each"),
    "input-ends-with-answer": Rule("error", "end the input with what is asked: the answer stands beside it"),
    "nothing-to-grade": Rule(
        "error", "put what the grader compares with beside the messages, such as reference_answer"
    ),
    "wrong-version": Rule("error", 'write "schemaVersion": "bedrock-conversation-2024"'),
    "mixed-keys": Rule(
        "error", "give the key to every row or to none: Amazon's validator refuses a mixture, and TRL falls over it"
    ),
    "no-input": Rule("error", 'write "input": "" where there is none: some readers fall over a row without it'),
    "no-user": Rule("fine", "begin with what the user says"),
    "no-parameters": Rule("fine", 'declare "parameters": {"type": "object", "properties": {}} where there are none'),
    "no-description": Rule("fine", "say in a sentence what the function does"),
    "no-type": Rule("fine", 'write "type": "object" into the parameters'),
    "bad-schema": Rule("warning", "write the parameters as JSON Schema: known types, each required name once"),
    "tool-declared-twice": Rule("warning", "declare each function once: nobody can tell which of the two is meant"),
    "required-not-declared": Rule("warning", "declare the property, or take its name out of required"),
    "arguments-against-schema": Rule(
        "warning", "mend the call or the declaration: the model learns to break its own tools"
    ),
    "several-systems": Rule("fine", "join them into one"),
    "several-calls": Rule("fine", "make one call at a time: each answer must follow its call there"),
    "too-many-turns": Rule(
        "error", "cut the conversation to one question and its answer, or choose a target for conversations"
    ),
    "image-not-taken": Rule("error", "choose a target that takes images, or leave the row out"),
    "image-not-by-user": Rule("error", "show images in the user's messages only"),
    "image-not-reachable": Rule("error", "show it by a URL of a kind that the target takes"),
    "image-kind-not-taken": Rule("error", "save it as PNG or JPEG, which every target takes"),
    "image-without-owner": Rule("fine", 'name the account that owns the bucket, as "bucketOwner" beside its uri'),
    "image-of-another-kind": Rule("warning", "name the kind that it is: some readers believe the name"),
    "image-too-large": Rule("error", "make it smaller"),
    "image-with-weight": Rule("fine", "take the weight off the message, or write 0"),
    "mixed-content": Rule("fine", "write every content as a list of parts, where one is; --fix and export do"),
    "too-many-images": Rule("error", "show fewer images in one example"),
    "bad-image": Rule("error", "write all of its bytes as base64"),
    "reserved-word": Rule("error", "reword it: these words mark turns there, and make the job fail"),
    "too-many-rows": Rule("error", "take fewer rows: tuneset select RUN --rows N chooses the ones that say most"),
    "answer-not-json": Rule(
        "warning", "write the answer as the others are written, or the model learns two ways to answer"
    ),
    "answer-other-keys": Rule("warning", "give the answer the keys that the other answers have"),
    "same-in-both": Rule("error", "take it out of one of the files: the score would count what was learned by heart"),
    "near-twin-across": Rule("warning", "keep both in one file: tuneset prepare splits so that no twin looks across"),
}


def check(path: Path, target: Target = TARGETS["chat"], *, side: str = "train") -> pl.DataFrame:
    """Read a finished file line by line and say what its platform, or any that reads this shape, would refuse.

    Gives one row per problem in the order of the file: `line` (from 1; null for the whole file), `rule`, `severity`
    (error or warning), `says` and `mend`. The file is streamed; what is held is one line, its parse and the problems.
    1,000,000 short lines of chat take 2 s on one core, of other shapes about 20. `side`: a minimum of rows is asked of
    the file that is trained on only. Errors: InputError for a file that cannot be opened.

    Limits: tokens are an estimate and only lines that could exceed the limit are counted; of an image the first bytes and
    the size are looked at, where the file holds it: nothing is fetched. The rules for tools and images say what they skip.

    >>> import pathlib, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> file = pathlib.Path(folder.name) / "train.jsonl"
    >>> _ = file.write_text('{"messages": []}')
    >>> check(file).select("line", "rule", "severity").rows()
    [(1, 'empty-messages', 'error'), (None, 'too-few-rows', 'warning')]
    >>> folder.cleanup()
    """
    try:
        with path.open("rb", buffering=1 << 20) as file:
            found = list(_problems(file, path.stat().st_size, target, side))
    except OSError as error:
        raise InputError(
            f"the file cannot be read: {error.strerror}", str(path), "check its name and rights"
        ) from error
    return weighed(found, target)


def weighed(found: Sequence[Problem], target: Target, known: Mapping[str, Rule] = RULES) -> pl.DataFrame:
    """Say how grave each problem is for a target, and what to do; what is fine there is left out."""
    plain = pl.DataFrame(found, schema={name: PROBLEMS[name] for name in ("line", "rule", "says")}, orient="row")
    graver = {
        name: target.severity(name, None if rule.severity == "fine" else rule.severity) for name, rule in known.items()
    }
    forms = SHAPES[target.shape].FORMS if target.shape in SHAPES else {}
    mends = {name: f"{rule.mend}: {forms[name]}" if name in forms else rule.mend for name, rule in known.items()}
    return (
        plain.with_columns(
            severity=pl.col("rule").replace_strict(graver, return_dtype=pl.String),
            mend=pl.col("rule").replace_strict(mends, return_dtype=pl.String),
        )
        .filter(pl.col("severity").is_not_null())
        .select(PROBLEMS.names())
    )


def severity(rule: str, target: Target) -> str | None:
    """Say how grave a rule is for a target; None where it minds nothing.

    >>> severity("same-role-twice", TARGETS["openai"]), severity("same-role-twice", TARGETS["fireworks"])
    (None, 'error')
    """
    usual = RULES[rule].severity
    return target.severity(rule, None if usual == "fine" else usual)


def problems(raw: Any, target: Target) -> Iterator[Said]:
    """Say what is wrong with one parsed line for a target, in its own shape and as a conversation.

    >>> list(problems({"text": "a"}, TARGETS["openai"]))
    [('no-messages', 'there are no messages; this is a row of plain text')]
    """
    if not isinstance(raw, dict):
        yield "not-an-object", f"the line is {kind(raw)}, not an object"
        return
    shape = SHAPES[target.shape]
    if not raw.keys() >= shape.KEYS and (other := told(raw)):
        yield "no-messages", f"there are no {min(shape.KEYS - raw.keys())}; this is a row of {SHAPES[other].NAME}"
        return
    found = list(shape.problems(raw, target))
    yield from found
    if foreign := raw.keys() & target.foreign:
        yield "mixed-shapes", f"{listed(foreign)} makes a row of another shape"
    if not any(rule in UNREADABLE for rule, _ in found):
        said = {rule for rule, _ in found}
        yield from (each for each in talk.problems(shape.read(raw, target), target) if each[0] not in said)


def _problems(file: BinaryIO, size: int, target: Target, side: str) -> Iterator[Problem]:
    head = file.read(3)
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        yield None, "not-utf-8", "the file is UTF-16"
        return
    if head == b"\xef\xbb\xbf":
        yield 1, "byte-order-mark", "the file begins with a byte-order mark"
    else:
        file.seek(0)
    listed = rows_of_list(file, size)
    if listed is not None and not (target.lists and str(file.name).endswith(".json")):
        yield None, "one-list", f"the file is one JSON list of {len(listed):,} rows"
    loads, ordinary, limit = orjson.loads, talk.ordinary, target.max_tokens or 1 << 62
    quick, answers, alike = talk.takes_ordinary(target), Answers(), Alike(target)
    number = blank = unread = strays = quickly = 0
    for number, line in enumerate(file if listed is None else listed, 1):
        try:
            row = loads(line)
        except orjson.JSONDecodeError as error:
            rule, says = _unread(line, error)
            yield number, rule, says
            unread += 1
            blank += rule == "blank-line"
            continue
        # A token is at least a byte, and the brackets around a message outweigh the 3 tokens that it costs.
        if quick and len(line) <= limit and ordinary(row):
            answers.see(number, row["messages"][-1]["content"])
            quickly += 1
            continue
        strays += not (row.keys() if isinstance(row, dict) else set()) >= SHAPES[target.shape].KEYS
        alike.see(row)
        for rule, says in (*problems(row, target), *_length(row, line, limit, target)):
            yield number, rule, says
    if 0 < strays < number - unread:
        yield None, "mixed-shapes", f"{strays:,} of {number - unread:,} rows are not {SHAPES[target.shape].NAME}"
    yield from answers.problems()
    for rule, says in (*alike.problems(quickly), *_whole(number - blank, size, target, side)):
        yield None, rule, says


def rows_of_list(file: BinaryIO, size: int) -> list[bytes] | None:
    """Give the rows of a file that is one JSON list of objects, each as a line; None where it is not, or is over 1 GB."""
    start = file.tell()
    begins = file.read(64).lstrip().startswith(b"[")
    file.seek(start)
    if not begins or size > LARGEST_LIST:
        return None
    try:
        rows = orjson.loads(file.read())
    except orjson.JSONDecodeError:
        rows = None
    file.seek(start)
    objects = isinstance(rows, list) and rows and all(isinstance(row, dict) for row in rows)
    return [orjson.dumps(row) for row in rows] if objects else None


LARGEST_LIST = 1_000_000_000


class Alike:
    """Count what every row must have, or none: a key of the row, or a kind of block in what is said."""

    def __init__(self, target: Target) -> None:
        self.keys, self.rows, self.having = set(target.alike), 0, Counter[str]()

    def see(self, row: Any) -> None:
        """Count what one row has."""
        if self.keys and isinstance(row, dict):
            self.rows += 1
            self.having.update(self.keys & has(row))

    def problems(self, unseen: int) -> Iterator[Said]:
        """Say what some rows have and others lack, as do those that were not looked at because they are ordinary."""
        every = self.rows + unseen
        for key, rows in sorted(self.having.items()):
            if rows < every:
                yield "mixed-keys", f"{rows:,} of {every:,} rows have {key}, the others have none"


def has(row: dict[str, Any]) -> set[str]:
    """Name a row's keys and the kinds of the blocks in its messages.

    >>> sorted(has({"system": [], "messages": [{"role": "user", "content": [{"text": "q"}]}]}))
    ['messages', 'system', 'text']
    """
    turns = row.get("messages")
    messages = [turn for turn in turns if isinstance(turn, dict)] if isinstance(turns, list) else []
    contents = [message["content"] for message in messages if isinstance(message.get("content"), list)]
    return {*row, *(key for content in contents for block in content if isinstance(block, dict) for key in block)}


def _unread(line: bytes, error: orjson.JSONDecodeError) -> Said:
    if not line.strip():
        return "blank-line", "the line is blank"
    try:
        line.decode()
    except UnicodeDecodeError as wrong:
        return "not-utf-8", f"byte {wrong.start + 1} of the line is {line[wrong.start]:#04x}, which is not UTF-8"
    return "not-json", f"{error.msg}, at character {error.pos + 1} of the line"


SHOWN = re.compile(rb'"(?:image|image_url|inlineData|fileData)"')


def _length(row: Any, line: bytes, limit: int, target: Target) -> Iterator[Said]:
    # A token is at least a byte, but for those of an image.
    shows = target.max_tokens and target.images and SHOWN.search(line)
    if not isinstance(row, dict) or not (len(line) > limit or shows):
        return
    shape = SHAPES[target.shape]
    if any(rule in UNREADABLE for rule, _ in shape.problems(row, target)):
        return
    if (counted := tokens.of_row(shape.read(row, target))) > limit:
        yield "too-many-tokens", f"about {counted:,} tokens, {counted - limit:,} more than the {limit:,} that are read"


def _whole(rows: int, size: int, target: Target, side: str) -> Iterator[Said]:
    most = target.max_rows if side == "train" else target.max_validation_rows or target.max_rows
    if not rows:
        yield "empty-file", "the file has no rows"
    elif rows < target.min_rows and side == "train":
        yield "too-few-rows", f"{rows} {'row' if rows == 1 else 'rows'}, and {target.min_rows} are asked for"
    elif most and rows > most:
        yield "too-many-rows", f"{rows:,} rows, and {most:,} are taken"
    if target.max_bytes and size > target.max_bytes:
        yield "too-large", f"{size / 1e6:,.0f} MB, and {target.max_bytes / 1e6:,.0f} MB are taken"
