"""Broken inputs, one table for the reader's tests and for the whole command's."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import zipfile
from typing import TYPE_CHECKING, Any, NamedTuple

import openpyxl
import polars as pl
import zstandard

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Built = tuple[Any, dict[str, Any]]  # inputs, options of `read`


class Case(NamedTuple):
    """One broken input: how to make it, and what must come of it: rows and findings, or the words of an error."""

    name: str
    build: Callable[[Path], Built]
    rows: int = 0  # examples, readable or not
    unreadable: int = 0  # findings `unreadable-row`
    says: str = ""  # words in a finding, or in what is said
    error: str = ""  # words in the three lines of the error; then nothing is read


def table(rows: int = 3) -> bytes:
    lines = [f"Where is my parcel number {row}?,{'track' if row % 2 else 'refund'}" for row in range(rows)]
    return ("text,label\n" + "".join(line + "\n" for line in lines)).encode()


def file(name: str, content: bytes, **options: Any) -> Callable[[Path], Built]:
    def build(folder: Path) -> Built:
        (folder / name).write_bytes(content)
        return str(folder / name), options

    return build


def files(contents: dict[str, bytes], **options: Any) -> Callable[[Path], Built]:
    def build(folder: Path) -> Built:
        for name, content in contents.items():
            (folder / name).write_bytes(content)
        return [str(folder / name) for name in contents], options

    return build


def lines(*rows: Any) -> bytes:
    return b"".join((row if isinstance(row, bytes) else json.dumps(row).encode()) + b"\n" for row in rows)


def packed(frame: pl.DataFrame, kind: str) -> bytes:
    out = io.BytesIO()
    {"parquet": frame.write_parquet, "ipc": frame.write_ipc, "stream": frame.write_ipc_stream}[kind](out)
    return out.getvalue()


def sheet(*rows: list[Any], sheets: int = 1) -> bytes:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    for number in range(1, sheets):
        book.create_sheet(f"more {number}")
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def zipped(*names: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as inside:
        for name in names:
            inside.writestr(name, "text,label\n")
    return out.getvalue()


def swollen_sheet() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as inside:
        inside.writestr("xl/workbook.xml", b"0" * 270_000_000)
    return out.getvalue()


def bomb() -> bytes:
    squeeze = zstandard.ZstdCompressor().compressobj()
    zeros = b"0" * (1 << 24)
    return b"".join(squeeze.compress(zeros) for _ in range(20)) + squeeze.flush()


def empty_folder(folder: Path) -> Built:
    (folder / "data").mkdir()
    (folder / "data" / "readme.md").write_text("nothing here")
    return str(folder / "data"), {}


def hidden_only(folder: Path) -> Built:
    (folder / ".hidden.csv").write_bytes(table())
    return str(folder), {}


def broken_link(folder: Path) -> Built:
    (folder / "link.csv").symlink_to(folder / "gone.csv")
    return str(folder / "link.csv"), {}


def forbidden(folder: Path) -> Built:
    (folder / "mine.csv").write_bytes(table())
    (folder / "mine.csv").chmod(0)
    return str(folder / "mine.csv"), {}


def named(folder: Path, name: str) -> Built:
    return str(folder / name), {}


FRAME = pl.DataFrame({"text": ["Where is it?", "Refund, please!"], "label": ["track", "refund"]})
GOOD = {"text": "Where is it?", "label": "track"}
CHAT = {"messages": [{"role": "user", "content": "Where is it?"}, {"role": "assistant", "content": "track"}]}
ACCENTS = "text,label\nOù est ma commande s'il vous plaît?,suivi\nLe café était très froid,qualité\n"
WIDE = 50_000_000

CASES = [
    # nothing in it
    Case("an empty file", file("a.csv", b""), error="this file is empty"),
    Case("a file of white space", file("a.csv", b"  \n\n \t\n"), error="this file is empty"),
    Case("a byte-order mark and nothing else", file("a.csv", b"\xef\xbb\xbf"), error="empty"),
    Case("a header only", file("a.csv", b"text,label\n"), error="there are no rows"),
    Case("a header only, without a line end", file("a.csv", b"text,label"), error="there are no rows"),
    Case("a header and blank lines", file("a.csv", b"text,label\n\n\n\n"), error="there are no rows"),
    Case("an empty JSON list", file("a.json", b"[]"), error="there are no rows"),
    Case("an empty JSON object", file("a.json", b"{}"), error="no row can be read"),
    Case("a JSON list of empty objects", file("a.json", b"[{}, {}]"), error="no row can be read"),
    Case("a Parquet file without rows", file("a.parquet", packed(FRAME.clear(), "parquet")), error="there are no rows"),
    Case("an Arrow stream without rows", file("a.arrow", packed(FRAME.clear(), "stream")), error="there are no rows"),
    Case("an empty workbook", file("a.xlsx", sheet()), error="the first sheet is empty"),
    Case("a sheet with a header only", file("a.xlsx", sheet(["text", "label"])), error="there are no rows"),
    Case("an empty list", lambda _: ([], {}), error="no input is given"),
    Case("an empty gzip file", file("a.csv.gz", gzip.compress(b"")), error="this file is empty"),
    # where it is
    Case("a path that is not there", lambda folder: named(folder, "none.csv"), error="there is no such file"),
    Case("a glob that matches nothing", lambda folder: named(folder, "*.csv"), error="no file matches"),
    Case("a folder without data files", empty_folder, error="this folder has no data files"),
    Case("a folder with hidden files only", hidden_only, error="this folder has no data files"),
    Case("a link to nowhere", broken_link, error="there is no such file"),
    Case("a file without permission", forbidden, error="cannot be read"),
    Case("a name that is too long", lambda folder: named(folder, "x" * 300 + ".csv"), error="cannot be read"),
    Case("a name with a zero byte", lambda folder: named(folder, "a\0b.csv"), error="there is no such file"),
    Case("an address", lambda _: ("https://example.org/a.csv", {}), error="download it first"),
    Case("a number", lambda _: (7, {}), error="a int is not taken"),
    Case("a dict of splits", lambda _: ({"train": FRAME}, {}), error="choose one split"),
    # rows that are not like the header
    Case(
        "a row with too few fields",
        file("a.csv", table() + b"only text\n"),
        rows=4,
        unreadable=1,
        says="a.csv:5: 1 field where the first row has 2",
    ),
    Case(
        "a row with too many fields",
        file("a.csv", b"text,label\na, b, c\nWhere is it now?,track\n"),
        rows=2,
        unreadable=1,
        says="a.csv:2: 3 fields where the first row has 2",
    ),
    Case(
        "many ragged rows",
        file("a.csv", table(100) + b"x\n" * 50 + b"a,b,c\n" * 50 + table(20)[11:]),
        rows=220,
        unreadable=100,
    ),
    Case(
        "a quote that is never closed",
        file("a.csv", b'text,label\n"Where is it?,track\nRefund it please!,refund\nIs it here yet?,track\n'),
        rows=3,
        unreadable=1,
        says="a.csv:2: a quote is opened and never closed",
    ),
    Case(
        "a quote that is closed too early",
        file("a.csv", b'text,label\n"Where" is it?,track\nRefund it please!,refund\n'),
        rows=2,
        unreadable=1,
        says="text follows a closing quote",
    ),
    Case(
        "a torn row of two lines",
        file("a.csv", b'text,label\n"He said "hi" to\nme",track\nRefund it please!,refund\n'),
        rows=3,
        unreadable=2,
    ),
    Case(
        "an open quote that another row's quotes would close",
        file("a.csv", b'text,label\n"Where is it,track\nIs it lost now?,track\n"So, refund it!",refund\n'),
        rows=3,
        unreadable=1,
    ),
    Case(
        "a text of three lines in a row that lacks its label",
        file("a.csv", b'text,label\n"one\ntwo\nthree"\nWhere is it now?,track\n'),
        rows=2,
        unreadable=1,
        says="a.csv:2",
    ),
    Case(
        "a NUL byte",
        file("a.csv", table(60) + b"Where is\x00 it?,track\n"),
        rows=61,
        unreadable=1,
        says="a.csv:62: a NUL byte",
    ),
    Case("NUL bytes only", file("a.csv", b"\x00" * 4096), error="not a text file"),
    Case(
        "50 MB on one line",
        file("a.csv", table() + b"x" * WIDE + b",track\nIs it here yet?,track\n"),
        rows=5,
        unreadable=1,
        says="50 MB on one line",
    ),
    Case("a header of 50 MB", file("a.csv", b"x" * WIDE + b"\nWhere is it?\n"), error="the first row cannot be read"),
    Case(
        "every row ragged",
        file("a.csv", b"text,label\n" + b"Where is it?;track\n" * 5),
        error="1 field where the first row has 2",
    ),
    Case(
        "blank lines between rows", file("a.csv", table().replace(b"\n", b"\n\n")), rows=3, says="4 blank lines skipped"
    ),
    Case("rows of nothing but delimiters", file("a.csv", table() + b",\n,\n"), rows=5),
    Case("a last line without an end", file("a.csv", table()[:-1]), rows=3),
    Case("two kinds of line ends", file("a.csv", table().replace(b"\n", b"\r\n", 2)), rows=3),
    Case("the line ends of old Macs", file("a.csv", table().replace(b"\n", b"\r")), rows=3),
    # headers and columns
    Case("two columns of one name", file("a.csv", b"text,label,text\na,b,c\n"), error="two columns are named 'text'"),
    Case(
        "two columns of one name in a sheet",
        file("a.xlsx", sheet(["a", "a"], ["x", "y"])),
        error="two columns are named",
    ),
    Case(
        "a text column that is not there", file("a.csv", table(), text="txt"), error="'text' (there are: label, text)"
    ),
    Case("a label column that is not there", file("a.csv", table(), labels=["lable"]), error="unknown column 'lable'"),
    Case("one column for text and label", file("a.csv", table(), text="text", labels=["text"]), error="cannot be both"),
    Case("a label column with nothing in it", file("a.csv", b"text,label\nWhere is it?,\nRefund!, \n"), rows=2),
    Case("a text column with nothing in it", file("a.csv", b"text,label\n,track\n ,refund\n"), rows=2),
    Case("no column for the label", file("a.csv", b"text\nWhere is it?\nRefund!\n"), error="no answer to learn from"),
    Case(
        "two columns that may be the text",
        file("a.csv", b"text_one,text_two,label\nWhere is it?,Where is that?,a\nRefund it now!,Refund that now!,b\n"),
        error="--text text_one (Where is it?) or --text text_two",
    ),
    Case(
        "no header",
        file("a.csv", b"Where is my parcel? I have been waiting for it for a whole week now,track\n" + table()[11:]),
        rows=4,
        says="there is no header: 'track' is data as in the rows below; the columns are named text and label",
    ),
    Case(
        "no header, and a first row of which nothing comes again",
        file("a.csv", b"Where is my parcel? I have been waiting for it for a whole week now,late\n" + table()[11:]),
        error="it is not clear which column is",
    ),
    Case(
        "no header and a torn row",
        file("a.csv", table(9)[11:] + b"x\n"),
        rows=10,
        unreadable=1,
        says="a.csv:10: 1 field where the first row has 2",
    ),
    Case(
        "no header, two cells of the first row the same",
        file("a.csv", b"yes,yes\nno,yes\nyes,no\nno,no\n", text="column_1", labels=["column_2"]),
        rows=4,
    ),
    Case("a column without a name", file("a.csv", b",text,label\n0,Where is it?,track\n1,Refund!,refund\n"), rows=2),
    Case(
        "a file of another header among several",
        files({"a.csv": table(), "b.csv": b"text,intent\nWhere is it?,track\n"}),
        error="unknown column",
    ),
    Case(
        "files of two kinds",
        files({"a.csv": table(), "b.jsonl": lines(CHAT)}),
        error="a.csv and b.jsonl",
    ),
    Case(
        "preference pairs",
        file("a.jsonl", lines({"prompt": "a", "chosen": "b", "rejected": "c"})),
        rows=1,
        says="chosen and rejected",
    ),
    # encodings
    Case("latin-1", file("a.csv", ACCENTS.encode("latin-1")), rows=2, says="Windows-1252 (Latin-1), guessed"),
    Case("UTF-8 with a byte-order mark", file("a.csv", ACCENTS.encode("utf-8-sig")), rows=2, says="byte-order mark"),
    Case(
        "UTF-16 with a byte-order mark", file("a.csv", ACCENTS.encode("utf-16")), rows=2, says="UTF-16 (little-endian)"
    ),
    Case("UTF-16 without one", file("a.csv", ACCENTS.encode("utf-16-be")), rows=2, says="UTF-16 (big-endian)"),
    Case("UTF-32", file("a.csv", ACCENTS.encode("utf-32")), rows=2, says="UTF-32"),
    Case(
        "UTF-8 with one damaged row",
        file("a.csv", ACCENTS.encode() + b"Caf\xe9 froid,qualit\xc3\xa9\n"),
        rows=3,
        unreadable=1,
        says="a.csv:4: bytes that are not in the file's encoding",
    ),
    Case("UTF-8 cut in the middle of a letter", file("a.csv", ACCENTS.encode()[:-2]), rows=2, unreadable=1),
    Case("UTF-16 of an odd number of bytes", file("a.csv", ACCENTS.encode("utf-16") + b"\x41"), rows=3, unreadable=1),
    # what it is
    Case("a zip file", file("a.zip", zipped("a.csv", "b.csv")), error="unpack it"),
    Case("a Word document", file("a.docx", zipped("word/document.xml")), error="save the table in it as CSV"),
    Case(
        "a PDF named .csv",
        file("a.csv", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n" + bytes(range(256))),
        error="this is a PDF file",
    ),
    Case(
        "a web page", file("a.csv", b"<!DOCTYPE html>\n<html><body>Sign in</body></html>"), error="this is a web page"
    ),
    Case(
        "a Git LFS pointer",
        file("a.csv", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"),
        error="git lfs pull",
    ),
    Case(
        "random bytes", file("a.csv", bytes((n * n * 31 + n * 7) % 251 for n in range(5000))), error="not a text file"
    ),
    Case("random bytes named .parquet", file("a.parquet", bytes(range(256)) * 9), error="not a text file"),
    Case("a CSV file named .json", file("a.json", table()), rows=3, says="it is named .json and is not JSON"),
    Case("a CSV file named .xlsx", file("a.xlsx", table()), rows=3, says="it is named .xlsx and is not Excel"),
    Case("a Parquet file named .csv", file("a.csv", packed(FRAME, "parquet")), rows=2, says="is not separated"),
    Case("a JSON lines file named .csv", file("a.csv", lines(GOOD, GOOD)), rows=2, says="JSON lines"),
    Case("a gzip file without its ending", file("a.csv", gzip.compress(table())), rows=3, says="gzip"),
    Case("a plain file named .gz", file("a.csv.gz", table()), rows=3),
    Case("a bzip2 file", file("a.csv.bz2", bz2.compress(table())), rows=3, says="bzip2"),
    # cut off and damaged
    Case("a gzip file cut off", file("a.csv.gz", gzip.compress(table(500))[:-20]), error="this gzip file is cut off"),
    Case("a gzip file with a wrong checksum", file("a.gz", gzip.compress(table())[:-8] + b"12345678"), error="damaged"),
    Case("a zstd file cut off", file("a.zst", zstandard.compress(table(500))[:-20]), error="this zstd file is cut off"),
    Case("a zstd file with rubbish behind", file("a.zst", zstandard.compress(table()) + b"rubbish"), error="damaged"),
    Case("a file that unpacks to gigabytes", file("a.csv.zst", bomb()), error="200 times its size"),
    Case("a workbook that unpacks to gigabytes", file("a.xlsx", swollen_sheet()), error="200 times its size"),
    Case("a Parquet file cut off", file("a.parquet", packed(FRAME, "parquet")[:-30]), error="cut off or damaged"),
    Case("a Parquet file cut short", file("a.parquet", b"PAR1"), error="cut off or damaged"),
    Case("an Arrow file cut off", file("a.arrow", packed(FRAME, "ipc")[:-30]), error="cut off or damaged"),
    Case("an Arrow stream cut off", file("a.arrow", packed(FRAME, "stream")[:60]), error="cut off or damaged"),
    Case("a workbook cut off", file("a.xlsx", sheet(["text"], ["a"])[:-100]), error="cut off or damaged"),
    Case(
        "a workbook of three sheets with blank rows",
        file("a.xlsx", sheet(["text", "label"], ["Where is it?", "track"], [None, None], ["Hm", "b"], sheets=3)),
        rows=2,
        says="only the first of 3 sheets",
    ),
    # JSON
    Case("JSON with a trailing comma", file("a.json", b'[{"text": "a", "label": "b"},]'), error="trailing comma"),
    Case("JSON cut off", file("a.json", json.dumps([GOOD] * 9).encode()[:-40]), error="this is not JSON"),
    Case("a JSON number", file("a.json", b"17"), error="there are no rows"),
    Case("a JSON list of numbers", file("a.json", b"[1, 2]"), error="no row can be read"),
    Case("a JSON list with a stray number", file("a.json", json.dumps([GOOD, 7, GOOD]).encode()), rows=3, unreadable=1),
    Case(
        "JSON with two lists of rows",
        file("a.json", json.dumps({"a": [GOOD], "b": [GOOD]}).encode()),
        error="several lists",
    ),
    Case(
        "nested JSON",
        file("a.json", json.dumps({"v": 1, "data": {"rows": [GOOD] * 3}}).encode()),
        rows=3,
        says="'data/rows'",
    ),
    Case("JSON nested too deep", file("a.json", b"[" * 5000 + b"]" * 5000), error="this is not JSON"),
    Case(
        "a JSON line that does not parse",
        file("a.jsonl", lines(GOOD, b'{"text": ', GOOD)),
        rows=3,
        unreadable=1,
        says="a.jsonl:2: not JSON",
    ),
    Case("a JSON line that is a list", file("a.jsonl", lines(GOOD, [1], GOOD)), rows=3, unreadable=1, says="a.jsonl:2"),
    Case("a JSON line with NaN", file("a.jsonl", lines(GOOD, GOOD, b'{"text": NaN}')), rows=3, unreadable=1),
    Case("half a letter in JSON", file("a.jsonl", lines(GOOD, GOOD, b'{"text": "\\ud83d"}')), rows=3, unreadable=1),
    Case("two JSON objects on a line", file("a.jsonl", lines(GOOD, GOOD, b'{"a": 1} {"a": 2}')), rows=3, unreadable=1),
    Case("a NUL byte in JSON lines", file("a.jsonl", lines(*[GOOD] * 9, b'{"text": "\x00"}')), rows=10, unreadable=1),
    Case("blank JSON lines", file("a.jsonl", lines(GOOD, b"", b"  ", GOOD)), rows=2, says="2 blank lines skipped"),
    Case(
        "a JSON line of 50 MB",
        file("a.jsonl", lines(GOOD, b'{"text": "' + b"x" * WIDE + b'", "label": "a"}', GOOD)),
        rows=3,
        unreadable=1,
        says="50 MB on one line",
    ),
    Case("JSON lines of other keys", file("a.jsonl", lines(GOOD, GOOD, {"other": 1})), rows=3),
    Case(
        "thousands of different keys",
        file("a.jsonl", lines(*({f"key {n}": "a"} for n in range(1500)))),
        error="more than 1,000 different keys",
    ),
    Case(
        "the names of ShareGPT in messages",
        file("a.jsonl", lines(CHAT, {"messages": [{"from": "human", "value": "a b"}, {"from": "gpt", "value": "c"}]})),
        rows=2,
        says="1 conversation names who speaks as ShareGPT does",
    ),
    Case("messages that are text", file("a.jsonl", lines(CHAT, {"messages": "hello"})), rows=2, unreadable=1),
    Case("messages that are numbers", file("a.jsonl", lines(CHAT, {"messages": [1, 2]})), rows=2, unreadable=1),
    Case(
        "chat and prompts mixed", file("a.jsonl", lines(CHAT, {"prompt": "a", "completion": "b"})), rows=2, unreadable=1
    ),
    Case(
        "a function call that is not JSON",
        file(
            "a.jsonl",
            lines(
                *(
                    {"conversations": [{"from": "human", "value": "a"}, {"from": "function_call", "value": v}]}
                    for v in ("{", '{"name": "f"}')
                )
            ),
        ),
        rows=2,
        unreadable=1,
        says="a function_call is not JSON",
    ),
    Case("half a letter in a list of dicts", lambda _: ([GOOD, {"text": "\ud83d"}], {}), rows=2, unreadable=1),
    Case("a list of dicts and numbers", lambda _: ([GOOD, 7], {}), rows=2, unreadable=1),
]
