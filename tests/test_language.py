"""Which rows are in another language, and which only look like it."""

import csv
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuneset.clean.language import Language, hear
from tuneset.clean.tongues import evidence, script_of, spoken
from tuneset.testing import check_step, examples

ENGLISH = [
    "Where is my order?",
    "My card is lost",
    "Why was I charged twice?",
    "Can you help me with this?",
    "It does not work",
]
GERMAN = [
    "Wo ist meine Bestellung?",
    "Meine Karte ist weg",
    "Warum wurde ich belastet?",
    "Können Sie mir helfen?",
    "Es geht nicht",
]


def said(texts, **parameters):
    """Return what is said of each text that something is said of."""
    table = examples(texts)
    found = table.join(Language(**parameters)(table), left_on="id", right_on="example", maintain_order="left")
    return dict(found.select("text", "says").rows())


@pytest.fixture(scope="module")
def sentences():
    read = {}
    with (Path(__file__).parent / "sentences.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            read.setdefault(row["language"], []).append(row["text"])
    return read


@pytest.mark.parametrize("step", [Language(), Language(drop=True), Language(languages=("en",))])
def test_the_step_keeps_every_promise(step):
    cases = examples(
        [*ENGLISH, "Wo ist meine Karte?", {"messages": '[{"role":"user","content":"¿Dónde está mi pedido?"}]'}]
    )
    if step.languages:  # its cases in French are not for a set that is said to be English
        assert not step.fit(cases)(cases.clear()).height
        return
    check_step(step, cases)


def test_the_sentences_are_two_hundred_in_each_of_seven_languages(sentences):
    assert {language: len(set(texts)) for language, texts in sentences.items()} == dict.fromkeys(
        ("en", "de", "fr", "es", "pt", "it", "nl"), 200
    )


@pytest.mark.parametrize("language", ["en", "de", "fr", "es", "pt", "it", "nl"])
def test_short_sentences_are_told_apart(sentences, language):
    told = [max((likely := hear(text).likely), key=likely.get, default=None) for text in sentences[language]]
    assert told.count(language) >= 0.98 * len(told)


@pytest.mark.parametrize("language", ["en", "de", "fr", "es", "pt", "it", "nl"])
def test_strays_are_flagged_in_a_set_of_each_language(sentences, language):
    strays = [text for other, texts in sentences.items() if other != language for text in texts[::40]]
    flagged = said([*sentences[language], *strays])
    assert sum(text in flagged for text in strays) >= 0.93 * len(strays)
    assert not set(flagged) & set(sentences[language])


@pytest.mark.parametrize(
    "text",
    [
        "Samsung Galaxy Buds Pro",
        "Juan Carlos García Rodríguez",
        "play la vie en rose by Edith Piaf",
        "how do you say where is the train station in Spanish",
        "ok",
        "asap pls thx",
        "12 34 56 78 90",
        "👍 👍 👍 👍",
        "https://shop.de/wo-ist-meine-bestellung?von=mir&an=dich",
        "mail wo.ist.meine@bestellung.de",
        "```\nwo ist meine Bestellung und wann kommt sie\n```",
        "WHERE IS MY ORDER NUMBER SEVEN",
        "wheres my refnd its been 3 weeks alredy",
        "déjà vu",
    ],
)
def test_names_codes_quotes_and_scraps_are_not_another_language(text):
    assert said([*ENGLISH, text]) == {}


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("DONDE ESTA MI PEDIDO POR FAVOR", "Spanish"),
        ("wo bleibt denn bitte mein paket", "German"),
        ("где мой заказ", "Russian"),
        ("我的订单在哪里", "Chinese"),
        ("주문한 물건이 어디에 있나요", "Korean"),
        ("أين طلبي", "Arabic"),
        ("Gdzie jest moje zamówienie, czekam już tydzień", "Polish"),
        ("Waar blijft mijn pakje toch?", "Dutch"),
    ],
)
def test_another_language_is_named(text, language):
    assert said([*ENGLISH, text]) == {text: f"{language}; the set is English"}


def test_a_set_of_another_script_flags_what_is_not_of_it():
    russian = [
        "где мой заказ",
        "моя карта потеряна",
        "почему я заплатил дважды",
        "как вернуть товар",
        "приложение не работает",
        "когда придёт посылка",
        "я хочу вернуть деньги",
    ]
    assert said([*russian, "Where is my order, please?", "iPhone 15 Pro Max"]) == {
        "Where is my order, please?": "English; the set is Russian"
    }


def test_a_mixed_set_is_reported_once_for_each_language_and_not_cut():
    table = examples([*ENGLISH, *GERMAN])
    found = Language(drop=True)(table)
    assert found["action"].to_list() == ["none"]
    assert "the set is mixed" in found["says"].item()
    assert "50%" in found["says"].item()


def test_the_languages_that_are_given_are_the_sets_own():
    french = "Où est donc ma commande ?"
    assert said([*ENGLISH, *GERMAN, french], languages=("en", "de")) == {
        french: "French; the set is English and German"
    }
    assert set(said([*ENGLISH, *GERMAN], languages=("en",))) == set(GERMAN[:-1])  # the last has three words


def test_a_name_where_a_code_should_be_is_refused():
    with pytest.raises(ValueError, match="write English as 'en'"):
        Language(languages=("English",))


def test_findings_are_suggestions_unless_the_recipe_drops():
    rows = examples([*ENGLISH, GERMAN[0]])
    assert Language()(rows)["when"].to_list() == ["on-accept"]
    assert Language(drop=True)(rows)["when"].to_list() == ["default"]


def test_a_conversation_is_judged_by_what_the_user_says():
    turns = '[{"role":"user","content":"Translate please: where is my order?"},{"role":"assistant","content":"Wo ist meine Bestellung?"}]'
    asked = '[{"role":"user","content":"Wo ist meine Bestellung?"},{"role":"assistant","content":"On its way."}]'
    table = examples([*ENGLISH, {"messages": turns}, {"messages": asked}])
    found = Language()(table)
    assert found.select("example", "field").rows() == [(table["id"][-1], "/messages")]


def test_the_order_of_the_rows_does_not_matter():
    table = examples([*ENGLISH, *GERMAN[:1]])
    assert Language()(table.reverse()).sort("example").equals(Language()(table).sort("example"))


def test_threads_hear_the_same_as_one(sentences):
    texts = [text for each in sentences.values() for text in each[:40]]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(hear, texts)) == list(map(hear, texts))


def test_the_model_comes_with_its_package_and_nothing_is_fetched_or_left_behind(tmp_path):
    code = """
import sys
from tuneset.clean.language import hear
seen = []
sys.addaudithook(lambda event, args: seen.append(event) if event.startswith(("socket.", "urllib", "http.client")) else None)
assert max((likely := hear("Wo ist meine Bestellung?").likely), key=likely.get) == "de"
# urllib3 asks on import whether the machine speaks IPv6; nothing is looked up or connected to
assert not {"socket.connect", "socket.getaddrinfo", "socket.sendto", "urllib.Request", "http.client.connect"} & {*seen}, seen
"""
    environment = {
        **os.environ,
        "TMPDIR": str(tmp_path),
        "HOME": str(tmp_path),
        "FTLANG_CACHE": str(tmp_path / "cache"),
    }
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not list(tmp_path.iterdir())


@given(st.text(max_size=300))
def test_any_text_can_be_judged(text):
    heard = hear(text)
    assert sum(heard.likely.values()) == pytest.approx(1) or not heard.likely
    assert all(word and " " not in word for word in spoken(text))
    script_of(heard.words)


@pytest.mark.parametrize(
    "text", ["a" * 100_000, "`" * 100_000, "<" * 100_000, "{" * 100_000, "wo " * 40_000, "'" * 100_000]
)
def test_a_hostile_text_takes_no_time(text):
    from time import process_time

    start = process_time()
    hear(text)
    assert process_time() - start < 1.0


def test_a_word_of_several_languages_counts_for_each_a_little():
    assert evidence(["no"]) == {"es": pytest.approx(1 / 2), "pt": pytest.approx(1 / 2)}
    assert evidence(["the"]) == {"en": 1.0}


@pytest.mark.parametrize(
    ("path", "column"),
    [("clinc150/clinc150.csv", "inquiry"), ("banking77/train.csv", "text"), ("hwu64/hwu64.csv", "text_as_typed")],
)
def test_at_most_one_row_in_a_thousand_of_a_real_english_set_is_flagged(data, path, column):
    texts = pl.read_csv(data / path, infer_schema=False)[column].drop_nulls()
    assert Language()(examples(texts)).height <= 0.001 * len(texts)


def test_the_rows_that_need_no_model_would_have_passed_it(data):
    texts = pl.read_csv(data / "clinc150/clinc150.csv")["inquiry"].sample(3_000, seed=1)
    table = examples(texts)
    known = Language().fit(table)
    unasked = table.join(known._suspects(table), on="id", how="anti")["text"].to_list()
    assert len(unasked) > 0.9 * len(texts)
    assert [text for text in unasked if known._judge(text)] == []
