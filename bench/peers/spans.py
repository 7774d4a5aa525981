"""One way's finds of personal data: `python spans.py NAME TEXTS.json OUT.json` writes kind, start and end for each text.

Presidio with its pattern recognisers and what they count as context; its names, places and dates need a spaCy model, which
is on neither PyPI nor here, so it gets a blank pipeline: tokens, no lemmas.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    Spans = list[tuple[str, int, int]]

KINDS = {
    "EMAIL_ADDRESS": "email",
    "PHONE_NUMBER": "phone",
    "CREDIT_CARD": "card",
    "IBAN_CODE": "iban",
    "IP_ADDRESS": "ip",
    "US_SSN": "national-id",
}


def tuneset() -> Callable[[str], Spans]:
    from tuneset.personal.columns import Search, look
    from tuneset.personal.kinds import PERSONAL

    search = Search(tuple(PERSONAL))
    return lambda text: [(each.kind, each.start, each.end) for each in look(text, search).found]


def presidio() -> Callable[[str], Spans]:
    import logging

    import spacy
    from presidio_analyzer import AnalyzerEngine
    from presidio_analyzer.nlp_engine import SpacyNlpEngine

    logging.disable()  # it looks for a list of domains on the network, says that there is none, and uses its own

    class Blank(SpacyNlpEngine):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.nlp = {"en": spacy.blank("en")}

        def load(self) -> None:
            """Load nothing: the pipeline is there."""

    engine = AnalyzerEngine(nlp_engine=Blank(), supported_languages=["en"])

    def find(text: str) -> Spans:
        """Where two finds overlap keep the surer one, as its anonymizer does."""
        found = sorted(engine.analyze(text, language="en", entities=list(KINDS)), key=lambda each: -each.score)
        kept = [
            each
            for place, each in enumerate(found)
            if not any(each.start < surer.end and surer.start < each.end for surer in found[:place])
        ]
        return [(KINDS[each.entity_type], each.start, each.end) for each in kept]

    return find


WAYS = {"tuneset": tuneset, "Presidio": presidio}

if __name__ == "__main__":
    name, source, out = sys.argv[1:]
    texts = json.loads(Path(source).read_text())
    find = WAYS[name]()
    find("warm up: ann@example.com")
    start = perf_counter()
    found = [find(text) for text in texts]
    Path(out).write_text(json.dumps({"found": found, "seconds": perf_counter() - start}))
