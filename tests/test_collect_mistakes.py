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
