"""The step that suggests what misspelt words were meant to be."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import polars as pl

from tuneset.clean.say import edits, suggested, words
from tuneset.spelling import dictionary
from tuneset.spelling.misspelt import LEAST, misspelt
from tuneset.spelling.word_counts import (
    ABBREVIATED,
    APOSTROPHE,
    CLOSING,
    CODE,
    ENDS,
    LETTERS,
    LONG,
    OPENING,
    SHOUTED,
    SPACES,
)
from tuneset.step import Scope  # noqa: TC001  a recipe resolves these annotations

Cases = tuple[list[str | Mapping[str, Any]], ...]

SURE = 0.9  # confidence from which `fix_typos` applies a correction
ROUNDS = 5  # corrections uncover others; 2 rounds settled every set that was tried
LABELS = 1_000  # distinct ones; where there are more, a label is a text of its own and may have typos too
USER = frozenset({"user"})

_FENCED = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)
_CODE = re.compile(CODE, re.MULTILINE)
_CHUNK = re.compile(r"\n|\S+")
_WORD = re.compile(f"({OPENING})({LETTERS})({CLOSING})")
_MARKS = "".join({*OPENING, *CLOSING} - {"[", "]", "*"})
_ENDS = re.compile(ENDS)
_ABBREVIATED = re.compile(ABBREVIATED)
_SAID = re.compile(r'"([^"]*)" (?:is probably|becomes) "([^"]*)"')


class Correction(NamedTuple):
    """What is meant by a word, and how sure that is; 1 where the recipe says so."""

    meant: str
    confidence: float


@dataclass(frozen=True)
class Typo:
    """Suggest what misspelt words were meant to be.

    Why it hurts: in answers the model learns to write them. In questions a few are welcome: customers will go on making
    typos, and a model that has only seen clean questions meets them for the first time in production. So these are
    suggestions; `fix_typos = true` is for sets whose texts will be shown to people, or where the same map of
    replacements runs before the model.
    How: a word is suspect when it is rare in general and in the set, and when a word one edit away (a letter more, less
    or other, or two swapped) is far more frequent. Odds are worked out from both frequencies, the kind of the edit
    (doubled letters and neighbouring keys are likely, a wrong first letter is not), and how often what is meant stands
    between these neighbours, in this set and in general: a noisy channel (Kernighan, Church and Gale 1990) whose weights
    were fitted to half of two sets. 670 misspellings known as such, such as "recieve", need no odds. Frequencies come
    from symspellpy's English dictionary, or from wordfreq (extra `languages`) with `dictionary = "wordfreq"` and another
    `language`; on English, symspell's finds more (.77 to .68 on CLINC150).
    Left alone: capitals inside a word, names and codes in capitals, words with a digit, e-mail, URLs, mentions, code,
    placeholders, labels, plurals, American and British spellings, "dont", "gonna", "goin", "sooo", and words in `keep`.
    A set in another language than the dictionary's is left alone altogether.
    `fix_typos` applies corrections of a confidence of .9 and more; where a text has one, the doubtful ones wait for the
    next run. `replacements` are corrections of your own (`topup = "top up"`), always applied; with nothing, or the word
    itself, on the right it is kept. `tuneset.clean.typos.replacements` sums findings up to one map that can be edited.
    Measured (bench/quality/typos.py; 5 % of the words of four letters or more mistyped at random): recall .83 and .79 on
    BANKING77 and CLINC150, .08 and .09 % of the other words flagged, almost all of them real typos: precision 1.00 and
    .998 after reading. On the halves that the weights have not seen: .83 and .77. HWU64's real typos: recall .53, .35
    for codespell on the same. In these three sets as they are, 390 flags are .95 right, and the 284 of .9 and more
    .99. On 619 lines of names, brands, ids, code and numbers: no flag.
    Limits: a word mistyped as another common word ("form" for "from") is not seen, nor are two errors in a word unless
    known; names in small letters ("margarot") are sometimes taken for typos; in 500 rows about a fifth of the typos
    stay, for lack of counts.

    >>> from tuneset.testing import examples
    >>> Typo()(examples(["When will I recieve my card?"])).select("after", "says", "when").row(0)
    ('When will I receive my card?', '"recieve" is probably "receive"', 'on-accept')
    """

    rule: ClassVar[str] = "typo"
    scope: ClassVar[Scope] = "example"
    speaks: ClassVar[Cases] = (
        ["I did not recieve my card", "when will I receive my card"],
        ["where is my accout statement", "open an account", "close my account", "which account is it"],
        [{"messages": '[{"role":"user","content":"wich card"},{"role":"assistant","content":"this one"}]'}],
    )
    silent: ClassVar[Cases] = (
        ["My iPhone 15 won't charge", "dont know, im gonna ask, pls help"],
        ["Is Siobhan in Kraków?", "mail recieve@shop.com or see https://shop.com/recieve", "run `git comit -m` again"],
        ["what colour is it", "what color is it", "my neighbor's jewelry", "SIM or eSIM, NASDAQ or FTSE?"],
        ["wo ist meine Karte geblieben", "ich habe mein Passwort vergessen", "bitte um Rückruf wegen der Rechnung"],
    )

    fix_typos: bool = False
    confidence: float = LEAST
    keep: tuple[str, ...] = ()
    replacements: dict[str, str] = field(default_factory=dict)
    language: str = "en"
    dictionary: str = "symspell"

    def __post_init__(self) -> None:
        """Refuse parameters that contradict each other."""
        dictionary.check(self.dictionary, self.language)
        for old, new in self.replacements.items():
            if not isinstance(new, str):
                raise ValueError(f'what "{old}" is replaced by goes between quotation marks')  # noqa: TRY004
            if not re.fullmatch(LETTERS, old):
                raise ValueError(f'replacements are for single words, which "{old}" is not')
            if new != old and (again := {*new.lower().split()} & {*map(str.lower, self.replacements)}):
                raise ValueError(f'"{old}" becomes "{new}", and "{min(again)}" is to be replaced itself')

    def __call__(self, examples: pl.DataFrame) -> pl.DataFrame:
        """Say which examples have words that are probably misspelt."""
        return self.fit(examples)(examples)

    def fit(self, examples: pl.DataFrame) -> Corrections:
        """Learn which words of a set are probably misspelt."""
        own = {old.lower(): Correction(new, 1.0) for old, new in self.replacements.items() if new not in ("", old)}
        guarded = frozenset({*map(str.lower, self.keep), *map(str.lower, self.replacements), *label_words(examples)})
        texts, learnt = corrected(examples["text"].drop_nulls(), own), dict[str, Correction]()
        for _ in range(ROUNDS):
            found = self._found(texts, guarded)
            learnt |= found
            sure = {word: each for word, each in found.items() if self.fix_typos and each.confidence >= SURE}
            if not sure:
                break
            texts = corrected(texts, sure)
        return Corrections(_followed(learnt) | own, SURE if self.fix_typos else 1.0)

    def _found(self, texts: pl.Series, guarded: frozenset[str]) -> dict[str, Correction]:
        said = misspelt(texts, dictionary.load(self.dictionary, self.language), guarded)
        likely = said.filter(pl.col("confidence") >= self.confidence)
        return {word: Correction(meant, confidence) for word, meant, confidence, _ in likely.iter_rows()}


@dataclass(frozen=True)
class Corrections:
    """Suggest the corrections that were learnt, or apply those that are sure."""

    rule: ClassVar[str] = "typo"
    scope: ClassVar[Scope] = "example"

    meant: dict[str, Correction]
    sure: float

    def __call__(self, examples: pl.DataFrame) -> pl.DataFrame:
        """Say which examples have words to correct; where one of them is sure, the doubtful ones wait."""
        suspects = _with_any(words(examples), pl.col("before"), self.meant)
        sure = {word: each for word, each in self.meant.items() if each.confidence >= self.sure}
        applied = self._edits(_with_any(suspects, pl.col("before"), sure), sure)
        others = suspects.join(applied, left_on="id", right_on="example", how="anti", maintain_order="left")
        waiting = self._edits(others, self.meant)
        return pl.concat([suggested(applied, applied=True), suggested(waiting, applied=False)])

    def _edits(self, suspects: pl.DataFrame, meant: Mapping[str, Correction]) -> pl.DataFrame:
        changed: list[Change] = []  # since the last finding: what the turns of one example had
        scores: dict[str, float] = {}

        def mend(text: str) -> str:
            found = changes(text, meant)
            changed.extend(found)
            return written(text, found)

        def says(_before: str, _after: str) -> str:
            words = {change.word: meant[change.word] for change in changed}
            changed.clear()
            said = "; ".join(_says(word, each) for word, each in words.items())
            scores[said] = min(each.confidence for each in words.values())
            return said

        said = edits(self.rule, suspects, mend, says, USER)
        return said.with_columns(score=pl.Series([scores[each] for each in said["says"]], dtype=pl.Float64))


class Change(NamedTuple):
    """A word to be replaced: where it stands, the word in small letters, what is written instead."""

    start: int
    stop: int
    word: str
    new: str


def correct(text: str, meant: Mapping[str, Correction]) -> str:
    """Replace words by what is meant, capitals kept; all other characters stay as they are.

    >>> correct("Teh card? `teh` TEH teh", {"teh": Correction("the", 0.98)})
    'The card? `teh` TEH the'
    """
    return written(text, changes(text, meant))


def written(text: str, found: Sequence[Change]) -> str:
    """Write a text with its changes."""
    parts, last = [], 0
    for start, stop, _, new in found:
        parts += [text[last:start], new]
        last = stop
    return "".join([*parts, text[last:]])


def changes(text: str, meant: Mapping[str, Correction]) -> list[Change]:
    """Find the words to be replaced; names, codes in capitals, and code are left alone."""
    plain = _without_code(text)
    chunks = [(chunk.start(), chunk[0]) for chunk in _CHUNK.finditer(plain)]
    is_shouted = len(chunks) >= SHOUTED and not any(letter.islower() for letter in plain)
    found = []
    for place, (start, chunk) in enumerate(chunks):
        word = chunk.strip(_MARKS).lower().replace(APOSTROPHE, "'")
        if word in meant and (match := _WORD.fullmatch(chunk)):
            begins = place == 0 or _ends(chunks[place - 1][1])
            goes_on = not match[3] and place + 1 < len(chunks) and _is_small(chunks[place + 1][1])
            new = _spelt(match[2], meant[word], begins=begins and goes_on, is_shouted=is_shouted)
            if new is not None:
                found.append(Change(start + match.start(2), start + match.end(2), word, new))
    return found


def _ends(chunk: str) -> bool:
    return bool(_ENDS.search(chunk)) and not _ABBREVIATED.search(chunk)


def _is_small(chunk: str) -> bool:
    match = _WORD.fullmatch(chunk)
    return match is not None and (match[2] == match[2].lower() or len(match[2]) == 1)


def _without_code(text: str) -> str:
    """Blank what stands between backticks, and lines of code, so that no place moves."""
    if "`" in text:
        text = _FENCED.sub(lambda found: "`" * len(found[0]), text)
    if _CODE.search(text):
        text = "\n".join("`" * len(line) if _CODE.search(line) else line for line in text.split("\n"))
    return text


def _spelt(word: str, correction: Correction, *, begins: bool, is_shouted: bool) -> str | None:
    """Write what is meant with the word's capitals; None where they say that it is a name or a code."""
    new = correction.meant.replace("'", APOSTROPHE) if APOSTROPHE in word else correction.meant
    if word == word.lower() or len(word) == 1:
        return new
    if _is_title(word) and (begins or correction.confidence == 1):
        return new[:1].upper() + new[1:]
    return new.upper() if word == word.upper() and is_shouted and len(word) >= LONG else None


def _is_title(word: str) -> bool:
    return len(word) > 1 and word == word[0].upper() + word[1:].lower() and word != word.lower()


def _says(word: str, correction: Correction) -> str:
    return f'"{word}" {"becomes" if correction.confidence == 1 else "is probably"} "{correction.meant}"'


def corrected(texts: pl.Series, meant: Mapping[str, Correction]) -> pl.Series:
    """Correct each text."""
    frame = texts.alias("text").to_frame()
    suspects = _with_any(frame, pl.col("text"), meant)["text"].unique()
    new = {text: correct(text, meant) for text in suspects}
    return frame.select(pl.col("text").replace(new))["text"] if new else texts


def replacements(findings: pl.DataFrame) -> pl.DataFrame:
    """Sum findings up to one map of all replacements: `word`, `meant`, in how many `examples`, `score`, `when`.

    Lines of it, edited, go into the recipe as `[clean.typo.replacements]`, such as `topup = "top up"`; with nothing, or
    itself, on the right a word is kept.

    >>> from tuneset.testing import examples
    >>> replacements(Typo()(examples(["I recieve it", "did you recieve it"]))).row(0)
    ('recieve', 'receive', 2, 0.98, 'on-accept')
    """
    said = findings.filter(pl.col("rule") == Typo.rule).select("says", "when", "score")
    pairs = said.with_columns(pair=pl.col("says").str.extract_all(_SAID.pattern)).explode("pair")
    apart = pairs.with_columns(pl.col("pair").str.extract_groups(_SAID.pattern).struct.rename_fields(["word", "meant"]))
    grouped = apart.unnest("pair").group_by("word", "meant")
    return grouped.agg(examples=pl.len(), score=pl.col("score").max(), when=pl.col("when").min()).sort(
        "examples", "word", descending=[True, False]
    )


def label_words(examples: pl.DataFrame) -> frozenset[str]:
    """Return the words of labels and of the names of their columns: they are spelt as the set wants them.

    >>> from tuneset.testing import examples
    >>> sorted(label_words(examples([{"text": "hi", "label": "top_up"}])))
    ['category', 'top', 'up']
    """
    labels = pl.concat([examples["labels"], examples["label"]]).drop_nulls().unique()
    return frozenset(re.findall(r"[^\W\d_]+", " ".join(labels).lower())) if len(labels) <= LABELS else frozenset()


def _followed(learnt: Mapping[str, Correction]) -> dict[str, Correction]:
    """Let a word mean what the word that it means was found to mean."""
    ends = {}
    for word, each in learnt.items():
        end, seen = each, {word}
        while end.meant in learnt and end.meant not in seen:
            seen.add(end.meant)
            end = learnt[end.meant]._replace(confidence=min(end.confidence, learnt[end.meant].confidence))
        if end.meant != word:
            ends[word] = end
    return ends


def _with_any(frame: pl.DataFrame, text: pl.Expr, meant: Mapping[str, Correction]) -> pl.DataFrame:
    """Keep the rows in which one of the words stands between spaces or marks, in one search for all of them.

    Marks and the escapes of JSON count as spaces on both sides: 54,000 words in 1,000,000 rows took 14 s where any
    part of a word was enough, and take 5 s so.
    """
    forms = {form for word in meant for form in (word, word.capitalize(), word.upper())}
    patterns = sorted({f" {form.replace(chr(39), ' ')} " for form in forms})
    if not patterns:
        return frame.clear()
    spaced = text.str.replace_all(f"[{SPACES}\\n{re.escape(_MARKS)}]|\\\\[nrt]", " ")
    there = pl.concat_str(pl.lit(" "), spaced, pl.lit(" ")).str.contains_any(patterns)
    return frame.filter(there | text.str.contains("\\u", literal=True))
