"""A small model that learns each label as it comes, suggests labels, and says which rows to ask about next."""

from __future__ import annotations

import io
import zipfile
import zlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import orjson
import polars as pl

from tuneset.errors import RunError, unknown
from tuneset.features.ngrams import counts, rarity, weighted
from tuneset.model import digest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float32]

FORM = 1  # of the bytes that a model is kept in
BUCKETS = 1 << 14  # columns a kind of n-gram has: with four times as many, BANKING77 is no better (.898 for .899)
RATE = 5.0  # of a step; slower ones learn less from 200 rows (at .5: .31 for .41) and are far too unsure
STEP = 32  # rows that are learned from together
REPLAY = 480  # earlier rows that are learned from again with each batch
EPOCHS = 5  # times that a full refit goes through all rows
SAMPLE = 200  # waiting rows that are compared when the next ones are chosen


class Labelled(NamedTuple):
    """Rows with their labels, in any order; the caller keeps the features of a text."""

    ids: pl.Series
    features: Any  # (rows, columns), see `features`
    labels: pl.Series


class Suggested(NamedTuple):
    """What the model thinks of each row."""

    labels: list[str]
    scores: Floats  # probability of that label
    entropy: Floats  # 0 is sure, 1 is a guess among all labels


@dataclass(frozen=True)
class Online:
    """A softmax regression on hashed n-grams; learning returns a new one and leaves this one as it is."""

    labels: tuple[str, ...]  # sorted; fixed by the version of the label schema
    schema: int
    seed: int
    rare: Floats  # (columns,), how much each n-gram says
    weights: Floats  # (columns, labels)
    batches: int = 0


def features(texts: pl.Series) -> Any:
    """Count the hashed n-grams of texts: what the model learns from, to be computed once for each text.

    Shape (rows, 32,768), sparse; 1.4 KB for a text of 60 letters. There is no vocabulary: a new word is a new column.

    >>> features(pl.Series(["where is my card"])).shape
    (1, 32768)
    """
    return counts(texts, buckets=BUCKETS)


def started(labels: Sequence[str], schema: int, texts: Any, seed: int = 0) -> Online:
    """Begin with a model that knows no label; `texts` are the features of whatever is there, labelled or not.

    From `texts` it takes how rare each n-gram is, which is worth 5 points at 200 labels of BANKING77.

    >>> started(["b", "a"], 1, features(pl.Series(["hello"]))).labels
    ('a', 'b')
    """
    names = tuple(sorted(set(labels)))
    return Online(names, schema, seed, rarity(texts), np.zeros((2 * BUCKETS, len(names)), np.float32))


def refitted(model: Online, rows: Labelled) -> Online:
    """Learn all rows from nothing: after a new label (in a model that was `started` with it), a withdrawal, or at night.

    The order of the rows does not matter. 10,000 rows and 77 labels take some seven seconds.
    """
    empty = replace(model, weights=np.zeros_like(model.weights), batches=0)
    return _learned(empty, rows, np.arange(len(rows.ids)), EPOCHS)


def partial_fit(model: Online, rows: Labelled, new: pl.Series) -> Online:
    """Learn the rows whose ids are in `new`, and `REPLAY` of the others again so that they are not forgotten.

    `rows` are all rows with a label, of which some are drawn by the hash of id and batch: a row that was withdrawn is
    not there any more and is not learned again; what it has left in the weights goes with the next `refitted`. The order
    of rows and of ids does not matter. Call it when 20 labels are new or a minute has passed.

    Raises RecipeError for a label that the model does not have: a new label takes a new version of the schema.
    """
    fresh = rows.ids.is_in(new.implode()).to_numpy()
    earlier = np.flatnonzero(~fresh)
    drawn = earlier[np.argsort(_drawn(rows.ids.gather(earlier), f"replay {model.seed} {model.batches}"))][:REPLAY]
    return _learned(model, rows, np.concatenate([np.flatnonzero(fresh), drawn]), 1)


def suggest(model: Online, found: Any) -> Suggested:
    """Suggest a label for each row of features.

    Scores are probabilities to order by, not to promise: a model with few labels is less sure than it is right.

    >>> found = features(pl.Series(["my card is lost", "pay my loan"]))
    >>> rows = Labelled(pl.Series(["1", "2"]), found, pl.Series(["card", "loan"]))
    >>> suggest(refitted(started(["card", "loan"], 1, found), rows), found).labels
    ['card', 'loan']
    """
    chances = probabilities(model, found)
    best = chances.argmax(axis=1)
    return Suggested([model.labels[place] for place in best.tolist()], chances.max(axis=1), _entropy(chances))


def probabilities(model: Online, found: Any) -> Floats:
    """Return how probable each label is: shape (rows, labels)."""
    return _softmax(weighted(found, model.rare) @ model.weights)


def order(model: Online, ids: pl.Series, found: Any, known: Any, count: int = 20) -> pl.Series:
    """Choose which rows to ask about next: ids, best first.

    Of `SAMPLE` waiting rows, drawn by hash, each time the one whose entropy times its distance (1 - cosine) to the
    nearest row in `known` (features of what is labelled) or chosen before it is greatest: uncertainty alone serves
    near twins one after another. The order of the rows does not matter.

    >>> texts = pl.Series(["where is my card", "Where is my card?", "pay a loan"])
    >>> found = features(texts)
    >>> model = started(["card", "loan"], 1, found)
    >>> chosen = order(model, pl.Series(["1", "2", "3"]), found, found[:0], 2)
    >>> "3" in chosen.to_list()
    True
    """
    drawn = np.argsort(_drawn(ids, f"order {model.seed} {model.batches}"))[:SAMPLE]
    entropy = _entropy(probabilities(model, found[drawn]))
    own = weighted(found[drawn], model.rare)
    alike = (own @ own.T).toarray()
    nearest = _nearest(own, weighted(known, model.rare))
    chosen: list[int] = []
    for _ in range(min(count, len(drawn))):
        worth = (entropy + 1e-6) * np.maximum(1 - nearest, 1e-6)
        worth[chosen] = -1
        chosen.append(int(worth.argmax()))
        nearest = np.maximum(nearest, alike[chosen[-1]])
    return ids.gather(drawn[chosen])


def saved(model: Online) -> bytes:
    """Write a model as bytes (npz): the same model gives the same bytes."""
    told = {"form": FORM, "labels": model.labels, "schema": model.schema, "seed": model.seed, "batches": model.batches}
    out = io.BytesIO()
    np.savez_compressed(out, told=np.frombuffer(orjson.dumps(told), np.uint8), rare=model.rare, weights=model.weights)
    return out.getvalue()


def loaded(content: bytes) -> Online:
    """Read a model back, bit for bit; raises RunError for bytes that are no model, or one of another form."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            told = orjson.loads(file["told"].tobytes())
            rare, weights = file["rare"], file["weights"]
    except (ValueError, KeyError, EOFError, OSError, zipfile.BadZipFile, zlib.error) as error:
        raise RunError("this is no model, or it is damaged", "the kept model", "refit it from the labels") from error
    if told.get("form") != FORM:
        raise RunError("this model was kept by another version", "the kept model", "refit it from the labels")
    return Online(tuple(told["labels"]), told["schema"], told["seed"], rare, weights, told["batches"])


def _learned(model: Online, rows: Labelled, places: Ints, epochs: int) -> Online:
    """Go through some of the rows in an order that their ids give, in steps of softmax regression."""
    codes = _codes(model, rows.labels.gather(places))
    found, ids = weighted(rows.features[places], model.rare), rows.ids.gather(places)
    weights = model.weights.copy()
    for epoch in range(epochs):
        drawn = np.argsort(_drawn(ids, f"learn {model.seed} {model.batches} {epoch}"))
        for start in range(0, len(drawn), STEP):
            part = drawn[start : start + STEP]
            _step(weights, found[part], codes[part])
    return replace(model, weights=weights, batches=model.batches + 1)


def _step(weights: Floats, found: Any, codes: Ints) -> None:
    """Move the weights of the columns that these rows have, and of no others."""
    from scipy import sparse  # noqa: PLC0415  0.2 s that nobody pays who learns nothing

    columns, place = np.unique(found.indices, return_inverse=True)
    own = sparse.csr_array((found.data, place.astype(np.int32), found.indptr), shape=(found.shape[0], len(columns)))
    off = _softmax(own @ weights[columns])
    off[np.arange(len(codes)), codes] -= 1
    weights[columns] -= np.float32(RATE) * (own.T @ off)


def _codes(model: Online, labels: pl.Series) -> Ints:
    place = {label: code for code, label in enumerate(model.labels)}
    missing = next((label for label in labels.unique().sort() if label not in place), None)
    if missing is not None:
        raise unknown("label", str(missing), model.labels, f"version {model.schema} of the label schema")
    return np.array([place[label] for label in labels], np.int64)


def _drawn(ids: pl.Series, what: str) -> NDArray[Any]:
    """Give each id a number that says when its turn is: a hash, so that the order of rows does not matter."""
    return digest(ids.cast(pl.String) + "\0" + what).to_numpy().astype("S32")


def _softmax(scores: Floats) -> Floats:
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True), np.float32)


def _entropy(chances: Floats) -> Floats:
    told = -(chances * np.log(np.maximum(chances, 1e-12))).sum(axis=1)
    return np.asarray(told / np.log(max(chances.shape[1], 2)), np.float32)


def _nearest(own: Any, known: Any) -> Floats:
    """Return each row's likeness to the most alike of what is known, 0 where nothing is."""
    if known.shape[0] == 0:
        return np.zeros(own.shape[0], np.float32)
    return np.asarray((own @ known.T.tocsr()).max(axis=1).toarray(), np.float32).ravel()
