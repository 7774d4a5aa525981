"""The model that learns along as a team meets it: a label is learned within a minute, and a lead sees what it is worth."""

import re
import time

import collecting
import pytest
import sqlalchemy as sa
from collecting import Client, Collecting, invitation, joined, owner
from test_review_browser import CONTRAST, press

pytest.importorskip("playwright", reason="no browser: pip install 'tuneset[browser]'")

from playwright.sync_api import expect, sync_playwright

from tuneset.people import learner, online, registry, tables
from tuneset.people.database import open_database

ROWS = "\n".join(
    f"where is my order {n}? it is late" if n % 2 else f"how do I return the {n} shoes" for n in range(300)
)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    path = tmp_path_factory.mktemp("people") / "people.db"
    started = Collecting(path)
    started.database = path
    yield started
    started.kill()


@pytest.fixture(scope="module")
def lead(served):
    return owner(served)


@pytest.fixture(scope="module")
def learned(served, lead):
    """A project in which people label while the server learns, until the model of all their labels is live."""
    found = collecting.project(lead, rows=ROWS, labels="orders\nreturns")
    ann = joined(served, invitation(lead, found), "Ann")
    for count in (30, 60, 90):
        for _ in range(count):
            collecting.label(ann, found)
        wait(served, found, ann)
    return found


def wait(served, found, person):
    """Wait until the server has learned what is labelled; return how many seconds that took."""
    begun = time.monotonic()
    db = open_database(served.database)
    wanted = learner.readings(db, found).rows.filter(~learner.readings(db, found).rows["audit"]).height
    while time.monotonic() - begun < 75:
        newest = registry.newest(db, found)
        if newest and newest.params["rows"] == wanted and registry.live_one(db, found):
            break
        time.sleep(0.2)
    db.close()
    return time.monotonic() - begun


@pytest.fixture(scope="module")
def browser(chromium):
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def new(browser):
    """Open a browser of its own; whatever its console says fails the test."""
    opened, said = [], []

    def open_page(**like):
        context = browser.new_context(**like)
        opened.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        return page

    yield open_page
    for context in opened:
        context.close()
    assert said == []


@pytest.mark.slow
def test_one_label_is_learned_within_a_minute(served, lead, learned):
    ann = joined(served, invitation(lead, learned), "Eve")
    db = open_database(served.database)
    while True:  # one of the audit slice is not learned
        before = learner.readings(db, learned).rows.filter("audit").height
        collecting.label(ann, learned)
        if learner.readings(db, learned).rows.filter("audit").height == before:
            break
    db.close()
    assert wait(served, learned, ann) < 60


def test_labels_become_suggestions_on_the_page_of_those_who_label(served, lead, learned):
    bob = joined(served, invitation(lead, learned), "Bob")
    seen = []
    for _ in range(12):
        page = bob.open(f"/p/{learned}/work")[0]
        found = re.search(r"Suggested: <bdi>(\w+)</bdi>", page)
        text = collecting.label(bob, learned)
        seen += [(found[1], "orders" if "order" in text else "returns")] if found else []
    assert len(seen) > 3
    assert [each for each in seen if each[0] != each[1]] == []


def test_a_lead_sees_how_good_it_is_and_goes_back_and_forth_by_the_keyboard(new, served, learned):
    page = new()
    page.goto(served.link)
    page.get_by_role("link", name="Model").click()
    expect(page.locator("h1")).to_have_text(re.compile(r"The model is right on \d+\s%"))
    expect(page.get_by_role("img")).to_have_attribute("aria-label", re.compile("Right on .* after .* labels"))
    number = int(re.search(r"\d+", page.get_by_role("button", name="Go back").inner_text())[0])
    page.get_by_role("button", name="Go back").focus()
    press(page, "Enter")
    expect(page.get_by_role("status")).to_contain_text(f"Back to version {number}")
    expect(page.locator("main")).to_contain_text("nothing else goes live by itself")
    page.get_by_role("button", name="Let better ones take over").focus()
    press(page, "Enter")
    expect(page.get_by_role("status")).to_contain_text("takes over")
    page.get_by_role("button", name="Make it live").first.focus()
    press(page, "Enter")
    expect(page.get_by_role("status")).to_contain_text("is live")
    page.get_by_role("button", name="Let better ones take over").click()


def test_suggestions_are_turned_off_and_on_again(new, served, learned):
    page = new(java_script_enabled=False)
    page.goto(served.link)
    page.goto(f"{served.url}/p/{learned}/model")
    for mode, says in (("off", "People do not see what it suggests."), ("on", "but for 35 % of the texts")):
        page.get_by_role("main").get_by_role("link", name="Settings").click()
        page.get_by_label("What the model suggests").select_option(mode)
        page.get_by_label("Of how many texts, in percent, it is hidden").fill("35")
        page.get_by_role("button", name="Set these rules").click()
        page.goto(f"{served.url}/p/{learned}/model")
        expect(page.get_by_role("main")).to_contain_text(says)


def test_live_texts_are_labelled_when_a_lead_says_so_and_a_trained_model_is_noted(new, served, learned):
    db = open_database(served.database)
    online.live(db, learned, [f"is my order {n} <b>lost</b>?" for n in range(60)])
    db.close()
    page = new()
    page.goto(served.link)
    page.goto(f"{served.url}/p/{learned}/model")
    expect(page.locator("main")).to_contain_text("60 texts came.")
    page.get_by_role("button", name="Label 50 of the latest").click()
    expect(page.get_by_role("status")).to_contain_text("50 more to label")
    page.get_by_role("button", name="I have trained").click()
    expect(page.locator("main")).to_contain_text("No reason to train again.")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
def test_the_page_fits_and_can_be_read(new, learned, served, scheme, width):
    empty = collecting.project(owner(served))
    page = new(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page.goto(served.link)
    for each in (empty, learned):
        page.goto(f"{served.url}/p/{each}/model")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(CONTRAST) == []


def test_the_page_is_for_leads_and_for_projects_in_which_people_label(served, lead, learned):
    ann = joined(served, invitation(lead, learned), "Zoe")
    assert ann.ask("GET", f"/p/{learned}/model")[0] == 403
    form = lead.open(f"/p/{learned}/model")[1]
    assert ann.ask("POST", f"/p/{learned}/model", form | {"do": "back"})[0] == 403
    assert lead.ask("POST", f"/p/{learned}/model", {"do": "back"})[0] == 403  # without the session's token
    assert lead.ask("POST", f"/p/{learned}/model", {"token": form["token"], "do": "choose", "number": "999"})[0] == 409
    assert Client(served).ask("GET", f"/p/{learned}/model")[0] == 401
    written = collecting.to_write(lead)
    assert ">Model</a>" not in lead.open(f"/p/{written}/people")[0]
    assert "No model learns along" in lead.open(f"/p/{written}/model")[0]


def test_what_a_lead_does_is_in_the_log(served, lead, learned):
    path = f"/p/{learned}/model"
    token = lead.open(path)[1]["token"]
    for act in ({"do": "choose", "number": "1"}, {"do": "let-go"}, {"do": "trained"}):
        lead.send(path, token=token, **act)
    db = open_database(served.database)
    with db.read() as tx:
        kinds = {row.kind for row in tx.all(sa.select(tables.event).where(tables.event.c.project_id == learned))}
    db.close()
    assert {"learned", "promoted", "let-go", "trained"} <= kinds
