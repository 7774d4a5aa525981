"""Texts as vectors: n-grams against scikit-learn, models of every form, a server over real HTTP, the cache."""

import hashlib
import json
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import tiny_model
from test_ngrams import TEXTS, series

from tuneset import features
from tuneset.errors import InputError, RecipeError, TunesetError
from tuneset.features import embed, hub, local, server

# --- n-grams


# --- models in a folder


@pytest.fixture(scope="module")
def onnx(tmp_path_factory):
    return tiny_model.onnx_folder(tmp_path_factory.mktemp("onnx"), TEXTS)


def mean_of_words(text):
    words = re.findall(r"\w+|[^\w\s]", text.lower())
    mean = np.mean([tiny_model.vector(word) for word in words], axis=0)
    return mean / np.linalg.norm(mean)


def test_an_onnx_model_gives_the_mean_of_its_tokens_at_length_one(onnx):
    got = features.embeddings(series(*TEXTS), onnx)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, [mean_of_words(text) for text in TEXTS], atol=1e-6)


@pytest.mark.parametrize(
    ("pooling", "expected"),
    [
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, lambda rows: rows[0]),
        ({"pooling_mode": "lasttoken"}, lambda rows: rows[-1]),
        ({"pooling_mode": "max"}, lambda rows: rows.max(axis=0)),
        ({"pooling_mode_mean_tokens": True}, lambda rows: rows.mean(axis=0)),
    ],
)
def test_tokens_are_pooled_as_the_folder_says(tmp_path, pooling, expected):
    folder = tiny_model.onnx_folder(tmp_path, TEXTS, pooling=pooling, begins=True, inside="onnx/model.onnx")
    words = tiny_model.table(tiny_model.vocabulary(TEXTS))
    vocabulary = tiny_model.vocabulary(TEXTS)
    rows = words[[2, vocabulary["my"], vocabulary["card"]]]
    wanted = expected(rows)
    got = features.embeddings(series("my card", TEXTS[2]), folder)[0]
    np.testing.assert_allclose(got, wanted / np.linalg.norm(wanted), atol=1e-6)


def test_a_text_is_cut_where_the_model_stops_reading(tmp_path):
    folder = tiny_model.onnx_folder(tmp_path, TEXTS)
    (tmp_path / "sentence_bert_config.json").write_text('{"max_seq_length": 2}')
    got = features.embeddings(series("my card", "my card is abroad"), folder)
    np.testing.assert_array_equal(got[0], got[1])


def test_a_text_gives_the_same_bytes_in_any_company(onnx):
    many = series(*(f"{one} {two}" for one in TEXTS for two in TEXTS for _ in range(2)))
    whole = features.embeddings(many, onnx)
    for start in (0, 7, 33):
        np.testing.assert_array_equal(features.embeddings(many[start : start + 1], onnx), whole[start : start + 1])


def test_nulls_and_blanks_are_zero_vectors(onnx):
    got = features.embeddings(series(None, " ", "card", "\n"), onnx)
    assert got.any(axis=1).tolist() == [False, False, True, False]
    assert features.embeddings(series(None), onnx).shape == (1, 0)


def test_a_static_model_gives_the_mean_of_the_words_it_knows(tmp_path):
    got = features.embeddings(series(*TEXTS, "quux card", "quux"), tiny_model.static_folder(tmp_path, TEXTS))
    wanted = [*(mean_of_words(text) for text in TEXTS), mean_of_words("card"), np.zeros(tiny_model.SIZE)]
    np.testing.assert_allclose(got, wanted, atol=1e-6)


def test_a_static_model_may_weigh_its_tokens_and_share_its_rows(tmp_path):
    words = tiny_model.vocabulary(TEXTS)
    rng = np.random.default_rng(0)
    weights, places = rng.random(len(words)).astype(np.float32), rng.integers(0, 5, len(words))
    folder = tiny_model.static_folder(tmp_path, TEXTS, weights=weights, mapping=places)
    rows = np.stack([tiny_model.table(words)[places[words[word]]] * weights[words[word]] for word in ("my", "card")])
    wanted = rows.mean(axis=0)
    np.testing.assert_allclose(
        features.embeddings(series("my card"), folder)[0], wanted / np.linalg.norm(wanted), atol=1e-6
    )


def without_tokenizer(folder):
    (folder / "tokenizer.json").unlink()


def with_nonsense(name):
    return lambda folder: (folder / name).write_bytes(b"nonsense")


BROKEN = [
    (without_tokenizer, "has no tokenizer.json"),
    (with_nonsense("tokenizer.json"), "this tokenizer cannot be read"),
    (with_nonsense("model.onnx"), "this ONNX model cannot be opened"),
    (with_nonsense("config.json"), "this file of the model is not JSON"),
    (lambda folder: tiny_model.onnx_folder(folder, TEXTS, asks=("input_ids", "pixels")), "asks for pixels"),
    (
        lambda folder: tiny_model.onnx_folder(folder, TEXTS, pooling={"pooling_mode": "weightedmean"}),
        "pools its tokens by weightedmean",
    ),
]


@pytest.mark.parametrize(("damage", "says"), BROKEN)
def test_a_folder_that_is_no_model_says_what_is_wrong_with_it(tmp_path, damage, says):
    folder = tiny_model.onnx_folder(tmp_path, TEXTS)
    damage(tmp_path)
    with pytest.raises(InputError, match=says) as raised:
        features.embeddings(series("card"), folder)
    assert str(raised.value).count("\n") == 2


def test_a_static_model_that_is_damaged_says_so(tmp_path):
    folder = tiny_model.static_folder(tmp_path, TEXTS)
    (tmp_path / "model.safetensors").write_bytes(b"nonsense")
    with pytest.raises(InputError, match="this model cannot be read"):
        features.embeddings(series("card"), folder)


def test_a_layer_that_is_not_known_here_is_left_to_sentence_transformers(tmp_path, monkeypatch):
    folder = tiny_model.onnx_folder(tmp_path, TEXTS)
    modules = [{"type": "sentence_transformers.models.Transformer"}, {"type": "sentence_transformers.models.Dense"}]
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)  # as if it were not installed
    with pytest.raises(TunesetError, match="neither an ONNX file nor a static table"):
        features.embeddings(series("card"), folder)


# --- the Hub: the layout of its cache on disk, without the network


def test_a_name_that_is_neither_a_folder_nor_a_hub_name_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    for name in ("nowhere", "a/b/c", str(tmp_path / "file"), "owner/name with spaces"):
        with pytest.raises(InputError, match="there is no such embedding model"):
            features.embeddings(series("card"), name)


@pytest.fixture
def hub_cache(tmp_path, monkeypatch, onnx):
    """The cache that huggingface_hub leaves behind, with big files named by their sha256, and no network."""
    from pathlib import Path

    from huggingface_hub import constants

    commit = "0" * 40
    home = tmp_path / "models--owner--name"
    snapshot = home / "snapshots" / commit
    for file in (file for file in Path(onnx).rglob("*") if file.is_file()):
        stored = home / "blobs" / hashlib.sha256(file.read_bytes()).hexdigest()
        stored.parent.mkdir(parents=True, exist_ok=True)
        stored.write_bytes(file.read_bytes())
        link = snapshot / file.relative_to(onnx)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(stored)
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text(commit)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return snapshot


def test_a_hub_name_gives_what_its_folder_gives(hub_cache, onnx, monkeypatch):
    fetch = __import__("huggingface_hub").snapshot_download
    monkeypatch.setattr(
        "huggingface_hub.snapshot_download", lambda *a, **k: fetch(*a, **k, cache_dir=hub_cache.parents[2])
    )
    np.testing.assert_array_equal(
        features.embeddings(series("my card"), "owner/name"), features.embeddings(series("my card"), onnx)
    )
    assert features.model_checksum("owner/name") == features.model_checksum(onnx)
    stored = (hub_cache / "model.onnx").resolve()
    stored.write_bytes(stored.read_bytes()[:-1] + b"x")
    with pytest.raises(InputError, match="a downloaded model is damaged"):
        features.embeddings(series("my card"), "owner/name")


def test_a_hub_name_without_network_says_so(hub_cache):
    with pytest.raises(InputError, match="could not be fetched from the Hub"):
        features.embeddings(series("card"), "owner/unknown")


def test_a_model_is_told_from_another_by_its_files_wherever_they_lie(tmp_path, onnx):
    same = tiny_model.onnx_folder(tmp_path / "same", TEXTS)
    other = tiny_model.onnx_folder(tmp_path / "other", [*TEXTS, "another word"])
    assert features.model_checksum(same) == features.model_checksum(onnx) != features.model_checksum(other)
    features.embeddings(series("card"), same, checksum=features.model_checksum(onnx))
    with pytest.raises(InputError, match="not the one that the recipe pins"):
        features.embeddings(series("card"), other, checksum=features.model_checksum(onnx))


# --- the cache


@pytest.fixture
def asked(monkeypatch):
    """Every text that a model was really asked about."""
    texts = []

    def opened(path):
        give = original(path)
        return lambda some: texts.extend(some) or give(some)

    original = local.opened
    monkeypatch.setattr(local, "opened", opened)
    return texts


def test_a_text_is_embedded_once_and_remembered_across_runs(tmp_path, onnx, asked):
    first = features.embeddings(series("my card", "card", "my card"), onnx, tmp_path)
    assert asked == ["my card", "card"]
    second = features.embeddings(series("fee", "card", None, "my card"), onnx, tmp_path)
    assert asked == ["my card", "card", "fee"]
    np.testing.assert_array_equal(second[[3, 1]], first[:2])
    np.testing.assert_array_equal(second, features.embeddings(series("fee", "card", None, "my card"), onnx))


def test_a_cache_file_that_was_cut_off_counts_as_not_there(tmp_path, onnx, asked):
    whole = features.embeddings(series(*TEXTS), onnx, tmp_path)
    (file,) = tmp_path.rglob("*.parquet")
    file.write_bytes(file.read_bytes()[:-20])
    file.with_suffix(".writing-1").write_bytes(b"half of it")
    np.testing.assert_array_equal(features.embeddings(series(*TEXTS), onnx, tmp_path), whole)
    assert asked == [*TEXTS, *TEXTS]
    features.embeddings(series(*TEXTS), onnx, tmp_path)
    assert len(asked) == 2 * len(TEXTS)


def test_a_run_that_was_killed_goes_on_where_it_stopped(tmp_path, onnx, asked, monkeypatch):
    monkeypatch.setattr(embed, "PART", 2)
    remember = embed._remember
    monkeypatch.setattr(embed, "_remember", lambda *part: remember(*part) if len(asked) < 4 else 1 / 0)
    with pytest.raises(ZeroDivisionError):
        features.embeddings(series(*TEXTS), onnx, tmp_path)
    monkeypatch.setattr(embed, "_remember", remember)
    asked.clear()
    features.embeddings(series(*TEXTS), onnx, tmp_path)
    assert asked == TEXTS[2:]


def test_another_model_remembers_other_vectors(tmp_path, onnx):
    static = tiny_model.static_folder(tmp_path / "static", ["my card"])
    for model in (onnx, static):
        features.embeddings(series("my card"), model, tmp_path / "cache")
    assert len(list((tmp_path / "cache" / "embeddings").iterdir())) == 2


def test_a_cache_that_cannot_be_written_says_so(tmp_path, onnx):
    (tmp_path / "embeddings").write_text("a file where a folder should be")
    with pytest.raises(TunesetError, match="the vectors cannot be kept"):
        features.embeddings(series("card"), onnx, tmp_path)


# --- a server


class Server(ThreadingHTTPServer):
    daemon_threads = True

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append((self.path, self.headers.get("Authorization"), body))
        scripted = self.server.answers.pop(0) if self.server.answers else None
        if scripted == "hang up":
            self.close_connection = True
            return
        status, headers, content = scripted or (200, {}, self.vectors(body["input"]))
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def vectors(self, texts):
        rows = [{"index": place, "embedding": [len(text), 1.0]} for place, text in enumerate(texts)]
        return json.dumps({"data": rows[::-1]}).encode()  # in no order, as the API allows

    def log_message(self, *_):
        pass


@pytest.fixture
def serving(monkeypatch):
    monkeypatch.setattr(server, "PAUSE", 0.01)
    for key in (server.KEY, server.OPENAI, "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(key, raising=False)
    with Server(("127.0.0.1", 0), Answering) as running:
        running.answers, running.requests = [], []
        threading.Thread(target=running.serve_forever, args=[0.01], daemon=True).start()
        yield running
        running.shutdown()


def test_a_server_is_asked_in_batches_and_answers_are_put_in_order(serving, monkeypatch):
    monkeypatch.setattr(server, "TEXTS", 3)
    texts = ["a" * size for size in range(1, 9)]
    got = features.embeddings(series(*texts), f"{serving.url}/v1/#small")
    np.testing.assert_allclose(got[:, 0] / got[:, 1], range(1, 9), rtol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(got, axis=1), 1, rtol=1e-6)
    assert [(path, len(body["input"])) for path, _, body in serving.requests] == [
        ("/v1/embeddings", 3),
        ("/v1/embeddings", 3),
        ("/v1/embeddings", 2),
    ]
    assert {body["model"] for _, _, body in serving.requests} == {"small"}


def test_long_texts_are_cut_and_go_in_smaller_batches(serving, monkeypatch):
    monkeypatch.setattr(server, "LETTERS", 10)
    monkeypatch.setattr(server, "LONGEST", 6)
    features.embeddings(series("abcdefgh", "ij", "klmnop", "q"), f"{serving.url}/v1/embeddings")
    assert [body for _, _, body in serving.requests] == [{"input": ["abcdef", "ij"]}, {"input": ["klmnop", "q"]}]


def test_the_key_comes_from_the_environment_and_the_one_of_openai_goes_nowhere_else(serving, monkeypatch):
    monkeypatch.setenv(server.OPENAI, "for OpenAI alone")
    features.embeddings(series("a"), serving.url)
    monkeypatch.setenv(server.KEY, "secret")
    features.embeddings(series("b"), serving.url)
    assert [key for _, key, _ in serving.requests] == [None, "Bearer secret"]


def test_a_server_that_stumbles_is_asked_again(serving):
    serving.answers = [(429, {"Retry-After": "0"}, b""), (503, {}, b"busy"), "hang up"]
    assert features.embeddings(series("card"), serving.url).shape == (1, 2)
    assert len(serving.requests) == 4


def test_a_server_that_goes_on_stumbling_ends_in_an_error_and_the_next_run_goes_on(serving, monkeypatch, tmp_path):
    monkeypatch.setattr(embed, "PART", 1)
    serving.answers = [None, *[(500, {}, b"")] * server.TRIES]
    with pytest.raises(TunesetError, match="did not answer, in 5 tries"):
        features.embeddings(series("a", "b"), serving.url, tmp_path)
    serving.requests.clear()
    features.embeddings(series("a", "b"), serving.url, tmp_path)
    assert [body["input"] for _, _, body in serving.requests] == [["b"]]


def test_a_server_out_of_reach_ends_in_an_error(monkeypatch):
    monkeypatch.setattr(server, "PAUSE", 0.001)
    with pytest.raises(TunesetError, match="did not answer"):
        features.embeddings(series("a"), "http://127.0.0.1:9")


def test_a_refusal_is_said_with_the_server_s_words_and_without_the_key(serving, monkeypatch):
    monkeypatch.setenv(server.KEY, "secret")
    serving.answers = [(401, {}, b'{"error": "who are\n you?"}')]
    with pytest.raises(TunesetError, match="401") as raised:
        features.embeddings(series("a"), f"{serving.url}/v1?token=hidden#small")
    said = str(raised.value)
    assert "who are you?" in said
    assert "secret" not in said
    assert "hidden" not in said
    assert len(serving.requests) == 1


def test_a_redirection_is_not_followed_for_the_key_would_go_along(serving, monkeypatch):
    monkeypatch.setenv(server.KEY, "secret")
    serving.answers = [(307, {"Location": f"{serving.url}/elsewhere"}, b"")]
    with pytest.raises(TunesetError, match="307"):
        features.embeddings(series("a"), serving.url)
    assert len(serving.requests) == 1


STRANGE = [
    b"<html>",
    b"{}",
    b'{"data": []}',
    b'{"data": [{"index": 0, "embedding": "base64"}]}',
    b'{"data": [{"index": 0, "embedding": [1, null]}]}',
    b'{"data": [{"index": 1, "embedding": [1, 2]}]}',
    b'{"data": [{"index": 0, "embedding": [1e400, 2]}]}',
    b'{"data": [{"index": 0, "embedding": 5}]}',
]


@pytest.mark.parametrize("content", STRANGE)
def test_an_answer_that_is_no_vectors_is_an_error(serving, content):
    serving.answers = [(200, {}, content)]
    with pytest.raises(InputError, match="sent something else"):
        features.embeddings(series("a"), serving.url)


def test_an_answer_without_end_is_given_up(serving, monkeypatch):
    monkeypatch.setattr(server, "BYTES", 1 << 20)
    serving.answers = [(200, {}, b" " * (2 << 20))]
    with pytest.raises(InputError, match="more than 1 MB"):
        features.embeddings(series("a"), serving.url)


def test_an_address_with_a_password_is_refused_before_anything_is_sent():
    with pytest.raises(RecipeError, match="carries a password") as raised:
        features.embeddings(series("a"), "https://ada:secret@example.org/v1")
    assert "secret" not in str(raised.value)


def test_the_cache_folder_is_where_the_environment_says(tmp_path, monkeypatch):
    monkeypatch.setenv("TUNESET_CACHE", str(tmp_path))
    assert features.cache_folder() == tmp_path
    monkeypatch.delenv("TUNESET_CACHE")
    assert features.cache_folder().parts[-2:] == (".cache", "tuneset")


def test_hub_names_are_recognised():
    assert hub.HUB_ID.fullmatch("sentence-transformers/all-MiniLM-L6-v2@refs/pr/21")
    assert not hub.HUB_ID.fullmatch("all-MiniLM-L6-v2")
