"""Tracking parameters, greetings, signatures, quoted mails, page furniture and template lines, and the rows they must leave."""

import json
import time
import tomllib
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuneset import model, step
from tuneset.apply import apply
from tuneset.clean import EncodingDamage, InvisibleCharacters, Markup, WhiteSpace
from tuneset.clean.furniture import PageFurniture, furniture
from tuneset.clean.links import TrackingParameters, untracked
from tuneset.clean.mail import Greeting, QuotedReply, Signature, greeting, quoted, signature
from tuneset.clean.spans import Span, cut
from tuneset.clean.template import TemplateLine
from tuneset.testing import check_step, examples

UNDECIDED = pl.DataFrame(schema=model.DECISIONS)
SUGGESTING = (Greeting, Signature, QuotedReply, PageFurniture, TemplateLine)
TRAPS = tomllib.loads(
    (Path(__file__).parents[1] / "bench" / "quality" / "mail_parts.toml").read_text(encoding="utf-8")
)["traps"]["rows"]


def left(made, text):
    said = step.run(made(), examples([text]))
    return said["after"].item() if said.height else text


# --- links


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("https://a.com/?utm_source=x", "https://a.com/"),
        ("https://a.com/?utm_source=x&b=2", "https://a.com/?b=2"),
        ("https://a.com/?b=2&utm_source=x", "https://a.com/?b=2"),
        ("https://a.com/?b=2&utm_source=x&c=%C3%A9&gclid=EAIa_-1#top", "https://a.com/?b=2&c=%C3%A9#top"),
        ("https://a.com/?b=2&amp;utm_source=x&amp;c=3", "https://a.com/?b=2&amp;c=3"),
        ("https://a.com/#utm_source=x", "https://a.com/"),
        ("https://a.com/?b=2#part&fbclid=IwAR0", "https://a.com/?b=2#part"),
        ("see https://a.com/?UTM_Source=x.", "see https://a.com/."),
        ("(https://a.com/?utm_source=x)and(more)", "(https://a.com/)and(more)"),
        ("[here](https://a.com/?mc_eid=1), www.a.com?igshid=a==", "[here](https://a.com/), www.a.com"),
        ("https://wiki.org/Hat_(red)?utm_id=1", "https://wiki.org/Hat_(red)"),
        ("a.com/b?fbclid=1 and http://b.de/?msclkid=2&_ga=3&x", "a.com/b and http://b.de/?x"),
        ("https://a.com/?utm_campaign=a%26b+c&gclid=b_", "https://a.com/"),
    ],
)
def test_tracking_parameters_go_and_the_rest_of_the_link_stays(before, after):
    assert left(TrackingParameters, before) == after


@pytest.mark.parametrize(
    "text",
    [
        "https://a.com/?ref=x&source=mail&si=1",
        "https://a.com/?my_utm_source=x",
        "what is utm_source=newsletter?",
        "&gclid=1",
        "my report lacks gclid: https://a.com/?gclid=1",
        "which tracking parameter is in https://a.com/?fbclid=1",
        "`curl https://a.com/?utm_source=x`",
        '{"url": "https://a.com/?utm_source=x"}',
        "https://a.com/?to=https%3A%2F%2Fb.com%3Futm_source%3Dx",
        "a@b.com&utm_source=x",
    ],
)
def test_what_is_no_tracking_parameter_of_a_link_stays(text):
    assert left(TrackingParameters, text) == text


def test_a_finding_names_the_tracking_parameters():
    row = "https://a.com/?utm_source=a&utm_medium=b and https://b.com/?utm_source=a&gclid=1&fbclid=2"
    said = step.run(TrackingParameters(), examples([row])).row(0, named=True)
    assert said["says"] == "tracking taken out of 2 links: utm_source, utm_medium, gclid and 1 more"
    assert (said["action"], said["when"]) == ("edit", "default")


PARTS = st.sampled_from(
    ["https://a.com", "/", "?", "&", "&amp;", "amp;", "#", "utm_source=x", "gclid=", "b=2", ".", ")", "(", " ", "#60;", "é", "Ã©", "\u200b", "&lt", ";"]
)  # fmt: skip


@settings(max_examples=30)
@given(st.lists(st.lists(PARTS, max_size=14).map("".join), max_size=20))
def test_links_are_clean_after_one_cleaning_and_nothing_else_is_left_to_repair(texts):
    steps = (EncodingDamage(), Markup(), InvisibleCharacters(), WhiteSpace(), TrackingParameters())
    rows = examples(texts)
    for made in steps:
        rows = apply(rows, step.run(made, rows), UNDECIDED)
    assert [made.rule for made in steps if step.run(made, rows).height] == []


@given(st.text(max_size=60))
def test_a_text_without_links_is_never_touched_for_tracking(text):
    assert untracked(text) == text or "." in text


# --- mails and pages


MAIL = "Hello team,\n\nmy order is late.\nCan you help?\n\nBest regards,\nJane Miller\nSales Manager | ACME\nT: 020 7946 0123"
QUOTE = "\n\nOn Mon, 3 Jun 2024 at 10:12, ACME <a@acme.com> wrote:\n> Thank you for your order.\n>\n> ACME"

CUT = [
    (Greeting, "Hi there, where is my card?", "where is my card?"),
    (Greeting, "Sehr geehrte Damen und Herren,\n\nmeine Karte ist weg.", "meine Karte ist weg."),
    (Greeting, "Bonjour Madame Martin,\nma carte est perdue.", "ma carte est perdue."),
    (Greeting, "¡Hola! Perdí mi tarjeta ayer", "¡Hola! Perdí mi tarjeta ayer"),
    (Greeting, "Buongiorno, ho perso la carta", "ho perso la carta"),
    (Greeting, "Olá, bom dia! Espero que estejam bem. Perdi o meu cartão.", "Perdi o meu cartão."),
    (Greeting, "Goedemorgen,\nmijn kaart is weg.", "mijn kaart is weg."),
    (Greeting, "Dear Ms. O'Neill,\nI hope this email finds you well.\nMy card is gone.", "My card is gone."),
    (Greeting, "hello i lost my card", "i lost my card"),
    (Signature, "My card is lost.\n\nSent from my iPhone", "My card is lost."),
    (Signature, "Meine Karte ist weg\n\nVon meinem Samsung Galaxy Smartphone gesendet.", "Meine Karte ist weg"),
    (Signature, "J'ai perdu ma carte.\nEnvoyé de mon iPhone", "J'ai perdu ma carte."),
    (Signature, "Ik ben mijn kaart kwijt.\n\nMet vriendelijke groet,\nJan de Vries", "Ik ben mijn kaart kwijt."),
    (Signature, "Where is it? Thanks, John", "Where is it?"),
    (Signature, "Where is it? Kind regards Jane Miller", "Where is it?"),
    (Signature, "Where is it?\n--\nJane\njane@acme.com", "Where is it?"),
    (Signature, "Perdí mi tarjeta.\n\nSaludos cordiales,\nLucía", "Perdí mi tarjeta."),
    (Signature, "Ho perso la carta.\n\nCordiali saluti\nGiulia Rossi", "Ho perso la carta."),
    (Signature, "Perdi o cartão.\n\nAtenciosamente,\nJoão da Silva", "Perdi o cartão."),
    (Signature, f"{MAIL}{QUOTE}", f"Hello team,\n\nmy order is late.\nCan you help?{QUOTE}"),
    (QuotedReply, f"{MAIL}{QUOTE}", MAIL),
    (QuotedReply, "It broke.\n> Was it good?\n> Please tell us about it.\nI want a refund.", "It broke.\nI want a refund."),
    (QuotedReply, "Nein.\n\nAm 03.06.2024 um 10:12 schrieb ACME <a@acme.de>:\nWar alles gut?", "Nein."),
    (QuotedReply, "Non.\n\nLe 3 juin 2024 à 10:12, ACME <a@acme.fr> a écrit :\n> Tout va bien ?", "Non."),
    (QuotedReply, "No.\n-----Mensaje original-----\nDe: ACME\nAsunto: su pedido\n\n¿Todo bien?", "No."),
    (QuotedReply, "No. On 3 June 2024 at 10:12 ACME <a@acme.com> wrote: was it good?", "No."),
    (PageFurniture, "Skip to content\nHome\nShop\n\nIs the red hat back?", "Is the red hat back?"),
    (PageFurniture, "Is the red hat back?\n\nShare on Facebook\nShare on X\n\n© 2024 ACME", "Is the red hat back?"),
    (PageFurniture, "Startseite > Hilfe > Hüte\nIst der rote Hut da?", "Ist der rote Hut da?"),
    (PageFurniture, "Is it back?\n\nYou received this email because you signed up.\nUnsubscribe", "Is it back?"),
    (PageFurniture, "Is it back? [ref:_00Dd0bdXy._5000c1abcd:ref]", "Is it back?"),
]  # fmt: skip


@pytest.mark.parametrize(("made", "before", "after"), CUT)
def test_what_a_mail_or_page_adds_is_found_and_the_rest_stays_letter_by_letter(made, before, after):
    assert left(made, before) == after


@pytest.mark.parametrize("made", SUGGESTING)
def test_rows_that_only_look_like_it_are_left_alone(made):
    assert step.run(made(), examples(TRAPS))["before"].to_list() == []


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (Greeting, "Good morning!"),
        (Greeting, "Dear all,\nhi"),
        (Greeting, "Hello Kitty backpack is torn"),
        (Signature, "Kind regards,\nJane"),
        (Signature, "Sent from my desk, which is easier than my phone"),
        (Signature, "Is it here?\n\nSent from my desk, it is easier than my mobile phone."),
        (Signature, "Broken.\n\nThanks,\nJane\nOrder number: 4711"),
        (Signature, "Broken.\n\nRegards\nJane\nPS: it was a gift, send the money to my sister"),
        (Signature, "Version 1 crashes.\n--\nVersion 2 works fine."),
        (Signature, "The mail was confidential and it was sent to me.\nPlease delete my address."),
        (QuotedReply, "> my whole text\n> is a quotation of that"),
        (QuotedReply, "Weights:\n> 5 kg\n> 10 kg\n> 20 kg\nwhich are possible?"),
        (QuotedReply, "see\n-------- Forwarded message --------\nFrom: ACME\nDate: Monday\n\nYour order is late"),
        (QuotedReply, "On 3 June 2024 he wrote:\nit is on its way. It is not."),
        (PageFurniture, "Yes\nNo\nYes\nwhich answers are right?"),
        (PageFurniture, "Please cancel it.\nHome\nand contents insurance"),
        (PageFurniture, "© 2024 ACME"),
    ],
)
def test_what_may_be_the_matter_itself_is_left_alone(made, text):
    assert left(made, text) == text


def test_where_the_label_is_about_greeting_the_greeting_stays():
    rows = examples(
        [{"text": "hi, nice to meet you today", "label": label} for label in ("greeting", "smalltalk", "Orders")]
    )
    assert step.run(Greeting(), rows)["example"].to_list() == [rows["id"][2]]


@pytest.mark.parametrize("made", SUGGESTING)
def test_what_is_found_is_a_suggestion_until_the_recipe_says_remove(made):
    rows = examples([*(text for kind, text, _ in CUT if kind is made), *template_rows()])
    assert set(step.run(made(), rows)["when"]) == {"on-accept"}
    assert set(step.run(made(remove=True), rows)["when"]) == {"default"}


@pytest.mark.parametrize("made", [*SUGGESTING, TrackingParameters])
def test_each_step_keeps_the_laws(made):
    rows = [*(text for _, text, _ in CUT), *TRAPS, *template_rows()]
    table = examples([*rows, *map(chat, rows[::4])])[::3]
    check_step(made() if made is TrackingParameters else made(remove=True), table)


def test_a_finding_says_where_and_what():
    said = step.run(Signature(), examples([f"{MAIL}\n\nSent from my iPhone"]))["says"].item()
    assert said == "characters 47-109: sign-off and name; 112-130: line of a mail program"
    assert MAIL[46:109].startswith("Best regards")


def chat(*said, roles=("user", "assistant")):
    turns = [{"role": role, "content": content} for role, content in zip(roles * len(said), said, strict=False)]
    return {"messages": json.dumps(turns, ensure_ascii=True)}


def test_in_a_conversation_only_what_the_user_typed_is_looked_at_and_the_turn_is_named():
    turns = ["Grüß Gott, wo ist meine Karte?", "Grüß Gott, sie ist unterwegs.", "Hallo, immer noch keine Karte da."]
    said = step.run(Greeting(), examples([chat(*turns)])).row(0, named=True)
    assert said["says"] == "turn 1, characters 1-10: greeting; turn 3, characters 1-6: greeting"
    contents = [turn["content"] for turn in json.loads(said["after"])]
    assert contents == ["wo ist meine Karte?", turns[1], "immer noch keine Karte da."]


PIECES = st.sampled_from(
    ["Hi", "Hello", "Dear", " team", ",", ".", "!", " ", "\n", "\n\n", "> ", ">", "--", "-- \n", "Kind regards", "Thanks,", "Jane Miller", "where is my card", "my order is late",
     "On 3 June 2024 at 10:12, A <a@b.com> wrote:", "From: A\nSent: B\nTo: C\nSubject: D", "-----Original Message-----", "Sent from my iPhone", "Skip to content", "Home", "Search", "Log in",
     "© 2024 ACME", "Home > Help", "##- reply above this line -##", "ref:_00D20abc:ref", "I hope you are well.", "___________", "This message is confidential, for the intended recipient; delete it if received in error and tell us.", "Unsubscribe"]
)  # fmt: skip


@settings(max_examples=200)
@given(st.lists(PIECES, max_size=14).map("".join))
@pytest.mark.parametrize("find", [greeting, signature, quoted, furniture])
def test_cutting_leaves_something_and_nothing_more_to_cut(find, text):
    after, went = cut(text, find)
    assert bool(went) == (after != text)
    assert not went or any(map(str.isalnum, after))
    assert cut(after, find) == (after, [])
    assert all(0 <= span.start < span.end <= len(text) for span in went)


@settings(max_examples=20)
@given(st.lists(st.lists(PIECES, max_size=10).map("".join), max_size=20))
@pytest.mark.parametrize(
    ("made", "find"),
    [(Greeting, greeting), (Signature, signature), (QuotedReply, quoted), (PageFurniture, furniture)],
)
def test_whatever_would_be_cut_is_among_the_suspects(made, find, texts):
    said = step.run(made(), examples([*texts, *map(chat, texts)]))
    assert said.height == 2 * sum(bool(cut(text, find)[1]) for text in texts)


@given(st.text(st.sampled_from("ab \n"), max_size=30), st.integers(0, 29), st.integers(1, 10))
def test_a_cut_takes_nothing_but_the_span_and_white_space(text, start, length):
    find = lambda now: [Span(start, start + length, "x")] if now == text and start + length <= len(text) else []
    after, _ = cut(text, find)
    assert "".join(after.split()) in ("".join((text[:start] + text[start + length :]).split()), "".join(text.split()))


@pytest.mark.parametrize("made", [*SUGGESTING, TrackingParameters])
@pytest.mark.parametrize(
    "piece",
    [" ", "\n", ">", "A ", "Hi ", "regards, ", "Home > ", "https://a.b/?", "utm_id=1&", "on 1 ", "--\n", "(", "@"],
)
def test_a_text_made_to_be_slow_is_not(made, piece):
    long = (piece * 50_000)[:50_000]
    rows = examples([long, f"Hi {long}", f"x y z. {long}", f"{long}\nregards wrote: https://a.b/?utm_id=1"])
    start = time.process_time()
    step.run(made(), rows)
    assert (
        time.process_time() - start < 20
    )  # it takes 0.2 to 4 s; what grows with the square of the length takes minutes


# --- template lines


SAID = [
    "Where is it?",
    "My card is torn.",
    "Two hats came.",
    "Do you ship to Spain?",
    "The app crashes.",
    "I want my money.",
]


def template_rows(line="Sent through the contact form of acme.com on day {}", count=6, form="{}\n{}", label="A"):
    return [{"text": form.format(text, line.format(day)), "label": label} for day, text in enumerate(SAID[:count])]


def template_found(rows):
    return step.run(TemplateLine(), examples(rows))["after"].to_list()


def test_a_line_that_repeats_is_found_with_its_numbers_masked():
    assert template_found(template_rows()) == SAID
    assert template_found(template_rows(form="{1}\n\n{0}")) == SAID


def test_a_sentence_at_an_end_that_repeats_is_found_in_texts_of_one_line():
    line = "This call is number {} and was recorded for training."
    said = [row["text"].split("\n")[0] for row in template_rows(line)]
    assert template_found(template_rows(line, form="{} {}")) == said


@pytest.mark.parametrize(
    "rows",
    [
        template_rows(count=4),
        template_rows("Order number: {}"),
        template_rows("Your invoice number {} of the shop was 9 €"),
        template_rows("What should we do about it now then?", form="{} {}"),
        template_rows("I do not know what to do about it any more.", form="{} {}"),
        template_rows("Please help.", form="{} {}"),
        [{"text": "Where is it?\nSent through the contact form of acme.com"}] * 9,
        template_rows("contact form orders and refunds", label="contact form orders and refunds"),
        [
            *template_rows("This line tells what it is about", label="A"),
            *({"text": f"other {day}", "label": "B"} for day in range(9)),
        ],
        ["where is the card that was sent to me?"] * 9,
    ],
)
def test_what_people_say_or_what_tells_the_label_is_no_template(rows):
    assert template_found(rows) == []


def test_a_line_must_stand_in_a_share_of_the_rows():
    many = [{"text": f"another text, number {place}", "label": "A"} for place in range(1_000)]
    assert template_found([*template_rows(), *many]) == []
    assert len(step.run(TemplateLine(share=0.001), examples([*template_rows(), *many]))) == 6


def test_what_was_learned_can_be_sent_to_other_machines_and_says_how_often():
    rows = examples(
        [*template_rows(), *map(chat, ("hello there\nSent through the contact form of acme.com on day 7", "no"))]
    )
    learned = TemplateLine().fit(rows)
    assert step.run(learned, rows).equals(step.run(TemplateLine(), rows))
    assert step.run(learned, rows)["says"][0] == "characters 14-63: template line, in 7 rows"


# --- real rows


@pytest.mark.parametrize(
    ("file", "column", "label", "greetings"),
    [
        ("banking77/train.csv", "text", "category", 155),
        ("clinc150/clinc150.csv", "inquiry", "sub_category", 14),
        ("hwu64/hwu64.csv", "text_as_annotated", "sub_category", 34),
        ("paraphrases/banking_dev_paraphrases.csv", "ChatGPT's Paraphrase", "Label", None),
    ],
)
def test_real_inquiries_open_with_greetings_and_have_nothing_else_to_cut(data, file, column, label, greetings):
    table = pl.read_csv(data / file, infer_schema=False).select(text=column, label=label).drop_nulls()
    rows = examples(table.rows(named=True))
    found = {made.rule: step.run(made(), rows).height for made in (*SUGGESTING, TrackingParameters)}
    if greetings is not None:
        assert found.pop("greeting") == greetings  # read by eye: all of them are
    found.pop("greeting", None)
    assert set(found.values()) == {0}, found
