"""Take the pictures of the README again: the report of the messy example, and what the check of a faulty file prints.

`python docs/pictures.py` needs Chromium. The pictures on judging.md were pointed at by hand, and stay.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import pty
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

HERE = Path(__file__).parent
ROOT = HERE.parent
sys.path.insert(0, str(ROOT / "tests"))
WIDTH = 110  # columns of a terminal
ASKS = {"role": "user", "content": "Where is my parcel?"}
TOOL = {"type": "function", "function": {"name": "find_parcel", "parameters": {"type": "object", "properties": {}}}}


def call(arguments: str) -> dict[str, Any]:
    """Call the tool."""
    return {"id": "1", "type": "function", "function": {"name": "find_parcel", "arguments": arguments}}


def said(words: str) -> dict[str, Any]:
    """Answer."""
    return {"role": "assistant", "content": words}


ASKED = [
    "Where is it?",
    "Refund me",
    "Is it here yet?",
    "Stop my order",
    "Wrong size",
    "Card refused",
    "Two came",
    "Gift wrap?",
    "Late again",
]
FAULTY = [
    *({"messages": [{"role": "user", "content": each}, said('{"category": "Orders"}')]} for each in ASKED),
    {"messages": [ASKS, said('{"kind": "Orders"}')]},
    {"messages": [ASKS, {"role": "assistant", "tool_calls": [call("{number: 7}")]}], "tools": [TOOL]},
    {"messages": [ASKS, said("Hello! "), {"role": "user", "content": "Anyone?"}]},
]  # fmt: skip


def terminal(command: str, folder: Path, to: Path) -> None:
    """Picture what a command prints."""
    named = {"COLUMNS": str(WIDTH), "TERM": "xterm-256color", "PYTHONPATH": str(ROOT)}
    ours, its = pty.openpty()  # lines are broken as on a screen only where there is one
    words = [sys.executable, "-m", *command.split()]
    with subprocess.Popen(words, cwd=folder, env=os.environ | named, stdin=its, stdout=its, stderr=its):  # noqa: S603
        os.close(its)
        printed = b""
        with contextlib.suppress(OSError):  # Linux's way to say that nobody writes there any more
            while piece := os.read(ours, 1 << 16):
                printed += piece
    os.close(ours)
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        screen = Console(record=True, width=WIDTH, file=nowhere)
        screen.print(Text(f"$ {command}", style="bold"))
        screen.print(Text.from_ansi(printed.decode().replace("\r\n", "\n")))
        drawn = screen.export_svg(title="tuneset")
    drawn = re.sub(r"@font-face \{.*?\}", "", drawn, flags=re.DOTALL)  # it would be fetched from elsewhere
    to.write_text(drawn.replace("Fira Code", "ui-monospace, Menlo, Consolas"), encoding="utf-8")


def report(folder: Path, to: Path) -> None:
    """Picture the first screen of a report."""
    browser = importlib.import_module("browser").browser
    with browser() as page:
        page.open(str(folder / "report.html"), width=1280, height=1080)
        page.settle()
        page.picture(to)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temp:
        away = Path(temp)
        (away / "train.jsonl").write_text("\n".join(json.dumps(row) for row in FAULTY) + "\n", encoding="utf-8")
        terminal("tuneset check train.jsonl --target openai", away, HERE / "check.svg")
        shutil.copy(ROOT / "examples" / "customer_intent_messy.csv", away)
        prepare = [sys.executable, "-m", "tuneset", "prepare", "customer_intent_messy.csv", "--out", "run"]
        subprocess.run(prepare, cwd=away, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True)  # noqa: S603
        report(away / "run", HERE / "report.png")
