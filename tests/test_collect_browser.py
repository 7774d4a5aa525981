"""Collecting as a team meets it: real browsers side by side, keys alone, no scripts, a phone, the dark, a line that is cut."""

import json
import re

import collecting
import pytest
from collecting import Collecting, invitation, owner
from test_review_browser import CONTRAST, press

pytest.importorskip("playwright", reason="no browser: pip install 'tuneset[browser]'")

from playwright.sync_api import expect, sync_playwright


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    started = Collecting(tmp_path_factory.mktemp("people") / "people.db")
    yield started
    started.kill()


@pytest.fixture(scope="module")
def lead(served):
    return owner(served)


@pytest.fixture(scope="module")
def browser(chromium):
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def new(browser):
    """Open a browser of its own; whatever its console says fails the test, but for pages that `new.refused` expects."""
    opened, said = [], []

    def open_page(**like):
        context = browser.new_context(**like)
        opened.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        return page

    open_page.refused = ()
    yield open_page
    for context in opened:
        context.close()
    fine = ["ERR_INTERNET_DISCONNECTED", *(f"status of {status} " for status in open_page.refused)]
    assert [each for each in said if not any(word in each for word in fine)] == []


def come(page, served, path, name="Ann"):
    page.goto(served.url + path)
    page.get_by_label("Your name").fill(name)
    if page.locator("[name=agree]").count():
        page.get_by_label("I have read this").check()
    page.get_by_role("button", name="Come in").click()
    return page


def shown(page):
    return page.locator(".ask .text").inner_text()


@pytest.mark.slow
def test_the_whole_way_from_an_empty_database_to_two_people_who_label(new, tmp_path):
    started = Collecting(tmp_path / "new.db")
    lead = new()
    lead.goto(started.link)
    lead.get_by_label("Name of the project").fill("Shop")
    lead.get_by_label("Labels, one a line").fill(collecting.LABELS)
    lead.get_by_label("How many people").fill("2")
    lead.get_by_role("button", name="Make it").click()
    lead.get_by_label("A text a line").fill(collecting.ROWS)
    lead.get_by_role("button", name="Add", exact=True).click()
    expect(lead.get_by_role("status")).to_have_text("40 added.")
    lead.get_by_role("link", name="People").click()
    lead.locator("[name=uses]").fill("2")
    lead.get_by_role("button", name="Make a link").click()
    path = lead.locator("code.command").inner_text().removeprefix(started.url)
    ann, bob = (come(new(), started, path, name) for name in ("Ann", "Bob"))
    for _ in range(5):
        press(ann, "1")
        press(bob, "2")
    lead.get_by_role("link", name="Quality").click()
    expect(lead.locator("h1")).to_contain_text("alpha")
    lead.get_by_role("link", name="Data").click()
    with lead.expect_download() as download:
        lead.get_by_role("link", name="Download the labels").click()
    assert download.value.suggested_filename == "examples.jsonl"
    started.kill()


def test_a_person_labels_by_the_keyboard_alone(new, served, lead):
    found = collecting.project(lead)
    page = come(new(), served, invitation(lead, found))
    first = shown(page)
    press(page, "1")
    expect(page.locator("[role=status]")).to_have_text("Labelled orders")
    press(page, "u")
    assert shown(page) == first
    expect(page.locator(".was")).to_contain_text("orders")
    page.keyboard.press("s")
    expect(page.locator("#skip-0")).to_be_focused()
    press(page, "Enter")
    assert shown(page) != first
    page.keyboard.press("f")
    expect(page.locator("#flag-0")).to_be_focused()
    press(page, "Enter")
    expect(page.locator("[role=status]")).to_have_text("Reported")
    for _ in range(2):
        press(page, "u")
    assert shown(page) == first


def test_two_people_at_once_never_have_the_same_text_where_one_is_enough(new, served, lead):
    found = collecting.project(lead)
    path = invitation(lead, found, uses=2)
    ann, bob = (come(new(), served, path, name) for name in ("Ann", "Bob"))
    seen = []
    for _ in range(8):
        assert shown(ann) != shown(bob)
        seen += [shown(ann), shown(bob)]
        press(ann, "1")
        press(bob, "2")
    assert len(set(seen)) == len(seen)


def test_it_works_with_scripts_off(new, served, lead):
    found = collecting.project(lead, consent=collecting.TERMS)
    page = come(new(java_script_enabled=False), served, invitation(lead, found))
    first = shown(page)
    page.get_by_role("button", name="orders").click()
    page.get_by_role("button", name="Undo").click()
    assert shown(page) == first
    page.get_by_text("Something is wrong with it").click()
    page.get_by_role("button", name="it names a person").click()
    assert shown(page) != first
    page.get_by_role("link", name="My labels").click()
    page.get_by_text("Leave, and take back").click()
    page.get_by_label("Yes, remove").check()
    page.get_by_role("button", name="Leave Shop").click()
    expect(page.locator("h1")).to_have_text("You have left Shop <b>.")


def test_a_line_that_is_cut_loses_no_label(new, served, lead):
    found = collecting.project(lead)
    page = come(new(), served, invitation(lead, found))
    first = shown(page)
    page.context.set_offline(True)
    page.keyboard.press("1")
    expect(page.locator(".offline")).to_contain_text("Nothing is lost")
    assert shown(page) == first
    page.context.set_offline(False)
    press(page, "1")
    assert shown(page) != first
    page.goto(f"{served.url}/p/{found}/me")
    expect(page.locator("h1")).to_have_text("You have given 1 label.")


def test_what_is_being_written_is_kept_and_is_there_when_the_page_is_opened_again(new, served, lead):
    found = collecting.project(lead, labels="")
    page = new()
    page.clock.install()
    come(page, served, invitation(lead, found))
    text = shown(page)
    page.locator("textarea").fill("half of an ans")
    with page.expect_response("**/draft") as kept:
        page.clock.fast_forward(21_000)
    assert kept.value.status == 200
    page.goto(f"{served.url}/p/{found}/work")
    assert (shown(page), page.locator("textarea").input_value()) == (text, "half of an ans")
    page.locator("textarea").fill("a whole answer")
    press(page, "Control+Enter")
    assert shown(page) != text


def test_who_writes_sees_what_is_nearly_the_same_while_they_write(new, served, lead):
    found = collecting.to_write(lead)
    page = come(new(), served, invitation(lead, found, role="writer"))
    expect(page.get_by_label("written")).to_have_js_property("value", 0)
    page.keyboard.press("Tab")
    page.locator("textarea").fill("where is the parcel that I was promised?")
    press(page, "Control+Enter")
    expect(page.get_by_role("status")).to_have_text("Kept. Thank you.")
    expect(page.get_by_label("written")).to_have_js_property("value", 1)  # and the next card, by chance the same again
    page.locator("textarea").press_sequentially("Where is the parcel that I was promised")
    expect(page.locator("#near .text")).to_have_text("where is the parcel that I was promised?")
    page.locator("textarea").fill("something else altogether, on another matter")
    expect(page.locator("#near .text")).to_have_count(0)


def lent_for(lead, found, seconds):
    token = lead.open(f"/p/{found}/settings")[1]["token"]
    lead.send(f"/p/{found}/settings", token=token, what="rules", lease_seconds=str(seconds))


def test_a_label_that_comes_after_its_lease_has_ended_counts_while_there_is_room(new, served, lead):
    found = collecting.project(lead, rows="where is the only parcel that I have?")
    lent_for(lead, found, 1)
    page = come(new(), served, invitation(lead, found))
    expect(page.locator(".ask .text")).to_be_visible()
    page.wait_for_timeout(1300)
    press(page, "1")
    expect(page.locator("h1")).to_have_text("All is labelled. Thank you.")
    expect(page.get_by_role("alert")).to_have_count(0)
    page.goto(f"{served.url}/p/{found}/me")
    expect(page.locator(".rows .by")).to_have_text("orders")


def test_a_label_that_comes_after_others_have_answered_is_kept_as_late_and_its_person_is_told(new, served, lead):
    found = collecting.project(lead, rows="where is the only parcel that I have?")
    lent_for(lead, found, 1)
    path = invitation(lead, found, uses=2)
    ann = come(new(), served, path)
    text = shown(ann)
    ann.wait_for_timeout(1300)
    bob = come(new(), served, path, "Bob")
    assert shown(bob) == text  # it is his now
    press(bob, "2")
    press(ann, "1")
    expect(ann.get_by_role("alert")).to_contain_text("Yours is kept, and marked as late.")
    ann.goto(f"{served.url}/p/{found}/me")
    expect(ann.locator(".rows .by")).to_have_text("orders · late")
    rows = [json.loads(line) for line in lead.ask("GET", f"/p/{found}/examples.jsonl")[2].splitlines()]
    assert [row["label"] for row in rows] == ["returns"]


def test_a_link_that_is_used_up_or_copied_lets_nobody_else_in(new, served, lead):
    new.refused = (404, 401)
    found = collecting.project(lead)
    path = invitation(lead, found)
    ann, thief = new(), new()
    thief.goto(served.url + path)  # looked at in time, sent too late
    come(ann, served, path)
    expect(ann.locator(".ask")).to_be_visible()
    thief.get_by_label("Your name").fill("Thief")
    thief.get_by_role("button", name="Come in").click()
    expect(thief.locator("h1")).to_contain_text("no good")
    thief.goto(f"{served.url}/p/{found}/work")
    expect(thief.locator("h1")).to_contain_text("Open the link of your invitation")
    assert thief.context.cookies() == []


def test_a_cookie_that_somebody_planted_is_replaced_when_its_person_comes_in(new, served, lead):
    new.refused = (401,)
    found = collecting.project(lead)
    page, name = new(), f"tuneset-people-{served.port}"
    page.context.add_cookies([{"name": name, "value": "planted", "url": served.url}])
    come(page, served, invitation(lead, found))
    expect(page.locator(".ask")).to_be_visible()
    (cookie,) = page.context.cookies()
    assert cookie["value"] != "planted"
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Lax")
    other = new()
    other.context.add_cookies([{"name": name, "value": "planted", "url": served.url}])
    other.goto(f"{served.url}/p/{found}/work")
    expect(other.locator("h1")).to_contain_text("Open the link of your invitation")


def test_an_answer_whose_page_never_came_is_sent_again_and_counts_once(new, served, lead):
    found = collecting.project(lead)
    page = come(new(), served, invitation(lead, found))
    first = shown(page)

    def cut(route):
        route.fetch(max_redirects=0)  # the server has it; the answer is lost on the way
        route.abort("connectionreset")

    page.route("**/work", cut, times=1)
    with page.expect_event("requestfailed"):
        page.keyboard.press("1")
    page.wait_for_timeout(700)  # until the browser shows words of its own
    assert page.locator(".ask").count() == 0
    with page.expect_request("**/work") as again:
        page.reload()
    assert again.value.method == "POST"
    assert shown(page) != first
    page.goto(f"{served.url}/p/{found}/me")
    expect(page.locator("h1")).to_have_text("You have given 1 label.")


def test_a_form_on_another_site_writes_nothing(new, served, lead):
    new.refused = (403,)
    found = collecting.project(lead)
    page = come(new(), served, invitation(lead, found))
    form = {name: page.locator(f".first [name={name}]").get_attribute("value") for name in ("token", "lease", "field")}
    fields = "".join(f'<input name="{name}" value="{value}">' for name, value in (form | {"label": "orders"}).items())
    evil = f'<form method="post" action="{served.url}/p/{found}/work">{fields}<button>Win</button></form>'
    page.route("http://evil.example/**", lambda route: route.fulfill(body=evil, content_type="text/html"))
    page.goto("http://evil.example/")
    with page.expect_navigation():
        page.get_by_role("button").click()
    assert "another site" in page.content() or "Open the link" in page.content()
    page.goto(f"{served.url}/p/{found}/me")
    expect(page.locator("h1")).to_have_text("You have given 0 labels.")


def test_known_texts_are_given_by_the_keyboard_alone_and_teach_where_the_project_is_to(new, served, lead):
    found = collecting.project(lead, rows="a text that nobody knows")
    boss = new()
    boss.goto(served.link)
    boss.goto(f"{served.url}/p/{found}/gold")
    boss.locator("textarea").focus()
    boss.keyboard.insert_text("text,label,why\none text,orders,it says so\nother text,orders,\n")
    press(boss, "Control+Enter")
    expect(boss.get_by_role("status")).to_have_text("2 are known now.")
    boss.goto(f"{served.url}/p/{found}/settings")
    boss.get_by_label("How often, in percent, somebody gets").fill("100")
    boss.get_by_label("Who answers such a text wrongly").select_option("on")
    boss.get_by_role("button", name="Set these rules").click()
    page = come(new(), served, invitation(lead, found))
    text = shown(page)
    press(page, "2")
    expect(page.get_by_role("alert")).to_contain_text("The text before is orders, and not returns.")
    expect(page.get_by_role("alert").locator(".text")).to_have_text(text)
    press(page, "1")
    expect(page.get_by_role("alert")).to_have_count(0)


def test_a_lead_adds_a_file_hands_out_an_increment_and_makes_a_token_by_the_keyboard(new, served, lead, tmp_path):
    found = collecting.project(lead, rows="x")
    page = new()
    page.goto(served.link)
    page.goto(f"{served.url}/p/{found}/data")
    table = tmp_path / "rows.csv"
    table.write_text("body,kind\nwhere is the large parcel?,orders\nhow do I send a hat back?,returns\n")
    page.locator("[name=file]").set_input_files(table)
    page.get_by_label("Its column of texts").fill("body")
    page.get_by_label("Its columns of labels").fill("kind")
    press(page, "Enter")
    expect(page.get_by_role("status")).to_have_text("2 added. The text is in body.")
    page.get_by_role("link", name="Settings").focus()
    press(page, "Enter")
    page.get_by_role("link", name="Programs").focus()
    press(page, "Enter")
    page.get_by_label("What it is for").fill("<b>nightly</b>")
    page.get_by_role("checkbox", name="add").focus()
    page.keyboard.press("Space")
    page.get_by_label("What it is for").focus()
    press(page, "Enter")
    expect(page.locator("code.command")).to_have_text(re.compile(r"^[\w-]{43}$"))
    expect(page.locator("tbody").first).to_contain_text("<b>nightly</b>")
    expect(page.locator("tbody").first).to_contain_text("add, read")
    page.goto(f"{served.url}/p/{found}/export")
    page.get_by_role("button", name="Make increment 1").focus()
    press(page, "Enter")
    expect(page.get_by_role("status")).to_have_text("Increment 1: 2 rows.")
    with page.expect_download() as download:
        page.get_by_role("link", name="Rows 1").click()
    assert download.value.suggested_filename == "increment-0001.jsonl"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
def test_every_page_fits_and_can_be_read(new, served, lead, scheme, width):
    found = collecting.project(lead, overlap=2)
    path = invitation(lead, found, uses=2)
    look = {"viewport": {"width": width, "height": 800}, "color_scheme": scheme}
    page = new(**look)
    page.goto(served.url + path)
    looked(page, width)
    come(page, served, path)
    for each in ("work", "guide", "me"):
        page.goto(f"{served.url}/p/{found}/{each}")
        looked(page, width)
    boss = new(**look)
    boss.goto(served.link)
    token = lead.open(f"/p/{found}/export")[1]["token"]
    collecting.label(lead, found, "orders")
    lead.send(f"/p/{found}/export", token=token)
    for each in ("", "/people", "/disputes", "/quality", "/data", "/gold", "/settings", "/export", "/programs"):
        boss.goto(f"{served.url}/p/{found}{each}")
        looked(boss, width)


def looked(page, width):
    assert page.evaluate("document.documentElement.scrollWidth") <= width, page.url
    assert page.evaluate(CONTRAST) == [], page.url
    assert re.search(r"\S", page.locator("h1").first.text_content()), page.url
