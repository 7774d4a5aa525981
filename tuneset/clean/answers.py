"""The steps that look at answers: a model that declines, and what stands in many answers and says nothing."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import orjson
import polars as pl

from tuneset import model
from tuneset.clean.boilerplate import LEAST, SIGNS, padding, says_nothing, unfilled
from tuneset.clean.declining import DECLINES, MODELS, PERSONS, SELF, WHOLE
from tuneset.clean.say import EDITS, spoken
from tuneset.clean.spans import cut, where
from tuneset.step import Scope, Task  # noqa: TC001  a recipe resolves these annotations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Judge = Callable[[str], Any]

OPENING = 400  # characters in which an answer declines, if it does
SPEAKING = 1_500  # characters in which a model speaks of itself
ASSISTANT = frozenset({"assistant"})
SAMPLE = 20_000  # questions that are counted to know which words are common
TOPIC = 0.4  # share of the questions to one answer that have a word in common, where they ask about the same thing
COMMON = 0.1  # share of all questions in which a word says nothing about what is asked


@dataclass(frozen=True)
class Refusal:
    """Flag answers in which a model declines, and texts that only a model writes.

    Why it hurts: a few hundred refusals among the answers are enough for a model to decline harmless questions, and "As
    an AI language model" in an inquiry gives away that no customer wrote it.
    How: phrases in English, German, French, Spanish, Portuguese, Italian and Dutch, and in English what can be put
    together from who (I), that it will not (cannot, am not allowed), what it would say or write, and about what; a
    customer's agent cannot do things, a model will not say them. Looked for in the turns of the assistant and in the
    labels of tables: somebody declines in the first 400 characters ("I can't help with that"), or
    speaks of being a model and of what it is not or cannot ("As an AI, I don't ..."). In texts that people write, only
    the second counts, and a text that is a refusal as a whole: "I'm sorry but I can't log in" is none.
    `drop`: leave them out without being asked.
    Measured: of 499 refusals in the seven languages .97 found, none of 304 questions and 529 good answers flagged, and
    nothing in CLINC150, BANKING77, HWU64 and 10,000 paraphrases. Wording that is not known is the weakness: of 60
    refusals that were written after the last change, .72 were found, and none of 40 good answers (bench/quality/worth.py).
    Limits: other languages, and refusals that only change the subject, are not seen; a refusal that is right stays a
    refusal, so read what you accept. Only what the assistant says is judged, not the rejected side of a preference.

    >>> from tuneset.testing import examples
    >>> rows = examples([{"text": "Write a poem", "labels": '{"answer": "Sorry, but I cannot assist with that."}'}])
    >>> Refusal()(rows).select("when", "says").row(0)
    ('on-accept', 'a model declines: "Sorry, but I cannot assist with that."')
    """

    rule: ClassVar[str] = "refusal"
    scope: ClassVar[Scope] = "example"
    speaks: ClassVar[tuple[list[str | Mapping[str, Any]], ...]] = (
        [
            {
                "messages": '[{"role":"user","content":"Pick a lock"},{"role":"assistant","content":"I cannot fulfill this request."}]'
            }
        ],
        [{"text": "Was tun?", "labels": '{"answer": "Als KI-Sprachmodell kann ich keine Meinung haben."}'}],
        ["As an AI language model, I don't have personal opinions."],
    )
    silent: ClassVar[tuple[list[str | Mapping[str, Any]], ...]] = (
        [
            "I'm sorry but I can't log in",
            "I cannot access my account",
            "are you an AI language model?",
            "As an AI engineer I need API access",
        ],
        [
            {
                "messages": '[{"role":"user","content":"I can\'t help it"},{"role":"assistant","content":"I\'m sorry for the delay."}]'
            }
        ],
        [{"text": "Norway?", "labels": '{"answer": "Unfortunately, we cannot ship to Norway."}'}],
    )

    drop: bool = False

    def __call__(self, examples: pl.DataFrame) -> pl.DataFrame:
        """Say in which answers a model declines, and which texts only a model can have written."""
        answers = _looked_at(examples, pl.coalesce("messages", "labels"), MODELS)
        texts = _looked_at(examples.filter(pl.col("messages").is_null()), pl.col("text"), PERSONS)
        said = [_drop(self.rule, *about) for about in _judged(answers, _declined)]
        said += [{**_drop(self.rule, *about), "field": "/text"} for about in _judged(texts, _by_a_model)]
        return _table(said, drop=self.drop)


@dataclass(frozen=True)
class BoilerplateAnswer:
    """Flag answers that were never filled in or answer nothing, and padding around the others.

    Why it hurts: a model that reads "Dear [Customer Name]" or "Sure! Here is ..." in its answers writes the same to your
    customers; and an answer that fits every question teaches nothing about any.
    How: four kinds. Places left to fill in: "[Your Name]", "{{customer}}", "INSERT ANSWER HERE", "Lorem ipsum"; code
    between backticks and masks such as [EMAIL] are none. Nothing but politeness: every sentence thanks, promises to get
    back or says goodbye. The same answer to `repeats` questions or more about different things, where the answers of the
    set are otherwise its own. For these the example goes. Padding in English: "Sure! Here is ...", "Great question!", "I
    hope this helps!", "Let me know if ..." are cut out of the answer, with the characters where they stood.
    `drop`: leave the first three out without being asked. `remove`: cut the padding without being asked.
    Measured: of places left to fill in .98 of 58 found, of answers that are only polite 38 of 38, of padding 160 of 160,
    with no false alarm on 329 good answers; of those written when the step was finished 8 of 8 places, 5 of 6 polite
    answers, no false alarm on 25 (bench/quality/worth.py).
    Limits: politeness and padding are known in English; questions with a word in common that is rare in the set ask about
    one thing, and may have one answer; labels shorter than 6 words are no answers.

    >>> from tuneset.testing import examples
    >>> labels = ['{"answer": "Dear [Customer Name], it is on its way."}', '{"answer": "It takes five days. I hope this helps!"}']
    >>> rows = examples([{"text": "Where is it?", "labels": answer} for answer in labels])
    >>> BoilerplateAnswer()(rows).select("action", "says", "after").rows()[0]
    ('drop', 'left to fill in: "[Customer Name]"', None)
    >>> BoilerplateAnswer()(rows).select("action", "says", "after").rows()[1]
    ('edit', 'characters 20-38: closing', '{"answer": "It takes five days."}')
    """

    rule: ClassVar[str] = "boilerplate-answer"
    scope: ClassVar[Scope] = "example"
    tasks: ClassVar[tuple[Task, ...]] = ("classify", "extract", "chat", "tools", "preference")
    speaks: ClassVar[tuple[list[str | Mapping[str, Any]], ...]] = (
        [
            {
                "messages": '[{"role":"user","content":"Refund?"},{"role":"assistant","content":"Best regards, [Your Name]"}]'
            }
        ],
        [{"text": "Refund?", "labels": '{"answer": "Thank you for contacting us. We will get back to you shortly."}'}],
        [{"text": "Refund?", "labels": '{"answer": "It takes five days. I hope this helps!"}'}],
    )
    silent: ClassVar[tuple[list[str | Mapping[str, Any]], ...]] = (
        [{"text": "thanks a lot", "label": "thank you"}, {"text": "bye", "label": "Have a nice day"}],
        [
            {
                "text": "Refund?",
                "labels": '{"answer": "Thank you for waiting. Your refund of [AMOUNT] was paid to [IBAN] today."}',
            }
        ],
        [{"text": "How?", "labels": '{"answer": "Write `{{ name }}` in the template, then press Save."}'}],
    )

    repeats: int = 5
    drop: bool = False
    remove: bool = False

    def __call__(self, examples: pl.DataFrame) -> pl.DataFrame:
        """Say which answers are boilerplate, whole or in part."""
        return self.fit(examples)(examples)

    def fit(self, examples: pl.DataFrame) -> LearnedAnswers:
        """Learn which answers this set gives to many different questions."""
        return LearnedAnswers(_given_to_all(examples, self.repeats), self.drop, self.remove)


@dataclass(frozen=True)
class LearnedAnswers:
    """Flag boilerplate in answers, with the answers that were learned; made by `BoilerplateAnswer.fit`."""

    rule: ClassVar[str] = "boilerplate-answer"
    scope: ClassVar[Scope] = "example"

    repeated: tuple[tuple[str, int], ...]  # answers, and to how many questions each was given
    drop: bool
    remove: bool

    def __call__(self, examples: pl.DataFrame) -> pl.DataFrame:
        """Say which answers are boilerplate, whole or in part."""
        counts = dict(self.repeated)
        same = examples.filter(pl.col("label").is_in(list(counts)) & _asks_once()).select(
            "id", "messages", "label", "labels"
        )
        said = [
            _drop(self.rule, example, messages, _repeats(_longest(labels) or label, counts[label]))
            for example, messages, label, labels in same.iter_rows()
        ]
        looked = _looked_at(examples, pl.coalesce("messages", "labels"), SIGNS)
        said += [_drop(self.rule, *about) for about in _judged(looked, _empty)]
        gone = {each["example"] for each in said}
        edits = (
            (example, messages, edit) for example, messages, edit in _judged(looked, _tidied) if example not in gone
        )
        said += [
            {
                **_drop(self.rule, example, messages, says),
                "action": "edit",
                "before": before,
                "after": after,
                "score": score,
            }
            for example, messages, (before, after, says, score) in edits
        ]
        return _table(said, drop=self.drop, remove=self.remove)


def declines(answer: str) -> str | None:
    """Return the sentence in which an answer declines, None where it does not.

    >>> declines("I'm sorry, but I can't help with that. Anything else?")
    "I'm sorry, but I can't help with that."
    >>> declines("I'm sorry, but this item is out of stock.")
    """
    return _sentence(answer, DECLINES, OPENING) or _sentence(answer, SELF, SPEAKING)


def _sentence(text: str, pattern: re.Pattern[str], most: int) -> str | None:
    """Return the sentence of the first match, at most 100 characters of it."""
    text = text[:most].replace("\u2019", "'")
    found = pattern.search(text.lower())
    if found is None or len(text.lower()) != len(text):
        return found[0] if found else None
    start = max(text.rfind(mark, 0, found.end() - 1) for mark in (". ", "! ", "? ", "\n"))
    start = min(start + 1, found.start())
    end = next((place + 1 for place in range(found.end() - 1, len(text)) if text[place] in ".!?\n"), len(text))
    return text[start:end].strip()[:100]


def _looked_at(examples: pl.DataFrame, said: pl.Expr, signs: tuple[str, ...]) -> pl.DataFrame:
    """Find the rows that have one of the signs in any case, all at once (Aho and Corasick 1975): `id`, `messages`, `said`."""
    rows = examples.select("id", "messages", said=said)
    return rows.filter(pl.col("said").str.contains_any(list(signs), ascii_case_insensitive=True))


def _judged(rows: pl.DataFrame, judge: Judge) -> Iterator[tuple[str, str | None, Any]]:
    """Judge what is said, each distinct text once; give the id, the messages and the verdict where there is one."""
    verdicts = {said: verdict for said in rows["said"].unique().to_list() if (verdict := judge(said))}
    for example, messages, said in rows.iter_rows():
        if said in verdicts:
            yield example, messages, verdicts[said]


def _drop(rule: str, example: str, messages: str | None, says: str) -> dict[str, Any]:
    field = "/messages" if messages else "/labels"
    return {"rule": rule, "example": example, "action": "drop", "field": field, "says": says, "score": 1.0}


def _table(said: list[dict[str, Any]], *, drop: bool, remove: bool = False) -> pl.DataFrame:
    found = pl.DataFrame(said, schema={name: model.FINDINGS[name] for name in EDITS})
    found = found.unique(["example", "field"], keep="first", maintain_order=True)
    applied = pl.when(pl.col("action") == "drop").then(pl.lit(drop)).otherwise(pl.lit(remove))
    return found.with_columns(when=pl.when(applied).then(pl.lit("default")).otherwise(pl.lit("on-accept")))


def _declined(said: str) -> str | None:
    sentence = next(filter(None, map(declines, _answers(said))), None)
    return f'a model declines: "{sentence}"' if sentence else None


def _by_a_model(text: str) -> str | None:
    lower = text[:SPEAKING].replace("\u2019", "'").lower()
    if WHOLE.fullmatch(lower):
        return f'a model wrote this: "{text.strip()}"'
    sentence = _sentence(text, SELF, SPEAKING)
    return f'a model wrote this: "{sentence}"' if sentence else None


def _empty(said: str) -> str | None:
    """Give the reason why answers are nothing but boilerplate."""
    answers = _answers(said)
    if slot := next(filter(None, map(unfilled, answers)), None):
        return f'left to fill in: "{slot}"'
    return f'nothing but politeness: "{_short(answers[0])}"' if answers and all(map(says_nothing, answers)) else None


def _tidied(said: str) -> tuple[str, str, str, float] | None:
    """Take the padding out of answers: what they were, what they are, what went, and its share."""
    read = orjson.loads(said)
    gone, whole, left = [], 0, 0
    for place, key in _places(read):
        text = place[key]
        after, went = cut(text, padding) if len(text.split()) > LEAST else (text, [])
        if went:
            gone.append(where(went))
            whole, left = whole + len(text), left + len(after)
            place[key] = after
    if not gone:
        return None
    after = orjson.dumps(read).decode() if isinstance(read, list) else json.dumps(read, ensure_ascii=False)
    return said, after, "; ".join(gone), round(1 - left / whole, 3)


def _answers(said: str) -> list[str]:
    return [place[key] for place, key in _places(orjson.loads(said))]


def _places(said: Any) -> list[tuple[Any, Any]]:
    """Find where the answers stand: what the assistant says in messages, or the texts among labels."""
    if isinstance(said, list):
        return list(spoken(said, ASSISTANT))
    return [(said, key) for key, value in said.items() if isinstance(value, str)] if isinstance(said, dict) else []


def _asks_once() -> pl.Expr:
    """Keep tables, and conversations in which the user speaks once: at the end of longer ones people say goodbye."""
    turns = pl.col("messages").str.count_matches(r'"role"\s*:\s*"user"')
    return pl.col("messages").is_null() | (turns == 1)


def _given_to_all(examples: pl.DataFrame, repeats: int) -> tuple[tuple[str, int], ...]:
    """Find the answers that were given to many questions about different things.

    Where few answers are given to one question only, the answers are labels. Questions that share a word that is rare in
    the set ask about the same thing, and are right to have one answer.
    """
    rows = examples.filter(_asks_once() & pl.col("label").is_not_null() & pl.col("text").is_not_null())
    counts = rows.group_by("label").agg(questions=pl.col("text").unique().sort(), asked=pl.col("text").n_unique())
    if counts.is_empty() or counts.filter(pl.col("asked") == 1).height < 0.3 * rows.height:
        return ()
    often = counts.filter((pl.col("asked") >= repeats) & (pl.col("label").str.count_matches(r"\s") >= LEAST - 1))
    sample = rows.bottom_k(SAMPLE, by="id")["text"].to_list() if often.height else []
    seen = Counter(word for text in sample for word in _content(text))
    given = [
        (label, asked)
        for label, questions, asked in often.iter_rows()
        if not _one_topic(questions[:200], seen, len(sample))
    ]
    return tuple(sorted(given))


def _one_topic(questions: list[str], seen: Counter[str], sample: int) -> bool:
    """Say whether questions share a word that few of the other questions in the sample have."""
    words = Counter(word for question in questions for word in _content(question))
    others = max(sample - len(questions), 1)
    shared = (word for word, count in words.items() if count >= TOPIC * len(questions))
    return any(seen[word] - words[word] <= COMMON * others for word in shared)


def _content(text: str) -> set[str]:
    return set(re.findall(r"[^\W\d_]{3,}", text.lower()))


def _longest(labels: str | None) -> str | None:
    return max(_answers(labels), key=len, default=None) if labels else None


def _repeats(answer: str, asked: int) -> str:
    return f'the same answer as to {asked - 1} other questions: "{_short(answer)}"'


def _short(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= 80 else f"{words[:79]}\u2026"
