"""Tokens by the name of a model, tokens of a file, and what training costs."""

import dataclasses
import json
import re
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuneset.errors import InputError, RecipeError, TunesetError
from tuneset.shapes import SHAPES
from tuneset.targets import TARGETS, cost, counters, tokens

law = settings(deadline=None, max_examples=60)

ASK = {"role": "user", "content": "Where is it?"}
SAY = {"role": "assistant", "content": "Orders"}
TALK = {"messages": [ASK, SAY]}
TEMPLATE = "{{ bos_token }}{% for m in messages %}{% if m.role == 'tool' %}{{ raise_exception('no tools') }}{% endif %}<turn>{{ m.role }} {{ m.content }}<end>{% endfor %}"
# The cookbook's example of a function, and what OpenAI's API charged for it.
WEATHER = {
    "messages": [
        {"role": "system", "content": "You are a helpful assistant that can answer to questions about the weather."},
        {"role": "user", "content": "What's the weather like in San Francisco?"},
    ],
    "tools": [
        {
            "type": "function",
            "function": {
                "name": "get_current_weather",
                "description": "Get the current weather in a given location",
                "parameters": {
                    "type": "object",
                    "properties": {
                        "location": {"type": "string", "description": "The city and state, e.g. San Francisco, CA"},
                        "unit": {
                            "type": "string",
                            "description": "The unit of temperature to return",
                            "enum": ["celsius", "fahrenheit"],
                        },
                    },
                    "required": ["location"],
                },
            },
        }
    ],
}


def written(folder, *rows, name="train.jsonl"):
    path = folder / name
    path.write_text("".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def model(folder, template=None):
    """A tokenizer with a token for each word and each mark, and two special ones."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.WordLevel(unk_token="?"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    special = ["?", "<s>", "<turn>", "<end>"]
    tokenizer.train_from_iterator(
        ["user assistant Where is it ? Orders"], trainers.WordLevelTrainer(special_tokens=special)
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"bos_token": "<s>", "eos_token": "<end>"}))
    if template:
        (folder / "chat_template.jinja").write_text(template)
    return folder


# OpenAI


@pytest.mark.parametrize(("name", "charged"), [("gpt-4o", 101), ("gpt-4o-mini", 101), ("gpt-3.5-turbo", 105), ("gpt-4", 105)])  # fmt: skip
def test_the_cookbooks_function_counts_what_openai_charged(name, charged):
    assert counters.counter(name)(WEATHER) == charged


def test_functions_in_the_old_place_count_the_same():
    old = {"messages": WEATHER["messages"], "functions": [tool["function"] for tool in WEATHER["tools"]]}
    assert tokens.of_row(old) == tokens.of_row(WEATHER) == 101


def test_parameters_inside_of_others_count_too():
    def offer(parameters):
        return TALK | {"tools": [{"type": "function", "function": {"name": "look", "parameters": parameters}}]}

    inner = {"type": "object", "properties": {"street": {"type": "string"}}}
    flat = offer({"properties": {"address": {"type": "object"}}})
    nested = offer({"properties": {"address": inner}})
    listed = offer({"properties": {"address": {"type": "array", "items": inner}}})
    added = counters.PER_PROPERTIES + counters.PER_PROPERTY + int(tokens.of_row({"messages": ["street:string:"]}) - 3)
    assert tokens.of_row(nested) - tokens.of_row(flat) == added
    assert tokens.of_row(listed) > tokens.of_row(flat)


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("o200k_base", "o200k_base"),
        ("cl100k_base", "cl100k_base"),
        ("gpt-4.1", "o200k_base"),
        ("gpt-4.1-nano-2025-04-14", "o200k_base"),
        ("ft:gpt-4.1-mini-2025-04-14:org::x", "o200k_base"),  # tiktoken 0.14 says cl100k_base: ft:gpt-4 comes first
        ("ft:gpt-4o-2024-08-06:org:tickets:abc:ckpt-step-90", "o200k_base"),
        ("gpt-4o-mini-2024-07-18.ft-0e208cf3", "o200k_base"),
        ("gpt-4.1-mini-2025-04-14.ft-0e208cf3", "o200k_base"),
        ("ft:gpt-3.5-turbo-0125:org::x", "cl100k_base"),
        ("gpt-35-turbo", "cl100k_base"),
        ("ft:gpt-4-0613:org::x", "cl100k_base"),
        ("gpt-5.1", "o200k_base"),
        ("o4-mini-2025-04-16", "o200k_base"),
        ("gpt-oss-20b", None),
        ("gpt-4x", None),
        ("text-davinci-003", None),
        ("", None),
    ],
)
def test_a_model_has_the_encoding_of_its_base(name, encoding):
    assert counters.encoding_of(name) == encoding


def test_the_two_encodings_differ():
    text = {"messages": [{"role": "user", "content": "Übergrößenträger, 안녕하세요"}]}
    assert counters.counter("gpt-4")(text) > counters.counter("gpt-4o")(text) == tokens.of_row(text)


# Other tokenizers


@pytest.mark.parametrize("name", ["o200k", "gpt-9", "no/such", "llama", "", "mistral-7b"])
def test_an_unknown_name_is_refused_with_what_there_is(name):
    with pytest.raises(RecipeError, match="unknown tokenizer") as caught:
        counters.counter(name, "recipe.toml")
    assert caught.value.where == "recipe.toml"
    assert "tokenizer.json" in caught.value.hint


def test_the_nearest_name_is_said():
    with pytest.raises(RecipeError) as caught:
        counters.counter("cl100k")
    assert caught.value.hint.startswith("'cl100k_base'")


@pytest.mark.parametrize(
    ("name", "package", "brings"),
    [("mistral", "mistral_common", "tuneset[mistral]"), ("transformers:org/model", "transformers", "tokenizer.json")],
)
def test_a_package_that_is_not_there_is_named(name, package, brings, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, package, None)
    with pytest.raises(TunesetError, match=package) as caught:
        counters.counter(name)
    assert brings in caught.value.hint


def test_a_row_counts_what_its_chat_template_writes(tmp_path):
    folder = model(tmp_path, TEMPLATE)
    for path in (folder, folder / "tokenizer.json"):
        # <s>, and for each turn <turn>, role, words, <end>: Where is it ? are four, Orders is one
        assert counters.counter(str(path))(TALK) == 1 + (3 + 4) + (3 + 1)


def test_a_tokenizer_alone_counts_by_openais_rule(tmp_path):
    assert counters.counter(str(model(tmp_path)))(TALK) == 3 + (3 + 1 + 4) + (3 + 1 + 1)


def test_a_folder_without_a_tokenizer_is_an_input_error(tmp_path):
    for path in (tmp_path, tmp_path / "tokenizer.json"):
        with pytest.raises(InputError, match=r"no tokenizer\.json"):
            counters.counter(str(path))


def test_a_row_that_the_template_refuses_is_counted_apart(tmp_path):
    counter = counters.counter(str(model(tmp_path, TEMPLATE)))
    asked = {"messages": [ASK, {"role": "tool", "tool_call_id": "a", "content": "x"}, SAY]}
    with pytest.raises(counters.Refused, match="no tools"):
        counter(asked)
    found = tokens.file(written(tmp_path, TALK, asked, TALK), TARGETS["openai"], counter)
    assert (found.rows, found.refused, found.unread, found.lines.tolist()) == (2, 1, 0, [1, 3])


# A file

CONTENTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
ANSWERS = st.fixed_dictionaries({"role": st.just("assistant"), "content": CONTENTS}, optional={"weight": st.sampled_from([0, 1])})  # fmt: skip
ROWS = st.builds(lambda text, answer: {"messages": [ASK | {"content": text}, answer]}, CONTENTS, ANSWERS)
LINES = st.lists(ROWS | st.sampled_from(["\n", "{\n", "[]\n", '{"messages": 1}\n', '{"messages": [1]}\n', "\xff\n"]))


@law
@given(LINES, st.integers(0, 40))
def test_the_counts_of_a_file_add_up(tmp_path_factory, rows, limit):
    path = written(tmp_path_factory.mktemp("file"), *rows)
    found = tokens.file(path, dataclasses.replace(TARGETS["openai"], max_tokens=limit))
    good = [row for row in rows if isinstance(row, dict)]
    counts = [tokens.of_row(row) for row in good]
    assert found.counts.tolist() == counts
    assert found.lines.tolist() == [number for number, row in enumerate(rows, 1) if isinstance(row, dict)]
    assert (found.rows, found.total) == (len(good), sum(counts))
    assert found.unread == sum(row not in good and bool(row.strip()) for row in rows)
    assert found.median <= found.p95 <= found.max == max(counts, default=0)
    assert found.over == (sum(count > limit for count in counts) if limit else 0)
    assert found.trained_upper == sum(
        count for row, count in zip(good, counts, strict=True) if row["messages"][1].get("weight", 1)
    )
    assert [count for _, count in found.longest] == sorted(counts, reverse=True)[: tokens.LONGEST]
    assert all(tokens.of_row(rows[line - 1]) == count for line, count in found.longest)


def test_a_byte_order_mark_hides_no_row(tmp_path):
    path = tmp_path / "train.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(TALK).encode() + b"\r\n")
    assert tokens.file(path, TARGETS["openai"]).counts.tolist() == [tokens.of_row(TALK)]


@pytest.mark.parametrize("name", sorted(name for name, target in TARGETS.items() if target.shape == "chat"))
def test_every_chat_target_counts_the_same_talk(tmp_path, name):
    assert tokens.file(written(tmp_path, TALK), TARGETS[name]).counts.tolist() == [tokens.of_row(TALK)]


@pytest.mark.parametrize("name", ["gemini", "bedrock-nova", "sharegpt", "alpaca", "trl-prompt-completion"])
def test_a_talk_counts_the_same_in_each_shape(tmp_path, name):
    target = TARGETS[name]
    raw = SHAPES[target.shape].write(TALK, target)
    assert tokens.file(written(tmp_path, raw), target).counts.tolist() == [tokens.of_row(TALK)]


def test_of_a_pair_the_longer_conversation_counts(tmp_path):
    long = {"role": "assistant", "content": "I am sorry, but I really cannot say."}
    for good, bad in ((SAY, long), (long, SAY)):
        pair = {"input": {"messages": [ASK]}, "preferred_output": [good], "non_preferred_output": [bad]}
        found = tokens.file(written(tmp_path, pair), TARGETS["openai-dpo"])
        assert found.counts.tolist() == [tokens.of_row({"messages": [ASK, long]})]


def test_a_file_without_rows_has_no_tokens(tmp_path):
    found = tokens.file(written(tmp_path), TARGETS["openai"])
    assert (found.rows, found.total, found.median, found.p95, found.max, found.longest) == (0, 0, 0, 0, 0, [])


def test_what_is_nested_without_end_has_a_count(tmp_path):
    deep, schema = "[" * 900 + "]" * 900, '{"items": ' * 900 + "{}" + "}" * 900
    listed = json.dumps({"messages": [{"role": "user", "content": "DEEP"}, SAY]}).replace('"DEEP"', deep) + "\n"
    tool = {"type": "function", "function": {"name": "look", "parameters": "DEEP"}}
    offered = json.dumps(TALK | {"tools": [tool]}).replace('"DEEP"', schema) + "\n"
    assert tokens.file(written(tmp_path, listed, offered), TARGETS["openai"]).rows == 2


def test_a_file_that_is_not_there_and_a_table_are_input_errors(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        tokens.file(tmp_path / "none.jsonl", TARGETS["openai"])
    with pytest.raises(InputError, match="a table"):
        tokens.file(written(tmp_path, TALK), TARGETS["csv"])


# Cost


@law
@given(st.integers(0, 200_000))
def test_epochs_are_the_cookbooks(rows):
    expected = 3
    if rows * 3 < 100:
        expected = min(25, 100 // rows) if rows else 25
    elif rows * 3 > 25_000:
        expected = max(1, 25_000 // rows)
    assert cost.epochs(rows) == expected


@pytest.mark.parametrize(("rows", "epochs"), [(1, 25), (4, 25), (10, 10), (33, 3), (34, 3), (8_333, 3), (8_334, 2), (12_501, 1), (10**6, 1)])  # fmt: skip
def test_few_rows_are_seen_often_and_many_once(rows, epochs):
    assert cost.epochs(rows) == epochs


PRICES = {"openai/gpt-4.1": cost.Price("openai/gpt-4.1", price=25.0, verified=True)}


@law
@given(st.lists(st.integers(0, 100_000), min_size=1), st.integers(0, 65_536), st.none() | st.integers(1, 50))
def test_billed_is_each_example_up_to_the_limit_times_the_epochs(counts, limit, epochs):
    job = cost.cost(np.array(counts), len(counts), "openai/gpt-4.1", PRICES, epochs, max_tokens=limit)
    once = sum(min(limit, count) if limit else count for count in counts)
    assert job.epochs == (epochs or cost.epochs(len(counts)))
    assert (job.tokens, job.billed) == (once, once * job.epochs)
    assert job.amount == pytest.approx(job.billed * 25 / 1e6)
    assert f"{job.billed:,} billed" in job.says


def test_a_job_costs_no_less_than_its_minimum():
    prices = {"here/small": cost.Price("here/small", price=1.0, minimum=4.0)}
    assert cost.cost(np.array([1_000]), 1, "here/small", prices, 1).amount == 4.0
    assert cost.cost(np.array([5_000_000]), 1, "here/small", prices, 1).amount == 5.0
    assert "the least that a job costs" in cost.cost(np.array([1_000]), 1, "here/small", prices, 1).says


def test_fewer_epochs_than_one_are_refused():
    with pytest.raises(RecipeError, match="0 epochs"):
        cost.cost(np.array([1]), 1, "openai/gpt-4.1", PRICES, 0)


@pytest.mark.parametrize(
    "model",
    [
        "openai/gpt-4.1-mini",
        "openai/gpt-4.1-mini-2025-04-14",
        "openai/ft:gpt-4.1-mini-2025-04-14:org::x",
        "ft:gpt-4.1-mini-2025-04-14:org::x",
        "gpt-4.1-mini",
    ],
)
def test_a_model_costs_what_its_base_does(model):
    assert cost.cost(np.array([1_000_000]), 1_000, model, cost.price_table(), 1).amount == 5.0


@pytest.mark.parametrize("model", ["openai/gpt-4o-audio-preview", "mystery", "together/meta-llama/x", "azure", "openai-dpo/gpt-4.1"])  # fmt: skip
def test_where_no_price_is_known_there_is_a_reason_and_a_way(model):
    job = cost.cost(np.array([1_000]), 1_000, model, cost.price_table())
    assert job.amount is None
    assert job.billed > 0
    assert f'["{model}"]' in job.reason
    assert job.reason in job.says


def test_a_model_with_several_prices_needs_its_target(tmp_path):
    path = tmp_path / "prices.toml"
    path.write_text('["azure/gpt-4.1"]\nprice = 20.0\n')
    job = cost.cost(np.array([1]), 1, "gpt-4.1", cost.price_table(path))
    assert job.amount is None
    assert "openai/gpt-4.1, azure/gpt-4.1" in job.reason


def test_the_packages_prices_say_when_and_where_they_were_read():
    prices = cost.price_table()
    for price in prices.values():
        assert price.checked_on >= date(2026, 11, 22)
        assert price.source.startswith("https://")
        assert price.price is None or price.price > 0
        assert price.name.partition("/")[0] in TARGETS
    assert {price.currency for price in prices.values()} == {"USD"}


def test_a_doubtful_price_is_said_to_be():
    assert "not verified" in cost.cost(np.array([1]), 1, "openai/gpt-4.1", cost.price_table()).says
    assert "not verified" not in cost.cost(np.array([1]), 1, "openai/gpt-4.1", PRICES).says


def test_a_file_of_prices_overrides_entry_by_entry(tmp_path):
    path = tmp_path / "prices.toml"
    path.write_text(
        '["openai/gpt-4.1"]\nprice = 20\ncurrency = "EUR"\n["together/llama"]\nprice = 0.5\n["mistral"]\nminimum = 5\n'
    )
    ours, prices = cost.price_table(), cost.price_table(path)
    mine = prices["openai/gpt-4.1"]
    assert (mine.price, mine.currency, mine.verified, mine.source, mine.note) == (20, "EUR", True, str(path), "")
    assert prices["openai/gpt-4o"] == ours["openai/gpt-4o"]
    assert (prices["together/llama"].validation, prices["together/llama"].epochs) == (True, 1)  # as its target's
    assert dataclasses.replace(prices["mistral"], minimum=4.0) == ours["mistral"]
    job = cost.cost(np.array([2_000_000]), 1_000, "together/llama", prices)
    assert (job.epochs, job.amount, job.verified) == (1, 1.0, True)
    assert "validation file are charged too" in job.says


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('["openai/gpt-4.1"]\nprise = 3\n', "unknown key"),
        ('["openai/gpt-4.1"]\nprice = "3"\n', "cannot be '3'"),
        ('["openai/gpt-4.1"]\nprice = true\n', "cannot be True"),
        ('["openai/gpt-4.1"]\nprice = -1\n', "cannot be -1"),
        ('["openai/gpt-4.1"]\nprice = nan\n', "cannot be nan"),
        ('["openai/gpt-4.1"]\nprice = inf\n', "cannot be inf"),
        ('["openai/gpt-4.1"]\nepochs = 1.5\n', "cannot be 1.5"),
        ('["openai/gpt-4.1"]\nchecked_on = "today"\n', "cannot be 'today'"),
        ("price = 3\n", "stands under no model"),
        ("[openai\n", "not a list of prices"),
    ],
)
def test_a_file_of_prices_that_is_wrong_is_refused_in_words(tmp_path, text, said):
    path = tmp_path / "prices.toml"
    path.write_text(text)
    with pytest.raises(RecipeError, match=re.escape(said)) as caught:
        cost.price_table(path)
    assert Path(caught.value.where) == path


def test_a_file_of_prices_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(RecipeError, match="cannot read the prices"):
        cost.price_table(tmp_path / "none.toml")


def test_each_field_of_a_price_may_be_written():
    assert {field.name for field in dataclasses.fields(cost.Price)} == {"name", *cost._KINDS}
