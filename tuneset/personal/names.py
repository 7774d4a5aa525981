"""Names of people and addresses, found by Presidio where the extra `pii` is installed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

from tuneset.errors import TunesetError, need
from tuneset.personal.made_up import is_made_up_word

Names = Callable[[str], Iterable[tuple[str, int, int]]]

_KINDS = {"PERSON": "name", "LOCATION": "address", "ADDRESS": "address"}
_PLACEHOLDER = re.compile(r"\[[A-Z_]{2,12}\]")
SURE = 0.6  # of 1; spaCy's entities come with .85, and Presidio lowers those that its own patterns doubt


def finder(model: str) -> Names:
    """Return a function that finds the names and addresses of a text with a spaCy model that is installed.

    Raises TunesetError where Presidio or the model is missing; nothing is downloaded.
    """
    analyzer = _analyzer(model)

    def find_names(text: str) -> Iterable[tuple[str, int, int]]:
        results = analyzer.analyze(text, language="en", entities=list(_KINDS), score_threshold=SURE)
        for each in sorted(results, key=lambda result: (result.start, -result.end)):
            value = text[each.start : each.end]
            if not _PLACEHOLDER.search(f"[{value}]") and not any(map(is_made_up_word, value.split())):
                yield _KINDS[each.entity_type], each.start, each.end

    return find_names


@cache
def _analyzer(model: str) -> Any:
    presidio = need("presidio_analyzer", extra="pii")
    engines = need("presidio_analyzer.nlp_engine", extra="pii")
    if not need("spacy", extra="pii").util.is_package(model) and "/" not in model:
        raise TunesetError(
            f"names are found with the spaCy model {model}, which is not installed",
            "personal-data, names = true",
            f"python -m spacy download {model}",
        )
    settings = {"nlp_engine_name": "spacy", "models": [{"lang_code": "en", "model_name": model}]}
    engine = engines.NlpEngineProvider(nlp_configuration=settings).create_engine()
    return presidio.AnalyzerEngine(nlp_engine=engine, supported_languages=["en"])
