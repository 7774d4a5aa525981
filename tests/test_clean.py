# ruff: noqa: RUF001  letters that look alike are what these tests are about
"""The repairs on rows as people write them, and the laws they keep on any text."""

import json
import unicodedata

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tuneset import model, step
from tuneset.apply import apply
from tuneset.clean import (
    EmptyText,
    EncodingDamage,
    InvisibleCharacters,
    Markup,
    MissingLabel,
    TrackingParameters,
    WhiteSpace,
    characters,
    repair,
)
from tuneset.clean.markup import SUSPECT, pieces, without_markup
from tuneset.testing import check_step, examples

UNDECIDED = pl.DataFrame(schema=model.DECISIONS)
REPAIRING = (EncodingDamage, Markup, InvisibleCharacters, WhiteSpace)
# What happens unless a person says no; all other steps of the stage only suggest, and change nothing by themselves.
CERTAIN = (*REPAIRING, TrackingParameters, EmptyText, MissingLabel)
FAMILY = "👨\u200d👩\u200d👧\u200d👦"
WALES = "🏴\U000e0067\U000e0062\U000e0077\U000e006c\U000e0073\U000e007f"

MUST = [
    (EncodingDamage, "MÃ¼ller aus KÃ¶ln", "Müller aus Köln"),
    (EncodingDamage, "I canâ€™t log in", "I can’t log in"),
    (EncodingDamage, "dÃ©jÃ\xa0 payÃ©", "déjà payé"),
    (EncodingDamage, "precio: 20 â‚¬", "precio: 20 €"),
    (EncodingDamage, "Ð¿Ñ€Ð¸Ð²ÐµÑ‚", "привет"),
    (EncodingDamage, "thanks ðŸ˜Š", "thanks 😊"),
    (EncodingDamage, "sÃƒÂ¼ÃƒÅ¸", "süß"),
    (EncodingDamage, "it\x92s broken", "it’s broken"),
    (EncodingDamage, "good line ü\nbad line Ã¼", "good line ü\nbad line ü"),
    (EncodingDamage, "M├╝ller, donΓÇÖt call 5 Γé¼", "Müller, don’t call 5 €"),
    (EncodingDamage, "caf├® de la M├╣sique", "café de la Mùsique"),
    (EncodingDamage, "S√£o Paulo √Ölesund", "São Paulo Ålesund"),
    (EncodingDamage, "naĂŻve MĂĽller", "naïve Müller"),
    (EncodingDamage, "MГјller ZoГ«", "Müller Zoë"),
    (EncodingDamage, "Ã…lesund und Müller", "Ålesund und Müller"),
    (EncodingDamage, "to\u0302i muo\u0302\u0301n tra\u0309 ha\u0300ng", "tôi muốn trả hàng"),
    (EncodingDamage, "Cafe\u0301", "Café"),
    (Markup, "<p>Where is my order?</p>", "Where is my order?"),
    (Markup, "Hello<br>my card<br/>is lost", "Hello\nmy card\nis lost"),
    (Markup, "Terms &amp; conditions", "Terms & conditions"),
    (Markup, "Terms &amp;amp; conditions", "Terms & conditions"),
    (Markup, "it&#39;s late &#x1F600;", "it's late 😀"),
    (Markup, "price &lt; 20 &euro;", "price < 20 €"),
    (Markup, "&lt;p&gt;escaped twice&lt;/p&gt;", "escaped twice"),
    (Markup, 'see <a href="https://shop.com/?a=1&amp;b=2">our page</a>!', "see our page!"),
    (Markup, "I am <b>very</b> angry, a < b", "I am very angry, a < b"),
    (Markup, "<div><p>one</p><p>two</p></div>", "one\ntwo"),
    (Markup, "<ul><li>card</li><li>cash</li></ul>", "card\ncash"),
    (Markup, "<table><tr><td>card</td><td>5 €</td></tr></table>", "card 5 €"),
    (Markup, "hi<script>track('<p>');</script> there<style>p{}</style>", "hi there"),
    (Markup, "before<!-- [if mso]> x <![endif] -->after", "beforeafter"),
    (Markup, "<!DOCTYPE html><html><body>Hello</body></html>", "Hello"),
    (Markup, "<p>keep List<String> and <me@shop.com> and I <3 it", "keep List<String> and <me@shop.com> and I <3 it"),
    (Markup, "<o:p></o:p><p>from Word</p>", "from Word"),
    (Markup, "Caf&Atilde;&copy;", "Café"),
    (InvisibleCharacters, "\ufeffwhere is my card", "where is my card"),
    (InvisibleCharacters, "re\u00adturn my or\u200bder", "return my order"),
    (InvisibleCharacters, "call \u202a+49 30 123\u202c", "call +49 30 123"),
    (InvisibleCharacters, "nul\x00 bell\x07", "nul bell"),
    (InvisibleCharacters, "\x1b[31merror\x1b[0m", "error"),
    (InvisibleCharacters, "hello\U000e0069\U000e0067\U000e006e", "hello"),
    (InvisibleCharacters, "my\u200d card", "my card"),
    (InvisibleCharacters, "Auf\u200clage", "Auflage"),
    (InvisibleCharacters, "😀\ufe0f\ufe0e\ufe01", "😀\ufe0f"),
    (InvisibleCharacters, "می\u200c\u200c\u200bروم", "می\u200cروم"),
    (WhiteSpace, " where is my card ", "where is my card"),
    (WhiteSpace, "where  is\tmy   card", "where is my card"),
    (WhiteSpace, "où est ma carte\u00a0?", "où est ma carte ?"),
    (WhiteSpace, "1\u202f000\u00a0€", "1 000 €"),
    (WhiteSpace, "one\r\ntwo\rthree\u2028four", "one\ntwo\nthree\nfour"),
    (WhiteSpace, "one\n\n\n\n\ntwo", "one\n\ntwo"),
    (WhiteSpace, "one \n \n\ntwo", "one\n\ntwo"),
    (WhiteSpace, "返品\u3000したい", "返品 したい"),
    (WhiteSpace, "run:  this\n```\nif x:\n    y  =  1\n```\nand  that", "run: this\n```\nif x:\n    y  =  1\n```\nand that"),
]  # fmt: skip

MUST_NOT = {
    EncodingDamage: [
        "Müller aus Köln", "I can’t log in", "SÃO PAULO À NOITE", "déjà vu, l’été à 25 °C", "« bonjour »", "100 £ ou 120 €",
        "Ça coûte 5 € ²", "İstanbul'da kargo nerede?", "привет, где мой заказ?", "मेरा ऑर्डर कहाँ है?", "tôi muốn trả hàng",
        "a × b = ½", "Å, Ä, Ö är bokstäver", "„Anführung“ – so“", "我的订单在哪里？", "où est mon colis…", "naïve façade – ¿qué?", "5 µm ± 2 %",
        "gdzie jest moja paczka, proszę?", "κάρτα μου χάθηκε", "¡Hola! ¿Dónde está?", "TM™ and ®, §5", "√2 ≈ 1,41", "A – B – C", "AMANHÃ…", "CASĂ…", "«ГОСТ»", "├── src", "└─ tests", "Å gå hjem", "DÓŁ", "KRÓŻ", "Γ and Δ", "ВДНХ", "Ć", "„CASĂ”",
    ],
    Markup: [
        "I <3 it", "I </3 it", "if a < b and c > d", "if a <b and c> d", "a<b", "List<String>", "vector<int> x", "std::map<a, b>",
        "<3.5 kg or >10 kg", "Jane <jane@shop.com>", "<https://shop.com/?a=1&b=2>", "https://shop.com/?a=1&copy=2&lt=3", "R&D; and Q&A;",
        "AT&T & co", "Dear <name>, your <title>", "<dd>/<mm>/<yyyy>", "how do I add a <br> tag?", "is <b> an element in html?",
        'I see "<p>" in my mail', "write `<b>bold</b>` for bold", "```\n<p>code</p>\n```", "<|im_start|>user", "<think>hm</think>", "<s>[INST] hi [/INST]</s>",
        "<answer>42</answer>", "<-- look here -->", "<!>", "<", ">", "&", "&;", "&#;", "&nosuch;", "&#0;", "<b", "<![x[", "x = &sum;", "5 <i> 6",
        "<summary>what the prompt said</summary>", '{"a": "<p>x</p>"}', '<div className="x">{name}</div>',
    ],
    InvisibleCharacters: [
        f"we are {FAMILY}", "👩🏽\u200d💻 at work", "❤\ufe0f\u200d🔥", f"from {WALES}", "🏳\ufe0f\u200d🌈", "1\ufe0f\u20e3", "می\u200cخواهم", "نمی\u200cدانم",
        "SMS\u200cهای من", "क्\u200dष", "क्\u200cष", "ශ්\u200dරී ලංකා", "ന്\u200d", "สวัสดี\u200bครับ", "tab\tand\nline", "plain", "日本", "葛\U000e0100城",
    ],
    WhiteSpace: [
        "where is my card", "one\n\ntwo", "list:\n  - one\n    - two", "", "```\na  b\n```", "a-b", "don't", "x\ny",
    ],
    EmptyText: ["?", "0", "👍", ".", "é", "क", " x ", "\u200bx"],
}  # fmt: skip


@pytest.mark.parametrize(("made", "before", "after"), MUST)
def test_what_is_certain_is_repaired(made, before, after):
    said = step.run(made(), examples([before]))
    assert said["after"].to_list() == [after]
    assert said.select("action", "field", "before").row(0) == ("edit", "/text", before)


@pytest.mark.parametrize(("made", "text"), [(made, text) for made, texts in MUST_NOT.items() for text in texts])
def test_what_is_not_certain_stays(made, text):
    assert step.run(made(), examples([text])).is_empty()


@pytest.mark.parametrize("made", CERTAIN, ids=lambda made: made.rule)
def test_each_step_keeps_the_laws(made):
    rows = [*(before for _, before, _ in MUST), *(text for texts in MUST_NOT.values() for text in texts)]
    check_step(made(), examples([*rows, *map(chat, rows[:60:3])]))


@pytest.mark.parametrize(
    ("made", "before", "says"),
    [
        (EncodingDamage, "KÃ¶ln â€“ MÃ¼ller", "was UTF-8, read as Windows-1252"),
        (EncodingDamage, "Cafe\u0301", "letters written in pieces joined (NFC)"),
        (Markup, "<p>a</p><br/>&amp;<b>c</b>", "HTML taken out: <p>, <br>, &amp; and 1 more"),
        (InvisibleCharacters, "\ufeffa\u200bb\u00ad", "3 invisible characters removed"),
        (InvisibleCharacters, "a\u200bb", "1 invisible character removed"),
        (WhiteSpace, " a  b ", "white space tidied: at the ends, runs of spaces; 3 characters fewer"),
        (WhiteSpace, "a\u00a0b", "white space tidied: unusual spaces"),
    ],
)
def test_a_finding_says_what_was_done(made, before, says):
    assert step.run(made(), examples([before]))["says"].to_list() == [says]


def test_the_letters_that_ftfy_half_repairs_are_left_alone():
    assert (
        repair.encoding("love of Beyonc\u0393\u00f6\u00a3\u252c\u00ab")
        == "love of Beyonc\u0393\u00f6\u00a3\u252c\u00ab"
    )


@pytest.mark.parametrize(
    "text", [None, "", " ", "\n\t", "\u00a0", "\u200b", "\ufeff \u2060", "\u3164", "\x00", "\ufe0f", "\x1f\x1c"]
)
def test_a_text_that_shows_nothing_is_dropped(text):
    said = step.run(EmptyText(), examples([{"text": text}]))
    assert said.select("action", "says").rows() == [("drop", "no text")]


@pytest.mark.parametrize(
    "text", ["<p></p>", "&nbsp;", "<br> \u200b<br/>", "ï»¿", "&lt;p&gt;", "<script>x()</script>", "Â\xa0"]
)
def test_a_text_that_was_only_damage_and_markup_is_dropped_in_the_end(text):
    assert clean(examples([text, "stays"]))["text"].to_list() == ["stays"]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"label": None, "labels": None}, "no label"),
        ({"label": "", "labels": None}, "no label"),
        ({"label": None, "labels": '{"category": null}'}, "no value for category"),
        ({"label": None, "labels": '{"category": "a", "sub": null, "tags": []}'}, "no value for sub, tags"),
        ({"label": '{"category": " "}', "labels": '{"category": " "}'}, "no value for category"),
    ],
)
def test_an_example_without_a_label_is_dropped_and_the_empty_column_named(row, says):
    assert step.run(MissingLabel(), examples([{"text": "hi", **row}]))["says"].to_list() == [says]


@pytest.mark.parametrize(
    "labels", ['{"a": "x: \\" \\"", "b": "y"}', '{"a": "null"}', '{"a": 0}', '{"a": false}', '{"a": ":", "b": ":"}']
)
def test_a_label_that_only_looks_blank_stays(labels):
    assert step.run(MissingLabel(), examples([{"text": "hi", "labels": labels, "label": labels}])).is_empty()


def chat(*said: str, roles=("user", "assistant")):
    turns = [{"role": role, "content": content} for role, content in zip(roles * len(said), said, strict=False)]
    return {"messages": json.dumps(turns, ensure_ascii=False, separators=(",", ":"))}


def test_every_turn_of_a_conversation_is_repaired_and_nothing_else():
    turns = [
        {"role": "system", "content": " MÃ¼ller  "},
        {
            "role": "user",
            "content": [{"type": "text", "text": "<p>hi</p>"}, {"type": "image_url", "image_url": {"url": "a  b"}}],
        },
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"function": {"name": "f", "arguments": '{"a":  "<p>x</p>"}'}}],
        },
        {"role": "tool", "content": '{"found":  "<p>Ã¼</p>"}', "name": " x "},
        {"role": "assistant", "content": "one\u200b &amp; two"},
    ]
    cleaned = clean(examples([{"messages": json.dumps(turns)}]))
    turns[0]["content"] = "Müller"
    turns[1]["content"][0]["text"] = "hi"
    turns[4]["content"] = "one & two"
    assert json.loads(cleaned["messages"][0]) == turns
    assert cleaned.select("text", "label").row(0) == ("hi", "one & two")


def test_a_conversation_gets_one_finding_with_all_its_messages():
    said = step.run(WhiteSpace(), examples([chat(" hi ", "hello  you", " bye")]))
    assert (
        said.select("field", "says").rows()
        == [("/messages", "white space tidied: at the ends, runs of spaces, empty lines; 4 characters fewer")]
        or said.height == 1
    )
    assert [turn["content"] for turn in json.loads(said["after"][0])] == ["hi", "hello you", "bye"]
    assert [turn["content"] for turn in json.loads(said["before"][0])] == [" hi ", "hello  you", " bye"]


@pytest.mark.parametrize(
    ("messages", "dropped"),
    [
        ([{"role": "user", "content": " "}, {"role": "assistant", "content": "a"}], True),
        ([{"role": "user", "content": [{"type": "text", "text": ""}]}, {"role": "assistant", "content": "a"}], True),
        ([{"role": "user", "content": [{"type": "image_url"}]}, {"role": "assistant", "content": "a"}], False),
        (
            [{"role": "user", "content": ""}, {"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}],
            False,
        ),
        ([{"role": "system", "content": "s"}, {"role": "assistant", "content": "a"}], False),
    ],
)
def test_a_conversation_is_empty_when_the_user_says_and_shows_nothing(messages, dropped):
    assert step.run(EmptyText(), examples([{"messages": json.dumps(messages)}])).height == dropped


@pytest.mark.parametrize(
    ("messages", "dropped"),
    [
        ([{"role": "user", "content": "q"}], True),
        ([{"role": "user", "content": "q"}, {"role": "assistant", "content": " \u200b"}], True),
        ([{"role": "user", "content": "q"}, {"role": "assistant", "content": None, "tool_calls": []}], True),
        (
            [{"role": "user", "content": "q"}, {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}],
            False,
        ),
        (
            [
                {"role": "assistant", "content": "a"},
                {"role": "user", "content": "q"},
                {"role": "assistant", "content": ""},
            ],
            False,
        ),
    ],
)
def test_a_conversation_needs_an_answer_or_a_call(messages, dropped):
    assert step.run(MissingLabel(), examples([{"messages": json.dumps(messages)}])).height == dropped


def test_labels_are_never_edited():
    rows = examples([{"text": " <p>MÃ¼ller</p> ", "label": " <p>MÃ¼ller</p> ", "extra": '{"note": "<p>"}'}])
    assert clean(rows).select("label", "labels", "extra").equals(rows.select("label", "labels", "extra"))


def test_a_repair_that_a_person_rejected_is_not_made_by_a_later_step():
    rows = examples(["MÃ¼ller <b>here</b>"])
    damage = step.run(EncodingDamage(), rows)
    rejected = pl.DataFrame({"finding": damage["id"], "verdict": "reject", "saw": model.seen(damage)})
    kept = apply(rows, damage, pl.concat([UNDECIDED, rejected], how="diagonal"))
    assert step.run(Markup(), kept)["after"].to_list() == ["MÃ¼ller here"]


# --- laws on any text

PLAIN = (
    "<p> </p> <br/> <b> </b> <script> </script> <a\u2003href='x'> </a> <td> <dd> <!-- --> <![x[ <! </ < <3 > /> html tag a word ` \n```\n "
    '&amp; &lt; &gt; &#38; &#x3c; &Atilde; &copy; &nbsp; &#0; &#13; &#8203; amp; lt; & #38; ; { } [ ] " :'
)
ODD = (
    "Ã©â€™Â\xa0ï»¿\x85\x92\x81├®Γö£éeA\u0301\u0303üёÐ°\ufffd?œ\u0958\u1100\u1161각Å \t\r\x0b\u2028\u3000\x00\x1b\x1f"
    "\u200b\u200c\u200d\ufeff\u00ad\u202e\u180e\ufe0f\U000e0067\U000e007f🏴👩💻🏽میक्ก\u3164\U000e0101"
)
FRAGMENTS = st.sampled_from(
    [*(part.replace("\u2003", " ") for part in PLAIN.split(" ")), *ODD, "  ", "\n\n\n", "\r\n", " tag"]
)
TEXTS = st.one_of(st.text(max_size=40), st.lists(FRAGMENTS, max_size=20).map("".join))


def clean(rows: pl.DataFrame) -> pl.DataFrame:
    for made in CERTAIN:
        rows = apply(rows, step.run(made(), rows), UNDECIDED)
    return rows


@settings(max_examples=60)
@given(st.lists(TEXTS, min_size=1, max_size=25))
@example(["A\u0303©", "&Atilde\u200b;&copy;", "<scr\u200bipt>x</script>", "\x1f\ufe0fx", "&amp;" * 50 + "lt;p&gt;"])
def test_cleaning_twice_is_cleaning_once(texts):
    once = clean(examples([*texts, *map(chat, texts)]))
    assert [step.run(made(), once).height for made in CERTAIN] == [0] * len(CERTAIN)


@settings(max_examples=150)
@given(TEXTS)
@pytest.mark.parametrize("mend", repair.REPAIRS, ids=lambda mend: mend.__name__)
def test_a_repaired_text_needs_no_repair(mend, text):
    once = repair.settled(text, mend)
    assert repair.settled(once, mend) == once


@settings(max_examples=150)
@given(TEXTS)
def test_whatever_a_repair_would_change_is_among_the_suspects(text):
    column = pl.Series([text])
    looked_for = {
        repair.encoding: column.str.contains(f"{characters.mojibake()}|{characters.MARKS}")[0],
        without_markup: column.str.contains(SUSPECT)[0],
        repair.invisible: column.str.contains(characters.INVISIBLE)[0],
        repair.white_space: column.str.contains(characters.WHITE_SPACE)[0],
    }
    missed = [mend.__name__ for mend, found in looked_for.items() if not found and mend(text) != text]
    assert not missed


def test_every_letter_that_unicode_spells_in_two_ways_is_among_the_suspects():
    letters = [chr(code) for code in range(0x110000) if not 0xD800 <= code <= 0xDFFF]
    marks = [letter for letter in letters if unicodedata.combining(letter)]
    texts = [
        *letters,
        *(unicodedata.normalize("NFD", letter) for letter in letters if unicodedata.decomposition(letter)),
        *(f"a{one}{two}" for one in marks for two in marks if unicodedata.combining(one) > unicodedata.combining(two)),
    ]
    changed = pl.Series([text for text in texts if not unicodedata.is_normalized("NFC", text)])
    assert changed.len() > 100_000
    assert changed.filter(~changed.str.contains(characters.MARKS)).to_list() == []


@settings(max_examples=150)
@given(st.text(max_size=60))
def test_the_test_for_mojibake_is_ftfys_own(text):
    from ftfy import is_bad

    assert not is_bad(text) or pl.Series([text]).str.contains(characters.mojibake())[0]


@given(TEXTS)
def test_the_pieces_of_a_text_join_up_to_it(text):
    assert "".join(piece.raw for piece in pieces(text)) == text


@given(st.text(st.characters(categories=["L", "N", "P"], exclude_characters="<&\u3164\uffa0"), min_size=1, max_size=40))
def test_markup_invisible_and_space_leave_ordinary_words_alone(text):
    assert all(mend(text) == text for mend in (without_markup, repair.invisible, repair.white_space))


@pytest.mark.parametrize(
    "text", ["<a" * 60_000, "<a " * 40_000, "<!--" * 40_000, "</" * 40_000, "&" + "amp;" * 40_000, "`" * 90_000]
)
def test_a_text_made_to_be_slow_is_not(text):
    assert len(without_markup(text)) in (1, len(text))


# --- real rows


@pytest.mark.parametrize(
    ("file", "column", "spoken"),
    [
        ("banking77/train.csv", "text", {"white-space": 465}),
        ("banking77/test.csv", "text", {"white-space": 103}),
        ("clinc150/clinc150.csv", "inquiry", {"white-space": 3}),
        ("hwu64/hwu64.csv", "text_as_typed", {"encoding-damage": 4, "white-space": 53}),
        ("paraphrases/banking_dev_paraphrases.csv", "ChatGPT's Paraphrase", {"white-space": 402}),
    ],
)
def test_no_word_of_a_real_inquiry_is_harmed(data, file, column, spoken):
    rows = examples(pl.read_csv(data / file, infer_schema=False)[column].to_list())
    assert {made.rule: said for made in CERTAIN if (said := step.run(made(), rows).height)} == spoken
    for before, after in step.run(WhiteSpace(), rows).select("before", "after").rows():
        assert before.split() == after.split()
