"""Traces of a running product become conversations: one for each call of a model, of which the recipe says which are good."""

from __future__ import annotations

import operator
import re
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
import polars as pl

from tuneset.errors import RecipeError
from tuneset.model import digest
from tuneset.shapes import row as one
from tuneset.sources import said, table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tuneset.sources.calls import Call, Kind

_COLUMNS = ("messages", "tools", "session", "user", "model", "scores")
GROUPS = ("session", "user")  # calls of one session, and of one user, stay on one side of the split
NOT_GOOD = "not-good"
_TESTS: dict[str, Callable[[Any, Any], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "!=": operator.ne,
    "=": operator.eq,
    ">": operator.gt,
    "<": operator.lt,
}
_SHOWN = 40  # letters of a value, which may be what a user wrote
_NO_SCORES = "remove good, or write scores into the log (docs/sources.md says where they may stand)"


class Good(NamedTuple):
    """Which calls are good: those with a score that holds against a value."""

    score: str
    test: str
    value: float | str

    def holds(self, scores: Mapping[str, float | str]) -> bool:
        """Say whether what has these scores is good; without the score it is not."""
        found = scores.get(self.score)
        if found is None or isinstance(found, str) != isinstance(self.value, str):
            return False
        return _TESTS[self.test](found, self.value)

    def failed(self, scores: Mapping[str, float | str]) -> str:
        """Say why what has these scores is not good."""
        found = scores.get(self.score)
        held = f"is {found}" if found is not None else "was not given"
        return f"the score {self.score} {held}; good is {self.test} {_number(self.value)}"

    def missing(self, names: Sequence[str], where: str) -> RecipeError:
        """Say which scores there are, where none has the name of this one."""
        known = f"there are: {', '.join(names[:10])}" if names else _NO_SCORES
        return RecipeError(f"no call has the score {self.score!r}", f"{where}, good", known)

    def check(self, given: Sequence[Mapping[str, float | str]], where: str) -> None:
        """Refuse to compare a number with words, or a word with numbers: nothing would be good.

        Errors: RecipeError with the values that the score has.
        """
        values = [scores[self.score] for scores in given if self.score in scores]
        if any(isinstance(value, str) == isinstance(self.value, str) for value in values):
            return
        kind = "a word" if isinstance(self.value, str) else "a number"
        what = f"the score {self.score} has {'numbers' if kind == 'a word' else 'words'}, and {kind} is no value of it"
        raise RecipeError(what, f"{where}, good", f'good = "{_suggested(self.score, values)}" ({_values(values)})')


def good(words: str) -> Good:
    """Read which calls are good, such as `user_feedback >= 1` or `rating = thumbs_up`.

    >>> good("user_feedback >= 1")
    Good(score='user_feedback', test='>=', value=1.0)
    """
    found = re.fullmatch(r"\s*(.+?)\s*(>=|<=|!=|==?|>|<)\s*(.+?)\s*", words)
    if not found:
        raise RecipeError(
            f"this is no test of a score: {words!r}", "good", 'write it as in good = "user_feedback >= 1"'
        )
    score, test, value = found.groups()
    number = {"true": 1.0, "false": 0.0}.get(value.lower())
    try:
        against: float | str = float(value) if number is None else number
    except ValueError:
        against = value.strip("'\"")
    if isinstance(against, str) and test.replace("==", "=") not in ("=", "!="):
        raise RecipeError(f"{against!r} is no number", f"good = {words!r}", "words are compared with = and != only")
    return Good(score, test.replace("==", "="), against)


def turned(read: table.Table, kind: Kind, which: Good | None = None) -> table.Table:
    """Turn the rows of a log into rows of chat, one for each call of a model, with session and user beside it.

    A call whose words all stand in a later one of its session is left to that (`earlier-call`). Where `which` says what
    is good, only good calls stay (`not-good`), and answers before them that nobody called good get the weight 0.
    One Python object a row, as for all conversations.
    """
    calls = [
        (int(row), call)
        for row, cells in zip(read.row, read.cells.iter_rows(named=True), strict=True)
        for call in kind.read(_opened(cells))
    ]
    whole = [(row, call) for row, call in calls if not call.why]
    broken = [
        table.Broken(row, call.why, table.shown(orjson.dumps(call.asked + call.answered)))
        for row, call in calls
        if call.why
    ]
    ways = [_way(call) for _, call in whole]
    liked = [which is None or which.holds(call.scores) for _, call in whole]
    beside = _beside([call for _, call in whole], ways, liked, which)
    learned = _weighing(ways, liked, which)
    cells = pl.DataFrame(
        [_cells(call, weights) for (_, call), weights in zip(whole, learned, strict=True)],
        schema=dict.fromkeys(_COLUMNS, pl.String),
        orient="row",
    )
    notes = (*read.notes, *_notes(read, [call for _, call in whole], which))
    return read._replace(
        form=f"{kind.name}, {read.form}",
        cells=cells.select(
            column for column in cells.iter_columns() if column.name == "messages" or column.null_count() < len(column)
        ),
        row=pl.Series("row", [row for row, _ in whole], dtype=pl.UInt32),
        broken=pl.concat([read.broken, table.broken(broken)]),
        notes=notes,
        typed=pl.DataFrame(),
        beside=beside,
    )


def _opened(cells: dict[str, str | None]) -> dict[str, Any]:
    return {key: said.opened(cell) for key, cell in cells.items() if cell is not None}


class _Way(NamedTuple):
    """A conversation as hashes: of its first message, of its first two, and so on."""

    session: str
    steps: list[str]


def _way(call: Call) -> _Way:
    """Hash every beginning of a conversation; content that is none, blank or in parts counts by its words."""
    steps, before = [], ""
    for message in [*call.asked, *call.answered]:
        called = [(each["function"]["name"], one.opened(each["function"]["arguments"])) for each in one.calls(message)]
        content = message.get("content")
        words = content.strip() if isinstance(content, str) else content
        before = digest(pl.Series([orjson.dumps([before, message["role"], words or "", called]).decode()]))[0]
        steps.append(before)
    return _Way(call.session or "", steps)


def _beside(calls: Sequence[Call], ways: Sequence[_Way], liked: Sequence[bool], which: Good | None) -> pl.DataFrame:
    """Say which calls are left out, and for which other: the later one that holds all their words."""
    holder: dict[tuple[str, str], str] = {}
    for way, likes in zip(ways, liked, strict=True):
        if likes:
            for step in way.steps[:-1]:
                holder.setdefault((way.session, step), way.steps[-1])
    rows = []
    for call, way, likes in zip(calls, ways, liked, strict=True):
        later = holder.get((way.session, way.steps[-1]))
        rule, says = None, None
        if which is not None and not likes:
            rule, says = NOT_GOOD, which.failed(call.scores)
        elif later:
            rule, says = "earlier-call", "all of it stands in a later call of the same session"
        rows.append((rule, says, way.steps[-1], later if rule == "earlier-call" else None))
    return pl.DataFrame(rows, schema=table.BESIDE, orient="row")


def _weighing(ways: Sequence[_Way], liked: Sequence[bool], which: Good | None) -> list[list[bool]]:
    """Say for each message whether it may be learned: all where nobody says what is good."""
    if which is None:
        return [[True] * len(way.steps) for way in ways]
    fine: dict[str, set[str]] = defaultdict(set)
    for way, likes in zip(ways, liked, strict=True):
        if likes:
            fine[way.session].add(way.steps[-1])
    return [[step in fine[way.session] for step in way.steps] for way in ways]


def _cells(call: Call, learned: Sequence[bool]) -> tuple[str | None, ...]:
    turns = [
        message if fine or message["role"] != "assistant" else message | {"weight": 0}
        for message, fine in zip([*call.asked, *call.answered], learned, strict=True)
    ]
    tools = one.dumps(call.tools) if call.tools else None
    scores = one.dumps(call.scores) if call.scores else None
    return one.dumps(turns), tools, call.session, call.user, call.model, scores


def _notes(read: table.Table, calls: Sequence[Call], which: Good | None) -> list[str]:
    """Say how many calls there are in how many sessions, and which scores could say what is good."""
    sessions = len({call.session for call in calls if call.session})
    notes = [
        f"{len(calls):,} calls of a model in {read.cells.height:,} rows"
        + (f", {sessions:,} sessions" if sessions else "")
    ]
    names = sorted({name for call in calls for name in call.scores})
    if which is not None:
        if which.score not in names:
            raise which.missing(names, read.name)
        which.check([call.scores for call in calls], read.name)
    elif names:
        values = [call.scores[names[0]] for call in calls if names[0] in call.scores]
        spoken = f"; {_values(values)}" if any(isinstance(value, str) for value in values) else ""
        notes.append(
            f"nothing says which calls are good: all are taken; scores are {', '.join(names[:5])} "
            f'(good = "{_suggested(names[0], values)}" in the recipe{spoken})'
        )
    return notes


def _suggested(score: str, values: Sequence[float | str]) -> str:
    """Write a test that some calls pass: the most frequent word, or a number of at least 1.

    >>> _suggested("rating", ["thumbs_down", "thumbs_up", "thumbs_up"])
    'rating = thumbs_up'
    """
    words = Counter(value for value in values if isinstance(value, str))
    return f"{score} = {words.most_common(1)[0][0][:_SHOWN]}" if words else f"{score} >= 1"


def _values(values: Sequence[float | str]) -> str:
    """List the values of a score, the most frequent first.

    >>> _values(["up", "down", "up"])
    'its values: up, down'
    """
    counted = Counter(_number(value)[:_SHOWN] for value in values).most_common()
    return f"its values: {', '.join(value for value, _ in counted[:5])}{', ...' if len(counted) > 5 else ''}"


def _number(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:g}"
