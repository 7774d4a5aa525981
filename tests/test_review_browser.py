"""The review as a person meets it: a real browser, keys alone, no scripts, a phone, the dark, a line that is cut."""

import json
import re
import shutil

import polars as pl
import pytest
import review_run
from review_run import Served

pytest.importorskip("playwright", reason="no browser: pip install 'tuneset[browser]'")

from playwright.sync_api import expect, sync_playwright

from tuneset import Dataset


@pytest.fixture(scope="module")
def serving(tmp_path_factory):
    path = review_run.prepared(tmp_path_factory.mktemp("review") / "run").path
    started = Served(shutil.copytree(path, path.with_name("served")))
    yield started
    started.process.kill()
    started.process.communicate()


@pytest.fixture(scope="module")
def browser(chromium):
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def enter(browser, serving):
    """Open the link in a browser of its own; whatever its console says fails the test."""
    serving.decisions.unlink(missing_ok=True)
    opened, said = [], []

    def new(path="/", **like):
        context = browser.new_context(**like)
        opened.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(serving.link)
        page.goto(serving.url + path)
        return page

    yield new
    for context in opened:
        context.close()
    assert [each for each in said if "ERR_INTERNET_DISCONNECTED" not in each] == []


def decisions(serving):
    return [json.loads(line) for line in serving.decisions.read_text().splitlines()]


def asked(page):
    return re.search(r"/finding/(\w+)", page.locator("form.first").get_attribute("action"))[1]


def left(page):
    return int(page.locator(".left strong").inner_text().replace(",", ""))


def press(page, key):
    """Press a key that sends a form, and wait for the page that follows."""
    with page.expect_navigation():
        page.keyboard.press(key)


def test_a_run_is_reviewed_by_the_keyboard_alone(enter, serving):
    page = enter()
    press(page, "Enter")
    page.goto(f"{serving.url}/next?rule=typo")
    before, ids = left(page), []
    for key in "arsd":
        ids.append(asked(page))
        press(page, key)
    assert left(page) == before - 3
    assert [(row["finding"], row["verdict"]) for row in decisions(serving)] == [
        (ids[0], "accept"),
        (ids[1], "reject"),
        (ids[3], "drop"),
    ]
    press(page, "u")
    assert asked(page) == ids[3]
    press(page, "u")
    assert asked(page) == ids[2]  # the skipped one is asked again
    page.keyboard.press("e")
    expect(page.locator("textarea")).to_be_focused()
    page.keyboard.press("Control+a")
    page.keyboard.type("ask a person; arsdu are letters here")
    press(page, "Control+Enter")
    assert decisions(serving)[-1]["after"] == "ask a person; arsdu are letters here"
    expect(page.locator("[role=status]")).to_have_text("Edited")


def test_a_label_is_chosen_by_its_number(enter, serving):
    page = enter("/next?rule=conflicting-label")
    choice = page.locator("[data-key='2']")
    wanted = choice.get_attribute("value")
    press(page, "2")
    assert (decisions(serving)[0]["verdict"], decisions(serving)[0]["after"]) == ("edit", wanted)


def test_all_that_are_alike_are_answered_at_once_and_taken_back_at_once(enter, serving):
    page = enter()
    typo = Dataset.open(serving.run).findings("typo").filter(pl.col("says").str.contains('"recieve"'))["id"][0]
    page.goto(f"{serving.url}/finding/{typo}")
    press(page, "b")
    press(page, "Enter")
    assert len(decisions(serving)) == len(review_run.TYPOS)
    expect(page.locator("[role=status]")).to_have_text(f"Accepted {len(review_run.TYPOS)}")
    press(page, "u")
    assert {row["verdict"] for row in decisions(serving)[len(review_run.TYPOS) :]} == {"undo"}


def test_it_works_with_scripts_off(enter, serving):
    page = enter("/next?rule=typo", java_script_enabled=False)
    first = asked(page)
    page.get_by_role("button", name="Take the change").click()
    page.get_by_role("button", name="Undo").click()
    assert asked(page) == first
    page.locator(".edit summary").click()
    page.locator("textarea").fill("by hand")
    page.get_by_role("button", name="Save").click()
    assert [row["verdict"] for row in decisions(serving)] == ["accept", "undo", "edit"]
    page.get_by_label("rule").select_option("label-error")
    page.get_by_role("button", name="Show these").click()
    expect(page.locator(".ask code")).to_have_text("label-error")


def test_a_line_that_is_cut_loses_nothing_that_was_typed(enter, serving):
    page = enter("/next?rule=typo")
    page.keyboard.press("e")
    page.locator("textarea").fill("typed while the line was cut")
    page.context.set_offline(True)
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".offline")).to_contain_text("Nothing is lost")
    assert page.locator("textarea").input_value() == "typed while the line was cut"
    assert not serving.decisions.exists()
    page.context.set_offline(False)
    with page.expect_navigation():
        page.get_by_role("button", name="Save").click()
    assert [row["after"] for row in decisions(serving)] == ["typed while the line was cut"]


def test_two_people_do_not_answer_the_same_twice(enter, serving):
    one, two = enter("/next?rule=typo"), enter("/next?rule=typo")
    assert asked(one) == asked(two)
    first = asked(one)
    press(one, "a")
    press(two, "a")
    assert [row["finding"] for row in decisions(serving)] == [first]
    assert asked(one) == asked(two)
    press(two, "r")
    press(one, "s")
    assert len({row["finding"] for row in decisions(serving)}) == 2


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
def test_every_page_fits_and_can_be_read(enter, serving, scheme, width):
    page = enter("/", viewport={"width": width, "height": 800}, color_scheme=scheme)
    rules = ["conflicting-label", "label-error", "typo", "near-duplicate", "irrelevant"]
    for path in ("/", "/answered", *(f"/next?rule={rule}" for rule in rules), "/next?rule=none"):
        page.goto(serving.url + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        assert page.evaluate(CONTRAST) == [], path
        small = page.evaluate(
            "[...document.querySelectorAll('.answers button')].filter(b => b.offsetHeight < 40).map(b => b.textContent)"
        )
        assert small == [], path


# Words whose colour is too near to that of what is behind them (WCAG 2.2: 4.5 to 1).
CONTRAST = """() => {
  const part = (v) => { v /= 255; return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; };
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => .2126 * part(r) + .7152 * part(g) + .0722 * part(b);
  const behind = (node) => {
    for (; node; node = node.parentElement) {
      const found = rgb(getComputedStyle(node).backgroundColor);
      if (found.length < 4 || found[3] > 0) return found;
    }
    return [255, 255, 255];
  };
  return [...document.querySelectorAll("main *, header *, footer *")]
    .filter((node) => node.checkVisibility() && [...node.childNodes].some((c) => c.nodeType === 3 && c.data.trim()))
    .filter((node) => !node.matches("option, kbd, kbd *"))
    .map((node) => {
      const [a, b] = [light(rgb(getComputedStyle(node).color)), light(behind(node))];
      return [(Math.max(a, b) + .05) / (Math.min(a, b) + .05), node.outerHTML.slice(0, 80)];
    })
    .filter(([ratio]) => ratio < 4.5);
}"""


def test_whoever_uses_the_tab_key_sees_where_they_are(enter, serving):
    page = enter("/next?rule=typo")
    seen = []
    for _ in range(12):
        page.keyboard.press("Tab")
        style = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        seen.append(page.evaluate("document.activeElement.textContent.trim().slice(0, 15)"))
        assert style == "solid", seen
    assert any(each.startswith("Take the change") for each in seen)


def test_hostile_texts_do_nothing_in_a_real_browser(enter, serving):
    page = enter()
    run = Dataset.open(serving.run)
    hostile = run.folder.table("get", "examples").filter(pl.col("text") == review_run.HOSTILE)["id"]
    for each in run.folder.findings().filter(pl.col("example").is_in(hostile.implode()))["id"]:
        page.goto(f"{serving.url}/finding/{each}")
        assert page.title() != "owned"
