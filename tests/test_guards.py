"""What keeps texts apart that look alike: planted differences, and those that may be dropped."""

import random

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuneset import near
from tuneset.dedupe import NearDuplicate
from tuneset.dedupe.guards import differences
from tuneset.dedupe.reading import spell
from tuneset.dedupe.wording import is_slip
from tuneset.step import run
from tuneset.testing import examples

FRAMES = [
    "can you tell me why the {} was not there when i looked this {}",
    "I would like to know how long it takes until the {} gets to {}, please",
    "my {} for the {} has not worked since last week",
    "Please help me with the {} and the {} of my order",
    "what happens if the {} is late and the {} is lost?",
]
THINGS = ["card", "parcel", "transfer", "refund", "payment", "account", "ticket", "invoice", "delivery", "password"]
NUMBERS = [
    ("2", "3"), ("two", "three"), ("12", "120"), ("1.5", "15"), ("first", "second"), ("half", "double"),
    ("twenty", "thirty"), ("5pm", "6pm"), ("10:30", "10:45"), ("2024-01-02", "2024-02-01"), ("monday", "tuesday"),
    ("january", "february"), ("today", "tomorrow"), ("$5", "€5"), ("dollars", "euros"), ("minutes", "hours"),
    ("A-5590", "A-5591"), ("-5", "5"), ("10%", "10°"), ("1st", "3rd"), ("kg", "lb"), ("morning", "evening"),
]  # fmt: skip
NAMES = [
    ("visa", "mastercard"), ("iphone", "ipad"), ("Hanna", "Hannah"), ("paris", "london"), ("Visa", "Amex"),
    ("netflix", "spotify"), ("windows", "linux"), ("lyft", "lift"), ("maria", "mario"), ("US", "us"), ("C++", "C#"),
    ("prednisone", "prednisolone"), ("galaxy s10", "galaxy s10e"), ("usd", "eur"), ("germany", "france"),
]  # fmt: skip
OPPOSITES = [
    ("on", "off"), ("enable", "disable"), ("from", "to"), ("send", "receive"), ("before", "after"), ("in", "out"),
    ("activate", "deactivate"), ("buy", "sell"), ("deposit", "withdraw"), ("with", "without"), ("my", "his"),
    ("able", "unable"), ("active", "inactive"), ("like", "dislike"), ("his", "her"), ("you", "they"), ("new", "old"),
    ("credit", "debit"), ("incoming", "outgoing"), ("lock", "unlock"), ("more", "less"), ("and", "or"), ("is", "was"),
]  # fmt: skip
NEGATED = [
    ("I can change my address after I ordered", "I can't change my address after I ordered"),
    ("I can change my address after I ordered", "I cant change my address after I ordered"),
    ("the refund is on the way to my bank", "the refund is not on the way to my bank"),
    ("the refund is on the way to my bank", "the refund isn\u2019t on the way to my bank"),
    ("I do work at the bank on main street", "I no longer work at the bank on main street"),
    ("is it possible to pay with a card there", "is it impossible to pay with a card there"),
    ("ich kann meine Adresse noch ändern", "ich kann meine Adresse nicht ändern"),
    ("ich habe eine Karte von der Bank bekommen", "ich habe keine Karte von der Bank bekommen"),
    ("je peux changer mon adresse de livraison", "je ne peux pas changer mon adresse de livraison"),
    ("je veux payer avec ma carte au magasin", "je veux payer sans ma carte au magasin"),
    ("puedo cambiar la dirección de mi pedido", "no puedo cambiar la dirección de mi pedido"),
    ("quiero pagar con la tarjeta de mi banco", "quiero pagar sin la tarjeta de mi banco"),
    ("posso mudar o endereço do meu pedido", "não posso mudar o endereço do meu pedido"),
    ("posso cambiare l'indirizzo del mio ordine", "non posso cambiare l'indirizzo del mio ordine"),
    ("ik kan mijn adres nog wijzigen na de bestelling", "ik kan mijn adres niet wijzigen na de bestelling"),
    ("jag kan ändra min adress efter beställningen", "jag kan inte ändra min adress efter beställningen"),
    ("मेरा कार्ड आज आया है", "मेरा कार्ड आज नहीं आया है"),
    ("我的卡今天到了", "我的卡今天没到"),
]
OTHER_LANGUAGES = [
    ("ich möchte 2 Karten bestellen", "ich möchte 3 Karten bestellen"),
    ("ich möchte zwei Karten bestellen", "ich möchte drei Karten bestellen"),
    ("quiero enviar dinero a mi hermana", "quiero recibir dinero de mi hermana"),
    ("¿puedes cerrar la cuenta?", "¿puede cerrar la cuenta?"),
    ("je voudrais ouvrir un compte", "je voudrais fermer un compte"),
    ("wann kann ich das Konto eröffnen", "wann kann ich das Konto kündigen"),
    ("किताब कहाँ है", "कतब कहाँ है"),
    ("cambio mi tarjeta", "cambió mi tarjeta"),
    ("wir fordern das Geld", "wir fördern das Geld"),
    ("este año pago la cuenta", "este ano pago la cuenta"),
]
HARMLESS = [
    ("When will my new card arrive?", "when will my new card arive"),
    ("Please cancel my order.", "cancel my order"),
    ("Where is the card", "Where is my card?"),
    ("I can't find it", "I cannot find it"),
    ("What's my balance", "what is my balance"),
    ("Hello, I want to close the account. Thank you!", "i want to close the account"),
    ("How do I top-up?", "How can I top up?"),
    ("could you cancel my favourite order", "can you cancel my favorite orders"),
    ("two cards please", "2 cards"),
    ("Which currency is used", "which currencies are used"),
    ("wo ist das Paket?", "Wo ist ein Paket"),
    ("¿dónde está la tarjeta de débito?", "donde está tarjeta de debito"),
    ("my e-mail is wrong", "my email is wrong"),
    ("WHERE IS MY CARD", "where is my card"),
]


def guards(*pairs, wording=True):
    """Say what keeps the two texts of each pair apart; all pairs stand in one set."""
    table = examples([text for pair in pairs for text in pair])
    even = np.arange(len(pairs)) * 2
    return differences(table, near.Pairs(even, even + 1, np.ones(len(pairs))), wording=wording).to_list()


def planted(draw):
    """Write one text twice, with a difference that matters in one place."""
    frame, thing = draw.choice(FRAMES), draw.choice(THINGS)
    kind = draw.choice(["number", "name", "opposite", "word"])
    if kind == "word":
        one, other = draw.sample(THINGS, 2)
    else:
        one, other = draw.choice({"number": NUMBERS, "name": NAMES, "opposite": OPPOSITES}[kind])
    slots = [one, thing] if draw.random() < 0.5 else [thing, one]
    first = frame.format(*slots)
    second = frame.format(*(other if slot == one else slot for slot in slots))
    if draw.random() < 0.5:  # harmless differences beside it change nothing
        second = draw.choice(
            [str.upper if kind != "name" else str, lambda text: text + " please", lambda text: f"Hi, {text}!"]
        )(second)
    return first, second


def test_2000_generated_pairs_that_differ_in_one_thing_that_matters_are_never_dropped():
    draw = random.Random(11)
    pairs = [planted(draw) for _ in range(2000)]
    missed = [pair for pair, guard in zip(pairs, guards(*pairs), strict=True) if not guard]
    assert missed == []


def test_the_step_drops_none_of_the_pairs_for_each_other():
    draw = random.Random(12)
    planned = [planted(draw) for _ in range(300)]
    table = examples([text for pair in planned for text in pair])
    said = run(NearDuplicate(threshold=0.5, drop=True), table).filter(pl.col("action") == "drop")
    ids = table["id"].to_list()
    twins = {frozenset(ids[start : start + 2]) for start in range(0, len(ids), 2)}
    pairs = {frozenset((one, others[0])) for one, others in said.select("example", "others").iter_rows()}
    assert pairs
    assert not pairs & twins


def test_1000_pairs_planted_in_real_rows_are_never_dropped(data):
    draw = random.Random(13)
    texts = pl.read_csv(data / "banking77" / "train.csv")["text"].to_list()
    others = [*THINGS, *(word for pair in [*NUMBERS, *NAMES, *OPPOSITES] for word in pair)]
    pairs = []
    while len(pairs) < 1000:
        text = draw.choice(texts)
        pieces = text.split()
        at = draw.randrange(len(pieces))
        new = draw.choice(others)
        changed = draw.choice([[new], [new, pieces[at]]]) if draw.random() < 0.8 else ["not", pieces[at]]
        other = " ".join([*pieces[:at], *changed, *pieces[at + 1 :]])
        same = set(spell(changed[0])) & {form for piece in pieces[max(0, at - 1) : at + 1] for form in spell(piece)}
        if not same and changed[0] not in {"US", "my", "you"}:
            pairs.append((text, other))
    assert [pair for pair, guard in zip(pairs, guards(*pairs), strict=True) if not guard] == []


@pytest.mark.parametrize(("one", "other"), [*NEGATED, *OTHER_LANGUAGES])
def test_a_negation_or_another_word_in_any_language_keeps_texts_apart(one, other):
    assert guards((one, other)) != [""]


@pytest.mark.parametrize(("one", "other"), [pair for pair in NEGATED[:15] if "impossible" not in pair[1]])
def test_negations_are_known_in_seven_languages_also_between_texts_that_are_worded_differently(one, other):
    assert "negation" in guards((one, other), wording=False)[0]


@pytest.mark.parametrize(("one", "other"), HARMLESS)
def test_differences_that_change_nothing_keep_nothing_apart(one, other):
    assert guards((one, other)) == [""]


@pytest.mark.parametrize(
    ("one", "other", "says"),
    [
        ("send 2 cards", "send 3 cards", "another number or id"),
        ("call me on monday", "call me on friday", "another date or time"),
        ("it took ten days", "it took ten weeks", "another unit or currency"),
        ("pay with visa there", "pay with amex there", "another name"),
        ("can I pay there", "can't I pay there", "a negation"),
        ("is this your card", "is this his card", "another person"),
        ("paint the bedroom", "paint the living room", "another room, colour, direction or relative"),
        ("make it blue please", "make it grey please", "another room, colour, direction or relative"),
        ("ring my uncle now", "ring my grandma now", "another room, colour, direction or relative"),
        ("turn the light on", "turn the light off", "the opposite"),
        ("is my card active", "is my card inactive", "the opposite"),
        ("from rome to oslo", "to rome from oslo", "another order of words"),
        ("freeze my card", "replace my card", "another word"),
    ],
)
def test_what_differs_is_named(one, other, says):
    assert guards((one, other)) == [f"; but {says}"]


def test_texts_that_are_worded_differently_are_only_kept_apart_by_what_must_not_differ():
    pairs = [
        ("how do I freeze my card", "what is the way to block a bank card"),
        ("why was my visa card declined", "how come they refused my mastercard"),
        ("send 5 dollars to anna", "please transfer five dollars to anna"),
        ("how do I buy shares", "I want to sell some stock"),
        ("how long does it take", "how many days will it be"),
        ("dim the lights in the lounge", "make the living room less bright"),
        ("dim the lights in the kitchen", "make the living room less bright"),
        ("what did mom send me", "are there new mails from my mother"),
        ("what did mom send me", "are there new mails from my aunt"),
        ("mach das Licht in der Küche an", "schalte bitte die Lampe im Schlafzimmer ein"),
    ]
    apart = [False, True, False, True, False, False, True, False, True, True]
    assert [bool(guard) for guard in guards(*pairs, wording=False)] == apart


def test_a_word_that_is_often_seen_is_a_name_and_no_slip():
    pair = ("open my accont now", "open my account now")
    rows = [*pair, *(f"Accont number {number} and so on" for number in range(5))]
    found = near.Pairs(np.array([0]), np.array([1]), np.ones(1))
    assert differences(examples(rows), found, wording=True).to_list() == ["; but another word"]
    assert differences(examples(pair), found, wording=True).to_list() == [""]


def test_another_label_keeps_the_same_text_apart():
    table = examples([{"text": "hi", "label": "a"}, {"text": "hi", "label": "b"}, {"text": "hi", "label": None}])
    found = near.Pairs(np.array([0, 0]), np.array([1, 2]), np.ones(2))
    assert differences(table, found).to_list() == ["; but another label"] * 2


@given(st.lists(st.tuples(st.text(max_size=30), st.text(max_size=30)), min_size=1, max_size=5))
def test_whatever_the_texts_are_each_is_the_same_as_itself_and_guards_have_no_side(pairs):
    assert guards(*((one, one) for one, _ in pairs)) == [""] * len(pairs)
    assert guards(*pairs) == guards(*((other, one) for one, other in pairs))


@given(st.lists(st.tuples(st.text(max_size=30), st.text(max_size=30)), min_size=2, max_size=5))
def test_a_pair_is_judged_the_same_alone_and_among_others(pairs):
    table = examples([text for pair in pairs for text in pair])
    even = np.arange(len(pairs)) * 2
    together = differences(table, near.Pairs(even, even + 1, np.ones(len(pairs))), wording=True)
    alone = [
        differences(table, near.Pairs(even[[at]], even[[at]] + 1, np.ones(1)), wording=True)[0]
        for at in range(len(pairs))
    ]
    assert together.to_list() == alone


@given(st.text(alphabet="abcde", min_size=5, max_size=8), st.text(alphabet="abcde", min_size=4, max_size=9))
def test_a_slip_is_one_edit_that_keeps_the_first_letter_and_does_not_exchange_the_last(meant, wrong):
    edits = {meant[:at] + meant[at + 1 :] for at in range(1, len(meant))}
    edits |= {meant[:at] + letter + meant[at:] for at in range(1, len(meant) + 1) for letter in "abcde"}
    edits |= {meant[:at] + letter + meant[at + 1 :] for at in range(1, len(meant) - 1) for letter in "abcde"}
    edits |= {meant[:at] + meant[at + 1] + meant[at] + meant[at + 2 :] for at in range(1, len(meant) - 1)}
    assert is_slip(wrong, meant) == (wrong in edits) or wrong == meant


def test_a_hundred_thousand_characters_of_one_kind_take_no_time():
    for letter in "a1-'/.€":
        assert len(spell(letter * 100_000)) <= 100_000
    assert guards(("a-" * 50_000, "a-" * 49_999 + "b")) != [""]
