"""Plant known faults in customer_intent.csv: writes the messy table and the truth about it.

    python examples/plant_faults.py

Reads customer_intent.csv beside this file; writes customer_intent_messy.csv and customer_intent_messy_truth.csv into
the same folder, or into the folder named as first argument. The same seed gives the same bytes everywhere: all chance
comes from `random.Random.random`, the one method whose sequence Python promises to keep.
"""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

Edit = Callable[[str, Random], str]

HERE = Path(__file__).resolve().parent
SEED = 42

# Which sub-category a tired annotator would pick instead.
CONFUSABLE = {
    "Status and Tracking": "Delivery Problems",
    "Cancellation": "Order Changes",
    "Order Changes": "Profile Details",
    "Delivery Problems": "Status and Tracking",
    "Shipping Options": "Status and Tracking",
    "Return Policy": "Return Process",
    "Return Process": "Exchanges",
    "Exchanges": "Size and Fit",
    "Refund Status": "Unexpected Charges",
    "Damaged or Wrong Item": "Warranty",
    "Stock Status": "Shipping Options",
    "Promotions": "Gift Cards",
    "Size and Fit": "Exchanges",
    "Care Instructions": "Warranty",
    "Warranty": "Damaged or Wrong Item",
    "Setup": "Login and Password",
    "Login and Password": "Setup",
    "Profile Details": "Order Changes",
    "Privacy and Deletion": "Profile Details",
    "Loyalty Program": "Promotions",
    "Payment Methods": "Failed Payments",
    "Failed Payments": "Payment Methods",
    "Invoices": "Unexpected Charges",
    "Unexpected Charges": "Invoices",
    "Gift Cards": "Payment Methods",
}

# Written by hand: what lands in a support inbox and is no inquiry of a customer, with the label somebody gave it.
OFF_TOPIC = (
    ("Attached please find my CV. I am a trained florist looking for part-time work from September.", "Setup"),
    ("asdf asdf test test 123 please ignore", "Setup"),
    ("What will the weather be like in Lisbon next weekend?", "Delivery Problems"),
    ("We can bring your web shop to page one of Google within 30 days. Reply YES for our rates.", "Promotions"),
    ("mum can you pick me up at half past four, practice got moved", "Return Process"),
    ("Roses are red, the ocean is wide, I wrote you a poem since nobody replied.", "Privacy and Deletion"),
    ("Who won the match last night? My stream froze at two all", "Status and Tracking"),
    ("Solve for x: 3x + 7 = 25 and show every step of the working.", "Invoices"),
    ("Is it normal that my knee clicks when I climb stairs? It doesn't hurt.", "Size and Fit"),
    (
        "CONGRATULATIONS your mailbox was chosen for a fortune of 4.5 million, write to barrister Obi today",
        "Gift Cards",
    ),
    ("The council wants to close our library. Sign the petition before it is too late!", "Cancellation"),
    ("def add(a, b): return a + b, so why does this print None", "Failed Payments"),
    ("Table for six on Friday at eight, by the window if you have one.", "Stock Status"),
    (
        "Whisk three eggs with the sugar until pale, then fold in the flour and bake for 25 minutes.",
        "Care Instructions",
    ),
    ("lol yes see you there, bring the guitar", "Loyalty Program"),
)

# A word that can be misspelt, moved or left out without another meaning: no name, no number, no negation.
WORD = re.compile(
    r"(?<![\w'@.-])(?!never|without|neither|nothing|nobody|three|seven|eight|twice)[a-z]{5,}(?![\w'@-]|\.\w)"
)
KEYBOARD = dict(zip("abcdefghijklmnopqrstuvwxyz", "snvfrdhjokijkbkpwtdrihesgz", strict=True))


class Row(NamedTuple):
    """A row of the clean table."""

    text: str
    category: str
    sub_category: str


class Plant(NamedTuple):
    """A fault of the text: how many, which texts it fits, and its variants, which take turns."""

    fault: str
    times: int
    fits: Callable[[str], object]
    variants: Sequence[Edit]
    twin: bool = False  # it comes as one more row beside an untouched one


class Line(NamedTuple):
    """A line of the messy table and the truth about it; `twin` is the place of a row in the clean table."""

    cells: Sequence[str]
    fault: str = ""
    original: str = ""
    twin: int | None = None
    quoted: bool = True  # without quotes a comma in the text breaks the row


def damage(text: str, _: Random) -> str:
    """Read UTF-8 as if it were Windows' cp1252."""
    return text.encode().decode("cp1252")


def hide(character: str) -> Edit:
    """Put a character that nobody sees between two others."""

    def edit(text: str, rng: Random) -> str:
        at = 1 + int(rng.random() * (len(text) - 1))
        return text[:at] + character + text[at:]

    return edit


def misspell(letters: Callable[[str, str], str]) -> Edit:
    """Rewrite two neighbouring letters inside one plain word."""

    def edit(text: str, rng: Random) -> str:
        word = plain_word(text, rng)
        spots = [at for at in range(word.start() + 1, word.end() - 1) if text[at] != text[at + 1]]
        at = spots[int(rng.random() * len(spots))]
        return text[:at] + letters(text[at], text[at + 1]) + text[at + 2 :]

    return edit


def leave_out(text: str, rng: Random) -> str:
    """Leave out one plain word."""
    word = plain_word(text, rng)
    return text[: word.start()].rstrip() + text[word.end() :]


def swap_words(text: str, rng: Random) -> str:
    """Let one plain word and the word before it change places."""
    word = plain_word(text, rng)
    before, space, neighbour = text[: word.start()].rstrip().rpartition(" ")
    return f"{before}{space}{word[0]} {neighbour}{text[word.end() :]}"


def renumber(text: str, _: Random) -> str:
    """Change the last digit of the first number."""
    return re.sub(r"\d+", lambda number: number[0][:-1] + str((int(number[0][-1]) + 3) % 10), text, count=1)


def replace(old: str, new: str) -> Edit:
    """Write something else for every `old`."""
    return lambda text, _: text.replace(old, new)


def wrap(template: str) -> Edit:
    """Put something around the text, which stands for {}."""
    return lambda text, _: template.format(text)


def plain_word(text: str, rng: Random) -> re.Match[str]:
    """Choose a word that can be misspelt, moved or left out; never the first."""
    words = [word for word in WORD.finditer(text) if word.start()]
    return words[int(rng.random() * len(words))]


def roomy(text: str) -> bool:
    """Say whether the text is so long that one edit leaves it at or above a similarity of .7."""
    return len(text) >= 70 and len(WORD.findall(text)) >= 3


def has(*parts: str) -> Callable[[str], object]:
    """Make a test for texts with one of these in them."""
    return lambda text: any(part in text for part in parts)


TYPOS = (
    misspell(lambda this, following: following + this),
    misspell(lambda _, following: following),
    misspell(lambda this, following: this + this + following),
    misspell(lambda this, following: KEYBOARD[this] + following),
)

# The choosiest come first.
PLANTS = (
    # Negations by hand: each pair fits one row of the table and turns its meaning into the opposite.
    *(
        Plant("guarded-near-duplicate", 1, has(plain), (replace(plain, negated),), twin=True)
        for plain, negated in (
            ("I was home all day", "I was not home all day"),
            ("Can I still buy the protection plan", "Can I no longer buy the protection plan"),
            ("Can opened cosmetics be returned", "Can opened cosmetics not be returned"),
        )
    ),
    Plant("encoding-damage", 8, has(*"€£°áéåü🎂😅"), (damage,)),
    Plant("guarded-near-duplicate", 5, lambda text: roomy(text) and re.search(r"\d\d", text), (renumber,), twin=True),
    Plant(
        "markup",
        8,
        has("'"),
        (
            wrap("<p>{}</p>"),
            replace("'", "&#39;"),
            wrap("{}<br>"),
            wrap('<div class="msg">{}</div>'),
            replace(" ", "&nbsp;"),
            wrap('<span style="color:#333">{}</span><br />'),
            wrap("<b>{}</b>"),
            wrap("<!-- mobile --><p>{}"),
        ),
    ),
    Plant("typo", 10, roomy, TYPOS),
    *(
        Plant("near-duplicate", 4, roomy, variants, twin=True)
        for variants in (TYPOS, (leave_out,), (swap_words,), (wrap("Hello, {}"),), (wrap("{} thanks"),))
    ),
    Plant("invisible-characters", 6, str.isascii, [hide(unseen) for unseen in "\u200b\u00ad\u2060\u200e\ufeff\u200c"]),
    Plant(
        "white-space",
        6,
        has(" "),
        (wrap("  {}"), wrap("{}\n"), replace(" ", "  "), replace(" ", "\u00a0"), wrap("{}\t"), replace(" ", "\t")),
    ),
    Plant(
        "folded-duplicate",
        8,
        str.isascii,
        (
            lambda text, _: text.upper(),
            lambda text, _: text.lower(),
            lambda text, _: text.swapcase(),
            replace(" ", "  "),
        ),
        twin=True,
    ),
    Plant("exact-duplicate", 12, bool, (lambda text, _: text,), twin=True),
)


def answer(row: Row) -> str:
    """Write a row's labels as the assistant would."""
    return json.dumps({"category": row.category, "sub_category": row.sub_category})


def other_label(row: Row, rows: Sequence[Row]) -> Row:
    """Give a row the label it is easily taken for."""
    sub_category = CONFUSABLE[row.sub_category]
    return row._replace(sub_category=sub_category, category=category_of(sub_category, rows))


def category_of(sub_category: str, rows: Sequence[Row]) -> str:
    """Find the category that a sub-category belongs to."""
    return next(row.category for row in rows if row.sub_category == sub_category)


def broken(row: Row, turn: int) -> Line:
    """Take a row's shape or its label away, in one of six ways."""
    text, category, _ = row
    ways = (
        Line((text,), "too-few-fields", text),
        Line(row, "too-many-fields", text, quoted=False),
        Line((text, "", ""), "missing-label", answer(row)),
        Line((text, category), "too-few-fields", text),
        Line((*row, "checked"), "too-many-fields", text),
        Line((text, category, ""), "missing-label", answer(row)),
    )
    return ways[turn % len(ways)]


def plant(rows: Sequence[Row], rng: Random) -> list[tuple[Line, int | None]]:
    """Plant every fault; each line comes with its row's place in the clean table, or None where it is one more row."""
    left = [place for _, place in sorted((rng.random(), place) for place in range(len(rows)))]
    lines, more = [Line(row) for row in rows], [Line(("", *row[1:]), "empty-text") for row in rows[:6]]

    def take(count: int, fits: Callable[[str], object] = bool) -> list[tuple[int, Row]]:
        """Hand out untouched rows in random order, each once."""
        taken = [place for place in left if fits(rows[place].text)][:count]
        left[:] = [place for place in left if place not in taken]
        return [(place, rows[place]) for place in taken]

    for fault, times, fits, variants, twin in PLANTS:
        for turn, (place, row) in enumerate(take(times, fits)):
            edited = row._replace(text=variants[turn % len(variants)](row.text, rng))
            if twin:
                more.append(Line(edited, fault, row.text, place))
            else:
                lines[place] = Line(edited, fault, row.text)
    for turn, (place, row) in enumerate(take(12, lambda text: "," in text and '"' not in text)):
        lines[place] = broken(row, turn)
    for place, row in take(10):
        lines[place] = Line(other_label(row, rows), "wrong-label", answer(row))
    more += [Line(other_label(row, rows), "conflicting-label", answer(row), place) for place, row in take(8)]
    more += [Line((text, category_of(label, rows), label), "off-topic") for text, label in OFF_TOPIC]
    order: list[tuple[float, Line, int | None]] = [(float(place), line, place) for place, line in enumerate(lines)]
    order += [(rng.random() * len(rows), line, None) for line in more]
    return [(line, place) for _, line, place in sorted(order, key=lambda entry: entry[0])]


def as_csv(cells: Sequence[object], *, quoted: bool = True) -> str:
    """Write one line of a CSV file."""
    if not quoted:
        return ",".join(map(str, cells)) + "\n"
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerow(cells)
    return written.getvalue()


def main(folder: Path = HERE) -> None:
    """Write the messy table and the truth about it into a folder."""
    with (HERE / "customer_intent.csv").open(encoding="utf-8", newline="") as file:
        header, *cells = csv.reader(file)
    planted = plant([Row(*row) for row in cells], Random(SEED))
    number = {place: row for row, (_, place) in enumerate(planted, 1) if place is not None}
    messy = as_csv(header) + "".join(as_csv(line.cells, quoted=line.quoted) for line, _ in planted)
    truth = as_csv(("row", "fault", "of", "original")) + "".join(
        as_csv((row, line.fault, "" if line.twin is None else number[line.twin], line.original))
        for row, (line, _) in enumerate(planted, 1)
        if line.fault
    )
    folder.joinpath("customer_intent_messy.csv").write_text(messy, encoding="utf-8", newline="\n")
    folder.joinpath("customer_intent_messy_truth.csv").write_text(truth, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
