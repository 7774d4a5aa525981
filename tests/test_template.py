"""What the model sees of a row: the template rendered, the tokens that train, and what goes wrong without a word."""

import json
import sys
from functools import cache
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuneset.errors import InputError, TunesetError
from tuneset.targets import template
from tuneset.targets.masks import TEMPLATE_RULES, Seen, coloured, printable, seen
from tuneset.targets.template import compiled, open_model

law = settings(deadline=None, max_examples=60)

# Small templates in the style of the families; each does one thing that the others do not.
CHATML = """{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{% endfor %}
{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"""
MARKED = """{% for m in messages %}
{{- '<|im_start|>' + m.role + '\\n' }}
{%- if m.role == 'assistant' %}{% generation %}{{ m.content + '<|im_end|>\\n' }}{% endgeneration %}
{%- else %}{{ m.content + '<|im_end|>\\n' }}{% endif %}
{%- endfor %}"""
LLAMA = """{{- bos_token }}{%- for m in messages %}
{%- if m.tool_calls %}{% set said = '{"name": "' ~ m.tool_calls[0].function.name ~ '", "parameters": ' ~ (m.tool_calls[0].function.arguments | tojson) ~ '}' %}
{%- else %}{% set said = m.content | trim %}{% endif %}
{%- if loop.first and tools %}{% set said = said ~ (tools | tojson) ~ strftime_now('%d %b %Y') %}{% endif %}
{{- '<|start_header_id|>' + m.role + '<|end_header_id|>\\n\\n' + said + '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}"""
GEMMA = """{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}
{% for m in messages %}
{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate') }}{% endif %}
{{ '<start_of_turn>' + ('model' if m['role'] == 'assistant' else m['role']) + '\\n' + m['content'] | trim + '<end_of_turn>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}"""
# the system text stands before the last question, so that what was written before changes with each turn
MISTRAL = """{{- bos_token }}{%- set system = messages[0].content if messages[0].role == 'system' else '' %}
{%- for m in messages %}{% if m.role == 'user' %}
{{- '[INST] ' + ((system + '\\n\\n') if system and m is sameas(messages | selectattr('role', 'equalto', 'user') | list | last) else '') + m.content + '[/INST]' }}
{%- elif m.role == 'assistant' %}{{ ' ' + m.content + eos_token }}{% endif %}{% endfor %}"""
THINKING = """{%- for m in messages %}{% set text = m.content.split('</think>')[-1].lstrip('\\n') %}
{%- set thought = m.reasoning_content or (m.content.split('</think>')[0].split('<think>')[-1] if '</think>' in m.content else '') %}
{{- '<|im_start|>' + m.role + '\\n' }}
{%- if m.role == 'assistant' and loop.last %}{{ '<think>\\n' + thought.strip() + '\\n</think>\\n\\n' }}{% endif %}
{{- text + '<|im_end|>\\n' }}{% endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"""
JOINING = """{% for m in messages %}{{ '<|im_start|>' + m.role }}
{% for c in m.tool_calls %}{{ c.function.name + c.function.arguments }}{% endfor %}
{{ (m.content or '') + '<|im_end|>' }}{% endfor %}"""
SPECIAL = [
    "<s>",
    "</s>",
    "<|im_start|>",
    "<|im_end|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eot_id|>",
    "<start_of_turn>",
    "<end_of_turn>",
]

TOOL = {"type": "function", "function": {"name": "look_up", "parameters": {}}}
CALL = {"id": "abcdefgh1", "type": "function", "function": {"name": "look_up", "arguments": '{"q": "é"}'}}


def user(text):
    return {"role": "user", "content": text}


def answer(text, **beside):
    return {"role": "assistant", "content": text, **beside}


def system(text):
    return {"role": "system", "content": text}


def row(*messages, **beside):
    return {"messages": list(messages), **beside}


def tokenizer(*, merged=(), trims=False, pads=False):
    """A byte-level tokenizer as real ones are: a token for each byte, and a few that join two."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: place for place, token in enumerate([*letters, *("".join(pair) for pair in merged)])}
    made = Tokenizer(models.BPE(vocab=vocabulary, merges=list(merged)))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens(SPECIAL)
    if trims:
        made.post_processor = processors.ByteLevel(trim_offsets=True)
    if pads:
        made.enable_padding(length=4096)
        made.enable_truncation(5)
    return made


def folder(path, source, *, eos="<|im_end|>", stops=None, **form):
    path.mkdir(parents=True, exist_ok=True)
    tokenizer(**form).save(str(path / "tokenizer.json"))
    settings = {"bos_token": "<s>", "eos_token": eos, "chat_template": source}
    (path / "tokenizer_config.json").write_text(json.dumps(settings))
    if stops:
        (path / "generation_config.json").write_text(json.dumps({"eos_token_id": stops}))
    return path


@cache
def model(source, eos="<|im_end|>"):
    with TemporaryDirectory() as made:
        return open_model(folder(Path(made) / "tiny", source, eos=eos))


def rules(shown):
    return {rule for rule, _ in shown.problems}


def training(shown):
    return "".join(piece for piece, trains in zip(shown.tokens, shown.trained, strict=True) if trains)


TWO = row(user("Hi"), answer("Ho"), user("And?"), answer(" That is all. "))
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
talks = st.lists(st.tuples(texts, texts, st.sampled_from([None, 0, 1])), min_size=1, max_size=4)


@law
@given(talks)
def test_in_chatml_the_answers_and_the_ends_of_their_turns_train_and_nothing_else(turns):
    spoken = [each for asked, said, weight in turns for each in (user(asked), answer(said, weight=weight))]
    shown = seen(row(*spoken), model(CHATML))
    assert training(shown) == "".join(f"{said}<|im_end|>\n" for _, said, weight in turns if weight != 0)
    assert "".join(shown.tokens) == shown.text
    assert shown.exact
    assert shown.stops == any(weight != 0 for _, _, weight in turns)


@law
@given(talks)
def test_blocks_of_generation_and_a_comparison_of_prefixes_say_the_same(turns):
    spoken = [each for asked, said, weight in turns for each in (user(asked), answer(said, weight=weight))]
    compared, marked = (seen(row(*spoken), model(source)) for source in (CHATML, MARKED))
    assert (marked.text, marked.tokens, marked.trained) == (compared.text, compared.tokens, compared.trained)
    assert not model(CHATML).templates["default"].marks
    assert model(MARKED).templates["default"].marks


@pytest.mark.parametrize(
    ("source", "eos", "expected"),
    [
        (CHATML, "<|im_end|>", "Ho<|im_end|>\n That is all. <|im_end|>\n"),
        (MARKED, "<|im_end|>", "Ho<|im_end|>\n That is all. <|im_end|>\n"),
        (LLAMA, "<|eot_id|>", "Ho<|eot_id|>That is all.<|eot_id|>"),
        (GEMMA, "<end_of_turn>", "Ho<end_of_turn>\nThat is all.<end_of_turn>\n"),
        (MISTRAL, "</s>", " Ho</s>  That is all. </s>"),
    ],
    ids=["chatml", "marked", "llama", "gemma", "mistral"],
)
def test_each_family_trains_the_answers_with_their_stop_token(source, eos, expected):
    shown = seen(TWO, model(source, eos))
    assert training(shown) == expected
    assert shown.exact
    assert shown.tokens[shown.stop] == eos
    assert shown.stops
    assert shown.problems == []
    assert shown.template == sha256(source.encode()).hexdigest()


def test_where_a_template_changes_what_it_wrote_before_the_answers_are_found_and_said_to_be_inexact():
    shown = seen(row(system("Be kind."), *TWO["messages"]), model(MISTRAL, "</s>"))
    assert shown.text == "<s>[INST] Hi[/INST] Ho</s>[INST] Be kind.\n\nAnd?[/INST]  That is all. </s>"
    assert training(shown) == "Ho</s>  That is all. </s>"
    assert not shown.exact
    assert shown.problems == []


def test_an_answer_of_weight_0_is_masked_in_every_way_of_masking():
    talk = row(user("a"), answer("no", weight=0), user("b"), answer("yes"))
    for source in (CHATML, MARKED):
        assert training(seen(talk, model(source))) == "yes<|im_end|>\n"
    only = seen(row(user("a"), answer("no", weight=0)), model(CHATML))
    assert rules(only) == {"no-trained-token"}
    assert not only.stops


def test_the_token_on_the_edge_of_an_answer_trains_as_a_whole(tmp_path):
    merged = open_model(folder(tmp_path / "merged", CHATML, merged=[("Ċ", "Ċ")]))
    shown = seen(row(user("a"), answer("\n\nb")), merged)
    assert training(shown) == "\n\n\nb<|im_end|>\n"


def test_a_tokenizer_that_trims_pads_and_cuts_still_gives_every_token_its_text(tmp_path):
    plain = seen(TWO, model(CHATML))
    odd = seen(TWO, open_model(folder(tmp_path / "odd", CHATML, trims=True, pads=True)))
    assert (odd.tokens, odd.trained) == (plain.tokens, plain.trained)


def test_an_answer_that_ends_without_a_stop_token_is_named():
    bare = CHATML.replace("'<|im_end|>\\n'", "('<|im_end|>\\n' if m.role == 'user' else '')")
    shown = seen(TWO, model(bare))
    assert shown.stop is None
    assert rules(shown) == {"stop-token-missing"}


def test_an_end_token_in_the_middle_of_an_answer_does_not_end_it():
    bare = CHATML.replace("'<|im_end|>\\n'", "('<|im_end|>\\n' if m.role == 'user' else '')")
    assert rules(seen(row(user("a"), answer("b<|im_end|>c")), model(bare))) == {"stop-token-missing"}


def test_a_stop_token_outside_the_block_of_generation_is_masked():
    outside = MARKED.replace("+ '<|im_end|>\\n' }}{% endgeneration %}", "}}{% endgeneration %}{{ '<|im_end|>\\n' }}")
    shown = seen(TWO, model(outside))
    assert training(shown) == "Ho That is all. "
    assert rules(shown) == {"stop-token-masked"}
    assert not shown.stops


def test_an_end_that_is_not_the_models_own_is_named_unless_its_settings_name_it(tmp_path):
    base = open_model(folder(tmp_path / "base", CHATML, eos="</s>"))
    assert dict(seen(TWO, base).problems) == {
        "stop-token-other": "the answer ends with '<|im_end|>', and the model stops at '</s>'"
    }
    number = base.tokenizer.token_to_id("<|im_end|>")
    for stops in (number, [number, 10**9, None]):
        served = open_model(folder(tmp_path / "served", CHATML, eos="</s>", stops=stops))
        assert seen(TWO, served).problems == []


def test_of_two_tokens_at_the_end_the_one_where_the_model_stops_is_the_stop_token():
    phi = CHATML.replace("{% if add", "{% if not add_generation_prompt %}{{ eos_token }}{% endif %}\n{% if add")
    shown = seen(TWO, model(phi, "</s>"))
    assert shown.text.endswith("<|im_end|>\n</s>")
    assert shown.tokens[shown.stop] == "</s>"
    assert training(shown) == "Ho<|im_end|>\n That is all. <|im_end|>\n</s>"
    assert not shown.exact


@pytest.mark.parametrize("key", ["reasoning_content", "thinking", "reasoning"])
def test_reasoning_beside_an_answer_is_looked_for_in_the_text(key):
    first = answer("4", **{key: "two and\n two"})
    assert rules(seen(row(user("2+2"), first), model(CHATML))) == {"reasoning-dropped"}
    assert rules(seen(row(user("2+2"), first), model(THINKING))) == set()


def test_reasoning_that_is_stripped_from_earlier_answers_is_named_once_per_answer():
    thought = "<think>\nwell\n</think>\n\n4"
    shown = seen(row(user("a"), answer(thought), user("b"), answer(thought)), model(THINKING))
    assert shown.problems == [("reasoning-dropped", "message 2 has reasoning that the template leaves out")]
    assert not shown.exact
    assert training(shown) == "4<|im_end|>\n<think>\nwell\n</think>\n\n4<|im_end|>\n"
    masked = row(user("a"), answer(thought, weight=0), user("b"), answer(thought))
    assert seen(masked, model(THINKING)).problems == []


def test_an_empty_thought_that_trains_is_named_wherever_it_comes_from():
    by_template = seen(row(user("a"), answer("b")), model(THINKING))
    assert [rule for rule, _ in by_template.problems] == ["reasoning-empty"]
    assert "the template writes" in by_template.problems[0][1]
    for odd in (answer("b", reasoning_content=" "), answer("<think>\n\n</think>\n\nb")):
        assert [rule for rule, _ in seen(row(user("a"), odd), model(THINKING)).problems] == ["reasoning-empty"]
    opened = THINKING.replace("'<|im_start|>assistant\\n'", "'<|im_start|>assistant\\n<think>\\n'")
    assert rules(seen(row(user("a"), answer("b")), model(opened))) == {"reasoning-empty"}


def test_an_answer_beyond_the_trainers_length_is_named_with_how_much_of_it():
    whole = seen(TWO, model(CHATML))
    count = len(whole.tokens)
    assert seen(TWO, model(CHATML), max_tokens=count).problems == []
    assert seen(TWO, model(CHATML), max_tokens=count - 1).problems == [
        ("answer-cut", f"{count} tokens, and {count - 1} are read: 1 of {sum(whole.trained)} that train are cut off")
    ]


def test_a_template_that_refuses_the_system_turn_says_so_and_others_say_what_they_refuse():
    refused = seen(row(system("Be kind."), user("a"), answer("b")), model(GEMMA))
    assert refused.problems == [
        ("system-refused", "the template refuses the system message: 'System role not supported'")
    ]
    assert (refused.text, refused.tokens, refused.stop) == ("", [], None)
    twice = seen(row(user("a"), user("b"), answer("c")), model(GEMMA))
    assert twice.problems == [("template-refused", "the template refuses the row: Conversation roles must alternate")]
    assert rules(seen(row(system("s"), user("a"), user("b"), answer("c")), model(GEMMA))) == {"system-refused"}


def test_tools_calls_and_replies_that_the_template_leaves_out_are_named():
    reply = {"role": "tool", "tool_call_id": "abcdefgh1", "content": '{"found": "é"}'}
    talk = row(user("a"), answer(None, tool_calls=[CALL]), reply, answer("b"), tools=[TOOL])
    kept = seen(talk, model(LLAMA, "<|eot_id|>"))
    assert kept.problems == []
    assert '{"name": "look_up", "parameters": {"q": "é"}}<|eot_id|>' in training(kept)
    assert "26 Jul 2024" in kept.text
    deaf = "{% for m in messages if m.role != 'tool' %}{{ m.role ~ ': ' ~ m.content ~ '</s>' }}{% endfor %}"
    shown = seen(talk, model(deaf, "</s>"))
    assert [words for rule, words in shown.problems if rule == "tools-dropped"] == [
        "the template does not write the tools 'look_up'",
        "the template does not write the calls of 'look_up' in message 2",
        "the template does not write the reply in message 3",
    ]


def test_functions_of_old_are_handed_over_as_tools():
    talk = row(user("a"), answer("b"), functions=[TOOL["function"]])
    assert json.dumps([TOOL]) in seen(talk, model(LLAMA, "<|eot_id|>")).text


def test_arguments_stay_strings_where_a_template_can_only_join_them():
    shown = seen(row(user("a"), answer(None, tool_calls=[CALL])), model(JOINING))
    assert 'look_up{"q": "é"}' in shown.text


def test_text_that_a_template_does_not_write_is_named():
    parts = "{% for m in messages %}{{ m.role }}{% for p in m.content %}{{ p.text }}{% endfor %}<|im_end|>{% endfor %}"
    shown = seen(TWO, model(parts))
    assert ("content-dropped", "the template does not write the text of messages 1, 2, 3 and 1 more") in shown.problems
    listed = row(*({"role": m["role"], "content": [{"type": "text", "text": m["content"]}]} for m in TWO["messages"]))
    assert "content-dropped" not in rules(seen(listed, model(parts)))
    no_system = CHATML.replace("in messages", "in messages if m.role != 'system'")
    gone = seen(row(system("s"), user("a"), answer("b")), model(no_system))
    assert gone.problems == [("content-dropped", "the template does not write the text of message 1")]


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from(["user", "assistant", "tool", "system", "<think>", "\ud800"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["role", "content", "tool_calls", "function", "name", "arguments", "weight", "text"]), inner
        )
    ),
    max_leaves=12,
)


@law
@given(
    st.lists(
        st.fixed_dictionaries({"role": json_values}, optional={"content": json_values, "tool_calls": json_values})
        | json_values
    )
    | json_values,
    json_values,
    st.sampled_from([CHATML, MARKED, LLAMA, GEMMA, MISTRAL, THINKING, JOINING]),
)
def test_whatever_a_row_holds_it_is_seen_or_refused_in_words(messages, tools, source):
    shown = seen({"messages": messages, "tools": tools}, model(source), max_tokens=20)
    assert rules(shown) <= TEMPLATE_RULES.keys()
    assert all(words for _, words in shown.problems)
    assert "".join(shown.tokens) == shown.text
    assert len(shown.tokens) == len(shown.trained)


@law
@given(texts)
def test_nothing_reaches_the_terminal_that_it_would_obey(text):
    shown = seen(row(user(text), answer(text)), model(CHATML))
    plain = coloured(shown).plain
    assert plain.replace("\n", "").isprintable()
    assert plain.count("▸<|im_end|>◂\\n\n⟧") - printable(text).count("▸<|im_end|>◂\\n\n⟧") in (0, 1)


def test_a_row_reads_well_without_colours():
    plain = coloured(seen(row(user("Hi\x1b[31m"), answer("Ho\u202e")), model(CHATML))).plain
    assert plain == (
        "<|im_start|>user\\n\nHi\\x1b[31m<|im_end|>\\n\n<|im_start|>assistant\\n\n⟦Ho\\u202e▸<|im_end|>◂\\n\n⟧"
    )


def test_what_trains_what_does_not_and_the_stop_token_have_colours_of_their_own():
    text = coloured(Seen("abcd", list("abcd"), [False, True, True, False], 2, True, "", []))
    styles = {text.plain[span.start : span.end]: str(span.style) for span in text.spans}
    assert len({styles["a"], styles["b"], styles["▸c◂"]}) == 3
    masked = coloured(Seen("a", ["a"], [False], 0, True, "", []))
    assert "red" in str(masked.spans[0].style)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("{{ ''.__class__.__mro__ }}", "unsafe"),
        ("{{ messages.append(1) }}", "unsafe|not safely"),
        ("{{ cycler.__init__.__globals__ }}", "unsafe"),
        ("{% set ns = namespace(__class__=1) %}", "cannot hold"),
        ("{{ range(10 ** 9) }}", "Range too big"),
        ("{{ 'a' * 10 ** 10 }}", "too often"),
        ("{{ 9 ** 9 ** 9 ** 9 }}", "power"),
        ("{% for a in range(2000) %}{% for b in range(2000) %}{% endfor %}{% endfor %}", "steps"),
        ("{% macro f(n) %}{{ f(n + 1) }}{% endmacro %}{{ f(0) }}", "steps|recursion"),
        ("{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(40) }}", "steps"),
        ("{% for a in range(10000) %}{{ 'a' * 10000 }}{% endfor %}", "longer than"),
    ],
)
def test_a_hostile_template_is_stopped(source, words, monkeypatch):
    import re

    monkeypatch.setattr(template, "MOST_STEPS", 20_000)
    refused = compiled(source).write({"messages": [1]}).refused
    assert re.search(words, refused), refused
    assert rules(seen(TWO, model("{{ nothing.there }}"))) == {"template-refused"}


def test_the_number_of_steps_does_not_add_up_over_rows(monkeypatch):
    monkeypatch.setattr(template, "MOST_STEPS", 100)
    made = compiled("{% for a in range(60) %}{{ a }}{% endfor %}")
    assert [made.write({}).refused for _ in range(3)] == [""] * 3


def test_a_template_is_taken_from_where_it_lies(tmp_path):
    path = folder(tmp_path / "m", [{"name": "default", "template": "d"}, {"name": "tool_use", "template": "t"}])
    both = open_model(path)
    assert (both.render([user("a")]).text, both.render([user("a")], []).text) == ("d", "t")
    (path / "chat_template.jinja").write_text("file")
    assert open_model(path / "tokenizer.json").render([user("a")]).text == "file"
    (path / "additional_chat_templates").mkdir()
    (path / "additional_chat_templates" / "tool_use.jinja").write_text("with tools")
    assert open_model(path).render([user("a")], [TOOL]).text == "with tools"
    (path / "chat_template.jinja").unlink()
    (path / "tokenizer_config.json").unlink()
    (path / "chat_template.json").write_text(json.dumps({"chat_template": "processor"}))
    assert open_model(path).render([user("a")]).text == "processor"
    assert open_model(path).name == "m"


def test_the_end_token_may_be_written_as_an_object(tmp_path):
    path = folder(tmp_path / "m", "{{ eos_token }}", eos={"content": "</s>", "special": True})
    opened = open_model(path)
    assert (opened.render([user("a")]).text, opened.stops) == ("</s>", {"</s>"})


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("tokenizer.json", None, "has no tokenizer.json"),
        ("tokenizer.json", "{}", "tokenizer cannot be read"),
        ("tokenizer_config.json", None, "has no chat template"),
        ("tokenizer_config.json", "{", "is not JSON"),
        ("tokenizer_config.json", "[]", "holds no object"),
        ("chat_template.jinja", "{% if %}", "chat template cannot be read"),
        ("generation_config.json", "no", "is not JSON"),
    ],
)
def test_what_is_missing_or_broken_in_a_model_is_said_with_a_way_out(tmp_path, file, content, words):
    path = folder(tmp_path / "m", CHATML)
    if content is None:
        (path / file).unlink()
    else:
        (path / file).write_text(content)
    with pytest.raises(InputError, match=words) as raised:
        open_model(path)
    assert str(path) in raised.value.where
    assert raised.value.hint


def test_without_the_package_that_tokenizes_the_extra_is_named(tmp_path, monkeypatch):
    path = folder(tmp_path / "m", CHATML)
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(TunesetError) as raised:
        open_model(path)
    assert raised.value.hint == "pip install 'tuneset[show]'"


def test_each_rule_has_a_severity_and_says_what_to_do():
    assert {rule.severity for rule in TEMPLATE_RULES.values()} == {"error", "warning"}
    assert all(rule.mend for rule in TEMPLATE_RULES.values())


def test_no_rule_of_templates_has_the_name_of_a_rule_of_files():
    from tuneset.targets import RULES

    assert not TEMPLATE_RULES.keys() & RULES.keys()
