"""The report in a real browser: what is drawn, what answers, wide, narrow, light, dark and on paper."""

from __future__ import annotations

import pytest
from browser import browser
from report_runs import RUNS, messy, rendered

every_run = pytest.mark.parametrize("name", RUNS)

MEASURE = """(() => {
const light = colour => { const [r, g, b] = colour.map(v => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b };
const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
const behind = node => { for (; node; node = node.parentElement) { const c = numbers(getComputedStyle(node).backgroundColor); if (c[3] !== 0) return c } return [255, 255, 255] };
const faintest = () => {
  let least = [21, ""];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const node = walk.currentNode.parentElement, words = walk.currentNode.data.trim().slice(0, 40);
    if (!words || node.closest("style, script, .hide, .skip")) continue;
    const style = getComputedStyle(node), ink = light(numbers(node.closest("svg") ? style.fill : style.color).slice(0, 3)), paper = light(behind(node).slice(0, 3));
    const ratio = (Math.max(ink, paper) + .05) / (Math.min(ink, paper) + .05);
    if (ratio < least[0]) least = [ratio, `${words} in ${node.tagName}.${node.className}`];
  }
  return least;
};
const choose = getSelection();
document.querySelectorAll("details").forEach(details => details.open = true);
const copied = [...document.querySelectorAll(".command")].map(command => { choose.selectAllChildren(command); return choose.toString() });
const stops = [...document.querySelectorAll("a, summary, button, select, input, [tabindex='0']")].filter(stop => stop.checkVisibility());
const focus = stops.map(stop => { stop.focus({focusVisible: true}); return document.activeElement === stop && getComputedStyle(stop).outlineWidth });
return {
  width: document.documentElement.scrollWidth, pwned: "pwned" in window, faintest: faintest(), copied, focus: [...new Set(focus)],
  contents: getComputedStyle(document.querySelector(".contents")).display, paper: getComputedStyle(document.body).backgroundColor,
};
})()"""
# A canvas is drawn where its pixels are of several colours; the charts' own ids come with them.
DRAWN = """Object.fromEntries([...document.querySelectorAll("[data-chart]")].map(node => {
const canvas = node.querySelector("canvas"), colours = new Set();
if (!canvas || !canvas.width || !canvas.height) return [node.dataset.chart, 0];
for (const pixel of new Uint32Array(canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.buffer)) { colours.add(pixel); if (colours.size > 20) break }
return [node.dataset.chart, colours.size];
}))"""
# A dot of the map: its number and where it lies in the window.
DOT = """(which => {
const node = document.querySelector("[data-chart=map]"), spec = JSON.parse(document.getElementById("data").textContent).map;
node.scrollIntoView({block: "center", behavior: "instant"});
const [x, y] = echarts.getInstanceByDom(node).convertToPixel({gridIndex: 0}, [spec.x[which], spec.y[which]]), at = node.getBoundingClientRect();
return {x: at.left + x, y: at.top + y, text: spec.text[which], id: spec.id[which]};
})"""
# Dots that no other lies on, of those whose text begins so.
ALONE = """(start => {
const {x, y, text} = JSON.parse(document.getElementById("data").textContent).map;
return x.map((_, one) => one).filter(one => text[one].startsWith(start) && x.every((_, other) => one === other || Math.hypot(x[one] - x[other], y[one] - y[other]) > .03));
})"""
TIP = "[...document.querySelectorAll('[data-chart=map] .tip')].map(tip => tip.checkVisibility({visibilityProperty: true, opacityProperty: true}) && tip.textContent).join('')"


@pytest.fixture(scope="module")
def chromium():
    with browser() as found:
        yield found


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    home = tmp_path_factory.mktemp("pages")
    for name in RUNS:
        (home / f"{name}.html").write_text(rendered(name), encoding="utf-8", errors="surrogatepass")
    return {name: home / f"{name}.html" for name in RUNS}


@pytest.fixture(scope="module")
def seen(chromium, files):
    """Open each page on a phone, on a wide screen and at night, and measure it."""
    found = {}
    for name in RUNS:
        for width, dark in ((390, False), (1280, False), (1280, True)):
            chromium.open(files[name], width=width, dark=dark)
            drawn = chromium.run(DRAWN)
            measured = chromium.run(MEASURE)
            chromium.settle()
            measured |= {"drawn": drawn, "complaints": chromium.complaints(), "requests": chromium.requests()}
            found[name, width, dark] = measured
    return found


VIEWS = [(390, False), (1280, False), (1280, True)]
every_view = pytest.mark.parametrize(("width", "dark"), VIEWS, ids=["phone", "light", "dark"])


@every_view
@every_run
def test_every_chart_is_drawn_and_nobody_complains(seen, name, width, dark):
    found = seen[name, width, dark]
    assert [chart for chart, colours in found["drawn"].items() if colours < 3] == []
    assert found["complaints"] == []
    assert len(found["drawn"]) >= (10 if name in {"whole", "attacked"} else 0 if name == "empty" else 3)


@every_view
@every_run
def test_nothing_is_asked_of_the_network_and_no_hostile_script_runs(seen, name, width, dark):
    assert (seen[name, width, dark]["pwned"], seen[name, width, dark]["requests"]) == (False, [])


@every_run
def test_a_phone_shows_the_page_without_sideways_scrolling(seen, name):
    assert seen[name, 390, False]["width"] == 390


@every_run
def test_the_contents_stand_beside_the_page_on_wide_screens_only(seen, name):
    wide = seen[name, 1280, False]
    assert (wide["width"], wide["contents"]) == (1280, "block")
    assert seen[name, 390, False]["contents"] == "none"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@every_run
def test_every_word_stands_out_from_its_ground_by_4_5_to_1(seen, name, dark):
    ratio, words = seen[name, 1280, dark]["faintest"]
    assert ratio >= 4.5, words


def test_the_page_follows_the_reader_into_the_dark(seen):
    assert seen["fine", 390, False]["paper"] == "rgb(251, 249, 244)"
    assert seen["fine", 1280, True]["paper"] == "rgb(23, 25, 29)"


def test_a_command_is_copied_as_it_is_typed(seen):
    assert seen["messy", 390, False]["copied"] == [step["command"] for step in messy()["next"]]


@every_run
def test_every_stop_of_the_tab_key_shows_its_focus(seen, name):
    assert seen[name, 1280, False]["focus"] == ["3px"]


@pytest.mark.parametrize("width", [390, 1280])
def test_a_dot_of_the_map_says_its_text_and_keeps_it_when_it_is_clicked(chromium, files, width):
    chromium.open(files["whole"], width=width)
    for which in chromium.run(f"{ALONE}('')")[:3]:
        dot = chromium.run(f"{DOT}({which})")
        chromium.point(dot["x"], dot["y"])
        assert dot["text"] in chromium.run(TIP)
    chromium.point(dot["x"], dot["y"], click=True)
    panel = "document.getElementById('map-panel').textContent"
    assert dot["text"] in chromium.run(panel)
    assert dot["id"] in chromium.run(panel)
    assert chromium.complaints() == []


def test_a_hostile_dot_says_its_text_as_text(chromium, files):
    chromium.open(files["attacked"])
    [which, *_] = chromium.run(f"{ALONE}('<script>')")
    dot = chromium.run(f"{DOT}({which})")
    chromium.point(dot["x"], dot["y"])
    assert "<script>top.pwned" in chromium.run(TIP)
    chromium.point(dot["x"], dot["y"], click=True)
    assert "<script>top.pwned" in chromium.run("document.getElementById('map-panel').textContent")
    assert (
        chromium.run("'pwned' in window || document.querySelectorAll('.panel script, .tip script, img').length > 0")
        is False
    )
    assert chromium.complaints() == []


def test_the_map_is_walked_searched_and_coloured_by_keyboard(chromium, files):
    chromium.open(files["whole"])
    panel = "document.getElementById('map-panel').textContent"
    chromium.run("document.querySelector('[data-chart=map]').focus()")
    told = []
    for key in ("ArrowRight", "ArrowUp", "ArrowLeft"):
        chromium.press(key)
        told.append(chromium.run(panel))
    assert len(set(told)) == 3
    chromium.run("document.getElementById('map-search').focus()")
    chromium.call("Input.insertText", text="gift card")
    chromium.settle()
    assert chromium.run("document.getElementById('map-status').textContent").endswith(" of 500")
    chromium.press("Enter")
    assert "gift card" in chromium.run(panel).lower()
    names = "[...document.querySelectorAll('#map-key bdi')].map(name => name.textContent)"
    before = chromium.run(names)
    chromium.run(
        "{const by = document.getElementById('map-by'); by.value = '3'; by.dispatchEvent(new Event('change'))}"
    )
    assert chromium.run("document.getElementById('map-by').selectedOptions[0].textContent") == "finding"
    assert chromium.run(names) != before
    assert {"wrong-label", "irrelevant", "personal-data"} < set(chromium.run(names))


def test_charts_follow_the_reader_into_the_dark_and_are_light_on_paper(chromium, files):
    chromium.open(files["whole"])
    ink = (
        "echarts.getInstanceByDom(document.querySelector('[data-chart=lengths]')).getOption().series[0].itemStyle.color"
    )
    light = chromium.run(ink)
    chromium.look_as(dark=True)
    chromium.settle()
    dark = chromium.run(ink)
    chromium.run("addEventListener('afterprint', () => {}, {once: true}); addEventListener('beforeprint', () => setTimeout(() => {}), {once: true}); window.printed = ''; addEventListener('beforeprint', () => { printed = echarts.getInstanceByDom(document.querySelector('[data-chart=lengths]')).getOption().series[0].itemStyle.color })")  # fmt: skip
    assert len(chromium.call("Page.printToPDF", printBackground=True)["data"]) > 100_000
    assert (chromium.run("printed"), chromium.run(ink)) == (light, dark)
    assert light != dark
    assert chromium.complaints() == []


def test_the_numbers_are_there_without_a_script(chromium, files):
    chromium.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        chromium.open(files["whole"], still=True)  # what is painted is waited for by a script
        assert chromium.run("document.querySelectorAll('canvas').length") == 0
        assert chromium.run("document.querySelector('.unscripted').checkVisibility()") is True
        assert chromium.run("document.querySelector('.scripted').checkVisibility()") is False
        assert chromium.run("document.querySelectorAll('table').length") >= 15
    finally:
        chromium.call("Emulation.setScriptExecutionDisabled", value=False)


def test_the_browser_notices_a_script_a_request_faint_words_and_a_wide_page(chromium, tmp_path):
    bad = "<script>top.pwned=1;console.log('so')</script><img src='http://127.0.0.1:9/none.png'><div style='width:900px;color:#999;background:#fff'>wide</div><div data-chart='none'></div>"
    (tmp_path / "bad.html").write_text(f'<body><nav class="contents"></nav>{bad}</body>', encoding="utf-8")
    chromium.open(tmp_path / "bad.html", width=390)
    shown = chromium.run(MEASURE)
    assert shown["pwned"]
    assert chromium.complaints()
    assert chromium.requests() == ["http://127.0.0.1:9/none.png"]
    assert shown["faintest"][0] < 4.5
    assert shown["width"] >= 900
    assert chromium.run(DRAWN) == {"none": 0}
