"""Embedding models in a folder: ONNX, static tables of tokens, and what sentence-transformers can open."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from tuneset.errors import InputError, need
from tuneset.features.hub import EXTRA, onnx_file

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

Embed = Callable[[Sequence[str]], "Floats"]
TABLE = "model.safetensors"
TOKENS = 512  # read of a text, where the folder does not say
BATCH = 32  # texts to a run: 16 and 64 are slower
WIDTH = 8  # texts are filled up to a multiple of this, so that what a text gives does not depend on its neighbours
POOLINGS = ("mean", "cls", "max", "lasttoken")


def opened(path: Path) -> Embed:
    """Open a model; what comes back turns texts into vectors of shape (texts, dimensions), of any length.

    - ONNX (`model.onnx` or `onnx/model.onnx`, and `tokenizer.json`): pooled as `1_Pooling/config.json` says, else by
      the mean of the tokens.
    - Static (`model.safetensors` and `tokenizer.json`, as model2vec writes them): the mean of the tokens' rows.
    - Any other folder goes to sentence-transformers where that is installed, on the processor.

    Limits: no prompts ("query: …") are put in front. A model that was made smaller with dynamic quantisation gives a
    text slightly other vectors in another company.
    """
    modules = {str(module.get("type", "")).rpartition(".")[2] for module in _json(path / "modules.json", [])}
    onnx = onnx_file(path)
    if onnx is not None and modules <= {"Transformer", "Pooling", "Normalize"}:
        return partial(_transformed, _session(onnx), _tokenizer(path), path)
    table = _table(path / TABLE)
    if table is not None:
        return partial(_looked_up, table, _tokenizer(path))
    return _sentence_transformer(path)


def _transformed(session: Any, tokenizer: Any, path: Path, texts: Sequence[str]) -> Floats:
    """Run an ONNX model over texts, those of one width together."""
    tokens = [encoding.ids for encoding in tokenizer.encode_batch_fast(list(texts))]
    sizes = np.array([len(ids) for ids in tokens], np.int64)
    widths = -(-np.maximum(sizes, 1) // WIDTH) * WIDTH
    filling = _json(path / "config.json", {}).get("pad_token_id") or 0
    vectors: dict[int, Floats] = {}
    for width in np.unique(widths).tolist():
        rows = np.flatnonzero(widths == width)
        for batch in (rows[start : start + BATCH] for start in range(0, len(rows), BATCH)):
            ids = np.full((len(batch), width), filling, np.int64)
            there = np.arange(width) < sizes[batch, None]
            ids[there] = [token for row in batch for token in tokens[row]]
            vectors.update(zip(batch.tolist(), _pooled(path, _run(session, path, ids, there), there), strict=True))
    return np.stack([vectors[row] for row in range(len(texts))])


def _run(session: Any, path: Path, ids: Ints, there: Bools) -> Floats:
    known = {"input_ids": ids, "attention_mask": there.astype(np.int64), "token_type_ids": np.zeros_like(ids)}
    asked = [each.name for each in session.get_inputs()]
    if unknown := sorted(set(asked) - known.keys()):
        raise _unfit(path, f"asks for {', '.join(unknown)}, which a text does not give")
    outputs = [each.name for each in session.get_outputs()]
    wanted = "sentence_embedding" if "sentence_embedding" in outputs else outputs[0]
    try:
        hidden: Floats = session.run([wanted], {name: known[name] for name in asked})[0].astype(np.float32)
    except _failures() as error:
        raise _unfit(path, f"fails: {str(error).splitlines()[0]}") from error
    if hidden.ndim not in (2, 3):
        raise _unfit(path, f"gives {hidden.ndim} axes; 3 are known (texts, tokens, dimensions), or 2 where it pools")
    return hidden


def _pooled(path: Path, hidden: Floats, there: Bools) -> Floats:
    """Make one vector of each text's tokens, unless the model did so itself."""
    if hidden.ndim == 2:
        return hidden
    way, sizes = _pooling(path), np.maximum(there.sum(axis=1), 1)
    if way == "cls":
        return hidden[:, 0]
    if way == "lasttoken":
        last: Floats = hidden[np.arange(len(hidden)), sizes - 1]
        return last
    if way == "max":
        return np.asarray(np.where(there[:, :, None], hidden, -np.inf).max(axis=1), np.float32)
    return np.asarray((hidden * there[:, :, None]).sum(axis=1) / sizes[:, None], np.float32)


def _pooling(path: Path) -> str:
    """Read how tokens are pooled; sentence-transformers writes a word or, in earlier versions, a switch for each way."""
    said = _json(path / "1_Pooling" / "config.json", {})
    switches = [key for key, on in said.items() if key.startswith("pooling_mode_") and on is True]
    ways = [key.removeprefix("pooling_mode_").removesuffix("_tokens").removesuffix("_token") for key in switches]
    way = str(said.get("pooling_mode") or " and ".join(ways) or "mean")
    if way not in POOLINGS:
        raise _unfit(path, f"pools its tokens by {way}, which is not known here ({', '.join(POOLINGS)} are)")
    return way


def _looked_up(table: tuple[Floats, Any, Any], tokenizer: Any, texts: Sequence[str]) -> Floats:
    """Average the rows of a static table; a token that the model does not know counts for nothing."""
    vectors, weights, places = table
    tokens = [encoding.ids for encoding in tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)]
    numbers = np.array(list(chain.from_iterable(tokens)), np.int64)
    row = np.repeat(np.arange(len(tokens)), [len(ids) for ids in tokens])
    known = numbers != _unknown(tokenizer)
    numbers, row = numbers[known], row[known]
    rows = vectors[numbers if places is None else places[numbers]]
    if weights is not None:
        rows = rows * weights[numbers, None]
    means = np.zeros((len(tokens), vectors.shape[1]), np.float32)
    some, first, sizes = np.unique(row, return_index=True, return_counts=True)
    if len(some):
        means[some] = np.add.reduceat(rows, first, axis=0) / sizes[:, None]
    return means


def _unknown(tokenizer: Any) -> int:
    """Return the number of the token that stands for what the model does not know, -1 without one."""
    model = orjson.loads(tokenizer.to_str())["model"]
    token = model.get("unk_token")
    number: int | None = model.get("unk_id") if token is None else tokenizer.token_to_id(token)
    return -1 if number is None else number


def _session(file: Path) -> Any:
    runtime = need("onnxruntime", EXTRA)
    options = runtime.SessionOptions()
    options.log_severity_level = 4  # it writes to the terminal; what is fatal comes as an exception as well
    # Waiting threads that keep a core busy cost a third of the speed where others use the machine, and gain nothing.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return runtime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except _failures() as error:
        raise InputError(
            "this ONNX model cannot be opened", str(file), f"export it anew ({str(error).splitlines()[0]})"
        ) from error


def _failures() -> tuple[type[Exception], ...]:
    """List what onnxruntime raises about a model; its exceptions have no common class."""
    raised = need("onnxruntime.capi.onnxruntime_pybind11_state", EXTRA)
    names = ("Fail", "InvalidArgument", "InvalidGraph", "InvalidProtobuf", "NotImplemented", "RuntimeException")
    return tuple(getattr(raised, name) for name in names)


def _tokenizer(path: Path) -> Any:
    """Open the folder's tokenizer, without its filling, and with the cut that the model was made for."""
    tokenizers, file = need("tokenizers", EXTRA), path / "tokenizer.json"
    if not file.is_file():
        raise _unfit(path, "has no tokenizer.json")
    try:
        tokenizer = tokenizers.Tokenizer.from_buffer(file.read_bytes())
    except ValueError as error:
        raise InputError("this tokenizer cannot be read", str(file), f"write it anew ({error})") from error
    tokenizer.no_padding()
    most = _json(path / "sentence_bert_config.json", {}).get("max_seq_length")
    tokenizer.enable_truncation(int(most or (tokenizer.truncation or {}).get("max_length") or TOKENS))
    return tokenizer


def _table(file: Path) -> tuple[Floats, Any, Any] | None:
    """Read a static model's vectors, with the weights and the places of its tokens where it has them."""
    if not file.is_file():
        return None
    safetensors = need("safetensors", EXTRA)
    try:
        with safetensors.safe_open(file, framework="numpy") as stored:
            names = set(stored.keys())
            name = next((name for name in ("embeddings", "embedding.weight") if name in names), None)
            if name is None:
                return None
            weights, places = (stored.get_tensor(key) if key in names else None for key in ("weights", "mapping"))
            return stored.get_tensor(name).astype(np.float32), weights, places
    except safetensors.SafetensorError as error:
        raise InputError("this model cannot be read", str(file), f"fetch it anew ({error})") from error


def _sentence_transformer(path: Path) -> Embed:
    """Open whatever else sentence-transformers can open, on the processor: there the result is the same each time."""
    if importlib.util.find_spec("sentence_transformers") is None:
        raise InputError(
            "the embedding model has neither an ONNX file nor a static table that is known here",
            str(path),
            "export it to ONNX, or pip install sentence-transformers, which may open it",
        )
    model = importlib.import_module("sentence_transformers").SentenceTransformer(str(path), device="cpu")
    return lambda texts: np.asarray(model.encode(list(texts), batch_size=BATCH, show_progress_bar=False), np.float32)


def _json(file: Path, absent: Any) -> Any:
    if not file.is_file():
        return absent
    try:
        return orjson.loads(file.read_bytes())
    except orjson.JSONDecodeError as error:
        raise InputError("this file of the model is not JSON", str(file), f"fetch it anew ({error})") from error


def _unfit(path: Path, why: str) -> InputError:
    return InputError(f"the embedding model {why}", str(path), "give a folder with model.onnx and tokenizer.json")
