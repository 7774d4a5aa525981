"""Datasets of the Hub: the real client against a server that answers as the Hub does, over real HTTP.

The last test asks the real Hub; it is there only where TUNESET_REAL_SERVICES=1:
TUNESET_REAL_SERVICES=1 pytest tests/test_fetch_hub.py -k real
"""

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import fetch_server
import polars as pl
import pytest
from fetch_server import SIGNED, TOKEN, repository
from huggingface_hub import close_session
from hypothesis import given
from hypothesis import strategies as st

from tuneset.errors import RecipeError, RunError, TunesetError
from tuneset.fetch import download, features, fetch, hub, layout
from tuneset.sources import read

PROXIES = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
LABELS = ["card arrival", "lost card", "exchange rate"]
CARD = """---
license: cc-by-4.0
configs:
- config_name: default
  data_files:
  - split: train
    path: data/train-*
  - split: test
    path: data/test-*
dataset_info:
  features:
  - name: text
    dtype: string
  - name: label
    dtype:
      class_label:
        names:
          '0': card arrival
          '1': lost card
          '2': exchange rate
---
# Inquiries

```bibtex
@inproceedings{ann2026, title={Inquiries}}
```
"""


def frame(rows, start=0):
    ids = range(start, start + rows)
    texts = [f"where is card {i}? {hashlib.sha256(b'%d' % i).hexdigest()}" for i in ids]
    return pl.DataFrame({"text": texts, "label": [i % 3 for i in ids]}, schema={"text": pl.String, "label": pl.Int64})


def parquet(table, metadata=None):
    sink = io.BytesIO()
    table.write_parquet(sink, metadata=metadata)
    return sink.getvalue()


FILES = {
    "data/train-00000-of-00002.parquet": parquet(frame(300)),
    "data/train-00001-of-00002.parquet": parquet(frame(200, 300)),
    "data/test-00000-of-00001.parquet": parquet(frame(50, 500)),
}


@pytest.fixture
def server(monkeypatch):
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr(download, "PAUSE", 0.001)
    serving = fetch_server.serving()
    monkeypatch.setenv("HF_ENDPOINT", serving.url)
    close_session()  # the client keeps the proxies of the test before
    yield serving
    serving.shutdown()
    serving.server_close()


def words(table):
    return [LABELS[number] for number in table["label"]]


def test_each_split_becomes_one_file_and_label_numbers_become_names(server, tmp_path):
    commit = repository(server, "shop/inquiries", FILES, card=CARD)
    done = fetch("hf:shop/inquiries", tmp_path / "a")
    assert [path.name for path in done.files] == ["train.parquet", "test.parquet"]
    assert done.about.splits == {"train.parquet": "train", "test.parquet": "test"}
    train, test = map(pl.read_parquet, done.files)
    assert train["text"].to_list() == frame(500)["text"].to_list()
    assert train["label"].to_list() == words(frame(500))
    assert test["label"].to_list() == words(frame(50, 500))
    assert (done.about.address, done.about.revision, done.about.licence) == (
        "hf:shop/inquiries:default",
        commit,
        "cc-by-4.0",
    )
    assert done.about.citation == "@inproceedings{ann2026, title={Inquiries}}"
    assert (tmp_path / "a" / done.about.card).read_text() == CARD
    assert sorted(path.name for path in (tmp_path / "a").iterdir() if path.suffix != ".json") == [
        "card.md",
        "test.parquet",
        "train.parquet",
    ]


def test_what_was_fetched_is_read_by_the_reader_of_files(server, tmp_path):
    repository(server, "shop/inquiries", FILES, card=CARD)
    done = fetch("hf:shop/inquiries", tmp_path / "a")
    examples = read([str(path) for path in done.files], text="text", labels=["label"]).examples
    assert examples.height == 550
    assert set(examples["label"]) == {json.dumps({"label": name}) for name in LABELS}


def test_names_in_the_parquet_file_itself_count_before_the_card_s(server, tmp_path):
    told = {
        "huggingface": json.dumps({"info": {"features": {"label": {"names": ["a", "b", "c"], "_type": "ClassLabel"}}}})
    }
    files = {"train.parquet": parquet(frame(3), told)}
    repository(server, "shop/inquiries", files)
    (path,) = fetch("hf:shop/inquiries", tmp_path / "a").files
    assert pl.read_parquet(path)["label"].to_list() == ["a", "b", "c"]


def test_a_file_without_numbers_to_name_stays_byte_for_byte(server, tmp_path):
    content = parquet(frame(300).with_columns(pl.col("label").cast(pl.String)))
    repository(server, "shop/inquiries", {"train.parquet": content, "notes.txt": b"no table"})
    (path,) = fetch("hf:shop/inquiries", tmp_path / "a").files
    assert path.read_bytes() == content


def test_lists_of_labels_are_named_and_no_label_is_empty():
    table = pl.DataFrame({"tags": [[0, 2], [], None], "label": [1, -1, 7]})
    named = table.lazy().with_columns(features._named(table.schema, {"tags": LABELS, "label": LABELS})).collect()
    assert named["tags"].to_list() == [["card arrival", "exchange rate"], [], None]
    assert named["label"].to_list() == ["lost card", None, "7"]


def test_a_dataset_of_csv_files_is_read_from_the_hub_s_copy_in_parquet(server, tmp_path):
    copy = {"default/train/0000.parquet": parquet(frame(9)), "default/partial-test/0000.parquet": parquet(frame(3))}
    repository(server, "shop/inquiries", {"train.csv": b"text,label\na,1\n"}, revisions={hub.CONVERTED: copy})
    done = fetch("hf:shop/inquiries", tmp_path / "a")
    assert done.about.splits == {"train.parquet": "train", "test.parquet": "test"}
    assert "copy in Parquet" in done.about.says[0]
    assert "only the first part of test" in done.about.says[1]


def test_without_a_copy_and_at_a_revision_its_own_csv_and_json_lines_are_taken(server, tmp_path):
    copy = {"default/train/0000.parquet": parquet(frame(9))}
    files = {"train.jsonl": b'{"text": "a", "label": 2}\n{"text": "b", "label": 0}\n', "test.csv": b"text,label\nc,1\n"}
    repository(
        server, "shop/inquiries", files, card=CARD.replace("configs", "x-configs"), revisions={hub.CONVERTED: copy}
    )
    done = fetch("hf:shop/inquiries@main", tmp_path / "a")
    assert [path.name for path in done.files] == ["train.jsonl", "test.csv"]
    assert done.files[0].read_text() == '{"text":"a","label":"exchange rate"}\n{"text":"b","label":"card arrival"}\n'
    assert done.files[1].read_text() == "text,label\nc,lost card\n"


def test_several_configurations_must_be_chosen_from(server, tmp_path):
    card = "---\nconfigs:\n- config_name: en\n  data_files: en.csv\n- config_name: de\n  data_files: de.csv\n---\n"
    repository(server, "shop/inquiries", {"en.csv": b"text\na\n", "de.csv": b"text\nb\n"}, card=card)
    with pytest.raises(RunError, match="several configurations") as raised:
        fetch("hf:shop/inquiries", tmp_path / "a")
    assert "en, de" in raised.value.hint
    with pytest.raises(RunError, match="no configuration 'fr'"):
        fetch("hf:shop/inquiries:fr", tmp_path / "a")
    assert fetch("hf:shop/inquiries:de", tmp_path / "a").files[0].read_bytes() == b"text\nb\n"


def test_a_second_call_asks_nothing_and_another_address_in_the_same_folder_begins_anew(server, tmp_path):
    repository(server, "shop/inquiries", FILES, card=CARD)
    repository(server, "shop/other", {"train.csv": b"text\na\n"})
    first = fetch("hf:shop/inquiries", tmp_path / "a")
    server.requests.clear()
    assert fetch("hf:shop/inquiries", tmp_path / "a") == first
    assert server.requests == []
    fetch("hf:shop/other", tmp_path / "a")
    assert not (tmp_path / "a" / "train.parquet").exists()


# --- refusals


def refused(address, folder):
    with pytest.raises(TunesetError) as raised:
        fetch(address, folder)
    assert len(str(raised.value).splitlines()) == 3
    return raised.value


def test_a_name_that_is_not_there_brings_near_ones(server, tmp_path):
    repository(server, "shop/inquiries", FILES)
    repository(server, "other/inquiries", FILES)
    error = refused("hf:shops/inquiries", tmp_path / "a")
    assert error.what == "the Hub has no such dataset, or it is private"
    assert "hf:shop/inquiries, hf:other/inquiries" in error.hint


def test_a_gated_dataset_says_what_to_do_and_opens_with_the_token(server, tmp_path, monkeypatch):
    repository(server, "shop/inquiries", FILES, card=CARD, gated="auto")
    error = refused("hf:shop/inquiries", tmp_path / "a")
    assert error.what == "this dataset is only for those who agreed to its terms"
    assert error.hint == f"open {server.url}/datasets/shop/inquiries, agree to its terms, then set HF_TOKEN"
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert len(fetch("hf:shop/inquiries", tmp_path / "a").files) == 2


def test_a_private_dataset_opens_with_the_token_which_is_written_nowhere_and_goes_to_no_other_host(
    server, tmp_path, monkeypatch
):
    repository(server, "shop/inquiries", FILES, card=CARD, private=True)
    refused("hf:shop/inquiries", tmp_path / "a")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    events = []
    fetch("hf:shop/inquiries", tmp_path / "a", events.append)
    assert len(server.asked("/cdn/")) == 3  # which asserts that no login came along
    told = [
        repr(events),
        *(path.read_bytes().decode(errors="replace") for path in (tmp_path / "a").rglob("*") if path.is_file()),
    ]
    assert [text for text in told if TOKEN in text or SIGNED in text] == []


def test_a_stored_token_of_the_user_is_not_taken(server, tmp_path, monkeypatch):
    (tmp_path / "token").write_text(TOKEN)
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "token"))
    repository(server, "shop/inquiries", FILES, card=CARD)
    fetch("hf:shop/inquiries", tmp_path / "a")
    assert all("authorization" not in request.headers for request in server.requests)


def test_a_revision_that_is_not_there_is_named(server, tmp_path):
    repository(server, "shop/inquiries", FILES)
    assert refused("hf:shop/inquiries@v9", tmp_path / "a").what == "this dataset has no revision 'v9'"


def test_a_dataset_with_only_a_program_is_refused_and_the_program_is_not_fetched(server, tmp_path):
    repository(server, "shop/inquiries", {"inquiries.py": b"import os; os.abort()"})
    assert "only a program" in refused("hf:shop/inquiries", tmp_path / "a").what
    assert server.asked(r"\.py") == []


def test_files_that_are_no_tables_are_named(server, tmp_path):
    card = "---\nconfigs:\n- config_name: default\n  data_files: '*.tar'\n---\n"
    repository(server, "shop/inquiries", {"a.tar": b"x"}, card=card)
    assert refused("hf:shop/inquiries", tmp_path / "a").what == "this dataset has files that are not read: .tar"


def test_a_dataset_beyond_the_limit_is_refused_before_its_tables_are_fetched(server, tmp_path):
    repository(server, "shop/inquiries", FILES)
    with pytest.raises(RunError, match="more than 1,000"):
        fetch("hf:shop/inquiries", tmp_path / "a", limit=1000)
    assert server.asked("resolve") == []


def test_without_a_network_it_is_said(server, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    error = refused("hf:shop/inquiries", tmp_path / "a")
    assert (error.what, error.where) == ("cannot reach 127.0.0.1", "hf:shop/inquiries")
    assert error.hint.startswith("check the connection")


def test_a_token_goes_over_no_plain_http(server, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://example.org")
    assert "not https" in refused("hf:shop/inquiries", tmp_path / "a").what


@pytest.mark.parametrize("address", ["hf:inquiries", "hf:a/b/c", "hf:a/b:", "hf:a b/c", "hf:a/b@", "hf://a/b"])
def test_an_address_in_a_wrong_form_is_named(address, tmp_path):
    with pytest.raises(RecipeError):
        fetch(address, tmp_path / "a")


def test_content_that_is_not_what_the_hub_promised_is_not_kept(server, tmp_path):
    repository(server, "shop/inquiries", FILES, card=CARD)

    def tamper(request):
        if request.path.startswith("/cdn/"):
            server.files[request.path] = server.files[request.path][:-1] + b"?"

    server.before = tamper
    assert "hash is another one" in refused("hf:shop/inquiries", tmp_path / "a").what
    assert not list((tmp_path / "a").rglob("*.parquet"))


# --- interruptions

KILLED = """
import sys
from pathlib import Path
from tuneset.fetch import download, fetch
download.PAUSE, download.CHUNK = 0.001, 500
fetch(sys.argv[1], Path(sys.argv[2]))
"""


def killed_at(server, folder, address, moment):
    """Run a fetch in a process of its own, and kill it when the server has sent so many pieces."""
    sent = []

    def kill(request, _):
        if "/cdn/" in request.path or "/resolve/" in request.path:
            sent.append(request)
            if len(sent) == moment:
                process.send_signal(signal.SIGKILL)
                process.wait()

    server.between = kill
    process = subprocess.Popen([sys.executable, "-c", KILLED, address, str(folder)], stderr=subprocess.PIPE)
    _, said = process.communicate(timeout=60)
    server.between = fetch_server.nothing
    assert process.returncode in (0, -signal.SIGKILL), said.decode()
    return process.returncode


def visible(folder):
    return {
        path.name: path.read_bytes() for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")
    }


@pytest.mark.slow
def test_killed_at_any_moment_and_run_again_the_files_are_the_same_and_nothing_complete_comes_twice(server, tmp_path):
    repository(server, "shop/inquiries", FILES, card=CARD)
    fetch("hf:shop/inquiries", tmp_path / "whole")
    whole = visible(tmp_path / "whole")
    assert "fetched.json" in whole
    server.step = 1000
    pieces = sum(-(-len(content) // 1000) for content in FILES.values())
    for moment in range(2, pieces + 4, max(1, pieces // 4)):
        folder = tmp_path / str(moment)
        server.requests.clear()
        was = killed_at(server, folder, "hf:shop/inquiries", moment)
        left = visible(folder) if folder.exists() else {}
        assert {
            name: content for name, content in left.items() if name in whole and not name.endswith(".json")
        }.items() <= whole.items()
        complete = {path.stem for path in folder.glob("parts/*.parquet")}
        before = len(server.requests)
        fetch("hf:shop/inquiries", folder)
        assert visible(folder) == whole
        again = {request.path[5:45] for request in server.requests[before:] if request.path.startswith("/cdn/")}
        assert again.isdisjoint(complete)
        assert was or not again


def test_a_connection_that_breaks_is_gone_on_with_where_it_was(server, tmp_path):
    repository(server, "shop/inquiries", FILES, card=CARD)
    server.step, broken = 1000, []

    def hang_up(request, sent):
        if request.path.startswith("/cdn/") and sent >= 3000 and len(broken) < 2:
            broken.append(sent)
            return "hang up"
        return None

    server.between = hang_up
    done = fetch("hf:shop/inquiries", tmp_path / "a")
    assert pl.read_parquet(done.files[0]).height == 500
    asked = [request.headers.get("range") for request in server.asked("/cdn/")]
    assert len([each for each in asked if each]) == 2


def test_a_fetch_that_was_killed_ends_with_the_revision_that_it_began_with(server, tmp_path):
    commit = repository(server, "shop/inquiries", FILES, card=CARD)
    server.step = 1000
    assert killed_at(server, tmp_path / "a", "hf:shop/inquiries", 5) == -signal.SIGKILL
    old = server.hub["shop/inquiries"]["files"][commit]
    new = repository(server, "shop/inquiries", {"train.csv": b"text\nnew\n"})
    server.hub["shop/inquiries"]["files"][commit] = old
    done = fetch("hf:shop/inquiries", tmp_path / "a")
    assert done.about.revision == commit != new
    assert pl.read_parquet(done.files[0]).height == 500


def test_a_server_that_stumbles_is_asked_again(server, tmp_path):
    repository(server, "shop/inquiries", FILES, card=CARD)
    events, stumbles = [], [(429, {"Retry-After": "0"}, b""), (503, {"Retry-After": "0"}, b"")]

    def stumble(request):
        if request.path.startswith("/cdn/") and stumbles:
            server.script.append(stumbles.pop())

    server.before = stumble
    fetch("hf:shop/inquiries", tmp_path / "a", events.append)
    assert [event.says.partition(";")[0] for event in events if event.kind == "wait"] == [
        "503 Service Unavailable",
        "429 Too Many Requests",
    ]


@pytest.mark.slow
def test_a_hub_that_limits_its_guests_is_asked_again_after_as_long_as_it_says(server, tmp_path, monkeypatch):
    repository(server, "shop/inquiries", FILES, card=CARD)
    waits, events = [], []
    monkeypatch.setattr("time.sleep", waits.append)
    limited = (429, {"RateLimit": '"api";r=0;t=41', "RateLimit-Policy": '"fixed window";"api";q=500;w=300'}, b"")
    server.script[:] = [limited, (503, {}, b"")]  # of the first question, what there is of this dataset
    stumbles = [limited, (500, {}, b""), (500, {}, b"")]

    def stumble(request):
        if request.path.startswith("/datasets/") and stumbles:
            server.script.append(stumbles.pop())

    server.before = stumble
    fetch("hf:shop/inquiries", tmp_path / "a", events.append)
    assert [round(wait, 3) for wait in waits if wait > 0.0001] == [41.0, 2.0, 0.001, 0.002, 41.0]


def test_a_small_file_that_lies_elsewhere_on_the_hub_comes_with_the_token(server, tmp_path, monkeypatch):
    """The real Hub sends what is not large on to an address of its own, which is relative."""
    repository(server, "shop/inquiries", {"train.csv": b"text\nhello\n"}, private=True)
    monkeypatch.setenv("HF_TOKEN", TOKEN)

    def lead_on(request):
        if request.path.endswith("/train.csv"):
            kept = f"/kept{request.path}"
            server.files[kept] = lambda asked: (
                (200, {"ETag": '"x"'}, b"text\nhello\n")
                if asked.headers.get("authorization") == f"Bearer {TOKEN}"
                else (401, {}, b"")
            )
            server.script += [(307, {"Location": kept}, b"")] if not request.path.startswith("/kept") else []

    server.before = lead_on
    assert fetch("hf:shop/inquiries", tmp_path / "a").files[0].read_bytes() == b"text\nhello\n"


def test_a_gated_dataset_that_asks_who_is_there_is_told_from_one_that_is_not(server, tmp_path):
    repository(server, "shop/inquiries", FILES, card=CARD)
    refuses = (401, {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access is restricted"}, {"error": "no"})
    for place in ("/api/datasets/shop/inquiries", "/resolve/"):
        server.before = lambda request, place=place: server.script.append(refuses if place in request.path else None)
        assert (
            refused("hf:shop/inquiries", tmp_path / "a").what
            == "this dataset is only for those who agreed to its terms"
        )


def test_a_dataset_that_has_moved_is_found_under_its_new_name(server, tmp_path):
    repository(server, "shop/inquiries", FILES, card=CARD)

    def moved(request):
        if "old/name" in request.path:
            server.script.append((307, {"Location": request.path.replace("old/name", "shop/inquiries")}, b""))

    server.before = moved
    assert len(fetch("hf:old/name", tmp_path / "a").files) == 2


def test_many_parts_become_one_file_in_constant_memory(tmp_path):
    sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))
    import fetch as bench

    (tmp_path / "parts").mkdir()
    bench.fill_parts(tmp_path / "parts", 3_200_000)
    few, many = 800_000, 3_200_000
    small, large = (
        bench.measured("parts", rows, str(tmp_path / "parts"), tmp_path / str(rows))["peak"] for rows in (few, many)
    )
    assert large < 1.6 * small


# --- layouts

SOME = ["train.csv", "dev.csv", "test.csv", "data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet"]
SOME += [
    "data/test-00000-of-00001.parquet",
    "data/eval.jsonl",
    "train/a.csv",
    "valid/b.csv",
    "my_train_set.json",
    "x/testing/c.csv",
]
SOME += [
    "README.md",
    "all.csv",
    "dataset_info.json",
    ".hidden/train.csv",
    "__pycache__/train.csv",
    "en/train.csv",
    "training-1.jsonl",
]
SOME += ["data/unlabelled-00000-of-00001.parquet", "contest.csv", "devices.csv", "x/evaluation_1/d.parquet"]


@given(st.sets(st.sampled_from(SOME), min_size=1))
def test_files_belong_to_the_splits_that_the_datasets_library_gives_them(paths):
    from datasets.data_files import EmptyDatasetError, _get_data_files_patterns

    listed = sorted(paths)
    ours = layout.configurations({}, listed)["default"]

    def resolve(pattern):
        if found := [path for path in layout._matching(pattern, listed) if layout.is_table(path)]:
            return found
        raise FileNotFoundError(pattern)

    try:
        patterns = _get_data_files_patterns(resolve)
    except (FileNotFoundError, EmptyDatasetError):
        patterns = {}
    theirs = {
        str(split): sorted({path for each in asked for path in resolve_all(resolve, each)})
        for split, asked in patterns.items()
    }
    assert {split: sorted(files) for split, files in ours.items()} == theirs


def resolve_all(resolve, pattern):
    try:
        return resolve(pattern)
    except FileNotFoundError:
        return []


@given(
    st.sets(st.sampled_from(SOME), min_size=1),
    st.sampled_from(
        [
            "**",
            "*.csv",
            "data/*",
            "**/train*",
            "*/a.csv",
            "data/train-*",
            ".hidden/*",
            "__pycache__/*",
            "[a-d]*.csv",
            "x/**",
        ]
    ),
)
def test_a_pattern_means_the_files_that_the_datasets_library_finds(paths, pattern):
    import tempfile

    from datasets.data_files import resolve_pattern

    with tempfile.TemporaryDirectory() as folder:
        for path in paths:
            (Path(folder) / path).parent.mkdir(parents=True, exist_ok=True)
            (Path(folder) / path).touch()
        try:
            theirs = [
                str(Path(each).relative_to(Path(folder).resolve()))
                for each in resolve_pattern(pattern, str(Path(folder).resolve()))
            ]
        except FileNotFoundError:
            theirs = []
    assert sorted(layout._matching(pattern, sorted(paths))) == sorted(theirs)


def test_a_card_can_say_its_files_in_every_way_that_the_hub_knows():
    paths = ["a.csv", "b.csv", "en/train.csv", "en/test.csv"]
    ways = {
        "one": "a.csv",
        "two": ["a.csv", "b.csv"],
        "named": [{"split": "train", "path": ["a.csv", "b.csv"]}, {"split": "extra", "path": "en/*"}],
        "map": {"train": "a.csv"},
    }
    card = {
        "configs": [{"config_name": name, "data_files": way} for name, way in ways.items()]
        + [{"config_name": "dir", "data_dir": "en"}]
    }
    assert layout.configurations(card, paths) == {
        "one": {"train": ["a.csv"]},
        "two": {"train": ["a.csv", "b.csv"]},
        "named": {"train": ["a.csv", "b.csv"], "extra": ["en/test.csv", "en/train.csv"]},
        "map": {"train": ["a.csv"]},
        "dir": {"train": ["en/train.csv"], "test": ["en/test.csv"]},
    }


@pytest.mark.parametrize(
    "card",
    [
        {"configs": 3},
        {"configs": ["x"]},
        {"configs": [{"data_files": 5}]},
        {"dataset_info": "x"},
        {"dataset_info": [3]},
    ],
)
def test_a_card_that_makes_no_sense_breaks_nothing(card):
    layout.configurations(card, ["train.csv"])
    assert features.of_card(card, "default") == {}


if os.environ.get("TUNESET_REAL_SERVICES") == "1":

    def test_the_real_hub_gives_banking77(tmp_path, monkeypatch):
        monkeypatch.delenv("HF_ENDPOINT", raising=False)
        done = fetch("hf:mteb/banking77", tmp_path / "a")
        assert set(done.about.splits.values()) == {"train", "test"}
        assert read([str(path) for path in done.files], text="text", labels=["label_text"]).examples.height >= 13_000
