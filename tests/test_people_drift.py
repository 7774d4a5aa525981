import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuneset.people import drift, learning
from tuneset.people.audit import Accuracy
from tuneset.people.drift import Drift, Side, Watch

THINGS = ["card", "loan", "rate", "transfer", "account", "fee", "limit", "pin"]
WAYS = [
    "where is my {}",
    "why was the {} refused",
    "i want to change the {}",
    "explain the {} to me",
    "the {} is wrong",
]


def texts(rows, seed, things=THINGS, shares=None, more=""):
    rng = np.random.default_rng(seed)
    drawn = rng.choice(things, rows, p=shares)
    said = [f"{WAYS[int(rng.integers(5))].format(thing)} {rng.integers(999)}{more}" for thing in drawn.tolist()]
    return pl.Series(said, dtype=pl.String), pl.Series(drawn.tolist(), dtype=pl.String)


def side(said, labels=None, groups=None, prefix=""):
    keys = pl.Series([f"{prefix}{n}" for n in range(len(said))]) if groups is None else groups
    return Side(said, drift.placed(learning.features(said), 64), keys, labels)


def stream(seed, rows, window, *, shares=None, more="", labels=True):
    """Return the reference and the window of one stream."""
    past, was = texts(rows, [seed, 0])
    new, now = texts(window, [seed, 1], shares=shares, more=more)
    return side(past, was if labels else None, prefix="r"), side(new, now if labels else None, prefix="w")


EAGER = Watch(alarms=0.5)  # as sure as .0025 a test: a tenth of the draws
SKEWED = [0.3, 0.3, 0.1, 0.1, 0.05, 0.05, 0.05, 0.05]


def test_a_shift_of_the_labels_is_found_and_said():
    watch, found = drift.look(EAGER, *stream(1, 600, 400, shares=SKEWED))
    assert found.drifted
    assert found.labels.p <= found.level / 2
    assert found.labels.size > found.labels.usual
    assert "labels come in other shares" in found.says
    assert watch.looks == 1


def test_another_wording_is_found_and_its_words_are_named():
    _, found = drift.look(EAGER, *stream(2, 600, 400, more=" regards sent from my telephone", labels=False))
    assert found.drifted
    assert found.texts.size > 0.9
    assert any("telephone" in term for term in found.there)
    assert found.labels is None
    assert "AUC" in found.says


def test_the_same_traffic_is_no_shift():
    _, found = drift.look(EAGER, *stream(3, 600, 400))
    assert not found.drifted
    assert (found.here, found.there) == ([], [])
    assert found.says == "No shift that chance would not make."


@pytest.mark.parametrize(("rows", "window"), [(199, 400), (400, 199), (0, 0)])
def test_with_too_few_rows_nothing_is_said_and_nothing_is_spent(rows, window):
    watch, found = drift.look(Watch(), *stream(4, rows, window, more=" regards"))
    assert not found.drifted
    assert found.says.startswith("Not enough data")
    assert watch == Watch()


def test_too_few_labels_leave_the_texts_to_decide():
    past, new = stream(5, 400, 400)
    few = pl.Series([label if n < 100 else None for n, label in enumerate(new.labels)])
    assert drift.look(EAGER, past, new._replace(labels=few))[1].labels is None


def test_one_person_who_writes_half_of_the_window_is_one_group_and_no_shift():
    past, _ = stream(6, 600, 400)
    new, _ = texts(200, [6, 1])
    own, _ = texts(200, [6, 2], more=" ciao bella")
    both = pl.concat([new, own])
    alone = pl.Series([f"w{n}" for n in range(400)])
    together = pl.Series([f"w{n}" if n < 200 else "one person" for n in range(400)])
    assert drift.look(EAGER, past, side(both, groups=alone))[1].drifted
    assert not drift.look(EAGER, past, side(both, groups=together))[1].drifted


def test_the_same_look_gives_the_same_answer():
    assert drift.look(Watch(7), *stream(7, 300, 300))[1] == drift.look(Watch(7), *stream(7, 300, 300))[1]


@given(looks=st.integers(1, 3000), alarms=st.floats(0.001, 0.5))
@settings(max_examples=30)
def test_however_long_a_stream_is_no_more_is_spent_than_was_granted(looks, alarms):
    spent = sum(Watch(alarms=alarms, looks=look).level() for look in range(looks))
    assert spent <= alarms * (1 + 1e-9)
    assert Watch(looks=looks).level() > 0


def test_half_is_spent_by_look_50_and_three_quarters_by_look_150():
    levels = [Watch(looks=look).level() for look in range(150)]
    assert sum(levels[:50]) == pytest.approx(0.01)
    assert sum(levels) == pytest.approx(0.015)


class Answer:
    def __init__(self, p):
        self.p = p


@pytest.mark.parametrize("level", [0.01, 1e-3, 1e-4])
def test_an_alarm_takes_as_many_draws_as_the_level_needs_and_no_alarm_stops_early(level):
    turns = []

    def least(turn):
        turns.append(turn)
        return Answer(1 / 500)  # no draw is beyond

    assert drift._staged(least, 499, level)[1] <= level
    assert (len(turns) - 1) * 499 + 1 < 1 / level <= len(turns) * 499 + 1
    turns.clear()

    def usual(turn):
        turns.append(turn)
        return Answer(0.5)

    assert drift._staged(usual, 499, level)[1] == pytest.approx(0.5)
    assert len(turns) == 1


def test_staged_draws_reject_at_their_level_and_not_above():
    level, rejected = 0.01, 0
    rng = np.random.default_rng(0)
    for _ in range(3000):
        at = rng.random()  # the p that endless draws would give
        p = drift._staged(lambda _: Answer((1 + rng.binomial(99, at)) / 100), 99, level)[1]  # noqa: B023
        rejected += p <= level
    assert rejected / 3000 < 0.015  # .01 expected, three standard errors of .0018


def test_the_threshold_of_the_psi_is_passed_by_one_in_a_hundred_and_the_folklore_by_a_third():
    rng = np.random.default_rng(1)
    one, other = (rng.multinomial(rows, [0.1] * 10, 4000) / rows for rows in (1000, 100))
    one, other = one.clip(0.001), other.clip(0.005)
    psi = ((one - other) * np.log(one / other)).sum(axis=1)
    assert 0.003 < np.mean(psi > drift.psi_limit(10, 1000, 100)) < 0.025
    assert np.mean(psi > 0.1) > 0.25


def test_a_label_that_the_reference_does_not_have_is_named_once_it_has_five_rows():
    given_labels = pl.Series(["a"] * 9 + ["new"] * 5 + ["slip"] * 4 + [None])
    assert drift.new_labels(["a"], given_labels) == ["new"]


def found(*, drifted):
    return Drift(1, 500, 500, 1e-4, None, None, [], [], drifted=drifted, says="A shift: words.")


def accuracy(right, rows):
    from tuneset.judge.shares import interval

    low, high = (float(each[0]) for each in interval(np.array([right]), rows))
    return Accuracy(rows, right, right / rows, low, high)


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        ({"waiting": 200}, "200 rows are new"),
        ({"drift": found(drifted=True)}, "what people send has changed (A shift: words)"),
        ({"labels": ["refund"]}, "a label that the model does not know (refund)"),
        (
            {"audit": (accuracy(450, 500), accuracy(70, 100))},
            "answers 70 % of the audit rows rightly, where it was 90 %",
        ),
    ],
)
def test_each_reason_to_train_again_is_said(case, reason):
    told = drift.advice(**{"trained": 1000, "waiting": 0, **case})
    assert told.retrain
    assert len(told.reasons) == 1
    assert reason in told.says


@pytest.mark.parametrize(
    "case",
    [
        {"waiting": 199},
        {"trained": 10_000, "waiting": 499},
        {"drift": found(drifted=False)},
        {"audit": (accuracy(450, 500), accuracy(85, 100))},
        {"audit": (accuracy(450, 500), Accuracy(0, 0, None, 0.0, 1.0))},
    ],
)
def test_without_a_reason_the_advice_is_to_wait(case):
    assert drift.advice(**{"trained": 1000, "waiting": 0, **case}) == (False, [], "No reason to train again.")


def test_a_vector_depends_on_its_own_text_alone():
    said, _ = texts(20, 0)
    whole = drift.placed(learning.features(said))
    parts = [drift.placed(learning.features(said[row : row + 1]))[0] for row in range(20)]
    assert np.array_equal(whole, np.stack(parts))
    assert np.allclose(np.linalg.norm(whole, axis=1), 1, atol=0.25)


@pytest.mark.slow
def test_the_benchmark_runs(data):
    import subprocess
    import sys

    from tuneset import __file__ as package

    root = str(package).rpartition("/tuneset/")[0]
    done = subprocess.run(
        [sys.executable, "bench/online.py", "--quick"], check=False, cwd=root, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "without a shift that raise an alarm | 0 of 4" in done.stdout
