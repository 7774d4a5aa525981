"""The step that suggests what misspelt words were meant to be: what it says, what it leaves alone, its laws."""

import re
import sys
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuneset import model, step
from tuneset.apply import apply
from tuneset.clean.typos import SURE, Correction, Corrections, Typo, changes, correct, label_words, replacements
from tuneset.spelling.misspelt import LEAST
from tuneset.testing import check_step, examples

UNDECIDED = pl.DataFrame(schema=model.DECISIONS)
PROTECTED = [line for line in (Path(__file__).parent / "protected.txt").read_text("utf-8").splitlines() if line]
# A set about orders, as people write: enough for "order", "account", "refund" and "transfer" to be its own words.
SET = [
    f"{ask} {what}?"
    for ask in ("where is", "how do I change", "please cancel", "I want to see", "what happened to")
    for what in ("my order", "the transfer to my account", "my refund", "the status of my order", "this payment")
] * 3
MEANT = {"teh": Correction("the", 0.98), "acount": Correction("account", 0.9), "didn'y": Correction("didn't", 0.9)}


def said_of(text, made=None, rows=SET):
    """Return what is written instead of a text that stands among the rows of a set."""
    found = step.run(made or Typo(), examples([text, *rows]))
    return found.filter(pl.col("before") == text)["after"].to_list()


def chat(text, role="user"):
    turns = f'[{{"role":"{role}","content":"{text}"}},{{"role":"assistant","content":"teh acount"}}]'
    return {"messages": turns}


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("where is my ordr", "where is my order"),
        ("where is my oredr", "where is my order"),
        ("where is my orrder", "where is my order"),
        ("where is my ordet", "where is my order"),
        ("Waht happened to my refund?", "What happened to my refund?"),
        ("please cancel teh tranfser, and teh refund", "please cancel the transfer, and the refund"),
        ("WHERE IS MY REFUNDD AND MY ORDER", "WHERE IS MY REFUND AND MY ORDER"),
        ("I havn't got my refund", "I haven't got my refund"),
        ("I havn\u2019t got my refund", "I haven\u2019t got my refund"),
        ('my "refnud" (or my acount)...', 'my "refund" (or my account)...'),
        ("hello\n\nwhere is my ordr\n- the blue one", "hello\n\nwhere is my order\n- the blue one"),
    ],
)
def test_a_misspelt_word_is_replaced_and_nothing_else(text, after):
    assert said_of(text) == [after]


def test_a_finding_is_a_suggestion_that_names_the_words_and_how_sure_it_is():
    found = step.run(Typo(), examples(["please cancel teh oredr", *SET]))
    assert found.select("rule", "action", "when", "field", "says").row(0) == (
        "typo",
        "edit",
        "on-accept",
        "/text",
        '"teh" is probably "the"; "oredr" is probably "order"',
    )
    assert LEAST <= found["score"].item() < 0.98


@pytest.mark.parametrize(
    "text",
    [
        "My iPhone 15 won't charge",
        "dont know, im gonna ask, youre late, thats it",
        "what colour is the theatre? what color is the theater? I realised, I realized, it was canceled and cancelled",
        "sooooo happy, noooo, hmmm",
        "goin home, nothin to see",
        "the ordr2 and 2ordr, ordr@shop.com, https://shop.com/ordr, www.ordr.com, @ordr, #ordr, my_ordr, ordr/acount",
        "run `git ordr` and ```\nacount = ordr\n``` please",
        "[ORDR] <ordr> {ordr} {{acount}}",
        "my OrDr, my oRDR, ORDR, ACOUNT",
        "I met Ordr and Acount, and Mr. Ordr, and Teh Ordr",
        "Ordr",
        "SELECT ordr FROM acount",
        "grep -rn ordr acount",
        "the order's refund and the refunds' order",
    ],
)
def test_what_is_written_so_on_purpose_is_left_alone(text):
    assert said_of(text) == []


def test_names_brands_ids_code_and_numbers_are_never_flagged():
    assert len(PROTECTED) >= 500
    for rows in ([], SET):
        found = step.run(Typo(), examples([*PROTECTED, *rows]))
        assert found.select("before", "says").rows() == []


def test_only_what_people_type_in_a_conversation_is_looked_at():
    found = step.run(Typo(), examples([chat("where is my ordr"), chat("my ordr is late", "system"), *SET]))
    assert found.select("field", "after").rows() == [
        ("/messages", chat("where is my order")["messages"]),
    ]


def test_words_to_keep_and_words_of_labels_are_left_alone():
    assert said_of("where is my ordr", Typo(keep=("Ordr",))) == []
    rows = [{"text": "where is my ordr", "label": "ordr_status"}, *SET]
    assert label_words(examples(rows)) >= {"ordr", "status", "category"}
    assert step.run(Typo(), examples(rows)).is_empty()


def test_your_own_replacements_are_applied_and_override_what_is_found():
    made = Typo(replacements={"topup": "top up", "ordr": "ordering", "acount": "", "refnud": "refnud"})
    found = step.run(made, examples(["Topup my ordr, my acount and my refnud", *SET]))
    assert found.select("after", "when", "says", "score").row(0) == (
        "Top up my ordering, my acount and my refnud",
        "default",
        '"topup" becomes "top up"; "ordr" becomes "ordering"',
        1.0,
    )


def test_only_sure_corrections_are_applied_and_the_doubtful_wait():
    table = examples(["one", "please cancel teh order", "the acount", "teh acount"])
    made = Corrections({"teh": Correction("the", 0.98), "acount": Correction("account", 0.6)}, SURE)
    found = made(table)
    assert found.select("after", "when").rows() == [
        ("please cancel the order", "default"),
        ("the acount", "default"),
        ("the account", "on-accept"),
    ]


def test_fixing_corrects_most_of_the_text_and_leaves_nothing_sure_to_fix():
    table = examples([*(row.replace("order", "oredr").replace("account", "acount") for row in SET[:9]), *SET])
    done = apply(table, step.run(Typo(fix_typos=True), table), UNDECIDED)
    assert done["text"].to_list() == [*SET[:9], *SET]
    assert step.run(Typo(fix_typos=True), done).is_empty()


def test_the_map_of_replacements_counts_each_once():
    found = step.run(Typo(), examples(["cancel teh oredr", "where is teh order", *SET]))
    assert replacements(found).select("word", "meant", "examples", "when").rows() == [
        ("teh", "the", 2, "on-accept"),
        ("oredr", "order", 1, "on-accept"),
    ]
    assert replacements(model.no_findings()).is_empty()


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"language": "de"}, "symspell has English only"),
        ({"dictionary": "oxford"}, "symspell"),
        ({"replacements": {"top up": "topup"}}, "single words"),
        ({"replacements": {"card": "debit card"}}, "to be replaced itself"),
        ({"replacements": {"a": "b", "b": "c"}}, "to be replaced itself"),
        ({"replacements": {"card": 7}}, "quotation marks"),
    ],
)
def test_parameters_that_cannot_work_are_refused(parameters, says):
    with pytest.raises(ValueError, match=says):
        Typo(**parameters)


@pytest.mark.parametrize(
    "rows",
    [
        ["wo ist meine bestelung geblieben", "ich habe mein pasword vergessen", "bitte um ruckruf wegen der rechnung"],
        ["dónde está mi pedido", "quiero cancelar mi pedio", "no puedo entrar en mi cuneta"],
        ["où est ma comande", "je veux anuler mon abonnement", "la carte ne marche pas"],
        ["gdzie jest moja paczka", "zgubilem karte", "prosze o zwrot"],
        ["我的订单在哪里", "我想退款"],
    ],
)
def test_a_set_in_another_language_is_left_alone(rows):
    assert step.run(Typo(), examples(rows)).is_empty()


@pytest.mark.parametrize(
    "made",
    [Typo(), Typo(fix_typos=True, keep=("ordr",), replacements={"topup": "top up"})],
    ids=["suggests", "fixes and has a map"],
)
def test_the_step_keeps_the_laws(made):
    rows = [*SET[:25], "where is my oredr", "teh acount, topup", "TEH ORDR AND THE ACOUNT", "Teh ordr", *PROTECTED[:20]]
    check_step(made, examples([*rows, chat("where is my oredr\\n teh ordr"), chat("hi")]))


words = st.sampled_from(
    [
        *(
            "teh",
            "Teh",
            "TEH",
            "acount",
            "Acount",
            "didn'y",
            "didn\u2019y",
            "the",
            "account",
            "(teh)",
            '"acount"',
            "teh,",
        ),
        *("tEh", "teh2", "2teh", "acount@x.com", "@teh", "#teh", "http://teh", "`teh`", "teh_acount", "teh-acount"),
        *("A", ".", "...", "!", "-teh", "``", "x=teh;", "Mr.", "where", "Where", "7", "\u00e9t\u00e9", "[TEH]"),
    ]
)
texts = st.lists(st.tuples(words, st.sampled_from([" ", "  ", "\n", "\t", " \u00a0"])), max_size=12).map(
    lambda pairs: "".join(word + space for word, space in pairs)
)


@given(texts)
def test_an_edit_only_replaces_words_of_the_map(text):
    found = changes(text, MEANT)
    kept = [
        text[a:b] for a, b in zip([0, *(c.stop for c in found)], [*(c.start for c in found), len(text)], strict=True)
    ]
    after = correct(text, MEANT)
    assert "".join(part + new for part, new in zip(kept, [*(c.new for c in found), ""], strict=True)) == after
    assert all(text[c.start : c.stop].lower().replace("\u2019", "'") == c.word for c in found)
    assert correct(after, MEANT) == after


@given(texts)
def test_words_with_digits_capitals_inside_or_marks_are_never_touched(text):
    after = correct(text, MEANT)
    safe = re.compile(r"\S*(?:[\d@#`_\[]|[a-z][A-Z]|http|\w-\w)\S*")
    assert safe.findall(after) == safe.findall(text)


@given(st.lists(st.tuples(st.text("teh acount", min_size=1), st.booleans()), max_size=8))
@settings(max_examples=15)
def test_no_word_to_keep_is_ever_changed(pairs):
    rows = [text for text, _ in pairs]
    keep = tuple({word for text, kept in pairs if kept for word in text.split()})
    for before, after in Typo(keep=keep, fix_typos=True)(examples([*rows, *SET])).select("before", "after").iter_rows():
        assert [word for word in before.split() if word in keep] == [word for word in after.split() if word in keep]


@pytest.mark.parametrize("letter", [*"aA'(`-{;:.! \n\t#\\", "```", "a'", ". ", "; ", " -a", "\n;", "{;", "é"])
def test_hostile_text_costs_no_time(letter):
    text = letter * (100_000 // len(letter))
    assert correct(text, MEANT) == text
    assert step.run(Typo(), examples([text, "teh order", *SET])).height == 1


def test_another_language_needs_its_dictionary(monkeypatch):
    monkeypatch.setitem(sys.modules, "wordfreq", None)
    with pytest.raises(Exception, match="wordfreq") as refused:
        Typo(language="de", dictionary="wordfreq")(examples(["wo ist meine karte"]))
    assert "tuneset[languages]" in str(refused.value)


@pytest.mark.slow
def test_planted_and_real_typos_are_found_as_promised(data, monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "bench" / "quality")
    import typos

    figures = typos.measure(data)
    for name in ("banking77", "clinc150"):
        assert figures[f"typo.{name}.recall"] >= 0.72
        assert figures[f"typo.{name}.untouched_flagged"] <= 0.001
        assert figures[f"typo.{name}.precision_read"] >= 0.95
    assert figures["typo.hwu64_rows.recall"] >= 1.5 * 0.348  # codespell 2.4.3 on the same rows
    assert figures["typo.as_they_are.sure_right"] >= 0.97
    assert figures["typo.protected.flags"] == 0
