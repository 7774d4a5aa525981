"""Whether what people send now is still what the model was trained on, and whether to train again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
import polars as pl

from tuneset.features.ngrams import weighted
from tuneset.judge import shares as label_shares
from tuneset.judge import two_sample
from tuneset.judge.shares import Compared, against_rows
from tuneset.judge.two_sample import Rows, Told, blocks_of, tell_apart, telling

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from tuneset.people.audit import Accuracy

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float32]

T = TypeVar("T", Told, Compared)
LEAST = 200  # rows on each side without which nothing is said
WINDOW = 500  # live rows that are looked at: the latest
EVERY = 100  # live rows from one look to the next
ALARMS = 0.02  # streams without a shift that raise an alarm, at the most
LOOKS = 50  # that share the first half of it
DIMENSIONS = 1024
MOST = 2000  # rows of the reference whose texts are compared; of labels all are, which cost next to nothing
NEW = 5  # rows with a label that the reference does not have
TERMS = 5  # shown of each side


class Side(NamedTuple):
    """Rows of the reference or of the window."""

    texts: pl.Series
    vectors: Floats  # see `placed`
    groups: pl.Series  # strings, of one kind on both sides: near-duplicates, a thread, a person
    labels: pl.Series | None = None  # guessed by one model that has learned from neither side; or given on both


class Test(NamedTuple):
    """One of the two tests."""

    p: float
    size: float  # of the difference: AUC of the texts (.5 is none), PSI of the labels
    usual: float  # what chance alone would reach: .5, or the PSI that 1 of 100 sets without a shift exceeds


class Drift(NamedTuple):
    """What one look has found."""

    look: int
    reference: int
    window: int
    level: float  # p of a test must be at or below it
    texts: Test | None
    labels: Test | None
    here: list[str]  # words typical of the reference, where the texts differ
    there: list[str]  # and of the window
    drifted: bool
    says: str


@dataclass(frozen=True)
class Watch:
    """A stream that is looked at again and again; begin a new one for a new reference."""

    seed: int = 0
    alarms: float = ALARMS
    looks: int = 0

    def level(self) -> float:
        """Return what the next look may spend: half of `alarms` over the first 50, a quarter over the next 100, and so on.

        By Boole's inequality the sum bounds the share of streams that ever raise an alarm, however long they are; looks
        at windows that overlap agree, so that the true share is smaller.

        >>> round(Watch().level(), 5)
        0.0002
        """
        stage = (self.looks // LOOKS + 1).bit_length() - 1
        return self.alarms / (2 * LOOKS << 2 * stage)


def placed(found: Any, dimensions: int = DIMENSIONS) -> Floats:
    """Turn hashed n-grams (`learning.features`) into short vectors, to be computed once for each text.

    Shape (rows, dimensions). Each column goes to one dimension with a sign, both by a fixed draw (feature hashing,
    Weinberger et al. 2009): nothing is learned from either side, so that under no shift they are exchangeable.
    """
    from scipy import sparse  # noqa: PLC0415  0.2 s that nobody pays who looks for no drift

    columns = found.shape[1]
    rng = np.random.default_rng(columns)
    signs = rng.choice(np.array([-1, 1], np.float32), columns)
    onto = sparse.csr_array(
        (signs, (np.arange(columns), rng.integers(dimensions, size=columns))), (columns, dimensions)
    )
    return np.asarray((weighted(found, np.ones(columns, np.float32)) @ onto).toarray(), np.float32)


def look(watch: Watch, reference: Side, window: Side) -> tuple[Watch, Drift]:
    """Look whether the window differs from the reference: the watch to look with the next time, and what was found.

    Texts by a classifier two-sample test, whose answers are out of fold with groups kept together; labels, where both
    sides have them, by a G-test; both with p by moving whole groups at random, each at half of what this look may spend.
    So small a p takes thousands of draws: they stop as soon as it cannot be reached any more (Besag and Clifford 1991).
    Chi-square's own threshold (`psi_limit`) is right for rows that come alone (at .01 it is passed by .98 % of 15,000 pairs
    of sets with 77 labels, 3,000 and 500 rows) and wrong for groups, so PSI is said as a size and does not decide. With
    fewer than 200 rows on a side nothing is said, and nothing is spent.

    The reference must be rows of the traffic at that time drawn by chance, such as the training set's audit slice: rows
    that a model asked for are unlike the traffic by choice. Groups are what comes together: a thread, a person, and
    near-duplicates only where the reference was drawn by them; without need they cost much (of shifts in a third of the
    labels, 10 of 20 are found within 500 texts, and 18 of 20 without). Limits: a topic that comes in bursts is a shift;
    a typo in each text takes longer to find than 500 texts.
    """
    sizes = len(reference.texts), len(window.texts)
    if min(sizes) < LEAST:
        says = f"Not enough data: {min(sizes):,} rows on one side, and it takes {LEAST}."
        return watch, Drift(watch.looks, *sizes, 0.0, None, None, [], [], drifted=False, says=says)
    level = watch.level()
    there = np.repeat([False, True], sizes)
    groups = _groups(pl.concat([reference.groups, window.groups]))
    seed = [watch.seed, watch.looks]
    kept = np.sort(np.concatenate([_rng(seed[:1], 0).permutation(sizes[0])[:MOST], np.flatnonzero(there)]))
    rows = Rows(np.vstack([reference.vectors, window.vectors]), there, groups).only(kept)
    texts = _texts(rows, level / 2, seed)
    labels = None
    if reference.labels is not None and window.labels is not None:
        labels = _labels(pl.concat([reference.labels, window.labels]), there, groups, level / 2, seed)
    off = texts.p <= level / 2
    both = pl.concat([reference.texts, window.texts])
    typical = telling(both.gather(kept), rows.there, blocks_of(rows.groups, rows.there)) if off else ([], [])
    drifted = off or (labels is not None and labels.p <= level / 2)
    words = _words(texts, labels, typical[1][:TERMS], level / 2)
    here, new = (grams[:TERMS] for grams in typical)
    found = Drift(watch.looks + 1, *sizes, level, texts, labels, here, new, drifted=drifted, says=words)
    return replace(watch, looks=watch.looks + 1), found


def psi_limit(labels: int, reference: int, window: int, level: float = 0.01) -> float:
    """Return the PSI that chance exceeds in `level` of the cases: .1 and .25 are folklore, which do not know how many rows.

    Of two sets of one kind with 10 labels, 1,000 and 100 rows, 36 % exceed .1.

    >>> round(psi_limit(10, 1000, 100), 2)
    0.24
    """
    from scipy.stats import chi2  # noqa: PLC0415  slow to import

    return float(chi2.isf(level, max(labels - 1, 1)) * (1 / reference + 1 / window))


def new_labels(known: Sequence[str], given: pl.Series, least: int = NEW) -> list[str]:
    """List the labels that people have given to at least `least` rows and that the reference does not have.

    >>> new_labels(["a"], pl.Series(["a", "b", "b"]), 2)
    ['b']
    """
    counted = given.drop_nulls().value_counts(name="rows").filter(pl.col("rows") >= least)
    return sorted(set(counted[given.name].to_list()) - set(known))


class Advice(NamedTuple):
    """Whether to train the model again; nothing is trained by itself."""

    retrain: bool
    reasons: list[str]
    says: str


def advice(
    trained: int,
    waiting: int,
    drift: Drift | None = None,
    labels: Sequence[str] = (),
    audit: tuple[Accuracy, Accuracy] | None = None,
) -> Advice:
    """Say whether the fine-tuned model should be trained again, and why.

    `trained`: rows it was trained on; `waiting`: rows that came since; `labels`: new ones; `audit`: accuracy when it was
    trained, and now. Reasons: at least 200 and 5 % new rows; a drift; a new label; an accuracy now whose whole interval
    lies below what it was. What follows is an increment, not a training run.

    >>> advice(1000, 10, labels=["refund"]).says
    'Train again: people use a label that the model does not know (refund).'
    """
    reasons = []
    if waiting >= max(200, trained / 20):
        reasons.append(f"{waiting:,} rows are new, beside {trained:,} that it was trained on")
    if drift is not None and drift.drifted:
        reasons.append(f"what people send has changed ({drift.says.rstrip('.')})")
    if labels:
        several = "labels" if len(labels) > 1 else "a label"
        reasons.append(f"people use {several} that the model does not know ({', '.join(labels)})")
    if (
        audit is not None
        and audit[0].share is not None
        and audit[1].share is not None
        and audit[1].high < audit[0].share
    ):
        was, now = 100 * audit[0].share, 100 * audit[1].share
        reasons.append(f"it answers {now:.0f} % of the audit rows rightly, where it was {was:.0f} %")
    says = f"Train again: {'; '.join(reasons)}." if reasons else "No reason to train again."
    return Advice(bool(reasons), reasons, says)


def _texts(rows: Rows, level: float, seed: list[int]) -> Test:
    told, p = _staged(lambda turn: tell_apart(rows, _rng(seed, turn)), two_sample.DRAWS, level)
    return Test(p, told.auc, 0.5)


def _labels(labels: pl.Series, there: NDArray[np.bool_], groups: Ints, level: float, seed: list[int]) -> Test | None:
    had = labels.is_not_null().to_numpy()
    side, codes = there[had], _groups(labels.drop_nulls())
    blocks = blocks_of(groups[had], side)
    count, rows = int(codes.max(initial=0)) + 1, (int((~side).sum()), int(side.sum()))
    if count < 2 or min(rows) < LEAST:
        return None
    against, p = _staged(
        lambda turn: against_rows(codes, blocks, side, count, _rng(seed, turn)), label_shares.DRAWS, level
    )
    return Test(p, against.psi, psi_limit(count, *rows))


def _staged(test: Callable[[int], T], draws: int, level: float) -> tuple[T, float]:
    """Draw turn by turn until p is at or below the level, or cannot be any more: the first turn's answer, and p of all."""
    turns = int(np.ceil((1 / level - 1) / draws))
    first = answer = test(0)
    done, beyond = 1, round(first.p * (draws + 1)) - 1
    while done < turns and 1 + beyond <= level * (1 + turns * draws):
        answer = test(done)
        done, beyond = done + 1, beyond + round(answer.p * (draws + 1)) - 1
    return first, (1 + beyond) / (1 + done * draws)


def _groups(keys: pl.Series) -> Ints:
    return np.asarray(keys.rank("dense").to_numpy() - 1, np.int64)


def _rng(seed: list[int], turn: int) -> np.random.Generator:
    return np.random.default_rng([*seed, turn])


def _words(texts: Test, labels: Test | None, there: list[str], level: float) -> str:
    said = []
    if texts.p <= level:
        terms = f", most of all by {', '.join(there)}" if there else ""
        said.append(f"a classifier tells new texts from old ones (AUC {texts.size:.2f}, .50 is chance{terms})")
    if labels is not None and labels.p <= level:
        said.append(f"labels come in other shares (PSI {labels.size:.2f}; chance alone stays below {labels.usual:.2f})")
    return f"A shift: {'; '.join(said)}." if said else "No shift that chance would not make."
