"""What the model sees of a row: its text in tokens, which of them train, and what goes wrong there without a word."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tuneset.shapes.row import calls, kind, listed, name_of, short
from tuneset.targets.rules import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.text import Text

    from tuneset.shapes.row import Message, Row, Said
    from tuneset.targets.template import Model, Rendered

Span = tuple[int, int]
Places = npt.NDArray[np.int64]

REASONING = ("reasoning_content", "thinking", "reasoning")  # the names under which reasoning is passed, best first
THOUGHT = re.compile(r"<(think(?:ing)?)>(.*?)</\1>", re.DOTALL)
MARK = (
    "\ue000answer\ue000"  # stands in for an answer to find its place; private characters, which no answer begins with
)
STYLES = {True: ("green", "bright_green"), False: ("dim", "dim italic")}  # by turns, so that tokens can be told apart

TEMPLATE_RULES = {
    "no-trained-token": Rule("error", "give an assistant message the weight 1, or a template that writes the answer"),
    "stop-token-missing": Rule(
        "error", "let the template end the answer with the model's end token: without it the model goes on and on"
    ),
    "stop-token-masked": Rule("error", "take the end token into the part that trains: the model never learns to stop"),
    "stop-token-other": Rule("warning", "name this token in eos_token or generation_config.json, and where you serve"),
    "content-dropped": Rule(
        "error", "write content as this template reads it (a string, or parts), or choose another one"
    ),
    "reasoning-dropped": Rule(
        "warning", "choose a template that keeps reasoning, or make a row of each answer: most drop it before the last"
    ),
    "reasoning-empty": Rule("warning", "give the answers reasoning, or use a template that writes no empty thought"),
    "answer-cut": Rule("error", "shorten the example, or raise the trainer's length: the answer is at the end"),
    "system-refused": Rule("error", "put the system text in front of the first user message, or change the template"),
    "template-refused": Rule("error", "bring the row to what the template takes, or choose a template that takes it"),
    "tools-dropped": Rule("error", "choose a template that writes tools, calls and replies: this one leaves them out"),
}


class Seen(NamedTuple):
    """A row as the model reads it.

    `tokens` join to `text`; the later parts of a character that takes several tokens are empty. `trained` says for each
    whether it counts in the loss. `stop` is the place of the token that ends the last answer, None where there is none.
    `exact` is False where the template writes an answer otherwise once more follows, so that trainers may differ.
    """

    text: str
    tokens: list[str]
    trained: list[bool]
    stop: int | None
    exact: bool
    template: str  # sha256 of the template
    problems: list[Said]

    @property
    def stops(self) -> bool:
        """Say whether the model learns to stop."""
        return self.stop is not None and self.trained[self.stop]


class _Turn(NamedTuple):
    place: int  # of the message, from 0
    message: Message
    start: int
    end: int
    exact: bool


class _Tokens(NamedTuple):
    names: list[str]  # as the tokenizer keeps them
    pieces: list[str]
    places: Places  # of each token: the character with which it begins, and the one after it


def seen(row: Row, model: Model, *, max_tokens: int = 0) -> Seen:
    r"""Render a canonical row of chat with a model's template, and say of each token whether it trains.

    What the template marks with {% generation %} trains. Where it marks nothing, an answer is what the row up to it has
    more than the row before it with the prompt for an answer, as axolotl and TRL compare prefixes; where a template
    changes what it wrote before, it is what changes with the answer, and `exact` is False. Answers of weight 0 are
    masked. A token on the edge of an answer trains, as in transformers. `max_tokens`: where the trainer cuts (0: it
    does not). Limits: images are whatever the template writes for them; per-row options of templates are not read.

    >>> from tuneset.targets.template import Model, compiled
    >>> from tokenizers import Regex, Tokenizer, models, pre_tokenizers
    >>> tokenizer = Tokenizer(models.WordLevel({"?": 0}, unk_token="?"))
    >>> tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"<\w+>|[^<]+"), "isolated")
    >>> _ = tokenizer.add_special_tokens(["<end>"])
    >>> source = "{% for m in messages %}<{{ m.role }}>{{ m.content }}<end>{% endfor %}"
    >>> source += "{% if add_generation_prompt %}<assistant>{% endif %}"
    >>> model = Model("tiny", {"default": compiled(source)}, tokenizer, {}, frozenset({"<end>"}), frozenset({"<end>"}))
    >>> row = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}]}
    >>> shown = seen(row, model)
    >>> list(zip(shown.tokens, shown.trained, strict=True))[3:]
    [('<assistant>', False), ('Ho', True), ('<end>', True)]
    >>> shown.stops, shown.problems
    (True, [])
    """
    messages: list[Message] = row.get("messages") or []
    tools = _tools(row)
    template = model.template(tools)
    if unfit := _unfit(messages):
        return Seen("", [], [], None, True, template.sha256, [("template-refused", unfit)])
    whole = model.render(messages, tools)
    if whole.refused:
        return Seen("", [], [], None, True, template.sha256, [_refused(messages, tools, model, whole)])
    turns = [_turn(messages, tools, model, whole.text, place) for place in _answers(messages)]
    tokens = _tokens(model, whole.text)
    spans = [(start, end) for start, end in _trained(whole, turns, marks=template.marks) if start < end]
    trained = _meeting(tokens.places, spans, marked=bool(template.marks))
    last = next((turn for turn in reversed(turns) if turn.message.get("weight") != 0), None)
    stop = _stop(last, tokens, model) if last else None
    problems = [
        *_training(trained, max_tokens),
        *(_stopping(stop, trained, tokens, model) if last and any(trained) else ()),
        *_reasoning(turns, whole.text, spans),
        *_dropped(turns, tools, whole.text),
        *_unseen(messages, tools, model),
    ]
    sure = all(turn.exact for turn in turns) or (template.marks and all(_counts(turn) for turn in turns))
    return Seen(whole.text, tokens.pieces, trained, stop, sure, template.sha256, problems)


def coloured(shown: Seen) -> Text:
    r"""Colour a row's tokens for a terminal: green trains, dim does not, the stop token is reversed.

    Without colours it reads as well: what trains stands between ⟦ and ⟧, the stop token between ▸ and ◂. What cannot be
    printed is written as Python escapes it; a line ends with \n and a new line.

    >>> coloured(Seen("a\x1bb", ["a", "\x1b", "b"], [False, True, True], 2, True, "", [])).plain
    'a⟦\\x1b▸b◂⟧'
    """
    from rich.text import Text  # noqa: PLC0415  most who import this module print nothing

    text, before = Text(), False
    for place, (piece, trains) in enumerate(zip(shown.tokens, shown.trained, strict=True)):
        if trains != before:
            text.append("⟦" if trains else "⟧", "bold green")
        before = trains
        style = STYLES[trains][place % 2]
        if place == shown.stop:
            text.append(f"▸{printable(piece)}◂", "bold reverse" if trains else "bold red reverse")
        else:
            text.append(printable(piece), style)
    return text.append("⟧" if before else "", "bold green")


def printable(text: str) -> str:
    r"""Escape what a terminal would obey or hide; the ends of lines stay, and are shown.

    >>> printable("a\tb\n")
    'a\\tb\\n\n'
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else _escaped(each) for each in text)


def _escaped(character: str) -> str:
    return "\\n\n" if character == "\n" else character.encode("unicode_escape").decode()


def _tools(row: Row) -> Any:
    """Take the tools; functions, as OpenAI declared them first, become tools."""
    functions = row.get("functions")
    if row.get("tools") is not None or not isinstance(functions, list):
        return row.get("tools")
    return [{"type": "function", "function": function} for function in functions]


def _unfit(messages: Any) -> str:
    """Say why no template could take the messages."""
    if not isinstance(messages, list) or not messages:
        return "there are no messages"
    odd = next((place for place, message in enumerate(messages, 1) if not isinstance(message, dict)), 0)
    return f"message {odd} is {kind(messages[odd - 1])}, not an object" if odd else ""


def _refused(messages: list[Message], tools: Any, model: Model, whole: Rendered) -> Said:
    others = [message for message in messages if message.get("role") not in ("system", "developer")]
    if 0 < len(others) < len(messages) and model.render(others, tools).refused != whole.refused:
        return "system-refused", f"the template refuses the system message: {short(whole.refused)}"
    return "template-refused", f"the template refuses the row: {whole.refused[:200]}"


def _answers(messages: list[Message]) -> list[int]:
    return [place for place, message in enumerate(messages) if message.get("role") == "assistant"]


def _counts(turn: _Turn) -> bool:
    return turn.message.get("weight") != 0


def _turn(messages: list[Message], tools: Any, model: Model, text: str, place: int) -> _Turn:
    """Find what an answer takes of the text, with the end of its turn."""
    before = model.render(messages[:place], tools, prompt=True)
    after = text if place + 1 == len(messages) else model.render(messages[: place + 1], tools).text
    starts = not before.refused and text.startswith(before.text)
    ends = bool(after) and text.startswith(after) and len(after) >= len(before.text)
    if starts and ends:
        return _Turn(place, messages[place], len(before.text), len(after), exact=True)
    start, end = _changing(messages, tools, model, text, place)
    start = len(before.text) if starts else start
    return _Turn(place, messages[place], start, max(start, len(after) if ends else _ended(text, end, model)), False)


def _changing(messages: list[Message], tools: Any, model: Model, text: str, place: int) -> Span:
    """Find what changes when an answer does; nothing where the template does not write it."""
    message = messages[place]
    for other in ({"role": message["role"], "content": MARK}, message | {"content": MARK}):
        changed = model.render([*messages[:place], other, *messages[place + 1 :]], tools)
        if not changed.refused and changed.text != text:
            start = _common(text, changed.text)
            return start, len(text) - _common(text[start:][::-1], changed.text[start:][::-1])
    return len(text), len(text)


def _common(one: str, other: str) -> int:
    """Count the characters with which both begin."""
    return next(
        (place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )


def _ended(text: str, end: int, model: Model) -> int:
    """Take the special token that ends a turn to it, and the end of the line."""
    space = len(text[end:]) - len(text[end:].lstrip())
    ending = max((word for word in model.ends if text.startswith(word, end + space)), key=len, default="")
    if not ending:
        return end
    end += space + len(ending)
    return end + text.startswith("\n", end)


def _tokens(model: Model, text: str) -> _Tokens:
    """Cut the text into tokens; characters that no token claims go to the next one, or to the last."""
    encoded = model.tokenizer.encode(text, add_special_tokens=False)
    places = np.array(encoded.offsets, dtype=np.int64).reshape(-1, 2)
    ends = np.maximum.accumulate(places[:, 1])
    ends[-1:] = len(text)
    starts = np.concatenate([[0], ends])[:-1]
    pieces = [text[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]
    return _Tokens(encoded.tokens, pieces, places)


def _trained(whole: Rendered, turns: Sequence[_Turn], *, marks: bool) -> list[Span]:
    if not marks:
        return [(turn.start, turn.end) for turn in turns if _counts(turn)]
    masked = {turn.place for turn in turns if not _counts(turn)}
    owners = [next((turn.place for turn in turns if start < turn.end), None) for start, _ in whole.generated]
    return [span for span, owner in zip(whole.generated, owners, strict=True) if owner not in masked]


def _meeting(places: Places, spans: Sequence[Span], *, marked: bool = False) -> list[bool]:
    """Say for each token whether it has a character in one of the spans; one without characters, whether it begins there.

    Where a template marks the spans, transformers ends one at the first token of its last character, so that the other
    tokens of a letter or an emoji of several do not train.
    """
    starts, ends = places.T
    meets = np.zeros(len(places), dtype=bool)
    for start, end in spans:
        meeting = (starts < end) & ((ends > start) | (starts >= start))
        last = np.flatnonzero((starts <= end - 1) & (ends >= end))
        if marked and len(last):
            meeting[last[0] + 1 :] = False
        meets |= meeting
    listed: list[bool] = meets.tolist()
    return listed


def _stop(turn: _Turn, tokens: _Tokens, model: Model) -> int | None:
    """Find the token that ends an answer: one where the model stops, or else the first of the special ones there."""
    found: list[int] = []
    for place in range(len(tokens.places) - 1, -1, -1):
        start, end = tokens.places[place]
        if end > turn.end:
            continue
        special = tokens.names[place] in model.ends | model.stops
        if start < turn.start or not (special or not tokens.pieces[place].strip()):
            break
        found = [place, *found] if special else found
    return next((place for place in found if tokens.names[place] in model.stops), found[0] if found else None)


def _training(trained: Sequence[bool], most: int) -> Iterator[Said]:
    count, lost = sum(trained), sum(trained[most:]) if most else 0
    if not count:
        yield "no-trained-token", "no token of the row trains: the model learns nothing from it"
    elif lost:
        yield (
            "answer-cut",
            f"{len(trained):,} tokens, and {most:,} are read: {lost:,} of {count:,} that train are cut off",
        )


def _stopping(stop: int | None, trained: Sequence[bool], tokens: _Tokens, model: Model) -> Iterator[Said]:
    if stop is None:
        wanted = f", and the model stops at {listed(model.stops)}" if model.stops else ""
        yield "stop-token-missing", f"no special token ends the last answer{wanted}"
        return
    if not trained[stop]:
        yield "stop-token-masked", f"the answer ends with {short(tokens.names[stop])}, which does not train"
    if model.stops and tokens.names[stop] not in model.stops:
        said = f"the answer ends with {short(tokens.names[stop])}, and the model stops at {listed(model.stops)}"
        yield "stop-token-other", said


def _reasoning(turns: Sequence[_Turn], text: str, spans: Sequence[Span]) -> Iterator[Said]:
    """Compare the reasoning of answers that train with what stands in the text, apart from white space."""
    empty = False
    for turn in filter(_counts, turns):
        given = list(_thoughts(turn.message))
        written = "".join(text[turn.start : turn.end].split())
        if any(thought.strip() and "".join(thought.split()) not in written for thought in given):
            yield "reasoning-dropped", f"message {turn.place + 1} has reasoning that the template leaves out"
        if not all(thought.strip() for thought in given):
            empty = True
            yield "reasoning-empty", f"message {turn.place + 1} has empty reasoning"
    blank = [found.end() for found in THOUGHT.finditer(text) if not found[2].strip()]
    if not empty and any(start < end <= stop for start, stop in spans for end in blank):
        yield "reasoning-empty", "the template writes an empty thought into what trains: the model learns not to think"


def _thoughts(message: Message) -> Iterator[str]:
    """Give a message's reasoning, beside its content or in it."""
    beside = next((message[key] for key in REASONING if isinstance(message.get(key), str)), None)
    if beside is not None:
        yield beside
    content = message.get("content")
    if isinstance(content, str):
        yield from (thought for _, thought in THOUGHT.findall(content))


def _dropped(turns: Sequence[_Turn], tools: Any, text: str) -> Iterator[Said]:
    """Look for tools and calls that the template leaves out."""
    offered = {name for tool in tools if (name := name_of(tool))} if isinstance(tools, list) else set()
    if gone := {name for name in offered if name not in text}:
        yield "tools-dropped", f"the template does not write the tools {listed(gone)}"
    for turn in turns:
        called = {name for call in calls(turn.message) if (name := name_of(call))}
        if gone := {name for name in called if name not in text[turn.start : turn.end]}:
            yield (
                "tools-dropped",
                f"the template does not write the calls of {listed(gone)} in message {turn.place + 1}",
            )


def _unseen(messages: list[Message], tools: Any, model: Model) -> Iterator[Said]:
    """Put a mark in the place of each message's text, and look which of them the template writes."""
    marks = {place: f"zq{place}qz" for place, message in enumerate(messages, 1) if _marked(message, "") != message}
    asked = [_marked(message, marks.get(place, "")) for place, message in enumerate(messages, 1)]
    done = model.render(asked, tools)
    gone = [] if done.refused else [place for place, mark in marks.items() if mark not in done.text]
    replies = [place for place in gone if messages[place - 1].get("role") == "tool"]
    if replies:
        yield "tools-dropped", f"the template does not write the reply in {_messages(replies)}"
    if others := [place for place in gone if place not in replies]:
        yield "content-dropped", f"the template does not write the text of {_messages(others)}"


def _marked(message: Message, mark: str) -> Message:
    """Change the text of a message, as a string or in parts, to a mark."""
    content = message.get("content")
    if isinstance(content, str) and content.strip():
        return message | {"content": mark}
    if isinstance(content, list):
        parts = [part | {"text": mark} if isinstance(part, dict) and part.get("text") else part for part in content]
        return message | {"content": parts}
    return message


def _messages(places: Sequence[int]) -> str:
    """Name a few messages by their numbers."""
    more = f" and {len(places) - 3} more" if len(places) > 3 else ""
    return f"message{'s' if len(places) > 1 else ''} {', '.join(map(str, places[:3]))}{more}"
