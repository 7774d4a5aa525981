import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuneset.people import audit


@given(
    items=st.lists(st.text(max_size=8), max_size=30), salt=st.text(max_size=5), shares=st.tuples(*[st.floats(0, 1)] * 2)
)
def test_the_slice_is_fixed_by_item_and_salt_alone_and_grows_with_its_share(items, salt, shares):
    series = pl.Series("item", items, dtype=pl.String)
    small, large = (audit.in_audit(series, salt, share) for share in sorted(shares))
    assert not (small & ~large).any()
    alone = [audit.in_audit(pl.Series([item]), salt, min(shares))[0] for item in items]
    assert alone == small.to_list()


def test_the_slice_has_the_share_that_was_asked_for_and_another_salt_draws_another():
    items = pl.Series([f"item {n}" for n in range(20_000)])
    one, other = audit.in_audit(items, "a"), audit.in_audit(items, "b")
    assert abs(one.mean() - 0.15) < 0.01
    assert abs((one & other).mean() - 0.15**2) < 0.005
    assert not audit.in_audit(items, "a", 0.0).any()
    assert audit.in_audit(items, "a", 1.0).all()


def answers(*rows):
    return pl.DataFrame(rows, schema={"item": str, "version": int, "answer": str, "at": int}, orient="row")


def labels(*rows):
    return pl.DataFrame(rows, schema={"item": str, "label": str, "at": int}, orient="row")


def test_only_the_last_answer_before_the_first_label_counts():
    said = answers(("a", 1, "x", 1), ("a", 2, "y", 3), ("a", 3, "x", 9), ("b", 1, "x", 6))
    found = audit.scored(said, labels(("a", "y", 5), ("b", "x", 5)), "salt")
    assert found.select("item", "version", "right").rows() == [("a", 2, True)]  # b was answered after its label


def test_a_late_label_is_held_against_the_answer_at_arrival():
    found = audit.scored(answers(("a", 1, "x", 1)), labels(("a", "x", 1_000_000)), "salt")
    assert found["right"].to_list() == [True]


def test_a_corrected_label_is_the_truth_but_no_answer_after_the_first_label_counts():
    said = answers(("a", 1, "x", 1), ("a", 2, "z", 7))
    found = audit.scored(said, labels(("a", "x", 5), ("a", "z", 8)), "salt")
    assert found.select("version", "label", "right", "at").row(0) == (1, "z", False, 5)


@given(seed=st.integers(0, 99))
def test_what_is_scored_does_not_depend_on_the_order_of_rows(seed):
    rng = np.random.default_rng(seed)
    said = answers(*[(f"i{rng.integers(9)}", n, "xy"[n % 2], n) for n in range(20)])
    given_labels = labels(*[(f"i{n}", "x", int(rng.integers(30))) for n in range(9)])
    one = audit.scored(said, given_labels, "s")
    assert one.equals(audit.scored(said.sample(fraction=1, shuffle=True, seed=seed), given_labels.reverse(), "s"))


def test_the_window_takes_the_last_labels():
    rows = pl.DataFrame({"right": [False] * 50 + [True] * 50, "at": range(100)}).sample(
        fraction=1, shuffle=True, seed=1
    )
    assert audit.accuracy(rows, 50).share == 1.0
    assert audit.accuracy(rows, 100).share == 0.5


def test_nothing_labelled_is_said_and_not_a_number():
    found = audit.shown(pl.DataFrame(schema=audit.SCORED))
    assert found.audit == audit.Accuracy(0, 0, None, 0.0, 1.0)
    assert "Not known" in found.says


def test_the_queues_own_accuracy_is_told_apart_from_the_audits():
    rows = pl.DataFrame(
        {
            "item": [str(n) for n in range(400)],
            "version": 1,
            "answer": "x",
            "label": "x",
            "at": range(400),
            "right": [n % 4 != 0 if n < 200 else n % 2 == 0 for n in range(400)],
            "audit": [n < 200 for n in range(400)],
        },
    )
    found = audit.shown(rows, 200)
    assert (found.audit.share, found.queue.share) == (0.75, 0.5)
    assert found.says.startswith("75 % of the last 200 audit rows")


@pytest.mark.parametrize("true", [0.3, 0.8, 0.97])
def test_the_interval_holds_the_true_accuracy_in_nineteen_of_twenty_windows(true):
    rng = np.random.default_rng(3)
    held = 0
    for _ in range(300):
        found = audit.accuracy(pl.DataFrame({"right": rng.random(200) < true, "at": np.arange(200)}))
        held += found.low <= true <= found.high
    assert 0.9 <= held / 300 <= 0.99


def test_the_interval_holds_the_share_itself_also_where_all_or_none_is_right():
    for rows in range(1, 200):
        for right in (0, rows):
            found = audit.counted(right, rows)
            assert found.low <= found.share <= found.high
