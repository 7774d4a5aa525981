"""What crowd-kit makes of a few pools of answers: `python tests/crowd_kit.py` writes tests/crowd_kit.json.

crowd-kit wants transformers, nltk and pyarrow, so it is no dependency, not even of the tests: they read the file. To
write it again: `uv venv .oracle && uv pip install --python .oracle crowd-kit && .oracle/bin/python tests/crowd_kit.py`.
"""

import json
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np

FILE = Path(__file__).with_suffix(".json")
# seed, items, people, labels, answers to an item; two people of each pool make their answers up, one swaps two labels
POOLS = ((1, 80, 7, 2, 3), (2, 80, 8, 3, 4), (3, 100, 10, 5, 4), (4, 60, 6, 4, 6))


def pool(seed, items, people, labels, overlap):
    """Draw answers (item, contributor, value) and the truth of each item; RandomState gives the same for ever."""
    draw = np.random.RandomState(seed)
    truth, skill = draw.randint(labels, size=items), draw.uniform(0.6, 0.95, people)
    rows = []
    for item in range(items):
        for who in sorted(draw.permutation(people)[:overlap].tolist()):
            right = draw.uniform() < (0 if who < 2 else skill[who])
            value = truth[item] if right else draw.randint(labels)
            if who == 2 and draw.uniform() < 0.5:
                value = {0: 1, 1: 0}.get(int(value), value)
            rows.append((f"i{item:03}", f"c{who}", f"v{value}"))
    return rows, [f"v{value}" for value in truth.tolist()]


def answered(rows):
    """Ask crowd-kit: posteriors as item -> value -> p, and what it learns about labels and people."""
    import pandas as pd
    from crowdkit.aggregation import MACE, DawidSkene, MajorityVote

    table = pd.DataFrame(rows, columns=["task", "worker", "label"])
    majority, skene, mace = MajorityVote(), DawidSkene(n_iter=5000, tol=0), MACE(n_restarts=1, n_iter=500)
    # MACE of 1.4.2 has people and labels in the order of their rows in one place and sorted in another: let both be one.
    table = table.sort_values(["worker", "task"], kind="stable")
    names = {label: f"{at:03}" for at, label in enumerate(table["label"].unique())}
    back = {name: label for label, name in names.items()}
    renamed = table.assign(label=table["label"].map(names))
    found = {
        "majority": majority.fit_predict_proba(table),
        "dawid-skene": skene.fit_predict_proba(table),
        "mace": mace.fit_predict_proba(renamed).rename(columns=back),
    }
    return {name: _rounded(each) for name, each in found.items()} | {
        "shares": {name: round(p, 6) for name, p in sorted(skene.priors_.items())},
        "errors": {f"{who} {said}": _row(row) for (who, said), row in sorted(skene.errors_.iterrows())},
        "known": dict(zip(table["worker"].unique().tolist(), mace.spamming_[:, 1].round(6).tolist(), strict=True)),
    }


def _rounded(table):
    return {item: _row(row) for item, row in sorted(table.iterrows())}


def _row(row):
    return {value: round(float(p), 6) for value, p in sorted(row.items())}


def main():
    made = {str(which): answered(pool(*which)[0]) for which in POOLS}
    versions = {name: version(name) for name in ("crowd-kit", "numpy", "pandas", "scipy")}
    lines = [f"{json.dumps(which)}: {json.dumps(each, separators=(',', ':'))}" for which, each in made.items()]
    FILE.write_text('{"versions": ' + json.dumps(versions) + ',\n"pools": {\n' + ",\n".join(lines) + "\n}}\n")
    sys.stderr.write(f"{versions}, {FILE.stat().st_size} bytes\n")


if __name__ == "__main__":
    main()
