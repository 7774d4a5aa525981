"""One way's spell check: `python typo.py NAME WORDS.txt OUT.json` writes the words, one a line, that it would change.

Ours gets whole texts, as JSON, in the place of words: it learns from them which words the set uses.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


def tuneset(texts: Path) -> list[str]:
    """Fit the step to the texts, as a run does."""
    from tuneset.clean import Typo
    from tuneset.testing import examples

    return list(Typo().fit(examples(json.loads(texts.read_text()))).meant)


def codespell(words: Path) -> list[str]:
    """Its own list of misspellings."""
    said = subprocess.run([_beside("codespell"), str(words)], capture_output=True, text=True, check=False).stdout
    return [line.split(": ")[1].split(" ==> ")[0] for line in said.splitlines() if " ==> " in line]


def typos(words: Path) -> list[str]:
    """Its own list of misspellings, for source code first of all."""
    command = [_beside("typos"), "--format", "json", "--no-unicode", str(words)]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    found = [json.loads(line) for line in said.splitlines()]
    return [each["typo"] for each in found if each.get("type") == "typo"]


def symspellpy(words: Path) -> list[str]:
    """Words that its dictionary does not have and that are one or two edits from one that it has."""
    from importlib.resources import files

    from symspellpy import SymSpell, Verbosity

    checker = SymSpell(max_dictionary_edit_distance=2)
    checker.load_dictionary(str(files("symspellpy") / "frequency_dictionary_en_82_765.txt"), 0, 1)
    read = words.read_text().split("\n")
    best = ((word, checker.lookup(word, Verbosity.TOP, max_edit_distance=2)) for word in read)
    return [word for word, found in best if found and found[0].distance > 0]


def _beside(command: str) -> str:
    return str(Path(sys.executable).with_name(command))


WAYS = {"tuneset": tuneset, "codespell": codespell, "typos": typos, "symspellpy": symspellpy}

if __name__ == "__main__":
    name, source, out = sys.argv[1:]
    Path(out).write_text(json.dumps(WAYS[name](Path(source))))
