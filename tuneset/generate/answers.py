"""What the assistant says: written for synthetic conversations, or rewritten to a style guide beside what was there."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from tuneset.errors import InputError, RunError, way_out
from tuneset.folder import hash_of
from tuneset.generate import strategies
from tuneset.generate.asking import ask, came
from tuneset.generate.behind import behind
from tuneset.generate.judged import is_read
from tuneset.generate.rows import MOST, Row

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from tuneset.ask import Answer, Request
    from tuneset.generate.asking import Asking
    from tuneset.generate.behind import Behind
    from tuneset.generate.wanted import Asked

# What a rewriting must not change: numbers, links, code and addresses.
_FIXED = re.compile(r"https?://\S+|`[^`]+`|\S+@\S+|\d+(?:[.,:/]\d+)*%?")

SAMPLE = 20  # answers by which it is reckoned what checking them costs
Told = tuple["Sequence[dict[str, Any]]", str, str]  # turns, what the assistant says then, and what that stands for


class Turn(NamedTuple):
    """One turn of the assistant that is to be rewritten."""

    example: str
    at: int  # its place among the messages
    before: Sequence[dict[str, Any]]  # turns before it, without the system's
    says: str
    tries: int = 0  # answers of no use that came for it before


def style(path: str) -> str:
    """Read a style guide; "" where there is none.

    Raises InputError where the file cannot be read.
    """
    if not path:
        return ""
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        hint = way_out(error) if isinstance(error, OSError) else "save it as UTF-8"
        raise InputError("the style guide cannot be read", path, hint) from error


def is_conversations(examples: pl.DataFrame) -> bool:
    """Say whether these examples are conversations."""
    return examples.height > 0 and examples["messages"].null_count() == 0


def answered(rows: Sequence[Row], train: pl.DataFrame, asking: Asking) -> list[Row]:
    """Write the assistant's turn behind each text that a model wrote as a user's."""
    open_ones, system = unanswered(rows), _usual_system(train)
    aside = to_check(typical([row.text for row in open_ones], train), asking)
    heard = ask(to_answer(open_ones, asking), asking.wanted.writer, asking, aside.keep)
    made = {}
    for row, answer in zip(open_ones, heard, strict=True):
        problem, says = _problem(answer)
        if problem:  # asked again next time
            made[row.key] = row._replace(problem=problem, says=says, tries=(sum(row.tries) + came(answer),))
            continue
        spoken = [*system, _asks(row), {"role": "assistant", "content": answer.value["text"].strip()}]
        cost = row.origin["cost"] + answer.reply.cost
        origin = row.origin | {"cost": cost, "answered_by": asking.told["answer"].called}
        said = orjson.dumps(spoken).decode()
        made[row.key] = row._replace(messages=said, origin=origin, problem="", says="", tries=())
    return [made.get(row.key, row) for row in rows]


def unanswered(rows: Sequence[Row]) -> list[Row]:
    """List the texts that a model wrote as a user's and that lack the assistant's turn."""
    return [row for row in rows if row.text and row.messages is None]


def to_answer(rows: Sequence[Row], asking: Asking) -> list[Request]:
    """Write the requests for the assistant's turn behind each text."""
    guide = style(asking.wanted.style)
    return [
        strategies.answer_request([_asks(row)], guide, asking.task, asking.told)._replace(sample=sum(row.tries))
        for row in rows
    ]


def _asks(row: Row) -> dict[str, str]:
    return {"role": "user", "content": str(row.text)}


def typical(texts: Sequence[str | None], train: pl.DataFrame) -> list[Told]:
    """Put the answers of real conversations behind some texts, to reckon what checking such ones costs."""
    said = train["label"].drop_nulls().head(SAMPLE).to_list() or [""]
    asks = [[{"role": "user", "content": str(text)}] for text in texts[:SAMPLE]]
    return [(turns, said[at % len(said)], "") for at, turns in enumerate(asks)]


def to_check(told: Sequence[Told], asking: Asking) -> Behind:
    """Reckon what checking an answer costs, by some that are typical."""
    some = told[:SAMPLE]
    return behind(checks(some, asking), len(some), asking.wanted.judge, asking)


def checks(told: Sequence[Told], asking: Asking) -> list[Request]:
    """Write the requests to check answers: each the conversation, the answer, and the one it stands for."""
    guide = style(asking.wanted.style)
    return [strategies.check_request(*each, guide, asking.task, asking.told) for each in told]


def _problem(answer: Answer, most: int = MOST) -> tuple[str, str]:
    """Say why an answer is no turn of the assistant; "" where it is one."""
    if answer.problem:
        return answer.problem, answer.says
    letters = len(answer.value["text"].strip())
    if not letters:
        return "short", "the assistant's turn came empty"
    if letters > most:
        return "too-long", f"the assistant's turn has {letters:,} letters, more than {most:,}"
    return "", ""


def rewriting(train: pl.DataFrame, known: Sequence[Row], asking: Asking) -> list[tuple[str, str, list[Turn]]]:
    """List the train conversations whose answers are to be rewritten: id, messages, turns; those done for this style are not.

    Raises RunError where the examples are no conversations: the answers of a table are its labels.
    """
    if not is_conversations(train):
        what = "these examples are no conversations: their answers are labels, which a model does not rewrite"
        raise RunError(what, "--rewrite", "give a run of conversations")
    mark = _mark(asking)
    done = {row.example for row in known if row.origin.get("style") == mark and not row.problem}
    tries = {row.example: row.tries for row in known if row.origin.get("style") == mark and row.problem}
    first = {row.example: row.origin["before"] for row in reversed(known) if row.example}
    found = []
    for example, messages in train.sort("id").select("id", "messages").iter_rows():
        if example not in done:
            whole = first.get(example, messages)
            found.append((example, whole, _turns(example, orjson.loads(whole), tries.get(example, ()))))
    return [each for each in found if each[2]]


def requests(found: Sequence[tuple[str, str, list[Turn]]], asking: Asking) -> list[Request]:
    """Write the requests of all turns, in their order."""
    guide = style(asking.wanted.style)
    parameters = asking.wanted.writer.parameters
    return [
        strategies.rewrite_request(turn.before, turn.says, guide, asking.task, asking.told)._replace(
            parameters=parameters, sample=turn.tries
        )
        for _, _, turns in found
        for turn in turns
    ]


def rewritten(train: pl.DataFrame, known: Sequence[Row], asking: Asking) -> list[Row]:
    """Have each answer of the train conversations rewritten to the style guide.

    A conversation of which one answer did not come is lost, with the reason; it keeps its answers, and is asked for again.
    """
    found = rewriting(train, known, asking)
    aside = to_check([(turn.before, turn.says, turn.says) for _, _, turns in found for turn in turns], asking)
    answers = iter(ask(requests(found, asking), asking.wanted.writer, asking, aside.keep))
    return [
        _row(example, before, [(turn, next(answers)) for turn in turns], number, asking)
        for number, (example, before, turns) in enumerate(found)
    ]


def _row(example: str, before: str, parts: Sequence[tuple[Turn, Answer]], number: int, asking: Asking) -> Row:
    """Say of one conversation what became of its answers."""
    first, prompt = parts[0][1], asking.told["rewrite"]
    origin: dict[str, Any] = {
        "model": first.reply.model or asking.wanted.writer.model,
        "prompt": prompt.called,
        "prompt_hash": prompt.hash,
        "parameters": asking.wanted.writer.parameters,
        "time": first.reply.time,
        "cost": sum(answer.reply.cost for _, answer in parts),
        "seeds": [example],
        "style": _mark(asking),
        "before": before,
        "good": False,
        "judged": None,
    }
    row = Row(None, None, origin, "", number, f"{first.key}:0", example=example)
    problems = [_problem(answer, max(MOST, 2 * len(turn.says))) for turn, answer in parts]
    problem, says = next((each for each in problems if each[0]), ("", ""))
    if problem:
        tries = [
            turn.tries + (bool(each[0]) and came(answer)) for (turn, answer), each in zip(parts, problems, strict=True)
        ]
        return row._replace(problem=problem, says=says, tries=tries)
    after = orjson.loads(before)
    for turn, answer in parts:
        after[turn.at] |= {"content": answer.value["text"].strip()}
    row = row._replace(messages=orjson.dumps(after).decode())
    return _read(row, [None] * len(_told(row)))


def checked(rows: Sequence[Row], asking: Asking) -> list[Row]:
    """Have the judge check each answer that a model wrote or rewrote, and that this judge has not read; none without one."""
    judge = asking.wanted.judge
    if judge is None:
        return list(rows)
    open_ones = unchecked(rows, judge, asking)
    asked = [
        request._replace(sample=sum(rows[place].tries))
        for place, told in open_ones.items()
        for request in checks(told, asking)
    ]
    answers, found = iter(ask(asked, judge, asking)), list(rows)
    for place, told in open_ones.items():
        heard = [next(answers) for _ in told]
        found[place] = _read(rows[place], [_verdict(each, judge) for each in heard])
        missing = next((each for each in heard if each.problem), None)
        if missing:
            tries = (sum(rows[place].tries) + any(each.problem and came(each) for each in heard),)
            found[place] = found[place]._replace(tries=tries, unread=missing.says)
    return found


def unchecked(rows: Sequence[Row], judge: Asked, asking: Asking) -> dict[int, list[Told]]:
    """Find the rows whose answers this judge has not checked: by their places, what there is to check."""
    mark = _mark(asking)
    return {
        place: told
        for place, row in enumerate(rows)
        if not is_read(row, judge) and (not row.example or row.origin["style"] == mark) and (told := _told(row))
    }


def _told(row: Row) -> list[Told]:
    """List what there is to check of a row: the conversation, the answer, and the one it stands for."""
    if row.messages is None or row.problem:
        return []
    after = orjson.loads(row.messages)
    if not row.example:
        return [([each for each in after[:-1] if each["role"] != "system"], after[-1]["content"], "")]
    turns = _turns(row.example, orjson.loads(row.origin["before"]))
    both = [(turn.before, after[turn.at]["content"], turn.says) for turn in turns]
    return [each for each in both if each[1] != each[2]]


def _read(row: Row, verdicts: Sequence[dict[str, Any] | None]) -> Row:
    """Note what a judge said of a row's answers, and of a rewriting whether that can be taken without a person."""
    whole = bool(verdicts) and all(verdicts)
    worst = max(filter(None, verdicts), key=lambda each: each["verdict"] != "agrees", default=None)
    origin = row.origin | {"judged": worst if whole else row.origin["judged"]}
    if not row.example:
        return row._replace(origin=origin, tries=(), unread="")
    moved = [words for _, now, was in _told(row) for words in _moved(was, now)]
    good = not moved and whole and all(each and each["verdict"] == "agrees" for each in verdicts)
    return row._replace(
        origin=origin | {"good": good}, says=_says(origin, verdicts, moved), tries=() if whole else row.tries, unread=""
    )


def _says(origin: dict[str, Any], verdicts: Sequence[dict[str, Any] | None], moved: Sequence[str]) -> str:
    parts = [f"rewritten by {origin['model']}"]
    if moved:
        parts.append(f"what must stay has changed: {', '.join(moved[:3])}")
    read = [each for each in verdicts if each]
    if len(read) < len(verdicts) or not read:
        parts.append("nobody has checked it")
    else:
        worst = next((each for each in read if each["verdict"] != "agrees"), read[0])
        parts.append(f"{worst['by']} {worst['says']}")
    return "; ".join(parts)


def _mark(asking: Asking) -> str:
    """Name what a rewriting hangs on: another style, model or prompt asks anew."""
    return hash_of(style(asking.wanted.style), asking.wanted.writer.model, asking.told["rewrite"].hash)


def _turns(example: str, messages: Sequence[dict[str, Any]], tries: Sequence[int] = ()) -> list[Turn]:
    """List the turns of the assistant that are words; calls of tools are no matter of style."""
    spoken = [(at, each) for at, each in enumerate(messages) if _is_words(each) and each["role"] != "system"]
    turns = [
        Turn(example, at, [earlier for _, earlier in spoken[:place]], each["content"])
        for place, (at, each) in enumerate(spoken)
        if each["role"] == "assistant" and not each.get("tool_calls")
    ]
    return [turn._replace(tries=tries[place] if place < len(tries) else 0) for place, turn in enumerate(turns)]


def _is_words(turn: dict[str, Any]) -> bool:
    return isinstance(turn.get("content"), str) and bool(turn["content"].strip())


def _usual_system(train: pl.DataFrame) -> list[dict[str, Any]]:
    """Return the system turn that most conversations have."""
    said = Counter(
        orjson.dumps(first).decode()
        for text in train["messages"].to_list()
        if (turns := orjson.loads(text)) and (first := turns[0]).get("role") == "system"
    )
    most = max(said, key=lambda each: (said[each], each), default="")
    return [orjson.loads(most)] if most and said[most] * 2 >= train.height else []


def _verdict(answer: Answer, judge: Asked) -> dict[str, Any] | None:
    if answer.problem:
        return None
    keeps, suits, sure = (answer.value[name] for name in ("keeps", "style", "sure"))
    wrong = [
        words for holds, words in ((keeps, "the content is not kept"), (suits, "the style is not met")) if not holds
    ]
    says = "finds that " + " and ".join(wrong) if wrong else "finds content and style kept"
    verdict = ("disagrees" if wrong else "agrees") if sure else "doubts"
    by = answer.reply.model or judge.model
    said = {"by": by, "judge": judge.model, "verdict": verdict, "labels": None, "score": None}
    return said | {"says": says if sure else "is not sure of it"}


def _moved(was: str, now: str) -> list[str]:
    """List numbers, links and code that stand in one of two answers alone."""
    one, other = (Counter(each.rstrip(".,;:!?)") for each in _FIXED.findall(text)) for text in (was, now))
    return [*(f"{each} is gone" for each in (one - other)), *(f"{each} is new" for each in (other - one))]
