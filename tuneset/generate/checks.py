"""The steps that read each row a model wrote: is it talk of the model, and what did the judge say of its label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import orjson
import polars as pl

from tuneset import model
from tuneset.generate.origin import CLASSIFIER, judged, synthetic
from tuneset.generate.talk import talk
from tuneset.step import Scope  # noqa: TC001  a recipe resolves these annotations

if TYPE_CHECKING:
    from collections.abc import Mapping

ACTS = ("drop", "ask", "flag")


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
    Measured (tests/test_generate_checks.py): shown as synthetic, 3 of 10,003 rows of BANKING77 are said, 3 of 18,200 of
    CLINC150, and 1 of 10,000 real paraphrases by ChatGPT, besides 30 which it had numbered. Of 70 rows of talk that were
    written by the step's author before it was run on them .90 are found.
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
        found = {
            pair: says
            for pair in rows.select("text", "labels").unique().iter_rows()
            if (says := talk(pair[0], _names(pair[1])))
        }
        said = [(example, found[pair]) for example, *pair_ in rows.iter_rows() if (pair := tuple(pair_)) in found]
        return pl.DataFrame(said, schema={"example": pl.String, "says": pl.String}, orient="row").with_columns(
            rule=pl.lit(self.rule), action=pl.lit("drop"), score=pl.lit(1.0)
        )


def _names(labels: str | None) -> frozenset[str]:
    """Return the labels of a row, as texts."""
    values = orjson.loads(labels).values() if labels else ()
    flat = [each for value in values for each in (value if isinstance(value, list) else [value])]
    return frozenset(each for each in flat if isinstance(each, str) and each)


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
    Measured (bench/synthetic.py --judge, ten paraphrases by ChatGPT of each of 200 real rows): with a judge that agrees
    with .845 of the labels, .92 of the rows off their label go, and .05 of the good ones, copies among them.
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
