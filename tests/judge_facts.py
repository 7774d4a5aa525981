"""Facts such as judging finds, about the 500 example inquiries: rows, labels and the map are theirs, other figures made up."""

from __future__ import annotations

import itertools
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl

CSV = Path(__file__).parents[1] / "examples" / "customer_intent.csv"


@cache
def judged():
    """Return `summary["judge"]` with every part."""
    from tuneset.judge.layout import places, points
    from tuneset.judge.view import labels, view

    table = pl.read_csv(CSV)
    rows = plain(table)
    side = np.where(np.random.default_rng(0).random(rows.height) < 0.8, "train", "validation")
    rows = rows.with_columns(side=pl.Series(side), source=pl.lit("customer_intent.csv"), group=pl.int_range(pl.len()))
    placed = places(view(rows), labels(rows)).round(3)
    spots = rows.select("id", x=pl.Series(placed[:, 0]), y=pl.Series(placed[:, 1]))
    odd = rows.gather_every(41)["id"]
    found = pl.DataFrame({"example": odd, "rule": ["wrong-label", "irrelevant", "personal-data"] * 4 + ["wrong-label"]})
    texts = {
        row["id"]: {"text": row["text"], "label": row["label"]} for row in rows.select("id", "text", "label").to_dicts()
    }
    return {
        "rows": 500,
        "of": 500,
        "features": "n-grams",
        "labels": confused(table, rows),
        "relevance": relevance(rows),
        "diversity": diversity(rows),
        "representativeness": represented(table),
        "size": size(table),
        "map": points(spots, rows, found, ["category", "sub_category"]),
        "texts": texts,
    }


def plain(table):
    """Make examples of the table as the stages do."""
    import orjson

    from tuneset.testing import examples

    answers = table.select("category", "sub_category").to_dicts()
    label = pl.Series([orjson.dumps(each).decode() for each in answers])
    return examples(table["inquiry"].to_list()).with_columns(label=label, labels=label)


def confused(table, rows):
    """Confuse neighbours in the alphabet of labels, the first most."""
    columns = []
    for column, most in (("category", 5), ("sub_category", 30)):
        counts = table[column].value_counts().sort("count", column, descending=[True, False])
        names = counts[column].to_list()[:most]
        matrix = [[0] * len(names) for _ in names]
        for place, rows_of in enumerate(counts["count"].to_list()[:most]):
            wrong = min(rows_of // 4, 14 - place) if place < 10 else 0
            matrix[place][place] = rows_of - wrong
            matrix[place][(place + 1) % len(names)] += wrong
        ids = rows["id"].to_list()
        pairs = [
            {"one": one, "other": other, "rows": 14 - place, "share": 0.25 - place / 60, "words": "define where one ends and the other begins", "examples": ids[place : place + 2]}
            for place, (one, other) in enumerate(itertools.pairwise(names[:8]))
        ]  # fmt: skip
        columns.append(
            {"column": column, "classes": len(counts), "flagged": 4, "accuracy": 0.87, "confused": pairs, "matrix": {"names": names, "rows": matrix}, "words": f"4 labels of {column} look wrong; 87 % of the rows are read as what they are labelled."}
        )  # fmt: skip
    return columns


def relevance(rows):
    """Find two rows that lie apart."""
    return {"flagged": 2, "clusters": [{"size": 2, "words": "unlike every label; nearest is Shipping", "examples": rows["id"].to_list()[:2]}], "labels": [{"label": "Setup", "rows": 1}, {"label": "Shipping Options", "rows": 1}], "words": "2 examples seem not to belong to the task."}  # fmt: skip


def diversity(rows):
    """Give every figure a band, one of them outside of it."""
    ids = rows["id"].to_list()
    figures = [("Words in a row", 14.2, 13.1, 15.0, "as in real rows"), ("Different pairs of words, of all pairs", 0.61, 0.66, 0.71, "fewer different wordings"), ("Compression ratio", 2.31, 2.2, 2.4, "as in real rows"), ("Vendi score", 88.4, 80.2, 95.1, "as in real rows")]  # fmt: skip
    return {
        "panel": [{"name": name, "value": value, "low": low, "high": high, "says": says, "words": f"{name}: {value}"} for name, value, low, high, says in figures],
        "openings": [{"words": words, "rows": count, "share": count / 500} for words, count in (("how do i", 41), ("can i get", 22), ("where is my", 17))],
        "phrases": [{"words": words, "rows": count, "share": count / 500} for words, count in (("my order", 88), ("gift card", 19))],
        "thin": [{"label": "Loyalty Program", "rows": 20, "value": 12.0, "low": 18.0, "words": "20 rows are worth 12 with nothing in common"}],
        "redundant": [{"example": ids[place], "twin": ids[place + 1], "score": 0.98 - place / 100} for place in range(12)],
        "words": "The wordings are a little less varied than in as many real rows.",
    }  # fmt: skip


def represented(table):
    """Shift the shares of the labels a little."""
    counts = table["category"].value_counts().sort("count", "category")
    rows = [
        {"label": name, "here": count / 500, "there": count / 500 + shift, "low": count / 500 + shift - 0.02, "high": count / 500 + shift + 0.02, "q": 0.001 if shift > 0.05 else 0.4, "differs": abs(shift) > 0.05, "wanted": 150 if shift > 0.05 else 0}
        for (name, count), shift in zip(counts.iter_rows(), (0.1, -0.06, 0.01, -0.03, -0.02), strict=False)
    ]  # fmt: skip
    return {
        "against": "live.csv", "rows": 2000, "p": 0.003, "differs": True, "labels": rows, "labels_from": "labels", "psi": {"value": 0.6953, "chance": 0.0718},
        "tests": [{"name": name, "p": p, "q": q, "differs": q <= 0.01} for name, p, q in (("labels", 0.0005, 0.0015), ("two_sample", 0.001, 0.0015), ("coverage", 0.872, 0.872))],
        "two_sample": {"auc": 0.71, "low": 0.66, "high": 0.76, "p": 0.001, "shared": 3, "here": ["gift card", "promo"], "there": ["app", "crash", "log in"]},
        "coverage": {"value": 0.82, "low": 0.95, "high": 0.98, "uncovered": [{"text": "the app crashes when i open my basket", "similarity": 0.21}]},
        "cells": [{"label": rows[0]["label"], "like": ["when does it arrive", "track my parcel"], "rows": 150, "words": "half as common here as there"}, {"label": None, "like": ["the app crashes"], "rows": 60, "words": "nothing here is like these"}],
        "words": "This set is not like what comes in: 1 label is too rare, and 18 % of the inquiries have nothing like them here.",
    }  # fmt: skip


def size(table):
    """Draw a curve that is still rising."""
    counts = table["sub_category"].value_counts().sort("count", "sub_category")
    points = [
        {"rows": rows, "accuracy": accuracy, "low": accuracy - 0.04, "high": accuracy + 0.04}
        for rows, accuracy in ((50, 0.52), (100, 0.64), (200, 0.74), (400, 0.81))
    ]
    ahead = [
        {
            "times": times,
            "rows": int(400 * times),
            "accuracy": accuracy,
            "low": accuracy - 0.02 * times,
            "high": min(accuracy + 0.02 * times, 1),
            "gain": accuracy - 0.81,
        }
        for times, accuracy in ((1.5, 0.84), (2, 0.86), (4, 0.9))
    ]
    side = lambda rows, accuracy, wide: {
        "rows": rows,
        "accuracy": accuracy,
        "low": accuracy - wide,
        "high": min(accuracy + wide, 1),
    }
    lights = [
        {
            "label": name,
            "rows": rows,
            "light": "red" if place < 2 else "amber" if place < 6 else "green",
            "words": "fewer than the 25 that half of the others needed" if place < 6 else "",
        }
        for place, (name, rows) in enumerate(counts.iter_rows())
    ]
    return {
        "lights": lights, "red": 2, "amber": 4, "green": len(lights) - 6,
        "curve": {"points": points, "fit": {"a": 0.05, "b": 2.1, "c": 0.4}, "ahead": ahead, "words": "Twice the rows would be worth about 5 points."},
        "gains": [{"label": name, "rows": rows, "accuracy": 0.5, "gain": 0.08} for name, rows in counts.head(3).iter_rows()],
        "sides": {"train": side(400, 0.99, 0.01), "held_out": side(400, 0.81, 0.04), "validation": side(100, 0.8, 0.08), "novel": side(60, 0.74, 0.11), "leaky": side(100, 0.93, 0.05), "words": "A small classifier is right on 80 % of validation and on 81 % of train rows that it had not seen: the sides are equally hard."},
        "plateau": False, "words": "More rows would still help: twice as many are worth about 5 points.",
    }  # fmt: skip


def compared():
    """Compare with a run a week ago."""
    return {"with": "customer_intent.csv", "rows": [{"what": "kept", "before": 480, "now": 500}, {"what": "dropped", "before": 0, "now": 0}, {"what": "accuracy of the surrogate on validation", "before": 0.772, "now": 0.8}], "words": "20 examples are new, none is gone."}  # fmt: skip


def synthetic():
    """Return `summary["synthetic"]` of rows that are narrower than real ones and easily told from them."""
    row = lambda label, agree, **more: {"labels": f'{{"category": "{label}"}}', "kept": 40, "out": 10, "judged": 50, "agrees": round(50 * (agree or 0)), "doubts": 2, "disagrees": 48 - round(50 * (agree or 0)), "real": 12, "agree": agree} | more  # fmt: skip
    said = lambda text, verdict, reads: {"id": "0" * 32, "text": text, "verdict": verdict, "reads": reads}
    figures = lambda value, **more: {"accuracy": value, "low": value - 0.03, "high": value + 0.03} | more
    panel = [{"name": name, "value": value, "low": 0.9, "high": 1.1, "says": says, "words": f"{name}: in so many words"} for name, value, says in (("coverage", 0.29, "leaves out part of the real rows"), ("density", 1.0, "as in real rows"))]  # fmt: skip
    measured = {
        "rows": 80,
        "real": 400,
        "held_back": 3,
        "variety": {"rows": 80, "panel": panel, "openings": [{"words": "could you", "rows": 20, "share": 0.25, "high": 0.1}], "phrases": []},
        "told": figures(0.79, rows=80, null=figures(0.506), differs=True, model=["could you please"], people=["wheres my"]),
        "learned": {"column": "category", "test": 100, "gain": 0.023, "gain_low": 0.004, "gain_high": 0.042}
        | {name: figures(value, learned=rows) for name, value, rows in (("real", 0.776, 400), ("synthetic", 0.794, 80), ("both", 0.799, 480))},
        "words": "They help: a small classifier that learns them too gets 2.3 points more right.",
    }  # fmt: skip
    return {
        "asked": 100,
        "written": 98,
        "kept": 80,
        "out": [{"rule": "off-label", "rows": 18}, {"rule": "not-written", "rows": 2}],
        "cost_of_rows": 1.5,
        "cost_each": 0.01875,
        "labels": [row("Payment", 0.5), row("Orders", 0.9), row("Other", None, judged=0, agrees=0, disagrees=0)],
        "ways": [{"prompt": "boundary@1", "model": "some-model", "asked": 100, "kept": 80, "cost": 1.5}],
        "judge": {
            "by": ["another-model"],
            "rows": 100,
            "agrees": 70,
            "doubts": 4,
            "disagrees": 26,
            "labels": [{"labels": '{"category": "Payment"}', "rows": 30, "examples": [said("Where is my parcel?", "disagrees", '{"category": "Orders"}'), said("Hm?", "doubts", None)]}],
        },
        "measured": measured,
        "words": "80 of 100 rows that a model was asked for are kept.",
    }  # fmt: skip
