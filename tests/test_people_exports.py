"""Increments of a project, kept: whatever people do between them, sides hold, the chain holds, and who leaves is gone."""

import contextlib
import hashlib
import json
import random
from concurrent.futures import ThreadPoolExecutor

import polars as pl
import pytest
import sqlalchemy as sa
from people_at_work import World, answer, frame, fresh, project_of, server, someone, sound

from tuneset.errors import RunError
from tuneset.people import exports, items, leaving, outcome, projects, replay, tables, work
from tuneset.people.database import MissingError, RefusedError, open_database


@pytest.fixture
def db(tmp_path):
    opened = open_database(tmp_path / "people.db")
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def postgresql():
    with server() as uri:
        yield uri


TEXTS = [
    f"text {word} of many" for word in ("apple", "bridge", "cloud", "desert", "engine", "forest", "garden", "harbour")
]


def label_all(db, person, label="orders"):
    while answer(db, person, label):
        pass


def told(db, project, number):
    return [json.loads(line) for line in exports.lines(db, project, number).splitlines()]


def test_an_increment_says_what_is_new_what_is_corrected_and_what_is_gone(db):
    project, (ann, bob, _) = project_of(db, TEXTS[:3])
    with pytest.raises(RefusedError, match="nothing is labelled yet"):
        exports.export(db, project)
    first_item = work.next_item(db, ann)
    work.submit(db, ann, first_item.token, {"category": "orders"})
    first = exports.export(db, project)
    assert first.rows["op"].to_list() == ["add"]
    with pytest.raises(RefusedError, match="nothing has changed since increment 1"):
        exports.export(db, project)
    lead = someone(db, project, "lead", role="lead")
    items.adjudicate(db, lead, first_item.item, {"category": "returns"})
    label_all(db, bob)
    second = exports.export(db, project)
    assert sorted(second.rows["op"]) == ["add", "add", "correct"]
    assert [row["label"] for row in told(db, project, 2) if row["op"] == "correct"] == ["returns"]
    items.resolve(db, lead, first_item.item, keep=False)
    third = exports.export(db, project)
    assert third.rows.select("op", "id").rows() == [("tombstone", first.rows["id"][0])]
    assert [each["number"] for each in exports.made(db, project)] == [1, 2, 3]
    assert exports.standing(db, project).height == 2
    with pytest.raises(MissingError):
        exports.lines(db, project, 4)


def test_a_manifest_says_how_far_people_agreed_and_whether_live_texts_had_drifted(db):
    project, (ann, bob, _) = project_of(db, TEXTS, overlap=2)
    label_all(db, ann)
    for _ in range(4):
        answer(db, bob)
    label_all(db, bob, "returns")
    exports.export(db, project)
    [first] = exports.made(db, project)
    assert (first["agreement"]["items"], first["agreement"]["answers"]) == (8, 16)
    assert first["agreement"]["value"] < 0.2  # on half of the items people agree, nearly as often as by chance
    assert (first["stands"], first["drift"]) == ({}, None)


def test_what_was_handed_out_is_given_again_byte_for_byte_and_its_hash_can_be_checked_by_anybody(db):
    project, (ann, *_) = project_of(db, ["Où est-il ? “here”", *TEXTS[:3]])
    rows = frame(["a long talk"], source="talks", messages=['[ {"role":"user", "content":"a long talk"} ]'])
    items.add(db, project, rows)
    label_all(db, ann)
    exports.export(db, project)
    before = exports.lines(db, project, 1)
    items.add(db, project, frame(["one more text"]))
    label_all(db, ann)
    exports.export(db, project)
    assert exports.lines(db, project, 1) == before
    parent = ""
    for number, told_of in enumerate(exports.made(db, project), 1):
        hashed = hashlib.sha256(f"{number}\n{parent}\n".encode())
        for row in told(db, project, number):
            hashed.update(written(kept_of(row)) + b"\n")
        assert told_of["sha256"] == hashed.hexdigest()
        parent = told_of["sha256"]
    assert [row["messages"] for row in map(json.loads, before.splitlines()) if "messages" in row] == [
        [{"role": "user", "content": "a long talk"}]
    ]


def written(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def kept_of(row):
    """Do what the docs say of a row's hash, with nothing of ours."""
    fixed = {name: row.pop(name) for name in ("op", "id", "group", "side")}
    content = row.get("forgotten") or hashlib.sha256(written(row)).hexdigest()
    return fixed | {"content": content}


def test_near_duplicates_and_what_one_person_wrote_lie_on_one_side(db):
    near = [f"where is my order number {n}, please tell me at last" for n in range(6)]
    project, (ann, bob, cyd) = project_of(db, [*near, *TEXTS])
    for n in range(5):
        items.write(db, bob, f"{TEXTS[n]} as written by somebody {n}", {"category": "other"})
    label_all(db, ann)
    label_all(db, cyd)
    rows = exports.export(db, project).rows
    assert rows.filter(pl.col("text").is_in(near))["group"].n_unique() == 1
    assert rows.filter(pl.col("contributor") == bob.contributor)["group"].n_unique() == 1
    assert rows.group_by("group").agg(pl.col("side").n_unique())["side"].max() == 1


def test_who_leaves_is_gone_from_increments_that_were_made_and_the_chain_holds(db):
    project, (ann, bob, cyd) = project_of(db, TEXTS, overlap=1)
    wrote = items.write(db, bob, "a text that Bob alone could write", {"category": "other"})
    answered = [work.next_item(db, bob) for _ in range(1)]
    work.submit(db, bob, answered[0].token, {"category": "returns"})
    label_all(db, ann)
    first = exports.export(db, project)
    before = {row["id"]: row for row in told(db, project, 1)}
    leaving.withdraw(db, bob)
    kept = told(db, project, 1)
    emptied = [row for row in kept if "forgotten" in row]
    with db.read() as tx:
        row = tx.one(sa.select(tables.item.c.example_id).where(tables.item.c.id == wrote))
    assert {each["id"] for each in emptied} == {row.example_id, answered[0].example["id"]}
    assert all(set(each) == {"op", "id", "group", "side", "forgotten"} for each in emptied)
    assert [each for each in kept if "forgotten" not in each] == [
        before[each["id"]] for each in kept if "forgotten" not in each
    ]
    assert "Bob" not in exports.lines(db, project, 1).decode()
    assert exports.made(db, project)[0]["forgotten"] == 2
    assert exports.standing(db, project).height == len(kept) - 2
    second = exports.export(db, project)
    assert set(second.rows["op"]) == {"tombstone"}
    assert second.parent == first.sha256
    assert set(second.rows["id"]) == {each["id"] for each in emptied}
    label_all(db, cyd)
    third = exports.export(db, project)
    assert third.rows.select("op", "id").rows() == [("add", answered[0].example["id"])]
    assert third.rows["side"][0] == before[answered[0].example["id"]]["side"]
    assert database_bytes(db, "a text that Bob alone could write") == []
    sound(db, project)


def test_who_leaves_while_an_increment_is_made_is_not_in_it(db, monkeypatch):
    project, (_, bob, _) = project_of(db, TEXTS[:2])
    items.write(db, bob, "a text that Bob alone could write", {"category": "other"})
    items.add(db, project, frame(["labelled before"], source="more", labels=['{"category": "other"}']))
    read, times = exports._current, []

    def slow(*given):
        rows = read(*given)
        if not times:
            leaving.withdraw(db, bob)
        times.append(rows.height)
        return rows

    monkeypatch.setattr(exports, "_current", slow)
    assert exports.export(db, project).rows["text"].to_list() == ["labelled before"]
    assert times == [2, 1]
    assert "Bob" not in exports.lines(db, project, 1).decode()


def test_increments_that_are_made_at_one_time_follow_each_other(db, postgresql):
    for opened in (db, open_database(fresh(postgresql))):
        project, (ann, *_) = project_of(opened, TEXTS)
        label_all(opened, ann)
        with ThreadPoolExecutor(4) as pool:
            found = [pool.submit(exports.export, opened, project) for _ in range(4)]
        errors = [each.exception() for each in found]
        assert [str(each.what) for each in errors if each] == ["nothing has changed since increment 1"] * 3
        assert exports.standing(opened, project).height == len(TEXTS)
        sound(opened, project)
    opened.close()


def database_bytes(db, words):
    """Name the tables in which these words stand."""
    found = []
    for table in tables.META.sorted_tables:
        with db.read() as tx:
            found += [table.name for row in tx.all(sa.select(table)) if words in str(tuple(row))]
    return sorted(set(found))


def test_a_label_that_was_taken_back_is_no_label_any_more(db):
    project, (ann, *_) = project_of(db, TEXTS[:2])
    answer(db, ann)
    assert outcome.rows(db, project).height == 1
    work.undo(db, ann)
    assert outcome.rows(db, project).height == 0
    seen = len(replay.events(db, project))
    outcome.rows(db, project)
    assert len(replay.events(db, project)) == seen  # what stands is not logged again
    sound(db, project)


def test_what_was_changed_in_the_database_is_found_out(db):
    project, (ann, *_) = project_of(db, TEXTS[:3])
    label_all(db, ann)
    exports.export(db, project)
    kept = tables.export_item
    with db.read() as tx:
        row = tx.one(sa.select(kept).limit(1))
    db.run(kept.update().where(kept.c.item_id == row.item_id).values(content=row.content.replace("orders", "returns")))
    with pytest.raises(RunError, match="not the one that was written"):
        exports.standing(db, project)


def test_projects_have_increments_of_their_own(db):
    one, (ann, *_) = project_of(db, TEXTS[:2])
    two, (bob, *_) = project_of(db, TEXTS[2:4])
    label_all(db, ann)
    label_all(db, bob)
    exports.export(db, one)
    assert exports.export(db, two).number == 1
    assert {row["text"] for row in told(db, two, 1)} == set(TEXTS[2:4])


def walk(world, seed, steps):
    """Do anything, export now and then, and hold the increments against what stands."""
    drawn, sides = random.Random(seed), {}
    for _ in range(steps):
        who, nth, label = drawn.randrange(3), drawn.randrange(6), drawn.choice(["orders", "returns"])
        acts = [("add", who, 1), ("write", who), ("undo", who), ("settle", nth > 1), ("adjudicate", nth)]
        acts += [("serve", who)] * 4 + [("submit", who, -1, label)] * 4 + [("withdraw", who)] * (nth == 0)
        name, *given = drawn.choice(acts)
        getattr(world, name)(*given)
        if drawn.random() < 0.3:
            with contextlib.suppress(RefusedError):
                exports.export(world.db, world.project)
            now = exports.standing(world.db, world.project)
            rows = outcome.rows(world.db, world.project)
            assert sorted(now["id"]) == sorted(rows["id"])
            for item, side in now.select("id", "side").iter_rows():
                assert sides.setdefault(item, side) == side
    return sides


@pytest.mark.parametrize("seed", range(2))
def test_any_history_on_sqlite_and_on_postgresql(tmp_path, postgresql, seed):
    for address in (tmp_path / "people.db", fresh(postgresql)):
        world = World(address)
        with contextlib.closing(world.db):
            assert walk(world, seed, 50)
            world.check()


def test_a_project_that_reviews_a_run_hands_out_no_examples(db):
    project = projects.create(db, "Review", "review")
    with pytest.raises(RefusedError, match="comes from a run"):
        exports.export(db, project)
    with pytest.raises(RefusedError, match="comes from a run"):
        outcome.rows(db, project)
