"""A review that many people answer: what a run found goes to a project, and what they say comes back as decisions."""

import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from html import unescape

import pytest
import review_run
import sqlalchemy as sa
from collecting import Collecting, invitation, joined, owner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from review_run import HOSTILE
from test_review_browser import press
from test_review_exchange import grown

import tuneset
from tuneset import Dataset, model
from tuneset.errors import TunesetError
from tuneset.people import access, items, outcome, projects, replay, tables, work
from tuneset.people.access import Invite
from tuneset.people.database import open_database
from tuneset.people.projects import Person, Settings
from tuneset.review import queue


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    return review_run.prepared(tmp_path_factory.mktemp("review") / "run").path


@pytest.fixture
def run(prepared, tmp_path):
    return Dataset.open(shutil.copytree(prepared, tmp_path / "run"))


@pytest.fixture
def team(run, tmp_path):
    """A project of the run's questions, served: the lead, the project's id, its address."""
    address = f"people:{tmp_path / 'people.db'}#Settle <b>"
    run.review_to(address)
    started = Collecting(tmp_path / "people.db")
    lead = owner(started)
    found = re.search(r"/p/([\w-]+)", lead.open("/?all=1")[0])[1]
    yield lead, found, address
    started.kill()
    db = open_database(tmp_path / "people.db")
    assert replay.recount(db, found) == []
    assert replay.state_of(replay.events(db, found)) == replay.state_now(db, found)
    assert replay.verify(db, found) is None
    db.close()


def asked(client, found):
    """Open the question; return the page and its form."""
    page, form = client.open(f"/p/{found}/work")
    return page, {name: form[name] for name in ("token", "lease")}


def answer(client, found, verdict="accept", **more):
    page, form = asked(client, found)
    client.send(f"/p/{found}/work", **form, verdict=verdict, **more)
    return re.search(r'<article class="ask">(.*?)</article>', page, re.DOTALL)[1]


def rules(lead, found, **told):
    lead.send(f"/p/{found}/settings", token=lead.open(f"/p/{found}/settings")[1]["token"], what="rules", **told)


def decisions(run):
    file = run.path / "decisions.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def test_answers_come_back_as_decisions_under_the_names_of_those_who_gave_them(run, team):
    lead, found, address = team
    waiting = queue.waiting(queue.read(run))
    ann = joined(lead.served, invitation(lead, found), "Ann")
    for verdict in ("accept", "reject", "drop"):
        answer(ann, found, verdict)
    taken = run.review_in(address)
    assert (taken.answered, taken.unanswered, taken.by) == (3, waiting.height - 3, {"Ann": 3})
    assert {row["finding"]: (row["verdict"], row["by"], row["why"]) for row in decisions(run)} == {
        finding: (verdict, "Ann", "tuneset collect")
        for finding, verdict in zip(waiting["id"], ("accept", "reject", "drop"), strict=False)
    }
    again = run.review_in(address)
    assert (again.answered, again.again, len(decisions(run))) == (0, 3, 3)
    asked_now = run.review_to(address)
    assert asked_now.new == 0
    assert asked_now.away >= 3
    assert asked_now.waiting == queue.waiting(queue.read(run)).height
    assert run.review_in(address).again == 3  # what was put away is not forgotten
    tuneset.prepare(run.path)


def test_where_people_disagree_nothing_is_decided_until_a_lead_has_settled_it(run, team):
    lead, found, address = team
    rules(lead, found, overlap="2")
    path = invitation(lead, found, uses=2)
    ann, bob = (joined(lead.served, path, "Pat") for _ in range(2))
    first = answer(ann, found, "accept")
    assert run.review_in(address).answered == 0  # one of two
    assert answer(bob, found, "reject") == first
    taken = run.review_in(address)
    assert (taken.answered, taken.conflicting) == (0, 1)
    assert re.search(r"Pat \(\w{4}\) says accept, Pat \(\w{4}\) says reject", " ".join(taken.says))
    assert decisions(run) == []
    page, form = lead.open(f"/p/{found}/disputes")
    assert first.strip() in page
    assert "They said" in page
    assert "Pat" not in page.partition("<main")[2]
    sent = {name: form[name] for name in ("token", "item")}
    lead.send(f"/p/{found}/disputes", **sent, verdict="reject", rationale="the guide says so")
    assert run.review_in(address).by == {"owner": 1}
    assert decisions(run)[0]["verdict"] == "reject"
    assert decisions(run)[0]["why"] == "tuneset collect: the guide says so"
    for person in (ann, bob):
        answer(person, found, "accept")
    assert run.review_in(address).answered == 1


def test_a_label_or_a_text_of_ones_own_is_an_edit_and_what_is_suggested_is_a_yes(run, team):
    lead, found, address = team
    ann = joined(lead.served, invitation(lead, found), "Ann")
    page, form = asked(ann, found)
    wanted = unescape(re.findall(r'name="chosen" value="([^"]*)"', page)[-1])
    ann.send(f"/p/{found}/work", **form, verdict="edit", chosen=wanted)
    for text in ("another text altogether", None, ""):
        page, form = asked(ann, found)
        while "Take the change" not in page:
            answer(ann, found, "drop")
            page, form = asked(ann, found)
        filled = unescape(re.search(r"<textarea[^>]*>\n?(.*?)</textarea>", page, re.DOTALL)[1])
        sent = form | {"verdict": "edit", "text": filled.replace("\n", "\r\n") if text is None else text}
        assert ann.ask("POST", f"/p/{found}/work", sent)[0] == (303 if text != "" else 400)
    run.review_in(address)
    made = [(row["verdict"], row["after"]) for row in decisions(run) if row["verdict"] != "drop"]
    assert sorted(made, key=str) == sorted(
        [("edit", wanted), ("edit", "another text altogether"), ("accept", None)], key=str
    )


def test_what_cannot_be_carried_out_is_refused_when_it_is_said_and_what_was_typed_stays(run, team):
    lead, found, _ = team
    ann = joined(lead.served, invitation(lead, found), "Ann")
    form = asked(ann, found)[1]
    path = f"/p/{found}/work"
    for wrong, why in (({"verdict": "undo"}, "nothing was chosen"), ({"verdict": "edit", "chosen": "{}"}, "label")):
        status, _, page = ann.ask("POST", path, form | wrong)
        assert (status, why in page) == (400, True)
    assert ann.ask("POST", path, form | {"verdict": "edit", "chosen": '{"nothing": "x"}'})[0] == 400
    for _ in range(2):  # a line that was cut: sent again, it counts once
        ann.send(path, **form, verdict="accept")
    assert "1 answer" in ann.open(f"/p/{found}/me")[0]
    ann.send(path, **form, do="undo")
    page, form = asked(ann, found)
    assert "You had accepted it" in page
    ann.send(path, **form, do="skip", reason="I cannot tell")
    form = asked(ann, found)[1]
    ann.send(path, **form, do="flag", reason="somebody asks you", note="<i>what is this?</i>")
    page = lead.open(f"/p/{found}/disputes")[0]
    assert "&lt;i&gt;what is this?" in page
    assert "<i>" not in page


def test_what_has_changed_since_is_not_taken_and_is_asked_anew(run, team):
    lead, found, address = team
    ann = joined(lead.served, invitation(lead, found), "Ann")
    answer(ann, found, "reject")
    first = queue.waiting(queue.read(run)).row(0, named=True)
    kinds = {row["id"]: row["saw"] for row in _seen(run)}
    db = open_database(address.removeprefix("people:").partition("#")[0])
    with db.read() as tx:
        payloads = {row.id: row.payload for row in tx.all(sa.select(tables.item))}
    old = kinds[first["id"]]
    changed = {item: text.replace(old, "f" * len(old)) for item, text in payloads.items() if old in text}
    assert len(changed) == 1
    gone = {"example_id": "0" * 32, "content_hash": "0" * 32}
    for item, text in changed.items():
        db.run(tables.item.update().where(tables.item.c.id == item).values(gone | {"payload": text}))
    db.close()
    taken = run.review_in(address)
    assert (taken.answered, taken.stale, decisions(run)) == (0, 1, [])
    again = run.review_to(address)
    assert (again.new, again.away) == (1, 1)


def _seen(run):
    found = queue.waiting(queue.read(run))
    return found.with_columns(model.seen(found)).to_dicts()


def test_another_run_or_another_kind_of_project_is_refused(run, team, tmp_path):
    lead, found, address = team
    rows = [{"text": f"a text that says {n} teh same", "label": "x" if n % 2 else "y"} for n in range(30)]
    other = tuneset.prepare(rows, out=tmp_path / "other")
    with pytest.raises(TunesetError, match="reviews another run"):
        other.review_to(address)
    with pytest.raises(TunesetError, match="no project of this name"):
        run.review_in(address + "?")
    with pytest.raises(TunesetError, match="there is no such database"):
        run.review_in(f"people:{tmp_path}/nothing.db")
    assert not (tmp_path / "nothing.db").exists()
    with pytest.raises(TunesetError, match="reviews a run"):
        tuneset.prepare(address, out=tmp_path / "third")
    token = lead.open("/new")[1]["token"]
    lead.send("/new", token=token, name="Labels", labels="a\nb")
    with pytest.raises(TunesetError, match="not to review"):
        run.review_to(address.partition("#")[0] + "#Labels")
    token = lead.open(f"/p/{found}/data")[1]["token"]
    assert lead.ask("POST", f"/p/{found}/data", {"token": token, "rows": "x"})[0] == 409
    assert lead.ask("GET", f"/p/{found}/examples.jsonl")[0] == 409


def test_the_command_says_what_is_asked_and_where_it_is_answered(run, tmp_path):
    address = f"people:{tmp_path}/new.db"
    command = [sys.executable, "-m", "tuneset.cli", "review", str(run.path)]
    said = subprocess.run([*command, "--to", address], capture_output=True, text=True, check=True).stdout
    count = queue.waiting(queue.read(run)).height
    assert f"{count} questions in 'run': {count} new" in said
    assert "tuneset collect" in said
    said = subprocess.run([*command, "--from", address], capture_output=True, text=True, check=True).stdout
    assert f"0 answered, {count} unanswered" in said


VERDICTS = st.sampled_from(["accept", "reject", "drop", "skip", "flag"])


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(answers=st.lists(st.tuples(VERDICTS, VERDICTS, st.sampled_from(["", "accept", "reject"])), max_size=6))
def test_whatever_people_answer_each_finding_is_counted_once_and_only_what_they_agree_on_is_decided(prepared, answers):
    with tempfile.TemporaryDirectory() as folder:
        run = Dataset.open(shutil.copytree(prepared, f"{folder}/run"))
        address = f"people:{folder}/people.db#x"
        count = run.review_to(address).waiting
        with closing(open_database(f"{folder}/people.db")) as db:
            found = outcome.find(db, "x").id
            projects.change(db, found, Settings(overlap=2, gold_share=0, audit_share=0))
            ann, bob = (access.join(db, access.invite(db, found, Invite()), name) for name in ("Ann", "Bob"))
            boss = Person(found, access.owner(db))
            wanted = {}
            for one, other, settled in answers:
                said = {}
                for person, verdict in ((ann, one), (bob, other)):
                    said[person] = verdict
                    served = work.next_item(db, person)
                    finding = json.loads(served.example["extra"])["finding"]
                    if verdict == "skip":
                        work.skip(db, person, served.token)
                    elif verdict == "flag":
                        work.flag(db, person, served.token, "look")
                    else:
                        work.submit(db, person, served.token, {"answer": verdict})
                if settled and len(set(said.values())) == 2 and not {"skip", "flag"} & set(said.values()):
                    items.adjudicate(db, boss, served.item, {"answer": settled})
                    wanted[finding] = settled
                elif one == other and one not in ("skip", "flag"):
                    wanted[finding] = one
        taken = run.review_in(address)
        kinds = (taken.answered, taken.unanswered, taken.stale, taken.unknown, taken.conflicting)
        assert sum(kinds) + taken.refused + taken.again == count
        assert {row["finding"]: row["verdict"] for row in decisions(run)} == wanted
        assert (run.review_in(address).answered, len(decisions(run))) == (0, sum(taken.by.values()))


@pytest.mark.slow
def test_twenty_thousand_findings_go_to_a_project_and_come_back_in_seconds(run, tmp_path):
    run = grown(run, 155)
    address = f"people:{tmp_path}/people.db#x"
    start = time.monotonic()
    asked_for = run.review_to(address)
    out = time.monotonic() - start
    start = time.monotonic()
    again = run.review_to(address)
    twice = time.monotonic() - start
    start = time.monotonic()
    taken = run.review_in(address)
    back = time.monotonic() - start
    sys.stdout.write(f"{asked_for.waiting:,} findings, out {out:.1f} s, again {twice:.1f} s, back {back:.1f} s\n")
    assert asked_for.waiting >= 20_000
    assert (again.new, again.away, taken.unanswered) == (0, 0, asked_for.waiting)
    assert max(out, twice, back) < 60


@pytest.fixture
def page(chromium, team):
    pytest.importorskip("playwright", reason="no browser: pip install 'tuneset[browser]'")
    from playwright.sync_api import sync_playwright

    said = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        context = browser.new_context(viewport={"width": 320, "height": 700}, color_scheme="dark")
        opened = context.new_page()
        opened.on("console", lambda message: said.append(message.text))
        opened.on("pageerror", lambda error: said.append(str(error)))
        yield opened
        browser.close()
    assert said == []


def test_questions_are_answered_by_keys_on_a_narrow_dark_screen(page, run, team):
    from test_collect_browser import come, looked

    lead, found, address = team
    come(page, lead.served, invitation(lead, found), "Ann").wait_for_url("**/work")
    page.wait_for_load_state()
    looked(page, 320)
    first = page.locator(".ask").inner_text()
    press(page, "a")
    assert page.locator("[role=status]").inner_text() == "Accepted"
    press(page, "u")
    assert page.locator(".ask").inner_text() == first
    page.keyboard.press("e")
    field = page.locator("#edit-0")
    assert field.evaluate("each => each === document.activeElement")
    page.keyboard.press("Escape")
    press(page, "r")
    page.keyboard.press("s")
    press(page, "Enter")
    seen = []
    for _ in range(12):
        looked(page, 320)
        seen.append(page.locator(".ask").inner_text())
        press(page, "r")
    assert page.title() != "owned"
    assert len(set(seen)) == 12
    page.goto(f"{lead.served.url}/p/{found}/me")
    looked(page, 320)
    assert run.review_in(address).answered == 13
    assert HOSTILE in {row["text"] for row in queue.read(run).examples.to_dicts()}


def test_a_team_answers_and_a_lead_settles_without_scripts(page, run, team):
    from test_collect_browser import come, looked

    lead, found, address = team
    rules(lead, found, overlap="2")
    path = invitation(lead, found, uses=2)

    def opened():
        context = page.context.browser.new_context(java_script_enabled=False, viewport={"width": 320, "height": 700})
        return context.new_page()

    for name, button in (("Ann", "Drop it"), ("Bob", "Keep it")):
        person = come(opened(), lead.served, path, name)
        person.get_by_role("button", name=button).click()
        person.get_by_text("Ask a lead").click()
        person.get_by_label("What you would like to know").fill(f"{name} asks")
        person.get_by_role("button", name="Ask", exact=True).click()
        person.get_by_role("button", name="Undo").wait_for()
    boss = opened()
    boss.goto(lead.served.link)
    boss.goto(f"{lead.served.url}/p/{found}/disputes")
    assert "asks" in boss.locator("main").inner_text()
    boss.get_by_role("button", name="Ask nobody").click()
    assert "They said: yes, no" in boss.locator("main").inner_text()
    boss.get_by_label("Why, if you like").first.fill("it is the older one")
    boss.get_by_role("button", name="Keep it").click()
    page.goto(lead.served.link)
    for each in ("disputes", "data", "settings", "quality", "people", "guide", ""):
        page.goto(f"{lead.served.url}/p/{found}/{each}".rstrip("/"))
        looked(page, 320)
    assert run.review_in(address).answered == 1
    assert decisions(run)[0]["why"] == "tuneset collect: it is the older one"
