"""What a model says where it was asked to write examples, and no customer would: announcements, labels, refusals, JSON."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

RUN = 8  # words in a row that a row has in common with a prompt only where the prompt was copied
PROMPTS = "prompts"  # a folder of this package

_KIND = (
    r"(?:examples?|samples?|rows?|sentences?|utterances?|paraphrases?|variations?|variants?|versions?|rephrasings?|rewordings?"
    r"|alternatives?|rewrites?|texts?|messages?|queries|query|inquir(?:y|ies)|enquir(?:y|ies)|requests?|questions?|outputs?|items?|entries|entry|list|ways)"
)
_OURS = r"(?:examples?|samples?|sentences|utterances?|paraphrases?|variations?|variants?|versions|rephrasings?|rewordings?|(?:customer|user) \w+)"
_WRITE = r"(?:generated?|created?|write|written|wrote|rewrite|rewritten|rewrote|rephrased?|paraphrased?|draft(?:ed)?|produced?|reword(?:ed)?|composed?|provided?|help)"
_AGREED = r"\b(?:sure|certainly|absolutely|of course|okay|ok|got it|great|understood|no problem|happy to help|gladly|alright)\b"
# What a text is said to be, and what is looked for in it. Customers are polite and write lists too, so each asks for
# something that only whoever was told to write examples says.
_TALK: tuple[tuple[str, str], ...] = (
    (
        "announces what comes",
        rf"\A\W*(?:{_AGREED}[^\n]{{0,60}}?\W+)?(?:here(?:'s| is| are| you go)\b|below (?:is|are|you)\b|(?:the )?following (?:is|are)\b|these are\b|as requested\b)(?! (?:my|our|me)\b)[^\n?]{{0,80}}?\b{_KIND}\b[^\n?]{{0,80}}(?::|\.?\s*\Z)",
    ),
    (
        "announces what comes",
        rf"\A\W*(?:{_AGREED}[^\n]{{0,60}}?\W+)?(?:i(?:'ve| have)|i(?:'ll| will)(?: now)?|let me) (?:\w+ )?(?:(?:rephrase|paraphrase|reword)d?|{_WRITE} (?:[\w-]+ ){{0,4}}?{_OURS})\b",
    ),
    (
        "announces what comes",
        rf"\A\W*{_AGREED}(?: thing)?\W+(?:here(?:'s| is| are)?\b|below\b|i(?:'d| would) be (?:happy|glad)|i(?:'ll| will| can) {_WRITE}|let me {_WRITE})",
    ),
    (
        "offers more of it",
        rf"\b(?:let me know (?:if|whether)|would you like(?: me)?|feel free|if you(?:'d| would) like|do you want|shall i|i can)\b[^\n]{{0,60}}\b(?:more|another|other|different|additional|further|adjust\w*|modif\w+|tweak\w*|generate|rewrite|refine)\b[^\n]{{0,40}}\b{_KIND}\b",
    ),
    ("offers more of it", rf"\bhope (?:this|these|that|those) {_KIND} (?:help|meet|work|suit|are)"),
    (
        "names its label",
        r"(?:\A|[\n(\[|*]|[-\u2013\u2014] )[\s*_\"']*(?:label|intent|category|sub[-_ ]?category|class|classification|ground truth|persona|attributes?|tone|channel)[*_\"']*\s*(?:=|:)[*_\"']*\s*\S",
    ),
    (
        "names its part",
        r"\A[\s*_\"'\[(#]*(?:text|user|customer|assistant|human|system|agent|bot|ai|example|sample|paraphrase|paraphrased|rephrased|rewritten|original|translation|translated|explanation|rationale|reasoning|input|output|response|answer|prompt|instructions?|variation|variant|version|sentence|utterance|(?:customer|user) (?:message|query|inquiry|request|question|text))(?: (?:text|message|query|sentence|version|inquiry))?(?: ?#?\d{1,3})?[*_\"'\])]*\s*:[*_\"']*(?:\s|\Z)",
    ),
    (
        "names its part",
        r"\A[\s*_\"'\[(#]*(?:example|sample|paraphrase|variation|variant|version|row|item|option|message|inquiry|query|question|sentence|utterance|text|output) ?#?\d{1,3}[*_\"'\])]*\s*(?:[:.)\u2013\u2014-]|\Z)",
    ),
    ("is numbered", r"\A[\s*\"'(]*(?:\d{1,3}[.)]|\(\d{1,3}\))\*{0,2}\s+\S"),
    ("is a list", r"\n\s*(?:(?:\d{1,3}[.)]|[-*\u2022])\s+\S[^\n]*\n\s*){1,}(?:\d{1,3}[.)]|[-*\u2022])\s+\S"),
    ("is code", r"\A\s*(?:```|~~~|<(?:json|xml|output|example|text|answer|response|rows?)\b[^>]*>)|```\s*\Z"),
    (
        "speaks of itself as a model",
        r"\bas an? (?:ai|a\.i\.|artificial intelligence|(?:large )?language model|ai[- ](?:language )?model|ai assistant|chatbot)\b(?! (?:engineer|developer|researcher|student|company|startup))|\bmy training data\b|\bi(?:'m| am) (?:just |only )?an? (?:ai|language model|ai language model|ai assistant|virtual assistant)\b",
    ),
    (
        "speaks of its task",
        rf"\b(?:the|this|your) (?:given|provided|requested|specified|target|desired|above) (?:label|intent|category|sub_?category|class|json|format|schema|persona|tone|style|{_KIND})\b|\b(?:in|with|for|of) (?:the|this) (?:label|intent) [\"'`\w]",
    ),
    (
        "speaks of its task",
        r"\A\W*(?:please )?(?:write|generate|create|produce|return|provide|rewrite|rephrase|paraphrase)\b (?:me )?(?:(?:only|exactly|just|about|a|the|\d{1,3}|two|three|four|five|six|ten|more|new|different|diverse|realistic|short|unique|synthetic|valid)\b,? ?){1,5}(?:customer |user |synthetic |training |chat |json )?(?:examples|samples|rows|sentences|utterances|paraphrases|variations|variants|rephrasings|messages|queries|inquiries|json|output)\b",
    ),
    (
        "speaks of its task",
        rf"\A\W*(?:these|those|all|each|both|the|this)(?: \w+)? {_OURS} (?:\w+ )?(?:var(?:y|ies)|follow|match|fit|cover|reflect|avoid|should|must)|\b(?:messages?|inquiry|inquiries|texts?|rows?) (?:should|must) (?:not )?(?:be about|mention|sound|avoid|fit|match|contain)\b|\bas (?:requested|instructed|specified)\W*\Z",
    ),
    (
        "was left to fill in",
        r"\[(?:(?:your|the|my|a|an|some|insert|enter|add)\s)?[a-z]+(?:[ _/'-][a-z]+){0,4}\]|\{\{?\s*[a-z]+(?:[ _.-][a-z]+){0,4}\s*\}?\}|<(?:your|insert|enter|the|customer|user|product|order|account|first|last|full|company|city|country|date|amount|name|number|merchant|store)(?:[ _-][a-z]+){0,3}>|_{3,}",
    ),
    ("was cut off", r"(?:\.\.\.|\u2026)\s*\[(?:truncated|continued|cut)|\A\W*\Z"),
)
_PATTERNS = tuple((says, re.compile(pattern, re.IGNORECASE)) for says, pattern in _TALK)
_JSON = re.compile(r"\A\s*(?:[{\[]\s*[\"'{\[}\]]|[\"'][\w ]{1,30}[\"']\s*:)")
# Who declines in the place of a customer does it at once, and says so of what was asked; "I cannot log in" is no refusal.
_SORRY = re.compile(
    r"\A\W*(?:(?:i(?:'m| am) (?:very |so |really )?sorry|sorry|i apologi[sz]e|apologies|unfortunately|i(?:'m| am) afraid)\W+)?(?:but |that |as |however,? )*",
    re.IGNORECASE,
)


def talk(text: str, labels: frozenset[str] = frozenset()) -> str | None:
    """Say in which way a text is talk of a model, with the words that give it away; None where it is none.

    `labels`: those of its row, which it should not name.

    >>> talk("Certainly! Below are three paraphrases:"), talk("Where is my card?")
    ('announces what comes: "Certainly! Below are three paraphrases:"', None)
    """
    plain = text.replace("\u2019", "'").replace("\u2018", "'")
    for says, pattern in _PATTERNS:
        if found := pattern.search(plain):
            return _quoted(says, found[0])
    for says, words_of in _READ:
        if words := words_of(plain):
            return _quoted(says, words)
    leaked = _label_in(plain, labels)
    return _quoted("names its label", leaked) if leaked else None


def _quoted(says: str, words: str) -> str:
    short = " ".join(words.split())
    return f'{says}: "{short if len(short) <= 80 else f"{short[:79]}…"}"'


def _unfilled(text: str) -> str | None:
    # clean lists this package's steps among its own: imported above, each of the two would wait for the other
    from tuneset.clean.boilerplate import unfilled  # noqa: PLC0415

    return unfilled(text)


def _declines(text: str) -> str | None:
    """Return the sentence in which a text declines as a whole, or in which a model speaks of itself."""
    from tuneset.clean.answers import declines  # noqa: PLC0415  see `_unfilled`
    from tuneset.clean.declining import MODELS, SELF, WHOLE  # noqa: PLC0415

    lower = text.lower()
    if not any(sign in lower for sign in MODELS):
        return None
    sentence = declines(text)
    at_once = sentence is not None and _SORRY.sub("", text, count=1)[:60] in sentence
    return (sentence or text) if at_once or WHOLE.fullmatch(lower) or SELF.search(lower) else None


def _label_in(text: str, labels: frozenset[str]) -> str | None:
    """Find a label that the text begins with, as a heading, or that stands in it and is no word of a language."""
    for label in sorted(labels):
        wordless = "_" in label and re.search(rf"(?<!\w){re.escape(label)}(?!\w)", text)
        heading = re.match(rf"[\s*_\"'\[(]*{re.escape(label)}[*_\"'\])]*\s*:", text, re.IGNORECASE)
        if found := heading or wordless:
            return str(found[0])
    return None


def _of_a_prompt(text: str) -> str | None:
    """Find eight words in a row that stand in a prompt, too."""
    told = prompt_runs()
    return next((run for run in _runs(text) if run in told), None) if told else None


def _runs(text: str) -> list[str]:
    words = re.sub(r"[\W_]+", " ", text.casefold()).split()
    return [" ".join(words[start : start + RUN]) for start in range(len(words) - RUN + 1)]


@cache
def prompt_runs() -> frozenset[str]:
    """Return every eight words in a row of the prompts that this package brings."""
    folder = resources.files("tuneset.generate") / PROMPTS
    files = [each for each in folder.iterdir() if each.is_file()] if folder.is_dir() else []
    return frozenset(run for file in files for run in _runs(file.read_text(encoding="utf-8")))


_READ: tuple[tuple[str, Callable[[str], str | None]], ...] = (
    ("is JSON", lambda text: text if _JSON.match(text) else None),
    ("was left to fill in", _unfilled),
    ("declines", _declines),
    ("repeats what it was told", _of_a_prompt),
)
