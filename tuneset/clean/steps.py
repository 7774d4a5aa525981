"""The steps of cleaning: each finds its suspects in the whole column, and looks at those one by one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import orjson
import polars as pl

from tuneset import model
from tuneset.clean import characters, repair
from tuneset.clean.markup import SUSPECT, without_markup
from tuneset.clean.say import Says, drops, edits, words
from tuneset.step import Scope, Task  # noqa: TC001  a recipe resolves these annotations

Cases = tuple[list[str | Mapping[str, Any]], ...]


@dataclass(frozen=True)
class EncodingDamage:
    """Decode again what was decoded wrongly, and join letters written in pieces.

    Why it hurts: the model learns that people write "MÃ¼ller", and pays several tokens for each such letter.
    How: ftfy (Speer 2019) finds mojibake by pairs of characters that no language has, and undoes it line by line; a
    line that it cannot set right as a whole stays. Where it is not sure ("M├╝ller" of DOS, "S√£o" of a Macintosh), a
    sign that nobody writes within a word, and valid UTF-8 once the line is encoded again, prove it. Then Unicode NFC:
    "e" with a separate accent becomes "é"; the two look the same and are different to a model.
    Measured: .997 of 9,000 real rows with planted damage of eight encodings come back letter by letter (ftfy alone:
    .79); nothing is changed in 10,000 clean rows and in 10,234 place names of 30 languages (bench/quality/repair.py).
    Limits: letters that were lost (shown as a question mark or a black diamond) cannot come back. Latin-2 shares most
    bytes with Windows-1250, which is tried first: a letter on its own may come out as another.

    >>> from tuneset.testing import examples
    >>> EncodingDamage()(examples(["Hallo, hier ist MÃ¼ller"])).select("after", "says").row(0)
    ('Hallo, hier ist Müller', 'was UTF-8, read as Latin-1')
    """

    rule: ClassVar[str] = "encoding-damage"
    scope: ClassVar[Scope] = "example"
    speaks: ClassVar[Cases] = (
        ["MÃ¼ller here, where is my parcel?"],
        ["I canâ€™t log in"],
        ["Cafe\u0301 gift card"],
    )
    silent: ClassVar[Cases] = (["Müller here, where is my parcel?"], ["I can\u2019t log in"], ["SÃO PAULO, 25 °C"])

    def __call__(self, examples: pl.DataFrame) -> pl.DataFrame:
        """Say which examples have damaged letters, and what they were."""
        before = pl.col("before")
        escaped = pl.col("messages").str.contains("\\u", literal=True).fill_null(value=False)
        suspects = words(examples).filter((before.str.len_bytes() != before.str.len_chars()) | escaped)
        if suspects.is_empty():
            return model.no_findings()
        # the cheap tests go first: Unicode normalisation of a million rows takes 2 s, a regular expression 0.2 s
        suspects = suspects.filter(before.str.contains(f"{characters.mojibake()}|{characters.MARKS}") | escaped)
        in_pieces = before != before.str.normalize("NFC")
        suspects = suspects.filter(before.str.contains(characters.mojibake()) | in_pieces | escaped)
        return _mended(self.rule, suspects, repair.encoding, repair.encoding_says)


@dataclass(frozen=True)
class Markup:
    """Take out HTML tags, comments, scripts and references that scraping left.

    Why it hurts: tags are noise to a model that is asked about the words, and it may come to write them itself.
    How: Python's HTML parser cuts the text; a tag goes where it is certain to be one: `<p>`, `<br>`, `<li>` and
    headings on their own, others with an attribute, or opened and closed again. Paragraphs, list items and breaks
    become a new line, cells a space. References such as `&amp;` become their character, also where they were escaped
    twice.
    Limits: the address behind a link goes with its tag, and links without a space between them run together. A text
    that is about markup ("a <br> tag", "html"), code between backticks, a JSON object or list, and whole web pages
    (1,000 tags in 50,000 characters) are left alone.

    >>> from tuneset.testing import examples
    >>> rows = examples(["<p>Terms &amp; conditions</p>", "I <3 it, mail <me@shop.com>"])
    >>> Markup()(rows).select("after", "says").rows()
    [('Terms & conditions', 'HTML taken out: <p>, &amp;')]
    """

    rule: ClassVar[str] = "markup"
    scope: ClassVar[Scope] = "example"
    speaks: ClassVar[Cases] = (
        ["<p>Where is my order?</p>"],
        ["Terms &amp; conditions"],
        ["first line<br/>second line"],
    )
    silent: ClassVar[Cases] = (["I <3 it"], ["is a < b or b > a?"], ["a List<String>"], ["write to <me@shop.com>"])

    def __call__(self, examples: pl.DataFrame) -> pl.DataFrame:
        """Say which examples carry markup, and how they read without it."""
        suspects = words(examples).filter(pl.col("before").str.contains(SUSPECT))
        return _mended(self.rule, suspects, without_markup, repair.markup_says)


@dataclass(frozen=True)
class InvisibleCharacters:
    r"""Take out characters that nobody sees.

    Why it hurts: two texts that look the same are different to the model and to every search for duplicates, and tag
    characters can carry words that no reviewer sees.
    How: control characters, zero-width spaces, soft hyphens, byte-order marks, direction marks and tag characters go.
    Joiners stay in emoji and in scripts that spell with them (Persian, Hindi, ...), zero-width spaces in Thai and
    Khmer, new lines and tabs everywhere.
    Limits: without direction marks, Hebrew or Arabic mixed with Latin may be laid out differently on a screen; the
    letters and their order are the same.

    >>> from tuneset.testing import examples
    >>> InvisibleCharacters()(examples(["my\u200b card\ufeff"])).select("after", "says").row(0)
    ('my card', '2 invisible characters removed')
    """

    rule: ClassVar[str] = "invisible-characters"
    scope: ClassVar[Scope] = "example"
    speaks: ClassVar[Cases] = (["\ufeffwhere is my card"], ["re\u00adturn my or\u200bder"], ["hi\u202e there\x00"])
    silent: ClassVar[Cases] = (
        ["\u0645\u06cc\u200c\u0631\u0648\u0645"],
        ["we are a 👨\u200d👩\u200d👧 of three"],
        ["one\n\ttwo"],
    )

    def __call__(self, examples: pl.DataFrame) -> pl.DataFrame:
        """Say which examples hold invisible characters."""
        suspects = words(examples).filter(pl.col("before").str.contains(characters.INVISIBLE))
        return _mended(self.rule, suspects, repair.invisible, repair.invisible_says)


@dataclass(frozen=True)
class WhiteSpace:
    r"""Trim, and turn runs and rare kinds of white space into plain ones.

    Why it hurts: a space at the end or two in a row change the tokens, so one sentence is learned as several.
    How: spaces at the ends go; runs of spaces, tabs and Unicode's other spaces become one space; every line break
    becomes a plain one, and more than one empty line becomes one. The indentation of lines and code between ``` fences
    stay.
    Limits: columns that were aligned with spaces are no longer aligned.

    >>> from tuneset.testing import examples
    >>> WhiteSpace()(examples([" where is  my card? "])).select("after", "says").row(0)
    ('where is my card?', 'white space tidied: at the ends, runs of spaces; 3 characters fewer')
    """

    rule: ClassVar[str] = "white-space"
    scope: ClassVar[Scope] = "example"
    speaks: ClassVar[Cases] = (["where is  my card"], ["where is my card\n"], ["where\u00a0is\tmy card"])
    silent: ClassVar[Cases] = (["where is my card"], ["Hello,\n\nwhere is my card?\n  - the blue one"])

    def __call__(self, examples: pl.DataFrame) -> pl.DataFrame:
        """Say which examples have white space to tidy."""
        suspects = words(examples).filter(pl.col("before").str.contains(characters.WHITE_SPACE))
        return _mended(self.rule, suspects, repair.white_space, repair.white_space_says)


@dataclass(frozen=True)
class EmptyText:
    r"""Drop examples without text.

    Why it hurts: an answer without a question teaches the model to guess.
    How: a text is empty when nothing in it can be seen: it is missing, or holds white space and invisible characters
    only. A conversation is empty when every turn of the user is, and none brings an image or a file. It comes after the
    repairs, so that a text that was only markup is empty too.
    Limits: a text of one punctuation mark is not empty; a conversation in which no user speaks is not either.

    >>> from tuneset.testing import examples
    >>> EmptyText()(examples(["where is my card?", " \u200b"])).select("action", "says").rows()
    [('drop', 'no text')]
    """

    rule: ClassVar[str] = "empty-text"
    scope: ClassVar[Scope] = "example"
    speaks: ClassVar[Cases] = ([{"text": None}], [""], [" \n\t"], ["\u200b\ufeff"])
    silent: ClassVar[Cases] = (["?"], ["0"], ["👍"])

    def __call__(self, examples: pl.DataFrame) -> pl.DataFrame:
        """Say which examples have nothing to read."""
        suspects = examples.filter(_is_blank("text"))
        return drops(self.rule, "/text", suspects, pl.lit("no text"), _asks_nothing)


@dataclass(frozen=True)
class MissingLabel:
    """Drop examples without a label, and conversations without an answer.

    Why it hurts: there is nothing to learn from them, and many trainers stop at the first.
    How: a label is missing when it is null or blank, or when one of several label columns is. A conversation needs a
    turn of the assistant that says something or calls a tool.
    Limits: words that stand for nothing, such as "n/a" or "unknown", are labels.

    >>> from tuneset.testing import examples
    >>> labels = '{"category": "Orders", "sub_category": null}'
    >>> MissingLabel()(examples([{"text": "hi", "labels": labels, "label": None}]))["says"].item()
    'no value for sub_category'
    """

    rule: ClassVar[str] = "missing-label"
    scope: ClassVar[Scope] = "example"
    tasks: ClassVar[tuple[Task, ...]] = ("classify", "extract", "chat", "tools", "preference")
    speaks: ClassVar[Cases] = (
        [{"text": "where is my card?", "label": None}],
        [{"text": "where is my card?", "label": "  "}],
        [{"text": "where is my card?", "label": '{"category": " "}', "labels": '{"category": " "}'}],
    )
    silent: ClassVar[Cases] = ([{"text": "where is my card?", "label": "Orders"}],)

    def __call__(self, examples: pl.DataFrame) -> pl.DataFrame:
        """Say which examples have no answer to learn."""
        blank_value = pl.col("labels").str.contains(r':\s*"\s+"').fill_null(value=False)
        suspects = examples.filter(_is_blank("label") | blank_value)
        named = {labels: _unlabelled(labels) for labels in suspects["labels"].drop_nulls().unique().to_list()}
        says = pl.col("labels").replace_strict(named, default="no label", return_dtype=pl.String)
        return drops(self.rule, "/labels", suspects, says, _answers_nothing)


STEPS = (EncodingDamage, Markup, InvisibleCharacters, WhiteSpace, EmptyText, MissingLabel)


def _is_blank(column: str) -> pl.Expr:
    return pl.col(column).is_null() | pl.col(column).str.contains(characters.BLANK)


def _mended(rule: str, suspects: pl.DataFrame, mend: repair.Repair, says: Says) -> pl.DataFrame:
    return edits(rule, suspects, partial(repair.settled, repair=mend), says)


def _asks_nothing(turns: list[Any]) -> str | None:
    """Give the reason when the user speaks and never says or shows anything."""
    contents = [turn.get("content") for turn in turns if isinstance(turn, dict) and turn.get("role") == "user"]
    return "no text in any turn of the user" if contents and not any(map(_has_content, contents)) else None


def _answers_nothing(turns: list[Any]) -> str | None:
    """Give the reason when the assistant neither says anything nor calls a tool."""
    own = [turn for turn in turns if isinstance(turn, dict) and turn.get("role") == "assistant"]
    calls = any(turn.get("tool_calls") or turn.get("function_call") for turn in own)
    return None if calls or any(_has_content(turn.get("content")) for turn in own) else "no answer by the assistant"


def _has_content(content: object) -> bool:
    if isinstance(content, list):
        return any(not isinstance(part, dict) or "text" not in part or _has_content(part["text"]) for part in content)
    return isinstance(content, str) and not repair.is_blank(content)


def _unlabelled(labels: str) -> str:
    """Name the label columns without a value."""
    values = orjson.loads(labels)
    blank = [name for name, value in values.items() if value in (None, []) or not str(value).strip()]
    return f"no value for {', '.join(blank)}" if blank else "no label"
