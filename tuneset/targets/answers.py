"""Whether the answers of a file are JSON of one form: what breaks the program that reads the trained model's answers."""

from __future__ import annotations

from array import array
from functools import lru_cache
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST = 0.9  # so many answers are JSON objects, or have the same keys, before another form is a mistake
FEWEST = 10
Form = tuple[str, ...] | None  # the keys of an answer's object; None where the answer is no JSON object


class Answers:
    """Look at the last answer of each row; say which of them are not of the form that nearly all others have."""

    def __init__(self) -> None:
        self._lines: dict[Form, array[int]] = {}

    def see(self, line: int, answer: object) -> None:
        """Note the form of an answer, and where it stands: 8 bytes a row."""
        if isinstance(answer, str):
            form = _form(answer) if answer.startswith("{") else None
            self._lines.setdefault(form, array("q")).append(line)

    def problems(self) -> Iterator[tuple[int, str, str]]:
        """Give line, rule and words for each answer that differs in form from nine of ten others.

        >>> answers = Answers()
        >>> for line in range(1, 20):
        ...     answers.see(line, '{"category": "Orders"}')
        >>> answers.see(20, "Orders")
        >>> list(answers.problems())
        [(20, 'answer-not-json', 'the answer is no JSON object, and 19 of 20 answers are')]
        """
        counts = {form: len(lines) for form, lines in self._lines.items()}
        rows, objects = sum(counts.values()), sum(counts.values()) - counts.get(None, 0)
        if rows < FEWEST or objects < MOST * rows:
            return
        usual = max((form for form in counts if form is not None), key=lambda form: (counts[form], form))
        found = []
        for form, lines in self._lines.items():
            if form is None:
                said = f"the answer is no JSON object, and {objects:,} of {rows:,} answers are"
                found += [(line, "answer-not-json", said) for line in lines]
            elif form != usual and counts[usual] >= MOST * objects:
                said = f"the answer has the keys {', '.join(form) or '(none)'}; most have {', '.join(usual)}"
                found += [(line, "answer-other-keys", said) for line in lines]
        yield from sorted(found)


@lru_cache(10_000)  # a classifier's answers are few, and each stands in many rows
def _form(answer: str) -> Form:
    try:
        return tuple(sorted(orjson.loads(answer)))
    except orjson.JSONDecodeError:
        return None
