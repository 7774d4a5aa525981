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
from tuneset.generate.asking import ask
from tuneset.generate.rows import Row

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import polars as pl

    from tuneset.ask import Answer, Progress, Request
    from tuneset.generate.prompts import Prompts
    from tuneset.generate.strategies import Task
    from tuneset.generate.wanted import Asked, Wanted

# What a rewriting must not change: numbers, links, code and addresses.
_FIXED = re.compile(r"https?://\S+|`[^`]+`|\S+@\S+|\d+(?:[.,:/]\d+)*%?")


class Asking(NamedTuple):
    """What all requests about answers have in common."""

    wanted: Wanted
    task: Task
    told: Prompts
    place: Path
    watch: Callable[[Progress], None]


class Turn(NamedTuple):
    """One turn of the assistant that is to be rewritten."""

    example: str
    at: int  # its place among the messages
    before: Sequence[dict[str, Any]]  # turns before it, without the system's
    says: str


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
    """Write the assistant's turn behind each text that a model wrote as a user's, and check it where there is a judge."""
    open_ones = [row for row in rows if row.text and row.messages is None]
    guide, system = style(asking.wanted.style), _usual_system(train)
    turns = [[{"role": "user", "content": str(row.text)}] for row in open_ones]
    asked = [strategies.answer_request(each, guide, asking.task, asking.told) for each in turns]
    answers = _ask(asked, asking.wanted.writer, asking)
    good = [place for place, answer in enumerate(answers) if not answer.problem and answer.value["text"].strip()]
    checks = _checked([(turns[at], answers[at].value["text"], "") for at in good], guide, asking)
    verdicts = dict(zip(good, checks, strict=True))
    made = {}
    for place, (row, answer) in enumerate(zip(open_ones, answers, strict=True)):
        if place not in verdicts:
            says = answer.says or "the assistant's turn came empty"
            made[row.key] = row._replace(problem=answer.problem or "short", says=says)  # asked again next time
            continue
        spoken = [*system, *turns[place], {"role": "assistant", "content": answer.value["text"].strip()}]
        cost = row.origin["cost"] + answer.reply.cost
        origin = row.origin | {"judged": verdicts[place], "cost": cost, "answered_by": asking.told["answer"].called}
        said = orjson.dumps(spoken).decode()
        made[row.key] = row._replace(messages=said, origin=origin, problem="", says="")
    return [made.get(row.key, row) for row in rows]


def rewriting(train: pl.DataFrame, known: Sequence[Row], asking: Asking) -> list[tuple[str, str, list[Turn]]]:
    """List the train conversations whose answers are to be rewritten: id, messages, turns; those done for this style are not.

    Raises RunError where the examples are no conversations: the answers of a table are its labels.
    """
    if not is_conversations(train):
        what = "these examples are no conversations: their answers are labels, which a model does not rewrite"
        raise RunError(what, "--rewrite", "give a run of conversations")
    mark = _mark(asking)
    done = {row.example for row in known if row.origin.get("style") == mark}
    first = {row.example: row.origin["before"] for row in reversed(known) if row.example}
    found = []
    for example, messages in train.sort("id").select("id", "messages").iter_rows():
        if example not in done:
            whole = first.get(example, messages)
            found.append((example, whole, _turns(example, orjson.loads(whole))))
    return [each for each in found if each[2]]


def requests(found: Sequence[tuple[str, str, list[Turn]]], asking: Asking) -> list[Request]:
    """Write the requests of all turns, in their order."""
    guide = style(asking.wanted.style)
    parameters = asking.wanted.writer.parameters
    return [
        strategies.rewrite_request(turn.before, turn.says, guide, asking.task, asking.told)._replace(
            parameters=parameters
        )
        for _, _, turns in found
        for turn in turns
    ]


def rewritten(train: pl.DataFrame, known: Sequence[Row], asking: Asking) -> list[Row]:
    """Have each answer of the train conversations rewritten to the style guide, and checked where there is a judge."""
    found = rewriting(train, known, asking)
    answers = _ask(requests(found, asking), asking.wanted.writer, asking)
    turns = [turn for _, _, each in found for turn in each]
    came = [
        answer.value["text"].strip() if not answer.problem and answer.value["text"].strip() else turn.says
        for turn, answer in zip(turns, answers, strict=True)
    ]
    changed = [place for place, (turn, now) in enumerate(zip(turns, came, strict=True)) if now != turn.says]
    told = [(turns[at].before, came[at], turns[at].says) for at in changed]
    verdicts = dict(zip(changed, _checked(told, style(asking.wanted.style), asking), strict=True))
    made, place = [], 0
    for number, (example, before, each) in enumerate(found):
        here = range(place, place + len(each))
        place += len(each)
        after = orjson.loads(before)
        for at in here:
            after[turns[at].at] = after[turns[at].at] | {"content": came[at]}
        parts = [(turns[at].says, came[at], verdicts.get(at), at in verdicts) for at in here]
        made.append(_row(example, before, after, [answers[at] for at in here], parts, number, asking))
    return made


def _row(  # noqa: PLR0913, PLR0917
    example: str,
    before: str,
    after: Sequence[dict[str, Any]],
    answers: Sequence[Answer],
    parts: Sequence[tuple[str, str, dict[str, Any] | None, bool]],
    number: int,
    asking: Asking,
) -> Row:
    """Say of one conversation what became of its answers, and whether that can be taken without a person."""
    moved = [words for was, now, _, is_new in parts if is_new for words in _moved(was, now)]
    verdicts = [verdict for _, _, verdict, is_new in parts if is_new]
    good = not moved and bool(verdicts) and all(each and each["verdict"] == "agrees" for each in verdicts)
    prompt = asking.told["rewrite"]
    origin: dict[str, Any] = {
        "model": answers[0].reply.model or asking.wanted.writer.model,
        "prompt": prompt.called,
        "prompt_hash": prompt.hash,
        "parameters": asking.wanted.writer.parameters,
        "time": answers[0].reply.time,
        "cost": sum(each.reply.cost for each in answers),
        "seeds": [example],
        "style": _mark(asking),
        "before": before,
        "good": good,
        "judged": next((each for each in verdicts if each), None),
    }
    return Row(
        text=None,
        labels=None,
        origin=origin,
        cell="",
        batch=number,
        key=f"{answers[0].key}:0",
        messages=orjson.dumps(after).decode(),
        says=_says(origin, verdicts, moved),
        example=example,
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


def _turns(example: str, messages: Sequence[dict[str, Any]]) -> list[Turn]:
    """List the turns of the assistant that are words; calls of tools are no matter of style."""
    spoken = [(at, each) for at, each in enumerate(messages) if _is_words(each) and each["role"] != "system"]
    return [
        Turn(example, at, [earlier for _, earlier in spoken[:place]], each["content"])
        for place, (at, each) in enumerate(spoken)
        if each["role"] == "assistant" and not each.get("tool_calls")
    ]


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


def _checked(
    told: Sequence[tuple[Sequence[dict[str, Any]], str, str]], guide: str, asking: Asking
) -> list[dict[str, Any] | None]:
    """Have a judge check answers: the conversation, the answer, the one it stands for; none without a judge."""
    judge = asking.wanted.judge
    if judge is None or not told:
        return [None] * len(told)
    asked = [strategies.check_request(*each, guide, asking.task, asking.told) for each in told]
    return [_verdict(answer, judge) for answer in _ask(asked, judge, asking)]


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
    return {"by": by, "verdict": verdict, "labels": None, "score": None, "says": says if sure else "is not sure of it"}


def _ask(asked: Sequence[Request], whom: Asked, asking: Asking) -> list[Answer]:
    return ask(asked, whom, asking.wanted, asking.place, asking.watch)


def _moved(was: str, now: str) -> list[str]:
    """List numbers, links and code that stand in one of two answers alone."""
    one, other = (Counter(each.rstrip(".,;:!?)") for each in _FIXED.findall(text)) for text in (was, now))
    return [*(f"{each} is gone" for each in (one - other)), *(f"{each} is new" for each in (other - one))]
