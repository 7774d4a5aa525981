"""Take the pictures of `tuneset review` and `tuneset collect` again (needs Chromium and the development packages).

python docs/pictures.py takes all, python docs/pictures.py review those of a review alone.
"""

from __future__ import annotations

import importlib
import random
import re
import subprocess
import sys
import tempfile
from html import unescape
from pathlib import Path
from typing import Any

import polars as pl
from playwright.sync_api import sync_playwright

import tuneset
from tuneset.people import learner
from tuneset.people.database import open_database

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests"))
collecting: Any = importlib.import_module("collecting")
CHROMIUM = "/usr/bin/chromium"
AGES = ("under 30",) * 25 + ("30 to 60",) * 10 + ("over 60",) * 5
TURNS, BATCH = 700, 50
PICTURES = (
    ("", "work", 390, 690),
    ("-lead", "quality", 860, 690),
    ("-share", "share", 860, 1060),
    ("-model", "model", 900, 780),
    ("-increments", "export", 1000, 520),
)


def main() -> None:
    """Take those that are asked for."""
    with tempfile.TemporaryDirectory() as temp:
        review(Path(temp))
    if sys.argv[1:] != ["review"]:
        collect()


def review(folder: Path) -> None:
    """Photograph what the messy example set asks one person, and a team."""
    run, team = folder / "run", f"people:{folder / 'team.db'}#Shop inquiries"
    tuneset.prepare(HERE.parent / "examples" / "customer_intent_messy.csv", out=run)
    command = [sys.executable, "-m", "tuneset.cli", "review", str(run)]
    subprocess.run([*command, "--to", team], check=True, stdout=subprocess.DEVNULL)  # noqa: S603  our own command
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as one:  # noqa: S603  our own command
        found = re.search(r"http\S+", one.stdout.readline() if one.stdout else "")
        link = found[0] if found else ""
        shoot(link, "/next?rule=label-error", "review.png", (860, 1060))
        shoot(link, "/next?rule=label-error", "review-phone.png", (390, 690), "dark")
        one.terminate()
    served = collecting.Collecting(folder / "team.db")
    shoot(served.link, "", "review-team.png", (900, 1034))
    served.stop()


def shoot(link: str, path: str, name: str, size: tuple[int, int], scheme: Any = "light") -> None:
    """Photograph one page, as who has the link sees it; without a path, the project's page for those who answer."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
        tab.goto(link)
        tab.goto(tab.url.partition("?")[0].rstrip("/") + (path or "/work"))
        tab.screenshot(path=HERE / name)
        browser.close()


def collect() -> None:
    """Let forty people who do not exist label, and photograph what they and their lead see."""
    table = pl.read_csv(HERE.parent / "examples" / "customer_intent.csv").unique("inquiry", maintain_order=True)
    right = {" ".join(text.split()): str(label) for text, label, _ in table.drop_nulls().iter_rows()}
    with tempfile.TemporaryDirectory() as temp:
        served = collecting.Collecting(path := Path(temp) / "shop.db")
        lead = collecting.owner(served)
        project = made(lead, list(right), sorted(set(right.values())))
        invitation = collecting.invitation(lead, project, uses=len(AGES))
        people = [
            collecting.joined(served, invitation, f"Person {n}", **{"about:age": age}) for n, age in enumerate(AGES, 1)
        ]
        label(people, project, right, path)
        shares = "under 30: 30\n30 to 60: 40\nover 60: 30"
        sent = token(lead, project)
        lead.send(f"/p/{project}/share", token=sent, about="people", name="age", shares=shares, size="60")
        lead.send(f"/p/{project}/export", token=sent)
        photograph(served, project, people[0])
        served.stop()


def token(lead: Any, project: str) -> str:
    """Return what a form of the lead carries."""
    return str(lead.open(f"/p/{project}/settings")[1]["token"])


def made(lead: Any, rows: list[str], labels: list[str]) -> str:
    """Make the project, with a question about newcomers."""
    told = {"name": "Shop inquiries", "labels": "\n".join(labels), "overlap": "2", "consent": "", "guide": "Be kind."}
    place = lead.send("/new", token=lead.open("/new")[1]["token"], **told)
    project = place.partition("/p/")[2].partition("/")[0]
    sent = token(lead, project)
    lead.send(f"/p/{project}/data", token=sent, rows="\n".join(rows))
    lead.send(f"/p/{project}/settings", token=sent, what="ask", key="age", options=", ".join(dict.fromkeys(AGES)))
    return str(project)


def label(people: list[Any], project: str, right: dict[str, str], path: Path) -> None:
    """Label most of it, one in twelve wrongly, and have the model learn in between."""
    draw, db = random.Random(1), open_database(path)  # noqa: S311  the same people each time
    labels = sorted(set(right.values()))
    for turn in range(TURNS):
        client = people[turn % len(people)]
        page, form = client.open(f"/p/{project}/work")
        found = re.search(r'<div class="text big" dir="auto">(.*?)</div>', page, re.DOTALL)
        if found is None:
            break
        said = right[" ".join(unescape(found[1]).split())] if draw.random() > 1 / 12 else draw.choice(labels)
        client.send(f"/p/{project}/work", **{name: form[name] for name in ("token", "lease", "field")}, label=said)
        if turn % BATCH == BATCH - 1:
            learner.learn(db, project)
    db.close()


def photograph(served: Any, project: str, person: Any) -> None:
    """Take each page at the size that its docs show."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for name, page, width, height in PICTURES:
            context = browser.new_context(viewport={"width": width, "height": height}, color_scheme="light")
            tab = context.new_page()
            if page == "work":
                key, _, value = person.cookie.partition("=")
                context.add_cookies([{"name": key, "value": value, "url": served.url}])
            else:
                tab.goto(served.link)
            tab.goto(f"{served.url}/p/{project}/{page}")
            tab.screenshot(path=HERE / f"collect{name}.png")
            context.close()
        browser.close()


if __name__ == "__main__":
    main()
