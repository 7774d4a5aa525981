"""Who gets which item: leases, answers that come once, late or again, and one project's things kept from another's."""

import time

import polars as pl
import pytest
import sqlalchemy as sa
from people_at_work import LABELS, Clock, answer, frame, fresh, per_item, project_of, server, someone, sound

from tuneset import model
from tuneset.people import access, items, leaving, projects, queue, replay, tables, work
from tuneset.people.database import MissingError, RefusedError, open_database
from tuneset.people.projects import Person, Settings


@pytest.fixture(scope="module")
def postgresql():
    with server() as uri:
        yield uri


@pytest.fixture(params=["sqlite", "postgresql"])
def db(request, tmp_path):
    local = request.param == "sqlite"
    opened = open_database(tmp_path / "people.db" if local else fresh(request.getfixturevalue("postgresql")), Clock())
    yield opened
    opened.close()


@pytest.fixture
def file(tmp_path):
    opened = open_database(tmp_path / "people.db", Clock())
    yield opened
    opened.close()


def texts(n):
    return [f"text {each}" for each in range(n)]


def test_two_people_never_have_one_item_at_the_same_time_where_one_answer_is_wanted(db):
    project, people = project_of(db, texts(3), people=4)
    served = [work.next_item(db, person) for person in people]
    assert len({each.item for each in served[:3]}) == 3
    assert served[3] is None
    assert work.next_item(db, people[0]) == served[0]
    sound(db, project)


def test_who_asks_again_has_the_same_lease_with_its_time_begun_anew(file):
    _, (person, _, _) = project_of(file, texts(3))
    first = work.next_item(file, person)
    file.clock.now += 300
    again = work.next_item(file, person)
    assert again == first._replace(expires_at=first.expires_at + 300_000)


def test_an_answer_sent_twice_is_taken_once_and_another_under_its_token_is_refused(db):
    project, (person, _, _) = project_of(db, texts(2))
    served = work.next_item(db, person)
    first = work.submit(db, person, served.token, {"category": "orders"})
    again = work.submit(db, person, served.token, {"category": "orders"})
    assert again == first._replace(repeated=True)
    with pytest.raises(RefusedError, match="before"):
        work.submit(db, person, served.token, {"category": "returns"})
    assert sorted(per_item(db, project).values()) == [0, 1]


def test_an_answer_after_the_lease_counts_where_there_is_room_and_is_kept_as_late_where_there_is_none(db):
    project, (one, two, _) = project_of(db, texts(1))
    held = work.next_item(db, one)
    assert work.next_item(db, two) is None
    db.clock.now += 601
    theirs = work.next_item(db, two)
    assert theirs.item == held.item
    late = work.submit(db, one, held.token, {"category": "orders"})
    assert late.state == "late"  # the other has it in hand
    assert work.submit(db, two, theirs.token, {"category": "returns"}).state == "active"
    values = items.annotated(db, project)["value"].to_list()
    assert values == ['{"category":"orders"}', '{"category":"returns"}']
    sound(db, project)


def test_an_answer_after_the_lease_counts_where_nobody_else_came(file):
    _, (person, _, _) = project_of(file, texts(1))
    held = work.next_item(file, person)
    file.clock.now += 6_000
    assert work.submit(file, person, held.token, {"category": "orders"}).state == "active"


def test_a_lease_that_ended_and_is_given_again_to_its_person_keeps_its_token_for_the_old_tab(file):
    _, (person, _, _) = project_of(file, texts(1))
    old = work.next_item(file, person)
    file.clock.now += 601
    new = work.next_item(file, person)
    assert (old.item, old.token) == (new.item, new.token)
    assert work.submit(file, person, old.token, {"category": "orders"}).state == "active"


def test_renewing_holds_an_item_and_a_lease_that_others_took_over_is_not_renewed(db):
    _, (one, two, _) = project_of(db, texts(1))
    held = work.next_item(db, one)
    db.clock.now += 599
    assert work.renew(db, one, held.token) == held.expires_at + 599_000
    db.clock.now += 599
    assert work.next_item(db, two) is None
    db.clock.now += 2
    assert work.next_item(db, two).item == held.item
    assert work.renew(db, one, held.token) is None


def test_an_item_let_go_is_free_at_once_and_its_draft_is_there_when_it_comes_back(file):
    _, (one, two, _) = project_of(file, texts(1))
    held = work.next_item(file, one)
    assert work.save_draft(file, one, held.token, {"category": "ret"}) == held.expires_at
    work.release(file, one, held.token)
    theirs = work.next_item(file, two)
    assert theirs.draft is None
    work.release(file, two, theirs.token)
    assert work.next_item(file, one).draft == {"category": "ret"}


def test_a_person_never_sees_again_what_they_answered_skipped_flagged_or_wrote(db):
    project, (person, _, _) = project_of(db, texts(4), overlap=3)
    own = items.write(db, person, "my own words", {"category": "other"})
    seen = []
    for act in (
        lambda token: work.submit(db, person, token, {"category": "orders"}),
        lambda token: work.skip(db, person, token, "unclear"),
        lambda token: work.flag(db, person, token, "broken", "see the end"),
        lambda token: work.submit(db, person, token, {"category": "orders"}),
    ):
        served = work.next_item(db, person)
        seen.append(served.item)
        act(served.token)
    assert work.next_item(db, person) is None
    assert len({*seen, own}) == 5
    sound(db, project)


@pytest.mark.parametrize("act", ["label", "skip", "flag"])
def test_the_last_act_is_taken_back_and_its_item_is_in_the_persons_hands_again(db, act):
    project, (person, _, _) = project_of(db, texts(3))
    answer(db, person)
    served = work.next_item(db, person)
    if act == "label":
        first = work.submit(db, person, served.token, {"category": "returns"})
    else:
        getattr(work, act)(db, person, served.token, "unclear")
    work.next_item(db, person)  # what is in hand meanwhile goes back
    undone = work.undo(db, person)
    assert (undone.act, undone.served.item) == (act, served.item)
    assert work.next_item(db, person) == undone.served
    done = work.submit(db, person, undone.served.token, {"category": "other"})
    assert done.state == "active"
    revised = items.annotated(db, project).filter(id=done.annotation)["revision_of"][0]
    assert revised == (first.annotation if act == "label" else None)
    assert undone.served.draft == ({"category": "returns"} if act == "label" else None)
    sound(db, project)


def test_pressed_again_undo_goes_back_act_by_act_and_ends_at_the_first(file):
    project, (person, _, _) = project_of(file, texts(3))
    for _ in range(3):
        answer(file, person)
    done = items.annotated(file, project)["item"].to_list()
    back = [work.undo(file, person).served.item for _ in range(3)]
    assert back == done[::-1]
    assert len(set(back)) == 3
    with pytest.raises(RefusedError, match="nothing"):
        work.undo(file, person)
    sound(file, project)


def test_what_a_lead_has_decided_is_not_taken_back(file):
    project, (person, _, _) = project_of(file, texts(1))
    lead = someone(file, project, "lead", role="lead")
    answer(file, person)
    (item,) = per_item(file, project)
    items.adjudicate(file, lead, item, {"category": "returns"}, "it says return")
    with pytest.raises(RefusedError, match="settled"):
        work.undo(file, person)
    assert items.examples(file, project)["labels"].to_list() == ['{"category":"returns"}']


def test_two_flags_take_an_item_out_until_a_lead_settles_it(file):
    project, people = project_of(file, texts(1), overlap=3)
    for person in people[:2]:
        work.flag(file, person, work.next_item(file, person).token, "broken")
    assert work.next_item(file, people[2]) is None
    (item,) = per_item(file, project)
    items.resolve(file, someone(file, project, role="lead"), item, keep=True)
    assert work.next_item(file, people[2]).item == item
    sound(file, project)


def test_a_label_that_the_schema_does_not_have_is_refused_and_the_item_stays_in_hand(file):
    _, (person, _, _) = project_of(file, texts(1))
    served = work.next_item(file, person)
    with pytest.raises(RefusedError, match="no label") as said:
        work.submit(file, person, served.token, {"category": "ordres"})
    assert "orders, returns, other" in said.value.hint
    assert work.next_item(file, person) == served


def test_an_answer_carries_the_versions_of_the_words_that_its_person_saw(file):
    project, (person, _, _) = project_of(file, texts(2))
    served = work.next_item(file, person)
    projects.publish(file, project, "guideline", {"markdown": "# Be kind"})
    projects.publish(file, project, "label_schema", {"field": "category", "labels": [{"key": "refunds"}]})
    work.submit(file, person, served.token, {"category": "orders"})
    work.submit(file, person, work.next_item(file, person).token, {"category": "refunds"})
    rows = items.annotated(file, project).select("schema_version", "guideline_version").rows()
    assert rows == [(1, 0), (2, 1)]
    with file.read() as tx:
        before = projects.published(tx, project, "label_schema", 1)["labels"]
    assert [each["key"] for each in before] == [each["key"] for each in LABELS["labels"]]


def test_what_has_begun_comes_before_what_is_fresh_and_then_the_highest_number(file):
    project, (one, two, _) = project_of(file, texts(10), overlap=2)
    names = sorted(per_item(file, project))
    items.prioritise(file, project, {names[4]: 3.0, names[7]: 2.0})
    assert [work.next_item(file, one).item for _ in range(2) if answer(file, one)][:1] == [names[7]]
    done = {each.item for each in replay.state_now(file, project).annotations.values()}
    assert {names[4], names[7]} == done
    assert work.next_item(file, two).item == names[4]  # begun, and of those the highest


def test_the_audit_slice_is_a_fixed_share_of_the_items_and_is_served_by_turns(file):
    project, (person, _, _) = project_of(file, texts(400), overlap=1, audit_share=0.25)
    with file.read() as tx:
        audit = {row.item_id for row in tx.all(sa.select(tables.item_state)) if row.audit}
    assert 70 <= len(audit) <= 130
    items.prioritise(file, project, {name: 1.0 for name in per_item(file, project) if name not in audit})
    for _ in range(120):
        answer(file, person)
    rows = items.annotated(file, project)
    assert set(rows.filter("was_audit")["item"]) <= audit
    assert 15 <= rows["was_audit"].sum() <= 50  # 30 expected of 120 turns


def test_gold_items_come_in_their_share_of_turns_and_do_not_count_as_answers_that_are_wanted(file):
    project, people = project_of(file, texts(60), people=2, gold_share=0.2)
    gold = sorted(per_item(file, project))[:10]
    items.set_gold(file, project, {item: {"category": "orders"} for item in gold})
    for person in people:
        for _ in range(25):
            answer(file, person)
    rows = items.annotated(file, project)
    assert set(rows.filter("was_gold")["item"]) <= set(gold)
    assert 1 <= rows["was_gold"].sum() <= 24  # of 50 turns at .2: by chance outside once in 50,000 runs
    assert projects.progress(file, project).items == 50
    sound(file, project)


def test_a_suggestion_is_shown_but_for_the_audit_slice_and_the_blind_share_and_the_answer_remembers_it(file):
    project, (person, _, _) = project_of(file, texts(60), audit_share=0.3, blind_share=0.3)
    with file.read() as tx:
        audit = {row.item_id for row in tx.all(sa.select(tables.item_state)) if row.audit}

    def suggest(tx):
        row = {"id": "m1", "project_id": project, "created_at": tx.at, "kind": "ridge", "params": "{}"}
        tx.add(tables.model_version, row | {"number": 1, "trained_on_seq": 1, "metrics": "{}", "state": "live"})
        said = {"project_id": project, "model_version": "m1", "label": '"orders"', "score": 0.9, "entropy": 0.1}
        tx.add(tables.suggestion, *(said | {"item_id": item} for item in per_item(file, project)))

    file.write(suggest)
    while (served := work.next_item(file, person)) is not None:
        assert served.suggestion in (None, {"label": "orders", "score": 0.9, "model": "m1"})
        work.submit(file, person, served.token, {"category": "orders"})
    rows = items.annotated(file, project)
    blind = set(rows.filter(rows["shown_suggestion"].is_null())["item"])
    assert audit < blind
    assert 4 <= len(blind - audit) <= 24  # 30 % of about 42


def test_a_person_far_into_a_project_still_finds_the_item_behind_all_that_they_have_had(file):
    project, (one, two, _) = project_of(file, texts(260), overlap=2)
    last = min(per_item(file, project))
    items.prioritise(file, project, {last: -1.0})
    for _ in range(259):
        answer(file, one)
    assert projects.progress(file, project).annotations == 259 > queue.WINDOW
    assert work.next_item(file, one).item == last
    answer(file, one)
    assert work.next_item(file, one) is None
    assert work.next_item(file, two) is not None


def test_the_settings_change_and_what_is_needed_is_counted_anew(db):
    project, people = project_of(db, texts(2))
    for _ in range(2):
        answer(db, people[0])
    assert work.next_item(db, people[1]) is None
    projects.change(db, project, Settings(overlap=2, gold_share=0, audit_share=0.5))
    assert work.next_item(db, people[1]) is not None
    sound(db, project)
    projects.change(db, project, Settings(overlap=2, state="paused"))
    assert work.next_item(db, people[2]) is None


def test_a_person_withdraws_and_what_they_gave_is_emptied_while_the_chain_holds(db):
    project, (one, two, _) = project_of(db, texts(2), overlap=2)
    written = items.write(db, one, "My name is Ann Example", {"category": "other"})
    access.ask_attribute(db, project, "region", ["north", "south"])
    access.about(db, one, {"region": "north"})
    for person in (one, two):
        for _ in range(3):
            answer(db, person)
    session = access.log_in(db, one.contributor)
    gone = leaving.withdraw(db, one)
    assert gone == (2, 1)  # two imported ones answered, and one written
    sound(db, project)
    now = replay.state_now(db, project)
    assert {each.value for each in now.annotations.values() if each.contributor == one.contributor} == {None}
    assert now.items[written].state == "withdrawn"
    with db.read() as tx:
        said = str([tuple(row) for table in tables.META.sorted_tables for row in tx.all(sa.select(table))])
    assert "Ann Example" not in said
    assert "person 0" not in said
    assert access.who(db, session) is None
    assert access.attributes(db, project).is_empty()
    assert (
        written not in set(items.annotated(db, project).filter(state="active")["item"]) or now.items[written].need == 0
    )
    assert len(items.examples(db, project)) == 2
    with pytest.raises(MissingError):
        work.next_item(db, one)


def test_where_a_withdrawn_text_was_also_imported_the_import_is_served_in_its_place(file):
    project, (one, two, _) = project_of(file)
    items.write(file, one, "the same words")
    added = items.add(file, project, frame(["The  same words", "the same words"]))
    assert (added.added, added.duplicates) == (0, 2)
    leaving.withdraw(file, one)
    served = work.next_item(file, two)
    assert served.example["text"].lower().split() == ["the", "same", "words"]
    work.submit(file, two, served.token, {"category": "orders"})
    items.decide(file, project, {served.item: {"category": "orders"}}, {})
    assert items.examples(file, project)["labels"].to_list() == ['{"category":"orders"}'] * 2
    sound(file, project)


def test_examples_go_out_as_they_came_in(file):
    given = frame(
        ["one", "nul \x00 inside", "ünïcode ✓", "One", None],
        labels=['{"category": "orders"}'] * 5,
        label=['{"category": "orders"}'] * 5,
        groups=[["thread:1"], [], None, ["a", "b"], None],
        messages=[None, None, '[{"role": "user", "content": "hi"}]', None, None],
    )
    project, _ = project_of(file)
    assert items.add(file, project, given) == items.Added(added=3, duplicates=1, empty=1)
    assert items.add(file, project, given) == items.Added(known=4, empty=1)
    assert items.examples(file, project).equals(given.head(4).sort("id"))
    changed = given.head(1).with_columns(text=given["text"].head(1) + "!")
    assert items.add(file, project, changed) == items.Added(changed=1)
    assert dict(items.examples(file, project).schema) == dict(model.EXAMPLES)


def test_no_item_lease_or_person_of_another_project_is_reached(db):
    project, (one, two, _) = project_of(db, texts(2))
    other, (stranger, _, _) = project_of(db, texts(2))
    served, theirs = work.next_item(db, one), work.next_item(db, stranger)
    lead, their_lead = (someone(db, each, role="lead") for each in (project, other))
    value = {"category": "orders"}
    refused = [
        lambda: work.next_item(db, Person(other, one.contributor)),
        lambda: work.submit(db, Person(other, one.contributor), served.token, value),
        lambda: work.submit(db, stranger, served.token, value),
        lambda: work.submit(db, two, served.token, value),
        lambda: work.renew(db, stranger, served.token),
        lambda: work.release(db, stranger, served.token),
        lambda: work.save_draft(db, stranger, served.token, value),
        lambda: work.skip(db, stranger, served.token),
        lambda: work.flag(db, stranger, served.token, "x"),
        lambda: work.undo(db, Person(other, one.contributor)),
        lambda: leaving.withdraw(db, Person(other, one.contributor)),
        lambda: items.write(db, Person(other, one.contributor), "words"),
        lambda: items.set_gold(db, project, {theirs.item: value}),
        lambda: items.adjudicate(db, lead, theirs.item, value),
        lambda: items.adjudicate(db, Person(project, their_lead.contributor), served.item, value),
        lambda: items.resolve(db, lead, theirs.item, keep=False),
        lambda: access.about(db, Person(other, one.contributor), {}),
        lambda: access.give_consent(db, Person(other, one.contributor), 1),
        lambda: access.new_api_token(db, Person(other, lead.contributor), "x", ["read"]),
        lambda: access.invite(db, project, access.Invite(), by=their_lead.contributor),
        lambda: access.set_member(db, Person(other, one.contributor), "lead"),
        lambda: items.examples(db, "no project"),
    ]
    before = replay.state_now(db, project), replay.state_now(db, other)
    for attempt in refused:
        with pytest.raises(MissingError) as said:
            attempt()
        assert "other project" not in str(said.value)
    items.prioritise(db, project, {theirs.item: 9.0})
    items.decide(db, project, {theirs.item: value}, {})
    assert (replay.state_now(db, project), replay.state_now(db, other)) == before
    assert work.next_item(db, one)[:2] == served[:2]


def test_a_foreign_key_holds_an_answer_in_its_project_whatever_a_program_writes(db):
    project, (one, _, _) = project_of(db, texts(1))
    other, _ = project_of(db, texts(1))
    (theirs,) = per_item(db, other)
    row = {"project_id": project, "item_id": theirs, "contributor_id": one.contributor, "seq": 0, "state": "active"}
    with pytest.raises(sa.exc.DBAPIError, match=r"(?i)foreign key"):
        db.write(lambda tx: tx.add(tables.annotation, row | {"id": "a", "created_at": 0, "token_hash": "t"}))


def test_a_viewer_does_not_label_and_an_annotator_does_not_decide(file):
    project, (person, _, _) = project_of(file, texts(1))
    (item,) = per_item(file, project)
    with pytest.raises(access.NotAllowedError):
        work.next_item(file, someone(file, project, role="viewer"))
    with pytest.raises(access.NotAllowedError):
        items.adjudicate(file, person, item, {"category": "orders"})


def test_no_statement_of_serving_and_answering_reads_a_whole_table_or_sorts_one(file):
    _, (person, _, _) = project_of(file, texts(30), overlap=2)
    asked = {}

    @sa.event.listens_for(file.engine, "before_cursor_execute")
    def keep(*given):
        if given[2].startswith(("SELECT", "UPDATE", "DELETE")):
            asked[given[2]] = given[3]

    for _ in range(3):
        answer(file, person)
    work.skip(file, person, work.next_item(file, person).token)
    work.undo(file, person)
    sa.event.remove(file.engine, "before_cursor_execute", keep)
    assert len(asked) > 20
    with file.read() as tx:
        for statement, given in asked.items():
            plan = [row[3] for row in tx.connection.exec_driver_sql(f"explain query plan {statement}", given)]
            whole = [
                line for line in plan if line.startswith("SCAN") and line not in ("SCAN CONSTANT ROW", "SCAN anon_1")
            ]
            assert whole == [], statement
            # but the leases of one person, which are few
            assert "USE TEMP B-TREE FOR ORDER BY" not in plan or "FROM lease" in statement, statement


@pytest.mark.slow
def test_serving_and_answering_cost_the_same_at_100_000_items_as_at_1_000(tmp_path):
    cost = {}
    for n in (1_000, 100_000):
        db = open_database(tmp_path / f"{n}.db", Clock())
        _, people = project_of(db, texts(n), people=5, overlap=2)
        spent = []
        for turn in range(150):
            begun = time.process_time()
            answer(db, people[turn % 5])
            spent.append(time.process_time() - begun)
        cost[n] = sorted(spent)[75]
        db.close()
    assert cost[100_000] < 1.5 * cost[1_000] + 0.001


# --- questions of a run


def test_questions_of_one_text_are_several_and_what_is_put_away_comes_back_with_its_answers(db):
    project = projects.create(db, "review", "review", Settings(audit_share=0, gold_share=0))
    projects.publish(db, project, "label_schema", {"field": "answer", "labels": []})
    ann, bob = (someone(db, project, name) for name in ("ann", "bob"))
    lead = someone(db, project, "lead", role="lead")
    asked = frame(["one text"] * 4).with_columns(id=model.example_ids("questions", pl.Series(list("abcd"))))
    assert items.add(db, project, asked).added == 4
    order = asked["id"].to_list()[::-1]
    assert items.ask_only(db, project, order) == 0
    first = work.next_item(db, ann)
    assert (first.example["id"], items.add(db, project, asked).known) == (order[0], 4)
    work.submit(db, ann, first.token, {"answer": "accept"})
    held = work.next_item(db, ann)
    assert held.example["id"] == order[1]
    assert items.ask_only(db, project, order[2:]) == 2
    sound(db, project)
    assert work.submit(db, ann, held.token, {"answer": "drop"}).state == "late"  # nobody asks for it now
    with pytest.raises(RefusedError, match="settled"):
        work.undo(db, ann)
    third = work.next_item(db, bob)
    assert third.example["id"] == order[2]
    work.flag(db, bob, third.token, "why?")
    items.resolve(db, lead, third.item, keep=False)
    assert items.ask_only(db, project, order) == 0
    sound(db, project)
    state = {db_item: each.state for db_item, each in replay.state_now(db, project).items.items()}
    assert (state[first.item], state[held.item], state[third.item]) == ("open", "open", "dropped")
    assert per_item(db, project)[first.item] == 1
    assert {work.next_item(db, bob).example["id"]} <= {order[1], order[3]}


def test_a_known_item_is_decided_and_still_asked_and_its_answers_can_be_taken_back(db):
    project, (ann, bob, _) = project_of(db, texts(2), gold_share=1)
    item = min(per_item(db, project))
    items.set_gold(db, project, {item: {"category": "orders"}}, why={item: "it says so"})
    for person in (ann, bob):
        served = work.next_item(db, person)
        assert (served.item, served.suggestion) == (item, None)
        work.submit(db, person, served.token, {"category": "returns"})
    assert work.undo(db, ann).served.item == item
    lead = someone(db, project, "lead", role="lead")
    items.adjudicate(db, lead, item, {"category": "returns"}, "on second thought")
    with db.read() as tx:
        (known,) = tx.all(sa.select(tables.gold))
    assert (known.value, known.explanation) == ('{"category":"returns"}', "on second thought")
    assert items.examples(db, project)["labels"].drop_nulls().to_list() == ['{"category":"returns"}']
    sound(db, project)
