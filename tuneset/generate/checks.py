"""The steps that read each row a model wrote: is it talk of the model, and what did the judge say of its label."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, ClassVar

import orjson
import polars as pl

from tuneset import model
from tuneset.generate.origin import CLASSIFIER, judged, synthetic
from tuneset.step import Scope  # noqa: TC001  a recipe resolves these annotations

if TYPE_CHECKING:
    from collections.abc import Mapping

RUN = 8  # words in a row that a row has in common with a prompt only where the prompt was copied
PROMPTS = "prompts"  # a folder of this package
ACTS = ("drop", "ask", "flag")

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
        r"\A[\s*_\"'\[(#]*(?:text|user|customer|assistant|human|system|agent|bot|ai|example|sample|paraphrase|paraphrased|rephrased|rewritten|original|translation|translated|explanation|rationale|reasoning|input|output|response|answer|prompt|instructions?|variation|variant|version|sentence|utterance|(?:customer|user) (?:message|query|inquiry|request|question|text))"
        r"(?: (?:text|message|query|sentence|version|inquiry))?(?: ?#?\d{1,3})?[*_\"'\])]*\s*:[*_\"']*(?:\s|\Z)",
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
        rf"\b(?:write|generate|create|produce|return|provide|give|rewrite|rephrase|paraphrase)\b (?:me )?(?:(?:only|exactly|just|about|a|the|\d{{1,3}}|two|three|four|five|six|ten|more|new|different|diverse|realistic|short|unique|synthetic|valid)\b,? ?){{1,5}}(?:customer |user |synthetic |training |chat |json )?(?:examples|samples|rows|sentences|utterances|paraphrases|variations|variants|rephrasings|messages|queries|inquiries|json|output)\b",
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


@dataclass(frozen=True)
class ModelTalk:
    r"""Drop rows a model wrote that are its own talk, and not the text that was asked for.

    Why it hurts: asked for customers' inquiries, a model also writes "Sure! Here are five examples:", numbers its lines,
    declines, repeats what it was told, or leaves "[product name]" for somebody to fill in. Learned as inquiries, these
    teach what no customer will ever write.
    How: only synthetic examples are read. Said are: what declines, and what only a model says of itself (as in refusal);
    what announces examples or offers more; what names its label or its part ("Label: refund", "Customer:"), or begins
    with a label of its own and a colon, or holds a label that is no word, as card_arrival; what is numbered, or a list;
    JSON and fenced code; places left to fill in; eight words in a row that stand in one of our prompts.
    Measured (tests/test_generate_checks.py): of 10,000 real paraphrases by ChatGPT, 10,003 rows of BANKING77 and 15,000 of
    CLINC150, all shown as synthetic, FALSE % are said. Of 64 rows of talk that were written before the step was run on
    them .RECALL are found.
    Limits: announcements and labels are known in English, refusals in seven languages; prompts of your own are not
    known; sets that are about code, templates or models are full of what this drops: leave the step out there.

    >>> from tuneset.testing import examples
    >>> texts = ["Sure! Here are five examples:", "1. Where is my card?", "Where is my card?"]
    >>> ModelTalk()(examples([{"text": text, "origin": '{"synthetic": true}'} for text in texts]))["says"].to_list()
    ['announces what comes: "Sure! Here are five examples:"', 'is numbered: "1. W"']
    """

    rule: ClassVar[str] = "model-talk"
    scope: ClassVar[Scope] = "example"
    speaks: ClassVar[tuple[list[Mapping[str, Any]], ...]] = tuple(
        [{"text": text, "label": "card_arrival", "origin": '{"synthetic": true}'}]
        for text in (
            "Sure! Here are five inquiries about card arrival:",
            "I'm sorry, but I can't help with that request.",
            "Label: card_arrival",
            "My card from [bank name] has not arrived",
            '{"text": "Where is my card?"}',
        )
    )
    silent: ClassVar[tuple[list[str | Mapping[str, Any]], ...]] = (
        ["Sure! Here are five examples:", '{"text": "Where is my card?"}', "1. Where is my card?"],
        [
            {"text": text, "label": "card_arrival", "origin": '{"synthetic": true}'}
            for text in (
                "I'm sorry but I can't log in",
                "Here is my order number: 4471. Where is it?",
                "Can you give me two examples of what counts as a refund?",
                "I have 2 cards, 1 never came. What now?",
            )
        ],
    )

    def __call__(self, examples: pl.DataFrame) -> pl.DataFrame:
        """Say which synthetic rows are talk of the model."""
        rows = examples.filter(synthetic() & pl.col("text").is_not_null()).select("id", "text", "labels")
        if rows.is_empty():
            return model.no_findings()
        found = {pair: says for pair in rows.select("text", "labels").unique().iter_rows() if (says := _talk(*pair))}
        said = [(example, found[pair]) for example, *pair_ in rows.iter_rows() if (pair := tuple(pair_)) in found]
        return pl.DataFrame(said, schema={"example": pl.String, "says": pl.String}, orient="row").with_columns(
            rule=pl.lit(self.rule), action=pl.lit("drop"), score=pl.lit(1.0)
        )


def talk(text: str, labels: frozenset[str] = frozenset()) -> str | None:
    """Say in which way a text is talk of a model, with the words that give it away; None where it is none.

    >>> talk("Certainly! Below are three paraphrases:"), talk("Where is my card?")
    ('announces what comes: "Certainly! Below are three paraphrases:"', None)
    """
    # clean lists this step among its own: imported above, each of the two would wait for the other
    from tuneset.clean.answers import declines  # noqa: PLC0415
    from tuneset.clean.boilerplate import unfilled  # noqa: PLC0415
    from tuneset.clean.declining import MODELS, SELF, WHOLE  # noqa: PLC0415

    plain = text.replace("\u2019", "'").replace("\u2018", "'")
    for says, pattern in _PATTERNS:
        if found := pattern.search(plain):
            return _quoted(says, found[0])
    if _JSON.match(plain):
        return _quoted("is JSON", plain)
    if slot := unfilled(plain):
        return _quoted("was left to fill in", slot)
    lower = plain.lower()
    if any(sign in lower for sign in MODELS):
        sentence = declines(plain)
        if WHOLE.fullmatch(lower) or SELF.search(lower) or (sentence and _SORRY.sub("", plain, 1)[:60] in sentence):
            return _quoted("declines", sentence or plain)
    if leaked := _label_in(plain, labels):
        return _quoted("names its label", leaked)
    if copied := _of_a_prompt(plain):
        return _quoted("repeats what it was told", copied)
    return None


def _talk(text: str, labels: str | None) -> str | None:
    return talk(text, _names(labels))


def _quoted(says: str, words: str) -> str:
    short = " ".join(words.split())
    return f'{says}: "{short if len(short) <= 80 else f"{short[:79]}…"}"'


@cache
def _names(labels: str | None) -> frozenset[str]:
    """Return the labels of a row, as texts."""
    values = orjson.loads(labels).values() if labels else ()
    flat = [each for value in values for each in (value if isinstance(value, list) else [value])]
    return frozenset(each for each in flat if isinstance(each, str) and each)


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


@dataclass(frozen=True)
class OffLabel:
    """Say of rows a model wrote that the judge reads another label in them than was asked for.

    Why it hurts: asked for one label, a model also writes of the next one: of 10,000 real paraphrases by ChatGPT about
    one in seven is off its label. Each teaches the wrong answer.
    How: what the judge said stands in the row's origin; here it becomes a finding. Where another model disagrees, the row
    is dropped. Where the classifier that learned this set's real rows disagrees, dropping it is only suggested: that
    classifier knows no more than the rows that it learned, and dropping what it doubts was measured to gain nothing.
    Where the judge doubts, nothing is done by itself.
    `act`: "drop" as above; "ask" suggests it where a model disagrees, too; "flag" only says so.
    Measured: bench/synthetic.py --judge, see the page on generating.
    Limits: it is as right as the judge. A row that no judge has seen is not spoken of.

    >>> from tuneset.testing import examples
    >>> said = '{"synthetic": true, "judged": {"by": "gpt-x", "verdict": "disagrees", "labels": {"category": "Refunds"}}}'
    >>> rows = examples([{"text": "I want my money back", "label": "Orders", "origin": said}])
    >>> OffLabel()(rows).select("action", "says").row(0)
    ('drop', 'asked for Orders; gpt-x reads Refunds')
    """

    rule: ClassVar[str] = "off-label"
    scope: ClassVar[Scope] = "example"
    speaks: ClassVar[tuple[list[Mapping[str, Any]], ...]] = tuple(
        [
            {
                "text": "I want my money back",
                "label": "Orders",
                "origin": f'{{"synthetic": true, "judged": {{"by": "{by}", "verdict": "{verdict}", "labels": {{"category": "Refunds"}}}}}}',
            }
        ]
        for by, verdict in (("gpt-x", "disagrees"), ("classifier", "disagrees"), ("gpt-x", "doubts"))
    )
    silent: ClassVar[tuple[list[Mapping[str, Any]], ...]] = (
        [
            {"text": "Where is it?", "origin": '{"synthetic": true, "judged": {"by": "m", "verdict": "agrees"}}'},
            {"text": "Where is it now?", "origin": '{"synthetic": true, "judged": null}'},
            {"text": "Where is it then?", "origin": '{"judged": {"by": "m", "verdict": "disagrees"}}'},
        ],
    )

    act: str = "drop"

    def __post_init__(self) -> None:
        """Refuse what it cannot do."""
        if self.act not in ACTS:
            raise ValueError(f"act = {self.act!r} is not one of {', '.join(ACTS)}")

    def __call__(self, examples: pl.DataFrame) -> pl.DataFrame:
        """Say of which synthetic rows the judge doubts the label."""
        said = judged(examples).filter(pl.col("verdict") != "agrees")
        if said.is_empty():
            return model.no_findings()
        pairs = {pair: _apart(*pair) for pair in said.select("labels", "reads").unique().iter_rows()}
        words = [pairs[pair] for pair in said.select("labels", "reads").iter_rows()]
        disagrees = pl.col("verdict") == "disagrees"
        sure = disagrees & (pl.col("by") != CLASSIFIER)
        reads = pl.when(disagrees).then(pl.lit("reads")).otherwise(pl.lit("doubts, and may read"))
        unsaid = pl.when(disagrees).then(pl.lit("says that it is not")).otherwise(pl.lit("doubts"))
        return said.with_columns(
            asked=pl.Series([each[0] for each in words], dtype=pl.String),
            read=pl.Series([each[1] for each in words], dtype=pl.String),
        ).select(
            rule=pl.lit(self.rule),
            example="id",
            action=pl.when(disagrees & (self.act != "flag")).then(pl.lit("drop")).otherwise(pl.lit("none")),
            when=pl.when(sure & (self.act == "drop") | ~disagrees)
            .then(pl.lit("default"))
            .otherwise(pl.lit("on-accept")),
            field=pl.lit("/labels"),
            says=pl.when(pl.col("read").is_not_null())
            .then(pl.format("asked for {}; {} {} {}", "asked", "by", reads, "read"))
            .otherwise(pl.format("asked for {}; {} {}", "asked", "by", unsaid)),
            score="score",
        )


def _apart(asked: str | None, reads: str | None) -> tuple[str, str | None]:
    """Put into words what was asked for and what is read, in the label columns in which they differ."""
    wanted, read = (orjson.loads(text) if text else {} for text in (asked, reads))
    differing = [name for name in read if name in wanted and read[name] != wanted[name]]
    if not differing:
        return _shown(wanted.values()) or "this answer", None
    return _shown(wanted[name] for name in differing), _shown(read[name] for name in differing)


def _shown(values: Any) -> str:
    listed = (value if isinstance(value, list) else [value] for value in values)
    return " / ".join(
        ", ".join(each if isinstance(each, str) else orjson.dumps(each).decode() for each in value) for value in listed
    )
