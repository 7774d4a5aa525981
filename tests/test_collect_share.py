"""The page that says who is missing, asked over real sockets: targets, invitations for those who are missing, cards."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from html import unescape

import collecting
import pytest
from collecting import Client, Collecting, invitation, joined, label, owner

HOSTILE = '"><script>alert(1)</script>{{7*7}}\u202e=cmd|x'


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    started = Collecting(tmp_path_factory.mktemp("people") / "people.db")
    yield started
    started.kill()


@pytest.fixture(scope="module")
def lead(served):
    return owner(served)


def asking(lead, found, key="region", options="north, south"):
    token = lead.open(f"/p/{found}/settings")[1]["token"]
    lead.send(f"/p/{found}/settings", token=token, what="ask", key=key, options=options)


def declare(lead, found, about="people", name="region", shares="north: 50\nsouth: 50", **more):
    token = lead.open(f"/p/{found}/share")[1]["token"]
    return lead.send(f"/p/{found}/share", token=token, about=about, name=name, shares=shares, **more)


def told(lead, found, **form):
    """Send a form that is answered with the page itself; return its status and words."""
    token = lead.open(f"/p/{found}/share")[1]["token"]
    status, _, page = lead.ask("POST", f"/p/{found}/share", {"token": token} | form)
    return status, unescape(page)


def invited(lead, found, cell, uses=1):
    status, page = told(lead, found, cell=cell, uses=str(uses), role="annotator")
    assert status == 200, page
    return re.search(r"/join/[\w-]+", page)[0]


def come(served, path, many):
    for value, times in many.items():
        for _ in range(times):
            joined(served, path, "someone", **{"about:region": value})


def test_a_lead_says_what_is_wanted_and_reads_who_is_missing(served, lead):
    found = collecting.project(lead)
    assert "First ask newcomers about themselves" in lead.open(f"/p/{found}/share")[0]
    asking(lead, found)
    assert "Who will use the model?" in lead.open(f"/p/{found}/share")[0]
    declare(lead, found, shares="north: 50 %\nsouth: 50 %", size="40")
    come(served, invitation(lead, found, uses=25), {"north": 19, "south": 5})
    page = unescape(lead.open(f"/p/{found}/share")[0]).replace("\xa0", " ")
    assert "People, region: Missing: south (21% instead of 50%, 14 more)" in page
    assert "nearly full: nobody new is invited" in page
    assert "Design effect" in page
    assert re.search(r"<td class=\"n off\">20.8 %</td>", page)


def test_an_invitation_for_those_who_are_missing_says_so_and_closes_when_their_places_are_taken(served, lead):
    found = collecting.project(lead)
    asking(lead, found)
    declare(lead, found, size="10")
    path = invited(lead, found, "region=south", uses=6)
    page = Client(served).open(path)[0]
    assert "people of whom there are too few" in page
    assert "<bdi>south</bdi>" in page
    assert "region=south" in lead.open(f"/p/{found}/people")[0]
    come(served, path, {"south": 4})
    late = [Client(served) for _ in range(2)]
    forms = [each.open(path)[1] for each in late]
    with ThreadPoolExecutor(2) as pool:  # two take the last place at once
        sent = [
            pool.submit(each.ask, "POST", path, form | {"name": "x"}) for each, form in zip(late, forms, strict=True)
        ]
    assert sorted(each.result()[0] for each in sent) == [303, 409]
    status, _, page = Client(served).ask("GET", path)
    assert (status, "places that this invitation was for are taken" in page) == (409, True)
    status, page = told(lead, found, cell="region=south", uses="1", role="annotator")
    assert (status, "region=south is full" in page) == (409, True)
    assert 'value="region=south"' not in lead.open(f"/p/{found}/share")[0]


def test_nothing_is_shown_of_fewer_than_five_people(served, lead):
    found = collecting.project(lead)
    asking(lead, found)
    declare(lead, found, size="20")
    come(served, invitation(lead, found, uses=9), {"north": 6, "south": 3})
    page = lead.open(f"/p/{found}/share")[0]
    assert "what is more could tell who" in page
    assert "<svg" not in page
    assert "fewer than 5 people are region=&#39;south&#39;" in page


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"name": "region", "shares": "north 50"}, "this line has no share: north 50"),
        ({"name": "region", "shares": "north: 50\nnorth: 50"}, "stands there twice"),
        ({"name": "region", "shares": "north: 50\nsouth: 20"}, "sum up to 70"),
        ({"name": "region", "shares": "north: nan\nsouth: 20"}, "the share of 'north' is nan"),
        ({"name": "regoin", "shares": "north: 100"}, "unknown attribute 'regoin'"),
        ({"name": "", "shares": "north: 100"}, "the shares are of nothing"),
        ({"name": "region", "shares": "north: 90\nsouth: 10", "size": "20"}, "a quota of 2 for region='south'"),
        ({"name": "region", "shares": "north: 50\nsouth: 50", "size": "x"}, "is no number"),
        ({"sample": "region\nnorth\n", "columns": "age"}, "unknown column 'age'"),
        ({"sample": "region\nnorth\n", "columns": ""}, "no column is named"),
        ({"sample": f'region\n"{"x" * 140_000}', "columns": "region"}, "this is no table"),
    ],
)
def test_what_cannot_be_wanted_is_said_and_what_was_typed_stays(served, lead, form, said):
    found = collecting.project(lead)
    asking(lead, found)
    status, page = told(lead, found, about="people", **form)
    assert (status, said in page) == (400, True), page[-3000:]
    assert all(value[:60] in page for value in form.values())


def test_targets_are_counted_in_a_sample_of_live_traffic(served, lead):
    found = collecting.project(lead)
    asking(lead, found)
    sample = "region,text\nnorth,where is it?\nnorth,where is my parcel?\nsouth,hello\n,hi\n"
    declare(lead, found, sample=sample, columns="region")
    declare(lead, found, about="examples", sample=sample, columns="length")
    page = lead.open(f"/p/{found}/share")[0].replace("\xa0", " ")
    assert "66.7 %" in page
    assert "Examples, length: " in page


def test_labels_that_people_gave_are_held_against_their_target(served, lead):
    found = collecting.project(lead)
    declare(lead, found, about="examples", name="label", shares="orders: 50\nreturns: 50")
    ann = joined(served, invitation(lead, found), "Ann")
    for _ in range(40):
        label(ann, found, "orders")
    assert "Missing: returns (0% instead of 50%, 40 more)" in lead.open(f"/p/{found}/share")[0]


def test_cards_come_first_from_what_is_wanted_most(served, lead):
    found = collecting.to_write(lead, wanted=10, tone="calm, angry")
    declare(lead, found, about="examples", name="tone", shares="calm: 90\nangry: 10")
    ann = joined(served, invitation(lead, found, role="writer"), "Ann")
    asked = []
    for number in range(10):
        form = ann.open(f"/p/{found}/write")[1]
        asked.append(form["cell:tone"])
        ann.send(f"/p/{found}/write", **form, text=f"{number}{'abcdefghij'[number] * 9} {form['cell:label']} please")
    assert sorted(asked) == ["angry"] + ["calm"] * 9


def test_words_that_would_do_harm_are_shown_as_words(served, lead):
    found = collecting.project(lead)
    value = HOSTILE.replace(",", "").replace(":", "")
    asking(lead, found, key="reg<i>ion", options=f"north, {value}")
    declare(lead, found, name="reg<i>ion", shares=f"north: 50\n{value}: 50", size="20")
    declare(lead, found, about="examples", name="to<b>ne", shares=f"{value}: 100")
    page = lead.open(f"/p/{found}/share")[0]
    assert "<script>alert" not in page
    assert "<i>ion" not in page
    assert "<b>ne" not in page
    assert "49" not in re.sub(r"[0-9a-f-]{20,}", "", page)
    assert "&lt;script&gt;alert(1)" in page
    path = invited(lead, found, f"reg<i>ion={value}")
    assert "<script>alert" not in Client(served).open(path)[0]


def test_the_page_is_for_leads_of_its_project_only(served, lead):
    found = collecting.project(lead)
    asking(lead, found)
    ann = joined(served, invitation(lead, found), "Ann")
    assert ann.ask("GET", f"/p/{found}/share")[0] == 403
    token = ann.open(f"/p/{found}/me")[1]["token"]
    assert ann.ask("POST", f"/p/{found}/share", {"token": token, "cell": "region=north", "uses": "1"})[0] == 403
    assert lead.ask("POST", f"/p/{found}/share", {"about": "people", "name": "region", "shares": ""})[0] == 403
    other = joined(served, invitation(lead, collecting.project(lead), role="lead"), "Bob")
    assert other.ask("GET", f"/p/{found}/share")[0] == 404


def test_the_file_has_weights_and_nothing_that_people_said_of_themselves(served, lead):
    found = collecting.project(lead)
    asking(lead, found)
    declare(lead, found)
    path = invitation(lead, found, uses=20)
    people = [joined(served, path, f"p{n}", **{"about:region": "south" if n < 5 else "north"}) for n in range(20)]
    for person in (people[0], people[-1]):
        label(person, found)
    lines = lead.ask("GET", f"/p/{found}/examples.jsonl")[2]
    assert sorted(json.loads(line)["weight"] for line in lines.splitlines()) == pytest.approx([2 / 3, 2], abs=1e-5)
    assert "south" not in lines
    assert "region" not in lines
