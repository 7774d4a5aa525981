"""Every chat template of TRL, by transformers: the same text as we render, and the same mask where the template marks one.

The tokenizer is made here, of the templates' own words; it only has to cut every text, and to know what they take for special.
"""

from __future__ import annotations

import copy
import json
import os
import re
import tempfile
from datetime import datetime, timezone
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

os.environ["HF_HUB_OFFLINE"] = "1"

from jinja2 import TemplateError
from lines import REFUSALS, main
from ours import chat_rows, compared
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast
from transformers.utils import chat_template_utils

from tuneset.targets.masks import seen
from tuneset.targets.template import TODAY, Model, open_model

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lines import Problem

    from tuneset.targets.masks import Seen

LONG, FIRST = 40, 6  # rows of a file; one takes 0.2 s by all templates
SPECIAL = {"bos_token": "<s>", "eos_token": "<|im_end|>", "pad_token": "<pad>", "unk_token": "<unk>"}
MARKED = re.compile(
    r"<\|\w+\|>|<\w+_of_turn>|</?s>|<\uff5c[^\uff5c\s]+\uff5c>|<\|?\w+\|>"
)  # DeepSeek's bar is a wide one
TEMPLATES = {
    each.name.removesuffix(".jinja"): each.read_text(encoding="utf-8")
    for each in sorted((files("trl") / "chat_templates").iterdir(), key=lambda each: each.name)
    if each.name.endswith(".jinja")
}


class Then(datetime):
    """The clock of transformers, at the day that we render by."""

    @classmethod
    def now(cls, tz: timezone | None = None) -> Then:
        """Say that day."""
        return cls(TODAY.year, TODAY.month, TODAY.day, tzinfo=tz)


class Both(NamedTuple):
    """A template as we have it and as transformers has it."""

    ours: Model
    theirs: PreTrainedTokenizerFast


def tokenizer() -> Tokenizer:
    """Make a tokenizer of bytes that knows the special tokens which the templates name."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    special = sorted({*MARKED.findall("\n".join(TEMPLATES.values())), *SPECIAL.values()})
    letters = pre_tokenizers.ByteLevel.alphabet()
    learns = trainers.BpeTrainer(vocab_size=2000, initial_alphabet=letters, special_tokens=special, show_progress=False)
    made.train_from_iterator(TEMPLATES.values(), learns)
    return made


def opened() -> dict[str, Both]:
    """Open every template on both sides, as a folder such as the Hub has."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tokenizer().save(str(folder / "tokenizer.json"))
        (folder / "tokenizer_config.json").write_text(json.dumps(SPECIAL), encoding="utf-8")
        theirs = PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"), **SPECIAL)
        found = {}
        for each, source in TEMPLATES.items():
            (folder / "chat_template.jinja").write_text(source, encoding="utf-8")
            found[each] = Both(open_model(folder), theirs)
        return found


chat_template_utils.datetime = Then
MODELS = opened()


def rendered(name: str, messages: list[Any], tools: Any, *, masked: bool) -> tuple[str, list[int]] | None:
    """Let transformers render and mask; arguments as objects, or as strings where a template takes only those."""
    theirs, given = MODELS[name].theirs, {"tools": tools, "chat_template": TEMPLATES[name]}
    for said in (with_objects(messages), messages):
        try:
            text = theirs.apply_chat_template(copy.deepcopy(said), tokenize=False, **given)
            if not masked:
                return text, []
            told = theirs.apply_chat_template(
                copy.deepcopy(said), return_dict=True, return_assistant_tokens_mask=True, **given
            )
            return text, told["assistant_masks"]
        except (*REFUSALS, TemplateError):
            continue
    return None


def with_objects(messages: list[Any]) -> list[Any]:
    """Open the arguments of calls, as trainers do before they render."""
    messages = copy.deepcopy(messages)
    for call in (call for message in messages for call in message.get("tool_calls") or []):
        if isinstance(call["function"]["arguments"], str):
            call["function"]["arguments"] = json.loads(call["function"]["arguments"])
    return messages


def differences(row: Any) -> Iterator[str]:
    """Render the row by every template; a weight is nothing that a template knows."""
    messages = [{key: value for key, value in each.items() if key != "weight"} for each in row["messages"]]
    tools = row.get("tools")
    for name, (ours, _) in MODELS.items():
        masked = ours.template(tools).marks
        done, theirs = ours.render(messages, tools), rendered(name, messages, tools, masked=masked)
        if theirs is None or done.refused:
            if bool(done.refused) != (theirs is None):
                yield f"{name}: {'they' if theirs is None else 'we'} refuse the row, {done.refused[:80]!r}"
        elif done.text != theirs[0]:
            yield f"{name}: another text"
        elif masked and (says := masked_otherwise(seen({"messages": messages, "tools": tools}, ours), theirs[1])):
            yield f"{name}: {says}"


def masked_otherwise(ours: Seen, theirs: list[int]) -> str:
    """Say where masks differ; the later tokens of a character have no piece of text."""
    if len(ours.trained) != len(theirs):
        return "other tokens"
    pieces = [piece for piece, mine, other in zip(ours.tokens, ours.trained, theirs, strict=True) if mine != other]
    return "" if not pieces else "another mask" if any(pieces) else "another mask, in later tokens of a character"


def check(path: Path) -> Iterator[Problem]:
    """Compare every row; of a long file, which is a table with rows of one form, the first ones."""
    rows = chat_rows(path)
    yield from compared(rows if len(rows) <= LONG else rows[:FIRST], differences)


main(check)
