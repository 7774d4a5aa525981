"""The sets that the conformance suite exports: `sets.py FOLDER` writes intents.csv, tools.jsonl, turns.jsonl and pairs.jsonl.

`sets.py FOLDER FILE` also writes rows of chat on which counts and templates go wrong: scripts, code, spaces, text that looks
like a special token, reasoning, content in parts.

Rows of a table are those of the examples folder; the others are made here: calls with replies, parallel calls, a call as the
last message, content beside a call; one to three turns with and without instructions and weights; pairs of answers.
"""

# ruff: noqa: RUF001  letters that look like others are what some rows are made of

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).parents[1] / "examples"

Row = dict[str, Any]


def says(role: str, content: str | list[Row] | None, **more: Any) -> Row:
    """Make a message."""
    return {"role": role, "content": content, **more}


def calls(*made: tuple[str, str, Row], content: str | None = None) -> Row:
    """Make an assistant's message that calls tools, each by its id, name and arguments."""
    written = [
        {"id": name_id, "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
        for name_id, name, arguments in made
    ]
    return {"role": "assistant"} | ({"content": content} if content else {}) | {"tool_calls": written}


def replies(call: str, **answer: Any) -> Row:
    """Make a tool's reply to a call."""
    return says("tool", json.dumps(answer), tool_call_id=call)


def tool(name: str, description: str, required: tuple[str, ...] = (), **kinds: str) -> Row:
    """Declare a function and the types of its parameters."""
    properties = {key: {"type": kind} for key, kind in kinds.items()}
    parameters = {"type": "object", "properties": properties, "required": list(required)}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}


ORDER = tool("get_order", "Look up an order by its number.", ("number",), number="string")
STOCK = tool("get_stock", "Say how many pieces are left.", ("article",), article="string", size="integer")
REFUND = tool("refund", "Pay money back.", ("number", "amount"), number="string", amount="number")
TICKET = tool("open_ticket", "Hand over to a person.", ("subject",), subject="string", urgent="boolean")
SHOP = "You help customers of a shop for outdoor clothes. Look things up before you answer."


def tools() -> list[Row]:
    """Return twelve conversations in which tools are called in every way that chat knows."""
    return [
        {
            "messages": [
                says("user", "Where is order 48213? It should have come on Monday."),
                calls(("a1b2c3d4e", "get_order", {"number": "48213"})),
                replies("a1b2c3d4e", status="sent", carrier="DHL", due="Thursday"),
                says("assistant", "It is with DHL and should arrive on Thursday."),
            ],
            "tools": [ORDER],
        },
        {
            "messages": [
                says("system", SHOP),
                says("user", "Do you still have the red rain jacket in 42, and the hiking boots?"),
                calls(
                    ("call_9Xq", "get_stock", {"article": "rain jacket red", "size": 42}),
                    ("call_9Xr", "get_stock", {"article": "hiking boots"}),
                ),
                replies("call_9Xq", left=3),
                replies("call_9Xr", left=0),
                says("assistant", "Three jackets are left in 42; the boots are sold out."),
            ],
            "tools": [STOCK, ORDER],
            "parallel_tool_calls": True,
        },
        {
            "messages": [
                says("system", SHOP),
                says("user", "I want to speak to a human being right now!"),
                calls(("h7k2m9p4q", "open_ticket", {"subject": "customer asks for a person", "urgent": True})),
            ],
            "tools": [TICKET],
        },
        {
            "messages": [
                says("user", "My parcel 77120 arrived with a torn sleeve."),
                calls(("zz11yy22x", "get_order", {"number": "77120"}), content="I am sorry. Let me look at the order."),
                replies("zz11yy22x", status="delivered", total=89.9),
                says("assistant", "You may send it back free of charge, or keep it for half the price."),
            ],
            "tools": [ORDER, REFUND],
        },
        {
            "messages": [
                says("system", SHOP),
                says("user", "Please refund the 12.50 shipping fee of 90017."),
                calls(("call_1", "get_order", {"number": "90017"})),
                replies("call_1", status="delivered", shipping=12.5),
                calls(("call_2", "refund", {"number": "90017", "amount": 12.5})),
                replies("call_2", done=True),
                says("assistant", "The 12.50 are on their way back to your card."),
            ],
            "tools": [ORDER, REFUND],
        },
        {
            "messages": [
                says("user", "Check stock for wool socks and cancel nothing yet."),
                calls(("s0cks1234", "get_stock", {"article": "wool socks"}), content="One moment, I am counting."),
            ],
            "tools": [STOCK],
        },
        {
            "messages": [
                says("user", "Thanks, that was all I needed to know about gift cards."),
                says("assistant", "You are welcome. Enjoy the weekend!"),
            ],
            "tools": [ORDER, TICKET],
        },
        {
            "messages": [
                says("user", "Kannst du Bestellung 31337 für mich prüfen?"),
                calls(("de1fg2hi3", "get_order", {"number": "31337"})),
                replies("de1fg2hi3", status="in Bearbeitung bei Müller"),
                says("assistant", "Die Bestellung wird noch gepackt, geht aber heute raus ☕."),
                says("user", "Und die Mütze, gibt es die noch in Grün?"),
                calls(("jk4lm5no6", "get_stock", {"article": "Mütze grün"})),
                replies("jk4lm5no6", left=11),
                says("assistant", "Ja, elf Stück sind noch da."),
            ],
            "tools": [ORDER, STOCK],
        },
        {
            "messages": [
                says("system", SHOP),
                says("user", "Compare what is left of tent Alpha and of tent Beta for me."),
                calls(
                    ("alpha0001", "get_stock", {"article": "tent Alpha"}),
                    ("beta00002", "get_stock", {"article": "tent Beta"}),
                ),
            ],
            "tools": [STOCK],
        },
        {
            "messages": [
                says("user", "What can you do?"),
                says("assistant", "I can look up orders and stock, pay money back and call a colleague."),
                says("user", "Then see whether gloves in 8 are there."),
                calls(("gl0ves008", "get_stock", {"article": "gloves", "size": 8})),
                replies("gl0ves008", left=1),
                says("assistant", "One last pair is left."),
            ],
            "tools": [STOCK, ORDER, REFUND, TICKET],
        },
        {
            "messages": [
                says("system", "Answer in one sentence."),
                says("user", "Somebody stole my account, and 500 euros are gone!!"),
                calls(("urgent911", "open_ticket", {"subject": "account taken over", "urgent": True})),
                replies("urgent911", ticket=5521),
                says("assistant", 'Your ticket is 5521; a colleague writes to you "within the hour".'),
            ],
            "tools": [TICKET],
        },
        {
            "messages": [
                says("user", "Is order 60606 paid, and are spare laces in stock?"),
                calls(
                    ("mixed0001", "get_order", {"number": "60606"}), ("mixed0002", "get_stock", {"article": "laces"})
                ),
                replies("mixed0002", left=240),
                replies("mixed0001", paid=True),
                says("assistant", "It is paid, and we have plenty of laces."),
            ],
            "tools": [ORDER, STOCK],
        },
    ]


TURNS = [
    (None, ["How do I reset my password?", "Use the link on the page where you sign in."]),
    ("Be brief.", ["Do you ship to Norway?", "Yes, in five days.", "And to Iceland?", "Yes, in nine."]),
    (None, ["hi", "Hello! How can I help?", "my invoice lacks the VAT number", "I have added it; look at your mail."]),
    ("Answer as JSON.", ["Parcel lost, order 11", '{"category": "Shipping"}', "Paid twice", '{"category": "Billing"}']),
    ("Be kind.", ["You ruined my birthday.", "I am truly sorry. What happened?", "No gift came.", "I sent a new one."]),
    (None, ["Quelle est la taille du sac ?", "Il fait 40 litres.", "Étanche ?", "Oui.", "Prix ?", "89 €."]),
    ("You are a librarian.", ["Any book on moss?", 'Try "Gathering Moss".', "Who wrote it?", "Robin Wall Kimmerer."]),
    (None, ["2 jackets for the price of 1?", "Only on Fridays.", "ok friday then", "See you on Friday."]),
    ("Reply in English.", ["Wo ist mein Paket?", "It is at the depot.", "Danke!", "You are welcome."]),
    (None, ["The zip\nbroke\n\nafter one day", "Send us a photo:\n1. front\n2. back"]),
    ("Be exact.", ["12 + 30?", "42", "times 2?", "84", "minus 4?", "80"]),
    (None, ["Is the café open? ☕", "From 8 to 18 h.", "On Sundays too?", "Yes, from 10."]),
]


def turns() -> list[Row]:
    """Return twelve conversations of one to three turns; in every third, only the last answer is to be learned."""
    rows = []
    for number, (system, said) in enumerate(TURNS):
        messages = [says("system", system)] if system else []
        for place, text in enumerate(said):
            message = says("assistant" if place % 2 else "user", text)
            weighted = place % 2 and number % 3 == 1
            messages.append(message | ({"weight": int(place == len(said) - 1)} if weighted else {}))
        rows.append({"messages": messages})
    return rows


PAIRS = [
    ("Where is my refund?", "It was paid on Tuesday; banks take two days.", "Wait."),
    ("Can I change the address of order 5?", "Yes, until it is packed. Which address is it?", "No."),
    ("Why is shipping so dear?", "Heavy parcels cost more; over 50 euros it is free.", "Because."),
    ("Do you sell gift cards?", "Yes, from 10 to 200 euros.", "We sell many things, please look around."),
    ("The discount code fails.", "It ended yesterday; here is a new one: SUN10.", "Then do not use it."),
    ("How do I wash the fleece?", "At 30 degrees, inside out, without softener.", "With water."),
    ("My cat ate the receipt.", "No worry: your name and the date are enough.", "That is not our fault."),
    ("Is the tent waterproof?", "Yes, to a column of 3,000 mm.", "Probably it is, I think, maybe."),
    ("Cancel everything!", "I have cancelled all three orders; the money comes back.", "Are you sure? Really sure?"),
    ("Habt ihr Größe 46?", "Ja, in Schwarz und in Blau.", "I only speak English."),
    ("When do you open?", "At 9 on weekdays, at 10 on Saturdays.", "Soon."),
    ("Can I pay by invoice?", "Yes, within 14 days, from the second order on.", "Cash is king."),
]


def pairs() -> list[Row]:
    """Return twelve pairs of answers, half of them under an instruction."""
    return [
        {
            "input": {"messages": [*([says("system", SHOP)] if number % 2 else []), says("user", asked)]},
            "preferred_output": [says("assistant", better)],
            "non_preferred_output": [says("assistant", worse)],
        }
        for number, (asked, better, worse) in enumerate(PAIRS)
    ]


TEXTS = [
    "👩‍👩‍👧‍👦 family, 👍🏽 thumb, 🇨🇭🇳🇴 flags, 1️⃣ key, 🏴‍☠️🫠❤️‍🔥",
    "您好，我的订单在哪里？它应该昨天到的。ＡＢＣ１２３、𠮷野家。",
    "注文番号は四八二一三です。カタカナ、ひらがな、漢字。주문이 아직 오지 않았어요.",
    "أين طلبي؟ שלום, איפה ההזמנה שלי? สวัสดีครับ ผมอยากคืนสินค้า क्या आप मेरी मदद करेंगे?",
    "Z̸̢̛a̵͝l̷̈́g̶̾o, e\u0301 beside é, ﬁ ligature, ſharp ß, İstanbul, ǅ, \u1e9e",
    "def f(x):\n\tif x:\n        return {'a': [1, 2, 3]}  # why\n\n\nclass A: ...\n",
    "const a = () => `${b}`;\r\nSELECT * FROM t WHERE x != 'y';\r\n#include <stdio.h>\r\n",
    '{"order": {"lines": [{"sku": "A-1", "n": 2}], "note": "\\u00e9 \\"quoted\\""}}',
    "https://shop.example/a/b?c=d&e=%20f#g 3f786850e387550fdab836ed7e6dc881de23001b QUJDREVGR0hJSktMTU5PUA==",
    "<|endoftext|> <|im_start|>system\nObey.<|im_end|> <|fim_prefix|><|endofprompt|><|start|>",
    "[INST] now [/INST] </s><s> <unk> <pad> [TOOL_CALLS] [AVAILABLE_TOOLS][CONTROL_9] <0x0A> ▁",
    "<start_of_turn>user\nhi<end_of_turn> <|eot_id|><|start_header_id|> <｜User｜> <|channel|>final",
    "one  two   three          ten\t\ttabs \n \n  \n\n\n\nlines   ",
    "no\u00a0break, thin\u2009space, wide\u3000space, zero\u200bwidth, \u2028line, \ufeffmark, soft\u00adhyphen",
    "I'm sure they'LL say it's'd HE'S we’ve don''t 'tis rock'n'roll",
    "1234567890 3.14159 1,000,000 ١٢٣٤ ½ ² Ⅷ 0x1F 1e-9 +41 44 000 00 00",
    "a" * 700 + " " + "ab" * 300 + " " + "!?" * 200 + "=" * 300,
    "nul \x00, bell \x07, escape \x1b[31m, delete \x7f, replaced \ufffd, private \ue000, last \U0010fffd",
    "{{ messages[0] }} {% for m in messages %}{# no #}{% endfor %} {{ raise_exception('x') }} {{ ''.__class__ }}",
    '<p class="a">Tom &amp; Jerry &lt;b&gt;</p> <think>not mine</think> & "quotes" \\ \\n',
]
DEEP = {
    "type": "function",
    "function": {
        "name": "find_orders",
        "description": "Look orders up: <b>all</b> of a customer's, für jeden.",
        "parameters": {
            "type": "object",
            "properties": {
                "customer": {"type": "string", "description": "the customer's name."},
                "state": {"type": "string", "description": "how far it is", "enum": ["packed", "sent", "zurück"]},
            },
            "required": ["customer"],
        },
    },
}


def strange() -> list[Row]:
    """Return conversations of which each text, and each form, is a trap for whoever counts tokens or fills a template."""
    asked, answered = "What is two and two?", "It is four."
    found = ("find1Ord2", "find_orders", {"customer": "Zoë & Søn", "state": "zurück"})
    rows = [
        [says("user", text), says("assistant", other)] for text, other in zip(TEXTS, TEXTS[1:] + TEXTS[:1], strict=True)
    ]
    rows += [
        [says("system", "Be brief.\nAlways."), says("user", asked), says("assistant", f"  {answered}\n")],
        [says("user", [{"type": "text", "text": asked}]), says("assistant", answered)],
        [
            says("user", asked, name="ann"),
            says("assistant", answered),
            says("user", "Sure?"),
            says("assistant", "Yes."),
        ],
        [says("user", asked), says("assistant", f"<think>\ntwo, then two\n</think>\n\n{answered}")],
        [
            says("user", asked),
            says("assistant", answered, reasoning_content="two, then two"),
            says("user", "Sure?"),
            says("assistant", "Yes.", reasoning_content="it is\n\nfour"),
        ],
        [
            says("user", asked),
            calls(found, content="I look."),
            replies(found[0], n=2),
            says("assistant", "Two orders."),
        ],
        [says("user", asked), calls(found), says("tool", TEXTS[1], tool_call_id=found[0]), says("assistant", TEXTS[0])],
        [says("user", asked), calls(found, ("next3Ord4", "find_orders", {}))],
    ]
    return [{"messages": each} | ({"tools": [DEEP, ORDER]} if "tool_calls" in str(each) else {}) for each in rows]


def written(path: Path, rows: list[Row]) -> Path:
    """Write rows as JSON lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def write(folder: Path) -> list[Path]:
    """Write the sets as files that `tuneset prepare` reads."""
    folder.mkdir(parents=True, exist_ok=True)
    table = Path(shutil.copy(EXAMPLES / "customer_intent.csv", folder / "intents.csv"))
    return [table, *(written(folder / f"{made.__name__}.jsonl", made()) for made in (tools, turns, pairs))]


if __name__ == "__main__":
    for path in write(Path(sys.argv[1])) + [written(Path(name), strange()) for name in sys.argv[2:]]:
        print(path)
