"""Reviews that are answered elsewhere: what goes out to Label Studio, Argilla and sheets, and what comes back."""

import csv
import io
import json
import shutil
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import NamedTuple

import polars as pl
import pytest
import review_run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tuneset
from tuneset import Dataset
from tuneset.errors import RecipeError
from tuneset.review import argilla, exchange, label_studio, queue, sheet
from tuneset.review.decisions import decide
from tuneset.review.items import Column
from tuneset.review.queue import Filters

FILES = {"label-studio": "out.json", "argilla": "out.json", "csv": "out.csv"}
TOOLS = pytest.mark.parametrize("tool", FILES)
RECORDED = Path(__file__).parent / "exchange"
HOSTILE = [
    '=HYPERLINK("http://evil","x")', "+1", "-2+3", "@SUM(A1)", "\tx", "\rx", "'=1", "''", "'tis", "007", "1e5", "1-2",
    "TRUE", "a;b", 'say "hi",\nor not', '<b a="1">&amp;]]></b>', "$text", "\u05e9\u05dc\u05d5\u05dd", "\U0001f600 \u202e", "a\x07b",
]  # fmt: skip


class Answer(NamedTuple):
    finding: str
    verdict: str
    after: str | None = None
    by: str = "ann@example.org"
    labels: tuple[tuple[str, str], ...] = ()
    note: str = ""
    at: str = "2026-01-02T03:04:05.678Z"


@pytest.fixture(scope="session")
def prepared(tmp_path_factory):
    return review_run.prepared(tmp_path_factory.mktemp("exchange") / "run").path


@pytest.fixture
def run(prepared, tmp_path):
    shutil.copytree(prepared, tmp_path / "run")
    return Dataset.open(tmp_path / "run")


@pytest.fixture(scope="module")
def only_read(prepared):
    return queue.read(Dataset.open(prepared))


@pytest.fixture(scope="session")
def hostile(tmp_path_factory):
    """Prepare a run whose texts and labels are out to be taken for something else."""
    texts = [f"{text} {number} asks where the order is" for number, text in enumerate(HOSTILE)]
    rows = [{"text": text, "label": label} for text, label in zip(texts, HOSTILE, strict=True)]
    rows += [{"text": text, "label": HOSTILE[place - 1]} for place, text in enumerate(texts)]
    return tuneset.prepare(rows, out=tmp_path_factory.mktemp("exchange") / "hostile").path


def went(run, tmp_path, tool, **options):
    path = tmp_path / FILES[tool]
    exchange.export(queue.read(run), path, tool, **options)
    return path


# --- what each tool makes of answers


def answer(tool, path, answers):
    """Answer in a file that went out, and write it as the tool does."""
    {"label-studio": in_label_studio, "argilla": in_argilla, "csv": in_a_sheet}[tool](path, answers)


def in_label_studio(path, answers):
    tasks = json.loads(path.read_bytes())
    placed = {
        task["data"]["finding"]: task | {"id": number, "annotations": [], "drafts": []}
        for number, task in enumerate(tasks)
    }
    for number, each in enumerate(answers):
        names = placed[each.finding]["data"]["columns"]
        chosen = {"verdict": ("choices", each.verdict), "edit": ("text", each.after), "note": ("text", each.note)}
        chosen |= {f"label_{names.index(name) + 1}": ("choices", value) for name, value in each.labels}
        result = [
            {"id": f"{number}{name}", "from_name": name, "to_name": "text", "type": kind, "value": {kind: [value]}}
            for name, (kind, value) in chosen.items()
            if value
        ]
        by = {"id": 7, "email": each.by, "first_name": "", "last_name": ""}
        made = {"id": number, "completed_by": by, "was_cancelled": False, "result": result, "updated_at": each.at}
        placed[each.finding]["annotations"].append(made)
    path.write_text(json.dumps(list(placed.values())), encoding="utf-8")  # ensure_ascii, as Label Studio has it


def in_argilla(path, answers):
    placed = {
        record["id"]: record | {"status": "pending", "_server_id": None} for record in json.loads(path.read_bytes())
    }
    for each in answers:
        names = json.loads(placed[each.finding]["metadata"]["columns"])
        chosen = {"verdict": each.verdict, "edit": each.after, "note": each.note}
        chosen |= {f"label_{names.index(name) + 1}": value for name, value in each.labels}
        for name, value in chosen.items():
            if value:
                responses = placed[each.finding]["responses"].setdefault(name, [])
                responses.append({"value": value, "user_id": each.by})
    path.write_text(json.dumps(list(placed.values())), encoding="utf-8")


def in_a_sheet(path, answers, *, delimiter=",", encoding="utf-8-sig"):
    header, *rows = csv.reader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline=""))
    placed = {row[0].lstrip("'"): row for row in rows}
    given = dict.fromkeys(each.finding for each in answers)
    out = [row for finding, row in placed.items() if finding not in given]
    for each in answers:
        own = {"verdict": each.verdict, "edit": sheet.cell(each.after), "by": each.by, "note": each.note}
        own |= {f"label: {name}": sheet.cell(value) for name, value in each.labels}
        out.append([own.get(name, cell) for name, cell in zip(header, placed[each.finding], strict=True)])
    content = io.StringIO(newline="")
    csv.writer(content, delimiter=delimiter, lineterminator="\r\n").writerows([header, *out])
    path.write_bytes(content.getvalue().encode(encoding, "replace"))


def decided(path):
    file = path / "decisions.jsonl"
    rows = [json.loads(line) for line in file.read_bytes().splitlines()] if file.exists() else []
    return [(row["finding"], row["verdict"], row["after"], row["saw"], row["by"]) for row in rows]


# --- the round trip


@TOOLS
def test_what_goes_out_is_what_waits_in_the_order_of_the_queue(run, tmp_path, tool):
    waiting = queue.waiting(queue.read(run))["id"].to_list()
    path = went(run, tmp_path, tool)
    out = {
        "label-studio": lambda: [task["data"]["finding"] for task in json.loads(path.read_bytes())],
        "argilla": lambda: [record["id"] for record in json.loads(path.read_bytes())],
        "csv": lambda: [row["id"].lstrip("'") for row in sheet.rows(path.read_bytes(), "")],
    }[tool]()
    assert out == waiting
    made = exchange.export(queue.read(run), tmp_path / "few", tool, Filters(rule="typo"), limit=3)
    assert made.count == 3
    assert all(file.exists() for file in made.files)
    assert exchange.take(run, path) == exchange.Taken(0, len(waiting), 0, 0, 0, {}, ())


def values(found):
    """Draw an edit that a finding can take."""
    if found["field"] != "/labels":
        return st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)
    labels = json.loads(found["labels"])
    return st.fixed_dictionaries(
        {name: st.sampled_from([value, "Other", *HOSTILE]) for name, value in labels.items()}
    ).map(json.dumps)


@st.composite
def reviews(draw, waiting):
    places = draw(st.lists(st.integers(0, len(waiting) - 1), unique=True, max_size=8))
    made = []
    for row in (waiting[place] for place in places):
        verdict = draw(st.sampled_from(["accept", "reject", "drop", "edit", "skip"]))
        after = draw(values(row)) if verdict == "edit" else None
        made.append(Answer(row["id"], verdict, after, draw(st.sampled_from(["ann", "bob@x.org", "\u05d0"]))))
    return made


@TOOLS
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_answers_that_come_back_are_those_that_would_have_been_given_here(run, only_read, tmp_path, tool, data):
    (run.path / "decisions.jsonl").unlink(missing_ok=True)
    shutil.rmtree(tmp_path / "here", ignore_errors=True)
    (tmp_path / "here").mkdir()
    given_there = data.draw(reviews(queue.waiting(only_read).to_dicts()))
    refused = 0
    for each in given_there:
        if each.verdict == "skip":
            continue
        rows = only_read.findings.filter(id=each.finding)
        try:
            decide(tmp_path / "here", rows, each.verdict, after=each.after, by=each.by)
        except RecipeError:
            refused += 1
    path = went(run, tmp_path, tool)
    count = queue.waiting(only_read).height
    answer(tool, path, given_there)
    taken = exchange.take(run, path)
    assert sorted(decided(run.path)) == sorted(decided(tmp_path / "here"))
    assert (taken.answered, taken.refused) == (len(decided(tmp_path / "here")), refused)
    assert taken.answered + taken.refused + taken.unanswered == count
    again = exchange.take(run, path)
    assert (again.answered, again.again, again.by) == (0, taken.answered, {})
    assert len(decided(run.path)) == taken.answered


@TOOLS
def test_hostile_texts_and_labels_go_out_and_come_back_as_they_are(hostile, tmp_path, tool):
    shutil.copytree(hostile, tmp_path / "run")
    run = Dataset.open(tmp_path / "run")
    found = queue.waiting(queue.read(run)).filter(field="/labels")
    assert found.height >= len(HOSTILE)
    path = went(run, tmp_path, tool)
    there = []
    for place, row in enumerate(found.iter_rows(named=True)):
        others = [each for each in HOSTILE if each != json.loads(row["labels"])["label"]]
        there.append(Answer(row["id"], "edit", labels=(("label", others[place % len(others)]),)))
    answer(tool, path, there)
    taken = exchange.take(run, path)
    assert taken.says == ()
    assert taken.answered == found.height
    got = {finding: json.loads(after) for finding, _, after, _, _ in decided(run.path)}
    assert got == {each.finding: dict(each.labels) for each in there}


@TOOLS
def test_a_label_that_is_chosen_takes_the_place_of_accept_and_reject(run, only_read, tmp_path, tool):
    first, second, third = queue.waiting(only_read, Filters(rule="label-error")).head(3).to_dicts()
    suggested, now = json.loads(first["after"]), json.loads(second["labels"])
    there = [
        Answer(first["id"], "accept", labels=tuple(suggested.items())),  # filled in by the tool, and left as it is
        Answer(second["id"], "reject", labels=tuple(now.items())),
        Answer(third["id"], "reject", labels=(("category", "Returns and Exchanges"), ("sub_category", "Exchanges"))),
    ]
    path = went(run, tmp_path, tool)
    answer(tool, path, there)
    exchange.take(run, path)
    told = {finding: (verdict, after and json.loads(after)) for finding, verdict, after, _, _ in decided(run.path)}
    assert told[first["id"]] == ("accept", None)
    assert told[second["id"]] == ("reject", None)
    assert told[third["id"]] == ("edit", {"category": "Returns and Exchanges", "sub_category": "Exchanges"})


# --- several people, and things that have changed


@TOOLS
def test_people_who_agree_are_all_kept_and_those_who_do_not_decide_nothing(run, only_read, tmp_path, tool):
    one, other = queue.waiting(only_read)["id"].to_list()[:2]
    there = [
        Answer(one, "drop", by="bob", at="2026-01-02T03:04:06Z", note="off topic"),
        Answer(one, "drop", by="ann", at="2026-01-02T03:04:05Z"),
        Answer(other, "accept", by="ann"),
        Answer(other, "reject", by="bob"),
    ]
    path = went(run, tmp_path, tool)
    answer(tool, path, there)
    taken = exchange.take(run, path)
    assert (taken.answered, taken.conflicting, taken.by) == (1, 1, {"ann": 1, "bob": 1})
    assert {row[4] for row in decided(run.path)} == {"ann", "bob"}
    if tool == "label-studio":  # the only one of them that says when
        assert [row[4] for row in decided(run.path)] == ["ann", "bob"]
    whys = [json.loads(line)["why"] for line in (run.path / "decisions.jsonl").read_text().splitlines()]
    assert sorted(whys) == sorted([exchange.CALLED[tool], f"{exchange.CALLED[tool]}: off topic"])
    assert [said for said in taken.says if "ann says accept, bob says reject" in said]


@TOOLS
def test_whoever_disagrees_with_a_decision_of_the_run_is_named_and_does_not_overrule_it(run, only_read, tmp_path, tool):
    finding = queue.waiting(only_read)["id"][0]
    path = went(run, tmp_path, tool)
    run.decide(finding, "accept", by="lead")
    answer(tool, path, [Answer(finding, "reject", by="bob")])
    assert exchange.take(run, path).conflicting == 1
    answer(tool, went(run, tmp_path, tool), [])
    assert [row[1] for row in decided(run.path)] == ["accept"]
    run.decide(finding, "undo", by="lead")
    path = went(run, tmp_path, tool)
    answer(tool, path, [Answer(finding, "reject", by="bob")])
    assert exchange.take(run, path).answered == 1
    assert [row[1] for row in decided(run.path)] == ["accept", "undo", "reject"]


@TOOLS
def test_who_changes_their_mind_there_is_taken_at_their_last_word(run, only_read, tmp_path, tool):
    finding = queue.waiting(only_read)["id"][0]
    first = went(run, tmp_path, tool)
    second = tmp_path / f"second{first.suffix}"
    shutil.copy(first, second)
    answer(tool, first, [Answer(finding, "accept")])
    answer(tool, second, [Answer(finding, "reject")])
    assert [exchange.take(run, path).answered for path in (first, second)] == [1, 1]
    assert [row[1] for row in decided(run.path)] == ["accept", "reject"]


@TOOLS
def test_an_answer_to_what_has_changed_since_is_counted_and_not_taken(run, only_read, tmp_path, tool):
    first, second = queue.waiting(only_read)["id"].to_list()[:2]
    path = went(run, tmp_path, tool)
    saw = exchange.gather(only_read).rows["saw"].to_list()[0]
    path.write_bytes(path.read_bytes().replace(saw.encode(), b"f" * 32))
    answer(tool, path, [Answer(first, "accept"), Answer(second, "accept")])
    taken = exchange.take(run, path)
    assert (taken.answered, taken.stale) == (1, 1)
    assert [row[0] for row in decided(run.path)] == [second]
    assert [said for said in taken.says if first[:8] in said]


@TOOLS
def test_what_the_run_does_not_have_is_counted(run, only_read, tmp_path, tool):
    path = went(run, tmp_path, tool)
    gone = queue.waiting(only_read)["id"][0]
    answer(tool, path, [Answer(gone, "accept")])
    path.write_bytes(path.read_bytes().replace(gone.encode(), b"0" * 32))
    taken = exchange.take(run, path)
    assert (taken.answered, taken.unknown) == (0, 1)
    assert "this run does not have" in taken.says[0]


@TOOLS
def test_an_answer_that_cannot_be_carried_out_is_said_with_its_reason_and_the_others_are_taken(
    run, only_read, tmp_path, tool
):
    waiting = queue.waiting(only_read)
    conflict, typo, far = (waiting.filter(rule=rule)["id"][0] for rule in ("conflicting-label", "typo", "irrelevant"))
    there = [
        Answer(conflict, "edit", "no json"),
        Answer(typo, "drop", "and a text"),
        Answer(far, "drop"),
        Answer(waiting["id"][3], "edit"),
        Answer(waiting["id"][4], "maybe"),
        Answer(waiting.filter(rule="typo")["id"][1], "accept", labels=(("category", "Order Management"),)),
    ]
    path = went(run, tmp_path, tool)
    answer(tool, path, there)
    taken = exchange.take(run, path)
    assert [row[0] for row in decided(run.path)] == [far]
    said = "\n".join(taken.says)
    for each in ("not JSON", "drop, and gives a value", "needs the new value", "unknown verdict 'maybe'"):
        assert each in said
    assert taken.refused == 5 - said.count("no such")


# --- sheets


@given(
    st.one_of(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
        st.sampled_from(HOSTILE),
        st.text("'=+-@\t\r1e"),
    )
)
def test_a_cell_is_never_a_formula_and_is_read_back_exactly(value):
    written = sheet.cell(value)
    assert not written.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert sheet.value(written) == value


@pytest.mark.parametrize(
    "habit",
    [
        {"delimiter": ";", "encoding": "utf-8"},
        {"delimiter": "\t", "encoding": "utf-16"},
        {"delimiter": ";", "encoding": "cp1252"},
        {"delimiter": ","},
    ],
)
def test_a_sheet_is_read_whatever_spreadsheet_has_saved_it(run, only_read, tmp_path, habit):
    typo, other = queue.waiting(only_read, Filters(rule="typo"))["id"].to_list()[:2]
    path = went(run, tmp_path, "csv")
    in_a_sheet(path, [Answer(typo, "Accept "), Answer(other, "edit", "caf\u00e9\nol\u00e9")], **habit)
    assert exchange.take(run, path).answered == 2
    assert {row[1:3] for row in decided(run.path)} == {("accept", None), ("edit", "caf\u00e9\nol\u00e9")}


def test_empty_columns_short_rows_other_columns_and_blank_lines_are_no_matter(run, only_read, tmp_path):
    finding = queue.waiting(only_read)["id"][0]
    path = went(run, tmp_path, "csv")
    saw = exchange.gather(only_read).rows["saw"][0]
    path.write_text(f"verdict;;saw;id;mine\n\n;;;;\naccept;;{saw};'{finding}\n")
    assert exchange.take(run, path)[:2] == (1, 0)


@pytest.mark.parametrize(
    ("cell", "known", "found"),
    [
        ("TRUE", {"true": True, "false": False}, ["true"]),
        ("7", {"007": "007", "8": "8"}, ["007"]),
        ("7", {"007": "007", "07": "07"}, []),
        ("02-Jan", {"1-2": "1-2"}, []),
        ('["b", "a"]', {"a": "a", "b": "b"}, ["b", "a"]),
        ("[a]", {"[a]": "[a]"}, ["[a]"]),
        ("ORDERS", {"Orders": "Orders"}, ["Orders"]),
    ],
)
def test_a_label_that_a_spreadsheet_has_changed_is_found_again_where_there_is_only_one_such(cell, known, found):
    chosen, strange = sheet._chosen(cell, sheet._Known.of(Column("a", known, several=True)))
    assert (chosen, bool(strange)) == (found, not found)


def test_a_label_that_nobody_has_decides_nothing_and_does_not_stand_in_the_way_of_a_verdict(run, only_read, tmp_path):
    blank, accepted = queue.waiting(only_read, Filters(rule="label-error"))["id"].to_list()[:2]
    path = went(run, tmp_path, "csv")
    strange = (("category", "02-Jan"),)
    in_a_sheet(path, [Answer(blank, "", labels=strange), Answer(accepted, "accept", labels=strange)])
    taken = exchange.take(run, path)
    assert (taken.answered, taken.refused) == (1, 1)
    assert [row[:3] for row in decided(run.path)] == [(accepted, "accept", None)]
    assert sum("no example has the label '02-Jan'" in said for said in taken.says) == 2


def test_texts_in_a_sheet_are_only_shown(run, only_read, tmp_path):
    path = went(run, tmp_path, "csv")
    path.write_bytes(path.read_bytes().replace(b"did you recieve my order 101", b"did you get my order 101"))
    taken = exchange.take(run, path)
    assert taken.answered == 0
    assert "what is only shown was changed in 1 finding" in taken.says[0]


# --- label studio and argilla


def test_the_labeling_interface_is_xml_and_offers_every_label_that_xml_can_write():
    names = {each: each for each in HOSTILE if not each.startswith("$") and each.isprintable() and each == each.strip()}
    kinds = {
        "choices": Column('a "b" <c>', names, several=True),
        "taxonomy": Column("many", {f"label {n}": f"label {n}" for n in range(10_000)}, several=False),
        "textarea": Column("odd\x07", {"a\x07b": "a\x07b"}, several=False),
    }
    root = ET.fromstring(label_studio.interface(list(kinds.values())))
    for place, (kind, column) in enumerate(kinds.items(), 1):
        control = root.find(f".//*[@name='label_{place}']")
        assert control.tag.lower() == kind
        assert [each.get("value") for each in control] == (list(column.values) if kind != "textarea" else [])
    assert root.find(".//Header[@value='Another label, with edit: odd\ufffd']") is not None
    variables = {each.get("value") for each in root.iter() if each.get("value", "").startswith("$")}
    assert variables == {"$says", "$text", "$labels", "$before", "$after", "$twins"}


def test_what_label_studio_cancelled_or_only_drafted_is_no_answer(run, only_read, tmp_path):
    finding = queue.waiting(only_read)["id"][0]
    path = went(run, tmp_path, "label-studio")
    in_label_studio(path, [Answer(finding, "accept"), Answer(finding, "reject", by="bob")])
    tasks = json.loads(path.read_bytes())
    tasks[0]["annotations"][0]["was_cancelled"] = True
    tasks[0]["drafts"] = [tasks[0]["annotations"].pop()]
    path.write_text(json.dumps(tasks))
    taken = exchange.take(run, path)
    assert (taken.answered, taken.unanswered) == (0, len(tasks))


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"id": 3, "email": "ann@x.org"}, "ann@x.org"),
        ({"id": 3, "email": ""}, "Label Studio user 3"),
        (3, "Label Studio user 3"),
        ("3", "Label Studio user 3"),
        ("ann@x.org", "ann@x.org"),
        (None, "somebody in Label Studio"),
    ],
)
def test_people_of_label_studio_keep_the_name_that_the_export_has(given, name):
    assert label_studio._person(given) == name


def test_drafts_and_discards_of_argilla_are_no_answers(run, only_read, tmp_path):
    ids = queue.waiting(only_read)["id"].to_list()[:3]
    path = went(run, tmp_path, "argilla")
    in_argilla(path, [Answer(each, "accept") for each in ids])
    records = json.loads(path.read_bytes())
    for record, status in zip(records, ["submitted", "draft", "discarded"], strict=False):
        record["responses"]["verdict"][0]["status"] = status
    path.write_text(json.dumps(records))
    assert exchange.take(run, path).answered == 1
    assert [row[0] for row in decided(run.path)] == ids[:1]


@pytest.mark.parametrize("name", ["label-studio.json", "label-studio-min.json", "label-studio.csv"])
def test_what_label_studio_itself_has_exported_is_read_alike_in_all_its_ways(only_read, name):
    """Its own converter wrote these, see exchange_oracle.py."""
    read = label_studio.read((RECORDED / name).read_bytes(), name, only_read)
    tasks = json.loads((RECORDED / "label-studio.json").read_bytes())
    data = [task["data"] for task in tasks][: len(read.findings)]  # what was cancelled is not in the two short ones
    assert read.findings == [each["finding"] for each in data]
    assert {each.saw for each in read.said} == {each["saw"] for each in data[:3]}
    edit = 'did you get "it"?\nyes'
    ann, bob, when = "ann@example.org", "bob@example.org", "2026-01-02T03:05:05.678900+00:00"
    assert [each[2:8] for each in read.said] == [
        ("edit", {"category": ["Order Management"], "sub_category": ["Cancellation"]}, "", bob, "", when),
        ("edit", {}, edit, ann, "", when),
        ("accept", {}, "", bob, "clear", when),
    ]
    assert exchange._tool((RECORDED / name).read_bytes(), Path(name)) == "label-studio"


def test_what_argilla_itself_has_written_is_read(only_read):
    """Its own `to_json` wrote this, see exchange_oracle.py; it leaves out the status of a response."""
    content = (RECORDED / "argilla.json").read_bytes()
    read, records = argilla.read(content, "argilla.json", only_read), json.loads(content)
    assert read.findings == [each["id"] for each in records]
    assert {(each.finding, each.saw) for each in read.said} == {
        (each["id"], each["metadata"]["saw"]) for each in records
    }
    one, other = "1b671a64-40d5-491e-99b0-da01ff1f3341", "2b671a64-40d5-491e-99b0-da01ff1f3342"
    assert [each[2:6] for each in read.said] == [
        ("edit", {"category": ["Order Management"], "sub_category": ["Cancellation"]}, "", other),
        ("edit", {}, 'did you get "it"?\nyes', one),
        ("accept", {}, "", one),
        ("accept", {}, "", other),
    ]


@TOOLS
def test_no_file_that_goes_out_takes_the_place_of_another(only_read, tmp_path, tool):
    for name in ("a.json", "a.xml", "a.settings.json", "a.csv", "a"):
        made = exchange.export(only_read, tmp_path / name, tool, limit=1)
        assert made.files[0] == tmp_path / name
        assert len(set(made.files)) == (1 if tool == "csv" else 2)


# --- which tool, and files that are none


@TOOLS
def test_the_tool_is_found_out_from_the_file(run, tmp_path, tool):
    path = went(run, tmp_path, tool)
    assert exchange._tool(exchange._content(path), path) == tool


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"[]", "no review that came back"),
        (b'[{"text": "a"}]', "no review that came back"),
        (b"[" * 100_000, "not JSON"),
        (b'[{"data": {}, "annotations": "\\ud800"}]', "not JSON"),
        (b"text,label\na,b\n", "no review that came back"),
        (b'id,saw,verdict\n"1,2,accept\n', "no CSV"),
        (b"PK\x03\x04rest", "workbook"),
        (b"", "no review that came back"),
    ],
)
def test_a_file_that_is_no_review_is_refused_in_three_lines(run, tmp_path, content, says):
    path = tmp_path / "back"
    path.write_bytes(content)
    with pytest.raises(RecipeError, match=says):
        exchange.take(run, path)
    assert not (run.path / "decisions.jsonl").exists()


def test_a_tool_that_there_is_not_and_a_file_that_is_not_there_or_too_large(run, only_read, tmp_path):
    with pytest.raises(RecipeError, match="unknown tool 'argila'"):
        exchange.export(only_read, tmp_path / "a", "argila")
    with pytest.raises(RecipeError, match="unknown tool"):
        exchange.take(run, tmp_path / "a", "prodigy")
    with pytest.raises(RecipeError, match="cannot be read"):
        exchange.take(run, tmp_path / "a")
    with (tmp_path / "large").open("wb") as file:
        file.truncate(exchange.LARGEST + 1)
    with pytest.raises(RecipeError, match="more than 1 GB"):
        exchange.take(run, tmp_path / "large")


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["data", "annotations", "result", "value", "choices", "text", "taxonomy", "finding", "columns", "saw",
                         "from_name", "verdict", "fields", "responses", "metadata", "user_id", "completed_by", "id", "meta"]),
        inner, max_size=5),
    max_leaves=20,
)  # fmt: skip


@given(rows=st.lists(JUNK, max_size=3))
def test_json_of_any_shape_is_read_without_a_traceback(only_read, rows):
    content = json.dumps(rows).encode()
    for tool in (label_studio, argilla):
        for said in tool.read(content, "x", only_read).said:
            assert all(
                isinstance(each, str) for each in (said.finding, said.saw, said.verdict, said.edit, said.by, said.time)
            )
            assert all(isinstance(each, str) for chosen in said.labels.values() for each in chosen)


# --- many findings


def grown(run, times):
    """Give a run many times its examples and findings, under new ids."""
    for table, names in (("examples", ["id"]), ("findings", ["id", "example"])):
        for path in run.folder.inside.glob(f"*/{table}.parquet"):
            one = pl.read_parquet(path)
            copies = [
                one.with_columns(
                    pl.format("{}{}", pl.lit(f"{number:04d}"), pl.col(name).str.slice(4)).alias(name) for name in names
                )
                for number in range(times)
            ]
            path.unlink()  # a stage may share its file with the one before
            pl.concat(copies).write_parquet(path)
    return run


@pytest.mark.slow
@TOOLS
def test_twenty_thousand_findings_go_out_and_come_back_in_seconds(run, tmp_path, tool):
    read = queue.read(grown(run, 155))
    start = time.monotonic()
    path = tmp_path / FILES[tool]
    made = exchange.export(read, path, tool)
    out = time.monotonic() - start
    waiting = queue.waiting(read)
    assert made.count >= 20_000
    there = [Answer(finding, "drop", note=str(place)) for place, finding in enumerate(waiting["id"].to_list())]
    answer(tool, path, there)
    start = time.monotonic()
    taken = exchange.take(run, path)
    back = time.monotonic() - start
    sys.stdout.write(f"{tool}: {made.count:,} findings, out {out:.1f} s, back {back:.1f} s\n")
    assert taken.answered == made.count
    assert out < 20
    assert back < 20
