"""What people mistype and misname: it is refused in the words of the page, nothing that they wrote is lost, and no label is made up."""

import json
import re

import collecting
import pytest
from collecting import Collecting, owner
from test_collect_api import Program, token, upload

import tuneset


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    started = Collecting(tmp_path_factory.mktemp("people") / "people.db")
    yield started
    started.kill()


@pytest.fixture(scope="module")
def lead(served):
    return owner(served)


@pytest.fixture
def project(lead):
    return collecting.project(lead)


def out(lead, project):
    """Return the rows that go out."""
    return [json.loads(line) for line in lead.ask("GET", f"/p/{project}/examples.jsonl")[2].splitlines()]


# --- what goes out has the project's labels, and nothing else for a label


@pytest.mark.parametrize("field", ["label", "anliegen"])
def test_a_project_is_prepared_by_its_address_with_its_own_label_alone(tmp_path, field):
    served = Collecting(tmp_path / "people.db")
    try:
        lead = owner(served)
        form = lead.open("/new")[1]
        told = {"name": "Shop", "labels": collecting.LABELS, "field": field, "overlap": "1"}
        project = re.search(r"/p/([^/?]+)", lead.send("/new", token=form["token"], **told))[1]
        lead.send(f"/p/{project}/data", token=form["token"], rows=collecting.ROWS)
        for _ in range(20):
            collecting.label(lead, project)
    finally:
        served.kill()
    dataset = tuneset.prepare(f"people:{tmp_path / 'people.db'}#Shop", out=tmp_path / "run")
    assert {json.loads(each).keys() == {field} for each in dataset.examples()["labels"]} == {True}
    assert dataset.examples().height == 20
    read = tuneset.peek(f"people:{tmp_path / 'people.db'}")
    assert (read.columns.text, list(read.columns.labels)) == ("text", [field])


def test_a_file_that_is_taken_away_is_read_with_its_label_alone(served, lead, project, tmp_path):
    for _ in range(12):
        collecting.label(lead, project)
    (tmp_path / "examples.jsonl").write_text(lead.ask("GET", f"/p/{project}/examples.jsonl")[2])
    assert list(tuneset.peek(tmp_path / "examples.jsonl").columns.labels) == ["label"]


def test_the_labels_of_a_file_count_where_they_are_named_whatever_their_column_is_called(lead):
    project = collecting.project(lead, rows="x")
    table = b"inquiry,category,sub\nwhere is the green parcel?,orders,a\nhow do I return a hat?,returns,b\n"
    assert upload(lead, project, "a.csv", table)[0] == 303
    assert out(lead, project) == []
    more = table.replace(b"green", b"blue").replace(b"hat", b"scarf")
    assert upload(lead, project, "b.csv", more, text="inquiry", labels="category")[0] == 303
    rows = out(lead, project)
    assert sorted(row["label"] for row in rows) == ["orders", "returns"]
    assert not any("category" in row for row in rows)
    wrong = b"inquiry,category\nis there a red one?,colour\n"
    status, _, page = upload(lead, project, "c.csv", wrong, text="inquiry", labels="category")
    assert status == 409
    assert "unknown label" in page


def test_a_program_gives_a_text_one_label_of_the_project_and_none_of_another_column(served, lead, project):
    program = Program(served, project, token(lead, project, "add"))
    for row, why in (
        ({"text": "a b", "label": ["orders", "returns"]}, "one label"),
        ({"text": "a b", "labels": {"category": "orders"}}, "labels &#39;label&#39;"),
    ):
        status, said = program.ask("POST", "/items", json.dumps(row).encode())
        assert status == 400
        assert why.replace("&#39;", "'") in said["what"]
    assert out(lead, project) == []


# --- what cannot be is refused, and said in words of the page


def refused(client, path, **form):
    """Send a form that is refused; return the page, tags and all."""
    status, _, page = client.ask("POST", path, form)
    assert 400 <= status < 500, (status, page)
    return page


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"labels": "orders"}, "one label alone is no choice"),
        ({"labels": "orders\n" + "x" * 201}, "longer than 200 characters"),
        ({"labels": "\n".join(f"label {n:06}" for n in range(20_000))}, "longer than 200,000 characters"),
        ({"field": "text"}, "a row has"),
        ({"kind": "write", "wanted": "0"}, "examples that are wanted"),
        ({"overlap": "1e3"}, "is no number that fits"),
        ({"consent": "x" * 200_001}, "longer than 200,000 characters"),
    ],
)
def test_a_project_that_cannot_be_is_not_made(lead, wrong, why):
    before = lead.open("/?all=1")[0]
    form = {"token": lead.open("/new")[1]["token"], "name": "Shop", "labels": "orders\nreturns"} | wrong
    assert why in refused(lead, "/new", **form).lower()
    assert lead.open("/?all=1")[0] == before


def test_thousands_of_labels_come_in_whole_and_a_blank_name_is_none(lead):
    labels = [f"label {n:04}" for n in range(2500)]  # 27,500 characters
    form = {"token": lead.open("/new")[1]["token"], "name": "   ", "labels": "\n".join(labels)}
    project = re.search(r"/p/([^/?]+)", lead.send("/new", **form))[1]
    page = lead.open(f"/p/{project}/settings")[0]
    assert all(label in page for label in labels)
    assert "Inquiries" in page


@pytest.mark.parametrize(("labels", "why"), [("", "without labels"), ("orders", "one label alone")])
def test_a_running_project_keeps_its_labels(lead, project, labels, why):
    token_ = lead.open(f"/p/{project}/settings")[1]["token"]
    page = refused(lead, f"/p/{project}/settings", token=token_, what="label_schema", labels=labels)
    assert why in page.lower()
    assert "orders" in lead.open(f"/p/{project}/guide")[0]


@pytest.mark.parametrize(
    ("name", "typed", "says"),
    [
        ("gold_share", "1,5", "how often, in percent, the answer is known: &#39;1,5&#39;"),
        ("gold_share", "150", "from 0 to 100"),
        ("overlap", "1001", "from 1 to 1,000"),
        ("lease_seconds", "99999999999999999999", "from 1 to 604,800"),
    ],
)
def test_a_number_that_does_not_fit_is_named_as_it_was_typed(lead, project, name, typed, says):
    token_ = lead.open(f"/p/{project}/settings")[1]["token"]
    page = refused(lead, f"/p/{project}/settings", token=token_, what="rules", **{name: typed})
    assert says.lower() in page.lower()
    assert f'href="/p/{project}/settings"' in page


def test_numbers_of_links_and_tokens_are_not_cut(lead, project):
    token_ = lead.open(f"/p/{project}/people")[1]["token"]
    for wrong in ({"uses": "100000"}, {"days": "36500"}, {"days": "0"}):
        page = refused(
            lead, f"/p/{project}/people", **({"token": token_, "role": "lead", "uses": "1", "days": "9"} | wrong)
        )
        assert "no number that fits" in page
    for days in ("0", "36500"):
        form = {"token": token_, "what": "token", "name": "x", "scope": "read", "days": days}
        assert "no number that fits" in refused(lead, f"/p/{project}/programs", **form)
    assert "Links that are out" not in lead.open(f"/p/{project}/people")[0]


@pytest.mark.parametrize(
    ("key", "options"), [("", "a, b"), ("age", ""), ("age", "young"), ("age", "a, a"), ("x" * 101, "a, b")]
)
def test_a_question_that_nobody_could_answer_is_not_asked(lead, project, key, options):
    token_ = lead.open(f"/p/{project}/settings")[1]["token"]
    refused(lead, f"/p/{project}/settings", token=token_, what="ask", key=key, options=options)
    path = collecting.invitation(lead, project)
    assert "about:" not in lead.open(path)[0]


# --- names


def test_a_name_is_not_cut_and_is_kept_in_the_form(served, lead):
    project = collecting.project(lead, consent=collecting.TERMS)
    path = collecting.invitation(lead, project)
    new = collecting.Client(served)
    token_ = new.open(path)[1]["token"]
    assert "This name has 101 characters" in refused(new, path, token=token_, name="é" * 101, agree="1")
    assert "how you want to be called" in refused(new, path, token=token_, name="  ", agree="1")
    assert 'value="Ann &lt;b&gt;"' in refused(new, path, token=token_, name="Ann <b>")
    assert "1 person" in lead.open(f"/p/{project}/people")[0]


def test_two_of_one_name_are_told_apart(served, lead, project):
    path = collecting.invitation(lead, project, uses=3)
    for name in ("Ann", "Ann", "Bob"):
        collecting.label(collecting.joined(served, path, name), project)
    for page in ("people", "quality"):
        found = re.findall(r"<bdi>(Ann[^<]*|Bob[^<]*)</bdi>", lead.open(f"/p/{project}/{page}")[0])
        assert len(set(found)) == 3, found
        assert "Bob" in found
        assert not {"Ann"} & set(found)


# --- nothing that was written is lost

STORY = "I waited for three weeks,\nand then I wrote this."


def test_rows_that_are_refused_come_back(lead, project):
    token_ = lead.open(f"/p/{project}/data")[1]["token"]
    page = refused(lead, f"/p/{project}/data", token=token_, rows="a,b\n<hello> you,x\n", column="nope")
    assert "a,b\n&lt;hello&gt; you,x" in page
    assert f'href="/p/{project}/data"' in page


@pytest.fixture
def writer(served, lead):
    found = collecting.to_write(lead, labels="orders\nreturns\nother")
    return found, collecting.joined(served, collecting.invitation(lead, found, role="writer"), "Wanda")


def test_who_writes_while_the_terms_change_sends_it_after_agreeing(lead, writer):
    project, wanda = writer
    form = wanda.open(f"/p/{project}/write")[1]
    settings = {"token": lead.open(f"/p/{project}/settings")[1]["token"], "what": "consent_text"}
    lead.send(f"/p/{project}/settings", **settings, markdown="New terms")
    page = refused(wanda, f"/p/{project}/write", **form, text=STORY)
    assert "New terms" in page
    assert STORY in page
    place = re.search(r'action="(/p/[^"]+)"', page)[1]  # the page stands at the address of another
    page = refused(wanda, place, token=form["token"], agree="1", text=STORY)
    assert STORY in page
    assert "not sent yet" in page
    assert "written 0 examples" in page
    wanda.send(f"/p/{project}/write", **wanda.open(f"/p/{project}/write")[1], text=STORY)
    assert "written 1 example and given 0 labels" in wanda.open(f"/p/{project}/me")[0]


def test_who_writes_while_a_label_goes_sends_it_to_another_card(lead, writer):
    project, wanda = writer
    form = wanda.open(f"/p/{project}/write")[1]
    rest = sorted({"orders", "returns", "other"} - {form["cell:label"]})
    token_ = lead.open(f"/p/{project}/settings")[1]["token"]
    lead.send(f"/p/{project}/settings", token=token_, what="label_schema", labels="\n".join(rest))
    page = refused(wanda, f"/p/{project}/write", **form, text=STORY)
    assert STORY in page
    assert "Not sent" in page
    assert 'name="cell:label"' in page


def test_what_is_too_long_comes_back_whole_with_the_limit(writer):
    project, wanda = writer
    long = "word " * 5000
    page = refused(wanda, f"/p/{project}/write", **wanda.open(f"/p/{project}/write")[1], text=long)
    assert long.strip() in page
    assert "20,000 are the most" in page
