"""How good synthetic rows are beside real ones: how varied, how easily told apart, and what a model learns from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl

from tuneset import features, near
from tuneset.generate.origin import seeds
from tuneset.judge import ridge
from tuneset.judge.diversity import FEWEST, PANEL, USUAL, beside
from tuneset.judge.select import by_id, quotas, strata
from tuneset.judge.size import accuracy
from tuneset.judge.two_sample import blocks_of, telling

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tuneset.judge.view import Bools, Ints, Labels, View

    Facts = dict[str, Any]
    Floats = NDArray[np.float32]

MOST = 1000  # rows of each of three parts that are drawn; a minute would be 20 s of n-grams, the error of an accuracy is 1.1 points
TAIL = 1.96  # two-sided 95 % of the normal distribution
# Rows about other things have .03 of the density of real ones, paraphrases by ChatGPT .6 of it (research, A6).
OFF = 0.25
REAL, SYNTHETIC, BOTH = "real", "synthetic", "both"


WRITTEN, ONE, OTHER = range(3)  # the parts of `Drawn`


class Drawn(NamedTuple):
    """Equally many rows, label by label: of a model, and twice of people; places in the view."""

    written: Ints
    real: Ints
    other: Ints  # real ones as well, none of them in `real`


class Seen(NamedTuple):
    """The drawn rows."""

    view: View  # its groups hold a synthetic row and its nearest seed together
    labels: list[Labels]
    parts: Ints  # WRITTEN, ONE or OTHER


def synthetic(view: View, labels: list[Labels], seed: int = 0, *, embedded: bool = False) -> Facts | None:
    """Say what the synthetic train rows are worth beside real ones, as JSON values; None where there are none.

    `rows`, `real` (rows of the train side), `held_back` (synthetic rows on the other sides) and, from 20 rows on:

    - `variety`: the panel of `diversity` for as many rows of either kind with the same labels (n is `rows`), each figure
      with the band of real rows beside real rows, and which openings and phrases the model says too often;
    - `told`: in how many of 100 cases a classifier tells them from real rows, beside what it reaches for two parts of
      the real rows (classifier two-sample test, Lopez-Paz and Oquab 2017), and the words that give them away;
    - `learned`: accuracy on the real rows of the validation side of a small classifier that learned the real rows, the
      synthetic ones, or both, with intervals (95 %); `gain` is what the synthetic ones bring.

    At most `MOST` rows of each kind are drawn. A synthetic row and the seed it is most like are never on both sides of
    the test; its other seeds may be, which makes the two harder to tell apart, not easier. So does that each label has as
    many rows of either kind: with one left out, the other kind looks likelier, and chance is a little below one half (.458
    where both kinds were 390 real rows of BANKING77). Rows of several labels count for their first one, and take no part
    in `learned`. Validation never counts a synthetic row.

    >>> from tuneset.judge.view import labels, view
    >>> from tuneset.testing import examples
    >>> rows = view(examples(["where is it", {"text": "Where has it gone?", "origin": '{"synthetic": true}'}]))
    >>> synthetic(rows, labels(rows.examples))["words"]
    'Too few synthetic rows to say what they are worth: it takes 20.'
    """
    made = np.broadcast_to(view.written, view.train.shape)
    if not made.any():
        return None
    learn = made & _on(view, "train")
    facts: Facts = {
        "rows": int(learn.sum()),
        "real": int(view.train.sum()),
        "held_back": int((made & ~learn).sum()),
        "variety": None,
        "told": None,
        "learned": None,
    }
    if facts["rows"] < FEWEST:
        words = f"Too few synthetic rows to say what they are worth: it takes {FEWEST}."
        return facts | {"words": words}
    rng = np.random.default_rng(seed)
    drawn = _draw(view, labels, learn, rng)
    if len(drawn.real) >= FEWEST:
        seen = _seen(view, labels, drawn, embedded=embedded)
        facts |= {"variety": _variety(seen), "told": _told(seen)}
    facts["learned"] = _learned(view, labels, learn)
    return facts | {"words": _words(facts)}


def _on(view: View, side: str) -> Bools:
    """Mark the rows of a side; examples that know no sides are all on the train side."""
    have = "side" in view.examples.columns
    rows = view.examples["side"].to_numpy() == side if have else np.full(view.examples.height, side == "train")
    return np.asarray(rows, np.bool_)


def _draw(view: View, labels: list[Labels], learn: Bools, rng: np.random.Generator) -> Drawn:
    """Draw as many synthetic rows of each label as real ones, and real ones once more."""
    codes = strata(labels, len(view.train))
    made, real = (rng.permutation(by_id(view, np.flatnonzero(each))) for each in (learn, view.train))
    kinds = int(codes.max(initial=0)) + 1
    here, there = (np.bincount(codes[each], minlength=kinds) for each in (made, real))
    takes = quotas(np.minimum(here, there // 2), MOST)
    place = _places(codes[real])
    twice = takes[codes[real]]
    return Drawn(
        made[_places(codes[made]) < takes[codes[made]]],
        real[place < twice],
        real[(twice <= place) & (place < 2 * twice)],
    )


def _places(codes: Ints) -> Ints:
    """Count the rows of each code from 0, in the order given."""
    frame = pl.DataFrame({"code": codes})
    return frame.select(pl.int_range(pl.len()).over("code")).to_series().to_numpy().astype(np.int64)


def _seen(view: View, labels: list[Labels], drawn: Drawn, *, embedded: bool) -> Seen:
    """Take the drawn rows out of the view, with features that were learned from all of them alike.

    The stage's own n-grams come from real train rows: those of any other row, a validation row too, have .8 of their length.
    """
    rows = np.concatenate(drawn)
    examples = view.examples[rows]
    vectors = view.vectors[rows] if embedded else features.vectors(examples["text"].fill_null(""))
    groups = _tied(view, rows)
    known = [each._replace(codes=each.codes[rows], several=None) for each in labels]
    some = view._replace(
        examples=examples,
        vectors=vectors,
        groups=groups,
        train=view.train[rows],
        written=np.broadcast_to(view.written, view.train.shape)[rows],
    )
    return Seen(some, known, np.repeat(np.arange(3), len(drawn.real)))


def _variety(seen: Seen) -> Facts | None:
    """Take the panel of the synthetic rows beside the real ones, half of which are what both are held against."""
    made, real = np.flatnonzero(seen.parts == WRITTEN), np.flatnonzero(seen.parts != WRITTEN)
    found = beside(seen.view, made, real, seen.labels, "synthetic")
    # what differs comes first, and where rows lie before how they are worded: rows about other things look varied, too
    places = [figure.name for figure in PANEL]
    panel = sorted(found["panel"], key=lambda line: (line["says"] == USUAL, -places.index(line["name"])))
    return found | {"panel": panel} if panel else None


def _told(seen: Seen) -> Facts:
    """Fit a classifier to tell synthetic from real rows, and another to tell real from real, and ask about rows held out."""
    vectors, groups, parts = seen.view.vectors, seen.view.groups, seen.parts
    apart, alike = (_guessed(vectors, groups, parts, pair) for pair in ((WRITTEN, ONE), (OTHER, ONE)))
    here = parts != OTHER
    there = parts[here] == WRITTEN
    texts = seen.view.examples["text"].fill_null("").filter(pl.Series(here))
    people, model = telling(texts, there, blocks_of(groups[here], there))
    differs = bool(apart["low"] > max(alike["accuracy"], 0.5))
    return {
        "rows": int(there.sum()),
        **{key: apart[key] for key in ("accuracy", "low", "high")},
        "null": {key: alike[key] for key in ("accuracy", "low", "high")},
        "differs": differs,
        "model": model if differs else [],
        "people": people if differs else [],
    }


def _guessed(vectors: Floats, groups: Ints, parts: Ints, pair: tuple[int, int]) -> Facts:
    """Return how often a classifier knows of which part a row is when its group was left out."""
    rows = np.isin(parts, pair)
    codes = (parts[rows] == pair[0]).astype(np.int64)
    made = ridge.fit(vectors[rows], codes, 2)
    said = ridge.held_out(made, vectors[rows], codes, groups[rows]).argmax(axis=1)
    found = accuracy(said == codes, groups[rows])
    assert found is not None  # noqa: S101  there are at least 20 rows
    return found


def _tied(view: View, rows: Ints) -> Ints:
    """Give what belongs together one number: near-duplicates, and a synthetic row with the seed it is most like.

    Not with all its seeds: a request shows eight, some of other labels, and a few dozen tie a whole set into one group.
    """
    place = pl.DataFrame({"id": view.examples["id"], "row": np.arange(view.examples.height)})
    listed = (
        seeds(view.examples[rows])
        .join(place, on="id", how="left", maintain_order="left")
        .join(place.rename({"id": "seed", "row": "from"}), on="seed", how="left", maintain_order="left")
    )
    there = listed["from"].is_not_null().to_numpy()
    like = np.full(listed.height, -1.0)
    row, shown = (listed[name].to_numpy()[there].astype(np.int64) for name in ("row", "from"))
    like[there] = np.einsum("ij,ij->i", view.vectors[row], view.vectors[shown])
    nearest = listed.with_columns(like=like).sort(["like", "seed"], descending=[True, False]).unique("id", keep="first")
    # A seed that is no row any more is named by its id; rows from the same one still belong together.
    key = pl.coalesce(pl.concat_str(pl.lit("group "), "group"), "seed")
    groups = pl.DataFrame({"from": np.arange(len(view.groups)), "group": view.groups})
    known = nearest.join(groups, on="from", how="left").select("row", key=key)
    both = pl.concat(
        [
            pl.DataFrame({"row": rows}).with_columns(key=pl.concat_str(pl.lit("group "), pl.Series(view.groups[rows]))),
            known.cast({"row": pl.Int64}),
        ]
    )
    spots = pl.DataFrame({"row": rows, "spot": np.arange(len(rows))})
    numbered = both.join(spots, on="row").select("spot", node=pl.col("key").rank("dense") - 1 + len(rows))
    left, right = (numbered[name].to_numpy().astype(np.int64) for name in ("spot", "node"))
    return near.components(int(right.max()) + 1, left, right)[: len(rows)]


def _learned(view: View, labels: list[Labels], learn: Bools) -> Facts | None:
    """Train on synthetic rows, on real ones and on both, and test each on the real rows of the validation side."""
    column = max(labels, key=lambda each: len(each.names), default=None)
    if column is None or column.several is not None:
        return None
    have = column.codes >= 0
    test = np.flatnonzero(_on(view, "validation") & ~view.written & have)
    chosen = {REAL: view.train & have, SYNTHETIC: learn & have, BOTH: (view.train | learn) & have}
    rows = {name: np.flatnonzero(each) for name, each in chosen.items()}
    if len(test) < FEWEST or min(len(np.unique(column.codes[each])) for each in rows.values()) < 2:
        return None
    truth, groups = column.codes[test], view.groups[test]
    right = {name: _answers(view, column, each, test) == truth for name, each in rows.items()}
    found = {name: {"learned": len(rows[name])} | (accuracy(right[name], groups) or {}) for name in rows}
    return {"column": column.column, "test": len(test), **found} | _gain(right[BOTH], right[REAL], groups)


def _answers(view: View, column: Labels, learned: Ints, asked: Ints) -> Ints:
    made = ridge.fit(view.vectors[learned], column.codes[learned], len(column.names))
    found: Ints = ridge.scores(made, view.vectors[asked]).argmax(axis=1)
    return found


def _gain(more: Bools, less: Bools, groups: Ints) -> Facts:
    """Give the difference of two accuracies on the same rows with its interval (95 %); near-duplicates are one trial."""
    apart = more.astype(np.float64) - less
    gain = float(apart.mean())
    off = np.bincount(np.unique(groups, return_inverse=True)[1], weights=apart - gain)
    half = TAIL * float(np.sqrt(np.square(off).sum())) / len(apart)
    return {"gain": round(gain, 4), "gain_low": round(gain - half, 4), "gain_high": round(gain + half, 4)}


def _words(facts: Facts) -> str:
    """Say in two or three sentences what the rows are worth, the worst first."""
    told = [_words_learned(facts["learned"]), _words_variety(facts["variety"]), _words_told(facts["told"])]
    said = " ".join(each for each in told if each)
    return said or "There are too few real rows with the same labels to hold the synthetic ones against."


def _words_learned(found: Facts | None) -> str:
    if found is None:
        return ""
    points, low, high = (100 * found[name] for name in ("gain", "gain_low", "gain_high"))
    of = f"of {found['test']:,} real validation rows"
    if low > 0:
        return f"They help: a small classifier that learns them too gets {points:.1f} points more {of} right ({low:.1f} to {high:.1f})."
    if high < 0:
        return f"They do harm: a small classifier that learns them too gets {-points:.1f} points fewer {of} right ({-high:.1f} to {-low:.1f})."
    more = f"{abs(points):.1f} points {'fewer' if points < 0 else 'more'}"
    band = f"({low:+.1f} to {high:+.1f})".replace("-", "\u2212")
    return f"It is not clear that they help: a small classifier that learns them too gets {more} {of} right {band}."


def _words_variety(found: Facts | None) -> str:
    if found is None:
        return ""
    lines = {each["name"]: each for each in found["panel"]}
    below = {name for name, each in lines.items() if each["value"] < each["low"]}
    density = lines["density"]
    stray = (
        "off the subject"
        if density["value"] < OFF * density["low"]
        else "less like real rows than these are like each other"
    )
    repeats = lines["self-repetition"]["value"] > lines["self-repetition"]["high"] and "distinct-2" in below
    said = [
        words
        for holds, words in (
            ("density" in below, stray),
            ("coverage" in below, "narrower than real rows: part of what these say has nothing like it among them"),
            (repeats, "the same few wordings again and again"),
        )
        if holds
    ]
    if not said:
        return f"They lie where real rows lie, {found['rows']:,} of them beside as many real ones."
    return f"Beside as many real rows ({found['rows']:,} of the same labels) they are {', and '.join(said)}."


def _words_told(found: Facts | None) -> str:
    if found is None:
        return ""
    share, null = (round(100 * each["accuracy"]) for each in (found, found["null"]))
    if not found["differs"]:
        return (
            f"A classifier cannot tell them from real rows ({share} of 100 right; two parts of the real rows: {null})."
        )
    return f"A classifier tells them from real rows in {share} of 100 cases (two parts of the real rows: {null})."
