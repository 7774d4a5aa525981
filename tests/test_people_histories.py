"""Any history of a project: whatever people do in whatever order, counters, answers and log agree after each act."""

import contextlib
import random
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from people_at_work import World, fresh, server

WHO, NTH = st.integers(0, 2), st.integers(0, 5)


class Histories(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.world = World(self.folder / "people.db")

    def teardown(self):
        self.world.db.close()
        shutil.rmtree(self.folder)

    @rule(n=st.integers(0, 2), twin=st.integers(1, 3))
    def add(self, n, twin):
        self.world.add(n, twin)

    @rule(who=WHO)
    def write(self, who):
        self.world.write(who)

    @rule(who=WHO)
    def serve(self, who):
        self.world.serve(who)

    @rule(who=WHO, label=st.sampled_from(["orders", "returns"]))
    def serve_and_submit(self, who, label):
        self.world.serve(who)
        self.world.submit(who, -1, label)

    @rule(who=WHO, nth=NTH, label=st.sampled_from(["orders", "returns"]))
    def submit(self, who, nth, label):
        self.world.submit(who, nth, label)

    @rule(who=WHO, nth=NTH)
    def skip(self, who, nth):
        self.world.skip(who, nth)

    @rule(who=WHO, nth=NTH)
    def flag(self, who, nth):
        self.world.flag(who, nth)

    @rule(who=WHO, nth=NTH)
    def release(self, who, nth):
        self.world.release(who, nth)

    @rule(who=WHO, nth=NTH)
    def draft(self, who, nth):
        self.world.draft(who, nth)

    @rule(who=WHO)
    def undo(self, who):
        self.world.undo(who)

    @rule(who=WHO)
    def withdraw(self, who):
        self.world.withdraw(who)

    @rule(keep=st.booleans())
    def settle(self, keep):
        self.world.settle(keep)

    @rule(nth=NTH)
    def adjudicate(self, nth):
        self.world.adjudicate(nth)

    @rule(nth=NTH, label=st.sampled_from(["orders", "returns"]))
    def gold(self, nth, label):
        self.world.gold(nth, label)

    @rule(minutes=st.sampled_from([1, 5, 11]))
    def wait(self, minutes):
        self.world.wait(minutes)

    @invariant()
    def all_agree(self):
        self.world.check()


TestHistories = Histories.TestCase
TestHistories.settings = settings(max_examples=20, stateful_step_count=30, deadline=None)


@pytest.fixture(scope="module")
def postgresql():
    with server() as uri:
        yield uri


def walk(world, seed, steps):
    """Do what the machine does, drawn from a seed."""
    drawn = random.Random(seed)
    for _ in range(steps):
        who, nth, label = drawn.randrange(3), drawn.randrange(6), drawn.choice(["orders", "returns"])
        acts = [
            ("add", who, 1 + nth % 3),
            ("write", who),
            *[("serve", who)] * 6,
            *[("submit", who, -1, label)] * 6,
            *[("submit", who, nth, label)] * 3,
            *[("skip", who, nth)] * 2,
            *[("flag", who, nth)] * 2,
            ("release", who, nth),
            ("draft", who, nth),
            *[("undo", who)] * 3,
            ("settle", nth > 1),
            ("adjudicate", nth),
            ("gold", nth, label),
            *[("wait", 11 if nth > 3 else 5)] * 2,
            *([("withdraw", who)] if nth == 0 else []),
        ]
        name, *given = drawn.choice(acts)
        getattr(world, name)(*given)
        world.check()


@pytest.mark.parametrize("seed", range(3))
def test_a_history_on_postgresql_leaves_counters_answers_and_log_agreeing(postgresql, seed):
    world = World(fresh(postgresql))
    with contextlib.closing(world.db):
        world.add(10, 1)
        walk(world, seed, 60)
    assert len(world.given) > 1
