"""LLaMA-Factory's converter: `llama_factory.py sharegpt|alpaca FILES`; a row that it would leave out is refused.

The dataset_info.json beside a file is used where there is one.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from lines import alone, main
from loaded import each_loaded

ABSENT = dict.fromkeys(("use_modelscope", "use_openmind"), lambda: False)
alone(
    "llamafactory",
    "data",
    "extras",
    extras__constants={"RUNNING_LOG": "log", "DATA_CONFIG": "dataset_info.json"},  # these two import torch
    extras__misc=ABSENT,
)

from llamafactory.data.converter import get_dataset_converter  # noqa: E402  # only now can it be imported
from llamafactory.data.parser import DatasetAttr, get_dataset_list  # noqa: E402  # only now can it be imported

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lines import Problem


def attributes(path: Path) -> Any:
    """Read how the file is described; without a description, name what this shape of row has."""
    info = path.parent / "dataset_info.json"
    if info.exists():
        names = [name for name, entry in json.loads(info.read_text()).items() if entry["file_name"] == path.name]
        return get_dataset_list(names, str(path.parent))[0]
    plain = DatasetAttr("file", dataset_name=path.name)
    plain.join({"formatting": sys.argv[1]})
    return plain


def check(path: Path) -> Iterator[Problem]:
    """Convert every row."""
    convert = get_dataset_converter(sys.argv[1], attributes(path), None)

    def check_row(row: Any) -> None:
        made = convert(row)
        if not made["_prompt"] or not made["_response"]:
            raise ValueError("the row would be left out")
        for message in (*made["_prompt"], *made["_response"]):
            if not isinstance(message["content"], str):
                raise TypeError(f"the content is {type(message['content']).__name__}")
            if message["role"] == "function":
                _check_calls(message["content"])
        if made["_tools"]:
            json.loads(made["_tools"])

    yield from each_loaded(path, check_row)


def _check_calls(content: str) -> None:
    """Read a call as its templates do, which want a name and arguments of each."""
    calls = json.loads(content)
    for call in calls if isinstance(calls, list) else [calls]:
        json.dumps([call["name"], call["arguments"]])


main(check, sys.argv[2:])
