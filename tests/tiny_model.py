"""Tiny embedding models for tests, in the forms that real ones come in: made, not downloaded."""

from __future__ import annotations

import json
import re
from hashlib import blake2b

import numpy as np

SIZE = 64
MEANINGS = [
    {"find", "see", "locate"},
    {"pin", "code"},
]
LITTLE = {
    "the",
    "of",
    "my",
    "do",
    "i",
    "how",
    "where",
    "can",
    "s",
    "a",
    "to",
    "on",
    "is",
    "in",
    "for",
    "me",
    "?",
    ",",
    "'",
}


def vector(word):
    """A word's vector: words of one meaning share it, little words hardly have one."""
    meaning = next((min(words) for words in MEANINGS if word in words), word)
    seed = int.from_bytes(blake2b(meaning.encode(), digest_size=8).digest(), "big")
    return np.random.default_rng(seed).normal(size=SIZE).astype(np.float32) * (0.1 if word in LITTLE else 1)


def vocabulary(texts):
    words = sorted({word for text in texts for word in re.findall(r"\w+|[^\w\s]", text.lower())})
    return {"[UNK]": 0, "[PAD]": 1, "[CLS]": 2, **{word: place + 3 for place, word in enumerate(words)}}


def table(words):
    rows = [vector(word) if place > 2 else np.full(SIZE, place / 10, np.float32) for word, place in words.items()]
    return np.stack(rows)


def tokenizer(words, path, *, begins=False):
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    made = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    if begins:
        made.post_processor = processors.TemplateProcessing("[CLS] $A", special_tokens=[("[CLS]", 2)])
    made.enable_padding(pad_id=1, pad_token="[PAD]", length=128)  # as all-MiniLM-L6-v2 has it; it must be switched off
    made.save(str(path / "tokenizer.json"))


def onnx_folder(path, texts, *, pooling=None, inside="model.onnx", begins=False, asks=("input_ids", "attention_mask")):
    """A model that gives each token its row of a table, plus what its neighbours to the left are worth."""
    from onnx import TensorProto, helper, numpy_helper, save

    words = vocabulary(texts)
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["texts", "tokens"]) for name in asks]
    output = helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, ["texts", "tokens", SIZE])
    mask = "attention_mask" if "attention_mask" in asks else "input_ids"
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["rows"]),
        helper.make_node("Cast", [mask], ["kept"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["kept", "last"], ["column"]),
        helper.make_node("Mul", ["column", "nothing"], ["zero"]),
        helper.make_node("Add", ["rows", "zero"], ["last_hidden_state"]),
    ]
    constants = {"table": table(words), "last": np.array([2]), "nothing": np.zeros(1, np.float32)}
    graph = helper.make_graph(
        nodes, "tiny", inputs, [output], [numpy_helper.from_array(value, name) for name, value in constants.items()]
    )
    (path / inside).parent.mkdir(parents=True, exist_ok=True)
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path / inside)
    tokenizer(words, path, begins=begins)
    (path / "config.json").write_text(json.dumps({"pad_token_id": 1}))
    if pooling:
        (path / "1_Pooling").mkdir()
        (path / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    return str(path)


def static_folder(path, texts, **tensors):
    from safetensors.numpy import save_file

    words = vocabulary(texts)
    path.mkdir(parents=True, exist_ok=True)
    save_file({"embeddings": table(words), **tensors}, path / "model.safetensors")
    tokenizer(words, path)
    (path / "config.json").write_text(json.dumps({"model_type": "model2vec", "normalize": True}))
    return str(path)
