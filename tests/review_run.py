"""A run that asks a person much: labels in doubt, typos, twins, with hostile texts and two label columns."""

import csv
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import tuneset

HOSTILE = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\"> where is my order?"
TYPOS = [f"did you recieve my order {number}?" for number in range(101, 113)]
LINES = "first line of my recieved order\n\n  second line\twith a tab"


def prepared(folder):
    """Prepare the example set with rows that make the steps speak."""
    with (Path(__file__).parents[1] / "examples" / "customer_intent.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    first, other = rows[0], next(row for row in rows if row["category"] != rows[0]["category"])
    made = [{**first, "inquiry": HOSTILE}, {**first, "inquiry": LINES}]
    made += [{**first, "inquiry": text} for text in TYPOS]
    made += [{**other, "inquiry": row["inquiry"].upper()} for row in rows[:3] if row["category"] != other["category"]]
    return tuneset.prepare(rows + made, out=folder)


class Served:
    """`tuneset review` as a user starts it, in a process of its own."""

    def __init__(self, run, *more):
        command = [sys.executable, "-m", "tuneset.cli", "review", str(run), "--by", "ann", *more]
        wide = os.environ | {"COLUMNS": "300"}
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=wide)
        line = self.process.stdout.readline()
        self.run, self.decisions = Path(run), Path(run) / "decisions.jsonl"
        self.link = re.search(r"http://\S+", line)[0]
        self.url, self.key = self.link.split("/?key=")
        self.port = int(self.url.rpartition(":")[2])

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        said = self.process.communicate(timeout=20)[0]
        return self.process.returncode, said
