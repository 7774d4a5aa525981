"""TRL's reading of a row, through the chat templates that a row can be asked to fit."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import TYPE_CHECKING, Any, NamedTuple

from jinja2 import TemplateError
from lines import main
from loaded import each_loaded
from transformers.utils.chat_template_utils import render_jinja_template
from trl.data_utils import apply_chat_template, is_conversational, maybe_convert_to_chatml

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lines import Problem

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
# What a template takes beside user and assistant in turn: its model knows no more, whoever wrote the row. `parallel` are
# several calls at once, `beside` is content next to a call.
TAKES: dict[str, set[str]] = {
    "chatml": {"system"},
    "llama3": {"system"},
    "llama3_1": {"system", "tool"},
    "qwen2_5": {"system", "tool", "parallel", "beside"},
    "qwen3": {"system", "tool", "parallel", "beside"},
    "gemma": set(),
    "gemma3": {"system"},
}
ENDS = {"bos_token": "<s>", "eos_token": "</s>"}
PLAIN = ({"text"}, {"prompt", "completion"}, {"prompt", "chosen", "rejected"}, {"chosen", "rejected"})
FIELDS = ("messages", "prompt", "completion", "chosen", "rejected")


class Reader(NamedTuple):
    """The one method of a tokenizer that TRL asks for."""

    template: str

    def apply_chat_template(self, conversation: list[Any], **settings: Any) -> str:
        """Render a conversation as `transformers` does."""
        for name in ("tokenize", "return_dict"):
            settings.pop(name, None)
        made, _ = render_jinja_template([conversation], chat_template=self.template, **ENDS, **settings)
        return made[0]


def reader(name: str) -> Reader:
    """Take a template out of TRL; ChatML is no model's own."""
    if name == "chatml":
        return Reader(CHATML)
    return Reader((files("trl") / "chat_templates" / f"{name}.jinja").read_text(encoding="utf-8"))


READERS = {name: reader(name) for name in TAKES}


def check_row(row: dict[str, Any]) -> None:
    """Raise where a template that takes what the row has cannot render it, or leaves out what is to be learned."""
    row = maybe_convert_to_chatml(row)
    if not is_conversational(row):
        if not any(names <= row.keys() and all(isinstance(row[name], str) for name in names) for names in PLAIN):
            raise ValueError("neither a conversation nor text")
        return
    tools = json.loads(row["tools"]) if isinstance(row.get("tools"), str) else row.get("tools")
    said = [message for name in FIELDS for message in row.get(name) or []]
    has = asked_for(said) | ({"tool"} if tools else set())
    for name in (name for name, takes in TAKES.items() if has <= takes):
        made = "".join(str(value) for value in apply_chat_template(row, READERS[name], tools=tools).values())
        for answer in (message for message in said if message["role"] == "assistant"):
            content = answer.get("content")
            learned = [content.strip()] if isinstance(content, str) else []
            learned += [call["function"]["name"] for call in answer.get("tool_calls") or []]
            if left := [each for each in learned if each not in made]:
                raise ValueError(f"{name} leaves out {left[0][:60]!r}")


def asked_for(said: list[Any]) -> set[str]:
    """Name what a template must know, beside user and assistant in turn."""
    has = {message["role"] for message in said} & {"system", "tool"}
    for message in said:
        if made := message.get("tool_calls"):
            has |= (
                {"tool"}
                | ({"parallel"} if len(made) > 1 else set())
                | ({"beside"} if message.get("content") else set())
            )
    return has


def check(path: Path) -> Iterator[Problem]:
    """Check every row."""
    yield from each_loaded(path, check_row, TemplateError)


main(check)
