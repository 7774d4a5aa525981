"""Who a project stands for: targets, quotas that steer invitations and cards, weights, and what may be shown of few people."""

import contextlib
import json
import threading
from collections import Counter

import orjson
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from people_at_work import LABELS, answer, fresh, project_of, server

import tuneset
from tuneset.errors import RecipeError
from tuneset.people import access, items, leaving, outcome, replay, standing, wanted
from tuneset.people.access import Invite
from tuneset.people.database import RefusedError, open_database
from tuneset.people.groups import LEAST
from tuneset.people.projects import Person
from tuneset.people.targets import counted
from tuneset.people.weights import rake

HALVES = {"region": {"north": 50, "south": 50}}
ANSWERS = ["north", "south", "east"]


@pytest.fixture
def db(tmp_path):
    with contextlib.closing(open_database(tmp_path / "people.db")) as opened:
        yield opened


@pytest.fixture(scope="module")
def postgresql():
    with server() as uri:
        yield uri


def asking(db, texts=(), options=("north", "south"), **more):
    project, _ = project_of(db, texts, people=0, **more)
    access.ask_attribute(db, project, "region", list(options))
    return project


def come(db, project, many, cell=None, role="annotator"):
    """Let people come who say where they are from (None: they do not); return them."""
    token = access.invite(db, project, Invite(role, max(1, sum(many.values())), quota_cell=cell))
    came = []
    for value, times in many.items():
        for _ in range(times):
            came.append(access.join(db, token, "someone"))
            access.about(db, came[-1], {"region": value})
    return came


def states(db, project):
    with db.read() as tx:
        target = wanted.read(tx, project, "people")["region"]
        return dict(wanted.places(tx, project, "region", target).select("value", "state").iter_rows())


# --- targets


def test_targets_are_kept_with_an_event_and_an_empty_one_is_taken_back(db):
    project = asking(db)
    wanted.declare(db, project, "people", HALVES, size=20)
    assert wanted.targets_of(db, project, "people") == {"region": ({"north": 0.5, "south": 0.5}, 20)}
    wanted.declare(db, project, "examples", {"length": {"short": 0.4, "long": 0.6}})
    assert list(wanted.targets_of(db, project, "examples")) == ["length"]
    wanted.declare(db, project, "people", {"region": {}})
    assert wanted.targets_of(db, project, "people") == {}
    said = [(each.subject, each.after) for each in replay.events(db, project) if each.kind == "target"]
    assert [subject for subject, _ in said] == ["people", "examples", "people"]
    assert said[0][1] == {"region": {"shares": {"north": 0.5, "south": 0.5}, "size": 20}}
    assert said[2][1] == {}
    assert replay.verify(db, project) is None


@pytest.mark.parametrize(
    ("about", "targets", "size", "said"),
    [
        ("people", {"age": {"old": 1}}, 0, "unknown attribute 'age'"),
        ("people", {"region": {"north": 0.5, "west": 0.5}}, 0, "unknown value 'west'"),
        ("people", {"region": {"north": 1}}, 0, "no share is wanted of region='south'"),
        ("people", {"region": {"north": 0.5, "south": 0.4}}, 0, "sum up to 0.9"),
        ("people", {"region": {"north": 0.9, "south": 0.1}}, 20, "a quota of 2 for region='south'"),
        ("people", HALVES, -1, "quotas of -1"),
        ("examples", {"label": {"orders": 0.5, "refunds": 0.5}}, 0, "unknown value 'refunds'"),
        ("examples", {"tone": {"prefer not to say": 1}}, 0, "cannot have a share"),
        ("examples", {"a=b": {"c": 1}}, 0, "has no ="),
        (
            "examples",
            {axis: {f"v{n}": 1 / 300 for n in range(300)} for axis in ("tone", "channel")},
            0,
            "cells to fill",
        ),
        ("examples", {"tone": {"calm": 1}}, 10, "quotas of 10 examples"),
    ],
)
def test_targets_that_cannot_be_are_refused_and_change_nothing(db, about, targets, size, said):
    project = asking(db)
    with pytest.raises(RecipeError, match=said):
        wanted.declare(db, project, about, targets, size=size)
    assert wanted.targets_of(db, project, about) == {}


def test_targets_are_counted_in_live_traffic(db):
    project = asking(db)
    live = pl.DataFrame({"text": ["where is it?"] * 3 + ["so " * 30], "region": ["north", "north", "south", None]})
    live = live.with_columns(length=standing.lengths(live["text"]))
    wanted.declare(db, project, "examples", counted(live, ["length"]))
    wanted.declare(db, project, "people", counted(live, ["region"]))
    assert wanted.targets_of(db, project, "examples")["length"].shares == {"short": 0.75, "long": 0.25}
    assert wanted.targets_of(db, project, "people")["region"].shares["north"] == pytest.approx(2 / 3)


# --- quotas


def test_a_quota_is_open_then_invites_nobody_new_then_lets_nobody_in(db):
    project = asking(db)
    wanted.declare(db, project, "people", HALVES, size=40)
    on_their_way = access.invite(db, project, Invite(max_uses=9, quota_cell="region=north"))
    come(db, project, {"north": 17})
    assert states(db, project) == {"north": "open", "south": "open"}
    come(db, project, {"north": 1})
    assert states(db, project) == {"north": "soft-full", "south": "open"}
    with pytest.raises(RefusedError, match="region=north is soft-full"):
        access.invite(db, project, Invite(quota_cell="region=north"))
    access.invite(db, project, Invite(quota_cell="region=south"))
    for _ in range(2):
        assert access.look_at(db, on_their_way) == project
        access.join(db, on_their_way, "late")
    assert states(db, project)["north"] == "full"
    for way in (lambda: access.join(db, on_their_way, "later"), lambda: access.look_at(db, on_their_way)):
        with pytest.raises(RefusedError, match="places that this invitation was for are taken"):
            way()
    come(db, project, {"north": 1})  # a general invitation is bound to no quota


def test_what_people_say_counts_and_frees_the_place_that_they_were_invited_to(db):
    project = asking(db)
    wanted.declare(db, project, "people", HALVES, size=10)
    came = come(db, project, {None: 5}, cell="region=north")
    assert states(db, project) == {"north": "full", "south": "open"}
    access.about(db, came[0], {"region": "south"})
    assert states(db, project)["north"] == "open"
    access.set_member(db, came[1], None, "removed")
    leaving.withdraw(db, came[2])
    come(db, project, {None: 3}, cell="region=north")
    assert states(db, project) == {"north": "full", "south": "open"}


def race(db, project, people=8):
    """Let people take the places that are left, all at once; return how many came in."""
    tokens = [access.invite(db, project, Invite(quota_cell="region=north")) for _ in range(people)]
    gate, came = threading.Barrier(people), Counter()

    def run(token):
        gate.wait()
        try:
            access.join(db, token, "someone")
            came["in"] += 1
        except RefusedError:
            came["out"] += 1

    threads = [threading.Thread(target=run, args=[token]) for token in tokens]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return came


def test_of_all_who_take_the_last_place_at_once_one_is_let_in(db):
    project = asking(db)
    wanted.declare(db, project, "people", HALVES, size=10)
    come(db, project, {"north": 4})
    assert race(db, project) == {"in": 1, "out": 7}


def test_of_all_who_take_the_last_place_at_once_one_is_let_in_by_postgresql(postgresql):
    with contextlib.closing(open_database(fresh(postgresql))) as db:
        for _ in range(3):
            project = asking(db)
            wanted.declare(db, project, "people", HALVES, size=10)
            come(db, project, {"north": 4})
            assert race(db, project) == {"in": 1, "out": 7}


def test_weights_on_postgresql(postgresql):
    with contextlib.closing(open_database(fresh(postgresql))) as db:
        project = asking(db, ["where is my order?"])
        wanted.declare(db, project, "people", HALVES)
        answer(db, come(db, project, {"north": 15, "south": 5})[-1])
        assert outcome.rows(db, project)["weight"].to_list() == pytest.approx([2])
        assert standing.facts(db, project)["weights"]["people"] == 20


# --- what may be shown


@settings(max_examples=25, deadline=None)
@given(st.dictionaries(st.sampled_from([*ANSWERS, None]), st.integers(1, 9), min_size=1))
def test_no_figure_is_of_fewer_than_five_people_and_no_state_tells_of_them(tmp_path_factory, many):
    with contextlib.closing(open_database(tmp_path_factory.mktemp("few") / "people.db")) as db:
        project = asking(db, options=ANSWERS)
        wanted.declare(db, project, "people", {"region": {"north": 40, "south": 40, "east": 20}}, size=25)
        come(db, project, many)
        found = standing.facts(db, project)
        for cell in found["people"][0]["cells"]:
            count = round(cell["share"] * found["people"][0]["rows"])
            assert count == 0 or count >= LEAST
        assert {state for value, state in states(db, project).items() if many.get(value, 0) < LEAST} <= {"open"}
        weighed = all(many.get(value, 0) >= LEAST for value in ANSWERS)
        assert ("design" in found["weights"]) == weighed


def test_small_groups_are_shown_together_under_all_their_names(db):
    project = asking(db, options=ANSWERS)
    wanted.declare(db, project, "people", {"region": {"north": 40, "south": 40, "east": 20}})
    come(db, project, {"north": 30, "south": 4, "east": 3})
    (found,) = standing.people_shares(db, project)
    assert sorted(found.cells.select("value", "count").rows()) == [("east + south", 7), ("north", 30)]
    assert found.words.startswith("Missing: east + south (19% instead of 60%")


def test_examples_are_compared_by_label_length_and_what_their_writer_was_asked_for(db):
    project = asking(db)
    writer = access.join(db, access.invite(db, project, Invite("writer")), "Ann")
    for n in range(30):
        tone = {"tone": "calm" if n % 10 else "angry"}
        items.write(db, writer, f"where is my order number {n}?", {"category": "orders"}, tone)
    targets = {"label": {"orders": 60, "returns": 40}, "tone": {"calm": 90, "angry": 10}, "length": {"short": 1}}
    wanted.declare(db, project, "examples", targets | {"language": {"de": 1}})
    found = {each.attribute: each for each in standing.example_shares(db, project)}
    assert found["label"].words == "Missing: returns (0% instead of 40%, 20 more)"
    assert found["tone"].words == "Nobody is missing beyond chance."
    assert found["length"].cells["count"].to_list() == [30]
    assert (found["language"].rows, found["language"].silent) == (0, 30)


# --- weights


def test_weights_are_those_of_raking_and_stand_on_each_row(db):
    project = asking(db, [f"text number {n} of many" for n in range(30)])
    wanted.declare(db, project, "people", HALVES)
    north = come(db, project, {"north": 15, "south": 5})[:15]
    people = standing.people(db, project)
    raked = rake(people, {"region": {"north": 0.5, "south": 0.5}})
    found = standing.weighed(db, project)
    assert found.weights.equals(raked.weights)
    weight = dict(found.weights.iter_rows())
    assert sorted({round(each, 3) for each in weight.values()}) == [0.667, 2.0]
    south = next(Person(project, name) for name in weight if weight[name] > 1)
    answer(db, north[0])
    items.write(db, south, "a text of my own", {"category": "returns"})
    rows = {row["text"]: row for row in outcome.rows(db, project).to_dicts()}
    assert rows["a text of my own"]["weight"] == pytest.approx(2)
    assert {round(row["weight"], 3) for text, row in rows.items() if text != "a text of my own"} == {0.667}
    lines = [orjson.loads(line) for line in outcome.lines(db, project).splitlines()]
    assert all("weight" in line and "region" not in line for line in lines)
    assert not any(b"north" in line for line in outcome.lines(db, project).splitlines())


def test_a_row_that_several_labelled_has_the_mean_of_their_weights(db):
    project = asking(db, ["where is my order?"], overlap=2)
    wanted.declare(db, project, "people", HALVES)
    came = come(db, project, {"north": 15, "south": 5})
    for person in (came[0], came[-1]):
        answer(db, person)
    assert outcome.rows(db, project)["weight"].to_list() == pytest.approx([(2 / 3 + 2) / 2], abs=1e-5)


def test_the_empty_cell_is_named_and_nothing_is_weighed(db):
    project = asking(db, ["where is my order?"])
    wanted.declare(db, project, "people", HALVES)
    came = come(db, project, {"north": 25})
    answer(db, came[0])
    with pytest.raises(RecipeError, match=r"people are region='south', of whom the target wants 50\.0%"):
        standing.weighed(db, project)
    assert "region='south'" in standing.facts(db, project)["weights"]["words"]
    assert outcome.rows(db, project)["weight"].to_list() == [None]
    assert b"weight" not in outcome.lines(db, project)


def test_weights_that_cost_too_much_are_refused(db):
    project = asking(db)
    wanted.declare(db, project, "people", {"region": {"north": 10, "south": 90}})
    access.ask_attribute(db, project, "age", ["young", "old"])
    wanted.declare(db, project, "people", {"age": {"young": 90, "old": 10}})
    came = come(db, project, {"north": 90, "south": 10})
    for n, person in enumerate(came):
        access.about(db, person, {"age": "young" if n % 10 == 0 else "old"})
    assert standing.weighed(db, project).refused
    assert "Not weighed" in standing.facts(db, project)["weights"]["words"]
    assert standing.row_weights(db, project).is_empty()


# --- as a source


def test_the_same_figures_stand_in_the_report_of_a_run(db, tmp_path):
    project = asking(db, [f"where is my order number {n}, and when will it come?" for n in range(40)])
    wanted.declare(db, project, "people", HALVES)
    wanted.declare(db, project, "examples", {"label": {"orders": 50, "returns": 50}})
    came = come(db, project, {"north": 25, "south": 5})
    for n in range(40):
        answer(db, came[n % 30])
    outcome.settle(db, project)
    told = standing.facts(db, project)
    events = len(replay.events(db, project))
    outcome.settle(db, project)
    assert len(replay.events(db, project)) == events
    run = tuneset.prepare(f"people:{tmp_path / 'people.db'}", out=tmp_path / "run")
    stands = run.summary["stands"]
    assert [{name: each for name, each in part.items() if name != "source"} for part in stands] == [
        json.loads(json.dumps(told))
    ]
    report = (tmp_path / "run" / "report.html").read_text()
    for words in (
        "Missing: south (17% instead of 50%",
        "Missing: returns (0%",
        "Design effect 1.80",
        "Is it like what will come?",
    ):
        assert words in report.replace("\xa0", "")
    weights = {json.loads(extra)["weight"] for extra in run.examples()["extra"]}
    assert {round(float(each), 2) for each in weights} == {0.6, 3.0}


def test_cards_ask_first_for_what_is_missing():
    schema = LABELS | {"axes": {"tone": ["calm", "angry"]}}
    axes = wanted.axes_of(
        schema, {"tone": wanted.Target({"calm": 0.9, "angry": 0.1}), "length": wanted.Target({"short": 1.0})}
    )
    assert axes == {"label": ["orders", "returns", "other"], "tone": {"calm": 0.9, "angry": 0.1}}
