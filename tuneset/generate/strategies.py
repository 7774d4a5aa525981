"""The ways to write rows, each a prompt and what goes into it; and how a judge is asked and understood."""

from __future__ import annotations

import re
from collections import Counter
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from tuneset.ask.asked import Request
from tuneset.generate.asking import Asks
from tuneset.generate.attributes import LENGTH, SITUATION
from tuneset.generate.prompts import line, lines, quoted
from tuneset.judge.guide import DRAFT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl

    from tuneset.generate.asking import Batch, Strategy
    from tuneset.generate.prompts import Prompt, Prompts
    from tuneset.judge.guide import Entry

    Guide = Mapping[str, Mapping[str, Entry]]

WRITERS = ("attributes", "paraphrase", "boundary", "document")
LISTED = 1_000  # label combinations that a prompt lists, the most frequent ones
SHOWN = 2  # examples of a label that the judge sees
PASSAGE, TURN = 8_000, 40_000  # characters of a passage and of a turn that are shown
ROOM, PER_ROW = 200, 16  # tokens of an answer besides its texts
PER_WORD = 3  # tokens, generously: English has 1.3 a word, and a model's text may be twice as long as asked for


class Task(NamedTuple):
    """What all requests of a run have in common."""

    instruction: str = ""  # the system turn of the dataset
    columns: tuple[str, ...] = ()  # of labels
    combinations: tuple[str, ...] = ()  # of labels, as JSON objects, sorted
    guide: Guide = MappingProxyType({})  # what labels mean
    language: str = ""  # "" for that of the examples
    longest: int = 60  # tokens of a long text


def task(train: pl.DataFrame, guide: Guide, instruction: str = "", language: str = "") -> Task:
    """Read off the train side which label combinations there are, and how long a text is.

    Where there are more than 1,000 combinations, the most frequent are listed; a judge knows no others. A long text: two
    bytes a token, which is three tokens a word in English, and enough for scripts without spaces.

    >>> from tuneset.testing import examples
    >>> task(examples([{"text": "where is it", "label": "Orders"}, {"text": "hello", "label": "Other"}]), {}).combinations
    ('{"category": "Orders"}', '{"category": "Other"}')
    """
    counted = train.group_by("labels").len().drop_nulls().sort(["len", "labels"], descending=[True, False])
    combinations = tuple(sorted(counted["labels"].head(LISTED).to_list()))
    columns = tuple(dict.fromkeys(column for each in combinations for column in orjson.loads(each)))
    size = train["text"].str.len_bytes().quantile(0.98, "higher")
    return Task(instruction, columns, combinations, guide, language, max(int(size or 0) // 2, 20))


def strategies(prompts: Prompts, task: Task) -> dict[str, Strategy]:
    """Return the ways to write rows by their names: attributes, paraphrase, boundary, document.

    Each takes a batch and returns its request. The system message is the same for all batches of a way. Texts, labels
    and definitions stand in lines of data; examples out of the guide are not shown, as rows could not name them as seeds.
    """
    fixed = _fixed(task, *_listed(task))
    return {name: partial(_asks, prompts[name], prompts[name].system(fixed), fixed, task) for name in WRITERS}


def judge_requests(texts: Sequence[str], task: Task, prompts: Prompts, per_request: int = 10) -> list[Request]:
    """Ask for the labels of texts, some at a time and in their order, without saying what they should be.

    Hand them over mixed, as in the order of their ids: a request full of one label tells the judge what was asked for.
    """
    prompt = prompts["judge"]
    definitions, labels = _listed(task, examples=SHOWN)
    numbered = [{"number": number} | each for number, each in enumerate(labels, start=1)]
    fixed = _fixed(task, definitions, numbered)
    system = prompt.system(fixed)
    parts = [texts[start : start + per_request] for start in range(0, len(texts), per_request)]
    asked = [lines({"number": number, "text": text} for number, text in enumerate(part, start=1)) for part in parts]
    return [
        Request(_messages(system, prompt.user(fixed, {"texts": each})), LABELLED, ROOM + 24 * len(each))
        for each in asked
    ]


def judged(value: Any, texts: int, task: Task) -> list[tuple[str, bool]]:
    """Read a judge's answer to a request of so many texts: for each, its labels and whether the judge is sure.

    ("", True): surely none of the labels. ("", False): a doubt; what was left out, answered twice in two ways, or
    answered with a number that is not in the list is one as well.

    >>> orders = Task(combinations=('{"category": "Orders"}',))
    >>> judged({"rows": [{"number": 1, "label": 1, "sure": True}, {"number": 2, "label": 7, "sure": True}]}, 3, orders)
    [('{"category": "Orders"}', True), ('', False), ('', False)]
    """
    said: dict[int, set[tuple[int, bool]]] = {}
    for row in value["rows"]:
        said.setdefault(int(row["number"]), set()).add((int(row["label"]), bool(row["sure"])))
    return [_verdict(said.get(number, set()), task.combinations) for number in range(1, texts + 1)]


def answer_request(
    turns: Sequence[Mapping[str, str]], style: str, task: Task, prompts: Prompts, *, max_tokens: int = 1024
) -> Request:
    """Ask for what the assistant says next; `turns`: the conversation without its system turn; `style`: a style guide."""
    return _turn(prompts["answer"], turns, {}, style, task, max_tokens)


def rewrite_request(
    turns: Sequence[Mapping[str, str]], answer: str, style: str, task: Task, prompts: Prompts
) -> Request:
    """Ask for an answer of the assistant in the style of a guide, with every fact that it has; `turns`: those before it."""
    room = ROOM + len(answer.encode("utf-8", "replace"))  # twice as long as it is, at two bytes a token
    return _turn(prompts["rewrite"], turns, {"answer": line({"answer": answer}, TURN)}, style, task, room)


def check_request(  # noqa: PLR0913, PLR0917
    turns: Sequence[Mapping[str, str]], answer: str, earlier: str, style: str, task: Task, prompts: Prompts
) -> Request:
    """Ask whether an answer keeps to the conversation, or to the `earlier` one that it is a rewriting of, and to the style."""
    more = {
        "answer": line({"answer": answer}, TURN),
        "earlier": line({"answer": earlier}, TURN) if earlier else "",
    }
    return _turn(prompts["check"], turns, more, style, task, ROOM)._replace(schema=CHECKED)


def _closed(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Write a schema of an object as strict servers want it: every property there, and no other."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


TEXT = _closed({"text": {"type": "string"}})
WRITTEN = _closed({"rows": {"type": "array", "items": TEXT}})
_VERDICT = _closed({"number": {"type": "integer"}, "label": {"type": "integer"}, "sure": {"type": "boolean"}})
LABELLED = _closed({"rows": {"type": "array", "items": _VERDICT}})
CHECKED = _closed({name: {"type": "boolean"} for name in ("keeps", "style", "sure")})


def _asks(prompt: Prompt, system: str, fixed: Mapping[str, Any], task: Task, batch: Batch) -> Asks:
    """Write the request of a batch."""
    seeds = batch.seeds[: batch.rows] if prompt.name == "paraphrase" else batch.seeds
    varying = {
        "rows": batch.rows,
        "label": line(_labelled(batch.cell.labels, task)) if batch.cell.labels else "",
        "others": lines({"not": each.text} | _parsed(each.labels) for each in batch.others),
        "seeds": lines(_shown(prompt.name, seeds)),
        "attributes": lines(_rows(prompt.name, batch, len(seeds))),
    }
    if prompt.name == "document":
        varying["document"] = line({"passage": batch.document}, PASSAGE)
    request = Request(_messages(system, prompt.user(fixed, varying)), WRITTEN, _room(batch, task), sample=batch.number)
    ids = dict.fromkeys(each.id for each in (*seeds, *batch.others))
    return Asks(request, prompt.called, prompt.hash, tuple(ids), batch)


def _messages(system: str, user: str) -> list[dict[str, Any]]:
    return [{"role": "system", "content": system}, {"role": "user", "content": user}]


def _shown(name: str, seeds: Sequence[Any]) -> list[dict[str, Any]]:
    """Return seeds as data; those to be said again have a number, by which rows name them."""
    if name != "paraphrase":
        return [{"text": each.text} for each in seeds]
    return [{"text": each.text, "number": number} for number, each in enumerate(seeds, start=1)]


def _rows(name: str, batch: Batch, seeds: int) -> list[dict[str, Any]]:
    """Say what each row is like, and which seed it says again: rows are dealt to seeds in turn."""
    given = [dict(each) for each in batch.attributes[: batch.rows]]
    if name == "paraphrase":  # what happened is the seed's to say
        given = [{key: said for key, said in each.items() if key != SITUATION} for each in given]
    if name == "paraphrase" and seeds:
        given += [{} for _ in range(batch.rows - len(given))]
        heads: list[dict[str, Any]] = [{"row": place + 1, "of": place % seeds + 1} for place in range(len(given))]
    else:
        heads = [{"row": place + 1} for place in range(len(given))] if any(given) else []
        given = given[: len(heads)]
    return [head | each | head for head, each in zip(heads, given, strict=True)]  # an axis may be called row


def _room(batch: Batch, task: Task) -> int:
    """Return how many tokens the answer may have: of every row the longest text that is asked for."""
    named = [re.findall(r"\d+", each.get(LENGTH, "")) for each in batch.attributes]
    asked = max((int(number) for numbers in named for number in numbers if len(number) < 6), default=0)
    return ROOM + batch.rows * (PER_ROW + max(task.longest, 2 * PER_WORD * asked))


def _fixed(task: Task, definitions: Sequence[Any], labels: Sequence[Any], style: str = "") -> dict[str, Any]:
    """Return what the system part of a prompt is made of."""
    return {
        "instruction": line({"instruction": task.instruction}, TURN) if task.instruction else "",
        "definitions": lines(definitions),
        "labels": lines(labels),
        "language": quoted(task.language) if task.language else "",
        "style": style.strip(),
    }


def _listed(task: Task, examples: int = 0) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the definitions of labels that several combinations have, and the combinations, each with its own."""
    parts = {each: _parts(each) for each in task.combinations}
    times = Counter(part for each in parts.values() for part in each)
    shared = [(column, label) for column, label in times if times[column, label] > 1]
    told = [(part, _told(task.guide, [part], examples)) for part in shared]
    definitions = [{"column": column, "label": label} | said for (column, label), said in told if said]
    labels = [
        _parsed(each) | _told(task.guide, [part for part in parts[each] if times[part] == 1], examples)
        for each in task.combinations
    ]
    return definitions, labels


def _labelled(labels: str, task: Task) -> dict[str, Any]:
    """Return the labels to write for, with what they mean; typical words would be used, and make rows alike."""
    told = _told(task.guide, _parts(labels), 0)
    return _parsed(labels) | {key: said for key, said in told.items() if key == "means"}


def _parsed(labels: str) -> dict[str, Any]:
    return {"labels": orjson.loads(labels)} if labels else {}


def _parts(labels: str) -> list[tuple[str, str]]:
    """Return each column with each label that it has."""
    values = {column: each if isinstance(each, list) else [each] for column, each in orjson.loads(labels).items()}
    return [
        (column, label if isinstance(label, str) else orjson.dumps(label).decode())
        for column, several in values.items()
        for label in several
        if label not in (None, "")
    ]


def _told(guide: Guide, parts: Sequence[tuple[str, str]], examples: int) -> dict[str, Any]:
    """Say what labels mean, by the words of a person where there are any, else by their typical words."""
    entries = [entry for column, label in parts if (entry := guide.get(column, {}).get(label))]
    means = [entry.means for entry in entries if entry.defined]
    words = [
        entry.means.replace(DRAFT, "").replace("Typical words:", "").strip(" .")
        for entry in entries
        if not entry.defined
    ]
    quoted = [text for entry in entries for text in entry.examples[:examples]]
    told = {"means": "; ".join(means), "typical_words": ", ".join(filter(None, words)), "examples": quoted}
    return {key: said for key, said in told.items() if said}


def _verdict(said: set[tuple[int, bool]], combinations: Sequence[str]) -> tuple[str, bool]:
    if len(said) != 1:
        return "", False
    ((label, sure),) = said
    if not 0 <= label <= len(combinations):
        return "", False
    return (combinations[label - 1] if label else ""), sure


def _turn(  # noqa: PLR0913, PLR0917
    prompt: Prompt, turns: Sequence[Mapping[str, str]], more: Mapping[str, Any], style: str, task: Task, max_tokens: int
) -> Request:
    fixed = _fixed(task, (), (), style)
    told = lines(({"role": each["role"], "content": each["content"]} for each in turns), TURN)
    return Request(_messages(prompt.system(fixed), prompt.user(fixed, {"turns": told, **more})), TEXT, max_tokens)
