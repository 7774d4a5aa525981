"""check_step and check_source find what is wrong with a step or a source, and say it."""

import random
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import polars as pl
import pytest

from tuneset import clean, dedupe, model
from tuneset.errors import RecipeError
from tuneset.testing import check_source, check_step, examples


@dataclass(frozen=True)
class LoudText:
    """Write texts in capitals as they are spoken."""

    rule: ClassVar[str] = "loud-text"
    scope: ClassVar[str] = "example"
    speaks: ClassVar = (["HELP"],)
    silent: ClassVar = (["help"], [""])

    def __call__(self, examples):
        loud = pl.col("text") != pl.col("text").str.to_lowercase()
        return examples.filter(loud).select(
            rule=pl.lit(self.rule),
            example="id",
            action=pl.lit("edit"),
            before="text",
            after=pl.col("text").str.to_lowercase(),
            says=pl.lit("in capitals"),
        )


def broken(name="LoudText", doc="Write texts in capitals as they are spoken.", **parts):
    """A LoudText with some of its parts exchanged, which pickle finds by its name."""
    made = type(name, (LoudText,), {"__doc__": doc, "__module__": __name__, "__qualname__": name, **parts})
    return dataclass(frozen=True)(made)()


ORIGINAL = LoudText


def says(change):
    def __call__(self, examples):  # noqa: N807
        return change(ORIGINAL()(examples), examples)

    return __call__


def with_column(**columns):
    return says(lambda said, _: said.with_columns(**columns))


COUNT = iter(range(10**9))


def shouts_louder(said, examples):
    return said.with_columns(after=pl.col("after") + "!A")


BROKEN = {
    "its rule should be 'loud-text'": {"rule": "shouting"},
    "its scope should be one of": {"scope": "row"},
    "it has no key": {"scope": "group"},
    "it has no docstring of its own": {"doc": None},
    "rows in 'speaks'": {"speaks": ()},
    "rows in 'silent'": {"silent": ()},
    "it should speak, and is silent, on": {"speaks": (["help"],)},
    "it should be silent, and says": {"silent": (["HELP"],)},
    "two things": {"__call__": says(lambda said, _: said.with_columns(says=pl.lit(str(next(COUNT)))))},
    "about no examples": {"__call__": says(lambda said, _: pl.concat([said, ORIGINAL()(examples(["A"]))]))},
    "another rule": {"__call__": with_column(rule=pl.lit("other"))},
    "its findings lack says": {"__call__": says(lambda said, _: said.drop("says"))},
    "of which example it is": {"__call__": with_column(example=pl.lit(None, dtype=pl.String))},
    "an example that is not there": {"__call__": with_column(example=pl.lit("nobody"))},
    "an action is": {"__call__": with_column(action=pl.lit("burn"))},
    "`when` is": {"__call__": with_column(when=pl.lit("later"))},
    "JSON pointer": {"__call__": with_column(field=pl.lit("text"))},
    "says nothing in words": {"__call__": with_column(says=pl.lit(" "))},
    "lacks the text to write": {"__call__": with_column(after=pl.lit(None, dtype=pl.String))},
    "still finds something to do": {"__call__": says(shouts_louder)},
    "in pieces": {"__call__": says(lambda said, examples: said.with_columns(score=pl.lit(examples.height)))},
}


def test_a_step_that_keeps_its_word_passes():
    check_step(LoudText(), examples(["HELP", "me", {"text": "ÄH", "label": None}]))


# the other steps of dedupe say nothing until they are given files or a model: test_dedupe.py, test_semantic.py
@pytest.mark.parametrize(
    "made",
    [*clean.STEPS, dedupe.ExactDuplicate, dedupe.ConflictingLabel, dedupe.NearDuplicate],
    ids=lambda made: made.rule,
)
def test_our_own_steps_keep_every_law(made):
    check_step(made())


@pytest.mark.parametrize("sentence", BROKEN)
def test_a_step_that_breaks_its_word_is_named_with_the_reason(sentence, monkeypatch):
    step = broken(**BROKEN[sentence])
    monkeypatch.setitem(globals(), "LoudText", type(step))  # where pickle looks for it
    with pytest.raises(AssertionError, match="LoudText") as caught:
        check_step(step)
    assert sentence in str(caught.value)


def test_a_step_must_be_frozen():
    made = dataclass(type("Thawed", (), {"__doc__": "Melt.", "rule": "thawed", "scope": "example"}))
    with pytest.raises(AssertionError, match="a step is a frozen dataclass"):
        check_step(made())


def test_a_step_that_pickle_cannot_carry_is_found():
    @dataclass(frozen=True)
    class Local(LoudText):
        """Live inside a function."""

        rule: ClassVar[str] = "local"

    with pytest.raises(AssertionError, match="does not come back the same from pickle"):
        check_step(Local())


def test_rows_of_your_own_are_checked_too(monkeypatch):
    rarely = pl.when(pl.col("before") == "WHO KNOWS").then(pl.lit("burn")).otherwise("action")
    step = broken(__call__=with_column(action=rarely))
    monkeypatch.setitem(globals(), "LoudText", type(step))
    check_step(step)
    with pytest.raises(AssertionError, match="an action is"):
        check_step(step, examples(["WHO KNOWS"]))


class Memory(NamedTuple):
    examples: pl.DataFrame
    findings: pl.DataFrame


UNREADABLE = examples([{"text": None}])
UNREAD = model.as_findings(
    pl.DataFrame({"rule": "unreadable-row", "example": UNREADABLE["id"], "action": "drop", "says": "line 1: one field"})
)


def test_a_source_that_keeps_its_word_passes():
    check_source(lambda: Memory(pl.concat([UNREADABLE, examples(["hi", "hi"])]), UNREAD), rows=3)


@pytest.mark.parametrize(
    ("sentence", "read"),
    [
        ("examples do not fit", lambda: Memory(examples(["hi"]).drop("extra"), model.no_findings())),
        ("findings do not fit", lambda: Memory(examples(["hi"]), pl.DataFrame({"example": ["a"], "id": ["b"], "says": ["c"]}))),
        ("has no id", lambda: Memory(examples(["hi"]).with_columns(id=pl.lit(None, dtype=pl.String)), model.no_findings())),
        ("two examples have one id", lambda: Memory(pl.concat([examples(["hi"])] * 2), model.no_findings())),
        ("two findings have one id", lambda: Memory(UNREADABLE, pl.concat([UNREAD] * 2))),
        ("read twice, the examples differ", lambda: Memory(examples([str(next(COUNT))]), model.no_findings())),
        ("read twice, the findings differ", lambda: Memory(UNREADABLE, UNREAD.with_columns(says=pl.lit(str(next(COUNT)))))),
        ("example that is not there", lambda: Memory(examples(["hi"]), UNREAD)),
        ("no finding says why", lambda: Memory(UNREADABLE, model.no_findings())),
        ("2 rows went in and 1 examples came out", lambda: Memory(examples(["hi"]), model.no_findings())),
    ],
)  # fmt: skip
def test_a_source_that_breaks_its_word_is_told_why(sentence, read):
    with pytest.raises(AssertionError) as caught:
        check_source(read, rows=2 if "went in" in sentence else None)
    assert sentence in str(caught.value)


def test_partial_examples_are_filled_up_to_the_schema():
    rows = examples(
        ["hi", {"text": "bye", "label": "B", "groups": ["page:1"]}, {"messages": '[{"role":"user","content":"q"}]'}]
    )
    assert rows.schema == model.EXAMPLES
    assert rows.select("text", "label", "labels").rows() == [
        ("hi", "A", '{"category": "A"}'),
        ("bye", "B", '{"category": "B"}'),
        ("q", None, None),
    ]
    assert rows["id"].is_unique().all()


def test_the_same_partial_examples_have_the_same_ids_wherever_they_stand():
    rows = ["a", "b", {"text": "c", "label": None}]
    shuffled = random.Random(1).sample(rows, 3)
    assert set(examples(rows)["id"]) == set(examples(shuffled)["id"])


def test_a_column_that_examples_do_not_have_is_refused():
    with pytest.raises(RecipeError, match="'label'"):
        examples([{"lable": "A"}])


def test_no_examples_are_a_table_too():
    assert examples([]).schema == model.EXAMPLES
