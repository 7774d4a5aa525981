"""Who is missing, as a lead meets it: keys alone, no scripts, a phone, the dark; a browser's console must stay silent."""

import collecting
import pytest
from collecting import invitation, joined
from test_collect_share import HOSTILE, asking, declare
from test_review_browser import press

pytest.importorskip("playwright", reason="no browser: pip install 'tuneset[browser]'")

from playwright.sync_api import expect
from test_collect_browser import browser, come, lead, looked, new, served  # noqa: F401  fixtures

pytestmark = pytest.mark.usefixtures("browser")


@pytest.fixture
def found(lead):  # noqa: F811
    project = collecting.project(lead)
    asking(lead, project)
    return project


def opened(page, served, project):  # noqa: F811
    page.goto(served.link)
    page.goto(f"{served.url}/p/{project}/share")
    return page


def test_a_lead_says_what_is_wanted_and_invites_who_is_missing_by_the_keyboard_alone(new, served, lead, found):  # noqa: F811
    page = opened(new(), served, found)
    page.locator("[name=name]").first.focus()
    page.keyboard.type("region")
    page.keyboard.press("Tab")
    page.keyboard.type("north: 50\nsouth: 50")
    page.keyboard.press("Tab")
    page.keyboard.type("20")
    press(page, "Enter")
    expect(page.get_by_role("status")).to_contain_text("Done.")
    path = invitation(lead, found, uses=30)
    for n in range(29):
        joined(served, path, "x", **{"about:region": "south" if n < 5 else "north"})
    page.reload()
    expect(page.locator(".missing")).to_contain_text("Missing: south (17%")
    expect(page.get_by_role("button", name="Invite one: north")).to_have_count(0)
    page.get_by_role("button", name="Invite one: south").focus()
    press(page, "Enter")
    link = page.locator("code.command").inner_text()
    guest = come(new(), served, link.removeprefix(served.url))
    expect(guest.locator(".ask .text")).to_be_visible()


def test_it_works_with_scripts_off(new, served, found):  # noqa: F811
    page = opened(new(java_script_enabled=False), served, found)
    page.get_by_text("Say what is wanted").nth(1).click()
    page.get_by_text("Say what is wanted").nth(1).click()
    form = page.locator("form.answers").nth(1)
    form.get_by_label("Shares of what").fill("length")
    form.get_by_label("A value a line").fill("short: 90\nlong: 10")
    form.get_by_role("button", name="This is wanted").click()
    expect(page.locator(".missing")).to_contain_text("Examples, length")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
def test_the_page_fits_and_can_be_read_and_harmful_words_do_nothing(new, served, lead, found, scheme, width):  # noqa: F811, PLR0917
    value = HOSTILE.replace(":", "").replace(",", "") + "long" * 20
    asking(lead, found, key="<i>who</i>", options=f"a, {value}")
    page = opened(new(viewport={"width": width, "height": 800}, color_scheme=scheme), served, found)
    looked(page, width)
    declare(lead, found, size="20")
    declare(lead, found, name="<i>who</i>", shares=f"a: 50\n{value}: 50")
    declare(lead, found, about="examples", name="label", shares="orders: 50\nreturns: 50")
    path = invitation(lead, found, uses=25)
    for n in range(25):
        of = {"about:region": "south" if n < 6 else "north", "about:<i>who</i>": value if n % 2 else "a"}
        ann = joined(served, path, "x", **of)
    for _ in range(20):
        collecting.label(ann, found, "orders")
    page.reload()
    assert page.locator("svg.bar").count() == 6
    looked(page, width)
    page.get_by_role("button", name="Invite one: a").click()
    expect(page.locator("code.command")).to_be_visible()
    looked(page, width)
