"""Typos: how many of planted ones are found, how many other words are flagged, and how fast."""

from __future__ import annotations

import importlib
import json
import sys
from typing import TYPE_CHECKING, Any

from process import BENCH, PEERS, PYTHON, NotRunError, run
from recall import DATA
from tables import OURS, Table

if TYPE_CHECKING:
    from pathlib import Path

WAYS = (OURS, "codespell", "typos", "symspellpy")
COLUMNS = {"found": "more", "precision": "more", "other words flagged, %": "less", "seconds": "less"}


def measure(out: Path) -> list[Table]:
    """Give a table for each of three sets."""
    sys.path.append(str(BENCH / "quality"))
    typos: Any = importlib.import_module("typos")
    texts = typos.sets(DATA)
    return [_table(name, typos, typos.plant(texts[name], seed=1), out) for name in ("banking77", "clinc150", "hwu64")]


def _table(name: str, typos: Any, planted: Any, out: Path) -> Table:
    ways: dict[str, dict[str, float] | str] = {}
    source, words, said = out / "texts.json", out / "words.txt", out / "said.json"
    source.write_text(json.dumps(list(planted.texts)))
    words.write_text("\n".join(sorted({word.lower() for text in planted.texts for word in typos.WORD.findall(text)})))
    for way in WAYS:
        command = (PYTHON, source) if way == OURS else (PEERS, words)
        try:
            took = run(command[0], BENCH / "peers" / "typo.py", way, command[1], said)
        except (NotRunError, FileNotFoundError) as error:
            ways[way] = str(error)
            continue
        ways[way] = _quality(typos, planted, set(json.loads(said.read_text()))) | {"seconds": round(took.seconds, 2)}
    return Table(
        f"Typos, {name}",
        f"5 % of the words of four letters and more mistyped at random (insert, delete, substitute, transpose): "
        f"{sum(map(len, planted.meant)):,} of them. codespell and typos keep to lists of misspellings that people make, and "
        "random ones are not on them; typos that were in the set before count as other words. Ours reads whole texts and learns "
        "the set's own words, the others get its distinct words, one a line.",
        COLUMNS,
        ways,
        "found" if name == "banking77" else "",
    )


def _quality(typos: Any, planted: Any, flagged: set[str]) -> dict[str, float]:
    hits = others = words = 0
    for text, meant in zip(planted.texts, planted.meant, strict=True):
        for word in typos.WORD.finditer(text):
            is_flagged = word[0].lower() in flagged
            words += 1
            hits += is_flagged and word.start() in meant
            others += is_flagged and word.start() not in meant
    return {
        "found": hits / sum(map(len, planted.meant)),
        "precision": hits / max(1, hits + others),
        "other words flagged, %": round(100 * others / words, 3),
    }
