"""The model that learns along: what was labelled since is learned, judged, and shown as suggestions and as the queue's order."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import orjson
import polars as pl
import sqlalchemy as sa

from tuneset import near
from tuneset.people import audit, items, learning, registry, tables, versions
from tuneset.people.database import to_text
from tuneset.people.learning import Labelled
from tuneset.people.projects import get, published
from tuneset.people.queue import BEGUN, FRESH

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuneset.people.database import Database, Transaction
    from tuneset.people.learning import Online
    from tuneset.people.registry import Kept

FEWEST = 20  # labelled texts without which nothing is learned
BATCH, PAUSE = 20, 45.0  # new labels, or seconds with at least one, after which they are learned: within a minute
SOON = 1000  # waiting items that have a suggestion: more than are labelled until there is a new version
ASKED = 50  # of them come first, as the model says
JUDGED = 500  # labels of the audit slice, the latest, on which versions are judged
REST = 9  # times as long as it took nothing is learned: a tenth of one core, however large the project is
# Events after which a text may have another label.
SAID = ("labelled", "undone", "adjudicated", "withdrew", "resolved", "gold", "published", "changed")
_item, _state, _answer, _log = tables.item, tables.item_state, tables.annotation, tables.event
_shown = tables.suggestion


class Read(NamedTuple):
    """What people have said by event `seq`; `why` says why no model learns from it."""

    seq: int
    labels: list[str]
    rows: pl.DataFrame  # item, text, label, at (number of the event), audit
    why: str


@dataclass
class Features:
    """The features of items' texts, kept from one time to the next: those that were asked for last."""

    places: dict[str, int] = field(default_factory=dict)
    found: Any = None

    def of(self, rows: pl.DataFrame) -> Any:
        """Return the features of rows (item, text), in their order: 1.4 KB of memory for each."""
        from scipy import sparse  # noqa: PLC0415  0.2 s that nobody pays who learns nothing

        ids = rows["item"].to_list()
        new = rows.filter(~pl.col("item").is_in(list(self.places)))
        places = self.places | {item: len(self.places) + place for place, item in enumerate(new["item"])}
        made = learning.features(new["text"].fill_null(""))
        every = made if self.found is None else sparse.vstack([self.found, made], format="csr")
        self.found = every[[places[item] for item in ids]]
        self.places = {item: place for place, item in enumerate(ids)}
        return self.found


@dataclass
class Learner:
    """What the app does behind its pages: `look` every few seconds."""

    db: Database
    features: dict[str, Features] = field(default_factory=dict)
    learned: dict[str, tuple[int, int]] = field(default_factory=dict)  # number of the last event, and when
    rests: dict[str, float] = field(default_factory=dict)

    def look(self) -> None:
        """Learn in each project that has 20 new labels, or one and 45 seconds have passed; fill up the suggestions of others."""
        with self.db.read() as tx:
            ours = sa.select(tables.project.c.id)
            found = tx.all(ours.where(tables.project.c.kind == "label", tables.project.c.state != "closed"))
        for project in [row.id for row in found]:
            begun = time.monotonic()
            if begun < self.rests.get(project, 0.0):
                continue
            if self._due(project):
                known = self.features.setdefault(project, Features())
                self.learned[project] = learn(self.db, project, known), self.db.now()
                self.rests[project] = time.monotonic() + REST * (time.monotonic() - begun)
            else:
                suggest(self.db, project)

    def _due(self, project: str) -> bool:
        if project not in self.learned:
            return True  # since it began: whatever was left half done is finished
        seq, at = self.learned[project]
        since = sa.select(_log.c.seq).where(_log.c.project_id == project, _log.c.seq > seq, _log.c.kind.in_(SAID))
        with self.db.read() as tx:
            new = len(tx.all(since.limit(BATCH)))
            return new >= BATCH or (new > 0 and tx.at - at >= PAUSE * 1000)


def learn(db: Database, project: str, known: Features | None = None) -> int:
    """Learn what was labelled since the last version, judge the new one, and suggest; return the last event that it knows.

    A text's label is what a lead decided, else what most of its people say by now; where as many say another, it has
    none. Learned is a new row by `partial_fit`; all of them anew where a label was taken back, corrected or renamed, and
    whenever they have doubled. The audit slice is never learned from. So it is at once the accuracy that is shown, the
    frozen set on which a new version is judged before it goes live, and what live texts are held against; it costs what
    15 % of the labels teach (at 1,060 labels of BANKING77 1.9 points: .755 for .774; in 20 of 20 streams the interval held the
    accuracy on other texts; `bench/online.py --held`).

    A new version runs in the shadow until `Paired.passes` says that it is not worse than the live one and than the best;
    while the slice is too small to tell (133 labels at the least) it goes live unless it is seen to be worse.

    What somebody gave who withdrew is in no version any more: those that had learned from it lose their bytes first.
    Each step is one transaction, and what is there already is not done again: killed anywhere, it goes on from there;
    the same labels give the same bytes. Where nothing can be learned `readings` says why.
    """
    registry.forget(db, project)
    read = readings(db, project)
    if not read.why:
        known = known or Features()
        newest = registry.newest(db, project)
        train, frozen = read.rows.filter(~pl.col("audit")), _frozen(read.rows)
        found = known.of(pl.concat([train, frozen]))
        rows = Labelled(train["item"], found[: train.height], train["label"])
        made = _grown(db, newest, read, (train, rows))
        if made is not None:
            registry.add(db, project, made[0], (read.seq, *made[1:]), newest.version.number if newest else 0)
        _judge(db, project, frozen, found[train.height :])
        suggest(db, project, rows.features)
    return read.seq


def readings(db: Database, project: str) -> Read:
    """Read the label of each text, or say why no model learns from them."""
    asked = (
        sa.select(_answer.c.item_id, _item.c.text, _answer.c.value, _answer.c.seq, _state.c.audit)
        .add_columns(_answer.c.shown_suggestion.is_not(None).label("shown"))
        .join(_item, _item.c.id == _answer.c.item_id)
        .join(_state, _state.c.item_id == _answer.c.item_id)
        .where(_answer.c.project_id == project, _answer.c.state == "active", _item.c.state == "open")
    )
    decided = (
        sa.select(_state.c.item_id, _item.c.text, _state.c.decided_label, sa.literal(0), _state.c.audit, sa.false())
        .join(_item, _item.c.id == _state.c.item_id)
        .where(_state.c.project_id == project, _state.c.decided_by == "adjudicator", _item.c.state == "open")
    )
    with db.read() as tx:
        row, schema = get(tx, project), published(tx, project, "label_schema") or {}
        last = sa.select(sa.func.coalesce(sa.func.max(_log.c.seq), 0)).where(_log.c.project_id == project)
        seq = int(tx.run(last).scalar_one())
        asked = asked.where(_answer.c.seq <= seq)
        said, settled = (_frame(tx, each, str(schema.get("field", "label"))) for each in (asked, decided))
    labels = sorted(label["key"] for label in schema.get("labels", []))
    if row.kind != "label" or schema.get("many") or len(labels) < 2:
        why = "A model learns along where each text gets one of at least two labels."
        return Read(seq, labels, said.clear().drop("shown"), why)
    rows = pl.concat([_agreed(said).filter(~pl.col("item").is_in(settled["item"].implode())), settled])
    rows = rows.filter(pl.col("label").is_in(labels) & ~(pl.col("audit") & pl.col("shown"))).drop("shown").sort("item")
    return Read(seq, labels, rows, _few(rows.filter(~pl.col("audit"))))


def _frame(tx: Transaction, asked: sa.Select[Any], named: str) -> pl.DataFrame:
    kinds = {"item": pl.String, "text": pl.String, "value": pl.String, "at": pl.Int64, "audit": pl.Boolean}
    rows = pl.DataFrame([tuple(row) for row in tx.all(asked)], schema=kinds | {"shown": pl.Boolean}, orient="row")
    values = rows["value"].unique().to_list()
    given = [orjson.loads(value or "{}").get(named) for value in values]
    label = pl.Series([None if each is None else str(each) for each in given], dtype=pl.String)
    read = pl.col("value").replace_strict(pl.Series(values, dtype=pl.String), label, return_dtype=pl.String)
    return rows.select("item", "text", "at", "audit", "shown", label=read)


def _agreed(said: pl.DataFrame) -> pl.DataFrame:
    """Return what most people say of each item, from the first who said so on; nothing where as many say another."""
    each = said.group_by("item", "label").agg(
        pl.len(), pl.col("at").min(), pl.col("text", "audit").first(), pl.col("shown").any()
    )
    most = each.filter(pl.col("len") == pl.col("len").max().over("item"))
    return most.filter(pl.len().over("item") == 1).select(said.columns)


def _few(train: pl.DataFrame) -> str:
    if train.height < FEWEST:
        return f"{train.height} of {FEWEST} labels are there that a model begins with, besides the audit slice."
    if train["label"].n_unique() < 2:
        return "All texts have one label so far."
    return ""


def _frozen(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the latest labels of the audit slice, one of those that are the same but for signs and case."""
    slice_ = rows.filter("audit").sort("at", "item").tail(JUDGED)
    return (
        slice_.with_columns(form=near.normal(slice_["text"].fill_null("")))
        .unique("form", keep="first", maintain_order=True)
        .drop("form")
    )


def _hash(train: pl.DataFrame) -> str:
    told = train.select(pl.concat_str("item", "label", separator="\0")).to_series()
    return hashlib.sha256("\n".join(told.to_list()).encode()).hexdigest()


def _grown(
    db: Database, newest: Kept | None, read: Read, learned: tuple[pl.DataFrame, Labelled]
) -> tuple[Online, str, dict[str, Any]] | None:
    """Learn: the model, how it was learned, and what it knows; None where there is nothing new."""
    train, rows = learned
    about = {"labels": read.labels, "rows": train.height, "learned": _hash(train), "refit_rows": train.height}
    if newest is not None and newest.params["labels"] == read.labels:
        if newest.params["learned"] == about["learned"]:
            return None
        before = train.filter(pl.col("at") <= newest.version.trained_on)
        few = train.height < 2 * newest.params["refit_rows"]
        model = registry.model_of(db, newest) if few and _hash(before) == newest.params["learned"] else None
        if model is not None:
            new = train.filter(pl.col("at") > newest.version.trained_on)["item"]
            about["refit_rows"] = newest.params["refit_rows"]
            return learning.partial_fit(model, rows, new), "partial", about
    return learning.refitted(learning.started(read.labels, 1, rows.features), rows), "refit", about


def _judge(db: Database, project: str, frozen: pl.DataFrame, found: Any) -> None:
    """Measure the newest version and the live one on the frozen set, and make the newest live where it passes."""
    kept = registry.history(db, project)
    every = {each.version.number: each for each in kept}
    rivals = versions.rivals(tuple(each.version for each in kept))
    newest = kept[-1].version
    right = {
        number: _right(db, every[number], frozen, found) for number in {newest.number, *(r.number for r in rivals)}
    }
    told: dict[int, dict[str, Any]] = {
        number: {"audit": [int(each.sum()), len(each)]} for number, each in right.items()
    }
    against: tuple[versions.Paired, ...] = ()
    if newest.state == "shadow":
        against = tuple(versions.compared(right[each.number], right[newest.number]) for each in rivals)
        told[newest.number]["says"] = [each.says for each in against]
    registry.measure(db, project, told)
    if newest.state == "shadow" and all(each.passes for each in against):
        registry.promote(db, project, newest.number, against)


def _right(db: Database, kept: Kept, frozen: pl.DataFrame, found: Any) -> np.ndarray[Any, np.dtype[np.bool_]]:
    model = registry.model_of(db, kept)
    if model is None:  # nothing that is kept can be worse
        return np.zeros(frozen.height, bool)
    return (pl.Series(learning.suggest(model, found).labels, dtype=pl.String) == frozen["label"]).to_numpy()


def suggest(db: Database, project: str, learned: Any = None) -> None:
    """Suggest the live version's labels for the items that are served next; where it has just `learned`, order them, too."""
    now = registry.live_one(db, project)
    with db.read() as tx:
        waiting, named = _waiting(tx, project), (published(tx, project, "label_schema") or {}).get("field", "label")
        here = sa.select(_shown.c.item_id).where(_shown.c.model_version == (now.id if now else ""))
        has = {row.item_id for row in tx.all(here)}
    lacking = waiting.filter(~pl.col("item").is_in(list(has)))
    if now is None or (learned is None and lacking.height < SOON // 10 and has) or waiting.is_empty():
        return
    model = registry.model_of(db, now)
    if model is None:
        return
    found = learning.features(waiting["text"].fill_null(""))
    said = learning.suggest(model, found)
    rows = [
        {"item_id": item, "label": to_text({named: label}), "score": float(score), "entropy": float(entropy)}
        for item, label, score, entropy in zip(waiting["item"], said.labels, said.scores, said.entropy, strict=True)
    ]
    _write(db, project, now.id, [row for row in rows if row["item_id"] not in has])
    if learned is not None:
        first = learning.order(model, waiting["item"], found, learned, ASKED).to_list()
        last = dict.fromkeys(waiting.filter(pl.col("rank") != 0)["item"].to_list(), 0.0)
        items.prioritise(db, project, last | {item: float(ASKED - place) for place, item in enumerate(first)})


def _waiting(tx: Transaction, project: str) -> pl.DataFrame:
    """Return the items that are served next, of those for which a suggestion may be shown: item, text, rank."""
    kinds = {"item": pl.String, "text": pl.String, "rank": pl.Float64}
    found: list[tuple[Any, ...]] = []
    for queue in (BEGUN, FRESH):
        asked = (
            sa.select(_state.c.item_id, _item.c.text, _state.c.rank)
            .join(_item, _item.c.id == _state.c.item_id)
            .where(_state.c.project_id == project, _state.c.queue == queue)
            .order_by(_state.c.rank, _state.c.draw)
        )
        found += [tuple(row) for row in tx.all(asked.limit(SOON - len(found)))]
    return pl.DataFrame(found, schema=kinds, orient="row")


def _write(db: Database, project: str, version: str, rows: list[Mapping[str, Any]]) -> None:
    """Write suggestions, some at a time, and take away those of other versions: answers keep what their people saw."""

    def cleared(tx: Transaction) -> None:
        tx.run(_shown.delete().where(_shown.c.project_id == project, _shown.c.model_version != version))

    for start in range(0, len(rows), items.BATCH):
        part = rows[start : start + items.BATCH]

        def written(tx: Transaction, part: list[Mapping[str, Any]] = part) -> None:
            ids = [row["item_id"] for row in part]
            here = sa.select(_shown.c.item_id).where(_shown.c.model_version == version, _shown.c.item_id.in_(ids))
            has = {row.item_id for row in tx.all(here)}
            new = [dict(row) | {"project_id": project, "model_version": version} for row in part]
            if rows := [row for row in new if row["item_id"] not in has]:
                tx.add(_shown, *rows)

        db.write(written)
    db.write(cleared)


def accuracy(kept: Kept) -> audit.Accuracy:
    """Return how many of the audit slice's texts a version has right, with the interval of 95 %."""
    return audit.counted(*kept.metrics.get("audit", (0, 0)))


def taken(db: Database, project: str, most: int = JUDGED) -> audit.Accuracy:
    """Return how often people took the suggestion that they saw, of the last 500: no accuracy of the model.

    Those texts were asked for because they are hard, and people follow suggestions (Beck et al. 2025, arXiv 2509.08514).
    """
    asked = (
        sa.select(_answer.c.value, _answer.c.shown_suggestion)
        .where(_answer.c.project_id == project, _answer.c.state == "active", _answer.c.shown_suggestion.is_not(None))
        .order_by(_answer.c.seq.desc())
    )
    with db.read() as tx:
        rows = tx.all(asked.limit(most))
    took = [orjson.loads(row.value or "null") == orjson.loads(row.shown_suggestion)["label"] for row in rows]
    return audit.counted(sum(took), len(took))
