"""Runs to report on: fine, messy, leaking, empty, hostile, huge, and with all that judging finds."""

from __future__ import annotations

from functools import cache

from judge_facts import compared, judged, synthetic

from tuneset.report import page

STAGES = ("get", "clean", "dedupe", "split", "judge", "format", "check")
ID = "27c35e6e9373877f29e562464e46497e"


def finding(text="Where is my order?", **parts):
    shape = {"id": ID, "example": ID, "text": text, "label": '{"category": "Orders"}', "says": "the text is odd"}
    more = {
        "action": "none",
        "when": "default",
        "field": "/text",
        "before": None,
        "after": None,
        "score": None,
        "others": [],
    }
    return shape | more | parts


def rule(name, title, worst=(), stage="clean", **counts):
    shape = {"rule": name, "stage": stage, "title": title, "found": len(worst), "applied": 0, "waiting": 0}
    return shape | {"overruled": 0, "worst": list(worst)} | counts


def stage(number, name, came, out, **counts):
    shape = {"name": name, "number": number, "in": came, "out": out, "dropped": 0, "merged": 0, "edited": 0}
    return shape | {"findings": 0, "says": "nothing to do"} | counts


def label_row(value, rows, *, off=False):
    held = max(rows // 5, 1)
    counts = {"rows": rows, "train": rows - held, "validation": held, "test": 0, "share": held / rows}
    return {"value": value, **counts, "off": off}


def bins(*rows, step=20):
    return [{"from": place * step, "to": (place + 1) * step, "rows": count} for place, count in enumerate(rows)]


def fine():
    near = {"p50": 0.31, "p90": 0.5, "p99": 0.6, "max": 0.68}
    subs = ("Return Policy", "Refund Status", "Tracking", "Cancellation", "Setup", "Promotions", "Billing")
    return {
        "title": "customer_intent.csv",
        "task": "classify",
        "made_with": "tuneset 0.1.0",
        "verdict": {
            "level": "ready",
            "words": "Ready to train on.",
            "reasons": [
                "Every line holds what a trainer asks for.",
                "No validation example has a near-duplicate in train.",
            ],
        },
        "balance": {"in": 500, "kept": 500, "dropped": 0, "merged": 0},
        "sides": {"train": 400, "validation": 100, "test": 0},
        "next": [
            {
                "words": "Train on it",
                "why": "400 examples are enough for a first run with five categories.",
                "command": "tuneset publish customer_intent-tuneset",
            }
        ],
        "stages": [stage(number, name, 500, 500) for number, name in enumerate(STAGES, start=1)],
        "rules": [
            rule("exact-duplicate", "Merge examples that are the same.", stage="dedupe"),
            rule("markup", "Take out markup."),
            rule("empty-text", "Drop examples without text."),
        ],
        "labels": [
            {
                "column": "category",
                "values": [label_row(name, 100) for name in ("Orders", "Returns", "Account", "Product", "Payment")],
                "hidden": 0,
            },
            {
                "column": "sub_category",
                "values": [label_row(f"{name} {kind}", 20) for name in subs for kind in ("A", "B", "C")],
                "hidden": 4,
            },
        ],
        "lengths": {
            "unit": "characters",
            "median": 46,
            "p95": 98,
            "max": 140,
            "bins": bins(13, 171, 190, 80, 31, 12, 3),
        },
        "tokens": {
            "encoding": "o200k_base",
            "estimate": True,
            "total": 31000,
            "median": 60,
            "p95": 80,
            "max": 100,
            "limit": 65536,
            "over": 0,
            "bins": bins(0, 14, 260, 180, 46),
        },
        "split": {
            "validation": 0.2,
            "seed": 42,
            "stratify": ["category"],
            "groups": 480,
            "largest_group": 4,
            "tied_rows": 23,
            "pinned": 0,
            "uneven": [],
        },
        "certificate": {
            "method": "exact all-pairs join of 400 x 100 rows",
            "threshold": 0.7,
            "pairs_across": 0,
            "highest": 0.68,
            "closest": [
                {
                    "similarity": 0.68,
                    "validation": {"id": ID, "text": "How do I set up a new account?"},
                    "train": {"id": ID, "text": "How do I set up my account again?"},
                }
            ],
            "nearest": {
                "validation_to_train": {**near, "rows": 100},
                "train_to_train": {**near, "p50": 0.33, "rows": 400},
            },
            "random_split_leaks": {"rows": 5, "share": 0.05},
            "lineage": "unknown",
            "words": "Lexical: texts are compared by their spelling.",
        },
        "check": {"target": "chat", "lines": 500, "problems": 0, "worst": []},
        "uncertainty": {
            "rows": 100,
            "at": 0.8,
            "plus_minus": 7.8,
            "words": "With 100 validation rows, a measured accuracy of 80 % is known to within 8 points.",
        },
        "not_judged": [
            {"what": "label errors", "why": "They need a fitted model, which comes with a later version."},
            {"what": "language", "why": "No language was asked for."},
        ],
        "first": {
            "messages": [
                {
                    "role": "system",
                    "content": "Classify the user message into a category and sub-category and output the result as JSON.",
                },
                {"role": "user", "content": "when will my backorder arrive?"},
                {"role": "assistant", "content": '{"category": "Product Information", "sub_category": "Stock Status"}'},
            ],
        },
        "files": [
            {"name": "train.jsonl", "rows": 400, "bytes": 98345},
            {"name": "validation.jsonl", "rows": 100, "bytes": 24345},
            {"name": "dropped.jsonl", "rows": 0, "bytes": 0},
        ],
        "recipe_hash": "9f2c61aa03be4a7e8d1c5b7790ab34ef",
        "versions": {"tuneset": "0.1.0", "polars": "2.1.0", "numpy": "2.4.6"},
    }


def messy():
    twin = {"id": ID, "text": "wheres my order 12346, its late", "label": '{"category": "Orders"}'}
    same = {"id": ID, "text": "Summer sale dates?", "label": '{"category": "Promotions"}'}
    long = "I bought this lamp in March and it worked. " * 30
    edits = [
        finding(
            says="the bytes of one encoding were read as another",
            action="edit",
            before="It doesnâ€™t work, and the cafÃ© is closed",
            after="It doesn\u2019t work, and the café is closed",
        ),
        finding(
            says="the bytes of one encoding were read as another",
            action="edit",
            before=f"{long}donâ€™t{long}",
            after=f"{long}don\u2019t{long}",
        ),
    ]
    near = [
        finding(
            "wheres my order 12345, its late",
            says="93 % the same as another",
            score=0.93,
            others=[twin, twin, twin, twin, twin],
        ),
        finding(
            long,
            says="99 % the same as another",
            score=0.99,
            others=[{**twin, "text": long.replace("March", "April", 1)}],
        ),
    ]
    return fine() | {
        "title": "customer_intent_messy.csv",
        "verdict": {"level": "look", "words": "Look at 15 findings first.", "reasons": ["12 near-duplicate pairs wait for you.", "3 texts carry two different labels.", "“Returns” has 26 % of its rows in validation, 6 points more than asked for."]},
        "balance": {"in": 560, "kept": 500, "dropped": 40, "merged": 20},
        "next": [
            {"words": "Look at 12 near-duplicate pairs", "why": "They differ in a number or a name, so they were kept and put on one side.", "command": "tuneset findings customer_intent_messy-tuneset --rule near-duplicate"},
            {"words": "Settle 3 texts with two labels", "why": "The model is paid for both answers and learns neither.", "command": "tuneset findings customer_intent_messy-tuneset --rule conflicting-label"},
            {"words": "Spread the sub-labels more evenly", "why": "2 of 25 are more than 3 points off.", "command": "tuneset prepare customer_intent_messy.csv --stratify category --stratify sub_category"},
        ],
        "stages": [
            stage(1, "get", 560, 560, findings=3, says="read 1 file: 560 rows, comma-separated, UTF-8"),
            stage(2, "clean", 560, 520, dropped=40, edited=38, findings=78, says="repaired 38 texts, dropped 40 without text or label"),
            stage(3, "dedupe", 520, 500, merged=20, findings=35, says="merged 20 exact duplicates, tied 12 near-duplicate pairs"),
            *(stage(number, name, 500, 500) for number, name in enumerate(STAGES[3:], start=4)),
        ],
        "rules": [
            rule("encoding-damage", "Repair text whose encoding was mistaken.", edits, found=18, applied=17, overruled=1),
            rule("exact-duplicate", "Merge examples that are the same.", [finding(twin["text"], says="the same text and label as another", action="drop", others=[twin])], "dedupe", found=20, applied=20),
            rule("near-duplicate", "Tie examples that are nearly the same.", near, "dedupe", found=12, waiting=12),
            rule("conflicting-label", "Flag examples whose text is the same and whose labels differ.", [finding("Summer sale dates?", says="labelled Orders, as are 33 % of the rows with this text", score=0.67, others=[same])], "dedupe", found=3, waiting=3),
            rule("empty-text", "Drop examples without text.", [finding(None, label=None, says="the row has no text", action="drop")], found=22, applied=22),
            rule("white-space", "Squeeze white space.", [finding(says="white space to spare", action="edit", before="two  spaces\tand a\xa0no-break", after="two spaces and a no-break")], found=20, applied=20),
            rule("invisible-characters", "Take out characters that nobody sees.", [finding(says="1 invisible character", action="edit", before="zero\u200bwidth", after="zerowidth")], found=1, applied=1),
            rule("markup", "Take out markup."),
        ],
        "labels": [{"column": "category", "values": [label_row("Orders", 130), label_row("Returns and Exchanges", 50, off=True) | {"train": 37, "validation": 13, "share": 0.26}, label_row("Product Information", 44)], "hidden": 0}],
        "split": fine()["split"] | {"uneven": [{"stratum": "Returns and Exchanges", "share": 0.26, "rows": 50, "why": "one group of 13 rows"}]},
        "check": {"target": "chat", "lines": 500, "problems": 1, "worst": [{"file": "train.jsonl", "line": 17, "rule": "last-turn", "says": "the last message is not the assistant's", "mend": "give the row an answer, or leave it out"}]},
    }  # fmt: skip


def leaking():
    leak = fine()["certificate"] | {"pairs_across": 3, "highest": 0.97}
    broken = {
        "level": "not-ready",
        "words": "Not ready: 3 pairs leak.",
        "reasons": ["3 validation examples have a near-duplicate in train."],
    }
    return fine() | {"certificate": leak, "verdict": broken}


def empty():
    nothing = {
        "labels": [],
        "tokens": None,
        "certificate": None,
        "first": None,
        "check": None,
        "split": None,
        "lengths": None,
    }
    return fine() | nothing | {
        "title": "empty.csv",
        "verdict": {"level": "not-ready", "words": "There is nothing to train on.", "reasons": ["No row was left."]},
        "balance": {"in": 0, "kept": 0, "dropped": 0, "merged": 0},
        "sides": {"train": 0, "validation": 0, "test": 0},
        "stages": [stage(number, name, 0, 0) for number, name in enumerate(STAGES, start=1)],
        "next": [],
        "rules": [],
        "uncertainty": None,
        "not_judged": [],
        "files": [],
    }  # fmt: skip


ATTACK = "<script>top.pwned=1</script><img src=x onerror=top.pwned=1></style><svg onload=top.pwned=1>\"'><a href=javascript:1>"
TEXTS = (
    ATTACK,
    "أين طلبي رقم 12345؟ \u202egnihton si siht\u202c",
    "w" * 10_000,
    "👩🏽‍🚀🏳️‍🌈" * 2_000,
    "z" + "\u0301" * 500,
    "\u202e\u200b" * 4_000,
    "{{ 7 * 7 }}{% raw %}\x00\x1b[31m\ud800",
)


def hostile():
    """Every place that shows a text shows a hostile one, 600 labels in each of two columns, twenty rules."""
    place = iter(range(10**9))
    text = lambda: TEXTS[next(place) % len(TEXTS)]
    worst = lambda: [
        finding(text(), label=text(), says=text(), score=0.5, before=text() if odd else None, after=text() if odd else None, others=[{"id": ID, "text": text(), "label": text()}] * 40)
        for odd in (0, 1, 0, 1, 0)
    ]  # fmt: skip
    pair = lambda: {"similarity": 0.6, "validation": {"id": ID, "text": text()}, "train": {"id": ID, "text": text()}}
    return messy() | {
        "title": ATTACK + "\ud800.csv",
        "verdict": {"level": "look", "words": text(), "reasons": [text() for _ in range(50)]},
        "next": [{"words": text(), "why": text(), "command": f"tuneset findings {word}"} for word in TEXTS[:3]],
        "stages": [stage(number, name, 500, 500, findings=9, says=text()) for number, name in enumerate(STAGES, start=1)],
        "rules": [rule(f"rule-{number}", text(), worst(), found=9_999) for number in range(20)],
        "labels": [{"column": text(), "values": [label_row(f"{number} {text()}", 20, off=True) for number in range(600)], "hidden": 0} for _ in range(2)],
        "certificate": fine()["certificate"] | {"closest": [pair(), pair(), pair()], "words": text()},
        "split": fine()["split"] | {"uneven": [{"stratum": text(), "share": 0.5, "rows": 4, "why": text()} for _ in range(100)]},
        "check": {"target": "chat", "lines": 1, "problems": 90, "worst": [{"file": text(), "line": 1, "rule": "r", "says": text(), "mend": text()} for _ in range(90)]},
        "first": {"messages": [{"role": text(), "content": text()} for _ in range(90)]},
        "not_judged": [{"what": text(), "why": text()}],
        "files": [{"name": text(), "rows": 1, "bytes": 1}],
    }  # fmt: skip


def million():
    kept = 962_417
    return fine() | {
        "title": "one_million.parquet",
        "balance": {"in": 1_000_000, "kept": kept, "dropped": 12_402, "merged": 25_181},
        "sides": {"train": 769_934, "validation": 96_242, "test": 96_241},
        "stages": [stage(number, name, 1_000_000, kept, dropped=12_402, merged=25_181, edited=99_123, findings=1_234_567) for number, name in enumerate(STAGES, start=1)],
        "labels": [{"column": "intent", "values": [label_row(f"intent_number_{number}_of_many", 160_000 - number * 1000) for number in range(150)], "hidden": 450}],
        "certificate": fine()["certificate"] | {"method": "banded join with fresh seeds of 769,934 x 192,483 rows"},
        "files": [{"name": "train.jsonl", "rows": 769_934, "bytes": 231_000_123}],
    }  # fmt: skip


def whole():
    """Every part that judging has, an earlier run, and clusters of duplicates."""
    gate = {"passed": False, "failed": ["balance.kept is 500, at least 600 is wanted."], "held": [f"rules.{name}.found is 0, at most 5 is wanted." for name in "abcdefg"]}  # fmt: skip
    return fine() | {
        "gate": gate,
        "judge": judged(),
        "compared": compared(),
        "clusters": clusters("Where is it?"),
        "synthetic": synthetic(),
        "not_judged": [],
    }


def poisoned(value, key=""):
    """Put a hostile text in place of every text, however deep; what names a kind or an example stays."""
    if isinstance(value, dict):
        return {inner: poisoned(each, inner) for inner, each in value.items()}
    if isinstance(value, list):
        return [poisoned(each, key) for each in value]
    kept = key in {"light", "side", "sides", "ids", "id", "example", "twin", "examples", "rule", "rules", "column"}
    return value if kept or not isinstance(value, str) else f"{TEXTS[len(value) % len(TEXTS)]}\u2028<!-- {value}"


def attacked():
    """Hostile texts in everything that judging says."""
    facts = judged()
    apart = {"map": poisoned(facts["map"]), "texts": {key: poisoned(each) for key, each in facts["texts"].items()}}
    apart["map"]["labels"] = {f"{column}{ATTACK}": values for column, values in apart["map"]["labels"].items()}
    judge = {key: value if key in apart else poisoned(value) for key, value in facts.items()} | apart
    beside = {"compared": poisoned(compared()), "clusters": clusters(ATTACK), "synthetic": poisoned(synthetic())}
    return whole() | {"judge": judge} | beside


def clusters(text):
    rows = [{"id": ID, "text": f"{text} {place}", "label": text, "kept": not place} for place in range(3)]
    return [{"rule": "near-duplicate", "size": 9, "rows": rows, "hidden": 6, "words": text}]


RUNS = {"fine": fine, "messy": messy, "leaking": leaking, "empty": empty, "hostile": hostile, "million": million, "whole": whole, "attacked": attacked}  # fmt: skip


@cache
def rendered(name):
    """Render a run, once."""
    return page.render(RUNS[name]())
