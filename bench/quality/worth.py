"""How often gibberish, refusals, boilerplate and odd lengths are found where they were planted, and nowhere else."""

from __future__ import annotations

import json
import os
import random
import tomllib
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from tuneset.clean.answers import BoilerplateAnswer, Refusal
from tuneset.clean.gibberish import Gibberish
from tuneset.clean.length import TooLong, TooShort
from tuneset.testing import examples

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tuneset.step import Step

DATA = Path(os.environ.get("TUNESET_DATA", Path(__file__).parents[3] / "shared" / "data"))
SETS = {
    "clinc150": ("clinc150/clinc150.csv", "inquiry"),
    "banking77": ("banking77/train.csv", "text"),
    "hwu64": ("hwu64/hwu64.csv", "text_as_typed"),
    "paraphrases": ("paraphrases/banking_dev_paraphrases.csv", "ChatGPT's Paraphrase"),
}
PLANTED = 500  # rows of gibberish in each set
KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
AROUND = {
    key: "".join(line[max(0, at - 1) : at + 2] for line in KEYS for at in [row.index(key)] if at <= len(line))
    for row in KEYS
    for key in row
}


def mash(draw: random.Random, size: int) -> str:
    """Hit keys near the last one, or on the home row."""
    word = draw.choice(KEYS[1])
    while len(word) < size:
        word += draw.choice(AROUND[word[-1]] if draw.random() < 0.5 else KEYS[1] * 4 + KEYS[0] + KEYS[2])
    return word


def letters(draw: random.Random, size: int) -> str:
    return "".join(draw.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(size))


def along(draw: random.Random, size: int) -> str:
    row = draw.choice(KEYS)
    start = draw.randrange(len(row) - 4)
    return row[start : start + max(size, 5)][:: draw.choice((1, -1))]


def same(draw: random.Random, size: int) -> str:
    return draw.choice("abcdefgijlnopqrstuvy") * size


def again(draw: random.Random, size: int) -> str:
    unit = along(draw, 3)[: draw.choice((3, 4))]
    return (unit * size)[: max(size, 2 * len(unit) + 1)]


WAYS = {"mash": mash, "letters": letters, "along": along, "same": same, "again": again}


def planted(n: int, draw: random.Random) -> list[tuple[str, str]]:
    """Make rows of gibberish of one to four words, each with its way."""
    made = []
    for number in range(n):
        way = list(WAYS)[number % len(WAYS)]
        words = draw.choice((1, 1, 1, 2, 2, 3, 4))
        text = " ".join(WAYS[way](draw, draw.randint(5, 10) if words < 3 else draw.randint(3, 9)) for _ in range(words))
        text = draw.choice((text, text, text, text.upper(), text.capitalize()))
        made.append((way, text + draw.choice(("", "", "", "?", "!"))))
    return made


def gibberish(name: str, texts: Sequence[str]) -> dict[str, float]:
    """Plant gibberish in a real set; its own rows are the false alarms."""
    rows = planted(PLANTED, random.Random(name))
    table = examples([*texts, *(text for _, text in rows)])
    said = set(Gibberish()(table)["example"])
    flagged = [example in said for example in table["id"]]
    ours, theirs = flagged[len(texts) :], flagged[: len(texts)]
    ways = {
        f"gibberish.{name}.recall.{way}": sum(hit for (of, _), hit in zip(rows, ours, strict=True) if of == way)
        / (PLANTED / len(WAYS))
        for way in WAYS
    }
    return {
        f"gibberish.{name}.recall": sum(ours) / PLANTED,
        f"gibberish.{name}.precision": sum(ours) / max(1, sum(flagged)),
        f"gibberish.{name}.false_alarms": sum(theirs) / len(texts),
        **ways,
    }


def answered(answers: Sequence[str]) -> pl.DataFrame:
    """Make examples of one question each, with these answers, half as tables and half as conversations."""
    rows: list[Mapping[str, str]] = [
        {"text": f"question {number}", "labels": json.dumps({"answer": answer})}
        if number % 2
        else {
            "messages": json.dumps(
                [{"role": "user", "content": f"question {number}"}, {"role": "assistant", "content": answer}]
            )
        }
        for number, answer in enumerate(answers)
    ]
    return examples(rows)


def share(step: Step, table: pl.DataFrame, action: str | None = None) -> float:
    """Return the share of the examples of which the step says something."""
    said = step(table)
    if action is not None:
        said = said.filter(pl.col("action") == action)
    return said["example"].n_unique() / table.height


def refusals(said: Mapping[str, list[str]]) -> dict[str, float]:
    """Count refusals that are found, and good answers and questions that are taken for one."""
    asked = [ask.format(do=do) for ask, do in product(said["asked"], said["does"])] + said["questions"]
    good = (
        [f"{excuse} {news}." for excuse, news in product(said["excuses"], said["news"])]
        + said["answers"]
        + said["fine"]
    )
    found = share(Refusal(), answered(said["refusals"])) * len(said["refusals"])
    false = share(Refusal(), answered(good)) * len(good) + share(Refusal(), examples(asked)) * len(asked)
    return {
        "refusal.recall": found / len(said["refusals"]),
        "refusal.precision": found / (found + false),
        "refusal.false_alarms.questions": share(Refusal(), examples(asked)),
        "refusal.false_alarms.answers": share(Refusal(), answered(good)),
    }


def held_out(said: Mapping[str, list[str]]) -> dict[str, float]:
    """Count the same for what was written after the steps were finished."""
    both: dict[str, tuple[Step, str]] = {
        "refusal": (Refusal(), "refusals"),
        "boilerplate.politeness": (BoilerplateAnswer(), "politeness"),
        "boilerplate.slots": (BoilerplateAnswer(), "slots"),
    }
    recalls = {
        f"{name}.recall.held_out": share(step, answered(said[which]), "drop") for name, (step, which) in both.items()
    }
    return recalls | {
        "refusal.false_alarms.held_out": share(Refusal(), answered(said["answers"])),
        "boilerplate.false_alarms.held_out": share(BoilerplateAnswer(), answered(said["answers"])),
    }


def boilerplate(said: Mapping[str, list[str]]) -> dict[str, float]:
    """Count answers left to fill in, nothing but politeness, and padding; good answers are the false alarms."""
    padded = [f"{opening}{body}" for opening, body in product(said["openings"], said["bodies"])]
    padded += [f"{body}{closing}" for body, closing in product(said["bodies"], said["closings"])]
    good = [f"{excuse} {news}." for excuse, news in product(said["excuses"], said["news"])]
    good += [*said["answers"], *said["bodies"], *said["fine"]]
    step = BoilerplateAnswer()
    return {
        "boilerplate.slots.recall": share(step, answered(said["slots"]), "drop"),
        "boilerplate.politeness.recall": share(step, answered(said["politeness"]), "drop"),
        "boilerplate.padding.recall": share(step, answered(padded), "edit"),
        "boilerplate.false_alarms": share(step, answered(good)),
        **repeated(good),
    }


def repeated(good: Sequence[str]) -> dict[str, float]:
    """Give one answer to many questions of a set in which every other answer is its own."""
    topics = ("card", "parcel", "invoice", "password", "window", "flight", "jacket", "engine", "garden", "recipe")
    ways = ("Where is my {}?", "My {} broke", "Can I return the {}?", "How much is a {}?", "Who repairs this {}?")
    about = [way.format(topic) for way, topic in product(ways, topics)]
    canned = "We have noted what you told us and one day somebody may act on it."
    rows = [
        {"text": ask, "label": canned, "labels": json.dumps({"answer": canned})}
        for ask in random.Random(1).sample(about, 10)
    ]
    rows += [
        {"text": f"{ask} {number}", "label": answer, "labels": json.dumps({"answer": answer})}
        for number, (ask, answer) in enumerate(zip(about * 9, good, strict=False))
    ]
    hours = "We are open from Monday to Friday, nine to five."
    rows += [{"text": ask, "label": hours, "labels": json.dumps({"answer": hours})} for ask in OPEN]
    table = examples(rows)
    said = table.filter(pl.col("id").is_in(BoilerplateAnswer()(table)["example"].implode()))["label"]
    return {
        "boilerplate.repeated.recall": said.to_list().count(canned) / 10,
        "boilerplate.repeated.false_alarms": said.to_list().count(hours) / len(OPEN),
    }


OPEN = (
    "When are you open?",
    "What are your opening hours?",
    "Are you open on Sunday?",
    "Till when is the shop open today?",
    "Is it open now?",
    "open on friday",
)


def measure(data: Path) -> dict[str, float]:
    with (Path(__file__).parent / "answers.toml").open("rb") as file:
        said = tomllib.load(file)
    figures = refusals(said) | boilerplate(said) | held_out(said["held_out"])
    for name, (path, column) in SETS.items():
        texts = pl.read_csv(data / path, infer_schema=False)[column].drop_nulls().to_list()
        table = examples(texts)
        if name != "paraphrases":
            figures |= gibberish(name, texts)
        for step in (Gibberish(), Refusal(), TooShort(), TooLong()):
            figures[f"{step.rule}.{name}.flags"] = step(table).height
    return figures


if __name__ == "__main__":
    for what, figure in measure(DATA).items():
        print(f"{what:52} {figure:.4f}")
