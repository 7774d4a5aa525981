from __future__ import annotations

import csv
import gzip
import io
import json
import os
import sys
from pathlib import Path

import orjson
import polars as pl
import pytest
import zstandard
from bad_inputs import packed, sheet
from hypothesis import assume, given
from hypothesis import strategies as st

import tuneset
from tuneset import model
from tuneset.errors import InputError, RecipeError
from tuneset.sources import delimited, expand, read
from tuneset.sources.encoding import decode
from tuneset.sources.files import load

DATA = Path(os.environ.get("TUNESET_DATA", Path(__file__).parents[1] / ".." / "shared" / "data"))
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the shared data is absent: set TUNESET_DATA to its folder")

FRAME = pl.DataFrame(
    {
        "id": ["007", "008", "009"],
        "inquiry": ["Where is my order 1.10?", "Größe 42 ist zu klein!", "I paid on 2024-01-05"],
        "category": ["Orders", "Returns", "Orders"],
        "sub_category": ["Track", "Size", ""],
    },
)
ROWS = FRAME.to_dicts()


def written(kind: str) -> bytes:
    """Return the same three rows in each format."""
    if kind in ("parquet", "ipc", "stream"):
        return packed(FRAME, kind)
    separators = {"csv": ",", "tsv": "\t", "semicolon": ";", "pipe": "|"}
    if kind in separators:
        return FRAME.write_csv(separator=separators[kind]).encode()
    return {
        "quoted": lambda: FRAME.write_csv(quote_style="always").encode(),
        "json": lambda: json.dumps(ROWS).encode(),
        "wrapped": lambda: json.dumps({"data": ROWS}, indent=1).encode(),
        "columns": lambda: json.dumps(FRAME.to_dict(as_series=False)).encode(),
        "jsonl": lambda: FRAME.write_ndjson().encode(),
        "excel": lambda: sheet(FRAME.columns, *map(list, FRAME.rows())),
    }[kind]()


KINDS = (
    "csv",
    "tsv",
    "semicolon",
    "pipe",
    "quoted",
    "json",
    "wrapped",
    "columns",
    "jsonl",
    "parquet",
    "ipc",
    "stream",
    "excel",
)
PACKINGS = {"plain": bytes, "gzip": gzip.compress, "zstd": zstandard.compress}


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_format_plain_or_packed_gives_the_same_examples(kind, packing, tmp_path):
    (tmp_path / "data").write_bytes(PACKINGS[packing](written(kind)))
    got = read(tmp_path / "data")
    assert got.examples["text"].to_list() == FRAME["inquiry"].to_list()
    assert got.examples["labels"].to_list() == [
        '{"category": "Orders", "sub_category": "Track"}',
        '{"category": "Returns", "sub_category": "Size"}',
        '{"category": "Orders", "sub_category": null}',
    ]
    assert got.examples["label"].to_list() == [*got.examples["labels"].to_list()[:2], None]
    assert got.examples["extra"].to_list() == ['{"id":"007"}', '{"id":"008"}', '{"id":"009"}']
    assert got.examples["id"].to_list() == read(ROWS).examples["id"].to_list()
    assert got.examples.schema == model.EXAMPLES
    assert got.findings.schema == model.FINDINGS


@pytest.mark.parametrize(
    "table",
    [
        lambda: FRAME,
        FRAME.lazy,
        FRAME.to_pandas,
        FRAME.to_arrow,
        lambda: ROWS,
        lambda: __import__("datasets").Dataset.from_list(ROWS),
        lambda: __import__("datasets").Dataset.from_list([*ROWS[:1], *ROWS]).select([1, 2, 3]),
    ],
    ids=["polars", "lazy", "pandas", "arrow", "dicts", "dataset", "selection"],
)
def test_a_table_in_memory_gives_the_examples_of_its_file(table):
    assert read(table()).examples["id"].to_list() == read(ROWS).examples["id"].to_list()


def test_a_class_label_of_a_dataset_is_its_name_not_its_number():
    datasets = pytest.importorskip("datasets")
    features = {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["bad", "good"])}
    rows = datasets.Dataset.from_dict(
        {"text": ["It broke.", "I like it."], "label": [0, 1]}, datasets.Features(features)
    )
    assert read(rows).examples["labels"].to_list() == ['{"label": "bad"}', '{"label": "good"}']


@pytest.mark.parametrize(
    "value", ["007", "1.10", "2024-01-05", "TRUE", "1e5", "NaN", "null", " spaced ", "+49 30", "1,5", "é", "💥"]
)
@pytest.mark.parametrize("kind", ["csv", "jsonl", "excel"])
def test_values_stay_as_they_are_written(value, kind, tmp_path):
    frame = pl.DataFrame({"text": [value, "another"], "label": ["x", value]})
    data = {
        "csv": lambda: frame.write_csv().encode(),
        "jsonl": lambda: frame.write_ndjson().encode(),
        "excel": lambda: sheet(frame.columns, *map(list, frame.rows())),
    }[kind]()
    (tmp_path / "data").write_bytes(data)
    examples = read(tmp_path / "data").examples
    assert examples["text"][0] == value
    assert json.loads(examples["labels"][1]) == {"label": value}


def test_numbers_in_json_stay_as_they_are_written(tmp_path):
    row = b'{"text": "a", "label": 1.10, "big": 123456789012345678901234567890, "yes": true, "none": null, "in": {"x": 1}}'
    (tmp_path / "a.jsonl").write_bytes(row)
    (tmp_path / "a.json").write_bytes(b"[" + row + b"]")
    for name in ("a.jsonl", "a.json"):
        examples = read(tmp_path / name).examples
        assert examples["labels"][0] == '{"label": 1.1}'  # as json.dumps writes it; a text keeps 1.10
        extra = {"big": "123456789012345678901234567890", "yes": "true", "none": None, "in": '{"x":1}'}
        assert orjson.loads(examples["extra"][0]) == extra


TYPED = [
    True,
    False,
    0,
    3,
    -7,
    1.5,
    1.10,
    3.0,
    1e16,
    1e-07,
    123456789012345678901234567890,
    [1, 2],
    [True],
    {"n": 0.5},
]


@pytest.mark.parametrize("value", TYPED, ids=str)
@pytest.mark.parametrize("kind", ["jsonl", "json", "dicts", "parquet", "stream", "pandas"])
def test_a_label_is_written_as_json_dumps_writes_the_value_of_the_source(value, kind, tmp_path):
    rows = [{"text": "one text", "kind": value}, {"text": "another", "kind": None}]
    if kind in ("parquet", "stream", "pandas"):
        if value == TYPED[10]:
            rows[0]["kind"] = value = 1234567890123456789
        frame = pl.DataFrame(rows)
        data = frame.to_pandas() if kind == "pandas" and type(value) is not dict else frame
        if kind == "pandas" and type(value) is int:
            value = float(value)  # pandas has no missing whole number
    else:
        data = rows
    if kind in ("jsonl", "json"):
        data = "\n".join(map(json.dumps, rows)) if kind == "jsonl" else json.dumps(rows)
        (tmp_path / "data").write_text(data)
    if kind in ("parquet", "stream"):
        (tmp_path / "data").write_bytes(packed(frame, kind))
    got = read(data if kind in ("dicts", "pandas") else tmp_path / "data", labels=["kind"])
    assert got.examples["label"].to_list() == [json.dumps({"kind": value}), None]
    assert got.examples["labels"].to_list() == [json.dumps({"kind": value}), '{"kind": null}']


def test_text_that_looks_like_a_number_stays_text_beside_numbers():
    values = [3, "3", "true", True, "007", ["3"], '["3"]', "", None]
    rows = [{"text": f"text {place}", "kind": value} for place, value in enumerate(values)]
    expected = [None if value in ("", None) else json.dumps({"kind": value}) for value in values]
    assert read(rows, labels=["kind"]).examples["label"].to_list() == expected
    frame = pl.DataFrame({"text": ["a", "b"], "kind": ["3", "true"]})
    assert read(frame, labels=["kind"]).examples["label"].to_list() == [
        '{"kind": "3"}',
        '{"kind": "true"}',
    ]


@pytest.mark.parametrize("kind", ["csv", "excel"])
def test_a_table_of_text_has_labels_of_text(kind, tmp_path):
    frame = pl.DataFrame({"text": ["one text", "another", "more"], "label": ["007", "true", "1.50"]})
    data = frame.write_csv().encode() if kind == "csv" else sheet(frame.columns, *map(list, frame.rows()))
    (tmp_path / "data").write_bytes(data)
    assert read(tmp_path / "data").examples["labels"].to_list() == [
        '{"label": "007"}',
        '{"label": "true"}',
        '{"label": "1.50"}',
    ]


def test_what_json_cannot_write_is_text_and_no_number_is_no_label():
    numpy = pytest.importorskip("numpy")
    rows = [{"text": "a b", "label": float("nan")}, {"text": "c d", "label": float("inf")}]
    for table in (rows, pl.DataFrame(rows)):
        assert read(table).examples["label"].to_list() == [None, '{"label": "inf"}']
    rows = [{"text": "a b", "label": value} for value in (numpy.bool_(True), numpy.int8(3), numpy.float32(0.1))]
    assert [orjson.loads(label)["label"] for label in read(rows).examples["label"]] == [True, 3, 0.1]


def test_an_answer_by_a_template_shows_true_as_json_does():
    rows = [{"text": "a b", "urgent": True, "stars": 3}, {"text": "c d", "urgent": False, "stars": 0}]
    got = read(rows, labels=["urgent", "stars"], answer="{urgent} {stars}")
    assert got.examples["label"].to_list() == ["true 3", "false 0"]


def test_true_and_false_and_numbers_go_through_the_whole_command(tmp_path):
    words = ["parcel", "refund", "invoice", "card", "delay", "address", "password", "colour", "size", "voucher"]
    rows = [
        {"text": f"{first} and {second} {number}", "urgent": number % 3 == 0, "stars": number % 2}
        for number, (first, second) in enumerate((a, b) for a in words for b in words if a < b)
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    run = tuneset.prepare(tmp_path / "a.jsonl", text="text", label=["urgent", "stars"], out=tmp_path / "out")
    kept = [
        json.loads(line)
        for side in ("train", "validation")
        for line in (run.path / f"{side}.jsonl").read_text().splitlines()
    ]
    answers = {json.loads(row["messages"][2]["content"])["urgent"] for row in kept}
    assert answers == {True, False}
    shown = {
        each["column"]: {value["value"]: value["rows"] for value in each["values"]} for each in run.summary["labels"]
    }
    assert shown == {"urgent": {"true": 15, "false": 30}, "stars": {"1": 22, "0": 23}}
    facts = json.loads((run.path / ".tuneset/04-split/stage.json").read_bytes())["facts"]
    assert [(row["name"], row["rows"], row["validation"]) for row in facts["balance"]] == [
        ("false", 30, 6),
        ("true", 15, 3),
    ]
    assert run.summary["balance"]["dropped"] == 0


FIELD = st.text(alphabet='ab",;\n\r\t é\x00', max_size=6)


@given(st.lists(st.lists(FIELD, min_size=2, max_size=2), min_size=1, max_size=8), st.sampled_from(["\n", "\r\n"]))
def test_what_the_csv_module_writes_is_read_back(rows, end):
    rows = [[field.replace("\x00", "") for field in row] for row in rows]
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator=end).writerows(rows)
    got = delimited.split(out.getvalue().encode(), delimited.Dialect(), 2)
    assert [list(row) for row in got.cells.rows()] == rows
    assert not got.broken


@given(st.text(alphabet='ab",\n\r é\x00', max_size=60), st.integers(1, 3), st.sampled_from([b'"', b""]))
def test_the_fast_way_and_the_way_by_hand_read_the_same_rows(text, width, quote):
    dialect = delimited.Dialect(b",", quote)
    fast = delimited.split(text.encode(), dialect, width)
    slow = delimited.split(text.encode(), dialect, width, by_hand=True)
    assert fast.cells.equals(slow.cells)
    assert (fast.row.to_list(), fast.broken, fast.blank) == (slow.row.to_list(), slow.broken, slow.blank)


@given(st.text(alphabet='ab",\n\r é\x00', max_size=60), st.integers(1, 3))
def test_every_line_is_in_a_row_or_broken_or_blank(text, width):
    got = delimited.split(text.encode(), delimited.Dialect(), width)
    begins = [*got.row.to_list(), *(one.row for one in got.broken)]
    spanned = sum(field.count("\n") for row in got.cells.rows() for field in row)
    spanned += sum(one.raw.count("\n") for one in got.broken)
    lines = text.count("\n") + (bool(text) and not text.endswith("\n"))
    assert len(set(begins)) == len(begins)
    assert len(begins) + got.blank + spanned == lines


@given(st.lists(st.text(alphabet="ab,;\n x", min_size=1, max_size=20), min_size=1, max_size=20), st.randoms())
def test_no_row_is_lost_whatever_lines_come(lines, random):
    data = "text,label\n" + "".join(
        f"Where is {random.random()}?,a\n" if random.random() < 0.5 else f"{line}\n" for line in lines
    )
    rows = sum(bool(line) for line in data.split("\n")[1:])
    got = delimited.read("a.csv", data.encode(), "UTF-8")
    assert got.cells.height + got.broken.height == rows


@given(st.text(max_size=80), st.sampled_from(["utf-8-sig", "utf-16", "utf-32"]))
def test_a_byte_order_mark_decides_the_encoding(text, encoding):
    assume(encoding != "utf-16" or not text.startswith("\0"))  # ff fe 00 00 is also the mark of UTF-32
    assert decode(text.encode(encoding)).data.decode() == text


@given(st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=80))
def test_utf_8_is_taken_as_it_is(text):
    assert decode(("text,label\n" + text).encode()).data.decode() == "text,label\n" + text


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1252", "Où est ma commande? Rücksendung möglich, señor? “Sí” … 10 €"),
        ("cp1251", "Где мой заказ? Верните деньги, пожалуйста"),
        ("shift_jis", "注文はどこですか。返金してください。"),
        ("gb18030", "我的订单在哪里?请退款给我,谢谢。"),
        ("euc_kr", "내 주문은 어디에 있나요? 환불해 주세요"),
        ("cp1253", "Πού είναι η παραγγελία μου; Θέλω επιστροφή χρημάτων"),
        ("utf-16-le", "plain letters in two bytes each"),
    ],
)
def test_older_encodings_are_recognised(encoding, text):
    found = decode(("\n".join([text] * 5)).encode(encoding))
    assert found.data.decode() == "\n".join([text] * 5)
    assert not found.damaged


def test_the_row_of_the_origin_is_the_line_in_the_file(tmp_path):
    (tmp_path / "a.csv").write_text('\ntext,label\n"one\ntwo",a\n\nthree,b\nfour\n')
    got = read(tmp_path / "a.csv")
    assert got.examples["origin"].to_list() == [f'{{"file": "a.csv", "row": {row}}}' for row in (3, 6, 7)]
    assert got.findings["says"].to_list() == ["a.csv:7: 1 field where the first row has 2"]
    assert got.examples["extra"].to_list() == ["{}", "{}", '{"raw":"four"}']


def test_the_raw_line_is_shortened_and_says_by_how_much(tmp_path):
    (tmp_path / "a.csv").write_text("text,label\na text,b\n" + "x" * 5000 + "\n")
    raw = json.loads(read(tmp_path / "a.csv").examples["extra"][1])["raw"]
    assert raw == "x" * 2000 + " ... 3,000 more characters"


def test_ids_do_not_depend_on_the_position_or_the_other_columns():
    moved = [{**row, "id": "other"} for row in reversed(ROWS)]
    assert set(read(moved).examples["id"]) == set(read(ROWS).examples["id"])
    assert not set(read(ROWS, name="else").examples["id"]) & set(read(ROWS).examples["id"])


def test_quotes_between_tabs_are_text_where_no_field_is_quoted(tmp_path):
    (tmp_path / "a.tsv").write_text('text\tlabel\n"Great" phone\tgood\n5" is too small\tbad\nMy "new" one broke\tbad\n')
    got = read(tmp_path / "a.tsv")
    assert got.examples["text"].to_list() == ['"Great" phone', '5" is too small', 'My "new" one broke']
    assert got.said[1].startswith("a.tsv: quotes are taken as part of the text")


def test_fields_in_single_quotes_and_excels_hint_are_understood(tmp_path):
    (tmp_path / "a.csv").write_text("'text','label'\n'one, two','a'\n'it''s','b'\n")
    assert read(tmp_path / "a.csv").examples["text"].to_list() == ["one, two", "it's"]
    (tmp_path / "b.csv").write_text("sep=;\ntext;label\none, two;a\n")
    got = read(tmp_path / "b.csv")
    assert (got.examples["text"][0], got.examples["origin"][0]) == ("one, two", '{"file": "b.csv", "row": 3}')


def test_commas_in_a_file_of_one_column_are_text(tmp_path):
    (tmp_path / "a.txt").write_text('remark\nHello, where is it?\n"Well, well"\n')
    with pytest.raises(RecipeError, match="there is text"):
        read(tmp_path / "a.txt", text="remark")
    assert delimited.read("a.txt", (tmp_path / "a.txt").read_bytes(), "UTF-8").cells.rows() == [
        ("Hello, where is it?",),
        ("Well, well",),
    ]


def test_a_folder_means_its_data_files_in_order_without_hidden_ones(tmp_path):
    for name in ("b.csv", "a.csv.gz", ".hidden.csv", "notes.txt", "state.json"):
        (tmp_path / name).write_bytes(b"text,label\na,b\n" if "gz" not in name else gzip.compress(b"text,label\na,b\n"))
    assert [path.name for path in expand(tmp_path)] == ["a.csv.gz", "b.csv"]
    assert expand(str(tmp_path / "*.csv"))[-1].name == "b.csv"
    assert read(tmp_path).examples.height == 2


def test_what_a_folder_holds_besides_is_said(tmp_path):
    folder = tmp_path / "mine"
    (folder / "more").mkdir(parents=True)
    (folder / "older").mkdir()
    (folder / ".git").mkdir()
    for name in ("a.csv", "notes.txt", ".hidden.csv", "state.json", "more/b.csv"):
        (folder / name).write_bytes(b"text,label\na,b\n")
    got = read(folder)
    told = "mine: 2 subfolders (more, older) and 1 other file (notes.txt) were not read: name them to have that"
    assert got.said == ("a.csv: 1 row, comma-separated, UTF-8", told, "text is text, label is label (guessed)")
    assert got.examples.height == 1
    assert read([folder, folder / "more"]).examples.height == 2
    assert read(str(folder / "**" / "*.csv")).examples.height == 2


def test_nothing_is_said_of_a_folder_that_is_read_whole_or_of_a_file(tmp_path):
    for name in ("a.csv", ".hidden.csv", "dataset_info.json"):
        (tmp_path / name).write_bytes(b"text,label\na,b\n")
    assert len(read(tmp_path).said) == len(read(tmp_path / "a.csv").said) == 2


def test_a_folder_of_folders_is_refused_with_their_names(tmp_path):
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "a.csv").write_bytes(b"text,label\na,b\n")
    with pytest.raises(InputError, match="no data files") as caught:
        read(tmp_path)
    assert f"name one ({tmp_path / 'train'})" in caught.value.hint


PLAIN = [
    "Where is it?,track",
    "I want my money back,refund",
    "Is it lost?,track",
    "Refund it!,refund",
    "And now?,other",
]
ABOVE = {
    "a label that comes again": PLAIN,
    "a sentence that comes again": ["Where is it?,a", "Where is it?,b", "No!,c"],
    "a number above numbers": ["Where is it?,5", "I want my money back,3", "Is it lost?,1"],
    "a date above dates": ["Where is it?,2024-01-05", "I want my money back,2024-01-06", "Is it lost?,2024-01-07"],
    "a label of the name of a column": ["Where is it?,request", *PLAIN[1:], "Do it!,request"],
    "a short text among sentences": ["hello there,track", *PLAIN],
}


@pytest.mark.parametrize("case", ABOVE)
@pytest.mark.parametrize("kind", ["csv", "excel"])
def test_a_first_row_that_is_data_is_read_as_data(case, kind, tmp_path):
    lines = ABOVE[case]
    cells = [line.split(",") for line in lines]
    (tmp_path / "a").write_bytes("\n".join(lines).encode() if kind == "csv" else sheet(*cells))
    got = read(tmp_path / "a", text="column_1", labels=["column_2"])
    assert got.examples["text"].to_list() == [text for text, _ in cells]
    table = load(tmp_path / "a", "a")
    assert table.cells.rows() == [tuple(row) for row in cells]
    assert table.row.to_list() == list(range(1, len(lines) + 1))
    assert "there is no header" in table.notes[-2]
    assert "--text" in table.notes[-1]


HEADERS = {
    "usual names": ["text,label", *PLAIN],
    "one usual name": ["Kundenanliegen,category", *PLAIN],
    "unusual names": ["Kundenanliegen,Grund", *PLAIN],
    "a usual name that is a value, too": ["text,topic", "Where is it?,topic", *PLAIN],
    "an identifier": ["customer_words,why_created", *PLAIN],
    "numbers under words": ["Anliegen,Sterne", "Where is it?,5", "Is it lost?,5", "Refund it!,1"],
    "the numbers of pandas": ["0,1", "Where is it?,1", "Is it lost?,0", "Refund it!,1"],
    "the index of pandas": [",0,1", "0,Where is it?,1", "1,Is it lost?,0", "2,Refund it!,1"],
    "a header once more in the middle": ["Anliegen,Grund", *PLAIN, "Anliegen,Grund", *PLAIN],
    "a box that is ticked": ["Anliegen,Red", "Where is it?,Red", "Is it lost?,", "Refund it!,Red"],
}


@pytest.mark.parametrize("case", HEADERS)
def test_a_header_is_a_header_and_nothing_is_said(case, tmp_path):
    (tmp_path / "a").write_text("\n".join(HEADERS[case]))
    table = load(tmp_path / "a", "a")
    assert table.cells.columns == [name or "column_1" for name in HEADERS[case][0].split(",")]
    assert table.cells.height == len(HEADERS[case]) - 1
    assert not table.notes


@pytest.mark.parametrize(
    "first",
    ["How long must I wait for it?,slow", "me@example.org,who knows", "2024-01-05,when", "Anliegen,track"],
)
def test_a_first_row_that_may_be_data_is_said_with_what_to_do(first, tmp_path):
    (tmp_path / "a").write_text("\n".join([first, *(f"Where is my order number {n}?,{line}" for n, line in
        enumerate(["track", "refund", "track"]))]))  # fmt: skip
    table = load(tmp_path / "a", "a")
    assert table.cells.columns == first.split(",")
    assert table.notes[0].endswith("looks like data")
    assert table.notes[1].endswith("name columns by their places, as in --text column_1 --label column_2")
    got = read(tmp_path / "a", text="column_1", labels=["column_2"])
    assert got.examples["text"][0] == first.split(",")[0]
    assert got.examples.height == 4


def test_columns_that_are_named_settle_whether_there_is_a_header(tmp_path):
    (tmp_path / "a.csv").write_text("\n\n" + "\n".join(PLAIN))
    got = read(tmp_path / "a.csv")
    assert (got.columns.text, got.columns.labels, got.examples.height) == ("text", ("label",), 5)
    assert json.loads(got.examples["origin"][0])["row"] == 3
    again = read(tmp_path / "a.csv", text="text", labels=["label"])  # as the recipe has it
    assert again.examples["id"].to_list() == got.examples["id"].to_list()
    assert read(tmp_path / "a.csv", text="Where is it?", labels=["track"]).examples.height == 4
    (tmp_path / "b.csv").write_text("text,label\n" + "\n".join(PLAIN))
    with pytest.raises(RecipeError, match="unknown column 'txt'"):
        read(tmp_path / "b.csv", text="txt")
    (tmp_path / "c.csv").write_text(",text,label\n1,Where is it?,a\n2,Is it lost?,b\n")
    assert read(tmp_path / "c.csv", text="text", labels=["column_1"]).examples.height == 2


@needs_data
@pytest.mark.parametrize("with_header", [True, False])
def test_no_real_table_loses_its_first_row_or_its_header(with_header, tmp_path):
    tables = sorted([*DATA.rglob("*.csv"), *(Path(__file__).parents[1] / "examples").glob("*.csv")])
    assert len(tables) >= 11
    for path in tables:
        lines = path.read_bytes().split(b"\n", 1)
        (tmp_path / path.name).write_bytes(path.read_bytes() if with_header else lines[1])
        cells, notes = load(path, "whole").cells, load(tmp_path / path.name, path.name).notes
        assert load(tmp_path / path.name, path.name).cells.rows() == cells.rows(), path
        assert any("no header" in note for note in notes) == (not with_header), path
        assert len(notes) == 2 * (not with_header), path


def test_a_path_with_a_star_in_its_name_is_that_file(tmp_path):
    for name in ("a*.csv", "ab.csv"):
        (tmp_path / name).write_bytes(b"text,label\na,b\n")
    assert [path.name for path in expand(tmp_path / "a*.csv")] == ["a*.csv"]


def test_files_of_one_name_are_told_apart_by_their_folders(tmp_path):
    for side in ("x", "y"):
        (tmp_path / side).mkdir()
        (tmp_path / side / "a.csv").write_text(f"text,label\nfrom {side},b\n")
    origins = read([tmp_path / "x" / "a.csv", tmp_path / "y" / "a.csv"]).examples["origin"]
    assert [json.loads(origin)["file"] for origin in origins] == ["x/a.csv", "y/a.csv"]


def test_standard_input_is_read(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(written("semicolon"))))
    got = read("-")
    assert got.examples["text"].to_list() == FRAME["inquiry"].to_list()
    assert got.said[0] == "standard input: 3 rows, semicolon-separated, UTF-8"


def guessed(header: str, *rows: str):
    return read([dict(zip(header.split("|"), row.split("|"), strict=True)) for row in rows]).columns


def test_columns_are_guessed_by_name():
    rows = ("7|2024-01-05|train|Where is my order?|Orders|Track|.93", "8|2024-01-06|test|Refund me now!|Money|Back|.91")
    columns = guessed("ticket_id|created_at|split|customer_message|Category|subCategory|confidence", *rows)
    assert (columns.text, columns.labels, columns.guessed) == (
        "customer_message",
        ("Category", "subCategory"),
        ("text", "labels"),
    )


def test_columns_are_guessed_by_shape():
    rows = [f"{n}|2024-01-{n:02}|train|Where is my order number {n}?|{'ab'[n % 2]}" for n in range(10, 20)]
    columns = guessed("c1|c2|c3|c4|c5", *rows)
    assert (columns.text, columns.labels) == ("c4", ("c5",))


def test_only_what_is_not_named_is_guessed():
    rows = [{"text": "one text", "label": "a", "mood": "x"}, {"text": "another", "label": "b", "mood": "y"}]
    got = read(rows, labels=["mood"])
    assert (got.columns.text, got.columns.labels, got.columns.guessed) == ("text", ("mood",), ("text",))
    assert read(rows, text="label", labels=["mood"]).columns.guessed == ()


def test_an_unclear_guess_names_the_candidates_and_the_flag():
    rows = [{"text": f"the text {n}", "size": "SL"[n % 2], "colour": "rb"[n % 2]} for n in range(8)]
    with pytest.raises(RecipeError, match=r"--label size \(S\) or --label colour \(r\)"):
        read(rows)


def test_a_label_of_lists_is_multi_label_and_one_of_objects_is_extraction():
    rows = [{"text": "a b", "tags": ["x", "y"]}, {"text": "c d", "tags": []}]
    got = read(rows)
    assert got.examples["labels"].to_list() == ['{"tags": ["x", "y"]}', '{"tags": []}']
    assert (got.examples["label"].to_list(), got.task) == (['{"tags": ["x", "y"]}', None], "classify")
    rows = [{"text": "a b", "label": {"order": 7}}, {"text": "c d", "label": {"order": None}}]
    assert (read(rows).task, read(rows).examples["labels"][0]) == ("extract", '{"label": {"order": 7}}')


def test_groups_name_the_column_and_the_value_and_leave_blanks_out():
    rows = [
        {"text": "a b", "label": "x", "thread": "17", "by": " "},
        {"text": "c d", "label": "y", "thread": None, "by": "me"},
    ]
    assert read(rows, groups=["thread", "by"]).examples["groups"].to_list() == [["thread:17"], ["by:me"]]
    with pytest.raises(RecipeError, match="'thread'"):
        read(rows, groups=["tread"])


def test_another_form_of_answer_is_written():
    assert read(ROWS[:2], answer="{category} > {sub_category}").examples["label"].to_list() == [
        "Orders > Track",
        "Returns > Size",
    ]


USER, ASSISTANT = {"role": "user", "content": "Where is it?"}, {"role": "assistant", "content": "On its way."}
CALL = {"id": "call00001", "type": "function", "function": {"name": "find", "arguments": '{"id": 7}'}}


@pytest.mark.parametrize(
    ("kind", "row", "messages"),
    [
        ("chat", {"messages": [USER, {**ASSISTANT, "weight": 0, "odd": [1]}]}, [USER, {**ASSISTANT, "weight": 0, "odd": [1]}]),
        ("chat", {"messages": json.dumps([USER, ASSISTANT])}, [USER, ASSISTANT]),
        (
            "sharegpt",
            {
                "system": "Be brief.",
                "conversations": [
                    {"from": "human", "value": "Where is it?"},
                    {"from": "function_call", "value": '{"name": "find", "arguments": {"id": 7}}'},
                    {"from": "observation", "value": "here"},
                    {"from": "gpt", "value": "On its way."},
                ],
            },
            [
                {"role": "system", "content": "Be brief."},
                USER,
                {"role": "assistant", "content": None, "tool_calls": [CALL]},
                {"role": "tool", "tool_call_id": "call00001", "content": "here"},
                ASSISTANT,
            ],
        ),
        ("sharegpt", {"conversation": [{"from": "user", "value": "Where is it?"}, {"from": "assistant", "value": "On its way."}]}, None),
        ("alpaca", {"instruction": "Where is", "input": "it?", "output": "On its way."}, [{**USER, "content": "Where is\nit?"}, ASSISTANT]),
        ("alpaca", {"instruction": "Where is it?", "input": "", "output": "On its way.", "history": [["a", "b"]]}, [
            {"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, USER, ASSISTANT]),
        ("prompt-completion", {"prompt": "Where is it?", "completion": "On its way."}, None),
        ("prompt-completion", {"prompt": "Where is it?", "response": "On its way."}, None),
        ("prompt-completion", {"Question": "Where is it?", "Answer": "On its way."}, None),
        ("prompt-completion", {"instruction": "Where is it?", "response": "On its way."}, None),
        ("prompt-completion", {"prompt": [USER], "completion": [ASSISTANT]}, None),
    ],
)  # fmt: skip
@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_every_shape_of_conversation_becomes_messages(kind, row, messages, form, tmp_path):
    data = json.dumps(row).encode() if form == "jsonl" else packed(pl.DataFrame([row]), "parquet")
    (tmp_path / "a").write_bytes(data)
    got = read(tmp_path / "a")
    example = got.examples.row(0, named=True)
    assert orjson.loads(example["messages"]) == (messages or [USER, ASSISTANT])
    assert example["label"] == "On its way."
    assert example["labels"] is None
    assert "Where is" in example["text"]
    assert got.columns.kind == kind


HUMAN, GPT = {"from": "human", "value": "Where is it?"}, {"from": "gpt", "value": "On its way."}
CALLED = [{"role": "assistant", "content": None, "tool_calls": [CALL]}, {"role": "tool", "tool_call_id": "call00001", "content": "here"}]  # fmt: skip


@pytest.mark.parametrize("column", ["messages", "conversations"])
@pytest.mark.parametrize(
    ("turns", "messages"),
    [
        ([HUMAN, GPT], [USER, ASSISTANT]),
        ([{"role": "human", "content": "Where is it?"}, {"role": "gpt", "content": "On its way.", "weight": 1}],
         [USER, {**ASSISTANT, "weight": 1}]),
        ([{"role": "system", "content": "s"}, {"role": "human", "content": "Where is it?"}, {"role": "gpt", "content": "On its way."}],
         [{"role": "system", "content": "s"}, USER, ASSISTANT]),
        ([{"role": "human", "content": "Where is it?"},
          {"role": "function_call", "content": '{"name": "find", "arguments": {"id": 7}}'},
          {"role": "observation", "content": "here"}, {"role": "gpt", "content": "On its way."}],
         [USER, *CALLED, ASSISTANT]),
    ],
)  # fmt: skip
def test_the_names_of_sharegpt_in_messages_are_read_as_in_sharegpt(column, turns, messages):
    got = read([{column: turns}])
    assert orjson.loads(got.examples["messages"][0]) == messages
    assert got.examples.select("text", "label").row(0) == ("Where is it?", "On its way.")
    said = "the conversations name who speaks as ShareGPT does (human, gpt): read as user and assistant"
    assert (said in got.said[1]) == (column == "messages" or "role" in turns[0])


@pytest.mark.parametrize(
    "turns",
    [
        [USER, ASSISTANT],
        [{"role": "human", "content": "Where is it?"}, ASSISTANT],  # two ways in one conversation
        [HUMAN, ASSISTANT],
        [{"role": "human", "content": "Where is it?"}, {"role": "model", "content": "On its way."}],
        [{"role": "system", "content": "s"}],
        [{"role": ["human"], "content": "Where is it?"}, {"role": "gpt", "content": "On its way."}],
        [{**HUMAN, "role": "user"}, GPT],
        [],
    ],
)
def test_messages_that_are_not_sharegpt_throughout_stay_as_they_are(turns):
    got = read([{"messages": turns}, {"messages": [USER, ASSISTANT]}])
    assert orjson.loads(got.examples["messages"][0]) == turns
    assert "ShareGPT does" not in " ".join(got.said)


def test_how_many_conversations_were_renamed_is_said_and_a_system_column_is_their_first_message():
    rows = [{"messages": [HUMAN, GPT], "system": "Be brief."}, {"messages": [USER, ASSISTANT], "system": "Be brief."}]
    got = read([*rows, {"messages": [HUMAN, {"from": "function_call", "value": "{"}]}])
    assert got.said[0].endswith("1 of them cannot be read")
    assert "1 conversation names who speaks as ShareGPT does" in got.said[1]
    assert orjson.loads(got.examples["messages"][0]) == [{"role": "system", "content": "Be brief."}, USER, ASSISTANT]
    assert orjson.loads(got.examples["messages"][1]) == [{"role": "system", "content": "Be brief."}, USER, ASSISTANT]


def test_text_is_what_users_said_and_label_what_the_assistant_said_last():
    turns = [
        {"role": "system", "content": "s"},
        {
            "role": "user",
            "content": [{"type": "text", "text": "one"}, {"type": "image_url", "image_url": {"url": "u"}}],
        },
        {"role": "assistant", "content": "first"},
        {"role": "user", "content": "two"},
        {"role": "assistant", "content": "last"},
        {"role": "user", "content": "three"},
    ]
    example = read([{"messages": turns}]).examples.row(0, named=True)
    assert (example["text"], example["label"]) == ("one\ntwo\nthree", "last")
    assert read([{"messages": turns[:2]}]).examples["label"].to_list() == [None]


def test_tools_are_kept_and_make_the_task_tools():
    tools = [{"type": "function", "function": {"name": "find", "parameters": {"type": "object", "properties": {}}}}]
    row = {
        "messages": [USER, {"role": "assistant", "tool_calls": [CALL]}],
        "tools": tools,
        "parallel_tool_calls": False,
        "id": 7,
    }
    got = read([row, {"messages": [USER, ASSISTANT]}])
    assert orjson.loads(got.examples["extra"][0]) == {"tools": tools, "parallel_tool_calls": False, "id": "7"}
    assert (got.task, got.examples["label"].to_list()) == ("tools", [None, "On its way."])
    assert read([{"messages": [USER, ASSISTANT]}]).task == "chat"


def test_keys_that_a_common_schema_fills_with_nulls_are_left_out_of_messages():
    rows = [
        {"messages": [USER, {**ASSISTANT, "weight": 1}]},
        {"messages": [USER, {"role": "assistant", "tool_calls": [CALL]}]},
    ]
    got = read(pl.DataFrame(rows))
    assert orjson.loads(got.examples["messages"][0]) == rows[0]["messages"]
    assert orjson.loads(got.examples["messages"][1])[1] == {"role": "assistant", "content": None, "tool_calls": [CALL]}


def test_named_columns_make_a_table_of_prompts_and_responses():
    rows = [{"instruction": "Where is it?", "response": "On its way.", "intent": "track"}]
    assert read(rows, text="instruction", labels=["intent"]).columns.kind == "table"


@needs_data
@pytest.mark.parametrize(
    ("name", "rows", "labels"),
    [
        ("banking77/train.csv", 10_003, ("category",)),
        ("banking77/test.csv", 3_080, ("category",)),
        ("clinc150/clinc150.csv", 18_200, ("category", "sub_category")),
        ("course_shape/clinc_500.csv", 500, ("category", "sub_category")),
        ("course_shape/hwu64_500_as_typed.csv", 500, ("category", "sub_category")),
    ],
)
def test_real_tables_are_read_as_the_csv_module_reads_them(name, rows, labels):
    got = read(DATA / name)
    with (DATA / name).open(encoding="utf-8", newline="") as lines:
        expected = [row[got.columns.text] for row in csv.DictReader(lines)]
    assert got.examples["text"].to_list() == expected
    assert (len(expected), got.columns.labels, got.findings.height) == (rows, labels, 0)


@needs_data
def test_every_line_of_the_format_cases_is_an_example_or_the_file_is_refused():
    refused = set()
    for path in sorted((DATA / "format_cases").glob("*.jsonl")):
        try:
            got = read(path)
        except (InputError, RecipeError):
            refused.add(path.stem)
            continue
        lines = sum(bool(line.strip()) for line in path.read_bytes().split(b"\n"))
        assert got.examples.height == (3 if path.stem == "b_array" else lines), path.stem
        assert got.findings.height == (1 if path.stem == "b_mixed_formats" else 0), path.stem
    preference = {"b_dpo_last_asst", "b_dpo_missing"}  # an answer of two messages is one for Azure and TRL
    assert refused == preference | {"b_empty", "b_notjson", "b_msgs_str", "good_text"}


def test_a_text_that_is_json_stays_a_text_in_prompts_and_in_pairs():
    for answer in ('{"category": "x"}', '[{"category": "x"}]', "[1, 2]"):
        pair = read([{"prompt": "q", "chosen": answer, "rejected": "no"}])
        assert (pair.examples["label"].to_list(), pair.findings.height) == ([answer], 0)
        assert read([{"prompt": "q", "completion": answer}]).examples["label"].to_list() == [answer]
        assert read([{"instruction": "q", "output": answer}]).examples["label"].to_list() == [answer]


def test_arguments_that_are_objects_are_strings_of_json_in_prompts_and_completions_too():
    made = {**CALL, "function": {"name": "find", "arguments": {"id": 7}}}
    got = read([{"prompt": [USER], "completion": [{"role": "assistant", "content": None, "tool_calls": [made]}]}])
    assert orjson.loads(got.examples["messages"][0])[1]["tool_calls"] == [CALL]


def test_of_an_export_and_of_a_run_the_sides_are_read_and_what_else_is_there_is_said(tmp_path):
    rows = [{"inquiry": f"where is order {n}?", "category": f"c{n % 2}"} for n in range(30)]
    run = tuneset.prepare(rows, out=tmp_path / "run")
    run.export(["gemini", "csv"])
    got = read(tmp_path / "run" / "exports" / "gemini")
    assert (got.columns.kind, got.examples.height) == ("gemini", 30)
    said = "gemini: 2 other files (inference.json, rows.jsonl) were not read: name them to have that"
    assert said in got.said
    assert read(tmp_path / "run" / "exports" / "csv").examples.height == 30
    assert read(tmp_path / "run").examples.height == 30
    (tmp_path / "mine").mkdir()
    for name in ("train.csv", "more.csv"):  # a folder of ones own is read whole
        (tmp_path / "mine" / name).write_text("text,label\na,b\n")
    assert read(tmp_path / "mine").examples.height == 2


def test_a_unit_separator_in_a_text_parts_nothing_and_breaks_nothing(tmp_path):
    (tmp_path / "a.csv").write_text("one \x1f header of a text\n" + "where is my order\n" * 9)
    assert load(tmp_path / "a.csv", "a.csv").form == "one column, UTF-8"
