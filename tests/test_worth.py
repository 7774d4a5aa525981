"""Texts and answers that are worth nothing: too short, too long, gibberish, refusals, boilerplate; and those that are worth it."""

import dataclasses
import json
import pickle
import random
import tomllib
from pathlib import Path
from time import process_time

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuneset import model, step
from tuneset.apply import apply
from tuneset.clean.answers import BoilerplateAnswer, Refusal, declines
from tuneset.clean.boilerplate import padding, says_nothing, unfilled
from tuneset.clean.gibberish import Gibberish, is_keyed
from tuneset.clean.length import TooLong, TooShort
from tuneset.testing import check_step, examples

STEPS = [
    each(drop=drop) for each in (TooShort, TooLong, Gibberish, Refusal, BoilerplateAnswer) for drop in (False, True)
]
UNDECIDED = pl.DataFrame(schema=model.DECISIONS)
INQUIRIES = [
    f"Where is the {thing} that I ordered {when}?"
    for thing in ("hat", "bag", "lamp", "card")
    for when in ("today", "in May", "twice")
]


def said(made, rows):
    """Return what is said of each text that something is said of."""
    table = examples(rows)
    found = made(table).join(table, left_on="example", right_on="id", maintain_order="left")
    return dict(found.select("text", "says").rows())


def answered(answer, *, chat=False):
    """Return an example with this answer."""
    if not chat:
        return {"text": "How?", "labels": json.dumps({"answer": answer}), "label": json.dumps({"answer": answer})}
    return {"messages": json.dumps([{"role": "user", "content": "How?"}, {"role": "assistant", "content": answer}])}


@pytest.mark.parametrize("made", [*STEPS, BoilerplateAnswer(drop=True, remove=True)], ids=repr)
def test_each_step_keeps_every_promise(made):
    check_step(
        made, examples([*INQUIRIES, answered("I can't assist with that."), answered("Call [Your Name].", chat=True)])
    )


@pytest.mark.parametrize("made", STEPS, ids=repr)
def test_findings_are_suggestions_unless_the_recipe_drops(made):
    for case in made.speaks:
        drops = made(examples(case)).filter(pl.col("action") == "drop")
        assert set(drops["when"]) <= {"default" if made.drop else "on-accept"}


@pytest.mark.parametrize("made", [each for each in STEPS if hasattr(each, "fit")], ids=repr)
def test_what_was_learned_travels_to_another_machine(made):
    table = examples(row for case in made.speaks for row in case)
    learned = made.fit(table)
    there = pickle.loads(pickle.dumps(learned))
    assert there == learned
    assert there(table).equals(made(table))


# Length


@pytest.mark.parametrize("text", ["?", "...", "!!", "x", "-", "7", " . "])
def test_a_text_without_anything_to_read_is_too_short(text):
    assert list(said(TooShort(), [*INQUIRIES, text])) == [text]


@pytest.mark.parametrize("text", ["hi", "no", "ok", "42", "👍", "退款", "é!", "refund", "help me"])
def test_a_short_inquiry_among_short_ones_is_not_too_short(text):
    assert said(TooShort(), ["cancel it", "where is my order", "refund please", "log me in"] * 10 + [text]) == {}


def test_a_word_among_long_texts_is_too_short_and_the_words_are_counted():
    long = [
        f"{text} I have been waiting for {n} weeks and nobody answers my mails about it."
        for n, text in enumerate(INQUIRIES * 4)
    ]
    assert said(TooShort(), [*long, "hello"]) == {"hello": "1 word; half of the set's texts have 22 to 23"}


def test_a_short_text_is_not_too_short_where_its_label_is_made_of_them():
    long = [
        f"{text} I have been waiting for {n} weeks and nobody answers my mails about it."
        for n, text in enumerate(INQUIRIES * 8)
    ]
    greetings = [{"text": text, "label": "Greeting"} for text in ("hello", "hi", "hey")]
    assert said(TooShort(), [*long, *greetings]) == {}
    assert list(said(TooShort(), [*long, "hello"])) == ["hello"]


def test_a_length_that_one_row_in_twenty_has_is_the_sets_way():
    long = [
        f"{text} I have been waiting for {n} weeks and nobody answers my mails about it."
        for n, text in enumerate(INQUIRIES * 4)
    ]
    assert said(TooShort(), [*long, *("yes", "hello", "stop", "refund")]) == {}


def test_limits_that_are_given_are_kept():
    assert said(TooShort(words=3), ["two words", "three words here"]) == {"two words": "2 words"}
    assert said(TooShort(characters=4), ["abc", "abcd"]) == {"abc": 'nothing to read in "abc"'}
    assert said(TooLong(words=3), ["three words here", "and four words here"]) == {"and four words here": "4 words"}


def test_a_page_among_inquiries_is_too_long():
    page = "and then the shop told me that the courier had come on Monday when nobody was there " * 15
    assert said(TooLong(), [*INQUIRIES * 2, page]) == {page: "255 words; half of the set's texts have 8 to 9"}


def test_a_long_complaint_among_inquiries_is_not_too_long():
    complaint = "and then the shop told me that the courier had come on Monday when nobody was there " * 10
    assert said(TooLong(), [*INQUIRIES * 2, complaint]) == {}


def test_what_a_trainer_would_cut_is_too_long_whoever_speaks():
    answer = {
        "messages": json.dumps(
            [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello there. " * 900}]
        )
    }
    found = TooLong()(examples([*INQUIRIES, answer]))
    assert found.select("field", "says").row(0) == (
        "/messages",
        "about 2713 tokens; a trainer that reads 2048 cuts it at the end, where the answer is",
    )


@given(st.lists(st.text(max_size=60), max_size=30))
def test_any_texts_can_be_measured(texts):
    table = examples(texts)
    for made in (TooShort(), TooLong()):
        assert step.run(made, table)["example"].is_in(table["id"].implode()).all()


# Gibberish

MASH = [
    "asdfghjkl",
    "qwerqwer",
    "aaaaaaaa",
    "xjkwq zzpt",
    "ASDFASDF",
    "jkl;jkl;jkl fdsafdsa",
    "sdkfjh skdjfh ksjdhf",
    "zxcvbnm,",
    "lkjhgfdsa!!",
    "Qwertyuiop",
    "xkcdqz vbtrw hgfkd",
]
WORDS = [
    *(
        "hmm",
        "ok",
        "asap",
        "lol",
        "hahahaha",
        "jajajaja",
        "zzzz",
        "kkkkk",
        "brrrr",
        "argh",
        "omggggg",
        "sooooo late",
        "thx pls",
        "idk tbh smh",
    ),
    *(
        "👍👍👍👍👍",
        "12345678",
        "AX-2231-QWRT",
        "SKU QWX-443",
        "FR7630006000011234567890189",
        "xxxx-xxxx-1234",
        "qwert123@mail.com",
        "https://qwrtp.com/sdfgh",
    ),
    *(
        "Krzysztof Brzęczyszczykiewicz",
        "Siobhan Nguyen",
        "Strč prst skrz krk",
        "Übergrößenträger gesucht",
        "GDPR KYC AML",
        "iPhone XR vs. MacBook",
        "rhythm",
        "tsk tsk",
    ),
    *(
        "my password asdfghjkl was leaked",
        "what does asdf mean",
        "wheres my refnd its ben 3 weks",
        "plz hlp w trnsfr",
        "где мой заказ",
        "我的订单",
    ),
]


@pytest.mark.parametrize("text", MASH)
def test_keyboard_mash_is_gibberish(text):
    assert list(said(Gibberish(), [*INQUIRIES, text])) == [text]


@given(
    st.lists(
        st.lists(
            st.sampled_from(
                ["asdfgh", "QWERTYUI", "ok", "order", "xkjvqwzz", "Xkjvqwzz", "aaaaaaa", "12", "(jkl;)", "é", "?"]
            ),
            max_size=6,
        ),
        max_size=5,
    ),
    st.sampled_from([" ", "\n", "\u3000", "\t  "]),
    st.sampled_from([str, str.upper, str.capitalize]),
)
def test_texts_summed_up_from_their_words_are_judged_as_if_each_were_read(words, space, cased):
    texts = sorted({cased(space.join(row)) for row in words})
    table = examples([*texts, *INQUIRIES])
    learned = dataclasses.replace(Gibberish().fit(table), common=())
    judge = learned._judge(learned._verdicts())
    read = {text: verdict[0] for text in texts if (verdict := judge(text))}
    assert said(learned, [*texts, *INQUIRIES]) == read


@pytest.mark.parametrize("text", WORDS)
def test_sounds_names_codes_and_other_languages_are_not_gibberish(text):
    assert said(Gibberish(), [*INQUIRIES, text]) == {}


def test_what_is_gibberish_is_shown():
    assert said(Gibberish(), [*INQUIRIES, "asdfgh jkl;lkj ok"]) == {"asdfgh jkl;lkj ok": 'no words: "asdfgh jkl;lkj"'}


def test_gibberish_that_many_typed_is_no_word_of_the_set():
    typed = [f"asdf asdf {n} qwer" for n in range(30)]
    assert set(said(Gibberish(), [*INQUIRIES * 8, *typed])) == set(typed)


def test_the_share_decides_how_much_gibberish_a_text_may_hold():
    text = "my order asdfghjkl"
    assert said(Gibberish(share=0.5), [*INQUIRIES, text]) == {text: 'no words: "asdfghjkl"'}
    assert said(Gibberish(share=0.9), [*INQUIRIES, text]) == {}


def test_a_word_that_the_set_uses_again_is_a_word():
    name = [f"Does qvtrzk work with my {thing} at home?" for thing in ("lamp", "hat")]
    assert said(Gibberish(), [*INQUIRIES, "qvtrzk xkzqj"]) != {}
    assert said(Gibberish(), [*INQUIRIES, *name, "qvtrzk"]) == {}


def test_a_german_set_teaches_its_own_spelling():
    draw = random.Random(1)
    stems = [
        "kauf",
        "lauf",
        "schreib",
        "fahr",
        "trag",
        "schlag",
        "wasch",
        "spiel",
        "koch",
        "bau",
        "dreh",
        "füll",
        "heiz",
        "pfleg",
    ]
    before, after = (
        ["ver", "be", "ent", "er", "auf", "ab", "an", "aus", "ein"],
        ["en", "ung", "er", "te", "bar", "lich", "los", "haft"],
    )
    words = sorted({f"{one}{stem}{two}" for one in before for stem in stems for two in after})
    texts = [" ".join(draw.sample(words, 6)) for _ in range(900)]
    flagged = said(Gibberish(), [*texts, "xkjvqw zzptq wqxv", "Verschickbarkeit und Beladungen"])
    assert list(flagged) == ["xkjvqw zzptq wqxv"]


@pytest.mark.parametrize(
    ("word", "keyed"),
    [("qwertz", True), ("azerty", True), ("poiuytrewq", True), ("treasure", False), ("power", False), ("dad", False)],
)
def test_neighbouring_keys_are_known_on_three_keyboards(word, keyed):
    assert is_keyed(word) is keyed


@given(st.lists(st.text(max_size=60), max_size=30))
def test_any_texts_can_be_searched_for_gibberish(texts):
    table = examples(texts)
    assert step.run(Gibberish(), table)["example"].is_in(table["id"].implode()).all()


@pytest.mark.parametrize(("path", "column"), [("clinc150/clinc150.csv", "inquiry"), ("banking77/train.csv", "text")])
def test_real_inquiries_are_worth_keeping(data, path, column):
    table = examples(pl.read_csv(data / path)[column])
    for made in (TooShort(), TooLong(), Gibberish(), Refusal()):
        assert made(table).is_empty(), made


# Answers

REFUSALS = [
    "I'm sorry, but I can't assist with that.",
    "I\u2019m sorry, but I cannot help you with this request.",
    "As an AI language model, I do not have personal opinions.",
    "I cannot fulfill this request. I am just an AI and it is not within my guidelines.",
    "Es tut mir leid, aber dabei kann ich nicht helfen.",
    "En tant que modèle de langage, je n'ai pas d'opinion.",
    "Lo siento, pero no puedo ayudarte con eso.",
    "Desculpe, mas não posso ajudar com isso.",
    "Mi dispiace, ma non posso aiutarti con questo.",
    "Het spijt me, maar daar kan ik je niet mee helpen.",
]
NO_REFUSALS = [
    "I'm sorry for the delay. Your parcel arrives on Friday.",
    "Unfortunately, we cannot ship to Norway.",
    "I cannot find your order; which number does it have?",
    "I can help you with that. What is your order number?",
    "You can't help falling in love with this sofa.",
    "I'm a virtual assistant. How can I help you today?",
    "Es tut mir leid, Ihr Paket hat Verspätung.",
    "Je ne trouve pas votre commande.",
    "No podemos enviar a Noruega.",
]


@pytest.mark.parametrize("chat", [False, True])
@pytest.mark.parametrize("answer", REFUSALS)
def test_an_answer_that_declines_is_a_refusal(answer, chat):
    found = Refusal()(examples([answered(answer, chat=chat)]))
    assert found["field"].to_list() == ["/messages" if chat else "/labels"]
    assert found["says"].item().startswith("a model declines: ")


@pytest.mark.parametrize("chat", [False, True])
@pytest.mark.parametrize("answer", NO_REFUSALS)
def test_bad_news_from_a_person_is_no_refusal(answer, chat):
    assert Refusal()(examples([answered(answer, chat=chat)])).is_empty()


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry but I can't log in",
        "I cannot access my account",
        "I am unable to fulfil the conditions",
        "are you an AI language model?",
        "As an AI engineer I need access to the API",
        "your agent said he can't help with that",
        "I do not feel comfortable verifying my identity.",
        "ich kann mich nicht einloggen",
        "no puedo entrar en mi cuenta",
    ],
)
def test_what_people_cannot_do_is_no_refusal(text):
    rows = [
        text,
        {"messages": json.dumps([{"role": "user", "content": text}, {"role": "assistant", "content": "Let me see."}])},
    ]
    assert Refusal()(examples(rows)).is_empty()


@pytest.mark.parametrize(
    "text",
    [
        "As an AI language model, I cannot have opinions.",
        "I'm sorry, but I can't assist with that.",
        "I cannot fulfill this request.",
    ],
)
def test_a_text_that_only_a_model_writes_is_found_among_inquiries(text):
    assert Refusal()(examples([*INQUIRIES, text])).select("field", "action").rows() == [("/text", "drop")]


def test_what_declines_is_looked_for_in_whole_columns_and_found_there_too():
    written = Path(__file__).parents[1] / "bench" / "quality" / "answers.toml"
    both = tomllib.loads(written.read_text("utf-8"))
    answers = sorted({*both["refusals"], *both["held_out"]["refusals"]})
    declining = [answer for answer in answers if declines(answer)]
    assert len(declining) > 0.9 * len(answers)
    rows = [answered(answer, chat=chat) for answer in declining for chat in (False, True)]
    assert Refusal()(examples(rows)).height == len(rows)


@pytest.mark.parametrize(
    ("does", "does_not"),
    [
        ("I can't write a poem that mocks the dead.", "I can't write the order number on the label."),
        ("I won't argue for slavery.", "I won't charge you for the second delivery."),
        ("I'm not willing to describe that scene.", "I'm not able to describe the noise, so please listen."),
        ("I cannot advise you on how to get around a paywall.", "I cannot advise the courier of your new address."),
        ("I must stay neutral on political matters.", "I must ask you to stay at home on Friday."),
        ("That falls outside what I'm able to do.", "That falls outside the thirty days of the guarantee."),
        ("I, as an AI, can't make decisions for you.", "I, as the manager, can't make an exception."),
        ("I don't know, since I am an AI.", "I don't know, since I am in the shop today."),
        ("My guidelines don't let me talk about that.", "My colleague doesn't let me talk about that."),
        ("I can't generate new cartoons with copyrighted heroes.", "I can't generate a new code for your card."),
        ("I can't provide that.", "I can't provide that size before May."),
    ],
)
def test_who_will_not_say_something_declines_and_who_cannot_do_something_does_not(does, does_not):
    assert declines(does)
    assert declines(does_not) is None


def test_the_sentence_that_declines_is_shown():
    assert (
        declines("Thanks for asking! I'm sorry, but I can't help with that. Anything else?")
        == "I'm sorry, but I can't help with that."
    )


def test_an_answer_may_quote_a_refusal_far_down():
    assert (
        declines("The robot walked through the town and looked at every window. " * 8 + '"I cannot help you," it said.')
        is None
    )


SLOTS = [
    "Dear [Customer Name], hello.",
    "Hi {{first_name}}!",
    "Regards, [Your Name]",
    "INSERT ANSWER HERE",
    "Lorem ipsum dolor sit amet",
    "<insert link>",
    "Hello {customer_name}",
]
FILLED = [
    "See [1] and [2].",
    "items[0]",
    "Mail [EMAIL] or [PHONE]",
    "Write `{{ name }}` there",
    "```\n[Your Name]\n```",
    "a < b and c > d",
    '{"a": 1}',
    "press [Enter]",
    "f(x) = {x}",
]
POLITE = [
    "Thank you for contacting us. We will get back to you shortly.",
    "We appreciate your feedback. Have a great day!",
    "Sorry for the inconvenience, our team will reply soon. Best regards, Jane",
]
TOLD = [
    "Thank you for waiting. Your refund was paid today.",
    "Thank you!",
    "Sorry, we are closed on Monday.",
    "Thank you, could you send us your order number?",
    "We have received your return and refunded 30 euros.",
]


@pytest.mark.parametrize("answer", SLOTS)
def test_a_place_left_to_fill_in_is_found(answer):
    assert unfilled(answer) in answer
    for chat in (False, True):
        assert BoilerplateAnswer()(examples([answered(answer, chat=chat)]))["action"].to_list() == ["drop"]


@pytest.mark.parametrize("answer", FILLED)
def test_brackets_with_a_meaning_are_no_places_to_fill_in(answer):
    assert unfilled(answer) is None


@pytest.mark.parametrize("answer", POLITE)
def test_an_answer_of_nothing_but_politeness_is_found(answer):
    assert says_nothing(answer)
    assert BoilerplateAnswer()(examples([answered(answer)]))["action"].to_list() == ["drop"]


@pytest.mark.parametrize("answer", TOLD)
def test_a_polite_answer_that_says_something_is_not(answer):
    assert not says_nothing(answer)


@pytest.mark.parametrize("chat", [False, True])
def test_padding_is_cut_out_and_the_answer_stays(chat):
    answer = "Sure! Here is the answer to your question:\nIt takes five days.\nI hope this helps!"
    table = examples([answered(answer, chat=chat)])
    found = BoilerplateAnswer(remove=True)(table)
    assert found["says"].to_list() == ["characters 1-43: opening; 63-81: closing"]
    after = apply(table, model.as_findings(found), UNDECIDED)
    assert after["label"].item() == ("It takes five days." if chat else '{"answer": "It takes five days."}')


@pytest.mark.parametrize(
    "answer",
    [
        "Here are our opening hours: 9 to 5.",
        "Sure, I can help. What is the number?",
        "I hope this finds you well; it is blue.",
        "Let me know your size.",
    ],
)
def test_an_answer_that_begins_or_ends_alike_is_not_cut(answer):
    assert padding(answer) == []


def test_one_answer_to_many_different_questions_is_boilerplate():
    canned = "Somebody will look at what you wrote and do what has to be done."
    asked = [
        "My card was eaten",
        "Where is the parcel?",
        "Change the invoice",
        "Can dogs come?",
        "The lamp flickers",
        "Book a table",
    ]
    own = [
        {"text": text, "labels": json.dumps({"answer": f"Number {n}."}), "label": f"Number {n}."}
        for n, text in enumerate(INQUIRIES)
    ]
    repeated = [{"text": text, "labels": json.dumps({"answer": canned}), "label": canned} for text in asked]
    flagged = said(BoilerplateAnswer(), [*own, *repeated])
    assert flagged == dict.fromkeys(asked, f'the same answer as to 5 other questions: "{canned}"')
    assert said(BoilerplateAnswer(repeats=7), [*own, *repeated]) == {}


def test_one_answer_to_one_question_in_many_words_is_right():
    hours = "We are open from Monday to Friday, nine to five."
    asked = ["When are you open?", "Are you open now?", "open on sunday", "Till when is the shop open?", "open late?"]
    own = [
        {"text": text, "labels": json.dumps({"answer": f"Number {n}."}), "label": f"Number {n}."}
        for n, text in enumerate(INQUIRIES)
    ]
    assert (
        said(
            BoilerplateAnswer(),
            [*own, *({"text": text, "labels": json.dumps({"answer": hours}), "label": hours} for text in asked)],
        )
        == {}
    )


def test_labels_are_not_answers():
    rows = [
        {"text": f"{text} {n}", "label": label}
        for label in ("thank you", "Have a nice day", "Other question here")
        for n, text in enumerate(INQUIRIES)
    ]
    assert BoilerplateAnswer()(examples(rows)).is_empty()


def test_goodbyes_at_the_end_of_a_conversation_may_repeat():
    turns = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Which order?"},
        {"role": "user", "content": "The hat"},
    ]
    rows = [
        {
            "messages": json.dumps(
                [
                    *turns[:2],
                    {"role": "user", "content": text},
                    {"role": "assistant", "content": "It is on its way and will be there soon."},
                ]
            )
        }
        for text in INQUIRIES
    ]
    assert BoilerplateAnswer()(examples(rows)).is_empty()


@given(st.lists(st.text(max_size=80), min_size=1, max_size=6))
def test_any_answers_can_be_judged_and_what_is_cut_leaves_something(answers):
    table = examples([answered(answer, chat=n % 2 == 0) for n, answer in enumerate(answers)])
    for made in (Refusal(), BoilerplateAnswer(remove=True)):
        found = step.run(made, table)
        assert found["example"].is_in(table["id"].implode()).all()
        assert (found.filter(pl.col("action") == "edit")["after"].str.len_chars() > 0).all()


HOSTILE = [
    "a" * 100_000,
    "i cannot " * 10_000,
    "as an " * 16_000,
    "thank " * 16_000,
    "[your " * 16_000,
    "{{" * 50_000,
    "`" * 100_000,
    "sure! here is " * 7_000,
    "? " * 50_000,
    "asdf" * 25_000,
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[:12])
def test_a_hostile_text_takes_no_time(text):
    table = examples([text, answered(text), answered(text, chat=True)])
    for made in (TooShort(), TooLong(), Gibberish(), Refusal(), BoilerplateAnswer()):
        made(examples(INQUIRIES))  # what is read once is not counted
        start = process_time()
        made(table)
        assert process_time() - start < 3, made
